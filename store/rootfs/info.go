package rootfs

import (
	"io/fs"
	"path"
	"time"
)

// Attr is what is known about a file. Create reads Mode, UID, GID, Rdev and, for a symbolic link, Target; the rest is
// for NewInfo.
type Attr struct {
	Mode                fs.FileMode // with type bits
	UID, GID            uint32
	Rdev                uint64 // Linux encoding, see Mkdev
	Target              string // of a symbolic link
	Dev, Ino, Nlink     uint64
	Size                int64
	Blocks              int64 // of 512 bytes
	Atime, Mtime, Ctime time.Time
}

// Info describes a file, as stat(2) does. It implements fs.FileInfo.
type Info struct {
	name string
	attr Attr
}

var _ fs.FileInfo = (*Info)(nil)

// NewInfo makes the Info of a file system that is implemented elsewhere. Nlink 0 stays 0: an unlinked open file.
func NewInfo(name string, a Attr) Info { return Info{name: name, attr: a} }

// Name is the base name by which the file was reached.
func (i *Info) Name() string { return i.name }

// Size is the length of a file, or of a symbolic link's target, in bytes.
func (i *Info) Size() int64 { return i.attr.Size }

// Mode has the type, permission, setuid, setgid and sticky bits in Go's form; see UnixMode.
func (i *Info) Mode() fs.FileMode { return i.attr.Mode }

// ModTime is the time of the last change of contents.
func (i *Info) ModTime() time.Time { return i.attr.Mtime }

// IsDir tells whether this is a directory.
func (i *Info) IsDir() bool { return i.attr.Mode.IsDir() }

// Sys is the Info itself.
func (i *Info) Sys() any { return i }

// Ino is the inode number, unique together with Dev.
func (i *Info) Ino() uint64 { return i.attr.Ino }

// Dev is the number of the file system within its tree.
func (i *Info) Dev() uint64 { return i.attr.Dev }

// Nlink is the number of names; for a directory 2 and one for every subdirectory.
func (i *Info) Nlink() uint64 { return i.attr.Nlink }

// UID is the owner.
func (i *Info) UID() uint32 { return i.attr.UID }

// GID is the owning group.
func (i *Info) GID() uint32 { return i.attr.GID }

// Rdev is the device's number, in Linux encoding: see Major and Minor.
func (i *Info) Rdev() uint64 { return i.attr.Rdev }

// Blocks is the storage used, in units of 512 bytes.
func (i *Info) Blocks() int64 { return i.attr.Blocks }

// Atime is the time of the last access; reading does not change it (as a mount with noatime).
func (i *Info) Atime() time.Time { return i.attr.Atime }

// Ctime is the time of the last change of metadata or contents.
func (i *Info) Ctime() time.Time { return i.attr.Ctime }

func (i Info) named(name string) *Info {
	i.name = name
	return &i
}

// Unix mode bits, as stat(2), tar and the shell have them.
const (
	unixSetuid, unixSetgid, unixSticky = 0o4000, 0o2000, 0o1000
)

// UnixMode gives the lower twelve mode bits (permissions, 04000 setuid, 02000 setgid, 01000 sticky) of a Go mode.
func UnixMode(m fs.FileMode) uint32 {
	u := uint32(m.Perm())
	if m&fs.ModeSetuid != 0 {
		u |= unixSetuid
	}
	if m&fs.ModeSetgid != 0 {
		u |= unixSetgid
	}
	if m&fs.ModeSticky != 0 {
		u |= unixSticky
	}
	return u
}

// FromUnixMode is the Go mode of the lower twelve bits of a Unix mode, without a type.
func FromUnixMode(u uint32) fs.FileMode {
	m := fs.FileMode(u & 0o777)
	if u&unixSetuid != 0 {
		m |= fs.ModeSetuid
	}
	if u&unixSetgid != 0 {
		m |= fs.ModeSetgid
	}
	if u&unixSticky != 0 {
		m |= fs.ModeSticky
	}
	return m
}

// permBits are the bits of a mode that chmod changes.
const permBits = fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky

// Mkdev is Linux's encoding of a device number (glibc's makedev).
func Mkdev(major, minor uint32) uint64 {
	return uint64(minor&0xff) | uint64(major&0xfff)<<8 | uint64(minor&^uint32(0xff))<<12 | uint64(major&^uint32(0xfff))<<32
}

// Major is the major part of a device number.
func Major(rdev uint64) uint32 { return uint32(rdev>>8&0xfff | rdev>>32&^uint64(0xfff)) }

// Minor is the minor part of a device number.
func Minor(rdev uint64) uint32 { return uint32(rdev&0xff | rdev>>12&^uint64(0xff)) }

// dirEntry is what ReadDir gives: name and type are there, Info asks the file system.
type dirEntry struct {
	d    Dirent
	dir  *place
	view *View
}

func (e *dirEntry) Name() string      { return e.d.Name }
func (e *dirEntry) IsDir() bool       { return e.d.Type.IsDir() }
func (e *dirEntry) Type() fs.FileMode { return e.d.Type.Type() }

// Ino is the inode number, as readdir(3) gives it.
func (e *dirEntry) Ino() uint64 { return e.d.Ino }

// Info is an *Info.
func (e *dirEntry) Info() (fs.FileInfo, error) {
	w := walker{v: e.view}
	w.at = append(w.buf[:0], *e.dir)
	child, err := w.step(e.d.Name)
	if err != nil {
		return nil, pathError("lstat", path.Join(e.dir.name, e.d.Name), err)
	}
	info, err := child.stat()
	if err != nil {
		return nil, pathError("lstat", e.d.Name, err)
	}
	return info.named(e.d.Name), nil
}
