package local

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sockerless/sockerless/agent"
	"github.com/sockerless/sockerless/agent/agentpb"
	"github.com/sockerless/sockerless/offload"
	"github.com/sockerless/sockerless/offload/native"
	"github.com/sockerless/sockerless/store/rootfs"
)

// mounts are a container's mounts: what every container has of its own, then what it asked for, what is nearer to the
// root first.
func (d *Driver) mounts(c *agentpb.Container, lower, etc string) ([]native.Mount, error) {
	if err := os.MkdirAll(etc, 0o755); err != nil {
		return nil, fmt.Errorf("make the container's own files: %w", err)
	}
	resolv := agent.ResolvFile(c)
	if resolv == "" {
		for _, server := range d.config.Nameservers {
			resolv += "nameserver " + server + "\n"
		}
	}
	var all []native.Mount
	for name, text := range map[string]string{"hosts": agent.HostsFile(c), "hostname": c.GetHostname() + "\n", "resolv.conf": resolv} {
		file := filepath.Join(etc, name)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return nil, fmt.Errorf("make the container's own files: %w", err)
		}
		all = append(all, native.Mount{Source: file, Target: "/etc/" + name})
	}
	for _, m := range c.GetMounts() {
		if m.GetType() == agentpb.Mount_ENGINE {
			continue // the agent makes it
		}
		own := native.Mount{Source: m.GetSource(), Target: m.GetTarget(), ReadOnly: m.GetReadOnly(), Size: m.GetSize(), Mode: m.GetMode()}
		if m.GetType() == agentpb.Mount_TMPFS {
			own.Source = ""
		}
		if err := copyUp(lower, m); err != nil {
			return nil, err
		}
		all = append(all, own)
	}
	slices.SortStableFunc(all, func(a, b native.Mount) int { return strings.Count(a.Target, "/") - strings.Count(b.Target, "/") })
	return all, nil
}

// copyUp gives a new volume what the image has at its place.
func copyUp(lower string, m *agentpb.Mount) error {
	if !m.GetCopyUp() {
		return nil
	}
	image, err := rootfs.NewHostDir(lower, rootfs.HostOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	if closer, ok := image.(io.Closer); ok {
		defer closer.Close()
	}
	return offload.CopyUp(image, m)
}
