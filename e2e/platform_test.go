package e2e

import (
	"archive/tar"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"
)

// platformIndex is an index with an image for each platform, whose /platform names it.
func platformIndex(t *testing.T, platforms ...v1.Platform) v1.ImageIndex {
	t.Helper()
	index := v1.ImageIndex(empty.Index)
	for _, p := range platforms {
		img := layeredImage(t, p, v1.Config{Cmd: []string{"cat", "/platform"}, Env: []string{"PATH=/bin"}},
			layerTar(t, append(programs("cat"), file("platform", 0o644, p.String()))...))
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &p}})
	}
	return index
}

func TestIndexOfPlatforms(t *testing.T) {
	s, f := runningServer(t), newFaulty(t)
	image := f.host + "/multi:v1"
	ref, err := name.ParseReference(image, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	index := platformIndex(t, linuxAMD64, v1.Platform{OS: "linux", Architecture: "arm64"}, v1.Platform{OS: "linux", Architecture: "arm", Variant: "v7"})
	if err := remote.WriteIndex(ref, index); err != nil {
		t.Fatal(err)
	}
	for platform, architecture := range map[string]string{"linux/amd64": "amd64", "linux/arm64": "arm64", "linux/arm64/v8": "arm64", "linux/arm/v7": "arm"} {
		s.ok(t, "pull", "--platform", platform, image)
		if got, want := s.ok(t, "image", "inspect", "-f", "{{.Os}}/{{.Architecture}}", image), "linux/"+architecture; got != want {
			t.Errorf("pull --platform %s: the image is for %s", platform, got)
		}
		id := s.ok(t, "create", "--platform", platform, image)
		if got := contentOf(t, s, id, "/platform"); !strings.HasPrefix(got, "linux/"+architecture) {
			t.Errorf("--platform %s: /platform is %q", platform, got)
		}
		s.ok(t, "rm", id)
		s.ok(t, "rmi", image)
	}
	s.fails(t, 1, []string{"no matching manifest for linux/s390x"}, "pull", "--platform", "linux/s390x", image)
	s.fails(t, 1, []string{"nonsense"}, "pull", "--platform", "nonsense", image)
	if got := s.ok(t, "images", "-aq", f.host+"/multi"); got != "" {
		t.Errorf("an image is left: %q", got)
	}
	if got := s.ok(t, "run", "--rm", image); got != "linux/amd64" {
		t.Errorf("docker run without a platform ran the image for %q", got)
	}
}

// contentOf is a file of a container, by docker cp.
func contentOf(t *testing.T, s *server, container, path string) string {
	t.Helper()
	r := tar.NewReader(strings.NewReader(outcomeOf(t, s.docker(t, "cp", container+":"+path, "-")).stdout))
	if _, err := r.Next(); err != nil {
		t.Fatalf("docker cp %s: %v", path, err)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("docker cp %s: %v", path, err)
	}
	return string(data)
}

func TestZstdLayer(t *testing.T) {
	s, f := runningServer(t), newFaulty(t)
	plain := layerTar(t, append(programs("cat"), file("greeting", 0o644, "out of zstd\n"))...)
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	layer := zstdLayer{static.NewLayer(encoder.EncodeAll(plain, nil), types.OCILayerZStd), plain}
	img, err := mutate.Append(empty.Image, mutate.Addendum{Layer: layer, MediaType: types.OCILayerZStd})
	if err != nil {
		t.Fatal(err)
	}
	img = mutate.MediaType(img, types.OCIManifestSchema1)
	f.push(t, "zstd:v1", configured(t, img, linuxAMD64, v1.Config{Cmd: []string{"cat", "/greeting"}, Env: []string{"PATH=/bin"}}))
	s.ok(t, "pull", f.host+"/zstd:v1")
	if got := s.ok(t, "run", "--rm", f.host+"/zstd:v1"); got != "out of zstd" {
		t.Errorf("got %q", got)
	}
}

// zstdLayer is a layer whose tar is known beside its compressed form.
type zstdLayer struct {
	v1.Layer
	plain []byte
}

func (l zstdLayer) DiffID() (v1.Hash, error) {
	h, _, err := v1.SHA256(bytes.NewReader(l.plain))
	return h, err
}

func (l zstdLayer) Uncompressed() (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(l.plain)), nil
}

