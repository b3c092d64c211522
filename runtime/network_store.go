package runtime

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/api/types/network"

	"github.com/sockerless/sockerless/store/state"
)

// networkKey is the key of a network in the state, before its id.
const networkKey = "network/"

// The drivers of networks.
const (
	driverBridge = "bridge"
	driverHost   = "host"
	driverNull   = "null"
)

// lan is a network. What its fields point to is never changed but for members and pool, which networks.mu guards.
type lan struct {
	network.Network
	subnet, ipRange netip.Prefix // not valid where it has no addresses
	gateway         netip.Addr
	chosen          bool // its subnet is not from the pools: addresses can be asked for
	predefined      bool

	pool    *addressPool
	members map[string]*endpoint // by container
}

// storedNetwork is a network in the state.
type storedNetwork struct {
	Network network.Network `json:"network"`
	Subnet  netip.Prefix    `json:"subnet"`
	IPRange netip.Prefix    `json:"ipRange,omitzero"`
	Gateway netip.Addr      `json:"gateway"`
	Chosen  bool            `json:"chosen,omitempty"`
}

// endpoint is a running container's place in a network.
type endpoint struct {
	lan     *lan
	c       *container
	address netip.Addr // not valid where the network has none
	mac     network.HardwareAddr
	names   []string          // that the container has here besides its own and its short id
	links   map[string]string // name → container, as it was given
}

// networks are the networks of the server, and who is where in them.
type networks struct {
	mu       sync.RWMutex
	byID     map[string]*lan
	byName   map[string]*lan
	joined   map[string]*attachment // by container, of those that run
	carriers map[*link]*carrier
}

// loadNetworks makes the predefined networks and reads the others.
func loadNetworks(store state.Store, instance string, created time.Time) (*networks, error) {
	n := &networks{byID: map[string]*lan{}, byName: map[string]*lan{}, joined: map[string]*attachment{}, carriers: map[*link]*carrier{}}
	for _, p := range []struct{ name, driver string }{
		{network.NetworkNone, driverNull}, {network.NetworkHost, driverHost}, {network.NetworkBridge, driverBridge},
	} {
		id := sha256.Sum256([]byte(instance + " network " + p.name)) // the same for ever
		l := &lan{predefined: true, members: map[string]*endpoint{}, Network: network.Network{
			Name: p.name, ID: hex.EncodeToString(id[:]), Created: created.UTC(), Scope: "local", Driver: p.driver, EnableIPv4: true,
			IPAM: network.IPAM{Driver: "default"}, Options: map[string]string{}, Labels: map[string]string{},
		}}
		n.add(l)
	}
	err := store.Scan(networkKey, func(key string, value []byte) error {
		var s storedNetwork
		if err := json.Unmarshal(value, &s); err != nil {
			return fmt.Errorf("record %s: %w", key, err)
		}
		n.add(&lan{Network: s.Network, subnet: s.Subnet, ipRange: s.IPRange, gateway: s.Gateway, chosen: s.Chosen, members: map[string]*endpoint{}})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("load networks: %w", err)
	}
	bridge := n.byName[network.NetworkBridge]
	if bridge.subnet, err = freeSubnet(n.subnets()); err != nil {
		return nil, fmt.Errorf("find addresses for network bridge: %w", err)
	}
	bridge.gateway = bridge.subnet.Addr().Next()
	bridge.IPAM.Config = []network.IPAMConfig{{Subnet: bridge.subnet, Gateway: bridge.gateway}}
	bridge.Options = map[string]string{
		"com.docker.network.bridge.default_bridge": "true", optionICC: "true", "com.docker.network.bridge.enable_ip_masquerade": "true",
		optionHostAddress: "0.0.0.0", "com.docker.network.driver.mtu": "1500",
	}
	for _, l := range n.byID {
		if l.subnet.IsValid() {
			l.pool = newAddressPool(l.subnet, l.ipRange, l.reserved()...)
		}
	}
	return n, nil
}

// Options of a network that are heeded.
const (
	optionICC         = "com.docker.network.bridge.enable_icc"        // whether its containers reach each other
	optionHostAddress = "com.docker.network.bridge.host_binding_ipv4" // where ports are published
)

// reserved are the addresses that no container gets.
func (l *lan) reserved() []netip.Addr {
	list := []netip.Addr{l.gateway}
	for _, c := range l.IPAM.Config {
		list = slices.AppendSeq(list, maps.Values(c.AuxAddress))
	}
	return list
}

// named tells whether the containers of a network know each other by name.
func (l *lan) named() bool { return !l.predefined }

func (n *networks) add(l *lan) {
	n.byID[l.ID] = l
	n.byName[l.Name] = l
}

// subnets are those that are taken. n.mu is held.
func (n *networks) subnets() []netip.Prefix {
	var list []netip.Prefix
	for _, l := range n.byID {
		if l.subnet.IsValid() {
			list = append(list, l.subnet)
		}
	}
	return list
}

// find returns a network by its id, its name or the beginning of its id, in this order. n.mu is held. Errors: errdefs.ErrNotFound, and
// ErrInvalidArgument where several begin so.
func (n *networks) find(name string) (*lan, error) {
	if l := n.byID[name]; l != nil {
		return l, nil
	}
	if l := n.byName[name]; l != nil {
		return l, nil
	}
	var found *lan
	matches := 0
	for id, l := range n.byID {
		if name != "" && strings.HasPrefix(id, name) {
			found = l
			matches++
		}
	}
	switch matches {
	case 0:
		return nil, noNetwork(name)
	case 1:
		return found, nil
	}
	return nil, invalid("network %s is ambiguous (%d matches found based on ID prefix)", name, matches)
}

// all are the networks, the oldest first, in the order in which dockerd makes its own.
func (n *networks) all() []*lan {
	n.mu.RLock()
	list := slices.Collect(maps.Values(n.byID))
	n.mu.RUnlock()
	order := func(l *lan) int {
		return slices.Index([]string{network.NetworkNone, network.NetworkHost, network.NetworkBridge}, l.Name)
	}
	slices.SortFunc(list, func(a, b *lan) int {
		if a.predefined && b.predefined {
			return order(a) - order(b)
		}
		if a.predefined != b.predefined {
			if a.predefined {
				return -1
			}
			return 1
		}
		return cmp.Or(a.Created.Compare(b.Created), strings.Compare(a.ID, b.ID))
	})
	return list
}

// network returns a network as find does.
func (e *Engine) network(name string) (*lan, error) {
	e.nets.mu.RLock()
	defer e.nets.mu.RUnlock()
	return e.nets.find(name)
}

func noNetwork(name string) error { return notFound("network %s not found", name) }

// storeNetwork writes a network that is new.
func (e *Engine) storeNetwork(ctx context.Context, l *lan) error {
	value, err := json.Marshal(storedNetwork{Network: l.Network, Subnet: l.subnet, IPRange: l.ipRange, Gateway: l.gateway, Chosen: l.chosen})
	if err == nil {
		err = e.cfg.State.Update(ctx, state.Put(networkKey+l.ID, value))
	}
	if err != nil {
		return fmt.Errorf("store network %s: %w", l.Name, err)
	}
	return nil
}

// networkEvent tells of a network; container is empty or who joined or left it.
func (e *Engine) networkEvent(action events.Action, l *lan, container string) {
	attributes := map[string]string{"name": l.Name, "type": l.Driver}
	if container != "" {
		attributes["container"] = container
	}
	e.publish(events.NetworkEventType, action, l.ID, attributes)
}
