package runtimetest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"

	"github.com/sockerless/sockerless/runtime"
	"github.com/sockerless/sockerless/store/content"
	"github.com/sockerless/sockerless/store/image"
	"github.com/sockerless/sockerless/store/layer"
	"github.com/sockerless/sockerless/store/state"
)

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

// Server is an engine in a data folder, to be closed and opened again.
type Server struct {
	*runtime.Engine
	t       *testing.T
	backend runtime.Backend
	state   state.Store
	image   string
	once    sync.Once
}

// Imager is a backend whose containers need an image of programs for the machine: it brings one that has cat, echo, env,
// false, sh, sleep and true. Others get the embedded image.
type Imager interface {
	Image(t *testing.T, images *image.Store) (name string)
}

// Open opens an engine on a data folder; the end of the test closes it.
func Open(t *testing.T, dir string, backend runtime.Backend) *Server {
	t.Helper()
	return OpenOn(t, dir, backend, func(s state.Store) state.Store { return s })
}

// OpenOn is Open with a store of states put before the real one, to make it fail.
func OpenOn(t *testing.T, dir string, backend runtime.Backend, before func(state.Store) state.Store) *Server {
	t.Helper()
	s := &Server{t: t, backend: backend, image: image.BaseName}
	var err error
	check := func() {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	s.state, err = state.Open(filepath.Join(dir, "state"), state.Options{BallastSize: -1, MinFree: 1 << 20})
	check()
	layers, err := layer.NewStore(filepath.Join(dir, "layers"))
	check()
	blobs, err := content.NewStore(filepath.Join(dir, "ingest"), content.Options{})
	check()
	images, err := image.New(t.Context(), image.Config{
		State: s.state, Layers: layers, Content: blobs, Builtins: []string{"cat", "echo", "env", "false", "sh", "sleep", "true"}})
	check()
	if b, ok := backend.(Imager); ok {
		s.image = b.Image(t, images)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s.Engine, err = runtime.New(ctx, runtime.Config{
		DataDir: dir, InstanceID: "test", Version: "test", Backend: backend, State: before(s.state), Images: images})
	check()
	t.Cleanup(s.Close)
	return s
}

// Close closes the engine, its backend and its state.
func (s *Server) Close() {
	s.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := errors.Join(s.Engine.Close(ctx), s.backend.Close(), s.state.Close()); err != nil {
			s.t.Error(err)
		}
	})
}

// Ctx ends with the test, or when its patience does.
func (s *Server) Ctx() context.Context {
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	s.t.Cleanup(cancel)
	return ctx
}

// Create makes a container of the embedded image, or of the backend's.
func (s *Server) Create(name string, config container.Config, host container.HostConfig) string {
	s.t.Helper()
	config.Image = s.image
	limits := s.backend.Limits() // the scheduler refuses what is not as they want it: see package offload
	host.ReadonlyRootfs = host.ReadonlyRootfs || limits.ReadOnlyRoot
	config.User = cmp.Or(config.User, limits.User)
	created, err := s.ContainerCreate(s.Ctx(), runtime.CreateOptions{Name: name, Config: &config, HostConfig: &host})
	if err != nil {
		s.t.Fatalf("create: %v", err)
	}
	return created.ID
}

// Run creates a container of a command and starts it.
func (s *Server) Run(name string, cmd ...string) string {
	s.t.Helper()
	id := s.Create(name, container.Config{Cmd: cmd}, container.HostConfig{})
	s.Start(id)
	return id
}

// Start starts a container.
func (s *Server) Start(id string) {
	s.t.Helper()
	if err := s.ContainerStart(s.Ctx(), id, runtime.StartOptions{}); err != nil {
		s.t.Fatalf("start: %v", err)
	}
}

// Waiting registers for a condition.
func (s *Server) Waiting(id string, condition container.WaitCondition) *runtime.Waiter {
	s.t.Helper()
	w, err := s.ContainerWait(s.Ctx(), id, string(condition))
	if err != nil {
		s.t.Fatalf("wait: %v", err)
	}
	return w
}

