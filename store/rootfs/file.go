package rootfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"sync"
	"syscall"
	"time"
)

// Flags of OpenFile besides those of package os.
const (
	//lint:ignore ST1003 as os.O_CREATE is called
	O_NOFOLLOW = 1 << 28 // ELOOP if the last component is a symbolic link
	//lint:ignore ST1003 as os.O_CREATE is called
	O_DIRECTORY = 1 << 29 // ENOTDIR if it is not a directory
)

const accessMode = os.O_RDONLY | os.O_WRONLY | os.O_RDWR

// Stream is what a device or FIFO gives: no position, no length.
type Stream = io.ReadWriteCloser

// File is an open file. It is safe for concurrent use: reads and writes at the file's position exclude each other, and a
// write with O_APPEND is atomic.
type File struct {
	name   string
	view   *View // credentials at the time of opening
	at     place
	flag   int
	handle Handle // of a regular file
	stream Stream // of a device or FIFO

	mu      sync.Mutex // guards what follows
	offset  int64
	entries []fs.DirEntry // of a directory: a snapshot
	listed  bool
	closed  bool
}

// Open opens a file for reading.
func (v *View) Open(name string) (*File, error) { return v.OpenFile(name, os.O_RDONLY, 0) }

// OpenFile opens a file with the flags of package os, O_NOFOLLOW and O_DIRECTORY; with O_CREATE a missing one is made with
// perm less the umask.
func (v *View) OpenFile(name string, flag int, perm fs.FileMode) (*File, error) {
	f, err := v.openFile(name, flag, perm)
	if err != nil {
		return nil, pathError("open", name, err)
	}
	return f, nil
}

func (v *View) openFile(name string, flag int, perm fs.FileMode) (*File, error) {
	var w walker
	if flag&os.O_CREATE != 0 {
		made, err := v.openCreate(&w, name, flag, perm)
		if err != nil {
			return nil, err
		}
		return v.open(w.top(), name, flag, made)
	}
	mode := follow
	if flag&O_NOFOLLOW != 0 {
		mode = noFollow
	}
	p, err := v.find(&w, name, mode)
	if err != nil {
		return nil, err
	}
	return v.open(p, name, flag, false)
}

// openCreate walks to the file, through dangling links too, and makes it where it is missing.
func (v *View) openCreate(w *walker, name string, flag int, perm fs.FileMode) (made bool, err error) {
	last, slash, err := v.walk(w, name, parentOf)
	for {
		if err != nil {
			return false, err
		}
		if last == "" {
			if flag&os.O_EXCL != 0 {
				return false, syscall.EEXIST
			}
			return false, syscall.EISDIR
		}
		if slash {
			return false, syscall.EISDIR
		}
		child, err := w.step(last)
		switch {
		case errors.Is(err, syscall.ENOENT):
			made, err := v.makeFile(w, last, perm)
			if errors.Is(err, syscall.EEXIST) && flag&os.O_EXCL == 0 {
				continue // somebody else made it meanwhile
			}
			return made, err
		case err != nil:
			return false, err
		case flag&os.O_EXCL != 0:
			return false, syscall.EEXIST
		case child.node.Type() != fs.ModeSymlink:
			w.at = append(w.at, child)
			return false, nil
		case flag&O_NOFOLLOW != 0:
			return false, syscall.ELOOP
		}
		target, err := w.jump(&child)
		if err != nil {
			return false, err
		}
		last, slash, err = w.run(target, parentOf)
		if err != nil {
			return false, err
		}
	}
}

func (v *View) makeFile(w *walker, last string, perm fs.FileMode) (bool, error) {
	dir := w.top()
	if err := v.writable(dir); err != nil {
		return false, err
	}
	a, err := v.attrFor(dir, perm&permBits)
	if err != nil {
		return false, err
	}
	node, err := dir.node.Create(last, a)
	if err != nil {
		return false, err
	}
	w.at = append(w.at, place{node: node, name: last, mnt: dir.mnt})
	return true, nil
}

