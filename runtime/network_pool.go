package runtime

import (
	"encoding/binary"
	"net/netip"

	"github.com/containerd/errdefs"
)

// pools are where networks that ask for no subnet get one, as dockerd's are (moby's daemon/libnetwork/ipamutils): the prefix of
// each is cut into subnets of bits.
var pools = []struct {
	within netip.Prefix
	bits   int
}{
	{netip.MustParsePrefix("172.17.0.0/16"), 16},
	{netip.MustParsePrefix("172.18.0.0/16"), 16},
	{netip.MustParsePrefix("172.19.0.0/16"), 16},
	{netip.MustParsePrefix("172.20.0.0/14"), 16},
	{netip.MustParsePrefix("172.24.0.0/14"), 16},
	{netip.MustParsePrefix("172.28.0.0/14"), 16},
	{netip.MustParsePrefix("192.168.0.0/16"), 20},
}

// freeSubnet is the first subnet of the pools that overlaps none of taken. Errors: errdefs.ErrInvalidArgument, with dockerd's
// text, where there is none.
func freeSubnet(taken []netip.Prefix) (netip.Prefix, error) {
	for _, pool := range pools {
		first := number(pool.within.Addr())
		for i := range uint32(1) << (pool.bits - pool.within.Bits()) {
			subnet := netip.PrefixFrom(address(first+i<<(32-pool.bits)), pool.bits)
			if !overlaps(subnet, taken) {
				return subnet, nil
			}
		}
	}
	return netip.Prefix{}, errdefs.ErrInvalidArgument.WithMessage("all predefined address pools have been fully subnetted")
}

func overlaps(p netip.Prefix, taken []netip.Prefix) bool {
	for _, t := range taken {
		if p.Overlaps(t) {
			return true
		}
	}
	return false
}

// number is an IPv4 address as a number.
func number(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

func address(n uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], n)
	return netip.AddrFrom4(b)
}

// addressPool gives out the addresses of a subnet, the lowest that is free first. It is not safe for concurrent use.
type addressPool struct {
	subnet, within netip.Prefix // within: what is given out unless it is asked for; the subnet, or a part of it
	taken          map[netip.Addr]bool
	next           uint32 // no address of within below this one is free
}

// newAddressPool makes the pool of a subnet. within is not valid for all of it. reserved are never given out: the gateway.
func newAddressPool(subnet, within netip.Prefix, reserved ...netip.Addr) *addressPool {
	if !within.IsValid() {
		within = subnet
	}
	p := &addressPool{subnet: subnet, within: within, taken: map[netip.Addr]bool{}, next: number(within.Addr())}
	if subnet.Bits() < 31 { // the subnet's own address, and that of all in it
		p.taken[subnet.Addr()] = true
		p.taken[last(subnet)] = true
	}
	for _, a := range reserved {
		if a.IsValid() {
			p.taken[a] = true
		}
	}
	return p
}

// last is the highest address of a subnet.
func last(p netip.Prefix) netip.Addr {
	return address(number(p.Addr()) | uint32(uint64(1)<<(32-p.Bits())-1))
}

// take takes an address, any one if want is not valid. Errors: errdefs.ErrPermissionDenied where it is taken,
// ErrInvalidArgument where it is not of the subnet, ErrUnavailable where none is left, with dockerd's texts (moby's
// daemon/libnetwork/ipamapi).
func (p *addressPool) take(want netip.Addr) (netip.Addr, error) {
	if want.IsValid() {
		switch {
		case !p.subnet.Contains(want):
			return want, errdefs.ErrInvalidArgument.WithMessage("requested address is out of range")
		case p.taken[want]:
			return want, errdefs.ErrPermissionDenied.WithMessage("Address already in use")
		}
		p.taken[want] = true
		return want, nil
	}
	for end := number(last(p.within)); p.next <= end; p.next++ {
		if a := address(p.next); !p.taken[a] {
			p.taken[a] = true
			return a, nil
		}
		if p.next == end {
			break // it may be the last number of all
		}
	}
	return want, errdefs.ErrUnavailable.WithMessage("no available IPv4 addresses on this network's address pools")
}

// free gives an address back.
func (p *addressPool) free(a netip.Addr) {
	delete(p.taken, a)
	if p.within.Contains(a) {
		p.next = min(p.next, number(a))
	}
}
