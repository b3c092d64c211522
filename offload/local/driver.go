package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strconv"
	"time"

	"github.com/containerd/errdefs"

	"github.com/sockerless/sockerless/agent/agentpb"
	"github.com/sockerless/sockerless/agent/netdev"
	"github.com/sockerless/sockerless/offload"
	"github.com/sockerless/sockerless/offload/native"
	"github.com/sockerless/sockerless/runtime"
)

// Images has the files of images as directories.
type Images interface {
	// Directory is the directory with the files of some layers, unpacked once. release must be called when nothing uses
	// it any more.
	Directory(ctx context.Context, layers []string) (path string, release func(), err error)
}

// Config is what the driver is made of.
type Config struct {
	Native  native.Config
	Support func() native.Support // of this machine; it may be found out while the first who asks waits
	Images  Images
	// Containers is the folder in which each container has one of its id.
	Containers string
	// RuntimeDir is for links to the agents' sockets, whose own paths are too long; of one data directory only.
	RuntimeDir string
	// Agent finds the agent's program for a platform: see [offload.AgentProgram].
	Agent func(platform string) (offload.AgentProgram, error)
	// Private is the folder inside that is the agent's own; "" is /.sockerless.
	Private string
	// Nameservers are the host's, for containers that are in no network; nil is what they have of their own.
	Nameservers []string
}

// The files in a container's folder.
const (
	nativeName = "native"    // folder of package native: what the container changes
	runName    = "run"       // folder that is /.sockerless/run inside: the agent's socket and the output
	taskName   = "task.json" // what the task was started as
	etcName    = "etc"       // folder of the files that every container has of its own
	socketName = "agent.sock"
	logName    = "log"
)

// Driver runs tasks on this machine.
type Driver struct{ config Config }

var (
	_ offload.Driver    = (*Driver)(nil)
	_ offload.Restarter = (*Driver)(nil)
	_ offload.Sharer    = (*Driver)(nil)
)

// New makes the driver.
func New(config Config) *Driver { return &Driver{config} }

// Name is "local".
func (d *Driver) Name() string { return "local" }

// Limits are those of this machine: its own architecture.
func (d *Driver) Limits() runtime.Limits {
	l := runtime.Limits{Platforms: []string{"linux/" + goruntime.GOARCH}}
	if d.config.Support().Rootless {
		l.NoOtherUsers = "the server is an ordinary user's: a container has one user, root, who is that user"
	}
	return l
}

// Price is nothing.
func (d *Driver) Price(runtime.Size) (usdPerSecond float64, known bool) { return 0, true }

// Pace is quick: asking costs a look at /proc.
func (d *Driver) Pace() offload.Pace {
	return offload.Pace{Poll: time.Second, Settle: time.Millisecond}
}

func (d *Driver) directory(container string) string {
	return filepath.Join(d.config.Containers, container)
}

// task is what is kept of a task.
type task struct {
	Tags map[string]string
	Spec native.Spec
}

// Run starts a container, or finds the one of the same attempt.
func (d *Driver) Run(ctx context.Context, s offload.Spec) (offload.Handle, error) {
	id := s.Task.Container.GetId()
	dir := d.directory(id)
	h := s.NewHandle(id)
	if old, err := d.load(id); err == nil && old.Tags[offload.TagAttempt] == s.Attempt {
		if running, err := native.Find(filepath.Join(dir, nativeName)); err == nil {
			return h, running.Close()
		}
	}
	spec, err := d.spec(ctx, s)
	if err != nil {
		return offload.Handle{}, err
	}
	text, err := json.Marshal(task{Tags: s.Tags, Spec: spec})
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, taskName), text, 0o600)
	}
	if err != nil {
		return offload.Handle{}, fmt.Errorf("remember the task: %w", err)
	}
	return h, d.start(ctx, spec)
}

func (d *Driver) start(ctx context.Context, spec native.Spec) error {
	started, err := native.Start(ctx, d.config.Native, spec)
	if err != nil {
		return fmt.Errorf("start a native container: %w", err)
	}
	go func() { // ends with the container
		_ = started.Wait(context.WithoutCancel(ctx)) // only so that the kernel forgets it
		_ = started.Close()
	}()
	return nil
}

func (d *Driver) load(id string) (task, error) {
	var t task
	text, err := os.ReadFile(filepath.Join(d.directory(id), taskName))
	if err == nil {
		err = json.Unmarshal(text, &t)
	}
	return t, err
}

