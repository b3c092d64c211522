//go:build !linux

package transport

import "net"

// awaitRead does nothing: only Linux tells what a client has read.
func awaitRead(net.Conn) {}
