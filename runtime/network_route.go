package runtime

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	netproto "github.com/sockerless/sockerless/agent/network"
)

// outgoing is what the containers of an agent reach: each other, this machine, and what is beyond. It serves the containers
// that are on this agent, and no other: an agent speaks for its own.
type outgoing struct {
	e    *Engine
	link *link
}

// attachment is where a container is that the agent speaks for.
func (o *outgoing) attachment(id string) (*attachment, []*endpoint, error) {
	n := o.e.nets
	n.mu.RLock()
	defer n.mu.RUnlock()
	a := n.joined[id]
	if a == nil || !slices.Contains(a.links, o.link) {
		return nil, nil, netproto.NewError(netproto.NetworkUnreachable, "network is unreachable: container %.12s is in no network", id)
	}
	return a, a.endpoints, nil
}

// Dial connects a container to an address.
func (o *outgoing) Dial(ctx context.Context, id, proto, address string) (net.Conn, error) {
	a, endpoints, err := o.attachment(id)
	if err != nil {
		return nil, err
	}
	if proto == "unix" {
		return o.e.dialSocket(ctx, a.c, address)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, netproto.NewError(netproto.Invalid, "%s", err)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, netproto.NewError(netproto.Invalid, "port %q is not a number up to 65535", port)
	}
	ctx, cancel := both(ctx, a.ctx) // what a container has asked for ends with it
	defer cancel()
	addrs, err := netproto.Lookup(ctx, o, id, host)
	if err != nil {
		return nil, err
	}
	var faults error
	for _, at := range addrs {
		conn, err := o.e.dialFrom(ctx, a, endpoints, proto, netip.AddrPortFrom(at.Unmap(), uint16(number)))
		if err == nil {
			return conn, nil
		}
		if faults == nil {
			faults = err // the first one is of what the name stands for first
		}
	}
	return nil, faults
}

// both ends with the first of two contexts.
func both(ctx, other context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(other, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// metadata are the addresses at which clouds give out credentials of the machine, or of the task, that asks: the server's, here.
var metadata = []netip.Addr{
	netip.MustParseAddr("169.254.169.254"), netip.MustParseAddr("fd00:ec2::254"),
	netip.MustParseAddr("169.254.170.2"), netip.MustParseAddr("169.254.170.23"), netip.MustParseAddr("fd00:ec2::23"),
	netip.MustParseAddr("100.100.100.200"),
}

// connectWithin is how long a connection to what is beyond may take, as Linux tries.
const connectWithin = 127 * time.Second

// dialFrom connects a container to an address: of another container, of this machine, or beyond.
func (e *Engine) dialFrom(ctx context.Context, a *attachment, endpoints []*endpoint, proto string, to netip.AddrPort) (net.Conn, error) {
	if e.cfg.Within != nil {
		if conn, ok, err := e.cfg.Within(ctx, a.c.id, to.String()); ok {
			return conn, err
		}
	}
	r := e.route(endpoints, to.Addr())
	if r.err != nil {
		return nil, r.err
	}
	if err := e.admit(r, endpoints, proto, to); err != nil {
		return nil, err
	}
	switch {
	case r.member != nil:
		target := e.attachment(r.member.c.id)
		if target == nil {
			return nil, netproto.NewError(netproto.HostUnreachable, "no route to host")
		}
		ctx = netproto.WithSource(ctx, netip.AddrPortFrom(r.source, 0))
		return e.dialInto(ctx, target, proto, to.String())
	case r.machine:
		own, err := e.cfg.Gateway, error(nil)
		if !own.IsValid() {
			own, err = machineAddress()
		}
		if err != nil {
			return nil, err
		}
		to = netip.AddrPortFrom(own, to.Port())
	}
	if err := e.allow(a.c.id, to.String()); err != nil {
		return nil, err
	}
	d := net.Dialer{Timeout: connectWithin}
	return d.DialContext(ctx, proto, to.String())
}

// admit asks whether a connection along a route is let through.
func (e *Engine) admit(r route, endpoints []*endpoint, proto string, to netip.AddrPort) error {
	if e.cfg.Admit == nil {
		return nil
	}
	by := r.by
	if by == nil { // beyond: by the first network that leads there
		at := slices.IndexFunc(endpoints, func(p *endpoint) bool { return p.lan.Driver == driverBridge && !p.lan.Internal })
		if at < 0 {
			return nil // the host's network is no container's own
		}
		by = endpoints[at]
	}
	err := e.cfg.Admit(Connection{Network: by.lan.Name, From: by.address, Proto: proto, To: to, Inside: r.member != nil})
	if err != nil {
		return netproto.NewError(netproto.TimedOut, "connection timed out: %s", err)
	}
	return nil
}

// allow asks the policy.
func (e *Engine) allow(container, to string) error {
	if e.cfg.Egress != nil {
		if err := e.cfg.Egress(container, to); err != nil {
			return netproto.NewError(netproto.Denied, "permission denied: %s", err)
		}
	}
	return nil
}

// route is where an address leads.
type route struct {
	err     error
	member  *endpoint  // of a container
	source  netip.Addr // as whom that one sees it
	machine bool       // this machine, as containers see it
	by      *endpoint  // the container's own that it begins at; nil where it leads beyond its networks
}

// route finds where an address leads from these endpoints. As in Docker, networks do not lead to each other.
func (e *Engine) route(endpoints []*endpoint, to netip.Addr) route {
	n := e.nets
	n.mu.RLock()
	defer n.mu.RUnlock()
	to = to.Unmap().WithZone("")
	beyond, host := false, false
	for _, p := range endpoints {
		host = host || p.lan.Driver == driverHost
		beyond = beyond || p.lan.Driver == driverHost || p.lan.Driver == driverBridge && !p.lan.Internal
	}
	if slices.Contains(metadata, to) {
		return route{err: netproto.NewError(netproto.Denied, "permission denied: %s gives out credentials of the server's machine", to)}
	}
	for _, p := range endpoints {
		if !p.lan.subnet.IsValid() || !p.lan.subnet.Contains(to) {
			continue
		}
		if to == p.lan.gateway && !p.lan.Internal {
			return route{machine: true, by: p}
		}
		for _, m := range p.lan.members {
			if m.address != to {
				continue
			}
			if m != p && p.lan.Options[optionICC] == "false" && !linkedEither(p, m) {
				break
			}
			return route{member: m, source: p.address, by: p}
		}
		return route{err: netproto.NewError(netproto.HostUnreachable, "no route to host: no container of network %s has the address %s", p.lan.Name, to)}
	}
	if !beyond {
		return route{err: netproto.NewError(netproto.NetworkUnreachable, "network is unreachable: no network of the container leads to %s", to)}
	}
	for _, l := range n.byID {
		if !host && l.subnet.IsValid() && l.subnet.Contains(to) {
			if to == l.gateway && !l.Internal {
				return route{machine: true}
			}
			return route{err: netproto.NewError(netproto.HostUnreachable, "no route to host: the container is not in network %s, where %s is", l.Name, to)}
		}
		if host && l.subnet.IsValid() && l.subnet.Contains(to) {
			for _, m := range l.members { // the machine reaches all containers
				if m.address == to {
					return route{member: m, source: l.gateway}
				}
			}
			if to == l.gateway {
				return route{machine: true}
			}
		}
	}
	if !host && (to.IsLoopback() || to.IsUnspecified()) {
		return route{err: netproto.NewError(netproto.Refused, "connection refused: %s is the container itself", to)}
	}
	if to.IsMulticast() || to == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return route{err: netproto.NewError(netproto.NetworkUnreachable, "network is unreachable: there is no multicast")}
	}
	return route{}
}

// linkedEither tells whether one of two endpoints has a link to the other.
func linkedEither(a, b *endpoint) bool {
	has := func(from, to *endpoint) bool {
		for _, target := range from.links {
			if to.c.called(target) {
				return true
			}
		}
		return false
	}
	return has(a, b) || has(b, a)
}

// called tells whether a reference is the container's name or id.
func (c *container) called(ref string) bool {
	return ref == c.record().Name || ref == c.id || ref == c.id[:12]
}

// machineAddress is the address under which containers reach what listens on this machine. It is none of loopback: what
// listens there only is not meant for others.
func machineAddress() (netip.Addr, error) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return netip.Addr{}, netproto.NewError(netproto.Failed, "find the addresses of this machine: %s", err)
	}
	for _, a := range addrs {
		p, err := netip.ParsePrefix(a.String())
		if err != nil {
			continue
		}
		if at := p.Addr(); at.Is4() && at.IsGlobalUnicast() {
			return at, nil
		}
	}
	return netip.Addr{}, netproto.NewError(netproto.HostUnreachable, "no route to host: this machine has no address but that of loopback")
}

