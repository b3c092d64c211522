package offload

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/containerd/errdefs"
)

// fakeGate gives connections to the agents that it expects, as if they had dialled in.
type fakeGate struct {
	platform *platform

	mu       sync.Mutex
	expected []string
	calls    []string
}

func (g *fakeGate) Expect(attempt string, ttl time.Duration) (string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !slices.Contains(g.expected, attempt) {
		g.expected = append(g.expected, attempt)
	}
	g.calls = append(g.calls, fmt.Sprint("expect ", attempt, " ", ttl))
	return "token of " + attempt, nil
}

func (g *fakeGate) Forget(attempt string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.expected = slices.DeleteFunc(g.expected, func(a string) bool { return a == attempt })
	g.calls = append(g.calls, "forget "+attempt)
}

func (g *fakeGate) Dial(ctx context.Context, attempt string) (net.Conn, error) {
	g.mu.Lock()
	known := slices.Contains(g.expected, attempt)
	g.mu.Unlock()
	for _, task := range g.platform.all() {
		if known && task.handle.Attempt == attempt {
			return task.dial(ctx)
		}
	}
	return nil, errdefs.ErrNotFound
}

// oneWay is a driver that reaches no agent.
type oneWay struct{ Driver }

func TestAgentsDialBack(t *testing.T) {
	w := newWorld(t)
	gate := &fakeGate{platform: w.platform}
	open := func() *Backend {
		b := NewBackend("far", oneWay{w.driver}, Config{
			State: w.state, Instance: "mine", RuntimeDir: w.sockets, Gate: gate, GateURL: "wss://server/agents",
			StartTimeout: 7 * time.Minute, FindTimeout: 2 * time.Minute, Clock: w.clock, NewID: func() string { return "one" }})
		b.started, b.sweeping = true, true
		t.Cleanup(func() { _ = b.Close() })
		return b
	}
	b := open()
	if _, err := b.Acquire(t.Context(), w.task("c")); err != nil {
		t.Fatal(err)
	}
	if a := w.platform.all()[0].spec.Agent; a.ID != "one" || a.URL != "wss://server/agents" || a.Token != "token of one" {
		t.Errorf("the agent was told %+v", a)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	gate.mu.Lock()
	gate.expected = nil // that of the next server knows nobody
	gate.mu.Unlock()
	b = open()
	if clients, err := b.Recover(t.Context()); err != nil || len(clients) != 1 || clients[0].ID() != "one" {
		t.Fatalf("recovered %v, %v", clients, err)
	}
	if err := b.Release(t.Context(), "c", true); err != nil {
		t.Fatal(err)
	}
	w.settle(b)
	w.empty(b)
	if want := []string{"expect one 7m0s", "expect one 7m0s", "forget one"}; !slices.Equal(gate.calls[:2], want[:2]) || gate.calls[len(gate.calls)-1] != want[2] {
		t.Errorf("the gate was told %q", gate.calls)
	}
}

func TestNoWayToAnAgent(t *testing.T) {
	w := newWorld(t)
	b := NewBackend("far", oneWay{w.driver}, Config{State: w.state, Instance: "mine", RuntimeDir: w.sockets, Clock: w.clock})
	b.started = true
	t.Cleanup(func() { _ = b.Close() })
	if _, err := b.Acquire(t.Context(), w.task("c")); !errdefs.IsFailedPrecondition(err) {
		t.Errorf("acquire: %v", err)
	}
	if all := w.platform.all(); len(all) > 0 {
		t.Error("a task was started that nobody can reach")
	}
}
