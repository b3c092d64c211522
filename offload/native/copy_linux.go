package native

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// copier copies a tree by descriptors, so that no symbolic link is followed: contents (shared with the original where
// the file system can), modes, owners, times, hard links, extended attributes and devices. In a user namespace owners
// that are not there become root, and devices are left out.
type copier struct {
	to    int
	links map[[2]uint64]string // device and inode of a file with several names: its first name, from the root
}

func (c *copier) directory(from, to int, at string) error {
	fd, err := unix.Openat(from, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	dir := os.NewFile(uintptr(fd), at)
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := c.entry(from, to, name, path.Join(at, name)); err != nil {
			return fmt.Errorf("%s: %w", path.Join(at, name), err)
		}
	}
	return nil
}

func (c *copier) entry(from, to int, name, at string) error {
	var info unix.Stat_t
	if err := unix.Fstatat(from, name, &info, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	kind := info.Mode & unix.S_IFMT
	if kind != unix.S_IFDIR && info.Nlink > 1 {
		id := [2]uint64{uint64(info.Dev), info.Ino}
		if first, ok := c.links[id]; ok {
			return unix.Linkat(c.to, first, to, name, 0)
		}
		c.links[id] = at
	}
	switch kind {
	case unix.S_IFREG:
		return c.file(from, to, name, &info)
	case unix.S_IFDIR:
		src, err := unix.Openat(from, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(src)
		if err := unix.Mkdirat(to, name, 0o700); err != nil {
			return err
		}
		dst, err := unix.Openat(to, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(dst)
		if err := c.directory(src, dst, at); err != nil {
			return err
		}
		return c.attributes(src, dst, &info)
	case unix.S_IFLNK:
		buf := make([]byte, unix.PathMax)
		n, err := unix.Readlinkat(from, name, buf)
		if err != nil {
			return err
		}
		if err := unix.Symlinkat(string(buf[:n]), to, name); err != nil {
			return err
		}
	case unix.S_IFSOCK:
		return nil
	default:
		err := unix.Mknodat(to, name, info.Mode, int(info.Rdev))
		if kind != unix.S_IFIFO && errors.Is(err, unix.EPERM) {
			delete(c.links, [2]uint64{uint64(info.Dev), info.Ino})
			return nil // no devices here
		}
		if err != nil {
			return err
		}
	}
	if err := ignoreUnmapped(unix.Fchownat(to, name, int(info.Uid), int(info.Gid), unix.AT_SYMLINK_NOFOLLOW)); err != nil {
		return err
	}
	if kind != unix.S_IFLNK {
		if err := unix.Fchmodat(to, name, info.Mode&0o7777, 0); err != nil {
			return err
		}
	}
	return unix.UtimesNanoAt(to, name, []unix.Timespec{info.Atim, info.Mtim}, unix.AT_SYMLINK_NOFOLLOW)
}

// ignoreUnmapped forgives an owner that is not in the user namespace.
func ignoreUnmapped(err error) error {
	if errors.Is(err, unix.EINVAL) {
		return nil
	}
	return err
}

func (c *copier) file(from, to int, name string, info *unix.Stat_t) error {
	src, err := unix.Openat(from, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	in := os.NewFile(uintptr(src), name)
	defer in.Close()
	dst, err := unix.Openat(to, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	out := os.NewFile(uintptr(dst), name)
	defer out.Close()
	if info.Size > 0 && unix.IoctlFileClone(dst, src) != nil {
		if _, err := io.Copy(out, in); err != nil { // copy_file_range(2)
			return err
		}
	}
	return c.attributes(src, dst, info)
}

// attributes gives an open file or directory the attributes of the original: the owner first, since a change of owner
// takes set-user-id bits and file capabilities away.
func (c *copier) attributes(from, to int, info *unix.Stat_t) error {
	if err := ignoreUnmapped(unix.Fchown(to, int(info.Uid), int(info.Gid))); err != nil {
		return err
	}
	if err := unix.Fchmod(to, info.Mode&0o7777); err != nil {
		return err
	}
	if err := copyXattrs(from, to); err != nil {
		return err
	}
	return unix.UtimesNanoAt(to, "", []unix.Timespec{info.Atim, info.Mtim}, unix.AT_EMPTY_PATH)
}

func copyXattrs(from, to int) error {
	size, err := unix.Flistxattr(from, nil)
	if err != nil || size == 0 {
		return nil // a file system without them
	}
	buf := make([]byte, size)
	if size, err = unix.Flistxattr(from, buf); err != nil {
		return err
	}
	for _, name := range strings.Split(strings.TrimSuffix(string(buf[:size]), "\x00"), "\x00") {
		value := make([]byte, 64<<10)
		n, err := unix.Fgetxattr(from, name, value)
		if err == nil {
			err = unix.Fsetxattr(to, name, value[:n], 0)
		}
		// What cannot be kept here (trusted.*, security.*, in a user namespace) could not be seen there either.
		if err != nil && !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.ENOTSUP) && !errors.Is(err, unix.ENODATA) {
			return fmt.Errorf("attribute %s: %w", name, err)
		}
	}
	return nil
}
