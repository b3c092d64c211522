package inside

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxLinks is how many symbolic links are followed in one path, as Linux has it.
const maxLinks = 40

// linkRule says what becomes of a symbolic link at the end of a path.
type linkRule bool

const (
	follow   linkRule = true
	noFollow linkRule = false
)

// place is a name in a directory that is held open: what is done there is done in that directory, whatever becomes of the
// path meanwhile.
type place struct {
	dir  int    // descriptor, owned
	name string // "." is the directory itself
	path string // from the root, without links
}

func (p *place) close() { _ = unix.Close(p.dir) }

// walk resolves a path from the root, name by name, in this process's own sight: a link of /proc that leads to an open file
// is the text that it shows. The last name need not exist.
func walk(name string, last linkRule) (*place, error) {
	w := walker{}
	at, err := w.walk(name, last)
	if err != nil {
		w.release(-1)
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return at, nil
}

// walker holds open the directories from the root to where it is, so that ".." is where it came from.
type walker struct {
	dirs  []int
	names []string // of the directories behind the root
	// create makes missing directories, with this mode, as root's.
	create bool
	made   func(path string) // is told of each, if it is not nil
}

func (w *walker) release(but int) {
	for _, d := range w.dirs {
		if d != but {
			_ = unix.Close(d)
		}
	}
}

func (w *walker) here() int { return w.dirs[len(w.dirs)-1] }

func (w *walker) path(name string) string {
	return path.Join("/", path.Join(w.names...), name)
}

func (w *walker) walk(name string, last linkRule) (*place, error) {
	root, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	w.dirs = append(w.dirs, root)
	if strings.HasSuffix(name, "/") || strings.HasSuffix(name, "/.") {
		last = follow
	}
	rest := components(name)
	copied := strings.HasPrefix(name, CopiesPath+"/")
	links := 0
	for len(rest) > 0 {
		next := rest[0]
		rest = rest[1:]
		if next == ".." {
			if len(w.names) > 0 {
				_ = unix.Close(w.here())
				w.dirs, w.names = w.dirs[:len(w.dirs)-1], w.names[:len(w.names)-1]
			}
			continue
		}
		if isOwn(w.path(""), next) && !copied {
			return nil, syscall.ENOENT
		}
		if len(rest) == 0 && last == noFollow {
			return w.found(next), nil
		}
		fd, err := unix.Openat(w.here(), next, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if errors.Is(err, syscall.ENOENT) && len(rest) == 0 && !w.create {
			return w.found(next), nil
		}
		if errors.Is(err, syscall.ENOENT) && w.create {
			fd, err = w.mkdir(next)
		}
		if err != nil {
			return nil, err
		}
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			_ = unix.Close(fd)
			return nil, err
		}
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFLNK:
			target, err := readlinkat(fd, "")
			_ = unix.Close(fd)
			if links++; err == nil && links > maxLinks {
				err = syscall.ELOOP
			}
			if err != nil {
				return nil, err
			}
			if path.IsAbs(target) {
				for _, d := range w.dirs[1:] {
					_ = unix.Close(d)
				}
				w.dirs, w.names = w.dirs[:1], w.names[:0]
			}
			rest = append(components(target), rest...)
		case unix.S_IFDIR:
			w.dirs, w.names = append(w.dirs, fd), append(w.names, next)
		default:
			_ = unix.Close(fd)
			if len(rest) > 0 {
				return nil, syscall.ENOTDIR
			}
			return w.found(next), nil
		}
	}
	return w.found("."), nil
}

// mkdir makes a directory where the walk is, and opens it.
func (w *walker) mkdir(name string) (fd int, err error) {
	err = unix.Mkdirat(w.here(), name, 0o755)
	made := err == nil
	if err != nil && !errors.Is(err, syscall.EEXIST) {
		return -1, err
	}
	fd, err = unix.Openat(w.here(), name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err == nil && made {
		err = chmod(fd, 0o755) // whatever the umask is
		if w.made != nil {
			w.made(w.path(name))
		}
	}
	return fd, err
}

// chmod changes the mode of what a descriptor of any kind stands for.
func chmod(fd int, mode uint32) error { return unix.Chmod("/proc/self/fd/"+strconv.Itoa(fd), mode) }

// found is the end of the walk.
func (w *walker) found(name string) *place {
	p := &place{dir: w.here(), name: name, path: w.path(name)}
	w.release(p.dir)
	return p
}

// mkdirs walks to a directory, and makes it and its parents where they are missing.
func mkdirs(name string, made func(path string)) (*place, error) {
	w := walker{create: true, made: made}
	at, err := w.walk(name, follow)
	if err != nil {
		w.release(-1)
		return nil, &fs.PathError{Op: "mkdir", Path: name, Err: err}
	}
	return at, nil
}

func components(name string) []string {
	list := strings.Split(name, "/")
	return slices.DeleteFunc(list, func(s string) bool { return s == "" || s == "." })
}

func readlinkat(dir int, name string) (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(dir, name, buf)
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}

// open opens what is at the place, never through a link.
func (p *place) open(flags int, mode uint32) (fd int, err error) {
	fd, err = unix.Openat(p.dir, p.name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NOCTTY, mode)
	if err != nil {
		return -1, &fs.PathError{Op: "open", Path: p.path, Err: err}
	}
	return fd, nil
}

// stat describes what is at the place, a symbolic link itself.
func (p *place) stat() (st unix.Stat_t, err error) {
	if err := unix.Fstatat(p.dir, p.name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return st, &fs.PathError{Op: "lstat", Path: p.path, Err: err}
	}
	return st, nil
}

// child is a name in the directory that the place is; it shares the descriptor dir.
func (p *place) child(dir int, name string) *place {
	return &place{dir: dir, name: name, path: path.Join(p.path, name)}
}

// readDir gives the names in an open directory, whose path is dir, sorted and without the agent's own.
func readDir(fd int, dir string) ([]string, error) {
	// The descriptor stays the caller's.
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(dup), "directory")
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // the directory was removed meanwhile
	}
	if err != nil {
		return nil, err
	}
	names = slices.DeleteFunc(names, func(name string) bool { return isOwn(dir, name) })
	slices.Sort(names)
	return names, nil
}

// maxConfig is the most that is read of a file like /etc/passwd.
const maxConfig = 4 << 20

// readFile reads a regular file of the container whole.
func readFile(name string) ([]byte, error) {
	at, err := walk(name, follow)
	if err != nil {
		return nil, err
	}
	defer at.close()
	fd, err := at.open(unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, &fs.PathError{Op: "read", Path: name, Err: syscall.EINVAL})
	}
	return io.ReadAll(io.LimitReader(f, maxConfig))
}

// goMode is a mode of Linux as Go has it.
func goMode(mode uint32) fs.FileMode {
	m := fs.FileMode(mode & 0o777)
	switch mode & unix.S_IFMT {
	case unix.S_IFDIR:
		m |= fs.ModeDir
	case unix.S_IFLNK:
		m |= fs.ModeSymlink
	case unix.S_IFIFO:
		m |= fs.ModeNamedPipe
	case unix.S_IFSOCK:
		m |= fs.ModeSocket
	case unix.S_IFCHR:
		m |= fs.ModeDevice | fs.ModeCharDevice
	case unix.S_IFBLK:
		m |= fs.ModeDevice
	}
	if mode&unix.S_ISUID != 0 {
		m |= fs.ModeSetuid
	}
	if mode&unix.S_ISGID != 0 {
		m |= fs.ModeSetgid
	}
	if mode&unix.S_ISVTX != 0 {
		m |= fs.ModeSticky
	}
	return m
}
