package aws

import (
	"context"

	"github.com/containerd/errdefs"

	"github.com/sockerless/sockerless/runtime"
)

// network makes the machine's network of a VPC, unless it is there.
func (s *Simulator) network(ctx context.Context, name, cidr string) error {
	_, err := s.machine.NetworkCreate(ctx, runtime.NetworkSpec{Name: name, IPAM: &runtime.NetworkIPAM{Config: []runtime.NetworkSubnet{{Subnet: cidr}}}, Overlap: true})
	if errdefs.IsConflict(err) {
		return nil
	}
	return err
}

func (s *Simulator) removeNetwork(ctx context.Context, name string) error {
	if err := s.machine.NetworkRemove(ctx, name); err != nil && !errdefs.IsNotFound(err) {
		return err
	}
	return nil
}
