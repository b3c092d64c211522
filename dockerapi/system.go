package dockerapi

import (
	"net/http"

	"github.com/moby/moby/api/types/registry"
)

// getVersion serves GET /version. What the API speaks is known here, the rest is the engine's.
func getVersion(c *call) error {
	v := c.engine.Version(c.Context())
	v.APIVersion, v.MinAPIVersion = maxVersion.String(), minVersion.String()
	return c.json(http.StatusOK, v)
}

// info serves GET /info.
func info(c *call) error {
	i, err := c.engine.Info(c.Context())
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, i)
}

// auth serves POST /auth: docker login.
func auth(c *call) error {
	var config registry.AuthConfig
	if err := c.readJSON(&config); err != nil {
		return err
	}
	answer, err := c.engine.Auth(c.Context(), config)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, answer)
}
