package offload

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/sony/gobreaker/v2"

	"github.com/sockerless/sockerless/agent"
	"github.com/sockerless/sockerless/runtime"
)

// SchedulerConfig is what a [Scheduler] stands on. Source is needed.
type SchedulerConfig struct {
	Source   *Source
	Backends []runtime.Backend // that are there, in the order in which they are preferred
	// Unavailable says why a backend cannot be used: local on a kernel without user namespaces; "" where it can. It is asked
	// when a container is placed, not before. Nil: all can.
	Unavailable func(name string) string
	// Rounds is how often all backends are asked before a start fails for want of room; 3.
	Rounds int
	// Failures is after how many starts in a row that failed a backend is left alone for Cooldown; 5 and 1 min.
	Failures uint32
	Cooldown time.Duration
	Clock    Clock // that of pauses; the circuit breaker has the machine's
	Rand     rand.Source
	Log      *slog.Logger
}

// Scheduler is the runtime.Offloader: it places containers by the policy, and finds an agent for those that leave.
type Scheduler struct {
	config SchedulerConfig
	rounds patience
	lanes  []*lane

	mu sync.Mutex // over seats and took
}

// lane is a backend with those who want to run there.
type lane struct {
	runtime.Backend
	scheduler *Scheduler
	breaker   *gobreaker.CircuitBreaker[*agent.Client]
	seats     seats
	took      time.Duration // a start, lately; 0 is not known

	mu       sync.Mutex
	last     error // why the breaker is open
	watching map[string]bool
	stopped  bool
	closing  chan struct{}
	watches  sync.WaitGroup
}

// NewScheduler makes a scheduler over backends.
func NewScheduler(config SchedulerConfig) *Scheduler {
	set(&config.Rounds, 3)
	set(&config.Failures, 5)
	set(&config.Cooldown, time.Minute)
	if config.Clock == nil {
		config.Clock = SystemClock{}
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	if config.Unavailable == nil {
		config.Unavailable = func(string) string { return "" }
	}
	s := &Scheduler{config: config, rounds: patience{
		tries: config.Rounds, first: time.Second, cap: 10 * time.Second, clock: config.Clock, dice: newDice(config.Rand)}}
	for _, b := range config.Backends {
		s.lanes = append(s.lanes, &lane{
			Backend: b, scheduler: s, closing: make(chan struct{}), watching: map[string]bool{},
			seats: seats{held: map[string]bool{}, waiting: map[string][]*ticket{}},
			breaker: gobreaker.NewCircuitBreaker[*agent.Client](gobreaker.Settings{
				Name: b.Name(), Timeout: config.Cooldown,
				ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= config.Failures },
				IsExcluded:  func(err error) bool { return err != nil && !isFault(err) },
				OnStateChange: func(name string, _, to gobreaker.State) {
					config.Log.Warn("starts on a backend", "backend", name, "circuit", to.String())
				},
			}),
		})
	}
	return s
}

// isFault tells whether an error speaks against the backend: neither the task's fault, nor want of room, nor a caller that
// has left.
func isFault(err error) bool {
	return !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) && !noRoom(err) &&
		!errdefs.IsFailedPrecondition(err) && !errdefs.IsInvalidArgument(err) && !errdefs.IsNotImplemented(err) && !errdefs.IsNotFound(err)
}

func noRoom(err error) bool { return errdefs.IsUnavailable(err) || errdefs.IsResourceExhausted(err) }

// Backends are all that are there, each behind its queue.
func (s *Scheduler) Backends() []runtime.Backend {
	all := make([]runtime.Backend, len(s.lanes))
	for i, l := range s.lanes {
		all[i] = l
	}
	return all
}

func (s *Scheduler) lane(name string) *lane {
	for _, l := range s.lanes {
		if l.Name() == name {
			return l
		}
	}
	return nil
}

// configOf is a lane's section in the policy that holds now.
func (s *Scheduler) configOf(l *lane) BackendConfig {
	if policy, _ := s.config.Source.Policy(); policy != nil {
		for _, c := range policy.Backends {
			if c.Name == l.Name() {
				return c
			}
		}
	}
	return BackendConfig{Name: l.Name()}
}

