package native

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"runtime"
	"runtime/debug"
	"sort"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	programName = "agent"
	ordersFd    = 3 // of the first stage: reads its stage
	answerFd    = 4 // writes an answer; closed by a successful exec
)

// stage is what the first stage is told to do.
type stage struct {
	Spec       Spec
	Probe      bool // try what there is, start nothing
	Rootless   bool
	CgroupView bool
	Filter     []byte // nil is none
	Container  capSet
	Program    capSet
	Rlimits    []rlimit
	Affinity   bool

	overlaid bool // the root is an overlay, not a copy
}

// answer is what it says: that it is about to execute the program, and then only if that fails; or what failed.
type answer struct {
	Ready   bool       `json:",omitempty"`
	Failed  *stepError `json:",omitempty"`
	Errno   int        `json:",omitempty"` // why it failed
	Support *Support   `json:",omitempty"`
}

// stepError is a step of the first stage that failed.
type stepError struct {
	Step string // "mount /proc"
	Text string
	Hint string // what the user can do, or ""
}

func (e *stepError) Error() string {
	text := e.Step + ": " + e.Text
	if e.Hint != "" {
		text += " (" + e.Hint + ")"
	}
	return text
}

// errNoInit is the end of a first stage that said nothing.
var errNoInit = errors.New("it ended without a word")

// nodev are the attributes that keep devices of a container from being opened. Processes that may do everything may
// do that too, where there is no user namespace to forbid it.
func (st *stage) nodev() uint64 {
	if st.Spec.Security.Privileged && !st.Rootless {
		return 0
	}
	return unix.MOUNT_ATTR_NODEV
}

func (st *stage) fail(step string, err error, hint string) error {
	return &stageFailure{stepError{step, err.Error(), hint}, err}
}

type stageFailure struct {
	stepError
	err error
}

func (f *stageFailure) Unwrap() error { return f.err }

// Init is the first stage of a container, in its namespaces already: process 1. It returns, with an exit code, only if
// it failed. It must be called before anything else is done in the process.
func Init() int {
	runtime.LockOSThread() // capabilities, filter and namespaces are those of a thread, and exec(2) keeps the caller's
	debug.SetGCPercent(-1) // it lives for milliseconds
	orders := os.NewFile(ordersFd, "orders")
	var st stage
	if err := json.NewDecoder(orders).Decode(&st); err != nil {
		return 1 // who started it is gone
	}
	orders.Close()
	fd, err := unix.FcntlInt(answerFd, unix.F_DUPFD_CLOEXEC, 16) // away from what the program gets
	if err != nil {
		return 1
	}
	unix.Close(answerFd)
	reply := json.NewEncoder(os.NewFile(uintptr(fd), "answer"))
	if st.Probe {
		s := st.probe()
		_ = reply.Encode(answer{Support: &s})
		return 0
	}
	err = st.prepare()
	if err == nil {
		_ = reply.Encode(answer{Ready: true})
		err = st.fail("execute the program "+st.Spec.Program, syscall.Exec(st.Spec.Inside(programName), st.Spec.Args, st.Spec.Env),
			"it must be a static program for this machine")
	}
	a := answer{Failed: &stepError{Step: "start", Text: err.Error()}}
	var f *stageFailure
	var errno syscall.Errno
	if errors.As(err, &f) {
		a.Failed = &f.stepError
	}
	if errors.As(err, &errno) {
		a.Errno = int(errno)
	}
	_ = reply.Encode(a)
	return 1
}

// prepare does all but the execution of the program. The order counts: the network and its device before /sys, which
// shows it; what the host has before the root is changed; privileges last.
func (st *stage) prepare() error {
	unix.Umask(0o022)
	_, _ = unix.KeyctlJoinSessionKeyring("") // not the server's keys; kernels without keys have none to keep
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return st.fail("make mounts private", err, "")
	}
	listener, err := st.listen()
	if err != nil {
		return err
	}
	tun, err := st.network()
	if err != nil {
		return err
	}
	if err := unix.Sethostname([]byte(st.Spec.Hostname)); err != nil {
		return st.fail("set the host name", err, "")
	}
	if err := unix.Setdomainname([]byte(st.Spec.Domainname)); err != nil {
		return st.fail("set the domain name", err, "")
	}
	root, err := st.makeRoot()
	if err != nil {
		return err
	}
	if err := st.mountAll(root); err != nil {
		return err
	}
	if err := st.enter(root); err != nil {
		return err
	}
	if !st.Spec.HostNetwork {
		if err := st.sysctls(); err != nil {
			return err
		}
	}
	if !st.Spec.Security.Privileged {
		self, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return st.fail("open the root", err, "")
		}
		if err := st.mask(rootDir(self)); err != nil {
			return err
		}
	}
	if st.Spec.ReadOnly {
		if err := unix.MountSetattr(unix.AT_FDCWD, "/", 0, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}); err != nil {
			return st.fail("make the root read-only", err, "")
		}
	}
	return st.lockDown(tun, listener)
}

