package network

import (
	"context"
	"io"
	"net"
	"sync"
)

// Join carries bytes between two connections, and the end of each direction, until both have ended, one breaks, or ctx ends:
// then both are closed. What breaks on one side is broken off on the other. It returns how many bytes came from each.
// Datagrams stay as they are where both connections keep them.
func Join(ctx context.Context, a, b net.Conn) (fromA, fromB int64) {
	var once sync.Once
	breakOff := func() {
		once.Do(func() {
			reset(a)
			reset(b)
		})
	}
	stop := context.AfterFunc(ctx, breakOff)
	defer stop()
	var both sync.WaitGroup
	both.Go(func() { fromA = carry(b, a, breakOff) })
	fromB = carry(a, b, breakOff)
	both.Wait()
	a.Close() //nolint:errcheck // all is carried
	b.Close() //nolint:errcheck // as above
	return fromA, fromB
}

// buffers are what connections are carried in.
var buffers = sync.Pool{New: func() any { return new([piece]byte) }}

// carry copies one direction and its end.
func carry(to, from net.Conn, breakOff func()) (n int64) {
	buffer := buffers.Get().(*[piece]byte)
	defer buffers.Put(buffer)
	for {
		read, err := from.Read(buffer[:])
		if read > 0 || err == nil { // a datagram may be empty
			if _, err := to.Write(buffer[:read]); err != nil {
				breakOff()
				return n
			}
			n += int64(read)
		}
		switch {
		case err == io.EOF:
			if half, ok := to.(Half); ok {
				if half.CloseWrite() == nil {
					return n
				}
			}
			// It has no halves, or is gone: the end of one direction is that of both.
			to.Close() //nolint:errcheck // as above
			return n
		case err != nil:
			breakOff()
			return n
		}
	}
}

// reset breaks a connection off so that the other side does not take it for an end.
func reset(c net.Conn) {
	switch c := c.(type) {
	case Resetter:
		c.Reset() //nolint:errcheck // nobody to tell
	case *net.TCPConn:
		c.SetLinger(0) //nolint:errcheck // then it is closed already
		c.Close()      //nolint:errcheck // nobody to tell
	default:
		c.Close() //nolint:errcheck // nobody to tell
	}
}
