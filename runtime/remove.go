package runtime

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	types "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/events"

	"github.com/sockerless/sockerless/store/state"
)

// RemoveOptions of [Engine.ContainerRemove].
type RemoveOptions struct {
	Force   bool // kill it first
	Volumes bool // with its anonymous volumes
	Link    bool // not supported
}

// ContainerRemove removes a container with its files. Errors: errdefs.ErrConflict if it runs and Force is not set.
func (e *Engine) ContainerRemove(ctx context.Context, name string, opts RemoveOptions) error {
	c, err := e.lookup(name)
	if err != nil {
		return err
	}
	if opts.Link {
		return errdefs.ErrNotImplemented.WithMessage("links are not supported: there are none to remove")
	}
	if err := c.beginRemoval(); err != nil {
		return err
	}
	defer c.endRemoval()
	c.op.Lock()
	defer c.op.Unlock()
	r := c.record()
	if r.active() {
		if !opts.Force {
			if r.Status == types.StatePaused {
				return conflict("cannot remove container %q: container is paused and must be unpaused first", name)
			}
			return conflict("cannot remove container %q: container is %s: stop the container before removing or force remove", name, r.Status)
		}
		if err := e.killForRemoval(ctx, c); err != nil {
			return fmt.Errorf("cannot remove container %q: could not kill container: %w", name, err)
		}
	}
	if err := e.remove(c, opts); err != nil {
		return fmt.Errorf("cannot remove container %q: %w", name, err)
	}
	return nil
}

func (e *Engine) killForRemoval(ctx context.Context, c *container) error {
	d, err := e.definition(c)
	if err != nil {
		return err
	}
	if c.record().Status == types.StateRestarting {
		return e.endRestarting(c, d)
	}
	return e.kill(ctx, c, d)
}

func (c *container) beginRemoval() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.removing {
		return conflict("removal of container %s is already in progress", c.record().Name)
	}
	c.removing = true
	return nil
}

func (c *container) endRemoval() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.removing = false
}

// remove takes a container that does not run away: its records first, then its files. A kill in between leaves files
// without a record, which the next start removes. c.op is held.
func (e *Engine) remove(c *container, opts RemoveOptions) error {
	c.mu.Lock()
	removed := c.removed
	c.mu.Unlock()
	if removed {
		return nil
	}
	c.cancelRestart()
	d, err := e.definition(c)
	if err != nil {
		return err
	}
	ctx := context.WithoutCancel(e.ctx)
	var closing sync.WaitGroup
	r := c.record()
	if l := e.agentOf(r); l != nil {
		closing.Go(func() { e.closeOn(c, l) })
	}
	var volumes []string
	if opts.Volumes && slices.ContainsFunc(d.Mounts, func(m mountPoint) bool { return m.Anonymous }) {
		e.volumes.use.Lock()
		defer e.volumes.use.Unlock()
		volumes = e.ownVolumes(c, d)
	}
	changes := []state.Change{state.Delete(recordKey + c.id), state.Delete(definitionKey + c.id)}
	for _, name := range volumes {
		changes = append(changes, state.Delete(volumeKey+name))
	}
	err = e.cfg.State.Update(ctx, changes...)
	closing.Wait()
	if err != nil {
		return fmt.Errorf("store removal: %w", err)
	}
	e.letGo(c, r, true)
	e.forget(c)
	err = os.RemoveAll(e.directory(c.id))
	for _, name := range volumes {
		e.volumes.drop(name)
		err = errors.Join(err, e.volumes.removeFiles(name))
		e.volumeEvent(events.ActionDestroy, name)
	}
	e.containerEvent(c, d, events.ActionDestroy)
	c.notifyRemoval()
	c.dropAttachments()
	if _, err := e.cfg.Images.Resolve(r.ImageID); errdefs.IsNotFound(err) { // it was removed by force before
		e.spawn(e.collectImages)
	}
	if err != nil {
		// The container is gone for everybody; what is left of its files goes at the next start.
		e.log.Warn("remove files of a container", "container", c.id, "error", err)
	}
	return nil
}

// closeOn lets an agent forget a container that does not run.
func (e *Engine) closeOn(c *container, l *link) {
	err := l.CloseContainer(context.WithoutCancel(e.ctx), c.id)
	if err != nil && !errdefs.IsNotFound(err) && !errdefs.IsUnavailable(err) {
		e.log.Warn("close a container on its agent", "container", c.id, "agent", l.ID(), "error", err)
	}
}

