package table

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/sockerless/sockerless/store/state"
)

// Table is the records of one kind, all in memory, each written before it counts. It is safe for concurrent use; a record is
// never changed in place.
type Table[T any] struct {
	state  state.Store
	prefix string

	mu  sync.RWMutex
	all map[string]T
}

// Open reads the records under a prefix: "ecs/task/".
func Open[T any](records state.Store, prefix string) (*Table[T], error) {
	t := &Table[T]{state: records, prefix: prefix, all: map[string]T{}}
	err := records.Scan(prefix, func(key string, value []byte) error {
		var record T
		if err := json.Unmarshal(value, &record); err != nil {
			return fmt.Errorf("record %s: %w", key, err)
		}
		t.all[strings.TrimPrefix(key, prefix)] = record
		return nil
	})
	return t, err
}

// Get finds a record.
func (t *Table[T]) Get(key string) (record T, ok bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	record, ok = t.all[key]
	return record, ok
}

// All are the records, in the order of their keys.
func (t *Table[T]) All() []T {
	t.mu.RLock()
	defer t.mu.RUnlock()
	all := make([]T, 0, len(t.all))
	for _, key := range slices.Sorted(maps.Keys(t.all)) {
		all = append(all, t.all[key])
	}
	return all
}

// Keys are the keys of all records, in order.
func (t *Table[T]) Keys() []string {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return slices.Sorted(maps.Keys(t.all))
}

// Put writes a record.
func (t *Table[T]) Put(ctx context.Context, key string, record T) error {
	_, err := t.Update(ctx, key, func(T, bool) (T, error) { return record, nil })
	return err
}

// Update replaces a record by what f makes of it, and returns that; an error of f changes nothing.
func (t *Table[T]) Update(ctx context.Context, key string, f func(old T, ok bool) (T, error)) (T, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	old, ok := t.all[key]
	record, err := f(old, ok)
	if err != nil {
		return old, err
	}
	value, err := json.Marshal(record)
	if err != nil {
		return old, err
	}
	if err := t.state.Update(ctx, state.Put(t.prefix+key, value)); err != nil {
		return old, err
	}
	t.all[key] = record
	return record, nil
}

// Delete removes a record; one that is not there is no error.
func (t *Table[T]) Delete(ctx context.Context, key string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.state.Update(ctx, state.Delete(t.prefix+key)); err != nil {
		return err
	}
	delete(t.all, key)
	return nil
}
