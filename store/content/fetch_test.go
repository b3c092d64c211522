package content

import (
	"bytes"
	"context"
	"crypto/sha512"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/opencontainers/go-digest"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server serves one blob, and breaks as a test wants.
type server struct {
	*httptest.Server
	blob   []byte
	ranges bool                                                            // answers Range
	before func(n int, w http.ResponseWriter, r *http.Request) (done bool) // sees request n first
	cut    func(n int) int                                                 // bytes of answer n before the connection breaks; negative: all

	mu       sync.Mutex
	requests []string // their Range headers
	sent     int      // bytes
}

func serve(t *testing.T, size int) *server {
	s := &server{ranges: true, blob: make([]byte, size)}
	random := rand.NewChaCha8([32]byte{1})
	random.Read(s.blob)
	s.Server = httptest.NewServer(http.HandlerFunc(s.handle))
	t.Cleanup(s.Close)
	return s
}

func (s *server) handle(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	n := len(s.requests)
	s.requests = append(s.requests, r.Header.Get("Range"))
	s.mu.Unlock()
	if s.before != nil && s.before(n, w, r) {
		return
	}
	body, status := s.blob, http.StatusOK
	var start int
	if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &start); err == nil && s.ranges {
		if start >= len(s.blob) {
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
			return
		}
		body, status = s.blob[start:], http.StatusPartialContent
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", start, len(s.blob)-1, len(s.blob)))
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	w.WriteHeader(status)
	broken := false
	if s.cut != nil {
		if at := s.cut(n); at >= 0 && at < len(body) {
			body, broken = body[:at], true
		}
	}
	s.mu.Lock()
	s.sent += len(body)
	s.mu.Unlock()
	w.Write(body)
	if broken {
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
}

func (s *server) seen() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

func (s *server) request() Request {
	check := func(r *http.Response) error { return errors.New("the server said " + r.Status) }
	return Request{Digest: digest.FromBytes(s.blob), Size: int64(len(s.blob)), Source: HTTP(s.Client(), s.URL, int64(len(s.blob)), check)}
}

func newStore(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := NewStore(dir, Options{RetryDelay: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// wantBlob fetches and compares.
func wantBlob(t *testing.T, s *Store, r Request, want []byte) {
	t.Helper()
	b, err := s.Fetch(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	f, err := b.Open()
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(f)
	f.Close()
	if err != nil || !bytes.Equal(got, want) || b.Size() != int64(len(want)) {
		t.Fatalf("the blob has %d bytes (size %d), %v, want %d", len(got), b.Size(), err, len(want))
	}
	b.Close()
	b.Close()
	wantFiles(t, s, 0)
}

// wantFiles checks how many files are in the folder.
func wantFiles(t *testing.T, s *Store, n int) {
	t.Helper()
	entries, err := os.ReadDir(s.dir)
	if err != nil || len(entries) != n {
		t.Errorf("%d files in the folder, %v, want %d", len(entries), err, n)
	}
}

func TestFetch(t *testing.T) {
	srv, s := serve(t, 1_000_000), newStore(t, t.TempDir())
	r := srv.request()
	var steps []int64
	r.Progress = func(current, total int64) {
		if total != 1_000_000 {
			t.Errorf("total is %d", total)
		}
		steps = append(steps, current)
	}
	wantBlob(t, s, r, srv.blob)
	if !slices.IsSorted(steps) || len(steps) < 2 || steps[len(steps)-1] != 1_000_000 {
		t.Errorf("progress: %v", steps)
	}
	if got := srv.seen(); !slices.Equal(got, []string{""}) {
		t.Errorf("requests: %q", got)
	}
}

func TestUnknownSizeAndSHA512(t *testing.T) {
	srv, s := serve(t, 100_000), newStore(t, t.TempDir())
	r := srv.request()
	r.Size = -1
	wantBlob(t, s, r, srv.blob)
	r.Digest = digest.NewDigestFromBytes(digest.SHA512, func() []byte { h := sha512.Sum512(srv.blob); return h[:] }())
	wantBlob(t, s, r, srv.blob)
	r.Digest = "md5:abc"
	if _, err := s.Fetch(context.Background(), r); !errdefs.IsInvalidArgument(err) {
		t.Errorf("an unknown algorithm: %v", err)
	}
}

// TestResume has a server that breaks off after 300,000 bytes each time: nothing may be sent twice.
func TestResume(t *testing.T) {
	srv, s := serve(t, 1_000_000), newStore(t, t.TempDir())
	srv.cut = func(int) int { return 300_000 }
	wantBlob(t, s, srv.request(), srv.blob)
	if got, want := srv.seen(), []string{"", "bytes=300000-999999", "bytes=600000-999999", "bytes=900000-999999"}; !slices.Equal(got, want) {
		t.Errorf("requests: %q, want %q", got, want)
	}
	if srv.sent != 1_000_000 {
		t.Errorf("%d bytes were sent", srv.sent)
	}
}

func TestServerWithoutRange(t *testing.T) {
	srv, s := serve(t, 500_000), newStore(t, t.TempDir())
	srv.ranges = false
	srv.cut = func(n int) int { return 200_000 + 400_000*n }
	wantBlob(t, s, srv.request(), srv.blob)
	if got := len(srv.seen()); got != 2 {
		t.Errorf("%d requests, want 2", got)
	}
}

func TestNoProgress(t *testing.T) {
	srv, s := serve(t, 500_000), newStore(t, t.TempDir())
	srv.cut = func(n int) int {
		if n == 0 {
			return 1000
		}
		return 0
	}
	_, err := s.Fetch(context.Background(), srv.request())
	if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "nothing beyond byte 1000") {
		t.Errorf("error: %v", err)
	}
	if got := len(srv.seen()); got != maxFutile {
		t.Errorf("%d requests", got)
	}
	wantFiles(t, s, 1) // what came is kept for the next time
	srv.cut = nil
	wantBlob(t, s, srv.request(), srv.blob)
	if last := srv.seen()[maxFutile]; last != "bytes=1000-499999" {
		t.Errorf("the next fetch asked for %q", last)
	}
}

func TestWrongDigest(t *testing.T) {
	srv, s := serve(t, 1000), newStore(t, t.TempDir())
	r := srv.request()
	right := r.Digest
	srv.blob[7] ^= 1
	_, err := s.Fetch(context.Background(), r)
	if !errdefs.IsDataLoss(err) || !strings.Contains(err.Error(), "expected "+right.String()) || !strings.Contains(err.Error(), "got "+digest.FromBytes(srv.blob).String()) {
		t.Errorf("error: %v", err)
	}
	wantFiles(t, s, 0)
	if got := len(srv.seen()); got != 1 {
		t.Errorf("%d requests", got)
	}
}

func TestTooLong(t *testing.T) {
	srv, s := serve(t, 1000), newStore(t, t.TempDir())
	r := srv.request()
	r.Size = 999
	if _, err := s.Fetch(context.Background(), r); !errdefs.IsDataLoss(err) || !strings.Contains(err.Error(), "more than the 999 bytes") {
		t.Errorf("error: %v", err)
	}
}

// TestDamagedPartial finds the beginning of a blob that rotted, or is longer than the blob.
func TestDamagedPartial(t *testing.T) {
	for name, size := range map[string]int{"shorter": 400, "as long": 1000, "longer": 2000} {
		t.Run(name, func(t *testing.T) {
			srv, dir := serve(t, 1000), t.TempDir()
			r := srv.request()
			if err := os.WriteFile(filepath.Join(dir, "sha256-"+r.Digest.Encoded()), make([]byte, size), 0o600); err != nil {
				t.Fatal(err)
			}
			wantBlob(t, newStore(t, dir), r, srv.blob)
			r.Size = -1
			if err := os.WriteFile(filepath.Join(dir, "sha256-"+r.Digest.Encoded()), make([]byte, size), 0o600); err != nil {
				t.Fatal(err)
			}
			wantBlob(t, newStore(t, dir), r, srv.blob)
		})
	}
}

// TestCompletePartial is a download that was killed just before it was used: nothing is asked for.
func TestCompletePartial(t *testing.T) {
	srv, dir := serve(t, 1000), t.TempDir()
	r := srv.request()
	if err := os.WriteFile(filepath.Join(dir, "sha256-"+r.Digest.Encoded()), srv.blob, 0o600); err != nil {
		t.Fatal(err)
	}
	wantBlob(t, newStore(t, dir), r, srv.blob)
	if got := srv.seen(); len(got) != 0 {
		t.Errorf("requests: %q", got)
	}
}

func TestJoin(t *testing.T) {
	srv, s := serve(t, 1_000_000), newStore(t, t.TempDir())
	arrived, gate := make(chan struct{}), make(chan struct{})
	srv.before = func(int, http.ResponseWriter, *http.Request) bool {
		arrived <- struct{}{}
		<-gate
		return false
	}
	type result struct {
		blob *Blob
		err  error
	}
	results := make(chan result)
	fetch := func(ctx context.Context) {
		b, err := s.Fetch(ctx, srv.request())
		results <- result{b, err}
	}
	ctx, cancel := context.WithCancel(context.Background())
	go fetch(ctx)
	<-arrived
	for range 9 {
		go fetch(context.Background())
	}
	for s.waiting(srv.request().Digest) < 10 {
		runtime.Gosched() // the others are on their way in
	}
	cancel() // who began it gives up; the others get it all the same
	if r := <-results; !errors.Is(r.err, context.Canceled) {
		t.Fatalf("the canceled one: %v", r.err)
	}
	close(gate)
	var blobs []*Blob
	for range 9 {
		r := <-results
		if r.err != nil {
			t.Fatal(r.err)
		}
		blobs = append(blobs, r.blob)
	}
	if got := len(srv.seen()); got != 1 {
		t.Errorf("%d requests for ten callers", got)
	}
	for _, b := range blobs[1:] {
		b.Close()
	}
	wantFiles(t, s, 1)
	blobs[0].Close()
	wantFiles(t, s, 0)
}

// waiting counts the callers of a digest.
func (s *Store) waiting(d digest.Digest) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.flights[d]; f != nil {
		return f.users
	}
	return 0
}

func TestCancelAndResume(t *testing.T) {
	srv, dir := serve(t, 1_000_000), t.TempDir()
	s := newStore(t, dir)
	ctx, cancel := context.WithCancel(context.Background())
	srv.before = func(n int, w http.ResponseWriter, r *http.Request) bool {
		if n > 0 {
			return false
		}
		w.Header().Set("Content-Length", "1000000")
		w.Write(srv.blob[:250_000])
		w.(http.Flusher).Flush()
		<-r.Context().Done() // the client hangs up
		return true
	}
	r := srv.request()
	r.Progress = func(current, _ int64) {
		if current == 250_000 {
			cancel()
		}
	}
	if _, err := s.Fetch(ctx, r); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	r.Progress = nil
	wantBlob(t, s, r, srv.blob)
	if got, want := srv.seen(), []string{"", "bytes=250000-999999"}; !slices.Equal(got, want) {
		t.Errorf("requests: %q, want %q", got, want)
	}
}

func TestStatus(t *testing.T) {
	srv, s := serve(t, 1000), newStore(t, t.TempDir())
	srv.before = func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusNotFound)
		return true
	}
	if _, err := s.Fetch(context.Background(), srv.request()); err == nil || !strings.Contains(err.Error(), "the server said 404 Not Found") {
		t.Errorf("not found: %v", err)
	}
	if got := len(srv.seen()); got != 1 {
		t.Errorf("a final answer was asked for %d times", got)
	}
	srv.before = func(n int, w http.ResponseWriter, _ *http.Request) bool {
		if n < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
		return false
	}
	wantBlob(t, s, srv.request(), srv.blob)
	if got := len(srv.seen()); got != 4 {
		t.Errorf("%d requests, want 4", got)
	}
}

func TestStall(t *testing.T) {
	srv, dir := serve(t, 1000), t.TempDir()
	s, err := NewStore(dir, Options{RetryDelay: time.Millisecond, Stall: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	srv.before = func(n int, w http.ResponseWriter, r *http.Request) bool {
		if n == 0 {
			w.Header().Set("Content-Length", "1000")
			w.Write(srv.blob[:10])
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			return true
		}
		return false
	}
	wantBlob(t, s, srv.request(), srv.blob)
	if got, want := srv.seen(), []string{"", "bytes=10-999"}; !slices.Equal(got, want) {
		t.Errorf("requests: %q, want %q", got, want)
	}
}

func TestConnectionRefused(t *testing.T) {
	srv, s := serve(t, 1000), newStore(t, t.TempDir())
	srv.Close()
	if _, err := s.Fetch(context.Background(), srv.request()); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("error: %v", err)
	}
}

func TestOldPartialsAreDropped(t *testing.T) {
	dir := t.TempDir()
	for name, age := range map[string]time.Duration{"sha256-old": keepPartial + time.Hour, "sha256-new": time.Hour} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, time.Time{}, time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	s := newStore(t, dir)
	wantFiles(t, s, 1)
	if _, err := os.Stat(filepath.Join(dir, "sha256-new")); err != nil {
		t.Error(err)
	}
}

func TestRangeStart(t *testing.T) {
	for header, want := range map[string]int64{"bytes 5-9/10": 5, "bytes 0-9/*": 0, "bytes */10": -1, "": -1, "items 1-2/3": -1} {
		got, err := rangeStart(header)
		if want < 0 && err == nil || want >= 0 && (err != nil || got != want) {
			t.Errorf("%q: %d, %v", header, got, err)
		}
	}
}
