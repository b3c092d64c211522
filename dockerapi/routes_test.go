package dockerapi

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

var variable = regexp.MustCompile(`\{[^}]*\}`)

// Every operation of moby's swagger.yaml is in the table: served, or listed with a reason.
func TestTableHasAllOfSwagger(t *testing.T) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/moby/moby/api").Output()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "swagger.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var swagger struct {
		Paths map[string]map[string]any
	}
	if err := yaml.Unmarshal(b, &swagger); err != nil {
		t.Fatal(err)
	}
	table := map[string]bool{}
	for _, r := range routes() {
		key := r.method + " " + variable.ReplaceAllString(r.path, "{}")
		if table[key] {
			t.Errorf("%s is there twice", key)
		}
		table[key] = true
	}
	operations := 0
	for path, methods := range swagger.Paths {
		for method := range methods {
			operations++
			if key := strings.ToUpper(method) + " " + variable.ReplaceAllString(path, "{}"); !table[key] {
				t.Errorf("%s is not in the table", key)
			}
		}
	}
	if operations < 100 {
		t.Errorf("swagger has only %d operations", operations)
	}
}

func TestRouterFind(t *testing.T) {
	rt := newRouter(routes())
	for _, test := range []struct{ method, path, route, name string }{
		{"GET", "/_ping", "/_ping", ""},
		{"GET", "/images/json", "/images/json", ""},
		{"GET", "/images/reg.example:5000/a/b:t/json", "/images/{name}/json", "reg.example:5000/a/b:t"},
		{"GET", "/images/a%2Fb:c/json", "/images/{name}/json", "a/b:c"},
		{"GET", "/images/json/json", "/images/{name}/json", "json"},
		{"DELETE", "/images/a/b@sha256:00", "/images/{name}", "a/b@sha256:00"},
		{"GET", "/containers/..%2f..%2fetc/json", "/containers/{name}/json", "../../etc"},
		{"GET", "/containers/x/attach/ws", "/containers/{name}/attach/ws", "x"},
		{"POST", "/containers/prune", "/containers/prune", ""},
		{"POST", "/containers/create", "/containers/create", ""},
		{"DELETE", "/containers/create", "/containers/{name}", "create"},
		{"GET", "/networks/", "/networks/", ""},
		{"GET", "/containers//json", "", ""},
		{"DELETE", "/containers/", "", ""},
		{"GET", "/containers/%zz/json", "", ""},
		{"DELETE", "/version", "", ""},
		{"HEAD", "/version", "", ""},
		{"GET", "/", "", ""},
		{"GET", "", "", ""},
		{"GET", "*", "", ""},
	} {
		r, name, err := rt.find(test.method, test.path)
		if test.route == "" {
			if err == nil {
				t.Errorf("%s %s: %s", test.method, test.path, r.path)
			}
			continue
		}
		if err != nil || r.path != test.route || name != test.name {
			t.Errorf("%s %s: %v %q %v", test.method, test.path, r, name, err)
		}
	}
}

func TestNotImplementedSaysWhat(t *testing.T) {
	path := socket(t, nil)
	const manager = `{"message":"This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to swarm and try again."}` + "\n"
	for _, test := range []struct {
		line   string
		status int
		body   string
	}{
		{"POST /v1.51/build", 501, `{"message":"POST /build is not implemented: ` + noBuild + `"}` + "\n"},
		{"POST /session", 501, `{"message":"POST /session is not implemented: ` + noBuild + `"}` + "\n"},
		{"GET /v1.51/swarm", 503, manager},
		{"GET /v1.51/nodes", 503, manager},
		{"GET /v1.51/services", 503, manager},
		{"GET /v1.51/secrets", 503, manager},
		{"GET /v1.51/configs/x", 503, manager},
		{"GET /v1.51/plugins", 200, "[]\n"},
		{"GET /v1.24/plugins", 400, `{"message":"GET /plugins requires API version 1.25, the client asks for 1.24"}` + "\n"},
	} {
		if got := ask(t, path, test.line, ""); got.status != test.status || got.body != test.body {
			t.Errorf("%s: %d %q", test.line, got.status, got.body)
		}
	}
}
