package runtime

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/containerd/errdefs"
)

// A client over TCP mounts what is in an allowed folder, by whatever way it names it, and a client at the socket anything.
func TestAllowedBinds(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	allowed := filepath.Join(dir, "allowed")
	for _, name := range []string{allowed, filepath.Join(allowed, "in"), filepath.Join(dir, "allowed-not")} {
		if err := os.Mkdir(name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{"allowed/out": dir, "into": filepath.Join(allowed, "in")} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	e := &Engine{cfg: Config{Binds: []string{allowed}}}
	for name, want := range map[string]bool{
		"allowed": true, "allowed/in": true, "allowed/new/deep": true, "into": true, "into/new": true, "allowed/in/..": true,
		"": false, "allowed-not": false, "allowed/out": false, "allowed/out/new": false, "allowed/../allowed-not": false, "new": false,
	} {
		source := dir + "/" + name
		err := e.allowBind(Untrusted(t.Context()), source)
		if got := err == nil; got != want || err != nil && !errdefs.IsPermissionDenied(err) {
			t.Errorf("%s: %v, want allowed %v", name, err, want)
		}
		if err := e.allowBind(t.Context(), source); err != nil {
			t.Errorf("%s at the socket: %v", name, err)
		}
	}
}
