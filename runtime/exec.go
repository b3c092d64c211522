package runtime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	types "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/events"

	"github.com/sockerless/sockerless/agent"
	"github.com/sockerless/sockerless/agent/agentpb"
)

// execution is an exec. It lives in memory only, as dockerd's does: after a restart of the server it is unknown.
type execution struct {
	id        string
	container *container
	request   types.ExecCreateRequest
	keys      []byte

	mu      sync.Mutex
	started bool
	pid     int64
	link    *link // once it has started
	code    *int  // once it has ended
	ended   time.Time
}

// keptExecs is how long an exec that has ended can be inspected.
const keptExecs = 5 * time.Minute

// ExecCreate prepares another process in a running container. Errors: errdefs.ErrNotFound, ErrConflict (not running),
// ErrInvalidArgument.
func (e *Engine) ExecCreate(_ context.Context, name string, req types.ExecCreateRequest) (id string, err error) {
	if len(req.Cmd) == 0 {
		return "", invalid("No exec command specified")
	}
	keys, err := parseDetachKeys(req.DetachKeys)
	if err != nil {
		return "", err
	}
	c, err := e.lookup(name)
	if err != nil {
		return "", err
	}
	switch r := c.record(); {
	case r.Status == types.StateRestarting:
		return "", conflict("Container %s is restarting, wait until the container is running", name)
	case !r.running():
		return "", conflict("container %s is not running", c.id)
	case r.Status == types.StatePaused:
		return "", conflict("Container %s is paused, unpause the container before exec", name)
	}
	d, err := e.definition(c)
	if err != nil {
		return "", err
	}
	if id, err = randomID(); err != nil {
		return "", err
	}
	x := &execution{id: id, container: c, request: req, keys: keys}
	c.mu.Lock()
	if c.removed {
		c.mu.Unlock()
		return "", notFound("No such container: %s", name)
	}
	forgotten := c.forgetExecs(time.Now())
	if c.execs == nil {
		c.execs = map[string]*execution{}
	}
	c.execs[id] = x
	c.mu.Unlock()
	e.mu.Lock()
	for _, old := range forgotten {
		delete(e.execs, old)
	}
	e.execs[id] = x
	e.mu.Unlock()
	e.execEvent(x, d, "exec_create: "+x.command())
	return id, nil
}

// forgetExecs drops those that ended long ago. c.mu is held.
func (c *container) forgetExecs(now time.Time) []string {
	if now.Before(c.swept.Add(keptExecs)) {
		return nil
	}
	c.swept = now
	var ids []string
	for id, x := range c.execs {
		x.mu.Lock()
		if x.code != nil && now.Sub(x.ended) > keptExecs {
			ids = append(ids, id)
			delete(c.execs, id)
		}
		x.mu.Unlock()
	}
	return ids
}

// command is how events show it (moby's daemon/exec.go).
func (x *execution) command() string {
	return x.request.Cmd[0] + " " + strings.Join(x.request.Cmd[1:], " ")
}

func (e *Engine) execEvent(x *execution, d *definition, action string, further ...string) {
	e.containerEvent(x.container, d, events.Action(action), append(further, "execID", x.id)...)
}

func (e *Engine) lookupExec(id string) (*execution, error) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if x := e.execs[id]; x != nil {
		return x, nil
	}
	return nil, notFound("No such exec instance: %s", id)
}

// ExecInspect describes an exec. Errors: errdefs.ErrNotFound.
func (e *Engine) ExecInspect(_ context.Context, id string) (types.ExecInspectResponse, error) {
	x, err := e.lookupExec(id)
	if err != nil {
		return types.ExecInspectResponse{}, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	q := &x.request
	privileged := q.Privileged
	keys := []byte{}
	if q.DetachKeys != "" {
		keys = x.keys
	}
	return types.ExecInspectResponse{
		ID: x.id, Running: x.started && x.code == nil, ExitCode: x.code, ContainerID: x.container.id, Pid: int(x.pid), DetachKeys: keys,
		OpenStdin: q.AttachStdin, OpenStdout: q.AttachStdout, OpenStderr: q.AttachStderr,
		ProcessConfig: &types.ExecProcessConfig{
			Tty: q.Tty, Entrypoint: q.Cmd[0], Arguments: q.Cmd[1:], Privileged: &privileged, User: q.User,
		},
	}, nil
}

// execIDs lists the execs that have not ended; nil without any.
func (c *container) execIDs() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var ids []string
	for id, x := range c.execs {
		x.mu.Lock()
		if x.code == nil {
			ids = append(ids, id)
		}
		x.mu.Unlock()
	}
	return ids
}

