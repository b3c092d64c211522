package inside

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/containerd/errdefs"

	"github.com/sockerless/sockerless/agent"
	"github.com/sockerless/sockerless/agent/agentpb"
)

// maxSignal is the highest signal of Linux.
const maxSignal = 64

// process is a process that a server asked for.
type process struct {
	host    *Host
	child   *child
	first   bool
	streams *streams
	out     agent.Sink
	oom     int64 // kills for want of memory before it started
}

var (
	_ agent.Process      = (*process)(nil)
	_ agent.OutputCloser = (*process)(nil)
)

// PID is the process's id in the container.
func (p *process) PID() int64 { return int64(p.child.pid) }

// Stdin is where input goes; nil if the process has none.
func (p *process) Stdin() io.WriteCloser { return p.streams.input() }

// Signal sends a signal; a negative one to the process group that the process leads.
func (p *process) Signal(signal int) error {
	group := signal < 0
	if group {
		signal = -signal
	}
	if signal < 0 || signal > maxSignal {
		return errdefs.ErrInvalidArgument.WithMessage(fmt.Sprintf("no such signal: %d", signal))
	}
	err := p.host.children.signal(p.child, syscall.Signal(signal), group)
	if errors.Is(err, syscall.ESRCH) {
		return errdefs.ErrFailedPrecondition.WithMessage("the process is not running")
	}
	if err != nil {
		return fmt.Errorf("send signal %d to process %d: %w", signal, p.child.pid, err)
	}
	return nil
}

// Resize sets the window size of the process's terminal.
func (p *process) Resize(rows, columns uint32) error {
	if p.streams.tty == nil {
		return nil
	}
	if err := setSize(p.streams.tty, rows, columns); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("resize the terminal of process %d: %w", p.child.pid, err)
	}
	return nil
}

// CloseOutput closes a pipe that the process writes to.
func (p *process) CloseOutput(stream uint8) {
	for _, o := range p.streams.outs {
		if o.stream == stream && p.streams.tty == nil {
			_ = o.file.Close()
		}
	}
}

// follow sees a process through to its end.
func (p *process) follow() {
	h := p.host
	p.streams.run(h.ctx, p.out, h.reading.Go)
	status := <-p.child.ended
	if p.first {
		h.endContainer()
	}
	exit := &agentpb.Exit{Code: int32(status.ExitStatus())}
	if status.Signaled() {
		exit.Code = 128 + int32(status.Signal())
		exit.OutOfMemory = status.Signal() == syscall.SIGKILL && h.outOfMemory() > p.oom
	}
	for _, o := range p.streams.outs {
		if lost := o.end(); lost != nil && h.ctx.Err() == nil {
			exit.Error = "some of the output was lost: " + lost.Error()
		}
	}
	if p.streams.stdin != nil {
		exit.StdinRead = p.streams.stdin.end()
	}
	for _, f := range p.streams.files {
		exit.Files = append(exit.Files, f.state())
	}
	p.streams.closeFiles()
	exit.Time = time.Now().UnixNano()
	if p.first {
		h.ended(p)
	}
	p.out.End(exit)
}

// twin is the first process of a container that is a machine for native programs of a sandboxed one. It is none at all.
type twin struct {
	host *Host
	out  agent.Sink
	end  chan int // gets the signal that ends it
}

var _ agent.Process = (*twin)(nil)

// PID is that of the agent, which keeps the container alive.
func (t *twin) PID() int64 { return int64(os.Getpid()) }

// Stdin is nil.
func (t *twin) Stdin() io.WriteCloser { return nil }

// Resize does nothing.
func (t *twin) Resize(_, _ uint32) error { return nil }

// Signal ends the twin, unless by default the signal ends no process.
func (t *twin) Signal(signal int) error {
	if signal < 0 {
		signal = -signal
	}
	switch s := syscall.Signal(signal); {
	case signal > maxSignal:
		return errdefs.ErrInvalidArgument.WithMessage(fmt.Sprintf("no such signal: %d", signal))
	case s == 0, s == syscall.SIGCHLD, s == syscall.SIGCONT, s == syscall.SIGURG, s == syscall.SIGWINCH,
		s == syscall.SIGSTOP, s == syscall.SIGTSTP, s == syscall.SIGTTIN, s == syscall.SIGTTOU:
		return nil
	}
	select {
	case t.end <- signal:
	default: // it ends already
	}
	return nil
}

func (t *twin) follow() {
	code := 128 + <-t.end
	t.host.endContainer()
	t.host.ended(t)
	t.out.End(&agentpb.Exit{Code: int32(code), Time: time.Now().UnixNano()})
}
