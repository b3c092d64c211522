package rootfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// HostOptions says how a host directory is seen.
type HostOptions struct {
	ReadOnly bool
	// Metadata keeps owners and modes that the host refuses (to an unprivileged user, or on a file system without them) in
	// a directory `owners` beside the given one. Without it a new file just has the host's owner, and chown fails.
	Metadata bool
}

// hostFS is a directory, or a single file, of the host. All access goes through an os.Root, so that nothing outside is
// reached whatever the guest or another process does to the tree meanwhile; symbolic links are resolved by View, before.
//
// A Node is a path here: the host may change the tree at any time, and several processes share it.
type hostFS struct {
	root   *os.Root
	fast   fastRoot // where the host has a quicker way that is as safe
	base   string   // of Root: "." or the file's name
	kind   fs.FileMode
	opts   HostOptions
	owners *ownerStore // nil without Metadata
	self   hostSelf
	closed sync.Once
}

// NewHostDir gives a host's directory, or single file, to be mounted. The path is the host's own, never a guest's.
func NewHostDir(name string, opts HostOptions) (FS, error) {
	name, err := filepath.Abs(name)
	if err != nil {
		return nil, fmt.Errorf("host directory: %w", err)
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("host directory: %w", err)
	}
	h := &hostFS{base: ".", kind: info.Mode().Type(), opts: opts, self: hostSelf{os.Geteuid(), os.Getegid()}}
	dir := name
	if !info.IsDir() {
		if name, err = filepath.EvalSymlinks(name); err != nil {
			return nil, fmt.Errorf("host file: %w", err)
		}
		dir, h.base = filepath.Dir(name), filepath.Base(name)
	}
	if h.root, err = os.OpenRoot(dir); err != nil {
		return nil, fmt.Errorf("host directory: %w", err)
	}
	if err := h.fast.open(h.root); err != nil {
		return nil, errors.Join(fmt.Errorf("host directory: %w", err), h.root.Close())
	}
	if opts.Metadata {
		h.owners = &ownerStore{dir: filepath.Join(filepath.Dir(name), "owners")}
	}
	return h, nil
}

// Root is the directory or file.
func (h *hostFS) Root() Node { return &hostNode{h: h, path: h.base, kind: h.kind} }

// Type is "bind".
func (h *hostFS) Type() string { return "bind" }

// Close lets go of the directory. It may be called again, by a tree that has it mounted twice.
func (h *hostFS) Close() (err error) {
	h.closed.Do(func() { err = errors.Join(h.fast.close(), h.root.Close()) })
	return err
}

// lstat describes a file; errors are bare.
func (h *hostFS) lstat(name string) (Attr, error) {
	a, err := h.fast.lstat(name)
	if err == errNotFast {
		var info fs.FileInfo
		if info, err = h.root.Lstat(name); err != nil {
			return Attr{}, bare(err)
		}
		a = hostAttr(info)
	}
	return h.self.toGuest(a), err
}

// lchown changes the owner on the host; -1 keeps it.
func (h *hostFS) lchown(name string, uid, gid int) error {
	uid, gid = h.self.toHost(uid, gid)
	return h.root.Lchown(name, uid, gid)
}

// hostSelf is the user and group of the server. What is theirs is root's in a container, as with Docker's rootless mode:
// a container's root has the rights of that user, and no more.
type hostSelf struct{ uid, gid int }

func (s hostSelf) toGuest(a Attr) Attr {
	if s.uid > 0 && int(a.UID) == s.uid {
		a.UID = 0
	}
	if s.uid > 0 && int(a.GID) == s.gid {
		a.GID = 0
	}
	return a
}

func (s hostSelf) toHost(uid, gid int) (int, int) {
	if s.uid > 0 && uid == 0 {
		uid = s.uid
	}
	if s.uid > 0 && gid == 0 {
		gid = s.gid
	}
	return uid, gid
}

// open opens an existing file or directory; errors are bare.
func (h *hostFS) open(name string, flag int) (*os.File, error) {
	if f, err := h.fast.openFile(name, flag|hostOpenFlags); err != errNotFast {
		return f, err
	}
	f, err := h.root.OpenFile(name, flag|hostOpenFlags, 0)
	if err != nil {
		return nil, bare(err)
	}
	return f, nil
}

