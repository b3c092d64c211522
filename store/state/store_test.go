package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/containerd/errdefs"
	"github.com/dgraph-io/badger/v4"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// roomy keeps the tests independent of the disk that they run on.
func roomy(string) (uint64, error) { return 1 << 40, nil }

func open(t *testing.T, dir string, opts Options) *store {
	t.Helper()
	if opts.FreeSpace == nil {
		opts.FreeSpace = roomy
	}
	s, err := Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s.(*store)
}

func update(t *testing.T, s Store, changes ...Change) {
	t.Helper()
	if err := s.Update(context.Background(), changes...); err != nil {
		t.Fatal(err)
	}
}

func scan(t *testing.T, s Store, prefix string) []string {
	t.Helper()
	var got []string
	if err := s.Scan(prefix, func(key string, value []byte) error {
		got = append(got, key+"="+string(value))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestUpdateGetScan(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	update(t, s, Put("b/2", []byte("two")), Put("b/1", []byte("one")), Put("a", []byte("x")), Put("c", nil))
	update(t, s, Delete("a"), Delete("never was"), Put("b/3", []byte("3")), Delete("b/3"), Put("b/2", []byte("zwei")))

	if got, want := scan(t, s, "b/"), []string{"b/1=one", "b/2=zwei"}; !slices.Equal(got, want) {
		t.Errorf("scan b/: %q, want %q", got, want)
	}
	if got, want := scan(t, s, ""), []string{"b/1=one", "b/2=zwei", "c="}; !slices.Equal(got, want) {
		t.Errorf("scan of all: %q, want %q", got, want)
	}
	if v, err := s.Get("b/1"); err != nil || string(v) != "one" {
		t.Errorf("get b/1: %q, %v", v, err)
	}
	if _, err := s.Get("a"); !errdefs.IsNotFound(err) || !strings.Contains(err.Error(), `"a"`) {
		t.Errorf("get of a deleted key: %v", err)
	}
	stop := errors.New("stop")
	if err := s.Scan("b/", func(string, []byte) error { return stop }); err != stop {
		t.Errorf("scan does not return its function's error: %v", err)
	}
}

func TestReopen(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	update(t, s, Put("k", []byte("v")))
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{FreeSpace: roomy}); !errdefs.IsConflict(err) || !strings.Contains(err.Error(), "another process") {
		t.Errorf("a second open: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"update": s.Update(context.Background(), Put("k", nil)), "sync": s.Sync(),
		"scan": s.Scan("", func(string, []byte) error { return nil }),
	} {
		if !errdefs.IsUnavailable(err) {
			t.Errorf("%s of a closed store: %v", name, err)
		}
	}
	s = open(t, dir, Options{})
	if v, err := s.Get("k"); err != nil || string(v) != "v" {
		t.Errorf("after reopening: %q, %v", v, err)
	}
}

func TestSizes(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	for _, size := range []int{0, 1, valueThreshold - 1, valueThreshold + 1, valueLogSize - 1} {
		update(t, s, Put(fmt.Sprint("size", size), bytes.Repeat([]byte{'x'}, size)))
	}
	var many []Change
	for i := range 100_000 {
		many = append(many, Put(fmt.Sprint("many/", i), []byte("v")))
	}
	err := s.Update(context.Background(), many...)
	if !errdefs.IsResourceExhausted(err) || !strings.Contains(err.Error(), "100000 keys") {
		t.Errorf("a batch over the limit: %v", err)
	}
	if got := scan(t, s, "many/"); got != nil {
		t.Errorf("a refused batch left %d keys", len(got))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, Options{})
	for _, size := range []int{0, 1, valueThreshold - 1, valueThreshold + 1, valueLogSize - 1} {
		if v, err := s.Get(fmt.Sprint("size", size)); err != nil || len(v) != size {
			t.Errorf("value of %d bytes: %d bytes, %v", size, len(v), err)
		}
	}
}

// TestCompaction writes enough for many flushes: what was overwritten and deleted must not come back, nor may tables
// pile up.
func TestCompaction(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	value := bytes.Repeat([]byte("0123456789abcdef"), 1024)
	for i := range 2000 {
		key := fmt.Sprintf("k/%03d", i%100)
		update(t, s, Put(key, append(value, byte(i>>8), byte(i))), Put(fmt.Sprint("gone/", i), value), Delete(fmt.Sprint("gone/", i-1)))
	}
	update(t, s, Delete("gone/1999"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, Options{})
	if got := scan(t, s, "gone/"); got != nil {
		t.Errorf("%d deleted keys came back", len(got))
	}
	for i := 1900; i < 2000; i++ {
		v, err := s.Get(fmt.Sprintf("k/%03d", i%100))
		if err != nil || !bytes.Equal(v[len(value):], []byte{byte(i >> 8), byte(i)}) {
			t.Fatalf("key %d has an old value: %v", i%100, err)
		}
	}
	if n := len(s.db.Tables()); n > 20 {
		t.Errorf("%d tables after compaction", n)
	}
}

func TestCoalescing(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		gate, armed := make(chan struct{}), false
		s := open(t, dir, Options{FreeSpace: func(string) (uint64, error) {
			if armed {
				<-gate
			}
			return 1 << 40, nil
		}})
		armed, s.guard.when = true, time.Time{}
		before := s.db.MaxVersion()
		errs := make(chan error, 101)
		put := func(i int) { errs <- s.Update(context.Background(), Put(fmt.Sprintf("k/%03d", i), []byte("v"))) }
		go put(0)
		synctest.Wait() // the writer has the first one, and waits for the guard
		for i := range 100 {
			go put(i + 1)
		}
		synctest.Wait() // all others stand in line
		close(gate)
		for range 101 {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		if n := s.db.MaxVersion() - before; n != 2 {
			t.Errorf("101 updates took %d transactions, want 2", n)
		}
		if got := len(scan(t, s, "k/")); got != 101 {
			t.Errorf("%d keys, want 101", got)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestCoalescedFailure has a batch that is too large among others: only its caller may hear of it.
func TestCoalescedFailure(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	big := make([]Change, 50_000)
	for i := range big {
		big[i] = Put(fmt.Sprint("big/", i), []byte("v"))
	}
	batch := []*write{
		{changes: []Change{Put("a", []byte("1"))}, done: make(chan error, 1)},
		{changes: big, done: make(chan error, 1)},
		{changes: []Change{Put("b", []byte("2"))}, done: make(chan error, 1)},
	}
	waiting := slices.Clone(batch)
	s.commit(batch)
	if err := <-waiting[0].done; err != nil {
		t.Error(err)
	}
	if err := <-waiting[1].done; !errdefs.IsResourceExhausted(err) {
		t.Errorf("the large batch: %v", err)
	}
	if err := <-waiting[2].done; err != nil {
		t.Error(err)
	}
	if got, want := scan(t, s, ""), []string{"a=1", "b=2"}; !slices.Equal(got, want) {
		t.Errorf("stored: %q, want %q", got, want)
	}
}

func TestUpdateCanceled(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for range 50 {
		err := s.Update(ctx, Put("k", nil))
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if _, getErr := s.Get("k"); err != nil && !errdefs.IsNotFound(getErr) {
			t.Fatal("a canceled update was written")
		}
		update(t, s, Delete("k"))
	}
}

func TestNewerSchema(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	if err := s.db.Update(func(txn *badger.Txn) error { return txn.Set([]byte(schemaKey), []byte("7")) }); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := Open(dir, Options{FreeSpace: roomy})
	if !errdefs.IsFailedPrecondition(err) || !strings.Contains(err.Error(), "version 7") || !strings.Contains(err.Error(), fmt.Sprint("version ", SchemaVersion)) {
		t.Errorf("a store of a newer program: %v", err)
	}
}
