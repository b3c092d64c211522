package rootfs

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"sort"
	"strings"
	"syscall"
	"time"
)

// View is a process's sight of a tree: credentials, working directory, umask. File operations are safe for concurrent
// use; changing directory, umask or credentials meanwhile is not. Errors are *fs.PathError or *os.LinkError with a
// syscall.Errno inside.
type View struct {
	// Special opens a device (by its Rdev), FIFO or socket (by its Ino); nil refuses them with ENXIO. What it gives is
	// what File.Stream has.
	Special func(info *Info, flag int) (Stream, error)

	// Owner is the process, for symbolic links that depend on who reads them (/proc/self): see OwnerLink.
	Owner any

	tree  *Tree
	cred  Cred
	umask fs.FileMode
	cwd   []place // from the root; nil is the root. Never changed in place.
	setup bool    // mount points are being made: read-only mounts do not count
}

// Clone makes a copy for a child process.
func (v *View) Clone() *View {
	c := *v
	c.cred.Groups = slices.Clone(v.cred.Groups)
	return &c
}

// Cred is who the process is.
func (v *View) Cred() Cred { return v.cred }

// SetCred changes who the process is.
func (v *View) SetCred(c Cred) { v.cred = c }

// Umask has the permission bits that new files do not get.
func (v *View) Umask() fs.FileMode { return v.umask }

// SetUmask changes the umask.
func (v *View) SetUmask(m fs.FileMode) { v.umask = m.Perm() }

// Tree is the tree that is seen.
func (v *View) Tree() *Tree { return v.tree }

// Chdir changes the working directory.
func (v *View) Chdir(name string) error {
	var w walker
	dir, err := v.find(&w, name, follow)
	if err == nil && !dir.node.Type().IsDir() {
		err = syscall.ENOTDIR
	}
	if err == nil {
		err = w.enter()
	}
	if err != nil {
		return pathError("chdir", name, err)
	}
	v.cwd = slices.Clone(w.at)
	return nil
}

// Getwd is the working directory: absolute, without symbolic links.
func (v *View) Getwd() string { return pathOf(v.cwd) }

// Resolve is the absolute path, without symbolic links, of an existing file, as realpath(3).
func (v *View) Resolve(name string) (string, error) {
	var w walker
	if _, err := v.find(&w, name, follow); err != nil {
		return "", pathError("realpath", name, err)
	}
	return w.path(), nil
}

// Stat describes a file, following symbolic links.
func (v *View) Stat(name string) (*Info, error) { return v.stat("stat", name, follow) }

// Lstat describes a file, or the symbolic link itself.
func (v *View) Lstat(name string) (*Info, error) { return v.stat("lstat", name, noFollow) }

func (v *View) stat(op, name string, mode walkMode) (*Info, error) {
	var w walker
	p, err := v.find(&w, name, mode)
	if err != nil {
		return nil, pathError(op, name, err)
	}
	info, err := p.stat()
	if err != nil {
		return nil, pathError(op, name, err)
	}
	return info.named(path.Base(name)), nil
}

// Readlink is a symbolic link's target.
func (v *View) Readlink(name string) (string, error) {
	var w walker
	p, err := v.find(&w, name, noFollow)
	if err != nil {
		return "", pathError("readlink", name, err)
	}
	target, err := v.readlink(p.node)
	return target, pathError("readlink", name, err)
}

// OwnerLink is a Node that is a symbolic link whose target depends on View.Owner.
type OwnerLink interface {
	ReadlinkAs(owner any) (string, error)
}

func (v *View) readlink(n Node) (string, error) {
	if l, ok := n.(OwnerLink); ok {
		return l.ReadlinkAs(v.Owner)
	}
	return n.Readlink()
}

// Access checks for the process what access(2) does: 4 read, 2 write, 1 execute, 0 existence.
func (v *View) Access(name string, mode uint32) error {
	var w walker
	p, err := v.find(&w, name, follow)
	if err == nil && mode != 0 {
		err = v.access(p, mode)
	}
	return pathError("access", name, err)
}

func (v *View) access(p *place, mode uint32) error {
	info, err := p.stat()
	if err != nil {
		return err
	}
	if !v.cred.may(&info, mode) {
		return syscall.EACCES
	}
	if mode&mayWrite != 0 && p.mnt.readOnly && !v.setup && special(p.node.Type()) == 0 {
		return syscall.EROFS
	}
	return nil
}

// special has the type bits of what is not stored: devices, FIFOs, sockets. A read-only mount does not protect them.
func special(m fs.FileMode) fs.FileMode {
	return m & (fs.ModeDevice | fs.ModeCharDevice | fs.ModeNamedPipe | fs.ModeSocket)
}

