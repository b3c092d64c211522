package native

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/sockerless/sockerless/agent/netdev"
)

// Probe finds out what this machine allows for containers whose folders are on dir's file system, by trying it in namespaces of
// its own, which takes as long as a start. The folder dir is the probe's alone: what an earlier one left there is removed, and dir
// is gone when it ends. Callers keep the result.
func Probe(ctx context.Context, config Config, dir string) Support {
	s, err := probe(ctx, config, dir)
	if err != nil {
		s.Unavailable = err.Error()
	}
	h := ownHierarchy()
	s.Cgroup, s.NoCgroup, s.Controllers = h.version, "", nil
	if h.version == "" {
		s.NoCgroup = h.reason
	}
	for _, c := range controllers {
		if _, ok := h.parents[c]; ok {
			s.Controllers = append(s.Controllers, c)
		}
	}
	return s
}

func probe(ctx context.Context, config Config, dir string) (Support, error) {
	ours, err := ourCaps()
	if err != nil {
		return Support{}, err
	}
	st := &stage{Probe: true, Rootless: rootless(ours)}
	s := Support{Rootless: st.Rootless}
	if err := removeTree(dir); err != nil {
		return s, err
	}
	defer removeTree(dir)
	st.Spec.Lower, st.Spec.Dir = filepath.Join(dir, "lower"), filepath.Join(dir, "dir")
	if err := errors.Join(os.MkdirAll(st.Spec.Lower, 0o700), os.Mkdir(st.Spec.Dir, 0o700)); err != nil {
		return s, err
	}
	p, err := fork(config, st)
	if err != nil {
		return s, err
	}
	defer p.close()
	a, err := p.order(ctx, st)
	if killErr := p.kill(); err == nil {
		err = killErr
	}
	if err == nil && a.Support == nil {
		err = fmt.Errorf("the first stage failed: %w", errNoInit)
	}
	if err != nil {
		return s, err
	}
	return *a.Support, nil
}

// probe runs in the namespaces.
func (st *stage) probe() Support {
	s := Support{Rootless: st.Rootless}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		s.Unavailable = "mounts cannot be made private: " + err.Error()
		return s
	}
	if _, err := unix.Openat2(unix.AT_FDCWD, "/", &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC}); err != nil {
		s.Unavailable = "openat2(2): " + err.Error() + ": Linux 5.12 or later is needed"
		return s
	}
	proc, err := newMount("proc", 0)
	if err != nil {
		s.Unavailable = "mount /proc: " + err.Error() + " (in a container, parts of its own /proc are covered)"
		return s
	}
	if err := setAttributes(proc, unix.MOUNT_ATTR_RDONLY, false); err != nil {
		s.Unavailable = "mount_setattr(2): " + err.Error() + ": Linux 5.12 or later is needed"
		return s
	}
	if _, err := overlay(st.Spec.Lower, st.Spec.Dir, st.Spec.Inside(""), st.Rootless, 0); err != nil {
		s.NoOverlay = err.Error()
	}
	if tun, err := netdev.Setup(&netdev.Config{Name: "probe0", MTU: netdev.MTU}); err != nil {
		s.NoTun = err.Error()
	} else {
		_ = tun.Close()
	}
	if err := installFilter(encodeFilter([]unix.SockFilter{ret(unix.SECCOMP_RET_ALLOW)})); err != nil {
		s.NoSeccomp = err.Error()
	}
	return s
}
