package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// outcome is what a script did, as far as a user sees it.
type outcome struct {
	stdout, stderr string
	code           int
}

func (o outcome) String() string {
	return fmt.Sprintf("stdout %q, stderr %q, code %d", o.stdout, o.stderr, o.code)
}

func outcomeOf(t *testing.T, cmd *exec.Cmd) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v", cmd, err)
	}
	return outcome{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// TestSameAsBash runs the same scripts under the real bash with GNU's tools, and in the sandbox on an image of the same
// Debian, each in a folder of its own, and compares every byte.
func TestSameAsBash(t *testing.T) {
	s := runningServer(t)
	image := registryHost + "/debian"
	docker := func(args ...string) *exec.Cmd {
		cmd := exec.Command("docker", args...)
		cmd.Env = s.environment()
		return cmd
	}
	if o := outcomeOf(t, docker("pull", "-q", image)); o.code != 0 {
		t.Fatalf("pull: %s", o.stderr)
	}
	scripts, err := filepath.Abs("testdata/scripts")
	if err != nil {
		t.Fatal(err)
	}
	demo, err := filepath.Abs("demo")
	if err != nil {
		t.Fatal(err)
	}
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	source := filepath.Join(strings.TrimSpace(string(goroot)), "src")
	paths, err := filepath.Glob(filepath.Join(scripts, "*.sh"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, path := range append(paths, filepath.Join(demo, "report.sh")) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			native := exec.Command("bash", path, source)
			native.Dir = t.TempDir()
			native.Env = append(os.Environ(), "LC_ALL=C", "HOME=/root", "TZ=UTC")
			mine := docker("run", "--rm", "-e", "LC_ALL=C", "-e", "TZ=UTC", "-v", t.TempDir()+":/work", "-w", "/work",
				"-v", filepath.Dir(path)+":"+filepath.Dir(path)+":ro", "-v", source+":"+source+":ro", image, "bash", path, source)
			if filepath.Base(path) != "report.sh" {
				native.Args, mine.Args = native.Args[:2], mine.Args[:len(mine.Args)-1]
			}
			want, got := outcomeOf(t, native), outcomeOf(t, mine)
			if got.stdout != want.stdout {
				t.Errorf("stdout differs:\n%s", unifiedDiff(t, want.stdout, got.stdout))
			}
			if got.stderr != want.stderr {
				t.Errorf("stderr differs:\n%s", unifiedDiff(t, want.stderr, got.stderr))
			}
			if got.code != want.code {
				t.Errorf("exit code %d, want %d", got.code, want.code)
			}
		})
	}
}

// unifiedDiff shows how got differs from want.
func unifiedDiff(t *testing.T, want, got string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"want": want, "got": got} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("diff", "-u", "want", "got")
	cmd.Dir = dir
	out, _ := cmd.Output() // 1 where they differ, which is known
	return string(out)
}
