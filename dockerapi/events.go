package dockerapi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sockerless/sockerless/dockerapi/transport"
	"github.com/sockerless/sockerless/runtime"
)

// streamEvents serves GET /events: a line of JSON for every event, until the client goes away or `until` has come.
func streamEvents(c *call) error {
	var opts runtime.EventsOptions
	var err error
	if opts.Since, err = c.time("since"); err != nil {
		return err
	}
	if opts.Until, err = c.time("until"); err != nil {
		return err
	}
	if !opts.Until.IsZero() && opts.Until.Before(opts.Since) {
		return invalid("`since` time (" + c.value("since") + ") cannot be after `until` time (" + c.value("until") + ")")
	}
	if opts.Filters, err = runtime.ParseFilters(c.value("filters")); err != nil {
		return err
	}
	subscription, err := c.engine.Events(c.Context(), opts)
	if err != nil {
		return err
	}
	v := c.version
	c.w.Stream(http.StatusOK, "application/json", func(ctx context.Context, s *transport.Stream) error {
		defer subscription.Close()
		for {
			if err := s.Flush(); err != nil {
				return err
			}
			event, err := subscription.Next(ctx)
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			line, err := encodeFor(v, event)
			if err != nil {
				return err
			}
			if _, err := s.Write(line); err != nil {
				return err
			}
		}
	})
	return nil
}

// time reads a point in time as clients send it, seconds since 1970 with a fraction; the zero time when it is missing.
func (c *call) time(name string) (time.Time, error) {
	text := c.value(name)
	if text == "" {
		return time.Time{}, nil
	}
	whole, fraction, _ := strings.Cut(text, ".")
	seconds, err := strconv.ParseInt(whole, 10, 64)
	var nanos int64
	if err == nil && fraction != "" {
		nanos, err = strconv.ParseInt((fraction + "000000000")[:9], 10, 64)
	}
	if err != nil {
		return time.Time{}, invalid("invalid value for " + strconv.Quote(name) + ": " + err.Error())
	}
	if strings.HasPrefix(whole, "-") {
		nanos = -nanos
	}
	return time.Unix(seconds, nanos), nil
}
