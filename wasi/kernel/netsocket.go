package kernel

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// socket is an end of a connection.
type socket interface {
	Stream
	CloseWrite() error
	// Reset breaks the connection off: the other side reads ECONNRESET.
	Reset() error
	addresses() (local, remote net.Addr)
}

// newSocketPair makes a connection within the memory of this process.
func newSocketPair(network string, client, server netip.AddrPort) (mine, theirs socket) {
	here, there := netAddr(network, client), netAddr(network, server)
	if network == "udp" {
		a, b := &packets{}, &packets{}
		return &packetSocket{in: a, out: b, local: here, remote: there}, &packetSocket{in: b, out: a, local: there, remote: here}
	}
	broken := new(atomic.Bool)
	a, b := &pipe{readers: 1, writers: 1}, &pipe{readers: 1, writers: 1}
	return &streamSocket{in: a, out: b, broken: broken, local: here, remote: there},
		&streamSocket{in: b, out: a, broken: broken, local: there, remote: here}
}

func netAddr(network string, at netip.AddrPort) net.Addr {
	if network == "udp" {
		return net.UDPAddrFromAddrPort(at)
	}
	return net.TCPAddrFromAddrPort(at)
}

// streamSocket is an end of a TCP connection in memory.
type streamSocket struct {
	in, out       *pipe
	broken        *atomic.Bool // of both ends
	shut          sync.Once
	closed        sync.Once
	local, remote net.Addr
}

func (s *streamSocket) Read(ctx context.Context, b []byte) (int, error) {
	n, err := s.in.read(ctx, b)
	return n, end(err, s.broken.Load())
}

func (s *streamSocket) Write(ctx context.Context, b []byte) (int, error) {
	n, err := s.out.write(ctx, b)
	return n, end(err, s.broken.Load())
}

func (s *streamSocket) CloseWrite() error {
	s.shut.Do(func() { s.out.close(0, 1) })
	return nil
}

// Close ends both directions. What the other side has sent and nobody read is lost, and it is told so, as by TCP.
func (s *streamSocket) Close() error {
	s.closed.Do(func() {
		if s.in.full() {
			s.broken.Store(true)
		}
		_ = s.CloseWrite()
		s.in.close(1, 0)
	})
	return nil
}

func (s *streamSocket) Reset() error {
	s.broken.Store(true)
	return s.Close()
}

func (s *streamSocket) Readable() bool                      { return s.in.readable() }
func (s *streamSocket) Name() string                        { return "socket:[1]" }
func (s *streamSocket) addresses() (local, remote net.Addr) { return s.local, s.remote }

// full says whether something waits in the pipe.
func (p *pipe) full() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.n > 0
}

// packetLimit is how many datagrams wait to be read; further ones are lost.
const packetLimit = 512

// packets is one direction of a flow of datagrams.
type packets struct {
	mu      sync.Mutex
	queue   [][]byte
	gone    bool          // nobody reads, or nobody writes any more
	changed chan struct{} // closed at the next change; made by a waiter
}

func (p *packets) change() {
	if p.changed != nil {
		close(p.changed)
		p.changed = nil
	}
}

func (p *packets) read(ctx context.Context, b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.queue) == 0 {
		if p.gone {
			return 0, io.EOF
		}
		if p.changed == nil {
			p.changed = make(chan struct{})
		}
		changed := p.changed
		p.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
		p.mu.Lock()
		if ctx.Err() != nil && len(p.queue) == 0 {
			return 0, context.Cause(ctx)
		}
	}
	n := copy(b, p.queue[0])
	p.queue = p.queue[1:]
	return n, nil
}

func (p *packets) write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.gone:
		return 0, syscall.ECONNREFUSED
	case len(b) > 65507:
		return 0, syscall.EMSGSIZE
	case len(p.queue) < packetLimit:
		p.queue = append(p.queue, append([]byte(nil), b...))
		p.change()
	}
	return len(b), nil
}

func (p *packets) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gone = true
	p.change()
}

// packetSocket is an end of a flow of datagrams in memory.
type packetSocket struct {
	in, out       *packets
	local, remote net.Addr
}

