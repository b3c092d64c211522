package native

import (
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// rootDir is a container's root, held open: all paths are resolved within it.
type rootDir int

const maxLinks = 40 // as the kernel has it

// open opens an existing path within the root. resolve adds RESOLVE_ flags.
func (r rootDir) open(name string, flags int, resolve uint64) (int, error) {
	return unix.Openat2(int(r), "./"+strings.TrimLeft(name, "/"), &unix.OpenHow{
		Flags:   uint64(flags | unix.O_CLOEXEC),
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS | resolve,
	})
}

// mountPoint opens a target as O_PATH, and makes it and what is missing above it: directories, and a file at the end if
// isDir is false. Symbolic links are followed as in a chroot, ones that point at nothing too. resolved is the path
// without them.
func (r rootDir) mountPoint(target string, isDir bool) (fd int, resolved string, err error) {
	todo := strings.Split(target, "/")
	links := 0
	at := "/" // has no symbolic links
	for len(todo) > 0 {
		name := todo[0]
		todo = todo[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			at = path.Dir(at)
			continue
		}
		last := strings.Trim(strings.Join(todo, ""), "./") == "" // nothing but slashes and dots follows
		link, err := r.step(at, name, isDir || !last)
		if err != nil {
			return -1, "", err
		}
		if link == "" {
			at = path.Join(at, name)
			continue
		}
		if links++; links > maxLinks {
			return -1, "", unix.ELOOP
		}
		if strings.HasPrefix(link, "/") {
			at = "/"
		}
		todo = append(strings.Split(link, "/"), todo...)
	}
	flags := unix.O_PATH
	if isDir {
		flags |= unix.O_DIRECTORY
	}
	fd, err = r.open(at, flags, unix.RESOLVE_NO_SYMLINKS)
	return fd, at, err
}

// step looks at an entry of a directory: it gives the target if it is a symbolic link, and makes it if it is missing.
func (r rootDir) step(dir, name string, isDir bool) (link string, err error) {
	parent, err := r.open(dir, unix.O_PATH|unix.O_DIRECTORY, unix.RESOLVE_NO_SYMLINKS)
	if err != nil {
		return "", err
	}
	defer unix.Close(parent)
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(parent, name, buf)
	switch {
	case err == nil && n == 0, errors.Is(err, unix.EINVAL): // no symbolic link
		return "", nil
	case err == nil:
		return string(buf[:n]), nil
	case !errors.Is(err, unix.ENOENT):
		return "", err
	case isDir:
		return "", unix.Mkdirat(parent, name, 0o755)
	}
	fd, err := unix.Openat(parent, name, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return "", err
	}
	return "", unix.Close(fd)
}

// attach puts a mount that is not in the tree yet over an open mount point.
func attach(mount, point int) error {
	return unix.MoveMount(mount, "", point, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
}

// option is a parameter of a file system; without a value it is a flag.
type option struct{ key, value string }

// newMount makes a mount of a new file system that is not in the tree yet. attributes are MOUNT_ATTR_ bits.
func newMount(kind string, attributes int, options ...option) (int, error) {
	fsys, err := unix.Fsopen(kind, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, err
	}
	defer unix.Close(fsys)
	for _, o := range append([]option{{"source", kind}}, options...) { // the source is what df and mount show
		if o.value == "" {
			err = unix.FsconfigSetFlag(fsys, o.key)
		} else {
			err = unix.FsconfigSetString(fsys, o.key, o.value)
		}
		if err != nil {
			return -1, fmt.Errorf("option %s: %w", o.key, explain(fsys, err))
		}
	}
	if err := unix.FsconfigCreate(fsys); err != nil {
		return -1, explain(fsys, err)
	}
	return unix.Fsmount(fsys, unix.FSMOUNT_CLOEXEC, attributes)
}

// explain adds what the kernel has to say about a file system that it refuses.
func explain(fsys int, err error) error {
	buf := make([]byte, 1024)
	if n, readErr := unix.Read(fsys, buf); readErr == nil && n > 2 {
		return fmt.Errorf("%w (%s)", err, strings.TrimSpace(string(buf[2:n]))) // "e overlayfs: …"
	}
	return err
}

// bindMount makes a mount of a file or directory of the host that is not in the tree yet, with all that is mounted below.
func bindMount(source string, set uint64) (int, error) {
	fd, err := unix.OpenTree(unix.AT_FDCWD, source, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err != nil {
		return -1, err
	}
	if err := setAttributes(fd, set, true); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// setAttributes adds MOUNT_ATTR_ bits to a mount and makes it private.
func setAttributes(mount int, set uint64, recursive bool) error {
	flags := uint(unix.AT_EMPTY_PATH)
	if recursive {
		flags |= unix.AT_RECURSIVE
	}
	return unix.MountSetattr(mount, "", flags, &unix.MountAttr{Attr_set: set, Propagation: unix.MS_PRIVATE})
}

// mountOn makes the target and puts a mount there, which is closed.
func (r rootDir) mountOn(mount int, target string, isDir bool) (resolved string, err error) {
	defer unix.Close(mount)
	point, resolved, err := r.mountPoint(target, isDir)
	if err != nil {
		return "", err
	}
	defer unix.Close(point)
	return resolved, attach(mount, point)
}

// mountUser makes one of the mounts that the container was given. Where it ends up is what counts: nothing may be put
// over what protects the host (CVE-2019-16884), nor over the program.
func (r rootDir) mountUser(m Mount, private string, nodev uint64) error {
	mount, isDir, err := userMount(m, nodev)
	if err != nil {
		return err
	}
	point, resolved, err := r.mountPoint(m.Target, isDir)
	if err != nil {
		unix.Close(mount)
		return err
	}
	unix.Close(point)
	if resolved == "/" || within(resolved, "/proc") || within(resolved, private) {
		unix.Close(mount)
		return fmt.Errorf("nothing can be mounted at %s", resolved)
	}
	_, err = r.mountOn(mount, resolved, isDir)
	return err
}

func within(name, dir string) bool { return name == dir || strings.HasPrefix(name, dir+"/") }

func userMount(m Mount, nodev uint64) (mount int, isDir bool, err error) {
	set := nodev
	if m.ReadOnly {
		set |= unix.MOUNT_ATTR_RDONLY
	}
	if m.Source == "" {
		mode := m.Mode
		if mode == 0 {
			mode = 0o1777
		}
		options := []option{{"mode", "0" + strconv.FormatUint(uint64(mode), 8)}}
		if m.Size > 0 {
			options = append(options, option{"size", strconv.FormatInt(m.Size, 10)})
		}
		set |= unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV
		if !m.Exec {
			set |= unix.MOUNT_ATTR_NOEXEC
		}
		mount, err = newMount("tmpfs", int(set), options...)
		return mount, true, err
	}
	mount, err = bindMount(m.Source, set)
	if err != nil {
		return -1, false, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(mount, &st); err != nil {
		unix.Close(mount)
		return -1, false, err
	}
	return mount, st.Mode&unix.S_IFMT == unix.S_IFDIR, nil
}
