package dockerapi

import (
	"net/http"

	"github.com/moby/moby/api/types/container"
)

// updateContainer serves POST /containers/{name}/update.
func updateContainer(c *call) error {
	var update container.UpdateConfig
	if err := c.readJSON(&update); err != nil {
		return err
	}
	if c.version < 40 { // the number of processes could not be changed
		update.PidsLimit = nil
	}
	answer, err := c.engine.ContainerUpdate(c.Context(), c.name, update)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, answer)
}
