package rootfs

import (
	"encoding/binary"
	"errors"
	"io/fs"
)

var errBadFact = errors.New("journal record cannot be understood")

// encode appends a fact: its kind, the inode, and what the kind has, numbers as varints, strings with their length.
func (f *fact) encode(b []byte) []byte {
	b = append(b, byte(f.op))
	b = binary.AppendUvarint(b, f.ino)
	switch f.op {
	case opInode:
		m := &f.meta
		b = binary.AppendUvarint(b, uint64(m.mode))
		b = binary.AppendUvarint(b, uint64(m.uid))
		b = binary.AppendUvarint(b, uint64(m.gid))
		b = binary.AppendUvarint(b, uint64(m.nlink))
		b = binary.AppendUvarint(b, m.rdev)
		b = binary.AppendUvarint(b, uint64(m.size))
		b = binary.AppendVarint(b, m.atime)
		b = binary.AppendVarint(b, m.mtime)
		b = binary.AppendVarint(b, m.ctime)
		b = append(b, byte(m.where))
		b = binary.AppendUvarint(b, f.parent)
		b = appendString(b, f.target)
	case opEntry:
		b = binary.AppendUvarint(b, f.child)
		b = appendString(b, f.name)
	case opSame:
		b = appendString(b, f.name)
	case opWrite:
		b = binary.AppendUvarint(b, uint64(f.off))
		b = binary.AppendVarint(b, f.when)
		b = appendString(b, f.data)
	case opSize:
		b = binary.AppendUvarint(b, uint64(f.off))
		b = binary.AppendVarint(b, f.when)
	case opXattrs:
		b = binary.AppendUvarint(b, uint64(len(f.xattrs)))
		for name, value := range f.xattrs {
			b = appendString(b, name)
			b = appendString(b, value)
		}
	}
	return b
}

func appendString[T string | []byte](b []byte, s T) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// factReader takes values off a record; the first that is not there spoils all that follow.
type factReader struct {
	b   []byte
	bad bool
}

func (r *factReader) byte() byte {
	if len(r.b) == 0 {
		r.bad = true
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *factReader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad = true
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *factReader) int() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.bad = true
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *factReader) bytes() []byte {
	n := r.uint()
	if n > uint64(len(r.b)) {
		r.bad = true
		return nil
	}
	s := r.b[:n]
	r.b = r.b[n:]
	return s
}

// decode reads a fact, and gives what follows it. Data stays a part of b, which apply copies.
func (f *fact) decode(b []byte) ([]byte, error) {
	r := factReader{b: b}
	f.op = factOp(r.byte())
	f.ino = r.uint()
	switch f.op {
	case opInode:
		f.meta = meta{
			mode: fs.FileMode(r.uint()), uid: uint32(r.uint()), gid: uint32(r.uint()), nlink: uint32(r.uint()),
			rdev: r.uint(), size: int64(r.uint()), atime: r.int(), mtime: r.int(), ctime: r.int(), where: where(r.byte()),
		}
		f.parent = r.uint()
		f.target = string(r.bytes())
	case opEntry:
		f.child = r.uint()
		f.name = string(r.bytes())
	case opSame:
		f.name = string(r.bytes())
	case opWrite:
		f.off = int64(r.uint())
		f.when = r.int()
		f.data = r.bytes()
	case opSize:
		f.off = int64(r.uint())
		f.when = r.int()
	case opXattrs:
		f.xattrs = map[string][]byte{}
		for n := r.uint(); n > 0 && !r.bad; n-- {
			name := string(r.bytes())
			f.xattrs[name] = append([]byte(nil), r.bytes()...)
		}
	case opGone:
	default:
		r.bad = true
	}
	if r.bad || f.off < 0 || f.op == opWrite && f.off+int64(len(f.data)) > 2*inlineMax {
		return nil, errBadFact
	}
	return r.b, nil
}
