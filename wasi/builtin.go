package wasi

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"path"
	"sync"
	"syscall"
	"time"

	"github.com/sockerless/sockerless/builtins"
	"github.com/sockerless/sockerless/store/rootfs"
	"github.com/sockerless/sockerless/wasi/kernel"
)

// builtinProgram makes a program of a command.
func builtinProgram(f builtins.Func) kernel.Program {
	return func(p *kernel.Process) int {
		return f(&builtins.Process{
			Context: p.Context(), Args: p.Args(), Env: p.Env(), Files: p.Files(),
			Stdin: p.Stdin(), Stdout: p.Stdout(), Stderr: p.Stderr(),
			System: &system{table: p.Table(), p: p},
		})
	}
}

// system is what a command sees of the kernel. p is nil for a command that looks from outside (docker top).
type system struct {
	table *kernel.Table
	p     *kernel.Process
}

// Run starts a program and waits for it.
func (s *system) Run(ctx context.Context, c builtins.Command) (int, error) {
	if len(c.Args) == 0 {
		return 0, syscall.EINVAL
	}
	view := s.p.Files()
	if c.Dir != "" {
		view = view.Clone()
		if err := view.Chdir(c.Dir); err != nil {
			return 0, err
		}
	}
	name, err := kernel.LookPath(view, c.Env, c.Args[0])
	if err != nil {
		return 0, rootfs.Errno(err)
	}
	if c.ReplacesCaller {
		return s.replace(name, c)
	}
	return s.child(ctx, name, c)
}

// replace runs the program as the calling process itself.
func (s *system) replace(name string, c builtins.Command) (int, error) {
	if c.Dir != "" {
		if err := s.p.Files().Chdir(c.Dir); err != nil {
			return 0, err
		}
	}
	var feeds feeds
	files, err := feeds.open(s.p, c)
	if err != nil {
		return 0, err
	}
	for fd, f := range files {
		if err := s.p.FDs().Set(fd, f); err != nil {
			return 0, err
		}
	}
	feeds.handedOver()
	defer feeds.wait()
	for _, sig := range c.Ignore {
		if err := s.p.SetAction(kernel.Signal(sig), kernel.Ignore); err != nil {
			return 0, err
		}
	}
	if c.NewSession {
		if err := s.p.Setsid(); err != nil {
			return 0, err
		}
	}
	if c.NewGroup {
		if err := s.p.Setpgid(0, 0); err != nil {
			return 0, err
		}
	}
	if c.Started != nil {
		c.Started(s.p.PID())
	}
	status, err := s.p.ExecInPlace(name, c.Args, c.Env)
	if errors.Is(err, syscall.ENOEXEC) {
		status, err = s.p.ExecInPlace("/bin/sh", shellArgs(name, c.Args), c.Env)
	}
	if len(files) > 0 {
		for fd := range files {
			_ = s.p.FDs().Close(fd)
		}
	}
	return status, execErrno(err)
}

// child runs the program as a child process. Its end is waited for even if ctx ends: then it is killed.
func (s *system) child(ctx context.Context, name string, c builtins.Command) (int, error) {
	var feeds feeds
	files, err := feeds.open(s.p, c)
	if err != nil {
		return 0, err
	}
	options := kernel.SpawnOptions{
		ForkOptions: kernel.ForkOptions{Files: files, NewGroup: c.NewGroup, NewSession: c.NewSession},
		Path:        name, Args: c.Args, Env: c.Env, Dir: c.Dir,
	}
	for _, sig := range c.Ignore {
		options.Ignore = append(options.Ignore, kernel.Signal(sig))
	}
	if options.Env == nil {
		options.Env = []string{}
	}
	child, err := s.p.Spawn(options)
	if errors.Is(err, syscall.ENOEXEC) {
		options.Path, options.Args = "/bin/sh", shellArgs(name, c.Args)
		child, err = s.p.Spawn(options)
	}
	feeds.handedOver()
	defer feeds.wait()
	if err != nil {
		return 0, execErrno(err)
	}
	if c.Started != nil {
		c.Started(child.PID())
	}
	for {
		r, err := s.p.Wait(ctx, child.PID(), 0)
		switch {
		case err == nil:
			return r.Status.Code(), nil
		case errors.Is(err, syscall.EINTR):
			s.p.TakeSignal()
		case errors.Is(err, kernel.ErrKilled):
			return 0, err
		default:
			_ = child.Signal(kernel.SIGKILL)
			ctx = s.p.Context()
		}
	}
}

// shellArgs are for a text file without an interpreter, which execvp(3) gives to the shell.
func shellArgs(name string, args []string) []string {
	return append([]string{"sh", name}, args[1:]...)
}

func execErrno(err error) error {
	var exec *kernel.ExecError
	if errors.As(err, &exec) {
		return exec
	}
	return err
}

// feeds carry what a command gives to its program that is no descriptor of its own.
type feeds struct {
	ours []*kernel.File // references that the program has too
	done sync.WaitGroup
}

