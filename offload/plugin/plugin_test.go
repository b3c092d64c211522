//go:build unix

package plugin_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/opencontainers/go-digest"
	"google.golang.org/protobuf/proto"

	"github.com/sockerless/sockerless/agent/agentpb"
	"github.com/sockerless/sockerless/offload"
	"github.com/sockerless/sockerless/offload/plugin"
	"github.com/sockerless/sockerless/runtime"
)

// The test binary is the program, where it is called as it.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "driver" {
		if err := plugin.Serve(context.Background(), os.Stdin, newEcho); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// echo is a driver that does what the names of its tasks say.
type echo struct{ host *plugin.Host }

func newEcho(_ context.Context, s plugin.Start, host *plugin.Host) (offload.Driver, error) {
	if s.Type != "echo" {
		return nil, errdefs.ErrInvalidArgument.WithMessage("no driver of type " + s.Type)
	}
	return &echo{host}, nil
}

func (e *echo) Name() string { return "echo" }
func (e *echo) Limits() runtime.Limits {
	return runtime.Limits{MaxDuration: time.Hour, User: "993:990", Platforms: []string{"linux/amd64"}}
}
func (e *echo) Price(s runtime.Size) (float64, bool) { return s.CPU / 4, true }
func (e *echo) Pace() offload.Pace                   { return offload.Pace{Batch: 3} }

