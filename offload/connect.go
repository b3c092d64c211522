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
	client, err := agent.Dial(ctx, target, b.config.Instance)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx) // it says more
		}
		return errors.Join(err, relay.Close())
	}
	b.change(k, func() { k.client, k.relay = client, relay })
	b.config.Failpoint("after connect")
	return nil
}

// open gives the target of a task's agent: its own socket where it is on this machine, else that of a relay.
func (b *Backend) open(ctx context.Context, i *intent, h Handle, ended <-chan struct{}) (target string, relay io.Closer, err error) {
	if sharer, ok := b.driver.(Sharer); ok {
		target = sharer.Target(h)
		return target, noRelay{}, b.awaitSocket(ctx, target)
	}
	socket := b.socket(i)
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) { // of an earlier server
		return "", nil, err
	}
	relay, err = b.config.Relay(socket, func(ctx context.Context) (net.Conn, error) { return b.dial(ctx, h, ended) })
	return "unix:" + socket, relay, err
}

// dial opens a connection to a task's agent, as soon as that can be reached.
func (b *Backend) dial(ctx context.Context, h Handle, ended <-chan struct{}) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // ends with dial
		select {
		case <-ended:
			cancel()
		case <-b.ctx.Done():
			cancel()
		case <-ctx.Done():
		}
	}()
	var conn net.Conn
	reach := patience{tries: 1 << 30, first: 50 * time.Millisecond, cap: 5 * time.Second, clock: b.config.Clock, dice: b.calls.dice}
	err := reach.try(ctx, func(ctx context.Context) (err error) {
		conn, err = b.reach(ctx, h)
		return err
	}, func(err error) (time.Duration, bool) { return 0, !errdefs.IsNotImplemented(err) })
	if err != nil {
		return nil, fmt.Errorf("reach the agent of task %s on %s: %w", h.ID, b.name, err)
	}
	return &watchedConn{Conn: conn, closed: sync.OnceFunc(b.poke)}, nil
}

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

// CloseWrite half-closes the connection, where it can be.
func (c *watchedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// poke asks for a poll now.
func (b *Backend) poke() {
	select {
	case b.kick <- struct{}{}:
	default:
	}
}
