package shell

import (
	"regexp"
	"testing"
)

// TestMessages compares standard error with that of bash and dash for common errors.
func TestMessages(t *testing.T) {
	path := regexp.MustCompile(`/usr/bin/`)
	for _, script := range scripts(t, "errors.txt") {
		for name, o := range map[string]oracle{"bash": realBash, "dash": realDash} {
			want := o.run(t, script)
			got := runShell(t, "", name, "-c", script)
			want.stderr = path.ReplaceAllString(want.stderr, "/bin/")
			if got != want {
				t.Errorf("%s: %s\n--- got  %d %q %q\n--- want %d %q %q", name, script, got.code, got.stdout, got.stderr, want.code, want.stdout, want.stderr)
			}
		}
	}
}
