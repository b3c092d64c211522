package network_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/sockerless/sockerless/agent/network"
)

// world is both ends' other side: it dials by the machine's own sockets, and knows a few names.
type world struct {
	dialed  chan string
	records map[string][]dnsmessage.Resource
}

func (w *world) Dial(ctx context.Context, container, proto, address string) (net.Conn, error) {
	if w.dialed != nil {
		w.dialed <- container + " " + proto + " " + address
	}
	if address == "hang:1" {
		<-ctx.Done()
		w.dialed <- "given up"
		return nil, ctx.Err()
	}
	var d net.Dialer
	return d.DialContext(ctx, proto, address)
}

func (w *world) DialInto(ctx context.Context, container, proto, address string) (net.Conn, error) {
	if s := network.Source(ctx); s.IsValid() && w.dialed != nil {
		w.dialed <- "from " + s.String()
	}
	return w.Dial(ctx, container, proto, address)
}

func (w *world) Resolve(_ context.Context, _, name string, qtype dnsmessage.Type) ([]dnsmessage.Resource, error) {
	records, ok := w.records[strings.TrimSuffix(name, ".")]
	if name == "broken." {
		return nil, errors.New("broken")
	}
	if !ok {
		return nil, network.NewError(network.NotFound, "no such host")
	}
	var list []dnsmessage.Resource
	for _, r := range records {
		if r.Header.Type == qtype {
			list = append(list, r)
		}
	}
	return list, nil
}

// pair is two ends, joined.
func pair(t *testing.T, agentSide, serverSide *world) (*network.Agent, *network.Server, func()) {
	t.Helper()
	a, b := net.Pipe()
	agent := network.NewAgent(agentSide)
	served := make(chan error, 1)
	go func() { served <- agent.Serve(context.Background(), a) }()
	server, err := network.NewServer(b, serverSide)
	if err != nil {
		t.Fatal(err)
	}
	cut := sync.OnceFunc(func() {
		server.Close()
		if err := <-served; err != nil {
			t.Errorf("the agent's end: %v", err)
		}
	})
	t.Cleanup(cut)
	return agent, server, cut
}

// listener gives a TCP server that handles each connection.
func listener(t *testing.T, handle func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var handling sync.WaitGroup
	handling.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			handling.Go(func() {
				defer c.Close()
				handle(c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		handling.Wait()
	})
	return l.Addr().String()
}

// echo sends back what comes, after its end.
func echo(c net.Conn) {
	data, err := io.ReadAll(c)
	if err == nil {
		c.Write(data)
		c.(*net.TCPConn).CloseWrite()
	}
}

func TestHalfClose(t *testing.T) {
	agent, server, _ := pair(t, &world{}, &world{})
	address := listener(t, echo)
	for name, dial := range map[string]func(context.Context, string, string, string) (net.Conn, error){"out": agent.Dial, "in": server.DialInto} {
		c, err := dial(t.Context(), "c", "tcp", address)
		if err != nil {
			t.Fatal(name, err)
		}
		if c.RemoteAddr().String() != address {
			t.Errorf("%s: remote address is %s, not %s", name, c.RemoteAddr(), address)
		}
		if _, err := io.WriteString(c, "hello"); err != nil {
			t.Fatal(name, err)
		}
		if err := c.(network.Half).CloseWrite(); err != nil {
			t.Fatal(name, err)
		}
		got, err := io.ReadAll(c)
		if err != nil || string(got) != "hello" {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
		c.Close()
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) && err != io.EOF {
			t.Errorf("%s: read of a closed connection: %v", name, err)
		}
	}
}

// TestTwoAgents sends 256 MiB from a container of one agent to one of another, which sends a checksum back after the end.
func TestTwoAgents(t *testing.T) {
	_, second, _ := pair(t, &world{}, &world{})
	through := &relay{to: second}
	a, b := net.Pipe()
	first := network.NewAgent(&world{})
	served := make(chan error, 1)
	go func() { served <- first.Serve(context.Background(), a) }()
	server, err := network.NewServer(b, through)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		server.Close()
		<-served
	}()
	address := listener(t, func(c net.Conn) {
		sum := sha256.New()
		if _, err := io.Copy(sum, c); err != nil {
			t.Error(err)
		}
		c.Write(sum.Sum(nil))
	})
	c, err := first.Dial(t.Context(), "c", "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const size = 256 << 20
	source := rand.NewChaCha8([32]byte{1})
	sum := sha256.New()
	begin := time.Now()
	if n, err := io.Copy(io.MultiWriter(c, sum), io.LimitReader(source, size)); n != size || err != nil {
		t.Fatal(n, err)
	}
	c.(network.Half).CloseWrite()
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, sum.Sum(nil)) {
		t.Errorf("checksum %x, not %x; %v", got, sum.Sum(nil), err)
	}
	t.Logf("%d MiB in %v", size>>20, time.Since(begin))
}

