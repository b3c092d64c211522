package runtime

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	types "github.com/moby/moby/api/types/container"

	"github.com/sockerless/sockerless/agent/agentpb"
)

// recover finds what went on while there was no server: containers that still run are adopted with their agents, exits
// that happened are applied, containers whose agent is gone are reported dead, what a kill left half done is finished.
func (e *Engine) recover(ctx context.Context) error {
	links, err := e.relink(ctx)
	if err != nil {
		return err
	}
	alive := map[string]int64{} // container → run
	for _, l := range links {
		for _, s := range l.Containers() {
			if e.isTwin(l, s) {
				continue
			}
			if s.GetRunning() {
				alive[s.GetContainer()] = s.GetRun()
			}
			if err := e.adopt(ctx, l, s); err != nil {
				return err
			}
		}
	}
	for _, l := range links {
		select { // the exits that were not told yet come first on the stream
		case <-l.ready:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for _, c := range e.all() {
		r := c.record()
		switch {
		case !r.running():
		case e.agentOf(r) == nil:
			code, why := e.fate(c, r)
			e.lost(c, r, code, why)
		case alive[c.id] != r.Run && r.StartedAt.Before(e.started):
			e.lost(c, r, lostCode(nil), "its exit was not recorded")
		}
	}
	e.rejoin()
	if err := e.sweep(); err != nil {
		return err
	}
	for _, c := range e.all() {
		e.resume(c)
	}
	e.spawn(e.collectImages)
	return nil
}

// relink connects to the agents that still run, on all backends.
func (e *Engine) relink(ctx context.Context) ([]*link, error) {
	var links []*link
	for _, b := range e.backends() {
		clients, err := b.Recover(ctx)
		if err != nil {
			return nil, fmt.Errorf("find the agents of %s that still run: %w", b.Name(), err)
		}
		for _, client := range clients {
			l, err := e.link(client, b)
			if err != nil {
				return nil, err
			}
			links = append(links, l)
		}
	}
	return links, nil
}

// isTwin tells whether an agent has a container as its twin only, and remembers it as such where the server was killed
// before it could.
func (e *Engine) isTwin(l *link, s *agentpb.ContainerState) bool {
	c := e.containers[s.GetContainer()]
	if c == nil || l.backend == e.cfg.Backend {
		return false
	}
	r := c.record()
	main := e.agentOf(r)
	if r.Twin != l.ID() && (main == nil || main == l || main.backend != e.cfg.Backend) {
		return false
	}
	next := *r
	next.Twin, next.TwinBackend = l.ID(), l.backend.Name()
	c.current.Store(&next)
	return true
}

// adopt takes over a container as its agent has it.
func (e *Engine) adopt(ctx context.Context, l *link, s *agentpb.ContainerState) error {
	c := e.containers[s.GetContainer()]
	if c == nil {
		// Its removal was stored, or its creation was not.
		if s.GetRunning() {
			if err := l.Signal(ctx, s.GetContainer(), "", sigKill); err != nil {
				e.log.Warn("kill a removed container", "container", s.GetContainer(), "error", err)
			}
			return nil
		}
		if err := l.CloseContainer(ctx, s.GetContainer()); err != nil {
			e.log.Warn("close a removed container", "container", s.GetContainer(), "error", err)
		}
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.record()
	next := *r
	next.Agent = l.ID()
	if l.backend != e.cfg.Backend {
		next.Home = l.backend.Name()
	}
	switch {
	case !s.GetRunning():
		if !r.running() { // open for its files, which need not be stored
			c.current.Store(&next)
		}
		return nil
	case s.GetRun() < r.Run:
		return nil
	case s.GetRun() > r.Run: // started, and the server was killed before it could store that
		next.Run, next.Pid, next.ExitCode, next.Error = s.GetRun(), s.GetPid(), 0, ""
		next.StartedAt = time.Now().UTC()
	case !r.running(): // it has ended meanwhile
		return nil
	}
	next.Status = types.StateRunning
	if s.GetPaused() {
		next.Status = types.StatePaused
	}
	if next.Run != r.Run {
		if err := e.placeOutput(c, &next, l); err != nil {
			return err
		}
	}
	if next.Status != r.Status || next.Run != r.Run {
		if err := e.commit(c, next); err != nil {
			return err
		}
	}
	return e.collect(c, &next, l)
}

// sweep removes the files of containers that are gone. What cannot be removed costs its space, and is no reason not to serve.
func (e *Engine) sweep() error {
	dir := filepath.Join(e.cfg.DataDir, "containers")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("find files of removed containers: %w", err)
	}
	for _, entry := range entries {
		if e.containers[entry.Name()] == nil {
			if err := os.RemoveAll(filepath.Join(dir, entry.Name())); err != nil {
				e.log.Warn("remove files of a removed container: tried again at the next start", "error", err)
			}
		}
	}
	return nil
}

// resume brings back what a container had from the earlier server: its health check, or a start by its restart policy.
func (e *Engine) resume(c *container) {
	r := c.record()
	if r.running() {
		d, err := e.definition(c)
		if err != nil {
			e.log.Error("resume a container", "container", c.id, "error", err)
			return
		}
		e.watchHealth(c, d)
		return
	}
	if r.Run == 0 || r.Status == types.StateCreated {
		return
	}
	d, err := e.definition(c)
	if err != nil {
		e.log.Error("resume a container", "container", c.id, "error", err)
		return
	}
	policy := d.HostConfig.RestartPolicy
	again := r.Status == types.StateRestarting || policy.IsAlways() || policy.IsUnlessStopped() && !r.Stopped
	if !again || c.restartDue() {
		return
	}
	e.spawn(func() {
		c.op.Lock()
		defer c.op.Unlock()
		if c.record().active() && c.record().Status != types.StateRestarting || c.isRemoving() {
			return
		}
		if err := e.start(context.WithoutCancel(e.ctx), c, true); err != nil {
			e.log.Error("start a container by its restart policy", "container", c.id, "error", err)
		}
	})
}

// restartDue tells whether a restart is coming already: of an exit that was applied at this start.
func (c *container) restartDue() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.restart != nil
}

// fate is how a container's task ended while there was no server, as far as its backend knows.
func (e *Engine) fate(c *container, r *record) (code int, why string) {
	b := e.backend(r.Home)
	if b == nil {
		return lostCode(nil), "its backend " + r.Home + " is not configured any more"
	}
	code, why = lostCode(nil), "its "+b.Name()+" agent ended while the server was down"
	if known, ok := b.(interface{ Fate(string) error }); ok {
		if err := known.Fate(c.id); err != nil {
			code, why = lostCode(err), why+": "+err.Error()
		}
	}
	return code, why
}
