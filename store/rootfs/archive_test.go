package rootfs

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// mixed has a file of every kind that a tar can have.
func mixed(t *testing.T, v *View) {
	t.Helper()
	play(t, v,
		"d /src 750 10 20", "f /src/file 644 1000 1000 some text", "f /src/prog 4755 0 0 x", "d /src/dir 1777 0 5", "f /src/dir/deep 600 7 8 deep", "d /src/empty 700 0 0",
		"l /src/link ../outside", "l /src/dir/abs /etc/passwd", "f /src/"+strings.Repeat("long", 40)+" 644 0 0 long name")
	for _, err := range []error{
		v.Link("/src/file", "/src/dir/hard"), v.Mknod("/src/null", fs.ModeDevice|fs.ModeCharDevice|0o666, Mkdev(1, 3)), v.Mknod("/src/fifo", fs.ModeNamedPipe|0o644, 0),
		v.Setxattr("/src/prog", "user.kept", []byte("value\x00")), v.Lchown("/src/link", 3, 4),
		v.WriteFile("/src/big", bytes.Repeat([]byte("0123456789"), 100_000), 0o644),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	entries, err := v.ReadDir("/src")
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range entries {
		if err := v.Lchtimes("/src/"+e.Name(), time.Time{}, time.Unix(1_600_000_000+int64(i), 5000)); err != nil {
			t.Fatal(err)
		}
	}
	if err := v.Chtimes("/src", time.Time{}, time.Unix(1_500_000_000, 0)); err != nil {
		t.Fatal(err)
	}
}

// details tell all of a tree that a tar keeps.
func details(t *testing.T, v *View, root string) string {
	t.Helper()
	var b strings.Builder
	links := map[uint64]string{}
	var visit func(name string)
	visit = func(name string) {
		info, err := v.Lstat(root + name)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s %v %d:%d %d", name, info.Mode(), info.UID(), info.GID(), info.ModTime().UnixNano())
		switch info.Mode().Type() {
		case 0:
			data, err := v.ReadFile(root + name)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, " %d links %d bytes %.20q", info.Nlink(), len(data), data)
			if first, ok := links[info.Ino()]; ok {
				fmt.Fprint(&b, " same as ", first)
			}
			links[info.Ino()] = name
			attrs, err := v.Listxattr(root + name)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range attrs {
				value, err := v.Getxattr(root+name, a)
				fmt.Fprintf(&b, " %s=%q %v", a, value, err)
			}
		case fs.ModeSymlink:
			target, err := v.Readlink(root + name)
			fmt.Fprint(&b, " -> ", target, " ", err)
		default:
			fmt.Fprint(&b, " ", Major(info.Rdev()), ",", Minor(info.Rdev()))
		}
		fmt.Fprintln(&b)
		if info.IsDir() {
			entries, err := v.ReadDir(root + name)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				visit(name + "/" + e.Name())
			}
		}
	}
	visit("")
	return b.String()
}

func TestPackUnpack(t *testing.T) {
	v := rootView(NewTmpfs(0, 0o755))
	mixed(t, v)
	want := details(t, v, "/src")
	var packed bytes.Buffer
	if err := v.Pack(&packed, "/src"); err != nil {
		t.Fatal(err)
	}
	for kind, fsys := range map[string]FS{"memory": NewTmpfs(0, 0o755), "disk": openOverlay(t, imageLayers(t), filepath.Join(t.TempDir(), "upper"))} {
		to := rootView(fsys)
		play(t, to, "d /to 755 0 0", "d /to/src 700 9 9", "f /to/src/prog 600 0 0 replaced", "d /to/src/file 700 0 0", "f /to/src/kept 644 0 0 kept")
		if err := to.Unpack(bytes.NewReader(packed.Bytes()), "/to", UnpackOptions{}); err != nil {
			t.Fatal(err)
		}
		if b, err := to.ReadFile("/to/src/kept"); err != nil || string(b) != "kept" {
			t.Errorf("what the tar does not have: %q, %v", b, err)
		}
		if err := errors.Join(to.Unlink("/to/src/kept"), to.Chtimes("/to/src", time.Time{}, time.Unix(1_500_000_000, 0))); err != nil {
			t.Fatal(err)
		}
		if got := details(t, to, "/to/src"); got != want {
			t.Errorf("%s: got\n%swant\n%s", kind, got, want)
		}
	}
	copied := NewTmpfs(0, 0o755)
	if err := v.CopyTree("/src", copied); err != nil {
		t.Fatal(err)
	}
	if got := details(t, rootView(copied), "/."); got != want {
		t.Errorf("CopyTree: got\n%swant\n%s", got, want)
	}
}