// open opens what was found. made tells that this call created it, so that its mode is not asked.
func (v *View) open(p *place, name string, flag int, made bool) (*File, error) {
	kind := p.node.Type()
	writes := flag&accessMode != os.O_RDONLY
	switch {
	case kind == fs.ModeSymlink:
		return nil, syscall.ELOOP
	case flag&O_DIRECTORY != 0 && kind != fs.ModeDir:
		return nil, syscall.ENOTDIR
	case kind == fs.ModeDir && (writes || flag&(os.O_CREATE|os.O_TRUNC) != 0):
		return nil, syscall.EISDIR
	}
	if !made {
		var want uint32
		switch flag & accessMode {
		case os.O_RDONLY:
			want = mayRead
		case os.O_WRONLY:
			want = mayWrite
		default:
			want = mayRead | mayWrite
		}
		if flag&os.O_TRUNC != 0 {
			want |= mayWrite
		}
		if v.cred.UID != 0 || want&mayWrite != 0 {
			if err := v.access(p, want); err != nil {
				return nil, err
			}
		}
	}
	f := &File{name: name, view: v, at: *p, flag: flag}
	switch {
	case kind == 0:
		handle, err := p.node.Open(flag & (accessMode | os.O_TRUNC | os.O_APPEND | os.O_SYNC))
		if err != nil {
			return nil, err
		}
		f.handle = handle
	case kind != fs.ModeDir:
		if v.Special == nil || kind&fs.ModeSocket != 0 {
			return nil, syscall.ENXIO
		}
		info, err := p.stat()
		if err != nil {
			return nil, err
		}
		f.stream, err = v.Special(info.named(path.Base(name)), flag)
		if err != nil {
			return nil, err
		}
	}
	return f, nil
}

// Name is the name given to Open.
func (f *File) Name() string { return f.name }

// Flag has the flags given to OpenFile.
func (f *File) Flag() int { return f.flag }

// HostPath is the path of a regular file by now on the host, or, for the file of a native container, in that. ENOTSUP for
// one that is nowhere else, ENOENT for one that has lost its name.
func (f *File) HostPath() (string, error) {
	if h, ok := f.handle.(interface{ hostPath() (string, error) }); ok {
		name, err := h.hostPath()
		return name, f.fail("path", err)
	}
	return "", f.fail("path", syscall.ENOTSUP)
}

// Stream is what View.Special gave for a device or FIFO, else nil.
func (f *File) Stream() Stream { return f.stream }

func (f *File) fail(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return pathError(op, f.name, err)
}

// ready checks that the file is open for reading or writing of contents.
func (f *File) ready(write bool) error {
	mode := f.flag & accessMode
	switch {
	case f.closed:
		return syscall.EBADF
	case write && mode == os.O_RDONLY, !write && mode == os.O_WRONLY:
		return syscall.EBADF
	case f.handle == nil && f.stream == nil:
		return syscall.EISDIR
	}
	return nil
}

// check is ready for who does not hold f.mu.
func (f *File) check(write bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ready(write)
}

