package rootfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

func hostView(t *testing.T, dir string, opts HostOptions) *View {
	t.Helper()
	f, err := NewHostDir(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.(*hostFS).Close() })
	return rootView(f)
}

// TestHostLinksStayInTheTree has links on the host that point out of the directory: they mean the tree's files.
func TestHostLinksStayInTheTree(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "mounted")
	for _, err := range []error{
		os.Mkdir(dir, 0o755), os.WriteFile(filepath.Join(top, "secret"), []byte("host"), 0o644), os.Symlink("../secret", filepath.Join(dir, "up")),
		os.Symlink(filepath.Join(top, "secret"), filepath.Join(dir, "abs")), os.Symlink(top, filepath.Join(dir, "dir")), os.Symlink("/etc/name", filepath.Join(dir, "tree")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	host, err := NewHostDir(dir, HostOptions{})
	if err != nil {
		t.Fatal(err)
	}
	tree := NewTree(NewTmpfs(0, 0o755), false)
	v := tree.View(Cred{})
	if err := errors.Join(tree.Mount("/mnt", host, false), v.Mkdir("/etc", 0o755), v.WriteFile("/etc/name", []byte("tree"), 0o644)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"/mnt/up", "/mnt/abs", "/mnt/dir/secret"} {
		if b, err := v.ReadFile(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	if b, err := v.ReadFile("/mnt/tree"); err != nil || string(b) != "tree" {
		t.Errorf("%q, %v", b, err)
	}
	if err := v.WriteFile("/mnt/up", []byte("made"), 0o644); err != nil {
		t.Fatal(err)
	}
	if b, err := v.ReadFile("/secret"); err != nil || string(b) != "made" {
		t.Errorf("%q, %v", b, err)
	}
	if b, err := os.ReadFile(filepath.Join(top, "secret")); err != nil || string(b) != "host" {
		t.Errorf("the host's file is %q, %v", b, err)
	}
}

// TestHostSwap changes directories for links to the outside while files are written through them.
func TestHostSwap(t *testing.T) {
	top := t.TempDir()
	dir, outside := filepath.Join(top, "in"), filepath.Join(top, "out")
	for _, d := range []string{dir, outside, filepath.Join(dir, "d")} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	v := hostView(t, dir, HostOptions{})
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			// Only what fails because the writer was faster is left undone.
			_ = os.Rename(filepath.Join(dir, "d"), filepath.Join(dir, "away"))
			_ = os.Symlink(outside, filepath.Join(dir, "d"))
			_ = os.Remove(filepath.Join(dir, "d"))
			_ = os.Rename(filepath.Join(dir, "away"), filepath.Join(dir, "d"))
		}
	})
	done := 0
	for i := 0; i < 400 || done == 0 && i < 100_000; i++ {
		name := fmt.Sprintf("/d/f%d", i%10)
		if v.WriteFile(name, []byte("x"), 0o644) == nil {
			done++
		}
		_ = v.Chmod(name, 0o600)
		_ = v.Rename(name, name+"x")
		_ = v.Symlink("x", name)
		_ = v.Unlink(name)
		_ = v.MkdirAll(name+"d/e", 0o755)
		_ = v.RemoveAll(name + "d")
	}
	close(stop)
	wg.Wait()
	left, err := os.ReadDir(outside)
	if err != nil || len(left) != 0 || done == 0 {
		t.Errorf("outside: %v, %v; %d files were written", left, err, done)
	}
}

