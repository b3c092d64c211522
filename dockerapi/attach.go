package dockerapi

import (
	"context"
	"fmt"
	"io"

	"github.com/sockerless/sockerless/dockerapi/transport"
	"github.com/sockerless/sockerless/runtime"
)

// attach serves POST /containers/{name}/attach. The attachment is registered before the head is sent, so that nothing is lost of
// a container that the client starts after it has seen the head.
func attach(c *call) error {
	opts := runtime.AttachOptions{
		Logs: c.flag("logs"), Stream: c.flag("stream"),
		Stdin: c.flag("stdin"), Stdout: c.flag("stdout"), Stderr: c.flag("stderr"),
		DetachKeys: c.value("detachKeys"),
	}
	a, err := c.engine.ContainerAttach(c.Context(), c.name, opts)
	if err != nil {
		return err
	}
	return c.hijack(a, opts.Stdin)
}

// hijack joins the client to an attachment: its input to stdin, output to it, in frames unless there is a terminal.
func (c *call) hijack(a Attachment, stdin bool) error {
	contentType := rawStream
	if c.Header("Upgrade") != "" { // a 200 is always called raw, whatever it is
		contentType = streamType(c.version, a.TTY())
	}
	err := c.w.Hijack(contentType, func(ctx context.Context, conn *transport.Conn) error {
		out := frames{to: conn, tty: a.TTY()}
		var in io.Reader
		if stdin {
			in = conn
		}
		err := a.Run(ctx, in, out.write)
		if err != nil && ctx.Err() == nil {
			// The client sees it, as dockerd's does, if it is still there.
			if writeErr := out.write(streamStdout, []byte(err.Error()+"\r\n")); writeErr != nil {
				return fmt.Errorf("%w (not told: %w)", err, writeErr)
			}
		}
		return err
	})
	if err != nil {
		a.Close()
	}
	return err
}
