package image

import (
	"archive/tar"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"time"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/sockerless/sockerless/store/layer"
)

// SaveOptions of [Store.SaveAll].
type SaveOptions struct {
	// Names are images: "name:tag", "name" for all tags of a repository, an id or the beginning of one for an image without its
	// names.
	Names    []string
	Platform string // os[/arch[/variant]] that all must have; "" for any
}

// Save writes an image, by id, without its names: they are the other engine's. Errors: errdefs.ErrNotFound.
func (s *Store) Save(ctx context.Context, id digest.Digest, w io.Writer) error {
	_, err := s.SaveAll(ctx, w, SaveOptions{Names: []string{id.String()}})
	return err
}

// SaveAll writes images as the archive that `docker load` takes, with an OCI layout in it; they have the same ids there. It returns
// what it saved. Nothing is written before all images are found. Errors: errdefs.ErrNotFound, errdefs.ErrInvalidArgument.
func (s *Store) SaveAll(ctx context.Context, w io.Writer, opts SaveOptions) ([]*Image, error) {
	images, h, err := s.pick(opts)
	if err != nil {
		return nil, err
	}
	defer h.release()
	a := &archiveWriter{blobs: map[string]blob{}, dirs: map[string]time.Time{}, index: ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex,
	}}
	saved := make([]*Image, len(images))
	for i, img := range images {
		saved[i] = img.Image
		if err := a.add(s, img); err != nil {
			return nil, fmt.Errorf("save image %s: %w", img.ID, err)
		}
	}
	if err := a.write(ctx, w); err != nil {
		return nil, fmt.Errorf("save images: %w", err)
	}
	return saved, nil
}

// selected is an image to be saved under some of its names.
type selected struct {
	*Image
	tags   []reference.NamedTagged
	parent bool // its parent is saved too
}

// pick finds the images that are asked for, in that order, and holds their layers.
func (s *Store) pick(opts SaveOptions) (list []*selected, h *holding, err error) {
	var platform ocispec.Platform
	if opts.Platform != "" {
		if platform, err = parsePlatform(opts.Platform); err != nil {
			return nil, nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	byID := map[digest.Digest]*selected{}
	add := func(r *record, ref reference.Named) {
		one := byID[r.id]
		if one == nil {
			one = &selected{Image: s.snapshot(r)}
			byID[r.id] = one
			list = append(list, one)
		}
		if tagged, ok := ref.(reference.NamedTagged); ok && !slices.ContainsFunc(one.tags, func(t reference.NamedTagged) bool { return t.String() == ref.String() }) {
			one.tags = append(one.tags, tagged)
		}
	}
	for _, name := range opts.Names {
		parsed, err := reference.ParseAnyReference(name)
		if err != nil {
			return nil, nil, errdefs.ErrInvalidArgument.WithMessage(err.Error())
		}
		named, ok := parsed.(reference.Named)
		switch {
		case ok && !reference.IsNameOnly(named):
			r := s.images[s.refs[refString(named)]]
			if r == nil {
				if r = s.search(name); r == nil {
					return nil, nil, errdefs.ErrNotFound.WithMessage("reference does not exist")
				}
				named = nil
			}
			add(r, named)
			continue
		case ok:
			found := false
			for _, ref := range s.repository(named) {
				add(s.images[s.refs[refString(ref)]], ref)
				found = true
			}
			if found {
				continue
			}
		}
		r := s.search(name)
		if r == nil {
			return nil, nil, errdefs.ErrNotFound.WithMessage("No such image: " + name)
		}
		add(r, nil)
	}
	for _, one := range list {
		if opts.Platform != "" && matches(platform, one.Spec.Platform) != exactly {
			return nil, nil, errdefs.ErrNotFound.WithMessage("no suitable export target found for platform " + formatPlatform(platform))
		}
		if len(one.DiffIDs()) == 0 {
			return nil, nil, errdefs.ErrNotImplemented.WithMessage("empty export - not implemented")
		}
	}
	h = &holding{store: s}
	for _, one := range list {
		one.parent = byID[one.Parent] != nil
		h.add(one.DiffIDs()...)
	}
	return list, h, nil
}

// repository lists the names that are of a repository, in ascending order. Called with mu held.
func (s *Store) repository(named reference.Named) []reference.Named {
	var list []reference.Named
	for _, key := range slices.Sorted(maps.Keys(s.refs)) {
		if ref, err := reference.ParseNormalizedNamed(key); err == nil && ref.Name() == named.Name() {
			list = append(list, ref)
		}
	}
	return list
}

// blob is an entry of an archive: bytes, or the tar of a layer.
type blob struct {
	data  []byte
	layer string // its folder
	size  int64
	time  time.Time
}

// archiveWriter collects what is in an archive before it writes it.
type archiveWriter struct {
	blobs        map[string]blob
	dirs         map[string]time.Time
	index        ocispec.Index
	manifest     []archiveManifest
	repositories map[string]map[string]string
}

var epoch = time.Unix(0, 0)

func (a *archiveWriter) put(name string, b blob) {
	if _, ok := a.blobs[name]; !ok { // an image may have a layer twice, and images have the same ones
		a.blobs[name] = b
	}
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if t, ok := a.dirs[dir]; !ok || b.time.After(t) {
			a.dirs[dir] = b.time
		}
	}
}

// add puts an image into the lists, and names its blobs.
func (a *archiveWriter) add(s *Store, img *selected) error {
	created := epoch
	if t := img.Created(); !t.IsZero() {
		created = t
	}
	config := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageConfig, Digest: img.ID, Size: int64(len(img.Config))}
	a.put(blobName(img.ID), blob{data: img.Config, size: config.Size, time: created})
	entry := archiveManifest{Config: blobName(img.ID), LayerSources: map[digest.Digest]archiveSource{}}
	if img.parent {
		entry.Parent = img.Parent
	}
	m := ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, Config: config}
	for _, id := range img.DiffIDs() {
		size, err := tarSize(s.layers.Path(id))
		if err != nil {
			return fmt.Errorf("layer %s: %w", id, err)
		}
		a.put(blobName(id), blob{layer: s.layers.Path(id), size: size, time: created})
		m.Layers = append(m.Layers, ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: id, Size: size})
		entry.Layers = append(entry.Layers, blobName(id))
		entry.LayerSources[id] = archiveSource{ocispec.MediaTypeImageLayer, size, id}
	}
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	d := ocispec.Descriptor{MediaType: m.MediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
	a.put(blobName(d.Digest), blob{data: data, size: d.Size, time: epoch})
	for _, tag := range img.tags {
		tagged := d
		tagged.Annotations = map[string]string{archiveImageName: tag.String(), ocispec.AnnotationRefName: tag.Tag()}
		a.index.Manifests = append(a.index.Manifests, tagged)
		entry.RepoTags = append(entry.RepoTags, reference.FamiliarString(tag))
		if a.repositories == nil {
			a.repositories = map[string]map[string]string{}
		}
		name := reference.FamiliarName(tag)
		if a.repositories[name] == nil {
			a.repositories[name] = map[string]string{}
		}
		a.repositories[name][tag.Tag()] = img.DiffIDs()[len(img.DiffIDs())-1].Encoded()
	}
	if len(img.tags) == 0 {
		a.index.Manifests = append(a.index.Manifests, d)
	}
	a.manifest = append(a.manifest, entry)
	return nil
}

