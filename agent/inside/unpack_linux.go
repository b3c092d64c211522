package inside

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ErrBreakout is the error of an archive with an entry, or a hard link, that leads out of the directory.
var ErrBreakout = errors.New("archive entry leads out of the directory")

// Names of an OCI layer that say what is removed.
const (
	whiteoutPrefix = ".wh."
	opaqueName     = ".wh..wh..opq"
)

type owner struct{ uid, gid uint32 }

// unpacker takes a tar into a directory: files are replaced, directories are merged.
type unpacker struct {
	ctx                  context.Context
	root                 string // absolute, without links
	noOverwriteDirNonDir bool
	owner                *owner // of all that is made; nil is as the tar says
	layer                bool   // names of whiteouts mean what they mean in an OCI layer
	mounts               map[string]bool

	touched map[string]bool // paths that were changed
	dirs    []dirTimes
	kept    map[string]time.Time // of directories in which a layer changes something, as they were
	parent  *place               // the directory of the last entry
	as      string               // the path by which it was found
}

// dirTimes are set last, since what comes into a directory changes them.
type dirTimes struct {
	path  string
	mtime time.Time
}

func newUnpacker(ctx context.Context, root string) *unpacker {
	return &unpacker{ctx: ctx, root: root, touched: map[string]bool{}, kept: map[string]time.Time{}}
}

func (u *unpacker) close() {
	if u.parent != nil {
		u.parent.close()
		u.parent = nil
	}
}

// unpack takes an uncompressed tar. An entry whose name, or whose parent after its links are resolved, is not in the
// directory is ErrBreakout: what came before it stays.
func (u *unpacker) unpack(r io.Reader) (err error) {
	if u.mounts, err = mountPoints(); err != nil {
		return err
	}
	t := tar.NewReader(r)
	for {
		if err := u.ctx.Err(); err != nil {
			return err
		}
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err // archive/tar says what it read; dockerd's text is no other
		}
		if h.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		if err := u.add(h, t); err != nil {
			return fmt.Errorf("unpack %q: %w", h.Name, err)
		}
	}
	// A layer has each directory that has changed: the others are as they were.
	for _, d := range u.dirs {
		delete(u.kept, d.path)
	}
	for name, mtime := range u.kept {
		u.dirs = append(u.dirs, dirTimes{name, mtime})
	}
	for _, d := range slices.Backward(u.dirs) {
		at, err := walk(d.path, noFollow)
		if err == nil {
			err = setTimes(at, d.mtime)
			at.close()
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("unpack: set the time of %s: %w", d.path, err)
		}
	}
	// The tar's source may have more to say: padding, or that it failed.
	if _, err := io.Copy(io.Discard, r); err != nil {
		return fmt.Errorf("unpack: %w", err)
	}
	return nil
}

// inside gives the place of an entry: its parent, made where it is missing, with links resolved, and its name. The place's
// descriptor is the unpacker's.
func (u *unpacker) inside(name string, makeParent bool) (*place, error) {
	name = path.Clean(strings.TrimLeft(name, "/"))
	if name == ".." || strings.HasPrefix(name, "../") {
		return nil, ErrBreakout
	}
	dir, base := path.Split(name)
	if name == "." {
		base = "."
	}
	want := path.Join(u.root, dir)
	if u.parent == nil || u.as != want {
		parent, err := u.directory(want, makeParent)
		if err != nil {
			return nil, err
		}
		u.close()
		u.parent, u.as = parent, want
	}
	return u.parent.child(u.parent.dir, base), nil
}

// directory opens the directory of an entry.
func (u *unpacker) directory(want string, create bool) (*place, error) {
	at, err := walk(want, follow)
	if err != nil || create && !u.exists(at) {
		if at != nil {
			at.close()
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) || !create {
			return nil, err
		}
		if err := u.nearest(want); err != nil {
			return nil, err
		}
		at, err = mkdirs(want, u.touch)
		if err != nil {
			return nil, err
		}
	}
	if at.name != "." {
		// A path that ends in a directory is found as "." in it: this is something else.
		at.close()
		return nil, syscall.ENOTDIR
	}
	if !u.holds(at.path) {
		at.close()
		return nil, ErrBreakout
	}
	if kernels, err := kernelFile(at.dir); err != nil || kernels {
		at.close()
		if err == nil {
			err = errKernelFile
		}
		return nil, err
	}
	return at, nil
}

func (u *unpacker) exists(at *place) bool {
	_, err := at.stat()
	return err == nil
}

