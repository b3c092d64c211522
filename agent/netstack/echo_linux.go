package netstack

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/sockerless/sockerless/agent/network"
)

const (
	// echoPort is that of the echo service (RFC 862).
	echoPort = 7
	// echoPatience is how long a host may take to show that it is there.
	echoPatience = 10 * time.Second
	// echoLimit is how many pings may wait for an answer; others are lost, as pings may be.
	echoLimit = 64
)

// echo answers a ping if the host is there: nobody carries ICMP, but a connection to a host that is there is accepted or
// refused, and to another one it is neither.
func (s *Stack) echo(packet []byte) {
	ip := header.IPv4(packet)
	start, total := int(ip.HeaderLength()), int(ip.TotalLength())
	if start < header.IPv4MinimumSize || total > len(packet) || total < start+header.ICMPv4MinimumSize || ip.More() || ip.FragmentOffset() != 0 {
		return
	}
	if message := header.ICMPv4(packet[start:total]); message.Type() != header.ICMPv4Echo {
		return
	}
	select {
	case s.pings <- struct{}{}:
	default:
		return
	}
	if !s.begin() {
		<-s.pings
		return
	}
	packet = slices.Clone(packet[:total])
	go func() {
		defer s.flows.Done()
		defer func() { <-s.pings }()
		ip := header.IPv4(packet)
		to := netip.AddrFrom4(ip.DestinationAddress().As4())
		if !s.there(to) {
			return
		}
		message := header.ICMPv4(packet[start:])
		message.SetType(header.ICMPv4EchoReply)
		s.sendICMP(ip, message)
	}()
}

// there says whether a host answers; gateways are this stack itself.
func (s *Stack) there(host netip.Addr) bool {
	if slices.ContainsFunc(s.places, func(p place) bool { return p.gateway == host }) {
		return true
	}
	ctx, cancel := context.WithTimeout(s.ctx, echoPatience)
	defer cancel()
	conn, err := s.out.Dial(ctx, s.container, "tcp", netip.AddrPortFrom(host, echoPort).String())
	if err == nil {
		reset(conn)
		return true
	}
	return network.Classify(err).Code == network.Refused
}
