package runtime

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	types "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/api/types/network"

	"github.com/sockerless/sockerless/agent/agentpb"
)

// lease is an endpoint as a record keeps it, to be found again by the next server.
type lease struct {
	Network string     `json:"network"` // id
	Address netip.Addr `json:"address,omitzero"`
}

// attachment is where a running container is in the networks. networks.mu guards its fields; a slice is never changed, only
// replaced.
type attachment struct {
	c         *container
	run       int64
	endpoints []*endpoint // that of the default gateway first
	links     []*link     // of the agents that have the container, the one that has its first process first
	ports     []*publication
	ctx       context.Context // ends when the container leaves
	cancel    context.CancelFunc
}

// setUp says in dockerd's words that a container's networks are not as they should be.
func setUp(err error) error {
	return fmt.Errorf("failed to set up container networking: %w", err)
}

// join gives a container its place in each of its networks, and publishes its ports, before run begins. It is undone by leave.
func (e *Engine) join(c *container, d *definition, run int64) error {
	return e.joinAs(c, d, run, nil, nil)
}

// joinAs is join with the addresses and ports that the container has had, where it runs already.
func (e *Engine) joinAs(c *container, d *definition, run int64, leases []lease, ports []publishedPort) error {
	e.leaveRun(c, 0)
	a := &attachment{c: c, run: run}
	a.ctx, a.cancel = context.WithCancel(e.ctx)
	n := e.nets
	n.mu.Lock()
	for _, name := range d.networksInOrder() {
		if err := n.enter(a, d, name, leases); err != nil {
			n.exit(a)
			n.mu.Unlock()
			a.cancel()
			return setUp(err)
		}
	}
	n.joined[c.id] = a
	n.mu.Unlock()
	if err := e.publishPorts(a, d, ports); err != nil {
		e.leaveRun(c, run)
		return setUp(err)
	}
	if leases == nil {
		for _, p := range a.endpoints {
			e.networkEvent(events.ActionConnect, p.lan, c.id)
		}
	}
	return nil
}

// networksInOrder are a container's networks: first the one whose gateway is the container's.
func (d *definition) networksInOrder() []string {
	return slices.SortedFunc(maps.Keys(d.Networks), func(a, b string) int {
		return cmp.Or(d.Networks[b].GwPriority-d.Networks[a].GwPriority, strings.Compare(a, b))
	})
}

// enter adds an endpoint to an attachment. n.mu is held.
func (n *networks) enter(a *attachment, d *definition, name string, leases []lease) error {
	l, err := n.find(name)
	if err != nil {
		return err
	}
	if l.members[a.c.id] != nil {
		return errdefs.ErrPermissionDenied.WithMessage(fmt.Sprintf("endpoint with name %s already exists in network %s", a.c.record().Name, l.Name))
	}
	settings := d.Networks[name]
	p := &endpoint{lan: l, c: a.c, mac: settings.MacAddress, names: d.namesIn(a.c.id, settings), links: d.linksIn(l, settings)}
	if l.pool != nil {
		if p.address, err = l.pool.take(wanted(l, settings, leases)); err != nil {
			if errdefs.IsUnavailable(err) {
				err = fmt.Errorf("%w: %s (%s)", err, l.Name, l.ID)
			}
			return err
		}
		if len(p.mac) == 0 {
			p.mac = macOf(p)
		}
	}
	l.members[a.c.id] = p
	a.endpoints = append(slices.Clip(a.endpoints), p)
	return nil
}

// wanted is the address that a container has to get; not valid for any.
func wanted(l *lan, settings *network.EndpointSettings, leases []lease) netip.Addr {
	for _, p := range leases {
		if p.Network == l.ID {
			return p.Address
		}
	}
	if settings.IPAMConfig != nil {
		return settings.IPAMConfig.IPv4Address
	}
	return netip.Addr{}
}

// exit takes all endpoints of an attachment back. n.mu is held.
func (n *networks) exit(a *attachment) {
	for _, p := range a.endpoints {
		n.free(p)
	}
}

// free takes an endpoint back. n.mu is held.
func (n *networks) free(p *endpoint) {
	if p.lan.members[p.c.id] != p {
		return
	}
	delete(p.lan.members, p.c.id)
	if p.address.IsValid() {
		p.lan.pool.free(p.address)
	}
}

