package inside

import (
	"context"
	"log/slog"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// state is a server's activity, changed by the test.
type state struct {
	running, connected, kept int
	changed                  chan struct{}
	stopped                  chan struct{}
}

func (s *state) Activity() (int, int)     { return s.running, s.connected }
func (s *state) Unacknowledged() int      { return s.kept }
func (s *state) Changed() <-chan struct{} { return s.changed }
func (s *state) Stopped() <-chan struct{} { return s.stopped }

// set changes the state while the watch waits.
func (s *state) set(running, connected, kept int) {
	synctest.Wait()
	s.running, s.connected, s.kept = running, connected, kept
	old := s.changed
	s.changed = make(chan struct{})
	close(old)
}

// ends runs a watch, and gives how long it took and why it ended.
func ends(t *testing.T, config Config, during func(s *state, terminated chan os.Signal)) (took time.Duration, why string) {
	t.Helper()
	config.Log = slog.New(slog.DiscardHandler)
	synctest.Test(t, func(t *testing.T) {
		s := &state{changed: make(chan struct{}), stopped: make(chan struct{})}
		terminated := make(chan os.Signal, 1)
		begin := time.Now()
		done := make(chan string)
		go func() { done <- watch(context.Background(), config, s, terminated) }()
		during(s, terminated)
		why = <-done
		took = time.Since(begin)
	})
	return took, why
}

func TestTheLeaseEndsWithoutAServer(t *testing.T) {
	config := Config{Lease: time.Minute}
	took, why := ends(t, config, func(s *state, _ chan os.Signal) { s.set(1, 0, 0) })
	if took != time.Minute || why != "no server for 1m0s" {
		t.Errorf("ended after %v: %s", took, why)
	}
	took, _ = ends(t, config, func(s *state, _ chan os.Signal) {
		time.Sleep(30 * time.Second) // of the fake clock
		s.set(1, 1, 0)
		time.Sleep(time.Hour)
		s.set(1, 0, 0)
		time.Sleep(30 * time.Second)
		s.set(0, 0, 1) // does not renew the lease
	})
	if want := time.Hour + 90*time.Second; took != want {
		t.Errorf("ended after %v, want %v", took, want)
	}
}

func TestAnIdleAgentEnds(t *testing.T) {
	took, why := ends(t, Config{Idle: time.Minute}, func(s *state, _ chan os.Signal) {
		s.set(1, 0, 0)
		time.Sleep(time.Hour)
		s.set(0, 0, 1) // an exit that nobody has heard of
		time.Sleep(time.Hour)
		s.set(0, 0, 0)
	})
	if took != 2*time.Hour+time.Minute || why != "idle" {
		t.Errorf("ended after %v: %s", took, why)
	}
}

func TestAnAgentEndsWhenItIsTold(t *testing.T) {
	if _, why := ends(t, Config{}, func(s *state, _ chan os.Signal) { close(s.stopped) }); why != "told to by its server" {
		t.Errorf("ended: %s", why)
	}
	if _, why := ends(t, Config{}, func(_ *state, c chan os.Signal) { c <- syscall.SIGTERM }); why != "terminated" {
		t.Errorf("ended: %s", why)
	}
}
