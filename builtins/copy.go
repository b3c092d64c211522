package builtins

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/sockerless/sockerless/store/rootfs"
)

// copier copies files and trees: the engine of cp, and of mv between file systems.
type copier struct {
	p   *Process
	ask asker
	out io.Writer

	recursive    bool
	follow       byte // 'L' all links, 'H' those on the command line, 'P' none
	keepMode     bool
	noMode       bool // --no-preserve=mode: new files get the mode of a plain new file
	keepOwner    bool
	keepTimes    bool
	keepLinks    bool
	force        bool // remove a destination that cannot be opened
	removeFirst  bool
	overwrite    byte // 'i' asks, 'n' never, 0 always
	update       bool
	verbose      bool
	hardLink     bool
	symLink      bool
	attrsOnly    bool
	oneDevice    bool
	copyContents bool
	backups      backupOptions

	seen    map[[2]uint64]string // (device, inode) of a file with several links, or of a made directory → its copy
	made    map[[2]uint64]bool   // directories that this run created: they are not copied into themselves
	created map[string]bool      // destinations of this run: one is not overwritten by a second source
	device  uint64
	topFrom string // the operand being copied, and where to
	topTo   string
	kept    string // the backup that was made of the current destination
	failed  bool
}

// fail prints a message and remembers it for the exit status.
func (c *copier) fail(format string, args ...any) bool {
	c.p.Errorf(format, args...)
	c.failed = true
	return false
}

// copy copies one operand.
func (c *copier) copy(from, to string, operand bool) bool {
	follow := c.follow == 'L' || c.follow == 'H' && operand
	stat := c.p.Files.Lstat
	if follow {
		stat = c.p.Files.Stat
	}
	info, err := stat(from)
	if err != nil {
		return c.fail("cannot stat %s: %s", quoteName(from), strerror(err))
	}
	if operand {
		if info.IsDir() && !c.recursive {
			return c.fail("-r not specified; omitting directory %s", quoteName(from))
		}
	}
	if operand && c.created[to] && c.topFrom == from {
		c.p.Errorf("warning: source file %s specified more than once", quoteName(from))
		return true
	}
	c.device, c.topFrom, c.topTo = info.Dev(), from, to
	if c.seen == nil {
		c.seen, c.made, c.created = map[[2]uint64]string{}, map[[2]uint64]bool{}, map[string]bool{}
	}
	return c.entry(from, to, info, operand)
}

func inodeKey(info *rootfs.Info) [2]uint64 { return [2]uint64{info.Dev(), info.Ino()} }

func (c *copier) entry(from, to string, info *rootfs.Info, operand bool) bool {
	if c.p.Context.Err() != nil {
		c.failed = true
		return false
	}
	existing, err := c.p.Files.Lstat(to)
	exists := err == nil
	followed := existing
	isLink := exists && existing.Mode()&fs.ModeSymlink != 0
	if isLink {
		if target, err := c.p.Files.Stat(to); err == nil {
			followed = target
		}
	}
	if exists {
		if proceed, ok := c.replace(from, to, info, existing, followed, operand); !proceed {
			return ok
		}
		// What was there may have been moved out of the way.
		_, err = c.p.Files.Lstat(to)
		exists = err == nil
	}
	if operand {
		c.created[to] = true
	}
	if c.verbose && !info.IsDir() {
		fmt.Fprintf(c.out, "%s -> %s%s\n", quoteName(from), quoteName(to), backupNote(c.kept))
	}
	c.kept = ""
	if info.IsDir() {
		return c.directory(from, to, info, exists)
	}
	if c.keepLinks && info.Nlink() > 1 && !c.hardLink {
		if first, ok := c.seen[inodeKey(info)]; ok {
			return c.relink(first, to, exists)
		}
		c.seen[inodeKey(info)] = to
	}
	if (c.hardLink || c.symLink) && exists {
		if err := c.p.Files.Unlink(to); err != nil {
			return c.fail("cannot remove %s: %s", quoteName(to), strerror(err))
		}
	}
	switch {
	case c.hardLink:
		source := from
		if real, err := c.p.Files.Resolve(from); err == nil && c.follow == 'L' {
			source = real
		}
		if err := c.p.Files.Link(source, to); err != nil {
			return c.fail("cannot create hard link %s to %s: %s", quoteName(to), quoteName(from), strerror(err))
		}
		return true
	case c.symLink:
		if !strings.HasPrefix(from, "/") && strings.Contains(strings.TrimPrefix(to, "./"), "/") {
			return c.fail("%s: can make relative symbolic links only in current directory", quoteWord(to))
		}
		if err := c.p.Files.Symlink(from, to); err != nil {
			return c.fail("cannot create symbolic link %s to %s: %s", quoteName(to), quoteName(from), strerror(err))
		}
		return true
	case info.Mode()&fs.ModeSymlink != 0:
		return c.symlink(from, to, info, exists)
	case info.Mode().IsRegular() || c.copyContents || !c.recursive:
		return c.regular(from, to, info, exists)
	}
	return c.special(to, info, exists)
}

