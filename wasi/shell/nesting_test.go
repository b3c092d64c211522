package shell

import (
	"strings"
	"testing"
)

// TestNesting gives the shell scripts whose recursion would end the whole process if it were not bounded.
func TestNesting(t *testing.T) {
	const n = 200_000
	deep := func(open, inner, end string) string { return strings.Repeat(open, n) + inner + strings.Repeat(end, n) }
	for name, script := range map[string]string{
		"subshells": deep("(", "echo", ")"), "braces": deep("{ ", "echo", "; }"), "arithmetic": "echo $((" + deep("(", "1", ")") + "))",
		"signs": "echo $((" + strings.Repeat("- ", n) + "1))", "powers": "echo $((" + strings.Repeat("2**", n) + "1))",
		"subscripts": "echo ${a" + deep("[a", "0", "]") + "}", "old arithmetic": "echo " + deep("$[", "1", "]"), "words": "echo " + deep("${x:-", "a", "}"),
		"substitutions": "echo " + deep("$(echo ", "a", ")"), "quotes": "echo " + strings.Repeat(`"$(`, n), "conditions": strings.Repeat("if ", n),
		"loops": strings.Repeat("while ", n), "cases": strings.Repeat("case a in a) ", n), "lists": strings.Repeat("true && ", 3*n) + "true",
		"tests": "[[ " + deep("( ", "a", " )") + " ]]", "eval": `eval "$(printf '(%.0s' {1..200000})"`, "expression": `x=$(printf '(%.0s' {1..200000}); echo $((x))`,
		"reference": `z='a[z+0]' a=(1); echo $((z))`, "element": `declare -n r='a[r]'; echo $r`, "recursion": "f() { " + strings.Repeat("{ ", 900) + "f" + strings.Repeat("; }", 900) + "; }; f",
		"trap": `trap 'kill -USR1 $$' USR1; kill -USR1 $$`, "sourced": `echo '. ./s' >s; . ./s`, "prompt": `PS4='${x@P}' x='${x@P}'; set -x; echo ${x@P}`, "glob": `shopt -s extglob; p=$(printf '@(%.0s' {1..200000}); [[ a == $p ]]; echo $p`,
	} {
		for _, shell := range []string{"bash", "sh"} {
			r := runShell(t, "", shell, "-c", script)
			if r.code == 137 {
				t.Errorf("%s in %s runs for ever", name, shell)
			}
			if panicked(r.stderr) {
				t.Errorf("%s in %s: %.300s", name, shell, r.stderr)
			}
		}
	}
}
