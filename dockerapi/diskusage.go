package dockerapi

import (
	"net/http"

	"github.com/moby/moby/api/types/system"

	"github.com/sockerless/sockerless/runtime"
)

// diskUsage serves GET /system/df: of what `type` names, which came with 1.42, or of all.
func diskUsage(c *call) error {
	var opts runtime.DiskUsageOptions
	kinds := c.Query()["type"]
	if c.version < 42 || len(kinds) == 0 {
		opts = runtime.DiskUsageOptions{Images: true, Containers: true, Volumes: true, BuildCache: true}
		kinds = nil
	}
	for _, kind := range kinds {
		switch system.DiskUsageObject(kind) {
		case system.ImageObject:
			opts.Images = true
		case system.ContainerObject:
			opts.Containers = true
		case system.VolumeObject:
			opts.Volumes = true
		case system.BuildCacheObject:
			opts.BuildCache = true
		default:
			return invalid("unknown object type: " + kind)
		}
	}
	usage, err := c.engine.DiskUsage(c.Context(), opts)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, usage)
}

// pruneBuildCache serves POST /build/prune, which docker system prune ends with: there is nothing to remove.
func pruneBuildCache(c *call) error {
	return c.json(http.StatusOK, struct {
		CachesDeleted  []string
		SpaceReclaimed uint64
	}{})
}
