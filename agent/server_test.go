package agent_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"slices"
	"testing"

	"github.com/containerd/errdefs"

	"github.com/sockerless/sockerless/agent"
	"github.com/sockerless/sockerless/agent/agentpb"
	"github.com/sockerless/sockerless/agent/spool"
)

// host runs Go functions as processes; what it is not asked for in these tests panics by the nil interface.
type host struct {
	agent.Host
	main func(p *process) int32
}

type process struct {
	ctx    context.Context
	kill   context.CancelFunc
	args   []string
	in     *io.PipeReader
	stdin  *io.PipeWriter
	out    agent.Sink
	signal chan int
}

func (p *process) PID() int64                   { return 1 }
func (p *process) Stdin() io.WriteCloser        { return p.stdin }
func (p *process) Resize(_, _ uint32) error     { return nil }
func (p *process) Signal(signal int) error      { p.signal <- signal; return nil }
func (p *process) print(stream uint8, s string) { _, _ = p.out.WriteStream(p.ctx, stream, []byte(s)) }

func (h *host) Open(context.Context, *agentpb.Container) error { return nil }
func (h *host) Close(context.Context, string) error            { return nil }

func (h *host) run(spec *agentpb.Process, out agent.Sink) (agent.Process, error) {
	if spec.GetArgs()[0] == "missing" {
		return nil, &agent.StartError{Code: 127, Message: `exec: "missing": executable file not found in $PATH`}
	}
	p := &process{args: spec.GetArgs(), out: out, signal: make(chan int, 1)}
	p.ctx, p.kill = context.WithCancel(context.Background())
	p.in, p.stdin = io.Pipe()
	go func() {
		code := h.main(p)
		_ = p.in.Close()
		out.End(&agentpb.Exit{Code: code})
	}()
	return p, nil
}

func (h *host) Start(_ context.Context, _ *agentpb.Container, spec *agentpb.Process, out agent.Sink) (agent.Process, error) {
	return h.run(spec, out)
}

func (h *host) Exec(_ context.Context, _ string, spec *agentpb.Process, out agent.Sink) (agent.Process, error) {
	return h.run(spec, out)
}

// serve starts an agent whose processes run main, and gives a way to connect to it.
func serve(t *testing.T, main func(p *process) int32) (connect func() *agent.Client) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() {
		done <- agent.NewServer(&host{main: main}, agent.ServerConfig{ID: "a1", Version: "v"}).Serve(ctx, l)
	}()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return func() *agent.Client {
		c, err := agent.Dial(t.Context(), "unix://"+socket, "server")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
}

