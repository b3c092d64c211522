package image

import (
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// An archive of images is a tar that is two things at once: what `docker save` has always written, with the list of its images
// in manifest.json (moby's image/tarexport), and an OCI image layout with its own in index.json.
const (
	archiveManifestName     = "manifest.json"
	archiveRepositoriesName = "repositories" // of Docker before 1.10
	archiveImageName        = "io.containerd.image.name"
	blobsDir                = ocispec.ImageBlobsDir + "/"
)

// archiveManifest is an image in manifest.json.
type archiveManifest struct {
	Config       string // name of an entry
	RepoTags     []string
	Layers       []string                        // names of entries, lowest first
	Parent       digest.Digest                   `json:",omitempty"` // an image of the same archive
	LayerSources map[digest.Digest]archiveSource `json:",omitempty"` // by diff id
}

// archiveSource is a layer in the order of distribution's fields.
type archiveSource struct {
	MediaType string        `json:"mediaType"`
	Size      int64         `json:"size"`
	Digest    digest.Digest `json:"digest"`
}

func blobName(d digest.Digest) string { return blobsDir + d.Algorithm().String() + "/" + d.Encoded() }
