package layer

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
)

func tarOf(t testing.TB, headers ...*tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		body := h.Uname // the tests keep a file's contents there
		h.Uname = ""
		h.Size = int64(len(body))
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		if h.ModTime.IsZero() {
			h.ModTime = time.Unix(1_700_000_000, 0)
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func newStore(t testing.TB) *Store {
	t.Helper()
	s, err := NewStore(filepath.Join(t.TempDir(), "layers"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// listing tells all that an index says.
func listing(t testing.TB, l *Layer) string {
	t.Helper()
	var b strings.Builder
	var visit func(dir uint32, name string)
	visit = func(dir uint32, name string) {
		first, count := l.Children(dir)
		for i := first; i < first+count; i++ {
			p := name + "/" + l.Name(i)
			if l.Whiteout(i) {
				fmt.Fprintln(&b, p, "whiteout")
				continue
			}
			f := l.File(i)
			if target, ok := l.Foreign(f); ok {
				fmt.Fprintln(&b, p, "link below to", target)
				continue
			}
			e := l.Entry(f)
			fmt.Fprint(&b, p, " ", e.Mode, " ", e.UID, ":", e.GID)
			if e.Nlink != 1 {
				fmt.Fprint(&b, " links ", e.Nlink)
			}
			if e.Target != "" {
				fmt.Fprint(&b, " -> ", e.Target)
			}
			if e.Mode&fs.ModeDevice != 0 {
				fmt.Fprint(&b, " device ", e.Major, ",", e.Minor)
			}
			for k, v := range l.Xattrs(f) {
				fmt.Fprintf(&b, " %s=%q", k, v)
			}
			if e.Mode.IsRegular() {
				data := make([]byte, e.Size+1)
				n, err := l.ReadAt(f, data, 0)
				if err != io.EOF {
					t.Errorf("read of %s past its end: %v", p, err)
				}
				fmt.Fprintf(&b, " %q", data[:n])
			}
			if l.Implicit(f) {
				fmt.Fprint(&b, " implicit")
			}
			if l.Opaque(f) {
				fmt.Fprint(&b, " opaque")
			}
			fmt.Fprintln(&b)
			if e.Mode.IsDir() {
				visit(i, p)
			}
		}
	}
	visit(0, "")
	return b.String()
}

func file(name, body string) *tar.Header {
	return &tar.Header{Name: name, Uname: body, Typeflag: tar.TypeReg}
}

func dir(name string) *tar.Header {
	return &tar.Header{Name: name, Mode: 0o755, Typeflag: tar.TypeDir}
}

func link(name, target string) *tar.Header {
	return &tar.Header{Name: name, Linkname: target, Typeflag: tar.TypeLink}
}

func symlink(name, target string) *tar.Header {
	return &tar.Header{Name: name, Linkname: target, Mode: 0o777, Typeflag: tar.TypeSymlink}
}

func TestImport(t *testing.T) {
	long := strings.Repeat("long-name/", 30) + "file"
	for name, c := range map[string]struct {
		tar  []*tar.Header
		want string
	}{
		"names": {
			[]*tar.Header{file("./b", "2"), file("/a", "1"), dir("c/"), file("c/../d", "3"), {Name: "./", Typeflag: tar.TypeDir, Mode: 0o700}},
			"/a -rw-r--r-- 0:0 \"1\"\n/b -rw-r--r-- 0:0 \"2\"\n/c drwxr-xr-x 0:0\n/d -rw-r--r-- 0:0 \"3\"\n",
		},
		"kinds": {
			[]*tar.Header{
				{Name: "f", Mode: 0o4751, Uid: 1_000_000, Gid: 5, Typeflag: tar.TypeReg, PAXRecords: map[string]string{"SCHILY.xattr.security.capability": "\x01\x00"}},
				symlink("l", "/x"), {Name: "n", Mode: 0o666, Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3},
				{Name: "p", Mode: 0o600, Typeflag: tar.TypeFifo}, {Name: "t", Mode: 0o1777, Typeflag: tar.TypeDir},
			},
			"/f urwxr-x--x 1000000:5 security.capability=\"\\x01\\x00\" \"\"\n/l Lrwxrwxrwx 0:0 -> /x\n/n Dcrw-rw-rw- 0:0 device 1,3\n/p prw------- 0:0\n/t dtrwxrwxrwx 0:0\n",
		},
		"last wins": {
			[]*tar.Header{file("a", "old"), dir("b"), file("b/c", "x"), file("a", "new"), file("b", "file"), dir("d"), file("d/e", "kept"), {Name: "d", Mode: 0o700, Typeflag: tar.TypeDir}},
			"/a -rw-r--r-- 0:0 \"new\"\n/b -rw-r--r-- 0:0 \"file\"\n/d drwx------ 0:0\n/d/e -rw-r--r-- 0:0 \"kept\"\n",
		},
		"hard links": {
			[]*tar.Header{link("early", "f"), file("f", "1"), link("b", "/f"), link("c", "./b"), file("b", "2"), link("other", "usr/bin/below")},
			"/b -rw-r--r-- 0:0 \"2\"\n/c -rw-r--r-- 0:0 links 3 \"1\"\n/early -rw-r--r-- 0:0 links 3 \"1\"\n/f -rw-r--r-- 0:0 links 3 \"1\"\n/other link below to usr/bin/below\n",
		},
		"whiteouts": {
			[]*tar.Header{file(".wh.gone", ""), file("d/.wh..wh..opq", ""), file("d/x", "1"), dir("e"), file(".wh.e", ""), file(".wh..wh.plnk", "")},
			"/d drwxr-xr-x 0:0 implicit opaque\n/d/x -rw-r--r-- 0:0 \"1\"\n/e drwxr-xr-x 0:0 opaque\n/gone whiteout\n",
		},
		"parents through links": {
			[]*tar.Header{symlink("bin", "usr/bin"), file("bin/sh", "sh"), symlink("up", "../../../usr"), file("up/x", "x"), file("bin/.wh.y", "")},
			"/bin Lrwxrwxrwx 0:0 -> usr/bin\n/up Lrwxrwxrwx 0:0 -> ../../../usr\n/usr drwxr-xr-x 0:0 implicit\n/usr/bin drwxr-xr-x 0:0 implicit\n/usr/bin/sh -rw-r--r-- 0:0 \"sh\"\n/usr/bin/y whiteout\n/usr/x -rw-r--r-- 0:0 \"x\"\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := imported(t, newStore(t), tarOf(t, c.tar...))
			if got := listing(t, l); got != c.want {
				t.Errorf("got\n%swant\n%s", got, c.want)
			}
		})
	}
	l := imported(t, newStore(t), tarOf(t, file(long, "deep")))
	if got := listing(t, l); !strings.HasSuffix(got, long+" -rw-r--r-- 0:0 \"deep\"\n") {
		t.Errorf("long name: %s", got)
	}
}

func imported(t testing.TB, s *Store, data []byte) *Layer {
	t.Helper()
	id, n, err := s.Import(t.Context(), bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if id != digest.FromBytes(data) || n != int64(len(data)) {
		t.Errorf("imported %s of %d bytes, want %s of %d", id, n, digest.FromBytes(data), len(data))
	}
	l, err := Open(s.Path(id))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	r, _, err := l.Tar()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if kept, err := io.ReadAll(r); err != nil || !bytes.Equal(kept, data) {
		t.Errorf("the tar was not kept as it is: %v", err)
	}
	return l
}

func TestImportRefuses(t *testing.T) {
	small := Limits{Bytes: 10_000, Entries: 5, Depth: 4, Path: 100}
	good := tarOf(t, file("a", strings.Repeat("a", 2000)))
	for name, data := range map[string][]byte{
		"leaves the root":       tarOf(t, file("../a", "")),
		"name leaves":           tarOf(t, file("a/../../b", "")),
		"whiteout of nothing":   tarOf(t, file("d/.wh.", "")),
		"whiteout of nothing (": tarOf(t, file(".wh...", "")),
		"link target":           tarOf(t, link("a", "../../etc/passwd")),
		"hard link to a dir":    tarOf(t, dir("d"), link("a", "d")),
		"root is not":           tarOf(t, symlink(".", "/etc")),
		"parent is not a dir":   tarOf(t, file("a", ""), file("a/b", "")),
		"levels of symbolic":    tarOf(t, symlink("a", "b"), symlink("b", "a"), file("a/b", "")),
		"directories deep":      tarOf(t, file("1/2/3/4/5", "")),
		"longer than 100":       tarOf(t, file(strings.Repeat("x/", 60)+"x", "")),
		"more than 5 entries":   tarOf(t, file("1", ""), file("2", ""), file("3", ""), file("4", ""), file("5", ""), file("6", "")),
		"larger than 10000":     tarOf(t, file("a", strings.Repeat("a", 6000)), file("b", strings.Repeat("b", 6000))),
		"impossible size":       tarOf(t, file("a", strings.Repeat("a", 20_000))),
		"unexpected EOF":        good[:1000],
		"invalid tar header":    append(bytes.Repeat([]byte("x"), 512), good...),
		"sparse":                sparse(t),
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t).WithLimits(small)
			_, _, err := s.Import(t.Context(), bytes.NewReader(data))
			var bad *FormatError
			want, _, _ := strings.Cut(name, " (")
			if !errors.As(err, &bad) || !strings.Contains(err.Error(), want) {
				t.Errorf("error is %v, want a FormatError with %q", err, want)
			}
			left, err := os.ReadDir(s.dir)
			if err != nil || len(left) != 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

// sparse is what GNU tar -S writes for a file with a hole: type S and the map of its data in the header.
func sparse(t testing.TB) []byte {
	t.Helper()
	data := tarOf(t, file("a", strings.Repeat("a", 512)))
	h := data[:512]
	h[156] = 'S'
	copy(h[257:], "ustar  \x00")
	clear(h[265:500])
	copy(h[386:], "00000000000\x0000000001000\x00")
	copy(h[483:], "00000010000\x00")
	copy(h[148:], "        ")
	sum := 0
	for _, c := range h {
		sum += int(c)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return data
}

func TestImportEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := newStore(t).Import(ctx, bytes.NewReader(tarOf(t, file("a", "b")))); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestImportPassesOnItsSourcesError(t *testing.T) {
	broken := errors.New("connection reset")
	data := tarOf(t, file("a", strings.Repeat("b", 9000)))
	r := io.MultiReader(bytes.NewReader(data[:4000]), errReader{broken})
	_, _, err := newStore(t).Import(t.Context(), r)
	var bad *FormatError
	if !errors.Is(err, broken) || errors.As(err, &bad) {
		t.Errorf("error is %v", err)
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

func TestStore(t *testing.T) {
	s := newStore(t)
	data := tarOf(t, file("a", "b"))
	l := imported(t, s, data)
	if again := imported(t, s, data); again != l {
		t.Error("the same layer is open twice")
	}
	id := digest.FromBytes(data)
	if all, err := s.List(); err != nil || len(all) != 1 || all[0] != id || !s.Has(id) {
		t.Errorf("list: %v, %v", all, err)
	}
	if err := os.Mkdir(filepath.Join(s.dir, tempPrefix+"cut-off"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := NewStore(s.dir); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(s.dir); err != nil || len(left) != 1 {
		t.Errorf("after opening again: %v, %v", left, err)
	}
	if err := s.Remove(id); err != nil {
		t.Fatal(err)
	}
	if got := listing(t, l); got != "/a -rw-r--r-- 0:0 \"b\"\n" {
		t.Errorf("open layer after its removal: %s", got)
	}
	if err := s.Remove(id); !errors.Is(err, fs.ErrNotExist) || s.Has(id) {
		t.Errorf("second removal: %v", err)
	}
	if s.Has("sha256:../../etc") || filepath.Dir(s.Path("../../etc")) != s.dir {
		t.Error("something that is no digest leaves the store")
	}
}

func TestDamagedIndex(t *testing.T) {
	b := newBuilder(DefaultLimits())
	if err := b.read(&meter{ctx: t.Context(), limit: 1 << 20, r: bytes.NewReader(tarOf(t, file("a", "b"), dir("c")))}); err != nil {
		t.Fatal(err)
	}
	index := b.index()
	if _, err := parse(index); err != nil {
		t.Fatal(err)
	}
	for i := range index {
		damaged := bytes.Clone(index)
		damaged[i] ^= 0x10
		if _, err := parse(damaged); err == nil {
			t.Fatalf("byte %d changed, and not noticed", i)
		}
		if _, err := parse(index[:i]); err == nil {
			t.Fatalf("cut at %d, and not noticed", i)
		}
	}
}

func FuzzImport(f *testing.F) {
	f.Add(tarOf(f, file("a/b", "c"), symlink("d", "../a"), link("e", "d/b"), file("d/.wh.f", ""), file("a/.wh..wh..opq", "")))
	f.Add(sparse(f))
	f.Fuzz(func(t *testing.T, data []byte) {
		b := newBuilder(Limits{Bytes: 1 << 20, Entries: 1000, Depth: 20, Path: 1000})
		if err := b.read(&meter{ctx: t.Context(), limit: 1 << 20, r: bytes.NewReader(data)}); err != nil {
			return
		}
		l, err := parse(b.index())
		if err != nil {
			t.Fatal(err)
		}
		for i := range uint32(l.Len()) {
			if name := l.Name(i); i > 0 && (name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00")) {
				t.Errorf("an entry is named %q", name)
			}
			first, count := l.Children(i)
			if l.File(i) == i && !l.Whiteout(i) && l.Mode(i).IsDir() {
				if int(first)+int(count) > l.Len() || i > 0 && l.Parent(i) >= i {
					t.Errorf("record %d has children %d+%d and parent %d", i, first, count, l.Parent(i))
				}
			}
			l.Xattrs(l.File(i))
		}
	})
}
