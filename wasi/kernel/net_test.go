package kernel_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/sockerless/sockerless/wasi/kernel"
)

// dial is Dial as a net.Conn.
func dial(p *kernel.Process, network, address string) (net.Conn, error) {
	f, err := p.Dial(p.Context(), network, address)
	if err != nil {
		return nil, err
	}
	return p.NetConn(f)
}

func listen(p *kernel.Process, network, address string) (net.Listener, error) {
	f, err := p.Listen(network, address)
	if err != nil {
		return nil, err
	}
	return p.NetListener(f)
}

// serving is process 1 that listens at a port, starts the client and answers it with f.
func serving(t *testing.T, network string, client kernel.Program, f func(net.Conn)) (int, string) {
	t.Helper()
	return run(t, map[string]kernel.Program{"client": client}, func(p *kernel.Process) int {
		l, err := listen(p, network, ":80")
		if err != nil {
			t.Error(err)
			return 1
		}
		child, err := p.Spawn(kernel.SpawnOptions{Path: "client", Args: []string{"client"}})
		if err != nil {
			t.Error(err)
			return 1
		}
		c, err := l.Accept()
		if err != nil {
			t.Error(err)
			return 1
		}
		f(c)
		r, err := p.Wait(p.Context(), child.PID(), 0)
		if err != nil {
			return 1
		}
		return r.Status.Code()
	})
}

func TestLoopbackHalfClose(t *testing.T) {
	code, out := serving(t, "tcp", func(p *kernel.Process) int {
		c, err := dial(p, "tcp", "localhost:80")
		if err != nil {
			t.Error(err)
			return 1
		}
		if local, remote := c.LocalAddr().String(), c.RemoteAddr().String(); remote != "127.0.0.1:80" || local != "127.0.0.1:32768" {
			t.Error(local, remote)
		}
		io.WriteString(c, "question")
		c.(interface{ CloseWrite() error }).CloseWrite()
		answer, err := io.ReadAll(c)
		fmt.Fprintf(p.Stdout(), "%s %v", answer, err)
		c.Close()
		return 7
	}, func(c net.Conn) {
		question, err := io.ReadAll(c)
		fmt.Fprintf(c, "%s, %v, from %s", question, err, c.RemoteAddr())
		c.Close()
	})
	if want := "question, <nil>, from 127.0.0.1:32768 <nil>"; code != 7 || out != want {
		t.Errorf("code %d, %q", code, out)
	}
}

func TestRefused(t *testing.T) {
	_, out := run(t, nil, func(p *kernel.Process) int {
		for _, c := range [][2]string{{"tcp", "127.0.0.1:1"}, {"tcp", "localhost:1"}, {"tcp", "[::1]:1"}, {"tcp", "10.0.0.1:1"}, {"tcp", "no.such:1"}, {"tcp", "x"}, {"sctp", "x:1"}, {"unix", "/x"}, {"unix", "/"}} {
			_, err := p.Dial(p.Context(), c[0], c[1])
			fmt.Fprintln(p.Stdout(), err)
		}
		l, _ := p.Listen("tcp", ":80")
		_, err := p.Listen("tcp", "127.0.0.1:80")
		fmt.Fprintln(p.Stdout(), err)
		_, err = p.Listen("tcp", "10.0.0.1:81")
		fmt.Fprintln(p.Stdout(), err)
		_, err = p.Listen("udp", ":80")
		fmt.Fprintln(p.Stdout(), err)
		l.Close()
		_, err = p.Listen("tcp", "127.0.0.1:80")
		fmt.Fprintln(p.Stdout(), err)
		return 0
	})
	want := "connection refused\nconnection refused\nconnection refused\nnetwork is unreachable\nName or service not known\ninvalid argument\naddress family not supported by protocol\nno such file or directory\nconnection refused\naddress already in use\ncannot assign requested address\n<nil>\n<nil>\n"
	if out != want {
		t.Errorf("%q", out)
	}
}

// Data that nobody read breaks a connection off, and a write to one is no signal.
func TestBrokenOff(t *testing.T) {
	code, out := serving(t, "tcp", func(p *kernel.Process) int {
		c, err := dial(p, "tcp", "127.0.0.1:80")
		if err != nil {
			t.Error(err)
			return 1
		}
		io.WriteString(c, "unread")
		_, err = c.Read(make([]byte, 1))
		fmt.Fprintln(p.Stdout(), err)
		_, err = io.WriteString(c, "more")
		fmt.Fprintln(p.Stdout(), err)
		c.Close()
		_, err = c.Read(make([]byte, 1))
		fmt.Fprintln(p.Stdout(), err)
		return 3
	}, func(c net.Conn) {
		buffer := make([]byte, 1)
		io.ReadFull(c, buffer)
		c.Close()
	})
	if code != 3 || out != "connection reset by peer\nconnection reset by peer\nuse of closed network connection\n" {
		t.Errorf("code %d, %q", code, out)
	}
}

