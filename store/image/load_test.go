package image

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// source is a store with the images mine:1 and mine:2, which share a layer.
func source(t *testing.T) *testStore {
	t.Helper()
	reg := newRegistry(t)
	s := newStore(t, t.TempDir(), nil)
	base := tarOf(t, "base", noise(200_000))
	for _, tag := range []string{"1", "2"} {
		reg.push(t, "app", tag, testImage{layers: [][]byte{base, tarOf(t, "f", tag)}, cmd: tag})
		s.mustPull(t, reg.at("app:"+tag))
		if _, err := s.Tag(t.Context(), reg.at("app:"+tag), "mine", tag); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func TestLoad(t *testing.T) {
	from := source(t)
	archive := from.save(t, "mine")
	for name, compress := range map[string]func([]byte) []byte{"plain": plain, "gzip": gzipped, "zstd": zstandard} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t, t.TempDir(), nil)
			text, lines, err := s.load(compress(archive), "", false)
			if err != nil || text != "Loaded image: mine:1\nLoaded image: mine:2\n" {
				t.Fatalf("load: %v, %q", err, text)
			}
			var want []string
			for _, ref := range []string{"mine:1", "mine:2"} {
				img, err := from.Resolve(ref)
				if err != nil {
					t.Fatal(err)
				}
				got, err := s.Resolve(ref)
				if err != nil || got.ID != img.ID || !bytes.Equal(got.Config, img.Config) || got.Size != img.Size {
					t.Errorf("%s is %+v, %v, want %+v", ref, got, err, img)
				}
				dirs, err := s.Layers(got.ID)
				if err != nil {
					t.Fatal(err)
				}
				for i, dir := range dirs {
					if d := digest.FromBytes(readLayer(t, dir)); d != img.DiffIDs()[i] {
						t.Errorf("%s: layer %d is %s, want %s", ref, i, d, img.DiffIDs()[i])
					}
					if line := short(img.DiffIDs()[i].String()) + ": Loading layer"; !slices.Contains(want, line) {
						want = append(want, line)
					}
				}
			}
			wantLines(t, lines, want...)
			text, lines, err = s.load(archive, "", false)
			if err != nil || text != "Loaded image: mine:1\nLoaded image: mine:2\n" || len(lines) != 0 {
				t.Errorf("again: %v, %q, %v", err, text, lines)
			}
		})
	}
	s := newStore(t, t.TempDir(), nil)
	one, err := from.Resolve("mine:1")
	if err != nil {
		t.Fatal(err)
	}
	text, lines, err := s.load(from.save(t, one.ID.String()), "", true)
	if err != nil || text != "Loaded image ID: "+one.ID.String()+"\n" || len(lines) != 0 {
		t.Errorf("without a name: %v, %q, %v", err, text, lines)
	}
	two, err := from.Resolve("mine:2")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Tag(t.Context(), one.ID.String(), "mine", "2"); err != nil {
		t.Fatal(err)
	}
	text, _, err = s.load(from.save(t, "mine:2"), "", false)
	if want := "The image mine:2 already exists, renaming the old one with ID " + one.ID.String() + " to empty string\nLoaded image: mine:2\n"; err != nil || text != want {
		t.Errorf("in place of another: %v, %q", err, text)
	}
	if got, err := s.Resolve("mine:2"); err != nil || got.ID != two.ID {
		t.Errorf("mine:2 is %v, %v", got, err)
	}
	if got, err := s.Resolve(one.ID.String()); err != nil || len(got.RepoTags) != 0 {
		t.Errorf("the old mine:2 is %v, %v", got, err)
	}
}

// layoutOf is an OCI image layout of what a store has, without Docker's lists.
func layoutOf(t *testing.T, archive []byte) (files []entry, index ocispec.Index) {
	t.Helper()
	for _, e := range unpack(t, archive) {
		switch e.name {
		case archiveManifestName, archiveRepositoriesName:
		case ocispec.ImageIndexFile:
			if err := json.Unmarshal(e.data, &index); err != nil {
				t.Fatal(err)
			}
		default:
			files = append(files, e)
		}
	}
	return files, index
}

