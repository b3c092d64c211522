package shell

import (
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// arithExpr evaluates a parsed expression. The tree is used where it says the same as the text would; where an
// expansion gives something else than a number, and for errors, the text is evaluated.
func (sh *shell) arithExpr(x syntax.ArithmExpr) int64 {
	if x == nil {
		return 0
	}
	if n, ok := sh.arithTree(x); ok {
		return n
	}
	return sh.arith(sh.arithText(x, false))
}

// arithTree evaluates the tree; not ok, with nothing changed, if the text has to be evaluated.
func (sh *shell) arithTree(x syntax.ArithmExpr) (n int64, ok bool) {
	switch x := x.(type) {
	case *syntax.Word:
		return sh.arithWord(x)
	case *syntax.ParenArithm:
		return sh.arithTree(x.X)
	case *syntax.UnaryArithm:
		if x.Op == syntax.Inc || x.Op == syntax.Dec {
			name, isName := arithName(x.X)
			if !isName {
				return 0, false
			}
			n, ok = sh.arithVar(name)
			if !ok {
				return 0, false
			}
			next := n + 1
			if x.Op == syntax.Dec {
				next = n - 1
			}
			sh.assign(name, itoa(next))
			if !x.Post {
				n = next
			}
			return n, true
		}
		if n, ok = sh.arithTree(x.X); !ok {
			return 0, false
		}
		switch x.Op {
		case syntax.Not:
			return truth(n == 0), true
		case syntax.BitNegation:
			return ^n, true
		case syntax.Plus:
			return n, true
		case syntax.Minus:
			return -n, true
		}
	case *syntax.BinaryArithm:
		return sh.arithBinaryTree(x)
	}
	return 0, false
}

func (sh *shell) arithBinaryTree(x *syntax.BinaryArithm) (n int64, ok bool) {
	switch x.Op {
	case syntax.Assgn, syntax.AddAssgn, syntax.SubAssgn, syntax.MulAssgn:
		name, isName := arithName(x.X)
		if !isName || !pureArith(x.Y) {
			return 0, false
		}
		n, ok = sh.arithTree(x.Y)
		if !ok {
			return 0, false
		}
		if x.Op != syntax.Assgn {
			old, ok := sh.arithVar(name)
			if !ok {
				return 0, false
			}
			switch x.Op {
			case syntax.AddAssgn:
				n = old + n
			case syntax.SubAssgn:
				n = old - n
			default:
				n = old * n
			}
		}
		sh.assign(name, itoa(n))
		return n, true
	}
	// An operand with side effects must not be evaluated twice, once here and once as text.
	if !pureArith(x.X) || !pureArith(x.Y) {
		return 0, false
	}
	left, ok := sh.arithTree(x.X)
	if !ok {
		return 0, false
	}
	switch x.Op {
	case syntax.AndArit:
		if left == 0 {
			return 0, true
		}
		right, ok := sh.arithTree(x.Y)
		return truth(right != 0), ok
	case syntax.OrArit:
		if left != 0 {
			return 1, true
		}
		right, ok := sh.arithTree(x.Y)
		return truth(right != 0), ok
	case syntax.TernQuest:
		branches, isBinary := x.Y.(*syntax.BinaryArithm)
		if !isBinary {
			return 0, false
		}
		if left != 0 {
			return sh.arithTree(branches.X)
		}
		return sh.arithTree(branches.Y)
	}
	right, ok := sh.arithTree(x.Y)
	if !ok {
		return 0, false
	}
	switch x.Op {
	case syntax.Add:
		return left + right, true
	case syntax.Sub:
		return left - right, true
	case syntax.Mul:
		return left * right, true
	case syntax.Lss:
		return truth(left < right), true
	case syntax.Gtr:
		return truth(left > right), true
	case syntax.Leq:
		return truth(left <= right), true
	case syntax.Geq:
		return truth(left >= right), true
	case syntax.Eql:
		return truth(left == right), true
	case syntax.Neq:
		return truth(left != right), true
	case syntax.Comma:
		return right, true
	}
	n, problem := arithBinary(x.Op.String(), left, right)
	return n, problem == ""
}

// pureArith says whether evaluating x twice is the same as once.
func pureArith(x syntax.ArithmExpr) bool {
	switch x := x.(type) {
	case *syntax.Word:
		for _, part := range x.Parts {
			switch part := part.(type) {
			case *syntax.Lit, *syntax.SglQuoted:
			case *syntax.ParamExp:
				if !part.Short && part.Exp != nil || part.Index != nil {
					return false
				}
			default:
				return false
			}
		}
		return true
	case *syntax.ParenArithm:
		return pureArith(x.X)
	case *syntax.UnaryArithm:
		return x.Op != syntax.Inc && x.Op != syntax.Dec && pureArith(x.X)
	case *syntax.BinaryArithm:
		switch x.Op {
		case syntax.Assgn, syntax.AddAssgn, syntax.SubAssgn, syntax.MulAssgn, syntax.QuoAssgn, syntax.RemAssgn, syntax.AndAssgn,
			syntax.OrAssgn, syntax.XorAssgn, syntax.ShlAssgn, syntax.ShrAssgn, syntax.PowAssgn, syntax.AndBoolAssgn, syntax.OrBoolAssgn, syntax.XorBoolAssgn:
			return false
		}
		return pureArith(x.X) && pureArith(x.Y)
	}
	return false
}

// arithName is the variable that an operand names, without a subscript.
func arithName(x syntax.ArithmExpr) (string, bool) {
	if w, ok := x.(*syntax.Word); ok && len(w.Parts) == 1 {
		if lit, ok := w.Parts[0].(*syntax.Lit); ok && validName(lit.Value) {
			return lit.Value, true
		}
	}
	return "", false
}

// arithVar is the value of a variable that holds a plain number.
func (sh *shell) arithVar(name string) (int64, bool) {
	text, set := sh.get(name)
	if !set {
		if strings.HasPrefix(name, rawArith) {
			return 0, false
		}
		return 0, !sh.opts.nounset || sh.posix()
	}
	return plainInteger(text)
}

func (sh *shell) arithWord(w *syntax.Word) (int64, bool) {
	if len(w.Parts) != 1 {
		return 0, false
	}
	switch part := w.Parts[0].(type) {
	case *syntax.Lit:
		if n, ok := plainInteger(part.Value); ok {
			return n, true
		}
		if validName(part.Value) {
			return sh.arithVar(part.Value)
		}
	case *syntax.ParamExp:
		if part.Short && part.Index == nil && part.Dollar.IsValid() {
			text, set := sh.parameter(part.Param.Value)
			if !set {
				return 0, false
			}
			return plainInteger(text)
		}
	case *syntax.ArithmExp:
		return sh.arithTree(part.X)
	}
	return 0, false
}

// arithText is the text of an expression with its expansions done. compact leaves out the blanks around operators, for
// the key of an associative array that was parsed as an expression.
func (sh *shell) arithText(x syntax.ArithmExpr, compact bool) string {
	var b strings.Builder
	sh.writeArith(&b, x, compact)
	return b.String()
}

func (sh *shell) writeArith(b *strings.Builder, x syntax.ArithmExpr, compact bool) {
	switch x := x.(type) {
	case nil:
	case *syntax.Word:
		for _, part := range x.Parts {
			if pe, ok := part.(*syntax.ParamExp); ok && !pe.Dollar.IsValid() {
				// An element without a dollar sign: the subscript stays text for the evaluator.
				b.WriteString(pe.Param.Value)
				if pe.Index != nil {
					b.WriteByte('[')
					sh.writeArith(b, pe.Index, true)
					b.WriteByte(']')
				}
				continue
			}
			if lit, ok := part.(*syntax.Lit); ok && strings.HasPrefix(lit.Value, rawArith) {
				raw := fieldBuilder{sh: sh}
				raw.parts(sh.parseText(rawText(lit.Value, rawArith)), true)
				b.Write(raw.buf)
				continue
			}
			if q, ok := part.(*syntax.SglQuoted); ok && sh.arithContext != "let: " {
				b.WriteString("'" + q.Value + "'") // no quotes in an expression
				continue
			}
			word := fieldBuilder{sh: sh}
			word.parts([]syntax.WordPart{part}, false)
			b.Write(word.buf)
		}
	case *syntax.ParenArithm:
		b.WriteByte('(')
		sh.writeArith(b, x.X, compact)
		b.WriteByte(')')
	case *syntax.UnaryArithm:
		if !x.Post {
			b.WriteString(x.Op.String())
		}
		sh.writeArith(b, x.X, compact)
		if x.Post {
			b.WriteString(x.Op.String())
		}
	case *syntax.BinaryArithm:
		sh.writeArith(b, x.X, compact)
		op := x.Op.String()
		switch gap := x.OpPos.Offset() > x.X.End().Offset(); {
		case gap && x.Op != syntax.Comma:
			b.WriteString(" " + op + " ")
		case x.Op == syntax.Comma && !compact && x.Y != nil && x.Y.Pos().Offset() > x.OpPos.Offset()+1:
			b.WriteString(op + " ")
		default:
			b.WriteString(op)
		}
		sh.writeArith(b, x.Y, compact)
	}
}
