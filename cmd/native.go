package cmd

import (
	"context"

	"github.com/sockerless/sockerless/agent/inside"
	"github.com/sockerless/sockerless/offload/native"
)

// nativeInit is the first stage of a native container; it returns only if that failed.
func nativeInit(context.Context, streams, []string) error { return exitError{code: native.Init()} }

// agentCommand is the agent of a native container, which sockerless-agent is too.
func agentCommand(ctx context.Context, s streams, args []string) error {
	return inside.Command(ctx, args, Version, s.err)
}
