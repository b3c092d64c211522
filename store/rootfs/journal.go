package rootfs

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/gofrs/flock"
)

// ErrInUse is the error of a second opener of an upper directory. Its class is EBUSY.
var ErrInUse = fmt.Errorf("upper tree is open elsewhere: %w", syscall.EBUSY)

const (
	journalMagic = "sockerless upper tree 1\n"
	compactAfter = 1 << 20 // a journal shorter than this is not worth rewriting
	maxRecord    = 64 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// disk is an upper directory: `lock`, `journal`, and `data/<inode in hex>` for contents. It is made at the first write.
//
// The journal is the magic, then the fingerprint of the layers as a record, then a record for each change: length and
// CRC-32C, both 32 bits little-endian, and the facts. A record is written by one write(2), so what is there survives the
// process; Sync and Close make it survive the machine, and so does fsync(2) in the container with a file's contents. A torn
// last record is dropped.
type disk struct {
	dir      string
	lock     *flock.Flock
	journal  *os.File
	size     int64 // of the journal
	snapshot int64 // of it, what the last rewriting left
	buf      []byte
}

func (d *disk) path(name string) string { return filepath.Join(d.dir, name) }

func (d *disk) dataPath(ino uint64) string {
	return filepath.Join(d.dir, "data", strconv.FormatUint(ino, 16))
}

// open opens the host file of an inode.
func (d *disk) open(ino uint64, flag int) (*os.File, error) {
	f, err := os.OpenFile(d.dataPath(ino), flag, 0o600)
	if errors.Is(err, fs.ErrNotExist) && flag&os.O_CREATE != 0 {
		if err := os.MkdirAll(d.path("data"), 0o700); err != nil {
			return nil, err
		}
		f, err = os.OpenFile(d.dataPath(ino), flag, 0o600)
	}
	return f, err
}

// forget removes the host file of an inode that is gone.
func (d *disk) forget(n *inode) {
	if n.file != nil {
		n.file.Close()
		n.file = nil
	}
	if d != nil && (n.where == inFile || n.where == inDirty) {
		os.Remove(d.dataPath(n.ino)) // what stays is removed at the next opening
	}
}

func (d *disk) acquire() error {
	d.lock = flock.New(d.path("lock"))
	ok, err := d.lock.TryLock()
	if err == nil && !ok {
		err = ErrInUse
	}
	if err != nil {
		d.lock = nil
	}
	return err
}

// start makes the directory, at the first write.
func (d *disk) start(o *Overlay) error {
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return err
	}
	if err := d.acquire(); err != nil {
		return err
	}
	_, err := os.Stat(d.path("journal"))
	switch {
	case err == nil:
		err = ErrInUse // somebody wrote, and closed, after this Overlay was opened: what it knows is old
	case errors.Is(err, fs.ErrNotExist):
		err = d.rewrite(o)
	}
	if err != nil {
		return errors.Join(err, d.unlock())
	}
	return nil
}

// write appends a change to the journal.
func (d *disk) write(o *Overlay, all []fact) error {
	if d == nil {
		return nil
	}
	if d.journal == nil {
		if err := d.start(o); err != nil {
			return err
		}
	}
	if d.size > compactAfter && d.size > 4*d.snapshot {
		if err := d.rewrite(o); err != nil {
			return err
		}
	}
	d.buf = appendRecord(d.buf[:0], all)
	n, err := d.journal.Write(d.buf)
	if err != nil {
		// A record that is not whole must not stand before whole ones.
		if cutErr := d.journal.Truncate(d.size); cutErr == nil {
			_, cutErr = d.journal.Seek(d.size, io.SeekStart)
			err = errors.Join(err, cutErr)
		}
		return err
	}
	d.size += int64(n)
	if cap(d.buf) > pageSize {
		d.buf = nil
	}
	return nil
}

func appendRecord(b []byte, all []fact) []byte {
	start := len(b)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)
	for i := range all {
		b = all[i].encode(b)
	}
	return sealRecord(b, start)
}

func sealRecord(b []byte, start int) []byte {
	payload := b[start+8:]
	binary.LittleEndian.PutUint32(b[start:], uint32(len(payload)))
	binary.LittleEndian.PutUint32(b[start+4:], crc32.Checksum(payload, castagnoli))
	return b
}

// load replays the journal, if there is one.
func (d *disk) load(o *Overlay) error {
	if _, err := os.Stat(d.path("journal")); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := d.acquire(); err != nil {
		return err
	}
	err := d.replay(o)
	if err != nil {
		return errors.Join(err, d.unlock())
	}
	return nil
}

