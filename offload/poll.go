package offload

import (
	"context"
	"slices"
	"time"
)

// quickly is how many polls follow a sign of an end at a tenth of the pause: a platform tells a little late.
const quickly = 4

// startWatch starts the watch over the tasks; the lock is held.
func (b *Backend) startWatch() {
	if b.started {
		return
	}
	b.started = true
	b.group.Go(b.watch)
}

// watch polls while there are tasks.
func (b *Backend) watch() {
	for quick := 0; ; {
		var due <-chan time.Time
		pause := b.pace.Poll
		if quick > 0 {
			quick--
			pause /= 10
		}
		if len(b.watched()) > 0 {
			due = b.config.Clock.After(b.calls.dice.spread(pause))
		}
		select {
		case <-b.kick:
			if quick == 0 {
				quick = quickly
			} else if due != nil { // many signs are one
				select {
				case <-due:
				case <-b.ctx.Done():
					return
				}
			}
		case <-due:
		case <-b.ctx.Done():
			return
		}
		b.poll(b.ctx)
	}
}

// watched are the tasks that the platform has to be asked about.
func (b *Backend) watched() []*task {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []*task
	for _, k := range b.current {
		if k.intent.Handle != nil && !k.intent.Parked {
			all = append(all, k)
		}
	}
	for _, k := range b.ending {
		all = append(all, k)
	}
	return all
}

// poll asks about all tasks, some at a time, and does what follows.
func (b *Backend) poll(ctx context.Context) {
	tasks := b.watched()
	var handles []Handle
	known, lives := map[*task]string{}, map[*task]chan struct{}{}
	b.mu.Lock()
	for _, k := range tasks {
		if k.intent.Handle != nil {
			handles = append(handles, *k.intent.Handle)
			known[k], lives[k] = k.intent.Attempt, k.ended
		}
	}
	b.mu.Unlock()
	batch := b.pace.Batch
	if batch <= 0 {
		batch = max(len(handles), 1)
	}
	var statuses []Status
	asked := map[string]bool{}
	for part := range slices.Chunk(handles, batch) {
		got, err := b.driver.Describe(ctx, part)
		if err != nil {
			if ctx.Err() == nil {
				b.config.Log.Debug("describe tasks", "backend", b.name, "error", err) // the next poll asks again
			}
			continue
		}
		statuses = append(statuses, got...)
		for _, h := range part {
			asked[h.Attempt] = true
		}
	}
	for _, k := range tasks {
		attempt := known[k]
		switch {
		case attempt == "":
			b.resume(ctx, k)
		case asked[attempt]:
			ended := b.observe(k, lives[k], statusOf(statuses, attempt))
			b.react(ctx, k, ended)
		}
	}
}

func statusOf(statuses []Status, attempt string) Status {
	for _, s := range statuses {
		if s.Handle.Attempt == attempt {
			return s
		}
	}
	return Status{State: Missing}
}

// observe takes what the platform says of a task, and tells whether that has ended. A task that is missing has ended
// only after a while: platforms are late to know what they have just started. life is the task's ended of when the platform was
// asked: what it said of a task that was started again since is of no use.
func (b *Backend) observe(k *task, life chan struct{}, s Status) bool {
	now := b.config.Clock.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if k.ended != life {
		return false
	}
	switch s.State {
	case Missing:
		if k.missingSince.IsZero() {
			k.missingSince = now
		}
		if now.Sub(k.missingSince) < b.pace.Settle {
			return false
		}
	case Stopped:
	default:
		k.missingSince = time.Time{}
		return false
	}
	select {
	case <-k.ended:
	default:
		k.status = s
		close(k.ended)
	}
	return true
}

// react goes on with a task that has ended or has to end, unless somebody is at it who will.
func (b *Backend) react(ctx context.Context, k *task, ended bool) {
	b.mu.Lock()
	ending := b.ending[k.intent.Attempt] == k
	b.mu.Unlock()
	switch {
	case ending:
		b.resume(ctx, k)
	case ended && k.tryLock():
		defer k.unlock()
		b.gone(ctx, k)
	}
}

// resume goes on with the end of a task.
func (b *Backend) resume(ctx context.Context, k *task) {
	if !k.tryLock() {
		return
	}
	defer k.unlock()
	if err := b.advance(ctx, k); err != nil && ctx.Err() == nil {
		b.config.Log.Warn("end a task", "backend", b.name, "attempt", k.intent.Attempt, "error", err)
	}
}

// gone tells the engine that a task has ended by itself, and clears it away, or keeps its files; its turn is held.
func (b *Backend) gone(ctx context.Context, k *task) {
	b.mu.Lock()
	if b.current[k.intent.Container] != k || k.intent.Parked || !k.hasEnded() {
		b.mu.Unlock()
		return
	}
	park := b.keeps(k) && k.status.State == Stopped
	if !park {
		b.moveToEnding(k)
	}
	why := &EndedError{Backend: b.name, Status: k.status}
	b.mu.Unlock()
	b.leave(k, why)
	var err error
	if park {
		err = b.markParked(ctx, k)
	} else {
		err = b.advance(ctx, k)
	}
	if err != nil && ctx.Err() == nil {
		b.config.Log.Warn("clear away a task that has ended", "backend", b.name, "attempt", k.intent.Attempt, "error", err)
	}
}
