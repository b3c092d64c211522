package netstack_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sockerless/sockerless/agent/network"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve accepts connections on this machine's loopback until the test ends.
func serve(t testing.TB, handle func(net.Conn)) (port string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, l, handle)
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port
}

func serveOn(t testing.TB, l net.Listener, handle func(net.Conn)) {
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				handle(c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		all.Wait()
	})
}

func echo(c net.Conn) { _, _ = io.Copy(c, c) }

// closedPort is a port of this machine where nobody listens.
func closedPort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

func world() *hosts {
	return &hosts{
		names: map[string]string{"db.": "10.88.0.3", "example.test.": "192.0.2.7"},
		fails: map[string]network.Code{
			"10.88.0.9": network.HostUnreachable, "10.88.0.10": network.NetworkUnreachable, "10.88.0.11": network.Denied,
		},
	}
}

func TestPrograms(t *testing.T) {
	out := world()
	n := newNamespace(t, "10.88.0.2", out)
	port := serve(t, func(c net.Conn) {
		data, _ := io.ReadAll(c)
		fmt.Fprintf(c, "got %d bytes: %s", len(data), data)
	})
	closed := closedPort(t)
	python := func(script string) []string { return []string{"python3", "-c", script} }
	for _, test := range []struct {
		name   string
		args   []string
		stdin  string
		output string // contained in the output
		code   int
	}{
		{"half-close of busybox nc", []string{"busybox", "nc", "10.88.0.3", port}, "hello", "got 5 bytes: hello", 0},
		{"by name", []string{"busybox", "nc", "db", port}, "hello", "got 5 bytes: hello", 0},
		{"outside", []string{"busybox", "nc", "example.test", port}, "x", "got 1 bytes: x", 0},
		{"bash", []string{"bash", "-c", "exec 3<>/dev/tcp/db/" + port + "; echo hi >&3; echo done"}, "", "done", 0},
		{"refused", []string{"bash", "-c", "exec 3<>/dev/tcp/10.88.0.3/" + closed}, "", "Connection refused", 1},
		{"no such host", []string{"bash", "-c", "exec 3<>/dev/tcp/10.88.0.9/80"}, "", "No route to host", 1},
		{"no such network", []string{"bash", "-c", "exec 3<>/dev/tcp/10.88.0.10/80"}, "", "Network is unreachable", 1},
		{"denied", []string{"bash", "-c", "exec 3<>/dev/tcp/10.88.0.11/80"}, "", "No route to host", 1},
		{"own address", []string{"bash", "-c", "exec 3<>/dev/tcp/10.88.0.2/80"}, "", "Connection refused", 1},
		{"loopback", []string{"bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/80"}, "", "Connection refused", 1},
		{"getent", []string{"getent", "ahostsv4", "db"}, "", "10.88.0.3", 0},
		{"getent of nothing", []string{"getent", "ahostsv4", "nothing.test"}, "", "", 2},
		{"python's resolver", python("import socket; print(socket.gethostbyname('db'))"), "", "10.88.0.3\n", 0},
		{"python's error", python("import socket; socket.create_connection(('10.88.0.3'," + closed + "))"), "", "ConnectionRefusedError", 1},
		{"curl", []string{"curl", "-sS", "http://nothing.test/"}, "", "Could not resolve host", 6},
		{"ping", []string{"busybox", "ping", "-c1", "-W5", "10.88.0.3"}, "", "1 packets received", 0},
		{"ping the gateway", []string{"busybox", "ping", "-c1", "-W5", "10.88.0.1"}, "", "1 packets received", 0},
		{"ping nobody", []string{"busybox", "ping", "-c1", "-W1", "10.88.0.9"}, "", "0 packets received", 1},
		{"the interface", []string{"busybox", "ip", "addr", "show", "eth0"}, "", "inet 10.88.0.2/16", 0},
		{"the route", []string{"busybox", "ip", "route"}, "", "default via 10.88.0.1 dev eth0", 0},
		{"no IPv6", []string{"bash", "-c", "exec 3<>/dev/tcp/2001:db8::1/80"}, "", "Network is unreachable", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, code := n.run(t, test.stdin, test.args[0], test.args[1:]...)
			if code != test.code || !strings.Contains(got, test.output) {
				t.Errorf("%q: exit code %d and %q; want %d and %q in it", test.args, code, got, test.code, test.output)
			}
		})
	}
	out.mu.Lock()
	defer out.mu.Unlock()
	if want := "c tcp 10.88.0.3:" + port; out.dials[0] != want {
		t.Errorf("the first dial was %q, want %q", out.dials[0], want)
	}
}

