//go:build linux

package unpacked

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sockerless/sockerless/store/layer"
)

var then = time.Unix(1_700_000_000, 123_000_000)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// layers imports tars, one a layer; the contents of a regular file are in Uname.
func layers(t testing.TB, all ...[]tar.Header) (dirs []string) {
	t.Helper()
	store, err := layer.NewStore(t.TempDir())
	must(t, err)
	for _, headers := range all {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, h := range headers {
			body := h.Uname
			h.Uname, h.Size, h.Format = "", int64(len(body)), tar.FormatPAX
			if h.ModTime.IsZero() {
				h.ModTime = then
			}
			must(t, w.WriteHeader(&h))
			_, err := w.Write([]byte(body))
			must(t, err)
		}
		must(t, w.Close())
		id, _, err := store.Import(t.Context(), &b)
		must(t, err)
		dirs = append(dirs, store.Path(id))
	}
	return dirs
}

func sample(t testing.TB) []string {
	return layers(t, []tar.Header{
		{Name: "./", Typeflag: tar.TypeDir, Mode: 0o755},
		{Name: "etc/", Typeflag: tar.TypeDir, Mode: 0o555, Uid: 7, Gid: 8},
		{Name: "etc/passwd", Typeflag: tar.TypeReg, Mode: 0o644, Uname: "root:x:0:0\n"},
		{Name: "etc/gone", Typeflag: tar.TypeReg, Mode: 0o644, Uname: "gone"},
		{Name: "bin/su", Typeflag: tar.TypeReg, Mode: 0o4755, Uid: 1, Gid: 2, Uname: "su",
			PAXRecords: map[string]string{"SCHILY.xattr.user.a": "b", "SCHILY.xattr.trusted.overlay.opaque": "y",
				"SCHILY.xattr.security.capability": "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"}},
		{Name: "bin/su2", Typeflag: tar.TypeLink, Linkname: "bin/su"},
		{Name: "secret", Typeflag: tar.TypeReg, Mode: 0, Uname: "x"},
		{Name: "out", Typeflag: tar.TypeSymlink, Linkname: "/etc", Uid: 5, Gid: 6},
		{Name: "dev/sda", Typeflag: tar.TypeBlock, Mode: 0o660, Devmajor: 8, Devminor: 300},
		{Name: "fifo", Typeflag: tar.TypeFifo, Mode: 0o622},
		{Name: "opaque/old", Typeflag: tar.TypeReg, Mode: 0o644},
	}, []tar.Header{
		{Name: "etc/.wh.gone", Typeflag: tar.TypeReg},
		{Name: "opaque/.wh..wh..opq", Typeflag: tar.TypeReg},
		{Name: "opaque/new", Typeflag: tar.TypeReg, Mode: 0o600, Uname: "new"},
	})
}

// listing tells all that there is about the files of a directory.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	must(t, filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		must(t, err)
		var st unix.Stat_t
		must(t, unix.Lstat(name, &st))
		fmt.Fprintf(&b, "%s %o %d:%d %d %d", strings.TrimPrefix(name, dir), st.Mode, st.Uid, st.Gid, st.Nlink, time.Unix(st.Mtim.Unix()).UnixNano())
		switch e.Type() {
		case 0:
			if os.Geteuid() == 0 || st.Mode&0o400 != 0 {
				text, err := os.ReadFile(name)
				must(t, err)
				fmt.Fprintf(&b, " %q", text)
			}
			buf := make([]byte, 256)
			n, err := unix.Llistxattr(name, buf)
			must(t, err)
			fmt.Fprintf(&b, " %q", buf[:n])
		case fs.ModeSymlink:
			target, err := os.Readlink(name)
			must(t, err)
			b.WriteString(" " + target)
		case fs.ModeDevice:
			fmt.Fprintf(&b, " %d,%d", unix.Major(st.Rdev), unix.Minor(st.Rdev))
		}
		b.WriteString("\n")
		return nil
	}))
	return b.String()
}

func open(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(dir)
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	return s
}

