package rootfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/containerd/errdefs"
)

// ErrMoved is the error of what an Overlay cannot tell any more, since its files are at another file system and change
// there without it.
var ErrMoved = errdefs.ErrFailedPrecondition.WithMessage("the files were moved to another machine's file system, which is to be asked")

// moved is where the files of an Overlay are.
type moved struct {
	target atomic.Pointer[target]
	mu     sync.Mutex
	nodes  map[uint64]*movedNode // of inodes that somebody still has
}

// target is a file system that files were moved to. Another one takes its place where it was started again.
type target struct {
	fsys FS
	root Node
}

func (m *moved) close() error {
	if c, ok := m.target.Load().fsys.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// Moved tells whether the files are at another file system.
func (o *Overlay) Moved() bool { return o.to.Load() != nil }

// Move goes over to another file system that has the same files already (see Transfer, which sends them): every path,
// working directory and open file means the file there from now on; numbers of devices and inodes are the other's. What
// has lost its last name stays here, for who still has it, and so do sockets and the pipes that are open. Mounts are not
// touched. It is for once, or again for the same files at another place, when what offers them was started anew: then a
// file that lost its name there stays with the old place. The Overlay closes the file system that it moved to; after an
// error nothing has changed, and that one is the caller's. The upper directory keeps what was there when it moved.
func (o *Overlay) Move(to FS) error {
	o.freeze.Lock()
	defer o.freeze.Unlock()
	return o.move(to)
}

// Transfer sends all that has changed since a Mark, and moves to where it was sent, without a change between: changes wait
// until it ends, reading goes on. send must read its tar to the end; to gives the file system that has it then. An error
// leaves the Overlay as it was.
func (o *Overlay) Transfer(since Mark, send func(tar io.Reader) error, to func() (FS, error)) (DeltaStats, error) {
	o.freeze.Lock()
	defer o.freeze.Unlock()
	r, w := io.Pipe()
	var stats DeltaStats
	written := make(chan error, 1)
	go func() {
		var err error
		_, stats, err = o.delta(w, since)
		_ = w.CloseWithError(err) // nil is the end; it cannot fail
		written <- err
	}()
	err := send(r)
	_ = r.CloseWithError(errUnread) // it cannot fail
	if writeErr := <-written; err == nil || writeErr != nil && !errors.Is(writeErr, errUnread) {
		err = writeErr
	}
	if err != nil {
		return stats, fmt.Errorf("send changed files: %w", err)
	}
	fsys, err := to()
	if err != nil {
		return stats, fmt.Errorf("open the file system that has the files: %w", err)
	}
	if err = o.move(fsys); err != nil {
		if c, ok := fsys.(io.Closer); ok {
			err = errors.Join(err, c.Close())
		}
	}
	return stats, err
}

var errUnread = errors.New("not read to the end")

// move is Move with o.freeze held.
func (o *Overlay) move(to FS) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	next := &target{fsys: to, root: to.Root()}
	switch {
	case o.closed:
		return fmt.Errorf("move files: %w", syscall.EBADF)
	case next.root.Type() != fs.ModeDir:
		return fmt.Errorf("move files: %w", syscall.ENOTDIR)
	}
	m := o.to.Load()
	if m == nil {
		m = &moved{nodes: map[uint64]*movedNode{}}
	}
	opened, err := o.reopen(m, next)
	if err != nil {
		for _, h := range opened {
			err = errors.Join(err, h.Close())
		}
		return fmt.Errorf("move open files: %w", err)
	}
	old := m.target.Swap(next)
	o.to.Store(m)
	for h, contents := range opened {
		// The files are there by now: what cannot be written down here is of no use.
		if h.to != nil {
			_ = h.to.Close()
		} else {
			h.at = m.node(o, h.ino)
			_ = o.release(h.ino)
		}
		h.to = contents
	}
	if o.disk == nil {
		for ino, n := range o.inodes {
			if !o.gone(ino) {
				o.used -= n.cut(0)
			}
		}
	}
	if old != nil {
		if c, ok := old.fsys.(io.Closer); ok {
			_ = c.Close() // nothing was written through it that its files have not
		}
	}
	return nil
}

