package reach

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/containerd/errdefs"
	"github.com/hashicorp/yamux"
)

// Gate lets agents in that dial the server, and gives connections to them. It is an http.Handler for one path, which
// has to be served over TLS; it is told which tasks to expect, after a restart of the server too.
//
// Tokens are signed with the server's secret, so they stay valid over its restarts. Each is good for a single
// connection: once let in, the agent is given the next one, and as soon as it has said that it has it, all earlier ones
// are refused; an agent that was cut off before it could say so comes back with either. That memory is the process's: a
// token that was used up and has not expired would be taken once more after a restart, until the agent itself is back.
// Longer than the life of a token after its server went away, an agent is not let in any more.
//
// A platform may start an agent twice. The first one that comes is the task's; another one with the same token is refused.
type Gate struct {
	tokens    tokens
	life      time.Duration
	heartbeat time.Duration
	work      sync.WaitGroup

	mu     sync.Mutex
	tasks  map[string]*expected
	closed bool
	last   uint64 // number of the last token
}

// expected is a task whose agent may come.
type expected struct {
	task    string
	least   uint64 // the number of the first token that is good
	agent   string // the name of the one that came first: another one has to show a token that was given to it
	mux     *yamux.Session
	present chan struct{} // closed while mux is there or the task is forgotten
	gone    bool          // forgotten
	agents  map[*yamux.Session]struct{}
}

// agentHeader is by what agents of one task are told apart.
const agentHeader = "Sockerless-Agent"

// GateOption changes a setting of a Gate.
type GateOption func(*Gate)

// WithTokenLife is how long the token for a reconnect is good; an hour. Agents that are connected get a new one in time.
func WithTokenLife(life time.Duration) GateOption { return func(g *Gate) { g.life = life } }

// WithHeartbeat is how often agents are asked whether they live; 10 seconds.
func WithHeartbeat(interval time.Duration) GateOption {
	return func(g *Gate) { g.heartbeat = interval }
}

// NewGate makes a gate. The secret has 32 random bytes and is kept by the server over its restarts.
func NewGate(secret []byte, options ...GateOption) (*Gate, error) {
	if len(secret) < 32 {
		return nil, fmt.Errorf("gate of agents: secret of %d bytes, at least 32 are needed: %w", len(secret), errdefs.ErrInvalidArgument)
	}
	g := &Gate{tokens: newTokens(secret), life: time.Hour, heartbeat: 10 * time.Second, tasks: map[string]*expected{}}
	for _, o := range options {
		o(g)
	}
	return g, nil
}

// Expect lets the agent of a task in and returns the token for its first connection, good for ttl. For a task whose
// agent was started before, it is enough that it is expected.
func (g *Gate) Expect(task string, ttl time.Duration) (token string, err error) {
	if task == "" || len(task) > 1<<10 {
		return "", fmt.Errorf("expect agent: task %q: %w", task, errdefs.ErrInvalidArgument)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return "", errClosed
	}
	if g.tasks[task] == nil {
		g.tasks[task] = &expected{task: task, present: make(chan struct{}), agents: map[*yamux.Session]struct{}{}}
	}
	_, token = g.issue(task, ttl)
	return token, nil
}

var errClosed = fmt.Errorf("the server does not take agents any more: %w", errdefs.ErrUnavailable)

// issue makes a token. The lock is held.
func (g *Gate) issue(task string, ttl time.Duration) (number uint64, token string) {
	now := time.Now()
	g.last = max(g.last+1, uint64(now.UnixNano()))
	return g.last, g.tokens.issue(claims{number: g.last, expiry: now.Add(ttl), task: task})
}

// Forget sends the agent of a task away, for good.
func (g *Gate) Forget(task string) {
	g.mu.Lock()
	e := g.tasks[task]
	delete(g.tasks, task)
	var agents []*yamux.Session
	if e != nil {
		agents = e.end()
	}
	g.mu.Unlock()
	closeAll(agents)
}

// end forgets a task; the agents have to be closed without the lock.
func (e *expected) end() (agents []*yamux.Session) {
	if !e.gone {
		e.gone = true
		if e.mux == nil {
			close(e.present)
		}
	}
	for mux := range e.agents {
		agents = append(agents, mux)
	}
	return agents
}

func closeAll(agents []*yamux.Session) {
	for _, mux := range agents {
		_ = mux.Close()
	}
}