// TestBulk sends 64 MiB in each direction at once.
func TestBulk(t *testing.T) {
	const size = 64 << 20
	data := make([]byte, size)
	chacha := rand.NewChaCha8([32]byte{1})
	_, _ = chacha.Read(data)
	want := sha256.Sum256(data)
	served := make(chan struct{})
	port := serve(t, func(c net.Conn) {
		defer close(served)
		var both sync.WaitGroup
		both.Go(func() {
			sum := sha256.New()
			if _, err := io.Copy(sum, c); err != nil || !bytes.Equal(sum.Sum(nil), want[:]) {
				t.Errorf("what came out of the namespace is not what went in: %v", err)
			}
		})
		if _, err := c.Write(data); err != nil {
			t.Error(err)
		}
		_ = c.(*net.TCPConn).CloseWrite()
		both.Wait()
	})
	n := newNamespace(t, "10.88.0.2", world())
	c, err := n.dial("tcp", "10.88.0.3:"+port)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var both sync.WaitGroup
	both.Go(func() {
		if _, err := c.Write(data); err != nil {
			t.Error(err)
		}
		_ = c.(*net.TCPConn).CloseWrite()
	})
	sum := sha256.New()
	if _, err := io.Copy(sum, c); err != nil || !bytes.Equal(sum.Sum(nil), want[:]) {
		t.Errorf("what came into the namespace is not what was sent: %v", err)
	}
	both.Wait()
	<-served // the end of the namespace breaks off what is under way
}

func TestManyConnections(t *testing.T) {
	port := serve(t, echo)
	n := newNamespace(t, "10.88.0.2", world())
	var all sync.WaitGroup
	for i := range 200 {
		c, err := n.dial("tcp", "10.88.0.3:"+port)
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			defer c.Close()
			message := bytes.Repeat([]byte{byte(i)}, 10000)
			if _, err := c.Write(message); err != nil {
				t.Error(err)
			}
			_ = c.(*net.TCPConn).CloseWrite()
			if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, message) {
				t.Errorf("connection %d: %d bytes came back: %v", i, len(got), err)
			}
		})
	}
	all.Wait()
}

// TestReset passes on both ways that a connection broke off, and is no end.
func TestReset(t *testing.T) {
	seen := make(chan error, 1)
	port := serve(t, func(c net.Conn) {
		b := make([]byte, 1)
		_, err := c.Read(b)
		if b[0] == 'r' {
			_ = c.(*net.TCPConn).SetLinger(0)
			return
		}
		if err == nil { // the reset may have overtaken the byte, and is told once only
			_, err = c.Read(b)
		}
		seen <- err
	})
	n := newNamespace(t, "10.88.0.2", world())
	for _, side := range []string{"r", "p"} {
		c, err := n.dial("tcp", "10.88.0.3:"+port)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte(side)); err != nil {
			t.Fatal(err)
		}
		if side == "r" {
			_, err = c.Read(make([]byte, 1))
			c.Close()
		} else {
			_ = c.(*net.TCPConn).SetLinger(0)
			c.Close()
			err = <-seen
		}
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("side %s: %v, want a reset", side, err)
		}
	}
}

func TestDatagrams(t *testing.T) {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		b := make([]byte, 1<<16)
		for {
			size, from, err := server.ReadFrom(b)
			if err != nil {
				return
			}
			if _, err := server.WriteTo(b[:size], from); err != nil {
				t.Error(err)
			}
		}
	})
	defer serving.Wait()
	defer server.Close()
	_, port, _ := net.SplitHostPort(server.LocalAddr().String())
	n := newNamespace(t, "10.88.0.2", world())
	c, err := n.dial("udp", "10.88.0.3:"+port)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, size := range []int{1, 0, 1400, 60000, 65507} { // the last one in fragments
		message := bytes.Repeat([]byte{7}, size)
		if _, err := c.Write(message); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 1<<16)
		got, err := c.Read(b)
		if err != nil || !bytes.Equal(b[:got], message) {
			t.Errorf("a datagram of %d bytes came back as %d: %v", size, got, err)
		}
	}
	for address, want := range map[string]error{
		"10.88.0.9:53": syscall.EHOSTUNREACH, "10.88.0.3:" + closedPort(t): syscall.ECONNREFUSED,
	} {
		c, err := n.dial("udp", address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, want) {
			t.Errorf("datagram to %s: %v, want %v", address, err, want)
		}
		c.Close()
	}
}

