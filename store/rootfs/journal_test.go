package rootfs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// imageLayers has a bit of everything.
func imageLayers(t testing.TB) []string {
	return layers(t, []entry{
		{name: "etc", mode: fs.ModeDir | 0o755},
		{name: "etc/passwd", body: "root:x:0:0\n", uid: 7, gid: 8},
		{name: "etc/big", body: strings.Repeat("0123456789", 1000)},
		{name: "etc/linked", link: "etc/passwd"},
		{name: "bin", symlink: "usr/bin"},
		{name: "usr/bin/sh", body: "shell", mode: 0o755 | fs.ModeSetuid},
		{name: "tmp", mode: fs.ModeDir | fs.ModeSticky | 0o777},
		{name: "dev/null", mode: fs.ModeDevice | fs.ModeCharDevice | 0o666},
	})
}

func describe(t *testing.T, v *View) string {
	t.Helper()
	return viewWorld{v, ""}.picture()
}

// abandon lets go of an Overlay as the death of the process does.
func abandon(t *testing.T, o *Overlay) {
	t.Helper()
	if err := errors.Join(o.disk.journal.Close(), o.disk.unlock(), o.stack.close()); err != nil {
		t.Fatal(err)
	}
	o.disk, o.stack, o.closed = nil, nil, true
}

// TestJournalCutAnywhere does operations, each of which is one record, cuts the journal at every byte, and expects the
// state after the last operation that is whole.
func TestJournalCutAnywhere(t *testing.T) {
	dirs, upper := imageLayers(t), filepath.Join(t.TempDir(), "upper")
	o := openOverlay(t, dirs, upper)
	v := rootView(o)
	var open *File
	type state struct {
		end     int64
		picture string
	}
	states := []state{{0, describe(t, v)}}
	for i, op := range []func() error{
		func() error { return v.Mkdir("/new", 0o700) },
		func() error { return v.Symlink("../etc/passwd", "/new/link") },
		func() (err error) { open, err = v.OpenFile("/new/file", os.O_CREATE|os.O_RDWR, 0o640); return err },
		func() error { _, err := open.WriteString("some text"); return err },
		func() error { _, err := open.WriteAt([]byte("more"), 40); return err },
		func() error { return v.Rename("/etc", "/new/etc") },
		func() error { return v.Chmod("/new/etc/linked", 0o600) },
		func() error { return v.Link("/new/etc/passwd", "/second") },
		func() error { return v.Chown("/new/etc/big", 1, 2) },
		func() error { return v.Unlink("/usr/bin/sh") },
		func() error { return v.Rmdir("/usr/bin") },
		func() error { _, err := open.Write(bytes.Repeat([]byte("x"), 1500)); return err }, // now in a host file
		func() error { return open.Close() },
		func() error { return v.Setxattr("/tmp", "user.a", []byte("b")) },
		func() error { return v.Truncate("/second", 3) },
		func() error { return v.Rename("/new/link", "/second") },
		func() error { return v.Mknod("/fifo", fs.ModeNamedPipe|0o600, 0) },
	} {
		if err := op(); err != nil {
			t.Fatalf("operation %d: %v", i, err)
		}
		states = append(states, state{o.disk.size, describe(t, v)})
	}
	journal, err := os.ReadFile(filepath.Join(upper, "journal"))
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	for cut := range len(journal) + 1 {
		want := states[0]
		for _, s := range states {
			if s.end <= int64(cut) {
				want = s
			}
		}
		dir := filepath.Join(t.TempDir(), fmt.Sprint(cut))
		if err := os.CopyFS(filepath.Join(dir, "data"), os.DirFS(filepath.Join(upper, "data"))); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "journal"), journal[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		o, err := OpenOverlay(dirs, dir)
		if err != nil {
			t.Fatalf("cut at %d of %d: %v", cut, len(journal), err)
		}
		if got := describe(t, rootView(o)); got != want.picture {
			t.Fatalf("cut at %d of %d\nwant %s\ngot  %s", cut, len(journal), want.picture, got)
		}
		if cut%25 != 0 {
			abandon(t, o)
			os.RemoveAll(dir)
			continue
		}
		// It goes on from there.
		if err := rootView(o).WriteFile("/after", []byte("after"), 0o600); err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		after := describe(t, rootView(o))
		if err := o.Close(); err != nil {
			t.Fatal(err)
		}
		o = openOverlay(t, dirs, dir)
		if got := describe(t, rootView(o)); got != after {
			t.Fatalf("cut at %d, written, opened again\nwant %s\ngot  %s", cut, after, got)
		}
		o.Close()
		os.RemoveAll(dir)
	}
}

