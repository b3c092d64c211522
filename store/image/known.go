package image

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/containerd/errdefs"
	"github.com/opencontainers/go-digest"

	"github.com/sockerless/sockerless/store/state"
)

// blobKey is the beginning of the keys "layer-blob/<diff id>", whose values are lists of knownBlob.
const blobKey = "layer-blob/"

// knownBlob is a layer as a repository has, or once had it, compressed with gzip: a push of the layer need not send it there again,
// nor to another repository of the registry.
type knownBlob struct {
	Digest     digest.Digest `json:"digest"`
	Repository string        `json:"repository"` // with its registry
}

// maxKnownBlobs bounds what is kept of a layer, as dockerd does.
const maxKnownBlobs = 50

// knownBlobs lists what is known of a layer, the newest first.
func (s *Store) knownBlobs(diffID digest.Digest) ([]knownBlob, error) {
	value, err := s.state.Get(blobKey + diffID.String())
	if errdefs.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var known []knownBlob
	if err := json.Unmarshal(value, &known); err != nil {
		return nil, fmt.Errorf("record of the blobs of layer %s: %w", diffID, err)
	}
	return known, nil
}

// noteBlobs remembers where layers are.
func (s *Store) noteBlobs(ctx context.Context, repository string, blobs map[digest.Digest]digest.Digest) error {
	s.noting.Lock()
	defer s.noting.Unlock()
	var changes []state.Change
	for diffID, d := range blobs {
		known, err := s.knownBlobs(diffID)
		if err != nil {
			return err
		}
		next := []knownBlob{{d, repository}}
		if len(known) > 0 && known[0] == next[0] {
			continue
		}
		for _, k := range known {
			if k != next[0] && len(next) < maxKnownBlobs {
				next = append(next, k)
			}
		}
		value, err := json.Marshal(next)
		if err != nil {
			return err
		}
		changes = append(changes, state.Put(blobKey+diffID.String(), value))
	}
	if len(changes) == 0 {
		return nil
	}
	return s.state.Update(ctx, changes...)
}

// forgottenBlobs are the changes that forget what is known of layers that are not needed.
func (s *Store) forgottenBlobs(needed map[digest.Digest]bool) (changes []state.Change, err error) {
	err = s.state.Scan(blobKey, func(key string, _ []byte) error {
		if !needed[digest.Digest(key[len(blobKey):])] {
			changes = append(changes, state.Delete(key))
		}
		return nil
	})
	return changes, err
}
