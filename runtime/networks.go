package runtime

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/api/types/network"

	"github.com/sockerless/sockerless/store/state"
)

var networkFilters = filterKeys("dangling", "driver", "id", "label", "name", "scope", "type")

// NetworkList lists the networks. As in Docker, the containers of each are shown by [Engine.NetworkInspect] only. Errors:
// errdefs.ErrInvalidArgument for a filter.
func (e *Engine) NetworkList(_ context.Context, filters Filters) ([]network.Inspect, error) {
	if err := filters.check(networkFilters); err != nil {
		return nil, err
	}
	dangling, err := filters.boolean("dangling", false)
	if err != nil {
		return nil, err
	}
	for v := range filters["type"] {
		if v != "builtin" && v != "custom" {
			return nil, invalid("invalid filter: 'type'='%s'", v)
		}
	}
	list := []network.Inspect{}
	kind := func(l *lan) string {
		if l.predefined {
			return "builtin"
		}
		return "custom"
	}
	for _, l := range e.nets.all() {
		if filters.has("driver") && !filters["driver"][l.Driver] || filters.has("scope") && !filters["scope"][l.Scope] ||
			filters.has("type") && !filters["type"][kind(l)] || !filters.match("id", l.ID) || !filters.match("name", l.Name) ||
			!filters.labels("label", l.Labels) || filters.has("dangling") && dangling != (!l.predefined && !e.used(l)) {
			continue
		}
		list = append(list, network.Inspect{Network: l.Network, Containers: map[string]network.EndpointResource{}})
	}
	return list, nil
}

// NetworkInspect describes a network, by its name, its id or the beginning of that, with the containers of it that run. scope
// is empty or that which the network must have. Errors: errdefs.ErrNotFound.
func (e *Engine) NetworkInspect(_ context.Context, name, scope string) (network.Inspect, error) {
	l, err := e.network(name)
	if err == nil && scope != "" && scope != l.Scope {
		err = noNetwork(name)
	}
	if err != nil {
		return network.Inspect{}, err
	}
	in := network.Inspect{Network: l.Network, Containers: map[string]network.EndpointResource{}}
	n := e.nets
	n.mu.RLock()
	defer n.mu.RUnlock()
	for id, p := range l.members {
		a := n.joined[id]
		if a == nil {
			continue // it is about to come
		}
		point := network.EndpointResource{Name: p.c.record().Name, EndpointID: endpointID(p, a.run), MacAddress: p.mac}
		if p.address.IsValid() {
			point.IPv4Address = netip.PrefixFrom(p.address, l.subnet.Bits())
		}
		in.Containers[id] = point
	}
	return in, nil
}

// used tells whether a running container is in a network.
func (e *Engine) used(l *lan) bool {
	e.nets.mu.RLock()
	defer e.nets.mu.RUnlock()
	return len(l.members) > 0
}

// NetworkRemove removes a network that no running container is in. Errors: errdefs.ErrPermissionDenied, ErrNotFound.
func (e *Engine) NetworkRemove(ctx context.Context, name string) error {
	l, err := e.network(name)
	if err != nil {
		return err
	}
	if l.predefined {
		return errdefs.ErrPermissionDenied.WithMessage(l.Name + " is a pre-defined network and cannot be removed")
	}
	return e.removeNetwork(ctx, l)
}

// removeNetwork removes a network, in the state first, unless it is used.
func (e *Engine) removeNetwork(ctx context.Context, l *lan) error {
	n := e.nets
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.byID[l.ID] == nil {
		return noNetwork(l.Name)
	}
	if len(l.members) > 0 {
		var active []string
		for id, p := range l.members {
			point := ""
			if a := n.joined[id]; a != nil {
				point = endpointID(p, a.run)[:12]
			}
			active = append(active, fmt.Sprintf("name:%q id:%q", p.c.record().Name, point))
		}
		slices.Sort(active)
		return errdefs.ErrPermissionDenied.WithMessage(fmt.Sprintf("error while removing network: network %s has active endpoints (%s)", l.Name, strings.Join(active, ", ")))
	}
	if err := e.cfg.State.Update(ctx, state.Delete(networkKey+l.ID)); err != nil {
		return fmt.Errorf("store the removal of network %s: %w", l.Name, err)
	}
	delete(n.byID, l.ID)
	if n.byName[l.Name] == l {
		delete(n.byName, l.Name)
	}
	e.networkEvent(events.ActionDestroy, l, "")
	return nil
}

var networkPruneFilters = filterKeys("label", "label!", "until")

// NetworkPrune removes the networks that somebody made and no running container is in. Errors: errdefs.ErrInvalidArgument for a
// filter.
func (e *Engine) NetworkPrune(ctx context.Context, filters Filters) (network.PruneReport, error) {
	var report network.PruneReport
	if err := filters.check(networkPruneFilters); err != nil {
		return report, err
	}
	until, err := filters.until()
	if err != nil {
		return report, err
	}
	for _, l := range e.nets.all() {
		if l.predefined || e.used(l) || !until.IsZero() && l.Created.After(until) ||
			!filters.labels("label", l.Labels) || filters.has("label!") && !filters.noLabels("label!", l.Labels) {
			continue
		}
		if err := e.removeNetwork(ctx, l); err != nil {
			if errdefs.IsPermissionDenied(err) || errdefs.IsNotFound(err) {
				continue // a container has just joined, or somebody else was quicker
			}
			return report, err
		}
		report.NetworksDeleted = append(report.NetworksDeleted, l.Name)
	}
	e.publish(events.NetworkEventType, events.ActionPrune, "", map[string]string{"reclaimed": "0"})
	return report, nil
}
