package offload

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	randv2 "math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/containerd/errdefs"

	"github.com/sockerless/sockerless/agent"
	"github.com/sockerless/sockerless/agent/reach"
	"github.com/sockerless/sockerless/runtime"
	"github.com/sockerless/sockerless/store/state"
)

// Config is what a [Backend] stands on. State, Instance and RuntimeDir are needed, the rest has defaults.
type Config struct {
	State      state.Store
	Instance   string // of this installation: only its tasks are touched
	RuntimeDir string // for sockets; short, of one data folder only
	// Relay serves a unix socket whose connections are joined to those of dial; nil is reach.NewRelay.
	Relay   func(path string, dial func(context.Context) (net.Conn, error)) (io.Closer, error)
	Gate    Gate   // where agents dial back; nil where the driver is a [Connector], and not needed by a [Sharer]
	GateURL string // by which they find it
	GateCA  []byte // PEM of the authority that has signed its certificate; nil is one that every system knows
	Price   *Price // instead of the driver's
	// VolumeSize is the most bytes of a volume or folder that is copied to where it is not seen; 1 GiB.
	VolumeSize int64

	Lease        time.Duration // after which an agent that no server speaks to ends its task; 10 min, negative is never
	Grace        time.Duration // between SIGTERM and SIGKILL of a stop; 10 s
	StartTimeout time.Duration // until a task's agent must answer; 15 min
	CheckTimeout time.Duration // likewise for the task of Check; 5 min
	FindTimeout  time.Duration // until the agent of an adopted task must answer; 30 s
	Sweep        time.Duration // between two looks for orphans; 10 min
	IdleTimeout  time.Duration // after which an adopted task that nobody has asked for is ended; 10 min

	Clock Clock
	Rand  randv2.Source // of pauses; seeded in tests
	NewID func() string // of attempts: 32 characters, never the same
	Log   *slog.Logger
	// Failpoint is called around every change of state, so that a test can end the server there.
	Failpoint func(name string)
}

// Gate is where agents dial back: a reach.Gate.
type Gate interface {
	// Expect lets the agent of an attempt in; the token is for its first connection within ttl.
	Expect(attempt string, ttl time.Duration) (token string, err error)
	// Forget sends that agent away for good.
	Forget(attempt string)
	// Dial waits for that agent and opens a connection to it.
	Dial(ctx context.Context, attempt string) (net.Conn, error)
}

// Backend is a runtime.Backend over a [Driver].
type Backend struct {
	name   string
	driver Driver
	config Config
	pace   Pace
	calls  patience // of calls to the driver
	here   bool     // it is a Sharer: tasks and agents are on this machine

	ctx   context.Context // ends at Close
	stop  context.CancelFunc
	group sync.WaitGroup
	once  sync.Once
	kick  chan struct{} // asks for a poll now

	spending sync.Mutex // over the month's record

	mu       sync.Mutex
	started  bool             // the watch runs
	sweeping bool             // the janitor runs
	current  map[string]*task // by container
	ending   map[string]*task // by attempt
	fates    map[string]error // by container: how a task ended while there was no server
}

// task is a start of a container somewhere. Its turn is held by whoever changes it; intent and client are read under the
// backend's lock and changed under both; Close lets go of a client without the turn.
type task struct {
	turn   chan struct{}
	intent intent
	client *agent.Client
	relay  io.Closer

	ended        chan struct{} // closed when the platform has said so
	status       Status        // then
	missingSince time.Time
	doubt        bool      // the platform may have a task of this attempt that no handle is known of
	asked        time.Time // of the last Stop
	adopted      time.Time // found by Recover, and nobody has asked for it yet
}

func newTask() *task { return &task{turn: make(chan struct{}, 1), ended: make(chan struct{})} }

// hasEnded tells whether the platform has said that it has ended.
func (t *task) hasEnded() bool {
	select {
	case <-t.ended:
		return true
	default:
		return false
	}
}

