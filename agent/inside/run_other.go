//go:build !linux

package inside

import (
	"context"

	"github.com/containerd/errdefs"
)

// Run serves a container from inside, which only Linux has.
func Run(context.Context, Config) error {
	return errdefs.ErrNotImplemented.WithMessage("the agent of a native container runs in Linux containers only")
}