// running finds a task's container while it runs. The container of another attempt is not it: errdefs.ErrNotFound.
func (d *Driver) running(h offload.Handle) (*native.Container, error) {
	t, err := d.load(h.Container)
	if errors.Is(err, fs.ErrNotExist) || err == nil && t.Tags[offload.TagAttempt] != h.Attempt {
		return nil, errdefs.ErrNotFound.WithMessage("container " + h.Container + " has no such task")
	}
	if err != nil {
		return nil, fmt.Errorf("find what the task was: %w", err)
	}
	return native.Find(filepath.Join(d.directory(h.Container), nativeName))
}

// spec is a task as package native runs it.
func (d *Driver) spec(ctx context.Context, s offload.Spec) (native.Spec, error) {
	c, sec := s.Task.Container, s.Task.Security
	var none native.Spec
	program, err := d.config.Agent(s.Task.Image.Platform)
	if err != nil {
		return none, err
	}
	lower, release, err := d.config.Images.Directory(ctx, c.GetLayers())
	if err != nil {
		return none, fmt.Errorf("unpack the image: %w", err)
	}
	release() // images that containers have are kept anyway
	dir := d.directory(c.GetId())
	inside := native.Spec{Private: d.config.Private}.Inside
	run, err := d.prepare(c.GetId(), dir)
	if err != nil {
		return none, err
	}
	spec := native.Spec{
		ID: c.GetId(), Lower: lower, Dir: filepath.Join(dir, nativeName), Hostname: c.GetHostname(), Domainname: c.GetDomainname(),
		ReadOnly: c.GetReadOnly(), Program: program.Path, Shared: run, Private: d.config.Private, HostNetwork: s.Task.HostNetwork,
		Socket: filepath.Join(d.link(c.GetId()), socketName),
		Args: append(append([]string{"sockerless-agent"}, program.Arguments...), "--listener", strconv.Itoa(native.Listener), "--container", c.GetId(),
			"--directory", inside(native.Run), "--upper", inside(native.Upper), "--lower", inside(native.Lower), "--id", s.Agent.ID),
		Limits: native.Limits{
			Memory: c.GetLimits().GetMemory(), Pids: c.GetLimits().GetPids(), NanoCPUs: c.GetLimits().GetNanoCpus(),
		},
		Security: native.Security{
			Privileged: sec.Privileged, CapAdd: sec.CapAdd, CapDrop: sec.CapDrop, Keep: agentCaps, NoNewPrivileges: sec.NoNewPrivileges,
			Unconfined: sec.Unconfined, SeccompProfile: sec.SeccompProfile,
		},
	}
	if s.Agent.Lease > 0 {
		spec.Args = append(spec.Args, "--lease", s.Agent.Lease.String())
	}
	if s.Agent.MaxDuration > 0 {
		spec.Args = append(spec.Args, "--max-duration", s.Agent.MaxDuration.String())
	}
	for _, u := range sec.Ulimits {
		spec.Security.Ulimits = append(spec.Security.Ulimits, native.Ulimit{Name: u.Name, Soft: u.Soft, Hard: u.Hard})
	}
	if spec.Mounts, err = d.mounts(c, lower, filepath.Join(dir, etcName)); err != nil {
		return none, err
	}
	if !s.Task.HostNetwork && d.config.Support().NoTun == "" { // else it has no network, and finds none when it connects
		spec.Tun, err = tun(c.GetEndpoints())
	}
	if spec.Tun != nil {
		spec.Args = append(spec.Args, "--device", strconv.Itoa(native.Device))
	}
	return spec, err
}

