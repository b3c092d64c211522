package runtime

import (
	"context"
	"slices"

	types "github.com/moby/moby/api/types/container"
)

// Waiter waits for a container, as of the moment in which [Engine.ContainerWait] returned it.
type Waiter struct {
	container *container
	removal   bool                    // waits for the removal, not for an exit
	now       bool                    // is content where the container does not run
	done      chan types.WaitResponse // has room for the one result
}

// ContainerWait registers for a condition: "" and not-running, next-exit, removed. Errors: errdefs.ErrNotFound,
// errdefs.ErrInvalidArgument.
func (e *Engine) ContainerWait(_ context.Context, name, condition string) (*Waiter, error) {
	switch types.WaitCondition(condition) {
	case "", types.WaitConditionNotRunning, types.WaitConditionNextExit, types.WaitConditionRemoved:
	default:
		return nil, invalid("invalid condition: %q", condition)
	}
	c, err := e.lookup(name)
	if err != nil {
		return nil, err
	}
	w := &Waiter{
		container: c, done: make(chan types.WaitResponse, 1),
		removal: types.WaitCondition(condition) == types.WaitConditionRemoved,
		now:     condition == "" || types.WaitCondition(condition) == types.WaitConditionNotRunning,
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.record()
	if c.removed || w.now && !r.active() && c.starting == 0 {
		w.done <- r.waitResponse()
		return w, nil
	}
	c.waiters = append(c.waiters, w)
	return w, nil
}

// Result waits until the condition holds; an error is that of ctx.
func (w *Waiter) Result(ctx context.Context) (types.WaitResponse, error) {
	select {
	case response := <-w.done:
		return response, nil
	case <-ctx.Done():
		w.Close()
		return types.WaitResponse{}, ctx.Err()
	}
}

// Close gives up waiting.
func (w *Waiter) Close() {
	c := w.container
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiters = slices.DeleteFunc(c.waiters, func(other *Waiter) bool { return other == w })
}

func (r *record) waitResponse() types.WaitResponse {
	return types.WaitResponse{StatusCode: int64(r.ExitCode)}
}

// notifyExit tells those who wait for an exit.
func (c *container) notifyExit() {
	c.notify(func(w *Waiter) bool { return !w.removal })
}

// notifyFailedStart tells those who only want to know that nothing runs.
func (c *container) notifyFailedStart() {
	c.notify(func(w *Waiter) bool { return w.now })
}

// notifyRemoval tells all: nothing more happens to the container.
func (c *container) notifyRemoval() {
	c.notify(func(*Waiter) bool { return true })
}

func (c *container) notify(whom func(*Waiter) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	response := c.record().waitResponse()
	c.waiters = slices.DeleteFunc(c.waiters, func(w *Waiter) bool {
		if !whom(w) {
			return false
		}
		w.done <- response
		return true
	})
	if len(c.waiters) == 0 {
		c.waiters = nil
	}
}

// exitWaiter waits for the end of the current run; nil where there is none.
func (c *container) exitWaiter() *Waiter {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.record().running() {
		return nil
	}
	w := &Waiter{container: c, done: make(chan types.WaitResponse, 1)}
	c.waiters = append(c.waiters, w)
	return w
}
