package kernel

import (
	"context"
	"fmt"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/sockerless/sockerless/store/rootfs"
)

// ForkOptions say in what a child differs from its parent. It inherits the descriptors, the environment, the working
// directory, the umask, the credentials and the ignored signals; caught signals have their default action.
type ForkOptions struct {
	Group      int  // process group to join; 0 is the parent's
	NewGroup   bool // a group of its own
	NewSession bool // a session of its own, without a terminal
	Foreground bool // its group becomes the terminal's foreground group before it runs
	// Files replace descriptors of the child; nil closes one. The child takes references of its own.
	Files   map[int]*File
	Default []Signal // signals with their default action, though the parent ignores them
	Ignore  []Signal // signals that the child ignores
}

// SpawnOptions describe a program to run as a child.
type SpawnOptions struct {
	ForkOptions
	Path string   // not looked up in PATH: see LookPath
	Args []string // with the name first; nil is the path alone
	Env  []string // nil is the parent's
	Dir  string   // working directory; "" is the parent's
}

// Fork makes a child that runs f. The errors are EAGAIN (limit of processes), ENOMEM (the container ends), EPERM (group)
// and ErrKilled.
func (p *Process) Fork(f Program, o ForkOptions) (*Process, error) {
	if err := p.Gate(); err != nil {
		return nil, err
	}
	p.table.mu.Lock()
	i := p.image
	p.table.mu.Unlock()
	i.program = f
	return p.fork(i, p.view.Clone(), o)
}

// Spawn runs a program as a child. The error is an *ExecError if there is no such program, before a child exists;
// otherwise as Fork's, or that of the directory.
func (p *Process) Spawn(o SpawnOptions) (*Process, error) {
	if err := p.Gate(); err != nil {
		return nil, err
	}
	view := p.view.Clone()
	if o.Dir != "" {
		if err := view.Chdir(o.Dir); err != nil {
			return nil, err
		}
	}
	if o.Env == nil {
		o.Env = p.Env()
	}
	i, err := p.table.load(view, o.Path, o.Args, o.Env)
	if err != nil {
		return nil, err
	}
	child, err := p.prepare(i, view, o.ForkOptions)
	if err != nil {
		return nil, err
	}
	child.fds.closeOnExec(o.Files)
	child.launch()
	return child, nil
}

// load finds the program behind a path.
func (t *Table) load(view *rootfs.View, path string, args, env []string) (image, error) {
	if len(args) == 0 {
		args = []string{path}
	}
	program, args, err := t.config.Exec(view, path, args)
	if err != nil {
		return image{}, err
	}
	return image{program: program, path: path, args: args, env: env}, nil
}

func (p *Process) fork(i image, view *rootfs.View, o ForkOptions) (*Process, error) {
	child, err := p.prepare(i, view, o)
	if err != nil {
		return nil, err
	}
	child.launch()
	return child, nil
}

// prepare enters a child that does not run yet.
func (p *Process) prepare(i image, view *rootfs.View, o ForkOptions) (*Process, error) {
	t := p.table
	child := t.newProcess(i, view)
	t.mu.Lock()
	if o.Group != 0 && !o.NewGroup && !t.groupIn(o.Group, p.session) {
		t.mu.Unlock()
		return nil, syscall.EPERM // as setpgid(2)
	}
	if err := t.add(child); err != nil {
		t.mu.Unlock()
		return nil, err
	}
	child.parent = p
	p.children = append(p.children, child)
	child.group, child.session, child.tty = p.group, p.session, p.tty
	switch {
	case o.NewSession:
		child.group, child.session, child.tty = child.pid, child.pid, nil
	case o.NewGroup:
		child.group = child.pid
	case o.Group != 0:
		child.group = o.Group
	}
	child.ignored = p.ignored
	for _, sig := range o.Default {
		child.ignored.remove(sig)
	}
	for _, sig := range o.Ignore {
		child.ignored.add(sig)
	}
	if o.Foreground && child.tty != nil {
		child.tty.setForeground(child.group)
	}
	t.mu.Unlock()
	child.fds.inherit(&p.fds, o.Files)
	return child, nil
}

func (t *Table) newProcess(i image, view *rootfs.View) *Process {
	p := &Process{table: t, view: view, image: i, born: time.Now().UnixNano()}
	p.ctx, p.cancel = context.WithCancelCause(context.Background())
	view.Special, view.Owner = p.openSpecial, p
	return p
}

// Exec puts another program in the place of the running one, which must return at once if the error is nil; its status
// does not count. Descriptors marked close-on-exec are closed, caught signals get their default action. The error is an
// *ExecError, and the process is as it was.
func (p *Process) Exec(path string, args, env []string) error {
	i, err := p.replace(path, args, env)
	if err != nil {
		return err
	}
	p.next = i
	return nil
}

// ExecInPlace is Exec for callers that cannot return at once: the program runs during the call, whose status the caller
// returns.
func (p *Process) ExecInPlace(path string, args, env []string) (status int, err error) {
	i, err := p.replace(path, args, env)
	if err != nil {
		return 0, err
	}
	status = i.program(p)
	for p.next != nil {
		i, p.next = p.next, nil
		status = i.program(p)
	}
	return status, nil
}

func (p *Process) replace(path string, args, env []string) (*image, error) {
	if err := p.Gate(); err != nil {
		return nil, err
	}
	i, err := p.table.load(p.view, path, args, env)
	if err != nil {
		return nil, err
	}
	p.fds.closeOnExec(nil)
	p.table.mu.Lock()
	p.image, p.caught, p.pending = i, 0, 0
	p.table.mu.Unlock()
	return &i, nil
}

// launch starts the process's goroutine.
func (p *Process) launch() {
	p.computes()
	go func() {
		// The programs run in a function of their own so that this goroutine's frame stays small.
		p.end(p.main())
	}()
}

// main runs the program, and those that replace it. A panic ends the process as abort(3) would.
func (p *Process) main() (status int) {
	defer func() {
		if r := recover(); r != nil {
			fmt.Fprintf(p.Stderr(), "panic: %v\n%s", r, debug.Stack())
			p.table.mu.Lock()
			p.die(SIGABRT)
			p.table.mu.Unlock()
		}
	}()
	p.table.mu.Lock()
	run := p.image.program
	p.table.mu.Unlock()
	if p.Gate() != nil {
		return 0
	}
	status = run(p)
	for p.next != nil {
		run, p.next = p.next.program, nil
		status = run(p)
	}
	// A process that is stopped or paused at its last step ends when it may go on.
	_ = p.Gate()
	return status
}
