package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"github.com/opencontainers/go-digest"

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
	// Connect is how the server and an agent meet: "exec" (""), through the engine, or "reverse", where the agent dials back.
	Connect string `yaml:"connect"`
	// Network is the engine's network that tasks are in which dial back; "" is bridge. Others are in no network of the engine.
	Network string `yaml:"network"`
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
	if s.Network != "" && s.Connect != byReverse {
		return nil, errdefs.ErrInvalidArgument.WithMessage(
			"network: " + s.Network + ": only tasks that dial back (connect: reverse) are in a network of the engine; the networks of the others are this server's")
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
		return dialledBack{Driver: d, Pacer: d, Checker: d}, nil
	}
	return d, nil
}

// dialledBack is a driver that does not reach agents. Nor does it start tasks again: a token is for one start.
type dialledBack struct {
	offload.Driver
	offload.Pacer
	offload.Checker
}

// Name is "docker".
func (d *Driver) Name() string { return "docker" }

// Check asks the engine what it is.
func (d *Driver) Check(ctx context.Context) ([]offload.Finding, error) {
	v, err := d.docker.ServerVersion(ctx, client.ServerVersionOptions{})
	return []offload.Finding{offload.Found("engine", fmt.Sprintf("%s at %s, API %s, %s/%s", v.Version, d.docker.DaemonHost(), v.APIVersion, v.Os, v.Arch), err)}, nil
}

// Limits are those of a Docker Engine.
func (d *Driver) Limits() runtime.Limits {
	limits := runtime.Limits{VolumesApart: !d.same, OutputElsewhere: true}
	if d.config.Settings.Connect == byReverse {
		limits.NoNetworks = "with connect: reverse a task is in the engine's network, from which those of this server are not reached; use connect: exec"
	}
	return limits
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
		return offload.Handle{}, classified(fmt.Errorf("start the task's container: %w", withoutDevice(err)))
	}
	return s.NewHandle(id), nil
}

// withoutDevice says what to do where an engine does not give the network's device.
func withoutDevice(err error) error {
	if !strings.Contains(err.Error(), tun) {
		return err
	}
	return errdefs.ErrFailedPrecondition.WithMessage(fmt.Sprintf("the engine does not give it %s, by which it is in its networks: %v "+
		"(load the kernel's module tun there, or run the container with --network none)", tun, err))
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
	if d.same {
		if err := copyUp(s.Task.Container); err != nil {
			return "", err
		}
	}
	options, err := d.container(s, program, volume)
	if err != nil {
		return "", err
	}
	created, err := d.docker.ContainerCreate(ctx, options)
	if err != nil {
		return "", fmt.Errorf("make the task's container: %w", withoutDevice(err))
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
	if err != nil && !errdefs.IsNotFound(err) || d.same {
		return classified(found(err))
	}
	copies, err := d.docker.VolumeList(ctx, client.VolumeListOptions{Filters: make(client.Filters).Add("label", offload.TagAttempt+"="+h.Attempt)})
	for _, v := range copies.Items {
		if _, removeErr := d.docker.VolumeRemove(ctx, v.Name, client.VolumeRemoveOptions{}); err == nil {
			err = found(removeErr)
		}
	}
	return classified(err)
}

// found is nil for the error of what is not there, which need not be removed.
func found(err error) error {
	if errdefs.IsNotFound(err) {
		return nil
	}
	return err
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
