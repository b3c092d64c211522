//go:build linux

package builtins

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sockerless/sockerless/store/rootfs"
)

// A running is an nc in a goroutine.
type running struct {
	status         chan int
	stdout, stderr *bytes.Buffer
	ready          chan net.Addr // where it listens
}

// announcing is a system that tells where its process listens.
type announcing struct {
	fakeSystem
	ready chan net.Addr
}

func (s *announcing) Listen(network, address string) (net.Listener, error) {
	_, port, _ := net.SplitHostPort(address)
	if network == "udp" {
		l, err := listenDatagrams()
		if err == nil {
			s.ready <- l.Addr()
		}
		return l, err
	}
	if port == "1" {
		port = "0" // a free one
	}
	l, err := net.Listen(network, "127.0.0.1:"+port)
	if err == nil {
		s.ready <- l.Addr()
	}
	return l, err
}

func start(t *testing.T, ctx context.Context, stdin io.Reader, args ...string) *running {
	t.Helper()
	p, stdout, stderr := newProcess(t, t.TempDir(), args)
	p.Context, p.Stdin = ctx, stdin
	if err := p.Files.Tree().View(rootfs.Cred{}).WriteFile("/etc/services", []byte("http 80/tcp\nprinter 515/tcp # spooler\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := &running{make(chan int, 1), stdout, stderr, make(chan net.Addr, 1)}
	p.System = &announcing{fakeSystem{p: p}, r.ready}
	go func() { r.status <- nc(p) }()
	return r
}

// server accepts one connection for f and returns its address.
func server(t *testing.T, f func(*net.TCPConn)) (host, port string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if c, err := l.Accept(); err == nil {
			f(c.(*net.TCPConn))
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	host, port, _ = net.SplitHostPort(l.Addr().String())
	return host, port
}

func TestNcHalfClose(t *testing.T) {
	host, port := server(t, func(c *net.TCPConn) {
		got, _ := io.ReadAll(c)
		c.Write(append([]byte("you said "), got...))
	})
	r := start(t, t.Context(), strings.NewReader("hello\n"), "nc", "-v", "-N", host, port)
	want := "Connection to 127.0.0.1 " + port + " port [tcp/*] succeeded!\n"
	if status := <-r.status; status != 0 || r.stdout.String() != "you said hello\n" || r.stderr.String() != want {
		t.Errorf("status %d, %q %q", status, r.stdout, r.stderr)
	}
}

func TestNcListens(t *testing.T) {
	r := start(t, t.Context(), strings.NewReader("answer\n"), "nc", "-lv", "-p", "1")
	c, err := net.Dial("tcp", (<-r.ready).String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "question\n"); err != nil {
		t.Fatal(err)
	}
	c.(*net.TCPConn).CloseWrite()
	if got, err := io.ReadAll(c); err != nil || string(got) != "answer\n" {
		t.Errorf("%q, %v", got, err)
	}
	if status := <-r.status; status != 0 || r.stdout.String() != "question\n" || !strings.HasPrefix(r.stderr.String(), "Listening on 0.0.0.0 1\nConnection received on 127.0.0.1 ") {
		t.Errorf("status %d, %q %q", status, r.stdout, r.stderr)
	}
}

// A listener without input does not send its client away.
func TestNcListensWithoutInput(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r := start(t, ctx, strings.NewReader(""), "nc", "-k", "-l", "1")
	at := <-r.ready
	for _, text := range []string{"one\n", "two\n"} {
		c, err := net.Dial("tcp", at.String())
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, text)
		c.(*net.TCPConn).CloseWrite()
		if got, err := io.ReadAll(c); err != nil || len(got) > 0 {
			t.Errorf("%q, %v", got, err)
		}
		c.Close()
	}
	cancel()
	if <-r.status; r.stdout.String() != "one\ntwo\n" {
		t.Errorf("%q", r.stdout)
	}
}

func TestNcStatus(t *testing.T) {
	host, port := server(t, func(c *net.TCPConn) { io.ReadAll(c) })
	closed := closedPort(t)
	for _, c := range []struct {
		args   string
		status int
		stderr string
	}{
		{"nc -z " + host + " " + port, 0, ""},
		{"nc -z " + host + " " + closed, 1, ""},
		{"nc " + host + " " + closed, 1, ""},
		{"nc -zv " + host + " " + closed, 1, "nc: connect to 127.0.0.1 port " + closed + " (tcp) failed: Connection refused\n"},
		{"nc -z no.such 80", 1, "nc: getaddrinfo for host \"no.such\" port 80: Name or service not known\n"},
		{"nc -zn localhost 80", 1, "nc: getaddrinfo for host \"localhost\" port 80: Name or service not known (with -n it must be an address)\n"},
		{"nc host x", 1, "nc: port number invalid: x\n"},
		{"nc -k host 80", 1, "nc: must use -l with -k\nTry 'nc --help' for more information.\n"},
		{"nc -zl 80", 1, "nc: cannot use -z and -l\nTry 'nc --help' for more information.\n"},
		{"nc -e sh host 80", 1, "nc: invalid option -- 'e'\nTry 'nc --help' for more information.\n"},
		{"nc host", 1, "nc: a destination and a port are needed\nTry 'nc --help' for more information.\n"},
		{"nc -w x host 80", 1, "nc: option -w: invalid number of seconds: x\nTry 'nc --help' for more information.\n"},
		{"nc -p 5 host 80", 1, "nc: option -p: the port to connect from cannot be chosen in the sandbox\nTry 'nc --help' for more information.\n"},
	} {
		r := start(t, t.Context(), strings.NewReader(""), strings.Fields(c.args)...)
		if status := <-r.status; status != c.status || r.stderr.String() != c.stderr || r.stdout.Len() > 0 {
			t.Errorf("%s: status %d, %q %q", c.args, status, r.stdout, r.stderr)
		}
	}
}

func TestNcPorts(t *testing.T) {
	host, port := server(t, func(c *net.TCPConn) { io.ReadAll(c) })
	r := start(t, t.Context(), strings.NewReader(""), "nc", "-z", "-4", host, port+"-"+port)
	if status := <-r.status; status != 0 {
		t.Error(status, r.stderr)
	}
	r = start(t, t.Context(), strings.NewReader(""), "nc", "-z", "-6", host, port)
	if status := <-r.status; status != 1 {
		t.Error("an IPv4 address is one of IPv6")
	}
	p, _, _ := newProcess(t, t.TempDir(), []string{"nc"})
	if err := p.Files.Tree().View(rootfs.Cred{}).WriteFile("/etc/services", []byte("http 80/tcp\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	n := &ncCall{p: p, network: "tcp"}
	if first, last, err := n.ports("http"); first != 80 || last != 80 || err != nil || n.service(80) != "http" || n.service(81) != "*" {
		t.Error(first, last, err)
	}
	if first, last, err := n.ports("30-20"); first != 20 || last != 30 || err != nil {
		t.Error(first, last, err)
	}
}

// TestNcWaits has its network in memory, where time is no real one.
func TestNcWaits(t *testing.T) {
	for _, c := range []struct {
		args    string
		refuses bool
		status  int
		took    time.Duration
	}{
		{"nc -w 3 host 80", false, 0, 3 * time.Second},
		{"nc -q 2 host 80", false, 0, 2 * time.Second},
		{"nc -q 0 host 80", false, 0, 0},
		{"nc -w 4 host 80", true, 1, 4 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			p, _, stderr := newProcess(t, t.TempDir(), strings.Fields(c.args))
			here, there := net.Pipe()
			defer there.Close()
			p.System = &fakeSystem{p: p, network: func(ctx context.Context, _, _ string) (net.Conn, error) {
				if c.refuses {
					<-ctx.Done()
					return nil, ctx.Err()
				}
				return here, nil
			}}
			begun := time.Now()
			if status := nc(p); status != c.status || time.Since(begun) != c.took {
				t.Errorf("%s: status %d after %v: %s", c.args, status, time.Since(begun), stderr)
			}
		})
	}
}

func TestNcIsKilled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	reached := make(chan struct{})
	host, port := server(t, func(c *net.TCPConn) { close(reached); io.ReadAll(c) })
	stdin, typing := io.Pipe()
	r := start(t, ctx, stdin, "nc", host, port)
	<-reached
	cancel()
	<-r.status
	typing.Close()
	ctx, cancel = context.WithCancel(t.Context())
	r = start(t, ctx, strings.NewReader(""), "nc", "-l", "1")
	<-r.ready
	cancel()
	if status := <-r.status; status != 1 || r.stderr.Len() > 0 {
		t.Error(status, r.stderr)
	}
}

func TestNcDatagrams(t *testing.T) {
	r := start(t, t.Context(), strings.NewReader("pong"), "nc", "-u", "-l", "-q", "0", "1")
	at := <-r.ready
	c, err := net.Dial("udp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "ping")
	buffer := make([]byte, 16)
	if n, err := c.Read(buffer); err != nil || string(buffer[:n]) != "pong" {
		t.Errorf("%q %v", buffer[:n], err)
	}
	if status := <-r.status; status != 0 {
		t.Error(status, r.stderr)
	}
}

// TestNcAgainstBusybox has busybox at the other end.
func TestNcAgainstBusybox(t *testing.T) {
	r := start(t, t.Context(), strings.NewReader("from ours\n"), "nc", "-l", "-p", "1")
	host, port, _ := net.SplitHostPort((<-r.ready).String())
	busybox := exec.CommandContext(t.Context(), "busybox", "nc", host, port)
	stdin, err := busybox.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := busybox.StdoutPipe()
	if err == nil {
		err = busybox.Start()
	}
	if err != nil {
		t.Fatal(err, "(install the Debian package busybox)")
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil || line != "from ours\n" {
		t.Errorf("%q %v", line, err)
	}
	io.WriteString(stdin, "from busybox\n")
	stdin.Close()
	if err := busybox.Wait(); err != nil {
		t.Error(err)
	}
	if status := <-r.status; status != 0 {
		t.Errorf("status %d, %q %q", status, r.stdout, r.stderr)
	}
}

// listenDatagrams has the datagrams of the first sender as a connection.
func listenDatagrams() (net.Listener, error) {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	return &datagrams{packets: c}, err
}

type datagrams struct{ packets net.PacketConn }

func (d *datagrams) Addr() net.Addr { return d.packets.LocalAddr() }
func (d *datagrams) Close() error   { return nil }

func (d *datagrams) Accept() (net.Conn, error) {
	buffer := make([]byte, 1500)
	n, from, err := d.packets.ReadFrom(buffer)
	if err != nil {
		return nil, err
	}
	return &datagramConn{PacketConn: d.packets, from: from, first: buffer[:n]}, nil
}

type datagramConn struct {
	net.PacketConn
	from  net.Addr
	first []byte
}

func (c *datagramConn) Read(b []byte) (int, error) {
	if c.first != nil {
		n := copy(b, c.first)
		c.first = nil
		return n, nil
	}
	n, _, err := c.ReadFrom(b)
	return n, err
}
func (c *datagramConn) Write(b []byte) (int, error) { return c.WriteTo(b, c.from) }
func (c *datagramConn) RemoteAddr() net.Addr        { return c.from }

func TestBrokenConnections(t *testing.T) {
	for err, want := range map[error]bool{syscall.EPIPE: true, syscall.ECONNRESET: true, net.ErrClosed: true, syscall.EIO: false, errors.ErrUnsupported: false} {
		if broken(err) != want {
			t.Error(err)
		}
	}
}
