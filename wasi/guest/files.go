package guest

import (
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	es "github.com/tetratelabs/wazero/experimental/sys"
	"github.com/tetratelabs/wazero/sys"

	"github.com/sockerless/sockerless/store/rootfs"
	"github.com/sockerless/sockerless/wasi/kernel"
)

// files are a process's files as wazero's WASI wants them. Paths come without a leading slash and are from the root.
type files struct {
	es.UnimplementedFS
	p    *kernel.Process
	view *rootfs.View
}

func rooted(name string) string { return "/" + name }

// errno translates the error of a file operation.
func errno(err error) es.Errno {
	switch rootfs.Errno(err) {
	case 0:
		return 0
	case syscall.EACCES:
		return es.EACCES
	case syscall.EAGAIN:
		return es.EAGAIN
	case syscall.EBADF:
		return es.EBADF
	case syscall.EEXIST:
		return es.EEXIST
	case syscall.EFAULT:
		return es.EFAULT
	case syscall.EINTR:
		return es.EINTR
	case syscall.EINVAL:
		return es.EINVAL
	case syscall.EISDIR:
		return es.EISDIR
	case syscall.ELOOP:
		return es.ELOOP
	case syscall.ENAMETOOLONG:
		return es.ENAMETOOLONG
	case syscall.ENOENT:
		return es.ENOENT
	case syscall.ENOSYS:
		return es.ENOSYS
	case syscall.ENOTDIR:
		return es.ENOTDIR
	case syscall.ERANGE:
		return es.ERANGE
	case syscall.ENOTEMPTY:
		return es.ENOTEMPTY
	case syscall.ENOTSUP:
		return es.ENOTSUP
	case syscall.EPERM:
		return es.EPERM
	case syscall.EROFS:
		return es.EROFS
	}
	return es.EIO
}

func statT(info *rootfs.Info) sys.Stat_t {
	return sys.Stat_t{
		Dev: info.Dev(), Ino: info.Ino(), Mode: info.Mode(), Nlink: info.Nlink(), Size: info.Size(),
		Atim: info.Atime().UnixNano(), Mtim: info.ModTime().UnixNano(), Ctim: info.Ctime().UnixNano(),
	}
}

func (f *files) OpenFile(name string, flag es.Oflag, perm fs.FileMode) (es.File, es.Errno) {
	if f.p.Gate() != nil {
		return nil, es.EINTR
	}
	mode := os.O_RDONLY
	switch flag & (es.O_RDONLY | es.O_WRONLY | es.O_RDWR) {
	case es.O_WRONLY:
		mode = os.O_WRONLY
	case es.O_RDWR:
		mode = os.O_RDWR
	}
	for from, to := range map[es.Oflag]int{
		es.O_APPEND: os.O_APPEND, es.O_CREAT: os.O_CREATE, es.O_EXCL: os.O_EXCL, es.O_TRUNC: os.O_TRUNC,
		es.O_DIRECTORY: rootfs.O_DIRECTORY, es.O_NOFOLLOW: rootfs.O_NOFOLLOW,
	} {
		if flag&from != 0 {
			mode |= to
		}
	}
	opened, err := f.view.OpenFile(rooted(name), mode, perm)
	if err != nil {
		return nil, errno(err)
	}
	return &file{p: f.p, file: opened, appends: flag&es.O_APPEND != 0}, 0
}

func (f *files) Lstat(name string) (sys.Stat_t, es.Errno) {
	info, err := f.view.Lstat(rooted(name))
	if err != nil {
		return sys.Stat_t{}, errno(err)
	}
	return statT(info), 0
}

func (f *files) Stat(name string) (sys.Stat_t, es.Errno) {
	info, err := f.view.Stat(rooted(name))
	if err != nil {
		return sys.Stat_t{}, errno(err)
	}
	return statT(info), 0
}

func (f *files) Mkdir(name string, perm fs.FileMode) es.Errno {
	return errno(f.view.Mkdir(rooted(name), perm))
}

func (f *files) Chmod(name string, perm fs.FileMode) es.Errno {
	return errno(f.view.Chmod(rooted(name), perm))
}

func (f *files) Rename(from, to string) es.Errno {
	return errno(f.view.Rename(rooted(from), rooted(to)))
}

func (f *files) Rmdir(name string) es.Errno  { return errno(f.view.Rmdir(rooted(name))) }
func (f *files) Unlink(name string) es.Errno { return errno(f.view.Unlink(rooted(name))) }

