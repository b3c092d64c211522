package offload

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/containerd/errdefs"

	"github.com/sockerless/sockerless/runtime"
)

// A Driver starts and ends tasks on one platform: in each of them the agent of one container is the first process. All
// else (retries, intents, finding tasks again, watching, the connection) is [NewBackend]'s.
//
// Errors tell by their class what to do about them:
//
//   - [Transient]: throttled, connection lost, the platform's own fault: the call is made again, a little later;
//   - errdefs.ErrUnavailable, errdefs.ErrResourceExhausted: there is no room now: the next backend is tried;
//   - errdefs.ErrFailedPrecondition, errdefs.ErrInvalidArgument, errdefs.ErrNotImplemented: it can never run this task;
//   - errdefs.ErrNotFound: of Stop and Remove, nothing is left to do;
//   - any other: of Run, nobody knows whether a task began: the call is made again with the same attempt.
//
// All methods may be called concurrently, and end soon after their context.
type Driver interface {
	// Name is the platform's: "docker", "ecs".
	Name() string
	// Limits is what the platform cannot do. Where it is no [Restarter], the files of a task are gone at its end.
	Limits() runtime.Limits
	// Price is what a second of a task of this size costs in US dollars. It is known and 0 where nobody charges for it; it
	// is not known where nobody can tell.
	Price(s runtime.Size) (usdPerSecond float64, known bool)

	// Run starts a task, and does not wait for its agent. It is idempotent for the same Spec.Attempt: it returns the task
	// that an earlier call has started, running or ended, also where that call's reply was lost. A platform with
	// no idempotency token looks for Spec.Name, or by Spec.Tags, first.
	Run(ctx context.Context, s Spec) (Handle, error)
	// Stop ends a task: SIGTERM, and after grace SIGKILL. It does not wait for the end. A task that has ended is no error.
	Stop(ctx context.Context, h Handle, grace time.Duration) error
	// Describe tells how tasks are, in any order. A task that the platform does not know, or not yet, may be left out.
	Describe(ctx context.Context, tasks []Handle) ([]Status, error)
	// List finds the tasks of an instance by their tags, running ones and those that have ended, as far as the platform
	// still knows them.
	List(ctx context.Context, instance string) ([]Handle, error)
	// Remove deletes a task that has ended, and what was made for it alone. Where there is nothing it does nothing.
	Remove(ctx context.Context, h Handle) error
}

// A Connector is a driver that reaches a task's agent itself. For others the agent dials back: see [Gate].
type Connector interface {
	// Connect opens a connection to where the agent has sessions: its flags --sessions and --listen. errdefs.ErrNotImplemented asks for the gate instead; any
	// other error is taken as "not yet".
	Connect(ctx context.Context, h Handle) (net.Conn, error)
}

// A Restarter is a driver whose ended tasks keep their files and can be started again.
type Restarter interface {
	// Restart starts a task that has ended. One that runs is no error.
	Restart(ctx context.Context, h Handle) error
}

// A Pacer is a driver that says how its platform is to be asked.
type Pacer interface{ Pace() Pace }

// Pace is how a platform is asked about its tasks. A field of 0 is a default.
type Pace struct {
	Poll   time.Duration // between two Describes of all tasks; 5 s
	Batch  int           // tasks in one Describe at most; all
	Settle time.Duration // for how long a new task may be missing from Describe and List; 1 min
}

// Spec is a task to be started.
type Spec struct {
	Task     runtime.Task
	Instance string // of this installation
	Attempt  string // id of this start, for the platform's idempotency token; another start of the same container has another
	// Name is unique to the attempt and always the same for it: 29 lower-case letters and digits behind "sl-", what every
	// platform takes as a name.
	Name string
	// Tags are to be put on everything that is made for the task. They are what List finds it by.
	Tags  map[string]string
	Agent AgentArguments
}

// The tags of a task.
const (
	TagInstance  = "sockerless.instance"
	TagBackend   = "sockerless.backend"
	TagAttempt   = "sockerless.attempt"
	TagContainer = "sockerless.container"
)

