package runtime

import (
	"context"
	"maps"
	"path/filepath"
	"time"

	types "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/storage"
	"github.com/opencontainers/go-digest"
)

// driverName is what Docker calls the storage driver.
const driverName = "sockerless"

// ContainerInspect describes a container; size adds the bytes of its files, which takes a walk through them. The caller
// must not change what the answer points to. Errors: errdefs.ErrNotFound.
func (e *Engine) ContainerInspect(_ context.Context, name string, size bool) (types.InspectResponse, error) {
	c, err := e.lookup(name)
	if err != nil {
		return types.InspectResponse{}, err
	}
	d, err := e.definition(c)
	if err != nil {
		return types.InspectResponse{}, err
	}
	r := c.record()
	status := c.status()
	resp := types.InspectResponse{
		ID: c.id, Created: r.Created.Format(time.RFC3339Nano), Path: d.Path, Args: d.Args, Image: r.ImageID, Name: "/" + r.Name,
		RestartCount: r.RestartCount, Driver: driverName, Platform: d.Platform, ExecIDs: c.execIDs(),
		State: &types.State{
			Status: status, Running: r.active(), Paused: r.Status == types.StatePaused, Restarting: r.Status == types.StateRestarting,
			OOMKilled: r.OOMKilled, Pid: int(r.Pid), ExitCode: r.ExitCode, Error: r.Error,
			StartedAt: r.StartedAt.Format(time.RFC3339Nano), FinishedAt: r.FinishedAt.Format(time.RFC3339Nano), Health: c.healthState(),
		},
		HostConfig: hostConfig(d, r), Config: d.Config, Mounts: e.mountPoints(d.Mounts),
		GraphDriver: &storage.DriverData{Name: driverName, Data: map[string]string{
			"ID": c.id, "UpperDir": filepath.Join(e.directory(c.id), "upper"),
		}},
		NetworkSettings: e.settingsNow(c, r, d),
	}
	if resp.Args == nil {
		resp.Args = []string{}
	}
	if r.Run > 0 {
		resp.LogPath = e.spoolPath(c.id)
	}
	if size {
		rw, root := e.sizes(c)
		resp.SizeRw, resp.SizeRootFs = &rw, &root
	}
	return resp, nil
}

// hostConfig is what a container was created with, and where it runs, as annotations.
func hostConfig(d *definition, r *record) *types.HostConfig {
	if r.Home == "" && r.Promotion == nil {
		return d.HostConfig
	}
	h := *d.HostConfig
	h.Annotations = maps.Clone(h.Annotations)
	if h.Annotations == nil {
		h.Annotations = map[string]string{}
	}
	if r.Home != "" {
		h.Annotations["sockerless.backend"] = r.Home
	}
	if r.Promotion != nil {
		maps.Copy(h.Annotations, r.Promotion.annotations())
	}
	return &h
}

// sizes is how many bytes a container's own files take on disk, and that with its image's.
func (e *Engine) sizes(c *container) (rw, root int64) {
	rw = diskUsage(filepath.Join(e.directory(c.id), "upper"))
	root = rw
	if img, err := e.cfg.Images.Resolve(c.record().ImageID); err == nil {
		root += img.Size
	}
	return rw, root
}

// layers are the folders of an image's layers, lowest first.
func (e *Engine) layers(imageID string) ([]string, error) {
	return e.cfg.Images.Layers(digest.Digest(imageID))
}
