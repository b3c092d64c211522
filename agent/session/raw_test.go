package session_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/sockerless/sockerless/agent/session"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pipes is a raw listener in memory.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes", Net: "unix"} }

func (p *pipes) dial(ctx context.Context) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-p.closed:
		return nil, errors.New("connection refused")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// wires counts raw connections and cuts them.
type wires struct {
	dial func(ctx context.Context) (net.Conn, error)
	// budget is how many bytes the n-th connection carries, both directions together, before it breaks; -1 is no limit.
	budget func(n int) int64

	mu     sync.Mutex
	dialed int
	latest net.Conn
	down   bool // nobody can be reached
}

func (w *wires) Dial(ctx context.Context) (net.Conn, error) {
	w.mu.Lock()
	down := w.down
	w.mu.Unlock()
	if down {
		return nil, errors.New("no route to host")
	}
	raw, err := w.dial(ctx)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.dialed
	w.dialed++
	w.latest = raw
	if w.budget == nil {
		return raw, nil
	}
	c := &breaking{Conn: raw, left: w.budget(n)}
	w.latest = c
	return c, nil
}

func (w *wires) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dialed
}

// cut breaks the present raw connection, and lets no other one through if down.
func (w *wires) cut(down bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = down
	_ = w.latest.Close()
}

// breaking is a connection that breaks after some bytes, in the middle of a Read or Write.
type breaking struct {
	net.Conn
	mu   sync.Mutex
	left int64 // -1 is no limit
}

var errCut = errors.New("cut")

// take says how many of n bytes still pass.
func (b *breaking) take(n int) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.left < 0 {
		return n
	}
	n = int(min(int64(n), b.left))
	b.left -= int64(n)
	return n
}

func (b *breaking) Read(p []byte) (int, error) {
	n, err := b.Conn.Read(p)
	if allowed := b.take(n); allowed < n { // what came in the same piece behind the cut is lost
		_ = b.Conn.Close()
		if allowed == 0 {
			return 0, errCut
		}
		return allowed, nil
	}
	return n, err
}

func (b *breaking) Write(p []byte) (int, error) {
	allowed := b.take(len(p))
	n, err := b.Conn.Write(p[:allowed])
	if err == nil && allowed < len(p) {
		_ = b.Conn.Close()
		err = errCut
	}
	return n, err
}

// listen starts a Listener on a unix socket, with a way to it.
func listen(t testing.TB, config session.Config) (*session.Listener, func(context.Context) (net.Conn, error)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	raw, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l := session.Listen(raw, config)
	t.Cleanup(func() {
		_ = l.Close()
		l.Wait()
	})
	return l, func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}
}

// pair opens one session.
func pair(t testing.TB, l *session.Listener, d *session.Dialer) (client, server net.Conn) {
	t.Helper()
	client, err := d.DialContext(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	server, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = client.Close()
		_ = server.Close()
		d.Wait()
	})
	return client, server
}

// noise is a stream of pseudo-random bytes.
func noise(seed uint64, n int64) io.Reader {
	var key [32]byte
	key[0] = byte(seed)
	return io.LimitReader(rand.NewChaCha8(key), n)
}
