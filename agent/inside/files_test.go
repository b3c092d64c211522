//go:build linux

package inside_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"

	"github.com/sockerless/sockerless/agent/agentpb"
)

// open makes the container's files reachable.
func (c *container) open() *container {
	c.t.Helper()
	if err := c.OpenContainer(c.t.Context(), spec()); err != nil {
		c.t.Fatal(err)
	}
	return c
}

func (c *container) get(name string) []byte {
	c.t.Helper()
	_, r, err := c.Get(c.t.Context(), "c", name)
	if err != nil {
		c.t.Fatal(err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		c.t.Fatal(err)
	}
	return data
}

func (c *container) delta() []byte {
	c.t.Helper()
	r, err := c.Delta(c.t.Context(), &agentpb.DeltaRequest{Container: "c"})
	if err != nil {
		c.t.Fatal(err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		c.t.Fatal(err)
	}
	return data
}

func (c *container) put(open *agentpb.PutOpen, data []byte) error {
	open.Container = "c"
	return c.Put(c.t.Context(), open, bytes.NewReader(data))
}

// names lists an archive: names, with the targets of links.
func names(t *testing.T, data []byte) (list []string) {
	t.Helper()
	r := tar.NewReader(bytes.NewReader(data))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		name := h.Name
		if h.Linkname != "" {
			name += " > " + h.Linkname
		}
		list = append(list, name)
	}
}

// archive makes a tar of headers; a regular file has its name as contents.
func archive(t *testing.T, headers ...*tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(h.Name))
		}
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := io.WriteString(w, h.Name); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// zoo makes one of each kind of file.
const zoo = `cd %s && mkdir -p d/empty d/sub && echo hello >d/file && chmod 4755 d/file && chown 12:34 d/file && ln d/file d/hard
ln -s /nosuch d/link && mkfifo d/fifo && mknod d/null c 1 3 && head -c 300000 /dev/urandom >d/sub/big && chmod 1777 d/empty
printf x >'d/a name' && touch -d '2001-02-03 04:05:06.789' d/file 'd/a name' d/sub d/empty && touch -h -d @1 d/link && chown -h 5:6 d/link
touch -d @1234567890 d`

// listing describes a tree by GNU's find, with contents.
const listing = `cd %s && find . -mindepth 1 -printf '%%P %%y %%m %%U:%%G %%s %%T@ %%l %%n\n' | sort && find . -type f -exec md5sum {} + | sort -k2`

// What Get packs, GNU tar unpacks to the same tree, and what GNU tar packs, Put unpacks to the same tree.
func TestFilesRoundTripThroughGNUTar(t *testing.T) {
	c := makeContainer(t, layout{}).twin()
	c.sh(fmt.Sprintf(zoo, "/tmp"))
	if err := unix.Setxattr(c.root+"/tmp/d/file", "user.note", []byte("kept"), 0); err != nil {
		t.Fatal(err)
	}
	want := c.sh(fmt.Sprintf(listing, "/tmp/d"))
	c.write("/tmp/d.tar", string(c.get("/tmp/d")))
	c.sh(`mkdir /gnu && tar -C /gnu --xattrs --numeric-owner -xpf /tmp/d.tar`)
	if got := c.sh(fmt.Sprintf(listing, "/gnu/d")); got != want {
		t.Errorf("GNU tar unpacked\n%swant\n%s", got, want)
	}
	c.sh(`tar -C /tmp --xattrs --numeric-owner --format=posix -cf /tmp/gnu.tar d; mkdir /ours`)
	packed, err := os.ReadFile(c.root + "/tmp/gnu.tar")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.put(&agentpb.PutOpen{Path: "/ours"}, packed); err != nil {
		t.Fatal(err)
	}
	if got := c.sh(fmt.Sprintf(listing, "/ours/d")); got != want {
		t.Errorf("Put unpacked\n%swant\n%s", got, want)
	}
	for _, name := range []string{"/gnu/d/file", "/ours/d/file"} {
		var value [16]byte
		n, err := unix.Getxattr(c.root+name, "user.note", value[:])
		if err != nil || string(value[:n]) != "kept" {
			t.Errorf("%s: attribute %q, %v", name, value[:max(n, 0)], err)
		}
	}
}

