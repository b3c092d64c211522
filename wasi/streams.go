package wasi

import (
	"context"
	"io"
	"sync"

	"github.com/sockerless/sockerless/agent"
	"github.com/sockerless/sockerless/agent/agentpb"
	"github.com/sockerless/sockerless/wasi/kernel"
)

// process is a process that was started from outside, with the ends of its streams.
type process struct {
	process *kernel.Process
	tty     *kernel.TTY
	stdin   *stdin
}

var _ agent.Process = (*process)(nil)

// streams are descriptors 0, 1 and 2; the caller has their references.
func (t *process) streams(p *agentpb.Process, out agent.Sink) [3]*kernel.File {
	if p.GetTty() {
		t.tty = kernel.NewTTY(func(ctx context.Context, b []byte) (int, error) {
			return out.WriteStream(ctx, agent.Stdout, b)
		})
		if size := p.GetSize(); size != nil {
			t.tty.Resize(int(size.GetRows()), int(size.GetColumns()))
		}
		terminal := t.tty.Open()
		return [3]*kernel.File{terminal, terminal.Ref(), terminal.Ref()}
	}
	var in *kernel.File
	if p.GetStdin() {
		t.stdin = &stdin{}
		in, t.stdin.file = kernel.NewPipe()
		t.stdin.ctx, t.stdin.ended = context.WithCancel(context.Background())
	} else {
		in = kernel.NullFile()
	}
	return [3]*kernel.File{
		in, kernel.NewFile(&sinkStream{out, agent.Stdout}), kernel.NewFile(&sinkStream{out, agent.Stderr}),
	}
}

// release lets go of the outer ends.
func (t *process) release() {
	if t.tty != nil {
		t.tty.Hangup()
	}
	if t.stdin != nil {
		t.stdin.ended()
		_ = t.stdin.Close()
	}
}

// PID is the process's id in its container.
func (t *process) PID() int64 { return int64(t.process.PID()) }

// Stdin is where input goes; nil if the process has none.
func (t *process) Stdin() io.WriteCloser {
	switch {
	case t.tty != nil:
		return keyboard{t.tty.Master()}
	case t.stdin != nil:
		return t.stdin
	}
	return nil
}

// Signal sends a signal from outside.
func (t *process) Signal(signal int) error { return t.process.Signal(kernel.Signal(signal)) }

// Resize sets the window size of the terminal.
func (t *process) Resize(rows, columns uint32) error {
	if t.tty != nil {
		t.tty.Resize(int(rows), int(columns))
	}
	return nil
}

// keyboard is a terminal's input. A client that ends its own does not hang up the terminal: others may attach.
type keyboard struct{ io.Writer }

func (keyboard) Close() error { return nil }

// stdin is the outer end of a standard input.
type stdin struct {
	file  *kernel.File
	ctx   context.Context // ends with the process
	ended context.CancelFunc
	once  sync.Once
}

// Write blocks while the pipe is full. It fails when the process has ended or nobody reads any more.
func (s *stdin) Write(b []byte) (int, error) { return s.file.Write(s.ctx, b) }

// Close ends the input; further calls do nothing.
func (s *stdin) Close() (err error) {
	s.once.Do(func() { err = s.file.Close() })
	return err
}

// sinkStream is a standard output.
type sinkStream struct {
	out    agent.Sink
	stream uint8
}

func (s *sinkStream) Read(context.Context, []byte) (int, error) { return 0, io.EOF }
func (s *sinkStream) Name() string                              { return "pipe:[2]" }
func (s *sinkStream) Close() error                              { return nil }

func (s *sinkStream) Write(ctx context.Context, b []byte) (int, error) {
	return s.out.WriteStream(ctx, s.stream, b)
}
