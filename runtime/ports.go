package runtime

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/containerd/errdefs"
	types "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"

	netproto "github.com/sockerless/sockerless/agent/network"
)

// publishedPort is a container's port on this machine.
type publishedPort struct {
	Port network.Port   `json:"port"` // of the container
	Host netip.AddrPort `json:"host"`
}

// publication is a published port of a running container: a listener on this machine whose connections go into the container.
type publication struct {
	publishedPort
	engine *Engine
	at     *attachment
	target string       // the container's own address and port
	stream net.Listener // of a tcp port
	packet net.PacketConn
	done   sync.WaitGroup // of the connections
}

// wish is a port that is to be published.
type wish struct {
	port        network.Port
	host        netip.Addr // not valid: all addresses of this machine
	first, last uint16     // 0: any that is free
}

// wishes reads which ports a container wants published.
func wishes(d *definition) ([]wish, error) {
	h := d.HostConfig
	var list []wish
	for _, port := range sortedPorts(h.PortBindings) {
		bindings := h.PortBindings[port]
		if len(bindings) == 0 {
			bindings = []network.PortBinding{{}}
		}
		for _, b := range bindings {
			w := wish{port: port, host: b.HostIP}
			var err error
			if w.first, w.last, err = hostPorts(b.HostPort); err != nil {
				return nil, err
			}
			list = append(list, w)
		}
	}
	if h.PublishAllPorts {
		for _, port := range sortedPorts(d.Config.ExposedPorts) {
			if _, bound := h.PortBindings[port]; !bound {
				list = append(list, wish{port: port})
			}
		}
	}
	return list, nil
}

// hostPorts reads the port of this machine that a binding names: "", "8080" or "8080-8090".
func hostPorts(s string) (first, last uint16, err error) {
	if s == "" {
		return 0, 0, nil
	}
	from, to, isRange := strings.Cut(s, "-")
	if !isRange {
		to = from
	}
	a, err := strconv.ParseUint(from, 10, 16)
	if err == nil {
		var b uint64
		if b, err = strconv.ParseUint(to, 10, 16); err == nil && a <= b {
			return uint16(a), uint16(b), nil
		}
	}
	return 0, 0, invalid("invalid port specification: %q", s)
}

// checkPorts refuses ports that cannot be published, when their container is created.
func checkPorts(h *types.HostConfig) error {
	for port, bindings := range h.PortBindings {
		if port.Num() == 0 {
			return invalid("invalid port specification: %q", port.String())
		}
		if port.Proto() != network.TCP && port.Proto() != network.UDP {
			return errdefs.ErrNotImplemented.WithMessage(fmt.Sprintf("publishing %s is not supported: there are only tcp and udp", port))
		}
		for _, b := range bindings {
			if _, _, err := hostPorts(b.HostPort); err != nil {
				return err
			}
		}
	}
	return nil
}

// publishPorts opens the ports of a container on this machine. known are those that it has had, where it runs already. On an error, what it
// has opened is closed by leave.
func (e *Engine) publishPorts(a *attachment, d *definition, known []publishedPort) error {
	p := a.publishing()
	if p == nil {
		return nil
	}
	failed := func(err error) error {
		return errdefs.ErrInternal.WithMessage(fmt.Sprintf("driver failed programming external connectivity on endpoint %s (%s): %s",
			a.c.record().Name, endpointID(p, a.run), err))
	}
	if known != nil {
		for _, k := range known {
			if err := e.publishAt(a, p, k.Port, k.Host); err != nil {
				return failed(err)
			}
		}
		return nil
	}
	list, err := wishes(d)
	if err != nil {
		return err
	}
	for _, w := range list {
		if err := e.publishWish(a, p, w); err != nil {
			return failed(err)
		}
	}
	return nil
}

// publishing is the endpoint whose ports are published: none where the container has the machine's network, or none.
func (a *attachment) publishing() *endpoint {
	for _, p := range a.endpoints {
		if p.address.IsValid() && !p.lan.Internal {
			return p
		}
	}
	return nil
}

// anyTries is how often a port is looked for that is free for both kinds of addresses.
const anyTries = 16