// open returns the descriptors that the program has other than the caller.
func (f *feeds) open(p *kernel.Process, c builtins.Command) (map[int]*kernel.File, error) {
	files := map[int]*kernel.File{}
	input := func(r io.Reader) {
		if fd, ok := kernel.DescriptorNumber(r); ok {
			f.copyDescriptor(p, files, 0, fd)
			return
		}
		if r == nil {
			f.add(files, 0, kernel.NullFile())
			return
		}
		in, out := kernel.NewPipe()
		f.add(files, 0, in)
		// The reader may block for ever: nobody waits for it, it ends at its next read.
		go func() {
			_, _ = io.Copy(contextWriter{p.Context(), out}, r)
			_ = out.Close()
		}()
	}
	output := func(number int, w io.Writer) {
		if fd, ok := kernel.DescriptorNumber(w); ok {
			f.copyDescriptor(p, files, number, fd)
			return
		}
		if w == nil {
			f.add(files, number, kernel.NullFile())
			return
		}
		in, out := kernel.NewPipe()
		f.add(files, number, out)
		f.done.Go(func() {
			_, _ = io.Copy(w, contextReader{p.Context(), in})
			_ = in.Close()
		})
	}
	input(c.Stdin)
	output(1, c.Stdout)
	if c.Stderr != nil && c.Stderr == c.Stdout && files[1] != nil {
		f.add(files, 2, files[1].Ref())
	} else {
		output(2, c.Stderr)
	}
	return files, nil
}

func (f *feeds) add(files map[int]*kernel.File, fd int, file *kernel.File) {
	files[fd] = file
	f.ours = append(f.ours, file)
}

// copyDescriptor makes descriptor to of the program that of the caller.
func (f *feeds) copyDescriptor(p *kernel.Process, files map[int]*kernel.File, to, from int) {
	if to == from {
		return
	}
	if file, err := p.FDs().Get(from); err == nil {
		f.add(files, to, file.Ref())
	} else {
		files[to] = nil
	}
}

// handedOver drops the references that were opened for the program.
func (f *feeds) handedOver() {
	for _, file := range f.ours {
		_ = file.Close()
	}
	f.ours = nil
}

// wait waits until all output has been passed on.
func (f *feeds) wait() { f.done.Wait() }

type contextReader struct {
	ctx  context.Context
	file *kernel.File
}

func (r contextReader) Read(b []byte) (int, error) { return r.file.Read(r.ctx, b) }

type contextWriter struct {
	ctx  context.Context
	file *kernel.File
}

func (w contextWriter) Write(b []byte) (int, error) { return w.file.Write(w.ctx, b) }

// Processes lists the processes.
func (s *system) Processes() []builtins.ProcessInfo {
	all := s.table.Processes()
	list := make([]builtins.ProcessInfo, len(all))
	for i, p := range all {
		list[i] = builtins.ProcessInfo{
			PID: p.PID, PPID: p.PPID, PGID: p.PGID, SID: p.SID, UID: p.UID, GID: p.GID, State: p.State,
			Started: p.Started, CPU: p.CPU, TTY: p.TTY, Args: p.Args,
		}
		if len(p.Args) == 0 {
			list[i].Args = []string{"[" + path.Base(p.Path) + "]"}
		}
	}
	return list
}

// Kill sends a signal.
func (s *system) Kill(pid int, signal int) error { return s.p.Kill(pid, kernel.Signal(signal)) }

// PID is the process's id; 0 for who looks from outside.
func (s *system) PID() int {
	if s.p == nil {
		return 0
	}
	return s.p.PID()
}

// Hostname is the container's.
func (s *system) Hostname() string { return s.table.Hostname() }

// IsTerminal says whether a descriptor is a terminal.
func (s *system) IsTerminal(fd int) bool { return s.terminal(fd) != nil }

// TerminalSize is the window size of a descriptor's terminal.
func (s *system) TerminalSize(fd int) (rows, cols int, ok bool) {
	t := s.terminal(fd)
	if t == nil {
		return 0, 0, false
	}
	rows, cols = t.Size()
	return rows, cols, true
}

func (s *system) terminal(fd int) *kernel.TTY {
	if s.p == nil {
		return nil
	}
	f, err := s.p.FDs().Get(fd)
	if err != nil {
		return nil
	}
	return f.TTY()
}

// Now is the time.
func (s *system) Now() time.Time { return time.Now() }

// Block is for waits that the kernel does not know of.
func (s *system) Block(wait func()) { s.p.Block(wait) }

// Boot is when the container was started.
func (s *system) Boot() time.Time { return s.table.Boot() }

// CPUs is the number of processors.
func (s *system) CPUs() int { return s.table.CPUs() }

// Memory is what the container may have and what of it is free, in bytes.
func (s *system) Memory() (total, available int64) {
	total = s.table.Limits().Memory
	return total, total
}

// Dial connects to a host.
func (s *system) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	f, err := s.p.Dial(ctx, network, address)
	if err != nil {
		host, _, _ := net.SplitHostPort(address)
		return nil, lookupError(host, err)
	}
	return s.p.NetConn(f)
}

// Listen accepts connections.
func (s *system) Listen(network, address string) (net.Listener, error) {
	f, err := s.p.Listen(network, address)
	if err != nil {
		host, _, _ := net.SplitHostPort(address)
		return nil, lookupError(host, err)
	}
	return s.p.NetListener(f)
}

// LookupHost returns the addresses of a name.
func (s *system) LookupHost(ctx context.Context, name string) ([]netip.Addr, error) {
	addresses, err := s.p.LookupHost(ctx, name)
	return addresses, lookupError(name, err)
}

// lookupError is the kernel's error as Go has it, if a name has no address.
func lookupError(host string, err error) error {
	if errors.Is(err, kernel.ErrNoName) {
		return &net.DNSError{UnwrapErr: err, Err: kernel.ErrNoName.Error(), Name: host, IsNotFound: true}
	}
	return err
}
