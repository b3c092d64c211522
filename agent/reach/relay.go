package reach

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Relay is a unix socket on this machine behind which an agent is, for the server and for its cells.
type Relay struct {
	path     string
	listener *net.UnixListener
	dial     func(ctx context.Context) (net.Conn, error)
	ctx      context.Context
	cancel   context.CancelFunc
	work     sync.WaitGroup
}

// NewRelay listens at a path, in place of what is there, for this user only; each connection is joined with one of its
// own that dial makes. One that cannot be made ends the connection.
func NewRelay(path string, dial func(ctx context.Context) (net.Conn, error)) (*Relay, error) {
	l, err := listenPrivate(path)
	if err != nil {
		return nil, fmt.Errorf("relay to agent: %w", err)
	}
	r := &Relay{path: path, listener: l, dial: dial}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.work.Go(r.accept)
	return r, nil
}

// listenPrivate makes a socket that nobody else could ever connect to: it gets its mode in a private folder first.
func listenPrivate(path string) (*net.UnixListener, error) {
	private, err := os.MkdirTemp(filepath.Dir(path), ".r")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(private)
	temporary := filepath.Join(private, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: temporary, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	if err := os.Chmod(temporary, 0o600); err != nil {
		_ = l.Close()
		return nil, err
	}
	if err := os.Rename(temporary, path); err != nil {
		_ = l.Close()
		return nil, err
	}
	return l, nil
}

// Target is the relay as gRPC names it.
func (r *Relay) Target() string { return "unix:" + r.path }

// Close removes the socket and ends all connections.
func (r *Relay) Close() error {
	r.cancel()
	err := r.listener.Close()
	_ = os.Remove(r.path)
	r.work.Wait()
	return err
}

func (r *Relay) accept() {
	for {
		c, err := r.listener.AcceptUnix()
		if err != nil {
			return
		}
		r.work.Go(func() {
			defer c.Close()
			r.connect(c)
		})
	}
}

const (
	earlyBytes = 64 << 10
	patience   = 10 * time.Second
)

// connect reaches the agent and joins c with it. While that takes its time, c is read: who has gone meanwhile, as a
// gRPC client does that tries again and again, is not waited for.
func (r *Relay) connect(c *net.UnixConn) {
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	early := make([]byte, 0, earlyBytes)
	var end error
	read := make(chan struct{})
	go func() {
		defer close(read)
		for end == nil && len(early) < cap(early) {
			var n int
			n, end = c.Read(early[len(early):cap(early)])
			early = early[:len(early)+n]
		}
		if end != nil && !errors.Is(end, os.ErrDeadlineExceeded) {
			time.AfterFunc(patience, cancel) // it may have ended one direction only
		}
	}()
	far, err := r.dial(ctx)
	_ = c.SetReadDeadline(time.Unix(1, 0))
	<-read
	if err != nil {
		return
	}
	defer far.Close()
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		return
	}
	if _, err := far.Write(early); err != nil {
		return
	}
	join(r.ctx, c, far)
}

// join carries bytes both ways until both directions have ended, or one that cannot end by itself.
func join(ctx context.Context, a, b net.Conn) {
	closeBoth := func() {
		_ = a.Close()
		_ = b.Close()
	}
	stop := context.AfterFunc(ctx, closeBoth)
	defer stop()
	var both sync.WaitGroup
	carry := func(to, from net.Conn) {
		half, ok := to.(interface{ CloseWrite() error })
		if err := copyStream(to, from); err != nil || !ok || half.CloseWrite() != nil {
			closeBoth()
		}
	}
	both.Go(func() { carry(a, b) })
	both.Go(func() { carry(b, a) })
	both.Wait()
}

// pieces are the buffers of copies that the kernel cannot do.
var pieces = sync.Pool{New: func() any { return new([128 << 10]byte) }}

func copyStream(to, from net.Conn) error {
	if kernel(to) && kernel(from) {
		_, err := io.Copy(to, from) // splice
		return err
	}
	buf := pieces.Get().(*[128 << 10]byte)
	defer pieces.Put(buf)
	_, err := io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{from}, buf[:])
	return err
}

func kernel(c net.Conn) bool {
	switch c.(type) {
	case *net.TCPConn, *net.UnixConn:
		return true
	}
	return false
}