// ExecStartOptions of [Engine.ExecStart].
type ExecStartOptions struct {
	Detach, TTY bool
	ConsoleSize *[2]uint // rows, columns
}

// ExecStart runs an exec. Detached, it has started when ExecStart returns, and there is no attachment; else it starts in
// the attachment's Run. Errors that arise here come before the answer's head: errdefs.ErrNotFound, ErrConflict. A
// command that cannot start is told in the stream, as dockerd does.
func (e *Engine) ExecStart(ctx context.Context, id string, opts ExecStartOptions) (*Attachment, error) {
	x, err := e.lookupExec(id)
	if err != nil {
		return nil, err
	}
	switch r := x.container.record(); {
	case !r.active():
		return nil, conflict("container %s is not running", x.container.id)
	case r.Status == types.StatePaused:
		return nil, conflict("container %s is paused, unpause the container before exec", x.container.id)
	case r.Status == types.StateRestarting:
		return nil, conflict("container %s is restarting, wait until the container is running", x.container.id)
	}
	if opts.Detach {
		return nil, e.execDetached(context.WithoutCancel(ctx), x, opts)
	}
	return &Attachment{tty: opts.TTY, stop: func() {}, run: func(ctx context.Context, stdin io.Reader, out Output) error {
		err := e.execAttached(ctx, x, opts, stdin, out)
		var failure *execError
		if errors.As(err, &failure) {
			return out(agent.Stdout, []byte(failure.Error()+"\r\n"))
		}
		return err
	}}, nil
}

// execError is what a client reads in the stream.
type execError struct{ error }

func (e *execError) Unwrap() error { return e.error }

// begin marks an exec started, which happens once, and says how to run it.
func (e *Engine) begin(x *execution, opts ExecStartOptions) (*definition, *agentpb.Process, error) {
	d, err := e.definition(x.container)
	if err != nil {
		return nil, nil, err
	}
	if e.execAgent(x.container) == nil {
		return nil, nil, &execError{conflict("container %s is not running", x.container.id)}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.code != nil:
		return nil, nil, &execError{conflict("exec command %s has already run", x.id)}
	case x.started:
		return nil, nil, &execError{conflict("exec command %s is already running", x.id)}
	}
	x.started = true
	q := &x.request
	p := &agentpb.Process{
		Args: q.Cmd, Cwd: q.WorkingDir, User: q.User, Tty: q.Tty, Stdin: q.AttachStdin, StdinOnce: q.AttachStdin,
		Privileged: q.Privileged, Groups: d.HostConfig.GroupAdd,
		Env: overrideEnv(environment(d.Config.Hostname, q.Tty, d.Config.Env), q.Env),
	}
	if p.Cwd == "" {
		p.Cwd = d.Config.WorkingDir
	}
	if p.User == "" {
		p.User = d.Config.User
	}
	size := opts.ConsoleSize
	if size == nil {
		size = q.ConsoleSize
	}
	if size != nil {
		p.Size = &agentpb.WindowSize{Rows: uint32(size[0]), Columns: uint32(size[1])}
	}
	return d, p, nil
}

func (e *Engine) execDetached(ctx context.Context, x *execution, opts ExecStartOptions) error {
	d, p, err := e.begin(x, opts)
	if err != nil {
		return err
	}
	e.execEvent(x, d, "exec_start: "+x.command())
	err = e.onNative(ctx, x.container, d, p, func(l *link) error {
		pid, err := l.Exec(ctx, &agentpb.ExecRequest{Container: x.container.id, Exec: x.id, Process: p})
		if err == nil {
			x.runs(l, pid)
		}
		return err
	})
	if err != nil {
		return e.execFailed(x, err)
	}
	return nil
}

func (x *execution) runs(l *link, pid int64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.link, x.pid = l, pid
}

// execFailed gives an exec that did not start its exit code, and the error its text.
func (e *Engine) execFailed(x *execution, cause error) error {
	code := 126
	var failure *agent.StartError
	if errors.As(cause, &failure) {
		code = failure.Code
		cause = invalid("exec failed: unable to start container process: %s", failure.Message)
	}
	x.end(code)
	return &execError{cause}
}

// end records the exit code and tells whether it was not known before.
func (x *execution) end(code int) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.code != nil {
		return false
	}
	x.code, x.ended = &code, time.Now()
	return true
}

