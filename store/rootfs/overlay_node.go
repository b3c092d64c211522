package rootfs

import (
	"io/fs"
	"maps"
	"slices"
	"syscall"
)

// overlayNode is a file of an Overlay: a number, so that it stays the same file when it is copied up, moved or unlinked.
type overlayNode struct {
	o    *Overlay
	ino  uint64
	kind fs.FileMode
}

func (n *overlayNode) Type() fs.FileMode { return n.kind }

func (n *overlayNode) Stat() (Info, error) {
	if there := n.rlock(); there != nil {
		return there.Stat()
	}
	defer n.o.mu.RUnlock()
	if n.o.inodes[n.ino] == nil && n.ino >= upperIno {
		return n.o.stale(n), nil
	}
	return n.o.info(n.ino), nil
}

// stale describes a file whose last name and handle went away while somebody still has the node, as a working directory.
func (o *Overlay) stale(n *overlayNode) Info {
	return NewInfo("", Attr{Mode: n.kind | 0o700, Ino: n.ino})
}

func (n *overlayNode) Lookup(name string) (Node, error) {
	if n.kind != fs.ModeDir {
		return nil, syscall.ENOTDIR
	}
	if there := n.rlock(); there != nil {
		return there.Lookup(name)
	}
	o := n.o
	ino, ok := o.lookup(n.ino, name)
	if !ok {
		o.mu.RUnlock()
		return nil, syscall.ENOENT
	}
	kind := o.typeOf(ino)
	o.mu.RUnlock()
	return &overlayNode{o: o, ino: ino, kind: kind}, nil
}

func (n *overlayNode) ReadDir() ([]Dirent, error) {
	if n.kind != fs.ModeDir {
		return nil, syscall.ENOTDIR
	}
	if there := n.rlock(); there != nil {
		return there.ReadDir()
	}
	defer n.o.mu.RUnlock()
	var all []Dirent
	n.o.each(n.ino, func(name string, ino uint64) bool {
		all = append(all, Dirent{Name: name, Ino: ino, Type: n.o.typeOf(ino)})
		return true
	})
	return all, nil
}

func (n *overlayNode) Readlink() (string, error) {
	if n.kind != fs.ModeSymlink {
		return "", syscall.EINVAL
	}
	if there := n.rlock(); there != nil {
		return there.Readlink()
	}
	defer n.o.mu.RUnlock()
	_, target := n.o.stat(n.ino)
	return target, nil
}

func (n *overlayNode) Create(name string, a Attr) (Node, error) {
	if there := n.lock(); there != nil {
		return there.Create(name, a)
	}
	defer n.unlock()
	o := n.o
	if err := o.mayAdd(n, name); err != nil {
		return nil, err
	}
	t := o.begin()
	child := t.add(a)
	if a.Mode.IsDir() {
		child.parent, child.meta.nlink = n.ino, 2
		t.touch(n.ino).nlink++
	}
	t.entry(n.ino, name, child.ino)
	if err := t.commit(); err != nil {
		return nil, err
	}
	return &overlayNode{o: o, ino: child.ino, kind: a.Mode.Type()}, nil
}

// mayAdd checks that a directory can get a new entry.
func (o *Overlay) mayAdd(dir *overlayNode, name string) error {
	if dir.kind != fs.ModeDir {
		return syscall.ENOTDIR
	}
	if o.gone(dir.ino) {
		return syscall.ENOENT
	}
	if _, exists := o.lookup(dir.ino, name); exists {
		return syscall.EEXIST
	}
	return nil
}

func (n *overlayNode) Link(name string, to Node) error {
	if there := n.lock(); there != nil {
		return there.Link(name, to)
	}
	defer n.unlock()
	o := n.o
	file, err := o.sameFS(to)
	if err != nil {
		return err
	}
	if file.kind == fs.ModeDir {
		return syscall.EPERM
	}
	if err := o.mayAdd(n, name); err != nil {
		return err
	}
	if o.gone(file.ino) {
		return syscall.ENOENT
	}
	t := o.begin()
	m := t.touch(file.ino)
	m.nlink++
	m.ctime = t.now
	t.entry(n.ino, name, file.ino)
	return t.commit()
}

func (n *overlayNode) Unlink(name string, dir bool) error {
	if n.kind != fs.ModeDir {
		return syscall.ENOTDIR
	}
	if there := n.lock(); there != nil {
		return there.Unlink(name, dir)
	}
	defer n.unlock()
	o := n.o
	ino, ok := o.lookup(n.ino, name)
	if !ok {
		return syscall.ENOENT
	}
	isDir := o.typeOf(ino) == fs.ModeDir
	switch {
	case dir && !isDir:
		return syscall.ENOTDIR
	case !dir && isDir:
		return syscall.EISDIR
	case isDir && !o.empty(ino):
		return syscall.ENOTEMPTY
	}
	t := o.begin()
	t.entry(n.ino, name, 0)
	t.unlink(ino, n.ino)
	return t.commit()
}

