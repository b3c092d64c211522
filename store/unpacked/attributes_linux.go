package unpacked

import (
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sockerless/sockerless/store/rootfs"
)

func setXattr(f *os.File, name string, value []byte) error {
	return unix.Fsetxattr(int(f.Fd()), name, value, 0)
}

func timespecs(t time.Time) []unix.Timespec {
	ts := unix.NsecToTimespec(t.UnixNano())
	return []unix.Timespec{ts, ts}
}

func setTime(f *os.File, t time.Time) error {
	return unix.UtimesNanoAt(int(f.Fd()), "", timespecs(t), unix.AT_EMPTY_PATH)
}

// inDir calls f with an open directory.
func inDir(dir *os.Root, f func(fd int) error) error {
	d, err := dir.Open(".")
	if err != nil {
		return err
	}
	defer d.Close()
	return f(int(d.Fd()))
}

func setLinkTime(dir *os.Root, name string, t time.Time) error {
	return inDir(dir, func(fd int) error {
		return unix.UtimesNanoAt(fd, name, timespecs(t), unix.AT_SYMLINK_NOFOLLOW)
	})
}

// special makes a device or FIFO.
func (u *unpacker) special(dir *os.Root, name string, info *rootfs.Info) error {
	mode, rdev := uint32(unix.S_IFIFO), 0
	if kind := info.Mode().Type(); kind&fs.ModeDevice != 0 {
		mode, rdev = unix.S_IFBLK, int(unix.Mkdev(rootfs.Major(info.Rdev()), rootfs.Minor(info.Rdev())))
		if kind&fs.ModeCharDevice != 0 {
			mode = unix.S_IFCHR
		}
	}
	return inDir(dir, func(fd int) error {
		if err := unix.Mknodat(fd, name, mode|0o600, rdev); err != nil {
			return fmt.Errorf("make a device: %w", err)
		}
		if u.owners {
			if err := unix.Fchownat(fd, name, int(info.UID()), int(info.GID()), unix.AT_SYMLINK_NOFOLLOW); err != nil {
				return err
			}
		}
		if err := unix.Fchmodat(fd, name, rootfs.UnixMode(info.Mode()), 0); err != nil {
			return err
		}
		return unix.UtimesNanoAt(fd, name, timespecs(info.ModTime()), unix.AT_SYMLINK_NOFOLLOW)
	})
}
