package ec2

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/sockerless/sockerless/simulators/aws/wire"
)

// networkInterface is one, and what it was made for.
type networkInterface struct {
	types.NetworkInterface
	Owner string // a task, a function; "" for one that a user made
}

func (n networkInterface) groupIDs() (ids []string) {
	for _, g := range n.Groups {
		ids = append(ids, *g.GroupId)
	}
	return ids
}

// Interface is what a task has of its network.
type Interface struct {
	ID, MAC, Address, Name string
	SubnetID, VPC, Zone    string
	Public                 string // address; "" for none
	// Network is the network of the machine that the task's container joins, with Address and MAC.
	Network string
}

// Attachment is what a task's network is to be.
type Attachment struct {
	Region, Owner   string // the task; asking again for the same one gives the same interface
	Subnets, Groups []string
	Public          bool // with a public address
}

// Check tells why there can be no such attachment: the error of the service that names what is not there, or not in the same network.
func (e *EC2) Check(ctx context.Context, a Attachment) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.begin(ctx, a.Region); err != nil {
		return err
	}
	for _, id := range a.Subnets {
		s, err := e.subnets.find(a.Region, &id)
		if err != nil {
			return err
		}
		if _, err := e.groupsFor(a.Region, *s.VpcId, a.Groups); err != nil {
			return err
		}
	}
	return nil
}

// Attach makes an interface in one of the subnets that has an address left. No groups are the VPC's default one. Errors are those
// of the service.
func (e *EC2) Attach(ctx context.Context, a Attachment) (Interface, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.begin(ctx, a.Region); err != nil {
		return Interface{}, err
	}
	made := e.interfaces.of(a.Region, func(n networkInterface) bool { return n.Owner == a.Owner && a.Owner != "" })
	if len(made) == 0 {
		if len(a.Subnets) == 0 {
			return Interface{}, missing("subnets")
		}
		var last error
		for _, id := range a.Subnets {
			s, err := e.subnets.find(a.Region, &id)
			if err != nil {
				return Interface{}, err
			}
			n, err := e.makeInterface(ctx, a.Region, s, a.Groups, interfaceOptions{description: "of " + a.Owner, kind: types.NetworkInterfaceTypeInterface, owner: a.Owner, public: a.Public})
			if last = err; err == nil {
				made = append(made, n)
				break
			}
		}
		if last != nil {
			return Interface{}, last
		}
	}
	n := made[0]
	v, err := e.vpcs.find(a.Region, n.VpcId)
	if err != nil {
		return Interface{}, err
	}
	if err := e.config.Network(ctx, *v.VpcId, *v.CidrBlock); err != nil {
		return Interface{}, fmt.Errorf("make the network of %s: %w", *v.VpcId, err)
	}
	i := Interface{ID: *n.NetworkInterfaceId, MAC: *n.MacAddress, Address: *n.PrivateIpAddress, Name: aws.ToString(n.PrivateDnsName), SubnetID: *n.SubnetId, VPC: *n.VpcId, Zone: aws.ToString(n.AvailabilityZone), Network: *n.VpcId}
	if n.Association != nil {
		i.Public = *n.Association.PublicIp
	}
	return i, nil
}

// Detach gives up the interface of a task, if it has one.
func (e *EC2) Detach(ctx context.Context, region, owner string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, n := range e.interfaces.of(region, func(n networkInterface) bool { return n.Owner == owner && owner != "" }) {
		if err := e.forget(ctx, e.interfaces.Delete, *n.NetworkInterfaceId); err != nil {
			return err
		}
	}
	return nil
}

// interfaceOptions are what an interface is made with.
type interfaceOptions struct {
	description, owner string
	kind               types.NetworkInterfaceType
	address            *string // nil: any
	public             bool
}

