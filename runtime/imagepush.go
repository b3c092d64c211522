package runtime

import (
	"context"
	"encoding/json"

	"github.com/distribution/reference"
	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/api/types/jsonstream"
	"github.com/moby/moby/api/types/registry"

	imagestore "github.com/sockerless/sockerless/store/image"
)

// PushOptions of [Engine.ImagePush].
type PushOptions struct {
	Reference string // name:tag, or name for all tags
	Platform  string // os[/arch[/variant]] that the image must have; "" for any
	Auth      *registry.AuthConfig
	Progress  func(jsonstream.Message) // as in PullOptions
}

// ImagePush sends an image to its registry. Errors have dockerd's texts and classes.
func (e *Engine) ImagePush(ctx context.Context, opts PushOptions) error {
	err := e.cfg.Images.Push(ctx, imagestore.PushOptions{
		Reference: opts.Reference, Platform: opts.Platform, Auth: opts.Auth, Progress: messages(opts.Progress),
	})
	if err != nil {
		return err
	}
	if named, err := reference.ParseNormalizedNamed(opts.Reference); err == nil {
		name := reference.FamiliarString(named)
		img, _ := e.cfg.Images.Resolve(name) // for its labels: of all tags there may be no latest
		e.imageEvent(events.ActionPush, name, reference.FamiliarName(named), img)
	}
	return nil
}

// messages turns lines of progress into those of Docker's API.
func messages(send func(jsonstream.Message)) func(imagestore.Progress) {
	if send == nil {
		return nil
	}
	return func(p imagestore.Progress) {
		m := jsonstream.Message{ID: p.ID, Status: p.Status, Stream: p.Text}
		if p.Layer || p.Pushed != nil {
			m.Progress = &jsonstream.Progress{Current: p.Current, Total: p.Total}
		}
		if p.Pushed != nil {
			if aux, err := json.Marshal(p.Pushed); err == nil {
				m.Aux = (*json.RawMessage)(&aux)
			}
		}
		send(m)
	}
}

// DistributionInspect asks a registry for a manifest. Errors: errdefs.ErrInvalidArgument, ErrNotFound, ErrUnauthenticated.
func (e *Engine) DistributionInspect(ctx context.Context, ref string, auth *registry.AuthConfig) (registry.DistributionInspect, error) {
	return e.cfg.Images.Distribution(ctx, ref, auth)
}
