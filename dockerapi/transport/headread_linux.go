package transport

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// The pauses in which awaitRead looks, and when it gives up.
const (
	readPause = 50 * time.Microsecond
	readLimit = time.Second
)

// awaitRead returns when the client has read all that was sent on a unix socket, or does not read.
func awaitRead(c net.Conn) {
	socket, ok := c.(*net.UnixConn)
	if !ok {
		return
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return
	}
	for end := time.Now().Add(readLimit); time.Now().Before(end); time.Sleep(readPause) {
		unread := 0
		if err := raw.Control(func(fd uintptr) { unread, err = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) }); err != nil || unread == 0 {
			return
		}
	}
}
