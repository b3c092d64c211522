package rootfs

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/containerd/errdefs"
)

// portrait tells all of a tree that a layer keeps.
func portrait(t *testing.T, v *View) string {
	t.Helper()
	var b strings.Builder
	links := map[uint64]string{}
	var visit func(name string)
	visit = func(name string) {
		info, err := v.Lstat(name)
		if err != nil {
			t.Fatal(err)
		}
		mode := info.Mode()
		if mode&fs.ModeSymlink != 0 {
			mode = fs.ModeSymlink // whose permissions mean nothing
		}
		fmt.Fprintf(&b, "%s %v %d:%d %d", name, mode, info.UID(), info.GID(), info.ModTime().UnixNano())
		switch kind := info.Mode().Type(); kind {
		case 0:
			data, err := v.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, " %d bytes %08x %.10q", len(data), crc32.ChecksumIEEE(data), data)
		case fs.ModeSymlink:
			target, err := v.Readlink(name)
			fmt.Fprint(&b, " -> ", target, " ", err)
		case fs.ModeDir:
		default:
			fmt.Fprint(&b, " ", Major(info.Rdev()), ",", Minor(info.Rdev()))
		}
		if !info.IsDir() {
			if first, ok := links[info.Ino()]; ok {
				fmt.Fprint(&b, " same as ", first)
			} else {
				links[info.Ino()] = name
			}
		}
		if info.IsDir() || info.Mode().IsRegular() {
			attrs, err := v.Listxattr(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range attrs {
				value, err := v.Getxattr(name, a)
				fmt.Fprintf(&b, " %s=%q %v", a, value, err)
			}
		}
		fmt.Fprintln(&b)
		if info.IsDir() {
			entries, err := v.ReadDir(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				visit(path.Join(name, e.Name()))
			}
		}
	}
	visit("/")
	return b.String()
}

// compare shows the first lines that differ.
func compare(t *testing.T, what, got, want string) {
	t.Helper()
	if got == want {
		return
	}
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	var b strings.Builder
	for _, l := range g {
		if !slices.Contains(w, l) {
			fmt.Fprintln(&b, "got ", l)
		}
	}
	for _, l := range w {
		if !slices.Contains(g, l) {
			fmt.Fprintln(&b, "want", l)
		}
	}
	t.Fatalf("%s:\n%.4000s", what, b.String())
}

// deltaLayers have what is hard to say in a layer.
func deltaLayers(t testing.TB) []string {
	dir := fs.ModeDir | 0o755
	big := strings.Repeat("0123456789", 20_000)
	return layers(t, []entry{
		{name: "a", mode: dir}, {name: "a/a", mode: dir}, {name: "a/b", body: "ab", uid: 3}, {name: "a/c", body: big},
		{name: "a/a/a", body: "aaa"}, {name: "a/a/b", link: "a/c"}, {name: "a/d", symlink: "../b"},
		{name: "b", mode: dir}, {name: "b/a", body: "ba", xattrs: map[string]string{"user.kept": "layer"}}, {name: "b/b", mode: dir}, {name: "b/b/c", body: big[:3000]},
		{name: "c", mode: fs.ModeDir | fs.ModeSetgid | 0o775, gid: 9}, {name: "c/a/b/c/d", body: "deep"}, {name: "d", body: "d", mode: 0o4755 | fs.ModeSetuid},
	}, []entry{
		{name: "b/b", mode: fs.ModeDir | 0o700}, {name: "b/b/a", body: "upper"}, {name: "b/c", link: "b/a"},
		{name: "c/a", mode: dir}, {name: "c/a/.wh..wh..opq"}, {name: "c/a/d", body: "opaque"},
		{name: "dev/null", mode: fs.ModeDevice | fs.ModeCharDevice | 0o666},
	})
}

// player does random operations on views; the same on all of them.
type player struct {
	r     *rand.Rand
	names []string
}

