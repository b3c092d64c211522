package image

import (
	"context"
	"fmt"
	"io"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/sockerless/sockerless/store/layer"
)

// emptyLayer is the diff id of a tar without entries: Docker leaves such a layer out of an image.
const emptyLayer digest.Digest = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"

// Creation is an image to be made here.
type Creation struct {
	Parent digest.Digest // the image that it is made on top of; "" for none
	Tar    io.Reader     // its own layer, compressed or not
	// Config makes its configuration. diffIDs are the parent's, which may be nil, and that of its own layer, which is left out if it
	// is empty and there is a parent.
	Config func(parent *Image, diffIDs []digest.Digest, empty bool) ([]byte, error)
	Name   reference.Named // nil for none
}

// Create makes an image of a layer. Errors: errdefs.ErrNotFound for the parent; a *layer.FormatError for a bad tar.
func (s *Store) Create(ctx context.Context, c Creation) (*Image, error) {
	h, empty := s.hold(), false
	defer func() {
		h.release()
		if empty {
			s.discard(emptyLayer)
		}
	}()
	var parent *Image
	var below []digest.Digest
	if c.Parent != "" {
		s.mu.Lock()
		if r := s.images[c.Parent]; r != nil {
			parent, below = s.snapshot(r), r.diffIDs()
			h.add(below...)
		}
		s.mu.Unlock()
		if parent == nil {
			return nil, noSuchImage(c.Parent)
		}
	}
	own, err := s.addLayer(ctx, c.Tar, h)
	if err != nil {
		return nil, err
	}
	diffIDs := append(below[:len(below):len(below)], own)
	if own == emptyLayer && c.Parent != "" {
		diffIDs, empty = below, true
	}
	config, err := c.Config(parent, diffIDs, empty)
	if err != nil {
		return nil, err
	}
	var names []reference.Named
	if c.Name != nil {
		names = append(names, c.Name)
	}
	return s.register(ctx, config, c.Parent, names...)
}

// addLayer brings a layer whose diff id is not known before, and holds it.
func (s *Store) addLayer(ctx context.Context, r io.Reader, h *holding) (digest.Digest, error) {
	s.mu.Lock()
	s.adding++
	s.mu.Unlock()
	id, err := s.importLayer(ctx, r)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.adding--
	if err == nil {
		h.add(id)
	}
	return id, err
}

func (s *Store) importLayer(ctx context.Context, r io.Reader) (digest.Digest, error) {
	plain, err := decompress(r)
	if err != nil {
		return "", err
	}
	defer plain.Close()
	id, _, err := s.layers.Import(ctx, plain)
	return id, err
}

// register makes an image of a configuration whose layers are here and held, and gives it names.
func (s *Store) register(ctx context.Context, config []byte, parent digest.Digest, names ...reference.Named) (*Image, error) {
	r, err := newRecord(stored{Config: config, Parent: parent})
	if err != nil {
		return nil, err
	}
	if r.LayerSizes, err = s.layerSizes(r.diffIDs()); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.images[r.id]; known != nil {
		r = known
	}
	if err := s.setRefs(ctx, r, names...); err != nil {
		return nil, fmt.Errorf("store image %s: %w", r.id, err)
	}
	return s.snapshot(r), nil
}

// layerSizes are the numbers of bytes in the files of layers, as Docker counts an image's size.
func (s *Store) layerSizes(diffIDs []digest.Digest) ([]int64, error) {
	sizes := make([]int64, len(diffIDs))
	for i, d := range diffIDs {
		l, err := layer.Open(s.layers.Path(d))
		if err != nil {
			return nil, fmt.Errorf("size of layer %s: %w", d, err)
		}
		sizes[i] = l.Bytes()
		if err := l.Close(); err != nil {
			return nil, fmt.Errorf("size of layer %s: %w", d, err)
		}
	}
	return sizes, nil
}
