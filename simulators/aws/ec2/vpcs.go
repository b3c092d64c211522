package ec2

import (
	"context"
	"net/netip"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/sockerless/sockerless/simulators/aws/wire"
)

// vpc is one with its attributes.
type vpc struct {
	types.Vpc
	DNSSupport, DNSHostnames, AddressMetrics bool
}

// zones are the letters of a region's availability zones.
var zones = []string{"a", "b", "c"}

const defaultCIDR = "172.31.0.0/16"

// begin gives a region what a new account has, at its first call.
func (e *EC2) begin(ctx context.Context, region string) error {
	if _, ok := e.regions.Get(region); ok {
		return nil
	}
	if _, err := e.makeDefaultVpc(ctx, region); err != nil {
		return err
	}
	return e.regions.Put(ctx, region, region)
}

// makeDefaultVpc makes the default VPC of a region with a subnet in each zone and a way out.
func (e *EC2) makeDefaultVpc(ctx context.Context, region string) (vpc, error) {
	v, err := e.makeVpc(ctx, region, defaultCIDR, true)
	if err != nil {
		return v, err
	}
	gateway := types.InternetGateway{InternetGatewayId: aws.String(newID("igw")), OwnerId: &e.config.Account,
		Attachments: []types.InternetGatewayAttachment{{VpcId: v.VpcId, State: types.AttachmentStatus("available")}}}
	if err := e.gateways.put(ctx, region, *gateway.InternetGatewayId, gateway); err != nil {
		return v, err
	}
	main := e.mainTable(region, *v.VpcId)
	main.Routes = append(main.Routes, types.Route{DestinationCidrBlock: aws.String("0.0.0.0/0"), GatewayId: gateway.InternetGatewayId, Origin: types.RouteOriginCreateRoute, State: types.RouteStateActive})
	if err := e.tables.put(ctx, region, *main.RouteTableId, main); err != nil {
		return v, err
	}
	for i, letter := range zones {
		cidr := netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 31, byte(16 * i), 0}), 20)
		s := e.newSubnet(region, v, cidr, region+letter)
		s.DefaultForAz, s.MapPublicIpOnLaunch = aws.Bool(true), aws.Bool(true)
		if err := e.subnets.put(ctx, region, *s.SubnetId, s); err != nil {
			return v, err
		}
	}
	return v, nil
}

// makeVpc makes a VPC with its main route table, its default security group and its default network ACL.
func (e *EC2) makeVpc(ctx context.Context, region, cidr string, isDefault bool) (vpc, error) {
	id := newID("vpc")
	v := vpc{DNSSupport: true, DNSHostnames: isDefault, Vpc: types.Vpc{
		VpcId: &id, CidrBlock: &cidr, DhcpOptionsId: aws.String("default"), InstanceTenancy: types.TenancyDefault, IsDefault: &isDefault, OwnerId: &e.config.Account,
		State: types.VpcStateAvailable, Ipv6CidrBlockAssociationSet: []types.VpcIpv6CidrBlockAssociation{},
		CidrBlockAssociationSet: []types.VpcCidrBlockAssociation{{AssociationId: aws.String(newID("vpc-cidr-assoc")), CidrBlock: &cidr,
			CidrBlockState: &types.VpcCidrBlockState{State: types.VpcCidrBlockStateCodeAssociated}}},
	}}
	if err := e.vpcs.put(ctx, region, id, v); err != nil {
		return v, err
	}
	table := e.newTable(v)
	table.Associations = []types.RouteTableAssociation{{
		Main: aws.Bool(true), RouteTableAssociationId: aws.String(newID("rtbassoc")), RouteTableId: table.RouteTableId,
		AssociationState: &types.RouteTableAssociationState{State: types.RouteTableAssociationStateCodeAssociated}}}
	if err := e.tables.put(ctx, region, *table.RouteTableId, table); err != nil {
		return v, err
	}
	acl := types.NetworkAcl{NetworkAclId: aws.String(newID("acl")), IsDefault: aws.Bool(true), OwnerId: &e.config.Account, VpcId: &id, Associations: []types.NetworkAclAssociation{}}
	for _, egress := range []bool{true, false} {
		for number, action := range map[int32]types.RuleAction{100: types.RuleActionAllow, 32767: types.RuleActionDeny} {
			acl.Entries = append(acl.Entries, types.NetworkAclEntry{
				CidrBlock: aws.String("0.0.0.0/0"), Egress: &egress, Protocol: aws.String("-1"), RuleAction: action, RuleNumber: &number})
		}
	}
	if err := e.acls.put(ctx, region, *acl.NetworkAclId, acl); err != nil {
		return v, err
	}
	_, err := e.makeGroup(ctx, region, id, "default", "default VPC security group")
	return v, err
}

// block reads the addresses of a VPC or a subnet.
func block(cidr *string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(aws.ToString(cidr))
	if err != nil || !p.Addr().Is4() {
		return p, failure("InvalidParameterValue", "Value (%s) for parameter cidrBlock is invalid. This is not a valid CIDR block.", aws.ToString(cidr))
	}
	return p.Masked(), nil
}