func newPlayer(seed uint64) *player {
	return &player{rand.New(rand.NewPCG(seed, 7)), []string{"a", "b", "c", "d"}}
}

func (p *player) path() string {
	name := ""
	for range 1 + p.r.IntN(4) {
		name += "/" + p.names[p.r.IntN(len(p.names))]
	}
	return name
}

// op gives an operation, and what it is called.
func (p *player) op() (string, func(v *View) error) {
	a, b, n := p.path(), p.path(), p.r.IntN(9000)
	if p.r.IntN(20) == 0 {
		n *= 30 // beyond a page
	}
	data := bytes.Repeat([]byte{byte('a' + n%26)}, n)
	write := func(flag int, off int64) func(v *View) error {
		return func(v *View) error {
			f, err := v.OpenFile(a, flag, 0o644)
			if err != nil {
				return err
			}
			if off < 0 {
				_, err = f.Write(data)
			} else {
				_, err = f.WriteAt(data, off)
			}
			return errors.Join(err, f.Close())
		}
	}
	ops := []struct {
		name string
		do   func(v *View) error
	}{
		{"mkdir", func(v *View) error { return v.Mkdir(a, 0o755) }},
		{"mkdir", func(v *View) error { return v.Mkdir(a, 0o700) }},
		{"rmdir", func(v *View) error { return v.Rmdir(a) }},
		{"unlink", func(v *View) error { return v.Unlink(a) }},
		{"removeall", func(v *View) error { return v.RemoveAll(a) }},
		{"rename", func(v *View) error { return v.Rename(a, b) }},
		{"rename", func(v *View) error { return v.Rename(a, b) }},
		{"link", func(v *View) error { return v.Link(a, b) }},
		{"link", func(v *View) error { return v.Link(a, b) }},
		{"symlink", func(v *View) error { return v.Symlink(b, a) }},
		{"truncate", func(v *View) error { return v.Truncate(a, int64(n)) }},
		{"chmod", func(v *View) error { return v.Chmod(a, fs.FileMode(n&0o777|0o700)|fs.FileMode(n&1)*fs.ModeSticky) }},
		{"chown", func(v *View) error { return v.Lchown(a, n, n+1) }},
		{"chtimes", func(v *View) error { return v.Lchtimes(a, time.Time{}, time.Unix(int64(n)*100_000, int64(n))) }},
		{"setxattr", func(v *View) error { return v.Setxattr(a, fmt.Sprint("user.", n%3), data[:n%100]) }},
		{"removexattr", func(v *View) error { return v.Removexattr(a, fmt.Sprint("user.", n%3)) }},
		{"fifo", func(v *View) error { return v.Mknod(a, fs.ModeNamedPipe|0o644, 0) }},
		{"device", func(v *View) error { return v.Mknod(a, fs.ModeDevice|fs.ModeCharDevice|0o600, Mkdev(1, uint32(n&7))) }},
		{"create", write(os.O_WRONLY|os.O_CREATE|os.O_EXCL, -1)},
		{"write", write(os.O_WRONLY|os.O_CREATE|os.O_TRUNC, -1)},
		{"append", write(os.O_WRONLY|os.O_CREATE|os.O_APPEND, -1)},
		{"append", write(os.O_WRONLY|os.O_APPEND, -1)},
		{"patch", write(os.O_RDWR, int64(n%5000))},
	}
	o := ops[p.r.IntN(len(ops))]
	return fmt.Sprintf("%s %s %s %d", o.name, a, b, n), o.do
}

func (p *player) play(n int, v *View) {
	for range n {
		_, do := p.op()
		_ = do(v) // most fail: the names are few
	}
}

func deltaOf(t *testing.T, o *Overlay, since Mark) ([]byte, Mark) {
	t.Helper()
	var b bytes.Buffer
	mark, _, err := o.Delta(&b, since)
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), mark
}

