package dockerapi

import (
	"fmt"
	"strconv"

	"github.com/sockerless/sockerless/runtime"
)

// start serves POST /containers/{name}/start.
func start(c *call) error {
	// Before 1.24 a HostConfig could be sent here. {} and null are let pass, as by dockerd.
	if n := c.ContentLength(); n > 7 || n == -1 {
		return invalid("starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24")
	}
	for _, option := range []string{"checkpoint", "checkpoint-dir"} {
		if c.value(option) != "" {
			return notImplementedOption(option)
		}
	}
	return c.done(c.engine.ContainerStart(c.Context(), c.name, runtime.StartOptions{DetachKeys: c.value("detachKeys")}))
}

// stop serves POST /containers/{name}/stop.
func stop(c *call) error {
	opts, err := c.stopOptions()
	if err != nil {
		return err
	}
	return c.done(c.engine.ContainerStop(c.Context(), c.name, opts))
}

// restart serves POST /containers/{name}/restart.
func restart(c *call) error {
	opts, err := c.stopOptions()
	if err != nil {
		return err
	}
	return c.done(c.engine.ContainerRestart(c.Context(), c.name, opts))
}

// stopOptions reads the signal, and how many seconds later the next one kills.
func (c *call) stopOptions() (opts runtime.StopOptions, err error) {
	if c.version >= 42 {
		opts.Signal = c.value("signal")
	}
	if t := c.value("t"); t != "" {
		seconds, err := strconv.Atoi(t)
		if err != nil {
			return opts, err // dockerd gives 500 and this text
		}
		opts.Timeout = &seconds
	}
	return opts, nil
}

// kill serves POST /containers/{name}/kill. What its errors begin with is of dockerd's router, not of its engine.
func kill(c *call) error {
	if err := c.engine.ContainerKill(c.Context(), c.name, c.value("signal")); err != nil {
		return fmt.Errorf("cannot kill container: %s: %w", c.name, err)
	}
	return c.done(nil)
}

// pause serves POST /containers/{name}/pause.
func pause(c *call) error {
	return c.done(c.engine.ContainerPause(c.Context(), c.name))
}

// unpause serves POST /containers/{name}/unpause.
func unpause(c *call) error {
	return c.done(c.engine.ContainerUnpause(c.Context(), c.name))
}
