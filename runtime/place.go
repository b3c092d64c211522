package runtime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/mount"

	"github.com/sockerless/sockerless/agent"
	"github.com/sockerless/sockerless/agent/agentpb"
	imagestore "github.com/sockerless/sockerless/store/image"
)

// projectLabel is by what Compose marks the containers of a project.
const projectLabel = "com.docker.compose.project"

// backend finds a backend by its name; "" is the sandbox.
func (e *Engine) backend(name string) Backend {
	if name == "" {
		return e.cfg.Backend
	}
	for _, b := range e.backends() {
		if b.Name() == name {
			return b
		}
	}
	return nil
}

// backends are all that there are, the sandbox first.
func (e *Engine) backends() []Backend {
	all := []Backend{e.cfg.Backend}
	if e.cfg.Offload != nil {
		all = append(all, e.cfg.Offload.Backends()...)
	}
	return all
}

// place asks the policy where a container runs. One whose files are with a backend already runs there.
func (e *Engine) place(ctx context.Context, c *container, d *definition) (Placement, error) {
	if e.cfg.Offload == nil {
		return Placement{Where: InSandbox, Rule: "no offload", Refusal: "no offload is configured"}, nil
	}
	r := c.record()
	request := PlaceRequest{Image: e.imageOf(r, d), Labels: d.Config.Labels, Size: d.size()}
	for _, m := range d.Mounts {
		if m.Type == mount.TypeBind {
			request.Binds = append(request.Binds, m.Source)
		}
	}
	p, err := e.cfg.Offload.Place(ctx, request)
	if err != nil {
		return p, err
	}
	if home := e.home(c, r); home != "" {
		p.Where, p.Backends = Offloaded, []string{home}
	}
	return p, nil
}

// home is the name of the backend that has a container's files; "" is the sandbox.
func (e *Engine) home(c *container, r *record) string {
	if r.Home != "" || r.TwinBackend == "" {
		return r.Home
	}
	if _, err := os.Stat(filepath.Join(e.directory(c.id), agent.MovedName)); err != nil {
		return ""
	}
	return r.TwinBackend
}

// kept refuses what needs the files of a container whose task has ended on a platform that keeps none.
func (e *Engine) kept(c *container) error {
	r := c.record()
	b := e.backend(e.home(c, r))
	if r.Run == 0 || r.running() || b == nil || !b.Limits().NoRestart {
		return nil
	}
	return errdefs.ErrFailedPrecondition.WithMessage(fmt.Sprintf(
		"the files of container %.12s are gone with its task on %s: it cannot be started again nor copied from; create another one", c.id, b.Name()))
}

// checkPlace refuses, before it is made, a container that the policy does not allow, or that none of its backends can run.
func (e *Engine) checkPlace(ctx context.Context, c *container, d *definition) (Placement, error) {
	place, err := e.place(ctx, c, d)
	if err != nil || place.Where != Offloaded {
		return place, err
	}
	spec := &agentpb.Container{Id: c.id, ReadOnly: d.HostConfig.ReadonlyRootfs}
	for _, m := range d.Mounts {
		kind := agentpb.Mount_BIND
		switch {
		case m.Engine:
			kind = agentpb.Mount_ENGINE
		case m.Type == mount.TypeVolume:
			kind = agentpb.Mount_VOLUME
		case m.Type == mount.TypeTmpfs:
			kind = agentpb.Mount_TMPFS
		}
		spec.Mounts = append(spec.Mounts, &agentpb.Mount{Type: kind, Source: m.Source, Target: m.Target})
	}
	if err := e.cfg.Offload.Check(place, e.task(c, d, spec, place, false)); err != nil {
		return place, fmt.Errorf("the policy (%s) wants this container offloaded: %w", place.Rule, err)
	}
	return place, nil
}

// imageOf is a container's image as a backend is told it.
func (e *Engine) imageOf(r *record, d *definition) Image {
	i := Image{ID: r.ImageID, Name: r.Image, Platform: d.ImagePlatform}
	if i.Platform != "" {
		return i
	}
	i.Platform = d.Platform                                      // of a container that was made before definitions had it
	if img, err := e.cfg.Images.Resolve(r.ImageID); err == nil { // else it was removed by force
		i.Platform = imagePlatform(img)
	}
	return i
}

// imagePlatform is what an image runs on: "linux/arm64/v8".
func imagePlatform(img *imagestore.Image) string {
	return path.Join(img.Spec.OS, img.Spec.Architecture, img.Spec.Variant)
}