func (e *EC2) createVpc(ctx context.Context, c *wire.Call, in *ec2.CreateVpcInput) (*ec2.CreateVpcOutput, error) {
	switch {
	case in.CidrBlock == nil:
		return nil, missing("CidrBlock")
	case aws.ToBool(in.AmazonProvidedIpv6CidrBlock) || in.Ipv6CidrBlock != nil || in.Ipv4IpamPoolId != nil:
		return nil, failure("UnsupportedOperation", "the simulator's VPCs have IPv4 addresses that the caller chooses")
	}
	cidr, err := block(in.CidrBlock)
	if err != nil {
		return nil, err
	}
	if cidr.Bits() < 16 || cidr.Bits() > 28 {
		return nil, failure("InvalidVpc.Range", "The CIDR '%s' is invalid.", cidr)
	}
	v, err := e.makeVpc(ctx, c.Region, cidr.String(), false)
	if err != nil {
		return nil, err
	}
	if err := e.specified(ctx, *v.VpcId, in.TagSpecifications); err != nil {
		return nil, err
	}
	v.Tags = e.tagsOf(*v.VpcId)
	return &ec2.CreateVpcOutput{Vpc: &v.Vpc}, nil
}

func (e *EC2) createDefaultVpc(ctx context.Context, c *wire.Call, _ *ec2.CreateDefaultVpcInput) (*ec2.CreateDefaultVpcOutput, error) {
	if there := e.vpcs.of(c.Region, func(v vpc) bool { return aws.ToBool(v.IsDefault) }); len(there) > 0 {
		return nil, failure("DefaultVpcAlreadyExists", "A Default VPC already exists for this account in this region.")
	}
	v, err := e.makeDefaultVpc(ctx, c.Region)
	return &ec2.CreateDefaultVpcOutput{Vpc: &v.Vpc}, err
}

func (e *EC2) deleteVpc(ctx context.Context, c *wire.Call, in *ec2.DeleteVpcInput) (*ec2.DeleteVpcOutput, error) {
	v, err := e.vpcs.find(c.Region, in.VpcId)
	if err != nil {
		return nil, err
	}
	id := *v.VpcId
	subnets := e.subnets.of(c.Region, func(s types.Subnet) bool { return *s.VpcId == id })
	groups := e.groups.of(c.Region, func(g types.SecurityGroup) bool { return *g.VpcId == id })
	tables := e.tables.of(c.Region, func(t types.RouteTable) bool { return *t.VpcId == id })
	gateways := e.gateways.of(c.Region, func(g types.InternetGateway) bool { return attachedTo(g, id) })
	if len(subnets) > 0 || len(groups) > 1 || len(tables) > 1 || len(gateways) > 0 {
		return nil, inUse("The vpc '%s' has dependencies and cannot be deleted.", id)
	}
	if err := e.config.RemoveNetwork(ctx, id); err != nil {
		return nil, err
	}
	for _, g := range groups {
		if err := e.removeGroup(ctx, c.Region, *g.GroupId); err != nil {
			return nil, err
		}
	}
	for _, t := range tables {
		if err := e.forget(ctx, e.tables.Delete, *t.RouteTableId); err != nil {
			return nil, err
		}
	}
	for _, acl := range e.acls.of(c.Region, func(a types.NetworkAcl) bool { return *a.VpcId == id }) {
		if err := e.forget(ctx, e.acls.Delete, *acl.NetworkAclId); err != nil {
			return nil, err
		}
	}
	return &ec2.DeleteVpcOutput{}, e.forget(ctx, e.vpcs.Delete, id)
}

// forget removes something with its tags.
func (e *EC2) forget(ctx context.Context, remove func(context.Context, string) error, id string) error {
	if err := remove(ctx, id); err != nil {
		return err
	}
	return e.tags.Delete(ctx, id)
}

func (e *EC2) describeVpcs(_ context.Context, c *wire.Call, in *ec2.DescribeVpcsInput) (*ec2.DescribeVpcsOutput, error) {
	list, next, err := describe(e, &e.vpcs, c, question{in.VpcIds, in.Filters, in.NextToken, in.MaxResults}, func(v vpc) types.Vpc { return v.Vpc })
	return &ec2.DescribeVpcsOutput{Vpcs: list, NextToken: next}, err
}

func (e *EC2) describeVpcAttribute(_ context.Context, c *wire.Call, in *ec2.DescribeVpcAttributeInput) (*ec2.DescribeVpcAttributeOutput, error) {
	v, err := e.vpcs.find(c.Region, in.VpcId)
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeVpcAttributeOutput{VpcId: v.VpcId}
	value := func(b bool) *types.AttributeBooleanValue { return &types.AttributeBooleanValue{Value: &b} }
	switch in.Attribute {
	case types.VpcAttributeNameEnableDnsSupport:
		out.EnableDnsSupport = value(v.DNSSupport)
	case types.VpcAttributeNameEnableDnsHostnames:
		out.EnableDnsHostnames = value(v.DNSHostnames)
	case types.VpcAttributeNameEnableNetworkAddressUsageMetrics:
		out.EnableNetworkAddressUsageMetrics = value(v.AddressMetrics)
	default:
		return nil, failure("InvalidParameterValue", "Value (%s) for parameter attribute is invalid. Unknown attribute.", in.Attribute)
	}
	return out, nil
}