func (e *Engine) publishWish(a *attachment, p *endpoint, w wish) error {
	hosts := []netip.Addr{w.host}
	if !w.host.IsValid() {
		hosts = []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}
		if at, err := netip.ParseAddr(p.lan.Options[optionHostAddress]); err == nil && !at.IsUnspecified() {
			hosts = []netip.Addr{at}
		}
	}
	var err error
	if w.first == 0 {
		for range anyTries {
			if err = e.publishAll(a, p, w.port, hosts, 0); err == nil || !errors.Is(err, syscall.EADDRINUSE) {
				return err
			}
		}
		return err
	}
	for port := int(w.first); port <= int(w.last); port++ {
		if err = e.publishAll(a, p, w.port, hosts, uint16(port)); err == nil {
			return nil
		}
	}
	return err
}

// publishAll opens a port on several addresses of this machine: all of them, or none. A machine without IPv6 has no port there.
func (e *Engine) publishAll(a *attachment, p *endpoint, port network.Port, hosts []netip.Addr, number uint16) error {
	before := len(a.ports)
	for i, host := range hosts {
		err := e.publishAt(a, p, port, netip.AddrPortFrom(host, number))
		if err != nil && i > 0 && host == netip.IPv6Unspecified() && withoutIPv6(err) {
			continue
		}
		if err != nil {
			e.nets.mu.Lock()
			opened := a.ports[before:]
			a.ports = a.ports[:before:before]
			e.nets.mu.Unlock()
			for _, o := range opened {
				o.close()
			}
			return err
		}
		number = a.ports[len(a.ports)-1].Host.Port()
	}
	return nil
}

// withoutIPv6 tells whether a listener failed because the machine has no IPv6.
func withoutIPv6(err error) bool {
	return errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EPROTONOSUPPORT)
}

// publishAt opens a port on an address of this machine; a port 0 is any that is free.
func (e *Engine) publishAt(a *attachment, p *endpoint, port network.Port, host netip.AddrPort) error {
	pub := &publication{
		publishedPort: publishedPort{Port: port, Host: host}, engine: e, at: a,
		target: netip.AddrPortFrom(p.address, port.Num()).String(),
	}
	var err error
	var got net.Addr
	config := net.ListenConfig{}
	family := "4"
	if host.Addr().Is6() && !host.Addr().Is4In6() {
		family = "6"
	}
	if port.Proto() == network.UDP {
		if pub.packet, err = config.ListenPacket(e.ctx, "udp"+family, host.String()); err == nil {
			got = pub.packet.LocalAddr()
		}
	} else if pub.stream, err = config.Listen(e.ctx, "tcp"+family, host.String()); err == nil {
		got = pub.stream.Addr()
	}
	if err != nil {
		if errors.Is(err, syscall.EADDRINUSE) && e.publishedAlready(port.Proto(), host) {
			return &bindError{fmt.Sprintf("Bind for %s failed: port is already allocated", host), err}
		}
		return &bindError{fmt.Sprintf("failed to bind host port for %s:%s/%s: %s", host, pub.target, port.Proto(), reason(err)), err}
	}
	pub.Host = netip.AddrPortFrom(host.Addr(), got.(interface{ AddrPort() netip.AddrPort }).AddrPort().Port())
	e.nets.mu.Lock()
	a.ports = append(a.ports, pub)
	e.nets.mu.Unlock()
	serve := pub.serve
	if pub.packet != nil {
		serve = pub.servePackets
	}
	// The listener is closed with the container's place, whether or not it is served: nothing is once the engine is closed.
	context.AfterFunc(a.ctx, pub.close)
	e.spawn(func() {
		serve()
		pub.done.Wait()
	})
	return nil
}

// bindError is why a port could not be opened, in dockerd's words.
type bindError struct {
	text  string
	cause error
}

func (e *bindError) Error() string { return e.text }
func (e *bindError) Unwrap() error { return e.cause }

// reason is the end of a chain of errors: what the system said.
func reason(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	return err.Error()
}