// listen makes the socket that the program serves, in place of that of the run before; -1 is none.
func (st *stage) listen() (int, error) {
	name := st.Spec.Socket
	if name == "" {
		return -1, nil
	}
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return -1, st.fail("remove the socket of before", err, "")
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		unix.Umask(0o177) // for this user only
		err = unix.Bind(fd, &unix.SockaddrUnix{Name: name})
		unix.Umask(0o022)
	}
	if err == nil {
		err = unix.Listen(fd, unix.SOMAXCONN)
	}
	if err != nil {
		return -1, st.fail("make the socket "+name, err, "")
	}
	return fd, nil
}

func (st *stage) mountAll(root rootDir) error {
	if err := st.mountSystem(root); err != nil {
		return err
	}
	mounts := append([]Mount(nil), st.Spec.Mounts...)
	sort.SliceStable(mounts, func(i, j int) bool { // what is above comes first, as with dockerd
		return strings.Count(strings.TrimRight(mounts[i].Target, "/"), "/") < strings.Count(strings.TrimRight(mounts[j].Target, "/"), "/")
	})
	for _, m := range mounts {
		if err := root.mountUser(m, st.Spec.Inside(""), st.nodev()); err != nil {
			what := "mount " + m.Source + " at " + m.Target
			if m.Source == "" {
				what = "mount a tmpfs at " + m.Target
			}
			hint := ""
			if errors.Is(err, fs.ErrNotExist) && m.Source != "" {
				hint = "is it there, and readable for the server's user?"
			}
			return st.fail(what, err, hint)
		}
	}
	if err := st.mountProgram(root); err != nil {
		return st.fail("mount the program "+st.Spec.Program, err, "")
	}
	return nil
}

// handOver gives the program descriptors under their numbers, by number; -1 is none.
func handOver(files map[int]int) error {
	for number, fd := range files { // away from the numbers first
		if fd < 0 {
			continue
		}
		var err error
		if files[number], err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 16); err != nil {
			return err
		}
	}
	for number, fd := range files {
		if fd < 0 {
			continue
		}
		if err := unix.Dup3(fd, number, 0); err != nil {
			return err
		}
	}
	return nil
}

// enter makes the container's root that of this process, and lets go of the host's.
func (st *stage) enter(root rootDir) error {
	if err := unix.Fchdir(int(root)); err != nil {
		return st.fail("enter the root", err, "")
	}
	if err := unix.PivotRoot(".", "."); err != nil { // the host's root is now mounted over the container's
		return st.fail("change the root", err, "the server's own root may not be the kernel's initial one")
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return st.fail("unmount the host's files", err, "")
	}
	if err := unix.Chdir("/"); err != nil {
		return st.fail("enter the root", err, "")
	}
	return nil
}

// lockDown gives up all that the program may not have. Nothing of the host may be open behind it (CVE-2024-21626).
func (st *stage) lockDown(tun, listener int) error {
	if st.Affinity {
		if err := setAffinity(st.Spec.ID, st.Spec.Limits.NanoCPUs); err != nil {
			return st.fail("limit the processors", err, "")
		}
	}
	if err := unix.CloseRange(3, ^uint(0)>>1, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return st.fail("close files", err, "")
	}
	if err := handOver(map[int]int{Device: tun, Listener: listener}); err != nil {
		return st.fail("hand over the network device and the socket", err, "")
	}
	if st.Spec.Security.NoNewPrivileges {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return st.fail("set no_new_privs", err, "")
		}
	}
	if err := setRlimits(st.Rlimits); err != nil {
		return st.fail("set a limit", err, "")
	}
	// The filter needs CAP_SYS_ADMIN, which is there until the next step, in a user namespace too: so no_new_privs need
	// not be set for it, and set-user-id programs work.
	if st.Filter != nil {
		if err := installFilter(st.Filter); err != nil {
			return st.fail("install the seccomp filter", err, "run without one: --security-opt seccomp=unconfined")
		}
	}
	if err := dropCaps(st.Container, st.Program); err != nil {
		return st.fail("drop capabilities", err, "")
	}
	return nil
}
