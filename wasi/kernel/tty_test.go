package kernel_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sockerless/sockerless/store/rootfs"
	"github.com/sockerless/sockerless/wasi/kernel"
)

func isErrno(err error, want syscall.Errno) bool { return err != nil && rootfs.Errno(err) == want }

// screen is what a terminal shows.
type screen struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *screen) write(_ context.Context, b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// What is typed, what a reader gets in how many reads, and what the screen shows: a Linux pty gives the same.
func TestLineEditing(t *testing.T) {
	for _, test := range []struct{ typed, reads, shows string }{
		{"ls -l\r", "ls -l\n|", "ls -l\r\n"},
		{"one\ntwo\n", "one\n|two\n|", "one\r\ntwo\r\n"},
		{"abx\x7fc\n", "abc\n|", "abx\b \bc\r\n"},
		{"é\x7fe\n", "e\n|", "é\b \be\r\n"},
		{"\x7fa\n", "a\n|", "a\r\n"},
		{"some words\x17thing\n", "some thing\n|", "some words\b \b\b \b\b \b\b \b\b \bthing\r\n"},
		{"abc\x15d\n", "d\n|", "abc\b \b\b \b\b \bd\r\n"},
		{"a\x16\x03b\n", "a\x03b\n|", "a^\b^Cb\r\n"},
		{"\x01\x7fa\n", "a\n|", "^A\b \b\b \ba\r\n"},
		{"part\x04", "part|", "part"},
		{"line\n\x04", "line\n|EOF|", "line\r\n"},
		{"a\tb\n", "a\tb\n|", "a\tb\r\n"},
	} {
		var s screen
		tty := kernel.NewTTY(s.write)
		if _, err := tty.Master().Write([]byte(test.typed)); err != nil {
			t.Fatal(err)
		}
		var reads strings.Builder
		f := tty.Open()
		b := make([]byte, 100)
		for f.Readable() {
			n, err := f.Read(t.Context(), b)
			reads.Write(b[:n])
			if err == io.EOF {
				reads.WriteString("EOF")
			}
			reads.WriteByte('|')
		}
		if reads.String() != test.reads || s.String() != test.shows {
			t.Errorf("%q: read %q, screen %q, want %q, %q", test.typed, reads.String(), s.String(), test.reads, test.shows)
		}
		tty.Hangup()
	}
}

func TestRawTerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s screen
		tty := kernel.NewTTY(s.write)
		defer tty.Hangup()
		f := tty.Open()
		raw := tty.Termios().Raw()
		tty.SetTermios(raw)
		if _, err := tty.Master().Write([]byte("\x03\r\x7f")); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 10)
		if n, err := f.Read(t.Context(), b); string(b[:n]) != "\x03\r\x7f" || err != nil || s.String() != "" {
			t.Errorf("read %q, %v, screen %q", b[:n], err, s.String())
		}
		if _, err := f.Write(t.Context(), []byte("a\nb")); err != nil || s.String() != "a\nb" {
			t.Errorf("screen %q, %v", s.String(), err)
		}
		raw.CC[kernel.VMIN], raw.CC[kernel.VTIME] = 0, 5
		tty.SetTermios(raw)
		before := time.Now()
		if n, err := f.Read(t.Context(), b); n != 0 || err != nil || time.Since(before) != 500*time.Millisecond {
			t.Errorf("read with VTIME = %d, %v after %v", n, err, time.Since(before))
		}
	})
}

func TestTerminalSignals(t *testing.T) {
	for typed, want := range map[string]kernel.Signal{"\x03": kernel.SIGINT, "\x1c": kernel.SIGQUIT} {
		var s screen
		tty := kernel.NewTTY(s.write)
		m := newMachine(t, map[string]kernel.Program{})
		reading := make(chan int, 1)
		m.start(func(p *kernel.Process) int {
			must(t, p.SetAction(kernel.SIGTTOU, kernel.Ignore))
			c, err := p.Fork(func(c *kernel.Process) int {
				reading <- c.PID()
				_, _ = io.Copy(io.Discard, c.Stdin())
				return 0
			}, kernel.ForkOptions{NewGroup: true, Foreground: true})
			must(t, err)
			r, err := p.Wait(p.Context(), c.PID(), kernel.WUNTRACED)
			if err != nil || r.Status.Signal() != want {
				t.Errorf("%q: %+v, %v", typed, r, err)
			}
			must(t, tty.SetForeground(p, p.PGID()))
			return 0
		}, tty)
		<-reading
		if _, err := tty.Master().Write([]byte("gone" + typed)); err != nil {
			t.Fatal(err)
		}
		m.wait()
		if !strings.HasPrefix(s.String(), "gone^") {
			t.Errorf("screen %q", s.String())
		}
	}
}

