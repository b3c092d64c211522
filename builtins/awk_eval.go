package builtins

import (
	"math"
	"strings"
)

// maxAwkDepth bounds the calls within calls.
const maxAwkDepth = 10000

func (r *awkRun) cell(v awkVar) *awkCell {
	if v.local {
		return &r.frame[v.index]
	}
	return &r.globals[v.index]
}

func (r *awkRun) eval(x awkExpr) awkValue {
	switch x := x.(type) {
	case *awkConst:
		return x.v
	case awkVar:
		if x.local {
			return r.frame[x.index].v
		}
		if x.index == awkNF {
			r.needFields()
		}
		if r.globals[x.index].array != nil {
			r.fail("can't read value of %s; it's an array name.", x.name)
		}
		return r.globals[x.index].v
	case *awkField:
		return r.field(int(r.eval(x.index).num()))
	case *awkIndex:
		return r.cell(x.array).asArray().at(r.subscript(x.subs)).v
	case *awkGroup:
		return r.eval(x.x)
	case *awkGroupList:
		return awkStr(r.subscript(x.list))
	case *awkRegexLit:
		return awkBool(x.re.Match([]byte(r.getRecord())))
	case *awkAssign:
		return r.assign(x)
	case *awkTernary:
		if r.eval(x.test).truth() {
			return r.eval(x.yes)
		}
		return r.eval(x.no)
	case *awkBinary:
		return r.binary(x)
	case *awkUnary:
		v := r.eval(x.x)
		switch x.op {
		case "!":
			return awkBool(!v.truth())
		case "-":
			return awkNum(-v.num())
		}
		return awkNum(v.num())
	case *awkIncrement:
		old := r.eval(x.target).num()
		r.store(x.target, awkNum(old+x.delta))
		if x.before {
			return awkNum(old + x.delta)
		}
		return awkNum(old)
	case *awkMatch:
		text := []byte(r.text(r.eval(x.left)))
		return awkBool(r.pattern(x.right).Match(text) != x.not)
	case *awkIn:
		_, ok := r.cell(x.array).asArray().elements[r.subscript(x.subs)]
		return awkBool(ok)
	case *awkGetline:
		return r.getline(x)
	case *awkCall:
		return r.call(x)
	case *awkBuiltinCall:
		return r.builtin(x)
	}
	r.fail("expression of an unknown kind")
	return awkValue{}
}

// pattern is an operand as a regular expression: a literal one, or the text of a value.
func (r *awkRun) pattern(x awkExpr) *Regexp {
	if g, ok := x.(*awkGroup); ok {
		x = g.x
	}
	if lit, ok := x.(*awkRegexLit); ok {
		return lit.re
	}
	return r.compile(r.text(r.eval(x)))
}

func (r *awkRun) subscript(subs []awkExpr) string {
	if len(subs) == 1 {
		return r.text(r.eval(subs[0]))
	}
	parts := make([]string, len(subs))
	for i, s := range subs {
		parts[i] = r.text(r.eval(s))
	}
	return strings.Join(parts, r.text(r.globals[awkSUBSEP].v))
}

func (r *awkRun) assign(x *awkAssign) awkValue {
	v := r.eval(x.value)
	if x.op != "" {
		v = awkNum(r.arithmetic(x.op, r.eval(x.target).num(), v.num()))
	}
	r.store(x.target, v)
	return v
}

func (r *awkRun) store(target awkExpr, v awkValue) {
	switch t := target.(type) {
	case awkVar:
		if t.local {
			if r.frame[t.index].array != nil {
				r.fail("can't assign to %s; it's an array name.", t.name)
			}
			r.frame[t.index].v = v
			r.frame[t.index].origin = nil
		} else {
			r.setGlobal(t.index, v)
		}
	case *awkField:
		r.setField(int(r.eval(t.index).num()), v)
	case *awkIndex:
		r.cell(t.array).asArray().at(r.subscript(t.subs)).v = v
	}
}

func (r *awkRun) binary(x *awkBinary) awkValue {
	switch x.op {
	case "&&":
		return awkBool(r.eval(x.left).truth() && r.eval(x.right).truth())
	case "||":
		return awkBool(r.eval(x.left).truth() || r.eval(x.right).truth())
	case "":
		left := r.text(r.eval(x.left))
		return awkStr(left + r.text(r.eval(x.right)))
	}
	left := r.eval(x.left)
	right := r.eval(x.right)
	switch x.op {
	case "<", "<=", "==", "!=", ">", ">=":
		return awkBool(r.compare(x.op, left, right))
	}
	return awkNum(r.arithmetic(x.op, left.num(), right.num()))
}

