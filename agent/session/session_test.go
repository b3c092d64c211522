package session_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/containerd/errdefs"

	"github.com/sockerless/sockerless/agent/session"
)

// exchange sends n bytes each way at once, closes when both have all of it, and compares.
func exchange(t *testing.T, client, server net.Conn, n int64, random *rand.Rand) {
	t.Helper()
	var all sync.WaitGroup
	sums := make([][]byte, 4)
	send := func(i int, to net.Conn) {
		sum := sha256.New()
		sizes := rand.New(rand.NewPCG(random.Uint64(), 1))
		all.Go(func() {
			from := io.TeeReader(noise(uint64(i), n), sum)
			buf := make([]byte, 300<<10)
			for {
				m, err := from.Read(buf[:1+sizes.IntN(len(buf))])
				if m > 0 {
					if _, err := to.Write(buf[:m]); err != nil {
						t.Errorf("write: %v", err)
						return
					}
				}
				if err != nil {
					sums[i] = sum.Sum(nil)
					return
				}
			}
		})
	}
	receive := func(i int, from net.Conn) {
		all.Go(func() {
			sum := sha256.New()
			if got, err := io.CopyBuffer(sum, struct{ io.Reader }{io.LimitReader(from, n)}, make([]byte, 100<<10)); err != nil || got != n {
				t.Errorf("received %d of %d bytes: %v", got, n, err)
			}
			sums[i] = sum.Sum(nil)
		})
	}
	send(0, client)
	send(1, server)
	receive(2, server)
	receive(3, client)
	all.Wait()
	if !bytes.Equal(sums[0], sums[2]) || !bytes.Equal(sums[1], sums[3]) {
		t.Fatal("what came is not what was sent")
	}
}

// expectEnd closes one side and waits for the end on the other one.
func expectEnd(t *testing.T, closing, other net.Conn) {
	t.Helper()
	if err := closing.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := other.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Fatalf("the other side reads %d, %v", n, err)
	}
}

func TestAStreamSurvivesCutsEverywhere(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			l, dial := listen(t, session.Config{Window: 256 << 10})
			var mu sync.Mutex
			w := &wires{dial: dial, budget: func(n int) int64 {
				mu.Lock()
				defer mu.Unlock()
				switch {
				case n == 0:
					return 200 << 10
				case random.IntN(4) == 0: // in or soon after the handshake
					return random.Int64N(300)
				default:
					return random.Int64N(4 << 20)
				}
			}}
			client, server := pair(t, l, &session.Dialer{Dial: w.Dial, Config: session.Config{Window: 1 << 20}})
			exchange(t, client, server, 32<<20, rand.New(rand.NewPCG(seed, 1))) // its own: random is used by who dials
			if w.count() < 10 {
				t.Fatalf("only %d raw connections: nothing was cut", w.count())
			}
		})
	}
}

func TestMuchGoesBothWaysUnderCuts(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	l, dial := listen(t, session.Config{})
	w := &wires{dial: dial, budget: func(n int) int64 { return int64(20<<20 + n) }}
	client, server := pair(t, l, &session.Dialer{Dial: w.Dial})
	exchange(t, client, server, 256<<20, random)
	expectEnd(t, client, server)
}

// Every offset of the first few hundred bytes is a place where a connection breaks: inside the greeting, its answer,
// headers, data, the close.
func TestACutAtEveryByte(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for at := range int64(700) {
			raw := newPipes()
			l := session.Listen(raw, session.Config{})
			w := &wires{dial: raw.dial, budget: func(n int) int64 {
				if n == 0 {
					return at
				}
				return -1
			}}
			d := &session.Dialer{Dial: w.Dial}
			client, err := d.DialContext(t.Context())
			if err != nil { // the first connection is not tried again
				if client, err = d.DialContext(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			server, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			for i := range 10 {
				question, answer := fmt.Sprintf("question %d", i), fmt.Sprintf("the answer to it is %d", i)
				say(t, client, question)
				hear(t, server, question)
				say(t, server, answer)
				hear(t, client, answer)
			}
			say(t, client, "bye")
			if err := client.Close(); err != nil {
				t.Fatal(err)
			}
			rest, err := io.ReadAll(server)
			if err != nil || string(rest) != "bye" {
				t.Fatalf("cut at %d: read %q, %v", at, rest, err)
			}
			if err := server.Close(); err != nil {
				t.Fatal(err)
			}
			d.Wait()
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			l.Wait()
		}
	})
}

func say(t *testing.T, c net.Conn, s string) {
	t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		t.Fatal(err)
	}
}

