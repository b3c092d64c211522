package agent

import (
	"cmp"
	"context"
	"net"
	"path/filepath"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"google.golang.org/grpc"

	"github.com/sockerless/sockerless/agent/agentpb"
	"github.com/sockerless/sockerless/agent/spool"
)

// Protocol is the newest version of the protocol that this package speaks, and so far the only one.
const Protocol = 1

// ServerConfig says who an agent is.
type ServerConfig struct {
	ID      string // new at every start of an agent
	Version string // of the agent's binary
	// Directory is where the output spool of the agent's one container is, for an agent that is in it; "" is each
	// container's own Container.directory.
	Directory string
	// Deadline is when the platform ends the agent, whatever it does; zero is never.
	Deadline time.Time
}

// Server serves a Host to the server of Sockerless.
type Server struct {
	agentpb.UnimplementedAgentServer
	host   Host
	config ServerConfig
	events *outbox

	mu         sync.Mutex
	containers map[string]*container
	running    int
	connected  int
	changed    chan struct{}

	stopped  chan struct{} // closed by Shutdown
	stopOnce sync.Once
}

// container is what the agent keeps of a container from Open or Start until Close.
type container struct {
	id        string
	directory string

	mu      sync.Mutex
	run     int64
	main    *task
	paused  bool
	execs   map[string]*task
	closing bool
}

// NewServer wraps a host.
func NewServer(host Host, config ServerConfig) *Server {
	return &Server{
		host: host, config: config, events: newOutbox(),
		containers: map[string]*container{}, changed: make(chan struct{}), stopped: make(chan struct{}),
	}
}

// GRPCOptions are the settings with which a gRPC server carries an agent: windows that keep bulk output moving.
func GRPCOptions() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.InitialWindowSize(window), grpc.InitialConnWindowSize(4 * window),
		grpc.ReadBufferSize(buffer), grpc.WriteBufferSize(buffer),
		grpc.MaxRecvMsgSize(maxMessage), grpc.ForceServerCodecV2(newCodec()),
	}
}

const (
	window     = 1 << 20
	buffer     = 64 << 10
	maxMessage = 16 << 20
)

// Serve answers on l until ctx ends, and then lets calls under way finish.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	g := grpc.NewServer(append(GRPCOptions(), grpc.UnaryInterceptor(recoverCall), grpc.StreamInterceptor(recoverStream))...)
	agentpb.RegisterAgentServer(g, s)
	stop := context.AfterFunc(ctx, g.Stop)
	defer stop()
	err := g.Serve(l)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// Activity counts the running containers and the servers that listen for events.
func (s *Server) Activity() (running, connected int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running, s.connected
}

// Changed is closed at the next change of what Activity counts.
func (s *Server) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// count changes what Activity counts.
func (s *Server) count(running, connected int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running += running
	s.connected += connected
	close(s.changed)
	s.changed = make(chan struct{})
}

// Hello agrees on the protocol's version and says which containers the agent has.
func (s *Server) Hello(_ context.Context, r *agentpb.HelloRequest) (*agentpb.HelloReply, error) {
	if r.GetProtocol() < Protocol {
		return nil, toStatus(errdefs.ErrFailedPrecondition.WithMessage(
			"the agent speaks protocol 1 and the server only an older one: update the server"))
	}
	reply := &agentpb.HelloReply{Protocol: Protocol, Agent: s.config.ID, Version: s.config.Version}
	if !s.config.Deadline.IsZero() {
		reply.Deadline = s.config.Deadline.UnixNano()
	}
	for _, c := range s.all() {
		c.mu.Lock()
		state := &agentpb.ContainerState{Container: c.id, Run: c.run, Paused: c.paused}
		if c.main != nil && c.main.alive() {
			state.Running = true
			state.Pid = c.main.pid()
		}
		c.mu.Unlock()
		reply.Containers = append(reply.Containers, state)
	}
	return reply, nil
}

func (s *Server) all() []*container {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*container, 0, len(s.containers))
	for _, c := range s.containers {
		list = append(list, c)
	}
	return list
}

func (s *Server) container(id string) (*container, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.containers[id]; c != nil {
		return c, nil
	}
	return nil, toStatus(errdefs.ErrNotFound.WithMessage("the agent has no container " + id))
}

// enter finds the container or makes its entry.
func (s *Server) enter(spec *agentpb.Container) *container {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.containers[spec.GetId()]
	if c == nil {
		c = &container{id: spec.GetId(), directory: cmp.Or(s.config.Directory, spec.GetDirectory())}
		s.containers[c.id] = c
	}
	return c
}

