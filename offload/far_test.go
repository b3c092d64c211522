//go:build linux

package offload

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sockerless/sockerless/agent"
	"github.com/sockerless/sockerless/agent/agentpb"
	"github.com/sockerless/sockerless/agent/inside"
	"github.com/sockerless/sockerless/agent/reach"
	"github.com/sockerless/sockerless/runtime"
	"github.com/sockerless/sockerless/store/state"
)

// far is a platform whose tasks are agents in processes of this machine, and whose network breaks every few MiB.
type far struct {
	t         *testing.T
	dir       string
	authority *reach.Authority
	state     state.Store
	wire      *wire // what both sides go through

	mu    sync.Mutex
	tasks map[string]*process // by attempt
}

// process is an agent.
type process struct {
	*exec.Cmd
	handle  Handle
	address string // where it listens
	token   string // that it was given
	log     bytes.Buffer
	ended   chan struct{}
}

func newFar(t *testing.T) *far {
	t.Helper()
	dir, err := os.MkdirTemp("", "far") // short: sockets live in it
	if err != nil {
		t.Fatal(err)
	}
	f := &far{t: t, dir: dir, tasks: map[string]*process{}, wire: newWire(t)}
	if f.authority, err = reach.NewAuthority(time.Hour); err != nil {
		t.Fatal(err)
	}
	if f.state, err = state.Open(filepath.Join(dir, "state"), state.Options{BallastSize: -1, MinFree: 1 << 20}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, p := range f.tasks {
			_ = p.Process.Kill()
			<-p.ended
			if t.Failed() {
				t.Logf("agent of %s: %s", p.handle.Container, p.log.String())
			}
		}
		if err := errors.Join(f.state.Close(), os.RemoveAll(dir)); err != nil {
			t.Error(err)
		}
	})
	return f
}

func (f *far) Name() string                       { return "far" }
func (f *far) Limits() runtime.Limits             { return runtime.Limits{} }
func (f *far) Price(runtime.Size) (float64, bool) { return 0, true }

func (f *far) Run(_ context.Context, s Spec) (Handle, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p := f.tasks[s.Attempt]; p != nil {
		return p.handle, nil
	}
	args := []string{"--container", s.Task.Container.GetId(), "--id", s.Agent.ID, "--lease", s.Agent.Lease.String()}
	if s.Agent.URL != "" {
		p, err := f.exec(append(args, "--reverse", s.Agent.URL), inside.TokenVariable+"="+s.Agent.Token, inside.CAVariable+"="+s.Agent.CA)
		if err != nil {
			return Handle{}, err
		}
		p.handle, p.token = s.NewHandle(strconv.Itoa(p.Process.Pid)), s.Agent.Token
		f.tasks[s.Attempt] = p
		return p.handle, nil
	}
	identity, err := f.authority.Agent(s.Attempt, time.Hour)
	if err != nil {
		return Handle{}, err
	}
	secret, err := identity.Encode()
	if err != nil {
		return Handle{}, err
	}
	free := listen(f.t)
	address := free.Addr().String()
	_ = free.Close()
	p, err := f.exec(append(args, "--listen", address), inside.IdentityVariable+"="+string(secret))
	if err != nil {
		return Handle{}, err
	}
	p.handle, p.address, p.token = s.NewHandle(strconv.Itoa(p.Process.Pid)), address, "PRIVATE KEY"
	f.tasks[s.Attempt] = p
	return p.handle, nil
}

// exec starts an agent.
func (f *far) exec(args []string, env ...string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{ended: make(chan struct{})}
	p.Cmd = exec.Command(self, append([]string{"agent", "--directory", f.dir}, args...)...)
	p.Env = append(os.Environ(), env...)
	p.Stderr = &p.log
	if err := p.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.ended)
		_ = p.Wait() // its end is the tests' to judge
	}()
	return p, nil
}

func (f *far) task(attempt string) *process {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.tasks[attempt]
}

func (f *far) Stop(_ context.Context, h Handle, _ time.Duration) error {
	p := f.task(h.Attempt)
	_ = p.Process.Kill() // one that has ended is as good
	return nil
}

func (f *far) Describe(_ context.Context, handles []Handle) (all []Status, err error) {
	for _, h := range handles {
		s := Status{Handle: h, State: Running}
		select {
		case <-f.task(h.Attempt).ended:
			s.State = Stopped
		default:
		}
		all = append(all, s)
	}
	return all, nil
}

func (f *far) List(context.Context, string) (all []Handle, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.tasks {
		all = append(all, p.handle)
	}
	return all, nil
}

func (f *far) Remove(context.Context, Handle) error { return nil }

// dialled is a far platform whose agents are dialled.
type dialled struct{ *far }

