package image

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// create makes an image of one layer, named where name is not empty.
func (s *testStore) create(t *testing.T, parent digest.Digest, name, author string, tar []byte) *Image {
	t.Helper()
	c := Creation{Parent: parent, Tar: bytes.NewReader(tar), Config: func(_ *Image, diffIDs []digest.Digest, _ bool) ([]byte, error) {
		return json.Marshal(ocispec.Image{Author: author, RootFS: ocispec.RootFS{Type: "layers", DiffIDs: diffIDs}})
	}}
	if name != "" {
		named, err := reference.ParseNormalizedNamed(name)
		if err != nil {
			t.Fatal(err)
		}
		c.Name = reference.TagNameOnly(named)
	}
	img, err := s.Create(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// TestCreate: images on top of one another, which keep each other as Docker's do.
func TestCreate(t *testing.T) {
	s := newStore(t, t.TempDir(), nil)
	base := s.create(t, "", "base", "a", gzipped(tarOf(t, "a", "1")))
	middle := s.create(t, base.ID, "", "b", tarOf(t, "b", "2"))
	same := s.create(t, middle.ID, "top", "c", tarOf(t)) // nothing changed: no layer
	if len(middle.DiffIDs()) != 2 || len(same.DiffIDs()) != 2 || same.Parent != middle.ID || same.Size != 2 || middle.Size != 2 {
		t.Errorf("middle %v of %d bytes, top %v of %d bytes, its parent %s", middle.DiffIDs(), middle.Size, same.DiffIDs(), same.Size, same.Parent)
	}
	if _, err := s.Create(t.Context(), Creation{Parent: digest.FromString("nosuch"), Tar: bytes.NewReader(nil)}); !errdefs.IsNotFound(err) {
		t.Errorf("on top of nothing: %v", err)
	}
	if _, err := s.Create(t.Context(), Creation{Tar: bytes.NewReader(bytes.Repeat([]byte("x"), 2000))}); err == nil {
		t.Error("garbage was taken for a layer")
	}
	_, err := s.Delete(t.Context(), middle.ID.String(), DeleteOptions{Force: true})
	if want := "conflict: unable to delete " + short(middle.ID.String()) + " (cannot be forced) - image has dependent child images"; !errdefs.IsConflict(err) || err.Error() != want {
		t.Errorf("delete a parent: %v, want %s", err, want)
	}
	// A name of a parent can go; the nameless ones go with their last child.
	if done, err := s.Delete(t.Context(), "base", DeleteOptions{}); err != nil || len(done) != 1 {
		t.Errorf("untag a parent: %+v, %v", done, err)
	}
	done, err := s.Delete(t.Context(), "top", DeleteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var deleted []digest.Digest
	for _, d := range done {
		if d.Image != "" && d.Deleted != "" {
			deleted = append(deleted, d.Deleted)
		}
	}
	if len(deleted) != 3 || deleted[0] != same.ID || deleted[1] != middle.ID || deleted[2] != base.ID {
		t.Errorf("deleted %v", deleted)
	}
	if n := s.layerCount(t); n != 0 || len(s.held) != 0 || s.adding != 0 {
		t.Errorf("%d layers are left, held: %v, on their way: %d", n, s.held, s.adding)
	}
}

// TestDeleteKeepsParents is docker rmi --no-prune.
func TestDeleteKeepsParents(t *testing.T) {
	s := newStore(t, t.TempDir(), nil)
	base := s.create(t, "", "", "a", tarOf(t, "a", "1"))
	s.create(t, base.ID, "top", "b", tarOf(t, "b", "2"))
	if _, err := s.Delete(t.Context(), "top", DeleteOptions{KeepParents: true}); err != nil {
		t.Fatal(err)
	}
	if kept, err := s.Resolve(base.ID.String()); err != nil || kept.HasChildren {
		t.Errorf("the parent is %+v, %v", kept, err)
	}
}
