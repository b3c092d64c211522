package image

import (
	"context"
	"fmt"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/moby/moby/api/types/registry"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// PullOptions of [Store.Pull].
type PullOptions struct {
	Reference string               // name[:tag|@digest]; the tag defaults to latest
	Platform  string               // os[/arch[/variant]]; empty: linux on this machine's processor
	Auth      *registry.AuthConfig // of X-Registry-Auth; nil: none
	Progress  func(Progress)       // called from several goroutines, never at the same time, never after the return
}

// Pull brings an image and gives it its name. What is here already is not downloaded again; a pull that is broken off
// is resumed by the next one. Errors have dockerd's texts and classes; before the first line of progress nothing has
// been sent that keeps the caller from answering with a status.
func (s *Store) Pull(ctx context.Context, opts PullOptions) (*Image, error) {
	named, err := reference.ParseNormalizedNamed(opts.Reference)
	if err != nil {
		return nil, errdefs.ErrInvalidArgument.WithMessage(err.Error())
	}
	named = reference.TagNameOnly(named)
	platforms, err := wanted(opts.Platform)
	if err != nil {
		return nil, err
	}
	p := &pull{Store: s, ref: named, requested: opts.Platform, platforms: platforms, out: &reporter{send: opts.Progress}}
	if refString(named) == baseRef {
		return p.base(ctx)
	}
	if isRyuk(named) {
		return p.ryuk(ctx)
	}
	img, err := p.run(ctx, opts.Auth)
	if err != nil {
		return nil, pullError(err, named)
	}
	return img, nil
}

// pull is one call of Pull.
type pull struct {
	*Store
	ref       reference.Named
	requested string
	platforms []ocispec.Platform
	out       *reporter
	holding   *holding
}

// run asks the endpoints in turn. Only a mirror may fail in any way; of the registry itself only an address that does
// not answer leads to the next.
func (p *pull) run(ctx context.Context, auth *registry.AuthConfig) (*Image, error) {
	endpoints, err := p.registries.endpoints(reference.Domain(p.ref))
	if err != nil {
		return nil, err
	}
	for i, e := range endpoints {
		var img *Image
		repo, connectErr := connect(ctx, e, p.ref, auth)
		if err = connectErr; err == nil {
			img, err = p.from(ctx, repo)
			repo.close()
		}
		last := i == len(endpoints)-1
		if err == nil || ctx.Err() != nil || last || connectErr == nil && !e.mirror {
			return img, err
		}
		p.log.Info("image: trying the next address of the registry", "reference", p.ref.String(), "failed", e.url(""), "error", err)
	}
	return nil, err
}

// from pulls from a repository.
func (p *pull) from(ctx context.Context, repo *repository) (*Image, error) {
	p.holding = p.hold()
	defer p.holding.release()
	what := tagOrDigest(p.ref)
	if _, canonical := p.ref.(reference.Canonical); !canonical {
		current, err := repo.digest(ctx, what)
		if err != nil {
			return nil, err
		}
		if r := p.upToDate(current); r != nil {
			p.out.message(what, "Pulling from "+reference.Path(p.ref))
			return p.finish(ctx, r, current)
		}
	}
	body, dgst, mediaType, err := repo.manifest(ctx, what)
	if err != nil {
		return nil, err
	}
	entries, isIndex, err := parseIndex(mediaType, body)
	if err != nil {
		return nil, err
	}
	if isIndex {
		p.out.message(what, "Pulling from "+reference.Path(p.ref))
		chosen, err := choose(p.platforms, entries)
		if err != nil {
			return nil, err
		}
		if body, _, mediaType, err = repo.manifest(ctx, chosen.Digest.String()); err != nil {
			return nil, err
		}
	}
	m, err := parseManifest(mediaType, body)
	if err != nil {
		return nil, err
	}
	if !isIndex {
		// Only now: what is no image at all is refused with a status.
		p.out.message(what, "Pulling from "+reference.Path(p.ref))
	}
	r := p.known(m.Config.Digest)
	if r == nil {
		if r, err = p.download(ctx, repo, m); err != nil {
			return nil, err
		}
	}
	if err := p.noteBlobs(ctx, p.ref.Name(), gzipBlobs(m.Layers, r.diffIDs())); err != nil {
		return nil, err
	}
	return p.finish(ctx, r, dgst)
}

// gzipBlobs are the layers, by diff id, that are compressed with gzip as a push would.
func gzipBlobs(layers []ocispec.Descriptor, diffIDs []digest.Digest) map[digest.Digest]digest.Digest {
	blobs := map[digest.Digest]digest.Digest{}
	for i, l := range layers {
		if i < len(diffIDs) && (l.MediaType == typeSchema2Layer || l.MediaType == ocispec.MediaTypeImageLayerGzip) {
			blobs[diffIDs[i]] = l.Digest
		}
	}
	return blobs
}

// tagOrDigest is what a reference asks a repository for.
func tagOrDigest(ref reference.Named) string {
	if canonical, ok := ref.(reference.Canonical); ok {
		return canonical.Digest().String()
	}
	if tagged, ok := ref.(reference.Tagged); ok {
		return tagged.Tag()
	}
	return "latest"
}

// upToDate returns the image that has the reference already, where the registry still means that one by it.
func (p *pull) upToDate(current digest.Digest) *record {
	if current == "" {
		return nil
	}
	byDigest, err := reference.WithDigest(reference.TrimNamed(p.ref), current)
	if err != nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	id, ok := p.refs[refString(p.ref)]
	r := p.images[id]
	if !ok || p.refs[refString(byDigest)] != id || matches(p.platforms[0], r.spec.Platform) != exactly {
		return nil
	}
	p.holding.add(r.diffIDs()...)
	return r
}

// known returns the image of a configuration that is here already, detached or not, and holds its layers.
func (p *pull) known(id digest.Digest) *record {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.images[id]
	if r == nil {
		return nil
	}
	p.holding.add(r.diffIDs()...)
	return r
}

// finish names the image, whose layers are held, and says how it ended.
func (p *pull) finish(ctx context.Context, r *record, dgst digest.Digest) (*Image, error) {
	names := []reference.Named{p.ref}
	byDigest, err := reference.WithDigest(reference.TrimNamed(p.ref), dgst)
	if err != nil {
		return nil, err
	}
	if refString(p.ref) != refString(byDigest) {
		names = append(names, byDigest)
	}
	p.mu.Lock()
	newer := p.refs[refString(p.ref)] != r.id
	if newer || p.refs[refString(byDigest)] != r.id || p.images[r.id] == nil {
		err = p.setRefs(ctx, r, names...)
	}
	img := p.snapshot(r)
	p.mu.Unlock()
	if err != nil {
		return nil, err
	}
	p.out.message("", "Digest: "+dgst.String())
	status := "Status: Image is up to date for "
	if newer {
		status = "Status: Downloaded newer image for "
	}
	p.out.message("", status+reference.FamiliarString(p.ref))
	if p.requested != "" && matches(p.platforms[0], img.Spec.Platform) == 0 {
		p.out.message("", fmt.Sprintf("WARNING: image with reference %s was found but its platform (%s) does not match the specified platform (%s)",
			reference.FamiliarString(p.ref), formatPlatform(img.Spec.Platform), formatPlatform(p.platforms[0])))
	}
	return img, nil
}
