package rootfs

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// depth keeps ".." of symbolic links within what both sides have: no path climbs more often than links may be followed.
const depth = 50

// hostWorld is the working directory of the tests.
type hostWorld struct{}

func (h hostWorld) path(name string) string { return "./" + name }

func (h hostWorld) do(op, a, b string, n int) string {
	p := h.path(a)
	switch op {
	case "mkdir":
		return said("", syscall.Mkdir(p, 0o755))
	case "rmdir":
		return said("", syscall.Rmdir(p))
	case "unlink":
		return said("", syscall.Unlink(p))
	case "rename":
		return said("", syscall.Rename(p, h.path(b)))
	case "link":
		return said("", syscall.Link(p, h.path(b)))
	case "symlink":
		return said("", syscall.Symlink(b, p))
	case "truncate":
		return said("", syscall.Truncate(p, int64(n)))
	case "chmod":
		return said("", syscall.Chmod(p, uint32(n&0o777|0o700)))
	case "access":
		return said("", syscall.Access(p, uint32(n&3)))
	}
	f, err := os.OpenFile(p, openFlags(op, n)|syscall.O_NONBLOCK, 0o644)
	if err != nil {
		return said("", err)
	}
	defer f.Close()
	return useFile(f, op, n)
}

func (h hostWorld) picture() string {
	return picture(func(n string) (fs.FileInfo, uint64, error) {
		info, err := os.Lstat(h.path(n))
		if err != nil {
			return nil, 0, err
		}
		return info, hostAttr(info).Nlink, nil
	}, func(n string) ([]fs.DirEntry, error) { return os.ReadDir(h.path(n)) },
		func(n string) (string, error) { return os.Readlink(h.path(n)) },
		func(n string) ([]byte, error) { return os.ReadFile(h.path(n)) })
}

var opNames = []string{"mkdir", "mkdir", "rmdir", "unlink", "rename", "rename", "link", "symlink", "truncate", "chmod", "access",
	"create", "append", "append", "write", "patch", "list", "read"}

func randomPath(r *rand.Rand) string {
	names := []string{"a", "b", "c", "d", "a", "b", ".", "..", ""}
	var parts []string
	for range 1 + r.IntN(3) {
		parts = append(parts, names[r.IntN(len(names))])
	}
	p := strings.TrimPrefix(strings.Join(parts, "/"), "/")
	if r.IntN(12) == 0 {
		p += "/"
	}
	return p
}

