package offload

import (
	"time"

	"github.com/sockerless/sockerless/runtime"
)

// Explanation is what would happen to a container, and why: what `sockerless policy explain` shows.
type Explanation struct {
	Image    string   `json:"image"`
	Platform string   `json:"platform,omitempty"`
	Command  []string `json:"command,omitempty"`
	File     string   `json:"file,omitempty"`  // of the policy
	Error    string   `json:"error,omitempty"` // the container would be refused, or the file is wrong

	Place       runtime.Where    `json:"place,omitempty"`
	Rule        string           `json:"rule,omitempty"`
	Considered  []Considered     `json:"considered,omitempty"`
	Prefer      Prefer           `json:"prefer,omitempty"`
	Backends    []BackendOutlook `json:"backends,omitempty"` // in the order in which they are tried, then those that are not
	Refusal     string           `json:"refusal,omitempty"`  // why a native program would not run
	Size        runtime.Size     `json:"size,omitzero"`
	MaxDuration string           `json:"maxDuration,omitempty"`
	MaxCost     float64          `json:"maxCost,omitempty"` // US dollars
	Env         []string         `json:"env,omitempty"`     // patterns of variables that stay; behind ! of those that go
	Guests      []string         `json:"guests,omitempty"`
	NativeBash  bool             `json:"nativeBash,omitempty"`
}

// BackendOutlook is what a backend would do with a task.
type BackendOutlook struct {
	Name        string   `json:"name"`
	Why         string   `json:"why,omitempty"`         // it would not take it
	USDPerHour  *float64 `json:"usdPerHour,omitempty"`  // nil is not known
	MaxUSD      *float64 `json:"maxUSD,omitempty"`      // for the longest time that it may run; nil is no limit or not known
	MaxDuration string   `json:"maxDuration,omitempty"` // after which its agent would end it
	Running     int      `json:"running"`
	Concurrency int      `json:"concurrency,omitempty"`
	Waiting     int      `json:"waiting,omitempty"`
	Took        string   `json:"took,omitempty"` // a start, lately
	Circuit     string   `json:"circuit,omitempty"`
}

// Explain tells what the policy that holds now would do with a container. Whether its command is native is not the
// policy's to say: where the place is auto, that decides.
func (s *Scheduler) Explain(image runtime.Image, labels map[string]string, cmd []string) Explanation {
	e := Explanation{Image: image.Name, Platform: image.Platform, Command: cmd}
	policy, err := s.config.Source.Policy()
	if err != nil {
		e.Error = err.Error()
	}
	if policy != nil {
		e.File = policy.File
	}
	d, err := s.decide(runtime.PlaceRequest{Image: image, Labels: labels})
	e.Considered, e.Rule = d.Considered, d.Rule
	if err != nil {
		e.Error = err.Error()
		return e
	}
	e.Place, e.Prefer, e.Refusal, e.Size = d.Where, d.Prefer, d.Refusal, d.Size
	e.MaxDuration, e.MaxCost, e.Env, e.Guests, e.NativeBash = text(d.MaxDuration), d.MaxCost, d.DropEnv, d.Guests, d.NativeBash
	for _, name := range d.Backends {
		e.Backends = append(e.Backends, s.outlook(s.lane(name), d.Placement, image))
	}
	for _, skipped := range d.Skipped {
		e.Backends = append(e.Backends, BackendOutlook{Name: skipped.Backend, Why: skipped.Why})
	}
	return e
}

func (s *Scheduler) outlook(l *lane, p runtime.Placement, image runtime.Image) BackendOutlook {
	o := BackendOutlook{Name: l.Name(), Concurrency: s.concurrency(l)}
	if state := l.breaker.State().String(); state != "closed" {
		o.Circuit = state
	}
	s.mu.Lock()
	o.Running, o.Took = len(l.seats.held), text(l.took.Round(time.Millisecond))
	for _, tickets := range l.seats.waiting {
		o.Waiting += len(tickets)
	}
	s.mu.Unlock()
	fitting, err := s.fit(l, p, runtime.Task{Image: image, Size: p.Size, MaxDuration: p.MaxDuration})
	if err != nil {
		o.Why = err.Error()
	}
	o.MaxDuration = text(fitting.MaxDuration)
	if rate, known := s.price(l, p.Size); known {
		hour := rate * 3600
		o.USDPerHour = &hour
		if fitting.MaxDuration > 0 {
			most := rate * fitting.MaxDuration.Seconds()
			o.MaxUSD = &most
		}
	}
	return o
}

func text(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}
