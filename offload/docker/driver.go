package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/go-units"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"
	"github.com/opencontainers/go-digest"

	"github.com/sockerless/sockerless/agent/agentpb"
	"github.com/sockerless/sockerless/agent/inside"
	"github.com/sockerless/sockerless/offload"
	"github.com/sockerless/sockerless/runtime"
)

// Settings are the backend's part of the policy.
type Settings struct {
	Host string `yaml:"host"` // unix:///path, tcp://host:port; "" is DOCKER_HOST, or the usual socket
	// Folder with ca.pem, cert.pem and key.pem, as DOCKER_CERT_PATH; "" is none.
	Certificates string `yaml:"certificates"`
	// SameMachine says that the engine sees this machine's folders under the same paths, so that binds and volumes can be
	// mounted there; by default that is so for a unix socket.
	SameMachine *bool `yaml:"same-machine"`
	// Network is the engine's network that tasks are in, for what they reach outside; "" is bridge.
	Network string `yaml:"network"`
	// Connect is how the server and an agent meet: "exec" (""), through the engine, or "reverse", where the agent dials back.
	Connect string `yaml:"connect"`
}

// The values of Settings.Connect.
const (
	byExec    = "exec"
	byReverse = "reverse"
)

// Images are this installation's images.
type Images interface {
	// Save writes an image, by id, as the archive that `docker load` takes.
	Save(ctx context.Context, id digest.Digest, w io.Writer) error
}

// Config is what the driver is made of.
type Config struct {
	Settings Settings
	Images   Images
	// Agent finds the agent's program for a platform: "linux/arm64".
	Agent func(platform string) (offload.AgentProgram, error)
}

// Driver makes tasks of another engine's containers.
type Driver struct {
	config Config
	docker *client.Client
	same   bool // the engine is on this machine

	filling sync.Mutex // one agent at a time: two fillings of one volume would send it twice
	loading sync.Mutex // one image at a time, as well
}

var (
	_ offload.Driver    = (*Driver)(nil)
	_ offload.Connector = (*Driver)(nil)
	_ offload.Restarter = (*Driver)(nil)
)

// New makes the driver. It does not connect: an engine that is down now may be up later.
func New(config Config) (offload.Driver, error) {
	s := config.Settings
	if s.Connect != "" && s.Connect != byExec && s.Connect != byReverse {
		return nil, errdefs.ErrInvalidArgument.WithMessage(fmt.Sprintf("connect: %q: it is %s or %s", s.Connect, byExec, byReverse))
	}
	options := []client.Opt{client.FromEnv}
	if s.Host != "" {
		options = []client.Opt{client.WithHost(s.Host)}
	}
	if s.Certificates != "" {
		options = append(options, client.WithTLSClientConfig(
			path.Join(s.Certificates, "ca.pem"), path.Join(s.Certificates, "cert.pem"), path.Join(s.Certificates, "key.pem")))
	}
	docker, err := client.New(options...)
	if err != nil {
		return nil, fmt.Errorf("docker engine %s: %w", s.Host, err)
	}
	same := strings.HasPrefix(docker.DaemonHost(), "unix://")
	if s.SameMachine != nil {
		same = *s.SameMachine
	}
	d := &Driver{config: config, docker: docker, same: same}
	if s.Connect == byReverse {
		return dialledBack{Driver: d, Pacer: d}, nil
	}
	return d, nil
}

// dialledBack is a driver that does not reach agents. Nor does it start tasks again: a token is for one start.
type dialledBack struct {
	offload.Driver
	offload.Pacer
}

// Name is "docker".
func (d *Driver) Name() string { return "docker" }

// Limits are those of a Docker Engine.
func (d *Driver) Limits() runtime.Limits {
	return runtime.Limits{NoBinds: !d.same, OutputElsewhere: true}
}

// Price is nothing: the engine is the user's own.
func (d *Driver) Price(runtime.Size) (usdPerSecond float64, known bool) { return 0, true }

// Pace is that of an engine nearby.
func (d *Driver) Pace() offload.Pace {
	return offload.Pace{Poll: 2 * time.Second, Settle: 10 * time.Second}
}

// Run makes the attempt's container, or finds it, and starts it.
func (d *Driver) Run(ctx context.Context, s offload.Spec) (offload.Handle, error) {
	found, err := d.docker.ContainerInspect(ctx, s.Name, client.ContainerInspectOptions{})
	id := found.Container.ID
	switch {
	case errdefs.IsNotFound(err):
		if id, err = d.create(ctx, s); err != nil {
			return offload.Handle{}, classified(err)
		}
	case err != nil:
		return offload.Handle{}, classified(err)
	case found.Container.State.Status != container.StateCreated:
		return s.NewHandle(id), nil // it was started before
	}
	if _, err := d.docker.ContainerStart(ctx, id, client.ContainerStartOptions{}); err != nil {
		return offload.Handle{}, classified(fmt.Errorf("start the task's container: %w", err))
	}
	return s.NewHandle(id), nil
}

