package wasi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"

	"github.com/containerd/errdefs"

	"github.com/sockerless/sockerless/agent/network"
	"github.com/sockerless/sockerless/wasi/kernel"
)

// Network serves the connections of the cell's containers over a stream of the server, until that or ctx ends.
func (c *Cell) Network(ctx context.Context, stream io.ReadWriteCloser) error {
	return c.network.Serve(ctx, stream)
}

// DialInto connects to a program of a container: network.Incoming.
func (c *Cell) DialInto(ctx context.Context, id, kind, address string) (net.Conn, error) {
	found, err := c.container(id)
	if err != nil {
		return nil, err
	}
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, errdefs.ErrInvalidArgument.WithMessage(fmt.Sprintf("connect into container %s: %v", id, err))
	}
	release, err := found.usable()
	if err != nil {
		return nil, err
	}
	defer release()
	conn, err := found.table.DialInto(ctx, kind, to, network.Source(ctx))
	if err != nil {
		return nil, fmt.Errorf("connect into container %s: %w", id, err)
	}
	return conn, nil
}

// outside is what is beyond a container: its networks, which the server carries.
type outside struct{ c *container }

// Dial connects to an address.
func (o outside) Dial(ctx context.Context, kind, address string) (net.Conn, error) {
	return o.c.cell.network.Dial(ctx, o.c.spec.GetId(), kind, address)
}

// Lookup finds the addresses of a name.
func (o outside) Lookup(ctx context.Context, name string) ([]netip.Addr, error) {
	addresses, err := network.Lookup(ctx, o.c.cell.network, o.c.spec.GetId(), name)
	if errdefs.IsNotFound(err) {
		return nil, errors.Join(kernel.ErrNoName, err)
	}
	return addresses, err
}

// addresses are the container's own in its networks.
func (c *container) addresses() []netip.Addr {
	var all []netip.Addr
	for _, e := range c.spec.GetEndpoints() {
		if a, err := netip.ParseAddr(e.GetAddress()); err == nil {
			all = append(all, a)
		}
	}
	return all
}

// beyond is the container's network; nil for one that is in none.
func (c *container) beyond() kernel.Network {
	if len(c.spec.GetEndpoints()) == 0 {
		return nil
	}
	return outside{c}
}
