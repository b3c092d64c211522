package kernel

import (
	"context"
	"syscall"
	"time"
)

// Gate stands still while the process is stopped or the container paused, and returns ErrKilled when the process must
// end. Long loops call it at every step; it costs a few nanoseconds. Any goroutine of the process may call it.
func (p *Process) Gate() error {
	if p.state.Load() == 0 {
		return nil
	}
	p.blocked()
	defer p.computes()
	return p.stand()
}

// stand waits until nothing holds the process.
func (p *Process) stand() error {
	for {
		state := p.state.Load()
		if state&stateKilled != 0 {
			return ErrKilled
		}
		if state == 0 {
			return nil
		}
		p.table.mu.Lock()
		if s := p.state.Load(); s == 0 || s&stateKilled != 0 {
			p.table.mu.Unlock()
			continue
		}
		if p.gate == nil {
			p.gate = make(chan struct{})
		}
		gate := p.gate
		p.table.mu.Unlock()
		select {
		case <-gate:
		case <-p.ctx.Done():
		}
	}
}

// openGate lets who stands at the gate look again; the table's lock is held.
func (p *Process) openGate() {
	if p.gate != nil {
		close(p.gate)
		p.gate = nil
	}
}

// blocked and computes enclose a wait, for the account of time.
func (p *Process) blocked() {
	if since := p.running.Swap(0); since != 0 {
		p.cpu.Add(time.Now().UnixNano() - since)
	}
}

func (p *Process) computes() { p.running.Store(time.Now().UnixNano()) }

// Block calls wait, during which the process counts as asleep: for waits on what is not the kernel's.
func (p *Process) Block(wait func()) {
	p.blocked()
	defer p.computes()
	wait()
}

// CPU is the time during which the process did not wait, which is all that a goroutine can know of its CPU time.
func (p *Process) CPU() time.Duration {
	spent := p.cpu.Load()
	if since := p.running.Load(); since != 0 {
		spent += time.Now().UnixNano() - since
	}
	return time.Duration(spent)
}

// interrupt is a wait that a caught signal ends.
type interrupt struct{ cancel context.CancelCauseFunc }

// interruptible returns a context that a caught signal ends with EINTR. release must be called.
func (p *Process) interruptible(ctx context.Context) (_ context.Context, release func()) {
	p.table.mu.Lock()
	defer p.table.mu.Unlock()
	if p.caught == 0 {
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	if p.pending != 0 {
		cancel(syscall.EINTR)
		return ctx, func() {}
	}
	i := &interrupt{cancel}
	p.interrupts = append(p.interrupts, i)
	return ctx, func() {
		p.table.mu.Lock()
		for k, other := range p.interrupts {
			if other == i {
				p.interrupts = append(p.interrupts[:k], p.interrupts[k+1:]...)
				break
			}
		}
		p.table.mu.Unlock()
		cancel(nil)
	}
}

// Sleep waits for a while. The error is EINTR after a caught signal, ErrKilled, or the cause of ctx's end.
func (p *Process) Sleep(ctx context.Context, d time.Duration) error {
	if err := p.Gate(); err != nil {
		return err
	}
	ctx, release := p.interruptible(ctx)
	defer release()
	timer := time.NewTimer(d)
	defer timer.Stop()
	p.blocked()
	defer p.computes()
	var err error
	select {
	case <-timer.C:
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-p.ctx.Done():
	}
	if killed := p.stand(); killed != nil {
		return killed
	}
	return err
}
