package runtime

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/containerd/errdefs"

	netproto "github.com/sockerless/sockerless/agent/network"
)

type untrustedKey struct{}

// Untrusted marks the context of a request whose client does not have the rights of the server's user, as one at the unix socket
// has: it came over TCP, or from a container. It mounts of this machine what [Config.Binds] allows and nothing else.
func Untrusted(ctx context.Context) context.Context {
	return context.WithValue(ctx, untrustedKey{}, true)
}

func untrusted(ctx context.Context) bool { return ctx.Value(untrustedKey{}) != nil }

// usualSockets are where clients expect the socket of the engine that they talk to, wherever it is.
var usualSockets = []string{"/var/run/docker.sock", "/run/docker.sock"}

// ownSocket tells whether a path is that of the engine's socket.
func (e *Engine) ownSocket(source string) bool {
	if e.cfg.Connect == nil {
		return false
	}
	is := func(p string) bool { return slices.Contains(usualSockets, p) || slices.Contains(e.cfg.Sockets, p) }
	if is(source) {
		return true
	}
	real, err := filepath.EvalSymlinks(source)
	return err == nil && is(real)
}

// checkBind decides what a bind is, and refuses one that is not there or not allowed.
func (e *Engine) checkBind(ctx context.Context, m *mountPoint) error {
	if e.ownSocket(m.Source) {
		m.Engine, m.Create = true, false
		return nil
	}
	if _, err := os.Lstat(m.Source); err != nil && !m.Create {
		return invalid("invalid mount config for type %q: bind source path does not exist: %s", "bind", m.Source)
	}
	return e.allowBind(ctx, m.Source)
}

// allowBind refuses a folder of this machine to a client that may not have it.
func (e *Engine) allowBind(ctx context.Context, source string) error {
	if !untrusted(ctx) {
		return nil
	}
	real := source
	for rest := ""; ; { // of what is not there yet, the part that is counts
		found, err := filepath.EvalSymlinks(real)
		if err == nil {
			real = filepath.Join(found, rest)
			break
		}
		if filepath.Dir(real) == real {
			break
		}
		real, rest = filepath.Dir(real), filepath.Join(filepath.Base(real), rest)
	}
	for _, allowed := range e.cfg.Binds {
		if within, err := filepath.Rel(allowed, real); err == nil && within != ".." && !strings.HasPrefix(within, ".."+string(filepath.Separator)) {
			return nil
		}
	}
	return errdefs.ErrPermissionDenied.WithMessage(fmt.Sprintf(
		"%s cannot be mounted by a client over TCP or in a container: use a volume, or let the server have --allow-bind for the folder", source))
}

// dialSocket connects a container to the engine by the socket at target in it.
func (e *Engine) dialSocket(ctx context.Context, c *container, target string) (net.Conn, error) {
	d, err := e.definition(c)
	if err != nil {
		return nil, err
	}
	if e.cfg.Connect == nil || !slices.ContainsFunc(d.Mounts, func(m mountPoint) bool { return m.Engine && m.Target == target }) {
		return nil, netproto.NewError(netproto.Refused, "connection refused: the engine is not at %s of container %.12s", target, c.id)
	}
	return e.cfg.Connect(ctx, c.id)
}
