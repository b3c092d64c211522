package rootfs

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// owner is what the host refused to keep of a file.
type owner struct {
	uid, gid uint32
	mode     fs.FileMode
}

// ownerStore keeps owners and modes in a directory: a file for each, named by inode number, or where the host has none
// by a hash of the path, with "uid gid mode" in text. Single files, so that several processes need no agreement.
type ownerStore struct {
	dir string
}

func (s *ownerStore) key(name string, a Attr) string {
	if s == nil {
		return ""
	}
	if a.Ino != 0 {
		return strconv.FormatUint(a.Ino, 16)
	}
	sum := sha256.Sum256([]byte(name))
	return "p" + hex.EncodeToString(sum[:16])
}

func (s *ownerStore) get(key string) (o owner, ok bool, err error) {
	if s == nil {
		return o, false, nil
	}
	b, err := os.ReadFile(filepath.Join(s.dir, key))
	if errors.Is(err, fs.ErrNotExist) {
		return o, false, nil
	}
	if err != nil {
		return o, false, bare(err)
	}
	var mode uint32
	if _, err := fmt.Sscanf(string(b), "%d %d %o", &o.uid, &o.gid, &mode); err != nil {
		return o, false, fmt.Errorf("owner record %s: %w", key, err)
	}
	o.mode = FromUnixMode(mode)
	return o, true, nil
}

// set writes a record: whole or not at all, for whoever reads meanwhile.
func (s *ownerStore) set(key string, o owner) error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return bare(err)
	}
	f, err := os.CreateTemp(s.dir, "new-")
	if err != nil {
		return bare(err)
	}
	_, err = fmt.Fprintf(f, "%d %d %o\n", o.uid, o.gid, UnixMode(o.mode))
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), filepath.Join(s.dir, key))
	}
	if err != nil {
		os.Remove(f.Name())
		return bare(err)
	}
	return nil
}

// drop forgets a file that is gone, or that the host knows all about by now.
func (s *ownerStore) drop(key string) {
	if s != nil {
		_ = os.Remove(filepath.Join(s.dir, key)) // most files have no record
	}
}

// move keeps a record with a file whose key depends on its path.
func (s *ownerStore) move(from, to string) error {
	if s == nil || from == to {
		return nil
	}
	err := os.Rename(filepath.Join(s.dir, from), filepath.Join(s.dir, to))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return bareOrNil(err)
}
