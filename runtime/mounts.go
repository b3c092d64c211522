package runtime

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/go-units"
	types "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"

	"github.com/sockerless/sockerless/agent/agentpb"
)

// mountPoint is a mount of a container.
type mountPoint struct {
	Type        mount.Type        `json:"type"`
	Name        string            `json:"name,omitempty"`   // of a volume
	Source      string            `json:"source,omitempty"` // host path of a bind
	Target      string            `json:"target"`
	Mode        string            `json:"mode,omitempty"` // as Docker shows it: "z", "ro"
	ReadOnly    bool              `json:"readOnly,omitempty"`
	Propagation mount.Propagation `json:"propagation,omitempty"`
	Anonymous   bool              `json:"anonymous,omitempty"` // a volume that goes with its container
	NoCopy      bool              `json:"noCopy,omitempty"`
	Create      bool              `json:"create,omitempty"` // a missing host path is made, as docker run -v does
	Size        int64             `json:"size,omitempty"`   // bytes of a tmpfs
	Perm        uint32            `json:"perm,omitempty"`   // of a tmpfs
	Hidden      bool              `json:"hidden,omitempty"` // of HostConfig.Tmpfs: not among the mounts of an inspect
	Engine      bool              `json:"engine,omitempty"` // a bind of the engine's own socket

	labels map[string]string // of a volume that is to be made
}

// planMounts decides a container's mounts and returns the volumes that come into being with it.
func (e *Engine) planMounts(ctx context.Context, d *definition) ([]*volume, error) {
	byTarget := map[string]mountPoint{}
	add := func(m mountPoint) error {
		if _, taken := byTarget[m.Target]; taken {
			return invalid("Duplicate mount point: %s", m.Target)
		}
		byTarget[m.Target] = m
		return nil
	}
	for _, bind := range d.HostConfig.Binds {
		m, err := parseBind(bind)
		if err != nil {
			return nil, err
		}
		if err := add(m); err != nil {
			return nil, err
		}
	}
	for i := range d.HostConfig.Mounts {
		m, err := parseMount(&d.HostConfig.Mounts[i])
		if err != nil {
			return nil, err
		}
		if err := add(m); err != nil {
			return nil, err
		}
	}
	for target, options := range d.HostConfig.Tmpfs {
		m, err := parseTmpfs(target, options)
		if err != nil {
			return nil, err
		}
		if err := add(m); err != nil {
			return nil, err
		}
	}
	for target := range d.Config.Volumes {
		target = path.Clean(target)
		if !path.IsAbs(target) || target == "/" {
			return nil, invalid("invalid volume target %q", target)
		}
		if _, taken := byTarget[target]; !taken { // what was asked for at this place wins over the image's volume
			byTarget[target] = mountPoint{Type: mount.TypeVolume, Target: target}
		}
	}
	var created []*volume
	for _, target := range slices.Sorted(maps.Keys(byTarget)) {
		m := byTarget[target]
		if m.Type == mount.TypeBind {
			if err := e.checkBind(ctx, &m); err != nil {
				return nil, err
			}
		}
		if m.Type == mount.TypeVolume {
			if m.Name == "" {
				name, err := randomID()
				if err != nil {
					return nil, err
				}
				m.Name, m.Anonymous = name, true
				m.labels = map[string]string{anonymousLabel: ""}
			}
			if e.volumes.get(m.Name) == nil {
				created = append(created, &volume{Name: m.Name, Created: time.Now().UTC(), Labels: m.labels})
			}
		}
		d.Mounts = append(d.Mounts, m)
	}
	return created, nil
}

func (d *definition) volumeNames() []string {
	var names []string
	for _, m := range d.Mounts {
		if m.Type == mount.TypeVolume {
			names = append(names, m.Name)
		}
	}
	return names
}

