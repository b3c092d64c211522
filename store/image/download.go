package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/sockerless/sockerless/store/content"
)

// parallelDownloads is dockerd's max-concurrent-downloads.
const parallelDownloads = 3

// download brings configuration and layers of a manifest, and holds the layers. It leaves the record to its caller.
func (p *pull) download(ctx context.Context, repo *repository, m *ocispec.Manifest) (*record, error) {
	config, err := p.config(ctx, repo, m.Config)
	if err != nil {
		return nil, err
	}
	r, err := newRecord(stored{Config: config})
	if err != nil {
		return nil, err
	}
	r.id = m.Config.Digest
	if !supported(r.spec.OS) {
		return nil, fmt.Errorf("image operating system %q cannot be used on this platform: operating system is not supported", r.spec.OS)
	}
	if len(r.diffIDs()) != len(m.Layers) {
		return nil, errRootFSMismatch
	}
	p.mu.Lock()
	p.holding.add(r.diffIDs()...)
	p.mu.Unlock()
	if err := p.downloadLayers(ctx, repo, m.Layers, r.diffIDs()); err != nil {
		return nil, err
	}
	r.LayerSizes, err = p.layerSizes(r.diffIDs())
	return r, err
}

func (p *pull) config(ctx context.Context, repo *repository, d ocispec.Descriptor) ([]byte, error) {
	blob, err := p.content.Fetch(ctx, p.request(repo, d, nil))
	if err != nil {
		return nil, fmt.Errorf("image configuration: %w", err)
	}
	defer blob.Close()
	if blob.Size() > maxConfig {
		return nil, fmt.Errorf("image configuration of %d bytes: at most %d are accepted", blob.Size(), maxConfig)
	}
	f, err := blob.Open()
	if err != nil {
		return nil, fmt.Errorf("image configuration: %w", err)
	}
	defer f.Close()
	config, err := io.ReadAll(f)
	if err == nil && !json.Valid(config) {
		err = errors.New("not JSON")
	}
	if err != nil {
		return nil, fmt.Errorf("image configuration: %w", err)
	}
	return config, nil
}

func (p *pull) request(repo *repository, d ocispec.Descriptor, progress func(current, total int64)) content.Request {
	size := d.Size
	if size <= 0 {
		size = -1
	}
	return content.Request{
		Digest: d.Digest, Size: size, Progress: progress,
		Source: content.HTTP(repo.client, repo.endpoint.url(repo.path+"/blobs/"+d.Digest.String()), size, repo.check),
	}
}

// layerPull is one layer on its way: downloaded in parallel with others, unpacked in its turn.
type layerPull struct {
	descriptor ocispec.Descriptor
	diffID     digest.Digest
	id         string
	blob       *content.Blob
	err        error
	done       chan struct{} // closed when blob or err is there
}

// downloadLayers brings the layers that are missing.
func (p *pull) downloadLayers(ctx context.Context, repo *repository, layers []ocispec.Descriptor, diffIDs []digest.Digest) (err error) {
	var missing []*layerPull
	seen := map[digest.Digest]bool{}
	for i, d := range layers {
		if seen[diffIDs[i]] {
			continue
		}
		seen[diffIDs[i]] = true
		l := &layerPull{descriptor: d, diffID: diffIDs[i], id: short(d.Digest.String()), done: make(chan struct{})}
		if p.layers.Has(l.diffID) {
			p.out.layer(l.id, "Already exists")
			continue
		}
		p.out.layer(l.id, "Pulling fs layer")
		missing = append(missing, l)
	}

	ctx, cancel := context.WithCancel(ctx)
	var workers sync.WaitGroup
	defer func() {
		cancel()
		workers.Wait()
		for _, l := range missing {
			if l.blob != nil {
				l.blob.Close()
			}
		}
	}()
	queue := make(chan *layerPull, len(missing))
	for i, l := range missing {
		if i >= parallelDownloads {
			p.out.layer(l.id, "Waiting")
		}
		queue <- l
	}
	close(queue)
	for range min(parallelDownloads, len(missing)) {
		workers.Go(func() {
			for l := range queue {
				l.blob, l.err = p.fetchLayer(ctx, repo, l)
				if l.err != nil {
					cancel()
				}
				close(l.done)
			}
		})
	}
	for _, l := range missing {
		<-l.done
		if l.err == nil {
			l.err = p.unpack(ctx, l)
		}
		if l.err != nil {
			return firstCause(missing, l.err)
		}
		l.blob.Close()
	}
	return nil
}

// firstCause prefers the error that ended the others over "context canceled".
func firstCause(layers []*layerPull, err error) error {
	if !errors.Is(err, context.Canceled) {
		return err
	}
	for _, l := range layers {
		select {
		case <-l.done:
			if l.err != nil && !errors.Is(l.err, context.Canceled) {
				return l.err
			}
		default:
		}
	}
	return err
}

func (p *pull) fetchLayer(ctx context.Context, repo *repository, l *layerPull) (*content.Blob, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m := &meter{reporter: p.out, id: l.id, action: "Downloading", total: l.descriptor.Size}
	blob, err := p.content.Fetch(ctx, p.request(repo, l.descriptor, func(current, _ int64) { m.at(current) }))
	if err != nil {
		return nil, err
	}
	p.out.layer(l.id, "Verifying Checksum")
	p.out.layer(l.id, "Download complete")
	return blob, nil
}

// unpack turns the blob into a layer, unless another pull has done it meanwhile.
func (p *pull) unpack(ctx context.Context, l *layerPull) error {
	if p.layers.Has(l.diffID) {
		p.out.layer(l.id, "Pull complete")
		return nil
	}
	f, err := l.blob.Open()
	if err != nil {
		return fmt.Errorf("layer %s: %w", l.descriptor.Digest, err)
	}
	defer f.Close()
	m := &meter{reporter: p.out, id: l.id, action: "Extracting", total: l.blob.Size()}
	got, err := p.importLayer(ctx, &meteredReader{Reader: f, meter: m})
	if err != nil {
		return fmt.Errorf("failed to register layer: %w", err)
	}
	if got != l.diffID {
		p.discard(got)
		return fmt.Errorf("%w: layer %s unpacks to %s, not to %s", errRootFSMismatch, l.descriptor.Digest, got, l.diffID)
	}
	m.at(l.blob.Size())
	p.out.layer(l.id, "Pull complete")
	return nil
}