// relay is an engine in short: what goes out of one agent goes into the other.
type relay struct {
	world
	to network.Incoming
}

func (r *relay) Dial(ctx context.Context, container, proto, address string) (net.Conn, error) {
	return r.to.DialInto(ctx, container, proto, address)
}

func TestCut(t *testing.T) {
	agent, _, cut := pair(t, &world{}, &world{})
	ended := make(chan error, 1)
	address := listener(t, func(c net.Conn) {
		io.WriteString(c, "begin")
		_, err := io.Copy(io.Discard, c)
		ended <- err
	})
	c, err := agent.Dial(t.Context(), "c", "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	read := make(chan error, 1)
	go func() {
		_, err := c.Read(make([]byte, 1))
		read <- err
	}()
	cut()
	if err := <-read; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read of the agent's side: %v", err)
	}
	if _, err := c.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("write of the agent's side: %v", err)
	}
	if err := <-ended; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read of the other side: %v", err)
	}
	c.Close()
}

func TestReset(t *testing.T) {
	agent, _, _ := pair(t, &world{}, &world{})
	t.Run("by the other side", func(t *testing.T) {
		address := listener(t, func(c net.Conn) {
			c.Read(make([]byte, 1)) // a reset that comes earlier may be the error of the connect
			c.(*net.TCPConn).SetLinger(0)
		})
		c, err := agent.Dial(t.Context(), "c", "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("of our own", func(t *testing.T) {
		ended := make(chan error, 1)
		address := listener(t, func(c net.Conn) {
			_, err := io.Copy(io.Discard, c)
			ended <- err
		})
		c, err := agent.Dial(t.Context(), "c", "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		c.(network.Resetter).Reset()
		if err := <-ended; !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("of what nobody reads", func(t *testing.T) {
		ended := make(chan error, 1)
		address := listener(t, func(c net.Conn) {
			var err error
			for block := make([]byte, 1<<20); err == nil; {
				_, err = c.Write(block) // until the windows are full, and until it is told
			}
			ended <- err
		})
		c, err := agent.Dial(t.Context(), "c", "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
		c.Close()
		if err := <-ended; !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
			t.Errorf("got %v", err)
		}
	})
}

func TestErrors(t *testing.T) {
	dialed := make(chan string, 8)
	agent, server, _ := pair(t, &world{dialed: dialed}, &world{dialed: dialed})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	l.Close()
	_, err = agent.Dial(t.Context(), "c1", "tcp", closed)
	if !errors.Is(err, syscall.ECONNREFUSED) || !errdefs.IsUnavailable(err) {
		t.Errorf("nobody listens: %v", err)
	}
	if got := <-dialed; got != "c1 tcp "+closed {
		t.Errorf("asked for %q", got)
	}
	if _, err := agent.Dial(t.Context(), "c", "sctp", closed); !errdefs.IsNotImplemented(err) {
		t.Errorf("sctp: %v", err)
	}
	if _, err := agent.Dial(t.Context(), "c", "tcp", "nowhere"); !errdefs.IsInvalidArgument(err) {
		t.Errorf("no port: %v", err)
	}
	source := netip.MustParseAddrPort("172.18.0.3:4711")
	if _, err := server.DialInto(network.WithSource(t.Context(), source), "c", "tcp", closed); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("into: %v", err)
	}
	if got := <-dialed; got != "from 172.18.0.3:4711" {
		t.Errorf("the source is %q", got)
	}
	<-dialed
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := agent.Dial(ctx, "c", "tcp", "hang:1")
		done <- err
	}()
	<-dialed
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if got := <-dialed; got != "given up" {
		t.Errorf("the other side %q", got)
	}
	if _, err := agent.Resolve(t.Context(), "c", "nobody", dnsmessage.TypeA); !errdefs.IsNotFound(err) {
		t.Errorf("no such name: %v", err)
	}
}

func TestDeadline(t *testing.T) {
	agent, _, _ := pair(t, &world{}, &world{})
	address := listener(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	c, err := agent.Dial(t.Context(), "c", "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetReadDeadline(time.Now().Add(time.Millisecond))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// TestNewServer holds that a request waits for a server that is not there yet.
func TestNewServer(t *testing.T) {
	agent := network.NewAgent(&world{})
	address := listener(t, echo)
	dialed := make(chan error, 1)
	go func() {
		c, err := agent.Dial(t.Context(), "c", "tcp", address)
		if err == nil {
			c.Close()
		}
		dialed <- err
	}()
	for range 2 {
		a, b := net.Pipe()
		served := make(chan error, 1)
		go func() { served <- agent.Serve(context.Background(), a) }()
		server, err := network.NewServer(b, &world{})
		if err != nil {
			t.Fatal(err)
		}
		if err := <-dialed; err != nil {
			t.Error(err)
		}
		server.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
		go func() {
			_, err := agent.Resolve(t.Context(), "c", "nobody", dnsmessage.TypeA)
			if errdefs.IsNotFound(err) {
				err = nil
			}
			dialed <- err
		}()
	}
	a, b := net.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- agent.Serve(ctx, a) }()
	server, err := network.NewServer(b, &world{})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-dialed; err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-served; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	<-server.Done()
	server.Close()
}

func TestDatagrams(t *testing.T) {
	agent, server, _ := pair(t, &world{}, &world{})
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody, err := net.ListenPacket("udp", "127.0.0.1:0") // its port is free once it is closed
	if err != nil {
		t.Fatal(err)
	}
	nobody.Close()
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		buffer := make([]byte, 1<<16)
		for {
			n, from, err := pc.ReadFrom(buffer)
			if err != nil {
				return
			}
			pc.WriteTo(bytes.ToUpper(buffer[:n]), from)
		}
	}()
	defer func() {
		pc.Close()
		<-answered
	}()
	for name, dial := range map[string]func(context.Context, string, string, string) (net.Conn, error){"out": agent.Dial, "in": server.DialInto} {
		c, err := dial(t.Context(), "c", "udp", pc.LocalAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []string{"one", "", "second", strings.Repeat("x", 9000)} {
			if _, err := io.WriteString(c, s); err != nil {
				t.Fatal(name, err)
			}
			buffer := make([]byte, 1<<16)
			n, err := c.Read(buffer)
			if err != nil || string(buffer[:n]) != strings.ToUpper(s) {
				t.Errorf("%s: %q came back as %q, %v", name, s, buffer[:n], err)
			}
		}
		c.Close()
		if c, err = dial(t.Context(), "c", "udp", nobody.LocalAddr().String()); err != nil {
			t.Fatal(err)
		}
		c.Write([]byte("x"))
		if n, err := c.Read(make([]byte, 10)); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%s: nobody has answered with %d bytes, %v", name, n, err)
		}
		c.Close()
	}
}
