package state

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/containerd/errdefs"
	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
)

const (
	memTableSize = 2 << 20 // one of two arenas in memory, and half of the mapped log behind each
	valueLogSize = 2 << 20 // values over valueThreshold only: rare
	// A value must fit into a transaction, which badger limits to 15% of the memory table.
	valueThreshold = 128 << 10
)

// hardFloor is the free space that the database's own sparse maps may still claim: below it even opening could fault.
const hardFloor = 4 * (memTableSize + valueLogSize)

// store is the badger database with one writer in front of it.
type store struct {
	db     *badger.DB
	dir    string
	guard  *guard
	writes chan *write
	full   chan struct{} // signals that enough was written to look whether tables should be merged

	closing chan struct{}  // closed: nothing new begins
	workers sync.WaitGroup // writer and compactor
	once    sync.Once
	err     error // of the one real Close

	mu      sync.Mutex
	done    bool           // no further reader may enter
	readers sync.WaitGroup // inside the database: it must not be unmapped under them
}

// Open opens the store in dir, which is made where missing. Errors: [*ErrNoSpace] where the disk is so full that
// opening would be dangerous even without the ballast; errdefs.ErrFailedPrecondition for a store of a newer schema;
// errdefs.ErrConflict where another process has it open.
func Open(dir string, opts Options) (Store, error) {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open state: %w", err)
	}
	g := newGuard(dir, opts)
	if err := g.open(); err != nil {
		return nil, fmt.Errorf("open state in %s: %w", dir, err)
	}
	db, err := badger.Open(databaseOptions(filepath.Join(dir, "badger"), opts.Log))
	if err != nil {
		if strings.Contains(err.Error(), "Another process is using this Badger database") {
			return nil, fmt.Errorf("open state in %s: in use by another process: %w", dir, errdefs.ErrConflict.WithMessage(err.Error()))
		}
		return nil, fmt.Errorf("open state in %s: %w", dir, err)
	}
	s := &store{
		db: db, dir: dir, guard: g,
		writes: make(chan *write), full: make(chan struct{}, 1), closing: make(chan struct{}),
	}
	if err := s.checkSchema(); err != nil {
		return nil, fmt.Errorf("open state in %s: %w", dir, errors.Join(err, db.Close()))
	}
	s.workers.Go(s.writer)
	s.workers.Go(s.compactor)
	return s, nil
}

// databaseOptions keeps badger small: see the figures beside each choice. Its compactors are off, as each wakes up
// every 50 ms for ever; [store.compactor] does their work when something was written.
func databaseOptions(dir string, log *slog.Logger) badger.Options {
	o := badger.DefaultOptions(dir).
		WithLogger(badgerLog{log}).
		WithMemTableSize(memTableSize).
		WithNumMemtables(1).
		WithValueLogFileSize(valueLogSize).
		WithValueThreshold(valueThreshold).
		WithBaseTableSize(memTableSize).
		WithNumCompactors(0).
		WithNumLevelZeroTables(mergeTables).
		WithNumLevelZeroTablesStall(1 << 20). // nobody would end a stall
		WithCompression(options.None).        // tables are small, and a block cache would be needed
		WithBlockCacheSize(0).
		WithIndexCacheSize(0).
		WithMetricsEnabled(false).
		WithDetectConflicts(false). // one writer
		WithNumGoroutines(1)
	return o
}

func (s *store) Get(key string) ([]byte, error) {
	var value []byte
	err := s.view(func(txn *badger.Txn) error {
		item, err := txn.Get([]byte(key))
		if err != nil {
			return err
		}
		value, err = item.ValueCopy(nil)
		return err
	})
	switch {
	case errors.Is(err, badger.ErrKeyNotFound):
		return nil, fmt.Errorf("state: no key %q: %w", key, errdefs.ErrNotFound)
	case err != nil:
		return nil, fmt.Errorf("state: get %q: %w", key, err)
	}
	return value, nil
}

func (s *store) Scan(prefix string, f func(key string, value []byte) error) error {
	return s.view(func(txn *badger.Txn) error {
		o := badger.DefaultIteratorOptions
		o.Prefix = []byte(prefix)
		it := txn.NewIterator(o)
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			item := it.Item()
			if string(item.Key()) == schemaKey {
				continue
			}
			if err := item.Value(func(v []byte) error { return f(string(item.Key()), v) }); err != nil {
				return err
			}
		}
		return nil
	})
}

// view runs f in a read transaction, and keeps Close from taking the database away under it.
func (s *store) view(f func(*badger.Txn) error) error {
	if !s.enter() {
		return errClosed
	}
	defer s.readers.Done()
	return s.db.View(f)
}

func (s *store) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done {
		return false
	}
	s.readers.Add(1)
	return true
}

func (s *store) Update(ctx context.Context, changes ...Change) error {
	if len(changes) == 0 {
		return nil
	}
	w := &write{changes: changes, done: make(chan error, 1)}
	select {
	case s.writes <- w:
		return <-w.done
	case <-s.closing:
		return errClosed
	case <-ctx.Done():
		return fmt.Errorf("state: update: %w", ctx.Err())
	}
}

func (s *store) Sync() error {
	if !s.enter() {
		return errClosed
	}
	defer s.readers.Done()
	if err := s.db.Sync(); err != nil {
		return fmt.Errorf("state: sync: %w", err)
	}
	return nil
}

func (s *store) Close() error {
	s.once.Do(func() {
		s.mu.Lock()
		s.done = true
		s.mu.Unlock()
		close(s.closing)
		s.workers.Wait()
		s.readers.Wait()
		if err := errors.Join(s.guard.close(), s.db.Close()); err != nil {
			s.err = fmt.Errorf("state: close: %w", err)
		}
	})
	return s.err
}

var errClosed = fmt.Errorf("state: the store is closed: %w", errdefs.ErrUnavailable)
