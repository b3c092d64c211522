//go:build oracle

package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// wire is a way to a unix socket that can be cut.
type wire struct {
	net.Listener
	work sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]struct{} // nil once it is closed
}

// newWire gives a unix socket another address.
func newWire(t *testing.T, socket string) *wire {
	t.Helper()
	s := &server{dir: t.TempDir()}
	l, err := net.Listen("unix", filepath.Join(s.dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{Listener: l, conns: map[net.Conn]struct{}{}}
	w.work.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			w.work.Go(func() { w.carry(near, socket) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		w.cut()
		w.mu.Lock()
		w.conns = nil
		w.mu.Unlock()
		w.work.Wait()
	})
	return w
}

func (w *wire) carry(near net.Conn, socket string) {
	defer near.Close()
	remote, err := net.Dial("unix", socket)
	if err != nil {
		return
	}
	defer remote.Close()
	w.mu.Lock()
	closed := w.conns == nil
	if !closed {
		w.conns[near], w.conns[remote] = struct{}{}, struct{}{}
	}
	w.mu.Unlock()
	if closed {
		return
	}
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.conns, near)
		delete(w.conns, remote)
	}()
	var ways sync.WaitGroup
	for _, way := range [][2]net.Conn{{near, remote}, {remote, near}} {
		ways.Go(func() {
			_, _ = io.Copy(way[0], way[1])                            // until it is cut, or at its end
			_ = way[0].(interface{ CloseWrite() error }).CloseWrite() // it may be gone
		})
	}
	ways.Wait()
}

// cut breaks all connections off.
func (w *wire) cut() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.conns {
		_ = c.Close()
		n++
	}
	return n
}

// meter is what is read of a reader; it says when a number of bytes has gone by.
type meter struct {
	io.Reader
	left int64
	then func()
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.Reader.Read(p)
	before := m.left
	if m.left -= int64(n); before > 0 && m.left <= 0 {
		m.then()
	}
	return n, err
}

// TestEngineCut cuts the way to the other engine in the middle of a gibibyte that goes to a program there: nothing is lost, nothing
// comes twice.
func TestEngineCut(t *testing.T) {
	before := onEngine(t)
	w := newWire(t, strings.TrimPrefix(dockerd(t), "unix://"))
	t.Setenv("SOCKERLESS_DOCKERD", "unix://"+w.Addr().String())
	s := engineServer(t, "offload", "")
	s.ok(t, "run", "-d", "--name", "c", "python", "sleep", "1000")
	const size = 1 << 30
	sum, cuts := sha256.New(), 0
	cmd := s.docker(t, "exec", "-i", "c", "sha256sum")
	cmd.Stdin = &meter{
		Reader: io.TeeReader(io.LimitReader(rand.NewChaCha8([32]byte{1}), size), sum), left: size / 2, then: func() { cuts = w.cut() }}
	got := outcomeOf(t, cmd)
	if want := (outcome{stdout: hex.EncodeToString(sum.Sum(nil)) + "  -\n"}); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if cuts == 0 {
		t.Error("nothing was cut")
	}
	s.leavesNothingThere(t, before)
}
