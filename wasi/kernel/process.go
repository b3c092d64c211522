package kernel

import (
	"context"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sockerless/sockerless/store/rootfs"
)

// Program is what a process runs: a function of the process that returns the exit status, 0 to 255. It runs in a
// goroutine of its own; all goroutines that it starts must end before it returns.
type Program func(p *Process) int

// Process is a process of a Table. Its methods are for the process's own goroutines, unless they say otherwise.
type Process struct {
	table  *Table
	pid    int
	ctx    context.Context
	cancel context.CancelCauseFunc
	view   *rootfs.View
	fds    FDTable
	ended  func(WaitStatus)
	next   *image // program that Exec has put in place of the running one

	state   atomic.Uint32 // bits that Gate looks at
	born    int64         // Unix nanoseconds
	running atomic.Int64  // Unix nanoseconds since when the process computes; 0 while it waits
	cpu     atomic.Int64  // nanoseconds
	read    atomic.Int64  // bytes
	written atomic.Int64

	// The table's lock guards what follows.
	image      image
	parent     *Process
	children   []*Process
	group      int
	session    int
	tty        *TTY
	status     WaitStatus
	death      Signal // that ends the process
	stopSignal Signal
	dead       bool // a zombie, or gone
	orphan     bool // nobody will wait for it
	stopNews   bool // a stop that the parent has not waited for
	contNews   bool
	ignored    signalSet
	caught     signalSet
	pending    signalSet     // caught signals for TakeSignal
	held       signalSet     // signals with the default action that came while the process was stopped
	changed    chan struct{} // closed when a child changes or a caught signal arrives; made by a waiter
	gate       chan struct{} // closed when the process may go on; made by who stands at the gate
	interrupts []*interrupt
	overdue    *time.Timer
}

// image is the program of a process and what it was called with.
type image struct {
	program Program
	path    string
	args    []string
	env     []string
}

const (
	stateKilled uint32 = 1 << iota
	stateStopped
	statePaused
)

// Table returns the process table.
func (p *Process) Table() *Table { return p.table }

// PID returns the process id. Any goroutine may call it.
func (p *Process) PID() int { return p.pid }

// PPID returns the parent's process id, 0 for a process that was started from outside the container.
func (p *Process) PPID() int {
	p.table.mu.Lock()
	defer p.table.mu.Unlock()
	return p.ppid()
}

func (p *Process) ppid() int {
	if p.parent == nil {
		return 0
	}
	return p.parent.pid
}

// PGID returns the process group.
func (p *Process) PGID() int {
	p.table.mu.Lock()
	defer p.table.mu.Unlock()
	return p.group
}

// SID returns the session.
func (p *Process) SID() int {
	p.table.mu.Lock()
	defer p.table.mu.Unlock()
	return p.session
}

// Path returns the path of the program.
func (p *Process) Path() string {
	p.table.mu.Lock()
	defer p.table.mu.Unlock()
	return p.image.path
}

// Args returns the arguments; the first one is the name that the program was called by.
func (p *Process) Args() []string {
	p.table.mu.Lock()
	defer p.table.mu.Unlock()
	return p.image.args
}

// SetArgs changes what ps shows. The slice belongs to the process from here on.
func (p *Process) SetArgs(args []string) {
	p.table.mu.Lock()
	defer p.table.mu.Unlock()
	p.image.args = args
}

// Env returns the environment that the program was given, NAME=value each.
func (p *Process) Env() []string {
	p.table.mu.Lock()
	defer p.table.mu.Unlock()
	return p.image.env
}

// SetEnv changes the environment that children get by Fork, and by Spawn where it names none.
func (p *Process) SetEnv(env []string) {
	p.table.mu.Lock()
	defer p.table.mu.Unlock()
	p.image.env = env
}

// Files returns the process's sight of the tree: credentials, working directory, umask. It belongs to the process.
func (p *Process) Files() *rootfs.View { return p.view }

// Context ends with ErrKilled when the process is killed, and when it has ended. Any goroutine may use it.
func (p *Process) Context() context.Context { return p.ctx }

// FDs returns the file descriptors.
func (p *Process) FDs() *FDTable { return &p.fds }

// Terminal returns the controlling terminal, nil if there is none.
func (p *Process) Terminal() *TTY {
	p.table.mu.Lock()
	defer p.table.mu.Unlock()
	return p.tty
}

// Started returns when the process was made.
func (p *Process) Started() time.Time { return time.Unix(0, p.born) }

// Setpgid moves a process, p itself or a child of it, into a group of its session (or a new group: group = pid or 0).
func (p *Process) Setpgid(pid, group int) error {
	t := p.table
	t.mu.Lock()
	defer t.mu.Unlock()
	target := p
	if pid != 0 && pid != p.pid {
		target = t.find(pid)
		if target == nil || target.parent != p {
			return syscall.ESRCH
		}
	}
	if group == 0 {
		group = target.pid
	}
	if target.session == target.pid || target.session != p.session {
		return syscall.EPERM
	}
	if group != target.pid && !t.groupIn(group, p.session) {
		return syscall.EPERM
	}
	target.group = group
	return nil
}

// Setsid makes the process the leader of a new session and group, without a controlling terminal.
func (p *Process) Setsid() error {
	t := p.table
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.groupIn(p.pid, 0) {
		return syscall.EPERM
	}
	p.session, p.group, p.tty = p.pid, p.pid, nil
	return nil
}

// SetAction sets what the process does with a signal. SIGKILL and SIGSTOP always have their default action (EINVAL).
func (p *Process) SetAction(sig Signal, action Action) error {
	if !sig.valid() || (sig == SIGKILL || sig == SIGSTOP) && action != Default {
		return syscall.EINVAL
	}
	p.table.mu.Lock()
	defer p.table.mu.Unlock()
	p.ignored.remove(sig)
	p.caught.remove(sig)
	switch action {
	case Ignore:
		p.ignored.add(sig)
		p.pending.remove(sig)
	case Catch:
		p.caught.add(sig)
	default:
		p.pending.remove(sig)
	}
	return nil
}

// Action returns what the process does with a signal.
func (p *Process) Action(sig Signal) Action {
	p.table.mu.Lock()
	defer p.table.mu.Unlock()
	switch {
	case !sig.valid():
		return Default
	case p.ignored.has(sig):
		return Ignore
	case p.caught.has(sig):
		return Catch
	}
	return Default
}

// TakeSignal returns a caught signal that has arrived, the lowest first; ok is false if there is none.
func (p *Process) TakeSignal() (sig Signal, ok bool) {
	p.table.mu.Lock()
	defer p.table.mu.Unlock()
	return p.pending.take()
}

// Pending returns a channel that is closed once a caught signal waits for TakeSignal, or a child has changed. It is good
// for one wake-up: who waits calls TakeSignal, and Pending again.
func (p *Process) Pending() <-chan struct{} {
	p.table.mu.Lock()
	defer p.table.mu.Unlock()
	if p.pending != 0 {
		closed := make(chan struct{})
		close(closed)
		return closed
	}
	return p.changes()
}

// changes returns the channel that the next change closes.
func (p *Process) changes() chan struct{} {
	if p.changed == nil {
		p.changed = make(chan struct{})
	}
	return p.changed
}

// wake lets those go on who wait for a change.
func (p *Process) wake() {
	if p.changed != nil {
		close(p.changed)
		p.changed = nil
	}
}

func (p *Process) removeChild(c *Process) {
	if i := slices.Index(p.children, c); i >= 0 {
		p.children = slices.Delete(p.children, i, i+1)
	}
}
