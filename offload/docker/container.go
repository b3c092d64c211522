package docker

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/go-units"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"

	"github.com/sockerless/sockerless/agent"
	"github.com/sockerless/sockerless/agent/agentpb"
	"github.com/sockerless/sockerless/agent/inside"
	"github.com/sockerless/sockerless/offload"
	"github.com/sockerless/sockerless/runtime"
	"github.com/sockerless/sockerless/store/rootfs"
)

// tun is what the agent makes the container's network device of.
const tun = "/dev/net/tun"

// mountSpec is a mount of the other engine.
type mountSpec = mount.Mount

// container is the attempt's container as the engine is asked for it.
func (d *Driver) container(s offload.Spec, program offload.AgentProgram, volume string) (client.ContainerCreateOptions, error) {
	c, sec := s.Task.Container, s.Task.Security
	mounts := []mountSpec{
		{Type: mount.TypeVolume, Source: volume, Target: agentDir, ReadOnly: true, VolumeOptions: &mount.VolumeOptions{NoCopy: true}},
		{Type: mount.TypeVolume, Target: stateDir},
	}
	for i, m := range c.GetMounts() {
		if m.GetType() == agentpb.Mount_ENGINE {
			continue // the agent makes it
		}
		mounts = append(mounts, d.mounts(s, i, m)...)
	}
	host := &container.HostConfig{
		Mounts: mounts, ReadonlyRootfs: c.GetReadOnly(), Privileged: sec.Privileged,
		ExtraHosts: c.GetExtraHosts(), DNSSearch: c.GetDnsSearch(), LogConfig: container.LogConfig{Type: "none"},
		Resources: container.Resources{NanoCPUs: int64(s.Task.Size.CPU * 1e9), Memory: s.Task.Size.Memory},
	}
	if n := c.GetLimits().GetPids(); n > 0 {
		host.PidsLimit = &n
	}
	for _, u := range sec.Ulimits {
		host.Ulimits = append(host.Ulimits, &units.Ulimit{Name: u.Name, Soft: u.Soft, Hard: u.Hard})
	}
	if sec.NoNewPrivileges {
		host.SecurityOpt = append(host.SecurityOpt, "no-new-privileges")
	}
	if sec.Unconfined {
		host.SecurityOpt = append(host.SecurityOpt, "seccomp=unconfined")
	} else if sec.SeccompProfile != "" {
		host.SecurityOpt = append(host.SecurityOpt, "seccomp="+sec.SeccompProfile)
	}
	args, env := command(program), []string(nil)
	if d.config.Settings.Connect == byReverse {
		args = append(args, "--reverse", s.Agent.URL)
		env = []string{inside.TokenVariable + "=" + s.Agent.Token, inside.CAVariable + "=" + s.Agent.CA}
	} else {
		args = append(args, "--sessions", agentSocket)
	}
	args = append(append(args, "--directory", stateDir), s.Flags()...)
	needs := agentCaps
	if d.network(host, s.Task) {
		args = append(args, "--make-device")
		needs = append(slices.Clip(needs), "NET_ADMIN")
	}
	var withheld []string
	if host.CapAdd, host.CapDrop, withheld = capabilities(sec, needs); len(withheld) > 0 {
		args = append(args, "--withhold", strings.Join(withheld, ","))
	}
	return client.ContainerCreateOptions{
		Name: s.Name, HostConfig: host,
		Config: &container.Config{
			Image: s.Task.Image.ID, Hostname: c.GetHostname(), Domainname: c.GetDomainname(), User: "0:0", WorkingDir: "/",
			Entrypoint: args, Env: env, Cmd: []string{}, Labels: s.Tags, StopSignal: "SIGTERM", Healthcheck: &container.HealthConfig{Test: []string{"NONE"}},
		},
	}, nil
}

