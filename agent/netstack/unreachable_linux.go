package netstack

import (
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/sockerless/sockerless/agent/network"
)

// quoted is how much an ICMP error has of the transport header, in bytes (RFC 792): the ports, and TCP's sequence number.
const quoted = 8

// quote is the beginning of a packet as an ICMP error has it.
func quote(pkt *stack.PacketBuffer) []byte {
	ip, transport := pkt.NetworkHeader().Slice(), pkt.TransportHeader().Slice()
	return append(append(make([]byte, 0, len(ip)+quoted), ip...), transport[:min(quoted, len(transport))]...)
}

// icmpCode is the code of "destination unreachable" that gives a program the right error. Only those that Linux counts as
// final reach a program that sends datagrams (icmp_err_convert in net/ipv4/icmp.c): so it is not the plain "host unreachable".
func icmpCode(why network.Code) header.ICMPv4Code {
	switch why {
	case network.Refused:
		return header.ICMPv4PortUnreachable // ECONNREFUSED
	case network.NetworkUnreachable:
		return header.ICMPv4DestinationNetworkUnknown // ENETUNREACH
	}
	return header.ICMPv4AdminProhibited // EHOSTUNREACH
}

// unreachable tells the program whose packet began like that why it goes nowhere.
func (s *Stack) unreachable(packet []byte, why network.Code) {
	if len(packet) < header.IPv4MinimumSize+quoted {
		return
	}
	body := make([]byte, header.ICMPv4MinimumSize+len(packet))
	message := header.ICMPv4(body)
	message.SetType(header.ICMPv4DstUnreachable)
	message.SetCode(icmpCode(why))
	copy(body[header.ICMPv4MinimumSize:], packet)
	s.sendICMP(header.IPv4(packet), message)
}

// sendICMP answers a packet as the host that it was for.
func (s *Stack) sendICMP(to header.IPv4, message header.ICMPv4) {
	message.SetChecksum(0)
	message.SetChecksum(^checksum.Checksum(message, 0))
	packet := make([]byte, header.IPv4MinimumSize, header.IPv4MinimumSize+len(message))
	ip := header.IPv4(packet)
	ip.Encode(&header.IPv4Fields{
		TotalLength: uint16(header.IPv4MinimumSize + len(message)), TTL: 64, Protocol: uint8(header.ICMPv4ProtocolNumber),
		SrcAddr: to.DestinationAddress(), DstAddr: to.SourceAddress(),
	})
	ip.SetChecksum(^ip.CalculateChecksum())
	if err := s.link.send(append(packet, message...)); err != nil && s.ctx.Err() == nil {
		s.log.Debug("an ICMP message was not sent", "error", err)
	}
}
