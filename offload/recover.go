package offload

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/containerd/errdefs"

	"github.com/sockerless/sockerless/agent"
)

// Recover takes over the tasks of an earlier server: those whose agents answer are returned; those that were about to
// begin wait for an Acquire, which goes on with the same attempt; those that were about to end are ended. How a task
// ended meanwhile is in [Backend.Fate].
func (b *Backend) Recover(ctx context.Context) ([]*agent.Client, error) {
	own, _, err := b.intents()
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	if b.ctx.Err() != nil {
		b.mu.Unlock()
		return nil, errdefs.ErrUnavailable.WithMessage("the backend " + b.name + " is closed")
	}
	var running []*task
	for _, i := range own {
		k := newTask()
		k.intent, k.doubt = i, true
		before := b.current[i.Container]
		switch {
		case b.ending[i.Attempt] != nil || before != nil && before.intent.Attempt == i.Attempt: // it is known
		case i.Ending || before != nil: // of two attempts at a container one was about to go
			b.ending[i.Attempt] = k
		default:
			b.current[i.Container] = k
			k.adopted = b.config.Clock.Now()
			if i.Ready && !i.Parked && i.Handle != nil {
				running = append(running, k)
			}
		}
	}
	b.startWatch()
	b.mu.Unlock()
	for _, i := range own { // their agents try to come back
		if b.config.Gate != nil && !i.Ending {
			if _, err := b.config.Gate.Expect(i.Attempt, b.config.StartTimeout); err != nil {
				return nil, fmt.Errorf("expect the agents of %s: %w", b.name, err)
			}
		}
	}
	b.sweepSockets()
	clients := b.adopt(ctx, running)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ctx.Err() == nil && !b.sweeping {
		b.sweeping = true
		b.group.Go(b.janitor)
	}
	return clients, context.Cause(ctx)
}

// adopt connects to the agents of tasks that may still run, to all at once.
func (b *Backend) adopt(ctx context.Context, tasks []*task) []*agent.Client {
	if len(tasks) == 0 {
		return nil
	}
	b.poll(ctx) // those that have ended are not waited for
	var all sync.WaitGroup
	for _, k := range tasks {
		all.Go(func() { b.adoptOne(ctx, k) })
	}
	all.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	var clients []*agent.Client
	for _, k := range tasks {
		if k.client != nil {
			clients = append(clients, k.client)
		}
	}
	return clients
}

func (b *Backend) adoptOne(ctx context.Context, k *task) {
	if k.lock(ctx) != nil {
		return
	}
	defer k.unlock()
	b.mu.Lock()
	ended := k.status
	lost := b.current[k.intent.Container] != k || k.intent.Parked
	b.mu.Unlock()
	err := error(&EndedError{Backend: b.name, Status: ended})
	if !lost {
		dialling, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		go func() { // ends with adoptOne
			select {
			case <-b.config.Clock.After(b.config.FindTimeout):
				cancel(errdefs.ErrUnavailable.WithMessage(fmt.Sprintf("its agent has not answered within %s", b.config.FindTimeout)))
			case <-dialling.Done():
			}
		}()
		err = b.connect(dialling, k)
	}
	if err == nil {
		b.change(k, func() { k.adopted = b.config.Clock.Now() })
		return
	}
	if ctx.Err() != nil {
		return
	}
	b.mu.Lock()
	b.fates[k.intent.Container] = err
	b.mu.Unlock()
	if !lost { // the engine will take the container for dead: nothing of it may go on
		b.discard(k)
	}
}

// sweepSockets removes the sockets of tasks that are no more.
func (b *Backend) sweepSockets() {
	sockets, err := filepath.Glob(filepath.Join(b.config.RuntimeDir, "sl-*.sock"))
	if err != nil {
		return // only a pattern can be wrong
	}
	_, all, err := b.intents()
	if err != nil {
		return // Recover has just read them
	}
	keep := map[string]bool{}
	for attempt := range all {
		keep[b.socket(&intent{Attempt: attempt})] = true
	}
	for _, socket := range sockets {
		if keep[socket] {
			continue
		}
		if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
			b.config.Log.Warn("remove the socket of a task that is gone", "error", err)
		}
	}
}

// janitor sweeps now and then, until Close.
func (b *Backend) janitor() {
	for b.ctx.Err() == nil {
		if err := b.sweep(b.ctx); err != nil && b.ctx.Err() == nil {
			b.config.Log.Warn("look for orphans", "backend", b.name, "error", err)
		}
		select {
		case <-b.config.Clock.After(b.calls.dice.spread(b.config.Sweep)):
		case <-b.ctx.Done():
		}
	}
}

// sweep ends the tasks of this instance that nothing is written down of, and gives up on adopted tasks that nobody has
// asked for. Tasks of other instances are left alone, whatever a driver lists.
func (b *Backend) sweep(ctx context.Context) error {
	handles, err := b.list(ctx)
	if err != nil {
		return err
	}
	_, known, err := b.intents() // after the list: what it has was written down before it was there
	if err != nil {
		return err
	}
	listed := map[string]Handle{}
	var errs []error
	for _, h := range handles {
		switch {
		case h.Instance != b.config.Instance || h.Backend != "" && h.Backend != b.name:
		case known[h.Attempt]:
			listed[h.Attempt] = h
		default:
			b.config.Log.Warn("end a task that nothing is known of", "backend", b.name, "task", h.ID)
			errs = append(errs, b.endOrphan(ctx, h))
		}
	}
	now := b.config.Clock.Now()
	for _, k := range b.adopted() {
		if !k.tryLock() {
			continue
		}
		h, found := listed[k.intent.Attempt]
		switch {
		case k.adopted.IsZero() || b.ready(k): // somebody has asked for it meanwhile
		case k.intent.Handle == nil && found:
			errs = append(errs, b.found(ctx, k, h))
		case now.Sub(k.adopted) > max(b.config.IdleTimeout, b.pace.Settle):
			b.discard(k)
		}
		k.unlock()
	}
	return errors.Join(errs...)
}

func (b *Backend) ready(k *task) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return k.intent.Ready
}

// adopted are the tasks that Recover has found.
func (b *Backend) adopted() []*task {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []*task
	for _, k := range b.current {
		if !k.adopted.IsZero() {
			all = append(all, k)
		}
	}
	return all
}

// endOrphan stops a task that nothing is written down of, and removes it once it has ended: at the next sweep, if the
// platform takes its time.
func (b *Backend) endOrphan(ctx context.Context, h Handle) error {
	statuses, err := b.driver.Describe(ctx, []Handle{h})
	if err != nil {
		return fmt.Errorf("end orphan %s: %w", h.ID, err)
	}
	if statusOf(statuses, h.Attempt).State != Stopped {
		err = b.calls.try(ctx, func(ctx context.Context) error { return b.driver.Stop(ctx, h, b.config.Grace) }, asTransient)
		if err != nil && !errdefs.IsNotFound(err) {
			return fmt.Errorf("end orphan %s: %w", h.ID, err)
		}
		if statuses, err = b.driver.Describe(ctx, []Handle{h}); err != nil || statusOf(statuses, h.Attempt).State != Stopped {
			return err // the next sweep removes it
		}
	}
	if err := b.driver.Remove(ctx, h); err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("remove orphan %s: %w", h.ID, err)
	}
	return nil
}
