package wasi

import (
	"context"
	"io"

	"github.com/containerd/errdefs"

	"github.com/sockerless/sockerless/agent/agentpb"
)

// Promote tells where a container's twin is.
func (c *Cell) Promote(context.Context, *agentpb.PromoteRequest) (*agentpb.PromoteReply, error) {
	return nil, errdefs.ErrNotImplemented
}

// Delta writes what has changed.
func (c *Cell) Delta(context.Context, string, bool, io.Writer) error { return errdefs.ErrNotImplemented }

// Network serves the connections of the containers.
func (c *Cell) Network(ctx context.Context, _ io.ReadWriteCloser) error {
	<-ctx.Done()
	return nil
}
