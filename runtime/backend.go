package runtime

import (
	"context"

	"github.com/sockerless/sockerless/agent"
)

// A Backend gives agents to run containers on. The suite in runtime/runtimetest is what each has to pass.
type Backend interface {
	// Name is a short noun: "sandbox".
	Name() string
	// Acquire returns an agent that can take one more container. The backend owns it: it watches over the agent and
	// says by Gone when it is gone for good.
	Acquire(ctx context.Context) (*agent.Client, error)
	// Recover connects to the agents that an earlier server started and that still live.
	Recover(ctx context.Context) ([]*agent.Client, error)
	// Close lets go of all agents; they go on running.
	Close() error
}
