package runtimetest

import (
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"

	"github.com/sockerless/sockerless/runtime"
)

// Machine is what containers run on; it survives the server.
type Machine interface {
	// Backend opens a backend, as a server does at its start. Its Close leaves the agents running.
	Backend(t *testing.T) runtime.Backend
	// Crash ends all agents as kill -9 does.
	Crash()
}

// both are the options to attach to output and input.
var both = runtime.AttachOptions{Stream: true, Stdin: true, Stdout: true, Stderr: true}

// Run runs the suite, each test on a machine of its own.
func Run(t *testing.T, machine func(t *testing.T, dataDir string) Machine) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, dir string, m Machine)
	}{
		{"exit codes", exitCodes},
		{"attach before start gets everything", attachBeforeStart},
		{"stdin and half-close", stdinHalfClose},
		{"a mebibyte through cat", bulk},
		{"detach keys", detachKeys},
		{"stdin stays open without StdinOnce", stdinStaysOpen},
		{"exec", execs},
		{"exec that cannot start", execFails},
		{"exec is killed with its container", execKilled},
		{"signals", signals},
		{"stop timeout", stopTimeout},
		{"start errors", startErrors},
		{"wait conditions", waitConditions},
		{"auto-remove", autoRemove},
		{"logs", logs},
		{"follow", follow},
		{"started again", startedAgain},
		{"the server is opened again", adopt},
		{"exits while there is no server", exitsMeanwhile},
		{"agents crash", agentsCrash},
		{"agents crash while there is no server", agentsCrashMeanwhile},
		{"restart policy", restartPolicy},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			test.run(t, dir, machine(t, dir))
		})
	}
}

func exitCodes(t *testing.T, dir string, m Machine) {
	s := Open(t, dir, m.Backend(t))
	for _, code := range []int64{0, 1, 42, 255} {
		id := s.Create("", container.Config{Cmd: []string{"sh", "-c", fmt.Sprint("exit ", code)}}, container.HostConfig{})
		w := s.Waiting(id, container.WaitConditionNextExit)
		s.Start(id)
		if got := s.Code(w); got != code {
			t.Errorf("exit code %d, want %d", got, code)
		}
		if st := s.State(id); st.Status != container.StateExited || st.ExitCode != int(code) || st.Running || st.Pid != 0 {
			t.Errorf("state %+v", st)
		}
	}
}

func attachBeforeStart(t *testing.T, dir string, m Machine) {
	s := Open(t, dir, m.Backend(t))
	id := s.Create("", container.Config{Cmd: []string{"sh", "-c", "echo out; echo err >&2"}}, container.HostConfig{})
	session := s.Attach(id, runtime.AttachOptions{Stream: true, Stdout: true, Stderr: true})
	s.Start(id)
	session.End(t)
	if out, err := session.String(1), session.String(2); out != "out\n" || err != "err\n" {
		t.Errorf("stdout %q, stderr %q", out, err)
	}
}

func stdinHalfClose(t *testing.T, dir string, m Machine) {
	s := Open(t, dir, m.Backend(t))
	id := s.Create("", container.Config{Cmd: []string{"cat"}, OpenStdin: true, StdinOnce: true, AttachStdin: true}, container.HostConfig{})
	session := s.Attach(id, both)
	w := s.Waiting(id, container.WaitConditionNextExit)
	s.Start(id)
	if _, err := io.WriteString(session.Input, "one\ntwo"); err != nil {
		t.Fatal(err)
	}
	session.Await(t, 1, "two")
	if err := session.Input.Close(); err != nil {
		t.Fatal(err)
	}
	session.End(t)
	if got := s.Code(w); got != 0 || session.String(1) != "one\ntwo" {
		t.Errorf("exit code %d, output %q", got, session.String(1))
	}
}

