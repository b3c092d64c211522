package inside

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"os"
	"path"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const xattrRecord = "SCHILY.xattr."

// packer writes a tar: PAX, with numeric owners, modes, times, hard links, extended attributes and devices. Sockets are
// left out, and so is what is in the kernel's own file systems.
type packer struct {
	ctx  context.Context
	tar  *tar.Writer
	seen map[[2]uint64]string // the first name of a file with several
}

func newPacker(ctx context.Context, w io.Writer) *packer {
	return &packer{ctx: ctx, tar: tar.NewWriter(w), seen: map[[2]uint64]string{}}
}

// tree adds what is at a place, with all that is in it, by the name as: "/" is the root.
func (p *packer) tree(at *place, as string) error {
	dir, err := p.add(at, as)
	if err != nil || dir < 0 {
		return err
	}
	defer unix.Close(dir)
	if kernels, err := kernelFile(dir); err != nil || kernels {
		return err
	}
	names, err := readDir(dir, at.path)
	if err != nil {
		return err
	}
	for _, name := range names {
		err := p.tree(at.child(dir, name), strings.TrimSuffix(as, "/")+"/"+name)
		if err != nil && !errors.Is(err, errVanished) {
			return err
		}
	}
	return nil
}

// errVanished says that a file is no longer there.
var errVanished = errors.New("file was removed meanwhile")

// add adds one file. Of a directory it returns a descriptor, which the caller closes; else -1.
func (p *packer) add(at *place, as string) (dir int, err error) {
	if err := p.ctx.Err(); err != nil {
		return -1, err
	}
	st, err := at.stat()
	if err != nil {
		return -1, vanished(err)
	}
	h := &tar.Header{
		Name: as, Mode: int64(st.Mode & 0o7777), Uid: int(st.Uid), Gid: int(st.Gid),
		ModTime: time.Unix(st.Mtim.Unix()), Format: tar.FormatPAX,
	}
	flags := unix.O_RDONLY | unix.O_NONBLOCK
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		h.Typeflag, h.Size = tar.TypeReg, st.Size
	case unix.S_IFDIR:
		h.Typeflag = tar.TypeDir
		h.Name = strings.TrimSuffix(as, "/") + "/"
		flags |= unix.O_DIRECTORY
	case unix.S_IFLNK:
		h.Typeflag = tar.TypeSymlink
		if h.Linkname, err = readlinkat(at.dir, at.name); err != nil {
			return -1, vanished(err)
		}
	case unix.S_IFIFO:
		h.Typeflag = tar.TypeFifo
	case unix.S_IFCHR, unix.S_IFBLK:
		h.Typeflag = tar.TypeChar
		if st.Mode&unix.S_IFMT == unix.S_IFBLK {
			h.Typeflag = tar.TypeBlock
		}
		h.Devmajor, h.Devminor = int64(unix.Major(st.Rdev)), int64(unix.Minor(st.Rdev))
	default:
		return -1, nil
	}
	if st.Nlink > 1 && h.Typeflag != tar.TypeDir {
		id := [2]uint64{st.Dev, st.Ino}
		if first, ok := p.seen[id]; ok {
			h.Typeflag, h.Linkname, h.Size = tar.TypeLink, first, 0
			return -1, p.tar.WriteHeader(h)
		}
		p.seen[id] = as
	}
	if h.Typeflag != tar.TypeReg && h.Typeflag != tar.TypeDir {
		return -1, p.tar.WriteHeader(h)
	}
	fd, err := at.open(flags, 0)
	if err != nil {
		return -1, vanished(err)
	}
	if h.Typeflag == tar.TypeDir {
		if err = xattrs(fd, h); err == nil {
			err = p.tar.WriteHeader(h)
		}
		if err != nil {
			_ = unix.Close(fd)
			return -1, err
		}
		return fd, nil
	}
	f := os.NewFile(uintptr(fd), at.path)
	defer f.Close()
	return -1, p.contents(f, h)
}

// vanished marks an error that means that somebody has removed or replaced what was just there.
func vanished(err error) error {
	for _, errno := range []syscall.Errno{syscall.ENOENT, syscall.ENOTDIR, syscall.ELOOP, syscall.ENXIO} {
		if errors.Is(err, errno) {
			return errors.Join(errVanished, err)
		}
	}
	return err
}

// contents writes a file. The header has its length as it is found here: what is written to it meanwhile is left out, and
// what is cut off is zeros.
func (p *packer) contents(f *os.File, h *tar.Header) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errVanished
	}
	h.Size = info.Size()
	if err := xattrs(int(f.Fd()), h); err != nil {
		return err
	}
	if err := p.tar.WriteHeader(h); err != nil {
		return err
	}
	n, err := io.Copy(p.tar, &io.LimitedReader{R: readerFunc(func(b []byte) (int, error) {
		if err := p.ctx.Err(); err != nil {
			return 0, err
		}
		return f.Read(b)
	}), N: h.Size})
	if err == nil && n < h.Size {
		_, err = io.CopyN(p.tar, zeros{}, h.Size-n)
	}
	return err
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// xattrs adds the extended attributes of an open file, but those that belong to this machine: labels of its security
// modules, and the notes of overlayfs.
func xattrs(fd int, h *tar.Header) error {
	names, err := listXattrs(fd)
	if err != nil {
		return err
	}
	for _, name := range names {
		switch {
		case strings.HasPrefix(name, "trusted.overlay."), strings.HasPrefix(name, "user.overlay."),
			name == "security.selinux", name == "security.ima", name == "security.evm":
			continue
		}
		value, err := getXattr(fd, name)
		if errors.Is(err, syscall.ENODATA) {
			continue
		}
		if err != nil {
			return err
		}
		if h.PAXRecords == nil {
			h.PAXRecords = map[string]string{}
		}
		h.PAXRecords[xattrRecord+name] = string(value)
	}
	return nil
}

// listXattrs gives the names of an open file's extended attributes; none on a file system that has no such thing.
func listXattrs(fd int) ([]string, error) {
	buf := make([]byte, 1<<10)
	for {
		n, err := unix.Flistxattr(fd, buf)
		switch {
		case errors.Is(err, syscall.ERANGE) && len(buf) < 64<<10:
			buf = make([]byte, 64<<10)
			continue
		case errors.Is(err, syscall.ENOTSUP), errors.Is(err, syscall.EPERM), err == nil && n == 0:
			return nil, nil
		case err != nil:
			return nil, err
		}
		return strings.Split(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00"), nil
	}
}

func getXattr(fd int, name string) ([]byte, error) {
	buf := make([]byte, 256)
	for {
		n, err := unix.Fgetxattr(fd, name, buf)
		if errors.Is(err, syscall.ERANGE) && len(buf) < 64<<10 {
			buf = make([]byte, 64<<10)
			continue
		}
		if err != nil {
			return nil, err
		}
		return buf[:n], nil
	}
}

// whiteout adds the entry that removes a path, relative to the root.
func (p *packer) whiteout(name string) error {
	dir, base := path.Split(name)
	return p.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: dir + whiteoutPrefix + base, Mode: 0o600, Format: tar.FormatPAX})
}
