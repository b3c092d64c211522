package dockerapi

import (
	"context"
	"net/http"
	"strconv"

	"github.com/moby/moby/api/types/container"

	"github.com/sockerless/sockerless/dockerapi/transport"
)

// wait serves POST /containers/{name}/wait. The head goes out as soon as the engine has registered the wait: docker run starts
// the container only then, and would otherwise miss a quick exit. Clients before 1.30 expect it with the body.
func wait(c *call) error {
	condition := ""
	if c.version >= 30 {
		condition = c.value("condition")
		switch container.WaitCondition(condition) {
		case "", container.WaitConditionNotRunning, container.WaitConditionNextExit, container.WaitConditionRemoved:
		default:
			return invalid("invalid condition: " + strconv.Quote(condition))
		}
	}
	waiter, err := c.engine.ContainerWait(c.Context(), c.name, condition)
	if err != nil {
		return err
	}
	v := c.version
	c.w.Stream(http.StatusOK, "application/json", func(ctx context.Context, s *transport.Stream) error {
		if v >= 30 {
			if err := s.Flush(); err != nil {
				return err
			}
		}
		answer, err := waiter.Result(ctx)
		if err != nil {
			return err
		}
		if v < 34 && answer.Error != nil { // such a client takes an empty body for the failure
			return nil
		}
		body, err := encodeFor(v, answer)
		if err != nil {
			return err
		}
		_, err = s.Write(body)
		return err
	})
	return nil
}
