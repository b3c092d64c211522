package runtime_test

import (
	"context"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/moby/moby/api/types/container"

	"github.com/sockerless/sockerless/runtime"
	"github.com/sockerless/sockerless/runtime/runtimetest"
)

// noted notes the release of what containers hold of a backend.
type noted struct {
	runtime.Backend
	note func(string)
}

func (n *noted) Release(ctx context.Context, container string, forget bool) error {
	n.note("released")
	return n.Backend.Release(ctx, container, forget)
}

// TestExecOutputBeforeRelease has a client read the output of an exec only when its container has ended: the backend keeps what
// it has of the container until then.
func TestExecOutputBeforeRelease(t *testing.T) {
	var mu sync.Mutex
	var notes []string
	note := func(s string) {
		mu.Lock()
		defer mu.Unlock()
		notes = append(notes, s)
	}
	released := make(chan struct{})
	once := sync.OnceFunc(func() { close(released) })
	s := runtimetest.Open(t, t.TempDir(), &noted{runtimetest.NewFake(t).Backend(t), func(what string) { note(what); once() }})
	id := s.Run("", "sleep", "1000")
	exec, err := s.ExecCreate(s.Ctx(), id, container.ExecCreateRequest{AttachStdout: true, Cmd: []string{"sh", "-c", "echo up; echo last words; sleep 1000"}})
	if err != nil {
		t.Fatal(err)
	}
	a, err := s.ExecStart(s.Ctx(), exec, runtime.ExecStartOptions{})
	if err != nil {
		t.Fatal(err)
	}
	up, gate, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	var output strings.Builder
	go func() {
		done <- a.Run(s.Ctx(), strings.NewReader(""), func(_ uint8, p []byte) error {
			if output.Len() == 0 {
				close(up)
				<-gate
			}
			_, err := output.Write(p)
			return err
		})
	}()
	<-up
	w := s.Waiting(id, container.WaitConditionNextExit)
	if err := s.ContainerKill(s.Ctx(), id, ""); err != nil {
		t.Fatal(err)
	}
	s.Code(w)
	note("read")
	close(gate)
	if err := <-done; err != nil && err != io.EOF {
		t.Errorf("the exec's stream: %v", err)
	}
	<-released
	if got := output.String(); got != "up\nlast words\n" {
		t.Errorf("output %q", got)
	}
	if got := strings.Join(notes, ", "); got != "read, released" {
		t.Errorf("in this order: %s", got)
	}
}
