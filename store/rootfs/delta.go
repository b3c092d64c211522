package rootfs

import (
	"fmt"
	"io"
	"io/fs"
	"path"
	"sort"
	"strings"

	"github.com/containerd/errdefs"
)

// What names mean in the tar of an OCI layer (image-spec, layer.md).
const (
	whiteoutPrefix = ".wh."
	opaqueName     = ".wh..wh..opq" // in a directory: nothing of the one below is in it
	auxPrefix      = ".wh..wh."     // others of these mean nothing
)

// DeltaStats is what a Delta has.
type DeltaStats struct {
	Files   int64 // with directories and further names
	Removed int64 // names
	Bytes   int64 // of contents
	Skipped int64 // sockets, which a tar cannot have
}

// Delta writes the changes since a Mark, all that differs from the image for the zero one, as the tar of an OCI layer, and
// gives the Mark up to which it goes. PAX, sorted, parents first; a file with several names has all of them in it. What was
// moved is there in full, and a whiteout where it was. Changes wait while it is written, reading goes on. ErrMoved. After an
// error the Mark is the old one.
func (o *Overlay) Delta(w io.Writer, since Mark) (Mark, DeltaStats, error) {
	o.freeze.Lock()
	defer o.freeze.Unlock()
	return o.delta(w, since)
}

// delta is Delta with o.freeze held.
func (o *Overlay) delta(w io.Writer, since Mark) (Mark, DeltaStats, error) {
	d := delta{o: o, since: since.gen, items: map[string]item{}, full: map[uint64]bool{}}
	mark, items, err := d.plan(since)
	if err == nil {
		err = d.write(w, items)
	}
	if err != nil {
		return since, d.stats, fmt.Errorf("changed files: %w", err)
	}
	return mark, d.stats, nil
}

// plan finds out what is to be written.
func (d *delta) plan(since Mark) (Mark, []item, error) {
	o := d.o
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.closed:
		return since, nil, errdefs.ErrFailedPrecondition.WithMessage("the file system is closed")
	case o.to.Load() != nil:
		return since, nil, ErrMoved
	}
	if err := o.check(since); err != nil {
		return since, nil, err
	}
	mark := o.mark()
	if mark.gen == since.gen {
		return mark, nil, nil
	}
	names, inodes := d.changed()
	for _, c := range names {
		if c.child != 0 && o.typeOf(c.child).IsDir() {
			d.full[c.child] = true
		}
	}
	for _, c := range names {
		d.addName(c)
	}
	for _, ino := range inodes {
		d.addInode(ino)
	}
	d.addLinks()
	items := make([]item, 0, len(d.items))
	for at, it := range d.items {
		if base := path.Base(at); it.op == itemFile && strings.HasPrefix(base, whiteoutPrefix) {
			return since, nil, errdefs.ErrFailedPrecondition.WithMessage("/" + at + ": a layer cannot have a file whose name begins with " + whiteoutPrefix + ": rename it")
		}
		items = append(items, it)
	}
	sort.Slice(items, func(i, j int) bool { return items[i].less(&items[j]) })
	return mark, items, nil
}

// delta collects the items of a tar.
type delta struct {
	o     *Overlay
	since uint64
	items map[string]item // by path
	full  map[uint64]bool // directories that are written with all that is in them
	stats DeltaStats
}

type itemOp uint8

const (
	itemFile itemOp = iota
	itemWhiteout
	itemOpaque
)

// item is an entry of the tar.
type item struct {
	path string // relative to the root; of a whiteout, of what is removed; of an opaque marker, its directory
	op   itemOp
	ino  uint64
}

// name is the entry's in the tar.
func (it *item) name() string {
	switch it.op {
	case itemOpaque:
		return join(it.path, opaqueName)
	case itemWhiteout:
		dir, base := path.Split(it.path)
		return dir + whiteoutPrefix + base
	}
	return it.path
}

// less has a directory before what is in it, and its opaque marker before all others.
func (it *item) less(other *item) bool {
	if it.path == other.path {
		return it.op < other.op
	}
	return lessPath(it.path, other.path)
}

