package lambda

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// How an event is run where its function does not say.
const (
	defaultRetries = 2
	defaultAge     = 6 * time.Hour
	retryAfter     = time.Minute // before the first retry, and twice that before the second
	mostBackoff    = 5 * time.Minute
)

// event is an asynchronous invocation that is not done.
type event struct {
	ID      string
	Key     string // of the function
	ARN     string
	Trace   string
	Payload []byte
	At      time.Time
	Failed  int  // attempts
	Running bool // an attempt has begun
}

// accept writes an event down and has it run.
func (l *Lambda) accept(ctx context.Context, f *function, i *invocation) error {
	e := event{ID: i.id, Key: f.key(), ARN: i.arn, Trace: i.trace, Payload: i.payload, At: l.config.Now()}
	if err := l.events.Put(ctx, e.ID, e); err != nil {
		return err
	}
	l.lives.Go(func() { l.deliver(e.ID) })
	return nil
}

// deliver runs an event until it succeeds, or its function wants no further attempt.
func (l *Lambda) deliver(id string) {
	backoff := time.Second
	for l.ctx.Err() == nil {
		e, ok := l.events.Get(id)
		if !ok {
			return
		}
		if e.Running { // its sandbox was lost with an earlier simulator
			if !l.failed(e) {
				return
			}
			continue
		}
		f, ok := l.functions.Get(e.Key)
		if !ok || l.config.Now().Sub(e.At) > f.eventAge() {
			l.drop(e, "it is too old, or its function is gone")
			return
		}
		d, err := l.enter(e.Key)
		if err != nil { // it waits in the queue: that is no attempt
			if !l.pause(backoff) {
				return
			}
			backoff = min(2*backoff, mostBackoff)
			continue
		}
		e.Running = true
		if err := l.events.Put(context.WithoutCancel(l.ctx), id, e); err != nil {
			l.leave(e.Key)
			l.config.Log.Error("write an event down", "event", id, "error", err)
			return
		}
		r := l.run(d, &invocation{id: e.ID, arn: e.ARN, payload: e.Payload, trace: e.Trace})
		l.leave(e.Key)
		if l.ctx.Err() != nil {
			return // the next simulator finds it running
		}
		if !r.failed {
			l.drop(e, "")
			return
		}
		if !l.failed(e) || !l.pause(retryAfter*time.Duration(e.Failed+1)) {
			return
		}
	}
}

// failed counts an attempt that failed, and tells whether there is a further one.
func (l *Lambda) failed(e event) bool {
	retries := defaultRetries
	if f, ok := l.functions.Get(e.Key); ok && f.Event != nil && f.Event.MaximumRetryAttempts != nil {
		retries = int(*f.Event.MaximumRetryAttempts)
	}
	e.Failed, e.Running = e.Failed+1, false
	if e.Failed > retries {
		l.drop(e, "its attempts have failed")
		return false
	}
	if err := l.events.Put(context.WithoutCancel(l.ctx), e.ID, e); err != nil {
		l.config.Log.Error("write an event down", "event", e.ID, "error", err)
		return false
	}
	return true
}

// drop forgets an event; why is empty for one that is done.
func (l *Lambda) drop(e event, why string) {
	if why != "" {
		l.config.Log.Info("an event is dropped", "event", e.ID, "function", e.Key, "why", why)
	}
	if err := l.events.Delete(context.WithoutCancel(l.ctx), e.ID); err != nil {
		l.config.Log.Error("forget an event", "event", e.ID, "error", err)
	}
}

// eventAge is how old an event may be when an attempt begins.
func (f *function) eventAge() time.Duration {
	if f.Event == nil || f.Event.MaximumEventAgeInSeconds == nil {
		return defaultAge
	}
	return time.Duration(aws.ToInt32(f.Event.MaximumEventAgeInSeconds)) * time.Second
}

func (l *Lambda) pause(d time.Duration) bool {
	select {
	case <-l.config.After(d):
		return true
	case <-l.ctx.Done():
		return false
	}
}
