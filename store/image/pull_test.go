package image

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/sockerless/sockerless/store/layer"
)

// noise does not compress.
func noise(n int) string {
	b := make([]byte, n)
	random := rand.NewChaCha8([32]byte{byte(n)})
	random.Read(b)
	return string(b)
}

func TestPull(t *testing.T) {
	reg, s := newRegistry(t), newStore(t, t.TempDir(), nil)
	tars := [][]byte{tarOf(t, "a", "alpha"), tarOf(t, "b", "beta")}
	desc, m := reg.push(t, "team/app", "1.0", testImage{layers: tars, cmd: "run"})
	ref := reg.at("team/app:1.0")

	var all []Progress
	img, err := s.Pull(context.Background(), PullOptions{Reference: ref, Progress: func(p Progress) { all = append(all, p) }})
	if err != nil {
		t.Fatal(err)
	}
	if img.ID != m.Config.Digest || digest.FromBytes(img.Config) != m.Config.Digest {
		t.Errorf("id %s, want %s", img.ID, m.Config.Digest)
	}
	if want := []string{ref}; !slices.Equal(img.RepoTags, want) {
		t.Errorf("tags %q, want %q", img.RepoTags, want)
	}
	if want := []string{reg.at("team/app@" + desc.Digest.String())}; !slices.Equal(img.RepoDigests, want) {
		t.Errorf("digests %q, want %q", img.RepoDigests, want)
	}
	if img.Size != 9 || !slices.Equal(img.LayerSizes, []int64{5, 4}) || img.Created().Year() != 2026 || img.Spec.Config.Cmd[0] != "run" {
		t.Errorf("size %d %v, created %v, cmd %q", img.Size, img.LayerSizes, img.Created(), img.Spec.Config.Cmd)
	}
	dirs, err := s.Layers(img.ID)
	if err != nil || len(dirs) != 2 {
		t.Fatal(dirs, err)
	}
	for i, dir := range dirs {
		if got := readLayer(t, dir); string(got) != string(tars[i]) {
			t.Errorf("layer %d has %d other bytes", i, len(got))
		}
	}

	// Each layer's own lines, and what stands before and after all of them.
	perLayer := map[string][]string{}
	for _, p := range all[1 : len(all)-2] {
		if !p.Layer {
			t.Errorf("%+v is among the layers' lines", p)
		}
		if (p.Status == "Downloading" || p.Status == "Extracting") != (p.Total > 0) {
			t.Errorf("progress detail of %+v", p)
		}
		perLayer[p.ID] = slices.Compact(append(perLayer[p.ID], p.Status))
	}
	steps := []string{"Pulling fs layer", "Downloading", "Verifying Checksum", "Download complete", "Extracting", "Pull complete"}
	for _, l := range m.Layers {
		if got := perLayer[l.Digest.Encoded()[:12]]; !slices.Equal(got, steps) {
			t.Errorf("layer %s: %q", l.Digest, got)
		}
	}
	if first := (Progress{ID: "1.0", Status: "Pulling from team/app"}); all[0] != first {
		t.Errorf("first line %+v", all[0])
	}
	if last := (Progress{Status: downloaded(ref)}); all[len(all)-1] != last {
		t.Errorf("last line %+v", all[len(all)-1])
	}
	if line := (Progress{Status: "Digest: " + desc.Digest.String()}); all[len(all)-2] != line {
		t.Errorf("line before the last %+v", all[len(all)-2])
	}
	if left, err := os.ReadDir(filepath.Join(s.dir, "ingest")); err != nil || len(left) != 0 {
		t.Errorf("%d downloads left, %v", len(left), err)
	}
}

