package e2e

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/sockerless/sockerless/offload/native"
)

// offloading is the policy of those tests in which whole containers run natively on this machine.
const offloading = "offload: {default: {place: offload, backends: [local]}}\n"

// offloadServer starts a server with a configuration file and the image "python", under the name python.
func offloadServer(t *testing.T, config string) *server {
	t.Helper()
	file := filepath.Join(t.TempDir(), "sockerless.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	s := runningServer(t, "--config", file)
	s.ok(t, "pull", "-q", registryHost+"/python")
	s.ok(t, "tag", registryHost+"/python", "python")
	return s
}

// natives are the folders of native containers.
func (s *server) natives() []string {
	dirs, _ := filepath.Glob(filepath.Join(s.data(), "containers", "*", "native")) // the pattern is well formed
	return dirs
}

// killNatives kills process 1 of each native container of the server, and waits for its end; it returns how many there were.
func (s *server) killNatives() (killed int, err error) {
	for _, dir := range s.natives() {
		c, findErr := native.Find(dir)
		if errdefs.IsNotFound(findErr) {
			continue
		}
		if findErr != nil {
			err = errors.Join(err, findErr)
			continue
		}
		killed++
		err = errors.Join(err, c.Kill(), c.Wait(context.Background()), c.Close())
	}
	return killed, err
}

// removeNatives ends the native containers and removes what the machine has of them.
func (s *server) removeNatives() error {
	_, err := s.killNatives()
	for _, dir := range s.natives() {
		if removeErr := native.Remove(context.Background(), dir); !errdefs.IsNotFound(removeErr) {
			err = errors.Join(err, removeErr)
		}
	}
	return err
}

// leavesNothing removes all containers and wants nothing of them to be left on the machine: no process, mount, cgroup, file
// or socket. ids are containers that were there at some time.
func (s *server) leavesNothing(t *testing.T, ids ...string) {
	t.Helper()
	if all := strings.Fields(s.ok(t, "ps", "-aq", "--no-trunc")); len(all) > 0 {
		ids = append(ids, all...)
		s.ok(t, append([]string{"rm", "-fv"}, all...)...)
	}
	// What runs as somebody else's first process, or in a removed folder, shows in how it was called.
	processes, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range processes {
		command, err := os.ReadFile(p)
		for _, id := range ids {
			if err == nil && strings.Contains(string(command), id) {
				t.Errorf("process of container %s is left: %q", id, command)
			}
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(mounts), s.dir) {
		t.Errorf("mounts are left:\n%s", mounts)
	}
	for _, id := range ids {
		for _, left := range s.under(t, "/sys/fs/cgroup", id[:12]) {
			t.Errorf("a cgroup is left: %s", left)
		}
	}
	if left := s.files(t, "containers"); len(left) > 0 {
		t.Errorf("files of containers are left: %v", left)
	}
	for _, left := range s.under(t, s.dir, "n-") {
		if !strings.HasPrefix(left, s.data()) {
			t.Errorf("a link to a socket is left: %s", left)
		}
	}
	for _, left := range s.under(t, s.data(), "agent.sock") {
		t.Errorf("a socket is left: %s", left)
	}
}

// under are the files under a folder whose name contains a text.
func (s *server) under(t *testing.T, folder, text string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if path == filepath.Join(s.data(), "unpacked") {
			return fs.SkipDir
		}
		if err == nil && strings.Contains(d.Name(), text) {
			names = append(names, path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestNative runs native programs as a whole container: placed so by the policy, and by what its command is.
func TestNative(t *testing.T) {
	for name, config := range map[string]string{"auto": "{}\n", "offload": offloading} {
		t.Run(name, func(t *testing.T) {
			s := offloadServer(t, config)
			natively(t, s, name)
			s.leavesNothing(t)
		})
	}
}

// natively runs native programs of a server, whose policy has that place, as whole containers.
func natively(t *testing.T, s *server, place string) {
	volume := t.TempDir()
	capAdd := ""
	if place == "auto" { // nobody knows the place before the start
		capAdd = "WARNING: CapAdd has no effect in the sandbox, only on native programs.\n"
	}
	for _, c := range []struct {
		name, stdin    string
		options        []string
		program        string // for python3 -c
		stdout, stderr string
		code           int
	}{
		{name: "output", program: "print(6*7)", stdout: "42\n"},
		{name: "status", program: "import sys; sys.exit(7)", code: 7},
		{name: "killed", program: "import subprocess, sys; sys.exit(128 - subprocess.call(['sh', '-c', 'kill -9 $$']))", code: 137},
		{name: "two streams", program: "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)", stdout: "out\n", stderr: "err\n", code: 3},
		{name: "exception", program: "raise SystemExit('sorry')", stderr: "sorry\n", code: 1},
		{name: "no input", program: "import sys; print(repr(sys.stdin.read()))", stdout: "''\n"},
		{name: "input", stdin: "one\ntwo\n", options: []string{"-i"}, program: "import sys; print([l for l in sys.stdin])", stdout: "['one\\n', 'two\\n']\n"},
		{name: "input not read", stdin: strings.Repeat("x\n", 100000), options: []string{"-i"}, program: "print(1)", stdout: "1\n"},
		{name: "much", stdin: strings.Repeat("line of text\n", 200000), options: []string{"-i"}, program: "import sys; print(sum(len(l) for l in sys.stdin))", stdout: "2600000\n"},
		{name: "environment", options: []string{"-e", "A=b c", "-e", "E="}, program: "import os; print(repr(os.environ['A']), repr(os.environ['E']), os.environ['HOME'], os.environ['PATH'])",
			stdout: "'b c' '' /root /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"},
		{name: "user", options: []string{"-u", "nobody"}, program: "import os; print(os.getuid(), os.getgid(), os.getgroups())", stdout: "65534 65534 [65534]\n"},
		{name: "numbers of a user", options: []string{"-u", "1234:5678", "--group-add", "99"}, program: "import os; print(os.getuid(), os.getgid(), sorted(os.getgroups()))", stdout: "1234 5678 [99, 5678]\n"},
		{name: "working folder", options: []string{"-w", "/made/by/docker"}, program: "import os; print(os.getcwd())", stdout: "/made/by/docker\n"},
		{name: "host name", options: []string{"--hostname", "box"}, program: "import socket; print(socket.gethostname(), open('/etc/hostname').read().strip())", stdout: "box box\n"},
		{name: "tmpfs", options: []string{"--tmpfs", "/t:size=1m"}, program: "import os; open('/t/x','w').write('x'); s = os.statvfs('/t'); print(s.f_blocks * s.f_frsize)", stdout: "1048576\n"},
		{name: "read only", options: []string{"--read-only", "--tmpfs", "/t"}, program: "open('/t/x','w')\ntry: open('/x','w')\nexcept OSError as e: print(e)", stdout: "[Errno 30] Read-only file system: '/x'\n"},
		{name: "folder", options: []string{"-v", volume + ":/v"}, program: "open('/v/f','w').write('x'); import os; print(os.listdir('/v'))", stdout: "['f']\n"},
		{name: "folder to be read", options: []string{"-v", volume + ":/v:ro"}, program: "print(open('/v/f').read())\ntry: open('/v/g','w')\nexcept OSError as e: print(e)", stdout: "x\n[Errno 30] Read-only file system: '/v/g'\n"},
		{name: "volume", options: []string{"-v", "vol:/var/lib/dpkg"}, program: "import os; print('info' in os.listdir('/var/lib/dpkg') or os.listdir('/var/lib/dpkg'))", stdout: "[]\n"},
		{name: "network", program: "import socket; print(socket.gethostbyname(socket.gethostname()) == socket.gethostbyname(socket.getfqdn()))", stdout: "True\n"},
		{name: "init", options: []string{"--init"}, program: "import os; print(os.path.exists('/proc/1'))", stdout: "True\n"},
		{name: "umask", program: "import os; print(oct(os.umask(0)))", stdout: "0o22\n"},
		{name: "process", program: "import os; print(sorted(int(p) for p in os.listdir('/proc') if p.isdigit())[-1] == os.getpid())", stdout: "True\n"},
		{name: "no capability", options: []string{"--cap-drop", "ALL"}, program: "import os\ntry: os.chown('/etc/passwd', 1, 1)\nexcept OSError as e: print(e.strerror)", stdout: "Operation not permitted\n"},
		{name: "no capability of a user", options: []string{"--cap-drop", "ALL", "-u", "1234"}, program: "import os; print(os.getuid(), [l.split()[1] for l in open('/proc/self/status') if l.startswith('CapBnd')])",
			stdout: "1234 ['0000000000000000']\n"},
		{name: "capabilities", options: []string{"--cap-drop", "ALL", "--cap-add", "KILL"}, program: "print([l.split()[1] for l in open('/proc/self/status') if l.startswith('Cap')])",
			stdout: "['0000000000000000', '0000000000000020', '0000000000000020', '0000000000000020', '0000000000000000']\n", stderr: capAdd},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := s.docker(t, slices.Concat([]string{"run", "--rm"}, c.options, []string{"python", "python3", "-c", c.program})...)
			cmd.Stdin = strings.NewReader(c.stdin)
			if got, want := outcomeOf(t, cmd), (outcome{c.stdout, c.stderr, c.code}); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
	s.fails(t, 127, []string{"nosuch"}, "run", "--rm", "python", "nosuch")
	s.fails(t, 126, []string{"permission denied"}, "run", "--rm", "python", "/etc/passwd")
	s.fails(t, 125, []string{"unable to find user nosuch"}, "run", "--rm", "-u", "nosuch", "python", "python3")
}

func TestNativeLife(t *testing.T) {
	s := offloadServer(t, "{}\n")
	s.leavesNothing(t, nativeLife(t, s))
}

// nativeLife is the life of a native container: logs, exec, top, cp, diff, pause, stop, restart, and its end.
func nativeLife(t *testing.T, s *server) (id string) {
	const program = `
import signal, sys, time
def end(*_):
    print("caught", flush=True); sys.exit(5)
signal.signal(signal.SIGTERM, end)
open("/starts", "a").write("x")
for i in range(5):
    print("line", i, flush=True); time.sleep(0.01)
while True: time.sleep(1000)
`
	id = s.ok(t, "run", "-d", "--name", "c", "-e", "A=b", "-v", "vol:/v", "-w", "/opt", "python", "python3", "-c", program)
	lines := "line 0\nline 1\nline 2\nline 3\nline 4"
	for s.ok(t, "logs", "c") != lines {
	}
	if got := s.ok(t, "logs", "--tail", "2", "c"); got != "line 3\nline 4" {
		t.Errorf("the last two lines are %q", got)
	}
	stamp, _, _ := strings.Cut(s.ok(t, "logs", "-t", "--tail", "1", "c"), " ")
	if got := s.ok(t, "logs", "--since", stamp, "c"); got != "line 4" {
		t.Errorf("since the last line there is %q", got)
	}
	if got := s.ok(t, "exec", "c", "python3", "-c", "import os; print(os.environ['A'], open('/starts').read())"); got != "b x" {
		t.Errorf("exec: %q", got)
	}
	if got := s.ok(t, "exec", "-w", "/v", "-u", "1:1", "-e", "A=c", "c", "sh", "-c", "echo $A $(pwd) $(id -u)"); got != "c /v 1" {
		t.Errorf("exec of a shell: %q", got)
	}
	s.fails(t, 3, nil, "exec", "c", "python3", "-c", "raise SystemExit(3)")
	s.fails(t, 127, []string{"nosuch"}, "exec", "c", "nosuch")
	x := s.open(t, "exec", "-it", "c", "python3", "-q")
	x.expect(">>> ")
	x.run("import os; os.get_terminal_size()", "columns=80, lines=24")
	x.expect(">>> ")
	x.send(ctrlD)
	x.ends(0)
	if top := s.ok(t, "top", "c"); !strings.Contains(top, "python3 -c") {
		t.Errorf("top: %s", top)
	}
	local := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(local, []byte("from outside"), 0o640); err != nil {
		t.Fatal(err)
	}
	s.ok(t, "cp", local, "c:/opt/in")
	if got := s.ok(t, "exec", "c", "python3", "-c", "import os; print(open('/opt/in').read(), oct(os.stat('/opt/in').st_mode))"); got != "from outside 0o100640" {
		t.Errorf("what was copied in: %q", got)
	}
	s.ok(t, "exec", "c", "python3", "-c", "open('/opt/out','w').write('from inside')")
	s.ok(t, "cp", "c:/opt/out", local)
	if got, err := os.ReadFile(local); err != nil || string(got) != "from inside" {
		t.Errorf("what was copied out: %q, %v", got, err)
	}
	s.ok(t, "exec", "c", "rm", "/etc/debian_version")
	diff := strings.Split(s.ok(t, "diff", "c"), "\n")
	slices.Sort(diff)
	for _, want := range []string{"A /starts", "A /opt/in", "A /opt/out", "A /opt", "C /etc", "D /etc/debian_version"} {
		if !slices.Contains(diff, want) {
			t.Errorf("diff has no %q: %q", want, diff)
		}
	}
	if strings.Contains(strings.Join(diff, "\n"), "sockerless") {
		t.Errorf("diff shows what is ours: %q", diff)
	}
	s.ok(t, "pause", "c")
	s.fails(t, 1, []string{"is paused"}, "exec", "c", "true")
	s.ok(t, "unpause", "c")
	s.ok(t, "stop", "c")
	if got := s.ok(t, "inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "c"); got != "exited 5" {
		t.Errorf("after stop: %s", got)
	}
	s.ok(t, "cp", "c:/starts", local)
	s.ok(t, "cp", local, "c:/opt/stopped")
	s.ok(t, "start", "c")
	for strings.Count(s.ok(t, "logs", "c"), "line 4") != 2 {
	}
	if got := s.ok(t, "exec", "c", "cat", "/starts", "/opt/in", "/opt/stopped"); got != "xxfrom outsidex" {
		t.Errorf("after a restart: %q", got)
	}
	s.ok(t, "restart", "c")
	for strings.Count(s.ok(t, "logs", "c"), "line 4") != 3 {
	}
	s.ok(t, "kill", "c")
	if got := s.ok(t, "wait", "c"); got != "137" {
		t.Errorf("after kill: %s", got)
	}
	return id
}

func TestNativeTerminal(t *testing.T) {
	s := offloadServer(t, "{}\n")
	nativeTerminal(t, s)
	s.leavesNothing(t)
}

// nativeTerminal is a person at a native program.
func nativeTerminal(t *testing.T, s *server) {
	x := s.open(t, "run", "-it", "--rm", "python", "python3", "-q")
	x.expect(">>> ")
	x.run("import os, sys; print(sys.stdin.isatty(), os.get_terminal_size())", "True os.terminal_size(columns=80, lines=24)")
	x.expect(">>> ")
	x.send("import time; print('sle' + 'eps', flush=True); time.sleep(1000)\r")
	x.expect("sleeps\r\n")
	x.send(ctrlC)
	x.expect("KeyboardInterrupt")
	x.expect(">>> ")
	x.send("exit(9)\r")
	x.ends(9)
}

func TestRedis(t *testing.T) {
	s := offloadServer(t, "{}\n")
	s.leavesNothing(t, redis(t, s))
}

// redis runs a service, its client in the container, and its end.
func redis(t *testing.T, s *server) (id string) {
	id = s.ok(t, "run", "-d", "--name", "db", "-w", "/tmp", registryHost+"/redis", "redis-server", "--save", "")
	for !strings.Contains(s.ok(t, "logs", "db"), "Ready to accept connections") {
	}
	s.ok(t, "exec", "db", "redis-cli", "set", "key", "value")
	if got := s.ok(t, "exec", "db", "redis-cli", "get", "key"); got != "value" {
		t.Errorf("redis has %q", got)
	}
	s.ok(t, "stop", "db")
	if got := s.ok(t, "inspect", "-f", "{{.State.ExitCode}}", "db"); got != "0" {
		t.Errorf("redis ended with %s:\n%s", got, s.ok(t, "logs", "db"))
	}
	return id
}

// TestScriptsLocal runs what a real dockerd passes with every container native: what is wanted is the same.
func TestScriptsLocal(t *testing.T) {
	for _, script := range sameScripts {
		t.Run(script, func(t *testing.T) {
			s := offloadServer(t, offloading)
			s.ok(t, "pull", "-q", registryHost+"/debian")
			s.ok(t, "tag", registryHost+"/debian", "sockerless/base")
			runScript(t, s.host(), script)
			s.leavesNothing(t)
		})
	}
}