// replace decides what happens to an existing destination: proceed says whether to copy at all, ok is the result if not.
func (c *copier) replace(from, to string, info, existing, followed *rootfs.Info, operand bool) (proceed, ok bool) {
	isLink := existing.Mode()&fs.ModeSymlink != 0
	same := sameFile(info, followed)
	if same && isLink && (c.removeFirst || info.Mode()&fs.ModeSymlink == 0 && c.hardLink) {
		same = false
	}
	if same && !info.IsDir() && c.backups.control == "" {
		if c.hardLink && sameFile(info, existing) {
			return false, true
		}
		return false, c.fail("%s and %s are the same file", quoteName(from), quoteName(to))
	}
	if operand && c.created[to] && !info.IsDir() {
		return false, c.fail("will not overwrite just-created %s with %s", quoteName(to), quoteName(from))
	}
	if info.IsDir() != followed.IsDir() || info.IsDir() && isLink && !operand {
		if info.IsDir() {
			return false, c.fail("cannot overwrite non-directory %s with directory %s", quoteName(to), quoteName(from))
		}
		if !isLink {
			return false, c.fail("cannot overwrite directory %s with non-directory", quoteName(to))
		}
	}
	if info.IsDir() {
		return true, true
	}
	if c.update && !info.ModTime().After(followed.ModTime()) {
		return false, true
	}
	switch c.overwrite {
	case 'n':
		return false, true
	case 'i':
		if !c.ask.yes(fmt.Sprintf("%s: overwrite %s? ", c.p.Name(), quoteName(to))) {
			return false, true
		}
	}
	if c.backups.control != "" {
		kept, err := c.p.backup(to, c.backups.control, c.backups.suffix)
		if err != nil {
			return false, c.fail("cannot backup %s: %s", quoteName(to), strerror(err))
		}
		c.kept = kept
		return true, true
	}
	if c.removeFirst && !existing.IsDir() {
		if err := c.p.Files.Unlink(to); err != nil {
			return false, c.fail("cannot remove %s: %s", quoteName(to), strerror(err))
		}
		if c.verbose {
			fmt.Fprintf(c.out, "removed %s\n", quoteName(to))
		}
	}
	return true, true
}

func (c *copier) relink(first, to string, exists bool) bool {
	if exists {
		if err := c.p.Files.Unlink(to); err != nil {
			return c.fail("cannot remove %s: %s", quoteName(to), strerror(err))
		}
	}
	if err := c.p.Files.Link(first, to); err != nil {
		return c.fail("cannot create hard link %s to %s: %s", quoteName(to), quoteName(first), strerror(err))
	}
	return true
}

func (c *copier) directory(from, to string, info *rootfs.Info, exists bool) bool {
	if c.made[inodeKey(info)] {
		return c.fail("cannot copy a directory, %s, into itself, %s", quoteName(c.topFrom), quoteName(c.topTo))
	}
	if !exists {
		perm := info.Mode()&(fs.ModePerm|fs.ModeSetuid|fs.ModeSetgid|fs.ModeSticky) | 0o700
		if c.noMode {
			perm = 0o777
		}
		if err := c.p.Files.Mkdir(to, perm); err != nil {
			return c.fail("cannot create directory %s: %s", quoteName(to), strerror(err))
		}
		if c.verbose {
			fmt.Fprintf(c.out, "%s -> %s\n", quoteName(from), quoteName(to))
		}
		if made, err := c.p.Files.Lstat(to); err == nil {
			c.made[inodeKey(made)] = true
		}
	}
	entries, err := c.p.Files.ReadDir(from)
	if err != nil {
		return c.fail("cannot access %s: %s", quoteName(from), strerror(err))
	}
	ok := true
	for _, e := range entries {
		name := joinName(from, e.Name())
		stat := c.p.Files.Lstat
		if c.follow == 'L' {
			stat = c.p.Files.Stat
		}
		child, err := stat(name)
		if err != nil {
			ok = c.fail("cannot stat %s: %s", quoteName(name), strerror(err))
			continue
		}
		if c.oneDevice && child.Dev() != c.device {
			continue
		}
		ok = c.entry(name, joinName(to, e.Name()), child, false) && ok
	}
	if c.keepMode || c.keepOwner || c.keepTimes {
		return c.attributes(to, info) && ok
	}
	if !exists && info.Mode()&0o700 != 0o700 && !c.noMode {
		if err := c.p.Files.Chmod(to, rootfs.FromUnixMode(rootfs.UnixMode(info.Mode())&^rootfs.UnixMode(c.p.Files.Umask()))); err != nil {
			return c.fail("setting permissions for %s: %s", quoteName(to), strerror(err))
		}
	}
	return ok
}

