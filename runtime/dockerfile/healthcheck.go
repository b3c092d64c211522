package dockerfile

import (
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
)

// healthcheck reads HEALTHCHECK [--option=value …] CMD command, or NONE.
func (a *applier) healthcheck(rest string) error {
	h := &container.HealthConfig{}
	for strings.HasPrefix(rest, "--") {
		word, tail, _ := cutWord(rest)
		name, value, ok := strings.Cut(strings.TrimPrefix(word, "--"), "=")
		if word == "--" {
			rest = tail
			break
		}
		if err := option(h, name, value, ok); err != nil {
			return err
		}
		rest = tail
	}
	kind, command, _ := cutWord(rest)
	switch strings.ToUpper(kind) {
	case "":
		return invalid("HEALTHCHECK requires at least one argument")
	case "NONE":
		if command != "" {
			return invalid("HEALTHCHECK NONE takes no arguments")
		}
		h.Test = []string{"NONE"}
	case "CMD":
		list, ok := jsonList(command)
		if command == "" || ok && len(list) == 0 {
			return invalid("missing command after HEALTHCHECK CMD")
		}
		if h.Test = []string{"CMD-SHELL", command}; ok {
			h.Test = append([]string{"CMD"}, list...)
		}
	default:
		return invalid("unknown type %q in HEALTHCHECK (try CMD)", strings.ToUpper(kind))
	}
	a.Healthcheck = h
	return nil
}

func option(h *container.HealthConfig, name, value string, given bool) error {
	times := map[string]*time.Duration{
		"interval": &h.Interval, "timeout": &h.Timeout, "start-period": &h.StartPeriod, "start-interval": &h.StartInterval,
	}
	to, isTime := times[name]
	switch {
	case !isTime && name != "retries":
		return invalid("unknown flag: --%s", name)
	case !given:
		return invalid("missing a value on flag: %s", name)
	case value == "":
		return nil
	case isTime:
		d, err := time.ParseDuration(value)
		if err != nil {
			return invalid("%v", err)
		}
		if d != 0 && d < time.Millisecond {
			return invalid("Interval %q cannot be less than %v", name, time.Millisecond)
		}
		*to = d
		return nil
	}
	n, err := strconv.ParseInt(value, 10, 32)
	if err != nil {
		return invalid("%v", err)
	}
	if n < 0 {
		return invalid("--retries cannot be negative (%d)", n)
	}
	h.Retries = int(n)
	return nil
}
