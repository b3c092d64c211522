package inside

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"unsafe"

	"github.com/containerd/errdefs"
	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"github.com/sockerless/sockerless/agent"
	"github.com/sockerless/sockerless/agent/account"
	"github.com/sockerless/sockerless/agent/agentpb"
)

// defaultUmask is that of a container's processes, whatever the platform gave to this one.
const defaultUmask = 0o022

// defaultPath is where a command is looked up without PATH.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// start starts a process of the container; h.life is held.
func (h *Host) start(p *agentpb.Process, out agent.Sink, first bool) (*process, error) {
	if p.GetPrivileged() && !first && !allCapabilities() {
		return nil, errdefs.ErrNotImplemented.WithMessage("exec --privileged: a native container cannot get more privileges than it started with; start it with --privileged")
	}
	who, err := account.Lookup(readFile, p.GetUser(), p.GetGroups())
	if err != nil {
		return nil, err
	}
	dir, err := workingDirectory(p.GetCwd(), first)
	if err != nil {
		return nil, err
	}
	env := slices.Clone(p.GetEnv())
	if !slices.ContainsFunc(env, func(v string) bool { return strings.HasPrefix(v, "HOME=") }) {
		env = append(env, "HOME="+who.Home)
	}
	name := p.GetPath()
	if err := as(who, func() error {
		if unix.Faccessat(unix.AT_FDCWD, dir, unix.X_OK, unix.AT_EACCESS) != nil {
			return cwdError(dir, syscall.EACCES)
		}
		if name != "" {
			return nil
		}
		name, err = lookup(env, dir, p.GetArgs()[0])
		return err
	}); err != nil {
		return nil, err
	}
	s, err := openStreams(p)
	if err != nil {
		return nil, err
	}
	defer s.closeTheirs()
	if err := s.give(who); err != nil {
		s.closeOurs()
		return nil, fmt.Errorf("give the standard streams to user %d: %w", who.UID, err)
	}
	attr := &syscall.ProcAttr{
		Dir: dir, Env: env, Files: []uintptr{uintptr(s.theirs[0]), uintptr(s.theirs[1]), uintptr(s.theirs[2])},
		Sys: &syscall.SysProcAttr{Setsid: true, Setctty: s.tty != nil},
	}
	if credential := credential(who); credential != nil {
		attr.Sys.Credential = credential
	}
	if h.cgroup != nil {
		attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, int(h.cgroup.Fd())
	}
	options := launchOptions{umask: defaultUmask}
	if u := p.GetUmask(); u > 0 {
		options.umask = int(u-1) & 0o777
	}
	for _, n := range p.GetIgnored() {
		// Who ignores SIGCHLD does not see his children end; the others cannot be ignored.
		if s := syscall.Signal(n); s > 0 && s <= maxSignal && s != syscall.SIGCHLD && s != syscall.SIGKILL && s != syscall.SIGSTOP {
			options.ignored = append(options.ignored, s)
		}
	}
	oom := h.outOfMemory()
	child, err := h.children.launch(name, p.GetArgs(), attr, options)
	if err != nil {
		s.closeOurs()
		return nil, startError(p.GetArgs()[0], name, err)
	}
	started := &process{host: h, child: child, first: first, streams: s, out: out, oom: oom}
	h.running.Go(started.follow)
	if first {
		h.owner = who
	}
	return started, nil
}

// workingDirectory checks a process's working directory. A container's is made where it is missing.
func workingDirectory(dir string, create bool) (string, error) {
	if dir == "" {
		dir = "/"
	}
	if !path.IsAbs(dir) {
		return "", &agent.StartError{Code: 126, Message: fmt.Sprintf("Cwd must be an absolute path: %q", dir)}
	}
	if create {
		at, err := mkdirs(dir, nil)
		if err == nil {
			at.close()
		} else if !errors.Is(err, syscall.EROFS) {
			return "", &agent.StartError{Code: 126, Message: fmt.Sprintf("mkdir %s: %s", dir, text(err))}
		}
	}
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return "", cwdError(dir, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return "", cwdError(dir, syscall.ENOTDIR)
	}
	return dir, nil
}

