package runtime

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/containerd/errdefs"
	types "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/events"
)

// StopOptions of [Engine.ContainerStop] and [Engine.ContainerRestart].
type StopOptions struct {
	Signal  string // empty: the container's
	Timeout *int   // seconds until SIGKILL, -1 never; nil: the container's
}

// ContainerStop stops a container. Errors: errdefs.ErrNotModified if it does not run.
func (e *Engine) ContainerStop(ctx context.Context, name string, opts StopOptions) error {
	c, err := e.lookup(name)
	if err != nil {
		return err
	}
	if !c.record().active() {
		return errdefs.ErrNotModified
	}
	if err := e.stop(ctx, c, opts, true); err != nil {
		return fmt.Errorf("cannot stop container: %s: %w", name, err)
	}
	return nil
}

// stop ends the run of a container and waits for it. byUser keeps a restart policy from starting it again.
func (e *Engine) stop(ctx context.Context, c *container, opts StopOptions, byUser bool) error {
	d, err := e.definition(c)
	if err != nil {
		return err
	}
	signal, timeout := d.stopSignal(), d.stopTimeout()
	if opts.Signal != "" {
		if signal, err = parseSignal(opts.Signal); err != nil {
			return err
		}
	}
	if opts.Timeout != nil {
		timeout = *opts.Timeout
	}
	if err := e.markStopped(c, byUser); err != nil {
		return err
	}
	ended := c.exitWaiter()
	if ended == nil {
		return e.endRestarting(c, d)
	}
	defer ended.Close()
	if err := e.signal(ctx, c, d, signal); err != nil && !errdefs.IsConflict(err) {
		return err
	}
	grace, cancel := ctx, context.CancelFunc(func() {})
	if timeout >= 0 {
		grace, cancel = context.WithTimeout(ctx, time.Duration(timeout)*time.Second)
	}
	_, err = ended.Result(grace)
	cancel()
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := e.kill(ctx, c, d); err != nil {
			return err
		}
	}
	e.containerEvent(c, d, events.ActionStop)
	return nil
}

// markStopped stores that the user wants the container stopped, before it stops: a kill of the server in between must
// not bring it to life again.
func (e *Engine) markStopped(c *container, byUser bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.record()
	if r.Stopped || !byUser && r.Status != types.StateRestarting {
		return nil
	}
	d, err := e.definitionLocked(c)
	if err != nil {
		return err
	}
	next := *r
	next.Stopped = true
	if d.HostConfig.RestartPolicy.IsNone() { // then nothing depends on it, and no write is needed
		c.current.Store(&next)
		return nil
	}
	return e.commit(c, next)
}

// endRestarting ends a container that is between two runs.
func (e *Engine) endRestarting(c *container, d *definition) error {
	c.cancelRestart()
	c.mu.Lock()
	r := c.record()
	if r.Status != types.StateRestarting {
		c.mu.Unlock()
		return nil
	}
	next := *r
	next.Status = types.StateExited
	err := e.commit(c, next)
	c.mu.Unlock()
	if err != nil {
		return err
	}
	e.releaseLater(c)
	c.notifyExit()
	e.containerEvent(c, d, events.ActionStop)
	return nil
}

// signal sends a signal to a container's first process, and lets a frozen container go on so that it can act on it.
func (e *Engine) signal(ctx context.Context, c *container, d *definition, signal int) error {
	r := c.record()
	l := e.agentOf(r)
	if !r.running() || l == nil {
		return conflict("container %s is not running", c.id)
	}
	err := l.Signal(ctx, c.id, "", signal)
	if noProcess(err) { // its exit is on its way
		return conflict("container %s is not running", c.id)
	}
	if err != nil {
		return fmt.Errorf("send signal %d: %w", signal, err)
	}
	e.containerEvent(c, d, events.ActionKill, "signal", strconv.Itoa(signal))
	if r.Status == types.StatePaused && (signal == sigKill || signal == d.stopSignal()) {
		err = e.setPaused(ctx, c, d, l, false)
	}
	if noProcess(err) { // of the signal, frozen as it was
		err = nil
	}
	return err
}

// noProcess tells whether an agent's error says that there is no process any more, or no agent.
func noProcess(err error) bool {
	return errdefs.IsNotFound(err) || errdefs.IsFailedPrecondition(err) || errdefs.IsUnavailable(err)
}

// killWait is how long a killed process may take to end before docker kill gives up waiting.
const killWait = 10 * time.Second

// kill sends SIGKILL and waits for the end.
func (e *Engine) kill(ctx context.Context, c *container, d *definition) error {
	ended := c.exitWaiter()
	if ended == nil {
		return nil
	}
	defer ended.Close()
	if err := e.signal(ctx, c, d, sigKill); err != nil && !errdefs.IsConflict(err) {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, killWait)
	defer cancel()
	if _, err := ended.Result(limited); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return errdefs.ErrInternal.WithMessage(fmt.Sprintf("tried to kill container, but did not receive an exit event in %s", killWait))
	}
	return nil
}

