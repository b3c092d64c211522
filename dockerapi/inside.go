package dockerapi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Inside accepts the connections that containers make to the engine's socket in them. What comes over one may do what a [scope]
// lets that container do.
type Inside struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// NewInside makes a listener for [Server.Serve].
func NewInside() *Inside { return &Inside{conns: make(chan net.Conn), closed: make(chan struct{})} }

// Connect makes a connection of a container's.
func (l *Inside) Connect(ctx context.Context, container string) (net.Conn, error) {
	up, fromUp := net.Pipe()
	down, fromDown := net.Pipe()
	served := &insideConn{half{read: fromUp, write: down}, container}
	select {
	case l.conns <- served:
		return &half{read: fromDown, write: up}, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept returns the next connection.
func (l *Inside) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, fmt.Errorf("accept: %w", net.ErrClosed)
	}
}

// Close ends accepting.
func (l *Inside) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr is that of a socket, which has no name.
func (l *Inside) Addr() net.Addr { return insideAddr }

var insideAddr = &net.UnixAddr{Net: "unix"}

// insideConn is the server's side of a container's connection.
type insideConn struct {
	half
	container string
}

// half is a connection in memory whose directions end each by itself.
type half struct{ read, write net.Conn }

func (c *half) Read(p []byte) (int, error)         { return c.read.Read(p) }
func (c *half) Write(p []byte) (int, error)        { return c.write.Write(p) }
func (c *half) CloseWrite() error                  { return c.write.Close() }
func (c *half) Close() error                       { return errors.Join(c.write.Close(), c.read.Close()) }
func (c *half) LocalAddr() net.Addr                { return insideAddr }
func (c *half) RemoteAddr() net.Addr               { return insideAddr }
func (c *half) SetReadDeadline(t time.Time) error  { return c.read.SetReadDeadline(t) }
func (c *half) SetWriteDeadline(t time.Time) error { return c.write.SetWriteDeadline(t) }
func (c *half) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}
