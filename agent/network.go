package agent

import (
	"context"
	"io"
	"slices"
	"sync"

	"google.golang.org/grpc"

	"github.com/sockerless/sockerless/agent/agentpb"
)

// networkStream is either end of a Network call as a stream of bytes.
type networkStream struct {
	recv func() (*agentpb.NetworkData, error)
	send func(*agentpb.NetworkData) error
	end  func()

	reading sync.Mutex
	rest    []byte
	writing sync.Mutex
}

func (s *networkStream) Read(p []byte) (int, error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	for len(s.rest) == 0 {
		m, err := s.recv()
		if err != nil {
			return 0, fromStatus(err)
		}
		s.rest = m.GetData()
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func (s *networkStream) Write(p []byte) (n int, err error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	for piece := range slices.Chunk(p, chunk) {
		if err := s.send(&agentpb.NetworkData{Data: piece}); err != nil {
			return n, fromStatus(err)
		}
		n += len(piece)
	}
	return n, nil
}

func (s *networkStream) Close() error {
	s.end()
	return nil
}

// Network serves the connections of the agent's containers.
func (s *Server) Network(stream agentpb.Agent_NetworkServer) error {
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	served := make(chan error, 1)
	go func() { // ends soon after ctx, which is at the latest the end of this call
		served <- s.host.Network(ctx, &networkStream{recv: stream.Recv, send: stream.Send, end: cancel})
	}()
	// A Read of a server's stream ends with the call and not before. So it is the call that ends first when the host closes the
	// stream, or the host would wait for its own Read.
	select {
	case err := <-served:
		return toStatus(err)
	case <-ctx.Done():
		return toStatus(ctx.Err())
	}
}

// Network opens the stream of bytes over which the connections of the agent's containers go. It must be closed.
func (c *Client) Network(ctx context.Context) (io.ReadWriteCloser, error) {
	ctx, cancel := context.WithCancel(ctx)
	stream, err := c.rpc.Network(ctx, grpc.WaitForReady(true))
	if err != nil {
		cancel()
		return nil, fromStatus(err)
	}
	return &networkStream{recv: stream.Recv, send: stream.Send, end: cancel}, nil
}
