package image

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"time"

	"github.com/distribution/reference"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// BaseName is the image that is always there: a small Debian-like root whose programs are all builtins of the
// sandbox. It is made by code, the same bytes for the same commands, so that it needs no network.
const BaseName = "sockerless/base:latest"

// baseRef is BaseName as the maps have it.
const baseRef = "docker.io/sockerless/base:latest"

// BuiltinMarker is the content of a file that stands for the sandbox's builtin of the file's name.
const BuiltinMarker = "#sockerless-builtin\n"

// baseTime is the date of everything in the image: it must not depend on when or where it is made.
var baseTime = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

// ensureBase makes the image where it is missing or was made for other commands, and names it.
func (s *Store) ensureBase(ctx context.Context) (*record, error) {
	tar, size, err := baseTar(s.builtins)
	if err != nil {
		return nil, err
	}
	diffID := digest.FromBytes(tar.Bytes())
	config, err := json.Marshal(baseConfig(diffID))
	if err != nil {
		return nil, err
	}
	r, err := newRecord(stored{Config: config, LayerSizes: []int64{size}})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.layers.Has(diffID) {
		if s.refs[baseRef] == r.id {
			return s.images[r.id], nil
		}
	} else if got, _, err := s.layers.Import(ctx, tar); err != nil {
		return nil, err
	} else if got != diffID {
		return nil, fmt.Errorf("layer unpacks to %s, not to %s", got, diffID)
	}
	name, err := reference.ParseNormalizedNamed(BaseName)
	if err != nil {
		return nil, err
	}
	if err := s.setRefs(ctx, r, name); err != nil {
		return nil, err
	}
	return r, nil
}

// base is the pull of sockerless/base.
func (p *pull) base(ctx context.Context) (*Image, error) {
	p.mu.RLock()
	before := p.refs[baseRef]
	p.mu.RUnlock()
	r, err := p.ensureBase(ctx)
	if err != nil {
		return nil, err
	}
	p.out.message("latest", "Pulling from "+reference.Path(p.ref))
	p.out.message("", "Digest: "+r.id.String())
	status := "Status: Image is up to date for "
	if before != r.id {
		status = "Status: Downloaded newer image for "
	}
	p.out.message("", status+BaseName)
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.snapshot(r), nil
}

func baseConfig(diffID digest.Digest) dockerspec.DockerOCIImage {
	created := baseTime
	return dockerspec.DockerOCIImage{
		Image: ocispec.Image{
			Created:  &created,
			Platform: ocispec.Platform{OS: "linux", Architecture: runtime.GOARCH},
			RootFS:   ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{diffID}},
			History:  []ocispec.History{{Created: &created, CreatedBy: "sockerless", Comment: "made in code"}},
		},
		Config: dockerspec.DockerOCIImageConfig{ImageConfig: ocispec.ImageConfig{
			Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
			Cmd: []string{"sh"},
		}},
	}
}