// base is what layers have, and what the host gets by hand.
func base(t *testing.T, host string) []string {
	t.Helper()
	below := "n" + strings.Repeat("/n", depth-1)
	big := strings.Repeat("layer", 1000)
	var above []entry
	for i := 1; i <= len(below); i += 2 {
		above = append(above, entry{name: below[:i], mode: fs.ModeDir | 0o755})
	}
	all := [][]entry{
		above,
		{
			{name: below + "/a", mode: fs.ModeDir | 0o755},
			{name: below + "/b", mode: fs.ModeDir | 0o755},
			{name: below + "/a/b", mode: fs.ModeDir | 0o755},
			{name: below + "/a/c", body: "old"},
			{name: below + "/b/a", body: "hidden"},
			{name: below + "/d", body: "removed"},
		},
		{
			{name: below + "/a/c", body: big},
			{name: below + "/a/d", link: below + "/a/c"},
			{name: below + "/b", mode: fs.ModeDir | 0o755},
			{name: below + "/b/.wh..wh..opq"},
			{name: below + "/b/b", body: "seen"},
			{name: below + "/.wh.d"},
		},
		{
			{name: below + "/a/b", mode: fs.ModeDir | 0o755},
			{name: below + "/a/b/d", symlink: "../../b"},
			{name: below + "/c", mode: 0o600, body: "c"},
		},
	}
	for _, entries := range all {
		for i := range entries {
			entries[i].uid, entries[i].gid = os.Geteuid(), os.Getegid()
		}
	}
	dirs := layers(t, all...)
	for _, err := range []error{
		os.MkdirAll(host+"/a/b", 0o755), os.Mkdir(host+"/b", 0o755),
		os.WriteFile(host+"/a/c", []byte(big), 0o644), os.Link(host+"/a/c", host+"/a/d"),
		os.WriteFile(host+"/b/b", []byte("seen"), 0o644), os.Symlink("../../b", host+"/a/b/d"),
		os.WriteFile(host+"/c", []byte("c"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return dirs
}

// TestLikeTheHost does the same random operations on the host's file system and on ours, and compares every result and
// error number, and now and then the whole trees.
func TestLikeTheHost(t *testing.T) {
	below := "n" + strings.Repeat("/n", depth-1)
	kinds := map[string]func(t *testing.T, host string) (fsys FS, reopen func() FS){
		"tmpfs": func(t *testing.T, _ string) (FS, func() FS) { return NewTmpfs(0, 0o755), nil },
		"host": func(t *testing.T, _ string) (FS, func() FS) {
			f, err := NewHostDir(t.TempDir(), HostOptions{})
			if err != nil {
				t.Fatal(err)
			}
			return f, nil
		},
		"layers in memory": func(t *testing.T, host string) (FS, func() FS) {
			return openOverlay(t, base(t, host), ""), nil
		},
		"layers on disk": func(t *testing.T, host string) (FS, func() FS) {
			dirs, upper := base(t, host), filepath.Join(t.TempDir(), "upper")
			o := openOverlay(t, dirs, upper)
			return o, func() FS {
				if err := o.Close(); err != nil {
					t.Fatal(err)
				}
				o = openOverlay(t, dirs, upper)
				return o
			}
		},
	}
	for kind, open := range kinds {
		for seed := range uint64(4) {
			t.Run(fmt.Sprintf("%s/%d", kind, seed), func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), below)
				if err := os.MkdirAll(dir, 0o755); err != nil {
					t.Fatal(err)
				}
				t.Chdir(dir) // since every step of fifty directories costs
				fsys, reopen := open(t, dir)
				cred := Cred{UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}
				if kind == "host" {
					cred = Cred{} // there, the user of this process is root
				}
				ours := viewWorld{NewTree(fsys, false).View(cred), "."}
				enter := func() {
					root := ours.Tree().View(Cred{})
					err := root.MkdirAll("/"+below, 0o755)
					for i := 1; i <= len(below); i += 2 {
						err = errors.Join(err, root.Chown("/"+below[:i], os.Geteuid(), os.Getegid()))
					}
					if err := errors.Join(err, ours.Chdir("/"+below)); err != nil {
						t.Fatal(err)
					}
				}
				enter()
				compareWorlds(t, hostWorld{}, &ours, rand.New(rand.NewPCG(seed, 1)), func() {
					if reopen != nil {
						ours.View = NewTree(reopen(), false).View(cred)
						enter()
					}
				})
			})
		}
	}
}

func compareWorlds(t *testing.T, host hostWorld, ours *viewWorld, r *rand.Rand, reopen func()) {
	t.Helper()
	var history []string
	same := func(what, want, got string) {
		if want != got {
			t.Fatalf("%s\nafter %s\nhost: %.2000s\nours: %.2000s", what, strings.Join(history[max(0, len(history)-25):], "\n"), want, got)
		}
	}
	same("at the start", host.picture(), ours.picture())
	for i := range 800 {
		op, a, b, n := opNames[r.IntN(len(opNames))], randomPath(r), randomPath(r), r.IntN(9000)
		what := fmt.Sprintf("%s %q %q %d", op, a, b, n)
		want := host.do(op, a, b, n)
		same(what, want, ours.do(op, a, b, n))
		history = append(history, what+" = "+fmt.Sprintf("%.30s", want))
		if i%100 == 99 {
			reopen()
		}
		if i%20 == 19 {
			same("whole tree", host.picture(), ours.picture())
		}
	}
}
