package mirror

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/errdefs"

	"github.com/sockerless/sockerless/store/rootfs"
)

// far is a copy that is another directory of this machine, with a mirror's own means.
type far struct {
	dir   string
	view  *rootfs.View
	known rootfs.Scan
	held  rootfs.Scan

	sent, fetched int // bytes of layers
	broken        error
}

func newFar(t *testing.T) *far {
	t.Helper()
	f := &far{dir: t.TempDir()}
	fsys, err := rootfs.NewHostDir(f.dir, rootfs.HostOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = fsys.(io.Closer).Close() })
	f.view = rootfs.NewTree(fsys, false).View(rootfs.Cred{})
	return f
}

func (f *far) Put(ctx context.Context, layer io.Reader) error {
	data, err := io.ReadAll(layer)
	if err != nil {
		return err
	}
	f.sent += len(data)
	touched := map[string]bool{}
	_, err = f.view.ApplyLayer(bytes.NewReader(data), "/", rootfs.ApplyLayerOptions{Touched: func(name string) { touched[strings.Trim(name, "/")] = true }})
	for name := range touched {
		err = errors.Join(err, f.known.Refresh(f.view, name))
	}
	return err
}

func (f *far) Changes(ctx context.Context) (io.ReadCloser, error) {
	if f.broken != nil {
		return nil, f.broken
	}
	now, err := f.view.Scan(ctx)
	if err != nil {
		return nil, err
	}
	f.held = now
	var b bytes.Buffer
	err = f.view.PackChanges(ctx, &b, now.Changes(f.known), false)
	f.fetched += b.Len()
	return io.NopCloser(&b), err
}

func (f *far) Taken(context.Context) error {
	f.known = f.held
	return nil
}

func (f *far) Forget(ctx context.Context) (err error) {
	f.known, err = f.view.Scan(ctx)
	return err
}

