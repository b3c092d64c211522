package image

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
)

// Resolve finds an image by name (the tag defaults to latest), name@digest, id, or the unambiguous beginning of an id.
// Errors: errdefs.ErrNotFound with dockerd's "No such image: NAME", errdefs.ErrInvalidArgument for a malformed name.
func (s *Store) Resolve(ref string) (*Image, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r, err := s.lookup(ref)
	if err != nil {
		return nil, err
	}
	return s.snapshot(r), nil
}

// ResolveFor is Resolve of an image that must be for a platform, os[/arch[/variant]]; "" is any. Errors: errdefs.ErrNotFound also
// where it is for another one.
func (s *Store) ResolveFor(ref, platform string) (*Image, error) {
	img, err := s.Resolve(ref)
	if err != nil || platform == "" {
		return img, err
	}
	want, err := parsePlatform(platform)
	if err != nil {
		return nil, err
	}
	if matches(want, img.Spec.Platform) == 0 {
		return nil, errdefs.ErrNotFound.WithMessage(fmt.Sprintf(
			"image with reference %s was found but its platform (%s) does not match the specified platform (%s)", familiar(ref), formatPlatform(img.Spec.Platform), formatPlatform(want)))
	}
	return img, nil
}

// familiar is a name as people write it, where it is the whole of one.
func familiar(ref string) string {
	if named, err := reference.ParseNamed(ref); err == nil {
		return reference.FamiliarString(named)
	}
	return ref
}

// List returns all images, the newest first.
func (s *Store) List() []*Image {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var all []*Image
	parents := map[digest.Digest]bool{}
	for _, r := range s.images {
		if !r.Detached {
			all = append(all, s.snapshot(r))
			parents[r.Parent] = true
		}
	}
	for _, img := range all {
		img.HasChildren = parents[img.ID]
	}
	slices.SortFunc(all, func(a, b *Image) int {
		return cmp.Or(b.Created().Compare(a.Created()), strings.Compare(a.ID.String(), b.ID.String()))
	})
	return all
}

// lookup is Resolve in the order of moby's ImageService.GetImage: a name wins over the beginning of an id. Called with
// mu held.
func (s *Store) lookup(ref string) (*record, error) {
	parsed, err := reference.ParseAnyReference(ref)
	if err != nil {
		return nil, errdefs.ErrInvalidArgument.WithMessage(err.Error())
	}
	if named, ok := parsed.(reference.Named); ok {
		parsed = reference.TagNameOnly(named)
		if id, ok := s.refs[refString(named)]; ok {
			return s.images[id], nil
		}
	}
	if r := s.search(ref); r != nil {
		return r, nil
	}
	return nil, errdefs.ErrNotFound.WithMessage("No such image: " + reference.FamiliarString(parsed))
}

func noSuchImage(id digest.Digest) error {
	return errdefs.ErrNotFound.WithMessage("No such image: " + id.String())
}

// search finds the one image whose id begins with prefix, which may be written with its algorithm.
func (s *Store) search(prefix string) *record {
	hex := strings.TrimPrefix(prefix, digest.SHA256.String()+":")
	if hex == "" {
		return nil
	}
	var found *record
	for id, r := range s.images {
		if r.Detached || !strings.HasPrefix(id.Encoded(), hex) {
			continue
		}
		if found != nil {
			return nil
		}
		found = r
	}
	return found
}

// refString is a reference as the maps and the state have it: with a tag or a digest, not both, as a pull of both is
// one of the digest.
func refString(named reference.Named) string {
	if canonical, ok := named.(reference.Canonical); ok {
		if bare, err := reference.WithDigest(reference.TrimNamed(named), canonical.Digest()); err == nil {
			return bare.String()
		}
	}
	return reference.TagNameOnly(named).String()
}

// isIDPrefix tells whether ref is the beginning of id, with or without its algorithm.
func isIDPrefix(id digest.Digest, ref string) bool {
	return strings.HasPrefix(id.String(), ref) || strings.HasPrefix(id.Encoded(), ref)
}

// short cuts an id, with or without its algorithm, to the twelve digits that people see.
func short(id string) string {
	_, hex, ok := strings.Cut(id, ":")
	if !ok {
		hex = id
	}
	return hex[:min(12, len(hex))]
}