// create makes an entry where there is none.
func (v *View) create(op, name string, mode fs.FileMode, fill func(*Attr)) error {
	var w walker
	dir, last, slash, err := v.findParent(&w, name)
	if err == nil && last == "" {
		err = syscall.EEXIST
	}
	if err == nil {
		err = v.createIn(&w, dir, last, slash, mode, fill)
	}
	return pathError(op, name, err)
}

func (v *View) createIn(w *walker, dir *place, last string, slash bool, mode fs.FileMode, fill func(*Attr)) error {
	if _, err := w.step(last); err == nil {
		return syscall.EEXIST
	} else if !errors.Is(err, syscall.ENOENT) {
		return err
	}
	if slash && !mode.IsDir() {
		return syscall.ENOENT
	}
	if err := v.writable(dir); err != nil {
		return err
	}
	a, err := v.attrFor(dir, mode)
	if err != nil {
		return err
	}
	if fill != nil {
		fill(&a)
	}
	_, err = dir.node.Create(last, a)
	return err
}

// Mkdir makes a directory with perm less the umask.
func (v *View) Mkdir(name string, perm fs.FileMode) error {
	return v.create("mkdir", name, fs.ModeDir|perm&(fs.ModePerm|fs.ModeSticky), nil)
}

// MkdirAll makes a directory and its missing parents. Nothing is wrong if it exists.
func (v *View) MkdirAll(name string, perm fs.FileMode) error {
	err := v.Mkdir(name, perm)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOENT):
		// Not path.Dir, which takes "missing/.." away.
		parent := strings.TrimRight(name, "/")
		parent = strings.TrimRight(parent[:strings.LastIndexByte(parent, '/')+1], "/")
		if parent == "" {
			return err
		}
		if err := v.MkdirAll(parent, perm); err != nil {
			return err
		}
		if err = v.Mkdir(name, perm); err == nil {
			return nil
		}
	}
	if info, statErr := v.Stat(name); statErr == nil && info.IsDir() {
		return nil
	}
	if errors.Is(err, syscall.EEXIST) {
		return pathError("mkdir", name, syscall.ENOTDIR)
	}
	return err
}

// Symlink makes a symbolic link with any target.
func (v *View) Symlink(target, link string) error {
	switch {
	case target == "":
		return linkError("symlink", target, link, syscall.ENOENT)
	case len(target) >= maxPath:
		return linkError("symlink", target, link, syscall.ENAMETOOLONG)
	}
	err := v.create("symlink", link, fs.ModeSymlink|fs.ModePerm, func(a *Attr) {
		a.Target, a.Mode = target, fs.ModeSymlink|fs.ModePerm
	})
	return linkError("symlink", target, link, err)
}

// Mknod makes a device (only for UID 0), FIFO, socket or, with no type bits, a regular file.
func (v *View) Mknod(name string, mode fs.FileMode, rdev uint64) error {
	kind := mode.Type()
	if kind&fs.ModeDevice != 0 && v.cred.UID != 0 {
		return pathError("mknod", name, syscall.EPERM)
	}
	if kind != 0 && special(kind) == 0 {
		return pathError("mknod", name, syscall.EINVAL)
	}
	return v.create("mknod", name, mode&(kind|permBits), func(a *Attr) { a.Rdev = rdev })
}

// Link gives a file a further name. A symbolic link itself is linked, as link(2) does.
func (v *View) Link(old, name string) error {
	var from, w walker
	src, err := v.find(&from, old, noFollow)
	if err != nil {
		return linkError("link", old, name, err)
	}
	dir, last, slash, err := v.findParent(&w, name)
	if err != nil {
		return linkError("link", old, name, err)
	}
	if last == "" {
		return linkError("link", old, name, syscall.EEXIST)
	}
	if _, err := w.step(last); err == nil {
		return linkError("link", old, name, syscall.EEXIST)
	} else if slash {
		return linkError("link", old, name, syscall.ENOENT)
	}
	switch {
	case src.mnt != dir.mnt:
		err = syscall.EXDEV
	default:
		err = v.writable(dir)
	}
	if err == nil && src.node.Type().IsDir() {
		err = syscall.EPERM
	}
	if err == nil {
		err = dir.node.Link(last, src.node)
	}
	return linkError("link", old, name, err)
}

// Unlink removes a name that is not a directory's.
func (v *View) Unlink(name string) error { return pathError("unlink", name, v.remove(name, false)) }

// Rmdir removes an empty directory.
func (v *View) Rmdir(name string) error { return pathError("rmdir", name, v.remove(name, true)) }

