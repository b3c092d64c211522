package inside

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// baseName is the file, in the agent's folder, that says how the container's files were at first.
const baseName = "base"

// meta is what lstat(2) tells of a file, as far as it shows that the file has changed.
type meta struct {
	mode, uid, gid     uint32
	dev, ino           uint64
	size, mtime, ctime int64 // nanoseconds
	rdev               uint64
}

func metaOf(st *unix.Stat_t) meta {
	return meta{
		mode: st.Mode, uid: st.Uid, gid: st.Gid, dev: st.Dev, ino: st.Ino, size: st.Size, rdev: st.Rdev,
		mtime: unix.TimespecToNsec(st.Mtim), ctime: unix.TimespecToNsec(st.Ctim),
	}
}

func (m meta) isDir() bool { return m.mode&unix.S_IFMT == unix.S_IFDIR }

// same tells whether a file is what it was. An engine that is started again may number files anew; a directory may be
// copied by overlayfs without having changed.
func (m meta) same(was meta, numbered bool) bool {
	if m.mode != was.mode || m.uid != was.uid || m.gid != was.gid || m.mtime != was.mtime {
		return false
	}
	if m.isDir() {
		return true
	}
	if numbered && (m.dev != was.dev || m.ino != was.ino) {
		return false
	}
	return m.size == was.size && m.ctime == was.ctime && m.rdev == was.rdev
}

// node is a file of a snapshot.
type node struct {
	meta
	children map[string]*node
}

// snapshot notes how the files of the container's root are: without the agent's folder, and without what is mounted.
func snapshot() (*node, error) { return snapshotOf("/") }

// snapshotOf is snapshot from another directory on.
func snapshotOf(dir string) (*node, error) {
	mounts, err := mountPoints()
	if err != nil {
		return nil, err
	}
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", dir, err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, fmt.Errorf("look at %s: %w", dir, err)
	}
	top := &node{meta: metaOf(&st)}
	if err := top.fill(fd, dir, mounts); err != nil {
		return nil, fmt.Errorf("look at the files: %w", err)
	}
	return top, nil
}

// fill reads the children of an open directory.
func (n *node) fill(fd int, dir string, mounts map[string]bool) error {
	names, err := readDir(fd, dir)
	if err != nil {
		return &fs.PathError{Op: "read", Path: dir, Err: err}
	}
	for _, name := range names {
		full := path.Join(dir, name)
		if mounts[full] {
			continue
		}
		at := place{dir: fd, name: name, path: full}
		st, err := at.stat()
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			return err
		}
		child := &node{meta: metaOf(&st)}
		if child.isDir() {
			sub, err := at.open(unix.O_RDONLY|unix.O_DIRECTORY, 0)
			if errors.Is(vanished(err), errVanished) {
				continue
			}
			if errors.Is(err, syscall.EACCES) { // nobody here is who can change what is in it
				n.put(name, child)
				continue
			}
			if err != nil {
				return err
			}
			err = child.fill(sub, full, mounts)
			_ = unix.Close(sub)
			if err != nil {
				return err
			}
		}
		n.put(name, child)
	}
	return nil
}

func (n *node) put(name string, child *node) {
	if n.children == nil {
		n.children = map[string]*node{}
	}
	n.children[name] = child
}

// refresh notes anew how one path is, and nothing of what is below it. n is the directory root.
func (n *node) refresh(root, name string) error {
	at, err := walk(name, noFollow)
	var st unix.Stat_t
	if err == nil {
		st, err = at.stat()
		at.close()
	}
	gone := errors.Is(vanished(err), errVanished)
	if err != nil && !gone {
		return err
	}
	where := n
	list := components(strings.TrimPrefix(name, root))
	for i, base := range list {
		child := where.children[base]
		if i < len(list)-1 {
			if child == nil {
				return nil // whose directory is gone, or is noted itself
			}
			where = child
			continue
		}
		if gone {
			delete(where.children, base)
			return nil
		}
		if child == nil {
			child = &node{}
			where.put(base, child)
		}
		where = child
	}
	where.meta = metaOf(&st)
	if !where.isDir() {
		where.children = nil
	}
	return nil
}

