package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"
)

// maxChunk is how many bytes a stream collects before it sends them unasked.
const maxChunk = 32 << 10

// stream is a connection that no longer belongs to fasthttp: a [Stream] or a [Conn].
type stream struct {
	conn   net.Conn // reads go through what fasthttp has buffered
	socket *frontConn
	cancel context.CancelFunc
}

// take hands the connection to f when the handler has returned. f runs on a goroutine that Shutdown waits for.
//
// fasthttp must not write the head: with a 200 it would send Content-Length: 0, which Node's and Python's clients believe, and
// to HTTP/1.0 or Connection: close it would send a head and never call f.
func (w *Response) take(f func(ctx context.Context, st *stream)) {
	ctx := w.request.Context()
	st := &stream{cancel: w.request.cancel}
	w.taken = true
	w.http.HijackSetNoResponse(true)
	s, method, path := w.server, w.request.method, w.request.path
	w.http.Hijack(func(c net.Conn) {
		st.conn = c
		st.socket = c.(interface{ UnsafeConn() net.Conn }).UnsafeConn().(*frontConn)
		s.join(st)
		defer s.leave(st)
		defer func() {
			if p := recover(); p != nil {
				s.config.Log.Error("panic in a stream", "method", method, "path", path, "panic", p, "stack", string(debug.Stack()))
			}
		}()
		f(ctx, st)
	})
}

func (s *Server) join(st *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.streams[st] = struct{}{}
	s.joined.Add(1)
	if s.draining {
		st.cancel()
	}
}

func (s *Server) leave(st *stream) {
	st.cancel()
	s.mu.Lock()
	delete(s.streams, st)
	s.mu.Unlock()
	s.joined.Done()
}

// Stream answers with a body that f writes for as long as it takes. The head goes out with the first bytes, or with the first
// [Stream.Flush]; an error of f before that is answered as any handler's error, an error after it cuts the connection, so that
// the client notices. ctx ends when the client goes away or the server shuts down. The connection is closed afterwards.
func (w *Response) Stream(status int, contentType string, f func(ctx context.Context, s *Stream) error) {
	server := w.server
	out := &Stream{status: status, contentType: contentType, extra: w.extra, server: server, chunked: w.http.Request.Header.IsHTTP11()}
	w.take(func(ctx context.Context, st *stream) {
		out.conn = st.socket.Conn
		var listening bool // stopping the watch ends ctx, too
		err := func() error {
			defer watchGone(st).stop()
			err := f(ctx, out)
			if err == nil {
				err = out.end()
			}
			listening = ctx.Err() == nil
			return err
		}()
		if err == nil || !listening {
			return
		}
		if out.started {
			server.config.Log.Debug("stream broken off", "error", err)
			return
		}
		out.fail(err)
	})
}

// Stream is the body of an answer on its way. It is for one goroutine at a time.
type Stream struct {
	server      *Server
	conn        net.Conn
	status      int
	contentType string
	extra       []Header
	chunked     bool
	started     bool // the head is out
	buf         []byte
}

// SetHeader adds a line to the head, as long as that is not out.
func (s *Stream) SetHeader(name, value string) { s.extra = append(s.extra, Header{name, value}) }

// Started says whether the head is out, so that an error can no longer become an error answer.
func (s *Stream) Started() bool { return s.started }

// chunkHead is the room kept before a chunk's bytes for its length: hexadecimal digits and a line break.
const chunkHead = 8

// Write collects p and sends when enough is there. It blocks while the client does not read.
func (s *Stream) Write(p []byte) (int, error) {
	written := 0
	for len(p) > 0 {
		if len(s.buf) == 0 {
			s.buf = append(s.buf, "        "[:chunkHead]...)
		}
		n := min(len(p), chunkHead+maxChunk-len(s.buf))
		s.buf = append(s.buf, p[:n]...)
		p = p[n:]
		if len(s.buf) == chunkHead+maxChunk {
			if err := s.Flush(); err != nil {
				return written, err
			}
		}
		written += n
	}
	return written, nil
}

// Flush sends what was written so far, and the head before it.
func (s *Stream) Flush() error {
	var parts net.Buffers
	if !s.started {
		parts = append(parts, s.head(s.status, s.contentType, -1))
		s.started = true
	}
	if len(s.buf) > chunkHead {
		parts = append(parts, s.chunk())
	}
	s.buf = s.buf[:0]
	if len(parts) == 0 {
		return nil
	}
	if _, err := parts.WriteTo(s.conn); err != nil {
		return fmt.Errorf("write to the client: %w", err)
	}
	return nil
}

// chunk frames what is collected.
func (s *Stream) chunk() []byte {
	if !s.chunked {
		return s.buf[chunkHead:]
	}
	length := strconv.AppendInt(nil, int64(len(s.buf)-chunkHead), 16)
	start := chunkHead - 2 - len(length)
	copy(s.buf[start:], length)
	copy(s.buf[chunkHead-2:], "\r\n")
	s.buf = append(s.buf, "\r\n"...)
	return s.buf[start:]
}

// end sends the rest and the mark that the body is whole.
func (s *Stream) end() error {
	if err := s.Flush(); err != nil {
		return err
	}
	if !s.chunked {
		return nil
	}
	_, err := io.WriteString(s.conn, "0\r\n\r\n")
	return err
}

// fail answers an error in place of the stream that did not begin.
func (s *Stream) fail(err error) {
	status, contentType, body := s.server.config.Error(err)
	s.extra = nil
	parts := net.Buffers{s.head(status, contentType, len(body)), body}
	if _, err := parts.WriteTo(s.conn); err != nil {
		s.server.config.Log.Debug("error not delivered", "error", err)
	}
}

// head is the head of an answer that fasthttp does not write; length -1: as long as it takes.
func (s *Stream) head(status int, contentType string, length int) []byte {
	b := appendHead(nil, "HTTP/1.1 "+strconv.Itoa(status)+" "+http.StatusText(status), contentType, s.server.head, s.extra)
	b = append(b, "Date: "+time.Now().UTC().Format(http.TimeFormat)+"\r\nConnection: close\r\n"...)
	switch {
	case length >= 0:
		b = append(b, "Content-Length: "+strconv.Itoa(length)+"\r\n"...)
	case s.chunked:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	}
	return append(b, "\r\n"...)
}

// appendHead writes a status line and headers, without the empty line at the end.
func appendHead(b []byte, line, contentType string, common []byte, extra []Header) []byte {
	b = append(b, line+"\r\n"...)
	if contentType != "" {
		b = append(b, "Content-Type: "+contentType+"\r\n"...)
	}
	b = append(b, common...)
	for _, h := range extra {
		b = append(b, h.Name+": "+h.Value+"\r\n"...)
	}
	return b
}

// gone watches a connection on which the client has nothing more to say.
type gone struct {
	conn net.Conn
	done chan struct{}
}

// watchGone cancels st when the client closes its connection, or its side of it: on a stream both mean that nobody listens.
func watchGone(st *stream) *gone {
	g := &gone{conn: st.conn, done: make(chan struct{})}
	go func() {
		defer close(g.done)
		b := make([]byte, 512)
		for {
			if _, err := g.conn.Read(b); err != nil {
				st.cancel()
				return
			}
		}
	}()
	return g
}

// stop ends the watch before the connection's reader goes back to fasthttp.
func (g *gone) stop() {
	g.conn.SetReadDeadline(time.Unix(1, 0))
	<-g.done
}

// errEnded is what reading a connection gives after its handler has returned.
var errEnded = errors.New("the connection's handler has ended")
