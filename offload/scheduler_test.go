package offload

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/containerd/errdefs"

	"github.com/sockerless/sockerless/agent"
	"github.com/sockerless/sockerless/agent/agentpb"
	"github.com/sockerless/sockerless/runtime"
)

// counted is a backend that gives clients of nothing, or fails as it is told.
type counted struct {
	name   string
	limits runtime.Limits
	price  float64
	spent  float64
	took   time.Duration

	mu    sync.Mutex
	fail  error
	tasks []runtime.Task
	given map[string]*agent.Client
}

func (b *counted) Name() string                                     { return b.name }
func (b *counted) Limits() runtime.Limits                           { return b.limits }
func (b *counted) Recover(context.Context) ([]*agent.Client, error) { return nil, nil }
func (b *counted) Close() error                                     { return nil }
func (b *counted) Spent() (float64, error)                          { return b.spent, nil }

func (b *counted) Price(s runtime.Size) (float64, bool) { return b.price * max(s.CPU, 1), b.price >= 0 }

func (b *counted) Acquire(ctx context.Context, t runtime.Task) (*agent.Client, error) {
	if b.took > 0 {
		select {
		case <-time.After(b.took):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tasks = append(b.tasks, t)
	if b.fail != nil {
		return nil, b.fail
	}
	return b.given["client"], nil
}

func (b *counted) Root(string) string { return "" }

func (b *counted) Release(context.Context, string, bool) error { return nil }

func (b *counted) asked() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.tasks)
}

func (b *counted) set(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail = err
}

