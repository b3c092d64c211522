package runtime

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"sync"

	"github.com/moby/moby/api/types/mount"

	"github.com/sockerless/sockerless/agent"
	"github.com/sockerless/sockerless/agent/agentpb"
	"github.com/sockerless/sockerless/store/mirror"
	"github.com/sockerless/sockerless/store/rootfs"
)

// mirrors are the volumes and folders of a container whose task is elsewhere and has copies of them. Changes travel when the task
// begins, before and after each exec, and when it ends.
type mirrors struct {
	link *link
	list []mirrored

	mu    sync.Mutex
	ended bool
}

type mirrored struct {
	*mirror.Mirror
	name   string // of the volume, or the folder
	target string
	copy   agent.Mounted
}

// mirrorsOf opens the mirrors of a container on an agent, once; nil where it has none.
func (e *Engine) mirrorsOf(c *container, d *definition, l *link) (*mirrors, error) {
	limits := l.backend.Limits()
	if !limits.VolumesApart {
		return nil, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mirrors != nil && c.mirrors.link == l {
		return c.mirrors, nil
	}
	all := &mirrors{link: l}
	mounts, err := e.mounts(c, d)
	if err != nil {
		return nil, err
	}
	for i, m := range mounts {
		if m.GetType() == agentpb.Mount_TMPFS {
			continue
		}
		opened, err := mirror.Open(mirror.Config{
			Source: m.GetSource(), Volume: m.GetType() == agentpb.Mount_VOLUME, ReadOnly: m.GetReadOnly(), Limit: limits.VolumeSize,
			Record: filepath.Join(e.directory(c.id), "mirrors", strconv.Itoa(i)),
		})
		if err != nil {
			return nil, errors.Join(err, all.close())
		}
		name := m.GetSource()
		if d.Mounts[i].Type == mount.TypeVolume {
			name = "volume " + d.Mounts[i].Name
		}
		all.list = append(all.list, mirrored{opened, name, m.GetTarget(), agent.Mounted{Client: l.Client, Container: c.id, Target: m.GetTarget()}})
	}
	c.mirrors = all
	return all, nil
}

func (s *mirrors) close() error {
	var errs []error
	for _, m := range s.list {
		errs = append(errs, m.Close())
	}
	return errors.Join(errs...)
}

// beginMirrors brings the copies of a task that begins, or is already there, up to date.
func (e *Engine) beginMirrors(ctx context.Context, c *container, d *definition, spec *agentpb.Container, l *link) error {
	if !l.backend.Limits().VolumesApart {
		return nil
	}
	if err := fillVolumes(spec); err != nil {
		return err
	}
	c.mu.Lock()
	known := c.mirrors != nil && c.mirrors.link == l
	c.mu.Unlock()
	all, err := e.mirrorsOf(c, d, l)
	if err != nil || len(all.list) == 0 {
		return err
	}
	if known {
		return e.exchange(ctx, c, d, l, nil)
	}
	if err := l.OpenContainer(ctx, spec); err != nil {
		return fmt.Errorf("open the container's files at %s: %w", l.backend.Name(), err)
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	for _, m := range all.list {
		stats, err := m.Begin(ctx, m.copy)
		if err != nil {
			return err
		}
		e.log.Debug("sent a volume", "container", c.id, "of", m.name, "to", l.backend.Name(), "bytes", stats.Sent)
	}
	return nil
}

// exchange brings a container's directories here and their copies together. Each file that both have changed is told, also to say.
func (e *Engine) exchange(ctx context.Context, c *container, d *definition, l *link, say func(string)) error {
	return e.withMirrors(c, d, l, say, func(m mirrored, conflict func(string)) (mirror.Stats, error) {
		return m.Exchange(ctx, m.copy, conflict)
	})
}

func (e *Engine) withMirrors(
	c *container, d *definition, l *link, say func(string), f func(m mirrored, conflict func(string)) (mirror.Stats, error),
) error {
	all, err := e.mirrorsOf(c, d, l)
	if err != nil || all == nil {
		return err
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.ended {
		return nil
	}
	var errs []error
	for _, m := range all.list {
		stats, err := f(m, func(name string) {
			text := fmt.Sprintf("%s was changed in the container on %s and on this machine at once: the one of the container is kept", path.Join(m.target, name), l.backend.Name())
			e.log.Warn(text, "container", c.id, "of", m.name)
			if say != nil {
				say(text)
			}
		})
		if stats != (mirror.Stats{}) {
			e.log.Debug("brought a volume together", "container", c.id, "of", m.name, "with", l.backend.Name(), "sent", stats.Sent, "fetched", stats.Fetched)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// endMirrors takes over what the run of a container that has ended has changed. It does nothing the second time.
func (e *Engine) endMirrors(c *container, l *link) error {
	if !l.backend.Limits().VolumesApart {
		return nil
	}
	d, err := e.definition(c)
	if err != nil {
		return err
	}
	ctx, stop := l.life(e.ctx)
	defer stop()
	err = e.withMirrors(c, d, l, nil, func(m mirrored, conflict func(string)) (mirror.Stats, error) { return m.End(ctx, m.copy, conflict) })
	if err != nil {
		return fmt.Errorf("%s: %w", lostChanges, err)
	}
	return nil
}

const lostChanges = "what was changed in volumes and folders since the last exec is lost"

// loseMirrors says what the end of an agent means for the directories of a container; "" is nothing.
func (e *Engine) loseMirrors(c *container, l *link) string {
	d, err := e.definition(c)
	if err != nil || !l.backend.Limits().VolumesApart || !c.record().running() {
		return ""
	}
	if !slices.ContainsFunc(d.Mounts, func(m mountPoint) bool { return m.Type != mount.TypeTmpfs && !m.ReadOnly }) {
		return ""
	}
	return ": " + lostChanges
}

// fetchExec takes over what an exec that ends has changed.
func (e *Engine) fetchExec(x *execution, say func(string)) {
	x.mu.Lock()
	l, ended := x.link, x.code != nil
	x.mu.Unlock()
	if l == nil || ended || !l.backend.Limits().VolumesApart {
		return
	}
	d, err := e.definition(x.container)
	if err == nil {
		ctx, stop := l.life(e.ctx)
		defer stop()
		err = e.exchange(ctx, x.container, d, l, say)
	}
	if err != nil {
		e.log.Warn("bring volumes together after an exec", "container", x.container.id, "error", err)
		if say != nil {
			say(err.Error())
		}
	}
}

// closeMirrors lets go of the directories of a container whose task is let go of. What was changed since its end, by docker cp,
// comes here first.
func (e *Engine) closeMirrors(c *container) {
	c.mu.Lock()
	all := c.mirrors
	c.mu.Unlock()
	if all == nil {
		return
	}
	if err := e.endMirrors(c, all.link); err != nil && e.ctx.Err() == nil {
		e.log.Warn("bring the volumes of a container back", "container", c.id, "error", err)
	}
	c.mu.Lock()
	c.mirrors = nil
	c.mu.Unlock()
	all.mu.Lock()
	defer all.mu.Unlock()
	all.ended = true
	if err := all.close(); err != nil {
		e.log.Warn("close the folders of a container", "container", c.id, "error", err)
	}
}

// fillVolumes gives new volumes what the image has at their places, for a task that does not see them.
func fillVolumes(spec *agentpb.Container) (err error) {
	if !slices.ContainsFunc(spec.GetMounts(), (*agentpb.Mount).GetCopyUp) {
		return nil
	}
	image, err := rootfs.OpenOverlay(spec.GetLayers(), "")
	if err != nil {
		return fmt.Errorf("read the image: %w", err)
	}
	defer func() { err = errors.Join(err, image.Close()) }()
	for _, m := range spec.GetMounts() {
		if m.GetCopyUp() {
			if err := rootfs.FillVolume(image, m.GetTarget(), m.GetSource()); err != nil {
				return err
			}
		}
	}
	return nil
}
