package runtime

import (
	"context"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/containerd/errdefs"

	netproto "github.com/sockerless/sockerless/agent/network"
)

// carrier keeps the stream of connections of an agent open while the agent lives.
type carrier struct {
	mu      sync.Mutex
	server  *netproto.Server // nil while there is none
	refusal error            // why there never will be
	changed chan struct{}    // closed at the next change of the two
}

func (r *carrier) set(server *netproto.Server, refusal error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.server, r.refusal = server, refusal
	close(r.changed)
	r.changed = make(chan struct{})
}

// wait returns the stream once it is open.
func (r *carrier) wait(ctx context.Context) (*netproto.Server, error) {
	for {
		r.mu.Lock()
		server, refusal, changed := r.server, r.refusal, r.changed
		r.mu.Unlock()
		if server != nil || refusal != nil {
			return server, refusal
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, netproto.NewError(netproto.HostUnreachable, "no route to host: the container's agent cannot be reached")
		}
	}
}

// carry lets a container use the network through the agent of its first process, or that of its twin; an agent's stream is opened
// with its first container. It is undone by leave.
func (e *Engine) carry(c *container, l *link, twin bool) {
	n := e.nets
	n.mu.Lock()
	a := n.joined[c.id]
	if a == nil || slices.ContainsFunc(a.endpoints, func(p *endpoint) bool { return p.lan.Driver == driverNull }) {
		n.mu.Unlock()
		return
	}
	if twin {
		a.links = append(slices.Clip(a.links[:min(1, len(a.links))]), l)
	} else {
		a.links = []*link{l}
	}
	known := n.carriers[l] != nil
	if !known {
		n.carriers[l] = &carrier{changed: make(chan struct{})}
	}
	r := n.carriers[l]
	n.mu.Unlock()
	if !known {
		e.spawn(func() { e.keepOpen(l, r) })
	}
}

// The pauses before a stream that has ended is opened again.
const (
	firstReopen = 50 * time.Millisecond
	lastReopen  = 5 * time.Second
)

// keepOpen opens an agent's stream until the agent is gone or the engine closes.
func (e *Engine) keepOpen(l *link, r *carrier) {
	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	defer func() {
		e.nets.mu.Lock()
		delete(e.nets.carriers, l)
		e.nets.mu.Unlock()
		r.set(nil, netproto.NewError(netproto.HostUnreachable, "no route to host: the container's agent is gone"))
	}()
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel()
	watching.Go(func() {
		select {
		case <-l.Done():
			cancel()
		case <-ctx.Done():
		}
	})
	pause := firstReopen
	for ctx.Err() == nil {
		began := time.Now()
		err := e.serveStream(ctx, l, r)
		if errdefs.IsNotImplemented(err) {
			e.log.Info("an agent has no network", "agent", l.ID(), "error", err)
			r.set(nil, netproto.NewError(netproto.Unsupported, "the container's agent has no network: %s", err))
			<-ctx.Done()
			return
		}
		if ctx.Err() == nil {
			e.log.Debug("the network of an agent broke off", "agent", l.ID(), "error", err)
		}
		if time.Since(began) > lastReopen {
			pause = firstReopen
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
		pause = min(2*pause, lastReopen)
	}
}

// serveStream serves one stream to its end.
func (e *Engine) serveStream(ctx context.Context, l *link, r *carrier) error {
	stream, err := l.Network(ctx)
	if err != nil {
		return err
	}
	noted := &notedStream{ReadWriteCloser: stream}
	server, err := netproto.NewServer(noted, &outgoing{e: e, link: l})
	if err != nil {
		stream.Close() //nolint:errcheck // nobody to tell
		return err
	}
	r.set(server, nil)
	select {
	case <-server.Done():
	case <-ctx.Done():
	}
	r.set(nil, nil)
	server.Close() //nolint:errcheck // it has no errors
	return noted.why()
}

// notedStream remembers why a stream ended, which the protocol over it does not tell.
type notedStream struct {
	io.ReadWriteCloser
	mu  sync.Mutex
	err error
}

func (s *notedStream) Read(p []byte) (int, error) {
	n, err := s.ReadWriteCloser.Read(p)
	if err != nil {
		s.mu.Lock()
		if s.err == nil {
			s.err = err
		}
		s.mu.Unlock()
	}
	return n, err
}

func (s *notedStream) why() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// dialWithin is how long a connection into a container may take: as long as the agent's stream may be away, and more.
const dialWithin = 15 * time.Second

// dialInto connects into a container by its agents, in their order: a program may listen in the twin.
func (e *Engine) dialInto(ctx context.Context, a *attachment, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialWithin)
	defer cancel()
	n := e.nets
	n.mu.RLock()
	links := a.links
	carriers := make([]*carrier, 0, len(links))
	for _, l := range links {
		if r := n.carriers[l]; r != nil {
			carriers = append(carriers, r)
		}
	}
	n.mu.RUnlock()
	err := error(netproto.NewError(netproto.HostUnreachable, "dial %s %s: no route to host: the container has no agent", network, address))
	for _, r := range carriers {
		var server *netproto.Server
		if server, err = r.wait(ctx); err != nil {
			continue
		}
		var conn net.Conn
		if conn, err = server.DialInto(ctx, a.c.id, network, address); err == nil {
			return conn, nil
		}
	}
	return nil, err
}