// errNotFast is fastRoot's answer where the ordinary way must be gone.
var errNotFast = errors.New("not available")

type hostNode struct {
	h    *hostFS
	path string // relative to the root, with slashes
	kind fs.FileMode
}

func (n *hostNode) Type() fs.FileMode { return n.kind }

// child is the path of an entry, if the host can have such a name.
func (n *hostNode) child(name string) (string, error) {
	if n.kind != fs.ModeDir {
		return "", syscall.ENOTDIR
	}
	if err := hostName(name); err != nil {
		return "", err
	}
	if n.path == "." {
		return name, nil
	}
	return n.path + "/" + name, nil
}

// change is child for operations that need a directory that is not read-only.
func (n *hostNode) change(name string) (string, error) {
	if n.h.opts.ReadOnly {
		return "", syscall.EROFS
	}
	return n.child(name)
}

func (n *hostNode) Stat() (Info, error) {
	a, err := n.h.lstat(n.path)
	if err != nil {
		return Info{}, err
	}
	return n.h.info(n.path, a)
}

// info translates what the host says, and what is kept beside.
func (h *hostFS) info(name string, a Attr) (Info, error) {
	if o, ok, err := h.owners.get(h.owners.key(name, a)); err != nil {
		return Info{}, err
	} else if ok {
		a.UID, a.GID = o.uid, o.gid
		if a.Mode&fs.ModeSymlink == 0 {
			a.Mode = a.Mode.Type() | o.mode
		}
	}
	return NewInfo("", a), nil
}

func (n *hostNode) Lookup(name string) (Node, error) {
	p, err := n.child(name)
	if err != nil {
		return nil, err
	}
	a, err := n.h.lstat(p)
	if err != nil {
		return nil, err
	}
	return &hostNode{h: n.h, path: p, kind: a.Mode.Type()}, nil
}

// LookupPath finds directories at once, if none of them is a symbolic link.
func (n *hostNode) LookupPath(names []string) ([]Node, error) {
	p := strings.Join(names, "/")
	if n.path != "." {
		p = n.path + "/" + p
	}
	a, err := n.h.fast.lstat(p)
	if err != nil {
		return nil, err
	}
	if !a.Mode.IsDir() {
		return nil, syscall.ENOTDIR
	}
	found := make([]Node, len(names))
	end := len(p)
	for i := len(names) - 1; i >= 0; i-- {
		found[i] = &hostNode{h: n.h, path: p[:end], kind: fs.ModeDir}
		end -= len(names[i]) + 1
	}
	return found, nil
}

