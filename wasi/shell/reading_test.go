package shell

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestStdin compares scripts on standard input, which is read no further than it is executed, with bash (dash
// reads ahead).
func TestStdin(t *testing.T) {
	for _, script := range []string{
		"echo a\necho b\n", "read x\nfirst line\necho \"got $x\"\n", "cat\nthe rest\nis data\n", "echo a\nif\n)\necho b\n",
		"echo a; exit 3\necho b\n", "cat <<E\nhello\nE\necho after\n", "f() {\necho f\n}\nf\n", "echo no newline", "echo $LINENO\n\necho $LINENO\n",
		"while read l; do echo \"<$l>\"; done\n1\n2\n", "exec </dev/null\necho no\n", "x=1\necho $((1/0))\necho next $?\n", "", "\n\n# c\n",
		"echo a \\\nb\necho c\n", "(read y; echo \"sub $y\")\ndata\necho end\n", "false\n", "set -e\nfalse\necho no\n",
	} {
		for name, o := range map[string]oracle{"bash": realBash} {
			path, err := exec.LookPath(o.argv[0])
			if err != nil {
				t.Fatalf("install the Debian package %s", o.deb)
			}
			file := filepath.Join(t.TempDir(), "script")
			if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
				t.Fatal(err)
			}
			in, err := os.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(path)
			cmd.Stdin = in
			cmd.Env = []string{"PATH=/usr/bin:/bin"}
			cmd.Dir = t.TempDir()
			var out bytes.Buffer
			cmd.Stdout = &out
			_ = cmd.Run()
			_ = in.Close()
			got := runShell(t, script, name)
			if got.stdout != out.String() || got.code != cmd.ProcessState.ExitCode() {
				t.Errorf("%s: %q\n--- got  %d %q %q\n--- want %d %q", name, script, got.code, got.stdout, got.stderr, cmd.ProcessState.ExitCode(), out.String())
			}
		}
	}
}
