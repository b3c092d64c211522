package session

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/containerd/errdefs"
)

// Dialer opens sessions. It must not be copied.
type Dialer struct {
	// Dial makes a raw connection to the Listener of the peer. It is called again whenever one has broken.
	Dial   func(ctx context.Context) (net.Conn, error)
	Config Config

	sessions sync.WaitGroup
}

// Waits between attempts to reach the peer, in seconds; the first attempt is at once.
const (
	firstPause = 50 * time.Millisecond
	longPause  = 5 * time.Second
)

// DialContext opens a session. ctx is for the first raw connection only, which is tried once.
func (d *Dialer) DialContext(ctx context.Context) (net.Conn, error) {
	var id [16]byte
	var secret [32]byte
	_, _ = rand.Read(id[:]) // never fails
	_, _ = rand.Read(secret[:])
	c := newConn(d.Config.withDefaults(), id, secret)
	l, err := d.connect(ctx, c, opening, 1)
	if err != nil {
		return nil, fmt.Errorf("open session: %w", err)
	}
	redial, cancel := context.WithCancel(context.Background())
	c.onEnd = cancel
	d.sessions.Go(func() {
		defer cancel()
		d.keep(redial, c, l)
	})
	return c, nil
}

// Wait returns when the sessions that were opened have ended, each with what was still to be delivered. They have to be
// closed for that.
func (d *Dialer) Wait() { d.sessions.Wait() }

// keep serves the session over one raw connection after the other.
func (d *Dialer) keep(ctx context.Context, c *Conn, l *link) {
	pause := time.Duration(0)
	for attempt := uint64(2); ; {
		cause := c.serve(l, nil)
		switch {
		case c.finished():
			c.end(io.ErrClosedPipe)
			return
		case errdefs.IsDataLoss(cause):
			c.end(cause)
			return
		}
		if l.onFrame == nil { // it was of use
			pause = 0
		}
		lost := time.Now()
		for l = nil; l == nil; attempt++ {
			away := time.Since(lost)
			if away >= c.config.Timeout {
				c.end(&LostError{Away: c.config.Timeout, Cause: cause})
				return
			}
			if !sleep(ctx, min(jitter(pause), c.config.Timeout-away)) {
				return
			}
			pause = min(max(2*pause, firstPause), longPause)
			once, cancel := context.WithDeadline(ctx, lost.Add(c.config.Timeout))
			var err error
			l, err = d.connect(once, c, resuming, attempt)
			cancel()
			var gone *LostError
			if errors.As(err, &gone) || errdefs.IsDataLoss(err) {
				c.end(err)
				return
			}
			if err != nil {
				cause = err
			}
		}
	}
}

// connect makes a raw connection and greets the peer.
func (d *Dialer) connect(ctx context.Context, c *Conn, kind byte, attempt uint64) (*link, error) {
	raw, err := d.Dial(ctx)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer stop()
	l := newLink(raw)
	if err := greet(c, l, kind, attempt); err != nil {
		_ = raw.Close()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	l.onFrame = func() {}
	return l, nil
}

func greet(c *Conn, l *link, kind byte, attempt uint64) error {
	if err := l.raw.SetDeadline(time.Now().Add(handshakeTimeout)); err != nil {
		return err
	}
	h := hello{kind: kind, id: c.id, secret: c.secret, attempt: attempt, received: c.received(), window: uint32(c.config.Window)}
	if _, err := l.raw.Write(h.encode()); err != nil {
		return fmt.Errorf("greet: %w", err)
	}
	var b [welcomeSize]byte
	if _, err := io.ReadFull(l.raw, b[:]); err != nil {
		return fmt.Errorf("wait for the answer to the greeting: %w", err)
	}
	w, err := decodeWelcome(&b)
	if err != nil {
		return err
	}
	switch w.answer {
	case unknown:
		return &LostError{Cause: errors.New("the peer does not know it (any more): it was restarted, has closed it or given it up")}
	case stale:
		return errors.New("the peer has a later connection of this session")
	}
	return c.attach(l, w.received, w.window)
}

// jitter is a random part of d, at least half of it: many sessions that were cut at once do not come back at once.
func jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return d/2 + mathrand.N(d/2+1)
}

// sleep waits, and says whether ctx is still on.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
