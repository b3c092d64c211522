package prepare

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/sockerless/sockerless/runtime"
)

// AgentPath is where the agent is in a prepared image, which it is the entry point of.
const AgentPath = "/.sockerless/agent"

// Source is an image and what is added to it.
type Source struct {
	Image   runtime.Image
	Archive func(ctx context.Context) (io.ReadCloser, error) // as docker save writes it
	Agent   string                                           // path of the agent's program for the image's platform
}

// Preparer sends images to one repository. It is safe for concurrent use.
type Preparer struct {
	mu      sync.Mutex // one image after the other: they share layers
	digests map[string]string
}

// Push makes sure that a prepared image is in a repository, and returns its reference by digest.
func (p *Preparer) Push(ctx context.Context, repository string, auth authn.Authenticator, s Source) (string, error) {
	agent, err := os.ReadFile(s.Agent)
	if err != nil {
		return "", fmt.Errorf("read the agent: %w", err)
	}
	of := sha256.New()
	_, _ = fmt.Fprintf(of, "%s\n%s\n%x\n", s.Image.ID, s.Image.Platform, sha256.Sum256(agent)) // a hash takes all
	tag := "sl-" + hex.EncodeToString(of.Sum(nil)[:20])
	reference, err := name.NewTag(repository + ":" + tag)
	if err != nil {
		return "", err
	}
	options := []remote.Option{remote.WithContext(ctx), remote.WithAuth(auth)}
	p.mu.Lock()
	defer p.mu.Unlock()
	if digest := p.digests[reference.Name()]; digest != "" {
		return digest, nil
	}
	there, err := remote.Head(reference, options...)
	switch {
	case err == nil:
		return p.remember(reference, there.Digest), nil
	case !missing(err):
		return "", fmt.Errorf("look for the prepared image: %w", err)
	}
	digest, err := push(ctx, reference, options, s, agent)
	if err != nil {
		return "", fmt.Errorf("send image %s to %s: %w", s.Image.Name, repository, err)
	}
	return p.remember(reference, digest), nil
}

func (p *Preparer) remember(reference name.Tag, digest v1.Hash) string {
	if p.digests == nil {
		p.digests = map[string]string{}
	}
	p.digests[reference.Name()] = reference.Context().Digest(digest.String()).Name()
	return p.digests[reference.Name()]
}

// Forget looks for a prepared image again at the next Push: somebody has removed it.
func (p *Preparer) Forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.digests = nil
}

func missing(err error) bool {
	var t *transport.Error
	return errors.As(err, &t) && t.StatusCode == http.StatusNotFound
}

// push spools the image, since its layers are read in an order of their own.
func push(ctx context.Context, reference name.Tag, options []remote.Option, s Source, agent []byte) (v1.Hash, error) {
	spool, err := os.CreateTemp("", "sockerless-image")
	if err != nil {
		return v1.Hash{}, err
	}
	defer os.Remove(spool.Name())
	archive, err := s.Archive(ctx)
	if err != nil {
		return v1.Hash{}, errors.Join(err, spool.Close())
	}
	_, err = io.Copy(spool, archive)
	if err = errors.Join(err, archive.Close(), spool.Close()); err != nil {
		return v1.Hash{}, err
	}
	img, err := tarball.ImageFromPath(spool.Name(), nil)
	if err != nil {
		return v1.Hash{}, err
	}
	if img, err = prepared(img, agent); err != nil {
		return v1.Hash{}, err
	}
	if err := remote.Write(reference, img, options...); err != nil {
		return v1.Hash{}, err
	}
	return img.Digest()
}

// prepared adds the agent. What the image would run is not its business any more: the server tells the agent.
func prepared(img v1.Image, agent []byte) (v1.Image, error) {
	var files bytes.Buffer
	w := tar.NewWriter(&files)
	for _, h := range []*tar.Header{
		{Name: ".sockerless/", Typeflag: tar.TypeDir, Mode: 0o755}, {Name: AgentPath[1:], Mode: 0o555, Size: int64(len(agent))},
	} {
		h.ModTime = time.Unix(0, 0) // so that it is the same layer each time
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
	}
	if _, err := w.Write(agent); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(files.Bytes())), nil })
	if err != nil {
		return nil, err
	}
	if img, err = mutate.AppendLayers(img, layer); err != nil {
		return nil, err
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.Config = v1.Config{Entrypoint: []string{AgentPath}, User: "0:0", WorkingDir: "/", Labels: file.Config.Labels}
	return mutate.ConfigFile(img, file)
}