func readLayer(t *testing.T, dir string) []byte {
	t.Helper()
	l, err := layer.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r, _, err := l.Tar()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestPullAgain(t *testing.T) {
	reg, dir := newRegistry(t), t.TempDir()
	s := newStore(t, dir, nil)
	shared := tarOf(t, "shared", noise(1000))
	one, m1 := reg.push(t, "app", "latest", testImage{layers: [][]byte{shared}, cmd: "one"})
	ref := reg.at("app:latest")
	s.mustPull(t, reg.at("app"))
	reg.seen("")

	_, lines, err := s.pull(PullOptions{Reference: ref})
	if err != nil {
		t.Fatal(err)
	}
	wantLines(t, lines, "latest: Pulling from app", "Digest: "+one.Digest.String(), upToDate(ref))
	if got := reg.seen("/app/"); !slices.Equal(got, []string{"HEAD /v2/app/manifests/latest"}) {
		t.Errorf("requests: %q", got)
	}

	// By digest: known as well, though asked for in full.
	_, lines, err = s.pull(PullOptions{Reference: reg.at("app@" + one.Digest.String())})
	if err != nil {
		t.Fatal(err)
	}
	wantLines(t, lines, one.Digest.String()+": Pulling from app", "Digest: "+one.Digest.String(), upToDate(reg.at("app@"+one.Digest.String())))
	if got := reg.seen("/blobs/"); len(got) != 0 {
		t.Errorf("blobs: %q", got)
	}

	// The tag moves to an image with one layer more.
	two, m2 := reg.push(t, "app", "latest", testImage{layers: [][]byte{shared, tarOf(t, "new", "x")}, cmd: "two"})
	_, lines, err = s.pull(PullOptions{Reference: ref})
	if err != nil {
		t.Fatal(err)
	}
	id := m2.Layers[1].Digest.Encoded()[:12]
	wantLines(t, lines, "latest: Pulling from app",
		m2.Layers[0].Digest.Encoded()[:12]+": Already exists", id+": Pulling fs layer",
		id+": Verifying Checksum", id+": Download complete", id+": Pull complete",
		"Digest: "+two.Digest.String(), downloaded(ref))
	if got := reg.seen(m2.Layers[0].Digest.String()); len(got) != 0 {
		t.Errorf("the shared layer was downloaded again: %q", got)
	}
	// The old image lost its tag, not its digest.
	old, err := s.Resolve(m1.Config.Digest.String())
	if err != nil || len(old.RepoTags) != 0 || len(old.RepoDigests) != 1 {
		t.Errorf("the old image: %+v, %v", old, err)
	}

	// All of it is there after a restart.
	s.state.Close()
	s = newStore(t, dir, nil)
	img, err := s.Resolve(ref)
	if err != nil || img.ID != m2.Config.Digest || img.Size != 1001 {
		t.Errorf("after a restart: %v, %v", img, err)
	}
}

func TestPullCompressions(t *testing.T) {
	for name, compress := range map[string]func([]byte) []byte{"gzip": gzipped, "zstd": zstandard, "none": plain} {
		t.Run(name, func(t *testing.T) {
			reg, s := newRegistry(t), newStore(t, t.TempDir(), nil)
			l := tarOf(t, "file", noise(300_000))
			// The media type says gzip of each: it is the content that counts.
			reg.push(t, "app", "latest", testImage{layers: [][]byte{l}, compress: compress})
			img := s.mustPull(t, reg.at("app"))
			dirs, err := s.Layers(img.ID)
			if err != nil || string(readLayer(t, dirs[0])) != string(l) {
				t.Errorf("the layer differs (%v)", err)
			}
		})
	}
}

func TestPullManyLayers(t *testing.T) {
	reg, s := newRegistry(t), newStore(t, t.TempDir(), nil)
	var layers [][]byte
	for i := range 7 {
		layers = append(layers, tarOf(t, fmt.Sprint("file", i), noise(10_000+i)))
	}
	layers = append(layers, layers[2]) // the same one once more
	_, m := reg.push(t, "app", "latest", testImage{layers: layers})
	var mu sync.Mutex
	inside, most := 0, 0
	reg.disturb(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, "/blobs/") {
			return false
		}
		mu.Lock()
		inside++
		most = max(most, inside)
		mu.Unlock()
		reg.content.ServeHTTP(w, r)
		mu.Lock()
		inside--
		mu.Unlock()
		return true
	})
	img, lines, err := s.pull(PullOptions{Reference: reg.at("app")})
	if err != nil {
		t.Fatal(err)
	}
	if most > parallelDownloads {
		t.Errorf("%d downloads at a time", most)
	}
	var waiting, complete []string
	for _, l := range lines {
		if id, ok := strings.CutSuffix(l, ": Waiting"); ok {
			waiting = append(waiting, id)
		}
		if id, ok := strings.CutSuffix(l, ": Pull complete"); ok {
			complete = append(complete, id)
		}
	}
	var ids []string
	for _, l := range m.Layers[:7] {
		ids = append(ids, l.Digest.Encoded()[:12])
	}
	if !slices.Equal(waiting, ids[3:]) || !slices.Equal(complete, ids) {
		t.Errorf("waiting %q, complete %q, layers %q", waiting, complete, ids)
	}
	if dirs, err := s.Layers(img.ID); err != nil || len(dirs) != 8 || dirs[2] != dirs[7] {
		t.Errorf("layers: %q, %v", dirs, err)
	}
	if n := s.layerCount(t); n != 7 {
		t.Errorf("%d layers on the disk", n)
	}
}