func hear(t *testing.T, c net.Conn, s string) {
	t.Helper()
	got := make([]byte, len(s))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != s {
		t.Fatalf("heard %q, %v, not %q", got, err, s)
	}
}

// inBubble runs a test with a session over pipes and a fake clock.
func inBubble(t *testing.T, config session.Config, f func(t *testing.T, w *wires, client, server net.Conn)) {
	synctest.Test(t, func(t *testing.T) {
		raw := newPipes()
		l := session.Listen(raw, config)
		w := &wires{dial: raw.dial}
		d := &session.Dialer{Dial: w.Dial, Config: config}
		client, server := pair(t, l, d)
		f(t, w, client, server)
		_ = client.Close()
		_ = server.Close()
		_ = l.Close()
		d.Wait()
		l.Wait()
	})
}

func TestAPeerThatStaysAwayEndsTheSession(t *testing.T) {
	inBubble(t, session.Config{Timeout: time.Hour}, func(t *testing.T, w *wires, client, server net.Conn) {
		say(t, client, "x") // stays readable
		synctest.Wait()
		began := time.Now()
		w.cut(true)
		for _, c := range []net.Conn{client, server} {
			_, err := io.Copy(io.Discard, c)
			var lost *session.LostError
			var network net.Error
			if !errors.As(err, &lost) || !errdefs.IsUnavailable(err) || !errors.As(err, &network) || !network.Timeout() {
				t.Errorf("read: %v", err)
			}
			if _, err := c.Write([]byte("x")); !errors.As(err, &lost) {
				t.Errorf("write: %v", err)
			}
		}
		if took := time.Since(began); took < time.Hour || took > time.Hour+time.Second {
			t.Errorf("after %v", took)
		}
	})
}

func TestAPeerThatComesBackInTimeHasMissedNothing(t *testing.T) {
	inBubble(t, session.Config{Timeout: time.Hour}, func(t *testing.T, w *wires, client, server net.Conn) {
		w.cut(true)
		say(t, client, "to server")
		say(t, server, "to client")
		time.Sleep(59 * time.Minute) // of the fake clock
		w.mu.Lock()
		w.down = false
		w.mu.Unlock()
		hear(t, server, "to server")
		hear(t, client, "to client")
	})
}

// stuck is a connection that swallows what is written, as one does whose other end has lost its power.
type stuck struct {
	net.Conn
	mu    sync.Mutex
	stuck bool
}

func (s *stuck) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stuck {
		return len(p), nil
	}
	return s.Conn.Write(p)
}

func TestHeartbeatsFindADeadConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		raw := newPipes()
		l := session.Listen(raw, session.Config{Heartbeat: time.Minute})
		var first *stuck
		w := &wires{dial: func(ctx context.Context) (net.Conn, error) {
			c, err := raw.dial(ctx)
			if err == nil && first == nil {
				first = &stuck{Conn: c}
				return first, nil
			}
			return c, err
		}}
		d := &session.Dialer{Dial: w.Dial, Config: session.Config{Heartbeat: time.Minute}}
		client, server := pair(t, l, d)
		time.Sleep(24 * time.Hour)
		if w.count() != 1 {
			t.Fatalf("%d raw connections, though the first one was quiet only", w.count())
		}
		first.mu.Lock()
		first.stuck = true
		first.mu.Unlock()
		say(t, client, "hello")
		began := time.Now()
		hear(t, server, "hello")
		if took := time.Since(began); took > 4*time.Minute || w.count() != 2 {
			t.Fatalf("after %v, %d raw connections", took, w.count())
		}
		_ = client.Close()
		_ = server.Close()
		_ = l.Close()
		d.Wait()
		l.Wait()
	})
}

func TestDeadlines(t *testing.T) {
	inBubble(t, session.Config{Window: 64 << 10}, func(t *testing.T, w *wires, client, server net.Conn) {
		began := time.Now()
		_ = client.SetReadDeadline(began.Add(time.Second))
		if _, err := client.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read: %v", err)
		}
		_ = client.SetWriteDeadline(began.Add(2 * time.Second))
		n, err := client.Write(make([]byte, 1<<20))
		if !errors.Is(err, os.ErrDeadlineExceeded) || n != 64<<10 {
			t.Errorf("write: %d, %v", n, err)
		}
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("after %v", took)
		}
		_ = client.SetDeadline(time.Time{})
		say(t, server, "on")
		hear(t, client, "on")
		done := make(chan error)
		go func() {
			_, err := client.Read(make([]byte, 1))
			done <- err
		}()
		synctest.Wait()
		_ = client.SetReadDeadline(time.Now()) // interrupts one that waits
		if err := <-done; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read: %v", err)
		}
	})
}

