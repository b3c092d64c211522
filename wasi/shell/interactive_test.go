package shell

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sockerless/sockerless/store/rootfs"
	"github.com/sockerless/sockerless/wasi/kernel"
)

// A session is an interactive shell on a terminal.
type session struct {
	t    *testing.T
	tty  *kernel.TTY
	mu   sync.Mutex
	news chan struct{}
	seen strings.Builder
	at   int
	done chan kernel.WaitStatus
}

func startSession(t *testing.T, shell string) *session {
	t.Helper()
	tree := newTree(t)
	t.Cleanup(func() { _ = tree.Close() })
	table := kernel.NewTable(kernel.TableConfig{Tree: tree, Hostname: "box", Exec: resolve})
	s := &session{t: t, news: make(chan struct{}, 1), done: make(chan kernel.WaitStatus, 1)}
	s.tty = kernel.NewTTY(func(_ context.Context, b []byte) (int, error) {
		s.mu.Lock()
		s.seen.Write(b)
		s.mu.Unlock()
		select {
		case s.news <- struct{}{}:
		default:
		}
		return len(b), nil
	})
	f := s.tty.Open()
	defer f.Close()
	view := tree.View(rootfs.Cred{})
	if err := view.Chdir("/tmp/work"); err != nil {
		t.Fatal(err)
	}
	p, err := table.Start(kernel.StartOptions{
		Path: "/bin/" + shell, Args: []string{shell}, Files: view, Stdin: f, Stdout: f, Stderr: f, Terminal: s.tty,
		Env:   []string{"PATH=/bin", "HOME=/root", "PS1=P> ", "PS2=more> "},
		Ended: func(status kernel.WaitStatus) { s.done <- status },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Signal(kernel.SIGKILL) })
	return s
}

func (s *session) send(keys string) {
	s.t.Helper()
	if _, err := s.tty.Master().Write([]byte(keys)); err != nil {
		s.t.Fatal(err)
	}
}

// expect waits until the terminal shows text, after what was expected before.
func (s *session) expect(text string) {
	s.t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		s.mu.Lock()
		rest := s.seen.String()[s.at:]
		i := strings.Index(rest, text)
		if i >= 0 {
			s.at += i + len(text)
		}
		s.mu.Unlock()
		if i >= 0 {
			return
		}
		select {
		case <-s.news:
		case <-deadline:
			s.t.Fatalf("no %q in %q", text, rest)
		}
	}
}

func TestInteractive(t *testing.T) {
	for _, shell := range []string{"bash", "sh"} {
		t.Run(shell, func(t *testing.T) {
			s := startSession(t, shell)
			s.expect("P> ")
			s.send("echo a$((1+1))b\r")
			s.expect("\r\na2b\r\nP> ")
			s.send("if true\r")
			s.expect("more> ")
			s.send("then echo in; fi\r")
			s.expect("\r\nin\r\nP> ")
			s.send("false\x03")
			s.expect("^C\r\nP> ")
			s.send("echo $?\r")
			s.expect("\r\n130\r\nP> ")
			s.send("sh -c 'echo started; exec sleep 100'\r")
			s.expect("\r\nstarted\r\n")
			s.send("\x03")
			s.expect("P> ")
			s.send("echo $?\r")
			s.expect("\r\n130\r\nP> ")
			s.send(")\r")
			s.expect("yntax error")
			s.expect("P> ")
			s.send("cho left\x01e\r")
			s.expect("\r\nleft\r\nP> ")
			s.send("\x1b[A\r")
			s.expect("\r\nleft\r\nP> ")
			s.send("echo junk\x15echo clean\r")
			s.expect("\r\nclean\r\nP> ")
			s.send("touch completeme\r")
			s.expect("P> ")
			s.send("echo compl\t\r")
			s.expect("\r\ncompleteme\r\nP> ")
			s.send("sh -c 'echo started; exec sleep 50'\r")
			s.expect("\r\nstarted\r\n")
			s.send("\x1a")
			s.expect("Stopped")
			s.expect("P> ")
			s.send("jobs\r")
			s.expect("Stopped")
			s.expect("P> ")
			s.send("bg >/dev/null; jobs\r")
			s.expect("Running")
			s.expect("P> ")
			s.send("kill %1; wait; echo gone\r")
			s.expect("gone\r\n")
			s.expect("P> ")
			s.send("exit 3\r")
			if status := <-s.done; status.Code() != 3 {
				t.Errorf("exit 3 gave %d", status.Code())
			}
		})
	}
}

func TestInteractiveEnd(t *testing.T) {
	s := startSession(t, "bash")
	s.expect("P> ")
	s.send("true\r")
	s.expect("P> ")
	s.send("\x04")
	if status := <-s.done; status.Code() != 0 {
		t.Errorf("^D gave %d", status.Code())
	}
}
