package machine

import (
	"context"
	"net"
	"sync"
)

// inner is a listener for tasks alone: it has no socket.
type inner struct {
	conns chan net.Conn
	done  chan struct{}
	close func()
}

func newInner() *inner {
	l := &inner{conns: make(chan net.Conn), done: make(chan struct{})}
	l.close = sync.OnceFunc(func() { close(l.done) })
	return l
}

// dial is a task's way in.
func (l *inner) dial(ctx context.Context, _, address string) (net.Conn, bool, error) {
	if address != MetadataAddress {
		return nil, false, nil
	}
	task, here := net.Pipe()
	select {
	case l.conns <- here:
		return task, true, nil
	case <-l.done:
		return nil, true, net.ErrClosed
	case <-ctx.Done():
		return nil, true, ctx.Err()
	}
}

// Accept waits for a task.
func (l *inner) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close lets no further task in; a second one is nothing.
func (l *inner) Close() error {
	l.close()
	return nil
}

// Addr is the address that tasks know.
func (l *inner) Addr() net.Addr { return address(MetadataAddress) }

type address string

func (a address) Network() string { return "tcp" }
func (a address) String() string  { return string(a) }