// realClient is a client of an agent that does nothing; the scheduler only watches for its end.
func realClient(t *testing.T) *agent.Client {
	t.Helper()
	p := newPlatform(t)
	task := &fakeTask{spec: Spec{Name: "a", Attempt: "a"}}
	if err := idleAgent(p, task); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(task.kill)
	c, err := agent.Dial(t.Context(), "unix:"+task.socket, "test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func scheduler(t *testing.T, policy string, backends ...*counted) *Scheduler {
	t.Helper()
	config := SchedulerConfig{Source: FixedSource(parse(t, policy)), Rand: rand.NewPCG(1, 2)}
	for _, b := range backends {
		b.given = map[string]*agent.Client{"client": nil}
		config.Backends = append(config.Backends, b)
	}
	return NewScheduler(config)
}

func taskOf(container, project string) runtime.Task {
	return runtime.Task{Container: &agentpb.Container{Id: container}, Project: project}
}

func on(names ...string) runtime.Placement { return runtime.Placement{Backends: names} }

const twoBackends = "offload: {backends: {a: {type: t, concurrency: 1}, b: {type: t, concurrency: 1}}}"

func TestQueueIsFairAmongProjects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := &agent.Client{} // whose end nobody will tell
		a := &counted{name: "a"}
		s := scheduler(t, twoBackends, a)
		a.given["client"] = client
		first, _, err := s.Acquire(t.Context(), on("a"), taskOf("first", "big"))
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var order []string
		var all sync.WaitGroup
		wait := func(id, project string) {
			all.Go(func() {
				b, _, err := s.Acquire(t.Context(), on("a"), taskOf(id, project))
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				order = append(order, id)
				mu.Unlock()
				if err := b.Release(t.Context(), id, true); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		for i := range 3 {
			wait(fmt.Sprint("big", i), "big")
		}
		wait("small0", "small")
		wait("small1", "small")
		ctx, cancel := context.WithCancel(t.Context())
		var cancelled error
		all.Go(func() { _, _, cancelled = s.Acquire(ctx, on("a"), taskOf("gone", "small")) })
		synctest.Wait()
		if e := s.Explain(runtime.Image{Name: "x"}, map[string]string{"sockerless.backend": "a"}, nil); e.Backends[0].Waiting != 6 || e.Backends[0].Running != 1 {
			t.Errorf("explained %+v", e.Backends)
		}
		cancel()
		synctest.Wait()
		if err := first.Release(t.Context(), "first", true); err != nil {
			t.Fatal(err)
		}
		all.Wait()
		if want := []string{"big0", "small0", "big1", "small1", "big2"}; !slices.Equal(order, want) {
			t.Errorf("order %v, want %v", order, want)
		}
		if !errors.Is(cancelled, context.Canceled) {
			t.Errorf("cancelled: %v", cancelled)
		}
		if n := len(s.lanes[0].seats.held) + len(s.lanes[0].seats.turns) + len(s.lanes[0].seats.waiting); n != 0 {
			t.Errorf("%d seats or waiters are left", n)
		}
		if err := s.lanes[0].Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestFullBackendIsPassedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := &agent.Client{} // whose end nobody will tell
		a, b := &counted{name: "a"}, &counted{name: "b"}
		s := scheduler(t, twoBackends, a, b)
		a.given["client"], b.given["client"] = client, client
		var got []string
		for i := range 2 {
			l, _, err := s.Acquire(t.Context(), on("a", "b"), taskOf(fmt.Sprint(i), ""))
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, l.Name())
		}
		third := make(chan string, 1)
		go func() {
			l, _, err := s.Acquire(t.Context(), on("a", "b"), taskOf("third", ""))
			if err != nil {
				t.Error(err)
			}
			third <- l.Name()
		}()
		synctest.Wait()
		if err := s.Backends()[1].Release(t.Context(), "1", true); err != nil { // the first that gets room
			t.Fatal(err)
		}
		got = append(got, <-third)
		if want := []string{"a", "b", "b"}; !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
		if l, _, err := s.Acquire(t.Context(), on("a", "b"), taskOf("third", "")); err != nil || l.Name() != "b" { // it is there already
			t.Errorf("again: %v, %v", l, err)
		}
		for _, l := range s.Backends() {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestNextBackendAndRounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := &agent.Client{} // whose end nobody will tell
		a, b := &counted{name: "a"}, &counted{name: "b"}
		s := scheduler(t, twoBackends, a, b)
		b.given["client"] = client
		a.set(errdefs.ErrUnavailable.WithMessage("Capacity is unavailable at this time"))
		l, _, err := s.Acquire(t.Context(), on("a", "b"), taskOf("1", ""))
		if err != nil || l.Name() != "b" {
			t.Errorf("%v, %v", l, err)
		}
		b.set(errdefs.ErrResourceExhausted.WithMessage("quota"))
		if err := s.Backends()[1].Release(t.Context(), "1", true); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		_, _, err = s.Acquire(t.Context(), on("a", "b"), taskOf("2", ""))
		if want := "no backend takes it: a: Capacity is unavailable at this time; b: quota"; !errdefs.IsUnavailable(err) || err.Error() != want {
			t.Errorf("no room: %v", err)
		}
		if a.asked() != 4 || b.asked() != 4 {
			t.Errorf("asked %d and %d times", a.asked(), b.asked())
		}
		if paused := time.Since(began); paused < 1500*time.Millisecond || paused > 4500*time.Millisecond { // 1 s and 2 s, spread
			t.Errorf("paused %s", paused)
		}
		a.set(errdefs.ErrInvalidArgument.WithMessage("no such image"))
		if _, _, err = s.Acquire(t.Context(), on("a", "b"), taskOf("3", "")); !errdefs.IsInvalidArgument(err) || b.asked() != 4 {
			t.Errorf("what is wrong everywhere: %v", err)
		}
		for _, l := range s.Backends() {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestCircuitBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := &agent.Client{} // whose end nobody will tell
		a := &counted{name: "a"}
		s := scheduler(t, twoBackends, a)
		a.given["client"] = client
		a.set(errdefs.ErrPermissionDenied.WithMessage("the token has expired"))
		var err error
		for i := range 5 {
			if _, _, err = s.Acquire(t.Context(), on("a"), taskOf(fmt.Sprint(i), "")); !errdefs.IsFailedPrecondition(err) {
				t.Errorf("%d: %v", i, err)
			}
		}
		_, _, err = s.Acquire(t.Context(), on("a"), taskOf("6", ""))
		if !errdefs.IsUnavailable(err) || !strings.Contains(err.Error(), "left alone for a while, as its last starts have failed: the token has expired") {
			t.Errorf("open: %v", err)
		}
		if a.asked() != 5 {
			t.Errorf("asked %d times", a.asked())
		}
		a.set(nil)
		time.Sleep(time.Minute + time.Second)
		if _, _, err := s.Acquire(t.Context(), on("a"), taskOf("7", "")); err != nil {
			t.Errorf("later: %v", err)
		}
		if err := s.Backends()[0].Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestLimitsAndCost(t *testing.T) {
	for _, test := range []struct {
		name    string
		backend *counted
		policy  string
		place   runtime.Placement
		task    runtime.Task
		lasts   time.Duration
		want    string
	}{
		{"platform", &counted{limits: runtime.Limits{Platforms: []string{"linux/amd64"}}}, "", runtime.Placement{}, runtime.Task{Image: runtime.Image{Platform: "linux/arm64"}}, 0, "it runs linux/amd64, not linux/arm64"},
		{"disk", &counted{limits: runtime.Limits{MaxDisk: 10 << 30}}, "", runtime.Placement{Size: runtime.Size{Disk: 40 << 30}}, runtime.Task{}, 0, "it has 10GiB of disk at most, not 40GiB"},
		{"duration", &counted{limits: runtime.Limits{MaxDuration: 15 * time.Minute}}, "", runtime.Placement{MaxDuration: time.Hour}, runtime.Task{}, 0, "its tasks run for 15m0s at most, not 1h0m0s"},
		{"another user", &counted{limits: runtime.Limits{User: "993:990"}}, "", runtime.Placement{}, runtime.Task{Security: runtime.Security{User: "993"}}, 0, "create the container with --user 993:990"},
		{"its own user", &counted{limits: runtime.Limits{User: "993:990"}}, "", runtime.Placement{}, runtime.Task{Security: runtime.Security{User: "993:990"}}, 0, ""},
		{"its own duration", &counted{limits: runtime.Limits{MaxDuration: 15 * time.Minute}}, "", runtime.Placement{}, runtime.Task{}, 15 * time.Minute, ""},
		{"money's duration", &counted{price: 0.001}, "", runtime.Placement{MaxCost: 0.5, Size: runtime.Size{CPU: 2}}, runtime.Task{}, 250 * time.Second, ""},
		{"money under its own duration", &counted{price: 0.001, limits: runtime.Limits{MaxDuration: time.Hour}}, "", runtime.Placement{MaxCost: 0.5}, runtime.Task{}, 500 * time.Second, ""},
		{"too dear", &counted{price: 0.001}, "", runtime.Placement{MaxCost: 0.5, MaxDuration: time.Hour}, runtime.Task{}, 0, "1h0m0s there may cost $3.6, over the limit of $0.5"},
		{"cheap enough", &counted{price: 0.0001}, "", runtime.Placement{MaxCost: 0.5, MaxDuration: time.Hour}, runtime.Task{}, time.Hour, ""},
		{"not a second", &counted{price: 1}, "", runtime.Placement{MaxCost: 0.5}, runtime.Task{}, 0, "not a second of it can be had for $0.5"},
		{"unknown price", &counted{price: -1}, "", runtime.Placement{MaxCost: 0.5}, runtime.Task{}, 0, "what it costs is not known"},
		{"price of the policy", &counted{price: -1}, "price: {cpu-hour: 3.6, memory-hour: 0}", runtime.Placement{MaxCost: 0.5, Size: runtime.Size{CPU: 1}}, runtime.Task{}, 500 * time.Second, ""},
		{"free", &counted{}, "", runtime.Placement{MaxCost: 0.5}, runtime.Task{}, 0, ""},
		{"budget", &counted{price: 0.001, spent: 9}, "budget: 10", runtime.Placement{MaxDuration: time.Hour}, runtime.Task{}, 0, "its budget of $10 for the month is used up: $9 are spent, and this task may cost $3.6"},
		{"within budget", &counted{price: 0.001, spent: 9}, "budget: 10", runtime.Placement{MaxDuration: time.Minute}, runtime.Task{}, time.Minute, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := test.backend
			b.name = "a"
			b.fail = errdefs.ErrUnavailable
			s := scheduler(t, "offload: {backends: {a: {type: t, "+test.policy+"}}}", b)
			s.rounds.tries = 1
			test.place.Backends = []string{"a"}
			test.task.Container = &agentpb.Container{Id: "c"}
			_, _, err := s.Acquire(t.Context(), test.place, test.task)
			if test.want != "" {
				if !errdefs.IsFailedPrecondition(err) || !strings.Contains(err.Error(), test.want) || b.asked() > 0 {
					t.Errorf("%v, want %q", err, test.want)
				}
				return
			}
			if b.asked() != 1 || b.tasks[0].MaxDuration != test.lasts {
				t.Errorf("%v; tasks %+v, want %s", err, b.tasks, test.lasts)
			}
		})
	}
}

func TestPreferences(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := &agent.Client{} // whose end nobody will tell
		dear, free, unknown := &counted{name: "dear", price: 1, took: time.Second}, &counted{name: "free", took: 3 * time.Second}, &counted{name: "unknown", price: -1, took: 2 * time.Second}
		s := scheduler(t, "offload: {backends: {unknown: {type: t}, dear: {type: t}, free: {type: t}}}", unknown, dear, free)
		for _, b := range []*counted{dear, free, unknown} {
			b.given["client"] = client
			if _, _, err := s.Acquire(t.Context(), on(b.name), taskOf("x", "")); err != nil {
				t.Fatal(err)
			}
		}
		for prefer, want := range map[string]string{"order": "unknown dear free", "cheapest": "free dear unknown", "fastest": "dear unknown free"} {
			p, err := s.Place(t.Context(), runtime.PlaceRequest{Labels: map[string]string{
				"sockerless.prefer": prefer, "sockerless.backend": "unknown,dear,free"}})
			if got := strings.Join(p.Backends, " "); err != nil || got != want {
				t.Errorf("%s: %s, %v; want %s", prefer, got, err, want)
			}
		}
		for _, l := range s.Backends() {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestExplain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yaml")
	text := "offload:\n  backends:\n    far: {type: docker, price: {cpu-hour: 0.5, memory-hour: 0}, concurrency: 3}\n" +
		"  rules:\n    - image: node\n      place: offload\n      backends: [local, far]\n      size: {cpu: 2}\n      max-duration: 30m\n    - image: \"**\"\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	source, err := NewSource(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := NewScheduler(SchedulerConfig{Source: source, Backends: []runtime.Backend{&counted{name: "far"}}, Unavailable: func(name string) string { return map[string]string{"local": "no user namespaces"}[name] }})
	e := s.Explain(runtime.Image{Name: "node:22", Platform: "linux/amd64"}, nil, []string{"npm", "test"})
	if e.Error != "" || e.Place != runtime.Offloaded || e.Rule != "config.yaml:5" || len(e.Backends) != 2 || e.MaxDuration != "30m0s" || e.File != file {
		t.Fatalf("%+v", e)
	}
	far, local := e.Backends[0], e.Backends[1]
	if far.Name != "far" || *far.USDPerHour != 1 || *far.MaxUSD != 0.5 || far.Concurrency != 3 || local.Why != "no user namespaces" {
		t.Errorf("%+v, %+v", far, local)
	}
	e = s.Explain(runtime.Image{Name: "alpine"}, map[string]string{"sockerless.place": "offload"}, nil)
	if len(e.Considered) != 2 || e.Considered[0].Why != "image is not node" || !e.Considered[1].Matches || !strings.Contains(e.Error, "allow-labels: [place]") {
		t.Errorf("%+v", e)
	}
}

func TestSeatIsFreeWhenTheAgentIsGone(t *testing.T) {
	client := realClient(t)
	a := &counted{name: "a"}
	s := scheduler(t, twoBackends, a)
	a.given["client"] = client
	if _, _, err := s.Acquire(t.Context(), on("a"), taskOf("1", "")); err != nil {
		t.Fatal(err)
	}
	client.Gone(errors.New("lost"))
	if _, err := s.Backends()[0].Acquire(t.Context(), taskOf("2", "")); err != nil { // it waits for that
		t.Fatal(err)
	}
	if err := s.Backends()[0].Close(); err != nil {
		t.Error(err)
	}
}
