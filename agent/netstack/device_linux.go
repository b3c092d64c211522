package netstack

import (
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"

	"github.com/sockerless/sockerless/agent/agentpb"
	"github.com/sockerless/sockerless/agent/netdev"
)

// interfaceName is what the container sees.
const interfaceName = "eth0"

// Setup makes eth0 in the network namespace of the calling thread, gives it the addresses and routes of the endpoints,
// and sets lo up. It needs CAP_NET_ADMIN in that namespace, and /dev/net/tun: it is to be called before the container's root is
// entered and its capabilities are dropped. The file is for Config.TUN, possibly in another process. Without endpoints it
// only sets lo up and returns nil.
func Setup(endpoints []*agentpb.Endpoint) (*os.File, error) {
	places, err := parseEndpoints(endpoints)
	if err != nil {
		return nil, err
	}
	if err := portsForAll(); err != nil {
		return nil, err
	}
	if len(places) == 0 {
		return netdev.Setup(nil)
	}
	config := &netdev.Config{Name: interfaceName, MTU: netdev.MTU}
	for _, p := range places {
		config.Addresses = append(config.Addresses, p.prefix)
		if len(config.Gateways) == 0 && p.gateway.IsValid() && p.prefix.Masked().Contains(p.gateway) {
			config.Gateways = append(config.Gateways, p.gateway)
		}
	}
	return netdev.Setup(config)
}

// portsForAll lets every user bind every port and ping, as Docker has it: there is nobody else in the namespace. Where /proc
// is read-only, in another engine's container, that engine has seen to it.
func portsForAll() error {
	const ports, ping = "/proc/sys/net/ipv4/ip_unprivileged_port_start", "/proc/sys/net/ipv4/ping_group_range"
	if err := os.WriteFile(ports, []byte("0"), 0); err != nil && !errors.Is(err, unix.EROFS) {
		return fmt.Errorf("let users bind low ports: %w", err)
	}
	// A user namespace with few groups has no such range: then ping needs CAP_NET_RAW, which is Docker's default.
	if err := os.WriteFile(ping, []byte("0 2147483647"), 0); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EROFS) {
		return fmt.Errorf("let users ping: %w", err)
	}
	return nil
}

// place is an endpoint, parsed.
type place struct {
	prefix  netip.Prefix // the address, with the length of the network's prefix
	gateway netip.Addr   // not valid if there is none
}

func parseEndpoints(endpoints []*agentpb.Endpoint) ([]place, error) {
	places := make([]place, 0, len(endpoints))
	for _, e := range endpoints {
		addr, err := netip.ParseAddr(e.GetAddress())
		if err != nil || !addr.Is4() || e.GetPrefix() > 32 {
			return nil, errdefs.ErrInvalidArgument.WithMessage(
				fmt.Sprintf("address %q/%d in network %s: an IPv4 address is needed", e.GetAddress(), e.GetPrefix(), e.GetNetwork()))
		}
		p := place{prefix: netip.PrefixFrom(addr, int(e.GetPrefix()))}
		if e.GetGateway() != "" {
			if p.gateway, err = netip.ParseAddr(e.GetGateway()); err != nil || !p.gateway.Is4() {
				return nil, errdefs.ErrInvalidArgument.WithMessage(
					fmt.Sprintf("gateway %q of network %s: an IPv4 address is needed", e.GetGateway(), e.GetNetwork()))
			}
		}
		places = append(places, p)
	}
	return places, nil
}
