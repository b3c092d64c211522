package builtins

import (
	"archive/tar"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/klauspost/compress/gzip"
	"github.com/sockerless/sockerless/store/rootfs"
)

// read lists or extracts an archive.
func (a *archiver) read() {
	var in io.Reader = liveReader{a.p.Context, a.p.Stdin}
	if a.file != "-" {
		file, ok := a.open(os.O_RDONLY)
		if !ok {
			return
		}
		defer file.Close()
		in = liveReader{a.p.Context, file}
	}
	if a.op == 'x' && a.dir != "" {
		if info, err := a.p.Files.Stat(a.dir); err != nil || !info.IsDir() {
			if err == nil {
				err = syscall.ENOTDIR
			}
			a.fatal("%s: Cannot open: %s", a.dir, strerror(err))
			return
		}
	}
	unpacked, err := decompressor(a.method, in)
	if err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return
		}
		if a.method == "gzip" && errors.Is(err, gzip.ErrHeader) {
			io.WriteString(a.p.Stderr, "\ngzip: stdin: not in gzip format\n")
			err = errors.New("Child returned status 1")
		}
		a.fatal("%s", err)
		return
	}
	if closer, ok := unpacked.(interface{ Close() }); ok {
		defer closer.Close()
	}
	tr := tar.NewReader(unpacked)
	for first := true; ; first = false {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			switch {
			case errors.Is(err, io.ErrUnexpectedEOF) && !first:
				a.fatal("Unexpected EOF in archive")
			case first && (errors.Is(err, tar.ErrHeader) || errors.Is(err, io.ErrUnexpectedEOF)):
				a.fail("This does not look like a tar archive")
			default:
				a.fail("%s", err)
			}
			break
		}
		if a.p.Context.Err() != nil {
			return
		}
		a.member(tr, h)
		if a.status == tarFatal {
			break
		}
	}
	for _, f := range slices.Backward(a.later) {
		f()
	}
	io.Copy(io.Discard, unpacked)
	for i, m := range a.members {
		if !a.matched[i] && a.status != tarFatal {
			a.fail("%s: Not found in archive", m.name)
		}
	}
}

// selected says whether a member is wanted, and where it goes.
func (a *archiver) selected(name string) (dir string, ok bool) {
	if a.excluded(name) {
		return "", false
	}
	if len(a.members) == 0 {
		return a.dir, true
	}
	name = strings.TrimRight(name, "/")
	for i, m := range a.members {
		want := strings.TrimRight(m.name, "/")
		if want == name || strings.HasPrefix(name, want+"/") || a.wildcards && fnmatch(want, name, fnmatchLeading) {
			a.matched[i] = true
			return m.dir, true
		}
	}
	return "", false
}

func (a *archiver) member(tr *tar.Reader, h *tar.Header) {
	dir, ok := a.selected(h.Name)
	if !ok {
		return
	}
	name := h.Name
	if h.Typeflag == tar.TypeDir && !strings.HasSuffix(name, "/") {
		name += "/"
	}
	if a.op == 't' {
		a.show(h, name)
		return
	}
	if a.strip > 0 {
		if name = a.stripped(name); strings.Trim(name, "/") == "" {
			return
		}
	}
	if !a.absolute && slices.Contains(strings.Split(name, "/"), "..") {
		a.fail("%s: Member name contains '..', skipping", name)
		return
	}
	if a.verbose > 0 {
		if a.toStdout {
			a.out.Flush()
		}
		a.show(h, name)
	}
	if a.toStdout {
		if h.Typeflag == tar.TypeReg {
			a.out.Flush()
			if _, err := io.Copy(a.out, tr); err != nil {
				a.readError(err)
			}
		}
		return
	}
	name = a.memberName(name, "member names")
	a.extract(tr, h, name, place(dir, name), dir)
}

func (a *archiver) readError(err error) {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		a.fatal("Unexpected EOF in archive")
		return
	}
	a.fatal("%s", strerror(err))
}

