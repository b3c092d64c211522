package rootfs

import (
	"io/fs"
	"path"
	"sort"
)

// ChangeKind is what happened to a path, with the numbers of Docker's API.
type ChangeKind int

// The kinds of changes.
const (
	Modified ChangeKind = iota
	Added
	Deleted
)

// Change is a path that differs from the image.
type Change struct {
	Path string // absolute
	Kind ChangeKind
}

// Changes lists what differs from the layers, sorted by path, as `docker diff` shows it: the parents of a change are
// modified; of what was removed only the top is listed. ErrMoved.
func (o *Overlay) Changes() ([]Change, error) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	if o.Moved() {
		return nil, ErrMoved
	}
	if len(o.inodes) == 0 {
		return nil, nil
	}
	var all []Change
	o.diff("/", rootIno, rootIno, o.stack != nil, &all)
	sort.Slice(all, func(i, j int) bool { return all[i].Path < all[j].Path })
	return all, nil
}

// diff lists the changes in the directory dir, in unspecified order, and tells whether there are any. If exists, the layers
// have the directory was at the same path.
func (o *Overlay) diff(name string, dir, was uint64, exists bool, all *[]Change) (changed bool) {
	seen := map[string]bool{}
	o.each(dir, func(base string, ino uint64) bool {
		seen[base] = true
		p := path.Join(name, base)
		var old uint64
		var had bool
		if exists {
			old, had = o.stack.lookup(was, base)
		}
		isDir := o.typeOf(ino) == fs.ModeDir
		wasDir := had && o.stack.typeOf(old) == fs.ModeDir
		kind, differs := Modified, o.inodes[ino] != nil || had && old != ino
		if !had {
			kind, differs = Added, true
		}
		if isDir && o.diff(p, ino, old, wasDir, all) {
			differs = true
		}
		if differs {
			changed = true
			*all = append(*all, Change{p, kind})
		}
		return true
	})
	if !exists {
		return changed
	}
	o.stack.each(was, func(base string, _ uint64) bool {
		if !seen[base] {
			changed = true
			*all = append(*all, Change{path.Join(name, base), Deleted})
		}
		return true
	})
	return changed
}

// Size tells how many bytes of contents were changed or added, and how many there are with the layers'; zeros
// once it has moved, for who has the files to tell.
func (o *Overlay) Size() (rw, root int64) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	if o.Moved() {
		return 0, 0
	}
	for _, n := range o.inodes {
		if n.mode.IsRegular() && n.where != inLayer {
			rw += n.size
		}
	}
	root = rw
	if o.stack != nil {
		root += o.stack.bytes()
	}
	return rw, root
}
