package runtimetest

import (
	"io"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"

	"github.com/sockerless/sockerless/runtime"
)

func logs(t *testing.T, dir string, m Machine) {
	s := Open(t, dir, m.Backend(t))
	id := s.Create("", container.Config{Cmd: []string{"sh", "-c", "echo a; echo b; echo e >&2; echo c"}}, container.HostConfig{})
	// In what order the lines of two pipes are read nobody can say: the tail is that of one.
	one := s.Create("", container.Config{Cmd: []string{"sh", "-c", "echo a; echo b; echo c"}}, container.HostConfig{})
	for _, id := range []string{id, one} {
		w := s.Waiting(id, container.WaitConditionNextExit)
		s.Start(id)
		s.Code(w)
	}
	if o := s.Log(one, runtime.LogsOptions{Stdout: true, Stderr: true, Tail: 2}); o.String(1) != "b\nc\n" {
		t.Errorf("the last two lines: %q", o.String(1))
	}
	for _, test := range []struct {
		opts     runtime.LogsOptions
		out, err string
	}{
		{runtime.LogsOptions{Stdout: true, Stderr: true, Tail: -1}, "a\nb\nc\n", "e\n"},
		{runtime.LogsOptions{Stdout: true, Tail: -1}, "a\nb\nc\n", ""},
		{runtime.LogsOptions{Stdout: true, Stderr: true, Tail: 0}, "", ""},
		{runtime.LogsOptions{Stdout: true, Stderr: true, Tail: -1, Follow: true}, "a\nb\nc\n", "e\n"},
	} {
		if o := s.Log(id, test.opts); o.String(1) != test.out || o.String(2) != test.err {
			t.Errorf("%+v: stdout %q, stderr %q", test.opts, o.String(1), o.String(2))
		}
	}
}

func follow(t *testing.T, dir string, m Machine) {
	s := Open(t, dir, m.Backend(t))
	id := s.Create("", container.Config{Cmd: []string{"sh", "-c", "echo one; read x; echo two"}, OpenStdin: true}, container.HostConfig{})
	s.Start(id)
	l, err := s.ContainerLogs(s.Ctx(), id, runtime.LogsOptions{Stdout: true, Tail: -1, Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	out := NewOutput()
	done := make(chan error, 1)
	go func() { done <- l.Each(s.Ctx(), out.Write) }()
	out.Await(t, 1, "one\n")
	session := s.Attach(id, both)
	if _, err := io.WriteString(session.Input, "go on\n"); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil || out.String(1) != "one\ntwo\n" {
		t.Errorf("followed %q, %v", out.String(1), err)
	}
}

func startedAgain(t *testing.T, dir string, m Machine) {
	s := Open(t, dir, m.Backend(t))
	id := s.Create("", container.Config{Cmd: []string{"echo", "run"}}, container.HostConfig{})
	runs := 3
	if s.backend.Limits().NoRestart {
		runs = 1
	}
	for range runs {
		session := s.Attach(id, runtime.AttachOptions{Stream: true, Stdout: true})
		w := s.Waiting(id, container.WaitConditionNextExit)
		s.Start(id)
		session.End(t)
		s.Code(w)
		if session.String(1) != "run\n" {
			t.Errorf("attached: %q", session.String(1))
		}
	}
	if o := s.Log(id, runtime.LogsOptions{Stdout: true, Tail: -1}); o.String(1) != strings.Repeat("run\n", runs) {
		t.Errorf("log: %q", o.String(1))
	}
	if runs > 1 {
		return
	}
	if err := s.ContainerStart(s.Ctx(), id, runtime.StartOptions{}); !errdefs.IsFailedPrecondition(err) || !strings.Contains(err.Error(), "cannot be started again") {
		t.Errorf("its files are gone, and it is started again: %v", err)
	}
	if _, err := s.ContainerStatPath(s.Ctx(), id, "/"); !errdefs.IsFailedPrecondition(err) {
		t.Errorf("its files are gone, and looked at: %v", err)
	}
}
