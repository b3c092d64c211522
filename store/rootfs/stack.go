package rootfs

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/sockerless/sockerless/store/layer"
)

// stack is the layers of an image as one tree that never changes. It is shared by all containers of the image in this
// process, and safe for concurrent use.
//
// A file's inode number is its layer's base plus its record in the layer's index; a directory's is that of the topmost
// layer that has it, the root's is rootIno.
type stack struct {
	layers []*layer.Layer // lowest first
	bases  []uint64
	key    string
	refs   int // guarded by stacks.mu

	mu   sync.RWMutex
	dirs map[uint64]*lowerDir // the directories that were looked at

	linkIndex
}

// lowerDir is a directory of the layers.
type lowerDir struct {
	parent  uint64
	parts   []part // topmost first, ends where one hides what is below
	subdirs atomic.Int32
}

type part struct {
	layer  int32
	record uint32
}

// stacks has the images that are open in this process, for the same reason that package layer has its layers: what
// directories there are is remembered once for an image, not for each of its containers.
var stacks = struct {
	mu   sync.Mutex
	open map[string]*stack
}{open: map[string]*stack{}}

func openStack(dirs []string) (*stack, error) {
	key := strings.Join(dirs, "\x00")
	stacks.mu.Lock()
	defer stacks.mu.Unlock()
	if s := stacks.open[key]; s != nil {
		s.refs++
		return s, nil
	}
	s := &stack{key: key, refs: 1, dirs: map[uint64]*lowerDir{}}
	next := uint64(rootIno + 1)
	for _, dir := range dirs {
		l, err := layer.Open(dir)
		if err != nil {
			return nil, errors.Join(err, s.closeLayers())
		}
		s.layers = append(s.layers, l)
		s.bases = append(s.bases, next)
		next += uint64(l.Len())
	}
	if next >= upperIno {
		return nil, errors.Join(fmt.Errorf("layers have too many files"), s.closeLayers())
	}
	root := &lowerDir{parent: rootIno}
	root.subdirs.Store(-1)
	for i := len(s.layers) - 1; i >= 0; i-- {
		root.parts = append(root.parts, part{int32(i), 0})
		if s.layers[i].Opaque(0) {
			break
		}
	}
	s.dirs[rootIno] = root
	stacks.open[key] = s
	return s, nil
}