func (d dialled) Connect(ctx context.Context, h Handle) (net.Conn, error) {
	identity, err := d.authority.Server("test", time.Hour)
	if err != nil {
		return nil, err
	}
	d.wire.to(d.task(h.Attempt).address)
	return identity.Dial(ctx, d.wire.Addr().String(), h.Attempt)
}

// server is a server, with a gate where agents dial back.
type server struct {
	*Backend
	gate *reach.Gate
	http *http.Server
}

func (f *far) server(driver Driver, lease time.Duration) *server {
	f.t.Helper()
	s := &server{}
	config := Config{State: f.state, Instance: "mine", RuntimeDir: f.dir, Lease: lease}
	if _, dials := driver.(Connector); !dials {
		var err error
		if s.gate, err = reach.NewGate(bytes.Repeat([]byte("s"), 32)); err != nil {
			f.t.Fatal(err)
		}
		certificate, err := f.authority.Gate("127.0.0.1", time.Hour)
		if err != nil {
			f.t.Fatal(err)
		}
		l := tls.NewListener(listen(f.t), &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13})
		s.http = &http.Server{Handler: s.gate, ReadHeaderTimeout: time.Minute}
		go func() { _ = s.http.Serve(l) }() // ends with the server
		f.wire.to(l.Addr().String())
		config.Gate, config.GateURL, config.GateCA = s.gate, "https://"+f.wire.Addr().String()+"/agents", f.authority.PEM()
	}
	s.Backend = NewBackend("far", driver, config)
	f.t.Cleanup(s.end)
	return s
}

// end ends a server; its tasks go on.
func (s *server) end() {
	_ = s.Close()
	if s.gate != nil {
		_ = s.http.Close()
		_ = s.gate.Close()
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// wire is a TCP proxy whose connections break after a few MiB.
type wire struct {
	net.Listener
	work sync.WaitGroup

	mu     sync.Mutex
	target string
	conns  map[net.Conn]struct{}
	made   int
	closed bool
}

func newWire(t *testing.T) *wire {
	w := &wire{Listener: listen(t), conns: map[net.Conn]struct{}{}}
	w.work.Go(func() {
		for {
			c, err := w.Accept()
			if err != nil {
				return
			}
			w.work.Go(func() { w.carry(c) })
		}
	})
	t.Cleanup(func() {
		_ = w.Listener.Close()
		w.mu.Lock()
		w.closed = true
		for c := range w.conns {
			_ = c.Close()
		}
		w.mu.Unlock()
		w.work.Wait()
	})
	return w
}

func (w *wire) to(target string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.target = target
}

func (w *wire) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.made
}

// carry joins a connection with one to the target, until either has carried what it can.
func (w *wire) carry(near net.Conn) {
	defer near.Close()
	w.mu.Lock()
	target := w.target
	w.mu.Unlock()
	remote, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer remote.Close()
	w.mu.Lock()
	w.made++
	w.conns[near], w.conns[remote] = struct{}{}, struct{}{}
	closed := w.closed
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.conns, near)
		delete(w.conns, remote)
	}()
	if closed {
		return
	}
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{near, remote}, {remote, near}} {
		both.Go(func() {
			_, _ = io.CopyN(way[0], way[1], 5<<20+rand.Int64N(8<<20))
			_ = near.Close()
			_ = remote.Close()
		})
	}
	both.Wait()
}

// lines is what `seq 1 LAST` prints: 256 MiB in which no two places are alike.
const lines = 31_000_000

func sumOfLines() []byte {
	sum := sha256.New()
	var b []byte
	for i := int64(1); i <= lines; i++ {
		b = append(strconv.AppendInt(b, i, 10), '\n')
		if len(b) > 1<<16 {
			_, _ = sum.Write(b)
			b = b[:0]
		}
	}
	_, _ = sum.Write(b)
	return sum.Sum(nil)
}

// follow reads a container's output from an offset, till enough has come or the process has ended.
func follow(t *testing.T, client *agent.Client, offset int64, sum hash.Hash, enough int) (resume int64, n int, exit *agentpb.Exit) {
	t.Helper()
	stream, err := client.Attach(t.Context(), &agentpb.AttachOpen{Container: "c", Offset: offset, Output: true})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	for n < enough {
		m, err := stream.Recv()
		if err != nil {
			t.Fatalf("after %d bytes: %v", n, err)
		}
		if exit := m.GetExit(); exit != nil {
			return offset, n, exit
		}
		if data := m.GetData(); data != nil {
			_, _ = sum.Write(data.GetData())
			n += len(data.GetData())
			offset = data.GetOffset()
		}
	}
	return offset, n, nil
}

func (f *far) start(client *agent.Client, args ...string) {
	f.t.Helper()
	_, err := client.Start(f.t.Context(), &agentpb.StartRequest{
		Container: &agentpb.Container{Id: "c", Directory: f.dir}, Run: 1,
		Process: &agentpb.Process{Args: args, Env: []string{"PATH=" + os.Getenv("PATH")}}})
	if err != nil {
		f.t.Fatal(err)
	}
}

