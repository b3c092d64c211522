package rootfs

import "sync"

// dirName is an entry of a directory.
type dirName struct {
	dir  uint64
	base string
}

// rehome keeps inode.home when an entry of a directory becomes child, 0 for none.
func (o *Overlay) rehome(dir *inode, base string, child uint64) {
	if old := o.inodes[dir.entries[base]]; old != nil && old.home == (dirName{dir.ino, base}) {
		old.home = dirName{}
	}
	if n := o.inodes[child]; n != nil {
		n.home = dirName{dir.ino, base}
	}
}

// findHomes does it for all, after a journal was read, which has inodes in any order.
func (o *Overlay) findHomes() {
	for _, n := range o.inodes {
		for base, child := range n.entries {
			if c := o.inodes[child]; c != nil {
				c.home = dirName{n.ino, base}
			}
		}
	}
}

// nameOf finds a name of a file that has one, and is not the root.
func (o *Overlay) nameOf(ino uint64) (dirName, bool) {
	n := o.inodes[ino]
	if n != nil && n.home.base != "" {
		return n.home, true
	}
	if o.stack != nil && ino < upperIno {
		if at, ok := o.stack.nameOf(ino); ok {
			if found, ok := o.lookup(at.dir, at.base); ok && found == ino {
				return at, true
			}
		}
	}
	all := o.namesOf(map[uint64]bool{ino: true})[ino]
	if len(all) == 0 {
		return dirName{}, false
	}
	return all[0], true
}

// namesOf finds all names of some files. It looks at all changed directories, so it is for hard links.
func (o *Overlay) namesOf(wanted map[uint64]bool) map[uint64][]dirName {
	found := map[uint64][]dirName{}
	for dir, n := range o.inodes {
		if o.gone(dir) {
			continue
		}
		for base, child := range n.entries {
			if child != 0 && wanted[child] {
				found[child] = append(found[child], dirName{dir, base})
			}
		}
	}
	for ino := range wanted {
		if o.stack == nil || ino >= upperIno {
			continue
		}
		below := o.stack.links()[ino]
		if below == nil {
			if at, ok := o.stack.nameOf(ino); ok {
				below = []dirName{at}
			}
		}
		for _, at := range below {
			if n := o.inodes[at.dir]; n != nil {
				if _, differs := n.entries[at.base]; differs || o.gone(at.dir) {
					continue
				}
			}
			if now, ok := o.lookup(at.dir, at.base); ok && now == ino {
				found[ino] = append(found[ino], at)
			}
		}
	}
	return found
}

// linked tells whether a file may have several names.
func (o *Overlay) linked(ino uint64) bool {
	if m, _ := o.stat(ino); m.nlink > 1 {
		return true
	}
	return o.stack != nil && ino < upperIno && len(o.stack.links()[ino]) > 1
}

// pathOf is the path of a directory, relative to the root, which is "".
func (o *Overlay) pathOf(dir uint64) (string, bool) {
	p := ""
	for dir != rootIno {
		at, ok := o.nameOf(dir)
		if !ok {
			return "", false
		}
		if p = join(at.base, p); at.dir == dir {
			return "", false
		}
		dir = at.dir
	}
	return p, true
}

func join(dir, base string) string {
	switch {
	case dir == "":
		return base
	case base == "":
		return dir
	}
	return dir + "/" + base
}

// nameOf is the first name of a file in the layers.
func (s *stack) nameOf(ino uint64) (dirName, bool) {
	if ino == rootIno {
		return dirName{}, false
	}
	_, i, record := s.at(ino)
	return s.nameOfRecord(i, record)
}

func (s *stack) nameOfRecord(i int, record uint32) (dirName, bool) {
	l := s.layers[i]
	var above []string
	for at := l.Parent(record); at != 0; at = l.Parent(at) {
		above = append(above, l.Name(at))
	}
	dir := uint64(rootIno)
	for k := len(above) - 1; k >= 0; k-- {
		next, ok := s.lookup(dir, above[k])
		if !ok {
			return dirName{}, false
		}
		dir = next
	}
	return dirName{dir, l.Name(record)}, true
}

// linkIndex has the files of the layers with several names. It is made once for an image, when a change first asks.
type linkIndex struct {
	once  sync.Once
	names map[uint64][]dirName
}

func (s *stack) links() map[uint64][]dirName {
	s.linkIndex.once.Do(func() {
		all := map[uint64]map[dirName]bool{}
		add := func(ino uint64, i int, record uint32) {
			if at, ok := s.nameOfRecord(i, record); ok {
				if now, ok := s.lookup(at.dir, at.base); ok && now == ino {
					if all[ino] == nil {
						all[ino] = map[dirName]bool{}
					}
					all[ino][at] = true
				}
			}
		}
		for i, l := range s.layers {
			for record := range uint32(l.Len()) {
				if l.Whiteout(record) || l.Mode(record).IsDir() {
					continue
				}
				if _, foreign := l.Foreign(l.File(record)); !foreign && l.File(record) == record {
					continue
				}
				if ino, ok := s.number(i, record); ok {
					add(ino, i, record)
					_, first, own := s.at(ino)
					add(ino, first, own)
				}
			}
		}
		s.linkIndex.names = map[uint64][]dirName{}
		for ino, names := range all {
			for at := range names {
				s.linkIndex.names[ino] = append(s.linkIndex.names[ino], at)
			}
		}
	})
	return s.linkIndex.names
}
