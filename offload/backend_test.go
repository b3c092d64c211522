package offload

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"

	"github.com/sockerless/sockerless/agent"
	"github.com/sockerless/sockerless/runtime"
	"github.com/sockerless/sockerless/runtime/runtimetest"
)

// suiteMachine is a world whose agents can run the suite's programs.
type suiteMachine struct{ *world }

func (m suiteMachine) Backend(*testing.T) runtime.Backend {
	b, _ := m.server(false)
	return b
}

func (m suiteMachine) Crash() { m.platform.crash() }

func TestConformance(t *testing.T) {
	runtimetest.Run(t, func(t *testing.T, _ string) runtimetest.Machine {
		w := newWorld(t)
		w.platform.start = suiteAgent
		return suiteMachine{w}
	})
}

func TestAcquireAndRelease(t *testing.T) {
	w := newWorld(t)
	b, _ := w.server(true)
	client, err := b.Acquire(t.Context(), w.task("c"))
	if err != nil {
		t.Fatal(err)
	}
	if again, err := b.Acquire(t.Context(), w.task("c")); err != nil || again != client {
		t.Errorf("again: %v, %v", again, err)
	}
	other, err := b.Acquire(t.Context(), w.task("d"))
	if err != nil || other.ID() == client.ID() {
		t.Errorf("another container has the same agent: %v", err)
	}
	if live, _, ever := w.platform.count("c"); live != 1 || ever != 1 {
		t.Errorf("%d tasks run, of %d", live, ever)
	}
	spec := w.platform.all()[0].spec
	if len(spec.Name) != 32 || spec.Tags[TagInstance] != "mine" || spec.Tags[TagContainer] != "c" || spec.Agent.Lease != 10*time.Minute {
		t.Errorf("spec %+v", spec)
	}
	if got := b.Containers(); len(got) != 2 {
		t.Errorf("containers %v", got)
	}
	for range 2 {
		for _, id := range []string{"c", "d", "never"} {
			if err := b.Release(t.Context(), id, true); err != nil {
				t.Fatal(err)
			}
		}
	}
	<-client.Done()
	w.settle(b)
	w.empty(b)
}

func TestTaskEndsByItself(t *testing.T) {
	w := newWorld(t)
	b, _ := w.server(true)
	client, err := b.Acquire(t.Context(), w.task("c"))
	if err != nil {
		t.Fatal(err)
	}
	code := 137
	w.platform.end(w.platform.all()[0], Status{Code: "SpotInterruption", Reason: "Your Spot Task was interrupted.", ExitCode: &code})
	b.poll(t.Context())
	<-client.Done()
	var ended *EndedError
	if err := client.Err(); !errors.As(err, &ended) || *ended.Status.ExitCode != 137 ||
		err.Error() != "the task on far has ended: SpotInterruption, Your Spot Task was interrupted., exit code 137 of its agent" {
		t.Errorf("gone: %v", err)
	}
	w.settle(b)
	w.empty(b)
	if _, err := b.Acquire(t.Context(), w.task("c")); err != nil { // another attempt
		t.Fatal(err)
	}
	if _, _, ever := w.platform.count("c"); ever != 2 {
		t.Errorf("%d tasks", ever)
	}
}

func TestMissingIsNotEndedAtOnce(t *testing.T) {
	w := newWorld(t)
	b, _ := w.server(true)
	client, err := b.Acquire(t.Context(), w.task("c"))
	if err != nil {
		t.Fatal(err)
	}
	task := w.platform.all()[0]
	w.platform.mu.Lock()
	task.gone = true
	w.platform.mu.Unlock()
	b.poll(t.Context())
	w.clock.advance(59 * time.Second)
	b.poll(t.Context())
	if client.Err() != nil {
		t.Errorf("gone already: %v", client.Err())
	}
	w.clock.advance(2 * time.Second)
	b.poll(t.Context())
	if err := client.Err(); err == nil || !strings.Contains(err.Error(), "does not know it any more") {
		t.Errorf("gone: %v", err)
	}
}

