package image

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/sockerless/sockerless/store/state"
)

// Tag gives the image behind ref the name repo:tag, taken from another image where that had it. An empty tag is
// "latest". It returns the image with its new name. Errors: errdefs.ErrNotFound, errdefs.ErrInvalidArgument.
func (s *Store) Tag(ctx context.Context, ref, repo, tag string) (*Image, error) {
	target, err := parseTarget(repo, tag)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.lookup(ref)
	if err != nil {
		return nil, err
	}
	if err := s.setRefs(ctx, r, target); err != nil {
		return nil, fmt.Errorf("tag %s: %w", reference.FamiliarString(target), err)
	}
	return s.snapshot(r), nil
}

func parseTarget(repo, tag string) (reference.Named, error) {
	named, err := reference.ParseNormalizedNamed(repo)
	if err != nil {
		return nil, errdefs.ErrInvalidArgument.WithMessage(err.Error())
	}
	if _, ok := named.(reference.Digested); ok {
		return nil, errdefs.ErrInvalidArgument.WithMessage("refusing to create a tag with a digest reference")
	}
	if reference.FamiliarName(named) == digest.Canonical.String() {
		return nil, errdefs.ErrInvalidArgument.WithMessage("refusing to create an ambiguous tag using digest algorithm as name")
	}
	if tag == "" {
		return reference.TagNameOnly(named), nil
	}
	tagged, err := reference.WithTag(reference.TrimNamed(named), tag)
	if err != nil {
		return nil, errdefs.ErrInvalidArgument.WithMessage(err.Error())
	}
	return tagged, nil
}

// setRefs stores the record with names added, in one batch. Called with mu held.
func (s *Store) setRefs(ctx context.Context, r *record, names ...reference.Named) error {
	next := r.stored
	next.LastTagged = time.Now().UTC()
	next.Detached = false
	value, err := json.Marshal(next)
	if err != nil {
		return err
	}
	changes := []state.Change{state.Put(imageKey+r.id.String(), value)}
	for _, n := range names {
		changes = append(changes, state.Put(refKey+refString(n), []byte(r.id)))
	}
	if err := s.state.Update(ctx, changes...); err != nil {
		return err
	}
	r.stored = next
	s.images[r.id] = r
	for _, n := range names {
		s.refs[refString(n)] = r.id
	}
	return nil
}