// size is what a container asks for of a machine.
func (d *definition) size() Size {
	return Size{CPU: float64(nanoCPUs(&d.HostConfig.Resources)) / 1e9, Memory: d.HostConfig.Memory}
}

// task is a container as a backend has to run it.
func (e *Engine) task(c *container, d *definition, spec *agentpb.Container, p Placement, twin bool) Task {
	h := d.HostConfig
	r := c.record()
	t := Task{
		Container: spec, Image: e.imageOf(r, d), Labels: d.Config.Labels,
		Project: d.Config.Labels[projectLabel], Size: p.Size, MaxDuration: p.MaxDuration, Twin: twin,
		HostNetwork: h.NetworkMode.IsHost(), Restarts: !h.RestartPolicy.IsNone(),
		Security: Security{
			Privileged: h.Privileged, CapAdd: h.CapAdd, CapDrop: h.CapDrop, Init: h.Init != nil && *h.Init, User: d.Config.User,
		},
	}
	for _, name := range d.networksInOrder() {
		if l, err := e.network(name); err == nil && l.named() { // else that is said at the start
			t.Networks = append(t.Networks, l.Name)
		}
	}
	own := d.size()
	if t.Size.CPU == 0 {
		t.Size.CPU = own.CPU
	}
	if t.Size.Memory == 0 {
		t.Size.Memory = own.Memory
	}
	for _, u := range h.Ulimits {
		t.Security.Ulimits = append(t.Security.Ulimits, Ulimit{Name: u.Name, Soft: u.Soft, Hard: u.Hard})
	}
	for _, option := range h.SecurityOpt {
		name, value, _ := strings.Cut(strings.Replace(option, ":", "=", 1), "=")
		switch {
		case name == "no-new-privileges":
			t.Security.NoNewPrivileges = value != "false"
		case name == "seccomp" && value == "unconfined":
			t.Security.Unconfined = true
		case name == "seccomp" && strings.HasPrefix(option, "seccomp="):
			t.Security.SeccompProfile = strings.TrimPrefix(option, "seccomp=")
		}
	}
	return t
}

// started is a first process that runs.
type started struct {
	link  *link
	reply *agentpb.StartReply
}

// startPlaced starts a container's first process where the policy and the command say: in the sandbox, or with a backend.
func (e *Engine) startPlaced(ctx context.Context, c *container, d *definition, spec *agentpb.Container, run int64) (started, error) {
	place, err := e.place(ctx, c, d)
	if err != nil {
		return started{}, err
	}
	p := d.process()
	p.Env = environment(d.Config.Hostname, d.Config.Tty, d.Config.Env)
	request := &agentpb.StartRequest{Container: spec, Process: p, Run: run}
	if place.Where != Offloaded {
		spec.Native = place.native()
		l, err := e.acquire(ctx, c, d, spec)
		if err != nil {
			return started{}, err
		}
		e.carry(c, l, false)
		reply, err := l.Start(ctx, request)
		if !place.promotes() || !needsNative(err) {
			return started{l, reply}, err
		}
	}
	if len(place.Backends) == 0 {
		return started{}, &agent.StartError{Code: 126, Message: "the policy (" + place.Rule + ") wants this container offloaded, but " + place.Refusal}
	}
	p.Env = agent.FilterEnv(p.Env, place.DropEnv)
	l, err := e.native(ctx, c, d, spec, place)
	if err != nil {
		return started{}, fmt.Errorf("offload: %w", err)
	}
	e.carry(c, l, false)
	reply, err := l.Start(ctx, request)
	return started{l, reply}, err
}

