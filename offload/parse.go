package offload

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"
	"gopkg.in/yaml.v3"

	"github.com/sockerless/sockerless/runtime"
)

// parser reads nodes of YAML and keeps what is wrong with them.
type parser struct {
	file string
	errs []error
}

// fields are the keys that a mapping may have.
type fields map[string]func(*yaml.Node)

func (p *parser) wrong(n *yaml.Node, format string, args ...any) {
	p.errs = append(p.errs, fmt.Errorf("%s:%d: %s", p.file, n.Line, fmt.Sprintf(format, args...)))
}

// resolve follows an alias. One that contains itself ends where it is not what a key may hold.
func resolve(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

func (p *parser) mapping(n *yaml.Node, what string, f fields) {
	n = resolve(n)
	if n.Kind != yaml.MappingNode {
		p.wrong(n, "%s is not a mapping; its keys are %s", what, join(slices.Sorted(maps.Keys(f))))
		return
	}
	seen := map[string]bool{}
	for key, value := range pairs(n) {
		read := f[key.Value]
		switch {
		case read == nil:
			p.wrong(key, "unknown key %q in %s; there are %s", key.Value, what, join(slices.Sorted(maps.Keys(f))))
		case seen[key.Value]:
			p.wrong(key, "%q stands twice in %s", key.Value, what)
		default:
			seen[key.Value] = true
			read(value)
		}
	}
}

// pairs are the keys and values of a mapping, in the order of the file.
func pairs(n *yaml.Node) func(yield func(key, value *yaml.Node) bool) {
	return func(yield func(key, value *yaml.Node) bool) {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if !yield(n.Content[i], n.Content[i+1]) {
				return
			}
		}
	}
}

func join(names []string) string { return strings.Join(names, ", ") }

func (p *parser) list(n *yaml.Node, what string) []*yaml.Node {
	n = resolve(n)
	if n.Kind != yaml.SequenceNode {
		p.wrong(n, "%s is not a list, such as [a, b]", what)
		return nil
	}
	return n.Content
}

func (p *parser) text(n *yaml.Node, what string) string {
	n = resolve(n)
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" || n.Value == "" {
		p.wrong(n, "%s is not a text", what)
		return ""
	}
	return n.Value
}

// texts reads a list of texts; never nil.
func (p *parser) texts(n *yaml.Node, what string) []string {
	all := []string{}
	for _, item := range p.list(n, what) {
		if text := p.text(item, what); text != "" {
			all = append(all, text)
		}
	}
	return all
}

// oneOrMore reads a text or a list of them.
func (p *parser) oneOrMore(n *yaml.Node, what string) []string {
	if resolve(n).Kind == yaml.SequenceNode {
		all := p.texts(n, what)
		if len(all) == 0 {
			p.wrong(n, "%s is empty: it would match nothing", what)
		}
		return all
	}
	return []string{p.text(n, what)}
}

func (p *parser) choice(n *yaml.Node, what string, allowed ...string) string {
	text := p.text(n, what)
	if text != "" && !slices.Contains(allowed, text) {
		p.wrong(n, "%s %q: it is %s", what, text, join(allowed))
		return ""
	}
	return text
}

func (p *parser) choices(n *yaml.Node, what string, allowed ...string) []string {
	all := p.texts(n, what)
	for _, text := range all {
		if !slices.Contains(allowed, text) {
			p.wrong(n, "%s %q: there are %s", what, text, join(allowed))
		}
	}
	return all
}

// measure reads a text by one of the functions below.
func measure[T any](p *parser, n *yaml.Node, what string, parse func(string) (T, error)) T {
	var value T
	text := p.text(n, what)
	if text == "" {
		return value
	}
	value, err := parse(text)
	if err != nil {
		p.wrong(n, "%s: %v", what, err)
	}
	return value
}

func parseCPU(text string) (float64, error) {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || !(f > 0) || math.IsInf(f, 0) {
		return 0, fmt.Errorf("%q is not a number of processors, such as 2 or 0.5", text)
	}
	return f, nil
}

func parseBytes(text string) (int64, error) {
	n, err := units.RAMInBytes(text)
	if err != nil || n <= 0 {
		return 0, fmt.Errorf("%q is not a size, such as 512MiB or 4GiB", text)
	}
	return n, nil
}

func parseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%q is not a duration, such as 90s, 30m or 2h", text)
	}
	return d, nil
}

func parseDollars(text string) (float64, error) {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || !(f > 0) || math.IsInf(f, 0) {
		return 0, fmt.Errorf("%q is not an amount of US dollars, such as 0.25", text)
	}
	return f, nil
}

func parseRate(text string) (float64, error) {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || !(f >= 0) || math.IsInf(f, 0) {
		return 0, fmt.Errorf("%q is not a price in US dollars, such as 0.04048", text)
	}
	return f, nil
}

func parseCount(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%q is not a count of at least 1", text)
	}
	return n, nil
}

// backendName is what fits in a label, a key of the state and a name in a cloud.
var backendName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)

func (p *parser) backends(n *yaml.Node) []BackendConfig {
	n = resolve(n)
	if n.Kind != yaml.MappingNode {
		p.wrong(n, "backends is not a mapping of a name to settings, such as {far: {type: docker}}")
		return nil
	}
	var all []BackendConfig
	for key, value := range pairs(n) {
		if !backendName.MatchString(key.Value) || key.Value == "sandbox" {
			p.wrong(key, "backend %q: a name begins with a letter and has only lower-case letters, digits and -; sandbox is taken", key.Value)
			continue
		}
		if slices.ContainsFunc(all, func(b BackendConfig) bool { return b.Name == key.Value }) {
			p.wrong(key, "backend %q stands twice", key.Value)
			continue
		}
		all = append(all, p.backend(key, value))
	}
	return all
}

func (p *parser) backend(key, n *yaml.Node) BackendConfig {
	b := BackendConfig{Name: key.Value, File: p.file, Line: key.Line, settings: &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: key.Line}}
	n = resolve(n)
	if n.Kind != yaml.MappingNode {
		p.wrong(n, "backend %q is not a mapping, such as {type: docker}", b.Name)
		return b
	}
	known := fields{
		"type":        func(n *yaml.Node) { b.Type = p.text(n, "type") },
		"concurrency": func(n *yaml.Node) { b.Concurrency = measure(p, n, "concurrency", parseCount) },
		"volumes":     func(n *yaml.Node) { b.Volumes = measure(p, n, "volumes", parseBytes) },
		"budget":      func(n *yaml.Node) { b.Budget = measure(p, n, "budget", parseDollars) },
		"price": func(n *yaml.Node) {
			b.Price = &Price{}
			p.mapping(n, "price", fields{
				"cpu-hour":    func(n *yaml.Node) { b.Price.CPUHour = measure(p, n, "cpu-hour", parseRate) },
				"memory-hour": func(n *yaml.Node) { b.Price.MemoryHour = measure(p, n, "memory-hour", parseRate) },
			})
		},
	}
	seen := map[string]bool{}
	for key, value := range pairs(n) {
		if seen[key.Value] {
			p.wrong(key, "%q stands twice in backend %q", key.Value, b.Name)
		}
		seen[key.Value] = true
		if read := known[key.Value]; read != nil {
			read(value)
			continue
		}
		b.settings.Content = append(b.settings.Content, key, value)
	}
	if b.Type == "" && b.Name == Local {
		b.Type = Local
	}
	if !seen["type"] && b.Type == "" {
		p.wrong(key, "backend %q has no type, such as type: docker", b.Name)
	}
	return b
}