func (d *Driver) create(ctx context.Context, s offload.Spec) (string, error) {
	if err := d.bringImage(ctx, s.Task.Image); err != nil {
		return "", err
	}
	program, err := d.config.Agent(s.Task.Image.Platform)
	if err != nil {
		return "", err
	}
	volume, err := d.agentVolume(ctx, s.Task.Image.ID, program)
	if err != nil {
		return "", err
	}
	options, err := d.container(s, program, volume)
	if err != nil {
		return "", err
	}
	created, err := d.docker.ContainerCreate(ctx, options)
	if err != nil {
		return "", fmt.Errorf("make the task's container: %w", err)
	}
	return created.ID, nil
}

// bringImage sends an image that the engine does not have, by its id, so that it is the same one whatever its name there.
func (d *Driver) bringImage(ctx context.Context, image runtime.Image) error {
	d.loading.Lock()
	defer d.loading.Unlock()
	_, err := d.docker.ImageInspect(ctx, image.ID)
	if !errdefs.IsNotFound(err) {
		return err
	}
	r, w := io.Pipe()
	go func() { _ = w.CloseWithError(d.config.Images.Save(ctx, digest.Digest(image.ID), w)) }() // ends with the pipe
	loaded, err := d.docker.ImageLoad(ctx, r)
	if err != nil {
		return fmt.Errorf("bring image %s to the engine: %w", image.Name, errors.Join(err, r.Close()))
	}
	_, err = io.Copy(io.Discard, loaded) // to its end: only then is the image there
	if err = errors.Join(err, loaded.Close(), r.Close()); err == nil {
		_, err = d.docker.ImageInspect(ctx, image.ID)
	}
	if err != nil {
		return fmt.Errorf("bring image %s to the engine: %w", image.Name, err)
	}
	return nil
}

// mountSpec is a mount of the other engine.
type mountSpec = mount.Mount

