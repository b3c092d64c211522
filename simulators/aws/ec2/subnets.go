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

// zoneID is "euc1-az1" of the first zone of eu-central-1.
func zoneID(region string, index int) string {
	parts := strings.Split(region, "-")
	short := parts[0]
	for _, part := range parts[1:] {
		short += part[:min(1, len(part))]
	}
	return fmt.Sprintf("%s-az%d", short, index+1)
}

func (e *EC2) newSubnet(region string, v vpc, cidr netip.Prefix, zone string) types.Subnet {
	id := newID("subnet")
	return types.Subnet{
		SubnetId: &id, SubnetArn: e.arn(region, "subnet", id), VpcId: v.VpcId, CidrBlock: aws.String(cidr.String()), OwnerId: &e.config.Account, State: types.SubnetStateAvailable,
		AvailabilityZone: &zone, AvailabilityZoneId: aws.String(zoneID(region, max(0, slices.Index(zones, strings.TrimPrefix(zone, region))))),
		DefaultForAz: aws.Bool(false), MapPublicIpOnLaunch: aws.Bool(false), MapCustomerOwnedIpOnLaunch: aws.Bool(false), AssignIpv6AddressOnCreation: aws.Bool(false),
		EnableDns64: aws.Bool(false), Ipv6Native: aws.Bool(false), Ipv6CidrBlockAssociationSet: []types.SubnetIpv6CidrBlockAssociation{},
		PrivateDnsNameOptionsOnLaunch: &types.PrivateDnsNameOptionsOnLaunch{
			HostnameType: types.HostnameTypeIpName, EnableResourceNameDnsARecord: aws.Bool(false), EnableResourceNameDnsAAAARecord: aws.Bool(false)},
	}
}

func (e *EC2) createSubnet(ctx context.Context, c *wire.Call, in *ec2.CreateSubnetInput) (*ec2.CreateSubnetOutput, error) {
	v, err := e.vpcs.find(c.Region, in.VpcId)
	if err != nil {
		return nil, err
	}
	if in.CidrBlock == nil {
		return nil, missing("CidrBlock")
	}
	cidr, err := block(in.CidrBlock)
	if err != nil {
		return nil, err
	}
	within := netip.MustParsePrefix(*v.CidrBlock)
	if cidr.Bits() < max(16, within.Bits()) || cidr.Bits() > 28 || !within.Contains(cidr.Addr()) {
		return nil, failure("InvalidSubnet.Range", "The CIDR '%s' is invalid.", cidr)
	}
	for _, s := range e.subnets.of(c.Region, func(s types.Subnet) bool { return *s.VpcId == *v.VpcId }) {
		if netip.MustParsePrefix(*s.CidrBlock).Overlaps(cidr) {
			return nil, failure("InvalidSubnet.Conflict", "The CIDR '%s' conflicts with another subnet", cidr)
		}
	}
	zone := c.Region + zones[0]
	for i, letter := range zones {
		if aws.ToString(in.AvailabilityZoneId) == zoneID(c.Region, i) {
			zone = c.Region + letter
		}
	}
	if in.AvailabilityZone != nil {
		zone = *in.AvailabilityZone
		if !slices.Contains(zones, strings.TrimPrefix(zone, c.Region)) {
			return nil, failure("InvalidParameterValue", "Value (%s) for parameter availabilityZone is invalid. Subnets can currently only be created in the following availability zones: %[2]sa, %[2]sb, %[2]sc.", zone, c.Region)
		}
	}
	s := e.newSubnet(c.Region, v, cidr, zone)
	if err := e.subnets.put(ctx, c.Region, *s.SubnetId, s); err != nil {
		return nil, err
	}
	if err := e.specified(ctx, *s.SubnetId, in.TagSpecifications); err != nil {
		return nil, err
	}
	s = e.showSubnet(s)
	s.Tags = e.tagsOf(*s.SubnetId)
	return &ec2.CreateSubnetOutput{Subnet: &s}, nil
}

// reserved is how many addresses of a subnet nobody gets: the first four and the last.
const reserved = 5

// showSubnet counts a subnet's free addresses.
func (e *EC2) showSubnet(s types.Subnet) types.Subnet {
	cidr := netip.MustParsePrefix(*s.CidrBlock)
	used := 0
	for _, r := range e.interfaces.All() {
		if *r.Value.SubnetId == *s.SubnetId {
			used++
		}
	}
	s.AvailableIpAddressCount = aws.Int32(int32(1<<(32-cidr.Bits()) - reserved - used))
	return s
}

func (e *EC2) deleteSubnet(ctx context.Context, c *wire.Call, in *ec2.DeleteSubnetInput) (*ec2.DeleteSubnetOutput, error) {
	s, err := e.subnets.find(c.Region, in.SubnetId)
	if err != nil {
		return nil, err
	}
	if len(e.interfaces.of(c.Region, func(n networkInterface) bool { return *n.SubnetId == *s.SubnetId })) > 0 {
		return nil, inUse("The subnet '%s' has dependencies and cannot be deleted.", *s.SubnetId)
	}
	for _, t := range e.tables.of(c.Region, func(t types.RouteTable) bool { return *t.VpcId == *s.VpcId }) {
		t.Associations = slices.DeleteFunc(slices.Clone(t.Associations), func(a types.RouteTableAssociation) bool { return aws.ToString(a.SubnetId) == *s.SubnetId })
		if err := e.tables.put(ctx, c.Region, *t.RouteTableId, t); err != nil {
			return nil, err
		}
	}
	return &ec2.DeleteSubnetOutput{}, e.forget(ctx, e.subnets.Delete, *s.SubnetId)
}

func (e *EC2) describeSubnets(_ context.Context, c *wire.Call, in *ec2.DescribeSubnetsInput) (*ec2.DescribeSubnetsOutput, error) {
	list, next, err := describe(e, &e.subnets, c, question{in.SubnetIds, in.Filters, in.NextToken, in.MaxResults}, e.showSubnet)
	return &ec2.DescribeSubnetsOutput{Subnets: list, NextToken: next}, err
}

func (e *EC2) modifySubnetAttribute(ctx context.Context, c *wire.Call, in *ec2.ModifySubnetAttributeInput) (*ec2.ModifySubnetAttributeOutput, error) {
	s, err := e.subnets.find(c.Region, in.SubnetId)
	if err != nil {
		return nil, err
	}
	options := *s.PrivateDnsNameOptionsOnLaunch
	switch {
	case in.MapPublicIpOnLaunch != nil:
		s.MapPublicIpOnLaunch = in.MapPublicIpOnLaunch.Value
	case in.PrivateDnsHostnameTypeOnLaunch != "":
		options.HostnameType = in.PrivateDnsHostnameTypeOnLaunch
	case in.EnableResourceNameDnsARecordOnLaunch != nil:
		options.EnableResourceNameDnsARecord = in.EnableResourceNameDnsARecordOnLaunch.Value
	default:
		return nil, failure("UnsupportedOperation", "the simulator's subnets have no such attribute")
	}
	s.PrivateDnsNameOptionsOnLaunch = &options
	return &ec2.ModifySubnetAttributeOutput{}, e.subnets.put(ctx, c.Region, *s.SubnetId, s)
}
