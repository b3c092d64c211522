//go:build !linux

package inside

import (
	"context"
	"io"

	"github.com/containerd/errdefs"
)

var errLinuxOnly = errdefs.ErrNotImplemented.WithMessage("the agent of a native container runs in Linux containers only")

// Run serves a container from inside, which only Linux has.
func Run(context.Context, Config) error { return errLinuxOnly }

func invoked(context.Context, string, io.Writer) error { return errLinuxOnly }