// publishedAlready tells whether a container has a port of this machine.
func (e *Engine) publishedAlready(proto network.IPProtocol, host netip.AddrPort) bool {
	n := e.nets
	n.mu.RLock()
	defer n.mu.RUnlock()
	for _, a := range n.joined {
		for _, p := range a.ports {
			same := p.Host.Addr() == host.Addr() || p.Host.Addr().IsUnspecified() || host.Addr().IsUnspecified()
			if p.Port.Proto() == proto && p.Host.Port() == host.Port() && same {
				return true
			}
		}
	}
	return false
}

// close closes the listener. Connections end with the context of the attachment.
func (p *publication) close() {
	if p.stream != nil {
		p.stream.Close() //nolint:errcheck // nobody to tell
	}
	if p.packet != nil {
		p.packet.Close() //nolint:errcheck // nobody to tell
	}
}

// serve takes connections until the listener is closed.
func (p *publication) serve() {
	for {
		conn, err := p.stream.Accept()
		if errors.Is(err, net.ErrClosed) || err != nil && p.at.ctx.Err() != nil {
			return
		}
		if err != nil { // of one connection, or too many open files: the next one may do
			p.engine.log.Warn("take a connection to a published port", "port", p.Host.String(), "error", err)
			continue
		}
		p.done.Go(func() { p.carry(conn) })
	}
}

// carry carries a connection into the container. What cannot be is broken off: there was somebody to connect to.
func (p *publication) carry(conn net.Conn) {
	ctx := netproto.WithSource(p.at.ctx, p.source(conn.RemoteAddr()))
	inner, err := p.engine.dialInto(ctx, p.at, "tcp", p.target)
	if err != nil {
		p.engine.log.Debug("connect to a published port", "container", p.at.c.id, "port", p.Port.String(), "error", err)
		if tcp, ok := conn.(*net.TCPConn); ok {
			tcp.SetLinger(0) //nolint:errcheck // then it is gone already
		}
		conn.Close() //nolint:errcheck // nobody to tell
		return
	}
	netproto.Join(p.at.ctx, conn, inner)
}

// source is who connects as the container sees it: what comes from this machine comes from the network's gateway.
func (p *publication) source(from net.Addr) netip.AddrPort {
	a, ok := from.(interface{ AddrPort() netip.AddrPort })
	if !ok {
		return netip.AddrPort{}
	}
	at := netip.AddrPortFrom(a.AddrPort().Addr().Unmap(), a.AddrPort().Port())
	if !at.Addr().IsLoopback() && at.Addr().Is4() {
		return at
	}
	p.engine.nets.mu.RLock()
	defer p.engine.nets.mu.RUnlock()
	if point := p.at.publishing(); point != nil {
		return netip.AddrPortFrom(point.lan.gateway, at.Port())
	}
	return at
}

// portMap is what an inspect shows of a container's ports.
func (e *Engine) portMap(c *container, r *record, d *definition) network.PortMap {
	m := network.PortMap{}
	if !r.running() {
		return m
	}
	e.nets.mu.RLock()
	defer e.nets.mu.RUnlock()
	a := e.nets.joined[c.id]
	if a == nil || a.publishing() == nil {
		return m
	}
	for port := range d.Config.ExposedPorts {
		m[port] = nil
	}
	for _, p := range a.ports {
		m[p.Port] = append(m[p.Port], network.PortBinding{HostIP: p.Host.Addr(), HostPort: strconv.Itoa(int(p.Host.Port()))})
	}
	return m
}

// portList is what a list shows of a container's ports; exposed is sorted.
func (e *Engine) portList(c *container, r *record, exposed []network.Port) []types.PortSummary {
	list := []types.PortSummary{}
	if !r.running() {
		return list
	}
	e.nets.mu.RLock()
	defer e.nets.mu.RUnlock()
	a := e.nets.joined[c.id]
	if a == nil || a.publishing() == nil {
		return list
	}
	bound := map[network.Port]bool{}
	for _, p := range a.ports {
		bound[p.Port] = true
		list = append(list, types.PortSummary{IP: p.Host.Addr(), PrivatePort: p.Port.Num(), PublicPort: p.Host.Port(), Type: string(p.Port.Proto())})
	}
	for _, port := range exposed {
		if !bound[port] {
			list = append(list, types.PortSummary{PrivatePort: port.Num(), Type: string(port.Proto())})
		}
	}
	return list
}
