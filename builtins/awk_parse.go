package builtins

// awkParser reads a program.
type awkParser struct {
	lex    awkLexer
	tok    awkToken
	prog   *awkProgram
	names  map[string]int
	locals map[string]int
	noMore bool // ">" is a redirection
	loops  int
	inFunc bool
}

// parseAwk reads a program. It panics with awkSyntaxError inside, and returns it.
func parseAwk(source string) (prog *awkProgram, err error) {
	defer func() {
		r := recover()
		if e, ok := r.(awkSyntaxError); ok {
			err = e
		} else if r != nil {
			panic(r)
		}
	}()
	p := &awkParser{lex: awkLexer{s: source, line: 1}, names: map[string]int{}}
	p.prog = &awkProgram{functions: map[string]*awkFunction{}}
	for _, name := range awkSpecials {
		p.global(name)
	}
	p.advance()
	p.skipNewlines()
	for p.tok.kind != awkEOF {
		p.item()
		for p.is(";") || p.tok.kind == awkNewline {
			p.advance()
		}
	}
	for _, f := range p.prog.functions {
		if !f.defined {
			panic(awkSyntaxError{f.line, "function " + f.name + " never defined"})
		}
	}
	return p.prog, nil
}

func (p *awkParser) fail(text string) { panic(awkSyntaxError{p.tok.line, text}) }

func (p *awkParser) unexpected() {
	text := p.tok.text
	if p.tok.kind == awkEOF {
		text = "end of file"
	}
	p.fail("at or near " + text)
}

func (p *awkParser) advance() {
	t, err := p.lex.next()
	if err != nil {
		panic(err.(awkSyntaxError))
	}
	p.tok = t
}

// is says whether the token is this operator or keyword.
func (p *awkParser) is(text string) bool {
	return (p.tok.kind == awkOperator || p.tok.kind == awkKeyword) && p.tok.text == text
}

func (p *awkParser) accept(text string) bool {
	if p.is(text) {
		p.advance()
		return true
	}
	return false
}

func (p *awkParser) expect(text string) {
	if !p.accept(text) {
		p.unexpected()
	}
}

func (p *awkParser) skipNewlines() {
	for p.tok.kind == awkNewline {
		p.advance()
	}
}

func (p *awkParser) global(name string) int {
	i, ok := p.names[name]
	if !ok {
		i = len(p.prog.globals)
		p.names[name] = i
		p.prog.globals = append(p.prog.globals, name)
	}
	return i
}

func (p *awkParser) variable(name string) awkVar {
	if i, ok := p.locals[name]; ok {
		return awkVar{true, i, name}
	}
	return awkVar{false, p.global(name), name}
}

func (p *awkParser) function(name string) *awkFunction {
	f, ok := p.prog.functions[name]
	if !ok {
		f = &awkFunction{name: name, line: p.tok.line}
		p.prog.functions[name] = f
	}
	return f
}

func (p *awkParser) item() {
	switch {
	case p.accept("function"):
		p.definition()
	case p.accept("BEGIN"):
		p.prog.begin = append(p.prog.begin, p.action())
	case p.accept("END"):
		p.prog.end = append(p.prog.end, p.action())
	case p.is("{"):
		p.prog.rules = append(p.prog.rules, &awkRule{body: p.action()})
	default:
		r := &awkRule{from: p.expr()}
		if p.accept(",") {
			p.skipNewlines()
			r.to = p.expr()
		}
		if p.is("{") {
			r.body = p.action()
		}
		p.prog.rules = append(p.prog.rules, r)
	}
}

func (p *awkParser) definition() {
	if p.tok.kind != awkName && p.tok.kind != awkFuncName {
		p.unexpected()
	}
	f := p.function(p.tok.text)
	if f.defined {
		p.fail("function " + f.name + " defined twice")
	}
	f.defined = true
	p.advance()
	p.expect("(")
	p.locals = map[string]int{}
	for !p.is(")") {
		p.skipNewlines()
		if p.tok.kind != awkName {
			p.unexpected()
		}
		p.locals[p.tok.text] = len(f.params)
		f.params = append(f.params, p.tok.text)
		p.advance()
		p.skipNewlines()
		if !p.accept(",") {
			break
		}
	}
	p.expect(")")
	p.skipNewlines()
	p.inFunc = true
	f.body = p.action()
	p.inFunc = false
	p.locals = nil
}

func (p *awkParser) action() awkStmt {
	if !p.is("{") {
		p.unexpected()
	}
	return p.block()
}

func (p *awkParser) block() awkStmt {
	p.expect("{")
	b := &awkBlock{}
	for {
		for p.tok.kind == awkNewline || p.is(";") {
			p.advance()
		}
		if p.accept("}") {
			return b
		}
		if p.tok.kind == awkEOF {
			p.unexpected()
		}
		b.list = append(b.list, p.statement())
	}
}

// ended takes what ends a simple statement.
func (p *awkParser) ended() {
	switch {
	case p.is(";") || p.tok.kind == awkNewline:
		p.advance()
	case p.is("}") || p.tok.kind == awkEOF:
	default:
		p.unexpected()
	}
}

// bodyOf reads the statement that an if or a loop governs.
func (p *awkParser) bodyOf() awkStmt {
	p.skipNewlines()
	if p.accept(";") {
		return &awkBlock{}
	}
	return p.statement()
}

