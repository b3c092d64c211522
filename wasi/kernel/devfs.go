package kernel

import (
	"io/fs"
	"slices"
	"strconv"
	"sync"
	"syscall"

	"github.com/sockerless/sockerless/store/rootfs"
)

// devDev is the Dev of /dev.
const devDev = 0x06

// devEntry is what every container has in /dev.
type devEntry struct {
	name         string
	mode         fs.FileMode
	major, minor uint32
	target       string
	list         func(t *Table) []devEntry
}

const charDevice = fs.ModeDevice | fs.ModeCharDevice

var devRoot = []devEntry{
	{name: "console", mode: charDevice | 0o620, major: ttyMajor, minor: consoleMinor},
	{name: "core", mode: fs.ModeSymlink | 0o777, target: "/proc/kcore"},
	{name: "fd", mode: fs.ModeSymlink | 0o777, target: "/proc/self/fd"},
	{name: "full", mode: charDevice | 0o666, major: memoryMajor, minor: fullMinor},
	{name: "mqueue", mode: fs.ModeDir | fs.ModeSticky | 0o777},
	{name: "null", mode: charDevice | 0o666, major: memoryMajor, minor: nullMinor},
	{name: "pts", mode: fs.ModeDir | 0o755, list: devTerminals},
	{name: "random", mode: charDevice | 0o666, major: memoryMajor, minor: randomMinor},
	{name: "shm", mode: fs.ModeDir | fs.ModeSticky | 0o777},
	{name: "stderr", mode: fs.ModeSymlink | 0o777, target: "/proc/self/fd/2"},
	{name: "stdin", mode: fs.ModeSymlink | 0o777, target: "/proc/self/fd/0"},
	{name: "stdout", mode: fs.ModeSymlink | 0o777, target: "/proc/self/fd/1"},
	{name: "tty", mode: charDevice | 0o666, major: ttyMajor, minor: ttyMinor},
	{name: "urandom", mode: charDevice | 0o666, major: memoryMajor, minor: urandomMinor},
	{name: "zero", mode: charDevice | 0o666, major: memoryMajor, minor: zeroMinor},
}

// devNode is one of the devices.
type devNode struct {
	rootfs.NodeBase
	t *Table
	e devEntry
}

// Type is the type of the device.
func (n *devNode) Type() fs.FileMode { return n.e.mode.Type() }

// Stat describes the device.
func (n *devNode) Stat() (rootfs.Info, error) { return n.e.info(n.t), nil }

func (e *devEntry) info(t *Table) rootfs.Info {
	a := rootfs.Attr{
		Mode: e.mode, Dev: devDev, Nlink: 1, Size: int64(len(e.target)),
		Atime: t.Boot(), Mtime: t.Boot(), Ctime: t.Boot(),
	}
	switch {
	case e.mode.IsDir():
		a.Nlink, a.Ino = 2, uint64(len(e.name))<<32|uint64(e.name[0])
	case e.mode&fs.ModeSymlink != 0:
		a.Ino = uint64(len(e.name))<<40 | uint64(e.name[len(e.name)-1])
	default:
		a.Rdev = rootfs.Mkdev(e.major, e.minor)
		a.Ino = a.Rdev + 16
	}
	return rootfs.NewInfo("", a)
}

// Readlink is the target of a link.
func (n *devNode) Readlink() (string, error) {
	if n.e.target == "" {
		return "", syscall.EINVAL
	}
	return n.e.target, nil
}

// Lookup finds an entry of one of the directories.
func (n *devNode) Lookup(name string) (rootfs.Node, error) {
	if !n.e.mode.IsDir() {
		return nil, syscall.ENOTDIR
	}
	if n.e.list != nil {
		if e, ok := findDev(n.e.list(n.t), name); ok {
			return &devNode{t: n.t, e: e}, nil
		}
	}
	return nil, syscall.ENOENT
}

// ReadDir lists one of the directories.
func (n *devNode) ReadDir() ([]rootfs.Dirent, error) {
	if !n.e.mode.IsDir() {
		return nil, syscall.ENOTDIR
	}
	if n.e.list == nil {
		return nil, nil
	}
	return dirents(n.t, n.e.list(n.t)), nil
}