func (f *files) Link(from, to string) es.Errno {
	return errno(f.view.Link(rooted(from), rooted(to)))
}

func (f *files) Symlink(target, name string) es.Errno {
	return errno(f.view.Symlink(target, rooted(name)))
}

func (f *files) Readlink(name string) (string, es.Errno) {
	target, err := f.view.Readlink(rooted(name))
	return target, errno(err)
}

func (f *files) Utimens(name string, atim, mtim int64) es.Errno {
	return errno(f.view.Chtimes(rooted(name), moment(atim), moment(mtim)))
}

// moment is the zero time, which keeps what was, for UTIME_OMIT.
func moment(ns int64) time.Time {
	if ns == es.UTIME_OMIT {
		return time.Time{}
	}
	return time.Unix(0, ns)
}

// file is an open file.
type file struct {
	es.UnimplementedFile
	p       *kernel.Process
	file    *rootfs.File
	appends bool
}

func (f *file) stat() (sys.Stat_t, es.Errno) {
	info, err := f.file.Stat()
	if err != nil {
		return sys.Stat_t{}, errno(err)
	}
	return statT(info), 0
}

func (f *file) Dev() (uint64, es.Errno) {
	s, err := f.stat()
	return s.Dev, err
}

func (f *file) Ino() (sys.Inode, es.Errno) {
	s, err := f.stat()
	return s.Ino, err
}

func (f *file) IsDir() (bool, es.Errno) {
	s, err := f.stat()
	return s.Mode.IsDir(), err
}

func (f *file) Stat() (sys.Stat_t, es.Errno) { return f.stat() }

func (f *file) IsAppend() bool { return f.appends }

func (f *file) SetAppend(enable bool) es.Errno {
	f.appends = enable
	return 0
}

func (f *file) Read(b []byte) (int, es.Errno) {
	if f.p.Gate() != nil {
		return 0, es.EINTR
	}
	n, err := f.file.Read(b)
	return n, readErrno(err)
}

func (f *file) Pread(b []byte, off int64) (int, es.Errno) {
	n, err := f.file.ReadAt(b, off)
	return n, readErrno(err)
}

// readErrno has no error for the end of a file, which is no bytes.
func readErrno(err error) es.Errno {
	if err == io.EOF {
		return 0
	}
	return errno(err)
}

func (f *file) Write(b []byte) (int, es.Errno) {
	if f.p.Gate() != nil {
		return 0, es.EINTR
	}
	if f.appends && f.file.Flag()&os.O_APPEND == 0 {
		if _, err := f.file.Seek(0, io.SeekEnd); err != nil {
			return 0, errno(err)
		}
	}
	n, err := f.file.Write(b)
	return n, errno(err)
}

func (f *file) Pwrite(b []byte, off int64) (int, es.Errno) {
	n, err := f.file.WriteAt(b, off)
	return n, errno(err)
}

// position is an int64 by another name: vet wants every Seek(int64, int) to be io.Seeker's, and this one is wazero's.
type position = int64

func (f *file) Seek(offset position, whence int) (position, es.Errno) {
	n, err := f.file.Seek(offset, whence)
	return n, errno(err)
}

func (f *file) Readdir(n int) ([]es.Dirent, es.Errno) {
	entries, err := f.file.ReadDir(n)
	if err != nil && err != io.EOF {
		return nil, errno(err)
	}
	list := make([]es.Dirent, len(entries))
	for i, e := range entries {
		list[i] = es.Dirent{Name: e.Name(), Type: e.Type()}
		if numbered, ok := e.(interface{ Ino() uint64 }); ok {
			list[i].Ino = numbered.Ino()
		}
	}
	return list, 0
}

func (f *file) Truncate(size int64) es.Errno { return errno(f.file.Truncate(size)) }
func (f *file) Sync() es.Errno               { return errno(f.file.Sync()) }
func (f *file) Datasync() es.Errno           { return errno(f.file.Sync()) }
func (f *file) Close() es.Errno              { return errno(f.file.Close()) }

func (f *file) Utimens(atim, mtim int64) es.Errno {
	return errno(f.file.Chtimes(moment(atim), moment(mtim)))
}

func (f *file) IsNonblock() bool          { return false }
func (f *file) SetNonblock(bool) es.Errno { return 0 }
