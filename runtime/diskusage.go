package runtime

import (
	"context"

	types "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/image"
	volumetypes "github.com/moby/moby/api/types/volume"
	"github.com/opencontainers/go-digest"
)

// DiskUsageOptions say what [Engine.DiskUsage] measures.
type DiskUsageOptions struct{ Images, Containers, Volumes, BuildCache bool }

// DiskUsage is what takes up space, as API versions up to 1.51 show it; what was not asked for is nil.
type DiskUsage struct {
	LayersSize int64 `json:"LayersSize,omitempty"` // bytes of the files in all layers, each counted once
	Images     []image.Summary
	Containers []types.Summary      // with their sizes
	Volumes    []volumetypes.Volume // with their sizes and the number of their containers
	BuildCache []struct{}           // there is none
}

// DiskUsage measures images, containers and volumes: it walks through the files of the last two.
func (e *Engine) DiskUsage(ctx context.Context, opts DiskUsageOptions) (DiskUsage, error) {
	var usage DiskUsage
	var err error
	if opts.Images {
		if usage.Images, err = e.ImageList(ctx, ImageListOptions{SharedSize: true}); err != nil {
			return usage, err
		}
		counted := map[digest.Digest]bool{}
		for _, img := range e.cfg.Images.List() {
			for i, id := range img.DiffIDs() {
				if !counted[id] && i < len(img.LayerSizes) {
					counted[id] = true
					usage.LayersSize += img.LayerSizes[i]
				}
			}
		}
	}
	if opts.Containers {
		if usage.Containers, err = e.ContainerList(ctx, ListOptions{All: true, Size: true}); err != nil {
			return usage, err
		}
	}
	if opts.Volumes {
		usage.Volumes = []volumetypes.Volume{}
		users := e.volumeUsers()
		for _, v := range e.volumes.list() {
			if err := ctx.Err(); err != nil {
				return usage, err
			}
			shown := e.volumes.describe(v)
			shown.UsageData = &volumetypes.UsageData{RefCount: int64(len(users[v.Name])), Size: diskUsage(shown.Mountpoint)}
			usage.Volumes = append(usage.Volumes, shown)
		}
	}
	if opts.BuildCache {
		usage.BuildCache = []struct{}{}
	}
	return usage, nil
}
