package native

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	noExecSuid = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NOEXEC
)

// The devices, masked and read-only paths are Docker's: moby, daemon/pkg/oci/defaults.go.
var (
	devices = []string{"null", "zero", "full", "random", "urandom", "tty"}
	links   = [][2]string{
		{"pts/ptmx", "ptmx"}, {"/proc/self/fd", "fd"}, {"/proc/self/fd/0", "stdin"}, {"/proc/self/fd/1", "stdout"},
		{"/proc/self/fd/2", "stderr"}, {"/proc/kcore", "core"},
	}
	masked = []string{
		"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug",
		"/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware",
	}
	readOnly = []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
)

// mountSystem makes what every container has in /proc, /dev and /sys. The image may not have symbolic links there
// (CVE-2023-27561).
func (st *stage) mountSystem(root rootDir) error {
	protect := uint64(unix.MOUNT_ATTR_RDONLY)
	if st.Spec.Security.Privileged {
		protect = 0
	}
	pts := []option{{"newinstance", ""}, {"ptmxmode", "0666"}, {"mode", "0620"}}
	if !st.Rootless { // its group is not there in a user namespace with one user
		pts = append(pts, option{"gid", "5"})
	}
	steps := []struct {
		target, kind string
		attributes   int
		options      []option
	}{
		{"/proc", "proc", noExecSuid | unix.MOUNT_ATTR_NODEV, nil},
		{"/dev", "tmpfs", unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_STRICTATIME | int(st.nodev()), []option{{"mode", "0755"}, {"size", "65536k"}}},
		{"/dev/pts", "devpts", noExecSuid, pts},
		{"/dev/shm", "tmpfs", noExecSuid | unix.MOUNT_ATTR_NODEV, []option{{"mode", "01777"}, {"size", "65536k"}}},
		{"/dev/mqueue", "mqueue", noExecSuid | unix.MOUNT_ATTR_NODEV, nil},
		{"/sys", "sysfs", noExecSuid | unix.MOUNT_ATTR_NODEV | int(protect), nil},
	}
	for _, s := range steps {
		mount, err := newMount(s.kind, s.attributes, s.options...)
		switch {
		case s.kind == "mqueue" && errors.Is(err, unix.ENODEV):
			continue // the kernel has none
		case s.kind == "sysfs" && errors.Is(err, unix.EPERM):
			// A user namespace may only have the sysfs of a network namespace of its own.
			mount, err = bindMount("/sys", noExecSuid|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_RDONLY)
		}
		if err == nil {
			err = root.mountSystemDir(mount, s.target)
		}
		if err != nil {
			return st.fail("mount "+s.target, err, "")
		}
	}
	if err := root.makeDevices(); err != nil {
		return st.fail("make /dev", err, "")
	}
	if err := st.mountCgroup(root); err != nil {
		return st.fail("mount /sys/fs/cgroup", err, "")
	}
	return nil
}

func (r rootDir) mountSystemDir(mount int, target string) error {
	defer unix.Close(mount)
	if _, err := r.step(target[:strings.LastIndexByte(target, '/')+1], target[strings.LastIndexByte(target, '/')+1:], true); err != nil {
		return err
	}
	point, err := r.open(target, unix.O_PATH|unix.O_DIRECTORY, unix.RESOLVE_NO_SYMLINKS)
	if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENOTDIR) {
		return fmt.Errorf("the image has no directory there: %w", err)
	}
	if err != nil {
		return err
	}
	defer unix.Close(point)
	return attach(mount, point)
}

