package content

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/opencontainers/go-digest"
)

// Store is a folder of downloads in progress, one file a blob, named after its digest.
type Store struct {
	dir        string
	log        *slog.Logger
	retryDelay time.Duration // before the second attempt; doubles with each one that brought nothing
	stall      time.Duration // without a byte, after which a transfer counts as broken

	mu      sync.Mutex
	flights map[digest.Digest]*flight
}

// Options of [NewStore]. The zero value is what a server uses.
type Options struct {
	Log        *slog.Logger  // nil discards
	RetryDelay time.Duration // 0: a quarter of a second
	Stall      time.Duration // 0: one minute
}

// keepPartial is how long an abandoned download waits for somebody to resume it.
const keepPartial = 7 * 24 * time.Hour

// NewStore opens the folder dir, made where missing, and drops the partial downloads that nobody came back for.
func NewStore(dir string, opts Options) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open content: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("open content: %w", err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > keepPartial {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return nil, fmt.Errorf("open content: %w", err)
			}
		}
	}
	s := &Store{dir: dir, log: opts.Log, retryDelay: opts.RetryDelay, stall: opts.Stall, flights: map[digest.Digest]*flight{}}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.retryDelay == 0 {
		s.retryDelay = 250 * time.Millisecond
	}
	if s.stall == 0 {
		s.stall = time.Minute
	}
	return s, nil
}

// Request names a blob and where to get it.
type Request struct {
	Digest digest.Digest // sha256 or sha512
	Size   int64         // in bytes, as the manifest says; negative: unknown
	Source Source

	// Progress is told how much is there of how much (total is negative when unknown). It is called from another
	// goroutine than Fetch's, never concurrently with itself, and must not block. Nil is allowed.
	Progress func(current, total int64)
}

// Source opens a blob at an offset. start is where the body really begins: 0 from a server that cannot resume.
// An error of class errdefs.ErrUnavailable, or one of the network, is worth another attempt; any other is final.
type Source func(ctx context.Context, offset int64) (body io.ReadCloser, start int64, err error)

// Fetch returns the whole, verified blob. Concurrent calls for one digest share one transfer, with the first caller's
// source; the transfer ends when the contexts of all of them have. What was received until then is resumed by the
// next call. Errors: a wrong digest or size is of class errdefs.ErrDataLoss and names what was expected and received.
func (s *Store) Fetch(ctx context.Context, r Request) (*Blob, error) {
	if err := r.Digest.Validate(); err != nil {
		return nil, fmt.Errorf("digest %q: %w: %w", r.Digest, err, errdefs.ErrInvalidArgument)
	}
	for {
		f := s.join(r)
		listener := f.listen(r.Progress)
		select {
		case <-f.done:
			f.unlisten(listener)
			if f.err == nil {
				return &Blob{store: s, flight: f}, nil
			}
			s.leave(f)
			if f.abandoned {
				continue // the others gave up while we came in: begin again
			}
			return nil, fmt.Errorf("fetch %s: %w", r.Digest, f.err)
		case <-ctx.Done():
			f.unlisten(listener)
			s.leave(f)
			return nil, fmt.Errorf("fetch %s: %w", r.Digest, ctx.Err())
		}
	}
}

// Blob is a downloaded file, until Close.
type Blob struct {
	store  *Store
	flight *flight
	once   sync.Once
}

// Open opens the blob for reading.
func (b *Blob) Open() (*os.File, error) { return os.Open(b.flight.path) }

// Size in bytes.
func (b *Blob) Size() int64 { return b.flight.size }

// Close gives the blob up; with its last user the file goes.
func (b *Blob) Close() { b.once.Do(func() { b.store.leave(b.flight) }) }
