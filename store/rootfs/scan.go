package rootfs

import (
	"archive/tar"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/containerd/errdefs"
)

// Scan is how the files of a tree that others change, too, were at some time, by their paths from its root ("" is that itself).
// What has changed since is found by comparing: see Changes. An Overlay knows it without.
type Scan map[string]FileState

// FileState is what lstat(2) tells of a file, as far as it shows that the file has changed.
type FileState struct {
	Mode               fs.FileMode
	UID, GID           uint32
	Rdev, Ino          uint64
	Size, Mtime, Ctime int64 // bytes; Unix nanoseconds
}

func stateOf(i *Info) FileState {
	s := FileState{Mode: i.Mode(), UID: i.UID(), GID: i.GID(), Rdev: i.Rdev(), Mtime: i.ModTime().UnixNano()}
	if !i.IsDir() { // a directory is what it is, and not what it has
		s.Ino, s.Size, s.Ctime = i.Ino(), i.Size(), i.Ctime().UnixNano()
	}
	return s
}

// Scan looks at all files of the tree.
func (v *View) Scan(ctx context.Context) (Scan, error) {
	s := Scan{}
	info, err := v.Lstat("/")
	if err == nil {
		s[""] = stateOf(info)
		err = v.scan(ctx, s, "")
	}
	if err != nil {
		return nil, fmt.Errorf("look at the files: %w", err)
	}
	return s, nil
}

func (v *View) scan(ctx context.Context, s Scan, dir string) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	entries, err := v.ReadDir("/" + dir)
	if err != nil {
		return absent(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			if absent(err) != nil {
				return err
			}
			continue
		}
		if info.Mode()&fs.ModeSocket != 0 {
			continue // which is nothing without its process
		}
		name := join(dir, e.Name())
		s[name] = stateOf(info.(*Info))
		if info.IsDir() {
			if err := v.scan(ctx, s, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// absent is nil for the error of a file that somebody has removed or replaced meanwhile.
func absent(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil
	}
	return err
}

// Refresh notes how one path is now, and nothing of what is below it.
func (s Scan) Refresh(v *View, name string) error {
	info, err := v.Lstat("/" + name)
	switch {
	case err == nil:
		s[name] = stateOf(info)
	case absent(err) != nil:
		return err
	default:
		delete(s, name)
	}
	return nil
}

// Take notes of one path what another Scan has of it.
func (s Scan) Take(from Scan, name string) {
	if f, there := from[name]; there {
		s[name] = f
	} else {
		delete(s, name)
	}
}

// Bytes is the size of all files.
func (s Scan) Bytes() (sum int64) {
	for _, f := range s {
		if f.Mode.IsRegular() {
			sum += f.Size
		}
	}
	return sum
}

// PathChange is a path that is not as it was.
type PathChange struct {
	Path string // from the root; "" is that itself
	Gone bool
}

// Changes are what is not as it was, each directory before what is in it, and of what was removed only the top. The directories
// above a change are among them: who applies it changes their times.
func (s Scan) Changes(was Scan) []PathChange {
	gone := map[string]bool{} // or changed
	note := func(name string, isGone bool) {
		gone[name] = isGone
		for known := false; name != "" && !known; gone[name] = false {
			name = parentPath(name)
			_, known = gone[name]
		}
	}
	for name, f := range s {
		if old, known := was[name]; !known || old != f {
			note(name, false)
		}
	}
	for name := range was {
		_, there := s[name]
		if above := s[parentPath(name)]; !there && above.Mode.IsDir() {
			note(name, true)
		}
	}
	all := make([]PathChange, 0, len(gone))
	for name, isGone := range gone {
		all = append(all, PathChange{name, isGone})
	}
	slices.SortFunc(all, func(a, b PathChange) int {
		switch {
		case lessPath(a.Path, b.Path):
			return -1
		case lessPath(b.Path, a.Path):
			return 1
		}
		return 0
	})
	return all
}

func parentPath(name string) string {
	if dir := path.Dir(name); dir != "." {
		return dir
	}
	return ""
}

// PackChanges writes changes as the tar of an OCI layer; afresh says that the layer is all there is to be.
func (v *View) PackChanges(ctx context.Context, w io.Writer, changes []PathChange, afresh bool) error {
	p := packer{view: v, tar: tar.NewWriter(w), seen: map[[2]uint64]string{}, flat: true}
	marker := func(name string) error {
		return p.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o600, Format: tar.FormatPAX})
	}
	if afresh {
		if err := marker(opaqueName); err != nil {
			return err
		}
	}
	for _, c := range changes {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		dir, base := path.Split(c.Path)
		if strings.HasPrefix(base, whiteoutPrefix) {
			return errdefs.ErrFailedPrecondition.WithMessage("/" + c.Path + ": a layer cannot have a file whose name begins with " + whiteoutPrefix + ": rename it")
		}
		if c.Gone {
			if err := marker(dir + whiteoutPrefix + base); err != nil {
				return err
			}
			continue
		}
		info, err := v.Lstat("/" + c.Path)
		if err == nil {
			err = p.add("/"+c.Path, cmp.Or(c.Path, "."), info)
		}
		if absent(err) != nil {
			return fmt.Errorf("pack /%s: %w", c.Path, err)
		}
	}
	return p.tar.Close()
}
