package offload

import (
	"github.com/sockerless/sockerless/agent/agentpb"
	"github.com/sockerless/sockerless/store/rootfs"
)

// CopyUp gives a new volume of this machine what the image has at its place, as Docker does.
func CopyUp(image rootfs.FS, m *agentpb.Mount) error {
	if !m.GetCopyUp() {
		return nil
	}
	return rootfs.FillVolume(image, m.GetTarget(), m.GetSource())
}
