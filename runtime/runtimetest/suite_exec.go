package runtimetest

import (
	"io"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"

	"github.com/sockerless/sockerless/runtime"
)

func execs(t *testing.T, dir string, m Machine) {
	s := Open(t, dir, m.Backend(t))
	id := s.Run("g2", "sleep", "1000")
	exec, session := s.Exec(id, container.ExecCreateRequest{
		AttachStdin: true, AttachStdout: true, AttachStderr: true, Cmd: []string{"sh", "-c", "cat; echo err >&2; exit 4"}})
	if _, err := io.WriteString(session.Input, "hello\n"); err != nil {
		t.Fatal(err)
	}
	if err := session.Input.Close(); err != nil {
		t.Fatal(err)
	}
	session.End(t)
	if out, err := session.String(1), session.String(2); out != "hello\n" || err != "err\n" {
		t.Errorf("stdout %q, stderr %q", out, err)
	}
	in, err := s.ExecInspect(s.Ctx(), exec)
	if err != nil || in.Running || in.ExitCode == nil || *in.ExitCode != 4 || in.ContainerID != id {
		t.Errorf("inspect: %+v, %v", in, err)
	}
	a, err := s.ExecStart(s.Ctx(), exec, runtime.ExecStartOptions{})
	if err != nil {
		t.Fatal(err)
	}
	again := s.session(a)
	again.End(t)
	if want := "exec command " + exec + " has already run\r\n"; again.String(1) != want {
		t.Errorf("second start: %q", again.String(1))
	}
	env, session := s.Exec(id, container.ExecCreateRequest{AttachStdout: true, Cmd: []string{"env"}, Env: []string{"X=1"}})
	session.End(t)
	if !strings.Contains(session.String(1), "X=1\n") || !strings.Contains(session.String(1), "HOSTNAME="+id[:12]+"\n") {
		t.Errorf("environment of exec %s: %q", env, session.String(1))
	}
	stopped := s.Create("g1", container.Config{Cmd: []string{"true"}}, container.HostConfig{})
	_, err = s.ExecCreate(s.Ctx(), "g1", container.ExecCreateRequest{Cmd: []string{"true"}})
	if !errdefs.IsConflict(err) || err.Error() != "container "+stopped+" is not running" {
		t.Errorf("exec in a container that does not run: %v", err)
	}
	if err := s.ContainerPause(s.Ctx(), id); err != nil {
		t.Fatal(err)
	}
	_, err = s.ExecCreate(s.Ctx(), "g2", container.ExecCreateRequest{Cmd: []string{"true"}})
	if !errdefs.IsConflict(err) || err.Error() != "Container g2 is paused, unpause the container before exec" {
		t.Errorf("exec in a paused container: %v", err)
	}
	if err := s.ContainerUnpause(s.Ctx(), id); err != nil {
		t.Fatal(err)
	}
}

func execFails(t *testing.T, dir string, m Machine) {
	s := Open(t, dir, m.Backend(t))
	id := s.Run("", "sleep", "1000")
	exec, session := s.Exec(id, container.ExecCreateRequest{AttachStdout: true, Cmd: []string{"nosuchcmd"}})
	session.End(t)
	if !strings.HasSuffix(session.String(1), "exec: \"nosuchcmd\": executable file not found in $PATH\r\n") {
		t.Errorf("stream: %q", session.String(1))
	}
	if in, err := s.ExecInspect(s.Ctx(), exec); err != nil || in.Running || in.ExitCode == nil || *in.ExitCode != 127 {
		t.Errorf("inspect: %+v, %v", in, err)
	}
	exec, err := s.ExecCreate(s.Ctx(), id, container.ExecCreateRequest{Cmd: []string{"nosuchcmd"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.ExecStart(s.Ctx(), exec, runtime.ExecStartOptions{Detach: true}); !errdefs.IsInvalidArgument(err) {
		t.Errorf("detached: %v", err)
	}
}

func execKilled(t *testing.T, dir string, m Machine) {
	s := Open(t, dir, m.Backend(t))
	id := s.Run("", "sleep", "1000")
	exec, session := s.Exec(id, container.ExecCreateRequest{AttachStdout: true, Cmd: []string{"sh", "-c", "echo up; sleep 1000"}})
	session.Await(t, 1, "up")
	in, err := s.ContainerInspect(s.Ctx(), id, false)
	if err != nil || len(in.ExecIDs) != 1 || in.ExecIDs[0] != exec {
		t.Errorf("exec ids %v, %v", in.ExecIDs, err)
	}
	if err := s.ContainerKill(s.Ctx(), id, ""); err != nil {
		t.Fatal(err)
	}
	session.End(t)
	if in, err := s.ExecInspect(s.Ctx(), exec); err != nil || in.Running || in.ExitCode == nil || *in.ExitCode != 137 {
		t.Errorf("inspect: %+v, %v", in, err)
	}
	if err := s.ContainerRemove(s.Ctx(), id, runtime.RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ExecInspect(s.Ctx(), exec); !errdefs.IsNotFound(err) {
		t.Errorf("inspect after the container is gone: %v", err)
	}
}