func (e *EC2) modifyVpcAttribute(ctx context.Context, c *wire.Call, in *ec2.ModifyVpcAttributeInput) (*ec2.ModifyVpcAttributeOutput, error) {
	v, err := e.vpcs.find(c.Region, in.VpcId)
	if err != nil {
		return nil, err
	}
	change(&v.DNSSupport, in.EnableDnsSupport)
	change(&v.DNSHostnames, in.EnableDnsHostnames)
	change(&v.AddressMetrics, in.EnableNetworkAddressUsageMetrics)
	return &ec2.ModifyVpcAttributeOutput{}, e.vpcs.put(ctx, c.Region, *v.VpcId, v)
}

func change(b *bool, to *types.AttributeBooleanValue) {
	if to != nil {
		*b = aws.ToBool(to.Value)
	}
}

func (e *EC2) describeNetworkAcls(_ context.Context, c *wire.Call, in *ec2.DescribeNetworkAclsInput) (*ec2.DescribeNetworkAclsOutput, error) {
	list, next, err := describe(e, &e.acls, c, question{in.NetworkAclIds, in.Filters, in.NextToken, in.MaxResults}, func(a types.NetworkAcl) types.NetworkAcl {
		for _, s := range e.subnets.of(c.Region, func(s types.Subnet) bool { return *s.VpcId == *a.VpcId }) {
			a.Associations = append(slices.Clip(a.Associations), types.NetworkAclAssociation{
				NetworkAclAssociationId: aws.String("aclassoc-" + (*s.SubnetId)[len("subnet-"):]), NetworkAclId: a.NetworkAclId, SubnetId: s.SubnetId})
		}
		return a
	})
	return &ec2.DescribeNetworkAclsOutput{NetworkAcls: list, NextToken: next}, err
}

func (e *EC2) describeZones(_ context.Context, c *wire.Call, in *ec2.DescribeAvailabilityZonesInput) (*ec2.DescribeAvailabilityZonesOutput, error) {
	var all []types.AvailabilityZone
	for i, letter := range zones {
		z := types.AvailabilityZone{
			GroupName: aws.String(c.Region + "-zg-1"), NetworkBorderGroup: &c.Region, OptInStatus: types.AvailabilityZoneOptInStatusOptInNotRequired, RegionName: &c.Region,
			State: types.AvailabilityZoneStateAvailable, ZoneName: aws.String(c.Region + letter), ZoneId: aws.String(zoneID(c.Region, i)), ZoneType: aws.String("availability-zone")}
		asked := len(in.ZoneNames) == 0 && len(in.ZoneIds) == 0 || slices.Contains(in.ZoneNames, *z.ZoneName) || slices.Contains(in.ZoneIds, *z.ZoneId)
		if asked {
			all = append(all, z)
		}
	}
	for _, name := range in.ZoneNames {
		if !slices.ContainsFunc(all, func(z types.AvailabilityZone) bool { return *z.ZoneName == name }) {
			return nil, failure("InvalidParameterValue", "Invalid availability zone: [%s]", name)
		}
	}
	list, _, err := answer(all, question{filters: in.Filters})
	return &ec2.DescribeAvailabilityZonesOutput{AvailabilityZones: list}, err
}

func (e *EC2) describeRegions(_ context.Context, c *wire.Call, in *ec2.DescribeRegionsInput) (*ec2.DescribeRegionsOutput, error) {
	var all []types.Region
	for _, name := range e.regions.All() {
		if len(in.RegionNames) == 0 || slices.Contains(in.RegionNames, name) {
			all = append(all, types.Region{RegionName: &name, Endpoint: aws.String("ec2." + name + ".amazonaws.com"), OptInStatus: aws.String("opt-in-not-required")})
		}
	}
	list, _, err := answer(all, question{filters: in.Filters})
	return &ec2.DescribeRegionsOutput{Regions: list}, err
}

func (e *EC2) describeAccountAttributes(_ context.Context, c *wire.Call, in *ec2.DescribeAccountAttributesInput) (*ec2.DescribeAccountAttributesOutput, error) {
	id := "none"
	for _, v := range e.vpcs.of(c.Region, func(v vpc) bool { return aws.ToBool(v.IsDefault) }) {
		id = *v.VpcId
	}
	out := &ec2.DescribeAccountAttributesOutput{AccountAttributes: []types.AccountAttribute{}}
	for _, a := range [][2]string{{"supported-platforms", "VPC"}, {"default-vpc", id}} {
		if len(in.AttributeNames) == 0 || slices.Contains(in.AttributeNames, types.AccountAttributeName(a[0])) {
			out.AccountAttributes = append(out.AccountAttributes, types.AccountAttribute{
				AttributeName: aws.String(a[0]), AttributeValues: []types.AccountAttributeValue{{AttributeValue: aws.String(a[1])}}})
		}
	}
	return out, nil
}
