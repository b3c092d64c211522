package agent

import (
	"context"
	"slices"
	"sync"

	"github.com/sockerless/sockerless/agent/agentpb"
	"github.com/sockerless/sockerless/agent/spool"
)

// maxUnread is how many bytes of an exec's output wait for a slow reader before the exec itself has to wait.
const maxUnread = 256 << 10

// task is a process with its streams: the first one of a container, whose output goes to the spool, or an exec,
// whose output goes to the stream that is attached to it and is dropped where there is none, as Docker does.
type task struct {
	spool     *spool.Writer // the container's; nil for an exec
	stdinOnce bool
	// ended is called once, at the end; undelivered once, if no attached stream has told the exit of an exec.
	ended       func(*agentpb.Exit)
	undelivered func(*agentpb.Exit)

	mu       sync.Mutex
	process  Process
	exit     *agentpb.Exit
	detached bool // nobody reads an exec's output
	unread   []piece
	size     int           // bytes in unread
	changed  chan struct{} // closed at the next change of unread, exit or detached; nil while nobody waits
}

func newTask(p *agentpb.Process) *task { return &task{stdinOnce: p.GetStdinOnce()} }

func (t *task) started(p Process) {
	t.mu.Lock()
	t.process = p
	t.mu.Unlock()
}

// running returns the process; nil before it has started.
func (t *task) running() Process {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.process
}

func (t *task) pid() int64 {
	if p := t.running(); p != nil {
		return p.PID()
	}
	return 0
}

func (t *task) alive() bool { return t.exited() == nil }

func (t *task) exited() *agentpb.Exit {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.exit
}

// wake tells those who wait that something changed; t.mu is held.
func (t *task) wake() {
	if t.changed != nil {
		close(t.changed)
		t.changed = nil
	}
}

// wait releases t.mu until the next change, or returns the error of ctx; t.mu is held again afterwards.
func (t *task) wait(ctx context.Context) error {
	if t.changed == nil {
		t.changed = make(chan struct{})
	}
	changed := t.changed
	t.mu.Unlock()
	defer t.mu.Lock()
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// WriteStream takes output from the process.
func (t *task) WriteStream(ctx context.Context, stream uint8, p []byte) (int, error) {
	if t.spool != nil {
		return t.spool.Write(stream, p)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.size > 0 && t.size+len(p) > maxUnread && !t.detached {
		if err := t.wait(ctx); err != nil {
			return 0, err
		}
	}
	if t.detached {
		return len(p), nil
	}
	for data := range slices.Chunk(p, chunk) {
		t.keep(stream, data)
	}
	t.size += len(p)
	t.wake()
	return len(p), nil
}

// piece is output of one stream, in a buffer of the pool.
type piece struct {
	stream uint8
	data   *[]byte
}

// keep copies output for the reader, behind what is there of the same stream while the buffer has room; t.mu is held.
func (t *task) keep(stream uint8, p []byte) {
	if n := len(t.unread); n > 0 && t.unread[n-1].stream == stream {
		last := t.unread[n-1].data
		room := min(cap(*last), chunk) - len(*last)
		room = max(min(room, len(p)), 0)
		*last = append(*last, p[:room]...)
		p = p[room:]
	}
	if len(p) > 0 {
		b := buffers.Get(len(p))
		copy(*b, p)
		t.unread = append(t.unread, piece{stream, b})
	}
}

// End takes the end of the process.
func (t *task) End(exit *agentpb.Exit) {
	t.mu.Lock()
	t.exit = exit
	undelivered := t.spool == nil && t.detached
	t.wake()
	t.mu.Unlock()
	if t.spool != nil {
		_ = t.spool.Close() // every record is written already; a file that fails to close changes nothing for the container
	}
	t.ended(exit)
	if undelivered {
		t.undelivered(exit)
	}
}

// take waits for output of an exec and takes all that is there; nothing and the exit at the end.
func (t *task) take(ctx context.Context) ([]piece, *agentpb.Exit, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.unread) == 0 {
		if t.exit != nil {
			return nil, t.exit, nil
		}
		if err := t.wait(ctx); err != nil {
			return nil, nil, err
		}
	}
	output := t.unread
	t.unread, t.size = nil, 0
	t.wake()
	return output, nil, nil
}

// leave drops an exec's output from now on: the stream that read it is gone.
func (t *task) leave() {
	t.mu.Lock()
	if t.spool != nil || t.detached {
		t.mu.Unlock()
		return
	}
	t.detached = true
	t.unread, t.size = nil, 0
	exit := t.exit
	t.wake()
	t.mu.Unlock()
	if exit != nil {
		t.undelivered(exit)
	}
}
