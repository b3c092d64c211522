package e2e

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSecrets wants what only the server knows nowhere else: not in a log, not in a file, not in a process of a container.
func TestSecrets(t *testing.T) {
	const ofEnvironment, ofContainer, ofRegistry = "canary-of-the-server", "canary-that-is-dropped", "canary-of-the-registry"
	t.Setenv("SERVER_SECRET", ofEnvironment)
	s := offloadServer(t, "offload: {default: {env: {drop: [\"*_TOKEN\"]}}}\n")
	// A registry without passwords refuses none: the CLI sends them with each pull.
	login := filepath.Join(s.dir, "docker", "config.json")
	if err := os.MkdirAll(filepath.Dir(login), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(login, []byte(`{"auths":{"`+registryHost+`":{"identitytoken":"`+ofRegistry+`"}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	s.ok(t, "pull", "-q", registryHost+"/debian")
	const look = `import glob
for p in glob.glob("/proc/[0-9]*/environ"):
    try: print(open(p, "rb").read())
    except OSError: pass
print("looked")`
	for _, script := range []string{"exec python3 -c '" + look + "'", hidden + "$P -c '" + look + "'; true"} {
		got := s.ok(t, "run", "--rm", "-e", "A_TOKEN="+ofContainer, "python", "bash", "-c", script)
		if strings.Contains(got, "canary") || !strings.HasSuffix(got, "looked") {
			t.Errorf("processes have %s", got)
		}
	}
	s.ok(t, "run", "-d", "--name", "c", "python", "python3", "-c", "import time; print('up', flush=True); time.sleep(1000)")
	for s.ok(t, "logs", "c") != "up" {
	}
	err := filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || path == login {
			return nil // files go while we look
		}
		text, err := os.ReadFile(path)
		for _, canary := range []string{ofEnvironment, ofRegistry} {
			if err == nil && bytes.Contains(text, []byte(canary)) {
				t.Errorf("%s has %s", path, canary)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	s.leavesNothing(t)
}