// Open makes a container's files reachable.
func (s *Server) Open(ctx context.Context, r *agentpb.OpenRequest) (*agentpb.OpenReply, error) {
	if err := s.host.Open(ctx, r.GetContainer()); err != nil {
		return nil, toStatus(err)
	}
	s.enter(r.GetContainer())
	return &agentpb.OpenReply{}, nil
}

// Close forgets a container that does not run.
func (s *Server) Close(ctx context.Context, r *agentpb.CloseRequest) (*agentpb.CloseReply, error) {
	c, err := s.container(r.GetContainer())
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	running := c.main != nil && c.main.alive()
	c.closing = !running
	c.mu.Unlock()
	if running {
		return nil, toStatus(errdefs.ErrFailedPrecondition.WithMessage("container " + c.id + " is running"))
	}
	err = s.host.Close(ctx, c.id)
	s.mu.Lock()
	delete(s.containers, c.id)
	s.mu.Unlock()
	return &agentpb.CloseReply{}, toStatus(err)
}

// Start runs the container's first process.
func (s *Server) Start(ctx context.Context, r *agentpb.StartRequest) (*agentpb.StartReply, error) {
	c := s.enter(r.GetContainer())
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing || c.main != nil && c.main.alive() {
		return nil, toStatus(errdefs.ErrFailedPrecondition.WithMessage("container " + c.id + " is already running or being closed"))
	}
	out := spool.NewWriter(filepath.Join(c.directory, SpoolName))
	offset, err := out.End()
	if err != nil {
		return nil, toStatus(err)
	}
	t := newTask(r.GetProcess())
	t.spool = out
	run := r.GetRun()
	t.ended = func(exit *agentpb.Exit) {
		s.events.post(&agentpb.Event{Container: c.id, Run: run, Exit: exit})
		s.count(-1, 0)
	}
	s.count(1, 0)
	p, err := s.host.Start(ctx, r.GetContainer(), r.GetProcess(), t)
	if err != nil {
		s.count(-1, 0)
		_ = out.Close()
		return nil, toStatus(err)
	}
	t.started(p)
	c.main, c.run, c.paused, c.execs = t, run, false, nil
	return &agentpb.StartReply{Pid: p.PID(), Started: time.Now().UnixNano(), Offset: offset}, nil
}

// SpoolName is the file of a container's output in the container's directory.
const SpoolName = "log"

// MovedName is the file in a container's directory that says that its files are with its twin from now on. The cell makes it in
// the moment in which it goes over, so that it is true whoever is killed when; the engine looks for it.
const MovedName = "moved"

// Exec runs a process with nothing attached.
func (s *Server) Exec(ctx context.Context, r *agentpb.ExecRequest) (*agentpb.ExecReply, error) {
	c, err := s.container(r.GetContainer())
	if err != nil {
		return nil, err
	}
	t := newTask(r.GetProcess())
	t.detached = true
	if err := s.exec(ctx, c, r.GetExec(), t, r.GetProcess()); err != nil {
		return nil, err
	}
	return &agentpb.ExecReply{Pid: t.pid()}, nil
}

// exec starts another process of a container; its exit becomes an event unless an attached stream delivers it.
func (s *Server) exec(ctx context.Context, c *container, id string, t *task, p *agentpb.Process) error {
	t.ended = func(exit *agentpb.Exit) {
		c.mu.Lock()
		delete(c.execs, id)
		c.mu.Unlock()
	}
	t.undelivered = func(exit *agentpb.Exit) {
		s.events.post(&agentpb.Event{Container: c.id, Exec: id, Exit: exit})
	}
	c.mu.Lock()
	if c.main == nil || !c.main.alive() {
		c.mu.Unlock()
		return toStatus(errdefs.ErrFailedPrecondition.WithMessage("container " + c.id + " is not running"))
	}
	if c.execs == nil {
		c.execs = map[string]*task{}
	}
	if c.execs[id] != nil {
		c.mu.Unlock()
		return toStatus(errdefs.ErrAlreadyExists.WithMessage("exec " + id + " is already running"))
	}
	c.execs[id] = t
	c.mu.Unlock()
	process, err := s.host.Exec(ctx, c.id, p, t)
	if err != nil {
		c.mu.Lock()
		delete(c.execs, id)
		c.mu.Unlock()
		return toStatus(err)
	}
	t.started(process)
	return nil
}

// task finds a container's first process, or an exec of it.
func (s *Server) task(containerID, exec string) (*task, error) {
	c, err := s.container(containerID)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.main
	if exec != "" {
		t = c.execs[exec]
	}
	if t == nil {
		return nil, toStatus(errdefs.ErrNotFound.WithMessage("container " + containerID + " has no such process"))
	}
	return t, nil
}
