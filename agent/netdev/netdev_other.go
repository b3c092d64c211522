//go:build !linux

package netdev

import (
	"os"

	"github.com/containerd/errdefs"
)

// Setup needs Linux.
func Setup(*Config) (*os.File, error) {
	return nil, errdefs.ErrNotImplemented.WithMessage("network devices of containers need Linux")
}
