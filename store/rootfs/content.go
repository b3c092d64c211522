package rootfs

import (
	"io"
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	pageSize  = 64 << 10
	inlineMax = 1 << 10 // with an upper directory, longer contents go to a host file
)

// content is what a regular file holds: in memory the first page in head and the others, where written, in pages; or a
// host file, open while somebody has the file open.
type content struct {
	head    []byte
	pages   map[int64][]byte // by number, from 1
	file    *os.File
	writing sync.Mutex // held for writes to the host file, which happen without the Overlay's lock; taken before it
}

// page gives page number i, as far as it was written.
func (c *content) page(i int64) []byte {
	if i == 0 {
		return c.head
	}
	return c.pages[i]
}

// growth is by how much a write of n bytes at off makes the pages longer.
func (c *content) growth(off int64, n int) (more int64) {
	for end := off + int64(n); off < end; {
		i := off / pageSize
		stop := min(end, (i+1)*pageSize)
		more += max(0, stop-i*pageSize-int64(len(c.page(i))))
		off = stop
	}
	return more
}

// put writes into the pages, and tells by how much they grew.
func (c *content) put(p []byte, off int64) (grown int64) {
	for len(p) > 0 {
		i, at := off/pageSize, int(off%pageSize)
		n := min(len(p), pageSize-at)
		b := c.page(i)
		old := len(b)
		if old < at {
			b = append(b, make([]byte, at-old)...)
		}
		k := copy(b[at:], p[:n])
		b = append(b, p[k:n]...)
		grown += int64(len(b) - old)
		if i == 0 {
			c.head = b
		} else {
			if c.pages == nil {
				c.pages = map[int64][]byte{}
			}
			c.pages[i] = b
		}
		p, off = p[n:], off+int64(n)
	}
	return grown
}

// cut removes what is beyond size, and tells how many bytes that freed.
func (c *content) cut(size int64) (freed int64) {
	last, at := size/pageSize, int(size%pageSize)
	for i, b := range c.pages {
		switch {
		case i > last || i == last && at == 0:
			freed += int64(len(b))
			delete(c.pages, i)
		case i == last && len(b) > at:
			freed += int64(len(b) - at)
			c.pages[i] = b[:at:at]
		}
	}
	if last == 0 && len(c.head) > at {
		freed += int64(len(c.head) - at)
		c.head = c.head[:at:at]
	}
	if size == 0 {
		c.head, c.pages = nil, nil
	}
	return freed
}

// get reads from the pages of a file of the given size. What was never written is zero.
func (c *content) get(p []byte, off, size int64) (int, error) {
	if off >= size {
		return 0, io.EOF
	}
	want := int(min(int64(len(p)), size-off))
	for n := 0; n < want; {
		i, at := off/pageSize, int(off%pageSize)
		part := p[n:min(want, n+pageSize-at)]
		k := 0
		if b := c.page(i); at < len(b) {
			k = copy(part, b[at:])
		}
		clear(part[k:])
		n, off = n+len(part), off+int64(len(part))
	}
	if want < len(p) {
		return want, io.EOF
	}
	return want, nil
}

// openFile opens the host file of an inode that has one.
func (o *Overlay) openFile(n *inode) (err error) {
	if n.file == nil && (n.where == inFile || n.where == inDirty) {
		n.file, err = o.disk.open(n.ino, os.O_RDWR)
	}
	return err
}

// hold counts an opening of a file, until release.
func (o *Overlay) hold(ino uint64) {
	if o.opens == nil {
		o.opens = map[uint64]int32{}
	}
	o.opens[ino]++
}

// release lets go of an open file; the last one writes down its size, and removes it if it lost its last name meanwhile.
func (o *Overlay) release(ino uint64) error {
	if o.opens[ino]--; o.opens[ino] > 0 {
		return nil
	}
	delete(o.opens, ino)
	n := o.inodes[ino]
	if n == nil {
		return nil
	}
	if n.nlink == 0 {
		return o.commit([]fact{{op: opGone, ino: ino}})
	}
	var err error
	if n.where == inDirty {
		err = o.settle(n)
	}
	if n.file != nil {
		if closeErr := n.file.Close(); err == nil {
			err = closeErr
		}
		n.file = nil
	}
	return err
}

// settle writes down what an inode is whose host file was written to.
func (o *Overlay) settle(n *inode) error {
	m := n.meta
	m.where = inFile
	return o.commit([]fact{{op: opInode, ino: n.ino, meta: m, parent: n.parent}})
}

// dirty notes, before the first write to a host file, that from now on it tells the size.
func (o *Overlay) dirty(n *inode) error {
	if n.where == inDirty {
		return nil
	}
	m := n.meta
	m.where = inDirty
	return o.commit([]fact{{op: opInode, ino: n.ino, meta: m, parent: n.parent}})
}

