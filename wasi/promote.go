package wasi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"sync"
	"time"

	"github.com/containerd/errdefs"

	"github.com/sockerless/sockerless/agent"
	"github.com/sockerless/sockerless/agent/agentpb"
	"github.com/sockerless/sockerless/store/rootfs"
)

// twins is a container's way to native programs: nobody has asked yet, the server is asked, or there is a twin.
type twins struct {
	mu    sync.Mutex
	twin  *twin
	asked *asked // nil while nobody waits
}

// asked is a question to the server that processes wait for.
type asked struct {
	done chan struct{}
	twin *twin
	err  error
}

// twin is the machine where a container's native programs run.
type twin struct {
	client *agent.Client
	target string
	root   string // the twin's root on this machine, shared from now on; "" where files are sent to and fro

	mirrors []mirrored // volumes and folders that it does not see

	sync  sync.Mutex             // of the files that are not shared
	marks map[string]rootfs.Mark // up to where the twin knows them, by where they are mounted
}

// shared tells whether container and twin have the same files.
func (t *twin) shared() bool { return t.root != "" }

// ask asks the server for a twin, unless it is asked already; c.twins.mu is held.
func (c *container) ask(program, why string) *asked {
	if c.twins.asked == nil {
		c.twins.asked = &asked{done: make(chan struct{})}
		c.cell.needNative(c.spec.GetId(), program, why)
	}
	return c.twins.asked
}

// plan looks ahead at what a process that is started from outside comes to: what is native as a whole is not started here,
// and for what comes to a native program later the twin is asked for at once.
func (c *container) plan(view *rootfs.View, env, args []string) error {
	if !c.spec.GetNative().GetPromote() {
		return nil
	}
	c.twins.mu.Lock()
	has := c.twins.twin != nil
	c.twins.mu.Unlock()
	if has {
		return nil
	}
	plan := c.cell.programs.analyzer(c.spec.GetNative().GetBash()).Analyze(context.Background(), view, env, "", args)
	switch {
	case !plan.Native || len(plan.Programs) == 0:
	case plan.Whole:
		p := plan.Programs[0]
		return &agent.StartError{
			Code: 126, Native: p.Path, Message: fmt.Sprintf("exec: %q: permission denied: %s is %s: %s", args[0], p.Path, p.Why, plan.Reason),
		}
	case plan.Certain:
		c.twins.mu.Lock()
		c.ask(plan.Programs[0].Path, plan.Programs[0].Why)
		c.twins.mu.Unlock()
	}
	return nil
}

