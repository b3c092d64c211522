package dockerapi

import (
	"net/http"

	"github.com/sockerless/sockerless/runtime"
)

// listImages serves GET /images/json. The option manifests adds nothing, as in a dockerd without containerd's image store.
func listImages(c *call) error {
	filters, err := runtime.ParseFilters(c.value("filters"))
	if err != nil {
		return err
	}
	// `filter` was a pattern of names, until 1.41.
	if pattern := c.value("filter"); pattern != "" && c.version < 41 {
		if filters == nil {
			filters = runtime.Filters{}
		}
		if filters["reference"] == nil {
			filters["reference"] = map[string]bool{}
		}
		filters["reference"][pattern] = true
	}
	list, err := c.engine.ImageList(c.Context(), runtime.ImageListOptions{
		All:        c.flag("all"),
		SharedSize: c.version >= 42 && c.flag("shared-size"),
		Digests:    c.flag("digests"),
		Filters:    filters,
	})
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, list)
}

// inspectImage serves GET /images/{name}/json.
func inspectImage(c *call) error {
	platform, err := c.platform(49)
	if err != nil {
		return err
	}
	if c.version >= 48 && c.flag("manifests") && platform != "" {
		return invalid("conflicting options: manifests and platform options cannot both be set")
	}
	img, err := c.engine.ImageInspect(c.Context(), c.name, platform)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, img)
}

// imageHistory serves GET /images/{name}/history.
func imageHistory(c *call) error {
	platform, err := c.platform(48)
	if err != nil {
		return err
	}
	history, err := c.engine.ImageHistory(c.Context(), c.name, platform)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, history)
}

// tagImage serves POST /images/{name}/tag.
func tagImage(c *call) error {
	if err := c.engine.ImageTag(c.Context(), c.name, c.value("repo"), c.value("tag")); err != nil {
		return err
	}
	c.w.Send(http.StatusCreated, "", nil)
	return nil
}

// removeImage serves DELETE /images/{name}.
func removeImage(c *call) error {
	opts := runtime.ImageRemoveOptions{Force: c.flag("force"), NoPrune: c.flag("noprune")}
	if platforms := c.Query()["platforms"]; c.version >= 50 && len(platforms) > 0 {
		if len(platforms) > 1 {
			return invalid("multiple platforms are not supported")
		}
		var err error
		if opts.Platform, err = decodePlatform(platforms[0]); err != nil {
			return err
		}
	}
	removed, err := c.engine.ImageRemove(c.Context(), c.name, opts)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, removed)
}

// pruneImages serves POST /images/prune.
func pruneImages(c *call) error {
	filters, err := runtime.ParseFilters(c.value("filters"))
	if err != nil {
		return err
	}
	report, err := c.engine.ImagePrune(c.Context(), filters)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, report)
}
