package layer

import (
	"encoding/binary"
	"hash/crc32"
	"maps"
	"slices"
)

// The index file: magic, number of records (32 bits), bytes of strings (32 bits), bytes of all contents (64 bits), the
// records, the strings, and a CRC-32C of all before it. Numbers are little-endian. Record 0 is the root; the children of a
// directory are adjacent, sorted by name, whiteouts among them.
const (
	indexMagic  = "sklayer1"
	headerSize  = len(indexMagic) + 4 + 4 + 8
	recordSize  = 88
	trailerSize = 4
)

// Offsets in a record.
const (
	atName    = 0  // 32 bits, in the strings
	atNameLen = 4  // 16
	atFlags   = 6  // 16
	atMode    = 8  // 32, fs.FileMode
	atUID     = 12 // 32
	atGID     = 16 // 32
	atNlink   = 20 // 32
	atParent  = 24 // 32
	atFirst   = 28 // 32, first child; of a further name of a file: the record that has the file
	atCount   = 32 // 32, children
	atTarget  = 36 // 32, in the strings
	atTargLen = 40 // 32
	atXattrs  = 44 // 32, in the strings: 32-bit lengths and bytes of name, value, name, value …
	atXattrN  = 48 // 32, bytes of them
	atRdev    = 56 // 64, major in the upper half
	atSize    = 64 // 64
	atOffset  = 72 // 64, in the tar
	atMtime   = 80 // 64, Unix nanoseconds
)

const (
	flagImplicit = 1 << iota
	flagWhiteout
	flagOpaque
	flagForeign // a hard link to a path of a lower layer
	flagAlias   // a further name
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// indexer writes the index, breadth first, so that siblings are adjacent.
type indexer struct {
	records []byte
	strings []byte
	first   map[*inode]uint32 // the record of a file's first name
	bytes   int64
}

type pending struct {
	n      *inode
	record uint32
}

// index is the file's contents.
func (b *builder) index() []byte {
	x := &indexer{first: map[*inode]uint32{}}
	x.add("", 0, b.root)
	for queue := []pending{{b.root, 0}}; len(queue) > 0; queue = queue[1:] {
		dir := queue[0]
		names := slices.Collect(maps.Keys(dir.n.children))
		for name := range dir.n.hidden {
			if child := dir.n.children[name]; child == nil {
				names = append(names, name)
			} else if child.mode.IsDir() {
				child.opaque = true // it does not continue the one that the whiteout hides
			}
		}
		slices.Sort(names)
		x.put32(dir.record, atFirst, uint32(len(x.records)/recordSize))
		x.put32(dir.record, atCount, uint32(len(names)))
		for _, name := range names {
			child := dir.n.children[name]
			record := x.add(name, dir.record, child)
			if child != nil && child.mode.IsDir() {
				queue = append(queue, pending{child, record})
			}
		}
	}
	out := make([]byte, 0, headerSize+len(x.records)+len(x.strings)+trailerSize)
	out = append(out, indexMagic...)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(x.records)/recordSize))
	out = binary.LittleEndian.AppendUint32(out, uint32(len(x.strings)))
	out = binary.LittleEndian.AppendUint64(out, uint64(x.bytes))
	out = append(append(out, x.records...), x.strings...)
	return binary.LittleEndian.AppendUint32(out, crc32.Checksum(out, castagnoli))
}

// add appends the record of a name; n is nil for a whiteout.
func (x *indexer) add(name string, parent uint32, n *inode) uint32 {
	record := uint32(len(x.records) / recordSize)
	x.records = append(x.records, make([]byte, recordSize)...)
	x.put32(record, atName, x.str(name))
	binary.LittleEndian.PutUint16(x.records[int(record)*recordSize+atNameLen:], uint16(len(name)))
	x.put32(record, atParent, parent)
	if n == nil {
		x.flag(record, flagWhiteout)
		return record
	}
	if first, ok := x.first[n]; ok {
		x.flag(record, flagAlias)
		x.put32(record, atFirst, first)
		links := x.records[int(first)*recordSize+atNlink:]
		binary.LittleEndian.PutUint32(links, binary.LittleEndian.Uint32(links)+1)
		return record
	}
	x.first[n] = record
	switch {
	case n.foreign:
		x.flag(record, flagForeign)
	case n.implicit:
		x.flag(record, flagImplicit)
	}
	if n.opaque {
		x.flag(record, flagOpaque)
	}
	x.put32(record, atMode, uint32(n.mode))
	x.put32(record, atUID, n.uid)
	x.put32(record, atGID, n.gid)
	x.put32(record, atNlink, 1)
	if n.target != "" {
		x.put32(record, atTarget, x.str(n.target))
		x.put32(record, atTargLen, uint32(len(n.target)))
	}
	if len(n.xattrs) > 0 {
		at := len(x.strings)
		for _, s := range n.xattrs {
			x.strings = binary.LittleEndian.AppendUint32(x.strings, uint32(len(s)))
			x.strings = append(x.strings, s...)
		}
		x.put32(record, atXattrs, uint32(at))
		x.put32(record, atXattrN, uint32(len(x.strings)-at))
	}
	x.put64(record, atRdev, n.rdev)
	x.put64(record, atSize, uint64(n.size))
	x.put64(record, atOffset, uint64(n.offset))
	x.put64(record, atMtime, uint64(n.mtime))
	x.bytes += n.size
	return record
}

func (x *indexer) flag(record uint32, flag uint16) {
	flags := x.records[int(record)*recordSize+atFlags:]
	binary.LittleEndian.PutUint16(flags, binary.LittleEndian.Uint16(flags)|flag)
}

func (x *indexer) put32(record uint32, at int, v uint32) {
	binary.LittleEndian.PutUint32(x.records[int(record)*recordSize+at:], v)
}

func (x *indexer) put64(record uint32, at int, v uint64) {
	binary.LittleEndian.PutUint64(x.records[int(record)*recordSize+at:], v)
}

func (x *indexer) str(s string) uint32 {
	at := len(x.strings)
	x.strings = append(x.strings, s...)
	return uint32(at)
}
