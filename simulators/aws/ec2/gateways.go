package ec2

import (
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/sockerless/sockerless/simulators/aws/wire"
)

func attachedTo(g types.InternetGateway, vpc string) bool {
	return slices.ContainsFunc(g.Attachments, func(a types.InternetGatewayAttachment) bool { return aws.ToString(a.VpcId) == vpc })
}

func (e *EC2) createInternetGateway(ctx context.Context, c *wire.Call, in *ec2.CreateInternetGatewayInput) (*ec2.CreateInternetGatewayOutput, error) {
	g := types.InternetGateway{InternetGatewayId: aws.String(newID("igw")), OwnerId: &e.config.Account, Attachments: []types.InternetGatewayAttachment{}}
	if err := e.gateways.put(ctx, c.Region, *g.InternetGatewayId, g); err != nil {
		return nil, err
	}
	if err := e.specified(ctx, *g.InternetGatewayId, in.TagSpecifications); err != nil {
		return nil, err
	}
	g.Tags = e.tagsOf(*g.InternetGatewayId)
	return &ec2.CreateInternetGatewayOutput{InternetGateway: &g}, nil
}

func (e *EC2) deleteInternetGateway(ctx context.Context, c *wire.Call, in *ec2.DeleteInternetGatewayInput) (*ec2.DeleteInternetGatewayOutput, error) {
	g, err := e.gateways.find(c.Region, in.InternetGatewayId)
	if err != nil {
		return nil, err
	}
	if len(g.Attachments) > 0 {
		return nil, inUse("The internetGateway '%s' has dependencies and cannot be deleted.", *g.InternetGatewayId)
	}
	return &ec2.DeleteInternetGatewayOutput{}, e.forget(ctx, e.gateways.Delete, *g.InternetGatewayId)
}

func (e *EC2) describeInternetGateways(_ context.Context, c *wire.Call, in *ec2.DescribeInternetGatewaysInput) (*ec2.DescribeInternetGatewaysOutput, error) {
	list, next, err := describe(e, &e.gateways, c, question{in.InternetGatewayIds, in.Filters, in.NextToken, in.MaxResults}, same)
	return &ec2.DescribeInternetGatewaysOutput{InternetGateways: list, NextToken: next}, err
}

func (e *EC2) attachInternetGateway(ctx context.Context, c *wire.Call, in *ec2.AttachInternetGatewayInput) (*ec2.AttachInternetGatewayOutput, error) {
	g, err := e.gateways.find(c.Region, in.InternetGatewayId)
	if err != nil {
		return nil, err
	}
	v, err := e.vpcs.find(c.Region, in.VpcId)
	if err != nil {
		return nil, err
	}
	if len(g.Attachments) > 0 {
		return nil, failure("Resource.AlreadyAssociated", "resource %s is already attached to network %s", *g.InternetGatewayId, *g.Attachments[0].VpcId)
	}
	if len(e.gateways.of(c.Region, func(g types.InternetGateway) bool { return attachedTo(g, *v.VpcId) })) > 0 {
		return nil, failure("InvalidParameterValue", "Network %s already has an internet gateway attached", *v.VpcId)
	}
	g.Attachments = []types.InternetGatewayAttachment{{VpcId: v.VpcId, State: types.AttachmentStatus("available")}}
	return &ec2.AttachInternetGatewayOutput{}, e.gateways.put(ctx, c.Region, *g.InternetGatewayId, g)
}

func (e *EC2) detachInternetGateway(ctx context.Context, c *wire.Call, in *ec2.DetachInternetGatewayInput) (*ec2.DetachInternetGatewayOutput, error) {
	g, err := e.gateways.find(c.Region, in.InternetGatewayId)
	if err != nil {
		return nil, err
	}
	vpc := aws.ToString(in.VpcId)
	if !attachedTo(g, vpc) {
		return nil, failure("Gateway.NotAttached", "resource %s is not attached to network %s", *g.InternetGatewayId, vpc)
	}
	public := e.interfaces.of(c.Region, func(n networkInterface) bool { return *n.VpcId == vpc && n.Association != nil })
	if len(public) > 0 {
		return nil, inUse("Network %s has some mapped public address(es). Please unmap those public address(es) before detaching the gateway.", vpc)
	}
	g.Attachments = []types.InternetGatewayAttachment{}
	return &ec2.DetachInternetGatewayOutput{}, e.gateways.put(ctx, c.Region, *g.InternetGatewayId, g)
}