func (a *archiver) extract(tr *tar.Reader, h *tar.Header, name, to, dir string) {
	files := a.p.Files
	existing, err := files.Lstat(to)
	exists := err == nil
	if exists && h.Typeflag != tar.TypeDir {
		switch a.existing {
		case 'k':
			a.fail("%s: Cannot open: File exists", name)
			return
		case 's':
			return
		case 'n':
			if !existing.ModTime().Before(h.ModTime) {
				a.out.Flush()
				a.p.Errorf("Current %s is newer or same age", quoteOld(name))
				return
			}
		}
		if a.existing != 'o' || h.Typeflag != tar.TypeReg || !existing.Mode().IsRegular() {
			if err := files.Remove(to); err != nil {
				a.fail("%s: Cannot open: %s", name, strerror(err))
				return
			}
		}
	}
	if err := a.make(tr, h, to, dir); err != nil {
		if errors.Is(err, syscall.ENOENT) && h.Typeflag != tar.TypeLink {
			if err = files.MkdirAll(parentOf(to), 0o777); err == nil {
				err = a.make(tr, h, to, dir)
			}
		}
		if err != nil {
			verb := map[byte]string{tar.TypeDir: "mkdir", tar.TypeSymlink: "create symlink to '" + h.Linkname + "'", tar.TypeLink: "hard link to '" + h.Linkname + "'",
				tar.TypeFifo: "mkfifo", tar.TypeChar: "mknod", tar.TypeBlock: "mknod"}[h.Typeflag]
			if verb == "" {
				verb = "open"
			}
			if errors.Is(err, io.ErrUnexpectedEOF) {
				a.readError(err)
				return
			}
			a.fail("%s: Cannot %s: %s", name, verb, strerror(err))
			return
		}
	}
	if h.Typeflag != tar.TypeLink {
		a.attributes(h, name, to)
	}
}

// make creates what a header describes, without its attributes.
func (a *archiver) make(tr *tar.Reader, h *tar.Header, to, dir string) error {
	files := a.p.Files
	mode := rootfs.FromUnixMode(uint32(h.Mode) & 0o7777)
	switch h.Typeflag {
	case tar.TypeDir:
		if info, err := files.Stat(to); err == nil && info.IsDir() {
			return nil
		} else if err == nil {
			if err := files.Unlink(to); err != nil {
				return err
			}
		}
		return files.Mkdir(to, mode.Perm()|0o700)
	case tar.TypeSymlink:
		return files.Symlink(h.Linkname, to)
	case tar.TypeLink:
		target := h.Linkname
		if a.strip > 0 {
			target = a.stripped(target)
		}
		target = place(dir, a.memberName(target, "hard link targets"))
		err := files.Link(target, to)
		if errors.Is(err, syscall.ENOENT) {
			if _, statErr := files.Lstat(target); statErr == nil {
				if err = files.MkdirAll(parentOf(to), 0o777); err == nil {
					err = files.Link(target, to)
				}
			}
		}
		return err
	case tar.TypeFifo:
		return files.Mknod(to, fs.ModeNamedPipe|mode.Perm(), 0)
	case tar.TypeChar:
		return files.Mknod(to, fs.ModeDevice|fs.ModeCharDevice|mode.Perm(), rootfs.Mkdev(uint32(h.Devmajor), uint32(h.Devminor)))
	case tar.TypeBlock:
		return files.Mknod(to, fs.ModeDevice|mode.Perm(), rootfs.Mkdev(uint32(h.Devmajor), uint32(h.Devminor)))
	}
	file, err := a.p.openNew(to, mode.Perm())
	if err != nil {
		return err
	}
	if _, err := io.Copy(struct{ io.Writer }{file}, tr); err != nil {
		file.Close()
		return err
	}
	return file.Close()
}

// attributes gives an extracted file its owner, mode and times; a directory gets its last when all is in it.
func (a *archiver) attributes(h *tar.Header, name, to string) {
	files := a.p.Files
	set := func() {
		if a.keepOwners {
			uid, gid := h.Uid, h.Gid
			if u, ok := a.accounts.user(h.Uname); ok && !a.numeric && h.Uname != "" {
				uid = int(u.uid)
			}
			if g, ok := a.accounts.group(h.Gname); ok && !a.numeric && h.Gname != "" {
				gid = int(g.gid)
			}
			if a.owner != nil {
				uid = a.owner.id
			}
			if a.group != nil {
				gid = a.group.id
			}
			if err := files.Lchown(to, uid, gid); err != nil {
				a.fail("%s: Cannot change ownership to uid %d, gid %d: %s", name, uid, gid, strerror(err))
			}
		}
		if h.Typeflag != tar.TypeSymlink {
			bits := uint32(h.Mode) & 0o7777
			if a.mode != nil {
				bits = rootfs.UnixMode(a.mode.apply(rootfs.FromUnixMode(bits), h.Typeflag == tar.TypeDir, 0))
			}
			if !a.keepModes {
				bits &= 0o777 &^ rootfs.UnixMode(files.Umask())
			}
			if err := files.Chmod(to, rootfs.FromUnixMode(bits)); err != nil {
				a.fail("%s: Cannot change mode to %s: %s", name, modeString(rootfs.FromUnixMode(bits))[1:], strerror(err))
			}
		}
		if !a.touch {
			atime := h.AccessTime
			if atime.IsZero() {
				atime = a.p.System.Now()
			}
			if err := files.Lchtimes(to, atime, h.ModTime); err != nil {
				a.fail("%s: Cannot utime: %s", name, strerror(err))
			}
		}
	}
	if h.Typeflag == tar.TypeDir {
		a.later = append(a.later, set)
		return
	}
	set()
}
