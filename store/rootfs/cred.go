package rootfs

import (
	"io/fs"
	"slices"
)

// Cred is who a process is. UID 0 bypasses permission checks, as CAP_DAC_OVERRIDE does.
type Cred struct {
	UID, GID uint32
	Groups   []uint32
}

// Permission bits of Access and of the checks here, as in access(2).
const (
	mayRead  = 4
	mayWrite = 2
	mayExec  = 1
)

func (c *Cred) inGroup(gid uint32) bool { return c.GID == gid || slices.Contains(c.Groups, gid) }

// may checks the bits want of one file.
func (c *Cred) may(info *Info, want uint32) bool {
	perm := uint32(info.attr.Mode.Perm())
	if c.UID == 0 {
		// Root executes what somebody may execute, and enters every directory.
		return want&mayExec == 0 || info.IsDir() || perm&0o111 != 0
	}
	switch {
	case info.attr.UID == c.UID:
		perm >>= 6
	case c.inGroup(info.attr.GID):
		perm >>= 3
	}
	return perm&want == want
}

// owns tells whether c may do what only an owner may.
func (c *Cred) owns(info *Info) bool { return c.UID == 0 || c.UID == info.attr.UID }

// mayDelete is the rule of the sticky bit: in such a directory only a file's or the directory's owner removes.
func (c *Cred) mayDelete(dir, file *Info) bool {
	return dir.attr.Mode&fs.ModeSticky == 0 || c.owns(file) || c.owns(dir)
}
