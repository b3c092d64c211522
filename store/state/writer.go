package state

import (
	"errors"
	"fmt"

	"github.com/containerd/errdefs"
	"github.com/dgraph-io/badger/v4"
)

// write is one caller's batch on its way to the writer.
type write struct {
	changes []Change
	done    chan error // buffered: the writer never waits for a caller
}

func (w *write) deletesOnly() bool {
	for _, c := range w.changes {
		if !c.delete {
			return false
		}
	}
	return true
}

func (w *write) size() int64 {
	var n int64
	for _, c := range w.changes {
		n += int64(len(c.key) + len(c.value) + 64)
	}
	return n
}

const (
	maxCoalesced = 256 // callers in one transaction
	mergeTables  = 4   // tables of the newest level that are worth merging
)

// writer is the only goroutine that changes the database. While one transaction is being committed the next callers
// queue up, and all of them go into the next one: the busier the server, the fewer transactions a change costs.
func (s *store) writer() {
	var written int64
	for {
		select {
		case <-s.closing:
			return
		case first := <-s.writes:
			batch := s.collect(first)
			written += s.commit(batch)
			if written > memTableSize {
				written = 0
				select {
				case s.full <- struct{}{}:
				default:
				}
			}
		}
	}
}

func (s *store) collect(first *write) []*write {
	batch := []*write{first}
	for len(batch) < maxCoalesced {
		select {
		case w := <-s.writes:
			batch = append(batch, w)
		default:
			return batch
		}
	}
	return batch
}

// commit writes the batch in as few transactions as its size allows and answers every caller. It returns the number
// of bytes written.
func (s *store) commit(batch []*write) (written int64) {
	admitted := batch[:0]
	for _, w := range batch {
		if err := s.guard.admit(w.deletesOnly()); err != nil {
			w.done <- err
			continue
		}
		admitted = append(admitted, w)
	}
	for len(admitted) > 0 {
		n, err := s.transaction(admitted)
		for _, w := range admitted[:n] {
			written += w.size()
			w.done <- err
		}
		admitted = admitted[n:]
	}
	return written
}

// transaction commits the longest head of batch that fits, and returns how many callers it answered for, at least one.
func (s *store) transaction(batch []*write) (int, error) {
	txn := s.db.NewTransaction(true)
	defer txn.Discard()
	for i, w := range batch {
		err := apply(txn, w.changes)
		switch {
		case errors.Is(err, badger.ErrTxnTooBig) && i == 0:
			return 1, fmt.Errorf("state: update of %d keys, %d bytes is too large for one transaction: %w", len(w.changes), w.size(), errdefs.ErrResourceExhausted)
		case err != nil && i > 0:
			// The transaction now holds a part of w: commit what was before it in a fresh one.
			txn.Discard()
			return s.transaction(batch[:i])
		case err != nil:
			return 1, fmt.Errorf("state: update: %w", err)
		}
	}
	if err := txn.Commit(); err != nil {
		return len(batch), fmt.Errorf("state: commit: %w", err)
	}
	return len(batch), nil
}

func apply(txn *badger.Txn, changes []Change) error {
	for _, c := range changes {
		var err error
		if c.delete {
			err = txn.Delete([]byte(c.key))
		} else {
			err = txn.Set([]byte(c.key), c.value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// compactor merges the tables that flushed memory left behind, after writes only, so that an idle store does nothing.
func (s *store) compactor() {
	for {
		select {
		case <-s.closing:
			return
		case <-s.full:
			newest := 0
			for _, t := range s.db.Tables() {
				if t.Level == 0 {
					newest++
				}
			}
			if newest < mergeTables {
				continue
			}
			if err := s.db.Flatten(1); err != nil {
				s.db.Opts().Logger.Warningf("merge tables: %v", err)
				continue
			}
			// Values over the threshold live in a log of their own; deleted ones are dropped here.
			for s.db.RunValueLogGC(0.5) == nil {
			}
		}
	}
}