// forget drops a container from memory, with its execs.
func (e *Engine) forget(c *container) {
	c.mu.Lock()
	c.removed = true
	execs := c.execs
	c.execs = nil
	c.stopHealth()
	c.mu.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.containers, c.id)
	if name := c.record().Name; e.names[name] == c.id {
		delete(e.names, name)
	}
	for id := range execs {
		delete(e.execs, id)
	}
}

// ownVolumes lists the anonymous volumes that no other container has.
func (e *Engine) ownVolumes(c *container, d *definition) []string {
	var own []string
	for _, m := range d.Mounts {
		if v := e.volumes.get(m.Name); m.Anonymous && v != nil && v.anonymous() {
			own = append(own, m.Name)
		}
	}
	if len(own) == 0 {
		return nil
	}
	for _, other := range e.all() {
		if other != c {
			own = slices.DeleteFunc(own, func(name string) bool { return slices.Contains(other.record().Volumes, name) })
		}
	}
	return own
}

// ContainerRename gives a container another name. Errors: errdefs.ErrConflict, errdefs.ErrInvalidArgument.
func (e *Engine) ContainerRename(_ context.Context, name, newName string) error {
	if name == "" || newName == "" {
		return invalid("Neither old nor new names may be empty")
	}
	c, err := e.lookup(name)
	if err != nil {
		return err
	}
	c.op.Lock()
	defer c.op.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.record().Name
	if c.removed || c.removing {
		return notFound("No such container: %s", name)
	}
	if "/"+old == newName || old == newName {
		return invalid("Renaming a container with the same name as its current name")
	}
	reserved, err := e.reserve(c.id, newName)
	if err != nil {
		return fmt.Errorf("Error when allocating new name: %w", err) // dockerd's text
	}
	next := *c.record()
	next.Name = reserved
	if err := e.commit(c, next); err != nil {
		e.release(reserved, c.id)
		return err
	}
	e.release(old, c.id)
	d, err := e.definitionLocked(c)
	if err != nil {
		return err
	}
	e.containerEvent(c, d, events.ActionRename, "oldName", "/"+old)
	return nil
}

var pruneFilters = filterKeys("label", "label!", "until")

// ContainerPrune removes the containers that do not run.
func (e *Engine) ContainerPrune(ctx context.Context, filters Filters) (types.PruneReport, error) {
	var report types.PruneReport
	if err := filters.check(pruneFilters); err != nil {
		return report, err
	}
	until, err := filters.until()
	if err != nil {
		return report, err
	}
	for _, c := range e.all() {
		if ctx.Err() != nil {
			return report, ctx.Err()
		}
		r := c.record()
		if r.active() || !until.IsZero() && r.Created.After(until) {
			continue
		}
		w, err := e.row(c)
		if err != nil || !filters.labels("label", w.labels) || !filters.noLabels("label!", w.labels) {
			continue
		}
		size := diskUsage(e.directory(c.id))
		if err := e.ContainerRemove(ctx, c.id, RemoveOptions{}); err != nil {
			e.log.Warn("prune a container", "container", c.id, "error", err)
			continue
		}
		report.ContainersDeleted = append(report.ContainersDeleted, c.id)
		report.SpaceReclaimed += uint64(size)
	}
	e.publish(events.ContainerEventType, events.ActionPrune, "", map[string]string{"reclaimed": strconv.FormatUint(report.SpaceReclaimed, 10)})
	return report, nil
}

// until reads the filter of this name: a time, or how long ago.
func (f Filters) until() (time.Time, error) {
	if !f.has("until") {
		return time.Time{}, nil
	}
	if len(f["until"]) > 1 {
		return time.Time{}, invalid("more than one until filter specified")
	}
	for v := range f["until"] {
		t, err := ParseTime(v, time.Now())
		if err != nil {
			return t, invalid("invalid filter 'until=%s': %s", v, err)
		}
		return t, nil
	}
	return time.Time{}, nil
}

// diskUsage is the number of bytes in the files under a folder; 0 where there is none.
func diskUsage(dir string) int64 {
	var sum int64
	// What cannot be read, or vanishes meanwhile, does not count.
	_ = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() {
			sum += info.Size()
		}
		return nil
	})
	return sum
}