// native returns the agent of a backend for a container that is to run there as a whole, with the container's files: what
// was changed in the sandbox so far (docker cp) goes there, once.
func (e *Engine) native(ctx context.Context, c *container, d *definition, spec *agentpb.Container, place Placement) (*link, error) {
	b, client, err := e.cfg.Offload.Acquire(ctx, place, e.task(c, d, spec, place, false))
	if err != nil {
		return nil, err
	}
	l, err := e.link(client, b)
	if err != nil {
		return nil, err
	}
	fresh := e.home(c, c.record()) == ""
	if fresh {
		err = e.handOver(ctx, c, d, spec, l)
	}
	if err == nil {
		err = e.beginMirrors(ctx, c, d, spec, l)
	}
	if err != nil {
		e.closeMirrors(c)
		return nil, errors.Join(err, b.Release(context.WithoutCancel(ctx), c.id, fresh))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	next := *c.record()
	if next.Home == b.Name() && next.Agent == l.ID() {
		return l, nil
	}
	next.Home, next.Agent = b.Name(), l.ID()
	return l, e.commit(c, next)
}

// handOver sends what the sandbox has of a container's changes to a backend, and lets the sandbox forget the container.
func (e *Engine) handOver(ctx context.Context, c *container, d *definition, spec *agentpb.Container, to *link) error {
	cell := e.agentOf(c.record())
	if cell != nil && cell.backend != e.cfg.Backend {
		return nil
	}
	if cell == nil {
		if _, err := os.Stat(filepath.Join(e.directory(c.id), "upper")); errors.Is(err, os.ErrNotExist) {
			return nil // nothing was ever changed
		}
		var err error
		if cell, err = e.acquire(ctx, c, d, spec); err != nil {
			return err
		}
	}
	if err := cell.OpenContainer(ctx, spec); err != nil {
		return fmt.Errorf("open the container's files: %w", err)
	}
	if err := to.OpenContainer(ctx, spec); err != nil {
		return fmt.Errorf("open the container's files at %s: %w", to.backend.Name(), err)
	}
	if !spec.GetReadOnly() { // else nobody can have changed anything
		changes, err := cell.Delta(ctx, &agentpb.DeltaRequest{Container: c.id})
		if err != nil {
			return fmt.Errorf("read the container's changes: %w", err)
		}
		defer changes.Close()
		if err := to.Put(ctx, &agentpb.PutOpen{Container: c.id, Path: "/", Layer: true}, changes); err != nil {
			return fmt.Errorf("send the container's changes to %s: %w", to.backend.Name(), err)
		}
	}
	if err := cell.CloseContainer(ctx, c.id); err != nil {
		return fmt.Errorf("close the container's files in the sandbox: %w", err)
	}
	return nil
}

// needsNative tells that a command did not start since the sandbox cannot run it.
func needsNative(err error) bool {
	var failure *agent.StartError
	return errors.As(err, &failure) && failure.Native != ""
}

// promotes tells whether native programs of a container in the sandbox get a machine.
func (p Placement) promotes() bool { return p.Where == Auto && len(p.Backends) > 0 }

// native is the placement as a cell is told it.
func (p Placement) native() *agentpb.Native {
	return &agentpb.Native{Promote: p.promotes(), Refusal: p.Refusal, Bash: p.NativeBash, DropEnv: p.DropEnv}
}

// deliveryWait is how long a task whose container has ended is kept for the clients that have not got all output.
const deliveryWait = 10 * time.Second

// releaseLater ends what a run that has ended holds of its backends, once its attached clients have had its last output and
// that of its execs. Whoever uses the container before that does it first.
func (e *Engine) releaseLater(c *container) {
	c.mu.Lock()
	c.unreleased = true
	c.mu.Unlock()
	e.spawn(func() {
		waiting, cancel := context.WithTimeout(e.ctx, deliveryWait)
		defer cancel()
		select {
		case <-c.outputDelivered():
		case <-waiting.Done(): // somebody does not read, or waits for the next run
		}
		c.op.Lock()
		defer c.op.Unlock()
		e.releaseRun(c)
	})
}

// releaseRun ends what the last run of a container holds of its backends, once. c.op is held.
func (e *Engine) releaseRun(c *container) {
	r := c.record()
	c.mu.Lock()
	due := c.unreleased && !r.running() && !c.removing && !c.dying && !c.removed
	if due {
		c.unreleased = false
	}
	c.mu.Unlock()
	if due {
		e.letGo(c, r, false)
	}
}

// letGo ends what a container holds of its backends; with forget its files there go too. c.op is held.
func (e *Engine) letGo(c *container, r *record, forget bool) {
	e.closeMirrors(c)
	home := e.home(c, r)
	names := []string{home}
	if r.TwinBackend != "" && r.TwinBackend != home {
		names = append(names, r.TwinBackend)
	}
	for _, name := range names {
		b := e.backend(name)
		if b == nil {
			continue // it is not configured any more
		}
		if err := b.Release(context.WithoutCancel(e.ctx), c.id, forget || name != home); err != nil {
			e.log.Warn("end the task of a container", "container", c.id, "backend", name, "error", err)
		}
	}
}