// Place decides by the policy that holds now. Where that cannot be read, no native program runs.
func (s *Scheduler) Place(_ context.Context, r runtime.PlaceRequest) (runtime.Placement, error) {
	d, err := s.decide(r)
	return d.Placement, err
}

func (s *Scheduler) decide(r runtime.PlaceRequest) (Decision, error) {
	policy, err := s.config.Source.Policy()
	if policy == nil {
		return Decision{Placement: runtime.Placement{
			Where: runtime.Auto, Rule: "policy", Size: r.Size, Refusal: fmt.Sprintf("the policy cannot be read: %v", err)}}, nil
	}
	d, err := policy.decide(r, s.offers(policy))
	s.order(&d)
	return d, err
}

// offers are the backends of a policy, with why some of them cannot be had. Those that need no configuration come where the
// policy names them, else first.
func (s *Scheduler) offers(policy *Policy) []offer {
	var all []offer
	for _, name := range policy.names() {
		switch why := s.config.Unavailable(name); {
		case why != "":
			all = append(all, offer{name, why})
		case s.lane(name) != nil:
			all = append(all, offer{name: name})
		case name == Local:
			all = append(all, offer{name, "it is not on this system"})
		default:
			all = append(all, offer{name, "it is new in the policy, and the server was not started again since"})
		}
	}
	return all
}

// Acquire finds an agent for a task on the placement's backends: on the first that can run it, has a free seat and room. It
// waits for a seat, for as long as ctx lets it. Errors: errdefs.ErrUnavailable where there is no room anywhere,
// errdefs.ErrFailedPrecondition where no backend can run the task; both say why of each.
func (s *Scheduler) Acquire(ctx context.Context, p runtime.Placement, t runtime.Task) (runtime.Backend, *agent.Client, error) {
	if len(p.Backends) == 0 {
		return nil, nil, errdefs.ErrFailedPrecondition.WithMessage(p.Refusal)
	}
	set(&t.Size.CPU, p.Size.CPU)
	set(&t.Size.Memory, p.Size.Memory)
	set(&t.Size.Disk, p.Size.Disk)
	set(&t.MaxDuration, p.MaxDuration)
	a := &attempts{why: map[string]error{}}
	var candidates []*lane
	for _, name := range p.Backends {
		l := s.lane(name)
		if l == nil {
			a.fail(name, errdefs.ErrFailedPrecondition.WithMessage("it is not there any more"))
			continue
		}
		if _, err := s.fit(l, p, t); err != nil {
			a.fail(name, err)
			continue
		}
		candidates = append(candidates, l)
	}
	var found *lane
	var client *agent.Client
	err := s.rounds.try(ctx, func(ctx context.Context) (err error) {
		found, client, err = s.round(ctx, candidates, p, t, a)
		return err
	}, func(error) (time.Duration, bool) { return 0, a.room && ctx.Err() == nil })
	if err != nil {
		return nil, nil, err
	}
	return found, client, nil
}

// attempts are what came of asking the backends.
type attempts struct {
	names []string
	why   map[string]error // the last error of each
	room  bool             // in this round some failed for want of room
}

func (a *attempts) fail(name string, err error) {
	if a.why[name] == nil {
		a.names = append(a.names, name)
	}
	a.why[name] = err
	a.room = a.room || noRoom(err)
}

func (a *attempts) err() error {
	var texts []string
	for _, name := range a.names {
		texts = append(texts, name+": "+a.why[name].Error())
	}
	message := "no backend takes it: " + strings.Join(texts, "; ")
	if a.room {
		return errdefs.ErrUnavailable.WithMessage(message)
	}
	return errdefs.ErrFailedPrecondition.WithMessage(message)
}