// Code is the exit code that a waiter gets.
func (s *Server) Code(w *runtime.Waiter) int64 {
	s.t.Helper()
	r, err := w.Result(s.Ctx())
	if err != nil {
		s.t.Fatalf("wait: %v", err)
	}
	return r.StatusCode
}

// State is the state of a container.
func (s *Server) State(id string) *container.State {
	s.t.Helper()
	in, err := s.ContainerInspect(s.Ctx(), id, false)
	if err != nil {
		s.t.Fatalf("inspect: %v", err)
	}
	return in.State
}

// Output is what an attachment, a log or both have brought so far.
type Output struct {
	mu      sync.Mutex
	streams [3]bytes.Buffer
	changed chan struct{}
}

// NewOutput is empty.
func NewOutput() *Output { return &Output{changed: make(chan struct{})} }

// Write takes output.
func (o *Output) Write(stream byte, p []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.streams[stream].Write(p)
	close(o.changed)
	o.changed = make(chan struct{})
	return nil
}

// String is what a stream has brought.
func (o *Output) String(stream byte) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.streams[stream].String()
}

// Await waits until a stream has brought a text.
func (o *Output) Await(t *testing.T, stream byte, text string) {
	t.Helper()
	limit := time.After(patience)
	for {
		o.mu.Lock()
		have, changed := o.streams[stream].String(), o.changed
		o.mu.Unlock()
		if strings.Contains(have, text) {
			return
		}
		select {
		case <-changed:
		case <-limit:
			t.Fatalf("stream %d has brought %q, not %q", stream, have, text)
		}
	}
}

// Session is an attachment that runs.
type Session struct {
	*Output
	Input *io.PipeWriter
	done  chan error
}

// Attach registers an attachment and runs it.
func (s *Server) Attach(id string, opts runtime.AttachOptions) *Session {
	s.t.Helper()
	a, err := s.ContainerAttach(s.Ctx(), id, opts)
	if err != nil {
		s.t.Fatalf("attach: %v", err)
	}
	return s.session(a)
}

// Exec creates an exec and runs it attached.
func (s *Server) Exec(id string, req container.ExecCreateRequest) (exec string, session *Session) {
	s.t.Helper()
	exec, err := s.ExecCreate(s.Ctx(), id, req)
	if err != nil {
		s.t.Fatalf("exec create: %v", err)
	}
	a, err := s.ExecStart(s.Ctx(), exec, runtime.ExecStartOptions{TTY: req.Tty})
	if err != nil {
		s.t.Fatalf("exec start: %v", err)
	}
	return exec, s.session(a)
}

func (s *Server) session(a *runtime.Attachment) *Session {
	r, w := io.Pipe()
	out := &Session{Output: NewOutput(), Input: w, done: make(chan error, 1)}
	ctx := s.Ctx()
	go func() {
		err := a.Run(ctx, r, out.Write)
		_ = r.Close() // what the client of a connection sees: nobody reads any more
		out.done <- err
	}()
	s.t.Cleanup(func() { _ = w.Close() })
	return out
}

// End waits for the end of a session.
func (x *Session) End(t *testing.T) {
	t.Helper()
	select {
	case err := <-x.done:
		if err != nil {
			t.Fatalf("session: %v", err)
		}
	case <-time.After(patience):
		t.Fatal("the session does not end")
	}
}

// Log reads a log to its end.
func (s *Server) Log(id string, opts runtime.LogsOptions) *Output {
	s.t.Helper()
	l, err := s.ContainerLogs(s.Ctx(), id, opts)
	if err != nil {
		s.t.Fatalf("logs: %v", err)
	}
	out := NewOutput()
	if err := l.Each(s.Ctx(), out.Write); err != nil {
		s.t.Fatalf("logs: %v", err)
	}
	return out
}

// Gone tells whether a path does not exist.
func Gone(path string) bool {
	_, err := os.Lstat(path)
	return os.IsNotExist(err)
}
