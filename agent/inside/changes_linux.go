package inside

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"sort"
	"strconv"
	"strings"
	"syscall"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"

	"github.com/sockerless/sockerless/agent/agentpb"
)

// Changes lists what differs from the image, sorted by path, as `docker diff` shows it: the parents of a change are
// modified; of what was removed only the top is listed.
func (h *Host) Changes(_ context.Context, id string) ([]*agentpb.Change, error) {
	spec, err := h.check(id)
	if err != nil {
		return nil, err
	}
	var list []change
	if h.config.Upper != "" {
		list, err = h.upperChanges(spec)
	} else {
		list, err = h.baseChanges()
	}
	if err != nil {
		return nil, fmt.Errorf("list the changes: %w", err)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].path < list[j].path })
	changes := make([]*agentpb.Change, len(list))
	for i, c := range list {
		changes[i] = &agentpb.Change{Path: c.path, Kind: agentpb.Change_Kind(c.kind)}
	}
	return changes, nil
}

func (h *Host) baseChanges() ([]change, error) {
	now, err := snapshot()
	if err != nil {
		return nil, err
	}
	h.changing.Lock()
	base := h.base
	h.changing.Unlock()
	return withParents(func(tell func(change)) { now.diff(base, "/", false, tell) }), nil
}

// withParents collects changes, and adds the directories of each.
func withParents(each func(tell func(change))) []change {
	var list []change
	known := map[string]bool{"/": true}
	each(func(c change) {
		known[c.path] = true
		list = append(list, c)
	})
	for _, c := range slices.Clone(list) {
		for dir := path.Dir(c.path); !known[dir]; dir = path.Dir(dir) {
			known[dir] = true
			list = append(list, change{dir, modified})
		}
	}
	return list
}

// Delta writes what has changed since the last Delta, the last layer that was Put, or the first Open, as the tar of an OCI
// layer. What changes while it is written is in the next one.
func (h *Host) Delta(ctx context.Context, r *agentpb.DeltaRequest, w io.Writer) error {
	spec, err := h.check(r.GetContainer())
	if err != nil {
		return err
	}
	h.changing.Lock()
	defer h.changing.Unlock()
	if r.GetPath() != "" {
		return h.mountDelta(ctx, spec, r, w)
	}
	now, err := snapshot()
	if err != nil {
		return err
	}
	if r.GetForget() {
		h.sent = now
		return nil
	}
	var list []change
	switch {
	case h.sent != nil && !r.GetWhole():
		now.diff(h.sent, "/", true, func(c change) { list = append(list, c) })
	case h.config.Upper != "":
		if list, err = h.upperChanges(spec); err != nil {
			return fmt.Errorf("list the changes: %w", err)
		}
		sort.Slice(list, func(i, j int) bool { return list[i].path < list[j].path })
	default:
		now.diff(h.base, "/", false, func(c change) { list = append(list, c) })
	}
	if err := pack(ctx, w, "/", list); err != nil {
		return fmt.Errorf("send the changes: %w", err)
	}
	if !r.GetWhole() {
		h.sent = now
	}
	return nil
}

// mountDelta is Delta of what is mounted for the container, by its target. h.changing is held.
func (h *Host) mountDelta(ctx context.Context, spec *agentpb.Container, r *agentpb.DeltaRequest, w io.Writer) error {
	target := path.Clean(r.GetPath())
	if !mountedFor(spec, target) {
		return errdefs.ErrNotFound.WithMessage(fmt.Sprintf("container %s has nothing mounted at %s", spec.GetId(), target))
	}
	if r.GetTaken() {
		if held := h.held[target]; held != nil {
			h.mounted[target] = held
			delete(h.held, target)
		}
		return nil
	}
	now, err := snapshotOf(target)
	if err != nil {
		return err
	}
	if !r.GetForget() {
		was := h.mounted[target]
		if was == nil {
			was = &node{}
		}
		var list []change
		if was.mode != 0 && !now.same(was.meta, false) {
			list = append(list, change{target, modified})
		}
		now.diff(was, target, true, func(c change) { list = append(list, c) })
		if err := pack(ctx, w, target, list); err != nil {
			return fmt.Errorf("send the changes of %s: %w", target, err)
		}
	}
	if r.GetHold() {
		h.held[target] = now
	} else {
		h.mounted[target] = now
	}
	return nil
}

