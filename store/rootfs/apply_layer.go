package rootfs

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"
)

// ApplyLayerOptions are for who exchanges changes with another side.
type ApplyLayerOptions struct {
	// Since is the Mark up to which the other side knows this one's changes, and Conflict is called for each path, absolute,
	// that was changed here since, and by the layer: the layer wins. Without a Mark, or a function, nobody is told.
	Since    Mark
	Conflict func(path string)
	// Changed tells, for files that no Overlay has, whether a path was changed here since. Touched is called for each path,
	// absolute, before the layer changes it.
	Changed func(path string) bool
	Touched func(path string)
}

// ApplyStats is what a layer did.
type ApplyStats struct {
	Files     int64 // with directories and further names
	Removed   int64 // names
	Bytes     int64 // of contents
	Skipped   int64 // entries at what is mounted here
	Conflicts int64
}

// ApplyLayer applies the uncompressed tar of an OCI layer to a directory, as Delta writes it: whiteouts, owners, modes,
// times, extended attributes, hard links. A regular file with one name is written in place, so that who has it open sees
// the new contents; one with several is replaced, since the others may keep theirs. What is mounted in the tree stays as it
// is. Paths are safe as for Unpack. In an Overlay, what the layer changes is no change since any Mark (but the zero one):
// the next Delta since the Mark of the last one has this side's changes only, those that happen meanwhile too.
func (v *View) ApplyLayer(r io.Reader, dir string, opts ApplyLayerOptions) (ApplyStats, error) {
	root, err := v.Resolve(dir)
	if err != nil {
		return ApplyStats{}, fmt.Errorf("apply layer: %w", err)
	}
	var w walker
	at, err := v.find(&w, root, follow)
	if err == nil && !at.node.Type().IsDir() {
		err = syscall.ENOTDIR
	}
	if err != nil {
		return ApplyStats{}, fmt.Errorf("apply layer to %s: %w", dir, err)
	}
	a := layerApplier{unpacker: unpacker{view: v, root: root}, opts: opts, mnt: at.mnt, done: map[string]bool{}}
	if err := a.apply(r); err != nil {
		return a.stats, fmt.Errorf("apply layer to %s: %w", dir, err)
	}
	return a.stats, nil
}

// layerApplier is an unpacker of layers.
type layerApplier struct {
	unpacker
	opts  ApplyLayerOptions
	stats ApplyStats
	mnt   *mount          // that is changed
	done  map[string]bool // paths that the layer has, which its opaque markers do not mean
	late  []lateDir
	times []dirTimes // of directories where a file was replaced
}

// lateDir is a directory whose attributes are set last: one that nobody may write to gets its files before.
type lateDir struct {
	name  string
	h     *tar.Header // nil: its time only
	mtime time.Time
	fresh bool
}

func (a *layerApplier) apply(r io.Reader) error {
	t := tar.NewReader(r)
	for {
		h, err := t.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if h.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		if err := a.entry(h, t); err != nil {
			return fmt.Errorf("%q: %w", h.Name, err)
		}
	}
	for _, d := range slices.Backward(a.times) { // the first is what there was
		if err := a.finish(lateDir{name: d.name, mtime: d.mtime}); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s: %w", d.name, err)
		}
	}
	for _, d := range slices.Backward(a.late) {
		if err := a.finish(d); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%q: %w", d.h.Name, err)
		}
	}
	_, err := io.Copy(io.Discard, r) // padding, or that the source failed
	return err
}

// entry applies one entry of the tar.
func (a *layerApplier) entry(h *tar.Header, contents io.Reader) error {
	name := path.Clean(strings.TrimLeft(h.Name, "/"))
	dir, base := path.Split(name)
	gone, removes := strings.CutPrefix(base, whiteoutPrefix)
	switch {
	case base == opaqueName:
		return a.opaque(dir)
	case strings.HasPrefix(base, auxPrefix):
		return nil
	case !removes:
		return a.put(h, contents)
	case gone == "", gone == ".", gone == "..":
		return ErrBreakout
	}
	real, err := a.inside(dir+gone, false)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil
	}
	if err != nil {
		return err
	}
	return a.at(real, nil, func(*place) error {
		a.stats.Removed++
		return a.remove(real)
	})
}

