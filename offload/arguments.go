package offload

import "github.com/sockerless/sockerless/agent/inside"

// Flags are the arguments of the task's agent, but for those that say where it serves.
func (s Spec) Flags() []string {
	flags := []string{"--container", s.Task.Container.GetId(), "--id", s.Agent.ID, "--lease", s.Agent.Lease.String()}
	if s.Agent.MaxDuration > 0 {
		flags = append(flags, "--max-duration", s.Agent.MaxDuration.String())
	}
	return flags
}

// ReverseFlags are the arguments of an agent that dials back; its secrets are [Spec.ReverseEnvironment].
func (s Spec) ReverseFlags() []string {
	return append([]string{"--reverse", s.Agent.URL}, s.Flags()...)
}

// ReverseEnvironment are the secrets of an agent that dials back, which takes them out of its environment at once.
func (s Spec) ReverseEnvironment() map[string]string {
	return map[string]string{inside.TokenVariable: s.Agent.Token, inside.CAVariable: s.Agent.CA}
}
