package netstack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/containerd/errdefs"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"

	"github.com/sockerless/sockerless/agent/network"
)

// DialInto connects to a program in the container: it is network.Incoming. A host that is missing or 0.0.0.0 is the
// container's first address; a program that listens on 127.0.0.1 only is not reached by that, as in Docker. The program sees
// who connects, where that is known.
func (s *Stack) DialInto(ctx context.Context, _, kind, address string) (net.Conn, error) {
	target, err := s.inside(kind, address)
	if err != nil {
		return nil, err
	}
	var conn net.Conn
	if source := network.Source(ctx); s.tcp != nil && source.Addr().Is4() && !source.Addr().IsLoopback() && !s.own(source.Addr()) && s.own(target.Addr()) {
		conn, err = s.dialAs(ctx, kind, source, target)
	} else {
		var d net.Dialer
		conn, err = d.DialContext(ctx, kind, target.String())
	}
	if err != nil {
		return nil, fmt.Errorf("connect into the container: %w", err)
	}
	return conn, nil
}

// dialAs connects through the device, in the name of somebody else; by the same port, if that is free.
func (s *Stack) dialAs(ctx context.Context, kind string, source, target netip.AddrPort) (net.Conn, error) {
	protocol := tcp.ProtocolNumber
	if kind == "udp" {
		protocol = udp.ProtocolNumber
	}
	queue := new(waiter.Queue)
	endpoint, failed := s.tcp.NewEndpoint(protocol, ipv4.ProtocolNumber, queue)
	if failed != nil {
		return nil, errors.New(failed.String())
	}
	failed = endpoint.Bind(full(source))
	if _, taken := failed.(*tcpip.ErrPortInUse); taken {
		failed = endpoint.Bind(full(netip.AddrPortFrom(source.Addr(), 0)))
	}
	if failed == nil {
		failed = connect(ctx, endpoint, queue, full(target))
	}
	switch {
	case failed == nil && kind == "udp":
		return newAsker(queue, endpoint), nil
	case failed == nil:
		return &program{gonet.NewTCPConn(queue, endpoint), endpoint}, nil
	}
	endpoint.Abort()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return nil, stackError(failed)
}

// connect waits until an endpoint is connected, or ctx ends.
func connect(ctx context.Context, endpoint tcpip.Endpoint, queue *waiter.Queue, to tcpip.FullAddress) tcpip.Error {
	entry, writable := waiter.NewChannelEntry(waiter.WritableEvents)
	queue.EventRegister(&entry)
	defer queue.EventUnregister(&entry)
	failed := endpoint.Connect(to)
	if _, started := failed.(*tcpip.ErrConnectStarted); !started {
		return failed
	}
	select {
	case <-writable:
		return endpoint.LastError()
	case <-ctx.Done():
		return &tcpip.ErrAborted{}
	}
}

func full(a netip.AddrPort) tcpip.FullAddress {
	return tcpip.FullAddress{NIC: nic, Addr: tcpip.AddrFrom4(a.Addr().As4()), Port: a.Port()}
}

// stackError is an error of the TCP/IP stack as others know it.
func stackError(failed tcpip.Error) error {
	code := network.Failed
	switch failed.(type) {
	case *tcpip.ErrConnectionRefused:
		code = network.Refused
	case *tcpip.ErrTimeout:
		code = network.TimedOut
	case *tcpip.ErrConnectionReset:
		code = network.Reset
	case *tcpip.ErrHostUnreachable:
		code = network.HostUnreachable
	}
	return network.NewError(code, "%s", failed)
}

// asker is a flow of datagrams into the container. That nobody listens there is an error of the next Read, and its end.
type asker struct {
	*gonet.UDPConn
	refused atomic.Bool
}

func newAsker(queue *waiter.Queue, endpoint tcpip.Endpoint) *asker {
	a := &asker{UDPConn: gonet.NewUDPConn(queue, endpoint)}
	entry := waiter.NewFunctionEntry(waiter.EventErr, func(waiter.EventMask) {
		a.refused.Store(true)
		_ = a.UDPConn.SetReadDeadline(time.Unix(1, 0)) // wakes a Read, and never fails
	})
	queue.EventRegister(&entry)
	return a
}

func (a *asker) Read(p []byte) (int, error) {
	n, err := a.UDPConn.Read(p)
	if err != nil && a.refused.Load() {
		err = stackError(&tcpip.ErrConnectionRefused{})
	}
	return n, err
}

// inside is the address of the container that a connection from outside is for. One that it was given after its start (docker
// network connect) is not on its device: who listens on all addresses is found at the first one.
func (s *Stack) inside(kind, address string) (netip.AddrPort, error) {
	none := netip.AddrPort{}
	if kind != "tcp" && kind != "udp" {
		return none, errdefs.ErrNotImplemented.WithMessage("connect into the container by " + kind + ": only tcp and udp are carried")
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return none, errdefs.ErrInvalidArgument.WithMessage("connect into the container: " + err.Error())
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return none, errdefs.ErrInvalidArgument.WithMessage("connect into the container: port " + port + " is no number")
	}
	addr := netip.IPv4Unspecified()
	if host != "" {
		if addr, err = netip.ParseAddr(host); err != nil {
			return none, errdefs.ErrInvalidArgument.WithMessage("connect into the container: " + err.Error())
		}
	}
	if !addr.IsLoopback() && !s.own(addr) {
		addr = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		if len(s.places) > 0 {
			addr = s.places[0].prefix.Addr()
		}
	}
	return netip.AddrPortFrom(addr, uint16(number)), nil
}

func (s *Stack) own(addr netip.Addr) bool {
	for _, p := range s.places {
		if p.prefix.Addr() == addr {
			return true
		}
	}
	return false
}
