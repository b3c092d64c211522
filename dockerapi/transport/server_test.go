package transport

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// fasthttp leaves the clock of its Date header, and for ten seconds the sweeper of its idle workers.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"))
}

// errTeapot is an error that the test's Config.Error knows.
var errTeapot = errors.New("short and stout")

func testConfig(h Handler) Config {
	return Config{
		Handler: h,
		Headers: []Header{{"Api-Version", "1.51"}, {"Server", "test"}},
		Error: func(err error) (int, string, []byte) {
			var large *TooLargeError
			switch {
			case errors.Is(err, errTeapot):
				return 418, "text/plain", []byte(err.Error())
			case errors.As(err, &large):
				return 413, "text/plain", []byte(err.Error())
			case strings.Contains(err.Error(), "Host") || strings.Contains(err.Error(), "Origin"):
				return 403, "text/plain", []byte(err.Error())
			}
			return 500, "text/plain", []byte(err.Error())
		},
		Log: slog.New(slog.DiscardHandler),
	}
}

// serveOn serves until the test's end, and checks that Shutdown comes back clean. mode is unix, tcp or tls.
func serveOn(t *testing.T, mode string, h Handler, set ...func(*Server)) (network, address string) {
	t.Helper()
	s := New(testConfig(h))
	for _, f := range set {
		f(s)
	}
	network, address = "tcp", "127.0.0.1:0"
	if mode == "unix" {
		network, address = "unix", filepath.Join(t.TempDir(), "s")
	}
	ln, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	address = ln.Addr().String()
	if mode == "tls" {
		ln = tlsListener(t, ln)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return network, address
}

// dial connects, with a deadline that keeps a broken test from hanging.
func dial(t *testing.T, network, address string) net.Conn {
	t.Helper()
	c, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

// roundTrip sends raw bytes and reads all that comes until the server closes.
func roundTrip(t *testing.T, network, address, request string) string {
	t.Helper()
	c := dial(t, network, address)
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
	b, err := io.ReadAll(c)
	if err != nil && len(b) == 0 {
		t.Fatal(err)
	}
	return string(b)
}

func readResponse(t *testing.T, r *bufio.Reader, method string) *http.Response {
	t.Helper()
	res, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func echo(w *Response, r *Request) error {
	b, err := io.ReadAll(r.Body(1 << 20))
	if err != nil {
		return err
	}
	w.Send(200, "text/plain", []byte(r.Method()+" "+r.Path()+" "+r.Query().Encode()+" "+string(b)))
	return nil
}

func TestOneRequestOneAnswer(t *testing.T) {
	network, address := serveOn(t, "tcp", echo)
	for _, test := range []struct{ name, request, status, want string }{
		{"plain", "GET /a?x=1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "200", "GET /a x=1 "},
		{"path as sent", "GET /v1/..%2fe//x HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "200", "GET /v1/..%2fe//x  "},
		{"length and chunks", "POST /a HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "", ""},
		{"two lengths", "POST /a HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhelloX", "400", ""},
		{"strange encoding", "POST /a HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "400", ""},
		{"space before the colon", "POST /a HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length : 5\r\n\r\nhello", "400", ""},
		{"HTTP/0.9", "GET /a\r\n\r\n", "400", ""},
		{"no Host", "GET /a HTTP/1.1\r\n\r\n", "400", ""},
		{"long head", "GET /a HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + strings.Repeat("a", 60<<10) + "\r\n\r\n", "200", "GET /a  "},
		{"too long head", "GET /a HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + strings.Repeat("a", 65<<10) + "\r\n\r\n", "431", ""},
		{"body beyond the limit", "POST /a HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2000000\r\n\r\n" + strings.Repeat("a", 2000000), "413", ""},
		{"body at the limit", "POST /a HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1048576\r\n\r\n" + strings.Repeat("a", 1<<20), "200", "POST /a  aaaa"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := roundTrip(t, network, address, test.request)
			if n := strings.Count(got, "HTTP/1.1 "); n != 1 {
				t.Errorf("%d answers: %.200q", n, got)
			}
			if strings.Contains(got, "smuggled") {
				t.Errorf("a smuggled request was answered: %.300q", got)
			}
			if !strings.HasPrefix(got, "HTTP/1.1 "+test.status) || !strings.Contains(got, test.want) {
				t.Errorf("got %.300q, want status %s and %q", got, test.status, test.want)
			}
			if !strings.Contains(got, "\r\nApi-Version: 1.51\r\n") {
				t.Errorf("no common header in %.300q", got)
			}
		})
	}
}

func TestEmptyHost(t *testing.T) {
	hosts := make(chan string, 1)
	network, address := serveOn(t, "unix", func(w *Response, r *Request) error {
		hosts <- string(r.http.Host())
		w.Send(200, "", nil)
		return nil
	})
	for _, test := range []struct{ head, want string }{
		{"Host:\r\n", "localhost"},
		{"Host: \t \r\n", "localhost"},
		{"hOsT:\r\nX: y\r\n", "localhost"},
		{"X: Host:\r\nHost:\r\n", "localhost"},
		{"Hostess: a\r\nHost:\r\n", "localhost"},
		{"Host: docker\r\n", "docker"},
	} {
		for _, whole := range []bool{true, false} { // in one packet, and byte by byte
			c := dial(t, network, address)
			request := "GET /grpc HTTP/1.1\r\n" + test.head + "\r\n"
			for piece := range pieces(request, whole) {
				if _, err := io.WriteString(c, piece); err != nil {
					t.Fatal(err)
				}
			}
			if res := readResponse(t, bufio.NewReader(c), "GET"); res.StatusCode != 200 {
				t.Fatalf("%q: %s", test.head, res.Status)
			}
			if got := <-hosts; got != test.want {
				t.Errorf("%q: host %q, want %q", test.head, got, test.want)
			}
			c.Close()
		}
	}
}

func pieces(s string, whole bool) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		if whole {
			yield(s)
			return
		}
		for i := range len(s) {
			if !yield(s[i : i+1]) {
				return
			}
		}
	}
}

func TestOriginAndHostOnTCP(t *testing.T) {
	network, address := serveOn(t, "tcp", echo, func(s *Server) { s.config.AllowedHosts = []string{"build.example"} })
	for _, test := range []struct{ head, status string }{
		{"Host: 127.0.0.1:2375", "200"},
		{"Host: [::1]:2375", "200"},
		{"Host: localhost", "200"},
		{"Host: api.moby.localhost", "200"},
		{"Host: build.example:2375", "200"},
		{"Host: evil.example", "403"},
		{"Host: 127.0.0.1.evil.example", "403"},
		{"Host: 127.0.0.1\r\nOrigin: https://evil.example", "403"},
		{"Host: 127.0.0.1\r\nOrigin: null", "403"},
	} {
		got := roundTrip(t, network, address, "GET / HTTP/1.1\r\n"+test.head+"\r\n\r\n")
		if !strings.HasPrefix(got, "HTTP/1.1 "+test.status) {
			t.Errorf("%q: %.100q, want %s", test.head, got, test.status)
		}
	}
	network, address = serveOn(t, "unix", echo)
	if got := roundTrip(t, network, address, "GET / HTTP/1.1\r\nHost: evil.example\r\nOrigin: x\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 200") {
		t.Errorf("unix socket: %.100q", got)
	}
}

func TestAnswersWithoutBody(t *testing.T) {
	network, address := serveOn(t, "unix", func(w *Response, r *Request) error {
		w.SetHeader("X-Extra", "1")
		switch r.Path() {
		case "/204":
			w.Send(204, "", nil)
		case "/304":
			w.Send(304, "", nil)
		case "/200":
			w.Send(200, "text/plain", []byte("body"))
		case "/201":
			w.Send(201, "", nil)
		}
		return nil
	})
	for _, test := range []struct{ request, length, body string }{
		{"GET /204", "", ""},
		{"GET /304", "", ""},
		{"GET /201", "0", ""},
		{"GET /200", "4", "body"},
		{"HEAD /200", "4", ""},
	} {
		got := roundTrip(t, network, address, test.request+" HTTP/1.1\r\nHost: d\r\n\r\n")
		head, body, _ := strings.Cut(got, "\r\n\r\n")
		length := ""
		if _, after, ok := strings.Cut(head, "Content-Length: "); ok {
			length, _, _ = strings.Cut(after, "\r\n")
		}
		if length != test.length || body != test.body || !strings.Contains(head, "X-Extra: 1") || !strings.Contains(head, "Date: ") {
			t.Errorf("%s: %q", test.request, got)
		}
		if strings.Contains(head, "Content-Type") != strings.Contains(test.request, "/200") {
			t.Errorf("%s: content type in %q", test.request, head)
		}
	}
}

func TestErrorsAndPanics(t *testing.T) {
	network, address := serveOn(t, "unix", func(w *Response, r *Request) error {
		switch r.Path() {
		case "/panic":
			panic("boom")
		case "/sent":
			w.Send(200, "text/plain", []byte("half an answer"))
		}
		return errTeapot
	})
	for path, want := range map[string]string{"/teapot": "418", "/sent": "418", "/panic": "500"} {
		got := roundTrip(t, network, address, "GET "+path+" HTTP/1.1\r\nHost: d\r\n\r\n")
		if !strings.HasPrefix(got, "HTTP/1.1 "+want) || strings.Contains(got, "half") || strings.Contains(got, "boom") {
			t.Errorf("%s: %q", path, got)
		}
	}
}

func TestSlowHeadIsCutOff(t *testing.T) {
	network, address := serveOn(t, "tcp", echo, func(s *Server) { s.http.ReadTimeout = 50 * time.Millisecond })
	c := dial(t, network, address)
	io.WriteString(c, "GET / HTTP/1.1\r\nX: ")
	b, _ := io.ReadAll(c)
	if !strings.HasPrefix(string(b), "HTTP/1.1 408") {
		t.Errorf("got %q", b)
	}
}

func TestKeepAliveAndPipelining(t *testing.T) {
	network, address := serveOn(t, "unix", echo)
	c := dial(t, network, address)
	for range 3 {
		io.WriteString(c, "POST /a HTTP/1.1\r\nHost: d\r\nContent-Length: 2\r\n\r\nhi")
	}
	r := bufio.NewReader(c)
	for range 3 {
		b, err := io.ReadAll(readResponse(t, r, "POST").Body)
		if err != nil || string(b) != "POST /a  hi" {
			t.Fatalf("%q %v", b, err)
		}
	}
}

func tlsListener(t *testing.T, ln net.Listener) net.Listener {
	t.Helper()
	donor := httptest.NewTLSServer(nil) // has a certificate
	t.Cleanup(donor.Close)
	return newTLSListener(ln, donor.TLS.Certificates[0])
}
