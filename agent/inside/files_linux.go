package inside

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"syscall"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"

	"github.com/sockerless/sockerless/agent/agentpb"
)

// absolute is a path that a client gave, from the root, with a last "/" or "/." kept, which mean the directory itself.
func absolute(name string) string {
	clean := path.Join("/", name)
	switch {
	case clean == "/":
	case strings.HasSuffix(name, "/."):
		clean += "/."
	case strings.HasSuffix(name, "/"):
		clean += "/"
	}
	return clean
}

// Stat describes a path; a symbolic link itself.
func (h *Host) Stat(_ context.Context, id, name string) (*agentpb.PathStat, error) {
	if _, err := h.check(id); err != nil {
		return nil, err
	}
	name = absolute(name)
	at, err := walk(name, noFollow)
	if err != nil {
		return nil, classified(err)
	}
	defer at.close()
	return pathStat(at, name)
}

func pathStat(at *place, name string) (*agentpb.PathStat, error) {
	st, err := at.stat()
	if err != nil {
		return nil, classified(err)
	}
	stat := &agentpb.PathStat{Name: path.Base(name), Size: st.Size, Mode: uint32(goMode(st.Mode)), Mtime: unix.TimespecToNsec(st.Mtim)}
	if st.Mode&unix.S_IFMT == unix.S_IFLNK {
		target, err := readlinkat(at.dir, at.name)
		if err != nil {
			return nil, classified(err)
		}
		// Docker shows where the link leads in the end, or its target from the root where that does not exist.
		if !path.IsAbs(target) {
			target = path.Join(path.Dir(name), target)
		}
		if real, err := walk(name, follow); err == nil {
			if _, err := real.stat(); err == nil {
				target = real.path
			}
			real.close()
		}
		stat.LinkTarget = path.Join("/", target)
	}
	return stat, nil
}

// Get writes a path as a tar stream.
func (h *Host) Get(ctx context.Context, id, name string, stat func(*agentpb.PathStat) error, w io.Writer) error {
	if _, err := h.check(id); err != nil {
		return err
	}
	name = absolute(name)
	at, err := walk(name, noFollow)
	if err != nil {
		return classified(err)
	}
	defer at.close()
	s, err := pathStat(at, name)
	if err != nil {
		return err
	}
	if err := stat(s); err != nil {
		return err
	}
	base := path.Base(name)
	if strings.HasSuffix(name, "/.") {
		base = "."
	}
	p := newPacker(ctx, w)
	err = p.tree(at, base)
	if err == nil {
		err = p.tar.Close()
	}
	if err != nil {
		return classified(fmt.Errorf("pack %s: %w", name, err))
	}
	return nil
}

// Put unpacks a tar stream into a directory.
func (h *Host) Put(ctx context.Context, open *agentpb.PutOpen, r io.Reader) error {
	spec, err := h.check(open.GetContainer())
	if err != nil {
		return err
	}
	dir := absolute(open.GetPath())
	target := "/"
	if open.GetLayer() && mountedFor(spec, path.Clean(dir)) {
		target = path.Clean(dir)
		dir = h.copyOf(spec, target)
	}
	at, err := walk(dir, follow)
	if err != nil {
		return classified(err)
	}
	st, err := at.stat()
	root := at.path
	at.close()
	if err != nil {
		return classified(err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return errdefs.ErrInvalidArgument.WithMessage("extraction point is not a directory")
	}
	u := newUnpacker(ctx, root)
	defer u.close()
	u.noOverwriteDirNonDir = open.GetNoOverwriteDirNonDir()
	if open.GetCopyOwner() && !open.GetLayer() {
		h.mu.Lock()
		u.owner = &owner{h.owner.UID, h.owner.GID}
		h.mu.Unlock()
	}
	if open.GetLayer() {
		h.changing.Lock()
		defer h.changing.Unlock()
		u.layer = true
		err = u.unpack(r)
		if target == "/" {
			root = "/"
		}
		err = errors.Join(err, h.received(target, root, u.touched))
	} else {
		err = u.unpack(r)
	}
	if errors.Is(err, syscall.EROFS) {
		return errdefs.ErrPermissionDenied.WithMessage(readOnlyText(spec, root))
	}
	return classified(err)
}

// readOnlyText is what Docker says of a place that cannot be written.
func readOnlyText(c *agentpb.Container, dir string) string {
	for _, m := range c.GetMounts() {
		if target := path.Clean(m.GetTarget()); m.GetReadOnly() && (dir == target || strings.HasPrefix(dir, target+"/")) {
			return "mounted volume is marked read-only"
		}
	}
	return "container rootfs is marked read-only"
}

// kernelFile tells whether a directory is in a file system that is the kernel's, not the container's.
func kernelFile(dir int) (bool, error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(dir, &st); err != nil {
		return false, err
	}
	switch int64(st.Type) {
	case unix.PROC_SUPER_MAGIC, unix.SYSFS_MAGIC, unix.CGROUP_SUPER_MAGIC, unix.CGROUP2_SUPER_MAGIC, unix.SECURITYFS_MAGIC, unix.DEBUGFS_MAGIC:
		return true, nil
	}
	return false, nil
}

var errKernelFile = &fs.PathError{Op: "unpack", Path: "a file system of the kernel", Err: syscall.EPERM}
