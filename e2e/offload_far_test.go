//go:build oracle

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestEngineVolumes has containers on an engine that sees nothing of this machine share volumes and folders with the sandbox.
func TestEngineVolumes(t *testing.T) {
	for name, place := range map[string]string{"native": "offload", "promoted": "auto"} {
		t.Run(name, func(t *testing.T) {
			before := onEngine(t)
			s := engineServer(t, place+", allow-labels: [place]", "same-machine: false")
			farVolumes(t, s)
			if place == "auto" {
				farTwins(t, s)
			}
			s.leavesNothingThere(t, before)
		})
	}
}

// near runs a script in the sandbox, with the folder and the volume at /f and /v.
func (s *server) near(t *testing.T, folder, script string) string {
	t.Helper()
	return s.ok(t, "run", "--rm", "--label", "sockerless.place=sandbox", "-v", "vol:/v", "-v", folder+":/f", "python", "sh", "-c", script)
}

func farVolumes(t *testing.T, s *server) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "here"), []byte("from here\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	s.near(t, folder, "mkdir /v/d; echo sandbox > /v/d/x; chmod 600 /v/d/x; chown 7:8 /v/d/x; ln -s x /v/d/link; echo gone > /v/old")
	const program = `
import os
print(open("/v/d/x").read(), open("/f/here").read(), os.readlink("/v/d/link"), oct(os.stat("/v/d/x").st_mode), os.stat("/v/d/x").st_uid, os.stat("/v/d/x").st_gid)
os.remove("/v/old"); os.makedirs("/v/new/deep"); open("/v/new/deep/y", "w").write("native\n"); os.chmod("/v/new/deep/y", 0o755)
os.chown("/v/new/deep/y", 11, 12); open("/f/there", "w").write("from there\n"); open("/v/d/x", "a").write("more\n"); os.chown("/v", 3, 4)
`
	got := s.ok(t, "run", "--rm", "-v", "vol:/v", "-v", folder+":/f", "python", "python3", "-c", program)
	if want := "sandbox\n from here\n x 0o100600 7 8"; got != want {
		t.Errorf("there: %q, want %q", got, want)
	}
	got = s.near(t, folder, "cat /v/d/x /v/new/deep/y /f/there; stat -c '%a %u %g' /v/new/deep/y /v/d/x; stat -c '%u %g' /v; ls /v")
	if want := "sandbox\nmore\nnative\nfrom there\n755 11 12\n600 7 8\n3 4\nd\nnew"; got != want {
		t.Errorf("here again: %q, want %q", got, want)
	}
	if text, err := os.ReadFile(filepath.Join(folder, "there")); err != nil || string(text) != "from there\n" {
		t.Errorf("the folder: %q, %v", text, err)
	}
	s.ok(t, "run", "-d", "--name", "c", "-v", "vol:/v", "-v", folder+":/f:ro", "-v", "/anonymous", "python", "python3", "-c", `
import time
print("up", flush=True)
time.sleep(100000)`)
	for s.ok(t, "logs", "c") != "up" {
	}
	s.near(t, folder, "echo later > /v/later; rm -r /v/new; echo changed > /f/here")
	got = s.ok(t, "exec", "c", "python3", "-c", `
import os
print(sorted(os.listdir("/v")), open("/v/later").read(), open("/f/here").read())
try: open("/f/no", "w")
except OSError as e: print(e.strerror)
open("/v/exec", "w").write("exec\n"); open("/anonymous/a", "w").write("a\n")`)
	if want := "['d', 'later'] later\n changed\n\nRead-only file system"; got != want {
		t.Errorf("exec: %q, want %q", got, want)
	}
	if got := s.near(t, folder, "cat /v/exec; ls /f"); got != "exec\nhere\nthere" {
		t.Errorf("after the exec: %q", got)
	}
	got = outcomeOf(t, s.docker(t, "exec", "c", "python3", "-c", `
import subprocess
open("/v/both", "w").write("there\n"); print("written", flush=True)
input()`)).stdout
	if !strings.Contains(got, "written") {
		t.Errorf("exec: %q", got)
	}
	s.ok(t, "restart", "-t", "0", "c")
	if got := s.ok(t, "exec", "c", "python3", "-c", `print(open("/anonymous/a").read() + open("/v/both").read())`); got != "a\nthere\n" {
		t.Errorf("after a restart: %q", got)
	}
	anonymous := s.ok(t, "inspect", "-f", `{{range .Mounts}}{{if eq .Destination "/anonymous"}}{{.Source}}{{end}}{{end}}`, "c")
	if text, err := os.ReadFile(filepath.Join(anonymous, "a")); err != nil || string(text) != "a\n" {
		t.Errorf("the anonymous volume: %q, %v", text, err)
	}
	s.ok(t, "exec", "-d", "c", "python3", "-c", `open("/v/last", "w").write("last\n"); import time; time.sleep(100000)`)
	for !strings.Contains(s.ok(t, "exec", "c", "python3", "-c", `import os; print(os.path.exists("/v/last"))`), "True") {
	}
	s.ok(t, "rm", "-f", "c")
	if got := s.near(t, folder, "cat /v/last"); got != "last" {
		t.Errorf("after the end: %q", got)
	}
}

