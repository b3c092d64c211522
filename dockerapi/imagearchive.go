package dockerapi

import (
	"context"
	"io"
	"net/http"

	"github.com/moby/moby/api/types/jsonstream"

	"github.com/sockerless/sockerless/dockerapi/transport"
	"github.com/sockerless/sockerless/runtime"
)

// saveImage serves GET /images/{name}/get, and saveImages GET /images/get: docker save.
func saveImage(c *call) error { return c.save([]string{c.name}) }

func saveImages(c *call) error { return c.save(c.Query()["names"]) }

func (c *call) save(names []string) error {
	platform, err := c.platform(48)
	if err != nil {
		return err
	}
	c.w.Stream(http.StatusOK, "application/x-tar", func(ctx context.Context, s *transport.Stream) error {
		return c.engine.ImageSave(ctx, s, names, platform)
	})
	return nil
}

// loadImages serves POST /images/load: docker load. As in dockerd, what is wrong with the archive is a line of the answer.
func loadImages(c *call) error {
	platform, err := c.platform(48)
	if err != nil {
		return err
	}
	quiet := c.value("quiet") == "" || c.flag("quiet")
	loading, err := c.engine.ImageLoad(c.Context(), c.Body(0), platform)
	c.drain()
	c.w.Stream(http.StatusOK, "application/json", func(ctx context.Context, s *transport.Stream) error {
		lines := &progressLines{to: s}
		if err == nil {
			defer loading.Close()
			err = loading.Run(ctx, quiet, lines.write)
		}
		if err != nil {
			return lines.fail(err)
		}
		return lines.err
	})
	return nil
}

// maxDrain is how much of a tar that is not wanted is read and thrown away.
const maxDrain = 16 << 20

// drain reads what is left of an archive: its padding, or what is not wanted after an error. A client that is answered while it
// sends finds the connection broken, and never sees why.
func (c *call) drain() {
	_, _ = io.CopyN(io.Discard, c.Body(0), maxDrain) // how the body ends makes no difference any more
}

// importImage serves POST /images/create with fromSrc: docker import.
func importImage(c *call) error {
	opts := runtime.ImportOptions{
		Source: c.value("fromSrc"), Repository: c.value("repo"), Tag: c.value("tag"), Message: c.value("message"), Changes: c.Query()["changes"],
	}
	if c.version >= 32 {
		opts.Platform = c.value("platform")
	}
	var done []jsonstream.Message
	if opts.Source == "-" { // the tar comes with the request, which must be read before the answer begins
		opts.Tar = c.Body(0)
		opts.Progress = func(m jsonstream.Message) { done = append(done, m) }
		err := c.engine.ImageImport(c.Context(), opts)
		c.drain()
		if err != nil {
			return err
		}
	}
	c.w.Stream(http.StatusOK, "application/json", func(ctx context.Context, s *transport.Stream) error {
		lines := &progressLines{to: s}
		for _, m := range done {
			lines.write(m)
		}
		if opts.Source == "-" {
			return lines.err
		}
		opts.Progress = lines.write
		return lines.finish(c.engine.ImageImport(ctx, opts))
	})
	return nil
}
