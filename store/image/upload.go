package image

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/klauspost/compress/gzip"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// size asks whether the repository has a blob, and how long that is; -1 where it has none.
func (r *repository) size(ctx context.Context, d digest.Digest) (int64, error) {
	resp, err := r.send(ctx, http.MethodHead, r.endpoint.url(r.path+"/blobs/"+d.String()), nil, "")
	if err != nil {
		return -1, err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotFound {
		return -1, nil
	}
	if err := r.check(resp); err != nil {
		return -1, err
	}
	return resp.ContentLength, nil
}

// begin opens an upload, and gives the address to send it to; "" where the blob d was mounted instead from another repository of
// the registry.
func (r *repository) begin(ctx context.Context, d digest.Digest, from string) (location string, err error) {
	address := r.endpoint.url(r.path + "/blobs/uploads/")
	if from != "" {
		address += "?" + url.Values{"mount": {d.String()}, "from": {from}}.Encode()
	}
	resp, err := r.send(ctx, http.MethodPost, address, nil, "")
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if err := r.check(resp); err != nil {
		return "", err
	}
	if resp.StatusCode == http.StatusCreated && from != "" {
		return "", nil
	}
	return next(resp)
}

// next is where an upload goes on.
func next(resp *http.Response) (string, error) {
	to, err := resp.Location()
	if err != nil {
		return "", fmt.Errorf("upload: the registry does not say where to: %w", err)
	}
	return to.String(), nil
}

// write sends contents to an upload, and ends it. The digest is asked for when all was read.
func (r *repository) write(ctx context.Context, location string, contents io.Reader, d func() digest.Digest) error {
	resp, err := r.send(ctx, http.MethodPatch, location, contents, "application/octet-stream")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := r.check(resp); err != nil {
		return err
	}
	if location, err = next(resp); err != nil {
		return err
	}
	to, err := url.Parse(location)
	if err != nil {
		return err
	}
	query := to.Query()
	query.Set("digest", d().String())
	to.RawQuery = query.Encode()
	end, err := r.send(ctx, http.MethodPut, to.String(), nil, "")
	if err != nil {
		return err
	}
	defer end.Body.Close()
	return r.check(end)
}

// put sends a small blob, where the repository does not have it.
func (r *repository) put(ctx context.Context, d digest.Digest, data []byte) error {
	if size, err := r.size(ctx, d); err != nil || size >= 0 {
		return err
	}
	location, err := r.begin(ctx, d, "")
	if err != nil {
		return err
	}
	return r.write(ctx, location, bytes.NewReader(data), func() digest.Digest { return d })
}

// compress sends contents to an upload, compressed, and tells what became of them.
func (r *repository) compress(ctx context.Context, location string, contents io.Reader) (ocispec.Descriptor, error) {
	pipe, w := io.Pipe()
	digester := digest.SHA256.Digester()
	count := &counter{}
	done := make(chan struct{})
	go func() { // ends with the contents, or when the pipe is closed
		defer close(done)
		z := gzip.NewWriter(io.MultiWriter(w, digester.Hash(), count))
		_, err := io.Copy(z, contents)
		if err == nil {
			err = z.Close()
		}
		w.CloseWithError(err) // nil is the end
	}()
	err := r.write(ctx, location, pipe, func() digest.Digest {
		<-done
		return digester.Digest()
	})
	pipe.Close()
	<-done
	return ocispec.Descriptor{MediaType: typeSchema2Layer, Digest: digester.Digest(), Size: count.n}, err
}

type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}

// putManifest stores a manifest under a tag.
func (r *repository) putManifest(ctx context.Context, tag, mediaType string, data []byte) error {
	resp, err := r.send(ctx, http.MethodPut, r.endpoint.url(r.path+"/manifests/"+tag), bytes.NewReader(data), mediaType)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return r.check(resp)
}

func (r *repository) send(ctx context.Context, method, address string, body io.Reader, contentType string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return nil, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	return r.client.Do(req)
}
