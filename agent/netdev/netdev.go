package netdev

import "net/netip"

// MTU is the largest with which a packet and its virtio header fit in 64 KiB: a packet costs the same whatever its size.
const MTU = 65520

// Config is a device.
type Config struct {
	Name      string // "eth0"
	MTU       int    // bytes
	Addresses []netip.Prefix
	// Gateways are those of the default routes, at most one of a family, within an address's prefix. Without one of IPv4
	// everything is sent to the device all the same: who serves it decides what can be reached.
	Gateways []netip.Addr
}
