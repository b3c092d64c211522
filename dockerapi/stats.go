package dockerapi

import (
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/sockerless/sockerless/dockerapi/transport"
	"github.com/sockerless/sockerless/runtime"
)

// stats serves GET /containers/{name}/stats: a line of JSON every second, or one.
func stats(c *call) error {
	opts := runtime.StatsOptions{Stream: true, OneShot: c.version >= 41 && c.flag("one-shot")}
	if c.Query().Has("stream") {
		opts.Stream = c.flag("stream")
	}
	if opts.Stream && opts.OneShot {
		return invalid("cannot have stream=true and one-shot=true")
	}
	measured, err := c.engine.ContainerStats(c.Context(), c.name, opts)
	if err != nil {
		return err
	}
	if !opts.Stream {
		now, err := measured.Next(c.Context())
		if err != nil {
			return err
		}
		return c.json(http.StatusOK, now)
	}
	v := c.version
	c.w.Stream(http.StatusOK, "application/json", func(ctx context.Context, s *transport.Stream) error {
		for {
			now, err := measured.Next(ctx)
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			line, err := encodeFor(v, now)
			if err != nil {
				return err
			}
			if _, err := s.Write(line); err != nil {
				return err
			}
			if err := s.Flush(); err != nil {
				return err
			}
		}
	})
	return nil
}
