package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/moby/moby/api/types/registry"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/sockerless/sockerless/store/state"
)

// PushOptions of [Store.Push].
type PushOptions struct {
	Reference string               // name:tag, or name for all tags
	Platform  string               // os[/arch[/variant]] that the image must have; "" for any
	Auth      *registry.AuthConfig // of X-Registry-Auth; nil: none
	Progress  func(Progress)       // called from several goroutines, never at the same time, never after the return
}

// Push sends an image, or all tags of a repository, to their registry, and gives them the digests that they have there. Layers that
// the registry has are not sent again. Errors have dockerd's texts; those before the first line of progress have a class.
func (s *Store) Push(ctx context.Context, opts PushOptions) error {
	named, err := reference.ParseNormalizedNamed(opts.Reference)
	if err != nil {
		return errdefs.ErrInvalidArgument.WithMessage(err.Error())
	}
	if opts.Platform != "" {
		if _, err := s.ResolveFor(named.String(), opts.Platform); err != nil {
			return err
		}
	}
	p := &push{Store: s, ref: named, repository: reference.TrimNamed(named), out: &reporter{send: opts.Progress}}
	p.out.message("", "The push refers to repository ["+p.repository.Name()+"]")
	if err := p.find(); err != nil {
		return err
	}
	defer p.holding.release()
	return pushError(p.run(ctx, opts.Auth))
}

// push is one call of Push.
type push struct {
	*Store
	ref, repository reference.Named
	out             *reporter
	holding         *holding
	images          []pushImage

	sent sentLayers
}

// pushImage is a tag to be pushed.
type pushImage struct {
	*Image
	tag reference.NamedTagged
}

// find looks up what is to be pushed, and holds its layers.
func (p *push) find() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	refs := p.Store.repository(p.repository)
	if len(refs) == 0 {
		return errdefs.ErrNotFound.WithMessage("An image does not exist locally with the tag: " + reference.FamiliarName(p.repository))
	}
	add := func(ref reference.Named) bool {
		tagged, ok := ref.(reference.NamedTagged)
		r := p.Store.images[p.refs[refString(ref)]]
		if ok && r != nil {
			p.images = append(p.images, pushImage{p.snapshot(r), tagged})
		}
		return ok && r != nil
	}
	switch _, tagged := p.ref.(reference.NamedTagged); {
	case tagged:
		if !add(p.ref) {
			return errdefs.ErrNotFound.WithMessage("tag does not exist: " + reference.FamiliarString(p.ref))
		}
	case !reference.IsNameOnly(p.ref):
		return errdefs.ErrInvalidArgument.WithMessage("cannot push a digest reference")
	default:
		for _, ref := range refs {
			add(ref)
		}
		if len(p.images) == 0 {
			return errdefs.ErrNotFound.WithMessage("no tags to push for " + reference.FamiliarName(p.repository))
		}
	}
	p.holding = &holding{store: p.Store}
	for _, img := range p.images {
		p.holding.add(img.DiffIDs()...)
	}
	return nil
}

// run asks the addresses of the registry in turn, but for its mirrors; only one that does not answer leads to the next.
func (p *push) run(ctx context.Context, auth *registry.AuthConfig) error {
	endpoints, err := p.registries.endpoints(reference.Domain(p.repository))
	if err != nil {
		return err
	}
	scopes, err := p.scopes()
	if err != nil {
		return err
	}
	for _, e := range endpoints {
		if e.mirror {
			continue
		}
		repo, connectErr := connect(ctx, e, p.ref, auth, scopes...)
		if err = connectErr; err != nil {
			if ctx.Err() != nil {
				return err
			}
			p.log.Info("image: trying the next address of the registry", "reference", p.ref.String(), "failed", e.url(""), "error", err)
			continue
		}
		defer repo.close()
		for _, img := range p.images {
			if err := p.image(ctx, repo, img); err != nil {
				return err
			}
		}
		return nil
	}
	return err
}