func (d *disk) replay(o *Overlay) error {
	f, err := os.OpenFile(d.path("journal"), os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	valid, err := replayJournal(f, o)
	if err != nil {
		f.Close()
		return err
	}
	if valid == 0 { // torn before it said whose it is
		return errors.Join(f.Close(), d.rewrite(o))
	}
	if err := f.Truncate(valid); err != nil {
		f.Close()
		return fmt.Errorf("drop torn record: %w", err)
	}
	if _, err := f.Seek(valid, io.SeekStart); err != nil {
		f.Close()
		return err
	}
	d.journal, d.size = f, valid
	if err := d.sweep(o); err != nil {
		return err
	}
	if valid > 64<<10 {
		if snapshot := o.snapshot(); int64(len(snapshot)) < valid/2 {
			return d.rewrite(o)
		}
	}
	return nil
}

// replayJournal applies all whole records, and tells where they end.
func replayJournal(f io.Reader, o *Overlay) (valid int64, err error) {
	r := bufio.NewReaderSize(f, pageSize)
	magic := make([]byte, len(journalMagic))
	if _, err := io.ReadFull(r, magic); err != nil {
		return 0, nil // torn before anything was said
	}
	if string(magic) != journalMagic {
		return 0, fmt.Errorf("journal has an unknown format")
	}
	end := int64(len(magic))
	var payload []byte
	for first := true; ; first = false {
		var head [8]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return valid, nil
		}
		size := binary.LittleEndian.Uint32(head[:])
		if size > maxRecord {
			return valid, nil
		}
		if cap(payload) < int(size) {
			payload = make([]byte, size)
		}
		payload = payload[:size]
		if _, err := io.ReadFull(r, payload); err != nil {
			return valid, nil
		}
		if crc32.Checksum(payload, castagnoli) != binary.LittleEndian.Uint32(head[4:]) {
			return valid, nil
		}
		if first {
			if string(payload) != o.stack.fingerprint() {
				return 0, fmt.Errorf("upper tree belongs to other layers")
			}
		} else if err := o.replayRecord(payload); err != nil {
			return 0, err
		}
		end += int64(len(head)) + int64(size)
		valid = end
	}
}

func (o *Overlay) replayRecord(payload []byte) error {
	for len(payload) > 0 {
		var f fact
		rest, err := f.decode(payload)
		if err != nil {
			return err
		}
		o.apply(&f)
		payload = rest
	}
	return nil
}

// sweep brings inodes and host files to the same: drops what had lost its last name, asks host files that were being
// written for their size, removes the ones that nobody has.
func (d *disk) sweep(o *Overlay) error {
	for ino, n := range o.inodes {
		switch {
		case n.nlink == 0:
			o.apply(&fact{op: opGone, ino: ino})
		case n.where == inDirty:
			info, err := os.Stat(d.dataPath(ino))
			if errors.Is(err, fs.ErrNotExist) {
				n.where, n.size = inMemory, 0
				continue
			}
			if err != nil {
				return err
			}
			n.size, n.mtime = info.Size(), info.ModTime().UnixNano()
		}
	}
	names, err := os.ReadDir(d.path("data"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range names {
		ino, err := strconv.ParseUint(e.Name(), 16, 64)
		if n := o.inodes[ino]; err == nil && n != nil && (n.where == inFile || n.where == inDirty) {
			continue
		}
		if err := os.Remove(filepath.Join(d.dir, "data", e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// rewrite replaces the journal with what is the case now.
func (d *disk) rewrite(o *Overlay) error {
	b := o.snapshot()
	temp := d.path("journal.new")
	f, err := os.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil && d.journal != nil {
		err = f.Sync() // before it takes the place of one with contents
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if d.journal != nil {
		d.journal.Close()
		d.journal = nil
	}
	if err := os.Rename(temp, d.path("journal")); err != nil {
		return err
	}
	f, err = os.OpenFile(d.path("journal"), os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := f.Seek(int64(len(b)), io.SeekStart); err != nil {
		f.Close()
		return err
	}
	d.journal, d.size, d.snapshot = f, int64(len(b)), int64(len(b))
	return nil
}

// snapshot is a journal that says what is the case now.
func (o *Overlay) snapshot() []byte {
	b := []byte(journalMagic)
	start := len(b)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)
	b = sealRecord(append(b, o.stack.fingerprint()...), start)
	for ino, n := range o.inodes {
		facts := []fact{{op: opInode, ino: ino, meta: n.meta, target: n.target, parent: n.parent}}
		if n.where == inMemory && n.mode.IsRegular() && n.size > 0 {
			// Size first, then contents, then the times that both have changed.
			facts = append(facts, fact{op: opSize, ino: ino, off: n.size}, fact{op: opWrite, ino: ino, data: n.head}, facts[0])
		}
		for name, child := range n.entries {
			facts = append(facts, fact{op: opEntry, ino: ino, name: name, child: child})
		}
		if n.xattrs != nil {
			facts = append(facts, fact{op: opXattrs, ino: ino, xattrs: n.xattrs})
		}
		b = appendRecord(b, facts)
	}
	return b
}

func (d *disk) sync() error {
	if d == nil || d.journal == nil {
		return nil
	}
	return d.journal.Sync()
}

func (d *disk) unlock() error {
	if d.lock == nil {
		return nil
	}
	err := d.lock.Unlock()
	d.lock = nil
	return err
}

func (d *disk) close() error {
	if d == nil || d.journal == nil {
		return nil
	}
	err := errors.Join(d.journal.Sync(), d.journal.Close())
	d.journal = nil
	return errors.Join(err, d.unlock())
}
