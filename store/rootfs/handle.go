package rootfs

import (
	"errors"
	"os"
	"sync"
	"syscall"
)

// overlayHandle is an open regular file of an Overlay.
type overlayHandle struct {
	o          *Overlay
	ino        uint64
	flag       int
	once       sync.Once
	prev, next *overlayHandle // in o.handles

	// Once the file has moved. Both change with o.freeze held exclusively, and with o.mu.
	to contents
	at *movedNode
}

// enlist adds a handle to all of them. o.mu is held.
func (o *Overlay) enlist(h *overlayHandle) {
	if h.next = o.handles; h.next != nil {
		h.next.prev = h
	}
	o.handles = h
}

func (o *Overlay) strike(h *overlayHandle) {
	if h.next != nil {
		h.next.prev = h.prev
	}
	if h.prev != nil {
		h.prev.next = h.next
	} else {
		o.handles = h.next
	}
	h.prev, h.next = nil, nil
}

func (n *overlayNode) Open(flag int) (Handle, error) {
	if n.kind != 0 {
		return nil, syscall.EINVAL
	}
	h, there, err := n.open(flag)
	if there != nil {
		return there.Open(flag)
	}
	if err == nil && flag&os.O_TRUNC != 0 {
		if err = n.truncateOpened(); err != nil {
			err = errors.Join(err, h.Close())
		}
	}
	if err != nil {
		return nil, err
	}
	return h, nil
}

func (n *overlayNode) open(flag int) (*overlayHandle, *movedNode, error) {
	o := n.o
	o.mu.Lock()
	defer o.mu.Unlock()
	if there := o.elsewhere(n.ino); there != nil {
		return nil, there, nil
	}
	up := o.inodes[n.ino]
	if up == nil && n.ino >= upperIno {
		return nil, nil, syscall.ENOENT
	}
	if up != nil {
		if err := o.openFile(up); err != nil {
			return nil, nil, err
		}
	}
	o.hold(n.ino)
	h := &overlayHandle{o: o, ino: n.ino, flag: flag &^ os.O_TRUNC}
	o.enlist(h)
	return h, nil, nil
}

// truncateOpened is O_TRUNC: what has no contents keeps its times.
func (n *overlayNode) truncateOpened() error {
	if there := n.rlock(); there != nil {
		return there.SetAttr(SetAttr{Mask: SetSize})
	}
	m, _ := n.o.stat(n.ino)
	n.o.mu.RUnlock()
	if m.size == 0 && m.where != inLayer {
		return nil
	}
	return n.truncate(0)
}

// truncate sets the length of a file, wherever it is.
func (n *overlayNode) truncate(size int64) error {
	n.o.freeze.RLock()
	there := n.movedTo()
	if there == nil {
		defer n.o.freeze.RUnlock()
		return n.o.truncate(n.ino, size)
	}
	n.o.freeze.RUnlock()
	return there.SetAttr(SetAttr{Mask: SetSize, Size: size})
}

// wrap opens a file where it moved to. o.freeze is held.
func (o *Overlay) wrap(m *movedNode, n Node, flag int) (Handle, error) {
	file, err := n.Open(flag)
	if err != nil {
		return nil, err
	}
	c, ok := file.(contents)
	if !ok {
		return file, nil // it stays where it is, should the files move again
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	h := &overlayHandle{o: o, flag: flag &^ os.O_TRUNC, to: c, at: m}
	o.enlist(h)
	return h, nil
}

func (h *overlayHandle) Close() error {
	err := os.ErrClosed
	h.once.Do(func() {
		h.o.freeze.RLock()
		defer h.o.freeze.RUnlock()
		h.o.mu.Lock()
		h.o.strike(h)
		if h.to == nil {
			err = h.o.release(h.ino)
		}
		h.o.mu.Unlock()
		if h.to != nil {
			err = h.to.Close()
		}
	})
	return err
}

// ReadAt waits for nobody who sends or moves the files. What it reads from may be closed meanwhile, since it moved.
func (h *overlayHandle) ReadAt(p []byte, off int64) (int, error) {
	for {
		n, from, err := h.readAt(p, off)
		if !errors.Is(err, os.ErrClosed) {
			return n, err
		}
		h.o.mu.RLock()
		now := h.to
		h.o.mu.RUnlock()
		if now == from {
			return n, syscall.EBADF
		}
	}
}

// readAt tells which handle was asked, nil for the Overlay itself.
func (h *overlayHandle) readAt(p []byte, off int64) (int, contents, error) {
	o := h.o
	o.mu.RLock()
	if to := h.to; to != nil {
		o.mu.RUnlock()
		n, err := to.ReadAt(p, off)
		return n, to, err
	}
	n := o.inodes[h.ino]
	if n == nil || n.where == inLayer {
		s := o.stack
		o.mu.RUnlock()
		if s == nil {
			return 0, nil, syscall.EBADF
		}
		k, err := s.readAt(h.ino, p, off)
		return k, nil, err
	}
	if n.where == inMemory {
		defer o.mu.RUnlock()
		k, err := n.get(p, off, n.size)
		return k, nil, err
	}
	f := n.file
	o.mu.RUnlock()
	if f == nil {
		return 0, nil, syscall.EBADF
	}
	k, err := f.ReadAt(p, off)
	return k, nil, err
}

func (h *overlayHandle) WriteAt(p []byte, off int64) (int, error) {
	h.o.freeze.RLock()
	defer h.o.freeze.RUnlock()
	if h.to != nil {
		return h.to.WriteAt(p, off)
	}
	n, _, err := h.o.write(h.ino, p, off)
	return n, err
}

// Append writes at the end; nobody writes between finding the end and writing there.
func (h *overlayHandle) Append(p []byte) (int, int64, error) {
	h.o.freeze.RLock()
	defer h.o.freeze.RUnlock()
	if h.to != nil {
		return h.to.Append(p)
	}
	return h.o.write(h.ino, p, -1)
}

func (h *overlayHandle) Truncate(size int64) error {
	h.o.freeze.RLock()
	defer h.o.freeze.RUnlock()
	if h.to != nil {
		return h.to.Truncate(size)
	}
	return h.o.truncate(h.ino, size)
}

func (h *overlayHandle) Sync() error {
	h.o.freeze.RLock()
	defer h.o.freeze.RUnlock()
	if h.to != nil {
		return h.to.Sync()
	}
	h.o.mu.Lock()
	defer h.o.mu.Unlock()
	if n := h.o.inodes[h.ino]; n != nil && n.file != nil {
		if err := n.file.Sync(); err != nil {
			return err
		}
	}
	return h.o.disk.sync()
}

// Stat describes the open file, whatever name it has by now.
func (h *overlayHandle) Stat() (Info, error) {
	o := h.o
	o.mu.RLock()
	if h.to == nil {
		defer o.mu.RUnlock()
		return o.info(h.ino), nil
	}
	o.mu.RUnlock()
	o.freeze.RLock()
	defer o.freeze.RUnlock()
	return h.to.Stat()
}

// hostPath is that of the file that has taken over.
func (h *overlayHandle) hostPath() (string, error) {
	h.o.freeze.RLock()
	defer h.o.freeze.RUnlock()
	if to, ok := h.to.(interface{ hostPath() (string, error) }); ok {
		return to.hostPath()
	}
	return "", syscall.ENOTSUP
}
