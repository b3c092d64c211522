package rootfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sort"
	"strings"
	"syscall"
)

func said(v any, err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return "error: " + errno.Error()
	}
	if err != nil {
		return "error: " + err.Error()
	}
	return fmt.Sprint(v)
}

type file interface {
	io.Reader
	io.Writer
	io.Seeker
	io.ReaderAt
	io.WriterAt
	Truncate(int64) error
	ReadDir(int) ([]fs.DirEntry, error)
}

func openFlags(op string, n int) int {
	switch op {
	case "create":
		return os.O_WRONLY | os.O_CREATE | os.O_EXCL
	case "append":
		return os.O_WRONLY | os.O_CREATE | os.O_APPEND
	case "write":
		return os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	case "patch":
		return os.O_RDWR
	case "list":
		return os.O_RDONLY
	}
	return os.O_RDONLY
}

func useFile(f file, op string, n int) string {
	data := []byte(strings.Repeat(string(rune('a'+n%26)), n%3000))
	switch op {
	case "create", "write", "append":
		k, err := f.Write(data)
		return said(k, err)
	case "patch":
		k, err := f.WriteAt(data, int64(n%5000))
		if err != nil {
			return said(k, err)
		}
		end, err := f.Seek(0, io.SeekEnd)
		return said(fmt.Sprint(k, end), err)
	case "list":
		entries, err := f.ReadDir(-1)
		if err != nil {
			return said("", err)
		}
		var names []string
		for _, e := range entries {
			names = append(names, fmt.Sprint(e.Name(), e.Type()))
		}
		sort.Strings(names)
		return strings.Join(names, " ")
	}
	b, err := io.ReadAll(f)
	return said(string(b), err)
}

type viewWorld struct {
	*View
	root string
}

func (w viewWorld) path(name string) string { return w.root + "/" + name }

func (w viewWorld) do(op, a, b string, n int) string {
	p := w.path(a)
	switch op {
	case "mkdir":
		return said("", w.Mkdir(p, 0o755))
	case "rmdir":
		return said("", w.Rmdir(p))
	case "unlink":
		return said("", w.Unlink(p))
	case "rename":
		return said("", w.Rename(p, w.path(b)))
	case "link":
		return said("", w.Link(p, w.path(b)))
	case "symlink":
		return said("", w.Symlink(b, p))
	case "truncate":
		return said("", w.Truncate(p, int64(n)))
	case "chmod":
		return said("", w.Chmod(p, fs.FileMode(n&0o777|0o700)))
	case "access":
		return said("", w.Access(p, uint32(n&3)))
	}
	f, err := w.OpenFile(p, openFlags(op, n), 0o644)
	if err != nil {
		return said("", err)
	}
	defer f.Close()
	return useFile(f, op, n)
}

// picture describes a whole tree.
func picture(lstat func(string) (fs.FileInfo, uint64, error), readDir func(string) ([]fs.DirEntry, error), readlink func(string) (string, error), readFile func(string) ([]byte, error)) string {
	var b strings.Builder
	var visit func(name string)
	visit = func(name string) {
		info, nlink, err := lstat(name)
		if err != nil {
			fmt.Fprintf(&b, "%s: %s\n", name, said("", err))
			return
		}
		switch info.Mode().Type() {
		case fs.ModeDir:
			fmt.Fprintf(&b, "%s %v\n", name, info.Mode())
			entries, err := readDir(name)
			if err != nil {
				fmt.Fprintf(&b, "%s: %s\n", name, said("", err))
			}
			for _, e := range entries {
				visit(name + "/" + e.Name())
			}
		case fs.ModeSymlink:
			target, err := readlink(name)
			fmt.Fprintf(&b, "%s -> %s\n", name, said(target, err))
		default:
			data, err := readFile(name)
			fmt.Fprintf(&b, "%s %v %d links %d %s\n", name, info.Mode(), info.Size(), nlink, said(string(data), err))
		}
	}
	visit(".")
	return b.String()
}

func (w viewWorld) picture() string {
	return picture(func(n string) (fs.FileInfo, uint64, error) {
		info, err := w.Lstat(w.path(n))
		if err != nil {
			return nil, 0, err
		}
		return info, info.Nlink(), nil
	}, func(n string) ([]fs.DirEntry, error) { return w.ReadDir(w.path(n)) },
		func(n string) (string, error) { return w.Readlink(w.path(n)) },
		func(n string) ([]byte, error) { return w.ReadFile(w.path(n)) })
}
