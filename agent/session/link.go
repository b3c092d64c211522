package session

import (
	"bufio"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// link is one raw connection of a session.
type link struct {
	raw      net.Conn
	vectored bool          // writing several pieces to it is one system call
	ended    chan struct{} // closed when nobody uses the connection any more
	heard    atomic.Bool   // since the last tick
	said     atomic.Bool
	onFrame  func() // at the first frame that comes; may be nil

	// Guarded by the Conn's lock.
	dead      bool
	tell      bool // what was read here, even if it is nothing new
	closeSaid bool

	// The sender's own.
	head    [headerSize]byte
	pieces  [3][]byte
	buffers net.Buffers
	scratch []byte
}

func newLink(raw net.Conn) *link {
	l := &link{raw: raw, ended: make(chan struct{}), tell: true}
	switch raw.(type) {
	case *net.TCPConn, *net.UnixConn:
		l.vectored = true
	}
	return l
}

// kill makes serve return.
func (l *link) kill() { _ = l.raw.Close() }

// Read is the raw connection's, and notices that the peer lives.
func (l *link) Read(p []byte) (int, error) {
	n, err := l.raw.Read(p)
	if n > 0 {
		l.heard.Store(true)
	}
	return n, err
}

// serve carries the session over a link that was attached, until that breaks or the session is over, and says why it
// broke. greeting is sent before everything else.
func (c *Conn) serve(l *link, greeting []byte) error {
	defer close(l.ended)
	defer c.detach(l)
	defer l.kill()
	if len(greeting) > 0 {
		_ = l.raw.SetWriteDeadline(time.Now().Add(handshakeTimeout))
		if _, err := l.raw.Write(greeting); err != nil {
			return err
		}
	}
	if err := l.raw.SetDeadline(time.Time{}); err != nil {
		return err
	}
	sent := make(chan error, 1)
	go func() {
		err := c.send(l)
		l.kill()
		sent <- err
	}()
	watched := make(chan struct{})
	stop := make(chan struct{})
	go func() {
		defer close(watched)
		c.watch(l, stop)
	}()

	err := c.receive(l)
	l.kill()
	c.mu.Lock()
	l.dead = true
	c.sendable.Broadcast()
	c.mu.Unlock()
	close(stop)
	<-watched
	if sendErr := <-sent; errors.Is(err, net.ErrClosed) && sendErr != nil {
		err = sendErr
	}
	return err
}

// watch breaks a link on which nothing comes, and says something on one on which nothing goes.
func (c *Conn) watch(l *link, stop <-chan struct{}) {
	ticks := time.NewTicker(c.config.Heartbeat)
	defer ticks.Stop()
	for silent := 0; ; {
		select {
		case <-stop:
			return
		case <-ticks.C:
		}
		if silent++; l.heard.Swap(false) {
			silent = 0
		}
		if silent == 3 {
			l.kill()
			return
		}
		c.mu.Lock()
		c.out.release()
		if !c.filling {
			c.in.release()
		}
		if !l.said.Swap(false) {
			l.tell = true
			c.sendable.Signal()
		}
		c.mu.Unlock()
	}
}

// receive takes frames from the link.
func (c *Conn) receive(l *link) error {
	r := bufio.NewReaderSize(l, 64<<10)
	var head [headerSize]byte
	for {
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return err
		}
		h, err := decodeHeader(&head)
		if err == nil {
			err = c.acknowledge(h.read)
		}
		if err == nil && l.onFrame != nil {
			l.onFrame()
			l.onFrame = nil
		}
		switch {
		case err != nil:
		case h.kind == dataFrame:
			err = c.fill(r, h.length)
		case h.kind == closeFrame:
			c.peerClosed()
		case h.kind == byeFrame:
			c.end(net.ErrClosed)
			return net.ErrClosed
		}
		if err != nil {
			return err
		}
	}
}

// acknowledge frees what the peer's user has read.
func (c *Conn) acknowledge(read uint64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.over || c.remoteClosed || read <= c.out.start:
		return nil
	case read > c.next:
		return protocolError("the peer has read %d bytes of %d that were sent", read, c.next)
	}
	c.out.start = read
	c.writable.Broadcast()
	c.sendable.Signal()
	return nil
}

// fill moves n bytes from the link to where the user reads them. What has come counts, even if the link breaks amid.
func (c *Conn) fill(r *bufio.Reader, n int) error {
	for n > 0 {
		c.mu.Lock()
		room := c.in.reserve(n, c.config.Window)
		c.filling = len(room) > 0
		c.mu.Unlock()
		if len(room) == 0 {
			return protocolError("the peer has sent more than the window of %d bytes", c.config.Window)
		}
		got, err := r.Read(room)
		n -= got
		c.mu.Lock()
		c.filling = false
		c.in.end += uint64(got)
		if c.closed {
			c.consumed(got)
		}
		c.readable.Broadcast()
		c.mu.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

// peerClosed notes that nothing more comes, and that nobody there reads what is sent.
func (c *Conn) peerClosed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remoteClosed, c.byeDue = true, true
	c.out = ring{start: c.out.end, end: c.out.end}
	c.next = c.out.end
	c.lingering() // for the peer to close the raw connection
	c.readable.Broadcast()
	c.writable.Broadcast()
	c.sendable.Broadcast()
}

// send gives frames to the link as there is something to say.
func (c *Conn) send(l *link) error {
	for {
		h, a, b, ok := c.nextFrame(l)
		if !ok {
			return nil
		}
		if err := l.write(h, a, b); err != nil {
			return err
		}
		l.said.Store(true)
	}
}

// nextFrame waits for something to say. The pieces of its payload stay as they are until the peer has them.
func (c *Conn) nextFrame(l *link) (h header, a, b []byte, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !l.dead && !c.over {
		pending := min(int(c.out.end-c.next), c.peerWindow-int(c.next-c.out.start), maxPayload)
		switch {
		case c.byeDue:
			h.kind = byeFrame
			c.byeDue = false
		case c.remoteClosed:
		case pending > 0:
			h.kind, h.length = dataFrame, pending
			a, b = c.out.span(c.next, pending)
			c.next += uint64(pending)
		case c.closed && c.next == c.out.end && !l.closeSaid:
			h.kind = closeFrame
			l.closeSaid = true
		case l.tell || c.ackDue():
			h.kind = ackFrame
		}
		if h.kind != 0 {
			l.tell = false
			h.read, c.told = c.in.start, c.in.start
			return h, a, b, true
		}
		c.sendable.Wait()
	}
	return h, nil, nil, false
}

// write writes a frame at once, so that it is one record or message where the raw connection has these.
func (l *link) write(h header, a, b []byte) error {
	h.encode(&l.head)
	if l.vectored {
		l.pieces = [3][]byte{l.head[:], a, b}
		l.buffers = l.pieces[:]
		_, err := l.buffers.WriteTo(l.raw)
		return err
	}
	l.scratch = append(append(append(l.scratch[:0], l.head[:]...), a...), b...)
	_, err := l.raw.Write(l.scratch)
	return err
}
