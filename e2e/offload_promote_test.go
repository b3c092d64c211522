package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// hidden is how a script names python3 so that nobody sees it before it runs: the sandbox begins, and the container is promoted.
const hidden = "P=$(echo clguba3 | tr a-z n-za-m); "

// promotions counts the containers that the server says it has promoted.
func (s *server) promotions(t *testing.T) int {
	t.Helper()
	log, err := os.ReadFile(s.log.Name())
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(log), "promoted a container")
}

// TestPromotion runs scripts whose native programs nobody foresees, in a sandbox that is promoted on the way, and compares
// what comes out with the same script under the machine's own bash and python3.
func TestPromotion(t *testing.T) {
	s := offloadServer(t, "{}\n")
	promotion(t, s, true)
	s.leavesNothing(t)
}

// promotion is TestPromotion with a server's backends. shared is whether both sides see each other's files while both run.
func promotion(t *testing.T, s *server, shared bool) {
	for _, c := range []struct {
		name, script, stdin string
		shared              bool // needed
	}{
		{name: "pipeline", script: `seq 100000 | $P -c 'import sys
for l in sys.stdin: print(int(l) * 2)' | sort -n | head -3 > out; cat out; echo "${PIPESTATUS[@]}"`},
		{name: "loop over a file", script: `seq 4 > file; while read x; do $P -c "print($x * 10)"; done < file`},
		{name: "loop over a pipe", script: `seq 4 | while read x; do $P -c "print($x * 10)"; done`},
		{name: "loop over the input", script: `while read x; do $P -c "print($x * 10)"; done`, stdin: "1\n2\n3\n"},
		{name: "loop that is read inside", script: `seq 4 > file; while read x; do echo "shell $x"; $P -c 'import os
print("python", os.read(0, 2))'; done < file`},
		{name: "the rest of a pipe", script: `seq 1000 | { read a; $P -c 'import os; print(os.read(0, 2))'; read b; echo "$a $b"; cat | wc -l; }`},
		{name: "append", script: `echo one >> f; $P -c 'print("two")' >> f; echo three >> f; $P -c 'open("f", "a").write("four\n")'; cat f`},
		{name: "truncate", script: `echo long text > f; $P -c 'print("short")' > f; cat f; echo s > f; $P -c 'print(open("f").read())'; $P -c 'open("f","w").write("x")'; wc -c < f`},
		{name: "one open file", script: `exec 3> f; echo one >&3; $P -c 'print("two")' >&3; echo three >&3; $P -c 'import sys; sys.stdout.write("four\n")' >&3; exec 3>&-; cat f`},
		{name: "one open file for reading", script: `seq 6 > f; exec 3< f; read a <&3; $P -c 'import os; os.read(0, 4)' <&3; read b <&3; echo $a $b`},
		{name: "read and write", script: `echo abcdef > f; exec 4<> f; $P -c 'import os; os.write(1, b"XY")' >&4; echo -n Z >&4; cat f`},
		{name: "errexit", script: `set -e; $P -c 'print(1)'; $P -c 'raise SystemExit(3)'; echo not reached`},
		{name: "pipefail", script: `set -o pipefail; $P -c 'raise SystemExit(4)' | cat; echo $?; if $P -c 'raise SystemExit(1)'; then echo yes; else echo no; fi`},
		{name: "exit codes", script: `$P -c 'pass'; echo $?; $P -c 'raise SystemExit(7)'; echo $?; $P -c 'import os; os.kill(os.getpid(), 9)'; echo $?; $P -c 'import os; os._exit(255)'; echo $?`},
		{name: "exit trap", script: `trap 'echo trap $?' EXIT; $P -c 'raise SystemExit(5)'`},
		{name: "exec", script: `exec $P -c 'import sys; print(sys.argv); sys.exit(6)' a 'b c'`},
		{name: "background", script: `$P -c 'import time; time.sleep(0.05); raise SystemExit(3)' & p=$!; echo first; wait $p; echo $?; $P -c 'print(1)' & $P -c 'pass' & wait; echo all`},
		{name: "killed in the background", shared: true, script: `$P -c 'import time; open("up","w"); time.sleep(1000)' & p=$!; until [ -e up ]; do sleep 0.01; done; kill $p; wait $p; echo $?`},
		{name: "killed from a pipeline", script: `mkfifo q; $P -c 'import time; print("up", flush=True); time.sleep(1000)' > q & p=$!; read x < q; kill $p; wait $p; echo $x $?`},
		{name: "terminated while it sleeps", shared: true, script: `trap 'echo caught' TERM; (until [ -e up ]; do sleep 0.01; done; kill $$) & $P -c 'import time, signal; signal.signal(15, signal.SIG_DFL); open("up","w"); time.sleep(0.3)'; echo $?`},
		{name: "substitution", script: `a=$($P -c 'print("x" * 3)'); echo "[$a]"; echo "$(echo in | $P -c 'print(input())') $(< <($P -c 'print(2)'))"; cat <($P -c 'print("sub")')`},
		{name: "order of both streams", script: `for i in 1 2 3; do $P -c 'import sys; print("out", flush=True); print("err", file=sys.stderr, flush=True); print("out again")' 2>&1; echo shell; done`},
		{name: "errors", script: `$P -c 'import sys; print("err", file=sys.stderr)'; $P -c 'import sys; print("gone", file=sys.stderr)' 2>/dev/null; $P -c 'print(1)' >/dev/null; echo done >&2`},
		{name: "here", script: `x=value; $P - arg <<END
import sys
print("$x", sys.argv)
END
$P -c 'print(input())' <<< "string $x"; $P <<'END'
print("$x")
END`},
		{name: "nobody reads any more", script: `yes | $P -c 'import sys
n = 0
for l in sys.stdin:
    n += 1
    if n == 1000: break
print(n)'; echo "${PIPESTATUS[@]}"
$P -c 'import signal; signal.signal(13, signal.SIG_DFL)
while True: print("y" * 100)' | head -2 | wc -c; echo "${PIPESTATUS[@]}"
$P -c 'import os
try:
    while True: os.write(1, b"y" * 4096)
except BrokenPipeError: os._exit(9)' | head -c 1 | wc -c; echo "${PIPESTATUS[@]}"`},
		{name: "closed output", script: `$P -c 'print(1)' >&- 2>&-; echo $?`},
		{name: "folder and mask", script: `mkdir -p a/b; cd a/b; umask 027; $P -c 'import os; print(os.path.basename(os.getcwd())); open("f","w"); os.mkdir("d")'; stat -c '%a %n' *; cd ..; $P -c 'import os; print(os.listdir("."))'`},
		{name: "environment", script: `export A=1 B='two words'; C=3; D=4 $P -c 'import os; print([os.environ.get(n) for n in "ABCDE"])'; unset A; $P -c 'import os; print(os.environ.get("A"))'; env -i X=y $(command -v $P) -c 'import os; print(os.environ["X"])'; echo ${D:-unset}`},
		{name: "arguments", script: `$P -c 'import sys; print(sys.argv[1:])' '' "a'b" $'new\nline' '*' "$(printf 'x%.0s' {1..5})"`},
		{name: "ignored signals", script: `trap '' INT; $P -c 'import signal; print(signal.getsignal(signal.SIGINT) == signal.SIG_IGN)'; trap - INT; $P -c 'import signal; print(signal.getsignal(signal.SIGINT) == signal.SIG_IGN)'`},
		{name: "both sides make a tree", script: `mkdir t; for i in $(seq 20); do $P -c "for j in range(250): open(f't/n-$i-{j}', 'w').write(str(j * $i))"; for j in $(seq 0 9); do cp t/n-$i-$j t/s-$i-$j; done; rm t/n-$i-249; done
find t -type f | sort | xargs sha256sum | sha256sum
$P -c 'import hashlib, os
lines = [hashlib.sha256(open(os.path.join("t", n), "rb").read()).hexdigest() + "  t/" + n + "\n" for n in sorted(os.listdir("t"))]
print(len(lines), hashlib.sha256("".join(lines).encode()).hexdigest())'`},
		{name: "links and modes", script: `echo x > f; ln -s f l; ln f h; chmod 640 f; $P -c 'import os; print(os.readlink("l"), os.stat("h").st_nlink, oct(os.stat("l").st_mode)); os.rename("f", "g"); os.symlink("g", "m"); os.chmod("g", 0o4755)'; cat h; readlink m; stat -c '%a %h' g; [ -e f ] || echo gone; touch -d @86400 g; $P -c 'import os; print(os.stat("h").st_mtime)'`},
		{name: "a script of the shell in python", script: `echo 'echo from sh $1; exit 4' > s.sh; $P -c 'import subprocess; print(subprocess.run(["sh", "s.sh", "arg"]).returncode)'`},
		{name: "a program with a first line", script: `printf '#!/usr/bin/env python3\nimport sys\nprint("script", sys.argv[1])\n' > prog; chmod +x prog; ./prog x; ./prog y | cat; ls prog`},
		{name: "found by others", script: `printf '1\n2\n' | xargs -n 1 $P -c 'import sys; print("arg", sys.argv[1])'; touch z; find . -name z -exec $P -c 'import sys; print(sys.argv[1])' {} \;; timeout 5 $P -c 'print("in time")'; timeout 0.2 $P -c 'import time; time.sleep(1000)'; echo $?; env $P -c 'print("by env")'`},
		{name: "subshells", script: `(cd /; $P -c 'import os; print(os.getcwd())'; exit 3); echo $?; { $P -c 'print(1)'; $P -c 'print(2)'; } | tac; f() { $P -c "print('$1')"; return 2; }; f x; echo $?`},
		{name: "a pipeline to a file", script: `seq 100000 | $P -c 'import sys
for l in sys.stdin: print(l.strip()[::-1])' | sort | head > out; cat out`},
		{name: "a trap while it runs", shared: true, script: `trap 'echo caught; kill $p' USR1; $P -c 'import time; open("up","w"); time.sleep(1000)' & p=$!; (until [ -e up ]; do sleep 0.01; done; kill -USR1 $$) & wait $p; wait $p; echo $?`},
		{name: "a signal that waits for its end", shared: true, script: `trap 'echo caught; trap - TERM' TERM; (until [ -e up ]; do sleep 0.01; done; kill $$; : > go) & $P -c 'import os, time
open("up","w")
while not os.path.exists("go"): time.sleep(0.01)
print("ends")'; echo $?; wait`},
		{name: "errexit with traps", script: `set -eE; trap 'echo err $?' ERR; trap 'echo exit $?' EXIT; f() { $P -c 'raise SystemExit(3)'; echo not reached; }; $P -c 'raise SystemExit(2)' || echo or $?; ! $P -c 1; if f; then echo yes; fi; f; echo not reached`},
		{name: "errexit in a substitution", script: `set -e; x=$($P -c 'print("out"); raise SystemExit(4)') || echo "$x $?"; y=$($P -c 'raise SystemExit(5)'); echo not reached`},
		{name: "pipefail and errexit", script: `set -eo pipefail; seq 3 | $P -c 'print(len(input()))' | cat; $P -c 'print(1); raise SystemExit(4)' | cat; echo not reached`},
		{name: "lastpipe", script: `shopt -s lastpipe; $P -c 'print(1); print(2)' | while read x; do n=$((n + x)); done; echo $n; $P -c 'print("m")' | mapfile -t a; echo "${a[@]}"`},
		{name: "jobs", script: `for i in 3 1 2; do $P -c "import time; time.sleep($i / 20); raise SystemExit($i)" & p[i]=$!; done; for i in 1 2 3; do wait ${p[i]}; echo status $?; done; $P -c 'raise SystemExit(6)' & wait -n; echo $?; jobs; echo none`},
		{name: "coprocess", script: `coproc $P -uc 'import sys
for l in sys.stdin: print("co", l.strip())'; echo one >&${COPROC[1]}; read x <&${COPROC[0]}; echo "$x"; exec {COPROC[1]}>&-; wait; echo $?`},
		{name: "closed input", script: `$P -c 'import os
try: os.read(0, 1)
except OSError as e: print(e)' <&-; echo x | { $P -c 'import sys; print(sys.stdin)' <&-; cat; }`},
		{name: "closed errors", script: `$P -c 'import os
try: os.write(2, b"x")
except OSError as e: print(e)' 2>&-; echo $?`},
		{name: "closed output is seen", script: `$P -c 'import os
try: os.write(1, b"x")
except OSError as e: os.write(2, str(e).encode() + b"\n")' >&-; echo $?`},
		{name: "swapped descriptors", script: `$P -c 'import sys; print("out"); print("err", file=sys.stderr)' 3>&1 1>&2 2>&3 3>&-; { $P -c 'import sys; print("a"); print("b", file=sys.stderr)' 2>&1 >&3 | sed 's/^/piped /'; } 3>&1`},
		{name: "to and from one file", script: `seq 5 > f; $P -c 'import sys; d = sys.stdin.read(); sys.stdout.write(d.upper() + "x\n")' < f 1<> f; cat f; $P -c 'print("all")' &> g; cat g; $P -c 'import sys; print("e", file=sys.stderr)' 2>> g; cat g`},
		{name: "here-document in a loop", script: `for i in 1 2; do $P <<-END
	print($i, "$(echo sub)")
	END
done; cat <<END
$($P -c 'print("in here")')
END`},
		{name: "large output", script: `$P -c 'import sys
for i in range(200000): print(i)' | sha256sum; $P -c 'print("x" * 3000000)' | wc -c; head -c 3000000 /dev/zero | $P -c 'import sys; print(len(sys.stdin.buffer.read()))'`},
	} {
		if c.shared && !shared {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			mine := s.docker(t, "run", "--rm", "-i", "-w", "/work", "-e", "LC_ALL=C", "python", "bash", "-c", hidden+c.script)
			real := exec.Command("bash", "-c", hidden+c.script)
			real.Dir, real.Env = t.TempDir(), append(os.Environ(), "LC_ALL=C")
			before := s.promotions(t)
			mine.Stdin, real.Stdin = strings.NewReader(c.stdin), strings.NewReader(c.stdin)
			got, want := outcomeOf(t, mine), outcomeOf(t, real)
			if s.promotions(t) == before {
				t.Error("the container was not promoted")
			}
			// The shells of both name themselves in their own way where a job is killed.
			got.stderr, want.stderr = withoutJobs(got.stderr), withoutJobs(want.stderr)
			if got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

// withoutJobs removes what a shell says of a job that was killed.
func withoutJobs(stderr string) string {
	var kept strings.Builder
	for line := range strings.Lines(stderr) {
		if !strings.Contains(line, "Killed") && !strings.Contains(line, "Terminated") {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

func TestPromotedUser(t *testing.T) {
	s := offloadServer(t, "{}\n")
	promotedUser(t, s)
	s.leavesNothing(t)
}

// promotedUser runs the programs of a promoted container as the container's user.
func promotedUser(t *testing.T, s *server) {
	got := s.ok(t, "run", "--rm", "-u", "1234:5678", "--group-add", "99", "-w", "/tmp", "python", "bash", "-c",
		hidden+`$P -c 'import os; print(os.getuid(), os.getgid(), sorted(os.getgroups())); open("f","w")'; stat -c '%u %g' f; $P -c 'open("/etc/x","w")' 2>/dev/null || echo refused`)
	if got != "1234 5678 [99, 5678]\n1234 5678\nrefused" {
		t.Errorf("got %q", got)
	}
}

func TestPromotedMounts(t *testing.T) {
	s := offloadServer(t, "{}\n")
	promotedMounts(t, s)
	s.leavesNothing(t)
}

// promotedMounts has the mounts of a container on both sides.
func promotedMounts(t *testing.T, s *server) {
	folder := t.TempDir()
	got := s.ok(t, "run", "--rm", "-v", folder+":/bind", "-v", "vol:/vol", "--tmpfs", "/tmpfs", "--read-only", "python", "bash", "-c",
		hidden+`for d in bind vol tmpfs; do echo shell > /$d/s; done
$P -c 'for d in ("bind", "vol", "tmpfs"): print(open(f"/{d}/s").read().strip()); open(f"/{d}/p", "w").write(d + "\n")'
cat /bind/p /vol/p /tmpfs/p; touch /x 2>/dev/null || echo read only; $P -c 'open("/x","w")' 2>/dev/null || echo read only`)
	if got != "shell\nshell\nshell\nbind\nvol\ntmpfs\nread only\nread only" {
		t.Errorf("got %q", got)
	}
	if text, err := os.ReadFile(filepath.Join(folder, "p")); err != nil || string(text) != "bind\n" {
		t.Errorf("outside there is %q, %v", text, err)
	}
}

func TestPromotedLife(t *testing.T) {
	s := offloadServer(t, "{}\n")
	s.leavesNothing(t, promotedLife(t, s))
}

// promotedLife is a container that is promoted while it is there: execs of both sides in turn, copies, its changes, a
// restart, and its end.
func promotedLife(t *testing.T, s *server) (id string) {
	id = s.ok(t, "run", "-d", "--name", "c", "-e", "PYTHONDONTWRITEBYTECODE=1", "python", "sh", "-c", "echo x >> /starts; exec sleep infinity")
	exec := func(want string, command ...string) {
		t.Helper()
		if got := s.ok(t, append([]string{"exec", "c"}, command...)...); got != want {
			t.Errorf("%q: got %q, want %q", command, got, want)
		}
	}
	exec("", "sh", "-c", "echo shell > /tmp/f")
	local := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(local, []byte("before\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.ok(t, "cp", local, "c:/tmp/before")
	exec("shell\nbefore", "python3", "-c", "print(open('/tmp/f').read() + open('/tmp/before').read(), end='')")
	exec("", "python3", "-c", "open('/tmp/f', 'a').write('python\\n'); import os; os.remove('/tmp/before')")
	exec("shell\npython\nno", "sh", "-c", "cat /tmp/f; [ -e /tmp/before ] || echo no")
	exec("3 [1, 2, 3]", "bash", "-c", hidden+"seq 3 > /tmp/n; $P -c 'l = [int(x) for x in open(\"/tmp/n\")]; print(len(l), l)'")
	s.ok(t, "cp", "c:/tmp/f", local)
	if got, err := os.ReadFile(local); err != nil || string(got) != "shell\npython\n" {
		t.Errorf("what was copied out: %q, %v", got, err)
	}
	s.ok(t, "cp", local, "c:/tmp/after")
	exec("shell\npython", "cat", "/tmp/after")
	exec("14", "python3", "-c", "print(len(open('/tmp/after').read()) + 1)")
	diff := strings.Split(s.ok(t, "diff", "c"), "\n")
	slices.Sort(diff)
	if want := []string{"A /starts", "A /tmp/after", "A /tmp/f", "A /tmp/n", "C /tmp"}; !slices.Equal(diff, want) {
		t.Errorf("diff: %q, want %q", diff, want)
	}
	if top := s.ok(t, "top", "c"); !strings.Contains(top, "sleep infinity") {
		t.Errorf("top: %s", top)
	}
	s.ok(t, "restart", "-t", "0", "c")
	exec("x\nx\nshell\npython", "sh", "-c", "cat /starts /tmp/f")
	exec("x\nx\n", "python3", "-c", "print(open('/starts').read())")
	s.ok(t, "kill", "c")
	s.ok(t, "cp", "c:/starts", local)
	s.ok(t, "start", "c")
	exec("x\nx\nx", "cat", "/starts")
	s.ok(t, "stop", "-t", "0", "c")
	return id
}

// TestPromotionIsTold has the cost of a promotion in docker inspect, also where the container is at its end as soon.
func TestPromotionIsTold(t *testing.T) {
	s := offloadServer(t, "{}\n")
	for _, script := range []string{"echo change > /f; $P -c 1", "$P -c 1; exit 3"} {
		id := s.ok(t, "run", "-d", "python", "bash", "-c", hidden+script)
		s.ok(t, "wait", id)
		const format = `{{range $k, $v := .HostConfig.Annotations}}{{println $k $v}}{{end}}`
		// The program may be at its end before the server has stored what its promotion cost.
		told := func() bool {
			all := s.ok(t, "inspect", "-f", format, id)
			return strings.Contains(all, "sockerless.promotion.program /usr/bin/python3") && strings.Contains(all, "sockerless.promotion.backend local")
		}
		for !told() {
		}
	}
	s.leavesNothing(t)
}

// TestNoBackend refuses native programs, with what would let them run, and goes on with the script.
func TestNoBackend(t *testing.T) {
	s := offloadServer(t, "offload: {default: {backends: []}}\n")
	o := outcomeOf(t, s.docker(t, "run", "--rm", "python", "bash", "-c", hidden+"$P -c 1; echo status $?"))
	if o.stdout != "status 126\n" || o.code != 0 || !strings.Contains(o.stderr, "the policy gives it no backend") || !strings.Contains(o.stderr, "backends: [local]") {
		t.Errorf("got %s", o)
	}
	s.fails(t, 126, []string{"the policy gives it no backend", "backends: [local]"}, "run", "--rm", "python", "python3", "-c", "1")
	s.leavesNothing(t)
}

// TestNoTwin has a machine that cannot make a native container: its cause is told, the script goes on.
func TestNoTwin(t *testing.T) {
	s := offloadServer(t, "{}\n")
	folder := filepath.Join(s.data(), "unpacked") // where an image's files are unpacked: now it is a file
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(folder, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	o := outcomeOf(t, s.docker(t, "run", "--rm", "python", "bash", "-c", hidden+"$P -c 1; echo status $?; echo goes on"))
	if o.stdout != "status 126\ngoes on\n" || o.code != 0 || !strings.Contains(o.stderr, "unpack") || !strings.Contains(o.stderr, "not a directory") {
		t.Errorf("got %s", o)
	}
	s.leavesNothing(t)
}
