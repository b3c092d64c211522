package session

import (
	"bytes"
	"io"
	"net"
	"path/filepath"
	"testing"

	"github.com/containerd/errdefs"
)

// raw is a peer that speaks the protocol by hand.
type raw struct {
	t *testing.T
	net.Conn
}

func (r raw) greet(h hello) welcome {
	r.t.Helper()
	if _, err := r.Write(h.encode()); err != nil {
		r.t.Fatal(err)
	}
	var b [welcomeSize]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		r.t.Fatal(err)
	}
	w, err := decodeWelcome(&b)
	if err != nil {
		r.t.Fatal(err)
	}
	return w
}

func (r raw) frame(h header, payload string) {
	r.t.Helper()
	var b [headerSize]byte
	h.length = len(payload)
	h.encode(&b)
	if _, err := r.Write(append(b[:], payload...)); err != nil {
		r.t.Fatal(err)
	}
}

func (r raw) gone() {
	r.t.Helper()
	if _, err := io.Copy(io.Discard, r); err != nil && !bytes.Contains([]byte(err.Error()), []byte("reset")) {
		r.t.Fatal(err)
	}
}

func listenRaw(t *testing.T) (*Listener, func() raw) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	under, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l := Listen(under, Config{})
	t.Cleanup(func() {
		_ = l.Close()
		l.Wait()
	})
	return l, func() raw {
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return raw{t, c}
	}
}