func (s *stack) closeLayers() error {
	var errs []error
	for _, l := range s.layers {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}

// close lets go of the stack; the last one closes the layers.
func (s *stack) close() error {
	if s == nil {
		return nil
	}
	stacks.mu.Lock()
	defer stacks.mu.Unlock()
	if s.refs--; s.refs > 0 {
		return nil
	}
	delete(stacks.open, s.key)
	return s.closeLayers()
}

// fingerprint tells these layers from others, wherever they are kept: inode numbers mean something with them only.
func (s *stack) fingerprint() string {
	if s == nil {
		return ""
	}
	var b strings.Builder
	for _, l := range s.layers {
		fmt.Fprintf(&b, "%s %d\n", filepath.Base(l.Dir()), l.Len())
	}
	return b.String()
}

// at finds the layer and record of an inode number that is not the root's.
func (s *stack) at(ino uint64) (*layer.Layer, int, uint32) {
	i := sort.Search(len(s.bases), func(i int) bool { return s.bases[i] > ino }) - 1
	return s.layers[i], i, uint32(ino - s.bases[i])
}

// dir gives a directory, which must be one.
func (s *stack) dir(ino uint64) *lowerDir {
	s.mu.RLock()
	d := s.dirs[ino]
	s.mu.RUnlock()
	if d != nil {
		return d
	}
	// It was found by listing, or in the journal: look its path up, which remembers it.
	l, _, record := s.at(ino)
	var names []string
	for ; record != 0; record = l.Parent(record) {
		names = append(names, l.Name(record))
	}
	at := uint64(rootIno)
	for i := len(names) - 1; i >= 0; i-- {
		next, ok := s.lookup(at, names[i])
		if !ok || s.typeOf(next) != fs.ModeDir {
			return &lowerDir{parent: rootIno}
		}
		at = next
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.dirs[at]
}

// lookup finds an entry of a directory.
func (s *stack) lookup(dir uint64, name string) (uint64, bool) {
	d := s.dir(dir)
	for k, p := range d.parts {
		l := s.layers[p.layer]
		record, ok := l.Child(p.record, name)
		if !ok {
			continue
		}
		if l.Whiteout(record) {
			return 0, false
		}
		ino, ok := s.number(int(p.layer), record)
		if ok && ino == s.bases[p.layer]+uint64(record) && l.Mode(record).IsDir() {
			s.remember(ino, dir, d.parts[k:], name, record)
		}
		return ino, ok
	}
	return 0, false
}

// number is the inode number of a record that is no whiteout.
func (s *stack) number(i int, record uint32) (uint64, bool) {
	l := s.layers[i]
	record = l.File(record)
	if target, ok := l.Foreign(record); ok {
		return s.below(i, target)
	}
	return s.bases[i] + uint64(record), true
}

// below finds a file by its path in the layers under i: what a hard link to another layer's file means.
func (s *stack) below(i int, name string) (uint64, bool) {
	for i--; i >= 0; i-- {
		l, at := s.layers[i], uint32(0)
		found := true
		for comp := range strings.SplitSeq(name, "/") {
			record, ok := l.Child(at, comp)
			if !ok && l.Opaque(at) || ok && l.Whiteout(record) {
				return 0, false
			}
			if !ok {
				found = false
				break
			}
			at = l.File(record)
		}
		if !found {
			continue
		}
		if l.Mode(at).IsDir() {
			return 0, false
		}
		return s.number(i, at)
	}
	return 0, false
}

// remember notes of which parts a directory is made. parts are its parent's, from the one where it was found.
func (s *stack) remember(ino, parent uint64, parts []part, name string, record uint32) {
	s.mu.RLock()
	known := s.dirs[ino] != nil
	s.mu.RUnlock()
	if known {
		return
	}
	d := &lowerDir{parent: parent, parts: []part{{parts[0].layer, record}}}
	d.subdirs.Store(-1)
	if !s.layers[parts[0].layer].Opaque(record) {
		for _, p := range parts[1:] {
			l := s.layers[p.layer]
			r, ok := l.Child(p.record, name)
			if !ok {
				continue
			}
			if l.Whiteout(r) || !l.Mode(r).IsDir() {
				break
			}
			d.parts = append(d.parts, part{p.layer, r})
			if l.Opaque(r) {
				break
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dirs[ino] == nil {
		s.dirs[ino] = d
	}
}

// each calls f for every entry of a directory, sorted by name, until it says false.
func (s *stack) each(dir uint64, f func(name string, ino uint64) bool) {
	type cursor struct {
		layer     int
		next, end uint32
	}
	var cursors []cursor
	for _, p := range s.dir(dir).parts {
		first, count := s.layers[p.layer].Children(p.record)
		cursors = append(cursors, cursor{int(p.layer), first, first + count})
	}
	for {
		best, name := -1, ""
		for i, c := range cursors {
			if c.next == c.end {
				continue
			}
			if n := s.layers[c.layer].Name(c.next); best < 0 || n < name {
				best, name = i, n
			}
		}
		if best < 0 {
			return
		}
		at := cursors[best]
		for i := range cursors {
			c := &cursors[i]
			if c.next < c.end && s.layers[c.layer].Name(c.next) == name {
				c.next++
			}
		}
		if s.layers[at.layer].Whiteout(at.next) {
			continue
		}
		if ino, ok := s.number(at.layer, at.next); ok && !f(name, ino) {
			return
		}
	}
}

// typeOf gives the type bits of a file.
func (s *stack) typeOf(ino uint64) fs.FileMode {
	if ino == rootIno {
		return fs.ModeDir
	}
	l, _, record := s.at(ino)
	return l.Mode(record).Type()
}

// parent is the directory that a directory is in.
func (s *stack) parent(ino uint64) uint64 { return s.dir(ino).parent }

// described is the record that has a file's attributes: of a directory, the topmost that was in its layer's tar.
func (s *stack) described(ino uint64) (*layer.Layer, uint32) {
	if ino == rootIno || s.typeOf(ino) == fs.ModeDir {
		parts := s.dir(ino).parts
		for _, p := range parts {
			if l := s.layers[p.layer]; !l.Implicit(p.record) {
				return l, p.record
			}
		}
		return s.layers[parts[0].layer], parts[0].record
	}
	l, _, record := s.at(ino)
	return l, record
}

// stat gives what a file is, and a symbolic link's target.
func (s *stack) stat(ino uint64) (meta, string) {
	l, record := s.described(ino)
	e := l.Entry(record)
	m := meta{
		mode: e.Mode, uid: e.UID, gid: e.GID, nlink: e.Nlink, rdev: Mkdev(e.Major, e.Minor), size: e.Size,
		atime: e.Mtime, mtime: e.Mtime, ctime: e.Mtime,
	}
	switch {
	case e.Mode.IsDir():
		m.nlink = 2 + s.subdirs(ino)
	case e.Mode.IsRegular():
		m.where = inLayer
	}
	return m, e.Target
}

// subdirs counts a directory's directories, once.
func (s *stack) subdirs(ino uint64) uint32 {
	d := s.dir(ino)
	n := d.subdirs.Load()
	if n < 0 {
		n = 0
		s.each(ino, func(_ string, child uint64) bool {
			if s.typeOf(child) == fs.ModeDir {
				n++
			}
			return true
		})
		d.subdirs.Store(n)
	}
	return uint32(n)
}

func (s *stack) xattrs(ino uint64) map[string][]byte {
	l, record := s.described(ino)
	return l.Xattrs(record)
}

func (s *stack) readAt(ino uint64, p []byte, off int64) (int, error) {
	if ino == rootIno {
		return 0, syscall.EISDIR
	}
	l, _, record := s.at(ino)
	return l.ReadAt(record, p, off)
}

// bytes is the length of all layers' contents.
func (s *stack) bytes() int64 {
	var n int64
	for _, l := range s.layers {
		n += l.Bytes()
	}
	return n
}
