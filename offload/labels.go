package offload

import (
	"fmt"
	"slices"
	"strings"

	"github.com/containerd/errdefs"

	"github.com/sockerless/sockerless/runtime"
)

// labelPrefix begins the labels of a container by which it decides for itself what the policy lets it.
const labelPrefix = "sockerless."

// overrides are what labels may decide, by their name behind the prefix.
var overrides = []struct {
	name  string
	group string // another word for it in allow-labels
	apply func(r *Rule, value string) error
}{
	{"place", "", func(r *Rule, v string) error {
		places := []string{string(runtime.InSandbox), string(runtime.Offloaded), string(runtime.Auto)}
		if !slices.Contains(places, v) {
			return fmt.Errorf("%q is not %s", v, join(places))
		}
		r.Place = runtime.Where(v)
		return nil
	}},
	{"backend", "", func(r *Rule, v string) error {
		r.Backends = nil
		for name := range strings.SplitSeq(v, ",") {
			r.Backends = append(r.Backends, strings.TrimSpace(name))
		}
		return nil
	}},
	{"prefer", "", func(r *Rule, v string) error {
		if !slices.Contains(preferences, v) {
			return fmt.Errorf("%q is not %s", v, join(preferences))
		}
		r.Prefer = Prefer(v)
		return nil
	}},
	{"cpu", "size", func(r *Rule, v string) error { return override(&r.Size.CPU, v, parseCPU) }},
	{"memory", "size", func(r *Rule, v string) error { return override(&r.Size.Memory, v, parseBytes) }},
	{"disk", "size", func(r *Rule, v string) error { return override(&r.Size.Disk, v, parseBytes) }},
	{"max-duration", "", func(r *Rule, v string) error { return override(&r.MaxDuration, v, parseDuration) }},
	{"max-cost", "", func(r *Rule, v string) error { return override(&r.MaxCost, v, parseDollars) }},
	{"bash", "", func(r *Rule, v string) error {
		if v != "sandbox" && v != "native" {
			return fmt.Errorf("%q is not sandbox or native", v)
		}
		r.Bash = v
		return nil
	}},
}

func override[T any](to *T, value string, parse func(string) (T, error)) (err error) {
	*to, err = parse(value)
	return err
}

// labelKeys are what allow-labels may hold.
func labelKeys() []string {
	var keys []string
	for _, o := range overrides {
		keys = append(keys, o.name)
		if o.group != "" && !slices.Contains(keys, o.group) {
			keys = append(keys, o.group)
		}
	}
	slices.Sort(keys)
	return keys
}

// applyLabels lets the labels of a container change the rule that was found for it; where says where that stands.
func applyLabels(r *Rule, labels map[string]string, where string) error {
	for _, o := range overrides {
		value, set := labels[labelPrefix+o.name]
		if !set {
			continue
		}
		if !slices.Contains(r.AllowLabels, o.name) && (o.group == "" || !slices.Contains(r.AllowLabels, o.group)) {
			return errdefs.ErrPermissionDenied.WithMessage(fmt.Sprintf(
				"the policy does not let a container decide by the label %s%s (%s); what would let it: allow-labels: [%s] there",
				labelPrefix, o.name, where, o.name))
		}
		if err := o.apply(r, value); err != nil {
			return errdefs.ErrInvalidArgument.WithMessage(fmt.Sprintf("label %s%s: %v", labelPrefix, o.name, err))
		}
	}
	return nil
}