// TestLayersTogether pulls an image whose layers replace, hide and remove files of each other, and compares what a
// container sees, by `docker cp` of all of it, with what the specification says must be left.
func TestLayersTogether(t *testing.T) {
	s, f := runningServer(t), newFaulty(t)
	folder := func(name string, mode int64) entry {
		return entry{tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: mode}, nil}
	}
	link := func(kind byte, name, target string) entry {
		return entry{tar.Header{Name: name, Typeflag: kind, Linkname: target, Mode: 0o777}, nil}
	}
	owned := func(e entry, uid, gid int) entry { e.Uid, e.Gid = uid, gid; return e }
	lower := layerTar(t, folder("d/", 0o755),
		owned(file("d/owned", 0o4750, "owned"), 1000, 2000), file("d/removed", 0o644, "x"), file("d/replaced", 0o644, "old"),
		folder("d/opaque/", 0o755), file("d/opaque/lower", 0o644, "x"), folder("d/gone/", 0o755), file("d/gone/file", 0o644, "x"),
		file("d/first", 0o600, "linked"), link(tar.TypeLink, "d/second", "d/first"), link(tar.TypeSymlink, "d/sym", "first"),
		link(tar.TypeSymlink, "d/absolute", "/d/owned"), link(tar.TypeSymlink, "d/dangling", "nowhere"),
		folder("d/becomes-file/", 0o755), file("d/becomes-file/inside", 0o644, "x"), file("d/becomes-folder", 0o644, "x"),
		owned(folder("d/sticky/", 0o1777), 7, 8))
	upper := layerTar(t, folder("d/", 0o711),
		file("d/.wh.removed", 0o600, ""), file("d/replaced", 0o755, "new"), folder("d/opaque/", 0o755), file("d/opaque/.wh..wh..opq", 0o600, ""),
		file("d/opaque/upper", 0o644, "upper"), file("d/.wh.gone", 0o600, ""), file("d/becomes-file", 0o644, "now a file"),
		folder("d/becomes-folder/", 0o750), file("d/becomes-folder/inside", 0o644, "now inside"))
	third := layerTar(t, file("d/first", 0o640, "no longer linked"), folder("d/gone/", 0o700), file("d/gone/again", 0o644, "back"))
	f.push(t, "layers:v1", layeredImage(t, linuxAMD64, v1.Config{Cmd: []string{"cat"}, Env: []string{"PATH=/bin"}}, layerTar(t, programs("cat", "sh")...), lower, upper, third))
	id := s.ok(t, "create", "--pull", "always", f.host+"/layers:v1")
	got := tarListing(t, []byte(outcomeOf(t, s.docker(t, "cp", id+":/d", "-")).stdout))
	want := `d/ 5 711 0:0
d/absolute 2 777 0:0 /d/owned
d/becomes-file 0 644 0:0 now a file
d/becomes-folder/ 5 750 0:0
d/becomes-folder/inside 0 644 0:0 now inside
d/dangling 2 777 0:0 nowhere
d/first 0 640 0:0 no longer linked
d/gone/ 5 700 0:0
d/gone/again 0 644 0:0 back
d/opaque/ 5 755 0:0
d/opaque/upper 0 644 0:0 upper
d/owned 0 4750 1000:2000 owned
d/replaced 0 755 0:0 new
d/second 0 600 0:0 linked
d/sticky/ 5 1777 7:8
d/sym 2 777 0:0 first
`
	if got != want {
		t.Errorf("docker cp of the layers:\n%s", unifiedDiff(t, want, got))
	}
	if got := s.ok(t, "run", "--rm", f.host+"/layers:v1", "sh", "-c", "cat /d/absolute /d/sym /d/second; cat /d/removed /d/gone/file 2>/dev/null; echo $?"); got != "ownedno longer linkedlinked1" {
		t.Errorf("in the container: %q", got)
	}
}

// tarListing is a line for each entry of a tar: name, type, mode, owner, and the link's target or the contents.
func tarListing(t *testing.T, data []byte) string {
	t.Helper()
	var lines []string
	for r := tar.NewReader(bytes.NewReader(data)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			slices.Sort(lines)
			return strings.Join(lines, "")
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		line := fmt.Sprintf("%s %c %o %d:%d %s", h.Name, h.Typeflag, h.Mode&0o7777, h.Uid, h.Gid, cmp.Or(h.Linkname, string(body)))
		lines = append(lines, strings.TrimSuffix(line, " ")+"\n")
	}
}
