package offload

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/sockerless/sockerless/runtime"
)

// Local is the backend that needs no configuration: namespaces on this machine.
const Local = "local"

// Policy is the section offload of the server's configuration, as docs/policy.md describes it. It does not change.
type Policy struct {
	File     string          // where it was read
	Backends []BackendConfig // in the order of the file
	Rules    []Rule          // the first that matches decides
	Default  Rule            // and what no rule says
	open     bool            // it decides nothing, so that labels may decide everything
}

// BackendConfig is a backend as the policy names it.
type BackendConfig struct {
	Name        string
	Type        string  // local, docker, …
	Concurrency int     // tasks at a time; 0 is no limit
	Budget      float64 // US dollars a month; 0 is no limit
	Volumes     int64   // bytes of each volume and folder that is copied there; 0 is as NewBackend has it
	Price       *Price  // nil is as the driver knows it
	File        string
	Line        int
	settings    *yaml.Node // a mapping of what only the driver knows
}

// Price is what a platform asks, in US dollars.
type Price struct {
	CPUHour    float64 // of a processor
	MemoryHour float64 // of a GiB
}

// PerSecond is the price of a task of a size.
func (p Price) PerSecond(s runtime.Size) float64 {
	return (p.CPUHour*s.CPU + p.MemoryHour*float64(s.Memory)/(1<<30)) / 3600
}

// Prefer is how the backends of a rule are ordered.
type Prefer string

// The orders.
const (
	PreferOrder    Prefer = "order"    // as they are listed
	PreferCheapest Prefer = "cheapest" // by the price of a second
	PreferFastest  Prefer = "fastest"  // by how long starts took lately
)

// Rule says for which containers, and what. A field that is not set is the default's.
type Rule struct {
	Line     int
	Image    []string // patterns; one has to match
	Platform []string // patterns; one has to match
	Label    []string // key, key=value or patterns of these; all have to match

	Place       runtime.Where
	Backends    []string
	Prefer      Prefer
	Size        runtime.Size
	MaxDuration time.Duration
	MaxCost     float64 // US dollars for a task
	Env         *EnvFilter
	Binds       []string // patterns of folders that may leave; nil is any, empty none
	Guests      []string // languages that the sandbox runs itself; nil is any, empty none
	Bash        string   // sandbox or native
	AllowLabels []string // what labels of the container may decide instead
}

// EnvFilter says which variables of a container go where it goes.
type EnvFilter struct {
	Drop  []string // patterns of those that stay
	Allow []string // patterns of those that go, where only these do
}

// Patterns are the filter as runtime.Placement has it: patterns of what stays, of which the last that matches decides;
// one behind a "!" is of what goes.
func (f *EnvFilter) Patterns() []string {
	if f == nil {
		return nil
	}
	var patterns []string
	if f.Allow != nil {
		patterns = append(patterns, "*")
		for _, p := range f.Allow {
			patterns = append(patterns, "!"+p)
		}
	}
	return append(patterns, f.Drop...)
}

// DefaultPolicy is what holds without a policy: auto, on whatever there is.
func DefaultPolicy() *Policy {
	return &Policy{open: true, Default: Rule{Place: runtime.Auto, Prefer: PreferOrder, AllowLabels: labelKeys()}}
}

// ReadPolicy reads the policy of a configuration file. A file without that section is [DefaultPolicy].
func ReadPolicy(file string) (*Policy, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read policy: %w", err)
	}
	return parseFile(file, data)
}

func parseFile(file string, data []byte) (*Policy, error) {
	var document struct {
		Offload yaml.Node `yaml:"offload"`
	}
	if err := yaml.NewDecoder(bytes.NewReader(data)).Decode(&document); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return ParsePolicy(file, &document.Offload)
}

// ParsePolicy reads the section offload of a configuration file. Errors name the file, the line, what is wrong there and
// what is allowed.
func ParsePolicy(file string, section *yaml.Node) (*Policy, error) {
	policy := DefaultPolicy()
	policy.File = file
	if section == nil || section.IsZero() || section.Tag == "!!null" {
		return policy, nil
	}
	p := &parser{file: file}
	p.mapping(section, "offload", fields{
		"backends": func(n *yaml.Node) { policy.Backends = p.backends(n) },
		"rules": func(n *yaml.Node) {
			policy.open = false
			for _, item := range p.list(n, "rules") {
				policy.Rules = append(policy.Rules, p.rule(item, true))
			}
		},
		"default": func(n *yaml.Node) {
			policy.open = false
			rule := p.rule(n, false)
			rule.inherit(Rule{Place: runtime.Auto, Prefer: PreferOrder})
			policy.Default = rule
		},
	})
	if !policy.open && policy.Default.Line == 0 {
		policy.Default.AllowLabels = nil
	}
	p.names(policy)
	return policy, errors.Join(p.errs...)
}

// inherit takes what a rule does not say from another.
func (r *Rule) inherit(from Rule) {
	set(&r.Place, from.Place)
	set(&r.Prefer, from.Prefer)
	set(&r.Size.CPU, from.Size.CPU)
	set(&r.Size.Memory, from.Size.Memory)
	set(&r.Size.Disk, from.Size.Disk)
	set(&r.MaxDuration, from.MaxDuration)
	set(&r.MaxCost, from.MaxCost)
	set(&r.Env, from.Env)
	set(&r.Bash, from.Bash)
	for _, list := range []struct{ to, from *[]string }{
		{&r.Backends, &from.Backends}, {&r.Binds, &from.Binds}, {&r.Guests, &from.Guests}, {&r.AllowLabels, &from.AllowLabels},
	} {
		if *list.to == nil {
			*list.to = *list.from
		}
	}
}

func set[T comparable](to *T, from T) {
	var zero T
	if *to == zero {
		*to = from
	}
}
