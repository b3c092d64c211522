package builtins

import "strings"

// awkGroupList is (a, b): the list of a print, or the subscripts before "in".
type awkGroupList struct{ list []awkExpr }

func (p *awkParser) expr() awkExpr {
	left := p.ternary()
	if p.tok.kind == awkOperator && assignable(left) {
		switch op := p.tok.text; op {
		case "=", "+=", "-=", "*=", "/=", "%=", "^=":
			p.advance()
			p.skipNewlines()
			return &awkAssign{strings.TrimSuffix(op, "="), left, p.expr()}
		}
	}
	return left
}

func assignable(x awkExpr) bool {
	switch x.(type) {
	case awkVar, *awkField, *awkIndex:
		return true
	}
	return false
}

func (p *awkParser) ternary() awkExpr {
	test := p.or()
	if !p.is("?") {
		return test
	}
	p.advance()
	p.skipNewlines()
	yes := p.expr()
	p.skipNewlines()
	p.expect(":")
	p.skipNewlines()
	return &awkTernary{test, yes, p.expr()}
}

func (p *awkParser) or() awkExpr {
	left := p.and()
	for p.accept("||") {
		p.skipNewlines()
		left = &awkBinary{"||", left, p.and()}
	}
	return left
}

func (p *awkParser) and() awkExpr {
	left := p.in()
	for p.accept("&&") {
		p.skipNewlines()
		left = &awkBinary{"&&", left, p.in()}
	}
	return left
}

func (p *awkParser) in() awkExpr {
	left := p.match()
	for p.is("in") {
		p.advance()
		if p.tok.kind != awkName {
			p.unexpected()
		}
		subs := []awkExpr{left}
		if g, ok := left.(*awkGroupList); ok {
			subs = g.list
		}
		left = &awkIn{subs, p.variable(p.tok.text)}
		p.advance()
	}
	return left
}

func (p *awkParser) match() awkExpr {
	left := p.comparison()
	for p.is("~") || p.is("!~") {
		not := p.is("!~")
		p.advance()
		left = &awkMatch{left, p.comparison(), not}
	}
	return left
}

func (p *awkParser) comparison() awkExpr {
	left := p.piped()
	for p.tok.kind == awkOperator {
		switch op := p.tok.text; op {
		case ">":
			if p.noMore {
				return left
			}
			fallthrough
		case "<", "<=", "==", "!=", ">=":
			p.advance()
			// a < b < c does not exist; gawk's grammar agrees by an error, here the left one binds first.
			left = &awkBinary{op, left, p.piped()}
		default:
			return left
		}
	}
	return left
}

// piped reads a concatenation and what it is piped to: cmd | getline.
func (p *awkParser) piped() awkExpr {
	left := p.concat()
	for p.is("|") {
		save, tok := p.lex, p.tok
		p.advance()
		if !p.accept("getline") {
			p.lex, p.tok = save, tok
			break
		}
		left = &awkGetline{kind: '|', source: left, target: p.getlineTarget()}
	}
	return left
}

// getlineTarget reads the variable after getline, if there is one.
func (p *awkParser) getlineTarget() awkExpr {
	if p.tok.kind == awkName || p.is("$") {
		return p.primary()
	}
	return nil
}

// concat reads operands side by side.
func (p *awkParser) concat() awkExpr {
	left := p.additive()
	for p.startsOperand() {
		left = &awkBinary{"", left, p.additive()}
	}
	return left
}

func (p *awkParser) startsOperand() bool {
	switch p.tok.kind {
	case awkNumber, awkString, awkName, awkFuncName, awkBuiltin:
		return true
	case awkOperator:
		return p.is("$") || p.is("(") || p.is("++") || p.is("--")
	}
	return false
}

func (p *awkParser) additive() awkExpr {
	left := p.multiplicative()
	for p.is("+") || p.is("-") {
		op := p.tok.text
		p.advance()
		left = &awkBinary{op, left, p.multiplicative()}
	}
	return left
}

func (p *awkParser) multiplicative() awkExpr {
	left := p.unary()
	for p.is("*") || p.is("/") || p.is("%") {
		op := p.tok.text
		p.advance()
		left = &awkBinary{op, left, p.unary()}
	}
	return left
}

func (p *awkParser) unary() awkExpr {
	if p.is("!") || p.is("-") || p.is("+") {
		op := p.tok.text
		p.advance()
		return &awkUnary{op, p.unary()}
	}
	return p.power()
}

func (p *awkParser) power() awkExpr {
	left := p.postfix()
	if p.accept("^") {
		// The right side binds to the right, and may have a sign.
		if p.is("-") || p.is("+") || p.is("!") {
			op := p.tok.text
			p.advance()
			return &awkBinary{"^", left, &awkUnary{op, p.power()}}
		}
		return &awkBinary{"^", left, p.power()}
	}
	return left
}

func (p *awkParser) postfix() awkExpr {
	x := p.primary()
	if assignable(x) {
		switch {
		case p.is("++"):
			p.advance()
			return &awkIncrement{x, 1, false}
		case p.is("--"):
			p.advance()
			return &awkIncrement{x, -1, false}
		}
	}
	return x
}

func (p *awkParser) primary() awkExpr {
	t := p.tok
	switch t.kind {
	case awkNumber:
		p.advance()
		return &awkConst{awkNum(t.number)}
	case awkString:
		p.advance()
		return &awkConst{awkStr(t.text)}
	case awkName:
		p.advance()
		v := p.variable(t.text)
		if p.accept("[") {
			subs := p.list("]")
			p.expect("]")
			return &awkIndex{v, subs}
		}
		return v
	case awkFuncName:
		p.advance()
		p.expect("(")
		call := &awkCall{name: t.text, f: p.function(t.text), args: p.list(")")}
		p.expect(")")
		return call
	case awkBuiltin:
		p.advance()
		call := &awkBuiltinCall{name: t.text}
		if p.accept("(") {
			call.args = p.list(")")
			p.expect(")")
		} else if t.text != "length" {
			p.unexpected()
		}
		return call
	}
	switch {
	case p.is("/"), p.is("/="):
		text, err := p.lex.regexp(t.text[1:])
		if err != nil {
			panic(err.(awkSyntaxError))
		}
		re, err := CompileRegexp(text, RegexpOptions{Extended: true, Escapes: true, Awk: true})
		if err != nil {
			p.fail("regular expression compile failed: " + err.Error())
		}
		p.advance()
		return &awkRegexLit{re}
	case p.accept("$"):
		if p.is("++") || p.is("--") {
			return &awkField{p.primary()}
		}
		if p.is("-") || p.is("+") || p.is("!") {
			op := p.tok.text
			p.advance()
			return &awkField{&awkUnary{op, p.primary()}}
		}
		return &awkField{p.primary()}
	case p.is("++"), p.is("--"):
		delta := 1.0
		if p.is("--") {
			delta = -1
		}
		p.advance()
		x := p.primary()
		if !assignable(x) {
			p.unexpected()
		}
		return &awkIncrement{x, delta, true}
	case p.accept("("):
		list := p.list(")")
		p.expect(")")
		switch len(list) {
		case 0:
			p.unexpected()
		case 1:
			return &awkGroup{list[0]}
		}
		return &awkGroupList{list}
	case p.accept("getline"):
		g := &awkGetline{target: p.getlineTarget()}
		if p.accept("<") {
			g.kind, g.source = '<', p.primary()
		}
		return g
	case p.is("-"), p.is("+"), p.is("!"):
		return p.unary()
	}
	p.unexpected()
	return nil
}