func (r rootDir) makeDevices() error {
	dev, err := r.open("/dev", unix.O_PATH|unix.O_DIRECTORY, unix.RESOLVE_NO_SYMLINKS)
	if err != nil {
		return err
	}
	defer unix.Close(dev)
	for _, l := range links {
		if err := unix.Symlinkat(l[0], dev, l[1]); err != nil {
			return fmt.Errorf("%s: %w", l[1], err)
		}
	}
	for _, name := range devices {
		mount, err := bindMount("/dev/"+name, unix.MOUNT_ATTR_NOEXEC|unix.MOUNT_ATTR_NOSUID)
		if err == nil {
			_, err = r.mountOn(mount, "/dev/"+name, false)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// mountCgroup shows the container its own cgroup, where it has one of the unified hierarchy: programs read their limits there.
func (st *stage) mountCgroup(root rootDir) error {
	if !st.CgroupView {
		return nil
	}
	if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
		return err
	}
	mount, err := newMount("cgroup2", noExecSuid|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_RDONLY)
	if err != nil {
		return err
	}
	_, err = root.mountOn(mount, "/sys/fs/cgroup", true)
	return err
}

// mask hides what tells about the host, and protects what changes it.
func (st *stage) mask(root rootDir) error {
	for _, name := range masked {
		if err := root.hide(name); err != nil && !errors.Is(err, unix.ENOENT) {
			return st.fail("mask "+name, err, "")
		}
	}
	for _, name := range readOnly {
		if err := root.protect(name); err != nil && !errors.Is(err, unix.ENOENT) {
			return st.fail("make read-only "+name, err, "")
		}
	}
	return nil
}

func (r rootDir) hide(name string) error {
	point, err := r.open(name, unix.O_PATH, unix.RESOLVE_NO_SYMLINKS)
	if err != nil {
		return err
	}
	defer unix.Close(point)
	var info unix.Stat_t
	if err := unix.Fstat(point, &info); err != nil {
		return err
	}
	var cover int
	if info.Mode&unix.S_IFMT == unix.S_IFDIR {
		cover, err = newMount("tmpfs", unix.MOUNT_ATTR_RDONLY|noExecSuid|unix.MOUNT_ATTR_NODEV, option{"size", "0k"}, option{"mode", "0555"})
	} else {
		cover, err = r.clone("/dev/null", 0)
	}
	if err != nil {
		return err
	}
	defer unix.Close(cover)
	return attach(cover, point)
}

func (r rootDir) protect(name string) error {
	point, err := r.open(name, unix.O_PATH, unix.RESOLVE_NO_SYMLINKS)
	if err != nil {
		return err
	}
	defer unix.Close(point)
	cover, err := r.clone(name, unix.MOUNT_ATTR_RDONLY)
	if err != nil {
		return err
	}
	defer unix.Close(cover)
	return attach(cover, point)
}

// clone makes a bind mount of something in the container that is not in the tree yet.
func (r rootDir) clone(name string, set uint64) (int, error) {
	from, err := r.open(name, unix.O_PATH, unix.RESOLVE_NO_SYMLINKS)
	if err != nil {
		return -1, err
	}
	defer unix.Close(from)
	fd, err := unix.OpenTree(from, "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH|unix.AT_RECURSIVE)
	if err != nil {
		return -1, err
	}
	if err := setAttributes(fd, set, true); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// mountProgram makes the private folder: the program, and the directory that it shares with the host. Only root gets there.
func (st *stage) mountProgram(root rootDir) error {
	private, err := newMount("tmpfs", unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV, option{"mode", "0700"}, option{"size", "64k"})
	if err != nil {
		return err
	}
	defer unix.Close(private)
	if err := root.mountSystemDir(dup(private), st.Spec.Inside("")); err != nil {
		return err
	}
	mount, err := bindMount(st.Spec.Program, unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV)
	if err == nil {
		_, err = root.mountOn(mount, st.Spec.Inside(programName), false)
	}
	if err == nil && st.Spec.Shared != "" {
		if mount, err = bindMount(st.Spec.Shared, noExecSuid|unix.MOUNT_ATTR_NODEV); err == nil {
			_, err = root.mountOn(mount, st.Spec.Inside(Run), true)
		}
	}
	if st.overlaid { // so that the program finds what has changed without comparing all files
		for at, source := range map[string]string{Upper: filepath.Join(st.Spec.Dir, upperDir), Lower: st.Spec.Lower} {
			if err != nil {
				break
			}
			if mount, err = bindMount(source, unix.MOUNT_ATTR_RDONLY|noExecSuid|unix.MOUNT_ATTR_NODEV); err == nil {
				_, err = root.mountOn(mount, st.Spec.Inside(at), true)
			}
		}
	}
	if err != nil {
		return err
	}
	return setAttributes(private, unix.MOUNT_ATTR_RDONLY, false)
}

func dup(fd int) int {
	n, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return -1
	}
	return n
}

// sysctls lets processes that are not root listen on low ports and send pings, as in Docker.
func (st *stage) sysctls() error {
	groups := "0 2147483647"
	if st.Rootless {
		groups = "0 0"
	}
	for name, value := range map[string]string{"ip_unprivileged_port_start": "0", "ping_group_range": groups} {
		err := os.WriteFile("/proc/sys/net/ipv4/"+name, []byte(value), 0)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return st.fail("set net.ipv4."+name, err, "")
		}
	}
	return nil
}
