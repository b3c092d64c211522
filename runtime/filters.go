package runtime

import (
	"encoding/json"
	"regexp"
	"strings"
)

// Filters are the filters of a request: key → values. Decode with [ParseFilters].
type Filters map[string]map[string]bool

// ParseFilters decodes the filters query parameter: the form {"key":["value"]} or the older {"key":{"value":true}}.
// An empty query is no filter. Errors: errdefs.ErrInvalidArgument with dockerd's text.
func ParseFilters(query string) (Filters, error) {
	if query == "" {
		return nil, nil
	}
	var old Filters
	if err := json.Unmarshal([]byte(query), &old); err == nil {
		return old, nil
	}
	var lists map[string][]string
	if err := json.Unmarshal([]byte(query), &lists); err != nil {
		return nil, invalid("invalid filter")
	}
	f := Filters{}
	for key, values := range lists {
		f[key] = map[string]bool{}
		for _, v := range values {
			f[key][v] = true
		}
	}
	return f, nil
}

func filterKeys(keys ...string) map[string]bool {
	set := map[string]bool{}
	for _, k := range keys {
		set[k] = true
	}
	return set
}

// check refuses keys that a list does not know.
func (f Filters) check(known map[string]bool) error {
	for key := range f {
		if !known[key] {
			return invalid("invalid filter '%s'", key)
		}
	}
	return nil
}

func (f Filters) has(key string) bool { return len(f[key]) > 0 }

// any tells whether a key's values include one for which is holds.
func (f Filters) any(key string, is func(value string) bool) bool {
	for v := range f[key] {
		if is(v) {
			return true
		}
	}
	return false
}

// boolean reads a key whose value is a truth value; def where the key is missing.
func (f Filters) boolean(key string, def bool) (bool, error) {
	if !f.has(key) {
		return def, nil
	}
	yes := f[key]["1"] || f[key]["true"]
	no := f[key]["0"] || f[key]["false"]
	if yes == no {
		values := make([]string, 0, len(f[key]))
		for v := range f[key] {
			values = append(values, v)
		}
		return def, invalid("invalid filter '%s=%s'", key, values)
	}
	return yes, nil
}

// match tells whether one of a key's values, a regular expression, matches one of the sources; true without the key.
func (f Filters) match(key string, sources ...string) bool { return f.matcher(key)(sources...) }

// matcher is match for many: it reads the expressions once.
func (f Filters) matcher(key string) func(sources ...string) bool {
	if !f.has(key) {
		return func(...string) bool { return true }
	}
	expressions := map[string]*regexp.Regexp{} // nil for a value that is none
	for pattern := range f[key] {
		re, err := regexp.Compile(pattern)
		if err != nil {
			re = nil
		}
		expressions[pattern] = re
	}
	return func(sources ...string) bool {
		for pattern, re := range expressions {
			for _, s := range sources {
				if s == pattern || re != nil && re.MatchString(s) {
					return true
				}
			}
		}
		return false
	}
}

// fuzzy tells whether one of a key's values is a source or begins one; true without the key.
func (f Filters) fuzzy(key string, sources ...string) bool {
	if !f.has(key) {
		return true
	}
	return f.any(key, func(v string) bool {
		for _, s := range sources {
			if strings.HasPrefix(s, v) {
				return true
			}
		}
		return false
	})
}

// labels tells whether all of a key's values, NAME or NAME=VALUE, are among the labels; true without the key.
func (f Filters) labels(key string, labels map[string]string) bool {
	for want := range f[key] {
		if !hasLabel(labels, want) {
			return false
		}
	}
	return true
}

// noLabels tells whether none of a key's values is among the labels.
func (f Filters) noLabels(key string, labels map[string]string) bool {
	return !f.any(key, func(v string) bool { return hasLabel(labels, v) })
}

func hasLabel(labels map[string]string, want string) bool {
	name, value, hasValue := strings.Cut(want, "=")
	have, ok := labels[name]
	return ok && (!hasValue || have == value)
}
