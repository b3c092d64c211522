package image

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	ggcr "github.com/google/go-containerregistry/pkg/registry"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.uber.org/goleak"

	"github.com/sockerless/sockerless/store/content"
	"github.com/sockerless/sockerless/store/layer"
	"github.com/sockerless/sockerless/store/state"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testRegistry is a registry on loopback that a test can disturb.
type testRegistry struct {
	*httptest.Server
	host    string
	content http.Handler
	// before sees each request first; true: it has answered.
	before func(w http.ResponseWriter, r *http.Request) bool

	mu       sync.Mutex
	requests []string // "GET /v2/…", with the Range where there is one
}

func newRegistry(t *testing.T) *testRegistry { return startRegistry(t, httptest.NewServer) }

func startRegistry(t *testing.T, start func(http.Handler) *httptest.Server) *testRegistry {
	r := &testRegistry{content: ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0)))}
	r.Server = start(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		r.requests = append(r.requests, strings.TrimSpace(req.Method+" "+req.URL.Path+" "+req.Header.Get("Range")))
		before := r.before
		r.mu.Unlock()
		if before == nil || !before(w, req) {
			r.content.ServeHTTP(w, req)
		}
	}))
	r.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(r.Close)
	r.host = r.Listener.Addr().String()
	return r
}

// disturb sets before while requests may be running.
func (r *testRegistry) disturb(before func(w http.ResponseWriter, r *http.Request) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.before = before
}

// seen returns the requests since the last call that contain part.
func (r *testRegistry) seen(part string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	found := slices.DeleteFunc(slices.Clone(r.requests), func(s string) bool { return !strings.Contains(s, part) })
	r.requests = nil
	return found
}

func (r *testRegistry) put(t *testing.T, method, path, mediaType string, body []byte) {
	t.Helper()
	req := httptest.NewRequest(method, path, bytes.NewReader(body))
	req.Header.Set("Content-Type", mediaType)
	w := httptest.NewRecorder()
	r.content.ServeHTTP(w, req)
	if w.Code/100 != 2 {
		t.Fatalf("push %s: %d %s", path, w.Code, w.Body)
	}
}

func (r *testRegistry) blob(t *testing.T, repo, mediaType string, body []byte) ocispec.Descriptor {
	t.Helper()
	d := digest.FromBytes(body)
	r.put(t, http.MethodPost, "/v2/"+repo+"/blobs/uploads/?digest="+d.String(), "application/octet-stream", body)
	return ocispec.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(body))}
}

func (r *testRegistry) manifest(t *testing.T, repo, tag, mediaType string, manifest any) ocispec.Descriptor {
	t.Helper()
	body, err := json.Marshal(manifest)
	if err != nil {
		t.Fatal(err)
	}
	r.put(t, http.MethodPut, "/v2/"+repo+"/manifests/"+tag, mediaType, body)
	return ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(body), Size: int64(len(body))}
}

// testImage is what a test pushes.
type testImage struct {
	platform   ocispec.Platform // zero: this machine's
	layers     [][]byte         // tars
	compress   func([]byte) []byte
	layerType  string          // default: Docker's gzip
	configType string          // default: Docker's
	diffIDs    []digest.Digest // default: those of the layers
	cmd        string
}

