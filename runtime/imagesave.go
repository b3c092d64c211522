package runtime

import (
	"context"
	"io"

	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/api/types/jsonstream"

	imagestore "github.com/sockerless/sockerless/store/image"
)

// ImageSave writes images as an archive: see [imagestore.SaveOptions] for what their names may be. Nothing is written before all
// are found. Errors: errdefs.ErrNotFound.
func (e *Engine) ImageSave(ctx context.Context, w io.Writer, names []string, platform string) error {
	if len(names) == 0 {
		return invalid("no images to save: name them with names=")
	}
	saved, err := e.cfg.Images.SaveAll(ctx, w, imagestore.SaveOptions{Names: names, Platform: platform})
	if err != nil {
		return err
	}
	for _, img := range saved {
		e.imageEvent(events.ActionSave, img.ID.String(), img.ID.String(), img)
	}
	return nil
}

// Loading is a docker load whose archive was read. It must be closed.
type Loading struct {
	engine  *Engine
	archive *imagestore.Archive
}

// ImageLoad reads an archive of images, of which those for a platform, os[/arch[/variant]], are wanted; "" is all. Errors:
// errdefs.ErrInvalidArgument for a bad archive, errdefs.ErrNotFound where it has nothing for the platform.
func (e *Engine) ImageLoad(ctx context.Context, archive io.Reader, platform string) (*Loading, error) {
	a, err := e.cfg.Images.OpenArchive(ctx, archive, platform)
	if err != nil {
		return nil, err
	}
	return &Loading{e, a}, nil
}

// Run brings the images; quiet tells only what was loaded. Errors: errdefs.ErrInvalidArgument for a damaged layer, before which
// other images may have been loaded.
func (l *Loading) Run(ctx context.Context, quiet bool, progress func(jsonstream.Message)) error {
	loaded, err := l.archive.Load(ctx, imagestore.LoadOptions{Quiet: quiet, Progress: messages(progress)})
	for _, img := range loaded {
		l.engine.imageEvent(events.ActionLoad, img.ID.String(), img.ID.String(), img)
	}
	return err
}

// Close removes what was read.
func (l *Loading) Close() error { return l.archive.Close() }
