package runtimetest

import (
	"io"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/events"

	"github.com/sockerless/sockerless/runtime"
)

func adopt(t *testing.T, dir string, m Machine) {
	s := Open(t, dir, m.Backend(t))
	id := s.Create("live", container.Config{Cmd: []string{"sh", "-c", "echo one; read x; echo two; exit 6"}, OpenStdin: true}, container.HostConfig{})
	session := s.Attach(id, both)
	s.Start(id)
	session.Await(t, 1, "one\n")
	before := s.State(id)
	s.Close()

	s = Open(t, dir, m.Backend(t))
	if st := s.State("live"); !st.Running || st.Pid != before.Pid || st.StartedAt != before.StartedAt {
		t.Fatalf("state %+v, was %+v", st, before)
	}
	w := s.Waiting(id, container.WaitConditionNextExit)
	session = s.Attach(id, both)
	if _, err := io.WriteString(session.Input, "go on\n"); err != nil {
		t.Fatal(err)
	}
	if got := s.Code(w); got != 6 {
		t.Errorf("exit code %d", got)
	}
	if o := s.Log(id, runtime.LogsOptions{Stdout: true, Tail: -1}); o.String(1) != "one\ntwo\n" {
		t.Errorf("log: %q", o.String(1))
	}
}

func exitsMeanwhile(t *testing.T, dir string, m Machine) {
	s := Open(t, dir, m.Backend(t))
	waits := func(name string, auto bool) string {
		return s.Create(name, container.Config{Cmd: []string{"sh", "-c", "sleep 0.3; echo done; exit 9"}}, container.HostConfig{AutoRemove: auto})
	}
	id, gone := waits("stays", false), waits("goes", true)
	s.Start(id)
	s.Start(gone)
	s.Close()

	s = Open(t, dir, m.Backend(t))
	if got := s.Code(s.Waiting(id, container.WaitConditionNotRunning)); got != 9 {
		t.Errorf("exit code %d", got)
	}
	if o := s.Log(id, runtime.LogsOptions{Stdout: true, Tail: -1}); o.String(1) != "done\n" {
		t.Errorf("log: %q", o.String(1))
	}
	if w, err := s.ContainerWait(s.Ctx(), gone, string(container.WaitConditionRemoved)); err == nil {
		s.Code(w)
	}
	finished := s.State(id).FinishedAt
	s.Close()

	s = Open(t, dir, m.Backend(t))
	if st := s.State(id); st.ExitCode != 9 || st.FinishedAt != finished {
		t.Errorf("the exit was applied again: %+v", st)
	}
	list, err := s.ContainerList(s.Ctx(), runtime.ListOptions{All: true})
	if err != nil || len(list) != 1 {
		t.Errorf("%d containers, %v", len(list), err)
	}
}

func agentsCrash(t *testing.T, dir string, m Machine) {
	s := Open(t, dir, m.Backend(t))
	id := s.Run("", "sleep", "1000")
	removed := s.Create("", container.Config{Cmd: []string{"sleep", "1000"}}, container.HostConfig{AutoRemove: true})
	s.Start(removed)
	exec, session := s.Exec(id, container.ExecCreateRequest{AttachStdout: true, Cmd: []string{"sh", "-c", "echo up; sleep 1000"}})
	session.Await(t, 1, "up")
	w, wr := s.Waiting(id, container.WaitConditionNextExit), s.Waiting(removed, container.WaitConditionRemoved)
	m.Crash()
	if got := s.Code(w); got != 137 {
		t.Errorf("exit code %d", got)
	}
	if got := s.Code(wr); got != 137 {
		t.Errorf("exit code of the removed %d", got)
	}
	if st := s.State(id); st.Status != container.StateExited || !strings.Contains(st.Error, "agent ended") {
		t.Errorf("state %+v", st)
	}
	<-session.done // with an error or without: its process is gone
	if in, err := s.ExecInspect(s.Ctx(), exec); err != nil || in.Running || in.ExitCode == nil || *in.ExitCode != 137 {
		t.Errorf("exec %+v, %v", in, err)
	}
	if s.backend.Limits().NoRestart {
		return
	}
	w = s.Waiting(id, container.WaitConditionNextExit)
	s.Start(id) // on another agent
	if err := s.ContainerKill(s.Ctx(), id, ""); err != nil {
		t.Fatal(err)
	}
	s.Code(w)
}

func agentsCrashMeanwhile(t *testing.T, dir string, m Machine) {
	s := Open(t, dir, m.Backend(t))
	id := s.Run("", "sleep", "1000")
	s.Close()
	m.Crash()
	s = Open(t, dir, m.Backend(t))
	if st := s.State(id); st.Status != container.StateExited || st.ExitCode != 137 || !strings.Contains(st.Error, "agent ended") {
		t.Errorf("state %+v", st)
	}
}

func restartPolicy(t *testing.T, dir string, m Machine) {
	s := Open(t, dir, m.Backend(t))
	if s.backend.Limits().NoRestart {
		return // the scheduler refuses such a container: see package offload
	}
	sub, err := s.Events(s.Ctx(), runtime.EventsOptions{Filters: runtime.Filters{"event": {"die": true}}})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	died := func() events.Message {
		t.Helper()
		e, err := sub.Next(s.Ctx())
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	id := s.Create("", container.Config{Cmd: []string{"false"}},
		container.HostConfig{RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyOnFailure, MaximumRetryCount: 2}})
	s.Start(id)
	for range 3 {
		if e := died(); e.Actor.ID != id || e.Actor.Attributes["exitCode"] != "1" {
			t.Errorf("event %+v", e)
		}
	}
	in, err := s.ContainerInspect(s.Ctx(), id, false)
	if err != nil || in.RestartCount != 2 || in.State.Status != container.StateExited {
		t.Errorf("restarts %d, %+v, %v", in.RestartCount, in.State, err)
	}
	always := s.Create("", container.Config{Cmd: []string{"sleep", "1000"}},
		container.HostConfig{RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyAlways}})
	s.Start(always)
	if err := s.ContainerStop(s.Ctx(), always, runtime.StopOptions{Timeout: new(int)}); err != nil {
		t.Fatal(err)
	}
	if st := s.State(always); st.Status != container.StateExited {
		t.Errorf("a container that was stopped runs again: %+v", st)
	}
}
