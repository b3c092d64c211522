package reach

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/coder/websocket"
)

// short is a connection that breaks when so many bytes were written.
type short struct {
	net.Conn
	left int
}

func (s *short) Write(p []byte) (int, error) {
	if len(p) <= s.left {
		s.left -= len(p)
		return s.Conn.Write(p)
	}
	n, _ := s.Conn.Write(p[:s.left])
	s.left = 0
	_ = s.Conn.Close()
	return n, io.ErrClosedPipe
}

// What comes before a cut is a beginning of what was sent, in either direction.
func TestACutMessageIsNoGarbage(t *testing.T) {
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<12)
	for cut := 1_000; cut < 60_000; cut += 3_001 {
		got := make(chan []byte)
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			socket, err := websocket.Accept(w, r, nil)
			if err != nil {
				return
			}
			socket.SetReadLimit(-1)
			data, _ := io.ReadAll(&wire{socket: socket})
			_ = socket.CloseNow()
			got <- data
		}))
		client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := (&net.Dialer{}).DialContext(ctx, network, address)
			return &short{c, cut}, err
		}}}
		socket, _, err := websocket.Dial(t.Context(), s.URL, &websocket.DialOptions{HTTPClient: client})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := (&wire{socket: socket}).Write(sent); err == nil {
			t.Fatal("it was not cut")
		}
		data := <-got
		if !bytes.HasPrefix(sent, data) {
			t.Fatalf("cut at %d: %d bytes, not those that were sent", cut, len(data))
		}
		_ = socket.CloseNow()
		s.Close()
	}
}
