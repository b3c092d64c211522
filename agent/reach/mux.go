package reach

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"github.com/coder/websocket"
	"github.com/hashicorp/yamux"
)

// wire is a WebSocket as a stream of bytes, a binary message for each Write. Package yamux writes the header of a frame
// and its bytes one after the other: they go as one message.
type wire struct {
	socket *websocket.Conn
	reader io.Reader
	frame  []byte
}

const (
	muxHeader = 12
	muxData   = 0
)

func (w *wire) Read(p []byte) (int, error) {
	for {
		if w.reader == nil {
			kind, r, err := w.socket.Reader(context.Background())
			if err != nil {
				return 0, err
			}
			if kind != websocket.MessageBinary {
				return 0, errors.New("a text message came over the WebSocket of an agent")
			}
			w.reader = r
		}
		n, err := w.reader.Read(p)
		switch {
		case err == io.EOF: // as it is: the end of a message
			w.reader = nil
		case err != nil:
			// What was read of a frame that was cut off comes as it was on the wire, with its mask: it is not data.
			return 0, err
		case n > 0:
			return n, nil
		}
	}
}

func (w *wire) Write(p []byte) (int, error) {
	w.frame = append(w.frame, p...)
	if f := w.frame; len(f) == muxHeader && f[1] == muxData && f[8]|f[9]|f[10]|f[11] != 0 {
		return len(p), nil // its bytes come next
	}
	err := w.socket.Write(context.Background(), websocket.MessageBinary, w.frame)
	w.frame = w.frame[:0]
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

func (w *wire) Close() error { return w.socket.CloseNow() }

func muxConfig(heartbeat time.Duration) *yamux.Config {
	c := yamux.DefaultConfig()
	c.KeepAliveInterval = heartbeat
	c.MaxStreamWindowSize = 4 << 20
	c.StreamCloseTimeout = 30 * time.Second
	c.LogOutput = io.Discard // what fails is an error of a stream
	return c
}

// stream is a stream of a yamux session as a net.Conn: there, Close ends one direction only.
type stream struct {
	*yamux.Stream
	local, remote net.Addr
}

// CloseWrite ends the direction towards the peer.
func (s *stream) CloseWrite() error { return s.Stream.Close() }

// Close ends both directions, and whoever waits in Read.
func (s *stream) Close() error {
	err := s.Stream.Close()
	_ = s.SetDeadline(time.Unix(1, 0))
	return err
}

func (s *stream) LocalAddr() net.Addr  { return s.local }
func (s *stream) RemoteAddr() net.Addr { return s.remote }

// taskAddr is an address in words: that of a task, that of a server.
type taskAddr string

func (taskAddr) Network() string  { return "reverse" }
func (a taskAddr) String() string { return string(a) }
