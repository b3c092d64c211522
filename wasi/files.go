package wasi

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"
	"syscall"

	"github.com/containerd/errdefs"

	"github.com/sockerless/sockerless/agent/agentpb"
	"github.com/sockerless/sockerless/store/rootfs"
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

// view opens a container's files for root. release must be called.
func (c *Cell) view(id string) (*container, *rootfs.View, func(), error) {
	found, err := c.container(id)
	if err != nil {
		return nil, nil, nil, err
	}
	release, err := found.usable()
	if err != nil {
		return nil, nil, nil, err
	}
	return found, found.tree.View(rootfs.Cred{}), release, nil
}

// Stat describes a path; a symbolic link itself.
func (c *Cell) Stat(_ context.Context, id, name string) (*agentpb.PathStat, error) {
	_, v, release, err := c.view(id)
	if err != nil {
		return nil, err
	}
	defer release()
	return pathStat(v, absolute(name))
}

func pathStat(v *rootfs.View, name string) (*agentpb.PathStat, error) {
	info, err := v.Lstat(name)
	if err != nil {
		return nil, classified(err)
	}
	stat := &agentpb.PathStat{
		Name: path.Base(name), Size: info.Size(), Mode: uint32(info.Mode()), Mtime: info.ModTime().UnixNano(),
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		target, err := v.Readlink(name)
		if err != nil {
			return nil, classified(err)
		}
		// Docker shows where the link leads in the end, or its target from the root where that does not exist.
		if real, err := v.Resolve(name); err == nil {
			target = real
		} else if !path.IsAbs(target) {
			target = path.Join(path.Dir(name), target)
		}
		stat.LinkTarget = path.Join("/", target)
	}
	return stat, nil
}

// classified gives a file's error the class that the engine makes an HTTP status of.
func classified(err error) error {
	switch rootfs.Errno(err) {
	case syscall.ENOENT, syscall.ENOTDIR:
		return errors.Join(errdefs.ErrNotFound, err)
	case syscall.EACCES, syscall.EPERM, syscall.EROFS:
		return errors.Join(errdefs.ErrPermissionDenied, err)
	case syscall.ELOOP, syscall.EINVAL, syscall.ENAMETOOLONG:
		return errors.Join(errdefs.ErrInvalidArgument, err)
	}
	return err
}

// Get writes a path as a tar stream.
func (c *Cell) Get(_ context.Context, id, name string, stat func(*agentpb.PathStat) error, w io.Writer) error {
	_, v, release, err := c.view(id)
	if err != nil {
		return err
	}
	defer release()
	s, err := pathStat(v, absolute(name))
	if err != nil {
		return err
	}
	if err := stat(s); err != nil {
		return err
	}
	if err := v.Pack(w, absolute(name)); err != nil {
		return classified(err)
	}
	return nil
}

// Put unpacks a tar stream into a directory.
func (c *Cell) Put(_ context.Context, open *agentpb.PutOpen, r io.Reader) error {
	found, v, release, err := c.view(open.GetContainer())
	if err != nil {
		return err
	}
	defer release()
	dir := absolute(open.GetPath())
	info, err := v.Stat(dir)
	if err != nil {
		return classified(err)
	}
	if !info.IsDir() {
		return errdefs.ErrInvalidArgument.WithMessage("extraction point is not a directory")
	}
	options := rootfs.UnpackOptions{NoOverwriteDirNonDir: open.GetNoOverwriteDirNonDir(), CopyOwner: open.GetCopyOwner()}
	if open.GetCopyOwner() {
		options.Owner = &rootfs.Owner{UID: found.owner.UID, GID: found.owner.GID}
	}
	if err := v.Unpack(r, dir, options); err != nil {
		if errors.Is(err, syscall.EROFS) {
			return errdefs.ErrPermissionDenied.WithMessage(readOnlyText(found, v, dir))
		}
		return classified(err)
	}
	return nil
}

// readOnlyText is what Docker says of a place that cannot be written.
func readOnlyText(c *container, v *rootfs.View, dir string) string {
	if real, err := v.Resolve(dir); err == nil {
		for _, m := range c.tree.Mounts() {
			if m.Path != "/" && m.ReadOnly && (real == m.Path || strings.HasPrefix(real, m.Path+"/")) {
				return "mounted volume is marked read-only"
			}
		}
	}
	return "container rootfs is marked read-only"
}

// Changes lists what differs from the image.
func (c *Cell) Changes(_ context.Context, id string) ([]*agentpb.Change, error) {
	found, _, release, err := c.view(id)
	if err != nil {
		return nil, err
	}
	defer release()
	changes, err := found.overlay.Changes()
	if err != nil {
		return nil, err
	}
	list := make([]*agentpb.Change, len(changes))
	for i, change := range changes {
		list[i] = &agentpb.Change{Path: change.Path, Kind: agentpb.Change_Kind(change.Kind)}
	}
	return list, nil
}