// ContainerKill sends a signal, by name or number; empty is SIGKILL, which is waited for. Errors: errdefs.ErrConflict
// if the container does not run.
func (e *Engine) ContainerKill(ctx context.Context, name, signal string) error {
	number := sigKill
	if signal != "" {
		n, err := parseSignal(signal)
		if err != nil {
			return err
		}
		number = n
	}
	c, err := e.lookup(name)
	if err != nil {
		return err
	}
	d, err := e.definition(c)
	if err != nil {
		return err
	}
	r := c.record()
	if !r.active() {
		return conflict("container %s is not running", c.id)
	}
	if number == sigKill || number == d.stopSignal() {
		if err := e.markStopped(c, true); err != nil {
			return err
		}
		if r.Status == types.StateRestarting {
			return e.endRestarting(c, d)
		}
	}
	if number == sigKill {
		return e.kill(ctx, c, d)
	}
	return e.signal(ctx, c, d, number)
}

// ContainerRestart stops a container if it runs, and starts it.
func (e *Engine) ContainerRestart(ctx context.Context, name string, opts StopOptions) error {
	c, err := e.lookup(name)
	if err != nil {
		return err
	}
	if err := e.containerRestart(ctx, c, opts); err != nil {
		return fmt.Errorf("Cannot restart container %s: %w", name, err) // dockerd's text
	}
	return nil
}

func (e *Engine) containerRestart(ctx context.Context, c *container, opts StopOptions) error {
	if c.record().active() {
		// --rm must not take a container away that is about to start again.
		release := c.keep()
		defer release()
		if err := e.stop(ctx, c, opts, true); err != nil {
			return err
		}
	}
	c.op.Lock()
	defer c.op.Unlock()
	if c.isRemoving() {
		return conflict("container is marked for removal and cannot be started")
	}
	if c.record().Status != types.StateRunning {
		if err := e.start(context.WithoutCancel(ctx), c, false); err != nil {
			return err
		}
	}
	e.event(c, events.ActionRestart)
	return nil
}

// ContainerPause freezes the processes of a container. Errors: errdefs.ErrConflict.
func (e *Engine) ContainerPause(ctx context.Context, name string) error {
	return e.pause(ctx, name, true)
}

// ContainerUnpause lets the processes of a container go on. Errors: errdefs.ErrConflict.
func (e *Engine) ContainerUnpause(ctx context.Context, name string) error {
	return e.pause(ctx, name, false)
}

func (e *Engine) pause(ctx context.Context, name string, paused bool) error {
	c, err := e.lookup(name)
	if err != nil {
		return err
	}
	d, err := e.definition(c)
	if err != nil {
		return err
	}
	c.op.Lock()
	defer c.op.Unlock()
	r := c.record()
	switch {
	case !paused && r.Status != types.StatePaused && r.Status != types.StateRunning || r.Status == types.StateRunning && !paused:
		return conflict("Container %s is not paused", c.id)
	case paused && !r.active():
		return conflict("Container %s is not running", c.id)
	case paused && r.Status == types.StatePaused:
		return conflict("Container %s is already paused", c.id)
	case paused && r.Status == types.StateRestarting:
		return conflict("Container %s is restarting, wait until the container is running", c.id)
	}
	l := e.agentOf(r)
	if l == nil {
		return conflict("Container %s is not running", c.id)
	}
	return e.setPaused(ctx, c, d, l, paused)
}

func (e *Engine) setPaused(ctx context.Context, c *container, d *definition, l *link, paused bool) error {
	err := l.Pause(ctx, c.id, paused)
	if twin := e.twinOf(c.record()); err == nil && twin != nil {
		err = twin.Pause(ctx, c.id, paused)
	}
	if err != nil {
		verb := "pause"
		if !paused {
			verb = "unpause"
		}
		return fmt.Errorf("cannot %s container %s: %w", verb, c.id, err)
	}
	status, action := types.StatePaused, events.ActionPause
	if !paused {
		status, action = types.StateRunning, events.ActionUnPause
	}
	c.mu.Lock()
	next := *c.record()
	if !next.running() || next.Status == status {
		c.mu.Unlock()
		return nil
	}
	next.Status = status
	err = e.commit(c, next)
	c.mu.Unlock()
	if err != nil {
		return errors.Join(err, l.Pause(ctx, c.id, !paused))
	}
	e.containerEvent(c, d, action)
	return nil
}

// ContainerResize sets the size of a container's terminal; without one it does nothing but the event, as dockerd.
func (e *Engine) ContainerResize(ctx context.Context, name string, rows, columns uint32) error {
	c, err := e.lookup(name)
	if err != nil {
		return err
	}
	r := c.record()
	l := e.agentOf(r)
	if !r.running() || l == nil {
		return conflict("container %s is not running", c.id)
	}
	if err := l.Resize(ctx, c.id, "", rows, columns); err != nil && !errdefs.IsFailedPrecondition(err) && !errdefs.IsNotFound(err) {
		return fmt.Errorf("resize container %s: %w", c.id, err)
	}
	e.event(c, events.ActionResize, "height", strconv.FormatUint(uint64(rows), 10), "width", strconv.FormatUint(uint64(columns), 10))
	return nil
}
