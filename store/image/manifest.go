package image

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"strings"

	"github.com/containerd/errdefs"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

const (
	typeSchema1       = "application/vnd.docker.distribution.manifest.v1+json"
	typeSchema1Signed = "application/vnd.docker.distribution.manifest.v1+prettyjws"
	typeSchema2       = "application/vnd.docker.distribution.manifest.v2+json"
	typeList          = "application/vnd.docker.distribution.manifest.list.v2+json"
	typeSchema2Config = "application/vnd.docker.container.image.v1+json"
)

// manifestTypes is what we tell registries that we take. Schema 1 is among them to be able to say that it is not.
var manifestTypes = []string{
	typeSchema2, typeList, ocispec.MediaTypeImageIndex, ocispec.MediaTypeImageManifest, typeSchema1Signed, "application/json",
}

// manifestType finds out what a manifest is: registries' headers are not always right, so its own word goes first.
func manifestType(header string, body []byte) string {
	var m struct {
		MediaType     string          `json:"mediaType"`
		SchemaVersion int             `json:"schemaVersion"`
		Manifests     json.RawMessage `json:"manifests"`
		Config        json.RawMessage `json:"config"`
	}
	if json.Unmarshal(body, &m) != nil {
		return header
	}
	mediaType, _, _ := mime.ParseMediaType(header)
	switch {
	case m.MediaType != "":
		return m.MediaType
	case m.SchemaVersion == 1:
		return typeSchema1
	case m.Manifests != nil:
		return ocispec.MediaTypeImageIndex
	case m.Config != nil:
		return ocispec.MediaTypeImageManifest
	}
	return mediaType
}

// parseIndex returns the manifests of an index, or false for something else.
func parseIndex(mediaType string, body []byte) ([]ocispec.Descriptor, bool, error) {
	if mediaType != typeList && mediaType != ocispec.MediaTypeImageIndex {
		return nil, false, nil
	}
	var index ocispec.Index
	if err := json.Unmarshal(body, &index); err != nil {
		return nil, true, fmt.Errorf("parse manifest list: %w", err)
	}
	return index.Manifests, true, nil
}

// parseManifest reads the manifest of one image, and refuses what is not one, or what we could not unpack.
func parseManifest(mediaType string, body []byte) (*ocispec.Manifest, error) {
	switch mediaType {
	case typeSchema2, ocispec.MediaTypeImageManifest:
	case typeSchema1, typeSchema1Signed:
		return nil, unsupported("the image has a Docker image manifest version 2, schema 1, which is not supported: push it again with a current tool to get a schema 2 or OCI manifest")
	default:
		return nil, unsupported("unsupported manifest format %q", mediaType)
	}
	var m ocispec.Manifest
	if err := json.Unmarshal(body, &m); err != nil {
		return nil, fmt.Errorf("parse manifest: %w", err)
	}
	switch t := m.Config.MediaType; {
	case t == typeSchema2Config, t == ocispec.MediaTypeImageConfig:
	case strings.HasPrefix(t, "application/vnd.wasm.config."):
		return nil, unsupported("the reference is a WebAssembly artifact (%s), which is not supported: use an OCI image with the module as its entry point, for example of platform wasi/wasm", t)
	default:
		return nil, errdefs.ErrInvalidArgument.WithMessage(fmt.Sprintf("Encountered remote %q(unknown) when fetching", t))
	}
	for _, l := range m.Layers {
		if err := checkLayerType(l); err != nil {
			return nil, err
		}
		if err := l.Digest.Validate(); err != nil {
			return nil, fmt.Errorf("manifest: layer %q: %w", l.Digest, err)
		}
	}
	if err := m.Config.Digest.Validate(); err != nil {
		return nil, fmt.Errorf("manifest: config %q: %w", m.Config.Digest, err)
	}
	if m.Config.Size < 0 || m.Config.Size > maxConfig {
		return nil, fmt.Errorf("manifest: a configuration of %d bytes: at most %d are accepted", m.Config.Size, maxConfig)
	}
	return &m, nil
}

const maxConfig = 8 << 20

// checkLayerType accepts tar, plain or compressed; which compression it is the content itself tells.
func checkLayerType(l ocispec.Descriptor) error {
	switch l.MediaType {
	case "application/vnd.docker.image.rootfs.diff.tar",
		"application/vnd.docker.image.rootfs.diff.tar.gzip",
		"application/vnd.docker.image.rootfs.diff.tar.zstd",
		ocispec.MediaTypeImageLayer, ocispec.MediaTypeImageLayerGzip, ocispec.MediaTypeImageLayerZstd:
		return nil
	case "application/vnd.docker.image.rootfs.foreign.diff.tar",
		"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
		"application/vnd.oci.image.layer.nondistributable.v1.tar",
		"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
		"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd":
		return unsupported("layer %s is a foreign layer (%s), which registries do not hold: not supported", l.Digest, l.MediaType)
	}
	return unsupported("layer %s has the unknown media type %q", l.Digest, l.MediaType)
}

// unsupported is an error of class errdefs.ErrNotImplemented whose text is only what is said.
func unsupported(format string, args ...any) error {
	return errdefs.ErrNotImplemented.WithMessage(fmt.Sprintf(format, args...))
}

var errRootFSMismatch = errors.New("layers from manifest don't match image configuration")
