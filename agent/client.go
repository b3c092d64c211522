package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"

	"github.com/sockerless/sockerless/agent/agentpb"
)

// Client is the server's end of the protocol, one for each agent. Errors carry a class of errdefs; a command that
// could not be started is a *StartError.
type Client struct {
	target     string
	connection *grpc.ClientConn
	rpc        agentpb.AgentClient
	hello      *agentpb.HelloReply

	mu   sync.Mutex
	err  error
	done chan struct{}
}

// Dial connects to the agent at a gRPC target (unix:///run/…/socket) and greets it.
func Dial(ctx context.Context, target, serverID string) (*Client, error) {
	connection, err := grpc.NewClient(target,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithInitialWindowSize(window), grpc.WithInitialConnWindowSize(4*window),
		grpc.WithReadBufferSize(buffer), grpc.WithWriteBufferSize(buffer),
		grpc.WithUnaryInterceptor(unary), grpc.WithStreamInterceptor(stream),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage), grpc.ForceCodecV2(newCodec())))
	if err != nil {
		return nil, fmt.Errorf("connect to agent at %s: %w", target, err)
	}
	c := &Client{target: target, connection: connection, rpc: agentpb.NewAgentClient(connection), done: make(chan struct{})}
	c.hello, err = c.rpc.Hello(ctx, &agentpb.HelloRequest{Protocol: Protocol, Server: serverID}, grpc.WaitForReady(true))
	if err != nil {
		_ = connection.Close()
		return nil, fmt.Errorf("greet agent at %s: %w", target, fromStatus(err))
	}
	return c, nil
}

// Reach returns once the agent answers: it waits for one that cannot be reached until ctx ends.
func (c *Client) Reach(ctx context.Context) error {
	_, err := c.rpc.Hello(ctx, &agentpb.HelloRequest{Protocol: Protocol}, grpc.WaitForReady(true))
	return fromStatus(err)
}

// ID is the agent's instance id.
func (c *Client) ID() string { return c.hello.GetAgent() }

// Target is where the agent is, as gRPC names it. Other processes on this machine reach it there too.
func (c *Client) Target() string { return c.target }

// Version is the version of the agent's binary.
func (c *Client) Version() string { return c.hello.GetVersion() }

// Deadline is when the platform ends the agent, whatever it does; zero is never.
func (c *Client) Deadline() time.Time {
	if d := c.hello.GetDeadline(); d != 0 {
		return time.Unix(0, d)
	}
	return time.Time{}
}

// Containers are the containers that the agent had when the client connected.
func (c *Client) Containers() []*agentpb.ContainerState { return c.hello.GetContainers() }

// Done is closed once the agent is gone for good, as whoever watches over it has said by Gone.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err says why the agent is gone.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Gone declares the agent gone for good.
func (c *Client) Gone(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = why
		close(c.done)
	}
}

// Close lets go of the connection; the agent goes on.
func (c *Client) Close() error { return c.connection.Close() }

// OpenContainer makes a container's files reachable.
func (c *Client) OpenContainer(ctx context.Context, spec *agentpb.Container) error {
	_, err := c.rpc.Open(ctx, &agentpb.OpenRequest{Container: spec})
	return fromStatus(err)
}

// CloseContainer forgets a container that is not running.
func (c *Client) CloseContainer(ctx context.Context, id string) error {
	_, err := c.rpc.Close(ctx, &agentpb.CloseRequest{Container: id})
	return fromStatus(err)
}

// Start runs a container's first process.
func (c *Client) Start(ctx context.Context, r *agentpb.StartRequest) (*agentpb.StartReply, error) {
	reply, err := c.rpc.Start(ctx, r)
	return reply, fromStatus(err)
}

// Exec runs another process with nothing attached.
func (c *Client) Exec(ctx context.Context, r *agentpb.ExecRequest) (pid int64, err error) {
	reply, err := c.rpc.Exec(ctx, r)
	return reply.GetPid(), fromStatus(err)
}

// Signal sends a signal, by its Linux number, to an exec or, with exec "", to the container's first process.
func (c *Client) Signal(ctx context.Context, container, exec string, signal int) error {
	_, err := c.rpc.Signal(ctx, &agentpb.SignalRequest{Container: container, Exec: exec, Signal: int32(signal)})
	return fromStatus(err)
}