// network says which network of the engine a container is in, and whether its agent makes it a device, by which it is in this
// server's networks and none of the engine's.
func (d *Driver) network(host *container.HostConfig, t runtime.Task) (device bool) {
	c := t.Container
	servers := c.GetDns()
	switch {
	case t.HostNetwork:
		host.NetworkMode = "host"
	case d.config.Settings.Connect == byReverse:
		host.NetworkMode = "bridge"
		if d.config.Settings.Network != "" {
			host.NetworkMode = container.NetworkMode(d.config.Settings.Network)
		}
	default:
		host.NetworkMode = "none"
		device = len(c.GetEndpoints()) > 0
	}
	if device {
		host.Devices = []container.DeviceMapping{{PathOnHost: tun, PathInContainer: tun, CgroupPermissions: "rwm"}}
		host.Sysctls = map[string]string{"net.ipv4.ip_unprivileged_port_start": "0"}
		// The agent writes the files of names, but where all is read-only.
		servers, host.DNSOptions = []string{agent.Nameserver}, []string{"ndots:0"}
		if name := c.GetHostname(); name != "" && c.GetReadOnly() {
			host.ExtraHosts = append(slices.Clip(host.ExtraHosts), name+":127.0.0.1")
		}
	}
	for _, server := range servers {
		if a, err := netip.ParseAddr(server); err == nil {
			host.DNS = append(host.DNS, a)
		}
	}
	return device
}

// command is the agent's program as a task calls it.
func command(program offload.AgentProgram) []string {
	return append([]string{agentPath}, program.Arguments...)
}

const agentSocket = stateDir + "/agent.sock"

// agentCaps are what the agent needs, whatever its container has: it starts programs as any user, ends them, unpacks files of
// any owner and kind, and withholds all this from the programs.
var agentCaps = []string{"CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "SETFCAP", "SETGID", "SETPCAP", "SETUID"}

// capabilities are what the engine is asked to add and to drop so that the agent has what it needs, and what of this the
// container's processes are not to have.
func capabilities(sec runtime.Security, needs []string) (add, drop, withheld []string) {
	lists := func(list []string, name string) bool {
		return slices.ContainsFunc(list, func(s string) bool { return strings.TrimPrefix(strings.ToUpper(s), "CAP_") == name })
	}
	// As moby's TweakCapabilities decides.
	has := func(name string) bool {
		switch {
		case sec.Privileged:
			return true
		case lists(sec.CapAdd, "ALL"):
			return !lists(sec.CapDrop, name)
		case lists(sec.CapDrop, "ALL"):
			return lists(sec.CapAdd, name)
		}
		return lists(sec.CapAdd, name) || slices.Contains(agentCaps, name) && !lists(sec.CapDrop, name) // which are among Docker's default
	}
	add = slices.Clone(sec.CapAdd)
	drop = slices.DeleteFunc(slices.Clone(sec.CapDrop), func(s string) bool { return lists(needs, strings.TrimPrefix(strings.ToUpper(s), "CAP_")) })
	for _, name := range needs {
		if !has(name) {
			add, withheld = append(add, name), append(withheld, name)
		}
	}
	return add, drop, withheld
}

// mounts are those of the engine for a mount of the container: of a volume or folder that the engine does not see it is a volume
// of the engine, which goes with the task; where it is for reading only the agent has it to write, too.
func (d *Driver) mounts(s offload.Spec, i int, m *agentpb.Mount) []mountSpec {
	own := mountSpec{Target: m.GetTarget(), ReadOnly: m.GetReadOnly()}
	switch {
	case m.GetType() == agentpb.Mount_TMPFS:
		own.Type = mount.TypeTmpfs
		own.TmpfsOptions = &mount.TmpfsOptions{SizeBytes: m.GetSize(), Mode: os.FileMode(m.GetMode())}
	case d.same:
		own.Type, own.Source = mount.TypeBind, m.GetSource()
	default:
		own.Type, own.Source = mount.TypeVolume, fmt.Sprintf("%s-%d", s.Name, i)
		own.VolumeOptions = &mount.VolumeOptions{NoCopy: true, Labels: s.Tags}
		if own.ReadOnly {
			written := own
			written.Target, written.ReadOnly = path.Join(inside.CopiesPath, strconv.Itoa(i)), false
			return []mountSpec{own, written}
		}
	}
	return []mountSpec{own}
}

// copyUp gives the container's new volumes what the image has at their places.
func copyUp(c *agentpb.Container) (err error) {
	if !slices.ContainsFunc(c.GetMounts(), (*agentpb.Mount).GetCopyUp) {
		return nil
	}
	image, err := rootfs.OpenOverlay(c.GetLayers(), "")
	if err != nil {
		return fmt.Errorf("read the image: %w", err)
	}
	defer func() { err = errors.Join(err, image.Close()) }()
	for _, m := range c.GetMounts() {
		if err := offload.CopyUp(image, m); err != nil {
			return err
		}
	}
	return nil
}
