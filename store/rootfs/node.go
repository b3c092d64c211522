package rootfs

import (
	"io"
	"io/fs"
	"syscall"
	"time"
)

// FS is a file system that can be mounted into a Tree. It may also have `Close() error`, called by Tree.Close,
// `Type() string` ("tmpfs", for /proc/mounts), and `Usage() Usage` (for df).
type FS interface {
	Root() Node
}

// Usage is the size of a file system in bytes and files; zero totals mean no limit.
type Usage struct {
	Total, Free           int64
	Files, FilesAvailable int64
}

// Node is an inode. Errors are bare syscall.Errno values or wrap one; View adds the path. Permissions are checked by
// View, not here. Names are single components, never "", "." or "..". All methods are safe for concurrent use.
type Node interface {
	// Type has the type bits of the mode only. It never changes.
	Type() fs.FileMode
	// Stat's Info has no name.
	Stat() (Info, error)
	// Lookup finds an entry of a directory. It follows nothing. ENOENT, ENOTDIR.
	Lookup(name string) (Node, error)
	// ReadDir is a snapshot of a directory, in any order, without "." and "..".
	ReadDir() ([]Dirent, error)
	// Readlink is a symbolic link's target. EINVAL for other files.
	Readlink() (string, error)
	// Open opens a regular file with O_RDONLY, O_WRONLY or O_RDWR, O_TRUNC and O_APPEND.
	Open(flag int) (Handle, error)
	// Create makes a file, directory, symbolic link, device or FIFO, by the type in Mode. EEXIST.
	Create(name string, a Attr) (Node, error)
	// Link gives a further name to a file of the same file system. EXDEV, EEXIST.
	Link(name string, to Node) error
	// Unlink removes an entry: an empty directory if dir is set (else ENOTDIR, ENOTEMPTY), anything else if not (EISDIR).
	Unlink(name string, dir bool) error
	// Rename moves an entry of this directory to the directory to, replacing as rename(2). Flags: RenameNoReplace.
	Rename(name string, to Node, newName string, flags int) error
	SetAttr(SetAttr) error
	// Getxattr gives ENODATA where there is none, ENOTSUP where the file system has no attributes.
	Getxattr(name string) ([]byte, error)
	Setxattr(name string, value []byte) error
	Removexattr(name string) error
	Listxattr() ([]string, error)
}

// PathNode is a directory that can find one below it quicker in one go. Any error only means to go step by step.
type PathNode interface {
	// LookupPath gives the directories of a path, none of which is a symbolic link. Names are as for Lookup.
	LookupPath(names []string) ([]Node, error)
}

// Handle is an open regular file. ReadAt gives io.EOF at the end. Safe for concurrent use.
type Handle interface {
	io.ReaderAt
	io.WriterAt
	Truncate(size int64) error
	Sync() error
	Close() error
}

// Appender is a Handle that can write atomically at the file's end; end is the file's length after it.
type Appender interface {
	Append(p []byte) (n int, end int64, err error)
}

// StatHandle is a Handle that knows its file better than the Node does, which may have been moved by the host.
type StatHandle interface {
	Stat() (Info, error)
}

// Dirent is an entry of a directory.
type Dirent struct {
	Name string
	Ino  uint64 // 0 where only Stat tells it
	Type fs.FileMode
}

// RenameNoReplace makes Rename fail with EEXIST where the new name exists.
const RenameNoReplace = 1

// AttrMask says which fields of a SetAttr count.
type AttrMask uint8

// The fields of SetAttr.
const (
	SetMode AttrMask = 1 << iota
	SetUID
	SetGID
	SetSize
	SetAtime
	SetMtime
)

// SetAttr changes the attributes named by Mask.
type SetAttr struct {
	Mask         AttrMask
	Mode         fs.FileMode // permission, setuid, setgid and sticky bits
	UID, GID     uint32
	Size         int64
	Atime, Mtime time.Time
}

// NodeBase is embedded by Nodes that implement few operations: all but Type and Stat are refused as a read-only
// file system without extended attributes refuses them.
type NodeBase struct{}

// Lookup gives ENOTDIR.
func (NodeBase) Lookup(string) (Node, error) { return nil, syscall.ENOTDIR }

// ReadDir gives ENOTDIR.
func (NodeBase) ReadDir() ([]Dirent, error) { return nil, syscall.ENOTDIR }

// Readlink gives EINVAL.
func (NodeBase) Readlink() (string, error) { return "", syscall.EINVAL }

// Open gives EACCES.
func (NodeBase) Open(int) (Handle, error) { return nil, syscall.EACCES }

// Create gives EROFS.
func (NodeBase) Create(string, Attr) (Node, error) { return nil, syscall.EROFS }

// Link gives EROFS.
func (NodeBase) Link(string, Node) error { return syscall.EROFS }

// Unlink gives EROFS.
func (NodeBase) Unlink(string, bool) error { return syscall.EROFS }

// Rename gives EROFS.
func (NodeBase) Rename(string, Node, string, int) error { return syscall.EROFS }

// SetAttr gives EPERM.
func (NodeBase) SetAttr(SetAttr) error { return syscall.EPERM }

// Getxattr gives ENOTSUP.
func (NodeBase) Getxattr(string) ([]byte, error) { return nil, syscall.ENOTSUP }

// Setxattr gives ENOTSUP.
func (NodeBase) Setxattr(string, []byte) error { return syscall.ENOTSUP }

// Removexattr gives ENOTSUP.
func (NodeBase) Removexattr(string) error { return syscall.ENOTSUP }

// Listxattr gives none.
func (NodeBase) Listxattr() ([]string, error) { return nil, nil }