// TestPackLikeGNUTar has GNU tar list what Pack wrote, and compares with what GNU tar says of the same files on the host.
func TestPackLikeGNUTar(t *testing.T) {
	gnu, err := exec.LookPath("tar")
	if err != nil {
		return // nobody to ask
	}
	if out, err := exec.Command(gnu, "--version").Output(); err != nil || !strings.Contains(string(out), "GNU tar") {
		return
	}
	dir := t.TempDir()
	host, err := NewHostDir(dir, HostOptions{})
	if err != nil {
		t.Fatal(err)
	}
	v := rootView(host)
	for _, err := range []error{
		v.Mkdir("/src", 0o755), v.Mkdir("/src/d", 0o700), v.WriteFile("/src/d/f", []byte("text"), 0o640), v.Symlink("d/f", "/src/s"), v.Link("/src/d/f", "/src/d/g"),
		v.Mknod("/src/p", fs.ModeNamedPipe|0o600, 0), v.WriteFile("/src/"+strings.Repeat("n", 200), nil, 0o644),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	var packed bytes.Buffer
	if err := v.Pack(&packed, "/src"); err != nil {
		t.Fatal(err)
	}
	list := func(args string, stdin io.Reader) string {
		cmd := exec.Command("sh", "-c", args)
		cmd.Dir, cmd.Stdin = dir, stdin
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", args, err, out)
		}
		return string(out)
	}
	got := list("tar -tv --numeric-owner --full-time -f -", &packed)
	want := list("tar -c --sort=name --format=pax --owner=0 --group=0 -f - src | tar -tv --numeric-owner --full-time -f -", nil)
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func packedNames(t *testing.T, v *View, name string) string {
	t.Helper()
	var b bytes.Buffer
	if err := v.Pack(&b, name); err != nil {
		t.Fatal(err)
	}
	var all []string
	for r := tar.NewReader(&b); ; {
		h, err := r.Next()
		if err == io.EOF {
			return strings.Join(all, " ")
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, h.Name)
	}
}

func TestPackNames(t *testing.T) {
	v := rootView(NewTmpfs(0, 0o755))
	play(t, v, "d /a 755 0 0", "d /a/b 755 0 0", "f /a/b/c 644 0 0 x", "l /l a/b")
	for name, want := range map[string]string{
		"/a/b": "b/ b/c", "/a/b/": "b/ b/c", "/a/b/.": "./ ./c", "/a/b/c": "c", "/l": "l", "/l/": "l/ l/c", "/l/.": "./ ./c", "/": "/ /a/ /a/b/ /a/b/c /l",
	} {
		if got := packedNames(t, v, name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if err := v.Pack(io.Discard, "/missing"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestUnpackStaysInside(t *testing.T) {
	for name, c := range map[string]struct {
		entries []entry
		want    error
	}{
		"dotdot":                    {[]entry{{name: "../x", body: "x"}}, ErrBreakout},
		"dotdot within":             {[]entry{{name: "a/../../x", body: "x"}}, ErrBreakout},
		"through a link of its own": {[]entry{{name: "l", symlink: "/outside"}, {name: "l/x", body: "x"}}, ErrBreakout},
		"through a link there was":  {[]entry{{name: "old/x", body: "x"}}, ErrBreakout},
		"new directories there":     {[]entry{{name: "old/new/deep/x", body: "x"}}, ErrBreakout},
		"dangling link":             {[]entry{{name: "dangling/x", body: "x"}}, fs.ErrNotExist},
		"hard link out":             {[]entry{{name: "h", link: "../outside/secret"}}, ErrBreakout},
		"hard link through a link":  {[]entry{{name: "h", link: "old/secret"}}, ErrBreakout},
		"over the link":             {[]entry{{name: "old", body: "x"}}, nil},
		"absolute":                  {[]entry{{name: "/x", body: "x"}}, nil},
		"within":                    {[]entry{{name: "inner", symlink: "sub"}, {name: "inner/x", body: "x"}}, nil},
		"whiteout is a name":        {[]entry{{name: ".wh.sub", body: "x"}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			v := rootView(NewTmpfs(0, 0o755))
			play(t, v, "d /outside 755 0 0", "f /outside/secret 600 0 0 secret", "d /in 755 0 0", "d /in/sub 755 0 0", "l /in/old ../outside", "l /in/dangling ../outside/made")
			err := v.Unpack(bytes.NewReader(tarOf(t, c.entries)), "/in", UnpackOptions{})
			if !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
			if got := names(t, v, "/"); got != "in outside" {
				t.Errorf("/ has %q", got)
			}
			if got := names(t, v, "/outside"); got != "secret" {
				t.Errorf("/outside has %q", got)
			}
		})
	}
}

func TestUnpackOptions(t *testing.T) {
	v := rootView(NewTmpfs(0, 0o755))
	play(t, v, "d /d 755 0 0", "d /d/dir 755 0 0", "f /d/file 644 0 0 x")
	strict := UnpackOptions{NoOverwriteDirNonDir: true}
	err := v.Unpack(bytes.NewReader(tarOf(t, []entry{{name: "dir", body: "x"}})), "/d", strict)
	if err == nil || !strings.Contains(err.Error(), "cannot overwrite directory") {
		t.Error(err)
	}
	err = v.Unpack(bytes.NewReader(tarOf(t, []entry{{name: "file", mode: fs.ModeDir | 0o755}})), "/d", strict)
	if err == nil || !strings.Contains(err.Error(), "cannot overwrite non-directory") {
		t.Error(err)
	}
	owned := tarOf(t, []entry{{name: "owned", body: "x", uid: 5, gid: 6}})
	for opts, want := range map[UnpackOptions][2]uint32{
		{}: {5, 6}, {CopyOwner: true}: {5, 6}, {CopyOwner: true, Owner: &Owner{7, 8}}: {7, 8},
	} {
		if err := v.Unpack(bytes.NewReader(owned), "/d", opts); err != nil {
			t.Fatal(err)
		}
		if info, err := v.Stat("/d/owned"); err != nil || info.UID() != want[0] || info.GID() != want[1] {
			t.Errorf("%+v: %+v, %v", opts, info, err)
		}
	}
	if err := v.Unpack(bytes.NewReader(tarOf(t, []entry{{name: "long", body: strings.Repeat("x", 2000)}})[:2000]), "/d", UnpackOptions{}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut off: %v", err)
	}
	if err := v.Unpack(bytes.NewReader(owned), "/d/file", UnpackOptions{}); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("into a file: %v", err)
	}
}
