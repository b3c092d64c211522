package dockerapi

import (
	"net/http"

	"github.com/moby/moby/api/types/network"

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

// createNetwork serves POST /networks/create.
func createNetwork(c *call) error {
	var spec runtime.NetworkSpec
	if err := c.checkJSON(); err != nil {
		return err
	}
	if err := c.decodeJSON(&spec); err != nil {
		return err
	}
	answer, err := c.engine.NetworkCreate(c.Context(), spec)
	if err != nil {
		return err
	}
	return c.json(http.StatusCreated, answer)
}

// connectNetwork serves POST /networks/{name}/connect.
func connectNetwork(c *call) error {
	var r network.ConnectRequest
	if err := c.checkJSON(); err != nil {
		return err
	}
	if err := c.decodeJSON(&r); err != nil {
		return err
	}
	if err := c.engine.NetworkConnect(c.Context(), c.name, r.Container, r.EndpointConfig); err != nil {
		return err
	}
	c.w.Send(http.StatusOK, "", nil)
	return nil
}

// disconnectNetwork serves POST /networks/{name}/disconnect.
func disconnectNetwork(c *call) error {
	var r network.DisconnectRequest
	if err := c.checkJSON(); err != nil {
		return err
	}
	if err := c.decodeJSON(&r); err != nil {
		return err
	}
	if err := c.engine.NetworkDisconnect(c.Context(), c.name, r.Container, r.Force); err != nil {
		return err
	}
	c.w.Send(http.StatusOK, "", nil)
	return nil
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