// makeInterface takes an address of a subnet.
func (e *EC2) makeInterface(ctx context.Context, region string, s types.Subnet, groups []string, o interfaceOptions) (networkInterface, error) {
	address, err := e.free(s, o.address)
	if err != nil {
		return networkInterface{}, err
	}
	id := newID("eni")
	b := address.As4()
	n := networkInterface{Owner: o.owner, NetworkInterface: types.NetworkInterface{
		NetworkInterfaceId: &id, SubnetId: s.SubnetId, VpcId: s.VpcId, AvailabilityZone: s.AvailabilityZone, AvailabilityZoneId: s.AvailabilityZoneId, OwnerId: &e.config.Account,
		Description: &o.description, InterfaceType: o.kind, Status: types.NetworkInterfaceStatusAvailable, SourceDestCheck: aws.Bool(true), RequesterManaged: aws.Bool(o.owner != ""),
		PrivateIpAddress: aws.String(address.String()), MacAddress: aws.String(fmt.Sprintf("02:42:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3])),
		PrivateDnsName: aws.String("ip-" + strings.ReplaceAll(address.String(), ".", "-") + "." + region + ".compute.internal"),
		Groups:         []types.GroupIdentifier{}, Ipv6Addresses: []types.NetworkInterfaceIpv6Address{},
	}}
	if n.Groups, err = e.groupsFor(region, *s.VpcId, groups); err != nil {
		return n, err
	}
	if o.kind == types.NetworkInterfaceTypeNatGateway {
		n.Groups, n.SourceDestCheck = []types.GroupIdentifier{}, aws.Bool(false)
	}
	if o.owner != "" {
		n.Status, n.RequesterId = types.NetworkInterfaceStatusInUse, &e.config.Account
		n.Attachment = &types.NetworkInterfaceAttachment{AttachmentId: aws.String(newID("eni-attach")), AttachTime: aws.Time(e.config.Now()), DeviceIndex: aws.Int32(1),
			DeleteOnTermination: aws.Bool(false), InstanceOwnerId: &e.config.Account, Status: types.AttachmentStatusAttached}
	}
	if o.public {
		n.Association = &types.NetworkInterfaceAssociation{PublicIp: aws.String(e.publicAddress()), IpOwnerId: aws.String("amazon")}
	}
	n.PrivateIpAddresses = []types.NetworkInterfacePrivateIpAddress{{Primary: aws.Bool(true), PrivateIpAddress: n.PrivateIpAddress, PrivateDnsName: n.PrivateDnsName, Association: n.Association}}
	return n, e.interfaces.put(ctx, region, id, n)
}

// groupsFor are security groups of a VPC: its default one where none is named.
func (e *EC2) groupsFor(region, vpc string, ids []string) ([]types.GroupIdentifier, error) {
	list := []types.GroupIdentifier{}
	if len(ids) == 0 {
		for _, g := range e.groups.of(region, func(g types.SecurityGroup) bool { return *g.VpcId == vpc && *g.GroupName == "default" }) {
			list = append(list, types.GroupIdentifier{GroupId: g.GroupId, GroupName: g.GroupName})
		}
	}
	for _, id := range ids {
		g, err := e.group(region, &id, nil)
		if err != nil {
			return nil, err
		}
		if *g.VpcId != vpc {
			return nil, failure("InvalidParameter", "Security group %s and subnet belong to different networks.", id)
		}
		list = append(list, types.GroupIdentifier{GroupId: g.GroupId, GroupName: g.GroupName})
	}
	return list, nil
}

// free is an address of a subnet that nobody has: the one that is wanted, or the lowest.
func (e *EC2) free(s types.Subnet, wanted *string) (netip.Addr, error) {
	cidr := netip.MustParsePrefix(*s.CidrBlock)
	taken := map[string]bool{}
	for _, r := range e.interfaces.All() {
		if *r.Value.SubnetId == *s.SubnetId {
			taken[*r.Value.PrivateIpAddress] = true
		}
	}
	first := cidr.Addr()
	for range reserved - 1 {
		taken[first.String()] = true
		first = first.Next()
	}
	if wanted != nil {
		a, err := netip.ParseAddr(*wanted)
		if err != nil || !cidr.Contains(a) {
			return a, failure("InvalidParameterValue", "Address does not fall within the subnet's address range")
		}
		if taken[*wanted] || !cidr.Contains(a.Next()) {
			return a, failure("InvalidIPAddress.InUse", "The specified address is already in use.")
		}
		return a, nil
	}
	for a := first; cidr.Contains(a.Next()); a = a.Next() {
		if !taken[a.String()] {
			return a, nil
		}
	}
	return first, failure("InsufficientFreeAddressesInSubnet", "The specified subnet does not have enough free addresses to satisfy the request.")
}

func (e *EC2) createNetworkInterface(ctx context.Context, c *wire.Call, in *ec2.CreateNetworkInterfaceInput) (*ec2.CreateNetworkInterfaceOutput, error) {
	s, err := e.subnets.find(c.Region, in.SubnetId)
	if err != nil {
		return nil, err
	}
	id, err := e.once(ctx, c, in.ClientToken, func() (string, error) {
		n, err := e.makeInterface(ctx, c.Region, s, in.Groups, interfaceOptions{description: aws.ToString(in.Description), kind: types.NetworkInterfaceTypeInterface, address: in.PrivateIpAddress})
		if err != nil {
			return "", err
		}
		return *n.NetworkInterfaceId, e.specified(ctx, *n.NetworkInterfaceId, in.TagSpecifications)
	})
	if err != nil {
		return nil, err
	}
	n, err := e.interfaces.find(c.Region, &id)
	n.TagSet = e.tagsOf(id)
	return &ec2.CreateNetworkInterfaceOutput{NetworkInterface: &n.NetworkInterface, ClientToken: in.ClientToken}, err
}

func (e *EC2) deleteNetworkInterface(ctx context.Context, c *wire.Call, in *ec2.DeleteNetworkInterfaceInput) (*ec2.DeleteNetworkInterfaceOutput, error) {
	n, err := e.interfaces.find(c.Region, in.NetworkInterfaceId)
	if err != nil {
		return nil, err
	}
	if n.Owner != "" {
		return nil, failure("InvalidParameterValue", "Network interface '%s' is currently in use.", *n.NetworkInterfaceId)
	}
	return &ec2.DeleteNetworkInterfaceOutput{}, e.forget(ctx, e.interfaces.Delete, *n.NetworkInterfaceId)
}

func (e *EC2) describeNetworkInterfaces(_ context.Context, c *wire.Call, in *ec2.DescribeNetworkInterfacesInput) (*ec2.DescribeNetworkInterfacesOutput, error) {
	list, next, err := describe(e, &e.interfaces, c, question{in.NetworkInterfaceIds, in.Filters, in.NextToken, in.MaxResults}, func(n networkInterface) types.NetworkInterface { return n.NetworkInterface })
	return &ec2.DescribeNetworkInterfacesOutput{NetworkInterfaces: list, NextToken: next}, err
}

func (e *EC2) modifyNetworkInterfaceAttribute(ctx context.Context, c *wire.Call, in *ec2.ModifyNetworkInterfaceAttributeInput) (*ec2.ModifyNetworkInterfaceAttributeOutput, error) {
	n, err := e.interfaces.find(c.Region, in.NetworkInterfaceId)
	if err != nil {
		return nil, err
	}
	switch {
	case len(in.Groups) > 0:
		if n.Groups, err = e.groupsFor(c.Region, *n.VpcId, in.Groups); err != nil {
			return nil, err
		}
	case in.Description != nil:
		n.Description = in.Description.Value
	case in.SourceDestCheck != nil:
		n.SourceDestCheck = in.SourceDestCheck.Value
	default:
		return nil, failure("UnsupportedOperation", "the simulator's interfaces have no such attribute")
	}
	return &ec2.ModifyNetworkInterfaceAttributeOutput{}, e.interfaces.put(ctx, c.Region, *n.NetworkInterfaceId, n)
}

// at is the interface with an address in a VPC.
func (e *EC2) at(vpc string, address netip.Addr) (record[networkInterface], bool) {
	all := e.interfaces.All()
	i := slices.IndexFunc(all, func(r record[networkInterface]) bool {
		return *r.Value.VpcId == vpc && *r.Value.PrivateIpAddress == address.String()
	})
	if i < 0 {
		return record[networkInterface]{}, false
	}
	return all[i], true
}