func tarSize(dir string) (int64, error) {
	l, err := layer.Open(dir)
	if err != nil {
		return 0, err
	}
	defer l.Close()
	contents, size, err := l.Tar()
	if err != nil {
		return 0, err
	}
	return size, contents.Close()
}

// write writes the archive, entries in the order of their names.
func (a *archiveWriter) write(ctx context.Context, w io.Writer) error {
	lists := map[string]any{
		ocispec.ImageIndexFile: a.index, archiveManifestName: a.manifest,
		ocispec.ImageLayoutFile: ocispec.ImageLayout{Version: ocispec.ImageLayoutVersion},
	}
	if a.repositories != nil {
		lists[archiveRepositoriesName] = a.repositories
	}
	for name, list := range lists {
		data, err := json.Marshal(list)
		if err != nil {
			return err
		}
		a.put(name, blob{data: data, size: int64(len(data)), time: epoch})
	}
	out := tar.NewWriter(w)
	for _, dir := range slices.Sorted(maps.Keys(a.dirs)) {
		if err := out.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755, ModTime: a.dirs[dir]}); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(a.blobs)) {
		if err := ctx.Err(); err != nil {
			return err
		}
		b := a.blobs[name]
		if err := out.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: b.size, ModTime: b.time}); err != nil {
			return err
		}
		if err := b.copy(ctx, out); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return out.Close()
}

func (b *blob) copy(ctx context.Context, w io.Writer) error {
	if b.layer == "" {
		_, err := w.Write(b.data)
		return err
	}
	l, err := layer.Open(b.layer)
	if err != nil {
		return err
	}
	defer l.Close()
	contents, _, err := l.Tar()
	if err != nil {
		return err
	}
	defer contents.Close()
	_, err = io.Copy(w, &contextReader{ctx, contents})
	return err
}

// contextReader ends with its context.
type contextReader struct {
	ctx context.Context
	io.Reader
}

func (r *contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}