// copyOf is where the agent writes to what is mounted at a target: beside it, where it is mounted for reading only and the
// platform has mounted it there, too. See CopiesPath.
func (h *Host) copyOf(spec *agentpb.Container, target string) string {
	for i, m := range spec.GetMounts() {
		if m.GetReadOnly() && path.Clean(m.GetTarget()) == target {
			beside := path.Join(CopiesPath, strconv.Itoa(i))
			if _, err := os.Stat(beside); err == nil {
				return beside
			}
		}
	}
	return target
}

// mountedFor tells whether a container was asked to have something mounted at a path.
func mountedFor(spec *agentpb.Container, target string) bool {
	return slices.ContainsFunc(spec.GetMounts(), func(m *agentpb.Mount) bool { return path.Clean(m.GetTarget()) == target })
}

// pack writes changes as the tar of a layer, with names relative to a directory.
func pack(ctx context.Context, w io.Writer, root string, list []change) error {
	p := newPacker(ctx, w)
	var dir *place
	defer func() {
		if dir != nil {
			dir.close()
		}
	}()
	for _, c := range list {
		name := strings.TrimPrefix(strings.TrimPrefix(c.path, root), "/")
		if name == "" {
			name = "."
		}
		if c.kind == deleted {
			if err := p.whiteout(name); err != nil {
				return err
			}
			continue
		}
		if parent := path.Dir(c.path); dir == nil || dir.path != parent {
			at, err := walk(strings.TrimSuffix(parent, "/")+"/", follow)
			if errors.Is(vanished(err), errVanished) {
				continue
			}
			if err != nil {
				return err
			}
			if dir != nil {
				dir.close()
			}
			dir = at
			if at.path != parent || at.name != "." {
				dir.path = "" // a link by now
				continue
			}
		}
		fd, err := p.add(dir.child(dir.dir, path.Base(c.path)), name)
		if fd >= 0 {
			_ = unix.Close(fd)
		}
		if err != nil && !errors.Is(err, errVanished) {
			return err
		}
	}
	return p.tar.Close()
}

// received notes how the files are that have come in with a layer, at the root or at a mount's target, of which root is the
// directory: they are not to be sent back. h.changing is held.
func (h *Host) received(target, root string, touched map[string]bool) (err error) {
	known := h.sent
	switch {
	case target != "/":
		if known = h.mounted[target]; known == nil {
			known = &node{}
			h.mounted[target] = known
		}
	case known == nil && h.base == nil:
		h.sent, err = snapshot()
		return err
	case known == nil:
		known = h.base.clone()
		h.sent = known
	}
	paths := make([]string, 0, len(touched))
	for name := range touched {
		paths = append(paths, name)
	}
	slices.Sort(paths) // directories before what is in them
	for _, name := range paths {
		if err := known.refresh(root, name); err != nil {
			return fmt.Errorf("note what was received: %w", err)
		}
	}
	return nil
}

func (n *node) clone() *node {
	c := &node{meta: n.meta}
	for name, child := range n.children {
		c.put(name, child.clone())
	}
	return c
}

// upperChanges reads the changes from the upper directory of the root's overlay, which has nothing else.
func (h *Host) upperChanges(spec *agentpb.Container) ([]change, error) {
	hidden, err := mountPoints()
	if err != nil {
		return nil, err
	}
	for _, m := range spec.GetMounts() {
		delete(hidden, path.Clean(m.GetTarget())) // whose mount point Docker shows
	}
	u := upper{lower: h.config.Lower, hidden: hidden}
	fd, err := unix.Open(h.config.Upper, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: h.config.Upper, Err: err}
	}
	defer unix.Close(fd)
	if _, err := u.dir(fd, "/", true); err != nil {
		return nil, err
	}
	return u.list, nil
}

type upper struct {
	lower  string
	hidden map[string]bool
	list   []change
}