func lessPath(a, b string) bool {
	for i := 0; i < len(a) && i < len(b); i++ {
		if a[i] != b[i] {
			return a[i] == '/' || b[i] != '/' && a[i] < b[i]
		}
	}
	return len(a) < len(b)
}

// change is a name that is another one's, or nobody's, since the Mark.
type nameChange struct {
	dirName
	child uint64 // 0: nobody's
	had   bool   // there may have been a file
	dir   bool   // it may have been a directory
}

// changed gives the names and inodes that changed, in no order.
func (d *delta) changed() (names []nameChange, inodes []uint64) {
	o := d.o
	if d.since != 0 {
		seen := map[stamp]bool{}
		for _, s := range o.since(d.since) {
			n := o.inodes[s.ino]
			s.gen = 0
			if n == nil || seen[s] || o.gone(s.ino) {
				continue
			}
			seen[s] = true
			if s.name == "" {
				if n.gen > d.since {
					inodes = append(inodes, s.ino)
				}
				continue
			}
			if was := n.names[s.name]; was.gen > d.since {
				child, _ := o.lookup(s.ino, s.name)
				names = append(names, nameChange{dirName{s.ino, s.name}, child, !was.fresh, !was.fresh})
			}
		}
		return names, inodes
	}
	for ino, n := range o.inodes {
		if o.gone(ino) {
			continue
		}
		inodes = append(inodes, ino)
		for base, child := range n.entries {
			below, had := o.lookupLower(ino, base)
			if child != below {
				names = append(names, nameChange{dirName{ino, base}, child, had, had && o.stack.typeOf(below).IsDir()})
			}
		}
	}
	return names, inodes
}

// covered tells whether a directory is written with all that is in it, for its own or one above it.
func (d *delta) covered(dir uint64) bool {
	for ; dir != rootIno; dir = d.o.parentOf(dir) {
		if d.full[dir] {
			return true
		}
	}
	return false
}

func (d *delta) addName(c nameChange) {
	if d.covered(c.dirName.dir) {
		return
	}
	dir, ok := d.o.pathOf(c.dirName.dir)
	if !ok {
		return
	}
	at := join(dir, c.base)
	if c.child == 0 || !d.tree(at, c.child) {
		if c.had {
			d.items[at] = item{path: at, op: itemWhiteout}
		}
		return
	}
	if c.dir && d.full[c.child] {
		d.items[at+"/"+opaqueName] = item{path: at, op: itemOpaque}
	}
}

// tree adds a file with all that is in it; false where a tar cannot have it.
func (d *delta) tree(at string, ino uint64) bool {
	kind := d.o.typeOf(ino)
	if kind&fs.ModeSocket != 0 {
		d.stats.Skipped++
		return false
	}
	d.items[at] = item{path: at, ino: ino}
	if kind.IsDir() {
		d.o.each(ino, func(base string, child uint64) bool {
			d.tree(join(at, base), child)
			return true
		})
	}
	return true
}

// addInode adds a file whose attributes or contents changed, under a name that it has had.
func (d *delta) addInode(ino uint64) {
	kind := d.o.typeOf(ino)
	if kind&fs.ModeSocket != 0 {
		return
	}
	if kind.IsDir() {
		if at, ok := d.o.pathOf(ino); ok && !d.covered(ino) {
			d.items[at] = item{path: at, ino: ino}
		}
		return
	}
	if home, ok := d.o.nameOf(ino); ok {
		d.addFile(home, ino)
	}
}

func (d *delta) addFile(at dirName, ino uint64) {
	if d.covered(at.dir) {
		return
	}
	if dir, ok := d.o.pathOf(at.dir); ok {
		p := join(dir, at.base)
		d.items[p] = item{path: p, ino: ino}
	}
}

// addLinks adds the other names of files that have several: they stay names of one file.
func (d *delta) addLinks() {
	linked := map[uint64]bool{}
	for _, it := range d.items {
		if it.op == itemFile && !d.o.typeOf(it.ino).IsDir() && d.o.linked(it.ino) {
			linked[it.ino] = true
		}
	}
	if len(linked) == 0 {
		return
	}
	for ino, names := range d.o.namesOf(linked) {
		for _, at := range names {
			d.addFile(at, ino)
		}
	}
}
