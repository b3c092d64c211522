package rootfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"
)

// play makes files from lines: "d path mode uid gid", "f path mode uid gid text", "l path target".
func play(t *testing.T, v *View, lines ...string) {
	t.Helper()
	v = v.Tree().View(Cred{})
	for _, line := range lines {
		w := strings.Fields(line)
		if w[0] == "l" {
			if err := v.Symlink(w[2], w[1]); err != nil {
				t.Fatal(err)
			}
			continue
		}
		var mode uint32
		var uid, gid int
		if _, err := fmt.Sscanf(strings.Join(w[2:5], " "), "%o %d %d", &mode, &uid, &gid); err != nil {
			t.Fatal(err)
		}
		var err error
		if w[0] == "d" {
			err = v.Mkdir(w[1], 0o700)
		} else {
			err = v.WriteFile(w[1], []byte(strings.Join(w[5:], " ")), 0o600)
		}
		if err := errors.Join(err, v.Chown(w[1], uid, gid), v.Chmod(w[1], FromUnixMode(mode))); err != nil {
			t.Fatal(err)
		}
	}
}

func TestResolve(t *testing.T) {
	v := rootView(NewTmpfs(0, 0o755))
	play(t, v, "d /a 755 0 0", "d /a/b 755 0 0", "f /a/b/f 644 0 0 text", "l /abs /a/b", "l /a/rel ../a/b/f", "l /loop loop", "l /p /q", "l /q p",
		"l /up ../../../../a", "l /out /../../etc", "l /dangling missing/x", "l /empty-ish .", "l /tofile a/b/f", "l /a/dotdot ..")
	chain := "/chain0"
	if err := v.Symlink("/a", chain); err != nil {
		t.Fatal(err)
	}
	for i := 1; i <= 41; i++ {
		next := fmt.Sprintf("/chain%d", i)
		if err := v.Symlink(chain, next); err != nil {
			t.Fatal(err)
		}
		chain = next
	}
	if err := v.Chdir("/a/b"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{
		"/":                               "/",
		"..":                              "/a",
		"../../../..":                     "/",
		"/../../a":                        "/a",
		"/abs":                            "/a/b",
		"/abs/..":                         "/a",
		"/abs/f":                          "/a/b/f",
		"//a//./b/":                       "/a/b",
		"../rel":                          "/a/b/f",
		"/up":                             "/a",
		"/up/b/../../a/dotdot/abs":        "/a/b",
		"/out":                            syscall.ENOENT,
		"f":                               "/a/b/f",
		"f/":                              syscall.ENOTDIR,
		"f/.":                             syscall.ENOTDIR,
		"f/..":                            syscall.ENOTDIR,
		"/tofile/":                        syscall.ENOTDIR,
		"/empty-ish/a":                    "/a",
		"":                                syscall.ENOENT,
		"/loop":                           syscall.ELOOP,
		"/loop/x":                         syscall.ELOOP,
		"/p":                              syscall.ELOOP,
		"/dangling":                       syscall.ENOENT,
		"/missing/..":                     syscall.ENOENT,
		"/chain39":                        "/a",
		"/chain40":                        syscall.ELOOP,
		"/a\x00b":                         syscall.EINVAL,
		"/" + strings.Repeat("n", 255):    syscall.ENOENT,
		"/" + strings.Repeat("n", 256):    syscall.ENAMETOOLONG,
		strings.Repeat("./", 2047) + "f":  "/a/b/f",
		strings.Repeat("./", 2047) + "./": syscall.ENAMETOOLONG,
	} {
		got, err := v.Resolve(name)
		if errno, ok := want.(syscall.Errno); ok {
			if !errors.Is(err, errno) {
				t.Errorf("%.40q: %q, %v, want %v", name, got, err, errno)
			}
		} else if err != nil || got != want {
			t.Errorf("%.40q: %q, %v, want %q", name, got, err, want)
		}
	}
	if info, err := v.Lstat("/loop"); err != nil || info.Mode().Type() != fs.ModeSymlink || info.Size() != 4 {
		t.Errorf("lstat of a loop: %v, %v", info, err)
	}
	if _, err := v.OpenFile("/tofile", O_NOFOLLOW, 0); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("O_NOFOLLOW: %v", err)
	}
	if _, err := v.OpenFile("/tofile", O_DIRECTORY, 0); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("O_DIRECTORY: %v", err)
	}
	if err := v.Mkdir("/missing", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := v.WriteFile("/dangling", []byte("through"), 0o644); err != nil {
		t.Errorf("creating through a dangling link: %v", err)
	}
	if got, err := v.ReadFile("/missing/x"); err != nil || string(got) != "through" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestPermissions(t *testing.T) {
	v := rootView(NewTmpfs(0, 0o755))
	play(t, v,
		"d /home 755 0 0", "d /home/u 700 1000 1000", "f /home/u/own 600 1000 1000 x", "d /tmp 1777 0 0", "f /tmp/root 666 0 0 x",
		"f /tmp/other 644 1001 1001 x", "f /tmp/mine 644 1000 1000 x", "d /closed 700 0 0", "f /closed/f 644 0 0 x", "d /list 744 0 0", "f /list/f 644 0 0 x",
		"d /search 711 0 0", "f /search/f 644 0 0 x", "f /group 640 0 50 x", "f /suid 6755 1000 1000 x", "d /shared 2775 0 50", "f /none 0 1000 1000 x", "f /prog 755 0 0 x",
		"f /worse 604 1000 0 x")
	user := v.Tree().View(Cred{UID: 1000, GID: 1000, Groups: []uint32{50}})
	root := v
	read := func(v *View, name string) error { _, err := v.ReadFile(name); return err }
	list := func(v *View, name string) error { _, err := v.ReadDir(name); return err }
	for i, c := range []struct {
		what string
		err  error
		want error
	}{
		{"own file", read(user, "/home/u/own"), nil},
		{"closed directory", read(user, "/closed/f"), syscall.EACCES},
		{"root in it", read(root, "/closed/f"), nil},
		{"no search", read(user, "/list/f"), syscall.EACCES},
		{"but a list", list(user, "/list"), nil},
		{"search", read(user, "/search/f"), nil},
		{"but no list", list(user, "/search"), syscall.EACCES},
		{"by group", read(user, "/group"), nil},
		{"no write by group", user.WriteFile("/group", nil, 0), syscall.EACCES},
		{"mode 0", read(user, "/none"), syscall.EACCES},
		{"mode 0, root", read(root, "/none"), nil},
		{"create in /", user.Mkdir("/x", 0o755), syscall.EACCES},
		{"what exists is told first", user.Mkdir("/home", 0o755), syscall.EEXIST},
		{"sticky: another's", user.Unlink("/tmp/other"), syscall.EPERM},
		{"sticky: rename", user.Rename("/tmp/root", "/tmp/r"), syscall.EPERM},
		{"sticky: rename over", user.Rename("/tmp/mine", "/tmp/other"), syscall.EPERM},
		{"sticky: own", user.Rename("/tmp/mine", "/tmp/m"), nil},
		{"chmod of another's", user.Chmod("/tmp/root", 0o600), syscall.EPERM},
		{"chmod of own", user.Chmod("/home/u/own", 0o640), nil},
		{"chown away", user.Chown("/home/u/own", 0, -1), syscall.EPERM},
		{"chgrp to own group", user.Chown("/home/u/own", -1, 50), nil},
		{"chgrp to another", user.Chown("/home/u/own", -1, 51), syscall.EPERM},
		{"times of another's", user.Chtimes("/prog", time.Unix(1, 0), time.Unix(1, 0)), syscall.EPERM},
		{"now, with write permission", user.Chtimes("/tmp/root", time.Now(), time.Now()), nil},
		{"then, with write permission", user.Chtimes("/tmp/root", time.Unix(1, 0), time.Unix(1, 0)), syscall.EPERM},
		{"truncate", user.Truncate("/prog", 0), syscall.EACCES},
		{"device", user.Mknod("/tmp/null", fs.ModeDevice|fs.ModeCharDevice, Mkdev(1, 3)), syscall.EPERM},
		{"fifo", user.Mknod("/tmp/fifo", fs.ModeNamedPipe|0o600, 0), nil},
		{"execute", user.Access("/prog", 1), nil},
		{"execute what is not, root", root.Access("/group", 1), syscall.EACCES},
		{"write, root", root.Access("/none", 6), nil},
		{"owner counts before others", user.Access("/worse", 4), nil},
		{"chdir", user.Chdir("/closed"), syscall.EACCES},
		{"shared", user.Mkdir("/shared/d", 0o777), nil},
		{"chown drops setuid", root.Chown("/suid", 5, 5), nil},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%d %s: %v, want %v", i, c.what, c.err, c.want)
		}
	}
	if info, err := root.Stat("/shared/d"); err != nil || info.GID() != 50 || info.UID() != 1000 || info.Mode() != fs.ModeDir|fs.ModeSetgid|0o755 {
		t.Errorf("in a setgid directory: %+v, %v", info, err)
	}
	if info, err := root.Stat("/suid"); err != nil || info.Mode() != 0o755 {
		t.Errorf("after chown: %v, %v", info, err)
	}
	f, err := user.OpenFile("/home/u/readonly", os.O_RDWR|os.O_CREATE, 0o400)
	if err != nil {
		t.Fatalf("the creator of a read-only file writes it: %v", err)
	}
	if _, err := f.WriteString("x"); err != nil {
		t.Error(err)
	}
	f.Close()
	if _, err := f.Write(nil); !errors.Is(err, syscall.EBADF) {
		t.Errorf("write after close: %v", err)
	}
}