func bulk(t *testing.T, dir string, m Machine) {
	s := Open(t, dir, m.Backend(t))
	id := s.Create("", container.Config{Cmd: []string{"cat"}, OpenStdin: true, StdinOnce: true}, container.HostConfig{})
	session := s.Attach(id, both)
	s.Start(id)
	data := make([]byte, 1<<20)
	random := rand.NewChaCha8([32]byte{1})
	if _, err := random.Read(data); err != nil {
		t.Fatal(err)
	}
	if _, err := session.Input.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := session.Input.Close(); err != nil {
		t.Fatal(err)
	}
	session.End(t)
	if out := session.String(1); sha256.Sum256([]byte(out)) != sha256.Sum256(data) {
		t.Errorf("%d bytes came back changed, of %d", len(out), len(data))
	}
}

func detachKeys(t *testing.T, dir string, m Machine) {
	s := Open(t, dir, m.Backend(t))
	id := s.Create("", container.Config{Cmd: []string{"cat"}, OpenStdin: true, StdinOnce: true, Tty: true}, container.HostConfig{})
	session := s.Attach(id, both)
	s.Start(id)
	if _, err := io.WriteString(session.Input, "typed\n"); err != nil {
		t.Fatal(err)
	}
	session.Await(t, 1, "typed")
	if _, err := io.WriteString(session.Input, "\x10\x11"); err != nil {
		t.Fatal(err)
	}
	session.End(t)
	if st := s.State(id); !st.Running {
		t.Errorf("after detach: %+v", st)
	}
	again := s.Attach(id, both)
	if _, err := io.WriteString(again.Input, "more\n"); err != nil {
		t.Fatal(err)
	}
	again.Await(t, 1, "more")
}

func stdinStaysOpen(t *testing.T, dir string, m Machine) {
	s := Open(t, dir, m.Backend(t))
	id := s.Create("", container.Config{Cmd: []string{"cat"}, OpenStdin: true}, container.HostConfig{})
	s.Start(id)
	for _, word := range []string{"first", "second"} {
		session := s.Attach(id, both)
		if _, err := io.WriteString(session.Input, word+"\n"); err != nil {
			t.Fatal(err)
		}
		session.Await(t, 1, word)
		if err := session.Input.Close(); err != nil {
			t.Fatal(err)
		}
		session.End(t)
	}
	if st := s.State(id); !st.Running {
		t.Errorf("state %+v", st)
	}
}

func signals(t *testing.T, dir string, m Machine) {
	s := Open(t, dir, m.Backend(t))
	for signal, code := range map[string]int64{"": 137, "SIGTERM": 43, "term": 43, "9": 137} {
		id := s.Create("", container.Config{Cmd: []string{"sh", "-c", "trap 'exit 43' TERM; echo ready; while :; do sleep 0.02; done"}}, container.HostConfig{})
		session := s.Attach(id, runtime.AttachOptions{Stream: true, Stdout: true})
		w := s.Waiting(id, container.WaitConditionNextExit)
		s.Start(id)
		session.Await(t, 1, "ready")
		if err := s.ContainerKill(s.Ctx(), id, signal); err != nil {
			t.Fatal(err)
		}
		if got := s.Code(w); got != code {
			t.Errorf("signal %q: exit code %d, want %d", signal, got, code)
		}
		err := s.ContainerKill(s.Ctx(), id, signal)
		if want := fmt.Sprintf("container %s is not running", id); !errdefs.IsConflict(err) || err.Error() != want {
			t.Errorf("kill again: %v", err)
		}
	}
}

func stopTimeout(t *testing.T, dir string, m Machine) {
	s := Open(t, dir, m.Backend(t))
	for _, test := range []struct {
		script  string
		timeout int
		code    int
	}{
		{"trap 'exit 43' TERM; echo ready; while :; do sleep 0.02; done", -1, 43},
		{"trap '' TERM; echo ready; sleep 1000", 0, 137},
		{"trap '' TERM; echo ready; sleep 1000", 1, 137},
	} {
		id := s.Create("", container.Config{Cmd: []string{"sh", "-c", test.script}}, container.HostConfig{})
		session := s.Attach(id, runtime.AttachOptions{Stream: true, Stdout: true})
		s.Start(id)
		session.Await(t, 1, "ready")
		if err := s.ContainerStop(s.Ctx(), id, runtime.StopOptions{Timeout: &test.timeout}); err != nil {
			t.Fatal(err)
		}
		if st := s.State(id); st.Status != container.StateExited || st.ExitCode != test.code {
			t.Errorf("%s, timeout %d: %+v", test.script, test.timeout, st)
		}
		if err := s.ContainerStop(s.Ctx(), id, runtime.StopOptions{}); !errdefs.IsNotModified(err) {
			t.Errorf("stop again: %v", err)
		}
	}
}

