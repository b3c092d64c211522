package wasi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/sockerless/sockerless/agent"
	"github.com/sockerless/sockerless/agent/agentpb"
	"github.com/sockerless/sockerless/wasi/kernel"
)

// nativeProgram is the program of a native file: it runs in the container's twin, joined to this process's descriptors.
func (c *container) nativeProgram(file, why string) kernel.Program {
	return func(p *kernel.Process) int {
		code, err := c.runNative(p, file, why)
		if err != nil && p.Context().Err() == nil {
			fmt.Fprintf(p.Stderr(), "sockerless: exec: %q: %v\n", p.Args()[0], err)
		}
		return code
	}
}

// runNative runs a native program and returns its exit code; 126 with the reason where it did not run, 125 where its end is
// not known.
func (c *container) runNative(p *kernel.Process, file, why string) (int, error) {
	ctx := p.Context()
	var t *twin
	var err error
	p.Block(func() { t, err = c.native(ctx, file, why) })
	if err != nil {
		return 126, fmt.Errorf("permission denied: %s is %s: %w", file, why, err)
	}
	conflict := func(name string) {
		fmt.Fprintf(p.Stderr(), "sockerless: %s was changed by %s and in the sandbox at once: the one of %s is kept\n", name, path.Base(file), path.Base(file))
	}
	if !t.shared() {
		t.sync.Lock()
		_, err := c.send(ctx, t)
		if err == nil {
			err = t.exchange(ctx, conflict)
		}
		t.sync.Unlock()
		if err != nil {
			return 126, err
		}
	}
	code, err := c.join(ctx, p, t, file)
	if !t.shared() && ctx.Err() == nil {
		t.sync.Lock()
		defer t.sync.Unlock()
		err = errors.Join(err, c.fetch(ctx, t, conflict), t.exchange(ctx, conflict))
	}
	return code, err
}

// joined is a native program with the descriptors of the process that called it.
type joined struct {
	p      *kernel.Process
	client *agent.Client
	ids    [2]string // of container and exec
	stream *agent.Stream
	tty    *kernel.TTY // where all three descriptors are this terminal
	in     *kernel.File
	out    [3]*kernel.File // by agent.Stdout and agent.Stderr

	input sync.Mutex // the input methods of stream are for one at a time
}

// join runs a program in the twin until it ends.
func (c *container) join(ctx context.Context, p *kernel.Process, t *twin, file string) (int, error) {
	j := &joined{p: p, client: t.client, ids: [2]string{c.spec.GetId(), "native-" + newID()}}
	request, files, err := j.describe(t, file, c.spec.GetNative().GetDropEnv())
	defer j.close()
	if err != nil {
		return 126, err
	}
	// The program outlives neither this process nor its container; it is ended below, and not by the end of ctx, so that its
	// last output is not lost.
	stream, err := t.client.Attach(context.WithoutCancel(ctx), &agentpb.AttachOpen{
		Container: j.ids[0], Exec: j.ids[1], Process: request, Output: true,
		Stdin: request.GetStdin(), CountStdin: request.GetStdin() && !request.GetTty(),
	})
	var failure *agent.StartError
	switch {
	case errors.As(err, &failure):
		return failure.Code, errors.New(failure.Message)
	case err != nil:
		c.lose(t)
		return 125, fmt.Errorf("the container's twin does not answer: %w", err)
	}
	defer stream.Close()
	j.stream = stream
	exit, err := j.run(ctx)
	if err != nil {
		c.lose(t)
		return 125, fmt.Errorf("the container's twin ended while the program ran: %w", err)
	}
	for _, f := range exit.GetFiles() {
		if at := files[f.GetDescriptor_()]; at != nil {
			_, _ = at.Seek(f.GetOffset(), io.SeekStart) // a file that cannot seek has no offset to keep
		}
	}
	return int(exit.GetCode()), nil
}