const asRoot = ` 40755 0:0 6 1700000000123000000
/bin 40755 0:0 2 1700000000123000000
/bin/su 104755 1:2 2 1700000000123000000 "su" "security.capability\x00user.a\x00"
/bin/su2 104755 1:2 2 1700000000123000000 "su" "security.capability\x00user.a\x00"
/dev 40755 0:0 2 1700000000123000000
/dev/sda 60660 0:0 1 1700000000123000000 8,300
/etc 40555 7:8 2 1700000000123000000
/etc/passwd 100644 0:0 1 1700000000123000000 "root:x:0:0\n" ""
/fifo 10622 0:0 1 1700000000123000000
/opaque 40755 0:0 2 1700000000123000000
/opaque/new 100600 0:0 1 1700000000123000000 "new" ""
/out 120777 5:6 1 1700000000123000000 /etc
/secret 100000 0:0 1 1700000000123000000 "x" ""
`

func TestDirectory(t *testing.T) {
	root := os.Geteuid() == 0
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, tempPrefix+"left"), 0o000))
	s := open(t, dir)
	stack := sample(t)
	path, release, err := s.Directory(t.Context(), stack)
	must(t, err)
	want := asRoot
	if !root {
		want = strings.NewReplacer("7:8", "0:0", "5:6", "0:0", "1:2", "0:0", `"security.capability\x00user.a\x00"`, `"user.a\x00"`,
			"/dev/sda 60660 0:0 1 1700000000123000000 8,300\n", "").Replace(want)
		want = strings.Replace(want, `/secret 100000 0:0 1 1700000000123000000 "x"`, `/secret 100000 0:0 1 1700000000123000000`, 1)
		want = strings.ReplaceAll(want, " 0:0 ", fmt.Sprintf(" %d:%d ", os.Geteuid(), os.Getegid()))
	}
	// Directories that no tar has an entry for have no time of their own.
	if got := untimed(listing(t, path)); got != untimed(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	again, release2, err := open(t, dir).Directory(t.Context(), stack)
	must(t, err)
	if again != path {
		t.Errorf("again: %s, not %s", again, path)
	}
	release2()
	must(t, s.Sweep(nil))
	if _, err := os.Stat(path); err != nil {
		t.Errorf("swept while it was used: %v", err)
	}
	release()
	release()
	must(t, s.Sweep([][]string{stack}))
	if _, err := os.Stat(path); err != nil {
		t.Errorf("swept what is kept: %v", err)
	}
	must(t, s.Sweep([][]string{stack[:1]}))
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 0 {
		t.Errorf("left: %v %v", left, err)
	}
}

// untimed leaves the times of directories out.
func untimed(listing string) string {
	var b strings.Builder
	for line := range strings.Lines(listing) {
		if f := strings.Fields(line); strings.HasPrefix(f[len(f)-4], "40") && len(f) < 6 {
			line = strings.Join(f[:len(f)-1], " ") + "\n"
		}
		b.WriteString(line)
	}
	return b.String()
}

func TestAsOrdinaryUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("needs root, to become another user")
	}
	const nobody = 65534
	dir := t.TempDir()
	must(t, os.Chmod(filepath.Dir(dir), 0o755))
	self, err := os.ReadFile("/proc/self/exe")
	must(t, err)
	program, temp := filepath.Join(dir, "unpacked.test"), filepath.Join(dir, "tmp")
	must(t, os.WriteFile(program, self, 0o755))
	must(t, os.Mkdir(temp, 0o700))
	must(t, os.Chown(temp, nobody, nobody))
	cmd := exec.CommandContext(t.Context(), program, "-test.run=^TestDirectory$", "-test.v")
	cmd.Dir, cmd.Env = temp, []string{"TMPDIR=" + temp}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestDirectory") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestManyAskForOne(t *testing.T) {
	s := open(t, t.TempDir())
	stack := sample(t)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			path, release, err := s.Directory(t.Context(), stack)
			if err != nil {
				t.Error(err)
				return
			}
			defer release()
			if _, err := os.Stat(filepath.Join(path, "opaque/new")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	left, err := os.ReadDir(s.dir)
	if err != nil || len(left) != 1 {
		t.Errorf("left: %v %v", left, err)
	}
}

func TestFailures(t *testing.T) {
	s := open(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	stack := sample(t)
	if _, release, err := s.Directory(ctx, stack); err == nil {
		release() // it was quicker
	} else if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, _, err := s.Directory(t.Context(), []string{filepath.Join(t.TempDir(), "none")}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no layer: %v", err)
	}
	_, release, err := s.Directory(t.Context(), stack)
	must(t, err)
	release()
}
