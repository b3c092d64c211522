package awstest

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// installed is a path in the folder of the client; the test that needs one that is not there fails.
func installed(t testing.TB, path ...string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod is above the folder of the test")
		}
		dir = filepath.Dir(dir)
	}
	full := filepath.Join(append([]string{dir, "e2e", ".cache", "aws"}, path...)...)
	if _, err := os.Stat(full); err != nil {
		t.Fatalf("%v: `make tools` installs it", err)
	}
	return full
}

// CLI runs the command line client against a simulator.
type CLI struct {
	Endpoint    string // URL
	Key, Secret string
	Region      string // empty is eu-central-1
}

func (c CLI) run(t testing.TB, args []string) (out, errs string, err error) {
	t.Helper()
	region := c.Region
	if region == "" {
		region = "eu-central-1"
	}
	cmd := exec.CommandContext(t.Context(), installed(t, "aws"), args...)
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "AWS_PAGER=", "AWS_ENDPOINT_URL=" + c.Endpoint, "AWS_ACCESS_KEY_ID=" + c.Key,
		"AWS_SECRET_ACCESS_KEY=" + c.Secret, "AWS_DEFAULT_REGION=" + region, "AWS_EC2_METADATA_DISABLED=true", "AWS_DEFAULT_OUTPUT=json",
		"AWS_MAX_ATTEMPTS=1", "PYENV_VERSION=" + os.Getenv("PYENV_VERSION"), "PYENV_ROOT=" + os.Getenv("PYENV_ROOT"),
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	return stdout.String(), stderr.String(), err
}

// Run returns what a command prints; the test fails where it fails.
func (c CLI) Run(t testing.TB, args ...string) string {
	t.Helper()
	out, errs, err := c.run(t, args)
	if err != nil {
		t.Fatalf("aws %q: %v\n%s", args, err, errs)
	}
	return out
}

// JSON reads what a command prints into a value.
func (c CLI) JSON(t testing.TB, into any, args ...string) {
	t.Helper()
	out := c.Run(t, args...)
	if err := json.Unmarshal([]byte(out), into); err != nil {
		t.Fatalf("aws %q: %v: %s", args, err, out)
	}
}

// Query is the text of what a command's --query finds.
func (c CLI) Query(t testing.TB, query string, args ...string) string {
	t.Helper()
	out := c.Run(t, append(args, "--query", query, "--output", "text")...)
	return string(bytes.TrimSpace([]byte(out)))
}

// Refused returns why a command fails; the test fails where it does not.
func (c CLI) Refused(t testing.TB, args ...string) string {
	t.Helper()
	out, errs, err := c.run(t, args)
	if err == nil {
		t.Fatalf("aws %q does not fail: %s", args, out)
	}
	return errs
}
