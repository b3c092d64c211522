package offload

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/containerd/errdefs"

	"github.com/sockerless/sockerless/runtime"
)

// Decision is what a policy says about a container.
type Decision struct {
	runtime.Placement
	Prefer Prefer
	Guests []string // languages that the sandbox may run itself; nil is any
	// Considered are the rules that were looked at, each with why it does not match; the last one does.
	Considered []Considered
	// Skipped are backends that the rule names and that are not there, with why.
	Skipped []Skipped
}

// Considered is a rule that was looked at.
type Considered struct {
	Rule    string // config.yaml:12, or default
	Matches bool
	Why     string `json:",omitempty"`
}

// Skipped is a backend that cannot be had.
type Skipped struct{ Backend, Why string }

// offer is a backend that there is, or why it is not there.
type offer struct {
	name string
	why  string // it is not available; "" is that it is
}

// where says where a rule stands.
func (p *Policy) where(r *Rule) string {
	if r.Line == 0 {
		return "default"
	}
	return fmt.Sprintf("%s:%d", filepath.Base(p.File), r.Line)
}

// decide finds the rule for a container and applies its labels. have are the backends that there are. Errors:
// errdefs.ErrPermissionDenied for what the policy does not allow, errdefs.ErrInvalidArgument for a label that means nothing.
func (p *Policy) decide(request runtime.PlaceRequest, have []offer) (Decision, error) {
	var d Decision
	rule, found := p.Default, false
	for i := range p.Rules {
		ok, why := p.Rules[i].matches(request.Image, request.Labels)
		d.Considered = append(d.Considered, Considered{Rule: p.where(&p.Rules[i]), Matches: ok, Why: why})
		if ok {
			rule, found = p.Rules[i], true
			rule.inherit(p.Default)
			break
		}
	}
	d.Rule = p.where(&rule)
	if !found {
		d.Considered = append(d.Considered, Considered{Rule: d.Rule, Matches: true})
	}
	if err := applyLabels(&rule, request.Labels, d.Rule); err != nil {
		return d, err
	}
	size := request.Size
	if request.Labels[labelPrefix+"cpu"] != "" {
		size.CPU = 0
	}
	if request.Labels[labelPrefix+"memory"] != "" {
		size.Memory = 0
	}
	if request.Labels[labelPrefix+"disk"] != "" {
		size.Disk = 0
	}
	set(&size.CPU, rule.Size.CPU)
	set(&size.Memory, rule.Size.Memory)
	set(&size.Disk, rule.Size.Disk)
	d.Where, d.Prefer, d.Guests, d.NativeBash = rule.Place, rule.Prefer, rule.Guests, rule.Bash == "native"
	d.Size, d.MaxDuration, d.MaxCost, d.DropEnv = size, rule.MaxDuration, rule.MaxCost, rule.Env.Patterns()
	if err := p.choose(&d, rule.Backends, have); err != nil {
		return d, err
	}
	return d, p.checkBinds(&d, rule.Binds, request.Binds)
}

// choose takes the backends of a rule that there are, or says why there is none.
func (p *Policy) choose(d *Decision, wanted []string, have []offer) error {
	if d.Where == runtime.InSandbox {
		d.Refusal = fmt.Sprintf("the policy keeps it in the sandbox (%s); what would let it: place: auto there", d.Rule)
		return nil
	}
	if wanted == nil {
		for _, o := range have {
			wanted = append(wanted, o.name)
		}
	}
	for _, name := range wanted {
		i := slices.IndexFunc(have, func(o offer) bool { return o.name == name })
		switch {
		case i < 0:
			var names []string
			for _, o := range have {
				names = append(names, o.name)
			}
			return errdefs.ErrInvalidArgument.WithMessage(fmt.Sprintf("no backend %q is configured; there are %s (%s)", name, join(names), d.Rule))
		case have[i].why != "":
			d.Skipped = append(d.Skipped, Skipped{Backend: name, Why: have[i].why})
		default:
			d.Backends = append(d.Backends, name)
		}
	}
	if len(d.Backends) > 0 {
		return nil
	}
	if len(wanted) == 0 {
		d.Refusal = fmt.Sprintf("the policy gives it no backend (%s); what would let it: backends: [%s] there", d.Rule, Local)
		return nil
	}
	var why []string
	for _, s := range d.Skipped {
		why = append(why, fmt.Sprintf("%s is not available (%s)", s.Backend, s.Why))
	}
	d.Refusal = fmt.Sprintf("no backend runs it: %s; add to %s: offload: {backends: {far: {type: docker}}}", strings.Join(why, ", "), p.name())
	return nil
}

// name is how messages call the file.
func (p *Policy) name() string {
	if p.File == "" {
		return "the file of --config"
	}
	return filepath.Base(p.File)
}

// checkBinds keeps a container in the sandbox that wants folders which may not leave, or refuses it.
func (p *Policy) checkBinds(d *Decision, allowed, wanted []string) error {
	if allowed == nil || d.Where == runtime.InSandbox {
		return nil
	}
	for _, folder := range wanted {
		if slices.ContainsFunc(allowed, func(pattern string) bool { return matchesBind(pattern, filepath.ToSlash(filepath.Clean(folder))) }) {
			continue
		}
		refusal := fmt.Sprintf("the policy lets no container with the folder %s leave the sandbox (%s); what would let it: binds: [%s] there",
			folder, d.Rule, folder)
		if d.Where == runtime.Offloaded {
			return errdefs.ErrPermissionDenied.WithMessage(refusal)
		}
		d.Backends, d.Refusal = nil, refusal
		return nil
	}
	return nil
}
