package layer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"unsafe"
)

// Layer is an open layer: an index in memory, and a file descriptor of the tar. It is shared by all who open the same
// directory in this process, and safe for concurrent use.
type Layer struct {
	dir     string
	tar     *os.File
	raw     []byte // of the index file
	records []byte
	strings string // a part of raw
	bytes   int64
	refs    int // guarded by opened.mu
}

// opened has the layers that are open in this process. A layer never changes, ten thousand containers of an image must
// not hold ten thousand copies of its indexes, and who opens one knows nothing of the others: so this is the process's.
var opened = struct {
	mu     sync.Mutex
	layers map[string]*Layer
}{layers: map[string]*Layer{}}

// Open opens the layer in a directory of a Store. Every Open needs a Close.
func Open(dir string) (*Layer, error) {
	dir = filepath.Clean(dir)
	opened.mu.Lock()
	defer opened.mu.Unlock()
	l := opened.layers[dir]
	if l == nil {
		var err error
		if l, err = load(dir); err != nil {
			return nil, fmt.Errorf("open layer %s: %w", filepath.Base(dir), err)
		}
		opened.layers[dir] = l
	}
	l.refs++
	return l, nil
}

func load(dir string) (*Layer, error) {
	raw, err := os.ReadFile(filepath.Join(dir, indexName))
	if err != nil {
		return nil, err
	}
	l, err := parse(raw)
	if err != nil {
		return nil, err
	}
	l.dir = dir
	l.tar, err = os.Open(filepath.Join(dir, tarName))
	return l, err
}

// parse checks an index once, so that what reads it need not.
func parse(raw []byte) (*Layer, error) {
	bad := &FormatError{Reason: "index is damaged"}
	if len(raw) < headerSize+recordSize+trailerSize || string(raw[:len(indexMagic)]) != indexMagic {
		return nil, bad
	}
	body := raw[:len(raw)-trailerSize]
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(raw[len(body):]) {
		return nil, bad
	}
	head := raw[len(indexMagic):]
	records := int64(binary.LittleEndian.Uint32(head)) * recordSize
	if int64(headerSize)+records+int64(binary.LittleEndian.Uint32(head[4:])) != int64(len(body)) {
		return nil, bad
	}
	text := body[int64(headerSize)+records:]
	return &Layer{
		raw:     raw,
		records: body[headerSize : int64(headerSize)+records],
		strings: unsafe.String(unsafe.SliceData(text), len(text)), // raw is never written to
		bytes:   int64(binary.LittleEndian.Uint64(head[8:])),
	}, nil
}

// Close lets go of the layer; the last one closes it.
func (l *Layer) Close() error {
	opened.mu.Lock()
	defer opened.mu.Unlock()
	if l.refs--; l.refs > 0 {
		return nil
	}
	delete(opened.layers, l.dir)
	return l.tar.Close()
}

// Tar is the layer as it was imported, byte for byte, and its length in bytes.
func (l *Layer) Tar() (io.ReadCloser, int64, error) {
	f, err := os.Open(filepath.Join(l.dir, tarName))
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size(), nil
}

// Dir is the directory that the layer was opened from.
func (l *Layer) Dir() string { return l.dir }

// Len is the number of records. Record 0 is the root.
func (l *Layer) Len() int { return len(l.records) / recordSize }

// Bytes is the length of all files' contents together.
func (l *Layer) Bytes() int64 { return l.bytes }

// Entry is what a record says of a file.
type Entry struct {
	Mode   fs.FileMode
	UID    uint32
	GID    uint32
	Nlink  uint32 // names in this layer; of a directory 1
	Major  uint32
	Minor  uint32
	Size   int64
	Mtime  int64 // Unix nanoseconds
	Target string
}

func (l *Layer) get16(i uint32, at int) uint16 {
	return binary.LittleEndian.Uint16(l.records[int(i)*recordSize+at:])
}

func (l *Layer) get32(i uint32, at int) uint32 {
	return binary.LittleEndian.Uint32(l.records[int(i)*recordSize+at:])
}

func (l *Layer) get64(i uint32, at int) uint64 {
	return binary.LittleEndian.Uint64(l.records[int(i)*recordSize+at:])
}

