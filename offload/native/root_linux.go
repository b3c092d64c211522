package native

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// The parts of a container's folder.
const (
	upperDir  = "upper"  // overlayfs: what the container changed
	workDir   = "work"   // overlayfs's own
	pointsDir = "points" // overlayfs: mount points that every container has, between upper and the image
	copyDir   = "copy"   // the image's files, where overlayfs is not used
	mountDir  = "root"   // where the root is mounted, in the container's mount namespace
	lockFile  = "lock"   // held while the container is started or removed
	logFile   = "log"    // what the first stage and the program say
	stateFile = "state"  // state_linux.go
)

// makeRoot mounts the root at Dir/root and opens it.
func (st *stage) makeRoot() (rootDir, error) {
	dir := st.Spec.Dir
	_, err := os.Stat(filepath.Join(dir, copyDir))
	copied := err == nil
	mount := -1
	if !copied && !st.Spec.Copy {
		mount, err = overlay(st.Spec.Lower, dir, st.Spec.Inside(""), st.Rootless, st.nodev())
		st.overlaid = err == nil
		if err != nil {
			// A container that has changes in upper/ cannot go on as a copy without them.
			changes, readErr := os.ReadDir(filepath.Join(dir, upperDir))
			if !refused(err) || readErr == nil && len(changes) > 0 {
				return -1, st.fail("mount the overlay of the root", err, "")
			}
		}
	}
	if mount < 0 {
		if !copied {
			if err := makeCopy(st.Spec.Lower, dir); err != nil {
				return -1, st.fail("copy the image's files", err, "")
			}
		}
		if mount, err = bindMount(filepath.Join(dir, copyDir), st.nodev()); err != nil {
			return -1, st.fail("bind the root", err, "")
		}
	}
	defer unix.Close(mount)
	at := filepath.Join(dir, mountDir)
	if err := os.MkdirAll(at, 0o700); err != nil {
		return -1, st.fail("make the root's mount point", err, "")
	}
	if err := unix.MoveMount(mount, "", unix.AT_FDCWD, at, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return -1, st.fail("mount the root", err, "")
	}
	fd, err := unix.Open(at, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, st.fail("open the root", err, "")
	}
	return rootDir(fd), nil
}

// refused tells whether overlayfs cannot be had here, by this user or on this file system.
func refused(err error) bool {
	for _, no := range []error{unix.EPERM, unix.EACCES, unix.ENODEV, unix.EINVAL, unix.EOPNOTSUPP, unix.ENOSYS} {
		if errors.Is(err, no) {
			return true
		}
	}
	return false
}

// overlay mounts the changes over the image, not in the tree yet.
func overlay(lower, dir, private string, rootless bool, attributes uint64) (int, error) {
	var info unix.Stat_t
	if err := unix.Stat(lower, &info); err != nil {
		return -1, err
	}
	for _, name := range []string{upperDir, workDir, pointsDir} {
		at := filepath.Join(dir, name)
		err := os.Mkdir(at, 0o755)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err == nil && name != workDir { // the root's attributes are those of the uppermost directory
			err = copyAttributes(at, &info)
		}
		if err != nil {
			return -1, err
		}
	}
	if err := makePoints(lower, filepath.Join(dir, pointsDir), private); err != nil {
		return -1, err
	}
	options := []option{
		{"lowerdir", escape(filepath.Join(dir, pointsDir)) + ":" + escape(lower)},
		{"upperdir", escapeUpper(filepath.Join(dir, upperDir))},
		{"workdir", escapeUpper(filepath.Join(dir, workDir))},
	}
	if rootless {
		options = append(options, option{"userxattr", ""})
	}
	return newMount("overlay", int(attributes), options...)
}

// makePoints makes what every container has mounts over and an image need not have, so that it does not count as changed
// by the container: as dockerd's "-init" layer. What the image has stays as it is.
func makePoints(lower, points, private string) error {
	missing := func(name string) bool {
		for _, dir := range []string{lower, points} {
			if _, err := os.Lstat(dir + name); err == nil {
				return false
			}
		}
		return true
	}
	for _, name := range []string{private, "/proc", "/sys", "/dev", "/etc"} {
		if !missing(name) {
			continue
		}
		if err := os.Mkdir(points+name, 0o755); err != nil {
			return err
		}
	}
	for _, name := range []string{"/etc/hosts", "/etc/hostname", "/etc/resolv.conf"} {
		if !missing(name) {
			continue
		}
		var etc unix.Stat_t
		if err := unix.Lstat(lower+"/etc", &etc); err == nil {
			if etc.Mode&unix.S_IFMT != unix.S_IFDIR {
				return nil // a link: the files are made where it leads
			}
			// The directory is seen through this one.
			if err := os.Mkdir(points+"/etc", 0o755); err == nil {
				if err := copyAttributes(points+"/etc", &etc); err != nil {
					return err
				}
			} else if !errors.Is(err, os.ErrExist) {
				return err
			}
		}
		if err := os.WriteFile(points+name, nil, 0o644); err != nil {
			return err
		}
		if err := unix.UtimesNanoAt(unix.AT_FDCWD, points+"/etc", []unix.Timespec{etc.Atim, etc.Mtim}, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return err
		}
	}
	return nil
}

func copyAttributes(at string, info *unix.Stat_t) error {
	if err := unix.Lchown(at, int(info.Uid), int(info.Gid)); err != nil && !errors.Is(err, unix.EINVAL) {
		return err // EINVAL: an owner that is not in the user namespace
	}
	return unix.Chmod(at, info.Mode&0o7777)
}

// escape writes a path as overlayfs reads it in a list.
func escape(name string) string {
	return strings.NewReplacer(`\`, `\\`, `:`, `\:`).Replace(name)
}

func escapeUpper(name string) string { return strings.ReplaceAll(name, `\`, `\\`) }

// makeCopy copies the image's files to Dir/copy, which appears only when it is whole.
func makeCopy(lower, dir string) error {
	temp := filepath.Join(dir, copyDir+".new")
	if err := removeTree(temp); err != nil {
		return err
	}
	if err := os.Mkdir(temp, 0o700); err != nil {
		return err
	}
	from, err := unix.Open(lower, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("%s: %w", lower, err)
	}
	defer unix.Close(from)
	to, err := unix.Open(temp, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(to)
	c := copier{links: map[[2]uint64]string{}, to: to}
	var info unix.Stat_t
	if err := unix.Fstat(from, &info); err != nil {
		return err
	}
	if err := c.directory(from, to, "."); err != nil {
		return err
	}
	if err := c.attributes(from, to, &info); err != nil {
		return err
	}
	return os.Rename(temp, filepath.Join(dir, copyDir))
}
