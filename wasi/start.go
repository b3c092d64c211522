package wasi

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/containerd/errdefs"

	"github.com/sockerless/sockerless/agent"
	"github.com/sockerless/sockerless/agent/agentpb"
	"github.com/sockerless/sockerless/store/rootfs"
	"github.com/sockerless/sockerless/wasi/kernel"
)

func now() int64 { return time.Now().UnixNano() }

// Start runs the container's first process, with its files mounted anew.
func (c *Cell) Start(_ context.Context, spec *agentpb.Container, p *agentpb.Process, out agent.Sink) (agent.Process, error) {
	found := c.enter(spec)
	found.mu.Lock()
	defer found.mu.Unlock()
	if found.running.Load() {
		return nil, errdefs.ErrFailedPrecondition.WithMessage("container " + spec.GetId() + " is already running")
	}
	if err := found.close(); err != nil {
		return nil, fmt.Errorf("close the files of the last run: %w", err)
	}
	found.spec = spec
	if err := found.open(); err != nil {
		return nil, err
	}
	found.running.Store(true)
	found.runs.Add(1)
	started, err := found.start(p, out, true)
	if err != nil {
		found.running.Store(false)
		found.runs.Done()
		return nil, err
	}
	return started, nil
}

// Exec runs another process of a running container.
func (c *Cell) Exec(_ context.Context, id string, p *agentpb.Process, out agent.Sink) (agent.Process, error) {
	found, err := c.container(id)
	if err != nil {
		return nil, err
	}
	found.mu.RLock()
	defer found.mu.RUnlock()
	if !found.running.Load() {
		return nil, errdefs.ErrFailedPrecondition.WithMessage("container " + id + " is not running")
	}
	return found.start(p, out, false)
}

// start starts a process, the first one of the container or another one; c.mu is held.
func (c *container) start(p *agentpb.Process, out agent.Sink, first bool) (agent.Process, error) {
	if len(p.GetArgs()) == 0 {
		return nil, errdefs.ErrInvalidArgument.WithMessage("no command specified")
	}
	who, err := lookupUser(c.tree.View(rootfs.Cred{}), p.GetUser(), p.GetGroups())
	if err != nil {
		return nil, err
	}
	view, err := c.workingDirectory(who, p.GetCwd(), first)
	if err != nil {
		return nil, err
	}
	env := slices.Clone(p.GetEnv())
	if !slices.ContainsFunc(env, func(v string) bool { return strings.HasPrefix(v, "HOME=") }) {
		env = append(env, "HOME="+who.home)
	}
	name, err := lookup(view, env, p.GetArgs()[0])
	if err != nil {
		return nil, err
	}
	if err := c.plan(view, env, p.GetArgs()); err != nil {
		return nil, err
	}
	t := &process{}
	files := t.streams(p, out)
	options := kernel.StartOptions{
		Path: name, Args: p.GetArgs(), Env: env, Files: view,
		Stdin: files[0], Stdout: files[1], Stderr: files[2], Terminal: t.tty,
		Ended: func(s kernel.WaitStatus) { c.ended(t, s, out, first) },
	}
	started, err := c.table.Start(options)
	for _, f := range files {
		_ = f.Close()
	}
	if err != nil {
		t.release()
		return nil, startError(p.GetArgs()[0], name, err)
	}
	t.process = started
	if first {
		c.owner = who.cred
	}
	return t, nil
}

// ended is the end of a process.
func (c *container) ended(t *process, s kernel.WaitStatus, out agent.Sink, first bool) {
	t.release()
	if first {
		c.endTwins(out)
		// Not under the lock: Start has it if the process was quick, and a copy of files may have it for long.
		c.running.Store(false)
	}
	out.End(&agentpb.Exit{Code: int32(s.Code()), Time: now()})
	if first {
		c.runs.Done()
	}
}

// workingDirectory is the process's sight of the files. A container's working directory is made if it is missing.
func (c *container) workingDirectory(who account, dir string, create bool) (*rootfs.View, error) {
	view := c.tree.View(who.cred)
	if dir == "" {
		dir = "/"
	}
	if !path.IsAbs(dir) {
		return nil, &agent.StartError{Code: 126, Message: fmt.Sprintf("Cwd must be an absolute path: %q", dir)}
	}
	if create && dir != "/" {
		if err := c.tree.View(rootfs.Cred{}).MkdirAll(dir, 0o755); err != nil && !errors.Is(err, syscall.EROFS) {
			return nil, &agent.StartError{Code: 126, Message: fmt.Sprintf("mkdir %s: %s", dir, lower(err))}
		}
	}
	if err := view.Chdir(dir); err != nil {
		return nil, &agent.StartError{
			Code: 126, Message: fmt.Sprintf("chdir to cwd (%q) set in config.json failed: %s", dir, lower(err)),
		}
	}
	return view, nil
}

// lower is the text of an error number in the way of Go's syscall package, which runc's messages have.
func lower(err error) string { return strings.ToLower(rootfs.Strerror(err)) }

// lookup finds a command as runc does, with its messages (libcontainer's use of os/exec.LookPath).
func lookup(view *rootfs.View, env []string, name string) (string, error) {
	found, err := kernel.LookPath(view, env, name)
	if err == nil {
		return found, nil
	}
	errno := rootfs.Errno(err)
	if !strings.Contains(name, "/") {
		if errno == syscall.EACCES {
			return "", &agent.StartError{Code: 126, Message: fmt.Sprintf("exec: %q: permission denied", name)}
		}
		return "", &agent.StartError{Code: 127, Message: fmt.Sprintf("exec: %q: executable file not found in $PATH", name)}
	}
	return "", pathError(view, name, errno)
}

func pathError(view *rootfs.View, name string, errno syscall.Errno) error {
	if errno == syscall.EACCES {
		if info, err := view.Stat(name); err == nil && info.IsDir() {
			return &agent.StartError{Code: 126, Message: fmt.Sprintf("exec: %q: is a directory", name)}
		}
		return &agent.StartError{Code: 126, Message: fmt.Sprintf("exec: %q: permission denied", name)}
	}
	code := 127
	if errno != syscall.ENOENT {
		code = 126
	}
	return &agent.StartError{Code: code, Message: fmt.Sprintf("exec: %q: stat %s: %s", name, name, lower(errno))}
}

// startError is why the kernel did not start what lookup had found.
func startError(invoked, name string, err error) error {
	var exec *kernel.ExecError
	switch {
	case errors.As(err, &exec) && exec.Message != "":
		return &agent.StartError{Code: exec.Code, Message: exec.Message}
	case errors.As(err, &exec) && exec.Err == syscall.EACCES:
		return &agent.StartError{Code: 126, Message: fmt.Sprintf("exec: %q: permission denied", invoked)}
	case errors.As(err, &exec):
		// An interpreter that is missing, or a file of an unknown format: execve's own answer.
		return &agent.StartError{Code: exec.Code, Message: fmt.Sprintf("exec %s: %s", name, lower(exec.Err))}
	case errors.Is(err, syscall.ENOMEM):
		return errdefs.ErrFailedPrecondition.WithMessage("the container is ending")
	}
	return &agent.StartError{Code: 126, Message: fmt.Sprintf("exec %s: %s", name, lower(err))}
}

// kill kills the container's processes and waits for their end.
func (c *container) kill() {
	c.mu.RLock()
	table := c.table
	c.mu.RUnlock()
	if table == nil {
		return
	}
	if first := table.Find(1); first != nil {
		_ = first.Signal(kernel.SIGKILL) // it has ended meanwhile if this fails
	}
	c.runs.Wait()
}
