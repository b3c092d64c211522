package placement

import (
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// loopWeight is how often a loop is taken to run where its words do not say so.
const (
	loopWeight = 10
	maxWeight  = 1000
)

// stmts walks commands in their order.
func (sh *shell) stmts(list []*syntax.Stmt) flow {
	for _, s := range list {
		if f := sh.stmt(s); f != goesOn {
			return f
		}
	}
	return goesOn
}

// stmt walks one command with its redirections.
func (sh *shell) stmt(s *syntax.Stmt) flow {
	if sh.a.given {
		return exits
	}
	if sh.nesting++; sh.nesting > maxNesting {
		sh.a.doubts("it nests deeper than %d commands", maxNesting)
		sh.a.given = true
		return exits
	}
	defer func() { sh.nesting-- }()
	for _, r := range s.Redirs {
		sh.inWord(r.Word)
		sh.inWord(r.Hdoc)
	}
	if s.Cmd == nil {
		return goesOn
	}
	if s.Background {
		sh.subshell(func(child *shell) flow { return child.command(s) })
		return goesOn
	}
	return sh.command(s)
}

// subshell walks what a forked shell does. Its end is its own.
func (sh *shell) subshell(do func(*shell) flow) {
	if sh.a.given {
		return
	}
	child := sh.fork()
	do(child)
	child.finish()
}

func (sh *shell) command(s *syntax.Stmt) flow {
	switch c := s.Cmd.(type) {
	case *syntax.CallExpr:
		return sh.simple(s, c)
	case *syntax.BinaryCmd:
		return sh.binary(c)
	case *syntax.IfClause:
		return sh.ifClause(c)
	case *syntax.WhileClause:
		return sh.while(c)
	case *syntax.ForClause:
		return sh.forClause(c)
	case *syntax.CaseClause:
		return sh.caseClause(c)
	case *syntax.Block:
		return sh.stmts(c.Stmts)
	case *syntax.Subshell:
		sh.subshell(func(child *shell) flow { return child.stmts(c.Stmts) })
	case *syntax.FuncDecl:
		if c.Name != nil && c.Body != nil {
			sh.own()
			if sh.funcs == nil {
				sh.funcs = make(map[string]function)
			}
			sh.funcs[c.Name.Value] = function{c.Body, sh.src}
		}
	case *syntax.DeclClause:
		sh.declare(c)
	case *syntax.TimeClause:
		if c.Stmt != nil {
			return sh.stmt(c.Stmt)
		}
	case *syntax.CoprocClause:
		if c.Stmt != nil {
			sh.subshell(func(child *shell) flow { return child.stmt(c.Stmt) })
		}
	case *syntax.TestClause, *syntax.ArithmCmd, *syntax.LetClause:
		sh.inNode(s.Cmd)
	}
	return goesOn
}

func (sh *shell) binary(c *syntax.BinaryCmd) flow {
	switch c.Op {
	case syntax.AndStmt, syntax.OrStmt:
		f := sh.stmt(c.X)
		if f != goesOn {
			return f
		}
		is := sh.outcome(c.X)
		if c.Op == syntax.OrStmt {
			is = is.not()
		}
		switch {
		case is == no:
			return goesOn
		case is == yes, c.Op == syntax.AndStmt && !sh.isQuestion(c.X, 0):
			return sh.stmt(c.Y)
		}
		sh.mayLeave(sh.branch(func() flow { return sh.stmt(c.Y) }))
	default:
		sh.subshell(func(child *shell) flow { return child.stmt(c.X) })
		sh.subshell(func(child *shell) flow { return child.stmt(c.Y) })
	}
	return goesOn
}

func (sh *shell) ifClause(c *syntax.IfClause) flow {
	if f := sh.stmts(c.Cond); f != goesOn {
		return f
	}
	is := sh.outcomeOf(c.Cond)
	if len(c.Cond) == 0 { // an else
		is = yes
	}
	switch {
	case is == yes:
		return sh.stmts(c.Then)
	case is == no && c.Else == nil:
		return goesOn
	case is == no:
		return sh.ifClause(c.Else)
	}
	then := sh.branch(func() flow { return sh.stmts(c.Then) })
	other := goesOn
	if c.Else != nil {
		other = sh.branch(func() flow { return sh.ifClause(c.Else) })
	}
	return sh.either(then, other)
}

// either is the flow after two branches of which one is taken.
func (sh *shell) either(f, g flow) flow {
	if f != goesOn && g != goesOn {
		return min(f, g)
	}
	sh.mayLeave(f)
	sh.mayLeave(g)
	return goesOn
}

// loop walks a loop's body.
func (sh *shell) loop(weight int, certain bool, body func() flow) flow {
	outer, escaped := sh.weight, sh.escaped[breaks]
	sh.weight = min(outer*weight, maxWeight)
	sh.loops++
	if !certain {
		sh.maybe++
	}
	f := body()
	if !certain {
		sh.maybe--
	}
	sh.loops--
	sh.weight, sh.escaped[breaks] = outer, escaped
	if f <= breaks {
		return goesOn
	}
	if certain {
		return f
	}
	sh.mayLeave(f)
	return goesOn
}

func (sh *shell) while(c *syntax.WhileClause) flow {
	is := unsure
	// What is tested changes with the turns, but true and false do not.
	if len(c.Cond) == 1 {
		is = sh.constant(c.Cond[0])
		if c.Until {
			is = is.not()
		}
	}
	if is == no {
		return goesOn
	}
	return sh.loop(loopWeight, true, func() flow {
		if f := sh.stmts(c.Cond); f != goesOn {
			return f
		}
		if is == yes {
			return sh.stmts(c.Do)
		}
		f := sh.branch(func() flow { return sh.stmts(c.Do) })
		sh.mayLeave(f)
		return goesOn
	})
}

func (sh *shell) forClause(c *syntax.ForClause) flow {
	weight, certain := loopWeight, false
	switch l := c.Loop.(type) {
	case *syntax.WordIter:
		for _, w := range l.Items {
			sh.inWord(w)
		}
		items := []field{{}}
		if l.InPos.IsValid() {
			items = sh.expand(l.Items)
		} else if len(sh.params) == 1 {
			items = sh.params[0]
		}
		v, all := value{}, true
		for _, f := range items {
			certain = certain || f.known
			if all = all && f.known && !strings.ContainsAny(f.text, "*?[{"); all {
				v = append(v, f.text)
			}
		}
		switch {
		case all && len(items) == 0:
			return goesOn
		case all:
			weight = len(items)
		default:
			v = nil
		}
		if len(v) > maxValues {
			v = nil
		}
		if l.Name != nil {
			// Not put, which would keep the old value: the loop has its variable.
			sh.own()
			if sh.vars == nil {
				sh.vars = make(map[string]value)
			}
			sh.vars[l.Name.Value] = v
		}
	case *syntax.CStyleLoop:
		sh.inNode(l)
	}
	return sh.loop(weight, certain && !c.Select, func() flow { return sh.stmts(c.Do) })
}

func (sh *shell) caseClause(c *syntax.CaseClause) flow {
	sh.inWord(c.Word)
	text, ok := "", false
	if sh.loops == 0 && c.Word != nil {
		text, ok = sh.text(c.Word)
	}
	result, left, all := goesOn, 0, 0
	covered := false
	for i, item := range c.Items {
		is := unsure
		if ok {
			is = no
			for _, p := range item.Patterns {
				is = is.or(sh.matches(p, text))
			}
		} else if slices.ContainsFunc(item.Patterns, isStar) {
			covered = true
		}
		for _, p := range item.Patterns {
			sh.inWord(p)
		}
		if is == no {
			continue
		}
		if is == yes && all == 0 && (item.Op == syntax.Break || i == len(c.Items)-1) {
			return sh.stmts(item.Stmts)
		}
		all++
		f := sh.branch(func() flow { return sh.stmts(item.Stmts) })
		if f != goesOn {
			if left++; result == goesOn || f < result {
				result = f
			}
			sh.mayLeave(f)
		}
		if is == yes {
			covered = true
			break
		}
	}
	if covered && all > 0 && left == all {
		return result
	}
	return goesOn
}

// inWord walks the commands inside a word.
func (sh *shell) inWord(w *syntax.Word) {
	if w != nil {
		sh.inParts(w.Parts)
	}
}

func (sh *shell) inParts(parts []syntax.WordPart) {
	for _, part := range parts {
		switch p := part.(type) {
		case *syntax.CmdSubst:
			sh.capture(p.Stmts)
		case *syntax.ProcSubst:
			sh.subshell(func(child *shell) flow { return child.stmts(p.Stmts) })
		case *syntax.DblQuoted:
			sh.inParts(p.Parts)
		case *syntax.ParamExp:
			switch {
			case p.Exp != nil && p.Exp.Word != nil:
				sh.branch(func() flow { sh.inWord(p.Exp.Word); return goesOn })
			case !plain(p):
				sh.inNode(p)
			}
		case *syntax.ArithmExp:
			sh.inNode(p)
		}
	}
}

// capture walks a command substitution.
func (sh *shell) capture(list []*syntax.Stmt) {
	sh.subshell(func(child *shell) flow { return child.stmts(list) })
}

// inNode walks the commands inside anything else, and forgets the variables that arithmetic sets.
func (sh *shell) inNode(n syntax.Node) {
	syntax.Walk(n, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.CmdSubst:
			sh.capture(n.Stmts)
			return false
		case *syntax.ProcSubst:
			sh.subshell(func(child *shell) flow { return child.stmts(n.Stmts) })
			return false
		case *syntax.UnaryArithm:
			if n.Op == syntax.Inc || n.Op == syntax.Dec {
				sh.forget(n.X)
			}
		case *syntax.BinaryArithm:
			switch n.Op {
			case syntax.Assgn, syntax.AddAssgn, syntax.SubAssgn, syntax.MulAssgn, syntax.QuoAssgn, syntax.RemAssgn,
				syntax.AndAssgn, syntax.OrAssgn, syntax.XorAssgn, syntax.ShlAssgn, syntax.ShrAssgn:
				sh.forget(n.X)
			}
		}
		return true
	})
}

