package wasi

import (
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/sockerless/sockerless/agent"
	"github.com/sockerless/sockerless/store/rootfs"
)

// generatedFile is a file that every container has of its own, /etc/hosts for one. Its text is made when it is first
// read; it can be written, and is forgotten with the run of the container. It is a file system of one file, to be mounted.
type generatedFile struct {
	rootfs.NodeBase
	c    *container
	text func(c *container) string

	mu    sync.Mutex
	made  bool
	data  []byte
	mode  fs.FileMode
	mtime time.Time
}

// Root is the file itself.
func (f *generatedFile) Root() rootfs.Node { return f }

// Type is that of a regular file.
func (f *generatedFile) Type() fs.FileMode { return 0 }

// load makes the text; the lock is held.
func (f *generatedFile) load() {
	if !f.made {
		f.made, f.data, f.mode = true, []byte(f.text(f.c)), 0o644
	}
}

// Stat describes the file.
func (f *generatedFile) Stat() (rootfs.Info, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.load()
	return rootfs.NewInfo("", rootfs.Attr{
		Mode: f.mode, Dev: 0xe7c, Ino: 1, Nlink: 1, Size: int64(len(f.data)), Blocks: (int64(len(f.data)) + 511) / 512,
		Atime: f.mtime, Mtime: f.mtime, Ctime: f.mtime,
	}), nil
}

// Open opens the file.
func (f *generatedFile) Open(flag int) (rootfs.Handle, error) {
	if flag&os.O_TRUNC != 0 {
		if err := f.Truncate(0); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// SetAttr changes mode, size and time; the owner stays root.
func (f *generatedFile) SetAttr(s rootfs.SetAttr) error {
	if s.Mask&rootfs.SetSize != 0 {
		if err := f.Truncate(s.Size); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.load()
	if s.Mask&rootfs.SetMode != 0 {
		f.mode = s.Mode
	}
	if s.Mask&rootfs.SetMtime != 0 {
		f.mtime = s.Mtime
	}
	return nil
}

// ReadAt reads the text.
func (f *generatedFile) ReadAt(b []byte, off int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.load()
	if off >= int64(len(f.data)) {
		return 0, io.EOF
	}
	n := copy(b, f.data[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt changes the text.
func (f *generatedFile) WriteAt(b []byte, off int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.load()
	f.resize(max(int64(len(f.data)), off+int64(len(b))))
	f.mtime = time.Now()
	return copy(f.data[off:], b), nil
}

// Truncate cuts the text off, or fills it up with zeros.
func (f *generatedFile) Truncate(size int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.load()
	f.resize(size)
	f.mtime = time.Now()
	return nil
}

func (f *generatedFile) resize(size int64) {
	if size <= int64(len(f.data)) {
		f.data = f.data[:size]
		return
	}
	f.data = append(f.data, make([]byte, size-int64(len(f.data)))...)
}

// Sync does nothing: the file is in memory.
func (f *generatedFile) Sync() error { return nil }

// Close does nothing: the file lives as long as its container runs.
func (f *generatedFile) Close() error { return nil }

func hostnameText(c *container) string { return c.spec.GetHostname() + "\n" }

func hostsText(c *container) string { return agent.HostsFile(c.spec) }

func resolvText(c *container) string { return agent.ResolvFile(c.spec) }
