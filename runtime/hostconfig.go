package runtime

import (
	"fmt"

	"github.com/containerd/errdefs"
	types "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
)

// runtimeName is what Docker calls the OCI runtime.
const runtimeName = "sockerless"

// Paths of /proc and /sys that Docker hides from a container, as it lists them in an inspect.
var (
	maskedPaths = []string{
		"/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
		"/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap",
	}
	readonlyPaths = []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
)

// hostDefaults fills in what dockerd gives back for what was not asked for.
func hostDefaults(h *types.HostConfig) {
	if h.LogConfig.Type == "" {
		h.LogConfig.Type = "json-file"
	}
	if h.LogConfig.Config == nil {
		h.LogConfig.Config = map[string]string{}
	}
	if h.NetworkMode == "" || h.NetworkMode.IsDefault() {
		h.NetworkMode = network.NetworkBridge
	}
	if h.RestartPolicy.Name == "" {
		h.RestartPolicy.Name = types.RestartPolicyDisabled
	}
	if h.ShmSize == 0 {
		h.ShmSize = 64 << 20
	}
	if h.Runtime == "" {
		h.Runtime = runtimeName
	}
	if h.IpcMode == "" {
		h.IpcMode = types.IPCModePrivate
	}
	if h.CgroupnsMode == "" {
		h.CgroupnsMode = types.CgroupnsModePrivate
	}
	if h.Memory > 0 && h.MemorySwap == 0 {
		h.MemorySwap = 2 * h.Memory
	}
	if h.OomKillDisable == nil {
		h.OomKillDisable = new(bool)
	}
	if h.MaskedPaths == nil && !h.Privileged {
		h.MaskedPaths = maskedPaths
	}
	if h.ReadonlyPaths == nil && !h.Privileged {
		h.ReadonlyPaths = readonlyPaths
	}
}

// refuseUnsupported names the options that would change what a container does or sees, and that no backend has.
func refuseUnsupported(c *types.Config, h *types.HostConfig) error {
	refuse := func(option, why string) error {
		return errdefs.ErrNotImplemented.WithMessage(fmt.Sprintf("%s is not supported: %s", option, why))
	}
	const shared = "a container of the sandbox shares nothing with others or with the host"
	switch {
	case len(h.DeviceRequests) > 0:
		return refuse("HostConfig.DeviceRequests", "the sandbox has no GPUs or other devices of the host")
	case len(h.Devices) > 0:
		return refuse("HostConfig.Devices", "the sandbox has no devices of the host")
	case len(h.VolumesFrom) > 0:
		return refuse("HostConfig.VolumesFrom", "name the volumes in Binds or Mounts")
	case h.NetworkMode.IsContainer():
		return refuse("NetworkMode "+string(h.NetworkMode), "each container has a network of its own; put both into one network, where they reach each other by name")
	case h.PidMode != "":
		return refuse("PidMode "+string(h.PidMode), shared)
	case h.IpcMode.IsHost() || h.IpcMode.IsContainer():
		return refuse("IpcMode "+string(h.IpcMode), shared)
	case h.UTSMode.IsHost():
		return refuse("UTSMode host", shared)
	case len(h.Sysctls) > 0:
		return refuse("HostConfig.Sysctls", "the sandbox has no kernel parameters")
	case len(h.StorageOpt) > 0:
		return refuse("HostConfig.StorageOpt", "the size of a root file system cannot be limited yet")
	case h.VolumeDriver != "" && h.VolumeDriver != volumeDriver:
		return notFound("error looking up volume plugin %s: plugin %q not found", h.VolumeDriver, h.VolumeDriver)
	case h.Runtime != "" && h.Runtime != runtimeName && h.Runtime != "runc":
		return invalid("unknown or invalid runtime name: %s", h.Runtime)
	case !h.Isolation.IsDefault():
		return invalid("invalid isolation (%s): the only one is default", h.Isolation)
	case c.NetworkDisabled:
		return refuse("NetworkDisabled", "use NetworkMode none")
	}
	if err := checkPorts(h); err != nil {
		return err
	}
	switch h.LogConfig.Type {
	case "", "json-file", "local", "none":
	default:
		return invalid("logger: no log driver named '%s' is registered", h.LogConfig.Type)
	}
	return nil
}

// warn names the options that are accepted and have no effect where a container is placed.
func warn(h *types.HostConfig, place Placement) []string {
	warnings := []string{}
	if h.NetworkMode.IsHost() && (len(h.PortBindings) > 0 || h.PublishAllPorts) {
		warnings = append(warnings, "Published ports are discarded when using host network mode")
	}
	native := " has no effect in the sandbox." // of what backends have
	if place.promotes() {
		native = " has no effect in the sandbox, only on native programs."
	}
	for _, o := range []struct {
		used, native bool
		name         string
	}{
		{len(h.CapAdd) > 0, true, "CapAdd"}, {len(h.SecurityOpt) > 0, true, "SecurityOpt"}, {len(h.Ulimits) > 0, true, "Ulimits"},
		{len(h.DeviceCgroupRules) > 0, false, "DeviceCgroupRules"}, {h.CgroupParent != "", false, "CgroupParent"},
		{h.CPUShares != 0, false, "CPUShares"}, {h.CpusetCpus != "" || h.CpusetMems != "", false, "A set of CPUs"},
		{h.BlkioWeight != 0 || len(h.BlkioWeightDevice) > 0 || len(h.BlkioDeviceReadBps) > 0 || len(h.BlkioDeviceWriteBps) > 0, false, "A limit on block I/O"},
	} {
		switch {
		case o.used && !o.native:
			warnings = append(warnings, o.name+" has no effect.")
		case o.used && place.Where != Offloaded:
			warnings = append(warnings, o.name+native)
		}
	}
	if len(h.LogConfig.Config) > 0 {
		warnings = append(warnings, "Log options have no effect: a container's log is kept whole, until the container is removed.")
	}
	if h.Memory > 0 && place.Where != Offloaded {
		warnings = append(warnings, "The memory limit holds for WebAssembly programs; the sandbox's shells and commands only see it.")
	}
	if nanoCPUs(&h.Resources) > 0 && place.Where != Offloaded {
		warnings = append(warnings, "The limit on CPUs is what programs see, and is not enforced in the sandbox.")
	}
	return warnings
}
