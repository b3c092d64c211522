package dockerapi

import (
	"net/http"
	"strconv"

	"github.com/moby/moby/api/types/container"

	"github.com/sockerless/sockerless/runtime"
)

// listContainers serves GET /containers/json: docker ps.
func listContainers(c *call) error {
	filters, err := runtime.ParseFilters(c.value("filters"))
	if err != nil {
		return err
	}
	opts := runtime.ListOptions{All: c.flag("all"), Size: c.flag("size"), Filters: filters}
	if limit := c.value("limit"); limit != "" {
		if opts.Limit, err = strconv.Atoi(limit); err != nil {
			return err // dockerd gives 500 and this text
		}
	}
	list, err := c.engine.ContainerList(c.Context(), opts)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, list)
}

// inspectContainer serves GET /containers/{name}/json.
func inspectContainer(c *call) error {
	answer, err := c.engine.ContainerInspect(c.Context(), c.name, c.flag("size"))
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, answer)
}

// rename serves POST /containers/{name}/rename.
func rename(c *call) error {
	return c.done(c.engine.ContainerRename(c.Context(), c.name, c.value("name")))
}

// resize serves POST /containers/{name}/resize.
func resize(c *call) error {
	rows, columns, err := c.terminalSize()
	if err == nil {
		err = c.engine.ContainerResize(c.Context(), c.name, rows, columns)
	}
	if err != nil {
		return err
	}
	c.w.Send(http.StatusOK, "", nil)
	return nil
}

// terminalSize reads h and w.
func (c *call) terminalSize() (rows, columns uint32, err error) {
	if rows, err = c.size("h", "height"); err != nil {
		return 0, 0, err
	}
	columns, err = c.size("w", "width")
	return rows, columns, err
}

// removeContainer serves DELETE /containers/{name}.
func removeContainer(c *call) error {
	return c.done(c.engine.ContainerRemove(c.Context(), c.name, runtime.RemoveOptions{
		Force: c.flag("force"), Volumes: c.flag("v"), Link: c.flag("link"),
	}))
}

// pruneContainers serves POST /containers/prune.
func pruneContainers(c *call) error {
	filters, err := runtime.ParseFilters(c.value("filters"))
	if err != nil {
		return err
	}
	report, err := c.engine.ContainerPrune(c.Context(), filters)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, report)
}

// top serves GET /containers/{name}/top.
func top(c *call) error {
	answer, err := c.engine.ContainerTop(c.Context(), c.name, c.value("ps_args"))
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, answer)
}

// changes serves GET /containers/{name}/changes: docker diff.
func changes(c *call) error {
	list, err := c.engine.ContainerChanges(c.Context(), c.name)
	if err != nil {
		return err
	}
	if list == nil {
		list = []container.FilesystemChange{}
	}
	return c.json(http.StatusOK, list)
}
