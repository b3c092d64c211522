package offload

import (
	"fmt"
	"os"
	"strings"

	"github.com/containerd/errdefs"

	"github.com/sockerless/sockerless/agent/agentpb"
	"github.com/sockerless/sockerless/runtime"
)

// Check tells, before a container is made, whether any of its backends can run it. Errors: errdefs.ErrFailedPrecondition
// with why of each.
func (s *Scheduler) Check(p runtime.Placement, t runtime.Task) error {
	a := &attempts{why: map[string]error{}}
	for _, name := range p.Backends {
		l := s.lane(name)
		if l == nil {
			continue
		}
		_, err := s.fit(l, p, t)
		if err == nil {
			return nil
		}
		a.fail(name, err)
	}
	if len(a.names) == 0 {
		return errdefs.ErrFailedPrecondition.WithMessage(p.Refusal)
	}
	return a.err()
}

// withstands tells whether what a container wants is within what a backend declares, with a reason where it is not.
func withstands(limits runtime.Limits, t runtime.Task) error {
	never := func(format string, args ...any) error {
		return errdefs.ErrFailedPrecondition.WithMessage(fmt.Sprintf(format, args...))
	}
	user, _, _ := strings.Cut(t.Security.User, ":")
	root := user == "" || user == "0" || user == "root"
	switch {
	case limits.User != "" && t.Security.User != limits.User:
		return never("its processes are user %s there, and no other one: create the container with --user %s", limits.User, limits.User)
	case limits.NoOtherUsers != "" && !root:
		return never("it cannot run as user %s: %s", user, limits.NoOtherUsers)
	case limits.NoRestart && t.Restarts:
		return never("a container that has ended cannot be started again there, so that its restart policy cannot be held")
	case limits.NoNetworks != "" && len(t.Networks) > 0:
		return never("it cannot be in network %s there: %s", t.Networks[0], limits.NoNetworks)
	case limits.ReadOnlyRoot && !t.Container.GetReadOnly():
		return never("its root file system cannot be written to: create the container with --read-only, and --tmpfs for what it writes")
	}
	for _, m := range t.Container.GetMounts() {
		if limits.NoBinds && m.GetType() != agentpb.Mount_TMPFS && m.GetType() != agentpb.Mount_ENGINE {
			return never("%s cannot be mounted at %s: folders of this machine cannot be seen there", m.GetSource(), m.GetTarget())
		}
		if !limits.VolumesApart || m.GetType() != agentpb.Mount_BIND {
			continue
		}
		if info, err := os.Stat(m.GetSource()); err == nil && !info.IsDir() { // what is missing is made as a folder
			return never("%s cannot be mounted at %s: it is no folder, and of this machine only copies of whole folders get there", m.GetSource(), m.GetTarget())
		}
	}
	return nil
}