func (n *hostNode) ReadDir() ([]Dirent, error) {
	if n.kind != fs.ModeDir {
		return nil, syscall.ENOTDIR
	}
	f, err := n.h.open(n.path, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	if err != nil {
		return nil, bare(err)
	}
	all := make([]Dirent, len(entries))
	for i, e := range entries {
		all[i] = Dirent{Name: e.Name(), Type: e.Type()}
	}
	return all, nil
}

func (n *hostNode) Readlink() (string, error) {
	if n.kind != fs.ModeSymlink {
		return "", syscall.EINVAL
	}
	target, err := n.h.root.Readlink(n.path)
	if err != nil {
		return "", bare(err)
	}
	return filepath.ToSlash(target), nil
}

func (n *hostNode) Create(name string, a Attr) (Node, error) {
	p, err := n.change(name)
	if err != nil {
		return nil, err
	}
	mode := n.h.hostMode(a.Mode)
	switch kind := a.Mode.Type(); {
	case kind == 0:
		var f *os.File
		if f, err = n.h.root.OpenFile(p, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode.Perm()); err == nil {
			err = f.Close()
		}
	case kind == fs.ModeDir:
		err = n.h.root.Mkdir(p, mode.Perm())
	case kind == fs.ModeSymlink:
		err = n.h.root.Symlink(a.Target, p)
	default:
		err = n.h.mknod(p, a)
	}
	if err != nil {
		return nil, bare(err)
	}
	child := &hostNode{h: n.h, path: p, kind: a.Mode.Type()}
	if err := child.claim(a); err != nil {
		return nil, errors.Join(err, n.h.root.Remove(p))
	}
	return child, nil
}

// claim gives a new file its owner and exact mode, as far as the host lets us.
func (n *hostNode) claim(a Attr) error {
	host, err := n.h.lstat(n.path)
	if err != nil {
		return err
	}
	keep := false
	if host.UID != a.UID || host.GID != a.GID {
		err := n.h.lchown(n.path, int(a.UID), int(a.GID))
		keep = err != nil && n.h.owners != nil // else the file is the host user's, as the user of a bind mount expects
	}
	if mode := n.h.hostMode(a.Mode); n.kind != fs.ModeSymlink && host.Mode&permBits != mode {
		if err := n.h.root.Chmod(n.path, mode); err != nil && n.h.owners == nil && !errors.Is(err, errors.ErrUnsupported) {
			return bare(err)
		}
	}
	if n.h.owners != nil && (keep || n.kind != fs.ModeSymlink && n.h.hostMode(a.Mode) != a.Mode&permBits) {
		return n.h.owners.set(n.h.owners.key(n.path, host), owner{a.UID, a.GID, a.Mode & permBits})
	}
	return nil
}

// hostMode is the mode that a file gets on the host: what the guest asks for, but that an unprivileged server must still
// be able to read and write what a guest's root may, where the guest's mode is kept beside.
func (h *hostFS) hostMode(mode fs.FileMode) fs.FileMode {
	m := mode & permBits
	if h.owners != nil && os.Geteuid() != 0 {
		if m |= 0o600; mode.IsDir() {
			m |= 0o700
		}
	}
	return m
}

// mknod makes a FIFO or device by the parent's descriptor, since os.Root has no such operation.
func (h *hostFS) mknod(name string, a Attr) error {
	dir, err := h.open(path.Dir(name), os.O_RDONLY)
	if err != nil {
		return err
	}
	defer dir.Close()
	return mknodAt(dir, path.Base(name), a)
}

func (n *hostNode) Link(name string, to Node) error {
	p, err := n.change(name)
	if err != nil {
		return err
	}
	file, ok := to.(*hostNode)
	if !ok || file.h != n.h {
		return syscall.EXDEV
	}
	return bareOrNil(n.h.root.Link(file.path, p))
}

func (n *hostNode) Unlink(name string, dir bool) error {
	p, err := n.change(name)
	if err != nil {
		return err
	}
	a, err := n.h.lstat(p)
	switch {
	case err != nil:
		return err
	case dir && !a.Mode.IsDir():
		return syscall.ENOTDIR
	case !dir && a.Mode.IsDir():
		return syscall.EISDIR
	}
	if err := n.h.root.Remove(p); err != nil {
		return bare(err)
	}
	if a.Nlink <= 1 || dir {
		n.h.owners.drop(n.h.owners.key(p, a))
	}
	return nil
}

func (n *hostNode) Rename(name string, to Node, newName string, flags int) error {
	dst, ok := to.(*hostNode)
	if !ok || dst.h != n.h {
		return syscall.EXDEV
	}
	from, err := n.change(name)
	if err != nil {
		return err
	}
	p, err := dst.change(newName)
	if err != nil {
		return err
	}
	a, err := n.h.lstat(from)
	if err != nil {
		return err
	}
	old, oldErr := n.h.lstat(p)
	if oldErr == nil && flags&RenameNoReplace != 0 {
		return syscall.EEXIST
	}
	if err := n.h.rename(from, p); err != nil {
		return bare(err)
	}
	if oldErr == nil && old.Ino != a.Ino && (old.Mode.IsDir() || old.Nlink <= 1) {
		n.h.owners.drop(n.h.owners.key(p, old))
	}
	return n.h.owners.move(n.h.owners.key(from, a), n.h.owners.key(p, a))
}

func (n *hostNode) SetAttr(set SetAttr) error {
	if n.h.opts.ReadOnly {
		return syscall.EROFS
	}
	if set.Mask&SetSize != 0 {
		f, err := n.h.open(n.path, os.O_WRONLY)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Truncate(set.Size), f.Close()); err != nil {
			return bare(err)
		}
	}
	if set.Mask&(SetMode|SetUID|SetGID) != 0 {
		if err := n.setOwner(set); err != nil {
			return err
		}
	}
	if set.Mask&(SetAtime|SetMtime) == 0 {
		return nil
	}
	if n.kind == fs.ModeSymlink {
		dir, err := n.h.open(path.Dir(n.path), os.O_RDONLY)
		if err != nil {
			return err
		}
		defer dir.Close()
		return bareOrNil(linkTimes(dir, path.Base(n.path), set))
	}
	return bareOrNil(n.h.root.Chtimes(n.path, set.Atime, set.Mtime))
}

