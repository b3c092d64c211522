package runtime

import (
	"context"
	"io"
	"runtime"
	"time"

	"github.com/containerd/errdefs"
	types "github.com/moby/moby/api/types/container"

	"github.com/sockerless/sockerless/agent/agentpb"
)

// statsInterval is the time between two measurements.
const statsInterval = time.Second

// StatsOptions of [Engine.ContainerStats].
type StatsOptions struct {
	Stream  bool // one after the other, a second apart
	OneShot bool // without Stream: at once, with nothing to compare it with
}

// Stats are measurements of a container. It is for one goroutine.
type Stats struct {
	engine    *Engine
	container *container
	opts      StatsOptions
	limits    *types.Resources
	run       int64 // the run that is measured
	sent      int
	last      *types.StatsResponse
}

// ContainerStats begins to measure a container. Errors: errdefs.ErrNotFound.
func (e *Engine) ContainerStats(_ context.Context, name string, opts StatsOptions) (*Stats, error) {
	c, err := e.lookup(name)
	if err != nil {
		return nil, err
	}
	d, err := e.definition(c)
	if err != nil {
		return nil, err
	}
	return &Stats{engine: e, container: c, opts: opts, limits: &d.HostConfig.Resources, run: c.record().Run}, nil
}

// Next measures, a second after the measurement before. io.EOF follows the only one or, of a stream, the end of the container's
// run; a container that does not run has one that is empty but for its name.
func (s *Stats) Next(ctx context.Context) (types.StatsResponse, error) {
	var none types.StatsResponse
	if s.sent > 0 && !s.opts.Stream {
		return none, io.EOF
	}
	if s.last == nil && !s.opts.Stream && !s.opts.OneShot { // something to compare with
		if _, err := s.measure(ctx); err != nil {
			return s.ended(err)
		}
	}
	if s.last != nil {
		if err := s.pause(ctx); err != nil {
			return none, err
		}
	}
	now, err := s.measure(ctx)
	if err != nil {
		return s.ended(err)
	}
	s.sent++
	return now, nil
}

// ended is what follows the last measurement.
func (s *Stats) ended(err error) (types.StatsResponse, error) {
	var none types.StatsResponse
	if !errdefs.IsFailedPrecondition(err) && !errdefs.IsNotFound(err) {
		return none, err
	}
	if s.sent > 0 {
		return none, io.EOF
	}
	s.opts.Stream = false
	s.sent++
	none.ID, none.Name = s.container.id, "/"+s.container.record().Name
	return none, nil
}

func (s *Stats) pause(ctx context.Context) error {
	t := time.NewTimer(statsInterval)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// measure asks the agent. Errors: errdefs.ErrFailedPrecondition, ErrNotFound if the run is over.
func (s *Stats) measure(ctx context.Context) (types.StatsResponse, error) {
	r := s.container.record()
	l := s.engine.agentOf(r)
	if !r.running() || l == nil || r.Run != s.run {
		return types.StatsResponse{}, errdefs.ErrFailedPrecondition.WithMessage("container " + s.container.id + " is not running")
	}
	reply, err := l.Stats(ctx, s.container.id)
	if err != nil {
		return types.StatsResponse{}, err
	}
	if twin := s.engine.twinOf(r); twin != nil {
		if more, err := twin.Stats(ctx, s.container.id); err == nil { // else it has just ended
			reply.Cpu, reply.Memory, reply.Processes = reply.Cpu+more.Cpu, reply.Memory+more.Memory, reply.Processes+more.Processes
			reply.ReadBytes, reply.WriteBytes = reply.ReadBytes+more.ReadBytes, reply.WriteBytes+more.WriteBytes
		}
	}
	now := s.response(reply, r.Name)
	s.last = &now
	return now, nil
}

// response is a measurement in Docker's form. What the sandbox has no notion of is zero or left out: processors one by one,
// time in the kernel, kinds of memory, network interfaces.
func (s *Stats) response(reply *agentpb.StatsReply, name string) types.StatsResponse {
	cpus := runtime.NumCPU()
	read := time.Unix(0, reply.GetTime()).UTC()
	out := types.StatsResponse{
		Read: read,
		CPUStats: types.CPUStats{
			CPUUsage: types.CPUUsage{TotalUsage: uint64(reply.GetCpu()), UsageInUsermode: uint64(reply.GetCpu())},
			// All that the processors could have done; only the difference of two values means something.
			SystemUsage: uint64(max(0, read.Sub(s.engine.started))) * uint64(cpus),
			OnlineCPUs:  uint32(cpus),
		},
		MemoryStats: types.MemoryStats{Usage: uint64(reply.GetMemory()), Limit: uint64(s.limits.Memory)},
		PidsStats:   types.PidsStats{Current: uint64(reply.GetProcesses()), Limit: uint64(pidsLimit(s.limits))},
		BlkioStats: types.BlkioStats{
			IoServiceBytesRecursive: []types.BlkioStatEntry{}, IoServicedRecursive: []types.BlkioStatEntry{},
			IoQueuedRecursive: []types.BlkioStatEntry{}, IoServiceTimeRecursive: []types.BlkioStatEntry{},
			IoWaitTimeRecursive: []types.BlkioStatEntry{}, IoMergedRecursive: []types.BlkioStatEntry{},
			IoTimeRecursive: []types.BlkioStatEntry{}, SectorsRecursive: []types.BlkioStatEntry{},
		},
	}
	if s.limits.Memory == 0 {
		out.MemoryStats.Limit = uint64(totalMemory())
	}
	if reply.GetReadBytes() > 0 || reply.GetWriteBytes() > 0 {
		out.BlkioStats.IoServiceBytesRecursive = []types.BlkioStatEntry{
			{Op: "read", Value: uint64(reply.GetReadBytes())}, {Op: "write", Value: uint64(reply.GetWriteBytes())},
		}
	}
	if s.opts.OneShot && !s.opts.Stream { // dockerd leaves the name out of these
		return out
	}
	out.ID, out.Name = s.container.id, "/"+name
	if s.last != nil {
		out.PreRead, out.PreCPUStats = s.last.Read, s.last.CPUStats
	}
	return out
}
