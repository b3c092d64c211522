package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/sockerless/sockerless/store/layer"
)

const (
	parallelUploads = 5 // dockerd's max-concurrent-uploads
	uploadAttempts  = 5 // dockerd's max-upload-attempts
)

// layers brings layers to the repository, the topmost first as dockerd shows them, and describes them there, the lowest first.
func (p *push) layers(ctx context.Context, repo *repository, diffIDs []digest.Digest) ([]ocispec.Descriptor, error) {
	var unique []digest.Digest
	for _, id := range slices.Backward(diffIDs) {
		p.out.layer(short(id.String()), "Preparing")
		if !slices.Contains(unique, id) {
			unique = append(unique, id)
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		mu      sync.Mutex
		sent    = sentLayers{}
		workers sync.WaitGroup
		queue   = make(chan digest.Digest, len(unique))
	)
	for i, id := range unique {
		if i >= parallelUploads {
			p.out.layer(short(id.String()), "Waiting")
		}
		queue <- id
	}
	close(queue)
	for range min(parallelUploads, len(unique)) {
		workers.Go(func() {
			for id := range queue {
				d, ok := p.sent[id]
				var err error
				if ok {
					p.out.layer(short(id.String()), "Layer already exists")
				} else if d, err = p.tryLayer(ctx, repo, id); err != nil {
					cancel(err)
					return
				}
				mu.Lock()
				sent[id] = d
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	p.sent = sent
	blobs := map[digest.Digest]digest.Digest{}
	list := make([]ocispec.Descriptor, len(diffIDs))
	for i, id := range diffIDs {
		list[i] = sent[id]
		blobs[id] = sent[id].Digest
	}
	return list, p.noteBlobs(ctx, p.repository.Name(), blobs)
}

// tryLayer is layer, tried again where the registry or the way to it failed.
func (p *push) tryLayer(ctx context.Context, repo *repository, id digest.Digest) (ocispec.Descriptor, error) {
	delay := p.retryDelay
	for attempt := 1; ; attempt++ {
		d, err := p.layer(ctx, repo, id)
		if err == nil || attempt == uploadAttempts || ctx.Err() != nil || !worthAnother(err) {
			return d, err
		}
		p.log.Info("image: push a layer again", "layer", id.String(), "error", err)
		p.out.layer(short(id.String()), fmt.Sprintf("Retrying in %v", delay))
		timer := time.NewTimer(delay)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return d, err
		}
		delay *= 2
	}
}

// worthAnother tells whether an error may be gone at the next attempt.
func worthAnother(err error) bool {
	var refused *statusError
	if errors.As(err, &refused) {
		return refused.status >= 500 || refused.status == 429 || refused.status == 408
	}
	return !errors.Is(err, errNoBasicAuth)
}

// layer brings one layer: there it may be already, in another repository of the registry, or it is sent.
func (p *push) layer(ctx context.Context, repo *repository, id digest.Digest) (ocispec.Descriptor, error) {
	show := short(id.String())
	known, err := p.knownBlobs(id)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	location := ""
	for _, blob := range p.candidates(known) {
		size, err := repo.size(ctx, blob.Digest)
		if err != nil {
			return ocispec.Descriptor{}, err
		}
		status := "Layer already exists"
		if size < 0 && blob.Repository != p.repository.Name() && location == "" {
			if from := p.neighbour(blob.Repository); from != "" {
				location, err = repo.begin(ctx, blob.Digest, from)
				if err != nil {
					return ocispec.Descriptor{}, err
				}
				if location == "" {
					status = "Mounted from " + from
					if size, err = repo.size(ctx, blob.Digest); err != nil {
						return ocispec.Descriptor{}, err
					}
				}
			}
		}
		if size >= 0 {
			p.out.layer(show, status)
			return ocispec.Descriptor{MediaType: typeSchema2Layer, Digest: blob.Digest, Size: size}, nil
		}
	}
	if location == "" {
		if location, err = repo.begin(ctx, "", ""); err != nil {
			return ocispec.Descriptor{}, err
		}
	}
	l, err := layer.Open(p.Store.layers.Path(id))
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	defer l.Close()
	contents, size, err := l.Tar()
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	defer contents.Close()
	m := &meter{reporter: p.out, id: show, action: "Pushing", total: size}
	d, err := repo.compress(ctx, location, &meteredReader{Reader: io.Reader(contents), meter: m})
	if err != nil {
		return d, err
	}
	p.out.layer(show, "Pushed")
	return d, nil
}

// candidates are where a layer may be: in this repository first, then in others of the registry.
func (p *push) candidates(known []knownBlob) (list []knownBlob) {
	for _, own := range []bool{true, false} {
		for _, b := range known {
			if (b.Repository == p.repository.Name()) == own && (own || p.neighbour(b.Repository) != "") && len(list) < maxMounts {
				list = append(list, b)
			}
		}
	}
	return list
}
