package dockerapi

import (
	"context"
	"io"
	"net/http"

	"github.com/sockerless/sockerless/dockerapi/transport"
)

// exportContainer serves GET /containers/{name}/export.
func exportContainer(c *call) error {
	tar, err := c.engine.ContainerExport(c.Context(), c.name)
	if err != nil {
		return err
	}
	c.w.Stream(http.StatusOK, "application/octet-stream", func(_ context.Context, s *transport.Stream) error {
		defer tar.Close()
		_, err := io.Copy(s, tar)
		return err
	})
	return nil
}
