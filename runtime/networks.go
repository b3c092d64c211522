package runtime

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/api/types/network"
)

// predefinedNetworks are those that Docker has from the start, in the order in which it makes them; there are no others here. They say
// how a container was created: none of them carries anything, and so they have no addresses.
func (e *Engine) predefinedNetworks() []network.Network {
	list := make([]network.Network, 0, 3)
	for _, n := range []struct{ name, driver string }{
		{network.NetworkNone, "null"}, {network.NetworkHost, "host"}, {network.NetworkBridge, "bridge"},
	} {
		id := sha256.Sum256([]byte(e.cfg.InstanceID + " network " + n.name)) // the same for ever
		list = append(list, network.Network{
			Name: n.name, ID: hex.EncodeToString(id[:]), Created: e.started.UTC(), Scope: "local", Driver: n.driver,
			IPAM: network.IPAM{Driver: "default"}, Options: map[string]string{}, Labels: map[string]string{},
		})
	}
	return list
}

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
	if dangling || filters.has("type") && !filters["type"]["builtin"] { // that is, made by somebody
		return list, nil
	}
	for _, n := range e.predefinedNetworks() {
		if filters.has("driver") && !filters["driver"][n.Driver] || filters.has("scope") && !filters["scope"][n.Scope] ||
			!filters.match("id", n.ID) || !filters.match("name", n.Name) || !filters.labels("label", n.Labels) {
			continue
		}
		list = append(list, network.Inspect{Network: n, Containers: map[string]network.EndpointResource{}})
	}
	return list, nil
}

// NetworkInspect describes a network, by its name, its id or the beginning of that, with the containers of it that run. scope
// is empty or that which the network must have. Errors: errdefs.ErrNotFound.
func (e *Engine) NetworkInspect(_ context.Context, name, scope string) (network.Inspect, error) {
	n, err := e.network(name)
	if err == nil && scope != "" && scope != n.Scope {
		err = noNetwork(name)
	}
	if err != nil {
		return network.Inspect{}, err
	}
	in := network.Inspect{Network: n, Containers: map[string]network.EndpointResource{}}
	for _, c := range e.all() {
		r := c.record()
		if !r.running() {
			continue
		}
		if d, err := e.definition(c); err == nil && d.Networks[n.Name] != nil { // else it has just been removed
			in.Containers[c.id] = network.EndpointResource{Name: r.Name, EndpointID: d.Networks[n.Name].EndpointID}
		}
	}
	return in, nil
}

func (e *Engine) network(name string) (network.Network, error) {
	for _, n := range e.predefinedNetworks() {
		if n.Name == name || name != "" && strings.HasPrefix(n.ID, name) {
			return n, nil
		}
	}
	return network.Network{}, noNetwork(name)
}

func noNetwork(name string) error { return notFound("network %s not found", name) }

// NetworkRemove removes no network: those that there are stay. Errors: errdefs.ErrPermissionDenied, ErrNotFound.
func (e *Engine) NetworkRemove(_ context.Context, name string) error {
	n, err := e.network(name)
	if err != nil {
		return err
	}
	return errdefs.ErrPermissionDenied.WithMessage(n.Name + " is a pre-defined network and cannot be removed")
}

var networkPruneFilters = filterKeys("label", "label!", "until")

// NetworkPrune removes the networks that somebody made and nothing uses: there are none. Errors: errdefs.ErrInvalidArgument
// for a filter.
func (e *Engine) NetworkPrune(_ context.Context, filters Filters) (network.PruneReport, error) {
	if err := filters.check(networkPruneFilters); err != nil {
		return network.PruneReport{}, err
	}
	if _, err := filters.until(); err != nil {
		return network.PruneReport{}, err
	}
	e.publish(events.NetworkEventType, events.ActionPrune, "", map[string]string{"reclaimed": "0"})
	return network.PruneReport{}, nil
}
