package image

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/registry"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// push returns the lines of progress, sorted but for the first and the last: layers are pushed in any order.
func (s *testStore) push(opts PushOptions) (lines []string, pushed []Pushed, err error) {
	opts.Progress = func(p Progress) {
		switch {
		case p.Pushed != nil:
			pushed = append(pushed, *p.Pushed)
		case p.Status == "Pushing":
		case p.ID == "":
			lines = append(lines, p.Status)
		default:
			lines = append(lines, p.ID+": "+p.Status)
		}
	}
	err = s.Push(context.Background(), opts)
	return lines, pushed, err
}

// local has an image that no registry knows.
func local(t *testing.T, name string, layers ...[]byte) (*testStore, *Image) {
	t.Helper()
	from := newRegistry(t)
	from.push(t, "app", "latest", testImage{layers: layers, cmd: "x"})
	s := newStore(t, t.TempDir(), nil)
	img := s.mustPull(t, from.at("app"))
	repo, tag, _ := strings.Cut(name[strings.LastIndex(name, "/")+1:], ":")
	if _, err := s.Tag(t.Context(), img.ID.String(), name[:strings.LastIndex(name, "/")+1]+repo, tag); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Delete(t.Context(), from.at("app"), DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	return s, img
}

func TestPush(t *testing.T) {
	reg := newRegistry(t)
	a, b := tarOf(t, "a", noise(300_000)), tarOf(t, "b", noise(10))
	s, img := local(t, reg.at("mine:1"), a, b)
	low, high := short(digest.FromBytes(a).String()), short(digest.FromBytes(b).String())
	lines, pushed, err := s.push(PushOptions{Reference: reg.at("mine:1")})
	if err != nil || len(pushed) != 1 {
		t.Fatalf("push: %v, %v", err, pushed)
	}
	end := fmt.Sprintf("1: digest: %s size: %d", pushed[0].Digest, pushed[0].Size)
	slices.Sort(lines[3:5])
	want := []string{"The push refers to repository [" + reg.at("mine") + "]", high + ": Preparing", low + ": Preparing", low + ": Pushed", high + ": Pushed", end}
	slices.Sort(want[3:5])
	wantLines(t, lines, want...)

	// What is there now is the image, as another store pulls it, and its manifest is in the form of dockerd's.
	other := newStore(t, t.TempDir(), nil)
	if got := other.mustPull(t, reg.at("mine:1")); got.ID != img.ID || !slices.Equal(got.DiffIDs(), img.DiffIDs()) {
		t.Errorf("pulled %v", got)
	}
	now, err := s.Resolve(img.ID.String())
	if err != nil || !slices.Contains(now.RepoDigests, reg.at("mine@"+pushed[0].Digest.String())) {
		t.Errorf("digests %v, %v", now.RepoDigests, err)
	}
	resp, err := http.Get(reg.URL + "/v2/mine/manifests/1")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var m ocispec.Manifest
	var body bytes.Buffer
	if _, err := body.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(body.Bytes(), &m); err != nil || body.Len() != pushed[0].Size || digest.FromBytes(body.Bytes()) != pushed[0].Digest {
		t.Errorf("manifest of %d bytes, %v", body.Len(), err)
	}
	if !strings.HasPrefix(body.String(), "{\n   \"schemaVersion\": 2,\n   \"mediaType\": \"application/vnd.docker.distribution.manifest.v2+json\",\n   \"config\": {\n      \"mediaType\"") ||
		m.Config.Digest != img.ID || len(m.Layers) != 2 || m.Layers[0].MediaType != typeSchema2Layer {
		t.Errorf("manifest:\n%s", &body)
	}

	// Again, nothing is sent. All tags: each of them.
	if _, err := s.Tag(t.Context(), reg.at("mine:1"), reg.at("mine"), "2"); err != nil {
		t.Fatal(err)
	}
	reg.seen("")
	lines, pushed, err = s.push(PushOptions{Reference: reg.at("mine")})
	if err != nil || len(pushed) != 2 || pushed[0].Tag != "1" || pushed[1].Tag != "2" || pushed[0].Digest != pushed[1].Digest {
		t.Errorf("all tags: %v, %v", err, pushed)
	}
	if n := strings.Count(strings.Join(lines, "\n"), "Layer already exists"); n != 4 {
		t.Errorf("all tags: %d layers were there:\n%s", n, strings.Join(lines, "\n"))
	}
	if sent := reg.seen("uploads"); len(sent) != 0 {
		t.Errorf("sent again: %v", sent)
	}
}

// TestPushMounts: a layer that another repository of the registry has is not sent.
func TestPushMounts(t *testing.T) {
	reg := newRegistry(t)
	layer := tarOf(t, "a", noise(1000))
	reg.push(t, "base", "latest", testImage{layers: [][]byte{layer}})
	s := newStore(t, t.TempDir(), nil)
	img := s.mustPull(t, reg.at("base"))
	if _, err := s.Tag(t.Context(), reg.at("base"), reg.at("team/app"), "1"); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	mounted, allow := "", true
	reg.disturb(func(w http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		q := r.URL.Query()
		switch { // the test's registry has all blobs in all repositories, and mounts nothing
		case r.Method == http.MethodHead && strings.HasPrefix(r.URL.Path, "/v2/team/app/blobs/") && mounted == "":
			w.WriteHeader(http.StatusNotFound)
			return true
		case r.Method == http.MethodPost && q.Get("mount") != "" && allow:
			mounted = q.Get("from") + " " + q.Get("mount")
			w.WriteHeader(http.StatusCreated)
			return true
		}
		return false
	})
	lines, _, err := s.push(PushOptions{Reference: reg.at("team/app:1")})
	if err != nil || !slices.Contains(lines, short(img.DiffIDs()[0].String())+": Mounted from base") {
		t.Errorf("push: %v\n%s", err, strings.Join(lines, "\n"))
	}
	if want := "base " + digest.FromBytes(gzipped(layer)).String(); mounted != want {
		t.Errorf("mounted %q, want %q", mounted, want)
	}
	if sent := reg.seen("PATCH"); len(sent) != 0 { // nor is the configuration: the test's registry has it
		t.Errorf("sent: %v", sent)
	}
	// A registry that does not mount begins an upload instead, which is used.
	mounted, allow = "", false
	if _, err := s.Tag(t.Context(), reg.at("base"), reg.at("team/app"), "2"); err != nil {
		t.Fatal(err)
	}
	lines, _, err = s.push(PushOptions{Reference: reg.at("team/app:2")})
	if err != nil || !slices.Contains(lines, short(img.DiffIDs()[0].String())+": Pushed") {
		t.Errorf("push: %v\n%s", err, strings.Join(lines, "\n"))
	}
}

func TestPushRefused(t *testing.T) {
	reg := newRegistry(t)
	s, _ := local(t, reg.at("mine:1"), tarOf(t, "a", "b"))
	s.retryDelay = time.Millisecond
	for ref, want := range map[string]string{
		reg.at("nosuch:1"): "An image does not exist locally with the tag: " + reg.at("nosuch"), reg.at("mine:2"): "tag does not exist: " + reg.at("mine:2"),
		reg.at("mine@sha256:" + strings.Repeat("0", 64)): "cannot push a digest reference",
		"127.0.0.1:1/x:1": "An image does not exist locally with the tag: 127.0.0.1:1/x",
	} {
		lines, _, err := s.push(PushOptions{Reference: ref})
		if err == nil || err.Error() != want || len(lines) != 1 {
			t.Errorf("push %s: %v, %v, want %q", ref, err, lines, want)
		}
	}
	if lines, _, err := s.push(PushOptions{Reference: reg.at("mine:1"), Platform: "linux/s390x"}); !errdefs.IsNotFound(err) || len(lines) != 0 ||
		!strings.Contains(err.Error(), "was found but its platform (") {
		t.Errorf("another platform: %v, %v", err, lines)
	}
	refusals := 0
	refuse := func(times, status int, body string) func(http.ResponseWriter, *http.Request) bool {
		refusals = 0
		return func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodPatch || refusals == times {
				return false
			}
			refusals++
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			fmt.Fprint(w, body)
			return true
		}
	}
	reg.disturb(refuse(-1, http.StatusForbidden, `{"errors":[{"code":"DENIED","message":"requested access to the resource is denied","detail":[]}]}`))
	if _, _, err := s.push(PushOptions{Reference: reg.at("mine:1")}); err == nil || err.Error() != "denied: requested access to the resource is denied" || refusals != 1 {
		t.Errorf("denied: %v after %d requests", err, refusals)
	}
	reg.disturb(refuse(-1, http.StatusBadGateway, ""))
	if _, _, err := s.push(PushOptions{Reference: reg.at("mine:1")}); err == nil || err.Error() != "received unexpected HTTP status: 502 Bad Gateway" || refusals != uploadAttempts {
		t.Errorf("broken: %v after %d requests", err, refusals)
	}
	reg.disturb(refuse(2, http.StatusBadGateway, ""))
	lines, _, err := s.push(PushOptions{Reference: reg.at("mine:1")})
	if n := strings.Count(strings.Join(lines, "\n"), "Retrying in "); err != nil || n != 2 {
		t.Errorf("broken twice: %v\n%s", err, strings.Join(lines, "\n"))
	}
	if len(s.held) != 0 {
		t.Errorf("layers are still held: %v", s.held)
	}
}

func TestPushAuth(t *testing.T) {
	reg := newRegistry(t)
	s, _ := local(t, reg.at("mine:1"), tarOf(t, "a", "b"))
	s.retryDelay = time.Millisecond
	basic(reg, "user", "secret")
	if _, _, err := s.push(PushOptions{Reference: reg.at("mine:1")}); err == nil || err.Error() != "no basic auth credentials" {
		t.Errorf("without credentials: %v", err)
	}
	if _, _, err := s.push(PushOptions{Reference: reg.at("mine:1"), Auth: &registry.AuthConfig{Username: "user", Password: "wrong"}}); err == nil ||
		strings.Contains(err.Error(), "wrong") || err.Error() != "unauthorized" {
		t.Errorf("with wrong ones: %v", err)
	}
	if _, pushed, err := s.push(PushOptions{Reference: reg.at("mine:1"), Auth: &registry.AuthConfig{Username: "user", Password: "secret"}}); err != nil || len(pushed) != 1 {
		t.Errorf("with the right ones: %v", err)
	}
}