var farTask = runtime.Task{Container: &agentpb.Container{Id: "c"}}

func TestNothingIsLostWhenTheWayBreaks(t *testing.T) {
	for name, driver := range map[string]func(*far) Driver{
		"reverse": func(f *far) Driver { return f },
		"forward": func(f *far) Driver { return dialled{f} },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFar(t)
			first := f.server(driver(f), time.Hour) // a lease is for servers that listen, and this test only reads
			client, err := first.Acquire(t.Context(), farTask)
			if err != nil {
				t.Fatal(err)
			}
			p := f.task(client.ID())
			environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", p.Process.Pid))
			if err != nil || bytes.Contains(environ, []byte(p.token)) {
				t.Errorf("the agent's secret is seen in its environment: %v", err)
			}
			f.start(client, "seq", "1", strconv.Itoa(lines))
			sum := sha256.New()
			offset, before, exit := follow(t, client, 0, sum, 128<<20)
			if exit != nil {
				t.Fatalf("the program has ended after %d bytes: %v", before, exit)
			}
			if n := f.wire.count(); n < 8 {
				t.Errorf("%d connections have carried %d bytes: nothing was cut", n, before)
			}
			first.end()
			clients, err := f.server(driver(f), time.Hour).Recover(t.Context())
			if err != nil || len(clients) != 1 {
				t.Fatalf("the next server finds %d agents: %v", len(clients), err)
			}
			_, _, exit = follow(t, clients[0], offset, sum, 1<<40)
			if exit.GetCode() != 0 {
				t.Errorf("exit %v", exit)
			}
			if !bytes.Equal(sum.Sum(nil), sumOfLines()) {
				t.Error("what has come is not what was printed")
			}
		})
	}
}

func TestATaskEndsWhenItsServerStaysAway(t *testing.T) {
	f := newFar(t)
	const lease = 5 * time.Second // long enough for a server that is there to say so
	s := f.server(f, lease)
	client, err := s.Acquire(t.Context(), farTask)
	if err != nil {
		t.Fatal(err)
	}
	events, err := client.Events(t.Context()) // as every server does
	if err != nil {
		t.Fatal(err)
	}
	if _, err := events.Recv(); err != nil {
		t.Fatal(err)
	}
	f.start(client, "sleep", "1000000")
	stream, err := client.Attach(t.Context(), &agentpb.AttachOpen{Container: "c", Offset: 0, Output: true})
	if err != nil {
		t.Fatal(err)
	}
	pid := int(stream.PID())
	stream.Close()
	p := f.task(client.ID())
	s.end()
	<-p.ended
	if !strings.Contains(p.log.String(), "no server for 5s") {
		t.Errorf("it has ended for another reason: %s", p.log.String())
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("its program, process %d, goes on: %v", pid, err)
	}
}

func TestAnAgentWithoutTheRightTokenIsRefused(t *testing.T) {
	f := newFar(t)
	s := f.server(f, time.Minute)
	token, err := s.gate.Expect("other", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	s.gate.Forget("other")
	for _, token := range []string{"wrong", token} {
		p, err := f.exec([]string{"--reverse", s.config.GateURL, "--lease", "1s"}, inside.TokenVariable+"="+token, inside.CAVariable+"="+string(f.authority.PEM()))
		if err != nil {
			t.Fatal(err)
		}
		<-p.ended
		if log := p.log.String(); !strings.Contains(log, "does not take this agent's token") || strings.Contains(log, token) && token != "wrong" {
			t.Errorf("token %q: %s", token, log)
		}
	}
	p, err := f.exec([]string{"--reverse", s.config.GateURL})
	if err != nil {
		t.Fatal(err)
	}
	if <-p.ended; p.ProcessState.ExitCode() != 1 || !strings.Contains(p.log.String(), "set "+inside.TokenVariable) {
		t.Errorf("without a token: %s", p.log.String())
	}
	p, err = f.exec([]string{"--reverse", strings.Replace(s.config.GateURL, "https", "http", 1)}, inside.TokenVariable+"=t")
	if err != nil {
		t.Fatal(err)
	}
	if <-p.ended; p.ProcessState.ExitCode() != 1 || !strings.Contains(p.log.String(), "use https") {
		t.Errorf("without TLS: %s", p.log.String())
	}
}

func TestTheGateIsKnownByItsAuthority(t *testing.T) {
	f := newFar(t)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(f.authority.PEM())
	for _, host := range []string{"127.0.0.1", "server.example"} {
		certificate, err := f.authority.Gate(host, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(certificate.Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: host}); err != nil {
			t.Error(err)
		}
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: "other.example"}); err == nil {
			t.Errorf("the certificate of %s is that of another host, too", host)
		}
	}
}
