package runtime

import (
	"context"
	"encoding/json"
	"fmt"
	"weak"

	"github.com/containerd/errdefs"
	types "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/events"

	"github.com/sockerless/sockerless/store/state"
)

// ContainerUpdate changes a container's restart policy, at once, and its limits of memory, processors and processes, which a
// running container gets at its next start: a warning says so. Fields that are zero change nothing. Errors:
// errdefs.ErrInvalidArgument, ErrConflict, ErrNotImplemented for what the sandbox does not limit.
func (e *Engine) ContainerUpdate(ctx context.Context, name string, update types.UpdateConfig) (types.UpdateResponse, error) {
	var response types.UpdateResponse
	c, err := e.lookup(name)
	if err != nil {
		return response, err
	}
	if err := refuseUpdate(&update.Resources); err != nil {
		return response, err
	}
	if err := types.ValidateRestartPolicy(update.RestartPolicy); err != nil {
		return response, invalid("%s", err)
	}
	c.op.Lock()
	defer c.op.Unlock()
	if c.isRemoving() {
		return response, conflict(`Cannot update container %s: container is marked for removal and cannot be "update"`, c.id)
	}
	d, err := e.definition(c)
	if err != nil {
		return response, err
	}
	next, limits := *d, false
	if next.HostConfig, limits, err = merged(d.HostConfig, &update); err != nil {
		return response, fmt.Errorf("Cannot update container %s: %w", c.id, err) // dockerd's text
	}
	if err := e.redefine(ctx, c, &next); err != nil {
		return response, err
	}
	if limits && c.record().running() {
		response.Warnings = []string{"The container is running: its new limits take effect when it is started again."}
	}
	e.containerEvent(c, &next, events.ActionUpdate)
	return response, nil
}

// redefine replaces a container's definition, in the state first; those who have the one before keep it as it was.
func (e *Engine) redefine(ctx context.Context, c *container, next *definition) error {
	value, err := json.Marshal(next)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := e.cfg.State.Update(context.WithoutCancel(ctx), state.Put(definitionKey+c.id, value)); err != nil {
		return fmt.Errorf("store configuration of container %s: %w", c.id, err)
	}
	c.cached = weak.Make(next)
	return nil
}

// merged is a container's host configuration with an update, and whether that changes a limit (moby's
// container/container_unix.go, UpdateContainer).
func merged(old *types.HostConfig, update *types.UpdateConfig) (h *types.HostConfig, limits bool, err error) {
	next := *old
	if update.RestartPolicy.Name != "" {
		if old.AutoRemove && !update.RestartPolicy.IsNone() {
			return nil, false, conflict("Restart policy cannot be updated because AutoRemove is enabled for the container")
		}
		next.RestartPolicy = update.RestartPolicy
	}
	r, u := &next.Resources, &update.Resources
	if u.NanoCPUs > 0 && (r.CPUPeriod > 0 || r.CPUQuota > 0) {
		return nil, false, conflict("Conflicting options: Nano CPUs cannot be updated as CPU Period or Quota has already been set")
	}
	if r.NanoCPUs > 0 && (u.CPUPeriod > 0 || u.CPUQuota > 0) {
		return nil, false, conflict("Conflicting options: CPU Period or Quota cannot be updated as NanoCPUs has already been set")
	}
	if u.Memory != 0 && u.MemorySwap == 0 && r.MemorySwap > 0 && u.Memory > r.MemorySwap {
		return nil, false, conflict("Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time")
	}
	for _, field := range []struct{ to, from *int64 }{
		{&r.Memory, &u.Memory}, {&r.MemorySwap, &u.MemorySwap}, {&r.MemoryReservation, &u.MemoryReservation},
		{&r.NanoCPUs, &u.NanoCPUs}, {&r.CPUPeriod, &u.CPUPeriod}, {&r.CPUQuota, &u.CPUQuota},
	} {
		if *field.from != 0 {
			*field.to, limits = *field.from, true
		}
	}
	if u.PidsLimit != nil {
		r.PidsLimit, limits = u.PidsLimit, true
	}
	return &next, limits, verifyResources(r)
}

// refuseUpdate names what would have no effect.
func refuseUpdate(u *types.Resources) error {
	for _, o := range []struct {
		used bool
		name string
	}{
		{u.CPUShares != 0 || u.CpusetCpus != "" || u.CpusetMems != "", "CPU shares and sets"},
		{u.CPURealtimePeriod != 0 || u.CPURealtimeRuntime != 0, "real-time scheduling"},
		{u.BlkioWeight != 0 || len(u.BlkioWeightDevice) > 0 || len(u.BlkioDeviceReadBps) > 0 || len(u.BlkioDeviceWriteBps) > 0 ||
			len(u.BlkioDeviceReadIOps) > 0 || len(u.BlkioDeviceWriteIOps) > 0, "block I/O limits"},
		{len(u.Devices) > 0 || len(u.DeviceRequests) > 0 || len(u.DeviceCgroupRules) > 0, "devices"},
		{u.CgroupParent != "", "CgroupParent"}, {len(u.Ulimits) > 0, "Ulimits"},
		{u.MemorySwappiness != nil && *u.MemorySwappiness != -1, "MemorySwappiness"},
		{u.OomKillDisable != nil && *u.OomKillDisable, "OomKillDisable"},
		{u.CPUCount != 0 || u.CPUPercent != 0 || u.IOMaximumIOps != 0 || u.IOMaximumBandwidth != 0, "limits of Windows containers"},
	} {
		if o.used {
			return errdefs.ErrNotImplemented.WithMessage("update of " + o.name + " is not supported: the sandbox does not have it")
		}
	}
	return nil
}
