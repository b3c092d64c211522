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

// newTable is a route table that leads to the VPC itself.
func (e *EC2) newTable(v vpc) types.RouteTable {
	return types.RouteTable{RouteTableId: aws.String(newID("rtb")), VpcId: v.VpcId, OwnerId: &e.config.Account, Associations: []types.RouteTableAssociation{}, PropagatingVgws: []types.PropagatingVgw{},
		Routes: []types.Route{{DestinationCidrBlock: v.CidrBlock, GatewayId: aws.String("local"), Origin: types.RouteOriginCreateRouteTable, State: types.RouteStateActive}}}
}

func isMain(a types.RouteTableAssociation) bool { return aws.ToBool(a.Main) }

// mainTable is the one of the subnets that have no other.
func (e *EC2) mainTable(region, vpc string) (main types.RouteTable) {
	for _, t := range e.tables.of(region, func(t types.RouteTable) bool { return *t.VpcId == vpc && slices.ContainsFunc(t.Associations, isMain) }) {
		main = t
	}
	return main
}

// tableOf is the route table of a subnet.
func (e *EC2) tableOf(region, vpc, subnet string) types.RouteTable {
	for _, t := range e.tables.of(region, func(t types.RouteTable) bool {
		return slices.ContainsFunc(t.Associations, func(a types.RouteTableAssociation) bool { return aws.ToString(a.SubnetId) == subnet })
	}) {
		return t
	}
	return e.mainTable(region, vpc)
}

func (e *EC2) createRouteTable(ctx context.Context, c *wire.Call, in *ec2.CreateRouteTableInput) (*ec2.CreateRouteTableOutput, error) {
	v, err := e.vpcs.find(c.Region, in.VpcId)
	if err != nil {
		return nil, err
	}
	id, err := e.once(ctx, c, in.ClientToken, func() (string, error) {
		t := e.newTable(v)
		if err := e.tables.put(ctx, c.Region, *t.RouteTableId, t); err != nil {
			return "", err
		}
		return *t.RouteTableId, e.specified(ctx, *t.RouteTableId, in.TagSpecifications)
	})
	if err != nil {
		return nil, err
	}
	t, err := e.tables.find(c.Region, &id)
	t.Tags = e.tagsOf(id)
	return &ec2.CreateRouteTableOutput{RouteTable: &t, ClientToken: in.ClientToken}, err
}

func (e *EC2) deleteRouteTable(ctx context.Context, c *wire.Call, in *ec2.DeleteRouteTableInput) (*ec2.DeleteRouteTableOutput, error) {
	t, err := e.tables.find(c.Region, in.RouteTableId)
	if err != nil {
		return nil, err
	}
	if len(t.Associations) > 0 {
		return nil, inUse("The routeTable '%s' has dependencies and cannot be deleted.", *t.RouteTableId)
	}
	return &ec2.DeleteRouteTableOutput{}, e.forget(ctx, e.tables.Delete, *t.RouteTableId)
}

func (e *EC2) describeRouteTables(_ context.Context, c *wire.Call, in *ec2.DescribeRouteTablesInput) (*ec2.DescribeRouteTablesOutput, error) {
	list, next, err := describe(e, &e.tables, c, question{in.RouteTableIds, in.Filters, in.NextToken, in.MaxResults}, func(t types.RouteTable) types.RouteTable {
		t.Routes = slices.Clone(t.Routes)
		for i, r := range t.Routes {
			if !e.leads(c.Region, *t.VpcId, r) {
				t.Routes[i].State = types.RouteStateBlackhole
			}
		}
		return t
	})
	return &ec2.DescribeRouteTablesOutput{RouteTables: list, NextToken: next}, err
}

// leads tells whether what a route leads to is there.
func (e *EC2) leads(region, vpc string, r types.Route) bool {
	switch {
	case r.NatGatewayId != nil:
		n, err := e.nats.find(region, r.NatGatewayId)
		return err == nil && n.State == types.NatGatewayStateAvailable
	case aws.ToString(r.GatewayId) == "local":
		return true
	case r.GatewayId != nil:
		g, err := e.gateways.find(region, r.GatewayId)
		return err == nil && attachedTo(g, vpc)
	}
	_, err := e.interfaces.find(region, r.NetworkInterfaceId)
	return err == nil
}