func TestMounts(t *testing.T) {
	root := openOverlay(t, layers(t, []entry{{name: "data/below", body: "hidden"}, {name: "etc/hosts", body: "old"}, {name: "l", symlink: "/data"}}), "")
	tree := NewTree(root, true)
	volume, shm := NewTmpfs(0, 0o755), NewTmpfs(0, 0o755)
	hosts := t.TempDir() + "/hosts"
	if err := os.WriteFile(hosts, []byte("new"), 0o644); err != nil {
		t.Fatal(err)
	}
	hostFile, err := NewHostDir(hosts, HostOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		tree.Mount("/l/sub", volume, false), tree.Mount("/etc/hosts", hostFile, true), tree.MountHidden("/shm", shm, false), tree.Mount("/l", NewTmpfs(0, 0o700), false),
		tree.Mount("/data/again", volume, true),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := tree.Mount("/etc/hosts", shm, false); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("directory over a file: %v", err)
	}
	var points []string
	for _, m := range tree.Mounts() {
		points = append(points, fmt.Sprint(m.Path, " ", m.Type, " ", m.ReadOnly))
	}
	if got := strings.Join(points, ", "); got != "/ overlay true, /data tmpfs false, /data/again tmpfs true, /etc/hosts bind true, /shm tmpfs false" {
		t.Errorf("mounts: %s", got)
	}
	v := tree.View(Cred{})
	if got := names(t, v, "/"); got != "data etc l shm" {
		t.Errorf("/ has %q", got)
	}
	if got := names(t, v, "/data"); got != "again" {
		t.Errorf("/data has %q", got)
	}
	for i, c := range []struct{ err, want error }{
		{v.WriteFile("/x", nil, 0o644), syscall.EROFS},
		{v.Chmod("/etc", 0o700), syscall.EROFS},
		{v.WriteFile("/etc/hosts", nil, 0), syscall.EROFS},
		{v.WriteFile("/shm/x", []byte("x"), 0o644), nil},
		{v.Rename("/shm/x", "/data/x"), syscall.EXDEV},
		{v.Link("/shm/x", "/data/x"), syscall.EXDEV},
		{v.Rmdir("/shm"), syscall.EBUSY},
		{v.Rmdir("/data"), syscall.EBUSY},
		{v.Rename("/data", "/data2"), syscall.EBUSY},
		{v.Unlink("/etc/hosts"), syscall.EBUSY},
		{v.Rmdir("/"), syscall.EBUSY},
		{v.WriteFile("/data/again/x", nil, 0o644), syscall.EROFS},
		{v.Chdir("/data/again/../../shm/.."), nil},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%d: %v, want %v", i, c.err, c.want)
		}
	}
	if b, err := v.ReadFile("/etc/hosts"); err != nil || string(b) != "new" {
		t.Errorf("%q, %v", b, err)
	}
	changes, err := root.Changes()
	if err != nil || fmt.Sprint(changes) != "[{/data 0} {/data/sub 1}]" {
		t.Errorf("mount points in the diff: %v, %v", changes, err)
	}
	a, errA := v.Stat("/data")
	b, errB := v.Stat("/shm")
	if errA != nil || errB != nil || a.Dev() == b.Dev() || a.Dev() == 0 {
		t.Errorf("devices %d, %d, %v, %v", a.Dev(), b.Dev(), errA, errB)
	}
	if err := tree.Close(); err != nil {
		t.Error(err)
	}
}

