package e2e

import (
	"archive/tar"
	"bytes"
	"io"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// layerTar is a layer's tar with these entries. An entry's size and, where it has none, its time are filled in.
func layerTar(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, e := range entries {
		h := e.Header
		h.Size = int64(len(e.data))
		if h.ModTime.IsZero() {
			h.ModTime = time.Unix(1_700_000_000, 0)
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(e.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

type entry struct {
	tar.Header
	data []byte
}

func file(name string, mode int64, data string) entry {
	return entry{tar.Header{Name: name, Mode: mode}, []byte(data)}
}

// programs are entries in /bin that the sandbox takes for native programs, and runs its own in place of.
func programs(names ...string) []entry {
	list := []entry{{tar.Header{Name: "bin/", Typeflag: tar.TypeDir, Mode: 0o755}, nil}}
	for _, n := range names {
		list = append(list, file("bin/"+n, 0o755, "\x7fELF\x02\x01\x01"))
	}
	return list
}

// layeredImage is an image for a platform with a layer for each tar.
func layeredImage(t *testing.T, platform v1.Platform, config v1.Config, tars ...[]byte) v1.Image {
	t.Helper()
	img := v1.Image(empty.Image)
	for _, data := range tars {
		layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil })
		if err == nil {
			img, err = mutate.Append(img, mutate.Addendum{Layer: layer, History: v1.History{CreatedBy: "e2e"}})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return configured(t, img, platform, config)
}

func configured(t *testing.T, img v1.Image, platform v1.Platform, config v1.Config) v1.Image {
	t.Helper()
	c, err := img.ConfigFile()
	if err == nil {
		c = c.DeepCopy()
		c.OS, c.Architecture, c.Variant = platform.OS, platform.Architecture, platform.Variant
		c.Created, c.Config = v1.Time{Time: time.Unix(1_700_000_000, 0).UTC()}, config
		img, err = mutate.ConfigFile(img, c)
	}
	if err != nil {
		t.Fatal(err)
	}
	return img
}

var linuxAMD64 = v1.Platform{OS: "linux", Architecture: "amd64"}