func TestJobControl(t *testing.T) {
	var s screen
	tty := kernel.NewTTY(s.write)
	m := newMachine(t, map[string]kernel.Program{})
	winch := make(chan struct{})
	m.start(func(p *kernel.Process) int {
		must(t, p.SetAction(kernel.SIGTTOU, kernel.Ignore))
		c, err := p.Fork(func(c *kernel.Process) int {
			b := make([]byte, 10)
			n, err := c.Read(c.Context(), 0, b) // from the background
			must(t, err)
			fmt.Fprintf(c.Stdout(), "got %q\n", b[:n])
			return 0
		}, kernel.ForkOptions{NewGroup: true, Default: []kernel.Signal{kernel.SIGTTOU}})
		must(t, err)
		r, err := p.Wait(p.Context(), c.PID(), kernel.WUNTRACED)
		if err != nil || r.Status.Signal() != kernel.SIGTTIN {
			t.Errorf("background read: %+v, %v", r, err)
		}
		must(t, tty.SetForeground(p, c.PID()))
		must(t, p.Kill(-c.PID(), kernel.SIGCONT))
		if _, err := tty.Master().Write([]byte("hi\n")); err != nil {
			t.Error(err)
		}
		r, err = p.Wait(p.Context(), c.PID(), 0)
		if err != nil || !r.Status.Exited() {
			t.Errorf("foreground read: %+v, %v", r, err)
		}
		must(t, tty.SetForeground(p, p.PGID()))
		must(t, p.SetAction(kernel.SIGWINCH, kernel.Catch))
		close(winch)
		if _, err := p.Read(p.Context(), 0, make([]byte, 1)); err != syscall.EINTR {
			t.Errorf("read during a resize: %v", err)
		}
		sig, _ := p.TakeSignal()
		rows, cols := tty.Size()
		fmt.Fprintf(p.Stdout(), "%v %d %d", sig, rows, cols)
		return 0
	}, tty)
	<-winch
	tty.Resize(50, 120)
	m.wait()
	if want := "hi\r\ngot \"hi\\n\"\r\nSIGWINCH 50 120"; s.String() != want {
		t.Errorf("screen %q, want %q", s.String(), want)
	}
}

func TestHangup(t *testing.T) {
	var s screen
	tty := kernel.NewTTY(s.write)
	m := newMachine(t, map[string]kernel.Program{})
	m.start(func(p *kernel.Process) int {
		c, err := p.Fork(func(c *kernel.Process) int { <-c.Context().Done(); return 0 }, kernel.ForkOptions{})
		must(t, err)
		_, err = p.Stdin().Read(make([]byte, 1))
		if err != io.EOF {
			t.Errorf("read after the hang-up: %v", err)
		}
		r, err := p.Wait(p.Context(), c.PID(), 0)
		if err != nil || r.Status.Signal() != kernel.SIGHUP {
			t.Errorf("%+v, %v", r, err)
		}
		if _, err := p.Stdout().Write([]byte("x")); err != syscall.EIO {
			t.Errorf("write after the hang-up: %v", err)
		}
		return 0
	}, tty)
	until(t, "the child waits", func() bool { return len(m.table.Processes()) == 2 })
	tty.Hangup()
	m.wait()
}

func TestSleepAndPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, map[string]kernel.Program{})
		began := time.Now()
		m.start(func(p *kernel.Process) int {
			must(t, p.Sleep(p.Context(), time.Hour))
			return 0
		}, nil)
		time.AfterFunc(30*time.Minute, func() { m.table.Pause(true) })
		time.AfterFunc(3*time.Hour, func() { m.table.Pause(false) })
		<-m.ended
		if took := time.Since(began); took != 3*time.Hour {
			t.Errorf("a sleep of an hour took %v with a pause until the third", took)
		}
	})
}

// A program that does not notice that it was killed is given up after the table's grace.
func TestProgramThatDoesNotEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, map[string]kernel.Program{})
		deaf, started := make(chan struct{}), make(chan struct{})
		p := m.start(func(p *kernel.Process) int {
			close(started)
			<-deaf
			return 0
		}, nil)
		<-started
		began := time.Now()
		must(t, p.Signal(kernel.SIGKILL))
		<-m.ended
		if took := time.Since(began); took != 10*time.Second || m.status.Code() != 137 {
			t.Errorf("code %d after %v", m.status.Code(), took)
		}
		close(deaf)
	})
}
