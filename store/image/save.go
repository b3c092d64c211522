package image

import (
	"archive/tar"
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/sockerless/sockerless/store/layer"
)

// archiveManifest is manifest.json of an archive as `docker save` writes it (moby's image/tarexport).
type archiveManifest struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// Save writes an image, by id, as the archive that `docker load` takes: it has the same id there. The tags are not in it:
// names are the other engine's. Errors: errdefs.ErrNotFound.
func (s *Store) Save(ctx context.Context, id digest.Digest, w io.Writer) error {
	img, err := s.Resolve(id.String())
	if err != nil {
		return err
	}
	dirs, err := s.Layers(id)
	if err != nil {
		return err
	}
	out := tar.NewWriter(w)
	add := func(name string, data []byte) error {
		if err := out.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(data)), Typeflag: tar.TypeReg}); err != nil {
			return err
		}
		_, err := out.Write(data)
		return err
	}
	manifest := archiveManifest{Config: id.Encoded() + ".json"}
	if err = add(manifest.Config, img.Config); err != nil {
		return fmt.Errorf("save image %s: %w", id, err)
	}
	saved := map[string]bool{} // an image may have the same layer twice
	for i, dir := range dirs {
		name := img.DiffIDs()[i].Encoded() + "/layer.tar"
		manifest.Layers = append(manifest.Layers, name)
		if saved[name] {
			continue
		}
		saved[name] = true
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := saveLayer(out, name, dir); err != nil {
			return fmt.Errorf("save layer %s of image %s: %w", img.DiffIDs()[i], id, err)
		}
	}
	list, err := json.Marshal([]archiveManifest{manifest})
	if err == nil {
		err = add("manifest.json", list)
	}
	if err == nil {
		err = out.Close()
	}
	if err != nil {
		return fmt.Errorf("save image %s: %w", id, err)
	}
	return nil
}

func saveLayer(out *tar.Writer, name, dir string) error {
	l, err := layer.Open(dir)
	if err != nil {
		return err
	}
	defer l.Close()
	contents, size, err := l.Tar()
	if err != nil {
		return err
	}
	defer contents.Close()
	if err := out.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: size, Typeflag: tar.TypeReg}); err != nil {
		return err
	}
	_, err = io.Copy(out, contents)
	return err
}