func applyTo(t *testing.T, v *View, layer []byte) ApplyStats {
	t.Helper()
	stats, err := v.ApplyLayer(bytes.NewReader(layer), "/", ApplyLayerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return stats
}

func headers(t *testing.T, layer []byte) (all []*tar.Header) {
	t.Helper()
	for r := tar.NewReader(bytes.NewReader(layer)); ; {
		h, err := r.Next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, h)
	}
}

func namesIn(t *testing.T, layer []byte) string {
	t.Helper()
	var all []string
	for _, h := range headers(t, layer) {
		all = append(all, h.Name)
	}
	return strings.Join(all, " ")
}

// TestDeltaIsWhatChanged applies deltas to a second tree of the same layers, all since the image and step by step, and
// after the changed one was opened again.
func TestDeltaIsWhatChanged(t *testing.T) {
	for seed := range uint64(30) {
		for _, kind := range []string{"disk", "memory", "tmpfs"} {
			t.Run(fmt.Sprint(kind, "/", seed), func(t *testing.T) {
				var dirs []string
				upper := ""
				switch kind {
				case "disk":
					dirs, upper = deltaLayers(t), filepath.Join(t.TempDir(), "upper")
				case "memory":
					dirs = deltaLayers(t)
				}
				open := func(upper string) *Overlay {
					if kind == "tmpfs" {
						return NewTmpfs(0, 0o755).(*Overlay)
					}
					return openOverlay(t, dirs, upper)
				}
				changed, steps := open(upper), open("")
				p, v, stepView := newPlayer(seed), rootView(changed), rootView(steps)
				if kind == "tmpfs" {
					if err := errors.Join(v.Chtimes("/", time.Time{}, layerTime), stepView.Chtimes("/", time.Time{}, layerTime)); err != nil {
						t.Fatal(err)
					}
				}
				var mark Mark
				for i := range 12 {
					p.play(1+p.r.IntN(60), v)
					var layer []byte
					layer, mark = deltaOf(t, changed, mark)
					applyTo(t, stepView, layer)
					compare(t, fmt.Sprint("step ", i, " ", namesIn(t, layer)), portrait(t, stepView), portrait(t, v))
					all, _ := deltaOf(t, changed, Mark{})
					again, _ := deltaOf(t, changed, Mark{})
					if !bytes.Equal(all, again) {
						t.Fatal("not the same twice")
					}
					fresh := rootView(open(""))
					if kind == "tmpfs" {
						_ = fresh.Chtimes("/", time.Time{}, layerTime)
					}
					applyTo(t, fresh, all)
					compare(t, fmt.Sprint("all at step ", i, " ", namesIn(t, all)), portrait(t, fresh), portrait(t, v))
					if same, next := deltaOf(t, changed, mark); len(same) != 1024 || next != mark {
						t.Fatalf("nothing changed, and the delta has %s", namesIn(t, same))
					}
				}
				if kind != "disk" {
					return
				}
				all, _ := deltaOf(t, changed, Mark{})
				if err := changed.Close(); err != nil {
					t.Fatal(err)
				}
				changed = openOverlay(t, dirs, upper)
				if again, _ := deltaOf(t, changed, Mark{}); !bytes.Equal(all, again) {
					t.Errorf("opened again it has %s\nbefore %s", namesIn(t, again), namesIn(t, all))
				}
				if _, _, err := changed.Delta(io.Discard, mark); !errdefs.IsInvalidArgument(err) {
					t.Errorf("with the mark of the last opening: %v", err)
				}
			})
		}
	}
}

