package rootfs

import (
	"io/fs"
	"strings"
	"syscall"
)

// Limits of Linux.
const (
	maxPath  = 4096 // with the terminating NUL
	maxName  = 255
	maxLinks = 40
)

// place is a file at its position in the tree.
type place struct {
	node Node
	name string      // in its directory; "" for the root
	at   *mountPoint // nil where nothing is mounted at or below
	mnt  *mount
}

// stat is the node's Info, with the mount's device number where the file system has none, since a program tells files
// apart by device and inode number.
func (p *place) stat() (Info, error) {
	info, err := p.node.Stat()
	if info.attr.Dev == 0 {
		info.attr.Dev = p.mnt.dev
	}
	return info, err
}

// walker resolves one path. Its stack holds every directory from the root to where it is, so that ".." needs no help
// from the file systems and cannot leave the root.
type walker struct {
	v     *View
	at    []place
	links int
	short bool // stride failed: step by step
	buf   [8]place
}

type walkMode int

const (
	follow   walkMode = iota // resolve everything
	noFollow                 // but a symbolic link in the last component
	parentOf                 // stop before the last component
)

// walk starts at the root or the working directory.
func (v *View) walk(w *walker, name string, mode walkMode) (last string, slash bool, err error) {
	w.v = v
	switch {
	case name == "":
		return "", false, syscall.ENOENT
	case len(name) >= maxPath:
		return "", false, syscall.ENAMETOOLONG
	case strings.IndexByte(name, 0) >= 0:
		return "", false, syscall.EINVAL
	}
	if name[0] == '/' || len(v.cwd) == 0 {
		w.at = append(w.buf[:0], v.tree.rootPlace())
	} else {
		w.at = append(w.buf[:0], v.cwd...)
	}
	return w.run(name, mode)
}

// run goes on from w.at. With parentOf it gives the last component, not looked up; that is "" where the path ends in the
// root, "." or "..", which w.top then is. slash tells that a last component must be a directory.
func (w *walker) run(rest string, mode walkMode) (last string, slash bool, err error) {
	for {
		rest = strings.TrimLeft(rest, "/")
		if rest == "" {
			return "", false, nil
		}
		comp, tail, more := strings.Cut(rest, "/")
		tail = strings.TrimLeft(tail, "/")
		final := tail == ""
		slash = final && more
		if err := w.enter(); err != nil {
			return "", false, err
		}
		switch comp {
		case ".":
			rest = tail
			continue
		case "..":
			if len(w.at) > 1 {
				w.at = w.at[:len(w.at)-1]
			}
			rest = tail
			continue
		}
		if len(comp) > maxName {
			return "", false, syscall.ENAMETOOLONG
		}
		if !final {
			if rest, ok := w.stride(rest); ok {
				return w.run(rest, mode)
			}
		}
		if final && mode == parentOf {
			return comp, slash, nil
		}
		child, err := w.step(comp)
		if err != nil {
			return "", false, err
		}
		kind := child.node.Type()
		if kind == fs.ModeSymlink && (!final || slash || mode == follow) {
			target, err := w.jump(&child)
			if err != nil {
				return "", false, err
			}
			rest = target
			if more {
				rest += "/" + tail
			}
			continue
		}
		if (slash || !final) && kind != fs.ModeDir {
			return "", false, syscall.ENOTDIR
		}
		w.at = append(w.at, child)
		if final {
			return "", slash, nil
		}
		rest = tail
	}
}

// stride goes down all of a path's directories but the last component, where the file system can, nothing is mounted on
// the way, and nobody has to be asked for permission. It gives what is left.
func (w *walker) stride(rest string) (string, bool) {
	top := w.top()
	dir, ok := top.node.(PathNode)
	if n, is := top.node.(*overlayNode); is {
		if there := n.movedTo(); there != nil {
			dir, ok = there, true
		}
	}
	if !ok || w.short || w.v.cred.UID != 0 || w.v.tree.below(top.at) {
		return rest, false
	}
	path := strings.TrimRight(rest, "/")
	end := strings.LastIndexByte(path, '/')
	names := strings.Split(path[:max(end, 0)], "/")
	if len(names) < 2 {
		return rest, false
	}
	for _, name := range names {
		if name == "" || name == "." || name == ".." || len(name) > maxName {
			return rest, false
		}
	}
	found, err := dir.LookupPath(names)
	if err != nil {
		w.short = true
		return rest, false
	}
	mnt := top.mnt
	for i, node := range found {
		w.at = append(w.at, place{node: node, name: names[i], mnt: mnt})
	}
	return rest[end+1:], true
}

