package wasi

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"github.com/containerd/errdefs"

	"github.com/sockerless/sockerless/agent"
	"github.com/sockerless/sockerless/agent/agentpb"
	"github.com/sockerless/sockerless/agent/network"
	"github.com/sockerless/sockerless/wasi/guest"
	"github.com/sockerless/sockerless/wasi/kernel"
)

// Cell is the host of sandboxed containers: each has a process table and a file tree in this process.
type Cell struct {
	programs programs
	memory   int64 // bytes of this machine
	// needNative asks the server for a container's twin: see Cell.Promote for the answer.
	needNative func(container, program, why string)
	network    *network.Agent

	mu         sync.Mutex
	containers map[string]*container
}

var _ agent.Host = (*Cell)(nil)

// NewCell makes a cell without containers.
func NewCell() *Cell {
	c := &Cell{
		programs:   newPrograms(shellProgram, guest.Main(guest.NewCache())),
		memory:     machineMemory(),
		needNative: func(string, string, string) {},
		containers: map[string]*container{},
	}
	c.network = network.NewAgent(c)
	return c
}

// limits are a container's limits, with those of the machine where it has none.
func (c *Cell) limits(l *agentpb.Limits) kernel.Limits {
	limits := kernel.Limits{Memory: c.memory, Processes: int(l.GetPids()), CPUs: runtime.NumCPU()}
	if m := l.GetMemory(); m > 0 {
		limits.Memory = m
	}
	if n := int((l.GetNanoCpus() + 1e9 - 1) / 1e9); n > 0 {
		limits.CPUs = min(n, limits.CPUs)
	}
	return limits
}

func (c *Cell) container(id string) (*container, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if found := c.containers[id]; found != nil {
		return found, nil
	}
	return nil, errdefs.ErrNotFound.WithMessage("the cell has no container " + id)
}

// enter finds a container or makes its entry.
func (c *Cell) enter(spec *agentpb.Container) *container {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := c.containers[spec.GetId()]
	if found == nil {
		found = &container{cell: c, spec: spec}
		c.containers[spec.GetId()] = found
	}
	return found
}

// Open opens a container's files.
func (c *Cell) Open(_ context.Context, spec *agentpb.Container) error {
	found := c.enter(spec)
	found.mu.Lock()
	defer found.mu.Unlock()
	if err := found.open(); err != nil {
		c.forget(found)
		return err
	}
	return nil
}

func (c *Cell) forget(gone *container) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.containers[gone.spec.GetId()] == gone {
		delete(c.containers, gone.spec.GetId())
	}
}

// Close closes a container's files and forgets it.
func (c *Cell) Close(_ context.Context, id string) error {
	found, err := c.container(id)
	if err != nil {
		return err
	}
	found.mu.Lock()
	defer found.mu.Unlock()
	if found.running.Load() {
		return errdefs.ErrFailedPrecondition.WithMessage("container " + id + " is running")
	}
	c.forget(found)
	return found.close()
}

// Pause freezes a container's processes, or lets them go on.
func (c *Cell) Pause(_ context.Context, id string, paused bool) error {
	found, err := c.container(id)
	if err != nil {
		return err
	}
	found.mu.RLock()
	defer found.mu.RUnlock()
	if !found.running.Load() {
		return errdefs.ErrFailedPrecondition.WithMessage("container " + id + " is not running")
	}
	found.table.Pause(paused)
	return nil
}

// Stats returns what a container's processes have used.
func (c *Cell) Stats(_ context.Context, id string) (*agentpb.StatsReply, error) {
	found, err := c.container(id)
	if err != nil {
		return nil, err
	}
	found.mu.RLock()
	defer found.mu.RUnlock()
	if found.table == nil {
		return nil, errdefs.ErrFailedPrecondition.WithMessage("container " + id + " is not running")
	}
	u := found.table.Usage()
	return &agentpb.StatsReply{
		Time: now(), Cpu: int64(u.CPU), Memory: u.Memory, Processes: int64(u.Processes), ReadBytes: u.Read, WriteBytes: u.Written,
	}, nil
}

// CloseAll kills all containers and closes their files.
func (c *Cell) CloseAll() error {
	c.mu.Lock()
	all := make([]*container, 0, len(c.containers))
	for _, found := range c.containers {
		all = append(all, found)
	}
	c.mu.Unlock()
	var first error
	for _, found := range all {
		found.kill()
		if err := c.Close(context.Background(), found.spec.GetId()); err != nil && first == nil {
			first = fmt.Errorf("close container %s: %w", found.spec.GetId(), err)
		}
	}
	return first
}