func TestHostFile(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "conf")
	if err := errors.Join(os.WriteFile(name, []byte("text"), 0o644), os.WriteFile(filepath.Join(dir, "other"), nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	host, err := NewHostDir(name, HostOptions{})
	if err != nil {
		t.Fatal(err)
	}
	tree := NewTree(NewTmpfs(0, 0o755), false)
	v := tree.View(Cred{})
	if err := tree.Mount("/etc/conf", host, false); err != nil {
		t.Fatal(err)
	}
	f, err := v.OpenFile("/etc/conf", os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("+"); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if _, err := v.Stat("/etc/conf/../other"); !errors.Is(err, syscall.ENOTDIR) {
		t.Error(err)
	}
	if b, err := os.ReadFile(name); err != nil || string(b) != "text+" {
		t.Errorf("%q, %v", b, err)
	}
}

func TestHostReadOnly(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte("text"), 0o644); err != nil {
		t.Fatal(err)
	}
	v := hostView(t, dir, HostOptions{ReadOnly: true})
	for i, err := range []error{
		v.WriteFile("/f", nil, 0), v.WriteFile("/g", nil, 0o644), v.Unlink("/f"), v.Rename("/f", "/g"), v.Link("/f", "/g"), v.Symlink("f", "/g"), v.Mkdir("/g", 0o755),
		v.Chmod("/f", 0o600), v.Truncate("/f", 0), v.Chown("/f", 1, 1), v.Setxattr("/f", "user.a", nil),
	} {
		if !errors.Is(err, syscall.EROFS) {
			t.Errorf("%d: %v", i, err)
		}
	}
	if b, err := v.ReadFile("/f"); err != nil || string(b) != "text" {
		t.Errorf("%q, %v", b, err)
	}
}

// TestHostOwners has what the host refuses kept beside.
func TestHostOwners(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "_data")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	v := hostView(t, dir, HostOptions{Metadata: true})
	other := hostView(t, dir, HostOptions{Metadata: true}) // another cell
	if err := errors.Join(v.Mkdir("/d", 0o755), v.WriteFile("/d/f", []byte("x"), 0o640), v.Chown("/d/f", 123, 456), v.Chmod("/d/f", fs.ModeSetuid|0o510), v.Symlink("x", "/l"), v.Lchown("/l", 5, 6)); err != nil {
		t.Fatal(err)
	}
	if err := v.Rename("/d/f", "/g"); err != nil {
		t.Fatal(err)
	}
	for _, v := range []*View{v, other} {
		if info, err := v.Stat("/g"); err != nil || info.UID() != 123 || info.GID() != 456 || info.Mode() != fs.ModeSetuid|0o510 {
			t.Errorf("%+v, %v", info, err)
		}
		if info, err := v.Lstat("/l"); err != nil || info.UID() != 5 || info.GID() != 6 {
			t.Errorf("%+v, %v", info, err)
		}
	}
	// A mode that the host takes does not make it forget an owner that it did not.
	if err := errors.Join(v.WriteFile("/h", nil, 0o600), v.Chown("/h", 7, 8), v.Chmod("/h", 0o755)); err != nil {
		t.Fatal(err)
	}
	if info, err := other.Stat("/h"); err != nil || info.UID() != 7 || info.GID() != 8 || info.Mode() != 0o755 {
		t.Errorf("%+v, %v", info, err)
	}
	if err := v.Unlink("/h"); err != nil {
		t.Fatal(err)
	}
	f, err := v.OpenFile("/g", os.O_RDWR, 0)
	if err != nil {
		t.Fatalf("root opens what its owner may not write: %v", err)
	}
	if info, err := f.Stat(); err != nil || info.UID() != 123 {
		t.Errorf("%+v, %v", info, err)
	}
	f.Close()
	if err := errors.Join(v.Unlink("/g"), v.Unlink("/l"), v.Rmdir("/d")); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(filepath.Join(filepath.Dir(dir), "owners")); err == nil && len(left) != 0 {
		t.Errorf("left beside: %v", left)
	}
}

// TestOwnerStore is what a host that refuses makes use of, whoever runs the tests.
func TestOwnerStore(t *testing.T) {
	s := &ownerStore{dir: filepath.Join(t.TempDir(), "owners")}
	byIno, byPath := s.key("a", Attr{Ino: 255}), s.key("a", Attr{})
	if byIno != "ff" || !strings.HasPrefix(byPath, "p") {
		t.Errorf("keys %s, %s", byIno, byPath)
	}
	if _, ok, err := s.get(byIno); ok || err != nil {
		t.Errorf("before: %v, %v", ok, err)
	}
	want := owner{1 << 31, 2, fs.ModeSetgid | fs.ModeSticky | 0o751}
	if err := errors.Join(s.set(byIno, owner{1, 1, 0}), s.set(byIno, want), s.move(byIno, byPath), s.move("none", "other")); err != nil {
		t.Fatal(err)
	}
	if got, ok, err := s.get(byPath); got != want || !ok || err != nil {
		t.Errorf("%+v, %v, %v", got, ok, err)
	}
	s.drop(byPath)
	if left, err := os.ReadDir(s.dir); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