func TestParkAndRestart(t *testing.T) {
	w := newWorld(t)
	w.driver = restarting{driver{w.platform}}
	b, _ := w.server(true)
	first, err := b.Acquire(t.Context(), w.task("c"))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Release(t.Context(), "c", false); err != nil {
		t.Fatal(err)
	}
	<-first.Done()
	if live, left, _ := w.platform.count("c"); live != 0 || left != 1 {
		t.Errorf("%d run, %d are left", live, left)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b, _ = w.server(true)
	if clients, err := b.Recover(t.Context()); err != nil || len(clients) != 0 {
		t.Fatalf("%v, %v", clients, err)
	}
	if _, err := b.Acquire(t.Context(), w.task("c")); err != nil {
		t.Fatal(err)
	}
	if live, _, ever := w.platform.count("c"); live != 1 || ever != 1 {
		t.Errorf("%d run, of %d", live, ever)
	}
	w.platform.crash() // the files are still there
	b.poll(t.Context())
	if _, err := b.Acquire(t.Context(), w.task("c")); err != nil {
		t.Fatal(err)
	}
	if live, _, ever := w.platform.count("c"); live != 1 || ever != 1 {
		t.Errorf("%d run, of %d", live, ever)
	}
	if err := b.Release(t.Context(), "c", true); err != nil {
		t.Fatal(err)
	}
	w.settle(b)
	w.empty(b)
}

// meddling is a driver in whose Describe something happens between what it sees and its answer.
type meddling struct {
	restarting
	meanwhile *func()
}

func (m meddling) Describe(ctx context.Context, handles []Handle) ([]Status, error) {
	statuses, err := m.restarting.Describe(ctx, handles)
	if f := *m.meanwhile; f != nil {
		*m.meanwhile = nil
		f()
	}
	return statuses, err
}

// TestLateStatus has the platform say that a task has ended when that was started again since.
func TestLateStatus(t *testing.T) {
	w := newWorld(t)
	var meanwhile func()
	w.driver = meddling{restarting{driver{w.platform}}, &meanwhile}
	b, _ := w.server(true)
	if _, err := b.Acquire(t.Context(), w.task("c")); err != nil {
		t.Fatal(err)
	}
	w.platform.crash()
	var second *agent.Client
	meanwhile = func() {
		err := b.Release(t.Context(), "c", false)
		if err == nil {
			second, err = b.Acquire(t.Context(), w.task("c"))
		}
		if err != nil {
			t.Error(err)
		}
	}
	b.poll(t.Context())
	select {
	case <-second.Done():
		t.Errorf("the agent that runs is gone: %v", second.Err())
	default:
	}
	if live, left, ever := w.platform.count("c"); live != 1 || left != 1 || ever != 1 {
		t.Errorf("%d run, %d are left, of %d", live, left, ever)
	}
}

// slow is a driver in whose Restart something happens before the task is started.
type slow struct {
	restarting
	before *func()
}

func (s slow) Restart(ctx context.Context, h Handle) error {
	(*s.before)()
	return s.restarting.Restart(ctx, h)
}

// TestStatusWhileStartingAgain has the platform asked while a task is being started again.
func TestStatusWhileStartingAgain(t *testing.T) {
	w := newWorld(t)
	var before func()
	w.driver = slow{restarting{driver{w.platform}}, &before}
	b, _ := w.server(true)
	if _, err := b.Acquire(t.Context(), w.task("c")); err != nil {
		t.Fatal(err)
	}
	if err := b.Release(t.Context(), "c", false); err != nil {
		t.Fatal(err)
	}
	before = func() { b.poll(t.Context()) }
	client, err := b.Acquire(t.Context(), w.task("c"))
	if err != nil {
		t.Fatal(err)
	}
	b.poll(t.Context())
	select {
	case <-client.Done():
		t.Errorf("the agent that runs is gone: %v", client.Err())
	default:
	}
	if live, left, ever := w.platform.count("c"); live != 1 || left != 1 || ever != 1 {
		t.Errorf("%d run, %d are left, of %d", live, left, ever)
	}
}

// refusing is a driver that does not start a task again for a while.
type refusing struct {
	restarting
	err *error
}

func (r refusing) Restart(ctx context.Context, h Handle) error {
	if *r.err != nil {
		return *r.err
	}
	return r.restarting.Restart(ctx, h)
}

// TestRestartThatFails keeps the files of a container for the next try.
func TestRestartThatFails(t *testing.T) {
	w := newWorld(t)
	var failure error
	w.driver = refusing{restarting{driver{w.platform}}, &failure}
	b, _ := w.server(true)
	if _, err := b.Acquire(t.Context(), w.task("c")); err != nil {
		t.Fatal(err)
	}
	if err := b.Release(t.Context(), "c", false); err != nil {
		t.Fatal(err)
	}
	failure = errdefs.ErrUnavailable.WithMessage("no room today")
	if _, err := b.Acquire(t.Context(), w.task("c")); !errdefs.IsUnavailable(err) {
		t.Errorf("got %v", err)
	}
	failure = errdefs.ErrNotFound.WithMessage("no such task")
	if _, err := b.Acquire(t.Context(), w.task("c")); !errdefs.IsFailedPrecondition(err) || !strings.Contains(err.Error(), "create it again") {
		t.Errorf("got %v", err)
	}
	failure = nil
	if _, err := b.Acquire(t.Context(), w.task("c")); err != nil {
		t.Fatal(err)
	}
	if live, left, ever := w.platform.count("c"); live != 1 || left != 1 || ever != 1 {
		t.Errorf("%d run, %d are left, of %d", live, left, ever)
	}
}

func TestCapacityLeavesNothing(t *testing.T) {
	w := newWorld(t)
	w.platform.start = func(*platform, *fakeTask) error {
		return errdefs.ErrUnavailable.WithMessage("Capacity is unavailable at this time")
	}
	b, _ := w.server(true)
	if _, err := b.Acquire(t.Context(), w.task("c")); !errdefs.IsUnavailable(err) || !strings.Contains(err.Error(), "Capacity") {
		t.Errorf("acquire: %v", err)
	}
	b.group.Wait()
	w.empty(b)
}

func TestForeignTasksAreLeftAlone(t *testing.T) {
	w := newWorld(t)
	for _, tags := range []map[string]string{
		{TagInstance: "theirs", TagAttempt: "x", TagContainer: "t"},
		{TagInstance: "mine", TagAttempt: "y", TagContainer: "o", TagBackend: "other"},
		{TagInstance: "mine", TagAttempt: "z", TagContainer: "orphan", TagBackend: "far"},
	} {
		if _, err := w.driver.Run(t.Context(), Spec{Attempt: tags[TagAttempt], Name: tags[TagAttempt], Tags: tags}); err != nil {
			t.Fatal(err)
		}
	}
	b, m := w.server(true)
	m.Driver = everything{w.driver.(driver)}
	if err := b.sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	for container, want := range map[string]int{"t": 1, "o": 1, "orphan": 0} {
		if _, left, _ := w.platform.count(container); left != want {
			t.Errorf("%s: %d tasks are left, not %d", container, left, want)
		}
	}
}

// everything lists the tasks of all instances, as a driver with a mistake does.
type everything struct{ driver }

func (e everything) List(ctx context.Context, _ string) ([]Handle, error) {
	return e.driver.List(ctx, "")
}

// failpoints are all that a server passes on the way of a container through start and end.
var failpoints = []string{
	"before intent", "after intent", "before run", "after run", "after handle", "before connect", "after connect",
	"before ready", "after ready", "before ending", "after ending", "after shutdown", "after stop", "after remove",
	"before forget", "after forget",
}

func TestKilledAtEveryFailpoint(t *testing.T) {
	passed := map[string]bool{}
	for _, point := range failpoints {
		t.Run(point, func(t *testing.T) {
			w := newWorld(t)
			b, m := w.server(true)
			m.at.Store(point)
			done := make(chan struct{})
			var acquired, released bool
			go func() {
				defer close(done)
				if _, err := b.Acquire(t.Context(), w.task("c")); err != nil {
					t.Error(err)
				}
				acquired = true
				if err := b.Release(t.Context(), "c", true); err != nil {
					t.Error(err)
				}
				released = true
			}()
			<-done
			b.group.Wait()
			if !m.dead.Load() {
				t.Fatal("the failpoint was not passed")
			}
			passed[point] = true
			if released && point != "after forget" {
				t.Error("the server went on")
			}
			_ = b.Close() // as the system closes its connections

			b, _ = w.server(true)
			clients, err := b.Recover(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if point == "after ready" && len(clients) != 1 {
				t.Errorf("%d agents were adopted", len(clients))
			}
			if err := b.sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			if !acquired { // the user tries again
				if _, err := b.Acquire(t.Context(), w.task("c")); err != nil {
					t.Fatal(err)
				}
				if live, left, ever := w.platform.count("c"); live != 1 || left != 1 || ever != 1 {
					t.Errorf("%d tasks run, %d are left, of %d", live, left, ever)
				}
			}
			if err := b.Release(t.Context(), "c", true); err != nil {
				t.Fatal(err)
			}
			w.settle(b)
			w.empty(b)
		})
	}
}

func TestAdoptedThatNobodyWantsIsEnded(t *testing.T) {
	w := newWorld(t)
	b, m := w.server(true)
	m.at.Store("after run")
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = b.Acquire(t.Context(), w.task("c"))
	}()
	<-done
	_ = b.Close()
	b, _ = w.server(true)
	if clients, err := b.Recover(t.Context()); err != nil || len(clients) > 0 {
		t.Fatal(clients, err)
	}
	for range 2 {
		if err := b.sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if live, _, _ := w.platform.count("c"); live != 1 {
		t.Fatalf("%d run", live)
	}
	w.clock.advance(11 * time.Minute)
	if err := b.sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.group.Wait()
	w.settle(b)
	w.empty(b)
}

func TestFateOfWhatEndedMeanwhile(t *testing.T) {
	w := newWorld(t)
	b, _ := w.server(true)
	if _, err := b.Acquire(t.Context(), w.task("c")); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(w.sockets+"/sl-00.sock", nil, 0o600); err != nil { // of a server that was killed
		t.Fatal(err)
	}
	w.platform.crash()
	b, _ = w.server(true)
	if clients, err := b.Recover(t.Context()); err != nil || len(clients) > 0 {
		t.Fatal(clients, err)
	}
	if err := b.Fate("c"); err == nil || !strings.Contains(err.Error(), "HostLost, the machine is gone") {
		t.Errorf("fate: %v", err)
	}
	w.settle(b)
	w.empty(b)
}

func TestSpent(t *testing.T) {
	w := newWorld(t)
	b, _ := w.server(true)
	if _, err := b.Acquire(t.Context(), w.task("c")); err != nil {
		t.Fatal(err)
	}
	w.clock.advance(100 * time.Second)
	check := func(want float64) {
		t.Helper()
		if got, err := b.Spent(); err != nil || got < want-1e-9 || got > want+1e-9 {
			t.Errorf("spent %v, %v; want %v", got, err, want)
		}
	}
	check(0.1)
	if err := b.Release(t.Context(), "c", true); err != nil {
		t.Fatal(err)
	}
	w.clock.advance(time.Hour)
	check(0.1)
	_ = b.Close()
	b, _ = w.server(true)
	check(0.1)
}

// TestRandom runs operations, faults and kills by a seed, and holds them against a small model: which containers were
// promised an agent.
func TestRandom(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { random(t, seed, 250) })
	}
}