func TestDialInto(t *testing.T) {
	n := newNamespace(t, "10.88.0.2", world())
	serveOn(t, n.listen(t, "0.0.0.0:80"), echo)
	serveOn(t, n.listen(t, "127.0.0.1:81"), echo)
	for _, test := range []struct {
		kind, address string
		want          error
	}{
		{"tcp", "10.88.0.2:80", nil}, {"tcp", ":80", nil}, {"tcp", "0.0.0.0:80", nil}, {"tcp", "127.0.0.1:81", nil},
		{"tcp", "10.99.0.2:80", nil}, // which it was given after its start
		{"tcp", "10.88.0.2:81", syscall.ECONNREFUSED}, {"tcp", "10.88.0.2:82", syscall.ECONNREFUSED},
	} {
		var c net.Conn
		var err error
		n.do(func() { c, err = n.stack.DialInto(t.Context(), "c", test.kind, test.address) })
		if !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", test.address, err, test.want)
		}
		if err != nil {
			continue
		}
		fmt.Fprint(c, "hello")
		_ = c.(*net.TCPConn).CloseWrite()
		if got, err := io.ReadAll(c); string(got) != "hello" || err != nil {
			t.Errorf("%s: %q, %v", test.address, got, err)
		}
		c.Close()
	}
	for _, address := range []string{"nonsense", "10.88.0.2:http"} {
		if c, err := n.stack.DialInto(t.Context(), "c", "tcp", address); err == nil {
			c.Close()
			t.Errorf("%s was connected to", address)
		}
	}
}

// TestDialIntoAs connects in the name of others: that is whom the program sees, and a refusal is one.
func TestDialIntoAs(t *testing.T) {
	n := newNamespace(t, "10.88.0.2", world())
	serveOn(t, n.listen(t, "0.0.0.0:80"), func(c net.Conn) {
		data, _ := io.ReadAll(c)
		fmt.Fprintf(c, "%s from %s", data, c.RemoteAddr())
	})
	var packets net.PacketConn
	var err error
	n.do(func() { packets, err = net.ListenPacket("udp", "0.0.0.0:5300") })
	if err != nil {
		t.Fatal(err)
	}
	var echoing sync.WaitGroup
	echoing.Go(func() {
		for buffer := make([]byte, 100); ; {
			size, from, err := packets.ReadFrom(buffer)
			if err != nil {
				return
			}
			_, _ = packets.WriteTo(fmt.Appendf(nil, "%s from %s", buffer[:size], from), from)
		}
	})
	defer echoing.Wait()
	defer packets.Close()
	dial := func(kind, source, address string) (net.Conn, error) {
		return n.stack.DialInto(network.WithSource(t.Context(), netip.MustParseAddrPort(source)), "c", kind, address)
	}
	for range 2 { // while the first one's port is taken, the second has another
		c, err := dial("tcp", "192.0.2.7:4000", "10.88.0.2:80")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprint(c, "hello")
		_ = c.(network.Half).CloseWrite()
		if got, err := io.ReadAll(c); !strings.HasPrefix(string(got), "hello from 192.0.2.7:") || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	}
	if c, err := dial("tcp", "10.88.0.3:0", "10.88.0.2:82"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("nobody listens: %v, %v", c, err)
	}
	c, err := dial("udp", "10.88.0.3:4001", "10.88.0.2:5300")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "hello")
	buffer := make([]byte, 100)
	if size, err := c.Read(buffer); string(buffer[:size]) != "hello from 10.88.0.3:4001" || err != nil {
		t.Errorf("%q, %v", buffer[:size], err)
	}
	nobody, err := dial("udp", "10.88.0.3:4001", "10.88.0.2:5301")
	if err != nil {
		t.Fatal(err)
	}
	defer nobody.Close()
	fmt.Fprint(nobody, "hello")
	if size, err := nobody.Read(buffer); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("nobody listens: %q, %v", buffer[:size], err)
	}
}

// TestCloseBreaksOff closes a stack with connections of all kinds open.
func TestCloseBreaksOff(t *testing.T) {
	port := serve(t, echo)
	n := newNamespace(t, "10.88.0.2", world())
	c, err := n.dial("tcp", "10.88.0.3:"+port)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	u, err := n.dial("udp", "10.88.0.3:"+port)
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	fmt.Fprint(u, "x")
	fmt.Fprint(c, "x")
	if _, err := c.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := n.stack.Close(); err != nil {
		t.Fatal(err)
	}
}