// container is the attempt's container as the engine is asked for it.
func (d *Driver) container(s offload.Spec, program offload.AgentProgram, volume string) (client.ContainerCreateOptions, error) {
	c, sec := s.Task.Container, s.Task.Security
	mounts := []mountSpec{
		{Type: mount.TypeVolume, Source: volume, Target: agentDir, ReadOnly: true, VolumeOptions: &mount.VolumeOptions{NoCopy: true}},
		{Type: mount.TypeVolume, Target: stateDir},
	}
	for _, m := range c.GetMounts() {
		own, err := d.mount(m)
		if err != nil {
			return client.ContainerCreateOptions{}, err
		}
		mounts = append(mounts, own)
	}
	host := &container.HostConfig{
		NetworkMode: "bridge", Mounts: mounts, ReadonlyRootfs: c.GetReadOnly(), Privileged: sec.Privileged, CapAdd: sec.CapAdd, CapDrop: sec.CapDrop,
		ExtraHosts: c.GetExtraHosts(), DNSSearch: c.GetDnsSearch(), LogConfig: container.LogConfig{Type: "none"},
		Resources: container.Resources{NanoCPUs: int64(s.Task.Size.CPU * 1e9), Memory: s.Task.Size.Memory},
	}
	switch {
	case s.Task.HostNetwork:
		host.NetworkMode = "host"
	case d.config.Settings.Network != "":
		host.NetworkMode = container.NetworkMode(d.config.Settings.Network)
	}
	for _, server := range c.GetDns() {
		if a, err := netip.ParseAddr(server); err == nil {
			host.DNS = append(host.DNS, a)
		}
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
	var env []string
	way := []string{"--sessions", agentSocket}
	if d.config.Settings.Connect == byReverse {
		way = []string{"--reverse", s.Agent.URL}
		env = []string{inside.TokenVariable + "=" + s.Agent.Token, inside.CAVariable + "=" + s.Agent.CA}
	}
	args := append(append(command(program), way...), "--container", c.GetId(), "--directory", stateDir,
		"--lease", s.Agent.Lease.String(), "--id", s.Agent.ID)
	if s.Agent.MaxDuration > 0 {
		args = append(args, "--max-duration", s.Agent.MaxDuration.String())
	}
	return client.ContainerCreateOptions{
		Name: s.Name, HostConfig: host,
		Config: &container.Config{
			Image: s.Task.Image.ID, Hostname: c.GetHostname(), Domainname: c.GetDomainname(), User: "0:0", WorkingDir: "/",
			Entrypoint: args, Env: env, Cmd: []string{}, Labels: s.Tags, StopSignal: "SIGTERM", Healthcheck: &container.HealthConfig{Test: []string{"NONE"}},
		},
	}, nil
}

// command is the agent's program as a task calls it.
func command(program offload.AgentProgram) []string {
	return append([]string{agentPath}, program.Arguments...)
}

const agentSocket = stateDir + "/agent.sock"

func (d *Driver) mount(m *agentpb.Mount) (mountSpec, error) {
	own := mountSpec{Target: m.GetTarget(), ReadOnly: m.GetReadOnly()}
	switch m.GetType() {
	case agentpb.Mount_TMPFS:
		own.Type = mount.TypeTmpfs
		own.TmpfsOptions = &mount.TmpfsOptions{SizeBytes: m.GetSize(), Mode: os.FileMode(m.GetMode())}
		return own, nil
	default:
		if !d.same {
			return own, errdefs.ErrFailedPrecondition.WithMessage(fmt.Sprintf(
				"%s cannot be mounted at %s: the engine is on another machine; set same-machine: true for the backend if it is not", m.GetSource(), m.GetTarget()))
		}
		own.Type, own.Source = mount.TypeBind, m.GetSource()
		return own, nil
	}
}

// Connect opens a connection to the agent.
func (d *Driver) Connect(ctx context.Context, h offload.Handle) (net.Conn, error) {
	program, err := d.config.Agent("")
	if err != nil {
		return nil, err
	}
	return connect(ctx, d.docker, h.ID, append(command(program), "connect", agentSocket))
}

// Restart starts a task's container again.
func (d *Driver) Restart(ctx context.Context, h offload.Handle) error {
	_, err := d.docker.ContainerStart(ctx, h.ID, client.ContainerStartOptions{})
	return classified(err)
}

// Stop stops a task's container.
func (d *Driver) Stop(ctx context.Context, h offload.Handle, grace time.Duration) error {
	seconds := int(grace.Round(time.Second).Seconds())
	_, err := d.docker.ContainerStop(ctx, h.ID, client.ContainerStopOptions{Timeout: &seconds})
	return classified(err)
}

// Remove removes a task's container with the volumes that are its own.
func (d *Driver) Remove(ctx context.Context, h offload.Handle) error {
	_, err := d.docker.ContainerRemove(ctx, h.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	if errdefs.IsNotFound(err) {
		return nil
	}
	return classified(err)
}

// Describe asks for each task's container.
func (d *Driver) Describe(ctx context.Context, tasks []offload.Handle) ([]offload.Status, error) {
	var all []offload.Status
	for _, h := range tasks {
		found, err := d.docker.ContainerInspect(ctx, h.ID, client.ContainerInspectOptions{})
		if errdefs.IsNotFound(err) {
			all = append(all, offload.Status{Handle: h})
			continue
		}
		if err != nil {
			return nil, classified(err)
		}
		all = append(all, status(h, found.Container.State))
	}
	return all, nil
}

func status(h offload.Handle, s *container.State) offload.Status {
	out := offload.Status{Handle: h, Reason: s.Error}
	switch s.Status {
	case container.StateCreated:
		out.State = offload.Pending
	case container.StateRunning, container.StatePaused, container.StateRestarting:
		out.State = offload.Running
	default:
		out.State, out.ExitCode = offload.Stopped, &s.ExitCode
		if s.OOMKilled {
			out.Code = "OutOfMemory"
		}
	}
	return out
}

// List finds an instance's tasks.
func (d *Driver) List(ctx context.Context, instance string) ([]offload.Handle, error) {
	list, err := d.docker.ContainerList(ctx, client.ContainerListOptions{
		All: true, Filters: make(client.Filters).Add("label", offload.TagInstance+"="+instance),
	})
	if err != nil {
		return nil, classified(err)
	}
	var handles []offload.Handle
	for _, c := range list.Items {
		if c.Labels[offload.TagAttempt] != "" {
			handles = append(handles, offload.TaggedHandle(c.ID, c.Labels))
		}
	}
	return handles, nil
}

// classified marks the errors after which a call is worth to be made again: the engine is not there, or not well. What it
// refuses it will refuse again.
func classified(err error) error {
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case client.IsErrConnectionFailed(err):
		return errors.Join(errdefs.ErrUnavailable, err)
	case errdefs.IsInternal(err), errdefs.IsUnknown(err):
		if s := err.Error(); slices.ContainsFunc([]string{"no space left", "cannot allocate"}, func(t string) bool { return strings.Contains(s, t) }) {
			return errors.Join(errdefs.ErrResourceExhausted, err)
		}
		return offload.Transient(err, 0)
	}
	return err
}
