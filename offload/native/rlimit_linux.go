package native

import (
	"fmt"
	"hash/fnv"
	"math"
	"strings"
	"syscall"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"
)

// rlimitNames are those of `docker run --ulimit`: docker/go-units, ulimit.go.
var rlimitNames = map[string]int{
	"as": unix.RLIMIT_AS, "core": unix.RLIMIT_CORE, "cpu": unix.RLIMIT_CPU, "data": unix.RLIMIT_DATA,
	"fsize": unix.RLIMIT_FSIZE, "locks": unix.RLIMIT_LOCKS, "memlock": unix.RLIMIT_MEMLOCK, "msgqueue": unix.RLIMIT_MSGQUEUE,
	"nice": unix.RLIMIT_NICE, "nofile": unix.RLIMIT_NOFILE, "nproc": unix.RLIMIT_NPROC, "rss": unix.RLIMIT_RSS,
	"rtprio": unix.RLIMIT_RTPRIO, "rttime": unix.RLIMIT_RTTIME, "sigpending": unix.RLIMIT_SIGPENDING, "stack": unix.RLIMIT_STACK,
}

// rlimit is a limit of every process, as setrlimit(2) takes it.
type rlimit struct {
	Name       string
	Resource   int
	Soft, Hard uint64
}

// rlimits are the ulimits, and the container's limits for which there is no cgroup.
func rlimits(s Spec, has func(controller string) bool) ([]rlimit, error) {
	var all []rlimit
	for _, u := range s.Security.Ulimits {
		resource, known := rlimitNames[strings.ToLower(u.Name)]
		if !known {
			return nil, fmt.Errorf("ulimit %q is unknown: %w", u.Name, errdefs.ErrInvalidArgument)
		}
		r := rlimit{u.Name, resource, value(u.Soft), value(u.Hard)}
		if r.Soft > r.Hard {
			return nil, fmt.Errorf("ulimit %s: soft limit %d is above the hard one, %d: %w", u.Name, u.Soft, u.Hard, errdefs.ErrInvalidArgument)
		}
		var now syscall.Rlimit
		if err := syscall.Getrlimit(resource, &now); err != nil {
			return nil, fmt.Errorf("ulimit %s: %w", u.Name, err)
		}
		if r.Hard > now.Max && !mayRaise() {
			return nil, fmt.Errorf("ulimit %s: %s is more than this server may give, %s: start it with a higher limit, or as root with CAP_SYS_RESOURCE: %w",
				u.Name, limitText(r.Hard), limitText(now.Max), errdefs.ErrFailedPrecondition)
		}
		all = append(all, r)
	}
	if n := s.Limits.Memory; n > 0 && !has("memory") {
		all = append(all, rlimit{"memory", unix.RLIMIT_DATA, uint64(n), uint64(n)})
	}
	if n := s.Limits.Pids; n > 0 && !has("pids") {
		all = append(all, rlimit{"pids", unix.RLIMIT_NPROC, uint64(n), uint64(n)})
	}
	return all, nil
}

func value(n int64) uint64 {
	if n < 0 {
		return math.MaxUint64
	}
	return uint64(n)
}

func limitText(n uint64) string {
	if n == math.MaxUint64 {
		return "unlimited"
	}
	return fmt.Sprint(n)
}

func mayRaise() bool {
	caps, err := ourCaps()
	resource, _ := parseCap("SYS_RESOURCE")
	return err == nil && caps&resource != 0 && unix.Geteuid() == 0
}

// setRlimits sets the limits of this process. A limit of the container that is above what the process may have anyway
// changes nothing.
func setRlimits(limits []rlimit) error {
	for _, r := range limits {
		var now syscall.Rlimit
		if err := syscall.Getrlimit(r.Resource, &now); err != nil {
			return err
		}
		set := syscall.Rlimit{Cur: r.Soft, Max: r.Hard}
		if r.Name == "memory" || r.Name == "pids" {
			set.Max = min(set.Max, now.Max)
			set.Cur = min(set.Cur, set.Max)
		}
		if err := syscall.Setrlimit(r.Resource, &set); err != nil {
			return fmt.Errorf("%s %s:%s: %w", r.Name, limitText(r.Soft), limitText(r.Hard), err)
		}
	}
	return nil
}

// setAffinity keeps the calling thread, and what it starts, on as many processors as the limit rounds up to. Which ones
// depends on the container, so that not all have the same.
func setAffinity(id string, nanoCPUs int64) error {
	var have, want unix.CPUSet
	if err := unix.SchedGetaffinity(0, &have); err != nil {
		return err
	}
	var cpus []int
	for i := 0; len(cpus) < have.Count(); i++ {
		if have.IsSet(i) {
			cpus = append(cpus, i)
		}
	}
	n := int((nanoCPUs + 1e9 - 1) / 1e9)
	if n >= len(cpus) {
		return nil
	}
	h := fnv.New32()
	h.Write([]byte(id))
	first := int(h.Sum32() % uint32(len(cpus)))
	for i := range n {
		want.Set(cpus[(first+i)%len(cpus)])
	}
	return unix.SchedSetaffinity(0, &want)
}
