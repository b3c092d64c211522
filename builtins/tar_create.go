package builtins

import (
	"archive/tar"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"github.com/sockerless/sockerless/store/rootfs"
)

// create writes a new archive.
func (a *archiver) create() {
	var w io.Writer = liveWriter{a.p.Context, a.p.Stdout}
	if a.file != "-" {
		file, ok := a.open(os.O_WRONLY | os.O_CREATE | os.O_TRUNC)
		if !ok {
			return
		}
		defer func() {
			if err := file.Close(); err != nil {
				a.fail("%s: Cannot close: %s", a.file, strerror(err))
			}
		}()
		w = file
	} else {
		a.out.Writer.Reset(a.p.Stderr)
	}
	packed, err := compressor(a.method, 6, w)
	if err != nil {
		a.fatal("%s", err)
		return
	}
	blocks := &blockWriter{w: packed}
	a.write(blocks)
	if err := blocks.finish(); err == nil {
		err = packed.Close()
		if err != nil {
			a.writeError(err)
		}
	} else {
		a.writeError(err)
	}
}

func (a *archiver) writeError(err error) {
	if !endsOutput(err) {
		a.fatal("%s: Cannot write: %s", a.file, strerror(err))
		return
	}
	a.status = 2
}

// blockWriter fills the last record: archives are written in units of 10 KiB.
type blockWriter struct {
	w io.Writer
	n int64
}

const tarRecord = 20 * 512

func (b *blockWriter) Write(p []byte) (int, error) {
	n, err := b.w.Write(p)
	b.n += int64(n)
	return n, err
}

func (b *blockWriter) finish() error {
	if rest := b.n % tarRecord; rest != 0 {
		_, err := b.Write(make([]byte, tarRecord-rest))
		return err
	}
	return nil
}

func (a *archiver) write(w io.Writer) {
	tw := tar.NewWriter(w)
	for _, m := range a.members {
		a.device = 0
		a.add(tw, m.dir, m.name, true)
		if a.status == tarFatal || a.p.Context.Err() != nil {
			return
		}
	}
	if err := tw.Close(); err != nil {
		a.writeError(err)
	}
}

// append adds to an archive, with -u only what is newer than what it has.
func (a *archiver) append() {
	if a.file == "-" || a.method != "" {
		a.fatal("Cannot update compressed archives")
		return
	}
	file, ok := a.open(os.O_RDWR | os.O_CREATE)
	if !ok {
		return
	}
	defer file.Close()
	if a.op == 'u' {
		a.newest = map[string]time.Time{}
	}
	count := &countReader{r: file}
	tr := tar.NewReader(count)
	end := int64(0)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			a.fatal("%s: %s", a.file, err)
			return
		}
		if a.newest != nil {
			a.newest[h.Name] = h.ModTime
		}
		end = count.n + (h.Size+511)/512*512
		if h.Typeflag != tar.TypeReg {
			end = count.n
		}
	}
	if _, err := file.Seek(end, io.SeekStart); err != nil {
		a.fatal("%s: Cannot seek: %s", a.file, strerror(err))
		return
	}
	blocks := &blockWriter{w: file, n: end}
	a.write(blocks)
	if err := blocks.finish(); err != nil {
		a.writeError(err)
	}
}

type countReader struct {
	r io.Reader
	n int64
}

