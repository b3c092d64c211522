package image

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// entry is a file of an archive.
type entry struct {
	name string
	data []byte
}

// unpack reads an archive whole.
func unpack(t *testing.T, archive []byte) (entries []entry) {
	t.Helper()
	in := tar.NewReader(bytes.NewReader(archive))
	for {
		h, err := in.Next()
		if err == io.EOF {
			return entries
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, entry{h.Name, data})
	}
}

// pack is the reverse of unpack; a name ending in a slash is a directory.
func pack(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var files []string
	for _, e := range entries {
		if !strings.HasSuffix(e.name, "/") {
			files = append(files, e.name, string(e.data))
		}
	}
	return tarOf(t, files...)
}

func (s *testStore) save(t *testing.T, names ...string) []byte {
	t.Helper()
	var archive bytes.Buffer
	if _, err := s.SaveAll(t.Context(), &archive, SaveOptions{Names: names}); err != nil {
		t.Fatal(err)
	}
	return archive.Bytes()
}

// load returns what docker load prints, and the lines of progress of layers each once.
func (s *testStore) load(archive []byte, platform string, quiet bool) (text string, lines []string, err error) {
	a, err := s.OpenArchive(context.Background(), bytes.NewReader(archive), platform)
	if err != nil {
		return "", nil, err
	}
	_, err = a.Load(context.Background(), LoadOptions{Quiet: quiet, Progress: func(p Progress) {
		text += p.Text
		if line := p.ID + ": " + p.Status; p.Text == "" && !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}})
	return text, lines, errors.Join(err, a.Close())
}

// TestSave reads what is saved with another implementation, as Docker's archive and as an OCI layout.
func TestSave(t *testing.T) {
	reg := newRegistry(t)
	s := newStore(t, t.TempDir(), nil)
	twice := tarOf(t, "twice", noise(3000))
	reg.push(t, "app", "latest", testImage{layers: [][]byte{twice, tarOf(t, "other", noise(10)), twice}, cmd: "one"})
	img := s.mustPull(t, reg.at("app"))
	archive := s.save(t, img.ID.String())
	read, err := tarball.Image(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive)), nil }, nil)
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

	files := map[string][]byte{}
	for _, e := range unpack(t, archive) {
		files[e.name] = e.data
	}
	var index ocispec.Index
	if err := json.Unmarshal(files["index.json"], &index); err != nil || len(index.Manifests) != 1 {
		t.Fatalf("index.json: %v, %s", err, files["index.json"])
	}
	var m ocispec.Manifest
	if err := json.Unmarshal(files[blobName(index.Manifests[0].Digest)], &m); err != nil || m.Config.Digest != img.ID || len(m.Layers) != 3 {
		t.Fatalf("manifest: %v, %+v", err, m)
	}
	for _, d := range append(m.Layers, m.Config, index.Manifests[0]) {
		if blob := files[blobName(d.Digest)]; digest.FromBytes(blob) != d.Digest || int64(len(blob)) != d.Size {
			t.Errorf("blob %s has %d bytes, want %d, and the digest %s", d.Digest, len(blob), d.Size, digest.FromBytes(blob))
		}
	}
}

// TestSaveNames: which images a name means, and which names they have in the archive.
func TestSaveNames(t *testing.T) {
	reg := newRegistry(t)
	s := newStore(t, t.TempDir(), nil)
	for _, tag := range []string{"1", "2"} {
		reg.push(t, "app", tag, testImage{layers: [][]byte{tarOf(t, "f", tag)}, cmd: tag})
		s.mustPull(t, reg.at("app:"+tag))
		if _, err := s.Tag(t.Context(), reg.at("app:"+tag), "mine", tag); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Delete(t.Context(), reg.at("app:"+tag), DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	one, err := s.Resolve("mine:1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Tag(t.Context(), "mine:1", "other", ""); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		names []string
		want  string
	}{
		{[]string{"mine:1"}, `[["mine:1"]]`},
		{[]string{"mine:2", "mine:1"}, `[["mine:2"],["mine:1"]]`},
		{[]string{"mine"}, `[["mine:1"],["mine:2"]]`},
		{[]string{"other", "mine:1", "other:latest"}, `[["other:latest","mine:1"]]`},
		{[]string{one.ID.Encoded()[:12]}, `[null]`},
		{[]string{one.ID.String(), "mine:2"}, `[null,["mine:2"]]`},
	} {
		var list []archiveManifest
		for _, e := range unpack(t, s.save(t, c.names...)) {
			if e.name == archiveManifestName {
				if err := json.Unmarshal(e.data, &list); err != nil {
					t.Fatal(err)
				}
			}
		}
		var tags [][]string
		for _, m := range list {
			tags = append(tags, m.RepoTags)
		}
		if got, _ := json.Marshal(tags); string(got) != c.want {
			t.Errorf("save %v has %s, want %s", c.names, got, c.want)
		}
	}
	for name, want := range map[string]string{"nosuch": "No such image: nosuch", "mine:3": "reference does not exist"} {
		if _, err := s.SaveAll(t.Context(), io.Discard, SaveOptions{Names: []string{"mine:1", name}}); !errdefs.IsNotFound(err) || err.Error() != want {
			t.Errorf("save %s: %v", name, err)
		}
	}
	if _, err := s.SaveAll(t.Context(), io.Discard, SaveOptions{Names: []string{"mine"}, Platform: "linux/s390x"}); !errdefs.IsNotFound(err) || err.Error() != "no suitable export target found for platform linux/s390x" {
		t.Errorf("save for another platform: %v", err)
	}
	if len(s.held) != 0 {
		t.Errorf("layers are still held: %v", s.held)
	}
}
