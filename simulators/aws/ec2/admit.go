package ec2

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/sockerless/sockerless/runtime"
)

// Admit tells why a connection of a task is dropped: by a security group of either side, or for want of a route. It knows nothing of
// networks that are no VPCs, and drops nothing there.
func (e *EC2) Admit(c runtime.Connection) error {
	v, ok := e.vpcs.Get(c.Network)
	if !ok {
		return nil
	}
	from, ok := e.at(c.Network, c.From)
	if !ok {
		return fmt.Errorf("no interface of %s has the address %s", c.Network, c.From)
	}
	to, member := e.at(c.Network, c.To.Addr())
	member = member && c.Inside
	if !e.allowed(from, true, c.Proto, c.To.Port(), c.To.Addr(), to.Value.groupIDs()) {
		return fmt.Errorf("no security group of %s lets %s out to %s", from.ID, c.Proto, c.To)
	}
	if member {
		if !e.allowed(to, false, c.Proto, c.To.Port(), c.From, from.Value.groupIDs()) {
			return fmt.Errorf("no security group of %s lets %s in from %s to port %d", to.ID, c.Proto, c.From, c.To.Port())
		}
		return nil
	}
	if netip.MustParsePrefix(*v.Value.CidrBlock).Contains(c.To.Addr()) {
		return nil // the network's router
	}
	return e.routed(from, c.To.Addr())
}

// allowed tells whether a rule of an interface's groups is about a connection with a peer.
func (e *EC2) allowed(r record[networkInterface], egress bool, proto string, port uint16, peer netip.Addr, peerGroups []string) bool {
	for _, group := range r.Value.groupIDs() {
		for _, rule := range e.rulesOf(r.Region, group) {
			if *rule.IsEgress == egress && covers(rule, proto, port, peer, peerGroups) {
				return true
			}
		}
	}
	return false
}

func covers(rule types.SecurityGroupRule, proto string, port uint16, peer netip.Addr, peerGroups []string) bool {
	if *rule.IpProtocol != "-1" {
		if !strings.HasPrefix(proto, *rule.IpProtocol) || *rule.FromPort != -1 && (int32(port) < *rule.FromPort || int32(port) > *rule.ToPort) {
			return false
		}
	}
	if cidr := aws.ToString(rule.CidrIpv4) + aws.ToString(rule.CidrIpv6); cidr != "" {
		return netip.MustParsePrefix(cidr).Contains(peer)
	}
	return slices.Contains(peerGroups, referenced(rule))
}

// routed finds the way out of a VPC: the longest route to the address, to an internet gateway for an interface with a public address,
// or to a NAT gateway.
func (e *EC2) routed(from record[networkInterface], to netip.Addr) error {
	table := e.tableOf(from.Region, *from.Value.VpcId, *from.Value.SubnetId)
	best := types.Route{}
	bits := -1
	for _, r := range table.Routes {
		if cidr := netip.MustParsePrefix(*r.DestinationCidrBlock); cidr.Contains(to) && cidr.Bits() > bits {
			best, bits = r, cidr.Bits()
		}
	}
	switch {
	case bits < 0:
		return fmt.Errorf("route table %s of subnet %s leads nowhere for %s", *table.RouteTableId, *from.Value.SubnetId, to)
	case !e.leads(from.Region, *from.Value.VpcId, best):
		return fmt.Errorf("the route of %s for %s leads to what is gone", *table.RouteTableId, to)
	case best.NatGatewayId == nil && from.Value.Association == nil:
		return fmt.Errorf("%s has no public address, and its route to %s is an internet gateway", from.ID, to)
	}
	return nil
}
