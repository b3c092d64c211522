package e2e

import (
	"io"
	"os/exec"
	"syscall"
	"testing"
)

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
	listener := s.join(t, "start", "-a", "c") // attaches, then starts
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
	alone.wants(t, "tick\n") // neither of them has taken notice
	if got := s.ok(t, "inspect", "-f", "{{.State.Status}}", "c"); got != "running" {
		t.Errorf("after a signal that is not passed on the container is %s", got)
	}
	if err := alone.Process.Kill(); err != nil {
		t.Fatal(err)
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