// Run answers with the image, and how many bytes it has.
func (e *echo) Run(ctx context.Context, s offload.Spec) (offload.Handle, error) {
	switch s.Name {
	case "transient":
		return offload.Handle{}, offload.Transient(errdefs.ErrUnavailable.WithMessage("throttled"), time.Second)
	case "no room":
		return offload.Handle{}, errdefs.ErrUnavailable.WithMessage("no capacity")
	case "never":
		return offload.Handle{}, errdefs.ErrFailedPrecondition.WithMessage("it can never run")
	case "die":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	text, err := proto.Marshal(s.Task.Container)
	if err != nil {
		return offload.Handle{}, err
	}
	h := s.NewHandle(string(digest.FromBytes(text)))
	h.Data = map[string]string{"agent": s.Agent.Token}
	if s.Task.Image.ID != "" {
		image, err := e.host.Image(ctx, s.Task.Image.ID)
		if err != nil {
			return h, err
		}
		defer image.Close()
		n, err := io.Copy(io.Discard, image)
		if err != nil {
			return h, offload.Transient(err, 0)
		}
		h.Data["size"] = fmt.Sprint(n)
	}
	return h, nil
}

func (e *echo) Stop(_ context.Context, h offload.Handle, grace time.Duration) error {
	return errdefs.ErrNotFound.WithMessage(h.ID + " " + grace.String())
}

func (e *echo) Describe(_ context.Context, tasks []offload.Handle) (all []offload.Status, err error) {
	for i, h := range tasks {
		all = append(all, offload.Status{Handle: h, State: offload.Stopped, Code: "C", Reason: "R", ExitCode: &i, NoRoom: true})
	}
	return all, nil
}

func (e *echo) Check(context.Context) ([]offload.Finding, error) {
	return []offload.Finding{{What: "w", Verdict: offload.Unknown, Detail: "d"}}, errors.New("the rest")
}

func (e *echo) List(_ context.Context, instance string) ([]offload.Handle, error) {
	return []offload.Handle{{ID: "1", Instance: instance}}, nil
}
func (e *echo) Remove(context.Context, offload.Handle) error { return nil }

// images has one that is whole, and one that breaks off.
type images struct{}

func (images) Save(_ context.Context, id digest.Digest, w io.Writer) error {
	switch id {
	case whole:
		_, err := w.Write(make([]byte, 3<<20))
		return err
	case broken:
		_, err := w.Write(make([]byte, 3<<20))
		return errors.Join(err, errors.New("the disk is gone"))
	}
	return errdefs.ErrNotFound.WithMessage("no such image")
}

var whole, broken = digest.FromString("whole"), digest.FromString("broken")

func open(t *testing.T, kind string) (*plugin.Driver, error) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "p") // short: sockets live in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	d, err := plugin.New(t.Context(), plugin.Config{Program: []string{self, "driver"}, Type: kind, Settings: struct{}{},
		Sockets: filepath.Join(dir, "d"), Images: images{}, Log: slog.New(slog.DiscardHandler)})
	if err == nil {
		t.Cleanup(func() {
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	return d, err
}

func TestCalls(t *testing.T) {
	d, err := open(t, "echo")
	if err != nil {
		t.Fatal(err)
	}
	if d.Name() != "echo" || d.Limits().User != "993:990" || d.Limits().MaxDuration != time.Hour || d.Pace().Batch != 3 {
		t.Errorf("it is %s, %+v, %+v", d.Name(), d.Limits(), d.Pace())
	}
	if p, known := d.Price(runtime.Size{CPU: 2}); p != .5 || !known {
		t.Errorf("it costs %v, %v", p, known)
	}
	container := &agentpb.Container{Id: "c", Layers: []string{"a", "b"}, Mounts: []*agentpb.Mount{{Type: agentpb.Mount_VOLUME, Source: "s", Target: "/t", ReadOnly: true}},
		Limits: &agentpb.Limits{Memory: 1 << 40}, Endpoints: []*agentpb.Endpoint{{Network: "n", Address: "10.0.0.1"}}}
	text, err := proto.Marshal(container)
	if err != nil {
		t.Fatal(err)
	}
	spec := offload.Spec{Task: runtime.Task{Container: container, Image: runtime.Image{ID: whole.String()}}, Attempt: "a",
		Tags: map[string]string{offload.TagInstance: "i", offload.TagAttempt: "a"}, Agent: offload.AgentArguments{Token: "secret"}}
	h, err := d.Run(t.Context(), spec)
	want := offload.Handle{ID: string(digest.FromBytes(text)), Instance: "i", Attempt: "a", Data: map[string]string{"agent": "secret", "size": fmt.Sprint(3 << 20)}}
	if err != nil || !reflect.DeepEqual(h, want) {
		t.Errorf("got %+v, %v, want %+v", h, err, want)
	}
	statuses, err := d.Describe(t.Context(), []offload.Handle{h})
	if err != nil || len(statuses) != 1 || *statuses[0].ExitCode != 0 || statuses[0].State != offload.Stopped || !reflect.DeepEqual(statuses[0].Handle, h) {
		t.Errorf("got %+v, %v", statuses, err)
	}
	if all, err := d.Check(t.Context()); err == nil || err.Error() != "the rest" || !reflect.DeepEqual(all, []offload.Finding{{What: "w", Verdict: offload.Unknown, Detail: "d"}}) {
		t.Errorf("got %+v, %v", all, err)
	}
	if all, err := d.List(t.Context(), "i"); err != nil || len(all) != 1 || all[0].Instance != "i" {
		t.Errorf("got %+v, %v", all, err)
	}
	if err := d.Stop(t.Context(), h, time.Minute); !errdefs.IsNotFound(err) || err.Error() != h.ID+" 1m0s" {
		t.Errorf("got %v", err)
	}
	if err := d.Remove(t.Context(), h); err != nil {
		t.Error(err)
	}
}

func TestErrors(t *testing.T) {
	d, err := open(t, "echo")
	if err != nil {
		t.Fatal(err)
	}
	run := func(name string, image digest.Digest) error {
		_, err := d.Run(t.Context(), offload.Spec{Name: name, Task: runtime.Task{Container: &agentpb.Container{}, Image: runtime.Image{ID: image.String()}}})
		return err
	}
	var transient *offload.TransientError
	if err := run("transient", ""); !errors.As(err, &transient) || transient.After != time.Second || !errdefs.IsUnavailable(err) || err.Error() != "throttled" {
		t.Errorf("got %v", err)
	}
	if err := run("no room", ""); errors.As(err, &transient) || !errdefs.IsUnavailable(err) {
		t.Errorf("got %v", err)
	}
	if err := run("never", ""); !errdefs.IsFailedPrecondition(err) {
		t.Errorf("got %v", err)
	}
	if err := run("", digest.FromString("none")); !errdefs.IsNotFound(err) {
		t.Errorf("an image that is not there: %v", err)
	}
	if err := run("", broken); err == nil {
		t.Error("an image that breaks off is taken for whole")
	}
	if err := run("die", ""); !errors.As(err, &transient) {
		t.Errorf("of a program that is killed: %v", err)
	}
	err = run("", "")
	for errors.As(err, &transient) { // the kernel has not dealt with its end yet
		err = run("", "")
	}
	if err != nil {
		t.Errorf("it is not started again: %v", err)
	}
}

func TestProgramThatDoesNotStart(t *testing.T) {
	if _, err := open(t, "other"); !errdefs.IsFailedPrecondition(err) || !strings.Contains(err.Error(), "no driver of type other") {
		t.Errorf("got %v", err)
	}
	_, err := plugin.New(t.Context(), plugin.Config{Program: []string{"/no/such/program"}, Type: "echo", Sockets: filepath.Join(t.TempDir(), "d"), Log: slog.New(slog.DiscardHandler)})
	if !errdefs.IsFailedPrecondition(err) || !strings.Contains(err.Error(), "make build") {
		t.Errorf("got %v", err)
	}
}
