package shell

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// A generator writes scripts from a grammar: simple ones, of what bash, dash and busybox ash have in common, that end.
type generator struct {
	r     *rand.Rand
	depth int
	loops int
}

func (g *generator) pick(options ...string) string { return options[g.r.IntN(len(options))] }

func (g *generator) name() string { return g.pick("x", "y", "z") }

func (g *generator) word() string {
	g.depth++
	defer func() { g.depth-- }()
	if g.depth > 6 {
		return g.pick("a", "b1", "'c d'")
	}
	switch g.r.IntN(16) {
	case 0:
		return "$" + g.name()
	case 1:
		return `"$` + g.name() + `"`
	case 2:
		return `"` + g.word2() + `"`
	case 3:
		return "${" + g.name() + g.pick("-", ":-", "+", ":+", "=") + g.word2() + "}"
	case 4:
		return "${" + g.name() + g.pick("#", "##", "%", "%%") + g.pick("a", "*a", "a*", "?", "[ab]", "'*'") + "}"
	case 5:
		return "${#" + g.name() + "}"
	case 6:
		return "$((" + g.arith() + "))"
	case 7:
		return "$(" + g.list(1) + ")"
	case 8:
		return g.pick("$1", "$#", `"$@"`, `"$*"`, "$*", "$?", "${2-n}")
	case 9:
		return g.pick(`\a`, `a\ b`, `\$x`, "''", `""`, "'$x'", "a'b'\"c\"")
	case 10:
		return g.word() + g.word()
	}
	return g.pick("a", "ab", "b", "'c d'", "1", "2", "a*", "'*'")
}

// word2 is a word that may stand inside quotes or braces.
func (g *generator) word2() string {
	return g.pick("a", "b c", "$x", "${y}", "$1", "", "$((1+2))", "a$z", `\$`)
}

func (g *generator) arith() string {
	g.depth++
	defer func() { g.depth-- }()
	if g.depth > 6 || g.r.IntN(3) == 0 {
		return g.pick("1", "2", "7", "n", "m", "-3", "010", "0x1f")
	}
	switch g.r.IntN(5) {
	case 0:
		return "(" + g.arith() + ")"
	case 1:
		return g.pick("-", "!", "~", "+") + "(" + g.arith() + ")"
	case 2:
		return "((" + g.arith() + ")?(" + g.arith() + "):(" + g.arith() + "))"
	case 3:
		return "(" + g.pick("n", "m") + g.pick("=", "+=", "-=", "*=") + "(" + g.arith() + "))"
	}
	return "(" + g.arith() + g.pick("+", "-", "*", "<", ">", "==", "!=", "&", "|", "^", "&&", "||") + g.arith() + ")"
}

func (g *generator) simple() string {
	switch g.r.IntN(12) {
	case 0:
		return g.name() + "=" + g.word()
	case 1:
		return g.pick("true", "false", ":", "(exit 3)")
	case 2:
		return "set -- " + g.word() + " " + g.word()
	case 3:
		return "[ " + g.word3() + g.pick(" = ", " != ") + g.word3() + " ]"
	case 4:
		return "n=$((" + g.arith() + "))"
	case 5:
		return "unset " + g.name()
	case 6:
		return "echo " + g.word() + g.pick(" >f", " >>f", " 2>/dev/null", " >/dev/null")
	case 7:
		return "f " + g.word()
	case 8:
		return g.pick("shift 2>/dev/null", "cat f 2>/dev/null", "read x <f 2>/dev/null", "eval 'echo $x'", "IFS=a", "unset IFS")
	}
	return "echo " + g.word() + " " + g.word()
}

// word3 is one field for certain.
func (g *generator) word3() string { return `"` + g.word2() + `"` }

func (g *generator) command() string {
	g.depth++
	defer func() { g.depth-- }()
	if g.depth > 4 {
		return g.simple()
	}
	switch g.r.IntN(14) {
	case 0:
		return "if " + g.list(1) + "; then " + g.list(2) + g.pick("", "; else "+g.list(1)) + "; fi"
	case 1:
		g.loops++
		defer func() { g.loops-- }()
		return "for " + g.name() + " in " + g.word() + " " + g.word() + "; do " + g.list(2) + g.pick("", "; break", "; continue") + "; done"
	case 2:
		return "case " + g.word3() + " in " + g.pick("a*", "b|c", "?", "'a'", "$x", `"$y"`) + ") " + g.list(1) + ";; *) " + g.list(1) + ";; esac"
	case 3:
		return "(" + g.list(2) + ")"
	case 4:
		return "{ " + g.list(2) + "; }"
	case 5:
		return g.simple() + " | " + g.pick("cat", "{ read x; echo \"[$x]\"; }", "while read y; do echo \"<$y>\"; done")
	case 6:
		return g.simple() + g.pick(" && ", " || ") + g.command()
	case 7:
		return "! " + g.simple()
	case 8:
		return fmt.Sprintf("i%d=0; while [ $i%d -lt 2 ]; do i%d=$((i%d+1)); %s; done", g.depth, g.depth, g.depth, g.depth, g.simple())
	case 9:
		return "f() { " + g.list(1) + g.pick("", "; return 2") + "; }"
	}
	return g.simple()
}

func (g *generator) list(n int) string {
	parts := make([]string, 1+g.r.IntN(n))
	for i := range parts {
		parts[i] = g.command()
	}
	return strings.Join(parts, "; ")
}

// script is a whole script; its functions do not call one another for ever.
func (g *generator) script() string {
	lines := []string{"f() { echo \"f $# $1\"; }"}
	for range 2 + g.r.IntN(5) {
		lines = append(lines, g.command())
	}
	text := strings.Join(append(lines, `echo "$? [$x] [$y] [$z] $n $m $#"`), "\n")
	return strings.ReplaceAll(text, "f() { f", "f() { : f")
}

// TestGenerated compares scripts from the grammar with bash, where busybox ash does as bash does, and sh with dash and
// busybox ash where they agree. The seed is fixed, so that the scripts are the same in every run.
func TestGenerated(t *testing.T) {
	compared := 0
	for seed := range uint64(400) {
		g := generator{r: rand.New(rand.NewPCG(seed, 1))}
		script := "FUNCNEST=20\n" + g.script()
		if strings.Count(script, "f() {") > 1 && strings.Contains(script[strings.LastIndex(script, "f() {"):], "f ") {
			continue // it may call itself
		}
		bash, ash, dash := realBash.run(t, script), realAsh.run(t, script), realDash.run(t, script)
		if bash.stdout == ash.stdout && bash.code == ash.code {
			compared++
			compare(t, "bash", script, bash)
		}
		if dash.stdout == ash.stdout && dash.code == ash.code {
			compare(t, "sh", script, dash)
		}
	}
	if compared < 150 {
		t.Errorf("bash and ash agreed on %d scripts only", compared)
	}
}
