package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Archive is an archive of images, read to its end.
type Archive struct {
	store    *Store
	spool    *spool
	wants    string            // platform, "" for any
	platform *ocispec.Platform // the same
	images   []*archived
}

// OpenArchive reads an archive, compressed or not, as SaveAll or an OCI image layout has it, and which of its images are for a
// platform, os[/arch[/variant]]; "" is for all of them, and of several platforms of one image for this machine's. It must be closed.
// Errors: errdefs.ErrInvalidArgument for a bad archive, errdefs.ErrNotFound where it has nothing for the platform.
func (s *Store) OpenArchive(ctx context.Context, r io.Reader, platform string) (*Archive, error) {
	a := &Archive{store: s, wants: platform}
	if platform != "" {
		p, err := parsePlatform(platform)
		if err != nil {
			return nil, err
		}
		a.platform = &p
	}
	dir, err := s.layers.Scratch()
	if err != nil {
		return nil, err
	}
	if a.spool, err = spoolArchive(ctx, dir, r); err == nil {
		a.images, err = a.list()
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return a, nil
}

// Close removes what was read.
func (a *Archive) Close() error { return os.RemoveAll(a.spool.dir) }

// LoadOptions of [Archive.Load].
type LoadOptions struct {
	Quiet    bool           // do not tell how far layers are
	Progress func(Progress) // what docker load prints, in Progress.Text, and how far layers are
}

// Load brings the images of the archive, with the names that they have there. The images before one with a damaged layer stay
// loaded, as in Docker. Errors: errdefs.ErrInvalidArgument.
func (a *Archive) Load(ctx context.Context, opts LoadOptions) ([]*Image, error) {
	l := &load{Store: a.store, spool: a.spool, opts: opts, out: &reporter{send: opts.Progress}}
	var loaded []*Image
	for _, one := range a.images {
		img, err := l.image(ctx, one)
		if err != nil {
			return loaded, err
		}
		loaded = append(loaded, img)
	}
	return loaded, nil
}

// load is one call of Load.
type load struct {
	*Store
	*spool
	opts LoadOptions
	out  *reporter
}

// archived is an image of an archive: its configuration, and the names of its layers' entries, lowest first.
type archived struct {
	*record
	layers []string
	names  []reference.Named
}

// image brings one image.
func (l *load) image(ctx context.Context, a *archived) (*Image, error) {
	h := l.hold(a.diffIDs()...)
	defer h.release()
	for i, id := range a.diffIDs() {
		if l.layers.Has(id) {
			continue
		}
		if err := l.layer(ctx, a.layers[i], i, id); err != nil {
			return nil, err
		}
	}
	for _, name := range a.names {
		l.mu.RLock()
		old, ok := l.refs[refString(name)]
		l.mu.RUnlock()
		if ok && old != a.id {
			l.say("The image %s already exists, renaming the old one with ID %s to empty string\n", reference.FamiliarString(name), old)
		}
	}
	img, err := l.register(ctx, a.Config, l.parentOf(a), a.names...)
	if err != nil {
		return nil, err
	}
	for _, name := range a.names {
		l.say("Loaded image: %s\n", reference.FamiliarString(name))
	}
	if len(a.names) == 0 {
		l.say("Loaded image ID: %s\n", img.ID)
	}
	return img, nil
}

func (l *load) say(format string, args ...any) {
	l.out.report(Progress{Text: fmt.Sprintf(format, args...)})
}

// layer brings the layer of an entry, which must be the one that the configuration promises.
func (l *load) layer(ctx context.Context, entry string, i int, want digest.Digest) error {
	f, err := l.open(entry)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	var contents io.Reader = f
	m := &meter{reporter: l.out, id: short(want.String()), action: "Loading layer", total: info.Size()}
	if !l.opts.Quiet {
		contents = &meteredReader{Reader: f, meter: m}
	}
	got, err := l.importLayer(ctx, contents)
	if err != nil {
		return fmt.Errorf("load layer %d: %w", i, err)
	}
	if got != want {
		l.discard(got)
		return errdefs.ErrInvalidArgument.WithMessage(fmt.Sprintf("invalid diffID for layer %d: expected %q, got %q", i, want, got))
	}
	return nil
}

// discard removes a layer that nobody wants, unless something has it.
func (s *Store) discard(id digest.Digest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.adding > 0 || s.needed()[id] {
		return
	}
	if err := s.layers.Remove(id); err != nil {
		s.log.Warn("image: remove a layer", "layer", id.String(), "error", err)
	}
}

// parentOf is the image that an archive says another one was made on top of, where it is here and that can be.
func (l *load) parentOf(a *archived) digest.Digest {
	l.mu.RLock()
	defer l.mu.RUnlock()
	parent := l.images[a.Parent]
	if parent == nil || len(parent.diffIDs()) > len(a.diffIDs()) {
		return ""
	}
	for i, id := range parent.diffIDs() {
		if a.diffIDs()[i] != id {
			return ""
		}
	}
	return a.Parent
}

// archived checks what an archive says of an image. nil: it is for another platform than is wanted.
func (a *Archive) archived(config []byte, layers []string, parent digest.Digest) (*archived, error) {
	r, err := newRecord(stored{Config: config, Parent: parent})
	if err != nil {
		return nil, errdefs.ErrInvalidArgument.WithMessage(err.Error())
	}
	switch {
	case r.spec.RootFS.Type == "" && len(r.diffIDs()) == 0:
		return nil, errdefs.ErrInvalidArgument.WithMessage("invalid image JSON, no RootFS key")
	case !supported(r.spec.OS):
		return nil, unsupported("cannot load %s image on %s", r.spec.OS, runtime.GOOS)
	case a.platform != nil && matches(*a.platform, r.spec.Platform) != exactly:
		return nil, nil
	case len(layers) != len(r.diffIDs()):
		return nil, errdefs.ErrInvalidArgument.WithMessage(
			fmt.Sprintf("invalid manifest, layers length mismatch: expected %d, got %d", len(layers), len(r.diffIDs())))
	}
	for _, id := range r.diffIDs() {
		if err := id.Validate(); err != nil {
			return nil, errdefs.ErrInvalidArgument.WithMessage(fmt.Sprintf("configuration of image %s: layer %q: %v", r.id, id, err))
		}
	}
	return &archived{record: r, layers: layers}, nil
}