// scopes are what a token must allow: to push, and to read where layers may be mounted from.
func (p *push) scopes() ([]string, error) {
	scopes := []string{"repository:" + reference.Path(p.repository) + ":pull,push"}
	asked := map[string]bool{p.repository.Name(): true}
	for _, img := range p.images {
		for _, id := range img.DiffIDs() {
			known, err := p.knownBlobs(id)
			if err != nil {
				return nil, err
			}
			for _, b := range known {
				if from := p.neighbour(b.Repository); from != "" && !asked[b.Repository] && len(scopes) <= maxMounts {
					asked[b.Repository] = true
					scopes = append(scopes, "repository:"+from+":pull")
				}
			}
		}
	}
	return scopes, nil
}

// neighbour is the path of another repository in the same registry, "" for any other.
func (p *push) neighbour(repository string) string {
	named, err := reference.ParseNormalizedNamed(repository)
	if err != nil || named.Name() == p.repository.Name() || reference.Domain(named) != reference.Domain(p.repository) {
		return ""
	}
	return reference.Path(named)
}

const (
	typeSchema2Layer = "application/vnd.docker.image.rootfs.diff.tar.gzip"
	maxMounts        = 4 // repositories that are tried for a layer
)

// pushManifest is a manifest in the order and form of dockerd's, so that an image has the same digest whoever pushes it.
type pushManifest struct {
	SchemaVersion int             `json:"schemaVersion"`
	MediaType     string          `json:"mediaType"`
	Config        archiveSource   `json:"config"`
	Layers        []archiveSource `json:"layers"`
}

// image pushes one tag: its layers, its configuration, its manifest.
func (p *push) image(ctx context.Context, repo *repository, img pushImage) error {
	layers, err := p.layers(ctx, repo, img.DiffIDs())
	if err != nil {
		return err
	}
	if err := repo.put(ctx, img.ID, img.Config); err != nil {
		return err
	}
	m := pushManifest{SchemaVersion: 2, MediaType: typeSchema2, Layers: []archiveSource{},
		Config: archiveSource{typeSchema2Config, int64(len(img.Config)), img.ID}}
	for _, l := range layers {
		m.Layers = append(m.Layers, archiveSource{l.MediaType, l.Size, l.Digest})
	}
	data, err := json.MarshalIndent(m, "", "   ")
	if err != nil {
		return err
	}
	if err := repo.putManifest(ctx, img.tag.Tag(), m.MediaType, data); err != nil {
		return err
	}
	d := digest.FromBytes(data)
	p.out.message("", fmt.Sprintf("%s: digest: %s size: %d", img.tag.Tag(), d, len(data)))
	if err := p.addDigest(ctx, img, d); err != nil {
		return err
	}
	p.out.report(Progress{Pushed: &Pushed{Tag: img.tag.Tag(), Digest: d, Size: len(data)}})
	return nil
}

// addDigest names the image by its digest in the repository, if it is still there.
func (p *push) addDigest(ctx context.Context, img pushImage, d digest.Digest) error {
	ref, err := reference.WithDigest(p.repository, d)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if r := p.Store.images[img.ID]; r == nil || r.Detached || p.refs[refString(ref)] == img.ID {
		return nil
	}
	if err := p.state.Update(ctx, state.Put(refKey+refString(ref), []byte(img.ID))); err != nil {
		return fmt.Errorf("name image %s: %w", img.ID, err)
	}
	p.refs[refString(ref)] = img.ID
	return nil
}

// pushError gives an error of a push dockerd's text, which does not say what was asked.
func pushError(err error) error {
	var status *statusError
	if errors.As(err, &status) {
		return status
	}
	var request *url.Error
	switch {
	case errors.Is(err, errNoBasicAuth):
		return errNoBasicAuth
	case errors.As(err, &request) && request.Op != "Get":
		return request.Err
	}
	return err
}

// sentLayers are the layers that the repository surely has.
type sentLayers map[digest.Digest]ocispec.Descriptor
