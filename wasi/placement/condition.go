package placement

import (
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// outcome is whether a command succeeds, as far as that is known without running it.
type outcome int8

const (
	no outcome = iota - 1
	unsure
	yes
)

func (o outcome) not() outcome { return -o }

func (o outcome) or(p outcome) outcome { return max(o, p) }

func (o outcome) and(p outcome) outcome { return min(o, p) }

func outcomeFor(b bool) outcome {
	if b {
		return yes
	}
	return no
}

// outcomeOf is the outcome of the last of several commands.
func (sh *shell) outcomeOf(list []*syntax.Stmt) outcome {
	if len(list) == 0 {
		return unsure
	}
	return sh.outcome(list[len(list)-1])
}

// constant is the outcome of true, false and their like.
func (sh *shell) constant(s *syntax.Stmt) outcome {
	call, ok := s.Cmd.(*syntax.CallExpr)
	if !ok || len(call.Args) == 0 {
		return unsure
	}
	o := unsure
	switch call.Args[0].Lit() {
	case "true", ":":
		o = yes
	case "false":
		o = no
	}
	if s.Negated {
		o = o.not()
	}
	return o
}

// outcome knows comparisons of texts and numbers. Files are not looked at: a script may have made them when it comes
// here. In a loop nothing is known, since a variable may have another value in the next turn.
func (sh *shell) outcome(s *syntax.Stmt) outcome {
	if o := sh.constant(s); o != unsure || sh.loops > 0 {
		return o
	}
	o := unsure
	switch c := s.Cmd.(type) {
	case *syntax.CallExpr:
		if len(c.Args) == 0 {
			break
		}
		switch name := c.Args[0].Lit(); name {
		case "[", "test":
			if _, ok := sh.funcs[name]; ok {
				break
			}
			args := c.Args[1:]
			if name == "[" && len(args) > 0 {
				args = args[:len(args)-1]
			}
			o = test(sh.expand(args))
		}
	case *syntax.TestClause:
		o = sh.clause(c.X)
	case *syntax.BinaryCmd:
		switch c.Op {
		case syntax.AndStmt:
			o = sh.outcome(c.X).and(sh.outcome(c.Y))
		case syntax.OrStmt:
			o = sh.outcome(c.X).or(sh.outcome(c.Y))
		}
	case *syntax.Block:
		o = sh.outcomeOf(c.Stmts)
	}
	if s.Negated {
		o = o.not()
	}
	return o
}

// test is test(1), of up to three arguments and a negation.
func test(args []field) outcome {
	if len(args) > 0 && args[0] == known("!") {
		return test(args[1:]).not()
	}
	for _, f := range args {
		if !f.known {
			return unsure
		}
	}
	switch len(args) {
	case 0:
		return no
	case 1:
		return outcomeFor(args[0].text != "")
	case 2:
		return unary(args[0].text, args[1].text)
	case 3:
		return binary(args[1].text, args[0].text, args[2].text)
	}
	return unsure
}

func unary(op, x string) outcome {
	switch op {
	case "-z":
		return outcomeFor(x == "")
	case "-n":
		return outcomeFor(x != "")
	}
	return unsure
}

func binary(op, x, y string) outcome {
	switch op {
	case "=", "==":
		return outcomeFor(x == y)
	case "!=":
		return outcomeFor(x != y)
	}
	n, err1 := strconv.Atoi(x)
	m, err2 := strconv.Atoi(y)
	if err1 != nil || err2 != nil {
		return unsure
	}
	switch op {
	case "-eq":
		return outcomeFor(n == m)
	case "-ne":
		return outcomeFor(n != m)
	case "-lt":
		return outcomeFor(n < m)
	case "-le":
		return outcomeFor(n <= m)
	case "-gt":
		return outcomeFor(n > m)
	case "-ge":
		return outcomeFor(n >= m)
	}
	return unsure
}

// clause is [[ … ]].
func (sh *shell) clause(x syntax.TestExpr) outcome {
	switch x := x.(type) {
	case *syntax.ParenTest:
		return sh.clause(x.X)
	case *syntax.Word:
		if text, ok := sh.text(x); ok {
			return outcomeFor(text != "")
		}
	case *syntax.UnaryTest:
		if x.Op == syntax.TsNot {
			return sh.clause(x.X).not()
		}
		if w, ok := x.X.(*syntax.Word); ok {
			if text, ok := sh.text(w); ok {
				return unary(x.Op.String(), text)
			}
		}
	case *syntax.BinaryTest:
		switch x.Op {
		case syntax.AndTest:
			return sh.clause(x.X).and(sh.clause(x.Y))
		case syntax.OrTest:
			return sh.clause(x.X).or(sh.clause(x.Y))
		}
		l, ok1 := x.X.(*syntax.Word)
		r, ok2 := x.Y.(*syntax.Word)
		if !ok1 || !ok2 {
			return unsure
		}
		text, ok := sh.text(l)
		if !ok {
			return unsure
		}
		switch x.Op {
		case syntax.TsMatch, syntax.TsMatchShort:
			return sh.matches(r, text)
		case syntax.TsNoMatch:
			return sh.matches(r, text).not()
		}
		if other, ok := sh.text(r); ok {
			return binary(x.Op.String(), text, other)
		}
	}
	return unsure
}

func isStar(w *syntax.Word) bool { return w.Lit() == "*" }

// matches says whether a text matches a pattern that has no more than stars at its ends.
func (sh *shell) matches(w *syntax.Word, text string) outcome {
	pattern, ok := sh.text(w)
	if !ok {
		return unsure
	}
	if len(w.Parts) == 1 {
		if _, isLit := w.Parts[0].(*syntax.Lit); !isLit && !strings.ContainsAny(pattern, `*?[\`) {
			return outcomeFor(pattern == text)
		}
	}
	front, back := false, false
	if pattern, front = strings.CutPrefix(pattern, "*"); front && pattern == "" {
		return yes
	}
	pattern, back = strings.CutSuffix(pattern, "*")
	switch {
	case strings.ContainsAny(pattern, `*?[\(`):
		return unsure
	case front && back:
		return outcomeFor(strings.Contains(text, pattern))
	case front:
		return outcomeFor(strings.HasSuffix(text, pattern))
	case back:
		return outcomeFor(strings.HasPrefix(text, pattern))
	}
	return outcomeFor(pattern == text)
}

// questions are commands that answer by failing: what comes after && is then a branch. Anything else is expected to
// succeed. A function is what its last command is.
var questions = set("[", "test", "command", "which", "type", "hash", "grep", "egrep", "fgrep", "zgrep", "cmp", "diff", "expr", "pgrep", "false", "read", "getopts", "let", "return")

func (sh *shell) isQuestion(s *syntax.Stmt, depth int) bool {
	if s.Negated {
		return true
	}
	last := func(list []*syntax.Stmt) bool { return len(list) > 0 && sh.isQuestion(list[len(list)-1], depth) }
	switch c := s.Cmd.(type) {
	case *syntax.CallExpr:
		if len(c.Args) == 0 {
			return false
		}
		name := c.Args[0].Lit()
		if f, ok := sh.funcs[name]; ok {
			return depth == 0 && sh.isQuestion(f.body, 1) // not theirs in turn, which may be many
		}
		return questions[name]
	case *syntax.TestClause, *syntax.ArithmCmd, *syntax.LetClause:
		return true
	case *syntax.BinaryCmd:
		if c.Op == syntax.AndStmt || c.Op == syntax.OrStmt {
			return sh.isQuestion(c.X, depth) || sh.isQuestion(c.Y, depth)
		}
		return sh.isQuestion(c.Y, depth)
	case *syntax.Block:
		return last(c.Stmts)
	case *syntax.Subshell:
		return last(c.Stmts)
	}
	return false
}
