package runtime

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/api/types/network"
)

// NetworkSpec is what [Engine.NetworkCreate] makes. The texts of addresses are read by the engine, which says what is wrong with
// them.
type NetworkSpec struct {
	Name       string
	Driver     string // empty: bridge
	Scope      string
	EnableIPv4 *bool
	EnableIPv6 *bool
	IPAM       *NetworkIPAM
	Internal   bool
	Attachable bool
	Ingress    bool
	ConfigOnly bool
	ConfigFrom *network.ConfigReference
	Options    map[string]string
	Labels     map[string]string
	// Overlap is for a network that may have the addresses of others: its containers reach only those of it.
	Overlap bool `json:"-"`
}

// NetworkIPAM says which addresses a network has.
type NetworkIPAM struct {
	Driver  string
	Options map[string]string
	Config  []NetworkSubnet
}

// NetworkSubnet is a subnet as it is asked for.
type NetworkSubnet struct {
	Subnet     string
	IPRange    string
	Gateway    string
	AuxAddress map[string]string `json:"AuxiliaryAddresses"`
}

// NetworkCreate makes a network. Errors: errdefs.ErrConflict (name), ErrPermissionDenied (addresses that overlap, a name that is
// Docker's own), ErrInvalidArgument, ErrNotFound (driver), ErrNotImplemented for what would need a kernel's network.
func (e *Engine) NetworkCreate(ctx context.Context, spec NetworkSpec) (network.CreateResponse, error) {
	var none network.CreateResponse
	if err := spec.check(); err != nil {
		return none, err
	}
	l := &lan{members: map[string]*endpoint{}, Network: network.Network{
		Name: spec.Name, Created: time.Now().UTC(), Scope: "local", Driver: driverBridge, EnableIPv4: true,
		IPAM: network.IPAM{Driver: "default"}, Internal: spec.Internal, Attachable: spec.Attachable, Options: spec.Options, Labels: spec.Labels,
	}}
	if l.Options == nil {
		l.Options = map[string]string{}
	}
	if l.Labels == nil {
		l.Labels = map[string]string{}
	}
	if spec.IPAM != nil {
		l.IPAM.Options = spec.IPAM.Options
		if err := l.addresses(spec.IPAM.Config); err != nil {
			return none, err
		}
	}
	id, err := randomID()
	if err != nil {
		return none, err
	}
	l.ID = id
	n := e.nets
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.byName[l.Name] != nil {
		return none, conflict("network with name %s already exists", l.Name)
	}
	if err := n.place(l, spec.Overlap); err != nil {
		return none, err
	}
	l.pool = newAddressPool(l.subnet, l.ipRange, l.reserved()...)
	if err := e.storeNetwork(ctx, l); err != nil {
		return none, err
	}
	n.add(l)
	e.networkEvent(events.ActionCreate, l, "")
	return network.CreateResponse{ID: l.ID}, nil
}

// place finds the subnet of a network that asks for none, and refuses one that is taken unless it may overlap. n.mu is held.
func (n *networks) place(l *lan, overlap bool) error {
	taken := n.subnets()
	if l.chosen {
		if !overlap && overlaps(l.subnet, taken) {
			return errdefs.ErrPermissionDenied.WithMessage("invalid pool request: Pool overlaps with other one on this address space")
		}
		return nil
	}
	subnet, err := freeSubnet(taken)
	if err != nil {
		return err
	}
	l.subnet = subnet
	if !l.gateway.IsValid() {
		l.gateway = subnet.Addr().Next()
	}
	l.IPAM.Config = []network.IPAMConfig{{Subnet: l.subnet, Gateway: l.gateway}}
	return nil
}

// check refuses what cannot be made, with dockerd's texts (moby's daemon/network.go).
func (s *NetworkSpec) check() error {
	refuse := func(what, why string) error {
		return errdefs.ErrNotImplemented.WithMessage(what + " is not supported: " + why)
	}
	switch {
	case s.Name == "":
		return invalid("invalid network name: name is empty")
	case strings.ContainsAny(s.Name, "/\n"):
		return invalid("invalid network name: %s", s.Name)
	case s.Name == network.NetworkHost || s.Name == network.NetworkNone || s.Name == network.NetworkBridge || s.Name == network.NetworkDefault:
		return errdefs.ErrPermissionDenied.WithMessage("operation is not permitted on predefined " + s.Name + " network ")
	case s.ConfigOnly || s.ConfigFrom != nil && s.ConfigFrom.Network != "":
		return refuse("a configuration of networks", "give each network its own options")
	case s.Ingress || s.Scope == "swarm" || s.Driver == "overlay":
		return errdefs.ErrUnavailable.WithMessage("This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to swarm and try again.")
	case s.Driver == driverHost || s.Driver == driverNull:
		return errdefs.ErrPermissionDenied.WithMessage("only one instance of \"" + s.Driver + "\" network is allowed")
	case s.Driver == "macvlan" || s.Driver == "ipvlan":
		return refuse("the network driver "+s.Driver, "containers have no interface on a network of the host; use the driver bridge")
	case s.Driver != "" && s.Driver != driverBridge && s.Driver != network.NetworkDefault:
		return notFound("plugin %q not found", s.Driver)
	case s.EnableIPv6 != nil && *s.EnableIPv6:
		return refuse("IPv6 inside of a network", "containers reach each other by IPv4, and IPv6 outside through the server")
	case s.EnableIPv4 != nil && !*s.EnableIPv4:
		return refuse("a network without IPv4", "it is the only one that there is inside of a network")
	case s.IPAM != nil && s.IPAM.Driver != "" && s.IPAM.Driver != "default":
		return invalid("invalid network config:\nIPAM driver %q not found", s.IPAM.Driver)
	}
	return nil
}

