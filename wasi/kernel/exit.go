package kernel

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
			if t.empty == nil {
				t.empty = make(chan struct{})
			}
			empty := t.empty
			t.mu.Unlock()
			<-empty
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
		} else if c.state.Load()&stateStopped != 0 && t.orphaned(c.group) {
			// Nobody can continue a stopped job of a shell that is gone.
			t.sendGroup(c.group, SIGHUP)
			t.sendGroup(c.group, SIGCONT)
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
