package runtime

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/containerd/errdefs"

	"github.com/sockerless/sockerless/agent"
	"github.com/sockerless/sockerless/agent/agentpb"
)

// promotion is what the promotion of a container cost, as docker inspect shows it.
type promotion struct {
	Program  string        `json:"program"` // the native program that asked for it
	Backend  string        `json:"backend"`
	Latency  time.Duration `json:"latency"` // until the program could start
	Bytes    int64         `json:"bytes"`   // of changes that were sent
	Files    int64         `json:"files"`
	Occurred time.Time     `json:"occurred"`
}

// annotations shows a promotion as HostConfig.Annotations of an inspect.
func (p *promotion) annotations() map[string]string {
	return map[string]string{
		"sockerless.promotion.program": p.Program, "sockerless.promotion.backend": p.Backend,
		"sockerless.promotion.latency": p.Latency.Round(time.Microsecond).String(), "sockerless.promotion.bytes": strconv.FormatInt(p.Bytes, 10),
		"sockerless.promotion.files": strconv.FormatInt(p.Files, 10), "sockerless.promotion.time": p.Occurred.Format(time.RFC3339Nano),
	}
}

// twinOf returns the link of a container's twin; nil without one.
func (e *Engine) twinOf(r *record) *link {
	if r.Twin == "" {
		return nil
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.agents[r.Twin]
}

// execAgent is the agent that runs a container's further processes and has its files: that of its twin once both share
// them, since native programs run there. Where they do not, the sandbox's, which sends files to and fro for each program.
func (e *Engine) execAgent(c *container) *link {
	r := c.record()
	if twin := e.twinOf(r); twin != nil && e.home(c, r) == twin.backend.Name() {
		return twin
	}
	if l := e.agentOf(r); l != nil && !l.isGone() {
		return l
	}
	return nil
}

// answerNative answers a cell that needs a native machine for a container: with the container's twin, or why it has none.
func (e *Engine) answerNative(cell *link, c *container, need *agentpb.NativeNeeded) {
	ctx := context.WithoutCancel(e.ctx)
	err := e.promote(ctx, cell, c, need.GetProgram())
	if err == nil {
		return
	}
	e.log.Warn("promote a container", "container", c.id, "program", need.GetProgram(), "error", err)
	if _, err := cell.Promote(ctx, &agentpb.PromoteRequest{Container: c.id, Error: err.Error()}); err != nil && !errdefs.IsNotFound(err) {
		e.log.Error("refuse a promotion", "container", c.id, "error", err)
	}
}

// promote gives a running container of the sandbox its twin, and tells the cell. It is done once, however many ask.
func (e *Engine) promote(ctx context.Context, cell *link, c *container, program string) error {
	c.promoting.Lock()
	defer c.promoting.Unlock()
	begun := time.Now()
	d, err := e.definition(c)
	if err != nil {
		return err
	}
	r := c.record()
	if !r.running() {
		return conflict("container %s is not running", c.id)
	}
	twin := e.twinOf(r)
	if twin != nil && !twin.reached(ctx) {
		e.loseTwin(c, twin)
		twin = nil
	}
	if twin == nil {
		if twin, err = e.startTwin(ctx, c, d); err != nil {
			return err
		}
	}
	ctx, stop := twin.life(ctx)
	defer stop()
	limits := twin.backend.Limits()
	request := &agentpb.PromoteRequest{
		Container: c.id, Target: twin.Target(), Root: twin.backend.Root(c.id), VolumesApart: limits.VolumesApart, VolumeLimit: limits.VolumeSize,
	}
	reply, err := cell.Promote(ctx, request)
	if err != nil {
		return fmt.Errorf("go over to the twin at %s: %w", twin.backend.Name(), err)
	}
	p := &promotion{
		Program: program, Backend: twin.backend.Name(), Latency: time.Since(begun), Bytes: reply.GetBytes(), Files: reply.GetFiles(), Occurred: begun.UTC(),
	}
	e.log.Info("promoted a container", "container", c.id, "program", program, "backend", p.Backend,
		"latency", p.Latency, "bytes", p.Bytes, "files", p.Files)
	c.mu.Lock()
	defer c.mu.Unlock()
	next := *c.record()
	if next.Run != r.Run || c.removed || c.dying {
		return nil
	}
	next.Promotion = p // also of a run that has ended meanwhile
	return e.commit(c, next)
}

// life is a context that ends with an agent.
func (l *link) life(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() { // ends with ctx
		select {
		case <-l.Done():
			cancel(l.Err())
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// reached waits until an agent answers; false if it is gone instead.
func (l *link) reached(ctx context.Context) bool {
	ctx, stop := l.life(ctx)
	defer stop()
	for ctx.Err() == nil {
		// A connection that breaks off is not the agent's end: whoever watches over it says that.
		if err := l.Reach(ctx); !errdefs.IsUnavailable(err) {
			return err == nil
		}
	}
	return false
}

// startTwin gets a machine for the native programs of a container, and remembers it before anything goes there.
func (e *Engine) startTwin(ctx context.Context, c *container, d *definition) (*link, error) {
	place, err := e.place(ctx, c, d)
	if err != nil {
		return nil, err
	}
	r := c.record()
	if len(place.Backends) == 0 {
		return nil, errdefs.ErrFailedPrecondition.WithMessage(place.Refusal)
	}
	spec, err := e.spec(c, d)
	if err != nil {
		return nil, err
	}
	b, client, err := e.cfg.Offload.Acquire(ctx, place, e.task(c, d, spec, place, true))
	if err != nil {
		return nil, err
	}
	twin, err := e.link(client, b)
	if err != nil {
		return nil, err
	}
	e.carry(c, twin, true)
	_, err = twin.Start(ctx, &agentpb.StartRequest{Container: spec, Process: &agentpb.Process{}, Run: r.Run})
	if err != nil && !errdefs.IsFailedPrecondition(err) { // it runs already: an earlier server had started it
		return nil, errors.Join(fmt.Errorf("start the twin at %s: %w", b.Name(), err), b.Release(ctx, c.id, false))
	}
	c.mu.Lock()
	next := *c.record()
	if !next.running() || next.Run != r.Run {
		c.mu.Unlock()
		return nil, errors.Join(conflict("container %s has ended", c.id), b.Release(ctx, c.id, false))
	}
	next.Twin, next.TwinBackend = twin.ID(), b.Name()
	err = e.commit(c, next)
	c.mu.Unlock()
	return twin, err
}

// onNative runs f, which starts p, with the agent for a further process of a container, and once more with that of its twin where
// the process needs native programs and the policy lets it have them.
func (e *Engine) onNative(ctx context.Context, c *container, d *definition, p *agentpb.Process, f func(*link) error) error {
	all := p.Env
	start := func(l *link) error {
		if p.Env = all; l.backend != e.cfg.Backend {
			place, err := e.place(ctx, c, d)
			if err != nil {
				return err
			}
			p.Env = agent.FilterEnv(all, place.DropEnv)
			if err := e.exchange(ctx, c, d, l, nil); err != nil {
				return err
			}
		}
		return f(l)
	}
	l := e.execAgent(c)
	if l == nil {
		return conflict("container %s is not running", c.id)
	}
	err := start(l)
	var failure *agent.StartError
	if !errors.As(err, &failure) || failure.Native == "" {
		return err
	}
	place, placeErr := e.place(ctx, c, d)
	if placeErr != nil || !place.promotes() {
		return errors.Join(err, placeErr)
	}
	if err := e.promote(ctx, l, c, failure.Native); err != nil {
		return &agent.StartError{Code: failure.Code, Message: failure.Message + ": " + err.Error()}
	}
	return start(e.execAgent(c))
}

// endTwin ends the twin of a container whose first process has ended, and with it all native programs.
func (e *Engine) endTwin(c *container, twin *link) {
	err := twin.Signal(context.WithoutCancel(e.ctx), c.id, "", sigKill)
	if err != nil && !noProcess(err) {
		e.log.Warn("end the twin of a container", "container", c.id, "error", err)
	}
}

// loseTwin is the end of a twin before its container's: native programs that ran there are lost, and the next one gets
// another twin.
func (e *Engine) loseTwin(c *container, l *link) {
	c.mu.Lock()
	next := *c.record()
	if next.Twin != l.ID() {
		c.mu.Unlock()
		return
	}
	next.Twin = ""
	err := e.commit(c, next)
	c.mu.Unlock()
	if err != nil {
		e.log.Error("store the end of a twin", "container", c.id, "error", err)
	}
	e.loseExecs(c, l)
}