func open(t *testing.T, config Config) *Mirror {
	t.Helper()
	m, err := Open(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func write(t testing.TB, dir, name, text string) {
	t.Helper()
	name = filepath.Join(dir, name)
	err := os.MkdirAll(filepath.Dir(name), 0o755)
	if err == nil {
		err = os.WriteFile(name, []byte(text), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// tree is all that a directory has, a line each.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var lines []string
	err := filepath.WalkDir(dir, func(name string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Lstat(name)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		line := fmt.Sprintf("%s %s %d", rel, info.Mode(), info.ModTime().UnixNano())
		switch {
		case info.Mode().IsRegular():
			text, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %q", text)
		case info.Mode()&os.ModeSymlink != 0:
			target, err := os.Readlink(name)
			if err != nil {
				return err
			}
			line += " " + target
		}
		lines = append(lines, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

func same(t *testing.T, here string, there *far) {
	t.Helper()
	if a, b := tree(t, here), tree(t, there.dir); a != b {
		t.Fatalf("here:\n%s\nthere:\n%s", a, b)
	}
}

func TestChangesTravelBothWays(t *testing.T) {
	here, there := t.TempDir(), newFar(t)
	write(t, here, "a/b/c", "one")
	write(t, here, "gone", "")
	write(t, there.dir, "left over", "from somebody")
	m := open(t, Config{Source: here})
	if _, err := m.Begin(t.Context(), there); err != nil {
		t.Fatal(err)
	}
	same(t, here, there)
	exchange := func() (conflicts []string) {
		t.Helper()
		if _, err := m.Exchange(t.Context(), there, func(name string) { conflicts = append(conflicts, name) }); err != nil {
			t.Fatal(err)
		}
		same(t, here, there)
		return conflicts
	}
	for _, f := range []func() error{
		func() error { return os.Remove(filepath.Join(here, "gone")) },
		func() error { return os.Chmod(filepath.Join(there.dir, "a/b/c"), 0o600) },
		func() error { return os.Symlink("a/b", filepath.Join(there.dir, "link")) },
		func() error { return os.Rename(filepath.Join(there.dir, "a"), filepath.Join(there.dir, "moved")) },
		func() error { return os.Chmod(there.dir, 0o700) },
		func() error { return os.RemoveAll(filepath.Join(here, "moved")) },
		func() error { return os.Mkdir(filepath.Join(here, "moved"), 0o711) },
		func() error { return os.Truncate(filepath.Join(there.dir, "x"), 1<<20) },
		func() error { return os.Remove(filepath.Join(there.dir, "moved")) },
		func() error { return os.WriteFile(filepath.Join(here, "moved"), []byte("a file now"), 0o640) },
	} {
		write(t, here, "x", "x") // is there for all
		exchange()
		if err := f(); err != nil {
			t.Fatal(err)
		}
		if all := exchange(); all != nil {
			t.Errorf("both have changed %q?", all)
		}
	}
	there.sent, there.fetched = 0, 0
	write(t, here, "mine", strings.Repeat("m", 1000))
	write(t, there.dir, "theirs", strings.Repeat("t", 1000))
	exchange()
	if there.sent > 6<<10 || there.fetched > 6<<10 {
		t.Errorf("a file of 1,000 bytes each way: sent %d, fetched %d", there.sent, there.fetched)
	}
	write(t, here, "both", "mine")
	write(t, there.dir, "both", "theirs")
	write(t, here, "d/mine", "m")
	write(t, there.dir, "d/theirs", "t")
	if got := exchange(); !slices.Equal(got, []string{"/both"}) {
		t.Errorf("both have changed %q", got)
	}
	if text, err := os.ReadFile(filepath.Join(here, "both")); err != nil || string(text) != "theirs" {
		t.Errorf("%q, %v", text, err)
	}
}

// TestAnotherProcessGoesOn has a server end between an exchange and the next.
func TestAnotherProcessGoesOn(t *testing.T) {
	here, there, record := t.TempDir(), newFar(t), filepath.Join(t.TempDir(), "d", "record")
	write(t, here, "a", "one")
	write(t, here, "b", "one")
	config := Config{Source: here, Record: record}
	if _, err := open(t, config).Begin(t.Context(), there); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(here, "a")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(there.dir, "b")); err != nil {
		t.Fatal(err)
	}
	write(t, there.dir, "c", "one")
	if _, err := open(t, config).End(t.Context(), there, nil); err != nil {
		t.Fatal(err)
	}
	same(t, here, there)
	write(t, here, "d", "two")
	there.sent = 0
	m := open(t, config)
	if _, err := m.Begin(t.Context(), there); err != nil { // the task is started again
		t.Fatal(err)
	}
	same(t, here, there)
	if there.sent == 0 || bytes.Contains([]byte(tree(t, there.dir)), []byte("a -")) {
		t.Errorf("sent %d", there.sent)
	}
	// The next run ends with its machine: what it has changed is lost, and the copy is made anew.
	write(t, there.dir, "lost", "")
	there.broken = errdefs.ErrUnavailable
	if _, err := m.End(t.Context(), there, nil); !errdefs.IsUnavailable(err) || !strings.Contains(err.Error(), here) {
		t.Errorf("end: %v", err)
	}
	if _, err := open(t, config).Begin(t.Context(), there); err != nil {
		t.Fatal(err)
	}
	same(t, here, there)
}

func TestOnlyToBeRead(t *testing.T) {
	here, there := t.TempDir(), newFar(t)
	write(t, here, "a", "one")
	m := open(t, Config{Source: here, ReadOnly: true})
	if _, err := m.Begin(t.Context(), there); err != nil {
		t.Fatal(err)
	}
	write(t, there.dir, "a", "broken in")
	write(t, here, "b", "two")
	if _, err := m.Exchange(t.Context(), there, nil); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(here, "a")); err != nil || string(text) != "one" {
		t.Errorf("what may only be read has changed: %q, %v", text, err)
	}
	if _, err := os.Stat(filepath.Join(there.dir, "b")); err != nil {
		t.Error(err)
	}
}

func TestLimits(t *testing.T) {
	here, there := t.TempDir(), newFar(t)
	write(t, here, "a", strings.Repeat("a", 3000))
	m := open(t, Config{Source: here, Limit: 2000})
	_, err := m.Begin(t.Context(), there)
	if want := "bring " + here + " and its copy together: it has 2.93KiB, and 1.953KiB is the most that is sent there"; !errdefs.IsResourceExhausted(err) || err.Error() != want {
		t.Errorf("begin: %v", err)
	}
	m = open(t, Config{Source: here, Limit: 20_000})
	if _, err := m.Begin(t.Context(), there); err != nil {
		t.Fatal(err)
	}
	write(t, there.dir, "b", strings.Repeat("b", 50_000))
	if _, err := m.Exchange(t.Context(), there, nil); !errdefs.IsResourceExhausted(err) || !strings.Contains(err.Error(), "more has changed there") {
		t.Errorf("exchange: %v", err)
	}
	file := filepath.Join(here, "a")
	if _, err := Open(Config{Source: file}); !errdefs.IsInvalidArgument(err) || err.Error() != "mirror "+file+": "+file+" is no directory" {
		t.Errorf("a file: %v", err)
	}
}

// TestRandom changes both sides by a seed, never the same path on both, and wants them alike after each exchange.
func TestRandom(t *testing.T) {
	for seed := range uint64(20) {
		dice := rand.New(rand.NewPCG(seed, 1))
		here, there := t.TempDir(), newFar(t)
		m := open(t, Config{Source: here})
		if _, err := m.Begin(t.Context(), there); err != nil {
			t.Fatal(err)
		}
		for range 15 {
			for n := range dice.IntN(12) {
				side, own := here, []string{"p", "q"}
				if n%2 == 1 {
					side, own = there.dir, []string{"r", "s"}
				}
				name := filepath.Join(own[dice.IntN(2)], fmt.Sprint(dice.IntN(3)), fmt.Sprint(dice.IntN(3)))
				full := filepath.Join(side, name)
				switch dice.IntN(5) {
				case 0:
					_ = os.RemoveAll(full) // it may not be there
				case 1:
					_ = os.RemoveAll(filepath.Dir(full))
				case 2:
					_ = os.Chmod(full, os.FileMode(0o600+dice.IntN(8)))
				case 3:
					_ = os.Rename(full, full+"x")
				default:
					write(t, side, name, fmt.Sprint(dice.Uint64()))
				}
			}
			if _, err := m.Exchange(t.Context(), there, func(name string) { t.Errorf("seed %d: both have changed %s?", seed, name) }); err != nil {
				t.Fatal(err)
			}
			same(t, here, there)
		}
	}
}
