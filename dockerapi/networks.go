package dockerapi

import (
	"net/http"

	"github.com/sockerless/sockerless/runtime"
)

// listNetworks serves GET /networks.
func listNetworks(c *call) error {
	filters, err := runtime.ParseFilters(c.value("filters"))
	if err != nil {
		return err
	}
	list, err := c.engine.NetworkList(c.Context(), filters)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, list)
}

// inspectNetwork serves GET /networks/{name}. The option verbose adds nothing outside of a swarm.
func inspectNetwork(c *call) error {
	n, err := c.engine.NetworkInspect(c.Context(), c.name, c.value("scope"))
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, n)
}

// removeNetwork serves DELETE /networks/{name}.
func removeNetwork(c *call) error {
	return c.done(c.engine.NetworkRemove(c.Context(), c.name))
}

// pruneNetworks serves POST /networks/prune.
func pruneNetworks(c *call) error {
	filters, err := runtime.ParseFilters(c.value("filters"))
	if err != nil {
		return err
	}
	report, err := c.engine.NetworkPrune(c.Context(), filters)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, report)
}
