package runtime

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/sockerless/sockerless/agent"
	"github.com/sockerless/sockerless/agent/agentpb"
)

// link is an agent with the loop that takes its exits.
type link struct {
	*agent.Client
	backend Backend
	ready   chan struct{} // closed when the exits of before the connection are applied

	mu      sync.Mutex
	open    map[int64]bool // sequence numbers received and not yet applied
	highest int64

	acking sync.Mutex // a stream takes one message at a time
	acked  int64
}

// link returns the link of an agent, and begins its loop where it is new.
func (e *Engine) link(client *agent.Client, b Backend) (*link, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if l := e.agents[client.ID()]; l != nil && l.Client == client { // else a task was started again, and that agent is gone
		return l, nil
	}
	if e.closed {
		return nil, fmt.Errorf("the engine is closed")
	}
	l := &link{Client: client, backend: b, ready: make(chan struct{}), open: map[int64]bool{}}
	e.agents[client.ID()] = l
	e.background.Go(func() { e.listen(l) })
	return l, nil
}

// agentOf returns the link of the agent that has a container open; nil if that is gone.
func (e *Engine) agentOf(r *record) *link {
	if r.Agent == "" {
		return nil
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.agents[r.Agent]
}

// isGone tells whether the agent is gone for good, which the engine may not have dealt with yet.
func (l *link) isGone() bool {
	select {
	case <-l.Done():
		return true
	default:
		return false
	}
}

// acquire returns an agent of the default backend for a container: the one that has it open, else any.
func (e *Engine) acquire(ctx context.Context, c *container, d *definition, spec *agentpb.Container) (*link, error) {
	if l := e.agentOf(c.record()); l != nil && l.backend == e.cfg.Backend && !l.isGone() {
		return l, nil
	}
	client, err := e.cfg.Backend.Acquire(ctx, e.task(c, d, spec, Placement{}, false))
	if err != nil {
		return nil, fmt.Errorf("get an agent of %s: %w", e.cfg.Backend.Name(), err)
	}
	return e.link(client, e.cfg.Backend)
}

// retryEvents is the pause before a broken stream of events is tried again.
const retryEvents = 200 * time.Millisecond

// listen takes an agent's exits until the agent is gone or the engine closes.
func (e *Engine) listen(l *link) {
	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	stop := make(chan struct{})
	defer close(stop)
	go func() { // ends with listen
		select {
		case <-l.Done():
			cancel()
		case <-stop:
		}
	}()
	for ctx.Err() == nil {
		if err := e.receive(ctx, l); err != nil && ctx.Err() == nil {
			e.log.Debug("events of an agent broke off", "agent", l.ID(), "error", err)
			select {
			case <-time.After(retryEvents):
			case <-ctx.Done():
			}
		}
	}
	if e.ctx.Err() == nil {
		e.agentGone(l)
	}
}

// receive takes one stream of exits. Each is applied in a goroutine of its own, so that the writes of many become one.
func (e *Engine) receive(ctx context.Context, l *link) error {
	stream, err := l.Events(ctx)
	if err != nil {
		return err
	}
	l.forgetAcknowledged()
	var applying sync.WaitGroup
	defer applying.Wait()
	for ready := false; ; {
		event, err := stream.Recv()
		if err != nil {
			return err
		}
		if event.GetReady() {
			applying.Wait()
			if !ready {
				ready = true
				l.becomeReady()
			}
			continue
		}
		sequence := event.GetSequence()
		l.received(sequence)
		applying.Go(func() {
			e.applyEvent(l, event, func() {
				if err := l.acknowledge(stream, l.applied(sequence)); err != nil && ctx.Err() == nil {
					e.log.Debug("acknowledge exits", "agent", l.ID(), "error", err) // they come again
				}
			})
		})
	}
}

func (l *link) becomeReady() {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.ready:
	default:
		close(l.ready)
	}
}

func (l *link) received(sequence int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[sequence] = true
	l.highest = max(l.highest, sequence)
}

// applied returns up to which sequence number everything is applied.
func (l *link) applied(sequence int64) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, sequence)
	upTo := l.highest
	for open := range l.open {
		upTo = min(upTo, open-1)
	}
	return upTo
}