func startErrors(t *testing.T, dir string, m Machine) {
	s := Open(t, dir, m.Backend(t))
	id := s.Create("g3", container.Config{Cmd: []string{"nosuchcmd"}}, container.HostConfig{})
	err := s.ContainerStart(s.Ctx(), id, runtime.StartOptions{})
	want := `failed to create task for container: exec: "nosuchcmd": executable file not found in $PATH`
	if !errdefs.IsInvalidArgument(err) || err.Error() != want {
		t.Errorf("start: %v", err)
	}
	if st := s.State(id); st.Status != container.StateCreated || st.ExitCode != 127 || st.Error != want {
		t.Errorf("state %+v", st)
	}
	running := s.Run("", "sleep", "1000")
	if err := s.ContainerStart(s.Ctx(), running, runtime.StartOptions{}); !errdefs.IsNotModified(err) {
		t.Errorf("start again: %v", err)
	}
}

func waitConditions(t *testing.T, dir string, m Machine) {
	s := Open(t, dir, m.Backend(t))
	id := s.Create("w", container.Config{Cmd: []string{"sh", "-c", "exit 5"}}, container.HostConfig{})
	if got := s.Code(s.Waiting(id, "")); got != 0 {
		t.Errorf("not-running of a created container: %d", got)
	}
	next := s.Waiting(id, container.WaitConditionNextExit)
	removed := s.Waiting(id, container.WaitConditionRemoved)
	s.Start(id)
	if got := s.Code(next); got != 5 {
		t.Errorf("next-exit: %d", got)
	}
	if got := s.Code(s.Waiting(id, container.WaitConditionNotRunning)); got != 5 {
		t.Errorf("not-running: %d", got)
	}
	if err := s.ContainerRemove(s.Ctx(), id, runtime.RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := s.Code(removed); got != 5 {
		t.Errorf("removed: %d", got)
	}
	if _, err := s.ContainerWait(s.Ctx(), "w", "removed"); !errdefs.IsNotFound(err) || err.Error() != "No such container: w" {
		t.Errorf("wait for what is gone: %v", err)
	}
	if _, err := s.ContainerWait(s.Ctx(), "w", "bogus"); !errdefs.IsInvalidArgument(err) || err.Error() != `invalid condition: "bogus"` {
		t.Errorf("bogus condition: %v", err)
	}
}

func autoRemove(t *testing.T, dir string, m Machine) {
	s := Open(t, dir, m.Backend(t))
	volumes := map[string]struct{}{"/data": {}}
	if s.backend.Limits().NoBinds {
		volumes = nil // the scheduler refuses them: see package offload
	}
	id := s.Create("", container.Config{Cmd: []string{"sh", "-c", "echo last words; exit 7"}, Volumes: volumes}, container.HostConfig{AutoRemove: true})
	in, err := s.ContainerInspect(s.Ctx(), id, false)
	if err != nil || len(in.Mounts) != len(volumes) {
		t.Fatalf("inspect: %v, mounts %v", err, in.Mounts)
	}
	removed := s.Waiting(id, container.WaitConditionRemoved)
	session := s.Attach(id, runtime.AttachOptions{Stream: true, Stdout: true})
	s.Start(id)
	session.End(t)
	if got := s.Code(removed); got != 7 || session.String(1) != "last words\n" {
		t.Errorf("exit code %d, output %q", got, session.String(1))
	}
	if _, err := s.ContainerInspect(s.Ctx(), id, false); !errdefs.IsNotFound(err) {
		t.Errorf("inspect: %v", err)
	}
	gone := Gone(filepath.Join(dir, "containers", id))
	for _, m := range in.Mounts {
		gone = gone && Gone(m.Source)
	}
	if !gone {
		t.Error("files are left")
	}
}