func (s *packetSocket) Read(ctx context.Context, b []byte) (int, error) { return s.in.read(ctx, b) }
func (s *packetSocket) Write(_ context.Context, b []byte) (int, error)  { return s.out.write(b) }
func (s *packetSocket) CloseWrite() error                               { return nil }
func (s *packetSocket) Reset() error                                    { return s.Close() }
func (s *packetSocket) Name() string                                    { return "socket:[1]" }
func (s *packetSocket) addresses() (local, remote net.Addr)             { return s.local, s.remote }

func (s *packetSocket) Readable() bool {
	s.in.mu.Lock()
	defer s.in.mu.Unlock()
	return len(s.in.queue) > 0 || s.in.gone
}

func (s *packetSocket) Close() error {
	s.in.close()
	s.out.close()
	return nil
}

// unheardSocket sends datagrams to where nobody listens: the first one is refused, which is known at the next call.
type unheardSocket struct {
	at   netip.AddrPort
	sent chan struct{} // closed at the first datagram, and at the end
	once sync.Once
}

func newUnheard(at netip.AddrPort) socket { return &unheardSocket{at: at, sent: make(chan struct{})} }

func (s *unheardSocket) Read(ctx context.Context, _ []byte) (int, error) {
	select {
	case <-s.sent:
		return 0, syscall.ECONNREFUSED
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

func (s *unheardSocket) Write(_ context.Context, b []byte) (int, error) {
	n, err := 0, error(syscall.ECONNREFUSED)
	s.once.Do(func() {
		close(s.sent)
		n, err = len(b), nil
	})
	return n, err
}

func (s *unheardSocket) Close() error {
	s.once.Do(func() { close(s.sent) })
	return nil
}

func (s *unheardSocket) CloseWrite() error { return nil }
func (s *unheardSocket) Reset() error      { return s.Close() }
func (s *unheardSocket) Name() string      { return "socket:[1]" }

func (s *unheardSocket) Readable() bool {
	select {
	case <-s.sent:
		return true
	default:
		return false
	}
}

func (s *unheardSocket) addresses() (local, remote net.Addr) {
	return netAddr("udp", netip.AddrPortFrom(s.at.Addr(), 0)), netAddr("udp", s.at)
}

// remoteSocket is a connection that goes beyond the container.
type remoteSocket struct {
	conn     net.Conn
	datagram bool
	reading  sync.Mutex // held by a read, so that one that is given up does not end another
	writing  sync.Mutex
}

func newRemote(c net.Conn, network string) socket {
	return &remoteSocket{conn: c, datagram: network == "udp"}
}

// past is a deadline that ends a call at once.
var past = time.Unix(1, 0)

func (s *remoteSocket) Read(ctx context.Context, b []byte) (int, error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	return s.call(ctx, s.conn.SetReadDeadline, func() (int, error) { return s.conn.Read(b) })
}

func (s *remoteSocket) Write(ctx context.Context, b []byte) (int, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.call(ctx, s.conn.SetWriteDeadline, func() (int, error) { return s.conn.Write(b) })
}

// call calls a read or write that ends with ctx.
func (s *remoteSocket) call(ctx context.Context, deadline func(time.Time) error, f func() (int, error)) (int, error) {
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		_ = deadline(past) // it is closed if this fails
	})
	n, err := f()
	if !stop() {
		<-ended
		_ = deadline(time.Time{})
		if err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
			return n, context.Cause(ctx)
		}
	}
	if err != nil && err != io.EOF {
		err = connectError(err)
	}
	return n, err
}

func (s *remoteSocket) CloseWrite() error {
	if s.datagram {
		return nil
	}
	if half, ok := s.conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return syscall.EOPNOTSUPP
}

func (s *remoteSocket) Reset() error {
	switch c := s.conn.(type) {
	case interface{ Reset() error }:
		return c.Reset()
	case *net.TCPConn:
		_ = c.SetLinger(0)
	}
	return s.conn.Close()
}