func TestAWriterWaitsForTheReader(t *testing.T) {
	inBubble(t, session.Config{Window: 64 << 10}, func(t *testing.T, w *wires, client, server net.Conn) {
		done := make(chan error)
		go func() {
			_, err := client.Write(make([]byte, 200<<10))
			done <- err
		}()
		synctest.Wait()
		select {
		case err := <-done:
			t.Fatalf("wrote more than the window: %v", err)
		default:
		}
		w.cut(false)
		if _, err := io.CopyN(io.Discard, server, 200<<10); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	})
}

func TestCloseDeliversWhatWasWritten(t *testing.T) {
	for _, closer := range []string{"client", "server"} {
		t.Run(closer, func(t *testing.T) {
			inBubble(t, session.Config{}, func(t *testing.T, w *wires, client, server net.Conn) {
				if closer == "server" {
					client, server = server, client
				}
				w.cut(false)
				say(t, client, "last words")
				if err := client.Close(); err != nil {
					t.Fatal(err)
				}
				if _, err := client.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
					t.Errorf("write after Close: %v", err)
				}
				if _, err := client.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
					t.Errorf("read after Close: %v", err)
				}
				if err := client.Close(); !errors.Is(err, net.ErrClosed) {
					t.Errorf("second Close: %v", err)
				}
				got, err := io.ReadAll(server)
				if err != nil || string(got) != "last words" {
					t.Errorf("read %q, %v", got, err)
				}
				if _, err := server.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
					t.Errorf("write to who has closed: %v", err)
				}
			})
		})
	}
}

func TestBothCloseAtOnce(t *testing.T) {
	inBubble(t, session.Config{}, func(t *testing.T, w *wires, client, server net.Conn) {
		began := time.Now()
		say(t, client, "x")
		say(t, server, "y")
		_ = client.Close()
		_ = server.Close()
		synctest.Wait()
		if !time.Now().Equal(began) {
			t.Error("it took time")
		}
	})
}

func TestCloseGivesUpOnAPeerThatDoesNotRead(t *testing.T) {
	inBubble(t, session.Config{Window: 64 << 10, Linger: time.Minute}, func(t *testing.T, w *wires, client, server net.Conn) {
		say(t, client, string(make([]byte, 64<<10)))
		w.cut(true)
		_ = client.Close()
		time.Sleep(59 * time.Second)
		w.mu.Lock()
		w.down = false // nobody tries any more after the minute
		dialed := w.dialed
		w.mu.Unlock()
		time.Sleep(2 * time.Minute)
		if w.count() > dialed+1 {
			t.Errorf("%d raw connections after the end", w.count()-dialed)
		}
	})
}

func TestSessionsDoNotMix(t *testing.T) {
	l, dial := listen(t, session.Config{})
	var all sync.WaitGroup
	defer all.Wait()
	for i := range 20 {
		client, server := pair(t, l, &session.Dialer{Dial: dial})
		all.Go(func() { exchange(t, client, server, 1<<20, rand.New(rand.NewPCG(1, uint64(i)))) })
	}
}

func TestARestartedPeerDoesNotKnowTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, fresh := newPipes(), newPipes()
		to := old
		w := &wires{dial: func(ctx context.Context) (net.Conn, error) { return to.dial(ctx) }}
		l := session.Listen(old, session.Config{})
		d := &session.Dialer{Dial: w.Dial}
		client, server := pair(t, l, d)
		restarted := session.Listen(fresh, session.Config{})
		to = fresh
		w.cut(false)
		var lost *session.LostError
		if _, err := client.Read(make([]byte, 1)); !errors.As(err, &lost) || lost.Timeout() || !errdefs.IsUnavailable(err) {
			t.Fatalf("read: %v", err)
		}
		_ = client.Close()
		_ = server.Close()
		d.Wait()
		_ = l.Close()
		_ = restarted.Close()
		l.Wait()
		restarted.Wait()
	})
}

func TestListenerCloseEndsWhatNobodyHasAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		raw := newPipes()
		l := session.Listen(raw, session.Config{})
		d := &session.Dialer{Dial: raw.dial, Config: session.Config{Timeout: time.Minute}}
		kept, server := pair(t, l, d)
		client, err := d.DialContext(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept: %v", err)
		}
		var lost *session.LostError
		if _, err := client.Read(make([]byte, 1)); !errors.As(err, &lost) {
			t.Errorf("read: %v", err)
		}
		say(t, kept, "still there")
		hear(t, server, "still there")
		_ = client.Close()
		expectEnd(t, kept, server)
		_ = server.Close()
		d.Wait()
		l.Wait()
	})
}