// route makes a route of what a request has.
func (e *EC2) route(region string, t types.RouteTable, r types.Route) (types.Route, error) {
	r.Origin, r.State = types.RouteOriginCreateRoute, types.RouteStateActive
	if r.DestinationCidrBlock == nil {
		return r, failure("UnsupportedOperation", "the simulator's routes are for IPv4 addresses: DestinationCidrBlock")
	}
	to, err := netip.ParsePrefix(*r.DestinationCidrBlock)
	if err != nil || !to.Addr().Is4() {
		return r, failure("InvalidParameterValue", "Value (%s) for parameter destinationCidrBlock is invalid. This is not a valid CIDR block.", *r.DestinationCidrBlock)
	}
	r.DestinationCidrBlock = aws.String(to.Masked().String())
	switch {
	case r.GatewayId != nil:
		g, err := e.gateways.find(region, r.GatewayId)
		if err == nil && !attachedTo(g, *t.VpcId) {
			err = failure("InvalidParameterValue", "route table %s and network gateway %s belong to different networks", *t.RouteTableId, *r.GatewayId)
		}
		return r, err
	case r.NatGatewayId != nil:
		_, err := e.nats.find(region, r.NatGatewayId)
		return r, err
	}
	return r, failure("UnsupportedOperation", "the simulator's routes lead to internet gateways and NAT gateways")
}

func to(cidr *string) func(types.Route) bool {
	return func(r types.Route) bool { return aws.ToString(r.DestinationCidrBlock) == aws.ToString(cidr) }
}

func (e *EC2) createRoute(ctx context.Context, c *wire.Call, in *ec2.CreateRouteInput) (*ec2.CreateRouteOutput, error) {
	t, err := e.tables.find(c.Region, in.RouteTableId)
	if err != nil {
		return nil, err
	}
	r, err := e.route(c.Region, t, types.Route{DestinationCidrBlock: in.DestinationCidrBlock, GatewayId: in.GatewayId, NatGatewayId: in.NatGatewayId})
	if err != nil {
		return nil, err
	}
	if at := slices.IndexFunc(t.Routes, to(r.DestinationCidrBlock)); at >= 0 {
		if equal(t.Routes[at].GatewayId, r.GatewayId) && equal(t.Routes[at].NatGatewayId, r.NatGatewayId) {
			return &ec2.CreateRouteOutput{Return: aws.Bool(true)}, nil
		}
		return nil, failure("RouteAlreadyExists", "The route identified by %s already exists.", *r.DestinationCidrBlock)
	}
	t.Routes = append(slices.Clip(t.Routes), r)
	return &ec2.CreateRouteOutput{Return: aws.Bool(true)}, e.tables.put(ctx, c.Region, *t.RouteTableId, t)
}

func (e *EC2) replaceRoute(ctx context.Context, c *wire.Call, in *ec2.ReplaceRouteInput) (*ec2.ReplaceRouteOutput, error) {
	t, err := e.tables.find(c.Region, in.RouteTableId)
	if err != nil {
		return nil, err
	}
	r, err := e.route(c.Region, t, types.Route{DestinationCidrBlock: in.DestinationCidrBlock, GatewayId: in.GatewayId, NatGatewayId: in.NatGatewayId})
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(t.Routes, to(r.DestinationCidrBlock))
	if at < 0 {
		return nil, noRoute(in.DestinationCidrBlock, t)
	}
	t.Routes = slices.Clone(t.Routes)
	t.Routes[at] = r
	return &ec2.ReplaceRouteOutput{}, e.tables.put(ctx, c.Region, *t.RouteTableId, t)
}

func noRoute(cidr *string, t types.RouteTable) error {
	return failure("InvalidRoute.NotFound", "no route with destination-cidr-block %s in route table %s", aws.ToString(cidr), *t.RouteTableId)
}

func (e *EC2) deleteRoute(ctx context.Context, c *wire.Call, in *ec2.DeleteRouteInput) (*ec2.DeleteRouteOutput, error) {
	t, err := e.tables.find(c.Region, in.RouteTableId)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(t.Routes, to(in.DestinationCidrBlock))
	switch {
	case at < 0:
		return nil, noRoute(in.DestinationCidrBlock, t)
	case aws.ToString(t.Routes[at].GatewayId) == "local":
		return nil, failure("InvalidParameterValue", "cannot remove local route %s in route table %s", aws.ToString(in.DestinationCidrBlock), *t.RouteTableId)
	}
	t.Routes = slices.Delete(slices.Clone(t.Routes), at, at+1)
	return &ec2.DeleteRouteOutput{}, e.tables.put(ctx, c.Region, *t.RouteTableId, t)
}

