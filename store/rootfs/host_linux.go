package rootfs

import (
	"bytes"
	"io/fs"
	"os"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func hostAttr(info fs.FileInfo) Attr {
	a := Attr{Mode: info.Mode(), Size: info.Size(), Nlink: 1, Mtime: info.ModTime()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		a.Dev, a.Ino, a.Nlink, a.Rdev = uint64(st.Dev), st.Ino, uint64(st.Nlink), uint64(st.Rdev)
		a.UID, a.GID, a.Blocks = st.Uid, st.Gid, st.Blocks
		a.Atime = time.Unix(st.Atim.Unix())
		a.Ctime = time.Unix(st.Ctim.Unix())
	}
	return a
}

// The host's extended attributes, of files that can be opened.

func (n *hostNode) xattr(do func(fd int) error) error {
	if n.kind != 0 && n.kind != fs.ModeDir {
		return syscall.ENOTSUP
	}
	f, err := n.h.open(n.path, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer f.Close()
	return do(int(f.Fd()))
}

func (n *hostNode) Getxattr(name string) (value []byte, err error) {
	err = n.xattr(func(fd int) error {
		buf := make([]byte, maxXattr)
		k, err := unix.Fgetxattr(fd, name, buf)
		if err == nil {
			value = slices.Clone(buf[:k])
		}
		return err
	})
	return value, err
}

func (n *hostNode) Setxattr(name string, value []byte) error {
	if n.h.opts.ReadOnly {
		return syscall.EROFS
	}
	return n.xattr(func(fd int) error { return unix.Fsetxattr(fd, name, value, 0) })
}

func (n *hostNode) Removexattr(name string) error {
	if n.h.opts.ReadOnly {
		return syscall.EROFS
	}
	return n.xattr(func(fd int) error { return unix.Fremovexattr(fd, name) })
}

func (n *hostNode) Listxattr() (names []string, err error) {
	if n.kind != 0 && n.kind != fs.ModeDir {
		return nil, nil
	}
	err = n.xattr(func(fd int) error {
		buf := make([]byte, maxXattr)
		k, err := unix.Flistxattr(fd, buf)
		if err != nil {
			return err
		}
		for _, name := range bytes.Split(bytes.TrimRight(buf[:k], "\x00"), []byte{0}) {
			if len(name) > 0 {
				names = append(names, string(name))
			}
		}
		return nil
	})
	slices.Sort(names)
	return names, err
}
