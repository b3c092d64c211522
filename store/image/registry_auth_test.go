package image

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/registry"
)

// TestErrorTexts compares with what dockerd 28.5 was seen to answer to the same registry: text, and class where the
// status was not 500.
func TestErrorTexts(t *testing.T) {
	reg, s := newRegistry(t), newStore(t, t.TempDir(), nil)
	reg.push(t, "app", "latest", testImage{})
	refuse := func(status int, contentType, body string) {
		reg.disturb(func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.Contains(r.URL.Path, "/manifests/") {
				return false
			}
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			if r.Method != http.MethodHead {
				fmt.Fprint(w, body)
			}
			return true
		})
	}
	const json = "application/json; charset=utf-8"
	closed := httptest.NewServer(nil)
	gone := closed.Listener.Addr().String()
	closed.Close()

	for _, c := range []struct {
		ref         string
		status      int
		contentType string
		body        string
		want        string
		is          func(error) bool
	}{
		{ref: reg.at("nosuch:latest"), want: `unknown: {"errors":[{"code":"NAME_UNKNOWN","message":"Unknown name"}]}` + "\n"},
		{ref: gone + "/x", want: fmt.Sprintf(`Get "http://%s/v2/": dial tcp %s: connect: connection refused`, gone, gone)},
		{ref: reg.at("app:2"), status: 404, contentType: json, body: `{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{"Tag":"2"}}]}`,
			want: "manifest for " + reg.at("app:2") + " not found: manifest unknown: manifest unknown", is: errdefs.IsNotFound},
		{ref: reg.at("app:2"), status: 404, contentType: json, body: `{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}`, want: "manifest unknown", is: errdefs.IsNotFound},
		{ref: reg.at("app:2"), status: 404, contentType: json, body: `{"errors":[{"code":"MANIFEST_UNKNOWN"}]}`, want: "manifest unknown", is: errdefs.IsNotFound},
		{ref: reg.at("app"), status: 404, contentType: json, body: `{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known to registry","detail":{"name":"app"}}]}`,
			want: "pull access denied for " + reg.at("app") + ", repository does not exist or may require 'docker login': name unknown: repository name not known to registry", is: errdefs.IsNotFound},
		{ref: reg.at("app"), status: 404, contentType: json, body: `{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known to registry"}]}`, want: "name unknown", is: errdefs.IsNotFound},
		{ref: reg.at("app"), status: 403, contentType: json, body: `{"errors":[{"code":"DENIED","message":"requested access to the resource is denied","detail":[]}]}`,
			want: "pull access denied for " + reg.at("app") + ", repository does not exist or may require 'docker login': denied: requested access to the resource is denied", is: errdefs.IsNotFound},
		{ref: reg.at("app"), status: 403, contentType: json, body: `{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}`, want: "denied", is: errdefs.IsPermissionDenied},
		{ref: reg.at("app"), status: 403, contentType: "text/plain", body: "nope",
			want: "pull access denied for " + reg.at("app") + ", repository does not exist or may require 'docker login': denied: nope", is: errdefs.IsNotFound},
		{ref: reg.at("app"), status: 401, contentType: "text/plain", body: "nope", want: "unauthorized: nope", is: errdefs.IsUnauthorized},
		{ref: reg.at("app"), status: 429, contentType: json, body: `{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}`,
			want: "toomanyrequests: slow down", is: errdefs.IsResourceExhausted},
		{ref: reg.at("app"), status: 400, contentType: json, body: `{"errors":[{"code":"NAME_INVALID","message":"bad name"}]}`, want: "name invalid: bad name", is: errdefs.IsInvalidArgument},
		{ref: reg.at("app"), status: 404, contentType: json, body: "", want: `error parsing HTTP 404 response body: unexpected end of JSON input: ""`},
		{ref: reg.at("app"), status: 404, contentType: json, body: `{"details":"gone"}`, want: "unknown: gone"},
		{ref: reg.at("app"), status: 404, contentType: json, body: `{"errors":[{"code":"ODD","message":"what"}]}`, want: "unknown: what"},
		{ref: reg.at("app"), status: 500, contentType: "text/plain", body: "sorry", want: "received unexpected HTTP status: 500 Internal Server Error"},
		{ref: "busybox:UP%", want: "invalid reference format", is: errdefs.IsInvalidArgument},
		{ref: "Busybox", want: "invalid reference format: repository name (library/Busybox) must be lowercase", is: errdefs.IsInvalidArgument},
		{ref: "", want: "invalid reference format", is: errdefs.IsInvalidArgument},
	} {
		reg.disturb(nil)
		if c.status != 0 {
			refuse(c.status, c.contentType, c.body)
		}
		_, lines, err := s.pull(PullOptions{Reference: c.ref})
		if err == nil || err.Error() != c.want {
			t.Errorf("%q: %v\nwant: %s", c.ref, err, c.want)
			continue
		}
		if c.is != nil && !c.is(err) {
			t.Errorf("%q: %v has another class", c.ref, err)
		}
		if c.is == nil && (errdefs.IsNotFound(err) || errdefs.IsInvalidArgument(err)) {
			t.Errorf("%q: %v has a class", c.ref, err)
		}
		if lines != nil {
			t.Errorf("%q: progress before the error: %q", c.ref, lines)
		}
	}
}