// cutBlobs breaks each answer of a blob after n bytes.
func cutBlobs(reg *testRegistry, n int) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "/blobs/") {
			return false
		}
		reg.content.ServeHTTP(&cutWriter{ResponseWriter: w, left: n}, r)
		return true
	}
}

type cutWriter struct {
	http.ResponseWriter
	left int
}

func (w *cutWriter) Write(p []byte) (int, error) {
	if len(p) <= w.left {
		w.left -= len(p)
		return w.ResponseWriter.Write(p)
	}
	w.ResponseWriter.Write(p[:w.left])
	w.ResponseWriter.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

func TestPullTruncated(t *testing.T) {
	reg, s := newRegistry(t), newStore(t, t.TempDir(), nil)
	l := tarOf(t, "file", noise(1_000_000))
	_, m := reg.push(t, "app", "latest", testImage{layers: [][]byte{l}})
	reg.disturb(cutBlobs(reg, 300_000))
	img := s.mustPull(t, reg.at("app"))
	if n := len(reg.seen(m.Layers[0].Digest.String())); n != 4 {
		t.Errorf("the layer took %d requests, want 4", n)
	}
	if dirs, err := s.Layers(img.ID); err != nil || string(readLayer(t, dirs[0])) != string(l) {
		t.Errorf("the layer differs (%v)", err)
	}
}

// TestPullBroken has a registry that sends nothing after the first bytes: the pull fails, nothing of it is visible,
// and the next server goes on where it stopped.
func TestPullBroken(t *testing.T) {
	reg, dir := newRegistry(t), t.TempDir()
	s := newStore(t, dir, nil)
	first, second := tarOf(t, "first", noise(1000)), tarOf(t, "second", noise(500_000))
	_, m := reg.push(t, "app", "latest", testImage{layers: [][]byte{first, second}})
	big := m.Layers[1].Digest.String()
	var begun atomic.Bool
	reg.disturb(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, big) {
			return false
		}
		if begun.Swap(true) {
			panic(http.ErrAbortHandler)
		}
		return cutBlobs(reg, 200_000)(w, r)
	})
	ref := reg.at("app:latest")
	if _, _, err := s.pull(PullOptions{Reference: ref}); err == nil || !strings.Contains(err.Error(), big) {
		t.Fatalf("error: %v", err)
	}
	if _, err := s.Resolve(ref); !errdefs.IsNotFound(err) {
		t.Errorf("a half pulled image is there: %v", err)
	}
	s.state.Close()

	reg.disturb(nil)
	reg.seen("")
	s = newStore(t, dir, nil)
	_, lines, err := s.pull(PullOptions{Reference: ref})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := reg.seen(big), []string{fmt.Sprintf("GET /v2/app/blobs/%s bytes=200000-%d", big, m.Layers[1].Size-1)}; !slices.Equal(got, want) {
		t.Errorf("resumed with %q, want %q", got, want)
	}
	if want := m.Layers[0].Digest.Encoded()[:12] + ": Already exists"; !slices.Contains(lines, want) {
		t.Errorf("%q is not in %q", want, lines)
	}
}

func TestPullCanceled(t *testing.T) {
	reg, s := newRegistry(t), newStore(t, t.TempDir(), nil)
	_, m := reg.push(t, "app", "latest", testImage{layers: [][]byte{tarOf(t, "f", noise(1000))}})
	ctx, cancel := context.WithCancel(context.Background())
	reg.disturb(func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, m.Layers[0].Digest.String()) {
			cancel()
			<-r.Context().Done()
			return true
		}
		return false
	})
	if _, err := s.Pull(ctx, PullOptions{Reference: reg.at("app")}); !errors.Is(err, context.Canceled) {
		t.Errorf("error: %v", err)
	}
	if _, err := s.Resolve(reg.at("app")); !errdefs.IsNotFound(err) {
		t.Errorf("the image is there: %v", err)
	}
}

