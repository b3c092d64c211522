//go:build !linux

package unpacked

import (
	"context"
	"fmt"

	"github.com/containerd/errdefs"
)

func unpack(context.Context, []string, string) error {
	return fmt.Errorf("directories of images are for native containers, which need Linux: %w", errdefs.ErrNotImplemented)
}
