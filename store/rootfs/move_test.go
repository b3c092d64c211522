package rootfs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/containerd/errdefs"
)

// twinOf is a host directory with the files of layers, as a native container has them.
func twinOf(t testing.TB, dirs []string) (string, FS) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("the twin's files have the owners of the image: run this test as root")
	}
	dir := t.TempDir()
	host := hostDir(t, dir)
	if err := rootView(openOverlay(t, dirs, "")).CopyTree("/", host); err != nil {
		t.Fatal(err)
	}
	return dir, host
}

func hostDir(t testing.TB, dir string) FS {
	t.Helper()
	host, err := NewHostDir(dir, HostOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { host.(io.Closer).Close() })
	return host
}

// transfer moves an overlay to a host directory.
func transfer(t testing.TB, o *Overlay, dir string) DeltaStats {
	t.Helper()
	stats, err := o.Transfer(Mark{}, func(layer io.Reader) error {
		_, err := rootView(hostDir(t, dir)).ApplyLayer(layer, "/", ApplyLayerOptions{})
		return err
	}, func() (FS, error) { return NewHostDir(dir, HostOptions{}) })
	if err != nil {
		t.Fatal(err)
	}
	return stats
}

var times = regexp.MustCompile(`( \d+:\d+) -?\d+`)

// timeless is a portrait without times.
func timeless(t *testing.T, v *View) string { return times.ReplaceAllString(portrait(t, v), "$1") }

// user is a process with a working directory and open files.
type user struct {
	view  *View
	files []*File
}

func (u *user) say(do func() (int, error)) string {
	n, err := do()
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return fmt.Sprint(n, " ", errno)
	}
	return fmt.Sprint(n, " ", err)
}

// TestMoveIsNotSeen does the same on an Overlay that moves half way and on one that does not, and compares all results.
func TestMoveIsNotSeen(t *testing.T) {
	for seed := range uint64(25) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			dirs := deltaLayers(t)
			dir, _ := twinOf(t, dirs)
			moves := openOverlay(t, dirs, []string{"", filepath.Join(t.TempDir(), "upper")}[seed%2])
			stays := openOverlay(t, dirs, "")
			users := [2]*user{{view: rootView(moves)}, {view: rootView(stays)}}
			p := newPlayer(seed)
			var history []string
			both := func(what string, do func(u *user) string) {
				t.Helper()
				got, want := do(users[0]), do(users[1])
				history = append(history, what+" = "+fmt.Sprintf("%.60q", want))
				if got != want {
					t.Fatalf("moved: %.200q, not moved: %.200q\nafter %s", got, want, strings.Join(history[max(0, len(history)-20):], "\n"))
				}
			}
			both("kept directory", func(u *user) string {
				return fmt.Sprint(errors.Join(u.view.MkdirAll("/kept/cwd", 0o755), u.view.Chdir("/kept/cwd")))
			})
			step := func() {
				name, at, n := p.path(), p.r.IntN(100), p.r.IntN(5000)
				data := bytes.Repeat([]byte{byte('a' + n%26)}, n)
				file := func(u *user) *File { return u.files[at%len(u.files)] }
				if at%7 == 0 {
					name = "c" // in the working directory
				}
				switch kind := p.r.IntN(9); {
				case kind == 0 && len(users[0].files) < 12:
					flag := []int{os.O_RDONLY, os.O_RDWR, os.O_RDWR | os.O_APPEND, os.O_WRONLY | os.O_TRUNC, os.O_RDWR | os.O_CREATE, os.O_RDONLY | os.O_TRUNC}[at%6]
					both(fmt.Sprint("open ", name, " ", flag), func(u *user) string {
						f, err := u.view.OpenFile(name, flag, 0o640)
						if err == nil && f.handle != nil {
							u.files = append(u.files, f)
						}
						return u.say(func() (int, error) { return 0, err })
					})
				case kind < 4 && len(users[0].files) > 0:
					both(fmt.Sprint("use ", users[1].files[at%len(users[1].files)].Name(), " ", kind, " ", n), func(u *user) string {
						f := file(u)
						return u.say(func() (int, error) {
							switch kind {
							case 1:
								return f.Write(data)
							case 2:
								if _, err := f.Seek(int64(n), io.SeekStart); err != nil {
									return 0, err
								}
								b := make([]byte, 50)
								k, err := f.Read(b)
								return k + int(b[0])*1000, err
							}
							if at%3 == 0 {
								return 0, f.Truncate(int64(n))
							}
							info, err := f.Stat()
							if err != nil {
								return 0, err
							}
							return int(info.Size()), nil
						})
					})
				case kind == 4 && len(users[0].files) > 0:
					both("close", func(u *user) string {
						f := file(u)
						u.files = append(u.files[:at%len(u.files)], u.files[at%len(u.files)+1:]...)
						return fmt.Sprint(f.Close())
					})
				case kind == 5:
					both("in the working directory", func(u *user) string {
						return u.say(func() (int, error) {
							switch at % 6 {
							case 0:
								return 0, u.view.WriteFile("c", data, 0o600)
							case 1:
								return 0, u.view.Rename("c", "/kept/d")
							case 2:
								return 0, u.view.Rename("/kept/d", "./e")
							case 3:
								return 0, u.view.Link("c", name+"x")
							case 4:
								return 0, u.view.Unlink("e")
							}
							b, err := u.view.ReadFile("c")
							return len(b), err
						})
					})
				default:
					what, do := p.op()
					both(what, func(u *user) string {
						said := u.say(func() (int, error) { return 0, do(u.view) })
						if strings.Contains(what, "xattr") {
							return "" // pipes and devices of a host have none
						}
						return said
					})
				}
			}
			for range 250 {
				step()
			}
			transfer(t, moves, dir)
			compare(t, "after the move", timeless(t, users[0].view), timeless(t, users[1].view))
			for i := range 250 {
				step()
				if i%50 == 0 {
					compare(t, fmt.Sprint("at ", i, "\n", strings.Join(history[max(0, len(history)-60):], "\n")), timeless(t, users[0].view), timeless(t, users[1].view))
				}
			}
			for len(users[0].files) > 0 {
				both("read an open file", func(u *user) string {
					f := u.files[0]
					u.files = u.files[1:]
					b, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<30))
					return u.say(func() (int, error) { return len(b), err }) + string(b) + fmt.Sprint(f.Close())
				})
			}
			compare(t, "the host's", timeless(t, rootView(hostDir(t, dir))), timeless(t, users[1].view))
			if moves.handles != nil {
				t.Error("handles are left")
			}
		})
	}
}