func cwdError(dir string, err error) error {
	return &agent.StartError{Code: 126, Message: fmt.Sprintf("chdir to cwd (%q) set in config.json failed: %s", dir, text(err))}
}

// text is the text of an error number alone, as Go's syscall package has it and so runc's messages.
func text(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	return err.Error()
}

// lookup finds a command as runc does, with its messages (libcontainer's use of os/exec.LookPath).
func lookup(env []string, dir, name string) (string, error) {
	if strings.Contains(name, "/") {
		if err := executable(dir, name); err != nil {
			return "", pathError(dir, name, err)
		}
		return name, nil
	}
	list := defaultPath
	for _, v := range env {
		if value, ok := strings.CutPrefix(v, "PATH="); ok {
			list = value
		}
	}
	denied := false
	for in := range strings.SplitSeq(list, ":") {
		file := path.Join(in, name)
		if in == "" {
			file = "./" + name
		}
		err := executable(dir, file)
		if err == nil && name != "" {
			return file, nil
		}
		denied = denied || errors.Is(err, syscall.EACCES)
	}
	if denied && name != "" {
		return "", &agent.StartError{Code: 126, Message: fmt.Sprintf("exec: %q: permission denied", name)}
	}
	return "", &agent.StartError{Code: 127, Message: fmt.Sprintf("exec: %q: executable file not found in $PATH", name)}
}

// executable says why a path is no program.
func executable(dir, name string) error {
	if !path.IsAbs(name) {
		name = dir + "/" + name
	}
	var st unix.Stat_t
	if err := unix.Stat(name, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return syscall.EACCES
	}
	return unix.Faccessat(unix.AT_FDCWD, name, unix.X_OK, unix.AT_EACCESS)
}

func pathError(dir, name string, err error) error {
	if errors.Is(err, syscall.EACCES) {
		full := name
		if !path.IsAbs(full) {
			full = dir + "/" + full
		}
		var st unix.Stat_t
		if unix.Stat(full, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
			return &agent.StartError{Code: 126, Message: fmt.Sprintf("exec: %q: is a directory", name)}
		}
		return &agent.StartError{Code: 126, Message: fmt.Sprintf("exec: %q: permission denied", name)}
	}
	code := 127
	if !errors.Is(err, syscall.ENOENT) {
		code = 126
	}
	return &agent.StartError{Code: code, Message: fmt.Sprintf("exec: %q: stat %s: %s", name, name, text(err))}
}

// startError is why execve refused what lookup had found.
func startError(invoked, name string, err error) error {
	switch {
	case errors.Is(err, syscall.EACCES):
		return &agent.StartError{Code: 126, Message: fmt.Sprintf("exec: %q: permission denied", invoked)}
	case errors.Is(err, syscall.ENOENT): // an interpreter that is missing
		return &agent.StartError{Code: 127, Message: fmt.Sprintf("exec %s: %s", name, text(err))}
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.ENOMEM):
		return errdefs.ErrResourceExhausted.WithMessage(fmt.Sprintf("start %s: %s: the container's limit of processes or memory is reached", name, text(err)))
	}
	return &agent.StartError{Code: 126, Message: fmt.Sprintf("exec %s: %s", name, text(err))}
}

// credential is what a process has to change; nil where it is this one's already, which needs no privilege.
func credential(who account.Account) *syscall.Credential {
	groups := allGroups(who)
	own, err := unix.Getgroups()
	same := unix.Getuid() == int(who.UID) && unix.Getgid() == int(who.GID)
	// A user name space of one user only has no other groups either, and may not change them.
	fixed := groupsAreFixed() || unix.Getuid() != 0 && len(who.Groups) == 0
	if !fixed {
		same = same && err == nil && len(own) == len(groups)
		for i := range groups {
			same = same && own[i] == int(groups[i])
		}
	}
	if same {
		return nil
	}
	return &syscall.Credential{Uid: who.UID, Gid: who.GID, Groups: groups, NoSetGroups: fixed || os.Getuid() != 0}
}

