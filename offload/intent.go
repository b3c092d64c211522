package offload

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/containerd/errdefs"

	"github.com/sockerless/sockerless/store/state"
)

// intent is what is written down of a task, from before its platform is asked for it until nothing of it is left.
type intent struct {
	Backend   string        `json:"backend"`
	Container string        `json:"container"`
	Attempt   string        `json:"attempt"`
	Project   string        `json:"project,omitempty"`
	Created   time.Time     `json:"created"`
	Started   time.Time     `json:"started,omitzero"` // when the platform had accepted it
	Price     float64       `json:"price,omitempty"`  // US dollars a second
	Handle    *Handle       `json:"handle,omitempty"` // once the platform has said it
	Ready     bool          `json:"ready,omitempty"`  // its agent has answered: the container may have run there
	Parked    bool          `json:"parked,omitempty"` // it is stopped, its files wait for a restart
	Ending    bool          `json:"ending,omitempty"` // it is to be stopped and removed
	Lasts     time.Duration `json:"lasts,omitempty"`  // its maximum
}

const (
	intentPrefix = "offload/intent/"
	spentPrefix  = "offload/spent/"
)

func (i *intent) key() string { return intentPrefix + i.Attempt }

// spentKey is where what a backend has cost in a month is kept.
func spentKey(backend string, at time.Time) string {
	return spentPrefix + backend + "/" + at.UTC().Format("2006-01")
}

// cost is what a task has cost so far, in US dollars.
func (i *intent) cost(now time.Time) float64 {
	if i.Started.IsZero() || now.Before(i.Started) {
		return 0
	}
	return i.Price * now.Sub(i.Started).Seconds()
}

// write keeps an intent, so that it survives a kill of the server. With sync it is on the disk before anything is done by it: what
// costs money elsewhere must not be forgotten by a machine that loses power either. A task of this machine ends with that power,
// and what is left of it is found by its tags.
func (b *Backend) write(ctx context.Context, i *intent, sync bool) error {
	data, err := json.Marshal(i)
	if err != nil {
		return fmt.Errorf("keep the intent of a task: %w", err)
	}
	if err = b.config.State.Update(ctx, state.Put(i.key(), data)); err == nil && sync && !b.here {
		err = b.config.State.Sync()
	}
	if err != nil {
		return fmt.Errorf("keep the intent of a task on %s: %w", b.name, err)
	}
	return nil
}

// forget deletes an intent, and adds what its task has cost to the month.
func (b *Backend) forget(ctx context.Context, i *intent) error {
	now := b.config.Clock.Now()
	changes := []state.Change{state.Delete(i.key())}
	b.spending.Lock()
	defer b.spending.Unlock()
	if cost := i.cost(now); cost > 0 {
		spent, err := b.spent(now)
		if err != nil {
			return err
		}
		changes = append(changes, state.Put(spentKey(b.name, now), strconv.AppendFloat(nil, spent+cost, 'g', -1, 64)))
	}
	if err := b.config.State.Update(ctx, changes...); err != nil {
		return fmt.Errorf("forget a task of %s that has ended: %w", b.name, err)
	}
	return nil
}

// spent is what the ended tasks of a month have cost.
func (b *Backend) spent(at time.Time) (float64, error) {
	data, err := b.config.State.Get(spentKey(b.name, at))
	if errdefs.IsNotFound(err) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read what %s has cost: %w", b.name, err)
	}
	spent, err := strconv.ParseFloat(string(data), 64)
	if err != nil {
		return 0, fmt.Errorf("read what %s has cost: %w", b.name, errdefs.ErrDataLoss.WithMessage(err.Error()))
	}
	return spent, nil
}

// Spent is what the backend's tasks have cost in this month so far, in US dollars: those that have ended in it, and
// those that it holds. It is an estimate: the platform's bill is what counts.
func (b *Backend) Spent() (float64, error) {
	now := b.config.Clock.Now()
	b.spending.Lock()
	total, err := b.spent(now)
	b.spending.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, t := range b.current {
		total += t.intent.cost(now)
	}
	for _, t := range b.ending {
		total += t.intent.cost(now)
	}
	return total, err
}

// intents reads what is written down: this backend's, and the attempts of all backends.
func (b *Backend) intents() (own []intent, all map[string]bool, err error) {
	all = map[string]bool{}
	err = b.config.State.Scan(intentPrefix, func(key string, value []byte) error {
		var i intent
		if err := json.Unmarshal(value, &i); err != nil {
			return fmt.Errorf("intent %s: %w", key, errdefs.ErrDataLoss.WithMessage(err.Error()))
		}
		all[i.Attempt] = true
		if i.Backend == b.name {
			own = append(own, i)
		}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("read the intents of %s: %w", b.name, err)
	}
	return own, all, nil
}
