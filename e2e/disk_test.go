package e2e

import (
	"bufio"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
)

// smallDisk gives a server a data folder of size bytes: a tmpfs in a mount namespace that a process holds open, so that
// the folder outlives the server.
func smallDisk(t *testing.T, s *server, size string) {
	t.Helper()
	if err := os.Mkdir(s.data(), 0o755); err != nil {
		t.Fatal(err)
	}
	unshare, enter := []string{"--mount"}, []string{"nsenter", "--mount"}
	if os.Geteuid() != 0 {
		unshare, enter = append(unshare, "--map-root-user"), append(enter, "--user", "--preserve-credentials")
	}
	holder := exec.Command("unshare", append(unshare, "sh", "-c", `mount -t tmpfs -o size=`+size+` tmpfs "$1" && echo mounted && exec cat`, "sh", s.data())...)
	release, err := holder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	said, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	holder.Stderr = os.Stderr
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = release.Close() // ends cat
		_ = holder.Wait()
	})
	if line, err := bufio.NewReader(said).ReadString('\n'); line != "mounted\n" {
		t.Fatalf("mount a tmpfs in a namespace: %q, %v", line, err)
	}
	s.within = append(enter, "--target", strconv.Itoa(holder.Process.Pid))
}

// TestFullDisk fills the disk from a container: what is there stays and can be read and removed, what is new is refused,
// and the server lives on, and starts again.
func TestFullDisk(t *testing.T) {
	s, err := newServer()
	if err != nil {
		t.Fatal(err)
	}
	smallDisk(t, s, "400m")
	t.Cleanup(func() {
		if err := s.remove(t); err != nil {
			t.Error(err)
		}
	})
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	s.fails(t, 4, nil, "run", "--name", "earlier", "sockerless/base", "sh", "-c", "echo said before; exit 4")
	s.ok(t, "run", "-d", "--name", "running", "sockerless/base", "sleep", "infinity")
	s.ok(t, "run", "-d", "--name", "ending", "sockerless/base", "sh", "-c", "trap 'exit 6' TERM; echo ready; while :; do sleep 0.1; done")
	for s.ok(t, "logs", "ending") != "ready" {
	}
	s.ok(t, "run", "-d", "--name", "filler", "sockerless/base", "sleep", "infinity")

	earlierIsThere := func(when string) {
		t.Helper()
		if got := s.ok(t, "ps", "-a", "--format", "{{.Names}}"); got != "filler\nending\nrunning\nearlier" {
			t.Errorf("%s: docker ps -a lists %q", when, got)
		}
		if got := s.ok(t, "inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "earlier"); got != "exited 4" {
			t.Errorf("%s: the earlier container is %q", when, got)
		}
		if got := s.ok(t, "logs", "earlier"); got != "said before" {
			t.Errorf("%s: docker logs: %q", when, got)
		}
	}
	refused := func(when string) {
		t.Helper()
		for _, verb := range []string{"create", "run"} {
			code := map[string]int{"create": 1, "run": 125}[verb]
			s.fails(t, code, []string{"no space left on the state disk", "needed"}, verb, "--name", "late", "sockerless/base", "true")
		}
		earlierIsThere(when)
	}

	s.fails(t, 1, []string{"No space left on device"}, "exec", "filler", "dd", "if=/dev/zero", "of=/tmp/big", "bs=1M")
	refused("full")
	if got := s.ok(t, "exec", "running", "echo", "exec needs no room"); got != "exec needs no room" {
		t.Errorf("exec on a full disk: %q", got)
	}
	s.ok(t, "kill", "-s", "TERM", "ending")
	if got := s.ok(t, "wait", "ending"); got != "6" {
		t.Errorf("a container that ends on a full disk: %q", got)
	}
	if err := s.signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := s.start(); err != nil {
		t.Fatalf("start on a full disk: %v", err)
	}
	refused("full, after a restart")
	if got := s.ok(t, "inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "ending"); got != "exited 6" {
		t.Errorf("a container that ended on a full disk, after a restart: %q", got)
	}
	if got := s.ok(t, "inspect", "-f", "{{.State.Running}}", "running"); got != "true" {
		t.Errorf("running: %q", got)
	}

	s.ok(t, "exec", "filler", "rm", "/tmp/big")
	earlierIsThere("room again")
	if got := s.ok(t, "run", "--rm", "sockerless/base", "echo", "room again"); got != "room again" {
		t.Errorf("got %q", got)
	}

	// removing the container that fills the disk is the other way out
	s.fails(t, 1, []string{"No space left on device"}, "exec", "filler", "dd", "if=/dev/zero", "of=/tmp/big", "bs=1M")
	refused("full again")
	s.ok(t, "rm", "-f", "filler")
	s.ok(t, "run", "--rm", "sockerless/base", "true")
	s.ok(t, "rm", "-f", "running", "ending", "earlier")
	if left := s.files(t, "containers"); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}
