package ec2

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/sockerless/sockerless/simulators/aws/wire"
	"github.com/sockerless/sockerless/simulators/internal/table"
	"github.com/sockerless/sockerless/store/state"
)

// Config is what the service stands on.
type Config struct {
	Account string
	State   state.Store
	Now     func() time.Time
	// Network makes a network of the machine, unless it is there, that may have addresses of others; RemoveNetwork removes one, if it
	// is there.
	Network       func(ctx context.Context, name, cidr string) error
	RemoveNetwork func(ctx context.Context, name string) error
}

// EC2 is the service.
type EC2 struct {
	config     Config
	mu         sync.Mutex // of whoever changes something
	regions    *table.Table[string]
	tags       *table.Table[map[string]string] // by the id of what has them
	tokens     *table.Table[string]            // id of what was made with a client's token
	vpcs       kind[vpc]
	subnets    kind[types.Subnet]
	groups     kind[types.SecurityGroup]
	rules      kind[types.SecurityGroupRule]
	tables     kind[types.RouteTable]
	gateways   kind[types.InternetGateway]
	nats       kind[types.NatGateway]
	addresses  kind[types.Address]
	interfaces kind[networkInterface]
	acls       kind[types.NetworkAcl]
}

// Open finds the networks of an earlier simulator.
func Open(config Config) (*EC2, error) {
	e := &EC2{config: config}
	var err error
	if e.regions, err = table.Open[string](config.State, "ec2/region/"); err != nil {
		return nil, err
	}
	if e.tags, err = table.Open[map[string]string](config.State, "ec2/tags/"); err != nil {
		return nil, err
	}
	if e.tokens, err = table.Open[string](config.State, "ec2/token/"); err != nil {
		return nil, err
	}
	for _, open := range []func() error{
		func() error { return e.vpcs.open(config.State, "vpc", "InvalidVpcID.NotFound") },
		func() error { return e.subnets.open(config.State, "subnet", "InvalidSubnetID.NotFound") },
		func() error { return e.groups.open(config.State, "security group", "InvalidGroup.NotFound") },
		func() error {
			return e.rules.open(config.State, "security group rule", "InvalidSecurityGroupRuleId.NotFound")
		},
		func() error { return e.tables.open(config.State, "routeTable", "InvalidRouteTableID.NotFound") },
		func() error {
			return e.gateways.open(config.State, "internetGateway", "InvalidInternetGatewayID.NotFound")
		},
		func() error { return e.nats.open(config.State, "natGateway", "NatGatewayNotFound") },
		func() error { return e.addresses.open(config.State, "allocation", "InvalidAllocationID.NotFound") },
		func() error {
			return e.interfaces.open(config.State, "networkInterface", "InvalidNetworkInterfaceID.NotFound")
		},
		func() error { return e.acls.open(config.State, "networkAcl", "InvalidNetworkAclID.NotFound") },
	} {
		if err := open(); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// op is an operation of a region that has what a new account has.
func op[In, Out any](e *EC2, f func(ctx context.Context, c *wire.Call, in *In) (Out, error)) wire.Operation {
	return wire.Op(func(ctx context.Context, c *wire.Call, in *In) (out Out, err error) {
		e.mu.Lock()
		defer e.mu.Unlock()
		if err := e.begin(ctx, c.Region); err != nil {
			return out, err
		}
		return f(ctx, c, in)
	})
}

// Service is what it can do.
func (e *EC2) Service() *wire.Service {
	operations := map[string]wire.Operation{
		"DescribeAvailabilityZones": op(e, e.describeZones), "DescribeRegions": op(e, e.describeRegions), "DescribeAccountAttributes": op(e, e.describeAccountAttributes),
		"CreateTags": op(e, e.createTags), "DeleteTags": op(e, e.deleteTags), "DescribeTags": op(e, e.describeTags),

		"CreateVpc": op(e, e.createVpc), "CreateDefaultVpc": op(e, e.createDefaultVpc), "DeleteVpc": op(e, e.deleteVpc), "DescribeVpcs": op(e, e.describeVpcs),
		"DescribeVpcAttribute": op(e, e.describeVpcAttribute), "ModifyVpcAttribute": op(e, e.modifyVpcAttribute), "DescribeNetworkAcls": op(e, e.describeNetworkAcls),
		"CreateSubnet": op(e, e.createSubnet), "DeleteSubnet": op(e, e.deleteSubnet), "DescribeSubnets": op(e, e.describeSubnets), "ModifySubnetAttribute": op(e, e.modifySubnetAttribute),

		"CreateSecurityGroup": op(e, e.createSecurityGroup), "DeleteSecurityGroup": op(e, e.deleteSecurityGroup), "DescribeSecurityGroups": op(e, e.describeSecurityGroups),
		"AuthorizeSecurityGroupIngress": op(e, e.authorizeIngress), "AuthorizeSecurityGroupEgress": op(e, e.authorizeEgress),
		"RevokeSecurityGroupIngress": op(e, e.revokeIngress), "RevokeSecurityGroupEgress": op(e, e.revokeEgress), "DescribeSecurityGroupRules": op(e, e.describeSecurityGroupRules),

		"CreateRouteTable": op(e, e.createRouteTable), "DeleteRouteTable": op(e, e.deleteRouteTable), "DescribeRouteTables": op(e, e.describeRouteTables),
		"CreateRoute": op(e, e.createRoute), "ReplaceRoute": op(e, e.replaceRoute), "DeleteRoute": op(e, e.deleteRoute),
		"AssociateRouteTable": op(e, e.associateRouteTable), "DisassociateRouteTable": op(e, e.disassociateRouteTable), "ReplaceRouteTableAssociation": op(e, e.replaceRouteTableAssociation),

		"CreateInternetGateway": op(e, e.createInternetGateway), "DeleteInternetGateway": op(e, e.deleteInternetGateway), "DescribeInternetGateways": op(e, e.describeInternetGateways),
		"AttachInternetGateway": op(e, e.attachInternetGateway), "DetachInternetGateway": op(e, e.detachInternetGateway),
		"CreateNatGateway": op(e, e.createNatGateway), "DeleteNatGateway": op(e, e.deleteNatGateway), "DescribeNatGateways": op(e, e.describeNatGateways),
		"AllocateAddress": op(e, e.allocateAddress), "ReleaseAddress": op(e, e.releaseAddress), "DescribeAddresses": op(e, e.describeAddresses),
		"DescribeAddressesAttribute": op(e, e.describeAddressesAttribute),

		"CreateNetworkInterface": op(e, e.createNetworkInterface), "DeleteNetworkInterface": op(e, e.deleteNetworkInterface),
		"DescribeNetworkInterfaces": op(e, e.describeNetworkInterfaces), "ModifyNetworkInterfaceAttribute": op(e, e.modifyNetworkInterfaceAttribute),
	}
	return &wire.Service{Name: "ec2", Protocol: wire.EC2(), Operations: operations}
}

// newID is an id as EC2 makes them: "vpc-0123456789abcdef0".
func newID(prefix string) string {
	var random [9]byte
	_, _ = rand.Read(random[:]) // never fails
	return prefix + "-" + hex.EncodeToString(random[:])[:17]
}

func (e *EC2) arn(region, kind, id string) *string {
	return aws.String(fmt.Sprintf("arn:aws:ec2:%s:%s:%s/%s", region, e.config.Account, kind, id))
}

func failure(code, format string, args ...any) error {
	return &wire.Error{Status: http.StatusBadRequest, Code: code, Message: fmt.Sprintf(format, args...)}
}

func inUse(format string, args ...any) error { return failure("DependencyViolation", format, args...) }

func missing(parameter string) error {
	return failure("MissingParameter", "The request must contain the parameter %s", parameter)
}

// once makes something with a client's token, or finds what was made with it.
func (e *EC2) once(ctx context.Context, c *wire.Call, token *string, create func() (id string, err error)) (string, error) {
	name := c.Operation + "/" + c.Region + "/" + aws.ToString(token)
	if id, ok := e.tokens.Get(name); ok && token != nil {
		return id, nil
	}
	id, err := create()
	if err != nil || token == nil {
		return id, err
	}
	return id, e.tokens.Put(ctx, name, id)
}
