package inside

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/containerd/errdefs"

	"github.com/sockerless/sockerless/agent/reach"
	"github.com/sockerless/sockerless/agent/session"
)

// The variables of the environment by which an agent gets its secrets. They are gone before anything runs in its container.
const (
	TokenVariable    = "SOCKERLESS_AGENT_TOKEN"    // for --reverse, what it shows at the server's gate
	CAVariable       = "SOCKERLESS_AGENT_CA"       // for --reverse, PEM of the authority of the server's certificate; unset is the system's
	IdentityVariable = "SOCKERLESS_AGENT_IDENTITY" // for --listen, PEM as reach.Identity.Encode writes it
)

// secrets are the values of those variables.
type secrets struct{ token, ca, identity string }

// takeSecrets reads the secrets and removes them from the environment: from that which processes inherit, and from that
// which is seen in /proc.
func takeSecrets() (s secrets, err error) {
	for name, value := range map[string]*string{TokenVariable: &s.token, CAVariable: &s.ca, IdentityVariable: &s.identity} {
		*value = os.Getenv(name)
		if err == nil && *value != "" {
			err = eraseVariable(name)
		}
		err = errors.Join(err, os.Unsetenv(name))
	}
	if err != nil {
		return secrets{}, fmt.Errorf("remove the agent's secrets from its environment: %w", err)
	}
	return s, nil
}

// ways are the ways by which servers reach an agent.
type ways struct {
	socket   string // unix, of this machine, without sessions
	listener int    // descriptor of such a socket that was made already
	sessions string // unix
	reverse  string // URL of the server's gate
	listen   string // TCP address
}

func (w *ways) flags(f *flag.FlagSet) {
	f.StringVar(&w.socket, "socket", "", "serve a unix socket at `PATH`, for programs of this machine")
	f.IntVar(&w.listener, "listener", 0, "serve the unix socket that is `DESCRIPTOR`, for programs of this machine")
	f.StringVar(&w.sessions, "sessions", "", "serve a unix socket at `PATH`, with sessions that survive its connections")
	f.StringVar(&w.reverse, "reverse", "", "dial back to a server's `URL`, with the token in "+TokenVariable)
	f.StringVar(&w.listen, "listen", "", "serve a TCP `ADDRESS`, for the server of the identity in "+IdentityVariable)
}

// open begins to listen in all ways that were asked for.
func (w *ways) open(ctx context.Context, s secrets, config Config) (all []net.Listener, err error) {
	defer func() {
		if err != nil {
			for _, l := range all {
				_ = l.Close()
				if s, ok := l.(sessions); ok {
					s.Wait()
				}
			}
		}
	}()
	for _, way := range []struct {
		wanted   bool
		sessions bool
		open     func() (net.Listener, error)
	}{
		{w.socket != "", false, func() (net.Listener, error) { return listenUnix(w.socket) }},
		{w.listener != 0, false, func() (net.Listener, error) { return inherit(w.listener) }},
		{w.sessions != "", true, func() (net.Listener, error) { return listenUnix(w.sessions) }},
		{w.reverse != "", true, func() (net.Listener, error) { return dialBack(ctx, w.reverse, s, config) }},
		{w.listen != "", true, func() (net.Listener, error) { return listenTCP(w.listen, s) }},
	} {
		if !way.wanted {
			continue
		}
		l, err := way.open()
		if err != nil {
			return all, err
		}
		if way.sessions {
			l = newSessions(l, config.Lease)
		}
		all = append(all, l)
	}
	if len(all) == 0 {
		return nil, errdefs.ErrInvalidArgument.WithMessage("say where to serve: --socket PATH, --listener DESCRIPTOR, --sessions PATH, --reverse URL or --listen ADDRESS")
	}
	return all, nil
}

// sessions are a listener whose connections survive those of raw, and those survive its Close until they are at their end.
type sessions struct {
	*session.Listener
	raw net.Listener
}

// newSessions makes sessions that wait for their server no longer than the agent itself does.
func newSessions(raw net.Listener, lease time.Duration) sessions {
	config := session.Config{}
	if lease > 0 {
		config.Timeout = min(lease, sessionTimeout)
	}
	return sessions{session.Listen(newLasting(raw), config), raw}
}

const sessionTimeout = 2 * time.Minute