// basic makes a registry want a user and password.
func basic(reg *testRegistry, user, password string) {
	reg.disturb(func(w http.ResponseWriter, r *http.Request) bool {
		if u, p, ok := r.BasicAuth(); ok && u == user && p == password {
			return false
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`)
		return true
	})
}

func TestBasicAuth(t *testing.T) {
	reg, s := newRegistry(t), newStore(t, t.TempDir(), nil)
	_, m := reg.push(t, "private", "latest", testImage{layers: [][]byte{tarOf(t, "f", "x")}})
	basic(reg, "user", "secret")
	ref := reg.at("private:latest")

	_, _, err := s.pull(PullOptions{Reference: ref})
	if want := fmt.Sprintf(`Head "http://%s/v2/private/manifests/latest": no basic auth credentials`, reg.host); err == nil || err.Error() != want {
		t.Errorf("without credentials: %v, want %s", err, want)
	}
	_, _, err = s.pull(PullOptions{Reference: ref, Auth: &registry.AuthConfig{Username: "user", Password: "wrong"}})
	if err == nil || err.Error() != "unauthorized" || !errdefs.IsUnauthorized(err) {
		t.Errorf("with a wrong password: %v", err)
	}
	if err != nil && strings.Contains(err.Error(), "wrong") {
		t.Errorf("the password is in the error %v", err)
	}
	img, _, err := s.pull(PullOptions{Reference: ref, Auth: &registry.AuthConfig{Username: "user", Password: "secret"}})
	if err != nil || img.ID != m.Config.Digest {
		t.Errorf("with the password: %v", err)
	}
	if _, _, err = s.pull(PullOptions{Reference: ref, Auth: &registry.AuthConfig{Auth: base64.StdEncoding.EncodeToString([]byte("user:secret"))}}); err != nil {
		t.Errorf("with auth: %v", err)
	}
	if _, _, err = s.pull(PullOptions{Reference: ref, Auth: &registry.AuthConfig{Auth: "%"}}); err == nil || !strings.Contains(err.Error(), "base64") {
		t.Errorf("with a malformed auth: %v", err)
	}
}

// TestTokenAuth is the way of Docker Hub: a token server, to which user and password, or an identity token, go.
func TestTokenAuth(t *testing.T) {
	reg, s := newRegistry(t), newStore(t, t.TempDir(), nil)
	_, m := reg.push(t, "team/private", "latest", testImage{layers: [][]byte{tarOf(t, "f", "x")}})
	var scopes []string
	reg.disturb(func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case r.URL.Path == "/token":
			if err := r.ParseForm(); err != nil {
				t.Error(err)
			}
			scopes = append(scopes, r.Form.Get("scope"))
			user, password, _ := r.BasicAuth()
			if user == "user" && password == "secret" || r.Form.Get("refresh_token") == "identity" {
				json.NewEncoder(w).Encode(map[string]string{"token": "good", "access_token": "good"})
				return true
			}
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"errors":[{"code":"UNAUTHORIZED","message":"incorrect username or password"}]}`)
			return true
		case r.Header.Get("Authorization") == "Bearer good":
			return false
		}
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="http://%s/token",service="test"`, reg.host))
		w.WriteHeader(http.StatusUnauthorized)
		return true
	})
	ref := reg.at("team/private:latest")
	for name, auth := range map[string]registry.AuthConfig{
		"password": {Username: "user", Password: "secret"}, "identity token": {IdentityToken: "identity"}, "registry token": {RegistryToken: "good"},
	} {
		img, _, err := s.pull(PullOptions{Reference: ref, Auth: &auth})
		if err != nil || img.ID != m.Config.Digest {
			t.Errorf("%s: %v", name, err)
		}
	}
	if !slices.Equal(slices.Compact(scopes), []string{"repository:team/private:pull"}) {
		t.Errorf("scopes: %q", scopes)
	}
	_, _, err := s.pull(PullOptions{Reference: ref, Auth: &registry.AuthConfig{Username: "user", Password: "wrong"}})
	if want := fmt.Sprintf(`Head "http://%s/v2/team/private/manifests/latest": unauthorized: incorrect username or password`, reg.host); err == nil || err.Error() != want || !errdefs.IsUnauthorized(err) {
		t.Errorf("a wrong password: %v\nwant: %s", err, want)
	}
}

func TestMirrors(t *testing.T) {
	full, empty, main := newRegistry(t), newRegistry(t), newRegistry(t)
	_, m := full.push(t, "library/app", "latest", testImage{layers: [][]byte{tarOf(t, "f", "x")}})
	_, other := main.push(t, "library/other", "latest", testImage{cmd: "other"})
	basic(main, "user", "secret")
	full.disturb(func(_ http.ResponseWriter, r *http.Request) bool {
		if h := r.Header.Get("Authorization"); h != "" {
			t.Errorf("the mirror was sent %q", h)
		}
		r.URL.Path = strings.TrimPrefix(r.URL.Path, "/cache")
		return false
	})
	s := newStore(t, t.TempDir(), RegistriesConfig{main.host: {Mirrors: []string{empty.host, "http://" + full.host + "/cache"}, PlainHTTP: true}})
	auth := &registry.AuthConfig{Username: "user", Password: "secret"}
	img, lines, err := s.pull(PullOptions{Reference: main.at("library/app:latest"), Auth: auth})
	if err != nil || img.ID != m.Config.Digest {
		t.Fatal(err)
	}
	if img.RepoTags[0] != main.at("library/app:latest") || lines[0] != "latest: Pulling from library/app" {
		t.Errorf("tags %q, progress %q", img.RepoTags, lines)
	}
	if got := main.seen(""); len(got) != 0 {
		t.Errorf("the registry itself was asked: %q", got)
	}
	if got := full.seen("/blobs/"); len(got) == 0 || !strings.HasPrefix(got[0], "GET /cache/v2/") {
		t.Errorf("requests at the mirror: %q", got)
	}
	// What no mirror has comes from the registry, with the credentials.
	img, _, err = s.pull(PullOptions{Reference: main.at("library/other"), Auth: auth})
	if err != nil || img.ID != other.Config.Digest {
		t.Errorf("%v", err)
	}
}

func TestTLS(t *testing.T) {
	reg := startRegistry(t, httptest.NewTLSServer)
	_, m := reg.push(t, "app", "latest", testImage{cmd: "x"})
	// A registry on this machine is not verified, as dockerd does.
	s := newStore(t, t.TempDir(), nil)
	if img := s.mustPull(t, reg.at("app")); img.ID != m.Config.Digest {
		t.Error("wrong image")
	}
	if got := reg.seen("/v2/"); !slices.Contains(got, "GET /v2/") {
		t.Errorf("requests: %q", got)
	}

	// Verification itself, at an endpoint that has none of that leniency.
	ca := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: reg.Certificate().Raw})
	if err := os.WriteFile(ca, block, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		e    endpoint
		fail string
	}{
		"system":   {endpoint{scheme: "https", host: reg.host}, "certificate"},
		"insecure": {endpoint{scheme: "https", host: reg.host, insecure: true}, ""},
		"ca":       {endpoint{scheme: "https", host: reg.host, caFile: ca}, ""},
	} {
		rt, err := c.e.transport()
		if err != nil {
			t.Fatal(err)
		}
		_, err = ping(t.Context(), rt, c.e)
		rt.CloseIdleConnections()
		if c.fail == "" && err != nil || c.fail != "" && (err == nil || !strings.Contains(err.Error(), c.fail)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEndpoints(t *testing.T) {
	ca := filepath.Join(t.TempDir(), "ca.pem")
	config := RegistriesConfig{
		"docker.io":      {Mirrors: []string{"mirror.example", "http://cache:5000/hub"}},
		"plain.example":  {PlainHTTP: true},
		"self.example":   {Insecure: true},
		"ca.example:443": {CAFile: ca},
	}
	for domain, want := range map[string][]string{
		"docker.io":      {"https://mirror.example/v2/", "http://cache:5000/hub/v2/", "https://registry-1.docker.io/v2/"},
		"plain.example":  {"http://plain.example/v2/"},
		"self.example":   {"https://self.example/v2/ insecure"},
		"ca.example:443": {"https://ca.example:443/v2/ " + ca},
		"other.example":  {"https://other.example/v2/"},
		"localhost:5000": {"https://localhost:5000/v2/ insecure", "http://localhost:5000/v2/ insecure"},
		"127.1.2.3":      {"https://127.1.2.3/v2/ insecure", "http://127.1.2.3/v2/ insecure"},
		"[::1]:5000":     {"https://[::1]:5000/v2/ insecure", "http://[::1]:5000/v2/ insecure"},
		"10.0.0.1:5000":  {"https://10.0.0.1:5000/v2/"},
	} {
		list, err := config.endpoints(domain)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range list {
			s := e.url("")
			if e.insecure || isLoopback(e.host) {
				s += " insecure"
			}
			if e.caFile != "" {
				s += " " + e.caFile
			}
			got = append(got, s)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", domain, got, want)
		}
	}
	for name, bad := range map[string]RegistriesConfig{
		"is not a host": {"http://x": {}},
		"mirror":        {"x": {Mirrors: []string{"ftp://y"}}},
		"user":          {"x": {Mirrors: []string{(&url.URL{Scheme: "http", Host: "y", User: url.User("user")}).String()}}},
		"excludes":      {"x": {PlainHTTP: true, Insecure: true}},
		"ca_file":       {"x": {CAFile: ca}},
	} {
		if err := bad.validate(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