// farTwins has scripts of the sandbox and native programs, in their twin, share a volume and a folder.
func farTwins(t *testing.T, s *server) {
	folder := t.TempDir()
	got := outcomeOf(t, s.docker(t, "run", "--rm", "-v", "twins:/v", "-v", folder+":/f", "python", "bash", "-c", hidden+`echo shell > /v/a; mkdir /f/d
$P -c 'import os; print(open("/v/a").read(), os.listdir("/f")); open("/f/d/b", "w").write("native\n"); os.remove("/v/a"); os.symlink("b", "/f/d/link")'
cat /f/d/link; ls /v; echo again > /f/d/b; $P -c 'print(open("/f/d/b").read())'`))
	if want := (outcome{stdout: "shell\n ['d']\nnative\nagain\n\n"}); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	got = outcomeOf(t, s.docker(t, "run", "--rm", "-v", "twins:/v", "python", "bash", "-c", hidden+`echo old > /v/f; mkfifo q r
$P -c 'open("/v/f", "w").write("native\n"); print("up", flush=True); input()' < r > q & exec 4> r; read x < q
echo shell > /v/f; echo go >&4; wait; cat /v/f`))
	want := outcome{stdout: "native\n", stderr: "sockerless: /v/f was changed by python3.11 and in the sandbox at once: the one of python3.11 is kept\n"}
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	s.ok(t, "run", "-d", "--name", "k", "-v", "twins:/v", "python", "bash", "-c", hidden+`$P -c 'open("/v/killed", "w").write("yes"); print("up", flush=True); import time; time.sleep(100000)'`)
	for s.ok(t, "logs", "k") != "up" {
	}
	s.ok(t, "rm", "-f", "k")
	if got := s.near(t, folder, "true; cat /f/d/b"); got != "again" {
		t.Errorf("the folder has %q", got)
	}
	if got := s.ok(t, "run", "--rm", "--label", "sockerless.place=sandbox", "-v", "twins:/v", "python", "cat", "/v/killed"); got != "yes" {
		t.Errorf("what a killed program has written is %q", got)
	}
}

// TestEngineVolumeLimits has what cannot travel refused, and said.
func TestEngineVolumeLimits(t *testing.T) {
	before := onEngine(t)
	s := engineServer(t, "offload", "same-machine: false, volumes: 1MiB")
	folder := t.TempDir()
	file := filepath.Join(folder, "file")
	if err := os.WriteFile(file, make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	s.fails(t, 1, []string{"cannot be mounted at /v", "it is no folder"}, "create", "-v", file+":/v", "python", "true")
	s.fails(t, 125, []string{folder, "it has 2MiB, and 1MiB is the most that is sent there"}, "run", "--rm", "-v", folder+":/v", "python", "true")
	s.leavesNothingThere(t, before)
}

// TestEngineVolumesOfAKilledServer kills a server while a container has changed its volume elsewhere: the next one brings it here.
func TestEngineVolumesOfAKilledServer(t *testing.T) {
	before := onEngine(t)
	s := engineServer(t, "offload, allow-labels: [place]", "same-machine: false")
	s.ok(t, "run", "-d", "--name", "c", "-v", "vol:/v", "python", "python3", "-c", `
open("/v/first", "w").write("1"); print("up", flush=True)
import os, time
while not os.path.exists("/v/go"): time.sleep(0.01)
os.remove("/v/first"); open("/v/second", "w").write("2")`)
	for s.ok(t, "logs", "c") != "up" {
	}
	if err := s.signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	s.near(t, t.TempDir(), "touch /v/go")
	outcomeOf(t, s.docker(t, "exec", "c", "true")) // takes the file there; the container may end before the exec begins
	if code := s.ok(t, "wait", "c"); code != "0" {
		t.Errorf("it ended with %s", code)
	}
	if got := s.near(t, t.TempDir(), "ls /v"); got != "go\nsecond" {
		t.Errorf("the volume has %q", got)
	}
	s.leavesNothingThere(t, before)
}
