package rootfs

import (
	"io/fs"
	"strings"
	"sync/atomic"
	"syscall"
)

// movedNode is a file of an Overlay that moved: a path at where that is now. All operations hold o.freeze shared, so that
// none is under way while it moves on.
type movedNode struct {
	o      *Overlay
	parent *movedNode // nil for the root
	name   string
	kind   fs.FileMode
	lost   bool // nobody knows its name
	at     atomic.Pointer[found]
}

// found is the node that was found in a target.
type found struct {
	in   *target
	node Node
}

// in finds the node in a target.
func (m *movedNode) in(t *target) (Node, error) {
	if f := m.at.Load(); f != nil && f.in == t {
		return f.node, nil
	}
	node := t.root
	switch {
	case m.lost:
		return nil, syscall.ESTALE
	case m.parent != nil:
		dir, err := m.parent.in(t)
		if err != nil {
			return nil, err
		}
		if node, err = dir.Lookup(m.name); err != nil {
			return nil, err
		}
	}
	if node.Type() != m.kind {
		return nil, syscall.ENOENT // another file has the name
	}
	m.at.Store(&found{t, node})
	return node, nil
}

// do calls f with the node where it is now.
func (m *movedNode) do(f func(Node) error) error {
	m.o.freeze.RLock()
	defer m.o.freeze.RUnlock()
	n, err := m.here()
	if err != nil {
		return err
	}
	return f(n)
}

func (m *movedNode) here() (Node, error) { return m.in(m.o.to.Load().target.Load()) }

// below makes the node of an entry that was found or made.
func (m *movedNode) below(name string, node Node) *movedNode {
	child := &movedNode{o: m.o, parent: m, name: name, kind: node.Type()}
	child.at.Store(&found{m.o.to.Load().target.Load(), node})
	return child
}

// other gives the node of a file that an operation has besides this one, where it is now.
func (m *movedNode) other(n Node) (Node, error) {
	there, ok := n.(*movedNode)
	if old, is := n.(*overlayNode); is && old.o == m.o {
		if there = old.movedTo(); there == nil {
			return nil, syscall.ENOENT // it has no name
		}
		ok = true
	}
	if !ok || there.o != m.o {
		return nil, syscall.EXDEV
	}
	return there.here()
}

func (m *movedNode) path() string {
	if m.parent == nil {
		return "/"
	}
	return strings.TrimSuffix(m.parent.path(), "/") + "/" + m.name
}

func (m *movedNode) Type() fs.FileMode { return m.kind }

func (m *movedNode) Stat() (info Info, err error) {
	err = m.do(func(n Node) error { info, err = n.Stat(); return err })
	return info, err
}

func (m *movedNode) Lookup(name string) (child Node, err error) {
	err = m.do(func(n Node) error {
		node, err := n.Lookup(name)
		if err == nil {
			child = m.below(name, node)
		}
		return err
	})
	return child, err
}

// LookupPath finds directories as fast as the file system does.
func (m *movedNode) LookupPath(names []string) (all []Node, err error) {
	err = m.do(func(n Node) error {
		dir, ok := n.(PathNode)
		if !ok {
			return syscall.ENOTSUP
		}
		nodes, err := dir.LookupPath(names)
		at := m
		for i, node := range nodes {
			at = at.below(names[i], node)
			all = append(all, at)
		}
		return err
	})
	return all, err
}

func (m *movedNode) ReadDir() (all []Dirent, err error) {
	err = m.do(func(n Node) error { all, err = n.ReadDir(); return err })
	return all, err
}

func (m *movedNode) Readlink() (target string, err error) {
	err = m.do(func(n Node) error { target, err = n.Readlink(); return err })
	return target, err
}

func (m *movedNode) Open(flag int) (h Handle, err error) {
	err = m.do(func(n Node) error {
		h, err = m.o.wrap(m, n, flag)
		return err
	})
	return h, err
}

func (m *movedNode) Create(name string, a Attr) (child Node, err error) {
	err = m.do(func(n Node) error {
		node, err := n.Create(name, a)
		if err == nil {
			child = m.below(name, node)
		}
		return err
	})
	return child, err
}

func (m *movedNode) Link(name string, to Node) error {
	return m.do(func(n Node) error {
		file, err := m.other(to)
		if err != nil {
			return err
		}
		return n.Link(name, file)
	})
}

func (m *movedNode) Unlink(name string, dir bool) error {
	return m.do(func(n Node) error { return n.Unlink(name, dir) })
}

func (m *movedNode) Rename(name string, to Node, newName string, flags int) error {
	return m.do(func(n Node) error {
		dir, err := m.other(to)
		if err != nil {
			return err
		}
		return n.Rename(name, dir, newName, flags)
	})
}

func (m *movedNode) SetAttr(set SetAttr) error {
	return m.do(func(n Node) error { return n.SetAttr(set) })
}

func (m *movedNode) Getxattr(name string) (value []byte, err error) {
	err = m.do(func(n Node) error { value, err = n.Getxattr(name); return err })
	return value, err
}

func (m *movedNode) Setxattr(name string, value []byte) error {
	return m.do(func(n Node) error { return n.Setxattr(name, value) })
}

func (m *movedNode) Removexattr(name string) error {
	return m.do(func(n Node) error { return n.Removexattr(name) })
}

func (m *movedNode) Listxattr() (names []string, err error) {
	err = m.do(func(n Node) error { names, err = n.Listxattr(); return err })
	return names, err
}