// groupsAreFixed tells whether setgroups(2) is denied in this user name space: user_namespaces(7).
func groupsAreFixed() bool {
	text, err := os.ReadFile("/proc/self/setgroups")
	return err == nil && strings.HasPrefix(string(text), "deny")
}

// allGroups has the primary group among the supplementary ones, as Docker has it since CVE-2022-36109.
func allGroups(who account.Account) []uint32 {
	return append([]uint32{who.GID}, slices.DeleteFunc(slices.Clone(who.Groups), func(g uint32) bool { return g == who.GID })...)
}

// as runs f with the permissions that a user has on files.
func as(who account.Account, f func() error) error {
	if who.UID == 0 || unix.Getuid() != 0 {
		return f() // this process is no other user, or cannot become one
	}
	done := make(chan error)
	go func() {
		done <- onOwnThread(func() error {
			groups := allGroups(who)
			_, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(groups)), uintptr(unsafe.Pointer(&groups[0])), 0)
			_, _ = unix.SetfsgidRetGid(int(who.GID))
			_, _ = unix.SetfsuidRetUid(int(who.UID))
			if errno != 0 {
				return fmt.Errorf("look at files as user %d: %w", who.UID, errno)
			}
			return f()
		})
	}()
	return <-done
}

// onOwnThread runs f, which changes its thread, on one that is never used for anything else: it ends with the goroutine that
// calls this. That is not the first thread, which stands for the whole process in /proc and when its parent dies.
func onOwnThread(f func() error) error {
	runtime.LockOSThread()
	if unix.Gettid() != unix.Getpid() {
		return f()
	}
	done := make(chan error)
	go func() { done <- onOwnThread(f) }() // elsewhere, since this thread is taken
	err := <-done
	runtime.UnlockOSThread()
	return err
}

// allCapabilities tells whether this process has every capability of the kernel.
func allCapabilities() bool {
	last, err := os.ReadFile("/proc/sys/kernel/cap_last_cap")
	if err != nil {
		return false
	}
	var n int
	if _, err := fmt.Sscan(string(last), &n); err != nil {
		return false
	}
	var header = unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return false
	}
	have := uint64(data[0].Effective) | uint64(data[1].Effective)<<32
	return have&(1<<(n+1)-1) == 1<<(n+1)-1
}

// What a descriptor of a process is where it is no file of ours.
const (
	noFile       = -1 // closed, as syscall.ProcAttr has it
	sameAsOutput = -2
)

// streams are the standard streams of a process: its ends, and ours.
type streams struct {
	theirs [3]int
	tty    *os.File
	stdin  *stdin
	outs   []*output
	files  []shared
	owned  []int // descriptors to close once the process has its own
}

// openStreams opens the standard streams that a process is to have.
func openStreams(p *agentpb.Process) (*streams, error) {
	s := &streams{}
	open := s.open
	if p.GetTty() {
		open = s.terminal
	}
	if err := open(p); err != nil {
		s.closeTheirs()
		s.closeOurs()
		return nil, err
	}
	return s, nil
}