// parseBind reads one of HostConfig.Binds: [source:]target[:mode] (moby's volume/mounts/linux_parser.go).
func parseBind(raw string) (mountPoint, error) {
	fail := fmt.Errorf("invalid volume specification: '%s'", raw)
	parts := strings.Split(raw, ":")
	m := mountPoint{Type: mount.TypeVolume}
	switch {
	case parts[0] == "" || len(parts) > 3:
		return m, fail
	case len(parts) == 1:
		m.Target = parts[0]
	case len(parts) == 2 && modeErr(parts[1]) == nil: // a target and a mode, which needs a source
		return m, fail
	default:
		m.Source, m.Target = parts[0], parts[1]
		if len(parts) == 3 {
			if err := modeErr(parts[2]); err != nil {
				return m, err
			}
			m.Mode = parts[2]
		}
	}
	if isHostPath(m.Source) {
		m.Type, m.Create = mount.TypeBind, true
	}
	if err := checkTarget(m.Type, &m.Target); err != nil {
		return m, fmt.Errorf("%w: %w", fail, err)
	}
	for _, option := range strings.Split(m.Mode, ",") {
		switch option {
		case "ro":
			m.ReadOnly = true
		case "nocopy":
			m.NoCopy = true
		}
	}
	if m.Type == mount.TypeBind {
		m.Source = filepath.Clean(m.Source)
		m.Propagation = mount.PropagationRPrivate
		return m, nil
	}
	m.Name, m.Source = m.Source, ""
	if m.Name != "" {
		if m.Mode == "" {
			m.Mode = "z"
		}
		return m, checkVolumeName(m.Name)
	}
	return m, nil
}

// isHostPath tells a path of the host from the name of a volume.
func isHostPath(source string) bool {
	return strings.HasPrefix(source, "/") || filepath.IsAbs(source)
}

// modeErr checks the last part of a bind. Options that concern SELinux or the propagation between mount namespaces
// mean nothing without these.
func modeErr(mode string) error {
	for _, option := range strings.Split(mode, ",") {
		switch option {
		case "rw", "ro", "z", "Z", "nocopy", "rprivate", "private", "rslave", "slave", "consistent", "cached", "delegated":
		case "shared", "rshared":
			return errdefs.ErrNotImplemented.WithMessage("mount propagation " + option + " is not supported: the sandbox shares no mounts with the host")
		default:
			return fmt.Errorf("invalid mode: %s", mode)
		}
	}
	return nil
}

func checkTarget(kind mount.Type, target *string) error {
	prefix := fmt.Sprintf("invalid mount config for type %q: ", string(kind))
	switch {
	case *target == "":
		return errdefs.ErrInvalidArgument.WithMessage(prefix + "field Target must not be empty")
	case !path.IsAbs(*target):
		return fmt.Errorf("%sinvalid mount path: '%s' mount path must be absolute", prefix, *target)
	}
	*target = path.Clean(*target)
	if *target == "/" {
		return errors.New(prefix + "invalid specification: destination can't be '/'")
	}
	return nil
}

// parseMount reads one of HostConfig.Mounts.
func parseMount(c *mount.Mount) (mountPoint, error) {
	m := mountPoint{Type: c.Type, Target: c.Target, ReadOnly: c.ReadOnly}
	fail := func(format string, args ...any) (mountPoint, error) {
		return m, invalid("invalid mount config for type %q: "+format, append([]any{string(c.Type)}, args...)...)
	}
	switch c.Type {
	case mount.TypeBind, mount.TypeVolume, mount.TypeTmpfs:
	case mount.TypeImage, mount.TypeCluster, mount.TypeNamedPipe:
		return m, errdefs.ErrNotImplemented.WithMessage(fmt.Sprintf("mounts of type %q are not supported", c.Type))
	default:
		return fail("mount type unknown")
	}
	if err := checkTarget(c.Type, &m.Target); err != nil {
		return m, invalid("%s", err)
	}
	switch c.Type {
	case mount.TypeBind:
		m.Source = filepath.Clean(c.Source)
		m.Propagation = mount.PropagationRPrivate
		if o := c.BindOptions; o != nil {
			m.Create = o.CreateMountpoint
			if err := modeErr(string(o.Propagation)); o.Propagation != "" && err != nil {
				return m, err
			}
		}
		if c.Source == "" {
			return fail("field Source must not be empty")
		}
		if !isHostPath(c.Source) {
			return fail("invalid mount path: '%s' mount path must be absolute", c.Source)
		}
	case mount.TypeVolume:
		m.Name, m.Mode = c.Source, "z"
		if o := c.VolumeOptions; o != nil {
			m.NoCopy, m.labels = o.NoCopy, o.Labels
			if o.Subpath != "" {
				return m, errdefs.ErrNotImplemented.WithMessage("VolumeOptions.Subpath is not supported")
			}
			if o.DriverConfig != nil && (o.DriverConfig.Name != "" && o.DriverConfig.Name != volumeDriver || len(o.DriverConfig.Options) > 0) {
				return m, errdefs.ErrNotImplemented.WithMessage("volume drivers and their options are not supported")
			}
		}
		if m.Name != "" {
			return m, checkVolumeName(m.Name)
		}
	case mount.TypeTmpfs:
		if c.Source != "" {
			return fail("field Source must not be specified")
		}
		if o := c.TmpfsOptions; o != nil {
			m.Size, m.Perm = o.SizeBytes, uint32(o.Mode.Perm())
		}
	}
	return m, nil
}