func (n *overlayNode) Rename(name string, to Node, newName string, flags int) error {
	if there := n.lock(); there != nil {
		return there.Rename(name, to, newName, flags)
	}
	defer n.unlock()
	o := n.o
	dst, err := o.sameFS(to)
	if err != nil {
		return err
	}
	if n.kind != fs.ModeDir || dst.kind != fs.ModeDir {
		return syscall.ENOTDIR
	}
	ino, ok := o.lookup(n.ino, name)
	if !ok || o.gone(dst.ino) {
		return syscall.ENOENT
	}
	isDir := o.typeOf(ino) == fs.ModeDir
	if isDir && o.inside(dst.ino, ino) {
		return syscall.EINVAL
	}
	old, exists := o.lookup(dst.ino, newName)
	if exists {
		oldDir := o.typeOf(old) == fs.ModeDir
		switch {
		case flags&RenameNoReplace != 0:
			return syscall.EEXIST
		case old == ino:
			return nil
		case oldDir && o.inside(n.ino, old): // a directory above what is moved
			return syscall.ENOTEMPTY
		case isDir && !oldDir:
			return syscall.ENOTDIR
		case !isDir && oldDir:
			return syscall.EISDIR
		case oldDir && !o.empty(old):
			return syscall.ENOTEMPTY
		}
	}
	t := o.begin()
	if exists {
		t.unlink(old, dst.ino)
	}
	moved := t.touch(ino)
	moved.ctime = t.now
	if isDir && n.ino != dst.ino {
		moved.parent = dst.ino
		t.touch(n.ino).nlink--
		t.touch(dst.ino).nlink++
	}
	t.entry(n.ino, name, 0)
	t.entry(dst.ino, newName, ino)
	return t.commit()
}

// inside tells whether dir is top or below it.
func (o *Overlay) inside(dir, top uint64) bool {
	for {
		if dir == top {
			return true
		}
		if dir == rootIno {
			return false
		}
		dir = o.parentOf(dir)
	}
}

func (n *overlayNode) SetAttr(set SetAttr) error {
	if set.Mask&SetSize != 0 {
		if n.kind != 0 {
			return syscall.EINVAL
		}
		if err := n.truncate(set.Size); err != nil {
			return err
		}
		set.Mask &^= SetSize
	}
	if set.Mask == 0 {
		return nil
	}
	if there := n.lock(); there != nil {
		return there.SetAttr(set)
	}
	defer n.unlock()
	o := n.o
	if o.inodes[n.ino] == nil && n.ino >= upperIno {
		return syscall.ENOENT
	}
	t := o.begin()
	m := t.touch(n.ino)
	if set.Mask&SetMode != 0 {
		m.mode = m.mode.Type() | set.Mode&permBits
	}
	if set.Mask&SetUID != 0 {
		m.uid = set.UID
	}
	if set.Mask&SetGID != 0 {
		m.gid = set.GID
	}
	if set.Mask&SetAtime != 0 {
		m.atime = nanos(set.Atime)
	}
	if set.Mask&SetMtime != 0 {
		m.mtime = nanos(set.Mtime)
	}
	m.ctime = t.now
	return t.commit()
}

func (n *overlayNode) Getxattr(name string) ([]byte, error) {
	if there := n.rlock(); there != nil {
		return there.Getxattr(name)
	}
	defer n.o.mu.RUnlock()
	value, ok := n.o.xattrsOf(n.ino)[name]
	if !ok {
		return nil, syscall.ENODATA
	}
	return slices.Clone(value), nil
}

// maxXattr is Linux's limit of one value (XATTR_SIZE_MAX).
const maxXattr = 64 << 10

func (n *overlayNode) Setxattr(name string, value []byte) error {
	if name == "" || len(name) > maxName || len(value) > maxXattr {
		return syscall.ERANGE
	}
	return n.changeXattrs(func(all map[string][]byte) error {
		all[name] = slices.Clone(value)
		return nil
	}, func(there Node) error { return there.Setxattr(name, value) })
}

func (n *overlayNode) Removexattr(name string) error {
	return n.changeXattrs(func(all map[string][]byte) error {
		if _, ok := all[name]; !ok {
			return syscall.ENODATA
		}
		delete(all, name)
		return nil
	}, func(there Node) error { return there.Removexattr(name) })
}

func (n *overlayNode) changeXattrs(change func(map[string][]byte) error, elsewhere func(there Node) error) error {
	if there := n.lock(); there != nil {
		return elsewhere(there)
	}
	defer n.unlock()
	o := n.o
	if o.inodes[n.ino] == nil && n.ino >= upperIno {
		return syscall.ENOENT
	}
	all := maps.Clone(o.xattrsOf(n.ino))
	if all == nil {
		all = map[string][]byte{}
	}
	if err := change(all); err != nil {
		return err
	}
	t := o.begin()
	t.touch(n.ino).ctime = t.now
	t.facts = append(t.facts, fact{op: opXattrs, ino: n.ino, xattrs: all})
	return t.commit()
}

func (n *overlayNode) Listxattr() ([]string, error) {
	if there := n.rlock(); there != nil {
		return there.Listxattr()
	}
	defer n.o.mu.RUnlock()
	return slices.Sorted(maps.Keys(n.o.xattrsOf(n.ino))), nil
}
