package runtime

import (
	"context"
	"strconv"
	"time"

	types "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/api/types/mount"

	"github.com/sockerless/sockerless/agent/agentpb"
)

// exit is how a run ended.
type exit struct {
	code int
	at   time.Time
	oom  bool
	why  string // where the code alone does not say
}

func exitOf(x *agentpb.Exit) exit {
	return exit{code: int(x.GetCode()), at: time.Unix(0, x.GetTime()).UTC(), oom: x.GetOutOfMemory(), why: x.GetError()}
}

// exited applies the end of a run, once: what is known already changes nothing. When it returns nil the end is stored.
// A run that is newer than the record is one whose start a killed server could not store any more.
func (e *Engine) exited(c *container, agentID string, run int64, x exit) error {
	c.mu.Lock()
	r := c.record()
	if c.removed || run < r.Run || run == r.Run && !r.running() {
		defer c.mu.Unlock()
		if c.unstored && !c.removed {
			return e.commit(c, *r)
		}
		return nil
	}
	d, err := e.definitionLocked(c)
	if err != nil {
		c.mu.Unlock()
		return err
	}
	next := *r
	next.Status, next.Pid, next.Leases, next.Ports = types.StateExited, 0, nil, nil
	next.ExitCode, next.FinishedAt, next.OOMKilled, next.Error = x.code, x.at, x.oom, x.why
	next.Run, next.Agent = run, agentID
	twin := e.twinOf(r)
	next.Twin, next.Home = "", e.home(c, r)
	if next.Home != "" {
		next.Agent = "" // it ends, or is a cell whose files have gone over to the twin
	}
	if next.StartedAt.IsZero() || run > r.Run {
		next.StartedAt = x.at
	}
	ran := x.at.Sub(next.StartedAt)
	delay, again := c.restartDelay(&d.HostConfig.RestartPolicy, &next, ran)
	if again {
		next.Status = types.StateRestarting
		next.RestartCount++
	}
	gone := d.HostConfig.AutoRemove && !c.removing && c.kept == 0
	if gone {
		// The record is deleted next; a write of the exit in between would be for nothing. A kill of the server in
		// between is no loss: the agent tells the exit again.
		c.current.Store(&next)
		c.dying = true
	} else if err = e.commit(c, next); err != nil {
		// It has ended all the same, and those who wait must learn it. The exit is not acknowledged, so that it is not lost.
		c.current.Store(&next)
		c.unstored = true
	}
	if again {
		c.delay = delay
		c.restart = time.AfterFunc(delay, func() { e.spawn(func() { e.restartByPolicy(c, run) }) })
	}
	c.stopHealth()
	c.mu.Unlock()
	e.leave(c, run)
	for _, m := range d.Mounts {
		if m.Type == mount.TypeVolume {
			e.publish(events.VolumeEventType, events.ActionUnmount, m.Name, map[string]string{"container": c.id, "driver": volumeDriver})
		}
	}
	if twin != nil {
		e.endTwin(c, twin)
	}
	if cell := e.agentOf(r); cell != nil && next.Home != "" && cell.backend == e.cfg.Backend {
		e.closeOn(c, cell)
	}
	if !gone && (!again || twin != nil) { // else the next run is on the same agent
		e.releaseLater(c)
	}
	further := []string{"execDuration", seconds(max(ran, 0)), "exitCode", strconv.Itoa(x.code)}
	if x.oom {
		e.containerEvent(c, d, events.ActionOOM)
	}
	e.containerEvent(c, d, events.ActionDie, further...)
	c.notifyExit()
	if gone {
		e.spawn(func() { e.autoRemove(c) })
	}
	return err
}

// autoRemove removes a container that was created with --rm, once its attached clients have had its last output.
func (e *Engine) autoRemove(c *container) {
	select {
	case <-c.outputDelivered():
	case <-e.ctx.Done():
		return
	}
	c.op.Lock()
	defer c.op.Unlock()
	if err := e.remove(c, RemoveOptions{Volumes: true}); err != nil {
		e.log.Error("remove a container that has ended", "container", c.id, "error", err)
	}
}

// The pause before a restart by policy: doubled each time, as moby's restartmanager does it.
const (
	firstDelay = 100 * time.Millisecond
	lastDelay  = time.Minute
	longRun    = 10 * time.Second // after which the pause begins anew
)

// restartDelay decides whether a container that has ended is started again, and when. c.mu is held.
func (c *container) restartDelay(p *types.RestartPolicy, next *record, ran time.Duration) (time.Duration, bool) {
	if next.Stopped || c.removing {
		return 0, false
	}
	switch p.Name {
	case types.RestartPolicyAlways, types.RestartPolicyUnlessStopped:
	case types.RestartPolicyOnFailure:
		if next.ExitCode == 0 || p.MaximumRetryCount > 0 && next.RestartCount >= p.MaximumRetryCount {
			return 0, false
		}
	default:
		return 0, false
	}
	if ran >= longRun || c.delay == 0 {
		return firstDelay, true
	}
	return min(2*c.delay, lastDelay), true
}

// restartByPolicy starts a container again, unless something has happened to it since.
func (e *Engine) restartByPolicy(c *container, run int64) {
	c.op.Lock()
	defer c.op.Unlock()
	if r := c.record(); r.Status != types.StateRestarting || r.Run != run || c.isRemoving() {
		return
	}
	if err := e.start(context.WithoutCancel(e.ctx), c, true); err != nil {
		e.log.Error("restart a container", "container", c.id, "error", err)
		c.notifyExit()
	}
}

// keep prevents --rm from taking the container away at its next exit, until release is called.
func (c *container) keep() (release func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept++
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.kept--
	}
}

// cancelRestart gives up a restart that is due.
func (c *container) cancelRestart() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.restart != nil {
		c.restart.Stop()
		c.restart = nil
	}
}
