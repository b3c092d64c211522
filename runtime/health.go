package runtime

import (
	"context"
	"errors"
	"slices"
	"time"

	types "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/events"

	"github.com/sockerless/sockerless/agent"
	"github.com/sockerless/sockerless/agent/agentpb"
)

// What a health check has where it is not given, and what is kept of it (moby's daemon/health.go).
const (
	healthInterval      = 30 * time.Second
	healthTimeout       = 30 * time.Second
	healthStartInterval = 5 * time.Second
	healthRetries       = 3
	healthOutput        = 4096 // bytes
	healthResults       = 5
)

func verifyHealth(h *types.HealthConfig) error {
	if h == nil {
		return nil
	}
	for name, d := range map[string]time.Duration{
		"Interval": h.Interval, "Timeout": h.Timeout, "StartPeriod": h.StartPeriod, "StartInterval": h.StartInterval} {
		if d != 0 && d < types.MinimumDuration {
			return invalid("%s in Healthcheck cannot be less than %s", name, types.MinimumDuration)
		}
	}
	if h.Retries < 0 {
		return invalid("Retries in Healthcheck cannot be negative")
	}
	return nil
}

// healthMonitor is the health of a run. It has no goroutine but while a probe runs.
type healthMonitor struct {
	config *types.HealthConfig
	state  types.Health
	timer  *time.Timer
	begun  time.Time
}

// watchHealth begins the health checks of a run.
func (e *Engine) watchHealth(c *container, d *definition) {
	h := d.Config.Healthcheck
	if h == nil || len(h.Test) == 0 || h.Test[0] == "NONE" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.record().running() {
		return
	}
	c.stopHealth()
	m := &healthMonitor{config: h, begun: time.Now(), state: types.Health{Status: types.Starting, Log: []*types.HealthcheckResult{}}}
	m.timer = time.AfterFunc(m.pause(), func() { e.spawn(func() { e.probe(c, m) }) })
	c.health = m
}

// stopHealth ends the health checks. c.mu is held.
func (c *container) stopHealth() {
	if c.health != nil {
		c.health.timer.Stop()
		c.health = nil
	}
}

// pause is the time until the next probe.
func (m *healthMonitor) pause() time.Duration {
	interval := orDefault(m.config.Interval, healthInterval)
	if m.state.Status == types.Starting && time.Since(m.begun) < m.config.StartPeriod {
		return orDefault(m.config.StartInterval, healthStartInterval)
	}
	return interval
}

func orDefault(d, def time.Duration) time.Duration {
	if d == 0 {
		return def
	}
	return d
}

// probe runs the check once and sets the timer for the next.
func (e *Engine) probe(c *container, m *healthMonitor) {
	d, err := e.definition(c)
	if err != nil {
		return // the container is gone
	}
	var result *types.HealthcheckResult
	if c.record().Status == types.StateRunning {
		result = e.runProbe(c, d, m.config)
	}
	c.mu.Lock()
	if c.health != m || e.ctx.Err() != nil {
		c.mu.Unlock()
		return
	}
	before := m.state.Status
	if result != nil {
		m.apply(result)
	}
	after := m.state.Status
	m.timer.Reset(m.pause())
	c.mu.Unlock()
	if after != before {
		e.containerEvent(c, d, events.Action("health_status: "+string(after)))
	}
}

// apply counts a result.
func (m *healthMonitor) apply(r *types.HealthcheckResult) {
	s := &m.state
	s.Log = append(slices.Clone(s.Log), r)
	if len(s.Log) > healthResults {
		s.Log = s.Log[1:]
	}
	if r.ExitCode == 0 {
		s.FailingStreak, s.Status = 0, types.Healthy
		return
	}
	if s.Status == types.Starting && time.Since(m.begun) < m.config.StartPeriod {
		return // failures do not count yet
	}
	s.FailingStreak++
	retries := m.config.Retries
	if retries == 0 {
		retries = healthRetries
	}
	if s.FailingStreak >= retries {
		s.Status = types.Unhealthy
	}
}

// runProbe runs the check's command in the container.
func (e *Engine) runProbe(c *container, d *definition, h *types.HealthConfig) *types.HealthcheckResult {
	args := h.Test[1:]
	if h.Test[0] == "CMD-SHELL" {
		shell := d.Config.Shell
		if len(shell) == 0 {
			shell = []string{"/bin/sh", "-c"}
		}
		args = append(slices.Clone(shell), args...)
	}
	result := &types.HealthcheckResult{Start: time.Now()}
	timeout := orDefault(h.Timeout, healthTimeout)
	ctx, cancel := context.WithTimeout(e.ctx, timeout)
	defer cancel()
	code, output, err := e.runInside(ctx, c, d, args)
	result.End, result.ExitCode, result.Output = time.Now(), code, output
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		result.ExitCode, result.Output = -1, "Health check exceeded timeout ("+timeout.String()+"): "+output
	case err != nil:
		result.ExitCode, result.Output = -1, err.Error()
	}
	return result
}

// runInside runs a command with nobody attached and returns its exit code and the beginning of its output. It is killed
// when ctx ends.
func (e *Engine) runInside(ctx context.Context, c *container, d *definition, args []string) (int, string, error) {
	id, err := randomID()
	if err != nil {
		return 0, "", err
	}
	p := &agentpb.Process{
		Args: args, Env: environment(d.Config.Hostname, false, d.Config.Env), Cwd: d.Config.WorkingDir, User: d.Config.User,
	}
	var stream *agent.Stream
	var runs *link
	err = e.onNative(ctx, c, d, p, func(l *link) (err error) {
		runs = l
		stream, err = l.Attach(ctx, &agentpb.AttachOpen{Container: c.id, Exec: id, Output: true, Process: p})
		return err
	})
	var failure *agent.StartError
	if errors.As(err, &failure) {
		return failure.Code, failure.Message, nil
	}
	if err != nil {
		return 0, "", err
	}
	defer stream.Close()
	var output []byte
	for {
		m, err := stream.Recv()
		if err != nil {
			// The process must not outlive its time; where it has ended, there is nothing to kill.
			_ = runs.Signal(context.WithoutCancel(ctx), c.id, id, sigKill)
			return 0, string(output), err
		}
		if exit := m.GetExit(); exit != nil {
			return int(exit.GetCode()), string(output), nil
		}
		output = append(output, m.GetData().GetData()...)
		output = output[:min(len(output), healthOutput)]
	}
}

// healthState is a copy of a container's health; nil without a check.
func (c *container) healthState() *types.Health {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.health == nil {
		return nil
	}
	state := c.health.state
	return &state
}

func (c *container) healthStatus() types.HealthStatus {
	if h := c.healthState(); h != nil {
		return h.Status
	}
	return types.NoHealthcheck
}

func (c *container) healthSummary() *types.HealthSummary {
	h := c.healthState()
	if h == nil {
		return nil
	}
	return &types.HealthSummary{Status: h.Status, FailingStreak: h.FailingStreak}
}