func asJSON(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestLoadLayout: an index of platforms with an attestation, as BuildKit exports it, names in several places.
func TestLoadLayout(t *testing.T) {
	from := source(t)
	files, index := layoutOf(t, from.save(t, "mine"))
	s := newStore(t, t.TempDir(), nil)
	text, _, err := s.load(pack(t, append(files, entry{"index.json", asJSON(t, index)})...), "", false)
	if err != nil || text != "Loaded image: mine:1\nLoaded image: mine:2\n" {
		t.Errorf("load: %v, %q", err, text)
	}

	here, err := wanted("")
	if err != nil {
		t.Fatal(err)
	}
	nested := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex}
	for i, p := range []ocispec.Platform{{OS: "linux", Architecture: "s390x"}, here[0], {OS: "unknown", Architecture: "unknown"}} {
		d := index.Manifests[min(i, 1)]
		d.Annotations, d.Platform = nil, &p
		if p.OS == "unknown" {
			d.Digest, d.Annotations = digest.FromString("not in the archive"), map[string]string{annotationReference: "attestation-manifest"}
		}
		nested.Manifests = append(nested.Manifests, d)
	}
	data := asJSON(t, nested)
	top := ocispec.Descriptor{MediaType: nested.MediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
	two, err := from.Resolve("mine:2")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"docker.io/library/built:x": "Loaded image: built:x\n", "example.com/built": "Loaded image: example.com/built:latest\n",
		"latest": "Loaded image ID: " + two.ID.String() + "\n",
	} {
		top.Annotations = map[string]string{ocispec.AnnotationRefName: name}
		all := append(slices.Clone(files), entry{blobName(top.Digest), data}, entry{"index.json", asJSON(t, ocispec.Index{Manifests: []ocispec.Descriptor{top}})})
		s := newStore(t, t.TempDir(), nil)
		if text, _, err := s.load(pack(t, all...), "", false); err != nil || text != want {
			t.Errorf("%s: %v, %q, want %q", name, err, text, want)
		}
		if _, _, err := s.load(pack(t, all...), "linux/riscv64", false); !errdefs.IsNotFound(err) || err.Error() != "the archive has no image for platform linux/riscv64" {
			t.Errorf("%s for a platform that is not there: %v", name, err)
		}
	}
}

