package netstack

import (
	"log/slog"
	"net/netip"
	"os"

	"github.com/sockerless/sockerless/agent/agentpb"
	"github.com/sockerless/sockerless/agent/network"
)

// Config says what a stack serves.
type Config struct {
	// TUN is the device that Setup, or its like, made: IFF_TUN and IFF_NO_PI, with IFF_VNET_HDR if speed counts; nil for a container without networks, which has only its name server.
	TUN *os.File
	// Container is the id that Outgoing is called with.
	Container string
	// Endpoints are those that Setup was given.
	Endpoints []*agentpb.Endpoint
	// Outgoing is where connections go, and who knows names.
	Outgoing network.Outgoing
	// DNS is where the name server listens; the zero value is 127.0.0.11:53.
	DNS netip.AddrPort
	// Log receives what goes wrong without anybody being told; nil is nowhere.
	Log *slog.Logger
}

// NameServer is the address that a container's /etc/resolv.conf names, as in Docker.
var NameServer = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 11}), 53)