// Resolve answers a question: what the container's networks know, and else what the world does.
func (o *outgoing) Resolve(ctx context.Context, id, name string, qtype dnsmessage.Type) ([]dnsmessage.Resource, error) {
	a, endpoints, err := o.attachment(id)
	if err != nil {
		return nil, err
	}
	if records, known := o.e.knownNames(endpoints, name, qtype); known {
		return records, nil
	}
	if !slices.ContainsFunc(endpoints, func(p *endpoint) bool { return p.lan.Driver != driverNull && !p.lan.Internal }) {
		return nil, netproto.NewError(netproto.NotFound, "no such host")
	}
	name = strings.TrimSuffix(name, ".") + "."
	if err := o.e.allow(id, name); err != nil {
		return nil, err
	}
	d, err := o.e.definition(a.c)
	if err != nil {
		return nil, err
	}
	return askWorld(ctx, o.e.resolver(a, d), name, qtype)
}

// resolver is what a container asks for names that no network has: the machine's, or the servers that the container was given.
func (e *Engine) resolver(a *attachment, d *definition) *net.Resolver {
	if len(d.HostConfig.DNS) == 0 {
		return net.DefaultResolver
	}
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, proto, _ string) (net.Conn, error) {
		var faults []error
		for _, server := range d.HostConfig.DNS {
			e.nets.mu.RLock()
			endpoints := a.endpoints
			e.nets.mu.RUnlock()
			conn, err := e.dialFrom(ctx, a, endpoints, proto, netip.AddrPortFrom(server, 53))
			if err == nil {
				return conn, nil
			}
			faults = append(faults, err)
		}
		return nil, errors.Join(faults...)
	}}
}

// shuffled is a list in any order: those who take the first take turns.
func shuffled(list []netip.Addr) []netip.Addr {
	rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

// linked is the endpoint that a name of an endpoint's links stands for; nil where it stands for none that runs. e.nets.mu is held.
func (e *Engine) linked(p *endpoint, name string) *endpoint {
	target, ok := p.links[name]
	if !ok {
		return nil
	}
	for _, m := range p.lan.members {
		if m.c.called(target) {
			return m
		}
	}
	return nil
}

var _ netproto.Outgoing = (*outgoing)(nil)
