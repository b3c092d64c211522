package kernel

import (
	"syscall"

	"github.com/sockerless/sockerless/store/rootfs"
)

// errNoGroup is setpgid(2)'s answer for a group that is not in the session.
const errNoGroup = syscall.EPERM

// StartOptions describe a process that is started from outside the container.
type StartOptions struct {
	Path  string
	Args  []string
	Env   []string
	Files *rootfs.View // working directory and credentials; belongs to the process from here on
	// Descriptors 0, 1, 2. The process takes references of its own.
	Stdin, Stdout, Stderr *File
	Terminal              *TTY // controlling terminal, if there is one
	// Ended is called once when the process has ended and closed its descriptors; for process 1, when all others have
	// ended too. It may be called before Start returns.
	Ended func(WaitStatus)
}

// Start runs a program: as process 1 the first time, later as another one without a parent. The error is an *ExecError,
// EAGAIN (limit of processes) or ENOMEM (process 1 has ended).
func (t *Table) Start(o StartOptions) (*Process, error) {
	i, err := t.load(o.Files, o.Path, o.Args, o.Env)
	if err != nil {
		return nil, err
	}
	p := t.newProcess(i, o.Files)
	p.ended, p.orphan = o.Ended, true
	t.mu.Lock()
	if err := t.add(p); err != nil {
		t.mu.Unlock()
		return nil, err
	}
	p.group, p.session, p.tty = p.pid, p.pid, o.Terminal
	if p.tty != nil {
		p.tty.adopt(t, p)
	}
	t.mu.Unlock()
	for fd, f := range []*File{o.Stdin, o.Stdout, o.Stderr} {
		if f != nil {
			p.fds.set(fd, f.Ref(), false)
		}
	}
	p.launch()
	return p, nil
}

// end is the end of a process: its descriptors are closed, its children have process 1 as their parent, and its parent
// is told. The second call, of a program that came back after its time, does nothing.
func (p *Process) end(status int) {
	t := p.table
	p.blocked()
	p.fds.closeAll()
	t.mu.Lock()
	if p.dead {
		t.mu.Unlock()
		return
	}
	if p.pid == 1 {
		t.killOthers()
		if t.alive > 1 {
			t.empty = make(chan struct{})
			t.mu.Unlock()
			<-t.empty
			t.mu.Lock()
		}
		if p.dead {
			t.mu.Unlock()
			return
		}
	}
	p.bury(status)
	t.mu.Unlock()
	p.cancel(ErrKilled)
	if p.ended != nil {
		p.ended(p.status)
	}
}

// bury makes a zombie of the process; the table's lock is held.
func (p *Process) bury(status int) {
	t := p.table
	p.dead, p.status = true, exitStatus(status)
	if p.death != 0 {
		p.status = signalStatus(p.death)
	}
	if p.overdue != nil {
		p.overdue.Stop()
	}
	p.image.program = nil
	t.alive--
	p.leaveChildren()
	p.hangUp()
	switch {
	case p.parent != nil && !p.orphan:
		p.tellParent()
		if p.parent.ignored.has(SIGCHLD) {
			t.remove(p)
			p.parent.wake()
		}
	default:
		t.remove(p)
	}
	if t.empty != nil && t.alive == 1 {
		close(t.empty)
	}
}

// leaveChildren gives the children to process 1, which need not wait for them.
func (p *Process) leaveChildren() {
	t := p.table
	children := p.children
	p.children = nil
	var first *Process
	if !t.closing {
		first = t.find(1)
	}
	for _, c := range children {
		c.orphan = true
		c.parent = first
		if first != nil && first != p {
			first.children = append(first.children, c)
		}
		if c.dead {
			t.remove(c)
		}
	}
}

// hangUp sends SIGHUP to the foreground group when the leader of a terminal's session has ended.
func (p *Process) hangUp() {
	t := p.table
	if p.tty == nil || p.session != p.pid {
		return
	}
	t.sendGroup(p.tty.Foreground(), SIGHUP)
	t.sendGroup(p.tty.Foreground(), SIGCONT)
	for _, q := range t.processes {
		if q.session == p.session {
			q.tty = nil
		}
	}
}

// killOthers ends all processes but the first, and lets no new one start.
func (t *Table) killOthers() {
	t.closing = true
	for _, q := range t.snapshot() {
		if q.pid != 1 {
			q.send(SIGKILL, true)
		}
	}
}
