package offload

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// A Sharer is a driver whose tasks are on this machine: their agents are reached, and their files seen, directly.
type Sharer interface {
	// Target is where a task's agent serves, as gRPC names it: "unix:" and a path.
	Target(h Handle) string
	// Root is the root directory of a running task as programs of this machine reach it; "" where it does not run.
	Root(h Handle) string
}

// Root is where the files of a container are on this machine while its task runs; "" where they are elsewhere.
func (b *Backend) Root(container string) string {
	sharer, ok := b.driver.(Sharer)
	if !ok {
		return ""
	}
	b.mu.Lock()
	k := b.current[container]
	var h *Handle
	if k != nil {
		h = k.intent.Handle
	}
	b.mu.Unlock()
	if h == nil {
		return ""
	}
	return sharer.Root(*h)
}

// awaitSocket waits until an agent on this machine serves its socket, which it does a few milliseconds after its start.
func (b *Backend) awaitSocket(ctx context.Context, target string) error {
	quick := patience{tries: 1 << 30, first: 500 * time.Microsecond, cap: 20 * time.Millisecond, clock: b.config.Clock, dice: b.calls.dice}
	err := quick.try(ctx, func(ctx context.Context) error {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "unix", strings.TrimPrefix(target, "unix:"))
		if err != nil {
			return err
		}
		return conn.Close()
	}, func(error) (time.Duration, bool) { return 0, true })
	if err != nil {
		return fmt.Errorf("reach its agent: %w", err)
	}
	return nil
}

// noRelay is the relay of an agent that is reached directly.
type noRelay struct{}

func (noRelay) Close() error { return nil }

var _ io.Closer = noRelay{}
