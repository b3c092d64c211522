package native

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Container is a running container. It is safe for concurrent use.
type Container struct {
	dir   string
	state state
	pidfd *os.File
}

// newContainer takes a descriptor of the process that is not blocking.
func newContainer(dir string, s state, pidfd int) *Container {
	return &Container{dir: dir, state: s, pidfd: os.NewFile(uintptr(pidfd), "pidfd")}
}

// Pid is the host's number of the program.
func (c *Container) Pid() int { return c.state.Pid }

// Root is the container's root directory, as the host reaches it while the program runs. Symbolic links below it are
// the container's: open it and resolve within.
func (c *Container) Root() string { return fmt.Sprintf("/proc/%d/root", c.state.Pid) }

// Wait waits until the program, and with it every process of the container, has ended. Who started it must call it, since
// the kernel keeps an ended process until its parent asks. How the program ended is not told: it knows itself.
func (c *Container) Wait(ctx context.Context) error {
	raw, err := c.pidfd.SyscallConn()
	if err != nil {
		return err
	}
	// The descriptor is shared by all who wait: so each has one of its own to give up.
	var own int
	if err := raw.Control(func(fd uintptr) { own, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) }); err != nil {
		return err
	}
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(own), "pidfd")
	defer f.Close()
	stop := context.AfterFunc(ctx, func() { _ = f.SetReadDeadline(time.Unix(0, 1)) })
	defer stop()
	if raw, err = f.SyscallConn(); err != nil {
		return err
	}
	err = raw.Read(func(fd uintptr) bool { return ended(int(fd)) })
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return context.Cause(ctx)
	}
	return err
}

// ended tells whether the process of a descriptor has, and reaps it if it is our child.
func ended(pidfd int) bool {
	poll := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	n, err := unix.Poll(poll, 0)
	if err != nil || n == 0 {
		return false
	}
	_ = unix.Waitid(unix.P_PIDFD, pidfd, nil, unix.WEXITED|unix.WNOHANG, nil) // ECHILD: another's, or reaped
	return true
}

// Kill ends the program, and with it every process of the container. It does not wait, and nothing is wrong if it has
// ended.
func (c *Container) Kill() error {
	raw, err := c.pidfd.SyscallConn()
	if err != nil {
		return err
	}
	var killErr error
	err = raw.Control(func(fd uintptr) { killErr = unix.PidfdSendSignal(int(fd), unix.SIGKILL, nil, 0) })
	if errors.Is(killErr, unix.ESRCH) {
		killErr = nil
	}
	if err = errors.Join(err, killErr); err != nil {
		return fmt.Errorf("kill the container of %s: %w", c.dir, err)
	}
	return nil
}

// Close lets go of the container, which goes on running.
func (c *Container) Close() error { return c.pidfd.Close() }

// Stats is what the container uses: as its cgroups count it where it has some, else the sum over its processes.
func (c *Container) Stats() (Stats, error) {
	var s Stats
	// The container's own /proc has its processes alone.
	root, err := unix.Open(c.Root(), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return s, fmt.Errorf("stats of the container of %s: %w", c.dir, err)
	}
	defer unix.Close(root)
	fd, err := rootDir(root).open("/proc", unix.O_RDONLY|unix.O_DIRECTORY, unix.RESOLVE_NO_SYMLINKS)
	if err != nil {
		return s, fmt.Errorf("stats of the container of %s: %w", c.dir, err)
	}
	proc := os.NewFile(uintptr(fd), "/proc")
	defer proc.Close()
	names, err := proc.Readdirnames(-1)
	if err != nil {
		return s, fmt.Errorf("stats of the container of %s: %w", c.dir, err)
	}
	const ticks = 100 // USER_HZ, the same on all machines
	for _, name := range names {
		if _, err := strconv.Atoi(name); err != nil {
			continue
		}
		f, err := processStat(fmt.Sprintf("/proc/self/fd/%d/%s/stat", fd, name))
		if err != nil {
			continue // it has ended meanwhile
		}
		s.Processes++
		for _, at := range []int{11, 12, 13, 14} { // user and system time, its own and that of the children that have ended
			n, _ := strconv.ParseInt(f[at], 10, 64)
			s.CPU += time.Duration(n) * time.Second / ticks
		}
		pages, _ := strconv.ParseInt(f[21], 10, 64)
		s.Memory += pages * int64(os.Getpagesize())
	}
	cgroupStats(c.state.Cgroups, &s)
	return s, nil
}

// Remove ends the container of a folder if it runs, and removes its cgroups and all its files. Nothing is wrong if the
// folder is not there.
func Remove(ctx context.Context, dir string) error {
	unlock, err := lock(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("remove %s: %w", dir, err)
	}
	defer unlock()
	c, err := Find(dir)
	if err == nil {
		defer c.Close()
		if err := c.Kill(); err != nil {
			return err
		}
		if err := c.Wait(ctx); err != nil {
			return fmt.Errorf("remove %s: %w", dir, err)
		}
	}
	if err := release(ctx, dir); err != nil {
		return err
	}
	if err := removeTree(dir); err != nil {
		return fmt.Errorf("remove %s: %w", dir, err)
	}
	return nil
}

// release removes the cgroups that a folder names.
func release(ctx context.Context, dir string) error {
	s, err := readState(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = removeCgroups(s.Cgroups, func(pid int) error {
			fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
			if err != nil {
				return nil // it has ended
			}
			c := newContainer(dir, state{Pid: pid}, fd)
			defer c.Close()
			return errors.Join(c.Kill(), c.Wait(ctx))
		})
	}
	if err != nil {
		return fmt.Errorf("remove the cgroups of %s: %w", dir, err)
	}
	return nil
}

// removeTree removes a tree whose directories the user may have no right to look into.
func removeTree(dir string) error {
	err := os.RemoveAll(dir)
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	err = filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || !e.IsDir() {
			return nil // RemoveAll will say what is wrong
		}
		return os.Chmod(name, 0o700) // WalkDir reads it afterwards
	})
	return errors.Join(err, os.RemoveAll(dir))
}