func findDev(list []devEntry, name string) (devEntry, bool) {
	i := slices.IndexFunc(list, func(e devEntry) bool { return e.name == name })
	if i < 0 {
		return devEntry{}, false
	}
	return list[i], true
}

func dirents(t *Table, list []devEntry) []rootfs.Dirent {
	out := make([]rootfs.Dirent, 0, len(list))
	for _, e := range list {
		info := e.info(t)
		out = append(out, rootfs.Dirent{Name: e.name, Ino: info.Ino(), Type: e.mode.Type()})
	}
	return out
}

// devTerminals are the terminals that processes have.
func devTerminals(t *Table) []devEntry {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []devEntry
	for _, p := range t.processes {
		if p.tty == nil {
			continue
		}
		name := strconv.Itoa(p.tty.number)
		if _, ok := findDev(list, name); !ok {
			list = append(list, devEntry{name: name, mode: charDevice | 0o620, major: ptsMajor, minor: uint32(p.tty.number)})
		}
	}
	return list
}

// devFS is /dev of a container: the devices that every container has, which take no memory, and a memory file system
// for what else is made there, which exists from when something was.
type devFS struct {
	rootfs.NodeBase
	t       *Table
	scratch func() rootfs.FS

	mu   sync.Mutex
	more rootfs.Node // root of the memory file system
}

// DevFS returns the container's /dev. scratch makes the memory file system for what containers add.
func (t *Table) DevFS(scratch func() rootfs.FS) rootfs.FS { return &devFS{t: t, scratch: scratch} }

// Root is the directory /dev.
func (d *devFS) Root() rootfs.Node { return d }

// Type is that of a directory.
func (d *devFS) Type() fs.FileMode { return fs.ModeDir }

// Stat describes the directory.
func (d *devFS) Stat() (rootfs.Info, error) {
	boot := d.t.Boot()
	return rootfs.NewInfo("", rootfs.Attr{
		Mode: fs.ModeDir | 0o755, Dev: devDev, Ino: 1, Nlink: 2, Atime: boot, Mtime: boot, Ctime: boot,
	}), nil
}

// added is the root of what was added, nil if nothing was.
func (d *devFS) added() rootfs.Node {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.more
}

// Lookup finds a device, or what was added.
func (d *devFS) Lookup(name string) (rootfs.Node, error) {
	if e, ok := findDev(devRoot, name); ok {
		return &devNode{t: d.t, e: e}, nil
	}
	if more := d.added(); more != nil {
		return more.Lookup(name)
	}
	return nil, syscall.ENOENT
}

// ReadDir lists the devices and what was added.
func (d *devFS) ReadDir() ([]rootfs.Dirent, error) {
	list := dirents(d.t, devRoot)
	more := d.added()
	if more == nil {
		return list, nil
	}
	added, err := more.ReadDir()
	return append(list, added...), err
}

// Create adds an entry.
func (d *devFS) Create(name string, a rootfs.Attr) (rootfs.Node, error) {
	if _, ok := findDev(devRoot, name); ok {
		return nil, syscall.EEXIST
	}
	d.mu.Lock()
	if d.more == nil {
		d.more = d.scratch().Root()
	}
	more := d.more
	d.mu.Unlock()
	return more.Create(name, a)
}

// Link gives an added file a further name.
func (d *devFS) Link(name string, to rootfs.Node) error {
	more := d.added()
	if _, ok := findDev(devRoot, name); ok {
		return syscall.EEXIST
	}
	if more == nil {
		return syscall.EXDEV
	}
	return more.Link(name, to)
}

// Unlink removes what was added; the devices stay.
func (d *devFS) Unlink(name string, dir bool) error {
	more := d.added()
	if _, ok := findDev(devRoot, name); ok {
		return syscall.EPERM
	}
	if more == nil {
		return syscall.ENOENT
	}
	return more.Unlink(name, dir)
}

// Rename moves what was added.
func (d *devFS) Rename(name string, to rootfs.Node, newName string, flags int) error {
	more := d.added()
	if _, ok := findDev(devRoot, name); ok {
		return syscall.EPERM
	}
	if more == nil {
		return syscall.ENOENT
	}
	if to == rootfs.Node(d) {
		if _, ok := findDev(devRoot, newName); ok {
			return syscall.EPERM
		}
		to = more
	}
	return more.Rename(name, to, newName, flags)
}