func TestStatAndNamesInArchives(t *testing.T) {
	c := makeContainer(t, layout{}).open()
	c.write("/tmp/file", "12345")
	if err := errors.Join(os.Symlink("file", c.root+"/tmp/link"), os.Symlink("/tmp", c.root+"/dir"), os.Symlink("nosuch", c.root+"/tmp/dangling"),
		os.Chtimes(c.root+"/tmp/file", time.Unix(1, 0), time.Unix(5, 6))); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]*agentpb.PathStat{
		"/tmp/file":       {Name: "file", Size: 5, Mode: 0o644, Mtime: 5e9 + 6},
		"tmp/../tmp/file": {Name: "file", Size: 5, Mode: 0o644, Mtime: 5e9 + 6},
		"/tmp/link":       {Name: "link", Mode: uint32(os.ModeSymlink | 0o777), LinkTarget: "/tmp/file"},
		"/dir":            {Name: "dir", Mode: uint32(os.ModeSymlink | 0o777), LinkTarget: "/tmp"},
		"/tmp/dangling":   {Name: "dangling", Mode: uint32(os.ModeSymlink | 0o777), LinkTarget: "/tmp/nosuch"},
	} {
		got, err := c.Stat(t.Context(), "c", name)
		if err != nil {
			t.Fatal(err)
		}
		if got.GetName() != want.GetName() || got.GetMode() != want.GetMode() || got.GetLinkTarget() != want.GetLinkTarget() ||
			want.GetMtime() != 0 && (got.GetMtime() != want.GetMtime() || got.GetSize() != want.GetSize()) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	for name, want := range map[string][]string{
		"/tmp/file": {"file"}, "/tmp/link": {"link > file"},
		"/tmp":   {"tmp/", "tmp/dangling > nosuch", "tmp/file", "tmp/link > file"},
		"/dir/.": {"./", "./dangling > nosuch", "./file", "./link > file"},
		"/dir/":  {"dir/", "dir/dangling > nosuch", "dir/file", "dir/link > file"},
	} {
		if got := names(t, c.get(name)); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"/nosuch", "/tmp/file/x", "/.sockerless/socket", "/tmp/../.sockerless", "/proc/1/root/.sockerless/socket"} {
		if _, err := c.Stat(t.Context(), "c", name); !errdefs.IsNotFound(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := c.Stat(t.Context(), "other", "/tmp"); !errdefs.IsNotFound(err) {
		t.Errorf("another container: %v", err)
	}
}

func TestPutRefusals(t *testing.T) {
	c := makeContainer(t, layout{}).open()
	c.write("/tmp/file", "")
	if err := errors.Join(os.Mkdir(c.root+"/tmp/dir", 0o755), os.Symlink("/etc", c.root+"/tmp/etc"), os.Symlink("/nosuch", c.root+"/tmp/dangling")); err != nil {
		t.Fatal(err)
	}
	for _, p := range []struct {
		open *agentpb.PutOpen
		h    *tar.Header
		want string
	}{
		{&agentpb.PutOpen{Path: "/tmp"}, &tar.Header{Name: "../x"}, "leads out of the directory"},
		{&agentpb.PutOpen{Path: "/tmp"}, &tar.Header{Name: "etc/x"}, "leads out of the directory"},
		{&agentpb.PutOpen{Path: "/tmp"}, &tar.Header{Name: "dangling/x"}, "no such file"},
		{&agentpb.PutOpen{Path: "/tmp"}, &tar.Header{Name: "hard", Typeflag: tar.TypeLink, Linkname: "../etc/passwd"}, "leads out of the directory"},
		{&agentpb.PutOpen{Path: "/"}, &tar.Header{Name: "proc/sys/kernel/hostname"}, "a file system of the kernel"},
		{&agentpb.PutOpen{Path: "/"}, &tar.Header{Name: ".sockerless/x"}, "no such file"},
		{&agentpb.PutOpen{Path: "/tmp/file"}, &tar.Header{Name: "x"}, "extraction point is not a directory"},
		{&agentpb.PutOpen{Path: "/tmp", NoOverwriteDirNonDir: true}, &tar.Header{Name: "dir"}, `cannot overwrite directory "/tmp/dir" with non-directory "dir"`},
		{&agentpb.PutOpen{Path: "/tmp", NoOverwriteDirNonDir: true}, &tar.Header{Name: "file/", Typeflag: tar.TypeDir}, `cannot overwrite non-directory "/tmp/file" with directory "file/"`},
		{&agentpb.PutOpen{Path: "/", Layer: true}, &tar.Header{Name: ".wh..."}, "a whiteout of nothing"},
		{&agentpb.PutOpen{Path: "/", Layer: true}, &tar.Header{Name: "tmp/.wh."}, "a whiteout of nothing"},
		{&agentpb.PutOpen{Path: "/", Layer: true}, &tar.Header{Name: "tmp/.wh..."}, "a whiteout of nothing"},
		{&agentpb.PutOpen{Path: "/", Layer: true}, &tar.Header{Name: ".wh.usr"}, "device or resource busy"},
	} {
		err := c.put(p.open, archive(t, p.h))
		if err == nil || !strings.Contains(err.Error(), p.want) {
			t.Errorf("%v %s: %v, want %s", p.open, p.h.Name, err, p.want)
		}
	}
	if _, err := os.Stat(filepath.Join(c.state, "x")); err == nil {
		t.Error("the agent's folder was written to")
	}
}

func TestOwnersOfWhatIsPut(t *testing.T) {
	c := makeContainer(t, layout{})
	c.start(&agentpb.Process{Args: []string{"sleep", "1000"}, User: "web"})
	data := archive(t, &tar.Header{Name: "f", Uid: 7, Gid: 8, Mode: 0o4711})
	for own, want := range map[bool]string{false: "7:8 4711\n", true: "33:33 4711\n"} {
		if err := c.put(&agentpb.PutOpen{Path: "/tmp", CopyOwner: own}, data); err != nil {
			t.Fatal(err)
		}
		if got := c.sh("stat -c '%u:%g %a' /tmp/f"); got != want {
			t.Errorf("copy owner %v: %q", own, got)
		}
	}
}

func TestLayersAreApplied(t *testing.T) {
	c := makeContainer(t, layout{}).twin()
	c.sh(`mkdir -p /d/old /o/sub /link-to && echo 1 >/d/gone && echo 1 >/d/old/f && echo 1 >/o/a && echo 1 >/o/sub/b && echo 1 >/was-file && mkdir /was-dir && echo 1 >/was-dir/f && ln -s /link-to /link`)
	c.delta()
	dir := func(name string) *tar.Header {
		return &tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: 0o750, Uid: 3, ModTime: time.Unix(99, 0)}
	}
	layer := archive(t, dir("d/"), &tar.Header{Name: "d/.wh.gone"}, &tar.Header{Name: "d/.wh.old"}, &tar.Header{Name: "d/.wh.never"},
		dir("o/"), &tar.Header{Name: "o/new"}, dir("o/sub/"), &tar.Header{Name: "o/sub/c"}, &tar.Header{Name: "o/.wh..wh..opq"},
		dir("was-file/"), &tar.Header{Name: "was-file/f", Mode: 0o600}, &tar.Header{Name: "was-dir"},
		&tar.Header{Name: "hard", Typeflag: tar.TypeLink, Linkname: "o/new"}, &tar.Header{Name: "link/f"}, &tar.Header{Name: "made/on/the/way"})
	if err := c.put(&agentpb.PutOpen{Path: "/", Layer: true}, layer); err != nil {
		t.Fatal(err)
	}
	got := c.sh(`find /d /o /was-file /was-dir /hard /link-to /made -printf '%p %y %m %U %n\n' | sort; stat -c %Y /d /o; cat /o/sub/c`)
	want := `/d d 750 3 2
/hard f 644 0 2
/link-to d 755 0 2
/link-to/f f 644 0 1
/made d 755 0 3
/made/on d 755 0 3
/made/on/the d 755 0 2
/made/on/the/way f 644 0 1
/o d 750 3 3
/o/new f 644 0 2
/o/sub d 750 3 2
/o/sub/c f 644 0 1
/was-dir f 644 0 1
/was-file d 750 3 2
/was-file/f f 600 0 1
99
99
o/sub/c`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if back := names(t, c.delta()); len(back) != 0 {
		t.Errorf("what came in goes back: %q", back)
	}
}

// What one container's Delta has makes another one's files the same, again and again.
func TestDeltasKeepTwoContainersTheSame(t *testing.T) {
	volume := t.TempDir()
	a, b := makeContainer(t, layout{volume: volume}).twin(), makeContainer(t, layout{}).twin()
	if got := names(t, a.delta()); len(got) != 0 {
		t.Errorf("at first %q have changed", got)
	}
	for _, script := range []string{
		fmt.Sprintf(zoo, "/tmp") + "; rm -r /tmp/d/fifo",
		`echo more >>/tmp/d/file; rm '/tmp/d/a name'; rmdir /tmp/d/empty; echo volume >/data/not-sent; chmod 700 /tmp/d/sub`,
		`rm -r /tmp/d/sub; echo now a file >/tmp/d/sub; rm /tmp/d/link; mkdir -p /tmp/d/link/x; mv /tmp/d /tmp/e; touch -d @7 /tmp/e/file`,
		`chown 7:7 /tmp/e/file; ln /tmp/e/file /tmp/third; echo 'odd' >"$(printf '/tmp/new\nline')"; chmod 711 /tmp`,
		`rm -rf /tmp/e "$(printf '/tmp/new\nline')"`,
	} {
		a.sh(script)
		layer := a.delta()
		if err := b.put(&agentpb.PutOpen{Path: "/", Layer: true}, layer); err != nil {
			t.Fatalf("%s: %v", script, err)
		}
		list := `export TMPDIR=/dev/shm; find /tmp -printf '%p %y %m %U:%G %T@ %l %n\n' | sort; find /tmp -type f -exec md5sum {} + | sort`
		if got, want := b.sh(list), a.sh(list); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", script, got, want)
		}
		if got := names(t, b.delta()); len(got) != 0 {
			t.Errorf("%s: what came in goes back: %q", script, got)
		}
		if got := names(t, a.delta()); len(got) != 0 {
			t.Errorf("%s: sent once more: %q", script, got)
		}
	}
	// What a background process changes between a delta and the next layer is not forgotten.
	b.sh("echo mine >/tmp/mine")
	if err := b.put(&agentpb.PutOpen{Path: "/", Layer: true}, archive(t, &tar.Header{Name: "tmp/theirs"})); err != nil {
		t.Fatal(err)
	}
	if got := names(t, b.delta()); !slices.Equal(got, []string{"tmp/mine"}) {
		t.Errorf("sent %q", got)
	}
	// All that differs from the image does not count as sent.
	b.sh("echo >/tmp/later")
	whole, err := b.Delta(t.Context(), &agentpb.DeltaRequest{Container: "c", Whole: true})
	if err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(whole)
	if err = errors.Join(err, whole.Close()); err != nil {
		t.Fatal(err)
	}
	if got := names(t, all); !slices.Contains(got, "tmp/mine") || !slices.Contains(got, "tmp/theirs") || !slices.Contains(got, "tmp/later") {
		t.Errorf("the whole is %q", got)
	}
	if got := names(t, b.delta()); !slices.Equal(got, []string{"tmp/", "tmp/later"}) {
		t.Errorf("after the whole, sent %q", got)
	}
	b.sh("echo >/tmp/forgotten")
	r, err := b.Delta(t.Context(), &agentpb.DeltaRequest{Container: "c", Forget: true})
	if err != nil {
		t.Fatal(err)
	}
	if data, err := io.ReadAll(r); len(data) != 0 || err != nil {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	_ = r.Close()
	if got := names(t, b.delta()); len(got) != 0 {
		t.Errorf("sent %q", got)
	}
}

// TestChangesOfAMountAreHeld has changes of what is mounted told again until the other side says that it has them.
func TestChangesOfAMountAreHeld(t *testing.T) {
	c := makeContainer(t, layout{volume: t.TempDir()}).twin()
	mounted := spec()
	mounted.Mounts = []*agentpb.Mount{{Type: agentpb.Mount_VOLUME, Target: "/data"}}
	if err := c.OpenContainer(t.Context(), mounted); err != nil {
		t.Fatal(err)
	}
	delta := func(r *agentpb.DeltaRequest) []string {
		t.Helper()
		r.Container, r.Path = "c", "/data"
		layer, err := c.Delta(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		defer layer.Close()
		data, err := io.ReadAll(layer)
		if err != nil {
			t.Fatal(err)
		}
		return names(t, data)
	}
	c.sh("echo before >/data/before")
	if got := delta(&agentpb.DeltaRequest{Forget: true}); len(got) != 0 {
		t.Errorf("sent %q", got)
	}
	c.sh("mkdir /data/d; echo x >/data/d/x; chmod 701 /data; rm /data/before")
	want := []string{"./", ".wh.before", "d/", "d/x"}
	for range 2 {
		if got := delta(&agentpb.DeltaRequest{Hold: true}); !slices.Equal(got, want) {
			t.Errorf("sent %q, want %q", got, want)
		}
	}
	c.sh("echo later >/data/d/y")
	delta(&agentpb.DeltaRequest{Taken: true})
	if got := delta(&agentpb.DeltaRequest{Hold: true}); !slices.Equal(got, []string{"d/", "d/y"}) {
		t.Errorf("sent %q", got)
	}
	if err := c.put(&agentpb.PutOpen{Path: "/data", Layer: true}, archive(t, &tar.Header{Name: ".wh..wh..opq"}, &tar.Header{Name: "all"})); err != nil {
		t.Fatal(err)
	}
	if got := c.sh("ls -A /data"); got != "all\n" {
		t.Errorf("there is %q", got)
	}
	if got := delta(&agentpb.DeltaRequest{Hold: true}); len(got) != 0 {
		t.Errorf("what came in goes back: %q", got)
	}
}

func (c *container) changes() string {
	c.t.Helper()
	list, err := c.Changes(c.t.Context(), "c")
	if err != nil {
		c.t.Fatal(err)
	}
	var b strings.Builder
	for _, change := range list {
		fmt.Fprintf(&b, "%c %s\n", "CAD"[change.GetKind()], change.GetPath())
	}
	return b.String()
}

const changing = `mkdir /new /new/sub && echo 1 >/new/sub/f && echo 2 >/etc/group && rm /etc/gone && rm -r /olddir && chmod 700 /kept
rm /replaced && echo new >/replaced && ln -s x /link && echo 1 >/data/in-volume`

const changed = `C /etc
D /etc/gone
C /etc/group
C /kept
A /link
A /new
A /new/sub
A /new/sub/f
D /olddir
C /replaced
`

func TestChangesSinceTheFirstOpen(t *testing.T) {
	volume := t.TempDir()
	c := makeContainer(t, layout{volume: volume})
	for _, name := range []string{"/olddir/sub", "/kept"} {
		if err := os.MkdirAll(c.root+name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	c.write("/etc/gone", "")
	c.write("/replaced", "")
	c.twin()
	if got := c.changes(); got != "" {
		t.Errorf("at first:\n%s", got)
	}
	c.sh(changing)
	if got := c.changes(); got != changed {
		t.Errorf("got\n%swant\n%s", got, changed)
	}
}

func TestChangesOfAnOverlay(t *testing.T) {
	for _, lower := range []string{"/.sockerless/lower", ""} {
		image := t.TempDir()
		for _, name := range []string{"olddir/sub", "kept", "etc", "tmp", "data", "usr", "proc", "dev", ".sockerless", "bin", "sbin", "lib", "lib64"} {
			if err := os.MkdirAll(filepath.Join(image, name), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range []string{"bin", "sbin", "lib", "lib64"} {
			if target, err := os.Readlink("/" + name); err == nil {
				if err := errors.Join(os.Remove(filepath.Join(image, name)), os.Symlink(target, filepath.Join(image, name))); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, name := range []string{"etc/passwd", "etc/group", "etc/gone", "replaced", "olddir/f"} {
			if err := os.WriteFile(filepath.Join(image, name), []byte("1\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		c := makeContainer(t, layout{lower: image, volume: t.TempDir(), args: []string{"--upper", "/.sockerless/upper", "--lower", lower}}).twin()
		if got := c.changes(); got != "" {
			t.Errorf("at first:\n%s", got)
		}
		c.sh(changing)
		want := changed
		if lower == "" { // what is made anew in the place of an old file cannot be told from a new one
			want = strings.Replace(want, "C /replaced", "A /replaced", 1)
		}
		if got := c.changes(); got != want {
			t.Errorf("lower %q: got\n%swant\n%s", lower, got, want)
		}
		c.sh("rm -r /kept; mkdir /kept; echo 1 >/kept/f; rm -r /new")
		want = strings.Replace(want, "C /kept\n", "C /kept\nA /kept/f\n", 1)
		want = strings.Replace(want, "A /new\nA /new/sub\nA /new/sub/f\n", "", 1)
		if lower == "" {
			want = strings.Replace(want, "C /kept\n", "A /kept\n", 1)
		}
		if got := c.changes(); got != want {
			t.Errorf("lower %q: got\n%swant\n%s", lower, got, want)
		}
		if got := names(t, c.delta()); !slices.Contains(got, "kept/f") || !slices.Contains(got, "etc/.wh.gone") {
			t.Errorf("delta %q", got)
		}
	}
}

// Programs in the container that swap links while files go in and out cannot lead the agent elsewhere.
func TestSwappedLinks(t *testing.T) {
	c := makeContainer(t, layout{}).twin()
	c.sh(`mkdir /a /tmp/x /tmp/x/d; echo safe >/tmp/x/d/f`)
	s := c.attach(&agentpb.AttachOpen{Process: sh(`echo ready; cd /tmp/x; while [ ! -e /stop ]; do mv d e; ln -s /proc/sys/kernel d; rm d; ln -s /.sockerless/run d; rm d; mv e d; done`)})
	c.until(s, "ready\n")
	data := archive(t, &tar.Header{Name: "d/domainname"}, &tar.Header{Name: "d/sub/x"})
	for range 2000 {
		_ = c.put(&agentpb.PutOpen{Path: "/tmp/x"}, data) // refused or done, but never elsewhere
		if _, r, err := c.Get(t.Context(), "c", "/tmp/x/d/f"); err == nil {
			got, err := io.ReadAll(r)
			if list := names(t, got); err == nil && !slices.Equal(list, []string{"f"}) {
				t.Fatalf("got %q", list)
			}
			_ = r.Close()
		}
	}
	c.sh("touch /stop")
	c.drain(s)
	if got := c.sh("cat /proc/sys/kernel/domainname"); got == "d/domainname" {
		t.Error("the kernel's file was written")
	}
	entries, err := os.ReadDir(filepath.Join(c.state, "run"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "base" && e.Name() != "log" {
			t.Errorf("%s was written", e.Name())
		}
	}
}
