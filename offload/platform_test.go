package offload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/containerd/errdefs"

	"github.com/sockerless/sockerless/agent"
	"github.com/sockerless/sockerless/agent/agentpb"
	"github.com/sockerless/sockerless/agent/session"
	"github.com/sockerless/sockerless/runtime"
	"github.com/sockerless/sockerless/runtime/runtimetest"
	"github.com/sockerless/sockerless/store/state"
)

// platform is a cloud in memory, whose tasks are real agents on sockets. It survives the servers.
type platform struct {
	t     *testing.T
	dir   string
	start func(p *platform, task *fakeTask) error // an agent

	mu    sync.Mutex
	tasks []*fakeTask
}

type fakeTask struct {
	handle Handle
	spec   Spec
	socket string // of its agent
	status Status
	kill   func() // its agent; nil where it has none
	gone   bool   // removed
}

func newPlatform(t *testing.T) *platform {
	dir, err := os.MkdirTemp("", "platform") // short: sockets live in it
	if err != nil {
		t.Fatal(err)
	}
	p := &platform{t: t, dir: dir, start: idleAgent}
	t.Cleanup(func() {
		p.crash()
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return p
}

// idleAgent serves an agent in which nothing runs.
func idleAgent(p *platform, task *fakeTask) error {
	task.socket = filepath.Join(p.dir, task.spec.Name)
	listener, err := net.Listen("unix", task.socket)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	server := agent.NewServer(struct{ agent.Host }{}, agent.ServerConfig{ID: task.spec.Attempt, Version: "fake"})
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(ctx, listener); err != nil {
			p.t.Error(err)
		}
	}()
	go func() { // ends with the agent
		select {
		case <-server.Stopped():
			p.end(task, Status{Code: "Exited", ExitCode: new(int)})
		case <-ctx.Done():
		}
	}()
	task.kill = func() {
		cancel()
		<-done
	}
	return nil
}

// begin starts a task's agent, with sessions beside its socket.
func (p *platform) begin(task *fakeTask) error {
	if err := p.start(p, task); err != nil || task.socket == "" {
		return err
	}
	name := task.socket + ".sessions"
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	raw, err := net.Listen("unix", name)
	if err != nil {
		return err
	}
	l := session.Listen(raw, session.Config{})
	var carrying sync.WaitGroup
	carrying.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			carrying.Go(func() { carry(c, task.socket) })
		}
	})
	kill := task.kill
	task.kill = func() {
		if kill != nil {
			kill()
		}
		_ = l.Close()
		carrying.Wait()
		l.Wait()
	}
	return nil
}

// carry joins a session with a connection to an agent, until that ends.
func carry(c net.Conn, socket string) {
	defer c.Close()
	far, err := net.Dial("unix", socket)
	if err != nil {
		return // the agent is gone
	}
	var there sync.WaitGroup
	there.Go(func() {
		_, _ = io.Copy(far, c)
		_ = far.Close()
	})
	_, _ = io.Copy(c, far)
	_ = c.Close()
	there.Wait()
}

// dial connects to where an agent has sessions.
func (t *fakeTask) dial(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "unix", t.socket+".sessions")
}

// suiteAgent serves one of the suite's agents, which can run its programs.
func suiteAgent(p *platform, task *fakeTask) error {
	machine := runtimetest.NewFake(p.t)
	backend := machine.Backend(p.t)
	client, err := backend.Acquire(context.Background(), runtime.Task{})
	if err != nil {
		return err
	}
	task.socket = client.Target()[len("unix://"):]
	task.kill = machine.Crash
	p.t.Cleanup(func() { p.end(task, Status{Code: "HostLost"}) }) // before the machine's own, so that it is known
	return backend.Close()
}

// end lets a task stop.
func (p *platform) end(task *fakeTask, s Status) {
	p.mu.Lock()
	if task.status.State == Stopped {
		p.mu.Unlock()
		return
	}
	s.Handle, s.State = task.handle, Stopped
	task.status = s
	p.mu.Unlock()
	if task.kill != nil {
		task.kill()
	}
}

// crash ends all tasks as the loss of a machine does.
func (p *platform) crash() {
	for _, task := range p.all() {
		killed := 137
		p.end(task, Status{Code: "HostLost", Reason: "the machine is gone", ExitCode: &killed})
	}
}

func (p *platform) all() []*fakeTask {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.tasks)
}

// count counts the tasks that run, those that are there in any state, and those that ever were.
func (p *platform) count(container string) (live, left, ever int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, task := range p.tasks {
		if task.handle.Container != container {
			continue
		}
		ever++
		if task.status.State != Stopped {
			live++
		}
		if !task.gone {
			left++
		}
	}
	return live, left, ever
}

// driver is a Driver of the platform.
type driver struct{ *platform }

func (d driver) Name() string                       { return "fake" }
func (d driver) Limits() runtime.Limits             { return runtime.Limits{} }
func (d driver) Price(runtime.Size) (float64, bool) { return 0.001, true }

