package e2e

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// limited are the options of a container that can run on Lambda.
var limited = []string{"--read-only", "--tmpfs", "/tmp", "--user", "993:990"}

// lambdaServer is a server whose containers have that place, and Lambda to go to.
func lambdaServer(t *testing.T, place string) (s *server, endpoint string) {
	t.Helper()
	_, endpoint = simulatedAWS(t)
	return cloudServer(t, place, "functions", fmt.Sprintf(`type: lambda, region: eu-central-1, endpoint: %q, role: "arn:aws:iam::000000000000:role/function"`, endpoint)), endpoint
}

// awaitInvocations waits until so many run, as the simulator's page has it.
func awaitInvocations(t *testing.T, endpoint string, n int) {
	t.Helper()
	for want := fmt.Sprintf("<p>%d invocations run.", n); ; {
		answer, err := http.Get(endpoint + "/_simulator")
		if err != nil {
			t.Fatal(err)
		}
		page, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(page), want) {
			return
		}
	}
}

// TestLambda is the life of containers on Lambda, as the docker CLI sees it.
func TestLambda(t *testing.T) {
	s, endpoint := lambdaServer(t, "offload")
	run := func(args ...string) []string { return slices.Concat([]string{"run", "--rm"}, limited, args) }
	for _, c := range []struct {
		name, stdin string
		options     []string
		command     []string
		want        outcome
	}{
		{name: "output", command: []string{"python3", "-c", "print(6*7)"}, want: outcome{"42\n", "", 0}},
		{name: "two streams and a status", command: []string{"sh", "-c", "echo out; echo err >&2; exit 7"}, want: outcome{"out\n", "err\n", 7}},
		{name: "input", stdin: "one\ntwo\n", options: []string{"-i"}, command: []string{"python3", "-c", "import sys; print([l for l in sys.stdin])"}, want: outcome{"['one\\n', 'two\\n']\n", "", 0}},
		{name: "much", stdin: strings.Repeat("line of text\n", 200000), options: []string{"-i"}, command: []string{"wc", "-c"}, want: outcome{"2600000\n", "", 0}},
		{name: "environment, user and folder", options: []string{"-e", "A=b c", "-w", "/tmp"}, command: []string{"sh", "-c", "echo $A $(id -u):$(id -g) $PWD; env | grep -c AWS"}, want: outcome{"b c 993:990 /tmp\n0\n", "", 1}},
		{name: "files", command: []string{"sh", "-c", "echo x > /tmp/f && cat /tmp/f; echo x 2>&1 > /f"}, want: outcome{"x\nsh: 1: cannot create /f: Read-only file system\n", "", 2}},
		{name: "killed", command: []string{"sh", "-c", "kill -9 $$"}, want: outcome{"", "", 137}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := s.docker(t, run(slices.Concat(c.options, []string{"python"}, c.command)...)...)
			cmd.Stdin = strings.NewReader(c.stdin)
			if got := outcomeOf(t, cmd); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
	s.fails(t, 127, []string{"nosuch"}, run("python", "nosuch")...)
	s.fails(t, 125, []string{"--read-only", "functions"}, "run", "--rm", "--user", "993:990", "python", "true")
	s.fails(t, 125, []string{"--user 993:990", "functions"}, "run", "--rm", "--read-only", "python", "true")
	s.fails(t, 125, []string{"folders of this machine", "functions"}, run("-v", t.TempDir()+":/v", "python", "true")...)
	s.fails(t, 125, []string{"a mount at /t", "Lambda"}, run("--tmpfs", "/t", "python", "true")...)
	s.fails(t, 125, []string{"--cap-add", "Lambda"}, run("--cap-add", "NET_ADMIN", "python", "true")...)
	s.fails(t, 125, []string{"restart policy", "functions"}, slices.Concat([]string{"run", "-d", "--restart", "always"}, limited, []string{"python", "true"})...)
	awaitInvocations(t, endpoint, 0)

	s.ok(t, slices.Concat([]string{"run", "-d", "--name", "c"}, limited, []string{
		"python", "python3", "-c", "import time\nfor i in range(3): print('line', i, flush=True)\ntime.sleep(1000)"})...)
	for s.ok(t, "logs", "c") != "line 0\nline 1\nline 2" {
	}
	if got := s.ok(t, "exec", "c", "python3", "-c", "open('/tmp/f', 'w').write('x'); print('in exec')"); got != "in exec" {
		t.Errorf("exec: %q", got)
	}
	x := s.open(t, "exec", "-it", "c", "python3", "-q")
	x.expect(">>> ")
	x.run("import os; os.get_terminal_size()", "columns=80, lines=24")
	x.expect(">>> ")
	x.send(ctrlD)
	x.ends(0)
	if err := s.signal(syscall.SIGKILL); err != nil { // the task goes on, and is found again
		t.Fatal(err)
	}
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	if got := s.ok(t, "exec", "c", "cat", "/tmp/f"); got != "x" {
		t.Errorf("after a kill of the server: %q", got)
	}
	awaitInvocations(t, endpoint, 1)
	s.ok(t, "kill", "c")
	if got := s.ok(t, "wait", "c"); got != "137" {
		t.Errorf("it ended with %s", got)
	}
	s.fails(t, 1, []string{"cannot be started again"}, "start", "c")
	if got := s.ok(t, "logs", "c"); got != "line 0\nline 1\nline 2" {
		t.Errorf("the log of what has ended: %q", got)
	}
	s.ok(t, "rm", "c")
	awaitInvocations(t, endpoint, 0)
}

// TestLambdaPromotion has a script of the sandbox meet programs that run on Lambda, as far as that goes: its files are in /tmp.
func TestLambdaPromotion(t *testing.T) {
	s, endpoint := lambdaServer(t, "auto")
	args := slices.Concat([]string{"run", "--rm", "-w", "/tmp"}, limited, []string{"python", "bash", "-c", hidden +
		`echo shell > f; seq 5 | $P -c 'import sys; print(sum(map(int, sys.stdin)))'; $P -c 'open("f", "a").write("python\n")'; cat f; $P -c 'raise SystemExit(4)'; echo $?`})
	if got, want := outcomeOf(t, s.docker(t, args...)), (outcome{"15\nshell\npython\n4\n", "", 0}); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if s.promotions(t) != 1 {
		t.Error("it was not promoted once")
	}
	awaitInvocations(t, endpoint, 0)
}
