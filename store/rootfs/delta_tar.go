package rootfs

import (
	"archive/tar"
	"io"
	"io/fs"
	"os"
	"time"
)

// write writes the items as a tar. Nothing changes meanwhile, since o.freeze is held; o.mu is not, so that reading goes on.
func (d *delta) write(w io.Writer, items []item) error {
	t := tar.NewWriter(w)
	first := map[uint64]string{} // names of files
	var buf []byte
	for i := range items {
		it := &items[i]
		if it.op != itemFile {
			h := &tar.Header{Typeflag: tar.TypeReg, Name: it.name(), Format: tar.FormatPAX}
			if err := t.WriteHeader(h); err != nil {
				return err
			}
			if it.op == itemWhiteout {
				d.stats.Removed++
			}
			continue
		}
		d.stats.Files++
		h, contents := d.o.header(it)
		if h.Typeflag != tar.TypeDir {
			if name, ok := first[it.ino]; ok {
				h.Typeflag, h.Linkname, h.Size, h.PAXRecords, contents = tar.TypeLink, name, 0, nil, nil
			} else {
				first[it.ino] = it.path
			}
		}
		if err := t.WriteHeader(h); err != nil {
			return err
		}
		if contents == nil {
			continue
		}
		if buf == nil {
			buf = make([]byte, pageSize)
		}
		n, err := contents.copy(t, h.Size, buf)
		if d.stats.Bytes += n; err != nil {
			return err
		}
	}
	return t.Close()
}

// header describes a file as tar does. Its contents are nil where it has none.
func (o *Overlay) header(it *item) (*tar.Header, *frozen) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	m, target := o.stat(it.ino)
	h := &tar.Header{
		Name: it.path, Mode: int64(UnixMode(m.mode)), Uid: int(m.uid), Gid: int(m.gid),
		ModTime: time.Unix(0, m.mtime), Format: tar.FormatPAX,
	}
	for attr, value := range o.xattrsOf(it.ino) {
		if h.PAXRecords == nil {
			h.PAXRecords = map[string]string{}
		}
		h.PAXRecords[xattrRecord+attr] = string(value)
	}
	switch kind := m.mode.Type(); {
	case kind == 0:
		h.Typeflag, h.Size = tar.TypeReg, m.size
		if m.size > 0 {
			return h, &frozen{o: o, n: o.inodes[it.ino], ino: it.ino}
		}
	case kind == fs.ModeDir:
		h.Typeflag = tar.TypeDir
		if h.Name += "/"; it.path == "" {
			h.Name = "./"
		}
	case kind == fs.ModeSymlink:
		h.Typeflag, h.Linkname, h.Mode = tar.TypeSymlink, target, 0o777
	case kind&fs.ModeNamedPipe != 0:
		h.Typeflag = tar.TypeFifo
	default:
		h.Typeflag = tar.TypeBlock
		if kind&fs.ModeCharDevice != 0 {
			h.Typeflag = tar.TypeChar
		}
		h.Devmajor, h.Devminor = int64(Major(m.rdev)), int64(Minor(m.rdev))
	}
	return h, nil
}

// frozen is the contents of a file that nobody changes.
type frozen struct {
	o   *Overlay
	n   *inode // nil: in a layer
	ino uint64
}

func (c *frozen) copy(w io.Writer, size int64, buf []byte) (int64, error) {
	var from io.ReaderAt = lowerFile{c.o.stack, c.ino}
	switch {
	case c.n == nil || c.n.where == inLayer:
	case c.n.where == inMemory:
		from = c
	default:
		f, err := c.o.disk.open(c.ino, os.O_RDONLY)
		if err != nil {
			return 0, err
		}
		defer f.Close()
		from = f
	}
	n, err := io.CopyBuffer(struct{ io.Writer }{w}, io.NewSectionReader(from, 0, size), buf)
	if err == nil && n < size {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// ReadAt reads what is in memory.
func (c *frozen) ReadAt(p []byte, off int64) (int, error) { return c.n.get(p, off, c.n.size) }