// open opens files and pipes.
func (s *streams) open(p *agentpb.Process) (err error) {
	given := map[int]*agentpb.OpenFile{}
	opened := map[string]int{}
	for _, f := range p.GetFiles() {
		given[int(f.GetDescriptor_())] = f
	}
	for n := range s.theirs {
		switch f := given[n]; {
		case f.GetClosed():
			s.theirs[n] = noFile
		case f != nil && f.GetPath() == "" && n != 1:
			s.theirs[n] = sameAsOutput
		case f != nil && f.GetPath() != "":
			// Equal entries are one open file, as 2>&1 makes it.
			key := fmt.Sprint(f.GetRead(), f.GetWrite(), f.GetAppend(), f.GetOffset(), f.GetPath())
			fd, ok := opened[key]
			if !ok {
				if fd, err = openShared(f); err != nil {
					return fmt.Errorf("open %s as descriptor %d: %w", f.GetPath(), n, classified(err))
				}
				opened[key] = fd
			}
			s.theirs[n] = fd
			s.files = append(s.files, shared{fd, f})
		case n == 0 && p.GetStdin():
			our, theirs, err := pipe(1)
			if err != nil {
				return err
			}
			s.stdin = &stdin{writer: our}
			s.theirs[n], s.owned = theirs, append(s.owned, theirs)
		case n == 0:
			fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
			if err != nil {
				return fmt.Errorf("open /dev/null: %w", err)
			}
			s.theirs[n], s.owned = fd, append(s.owned, fd)
		default:
			our, theirs, err := pipe(0)
			if err != nil {
				return err
			}
			s.outs = append(s.outs, newOutput(our, uint8(n)))
			s.theirs[n], s.owned = theirs, append(s.owned, theirs)
		}
	}
	for n, fd := range s.theirs {
		if fd == sameAsOutput {
			s.theirs[n] = s.theirs[1]
		}
	}
	return nil
}

// terminal opens a terminal.
func (s *streams) terminal(p *agentpb.Process) error {
	master, slave, err := pty.Open()
	if err != nil {
		return fmt.Errorf("make a terminal: %w", err)
	}
	defer slave.Close()
	fd, err := unix.FcntlInt(slave.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err == nil {
		s.owned = append(s.owned, fd)
		err = unix.SetNonblock(fd, false)
	}
	if err == nil {
		if size := p.GetSize(); size.GetRows() > 0 || size.GetColumns() > 0 {
			err = setSize(master, size.GetRows(), size.GetColumns())
		}
	}
	if err != nil {
		_ = master.Close()
		return fmt.Errorf("make a terminal: %w", err)
	}
	s.tty = master
	s.theirs = [3]int{fd, fd, fd}
	s.outs = []*output{newOutput(master, agent.Stdout)}
	return nil
}

func setSize(terminal *os.File, rows, columns uint32) error {
	return pty.Setsize(terminal, &pty.Winsize{Rows: uint16(min(rows, 1<<16-1)), Cols: uint16(min(columns, 1<<16-1))})
}

// give makes the process's user the owner of its pipes and terminal, so that it can open them by /dev/stdout: runc's
// fixStdioPermissions.
func (s *streams) give(who account.Account) error {
	for _, fd := range s.owned {
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return err
		}
		pipe, terminal := st.Mode&unix.S_IFMT == unix.S_IFIFO, s.tty != nil
		if !pipe && !terminal || st.Uid == who.UID {
			continue
		}
		if err := unix.Fchown(fd, int(who.UID), int(st.Gid)); err != nil && !errors.Is(err, syscall.EPERM) && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.EROFS) {
			return err // without the privilege /dev/stdout does not work, but all else does
		}
	}
	return nil
}

// run begins to deliver output.
func (s *streams) run(ctx context.Context, out agent.Sink, wait func(func())) {
	for _, o := range s.outs {
		wait(func() { o.run(ctx, out) })
	}
}

func (s *streams) closeTheirs() {
	for _, fd := range s.owned {
		_ = unix.Close(fd)
	}
	s.owned = nil
}

// closeOurs closes what a process that did not start would have had.
func (s *streams) closeOurs() {
	for _, o := range s.outs {
		_ = o.file.Close()
	}
	if s.stdin != nil {
		_ = s.stdin.writer.Close()
	}
	s.closeFiles()
}

func (s *streams) closeFiles() {
	closed := map[int]bool{}
	for _, f := range s.files {
		if !closed[f.fd] {
			_ = unix.Close(f.fd)
			closed[f.fd] = true
		}
	}
}

// input is where standard input goes; nil if the process has none.
func (s *streams) input() io.WriteCloser {
	switch {
	case s.tty != nil:
		return keyboard{s.tty}
	case s.stdin != nil:
		return s.stdin
	}
	return nil
}
