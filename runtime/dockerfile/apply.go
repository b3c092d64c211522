package dockerfile

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
)

// Apply changes a configuration by instructions, one an element, in their order. signal tells whether a signal exists. Errors:
// errdefs.ErrInvalidArgument; the configuration may have been changed in part then.
func Apply(config *container.Config, changes []string, signal func(name string) error) error {
	if len(changes) == 0 {
		return nil
	}
	lines := instructions(strings.Join(changes, "\n"))
	if len(lines) == 0 {
		return invalid("file with no instructions")
	}
	a := &applier{Config: config, signal: signal}
	for _, line := range lines { // all are known before one is applied
		name, _, _ := cutWord(line)
		if _, ok := apply[strings.ToLower(name)]; !ok {
			return invalid("%s is not a valid change command", name)
		}
	}
	for _, line := range lines {
		name, rest, _ := cutWord(line)
		if err := apply[strings.ToLower(name)](a, rest); err != nil {
			return err
		}
	}
	return nil
}

func invalid(format string, args ...any) error {
	return errdefs.ErrInvalidArgument.WithMessage(fmt.Sprintf(format, args...))
}

// applier is a configuration while it is changed.
type applier struct {
	*container.Config
	signal func(string) error
	cmdSet bool
}

// apply has the instructions, by their names in lower case.
var apply = map[string]func(a *applier, rest string) error{
	"cmd": (*applier).cmd, "entrypoint": (*applier).entrypoint, "env": (*applier).env, "expose": (*applier).expose,
	"healthcheck": (*applier).healthcheck, "label": (*applier).label, "onbuild": (*applier).onBuild,
	"stopsignal": (*applier).stopSignal, "user": (*applier).user, "volume": (*applier).volume, "workdir": (*applier).workdir,
}

// command is an argument in its two forms: a JSON list, or a line for the shell.
func (a *applier) command(rest string) []string {
	if list, ok := jsonList(rest); ok {
		return list
	}
	shell := a.Shell
	if len(shell) == 0 {
		shell = []string{"/bin/sh", "-c"}
	}
	if rest == "" {
		return slices.Clone(shell)
	}
	return append(slices.Clone(shell), rest)
}

func (a *applier) cmd(rest string) error {
	a.Cmd = a.command(rest)
	a.cmdSet = a.cmdSet || len(rest) > 0 && len(a.Cmd) > 0
	return nil
}

// entrypoint drops a command that was another entry point's.
func (a *applier) entrypoint(rest string) error {
	a.Entrypoint = a.command(rest)
	if !a.cmdSet {
		a.Cmd = nil
	}
	return nil
}

func (a *applier) env(rest string) error {
	pairs, err := a.pairs("ENV", rest)
	if err != nil {
		return err
	}
	env := slices.Clone(a.Env)
	for _, p := range pairs {
		i := slices.IndexFunc(env, func(v string) bool { return strings.HasPrefix(v, p.name+"=") || v == p.name })
		if i < 0 {
			env = append(env, "")
			i = len(env) - 1
		}
		env[i] = p.name + "=" + p.value
	}
	a.Env = env
	return nil
}

func (a *applier) label(rest string) error {
	pairs, err := a.pairs("LABEL", rest)
	if err != nil {
		return err
	}
	labels := make(map[string]string, len(a.Labels)+len(pairs))
	for name, value := range a.Labels {
		labels[name] = value
	}
	for _, p := range pairs {
		labels[p.name] = p.value
	}
	a.Labels = labels
	return nil
}

func (a *applier) expose(rest string) error {
	words := quotedWords(rest)
	if len(words) == 0 {
		return invalid("EXPOSE requires at least one argument")
	}
	ports := network.PortSet{}
	for port := range a.ExposedPorts {
		ports[port] = struct{}{}
	}
	for _, word := range words {
		expanded, err := a.expand(word)
		if err != nil {
			return err
		}
		for _, spec := range strings.Fields(expanded) { // the one instruction in which a variable may be several words
			parsed, err := portRange(spec)
			if err != nil {
				return err
			}
			for port := range parsed.All() {
				ports[port] = struct{}{}
			}
		}
	}
	a.ExposedPorts = ports
	return nil
}

// portRange reads a port as docker run -p does, of which only that of the container counts.
func portRange(spec string) (network.PortRange, error) {
	number, proto, ok := strings.Cut(spec, "/")
	number = number[strings.LastIndexByte(number, ':')+1:]
	switch {
	case !ok:
		proto = "tcp"
	case !slices.Contains([]string{"tcp", "udp", "sctp"}, strings.ToLower(proto)):
		return network.PortRange{}, invalid("Invalid proto: %s", proto)
	}
	r, err := network.ParsePortRange(number + "/" + proto)
	if err != nil {
		return r, invalid("Invalid containerPort: %s", number)
	}
	return r, nil
}

func (a *applier) onBuild(rest string) error {
	name, _, _ := cutWord(rest)
	switch trigger := strings.ToUpper(name); trigger {
	case "":
		return invalid("ONBUILD requires at least one argument")
	case "ONBUILD":
		return invalid("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
	case "MAINTAINER", "FROM":
		return invalid("%s isn't allowed as an ONBUILD trigger", trigger)
	}
	a.OnBuild = append(slices.Clone(a.OnBuild), rest)
	return nil
}

// one is the argument of an instruction that has one.
func (a *applier) one(name, rest string) (string, error) {
	if rest == "" {
		return "", invalid("%s requires exactly one argument", name)
	}
	return a.expand(rest)
}

func (a *applier) stopSignal(rest string) error {
	name, err := a.one("STOPSIGNAL", rest)
	if err != nil {
		return err
	}
	if err := a.signal(name); err != nil {
		return invalid("%v", err)
	}
	a.StopSignal = name
	return nil
}

func (a *applier) user(rest string) error {
	name, err := a.one("USER", rest)
	if err == nil {
		a.User = name
	}
	return err
}

func (a *applier) workdir(rest string) error {
	dir, err := a.one("WORKDIR", rest)
	if err == nil {
		if !path.IsAbs(dir) {
			dir = path.Join("/", a.WorkingDir, dir)
		}
		a.WorkingDir = path.Clean(dir)
	}
	return err
}

func (a *applier) volume(rest string) error {
	list, ok := jsonList(rest)
	if !ok {
		list = quotedWords(rest)
	}
	if len(list) == 0 {
		return invalid("VOLUME requires at least one argument")
	}
	volumes := make(map[string]struct{}, len(a.Volumes)+len(list))
	for v := range a.Volumes {
		volumes[v] = struct{}{}
	}
	for _, v := range list {
		v, err := a.expand(v)
		if err != nil {
			return err
		}
		if v = strings.TrimSpace(v); v == "" {
			return invalid("VOLUME specified can not be an empty string")
		}
		volumes[v] = struct{}{}
	}
	a.Volumes = volumes
	return nil
}