func TestMove(t *testing.T) {
	dirs := deltaLayers(t)
	dir, _ := twinOf(t, dirs)
	o := openOverlay(t, dirs, filepath.Join(t.TempDir(), "upper"))
	tree := NewTree(o, false)
	if err := errors.Join(tree.MountHidden("/hidden", NewTmpfs(0, 0o755), false), tree.Mount("/a/a", NewTmpfs(0, 0o755), false)); err != nil {
		t.Fatal(err)
	}
	v := tree.View(Cred{})
	do := func(errs ...error) {
		t.Helper()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
	open := func(name string, flag int) *File {
		t.Helper()
		f, err := v.OpenFile(name, flag, 0o600)
		do(err)
		t.Cleanup(func() { f.Close() })
		return f
	}
	do(v.Mkdir("/work", 0o755), v.Mkdir("/gone", 0o755), v.Rename("/b", "/work/b"), v.WriteFile("/a/a/volume", nil, 0o600))
	cwd, lost := v.Clone(), v.Clone()
	do(cwd.Chdir("/work/b/b"), lost.Chdir("/gone"))
	appends, unlinked := open("/work/log", os.O_RDWR|os.O_CREATE|os.O_APPEND), open("/temp", os.O_RDWR|os.O_CREATE)
	reads := open("/work/b/b/c", os.O_RDONLY)
	list := open("/work/b", os.O_RDONLY)
	_, err := reads.Seek(2990, io.SeekStart)
	do(err)
	_, err = appends.WriteString("one ")
	do(err)
	_, err = unlinked.Write(bytes.Repeat([]byte("x"), 5000))
	do(err, v.Unlink("/temp"), v.Rmdir("/gone"))
	part, err := list.ReadDir(1)
	do(err)

	stats := transfer(t, o, dir)
	if stats.Files == 0 || stats.Removed != 1 || !o.Moved() {
		t.Errorf("%+v, %v", stats, o.Moved())
	}
	_, err = appends.WriteString("two ")
	do(err, os.WriteFile(dir+"/work/b/b/native", []byte("native"), 0o644))
	if b, err := os.ReadFile(dir + "/work/log"); err != nil || string(b) != "one two " {
		t.Errorf("the log has %q, %v", b, err)
	}
	if b, err := io.ReadAll(reads); err != nil || string(b) != "0123456789" {
		t.Errorf("read on: %q, %v", b, err)
	}
	if b, err := cwd.ReadFile("native"); err != nil || string(b) != "native" {
		t.Errorf("in the working directory: %q, %v", b, err)
	}
	do(cwd.Link("native", "/work/second"), v.Rename("/work/second", "/work/b/b/third"), cwd.Rename("third", "../fourth"))
	if got := names(t, v, "/work/b"); got != "a b c fourth" {
		t.Errorf("the directory has %q", got)
	}
	rest, err := list.ReadDir(-1)
	if err != nil || len(part)+len(rest) != 3 {
		t.Errorf("a listing that had begun: %v, %v, %v", part, rest, err)
	}
	if _, err := rest[0].Info(); err != nil {
		t.Error(err)
	}
	_, err = unlinked.WriteAt([]byte("y"), 5000)
	do(err)
	if info, err := unlinked.Stat(); err != nil || info.Size() != 5001 || info.Nlink() != 0 {
		t.Errorf("the unlinked file: %+v, %v", info, err)
	}
	if err := lost.WriteFile("x", nil, 0o600); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in the removed directory: %v", err)
	}
	if got := names(t, v, "/") + "; " + names(t, v, "/a/a"); got != "a c d dev hidden work; volume" {
		t.Errorf("mounts: %s", got)
	}
	if info, err := appends.Stat(); err != nil || info.Size() != 8 {
		t.Errorf("%+v, %v", info, err)
	} else if byName, err := v.Stat("/work/log"); err != nil || byName.Ino() != info.Ino() || byName.Dev() != info.Dev() {
		t.Errorf("by name it is another file: %+v, %+v, %v", info, byName, err)
	}
	if _, err := o.Changes(); !errdefs.IsFailedPrecondition(err) {
		t.Errorf("Changes: %v", err)
	}
	if rw, root := o.Size(); rw != 0 || root != 0 {
		t.Errorf("Size: %d, %d", rw, root)
	}
	if _, _, err := o.Delta(io.Discard, Mark{}); !errors.Is(err, ErrMoved) {
		t.Errorf("Delta: %v", err)
	}
	if _, err := o.Transfer(Mark{}, func(r io.Reader) error { _, err := io.Copy(io.Discard, r); return err }, nil); !errors.Is(err, ErrMoved) {
		t.Errorf("Transfer: %v", err)
	}

	// The twin is started again elsewhere.
	fresh := open("/work/later", os.O_RDWR|os.O_CREATE)
	removed := open("/work/removed", os.O_RDWR|os.O_CREATE)
	do(v.Unlink("/work/removed"))
	again := t.TempDir()
	host := hostDir(t, again)
	if err := rootView(hostDir(t, dir)).CopyTree("/", host); err != nil {
		t.Fatal(err)
	}
	do(o.Move(hostDir(t, again)))
	_, err = appends.WriteString("three")
	_, err2 := fresh.WriteString("fresh")
	_, err3 := removed.WriteString("removed")
	do(err, err2, err3, cwd.WriteFile("after", []byte("after"), 0o600), cwd.Rename("after", "../../after"))
	for name, want := range map[string]string{"/work/log": "one two three", "/work/later": "fresh", "/work/after": "after"} {
		if b, err := os.ReadFile(again + name); err != nil || string(b) != want {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	if b, err := os.ReadFile(dir + "/work/log"); err != nil || string(b) != "one two " {
		t.Errorf("the old place: %q, %v", b, err)
	}
	do(tree.Close())
	if err := v.Mkdir("/late", 0o755); err == nil {
		t.Error("changed after Close")
	}
}

// TestMoveFails leaves all as it was.
func TestMoveFails(t *testing.T) {
	dirs := deltaLayers(t)
	dir, _ := twinOf(t, dirs)
	o := openOverlay(t, dirs, filepath.Join(t.TempDir(), "upper"))
	v := rootView(o)
	f, err := v.OpenFile("/new", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	failed := errors.New("failed")
	all := func(r io.Reader) error { _, err := io.Copy(io.Discard, r); return err }
	to := func() (FS, error) { return NewHostDir(dir, HostOptions{}) }
	for name, c := range map[string]struct {
		send func(io.Reader) error
		to   func() (FS, error)
		want error
	}{
		"send":                    {func(io.Reader) error { return failed }, to, failed},
		"send does not read":      {func(io.Reader) error { return nil }, to, errUnread},
		"to":                      {all, func() (FS, error) { return nil, failed }, failed},
		"the files are not there": {all, to, fs.ErrNotExist},
	} {
		if _, err := o.Transfer(Mark{}, c.send, c.to); !errors.Is(err, c.want) || o.Moved() {
			t.Errorf("%s: %v, moved %v", name, err, o.Moved())
		}
		if _, err := f.WriteString(name + "\n"); err != nil {
			t.Fatal(err)
		}
	}
	if b, err := v.ReadFile("/new"); err != nil || strings.Count(string(b), "\n") != 4 {
		t.Errorf("%q, %v", b, err)
	}
	transfer(t, o, dir)
	if b, err := os.ReadFile(dir + "/new"); err != nil || strings.Count(string(b), "\n") != 4 {
		t.Errorf("%q, %v", b, err)
	}
}

// TestTransferLosesNoWrite has writers, renamers and readers at work while the files move.
func TestTransferLosesNoWrite(t *testing.T) {
	for _, upper := range []string{"", filepath.Join(t.TempDir(), "upper")} {
		dirs := deltaLayers(t)
		dir, _ := twinOf(t, dirs)
		o := openOverlay(t, dirs, upper)
		tree := NewTree(o, false)
		const writers, before, after = 4, 100, 200
		var wg sync.WaitGroup
		var begun sync.WaitGroup
		begun.Add(writers)
		for i := range writers {
			v := tree.View(Cred{})
			own := fmt.Sprint("/own", i)
			if err := errors.Join(v.Mkdir(own, 0o755), v.Chdir(own)); err != nil {
				t.Fatal(err)
			}
			log, err := v.OpenFile("/log", os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
			if err != nil {
				t.Fatal(err)
			}
			wg.Go(func() {
				defer log.Close()
				for j := range before + after {
					if j == before {
						begun.Done()
					}
					if _, err := fmt.Fprintf(log, "writer %d line %04d\n", i, j); err != nil {
						t.Error(err)
					}
					name := fmt.Sprint("f", j)
					err := errors.Join(v.WriteFile("temp", bytes.Repeat([]byte{byte(j)}, j*20), 0o600), v.Rename("temp", name))
					if err != nil {
						t.Error(err)
					}
					if b, err := v.ReadFile("/a/c"); err != nil || len(b) != 200_000 {
						t.Errorf("%d bytes, %v", len(b), err)
					}
					if j%10 == 0 {
						_ = v.Unlink(name)
					}
				}
			})
		}
		begun.Wait()
		transfer(t, o, dir)
		wg.Wait()
		b, err := os.ReadFile(dir + "/log")
		if err != nil {
			t.Fatal(err)
		}
		var next [writers]int
		for line := range strings.Lines(string(b)) {
			var i, j int
			if _, err := fmt.Sscanf(line, "writer %d line %d\n", &i, &j); err != nil || next[i] != j {
				t.Fatalf("line %q, %v", line, err)
			}
			next[i]++
		}
		for i, n := range next {
			files, err := os.ReadDir(fmt.Sprint(dir, "/own", i))
			if err != nil || n != before+after || len(files) != n-n/10 {
				t.Errorf("writer %d has %d lines, %d files, %v", i, n, len(files), err)
			}
			for _, f := range files {
				var j int64
				info, err := f.Info()
				if _, scanErr := fmt.Sscanf(f.Name(), "f%d", &j); err != nil || scanErr != nil || info.Size() != j*20 {
					t.Errorf("%s: %v, %v", f.Name(), info, err)
				}
			}
		}
	}
}
