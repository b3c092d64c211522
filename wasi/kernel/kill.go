package kernel

import (
	"syscall"
	"time"
)

// Kill sends a signal as kill(2) does: to a process, to the own group (pid 0), to all but process 1 and p itself (-1), or
// to group -pid. Signal 0 only checks. The errors are ESRCH, EPERM and EINVAL.
func (p *Process) Kill(pid int, sig Signal) error {
	if sig != 0 && !sig.valid() {
		return syscall.EINVAL
	}
	t := p.table
	t.mu.Lock()
	defer t.mu.Unlock()
	cred := p.view.Cred()
	found, sent := false, false
	for _, q := range t.snapshot() {
		switch {
		case pid > 0 && q.pid != pid,
			pid == 0 && q.group != p.group,
			pid == -1 && (q.pid == 1 || q == p),
			pid < -1 && q.group != -pid:
			continue
		}
		found = true
		if owner := q.view.Cred().UID; cred.UID != 0 && cred.UID != owner && (sig != SIGCONT || q.session != p.session) {
			continue
		}
		sent = true
		q.send(sig, false)
	}
	switch {
	case !found:
		return syscall.ESRCH
	case !sent:
		return syscall.EPERM
	}
	return nil
}

// Signal sends a signal from outside the container: process 1 can be killed and stopped by it too. Any goroutine may
// call it.
func (p *Process) Signal(sig Signal) error {
	if !sig.valid() {
		return syscall.EINVAL
	}
	p.table.mu.Lock()
	defer p.table.mu.Unlock()
	if p.dead {
		return syscall.ESRCH
	}
	p.send(sig, true)
	return nil
}

// Raise sends the process a signal itself. The error is ErrKilled if that ends it.
func (p *Process) Raise(sig Signal) error {
	if err := p.Kill(p.pid, sig); err != nil {
		return err
	}
	return p.Gate()
}

// snapshot copies the list, since a signal may change it.
func (t *Table) snapshot() []*Process {
	return append([]*Process(nil), t.processes...)
}

// signalGroup sends a signal of the system (a terminal's) to a process group.
func (t *Table) signalGroup(group int, sig Signal) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sendGroup(group, sig)
}

func (t *Table) sendGroup(group int, sig Signal) {
	for _, p := range t.snapshot() {
		if p.group == group {
			p.send(sig, false)
		}
	}
}

// send delivers a signal; the table's lock is held. As in any pid namespace, process 1 has only the signals that it
// catches, and from outside SIGKILL and SIGSTOP.
func (p *Process) send(sig Signal, outside bool) {
	if p.dead || sig == 0 {
		return
	}
	protected := p.pid == 1 && !(outside && (sig == SIGKILL || sig == SIGSTOP))
	if sig == SIGCONT {
		p.resume()
	}
	switch {
	case p.ignored.has(sig):
	case p.caught.has(sig):
		p.pending.add(sig)
		for _, i := range p.interrupts {
			i.cancel(syscall.EINTR)
		}
		p.wake()
	case protected:
	case sig.effect() == terminate:
		if sig != SIGKILL && p.state.Load()&stateStopped != 0 {
			p.held.add(sig)
			return
		}
		p.die(sig)
	case sig.effect() == stop:
		if sig != SIGSTOP && p.table.orphaned(p.group) {
			return
		}
		p.halt(sig)
	}
}

// die makes the process end: whatever it waits on returns, and so does every later call.
func (p *Process) die(sig Signal) {
	if p.death != 0 || p.dead {
		return
	}
	p.death = sig
	p.state.Or(stateKilled)
	p.cancel(ErrKilled)
	p.openGate()
	p.wake()
	p.overdue = time.AfterFunc(p.table.config.Grace, func() { p.end(0) })
}

// halt stops the process at its next gate.
func (p *Process) halt(sig Signal) {
	if p.state.Load()&stateStopped != 0 {
		return
	}
	p.state.Or(stateStopped)
	p.stopSignal, p.stopNews, p.contNews = sig, true, false
	p.tellParent()
}

// resume lets a stopped process go on.
func (p *Process) resume() {
	if p.state.Load()&stateStopped == 0 {
		return
	}
	p.state.And(^stateStopped)
	p.openGate()
	p.stopNews, p.contNews = false, true
	p.tellParent()
	if sig, ok := p.held.take(); ok {
		p.die(sig)
	}
}

// tellParent wakes the parent's Wait and sends it SIGCHLD.
func (p *Process) tellParent() {
	if p.parent != nil {
		p.parent.wake()
		p.parent.send(SIGCHLD, false)
	}
}

// orphaned says whether no process of the group has a parent in the same session but another group, so that nobody
// could continue it after a stop.
func (t *Table) orphaned(group int) bool {
	for _, p := range t.processes {
		if p.group == group && p.parent != nil && !p.orphan && p.parent.group != group && p.parent.session == p.session {
			return false
		}
	}
	return true
}
