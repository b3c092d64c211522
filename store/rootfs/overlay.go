package rootfs

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	rootIno  = 1
	upperIno = 1 << 32 // numbers from here on are files that no layer has
)

// Overlay is a container's root file system: image layers that never change, and an upper tree with what was changed.
//
// Every file of the layers has an inode number that follows from its position in their indexes, so a changed file is
// found by number: copying it up touches no directory, hard links stay links, and a directory moves by one entry. The
// upper tree maps numbers to inodes, and holds per changed directory the names that differ from the layers'.
//
// Without an upper directory contents are in memory, in pages; with one, small files are in memory and in the journal,
// others in a host file each.
type Overlay struct {
	// freeze is held shared by whatever changes something, and exclusively while a state is sent elsewhere. It is taken
	// before mu, which is not held during writes to host files.
	freeze  sync.RWMutex
	mu      sync.RWMutex
	stack   *stack
	inodes  map[uint64]*inode
	opens   map[uint64]int32 // handles by inode
	handles *overlayHandle   // all of them
	lastIno uint64
	disk    *disk // nil: memory only
	used    int64 // bytes of contents in memory
	limit   int64 // of used; 0 is none
	kind    string
	born    int64 // for the root of a file system without layers
	mode    fs.FileMode
	closed  bool
	history
	to atomic.Pointer[moved] // where all files are by now; nil: here
}

// meta is what an inode is, apart from contents, entries and extended attributes.
type meta struct {
	mode                fs.FileMode
	uid, gid, nlink     uint32
	rdev                uint64
	size                int64
	atime, mtime, ctime int64 // Unix nanoseconds
	where               where
}

// where the contents of a regular file are.
type where uint8

const (
	inMemory where = iota // inode.head and inode.pages
	inLayer               // in the layer's tar: only metadata was changed
	inFile                // in a host file
	inDirty               // in a host file that tells size and time better than the journal
)

// inode is a file of the upper tree.
type inode struct {
	meta
	ino     uint64
	parent  uint64            // of a directory
	target  string            // of a symbolic link
	entries map[string]uint64 // of a directory: what differs from the layers; 0 is a whiteout
	xattrs  map[string][]byte // nil: those of the layer
	home    dirName           // the last that it got since the layers, if it still has it
	gen     uint64            // in which it changed last; 0 is before the first Mark
	names   map[string]changedName
	content
}

// OpenOverlay opens a root file system over layers, lowest first, each a directory of a layer.Store. What was changed is
// kept in upperDir, "" is memory only. upperDir is made at the first write, not before, and is locked from then on, or
// from the opening if it exists: ErrInUse if somebody else has it.
func OpenOverlay(layerDirs []string, upperDir string) (*Overlay, error) {
	o := &Overlay{mode: 0o755}
	if len(layerDirs) > 0 {
		s, err := openStack(layerDirs)
		if err != nil {
			return nil, err
		}
		o.stack = s
	} else {
		o.born = time.Now().UnixNano()
	}
	if upperDir != "" {
		o.disk = &disk{dir: upperDir}
		if err := o.disk.load(o); err != nil {
			return nil, errors.Join(fmt.Errorf("open upper tree %s: %w", upperDir, err), o.stack.close())
		}
		o.findHomes()
	}
	return o, nil
}

// NewTmpfs is a file system in memory. size is the limit of its contents in bytes, 0 is none; mode is the root's.
func NewTmpfs(size int64, mode fs.FileMode) FS {
	return &Overlay{limit: size, kind: "tmpfs", born: time.Now().UnixNano(), mode: mode & permBits}
}

// Type is "overlay" or "tmpfs".
func (o *Overlay) Type() string {
	if o.kind == "" {
		return "overlay"
	}
	return o.kind
}

// Usage is what contents in memory use; for an Overlay on disk only what is known to be free is told: nothing.
func (o *Overlay) Usage() Usage {
	o.mu.RLock()
	defer o.mu.RUnlock()
	if o.limit == 0 {
		return Usage{}
	}
	return Usage{Total: o.limit, Free: max(0, o.limit-o.used)}
}

// Root is the root directory.
func (o *Overlay) Root() Node { return &overlayNode{o: o, ino: rootIno, kind: fs.ModeDir} }

// lookup finds an entry. Call with o.mu held, as all that follows.
func (o *Overlay) lookup(dir uint64, name string) (uint64, bool) {
	if n := o.inodes[dir]; n != nil {
		if child, ok := n.entries[name]; ok {
			return child, child != 0
		}
	}
	return o.lookupLower(dir, name)
}

func (o *Overlay) lookupLower(dir uint64, name string) (uint64, bool) {
	if dir >= upperIno || o.stack == nil {
		return 0, false
	}
	return o.stack.lookup(dir, name)
}

