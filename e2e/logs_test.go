package e2e

import (
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// TestLogs compares what docker logs gives back with what was written, byte by byte.
func TestLogs(t *testing.T) {
	s := runningServer(t)
	logs := func(args ...string) outcome {
		return outcomeOf(t, s.docker(t, append([]string{"logs"}, args...)...))
	}

	// a line of a mebibyte, without its end, and lines around it
	s.ok(t, "run", "--name", "long", "sockerless/base", "sh", "-c", "echo first; head -c 1048576 /dev/zero | tr '\\0' x; echo; head -c 100000 /dev/zero | tr '\\0' y")
	long := "first\n" + strings.Repeat("x", 1<<20) + "\n" + strings.Repeat("y", 100000)
	same(t, "long lines", []byte(logs("long").stdout), []byte(long))
	same(t, "the last line", []byte(logs("--tail", "1", "long").stdout), []byte(strings.Repeat("y", 100000)))
	same(t, "the last two", []byte(logs("--tail", "2", "long").stdout), []byte(strings.TrimPrefix(long, "first\n")))

	// every byte, on both streams
	binary := noise(300_000)
	cat := s.docker(t, "run", "-i", "--name", "binary", "sockerless/base", "sh", "-c", "tee /dev/stderr")
	cat.Stdin = bytes.NewReader(binary)
	o := outcomeOf(t, cat)
	same(t, "attached stdout", []byte(o.stdout), binary)
	same(t, "attached stderr", []byte(o.stderr), binary)
	o = logs("binary")
	same(t, "stdout of the log", []byte(o.stdout), binary)
	same(t, "stderr of the log", []byte(o.stderr), binary)

	// parts of lines stay together, though they were written apart and beside another stream
	s.ok(t, "run", "--name", "parts", "sockerless/base", "sh", "-c", "printf a; printf b; printf x >&2; printf 'c\\n'; printf 'y\\n' >&2; printf end")
	if o := logs("parts"); o.stdout != "abc\nend" || o.stderr != "xy\n" {
		t.Errorf("parts of lines: %+v", o)
	}

	// each line's own time is where --since begins and --until ends
	s.ok(t, "run", "--name", "timed", "sockerless/base", "sh", "-c", "for i in 1 2 3 4 5; do echo line $i; sleep 0.01; done")
	var times []string
	for line := range strings.Lines(logs("-t", "timed").stdout) {
		stamp, text, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		times = append(times, stamp)
		if want := fmt.Sprintf("line %d", len(times)); text != want {
			t.Errorf("line %q, want %q", text, want)
		}
	}
	if len(times) != 5 {
		t.Fatalf("%d times", len(times))
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--since", times[2]}, "line 3\nline 4\nline 5\n"},
		{[]string{"--until", times[2]}, "line 1\nline 2\nline 3\n"},
		{[]string{"--since", times[1], "--until", times[3]}, "line 2\nline 3\nline 4\n"},
		{[]string{"--since", times[1], "--tail", "1"}, "line 5\n"},
		{[]string{"--until", times[3], "--tail", "2"}, "line 3\nline 4\n"},
		{[]string{"-f", "--since", times[4]}, "line 5\n"},
		{[]string{"-f", "--until", times[0]}, "line 1\n"},
	} {
		if got := logs(append(c.args, "timed")...); got.stdout != c.want {
			t.Errorf("docker logs %v: %q, want %q", c.args, got.stdout, c.want)
		}
	}

	s.ok(t, "run", "--name", "detailed", "--log-opt", "labels=team", "--label", "team=blue", "sockerless/base", "echo", "text")
	if got := logs("--details", "detailed").stdout; got != "team=blue text\n" {
		t.Errorf("docker logs --details: %q", got)
	}
	if got := logs("detailed").stdout; got != "text\n" {
		t.Errorf("docker logs: %q", got)
	}
}

// TestLogsOfMany follows many containers while they write.
func TestLogsOfMany(t *testing.T) {
	s := runningServer(t)
	const containers, lines = 20, 2000
	var working sync.WaitGroup
	for i := range containers {
		name := fmt.Sprintf("c%d", i)
		s.ok(t, "run", "-d", "-i", "--name", name, "sockerless/base", "sh", "-c", fmt.Sprintf("read go; i=0; while [ $i -lt %d ]; do echo %s $i; i=$((i+1)); done", lines, name))
		var want bytes.Buffer
		for l := range lines {
			fmt.Fprintln(&want, name, l)
		}
		follow, attach := s.docker(t, "logs", "-f", name), s.docker(t, "attach", name)
		attach.Stdin = strings.NewReader("go\n")
		for what, cmd := range map[string]*exec.Cmd{"docker logs -f": follow, "docker attach": attach} {
			working.Go(func() {
				out, err := cmd.Output()
				if err != nil {
					t.Errorf("%s %s: %v", what, name, err)
				}
				same(t, what+" "+name, out, want.Bytes())
			})
		}
	}
	working.Wait()
}

// joined is an attached client. It is there once what it was sent has come.
type joined struct {
	*exec.Cmd
	in  io.WriteCloser
	out io.Reader
}

func (s *server) join(t *testing.T, args ...string) *joined {
	t.Helper()
	cmd := s.docker(t, args...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	return &joined{cmd, in, out}
}

func (j *joined) write(t *testing.T, text string) {
	t.Helper()
	if _, err := io.WriteString(j.in, text); err != nil {
		t.Errorf("%v: %v", j.Args, err)
	}
}

func (j *joined) wants(t *testing.T, text string) {
	t.Helper()
	got := make([]byte, len(text))
	if n, err := io.ReadFull(j.out, got); err != nil || string(got) != text {
		t.Errorf("%v: got %q, %v; want %q", j.Args[1:], got[:n], err, text)
	}
}

// ends wants nothing more to come, and the exit code.
func (j *joined) ends(t *testing.T, code int) {
	t.Helper()
	rest, err := io.ReadAll(j.out)
	if err != nil || len(rest) > 0 {
		t.Errorf("%v: got %q at its end, %v", j.Args[1:], rest, err)
	}
	_ = j.Wait() // the code is looked at
	if got := j.ProcessState.ExitCode(); got != code {
		t.Errorf("%v ended with %d, want %d", j.Args[1:], got, code)
	}
}

// TestAttachedTogether has several clients on one container: each may write, and all get all.
func TestAttachedTogether(t *testing.T) {
	s := runningServer(t)
	s.ok(t, "create", "-i", "--name", "c", "sockerless/base", "sh", "-c", "while read line; do echo \"[$line]\"; done; echo end; exit 6")
	listener := s.join(t, "start", "-a", "--sig-proxy=false", "c") // attaches, then starts
	for s.ok(t, "inspect", "-f", "{{.State.Status}}", "c") != "running" {
	}
	a := s.join(t, "attach", "c")
	a.write(t, "a is there\n")
	a.wants(t, "[a is there]\n")
	b := s.join(t, "attach", "c")
	b.write(t, "b is there\n")
	for _, j := range []*joined{a, b} {
		j.wants(t, "[b is there]\n")
	}
	a.write(t, "from a\n")
	for _, j := range []*joined{a, b} {
		j.wants(t, "[from a]\n")
	}
	listener.wants(t, "[a is there]\n[b is there]\n[from a]\n")
	if err := listener.Process.Kill(); err != nil { // who goes away is not missed
		t.Fatal(err)
	}
	b.write(t, "still there\n")
	b.wants(t, "[still there]\n")
	a.wants(t, "[still there]\n")
	if err := a.in.Close(); err != nil {
		t.Fatal(err)
	}
	a.wants(t, "end\n")
	b.wants(t, "end\n")
	a.ends(t, 6)
	b.ends(t, 6)
	s.fails(t, 1, []string{"cannot attach to a stopped container, start it first"}, "attach", "c")
	s.fails(t, 1, []string{"No such container: nosuch"}, "attach", "nosuch")
}

// TestAttachSignals sends signals to the docker CLI, which passes them on, or not.
func TestAttachSignals(t *testing.T) {
	s := runningServer(t)
	s.ok(t, "run", "-d", "-i", "--name", "c", "sockerless/base", "sh", "-c", "trap 'exit 6' TERM; while :; do echo tick; sleep 0.02; done")
	alone := s.join(t, "attach", "--no-stdin", "--sig-proxy=false", "c")
	alone.wants(t, "tick\n")
	if err := alone.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = alone.Wait() // the signal's end
	if got := s.ok(t, "inspect", "-f", "{{.State.Status}}", "c"); got != "running" {
		t.Errorf("after a signal that is not passed on the container is %s", got)
	}
	proxy := s.join(t, "attach", "--no-stdin", "c")
	proxy.wants(t, "tick\n")
	if err := proxy.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, proxy.out); err != nil {
		t.Error(err)
	}
	proxy.ends(t, 6)
}
