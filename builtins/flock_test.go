//go:build linux

package builtins

import (
	"context"
	"testing"
	"testing/synctest"
)

func TestFlock(t *testing.T) {
	trial{setup: "mkdir d; touch f"}.check(t, "flock f echo a", "flock new echo a", "flock d echo a", "flock -n f false", "flock -s f echo a", "flock none/x echo", "flock -w x f echo", "flock f nosuch", "flock")
}

func TestFlockWaits(t *testing.T) {
	p, _, _ := newProcess(t, t.TempDir(), nil)
	synctest.Test(t, func(t *testing.T) {
		key := fileLockKey{tree: p.Files.Tree(), ino: 1}
		first, ok := lockFile(t.Context(), key, false)
		second, ok2 := lockFile(t.Context(), key, false)
		if !ok || !ok2 {
			t.Fatal("two readers do not share a lock")
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if _, ok := lockFile(ended, key, true); ok {
			t.Fatal("a writer has the lock beside readers")
		}
		got := make(chan func())
		go func() {
			unlock, _ := lockFile(t.Context(), key, true)
			got <- unlock
		}()
		first()
		synctest.Wait()
		select {
		case <-got:
			t.Fatal("a writer has the lock beside one reader")
		default:
		}
		second()
		unlock := <-got
		if _, ok := lockFile(ended, key, false); ok {
			t.Error("a reader has the lock beside a writer")
		}
		unlock()
		if len(fileLocks.held) != 0 {
			t.Errorf("%d locks are left", len(fileLocks.held))
		}
	})
}