// Close sends all agents away, and waits for that. They try again, and find the next server.
func (g *Gate) Close() error {
	g.mu.Lock()
	g.closed = true
	var agents []*yamux.Session
	for _, e := range g.tasks {
		agents = append(agents, e.end()...)
	}
	g.mu.Unlock()
	closeAll(agents)
	g.work.Wait()
	return nil
}

// Dial opens a connection to the agent of a task. It waits for the agent to be there. Errors: errdefs.ErrNotFound for a
// task that is not expected (any more), that of ctx.
func (g *Gate) Dial(ctx context.Context, task string) (net.Conn, error) {
	for {
		g.mu.Lock()
		e, closed := g.tasks[task], g.closed
		if closed {
			g.mu.Unlock()
			return nil, fmt.Errorf("connect to agent of %s: %w", task, errClosed)
		}
		if e == nil {
			g.mu.Unlock()
			return nil, fmt.Errorf("connect to agent of %s: no such task is expected: %w", task, errdefs.ErrNotFound)
		}
		mux, present := e.mux, e.present
		g.mu.Unlock()
		if mux == nil {
			select {
			case <-present:
				continue
			case <-ctx.Done():
				return nil, fmt.Errorf("connect to agent of %s: it has not dialed in: %w", task, ctx.Err())
			}
		}
		s, err := mux.OpenStream()
		if err == nil {
			return &stream{Stream: s, local: taskAddr("server"), remote: taskAddr(task)}, nil
		}
		g.leave(e, mux)
		_ = mux.Close() // the agent comes back
	}
}

// ServeHTTP takes an agent's connection and returns when that has ended.
func (g *Gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	c, ok := g.tokens.check(token, time.Now())
	e := g.enter(c, ok, r.Header.Get(agentHeader))
	if e == nil {
		http.Error(w, http.StatusText(http.StatusUnauthorized), http.StatusUnauthorized)
		return
	}
	defer g.work.Done()
	socket, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // it has been answered
	}
	defer func() { _ = socket.CloseNow() }()
	socket.SetReadLimit(-1)
	mux, err := yamux.Client(&wire{socket: socket}, muxConfig(g.heartbeat))
	if err != nil {
		return
	}
	defer func() { _ = mux.Close() }()
	g.keep(e, mux)
}

// enter is the task of a token that is good; the gate's work has to be told Done.
func (g *Gate) enter(c claims, good bool, agent string) *expected {
	g.mu.Lock()
	defer g.mu.Unlock()
	if e := g.tasks[c.task]; good && e != nil && !g.closed && c.number >= e.least && (e.least > 0 || e.agent == "" || e.agent == agent) {
		e.agent = agent
		g.work.Add(1)
		return e
	}
	return nil
}

// keep makes mux the way to the task's agent once that has got its next token, and gives it new ones while it is there.
func (g *Gate) keep(e *expected, mux *yamux.Session) {
	g.mu.Lock()
	if e.gone {
		g.mu.Unlock()
		return
	}
	e.agents[mux] = struct{}{}
	g.mu.Unlock()
	defer g.leave(e, mux)
	control, err := mux.OpenStream()
	if err != nil {
		return
	}
	renewal := time.NewTicker(max(g.life/2, time.Millisecond))
	defer renewal.Stop()
	for first := true; ; first = false {
		g.mu.Lock()
		number, token := g.issue(e.task, g.life)
		g.mu.Unlock()
		_ = control.SetDeadline(time.Now().Add(30 * time.Second))
		if err := sendToken(control, token); err != nil {
			return
		}
		if !g.arrive(e, mux, number, first) {
			return
		}
		select {
		case <-renewal.C:
		case <-mux.CloseChan():
			return
		}
	}
}

// arrive notes that the agent has a token, and with the first one that it is there. One that was there before is sent
// away.
func (g *Gate) arrive(e *expected, mux *yamux.Session, number uint64, first bool) bool {
	g.mu.Lock()
	if e.gone || !first && e.mux != mux {
		g.mu.Unlock()
		return false
	}
	// Not the larger of both: what the connection has that is the way from now on must be good.
	e.least = number
	old := e.mux
	e.mux = mux
	if old == nil {
		close(e.present)
	}
	g.mu.Unlock()
	if old != nil && old != mux {
		_ = old.Close()
	}
	return true
}

// leave notes that a connection of an agent is no way to it.
func (g *Gate) leave(e *expected, mux *yamux.Session) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(e.agents, mux)
	if e.mux == mux {
		e.mux = nil
		if !e.gone {
			e.present = make(chan struct{})
		}
	}
}
