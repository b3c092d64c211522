package rootfs

import (
	"fmt"
	"sort"

	"github.com/containerd/errdefs"
)

// Mark is a point in the history of an Overlay, as long as that is open. The zero Mark is the image.
type Mark struct {
	of  *Overlay
	gen uint64
}

// history tells what has changed since which Mark. Changes carry the number of the generation that they were made in; a
// Mark ends one. Until the first Mark nothing is written down: what differs from the image is in the inodes.
type history struct {
	marks  uint64  // generations that have ended
	log    []stamp // by generation; some are out of date
	roomy  int     // length at which the log is cleared of those
	oldest uint64  // of marks before this one, too little is known
}

// stamp says that an inode, or an entry of a directory if it has a name, changed in a generation. It is out of date if
// what it names says another generation.
type stamp struct {
	gen, ino uint64
	name     string
}

// changedName is what is known of an entry that changed after the first Mark.
type changedName struct {
	gen   uint64
	fresh bool // there was none at any Mark before
}

const (
	minLog    = 1 << 10
	maxBuried = 64 << 10 // names that are remembered though nothing has them any more
)

// Mark is now. It costs nothing where nothing has changed since the last one.
func (o *Overlay) Mark() Mark {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.mark()
}

func (o *Overlay) mark() Mark {
	if k := len(o.log); o.marks == 0 || k > 0 && o.log[k-1].gen > o.marks {
		o.marks++
	}
	return Mark{o, o.marks}
}

// check tells whether it is known what has changed since a Mark.
func (o *Overlay) check(since Mark) error {
	switch {
	case since.gen != 0 && since.of != o:
		return errdefs.ErrInvalidArgument.WithMessage("the mark is another file system's, or of an earlier opening: start with the zero mark")
	case since.gen != 0 && since.gen < o.oldest:
		return errdefs.ErrFailedPrecondition.WithMessage(fmt.Sprintf("too much was removed since mark %d: start with the zero mark and an empty tree", since.gen))
	}
	return nil
}

// stamp notes that an inode changed.
func (o *Overlay) stamp(n *inode) {
	if o.marks == 0 || n.gen > o.marks {
		return
	}
	n.gen = o.marks + 1
	o.note(stamp{gen: n.gen, ino: n.ino})
}

// stampName notes, before it does, that an entry of a directory changes to child, 0 for none.
func (o *Overlay) stampName(dir *inode, name string, child uint64) {
	if o.marks == 0 {
		return
	}
	was, known := dir.names[name]
	if known && was.gen > o.marks {
		if was.fresh && child == 0 {
			delete(dir.names, name) // came and went between two Marks
		}
		return
	}
	if dir.names == nil {
		dir.names = map[string]changedName{}
	}
	_, exists := o.lookup(dir.ino, name)
	dir.names[name] = changedName{o.marks + 1, !known && !exists}
	o.note(stamp{gen: o.marks + 1, ino: dir.ino, name: name})
}

func (o *Overlay) note(s stamp) {
	if o.log = append(o.log, s); len(o.log) < max(minLog, o.roomy) {
		return
	}
	buried := o.clear(func(stamp) bool { return true })
	if buried > maxBuried {
		// A name that was removed before the last Mark matters to older ones only.
		o.clear(func(s stamp) bool {
			if s.gen > o.marks {
				return true
			}
			delete(o.inodes[s.ino].names, s.name)
			return false
		})
		o.oldest = o.marks
	}
	o.roomy = 2 * len(o.log)
}

// clear drops the stamps that are out of date, and those of removed names that keep refuses. It tells how many of these
// there are.
func (o *Overlay) clear(keep func(stamp) bool) (buried int) {
	kept := o.log[:0]
	for _, s := range o.log {
		n := o.inodes[s.ino]
		switch {
		case n == nil, s.name == "" && n.gen != s.gen, s.name != "" && n.names[s.name].gen != s.gen:
			continue
		case s.name != "":
			if _, exists := o.lookup(s.ino, s.name); !exists {
				buried++
				if !keep(s) {
					continue
				}
			}
		}
		kept = append(kept, s)
	}
	clear(o.log[len(kept):])
	o.log = kept
	return buried
}

// since gives the stamps after a generation, those out of date too.
func (o *Overlay) since(gen uint64) []stamp {
	return o.log[sort.Search(len(o.log), func(i int) bool { return o.log[i].gen > gen }):]
}

// meeting is an entry of a directory that another side's change is applied to.
type meeting struct {
	o             *Overlay
	dir, child    uint64
	name          string
	dirGen        uint64
	changed, made uint64 // generations in which the file and its name changed here
	isDir         bool
	merged        bool // a directory that both sides have: what is in it is not the other one's
}

// meet notes what is known of an entry before it is changed.
func (o *Overlay) meet(dir uint64, name string) meeting {
	o.mu.RLock()
	defer o.mu.RUnlock()
	m := meeting{o: o, dir: dir, name: name}
	if d := o.inodes[dir]; d != nil {
		m.dirGen, m.made = d.gen, d.names[name].gen
	}
	if ino, ok := o.lookup(dir, name); ok {
		m.child, m.isDir = ino, o.typeOf(ino).IsDir()
		if n := o.inodes[ino]; n != nil {
			m.changed = n.gen
		}
	}
	return m
}

// conflicts tells whether the entry changed here since a Mark. A directory whose contents changed did not.
func (m *meeting) conflicts(since Mark) bool {
	return since.of == m.o && (m.made > since.gen || !m.isDir && m.changed > since.gen)
}

// agree makes what has happened to the entry no change of this side: the other one has it already.
func (m *meeting) agree() {
	o := m.o
	o.mu.Lock()
	defer o.mu.Unlock()
	if d := o.inodes[m.dir]; d != nil {
		d.gen = m.dirGen
		if !m.merged {
			delete(d.names, m.name)
		}
	}
	if n := o.inodes[m.child]; n != nil {
		n.gen = m.changed // it may have other names
	}
	if ino, ok := o.lookup(m.dir, m.name); ok {
		if n := o.inodes[ino]; n != nil {
			n.gen = 0
		}
	}
}

// agree is meeting.agree for the attributes of a directory.
func (o *Overlay) agree(ino uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if n := o.inodes[ino]; n != nil {
		n.gen = 0
	}
}
