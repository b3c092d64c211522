package transport

import (
	"crypto/tls"
	"net"
)

// frontListener hands fasthttp connections whose first request has a Host, and knows which are still open.
type frontListener struct {
	net.Listener
	server *Server
}

func (l *frontListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	_, secure := c.(*tls.Conn)
	_, tcp := l.Addr().(*net.TCPAddr)
	fc := &frontConn{Conn: c, server: l.server, plainTCP: tcp && !secure, scan: hostScan{bol: true}}
	l.server.mu.Lock()
	l.server.conns[fc] = struct{}{}
	l.server.mu.Unlock()
	return fc, nil
}

// frontConn mends an empty Host header in the first request of a connection.
//
// The Docker client's DialHijack sends `Host:` with nothing behind it (legal, RFC 9112 3.2) on a connection of its own, and
// fasthttp answers 400 to that since 1.70. Later requests of a connection come from HTTP clients that fill it in.
type frontConn struct {
	net.Conn
	server   *Server
	plainTCP bool
	scan     hostScan
	pending  []byte // read from Conn, or put in, and not yet handed on
}

// Read is net.Conn's; only one goroutine reads at a time.
func (c *frontConn) Read(p []byte) (int, error) {
	if len(c.pending) > 0 {
		n := copy(p, c.pending)
		c.pending = c.pending[n:]
		return n, nil
	}
	n, err := c.Conn.Read(p)
	if c.scan.done || n == 0 {
		return n, err
	}
	at := c.scan.find(p[:n])
	if at < 0 {
		return n, err
	}
	c.pending = append([]byte("localhost"), p[at:n]...)
	if at == 0 {
		at = copy(p, c.pending)
		c.pending = c.pending[at:]
	}
	// An error that came with the bytes comes again with the next read.
	return at, nil
}

// Close is net.Conn's.
func (c *frontConn) Close() error {
	c.server.mu.Lock()
	delete(c.server.conns, c)
	c.server.mu.Unlock()
	return c.Conn.Close()
}

// CloseWrite tells the client that nothing more comes, and leaves the other direction open.
func (c *frontConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Close()
}

// hostScan looks for the end of an empty Host line, however the head is cut into reads.
type hostScan struct {
	bol   bool // at the beginning of a line
	match int  // how much of "host:" the line has matched; -1: it is another line
	blank bool // the line has nothing but its line ending so far
	done  bool
}

const hostName = "host:"

// find returns where in p a value must be put in, -1 if not in p.
func (s *hostScan) find(p []byte) int {
	for i, b := range p {
		if s.bol {
			s.bol, s.match, s.blank = false, 0, true
		}
		switch {
		case b == '\n':
			if s.match == len(hostName) {
				s.done = true
				return i
			}
			if s.blank { // the end of the head
				s.done = true
				return -1
			}
			s.bol = true
		case b == '\r':
			if s.match == len(hostName) {
				s.done = true
				return i
			}
		case s.match == len(hostName):
			if b != ' ' && b != '\t' { // there is a host
				s.done = true
				return -1
			}
		case s.match >= 0 && b|0x20 == hostName[s.match]|0x20:
			s.blank = false
			s.match++
		default:
			s.blank = false
			s.match = -1
		}
	}
	return -1
}
