package dockerapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/containerd/errdefs"

	"github.com/sockerless/sockerless/dockerapi/transport"
)

// checkBackend serves POST /backends/{name}/check, which Docker has not: a line of JSON for each thing that a backend needs, as soon as
// it is known.
func checkBackend(c *call) error {
	if c.check == nil {
		return errdefs.ErrNotImplemented.WithMessage("this server has no backends")
	}
	c.w.Stream(http.StatusOK, "application/json", func(ctx context.Context, s *transport.Stream) error {
		var gone error
		err := c.check(ctx, c.name, func(finding any) {
			line, err := json.Marshal(finding)
			if err == nil {
				_, err = s.Write(append(line, '\n'))
			}
			gone = errors.Join(gone, err, s.Flush())
		})
		return errors.Join(err, gone)
	})
	return nil
}