// AgentArguments are what a task's agent has to know at its start.
type AgentArguments struct {
	ID string // of the attempt, by which it names itself at the gate
	// URL and Token are where it dials back (--reverse) and what it shows there; empty for an agent that is connected to. The
	// token is for one start, and a secret: it goes in the environment, as inside.TokenVariable.
	URL, Token string
	// CA is the PEM of the authority by which it knows the server, to go as inside.CAVariable; empty is the system's.
	CA    string
	Lease time.Duration // after which it ends its task, if no server has spoken to it; 0 is never
	// MaxDuration is after what time it ends its task in any case; 0 is never.
	MaxDuration time.Duration
}

// Handle is a task as its platform knows it. It is kept in the state as JSON; it holds no secrets.
type Handle struct {
	ID        string            `json:"id"` // the platform's: an ARN, a container's id
	Instance  string            `json:"instance"`
	Backend   string            `json:"backend,omitempty"`
	Attempt   string            `json:"attempt"`
	Container string            `json:"container,omitempty"`
	Data      map[string]string `json:"data,omitempty"` // what else the driver wants to find again
}

// NewHandle is the handle of a task that was started by a spec, under the platform's id.
func (s Spec) NewHandle(id string) Handle { return TaggedHandle(id, s.Tags) }

// TaggedHandle is the handle of a task that was found by its tags.
func TaggedHandle(id string, tags map[string]string) Handle {
	return Handle{ID: id, Instance: tags[TagInstance], Backend: tags[TagBackend], Attempt: tags[TagAttempt], Container: tags[TagContainer]}
}

// State is how far a task is.
type State uint8

// The states. Missing is what the platform does not know, or not yet.
const (
	Missing State = iota
	Pending       // it is being placed, or its image pulled
	Running
	Stopped // and will not run again by itself
)

func (s State) String() string { return [...]string{"missing", "pending", "running", "stopped"}[s] }

// Status is how a task is.
type Status struct {
	Handle Handle
	State  State
	Code   string // the platform's word for why it stopped: SpotInterruption
	Reason string // in the platform's words
	// ExitCode is of the agent, as far as the platform tells; nil is not known.
	ExitCode *int
	// NoRoom tells that it never started for want of room, so that another backend may have some.
	NoRoom bool
}

// TransientError is an error that may be gone a little later.
type TransientError struct {
	Err   error
	After time.Duration // that the platform asks to wait; 0 is not said
}

// Transient marks an error of a driver as one after which the call is made again.
func Transient(err error, after time.Duration) error { return &TransientError{Err: err, After: after} }

func (e *TransientError) Error() string { return e.Err.Error() }

func (e *TransientError) Unwrap() error { return e.Err }

// EndedError is why a client of an agent is gone: its task has ended, and by what its platform says.
type EndedError struct {
	Backend string
	Status  Status
}

func (e *EndedError) Error() string {
	var why []string
	if e.Status.Code != "" {
		why = append(why, e.Status.Code)
	}
	if e.Status.Reason != "" {
		why = append(why, e.Status.Reason)
	}
	if e.Status.ExitCode != nil {
		why = append(why, fmt.Sprintf("exit code %d of its agent", *e.Status.ExitCode))
	}
	if e.Status.State == Missing {
		why = append(why, "the platform does not know it any more")
	}
	if len(why) == 0 {
		why = []string{"the platform does not say why"}
	}
	return fmt.Sprintf("the task on %s has ended: %s", e.Backend, strings.Join(why, ", "))
}

// Unknown tells that nobody knows how the container's process ended: the platform has a word for the end of the task, and no code.
func (e *EndedError) Unknown() bool {
	return e.Status.ExitCode == nil && (e.Status.Code != "" || e.Status.State == Missing)
}

// Unwrap is the error's class: another backend may have the room that this one had not.
func (e *EndedError) Unwrap() error {
	if e.Status.NoRoom {
		return errdefs.ErrUnavailable
	}
	return errdefs.ErrAborted
}

// taskName is the name of an attempt's task.
func taskName(instance, attempt string) string {
	sum := sha256.Sum256([]byte(instance + "\x00" + attempt))
	return "sl-" + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:18]))
}

// IsTransient tells whether an error is one that [Transient] has marked.
func IsTransient(err error) bool {
	_, ok := asTransient(err)
	return ok
}

// asTransient tells whether an error is to be waited out, and for how long at least.
func asTransient(err error) (after time.Duration, ok bool) {
	var t *TransientError
	if errors.As(err, &t) {
		return t.After, true
	}
	return 0, false
}
