package session

import (
	"context"
	"crypto/subtle"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/containerd/errdefs"
)

// Listener is a net.Listener whose connections are the sessions that Dialers open.
type Listener struct {
	raw       net.Listener
	config    Config
	work      sync.WaitGroup
	listening context.Context // until Close
	stop      context.CancelFunc

	mu       sync.Mutex
	changed  sync.Cond
	sessions map[[16]byte]*peer
	greeting map[net.Conn]struct{} // raw connections that have not said yet whose they are
	ready    []*Conn
	err      error // of Accept, once there is nothing more to come
}

// peer is a session as the listening side keeps it.
type peer struct {
	*Conn
	attaching sync.Mutex // held while one link replaces another
	attempt   uint64
	latest    *link
	expiry    *time.Timer // while it has no link
	announced bool        // to Accept; guarded by the Listener's lock
}

// Listen opens sessions over the raw connections that come from raw, which it owns.
func Listen(raw net.Listener, config Config) *Listener {
	l := &Listener{raw: raw, config: config.withDefaults(), sessions: map[[16]byte]*peer{}, greeting: map[net.Conn]struct{}{}}
	l.changed.L = &l.mu
	l.listening, l.stop = context.WithCancel(context.Background())
	l.work.Go(l.accept)
	return l
}

// Accept waits for a new session.
func (l *Listener) Accept() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.ready) == 0 {
		if l.err != nil {
			return nil, l.err
		}
		l.changed.Wait()
	}
	c := l.ready[0]
	l.ready = l.ready[1:]
	return c, nil
}

// Addr is that of the raw listener.
func (l *Listener) Addr() net.Addr { return l.raw.Addr() }

// Close ends the raw listener. Sessions that were accepted go on as long as their present raw connection does, those
// that nobody has accepted end.
func (l *Listener) Close() error {
	l.stop()
	err := l.raw.Close()
	l.fail(&net.OpError{Op: "accept", Net: "session", Addr: l.raw.Addr(), Err: net.ErrClosed})
	return err
}

// Wait returns, after Close, when the sessions have ended, each with what was still to be delivered. They have to be
// closed for that.
func (l *Listener) Wait() { l.work.Wait() }

// fail makes it known that no raw connections come any more.
func (l *Listener) fail(err error) {
	l.mu.Lock()
	if l.err == nil {
		l.err = err
	}
	over := l.ready
	l.ready = nil
	for raw := range l.greeting {
		_ = raw.Close()
	}
	for _, p := range l.sessions {
		if !p.announced || !p.linked() {
			over = append(over, p.Conn)
		}
	}
	l.changed.Broadcast()
	l.mu.Unlock()
	for _, c := range over {
		c.end(&LostError{Cause: errors.New("this side does not listen any more")})
	}
}

func (l *Listener) accept() {
	const longest = time.Second
	for pause := time.Duration(0); ; {
		raw, err := l.raw.Accept()
		if err != nil {
			var temporary interface{ Temporary() bool }
			if errors.As(err, &temporary) && temporary.Temporary() { // as net/http does: too many open files, for example
				pause = min(max(2*pause, 5*time.Millisecond), longest)
				if sleep(l.listening, pause) {
					continue
				}
			}
			l.fail(err)
			return
		}
		pause = 0
		l.mu.Lock()
		if l.err != nil {
			l.mu.Unlock()
			_ = raw.Close()
			continue
		}
		l.greeting[raw] = struct{}{}
		l.mu.Unlock()
		l.work.Go(func() { l.serve(raw) })
	}
}

// serve finds out whose raw connection it is and carries the session over it.
func (l *Listener) serve(raw net.Conn) {
	defer raw.Close()
	h, err := readHello(raw)
	if err != nil {
		if errdefs.IsDataLoss(err) { // it hears which version this is
			_, _ = raw.Write((&welcome{answer: unknown}).encode())
		}
		l.greeted(raw)
		return
	}
	p := l.find(&h)
	l.greeted(raw)
	if p == nil {
		_, _ = raw.Write((&welcome{answer: unknown}).encode())
		return
	}
	link, w := p.replace(raw, &h)
	if link == nil {
		_, _ = raw.Write(w.encode())
		return
	}
	link.onFrame = func() { l.announce(p) }
	err = p.serve(link, w.encode())
	switch {
	case p.finished():
		p.end(io.ErrClosedPipe)
	case errdefs.IsDataLoss(err):
		p.end(err)
	default:
		p.await(link, l.isClosed())
	}
}

func (l *Listener) greeted(raw net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.greeting, raw)
}

func (l *Listener) isClosed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err != nil
}

func readHello(raw net.Conn) (hello, error) {
	if err := raw.SetDeadline(time.Now().Add(handshakeTimeout)); err != nil {
		return hello{}, err
	}
	var b [helloSize]byte
	if _, err := io.ReadFull(raw, b[:]); err != nil {
		return hello{}, err
	}
	return decodeHello(&b)
}

// find is the session that a greeting is for, nil if there is none or it has another secret.
func (l *Listener) find(h *hello) *peer {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.sessions[h.id]
	if p == nil && h.kind == opening && l.err == nil {
		p = &peer{Conn: newConn(l.config, h.id, h.secret)}
		p.onEnd = func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			delete(l.sessions, h.id)
		}
		l.sessions[h.id] = p
	}
	if p == nil || subtle.ConstantTimeCompare(p.secret[:], h.secret[:]) != 1 {
		return nil
	}
	return p
}

// announce gives a session to Accept, when the peer is known to have got the answer to its greeting.
func (l *Listener) announce(p *peer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !p.announced && l.err == nil {
		p.announced = true
		l.ready = append(l.ready, p.Conn)
		l.changed.Signal()
	}
}

func (p *peer) linked() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.link != nil
}

// replace makes raw the session's connection, once the one before it has come to its end; only then it is known how
// much has come. Without a link the answer is a refusal.
func (p *peer) replace(raw net.Conn, h *hello) (*link, welcome) {
	p.attaching.Lock()
	defer p.attaching.Unlock()
	if h.attempt <= p.attempt {
		return nil, welcome{answer: stale}
	}
	p.attempt = h.attempt
	if p.latest != nil {
		p.latest.kill()
		<-p.latest.ended
	}
	if p.expiry != nil {
		p.expiry.Stop()
	}
	link := newLink(raw)
	if err := p.attach(link, h.received, h.window); err != nil {
		if errdefs.IsDataLoss(err) {
			p.end(err)
		}
		return nil, welcome{answer: unknown}
	}
	p.latest = link
	return link, welcome{answer: accepted, received: p.received(), window: uint32(p.config.Window)}
}

// await gives the peer time to come back after a link has broken, unless it has done so already, or cannot.
func (p *peer) await(broken *link, never bool) {
	p.attaching.Lock()
	defer p.attaching.Unlock()
	switch {
	case p.latest != broken:
	case never:
		p.end(&LostError{Cause: errors.New("this side does not listen any more")})
	default:
		attempt := p.attempt
		p.expiry = time.AfterFunc(p.config.Timeout, func() {
			p.attaching.Lock()
			defer p.attaching.Unlock()
			if p.attempt == attempt {
				p.end(&LostError{Away: p.config.Timeout})
			}
		})
	}
}