// dir reads a directory of the upper one, and tells whether anything in it has changed. merged is whether the image's
// directory is seen below it.
func (u *upper) dir(fd int, dir string, merged bool) (changed bool, err error) {
	names, err := readDir(fd, dir)
	if err != nil {
		return false, err
	}
	for _, name := range names {
		at := &place{dir: fd, name: name, path: path.Join(dir, name)}
		st, err := at.stat()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return false, err
		}
		if u.hidden[at.path] {
			continue
		}
		one, err := u.entry(at, &st, merged)
		if err != nil {
			return false, err
		}
		changed = changed || one
	}
	if merged && u.lower != "" {
		gone, err := u.missing(names, fd, dir)
		return changed || gone, err
	}
	return changed, nil
}

// missing lists what the image has in a directory that is opaque, and so has none of it.
func (u *upper) missing(names []string, fd int, dir string) (bool, error) {
	if !overlayMark(fd, "opaque") {
		return false, nil
	}
	below, err := unix.Open(path.Join(u.lower, dir), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if errors.Is(vanished(err), errVanished) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer unix.Close(below)
	was, err := readDir(below, dir)
	if err != nil {
		return false, err
	}
	changed := false
	for _, name := range was {
		if !slices.Contains(names, name) {
			changed = true
			u.list = append(u.list, change{path.Join(dir, name), deleted})
		}
	}
	return changed, nil
}

// entry is one file of the upper directory.
func (u *upper) entry(at *place, st *unix.Stat_t, merged bool) (changed bool, err error) {
	if whiteout(at, st) {
		u.list = append(u.list, change{at.path, deleted})
		return true, nil
	}
	was, known, had := u.below(at.path)
	kind := modified
	isDir := st.Mode&unix.S_IFMT == unix.S_IFDIR
	fd := -1
	if isDir || st.Mode&unix.S_IFMT == unix.S_IFREG {
		if fd, err = at.open(unix.O_RDONLY|unix.O_NONBLOCK, 0); err != nil {
			if errors.Is(vanished(err), errVanished) {
				return false, nil
			}
			return false, err
		}
		defer unix.Close(fd)
	}
	switch {
	case known && (!had || !merged):
		kind = added
	case !known && fd >= 0 && !overlayMark(fd, "origin"):
		// overlayfs notes on what it copies up from where it came, and on a new directory that nothing is below.
		kind = added
	case !known && fd < 0:
		kind = added // links and devices are made, not changed
	}
	differs := true
	if isDir {
		inside, err := u.dir(fd, at.path, kind == modified)
		if err != nil {
			return false, err
		}
		if kind == modified && known {
			now := metaOf(st)
			differs = inside || !now.isDir() || now.mode != was.mode || now.uid != was.uid || now.gid != was.gid
		}
	}
	if differs {
		u.list = append(u.list, change{at.path, kind})
	}
	return differs, nil
}

// below is what the image has at a path; known is whether that can be told.
func (u *upper) below(name string) (m meta, known, had bool) {
	if u.lower == "" {
		return m, false, false
	}
	var st unix.Stat_t
	if err := unix.Lstat(path.Join(u.lower, name), &st); err != nil {
		return m, true, false
	}
	return metaOf(&st), true, true
}

// whiteout tells whether an entry of an upper directory says that there is nothing: a device 0/0 or, where overlayfs may
// not make devices, an empty file with an attribute.
func whiteout(at *place, st *unix.Stat_t) bool {
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFCHR:
		return st.Rdev == 0
	case unix.S_IFREG:
		if st.Size > 0 {
			return false
		}
		fd, err := at.open(unix.O_RDONLY|unix.O_NONBLOCK, 0)
		if err != nil {
			return false
		}
		defer unix.Close(fd)
		return overlayMark(fd, "whiteout")
	}
	return false
}

// overlayMark tells whether overlayfs has noted something on a file.
func overlayMark(fd int, what string) bool {
	for _, space := range []string{"trusted.overlay.", "user.overlay."} {
		var value [256]byte
		n, err := unix.Fgetxattr(fd, space+what, value[:])
		if errors.Is(err, syscall.ERANGE) {
			return true
		}
		if err == nil && (what != "opaque" || n == 1 && value[0] == 'y') {
			return true
		}
	}
	return false
}
