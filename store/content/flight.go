package content

import (
	"context"
	"os"
	"path/filepath"
	"sync"

	"github.com/opencontainers/go-digest"
)

// flight is one download and those who wait for it or use its result.
type flight struct {
	digest digest.Digest
	path   string
	cancel context.CancelFunc
	done   chan struct{} // closed when err, size and abandoned are final

	err       error
	size      int64
	abandoned bool // it failed since nobody wanted it any more

	users int // guarded by Store.mu

	mu        sync.Mutex
	listeners []*listener
	total     int64
}

type listener struct{ progress func(current, total int64) }

// join returns the flight of r.Digest, started where there is none, with the caller counted as a user.
func (s *Store) join(r Request) *flight {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.flights[r.Digest]; f != nil {
		f.users++
		return f
	}
	ctx, cancel := context.WithCancel(context.Background())
	f := &flight{
		digest: r.Digest, cancel: cancel, done: make(chan struct{}), users: 1, total: r.Size,
		path: filepath.Join(s.dir, r.Digest.Algorithm().String()+"-"+r.Digest.Encoded()),
	}
	s.flights[r.Digest] = f
	go func() {
		defer cancel()
		size, err := s.download(ctx, f, r)
		f.size, f.err, f.abandoned = size, err, err != nil && ctx.Err() != nil
		s.mu.Lock()
		if err != nil || f.users == 0 {
			delete(s.flights, r.Digest) // the file stays for the next one to resume
		}
		close(f.done)
		s.mu.Unlock()
	}()
	return f
}

// leave counts a user out. The last one of a download in progress ends it; the last one of a finished one removes it.
func (s *Store) leave(f *flight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.users--; f.users > 0 {
		return
	}
	select {
	case <-f.done:
		if f.err == nil {
			delete(s.flights, f.digest)
			if err := os.Remove(f.path); err != nil {
				s.log.Warn("content: remove a used download", "path", f.path, "error", err)
			}
		}
	default:
		f.cancel()
	}
}

func (f *flight) listen(progress func(current, total int64)) *listener {
	if progress == nil {
		return nil
	}
	l := &listener{progress}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.listeners = append(f.listeners, l)
	return l
}

func (f *flight) unlisten(l *listener) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, other := range f.listeners {
		if other == l {
			f.listeners = append(f.listeners[:i], f.listeners[i+1:]...)
			return
		}
	}
}

// at reports how far the download has come.
func (f *flight) at(current int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range f.listeners {
		l.progress(current, f.total)
	}
}
