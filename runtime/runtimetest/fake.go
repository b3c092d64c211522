package runtimetest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/sockerless/sockerless/agent"
	"github.com/sockerless/sockerless/runtime"
)

// Fake is a machine whose agents live in this process. They survive the backends that are opened on it.
type Fake struct {
	dir string

	mu     sync.Mutex
	agents []*fakeAgent
}

type fakeAgent struct {
	id     string
	target string
	host   *fakeHost
	stop   context.CancelFunc
	done   chan struct{}

	mu      sync.Mutex
	clients []*agent.Client
}

// NewFake makes a machine without agents; the end of the test ends what is on it.
func NewFake(t *testing.T) *Fake {
	dir, err := os.MkdirTemp("", "fake") // the test's own folder may be too long for a socket's path
	if err != nil {
		t.Fatal(err)
	}
	f := &Fake{dir: dir}
	t.Cleanup(func() {
		f.Crash()
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return f
}

// Crash ends all agents and what runs on them, as kill -9 does.
func (f *Fake) Crash() {
	f.mu.Lock()
	agents := f.agents
	f.agents = nil
	f.mu.Unlock()
	for _, a := range agents {
		a.host.silence()
		a.stop()
		<-a.done
		a.mu.Lock()
		for _, c := range a.clients {
			c.Gone(errors.New("crashed"))
		}
		a.mu.Unlock()
	}
}

// Backend opens a backend on the machine, as each server does.
func (f *Fake) Backend(*testing.T) runtime.Backend { return &fakeBackend{machine: f} }

// start runs a new agent.
func (f *Fake) start() (*fakeAgent, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.agents) > 0 {
		return f.agents[0], nil
	}
	file, err := os.CreateTemp(f.dir, "agent")
	if err != nil {
		return nil, err
	}
	path := file.Name()
	if err := errors.Join(file.Close(), os.Remove(path)); err != nil {
		return nil, err
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	a := &fakeAgent{id: filepath.Base(path), target: "unix://" + path, host: newFakeHost(), stop: cancel, done: make(chan struct{})}
	server := agent.NewServer(a.host, agent.ServerConfig{ID: a.id, Version: "fake"})
	go func() {
		defer close(a.done)
		if err := server.Serve(ctx, listener); err != nil {
			panic(fmt.Sprintf("fake agent: %v", err))
		}
	}()
	f.agents = append(f.agents, a)
	return a, nil
}

func (a *fakeAgent) dial(ctx context.Context) (*agent.Client, error) {
	c, err := agent.Dial(ctx, a.target, "test")
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.clients = append(a.clients, c)
	return c, nil
}

// fakeBackend is one server's sight of the machine.
type fakeBackend struct {
	machine *Fake

	mu     sync.Mutex
	client map[string]*agent.Client
}

func (b *fakeBackend) Name() string { return "fake" }

func (b *fakeBackend) Limits() runtime.Limits { return runtime.Limits{} }

func (b *fakeBackend) Root(string) string { return "" }

func (b *fakeBackend) Release(context.Context, string, bool) error { return nil }

func (b *fakeBackend) Acquire(ctx context.Context, _ runtime.Task) (*agent.Client, error) {
	a, err := b.machine.start()
	if err != nil {
		return nil, err
	}
	return b.connect(ctx, a)
}

func (b *fakeBackend) connect(ctx context.Context, a *fakeAgent) (*agent.Client, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c := b.client[a.id]; c != nil {
		return c, nil
	}
	c, err := a.dial(ctx)
	if err != nil {
		return nil, err
	}
	if b.client == nil {
		b.client = map[string]*agent.Client{}
	}
	b.client[a.id] = c
	return c, nil
}

func (b *fakeBackend) Recover(ctx context.Context) ([]*agent.Client, error) {
	b.machine.mu.Lock()
	agents := append([]*fakeAgent(nil), b.machine.agents...)
	b.machine.mu.Unlock()
	var clients []*agent.Client
	for _, a := range agents {
		c, err := b.connect(ctx, a)
		if err != nil {
			return nil, err
		}
		clients = append(clients, c)
	}
	return clients, nil
}

func (b *fakeBackend) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var err error
	for _, c := range b.client {
		err = errors.Join(err, c.Close())
	}
	return err
}