// Remove removes a file or an empty directory.
func (v *View) Remove(name string) error {
	err := v.remove(name, false)
	if errors.Is(err, syscall.EISDIR) || errors.Is(err, syscall.EPERM) {
		if dirErr := v.remove(name, true); !errors.Is(dirErr, syscall.ENOTDIR) {
			err = dirErr
		}
	}
	return pathError("remove", name, err)
}

func (v *View) remove(name string, isDir bool) error {
	var w walker
	dir, last, slash, err := v.findParent(&w, name)
	if err != nil {
		return err
	}
	if last == "" {
		name = strings.TrimRight(name, "/")
		switch {
		case !isDir:
			return syscall.EISDIR
		case name == "":
			return syscall.EBUSY
		case path.Base(name) == ".":
			return syscall.EINVAL
		}
		return syscall.ENOTEMPTY // it ends in "..", which has at least where it was reached from
	}
	child, err := w.step(last)
	if err != nil {
		return err
	}
	kind := child.node.Type()
	if slash && !kind.IsDir() {
		return syscall.ENOTDIR
	}
	if err := v.removable(dir, &child); err != nil {
		return err
	}
	switch {
	case isDir && !kind.IsDir():
		return syscall.ENOTDIR
	case !isDir && kind.IsDir():
		return syscall.EISDIR
	}
	return dir.node.Unlink(last, isDir)
}