func (e *EC2) associateRouteTable(ctx context.Context, c *wire.Call, in *ec2.AssociateRouteTableInput) (*ec2.AssociateRouteTableOutput, error) {
	t, err := e.tables.find(c.Region, in.RouteTableId)
	if err != nil {
		return nil, err
	}
	s, err := e.subnets.find(c.Region, in.SubnetId)
	if err != nil {
		return nil, err
	}
	if *s.VpcId != *t.VpcId {
		return nil, failure("InvalidParameterValue", "route table %s and subnet %s belong to different networks", *t.RouteTableId, *s.SubnetId)
	}
	if now := e.tableOf(c.Region, *s.VpcId, *s.SubnetId); slices.ContainsFunc(now.Associations, func(a types.RouteTableAssociation) bool { return equal(a.SubnetId, s.SubnetId) }) {
		return nil, failure("Resource.AlreadyAssociated", "the specified association for route table %s conflicts with an existing association", *now.RouteTableId)
	}
	id := newID("rtbassoc")
	return &ec2.AssociateRouteTableOutput{AssociationId: &id, AssociationState: associated()}, e.associate(ctx, c.Region, t, types.RouteTableAssociation{SubnetId: s.SubnetId, Main: aws.Bool(false)}, id)
}

func associated() *types.RouteTableAssociationState {
	return &types.RouteTableAssociationState{State: types.RouteTableAssociationStateCodeAssociated}
}

func (e *EC2) associate(ctx context.Context, region string, t types.RouteTable, a types.RouteTableAssociation, id string) error {
	a.RouteTableAssociationId, a.RouteTableId, a.AssociationState = &id, t.RouteTableId, associated()
	t.Associations = append(slices.Clip(t.Associations), a)
	return e.tables.put(ctx, region, *t.RouteTableId, t)
}

// unassociate takes an association from its table.
func (e *EC2) unassociate(ctx context.Context, region string, id *string, replaced bool) (types.RouteTableAssociation, error) {
	is := func(a types.RouteTableAssociation) bool { return equal(a.RouteTableAssociationId, id) }
	tables := e.tables.of(region, func(t types.RouteTable) bool { return slices.ContainsFunc(t.Associations, is) })
	if len(tables) == 0 {
		return types.RouteTableAssociation{}, failure("InvalidAssociationID.NotFound", "The association ID '%s' does not exist", aws.ToString(id))
	}
	t := tables[0]
	a := t.Associations[slices.IndexFunc(t.Associations, is)]
	if isMain(a) && !replaced {
		return a, failure("InvalidParameterValue", "cannot disassociate the main route table association %s", *id)
	}
	t.Associations = slices.DeleteFunc(slices.Clone(t.Associations), is)
	return a, e.tables.put(ctx, region, *t.RouteTableId, t)
}

func (e *EC2) disassociateRouteTable(ctx context.Context, c *wire.Call, in *ec2.DisassociateRouteTableInput) (*ec2.DisassociateRouteTableOutput, error) {
	_, err := e.unassociate(ctx, c.Region, in.AssociationId, false)
	return &ec2.DisassociateRouteTableOutput{}, err
}

func (e *EC2) replaceRouteTableAssociation(ctx context.Context, c *wire.Call, in *ec2.ReplaceRouteTableAssociationInput) (*ec2.ReplaceRouteTableAssociationOutput, error) {
	if _, err := e.tables.find(c.Region, in.RouteTableId); err != nil {
		return nil, err
	}
	a, err := e.unassociate(ctx, c.Region, in.AssociationId, true)
	if err != nil {
		return nil, err
	}
	t, err := e.tables.find(c.Region, in.RouteTableId) // as it is without the association
	if err != nil {
		return nil, err
	}
	id := newID("rtbassoc")
	return &ec2.ReplaceRouteTableAssociationOutput{NewAssociationId: &id, AssociationState: associated()}, e.associate(ctx, c.Region, t, a, id)
}