// Resize sets the window size of a terminal.
func (c *Client) Resize(ctx context.Context, container, exec string, rows, columns uint32) error {
	_, err := c.rpc.Resize(ctx, &agentpb.ResizeRequest{Container: container, Exec: exec, Size: &agentpb.WindowSize{Rows: rows, Columns: columns}})
	return fromStatus(err)
}

// Pause freezes a container's processes or lets them go on.
func (c *Client) Pause(ctx context.Context, container string, paused bool) error {
	_, err := c.rpc.Pause(ctx, &agentpb.PauseRequest{Container: container, Paused: paused})
	return fromStatus(err)
}

// Top lists the processes of a container in ps's form.
func (c *Client) Top(ctx context.Context, container string, args []string) (*agentpb.TopReply, error) {
	reply, err := c.rpc.Top(ctx, &agentpb.TopRequest{Container: container, Args: args})
	return reply, fromStatus(err)
}

// Stats measures a container.
func (c *Client) Stats(ctx context.Context, container string) (*agentpb.StatsReply, error) {
	reply, err := c.rpc.Stats(ctx, &agentpb.StatsRequest{Container: container})
	return reply, fromStatus(err)
}

// Stat describes a path in a container.
func (c *Client) Stat(ctx context.Context, container, path string) (*agentpb.PathStat, error) {
	reply, err := c.rpc.Stat(ctx, &agentpb.StatRequest{Container: container, Path: path})
	return reply.GetStat(), fromStatus(err)
}

// Changes lists what differs between a container's files and its image.
func (c *Client) Changes(ctx context.Context, container string) ([]*agentpb.Change, error) {
	reply, err := c.rpc.Changes(ctx, &agentpb.ChangesRequest{Container: container})
	return reply.GetChanges(), fromStatus(err)
}

// Promote tells the agent of a sandbox where a container's twin is, or why there is none.
func (c *Client) Promote(ctx context.Context, r *agentpb.PromoteRequest) (*agentpb.PromoteReply, error) {
	reply, err := c.rpc.Promote(ctx, r)
	return reply, fromStatus(err)
}

// Shutdown ends an agent that has no running container. It is not an error that the agent is gone before it answers.
func (c *Client) Shutdown(ctx context.Context) error {
	_, err := c.rpc.Shutdown(ctx, &agentpb.ShutdownRequest{})
	if err = fromStatus(err); errdefs.IsUnavailable(err) {
		return nil
	}
	return err
}

// Delta reads what has changed in a container's files since the last Delta or the last layer that was Put, or all of it, as the
// tar of an OCI layer. The reader must be closed.
func (c *Client) Delta(ctx context.Context, r *agentpb.DeltaRequest) (io.ReadCloser, error) {
	ctx, cancel := context.WithCancel(ctx)
	stream, err := c.rpc.Delta(ctx, r)
	if err != nil {
		cancel()
		return nil, fromStatus(err)
	}
	return &getReader{stream: stream, cancel: cancel}, nil
}

// Get reads a path as a tar stream. The reader must be closed.
func (c *Client) Get(ctx context.Context, container, path string) (*agentpb.PathStat, io.ReadCloser, error) {
	ctx, cancel := context.WithCancel(ctx)
	stream, err := c.rpc.Get(ctx, &agentpb.GetRequest{Container: container, Path: path})
	if err != nil {
		cancel()
		return nil, nil, fromStatus(err)
	}
	first, err := stream.Recv()
	if err != nil {
		cancel()
		return nil, nil, fromStatus(err)
	}
	return first.GetStat(), &getReader{stream: stream, cancel: cancel, rest: first.GetData()}, nil
}

type getReader struct {
	stream interface {
		Recv() (*agentpb.GetReply, error)
	}
	cancel context.CancelFunc
	rest   []byte
}

func (r *getReader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		m, err := r.stream.Recv()
		if errors.Is(err, io.EOF) {
			return 0, io.EOF
		}
		if err != nil {
			return 0, fromStatus(err)
		}
		r.rest = m.GetData()
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func (r *getReader) Close() error {
	r.cancel()
	return nil
}

// Put unpacks a tar stream in a container. An error of tar itself (a client that went away) stops the unpacking.
func (c *Client) Put(ctx context.Context, open *agentpb.PutOpen, tar io.Reader) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.rpc.Put(ctx)
	if err == nil {
		err = stream.Send(&agentpb.PutRequest{Open: open})
	}
	buf := make([]byte, chunk)
	for err == nil {
		n, readErr := tar.Read(buf)
		if n > 0 {
			err = stream.Send(&agentpb.PutRequest{Data: buf[:n]})
		}
		if errors.Is(readErr, io.EOF) {
			break
		}
		if readErr != nil {
			return fmt.Errorf("read archive: %w", readErr)
		}
	}
	if err != nil && !errors.Is(err, io.EOF) { // io.EOF: the agent has already answered
		return fromStatus(err)
	}
	_, err = stream.CloseAndRecv()
	return fromStatus(err)
}