// parseTmpfs reads one of HostConfig.Tmpfs: the options of mount(8) for a tmpfs.
func parseTmpfs(target, options string) (mountPoint, error) {
	m := mountPoint{Type: mount.TypeTmpfs, Target: target, Hidden: true}
	if err := checkTarget(m.Type, &m.Target); err != nil {
		return m, invalid("%s", err)
	}
	for _, option := range strings.Split(options, ",") {
		name, value, _ := strings.Cut(option, "=")
		switch name {
		case "ro":
			m.ReadOnly = true
		case "size":
			size, err := units.RAMInBytes(value)
			if err != nil {
				return m, invalid("invalid tmpfs option %q", option)
			}
			m.Size = size
		case "mode":
			perm, err := strconv.ParseUint(value, 8, 32)
			if err != nil {
				return m, invalid("invalid tmpfs option %q", option)
			}
			m.Perm = uint32(perm)
		case "", "rw", "exec", "noexec", "suid", "nosuid", "dev", "nodev", "noatime", "relatime", "nr_inodes", "nr_blocks":
		default:
			return m, invalid("invalid tmpfs option %q", option)
		}
	}
	return m, nil
}

// mounts is a container's mounts as an agent is told them; it makes the folders that are missing.
func (e *Engine) mounts(c *container, d *definition) ([]*agentpb.Mount, error) {
	list := make([]*agentpb.Mount, 0, len(d.Mounts))
	for _, m := range d.Mounts {
		out := &agentpb.Mount{Source: m.Source, Target: m.Target, ReadOnly: m.ReadOnly, Size: m.Size, Mode: m.Perm}
		switch m.Type {
		case mount.TypeBind:
			out.Type = agentpb.Mount_BIND
			if m.Engine {
				out.Type, out.Source = agentpb.Mount_ENGINE, ""
				break
			}
			if _, err := os.Stat(m.Source); err != nil {
				if !m.Create || !os.IsNotExist(err) {
					return nil, invalid("invalid mount config for type %q: bind source path does not exist: %s", "bind", m.Source)
				}
				if err := os.MkdirAll(m.Source, 0o755); err != nil {
					return nil, fmt.Errorf("error while creating mount source path '%s': %w", m.Source, err)
				}
			}
		case mount.TypeVolume:
			out.Type = agentpb.Mount_VOLUME
			source, empty, err := e.volumes.open(m.Name)
			if err != nil {
				return nil, err
			}
			out.Source, out.CopyUp = source, empty && !m.NoCopy
		case mount.TypeTmpfs:
			out.Type = agentpb.Mount_TMPFS
		}
		list = append(list, out)
	}
	return list, nil
}

// mountPoints is how an inspect and a list show the mounts.
func (e *Engine) mountPoints(mounts []mountPoint) []types.MountPoint {
	list := []types.MountPoint{}
	for _, m := range mounts {
		if m.Hidden {
			continue
		}
		p := types.MountPoint{
			Type: m.Type, Name: m.Name, Source: m.Source, Destination: m.Target, Mode: m.Mode, RW: !m.ReadOnly, Propagation: m.Propagation,
		}
		if m.Type == mount.TypeVolume {
			p.Source, p.Driver = e.volumes.path(m.Name), volumeDriver
		}
		list = append(list, p)
	}
	return list
}
