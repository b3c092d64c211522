package rootfs

import (
	"io/fs"
	"path"
)

// FS is the tree, from its root, for libraries that want an fs.FS (with ReadDir, ReadFile, Stat and ReadLink).
func (v *View) FS() fs.FS {
	c := v.Clone()
	c.cwd = nil
	return ioFS{c}
}

type ioFS struct{ v *View }

func (f ioFS) name(op, name string) (string, error) {
	if !fs.ValidPath(name) {
		return "", &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	return path.Join("/", name), nil
}

// Open opens a file for reading.
func (f ioFS) Open(name string) (fs.File, error) {
	p, err := f.name("open", name)
	if err != nil {
		return nil, err
	}
	file, err := f.v.Open(p)
	if err != nil {
		return nil, err
	}
	return ioFile{file}, nil
}

// ReadDir lists a directory.
func (f ioFS) ReadDir(name string) ([]fs.DirEntry, error) {
	p, err := f.name("readdir", name)
	if err != nil {
		return nil, err
	}
	return f.v.ReadDir(p)
}

// ReadFile reads a whole file.
func (f ioFS) ReadFile(name string) ([]byte, error) {
	p, err := f.name("readfile", name)
	if err != nil {
		return nil, err
	}
	return f.v.ReadFile(p)
}

// Stat describes a file.
func (f ioFS) Stat(name string) (fs.FileInfo, error) {
	p, err := f.name("stat", name)
	if err != nil {
		return nil, err
	}
	return f.v.Stat(p)
}

// Lstat describes a symbolic link itself.
func (f ioFS) Lstat(name string) (fs.FileInfo, error) {
	p, err := f.name("lstat", name)
	if err != nil {
		return nil, err
	}
	return f.v.Lstat(p)
}

// ReadLink gives a symbolic link's target.
func (f ioFS) ReadLink(name string) (string, error) {
	p, err := f.name("readlink", name)
	if err != nil {
		return "", err
	}
	return f.v.Readlink(p)
}

// ioFile has Stat with the interface's result.
type ioFile struct{ *File }

// Stat describes the file.
func (f ioFile) Stat() (fs.FileInfo, error) { return f.File.Stat() }