func (e *EC2) allocateAddress(ctx context.Context, c *wire.Call, in *ec2.AllocateAddressInput) (*ec2.AllocateAddressOutput, error) {
	a := types.Address{AllocationId: aws.String(newID("eipalloc")), Domain: types.DomainTypeVpc, NetworkBorderGroup: &c.Region, PublicIpv4Pool: aws.String("amazon"),
		PublicIp: aws.String(e.publicAddress())}
	if err := e.addresses.put(ctx, c.Region, *a.AllocationId, a); err != nil {
		return nil, err
	}
	if err := e.specified(ctx, *a.AllocationId, in.TagSpecifications); err != nil {
		return nil, err
	}
	return &ec2.AllocateAddressOutput{AllocationId: a.AllocationId, Domain: a.Domain, NetworkBorderGroup: a.NetworkBorderGroup, PublicIp: a.PublicIp, PublicIpv4Pool: a.PublicIpv4Pool}, nil
}

// publicAddress is a free one of the network for benchmarks, RFC 2544, which leads to nobody.
func (e *EC2) publicAddress() string {
	taken := map[string]bool{}
	for _, r := range e.addresses.All() {
		taken[*r.Value.PublicIp] = true
	}
	for _, r := range e.interfaces.All() {
		if r.Value.Association != nil {
			taken[*r.Value.Association.PublicIp] = true
		}
	}
	for n := 1; ; n++ {
		if address := fmt.Sprintf("198.%d.%d.%d", 18+n>>16, n>>8&255, n&255); !taken[address] {
			return address
		}
	}
}

func (e *EC2) releaseAddress(ctx context.Context, c *wire.Call, in *ec2.ReleaseAddressInput) (*ec2.ReleaseAddressOutput, error) {
	a, err := e.addresses.find(c.Region, in.AllocationId)
	if err != nil {
		return nil, err
	}
	if a.AssociationId != nil {
		return nil, failure("InvalidIPAddress.InUse", "Address %s is in use.", *a.PublicIp)
	}
	return &ec2.ReleaseAddressOutput{}, e.forget(ctx, e.addresses.Delete, *a.AllocationId)
}

func (e *EC2) describeAddresses(_ context.Context, c *wire.Call, in *ec2.DescribeAddressesInput) (*ec2.DescribeAddressesOutput, error) {
	filters := in.Filters
	if len(in.PublicIps) > 0 {
		filters = append(slices.Clone(filters), types.Filter{Name: aws.String("public-ip"), Values: in.PublicIps})
	}
	list, _, err := describe(e, &e.addresses, c, question{ids: in.AllocationIds, filters: filters}, same)
	return &ec2.DescribeAddressesOutput{Addresses: list}, err
}

func (e *EC2) describeAddressesAttribute(_ context.Context, c *wire.Call, in *ec2.DescribeAddressesAttributeInput) (*ec2.DescribeAddressesAttributeOutput, error) {
	list, next, err := describe(e, &e.addresses, c, question{in.AllocationIds, nil, in.NextToken, in.MaxResults}, func(a types.Address) types.AddressAttribute {
		return types.AddressAttribute{AllocationId: a.AllocationId, PublicIp: a.PublicIp}
	})
	return &ec2.DescribeAddressesAttributeOutput{Addresses: list, NextToken: next}, err
}