func (d driver) Run(_ context.Context, s Spec) (Handle, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, task := range d.tasks {
		if task.spec.Attempt == s.Attempt && !task.gone {
			return task.handle, nil
		}
	}
	task := &fakeTask{spec: s, handle: s.NewHandle(fmt.Sprint("task-", len(d.tasks)))}
	task.status = Status{Handle: task.handle, State: Running}
	if err := d.begin(task); err != nil {
		return Handle{}, err
	}
	d.tasks = append(d.tasks, task)
	return task.handle, nil
}

func (d driver) task(h Handle) *fakeTask {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, task := range d.tasks {
		if task.handle.ID == h.ID && !task.gone {
			return task
		}
	}
	return nil
}

func (d driver) Stop(_ context.Context, h Handle, _ time.Duration) error {
	task := d.task(h)
	if task == nil {
		return errdefs.ErrNotFound
	}
	d.end(task, Status{Code: "UserInitiated"})
	return nil
}

func (d driver) Describe(_ context.Context, handles []Handle) ([]Status, error) {
	var all []Status
	for _, h := range handles {
		if task := d.task(h); task != nil {
			d.mu.Lock()
			all = append(all, task.status)
			d.mu.Unlock()
		}
	}
	return all, nil
}

func (d driver) List(_ context.Context, instance string) ([]Handle, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []Handle
	for _, task := range d.tasks {
		if !task.gone && (task.handle.Instance == instance || instance == "") {
			all = append(all, task.handle)
		}
	}
	return all, nil
}

func (d driver) Connect(ctx context.Context, h Handle) (net.Conn, error) {
	task := d.task(h)
	if task == nil {
		return nil, errdefs.ErrNotFound
	}
	return task.dial(ctx)
}

func (d driver) Remove(_ context.Context, h Handle) error {
	task := d.task(h)
	if task == nil {
		return errdefs.ErrNotFound
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if task.status.State != Stopped {
		return errdefs.ErrFailedPrecondition.WithMessage("it runs")
	}
	task.gone = true
	return nil
}

// restarting is a driver whose tasks keep their files.
type restarting struct{ driver }

func (d restarting) Restart(_ context.Context, h Handle) error {
	task := d.task(h)
	if task == nil {
		return errdefs.ErrNotFound
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if task.status.State != Stopped {
		return nil
	}
	if err := os.Remove(task.socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	task.status = Status{Handle: task.handle, State: Running}
	return d.begin(task)
}

// faulty puts faults before a driver, by a seed.
type faulty struct {
	driver
	mu     sync.Mutex
	random *rand.Rand
	rate   float64 // of calls that fail; 0 is none
	stale  []Handle
	missed map[string]bool // attempts that the last Describe of them has left out
}

func (f *faulty) hit() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.random.Float64() < f.rate
}

var errThrottled = errors.New("ThrottlingException: Rate exceeded")

func (f *faulty) Run(ctx context.Context, s Spec) (Handle, error) {
	switch {
	case f.hit():
		return Handle{}, Transient(errThrottled, time.Second)
	case f.hit():
		return Handle{}, errdefs.ErrUnavailable.WithMessage("Capacity is unavailable at this time")
	}
	h, err := f.driver.Run(ctx, s)
	if err == nil && f.hit() {
		return Handle{}, errors.New("connection reset by peer") // the reply is lost
	}
	return h, err
}

func (f *faulty) Stop(ctx context.Context, h Handle, grace time.Duration) error {
	if f.hit() {
		return Transient(errThrottled, 0)
	}
	err := f.driver.Stop(ctx, h, grace)
	if f.hit() {
		return errors.New("connection reset by peer")
	}
	return err
}

func (f *faulty) Describe(ctx context.Context, handles []Handle) ([]Status, error) {
	if f.hit() {
		return nil, Transient(errThrottled, 0)
	}
	all, err := f.driver.Describe(ctx, handles)
	first := len(all) > 0 && f.hit()
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.DeleteFunc(all, func(s Status) bool {
		miss := first && !f.missed[s.Handle.Attempt] // not yet known: twice in a row may be more than a minute
		first, f.missed[s.Handle.Attempt] = false, miss
		return miss
	}), err
}

func (f *faulty) List(ctx context.Context, instance string) ([]Handle, error) {
	if f.hit() {
		return nil, Transient(errThrottled, 0)
	}
	all, err := f.driver.List(ctx, instance)
	f.mu.Lock()
	old := f.stale
	f.stale = all
	f.mu.Unlock()
	if f.hit() {
		return old, err
	}
	return all, err
}

func (f *faulty) Remove(ctx context.Context, h Handle) error {
	if f.hit() {
		return Transient(errThrottled, 0)
	}
	err := f.driver.Remove(ctx, h)
	if f.hit() {
		return errors.New("connection reset by peer")
	}
	return err
}

// mortal ends the goroutines of a server that is killed: at its failpoint, and whoever calls out afterwards.
type mortal struct {
	Driver
	state.Store
	dead atomic.Bool
	at   atomic.Value // string: the failpoint
	skip atomic.Int32 // how often it is passed first
}

func (m *mortal) live() {
	if m.dead.Load() {
		goruntime.Goexit()
	}
}

func (m *mortal) failpoint(name string) {
	m.live()
	if m.at.Load() == name && m.skip.Add(-1) < 0 {
		m.dead.Store(true)
		goruntime.Goexit()
	}
}

func (m *mortal) Update(ctx context.Context, changes ...state.Change) error {
	m.live()
	return m.Store.Update(ctx, changes...)
}

func (m *mortal) Run(ctx context.Context, s Spec) (Handle, error) {
	m.live()
	return m.Driver.Run(ctx, s)
}

func (m *mortal) Stop(ctx context.Context, h Handle, grace time.Duration) error {
	m.live()
	return m.Driver.Stop(ctx, h, grace)
}

func (m *mortal) Remove(ctx context.Context, h Handle) error {
	m.live()
	return m.Driver.Remove(ctx, h)
}

func (m *mortal) Describe(ctx context.Context, all []Handle) ([]Status, error) {
	m.live()
	return m.Driver.Describe(ctx, all)
}

func (m *mortal) Connect(ctx context.Context, h Handle) (net.Conn, error) {
	m.live()
	return m.Driver.(Connector).Connect(ctx, h)
}

// impatient is a clock in which pauses of less than a minute last no time worth speaking of, and longer ones for ever.
type impatient struct {
	mu  sync.Mutex
	now time.Time
}

func newImpatient() *impatient {
	return &impatient{now: time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)}
}

func (c *impatient) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *impatient) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func (c *impatient) After(d time.Duration) <-chan time.Time {
	if d >= time.Minute {
		return nil
	}
	return time.After(time.Millisecond)
}