func (t *task) lock(ctx context.Context) error {
	if t.tryLock() {
		return nil
	}
	select {
	case t.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (t *task) tryLock() bool {
	select {
	case t.turn <- struct{}{}:
		return true
	default:
		return false
	}
}

func (t *task) unlock() { <-t.turn }

// NewBackend makes a backend of a driver, under the name by which policies call it.
func NewBackend(name string, driver Driver, config Config) *Backend {
	set(&config.Lease, 10*time.Minute)
	set(&config.Grace, 10*time.Second)
	set(&config.StartTimeout, 15*time.Minute)
	set(&config.CheckTimeout, 5*time.Minute)
	set(&config.FindTimeout, 30*time.Second)
	set(&config.Sweep, 10*time.Minute)
	set(&config.IdleTimeout, 10*time.Minute)
	if config.VolumeSize == 0 {
		config.VolumeSize = 1 << 30
	}
	if config.Clock == nil {
		config.Clock = SystemClock{}
	}
	if config.Relay == nil {
		config.Relay = func(path string, dial func(context.Context) (net.Conn, error)) (io.Closer, error) {
			return reach.NewRelay(path, dial)
		}
	}
	if config.NewID == nil {
		config.NewID = newID
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	if config.Failpoint == nil {
		config.Failpoint = func(string) {}
	}
	b := &Backend{
		name: name, driver: driver, config: config, kick: make(chan struct{}, 1),
		current: map[string]*task{}, ending: map[string]*task{}, fates: map[string]error{},
		calls: patience{tries: 6, first: 500 * time.Millisecond, cap: 20 * time.Second, clock: config.Clock, dice: newDice(config.Rand)},
	}
	if _, b.here = driver.(Sharer); b.here {
		b.config.Gate = nil
	}
	if p, ok := driver.(Pacer); ok {
		b.pace = p.Pace()
	}
	set(&b.pace.Poll, 5*time.Second)
	set(&b.pace.Settle, time.Minute)
	b.ctx, b.stop = context.WithCancel(context.Background())
	return b
}

func newID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // it never fails
	return hex.EncodeToString(id[:])
}

// Name is how the policy calls it.
func (b *Backend) Name() string { return b.name }

// Limits are the driver's, with that of volumes.
func (b *Backend) Limits() runtime.Limits {
	limits := b.driver.Limits()
	if limits.VolumesApart {
		limits.VolumeSize = b.config.VolumeSize
	}
	return limits
}

// Price is what a second of a task costs, in US dollars, and whether that is known.
func (b *Backend) Price(s runtime.Size) (usdPerSecond float64, known bool) {
	if b.config.Price != nil {
		return b.config.Price.PerSecond(s), true
	}
	return b.driver.Price(s)
}

// Containers are those that hold a task here, running or not: the engine releases those that it does not know.
func (b *Backend) Containers() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []string
	for id, t := range b.current {
		if t.intent.Attempt != "" {
			all = append(all, id)
		}
	}
	return all
}

// Fate is how the task of a container ended while there was no server; nil where it did not.
func (b *Backend) Fate(container string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.fates[container]
}

// Acquire returns the agent of a container, and starts its task where there is none.
func (b *Backend) Acquire(ctx context.Context, t runtime.Task) (*agent.Client, error) {
	client, useless, err := b.acquire(ctx, t)
	if useless && ctx.Err() == nil { // what an earlier server has left has ended since
		client, _, err = b.acquire(ctx, t)
	}
	return client, err
}

// acquire goes on with the attempt at a container that there is, or makes one. An attempt of before whose task has ended
// is of no use.
func (b *Backend) acquire(ctx context.Context, t runtime.Task) (client *agent.Client, useless bool, err error) {
	k, err := b.enter(ctx, t.Container.GetId())
	if err != nil {
		return nil, false, err
	}
	defer k.unlock()
	b.change(k, func() { client = k.client })
	if client != nil {
		return client, false, nil
	}
	resumed := k.intent.Attempt != ""
	client, err = b.bring(ctx, k, t)
	if err != nil {
		var ended *EndedError
		useless = resumed && errors.As(err, &ended)
		err = fmt.Errorf("start a task on %s: %w", b.name, err)
		if b.keeps(k) { // its files are the container's
			return nil, useless, errors.Join(err, b.park(context.WithoutCancel(ctx), k))
		}
		b.discard(k)
		return nil, useless, err
	}
	return client, false, nil
}

// enter returns the current task of a container, or a new one, with its turn.
func (b *Backend) enter(ctx context.Context, container string) (*task, error) {
	for {
		b.mu.Lock()
		if b.ctx.Err() != nil {
			b.mu.Unlock()
			return nil, errdefs.ErrUnavailable.WithMessage("the backend " + b.name + " is closed")
		}
		k := b.current[container]
		if k == nil {
			k = newTask()
			b.current[container] = k
		}
		b.startWatch()
		b.mu.Unlock()
		if err := k.lock(ctx); err != nil {
			return nil, err
		}
		b.mu.Lock()
		same := b.current[container] == k
		b.mu.Unlock()
		if same {
			return k, nil
		}
		k.unlock() // it was released meanwhile
	}
}

// change applies f to what others read of a task.
func (b *Backend) change(k *task, f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
}

// bring goes the way from nothing, or from where an earlier server has left it, to an agent that answers.
func (b *Backend) bring(ctx context.Context, k *task, t runtime.Task) (*agent.Client, error) {
	if k.intent.Attempt == "" {
		if err := b.awaitEndings(ctx, t.Container.GetId()); err != nil {
			return nil, err
		}
		price, _ := b.Price(t.Size)
		b.change(k, func() {
			k.intent = intent{Backend: b.name, Container: t.Container.GetId(), Attempt: b.config.NewID(), Project: t.Project,
				Created: b.config.Clock.Now(), Price: price, Lasts: t.MaxDuration}
		})
		b.config.Failpoint("before intent")
		if err := b.write(ctx, &k.intent, true); err != nil {
			b.change(k, func() { k.intent = intent{} }) // it cannot be half there: nothing was asked for yet
			return nil, err
		}
		b.config.Failpoint("after intent")
	}
	b.change(k, func() { k.adopted = time.Time{} })
	switch {
	case k.intent.Handle == nil:
		if err := b.run(ctx, k, t); err != nil {
			return nil, err
		}
	case k.intent.Parked:
		if err := b.restart(ctx, k); err != nil {
			return nil, err
		}
	default: // it may have ended since
		if statuses, err := b.driver.Describe(ctx, []Handle{*k.intent.Handle}); err == nil {
			b.observe(k, k.ended, statusOf(statuses, k.intent.Attempt))
		}
	}
	b.poke()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() { // ends with bring
		select {
		case <-b.config.Clock.After(b.config.StartTimeout):
			cancel(errdefs.ErrUnavailable.WithMessage(fmt.Sprintf("its agent has not answered within %s", b.config.StartTimeout)))
		case <-b.ctx.Done():
			cancel(errdefs.ErrUnavailable.WithMessage("the server ends"))
		case <-ctx.Done():
		}
	}()
	if err := b.connect(ctx, k); err != nil {
		return nil, err
	}
	ready := k.intent
	ready.Ready = true
	b.config.Failpoint("before ready")
	if err := b.write(ctx, &ready, true); err != nil {
		return nil, err
	}
	var client *agent.Client
	b.change(k, func() { k.intent, client = ready, k.client })
	b.config.Failpoint("after ready")
	if client == nil {
		return nil, errdefs.ErrUnavailable.WithMessage("the server ends")
	}
	return client, nil
}

// run asks the platform for the task until it is known what came of it.
func (b *Backend) run(ctx context.Context, k *task, t runtime.Task) error {
	spec, err := b.spec(&k.intent, t)
	if err != nil {
		return err
	}
	var handle Handle
	before := k.doubt
	k.doubt = true
	b.config.Failpoint("before run")
	err = b.calls.try(ctx, func(ctx context.Context) (err error) {
		handle, err = b.driver.Run(ctx, spec)
		return err
	}, func(err error) (time.Duration, bool) {
		if definite(err) {
			return 0, false
		}
		before = true
		after, _ := asTransient(err)
		return after, true
	})
	if err != nil {
		k.doubt = before || !definite(err)
		return err
	}
	b.config.Failpoint("after run")
	next := k.intent
	next.Handle, next.Started = &handle, b.config.Clock.Now()
	b.change(k, func() { k.intent = next }) // first: it is ended by it if it cannot be written
	if err := b.write(context.WithoutCancel(ctx), &next, true); err != nil {
		return err
	}
	b.config.Failpoint("after handle")
	return nil
}

// definite tells whether an error of Run says for certain that no task began.
func definite(err error) bool {
	if _, transient := asTransient(err); transient {
		return false
	}
	for _, is := range []func(error) bool{
		errdefs.IsUnavailable, errdefs.IsResourceExhausted, errdefs.IsFailedPrecondition, errdefs.IsInvalidArgument,
		errdefs.IsNotImplemented, errdefs.IsPermissionDenied, errdefs.IsUnauthorized, errdefs.IsNotFound,
	} {
		if is(err) {
			return true
		}
	}
	return false
}

// spec is what the driver is asked for, the same for the same attempt.
func (b *Backend) spec(i *intent, t runtime.Task) (Spec, error) {
	s := Spec{
		Task: t, Instance: b.config.Instance, Attempt: i.Attempt, Name: taskName(b.config.Instance, i.Attempt),
		Tags:  map[string]string{TagInstance: b.config.Instance, TagBackend: b.name, TagAttempt: i.Attempt, TagContainer: i.Container},
		Agent: AgentArguments{ID: i.Attempt, Lease: max(b.config.Lease, 0), MaxDuration: t.MaxDuration},
	}
	if b.config.Gate == nil {
		_, connects := b.driver.(Connector)
		if !connects && !b.here {
			return s, errdefs.ErrFailedPrecondition.WithMessage(
				"the server has no address where the agents of " + b.driver.Name() + " dial back: configure agents: {listen, url}")
		}
		return s, nil
	}
	token, err := b.config.Gate.Expect(i.Attempt, b.config.StartTimeout)
	if err != nil {
		return s, fmt.Errorf("expect its agent: %w", err)
	}
	s.Agent.URL, s.Agent.Token, s.Agent.CA = b.config.GateURL, token, string(b.config.GateCA)
	return s, nil
}

// restart starts a task again whose files were kept.
func (b *Backend) restart(ctx context.Context, k *task) error {
	restarter, ok := b.driver.(Restarter)
	if !ok {
		return &EndedError{Backend: b.name, Status: Status{State: Stopped, Reason: "it was parked, and this driver cannot start it again"}}
	}
	next := k.intent
	next.Parked, next.Started = false, b.config.Clock.Now()
	b.config.Failpoint("before restart")
	if err := b.write(ctx, &next, true); err != nil {
		return err
	}
	b.change(k, func() { k.intent = next })
	err := b.calls.try(ctx, func(ctx context.Context) error { return restarter.Restart(ctx, *next.Handle) }, asTransient)
	b.config.Failpoint("after restart")
	if err == nil { // what the platform said until now is of the run before
		b.change(k, func() { k.ended, k.status, k.missingSince = make(chan struct{}), Status{}, time.Time{} })
	}
	if errdefs.IsNotFound(err) {
		return errdefs.ErrFailedPrecondition.WithMessage(
			"somebody has removed its task, and the container's files with it: remove the container, and create it again")
	}
	return err
}

// Close lets go of all tasks; they go on.
func (b *Backend) Close() error {
	var err error
	b.once.Do(func() {
		b.mu.Lock()
		b.stop()
		b.mu.Unlock()
		b.group.Wait()
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, k := range b.current {
			err = errors.Join(err, k.letGo())
		}
		for _, k := range b.ending {
			err = errors.Join(err, k.letGo())
		}
	})
	return err
}

// letGo closes the connection to a task's agent; the backend's lock is held.
func (t *task) letGo() error {
	var err error
	if t.client != nil {
		err = t.client.Close()
		t.client = nil
	}
	if t.relay != nil {
		err = errors.Join(err, t.relay.Close())
		t.relay = nil
	}
	return err
}