// execExited applies the exit of an exec, from its stream or as an event of its agent.
func (e *Engine) execExited(id string, x *agentpb.Exit) {
	exec, err := e.lookupExec(id)
	if err != nil {
		return // its container is gone, or it is an earlier server's
	}
	e.fetchExec(exec, nil)
	e.execEnded(exec, int(x.GetCode()))
}

func (e *Engine) execEnded(x *execution, code int) {
	if !x.end(code) {
		return
	}
	d, err := e.definition(x.container)
	if err != nil {
		return // the container is gone, and so is who could want the event's labels
	}
	e.execEvent(x, d, "exec_die", "exitCode", strconv.Itoa(code))
}

// loseExecs ends the execs of a container that ran on an agent that is gone.
func (e *Engine) loseExecs(c *container, l *link) {
	c.mu.Lock()
	var running []*execution
	for _, x := range c.execs {
		running = append(running, x)
	}
	c.mu.Unlock()
	for _, x := range running {
		x.mu.Lock()
		lost := x.link == l
		x.mu.Unlock()
		if lost {
			e.execEnded(x, 128+sigKill)
		}
	}
}

// execAttached starts an exec and copies its streams. The exit code is recorded before it returns, so that an inspect
// after the end of the stream is final.
func (e *Engine) execAttached(ctx context.Context, x *execution, opts ExecStartOptions, stdin io.Reader, out Output) error {
	d, p, err := e.begin(x, opts)
	if err != nil {
		return err
	}
	e.execEvent(x, d, "exec_start: "+x.command())
	x.container.joined()
	defer x.container.left()
	q := &x.request
	var stream *agent.Stream
	err = e.onNative(ctx, x.container, d, p, func(l *link) (err error) {
		stream, err = l.Attach(ctx, &agentpb.AttachOpen{
			Container: x.container.id, Exec: x.id, Process: p, Stdin: q.AttachStdin, Output: q.AttachStdout || q.AttachStderr,
		})
		if err == nil {
			x.runs(l, stream.PID())
		}
		return err
	})
	if err != nil {
		return e.execFailed(x, err)
	}
	defer stream.Close()
	input := make(chan error, 1)
	if q.AttachStdin && stdin != nil {
		if q.Tty {
			stdin = &detachReader{from: stdin, keys: x.keys}
		}
		go sendInput(stream, stdin, !q.Tty, input) // ends with the client's connection, see Attachment.Run
	}
	output := make(chan error, 1)
	go func() { output <- e.execOutput(x, stream, out) }() // ends with the stream
	select {
	case err = <-output:
		return err
	case err = <-input:
	}
	// The client has left; the exec goes on, and its exit comes as an event.
	leaveStream(stream, err)
	if <-output == nil {
		return nil // it had ended already
	}
	if errors.Is(err, errDetach) {
		e.execEvent(x, d, string(events.ActionExecDetach))
	}
	return nil
}

func (e *Engine) execOutput(x *execution, stream *agent.Stream, out Output) error {
	for {
		m, err := stream.Recv()
		if err != nil {
			return fmt.Errorf("output of exec %s: %w", x.id, err)
		}
		if exit := m.GetExit(); exit != nil {
			e.fetchExec(x, func(text string) {
				if x.request.AttachStderr {
					_ = out(agent.Stderr, []byte("sockerless: "+text+"\n")) // it is in the log, too
				}
			})
			e.execEnded(x, int(exit.GetCode()))
			return nil
		}
		data := m.GetData()
		if s := uint8(data.GetStream()); s == agent.Stdout && x.request.AttachStdout || s == agent.Stderr && x.request.AttachStderr {
			if err := out(s, data.GetData()); err != nil {
				return err
			}
		}
	}
}

// ExecResize sets the size of an exec's terminal. Errors: errdefs.ErrNotFound, errdefs.ErrConflict.
func (e *Engine) ExecResize(ctx context.Context, id string, rows, columns uint32) error {
	x, err := e.lookupExec(id)
	if err != nil {
		return err
	}
	x.mu.Lock()
	running, l := x.started && x.code == nil, x.link
	x.mu.Unlock()
	if !running || l == nil {
		return conflict("exec process is not started")
	}
	if err := l.Resize(ctx, x.container.id, x.id, rows, columns); err != nil {
		return fmt.Errorf("resize exec %s: %w", id, err)
	}
	return nil
}
