package offload

import "io"

// A Sharer is a driver whose tasks are on this machine: their agents are reached, and their files seen, directly.
type Sharer interface {
	// Target is where a task's agent serves, as gRPC names it: "unix:" and a path. It can be connected to once Run, or
	// Restart, has returned.
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

// noRelay is the relay of an agent that is reached directly.
type noRelay struct{}

func (noRelay) Close() error { return nil }

var _ io.Closer = noRelay{}
