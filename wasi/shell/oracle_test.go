package shell

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// An oracle is a real shell that ours is compared with.
type oracle struct {
	argv []string
	deb  string // the Debian package that has it
}

var (
	realBash = oracle{[]string{"bash"}, "bash"}
	realDash = oracle{[]string{"dash"}, "dash"}
	realAsh  = oracle{[]string{"busybox", "ash"}, "busybox"}
)

// run runs a script in an empty directory.
func (o oracle) run(t testing.TB, script string) result {
	t.Helper()
	return o.start(t, "", "-c", script)
}

// runFile runs a script from the file t.sh.
func (o oracle) runFile(t testing.TB, script string) result {
	t.Helper()
	return o.start(t, script+"\n", "t.sh")
}

func (o oracle) start(t testing.TB, file string, args ...string) result {
	t.Helper()
	path, err := exec.LookPath(o.argv[0])
	if err != nil {
		t.Fatalf("%s is missing: install the Debian package %s", o.argv[0], o.deb)
	}
	dir := t.TempDir()
	// Real shells may wait for ever where ours is killed: they are killed too.
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path)
	cmd.WaitDelay = time.Second
	if file != "" {
		if err := os.WriteFile(filepath.Join(dir, "t.sh"), []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd.Args = append(append([]string(nil), o.argv...), args...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=/root"}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) {
		t.Error(err)
	}
	code := cmd.ProcessState.ExitCode()
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		code = 128 + int(status.Signal())
	}
	return result{out.String(), errs.String(), code}
}

// scripts reads a table of scripts, which lines of dashes part.
func scripts(t testing.TB, name string) []string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for s := range strings.SplitSeq(string(data), "\n---\n") {
		if s = strings.TrimRight(s, "\n"); s != "" {
			all = append(all, s)
		}
	}
	return all
}

// compare runs a script in ours and in the oracle, and compares standard output and the exit code.
func compare(t *testing.T, shell, script string, want result) {
	t.Helper()
	got := runShell(t, "", shell, "-c", script)
	if got.stdout != want.stdout || got.code != want.code {
		t.Errorf("%s\n--- got %d %q\n--- want %d %q\n--- stderr %q\n--- want %q", script, got.code, got.stdout, want.code, want.stdout, got.stderr, want.stderr)
	}
}

// TestBash compares the bash dialect with bash.
func TestBash(t *testing.T) {
	for _, file := range []string{"bash.txt", "posix.txt"} {
		for _, script := range scripts(t, file) {
			compare(t, "bash", script, realBash.run(t, script))
		}
	}
}

// TestFiles compares scripts in files, where line numbers and names are others and an error does not end the script.
func TestFiles(t *testing.T) {
	for _, file := range []string{"bash.txt", "files.txt"} {
		for _, script := range scripts(t, file) {
			if strings.Contains(script, "*") {
				continue // the script's own file is in the directory
			}
			want := realBash.runFile(t, script)
			got := runWith(t, script+"\n", "", "bash", "t.sh")
			if got.stdout != want.stdout || got.code != want.code {
				t.Errorf("%s\n--- got %d %q\n--- want %d %q\n--- stderr %q\n--- want %q", script, got.code, got.stdout, want.code, want.stdout, got.stderr, want.stderr)
			}
		}
	}
}

// TestPOSIX compares the POSIX dialect with dash and busybox ash, where these two agree.
func TestPOSIX(t *testing.T) {
	agreed := 0
	for _, script := range scripts(t, "posix.txt") {
		want, other := realDash.run(t, script), realAsh.run(t, script)
		if want.stdout != other.stdout || want.code != other.code {
			continue
		}
		agreed++
		compare(t, "sh", script, want)
	}
	if agreed < 100 {
		t.Errorf("dash and busybox ash agreed on %d scripts only", agreed)
	}
}
