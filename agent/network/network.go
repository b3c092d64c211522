package network

import (
	"context"
	"net"
	"net/netip"

	"golang.org/x/net/dns/dnsmessage"
)

// Incoming connects into a container: for a port that is published, and for other containers of its networks. A cell
// implements it, and the host inside of a container elsewhere.
type Incoming interface {
	// DialInto connects to address, "ip:port" with an address of the container itself, network is "tcp" or "udp". The
	// connection should be a [Half]. Errors: as of [Outgoing.Dial]. [Source] tells who connects, where that is known.
	DialInto(ctx context.Context, container, network, address string) (net.Conn, error)
}

// Outgoing is the world as the containers of an agent see it.
type Outgoing interface {
	// Dial connects a container to address: "ip:port" or "name:port". network is "tcp" or "udp"; of a "udp" connection each
	// Write is a datagram, and so is each Read. With "unix" the address is the place of the engine's socket in the container. The connection is a [Half]. Errors: an [*Error] which says
	// what connect(2) would have; errors.Is works with syscall.ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EACCES, and with
	// os.ErrDeadlineExceeded and errdefs.ErrNotFound (no such name).
	Dial(ctx context.Context, container, network, address string) (net.Conn, error)
	// Resolve asks what a name of DNS stands for in a container's networks and beyond; a PTR's name is
	// "2.0.18.172.in-addr.arpa.". The final dot may be missing. No records and no error is a name that is there and has none of this type. Errors: an
	// [*Error]; errdefs.ErrNotFound where there is no such name.
	Resolve(ctx context.Context, container, name string, qtype dnsmessage.Type) ([]dnsmessage.Resource, error)
}

// Half is a connection whose directions end each by itself, and that can be broken off. All connections of this package
// over "tcp" are one, and *net.TCPConn is one but for Reset.
type Half interface {
	net.Conn
	// CloseWrite tells the other side that no more comes; it may go on sending.
	CloseWrite() error
}

// Resetter is a connection that can be broken off: the other side reads a reset and no end.
type Resetter interface {
	Reset() error
}

// Lookup returns the addresses that a name stands for in a container's networks and beyond. Errors: as of
// [Outgoing.Resolve], and errdefs.ErrNotFound where the name has no address.
func Lookup(ctx context.Context, out Outgoing, container, name string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(name); err == nil {
		return []netip.Addr{a.Unmap()}, nil
	}
	var addrs []netip.Addr
	for _, qtype := range []dnsmessage.Type{dnsmessage.TypeA, dnsmessage.TypeAAAA} {
		records, err := out.Resolve(ctx, container, name, qtype)
		if err != nil {
			return nil, err
		}
		addrs = append(addrs, Addresses(records)...)
	}
	if len(addrs) == 0 {
		return nil, NewError(NotFound, "lookup %s: no address", name)
	}
	return addrs, nil
}

// Addresses are those of the A and AAAA records.
func Addresses(records []dnsmessage.Resource) []netip.Addr {
	var addrs []netip.Addr
	for _, r := range records {
		switch body := r.Body.(type) {
		case *dnsmessage.AResource:
			addrs = append(addrs, netip.AddrFrom4(body.A))
		case *dnsmessage.AAAAResource:
			addrs = append(addrs, netip.AddrFrom16(body.AAAA))
		}
	}
	return addrs
}

type sourceKey struct{}

// WithSource says in a context of [Incoming.DialInto] who connects.
func WithSource(ctx context.Context, source netip.AddrPort) context.Context {
	return context.WithValue(ctx, sourceKey{}, source)
}

// Source is who connects; not valid where nobody said so.
func Source(ctx context.Context) netip.AddrPort {
	source, _ := ctx.Value(sourceKey{}).(netip.AddrPort)
	return source
}
