package image

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/moby/moby/api/types/registry"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Distribution asks the registry of a name, which is not pulled, what it has there: a manifest, and for which platforms that is.
func (s *Store) Distribution(ctx context.Context, ref string, auth *registry.AuthConfig) (registry.DistributionInspect, error) {
	var none registry.DistributionInspect
	parsed, err := reference.ParseAnyReference(ref)
	if err != nil {
		return none, errdefs.ErrInvalidArgument.WithMessage(err.Error())
	}
	named, ok := parsed.(reference.Named)
	if !ok {
		return none, errdefs.ErrUnknown.WithMessage("no manifest found for full image ID")
	}
	named = reference.TagNameOnly(named)
	endpoints, err := s.registries.endpoints(reference.Domain(named))
	if err != nil {
		return none, err
	}
	for _, e := range endpoints {
		repo, connectErr := connect(ctx, e, named, auth)
		if err = connectErr; err == nil {
			var found registry.DistributionInspect
			found, err = repo.inspect(ctx, tagOrDigest(named))
			repo.close()
			if err == nil || !e.mirror {
				return found, err
			}
		}
		if ctx.Err() != nil {
			break
		}
	}
	return none, err
}

// inspect describes a manifest.
func (r *repository) inspect(ctx context.Context, tagOrDigest string) (registry.DistributionInspect, error) {
	var found registry.DistributionInspect
	body, d, mediaType, err := r.manifest(ctx, tagOrDigest)
	if err != nil {
		return found, err
	}
	found.Descriptor = ocispec.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(body))}
	entries, isIndex, err := parseIndex(mediaType, body)
	if err != nil {
		return found, err
	}
	if isIndex {
		for _, m := range entries {
			if m.Platform != nil {
				found.Platforms = append(found.Platforms, *m.Platform)
			}
		}
		return found, nil
	}
	m, err := parseManifest(mediaType, body)
	if err != nil {
		return found, err
	}
	var p ocispec.Platform
	if err := r.config(ctx, m.Config, &p); err != nil {
		return found, err
	}
	if p.OS != "" || p.Architecture != "" {
		found.Platforms = append(found.Platforms, p)
	}
	return found, nil
}

// config reads a configuration into what is wanted of it.
func (r *repository) config(ctx context.Context, d ocispec.Descriptor, into any) error {
	resp, err := r.send(ctx, http.MethodGet, r.endpoint.url(r.path+"/blobs/"+d.Digest.String()), nil, "")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := r.check(resp); err != nil {
		return err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxConfig))
	if err != nil {
		return fmt.Errorf("image configuration: %w", err)
	}
	if got := d.Digest.Algorithm().FromBytes(body); got != d.Digest {
		return fmt.Errorf("image configuration: the registry sent %s for %s", got, d.Digest)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("image configuration: %w", err)
	}
	return nil
}
