package offload

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/go-units"

	"github.com/sockerless/sockerless/runtime"
)

// price is what a second costs on a lane, in US dollars: as the policy says, else as the backend does. A backend that says
// nothing costs nothing: it is a machine that the user has.
func (s *Scheduler) price(l *lane, size runtime.Size) (usdPerSecond float64, known bool) {
	if p := s.configOf(l).Price; p != nil {
		return p.PerSecond(size), true
	}
	if p, ok := l.Backend.(interface {
		Price(runtime.Size) (float64, bool)
	}); ok {
		return p.Price(size)
	}
	return 0, true
}

// fit tells whether a lane can run a task under the limits of both, and returns the task with the duration that follows
// from them.
func (s *Scheduler) fit(l *lane, p runtime.Placement, t runtime.Task) (runtime.Task, error) {
	limits := l.Limits()
	never := func(format string, args ...any) (runtime.Task, error) {
		return t, errdefs.ErrFailedPrecondition.WithMessage(fmt.Sprintf(format, args...))
	}
	if limits.Platforms != nil && t.Image.Platform != "" && !slices.Contains(limits.Platforms, t.Image.Platform) {
		return never("it runs %s, not %s", join(limits.Platforms), t.Image.Platform)
	}
	if err := withstands(limits, t); err != nil {
		return t, err
	}
	if limits.MaxDisk > 0 && t.Size.Disk > limits.MaxDisk {
		return never("it has %s of disk at most, not %s", units.BytesSize(float64(limits.MaxDisk)), units.BytesSize(float64(t.Size.Disk)))
	}
	if limits.MaxDuration > 0 && t.MaxDuration > limits.MaxDuration {
		return never("its tasks run for %s at most, not %s", limits.MaxDuration, t.MaxDuration)
	}
	set(&t.MaxDuration, limits.MaxDuration)
	rate, known := s.price(l, t.Size)
	if p.MaxCost > 0 {
		switch {
		case !known:
			return never("what it costs is not known, so that the limit of $%g cannot be held; give its price in backends", p.MaxCost)
		case rate > 0 && t.MaxDuration == 0:
			t.MaxDuration = affordable(p.MaxCost, rate)
		case rate*t.MaxDuration.Seconds() > p.MaxCost:
			if p.MaxDuration > 0 || t.MaxDuration != limits.MaxDuration {
				return never("%s there may cost $%.4g, over the limit of $%g", t.MaxDuration, rate*t.MaxDuration.Seconds(), p.MaxCost)
			}
			t.MaxDuration = affordable(p.MaxCost, rate)
		}
		if rate > 0 && t.MaxDuration < time.Second {
			return never("not a second of it can be had for $%g", p.MaxCost)
		}
	}
	return t, s.afford(l, rate*t.MaxDuration.Seconds())
}

// affordable is for how long money lasts, in whole seconds.
func affordable(usd, rate float64) time.Duration {
	seconds := math.Floor(usd / rate)
	if seconds > math.MaxInt64/float64(time.Second) {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// afford tells whether the month's budget of a lane has room for a task.
func (s *Scheduler) afford(l *lane, cost float64) error {
	budget := s.configOf(l).Budget
	if budget <= 0 {
		return nil
	}
	spender, ok := l.Backend.(interface{ Spent() (float64, error) })
	if !ok {
		return nil
	}
	spent, err := spender.Spent()
	if err != nil {
		return err
	}
	if spent+cost > budget || spent >= budget {
		return errdefs.ErrFailedPrecondition.WithMessage(fmt.Sprintf(
			"its budget of $%g for the month is used up: $%.4g are spent, and this task may cost $%.4g", budget, spent, cost))
	}
	return nil
}

// order puts the backends of a decision in the order that its rule prefers. Equal ones stay in the rule's order; a price
// that nobody knows is the highest, a backend that has never been asked is taken for fast.
func (s *Scheduler) order(d *Decision) {
	var by func(*lane) float64
	switch d.Prefer {
	case PreferCheapest:
		by = func(l *lane) float64 {
			if price, known := s.price(l, d.Size); known {
				return price
			}
			return math.Inf(1)
		}
	case PreferFastest:
		by = func(l *lane) float64 {
			s.mu.Lock()
			defer s.mu.Unlock()
			return l.took.Seconds()
		}
	default:
		return
	}
	value := map[string]float64{}
	for _, name := range d.Backends {
		value[name] = by(s.lane(name))
	}
	slices.SortStableFunc(d.Backends, func(a, b string) int { return cmp.Compare(value[a], value[b]) })
}
