package state

import (
	"os"

	"golang.org/x/sys/unix"
)

// allocate reserves blocks without writing them, where the file system can.
func allocate(f *os.File, size int64) bool {
	return unix.Fallocate(int(f.Fd()), 0, 0, size) == nil
}