// TestLoadRefuses: what is wrong with an archive is said, and nothing of it or of what was there is lost.
func TestLoadRefuses(t *testing.T) {
	from := source(t)
	good := unpack(t, from.save(t, "mine:1"))
	one, err := from.Resolve("mine:1")
	if err != nil {
		t.Fatal(err)
	}
	layers := one.DiffIDs()
	with := func(name string, data string) []byte {
		changed := slices.Clone(good)
		for i := range changed {
			if changed[i].name == name {
				changed[i].data = []byte(data)
			}
		}
		return pack(t, changed...)
	}
	without := func(names ...string) []byte {
		return pack(t, slices.DeleteFunc(slices.Clone(good), func(e entry) bool { return slices.Contains(names, e.name) })...)
	}
	whole := pack(t, good...)
	s := newStore(t, t.TempDir(), nil)
	if _, err := s.Tag(t.Context(), BaseName, "mine", "1"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what    string
		archive []byte
		want    string
	}{
		{"nothing", nil, "the archive has no list of images"},
		{"garbage", []byte(strings.Repeat("garbage ", 100)), "the archive is damaged or cut off: archive/tar: invalid tar header"},
		{"cut off", whole[:150_000], "the archive is damaged or cut off: unexpected EOF"},
		{"cut off, compressed", gzipped(whole)[:100_000], "the archive is damaged or cut off: unexpected EOF"},
		{"xz", []byte("\xfd7zXZ\x00...."), "compressed with xz"},
		{"no list", without(archiveManifestName, "index.json"), "neither manifest.json, as docker save writes it, nor index.json"},
		{"null", with(archiveManifestName, "null"), "invalid manifest, manifest cannot be null (but can be [])"},
		{"no JSON", with(archiveManifestName, "{"), "manifest.json of the archive: unexpected end of JSON input"},
		{"bad configuration", with(blobName(one.ID), `[]`), "configuration of image"},
		{"no root", with(blobName(one.ID), `{}`), "invalid image JSON, no RootFS key"},
		{"another system", with(blobName(one.ID), `{"os":"windows","rootfs":{"type":"layers","diff_ids":[]}}`), "cannot load windows image on"},
		{"too few layers", with(blobName(one.ID), `{"rootfs":{"type":"layers","diff_ids":["`+layers[0].String()+`"]}}`), "invalid manifest, layers length mismatch: expected 2, got 1"},
		{"no digest", with(blobName(one.ID), `{"rootfs":{"type":"layers","diff_ids":["sha256:../..","x"]}}`), `layer "sha256:../.."`},
		{"a missing layer", without(blobName(layers[1])), "the archive has no file"},
		{"another layer", with(blobName(layers[1]), string(tarOf(t, "g", "x"))), "invalid diffID for layer 1: expected"},
		{"a damaged layer", with(blobName(layers[1]), strings.Repeat("x", 2000)), "load layer 1"},
		{"a bad name", with(archiveManifestName, fmt.Sprintf(`[{"Config":%q,"RepoTags":["UP:x"],"Layers":[%q,%q]}]`, blobName(one.ID), blobName(layers[0]), blobName(layers[1]))), "must be lowercase"},
		{"a way out", with(archiveManifestName, `[{"Config":"../../../etc/passwd","Layers":[]}]`), `the archive has no file "../../../etc/passwd"`},
	} {
		text, _, err := s.load(c.archive, "", false)
		if err == nil || !strings.Contains(err.Error(), c.want) || text != "" {
			t.Errorf("%s: %v, %q, want %q", c.what, err, text, c.want)
		}
		if kept, err := s.Resolve("mine:1"); err != nil || kept.RepoTags[0] != "mine:1" {
			t.Errorf("%s: mine:1 is %v, %v", c.what, kept, err)
		}
	}
	if err := s.Collect(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if n := s.layerCount(t); n != 0 || len(s.held) != 0 || s.adding != 0 {
		t.Errorf("%d layers are left, held: %v, on their way: %d", n, s.held, s.adding)
	}
	left, err := filepath.Glob(filepath.Join(s.dir, "layers", "ingest-*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if text, _, err := s.load(whole, "", false); err != nil || !strings.HasSuffix(text, "Loaded image: mine:1\n") {
		t.Errorf("the good one: %v, %q", err, text)
	}
}

// TestLoadLinks: archives of Docker before 25 have a layer that images share once, and links to it.
func TestLoadLinks(t *testing.T) {
	from := source(t)
	one, err := from.Resolve("mine:1")
	if err != nil {
		t.Fatal(err)
	}
	dirs, err := from.Layers(one.ID)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "old.tar")
	if err := os.WriteFile(file, oldArchive(t, one, readLayer(t, dirs[0]), readLayer(t, dirs[1])), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := newStore(t, t.TempDir(), nil)
	a, err := s.OpenArchive(t.Context(), f, "")
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	loaded, err := a.Load(t.Context(), LoadOptions{})
	if err != nil || len(loaded) != 1 || loaded[0].ID != one.ID || !slices.Equal(loaded[0].RepoTags, []string{"old:1"}) {
		t.Errorf("load: %+v, %v", loaded, err)
	}
}

func oldArchive(t *testing.T, img *Image, base, own []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	add := func(h tar.Header, data []byte) {
		h.Mode, h.Size = 0o644, int64(len(data))
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	add(tar.Header{Typeflag: tar.TypeReg, Name: "a/layer.tar"}, base)
	add(tar.Header{Typeflag: tar.TypeSymlink, Name: "b/layer.tar", Linkname: "../a/layer.tar"}, nil)
	add(tar.Header{Typeflag: tar.TypeReg, Name: "c/layer.tar"}, own)
	add(tar.Header{Typeflag: tar.TypeReg, Name: "config.json"}, img.Config)
	list := []archiveManifest{{Config: "config.json", RepoTags: []string{"old:1"}, Layers: []string{"b/layer.tar", "c/layer.tar"}}}
	add(tar.Header{Typeflag: tar.TypeReg, Name: "manifest.json"}, asJSON(t, list))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