// RemoveAll removes a file or a directory with all that is in it. Nothing is wrong if it does not exist.
func (v *View) RemoveAll(name string) error {
	err := v.Remove(name)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if !errors.Is(err, syscall.ENOTEMPTY) {
		return err
	}
	entries, readErr := v.ReadDir(name)
	if readErr != nil {
		return readErr
	}
	for _, e := range entries {
		if err := v.RemoveAll(name + "/" + e.Name()); err != nil {
			return err
		}
	}
	if err = v.Remove(name); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Rename moves a file, replacing what has the new name, as rename(2).
func (v *View) Rename(old, name string) error { return v.rename(old, name, 0) }

// RenameNew is Rename that fails with EEXIST where the new name exists.
func (v *View) RenameNew(old, name string) error { return v.rename(old, name, RenameNoReplace) }

func (v *View) rename(old, name string, flags int) error {
	var from, to walker
	err := v.renameAt(&from, &to, old, name, flags)
	return linkError("rename", old, name, err)
}

func (v *View) renameAt(from, to *walker, old, name string, flags int) error {
	dir, last, slash, err := v.findParent(from, old)
	if err != nil {
		return err
	}
	toDir, toLast, toSlash, err := v.findParent(to, name)
	if err != nil {
		return err
	}
	if last == "" || toLast == "" {
		return syscall.EBUSY
	}
	if dir.mnt != toDir.mnt {
		return syscall.EXDEV
	}
	child, err := from.step(last)
	if err != nil {
		return err
	}
	isDir := child.node.Type().IsDir()
	if !isDir && (slash || toSlash) {
		return syscall.ENOTDIR
	}
	if err := v.removable(dir, &child); err != nil {
		return err
	}
	target, err := to.step(toLast)
	switch {
	case err == nil && flags&RenameNoReplace != 0:
		return syscall.EEXIST
	case err == nil:
		err = v.removable(toDir, &target)
	case errors.Is(err, syscall.ENOENT):
		err = v.writable(toDir)
	}
	if err != nil {
		return err
	}
	return dir.node.Rename(last, toDir.node, toLast, flags)
}

// ReadDir lists a directory, sorted by name. Every entry's Info is an *Info.
func (v *View) ReadDir(name string) ([]fs.DirEntry, error) {
	var w walker
	dir, err := v.find(&w, name, follow)
	if err == nil {
		err = v.access(dir, mayRead)
	}
	if err != nil {
		return nil, pathError("open", name, err)
	}
	entries, err := v.list(dir)
	return entries, pathError("readdir", name, err)
}

func (v *View) list(dir *place) ([]fs.DirEntry, error) {
	found, err := dir.node.ReadDir()
	if err != nil {
		return nil, err
	}
	found = v.tree.hiddenIn(dir.at, found)
	sort.Slice(found, func(i, j int) bool { return found[i].Name < found[j].Name })
	at := *dir
	all := make([]dirEntry, len(found))
	entries := make([]fs.DirEntry, len(found))
	for i, d := range found {
		all[i] = dirEntry{d: d, dir: &at, view: v}
		entries[i] = &all[i]
	}
	return entries, nil
}

// setAttr checks with allowed, then changes.
func (v *View) setAttr(op, name string, mode walkMode, plan func(p *place, info *Info) (SetAttr, error)) error {
	var w walker
	p, err := v.find(&w, name, mode)
	if err == nil {
		err = v.change(p, plan)
	}
	return pathError(op, name, err)
}

func (v *View) change(p *place, plan func(p *place, info *Info) (SetAttr, error)) error {
	info, err := p.stat()
	if err != nil {
		return err
	}
	if p.mnt.readOnly && !v.setup {
		return syscall.EROFS
	}
	set, err := plan(p, &info)
	if err != nil || set.Mask == 0 {
		return err
	}
	return p.node.SetAttr(set)
}

// Chmod changes permission, setuid, setgid and sticky bits; symbolic links are followed.
func (v *View) Chmod(name string, mode fs.FileMode) error {
	return v.setAttr("chmod", name, follow, v.chmodPlan(mode))
}

func (v *View) chmodPlan(mode fs.FileMode) func(*place, *Info) (SetAttr, error) {
	return func(_ *place, info *Info) (SetAttr, error) {
		if !v.cred.owns(info) {
			return SetAttr{}, syscall.EPERM
		}
		mode := mode & permBits
		if v.cred.UID != 0 && !info.IsDir() && !v.cred.inGroup(info.attr.GID) {
			mode &^= fs.ModeSetgid
		}
		return SetAttr{Mask: SetMode, Mode: mode}, nil
	}
}

// Chown changes owner and group (-1 keeps one); symbolic links are followed. As Linux, it takes away setuid and setgid
// of a file that is not a directory.
func (v *View) Chown(name string, uid, gid int) error {
	return v.setAttr("chown", name, follow, v.chownPlan(uid, gid))
}

// Lchown is Chown of the symbolic link itself.
func (v *View) Lchown(name string, uid, gid int) error {
	return v.setAttr("lchown", name, noFollow, v.chownPlan(uid, gid))
}

func (v *View) chownPlan(uid, gid int) func(*place, *Info) (SetAttr, error) {
	return func(_ *place, info *Info) (SetAttr, error) {
		set := SetAttr{UID: uint32(uid), GID: uint32(gid)}
		if uid >= 0 {
			set.Mask |= SetUID
		}
		if gid >= 0 {
			set.Mask |= SetGID
		}
		if v.cred.UID != 0 {
			if !v.cred.owns(info) || uid >= 0 && set.UID != info.attr.UID ||
				gid >= 0 && set.GID != info.attr.GID && !v.cred.inGroup(set.GID) {
				return SetAttr{}, syscall.EPERM
			}
		}
		if info.attr.Mode.IsRegular() && set.Mask != 0 {
			drop := info.attr.Mode & fs.ModeSetuid
			if info.attr.Mode.Perm()&0o010 != 0 {
				drop |= info.attr.Mode & fs.ModeSetgid
			}
			if drop != 0 {
				set.Mask |= SetMode
				set.Mode = info.attr.Mode & permBits &^ drop
			}
		}
		return set, nil
	}
}

// Chtimes changes access and modification time; a zero time keeps one. Symbolic links are followed.
func (v *View) Chtimes(name string, atime, mtime time.Time) error {
	return v.setAttr("chtimes", name, follow, v.chtimesPlan(atime, mtime))
}

// Lchtimes is Chtimes of the symbolic link itself.
func (v *View) Lchtimes(name string, atime, mtime time.Time) error {
	return v.setAttr("lchtimes", name, noFollow, v.chtimesPlan(atime, mtime))
}

func (v *View) chtimesPlan(atime, mtime time.Time) func(*place, *Info) (SetAttr, error) {
	return func(_ *place, info *Info) (SetAttr, error) {
		set := SetAttr{Atime: atime, Mtime: mtime}
		if !atime.IsZero() {
			set.Mask |= SetAtime
		}
		if !mtime.IsZero() {
			set.Mask |= SetMtime
		}
		// Who may write may also set both times to now, which is how touch comes here.
		now := !atime.IsZero() && !mtime.IsZero() && time.Since(atime).Abs() < 2*time.Second && time.Since(mtime).Abs() < 2*time.Second
		if !v.cred.owns(info) && !(now && v.cred.may(info, mayWrite)) {
			return SetAttr{}, syscall.EPERM
		}
		return set, nil
	}
}

// Truncate changes a file's length; symbolic links are followed.
func (v *View) Truncate(name string, size int64) error {
	return v.setAttr("truncate", name, follow, func(p *place, info *Info) (SetAttr, error) {
		switch {
		case size < 0:
			return SetAttr{}, syscall.EINVAL
		case info.IsDir():
			return SetAttr{}, syscall.EISDIR
		case !info.Mode().IsRegular():
			return SetAttr{}, syscall.EINVAL
		case !v.cred.may(info, mayWrite):
			return SetAttr{}, syscall.EACCES
		}
		return SetAttr{Mask: SetSize, Size: size}, nil
	})
}