func (c *copier) symlink(from, to string, info *rootfs.Info, exists bool) bool {
	text, err := c.p.Files.Readlink(from)
	if err != nil {
		return c.fail("cannot read symbolic link %s: %s", quoteName(from), strerror(err))
	}
	if exists {
		if err := c.p.Files.Unlink(to); err != nil {
			return c.fail("cannot remove %s: %s", quoteName(to), strerror(err))
		}
	}
	if err := c.p.Files.Symlink(text, to); err != nil {
		return c.fail("cannot create symbolic link %s: %s", quoteName(to), strerror(err))
	}
	if c.keepOwner {
		c.p.Files.Lchown(to, int(info.UID()), int(info.GID()))
	}
	if c.keepTimes {
		c.p.Files.Lchtimes(to, info.Atime(), info.ModTime())
	}
	return true
}

func (c *copier) regular(from, to string, info *rootfs.Info, exists bool) bool {
	in, err := c.p.Files.Open(from)
	if err != nil {
		return c.fail("cannot open %s for reading: %s", quoteName(from), strerror(err))
	}
	defer in.Close()
	perm := fs.FileMode(0o666)
	if !c.noMode {
		perm = info.Mode() & (fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky)
	}
	flag := os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	if exists {
		flag &^= os.O_CREATE
		if c.attrsOnly {
			flag &^= os.O_TRUNC
		}
	}
	out, err := c.p.Files.OpenFile(to, flag, perm)
	if err != nil && exists {
		if link, statErr := c.p.Files.Lstat(to); statErr == nil && link.Mode()&fs.ModeSymlink != 0 && errors.Is(err, syscall.ENOENT) {
			return c.fail("not writing through dangling symlink %s", quoteName(to))
		}
	}
	if err != nil && exists && c.force {
		if removeErr := c.p.Files.Unlink(to); removeErr != nil {
			return c.fail("cannot remove %s: %s", quoteName(to), strerror(removeErr))
		}
		out, err = c.p.Files.OpenFile(to, flag|os.O_CREATE, perm)
	}
	if err != nil {
		if errors.Is(err, syscall.EISDIR) && !exists {
			err = syscall.ENOTDIR
		}
		return c.fail("cannot create regular file %s: %s", quoteName(to), strerror(err))
	}
	if !c.attrsOnly {
		if _, err = io.CopyBuffer(struct{ io.Writer }{out}, liveReader{c.p.Context, in}, make([]byte, 128<<10)); err != nil {
			out.Close()
			return c.fail("error copying %s to %s: %s", quoteName(from), quoteName(to), strerror(err))
		}
	}
	if err := out.Close(); err != nil {
		return c.fail("failed to close %s: %s", quoteName(to), strerror(err))
	}
	return c.attributes(to, info)
}

func (c *copier) special(to string, info *rootfs.Info, exists bool) bool {
	if exists {
		if err := c.p.Files.Unlink(to); err != nil {
			return c.fail("cannot remove %s: %s", quoteName(to), strerror(err))
		}
	}
	what := "special file"
	if info.Mode()&fs.ModeNamedPipe != 0 {
		what = "fifo"
	}
	if err := c.p.Files.Mknod(to, info.Mode(), info.Rdev()); err != nil {
		return c.fail("cannot create %s %s: %s", what, quoteName(to), strerror(err))
	}
	return c.attributes(to, info)
}

// attributes gives a copy the times, the owner and the mode that are to be kept, in this order: a change of owner may
// clear bits of the mode.
func (c *copier) attributes(to string, info *rootfs.Info) bool {
	if c.keepTimes {
		if err := c.p.Files.Chtimes(to, info.Atime(), info.ModTime()); err != nil {
			return c.fail("preserving times for %s: %s", quoteName(to), strerror(err))
		}
	}
	ownerKept := true
	if c.keepOwner {
		if err := c.p.Files.Chown(to, int(info.UID()), int(info.GID())); err != nil {
			ownerKept = false
			if !errors.Is(err, syscall.EPERM) {
				return c.fail("failed to preserve ownership for %s: %s", quoteName(to), strerror(err))
			}
		}
	}
	if c.keepMode {
		bits := rootfs.UnixMode(info.Mode())
		if c.keepOwner && !ownerKept {
			bits &^= modeSetuid | modeSetgid
		}
		if err := c.p.Files.Chmod(to, rootfs.FromUnixMode(bits)); err != nil {
			return c.fail("preserving permissions for %s: %s", quoteName(to), strerror(err))
		}
	}
	return true
}
