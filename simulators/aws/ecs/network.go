package ecs

import (
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/moby/moby/api/types/network"

	"github.com/sockerless/sockerless/simulators/aws/ec2"
)

// Network gives tasks their interfaces in subnets.
type Network interface {
	// Check tells why a task cannot be asked for with these subnets and groups.
	Check(ctx context.Context, a ec2.Attachment) error
	// Attach gives a task an interface in one of the subnets, or finds the one that it has. The error is why the task does not start.
	Attach(ctx context.Context, a ec2.Attachment) (ec2.Interface, error)
	// Detach takes a task's interface away; one that is not there is no error.
	Detach(ctx context.Context, region, task string) error
}

// attachment is what a task's network is to be, for EC2.
func attachment(region, task string, in types.AwsVpcConfiguration) ec2.Attachment {
	return ec2.Attachment{Region: region, Owner: task, Subnets: in.Subnets, Groups: in.SecurityGroups, Public: in.AssignPublicIp == types.AssignPublicIpEnabled}
}

// networking is how the machine gives a container its task's interface.
func networking(i ec2.Interface) (*network.NetworkingConfig, error) {
	address, err := netip.ParseAddr(i.Address)
	if err != nil {
		return nil, err
	}
	mac, err := net.ParseMAC(i.MAC)
	if err != nil {
		return nil, err
	}
	return &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{
		i.Network: {IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: address}, MacAddress: network.HardwareAddr(mac)},
	}}, nil
}

// The states of a task's interface.
const (
	precreated = "PRECREATED"
	attached   = "ATTACHED"
	deleted    = "DELETED"
)

// attaching is a task's interface before there is one.
func attaching(id string, in types.AwsVpcConfiguration) types.Attachment {
	return types.Attachment{Id: aws.String(uuid(id)), Type: aws.String("ElasticNetworkInterface"), Status: aws.String(precreated), Details: []types.KeyValuePair{pair("subnetId", in.Subnets[0])}}
}

func pair(name, value string) types.KeyValuePair {
	return types.KeyValuePair{Name: aws.String(name), Value: aws.String(value)}
}

// uuid writes an id of 32 digits as one.
func uuid(id string) string {
	b, _ := hex.DecodeString(id)
	if len(b) != 16 {
		return id
	}
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// attached writes a task's interface down.
func (t *task) attached(i ec2.Interface) {
	t.Interface, t.AvailabilityZone = i, aws.String(i.Zone)
	t.Attachments = []types.Attachment{{Id: aws.String(uuid(t.ID)), Type: aws.String("ElasticNetworkInterface"), Status: aws.String(attached), Details: []types.KeyValuePair{
		pair("subnetId", i.SubnetID), pair("networkInterfaceId", i.ID), pair("macAddress", i.MAC), pair("privateDnsName", i.Name), pair("privateIPv4Address", i.Address),
	}}}
	t.eachContainer(func(c *types.Container) {
		c.NetworkInterfaces = []types.NetworkInterface{{AttachmentId: aws.String(uuid(t.ID)), PrivateIpv4Address: aws.String(i.Address)}}
	})
}
