package shell

import (
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// The parser reads bash's grammar for every shell. Under the names sh, ash and dash a command is looked through before it
// runs: what neither dash nor busybox ash has in its grammar is a syntax error, or a plain word. What one of the two has
// (slices and replacements, [[, &>, function, let) is left.

// dialectError is what a POSIX shell refuses, and where.
type dialectError struct {
	pos     syntax.Pos
	message string
}

// asPOSIX makes words of assignments that only bash has, and finds the first thing that is a syntax error.
func asPOSIX(stmts []*syntax.Stmt) (bad *dialectError) {
	refuse := func(n syntax.Node, message string) {
		if bad == nil {
			bad = &dialectError{n.Pos(), message}
		}
	}
	const bracket = `"(" unexpected`
	for _, s := range stmts {
		syntax.Walk(s, func(n syntax.Node) bool {
			switch n := n.(type) {
			case *syntax.CallExpr:
				plainAssigns(n)
			case *syntax.Assign:
				if n.Array != nil {
					refuse(n, bracket)
				}
			case *syntax.ParamExp:
				return false // a glob in ${x%@(a)} is text
			case *syntax.ExtGlob:
				refuse(n, bracket)
			case *syntax.ForClause:
				if _, arithmetic := n.Loop.(*syntax.CStyleLoop); arithmetic {
					refuse(n, "Bad for loop variable")
				} else if words, ok := n.Loop.(*syntax.WordIter); ok && !validName(words.Name.Value) {
					refuse(n, "Bad for loop variable")
				} else if n.Select {
					refuse(n, `"do" unexpected`)
				}
			case *syntax.FuncDecl:
				if n.Name == nil || !validName(n.Name.Value) {
					refuse(n, "Bad function name")
				}
			case *syntax.CaseItem:
				if n.Op == syntax.Fallthrough || n.Op == syntax.Resume {
					refuse(n, `"&" unexpected`)
				}
			case *syntax.BinaryCmd:
				if n.Op == syntax.PipeAll {
					refuse(n, `"&" unexpected`)
				}
			case *syntax.Redirect:
				if n.Op == syntax.WordHdoc {
					refuse(n, "redirection unexpected")
				}
			}
			return bad == nil
		})
	}
	return bad
}

// plainAssigns makes arguments of name[sub]=value and name+=value, from the first of them on.
func plainAssigns(c *syntax.CallExpr) {
	for i, a := range c.Assigns {
		if a.Index == nil && !a.Append || a.Array != nil {
			continue
		}
		var words []*syntax.Word
		for _, a := range c.Assigns[i:] {
			text := a.Name.Value
			if a.Index != nil {
				text += "[" + nodeText(a.Index) + "]"
			}
			w := &syntax.Word{Parts: []syntax.WordPart{&syntax.Lit{ValuePos: a.Pos(), ValueEnd: a.Pos(), Value: text + assignOp(a)}}}
			if a.Value != nil {
				w.Parts = append(w.Parts, a.Value.Parts...)
			}
			words = append(words, w)
		}
		c.Assigns, c.Args = c.Assigns[:i], append(words, c.Args...)
		return
	}
}

// refusedParam says whether ${…} is none that a POSIX shell has.
func refusedParam(pe *syntax.ParamExp) bool {
	return pe.Index != nil || pe.Excl || pe.Names != 0 || pe.Exp != nil && pe.Exp.Op >= syntax.UpperFirst
}

// declarationWords expands a command that declares variables though the parser did not see it: its name came out of an
// expansion, or follows `command`. Values are not split then. It is nil for any other command.
func (sh *shell) declarationWords(words []*syntax.Word) []string {
	if lit := words[0].Lit(); lit != "" && lit != "command" {
		return nil
	}
	args := sh.words(words[:1])
	rest := words[1:]
	for len(args) > 0 && args[len(args)-1] == "command" && len(rest) > 1 {
		args, rest = append(args, sh.words(rest[:1])...), rest[1:]
	}
	declares := len(args) > 0 && strings.Contains(" export readonly local ", " "+args[len(args)-1]+" ")
	for _, w := range rest {
		if lit, ok := w.Parts[0].(*syntax.Lit); ok && declares {
			if name, _, assigns := strings.Cut(lit.Value, "="); assigns && validName(name) {
				args = append(args, sh.value(w))
				continue
			}
		}
		args = append(args, sh.words([]*syntax.Word{w})...)
	}
	return args
}

// nestedSubshells gives the offset of the first `((` command, -1 if there is none.
func nestedSubshells(stmts []*syntax.Stmt) int {
	at := -1
	for _, s := range stmts {
		syntax.Walk(s, func(n syntax.Node) bool {
			if c, ok := n.(*syntax.ArithmCmd); ok && at < 0 {
				at = int(c.Left.Offset())
			}
			return at < 0
		})
	}
	return at
}