// change is a path that is not as it was.
type change struct {
	path string // absolute
	kind changeKind
}

type changeKind int

// What happened to a path, with the numbers of Docker's API.
const (
	modified changeKind = iota
	added
	deleted
)

// diff tells what of n is not as it was, each directory before what is in it, and of what was removed only the top.
func (n *node) diff(was *node, dir string, numbered bool, tell func(change)) {
	names := maps.Clone(n.children)
	if names == nil {
		names = map[string]*node{}
	}
	for name := range was.children {
		if n.children[name] == nil {
			names[name] = nil
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		now, old := n.children[name], was.children[name]
		full := path.Join(dir, name)
		if now == nil {
			tell(change{full, deleted})
			continue
		}
		switch {
		case old == nil:
			tell(change{full, added})
			old = &node{}
		case !now.same(old.meta, numbered):
			tell(change{full, modified})
		}
		if now.isDir() {
			now.diff(old, full, numbered, tell)
		}
	}
}

// mountPoints are the paths at which something is mounted, but for the root.
func mountPoints() (map[string]bool, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("see what is mounted: %w (the agent needs /proc)", err)
	}
	points := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 4 && f[4] != "/" {
			points[unescape(f[4])] = true
		}
	}
	return points, nil
}

// unescape undoes what the kernel does with blanks in a name: \040.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			b.WriteByte((s[i+1]-'0')<<6 | (s[i+2]-'0')<<3 | s[i+3] - '0')
			i += 3
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// loadBase reads how the files were at first; at the first time it looks at them, and writes that down.
func loadBase(file string) (*node, error) {
	f, err := os.Open(file)
	if err == nil {
		defer f.Close()
		base, err := decode(bufio.NewReader(f))
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		return base, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	base, err := snapshot()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil && !errors.Is(err, syscall.EROFS) {
		return nil, err
	}
	// Whole or not at all: an agent that is killed meanwhile leaves no half of it.
	err = os.WriteFile(file+".new", base.encode(nil), 0o600)
	if err == nil {
		err = os.Rename(file+".new", file)
	}
	if errors.Is(err, syscall.EROFS) {
		err = nil // then nothing changes either
	}
	return base, err
}

// encode appends a node: its numbers, how many children it has, and each with its name.
func (n *node) encode(b []byte) []byte {
	for _, v := range n.numbers() {
		b = binary.AppendUvarint(b, v)
	}
	b = binary.AppendUvarint(b, uint64(len(n.children)))
	for name, child := range n.children {
		b = binary.AppendUvarint(b, uint64(len(name)))
		b = append(b, name...)
		b = child.encode(b)
	}
	return b
}

func (n *node) numbers() []uint64 {
	return []uint64{uint64(n.mode), uint64(n.uid), uint64(n.gid), n.dev, n.ino, uint64(n.size), uint64(n.mtime), uint64(n.ctime), n.rdev}
}

func decode(r *bufio.Reader) (*node, error) {
	var v [10]uint64
	for i := range v {
		n, err := binary.ReadUvarint(r)
		if err != nil {
			return nil, unexpected(err)
		}
		v[i] = n
	}
	n := &node{meta: meta{
		mode: uint32(v[0]), uid: uint32(v[1]), gid: uint32(v[2]), dev: v[3], ino: v[4],
		size: int64(v[5]), mtime: int64(v[6]), ctime: int64(v[7]), rdev: v[8],
	}}
	for range v[9] {
		length, err := binary.ReadUvarint(r)
		if err != nil || length > unix.PathMax {
			return nil, errors.Join(io.ErrUnexpectedEOF, err)
		}
		name := make([]byte, length)
		if _, err := io.ReadFull(r, name); err != nil {
			return nil, unexpected(err)
		}
		child, err := decode(r)
		if err != nil {
			return nil, err
		}
		n.put(string(name), child)
	}
	return n, nil
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
