package rootfs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
)

func names(t *testing.T, v *View, dir string) string {
	t.Helper()
	entries, err := v.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return strings.Join(all, " ")
}

func TestLayersAreStacked(t *testing.T) {
	dir := fs.ModeDir | 0o755
	v := rootView(openOverlay(t, layers(t,
		[]entry{
			{name: "a", mode: fs.ModeDir | 0o711, uid: 5}, {name: "a/1", body: "1"}, {name: "a/2", body: "2"},
			{name: "b", mode: dir}, {name: "b/1", body: "1"},
			{name: "c", mode: dir}, {name: "c/d/e/1", body: "1"},
			{name: "file", body: "file"}, {name: "dir/x", body: "x"}, {name: "gone", body: "gone"},
			{name: "dirgone/sub/x", body: "x"}, {name: "link", symlink: "a"},
		},
		[]entry{
			{name: "a/2", body: "two"}, {name: "a/3", body: "3"}, // a has no entry of its own here
			{name: "b/.wh..wh..opq"}, {name: "b/2", body: "2"},
			{name: ".wh.gone"}, {name: ".wh.dirgone"},
			{name: "file/now/dir", body: "x"}, {name: "dir", body: "now a file"},
			{name: "link", mode: dir},
		},
		[]entry{
			{name: "a/.wh.1"}, {name: "a/4", link: "c/d/e/1"},
			{name: "b/1", body: "new"},
			{name: "c/d/e", mode: fs.ModeDir | 0o700},
			{name: "dirgone/new", body: "x"},
		}), ""))
	for dir, want := range map[string]string{
		"/": "a b c dir dirgone file link", "/a": "2 3 4", "/b": "1 2", "/c/d/e": "1", "/dirgone": "new", "/file/now": "dir", "/link": "",
	} {
		if got := names(t, v, dir); got != want {
			t.Errorf("%s has %q, want %q", dir, got, want)
		}
	}
	for name, want := range map[string]string{"/a/2": "two", "/a/4": "1", "/b/1": "new", "/c/d/e/1": "1", "/dir": "now a file"} {
		if got, err := v.ReadFile(name); err != nil || string(got) != want {
			t.Errorf("%s is %q, %v, want %q", name, got, err, want)
		}
	}
	for _, name := range []string{"/gone", "/dirgone/sub", "/a/1", "/dir/x"} {
		if _, err := v.Lstat(name); !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, want := range map[string]fs.FileMode{"/a": 0o711, "/c/d/e": 0o700, "/c": 0o755} {
		if info, err := v.Stat(name); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	if info, err := v.Stat("/a"); err != nil || info.UID() != 5 || !info.ModTime().Equal(layerTime) {
		t.Errorf("/a: %+v, %v", info, err)
	}
	if one, err := v.Stat("/c/d/e/1"); err != nil {
		t.Error(err)
	} else if four, err := v.Stat("/a/4"); err != nil || one.Ino() != four.Ino() {
		t.Errorf("a hard link to a lower layer's file is another file: %v", err)
	}
}

func TestChanges(t *testing.T) {
	dirs := layers(t, []entry{
		{name: "bin/sh", body: "sh"}, {name: "etc/passwd", body: "root"}, {name: "etc/group", body: "g"},
		{name: "opt/app/a", body: "a"}, {name: "opt/app/b", body: "b"}, {name: "var/log/x", body: "x"}, {name: "var/cache/y", body: "y"},
	})
	o := openOverlay(t, dirs, filepath.Join(t.TempDir(), "upper"))
	v := rootView(o)
	if all, err := o.Changes(); err != nil || len(all) != 0 {
		t.Errorf("of a new container: %v, %v", all, err)
	}
	if _, err := v.ReadFile("/bin/sh"); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		v.WriteFile("/etc/passwd", []byte("changed"), 0), v.Unlink("/etc/group"), v.WriteFile("/etc/new", []byte("12345"), 0o644),
		v.Rename("/opt/app", "/opt/moved"), v.RemoveAll("/var/log"), v.RemoveAll("/var/cache"), v.Mkdir("/var/cache", 0o755),
		v.WriteFile("/tmp", nil, 0o644), v.Unlink("/tmp"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	want := []Change{
		{"/etc", Modified}, {"/etc/group", Deleted}, {"/etc/new", Added}, {"/etc/passwd", Modified},
		{"/opt", Modified}, {"/opt/app", Deleted}, {"/opt/moved", Added}, {"/opt/moved/a", Added}, {"/opt/moved/b", Added},
		{"/var", Modified}, {"/var/cache", Modified}, {"/var/cache/y", Deleted}, {"/var/log", Deleted},
	}
	got, err := o.Changes()
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v\nwant %v", got, err, want)
	}
	if rw, root := o.Size(); rw != 12 || root != 12+11 {
		t.Errorf("size %d, %d", rw, root)
	}
}

// TestUnwrittenCostsNothing opens ten thousand containers of an image.
func TestUnwrittenCostsNothing(t *testing.T) {
	dirs := imageLayers(t)
	upper := t.TempDir()
	const n = 10_000
	all := make([]*Overlay, n)
	memory := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := memory()
	for i := range all {
		o, err := OpenOverlay(dirs, filepath.Join(upper, fmt.Sprint(i)))
		if err != nil {
			t.Fatal(err)
		}
		all[i] = o
		if _, err := rootView(o).ReadFile("/usr/bin/sh"); err != nil {
			t.Fatal(err)
		}
	}
	if each := (memory() - before) / n; each > 1000 {
		t.Errorf("a container that was only read has %d bytes", each)
	}
	if entries, err := os.ReadDir(upper); err != nil || len(entries) != 0 {
		t.Errorf("on the disk: %v, %v", entries, err)
	}
	for _, o := range all {
		if err := o.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestUnlinkedFileLivesOn(t *testing.T) {
	for _, upper := range []string{"", filepath.Join(t.TempDir(), "upper")} {
		o := openOverlay(t, imageLayers(t), upper)
		v := rootView(o)
		for _, name := range []string{"/etc/big", "/etc/passwd", "/own", "/ownbig"} {
			if strings.HasPrefix(name, "/own") {
				if err := v.WriteFile(name, bytes.Repeat([]byte("y"), len(name)*400), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := v.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			f, err := v.OpenFile(name, os.O_RDWR|os.O_APPEND, 0)
			if err != nil {
				t.Fatal(err)
			}
			if err := v.Unlink(name); err != nil {
				t.Fatal(err)
			}
			if err := v.WriteFile(name, []byte("another"), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteString("+end"); err != nil {
				t.Errorf("%s: write after unlink: %v", name, err)
			}
			got, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<20))
			if err != nil || string(got) != string(want)+"+end" {
				t.Errorf("%s: read after unlink: %d bytes, %v", name, len(got), err)
			}
			if info, err := f.Stat(); err != nil || info.Nlink() != 0 && name != "/etc/passwd" {
				t.Errorf("%s: stat after unlink: %v, %v", name, info, err)
			}
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		}
		if upper != "" {
			files, err := os.ReadDir(filepath.Join(upper, "data"))
			if err != nil || len(files) != 0 {
				t.Errorf("host files of unlinked files: %v, %v", files, err)
			}
		}
	}
}

// TestAppendIsAtomic has many writers on one file, from memory to a host file.
func TestAppendIsAtomic(t *testing.T) {
	host, err := NewHostDir(t.TempDir(), HostOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for kind, fsys := range map[string]FS{
		"disk": openOverlay(t, nil, filepath.Join(t.TempDir(), "upper")), "memory": NewTmpfs(0, 0o755), "host": host,
	} {
		v := rootView(fsys)
		var wg sync.WaitGroup
		const writers, lines = 8, 200
		for i := range writers {
			f, err := v.OpenFile("/log", os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
			if err != nil {
				t.Fatal(err)
			}
			wg.Go(func() {
				defer f.Close()
				for j := range lines {
					if _, err := fmt.Fprintf(f, "writer %d line %04d\n", i, j); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		b, err := v.ReadFile("/log")
		if err != nil {
			t.Fatal(err)
		}
		next := [writers]int{}
		for line := range strings.Lines(string(b)) {
			var i, j int
			if _, err := fmt.Sscanf(line, "writer %d line %d\n", &i, &j); err != nil || next[i] != j {
				t.Fatalf("%s: line %q, %v", kind, line, err)
			}
			next[i]++
		}
		if len(b) != writers*lines*len("writer 0 line 0000\n") {
			t.Errorf("%s: %d bytes", kind, len(b))
		}
	}
}

func TestRemoveWhileReading(t *testing.T) {
	v := rootView(NewTmpfs(0, 0o755))
	for i := range 1000 {
		if err := v.WriteFile(fmt.Sprintf("/f%d", i), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	d, err := v.Open("/")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for {
		entries, err := d.ReadDir(7)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			seen++
			if err := v.Unlink("/" + e.Name()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if left := names(t, v, "/"); seen != 1000 || left != "" {
		t.Errorf("saw %d, left %q", seen, left)
	}
}

func TestTmpfsLimit(t *testing.T) {
	v := rootView(NewTmpfs(100_000, fs.ModeSticky|0o777))
	if info, err := v.Stat("/"); err != nil || info.Mode() != fs.ModeDir|fs.ModeSticky|0o777 {
		t.Errorf("root: %v, %v", info, err)
	}
	if err := v.WriteFile("/a", make([]byte, 90_000), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := v.WriteFile("/b", make([]byte, 20_000), 0o644); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("over the limit: %v", err)
	}
	if err := v.Unlink("/a"); err != nil {
		t.Fatal(err)
	}
	if err := v.WriteFile("/b", make([]byte, 95_000), 0o644); err != nil {
		t.Errorf("after room was made: %v", err)
	}
	if err := v.Truncate("/b", 10); err != nil {
		t.Fatal(err)
	}
	if err := v.Truncate("/sparse", 1<<40); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	f, err := v.OpenFile("/sparse", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("end"), 1<<40); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 10)
	if n, err := f.ReadAt(b, 1<<40-4); n != 7 || err != io.EOF || string(b[:n]) != "\x00\x00\x00\x00end" {
		t.Errorf("read %q, %v", b[:n], err)
	}
}

func TestTmpfsIsEmptiedToNothing(t *testing.T) {
	o := NewTmpfs(1<<30, 0o755).(*Overlay)
	v := rootView(o)
	for i := range 50 {
		f, err := v.OpenFile("/f", os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt(bytes.Repeat([]byte("x"), 1000*i), int64(i*70_001)); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(f.Truncate(int64(i*69_000)), f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if err := v.Unlink("/f"); err != nil {
		t.Fatal(err)
	}
	if o.used != 0 || len(o.inodes) != 1 || len(o.opens) != 0 {
		t.Errorf("used %d, inodes %d, open %d", o.used, len(o.inodes), len(o.opens))
	}
}

// TestManyAtOnce has many users of one tree, for the race detector, and to see that what is counted adds up at the end.
func TestManyAtOnce(t *testing.T) {
	dirs, upper := imageLayers(t), filepath.Join(t.TempDir(), "upper")
	o := openOverlay(t, dirs, upper)
	tree := NewTree(o, false)
	var wg sync.WaitGroup
	for i := range 8 {
		v := tree.View(Cred{})
		wg.Go(func() {
			for j := range 100 {
				own, shared := fmt.Sprintf("/tmp/%d", i), fmt.Sprintf("/tmp/shared%d", j%5)
				// Others are at the shared names too: errors are expected, a broken tree is not.
				_ = v.WriteFile(shared, bytes.Repeat([]byte("x"), j*40), 0o644)
				_, _ = v.ReadFile(shared)
				_ = v.Truncate(shared, int64(j*30))
				_ = v.Rename(shared, shared+"b")
				_ = v.Link(shared+"b", own)
				_, _ = v.ReadDir("/tmp")
				_ = v.Chmod(shared, 0o600)
				_ = v.WriteFile("/etc/big", []byte("y"), 0)
				_ = v.Mkdir(own+"d", 0o755)
				_ = v.Rename(own+"d", "/tmp/shared0/d")
				_ = v.RemoveAll(own)
				_ = v.Unlink(shared + "b")
				_, _ = o.Changes()
			}
			if err := v.RemoveAll(fmt.Sprintf("/tmp/%dd", i)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	v := tree.View(Cred{})
	want := describe(t, v)
	if len(o.opens) != 0 {
		t.Errorf("%d files are open", len(o.opens))
	}
	for _, n := range o.inodes {
		if n.ino >= upperIno && n.nlink == 0 || n.file != nil {
			t.Errorf("inode %d has %d links, host file %v", n.ino, n.nlink, n.file)
		}
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	if err := v.Mkdir("/late", 0o755); err == nil {
		t.Error("changed after Close")
	}
	if got := describe(t, rootView(openOverlay(t, dirs, upper))); got != want {
		t.Errorf("opened again\ngot  %s\nwant %s", got, want)
	}
}
