package faults

import (
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"sync"
	"time"
)

// Kind is what goes wrong.
type Kind string

// The kinds that every simulator has. Services have further ones of their own.
const (
	Throttle Kind = "throttle" // the call is refused for its rate
	Fail     Kind = "fail"     // the call fails with Code
	Lose     Kind = "lose"     // the call succeeds, its answer is lost
	Delay    Kind = "delay"    // the call takes For longer
	Expire   Kind = "expire"   // the caller's credentials have expired
	Stale    Kind = "stale"    // a read does not see what was written in the last For
	Capacity Kind = "capacity" // there is no room for a task
	Reclaim  Kind = "reclaim"  // a spot task is taken away For after its start
	Pull     Kind = "pull"     // an image cannot be pulled
	Attach   Kind = "attach"   // a task's network takes For longer to come, or with a Code does not come
	LogLate  Kind = "log-late" // output shows in the log For later
	LogLost  Kind = "log-lost" // output does not show in the log
)

// Rule is a fault and when it happens.
type Rule struct {
	Kind      Kind          `json:"kind"`
	Service   string        `json:"service,omitempty"`   // pattern; "" is any
	Operation string        `json:"operation,omitempty"` // pattern; "" is any
	Rate      float64       `json:"rate,omitempty"`      // of the times that it is asked for; 0 is always
	Skip      int           `json:"skip,omitempty"`      // times before the first
	Count     int           `json:"count,omitempty"`     // times that it happens; 0 is no limit
	Code      string        `json:"code,omitempty"`      // of an error, or a reason
	For       time.Duration `json:"for,omitempty"`       // nanoseconds
}

func (r Rule) check() error {
	if r.Kind == "" || r.Rate < 0 || r.Rate > 1 || r.Skip < 0 || r.Count < 0 || r.For < 0 {
		return fmt.Errorf("fault %+v: it needs a kind, a rate from 0 to 1, and no negative numbers", r)
	}
	for _, pattern := range []string{r.Service, r.Operation} {
		if _, err := path.Match(pattern, ""); err != nil {
			return fmt.Errorf("fault %s: pattern %q: %w", r.Kind, pattern, err)
		}
	}
	return nil
}

func (r Rule) is(kind Kind, service, operation string) bool {
	match := func(pattern, name string) bool {
		ok, _ := path.Match(pattern, name) // it was checked
		return pattern == "" || ok
	}
	return r.Kind == kind && match(r.Service, service) && match(r.Operation, operation)
}

// Set is the rules of a simulator. It is safe for concurrent use; the zero value has none.
type Set struct {
	mu     sync.Mutex
	rules  []*counted
	random *rand.Rand
}

type counted struct {
	Rule
	asked, hit int
}

// Replace puts other rules in the place of all, and begins their chances with a seed.
func (s *Set) Replace(seed uint64, rules []Rule) error {
	for _, r := range rules {
		if err := r.check(); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.random = rand.New(rand.NewPCG(seed, 0))
	s.rules = nil
	for _, r := range rules {
		s.rules = append(s.rules, &counted{Rule: r})
	}
	return nil
}

// Rules are the rules as they were given.
func (s *Set) Rules() []Rule {
	s.mu.Lock()
	defer s.mu.Unlock()
	rules := make([]Rule, 0, len(s.rules))
	for _, r := range s.rules {
		rules = append(rules, r.Rule)
	}
	return rules
}

// Hit tells whether a fault of a kind happens now, and by which rule.
func (s *Set) Hit(kind Kind, service, operation string) (Rule, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := slices.IndexFunc(s.rules, func(r *counted) bool {
		if !r.is(kind, service, operation) || r.Count > 0 && r.hit >= r.Count {
			return false
		}
		r.asked++
		if r.asked <= r.Skip || r.Rate > 0 && s.random.Float64() >= r.Rate {
			return false
		}
		r.hit++
		return true
	})
	if at < 0 {
		return Rule{}, false
	}
	return s.rules[at].Rule, true
}