// describe is the program as the twin is to start it. What is a file that both share is opened there, so that offsets and
// O_APPEND are right; files are these, by descriptor.
func (j *joined) describe(t *twin, file string, drop []string) (*agentpb.Process, map[uint32]*kernel.File, error) {
	p, view := j.p, j.p.Files()
	cred := view.Cred()
	r := &agentpb.Process{
		Args: p.Args(), Env: agent.FilterEnv(p.Env(), drop), Cwd: view.Getwd(), Umask: uint32(view.Umask()) + 1,
		User: strconv.FormatUint(uint64(cred.UID), 10) + ":" + strconv.FormatUint(uint64(cred.GID), 10),
		Path: file,
	}
	for _, g := range cred.Groups {
		r.Groups = append(r.Groups, strconv.FormatUint(uint64(g), 10))
	}
	for sig := kernel.Signal(1); sig <= kernel.MaxSignal; sig++ {
		if p.Action(sig) == kernel.Ignore {
			r.Ignored = append(r.Ignored, int32(sig))
		}
	}
	var fds [3]*kernel.File
	for fd := range fds {
		if f, err := p.FDs().Get(fd); err == nil {
			fds[fd] = f.Ref()
		}
	}
	j.in, j.out[agent.Stdout], j.out[agent.Stderr] = fds[0], fds[1], fds[2]
	if fds[0] != nil && fds[1] != nil && fds[2] != nil && fds[0].TTY() != nil && fds[0].TTY() == fds[1].TTY() && fds[0].TTY() == fds[2].TTY() {
		j.tty = fds[0].TTY()
		rows, columns := j.tty.Size()
		r.Tty, r.Stdin, r.Size = true, true, &agentpb.WindowSize{Rows: uint32(rows), Columns: uint32(columns)}
		return r, nil, nil
	}
	files := map[uint32]*kernel.File{}
	for fd, f := range fds {
		switch {
		case f == nil:
			r.Files = append(r.Files, &agentpb.OpenFile{Descriptor_: uint32(fd), Closed: true})
			continue
		case fd == 2 && fds[1] != nil && f.Same(fds[1]):
			r.Files = append(r.Files, &agentpb.OpenFile{Descriptor_: 2})
			continue
		}
		if open := shared(t, f); open != nil {
			open.Descriptor_ = uint32(fd)
			r.Files = append(r.Files, open)
			files[uint32(fd)] = f
		}
	}
	r.Stdin = fds[0] != nil && files[0] == nil && fds[0].Name() != "/dev/null"
	return r, files, nil
}

// shared is an open file as the twin can open it too, nil if it cannot.
func shared(t *twin, f *kernel.File) *agentpb.OpenFile {
	file := f.Regular()
	if file == nil || !t.shared() {
		return nil
	}
	name, err := file.HostPath()
	if err != nil || name == "" {
		return nil
	}
	offset, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil
	}
	mode := file.Flag() & (os.O_RDONLY | os.O_WRONLY | os.O_RDWR)
	return &agentpb.OpenFile{
		Path: name, Read: mode != os.O_WRONLY, Write: mode != os.O_RDONLY, Append: file.Flag()&os.O_APPEND != 0, Offset: offset,
	}
}

func (j *joined) close() {
	for _, f := range []*kernel.File{j.in, j.out[agent.Stdout], j.out[agent.Stderr]} {
		if f != nil {
			_ = f.Close() // a reference of ours
		}
	}
}

// run carries input, output and signals until the program has ended.
func (j *joined) run(ctx context.Context) (*agentpb.Exit, error) {
	if j.tty != nil {
		before := j.tty.Termios()
		j.tty.SetTermios(before.Raw())
		defer j.tty.SetTermios(before)
	}
	restore := j.catch()
	defer restore()
	type end struct {
		exit *agentpb.Exit
		err  error
	}
	ended := make(chan end, 1)
	input := newPump(j)
	go func() { // ends with the stream
		exit, err := j.output(ctx, input)
		ended <- end{exit, err}
	}()
	reading, stop := context.WithCancel(ctx)
	defer stop()
	go input.run(reading) // ends with reading
	for {
		var e end
		var done, killed bool
		pending := j.p.Pending()
		j.p.Block(func() {
			select {
			case e = <-ended:
				done = true
			case <-pending:
			case <-ctx.Done():
				killed = true
			}
		})
		if done {
			stop()
			input.giveBack(e.exit.GetStdinRead())
			return e.exit, e.err
		}
		if killed {
			j.signal(kernel.SIGKILL)
			e = <-ended
			stop()
			input.wait()
			return e.exit, e.err
		}
		for sig, ok := j.p.TakeSignal(); ok; sig, ok = j.p.TakeSignal() {
			if sig == kernel.SIGWINCH && j.tty != nil {
				j.resize()
				continue
			}
			j.signal(sig)
		}
	}
}

