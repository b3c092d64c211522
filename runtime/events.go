package runtime

import (
	"context"
	"errors"
	"io"
	"maps"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/moby/moby/api/types/events"
)

// kept is how many events are there to be replayed.
const kept = 2048

// journal keeps the latest events. Readers have a place in it: a reader costs nothing while it reads nothing.
type journal struct {
	mu      sync.Mutex
	ring    []events.Message // grows up to kept, then the oldest is overwritten
	next    uint64           // number of the next event; ring[n%kept] is the nth
	more    chan struct{}    // closed at the next event; nil while nobody waits
	readers int
}

func newJournal() *journal { return &journal{} }

func (j *journal) add(m events.Message) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.ring) < kept {
		j.ring = append(j.ring, m)
	} else {
		j.ring[j.next%kept] = m
	}
	j.next++
	if j.more != nil {
		close(j.more)
		j.more = nil
	}
}

// oldest is the number of the first event that is still there; j.mu is held.
func (j *journal) oldest() uint64 { return j.next - uint64(len(j.ring)) }

// publish makes an event of now.
func (e *Engine) publish(kind events.Type, action events.Action, id string, attributes map[string]string) {
	now := time.Now()
	e.events.add(events.Message{
		Type: kind, Action: action, Actor: events.Actor{ID: id, Attributes: attributes},
		Scope: "local", Time: now.Unix(), TimeNano: now.UnixNano(),
	})
	e.rest.Reset(restAfter)
}

// containerEvent makes an event of a container, with its labels and the pairs of further attributes.
func (e *Engine) containerEvent(c *container, d *definition, action events.Action, further ...string) {
	r := c.record()
	attributes := map[string]string{}
	if d != nil {
		maps.Copy(attributes, d.Config.Labels)
	}
	attributes["image"], attributes["name"] = r.Image, r.Name
	for i := 0; i+1 < len(further); i += 2 {
		attributes[further[i]] = further[i+1]
	}
	e.publish(events.ContainerEventType, action, c.id, attributes)
}

// event is containerEvent for those who have not read the definition.
func (e *Engine) event(c *container, action events.Action, further ...string) {
	d, err := e.definition(c)
	if err != nil {
		e.log.Warn("read labels for an event", "container", c.id, "error", err)
	}
	e.containerEvent(c, d, action, further...)
}

// EventsOptions of [Engine.Events].
type EventsOptions struct {
	Since, Until time.Time // zero: from now on, without end
	Filters      Filters
}

// eventFilters are the filters of docker events.
var eventFilters = filterKeys("config", "container", "daemon", "event", "image", "label", "network", "node", "plugin", "scope", "secret",
	"service", "type", "volume")

// errSlow ends a subscription whose reader is so slow that events it has not seen are gone.
var errSlow = errors.New("events were lost: the reader is too slow")

// Subscription is a stream of events, from the moment in which [Engine.Events] returned it.
type Subscription struct {
	journal *journal
	opts    EventsOptions
	at      uint64
	closed  sync.Once
}

// Events begins a stream of events: those since a time that are still kept, then new ones. It must be closed.
func (e *Engine) Events(_ context.Context, opts EventsOptions) (*Subscription, error) {
	if err := opts.Filters.check(eventFilters); err != nil {
		return nil, err
	}
	j := e.events
	j.mu.Lock()
	defer j.mu.Unlock()
	s := &Subscription{journal: j, opts: opts, at: j.next}
	for s.at > j.oldest() && !opts.Since.IsZero() && j.ring[(s.at-1)%kept].TimeNano >= opts.Since.UnixNano() {
		s.at--
	}
	j.readers++
	return s, nil
}

// Close ends the subscription.
func (s *Subscription) Close() {
	s.closed.Do(func() {
		s.journal.mu.Lock()
		s.journal.readers--
		s.journal.mu.Unlock()
	})
}

// Next waits for an event; io.EOF once the time Until has come.
func (s *Subscription) Next(ctx context.Context) (events.Message, error) {
	if !s.opts.Until.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, s.opts.Until, io.EOF)
		defer cancel()
	}
	for {
		m, more, err := s.take()
		if err != nil {
			return m, err
		}
		if more == nil {
			if !s.opts.Until.IsZero() && m.TimeNano > s.opts.Until.UnixNano() {
				return m, io.EOF
			}
			if s.opts.Filters.event(&m) {
				return m, nil
			}
			continue
		}
		select {
		case <-more:
		case <-ctx.Done():
			return m, context.Cause(ctx)
		}
	}
}

// take returns the next event, or what is closed when there is one.
func (s *Subscription) take() (m events.Message, more <-chan struct{}, err error) {
	j := s.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	if s.at < j.oldest() {
		return m, nil, errSlow
	}
	if s.at < j.next {
		m = j.ring[s.at%kept]
		s.at++
		return m, nil, nil
	}
	if j.more == nil {
		j.more = make(chan struct{})
	}
	return m, j.more, nil
}

// event tells whether an event passes (moby's daemon/events/filter.go).
func (f Filters) event(m *events.Message) bool {
	action := string(m.Action)
	brief, _, _ := strings.Cut(action, ":") // exec_create: true → exec_create
	actor := func(kind events.Type) bool {
		return !f.has(string(kind)) || m.Type == kind && f.fuzzy(string(kind), m.Actor.ID, m.Actor.Attributes["name"])
	}
	image := func() bool {
		if !f.has("image") {
			return true
		}
		id, name := m.Actor.ID, m.Actor.Attributes["name"]
		if m.Type == events.ContainerEventType {
			id, name = m.Actor.Attributes["image"], m.Actor.Attributes["image"]
		} else if m.Type != events.ImageEventType {
			return false
		}
		return f.any("image", func(v string) bool { return v == id || v == name || v == withoutTag(id) || v == withoutTag(name) })
	}
	return (!f.has("event") || f["event"][action] || f["event"][brief]) &&
		(!f.has("type") || f["type"][string(m.Type)]) &&
		(!f.has("scope") || f["scope"][m.Scope]) &&
		f.labels("label", m.Actor.Attributes) &&
		actor(events.ContainerEventType) && actor(events.VolumeEventType) && actor(events.NetworkEventType) &&
		actor(events.PluginEventType) && actor(events.DaemonEventType) && actor(events.ServiceEventType) &&
		actor(events.NodeEventType) && actor(events.SecretEventType) && actor(events.ConfigEventType) && image()
}

// withoutTag is the repository of a reference.
func withoutTag(ref string) string {
	if i := strings.LastIndexByte(ref, ':'); i > strings.LastIndexByte(ref, '/') {
		return ref[:i]
	}
	return ref
}

func seconds(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) }