func TestPullConcurrently(t *testing.T) {
	reg, s := newRegistry(t), newStore(t, t.TempDir(), nil)
	_, m := reg.push(t, "app", "latest", testImage{layers: [][]byte{tarOf(t, "f", noise(400_000))}})
	arrived, gate := make(chan struct{}, 100), make(chan struct{})
	reg.disturb(func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/manifests/latest") && r.Method == http.MethodGet {
			arrived <- struct{}{}
			<-gate
		}
		return false
	})
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			img, err := s.Pull(context.Background(), PullOptions{Reference: reg.at("app")})
			if err != nil || img.ID != m.Config.Digest {
				t.Errorf("%v, %v", img, err)
			}
		})
	}
	for range 5 {
		<-arrived
	}
	close(gate)
	wg.Wait()
	if n := s.layerCount(t); n != 1 {
		t.Errorf("%d layers", n)
	}
}

func TestPullIndex(t *testing.T) {
	reg, s := newRegistry(t), newStore(t, t.TempDir(), nil)
	index := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex}
	ids := map[string]digest.Digest{}
	for _, p := range []string{"linux/amd64", "linux/arm64/v8", "linux/arm/v6", "linux/arm/v7", "linux/riscv64", "wasi/wasm"} {
		platform, err := parsePlatform(p)
		if err != nil {
			t.Fatal(err)
		}
		d, m := reg.push(t, "multi", strings.ReplaceAll(p, "/", "-"), testImage{platform: platform, layers: [][]byte{tarOf(t, "platform", p)}, cmd: p})
		ids[p] = m.Config.Digest
		index.Manifests = append(index.Manifests, d)
	}
	desc := reg.manifest(t, "multi", "latest", ocispec.MediaTypeImageIndex, index)
	ref := reg.at("multi:latest")
	for asked, got := range map[string]string{
		"linux/amd64": "linux/amd64", "linux/arm64": "linux/arm64/v8", "arm64": "linux/arm64/v8", "linux/aarch64": "linux/arm64/v8",
		"linux/arm": "linux/arm/v7", "linux/arm/v6": "linux/arm/v6", "linux/arm/v8": "linux/arm/v7", "linux/riscv64": "linux/riscv64", "wasi/wasm": "wasi/wasm",
	} {
		img, lines, err := s.pull(PullOptions{Reference: ref, Platform: asked})
		if err != nil || img.ID != ids[got] {
			t.Errorf("%s: %v, want %s (%v)", asked, img, got, err)
			continue
		}
		if want := "Digest: " + desc.Digest.String(); !slices.Contains(lines, want) {
			t.Errorf("%s: no %q in %q", asked, want, lines)
		}
	}
	_, lines, err := s.pull(PullOptions{Reference: ref, Platform: "linux/s390x"})
	if err == nil || err.Error() != "no matching manifest for linux/s390x in the manifest list entries" || !errdefs.IsNotFound(err) {
		t.Errorf("an absent platform: %v", err)
	}
	wantLines(t, lines, "latest: Pulling from multi")
	for _, bad := range []string{"linux/amd64/v1/x", "lin ux", "linux//v7"} {
		if _, _, err := s.pull(PullOptions{Reference: ref, Platform: bad}); !errdefs.IsInvalidArgument(err) {
			t.Errorf("platform %q: %v", bad, err)
		}
	}
	// Without a platform it is this machine's, though another one's was pulled under that name last.
	want, err := wanted("")
	if err != nil {
		t.Fatal(err)
	}
	img := s.mustPull(t, ref)
	if matches(want[0], img.Spec.Platform) == 0 && !strings.HasPrefix(img.Spec.OS, "wasi") {
		t.Errorf("pulled %s for this machine", formatPlatform(img.Spec.Platform))
	}
}

// TestPullOtherPlatform is of an image that is no index: Docker pulls it and warns.
func TestPullOtherPlatform(t *testing.T) {
	reg, s := newRegistry(t), newStore(t, t.TempDir(), nil)
	desc, _ := reg.push(t, "app", "latest", testImage{platform: ocispec.Platform{OS: "linux", Architecture: "s390x"}})
	ref := reg.at("app:latest")
	img, lines, err := s.pull(PullOptions{Reference: ref, Platform: "linux/riscv64"})
	if err != nil || img.Spec.Architecture != "s390x" {
		t.Fatal(img, err)
	}
	wantLines(t, lines, "latest: Pulling from app", "Digest: "+desc.Digest.String(), downloaded(ref),
		"WARNING: image with reference "+ref+" was found but its platform (linux/s390x) does not match the specified platform (linux/riscv64)")

	reg.push(t, "win", "latest", testImage{platform: ocispec.Platform{OS: "windows", Architecture: "amd64"}})
	if _, _, err := s.pull(PullOptions{Reference: reg.at("win")}); err == nil || !strings.Contains(err.Error(), `operating system "windows" cannot be used`) {
		t.Errorf("a Windows image: %v", err)
	}
}

