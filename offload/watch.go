package offload

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Clock tells the time and waits: [SystemClock], or one of a test.
type Clock interface {
	Now() time.Time
	After(d time.Duration) <-chan time.Time
}

// SystemClock is the clock of the machine.
type SystemClock struct{}

// Now is the time.
func (SystemClock) Now() time.Time { return time.Now() }

// After sends the time once d has passed.
func (SystemClock) After(d time.Duration) <-chan time.Time { return time.After(d) }

// Source is the policy that holds now: that of a file, as it changes. All methods may be called concurrently.
type Source struct {
	file string
	log  *slog.Logger

	mu      sync.Mutex
	policy  *Policy // the last good one; nil where there was none
	err     error   // of the last reading
	seen    stamp
	changed chan struct{} // closed at the next reading that changed something
}

// stamp is by what a file is seen to have changed: its content decides, the rest spares reading it.
type stamp struct {
	modified time.Time
	size     int64
	sum      [sha256.Size]byte
}

// NewSource reads the policy of a configuration file; "" is no file and [DefaultPolicy]. An error is not the end of it: the
// source then refuses native programs until the file is right, as [Source.Policy] says.
func NewSource(file string, log *slog.Logger) (*Source, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Source{file: file, log: log, changed: make(chan struct{})}
	if file == "" {
		s.policy = DefaultPolicy()
		return s, nil
	}
	return s, s.Reload()
}

// FixedSource is a source of a policy that does not change.
func FixedSource(p *Policy) *Source {
	return &Source{policy: p, log: slog.New(slog.DiscardHandler), changed: make(chan struct{})}
}

// Policy is the last one that could be read. Where there was none it is nil, and the error says why. Where there is one and
// the file is wrong by now, both are given.
func (s *Source) Policy() (*Policy, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.policy, s.err
}

// Changed is closed once another policy, or another error, holds.
func (s *Source) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// Reload reads the file again, as upon SIGHUP. With an error the last good policy goes on.
func (s *Source) Reload() error { return s.reload(true) }

func (s *Source) reload(always bool) error {
	if s.file == "" {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	seen, data, err := s.look(always)
	if err == nil && !always && seen.sum == s.seen.sum {
		s.seen = seen
		return s.err
	}
	var policy *Policy
	if err == nil {
		policy, err = parseFile(s.file, data)
	}
	same := err != nil && s.err != nil && err.Error() == s.err.Error()
	s.seen, s.err = seen, err
	switch {
	case err == nil:
		s.policy = policy
		s.log.Info("policy read", "file", s.file, "rules", len(policy.Rules), "backends", len(policy.Backends))
	case same:
		return err
	case s.policy != nil:
		s.log.Error("the policy is wrong; the last good one goes on", "error", err)
	default:
		s.log.Error("the policy is wrong; no native program runs until it is right", "error", err)
	}
	close(s.changed)
	s.changed = make(chan struct{})
	return err
}

// look reads the file, unless its time and size are those of the last time; the lock is held.
func (s *Source) look(always bool) (stamp, []byte, error) {
	info, err := os.Stat(s.file)
	if err != nil {
		return stamp{}, nil, fmt.Errorf("read policy: %w", err)
	}
	seen := stamp{modified: info.ModTime(), size: info.Size()}
	// A file that was written twice within the resolution of its time is caught by reading it once more a little later.
	settled := s.seen.modified.Before(time.Now().Add(-racy))
	if !always && settled && s.err == nil && seen.modified.Equal(s.seen.modified) && seen.size == s.seen.size {
		return s.seen, nil, nil
	}
	data, err := os.ReadFile(s.file)
	if err != nil {
		return stamp{}, nil, fmt.Errorf("read policy: %w", err)
	}
	seen.sum = sha256.Sum256(bytes.TrimSpace(data))
	return seen, data, nil
}

// racy is how old the time of a file must be to tell that it has not changed since.
const racy = 3 * time.Second

// Watch looks at the file every so often until ctx ends. Errors are logged.
func (s *Source) Watch(ctx context.Context, every time.Duration, clock Clock) {
	if s.file == "" {
		return
	}
	for {
		select {
		case <-clock.After(every):
			_ = s.reload(false) // it has logged it
		case <-ctx.Done():
			return
		}
	}
}
