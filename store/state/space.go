package state

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/go-units"
)

// DefaultMinFree is the free space below which updates are refused. badger writes through memory maps of sparse files:
// on a full disk such a write is a SIGBUS that no program survives, so the disk must never become full under one.
const DefaultMinFree = max(256<<20, hardFloor)

// ErrNoSpace says that an update was refused, and nothing changed, as the disk is nearly full. Its class is
// errdefs.ErrUnavailable.
type ErrNoSpace struct {
	Dir    string // where the records are
	Free   uint64 // bytes free
	Needed uint64 // bytes that must be free
}

func (e *ErrNoSpace) Error() string {
	return fmt.Sprintf("no space left on the state disk: %s free in %s, %s needed",
		units.BytesSize(float64(e.Free)), e.Dir, units.BytesSize(float64(e.Needed)))
}

// Unwrap gives the error its class.
func (e *ErrNoSpace) Unwrap() error { return errdefs.ErrUnavailable }

const (
	checkEvery  = 100 * time.Millisecond
	checkWrites = 64
)

// guard answers whether a write may be tried. A question to the system costs about a microsecond on a local disk and
// much more on others, so an answer is good for a little while; a refusal is always checked anew.
type guard struct {
	dir     string
	minFree uint64
	free    func(string) (uint64, error)
	now     func() time.Time

	log     *slog.Logger
	ballast ballast

	mu     sync.Mutex
	last   uint64    // free space at the last check
	when   time.Time // of the last check
	writes int       // admitted since
	spent  bool      // the ballast was given back since the store was opened
}

func newGuard(dir string, opts Options) *guard {
	g := &guard{dir: dir, minFree: opts.MinFree, free: opts.FreeSpace, now: time.Now, log: opts.Log, ballast: newBallast(dir, opts)}
	if g.minFree == 0 {
		g.minFree = DefaultMinFree
	}
	if g.free == nil {
		g.free = freeSpace
	}
	return g
}

// floor is the free space that a batch needs: deletions make room, so they are accepted until it gets dangerous.
func (g *guard) floor(deletesOnly bool) uint64 {
	if deletesOnly {
		return min(g.minFree, hardFloor)
	}
	return g.minFree
}

// admit returns an [*ErrNoSpace] where a batch must not be written. Deletions on a disk without a byte get the ballast's
// room, as they are the way out.
func (g *guard) admit(deletesOnly bool) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.when.IsZero() || g.now().Sub(g.when) >= checkEvery || g.writes >= checkWrites || g.last < g.minFree {
		if err := g.check(); err != nil {
			return err
		}
	}
	g.writes++
	need := g.floor(deletesOnly)
	if g.last < need && deletesOnly && !g.spent {
		if err := g.spend(); err != nil {
			return err
		}
	}
	if g.last < need {
		return &ErrNoSpace{Dir: g.dir, Free: g.last, Needed: need}
	}
	if g.spent && g.last >= g.minFree+uint64(g.ballast.size) {
		if err := g.ballast.fill(); err != nil {
			return err
		}
		g.spent = false
	}
	return nil
}

// check asks how much is free. Called with mu held.
func (g *guard) check() error {
	free, err := g.free(g.dir)
	if err != nil {
		return fmt.Errorf("state: free space of %s: %w", g.dir, err)
	}
	g.last, g.when, g.writes = free, g.now(), 0
	return nil
}

// spend gives the ballast back. Called with mu held.
func (g *guard) spend() error {
	g.spent = true
	released, err := g.ballast.release()
	if err != nil || !released {
		return err
	}
	g.log.Warn("state: the disk is full: the ballast was released", "dir", g.dir, "free", g.last, "ballast", g.ballast.size)
	return g.check()
}

// open makes sure that the database can be opened without a fault: it gives the ballast back to a full disk, and
// fills it again on one with room.
func (g *guard) open() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.check(); err != nil {
		return err
	}
	switch {
	case g.last >= g.minFree+uint64(g.ballast.size):
		return g.ballast.fill()
	case g.last >= g.minFree:
		return nil // no room to fill a missing ballast, no need to drop one
	}
	if err := g.spend(); err != nil {
		return err
	}
	if need := g.floor(true); g.last < need {
		return &ErrNoSpace{Dir: g.dir, Free: g.last, Needed: need}
	}
	return nil
}

// close makes room for what the database writes when it is closed.
func (g *guard) close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.check(); err != nil || g.last >= hardFloor || g.spent {
		return err
	}
	return g.spend()
}
