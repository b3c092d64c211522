package wasi

import (
	"context"
	"fmt"
	"github.com/sockerless/sockerless/runtime"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sockerless/sockerless/agent"
	"github.com/sockerless/sockerless/agent/agentpb"
)

// The test binary is a cell when it is called as the server calls itself.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "cell" && os.Args[2] == "--socket" {
		version := os.Getenv("TEST_CELL_VERSION")
		if version == "broken" {
			fmt.Fprintln(os.Stderr, "cell: this one is broken")
			os.Exit(3)
		}
		err := RunCell(context.Background(), CellConfig{Socket: os.Args[3], Version: version, Ready: os.Stdout, Idle: 200 * time.Millisecond})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func newTestSandbox(t *testing.T, dir, version string) *Sandbox {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := NewSandbox(SandboxConfig{
		Executable: self, RuntimeDir: dir, Version: version, Server: "server", Env: []string{"TEST_CELL_VERSION=" + version},
	})
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func acquire(t *testing.T, s *Sandbox) *agent.Client {
	t.Helper()
	c, err := s.Acquire(t.Context(), runtime.Task{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// gone waits until the cell of a client is known to be dead.
func gone(t *testing.T, c *agent.Client) {
	t.Helper()
	select {
	case <-c.Done():
	case <-time.After(20 * time.Second):
		t.Fatal("the cell is not noticed to be gone")
	}
}

// acknowledged waits until a new stream of events has no exit any more.
func acknowledged(t *testing.T, c *agent.Client) {
	t.Helper()
	for {
		ctx, cancel := context.WithCancel(t.Context())
		events, err := c.Events(ctx)
		if err != nil {
			t.Fatal(err)
		}
		e, err := events.Recv()
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		if e.GetExit() == nil {
			return
		}
	}
}

func TestSandboxOutlivesItsServer(t *testing.T) {
	dir := t.TempDir()
	first := newTestSandbox(t, dir, "v1")
	first.Prepare()
	c := acquire(t, first)
	if again := acquire(t, first); again != c {
		t.Error("a second cell was started")
	}
	startSleeper(t, c, newContainer(t, c))
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := first.Acquire(t.Context(), runtime.Task{}); err == nil {
		t.Error("Acquire of a closed sandbox")
	}

	// A server of another version finds the container, and does not use the cell for new ones.
	second := newTestSandbox(t, dir, "v2")
	found, err := second.Recover(t.Context())
	if err != nil || len(found) != 1 || found[0].ID() != c.ID() || found[0].Version() != "v1" {
		t.Fatalf("Recover = %v, %v", found, err)
	}
	if list := found[0].Containers(); len(list) != 1 || list[0].GetContainer() != "c1" || !list[0].GetRunning() || list[0].GetRun() != 1 {
		t.Errorf("containers %v", list)
	}
	fresh := acquire(t, second)
	if fresh.ID() == c.ID() || fresh.Version() != "v2" {
		t.Errorf("new containers go to cell %s %s", fresh.ID(), fresh.Version())
	}

	// Its container ends while there is no server: the exit is kept for the next one.
	if err := found[0].Signal(t.Context(), "c1", "", 9); err != nil {
		t.Fatal(err)
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	idle := time.NewTimer(600 * time.Millisecond) // three times what a cell without anything has
	<-idle.C
	third := newTestSandbox(t, dir, "v3")
	found, err = third.Recover(t.Context())
	if err != nil || len(found) != 1 || found[0].ID() != c.ID() {
		t.Fatalf("Recover = %v, %v", found, err)
	}
	events, err := found[0].Events(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if e := nextExit(t, events); e.GetContainer() != "c1" || e.GetExit().GetCode() != 137 {
		t.Errorf("event %v", e)
	}
	acknowledged(t, found[0])

	// Once it has told all, and its server has gone, the old cell ends.
	if err := third.Close(); err != nil {
		t.Fatal(err)
	}
	fourth := newTestSandbox(t, dir, "v4")
	deadline := time.After(20 * time.Second)
	for {
		sockets, err := filepath.Glob(filepath.Join(dir, "*.sock"))
		if err != nil {
			t.Fatal(err)
		}
		if len(sockets) == 0 {
			break
		}
		select {
		case <-deadline:
			t.Fatalf("cells are left: %v", sockets)
		case <-time.After(10 * time.Millisecond):
		}
	}
	if found, err := fourth.Recover(t.Context()); err != nil || len(found) != 0 {
		t.Errorf("Recover = %v, %v", found, err)
	}
}

func TestDeadCellIsNoticed(t *testing.T) {
	dir := t.TempDir()
	s := newTestSandbox(t, dir, "v1")
	c := acquire(t, s)
	other := newTestSandbox(t, dir, "v1") // sees the same cell as one that an earlier server started
	found, err := other.Recover(t.Context())
	if err != nil || len(found) != 1 {
		t.Fatalf("Recover = %v, %v", found, err)
	}
	startSleeper(t, c, newContainer(t, c))
	s.mu.Lock()
	process := s.current.process
	s.mu.Unlock()
	if err := process.Kill(); err != nil {
		t.Fatal(err)
	}
	gone(t, c)
	gone(t, found[0])
	if c.Err() == nil {
		t.Error("no reason")
	}
	next := acquire(t, s)
	if next.ID() == c.ID() {
		t.Error("the dead cell is given out")
	}
	if err := next.OpenContainer(t.Context(), &agentpb.Container{Id: "c2", Directory: t.TempDir()}); err != nil {
		t.Error(err)
	}
}

func TestBrokenCell(t *testing.T) {
	s := newTestSandbox(t, t.TempDir(), "broken")
	_, err := s.Acquire(t.Context(), runtime.Task{})
	if err == nil || err.Error() != "start a cell: cell: this one is broken" {
		t.Errorf("Acquire = %v", err)
	}
}
