package kernel

import (
	"context"
	"io"
	"sync"
	"syscall"
)

const (
	// PipeSize is how much a pipe holds, in bytes.
	PipeSize = 64 << 10
	// PipeBuf is how much a write to a pipe never mixes with another one (PIPE_BUF).
	PipeBuf = 4096
)

// pipe is a bounded buffer in memory, behind pipe(2) and FIFOs. It allocates what it needs, when it does.
type pipe struct {
	mu      sync.Mutex
	ring    []byte
	start   int // of the data in ring
	n       int // length of the data
	readers int
	writers int
	changed chan struct{} // closed at the next change; made by a waiter
}

// NewPipe makes a pipe of 64 KiB: what is written to w is read from r. Each end has one reference, the caller's. Reading
// gives io.EOF when all writers have gone, writing EPIPE when all readers have.
func NewPipe() (r, w *File) {
	p := &pipe{readers: 1, writers: 1}
	return NewFile(&pipeReader{p}), NewFile(&pipeWriter{p})
}

// change wakes all waiters; the lock is held.
func (p *pipe) change() {
	if p.changed != nil {
		close(p.changed)
		p.changed = nil
	}
}

// wait waits for the next change; the lock is held, and given up meanwhile.
func (p *pipe) wait(ctx context.Context) error {
	if p.changed == nil {
		p.changed = make(chan struct{})
	}
	changed := p.changed
	p.mu.Unlock()
	defer p.mu.Lock()
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (p *pipe) read(ctx context.Context, b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.n == 0 {
		if p.writers == 0 {
			return 0, io.EOF
		}
		if err := p.wait(ctx); err != nil {
			return 0, err
		}
	}
	n := 0
	for n < len(b) && p.n > 0 {
		c := copy(b[n:], p.ring[p.start:min(p.start+p.n, len(p.ring))])
		n += c
		p.n -= c
		p.start = (p.start + c) % len(p.ring)
	}
	if p.n == 0 {
		p.start = 0
	}
	p.change()
	return n, nil
}

func (p *pipe) write(ctx context.Context, b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for n < len(b) {
		if p.readers == 0 {
			return n, syscall.EPIPE
		}
		room := max(0, PipeSize-p.n)
		if room == 0 || room < len(b) && len(b) <= PipeBuf {
			if err := p.wait(ctx); err != nil {
				return n, err
			}
			continue
		}
		part := b[n:min(len(b), n+room)]
		p.grow(p.n + len(part))
		for len(part) > 0 {
			end := (p.start + p.n) % len(p.ring)
			c := copy(p.ring[end:min(len(p.ring), end+len(p.ring)-p.n)], part)
			part = part[c:]
			p.n += c
			n += c
		}
		p.change()
	}
	return n, nil
}

// grow makes room for size bytes in all.
func (p *pipe) grow(size int) {
	if size <= len(p.ring) {
		return
	}
	room := max(512, len(p.ring))
	for room < size {
		room *= 4
	}
	ring := make([]byte, max(size, min(room, PipeSize))) // more than PipeSize only of what was given back
	tail := copy(ring, p.ring[p.start:min(p.start+p.n, len(p.ring))])
	copy(ring[tail:], p.ring[:p.n-tail])
	p.ring, p.start = ring, 0
}

// unread puts b back before what is there.
func (p *pipe) unread(b []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.readers == 0 {
		return
	}
	p.grow(p.n + len(b))
	if len(p.ring) == 0 {
		return
	}
	p.start = (p.start - len(b) + len(p.ring)) % len(p.ring)
	first := copy(p.ring[p.start:], b)
	copy(p.ring, b[first:])
	p.n += len(b)
	p.change()
}

func (p *pipe) readable() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.n > 0 || p.writers == 0
}

// close takes ends away.
func (p *pipe) close(readers, writers int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.readers -= readers
	p.writers -= writers
	if p.readers == 0 {
		p.ring, p.start, p.n = nil, 0, 0
	}
	p.change()
}

type pipeReader struct{ p *pipe }

func (r *pipeReader) Read(ctx context.Context, b []byte) (int, error) { return r.p.read(ctx, b) }
func (r *pipeReader) Write(context.Context, []byte) (int, error)      { return 0, syscall.EBADF }
func (r *pipeReader) Readable() bool                                  { return r.p.readable() }
func (r *pipeReader) Unread(b []byte)                                 { r.p.unread(b) }
func (r *pipeReader) Name() string                                    { return "pipe:[1]" }
func (r *pipeReader) Close() error                                    { r.p.close(1, 0); return nil }

type pipeWriter struct{ p *pipe }

func (w *pipeWriter) Read(context.Context, []byte) (int, error)        { return 0, syscall.EBADF }
func (w *pipeWriter) Write(ctx context.Context, b []byte) (int, error) { return w.p.write(ctx, b) }
func (w *pipeWriter) Name() string                                     { return "pipe:[1]" }
func (w *pipeWriter) Close() error                                     { w.p.close(0, 1); return nil }
