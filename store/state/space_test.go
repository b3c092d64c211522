package state

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/containerd/errdefs"
)

// disk is a disk with as much room as the test says.
type disk struct {
	free   atomic.Uint64
	checks atomic.Int64

	ballast string // while this file is missing, size bytes more are free
	size    uint64
}

func (d *disk) space(string) (uint64, error) {
	d.checks.Add(1)
	free := d.free.Load()
	if _, err := os.Stat(d.ballast); d.ballast != "" && err != nil {
		free += d.size
	}
	return free, nil
}

func TestNoSpace(t *testing.T) {
	dir, d := t.TempDir(), &disk{}
	d.free.Store(1 << 30)
	s := open(t, dir, Options{FreeSpace: d.space})
	update(t, s, Put("a", []byte("1")), Put("b", []byte("2")))

	full := func() {
		d.free.Store(100 << 20)
		s.guard.when = s.guard.when.Add(-checkEvery) // as if the last answer had grown old
	}
	full()
	err := s.Update(context.Background(), Put("a", []byte("changed")), Delete("b"))
	var refused *ErrNoSpace
	if !errors.As(err, &refused) || *refused != (ErrNoSpace{Dir: dir, Free: 100 << 20, Needed: 256 << 20}) {
		t.Fatalf("an update on a full disk: %v", err)
	}
	if !errdefs.IsUnavailable(err) {
		t.Errorf("class of %v", err)
	}
	for _, part := range []string{"no space left", "100MiB free in " + dir, "256MiB needed"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in the message %q", part, err)
		}
	}
	if got, want := scan(t, s, ""), []string{"a=1", "b=2"}; !slices.Equal(got, want) {
		t.Errorf("the refused update changed the store: %q", got)
	}
	update(t, s, Delete("b")) // gives room

	// Without a byte left, deletions get the ballast's room, which comes back when there is some again.
	ballast := filepath.Join(dir, "ballast")
	d.ballast, d.size = ballast, hardFloor
	d.free.Store(0)
	s.guard.when = s.guard.when.Add(-checkEvery)
	update(t, s, Delete("never was"))
	if _, err := os.Stat(ballast); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the ballast is still there: %v", err)
	}
	d.free.Store(1 << 30)
	update(t, s, Delete("never was"))
	if _, err := os.Stat(ballast); err != nil {
		t.Errorf("the ballast did not come back: %v", err)
	}
	d.ballast = ""

	d.free.Store(hardFloor - 1)
	s.guard.when = s.guard.when.Add(-checkEvery)
	if err := s.Update(context.Background(), Delete("a")); !errors.As(err, &refused) || refused.Needed != hardFloor {
		t.Errorf("a deletion on a disk that is dangerously full: %v", err)
	}
	d.free.Store(1 << 30)
	update(t, s, Put("a", []byte("again")))
	if got, want := scan(t, s, ""), []string{"a=again"}; !slices.Equal(got, want) {
		t.Errorf("after room was made: %q, want %q", got, want)
	}
}

func TestSpaceCheckIsCached(t *testing.T) {
	d := &disk{}
	d.free.Store(1 << 30)
	g := newGuard("dir", Options{FreeSpace: d.space})
	now := time.Unix(0, 0)
	g.now = func() time.Time { return now }
	admit := func(times int) {
		for range times {
			if err := g.admit(false); err != nil {
				t.Fatal(err)
			}
		}
	}
	admit(checkWrites)
	if n := d.checks.Load(); n != 1 {
		t.Errorf("%d writes asked %d times", checkWrites, n)
	}
	admit(1)
	if n := d.checks.Load(); n != 2 {
		t.Errorf("one write more: asked %d times, want 2", n)
	}
	now = now.Add(checkEvery)
	admit(1)
	if n := d.checks.Load(); n != 3 {
		t.Errorf("after %v: asked %d times, want 3", checkEvery, n)
	}
}

func TestBallast(t *testing.T) {
	dir, d := t.TempDir(), &disk{}
	d.free.Store(1 << 30)
	s := open(t, dir, Options{FreeSpace: d.space, BallastSize: 1 << 20})
	ballast := filepath.Join(dir, "ballast")
	info, err := os.Stat(ballast)
	if err != nil || info.Size() != 1<<20 {
		t.Fatalf("ballast: %v, %v", info, err)
	}
	update(t, s, Put("a", []byte("1")))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	// A disk without a byte: the ballast is given back, and where that is not enough, the store stays closed.
	d.free.Store(0)
	var refused *ErrNoSpace
	if _, err := Open(dir, Options{FreeSpace: d.space, BallastSize: 1 << 20}); !errors.As(err, &refused) {
		t.Fatalf("open on a full disk: %v", err)
	}
	if _, err := os.Stat(ballast); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the ballast is still there: %v", err)
	}

	// With the room of the ballast it opens, for reading and deleting.
	d.free.Store(hardFloor)
	s = open(t, dir, Options{FreeSpace: d.space, BallastSize: 1 << 20})
	if err := s.Update(context.Background(), Put("b", nil)); !errors.As(err, &refused) {
		t.Errorf("update on a full disk: %v", err)
	}
	update(t, s, Delete("a"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	d.free.Store(1 << 30)
	open(t, dir, Options{FreeSpace: d.space, BallastSize: 1 << 20})
	if info, err := os.Stat(ballast); err != nil || info.Size() != 1<<20 {
		t.Errorf("the ballast was not filled again: %v", err)
	}
}

func TestFreeSpace(t *testing.T) {
	free, err := freeSpace(t.TempDir())
	if err != nil || free == 0 {
		t.Errorf("free space: %d, %v", free, err)
	}
	if _, err := freeSpace(filepath.Join(t.TempDir(), "no such folder")); err == nil {
		t.Error("free space of a missing folder")
	}
}