func (e *EC2) createNatGateway(ctx context.Context, c *wire.Call, in *ec2.CreateNatGatewayInput) (*ec2.CreateNatGatewayOutput, error) {
	s, err := e.subnets.find(c.Region, in.SubnetId)
	if err != nil {
		return nil, err
	}
	kind := in.ConnectivityType
	if kind == "" {
		kind = types.ConnectivityTypePublic
	}
	var a types.Address
	if kind == types.ConnectivityTypePublic {
		if in.AllocationId == nil {
			return nil, missing("AllocationId")
		}
		if a, err = e.addresses.find(c.Region, in.AllocationId); err != nil {
			return nil, err
		}
	}
	id, err := e.once(ctx, c, in.ClientToken, func() (string, error) {
		if a.AssociationId != nil {
			return "", failure("Resource.AlreadyAssociated", "Elastic IP address [%s] is already associated", *a.AllocationId)
		}
		n := types.NatGateway{NatGatewayId: aws.String(newID("nat")), SubnetId: s.SubnetId, VpcId: s.VpcId, ConnectivityType: kind, CreateTime: aws.Time(e.config.Now()),
			State: types.NatGatewayStateAvailable, AvailabilityMode: types.AvailabilityModeZonal}
		i, err := e.makeInterface(ctx, c.Region, s, nil, interfaceOptions{description: "Interface for NAT Gateway " + *n.NatGatewayId, kind: types.NetworkInterfaceTypeNatGateway, owner: *n.NatGatewayId})
		if err != nil {
			return "", err
		}
		address := types.NatGatewayAddress{NetworkInterfaceId: i.NetworkInterfaceId, PrivateIp: i.PrivateIpAddress, IsPrimary: aws.Bool(true), Status: types.NatGatewayAddressStatusSucceeded}
		if a.AllocationId != nil {
			a.AssociationId, a.NetworkInterfaceId, a.PrivateIpAddress = aws.String(newID("eipassoc")), i.NetworkInterfaceId, i.PrivateIpAddress
			if err := e.addresses.put(ctx, c.Region, *a.AllocationId, a); err != nil {
				return "", err
			}
			address.AllocationId, address.AssociationId, address.PublicIp = a.AllocationId, a.AssociationId, a.PublicIp
		}
		n.NatGatewayAddresses = []types.NatGatewayAddress{address}
		if err := e.nats.put(ctx, c.Region, *n.NatGatewayId, n); err != nil {
			return "", err
		}
		return *n.NatGatewayId, e.specified(ctx, *n.NatGatewayId, in.TagSpecifications)
	})
	if err != nil {
		return nil, err
	}
	n, err := e.nats.find(c.Region, &id)
	n.Tags = e.tagsOf(id)
	return &ec2.CreateNatGatewayOutput{NatGateway: &n, ClientToken: in.ClientToken}, err
}

// deleteNatGateway leaves a record that it was there, as EC2 does for an hour.
func (e *EC2) deleteNatGateway(ctx context.Context, c *wire.Call, in *ec2.DeleteNatGatewayInput) (*ec2.DeleteNatGatewayOutput, error) {
	n, err := e.nats.find(c.Region, in.NatGatewayId)
	if err != nil || n.State == types.NatGatewayStateDeleted {
		return &ec2.DeleteNatGatewayOutput{NatGatewayId: in.NatGatewayId}, err
	}
	for _, address := range n.NatGatewayAddresses {
		if err := e.forget(ctx, e.interfaces.Delete, *address.NetworkInterfaceId); err != nil {
			return nil, err
		}
		if a, err := e.addresses.find(c.Region, address.AllocationId); err == nil {
			a.AssociationId, a.NetworkInterfaceId, a.PrivateIpAddress = nil, nil, nil
			if err := e.addresses.put(ctx, c.Region, *a.AllocationId, a); err != nil {
				return nil, err
			}
		}
	}
	n.State, n.DeleteTime = types.NatGatewayStateDeleted, aws.Time(e.config.Now())
	return &ec2.DeleteNatGatewayOutput{NatGatewayId: n.NatGatewayId}, e.nats.put(ctx, c.Region, *n.NatGatewayId, n)
}

func (e *EC2) describeNatGateways(_ context.Context, c *wire.Call, in *ec2.DescribeNatGatewaysInput) (*ec2.DescribeNatGatewaysOutput, error) {
	list, next, err := describe(e, &e.nats, c, question{in.NatGatewayIds, in.Filter, in.NextToken, in.MaxResults}, same)
	return &ec2.DescribeNatGatewaysOutput{NatGateways: list, NextToken: next}, err
}
