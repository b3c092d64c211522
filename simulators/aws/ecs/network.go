package ecs

import (
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/network"

	"github.com/sockerless/sockerless/runtime"
	"github.com/sockerless/sockerless/simulators/internal/machine"
	"github.com/sockerless/sockerless/simulators/internal/table"
	"github.com/sockerless/sockerless/store/state"
)

// Network gives tasks their interfaces in subnets.
type Network interface {
	// Check tells why a task cannot be asked for with these subnets and groups.
	Check(ctx context.Context, region string, in types.AwsVpcConfiguration) error
	// Attach gives a task an interface in one of the subnets, or finds the one that it has. The error is why the task does not start.
	Attach(ctx context.Context, region, task string, in types.AwsVpcConfiguration) (Interface, error)
	// Detach takes a task's interface away; one that is not there is no error.
	Detach(ctx context.Context, task string) error
}

// Interface is a task's own in a subnet.
type Interface struct {
	ID, Subnet, Zone string
	Address, MAC     string
	Network          string // of the machine, in which the address is
}

// networking is how the machine gives a container that interface.
func (i Interface) networking() (*network.NetworkingConfig, error) {
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

// flat is the network where the simulator has no EC2: every subnet and group is there, and all are one.
type flat struct {
	machine    *machine.Machine
	interfaces *table.Table[Interface] // by task
	giving     sync.Mutex              // an address to one task at a time
}

// flatName and flatPrefix are the machine's network of it.
const flatName = "vpc"

var flatPrefix = netip.MustParsePrefix("172.31.0.0/16")

// Flat is a network without an EC2: every subnet and group is there, and all subnets are one.
func Flat(ctx context.Context, records state.Store, m *machine.Machine) (Network, error) {
	interfaces, err := table.Open[Interface](records, "ecs/interface/")
	if err != nil {
		return nil, err
	}
	_, err = m.NetworkCreate(ctx, runtime.NetworkSpec{Name: flatName, Driver: "bridge", IPAM: &runtime.NetworkIPAM{Config: []runtime.NetworkSubnet{{Subnet: flatPrefix.String()}}}})
	if err != nil && !errdefs.IsConflict(err) {
		return nil, fmt.Errorf("make the network of tasks: %w", err)
	}
	return &flat{machine: m, interfaces: interfaces}, nil
}

func (f *flat) Check(context.Context, string, types.AwsVpcConfiguration) error { return nil }

func (f *flat) Attach(ctx context.Context, region, task string, in types.AwsVpcConfiguration) (Interface, error) {
	f.giving.Lock()
	defer f.giving.Unlock()
	taken := f.interfaces.All()
	return f.interfaces.Update(ctx, task, func(old Interface, ok bool) (Interface, error) {
		if ok {
			return old, nil
		}
		at := flatPrefix.Addr()
		for range 10 { // the first ones are the network's
			at = at.Next()
		}
		for slices.ContainsFunc(taken, func(i Interface) bool { return i.Address == at.String() }) {
			at = at.Next()
		}
		bytes := at.As4()
		mac := net.HardwareAddr{0x0a, 0x58, bytes[0], bytes[1], bytes[2], bytes[3]}
		return Interface{ID: "eni-0" + task[:16], Subnet: in.Subnets[0], Zone: region + "a", Address: at.String(), MAC: mac.String(), Network: flatName}, nil
	})
}

func (f *flat) Detach(ctx context.Context, task string) error { return f.interfaces.Delete(ctx, task) }

// The states of a task's interface.
const (
	precreated = "PRECREATED"
	attached   = "ATTACHED"
	deleted    = "DELETED"
)

// attachment is a task's interface before there is one.
func attachment(id string, in types.AwsVpcConfiguration) types.Attachment {
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
func (t *task) attached(i Interface) {
	t.Interface, t.AvailabilityZone = i, aws.String(i.Zone)
	name := "ip-" + dashed(i.Address) + "." + t.Region + ".compute.internal"
	t.Attachments = []types.Attachment{{Id: aws.String(uuid(t.ID)), Type: aws.String("ElasticNetworkInterface"), Status: aws.String(attached), Details: []types.KeyValuePair{
		pair("subnetId", i.Subnet), pair("networkInterfaceId", i.ID), pair("macAddress", i.MAC), pair("privateDnsName", name), pair("privateIPv4Address", i.Address),
	}}}
	t.eachContainer(func(c *types.Container) {
		c.NetworkInterfaces = []types.NetworkInterface{{AttachmentId: aws.String(uuid(t.ID)), PrivateIpv4Address: aws.String(i.Address)}}
	})
}

func dashed(address string) string {
	b := []byte(address)
	for i := range b {
		if b[i] == '.' {
			b[i] = '-'
		}
	}
	return string(b)
}
