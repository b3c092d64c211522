package kernel

import (
	"hash/fnv"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/sockerless/sockerless/store/rootfs"
)

// procDev is the Dev of /proc.
const procDev = 0x50

// procFS is /proc of a table. It holds nothing: every node is made when it is looked up, and every text when it is
// opened.
type procFS struct{ t *Table }

// ProcFS returns the table's /proc.
func (t *Table) ProcFS() rootfs.FS { return procFS{t} }

// Type is the name in /proc/mounts.
func (procFS) Type() string { return "proc" }

// Root is the directory /proc.
func (f procFS) Root() rootfs.Node { return &procNode{t: f.t, entry: &procRoot} }

// sysFS is /sys of a table: its limits, made as those of /proc.
type sysFS struct{ t *Table }

// SysFS returns the table's /sys.
func (t *Table) SysFS() rootfs.FS { return sysFS{t} }

// Type is the name in /proc/mounts.
func (sysFS) Type() string { return "sysfs" }

// Root is the directory /sys.
func (f sysFS) Root() rootfs.Node { return &procNode{t: f.t, entry: &sysRoot} }

// procEntry is a file, link or directory below /proc or below /proc/<pid>, in which p is that process.
type procEntry struct {
	name string
	mode fs.FileMode
	text func(t *Table, p *Process) string
	link func(t *Table, p *Process) string
	// Of a directory: what is in it, and what depends on the moment.
	entries []*procEntry
	list    func(t *Table, p *Process) []*procEntry
	pid     int    // entries list this process
	ino     uint64 // of a descriptor
}

func procFile(name string, text func(t *Table, p *Process) string) *procEntry {
	return &procEntry{name: name, mode: 0o444, text: text}
}

func procLink(name string, link func(t *Table, p *Process) string) *procEntry {
	return &procEntry{name: name, mode: fs.ModeSymlink | 0o777, link: link}
}

func procDir(name string, entries ...*procEntry) *procEntry {
	return &procEntry{name: name, mode: fs.ModeDir | 0o555, entries: entries}
}

// procNode is an entry, of a process where p is not nil.
type procNode struct {
	rootfs.NodeBase
	t     *Table
	p     *Process
	entry *procEntry
}

// Type is the type of the entry.
func (n *procNode) Type() fs.FileMode { return n.entry.mode.Type() }

// Stat makes up an inode number out of the process and the name. All times are when the process was made.
func (n *procNode) Stat() (rootfs.Info, error) {
	a := rootfs.Attr{Mode: n.entry.mode, Dev: procDev, Ino: n.entry.ino, Nlink: 1}
	a.Atime = n.t.Boot()
	if n.p != nil {
		cred := n.p.view.Cred()
		a.UID, a.GID, a.Atime = cred.UID, cred.GID, n.p.Started()
	}
	a.Mtime, a.Ctime = a.Atime, a.Atime
	switch {
	case n.entry.mode.IsDir():
		a.Nlink = 2
	case n.entry.mode&fs.ModeNamedPipe != 0:
		a.Dev = descriptorDev
	}
	if a.Ino == 0 {
		h := fnv.New32a()
		_, _ = io.WriteString(h, n.entry.name)
		a.Ino = uint64(h.Sum32())
		if n.p != nil {
			a.Ino |= uint64(n.p.pid) << 32
		}
	}
	return rootfs.NewInfo("", a), nil
}

func (n *procNode) children() []*procEntry {
	if n.entry.list != nil {
		return append(n.entry.list(n.t, n.p), n.entry.entries...)
	}
	return n.entry.entries
}

// Lookup finds an entry of a directory.
func (n *procNode) Lookup(name string) (rootfs.Node, error) {
	if !n.entry.mode.IsDir() {
		return nil, syscall.ENOTDIR
	}
	for _, e := range n.children() {
		if e.name == name {
			return n.child(e)
		}
	}
	return nil, syscall.ENOENT
}

func (n *procNode) child(e *procEntry) (*procNode, error) {
	c := &procNode{t: n.t, p: n.p, entry: e}
	if e.pid != 0 {
		if c.p = n.t.Find(e.pid); c.p == nil {
			return nil, syscall.ENOENT
		}
	}
	return c, nil
}

// ReadDir lists a directory.
func (n *procNode) ReadDir() ([]rootfs.Dirent, error) {
	if !n.entry.mode.IsDir() {
		return nil, syscall.ENOTDIR
	}
	var list []rootfs.Dirent
	for _, e := range n.children() {
		c, err := n.child(e)
		if err != nil {
			continue
		}
		info, err := c.Stat()
		if err != nil {
			return nil, err
		}
		list = append(list, rootfs.Dirent{Name: e.name, Ino: info.Ino(), Type: e.mode.Type()})
	}
	return list, nil
}

// Readlink reads a link; /proc/self, without somebody who looks, is process 1.
func (n *procNode) Readlink() (string, error) { return n.ReadlinkAs(nil) }

// ReadlinkAs reads a link for the owner of the View that follows it.
func (n *procNode) ReadlinkAs(owner any) (string, error) {
	if n.entry.link == nil {
		return "", syscall.EINVAL
	}
	p := n.p
	if p == nil {
		p, _ = owner.(*Process)
	}
	if p == nil {
		p = n.t.Find(1)
	}
	if p == nil {
		return "", syscall.ENOENT
	}
	return n.entry.link(n.t, p), nil
}

// Open makes the text.
func (n *procNode) Open(flag int) (rootfs.Handle, error) {
	if n.entry.text == nil || flag&(os.O_WRONLY|os.O_RDWR|os.O_TRUNC) != 0 {
		return nil, syscall.EACCES
	}
	return procText{strings.NewReader(n.entry.text(n.t, n.p))}, nil
}

// procText is an open file of /proc.
type procText struct{ *strings.Reader }

func (procText) WriteAt([]byte, int64) (int, error) { return 0, syscall.EBADF }
func (procText) Truncate(int64) error               { return syscall.EINVAL }
func (procText) Sync() error                        { return nil }
func (procText) Close() error                       { return nil }

// processEntries are the directories of the processes.
func processEntries(t *Table, _ *Process) []*procEntry {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]*procEntry, 0, len(t.processes))
	for _, p := range t.processes {
		list = append(list, &procEntry{
			name: strconv.Itoa(p.pid), mode: fs.ModeDir | 0o555, entries: procProcess, pid: p.pid,
		})
	}
	return list
}

// descriptorEntries are what is in /proc/<pid>/fd: links to what has a path, FIFOs for the rest, so that opening one
// gives the same pipe.
func descriptorEntries(_ *Table, p *Process) []*procEntry {
	p.fds.mu.Lock()
	defer p.fds.mu.Unlock()
	list := make([]*procEntry, 0, len(p.fds.entries))
	for _, e := range p.fds.entries {
		name := strconv.Itoa(int(e.fd))
		if target := e.file.Name(); strings.HasPrefix(target, "/") {
			list = append(list, &procEntry{
				name: name, mode: fs.ModeSymlink | 0o700, link: func(*Table, *Process) string { return target },
			})
		} else {
			list = append(list, &procEntry{
				name: name, mode: fs.ModeNamedPipe | 0o600, ino: uint64(p.pid)<<32 | uint64(e.fd),
			})
		}
	}
	return list
}
