package network

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/yamux"
)

// piece is how much of a write goes at once, in bytes, so that connections take turns.
const piece = 64 << 10

// conn is a connection over a stream.
//
// A stream of yamux ends like a TCP connection, each direction by itself, but it has no reset. So one is asked for by a
// request of its own, and who gets it closes the stream: only then does the other side, or an end that came before its time would look
// like a good one. And a connection that was closed goes on being read until its other end closes too: what still comes
// is answered by a reset, as TCP does, for else who sends would wait for ever.
type conn struct {
	session       *session
	stream        *yamux.Stream
	local, remote net.Addr

	broken context.Context // ends at a reset, of either side
	abort  context.CancelFunc

	once    sync.Once  // of Close and Reset
	reading sync.Mutex // held by a Read: who closes comes after it
	eof     bool       // guarded by reading
	closed  atomic.Bool

	packets sync.Mutex // held by a Read of a datagram
	packet  []byte     // what is there of the next one, with its length; guarded by packets
}

func newConn(s *session, stream *yamux.Stream) *conn {
	c := &conn{session: s, stream: stream, local: &net.TCPAddr{}, remote: &net.TCPAddr{}}
	c.broken, c.abort = context.WithCancel(s.ctx)
	return c
}

func (c *conn) Read(p []byte) (int, error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	if c.eof {
		return 0, io.EOF
	}
	n, err := c.stream.Read(p)
	if n > 0 {
		return n, nil
	}
	return 0, c.readError(err)
}

// readError is why a Read ended. What the end of the session has cut off is no end of file.
func (c *conn) readError(err error) error {
	switch {
	case c.closed.Load():
		return net.ErrClosed
	case c.broken.Err() != nil:
		return errReset()
	case errors.Is(err, io.EOF) && !c.session.mux.IsClosed():
		c.eof = true
		return io.EOF
	case errors.Is(err, yamux.ErrTimeout):
		return os.ErrDeadlineExceeded
	case err == nil:
		return nil // of a Read of nothing
	}
	return errReset()
}

func errReset() error { return NewError(Reset, "connection reset by peer") }

func (c *conn) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		part := p[:min(len(p), piece)]
		sent, err := c.stream.Write(part)
		n += sent
		if err != nil {
			return n, c.writeError(err)
		}
		p = p[len(part):]
	}
	return n, nil
}

func (c *conn) writeError(err error) error {
	switch {
	case c.broken.Err() != nil:
		return errReset()
	case c.closed.Load():
		return net.ErrClosed
	case errors.Is(err, yamux.ErrTimeout):
		return os.ErrDeadlineExceeded
	case errors.Is(err, yamux.ErrStreamClosed):
		return net.ErrClosed
	}
	return errReset()
}

// CloseWrite ends what is sent.
func (c *conn) CloseWrite() error { return c.stream.Close() }

// Close ends the connection.
func (c *conn) Close() error {
	c.once.Do(func() {
		c.closed.Store(true)
		c.stream.Close() //nolint:errcheck // it has no errors
		c.linger()
	})
	return nil
}

// Reset breaks the connection off: the other side reads an error, and nothing more is sent.
func (c *conn) Reset() error {
	c.once.Do(func() {
		c.closed.Store(true)
		c.abort()
		c.session.spawn(c.sendReset)
		c.stream.SetWriteDeadline(time.Unix(1, 0)) //nolint:errcheck // it has no errors
		c.linger()
	})
	return nil
}

// sendReset asks the other side to break off.
func (c *conn) sendReset() {
	r, err := c.session.open()
	if err != nil {
		return // nothing is left to break off
	}
	send(r, request{Version: version, Op: opReset, Stream: c.stream.StreamID()}) //nolint:errcheck // as above
	r.Close()                                                                    //nolint:errcheck // as above
}

// wasReset breaks off what the other side has broken off.
func (c *conn) wasReset() {
	c.abort()
	c.stream.SetDeadline(time.Unix(1, 0)) //nolint:errcheck // it has no errors
	c.stream.Close()                      //nolint:errcheck // it has no errors
}

// linger reads a closed connection to its end in the background.
func (c *conn) linger() {
	c.stream.SetReadDeadline(time.Unix(1, 0)) //nolint:errcheck // it has no errors
	if !c.session.spawn(c.drain) {
		c.abort()
	}
}

func (c *conn) drain() {
	defer c.session.forget(c)
	defer c.abort()
	defer c.stream.Close() //nolint:errcheck // it has no errors
	c.reading.Lock()       // a Read that waits has seen the deadline
	defer c.reading.Unlock()
	if c.eof {
		return
	}
	c.stream.SetReadDeadline(time.Time{}) //nolint:errcheck // it has no errors
	told := c.broken.Err() != nil
	buffer := make([]byte, 512)
	for {
		n, err := c.stream.Read(buffer)
		if err != nil {
			return
		}
		if n > 0 && !told {
			told = true
			c.abort()
			c.sendReset()
		}
	}
}

func (c *conn) LocalAddr() net.Addr  { return c.local }
func (c *conn) RemoteAddr() net.Addr { return c.remote }

func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

func (c *conn) SetReadDeadline(t time.Time) error {
	if c.closed.Load() || c.broken.Err() != nil {
		return net.ErrClosed
	}
	return c.stream.SetReadDeadline(t)
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	if c.closed.Load() || c.broken.Err() != nil {
		return net.ErrClosed
	}
	return c.stream.SetWriteDeadline(t)
}

// netAddr is an address of a connection as its side sees it that made it; zero where that is not known.
func netAddr(network string, at netip.AddrPort) net.Addr {
	if isDatagram(network) {
		return net.UDPAddrFromAddrPort(at)
	}
	return net.TCPAddrFromAddrPort(at)
}

// addrPort is an address of any connection; not valid where it has none.
func addrPort(a net.Addr) netip.AddrPort {
	if a, ok := a.(interface{ AddrPort() netip.AddrPort }); ok {
		at := a.AddrPort()
		return netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
	}
	return netip.AddrPort{}
}