func random(t *testing.T, seed uint64, operations int) {
	dice := rand.New(rand.NewPCG(seed, 1))
	w := newWorld(t)
	faults := &faulty{driver: driver{w.platform}, random: rand.New(rand.NewPCG(seed, 2)), rate: 0.1, missed: map[string]bool{}}
	w.driver = faults
	b, m := w.server(true)
	promised := map[string]string{} // containers that have an agent by the model, and of what attempt
	lost := map[string]bool{}       // attempts that the platform has lost
	step := func(f func()) {        // in a goroutine that a kill may end
		done := make(chan struct{})
		go func() {
			defer close(done)
			f()
		}()
		for waiting := true; waiting; {
			select {
			case <-done:
				waiting = false
			case <-time.After(10 * time.Millisecond): // what waits for the platform is told by a poll
				polled := make(chan struct{})
				go func() {
					defer close(polled)
					b.poll(t.Context())
				}()
				<-polled
				if m.dead.Load() {
					_ = b.Close() // as the system closes its connections: whoever still waits for an answer is killed, too
				}
			}
		}
		b.group.Wait()
	}
	var log []string
	for range operations {
		c := fmt.Sprint("c", dice.IntN(4))
		switch op := dice.IntN(10); {
		case op < 4:
			log = append(log, "acquire "+c)
			step(func() {
				if client, err := b.Acquire(t.Context(), w.task(c)); err == nil {
					promised[c] = client.ID()
				}
			})
		case op < 6:
			log = append(log, "release "+c)
			delete(promised, c)
			step(func() { _ = b.Release(t.Context(), c, dice.IntN(2) == 0) })
		case op < 7:
			log = append(log, "poll and sweep")
			w.clock.advance(time.Duration(dice.IntN(90)) * time.Second)
			step(func() {
				b.poll(t.Context())
				_ = b.sweep(t.Context())
			})
		case op < 8:
			if all := w.platform.all(); len(all) > 0 {
				task := all[dice.IntN(len(all))]
				log = append(log, "lose "+task.handle.ID)
				lost[task.handle.Attempt] = true
				w.platform.end(task, Status{Code: "HostLost"})
			}
		default:
			point := failpoints[dice.IntN(len(failpoints))]
			log = append(log, "kill at "+point+" or later")
			m.at.Store(point)
			step(func() {
				if client, err := b.Acquire(t.Context(), w.task(c)); err == nil {
					promised[c] = client.ID()
					if dice.IntN(2) == 0 {
						delete(promised, c)
						_ = b.Release(t.Context(), c, true)
					}
				}
			})
			m.dead.Store(true)
			_ = b.Close()
			b, m = w.server(true)
			step(func() {
				if _, err := b.Recover(t.Context()); err != nil {
					t.Errorf("recover: %v", err)
				}
			})
		}
		for c, attempt := range promised {
			runs := slices.ContainsFunc(w.platform.all(), func(task *fakeTask) bool {
				return task.handle.Container == c && task.handle.Attempt == attempt && task.status.State == Running
			})
			if !runs && !lost[attempt] {
				t.Fatalf("%s was promised attempt %s and has none after %s", c, attempt, strings.Join(log, ", "))
			}
		}
		for i := range 4 {
			c := fmt.Sprint("c", i)
			b.mu.Lock()
			ending := 0
			for _, k := range b.ending {
				if k.intent.Container == c {
					ending++
				}
			}
			b.mu.Unlock()
			if live, _, _ := w.platform.count(c); live > 1+ending {
				t.Fatalf("%s has %d tasks, %d of them ending, after %s", c, live, ending, strings.Join(log, ", "))
			}
		}
	}
	faults.rate = 0
	for i := range 4 {
		if err := b.Release(t.Context(), fmt.Sprint("c", i), true); err != nil {
			t.Error(err)
		}
	}
	w.settle(b)
	if err := b.sweep(t.Context()); err != nil {
		t.Error(err)
	}
	w.empty(b)
	if t.Failed() {
		t.Log(strings.Join(log, "\n"))
	}
	attempts := map[string]int{}
	for _, task := range w.platform.all() {
		attempts[task.spec.Attempt]++
	}
	for attempt, n := range attempts {
		if n > 1 {
			t.Errorf("%d tasks of attempt %s", n, attempt)
		}
	}
}
