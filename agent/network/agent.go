package network

import (
	"context"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// patience is how long a request of a container waits for a server to come: longer than the restart of one.
const patience = 10 * time.Second

// Agent is the agent's end. It is an [Outgoing].
type Agent struct {
	in Incoming

	mu      sync.Mutex
	current *session
	arrived chan struct{} // closed when current is set; replaced when that ends
}

// NewAgent makes the end of an agent whose containers in connects into.
func NewAgent(in Incoming) *Agent {
	return &Agent{in: in, arrived: make(chan struct{})}
}

// Serve serves a stream until that or ctx ends; it is what agent.Host.Network is. A newer stream takes the place of an
// older one.
func (a *Agent) Serve(ctx context.Context, stream io.ReadWriteCloser) error {
	s, err := newSession(stream, false, a.in.DialInto, nil)
	if err != nil {
		return err
	}
	a.mu.Lock()
	older := a.current
	a.current = s
	if older == nil {
		close(a.arrived)
	}
	a.mu.Unlock()
	if older != nil {
		older.Close()
	}
	select {
	case <-s.Done():
	case <-ctx.Done():
	}
	a.mu.Lock()
	if a.current == s {
		a.current, a.arrived = nil, make(chan struct{})
	}
	a.mu.Unlock()
	s.Close()
	return ctx.Err()
}

// session waits for a server.
func (a *Agent) session(ctx context.Context) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		a.mu.Lock()
		s, arrived := a.current, a.arrived
		a.mu.Unlock()
		if s != nil {
			return s, nil
		}
		select {
		case <-arrived:
		case <-ctx.Done():
			return nil, NewError(NetworkUnreachable, "network is unreachable: the server that carries it is not there")
		}
	}
}

// Dial is [Outgoing.Dial].
func (a *Agent) Dial(ctx context.Context, container, network, address string) (net.Conn, error) {
	s, err := a.session(ctx)
	if err != nil {
		return nil, err
	}
	return s.dial(ctx, container, network, address)
}

// Resolve is [Outgoing.Resolve].
func (a *Agent) Resolve(ctx context.Context, container, name string, qtype dnsmessage.Type) ([]dnsmessage.Resource, error) {
	s, err := a.session(ctx)
	if err != nil {
		return nil, err
	}
	return s.resolve(ctx, container, name, qtype)
}