func (sh *shell) forget(x syntax.ArithmExpr) {
	if w, ok := x.(*syntax.Word); ok && syntax.ValidName(w.Lit()) {
		sh.put(w.Lit(), nil)
	}
}

// declare is export, local and their like.
func (sh *shell) declare(c *syntax.DeclClause) {
	isLocal := sh.inFunc > 0 && c.Variant != nil && (c.Variant.Value == "local" || c.Variant.Value == "declare" || c.Variant.Value == "typeset")
	for _, as := range c.Args {
		sh.inAssign(as)
		switch {
		case as.Name != nil:
			if isLocal {
				old, set := sh.vars[as.Name.Value]
				sh.locals = append(sh.locals, local{as.Name.Value, old, set})
			}
			if !as.Naked {
				sh.assign(as)
			} else if isLocal {
				sh.put(as.Name.Value, value{""})
			}
		case as.Value != nil:
			// export "PATH=…", or what is not known.
			text, ok := sh.text(as.Value)
			name, v, isAssign := strings.Cut(text, "=")
			switch {
			case !ok:
				sh.opaque = true
			case isAssign && syntax.ValidName(name):
				sh.put(name, value{v})
			}
		}
	}
}

// inAssign walks the commands inside an assignment.
func (sh *shell) inAssign(as *syntax.Assign) {
	sh.inWord(as.Value)
	if as.Array != nil {
		for _, e := range as.Array.Elems {
			sh.inWord(e.Value)
		}
	}
	if as.Index != nil {
		sh.inNode(as.Index)
	}
}

// assign sets a variable.
func (sh *shell) assign(as *syntax.Assign) {
	if as.Name == nil {
		return
	}
	name := as.Name.Value
	if as.Array != nil || as.Index != nil {
		sh.put(name, nil)
		return
	}
	v := sh.value(as.Value)
	if as.Append {
		old, _ := sh.get(name)
		if len(old) != 1 || len(v) != 1 {
			v = nil
		} else {
			v = value{old[0] + v[0]}
		}
	}
	sh.put(name, v)
}