// A process that is killed leaves its connections: the other side sees their end.
func TestKillCloses(t *testing.T) {
	for _, waits := range []string{"read", "accept", "dial"} {
		network := &world{dialing: make(chan string, 1)}
		m := newMachine(t, map[string]kernel.Program{"client": func(p *kernel.Process) int {
			c, err := dial(p, "tcp", "127.0.0.1:80")
			if err != nil {
				t.Error(err)
				return 1
			}
			io.WriteString(c, "ready\n")
			switch waits {
			case "read":
				c.Read(make([]byte, 1))
			case "accept":
				l, _ := listen(p, "tcp", ":81")
				l.Accept()
			case "dial":
				p.Dial(context.Background(), "tcp", "10.9.9.9:1")
			}
			return 0
		}}, network)
		m.start(func(p *kernel.Process) int {
			l, err := listen(p, "tcp", ":80")
			if err != nil {
				t.Error(err)
				return 1
			}
			child, err := p.Spawn(kernel.SpawnOptions{Path: "client", Args: []string{"client"}})
			if err != nil {
				t.Error(err)
				return 1
			}
			c, err := l.Accept()
			if err != nil {
				t.Error(err)
				return 1
			}
			r := bufio.NewReader(c)
			line, _ := r.ReadString('\n')
			if waits == "dial" {
				<-network.dialing
			}
			child.Signal(kernel.SIGKILL)
			rest, err := io.ReadAll(r)
			status, _ := p.Wait(p.Context(), child.PID(), 0)
			fmt.Fprintf(p.Stdout(), "%q %q %v %d", line, rest, err, status.Status.Code())
			return 0
		}, nil)
		m.wait()
		if got := m.out.String(); got != `"ready\n" "" <nil> 137` {
			t.Errorf("%s: %s", waits, got)
		}
	}
}

func TestDatagrams(t *testing.T) {
	code, out := serving(t, "udp", func(p *kernel.Process) int {
		c, err := dial(p, "udp", "127.0.0.1:80")
		if err != nil {
			t.Error(err)
			return 1
		}
		io.WriteString(c, "one")
		io.WriteString(c, "two")
		buffer := make([]byte, 100)
		n, err := c.Read(buffer)
		fmt.Fprintf(p.Stdout(), "%s %v\n", buffer[:n], err)
		_, err = c.Write(make([]byte, 70000))
		fmt.Fprintln(p.Stdout(), err)
		c, err = dial(p, "udp", "127.0.0.1:99")
		if err != nil {
			t.Error(err)
			return 1
		}
		n, err = io.WriteString(c, "lost")
		fmt.Fprintln(p.Stdout(), n, err)
		_, err = c.Read(buffer)
		fmt.Fprintln(p.Stdout(), err)
		return 0
	}, func(c net.Conn) {
		a, b := make([]byte, 100), make([]byte, 2)
		n, _ := c.Read(a)
		k, _ := c.Read(b)
		fmt.Fprintf(c, "%s+%s", a[:n], b[:k])
	})
	if code != 0 || out != "one+tw <nil>\nmessage too long\n4 <nil>\nconnection refused\n" {
		t.Errorf("code %d, %q", code, out)
	}
}

func TestDeadlines(t *testing.T) {
	code, out := serving(t, "tcp", func(p *kernel.Process) int {
		c, err := dial(p, "tcp", "127.0.0.1:80")
		if err != nil {
			t.Error(err)
			return 1
		}
		c.SetReadDeadline(time.Now().Add(time.Millisecond))
		_, err = c.Read(make([]byte, 1))
		fmt.Fprintln(p.Stdout(), errors.Is(err, os.ErrDeadlineExceeded))
		c.SetReadDeadline(time.Time{})
		io.WriteString(c, "x")
		got := make([]byte, 1)
		n, err := c.Read(got)
		fmt.Fprintln(p.Stdout(), n, err)
		c.Close()
		return 0
	}, func(c net.Conn) { io.CopyN(c, c, 1) })
	if code != 0 || out != "true\n1 <nil>\n" {
		t.Errorf("code %d, %q", code, out)
	}
}

// world is a network beyond a container with a server at example.test (10.1.2.3).
type world struct {
	address string // of a real listener of loopback
	dialing chan string
}

func (w *world) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	switch address {
	case "10.1.2.3:80":
		return new(net.Dialer).DialContext(ctx, network, w.address)
	case "10.9.9.9:1":
		w.dialing <- address
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	return nil, numbered(syscall.EHOSTUNREACH)
}

func (w *world) Lookup(_ context.Context, name string) ([]netip.Addr, error) {
	if name == "example.test" {
		return []netip.Addr{netip.MustParseAddr("10.7.7.7"), netip.MustParseAddr("10.1.2.3")}, nil
	}
	return nil, fmt.Errorf("%s: %w", name, kernel.ErrNoName)
}