// Name is a record's name in its directory.
func (l *Layer) Name(i uint32) string {
	at := l.get32(i, atName)
	return l.strings[at : at+uint32(l.get16(i, atNameLen))]
}

// Parent is the record of the directory that a record is in.
func (l *Layer) Parent(i uint32) uint32 { return l.get32(i, atParent) }

// Children are the records of a directory's entries, whiteouts among them: count of them from first, sorted by name.
func (l *Layer) Children(dir uint32) (first, count uint32) {
	return l.get32(dir, atFirst), l.get32(dir, atCount)
}

// Child finds an entry of a directory, which may be a whiteout.
func (l *Layer) Child(dir uint32, name string) (uint32, bool) {
	first, count := l.Children(dir)
	low, high := first, first+count
	for low < high {
		mid := low + (high-low)/2
		if l.Name(mid) < name {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low, low < first+count && l.Name(low) == name
}

// Whiteout tells whether a record hides what lower layers have under its name. It is no file then.
func (l *Layer) Whiteout(i uint32) bool { return l.get16(i, atFlags)&flagWhiteout != 0 }

// Opaque tells whether a directory hides what lower layers have in it.
func (l *Layer) Opaque(i uint32) bool { return l.get16(i, atFlags)&flagOpaque != 0 }

// Implicit tells whether a directory had no entry in the tar, so that its attributes are a lower layer's.
func (l *Layer) Implicit(i uint32) bool { return l.get16(i, atFlags)&flagImplicit != 0 }

// Foreign gives the path, relative to the root, of the lower layer's file that a record is a hard link to.
func (l *Layer) Foreign(i uint32) (string, bool) {
	if l.get16(i, atFlags)&flagForeign == 0 {
		return "", false
	}
	return l.target(i), true
}

// File is the record that has a file's attributes, contents and number: i itself but for a hard link's further names.
func (l *Layer) File(i uint32) uint32 {
	if l.get16(i, atFlags)&flagAlias != 0 {
		return l.get32(i, atFirst)
	}
	return i
}

// Mode is the file's type and permissions. i must be a File, as for all that follows.
func (l *Layer) Mode(i uint32) fs.FileMode { return fs.FileMode(l.get32(i, atMode)) }

func (l *Layer) target(i uint32) string {
	at := l.get32(i, atTarget)
	return l.strings[at : at+l.get32(i, atTargLen)]
}

// Entry is all that is known about a file, but for extended attributes.
func (l *Layer) Entry(i uint32) Entry {
	rdev := l.get64(i, atRdev)
	return Entry{
		Mode: l.Mode(i), UID: l.get32(i, atUID), GID: l.get32(i, atGID), Nlink: l.get32(i, atNlink),
		Major: uint32(rdev >> 32), Minor: uint32(rdev),
		Size: int64(l.get64(i, atSize)), Mtime: int64(l.get64(i, atMtime)), Target: l.target(i),
	}
}

// Xattrs are a file's extended attributes, nil if it has none.
func (l *Layer) Xattrs(i uint32) map[string][]byte {
	n := l.get32(i, atXattrN)
	if n == 0 {
		return nil
	}
	at := l.get32(i, atXattrs)
	rest := l.strings[at : at+n]
	next := func() string {
		size := binary.LittleEndian.Uint32([]byte(rest[:4]))
		s := rest[4 : 4+size]
		rest = rest[4+size:]
		return s
	}
	all := map[string][]byte{}
	for rest != "" {
		name := next()
		all[name] = []byte(next())
	}
	return all
}

// ReadAt reads a file's contents from the tar.
func (l *Layer) ReadAt(i uint32, p []byte, off int64) (int, error) {
	size := int64(l.get64(i, atSize))
	if off >= size {
		return 0, io.EOF
	}
	short := int64(len(p)) > size-off
	if short {
		p = p[:size-off]
	}
	n, err := l.tar.ReadAt(p, int64(l.get64(i, atOffset))+off)
	if err == io.EOF && n < len(p) {
		err = io.ErrUnexpectedEOF
	}
	if err == nil && short {
		err = io.EOF
	}
	return n, err
}
