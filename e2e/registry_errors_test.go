package e2e

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// faulty is a registry of one test, behind a handler that may spoil what it answers.
type faulty struct {
	host  string
	spoil atomic.Pointer[func(w http.ResponseWriter, r *http.Request, next http.Handler)]
}

func newFaulty(t *testing.T) *faulty {
	t.Helper()
	f := &faulty{}
	images := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if spoil := f.spoil.Load(); spoil != nil {
			(*spoil)(w, r, images)
		} else {
			images.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(s.Close)
	f.host = s.Listener.Addr().String()
	return f
}

func (f *faulty) setSpoil(spoil func(w http.ResponseWriter, r *http.Request, next http.Handler)) {
	f.spoil.Store(&spoil)
}

func (f *faulty) push(t *testing.T, reference string, img v1.Image) {
	t.Helper()
	ref, err := name.ParseReference(f.host+"/"+reference, name.Insecure)
	if err == nil {
		err = remote.Write(ref, img)
	}
	if err != nil {
		t.Fatalf("push %s: %v", reference, err)
	}
}

// blobImage is an image of one file "blob" that does not compress, and the digest of its layer.
func blobImage(t *testing.T, size int) (v1.Image, v1.Hash, []byte) {
	t.Helper()
	data := noise(size)
	img := layeredImage(t, linuxAMD64, v1.Config{Cmd: []string{"sha256sum", "/blob"}, Env: []string{"PATH=/bin"}},
		layerTar(t, append(programs("cat", "sha256sum"), file("blob", 0o644, string(data)))...))
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	digest, err := layers[0].Digest()
	if err != nil {
		t.Fatal(err)
	}
	return img, digest, data
}

// noise is the same size bytes every time, which look random.
func noise(size int) []byte {
	data := make([]byte, size)
	x := uint64(88172645463325252)
	for i := range data {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		data[i] = byte(x >> 32)
	}
	return data
}

// basicAuth lets through who has the password "right".
func basicAuth(w http.ResponseWriter, r *http.Request, next http.Handler) {
	if user, password, ok := r.BasicAuth(); ok && user == "user" && password == "right" {
		next.ServeHTTP(w, r)
		return
	}
	w.Header().Set("WWW-Authenticate", `Basic realm="e2e"`)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusUnauthorized)
	_, _ = io.WriteString(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required","detail":null}]}`)
}

func TestRegistryPassword(t *testing.T) {
	s, f := runningServer(t), newFaulty(t)
	img, _, _ := blobImage(t, 1000)
	f.push(t, "private/image:v1", img)
	f.setSpoil(basicAuth)
	image := f.host + "/private/image:v1"

	s.fails(t, 1, []string{"no basic auth credentials"}, "pull", image)
	login := func(password string) outcome {
		cmd := s.docker(t, "login", "-u", "user", "--password-stdin", f.host)
		cmd.Stdin = strings.NewReader(password)
		return outcomeOf(t, cmd)
	}
	if o := login("wrong"); o.code == 0 || !strings.Contains(o.stderr, "unauthorized") {
		t.Errorf("docker login with a wrong password: %+v", o)
	}
	s.fails(t, 1, []string{"no basic auth credentials"}, "pull", image)
	if got := s.ok(t, "images", "-q"); strings.Contains(got, image) {
		t.Errorf("docker images shows what could not be pulled: %q", got)
	}
	if o := login("right"); o.code != 0 || !strings.Contains(o.stdout, "Login Succeeded") {
		t.Fatalf("docker login with the right password: %+v", o)
	}
	s.ok(t, "pull", image)
	s.ok(t, "run", "--rm", image)
	s.ok(t, "logout", f.host)
	s.fails(t, 1, []string{"no basic auth credentials"}, "pull", image)
}

// TestTruncatedLayer pulls a layer that breaks off: what came is not fetched twice, and what never comes is an error.
func TestTruncatedLayer(t *testing.T) {
	s, f := runningServer(t), newFaulty(t)
	img, digest, data := blobImage(t, 3<<20)
	f.push(t, "cut:v1", img)
	image := f.host + "/cut:v1"
	isBlob := func(r *http.Request) bool {
		return r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, digest.String())
	}

	var sent atomic.Int64
	f.setSpoil(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if isBlob(r) {
			w = &cutWriter{ResponseWriter: w, left: 1 << 20, sent: &sent}
		}
		next.ServeHTTP(w, r)
	})
	s.ok(t, "pull", image)
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	size, err := layers[0].Size()
	if err != nil {
		t.Fatal(err)
	}
	if got := sent.Load(); got != size {
		t.Errorf("the registry sent %d bytes of a layer of %d", got, size)
	}
	if out := outcomeOf(t, s.docker(t, "run", "--rm", image, "cat", "/blob")); out.stdout != string(data) {
		same(t, "blob", []byte(out.stdout), data)
	}

	// a connection that never brings anything beyond a point is given up
	other, digest2, _ := blobImage(t, 2<<20)
	f.spoil.Store(nil)
	f.push(t, "stuck:v1", other)
	digest = digest2
	f.setSpoil(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if isBlob(r) {
			w = &cutWriter{ResponseWriter: w, sent: &sent}
		}
		next.ServeHTTP(w, r)
	})
	before := s.ok(t, "images", "-a", "--no-trunc")
	s.fails(t, 1, []string{"attempts brought nothing"}, "pull", f.host+"/stuck:v1")
	if after := s.ok(t, "images", "-a", "--no-trunc"); after != before {
		t.Errorf("docker images after a broken pull:\n%s\nbefore:\n%s", after, before)
	}
	s.fails(t, 1, []string{"No such image"}, "image", "inspect", f.host+"/stuck:v1")
	f.spoil.Store(nil)
	s.ok(t, "pull", f.host+"/stuck:v1")
}

