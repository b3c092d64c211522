package wasi

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/containerd/errdefs"

	"github.com/sockerless/sockerless/agent/agentpb"
	"github.com/sockerless/sockerless/store/rootfs"
	"github.com/sockerless/sockerless/wasi/kernel"
)

// upperName is the directory of a container's changes in the container's directory.
const upperName = "upper"

// container is a container that the cell has open.
type container struct {
	cell *Cell
	spec *agentpb.Container

	mu      sync.RWMutex // held for reading while files are used, for writing while they are opened and closed
	overlay *rootfs.Overlay
	tree    *rootfs.Tree
	table   *kernel.Table // of the last run
	running atomic.Bool
	runs    sync.WaitGroup // its first process
	owner   rootfs.Cred    // of the first process
}

// open opens the container's files; c.mu is held for writing. run is whether processes are going to use them.
func (c *container) open() error {
	if c.tree != nil {
		return nil
	}
	overlay, err := rootfs.OpenOverlay(c.spec.GetLayers(), filepath.Join(c.spec.GetDirectory(), upperName))
	if err != nil {
		return fmt.Errorf("open the files of container %s: %w", c.spec.GetId(), err)
	}
	tree := rootfs.NewTree(overlay, c.spec.GetReadOnly())
	limits := c.spec.GetLimits()
	table := kernel.NewTable(kernel.TableConfig{
		Tree: tree, Hostname: c.spec.GetHostname(), Domainname: c.spec.GetDomainname(),
		Limits: c.cell.limits(limits), Exec: c.cell.programs.resolve,
	})
	if err := c.mount(tree, table); err != nil {
		_ = tree.Close()
		return fmt.Errorf("mount the files of container %s: %w", c.spec.GetId(), err)
	}
	c.overlay, c.tree, c.table = overlay, tree, table
	return nil
}

// close closes the files; c.mu is held for writing.
func (c *container) close() error {
	if c.tree == nil {
		return nil
	}
	err := c.tree.Close()
	c.overlay, c.tree, c.table = nil, nil, nil
	return err
}

// mount mounts what every container has, and then what this one wants.
func (c *container) mount(tree *rootfs.Tree, table *kernel.Table) error {
	system := []struct {
		target string
		fsys   rootfs.FS
	}{
		{"/proc", table.ProcFS()},
		{"/dev", table.DevFS(func() rootfs.FS { return rootfs.NewTmpfs(64<<10, 0o755) })},
		{"/dev/shm", rootfs.NewTmpfs(64<<20, fs.ModeSticky|0o777)},
		{"/sys", table.SysFS()},
		{"/etc/hostname", &generatedFile{c: c, text: hostnameText}},
		{"/etc/hosts", &generatedFile{c: c, text: hostsText}},
		{"/etc/resolv.conf", &generatedFile{c: c, text: resolvText}},
	}
	for _, m := range system {
		if err := tree.MountHidden(m.target, m.fsys, m.target == "/sys"); err != nil {
			return err
		}
	}
	mounts := slices.Clone(c.spec.GetMounts())
	slices.SortStableFunc(mounts, func(a, b *agentpb.Mount) int {
		return strings.Count(path.Clean(a.GetTarget()), "/") - strings.Count(path.Clean(b.GetTarget()), "/")
	})
	for _, m := range mounts {
		if err := c.mountOne(tree, m); err != nil {
			return fmt.Errorf("%s: %w", m.GetTarget(), err)
		}
	}
	return nil
}

func (c *container) mountOne(tree *rootfs.Tree, m *agentpb.Mount) error {
	var fsys rootfs.FS
	var err error
	switch m.GetType() {
	case agentpb.Mount_TMPFS:
		mode := fs.ModeSticky | 0o777
		if m.GetMode() != 0 {
			mode = rootfs.FromUnixMode(m.GetMode())
		}
		fsys = rootfs.NewTmpfs(m.GetSize(), mode)
	case agentpb.Mount_VOLUME, agentpb.Mount_BIND:
		fsys, err = rootfs.NewHostDir(m.GetSource(), rootfs.HostOptions{
			ReadOnly: m.GetReadOnly() && !m.GetCopyUp(), Metadata: m.GetType() == agentpb.Mount_VOLUME,
		})
	default:
		err = errdefs.ErrInvalidArgument.WithMessage("mount of an unknown type")
	}
	if err != nil {
		return err
	}
	if m.GetCopyUp() {
		if err := copyUp(tree, m.GetTarget(), fsys); err != nil {
			return fmt.Errorf("copy the image's content into the volume: %w", err)
		}
	}
	return tree.Mount(m.GetTarget(), fsys, m.GetReadOnly())
}

// copyUp gives an empty volume what the image has at its target.
func copyUp(tree *rootfs.Tree, target string, volume rootfs.FS) error {
	entries, err := volume.Root().ReadDir()
	if err != nil || len(entries) > 0 {
		return err
	}
	v := tree.View(rootfs.Cred{})
	if info, err := v.Stat(target); err != nil || !info.IsDir() {
		return nil // the image has nothing there
	}
	return v.CopyTree(target, volume)
}

// usable returns the container's files, opened if need be, and keeps them open until release is called.
func (c *container) usable(_ context.Context) (release func(), err error) {
	c.mu.RLock()
	if c.tree != nil {
		return c.mu.RUnlock, nil
	}
	c.mu.RUnlock()
	c.mu.Lock()
	err = c.open()
	c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	c.mu.RLock()
	if c.tree == nil {
		c.mu.RUnlock()
		return nil, errdefs.ErrNotFound.WithMessage("container " + c.spec.GetId() + " was closed")
	}
	return c.mu.RUnlock, nil
}
