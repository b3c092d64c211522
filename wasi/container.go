package wasi

import (
	"errors"
	"fmt"
	"io"
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
	twins   twins
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
		Limits: c.cell.limits(limits), Exec: c.resolve, Network: c.beyond(), Addresses: c.addresses(), Socket: c.dialEngine,
	})
	c.overlay = overlay
	if err := c.mount(tree, table); err != nil {
		_ = overlay.Close()
		return fmt.Errorf("mount the files of container %s: %w", c.spec.GetId(), err)
	}
	c.tree, c.table = tree, table
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

// mounted is a file system at its place.
type mounted struct {
	target   string
	fsys     rootfs.FS
	readOnly bool
	hidden   bool // what every container has: `docker diff` does not show its mount point
}

// mount mounts what every container has and what this one wants: what is nearer to the root first, and of two at the
// same place the container's own last, so that it is seen.
func (c *container) mount(tree *rootfs.Tree, table *kernel.Table) error {
	all := []mounted{
		{"/proc", table.ProcFS(), false, true},
		{"/dev", table.DevFS(func() rootfs.FS { return rootfs.NewTmpfs(64<<10, 0o755) }), false, true},
		{"/dev/shm", rootfs.NewTmpfs(64<<20, fs.ModeSticky|0o777), false, true},
		{"/sys", table.SysFS(), true, true},
		{"/etc/hostname", &generatedFile{c: c, text: hostnameText, mtime: table.Boot()}, false, true},
		{"/etc/hosts", &generatedFile{c: c, text: hostsText, mtime: table.Boot()}, false, true},
		{"/etc/resolv.conf", &generatedFile{c: c, text: resolvText, mtime: table.Boot()}, false, true},
	}
	var opened []mounted // to be closed if it fails: the tree does not have them yet
	for i, m := range c.spec.GetMounts() {
		if m.GetType() == agentpb.Mount_ENGINE {
			all = append(all, mounted{path.Clean(m.GetTarget()), &engineSocket{number: uint64(i) + 1, made: table.Boot()}, false, true})
			continue
		}
		fsys, err := c.openMount(m)
		if err != nil {
			return errors.Join(fmt.Errorf("%s: %w", m.GetTarget(), err), closeMounts(opened))
		}
		own := mounted{path.Clean(m.GetTarget()), fsys, m.GetReadOnly(), false}
		all, opened = append(all, own), append(opened, own)
	}
	slices.SortStableFunc(all, func(a, b mounted) int {
		return strings.Count(a.target, "/") - strings.Count(b.target, "/")
	})
	for _, m := range all {
		mount := tree.Mount
		if m.hidden {
			mount = tree.MountHidden
		}
		if err := mount(m.target, m.fsys, m.readOnly); err != nil {
			return errors.Join(err, closeMounts(opened))
		}
	}
	return nil
}

// closeMounts closes file systems that no tree is going to close.
func closeMounts(list []mounted) error {
	var errs []error
	for _, m := range list {
		if closer, ok := m.fsys.(io.Closer); ok {
			errs = append(errs, closer.Close())
		}
	}
	return errors.Join(errs...)
}

// openMount opens what a container wants to have mounted, and fills a new volume.
func (c *container) openMount(m *agentpb.Mount) (rootfs.FS, error) {
	switch m.GetType() {
	case agentpb.Mount_TMPFS:
		mode := fs.ModeSticky | 0o777
		if m.GetMode() != 0 {
			mode = rootfs.FromUnixMode(m.GetMode())
		}
		return rootfs.NewTmpfs(m.GetSize(), mode), nil
	case agentpb.Mount_VOLUME, agentpb.Mount_BIND:
		fsys, err := rootfs.NewHostDir(m.GetSource(), rootfs.HostOptions{
			ReadOnly: m.GetReadOnly() && !m.GetCopyUp(), Metadata: m.GetType() == agentpb.Mount_VOLUME,
		})
		if err == nil && m.GetCopyUp() {
			if err := c.copyUp(m.GetTarget(), fsys); err != nil {
				return nil, errors.Join(fmt.Errorf("copy the image's content into the volume: %w", err), closeMounts([]mounted{{fsys: fsys}}))
			}
		}
		return fsys, err
	}
	return nil, errdefs.ErrInvalidArgument.WithMessage("mount of an unknown type")
}

// copyUp gives an empty volume what the image has at its target, without what is mounted there.
func (c *container) copyUp(target string, volume rootfs.FS) error {
	entries, err := volume.Root().ReadDir()
	if err != nil || len(entries) > 0 {
		return err
	}
	v := rootfs.NewTree(c.overlay, true).View(rootfs.Cred{})
	if info, err := v.Stat(target); err != nil || !info.IsDir() {
		return nil // the image has nothing there
	}
	return v.CopyTree(target, volume)
}

// usable returns the container's files, opened if need be, and keeps them open until release is called.
func (c *container) usable() (release func(), err error) {
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
