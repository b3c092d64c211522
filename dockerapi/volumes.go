package dockerapi

import (
	"net/http"

	"github.com/moby/moby/api/types/volume"

	"github.com/sockerless/sockerless/runtime"
)

// listVolumes serves GET /volumes.
func listVolumes(c *call) error {
	filters, err := runtime.ParseFilters(c.value("filters"))
	if err != nil {
		return err
	}
	list, err := c.engine.VolumeList(c.Context(), filters)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, list)
}

// createVolume serves POST /volumes/create.
func createVolume(c *call) error {
	var req volume.CreateRequest
	if err := c.readJSON(&req); err != nil {
		return err
	}
	if req.ClusterVolumeSpec != nil {
		return swarm(c)
	}
	v, err := c.engine.VolumeCreate(c.making(), req)
	if err != nil {
		return err
	}
	return c.json(http.StatusCreated, v)
}

// inspectVolume serves GET /volumes/{name}.
func inspectVolume(c *call) error {
	v, err := c.engine.VolumeInspect(c.Context(), c.name)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, v)
}

// removeVolume serves DELETE /volumes/{name}.
func removeVolume(c *call) error {
	return c.done(c.engine.VolumeRemove(c.Context(), c.name, c.flag("force")))
}

// pruneVolumes serves POST /volumes/prune. Before 1.42 it took volumes with a name too.
func pruneVolumes(c *call) error {
	filters, err := runtime.ParseFilters(c.value("filters"))
	if err != nil {
		return err
	}
	if c.version < 42 {
		if filters == nil {
			filters = runtime.Filters{}
		}
		filters["all"] = map[string]bool{"true": true}
	}
	report, err := c.engine.VolumePrune(c.Context(), filters)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, report)
}
