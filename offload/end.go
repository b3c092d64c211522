package offload

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/containerd/errdefs"

	"github.com/sockerless/sockerless/agent"
)

// errReleased is why the client of a task's agent is gone that was let go on purpose.
var errReleased = errors.New("its task was ended, as nothing runs in it")

// shutdownTime is how long an agent has to answer that it ends; the platform ends it otherwise.
const shutdownTime = 5 * time.Second

// Release ends the task of a container that does not run. What the platform takes its time for, and what fails, is done
// later: that it has to be is written down before Release returns without an error.
func (b *Backend) Release(ctx context.Context, container string, forget bool) error {
	b.mu.Lock()
	k := b.current[container]
	delete(b.fates, container)
	b.mu.Unlock()
	if k != nil {
		if err := k.lock(ctx); err != nil {
			return fmt.Errorf("release a task of %s: %w", b.name, err)
		}
		b.mu.Lock()
		if b.current[container] != k {
			b.mu.Unlock()
			k.unlock()
			return b.Release(ctx, container, forget)
		}
		park := !forget && b.keeps(k)
		if !park {
			b.moveToEnding(k)
		}
		b.mu.Unlock()
		defer k.unlock()
		if park {
			return b.park(ctx, k)
		}
		if k.intent.Attempt == "" {
			return nil
		}
		if err := b.markEnding(ctx, k); err != nil {
			return err
		}
		return b.advance(ctx, k)
	}
	var err error
	for _, k := range b.endingOf(container) {
		if k.tryLock() { // else somebody is at it
			err = errors.Join(err, b.advance(ctx, k))
			k.unlock()
		}
	}
	return err
}

func (b *Backend) endingOf(container string) []*task {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []*task
	for _, k := range b.ending {
		if k.intent.Container == container {
			all = append(all, k)
		}
	}
	return all
}

// moveToEnding takes a task out of its container's place; the backend's lock is held.
func (b *Backend) moveToEnding(k *task) {
	if b.current[k.intent.Container] == k {
		delete(b.current, k.intent.Container)
	}
	if k.intent.Attempt != "" {
		b.ending[k.intent.Attempt] = k
		return
	}
	for id, other := range b.current { // a task that nothing was asked for has no container yet
		if other == k {
			delete(b.current, id)
		}
	}
}

