package rootfs

import (
	"io/fs"
	"syscall"
	"time"
)

// factOp is a kind of change to the upper tree.
type factOp uint8

const (
	opInode  factOp = iota + 1 // ino is meta, target, parent; keeps contents, entries and attributes that it has
	opEntry                    // in directory ino, name is child; 0 is a whiteout
	opSame                     // in directory ino, name is as in the layers
	opWrite                    // contents in memory: data at off; the time of change is when
	opSize                     // contents in memory get length off
	opXattrs                   // all extended attributes of ino
	opGone                     // ino is no more
)

// fact is one change. What an operation does is a list of facts, which is written to the journal as one record and then
// applied, by the same function that applies it when the journal is replayed.
type fact struct {
	op     factOp
	ino    uint64
	child  uint64
	off    int64
	when   int64
	name   string
	data   []byte
	meta   meta
	parent uint64
	target string
	xattrs map[string][]byte
}

// change collects an operation's facts. Inodes that it touches are changed in copies, which commit turns into facts.
type change struct {
	o       *Overlay
	now     int64
	facts   []fact
	touched []*touched
}

type touched struct {
	meta
	ino    uint64
	parent uint64
	target string
}

// begin starts a change. Call with o.mu locked, until after commit.
func (o *Overlay) begin() *change {
	return &change{o: o, now: time.Now().UnixNano()}
}

// touch is the inode as it will be.
func (c *change) touch(ino uint64) *touched {
	for _, t := range c.touched {
		if t.ino == ino {
			return t
		}
	}
	t := &touched{ino: ino}
	t.meta, t.target = c.o.statToChange(ino)
	if t.mode.IsDir() {
		t.parent = c.o.parentOf(ino)
	}
	c.touched = append(c.touched, t)
	return t
}

// add makes an inode.
func (c *change) add(a Attr) *touched {
	c.o.lastIno = max(c.o.lastIno+1, upperIno)
	t := &touched{ino: c.o.lastIno, target: a.Target, meta: meta{
		mode: a.Mode & (fs.ModeType | permBits), uid: a.UID, gid: a.GID, rdev: a.Rdev, nlink: 1,
		atime: c.now, mtime: c.now, ctime: c.now,
	}}
	c.touched = append(c.touched, t)
	return t
}

// entry sets what name is in a directory; child 0 removes it.
func (c *change) entry(dir uint64, name string, child uint64) {
	d := c.touch(dir)
	d.mtime, d.ctime = c.now, c.now
	f := fact{op: opEntry, ino: dir, name: name, child: child}
	if child == 0 {
		if _, below := c.o.lookupLower(dir, name); !below {
			f.op = opSame
		}
	}
	c.facts = append(c.facts, f)
}

// unlink takes a name, in directory dir, from an inode.
func (c *change) unlink(ino, dir uint64) {
	t := c.touch(ino)
	t.ctime = c.now
	if t.mode.IsDir() {
		t.nlink = 0
		c.touch(dir).nlink--
	} else {
		t.nlink--
	}
}

// commit writes the facts to the journal, then applies them. On an error nothing has changed.
func (c *change) commit() error {
	all := make([]fact, 0, len(c.touched)+len(c.facts)+1)
	for _, t := range c.touched {
		all = append(all, fact{op: opInode, ino: t.ino, meta: t.meta, target: t.target, parent: t.parent})
	}
	all = append(all, c.facts...)
	for _, t := range c.touched {
		if t.nlink == 0 && c.o.opens[t.ino] == 0 {
			all = append(all, fact{op: opGone, ino: t.ino})
		}
	}
	return c.o.commit(all)
}

func (o *Overlay) commit(all []fact) error {
	if o.closed {
		return syscall.EBADF
	}
	if err := o.disk.write(o, all); err != nil {
		return err
	}
	for i := range all {
		o.apply(&all[i])
	}
	return nil
}

// apply changes memory.
func (o *Overlay) apply(f *fact) {
	n := o.inodes[f.ino]
	var was meta
	var target string
	if f.op == opInode && o.marks > 0 {
		was, target = o.stat(f.ino)
	}
	if n == nil && f.op != opGone {
		if o.inodes == nil {
			o.inodes = map[uint64]*inode{}
		}
		n = &inode{ino: f.ino}
		o.inodes[f.ino] = n
		o.lastIno = max(o.lastIno, f.ino)
	}
	switch f.op {
	case opInode:
		n.meta, n.target, n.parent = f.meta, f.target, f.parent
		if was.where = f.meta.where; was != f.meta || target != f.target {
			o.stamp(n) // but not for where the contents are
		}
	case opEntry:
		o.stampName(n, f.name, f.child)
		o.rehome(n, f.name, f.child)
		if n.entries == nil {
			n.entries = map[string]uint64{}
		}
		n.entries[f.name] = f.child
	case opSame:
		o.stampName(n, f.name, 0)
		o.rehome(n, f.name, 0)
		delete(n.entries, f.name)
	case opWrite:
		o.used += n.put(f.data, f.off)
		n.size = max(n.size, f.off+int64(len(f.data)))
		n.mtime, n.ctime, n.where = f.when, f.when, inMemory
		o.stamp(n)
	case opSize:
		o.used -= n.cut(f.off)
		n.size, n.mtime, n.ctime, n.where = f.off, f.when, f.when, inMemory
		o.stamp(n)
	case opXattrs:
		n.xattrs = f.xattrs
		o.stamp(n)
	case opGone:
		if n == nil {
			return
		}
		o.used -= n.cut(0)
		o.disk.forget(n)
		if f.ino >= upperIno {
			delete(o.inodes, f.ino)
			return
		}
		// Who still works in a removed directory of a layer must not find the layer's again.
		*n = inode{ino: f.ino, parent: n.parent, meta: meta{mode: n.mode, uid: n.uid, gid: n.gid}}
	}
}
