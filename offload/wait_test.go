package offload

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"
)

// silent starts tasks whose agents never answer.
func silent(p *platform, task *fakeTask) error {
	task.socket = filepath.Join(p.dir, task.spec.Name)
	return nil
}

func TestCallerLeavesBeforeTheAgentAnswers(t *testing.T) {
	w := newWorld(t)
	w.platform.start = silent
	b, m := w.server(true)
	ctx, cancel := context.WithCancelCause(t.Context())
	b.config.Failpoint = func(name string) {
		m.failpoint(name)
		if name == "before connect" {
			cancel(context.Canceled)
		}
	}
	if _, err := b.Acquire(ctx, w.task("c")); err == nil {
		t.Error("an agent that does not answer was acquired")
	}
	b.group.Wait()
	w.settle(b)
	w.empty(b)
	if _, _, ever := w.platform.count("c"); ever != 1 {
		t.Errorf("%d tasks", ever)
	}
}

func TestAgentNeverAnswers(t *testing.T) {
	w := newWorld(t)
	w.platform.start = silent
	b, _ := w.server(true)
	b.config.StartTimeout = time.Second // at once, by the clock of the world
	_, err := b.Acquire(t.Context(), w.task("c"))
	if !errdefs.IsUnavailable(err) || !strings.Contains(err.Error(), "its agent has not answered within 1s") {
		t.Errorf("acquire: %v", err)
	}
	b.group.Wait()
	w.settle(b)
	w.empty(b)
}

func TestTaskEndsBeforeItsAgentAnswers(t *testing.T) {
	w := newWorld(t)
	w.platform.start = silent
	b, m := w.server(true)
	b.config.Failpoint = func(name string) {
		m.failpoint(name)
		if name == "before connect" {
			w.platform.end(w.platform.all()[0], Status{Code: "TaskFailedToStart", Reason: "CannotPullContainerError", NoRoom: true})
			b.poll(t.Context())
		}
	}
	_, err := b.Acquire(t.Context(), w.task("c"))
	if !errdefs.IsUnavailable(err) || !strings.Contains(err.Error(), "the task on far has ended: TaskFailedToStart, CannotPullContainerError") {
		t.Errorf("acquire: %v", err)
	}
	b.group.Wait()
	w.settle(b)
	w.empty(b)
}

// here is a driver whose tasks are on this machine, each in its container's place.
type here struct{ driver }

func (d here) Target(h Handle) string { return "unix:" + d.task(h).socket }
func (d here) Root(Handle) string     { return "" }

func TestPlaceOnThisMachineIsLeftBeforeTheNextTask(t *testing.T) {
	w := newWorld(t)
	d := here{driver{w.platform}}
	b := NewBackend("local", d, Config{State: w.state, Instance: "mine", RuntimeDir: w.sockets, Clock: w.clock})
	b.started = true
	t.Cleanup(func() { _ = b.Close() })
	b.config.Failpoint = func(name string) {
		if live, _, _ := w.platform.count("c"); name == "before run" && live > 0 {
			t.Error("the next task starts before the last one has ended")
		}
	}
	if _, err := b.Acquire(t.Context(), w.task("c")); err != nil {
		t.Fatal(err)
	}
	k := b.current["c"]
	if err := k.lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.discard(k) // its end waits for the turn
	k.unlock()
	if _, err := b.Acquire(t.Context(), w.task("c")); err != nil {
		t.Fatal(err)
	}
	b.group.Wait()
	if live, left, ever := w.platform.count("c"); live != 1 || left != 1 || ever != 2 {
		t.Errorf("%d run, %d are left, of %d", live, left, ever)
	}
}
