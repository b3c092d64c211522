package agent

import (
	"context"
	"slices"
	"sync"

	"github.com/sockerless/sockerless/agent/agentpb"
)

// outbox keeps exits until the server has acknowledged them. Every new stream of events gets all that are left.
type outbox struct {
	mu      sync.Mutex
	last    int64
	events  []*agentpb.Event // not acknowledged, by sequence
	changed chan struct{}    // closed at the next post
}

func newOutbox() *outbox { return &outbox{changed: make(chan struct{})} }

func (o *outbox) post(e *agentpb.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last++
	e.Sequence = o.last
	o.events = append(o.events, e)
	close(o.changed)
	o.changed = make(chan struct{})
}

// after returns the events behind a sequence number, and what will be closed when there are more.
func (o *outbox) after(sequence int64) ([]*agentpb.Event, <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	i, _ := slices.BinarySearchFunc(o.events, sequence+1, func(e *agentpb.Event, s int64) int { return int(e.Sequence - s) })
	return slices.Clone(o.events[i:]), o.changed
}

func (o *outbox) acknowledge(sequence int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	i, found := slices.BinarySearchFunc(o.events, sequence, func(e *agentpb.Event, s int64) int { return int(e.Sequence - s) })
	if found {
		i++
	}
	o.events = slices.Delete(o.events, 0, i)
}

// Unacknowledged counts the exits that no server has acknowledged yet: an agent that has some does not end for being idle.
func (s *Server) Unacknowledged() int {
	s.events.mu.Lock()
	defer s.events.mu.Unlock()
	return len(s.events.events)
}

// NeedNative asks the server for the twin of a container, one of whose processes has started a native program. The answer
// comes as a call of [Host.Promote].
func (s *Server) NeedNative(container, program, why string) {
	s.events.post(&agentpb.Event{Container: container, Native: &agentpb.NativeNeeded{Program: program, Why: why}})
}

// Events sends exits, old ones first, and takes acknowledgements.
func (s *Server) Events(stream agentpb.Agent_EventsServer) error {
	s.count(0, 1)
	defer s.count(0, -1)
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	go func() { // ends with the stream
		defer cancel()
		for {
			r, err := stream.Recv()
			if err != nil {
				return
			}
			s.events.acknowledge(r.GetAcknowledge())
		}
	}()
	var sent int64
	for ready := false; ; {
		events, more := s.events.after(sent)
		for _, e := range events {
			if err := stream.Send(e); err != nil {
				return err
			}
			sent = e.GetSequence()
		}
		if !ready {
			if err := stream.Send(&agentpb.Event{Ready: true}); err != nil {
				return err
			}
			ready = true
		}
		select {
		case <-more:
		case <-ctx.Done():
			return nil
		}
	}
}
