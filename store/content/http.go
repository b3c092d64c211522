package content

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/containerd/errdefs"
)

// HTTP is the source of a blob of size bytes (negative: unknown) behind a URL. check turns a response that is neither 200 nor 206 into an error (without closing
// its body); answers 408, 429 and 5xx are worth another attempt whatever it says.
func HTTP(client *http.Client, url string, size int64, check func(*http.Response) error) Source {
	return func(ctx context.Context, offset int64) (io.ReadCloser, int64, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return nil, 0, err
		}
		// A transparently decompressed body would have neither the size nor the digest of the blob.
		req.Header.Set("Accept-Encoding", "identity")
		if offset > 0 {
			// Some registries understand a range with both ends only.
			end := ""
			if size > 0 {
				end = strconv.FormatInt(size-1, 10)
			}
			req.Header.Set("Range", fmt.Sprintf("bytes=%d-%s", offset, end))
		}
		resp, err := client.Do(req)
		if err != nil {
			return nil, 0, err
		}
		switch {
		case resp.StatusCode == http.StatusOK:
			return resp.Body, 0, nil
		case resp.StatusCode == http.StatusPartialContent:
			start, err := rangeStart(resp.Header.Get("Content-Range"))
			if err != nil {
				resp.Body.Close()
				return nil, 0, err
			}
			return resp.Body, start, nil
		case resp.StatusCode == http.StatusRequestedRangeNotSatisfiable && offset > 0:
			// We have as many bytes as the server, or more: only its whole answer shows what is right.
			resp.Body.Close()
			return HTTP(client, url, size, check)(ctx, 0)
		}
		defer resp.Body.Close()
		err = check(resp)
		if c := resp.StatusCode; c >= 500 || c == http.StatusTooManyRequests || c == http.StatusRequestTimeout {
			err = &brokenError{err}
		}
		return nil, 0, err
	}
}

// rangeStart reads the first offset of "bytes 100-199/200" (RFC 9110, 14.4).
func rangeStart(header string) (int64, error) {
	spec, ok := strings.CutPrefix(header, "bytes ")
	first, _, dash := strings.Cut(spec, "-")
	start, err := strconv.ParseInt(first, 10, 64)
	if !ok || !dash || err != nil {
		return 0, fmt.Errorf("malformed Content-Range %q: %w", header, errdefs.ErrUnavailable)
	}
	return start, nil
}
