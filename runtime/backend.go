package runtime

import (
	"context"
	"time"

	"github.com/sockerless/sockerless/agent"
	"github.com/sockerless/sockerless/agent/agentpb"
)

// A Backend gives agents to run containers on. The suite in runtime/runtimetest is what each has to pass.
type Backend interface {
	// Name is how the policy calls it: "sandbox", "local", "docker".
	Name() string
	// Limits is what the backend cannot do, or only so far. It does not change.
	Limits() Limits
	// Acquire returns an agent for a container: the one that has it already, or one that can take it. The backend owns the
	// agent: it watches over it and says by Gone when it is gone for good. Errors: errdefs.ErrUnavailable where the
	// backend has no room now and another one may have; errdefs.ErrFailedPrecondition where it can never run this task.
	Acquire(ctx context.Context, t Task) (*agent.Client, error)
	// Release ends what a container that does not run holds: its agent, its place. With forget its files go too, and
	// the container will not be run again. It is idempotent, and nothing is wrong with a container that it does not know.
	Release(ctx context.Context, container string, forget bool) error
	// Root is where the files of a running container are on this machine, for programs that share them; "" where they are
	// elsewhere.
	Root(container string) string
	// Recover connects to the agents that an earlier server started and that still live.
	Recover(ctx context.Context) ([]*agent.Client, error)
	// Close lets go of all agents; they go on running.
	Close() error
}

// Task is a container as a backend has to run it.
type Task struct {
	Container *agentpb.Container
	Image     Image
	Labels    map[string]string
	Security  Security
	Project   string // for fairness: the container's compose project, or ""
	Size      Size
	// Restarts says that the container has a restart policy.
	Restarts bool
	// HostNetwork says that the container has the network of the machine that it runs on.
	HostNetwork bool
	// Networks are the names of those that somebody made, which the container is in.
	Networks []string
	// MaxDuration is after what time the agent ends the task, 0 is never.
	MaxDuration time.Duration
	// Twin is a machine for native programs of a container that runs in the sandbox.
	Twin bool
}

// Image is what a task's files come from.
type Image struct {
	ID       string // sha256:…, of the configuration
	Name     string // as it was asked for
	Platform string // linux/amd64
}

// Size is what a task needs of a machine; 0 is as the backend has it.
type Size struct {
	CPU    float64 // processors
	Memory int64   // bytes
	Disk   int64   // bytes
}

// Security is what the processes of a container may do, in Docker's terms.
type Security struct {
	Privileged      bool
	CapAdd, CapDrop []string // NET_ADMIN, or ALL
	NoNewPrivileges bool
	Unconfined      bool   // no seccomp filter
	SeccompProfile  string // JSON; "" is Docker's default
	Ulimits         []Ulimit
	Init            bool
	User            string // of the first process
}

// Ulimit is a limit of every process: "nofile".
type Ulimit struct {
	Name       string
	Soft, Hard int64
}

// Limits say what a backend cannot do. The zero value is a backend that can do all that Docker does.
type Limits struct {
	MaxDuration  time.Duration // of a task; 0 is none
	MaxDisk      int64         // bytes of a task's changes; 0 is none
	ReadOnlyRoot bool          // the root cannot be written
	NoRestart    bool          // a container whose process has ended cannot be started again, its files are gone
	NoInbound    bool          // nobody can connect to it but through the agent
	NoBinds      bool          // folders of this machine cannot be mounted
	User         string        // "uid:gid" is the only user that processes can be; "" is any
	VolumesApart bool          // volumes and folders of this machine are not seen there: it has copies, which the engine keeps alike
	VolumeSize   int64         // bytes of each of those; 0 is no limit
	// NoOtherUsers is why processes cannot run as more than one user; "" where they can.
	NoOtherUsers string
	// NoNetworks is why a container cannot be in networks that somebody made here; "" where it can.
	NoNetworks string
	Platforms  []string // that it runs; nil is any
	// OutputElsewhere says that a container's output is kept with its agent, and has to be brought to this machine.
	OutputElsewhere bool
}

// Where is the place of a container.
type Where string

// The places.
const (
	InSandbox Where = "sandbox" // and a native program is an error
	Offloaded Where = "offload" // as a whole, whatever its command is
	Auto      Where = "auto"    // in the sandbox until a native program is met
)

// PlaceRequest is what a policy decides by.
type PlaceRequest struct {
	Image  Image
	Labels map[string]string
	Binds  []string // folders of this machine that the container wants
	Size   Size
}

// Placement is what the policy has decided for a container.
type Placement struct {
	Where    Where
	Backends []string // in the order in which they are tried; empty where native programs cannot run
	Rule     string   // where that stands: "policy.yaml:12", "default"
	// Refusal is why a native program cannot run and what would let it, for the end of an error.
	Refusal     string
	NativeBash  bool
	Size        Size
	MaxDuration time.Duration
	MaxCost     float64  // US dollars for a task
	DropEnv     []string // patterns of variables that stay here, or behind a "!" go; the last that matches decides
}

// Offloader places containers and finds agents for what leaves the sandbox: package offload.
type Offloader interface {
	// Place decides. Errors: errdefs.ErrPermissionDenied for what the policy does not allow, with the rule.
	Place(ctx context.Context, r PlaceRequest) (Placement, error)
	// Check tells whether any of the placement's backends can run a task of which all but its files is known. Errors:
	// errdefs.ErrFailedPrecondition with the reasons.
	Check(p Placement, t Task) error
	// Acquire returns an agent of the first of the placement's backends that takes the task.
	Acquire(ctx context.Context, p Placement, t Task) (Backend, *agent.Client, error)
	// Backends are all that are configured, to be recovered and closed by the engine.
	Backends() []Backend
}