// awaitEndings waits for the ends of a container's earlier tasks, where those are in the container's place on this machine
// and the next one needs it.
func (b *Backend) awaitEndings(ctx context.Context, container string) error {
	if !b.here {
		return nil
	}
	for {
		all := b.endingOf(container)
		if len(all) == 0 {
			return nil
		}
		for _, k := range all {
			if err := k.lock(ctx); err != nil {
				return err
			}
			err := b.advance(ctx, k)
			k.unlock()
			if err != nil {
				return fmt.Errorf("end its task of before: %w", err)
			}
		}
		if len(b.endingOf(container)) == 0 {
			return nil
		}
		b.poke()
		select {
		case <-b.config.Clock.After(b.pace.Poll / 10):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// discard ends a task in the background; its turn is held.
func (b *Backend) discard(k *task) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.moveToEnding(k)
	if k.intent.Attempt == "" || b.ctx.Err() != nil {
		return
	}
	b.group.Go(func() {
		if k.lock(b.ctx) != nil {
			return
		}
		defer k.unlock()
		if err := b.advance(b.ctx, k); err != nil && b.ctx.Err() == nil {
			b.config.Log.Warn("end a task", "backend", b.name, "attempt", k.intent.Attempt, "error", err)
		}
	})
}

// keeps tells whether a task has files of its container that a restart goes on with.
func (b *Backend) keeps(k *task) bool {
	_, restarts := b.driver.(Restarter)
	return restarts && k.intent.Handle != nil && k.intent.Ready
}

// park stops a task and keeps its files for a restart; its turn is held.
func (b *Backend) park(ctx context.Context, k *task) error {
	b.shutdown(ctx, k, errReleased)
	if !k.intent.Parked {
		err := b.calls.try(ctx, func(ctx context.Context) error { return b.driver.Stop(ctx, *k.intent.Handle, b.config.Grace) }, asTransient)
		if err != nil && !errdefs.IsNotFound(err) {
			return fmt.Errorf("stop a task of %s: %w", b.name, err)
		}
		b.config.Failpoint("after stop")
	}
	return b.markParked(ctx, k)
}

func (b *Backend) markParked(ctx context.Context, k *task) error {
	next := k.intent
	next.Parked = true
	b.config.Failpoint("before parked")
	if err := b.write(ctx, &next, false); err != nil {
		return err
	}
	b.change(k, func() { k.intent = next })
	b.config.Failpoint("after parked")
	return nil
}

// markEnding writes down that a task has to go; its turn is held.
func (b *Backend) markEnding(ctx context.Context, k *task) error {
	if k.intent.Ending {
		return nil
	}
	next := k.intent
	next.Ending = true
	b.config.Failpoint("before ending")
	if err := b.write(ctx, &next, true); err != nil {
		return err
	}
	b.change(k, func() { k.intent = next })
	b.config.Failpoint("after ending")
	return nil
}

// shutdown asks a task's agent to end and lets go of it.
func (b *Backend) shutdown(ctx context.Context, k *task, why error) {
	var client *agent.Client
	b.change(k, func() { client = k.client })
	if client == nil {
		return
	}
	if !k.hasEnded() { // else there is nobody to ask
		asking, cancel := context.WithTimeout(ctx, shutdownTime)
		ended := k.ended
		go func() { // ends with the call
			select {
			case <-ended:
				cancel()
			case <-asking.Done():
			}
		}()
		if err := client.Shutdown(asking); err != nil {
			b.config.Log.Debug("shut an agent down", "backend", b.name, "attempt", k.intent.Attempt, "error", err) // it is stopped then
		}
		cancel()
		b.config.Failpoint("after shutdown")
	}
	b.leave(k, why)
}

// leave says that a task's agent is gone, and closes the way to it.
func (b *Backend) leave(k *task, why error) {
	var client *agent.Client
	b.change(k, func() { client = k.client })
	if client != nil {
		client.Gone(why)
	}
	b.mu.Lock()
	err := k.letGo()
	b.mu.Unlock()
	if err != nil {
		b.config.Log.Debug("close the connection to an agent", "backend", b.name, "error", err)
	}
}

// advance goes as far with the end of a task as the platform is; polls call it until nothing is left. Its turn is held.
func (b *Backend) advance(ctx context.Context, k *task) error {
	b.mu.Lock()
	gone := b.ending[k.intent.Attempt] != k
	b.mu.Unlock()
	if gone {
		return nil
	}
	if k.intent.Handle == nil && !k.doubt {
		return b.drop(ctx, k)
	}
	if err := b.markEnding(ctx, k); err != nil {
		return err
	}
	b.shutdown(ctx, k, errReleased)
	if b.config.Gate != nil {
		b.config.Gate.Forget(k.intent.Attempt)
	}
	if k.intent.Handle == nil {
		found, err := b.find(ctx, k)
		if err != nil {
			return err
		}
		if !found {
			if b.config.Clock.Now().Sub(k.intent.Created) < b.pace.Settle {
				return nil // it may show up yet
			}
			return b.drop(ctx, k)
		}
	}
	if !k.hasEnded() {
		stopped, err := b.stopTask(ctx, k)
		if err != nil || !stopped {
			return err
		}
	}
	err := b.calls.try(ctx, func(ctx context.Context) error { return b.driver.Remove(ctx, *k.intent.Handle) }, asTransient)
	if err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("remove a task of %s: %w", b.name, err)
	}
	b.config.Failpoint("after remove")
	return b.drop(ctx, k)
}

// stopTask asks the platform to stop a task, again where that was long ago, and tells whether it has.
func (b *Backend) stopTask(ctx context.Context, k *task) (bool, error) {
	now := b.config.Clock.Now()
	if !k.asked.IsZero() && now.Sub(k.asked) < b.config.Grace+b.pace.Settle {
		return false, nil // a poll tells
	}
	err := b.calls.try(ctx, func(ctx context.Context) error { return b.driver.Stop(ctx, *k.intent.Handle, b.config.Grace) }, asTransient)
	if errdefs.IsNotFound(err) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("stop a task of %s: %w", b.name, err)
	}
	k.asked = now
	b.config.Failpoint("after stop")
	statuses, err := b.driver.Describe(ctx, []Handle{*k.intent.Handle})
	if err != nil {
		b.config.Log.Debug("describe a task", "backend", b.name, "error", err) // the next poll will
		return false, nil
	}
	b.poke()
	return b.observe(k, k.ended, statusOf(statuses, k.intent.Attempt)), nil
}

// drop forgets a task of which nothing is left.
func (b *Backend) drop(ctx context.Context, k *task) error {
	b.config.Failpoint("before forget")
	if err := b.forget(ctx, &k.intent); err != nil {
		return err
	}
	b.config.Failpoint("after forget")
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.ending, k.intent.Attempt)
	return nil
}

// find looks for a task whose handle is not known.
func (b *Backend) find(ctx context.Context, k *task) (bool, error) {
	handles, err := b.list(ctx)
	if err != nil {
		return false, err
	}
	for _, h := range handles {
		if h.Attempt == k.intent.Attempt {
			return true, b.found(ctx, k, h)
		}
	}
	return false, nil
}

// found keeps the handle of a task that was found.
func (b *Backend) found(ctx context.Context, k *task, h Handle) error {
	next := k.intent
	next.Handle = &h
	if next.Started.IsZero() {
		next.Started = next.Created
	}
	if err := b.write(ctx, &next, false); err != nil {
		return err
	}
	b.change(k, func() { k.intent = next })
	b.config.Failpoint("after found")
	return nil
}

// list are the tasks of this instance.
func (b *Backend) list(ctx context.Context) ([]Handle, error) {
	var handles []Handle
	err := b.calls.try(ctx, func(ctx context.Context) (err error) {
		handles, err = b.driver.List(ctx, b.config.Instance)
		return err
	}, asTransient)
	if err != nil {
		return nil, fmt.Errorf("list the tasks of %s: %w", b.name, err)
	}
	return handles, nil
}