// Decode reads what only the driver knows into a pointer to a struct with yaml tags. Keys that it does not have are
// errors, as are values of the wrong kind; all name file and line.
func (b BackendConfig) Decode(into any) error {
	if b.settings == nil {
		return nil
	}
	var known []string
	t := reflect.TypeOf(into).Elem()
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		known = append(known, name)
	}
	for key := range pairs(b.settings) {
		if !slices.Contains(known, key.Value) {
			slices.Sort(known)
			return fmt.Errorf("%s:%d: unknown key %q in backend %q of type %s; there are type, concurrency, volumes, budget, price%s",
				b.File, key.Line, key.Value, b.Name, b.Type, strings.Join(append([]string{""}, known...), ", "))
		}
	}
	if err := b.settings.Decode(into); err != nil {
		return fmt.Errorf("%s: backend %q: %s", b.File, b.Name, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	return nil
}

// rule reads a rule, or with match false the default.
func (p *parser) rule(n *yaml.Node, match bool) Rule {
	r := Rule{Line: n.Line}
	what, known := "default", fields{
		"place": func(n *yaml.Node) {
			r.Place = runtime.Where(p.choice(n, "place", string(runtime.InSandbox), string(runtime.Offloaded), string(runtime.Auto)))
		},
		"backends":     func(n *yaml.Node) { r.Backends = p.texts(n, "backends") },
		"prefer":       func(n *yaml.Node) { r.Prefer = Prefer(p.choice(n, "prefer", preferences...)) },
		"size":         func(n *yaml.Node) { r.Size = p.size(n) },
		"max-duration": func(n *yaml.Node) { r.MaxDuration = measure(p, n, "max-duration", parseDuration) },
		"max-cost":     func(n *yaml.Node) { r.MaxCost = measure(p, n, "max-cost", parseDollars) },
		"env":          func(n *yaml.Node) { r.Env = p.env(n) },
		"binds": func(n *yaml.Node) {
			r.Binds = p.texts(n, "binds")
			for _, bind := range r.Binds {
				if !strings.HasPrefix(bind, "/") {
					p.wrong(n, "binds %q: it is not an absolute path, such as /srv/** for all that is in /srv", bind)
				}
			}
		},
		"guests": func(n *yaml.Node) {
			if r.Guests = p.texts(n, "guests"); len(r.Guests) > 0 {
				p.wrong(n, "guests: the sandbox has no languages of its own yet, so that none can be allowed: leave it out, or say []")
			}
		},
		"bash":         func(n *yaml.Node) { r.Bash = p.choice(n, "bash", "sandbox", "native") },
		"allow-labels": func(n *yaml.Node) { r.AllowLabels = p.choices(n, "allow-labels", labelKeys()...) },
	}
	if match {
		what = "a rule"
		known["image"] = func(n *yaml.Node) { r.Image = p.oneOrMore(n, "image") }
		known["platform"] = func(n *yaml.Node) { r.Platform = p.oneOrMore(n, "platform") }
		known["label"] = func(n *yaml.Node) { r.Label = p.oneOrMore(n, "label") }
	}
	p.mapping(n, what, known)
	if match && len(r.Image)+len(r.Platform)+len(r.Label) == 0 {
		p.wrong(n, `a rule without image, platform or label: what holds for all containers belongs into default`)
	}
	return r
}

var preferences = []string{string(PreferOrder), string(PreferCheapest), string(PreferFastest)}

func (p *parser) size(n *yaml.Node) (s runtime.Size) {
	p.mapping(n, "size", fields{
		"cpu":    func(n *yaml.Node) { s.CPU = measure(p, n, "cpu", parseCPU) },
		"memory": func(n *yaml.Node) { s.Memory = measure(p, n, "memory", parseBytes) },
		"disk":   func(n *yaml.Node) { s.Disk = measure(p, n, "disk", parseBytes) },
	})
	return s
}

func (p *parser) env(n *yaml.Node) *EnvFilter {
	f := &EnvFilter{}
	p.mapping(n, "env", fields{
		"drop":  func(n *yaml.Node) { f.Drop = p.texts(n, "drop") },
		"allow": func(n *yaml.Node) { f.Allow = p.texts(n, "allow") },
	})
	return f
}

// names checks that the rules name backends that there are.
func (p *parser) names(policy *Policy) {
	known := policy.names()
	for _, r := range append(slices.Clone(policy.Rules), policy.Default) {
		for _, name := range r.Backends {
			if !slices.Contains(known, name) {
				p.errs = append(p.errs, fmt.Errorf("%s:%d: no backend %q in backends; there are %s", p.file, r.Line, name, join(known)))
			}
		}
	}
}

// names are all backends that rules may name: the one that needs no configuration, and those that are configured.
func (p *Policy) names() []string {
	names := []string{}
	for _, b := range p.Backends {
		names = append(names, b.Name)
	}
	if !slices.Contains(names, Local) {
		names = append([]string{Local}, names...)
	}
	return names
}
