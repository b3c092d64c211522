package native

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"
)

// Start starts a container and returns when its program has been executed. A container that runs already is
// errdefs.ErrAlreadyExists, one that is being started or removed errdefs.ErrUnavailable; what this machine does not allow
// is errdefs.ErrFailedPrecondition, a missing file errdefs.ErrNotFound, a Spec that cannot be errdefs.ErrInvalidArgument. ctx bounds the start, not the life of the container.
func Start(ctx context.Context, config Config, spec Spec) (*Container, error) {
	c, err := start(ctx, config, spec)
	if err != nil {
		return nil, fmt.Errorf("start container %s: %w", spec.ID, err)
	}
	return c, nil
}

func start(ctx context.Context, config Config, spec Spec) (*Container, error) {
	if err := spec.check(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(spec.Dir, 0o700); err != nil {
		return nil, err
	}
	unlock, err := lock(spec.Dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if c, err := Find(spec.Dir); err == nil {
		c.Close()
		return nil, fmt.Errorf("it runs as process %d: %w", c.Pid(), errdefs.ErrAlreadyExists)
	}
	if err := release(ctx, spec.Dir); err != nil { // of a run that has ended
		return nil, err
	}
	h := hierarchy{}
	if spec.Limits != (Limits{}) {
		h = ownHierarchy()
	}
	st, err := newStage(spec, h)
	if err != nil {
		return nil, err
	}
	s := state{Cgroups: h.directories(spec.ID, spec.Limits)}
	if err := s.write(spec.Dir); err != nil {
		return nil, err
	}
	c, err := run(ctx, config, st, s, h)
	if err != nil {
		return nil, errors.Join(err, release(context.WithoutCancel(ctx), spec.Dir))
	}
	return c, nil
}

func (s Spec) check() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf(format+": %w", append(args, errdefs.ErrInvalidArgument)...)
	}
	if s.ID == "" || strings.Trim(strings.ToLower(s.ID), "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		return bad("id %q", s.ID)
	}
	for _, name := range []string{s.Lower, s.Dir, s.Program} {
		if !filepath.IsAbs(name) {
			return bad("path %q is not absolute", name)
		}
	}
	if within(s.Dir, s.Lower) || within(s.Lower, s.Dir) {
		return bad("the folder %s and the image's directory %s are within one another", s.Dir, s.Lower)
	}
	if len(s.Args) == 0 {
		return bad("the program has no arguments")
	}
	if s.Tun != nil && s.HostNetwork {
		return bad("a network device needs a network of its own")
	}
	for _, m := range s.Mounts {
		if !strings.HasPrefix(m.Target, "/") || m.Source != "" && !filepath.IsAbs(m.Source) {
			return bad("mount %q at %q: paths must be absolute", m.Source, m.Target)
		}
	}
	return nil
}

// rootless tells whether a user namespace is needed: we are not root, or a root that may not mount.
func rootless(ours capSet) bool {
	admin, _ := parseCap("SYS_ADMIN")
	return unix.Geteuid() != 0 || ours&admin == 0
}

// newStage works out what the first stage has to do.
func newStage(spec Spec, h hierarchy) (*stage, error) {
	ours, err := ourCaps()
	if err != nil {
		return nil, err
	}
	st := &stage{Spec: spec, Rootless: rootless(ours)}
	if st.Rootless {
		ours = ^capSet(0) // in the user namespace
	}
	st.CgroupView = h.version == "v2"
	if st.Container, st.Program, err = containerCaps(spec.Security, ours); err != nil {
		return nil, err
	}
	if !spec.Security.Unconfined && !spec.Security.Privileged {
		if st.Filter, err = seccompFilter(spec.Security.SeccompProfile, st.Container); err != nil {
			return nil, err
		}
	}
	has := func(c string) bool { _, ok := h.parents[c]; return ok }
	st.Affinity = spec.Limits.NanoCPUs > 0 && !has("cpu")
	st.Rlimits, err = rlimits(spec, has)
	return st, err
}

// run forks, records, orders, and hears how it went.
func run(ctx context.Context, config Config, st *stage, s state, h hierarchy) (_ *Container, err error) {
	p, err := fork(config, st)
	if err != nil {
		return nil, err
	}
	defer p.close()
	defer func() {
		if err != nil {
			err = errors.Join(err, p.kill())
		}
	}()
	s.Pid = p.pid
	if s.Started, s.Boot, err = describe(p.pid); err != nil {
		return nil, err
	}
	if err := s.write(st.Spec.Dir); err != nil {
		return nil, err
	}
	if err := h.create(st.Spec.ID, st.Spec.Limits, p.pid); err != nil {
		return nil, fmt.Errorf("limit it by cgroup: %w", err)
	}
	a, err := p.order(ctx, st)
	if err != nil {
		return nil, err
	}
	if a.Failed != nil {
		var class error = errdefs.ErrFailedPrecondition
		if syscall.Errno(a.Errno) == syscall.ENOENT {
			class = errdefs.ErrNotFound
		}
		return nil, fmt.Errorf("%w: %w", a.Failed, class)
	}
	if !a.Ready {
		return nil, fmt.Errorf("the first stage failed: %w: see %s", errNoInit, filepath.Join(st.Spec.Dir, logFile))
	}
	c := newContainer(st.Spec.Dir, s, p.pidfd)
	p.pidfd = -1
	return c, nil
}

