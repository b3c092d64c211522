package runtime

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/containerd/errdefs"
	types "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/api/types/mount"

	"github.com/sockerless/sockerless/agent"
	"github.com/sockerless/sockerless/agent/agentpb"
)

// StartOptions of [Engine.ContainerStart].
type StartOptions struct {
	DetachKeys string // accepted as dockerd does; keys belong to an attach
}

// ContainerStart starts a container. Errors: errdefs.ErrNotModified if it runs, ErrInvalidArgument with Docker's text
// if its command cannot be started.
func (e *Engine) ContainerStart(ctx context.Context, name string, _ StartOptions) error {
	c, err := e.lookup(name)
	if err != nil {
		return err
	}
	c.op.Lock()
	defer c.op.Unlock()
	switch r := c.record(); {
	case c.isRemoving():
		return conflict("container is marked for removal and cannot be started")
	case r.Status == types.StatePaused:
		return conflict("cannot start a paused container, try unpause instead")
	case r.Status == types.StateRunning:
		return errdefs.ErrNotModified
	}
	// A client that goes away does not leave a start half done.
	return e.start(context.WithoutCancel(ctx), c, false)
}

func (c *container) isRemoving() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.removing || c.dying || c.removed
}

// start runs a container's first process. c.op is held.
func (e *Engine) start(ctx context.Context, c *container, byPolicy bool) error {
	c.cancelRestart()
	if err := e.kept(c); err != nil {
		return err
	}
	e.releaseRun(c)
	d, err := e.definition(c)
	if err != nil {
		return err
	}
	run := c.record().Run + 1
	c.mu.Lock()
	c.starting = run
	c.mu.Unlock()
	defer e.endStarting(c)
	l, reply, err := e.startOnAgent(ctx, c, d, run)
	if err != nil {
		e.releaseLater(c)
		return e.startFailed(c, d, err)
	}
	if err := e.startStored(c, d, l, run, reply, byPolicy); err != nil {
		// What cannot be remembered must not run.
		return errors.Join(err, l.Signal(ctx, c.id, "", sigKill))
	}
	return nil
}

// startOnAgent opens the container on an agent and starts it.
func (e *Engine) startOnAgent(ctx context.Context, c *container, d *definition, run int64) (*link, *agentpb.StartReply, error) {
	for _, m := range d.Mounts {
		if m.Type == mount.TypeVolume {
			e.publish(events.VolumeEventType, events.ActionMount, m.Name, map[string]string{
				"container": c.id, "destination": m.Target, "driver": volumeDriver, "propagation": "", "read/write": fmt.Sprint(!m.ReadOnly)})
		}
	}
	if err := e.join(c, d, run); err != nil {
		return nil, nil, err
	}
	spec, err := e.spec(c, d)
	if err != nil {
		return nil, nil, err
	}
	s, err := e.startPlaced(ctx, c, d, spec, run)
	return s.link, s.reply, err
}

// startStored records the start, tells who waits for it, and applies the exit if that has come already.
func (e *Engine) startStored(c *container, d *definition, l *link, run int64, reply *agentpb.StartReply, byPolicy bool) error {
	c.mu.Lock()
	next := *c.record()
	next.Status, next.Pid, next.ExitCode, next.Error, next.OOMKilled = types.StateRunning, reply.GetPid(), 0, "", false
	next.StartedAt = time.Unix(0, reply.GetStarted()).UTC()
	next.Run, next.Agent, next.Offset, next.Stopped = run, l.ID(), reply.GetOffset(), false
	e.note(c, &next)
	next.Twin, next.Promotion = "", nil
	if !byPolicy {
		next.RestartCount = 0
	}
	err := e.placeOutput(c, &next, l)
	if err == nil {
		err = e.commit(c, next)
	}
	if err == nil {
		err = e.collect(c, &next, l)
	}
	if err != nil {
		c.mu.Unlock()
		return err
	}
	waiting := c.attachments
	c.attachments = nil
	c.mu.Unlock()
	for _, a := range waiting {
		a.start(l, next.Offset)
	}
	e.containerEvent(c, d, events.ActionStart)
	e.watchHealth(c, d)
	e.endStarting(c)
	return nil
}

// endStarting ends a start, recorded or not; an exit that came meanwhile is applied now, and the start is answered
// without waiting for that.
func (e *Engine) endStarting(c *container) {
	c.mu.Lock()
	early := c.early
	c.starting, c.early = 0, nil
	c.mu.Unlock()
	for _, f := range early {
		e.spawn(f)
	}
}

// startFailed records why a container did not start, as dockerd does: the status stays, the exit code is 126, 127 or
// 128.
func (e *Engine) startFailed(c *container, d *definition, cause error) error {
	e.leave(c, 0)
	code := 128
	var failure *agent.StartError
	if errors.As(cause, &failure) {
		code = failure.Code
		cause = invalid("failed to create task for container: %s", failure.Message)
	}
	c.mu.Lock()
	next := *c.record()
	if next.Status == types.StateRestarting {
		next.Status = types.StateExited
	}
	next.ExitCode, next.Error, next.Pid = code, cause.Error(), 0
	if next.Home != "" {
		next.Agent = "" // it ends
	}
	err := e.commit(c, next)
	c.mu.Unlock()
	if err != nil {
		return errors.Join(cause, err)
	}
	e.endStarting(c)
	c.notifyFailedStart()
	if d.HostConfig.AutoRemove {
		if err := e.remove(c, RemoveOptions{Volumes: true}); err != nil {
			e.log.Error("remove a container that did not start", "container", c.id, "error", err)
		}
	}
	return cause
}
