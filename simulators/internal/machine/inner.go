package machine

import (
	"context"
	"net"
	"sync"
)

// Conn is a connection of a task to an address of the cloud's own.
type Conn struct {
	net.Conn
	Container string // whose it is
}

// inner is a listener for tasks alone: it has no socket.
type inner struct {
	address string
	conns   chan net.Conn
	done    chan struct{}
	close   func()
}

func newInner(address string) *inner {
	l := &inner{address: address, conns: make(chan net.Conn), done: make(chan struct{})}
	l.close = sync.OnceFunc(func() { close(l.done) })
	return l
}

// dial is a task's way in.
func (l *inner) dial(ctx context.Context, container string) (net.Conn, error) {
	task, here := net.Pipe()
	select {
	case l.conns <- &Conn{here, container}:
		return task, nil
	case <-l.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
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
func (l *inner) Addr() net.Addr { return address(l.address) }

type address string

func (a address) Network() string { return "tcp" }
func (a address) String() string  { return string(a) }