// agentCaps are what the agent needs, whatever its container has: it starts programs as any user, ends them, and unpacks
// files of any owner and kind.
var agentCaps = []string{"CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "SETFCAP", "SETGID", "SETUID"}

// prepare makes a container's folders. What it has printed so far, in the sandbox, stays the beginning of its output.
func (d *Driver) prepare(id, dir string) (run string, err error) {
	run = filepath.Join(dir, runName)
	if err := os.MkdirAll(run, 0o700); err != nil {
		return "", fmt.Errorf("make the task's folder: %w", err)
	}
	log, output := filepath.Join(dir, logName), filepath.Join(run, logName)
	info, err := os.Lstat(log)
	switch {
	case err == nil && info.Mode().IsRegular():
		// Its readers find it by its first name all the time. What is there by the second name is of a move that was cut off.
		if err = removeIfThere(output); err == nil {
			err = os.Link(log, output)
		}
		if err == nil {
			err = linkOver(filepath.Join(runName, logName), log)
		}
	case errors.Is(err, fs.ErrNotExist):
		if err = os.Symlink(filepath.Join(runName, logName), log); errors.Is(err, fs.ErrExist) {
			err = nil
		}
	}
	if err == nil {
		err = os.MkdirAll(d.config.RuntimeDir, 0o700)
	}
	if err == nil {
		if err = os.Symlink(run, d.link(id)); errors.Is(err, fs.ErrExist) {
			err = nil
		}
	}
	if err != nil {
		return "", fmt.Errorf("prepare the task's folder: %w", err)
	}
	return run, nil
}

// linkOver makes a symbolic link, in place of the file of that name in one moment.
func linkOver(target, name string) error {
	temp := name + ".new"
	err := removeIfThere(temp)
	if err == nil {
		err = os.Symlink(target, temp)
	}
	if err == nil {
		err = os.Rename(temp, name)
	}
	return err
}

func removeIfThere(name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// link is a short name of a container's run folder.
func (d *Driver) link(id string) string {
	return filepath.Join(d.config.RuntimeDir, "n-"+id[:min(len(id), 16)])
}

// tun is the device by which a container is in its networks; nil for one that is in none.
func tun(endpoints []*agentpb.Endpoint) (*netdev.Config, error) {
	if len(endpoints) == 0 {
		return nil, nil
	}
	t := &netdev.Config{Name: "eth0", MTU: netdev.MTU}
	for _, e := range endpoints {
		address, err := netip.ParseAddr(e.GetAddress())
		if err != nil {
			return nil, fmt.Errorf("network %s: %w", e.GetNetwork(), err)
		}
		t.Addresses = append(t.Addresses, netip.PrefixFrom(address, int(e.GetPrefix())))
		if gateway, err := netip.ParseAddr(e.GetGateway()); err == nil && len(t.Gateways) == 0 {
			t.Gateways = append(t.Gateways, gateway)
		}
	}
	return t, nil
}

// Target is where a task's agent is, on this machine.
func (d *Driver) Target(h offload.Handle) string {
	return "unix:" + filepath.Join(d.link(h.Container), socketName)
}

// Root is a running task's root directory, as this machine's programs reach it.
func (d *Driver) Root(h offload.Handle) string {
	c, err := d.running(h)
	if err != nil {
		return ""
	}
	defer c.Close()
	return c.Root()
}

// Restart starts a container again on its files.
func (d *Driver) Restart(ctx context.Context, h offload.Handle) error {
	if running, err := d.running(h); err == nil {
		return running.Close()
	}
	t, err := d.load(h.Container)
	if err != nil {
		return fmt.Errorf("find what the task was: %w", err)
	}
	return d.start(ctx, t.Spec)
}

// Stop ends a container. Its agent has been asked before.
func (d *Driver) Stop(ctx context.Context, h offload.Handle, _ time.Duration) error {
	c, err := d.running(h)
	if errdefs.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Kill(); err != nil {
		return err
	}
	return c.Wait(ctx)
}

// Remove frees what a container had, and its files.
func (d *Driver) Remove(ctx context.Context, h offload.Handle) error {
	dir := d.directory(h.Container)
	if t, err := d.load(h.Container); err == nil && t.Tags[offload.TagAttempt] != h.Attempt {
		return nil // a later attempt's
	}
	if err := native.Remove(ctx, filepath.Join(dir, nativeName)); err != nil && !errdefs.IsNotFound(err) {
		return err
	}
	var errs []error
	for _, name := range []string{d.link(h.Container), filepath.Join(dir, taskName)} {
		if err := removeIfThere(name); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Describe tells which tasks run.
func (d *Driver) Describe(_ context.Context, tasks []offload.Handle) ([]offload.Status, error) {
	all := make([]offload.Status, len(tasks))
	for i, h := range tasks {
		all[i] = offload.Status{Handle: h, State: offload.Stopped}
		if c, err := d.running(h); err == nil {
			all[i].State = offload.Running
			_ = c.Close() // only looked at
		}
	}
	return all, nil
}

// List finds the tasks by what is kept of them.
func (d *Driver) List(_ context.Context, instance string) ([]offload.Handle, error) {
	entries, err := os.ReadDir(d.config.Containers)
	if err != nil {
		return nil, fmt.Errorf("look for tasks: %w", err)
	}
	var all []offload.Handle
	for _, e := range entries {
		t, err := d.load(e.Name())
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("task of container %s: %w", e.Name(), err)
		}
		if t.Tags[offload.TagInstance] == instance {
			all = append(all, offload.TaggedHandle(e.Name(), t.Tags))
		}
	}
	return all, nil
}