// process is a first stage that waits for its orders.
type process struct {
	pid, pidfd      int
	orders, answers *os.File
}

// fork starts this binary in new namespaces.
func fork(config Config, st *stage) (*process, error) {
	ordersIn, orders, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer ordersIn.Close()
	answers, answersOut, err := os.Pipe()
	if err != nil {
		orders.Close()
		return nil, err
	}
	defer answersOut.Close()
	p := &process{orders: orders, answers: answers, pidfd: -1}
	null, err := os.Open(os.DevNull)
	if err != nil {
		p.close()
		return nil, err
	}
	defer null.Close()
	log := null
	if st.Spec.Dir != "" {
		log, err = os.OpenFile(filepath.Join(st.Spec.Dir, logFile), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err != nil {
			p.close()
			return nil, err
		}
		defer log.Close()
	}
	sys := &syscall.SysProcAttr{
		Setsid:     true,
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC,
		PidFD:      &p.pidfd,
	}
	if !st.Spec.HostNetwork {
		sys.Cloneflags |= unix.CLONE_NEWNET
	}
	if st.Rootless {
		sys.Cloneflags |= unix.CLONE_NEWUSER
		sys.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		sys.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	// The directory must be one that the user namespace's root can be in; it is left soon.
	child, err := os.StartProcess(config.Executable, append([]string{config.Executable}, config.Arguments...), &os.ProcAttr{
		Dir: "/", Env: []string{}, Files: []*os.File{null, log, log, ordersIn, answersOut}, Sys: sys,
	})
	if err != nil {
		p.close()
		return nil, forkError(err, st.Rootless)
	}
	p.pid = child.Pid
	_ = child.Release()
	if p.pidfd < 0 {
		p.close()
		return nil, fmt.Errorf("the kernel gave no pidfd: Linux 5.12 or later is needed: %w", errdefs.ErrFailedPrecondition)
	}
	return p, unix.SetNonblock(p.pidfd, true)
}

func forkError(err error, rootless bool) error {
	hint := "run the server as root, or give it CAP_SYS_ADMIN"
	if rootless {
		hint = "user namespaces may be switched off: sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, " +
			"kernel.apparmor_restrict_unprivileged_userns; in a container its seccomp profile forbids them"
	}
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES), errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EINVAL):
		return fmt.Errorf("make namespaces: %w (%s): %w", err, hint, errdefs.ErrFailedPrecondition)
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.ENOMEM):
		return fmt.Errorf("make namespaces: %w: %w", err, errdefs.ErrUnavailable)
	}
	return fmt.Errorf("make namespaces: %w", err)
}

// order sends the orders and gives the last answer. When ctx ends, so does the first stage.
func (p *process) order(ctx context.Context, st *stage) (answer, error) {
	killed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(killed)
		_ = unix.PidfdSendSignal(p.pidfd, unix.SIGKILL, nil, 0)
	})
	sent := json.NewEncoder(p.orders).Encode(st)
	_ = p.orders.Close()
	a, err := p.hear(sent)
	if !stop() {
		<-killed
		return answer{}, context.Cause(ctx)
	}
	return a, err
}

// hear gives the last of what the first stage says. sent is how sending it its orders went, which counts if it is silent.
func (p *process) hear(sent error) (answer, error) {
	var last answer
	for d := json.NewDecoder(p.answers); ; {
		var a answer
		err := d.Decode(&a)
		switch {
		case err == nil:
			last = a
			continue
		case errors.Is(err, io.EOF) && last != (answer{}):
			return last, nil
		case errors.Is(err, io.EOF):
			return last, sent
		}
		return last, err
	}
}

// kill ends the first stage and reaps it.
func (p *process) kill() error {
	if p.pidfd < 0 {
		return nil
	}
	if err := unix.PidfdSendSignal(p.pidfd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return err
	}
	for {
		err := unix.Waitid(unix.P_PIDFD, p.pidfd, nil, unix.WEXITED, nil)
		if !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.EAGAIN) {
			return ignoreChild(err)
		}
		if errors.Is(err, unix.EAGAIN) { // the descriptor does not block
			if _, err := unix.Poll([]unix.PollFd{{Fd: int32(p.pidfd), Events: unix.POLLIN}}, -1); err != nil && !errors.Is(err, unix.EINTR) {
				return err
			}
		}
	}
}

func ignoreChild(err error) error {
	if errors.Is(err, unix.ECHILD) {
		return nil
	}
	return err
}

func (p *process) close() {
	_ = p.orders.Close()
	_ = p.answers.Close()
	if p.pidfd >= 0 {
		_ = unix.Close(p.pidfd)
	}
}