// nearest checks that the lowest existing directory of a path is inside, before anything is made in it.
func (u *unpacker) nearest(want string) error {
	for {
		at, err := walk(want, follow)
		if err == nil {
			exists, inside := u.exists(at), u.holds(at.path)
			at.close()
			if exists {
				if !inside {
					return ErrBreakout
				}
				return nil
			}
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if link, err := walk(want, noFollow); err == nil {
			dangling := u.exists(link)
			link.close()
			if dangling {
				return syscall.ENOENT // a dangling link is not made to point somewhere
			}
		}
		want = path.Dir(want)
	}
}

func (u *unpacker) holds(real string) bool {
	return u.root == "/" || real == u.root || strings.HasPrefix(real, u.root+"/")
}

// touch notes that a path, and so its directory, was changed.
func (u *unpacker) touch(name string) {
	u.touched[name] = true
	dir := path.Dir(name)
	if _, known := u.kept[dir]; u.layer && !known && !u.touched[dir] {
		if at, err := walk(dir, noFollow); err == nil {
			if st, err := at.stat(); err == nil {
				u.kept[dir] = time.Unix(st.Mtim.Unix())
			}
			at.close()
		}
	}
	u.touched[dir] = true
}

func (u *unpacker) add(h *tar.Header, contents io.Reader) error {
	at, err := u.inside(h.Name, true)
	if err != nil {
		return err
	}
	if u.layer && strings.HasPrefix(at.name, whiteoutPrefix) {
		return u.remove(at)
	}
	if u.layer && u.mounts[at.path] {
		return nil // what is mounted there is not the layer's
	}
	isDir := h.Typeflag == tar.TypeDir
	exists := false
	st, err := at.stat()
	switch {
	case err == nil:
		wasDir := st.Mode&unix.S_IFMT == unix.S_IFDIR
		if u.noOverwriteDirNonDir && wasDir && !isDir {
			return fmt.Errorf("cannot overwrite directory %q with non-directory %q", at.path, h.Name)
		}
		if u.noOverwriteDirNonDir && !wasDir && isDir {
			return fmt.Errorf("cannot overwrite non-directory %q with directory %q", at.path, h.Name)
		}
		exists = wasDir && isDir
		if exists {
			break
		}
		if at.path == u.root {
			return syscall.ENOTDIR
		}
		u.touch(at.path)
		if err := u.removeAll(at); err != nil {
			return err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if at.path == u.root && !u.layer {
		return nil
	}
	u.touch(at.path)
	return u.make(at, exists, h, contents)
}

// remove does what a whiteout says.
func (u *unpacker) remove(at *place) error {
	if at.name == opaqueName {
		return u.empty(at)
	}
	name := strings.TrimPrefix(at.name, whiteoutPrefix)
	switch {
	case strings.HasPrefix(name, whiteoutPrefix):
		return nil // a note of aufs
	case name == "", name == ".", name == "..":
		return fmt.Errorf("%w: a whiteout of nothing", syscall.EINVAL)
	}
	gone := &place{dir: at.dir, name: name, path: path.Join(path.Dir(at.path), name)}
	if _, err := gone.stat(); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	u.touch(gone.path)
	return u.removeAll(gone)
}

// empty removes from an opaque directory what did not come with the layer.
func (u *unpacker) empty(at *place) error {
	fd, err := unix.Openat(at.dir, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return u.clear(fd, path.Dir(at.path))
}

// clear removes from an open directory what did not come with the layer.
func (u *unpacker) clear(fd int, dir string) error {
	names, err := readDir(fd, dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		old := &place{dir: fd, name: name, path: path.Join(dir, name)}
		switch {
		case u.mounts[old.path]:
		case u.touched[old.path]:
			sub, err := old.open(unix.O_RDONLY|unix.O_DIRECTORY, 0)
			if errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ELOOP) {
				continue
			}
			if err != nil {
				return err
			}
			err = u.clear(sub, old.path)
			_ = unix.Close(sub)
			if err != nil {
				return err
			}
		default:
			u.touch(old.path)
			if err := u.removeAll(old); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeAll removes what is at a place, but nothing that is mounted there.
func (u *unpacker) removeAll(at *place) error {
	if u.mounts[at.path] {
		return &fs.PathError{Op: "remove", Path: at.path, Err: syscall.EBUSY}
	}
	err := unix.Unlinkat(at.dir, at.name, 0)
	if err == nil || errors.Is(err, syscall.ENOENT) {
		return nil
	}
	if !errors.Is(err, syscall.EISDIR) && !errors.Is(err, syscall.EPERM) {
		return &fs.PathError{Op: "remove", Path: at.path, Err: err}
	}
	fd, openErr := at.open(unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if openErr != nil {
		if errors.Is(openErr, syscall.ENOTDIR) {
			openErr = &fs.PathError{Op: "remove", Path: at.path, Err: err}
		}
		return openErr
	}
	defer unix.Close(fd)
	names, err := readDir(fd, "")
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := u.removeAll(at.child(fd, name)); err != nil {
			return err
		}
	}
	if err := unix.Unlinkat(at.dir, at.name, unix.AT_REMOVEDIR); err != nil && !errors.Is(err, syscall.ENOENT) {
		return &fs.PathError{Op: "remove", Path: at.path, Err: err}
	}
	return nil
}

func (u *unpacker) make(at *place, exists bool, h *tar.Header, contents io.Reader) error {
	var err error
	switch h.Typeflag {
	case tar.TypeDir:
		if !exists {
			err = unix.Mkdirat(at.dir, at.name, 0o700)
		}
		u.dirs = append(u.dirs, dirTimes{at.path, h.ModTime})
	case tar.TypeReg, '\x00', tar.TypeCont:
		return u.file(at, h, contents)
	case tar.TypeSymlink:
		err = unix.Symlinkat(h.Linkname, at.dir, at.name)
	case tar.TypeLink:
		return u.link(at, h) // whose attributes are the file's
	case tar.TypeChar:
		err = unix.Mknodat(at.dir, at.name, unix.S_IFCHR|0o600, int(unix.Mkdev(uint32(h.Devmajor), uint32(h.Devminor))))
	case tar.TypeBlock:
		err = unix.Mknodat(at.dir, at.name, unix.S_IFBLK|0o600, int(unix.Mkdev(uint32(h.Devmajor), uint32(h.Devminor))))
	case tar.TypeFifo:
		err = unix.Mknodat(at.dir, at.name, unix.S_IFIFO|0o600, 0)
	default:
		return fmt.Errorf("unknown type %q", h.Typeflag)
	}
	if err != nil {
		return &fs.PathError{Op: "create", Path: at.path, Err: err}
	}
	fd, err := at.open(unix.O_PATH, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := u.attributes(fd, h); err != nil {
		return &fs.PathError{Op: "create", Path: at.path, Err: err}
	}
	if h.Typeflag == tar.TypeDir {
		return nil
	}
	return setTimes(at, h.ModTime)
}

func (u *unpacker) file(at *place, h *tar.Header, contents io.Reader) error {
	fd, err := at.open(unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), at.path)
	_, err = io.Copy(f, contents)
	if err == nil {
		err = u.attributes(int(f.Fd()), h)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return setTimes(at, h.ModTime)
}

func (u *unpacker) link(at *place, h *tar.Header) error {
	here, err := unix.FcntlInt(uintptr(at.dir), unix.F_DUPFD_CLOEXEC, 0) // the next line may close it
	if err != nil {
		return err
	}
	defer unix.Close(here)
	target, err := u.inside(h.Linkname, false)
	if err != nil {
		return err
	}
	if err := unix.Linkat(target.dir, target.name, here, at.name, 0); err != nil {
		return &fs.PathError{Op: "link", Path: at.path, Err: err}
	}
	u.touched[target.path] = true
	return nil
}

// attributes sets owner, mode and extended attributes of what a descriptor stands for, in this order: each takes away what
// a later one sets.
func (u *unpacker) attributes(fd int, h *tar.Header) error {
	want := owner{uint32(h.Uid), uint32(h.Gid)}
	if u.owner != nil {
		want = *u.owner
	}
	if err := chown(fd, want); err != nil {
		return err
	}
	if h.Typeflag == tar.TypeSymlink {
		return nil
	}
	if err := chmod(fd, uint32(h.Mode)&0o7777); err != nil {
		return err
	}
	for key, value := range h.PAXRecords {
		name, ok := strings.CutPrefix(key, xattrRecord)
		if !ok {
			continue
		}
		// A file system that has no such attributes is no reason to fail, as for Docker.
		err := unix.Setxattr(fmt.Sprintf("/proc/self/fd/%d", fd), name, []byte(value), 0)
		if err != nil && !errors.Is(err, syscall.ENOTSUP) && !errors.Is(err, syscall.EPERM) {
			return fmt.Errorf("set attribute %s: %w", name, err)
		}
	}
	return nil
}

// chown gives a file its owner, if it has not got it. Where this process is not root, or its user name space does not know
// that owner, there is nobody else whose file it could be.
func chown(fd int, want owner) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Uid == want.uid && st.Gid == want.gid {
		return err
	}
	err := unix.Fchownat(fd, "", int(want.uid), int(want.gid), unix.AT_EMPTY_PATH)
	if errors.Is(err, syscall.EPERM) && os.Geteuid() != 0 || errors.Is(err, syscall.EINVAL) {
		return nil
	}
	return err
}

// setTimes gives a file its time. Where this process is not root, what is somebody else's, as /tmp may be, keeps its own.
func setTimes(at *place, mtime time.Time) error {
	ts, err := unix.TimeToTimespec(mtime)
	if err == nil {
		err = unix.UtimesNanoAt(at.dir, at.name, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW)
	}
	if errors.Is(err, syscall.EPERM) && os.Geteuid() != 0 {
		return nil
	}
	if err != nil {
		return &fs.PathError{Op: "set the time of", Path: at.path, Err: err}
	}
	return nil
}