func (p *awkParser) loopBody() awkStmt {
	p.loops++
	body := p.bodyOf()
	p.loops--
	return body
}

func (p *awkParser) statement() awkStmt {
	switch {
	case p.is("{"):
		return p.block()
	case p.accept("if"):
		p.expect("(")
		s := &awkIf{test: p.open(p.expr)}
		p.expect(")")
		s.yes = p.bodyOf()
		// An else may stand after newlines and a semicolon.
		save, tok := p.lex, p.tok
		for p.tok.kind == awkNewline || p.is(";") {
			p.advance()
		}
		if p.accept("else") {
			s.no = p.bodyOf()
		} else {
			p.lex, p.tok = save, tok
		}
		return s
	case p.accept("while"):
		p.expect("(")
		s := &awkLoop{test: p.open(p.expr)}
		p.expect(")")
		s.body = p.loopBody()
		return s
	case p.accept("do"):
		s := &awkLoop{bodyFirst: true, body: p.loopBody()}
		for p.tok.kind == awkNewline || p.is(";") {
			p.advance()
		}
		p.expect("while")
		p.expect("(")
		s.test = p.open(p.expr)
		p.expect(")")
		p.ended()
		return s
	case p.accept("for"):
		return p.forStatement()
	}
	s := p.simple()
	p.ended()
	return s
}

func (p *awkParser) forStatement() awkStmt {
	p.expect("(")
	if p.tok.kind == awkName {
		// for (name in array) is recognised by looking ahead.
		save, tok := p.lex, p.tok
		name := p.tok.text
		p.advance()
		if p.accept("in") && p.tok.kind == awkName {
			array := p.tok.text
			p.advance()
			if p.accept(")") {
				s := &awkForIn{target: p.variable(name), array: p.variable(array)}
				s.body = p.loopBody()
				return s
			}
		}
		p.lex, p.tok = save, tok
	}
	s := &awkLoop{}
	if !p.is(";") {
		s.before = p.simple()
	}
	p.expect(";")
	p.skipNewlines()
	if !p.is(";") {
		s.test = p.expr()
	}
	p.expect(";")
	p.skipNewlines()
	if !p.is(")") {
		s.after = p.simple()
	}
	p.expect(")")
	s.body = p.loopBody()
	return s
}

// open reads with the restrictions of the surroundings lifted, as between parentheses.
func (p *awkParser) open(read func() awkExpr) awkExpr {
	noMore := p.noMore
	p.noMore = false
	x := read()
	p.noMore = noMore
	return x
}

func (p *awkParser) ends() bool {
	return p.is(";") || p.is("}") || p.tok.kind == awkNewline || p.tok.kind == awkEOF
}

// simple reads a statement without a body.
func (p *awkParser) simple() awkStmt {
	jump := func(kind int, value bool) awkStmt {
		j := &awkJump{kind: kind}
		if value && !p.ends() {
			j.value = p.expr()
		}
		return j
	}
	switch {
	case p.is("print"), p.is("printf"):
		return p.print()
	case p.accept("delete"):
		if p.tok.kind != awkName {
			p.unexpected()
		}
		d := &awkDelete{array: p.variable(p.tok.text)}
		p.advance()
		if p.accept("[") {
			d.subs = p.list("]")
			p.expect("]")
		}
		return d
	case p.is("break"), p.is("continue"):
		if p.loops == 0 {
			p.fail(p.tok.text + " outside a loop")
		}
		kind := awkBreakJump
		if p.is("continue") {
			kind = awkContinueJump
		}
		p.advance()
		return jump(kind, false)
	case p.accept("next"):
		return jump(awkNextJump, false)
	case p.accept("nextfile"):
		return jump(awkNextFileJump, false)
	case p.accept("exit"):
		return jump(awkExitJump, true)
	case p.accept("return"):
		if !p.inFunc {
			p.fail("return outside a function")
		}
		return jump(awkReturnJump, true)
	}
	return &awkExprStmt{p.expr()}
}

// list reads expressions up to a closing token, which stays.
func (p *awkParser) list(close string) []awkExpr {
	var all []awkExpr
	p.skipNewlines()
	for !p.is(close) {
		all = append(all, p.open(p.expr))
		p.skipNewlines()
		if !p.accept(",") {
			break
		}
		p.skipNewlines()
	}
	return all
}

func (p *awkParser) print() awkStmt {
	s := &awkPrint{format: p.is("printf")}
	p.advance()
	p.noMore = true
	redirects := func() bool { return p.is(">") || p.is(">>") || p.is("|") || p.is("|&") }
	if !p.ends() && !redirects() {
		for {
			x := p.expr()
			if g, ok := x.(*awkGroupList); ok && len(s.args) == 0 && !p.is(",") {
				s.args = g.list
				break
			}
			s.args = append(s.args, x)
			if !p.accept(",") {
				break
			}
			p.skipNewlines()
		}
	}
	if s.format && len(s.args) == 0 {
		p.unexpected()
	}
	if redirects() {
		if s.kind = p.tok.text; s.kind == "|&" {
			p.fail("coprocesses (|&) are not supported")
		}
		p.advance()
		s.dest = p.concat()
	}
	p.noMore = false
	return s
}
