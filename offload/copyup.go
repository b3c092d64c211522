package offload

import (
	"errors"
	"fmt"
	"io"

	"github.com/sockerless/sockerless/agent/agentpb"
	"github.com/sockerless/sockerless/store/rootfs"
)

// CopyUp gives a new volume of this machine what the image has at its place, as Docker does.
func CopyUp(image rootfs.FS, m *agentpb.Mount) (err error) {
	if !m.GetCopyUp() {
		return nil
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("copy the image's content into the volume at %s: %w", m.GetTarget(), err)
		}
	}()
	v := rootfs.NewTree(image, true).View(rootfs.Cred{})
	if info, err := v.Stat(m.GetTarget()); err != nil || !info.IsDir() {
		return nil // the image has nothing there
	}
	volume, err := rootfs.NewHostDir(m.GetSource(), rootfs.HostOptions{})
	if err != nil {
		return err
	}
	if closer, ok := volume.(io.Closer); ok {
		defer func() { err = errors.Join(err, closer.Close()) }()
	}
	return v.CopyTree(m.GetTarget(), volume)
}
