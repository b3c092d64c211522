package runtime

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/api/types/network"
)

// NetworkConnect puts a container into a network, at once if it runs. Errors: errdefs.ErrNotFound, ErrPermissionDenied if it is in
// it or its address is taken, ErrInvalidArgument.
func (e *Engine) NetworkConnect(ctx context.Context, name, containerName string, settings *network.EndpointSettings) error {
	l, err := e.network(name)
	if err != nil {
		return err
	}
	c, err := e.lookup(containerName)
	if err != nil {
		return err
	}
	if settings == nil {
		settings = &network.EndpointSettings{}
	}
	settings = configured(settings)
	if err := e.checkEndpoint(l, settings); err != nil {
		return err
	}
	c.op.Lock()
	defer c.op.Unlock()
	if c.isRemoving() {
		return conflict("container %s is marked for removal and cannot be connected or disconnected to the network", c.id)
	}
	d, err := e.definition(c)
	if err != nil {
		return err
	}
	if err := d.checkMode(l); err != nil {
		return err
	}
	key := d.keyOf(l)
	running := c.record().running()
	if key != "" && running {
		return errdefs.ErrPermissionDenied.WithMessage(fmt.Sprintf("endpoint with name %s already exists in network %s", c.record().Name, l.Name))
	}
	if key == "" {
		key = l.Name
	}
	next := *d
	next.Networks = maps.Clone(d.Networks)
	next.Networks[key] = settings
	if !running {
		return e.reconnect(ctx, c, &next)
	}
	n := e.nets
	n.mu.Lock()
	a := n.joined[c.id]
	if a == nil { // it ends just now
		n.mu.Unlock()
		return e.reconnect(ctx, c, &next)
	}
	before := a.endpoints
	err = n.enter(a, &next, key, nil)
	n.mu.Unlock()
	if err != nil {
		return err
	}
	if err := e.reconnect(ctx, c, &next); err != nil {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.free(l.members[c.id])
		a.endpoints = before
		return err
	}
	e.networkEvent(events.ActionConnect, l, c.id)
	return nil
}

// NetworkDisconnect takes a container out of a network, at once if it runs. Its connections there that are open stay so. Errors:
// errdefs.ErrNotFound, ErrInvalidArgument. With force a container need not be there.
func (e *Engine) NetworkDisconnect(ctx context.Context, name, containerName string, force bool) error {
	l, err := e.network(name)
	if err != nil {
		return err
	}
	c, err := e.lookup(containerName)
	if err != nil {
		if force && errdefs.IsNotFound(err) {
			return nil
		}
		return err
	}
	c.op.Lock()
	defer c.op.Unlock()
	d, err := e.definition(c)
	if err != nil {
		return err
	}
	if l.Driver == driverHost && d.HostConfig.NetworkMode.IsHost() {
		return invalid("container cannot be disconnected from host network")
	}
	key := d.keyOf(l)
	if key == "" {
		return errdefs.ErrInternal.WithMessage(fmt.Sprintf("container %s is not connected to network %s", c.id, l.Name))
	}
	next := *d
	next.Networks = maps.Clone(d.Networks)
	delete(next.Networks, key)
	n := e.nets
	n.mu.Lock()
	a := n.joined[c.id]
	var p *endpoint
	if a != nil {
		if p = l.members[c.id]; p != nil {
			n.free(p)
			a.endpoints = slices.DeleteFunc(slices.Clone(a.endpoints), func(other *endpoint) bool { return other == p })
		}
	}
	n.mu.Unlock()
	if err := e.reconnect(ctx, c, &next); err != nil {
		return err
	}
	if p != nil {
		e.networkEvent(events.ActionDisconnect, l, c.id)
	}
	return nil
}

// reconnect stores which networks a container is in.
func (e *Engine) reconnect(ctx context.Context, c *container, next *definition) error {
	if err := e.redefine(ctx, c, next); err != nil {
		return err
	}
	c.listed.Store(e.newRow(next))
	if !c.record().running() {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	r := *c.record()
	e.note(c, &r)
	return e.commit(c, r)
}

// keyOf is under what name a container has a network; empty where it is not in it.
func (d *definition) keyOf(l *lan) string {
	for _, key := range []string{l.Name, l.ID} {
		if d.Networks[key] != nil {
			return key
		}
	}
	return ""
}

// checkMode refuses a network that does not go with the one that a container was created for (moby's daemon/container_operations.go).
func (d *definition) checkMode(l *lan) error {
	switch {
	case d.HostConfig.NetworkMode.IsHost() && l.Driver != driverHost, d.HostConfig.NetworkMode.IsContainer():
		return invalid("container sharing network namespace with another container or host cannot be connected to any other network")
	case l.Driver == driverHost && !d.HostConfig.NetworkMode.IsHost():
		return invalid("container cannot be disconnected from host network or connected to host network")
	case l.Driver == driverNull && len(d.Networks) > 0, d.Networks[network.NetworkNone] != nil && l.Driver != driverNull:
		return invalid("container cannot be connected to multiple networks with one of the networks in private (none) mode")
	}
	return nil
}

// checkEndpoint refuses an address that a network cannot give.
func (e *Engine) checkEndpoint(l *lan, s *network.EndpointSettings) error {
	if s.IPAMConfig == nil {
		return nil
	}
	if s.IPAMConfig.IPv6Address.IsValid() {
		return errdefs.ErrNotImplemented.WithMessage("an IPv6 address inside of a network is not supported: containers reach each other by IPv4")
	}
	a := s.IPAMConfig.IPv4Address
	switch {
	case !a.IsValid():
		return nil
	case !l.named():
		return invalid("user specified IP address is supported on user defined networks only")
	case !l.chosen:
		return invalid("user specified IP address is supported only when connecting to networks with user configured subnets")
	case !l.subnet.Contains(a):
		return invalid("invalid endpoint settings:\nno configured subnet contains IP address %s", a)
	}
	return nil
}

// configured is what a client may say of an endpoint, without what only the engine knows.
func configured(s *network.EndpointSettings) *network.EndpointSettings {
	c := network.EndpointSettings{
		IPAMConfig: s.IPAMConfig.Copy(), Links: s.Links, Aliases: s.Aliases, DriverOpts: s.DriverOpts, GwPriority: s.GwPriority, MacAddress: s.MacAddress,
	}
	return &c
}

// settleNetworks completes the networks of a container that is created: names stand for ids, what only the engine knows is
// dropped, and addresses are checked where the network is there already.
func (e *Engine) settleNetworks(d *definition) error {
	if len(d.HostConfig.Links) > 0 {
		if err := e.checkLinks(d.HostConfig.Links); err != nil {
			return err
		}
	}
	for key, given := range maps.Clone(d.Networks) {
		l, err := e.network(key)
		if err != nil {
			if s := d.Networks[key]; s != nil {
				d.Networks[key] = configured(s)
			}
			continue // that is said at the start
		}
		s := configured(given)
		if err := e.checkEndpoint(l, s); err != nil {
			return err
		}
		delete(d.Networks, key)
		d.Networks[l.Name] = s
	}
	mode := d.HostConfig.NetworkMode
	if name := string(mode); d.Networks[name] == nil && (mode.IsHost() || mode.IsNone()) && len(d.Networks) > 0 {
		return invalid("conflicting options: a container in network %s cannot be in others", name)
	}
	return nil
}