// EventStream is the stream of an agent's exits.
type EventStream struct{ stream agentpb.Agent_EventsClient }

// Events begins a stream of exits: those not acknowledged yet, an event that says Ready, then new ones.
func (c *Client) Events(ctx context.Context) (*EventStream, error) {
	stream, err := c.rpc.Events(ctx)
	return &EventStream{stream}, fromStatus(err)
}

// Recv waits for the next event.
func (s *EventStream) Recv() (*agentpb.Event, error) {
	e, err := s.stream.Recv()
	return e, fromStatus(err)
}

// Ack tells the agent that the event of this sequence number, and all before it, need not be kept.
// It may be called while another goroutine is in Recv.
func (s *EventStream) Ack(sequence int64) error {
	return fromStatus(s.stream.Send(&agentpb.EventsRequest{Acknowledge: sequence}))
}

// Stream is an attached process.
type Stream struct {
	stream agentpb.Agent_AttachClient
	cancel context.CancelFunc
	pid    int64
	got    receivedOutput
}

// Attach joins a process's streams; with open.Process it starts that exec first. The stream must be closed.
func (c *Client) Attach(ctx context.Context, open *agentpb.AttachOpen) (*Stream, error) {
	ctx, cancel := context.WithCancel(ctx)
	stream, err := c.rpc.Attach(ctx)
	if err == nil {
		err = stream.Send(&agentpb.AttachInput{Input: &agentpb.AttachInput_Open{Open: open}})
	}
	var first *agentpb.AttachOutput
	if err == nil || errors.Is(err, io.EOF) { // io.EOF: Recv has the reason
		first, err = stream.Recv()
	}
	if err != nil {
		cancel()
		return nil, fromStatus(err)
	}
	return &Stream{stream: stream, cancel: cancel, pid: first.GetStarted().GetPid()}, nil
}

// PID is the process's id in its container.
func (s *Stream) PID() int64 { return s.pid }

// Recv waits for output or, at last, the exit. What it returns is valid until the next call.
func (s *Stream) Recv() (*agentpb.AttachOutput, error) {
	if err := s.stream.RecvMsg(&s.got); err != nil {
		s.got.release()
		return nil, fromStatus(err)
	}
	return &s.got.message, nil
}

// Stdin sends standard input. The input methods are for one goroutine at a time; another may be in Recv.
func (s *Stream) Stdin(p []byte) error {
	for piece := range slices.Chunk(p, chunk) {
		data := mem.Copy(piece, buffers)
		if err := s.stream.SendMsg(&bulkInput{data}); err != nil {
			return fromStatus(err)
		}
	}
	return nil
}

// CloseStdin ends standard input.
func (s *Stream) CloseStdin() error {
	return fromStatus(s.stream.Send(&agentpb.AttachInput{Input: &agentpb.AttachInput_CloseStdin{CloseStdin: true}}))
}

// CloseOutput says that nobody reads a stream of the process any more: its next write there fails with EPIPE.
func (s *Stream) CloseOutput(stream uint8) error {
	return fromStatus(s.stream.Send(&agentpb.AttachInput{Input: &agentpb.AttachInput_CloseOutput{CloseOutput: uint32(stream)}}))
}

// Resize sets the window size of the process's terminal.
func (s *Stream) Resize(rows, columns uint32) error {
	return fromStatus(s.stream.Send(&agentpb.AttachInput{Input: &agentpb.AttachInput_Resize{Resize: &agentpb.WindowSize{Rows: rows, Columns: columns}}}))
}

// Detach leaves in good order: standard input stays open for the next client.
func (s *Stream) Detach() error { return fromStatus(s.stream.CloseSend()) }

// Close ends the stream, whatever its state.
func (s *Stream) Close() { s.cancel() }
