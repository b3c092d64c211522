package dockerapi

import (
	"net/http"

	"github.com/moby/moby/api/types/container"

	"github.com/sockerless/sockerless/runtime"
)

// createExec serves POST /containers/{name}/exec.
func createExec(c *call) error {
	var r container.ExecCreateRequest
	if err := c.readJSON(&r); err != nil {
		return err
	}
	if len(r.Cmd) == 0 {
		return invalid("No exec command specified")
	}
	if c.version < 42 {
		r.ConsoleSize = nil
	}
	id, err := c.engine.ExecCreate(c.Context(), c.name, r)
	if err != nil {
		return err
	}
	return c.json(http.StatusCreated, container.ExecCreateResponse{ID: id})
}

// startExec serves POST /exec/{name}/start.
func startExec(c *call) error {
	var r container.ExecStartRequest
	if err := c.readJSON(&r); err != nil {
		return err
	}
	opts := runtime.ExecStartOptions{Detach: r.Detach, TTY: r.Tty}
	if c.version >= 42 && r.Tty {
		opts.ConsoleSize = r.ConsoleSize
	}
	a, err := c.engine.ExecStart(c.Context(), c.name, opts)
	if err != nil {
		return err
	}
	if a == nil { // detached
		c.w.Send(http.StatusOK, "", nil)
		return nil
	}
	return c.hijack(a, true)
}

// inspectExec serves GET /exec/{name}/json.
func inspectExec(c *call) error {
	answer, err := c.engine.ExecInspect(c.Context(), c.name)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, answer)
}

// resizeExec serves POST /exec/{name}/resize.
func resizeExec(c *call) error {
	rows, columns, err := c.terminalSize()
	if err == nil {
		err = c.engine.ExecResize(c.Context(), c.name, rows, columns)
	}
	if err != nil {
		return err
	}
	c.w.Send(http.StatusOK, "", nil)
	return nil
}
