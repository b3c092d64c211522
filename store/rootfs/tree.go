package rootfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"sort"
	"strings"
	"sync"
	"syscall"
)

// Tree is a root file system with others mounted into it. Safe for concurrent use.
type Tree struct {
	mu   sync.RWMutex // guards the mount points
	root *mountPoint
	devs uint64 // numbers given to mounts
}

// mount is a mounted file system.
type mount struct {
	fsys     FS
	root     Node
	readOnly bool
	dev      uint64
}

// mountPoint is a place in the tree that has a mount at it (mnt) or below it (children). Walks carry it along, so that a
// path without mounts below it costs nothing. What is in here cannot be renamed or removed, so that it stays true.
type mountPoint struct {
	mnt      *mount
	children map[string]*mountPoint
	hidden   map[string]bool // children that the directory below does not have, but lists
}

// MountPoint describes a mount.
type MountPoint struct {
	Path     string // absolute
	Type     string // "overlay", "tmpfs", "bind", or what the file system calls itself
	ReadOnly bool
	FS       FS
}

// NewTree makes a tree with the given root.
func NewTree(root FS, readOnly bool) *Tree {
	return &Tree{root: &mountPoint{mnt: &mount{fsys: root, root: root.Root(), readOnly: readOnly, dev: 1}}, devs: 1}
}

// Mount puts fsys at an absolute path, following symbolic links within the tree. Missing directories, and the mount point
// itself (an empty file where fsys is a file), are created, even on a read-only root, as runc does.
func (t *Tree) Mount(name string, fsys FS, readOnly bool) error {
	return t.mount(name, fsys, readOnly, false)
}

// MountHidden is Mount, but a missing last component is not created in the file system below: it is only seen in the
// tree. It is for what belongs to every container (/proc, /dev, /etc/hosts), which `docker diff` does not show.
func (t *Tree) MountHidden(name string, fsys FS, readOnly bool) error {
	return t.mount(name, fsys, readOnly, true)
}

func (t *Tree) mount(name string, fsys FS, readOnly, hidden bool) error {
	name = path.Clean("/" + name)
	m := &mount{fsys: fsys, root: fsys.Root(), readOnly: readOnly}
	if name == "/" {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.devs++
		m.dev = t.devs
		t.root = &mountPoint{mnt: m}
		return nil
	}
	v := t.View(Cred{})
	v.setup = true
	resolved, err := v.Resolve(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		dir, mkErr := v.makeDirs(path.Dir(name))
		if mkErr != nil {
			return fmt.Errorf("make mount point %s: %w", name, mkErr)
		}
		resolved = path.Join(dir, path.Base(name))
		if hidden {
			break
		}
		if m.root.Type().IsDir() {
			err = v.Mkdir(resolved, 0o755)
		} else {
			err = v.WriteFile(resolved, nil, 0o644)
		}
		if err != nil {
			return fmt.Errorf("make mount point %s: %w", name, err)
		}
	case err != nil:
		return fmt.Errorf("mount: %w", err)
	default:
		hidden = false
		info, err := v.Lstat(resolved)
		if err != nil {
			return fmt.Errorf("mount: %w", err)
		}
		if info.IsDir() != m.root.Type().IsDir() {
			return fmt.Errorf("mount: %w", pathError("mount", name, syscall.ENOTDIR))
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.devs++
	m.dev = t.devs
	at, above, last := t.root, t.root, ""
	for comp := range strings.SplitSeq(strings.Trim(resolved, "/"), "/") {
		next := at.children[comp]
		if next == nil {
			next = &mountPoint{}
			if at.children == nil {
				at.children = map[string]*mountPoint{}
			}
			at.children[comp] = next
		}
		at, above, last = next, at, comp
	}
	if hidden {
		if above.hidden == nil {
			above.hidden = map[string]bool{}
		}
		above.hidden[last] = true
	}
	at.mnt, at.children, at.hidden = m, nil, nil
	return nil
}

// Mounts lists the mounts, sorted by path.
func (t *Tree) Mounts() []MountPoint {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var all []MountPoint
	var visit func(p *mountPoint, name string)
	visit = func(p *mountPoint, name string) {
		if p.mnt != nil {
			kind := "bind"
			if k, ok := p.mnt.fsys.(interface{ Type() string }); ok {
				kind = k.Type()
			}
			all = append(all, MountPoint{Path: name, Type: kind, ReadOnly: p.mnt.readOnly, FS: p.mnt.fsys})
		}
		for child, at := range p.children {
			visit(at, path.Join(name, child))
		}
	}
	visit(t.root, "/")
	sort.Slice(all, func(i, j int) bool { return all[i].Path < all[j].Path })
	return all
}

// View is the sight of a process with these credentials: working directory /, umask 022.
func (t *Tree) View(c Cred) *View {
	return &View{tree: t, cred: c, umask: 0o022}
}

// Close closes all mounted file systems. No operation may be under way.
func (t *Tree) Close() error {
	var errs []error
	for _, m := range t.Mounts() {
		if c, ok := m.FS.(io.Closer); ok {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}

// child finds what is mounted at or below the entry name of p.
func (t *Tree) child(p *mountPoint, name string) *mountPoint {
	if p == nil {
		return nil
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	return p.children[name]
}

// below tells whether anything is mounted below p.
func (t *Tree) below(p *mountPoint) bool {
	if p == nil {
		return false
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(p.children) > 0
}

// hiddenIn adds to entries the mount points that the directory itself does not have.
func (t *Tree) hiddenIn(p *mountPoint, entries []Dirent) []Dirent {
	if p == nil {
		return entries
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	if len(p.hidden) == 0 {
		return entries
	}
	have := make(map[string]bool, len(p.hidden))
	for _, e := range entries {
		if p.hidden[e.Name] {
			have[e.Name] = true
		}
	}
	for name := range p.hidden {
		if at := p.children[name]; !have[name] && at != nil && at.mnt != nil {
			d := Dirent{Name: name, Type: at.mnt.root.Type()}
			if info, err := at.mnt.root.Stat(); err == nil {
				d.Ino = info.Ino()
			}
			entries = append(entries, d)
		}
	}
	return entries
}

func (t *Tree) rootPlace() place {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return place{node: t.root.mnt.root, at: t.root, mnt: t.root.mnt}
}

// makeDirs is MkdirAll that gives the real path.
func (v *View) makeDirs(name string) (string, error) {
	if err := v.MkdirAll(name, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	return v.Resolve(name)
}