func (c *countReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// add puts a file or a tree into the archive.
func (a *archiver) add(tw *tar.Writer, dir, name string, operand bool) {
	if a.status == tarFatal || a.p.Context.Err() != nil || a.excluded(name) {
		return
	}
	where := place(dir, name)
	stat := a.p.Files.Lstat
	if a.follow {
		stat = a.p.Files.Stat
	}
	info, err := stat(where)
	if err != nil {
		a.fail("%s: Cannot stat: %s", name, strerror(err))
		return
	}
	if operand {
		a.device = info.Dev()
	} else if a.oneDevice && info.Dev() != a.device {
		return
	}
	if inodeKey(info) == a.archiveKey {
		a.fail("%s: file is the archive; not dumped", name)
		a.status = 0
		return
	}
	a.addOne(tw, where, name, info)
	if info.IsDir() && !a.flat {
		entries, err := a.p.Files.ReadDir(where)
		if err != nil {
			a.fail("%s: Cannot open: %s", name, strerror(err))
			return
		}
		for _, e := range entries {
			a.add(tw, dir, joinName(name, e.Name()), false)
		}
	}
	if a.remove && a.status == 0 {
		if err := a.p.Files.Remove(where); err != nil {
			a.fail("%s: Cannot unlink: %s", name, strerror(err))
		}
	}
}

// memberName is the name in the archive: without a leading slash or what is before "..".
func (a *archiver) memberName(name, what string) string {
	if a.absolute {
		return name
	}
	cut := 0
	for rest := name; ; {
		at := strings.Index(rest, "../")
		if at < 0 || at > 0 && rest[at-1] != '/' {
			break
		}
		cut += at + 3
		rest = name[cut:]
	}
	for cut < len(name) && name[cut] == '/' {
		cut++
	}
	if cut > 0 {
		if text := "Removing leading `" + name[:cut] + "' from " + what; !a.said[text] {
			a.said[text] = true
			a.out.Flush()
			a.p.Errorf("%s", text)
		}
		name = name[cut:]
	}
	if name == "" {
		return "./"
	}
	return name
}

func (a *archiver) addOne(tw *tar.Writer, where, name string, info *rootfs.Info) {
	shown := name
	member := a.memberName(name, "member names")
	if info.IsDir() {
		shown = strings.TrimRight(shown, "/") + "/"
		member = strings.TrimRight(member, "/") + "/"
	}
	mode := info.Mode()
	if a.mode != nil {
		mode = mode.Type() | a.mode.apply(mode, info.IsDir(), 0)
	}
	mtime := info.ModTime()
	if !a.mtime.IsZero() {
		mtime = a.mtime
	}
	if a.format != tar.FormatPAX {
		mtime = mtime.Truncate(time.Second)
	}
	if last, ok := a.newest[member]; ok && !mtime.After(last) {
		return
	}
	h := &tar.Header{Name: member, Mode: int64(rootfs.UnixMode(mode)), Uid: int(info.UID()), Gid: int(info.GID()), ModTime: mtime, Format: a.format}
	a.owners(h, info)
	switch {
	case info.IsDir():
		h.Typeflag = tar.TypeDir
	case mode&fs.ModeSymlink != 0:
		link, err := a.p.Files.Readlink(where)
		if err != nil {
			a.fail("%s: Cannot readlink: %s", name, strerror(err))
			return
		}
		h.Typeflag, h.Linkname = tar.TypeSymlink, link
	case mode&fs.ModeNamedPipe != 0:
		h.Typeflag = tar.TypeFifo
	case mode&fs.ModeDevice != 0:
		h.Typeflag = tar.TypeBlock
		if mode&fs.ModeCharDevice != 0 {
			h.Typeflag = tar.TypeChar
		}
		h.Devmajor, h.Devminor = int64(rootfs.Major(info.Rdev())), int64(rootfs.Minor(info.Rdev()))
	case mode&fs.ModeSocket != 0:
		a.out.Flush()
		a.p.Errorf("%s: socket ignored", name)
		return
	default:
		h.Typeflag, h.Size = tar.TypeReg, info.Size()
	}
	if info.Nlink() > 1 && !info.IsDir() {
		if first, ok := a.links[inodeKey(info)]; ok {
			h.Typeflag, h.Linkname, h.Size = tar.TypeLink, first, 0
		} else {
			a.links[inodeKey(info)] = member
		}
	}
	var in *rootfs.File
	if h.Typeflag == tar.TypeReg {
		var err error
		if in, err = a.p.Files.Open(where); err != nil {
			a.fail("%s: Cannot open: %s", name, strerror(err))
			return
		}
		defer in.Close()
	}
	if a.verbose > 0 {
		a.show(h, shown)
	}
	err := tw.WriteHeader(h)
	if err == nil && in != nil {
		_, err = io.CopyN(tw, in, h.Size)
		if errors.Is(err, io.EOF) {
			a.fail("%s: File shrank while reading; padding with zeros", name)
			for err == io.EOF {
				_, err = tw.Write(make([]byte, 512))
			}
			err = nil
		}
	}
	if err != nil && !errors.Is(err, tar.ErrWriteTooLong) {
		a.writeError(err)
	}
}

func (a *archiver) owners(h *tar.Header, info *rootfs.Info) {
	if u, ok := a.accounts.userByID(info.UID()); ok && !a.numeric {
		h.Uname = u.name
	}
	if g, ok := a.accounts.groupByID(info.GID()); ok && !a.numeric {
		h.Gname = g.name
	}
	if a.owner != nil {
		h.Uid, h.Uname = a.owner.id, a.owner.name
	}
	if a.group != nil {
		h.Gid, h.Gname = a.group.id, a.group.name
	}
	if a.numeric {
		h.Uname, h.Gname = "", ""
	}
}

// show prints a member as -v (its name) or -tv and -vv (a line like ls -l's) want it.
func (a *archiver) show(h *tar.Header, name string) {
	name = escapeC(name, 0)
	if a.verbose < 2 && (a.op != 't' || a.verbose == 0) {
		a.out.WriteString(name + "\n")
		return
	}
	info := h.FileInfo()
	mode := []byte(modeString(info.Mode()))
	suffix := ""
	switch h.Typeflag {
	case tar.TypeLink:
		mode[0] = 'h'
		suffix = " link to " + escapeC(h.Linkname, 0)
	case tar.TypeSymlink:
		suffix = " -> " + escapeC(h.Linkname, 0)
	}
	user, group := h.Uname, h.Gname
	if user == "" || a.numeric {
		user = itoa(h.Uid)
	}
	if group == "" || a.numeric {
		group = itoa(h.Gid)
	}
	size := itoa(int(h.Size))
	if h.Typeflag == tar.TypeChar || h.Typeflag == tar.TypeBlock {
		size = itoa(int(h.Devmajor)) + "," + itoa(int(h.Devminor))
	}
	owner := user + "/" + group
	a.width = max(a.width, len(owner)+len(size)+1)
	layout := "%Y-%m-%d %H:%M"
	if a.fullTime {
		layout = "%Y-%m-%d %H:%M:%S"
	}
	a.out.WriteString(string(mode) + " " + owner + strings.Repeat(" ", a.width-len(owner)-len(size)) + size + " " + strftime(layout, h.ModTime.In(a.zone)) + " " + name + suffix + "\n")
}

// stripped is a member's name without its first elements, "" if nothing is left.
func (a *archiver) stripped(name string) string {
	for range a.strip {
		slash := strings.IndexByte(name, '/')
		if slash < 0 {
			return ""
		}
		name = strings.TrimLeft(name[slash+1:], "/")
	}
	return name
}

// parentOf is the directory that a file of the archive is extracted to.
func parentOf(name string) string { return path.Dir(strings.TrimRight(name, "/")) }
