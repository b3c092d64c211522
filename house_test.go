package main

import (
	"bytes"
	"encoding/json"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/sockerless/sockerless"

type goPackage struct {
	ImportPath, Dir, Name string

	Imports []string
}

func packages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,Name,Imports", "./...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []goPackage
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		var p goPackage
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

// mayImport says which rooms a room may import, as docs/architecture.md draws it. A room that is not named may not
// be imported by anyone but those listed; "*" is everything.
var mayImport = map[string][]string{
	".":         {"cmd"},
	"cmd":       {"*"},
	"agent":     {"agent"},
	"builtins":  {"builtins", "store/rootfs"},
	"dockerapi": {"dockerapi", "runtime"},
	"runtime":   {"runtime", "agent", "store"},
	"store":     {"store"},
	"wasi":      {"wasi", "agent", "builtins", "runtime", "store"},
	"offload":   {"offload", "agent", "runtime", "store"},
	"bench":     {"bench"},

	// The machine of a simulator is the engine with the backend local; backendtest has the gate of agents.
	"simulators": {"simulators", "runtime", "offload", "store", "agent"},
	"e2e":        {"e2e"},
}

// onlyIn says which rooms alone may import a module, and why.
var onlyIn = map[string]struct{ rooms, reason string }{
	"github.com/valyala/fasthttp":            {"dockerapi/transport", "handlers must not depend on the HTTP server"},
	"github.com/dgraph-io/badger":            {"store/state", "the database can be replaced in one place"},
	"github.com/google/go-containerregistry": {"store bench simulators/internal/registry simulators/aws/backendtest offload/prepare offload/aws", "images are the store's; bench serves one from a registry of its own"},
	"github.com/tetratelabs/wazero":          {"wasi/guest", "the WASM runtime can be replaced in one place"},
	"mvdan.cc/sh":                            {"wasi/shell wasi/placement", "the shell is known by its Main alone, and placement reads scripts"},
	"github.com/moby/moby/client":            {"cmd offload/docker", "the server is no client of Docker, but for that backend"},
	"github.com/aws":                         {"simulators/aws offload/aws offload/ecs offload/lambda", "SDKs of clouds cost each process that has them memory and time: they are in sockerless-cloud alone"},
	"gvisor.dev/gvisor":                      {"agent/netstack", "the userspace network can be replaced in one place"},
	"github.com/hashicorp/yamux":             {"agent", "connections over one are the transports'"},
	"github.com/go-git":                      {"builtins", "repositories are a matter of one command"},
	"github.com/itchyny/gojq":                {"builtins", "jq is one command"},
	"google.golang.org/grpc":                 {"agent", "the protocol's wire is the agent package's"},
}

func within(path, room string) bool { return path == room || strings.HasPrefix(path, room+"/") }

func TestImportDirections(t *testing.T) {
	for _, p := range packages(t) {
		path := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		if path == "" {
			path = "."
		}
		room, _, _ := strings.Cut(path, "/")
		allowed, known := mayImport[room]
		if !known {
			t.Errorf("%s is a new room: say in docs/architecture.md what it is for, and here what it may import", path)
			continue
		}
		for _, imported := range p.Imports {
			for prefix, rule := range onlyIn {
				fine := slices.ContainsFunc(strings.Fields(rule.rooms), func(room string) bool { return within(path, room) })
				if within(imported, prefix) && !fine {
					t.Errorf("%s imports %s, which only %s may: %s", path, imported, rule.rooms, rule.reason)
				}
			}
			ours, ok := strings.CutPrefix(imported, module+"/")
			if !ok {
				continue
			}
			fine := false
			for _, a := range allowed {
				fine = fine || a == "*" || within(ours, a)
			}
			if !fine {
				t.Errorf("%s imports %s: it may import %v", path, ours, allowed)
			}
		}
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	for _, p := range packages(t) {
		file := filepath.Join(p.Dir, "doc.go")
		if p.Name == "main" {
			file = filepath.Join(p.Dir, "main.go")
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil || f.Doc == nil {
			t.Errorf("%s: no package comment in %s", p.ImportPath, filepath.Base(file))
		}
	}
}

func TestFilesAreShort(t *testing.T) {
	const most = 700
	for _, p := range packages(t) {
		files, err := filepath.Glob(filepath.Join(p.Dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if lines := bytes.Count(data, []byte("\n")); lines > most && !strings.HasSuffix(file, ".pb.go") {
				t.Errorf("%s has %d lines: two concepts in one file?", file, lines)
			}
		}
	}
}