// acknowledge tells the agent what it need not keep any more.
func (l *link) acknowledge(stream *agent.EventStream, upTo int64) error {
	l.acking.Lock()
	defer l.acking.Unlock()
	if upTo <= l.acked {
		return nil
	}
	if err := stream.Ack(upTo); err != nil {
		return err
	}
	l.acked = upTo
	return nil
}

// forgetAcknowledged begins anew with a stream: what the last one lost comes again.
func (l *link) forgetAcknowledged() {
	l.acking.Lock()
	defer l.acking.Unlock()
	l.acked = 0
}

// applyEvent applies an exit and calls done once it is stored. An exit that cannot be stored is not acknowledged: the
// agent tells it again on its next stream.
func (e *Engine) applyEvent(l *link, event *agentpb.Event, done func()) {
	if event.GetExec() != "" {
		e.execExited(event.GetExec(), event.GetExit())
		done()
		return
	}
	e.mu.RLock()
	c := e.containers[event.GetContainer()]
	e.mu.RUnlock()
	if c == nil {
		done()
		return
	}
	if need := event.GetNative(); need != nil {
		// Not waited for: an image may have to be brought there.
		e.afterStart(c, func() {
			e.answerNative(l, c, need)
			done()
		})
		return
	}
	if c.record().Twin == l.ID() {
		e.loseTwin(c, l)
		done()
		return
	}
	apply := func() {
		e.awaitOutput(c, l)
		exit := exitOf(event.GetExit())
		if err := e.endMirrors(c, l); err != nil {
			if e.ctx.Err() != nil {
				return // the next server brings them
			}
			e.log.Error("bring the volumes of a container back", "container", c.id, "error", err)
			exit.why = strings.TrimPrefix(exit.why+": "+err.Error(), ": ")
		}
		if err := e.exited(c, l.ID(), event.GetRun(), exit); err != nil {
			e.log.Error("store an exit", "container", c.id, "error", err)
			return
		}
		done()
	}
	c.mu.Lock()
	starting := c.starting == event.GetRun()
	if starting {
		c.early = append(c.early, apply)
	}
	c.mu.Unlock()
	if !starting {
		apply()
	}
}

// afterStart runs f in the background, not before a start of the container that is under way is recorded.
func (e *Engine) afterStart(c *container, f func()) {
	c.mu.Lock()
	starting := c.starting != 0
	if starting {
		c.early = append(c.early, f)
	}
	c.mu.Unlock()
	if !starting {
		e.spawn(f)
	}
}

// agentGone reports the containers of an agent dead.
func (e *Engine) agentGone(l *link) {
	defer l.becomeReady()
	e.mu.Lock()
	replaced := e.agents[l.ID()] != l
	if !replaced {
		delete(e.agents, l.ID())
	}
	e.mu.Unlock()
	if replaced {
		return // what the agent had has ended before
	}
	why := "its " + l.backend.Name() + " agent ended"
	if err := l.Err(); err != nil {
		why += ": " + err.Error()
	}
	e.log.Debug("agent is gone", "agent", l.ID(), "backend", l.backend.Name(), "error", l.Err())
	for _, c := range e.all() {
		r := c.record()
		if r.Twin == l.ID() {
			e.log.Warn("a twin is gone", "container", c.id, "error", why)
			e.loseTwin(c, l)
			continue
		}
		if r.Agent != l.ID() {
			continue
		}
		if r.running() {
			e.log.Warn("the agent of a container is gone", "container", c.id, "error", why)
		}
		e.loseExecs(c, l)
		e.lost(c, r, lostCode(l.Err()), why+e.loseMirrors(c, l))
	}
}

// lostCode is the exit code of a container whose agent is gone: that of a kill, or 125 where the platform cannot tell how its
// task ended.
func lostCode(why error) int {
	var unknown interface{ Unknown() bool }
	if errors.As(why, &unknown) && unknown.Unknown() {
		return 125
	}
	return 128 + sigKill
}

// lost ends the run of a container whose agent is gone.
func (e *Engine) lost(c *container, r *record, code int, why string) {
	if !r.running() {
		return
	}
	exit := exit{code: code, at: time.Now().UTC(), why: why}
	if err := e.exited(c, r.Agent, r.Run, exit); err != nil {
		e.log.Error("store an exit", "container", c.id, "error", err)
	}
}