// TestDeltaBothWays has two sides that change in turns, and at the same time where the other does not.
func TestDeltaBothWays(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			dirs := deltaLayers(t)
			sides := [2]*Overlay{openOverlay(t, dirs, filepath.Join(t.TempDir(), "upper")), openOverlay(t, dirs, "")}
			views := [2]*View{rootView(sides[0]), rootView(sides[1])}
			var marks [2]Mark
			for i := range sides { // the zero mark has what was applied too
				if err := views[i].Mkdir("/own"+fmt.Sprint(i), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			first, _ := deltaOf(t, sides[0], Mark{})
			second, _ := deltaOf(t, sides[1], Mark{})
			applyTo(t, views[1], first)
			applyTo(t, views[0], second)
			for i, v := range views {
				if err := v.Chtimes("/", time.Time{}, layerTime); err != nil { // which both have changed
					t.Fatal(err)
				}
				marks[i] = sides[i].Mark()
			}
			p := newPlayer(seed)
			for i := range 20 {
				from, to := i%2, 1-i%2
				p.play(40, views[from])
				meanwhile := fmt.Sprintf("/own%d/%d", to, i)
				if err := views[to].WriteFile(meanwhile, []byte(meanwhile), 0o600); err != nil {
					t.Fatal(err)
				}
				var layer []byte
				layer, marks[from] = deltaOf(t, sides[from], marks[from])
				if strings.Contains(namesIn(t, layer), fmt.Sprint("own", to)) {
					t.Fatalf("what came from the other side goes back: %s", namesIn(t, layer))
				}
				stats, err := views[to].ApplyLayer(bytes.NewReader(layer), "/", ApplyLayerOptions{Since: marks[to], Conflict: func(name string) { t.Errorf("conflict at %s", name) }})
				if err != nil || stats.Conflicts != 0 {
					t.Fatal(stats, err)
				}
				layer, marks[to] = deltaOf(t, sides[to], marks[to])
				if got, want := namesIn(t, layer), fmt.Sprintf("own%d/ %s", to, meanwhile[1:]); got != want {
					t.Fatalf("after a layer was applied, changes are %q, want %q", got, want)
				}
				applyTo(t, views[from], layer)
				compare(t, fmt.Sprint("turn ", i), portrait(t, views[0]), portrait(t, views[1]))
			}
		})
	}
}

// TestDeltaLikeGNUTar has GNU tar unpack a delta over the image's files on the host, after a small reference has done what
// its whiteouts say.
func TestDeltaLikeGNUTar(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("the owners of the unpacked files are compared: run this test as root")
	}
	gnu, err := exec.LookPath("tar")
	if err != nil {
		return // nobody to ask
	}
	if out, err := exec.Command(gnu, "--version").Output(); err != nil || !strings.Contains(string(out), "GNU tar") {
		return
	}
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			dirs, host := deltaLayers(t), t.TempDir()
			unpack := func(data []byte) {
				t.Helper()
				cmd := exec.Command(gnu, "-x", "-p", "--numeric-owner", "--same-owner", "--xattrs", "--xattrs-include=*", "--exclude=.wh.*", "--exclude=*/.wh.*", "-f", "-", "-C", host)
				cmd.Stdin = bytes.NewReader(data)
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("%v: %s\n%s", err, out, namesIn(t, data))
				}
			}
			// GNU tar does not take away the setgid that a directory has from the one above.
			var image bytes.Buffer
			packed := rootView(openOverlay(t, dirs, ""))
			if err := errors.Join(packed.Chmod("/c", 0o775), packed.Pack(&image, "/.")); err != nil {
				t.Fatal(err)
			}
			unpack(image.Bytes())
			o := openOverlay(t, dirs, filepath.Join(t.TempDir(), "upper"))
			v := rootView(o)
			if err := v.Chmod("/c", 0o775); err != nil {
				t.Fatal(err)
			}
			newPlayer(seed).play(400, v)
			if err := v.Chtimes("/", time.Time{}, layerTime); err != nil {
				t.Fatal(err)
			}
			layer, _ := deltaOf(t, o, Mark{})
			for _, h := range headers(t, layer) {
				dir, base := path.Split(strings.TrimSuffix(h.Name, "/"))
				at := filepath.Join(host, dir, base)
				switch gone, is := strings.CutPrefix(base, ".wh."); {
				case base == ".wh..wh..opq":
					old, _ := filepath.Glob(filepath.Join(host, dir, "*"))
					for _, name := range old {
						err = errors.Join(err, os.RemoveAll(name))
					}
				case is:
					err = os.RemoveAll(filepath.Join(host, dir, gone))
				default:
					if info, statErr := os.Lstat(at); statErr == nil && (!info.IsDir() || h.Typeflag != tar.TypeDir) {
						err = os.RemoveAll(at)
					}
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			unpack(layer)
			f, err := NewHostDir(host, HostOptions{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { f.(io.Closer).Close() })
			compare(t, namesIn(t, layer), portrait(t, rootView(f)), portrait(t, v))
		})
	}
}

