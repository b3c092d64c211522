package layer

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"path"
	"slices"
	"strings"
	"time"
)

// FormatError is a tar that is damaged, hostile, or of a kind that is not supported.
type FormatError struct {
	Entry  string // "" where it is not one entry's fault
	Reason string
}

func (e *FormatError) Error() string {
	if e.Entry == "" {
		return "bad layer: " + e.Reason
	}
	return fmt.Sprintf("bad layer: entry %q: %s", e.Entry, e.Reason)
}

const (
	whiteoutPrefix = ".wh."
	metaPrefix     = ".wh..wh." // aufs's own files; but the next one means something
	opaqueName     = ".wh..wh..opq"
	xattrPrefix    = "SCHILY.xattr."
	maxName        = 255
	maxLinks       = 40
	maxTarget      = 4095
)

// inode is a file of the layer while it is built. Several names may share one.
type inode struct {
	mode     fs.FileMode
	uid, gid uint32
	rdev     uint64
	size     int64
	offset   int64
	mtime    int64
	target   string // of a symbolic link; of a hard link to a file that this layer does not have, its path
	foreign  bool   // the latter
	xattrs   []string
	implicit bool // a directory that other entries' names imply
	opaque   bool // a directory that hides the ones below
	children map[string]*inode
	hidden   map[string]bool // whiteouts
}

// builder makes an index of a tar's entries, in their order: the last of a name wins.
type builder struct {
	limits  Limits
	root    *inode
	entries int
	late    []lateLink
}

// lateLink is a hard link to something that had not come yet.
type lateLink struct {
	dir          *inode
	name, target string
	placeholder  *inode
}

func newBuilder(l Limits) *builder {
	return &builder{limits: l, root: newDir()}
}

func newDir() *inode {
	return &inode{mode: fs.ModeDir | 0o755, implicit: true, children: map[string]*inode{}}
}

// read takes all entries.
func (b *builder) read(in *meter) error {
	t := tar.NewReader(in)
	for {
		h, err := t.Next()
		if err == io.EOF {
			return b.finish()
		}
		if err != nil {
			return formatError("", err)
		}
		if err := b.add(h, in.n); err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, t); err != nil {
			return formatError(h.Name, err)
		}
	}
}

// formatError tells the tar's faults from its source's.
func formatError(entry string, err error) error {
	if errors.Is(err, tar.ErrHeader) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, tar.ErrFieldTooLong) {
		return &FormatError{Entry: entry, Reason: err.Error()}
	}
	return err
}

// add takes one entry, whose contents are at offset.
func (b *builder) add(h *tar.Header, offset int64) error {
	refuse := func(format string, a ...any) error {
		return &FormatError{Entry: h.Name, Reason: fmt.Sprintf(format, a...)}
	}
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	if b.entries++; b.entries > b.limits.Entries {
		return refuse("more than %d entries", b.limits.Entries)
	}
	name, err := b.clean(h.Name)
	if err != nil {
		return refuse("%v", err)
	}
	if h.Typeflag == tar.TypeGNUSparse || h.PAXRecords["GNU.sparse.major"] != "" || h.PAXRecords["GNU.sparse.map"] != "" || h.PAXRecords["GNU.sparse.size"] != "" {
		return refuse("sparse files are not supported in layers")
	}
	if name == "" {
		if h.Typeflag != tar.TypeDir {
			return refuse("the root is not a directory")
		}
		return b.describe(b.root, h, 0, refuse)
	}
	dirName, base := path.Split(name)
	dir, err := b.dir(dirName, true)
	if err != nil {
		return refuse("%v", err)
	}
	if strings.HasPrefix(base, whiteoutPrefix) {
		return b.whiteout(dir, base, refuse)
	}
	if h.Typeflag == tar.TypeLink {
		return b.link(dir, base, h, refuse)
	}
	n := &inode{}
	if h.Typeflag == tar.TypeDir {
		if n = dir.children[base]; n == nil || !n.mode.IsDir() {
			n = newDir()
		}
	}
	if err := b.describe(n, h, offset, refuse); err != nil {
		return err
	}
	dir.children[base] = n
	return nil
}