// native returns the container's twin, and waits for it where there is none yet.
func (c *container) native(ctx context.Context, program, why string) (*twin, error) {
	c.twins.mu.Lock()
	if t := c.twins.twin; t != nil {
		c.twins.mu.Unlock()
		return t, nil
	}
	a := c.ask(program, why)
	c.twins.mu.Unlock()
	select {
	case <-a.done:
		return a.twin, a.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// lose forgets a twin that does not answer any more: the next native program asks for another one.
func (c *container) lose(t *twin) {
	c.twins.mu.Lock()
	defer c.twins.mu.Unlock()
	if c.twins.twin == t {
		c.twins.twin = nil
	}
}

// endTwins is the end of a run: its twin is the server's to end, after what native programs that were killed have changed in
// volumes and folders is here.
func (c *container) endTwins(out agent.Sink) {
	c.twins.mu.Lock()
	t := c.twins.twin
	c.twins.twin = nil
	c.twins.mu.Unlock()
	if t != nil {
		t.last(out)
		_ = t.close() // the twin is nobody's any more
	}
}

// Promote tells a container's processes where their twin is, or why there is none. The container's changes go there first.
func (c *Cell) Promote(ctx context.Context, r *agentpb.PromoteRequest) (*agentpb.PromoteReply, error) {
	found, err := c.container(r.GetContainer())
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	var t *twin
	var sent rootfs.DeltaStats
	if r.GetError() != "" {
		err = errors.New(r.GetError())
	} else {
		t, sent, err = found.promote(ctx, r)
	}
	found.twins.mu.Lock()
	if err == nil {
		found.twins.twin = t
	}
	if a := found.twins.asked; a != nil {
		a.twin, a.err = t, err
		close(a.done)
		found.twins.asked = nil
	}
	found.twins.mu.Unlock()
	if r.GetError() != "" {
		err = nil
	}
	return &agentpb.PromoteReply{Bytes: sent.Bytes, Files: sent.Files, Duration: int64(time.Since(begun))}, err
}

// promote connects to a twin and sends it what has changed; from then on the files are shared where both are on one machine.
func (c *container) promote(ctx context.Context, r *agentpb.PromoteRequest) (*twin, rootfs.DeltaStats, error) {
	var none rootfs.DeltaStats
	release, err := c.usable()
	if err != nil {
		return nil, none, err
	}
	defer release()
	c.twins.mu.Lock()
	t := c.twins.twin
	c.twins.mu.Unlock()
	if t != nil && t.target == r.GetTarget() {
		return t, none, nil
	}
	client, err := agent.Dial(ctx, r.GetTarget(), c.spec.GetId())
	if err != nil {
		return nil, none, err
	}
	t = &twin{client: client, target: r.GetTarget(), root: r.GetRoot(), marks: map[string]rootfs.Mark{}}
	var sent rootfs.DeltaStats
	if t.shared() {
		sent, err = c.move(ctx, t)
	} else {
		sent, err = c.send(ctx, t)
	}
	if err == nil && r.GetVolumesApart() {
		var more rootfs.DeltaStats
		more, err = c.beginMirrors(ctx, t, r.GetVolumeLimit())
		sent.Bytes += more.Bytes
	}
	if err != nil {
		return nil, sent, errors.Join(err, t.close())
	}
	return t, sent, nil
}

// move sends what was changed to the twin and goes over to the twin's files, in one step that no write can fall into.
func (c *container) move(ctx context.Context, t *twin) (rootfs.DeltaStats, error) {
	sent, err := c.moveOne(ctx, t, c.overlay, "/", func() error {
		return os.WriteFile(filepath.Join(c.spec.GetDirectory(), agent.MovedName), []byte(t.target+"\n"), 0o600)
	})
	if err != nil {
		return sent, err
	}
	for _, m := range c.tree.Mounts() {
		tmpfs, ok := m.FS.(*rootfs.Overlay)
		if !ok || !c.wanted(m.Path) {
			continue
		}
		more, err := c.moveOne(ctx, t, tmpfs, m.Path, nil)
		if err != nil {
			return sent, fmt.Errorf("%s: %w", m.Path, err)
		}
		sent.Bytes += more.Bytes
		sent.Files += more.Files
	}
	return sent, nil
}

// wanted tells the container's own tmpfs mounts from those that every container has.
func (c *container) wanted(target string) bool {
	for _, m := range c.spec.GetMounts() {
		if m.GetType() == agentpb.Mount_TMPFS && path.Clean(m.GetTarget()) == target {
			return true
		}
	}
	return false
}

func (c *container) moveOne(ctx context.Context, t *twin, o *rootfs.Overlay, at string, before func() error) (rootfs.DeltaStats, error) {
	put := func(tar io.Reader) error {
		if at == "/" && c.spec.GetReadOnly() { // but for mount points, which the twin has too, nothing can have changed
			_, err := io.Copy(io.Discard, tar)
			return err
		}
		return t.client.Put(ctx, &agentpb.PutOpen{Container: c.spec.GetId(), Path: at, Layer: true}, tar)
	}
	open := func() (rootfs.FS, error) {
		to, err := rootfs.NewHostDir(filepath.Join(t.root, filepath.FromSlash(at)), rootfs.HostOptions{})
		if err == nil && before != nil {
			err = before()
		}
		return to, err
	}
	if o.Moved() { // with an earlier twin, which is gone: the files are there, or were a tmpfs of its
		to, err := open()
		if err != nil {
			return rootfs.DeltaStats{}, err
		}
		return rootfs.DeltaStats{}, o.Move(to)
	}
	return o.Transfer(rootfs.Mark{}, put, open)
}

// apart are the file systems of the container whose changes are sent to and fro, by where they are mounted.
func (c *container) apart() map[string]*rootfs.Overlay {
	all := map[string]*rootfs.Overlay{}
	if !c.spec.GetReadOnly() { // but for mount points, which the twin has too, nothing can have changed
		all["/"] = c.overlay
	}
	for _, m := range c.tree.Mounts() {
		if tmpfs, ok := m.FS.(*rootfs.Overlay); ok && !m.ReadOnly && c.wanted(m.Path) {
			all[m.Path] = tmpfs
		}
	}
	return all
}

// send brings a twin that has files of its own up to date. t.sync is held, or the twin is nobody else's yet.
func (c *container) send(ctx context.Context, t *twin) (all rootfs.DeltaStats, err error) {
	for at, o := range c.apart() {
		stats, err := c.sendOne(ctx, t, o, at)
		all.Bytes += stats.Bytes
		all.Files += stats.Files
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

func (c *container) sendOne(ctx context.Context, t *twin, o *rootfs.Overlay, at string) (rootfs.DeltaStats, error) {
	r, w := io.Pipe()
	sent := make(chan error, 1)
	go func() {
		err := t.client.Put(ctx, &agentpb.PutOpen{Container: c.spec.GetId(), Path: at, Layer: true}, r)
		_ = r.CloseWithError(errors.Join(err, io.ErrClosedPipe)) // the writer need not go on
		sent <- err
	}()
	mark, stats, err := o.Delta(w, t.marks[at])
	_ = w.CloseWithError(err) // nil is the end
	if putErr := <-sent; putErr != nil {
		return stats, fmt.Errorf("send the changed files of %s: %w", at, putErr)
	}
	if err != nil {
		return stats, fmt.Errorf("read the changed files of %s: %w", at, err)
	}
	t.marks[at] = mark
	return stats, nil
}

// fetch takes over what native programs have changed. t.sync is held. Where both sides changed a file, the native one counts.
func (c *container) fetch(ctx context.Context, t *twin, conflict func(name string)) error {
	for at := range c.apart() {
		mounted := at
		if at == "/" {
			mounted = ""
		}
		tar, err := t.client.Delta(ctx, &agentpb.DeltaRequest{Container: c.spec.GetId(), Path: mounted})
		if err != nil {
			return fmt.Errorf("fetch what native programs changed in %s: %w", at, err)
		}
		options := rootfs.ApplyLayerOptions{Since: t.marks[at], Conflict: conflict}
		_, err = c.tree.View(rootfs.Cred{}).ApplyLayer(tar, at, options)
		if err = errors.Join(err, tar.Close()); err != nil {
			return fmt.Errorf("take over what native programs changed: %w", err)
		}
	}
	return nil // the marks stay: what was taken over does not count as changed since them, what others wrote meanwhile does
}

// Delta writes what has changed in a container's files since the image, as the tar of an OCI layer.
func (c *Cell) Delta(_ context.Context, r *agentpb.DeltaRequest, w io.Writer) error {
	found, err := c.container(r.GetContainer())
	if err != nil {
		return err
	}
	release, err := found.usable()
	if err != nil {
		return err
	}
	defer release()
	switch {
	case r.GetPath() != "":
		return errdefs.ErrNotImplemented.WithMessage("what is mounted in the sandbox is on this machine: its changes are not asked for")
	case found.overlay.Moved():
		return errdefs.ErrFailedPrecondition.WithMessage("the files of container " + r.GetContainer() + " are with its twin")
	}
	_, _, err = found.overlay.Delta(w, rootfs.Mark{})
	return err
}
