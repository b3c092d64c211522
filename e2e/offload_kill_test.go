package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sockerless/sockerless/offload/native"
)

// numbers is what a container prints that counts to n-1.
func numbers(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintln(&b, i)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// TestNativeServerKilled kills the server while native containers print: they go on, no line is lost or twice, and their exits
// are known, also those that no server saw.
func TestNativeServerKilled(t *testing.T) {
	const count = "import sys, time\nfor i in range(60):\n    print(i, flush=True); time.sleep(0.02)\nsys.exit(7)"
	for name, command := range map[string][]string{
		"native":   {"python3", "-c", count},
		"promoted": {"bash", "-c", hidden + "$P -c '" + count + "'; exit $?"},
		"both":     {"bash", "-c", hidden + "for i in $(seq 0 5 55); do $P -c \"for i in range($i, $i + 3): print(i, flush=True)\"; echo $((i + 3)); echo $((i + 4)); done; exit 7"},
	} {
		t.Run(name, func(t *testing.T) {
			s := offloadServer(t, "{}\n")
			id := s.ok(t, append([]string{"run", "-d", "--name", "c", "python"}, command...)...)
			for !strings.Contains(s.ok(t, "logs", "c"), "3\n") {
			}
			if err := s.signal(syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			if err := s.start(); err != nil {
				t.Fatal(err)
			}
			if got := s.ok(t, "wait", "c"); got != "7" {
				t.Errorf("it ended with %s: %s", got, s.ok(t, "inspect", "-f", "{{json .State}}", "c"))
			}
			if got := s.ok(t, "logs", "c"); got != numbers(60) {
				t.Errorf("it printed %q", got)
			}
			s.leavesNothing(t, id)
		})
	}
}

// TestNativeEndsAlone ends a native container while there is no server.
func TestNativeEndsAlone(t *testing.T) {
	s := offloadServer(t, "{}\n")
	folder := t.TempDir()
	id := s.ok(t, "run", "-d", "--name", "c", "-v", folder+":/v", "python", "python3", "-c",
		"import os, sys, time\nwhile not os.path.exists('/v/end'): time.sleep(0.01)\nprint('last words'); sys.exit(9)")
	if err := s.signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "end"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	if got := s.ok(t, "wait", "c"); got != "9" {
		t.Errorf("it ended with %s", got)
	}
	if got := s.ok(t, "logs", "c"); got != "last words" {
		t.Errorf("it printed %q", got)
	}
	s.leavesNothing(t, id)
}

// TestNativeKilled kills process 1 of a native container: it is dead, with a reason, and starts again.
func TestNativeKilled(t *testing.T) {
	s := offloadServer(t, "{}\n")
	id := s.ok(t, "run", "-d", "--name", "c", "python", "python3", "-c", "import time; open('/starts','a').write('x'); print('up', flush=True); time.sleep(1000)")
	for s.ok(t, "logs", "c") != "up" {
	}
	if n, err := s.killNatives(); n != 1 || err != nil {
		t.Fatalf("killed %d, %v", n, err)
	}
	if got := s.ok(t, "wait", "c"); got != "137" {
		t.Errorf("it ended with %s", got)
	}
	state := s.ok(t, "inspect", "-f", "{{.State.Status}} {{.State.ExitCode}} {{.State.Error}}", "c")
	if !strings.HasPrefix(state, "exited 137 ") || len(strings.TrimSpace(state)) == len("exited 137") {
		t.Errorf("its state is %q", state)
	}
	s.ok(t, "start", "c")
	for s.ok(t, "logs", "c") != "up\nup" {
	}
	if got := s.ok(t, "exec", "c", "cat", "/starts"); got != "xx" {
		t.Errorf("its file has %q", got)
	}
	if err := s.signal(syscall.SIGKILL); err != nil { // and while there is no server
		t.Fatal(err)
	}
	if n, err := s.killNatives(); n != 1 || err != nil {
		t.Fatalf("killed %d, %v", n, err)
	}
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	if got := s.ok(t, "inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "c"); got != "exited 137" {
		t.Errorf("its state is %q", got)
	}
	s.leavesNothing(t, id)
}

// TestTwinKilled kills the twin of a promoted container: the program that runs there is lost, the script goes on, and the
// next program has another twin with the same files, but for what was in memory (--tmpfs).
func TestTwinKilled(t *testing.T) {
	s := offloadServer(t, "{}\n")
	id := s.ok(t, "run", "-d", "--name", "c", "--tmpfs", "/t", "python", "bash", "-c", hidden+`echo shell > /f; echo memory > /t/f
$P -c 'import time; print("up", flush=True); open("/f", "a").write("python\n"); time.sleep(1000)'; echo status $?; $P -c 'print(open("/f").read(), end="")'; cat /f; echo /t/*; exit 4`)
	for s.ok(t, "logs", "c") != "up" {
	}
	if n, err := s.killNatives(); n != 1 || err != nil {
		t.Fatalf("killed %d, %v", n, err)
	}
	if got := s.ok(t, "wait", "c"); got != "4" {
		t.Errorf("it ended with %s", got)
	}
	if o := outcomeOf(t, s.docker(t, "logs", "c")); o.stdout != "up\nstatus 125\nshell\npython\nshell\npython\n/t/*\n" || !strings.Contains(o.stderr, "twin ended") {
		t.Errorf("it printed %s", o)
	}
	s.leavesNothing(t, id)
}

// TestPromotedCellKilled kills the cell of a promoted container: the container is dead, with a reason, and its twin goes too.
func TestPromotedCellKilled(t *testing.T) {
	s := offloadServer(t, "{}\n")
	id := s.ok(t, "run", "-d", "--name", "c", "python", "bash", "-c", hidden+`echo shell > /f; $P -c 'import time; print("up", flush=True); time.sleep(1000)'`)
	for s.ok(t, "logs", "c") != "up" {
	}
	pids, err := s.cells()
	if err != nil || len(pids) == 0 {
		t.Fatalf("cells %v, %v", pids, err)
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.ok(t, "wait", "c"); got != "137" {
		t.Errorf("it ended with %s", got)
	}
	state := s.ok(t, "inspect", "-f", "{{.State.Status}} {{.State.ExitCode}} {{.State.Error}}", "c")
	if !strings.HasPrefix(state, "exited 137 ") || len(strings.TrimSpace(state)) == len("exited 137") {
		t.Errorf("its state is %q", state)
	}
	for len(s.running(t)) > 0 { // its end has been told, and is under way
	}
	s.ok(t, "cp", "c:/f", t.TempDir())
	s.leavesNothing(t, id)
}

// running are the native containers that run.
func (s *server) running(t *testing.T) (dirs []string) {
	t.Helper()
	for _, dir := range s.natives() {
		if c, err := native.Find(dir); err == nil {
			dirs = append(dirs, dir)
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	return dirs
}
