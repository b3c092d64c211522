package kernel

import (
	"context"
	"syscall"
)

// WaitFlags are the options of Wait.
type WaitFlags int

// The options, by their Linux numbers.
const (
	WNOHANG    WaitFlags = 1
	WUNTRACED  WaitFlags = 2
	WCONTINUED WaitFlags = 8
)

// WaitResult is a child and what became of it; PID 0: nothing yet (WNOHANG).
type WaitResult struct {
	PID    int
	Status WaitStatus
}

// Wait waits for a child as waitpid(2) does: pid > 0 is that child, -1 any, 0 any of the own group, -n any of group n. A
// child that has ended is forgotten after that. The errors are ECHILD; EINTR when a caught signal has arrived or was
// pending already (and no child was ready: TakeSignal first); ErrKilled; the cause of ctx's end.
func (p *Process) Wait(ctx context.Context, pid int, flags WaitFlags) (WaitResult, error) {
	if err := p.Gate(); err != nil {
		return WaitResult{}, err
	}
	for {
		result, changed, err := p.poll(pid, flags)
		if changed == nil {
			return result, err
		}
		p.blocked()
		var ended error
		select {
		case <-changed:
		case <-ctx.Done():
			ended = context.Cause(ctx)
		case <-p.ctx.Done():
		}
		killed := p.stand()
		p.computes()
		if killed != nil {
			return WaitResult{}, killed
		}
		if ended != nil {
			return WaitResult{}, ended
		}
	}
}

// poll looks for a child that is ready; changed is what to wait for if there is none.
func (p *Process) poll(pid int, flags WaitFlags) (result WaitResult, changed <-chan struct{}, err error) {
	t := p.table
	t.mu.Lock()
	defer t.mu.Unlock()
	found := false
	for _, c := range p.children {
		switch {
		case c.orphan,
			pid > 0 && c.pid != pid,
			pid == 0 && c.group != p.group,
			pid < -1 && c.group != -pid:
			continue
		}
		found = true
		switch {
		case c.dead:
			t.remove(c)
			return WaitResult{c.pid, c.status}, nil, nil
		case c.stopNews && flags&WUNTRACED != 0:
			c.stopNews = false
			return WaitResult{c.pid, stoppedStatus(c.stopSignal)}, nil, nil
		case c.contNews && flags&WCONTINUED != 0:
			c.contNews = false
			return WaitResult{c.pid, WaitStatus{kind: continued}}, nil, nil
		}
	}
	switch {
	case !found:
		return WaitResult{}, nil, syscall.ECHILD
	case flags&WNOHANG != 0:
		return WaitResult{}, nil, nil
	case p.pending != 0:
		return WaitResult{}, nil, syscall.EINTR
	}
	return WaitResult{}, p.changes(), nil
}