// leave takes a container out of its networks when run has ended.
func (e *Engine) leave(c *container, run int64) {
	if a := e.leaveRun(c, run); a != nil {
		for _, p := range a.endpoints {
			e.networkEvent(events.ActionDisconnect, p.lan, c.id)
		}
	}
}

// leaveRun is leave without the event; run is 0 for any. It returns what the container had, or nil.
func (e *Engine) leaveRun(c *container, run int64) *attachment {
	n := e.nets
	n.mu.Lock()
	a := n.joined[c.id]
	if a == nil || run != 0 && a.run != run {
		n.mu.Unlock()
		return nil
	}
	delete(n.joined, c.id)
	n.exit(a)
	ports := a.ports
	n.mu.Unlock()
	a.cancel()
	for _, p := range ports {
		p.close()
	}
	return a
}

// attachment returns where a container is, nil while it does not run.
func (e *Engine) attachment(id string) *attachment {
	e.nets.mu.RLock()
	defer e.nets.mu.RUnlock()
	return e.nets.joined[id]
}

// note writes into a record where its container is.
func (e *Engine) note(c *container, next *record) {
	n := e.nets
	n.mu.RLock()
	defer n.mu.RUnlock()
	next.Leases, next.Ports = nil, nil
	a := n.joined[c.id]
	if a == nil {
		return
	}
	for _, p := range a.endpoints {
		next.Leases = append(next.Leases, lease{Network: p.lan.ID, Address: p.address})
	}
	for _, p := range a.ports {
		next.Ports = append(next.Ports, p.publishedPort)
	}
}

// rejoin gives the containers that run their leases of before this server began. Those whose start the earlier server could not
// store come last, and get what is free.
func (e *Engine) rejoin() {
	for _, known := range []bool{true, false} {
		for _, c := range e.all() {
			r := c.record()
			if !r.running() || (r.Leases != nil) != known {
				continue
			}
			d, err := e.definition(c)
			if err == nil {
				leases := r.Leases
				if leases == nil {
					leases = []lease{}
				}
				if err = e.joinAs(c, d, r.Run, leases, r.Ports); err != nil && len(r.Ports) > 0 {
					e.log.Error("publish the ports of a running container again", "container", c.id, "error", err)
					err = e.joinAs(c, d, r.Run, leases, []publishedPort{})
				}
			}
			if err != nil {
				e.log.Error("find the networks of a running container", "container", c.id, "error", err)
				continue
			}
			if l := e.agentOf(r); l != nil {
				e.carry(c, l, false)
			}
			if l := e.twinOf(r); l != nil {
				e.carry(c, l, true)
			}
		}
	}
}

// namesIn are the names of a container in a network besides its own and its short id.
func (d *definition) namesIn(id string, settings *network.EndpointSettings) []string {
	names := slices.Clone(settings.Aliases)
	if h := d.Config.Hostname; h != "" && h != id[:12] && !slices.Contains(names, h) {
		names = append(names, h)
	}
	return names
}

// linksIn are the names that a container gives to others in a network. Those of the host configuration belong to the network
// that the container's mode names.
func (d *definition) linksIn(l *lan, settings *network.EndpointSettings) map[string]string {
	links := settings.Links
	if mode := string(d.HostConfig.NetworkMode); mode == l.Name || mode == l.ID {
		links = slices.Concat(links, d.HostConfig.Links)
	}
	var m map[string]string
	for _, s := range links {
		target, name := parseLink(s)
		if m == nil {
			m = map[string]string{}
		}
		m[name] = target
	}
	return m
}

// parseLink reads "container:alias", or "/container:/self/alias" as an inspect shows it.
func parseLink(s string) (target, name string) {
	target, name, ok := strings.Cut(s, ":")
	target = strings.TrimPrefix(target, "/")
	if !ok {
		name = target
	}
	return target, name[strings.LastIndexByte(name, '/')+1:]
}

// checkLinks refuses links to containers that are not there.
func (e *Engine) checkLinks(links []string) error {
	for _, s := range links {
		target, name := parseLink(s)
		if target == "" || name == "" {
			return invalid("bad format for links: %s", s)
		}
		if _, err := e.lookup(target); err != nil {
			return invalid("could not get container for %s: %s", target, err)
		}
	}
	return nil
}

