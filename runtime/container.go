package runtime

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"github.com/containerd/errdefs"
	types "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"

	"github.com/sockerless/sockerless/agent/agentpb"
	"github.com/sockerless/sockerless/store/state"
)

// Keys of the state: a container has "container/<id>/state", its record, and "container-config/<id>", its definition.
// The prefixes differ so that a start of the server reads the short records only.
const (
	recordKey     = "container/"
	definitionKey = "container-config/"
)

// record is the short part of a container that is always in memory; a value is never changed, only replaced.
type record struct {
	Name         string               `json:"name"` // without a slash
	Created      time.Time            `json:"created"`
	Image        string               `json:"image"`   // as it was asked for
	ImageID      string               `json:"imageID"` // sha256:…
	Status       types.ContainerState `json:"status"`  // created, running, paused, restarting, exited; removing is not stored
	Pid          int64                `json:"pid,omitempty"`
	ExitCode     int                  `json:"exitCode,omitempty"`
	OOMKilled    bool                 `json:"oomKilled,omitempty"`
	Error        string               `json:"error,omitempty"`
	StartedAt    time.Time            `json:"startedAt,omitzero"`
	FinishedAt   time.Time            `json:"finishedAt,omitzero"`
	Run          int64                `json:"run,omitempty"`   // number of the latest start
	Agent        string               `json:"agent,omitempty"` // id of the agent that has the container open
	Home         string               `json:"home,omitempty"`  // backend that has its files; "" is the sandbox
	Twin         string               `json:"twin,omitempty"`  // id of the agent that runs its native programs, while it runs in the sandbox
	TwinBackend  string               `json:"twinBackend,omitempty"`
	Promotion    *promotion           `json:"promotion,omitempty"`   // the latest one
	Offset       int64                `json:"offset,omitempty"`      // of the output spool before the run's first byte
	AgentOffset  int64                `json:"agentOffset,omitempty"` // the same of the agent's spool, where that is another one
	Stopped      bool                 `json:"stopped,omitempty"`     // by the user: a restart policy does not apply
	RestartCount int                  `json:"restartCount,omitempty"`
	Volumes      []string             `json:"volumes,omitempty"` // names
	Leases       []lease              `json:"leases,omitempty"`  // in networks, while it runs
	Ports        []publishedPort      `json:"ports,omitempty"`   // while it runs
}

// running tells whether there is a process, frozen or not.
func (r *record) running() bool {
	return r.Status == types.StateRunning || r.Status == types.StatePaused
}

// active is what Docker calls Running: it includes a container between two runs of its restart policy.
func (r *record) active() bool { return r.running() || r.Status == types.StateRestarting }

// definition is what a container was created as. It is read from the state when needed: ten thousand of them in memory
// would be most of the server.
type definition struct {
	Path          string                               `json:"path"`
	Args          []string                             `json:"args"`
	Platform      string                               `json:"platform"`                // of the system alone, as Docker shows it
	ImagePlatform string                               `json:"imagePlatform,omitempty"` // with the architecture
	Config        *types.Config                        `json:"config"`
	HostConfig    *types.HostConfig                    `json:"hostConfig"`
	Mounts        []mountPoint                         `json:"mounts,omitempty"`
	Networks      map[string]*network.EndpointSettings `json:"networks,omitempty"`
}

// container is a container in memory.
type container struct {
	id string

	// op is held by what changes the life of the container as a whole: start, pause, rename, remove.
	op sync.Mutex
	// promoting is held while the container gets its twin; c.op may be held by who waits for the container's end meanwhile.
	promoting sync.Mutex

	current atomic.Pointer[record]
	listed  atomic.Pointer[row] // nil before the first list after a start of the server

	// mu guards what follows and the replacing of the record, the write to the state included.
	mu          sync.Mutex
	cached      weak.Pointer[definition]
	starting    int64                 // number of the run that is being started; 0: none
	early       []func()              // what came from the agent before the start was recorded
	unreleased  bool                  // its last run holds something of a backend
	removing    bool                  // a removal is under way
	dying       bool                  // it has ended and goes by --rm as soon as its output is delivered
	removed     bool                  // the record is gone
	unstored    bool                  // an exit could not be written to the state
	kept        int                   // those who keep --rm from taking the container away
	waiters     []*Waiter             // of an exit or the removal
	attachments []*containerStream    // that wait for a start
	attached    int                   // attachments and attached execs with output still to deliver
	collector   *collector            // of the output of the latest run; nil where the agent writes it here itself
	drained     chan struct{}         // closed when attached becomes 0; nil while nobody waits
	execs       map[string]*execution // by id; nil without any
	mirrors     *mirrors              // of what is mounted, where its task has copies of it
	swept       time.Time             // when ended execs were last dropped
	restart     *time.Timer           // the next start by the restart policy
	delay       time.Duration         // before it
	health      *healthMonitor        // nil without a health check or while not running
}

