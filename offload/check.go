package offload

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/containerd/errdefs"

	"github.com/sockerless/sockerless/runtime"
)

// A Checker is a driver that can tell what a backend lacks before a container needs it.
type Checker interface {
	// Check looks at what tasks stand on, changes nothing, and stops where the rest cannot be known.
	Check(ctx context.Context) ([]Finding, error)
}

// Finding is something that a backend needs.
type Finding struct {
	What    string  `json:"what"` // "credentials", "subnet subnet-1"
	Verdict Verdict `json:"verdict"`
	// Detail is what was found, or what is wrong with it and what to do.
	Detail string `json:"detail,omitempty"`
}

// Verdict is whether what is needed is there.
type Verdict string

// The verdicts. Unknown is what the server may not look at, and what depends on what it cannot see.
const (
	Present Verdict = "ok"
	Absent  Verdict = "missing"
	Unknown Verdict = "unknown"
)

// Found is a finding of what was asked for with an error, nil being that it is there as detail says.
func Found(what, detail string, err error) Finding {
	if err != nil {
		return Finding{what, Absent, err.Error()}
	}
	return Finding{what, Present, detail}
}

// Check tells what the backend needs, one after the other, and at last starts a task in which nothing runs, and ends it. The task's
// container and image are given; where something is missing it is not tried.
func (b *Backend) Check(ctx context.Context, t runtime.Task, report func(Finding)) {
	missing := false
	tell := func(f Finding) {
		missing = missing || f.Verdict == Absent
		report(f)
	}
	if c, ok := b.driver.(Checker); ok {
		findings, err := c.Check(ctx)
		for _, f := range findings {
			tell(f)
		}
		if err != nil {
			tell(Found("the rest", "", err))
		}
	}
	if missing {
		tell(Finding{"task", Unknown, "it is not tried before the rest is there"})
		return
	}
	begun := b.config.Clock.Now()
	why := fmt.Sprintf("its agent has not answered within %s", b.config.CheckTimeout)
	if b.config.Gate != nil {
		why += ": if the task runs, nothing leads from it to " + b.config.GateURL
	}
	within, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() { // ends with Check
		select {
		case <-b.config.Clock.After(b.config.CheckTimeout):
			cancel(errdefs.ErrUnavailable.WithMessage(why))
		case <-within.Done():
		}
	}()
	_, err := b.Acquire(within, t)
	took := b.config.Clock.Now().Sub(begun).Round(time.Millisecond)
	err = errors.Join(err, b.Release(context.WithoutCancel(ctx), t.Container.GetId(), true))
	tell(Found("task", fmt.Sprintf("a task has started, its agent has answered, and it has been ended (%s)", took), err))
}

// CheckBackend tells what a backend needs: see [Backend.Check]. Errors: errdefs.ErrNotFound.
func (s *Scheduler) CheckBackend(ctx context.Context, name string, t runtime.Task, report func(Finding)) error {
	if why := s.config.Unavailable(name); why != "" {
		report(Finding{"backend", Absent, why})
		return nil
	}
	l := s.lane(name)
	if l == nil {
		return errdefs.ErrNotFound.WithMessage("the server has no backend " + name)
	}
	backend, ok := l.Backend.(*Backend)
	if !ok {
		return errdefs.ErrNotImplemented.WithMessage("the backend " + name + " cannot be checked")
	}
	backend.Check(ctx, t, report)
	return nil
}
