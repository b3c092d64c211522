package agent

import (
	"context"
	"io"

	"github.com/containerd/errdefs"

	"github.com/sockerless/sockerless/agent/agentpb"
)

// Signal sends a signal to a process that has started.
func (s *Server) Signal(_ context.Context, r *agentpb.SignalRequest) (*agentpb.SignalReply, error) {
	t, err := s.task(r.GetContainer(), r.GetExec())
	if err != nil {
		return nil, err
	}
	p := t.running()
	if p == nil || !t.alive() {
		return nil, toStatus(errdefs.ErrFailedPrecondition.WithMessage("the process is not running"))
	}
	return &agentpb.SignalReply{}, toStatus(p.Signal(int(r.GetSignal())))
}

// Resize sets a terminal's window size.
func (s *Server) Resize(_ context.Context, r *agentpb.ResizeRequest) (*agentpb.ResizeReply, error) {
	t, err := s.task(r.GetContainer(), r.GetExec())
	if err != nil {
		return nil, err
	}
	p := t.running()
	if p == nil || !t.alive() {
		return nil, toStatus(errdefs.ErrFailedPrecondition.WithMessage("the process is not running"))
	}
	return &agentpb.ResizeReply{}, toStatus(p.Resize(r.GetSize().GetRows(), r.GetSize().GetColumns()))
}

// Pause freezes a container or lets it go on.
func (s *Server) Pause(ctx context.Context, r *agentpb.PauseRequest) (*agentpb.PauseReply, error) {
	c, err := s.container(r.GetContainer())
	if err != nil {
		return nil, err
	}
	if err := s.host.Pause(ctx, c.id, r.GetPaused()); err != nil {
		return nil, toStatus(err)
	}
	c.mu.Lock()
	c.paused = r.GetPaused()
	c.mu.Unlock()
	return &agentpb.PauseReply{}, nil
}

// Top lists a container's processes.
func (s *Server) Top(ctx context.Context, r *agentpb.TopRequest) (*agentpb.TopReply, error) {
	reply, err := s.host.Top(ctx, r.GetContainer(), r.GetArgs())
	return reply, toStatus(err)
}

// Stats measures a container.
func (s *Server) Stats(ctx context.Context, r *agentpb.StatsRequest) (*agentpb.StatsReply, error) {
	reply, err := s.host.Stats(ctx, r.GetContainer())
	return reply, toStatus(err)
}

// Stat describes a path.
func (s *Server) Stat(ctx context.Context, r *agentpb.StatRequest) (*agentpb.StatReply, error) {
	stat, err := s.host.Stat(ctx, r.GetContainer(), r.GetPath())
	return &agentpb.StatReply{Stat: stat}, toStatus(err)
}

// Changes lists what differs from the image.
func (s *Server) Changes(ctx context.Context, r *agentpb.ChangesRequest) (*agentpb.ChangesReply, error) {
	changes, err := s.host.Changes(ctx, r.GetContainer())
	return &agentpb.ChangesReply{Changes: changes}, toStatus(err)
}

// Get sends a path as a tar stream.
func (s *Server) Get(r *agentpb.GetRequest, stream agentpb.Agent_GetServer) error {
	err := s.host.Get(stream.Context(), r.GetContainer(), r.GetPath(),
		func(stat *agentpb.PathStat) error { return stream.Send(&agentpb.GetReply{Stat: stat}) },
		writerFunc(func(p []byte) error { return stream.Send(&agentpb.GetReply{Data: p}) }))
	return toStatus(err)
}

// Delta sends what has changed in a container's files.
func (s *Server) Delta(r *agentpb.DeltaRequest, stream agentpb.Agent_DeltaServer) error {
	return toStatus(s.host.Delta(stream.Context(), r,
		writerFunc(func(p []byte) error { return stream.Send(&agentpb.GetReply{Data: p}) })))
}

// Promote tells where a container's twin is.
func (s *Server) Promote(ctx context.Context, r *agentpb.PromoteRequest) (*agentpb.PromoteReply, error) {
	reply, err := s.host.Promote(ctx, r)
	return reply, toStatus(err)
}

// Shutdown ends the agent where nothing runs any more: see Stopped.
func (s *Server) Shutdown(context.Context, *agentpb.ShutdownRequest) (*agentpb.ShutdownReply, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running > 0 {
		return nil, toStatus(errdefs.ErrFailedPrecondition.WithMessage("the agent has running containers"))
	}
	s.stopOnce.Do(func() { close(s.stopped) })
	return &agentpb.ShutdownReply{}, nil
}

// Stopped is closed once a server has asked the agent to end.
func (s *Server) Stopped() <-chan struct{} { return s.stopped }

// writerFunc is an io.Writer that hands on pieces of a size which suits a message.
type writerFunc func(p []byte) error

func (f writerFunc) Write(p []byte) (n int, err error) {
	for n < len(p) {
		piece := p[n:min(n+chunk, len(p))]
		if err := f(piece); err != nil {
			return n, err
		}
		n += len(piece)
	}
	return n, nil
}

// chunk is the most bytes of bulk data in one message.
const chunk = 128 << 10

// Put unpacks a tar stream.
func (s *Server) Put(stream agentpb.Agent_PutServer) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	if first.GetOpen() == nil {
		return toStatus(errdefs.ErrInvalidArgument.WithMessage("put: the first message must say where"))
	}
	if err := s.host.Put(stream.Context(), first.GetOpen(), &putReader{stream: stream, rest: first.GetData()}); err != nil {
		return toStatus(err)
	}
	return stream.SendAndClose(&agentpb.PutReply{})
}

// putReader reads the data of a Put.
type putReader struct {
	stream agentpb.Agent_PutServer
	rest   []byte
}

func (r *putReader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		m, err := r.stream.Recv()
		if err != nil {
			return 0, err // io.EOF where the sender is done
		}
		r.rest = m.GetData()
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

var _ io.Reader = (*putReader)(nil)
