package transport

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// lingerTime is how long a hijacked connection is read, its output being complete, before it is closed. Closing a socket that
// still holds unread input resets it, and the client may lose output that it has not read yet.
const lingerTime = 2 * time.Second

// Hijack gives the connection to f: `101 UPGRADED` when the client asks for an upgrade, `200 OK` otherwise, then raw bytes in
// both directions. The head is sent before f is called; contentType is Docker's raw or multiplexed stream. When f returns, the
// rest of the input is thrown away and the connection closed. ctx ends at shutdown only: that the client has no more input
// says nothing about its interest in output.
func (w *Response) Hijack(contentType string, f func(ctx context.Context, c *Conn) error) error {
	server, extra := w.server, w.extra
	line := "HTTP/1.1 200 OK"
	if w.request.upgrades() {
		line = "HTTP/1.1 101 UPGRADED"
	}
	head := appendHead(nil, line, contentType, server.head, extra)
	if w.request.upgrades() {
		head = append(head, "Connection: Upgrade\r\nUpgrade: tcp\r\n"...)
	}
	head = append(head, "\r\n"...)
	// Whatever the client sent as the request's body comes before the raw bytes: it must be out of the way.
	if _, err := io.Copy(io.Discard, w.request.Body(maxHijackBody)); err != nil {
		return fmt.Errorf("read the request's body: %w", err)
	}
	losesOutput := strings.HasPrefix(w.request.Header("User-Agent"), dockerPython)
	w.take(func(ctx context.Context, st *stream) {
		c := &Conn{st: st}
		if _, err := st.socket.Write(head); err != nil {
			return
		}
		if losesOutput {
			awaitRead(st.socket.Conn)
		}
		defer c.end()
		if err := f(ctx, c); err != nil {
			server.config.Log.Debug("hijacked connection ended", "error", err)
		}
	})
	return nil
}

// dockerPython begins the User-Agent of Docker's client for Python. It reads the head through a buffer and the rest from the
// socket below: output that comes so soon that both are read together is lost to it.
const dockerPython = "docker-sdk-python/"

// maxHijackBody bounds what is read of a body that the handler left unread.
const maxHijackBody = 4 << 20

// Conn is a hijacked connection. Reads and writes may happen at the same time.
type Conn struct {
	st     *stream
	mu     sync.Mutex // held by the reader
	ending sync.Once
	closed bool // under mu
}

// Read gives what the client sends; io.EOF when it has closed its side.
func (c *Conn) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return 0, errEnded
	}
	return c.st.conn.Read(p)
}

// Write sends to the client, and blocks while it does not read.
func (c *Conn) Write(p []byte) (int, error) { return c.st.socket.Write(p) }

// WriteBuffers sends several pieces at once. It consumes them.
func (c *Conn) WriteBuffers(b *net.Buffers) error {
	_, err := b.WriteTo(c.st.socket.Conn)
	return err
}

// CloseWrite tells the client that nothing more comes; it can go on sending.
func (c *Conn) CloseWrite() error { return c.st.socket.CloseWrite() }

// end closes the connection without losing output: half-close, read what still comes for a moment, close.
func (c *Conn) end() {
	c.ending.Do(func() {
		c.st.socket.CloseWrite()
		// Interrupt a reader that f left behind, and keep later ones out.
		c.st.socket.SetReadDeadline(time.Unix(1, 0))
		c.mu.Lock()
		defer c.mu.Unlock()
		c.closed = true
		c.st.socket.SetReadDeadline(time.Now().Add(lingerTime))
		io.Copy(io.Discard, c.st.conn)
	})
}