// Read reads at the file's position.
func (f *File) Read(b []byte) (int, error) {
	if f.stream != nil {
		if err := f.check(false); err != nil {
			return 0, f.fail("read", err)
		}
		n, err := f.stream.Read(b)
		return n, f.fail("read", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.ready(false); err != nil {
		return 0, f.fail("read", err)
	}
	if len(b) == 0 {
		return 0, nil
	}
	n, err := f.handle.ReadAt(b, f.offset)
	f.offset += int64(n)
	if n > 0 {
		err = nil
	}
	return n, f.fail("read", err)
}

// ReadAt reads at off. ESPIPE for streams.
func (f *File) ReadAt(b []byte, off int64) (int, error) {
	err := f.check(false)
	switch {
	case err != nil:
	case f.handle == nil:
		err = syscall.ESPIPE
	case off < 0:
		err = syscall.EINVAL
	}
	if err != nil {
		return 0, f.fail("read", err)
	}
	n, err := f.handle.ReadAt(b, off)
	return n, f.fail("read", err)
}

// Write writes at the file's position, or with O_APPEND at its end.
func (f *File) Write(b []byte) (int, error) {
	if f.stream != nil {
		if err := f.check(true); err != nil {
			return 0, f.fail("write", err)
		}
		n, err := f.stream.Write(b)
		return n, f.fail("write", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.ready(true); err != nil {
		return 0, f.fail("write", err)
	}
	if f.flag&os.O_APPEND != 0 {
		if a, ok := f.handle.(Appender); ok {
			n, end, err := a.Append(b)
			f.offset = end
			return n, f.fail("write", err)
		}
	}
	n, err := f.handle.WriteAt(b, f.offset)
	f.offset += int64(n)
	return n, f.fail("write", err)
}

// WriteString is Write.
func (f *File) WriteString(s string) (int, error) { return f.Write([]byte(s)) }

// WriteAt writes at off; with O_APPEND at the end, as Linux does.
func (f *File) WriteAt(b []byte, off int64) (int, error) {
	err := f.check(true)
	switch {
	case err != nil:
	case f.handle == nil:
		err = syscall.ESPIPE
	case off < 0:
		err = syscall.EINVAL
	}
	if err != nil {
		return 0, f.fail("write", err)
	}
	if a, ok := f.handle.(Appender); ok && f.flag&os.O_APPEND != 0 {
		n, _, err := a.Append(b)
		return n, f.fail("write", err)
	}
	n, err := f.handle.WriteAt(b, off)
	return n, f.fail("write", err)
}

// Seek moves the position. ESPIPE for streams; a directory can only be rewound, which takes a new snapshot.
func (f *File) Seek(offset int64, whence int) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.closed:
		return 0, f.fail("seek", syscall.EBADF)
	case f.stream != nil:
		return 0, f.fail("seek", syscall.ESPIPE)
	case f.handle == nil:
		if offset != 0 || whence != io.SeekStart {
			return 0, f.fail("seek", syscall.EINVAL)
		}
		f.entries, f.listed = nil, false
		return 0, nil
	}
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += f.offset
	case io.SeekEnd:
		info, err := f.stat()
		if err != nil {
			return 0, f.fail("seek", err)
		}
		offset += info.attr.Size
	default:
		return 0, f.fail("seek", syscall.EINVAL)
	}
	if offset < 0 {
		return 0, f.fail("seek", syscall.EINVAL)
	}
	f.offset = offset
	return offset, nil
}

// Stat describes the file, which may have lost its name meanwhile.
func (f *File) Stat() (*Info, error) {
	info, err := f.stat()
	if err != nil {
		return nil, f.fail("stat", err)
	}
	return info.named(path.Base(f.name)), nil
}

func (f *File) stat() (Info, error) {
	h, ok := f.handle.(StatHandle)
	if !ok {
		return f.at.stat()
	}
	info, err := h.Stat()
	if info.attr.Dev == 0 {
		info.attr.Dev = f.at.mnt.dev
	}
	return info, err
}

// ReadDir gives the next n entries of a directory, or all for n <= 0, of a snapshot taken at the first call, sorted.
func (f *File) ReadDir(n int) ([]fs.DirEntry, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.closed:
		return nil, f.fail("readdir", syscall.EBADF)
	case !f.at.node.Type().IsDir():
		return nil, f.fail("readdir", syscall.ENOTDIR)
	}
	if !f.listed {
		entries, err := f.view.list(&f.at)
		if err != nil {
			return nil, f.fail("readdir", err)
		}
		f.entries, f.listed = entries, true
	}
	if n <= 0 {
		n = len(f.entries)
	} else if len(f.entries) == 0 {
		return nil, io.EOF
	}
	n = min(n, len(f.entries))
	part := f.entries[:n:n]
	f.entries = f.entries[n:]
	return part, nil
}

// Truncate changes the file's length.
func (f *File) Truncate(size int64) error {
	err := f.check(true)
	switch {
	case err != nil:
	case size < 0, f.handle == nil:
		err = syscall.EINVAL
	default:
		err = f.handle.Truncate(size)
	}
	return f.fail("truncate", err)
}

// Sync brings the contents to the disk.
func (f *File) Sync() error {
	if f.handle == nil {
		return nil
	}
	return f.fail("sync", f.handle.Sync())
}

// Chmod is View.Chmod of the open file.
func (f *File) Chmod(mode fs.FileMode) error {
	return f.fail("chmod", f.view.change(&f.at, f.view.chmodPlan(mode)))
}

// Chown is View.Chown of the open file.
func (f *File) Chown(uid, gid int) error {
	return f.fail("chown", f.view.change(&f.at, f.view.chownPlan(uid, gid)))
}

// Chtimes is View.Chtimes of the open file.
func (f *File) Chtimes(atime, mtime time.Time) error {
	return f.fail("chtimes", f.view.change(&f.at, f.view.chtimesPlan(atime, mtime)))
}

// Close closes the file. A second Close is an error.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return f.fail("close", os.ErrClosed)
	}
	f.closed = true
	var err error
	switch {
	case f.handle != nil:
		err = f.handle.Close()
	case f.stream != nil:
		err = f.stream.Close()
	}
	return f.fail("close", err)
}

// ReadFile reads a whole file.
func (v *View) ReadFile(name string) ([]byte, error) {
	f, err := v.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size := 0
	if f.handle != nil {
		if info, err := f.Stat(); err == nil && info.attr.Size < 1<<30 {
			size = int(info.attr.Size)
		}
	}
	b := make([]byte, 0, size+512)
	for {
		n, err := f.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err == io.EOF {
			return b, nil
		}
		if err != nil {
			return b, err
		}
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
	}
}

// WriteFile makes or replaces a file's contents.
func (v *View) WriteFile(name string, data []byte, perm fs.FileMode) error {
	f, err := v.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, perm)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}