// TestJournalSurvivesDeath opens what another Overlay has written and not closed, as after a kill -9.
func TestJournalSurvivesDeath(t *testing.T) {
	dirs, upper := imageLayers(t), filepath.Join(t.TempDir(), "upper")
	v := rootView(openOverlay(t, dirs, upper))
	f, err := v.OpenFile("/etc/big", os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("end"); err != nil {
		t.Fatal(err)
	}
	if err := v.WriteFile("/gone", bytes.Repeat([]byte("x"), 5000), 0o600); err != nil {
		t.Fatal(err)
	}
	gone, err := v.Open("/gone")
	if err != nil {
		t.Fatal(err)
	}
	defer gone.Close()
	if err := v.Unlink("/gone"); err != nil {
		t.Fatal(err)
	}
	want := describe(t, v)
	copied := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(copied, os.DirFS(upper)); err != nil {
		t.Fatal(err)
	}
	o := openOverlay(t, dirs, copied)
	if got := describe(t, rootView(o)); got != want {
		t.Errorf("want %s\ngot %s", want, got)
	}
	files, err := os.ReadDir(filepath.Join(copied, "data"))
	if err != nil || len(files) != 1 {
		t.Errorf("host files after a death: %v, %v; want the one of /etc/big", files, err)
	}
}

func TestJournalIsRewritten(t *testing.T) {
	dirs, upper := imageLayers(t), filepath.Join(t.TempDir(), "upper")
	o := openOverlay(t, dirs, upper)
	v := rootView(o)
	for i := range 20_000 {
		if err := v.WriteFile("/tmp/same", fmt.Append(nil, "text ", i), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if o.disk.size > compactAfter+4096 {
		t.Errorf("journal of one small file has %d bytes", o.disk.size)
	}
	want := describe(t, v)
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	o = openOverlay(t, dirs, upper)
	if got := describe(t, rootView(o)); got != want {
		t.Errorf("want %s\ngot %s", want, got)
	}
	if o.disk.size > 2000 {
		t.Errorf("journal has %d bytes after opening", o.disk.size)
	}
}

func TestUpperHasOneOpener(t *testing.T) {
	dirs, upper := imageLayers(t), filepath.Join(t.TempDir(), "upper")
	first, second := openOverlay(t, dirs, upper), openOverlay(t, dirs, upper)
	if _, err := os.Stat(upper); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("an Overlay that was not written to is on the disk: %v", err)
	}
	if err := rootView(first).Mkdir("/a", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := rootView(second).Mkdir("/b", 0o755); !errors.Is(err, syscall.EBUSY) {
		t.Errorf("write of a second opener: %v", err)
	}
	if _, err := OpenOverlay(dirs, upper); !errors.Is(err, ErrInUse) {
		t.Errorf("opening what is open: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := rootView(second).Mkdir("/b", 0o755); err == nil {
		t.Error("an Overlay opened before another wrote may write over it")
	}
	third := openOverlay(t, dirs, upper)
	if _, err := rootView(third).Stat("/a"); err != nil {
		t.Error(err)
	}
	if _, err := OpenOverlay(dirs[:0], upper); err == nil {
		t.Error("opened over other layers")
	}
}

func TestTornDataIsNotTaken(t *testing.T) {
	upper := filepath.Join(t.TempDir(), "upper")
	o := openOverlay(t, nil, upper)
	v := rootView(o)
	for _, name := range []string{"/a", "/b", "/c"} {
		if err := v.Mkdir(name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	journal, err := os.ReadFile(filepath.Join(upper, "journal"))
	if err != nil {
		t.Fatal(err)
	}
	journal[len(journal)-3] ^= 1 // in the last record
	if err := os.WriteFile(filepath.Join(upper, "journal"), journal, 0o600); err != nil {
		t.Fatal(err)
	}
	v = rootView(openOverlay(t, nil, upper))
	if _, err := v.Stat("/b"); err != nil {
		t.Error(err)
	}
	if _, err := v.Stat("/c"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("record with a wrong checksum: %v", err)
	}
}

func FuzzReplay(f *testing.F) {
	o, err := OpenOverlay(nil, filepath.Join(f.TempDir(), "upper"))
	if err != nil {
		f.Fatal(err)
	}
	v := rootView(o)
	if err := errors.Join(v.Mkdir("/a", 0o755), v.WriteFile("/a/b", []byte("x"), 0o600), v.Setxattr("/a", "user.x", []byte("y")), v.Truncate("/a/b", 1)); err != nil {
		f.Fatal(err)
	}
	f.Add(o.snapshot())
	if err := o.Close(); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, journal []byte) {
		o := &Overlay{mode: 0o755, born: time.Now().UnixNano()}
		if valid, _ := replayJournal(bytes.NewReader(journal), o); valid > int64(len(journal)) {
			t.Errorf("%d of %d bytes are valid", valid, len(journal))
		}
	})
}
