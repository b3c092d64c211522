package rootfs

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
)

const xattrRecord = "SCHILY.xattr."

// Pack writes a tar of a file or directory, as `docker cp` reads it: names begin with the base name of the path (with "."
// if it ends in "/."; with "/" for the root), and a symbolic link is packed itself, unless a slash follows it. The tar is
// PAX, with numeric owners, modes, times, hard links, extended attributes and devices; sockets, and what is in /proc and
// /sys, are left out. The tar ends with its trailer only if all went well.
func (v *View) Pack(w io.Writer, name string) error {
	p := packer{view: v, tar: tar.NewWriter(w), seen: map[[2]uint64]string{}}
	base := path.Base(name)
	if strings.HasSuffix(name, "/.") || name == "." {
		base = "."
	}
	info, err := v.Lstat(name)
	if err == nil {
		err = p.add(name, base, info)
	}
	if err == nil {
		err = p.tar.Close()
	}
	if err != nil {
		return fmt.Errorf("pack %s: %w", name, err)
	}
	return nil
}

type packer struct {
	view *View
	tar  *tar.Writer
	seen map[[2]uint64]string // the first name of a file with several
	flat bool                 // directories are packed without what is in them
}

func (p *packer) add(name, as string, info *Info) error {
	h := &tar.Header{
		Name: as, Mode: int64(UnixMode(info.Mode())), Uid: int(info.UID()), Gid: int(info.GID()),
		ModTime: info.ModTime(), Format: tar.FormatPAX,
	}
	switch kind := info.Mode().Type(); {
	case kind == 0:
		h.Typeflag, h.Size = tar.TypeReg, info.Size()
	case kind == fs.ModeDir:
		h.Typeflag = tar.TypeDir
		h.Name = strings.TrimSuffix(as, "/") + "/"
	case kind == fs.ModeSymlink:
		target, err := p.view.Readlink(name)
		if err != nil {
			return err
		}
		h.Typeflag, h.Linkname = tar.TypeSymlink, target
	case kind&fs.ModeNamedPipe != 0:
		h.Typeflag = tar.TypeFifo
	case kind&fs.ModeDevice != 0:
		h.Typeflag = tar.TypeBlock
		if kind&fs.ModeCharDevice != 0 {
			h.Typeflag = tar.TypeChar
		}
		h.Devmajor, h.Devminor = int64(Major(info.Rdev())), int64(Minor(info.Rdev()))
	default:
		return nil
	}
	if info.Nlink() > 1 && !info.IsDir() {
		id := [2]uint64{info.Dev(), info.Ino()}
		if first, ok := p.seen[id]; ok {
			h.Typeflag, h.Linkname, h.Size = tar.TypeLink, first, 0
			return p.tar.WriteHeader(h)
		}
		p.seen[id] = as
	}
	if err := p.xattrs(name, h); err != nil {
		return err
	}
	if info.IsDir() {
		if err := p.tar.WriteHeader(h); err != nil || p.flat {
			return err
		}
		return p.addAll(name, as)
	}
	if h.Typeflag != tar.TypeReg {
		return p.tar.WriteHeader(h)
	}
	return p.contents(name, h)
}

func (p *packer) xattrs(name string, h *tar.Header) error {
	if h.Typeflag != tar.TypeReg && h.Typeflag != tar.TypeDir {
		return nil
	}
	names, err := p.view.Listxattr(name)
	if err != nil {
		return err
	}
	for _, attr := range names {
		value, err := p.view.Getxattr(name, attr)
		if err != nil {
			return err
		}
		if h.PAXRecords == nil {
			h.PAXRecords = map[string]string{}
		}
		h.PAXRecords[xattrRecord+attr] = string(value)
	}
	return nil
}

func (p *packer) addAll(dir, as string) error {
	var w walker
	at, err := p.view.find(&w, dir, follow)
	if err != nil {
		return pathError("open", dir, err)
	}
	if k, ok := at.mnt.fsys.(interface{ Type() string }); ok && at.at != nil && (k.Type() == "proc" || k.Type() == "sysfs") {
		return nil
	}
	entries, err := p.view.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			return err
		}
		if err := p.add(path.Join(dir, e.Name()), strings.TrimSuffix(as, "/")+"/"+e.Name(), info.(*Info)); err != nil {
			return err
		}
	}
	return nil
}

// contents writes a file. The header has its length as it was found: what is written to it meanwhile is left out, and
// what is cut off is zeros.
func (p *packer) contents(name string, h *tar.Header) error {
	f, err := p.view.OpenFile(name, O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := p.tar.WriteHeader(h); err != nil {
		return err
	}
	n, err := io.Copy(p.tar, io.LimitReader(f, h.Size))
	if err == nil && n < h.Size {
		_, err = io.CopyN(p.tar, zeros{}, h.Size-n)
	}
	return err
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// CopyTree copies what is in a directory, and the directory's own attributes, to the root of another file system: what
// Docker does with an image's files when an empty volume is mounted over them.
func (v *View) CopyTree(from string, to FS) error {
	r, w := io.Pipe()
	packed := make(chan error, 1)
	go func() {
		err := v.Pack(w, strings.TrimSuffix(from, "/")+"/.")
		packed <- err
		w.CloseWithError(err)
	}()
	u := unpacker{view: NewTree(to, false).View(Cred{}), root: "/", setRoot: true}
	err := u.unpack(r)
	r.CloseWithError(errors.New("unpacking ended"))
	if packErr := <-packed; packErr != nil && err == nil {
		err = packErr
	}
	if err != nil {
		return fmt.Errorf("copy %s: %w", from, err)
	}
	return nil
}

// FillVolume copies what an image has in a directory to a directory of this machine.
func FillVolume(image FS, from, to string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("copy the image's content into the volume at %s: %w", from, err)
		}
	}()
	v := NewTree(image, true).View(Cred{})
	if info, err := v.Stat(from); err != nil || !info.IsDir() {
		return nil // the image has nothing there
	}
	volume, err := NewHostDir(to, HostOptions{})
	if err != nil {
		return err
	}
	if closer, ok := volume.(io.Closer); ok {
		defer func() { err = errors.Join(err, closer.Close()) }()
	}
	return v.CopyTree(from, volume)
}

// Owner is a user and group.
type Owner struct{ UID, GID uint32 }

// UnpackOptions are those of Docker's PUT archive.
type UnpackOptions struct {
	// NoOverwriteDirNonDir refuses to replace a directory by something else, or the other way round.
	NoOverwriteDirNonDir bool
	// CopyOwner gives everything to Owner, as Docker's copyUIDGID does for a container that has a user. Without it, or
	// with no Owner, the owners are those of the tar.
	CopyOwner bool
	Owner     *Owner
}
