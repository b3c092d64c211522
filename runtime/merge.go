package runtime

import (
	"maps"
	"path"
	"strings"

	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	types "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
)

// mergeConfig completes a container's configuration with its image's, by the rules of moby's daemon/commit.go: what
// the user gave wins; an entry point of the user's drops the image's command too.
func mergeConfig(user *types.Config, image dockerspec.DockerOCIImageConfig) {
	if user.User == "" {
		user.User = image.User
	}
	for spec := range image.ExposedPorts {
		port, err := network.ParsePort(spec)
		if err != nil {
			continue // an image is not refused for a port that nothing can listen on
		}
		if user.ExposedPorts == nil {
			user.ExposedPorts = network.PortSet{}
		}
		user.ExposedPorts[port] = struct{}{}
	}
	user.Env = mergeEnv(user.Env, image.Env)
	if len(image.Labels) > 0 {
		labels := maps.Clone(image.Labels)
		maps.Copy(labels, user.Labels)
		user.Labels = labels
	}
	if len(user.Entrypoint) == 0 {
		if len(user.Cmd) == 0 {
			user.Cmd = image.Cmd
		}
		if user.Entrypoint == nil {
			user.Entrypoint = image.Entrypoint
		}
	}
	// [""] is how a client says: no entry point.
	if len(user.Entrypoint) == 1 && user.Entrypoint[0] == "" {
		user.Entrypoint = nil
	}
	user.Healthcheck = mergeHealth(user.Healthcheck, image.Healthcheck)
	if user.WorkingDir == "" {
		user.WorkingDir = image.WorkingDir
	}
	if user.WorkingDir != "" {
		user.WorkingDir = path.Clean(user.WorkingDir)
	}
	if len(image.Volumes) > 0 {
		volumes := maps.Clone(image.Volumes)
		maps.Copy(volumes, user.Volumes)
		user.Volumes = volumes
	}
	if user.StopSignal == "" {
		user.StopSignal = image.StopSignal
	}
}

// mergeEnv appends those variables of the image that the user did not set.
func mergeEnv(user, image []string) []string {
	if len(user) == 0 {
		return image
	}
	set := map[string]bool{}
	for _, env := range user {
		name, _, _ := strings.Cut(env, "=")
		set[name] = true
	}
	for _, env := range image {
		if name, _, _ := strings.Cut(env, "="); !set[name] {
			user = append(user, env)
		}
	}
	return user
}

func mergeHealth(user, image *types.HealthConfig) *types.HealthConfig {
	if user == nil || image == nil {
		if user == nil {
			return image
		}
		return user
	}
	if len(user.Test) == 0 {
		user.Test = image.Test
	}
	if user.Interval == 0 {
		user.Interval = image.Interval
	}
	if user.Timeout == 0 {
		user.Timeout = image.Timeout
	}
	if user.StartPeriod == 0 {
		user.StartPeriod = image.StartPeriod
	}
	if user.StartInterval == 0 {
		user.StartInterval = image.StartInterval
	}
	if user.Retries == 0 {
		user.Retries = image.Retries
	}
	return user
}

// defaultPath is the search path of a process whose image sets none, as dockerd has it.
const defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// environment is what a process gets: Docker's own variables, overridden by those given. HOME is set by the agent,
// which knows the container's users.
func environment(hostname string, tty bool, given []string) []string {
	env := []string{defaultPath, "HOSTNAME=" + hostname}
	if tty {
		env = append(env, "TERM=xterm")
	}
	return overrideEnv(env, given)
}

// overrideEnv sets variables: a name that is there is replaced in its place, NAME without = removes it (moby's
// container.ReplaceOrAppendEnvValues).
func overrideEnv(env, given []string) []string {
	at := map[string]int{}
	for i, v := range env {
		name, _, _ := strings.Cut(v, "=")
		at[name] = i
	}
	removed := map[int]bool{}
	for _, v := range given {
		name, _, hasValue := strings.Cut(v, "=")
		i, there := at[name]
		switch {
		case !hasValue && there:
			removed[i] = true
		case !hasValue:
		case there:
			env[i] = v
			delete(removed, i)
		default:
			at[name] = len(env)
			env = append(env, v)
		}
	}
	out := env[:0]
	for i, v := range env {
		if !removed[i] {
			out = append(out, v)
		}
	}
	return out
}