func start(t *testing.T, c *agent.Client, run int64, dir string, args ...string) *agentpb.StartReply {
	t.Helper()
	reply, err := c.Start(t.Context(), &agentpb.StartRequest{
		Container: &agentpb.Container{Id: "c", Directory: dir},
		Process:   &agentpb.Process{Args: args, Stdin: true}, Run: run})
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

// drain reads a stream to its end.
func drain(t *testing.T, s *agent.Stream) (stdout, stderr []byte, offsets []int64, exit *agentpb.Exit) {
	t.Helper()
	for {
		m, err := s.Recv()
		if err != nil {
			t.Fatalf("after %q: %v", stdout, err)
		}
		if e := m.GetExit(); e != nil {
			if _, err := s.Recv(); !errors.Is(err, io.EOF) {
				t.Fatalf("behind the exit: %v", err)
			}
			return stdout, stderr, offsets, e
		}
		offsets = append(offsets, m.GetData().GetOffset())
		if m.GetData().GetStream() == uint32(agent.Stderr) {
			stderr = append(stderr, m.GetData().GetData()...)
		} else {
			stdout = append(stdout, m.GetData().GetData()...)
		}
	}
}

func TestAttachReplaysTheSpoolFromAnOffset(t *testing.T) {
	c := serve(t, func(p *process) int32 {
		p.print(agent.Stdout, "one\n")
		p.print(agent.Stderr, "two\n")
		p.print(agent.Stdout, "three\n")
		return 42
	})()
	dir := filepath.Join(t.TempDir(), "c")
	reply := start(t, c, 1, dir, "p")
	attach := func(offset int64) *agent.Stream {
		s, err := c.Attach(t.Context(), &agentpb.AttachOpen{Container: "c", Offset: offset, Output: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		return s
	}
	stdout, stderr, offsets, exit := drain(t, attach(reply.GetOffset()))
	if string(stdout) != "one\nthree\n" || string(stderr) != "two\n" || exit.GetCode() != 42 {
		t.Fatalf("got %q, %q, %v", stdout, stderr, exit)
	}
	stdout, stderr, _, _ = drain(t, attach(offsets[0]))
	if string(stdout) != "three\n" || string(stderr) != "two\n" {
		t.Fatalf("resumed with %q, %q", stdout, stderr)
	}
	if second := start(t, c, 2, dir, "p"); second.GetOffset() != offsets[2] {
		t.Fatalf("second run begins at %d, want %d", second.GetOffset(), offsets[2])
	}
}

func TestFollowerIsToldUpToWhereTheSpoolHasGrown(t *testing.T) {
	c := serve(t, func(p *process) int32 {
		for range 100 {
			p.print(agent.Stdout, "line\n")
		}
		return 42
	})()
	dir := filepath.Join(t.TempDir(), "c")
	reply := start(t, c, 1, dir, "p")
	follow := func(offset int64) []int64 {
		s, err := c.Attach(t.Context(), &agentpb.AttachOpen{Container: "c", Offset: offset, Output: true, Follow: true})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		stdout, stderr, told, exit := drain(t, s)
		if len(stdout) > 0 || len(stderr) > 0 || exit.GetCode() != 42 {
			t.Errorf("got %q, %q, %v", stdout, stderr, exit)
		}
		return told
	}
	told := follow(reply.GetOffset())
	reader, err := spool.OpenReader(filepath.Join(dir, agent.SpoolName))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	end, err := reader.End()
	if err != nil || end == 0 {
		t.Fatalf("the spool ends at %d, %v", end, err)
	}
	if told[0] != reply.GetOffset() || told[len(told)-1] != end || !slices.IsSorted(told) {
		t.Errorf("told %v, of a spool from %d to %d", told, reply.GetOffset(), end)
	}
	if told := follow(-1); !slices.Equal(told, []int64{end}) {
		t.Errorf("from now on: told %v, want %d", told, end)
	}
}

func TestExitsAreSentUntilAcknowledged(t *testing.T) {
	connect := serve(t, func(p *process) int32 { return 7 })
	dir := t.TempDir()
	first := connect()
	start(t, first, 5, dir, "p")
	receive := func(c *agent.Client) (*agent.EventStream, *agentpb.Event) {
		s, err := c.Events(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for {
			e, err := s.Recv()
			if err != nil {
				t.Fatal(err)
			}
			if e.GetContainer() == "c" {
				return s, e
			}
		}
	}
	for range 2 { // twice the same: the first reader did not acknowledge
		if _, e := receive(connect()); e.GetRun() != 5 || e.GetExit().GetCode() != 7 {
			t.Fatalf("event %v", e)
		}
	}
	s, e := receive(connect())
	if err := s.Ack(e.GetSequence()); err != nil {
		t.Fatal(err)
	}
	start(t, first, 6, dir, "p")
	for range 10_000 { // an acknowledgement is not answered: it takes effect soon
		if _, e := receive(connect()); e.GetRun() == 6 {
			return
		}
	}
	t.Fatal("run 5 is sent for ever, though it was acknowledged")
}

func TestExecStreamsBothWays(t *testing.T) {
	const size = 8 << 20
	release := make(chan struct{})
	c := serve(t, func(p *process) int32 {
		if p.args[0] == "main" {
			<-release
			return 0
		}
		n, err := io.Copy(writer{p}, p.in)
		if err != nil || n != size {
			return 1
		}
		return 3
	})()
	defer close(release)
	start(t, c, 1, t.TempDir(), "main")
	s, err := c.Attach(t.Context(), &agentpb.AttachOpen{Container: "c", Exec: "e", Stdin: true, Output: true,
		Process: &agentpb.Process{Args: []string{"echo"}, Stdin: true}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	sent := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	go func() {
		_ = s.Stdin(sent)
		_ = s.CloseStdin()
	}()
	got, _, _, exit := drain(t, s)
	if !bytes.Equal(got, sent) || exit.GetCode() != 3 {
		t.Fatalf("%d bytes came back, exit %v", len(got), exit)
	}
}

// A caller whose input others read too learns what is on its way, piece by piece and in all, and what was read of it.
func TestInputIsCounted(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	c := serve(t, func(p *process) int32 {
		if p.args[0] == "main" {
			<-release
			return 0
		}
		if _, err := io.ReadFull(p.in, make([]byte, 7)); err != nil {
			return 1
		}
		return 0
	})()
	start(t, c, 1, t.TempDir(), "main")
	s, err := c.Attach(t.Context(), &agentpb.AttachOpen{Container: "c", Exec: "e", Stdin: true, Output: true, CountStdin: true,
		Process: &agentpb.Process{Args: []string{"read 7"}, Stdin: true}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, piece := range []struct {
		data string
		want int64
	}{{"123", 3}, {"45", 5}} {
		if err := s.Stdin([]byte(piece.data)); err != nil {
			t.Fatal(err)
		}
		if m, err := s.Recv(); err != nil || m.GetTaken() != piece.want {
			t.Fatalf("taken %v, %v, want %d", m, err, piece.want)
		}
	}
	if err := s.Stdin([]byte("6789")); err != nil { // of which two bytes are read
		t.Fatal(err)
	}
	for {
		m, err := s.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if m.GetExit() != nil {
			break
		}
		if m.GetTaken() != 7 && m.GetTaken() != 9 {
			t.Errorf("taken %v", m)
		}
	}
}

type writer struct{ p *process }

func (w writer) Write(b []byte) (int, error) { return w.p.out.WriteStream(w.p.ctx, agent.Stdout, b) }

func TestErrorsKeepTheirClass(t *testing.T) {
	c := serve(t, func(p *process) int32 { return 0 })()
	_, err := c.Start(t.Context(), &agentpb.StartRequest{
		Container: &agentpb.Container{Id: "c", Directory: t.TempDir()}, Process: &agentpb.Process{Args: []string{"missing"}}})
	var failure *agent.StartError
	if !errors.As(err, &failure) || failure.Code != 127 || failure.Message != `exec: "missing": executable file not found in $PATH` {
		t.Fatalf("Start: %v", err)
	}
	if err := c.Signal(t.Context(), "nosuch", "", 15); !errdefs.IsNotFound(err) {
		t.Fatalf("Signal: %v", err)
	}
	if _, err := c.Attach(t.Context(), &agentpb.AttachOpen{Container: "nosuch"}); !errdefs.IsNotFound(err) {
		t.Fatalf("Attach: %v", err)
	}
}

func TestAPanicIsTheErrorOfItsCallOnly(t *testing.T) {
	c := serve(t, func(p *process) int32 { return 0 })()
	if _, err := c.Top(t.Context(), "c", nil); !errdefs.IsInternal(err) { // this test's host has no Top
		t.Fatalf("Top: %v", err)
	}
	if _, _, err := c.Get(t.Context(), "c", "/"); !errdefs.IsInternal(err) {
		t.Fatalf("Get: %v", err)
	}
	start(t, c, 1, t.TempDir(), "p")
}

func TestConnectionClosedUnderACall(t *testing.T) {
	c := serve(t, func(*process) int32 { return 0 })()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Signal(t.Context(), "c", "", 9); !errdefs.IsUnavailable(err) {
		t.Errorf("a signal: %v", err)
	}
	if _, err := c.Events(t.Context()); !errdefs.IsUnavailable(err) {
		t.Errorf("events: %v", err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Signal(canceled, "c", "", 9); !errdefs.IsCanceled(err) {
		t.Errorf("a canceled signal: %v", err)
	}
}