// opaque empties a directory of what the layer has not put there.
func (a *layerApplier) opaque(dir string) error {
	marker, err := a.inside(dir+opaqueName, false) // which follows links, as it must within the tree only
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil
	}
	if err != nil {
		return err
	}
	real := path.Dir(marker)
	entries, err := a.view.ReadDir(real)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if child := path.Join(real, e.Name()); !a.done[child] {
			if err := a.at(child, nil, func(*place) error { return a.remove(child) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// remove removes a file with all that is in it, but for what is mounted there and the directories above that.
func (a *layerApplier) remove(name string) error {
	err := a.view.Remove(name)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	holds := errors.Is(err, syscall.EBUSY) // a mount
	if !holds && !errors.Is(err, syscall.ENOTEMPTY) {
		return err
	}
	entries, err := a.view.ReadDir(name)
	if err != nil {
		return err
	}
	for _, e := range entries {
		child := path.Join(name, e.Name())
		if err := a.at(child, nil, func(*place) error { return a.remove(child) }); err != nil {
			return err
		}
	}
	if holds {
		return nil
	}
	return a.remove(name)
}

// at calls f with the place of an entry, nil where there is none, unless it is mounted; and keeps account of whose change
// it is. h is what the entry is to become, nil for nothing.
func (a *layerApplier) at(name string, h *tar.Header, f func(was *place) error) error {
	var w walker
	if a.opts.Touched != nil {
		a.opts.Touched(name)
	}
	if name == a.root {
		dir, err := a.view.find(&w, name, noFollow)
		if err != nil {
			return err
		}
		if node, ours := dir.node.(*overlayNode); ours {
			defer node.o.agree(node.ino)
		}
		return f(dir)
	}
	dir, base, _, err := a.view.findParent(&w, name)
	if err != nil {
		return err
	}
	var was *place
	child, err := w.step(base)
	switch {
	case err == nil:
		was = &child
	case !errors.Is(err, syscall.ENOENT):
		return err
	}
	if dir.mnt != a.mnt || was != nil && was.mnt != a.mnt {
		a.stats.Skipped++
		return nil
	}
	isDir := h != nil && h.Typeflag == tar.TypeDir
	node, ours := dir.node.(*overlayNode)
	if !ours || node.o.Moved() {
		merged := isDir && was != nil && was.node.Type().IsDir()
		if a.opts.Changed != nil && !merged && (was != nil || h != nil) && a.opts.Changed(name) {
			a.conflict(name)
		}
		return f(was)
	}
	m := node.o.meet(node.ino, base)
	m.merged = was != nil && m.isDir && isDir
	if m.conflicts(a.opts.Since) {
		a.conflict(name)
	}
	defer m.agree()
	return f(was)
}

func (a *layerApplier) conflict(name string) {
	if a.opts.Conflict != nil {
		a.stats.Conflicts++
		a.opts.Conflict(name)
	}
}

// put makes or changes a file.
func (a *layerApplier) put(h *tar.Header, contents io.Reader) error {
	name, err := a.inside(h.Name, true)
	if err != nil {
		return err
	}
	if name == a.root {
		if h.Typeflag != tar.TypeDir {
			return syscall.ENOTDIR
		}
		a.late = append(a.late, lateDir{name, h, h.ModTime, false})
		a.stats.Files++
		return nil
	}
	a.done[name] = true
	return a.at(name, h, func(was *place) error {
		a.stats.Files++
		if was != nil {
			kept, err := a.keep(name, was, h, contents)
			if kept || err != nil {
				return err
			}
			// Another file of the name is no change of the directory.
			parent := path.Dir(name)
			info, err := a.view.Lstat(parent)
			if err != nil {
				return err
			}
			a.times = append(a.times, dirTimes{parent, info.ModTime()})
			if err := a.remove(name); err != nil {
				return err
			}
		}
		switch h.Typeflag {
		case tar.TypeDir:
			a.late = append(a.late, lateDir{name, h, h.ModTime, true})
			return a.view.Mkdir(name, 0o700)
		case tar.TypeReg, '\x00', tar.TypeCont:
			a.stats.Bytes += h.Size
		}
		return a.make(name, false, h, contents)
	})
}

// keep changes a file that is there to what the layer has, if that can be: false tells to make it anew.
func (a *layerApplier) keep(name string, was *place, h *tar.Header, contents io.Reader) (bool, error) {
	info, err := was.stat()
	if err != nil {
		return false, err
	}
	kind := info.Mode().Type()
	switch h.Typeflag {
	case tar.TypeDir:
		if kind == fs.ModeDir {
			a.late = append(a.late, lateDir{name, h, h.ModTime, false})
		}
		return kind == fs.ModeDir, nil
	case tar.TypeReg, '\x00', tar.TypeCont:
		if kind != 0 || info.Nlink() > 1 || linkedBelow(was.node) {
			return false, nil
		}
		return a.rewrite(name, h, contents)
	case tar.TypeLink:
		target, err := a.inside(h.Linkname, false)
		if err != nil {
			return false, err
		}
		to, err := a.view.Lstat(target)
		return err == nil && to.Ino() == info.Ino() && to.Dev() == info.Dev() && info.Ino() != 0, err
	case tar.TypeSymlink:
		if kind != fs.ModeSymlink {
			return false, nil
		}
		if target, err := a.view.Readlink(name); err != nil || target != h.Linkname {
			return false, err
		}
	case tar.TypeFifo:
		if kind != fs.ModeNamedPipe {
			return false, nil
		}
	default:
		same := kind == fs.ModeDevice && h.Typeflag == tar.TypeBlock || kind == fs.ModeDevice|fs.ModeCharDevice && h.Typeflag == tar.TypeChar
		if !same || info.Rdev() != Mkdev(uint32(h.Devmajor), uint32(h.Devminor)) {
			return false, nil
		}
	}
	return true, a.reset(name, h)
}

// linkedBelow tells whether the layers have several names of a file, which they count by layer.
func linkedBelow(n Node) bool {
	node, ours := n.(*overlayNode)
	if !ours {
		return false
	}
	node.o.mu.RLock()
	defer node.o.mu.RUnlock()
	return node.o.linked(node.ino)
}

// rewrite writes to an existing file what differs, so that who reads it meanwhile does not find it empty.
func (a *layerApplier) rewrite(name string, h *tar.Header, contents io.Reader) (bool, error) {
	f, err := a.view.OpenFile(name, os.O_RDWR|O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ETXTBSY) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	err = overwrite(f, contents, h.Size)
	if err = errors.Join(err, f.Close()); err != nil {
		return false, err
	}
	a.stats.Bytes += h.Size
	return true, a.reset(name, h)
}

func overwrite(f *File, contents io.Reader, size int64) error {
	buf := make([]byte, 2*pageSize)
	fresh, old := buf[:pageSize], buf[pageSize:]
	for off := int64(0); off < size; {
		n, err := io.ReadFull(contents, fresh[:min(pageSize, size-off)])
		if err != nil {
			return err
		}
		k, err := f.ReadAt(old[:n], off)
		if err != nil && err != io.EOF {
			return err
		}
		if !bytes.Equal(fresh[:n], old[:k]) {
			if _, err := f.WriteAt(fresh[:n], off); err != nil {
				return err
			}
		}
		off += int64(n)
	}
	info, err := f.Stat()
	if err == nil && info.Size() != size {
		err = f.Truncate(size)
	}
	return err
}

// finish gives a directory its attributes.
func (a *layerApplier) finish(d lateDir) error {
	if real, err := a.view.Resolve(d.name); err != nil || real != d.name {
		return err // another entry has taken its place
	}
	if d.h == nil {
		return a.at(d.name, &tar.Header{Typeflag: tar.TypeDir}, func(*place) error { return a.view.Chtimes(d.name, d.mtime, d.mtime) })
	}
	return a.at(d.name, d.h, func(*place) error {
		set := a.reset
		if d.fresh {
			set = func(name string, h *tar.Header) error {
				return a.attributes(name, FromUnixMode(uint32(h.Mode)), h)
			}
		}
		if err := set(d.name, d.h); err != nil {
			return err
		}
		return a.view.Chtimes(d.name, d.mtime, d.mtime)
	})
}

// reset gives a file that was there the attributes of the tar, and takes the extended ones that this has not.
func (a *layerApplier) reset(name string, h *tar.Header) error {
	if h.Typeflag != tar.TypeSymlink {
		attrs, err := a.view.Listxattr(name)
		if err != nil {
			return err
		}
		for _, attr := range attrs {
			if _, kept := h.PAXRecords[xattrRecord+attr]; kept {
				continue
			}
			err := a.view.Removexattr(name, attr)
			if err != nil && !slices.ContainsFunc(keptXattrs, func(why error) bool { return errors.Is(err, why) }) {
				return err
			}
		}
	}
	return a.attributes(name, FromUnixMode(uint32(h.Mode)), h)
}

// keptXattrs are the errors of attributes that are the host's own, as a security label is.
var keptXattrs = []error{syscall.ENOTSUP, syscall.EPERM, syscall.EACCES, syscall.ENODATA}