// world is a data folder, a platform, and the servers that come and go.
type world struct {
	t        *testing.T
	platform *platform
	driver   Driver
	state    state.Store
	sockets  string
	clock    *impatient
	ids      int
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, platform: newPlatform(t), clock: newImpatient()}
	w.driver = driver{w.platform}
	var err error
	if w.state, err = state.Open(t.TempDir(), state.Options{BallastSize: -1, MinFree: 1 << 20}); err != nil {
		t.Fatal(err)
	}
	if w.sockets, err = os.MkdirTemp("", "s"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(w.state.Close(), os.RemoveAll(w.sockets)); err != nil {
			t.Error(err)
		}
	})
	return w
}

// server starts a server; by hand its watch and its janitor do not run by themselves.
func (w *world) server(byHand bool) (*Backend, *mortal) {
	m := &mortal{Driver: w.driver, Store: w.state}
	m.at.Store("")
	b := NewBackend("far", m, Config{
		State: m, Instance: "mine", RuntimeDir: w.sockets, Clock: w.clock, Rand: rand.NewPCG(1, 2),
		FindTimeout: 2 * time.Minute, Failpoint: m.failpoint,
		NewID: func() string { w.ids++; return fmt.Sprint("attempt-", w.ids) },
	})
	if r, ok := w.driver.(Restarter); ok {
		b.driver = struct {
			*mortal
			Restarter
		}{m, r}
	}
	if byHand {
		b.started, b.sweeping = true, true
	}
	w.t.Cleanup(func() { _ = b.Close() })
	return b, m
}

func (w *world) task(container string) runtime.Task {
	return runtime.Task{Container: &agentpb.Container{Id: container}}
}

// settle lets the polls go on until nothing is ending any more.
func (w *world) settle(b *Backend) {
	w.t.Helper()
	for range 100 {
		b.poll(w.t.Context())
		b.group.Wait()
		b.mu.Lock()
		n := len(b.ending)
		b.mu.Unlock()
		if n == 0 {
			return
		}
		w.clock.advance(2 * time.Minute)
	}
	w.t.Fatal("tasks do not end")
}

// empty checks that nothing is left anywhere.
func (w *world) empty(b *Backend) {
	w.t.Helper()
	for _, task := range w.platform.all() {
		if task.handle.Instance == "mine" && (task.status.State != Stopped || !task.gone) {
			w.t.Errorf("left on the platform: %+v, %+v", task.handle, task.status)
		}
	}
	err := w.state.Scan(intentPrefix, func(key string, value []byte) error {
		w.t.Errorf("left in the state: %s: %s", key, value)
		return nil
	})
	if err != nil {
		w.t.Error(err)
	}
	if sockets, err := os.ReadDir(w.sockets); err != nil || len(sockets) > 0 {
		w.t.Errorf("left sockets: %v, %v", sockets, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.current)+len(b.ending) > 0 {
		w.t.Errorf("left in memory: %d, %d", len(b.current), len(b.ending))
	}
}
