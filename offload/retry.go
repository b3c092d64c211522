package offload

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// dice spreads pauses, so that what failed together is not tried again together.
type dice struct {
	mu     sync.Mutex
	random *rand.Rand
}

// newDice throws by a source; nil is one that nobody can foresee.
func newDice(source rand.Source) *dice {
	if source == nil {
		source = rand.NewPCG(rand.Uint64(), rand.Uint64())
	}
	return &dice{random: rand.New(source)}
}

// spread is a pause between half and one and a half of d.
func (d *dice) spread(pause time.Duration) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return time.Duration((0.5 + d.random.Float64()) * float64(pause))
}

// patience is how often and with what pauses something is tried again.
type patience struct {
	tries      int
	first, cap time.Duration // the pauses grow from first to cap
	clock      Clock
	dice       *dice
}

// try calls f until again says no, or it was called often enough, or ctx ends; it returns f's last error.
func (p patience) try(ctx context.Context, f func(context.Context) error, again func(error) (after time.Duration, ok bool)) error {
	pauses := &backoff.ExponentialBackOff{InitialInterval: p.first, Multiplier: 2, MaxInterval: p.cap}
	for n := 1; ; n++ {
		err := f(ctx)
		if err == nil {
			return nil
		}
		after, ok := again(err)
		if !ok || n >= p.tries || ctx.Err() != nil {
			return err
		}
		select {
		case <-p.clock.After(max(after, p.dice.spread(pauses.NextBackOff()))):
		case <-ctx.Done():
			return err
		}
	}
}
