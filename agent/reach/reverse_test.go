package reach_test

import (
	"context"
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"go.uber.org/goleak"

	"github.com/sockerless/sockerless/agent/reach"
	"github.com/sockerless/sockerless/agent/session"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var secret = []byte("0123456789abcdef0123456789abcdef")

// server is a server of Sockerless, as far as agents see it: a gate behind TLS.
type server struct {
	*reach.Gate
	*httptest.Server
}

func newServer(t testing.TB, listener net.Listener, options ...reach.GateOption) *server {
	t.Helper()
	g, err := reach.NewGate(secret, options...)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(g)
	if listener != nil {
		_ = s.Listener.Close()
		s.Listener = listener
	}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(func() { stopServer(s, g) })
	return &server{g, s}
}

func stopServer(s *httptest.Server, g *reach.Gate) {
	_ = g.Close()
	s.Close()
}

func (s *server) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}

func (s *server) expect(t testing.TB, task string) string {
	t.Helper()
	token, err := s.Expect(task, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// agent is one that dials back; failures are why it could not, as far as somebody listens.
func (s *server) agent(t testing.TB, config reach.ReverseConfig) (l net.Listener, failures chan error) {
	t.Helper()
	failures = make(chan error)
	config.CA = s.pem()
	if config.URL == "" {
		config.URL = s.URL
	}
	if config.Failed == nil {
		config.Failed = func(err error) {
			select {
			case failures <- err:
			case <-t.Context().Done(): // which comes before all cleaning up
			}
		}
	}
	l, err := reach.Reverse(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l, failures
}

func (s *server) dial(t testing.TB, task string) net.Conn {
	t.Helper()
	c, err := s.Dial(t.Context(), task)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// wires are the TCP connections of a listener.
type wires struct {
	net.Listener
	mu    sync.Mutex
	conns []net.Conn
}

func (w *wires) Accept() (net.Conn, error) {
	c, err := w.Listener.Accept()
	if err == nil {
		w.mu.Lock()
		w.conns = append(w.conns, c)
		w.mu.Unlock()
	}
	return c, err
}

// cut ends all connections and returns how many there ever were.
func (w *wires) cut() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.conns {
		_ = c.Close()
	}
	return len(w.conns)
}

func TestReverse(t *testing.T) {
	s := newServer(t, nil)
	l, _ := s.agent(t, reach.ReverseConfig{Token: s.expect(t, longName)})
	echo(t, l)
	for range 3 {
		c := s.dial(t, longName)
		sayAndHear(t, c, "hello")
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Fatal("a read after Close")
		}
	}
}

func TestDialWaitsForTheAgent(t *testing.T) {
	s := newServer(t, nil)
	if _, err := s.Dial(t.Context(), "task"); !errdefs.IsNotFound(err) {
		t.Fatalf("not expected: %v", err)
	}
	token := s.expect(t, "task")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Dial(ctx, "task"); !errors.Is(err, context.Canceled) {
		t.Fatalf("cancelled: %v", err)
	}
	waiting := make(chan error)
	go func() {
		_, err := s.Dial(t.Context(), "forgotten")
		waiting <- err
	}()
	s.expect(t, "forgotten")
	s.Forget("forgotten")
	if err := <-waiting; !errdefs.IsNotFound(err) {
		t.Fatalf("forgotten: %v", err)
	}
	come := make(chan net.Conn)
	go func() {
		c, _ := s.Dial(t.Context(), "task")
		come <- c
	}()
	l, _ := s.agent(t, reach.ReverseConfig{Token: token})
	echo(t, l)
	c := <-come
	defer c.Close()
	sayAndHear(t, c, "there")
}

func TestBadTokensAreRefused(t *testing.T) {
	s := newServer(t, nil)
	good := s.expect(t, "task")
	expired, err := s.Expect("task", -time.Second)
	if err != nil {
		t.Fatal(err)
	}
	unexpected := s.expect(t, "gone")
	s.Forget("gone")
	otherGate, err := reach.NewGate([]byte("another secret of thirty-two bytes"))
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := otherGate.Expect("task", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	flipped := []byte(good)
	flipped[30] ^= 1
	other := s.expect(t, "tosk") // the claims of one, the proof of the other
	var dot int
	for dot = range good {
		if good[dot] == '.' {
			break
		}
	}
	for name, token := range map[string]string{
		"none": "", "garbage": "x", "no proof": good[:dot], "no proof, dot": good[:dot+1], "cut": good[:len(good)-1],
		"expired": expired, "changed": string(flipped), "another server's": foreign, "forgotten task": unexpected,
		"another task's proof": good[:dot] + other[dot:],
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+token)
		response, err := s.Client().Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if response.StatusCode != http.StatusUnauthorized || string(body) != "Unauthorized\n" {
			t.Errorf("%s: %d, %q", name, response.StatusCode, body)
		}
	}
	_, failures := s.agent(t, reach.ReverseConfig{Token: expired})
	if err := <-failures; !errdefs.IsUnauthorized(err) {
		t.Errorf("an agent with an expired token: %v", err)
	}
}

func TestATokenIsGoodOnce(t *testing.T) {
	s := newServer(t, nil)
	first := s.expect(t, "task")
	kept := make(chan string, 10)
	l, _ := s.agent(t, reach.ReverseConfig{Token: first, Keep: func(token string) { kept <- token }})
	echo(t, l)
	sayAndHear(t, s.dial(t, "task"), "hello")
	_, failures := s.agent(t, reach.ReverseConfig{Token: first})
	if err := <-failures; !errdefs.IsUnauthorized(err) {
		t.Fatalf("the first token again: %v", err)
	}
	if second := <-kept; second == first {
		t.Fatal("the token stays the same")
	}
	sayAndHear(t, s.dial(t, "task"), "undisturbed")
}

// TestOneOfTwoAgentsIsLetIn has two agents come with the same token at once, as a platform does that starts one twice: one is let in.
func TestOneOfTwoAgentsIsLetIn(t *testing.T) {
	s := newServer(t, nil)
	token := s.expect(t, "task")
	kept, refused := make(chan string, 10), make(chan error, 10)
	for range 2 {
		l, _ := s.agent(t, reach.ReverseConfig{Token: token, Keep: func(token string) { kept <- token }, Failed: func(err error) {
			select {
			case refused <- err:
			default:
			}
		}})
		echo(t, l)
	}
	if err := <-refused; !errdefs.IsUnauthorized(err) {
		t.Fatalf("the other one: %v", err)
	}
	sayAndHear(t, s.dial(t, "task"), "hello")
	if n := len(kept); n > 1 {
		t.Fatalf("%d were let in", n)
	}
}

func TestATokenIsOfItsTask(t *testing.T) {
	s := newServer(t, nil)
	s.expect(t, "one")
	l, _ := s.agent(t, reach.ReverseConfig{Token: s.expect(t, "two")})
	echo(t, l)
	sayAndHear(t, s.dial(t, "two"), "hello")
	ctx, cancel := context.WithCancel(t.Context())
	waiting := make(chan error)
	go func() {
		_, err := s.Dial(ctx, "one")
		waiting <- err
	}()
	cancel()
	if err := <-waiting; !errors.Is(err, context.Canceled) {
		t.Fatalf("the agent of two answers for one: %v", err)
	}
}

func TestAnAgentComesBack(t *testing.T) {
	w := &wires{Listener: loopback(t)}
	s := newServer(t, w)
	l, failures := s.agent(t, reach.ReverseConfig{Token: s.expect(t, "task")})
	echo(t, l)
	for range 3 {
		c := s.dial(t, "task")
		sayAndHear(t, c, "hello")
		w.cut()
		if err := <-failures; err == nil {
			t.Fatal("cut, and no error")
		}
		if _, err := io.Copy(io.Discard, c); err != nil && !errors.Is(err, io.EOF) {
			t.Log(err)
		}
	}
	sayAndHear(t, s.dial(t, "task"), "again")
}

func TestANewConnectionReplacesTheOld(t *testing.T) {
	s := newServer(t, nil)
	kept := make(chan string, 10)
	old, failures := s.agent(t, reach.ReverseConfig{Token: s.expect(t, "task"), Keep: func(token string) { kept <- token }})
	echo(t, old)
	sayAndHear(t, s.dial(t, "task"), "old")
	l, _ := s.agent(t, reach.ReverseConfig{Token: <-kept}) // the agent was restarted, and its old connection is not dead yet
	echo(t, l)
	if err := <-failures; !errdefs.IsUnavailable(err) {
		t.Fatalf("the old one: %v", err)
	}
	if err := <-failures; !errdefs.IsUnauthorized(err) {
		t.Fatalf("the old one again: %v", err)
	}
	sayAndHear(t, s.dial(t, "task"), "new")
}

func TestTokensOutliveTheServer(t *testing.T) {
	l := loopback(t)
	address := l.Addr().String()
	first := newServer(t, l)
	token := first.expect(t, "task")
	unused := first.expect(t, "starting")
	agent, failures := first.agent(t, reach.ReverseConfig{Token: token})
	echo(t, agent)
	sayAndHear(t, first.dial(t, "task"), "hello")
	stopServer(first.Server, first.Gate)
	<-failures
	again, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	second := newServer(t, again)
	for !errdefs.IsUnauthorized(<-failures) { // not expected yet
	}
	second.expect(t, "task")
	second.expect(t, "starting")
	heard := make(chan struct{})
	defer close(heard)
	go func() { // failures may still come when nobody wants to know
		for {
			select {
			case <-failures:
			case <-heard:
				return
			}
		}
	}()
	sayAndHear(t, second.dial(t, "task"), "again")
	starting, _ := second.agent(t, reach.ReverseConfig{Token: unused})
	echo(t, starting)
	sayAndHear(t, second.dial(t, "starting"), "at last")
}

func TestTokensAreRenewed(t *testing.T) {
	w := &wires{Listener: loopback(t)}
	s := newServer(t, w, reach.WithTokenLife(20*time.Millisecond))
	kept := make(chan string)
	l, _ := s.agent(t, reach.ReverseConfig{Token: s.expect(t, "task"), Keep: func(token string) {
		select {
		case kept <- token:
		case <-t.Context().Done():
		}
	}})
	echo(t, l)
	seen := map[string]bool{}
	for range 5 { // more than its life, over one connection
		seen[<-kept] = true
	}
	if len(seen) != 5 {
		t.Fatalf("%d different tokens", len(seen))
	}
}

func TestReverseRefusesWhatCannotWork(t *testing.T) {
	for _, config := range []reach.ReverseConfig{
		{URL: "http://server/agents"}, {URL: "ws://server/agents"}, {URL: "server"}, {URL: "https://s", CA: []byte("x")},
	} {
		if _, err := reach.Reverse(t.Context(), config); !errdefs.IsInvalidArgument(err) {
			t.Errorf("%q: %v", config.URL, err)
		}
	}
	s := newServer(t, nil)
	l, err := reach.Reverse(t.Context(), reach.ReverseConfig{URL: s.URL, Token: s.expect(t, "t"), CA: otherCA(t)})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Fatalf("Accept: %v", err)
	}
	failures := make(chan error, 1)
	l, err = reach.Reverse(t.Context(), reach.ReverseConfig{URL: s.URL, Token: s.expect(t, "t"), CA: otherCA(t),
		Failed: func(err error) { failures <- err }})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := <-failures; !errdefs.IsUnavailable(err) {
		t.Fatalf("a server of an unknown authority: %v", err)
	}
}

func otherCA(t *testing.T) []byte {
	t.Helper()
	data, err := authority(t).Encode()
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(data)
	return pem.EncodeToMemory(block)
}

// proxy is an HTTP proxy that knows CONNECT only; it finds every host at one address.
func proxy(t testing.TB, address string) (at *url.URL, asked chan string) {
	t.Helper()
	asked = make(chan string, 100)
	p := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			http.Error(w, "CONNECT only", http.StatusMethodNotAllowed)
			return
		}
		asked <- r.Host
		far, err := net.Dial("tcp", address)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer far.Close()
		near, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer near.Close()
		_, _ = io.WriteString(near, "HTTP/1.1 200 Connection established\r\n\r\n")
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = io.Copy(far, near)
			_ = far.Close()
		}()
		_, _ = io.Copy(near, far)
		_ = near.Close()
		<-done
	}))
	t.Cleanup(p.Close)
	at, err := url.Parse(p.URL)
	if err != nil {
		t.Fatal(err)
	}
	return at, asked
}

