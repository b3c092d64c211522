package rootfs

import (
	"io/fs"
	"syscall"
	"time"
)

const utimeOmit = -2 // UTIME_OMIT of sys/stat.h

// hostMknod is not there: macOS has no mknodat, and a path would have to be built.
func hostMknod(int, string, uint32, int) error { return syscall.ENOTSUP }

func hostAttr(info fs.FileInfo) Attr {
	a := Attr{Mode: info.Mode(), Size: info.Size(), Nlink: 1, Mtime: info.ModTime()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		a.Dev, a.Ino, a.Nlink, a.Rdev = uint64(uint32(st.Dev)), st.Ino, uint64(st.Nlink), uint64(uint32(st.Rdev))
		a.UID, a.GID, a.Blocks = st.Uid, st.Gid, st.Blocks
		a.Atime = time.Unix(st.Atimespec.Unix())
		a.Ctime = time.Unix(st.Ctimespec.Unix())
	}
	return a
}

// Getxattr and the others are not offered: what macOS keeps there is not meant for Linux programs.
func (n *hostNode) Getxattr(string) ([]byte, error) { return nil, syscall.ENOTSUP }

func (n *hostNode) Setxattr(string, []byte) error { return syscall.ENOTSUP }

func (n *hostNode) Removexattr(string) error { return syscall.ENOTSUP }

func (n *hostNode) Listxattr() ([]string, error) { return nil, nil }