// push returns the descriptor of the manifest, and the manifest.
func (r *testRegistry) push(t *testing.T, repo, tag string, img testImage) (ocispec.Descriptor, ocispec.Manifest) {
	t.Helper()
	if img.platform.OS == "" {
		platforms, err := wanted("")
		if err != nil {
			t.Fatal(err)
		}
		img.platform = platforms[0]
	}
	if img.compress == nil {
		img.compress = gzipped
	}
	if img.layerType == "" {
		img.layerType = "application/vnd.docker.image.rootfs.diff.tar.gzip"
	}
	if img.configType == "" {
		img.configType = typeSchema2Config
	}
	m := ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: typeSchema2}
	diffIDs := img.diffIDs
	for _, l := range img.layers {
		m.Layers = append(m.Layers, r.blob(t, repo, img.layerType, img.compress(l)))
		if img.diffIDs == nil {
			diffIDs = append(diffIDs, digest.FromBytes(l))
		}
	}
	created := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	config, err := json.Marshal(dockerspec.DockerOCIImage{
		Image: ocispec.Image{
			Created: &created, Platform: img.platform, RootFS: ocispec.RootFS{Type: "layers", DiffIDs: diffIDs},
		},
		Config: dockerspec.DockerOCIImageConfig{ImageConfig: ocispec.ImageConfig{Cmd: []string{img.cmd}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	m.Config = r.blob(t, repo, img.configType, config)
	d := r.manifest(t, repo, tag, typeSchema2, m)
	d.Platform = &img.platform
	return d, m
}

// tarOf makes a layer of files: name, content, name, content …
func tarOf(t *testing.T, files ...string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for i := 0; i < len(files); i += 2 {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: files[i], Size: int64(len(files[i+1])), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(files[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func gzipped(b []byte) []byte {
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	w.Write(b)
	w.Close()
	return buf.Bytes()
}

func zstandard(b []byte) []byte {
	var buf bytes.Buffer
	w, err := zstd.NewWriter(&buf)
	if err != nil {
		panic(err)
	}
	w.Write(b)
	w.Close()
	return buf.Bytes()
}

func plain(b []byte) []byte { return b }

// testStore is a server's stores in one folder.
type testStore struct {
	*Store
	dir    string
	layers *layer.Store
	state  state.Store
}

var testBuiltins = []string{"cat", "ls", "sh"}

func newStore(t *testing.T, dir string, registries RegistriesConfig) *testStore {
	t.Helper()
	s, err := openStore(dir, registries)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.state.Close() })
	return s
}

func openStore(dir string, registries RegistriesConfig) (*testStore, error) {
	st, err := state.Open(filepath.Join(dir, "state"), state.Options{FreeSpace: func(string) (uint64, error) { return 1 << 40, nil }, BallastSize: -1})
	if err != nil {
		return nil, err
	}
	layers, err := layer.NewStore(filepath.Join(dir, "layers"))
	if err != nil {
		return nil, err
	}
	blobs, err := content.NewStore(filepath.Join(dir, "ingest"), content.Options{RetryDelay: time.Millisecond})
	if err != nil {
		return nil, err
	}
	s, err := New(context.Background(), Config{State: st, Layers: layers, Content: blobs, Registries: registries, Builtins: testBuiltins})
	if err != nil {
		st.Close()
		return nil, err
	}
	return &testStore{Store: s, dir: dir, layers: layers, state: st}, nil
}

// pull returns the image, its lines of progress but for those of transfers, and the error.
func (s *testStore) pull(opts PullOptions) (*Image, []string, error) {
	var lines []string
	opts.Progress = func(p Progress) {
		switch {
		case p.Status == "Downloading" || p.Status == "Extracting":
		case p.ID == "":
			lines = append(lines, p.Status)
		default:
			lines = append(lines, p.ID+": "+p.Status)
		}
	}
	img, err := s.Pull(context.Background(), opts)
	return img, lines, err
}

func (s *testStore) mustPull(t *testing.T, ref string) *Image {
	t.Helper()
	img, _, err := s.pull(PullOptions{Reference: ref})
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// wantLines compares progress.
func wantLines(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("progress:\n\t%s\nwant:\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// layerCount is how many layers are on the disk, sockerless/base's aside.
func (s *testStore) layerCount(t *testing.T) int {
	t.Helper()
	all, err := s.layers.List()
	if err != nil {
		t.Fatal(err)
	}
	base, err := s.Resolve(BaseName)
	if err != nil {
		t.Fatal(err)
	}
	return len(slices.DeleteFunc(all, func(d digest.Digest) bool { return slices.Contains(base.DiffIDs(), d) }))
}

func downloaded(ref string) string { return "Status: Downloaded newer image for " + ref }
func upToDate(ref string) string   { return "Status: Image is up to date for " + ref }

// at names an image of the registry.
func (r *testRegistry) at(name string) string { return fmt.Sprintf("%s/%s", r.host, name) }
