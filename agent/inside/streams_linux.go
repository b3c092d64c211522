package inside

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sockerless/sockerless/agent"
	"github.com/sockerless/sockerless/agent/agentpb"
)

// pieceSize is the most that is read of a process's output at once.
const pieceSize = 64 << 10

// pieces are buffers of pieceSize bytes, held only while there is something to read.
var pieces = sync.Pool{New: func() any { return new([pieceSize]byte) }}

// pipe makes a pipe. Our end does not block, the process's does, as programs expect.
func pipe(ours int) (our *os.File, theirs int, err error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return nil, -1, fmt.Errorf("make a pipe: %w", err)
	}
	if err := unix.SetNonblock(p[ours], true); err != nil {
		_, _ = unix.Close(p[0]), unix.Close(p[1])
		return nil, -1, fmt.Errorf("make a pipe: %w", err)
	}
	return os.NewFile(uintptr(p[ours]), "pipe"), p[1-ours], nil
}

// unread is how many bytes wait in a pipe, which either end tells, or in a terminal.
func unread(f *os.File) int {
	n := 0
	conn, err := f.SyscallConn()
	if err != nil {
		return 0
	}
	_ = conn.Control(func(fd uintptr) { // fails for a closed file: nothing waits
		// Looking at a terminal makes it take in what its other end has written.
		_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		n, _ = unix.IoctlGetInt(int(fd), unix.TIOCINQ)
	})
	return n
}

// output is a stream of a process's output on its way to the sink.
type output struct {
	file    *os.File // our end of the pipe, or the terminal
	stream  uint8
	drained chan struct{} // closed when all that the process wrote was delivered
	lost    error         // why some of it was not; to be read once drained
}

func newOutput(file *os.File, stream uint8) *output {
	return &output{file: file, stream: stream, drained: make(chan struct{})}
}

// run delivers output. What comes after the process's end, from processes that it has left behind, is read and dropped: they
// are not to be killed by a closed pipe.
func (o *output) run(ctx context.Context, sink agent.Sink) {
	delivering := true
	deliver := func(p []byte) {
		if delivering && o.lost == nil {
			_, o.lost = sink.WriteStream(ctx, o.stream, p)
		}
	}
	for {
		err := o.wait()
		if errors.Is(err, os.ErrDeadlineExceeded) && delivering { // the process has ended: see end
			o.rest(deliver)
			delivering = false
			close(o.drained)
			_ = o.file.SetReadDeadline(time.Time{})
			continue
		}
		if err == nil {
			buf := pieces.Get().(*[pieceSize]byte)
			var n int
			n, err = o.file.Read(buf[:])
			deliver(buf[:n])
			pieces.Put(buf)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				continue
			}
		}
		if err != nil { // io.EOF, or EIO of a terminal that nobody has open any more
			break
		}
	}
	if delivering {
		close(o.drained)
	}
	_ = o.file.Close()
}

// wait returns when there is something to read.
func (o *output) wait() error {
	conn, err := o.file.SyscallConn()
	if err != nil {
		return err
	}
	first := true
	return conn.Read(func(fd uintptr) bool {
		if !first {
			return true
		}
		first = false
		var list = []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(list, 0)
		return err == nil && n > 0
	})
}

// rest delivers what waits at this moment, and not what others go on to write.
func (o *output) rest(deliver func([]byte)) {
	conn, err := o.file.SyscallConn()
	if err != nil {
		return
	}
	buf := pieces.Get().(*[pieceSize]byte)
	defer pieces.Put(buf)
	for left := unread(o.file); left > 0; {
		n := 0
		err := conn.Control(func(fd uintptr) { n, _ = unix.Read(int(fd), buf[:min(left, pieceSize)]) })
		if err != nil || n <= 0 {
			return
		}
		deliver(buf[:n])
		left -= n
	}
}

// end lets what the process has written be delivered, and waits for that.
func (o *output) end() error {
	_ = o.file.SetReadDeadline(time.Unix(1, 0)) // fails where all was delivered already
	<-o.drained
	return o.lost
}

// stdin is the outer end of a pipe that is a process's standard input.
type stdin struct {
	writer *os.File

	mu      sync.Mutex
	reader  *os.File // once the input has ended: it is only asked what is left
	closed  bool
	written int64
}

// Write blocks while the pipe is full. It fails when the process has ended, or nobody reads any more.
func (s *stdin) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, os.ErrClosed
	}
	n, err := s.writer.Write(p)
	s.written += int64(n)
	return n, err
}

// Close ends the input. What waits in the pipe can still be read.
func (s *stdin) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	// What waits when the last descriptor is closed is lost, and nobody could tell how much it was.
	conn, err := s.writer.SyscallConn()
	if err == nil {
		err = conn.Control(func(fd uintptr) {
			s.reader, _ = os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", fd), os.O_RDONLY|unix.O_NONBLOCK, 0) // nil: all counts as read
		})
	}
	return errors.Join(err, s.writer.Close())
}

// end stops writers, and tells how many bytes were read. It comes when the process has ended.
func (s *stdin) end() int64 {
	_ = s.writer.SetWriteDeadline(time.Unix(1, 0)) // fails where it is closed
	s.mu.Lock()
	defer s.mu.Unlock()
	left := 0
	if s.reader != nil {
		left = unread(s.reader)
		_ = s.reader.Close()
	}
	if !s.closed {
		s.closed = true
		left = unread(s.writer)
		_ = s.writer.Close()
	}
	return s.written - int64(left)
}

// keyboard is a terminal's input. A client that ends its own does not hang up the terminal: others may attach.
type keyboard struct{ io.Writer }

func (keyboard) Close() error { return nil }

// shared is a file that a process has as a standard stream.
type shared struct {
	fd   int
	spec *agentpb.OpenFile
}

// state is the file with the offset that it has now.
func (s shared) state() *agentpb.OpenFile {
	now := &agentpb.OpenFile{
		Descriptor_: s.spec.GetDescriptor_(), Path: s.spec.GetPath(),
		Read: s.spec.GetRead(), Write: s.spec.GetWrite(), Append: s.spec.GetAppend(), Offset: s.spec.GetOffset(),
	}
	if at, err := unix.Seek(s.fd, 0, io.SeekCurrent); err == nil { // a device has no offset
		now.Offset = at
	}
	return now
}

// openShared opens a file for a process. Only a regular file or a device can be shared by its path.
func openShared(spec *agentpb.OpenFile) (fd int, err error) {
	flags := unix.O_RDONLY
	switch {
	case spec.GetRead() && spec.GetWrite():
		flags = unix.O_RDWR
	case spec.GetWrite():
		flags = unix.O_WRONLY
	}
	if spec.GetAppend() {
		flags |= unix.O_APPEND
	}
	at, err := walk(spec.GetPath(), noFollow)
	if err == nil {
		fd, err = at.open(flags|unix.O_NONBLOCK, 0)
		at.close()
	}
	if err != nil {
		return -1, err
	}
	var st unix.Stat_t
	if err = unix.Fstat(fd, &st); err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG && st.Mode&unix.S_IFMT != unix.S_IFCHR {
		err = syscall.EINVAL
	}
	if err == nil {
		err = unix.SetNonblock(fd, false)
	}
	if err == nil && st.Mode&unix.S_IFMT == unix.S_IFREG {
		_, err = unix.Seek(fd, spec.GetOffset(), io.SeekStart)
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}