func TestDeltaNames(t *testing.T) {
	o := openOverlay(t, deltaLayers(t), filepath.Join(t.TempDir(), "upper"))
	v := rootView(o)
	do := func(errs ...error) {
		t.Helper()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
	var mark Mark
	expect := func(want string) {
		t.Helper()
		layer, next := deltaOf(t, o, mark)
		if got := namesIn(t, layer); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		mark = next
	}
	expect("")
	do(v.Chmod("/a/a", 0o700))
	expect("a/a/")
	do(v.Unlink("/d"))
	expect("./ .wh.d")
	do(v.WriteFile("/temp", nil, 0o600), v.Unlink("/temp"))
	expect("./")
	do(v.Rename("/c/a", "/e"))
	expect("./ c/ c/.wh.a e/ e/d")
	do(v.Rename("/e", "/a/e"))
	expect("./ a/ a/e/ a/e/d .wh.e")
	do(v.RemoveAll("/b/b"), v.Mkdir("/b/b", 0o755))
	expect("b/ b/b/ b/b/.wh..wh..opq")
	do(v.Chmod("/a/c", 0o600))
	expect("a/a/b a/c")
	do(v.Chmod("/b/c", 0o600)) // a layer's link to a file of the one below
	expect("b/a b/c")
	do(v.Link("/a/b", "/c/x"))
	expect("a/b c/ c/x")
	do(v.Unlink("/c/x"))
	expect("a/b c/ c/.wh.x")
	do(v.Setxattr("/a/b", "user.x", []byte("\x00")))
	expect("a/b")
	f, err := v.OpenFile("/a/c", os.O_RDWR, 0)
	do(err)
	_, err = f.WriteAt([]byte("x"), 100_000)
	do(err)
	expect("a/a/b a/c")
	do(f.Close())
	expect("")
	do(v.Mknod("/b/socket", fs.ModeSocket|0o600, 0))
	var b bytes.Buffer
	if _, stats, err := o.Delta(&b, mark); err != nil || stats != (DeltaStats{Files: 1, Skipped: 1}) {
		t.Errorf("with a socket: %+v, %v", stats, err)
	}
	do(v.WriteFile("/b/.wh.x", nil, 0o600))
	if _, _, err := o.Delta(&b, mark); !errdefs.IsFailedPrecondition(err) || !strings.Contains(err.Error(), "/b/.wh.x") {
		t.Errorf("with the name of a whiteout: %v", err)
	}
	if _, _, err := openOverlay(t, nil, "").Delta(&b, mark); !errdefs.IsInvalidArgument(err) {
		t.Errorf("with another's mark: %v", err)
	}
}

// TestManyRemovedNames keeps what is remembered of removed files within bounds.
func TestManyRemovedNames(t *testing.T) {
	o := NewTmpfs(0, 0o755).(*Overlay)
	v := rootView(o)
	first := o.Mark()
	var mark Mark
	const rounds, files = 5, 40_000
	for range rounds {
		for i := range files {
			if err := v.WriteFile(fmt.Sprint("/", i), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		mark = o.Mark()
		for i := range files {
			if err := v.Rename(fmt.Sprint("/", i), fmt.Sprint("/x", mark.gen, i)); err != nil {
				t.Fatal(err)
			}
			if err := v.Unlink(fmt.Sprint("/x", mark.gen, i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	var b bytes.Buffer
	if _, stats, err := o.Delta(&b, mark); err != nil || stats.Removed != files {
		t.Errorf("since the last mark: %+v, %v", stats, err)
	}
	if len(o.log) > 3*files+maxBuried {
		t.Errorf("%d names are remembered", len(o.log))
	}
	if _, _, err := o.Delta(&b, first); err != nil && !errdefs.IsFailedPrecondition(err) {
		t.Errorf("since the first mark: %v", err)
	}
}

func TestApplyLayerInPlace(t *testing.T) {
	dirs := deltaLayers(t)
	host, err := NewHostDir(t.TempDir(), HostOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for kind, fsys := range map[string]FS{"disk": openOverlay(t, dirs, filepath.Join(t.TempDir(), "upper")), "memory": openOverlay(t, dirs, ""), "host": host} {
		t.Run(kind, func(t *testing.T) {
			v := rootView(fsys)
			if err := errors.Join(v.MkdirAll("/b", 0o755), v.WriteFile("/b/a", []byte("old contents"), 0o600), v.WriteFile("/one", []byte("same name"), 0o600)); err != nil {
				t.Fatal(err)
			}
			if kind == "host" {
				if err := v.Link("/b/a", "/b/c"); err != nil {
					t.Fatal(err)
				}
			}
			single, err := v.OpenFile("/one", os.O_RDWR|os.O_APPEND, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer single.Close()
			before, _ := single.Stat()
			layer := tarOf(t, []entry{{name: "b/a", body: "of one name"}, {name: "one", body: "new"}})
			if stats := applyTo(t, v, layer); stats.Files != 2 || stats.Bytes != 14 {
				t.Errorf("%+v", stats)
			}
			after, err := single.Stat()
			if err != nil || after.Ino() != before.Ino() || after.Size() != 3 || !after.ModTime().Equal(layerTime) {
				t.Errorf("open file: %+v, %v", after, err)
			}
			if _, err := single.WriteString("+end"); err != nil {
				t.Fatal(err)
			}
			if b, err := v.ReadFile("/one"); err != nil || string(b) != "new+end" {
				t.Errorf("%q, %v", b, err)
			}
			for name, want := range map[string]string{"/b/a": "of one name", "/b/c": "old contents"} {
				if b, err := v.ReadFile(name); err != nil || string(b) != want {
					t.Errorf("%s: %q, %v", name, b, err)
				}
			}
		})
	}
}

func TestApplyLayerConflicts(t *testing.T) {
	o := openOverlay(t, deltaLayers(t), "")
	v := rootView(o)
	mark := o.Mark()
	for _, err := range []error{
		v.WriteFile("/d", []byte("ours"), 0o600), v.Unlink("/a/b"), v.WriteFile("/b/b/new", nil, 0o600), v.Mkdir("/b/both", 0o755), v.WriteFile("/mine", nil, 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	var told []string
	stats, err := v.ApplyLayer(bytes.NewReader(tarOf(t, []entry{
		{name: "a/b", body: "theirs"}, {name: "a/a/a", body: "theirs"}, {name: "b/.wh.b"}, {name: "b", mode: fs.ModeDir | 0o700}, {name: "d", body: "theirs"},
	})), "/", ApplyLayerOptions{Since: mark, Conflict: func(name string) { told = append(told, name) }})
	if want := []string{"/a/b", "/b/b/new", "/d"}; err != nil || !slices.Equal(told, want) || stats.Conflicts != 3 {
		t.Errorf("told %v, want %v; %+v, %v", told, want, stats, err)
	}
	if b, err := v.ReadFile("/d"); err != nil || string(b) != "theirs" {
		t.Errorf("%q, %v", b, err)
	}
	layer, _ := deltaOf(t, o, mark)
	if got := namesIn(t, layer); got != "./ a/ b/both/ mine" && got != "./ b/both/ mine" {
		t.Errorf("ours is %s", got)
	}
}

func TestApplyLayerStaysInside(t *testing.T) {
	for name, c := range map[string]struct {
		entries []entry
		want    error
	}{
		"dotdot":             {[]entry{{name: "../x", body: "x"}}, ErrBreakout},
		"whiteout of dotdot": {[]entry{{name: "sub/.wh..."}}, nil},
		"whiteout of parent": {[]entry{{name: "sub/.wh...", body: ""}}, nil},
		"whiteout of ..":     {[]entry{{name: ".wh..."}}, nil},
		"whiteout of itself": {[]entry{{name: ".wh.."}}, ErrBreakout},
		"nameless whiteout":  {[]entry{{name: ".wh."}}, ErrBreakout},
		"whiteout by a link": {[]entry{{name: "old/.wh.secret"}}, ErrBreakout},
		"opaque by a link":   {[]entry{{name: "old/.wh..wh..opq"}}, ErrBreakout},
		"through a link":     {[]entry{{name: "old/x", body: "x"}}, ErrBreakout},
		"hard link out":      {[]entry{{name: "h", link: "../outside/secret"}}, ErrBreakout},
		"late attributes":    {[]entry{{name: "sub", mode: fs.ModeDir | 0o777}, {name: "sub", symlink: "../outside"}}, nil},
		"of what is missing": {[]entry{{name: "no/such/.wh.file"}, {name: "no/.wh..wh..opq"}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			v := rootView(NewTmpfs(0, 0o755))
			play(t, v, "d /outside 755 0 0", "f /outside/secret 600 0 0 secret", "d /in 755 0 0", "d /in/sub 755 0 0", "l /in/old ../outside")
			_, err := v.ApplyLayer(bytes.NewReader(tarOf(t, c.entries)), "/in", ApplyLayerOptions{})
			if !errors.Is(err, c.want) && !(c.want == nil && errors.Is(err, ErrBreakout)) {
				t.Errorf("error %v, want %v", err, c.want)
			}
			if got := names(t, v, "/") + " " + names(t, v, "/outside"); got != "in outside secret" {
				t.Errorf("there is %q", got)
			}
			if info, err := v.Stat("/outside"); err != nil || info.Mode().Perm() != 0o755 {
				t.Errorf("/outside: %v, %v", info, err)
			}
		})
	}
}

func TestApplyLayerLeavesMountsAlone(t *testing.T) {
	o, volume := openOverlay(t, deltaLayers(t), ""), NewTmpfs(0, 0o755)
	tree := NewTree(o, false)
	if err := errors.Join(tree.Mount("/a/a", volume, false), tree.MountHidden("/etc/hosts", NewTmpfs(0, 0o755), false)); err != nil {
		t.Fatal(err)
	}
	v := tree.View(Cred{})
	if err := v.WriteFile("/a/a/kept", []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	stats := applyTo(t, v, tarOf(t, []entry{{name: ".wh.a"}, {name: "etc/hosts", body: "x"}, {name: "b/a", body: "new"}}))
	if b, err := v.ReadFile("/a/a/kept"); err != nil || string(b) != "kept" || stats.Skipped == 0 {
		t.Errorf("%q, %v, %+v", b, err, stats)
	}
	if got := names(t, v, "/a"); got != "a" {
		t.Errorf("/a has %q", got)
	}
	if b, err := v.ReadFile("/b/a"); err != nil || string(b) != "new" {
		t.Errorf("%q, %v", b, err)
	}
	if info, err := v.Stat("/etc/hosts"); err != nil || !info.IsDir() {
		t.Errorf("%v, %v", info, err)
	}
	if err := v.Rmdir("/a/a"); !errors.Is(err, syscall.EBUSY) {
		t.Error(err)
	}
}
