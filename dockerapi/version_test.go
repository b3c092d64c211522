package dockerapi

import (
	"context"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/system"

	"github.com/sockerless/sockerless/runtime"
)

type versionEngine struct{ Engine }

func (versionEngine) Version(context.Context) system.VersionResponse {
	return system.VersionResponse{Version: "0.0-test"}
}

func TestVersions(t *testing.T) {
	path := socket(t, versionEngine{})
	tooNew := func(v string) string {
		return `{"message":"client version ` + v + ` is too new. Maximum supported API version is 1.51"}` + "\n"
	}
	tooOld := func(v string) string {
		return "client version " + v + " is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version\n"
	}
	const notFound = `{"message":"page not found"}` + "\n"
	for _, test := range []struct {
		line   string
		status int
		body   string
	}{
		{"GET /version", 200, ""},
		{"GET /v1.24/version", 200, ""},
		{"GET /v1.40/version", 200, ""},
		{"GET /v1.51/version", 200, ""},
		{"GET /v1.51.0/version", 200, ""},
		{"GET /v1.52/version", 400, tooNew("1.52")},
		{"GET /v9.99/version", 400, tooNew("9.99")},
		{"GET /v2/version", 400, tooNew("2")},
		{"GET /v1.51.1/version", 400, tooNew("1.51.1")},
		{"GET /v1.23/version", 400, tooOld("1.23")},
		{"GET /v1.10/version", 400, tooOld("1.10")},
		{"GET /v1/version", 400, tooOld("1")},
		{"GET /v0.99/version", 400, tooOld("0.99")},
		{"GET /v1.51/nosuch", 404, notFound},
		{"GET /v9.99/nosuch", 404, notFound},
		{"GET /vx/version", 404, notFound},
		{"GET /v1.51", 404, notFound},
		{"GET /v1.51/", 404, notFound},
		{"GET /v1.51//version", 404, notFound},
		{"DELETE /v1.51/version", 404, notFound},
	} {
		got := ask(t, path, test.line, "")
		if got.status != test.status || test.body != "" && got.body != test.body {
			t.Errorf("%s: %d %q", test.line, got.status, got.body)
		}
		contentType := "application/json"
		if strings.HasSuffix(test.body, "newer version\n") {
			contentType = "text/plain; charset=utf-8"
			if got.header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s: %v", test.line, got.header)
			}
		}
		if got.header.Get("Content-Type") != contentType {
			t.Errorf("%s: content type %q", test.line, got.header.Get("Content-Type"))
		}
		for name, value := range map[string]string{"Api-Version": "1.51", "Ostype": "linux", "Docker-Experimental": "false", "Server": "Sockerless/0.0-test (linux)"} {
			if got.header.Get(name) != value {
				t.Errorf("%s: %s is %q", test.line, name, got.header.Get(name))
			}
		}
	}
	got := ask(t, path, "GET /v1.30/version", "")
	if !strings.Contains(got.body, `"ApiVersion":"1.51","MinAPIVersion":"1.24"`) {
		t.Errorf("%s", got.body)
	}
}

func TestPing(t *testing.T) {
	path := socket(t, nil)
	for _, method := range []string{"GET", "HEAD"} {
		got := ask(t, path, method+" /_ping", "")
		for name, want := range map[string]string{
			"Api-Version": "1.51", "Builder-Version": "1", "Cache-Control": "no-cache, no-store, must-revalidate", "Docker-Experimental": "false",
			"Ostype": "linux", "Pragma": "no-cache", "Swarm": "inactive", "Content-Type": "text/plain; charset=utf-8",
			"Content-Length": map[string]string{"GET": "2", "HEAD": "0"}[method],
		} {
			if got.header.Get(name) != want {
				t.Errorf("%s: %s is %q, want %q", method, name, got.header.Get(name), want)
			}
		}
		if got.status != 200 || got.body != map[string]string{"GET": "OK", "HEAD": ""}[method] {
			t.Errorf("%s: %d %q", method, got.status, got.body)
		}
	}
}

func TestVersionsAreTheEngines(t *testing.T) {
	if maxVersion.String() != runtime.APIVersion || minVersion.String() != runtime.MinAPIVersion {
		t.Errorf("routes speak %s to %s, the engine says %s to %s", minVersion, maxVersion, runtime.MinAPIVersion, runtime.APIVersion)
	}
}
