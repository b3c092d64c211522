package rootfs

import (
	"archive/tar"
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
)

// ErrBreakout is the error of an archive with an entry, or a hard link, that leads out of the directory.
var ErrBreakout = errors.New("archive entry leads out of the directory")

// dirTimes are set last, since what comes into a directory changes them.
type dirTimes struct {
	name  string
	mtime time.Time
}

type unpacker struct {
	view *View
	root string // absolute, resolved
	opts UnpackOptions
	dirs []dirTimes
	// setRoot gives the directory itself the attributes of an entry ".". Docker leaves what was copied into as it is, but
	// for the root of a new volume.
	setRoot bool
}

// Unpack takes an uncompressed tar into an existing directory. Files are replaced, directories are merged. An entry whose
// name, or whose parent after resolving symbolic links within the tree, is not in the directory is ErrBreakout: what came
// before it stays. Names that mean whiteouts in a layer are plain names here.
func (v *View) Unpack(r io.Reader, dir string, opts UnpackOptions) error {
	root, err := v.Resolve(dir)
	if err != nil {
		return fmt.Errorf("unpack: %w", err)
	}
	u := unpacker{view: v, root: root, opts: opts}
	return u.unpack(r)
}

func (u *unpacker) unpack(r io.Reader) error {
	t := tar.NewReader(r)
	for {
		h, err := t.Next()
		if err == io.EOF {
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
	for _, d := range slices.Backward(u.dirs) {
		if err := u.view.Chtimes(d.name, d.mtime, d.mtime); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("unpack: %w", err)
		}
	}
	// The tar's source may have more to say: padding, or that it failed.
	if _, err := io.Copy(io.Discard, r); err != nil {
		return fmt.Errorf("unpack: %w", err)
	}
	return nil
}

// inside gives the real place of an entry: its parent, made where it is missing, with links resolved, and its name.
func (u *unpacker) inside(name string, makeParent bool) (string, error) {
	name = path.Clean(strings.TrimLeft(name, "/"))
	if name == ".." || strings.HasPrefix(name, "../") {
		return "", ErrBreakout
	}
	if name == "." {
		return u.root, nil
	}
	parent, base := u.root, name
	if dir := path.Dir(name); dir != "." {
		base = path.Base(name)
		want := path.Join(u.root, dir)
		real, err := u.view.Resolve(want)
		if errors.Is(err, fs.ErrNotExist) && makeParent {
			if real, err = u.nearest(want); err == nil {
				real, err = u.view.makeDirs(want)
			}
		}
		if err != nil {
			return "", err
		}
		if !u.holds(real) {
			return "", ErrBreakout
		}
		parent = real
	}
	return path.Join(parent, base), nil
}

// nearest resolves the lowest existing directory of a path, which must be inside before anything is made in it.
func (u *unpacker) nearest(want string) (string, error) {
	for {
		real, err := u.view.Resolve(want)
		if err == nil {
			if !u.holds(real) {
				return "", ErrBreakout
			}
			return real, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		if _, linkErr := u.view.Lstat(want); linkErr == nil {
			return "", err // a dangling link is not made to point somewhere
		}
		want = path.Dir(want)
	}
}

func (u *unpacker) holds(real string) bool {
	return u.root == "/" || real == u.root || strings.HasPrefix(real, u.root+"/")
}

func (u *unpacker) add(h *tar.Header, contents io.Reader) error {
	name, err := u.inside(h.Name, true)
	if err != nil {
		return err
	}
	isDir := h.Typeflag == tar.TypeDir
	exists := false
	if info, err := u.view.Lstat(name); err == nil {
		if u.opts.NoOverwriteDirNonDir && info.IsDir() && !isDir {
			return fmt.Errorf("cannot overwrite directory %q with non-directory %q", name, h.Name)
		}
		if u.opts.NoOverwriteDirNonDir && !info.IsDir() && isDir {
			return fmt.Errorf("cannot overwrite non-directory %q with directory %q", name, h.Name)
		}
		exists = info.IsDir() && isDir
		if !exists {
			if name == u.root {
				return syscall.ENOTDIR
			}
			if err := u.view.RemoveAll(name); err != nil {
				return err
			}
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if name == u.root && !u.setRoot {
		return nil
	}
	return u.make(name, exists, h, contents)
}

func (u *unpacker) make(name string, exists bool, h *tar.Header, contents io.Reader) error {
	v := u.view
	mode := FromUnixMode(uint32(h.Mode))
	var err error
	switch h.Typeflag {
	case tar.TypeDir:
		if !exists {
			err = v.Mkdir(name, 0o700)
		}
		u.dirs = append(u.dirs, dirTimes{name, h.ModTime})
	case tar.TypeReg, '\x00', tar.TypeCont:
		err = u.file(name, contents)
	case tar.TypeSymlink:
		err = v.Symlink(h.Linkname, name)
	case tar.TypeLink:
		target, err := u.inside(h.Linkname, false)
		if err != nil {
			return err
		}
		return v.Link(target, name) // whose attributes are the file's
	case tar.TypeChar:
		err = v.Mknod(name, fs.ModeDevice|fs.ModeCharDevice|0o600, Mkdev(uint32(h.Devmajor), uint32(h.Devminor)))
	case tar.TypeBlock:
		err = v.Mknod(name, fs.ModeDevice|0o600, Mkdev(uint32(h.Devmajor), uint32(h.Devminor)))
	case tar.TypeFifo:
		err = v.Mknod(name, fs.ModeNamedPipe|0o600, 0)
	default:
		return fmt.Errorf("unknown type %q", h.Typeflag)
	}
	if err != nil {
		return err
	}
	return u.attributes(name, mode, h)
}

func (u *unpacker) file(name string, contents io.Reader) error {
	f, err := u.view.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{f}, contents, make([]byte, pageSize))
	return errors.Join(err, f.Close())
}

// attributes sets owner, mode, extended attributes and times, in this order: each takes away what a later one sets.
func (u *unpacker) attributes(name string, mode fs.FileMode, h *tar.Header) error {
	owner := Owner{uint32(h.Uid), uint32(h.Gid)}
	if u.opts.CopyOwner && u.opts.Owner != nil {
		owner = *u.opts.Owner
	}
	if err := u.chown(name, owner); err != nil {
		return err
	}
	if h.Typeflag == tar.TypeSymlink {
		return u.view.Lchtimes(name, time.Time{}, h.ModTime)
	}
	if err := u.view.Chmod(name, mode); err != nil {
		return err
	}
	for key, value := range h.PAXRecords {
		attr, ok := strings.CutPrefix(key, xattrRecord)
		if !ok {
			continue
		}
		// A host directory that has no such attributes is no reason to fail, as for Docker.
		if err := u.view.Setxattr(name, attr, []byte(value)); err != nil && !errors.Is(err, syscall.ENOTSUP) && !errors.Is(err, syscall.EPERM) {
			return err
		}
	}
	if h.Typeflag == tar.TypeDir {
		return nil
	}
	return u.view.Chtimes(name, h.ModTime, h.ModTime)
}

// chown gives a file its owner, if it has not got it, which an unprivileged host user's directory would refuse.
func (u *unpacker) chown(name string, owner Owner) error {
	info, err := u.view.Lstat(name)
	if err != nil || info.UID() == owner.UID && info.GID() == owner.GID {
		return err
	}
	return u.view.Lchown(name, int(owner.UID), int(owner.GID))
}
