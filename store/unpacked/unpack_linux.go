package unpacked

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/sockerless/sockerless/store/rootfs"
)

// unpacker copies the files of a tree to the host.
type unpacker struct {
	ctx    context.Context
	view   *rootfs.View
	root   *os.Root
	owners bool                 // we may give files away
	links  map[[2]uint64]string // a file with several names: its first, from the root
	buffer []byte
}

// unpack makes the directory at, whose parent exists.
func unpack(ctx context.Context, layers []string, at string) error {
	overlay, err := rootfs.OpenOverlay(layers, "")
	if err != nil {
		return err
	}
	defer overlay.Close()
	if err := os.Mkdir(at, 0o700); err != nil {
		return err
	}
	root, err := os.OpenRoot(at)
	if err != nil {
		return err
	}
	defer root.Close()
	u := unpacker{
		ctx: ctx, view: rootfs.NewTree(overlay, true).View(rootfs.Cred{}), root: root, owners: os.Geteuid() == 0,
		links: map[[2]uint64]string{}, buffer: make([]byte, 256<<10),
	}
	info, err := u.view.Lstat("/")
	if err != nil {
		return err
	}
	return u.directory(root, "/", info)
}

// directory fills an open directory and then gives it its attributes.
func (u *unpacker) directory(dir *os.Root, name string, info *rootfs.Info) error {
	entries, err := u.view.ReadDir(name)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := u.ctx.Err(); err != nil {
			return context.Cause(u.ctx)
		}
		info, err := e.Info()
		if err == nil {
			err = u.entry(dir, path.Join(name, e.Name()), info.(*rootfs.Info))
		}
		if err != nil {
			var failed *entryError
			if errors.As(err, &failed) {
				return err
			}
			return &entryError{path.Join(name, e.Name()), err}
		}
	}
	f, err := dir.Open(".")
	if err != nil {
		return err
	}
	defer f.Close()
	return u.attributes(f, name, info)
}

// entryError names the innermost file that failed.
type entryError struct {
	name string
	err  error
}

func (e *entryError) Error() string { return fmt.Sprintf("%s: %v", e.name, e.err) }
func (e *entryError) Unwrap() error { return e.err }

func (u *unpacker) entry(dir *os.Root, name string, info *rootfs.Info) error {
	base := path.Base(name)
	if info.Nlink() > 1 && !info.IsDir() {
		id := [2]uint64{info.Dev(), info.Ino()}
		if first, ok := u.links[id]; ok {
			return u.root.Link(first, strings.TrimPrefix(name, "/"))
		}
		u.links[id] = strings.TrimPrefix(name, "/")
	}
	switch kind := info.Mode().Type(); {
	case kind == 0:
		return u.file(dir, name, info)
	case kind == fs.ModeDir:
		if err := dir.Mkdir(base, 0o700); err != nil {
			return err
		}
		sub, err := dir.OpenRoot(base)
		if err != nil {
			return err
		}
		defer sub.Close()
		return u.directory(sub, name, info)
	case kind == fs.ModeSymlink:
		target, err := u.view.Readlink(name)
		if err != nil {
			return err
		}
		if err := dir.Symlink(target, base); err != nil {
			return err
		}
		if u.owners {
			if err := dir.Lchown(base, int(info.UID()), int(info.GID())); err != nil {
				return err
			}
		}
		return setLinkTime(dir, base, info.ModTime())
	case kind&fs.ModeSocket != 0, kind&fs.ModeDevice != 0 && !u.owners:
		delete(u.links, [2]uint64{info.Dev(), info.Ino()})
		return nil
	}
	return u.special(dir, base, info)
}

func (u *unpacker) file(dir *os.Root, name string, info *rootfs.Info) error {
	from, err := u.view.OpenFile(name, rootfs.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := dir.OpenFile(path.Base(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer to.Close()
	if info.Size() > 0 {
		// Hidden, so that the buffer is used and not one of its own for each file.
		if _, err := io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{from}, u.buffer); err != nil {
			return err
		}
	}
	if err := u.attributes(to, name, info); err != nil {
		return err
	}
	return to.Close()
}

// attributes gives a file or directory those of the image: the owner first, since a change of owner takes set-user-id
// bits and file capabilities away, and the times last.
func (u *unpacker) attributes(f *os.File, name string, info *rootfs.Info) error {
	if u.owners {
		if err := f.Chown(int(info.UID()), int(info.GID())); err != nil {
			return err
		}
	}
	if err := f.Chmod(info.Mode() & (fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky)); err != nil {
		return err
	}
	names, err := u.view.Listxattr(name)
	if err != nil {
		return err
	}
	for _, attr := range names {
		if strings.HasPrefix(attr, "trusted.overlay.") || strings.HasPrefix(attr, "user.overlay.") {
			continue
		}
		value, err := u.view.Getxattr(name, attr)
		if err == nil {
			err = setXattr(f, attr, value)
		}
		if err != nil && !(errors.Is(err, fs.ErrPermission) && !u.owners) && !errors.Is(err, errors.ErrUnsupported) {
			return fmt.Errorf("attribute %s: %w", attr, err)
		}
	}
	return setTime(f, info.ModTime())
}
