package network

import (
	"context"
	"io"
	"net"
)

// Server is the server's end of one stream. It is an [Incoming].
type Server struct{ s *session }

// NewServer begins to serve a stream: what the agent's containers ask for goes to out. It must be closed.
func NewServer(stream io.ReadWriteCloser, out Outgoing) (*Server, error) {
	s, err := newSession(stream, true, out.Dial, out.Resolve)
	if err != nil {
		return nil, err
	}
	return &Server{s}, nil
}

// DialInto is [Incoming.DialInto].
func (s *Server) DialInto(ctx context.Context, container, network, address string) (net.Conn, error) {
	return s.s.dial(ctx, container, network, address)
}

// Done is closed when the stream has ended.
func (s *Server) Done() <-chan struct{} { return s.s.Done() }

// Close breaks off all connections and closes the stream.
func (s *Server) Close() error {
	s.s.Close()
	return nil
}