func TestReverseThroughAProxy(t *testing.T) {
	s := newServer(t, nil)
	at, asked := proxy(t, s.Listener.Addr().String())
	l, _ := s.agent(t, reach.ReverseConfig{URL: "https://example.com/agents", Token: s.expect(t, "task"), Proxy: http.ProxyURL(at)})
	echo(t, l)
	sayAndHear(t, s.dial(t, "task"), "through")
	if host := <-asked; host != "example.com:443" {
		t.Fatalf("the proxy was asked for %q", host)
	}
}

func TestASessionOverReverseSurvivesCuts(t *testing.T) {
	const size = 64 << 20
	w := &wires{Listener: loopback(t)}
	s := newServer(t, w)
	quiet := func(error) {}
	under, _ := s.agent(t, reach.ReverseConfig{Token: s.expect(t, "task"), Failed: quiet})
	l := session.Listen(under, session.Config{})
	d := &session.Dialer{Dial: func(ctx context.Context) (net.Conn, error) { return s.Dial(ctx, "task") }}
	c, err := d.DialContext(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	agent, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	sums := make([][]byte, 4)
	for i, to := range []net.Conn{c, agent} {
		all.Go(func() {
			sum := sha256.New()
			from := rand.NewChaCha8([32]byte{byte(i)})
			if _, err := io.CopyN(io.MultiWriter(to, sum), from, size); err != nil {
				t.Error(err)
			}
			sums[i] = sum.Sum(nil)
		})
	}
	for i, from := range []net.Conn{agent, c} {
		all.Go(func() {
			sum := sha256.New()
			for part := range int64(4) {
				if _, err := io.CopyN(sum, from, size/4); err != nil {
					t.Error(err)
				}
				if i == 0 && part < 3 {
					w.cut()
				}
			}
			sums[2+i] = sum.Sum(nil)
		})
	}
	all.Wait()
	if string(sums[0]) != string(sums[2]) || string(sums[1]) != string(sums[3]) {
		t.Error("what came is not what was sent")
	}
	if n := w.cut(); n < 4 {
		t.Errorf("%d connections: nothing was cut", n)
	}
	_ = c.Close()
	_ = agent.Close()
	d.Wait()
	_ = l.Close()
	l.Wait()
}

func BenchmarkReverse(b *testing.B) {
	for _, direction := range []string{"to agent", "from agent"} {
		b.Run(direction, func(b *testing.B) {
			s := newServer(b, nil)
			l, _ := s.agent(b, reach.ReverseConfig{Token: s.expect(b, "task"), Failed: func(error) {}})
			from := s.dial(b, "task")
			to, err := l.Accept()
			if err != nil {
				b.Fatal(err)
			}
			if direction == "from agent" {
				from, to = to, from
			}
			defer to.Close()
			done := make(chan error)
			go func() {
				_, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{to}, make([]byte, 128<<10))
				done <- err
			}()
			p := make([]byte, 64<<10)
			b.SetBytes(int64(len(p)))
			for b.Loop() {
				if _, err := from.Write(p); err != nil {
					b.Fatal(err)
				}
			}
			_ = from.Close()
			if err := <-done; err != nil {
				b.Fatal(fmt.Errorf("read: %w", err))
			}
		})
	}
}
