package runtime

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	types "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/api/types/jsonstream"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/sockerless/sockerless/runtime/dockerfile"
	imagestore "github.com/sockerless/sockerless/store/image"
)

// ImportOptions of [Engine.ImageImport].
type ImportOptions struct {
	Source          string    // "-" for Tar, or a URL to get it from: http:// is not needed
	Tar             io.Reader // compressed or not
	Repository, Tag string    // the image's name; "" for none
	Platform        string    // os[/arch[/variant]] that the image is for; "" is this machine's
	Message         string    // of the image's history; "" names the source
	Changes         []string  // instructions of a Dockerfile
	Progress        func(jsonstream.Message)
}

// importedConfig is an image's configuration with what only imported ones have.
type importedConfig struct {
	dockerspec.DockerOCIImage
	Comment string `json:"comment,omitempty"`
}

// ImageImport makes an image with one layer of a tar; its id is the last line of progress. Errors: errdefs.ErrInvalidArgument.
func (e *Engine) ImageImport(ctx context.Context, opts ImportOptions) error {
	name, err := repoTag(opts.Repository, opts.Tag)
	if err != nil {
		return err
	}
	platform, err := imagestore.ParsePlatform(opts.Platform)
	if err != nil {
		return err
	}
	config := &types.Config{}
	if err := dockerfile.Apply(config, opts.Changes, knownSignal); err != nil {
		return err
	}
	if opts.Message == "" {
		opts.Message = "Imported from " + opts.Source
	}
	tar := opts.Tar
	if opts.Source != "-" {
		body, err := download(ctx, opts)
		if err != nil {
			return err
		}
		defer body.Close()
		tar = body
	}
	img, err := e.cfg.Images.Create(ctx, imagestore.Creation{Tar: tar, Name: name,
		Config: func(_ *imagestore.Image, diffIDs []digest.Digest, _ bool) ([]byte, error) {
			now := time.Now().UTC()
			c := importedConfig{Comment: opts.Message}
			c.Created, c.Platform, c.DockerOCIImage.Config = &now, platform, imageConfig(config)
			c.RootFS = ocispec.RootFS{Type: "layers", DiffIDs: diffIDs}
			c.History = []ocispec.History{{Created: &now, Comment: opts.Message}}
			return json.Marshal(c)
		}})
	if err != nil {
		return fmt.Errorf("import %s: %w", opts.Source, err)
	}
	if name != nil {
		e.imageEvent(events.ActionTag, img.ID.String(), reference.FamiliarString(name), img)
	}
	e.imageEvent(events.ActionImport, img.ID.String(), img.ID.String(), img)
	opts.Progress(jsonstream.Message{Status: img.ID.String()})
	return nil
}

// download gets the tar from its URL.
func download(ctx context.Context, opts ImportOptions) (io.ReadCloser, error) {
	source := opts.Source
	if !strings.Contains(source, "://") {
		source = "http://" + source
	}
	u, err := url.Parse(source)
	if err != nil {
		return nil, invalid("%v", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, source, nil)
	if err != nil {
		return nil, invalid("%v", err)
	}
	dialer := net.Dialer{Timeout: 30 * time.Second, Control: notMetadata}
	client := http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DialContext: dialer.DialContext, DisableKeepAlives: true, DisableCompression: true}}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= 400 {
		defer resp.Body.Close()
		text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		if err != nil {
			return nil, err
		}
		return nil, errdefs.ErrUnknown.WithMessage(fmt.Sprintf("failed to GET %s with status %s: %s", u.Redacted(), resp.Status, text))
	}
	opts.Progress(jsonstream.Message{Status: "Downloading from " + u.Redacted()})
	return &importing{ReadCloser: resp.Body, total: resp.ContentLength, tell: opts.Progress}, nil
}

// notMetadata keeps a client from reading through the server what only the server's machine may.
func notMetadata(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if slices.Contains(metadata, to.Addr().Unmap().WithZone("")) {
		return errdefs.ErrPermissionDenied.WithMessage(fmt.Sprintf("permission denied: %s gives out credentials of the server's machine", to.Addr()))
	}
	return nil
}

// importing tells how far a download is: every half MiB, and at the end.
type importing struct {
	io.ReadCloser
	at, told, total int64
	tell            func(jsonstream.Message)
}

func (r *importing) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.at += int64(n)
	if r.at-r.told >= 512<<10 || err == io.EOF && r.at > r.told {
		r.told = r.at
		r.tell(jsonstream.Message{Status: "Importing", Progress: &jsonstream.Progress{Current: r.at, Total: max(r.total, 0)}})
	}
	return n, err
}
