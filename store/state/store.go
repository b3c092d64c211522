package state

import (
	"context"
	"log/slog"
)

// Store is a set of keys with values. Keys are compared byte by byte. All methods may be called concurrently.
type Store interface {
	// Get returns a copy of the value of key. A missing key is an error of class errdefs.ErrNotFound.
	Get(key string) ([]byte, error)

	// Scan calls f for each key that begins with prefix, in ascending order, on one consistent snapshot. The value is
	// valid only during the call. The first error of f ends the scan and is returned as it is.
	Scan(prefix string, f func(key string, value []byte) error) error

	// Update applies changes in their order as one atomic batch. When it returns nil, the batch survives a kill -9 of
	// this process. When ctx ends before the batch is taken up, nothing is written; after that point the result of
	// the write is returned, whatever ctx says. On a disk that is nearly full the error is an [*ErrNoSpace]; a batch
	// of deletions only is accepted for longer, so that records can be removed to free space.
	Update(ctx context.Context, changes ...Change) error

	// Sync forces everything acknowledged so far to the disk, to survive a power loss: for intents of things that
	// cost money elsewhere.
	Sync() error

	// Close finishes the updates in progress and closes the database. Later calls fail with errdefs.ErrUnavailable.
	Close() error
}

// Change is one step of an [Store.Update]: made by [Put] or [Delete].
type Change struct {
	key    string
	value  []byte
	delete bool
}

// Put sets key to value. The value must not be modified until the update has returned.
func Put(key string, value []byte) Change { return Change{key: key, value: value} }

// Delete removes key; a key that does not exist is no error.
func Delete(key string) Change { return Change{key: key, delete: true} }

// Options of [Open]. The zero value is what a server uses.
type Options struct {
	// Log receives the database's own messages, one level lower than the database rates them. Nil discards them.
	Log *slog.Logger

	// MinFree is the free space in bytes below which updates are refused; 0 means [DefaultMinFree].
	MinFree uint64

	// Ballast is the path of a file of BallastSize bytes that is kept allocated, to be given back to a disk that has
	// become full. Empty means "ballast" inside the store's folder.
	Ballast string

	// BallastSize in bytes; 0 means [DefaultBallastSize]; negative means no ballast.
	BallastSize int64

	// FreeSpace tells how many bytes an unprivileged process may still write on the disk that holds dir. Nil asks the
	// operating system.
	FreeSpace func(dir string) (uint64, error)
}
