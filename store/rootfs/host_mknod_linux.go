package rootfs

import "golang.org/x/sys/unix"

const utimeOmit = unix.UTIME_OMIT

func hostMknod(dirfd int, name string, mode uint32, dev int) error {
	return unix.Mknodat(dirfd, name, mode, dev)
}
