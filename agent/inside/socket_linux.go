package inside

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"github.com/sockerless/sockerless/agent/agentpb"
	"github.com/sockerless/sockerless/agent/network"
)

// serveEngine makes the sockets at which the engine answers the container's programs. They go with the agent.
func (c *connections) serveEngine(spec *agentpb.Container) error {
	for _, m := range spec.GetMounts() {
		if m.GetType() != agentpb.Mount_ENGINE {
			continue
		}
		l, err := listenSocket(m.GetTarget())
		if err != nil {
			return fmt.Errorf("make the engine's socket in the container: %w", err)
		}
		go c.acceptEngine(l, spec.GetId(), m.GetTarget())
	}
	return nil
}

// listenSocket makes a socket that each user of the container may use, in the place of one that an earlier run has left.
func listenSocket(name string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return nil, err
	}
	if info, err := os.Lstat(name); err == nil && info.Mode()&fs.ModeSocket != 0 {
		if err := os.Remove(name); err != nil {
			return nil, err
		}
	}
	l, err := net.Listen("unix", name)
	if err != nil {
		return nil, err
	}
	return l, os.Chmod(name, 0o666)
}

// acceptEngine carries connections to the engine. It ends with the agent, which is the container's first process.
func (c *connections) acceptEngine(l net.Listener, id, target string) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			engine, err := c.agent.Dial(context.Background(), id, "unix", target)
			if err != nil {
				conn.Close() //nolint:errcheck // nobody to tell
				return
			}
			network.Join(context.Background(), conn, engine)
		}()
	}
}