// Wait returns, after Close, when all that was written is delivered, or cannot be.
func (s sessions) Wait() {
	s.Listener.Wait()
	_ = s.raw.Close()
}

// lasting is a listener whose connections its Close does not end.
type lasting struct {
	net.Listener
	begin    sync.Once
	accepted chan net.Conn
	failed   chan error
	end      sync.Once
	closed   chan struct{}
}

func newLasting(raw net.Listener) *lasting {
	return &lasting{Listener: raw, accepted: make(chan net.Conn), failed: make(chan error, 1), closed: make(chan struct{})}
}

func (l *lasting) Accept() (net.Conn, error) {
	l.begin.Do(func() { go l.accept() })
	select {
	case c := <-l.accepted:
		return c, nil
	case err := <-l.failed:
		return nil, err
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// accept ends with the listener beneath.
func (l *lasting) accept() {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			l.failed <- err
			return
		}
		select {
		case l.accepted <- c:
		case <-l.closed:
			_ = c.Close()
		}
	}
}

func (l *lasting) Close() error {
	l.end.Do(func() { close(l.closed) })
	return nil
}

// dialBack lets the server open connections over one that this agent makes.
func dialBack(ctx context.Context, url string, s secrets, config Config) (net.Listener, error) {
	if s.token == "" {
		return nil, errdefs.ErrInvalidArgument.WithMessage("dial back to " + url + ": the token is missing: set " + TokenVariable)
	}
	reverse := reach.ReverseConfig{URL: url, Token: s.token}
	admission(&reverse, config)
	if s.ca != "" {
		reverse.CA = []byte(s.ca)
	}
	return reach.Reverse(context.WithoutCancel(ctx), reverse) // it ends when the last bytes are delivered
}

// refusals is for how long a server may refuse an agent that no server has ever let in: it may be about to expect it.
const refusals = 10 * time.Second

// admission notes that an agent is let in, or gives up where it is refused from the first. An agent that was let in once comes back
// whatever it is told: servers are started again.
func admission(reverse *reach.ReverseConfig, config Config) {
	admitted := false // all of this is called by one goroutine
	var refused time.Time
	reverse.Keep = func(string) {
		if !admitted && config.Admitted != nil {
			config.Admitted()
		}
		admitted = true
	}
	reverse.Failed = func(err error) {
		config.Log.Warn("no way to the server", "error", err)
		switch {
		case admitted || config.unwanted == nil:
		case !errdefs.IsUnauthorized(err):
			refused = time.Time{}
		case refused.IsZero():
			refused = time.Now()
		case time.Since(refused) > refusals:
			admitted = true // so that this is said once
			close(config.unwanted)
		}
	}
}

// listenTCP takes connections from the server alone that the identity's authority knows.
func listenTCP(address string, s secrets) (net.Listener, error) {
	if s.identity == "" {
		return nil, errdefs.ErrInvalidArgument.WithMessage("listen on " + address + ": the agent's identity is missing: set " + IdentityVariable)
	}
	identity, err := reach.DecodeIdentity([]byte(s.identity))
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %s: %w", address, IdentityVariable, err)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, errors.Join(errdefs.ErrUnavailable, err))
	}
	return identity.Wrap(l), nil
}

// inherit takes the socket that this program was started with.
func inherit(descriptor int) (net.Listener, error) {
	f := os.NewFile(uintptr(descriptor), "listener")
	if f == nil {
		return nil, errdefs.ErrInvalidArgument.WithMessage(fmt.Sprintf("serve the socket of descriptor %d: there is none", descriptor))
	}
	defer f.Close() // the listener has a descriptor of its own, which no program gets
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("serve the socket of descriptor %d: %w", descriptor, err)
	}
	return l, nil
}

// listenUnix makes the socket, for this user only, in place of one that an agent which is gone has left.
func listenUnix(name string) (net.Listener, error) {
	if c, err := net.Dial("unix", name); err == nil {
		_ = c.Close()
		return nil, errdefs.ErrAlreadyExists.WithMessage("another agent serves " + name)
	}
	if err := os.Remove(name); err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("remove the dead socket: %w", err)
	}
	l, err := net.Listen("unix", name)
	if err != nil {
		return nil, fmt.Errorf("serve a unix socket: %w", err)
	}
	if err := os.Chmod(name, 0o600); err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("restrict %s: %w", name, err)
	}
	return l, nil
}
