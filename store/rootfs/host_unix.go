//go:build unix

package rootfs

import (
	"io/fs"
	"os"
	"path"
	"syscall"

	"golang.org/x/sys/unix"
)

// hostOpenFlags keep an open from waiting for a FIFO's other end, should one take the file's place.
const hostOpenFlags = syscall.O_NONBLOCK

// hostName tells whether the host can have a file of that name: always.
func hostName(string) error { return nil }

func mknodAt(dir *os.File, name string, a Attr) error {
	mode := UnixMode(a.Mode)
	dev := 0
	switch {
	case a.Mode&fs.ModeNamedPipe != 0:
		mode |= syscall.S_IFIFO
	case a.Mode&fs.ModeSocket != 0:
		mode |= syscall.S_IFSOCK
	case a.Mode&fs.ModeCharDevice != 0:
		mode |= syscall.S_IFCHR
		dev = int(unix.Mkdev(Major(a.Rdev), Minor(a.Rdev)))
	default:
		mode |= syscall.S_IFBLK
		dev = int(unix.Mkdev(Major(a.Rdev), Minor(a.Rdev)))
	}
	return hostMknod(int(dir.Fd()), name, mode, dev)
}

// rename is rename(2): os.Root's refuses to replace empty directories.
func (h *hostFS) rename(from, to string) error {
	dir, err := h.open(path.Dir(from), os.O_RDONLY)
	if err != nil {
		return err
	}
	defer dir.Close()
	toDir, err := h.open(path.Dir(to), os.O_RDONLY)
	if err != nil {
		return err
	}
	defer toDir.Close()
	return unix.Renameat(int(dir.Fd()), path.Base(from), int(toDir.Fd()), path.Base(to))
}

// linkTimes sets the times of a symbolic link itself.
func linkTimes(dir *os.File, name string, set SetAttr) error {
	times := []unix.Timespec{{Nsec: utimeOmit}, {Nsec: utimeOmit}}
	if set.Mask&SetAtime != 0 {
		times[0] = unix.NsecToTimespec(nanos(set.Atime))
	}
	if set.Mask&SetMtime != 0 {
		times[1] = unix.NsecToTimespec(nanos(set.Mtime))
	}
	return unix.UtimesNanoAt(int(dir.Fd()), name, times, unix.AT_SYMLINK_NOFOLLOW)
}