// clean makes a name relative to the layer's root. A leading slash means the root, as for Docker: some build tools write
// absolute names.
func (b *builder) clean(name string) (string, error) {
	if strings.IndexByte(name, 0) >= 0 {
		return "", errors.New("name has a NUL")
	}
	if len(name) > b.limits.Path {
		return "", fmt.Errorf("name is longer than %d bytes", b.limits.Path)
	}
	name = path.Clean(strings.TrimLeft(name, "/"))
	switch {
	case name == "." || name == "":
		return "", nil
	case name == ".." || strings.HasPrefix(name, "../"):
		return "", errors.New("name leaves the root")
	}
	depth := 0
	for comp := range strings.SplitSeq(name, "/") {
		if len(comp) > maxName {
			return "", fmt.Errorf("name has a component longer than %d bytes", maxName)
		}
		if depth++; depth > b.limits.Depth {
			return "", fmt.Errorf("more than %d directories deep", b.limits.Depth)
		}
	}
	return name, nil
}

// dir finds a directory, through symbolic links of this layer, which cannot lead out of it. With make, missing ones are
// implied; without, a missing one is nil.
func (b *builder) dir(name string, make bool) (*inode, error) {
	stack := []*inode{b.root}
	links := 0
	for rest := strings.Trim(name, "/"); rest != ""; {
		comp, tail, _ := strings.Cut(rest, "/")
		rest = strings.TrimLeft(tail, "/")
		at := stack[len(stack)-1]
		switch comp {
		case "", ".":
			continue
		case "..":
			stack = stack[:max(1, len(stack)-1)]
			continue
		}
		if len(comp) > maxName {
			return nil, errors.New("component of a symbolic link is too long")
		}
		n := at.children[comp]
		switch {
		case n == nil && !make:
			return nil, nil
		case n == nil:
			if len(stack) > b.limits.Depth {
				return nil, fmt.Errorf("more than %d directories deep", b.limits.Depth)
			}
			if b.entries++; b.entries > b.limits.Entries {
				return nil, fmt.Errorf("more than %d entries", b.limits.Entries)
			}
			n = newDir()
			at.children[comp] = n
		case n.mode.Type() == fs.ModeSymlink:
			if links++; links > maxLinks {
				return nil, errors.New("parent has too many levels of symbolic links")
			}
			if strings.HasPrefix(n.target, "/") {
				stack = stack[:1]
			}
			rest = n.target + "/" + rest
			continue
		case !n.mode.IsDir():
			return nil, errors.New("parent is not a directory")
		}
		stack = append(stack, n)
	}
	return stack[len(stack)-1], nil
}

func (b *builder) whiteout(dir *inode, base string, refuse func(string, ...any) error) error {
	if base == opaqueName {
		dir.opaque = true
		return nil
	}
	if strings.HasPrefix(base, metaPrefix) {
		return nil
	}
	name := strings.TrimPrefix(base, whiteoutPrefix)
	if name == "" || name == "." || name == ".." {
		return refuse("whiteout of nothing")
	}
	if dir.hidden == nil {
		dir.hidden = map[string]bool{}
	}
	dir.hidden[name] = true
	return nil
}

// link gives a file a further name. What it is called now counts, not what has that name at the end; only if there is
// nothing yet, what comes.
func (b *builder) link(dir *inode, base string, h *tar.Header, refuse func(string, ...any) error) error {
	target, err := b.clean(h.Linkname)
	if err != nil {
		return refuse("link target: %v", err)
	}
	n, err := b.file(target)
	if err != nil {
		return refuse("link target: %v", err)
	}
	if n != nil {
		if n.mode.IsDir() {
			return refuse("hard link to a directory")
		}
		dir.children[base] = n
		return nil
	}
	n = &inode{foreign: true, target: target}
	dir.children[base] = n
	b.late = append(b.late, lateLink{dir, base, target, n})
	return nil
}