// endpointID is the id of an endpoint: the same for the whole of a run.
func endpointID(p *endpoint, run int64) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "endpoint %s %s %d", p.c.id, p.lan.ID, run))
	return hex.EncodeToString(sum[:])
}

// macOf is the hardware address of an endpoint: of those that nobody assigns, one's own for each address of a network.
func macOf(p *endpoint) network.HardwareAddr {
	sum := sha256.Sum256([]byte("mac " + p.lan.ID + p.address.String()))
	mac := network.HardwareAddr(sum[:6])
	mac[0] = mac[0]&^1 | 2
	return slices.Clip(mac)
}

// endpoints are a container's networks as its agent is told them.
func (e *Engine) endpoints(c *container) []*agentpb.Endpoint {
	n := e.nets
	n.mu.RLock()
	defer n.mu.RUnlock()
	a := n.joined[c.id]
	if a == nil {
		return nil
	}
	var list []*agentpb.Endpoint
	for _, p := range a.endpoints {
		if !p.address.IsValid() {
			continue
		}
		point := &agentpb.Endpoint{Network: p.lan.ID, Address: p.address.String(), Prefix: uint32(p.lan.subnet.Bits()), Mac: p.mac.String()}
		if !p.lan.Internal {
			point.Gateway = p.lan.gateway.String()
		}
		list = append(list, point)
	}
	return list
}

// extraHosts are the lines of a container's /etc/hosts that it asked for, with addresses in the place of what stands for one, and those of its links.
func (e *Engine) extraHosts(c *container, d *definition) []string {
	n := e.nets
	n.mu.RLock()
	defer n.mu.RUnlock()
	var list []string
	for _, line := range d.HostConfig.ExtraHosts {
		if name, ok := strings.CutSuffix(line, ":host-gateway"); ok {
			line = name + ":" + n.byName[network.NetworkBridge].gateway.String()
		}
		list = append(list, line)
	}
	if a := n.joined[c.id]; a != nil {
		for _, p := range a.endpoints {
			if p.lan.named() {
				continue // its name server knows
			}
			for _, name := range slices.Sorted(maps.Keys(p.links)) {
				if target := e.linked(p, name); target != nil {
					list = append(list, name+":"+target.address.String())
				}
			}
		}
	}
	return list
}

// settings are a container's networks as an inspect and a list show them; networks is what it was given for each.
func (e *Engine) settings(c *container, r *record, networks map[string]*network.EndpointSettings) map[string]*network.EndpointSettings {
	n := e.nets
	n.mu.RLock()
	defer n.mu.RUnlock()
	a := n.joined[c.id]
	if a == nil && r.Run == 0 {
		return networks
	}
	shown := make(map[string]*network.EndpointSettings, len(networks))
	for name, given := range networks {
		s := *given
		if l, err := n.find(name); err == nil {
			if r.Run > 0 || a != nil {
				s.NetworkID = l.ID
			}
			if p := l.members[c.id]; p != nil && a != nil {
				p.show(&s, a.run, r.Name)
			}
		}
		shown[name] = &s
	}
	return shown
}

// show fills in what an endpoint has while its container runs.
func (p *endpoint) show(s *network.EndpointSettings, run int64, name string) {
	s.EndpointID = endpointID(p, run)
	if !p.address.IsValid() {
		return
	}
	s.IPAddress, s.IPPrefixLen, s.MacAddress = p.address, p.lan.subnet.Bits(), p.mac
	if !p.lan.Internal {
		s.Gateway = p.lan.gateway
	}
	if p.lan.named() {
		s.DNSNames = []string{name}
		for _, other := range append(slices.Clone(s.Aliases), append([]string{p.c.id[:12]}, p.names...)...) {
			if !slices.Contains(s.DNSNames, other) {
				s.DNSNames = append(s.DNSNames, other)
			}
		}
	}
}

// settingsNow is what an inspect shows of a container's networks.
func (e *Engine) settingsNow(c *container, r *record, d *definition) *types.NetworkSettings {
	return &types.NetworkSettings{Ports: e.portMap(c, r, d), Networks: e.settings(c, r, d.Networks)}
}
