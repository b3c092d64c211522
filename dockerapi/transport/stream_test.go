package transport

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

func newTLSListener(ln net.Listener, certificate tls.Certificate) net.Listener {
	return tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{certificate}})
}

// dialMode is dial through TLS for the mode tls.
func dialMode(t *testing.T, mode, network, address string) net.Conn {
	c := dial(t, network, address)
	if mode == "tls" {
		c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
	}
	return c
}

func TestStream(t *testing.T) {
	for _, mode := range []string{"unix", "tcp", "tls"} {
		t.Run(mode, func(t *testing.T) {
			network, address := serveOn(t, mode, func(w *Response, _ *Request) error {
				w.SetHeader("X-Extra", "1")
				w.Stream(201, "text/plain", func(_ context.Context, s *Stream) error {
					io.WriteString(s, "one ")
					if err := s.Flush(); err != nil {
						return err
					}
					_, err := io.WriteString(s, strings.Repeat("x", 100_000))
					return err
				})
				return nil
			})
			c := dialMode(t, mode, network, address)
			io.WriteString(c, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
			res := readResponse(t, bufio.NewReader(c), "GET")
			b, err := io.ReadAll(res.Body)
			if err != nil || string(b) != "one "+strings.Repeat("x", 100_000) {
				t.Errorf("%d bytes, %v", len(b), err)
			}
			if res.StatusCode != 201 || res.Header.Get("X-Extra") != "1" || res.Header.Get("Api-Version") != "1.51" ||
				res.Header.Get("Content-Type") != "text/plain" || !res.Close || res.Header.Get("Date") == "" {
				t.Errorf("head %d %v", res.StatusCode, res.Header)
			}
		})
	}
}

func TestStreamForHTTP10IsNotChunked(t *testing.T) {
	network, address := serveOn(t, "unix", func(w *Response, _ *Request) error {
		w.Stream(200, "text/plain", func(_ context.Context, s *Stream) error {
			io.WriteString(s, "a")
			s.Flush()
			_, err := io.WriteString(s, "b")
			return err
		})
		return nil
	})
	c := dial(t, network, address)
	io.WriteString(c, "GET / HTTP/1.0\r\n\r\n")
	got, _ := io.ReadAll(c)
	if head, body, _ := strings.Cut(string(got), "\r\n\r\n"); body != "ab" || strings.Contains(head, "chunked") {
		t.Errorf("%q", got)
	}
}

// The head arrives while the handler still has nothing to say, and its context ends when the client leaves.
func TestStreamHeadIsImmediateAndClientLeaves(t *testing.T) {
	for _, mode := range []string{"unix", "tcp", "tls"} {
		t.Run(mode, func(t *testing.T) {
			ended := make(chan error, 1)
			network, address := serveOn(t, mode, func(w *Response, r *Request) error {
				early := r.Context()
				w.Stream(200, "text/plain", func(ctx context.Context, s *Stream) error {
					if err := s.Flush(); err != nil {
						return err
					}
					<-ctx.Done()
					ended <- early.Err()
					return ctx.Err()
				})
				return nil
			})
			c := dialMode(t, mode, network, address)
			io.WriteString(c, "POST /wait HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
			if res := readResponse(t, bufio.NewReader(c), "POST"); res.StatusCode != 200 {
				t.Fatal(res.Status)
			}
			select {
			case <-ended:
				t.Fatal("ended before the client left")
			default:
			}
			c.Close()
			select {
			case err := <-ended:
				if err == nil {
					t.Error("the context that the handler began with is not the stream's")
				}
			case <-time.After(10 * time.Second):
				t.Fatal("not noticed")
			}
		})
	}
}

func TestStreamErrors(t *testing.T) {
	network, address := serveOn(t, "unix", func(w *Response, r *Request) error {
		w.SetHeader("X-Extra", "1")
		w.Stream(200, "text/plain", func(_ context.Context, s *Stream) error {
			io.WriteString(s, "begun")
			if r.Path() == "/late" {
				s.Flush()
			}
			if r.Path() == "/panic" {
				panic("boom")
			}
			return errTeapot
		})
		return nil
	})
	if got := roundTripWhole(t, network, address, "/early"); !strings.HasPrefix(got, "HTTP/1.1 418 ") || !strings.HasSuffix(got, "\r\n\r\nshort and stout") ||
		!strings.Contains(got, "Content-Length: 15\r\n") || !strings.Contains(got, "Api-Version") || strings.Contains(got, "X-Extra") {
		t.Errorf("early: %q", got)
	}
	if got := roundTripWhole(t, network, address, "/late"); !strings.HasSuffix(got, "\r\n5\r\nbegun\r\n") {
		t.Errorf("late: %q: must be cut off, not ended", got)
	}
	if got := roundTripWhole(t, network, address, "/panic"); got != "" {
		t.Errorf("panic: %q", got)
	}
}

// roundTripWhole keeps the client's side open: closing it would say that nobody listens.
func roundTripWhole(t *testing.T, network, address, path string) string {
	t.Helper()
	c := dial(t, network, address)
	io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: d\r\n\r\n")
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A client that does not read stops the writer: at most what sockets hold gets ahead.
func TestStreamBackPressure(t *testing.T) {
	const chunk, chunks = 1 << 20, 64
	progress := make(chan int, chunks)
	network, address := serveOn(t, "unix", func(w *Response, _ *Request) error {
		w.Stream(200, "text/plain", func(_ context.Context, s *Stream) error {
			b := make([]byte, chunk)
			for i := range chunks {
				if _, err := s.Write(b); err != nil {
					return err
				}
				progress <- i
			}
			close(progress)
			return nil
		})
		return nil
	})
	c := dial(t, network, address)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: d\r\n\r\n")
	res := readResponse(t, bufio.NewReader(c), "GET")
	ahead := 0
	for idle := false; !idle; {
		select {
		case <-progress:
			ahead++
		case <-time.After(300 * time.Millisecond):
			idle = true
		}
	}
	if ahead > 4 {
		t.Errorf("%d MiB were written with nobody reading", ahead)
	}
	if n, err := io.Copy(io.Discard, res.Body); n != chunk*chunks || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
}

func TestShutdown(t *testing.T) {
	begun, release := make(chan struct{}), make(chan struct{})
	s := New(testConfig(func(w *Response, r *Request) error {
		switch r.Path() {
		case "/stream":
			w.Stream(200, "text/plain", func(ctx context.Context, s *Stream) error {
				s.Flush()
				begun <- struct{}{}
				<-ctx.Done()
				return nil
			})
		case "/hijack":
			return w.Hijack("x/y", func(ctx context.Context, c *Conn) error {
				begun <- struct{}{}
				<-ctx.Done()
				_, err := io.WriteString(c, "bye")
				return err
			})
		case "/slow":
			begun <- struct{}{}
			<-release
			w.Send(200, "text/plain", []byte("finished"))
		}
		return nil
	}))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	open := map[string]net.Conn{}
	for _, path := range []string{"/stream", "/hijack", "/slow"} {
		c := dial(t, "tcp", ln.Addr().String())
		io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\n\r\n")
		open[path] = c
		<-begun
	}
	down := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		down <- s.Shutdown(ctx)
	}()
	for path, want := range map[string]string{"/stream": "0\r\n\r\n", "/hijack": "bye"} {
		if b, err := io.ReadAll(open[path]); err != nil || !strings.HasSuffix(string(b), want) {
			t.Errorf("%s: %q, %v", path, b, err)
		}
		open[path].Close()
	}
	close(release)
	if b, err := io.ReadAll(open["/slow"]); err != nil || !strings.HasSuffix(string(b), "finished") {
		t.Errorf("/slow: %q, %v", b, err)
	}
	if err := <-down; err != nil {
		t.Errorf("shutdown: %v", err)
	}
	if err := <-served; err != nil {
		t.Errorf("serve: %v", err)
	}
}

// A connection that nothing ends is cut when Shutdown's time is over.
func TestShutdownCutsWhatIsLeft(t *testing.T) {
	begun := make(chan struct{})
	s := New(testConfig(func(w *Response, _ *Request) error {
		return w.Hijack("x/y", func(_ context.Context, c *Conn) error {
			close(begun)
			_, err := io.Copy(io.Discard, c) // does not look at its context
			return err
		})
	}))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	c := dial(t, "tcp", ln.Addr().String())
	io.WriteString(c, "POST / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	<-begun
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(ctx); err == nil {
		t.Error("no error")
	}
	if err := <-served; err != nil {
		t.Errorf("serve: %v", err)
	}
}
