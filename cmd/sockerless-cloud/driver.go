package main

import (
	"context"
	"fmt"
	"os"

	"github.com/containerd/errdefs"

	"github.com/sockerless/sockerless/offload"
	"github.com/sockerless/sockerless/offload/ecs"
	"github.com/sockerless/sockerless/offload/lambda"
	"github.com/sockerless/sockerless/offload/plugin"
)

// serveDriver is the driver of a backend, for the server that has started this.
func serveDriver(ctx context.Context) error {
	return plugin.Serve(ctx, os.Stdin, func(ctx context.Context, s plugin.Start, host *plugin.Host) (offload.Driver, error) {
		switch s.Type {
		case "ecs":
			return ecs.New(ctx, s, host)
		case "lambda":
			return lambda.New(ctx, s, host)
		}
		return nil, errdefs.ErrNotImplemented.WithMessage(fmt.Sprintf("there is no driver of type %q", s.Type))
	})
}
