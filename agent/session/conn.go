package session

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// Conn is either end of a session. It is a net.Conn whose methods may be called from several goroutines at once.
type Conn struct {
	config Config
	id     [16]byte
	secret [32]byte
	onEnd  func() // called once, when the session is over

	mu       sync.Mutex
	readable sync.Cond // in has bytes, or there will be none
	writable sync.Cond // out has room, or it does not matter any more
	sendable sync.Cond // the link has something to send, or has to end

	in         ring   // start: what the user has read; end: what has come
	out        ring   // start: what the peer's user has read; end: what the user has written
	next       uint64 // of out, the next byte to be sent over this link
	told       uint64 // in.start as the peer knows it
	peerWindow int
	filling    bool // a link reads into the memory of in
	writing    bool // a Write is under way

	link         *link // nil while there is no raw connection
	local        net.Addr
	remote       net.Addr
	closed       bool // by the user
	remoteClosed bool // the peer's user has closed, and all that came before is in
	byeDue       bool
	linger       *time.Timer
	over         bool
	err          error // why it is over, if it was not closed
	done         chan struct{}

	readDeadline  deadline
	writeDeadline deadline
}

func newConn(config Config, id [16]byte, secret [32]byte) *Conn {
	c := &Conn{config: config, id: id, secret: secret, onEnd: func() {}, done: make(chan struct{})}
	c.readable.L, c.writable.L, c.sendable.L = &c.mu, &c.mu, &c.mu
	c.readDeadline.cond, c.writeDeadline.cond = &c.readable, &c.writable
	return c
}

// Read waits for bytes. At the end: io.EOF after the peer has closed, net.ErrClosed after Close, os.ErrDeadlineExceeded
// after the deadline, otherwise why the session has failed (usually a *LostError).
func (c *Conn) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		switch {
		case c.closed:
			return 0, c.opError("read", net.ErrClosed)
		case c.readDeadline.expired:
			return 0, c.opError("read", os.ErrDeadlineExceeded)
		case c.in.len() > 0 || len(p) == 0:
			return c.take(p), nil
		case c.remoteClosed:
			return 0, io.EOF
		case c.over:
			return 0, c.opError("read", c.err)
		}
		c.readable.Wait()
	}
}

// take hands bytes to the user and lets the peer know before its window is used up.
func (c *Conn) take(p []byte) int {
	a, b := c.in.span(c.in.start, min(len(p), c.in.len()))
	n := copy(p, a)
	n += copy(p[n:], b)
	c.consumed(n)
	return n
}

func (c *Conn) consumed(n int) {
	c.in.start += uint64(n)
	if c.ackDue() {
		c.sendable.Signal()
	}
}

func (c *Conn) ackDue() bool { return c.in.start-c.told >= uint64(c.config.Window/4) }

// Write waits until there is room for p among what the peer has not read yet. Bytes that it took are delivered, whatever
// happens to raw connections, unless the session ends.
func (c *Conn) Write(p []byte) (n int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.writing && c.writeError() == nil { // another Write's bytes stay together
		c.writable.Wait()
	}
	if err := c.writeError(); err != nil {
		return 0, c.opError("write", err)
	}
	c.writing = true
	defer func() {
		c.writing = false
		c.writable.Broadcast()
	}()
	for {
		if err := c.writeError(); err != nil {
			return n, c.opError("write", err)
		}
		if len(p) == 0 {
			return n, nil
		}
		room := c.out.reserve(len(p), c.config.Window)
		if len(room) == 0 {
			c.writable.Wait()
			continue
		}
		copied := copy(room, p)
		c.out.end += uint64(copied)
		n += copied
		p = p[copied:]
		c.sendable.Signal()
	}
}

func (c *Conn) writeError() error {
	switch {
	case c.closed:
		return net.ErrClosed
	case c.writeDeadline.expired:
		return os.ErrDeadlineExceeded
	case c.remoteClosed:
		return io.ErrClosedPipe
	case c.over:
		return c.err
	}
	return nil
}

// Close ends both directions. It does not wait: what was written before is still delivered in the background, for up to
// Config.Linger, and then the peer reads io.EOF. What the peer has written and nobody has read is dropped.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.opError("close", net.ErrClosed)
	}
	c.closed = true
	c.in.start = c.in.end
	c.readable.Broadcast()
	c.writable.Broadcast()
	c.sendable.Broadcast()
	c.lingering()
	return nil
}

// lingering bounds what is left to do.
func (c *Conn) lingering() {
	if c.linger == nil && !c.over {
		c.linger = time.AfterFunc(c.config.Linger, func() { c.end(net.ErrClosed) })
	}
}

// end makes the session be over.
func (c *Conn) end(why error) {
	c.mu.Lock()
	if c.over {
		c.mu.Unlock()
		return
	}
	c.over, c.err = true, why
	if c.linger != nil {
		c.linger.Stop()
	}
	c.out = ring{start: c.out.end, end: c.out.end}
	c.readable.Broadcast()
	c.writable.Broadcast()
	c.sendable.Broadcast()
	link := c.link
	close(c.done)
	c.mu.Unlock()
	if link != nil {
		link.kill()
	}
	c.onEnd()
}

// finished says of a session that has lost its link whether it needs another one.
func (c *Conn) finished() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.over || c.remoteClosed
}

// attach makes a raw connection the session's own, after both sides have said what they have.
func (c *Conn) attach(l *link, received uint64, window uint32) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.over || c.remoteClosed:
		return &LostError{Cause: errors.New("it has been closed")}
	case received < c.out.start || received > c.out.end:
		return protocolError("the peer claims to have %d bytes of a stream that is kept from %d to %d",
			received, c.out.start, c.out.end)
	}
	c.next, c.peerWindow, c.told = received, int(window), 0
	c.byeDue = false
	c.link, c.local, c.remote = l, l.raw.LocalAddr(), l.raw.RemoteAddr()
	return nil
}

// detach is the reverse.
func (c *Conn) detach(l *link) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.link == l {
		c.link = nil
	}
}

// received is up to where the peer's bytes have come.
func (c *Conn) received() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.in.end
}

// LocalAddr is that of the latest raw connection.
func (c *Conn) LocalAddr() net.Addr {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.local
}

// RemoteAddr is that of the latest raw connection.
func (c *Conn) RemoteAddr() net.Addr {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.remote
}

// SetDeadline sets both deadlines.
func (c *Conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline is for Reads, also those that wait already. The zero time is none.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.setDeadline(&c.readDeadline, t) }

// SetWriteDeadline is for Writes, also those that wait already. The zero time is none.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.setDeadline(&c.writeDeadline, t) }

func (c *Conn) setDeadline(d *deadline, t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.opError("set", net.ErrClosed)
	}
	d.reset(t)
	return nil
}

func (c *Conn) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: "session", Source: c.local, Addr: c.remote, Err: err}
}
