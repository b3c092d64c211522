package offload

import (
	"context"
	"slices"
)

// seats are the places of a backend under its limit of concurrency, and who waits for one. All of them are under one lock,
// the scheduler's, as a container may wait at several backends for the first that has room.
type seats struct {
	held    map[string]bool // by container
	turns   []string        // projects that wait, the next one first
	waiting map[string][]*ticket
}

// ticket is a container that waits.
type ticket struct {
	container, project string
	at                 []*lane
	granted            chan *lane // of one
}

// room tells whether there is a seat, under a limit of 0 always.
func (s *seats) room(limit int) bool { return limit <= 0 || len(s.held) < limit }

func (s *seats) join(t *ticket) {
	if len(s.waiting[t.project]) == 0 {
		s.turns = append(s.turns, t.project)
	}
	s.waiting[t.project] = append(s.waiting[t.project], t)
}

func (s *seats) leave(t *ticket) {
	s.waiting[t.project] = slices.DeleteFunc(s.waiting[t.project], func(o *ticket) bool { return o == t })
	if len(s.waiting[t.project]) == 0 {
		delete(s.waiting, t.project)
		s.turns = slices.DeleteFunc(s.turns, func(p string) bool { return p == t.project })
	}
}

// next is who gets the next seat: the projects take turns, and in each who came first.
func (s *seats) next() *ticket {
	if len(s.turns) == 0 {
		return nil
	}
	project := s.turns[0]
	t := s.waiting[project][0]
	s.turns = append(s.turns[1:], project) // leave takes it away again if nobody of it waits any more
	return t
}

// sit gives a container a seat at one of the lanes: at the first that has one, else at the first that gets one. There is
// no overtaking. A container that has a seat at one of them keeps it.
func (s *Scheduler) sit(ctx context.Context, lanes []*lane, container, project string) (*lane, error) {
	s.mu.Lock()
	for _, l := range lanes {
		if l.seats.held[container] {
			s.mu.Unlock()
			return l, nil
		}
	}
	for _, l := range lanes {
		if len(l.seats.turns) == 0 && l.seats.room(s.concurrency(l)) {
			l.seats.held[container] = true
			s.mu.Unlock()
			return l, nil
		}
	}
	t := &ticket{container: container, project: project, at: lanes, granted: make(chan *lane, 1)}
	for _, l := range lanes {
		l.seats.join(t)
	}
	for _, l := range lanes {
		s.serve(l) // a policy that was read again may have made room
	}
	s.mu.Unlock()
	select {
	case l := <-t.granted:
		return l, nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case l := <-t.granted: // at the same moment
		delete(l.seats.held, container)
		s.serve(l)
	default:
		for _, l := range lanes {
			l.seats.leave(t)
		}
	}
	return nil, context.Cause(ctx)
}

// stand gives a seat back.
func (s *Scheduler) stand(l *lane, container string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(l.seats.held, container)
	s.serve(l)
}

// serve gives free seats to those who wait; the lock is held.
func (s *Scheduler) serve(l *lane) {
	for l.seats.room(s.concurrency(l)) {
		t := l.seats.next()
		if t == nil {
			return
		}
		for _, other := range t.at {
			other.seats.leave(t)
		}
		l.seats.held[t.container] = true
		t.granted <- l
	}
}

// concurrency is the limit of a lane as the policy has it now.
func (s *Scheduler) concurrency(l *lane) int { return s.configOf(l).Concurrency }
