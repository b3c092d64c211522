package spool

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// buffers hold one encoded record each; shared, since most of many writers are idle.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// Writer appends to a spool and wakes those who follow it. There is one writer for a spool at a time.
type Writer struct {
	path string

	mu     sync.Mutex
	file   *os.File // nil before the first write, and after Close
	opened bool     // end is known
	end    int64
	grown  chan struct{} // closed at the next record or at Close; nil while nobody waits
	closed bool
}

// NewWriter prepares the spool at path, whose folder may not exist: nothing is made before the first write.
func NewWriter(path string) *Writer { return &Writer{path: path} }

// Path is the file of the spool.
func (w *Writer) Path() string { return w.path }

// open finds the end of what an earlier writer left; create says whether to make the file.
func (w *Writer) open(create bool) error {
	if w.file != nil || (w.opened && !create) {
		return nil
	}
	flags := os.O_RDWR
	if create {
		flags |= os.O_CREATE
	}
	f, err := os.OpenFile(w.path, flags, 0o600)
	if os.IsNotExist(err) && !create {
		w.opened = true
		return nil
	}
	if os.IsNotExist(err) {
		if err = os.MkdirAll(filepath.Dir(w.path), 0o700); err == nil {
			f, err = os.OpenFile(w.path, flags, 0o600)
		}
	}
	if err != nil {
		return fmt.Errorf("open output spool: %w", err)
	}
	if !w.opened {
		info, err := f.Stat()
		if err == nil {
			w.end, err = sound(f, info.Size())
		}
		if err == nil && w.end < info.Size() {
			err = f.Truncate(w.end)
		}
		if err != nil {
			_ = f.Close()
			return fmt.Errorf("open output spool: %w", err)
		}
		w.opened = true
	}
	w.file = f
	return nil
}

// End is the offset at which the next record will stand.
func (w *Writer) End() (int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.open(false); err != nil {
		return 0, err
	}
	return w.end, nil
}

// Write appends p as output of a stream. On an error (a full disk) n says how much of p is kept; nothing of a
// half-written record stays.
func (w *Writer) Write(stream uint8, p []byte) (n int, err error) {
	return w.WriteAt(time.Now(), stream, p)
}

// WriteAt is Write of output that came at another time: of another spool.
func (w *Writer) WriteAt(at time.Time, stream uint8, p []byte) (n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.open(true); err != nil {
		return 0, err
	}
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	for n < len(p) {
		data := p[n:min(n+MaxData, len(p))]
		*buf = encode(*buf, stream, at, data)
		if _, err := w.file.WriteAt(*buf, w.end); err != nil {
			_ = w.file.Truncate(w.end)
			return n, fmt.Errorf("write output spool: %w", err)
		}
		w.end += int64(len(*buf))
		n += len(data)
	}
	w.wake()
	return n, nil
}

func (w *Writer) wake() {
	if w.grown != nil {
		close(w.grown)
		w.grown = nil
	}
}

// Wait returns once there is a record at or behind offset (true), or the writer is closed and there is none (false).
func (w *Writer) Wait(ctx context.Context, offset int64) (bool, error) {
	for {
		w.mu.Lock()
		if err := w.open(false); err != nil {
			w.mu.Unlock()
			return false, err
		}
		if w.end > offset || w.closed {
			more := w.end > offset
			w.mu.Unlock()
			return more, nil
		}
		if w.grown == nil {
			w.grown = make(chan struct{})
		}
		grown := w.grown
		w.mu.Unlock()
		select {
		case <-grown:
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// Close ends the run of the container: those who wait are told that nothing more comes.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.wake()
	if w.file == nil {
		return nil
	}
	err := w.file.Close()
	w.file = nil
	return err
}