// file finds what has a name now, nil if nothing.
func (b *builder) file(name string) (*inode, error) {
	dirName, base := path.Split(name)
	if base == "" {
		return b.root, nil
	}
	dir, err := b.dir(dirName, false)
	if err != nil || dir == nil {
		return nil, err
	}
	return dir.children[base], nil
}

// finish binds the links to what came after them. Others are to a lower layer's file, which the stack of layers finds.
func (b *builder) finish() error {
	for _, l := range b.late {
		if l.dir.children[l.name] != l.placeholder {
			continue // another entry has the name since
		}
		n, err := b.file(l.target)
		if err != nil {
			return &FormatError{Entry: l.name, Reason: "link target: " + err.Error()}
		}
		if n == nil || n.foreign {
			continue
		}
		if n.mode.IsDir() {
			return &FormatError{Entry: l.name, Reason: "hard link to a directory"}
		}
		l.dir.children[l.name] = n
	}
	return nil
}

// describe fills in what the header says.
func (b *builder) describe(n *inode, h *tar.Header, offset int64, refuse func(string, ...any) error) error {
	var kind fs.FileMode
	switch h.Typeflag {
	case tar.TypeReg, '\x00', tar.TypeCont:
		if h.Size < 0 || h.Size > b.limits.Bytes {
			return refuse("impossible size %d", h.Size)
		}
		n.size, n.offset = h.Size, offset
	case tar.TypeDir:
		kind = fs.ModeDir
	case tar.TypeSymlink:
		kind = fs.ModeSymlink
		if h.Linkname == "" || len(h.Linkname) > maxTarget || strings.IndexByte(h.Linkname, 0) >= 0 {
			return refuse("impossible target of a symbolic link")
		}
		n.target = h.Linkname
	case tar.TypeChar:
		kind = fs.ModeDevice | fs.ModeCharDevice
	case tar.TypeBlock:
		kind = fs.ModeDevice
	case tar.TypeFifo:
		kind = fs.ModeNamedPipe
	default:
		return refuse("unknown type %q", h.Typeflag)
	}
	if kind&fs.ModeDevice != 0 {
		if h.Devmajor < 0 || h.Devmajor > math.MaxUint32 || h.Devminor < 0 || h.Devminor > math.MaxUint32 {
			return refuse("impossible device number")
		}
		n.rdev = uint64(h.Devmajor)<<32 | uint64(h.Devminor)
	}
	if h.Uid < 0 || h.Uid > math.MaxUint32 || h.Gid < 0 || h.Gid > math.MaxUint32 {
		return refuse("impossible owner %d:%d", h.Uid, h.Gid)
	}
	n.mode = kind | fs.FileMode(h.Mode&0o777)
	for bit, mode := range map[int64]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if h.Mode&bit != 0 {
			n.mode |= mode
		}
	}
	n.uid, n.gid = uint32(h.Uid), uint32(h.Gid)
	n.mtime = nanos(h.ModTime)
	n.implicit = false
	n.xattrs = nil
	for _, key := range slices.Sorted(maps.Keys(h.PAXRecords)) {
		value := h.PAXRecords[key]
		if name, ok := strings.CutPrefix(key, xattrPrefix); ok && name != "" {
			if len(name) > maxName || len(value) > 64<<10 {
				return refuse("extended attribute is too long")
			}
			n.xattrs = append(n.xattrs, name, value)
		}
	}
	return nil
}

// nanos holds a time within what int64 can tell.
func nanos(t time.Time) int64 {
	switch s := t.Unix(); {
	case s >= math.MaxInt64/1_000_000_000:
		return math.MaxInt64
	case s <= math.MinInt64/1_000_000_000:
		return math.MinInt64
	}
	return t.UnixNano()
}
