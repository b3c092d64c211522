package kernel

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"strings"
	"syscall"

	"github.com/sockerless/sockerless/store/rootfs"
)

// regular is a file or directory of the tree.
type regular struct {
	file *rootfs.File
	path string
}

func (r *regular) Read(_ context.Context, b []byte) (int, error)  { return r.file.Read(b) }
func (r *regular) Write(_ context.Context, b []byte) (int, error) { return r.file.Write(b) }
func (r *regular) Close() error                                   { return r.file.Close() }
func (r *regular) Seek(offset int64, whence int) (int64, error)   { return r.file.Seek(offset, whence) }
func (r *regular) Stat() (*rootfs.Info, error)                    { return r.file.Stat() }
func (r *regular) Name() string                                   { return r.path }

// special is a device, FIFO or descriptor that a process opened by a path.
type special struct {
	p    *Process
	file *File
}

func (s *special) Read(b []byte) (int, error)  { return s.p.readFile(s.p.ctx, s.file, b) }
func (s *special) Write(b []byte) (int, error) { return s.p.writeFile(s.p.ctx, s.file, b) }
func (s *special) Close() error                { return s.file.Close() }

// OpenFile opens a path with the flags of package os, rootfs.O_NOFOLLOW and rootfs.O_DIRECTORY. The caller has the only
// reference. Opening a FIFO waits for the other end. Errors are *fs.PathError.
func (p *Process) OpenFile(name string, flag int, perm fs.FileMode) (*File, error) {
	if err := p.Gate(); err != nil {
		return nil, err
	}
	f, err := p.view.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	if s, ok := f.Stream().(*special); ok {
		defer f.Close()
		return s.file.Ref(), nil
	}
	return NewFile(&regular{f, p.absolute(name)}), nil
}

// absolute is what /proc/<pid>/fd shows of a path.
func (p *Process) absolute(name string) string {
	if real, err := p.view.Resolve(name); err == nil {
		return real
	}
	return path.Join(p.view.Getwd(), name)
}

// Open is OpenFile that gives the lowest free descriptor.
func (p *Process) Open(name string, flag int, perm fs.FileMode) (fd int, err error) {
	f, err := p.OpenFile(name, flag, perm)
	if err != nil {
		return -1, err
	}
	defer f.Close()
	return p.fds.Add(f, 0)
}

// openSpecial opens what the tree has no contents for.
func (p *Process) openSpecial(info *rootfs.Info, flag int) (rootfs.Stream, error) {
	f, err := p.specialFile(info, flag)
	if err != nil {
		return nil, err
	}
	return &special{p, f}, nil
}

func (p *Process) specialFile(info *rootfs.Info, flag int) (*File, error) {
	kind := info.Mode().Type()
	switch {
	case kind&fs.ModeNamedPipe != 0 && info.Dev() == descriptorDev:
		return p.descriptor(info.Ino())
	case kind&fs.ModeNamedPipe != 0:
		return p.openFIFO(inode{info.Dev(), info.Ino()}, flag)
	case kind&fs.ModeCharDevice != 0:
		return p.openDevice(info.Rdev())
	}
	return nil, syscall.ENXIO
}

// descriptor opens /proc/<pid>/fd/N of what is no file in the tree: the same open file again.
func (p *Process) descriptor(ino uint64) (*File, error) {
	owner := p.table.Find(int(ino >> 32))
	if owner == nil {
		return nil, syscall.ENOENT
	}
	f, err := owner.fds.acquire(int(uint32(ino)))
	if err != nil {
		return nil, syscall.ENXIO
	}
	return f, nil
}

// descriptorDev is the Dev of the inodes that stand for descriptors: Ino is pid<<32|fd.
const descriptorDev = 0xfd

// defaultPath is where to look without a PATH, as execvp(3) has it.
const defaultPath = "/bin:/usr/bin"

// LookPath finds the file that a command's name stands for: the name itself if it has a slash, otherwise the first
// executable file in the PATH of env. The errors are ENOENT and EACCES.
func LookPath(files *rootfs.View, env []string, name string) (string, error) {
	if name == "" {
		return "", syscall.ENOENT
	}
	if strings.Contains(name, "/") {
		return name, executable(files, name)
	}
	list, found := defaultPath, error(syscall.ENOENT)
	for _, v := range env {
		if value, ok := strings.CutPrefix(v, "PATH="); ok {
			list = value
		}
	}
	for dir := range strings.SplitSeq(list, ":") {
		file := name
		if dir != "" {
			file = strings.TrimSuffix(dir, "/") + "/" + name
		}
		switch err := executable(files, file); {
		case err == nil:
			return file, nil
		case errors.Is(err, syscall.EACCES):
			found = syscall.EACCES
		}
	}
	return "", found
}

// executable says why a path is no program: ENOENT, ENOTDIR, EACCES (a directory too).
func executable(files *rootfs.View, name string) error {
	info, err := files.Stat(name)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return &fs.PathError{Op: "exec", Path: name, Err: syscall.EACCES}
	}
	return files.Access(name, 1)
}
