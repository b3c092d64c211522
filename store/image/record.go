package image

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/distribution/reference"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/opencontainers/go-digest"
)

// Image is an image as it was when it was asked for; later changes of its tags don't show.
type Image struct {
	ID          digest.Digest // of the configuration
	Config      []byte        // the configuration as the registry gave it
	Spec        dockerspec.DockerOCIImage
	Comment     string        // of the configuration; not in Spec
	Version     string        // docker_version of the configuration; not in Spec
	Parent      digest.Digest // the image that it was made on top of here, while that is here; "" for none
	HasChildren bool          // others were made on top of it here; of a List only
	RepoTags    []string      // familiar, in the order of their full names: "busybox:latest"
	RepoDigests []string      // likewise: "busybox@sha256:…"
	LastTagged  time.Time
	LayerSizes  []int64 // bytes of each layer's files, lowest first
	Size        int64   // their sum
}

// DiffIDs are the digests of the uncompressed layers, lowest first.
func (i *Image) DiffIDs() []digest.Digest { return i.Spec.RootFS.DiffIDs }

// Created is the time in the configuration, or zero.
func (i *Image) Created() time.Time {
	if i.Spec.Created == nil {
		return time.Time{}
	}
	return *i.Spec.Created
}

// Keys of the state: "image/<id>" is a record, "image-ref/<reference>" an id.
const (
	imageKey = "image/"
	refKey   = "image-ref/"
)

// stored is the part of a record that the state keeps; everything else follows from the configuration.
type stored struct {
	Config     []byte    `json:"config"`
	LayerSizes []int64   `json:"layerSizes"`
	LastTagged time.Time `json:"lastTagged"`
	// Parent is the image that this one was made on top of here.
	Parent digest.Digest `json:"parent,omitempty"`
	// Detached is an image that was deleted by force while containers had it: no reference finds it, its layers stay.
	Detached bool `json:"detached,omitempty"`
}

// record is an image in memory.
type record struct {
	stored
	id     digest.Digest
	spec   dockerspec.DockerOCIImage
	beside struct { // what the configuration has besides spec
		Comment string `json:"comment"`
		Version string `json:"docker_version"`
	}
}

func (r *record) diffIDs() []digest.Digest { return r.spec.RootFS.DiffIDs }

func newRecord(s stored) (*record, error) {
	r := &record{stored: s, id: digest.FromBytes(s.Config)}
	if err := json.Unmarshal(s.Config, &r.spec); err != nil {
		return nil, fmt.Errorf("configuration of image %s: %w", r.id, err)
	}
	if err := json.Unmarshal(s.Config, &r.beside); err != nil {
		return nil, fmt.Errorf("configuration of image %s: %w", r.id, err)
	}
	return r, nil
}

// load fills the maps from the state.
func (s *Store) load() error {
	err := s.state.Scan(imageKey, func(key string, value []byte) error {
		var st stored
		if err := json.Unmarshal(value, &st); err != nil {
			return fmt.Errorf("record %s: %w", key, err)
		}
		r, err := newRecord(st)
		if err != nil {
			return err
		}
		s.images[r.id] = r
		return nil
	})
	if err != nil {
		return err
	}
	return s.state.Scan(refKey, func(key string, value []byte) error {
		id := digest.Digest(value)
		if s.images[id] == nil {
			return fmt.Errorf("reference %s points to the missing image %s", key, id)
		}
		s.refs[strings.TrimPrefix(key, refKey)] = id
		return nil
	})
}

// references lists the names of an image, in ascending order. Called with mu held.
func (s *Store) references(id digest.Digest) []reference.Named {
	var keys []string
	for key, other := range s.refs {
		if other == id {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	named := make([]reference.Named, 0, len(keys))
	for _, key := range keys {
		// What is in the map came out of the parser.
		if n, err := reference.ParseNormalizedNamed(key); err == nil {
			named = append(named, n)
		}
	}
	return named
}

// snapshot is the image of a record. Called with mu held.
func (s *Store) snapshot(r *record) *Image {
	img := &Image{
		ID: r.id, Config: r.Config, Spec: r.spec, LastTagged: r.LastTagged, LayerSizes: r.LayerSizes,
		Parent: s.parent(r), Comment: r.beside.Comment, Version: r.beside.Version, RepoTags: []string{}, RepoDigests: []string{},
	}
	for _, n := range r.LayerSizes {
		img.Size += n
	}
	for _, ref := range s.references(r.id) {
		if _, ok := ref.(reference.Canonical); ok {
			img.RepoDigests = append(img.RepoDigests, reference.FamiliarString(ref))
		} else {
			img.RepoTags = append(img.RepoTags, reference.FamiliarString(ref))
		}
	}
	return img
}

// parent is the image that a record was made on top of, where that is still here. Called with mu held.
func (s *Store) parent(r *record) digest.Digest {
	if p := s.images[r.Parent]; p == nil || p.Detached {
		return ""
	}
	return r.Parent
}
