package shell

import (
	"bytes"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// nodeText is the source of a node, printed in the parser's form.
func nodeText(n syntax.Node) string {
	var b bytes.Buffer
	if err := syntax.NewPrinter(syntax.SingleLine(true), syntax.SpaceRedirects(true)).Print(&b, n); err != nil {
		return ""
	}
	return unrepaired(strings.TrimSpace(b.String()))
}

// stmtText is the command line of a job.
func stmtText(s *syntax.Stmt) string {
	plain := *s
	plain.Background = false
	return nodeText(&plain)
}

func sourceWords(words []*syntax.Word) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = nodeText(w)
	}
	return out
}

func nodeArray(a *syntax.ArrayExpr) string {
	var out []string
	for _, e := range a.Elems {
		text := ""
		if e.Index != nil {
			text = "[" + nodeText(e.Index) + "]="
		}
		if e.Value != nil {
			text += nodeText(e.Value)
		}
		out = append(out, text)
	}
	return strings.Join(out, " ")
}

// source is the text of a process substitution where none is done: inside double quotes.
func (sh *shell) source(s *syntax.ProcSubst) string {
	return nodeText(&syntax.Word{Parts: []syntax.WordPart{s}})
}

// commandText is BASH_COMMAND.
func (sh *shell) commandText() string {
	if s, ok := sh.node.(*syntax.Subshell); ok {
		var parts []string
		for _, stmt := range s.Stmts {
			parts = append(parts, nodeText(stmt))
		}
		return "( " + strings.Join(parts, "; ") + " )"
	}
	if sh.node != nil {
		return nodeText(sh.node)
	}
	return sh.commandLine
}

// text is the body of a function as it is exported.
func (f *function) text() string { return "() " + nodeBody(f.decl.Body) }

// nodeBody prints a statement over as many lines as it needs.
func nodeBody(s *syntax.Stmt) string {
	var b bytes.Buffer
	if err := syntax.NewPrinter(syntax.Indent(4), syntax.SpaceRedirects(true)).Print(&b, s); err != nil {
		return ""
	}
	return unrepaired(b.String())
}

// body prints a function's body as declare -f does. Where bash's layout would change what it means, it is the parser's.
func (f *function) body() string {
	text := nodeBody(f.decl.Body)
	if manyLines(f.decl.Body) {
		return text
	}
	layout := bashLayout(text)
	if _, err := parseProgram("f() " + layout); err != nil {
		return text
	}
	return layout
}

// manyLines says whether a statement has a text that goes over more than one line.
func manyLines(s *syntax.Stmt) (found bool) {
	syntax.Walk(s, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.Lit:
			found = found || strings.Contains(n.Value, "\n")
		case *syntax.SglQuoted:
			found = found || strings.Contains(n.Value, "\n")
		case *syntax.Redirect:
			found = found || n.Hdoc != nil
		}
		return !found
	})
	return found
}

// bashLayout changes the parser's layout into bash's: a brace on a line of its own, then statements with semicolons.
func bashLayout(text string) string {
	lines := strings.Split(text, "\n")
	if len(lines) == 1 {
		inner, ok := strings.CutPrefix(text, "{ ")
		if ok {
			inner = strings.TrimSuffix(strings.TrimSuffix(inner, "}"), "; ")
			lines = []string{"{", "    " + inner, "}"}
		}
	}
	if lines[0] == "{" {
		lines[0] = "{ "
	}
	for i := 1; i < len(lines)-2; i++ {
		line := lines[i]
		if line == "" || strings.HasSuffix(line, "then") || strings.HasSuffix(line, "do") || strings.HasSuffix(line, "{") ||
			strings.HasSuffix(line, ";;") || strings.HasSuffix(line, "else") || strings.HasSuffix(line, " in") || strings.HasSuffix(line, ")") || strings.HasSuffix(line, "&") {
			continue
		}
		lines[i] = line + ";"
	}
	return strings.Join(lines, "\n")
}

// trace prints what set -x shows.
func (sh *shell) trace(text string) {
	prefix := sh.tracePrefix()
	sh.writeError(prefix + text + "\n")
}

// tracePrefix is PS4, its first character repeated by the depth of subshells and evals.
func (sh *shell) tracePrefix() string {
	ps4 := sh.getOr("PS4", "+ ")
	if !strings.ContainsAny(ps4, "$`\\") {
		if sh.posix() || ps4 == "" {
			return ps4
		}
		return strings.Repeat(ps4[:1], sh.traceDepth()) + ps4[1:]
	}
	xtrace, status := sh.opts.xtrace, sh.status
	sh.opts.xtrace = false
	text := ps4
	failed := sh.attempt(func() {
		b := fieldBuilder{sh: sh}
		b.parts(sh.parseText(ps4), true)
		text = string(b.buf)
	})
	sh.opts.xtrace, sh.status = xtrace, status
	if failed {
		return ps4
	}
	if sh.bash && text != "" {
		text = strings.Repeat(text[:1], sh.traceDepth()) + text[1:]
	}
	return text
}

func (sh *shell) traceDepth() int { return 1 + sh.substDepth + sh.nested }

// traceCall shows a simple command with its assignments.
func (sh *shell) traceCall(c *syntax.CallExpr, args []string) {
	words := make([]string, 0, len(args))
	for _, a := range args {
		words = append(words, sh.quoteTrace(a))
	}
	sh.trace(strings.Join(words, " "))
}

// quoteTrace quotes a word as set -x of bash shows it; dash shows it bare.
func (sh *shell) quoteTrace(s string) string {
	if sh.posix() {
		return s
	}
	if s == "" {
		return "''"
	}
	if hasControl(s) {
		return quoteANSI(s)
	}
	if strings.ContainsAny(s, " \t\n\"'$&()*;<>?[\\]^`{|}!") || s[0] == '~' || s[0] == '#' {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return s
}
