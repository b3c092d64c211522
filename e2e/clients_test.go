package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestClients runs programs of users of Docker's libraries (testdata/clients), and wants what they saw to be as in the file beside them.
func TestClients(t *testing.T) {
	dir, err := filepath.Abs(clients)
	if err != nil {
		t.Fatal(err)
	}
	programs, err := filepath.Abs("testdata/clients")
	if err != nil {
		t.Fatal(err)
	}
	for program, command := range map[string][]string{
		"testcontainers.js": {filepath.Join(dir, "node_modules/.bin/node"), "testcontainers.js"},
		"dockerode.js":      {filepath.Join(dir, "node_modules/.bin/node"), "dockerode.js"},
		"docker.py":         {"/usr/bin/python3", "docker.py", filepath.Join(dir, "usr/lib/python3/dist-packages")},
	} {
		t.Run(program, func(t *testing.T) {
			s := runningServer(t)
			cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
			cmd.Dir = programs
			cmd.Env = append(s.environment(), "NODE_PATH="+filepath.Join(dir, "node_modules"), "HOME="+t.TempDir(), "TESTCONTAINERS_HOST_OVERRIDE=localhost")
			got := outcomeOf(t, cmd)
			want, err := os.ReadFile(filepath.Join(programs, strings.TrimSuffix(program, filepath.Ext(program))+".out"))
			if err != nil {
				t.Fatal(err)
			}
			if got.code != 0 || got.stdout != string(want) {
				t.Errorf("code %d, %s\n%s", got.code, got.stderr, unifiedDiff(t, string(want), got.stdout))
			}
		})
	}
}
