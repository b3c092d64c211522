package dockerapi

import (
	"net/http"

	"github.com/moby/moby/api/types/container"

	"github.com/sockerless/sockerless/runtime"
)

// commitContainer serves POST /commit. Its body is the configuration of the image, as far as it is not the container's.
func commitContainer(c *call) error {
	opts := runtime.CommitOptions{
		Container: c.value("container"), Repository: c.value("repo"), Tag: c.value("tag"), Comment: c.value("comment"), Author: c.value("author"),
		Changes: c.Query()["changes"], Pause: c.flag("pause") || c.value("pause") == "",
	}
	var config *container.Config
	if err := c.readJSON(&config); err != nil {
		return err
	}
	opts.Config = config
	id, err := c.engine.ContainerCommit(c.Context(), opts)
	if err != nil {
		return err
	}
	return c.json(http.StatusCreated, container.CommitResponse{ID: id})
}