// setOwner changes owner and mode on the host, or where it refuses, beside.
func (n *hostNode) setOwner(set SetAttr) error {
	host, err := n.h.lstat(n.path)
	if err != nil {
		return err
	}
	now, err := n.h.info(n.path, host)
	if err != nil {
		return err
	}
	want := owner{now.UID(), now.GID(), now.Mode() & permBits}
	uid, gid := -1, -1
	if set.Mask&SetUID != 0 {
		want.uid, uid = set.UID, int(set.UID)
	}
	if set.Mask&SetGID != 0 {
		want.gid, gid = set.GID, int(set.GID)
	}
	if set.Mask&SetMode != 0 {
		want.mode = set.Mode & permBits
	}
	var refused error
	if uid >= 0 || gid >= 0 {
		refused = n.h.lchown(n.path, uid, gid)
	}
	if n.kind != fs.ModeSymlink && (set.Mask&SetMode != 0 || refused == nil) {
		// Also after a chown, which takes away setuid.
		if err := n.h.root.Chmod(n.path, n.h.hostMode(want.mode|n.kind)); err != nil && refused == nil {
			refused = err
		}
	}
	if n.h.owners == nil {
		return bareOrNil(refused)
	}
	key := n.h.owners.key(n.path, host)
	if uid >= 0 && refused == nil {
		host.UID = uint32(uid)
	}
	if gid >= 0 && refused == nil {
		host.GID = uint32(gid)
	}
	if refused == nil && host.UID == want.uid && host.GID == want.gid && n.h.hostMode(want.mode|n.kind) == want.mode {
		n.h.owners.drop(key) // the host knows all there is to know
		return nil
	}
	return n.h.owners.set(key, want)
}

func bareOrNil(err error) error {
	if err == nil {
		return nil
	}
	return bare(err)
}

func (n *hostNode) Open(flag int) (Handle, error) {
	if n.h.opts.ReadOnly && (flag&accessMode != os.O_RDONLY || flag&os.O_TRUNC != 0) {
		return nil, syscall.EROFS
	}
	if flag&os.O_TRUNC != 0 && flag&accessMode == os.O_RDONLY {
		if err := n.SetAttr(SetAttr{Mask: SetSize}); err != nil {
			return nil, err
		}
		flag &^= os.O_TRUNC
	}
	f, err := n.h.open(n.path, flag)
	if err != nil {
		return nil, err
	}
	return &hostHandle{f: f, h: n.h, path: n.path}, nil
}

// hostHandle is an open host file.
type hostHandle struct {
	f    *os.File
	h    *hostFS
	path string
}

func (h *hostHandle) ReadAt(p []byte, off int64) (int, error) {
	n, err := h.f.ReadAt(p, off)
	if err != nil && err != io.EOF {
		err = bare(err)
	}
	return n, err
}

func (h *hostHandle) WriteAt(p []byte, off int64) (int, error) {
	n, err := h.f.WriteAt(p, off)
	return n, bareOrNil(err)
}

// Append leaves it to the host's O_APPEND, which other processes respect too.
func (h *hostHandle) Append(p []byte) (int, int64, error) {
	n, err := h.f.Write(p)
	end, seekErr := h.f.Seek(0, io.SeekCurrent)
	if err == nil {
		err = seekErr
	}
	return n, end, bareOrNil(err)
}

func (h *hostHandle) Truncate(size int64) error { return bareOrNil(h.f.Truncate(size)) }

func (h *hostHandle) Sync() error { return bareOrNil(h.f.Sync()) }

func (h *hostHandle) Close() error { return bareOrNil(h.f.Close()) }

// Stat describes the open file, wherever it is by now.
func (h *hostHandle) Stat() (Info, error) {
	info, err := h.f.Stat()
	if err != nil {
		return Info{}, bare(err)
	}
	return h.h.info(h.path, h.h.self.toGuest(hostAttr(info)))
}
