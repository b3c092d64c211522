package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
)

func TestTruncationIsNoticed(t *testing.T) {
	type result struct {
		n   int64
		err error
	}
	results := make(chan result, 1)
	network, address := serveOn(t, "unix", func(_ *Response, r *Request) error {
		n, err := io.Copy(io.Discard, r.Body(0))
		results <- result{n, err}
		return err
	})
	for name, head := range map[string]string{
		"sized":   "Content-Length: 1000000\r\n\r\n",
		"chunked": "Transfer-Encoding: chunked\r\n\r\nf4240\r\n",
	} {
		for _, sent := range []int{0, 1, 100_000} {
			answer := roundTrip(t, network, address, "PUT / HTTP/1.1\r\nHost: d\r\n"+head+strings.Repeat("x", sent))
			select {
			case got := <-results:
				if !errors.Is(got.err, io.ErrUnexpectedEOF) || got.n != int64(sent) {
					t.Errorf("%s, %d bytes: read %d, error %v", name, sent, got.n, got.err)
				}
			default: // fasthttp saw it, in the byte of a body that it reads before the handler is called
				if name != "sized" || sent > 0 || !strings.HasPrefix(answer, "HTTP/1.1 400") {
					t.Errorf("%s, %d bytes: %q, and the handler was not called", name, sent, answer)
				}
			}
		}
	}
}

// zeros is a body that is never in memory as a whole.
type zeros struct{ left int64 }

func (z *zeros) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := int(min(z.left, int64(len(p))))
	z.left -= int64(n)
	return n, nil
}

func TestGigabyteIsNotBuffered(t *testing.T) {
	const size = 1 << 30
	network, address := serveOn(t, "unix", func(w *Response, r *Request) error {
		n, err := io.Copy(io.Discard, r.Body(0))
		w.Send(200, "", fmt.Append(nil, n))
		return err
	})
	client := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		}}}
	defer client.CloseIdleConnections()
	for _, length := range []int64{size, -1} {
		request, err := http.NewRequest("PUT", "http://d/", io.NopCloser(&zeros{size}))
		if err != nil {
			t.Fatal(err)
		}
		request.ContentLength = length
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		res, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		runtime.ReadMemStats(&after)
		if err != nil || string(body) != fmt.Sprint(size) {
			t.Errorf("the server read %s bytes, %v", body, err)
		}
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 16<<20 {
			t.Errorf("%d bytes were allocated for it", grown)
		}
	}
}

func TestRejectingAnUploadNeedsNotReadIt(t *testing.T) {
	network, address := serveOn(t, "unix", func(*Response, *Request) error { return errTeapot })
	c := dial(t, network, address)
	fmt.Fprintf(c, "PUT / HTTP/1.1\r\nHost: d\r\nContent-Length: %d\r\n\r\nbegin", 1<<40)
	b, err := io.ReadAll(c) // ends: the connection cannot be used again
	if !strings.HasPrefix(string(b), "HTTP/1.1 418") {
		t.Errorf("%q %v", b, err)
	}
}