func (s *remoteSocket) Close() error { return s.conn.Close() }
func (s *remoteSocket) Name() string { return "socket:[1]" }
func (s *remoteSocket) addresses() (local, remote net.Addr) {
	return s.conn.LocalAddr(), s.conn.RemoteAddr()
}

// NetConn makes a net.Conn, with CloseWrite, of a file of Dial or Accept. It takes over the reference, and keeps it as a
// descriptor of the process, which closes it at its end. EINVAL for a file of another kind.
func (p *Process) NetConn(f *File) (net.Conn, error) {
	s, ok := f.stream.(socket)
	if !ok {
		return nil, syscall.EINVAL
	}
	fd, err := p.keep(f)
	if err != nil {
		return nil, err
	}
	return newNetConn(p.ctx, s,
		func(ctx context.Context, b []byte) (int, error) { return p.readFile(ctx, f, b) },
		func(ctx context.Context, b []byte) (int, error) { return p.transmit(ctx, s, b) },
		func() error { return p.drop(fd, f) }), nil
}

// transmit writes to a socket as with MSG_NOSIGNAL: a connection that is broken is an error and no SIGPIPE, as Go has it.
func (p *Process) transmit(ctx context.Context, s socket, b []byte) (int, error) {
	p.blocked()
	n, err := s.Write(ctx, b)
	killed := p.stand()
	p.computes()
	p.written.Add(int64(n))
	if killed != nil && err == nil && n < len(b) {
		err = killed
	}
	return n, err
}

// netConn is a socket as Go's packages want it.
type netConn struct {
	socket      socket
	read, write func(ctx context.Context, b []byte) (int, error)
	close       func() error
	in, out     deadline
}

func newNetConn(ctx context.Context, s socket, read, write func(context.Context, []byte) (int, error), close func() error) *netConn {
	c := &netConn{socket: s, read: read, write: write, close: close}
	c.in.base, c.out.base = ctx, ctx
	return c
}

func (c *netConn) CloseWrite() error                  { return c.socket.CloseWrite() }
func (c *netConn) SetReadDeadline(t time.Time) error  { c.in.set(t); return nil }
func (c *netConn) SetWriteDeadline(t time.Time) error { c.out.set(t); return nil }

func (c *netConn) Read(b []byte) (int, error) {
	ctx := c.in.context()
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	return c.read(ctx, b)
}

func (c *netConn) Write(b []byte) (int, error) {
	ctx := c.out.context()
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	return c.write(ctx, b)
}

func (c *netConn) LocalAddr() net.Addr {
	local, _ := c.socket.addresses()
	return local
}

func (c *netConn) RemoteAddr() net.Addr {
	_, remote := c.socket.addresses()
	return remote
}

func (c *netConn) SetDeadline(t time.Time) error {
	c.in.set(t)
	c.out.set(t)
	return nil
}

// Close ends the connection, and calls that wait in it.
func (c *netConn) Close() error {
	c.in.end(net.ErrClosed)
	c.out.end(net.ErrClosed)
	return c.close()
}

// Reset breaks the connection off.
func (c *netConn) Reset() error {
	_ = c.socket.Reset()
	return c.Close()
}

// deadline is a context that ends at a time which may be set while others wait for it.
type deadline struct {
	base context.Context

	mu     sync.Mutex
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	closed bool
}

func (d *deadline) context() context.Context {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.current()
}

func (d *deadline) current() context.Context {
	if d.ctx == nil {
		d.ctx, d.cancel = context.WithCancelCause(d.base)
	}
	return d.ctx
}

func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	if d.timer != nil && !d.timer.Stop() || d.ctx != nil && d.ctx.Err() != nil {
		d.ctx = nil // its time has come
	}
	d.timer = nil
	d.current()
	cancel := d.cancel
	switch {
	case t.IsZero():
	case time.Until(t) <= 0:
		cancel(os.ErrDeadlineExceeded)
	default:
		d.timer = time.AfterFunc(time.Until(t), func() { cancel(os.ErrDeadlineExceeded) })
	}
}

// end ends all calls, now and later.
func (d *deadline) end(why error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
	}
	d.closed = true
	d.current()
	d.cancel(why)
}
