package dockerapi

import (
	"context"
	"net/http"
	"strconv"

	"github.com/sockerless/sockerless/dockerapi/transport"
	"github.com/sockerless/sockerless/runtime"
)

// logs serves GET /containers/{name}/logs. All that can be wrong with the request is found before the head goes out.
func logs(c *call) error {
	opts := runtime.LogsOptions{
		Follow: c.flag("follow"), Stdout: c.flag("stdout"), Stderr: c.flag("stderr"),
		Timestamps: c.flag("timestamps"), Details: c.flag("details"), Tail: -1,
	}
	if !opts.Stdout && !opts.Stderr {
		return invalid("Bad parameters: you must choose at least one stream")
	}
	if n, err := strconv.Atoi(c.value("tail")); err == nil && n >= 0 { // all, and what is no number, is everything
		opts.Tail = n
	}
	var err error
	if opts.Since, err = c.time("since"); err != nil {
		return err
	}
	if c.version >= 35 && c.value("until") != "0" {
		if opts.Until, err = c.time("until"); err != nil {
			return err
		}
	}
	l, err := c.engine.ContainerLogs(c.Context(), c.name, opts)
	if err != nil {
		return err
	}
	c.w.Stream(http.StatusOK, streamType(c.version, l.TTY()), func(ctx context.Context, s *transport.Stream) error {
		if err := s.Flush(); err != nil {
			return err
		}
		out := frames{to: s, tty: l.TTY()}
		return l.Each(ctx, func(stream byte, line []byte) error {
			if err := out.write(stream, line); err != nil || !opts.Follow {
				return err
			}
			return s.Flush()
		})
	})
	return nil
}