// write writes at off, or at the end if that is -1. It gives the position behind what was written. o.freeze is held.
func (o *Overlay) write(ino uint64, p []byte, off int64) (int, int64, error) {
	o.mu.Lock()
	n, err := o.copyUp(ino)
	if err != nil {
		o.mu.Unlock()
		return 0, max(off, 0), err
	}
	if n.where == inMemory {
		at := off
		if at < 0 {
			at = n.size
		}
		if end := at + int64(len(p)); o.disk == nil || end <= inlineMax {
			defer o.mu.Unlock()
			if len(p) == 0 {
				return 0, at, nil
			}
			if o.limit > 0 && o.used+n.growth(at, len(p)) > o.limit {
				return 0, at, syscall.ENOSPC
			}
			err := o.commit([]fact{{op: opWrite, ino: ino, off: at, data: p, when: time.Now().UnixNano()}})
			if err != nil {
				return 0, at, err
			}
			return len(p), end, nil
		}
		err = o.spill(n)
	}
	if err == nil {
		err = o.dirty(n)
	}
	o.mu.Unlock()
	if err != nil {
		return 0, max(off, 0), err
	}

	n.writing.Lock()
	defer n.writing.Unlock()
	o.mu.RLock()
	f := n.file
	if off < 0 {
		off = n.size
	}
	o.mu.RUnlock()
	if f == nil {
		return 0, off, syscall.EBADF
	}
	k, err := f.WriteAt(p, off)
	o.mu.Lock()
	n.size = max(n.size, off+int64(k))
	n.mtime = time.Now().UnixNano()
	n.ctime = n.mtime
	o.stamp(n)
	o.mu.Unlock()
	return k, off + int64(k), err
}

// truncate sets a file's length. o.freeze is held.
func (o *Overlay) truncate(ino uint64, size int64) error {
	o.mu.Lock()
	m, _ := o.statToChange(ino)
	n := o.inodes[ino]
	var err error
	switch {
	case n == nil && ino >= upperIno:
		err = syscall.ENOENT
	case m.where == inLayer && size == 0:
		// Nothing of the layer's contents is needed.
		m.where, m.size = inMemory, 0
		m.mtime = time.Now().UnixNano()
		m.ctime = m.mtime
		err = o.commit([]fact{{op: opInode, ino: ino, meta: m}})
		o.mu.Unlock()
		return err
	default:
		n, err = o.copyUp(ino)
	}
	if err == nil && n.where == inMemory {
		if o.disk == nil || size <= inlineMax {
			defer o.mu.Unlock()
			return o.commit([]fact{{op: opSize, ino: ino, off: size, when: time.Now().UnixNano()}})
		}
		err = o.spill(n)
	}
	if err == nil {
		err = o.openFile(n)
	}
	if err == nil {
		err = o.dirty(n)
	}
	if err != nil {
		o.mu.Unlock()
		return err
	}
	o.hold(ino) // keeps the host file open
	f := n.file
	o.mu.Unlock()

	n.writing.Lock()
	err = f.Truncate(size)
	o.mu.Lock()
	if err == nil {
		n.size = size
		n.mtime = time.Now().UnixNano()
		n.ctime = n.mtime
		o.stamp(n)
	}
	n.writing.Unlock()
	defer o.mu.Unlock()
	if closeErr := o.release(ino); err == nil {
		err = closeErr
	}
	return err
}

// copyUp makes sure that a file's contents can be written to: those of a layer are copied.
func (o *Overlay) copyUp(ino uint64) (*inode, error) {
	n := o.inodes[ino]
	if n != nil && n.where != inLayer {
		return n, nil
	}
	if n == nil && ino >= upperIno {
		return nil, syscall.ENOENT
	}
	m, _ := o.statToChange(ino)
	if o.disk != nil && m.size > inlineMax {
		f, err := o.disk.open(ino, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
		if err != nil {
			return nil, err
		}
		_, err = io.Copy(f, io.NewSectionReader(lowerFile{o.stack, ino}, 0, m.size))
		if err == nil {
			m.where = inDirty
			err = o.commit([]fact{{op: opInode, ino: ino, meta: m}})
		}
		if err != nil {
			f.Close()
			return nil, err
		}
		n = o.inodes[ino]
		n.file = f
		return n, nil
	}
	size := m.size
	m.where, m.size = inMemory, 0
	facts := []fact{{op: opInode, ino: ino, meta: m}}
	if size > 0 {
		if o.limit > 0 && o.used+size > o.limit {
			return nil, syscall.ENOSPC
		}
		data := make([]byte, size)
		if k, err := o.stack.readAt(ino, data, 0); k < len(data) {
			return nil, err
		}
		facts = append(facts, fact{op: opWrite, ino: ino, data: data, when: m.mtime})
	}
	if err := o.commit(facts); err != nil {
		return nil, err
	}
	return o.inodes[ino], nil
}

// lowerFile reads a file of the layers.
type lowerFile struct {
	s   *stack
	ino uint64
}

func (l lowerFile) ReadAt(p []byte, off int64) (int, error) { return l.s.readAt(l.ino, p, off) }

// spill moves contents from memory to a host file.
func (o *Overlay) spill(n *inode) error {
	f, err := o.disk.open(n.ino, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return err
	}
	if _, err = f.Write(n.head); err == nil {
		err = f.Truncate(n.size)
	}
	if err == nil {
		m := n.meta
		m.where = inDirty
		err = o.commit([]fact{{op: opInode, ino: n.ino, meta: m}})
	}
	if err != nil {
		f.Close()
		return err
	}
	o.used -= n.cut(0)
	n.file = f
	return nil
}
