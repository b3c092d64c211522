package image

import (
	"bytes"
	"io"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/opencontainers/go-digest"
)

// TestSave reads what Save writes with another implementation: the same configuration, the same layers.
func TestSave(t *testing.T) {
	reg, dir := newRegistry(t), t.TempDir()
	s := newStore(t, dir, nil)
	twice := tarOf(t, "twice", noise(3000))
	reg.push(t, "app", "latest", testImage{layers: [][]byte{twice, tarOf(t, "other", noise(10)), twice}, cmd: "one"})
	img := s.mustPull(t, reg.at("app"))
	var archive bytes.Buffer
	if err := s.Save(t.Context(), img.ID, &archive); err != nil {
		t.Fatal(err)
	}
	read, err := tarball.Image(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive.Bytes())), nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	if name, err := read.ConfigName(); err != nil || name.String() != img.ID.String() {
		t.Errorf("id %s, %v, want %s", name, err, img.ID)
	}
	layers, err := read.Layers()
	if err != nil || len(layers) != 3 {
		t.Fatalf("%d layers, %v", len(layers), err)
	}
	for i, l := range layers {
		contents, err := l.Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		got, err := digest.FromReader(contents)
		if err != nil || got != img.DiffIDs()[i] {
			t.Errorf("layer %d is %s, %v, want %s", i, got, err, img.DiffIDs()[i])
		}
	}
}