// cutWriter ends the connection after left bytes of the body.
type cutWriter struct {
	http.ResponseWriter
	left int
	sent *atomic.Int64
}

func (w *cutWriter) Write(p []byte) (int, error) {
	n := min(len(p), w.left)
	written, err := w.ResponseWriter.Write(p[:n])
	w.left -= written
	w.sent.Add(int64(written))
	if err == nil && n < len(p) {
		if f, ok := w.ResponseWriter.(http.Flusher); ok {
			f.Flush()
		}
		panic(http.ErrAbortHandler)
	}
	return written, err
}

func TestWrongDigest(t *testing.T) {
	s, f := runningServer(t), newFaulty(t)
	img, digest, _ := blobImage(t, 1<<20)
	f.push(t, "image:v1", img)
	image := f.host + "/image:v1"

	f.setSpoil(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if !strings.HasSuffix(r.URL.Path, digest.String()) {
			next.ServeHTTP(w, r)
			return
		}
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		body := answer.Body.Bytes()
		if len(body) > 0 {
			body[len(body)/2] ^= 1
		}
		for k, v := range answer.Header() {
			w.Header()[k] = v
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(answer.Code)
		_, _ = w.Write(body)
	})
	s.fails(t, 1, []string{"wrong digest: expected " + digest.String() + ", got sha256:"}, "pull", image)
	s.fails(t, 1, []string{"No such image"}, "image", "inspect", image)
	f.spoil.Store(nil)
	s.ok(t, "pull", image)
	s.ok(t, "run", "--rm", image)
}

func TestUnreachableRegistry(t *testing.T) {
	s := runningServer(t)
	s.fails(t, 1, []string{"connection refused"}, "pull", "127.0.0.1:1/nothing")
	s.fails(t, 125, []string{"Unable to find image", "connection refused"}, "run", "127.0.0.1:1/nothing")
	f := newFaulty(t)
	f.setSpoil(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { w.WriteHeader(http.StatusBadGateway) })
	s.fails(t, 1, []string{"502"}, "pull", f.host+"/x")
	f.setSpoil(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		fmt.Fprint(w, "<html>a login page</html>")
	})
	s.fails(t, 1, nil, "pull", f.host+"/x")
	if got := s.ok(t, "ps", "-aq"); got != "" {
		t.Errorf("containers: %q", got)
	}
}