// catch makes the process catch what it would die of, to pass it on.
func (j *joined) catch() (restore func()) {
	var caught []kernel.Signal
	for sig := kernel.Signal(1); sig <= kernel.MaxSignal; sig++ {
		if sig == kernel.SIGKILL || sig == kernel.SIGSTOP || sig == kernel.SIGCHLD || sig == kernel.SIGPIPE || j.p.Action(sig) != kernel.Default {
			continue
		}
		if j.p.SetAction(sig, kernel.Catch) == nil {
			caught = append(caught, sig)
		}
	}
	return func() {
		for _, sig := range caught {
			_ = j.p.SetAction(sig, kernel.Default) // it had this action before
		}
	}
}

// signal passes a signal on, to the program and what it has started. A program that has just ended needs it no more.
func (j *joined) signal(sig kernel.Signal) {
	_ = j.client.Signal(context.WithoutCancel(j.p.Context()), j.ids[0], j.ids[1], -int(sig))
}

func (j *joined) resize() {
	rows, columns := j.tty.Size()
	j.input.Lock()
	defer j.input.Unlock()
	_ = j.stream.Resize(uint32(rows), uint32(columns)) // as signal
}

// output writes what the program writes, until its end. Where nobody reads it any more, the program is told, and gets EPIPE.
func (j *joined) output(ctx context.Context, input *pump) (*agentpb.Exit, error) {
	for {
		m, err := j.stream.Recv()
		if err != nil {
			return nil, err
		}
		switch m := m.GetOutput().(type) {
		case *agentpb.AttachOutput_Exit:
			return m.Exit, nil
		case *agentpb.AttachOutput_Taken:
			input.hasTaken(m.Taken)
		case *agentpb.AttachOutput_Data:
			stream := uint8(m.Data.GetStream())
			f := j.out[stream]
			if f == nil {
				continue
			}
			if _, err := f.Write(ctx, m.Data.GetData()); err != nil {
				_ = f.Close()
				j.out[stream] = nil
				j.closeOutput(stream)
			}
		}
	}
}

func (j *joined) closeOutput(stream uint8) {
	j.input.Lock()
	defer j.input.Unlock()
	_ = j.stream.CloseOutput(stream) // as signal
}

// maxAhead is how many bytes of input are under way to a program at most: what it does not read comes back.
const maxAhead = 256 << 10

// pump sends a process's standard input to its program, and keeps what the program may not have read.
type pump struct {
	j     *joined
	done  chan struct{}
	kept  []byte // the last bytes that were read
	first int64  // offset of kept
	taken atomic.Int64
	news  chan struct{} // has a value after a change of taken
}

func newPump(j *joined) *pump {
	return &pump{j: j, done: make(chan struct{}), news: make(chan struct{}, 1)}
}

// hasTaken takes note of how much is on its way to the program.
func (u *pump) hasTaken(n int64) {
	u.taken.Store(n)
	select {
	case u.news <- struct{}{}:
	default:
	}
}

// run reads and sends until ctx ends, the input does, or the program.
func (u *pump) run(ctx context.Context) {
	defer close(u.done)
	j := u.j
	if j.in == nil {
		return
	}
	for buf := make([]byte, 32<<10); ; {
		for j.tty == nil && u.first+int64(len(u.kept))-u.taken.Load() > maxAhead {
			select {
			case <-u.news:
			case <-ctx.Done():
				return
			}
		}
		n, err := j.in.Read(ctx, buf)
		u.keep(buf[:n])
		if ctx.Err() != nil {
			return
		}
		j.input.Lock()
		if n > 0 {
			err = errors.Join(j.stream.Stdin(buf[:n]), err)
		}
		if err != nil {
			_ = j.stream.CloseStdin() // fails only where the program has ended
		}
		j.input.Unlock()
		if err != nil {
			return
		}
	}
}

// keep remembers what was read, as far as it may come back.
func (u *pump) keep(b []byte) {
	u.kept = append(u.kept, b...)
	if extra := len(u.kept) - maxAhead - 2*kernel.PipeSize; extra > 0 {
		u.kept = slices.Delete(u.kept, 0, extra)
		u.first += int64(extra)
	}
}

func (u *pump) wait() { <-u.done }

// giveBack returns what the program did not read to who reads next.
func (u *pump) giveBack(read int64) {
	u.wait()
	if u.j.in == nil || u.j.tty != nil {
		return
	}
	if from := read - u.first; from >= 0 && from < int64(len(u.kept)) {
		u.j.in.Unread(u.kept[from:])
	}
}
