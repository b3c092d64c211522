package runtime_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/containerd/errdefs/pkg/errhttp"
	"github.com/moby/moby/api/types/container"

	"github.com/sockerless/sockerless/runtime"
	"github.com/sockerless/sockerless/runtime/runtimetest"
	"github.com/sockerless/sockerless/store/image"
	"github.com/sockerless/sockerless/store/state"
)

// fullDisk refuses what is not a removal while full is set, as the real store does.
type fullDisk struct {
	state.Store
	full *atomic.Bool
}

func (d fullDisk) Update(ctx context.Context, changes ...state.Change) error {
	if d.full.Load() {
		return &state.ErrNoSpace{Dir: "state", Free: 1, Needed: 2}
	}
	return d.Store.Update(ctx, changes...)
}

func TestFullDisk(t *testing.T) {
	var full atomic.Bool
	dir, machine := t.TempDir(), runtimetest.NewFake(t)
	before := func(s state.Store) state.Store { return fullDisk{s, &full} }
	s := runtimetest.OpenOn(t, dir, machine.Backend(t), before)
	waiting := s.Create("waiting", container.Config{Cmd: []string{"sleep", "1000"}}, container.HostConfig{})
	running := s.Run("running", "sleep", "1000")
	full.Store(true)

	_, err := s.ContainerCreate(s.Ctx(), runtime.CreateOptions{Name: "new", Config: &container.Config{Image: image.BaseName, Cmd: []string{"true"}}})
	var noSpace *state.ErrNoSpace
	if !errors.As(err, &noSpace) || errhttp.ToHTTP(err) != http.StatusServiceUnavailable {
		t.Errorf("create: %v", err)
	}
	w := s.Waiting(waiting, container.WaitConditionNextExit)
	if err := s.ContainerStart(s.Ctx(), waiting, runtime.StartOptions{}); !errors.As(err, &noSpace) {
		t.Errorf("start: %v", err)
	}
	s.Code(w) // what could not be remembered does not go on
	w = s.Waiting(running, container.WaitConditionNextExit)
	if err := s.ContainerKill(s.Ctx(), running, ""); err != nil {
		t.Fatal(err)
	}
	if code := s.Code(w); code != 137 {
		t.Errorf("exit code %d", code)
	}
	s.Close()

	full.Store(false)
	s = runtimetest.OpenOn(t, dir, machine.Backend(t), before)
	if st := s.State(running); st.Status != container.StateExited || st.ExitCode != 137 {
		t.Errorf("the exit is lost: %+v", st)
	}
	if _, err := s.ContainerInspect(s.Ctx(), "new", false); err == nil || !strings.Contains(err.Error(), "No such container") {
		t.Errorf("what was refused is there: %v", err)
	}
}