func accept(t *testing.T, l *Listener) net.Conn {
	t.Helper()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestResume(t *testing.T) {
	l, dial := listenRaw(t)
	h := hello{kind: opening, id: [16]byte{1}, secret: [32]byte{2}, attempt: 1, window: minWindow}
	first := dial()
	if w := first.greet(h); w.answer != accepted || w.received != 0 {
		t.Fatalf("opening: %+v", w)
	}
	first.frame(header{kind: dataFrame}, "abc")
	server := accept(t, l)
	got := make([]byte, 3)
	if _, err := io.ReadFull(server, got); err != nil {
		t.Fatal(err)
	}

	again := h
	if w := dial().greet(again); w.answer != stale {
		t.Fatalf("the same greeting again: %+v", w)
	}
	wrong := hello{kind: resuming, id: h.id, secret: [32]byte{3}, attempt: 9, window: minWindow}
	if w := dial().greet(wrong); w.answer != unknown {
		t.Fatalf("wrong secret: %+v", w)
	}
	wrong.kind = opening
	if w := dial().greet(wrong); w.answer != unknown {
		t.Fatalf("opening another one's session: %+v", w)
	}
	if w := dial().greet(hello{kind: resuming, id: [16]byte{7}, attempt: 1, window: minWindow}); w.answer != unknown {
		t.Fatalf("a session that never was: %+v", w)
	}
	first.frame(header{kind: dataFrame}, "def") // none of that has disturbed it
	if _, err := io.ReadFull(server, got); err != nil || string(got) != "def" {
		t.Fatalf("%q, %v", got, err)
	}

	later := hello{kind: resuming, id: h.id, secret: h.secret, attempt: 5, window: minWindow}
	second := dial()
	if w := second.greet(later); w.answer != accepted || w.received != 6 {
		t.Fatalf("resume: %+v", w)
	}
	first.gone() // replaced
	later.attempt = 4
	if w := dial().greet(later); w.answer != stale {
		t.Fatalf("an earlier resume that came late: %+v", w)
	}
	second.frame(header{kind: dataFrame}, "ghi")
	if _, err := io.ReadFull(server, got); err != nil || string(got) != "ghi" {
		t.Fatalf("%q, %v", got, err)
	}
}

func TestViolationsEndTheSession(t *testing.T) {
	huge := string(make([]byte, maxPayload))
	for name, do := range map[string]func(r raw, dial func() raw, h hello){
		"unknown kind":            func(r raw, _ func() raw, _ hello) { r.frame(header{kind: 9}, "") },
		"data without bytes":      func(r raw, _ func() raw, _ hello) { r.frame(header{kind: dataFrame}, "") },
		"ack with bytes":          func(r raw, _ func() raw, _ hello) { r.frame(header{kind: ackFrame}, "x") },
		"reads what was not sent": func(r raw, _ func() raw, _ hello) { r.frame(header{kind: ackFrame, read: 1}, "") },
		"more than the window": func(r raw, _ func() raw, _ hello) {
			for range 4<<20/maxPayload + 1 {
				if _, err := r.Write(append([]byte{dataFrame, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, huge...)); err != nil {
					return
				}
			}
		},
		"has what was not sent": func(_ raw, dial func() raw, h hello) {
			h.kind, h.attempt, h.received = resuming, 2, 1
			if w := dial().greet(h); w.answer != unknown {
				panic("accepted")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			l, dial := listenRaw(t)
			r := dial()
			h := hello{kind: opening, id: [16]byte{1}, attempt: 1, window: minWindow}
			r.greet(h)
			r.frame(header{kind: ackFrame}, "")
			server := accept(t, l)
			do(r, dial, h)
			if _, err := io.Copy(io.Discard, onlyErrors{server}); !errdefs.IsDataLoss(err) {
				t.Fatalf("read: %v", err)
			}
			r.gone()
		})
	}
}

// onlyErrors waits for the end of a session without reading what came, so that its window stays full.
type onlyErrors struct{ net.Conn }

func (o onlyErrors) Read([]byte) (int, error) {
	c := o.Conn.(*Conn)
	<-c.done
	c.mu.Lock()
	defer c.mu.Unlock()
	return 0, c.err
}

func TestAnotherVersionIsTold(t *testing.T) {
	_, dial := listenRaw(t)
	r := dial()
	b := (&hello{kind: opening, attempt: 1, window: minWindow}).encode()
	b[3] = version + 1
	if _, err := r.Write(b); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(r)
	if err != nil || len(answer) != welcomeSize || answer[3] != version {
		t.Fatalf("%v, %v", answer, err)
	}
	answer[3] = version + 1
	if _, err := decodeWelcome((*[welcomeSize]byte)(answer)); !errdefs.IsDataLoss(err) {
		t.Fatalf("%v", err)
	}
}

func TestRing(t *testing.T) {
	var r ring
	var want, got []byte
	next := byte(0)
	for step := range 2_000 {
		n := (step*7919)%(40<<10) + 1
		for n > 0 {
			room := r.reserve(n, 64<<10)
			if len(room) == 0 {
				break
			}
			for i := range room {
				room[i] = next
				want = append(want, next)
				next++
			}
			r.end += uint64(len(room))
			n -= len(room)
		}
		if r.len() > 64<<10 || len(r.buf) > 64<<10 {
			t.Fatalf("holds %d of %d", r.len(), len(r.buf))
		}
		a, b := r.span(r.start, r.len()*(step%3)/2)
		got = append(append(got[:0], a...), b...)
		if !bytes.Equal(got, want[:len(got)]) {
			t.Fatalf("step %d: wrong bytes", step)
		}
		r.start += uint64(len(got))
		want = want[len(got):]
		r.release()
	}
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte{dataFrame, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 'x', closeFrame, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{ackFrame, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1})
	f.Add([]byte{byeFrame, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		here, there := net.Pipe()
		c := newConn(Config{Window: minWindow}.withDefaults(), [16]byte{}, [32]byte{})
		l := newLink(here)
		if err := c.attach(l, 0, minWindow); err != nil {
			t.Fatal(err)
		}
		served := make(chan struct{})
		go func() {
			defer close(served)
			_ = c.serve(l, nil)
			c.end(net.ErrClosed)
		}()
		drained := make(chan struct{})
		go func() {
			defer close(drained)
			_, _ = io.Copy(io.Discard, there)
		}()
		_, _ = there.Write(data)
		_ = there.Close()
		<-served
		<-drained
		if c.in.len() > minWindow {
			t.Fatalf("%d bytes kept", c.in.len())
		}
	})
}

func FuzzGreetings(f *testing.F) {
	f.Add((&hello{kind: resuming, attempt: 3, received: 9, window: minWindow}).encode())
	f.Add((&welcome{received: 9, window: minWindow}).encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) >= helloSize {
			if h, err := decodeHello((*[helloSize]byte)(data)); err == nil {
				again, err := decodeHello((*[helloSize]byte)(h.encode()))
				if err != nil || again != h {
					t.Fatalf("%+v is %+v, %v", h, again, err)
				}
			}
		}
		if len(data) >= welcomeSize {
			if w, err := decodeWelcome((*[welcomeSize]byte)(data)); err == nil {
				again, err := decodeWelcome((*[welcomeSize]byte)(w.encode()))
				if err != nil || again != w {
					t.Fatalf("%+v is %+v, %v", w, again, err)
				}
			}
		}
	})
}