// round asks each of the lanes once.
func (s *Scheduler) round(ctx context.Context, lanes []*lane, p runtime.Placement, t runtime.Task, a *attempts) (*lane, *agent.Client, error) {
	a.room = false
	remaining := append([]*lane(nil), lanes...)
	for len(remaining) > 0 {
		l, err := s.sit(ctx, remaining, t.Container.GetId(), t.Project)
		if err != nil {
			return nil, nil, fmt.Errorf("wait for a free place: %w", err)
		}
		fitting, err := s.fit(l, p, t) // what is spent may have grown meanwhile
		var client *agent.Client
		if err == nil {
			client, err = l.start(ctx, fitting)
		}
		if err == nil {
			return l, client, nil
		}
		s.stand(l, t.Container.GetId())
		if ctx.Err() != nil || errdefs.IsInvalidArgument(err) {
			return nil, nil, err
		}
		s.config.Log.Warn("a backend does not take a task", "backend", l.Name(), "container", t.Container.GetId(), "error", err)
		a.fail(l.Name(), err)
		for i, other := range remaining {
			if other == l {
				remaining = append(remaining[:i], remaining[i+1:]...)
				break
			}
		}
	}
	return nil, nil, a.err()
}

// start asks the backend itself, unless its last starts have all failed; there is a seat.
func (l *lane) start(ctx context.Context, t runtime.Task) (*agent.Client, error) {
	began := l.scheduler.config.Clock.Now()
	client, err := l.breaker.Execute(func() (*agent.Client, error) { return l.Backend.Acquire(ctx, t) })
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		l.mu.Lock()
		defer l.mu.Unlock()
		return nil, errdefs.ErrUnavailable.WithMessage(fmt.Sprintf("it is left alone for a while, as its last starts have failed: %v", l.last))
	}
	if err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		if isFault(err) {
			l.last = err
		}
		return nil, err
	}
	l.learn(l.scheduler.config.Clock.Now().Sub(began))
	l.watch(client, t.Container.GetId())
	return client, nil
}

// learn takes how long a start took into what is expected of the next.
func (l *lane) learn(took time.Duration) {
	l.scheduler.mu.Lock()
	defer l.scheduler.mu.Unlock()
	took = max(took, 1)
	if l.took > 0 {
		took = (3*l.took + took) / 4
	}
	l.took = took
}

// Acquire is that of a container that has been here before: it waits for a seat, and asks no other backend.
func (l *lane) Acquire(ctx context.Context, t runtime.Task) (*agent.Client, error) {
	id := t.Container.GetId()
	if _, err := l.scheduler.sit(ctx, []*lane{l}, id, t.Project); err != nil {
		return nil, fmt.Errorf("wait for a free place on %s: %w", l.Name(), err)
	}
	client, err := l.start(ctx, t)
	if err != nil {
		l.scheduler.stand(l, id)
	}
	return client, err
}

// Release gives the seat of a container back too.
func (l *lane) Release(ctx context.Context, container string, forget bool) error {
	if err := l.Backend.Release(ctx, container, forget); err != nil {
		return err
	}
	l.scheduler.stand(l, container)
	return nil
}

// Recover seats the containers that still run, whatever the limit is.
func (l *lane) Recover(ctx context.Context) ([]*agent.Client, error) {
	clients, err := l.Backend.Recover(ctx)
	for _, c := range clients {
		id := c.ID()
		if has := c.Containers(); len(has) > 0 {
			id = has[0].GetContainer()
		}
		l.scheduler.mu.Lock()
		l.seats.held[id] = true
		l.scheduler.mu.Unlock()
		l.watch(c, id)
	}
	return clients, err
}

// watch gives the seat of a container back when its agent is gone.
func (l *lane) watch(client *agent.Client, container string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.watching[client.ID()] || l.stopped {
		return
	}
	l.watching[client.ID()] = true
	l.watches.Go(func() {
		select {
		case <-client.Done():
			l.scheduler.stand(l, container)
		case <-l.closing:
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.watching, client.ID())
	})
}

// Close closes the backend.
func (l *lane) Close() error {
	l.mu.Lock()
	if !l.stopped {
		l.stopped = true
		close(l.closing)
	}
	l.mu.Unlock()
	l.watches.Wait()
	return l.Backend.Close()
}

// Fate is how the task of a container ended while there was no server; nil where it did not, or nobody knows.
func (l *lane) Fate(container string) error {
	if b, ok := l.Backend.(interface{ Fate(string) error }); ok {
		return b.Fate(container)
	}
	return nil
}

// Containers are those that hold something on the backend, running or not.
func (l *lane) Containers() []string {
	if b, ok := l.Backend.(interface{ Containers() []string }); ok {
		return b.Containers()
	}
	return nil
}
