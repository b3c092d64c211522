package image

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// annotationReference marks what an index has beside images: attestations of them.
const annotationReference = "vnd.docker.reference.type"

// list reads which images the archive has. What docker save wrote is read as such, though it is an OCI layout too, as in Docker.
func (a *Archive) list() (images []*archived, err error) {
	some := false
	switch {
	case a.spool.has(archiveManifestName):
		images, some, err = a.dockerList()
	case a.spool.has(ocispec.ImageIndexFile):
		images, some, err = a.ociList()
	default:
		text := "the archive has no list of images: neither manifest.json, as docker save writes it, nor index.json of an OCI image layout"
		if a.spool.has(archiveRepositoriesName) {
			text += "; that of Docker before 1.10 is not supported: load and save it with a newer one"
		}
		return nil, errdefs.ErrInvalidArgument.WithMessage(text)
	}
	if err == nil && some && len(images) == 0 {
		wants, _ := wanted(a.wants)
		err = errdefs.ErrNotFound.WithMessage("the archive has no image for platform " + formatPlatform(wants[0]))
	}
	return images, err
}

func (a *Archive) dockerList() (images []*archived, some bool, err error) {
	data, err := a.spool.read(archiveManifestName, maxManifest)
	if err != nil {
		return nil, false, err
	}
	var list []archiveManifest
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, false, errdefs.ErrInvalidArgument.WithMessage("manifest.json of the archive: " + err.Error())
	}
	if list == nil {
		return nil, false, errdefs.ErrInvalidArgument.WithMessage("invalid manifest, manifest cannot be null (but can be [])")
	}
	for _, m := range list {
		config, err := a.spool.read(m.Config, maxConfig)
		if err != nil {
			return nil, true, err
		}
		one, err := a.archived(config, m.Layers, m.Parent)
		if err != nil {
			return nil, true, err
		}
		if one == nil {
			continue
		}
		for _, tag := range m.RepoTags {
			named, err := reference.ParseNormalizedNamed(tag)
			if err != nil {
				return nil, true, errdefs.ErrInvalidArgument.WithMessage(err.Error())
			}
			if _, ok := named.(reference.NamedTagged); !ok {
				return nil, true, errdefs.ErrInvalidArgument.WithMessage(fmt.Sprintf("invalid tag %q", tag))
			}
			one.names = append(one.names, named)
		}
		images = append(images, one)
	}
	return images, len(list) > 0, nil
}

func (a *Archive) ociList() (images []*archived, some bool, err error) {
	data, err := a.spool.read(ocispec.ImageIndexFile, maxManifest)
	if err != nil {
		return nil, false, err
	}
	var index ocispec.Index
	if err := json.Unmarshal(data, &index); err != nil {
		return nil, false, errdefs.ErrInvalidArgument.WithMessage("index.json of the archive: " + err.Error())
	}
	platforms, err := wanted(a.wants)
	if err != nil {
		return nil, false, err
	}
	for _, d := range index.Manifests {
		if d.Annotations[annotationReference] != "" {
			continue
		}
		some = true
		if d.Platform != nil && !slices.ContainsFunc(platforms, func(p ocispec.Platform) bool { return matches(p, *d.Platform) > 0 }) {
			continue
		}
		one, err := a.ociImage(d, platforms, 0)
		if err != nil {
			return nil, true, err
		}
		if one == nil {
			continue
		}
		name := layoutName(d)
		if i := slices.IndexFunc(images, func(other *archived) bool { return other.id == one.id }); i >= 0 {
			one = images[i] // an image has an entry for each of its names
		} else {
			images = append(images, one)
		}
		if name != nil {
			one.names = append(one.names, name)
		}
	}
	return images, some, nil
}

// layoutName is an image's name in an OCI layout; nil for none. containerd and BuildKit note the whole of it, others in the
// place of the tag.
func layoutName(d ocispec.Descriptor) reference.Named {
	for _, text := range []string{d.Annotations[archiveImageName], d.Annotations[ocispec.AnnotationRefName]} {
		if !strings.ContainsAny(text, ":/") {
			continue // a tag of nothing that we know
		}
		if named, err := reference.ParseNormalizedNamed(text); err == nil {
			if tagged, ok := reference.TagNameOnly(named).(reference.NamedTagged); ok {
				return tagged
			}
		}
	}
	return nil
}

// maxIndexDepth bounds indexes of indexes.
const maxIndexDepth = 4

// ociImage reads an image of an OCI layout, or the best one of an index. nil: it has none for the platform.
func (a *Archive) ociImage(d ocispec.Descriptor, platforms []ocispec.Platform, depth int) (*archived, error) {
	bad := func(err error) error {
		return errdefs.ErrInvalidArgument.WithMessage(fmt.Sprintf("manifest %s of the archive: %v", d.Digest, err))
	}
	data, err := a.blob(d.Digest, maxManifest)
	if err != nil {
		return nil, err
	}
	mediaType := manifestType(d.MediaType, data)
	entries, isIndex, err := parseIndex(mediaType, data)
	if err != nil {
		return nil, bad(err)
	}
	if isIndex {
		if depth == maxIndexDepth {
			return nil, bad(fmt.Errorf("more than %d indexes in one another", maxIndexDepth))
		}
		chosen, err := choose(platforms, entries)
		if errdefs.IsNotFound(err) {
			return nil, nil
		}
		if err != nil {
			return nil, bad(err)
		}
		return a.ociImage(chosen, platforms, depth+1)
	}
	m, err := parseManifest(mediaType, data)
	if err != nil {
		return nil, err
	}
	config, err := a.blob(m.Config.Digest, maxConfig)
	if err != nil {
		return nil, err
	}
	layers := make([]string, len(m.Layers))
	for i, d := range m.Layers {
		layers[i] = blobName(d.Digest)
	}
	return a.archived(config, layers, "")
}

// blob reads a small blob of an OCI layout, and verifies it.
func (a *Archive) blob(d digest.Digest, limit int64) ([]byte, error) {
	if err := d.Validate(); err != nil {
		return nil, errdefs.ErrInvalidArgument.WithMessage(fmt.Sprintf("index.json of the archive: %q: %v", d, err))
	}
	data, err := a.spool.read(blobName(d), limit)
	if err != nil {
		return nil, err
	}
	if got := d.Algorithm().FromBytes(data); got != d {
		return nil, errdefs.ErrInvalidArgument.WithMessage(fmt.Sprintf("%s of the archive has the digest %s", blobName(d), got))
	}
	return data, nil
}
