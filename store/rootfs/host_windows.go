package rootfs

import (
	"io/fs"
	"os"
	"strings"
	"syscall"
)

const hostOpenFlags = 0

// hostName refuses what Windows would take for a separator, a drive or a stream.
func hostName(name string) error {
	if strings.ContainsAny(name, `\:`) {
		return syscall.EINVAL
	}
	return nil
}

func hostAttr(info fs.FileInfo) Attr {
	t := info.ModTime()
	return Attr{Mode: info.Mode(), Size: info.Size(), Nlink: 1, Blocks: (info.Size() + 511) / 512, Mtime: t, Atime: t, Ctime: t}
}

func (h *hostFS) rename(from, to string) error { return h.root.Rename(from, to) }

func mknodAt(*os.File, string, Attr) error { return syscall.ENOTSUP }

func linkTimes(*os.File, string, SetAttr) error { return syscall.ENOTSUP }

// Getxattr and the others are not offered by Windows.
func (n *hostNode) Getxattr(string) ([]byte, error) { return nil, syscall.ENOTSUP }

func (n *hostNode) Setxattr(string, []byte) error { return syscall.ENOTSUP }

func (n *hostNode) Removexattr(string) error { return syscall.ENOTSUP }

func (n *hostNode) Listxattr() ([]string, error) { return nil, nil }
