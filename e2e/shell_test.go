package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestShellScripts runs scripts as CI runners make them, on standard input, in the sandbox's bash and in the one of this
// machine: output and exit code are the same, byte by byte.
func TestShellScripts(t *testing.T) {
	s := runningServer(t)
	scripts, err := filepath.Glob("testdata/shell/*.sh")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, name := range scripts {
		t.Run(filepath.Base(name), func(t *testing.T) {
			run := func(cmd *exec.Cmd) outcome {
				script, err := os.Open(name)
				if err != nil {
					t.Fatal(err)
				}
				defer script.Close()
				cmd.Stdin = script
				return outcomeOf(t, cmd)
			}
			bash := exec.Command("bash", "-s")
			bash.Env = []string{"PATH=/usr/bin:/bin", "HOME=/root"}
			want := run(bash)
			if got := run(s.docker(t, "run", "--rm", "-i", "sockerless/base", "bash", "-s")); got != want {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}