func (c *container) record() *record { return c.current.Load() }

// definition loads what the container was created as.
func (e *Engine) definition(c *container) (*definition, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return e.definitionLocked(c)
}

func (e *Engine) definitionLocked(c *container) (*definition, error) {
	if d := c.cached.Value(); d != nil {
		return d, nil
	}
	value, err := e.cfg.State.Get(definitionKey + c.id)
	if errdefs.IsNotFound(err) {
		return nil, errdefs.ErrNotFound.WithMessage("No such container: " + c.id)
	}
	d := new(definition)
	if err == nil {
		err = json.Unmarshal(value, d)
	}
	if err != nil {
		return nil, fmt.Errorf("read configuration of container %s: %w", c.id, err)
	}
	c.cached = weak.Make(d)
	return d, nil
}

// put is the change that stores a record.
func (c *container) put(r *record) (state.Change, error) {
	value, err := json.Marshal(r)
	return state.Put(recordKey+c.id, value), err
}

// commit releases the record, in the state first. c.mu is held. A client that goes away does not undo what has
// happened already, so the write is not bound to its context.
func (e *Engine) commit(c *container, next record) error {
	put, err := c.put(&next)
	if err == nil {
		err = e.cfg.State.Update(context.WithoutCancel(e.ctx), put)
	}
	if err != nil {
		return fmt.Errorf("store state of container %s: %w", c.id, err)
	}
	c.current.Store(&next)
	c.unstored = false
	return nil
}

// load reads the short records.
func (e *Engine) load() error {
	err := e.cfg.State.Scan(recordKey, func(key string, value []byte) error {
		c := &container{id: strings.TrimPrefix(key, recordKey)}
		r := new(record)
		if err := json.Unmarshal(value, r); err != nil {
			return fmt.Errorf("record %s: %w", key, err)
		}
		c.current.Store(r)
		e.containers[c.id] = c
		e.names[r.Name] = c.id
		return nil
	})
	if err != nil {
		return fmt.Errorf("load containers: %w", err)
	}
	return nil
}

// spec is the container as an agent is told it.
func (e *Engine) spec(c *container, d *definition) (*agentpb.Container, error) {
	layers, err := e.layers(c.record().ImageID)
	if err != nil {
		return nil, err
	}
	mounts, err := e.mounts(c, d)
	if err != nil {
		return nil, err
	}
	h := d.HostConfig
	s := &agentpb.Container{
		Id: c.id, Hostname: d.Config.Hostname, Domainname: d.Config.Domainname,
		Directory: e.directory(c.id), Layers: layers, Mounts: mounts, ReadOnly: h.ReadonlyRootfs,
		ExtraHosts: e.extraHosts(c, d), Endpoints: e.endpoints(c), DnsSearch: h.DNSSearch,
		Limits: &agentpb.Limits{Memory: h.Memory, NanoCpus: nanoCPUs(&h.Resources), Pids: pidsLimit(&h.Resources)},
	}
	for _, a := range h.DNS {
		s.Dns = append(s.Dns, a.String())
	}
	return s, nil
}

// nanoCPUs is the limit in billionths of a processor, however it was given; 0 is none.
func nanoCPUs(r *types.Resources) int64 {
	if r.NanoCPUs > 0 || r.CPUQuota <= 0 {
		return r.NanoCPUs
	}
	period := r.CPUPeriod
	if period == 0 {
		period = 100_000
	}
	return r.CPUQuota * 1_000_000_000 / period
}

// pidsLimit is how many processes a container may have; 0 is any number.
func pidsLimit(r *types.Resources) int64 {
	if r.PidsLimit == nil || *r.PidsLimit < 0 {
		return 0
	}
	return *r.PidsLimit
}

// process is the first process as an agent is told it.
func (d *definition) process() *agentpb.Process {
	p := &agentpb.Process{
		Args: append([]string{d.Path}, d.Args...), Env: d.Config.Env, Cwd: d.Config.WorkingDir, User: d.Config.User,
		Groups: d.HostConfig.GroupAdd, Tty: d.Config.Tty, Stdin: d.Config.OpenStdin, StdinOnce: d.Config.StdinOnce && !d.Config.Tty,
		Privileged: d.HostConfig.Privileged,
	}
	if size := d.HostConfig.ConsoleSize; d.Config.Tty && (size[0] != 0 || size[1] != 0) {
		p.Size = &agentpb.WindowSize{Rows: uint32(size[0]), Columns: uint32(size[1])}
	}
	return p
}

func conflict(format string, args ...any) error {
	return errdefs.ErrConflict.WithMessage(fmt.Sprintf(format, args...))
}

func invalid(format string, args ...any) error {
	return errdefs.ErrInvalidArgument.WithMessage(fmt.Sprintf(format, args...))
}

func notFound(format string, args ...any) error {
	return errdefs.ErrNotFound.WithMessage(fmt.Sprintf(format, args...))
}