func TestPullRefuses(t *testing.T) {
	reg, s := newRegistry(t), newStore(t, t.TempDir(), nil)
	l := tarOf(t, "f", "content")
	reg.push(t, "foreign", "latest", testImage{layers: [][]byte{l}, layerType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"})
	reg.push(t, "odd", "latest", testImage{layers: [][]byte{l}, layerType: "application/x-odd"})
	reg.push(t, "helm", "latest", testImage{configType: "application/vnd.cncf.helm.config.v1+json"})
	reg.push(t, "wasm", "latest", testImage{configType: "application/vnd.wasm.config.v0+json", layers: [][]byte{l}, layerType: "application/wasm"})
	reg.push(t, "lies", "latest", testImage{layers: [][]byte{l}, diffIDs: []digest.Digest{digest.FromString("other")}})
	reg.push(t, "fewer", "latest", testImage{layers: [][]byte{l}, diffIDs: []digest.Digest{}})
	reg.push(t, "notgzip", "latest", testImage{layers: [][]byte{l}, compress: func(b []byte) []byte { return gzipped(b)[:20] }})
	reg.push(t, "escape", "latest", testImage{layers: [][]byte{tarOf(t, "../../etc/passwd", "x")}})
	reg.manifest(t, "schema1", "latest", typeSchema1Signed, map[string]any{"schemaVersion": 1, "name": "schema1", "fsLayers": []any{}})
	for name, want := range map[string]string{
		"foreign": "foreign layer", "odd": `unknown media type "application/x-odd"`, "helm": `Encountered remote "application/vnd.cncf.helm.config.v1+json"(unknown) when fetching`,
		"wasm": "WebAssembly artifact", "lies": errRootFSMismatch.Error(), "fewer": errRootFSMismatch.Error(),
		"notgzip": "failed to register layer", "escape": "failed to register layer", "schema1": "schema 1",
	} {
		_, lines, err := s.pull(PullOptions{Reference: reg.at(name)})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
		if slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, "Status:") }) {
			t.Errorf("%s: it says %q", name, lines)
		}
		if _, err := s.Resolve(reg.at(name)); !errdefs.IsNotFound(err) {
			t.Errorf("%s: the image is there (%v)", name, err)
		}
	}
	if n := s.layerCount(t); n != 0 {
		t.Errorf("%d layers were left", n)
	}
}

func TestPullWrongDigest(t *testing.T) {
	reg, s := newRegistry(t), newStore(t, t.TempDir(), nil)
	desc, m := reg.push(t, "app", "latest", testImage{layers: [][]byte{tarOf(t, "f", noise(1000))}})
	size := m.Layers[0].Size
	reg.disturb(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, m.Layers[0].Digest.String()) {
			return false
		}
		w.Write(make([]byte, size))
		return true
	})
	_, _, err := s.pull(PullOptions{Reference: reg.at("app")})
	zeros := digest.FromBytes(make([]byte, size))
	if err == nil || !strings.Contains(err.Error(), "expected "+m.Layers[0].Digest.String()+", got "+zeros.String()) {
		t.Errorf("a layer with the wrong digest: %v", err)
	}
	reg.disturb(func(w http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, "/manifests/") {
			w.Header().Set("Content-Type", typeSchema2)
			w.Write([]byte(`{"schemaVersion":2}`))
			return true
		}
		return false
	})
	_, _, err = s.pull(PullOptions{Reference: reg.at("app@" + desc.Digest.String())})
	if err == nil || !strings.Contains(err.Error(), "manifest verification failed for digest "+desc.Digest.String()) {
		t.Errorf("a manifest with the wrong digest: %v", err)
	}
}

// TestDecompressEmpty is an empty blob: no tar, but no crash either.
func TestDecompressEmpty(t *testing.T) {
	r, err := decompress(strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := tar.NewReader(r).Next(); err != io.EOF {
		t.Error(err)
	}
}
