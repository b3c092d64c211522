package shell

import (
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// usesAliases says whether aliases are replaced: in bash only interactively, or after `shopt -s expand_aliases`.
func (sh *shell) usesAliases() bool {
	return len(sh.aliases) > 0 && (sh.posix() || sh.interactive || sh.shopts.expandAliases || sh.opts.posix)
}

// aliased is a part of the text that came from an alias.
type aliased struct {
	name     string
	from, to int
	blank    bool // the word after it is looked at too
}

// maxAliases bounds the replacements in one command.
const maxAliases = 1000

// expandAliases replaces the aliases of commands that were parsed from text, which began at offset base of the parser's
// stream. Since an alias may be any text, what results is parsed again. line is to be added to its line numbers.
func (sh *shell) expandAliases(stmts []*syntax.Stmt, text string, base int) (_ []*syntax.Stmt, line int, ok bool) {
	var done []aliased
	for range maxAliases {
		at, name := sh.findAlias(stmts, text, base, done)
		if at < 0 {
			break
		}
		if line = int(stmts[0].Position.Line()); !ok {
			line -= strings.Count(text[:max(int(stmts[0].Position.Offset())-base, 0)], "\n") + 1
		}
		value := sh.aliases[name]
		text = text[:at] + value + text[at+len(name):]
		shift := len(value) - len(name)
		for i := range done {
			if done[i].from > at {
				done[i].from += shift
			}
			if done[i].to > at {
				done[i].to += shift
			}
		}
		done = append(done, aliased{name, at, at + len(value), strings.HasSuffix(value, " ") || strings.HasSuffix(value, "\t")})
		base, ok = 0, true
		file, err := newParser().Parse(strings.NewReader(text), "")
		if err != nil {
			sh.syntaxError(&source{name: "", ended: true}, err)
			return nil, 0, true
		}
		stmts = file.Stmts
		line = 0
	}
	return stmts, line, ok
}

// findAlias finds the first word in text that is an alias to be replaced.
func (sh *shell) findAlias(stmts []*syntax.Stmt, text string, base int, done []aliased) (at int, name string) {
	at = -1
	check := func(w *syntax.Word) bool {
		if len(w.Parts) != 1 {
			return false
		}
		lit, ok := w.Parts[0].(*syntax.Lit)
		if !ok {
			return false
		}
		if _, ok := sh.aliases[lit.Value]; !ok {
			return false
		}
		pos := int(lit.Pos().Offset()) - base
		if pos < 0 || !strings.HasPrefix(text[min(pos, len(text)):], lit.Value) {
			return false
		}
		for _, d := range done {
			if d.name == lit.Value && pos >= d.from && pos < d.to {
				return false
			}
		}
		at, name = pos, lit.Value
		return true
	}
	for _, s := range stmts {
		if at >= 0 {
			break
		}
		syntax.Walk(s, func(n syntax.Node) bool {
			c, ok := n.(*syntax.CallExpr)
			if at >= 0 || !ok {
				return at < 0
			}
			for i, w := range c.Args {
				if i == 0 {
					if check(w) {
						return false
					}
					continue
				}
				pos := int(w.Pos().Offset()) - base
				for _, d := range done {
					if d.blank && pos >= d.to && strings.TrimSpace(text[d.to:pos]) == "" && check(w) {
						return false
					}
				}
			}
			return true
		})
	}
	return at, name
}