// addresses reads the subnet that was asked for (moby's daemon/network/ipam.go).
func (l *lan) addresses(config []NetworkSubnet) error {
	var faults []error
	for _, c := range config {
		parsed, err := c.parse()
		if err != nil {
			faults = append(faults, err)
			continue
		}
		if c.Subnet == "" {
			continue
		}
		if l.chosen {
			faults = append(faults, errors.New("only one subnet is supported for a network"))
			continue
		}
		l.chosen = true
		l.subnet, l.ipRange, l.gateway = parsed.Subnet, parsed.IPRange, parsed.Gateway
		if !l.gateway.IsValid() {
			first := l.subnet.Addr()
			if l.ipRange.IsValid() {
				first = l.ipRange.Addr()
			}
			if first == l.subnet.Addr() {
				first = first.Next()
			}
			l.gateway = first
		}
		l.IPAM.Config = append(l.IPAM.Config, parsed)
	}
	if len(faults) > 0 {
		return invalid("invalid network config:\n%s", errors.Join(faults...))
	}
	return nil
}

// parse reads a subnet.
func (c *NetworkSubnet) parse() (network.IPAMConfig, error) {
	var parsed network.IPAMConfig
	if c.Subnet == "" {
		if c.IPRange != "" || c.Gateway != "" || len(c.AuxAddress) > 0 {
			return parsed, invalid("an address range, a gateway or auxiliary addresses need a subnet")
		}
		return parsed, nil
	}
	var err error
	if parsed.Subnet, err = parsePrefix("subnet", c.Subnet); err != nil {
		return parsed, err
	}
	if parsed.Subnet.Addr().Is6() {
		return parsed, invalid("invalid subnet %s: IPv6 has not been enabled", c.Subnet)
	}
	if parsed.Subnet.Bits() > 30 {
		return parsed, invalid("invalid subnet %s: it has no room for a gateway and a container", c.Subnet)
	}
	if c.IPRange != "" {
		if parsed.IPRange, err = parsePrefix("ip-range", c.IPRange); err != nil {
			return parsed, err
		}
		switch {
		case parsed.IPRange.Bits() < parsed.Subnet.Bits():
			return parsed, invalid("invalid ip-range %s: CIDR block is bigger than its parent subnet %s", c.IPRange, c.Subnet)
		case !parsed.Subnet.Contains(parsed.IPRange.Addr()):
			return parsed, invalid("invalid ip-range %s: parent subnet %s doesn't contain ip-range", c.IPRange, c.Subnet)
		}
	}
	if c.Gateway != "" {
		if parsed.Gateway, err = memberOf(parsed.Subnet, "gateway", c.Gateway); err != nil {
			return parsed, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.AuxAddress)) {
		a, err := memberOf(parsed.Subnet, "auxiliary address", c.AuxAddress[name])
		if err != nil {
			return parsed, err
		}
		if parsed.AuxAddress == nil {
			parsed.AuxAddress = map[string]netip.Addr{}
		}
		parsed.AuxAddress[name] = a
	}
	return parsed, nil
}

func parsePrefix(what, s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, invalid("invalid %s %s: invalid CIDR block notation", what, s)
	}
	if p != p.Masked() {
		return p, invalid("invalid %s %s: it should be %s", what, p, p.Masked())
	}
	return p, nil
}

// memberOf reads an address of a subnet.
func memberOf(subnet netip.Prefix, what, s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	switch {
	case err != nil:
		return a, invalid("invalid %s %s: invalid address", what, s)
	case !a.Is4():
		return a, invalid("invalid %s %s: parent subnet is an IPv4 block", what, s)
	case !subnet.Contains(a):
		return a, invalid("invalid %s %s: parent subnet %s doesn't contain this address", what, s, subnet)
	}
	return a, nil
}
