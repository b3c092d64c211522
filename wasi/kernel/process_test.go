package kernel_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sockerless/sockerless/wasi/kernel"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

func TestSpawnAndWait(t *testing.T) {
	programs := map[string]kernel.Program{
		"exit": func(p *kernel.Process) int {
			fmt.Fprintf(p.Stdout(), "%d %d %d %s %s\n", p.PID(), p.PPID(), p.PGID(), p.Args(), p.Env())
			return 42
		},
	}
	code, out := run(t, programs, func(p *kernel.Process) int {
		c, err := p.Spawn(kernel.SpawnOptions{Path: "exit", Args: []string{"x", "y"}, Env: []string{"A=1"}})
		must(t, err)
		r, err := p.Wait(p.Context(), -1, 0)
		if err != nil || r.PID != c.PID() || !r.Status.Exited() || r.Status.Code() != 42 {
			t.Errorf("Wait = %+v, %v", r, err)
		}
		if _, err := p.Wait(p.Context(), -1, 0); err != syscall.ECHILD {
			t.Errorf("Wait without children = %v", err)
		}
		_, err = p.Spawn(kernel.SpawnOptions{Path: "nosuch"})
		var exec *kernel.ExecError
		if !errors.As(err, &exec) || exec.Code != 127 {
			t.Errorf("Spawn of nothing = %v", err)
		}
		return 7
	})
	if code != 7 || out != "2 1 1 [x y] [A=1]\n" {
		t.Errorf("code %d, output %q", code, out)
	}
}

func TestWaitDoesNotHang(t *testing.T) {
	run(t, nil, func(p *kernel.Process) int {
		c, err := p.Fork(func(c *kernel.Process) int {
			_ = c.Sleep(c.Context(), time.Hour) // until it is killed
			return 0
		}, kernel.ForkOptions{})
		must(t, err)
		if r, err := p.Wait(p.Context(), c.PID(), kernel.WNOHANG); err != nil || r.PID != 0 {
			t.Errorf("WNOHANG = %+v, %v", r, err)
		}
		must(t, p.SetAction(kernel.SIGUSR1, kernel.Catch))
		must(t, p.Kill(p.PID(), kernel.SIGUSR1))
		if _, err := p.Wait(p.Context(), c.PID(), 0); err != syscall.EINTR {
			t.Errorf("Wait with a pending signal = %v", err)
		}
		if sig, ok := p.TakeSignal(); !ok || sig != kernel.SIGUSR1 {
			t.Errorf("TakeSignal = %v, %v", sig, ok)
		}
		must(t, p.Kill(c.PID(), kernel.SIGTERM))
		r, err := p.Wait(p.Context(), c.PID(), 0)
		if err != nil || !r.Status.Signaled() || r.Status.Signal() != kernel.SIGTERM || r.Status.Code() != 143 {
			t.Errorf("Wait = %+v, %v", r, err)
		}
		return 0
	})
}

func TestStopAndContinue(t *testing.T) {
	run(t, nil, func(p *kernel.Process) int {
		r, w := kernel.NewPipe()
		c, err := p.Fork(func(c *kernel.Process) int {
			b := make([]byte, 1)
			if _, err := c.Read(c.Context(), 0, b); err != nil {
				return 1
			}
			return int(b[0])
		}, kernel.ForkOptions{Files: map[int]*kernel.File{0: r}, NewGroup: true})
		must(t, err)
		r.Close()
		must(t, p.Kill(-c.PID(), kernel.SIGSTOP))
		s, err := p.Wait(p.Context(), -1, kernel.WUNTRACED)
		if err != nil || !s.Status.Stopped() || s.Status.Signal() != kernel.SIGSTOP {
			t.Errorf("stopped: %+v, %v", s, err)
		}
		must(t, p.Kill(c.PID(), kernel.SIGTERM)) // held until it goes on
		if _, err := w.Write(p.Context(), []byte{9}); err != nil {
			t.Error(err)
		}
		if s, err := p.Wait(p.Context(), -1, kernel.WNOHANG|kernel.WUNTRACED); err != nil || s.PID != 0 {
			t.Errorf("a stopped process went on: %+v, %v", s, err)
		}
		must(t, p.Kill(c.PID(), kernel.SIGCONT))
		s, err = p.Wait(p.Context(), -1, 0)
		if err != nil || s.Status.Signal() != kernel.SIGTERM {
			t.Errorf("ended: %+v, %v", s, err)
		}
		return 0
	})
}

