package reach_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sockerless/sockerless/agent"
	"github.com/sockerless/sockerless/agent/agentpb"
	"github.com/sockerless/sockerless/agent/reach"
	"github.com/sockerless/sockerless/agent/session"
)

func TestRelay(t *testing.T) {
	far := loopback(t)
	echo(t, far)
	path := filepath.Join(t.TempDir(), "agent.sock")
	if err := os.WriteFile(path, nil, 0o644); err != nil { // an earlier server was killed
		t.Fatal(err)
	}
	r, err := reach.NewRelay(path, func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", far.Addr().String())
	})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	info, err := os.Lstat(path)
	if err != nil || info.Mode() != os.ModeSocket|0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Fatalf("%v, %v", left, err)
	}
	c, err := net.Dial("unix", strings.TrimPrefix(r.Target(), "unix:"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<18)
	go func() {
		_, _ = c.Write(sent)
		_ = c.(*net.UnixConn).CloseWrite()
	}()
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, sent) {
		t.Fatalf("%d of %d bytes, %v", len(got), len(sent), err)
	}

	open, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	sayAndHear(t, open, "x")
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := open.Read(make([]byte, 1)); err == nil {
		t.Error("a connection outlives the relay")
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket outlives the relay: %v", err)
	}
}

func TestRelayEndsWhatItCannotConnect(t *testing.T) {
	r, err := reach.NewRelay(filepath.Join(t.TempDir(), "s"), func(context.Context) (net.Conn, error) {
		return nil, errors.New("nobody there")
	})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	c, err := net.Dial("unix", strings.TrimPrefix(r.Target(), "unix:"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
}

// host has files only: Get sends so many bytes.
type host struct {
	agent.Host
	size int
}

func (h *host) Open(context.Context, *agentpb.Container) error { return nil }

func (h *host) Get(_ context.Context, _, _ string, stat func(*agentpb.PathStat) error, w io.Writer) error {
	if err := stat(&agentpb.PathStat{Name: "file", Size: int64(h.size)}); err != nil {
		return err
	}
	piece := bytes.Repeat([]byte{7}, 64<<10)
	for sent := 0; sent < h.size; sent += len(piece) {
		if _, err := w.Write(piece); err != nil {
			return err
		}
	}
	return nil
}

// serveAgent runs an agent on l.
func serveAgent(t *testing.T, l net.Listener, size int) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() {
		done <- agent.NewServer(&host{size: size}, agent.ServerConfig{ID: "far", Version: "v"}).Serve(ctx, l)
	}()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// The whole of it: the agent's protocol on a session on a connection of either kind, behind a relay, cut in the middle.
func TestAnAgentBehindEverything(t *testing.T) {
	const size = 32 << 20
	for name, connect := range map[string]func(t *testing.T, w *wires) (net.Listener, func(ctx context.Context) (net.Conn, error)){
		"forward": func(t *testing.T, w *wires) (net.Listener, func(ctx context.Context) (net.Conn, error)) {
			a := authority(t)
			mine := serverOf(t, a)
			return agentOf(t, a, "task", time.Hour).Wrap(w), func(ctx context.Context) (net.Conn, error) {
				return mine.Dial(ctx, w.Addr().String(), "task")
			}
		},
		"reverse": func(t *testing.T, w *wires) (net.Listener, func(ctx context.Context) (net.Conn, error)) {
			s := newServer(t, w)
			l, _ := s.agent(t, reach.ReverseConfig{Token: s.expect(t, "task"), Failed: func(error) {}})
			return l, func(ctx context.Context) (net.Conn, error) { return s.Dial(ctx, "task") }
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := &wires{Listener: loopback(t)}
			under, dial := connect(t, w)
			l := session.Listen(under, session.Config{})
			t.Cleanup(l.Wait)
			serveAgent(t, l, size)
			d := &session.Dialer{Dial: dial}
			t.Cleanup(d.Wait)
			r, err := reach.NewRelay(filepath.Join(t.TempDir(), "s"), d.DialContext)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = r.Close() })
			c, err := agent.Dial(t.Context(), r.Target(), "server")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Close() })
			if c.ID() != "far" {
				t.Fatalf("agent %q", c.ID())
			}
			if err := c.OpenContainer(t.Context(), &agentpb.Container{Id: "c", Directory: t.TempDir()}); err != nil {
				t.Fatal(err)
			}
			_, stream, err := c.Get(t.Context(), "c", "/file")
			if err != nil {
				t.Fatal(err)
			}
			defer stream.Close()
			for range 4 {
				if _, err := io.CopyN(io.Discard, stream, size/4); err != nil {
					t.Fatal(err)
				}
				w.cut()
			}
			if n, err := io.Copy(io.Discard, stream); n != 0 || err != nil {
				t.Fatalf("%d bytes too many, %v", n, err)
			}
		})
	}
}