// compare compares as numbers if both are, else as text.
func (r *awkRun) compare(op string, a, b awkValue) bool {
	x, okx := a.numeric()
	y, oky := b.numeric()
	c := 0
	if okx && oky && !(a.kind == awkIsMaybe && b.kind == awkIsStr) {
		switch {
		case math.IsNaN(x) || math.IsNaN(y):
			return op == "!="
		case x < y:
			c = -1
		case x > y:
			c = 1
		}
	} else {
		c = strings.Compare(r.text(a), r.text(b))
	}
	switch op {
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case "==":
		return c == 0
	case "!=":
		return c != 0
	case ">":
		return c > 0
	}
	return c >= 0
}

func (r *awkRun) arithmetic(op string, a, b float64) float64 {
	switch op {
	case "+":
		return a + b
	case "-":
		return a - b
	case "*":
		return a * b
	case "/":
		if b == 0 {
			r.fail("division by zero")
		}
		return a / b
	case "%":
		if b == 0 {
			r.fail("division by zero in %%")
		}
		return math.Mod(a, b)
	}
	return math.Pow(a, b)
}

func (r *awkRun) call(x *awkCall) awkValue {
	if len(x.args) > len(x.f.params) {
		r.fail("function %s called with %d args, accepts only %d", x.name, len(x.args), len(x.f.params))
	}
	if r.depth++; r.depth > maxAwkDepth {
		r.fail("function calls nested too deep in %s", x.name)
	}
	frame := make([]awkCell, len(x.f.params))
	for i, arg := range x.args {
		if v, ok := arg.(awkVar); ok {
			c := r.cell(v)
			if c.array != nil || c.origin != nil && c.v.kind == awkUnset {
				frame[i].array, frame[i].origin = c.array, c
				continue
			}
			if c.v.kind == awkUnset {
				frame[i].origin = c
				continue
			}
		}
		frame[i].v = r.eval(arg)
	}
	saved := r.frame
	r.frame = frame
	r.result = awkValue{}
	if r.exec(x.f.body) == awkExitJump {
		panic(awkExit{})
	}
	r.frame = saved
	r.depth--
	result := r.result
	r.result = awkValue{}
	return result
}

// awkExit carries an exit out of a function to the statement that the call is part of.
type awkExit struct{}

func (r *awkRun) exec(s awkStmt) (jump int) {
	switch s := s.(type) {
	case *awkBlock:
		for _, inner := range s.list {
			if jump := r.exec(inner); jump != awkNoJump {
				return jump
			}
		}
	case *awkExprStmt:
		r.eval(s.x)
	case *awkPrint:
		r.printStatement(s)
	case *awkIf:
		if r.eval(s.test).truth() {
			return r.exec(s.yes)
		}
		if s.no != nil {
			return r.exec(s.no)
		}
	case *awkLoop:
		return r.loop(s)
	case *awkForIn:
		array := r.cell(s.array).asArray()
		for _, key := range array.keys() {
			if _, ok := array.elements[key]; !ok {
				continue
			}
			r.store(s.target, awkInput(key))
			if jump := r.exec(s.body); jump == awkBreakJump {
				break
			} else if jump != awkNoJump && jump != awkContinueJump {
				return jump
			}
		}
	case *awkDelete:
		array := r.cell(s.array).asArray()
		if s.subs == nil {
			array.clear()
		} else {
			delete(array.elements, r.subscript(s.subs))
		}
	case *awkJump:
		if s.value != nil {
			v := r.eval(s.value)
			if s.kind == awkReturnJump {
				r.result = v
			} else {
				r.status = int(v.num())
			}
		}
		return s.kind
	}
	return awkNoJump
}

func (r *awkRun) loop(s *awkLoop) int {
	if s.before != nil {
		r.exec(s.before)
	}
	for first := s.bodyFirst; first || s.test == nil || r.eval(s.test).truth(); first = false {
		if r.p.Context.Err() != nil {
			r.fail("killed")
		}
		switch jump := r.exec(s.body); jump {
		case awkNoJump, awkContinueJump:
		case awkBreakJump:
			return awkNoJump
		default:
			return jump
		}
		if s.after != nil {
			r.exec(s.after)
		}
	}
	return awkNoJump
}