func TestPauseHoldsEverything(t *testing.T) {
	m := newMachine(t, map[string]kernel.Program{})
	r, w := kernel.NewPipe()
	ready := make(chan struct{})
	m.start(func(p *kernel.Process) int {
		_ = p.FDs().Set(0, r)
		close(ready)
		b := make([]byte, 10)
		n, _ := p.Read(p.Context(), 0, b)
		_, _ = p.Write(p.Context(), 1, b[:n])
		return 0
	}, nil)
	<-ready
	m.table.Pause(true)
	if _, err := w.Write(t.Context(), []byte("hello")); err != nil {
		t.Fatal(err)
	}
	select {
	case <-m.ended:
		t.Fatal("a paused process ended")
	case <-time.After(50 * time.Millisecond):
	}
	if got := m.out.String(); got != "" {
		t.Fatalf("a paused process wrote %q", got)
	}
	m.table.Pause(false)
	if code := m.wait().Code(); code != 0 || m.out.String() != "hello" {
		t.Errorf("code %d, output %q", code, m.out.String())
	}
}

// Every kind of blocked process ends at a SIGKILL.
func TestKillOfBlockedProcesses(t *testing.T) {
	tty := kernel.NewTTY(func(_ context.Context, b []byte) (int, error) { return len(b), nil })
	kinds := map[string]kernel.Program{
		"pipe read": func(p *kernel.Process) int {
			r, w := kernel.NewPipe()
			_ = p.FDs().Set(0, r)
			_, _ = io.Copy(io.Discard, p.Stdin())
			w.Close()
			return 0
		},
		"pipe write": func(p *kernel.Process) int {
			r, w := kernel.NewPipe()
			_ = p.FDs().Set(5, r)
			_ = p.FDs().Set(1, w)
			for {
				if _, err := p.Stdout().Write(make([]byte, 70000)); err != nil {
					return 0
				}
			}
		},
		"sleep": func(p *kernel.Process) int { _ = p.Sleep(p.Context(), time.Hour); return 0 },
		"wait": func(p *kernel.Process) int {
			_, _ = p.Fork(func(c *kernel.Process) int { _ = c.Sleep(c.Context(), time.Hour); return 0 }, kernel.ForkOptions{})
			_, _ = p.Wait(p.Context(), -1, 0)
			return 0
		},
		"loop": func(p *kernel.Process) int {
			for p.Gate() == nil {
			}
			return 0
		},
		"stopped": func(p *kernel.Process) int { _ = p.Kill(p.PID(), kernel.SIGSTOP); _ = p.Gate(); return 0 },
		"fifo": func(p *kernel.Process) int {
			if err := p.Files().Mknod("/fifo", fs.ModeNamedPipe|0o666, 0); err != nil {
				t.Error(err)
			}
			_, _ = p.Open("/fifo", 0, 0)
			return 0
		},
		"terminal": func(p *kernel.Process) int {
			f := tty.Open()
			_ = p.FDs().Set(0, f)
			f.Close()
			_, _ = io.Copy(io.Discard, p.Stdin())
			return 0
		},
		"context": func(p *kernel.Process) int { <-p.Context().Done(); return 0 },
	}
	for name, program := range kinds {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, map[string]kernel.Program{})
			started := make(chan struct{})
			p := m.start(func(p *kernel.Process) int {
				c, err := p.Fork(func(c *kernel.Process) int { close(started); return program(c) }, kernel.ForkOptions{})
				must(t, err)
				r, err := p.Wait(p.Context(), c.PID(), 0)
				if err != nil || r.Status.Signal() != kernel.SIGKILL {
					t.Errorf("%+v, %v", r, err)
				}
				return 3
			}, nil)
			<-started
			until(t, "it waits", func() bool {
				i := m.table.Processes()
				return name == "loop" || name == "context" || len(i) > 1 && i[1].State != 'R'
			})
			must(t, m.table.Find(2).Signal(kernel.SIGKILL))
			if code := m.wait().Code(); code != 3 {
				t.Errorf("code %d", code)
			}
			if err := p.Signal(kernel.SIGTERM); err != syscall.ESRCH {
				t.Errorf("signal after the end: %v", err)
			}
		})
	}
}

func TestProcessOne(t *testing.T) {
	m := newMachine(t, map[string]kernel.Program{})
	others := make(chan struct{}, 10)
	p := m.start(func(p *kernel.Process) int {
		for range 3 {
			_, err := p.Fork(func(c *kernel.Process) int {
				_, err := c.Fork(func(g *kernel.Process) int {
					others <- struct{}{}
					_ = g.Sleep(g.Context(), time.Hour)
					return 0
				}, kernel.ForkOptions{NewSession: true})
				must(t, err)
				return 0
			}, kernel.ForkOptions{})
			must(t, err)
		}
		_ = p.Kill(1, kernel.SIGKILL) // from inside: no effect
		_ = p.Sleep(p.Context(), time.Hour)
		return 0
	}, nil)
	for range 3 {
		<-others
	}
	must(t, p.Signal(kernel.SIGTERM)) // default action: none for process 1
	if p.Gate() != nil {
		t.Fatal("SIGTERM ended process 1")
	}
	must(t, p.Signal(kernel.SIGKILL))
	if s := m.wait(); s.Signal() != kernel.SIGKILL || s.Code() != 137 {
		t.Errorf("status %+v", s)
	}
	if left := m.table.Processes(); len(left) != 0 {
		t.Errorf("left: %+v", left)
	}
}

