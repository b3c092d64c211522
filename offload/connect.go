package offload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/containerd/errdefs"

	"github.com/sockerless/sockerless/agent"
	"github.com/sockerless/sockerless/agent/session"
)

// socket is where the agent of an attempt is reached on this machine.
func (b *Backend) socket(i *intent) string {
	return filepath.Join(b.config.RuntimeDir, taskName(b.config.Instance, i.Attempt)[:19]+".sock")
}

// connect reaches a task's agent: by a socket on this machine whose other side is dialled anew whenever it breaks, so that
// the client, and whoever else dials the client's target, needs to know nothing of the platform. It ends early once the
// platform says that the task has ended.
func (b *Backend) connect(ctx context.Context, k *task) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	handle, ended := *k.intent.Handle, k.ended
	go func() { // ends with connect
		select {
		case <-ended:
			cancel(&EndedError{Backend: b.name, Status: k.status})
		case <-ctx.Done():
		}
	}()
	b.config.Failpoint("before connect")
	target, relay, err := b.open(ctx, &k.intent, handle, ended)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx) // it says more
		}
		return fmt.Errorf("connect to its agent: %w", err)
	}
	// A connection that breaks while the agent is greeted is not its end: only the platform tells that.
	var client *agent.Client
	err = b.reaching().try(ctx, func(ctx context.Context) (err error) {
		client, err = agent.Dial(ctx, target, b.config.Instance)
		return err
	}, func(err error) (time.Duration, bool) { return 0, errdefs.IsUnavailable(err) })
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx) // it says more
		}
		return errors.Join(err, relay.Close())
	}
	b.change(k, func() {
		k.client, k.relay = client, relay
		if b.ctx.Err() != nil { // Close has let go of all that there was
			err = errors.Join(errdefs.ErrUnavailable.WithMessage("the server ends"), k.letGo())
		}
	})
	if err != nil {
		return err
	}
	b.config.Failpoint("after connect")
	return nil
}

// open gives the target of a task's agent: its own socket where it is on this machine, else that of a relay.
func (b *Backend) open(ctx context.Context, i *intent, h Handle, ended <-chan struct{}) (target string, relay io.Closer, err error) {
	if sharer, ok := b.driver.(Sharer); ok {
		return sharer.Target(h), noRelay{}, nil
	}
	socket := b.socket(i)
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) { // of an earlier server
		return "", nil, err
	}
	s := b.sessions(h, ended)
	listener, err := b.config.Relay(socket, func(ctx context.Context) (net.Conn, error) { return s.dial(ctx) })
	if err != nil {
		return "", nil, err
	}
	return "unix:" + socket, &sessionRelay{listener, s}, nil
}

// sessions are the connections to one agent. Each goes on, with nothing lost, when what is beneath it has been cut.
type sessions struct {
	backend *Backend
	handle  Handle
	ended   <-chan struct{} // of the task
	closed  chan struct{}
	dialer  session.Dialer
}

func (b *Backend) sessions(h Handle, ended <-chan struct{}) *sessions {
	s := &sessions{backend: b, handle: h, ended: ended, closed: make(chan struct{})}
	// After Close there is nothing left to say that the agent has to hear.
	s.dialer = session.Dialer{Dial: s.reach, Config: session.Config{Linger: time.Second}}
	return s
}

// dial opens a connection as soon as the agent can be reached.
func (s *sessions) dial(ctx context.Context) (net.Conn, error) {
	b := s.backend
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // ends with dial
		select {
		case <-s.ended:
			cancel()
		case <-b.ctx.Done():
			cancel()
		case <-ctx.Done():
		}
	}()
	var conn net.Conn
	err := b.reaching().try(ctx, func(ctx context.Context) (err error) {
		conn, err = s.dialer.DialContext(ctx)
		return err
	}, func(err error) (time.Duration, bool) {
		return 0, !errdefs.IsNotImplemented(err) && !errdefs.IsDataLoss(err)
	})
	if err != nil {
		return nil, fmt.Errorf("reach the agent of task %s on %s: %w", s.handle.ID, b.name, err)
	}
	return conn, nil
}

// reach makes a connection beneath a session, once. Where there will be none any more the session ends.
func (s *sessions) reach(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	over := func() *session.LostError {
		select {
		case <-s.ended:
			return &session.LostError{Cause: errors.New("the task has ended")}
		case <-s.closed:
			return &session.LostError{Cause: errors.New("the server has let go of the task")}
		default:
			return nil
		}
	}
	go func() { // ends with reach
		select {
		case <-s.ended:
		case <-s.closed:
		case <-ctx.Done():
		}
		cancel()
	}()
	conn, err := s.backend.reach(ctx, s.handle)
	if lost := over(); lost != nil {
		if conn != nil {
			_ = conn.Close()
		}
		return nil, lost
	}
	if err != nil {
		return nil, err
	}
	return &watchedConn{Conn: conn, closed: sync.OnceFunc(s.backend.poke)}, nil
}

// sessionRelay is a relay with the sessions that go over it.
type sessionRelay struct {
	io.Closer
	sessions *sessions
}

// Close ends the connections, after what was written has been delivered where the agent is reached.
func (r *sessionRelay) Close() error {
	close(r.sessions.closed)
	err := r.Closer.Close()
	r.sessions.dialer.Wait()
	return err
}

// reach makes a connection to an agent's listener of sessions, once.
func (b *Backend) reach(ctx context.Context, h Handle) (net.Conn, error) {
	if c, ok := b.driver.(Connector); ok {
		conn, err := c.Connect(ctx, h)
		if !errdefs.IsNotImplemented(err) {
			return conn, err
		}
	}
	if b.config.Gate == nil {
		return nil, errdefs.ErrNotImplemented.WithMessage(
			"the platform has no way to it, and the server no address where agents dial back")
	}
	return b.config.Gate.Dial(ctx, h.Attempt)
}

// reaching is how an agent is tried to be reached: until the context ends.
func (b *Backend) reaching() patience {
	return patience{tries: 1 << 30, first: 50 * time.Millisecond, cap: 5 * time.Second, clock: b.config.Clock, dice: b.calls.dice}
}

// watchedConn tells when it ends, which may be the first sign of a task's end.
type watchedConn struct {
	net.Conn
	closed func()
}

func (c *watchedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil {
		c.closed()
	}
	return n, err
}

func (c *watchedConn) Close() error {
	c.closed()
	return c.Conn.Close()
}

// poke asks for a poll now.
func (b *Backend) poke() {
	select {
	case b.kick <- struct{}{}:
	default:
	}
}
