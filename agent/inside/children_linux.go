package inside

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// forwarded are the signals that are meant for the container's first process when this process gets them.
var forwarded = []os.Signal{
	syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGTERM, syscall.SIGALRM,
}

// children are all child processes of this one: those that it has started, and the orphans of the container, which Linux
// gives to the first process of a namespace or to the nearest subreaper. One place waits for all of them, and starts of new
// ones exclude it, so that no exit status is taken by somebody else and no signal goes to a process id that is free again.
type children struct {
	signals chan os.Signal

	mu      sync.Mutex
	own     map[int]*child
	changed chan struct{} // closed at the next end of a process
}

// child is a process that was started here.
type child struct {
	pid   int
	ended chan syscall.WaitStatus // gets its only value when the process has ended and is waited for
}

func newChildren() (*children, error) {
	if os.Getpid() != 1 {
		if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
			return nil, errors.Join(errors.New("become the parent of orphans"), err)
		}
	}
	c := &children{own: map[int]*child{}, changed: make(chan struct{}), signals: make(chan os.Signal, 64)}
	// SIGPIPE is taken, not ignored: what a process ignores, its children ignore too.
	signal.Notify(c.signals, append(slices.Clone(forwarded), syscall.SIGCHLD, syscall.SIGPIPE)...)
	return c, nil
}

// watch reaps, and hands on signals that were meant for the container, until done is closed.
func (c *children) watch(done <-chan struct{}, forward func(syscall.Signal)) {
	defer signal.Stop(c.signals)
	for {
		select {
		case <-done:
			return
		case s := <-c.signals:
			switch s {
			case syscall.SIGCHLD:
				c.mu.Lock()
				c.reap()
				c.mu.Unlock()
			case syscall.SIGPIPE:
			default:
				forward(s.(syscall.Signal))
			}
		}
	}
}

// reap waits for all children that have ended, and tells whether there are none left; c.mu is held.
func (c *children) reap() (none bool) {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil: // ECHILD
			return true
		case pid == 0:
			return false
		}
		if ours := c.own[pid]; ours != nil {
			delete(c.own, pid)
			ours.ended <- status
		}
		close(c.changed)
		c.changed = make(chan struct{})
	}
}

// launchOptions are what a process inherits and this one has to have itself for a moment.
type launchOptions struct {
	umask   int
	ignored []os.Signal
}

// launch starts a program, whose path is looked up nowhere. The error is execve's, or that of what precedes it.
func (c *children) launch(name string, args []string, attr *syscall.ProcAttr, o launchOptions) (*child, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer syscall.Umask(syscall.Umask(o.umask))
	if len(o.ignored) > 0 {
		signal.Ignore(o.ignored...)
		defer c.restore(o.ignored)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := inheritNothing(); err != nil {
		return nil, err
	}
	pid, err := syscall.ForkExec(name, args, attr)
	if err != nil {
		return nil, err
	}
	ours := &child{pid: pid, ended: make(chan syscall.WaitStatus, 1)}
	c.own[pid] = ours
	return ours, nil
}

// inheritNothing keeps from the children of the calling thread what capabilities the agent has beyond the container's: those
// that they would inherit. The thread itself goes on to have them.
func inheritNothing() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	err := unix.Capget(&header, &data[0])
	if err == nil && (data[0].Inheritable != 0 || data[1].Inheritable != 0) {
		data[0].Inheritable, data[1].Inheritable = 0, 0
		err = unix.Capset(&header, &data[0])
	}
	if err != nil {
		return fmt.Errorf("keep the agent's capabilities from the container: %w", err)
	}
	return nil
}

// restore undoes signal.Ignore. What comes in between is lost, as it is for any process that ignores a signal.
func (c *children) restore(ignored []os.Signal) {
	for _, s := range ignored {
		if slices.Contains(forwarded, s) || s == syscall.SIGPIPE {
			signal.Notify(c.signals, s)
		} else {
			signal.Reset(s)
		}
	}
}

// signal sends a signal to a process, or with group to its process group; ESRCH if it has ended.
func (c *children) signal(p *child, s syscall.Signal, group bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.own[p.pid] != p {
		return syscall.ESRCH
	}
	if group {
		return syscall.Kill(-p.pid, s)
	}
	return syscall.Kill(p.pid, s)
}

// killAll kills all processes of the container and returns when they have ended.
func (c *children) killAll() {
	for {
		c.mu.Lock()
		changed := c.changed
		none := c.reap()
		c.mu.Unlock()
		if none {
			return
		}
		signalAll(syscall.SIGKILL)
		<-changed
	}
}

// signalAll sends SIGKILL, SIGSTOP or SIGCONT to all processes of the container. The first process of a namespace stops them all
// at one moment first, so that none of them starts another one meanwhile.
func signalAll(s syscall.Signal) {
	if os.Getpid() == 1 {
		_ = syscall.Kill(-1, syscall.SIGSTOP) // ESRCH: there are none
		for _, p := range allProcesses() {
			if p.foreign() {
				_ = syscall.Kill(p.pid, syscall.SIGCONT) // ESRCH: it has just ended
			}
		}
	}
	for _, p := range containerProcesses() {
		_ = syscall.Kill(p.pid, s) // ESRCH: it has just ended
	}
}

// cpuOfDead is the time that processes have used which were waited for.
func cpuOfDead() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