// stat gives what an inode is, and a symbolic link's target.
func (o *Overlay) stat(ino uint64) (meta, string) {
	if n := o.inodes[ino]; n != nil {
		return n.meta, n.target
	}
	switch {
	case ino >= upperIno:
		return meta{}, "" // gone, and somebody still has the node
	case o.stack != nil:
		return o.stack.stat(ino)
	}
	return meta{mode: fs.ModeDir | o.mode, nlink: 2, atime: o.born, mtime: o.born, ctime: o.born}, ""
}

// statToChange is stat before a first change. Layers count the names that they have themselves of a file; from now on all
// count, since the last one to go takes the file with it.
func (o *Overlay) statToChange(ino uint64) (meta, string) {
	m, target := o.stat(ino)
	if o.inodes[ino] == nil && o.stack != nil && ino < upperIno && !m.mode.IsDir() {
		m.nlink = max(m.nlink, uint32(len(o.stack.links()[ino])))
	}
	return m, target
}

func (o *Overlay) typeOf(ino uint64) fs.FileMode {
	if n := o.inodes[ino]; n != nil {
		return n.mode.Type()
	}
	if o.stack != nil && ino < upperIno {
		return o.stack.typeOf(ino)
	}
	return fs.ModeDir
}

// parentOf is the directory that a directory is in.
func (o *Overlay) parentOf(ino uint64) uint64 {
	if n := o.inodes[ino]; n != nil {
		return n.parent
	}
	if o.stack != nil {
		return o.stack.parent(ino)
	}
	return rootIno
}

// each calls f for every entry of a directory, until it says false.
func (o *Overlay) each(dir uint64, f func(name string, ino uint64) bool) {
	n := o.inodes[dir]
	if n != nil {
		for name, ino := range n.entries {
			if ino != 0 && !f(name, ino) {
				return
			}
		}
	}
	if dir >= upperIno || o.stack == nil {
		return
	}
	o.stack.each(dir, func(name string, ino uint64) bool {
		if n != nil {
			if _, differs := n.entries[name]; differs {
				return true
			}
		}
		return f(name, ino)
	})
}

func (o *Overlay) empty(dir uint64) bool {
	empty := true
	o.each(dir, func(string, uint64) bool { empty = false; return false })
	return empty
}

// gone tells that a directory was removed while somebody still works in it.
func (o *Overlay) gone(ino uint64) bool {
	n := o.inodes[ino]
	return n != nil && n.nlink == 0 || n == nil && ino >= upperIno
}

func (o *Overlay) info(ino uint64) Info {
	m, target := o.stat(ino)
	size := m.size
	switch {
	case m.mode.IsDir():
		size = 4096
	case m.mode&fs.ModeSymlink != 0:
		size = int64(len(target))
	}
	return NewInfo("", Attr{
		Mode: m.mode, UID: m.uid, GID: m.gid, Rdev: m.rdev, Ino: ino, Nlink: uint64(m.nlink),
		Size: size, Blocks: blocks(m), Target: target,
		Atime: time.Unix(0, m.atime), Mtime: time.Unix(0, m.mtime), Ctime: time.Unix(0, m.ctime),
	})
}

func blocks(m meta) int64 {
	if !m.mode.IsRegular() {
		return 0
	}
	return (m.size + 4095) / 4096 * 8
}

// xattrsOf gives all extended attributes; the map must not be changed.
func (o *Overlay) xattrsOf(ino uint64) map[string][]byte {
	if n := o.inodes[ino]; n != nil && n.xattrs != nil {
		return n.xattrs
	}
	if o.stack != nil && ino < upperIno {
		return o.stack.xattrs(ino)
	}
	return nil
}

// nanos is a time as the inodes have it, held within what int64 can tell (1678 to 2262).
func nanos(t time.Time) int64 {
	switch s := t.Unix(); {
	case s >= math.MaxInt64/1_000_000_000:
		return math.MaxInt64
	case s <= math.MinInt64/1_000_000_000:
		return math.MinInt64
	}
	return t.UnixNano()
}

// Sync brings what was changed to the disk.
func (o *Overlay) Sync() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.disk.sync()
}

// Close writes what is not yet on the disk, and lets go of layers and lock, and of where the files were moved. Changes
// are refused afterwards.
func (o *Overlay) Close() error {
	o.freeze.Lock()
	defer o.freeze.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return nil
	}
	var err error
	for _, n := range o.inodes {
		if n.file != nil {
			if n.where == inDirty {
				err = o.settle(n)
			}
			if closeErr := n.file.Close(); err == nil {
				err = closeErr
			}
			n.file = nil
		}
	}
	if diskErr := o.disk.close(); err == nil {
		err = diskErr
	}
	if stackErr := o.stack.close(); err == nil {
		err = stackErr
	}
	if moved := o.to.Load(); moved != nil {
		if closeErr := moved.close(); err == nil {
			err = closeErr
		}
	}
	o.inodes, o.stack, o.closed = nil, nil, true
	return err
}

// sameFS gives a node of this file system, or EXDEV.
func (o *Overlay) sameFS(n Node) (*overlayNode, error) {
	other, ok := n.(*overlayNode)
	if !ok || other.o != o {
		return nil, syscall.EXDEV
	}
	return other, nil
}