func TestOrphansAreReaped(t *testing.T) {
	run(t, nil, func(p *kernel.Process) int {
		c, err := p.Fork(func(c *kernel.Process) int {
			_, err := c.Fork(func(g *kernel.Process) int {
				return 5
			}, kernel.ForkOptions{})
			must(t, err)
			return 0
		}, kernel.ForkOptions{})
		must(t, err)
		_, err = p.Wait(p.Context(), c.PID(), 0)
		must(t, err)
		until(t, "only process 1 is left", func() bool { return len(p.Table().Processes()) == 1 })
		if _, err := p.Wait(p.Context(), -1, 0); err != syscall.ECHILD {
			t.Errorf("Wait = %v", err)
		}
		return 0
	})
}

func TestExecReplaces(t *testing.T) {
	programs := map[string]kernel.Program{
		"second": func(p *kernel.Process) int {
			fmt.Fprintf(p.Stdout(), "%d %v %v %v", p.PID(), p.Args(), p.FDs().List(), p.Action(kernel.SIGINT))
			return 9
		},
	}
	code, out := run(t, programs, func(p *kernel.Process) int {
		fd, err := p.Open("/dev/null", 0, 0)
		must(t, err)
		must(t, p.FDs().CloseOnExec(fd, true))
		must(t, p.SetAction(kernel.SIGINT, kernel.Catch))
		if err := p.Exec("nosuch", nil, nil); err == nil || p.Action(kernel.SIGINT) != kernel.Catch {
			t.Errorf("Exec of nothing = %v", err)
		}
		must(t, p.Exec("second", []string{"s", "t"}, nil))
		return 1
	})
	if code != 9 || out != "1 [s t] [0 1 2] 0" {
		t.Errorf("code %d, output %q", code, out)
	}
}

func TestPanicEndsTheProcessOnly(t *testing.T) {
	code, out := run(t, nil, func(p *kernel.Process) int {
		_, err := p.Fork(func(*kernel.Process) int { panic("ouch") }, kernel.ForkOptions{})
		must(t, err)
		r, err := p.Wait(p.Context(), -1, 0)
		must(t, err)
		return r.Status.Code()
	})
	if code != 134 || !strings.HasPrefix(out, "panic: ouch\n") {
		t.Errorf("code %d, output %q", code, out)
	}
}

func TestLimitOfProcesses(t *testing.T) {
	run(t, nil, func(p *kernel.Process) int {
		for i := 1; ; i++ {
			_, err := p.Fork(func(c *kernel.Process) int { <-c.Context().Done(); return 0 }, kernel.ForkOptions{})
			if err != nil {
				if err != syscall.EAGAIN || i != 200 {
					t.Errorf("process %d: %v", i+1, err)
				}
				return 0
			}
		}
	})
}

func TestStoppedJobOfAShellThatIsGone(t *testing.T) {
	run(t, nil, func(p *kernel.Process) int {
		job := make(chan int, 1)
		shell, err := p.Fork(func(s *kernel.Process) int {
			c, err := s.Fork(func(c *kernel.Process) int {
				_ = c.Raise(kernel.SIGTSTP)
				<-c.Context().Done()
				return 0
			}, kernel.ForkOptions{NewGroup: true})
			must(t, err)
			r, err := s.Wait(s.Context(), c.PID(), kernel.WUNTRACED)
			if err != nil || !r.Status.Stopped() {
				t.Errorf("%+v, %v", r, err)
			}
			job <- c.PID()
			return 0
		}, kernel.ForkOptions{NewSession: true})
		must(t, err)
		_, err = p.Wait(p.Context(), shell.PID(), 0)
		must(t, err)
		gone := <-job
		until(t, "the job is gone", func() bool { return p.Table().Find(gone) == nil })
		return 0
	})
}

// The first process is killed, and so are the others, of which one does not notice.
func TestDeafChildAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, map[string]kernel.Program{})
		deaf, started := make(chan struct{}), make(chan struct{})
		p := m.start(func(p *kernel.Process) int {
			_, err := p.Fork(func(*kernel.Process) int {
				close(started)
				<-deaf
				return 0
			}, kernel.ForkOptions{})
			must(t, err)
			_ = p.Sleep(p.Context(), time.Hour)
			return 0
		}, nil)
		<-started
		must(t, p.Signal(kernel.SIGKILL))
		<-m.ended
		close(deaf)
		synctest.Wait()
		if left := m.table.Processes(); len(left) != 0 || m.status.Code() != 137 {
			t.Errorf("code %d, left %+v", m.status.Code(), left)
		}
	})
}