// BenchmarkTwoContainers is a stream from one container to another: two stacks and the protocol between agents and server.
func BenchmarkTwoContainers(b *testing.B) {
	var agents [2]*network.Agent
	var servers [2]*network.Server
	ctx, cancel := context.WithCancel(b.Context())
	var serving sync.WaitGroup
	var spaces [2]*namespace
	relay := &relay{into: func(ctx context.Context, address string) (net.Conn, error) {
		return servers[1].DialInto(network.WithSource(ctx, netip.MustParseAddrPort("10.88.0.2:0")), "c", "tcp", address)
	}}
	for i := range agents {
		ours, theirs := unixPair(b)
		agents[i] = network.NewAgent(incoming{&spaces[i]})
		serving.Go(func() { _ = agents[i].Serve(ctx, ours) })
		s, err := network.NewServer(theirs, relay)
		if err != nil {
			b.Fatal(err)
		}
		servers[i] = s
	}
	b.Cleanup(func() {
		cancel()
		for _, s := range servers {
			s.Close()
		}
		serving.Wait()
	})
	spaces[0] = newNamespace(b, "10.88.0.2", agents[0])
	spaces[1] = newNamespace(b, "10.88.0.3", agents[1])
	serveOn(b, spaces[1].listen(b, "0.0.0.0:80"), func(c net.Conn) {
		_, _ = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{c}, make([]byte, 256<<10))
		fmt.Fprint(c, "end")
	})
	c, err := spaces[0].dial("tcp", "10.88.0.3:80")
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	chunk := make([]byte, 1<<20)
	b.SetBytes(int64(len(chunk)))
	for b.Loop() {
		if _, err := c.Write(chunk); err != nil {
			b.Fatal(err)
		}
	}
	_ = c.(*net.TCPConn).CloseWrite()
	if got, err := io.ReadAll(c); string(got) != "end" || err != nil {
		b.Fatalf("%q, %v", got, err)
	}
}

// BenchmarkOut is a stream from a container to this machine's loopback: one stack.
func BenchmarkOut(b *testing.B) {
	port := serve(b, func(c net.Conn) {
		_, _ = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{c}, make([]byte, 256<<10))
		fmt.Fprint(c, "end")
	})
	n := newNamespace(b, "10.88.0.2", world())
	c, err := n.dial("tcp", "10.88.0.3:"+port)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	chunk := make([]byte, 1<<20)
	b.SetBytes(int64(len(chunk)))
	for b.Loop() {
		if _, err := c.Write(chunk); err != nil {
			b.Fatal(err)
		}
	}
	_ = c.(*net.TCPConn).CloseWrite()
	if got, err := io.ReadAll(c); string(got) != "end" || err != nil {
		b.Fatalf("%q, %v", got, err)
	}
}

// BenchmarkConnect is a connection made, used and ended.
func BenchmarkConnect(b *testing.B) {
	port := serve(b, echo)
	n := newNamespace(b, "10.88.0.2", world())
	for b.Loop() {
		c, err := n.dial("tcp", "10.88.0.3:"+port)
		if err != nil {
			b.Fatal(err)
		}
		fmt.Fprint(c, "x")
		_ = c.(*net.TCPConn).CloseWrite()
		if got, err := io.ReadAll(c); string(got) != "x" || err != nil {
			b.Fatalf("%q, %v", got, err)
		}
		c.Close()
	}
}

// incoming connects into a namespace that may not be there yet.
type incoming struct{ n **namespace }

func (i incoming) DialInto(ctx context.Context, container, kind, address string) (c net.Conn, err error) {
	(*i.n).do(func() { c, err = (*i.n).stack.DialInto(ctx, container, kind, address) })
	return c, err
}

// relay is the server between two agents.
type relay struct {
	hosts
	into func(ctx context.Context, address string) (net.Conn, error)
}

func (r *relay) Dial(ctx context.Context, _, _, address string) (net.Conn, error) {
	return r.into(ctx, address)
}

// unixPair is two ends of a connection.
func unixPair(b *testing.B) (net.Conn, net.Conn) {
	b.Helper()
	l, err := net.Listen("unix", b.TempDir()+"/s")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	one, err := net.DialTimeout("unix", l.Addr().String(), time.Minute)
	if err != nil {
		b.Fatal(err)
	}
	two, err := l.Accept()
	if err != nil {
		b.Fatal(err)
	}
	return one, two
}
