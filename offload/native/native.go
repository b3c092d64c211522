package native

import (
	"cmp"
	"path"
	"time"

	"github.com/sockerless/sockerless/agent/netdev"
)

// Config is how this binary is run again as the first stage of a container: a hidden subcommand that calls Init and
// nothing else. What the binary does before main counts for every start.
type Config struct {
	Executable string   // absolute path
	Arguments  []string // without the name: "native-init"
}

// Where a container's program finds what is its own, inside.
const (
	Run      = "run"   // Spec.Shared
	Upper    = "upper" // what the container has changed, where its root is an overlay
	Lower    = "lower" // the image's files, likewise
	Device   = 3       // descriptor of Spec.Tun
	Listener = 4       // descriptor of Spec.Socket
)

// Inside is the path inside of what is the program's own: Run, Upper, Lower; of "" their folder. Only root gets there.
func (s Spec) Inside(name string) string { return path.Join(cmp.Or(s.Private, "/.sockerless"), name) }

// Spec is a container.
type Spec struct {
	ID    string // for names of cgroups: letters, digits, "-", "_"
	Lower string // the image's directory, absolute; it may be shared and is never changed
	// Dir is the container's own folder on the host, absolute, private to the user. What the container changes is kept
	// there from one start to the next: as upper/ over Lower, or as copy/, a copy of Lower, where overlayfs is refused.
	Dir string
	// Copy has a copy of Lower made even where overlayfs is to be had.
	Copy bool

	Hostname, Domainname string
	ReadOnly             bool // the root cannot be written to, mounts can
	Mounts               []Mount

	Program string   // host path of a static program, which becomes process 1
	Args    []string // argv, the program's name first
	Env     []string // NAME=value
	// Shared is a host directory that is Run inside; "" is none. Where the root is an overlay, its upper directory and the
	// image's are there too, as Upper and Lower, to be read.
	Shared string
	// Private is the folder of what is the program's own inside, beneath the root; "" is /.sockerless.
	Private string

	// Socket is the host path of a unix socket that the program serves, as its descriptor 4; "" is none. Who connects after
	// Start waits for the program to accept, and need not ask whether it does already.
	Socket string

	HostNetwork bool
	// Tun is a network device that the program serves, as its descriptor 3; nil is none but lo. It needs a network of its own.
	Tun *netdev.Config

	Limits   Limits
	Security Security
}

// Mount is a host's file or directory, or, without a Source, a new tmpfs.
type Mount struct {
	Source   string // absolute host path of a directory, file or socket; symbolic links are followed, on the host
	Target   string // absolute, resolved within the container's root; made if it is missing
	ReadOnly bool   // with all that is mounted below
	Size     int64  // bytes, of a tmpfs; 0 is half of the memory
	Mode     uint32 // permission bits of a tmpfs; 0 is 01777
	Exec     bool   // programs in a tmpfs can be executed
}

// Limits of all processes together; 0 is none.
type Limits struct {
	Memory   int64 // bytes
	Pids     int64
	NanoCPUs int64 // 1e9 is one processor
}

// Security is what processes may do.
type Security struct {
	Privileged      bool     // all capabilities, no seccomp filter, nothing masked
	CapAdd, CapDrop []string // "NET_ADMIN", "CAP_NET_ADMIN", "ALL"
	// Keep are capabilities that the program has beyond the container's. They are in its inheritable set too, which
	// it must clear in each thread that starts a process of the container: then that process has the container's only.
	Keep            []string
	NoNewPrivileges bool
	Unconfined      bool   // no seccomp filter
	SeccompProfile  string // JSON as Docker reads it; "" is Docker's default profile
	Ulimits         []Ulimit
}

// Ulimit is a limit of every process, by the name that `docker run --ulimit` has for it: "nofile". -1 is no limit.
type Ulimit struct {
	Name       string
	Soft, Hard int64
}

// Stats is what a container uses.
type Stats struct {
	Memory    int64 // bytes
	CPU       time.Duration
	Processes int
}

// Support is what this machine allows.
type Support struct {
	// Unavailable is why containers cannot run at all, "" where they can.
	Unavailable string
	// Rootless says that containers run in a user namespace with one user.
	Rootless bool
	// NoOverlay is why roots are copied; "" where overlayfs is to be had.
	NoOverlay string
	// Cgroup is "v1" or "v2", or "" with NoCgroup saying why there is none. Controllers are those of "memory", "pids" and
	// "cpu" that can be used; for others the limits are those of each process: see Limiting.
	Cgroup      string
	NoCgroup    string
	Controllers []string
	// NoSeccomp is why there are no seccomp filters. Then only containers without one can run.
	NoSeccomp string
	// NoTun is why there are no network devices.
	NoTun string
}

// Limiting says in words how limits are held: for `docker info`.
func (s Support) Limiting() string {
	how := "limits by cgroup " + s.Cgroup + ":"
	if len(s.Controllers) == 0 {
		how = "no cgroup (" + s.NoCgroup + "): memory by RLIMIT_DATA of each process, processors by affinity, processes by RLIMIT_NPROC"
		if !s.Rootless {
			how += ", which does not hold for root"
		}
		return how
	}
	for _, c := range s.Controllers {
		how += " " + c
	}
	return how
}