// numbered is an error of a network that tells its number.
type numbered syscall.Errno

func (n numbered) Error() string        { return "something long about " + syscall.Errno(n).Error() }
func (n numbered) Errno() syscall.Errno { return syscall.Errno(n) }

func TestNetwork(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		got, _ := io.ReadAll(c)
		fmt.Fprintf(c, "got %s", got)
	}()
	m := newMachine(t, map[string]kernel.Program{}, &world{address: l.Addr().String()})
	m.start(func(p *kernel.Process) int {
		view := p.Files()
		view.MkdirAll("/etc", 0o755)
		view.WriteFile("/etc/hosts", []byte("127.0.0.1 localhost\n::1 both\n10.3.3.3 Named both # own\n"), 0o644)
		for _, name := range []string{"example.test", "none.test", "NAMED", "both", "10.0.0.1", "own"} {
			addresses, err := p.LookupHost(p.Context(), name)
			fmt.Fprintln(p.Stdout(), addresses, err != nil && errors.Is(err, kernel.ErrNoName))
		}
		_, err := p.Dial(p.Context(), "tcp", "named:80")
		fmt.Fprintln(p.Stdout(), err)
		if _, err := p.Listen("tcp", "172.17.0.2:80"); err != nil {
			t.Error(err)
		}
		own, err := p.Dial(p.Context(), "tcp", "172.17.0.2:80")
		if err != nil {
			t.Error(err)
			return 1
		}
		own.Close()
		c, err := dial(p, "tcp", "example.test:80") // its first address is not reached
		if err != nil {
			t.Error(err)
			return 1
		}
		io.WriteString(c, "this")
		c.(interface{ CloseWrite() error }).CloseWrite()
		answer, err := io.ReadAll(c)
		fmt.Fprintf(p.Stdout(), "%s %v\n", answer, err)
		c.Close()
		return 0
	}, nil)
	m.wait()
	l.Close()
	<-served
	want := "[10.7.7.7 10.1.2.3] false\n[] true\n[10.3.3.3] false\n[10.3.3.3 ::1] false\n[10.0.0.1] false\n[] true\nno route to host\ngot this <nil>\n"
	if got := m.out.String(); got != want {
		t.Errorf("%q", got)
	}
}

func TestDialInto(t *testing.T) {
	m := newMachine(t, map[string]kernel.Program{})
	listening := make(chan struct{})
	m.start(func(p *kernel.Process) int {
		l, err := listen(p, "tcp", ":8080")
		close(listening)
		if err != nil {
			return 1
		}
		c, err := l.Accept()
		if err != nil {
			return 1
		}
		data, _ := io.ReadAll(c)
		fmt.Fprintf(p.Stdout(), "%s from %s", data, c.RemoteAddr())
		c.Close()
		return 0
	}, nil)
	<-listening
	source := netip.MustParseAddrPort("10.2.2.2:4444")
	c, err := m.table.DialInto(t.Context(), "tcp", netip.MustParseAddrPort("172.17.0.2:8080"), source)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(c, "hello")
	c.(interface{ CloseWrite() error }).CloseWrite()
	if rest, err := io.ReadAll(c); err != nil || len(rest) > 0 {
		t.Errorf("%q, %v", rest, err)
	}
	c.Close()
	if code := m.wait().Code(); code != 0 || m.out.String() != "hello from 10.2.2.2:4444" {
		t.Errorf("code %d, %q", code, m.out.String())
	}
	for _, network := range []string{"tcp", "udp"} {
		if _, err := m.table.DialInto(t.Context(), network, netip.MustParseAddrPort("172.17.0.2:8080"), source); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Error(network, err)
		}
	}
}

// /etc/hosts is read with the rights of the process.
func TestUnreadableHosts(t *testing.T) {
	_, out := run(t, nil, func(p *kernel.Process) int {
		view := p.Files()
		view.MkdirAll("/etc", 0o755)
		view.WriteFile("/etc/hosts", []byte("127.0.0.1 secret\n"), 0o600)
		_, err := p.LookupHost(p.Context(), "secret")
		fmt.Fprintln(p.Stdout(), err)
		view.Chmod("/etc/hosts", 0)
		view.RemoveAll("/etc/hosts")
		view.MkdirAll("/etc/hosts", 0o755) // read as any directory is: not at all
		_, err = p.LookupHost(p.Context(), "secret")
		fmt.Fprintln(p.Stdout(), err)
		a, err := p.LookupHost(p.Context(), "localhost")
		fmt.Fprintln(p.Stdout(), a, err)
		return 0
	})
	if out != "<nil>\nName or service not known\n[127.0.0.1] <nil>\n" {
		t.Errorf("%q", out)
	}
}