// contents is a Handle that can take over for an Overlay's.
type contents interface {
	Handle
	Appender
	StatHandle
}

// reopen opens all open files that have a name at another place.
func (o *Overlay) reopen(m *moved, next *target) (map[*overlayHandle]contents, error) {
	opened := map[*overlayHandle]contents{}
	for h := o.handles; h != nil; h = h.next {
		at := h.at
		switch {
		case h.to != nil:
			if info, err := h.to.Stat(); err == nil && info.Nlink() == 0 {
				continue
			}
		case o.gone(h.ino):
			continue
		default:
			at = m.node(o, h.ino)
		}
		file, err := at.openAt(next, h.flag)
		if h.to != nil && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return opened, pathError("open", at.path(), err)
		}
		c, ok := file.(contents)
		if !ok {
			return opened, errors.Join(fmt.Errorf("%T cannot take over an open file: %w", file, syscall.ENOTSUP), file.Close())
		}
		opened[h] = c
	}
	return opened, nil
}

// node is where a file of the Overlay is by now, by a name that it had when it moved. o.mu is held.
func (m *moved) node(o *Overlay, ino uint64) *movedNode {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.find(o, ino)
}

func (m *moved) find(o *Overlay, ino uint64) *movedNode {
	if n := m.nodes[ino]; n != nil {
		return n
	}
	n := &movedNode{o: o, kind: o.typeOf(ino)}
	if ino != rootIno {
		if at, ok := o.nameOf(ino); ok {
			n.parent, n.name = m.find(o, at.dir), at.base
		} else {
			n.lost = true
		}
	}
	m.nodes[ino] = n
	return n
}

// elsewhere is where a file of the Overlay is since it moved: nil if it has not, or if the file had no name then. o.mu is
// held.
func (o *Overlay) elsewhere(ino uint64) *movedNode {
	m := o.to.Load()
	if m == nil || o.gone(ino) {
		return nil
	}
	return m.node(o, ino)
}

// movedTo is elsewhere for who holds nothing.
func (n *overlayNode) movedTo() *movedNode {
	if n.o.to.Load() == nil {
		return nil
	}
	n.o.mu.RLock()
	defer n.o.mu.RUnlock()
	return n.o.elsewhere(n.ino)
}

// rlock takes o.mu for reading. If the file is elsewhere it takes nothing, and says where.
func (n *overlayNode) rlock() *movedNode {
	n.o.mu.RLock()
	there := n.o.elsewhere(n.ino)
	if there != nil {
		n.o.mu.RUnlock()
	}
	return there
}

// lock takes o.freeze, shared, and o.mu for a change. If the file is elsewhere it takes nothing, and says where.
func (n *overlayNode) lock() *movedNode {
	n.o.freeze.RLock()
	n.o.mu.Lock()
	there := n.o.elsewhere(n.ino)
	if there != nil {
		n.unlock()
	}
	return there
}

func (n *overlayNode) unlock() {
	n.o.mu.Unlock()
	n.o.freeze.RUnlock()
}

// openAt opens a file in a target; as the owner of what it may not, with the rights that it was opened with here.
func (m *movedNode) openAt(t *target, flag int) (Handle, error) {
	n, err := m.in(t)
	if err != nil {
		return nil, err
	}
	h, err := n.Open(flag)
	if !errors.Is(err, fs.ErrPermission) || os.Geteuid() == 0 {
		return h, err
	}
	info, statErr := n.Stat()
	if statErr != nil {
		return nil, errors.Join(err, statErr)
	}
	if chmodErr := n.SetAttr(SetAttr{Mask: SetMode, Mode: info.Mode() | 0o600}); chmodErr != nil {
		return nil, err
	}
	h, err = n.Open(flag)
	return h, errors.Join(err, n.SetAttr(SetAttr{Mask: SetMode, Mode: info.Mode()}))
}