// jump reads a symbolic link that was found in w.top, and goes to the root if it is absolute.
func (w *walker) jump(link *place) (string, error) {
	if w.links++; w.links > maxLinks {
		return "", syscall.ELOOP
	}
	target, err := w.v.readlink(link.node)
	if err != nil {
		return "", err
	}
	if target == "" {
		return "", syscall.ENOENT
	}
	w.short = false
	if target[0] == '/' {
		w.at = append(w.at[:0], w.v.tree.rootPlace())
	}
	return target, nil
}

// top is where the walk is.
func (w *walker) top() *place { return &w.at[len(w.at)-1] }

// enter checks that w.top is a directory that may be searched.
func (w *walker) enter() error {
	top := w.top()
	if top.node.Type() != fs.ModeDir {
		return syscall.ENOTDIR
	}
	if w.v.cred.UID == 0 {
		return nil
	}
	info, err := top.stat()
	if err != nil {
		return err
	}
	if !w.v.cred.may(&info, mayExec) {
		return syscall.EACCES
	}
	return nil
}

// step looks up an entry of w.top, without checks.
func (w *walker) step(name string) (place, error) {
	top := w.top()
	at := w.v.tree.child(top.at, name)
	if at != nil && at.mnt != nil {
		return place{node: at.mnt.root, name: name, at: at, mnt: at.mnt}, nil
	}
	node, err := top.node.Lookup(name)
	if err != nil {
		return place{}, err
	}
	return place{node: node, name: name, at: at, mnt: top.mnt}, nil
}

// path is the absolute path of where the walk is.
func (w *walker) path() string { return pathOf(w.at) }

func pathOf(at []place) string {
	if len(at) <= 1 {
		return "/"
	}
	n := 0
	for _, p := range at[1:] {
		n += 1 + len(p.name)
	}
	b := make([]byte, 0, n)
	for _, p := range at[1:] {
		b = append(append(b, '/'), p.name...)
	}
	return string(b)
}

// find resolves an existing file.
func (v *View) find(w *walker, name string, mode walkMode) (*place, error) {
	if _, _, err := v.walk(w, name, mode); err != nil {
		return nil, err
	}
	return w.top(), nil
}

// findParent resolves the directory in which a name is to be created or removed.
func (v *View) findParent(w *walker, name string) (dir *place, last string, slash bool, err error) {
	last, slash, err = v.walk(w, name, parentOf)
	if err != nil {
		return nil, "", false, err
	}
	return w.top(), last, slash, nil
}

// writable checks that entries of dir may be changed.
func (v *View) writable(dir *place) error {
	if dir.mnt.readOnly && !v.setup {
		return syscall.EROFS
	}
	if v.cred.UID == 0 {
		return nil
	}
	info, err := dir.stat()
	if err != nil {
		return err
	}
	if !v.cred.may(&info, mayWrite|mayExec) {
		return syscall.EACCES
	}
	return nil
}

// removable checks that the entry child of dir may be removed or renamed.
func (v *View) removable(dir, child *place) error {
	if child.at != nil {
		return syscall.EBUSY
	}
	if err := v.writable(dir); err != nil {
		return err
	}
	if v.cred.UID == 0 {
		return nil
	}
	dirInfo, err := dir.stat()
	if err != nil {
		return err
	}
	info, err := child.stat()
	if err != nil {
		return err
	}
	if !v.cred.mayDelete(&dirInfo, &info) {
		return syscall.EPERM
	}
	return nil
}

// attrFor completes the attributes of a file to be created in dir: umask, owner, and the group of a setgid directory.
func (v *View) attrFor(dir *place, mode fs.FileMode) (Attr, error) {
	a := Attr{Mode: mode&^fs.ModePerm | mode.Perm()&^v.umask, UID: v.cred.UID, GID: v.cred.GID}
	info, err := dir.stat()
	if err != nil {
		return a, err
	}
	if info.attr.Mode&fs.ModeSetgid != 0 {
		a.GID = info.attr.GID
		if mode.IsDir() {
			a.Mode |= fs.ModeSetgid
		}
	}
	return a, nil
}
