package kernel

import (
	"context"
	"io"
	"sync/atomic"
	"syscall"

	"github.com/sockerless/sockerless/store/rootfs"
)

// Stream is what is behind an open file: an end of a pipe, a terminal, a device, a regular file. Read gives io.EOF at
// the end. A call that blocks returns context.Cause(ctx) when ctx ends. Close is called once, at the last reference.
type Stream interface {
	Read(ctx context.Context, b []byte) (int, error)
	Write(ctx context.Context, b []byte) (int, error)
	Close() error
}

// Optional methods of a Stream.
type (
	seeker interface {
		Seek(offset int64, whence int) (int64, error)
	}
	statter  interface{ Stat() (*rootfs.Info, error) }
	readable interface{ Readable() bool }
	unreader interface{ Unread(b []byte) }
	named    interface{ Name() string }
	// jobControlled streams ask before a process reads (a terminal stops background readers) or writes.
	jobControlled interface {
		allow(p *Process, write bool) error
	}
)

// File is an open file (a file description of POSIX): what descriptors of one or more processes share. It counts its
// references and closes its Stream with the last one. Its methods may be called from any goroutine.
type File struct {
	stream Stream
	refs   atomic.Int32
}

// NewFile makes an open file with one reference, the caller's.
func NewFile(s Stream) *File {
	f := &File{stream: s}
	f.refs.Store(1)
	return f
}

// Ref adds a reference and returns f.
func (f *File) Ref() *File {
	f.refs.Add(1)
	return f
}

// Close drops a reference.
func (f *File) Close() error {
	switch n := f.refs.Add(-1); {
	case n == 0:
		return f.stream.Close()
	case n < 0:
		return syscall.EBADF
	}
	return nil
}

// Read reads; io.EOF is the end. ctx ends a read that blocks. A process reads through Process.Read.
func (f *File) Read(ctx context.Context, b []byte) (int, error) { return f.stream.Read(ctx, b) }

// Write writes all of b, or returns an error. A process writes through Process.Write.
func (f *File) Write(ctx context.Context, b []byte) (int, error) { return f.stream.Write(ctx, b) }

// Seek moves the offset; ESPIPE for what has none.
func (f *File) Seek(offset int64, whence int) (int64, error) {
	if s, ok := f.stream.(seeker); ok {
		return s.Seek(offset, whence)
	}
	return 0, syscall.ESPIPE
}

// Unread gives back the last bytes that were read, for the next reader; a program that read ahead does so before it leaves
// the file to another one. False is for what cannot take them back: a terminal, a device.
func (f *File) Unread(b []byte) bool {
	switch s := f.stream.(type) {
	case unreader:
		s.Unread(b)
		return true
	case seeker:
		_, err := s.Seek(-int64(len(b)), io.SeekCurrent)
		return err == nil
	}
	return false
}

// Regular is the file of the tree that is open, nil if it is none.
func (f *File) Regular() *rootfs.File {
	if r, ok := f.stream.(*regular); ok {
		return r.file
	}
	return nil
}

// Same tells whether two files are one open file description.
func (f *File) Same(other *File) bool { return f.stream == other.stream }

// Stat describes the file; EINVAL for what has no inode (a pipe).
func (f *File) Stat() (*rootfs.Info, error) {
	if s, ok := f.stream.(statter); ok {
		return s.Stat()
	}
	return nil, syscall.EINVAL
}

// Name is the path that the file was opened by, or what /proc shows: "pipe:[7]".
func (f *File) Name() string {
	if s, ok := f.stream.(named); ok {
		return s.Name()
	}
	return "anon_inode:[file]"
}

// TTY returns the terminal that the file is, nil if it is none.
func (f *File) TTY() *TTY {
	t, _ := f.stream.(*ttyFile)
	if t == nil {
		return nil
	}
	return t.tty
}

// IsTerminal says whether the file is a terminal.
func (f *File) IsTerminal() bool { return f.TTY() != nil }

// Readable says whether a read would not block.
func (f *File) Readable() bool {
	if s, ok := f.stream.(readable); ok {
		return s.Readable()
	}
	return true
}

// Read reads from a descriptor as read(2) does without SA_RESTART. The errors are io.EOF, EBADF, EINTR (a caught signal
// waits for TakeSignal), ErrKilled, the cause of ctx's end, and those of the file. ctx may end the read early; it is the
// process's own context otherwise.
func (p *Process) Read(ctx context.Context, fd int, b []byte) (int, error) {
	if err := p.Gate(); err != nil {
		return 0, err
	}
	f, err := p.fds.Get(fd)
	if err != nil {
		return 0, err
	}
	ctx, release := p.interruptible(ctx)
	defer release()
	return p.readFile(ctx, f, b)
}

func (p *Process) readFile(ctx context.Context, f *File, b []byte) (int, error) {
	if j, ok := f.stream.(jobControlled); ok {
		if err := j.allow(p, false); err != nil {
			return 0, err
		}
	}
	p.blocked()
	n, err := f.stream.Read(ctx, b)
	killed := p.stand()
	p.computes()
	p.read.Add(int64(n))
	if killed != nil {
		return 0, killed
	}
	return n, err
}

// Write writes all of b to a descriptor. It is not interrupted by caught signals. After EPIPE the process has SIGPIPE,
// whose default action ends it.
func (p *Process) Write(ctx context.Context, fd int, b []byte) (int, error) {
	if err := p.Gate(); err != nil {
		return 0, err
	}
	f, err := p.fds.Get(fd)
	if err != nil {
		return 0, err
	}
	return p.writeFile(ctx, f, b)
}

func (p *Process) writeFile(ctx context.Context, f *File, b []byte) (int, error) {
	if j, ok := f.stream.(jobControlled); ok {
		if err := j.allow(p, true); err != nil {
			return 0, err
		}
	}
	p.blocked()
	n, err := f.stream.Write(ctx, b)
	if err == syscall.EPIPE {
		_ = p.Kill(p.pid, SIGPIPE)
	}
	killed := p.stand()
	p.computes()
	p.written.Add(int64(n))
	if killed != nil && err == nil && n < len(b) {
		err = killed
	}
	return n, err
}

// Stdin returns descriptor 0 as a reader. Caught signals do not interrupt its reads.
func (p *Process) Stdin() io.Reader { return descriptor{p, 0} }

// Stdout returns descriptor 1 as a writer.
func (p *Process) Stdout() io.Writer { return descriptor{p, 1} }

// Stderr returns descriptor 2 as a writer.
func (p *Process) Stderr() io.Writer { return descriptor{p, 2} }

// Descriptor returns a descriptor, whatever is behind it at each call, as a reader and writer.
func (p *Process) Descriptor(fd int) io.ReadWriter { return descriptor{p, fd} }

type descriptor struct {
	p  *Process
	fd int
}

func (d descriptor) Read(b []byte) (int, error) {
	if err := d.p.Gate(); err != nil {
		return 0, err
	}
	f, err := d.p.fds.Get(d.fd)
	if err != nil {
		return 0, err
	}
	return d.p.readFile(d.p.ctx, f, b)
}

func (d descriptor) Write(b []byte) (int, error) { return d.p.Write(d.p.ctx, d.fd, b) }

// DescriptorNumber says which descriptor a reader or writer is that Stdin, Stdout, Stderr or Descriptor returned.
func DescriptorNumber(rw any) (fd int, ok bool) {
	d, ok := rw.(descriptor)
	return d.fd, ok
}