type ownerLink struct{ NodeBase }

func (ownerLink) Type() fs.FileMode                    { return fs.ModeSymlink }
func (ownerLink) Stat() (Info, error)                  { return NewInfo("", Attr{Mode: fs.ModeSymlink}), nil }
func (ownerLink) ReadlinkAs(owner any) (string, error) { return fmt.Sprint("/", owner), nil }

type ownerFS struct{ NodeBase }

func (f ownerFS) Root() Node                     { return f }
func (ownerFS) Type() fs.FileMode                { return fs.ModeDir }
func (ownerFS) Stat() (Info, error)              { return NewInfo("", Attr{Mode: fs.ModeDir | 0o555}), nil }
func (ownerFS) Lookup(name string) (Node, error) { return ownerLink{}, nil }

func TestSpecialAndOwner(t *testing.T) {
	tree := NewTree(NewTmpfs(0, 0o755), false)
	if err := tree.Mount("/proc", ownerFS{}, false); err != nil {
		t.Fatal(err)
	}
	v := tree.View(Cred{})
	if err := errors.Join(v.Mkdir("/42", 0o755), v.Mknod("/null", fs.ModeDevice|fs.ModeCharDevice|0o666, Mkdev(1, 3))); err != nil {
		t.Fatal(err)
	}
	v.Owner = 42
	if got, err := v.Resolve("/proc/self"); err != nil || got != "/42" {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := v.Clone().Readlink("/proc/self"); err != nil || got != "/42" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := v.Open("/null"); !errors.Is(err, syscall.ENXIO) {
		t.Errorf("device without Special: %v", err)
	}
	v.Special = func(info *Info, flag int) (Stream, error) {
		if Major(info.Rdev()) != 1 || Minor(info.Rdev()) != 3 || info.Name() != "null" {
			t.Errorf("device is %d %d", Major(info.Rdev()), Minor(info.Rdev()))
		}
		return stream{strings.NewReader("from the device")}, nil
	}
	if b, err := v.ReadFile("/null"); err != nil || string(b) != "from the device" {
		t.Errorf("%q, %v", b, err)
	}
}

type stream struct{ io.Reader }

func (stream) Write(p []byte) (int, error) { return len(p), nil }
func (stream) Close() error                { return nil }

func TestIOFS(t *testing.T) {
	v := rootView(openOverlay(t, layers(t, []entry{{name: "etc/passwd", body: "root"}, {name: "usr/bin/sh", body: "sh"}, {name: "bin", symlink: "usr/bin"}}), ""))
	play(t, v, "d /w 755 0 0", "f /w/f 644 0 0 text")
	if err := fstest.TestFS(v.FS(), "etc/passwd", "usr/bin/sh", "w/f", "bin"); err != nil {
		t.Error(err)
	}
}

func TestStrerror(t *testing.T) {
	v := rootView(NewTmpfs(0, 0o755))
	_, err := v.Open("/missing")
	for err, want := range map[error]string{
		err: "No such file or directory", nil: "Success", fs.ErrPermission: "Permission denied", os.ErrClosed: "Bad file descriptor",
		syscall.ENOTEMPTY: "Directory not empty", errors.New("own words"): "own words",
		fmt.Errorf("wrapped: %w", syscall.ELOOP): "Too many levels of symbolic links",
	} {
		if got := Strerror(err); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}
