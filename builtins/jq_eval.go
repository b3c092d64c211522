package builtins

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/itchyny/gojq"
)

// The interpreter below walks gojq's syntax tree. gojq's own interpreter forgets the order of an object's keys, which
// jq keeps; its parser serves as it is.

// jqItem is a value on its way through a filter, with the path that led to it where one is asked for.
type jqItem struct {
	v    any
	path *jqPath
}

// jqPath is a path, last step first. jqRoot is the empty one; nil is none: the value is no part of the input.
type jqPath struct {
	up  *jqPath
	key any
}

var jqRoot = &jqPath{}

func (p *jqPath) list() []any {
	all := []any{}
	for ; p != jqRoot; p = p.up {
		all = append(all, p.key)
	}
	slices.Reverse(all)
	return all
}

// to is the item one step on.
func (it jqItem) to(v, key any) jqItem {
	if it.path == nil {
		return jqItem{v: v}
	}
	return jqItem{v, &jqPath{it.path, key}}
}

// jqYield takes each output of a filter; an error ends the filter and is its error.
type jqYield func(jqItem) error

// jqError is an error that try catches; jqBreak leaves a label.
type (
	jqError struct{ value any }
	jqBreak struct{ label *string }
	// jqHalt ends the program.
	jqHalt struct {
		status int
		text   string
	}
)

func (e *jqError) Error() string {
	if s, ok := e.value.(string); ok {
		return s
	}
	return jqJSON(e.value) + " (not a string)"
}
func (e *jqBreak) Error() string { return "break" }
func (e *jqHalt) Error() string  { return "halt" }

func jqFail(format string, a ...any) error { return &jqError{fmt.Sprintf(format, a...)} }

// jqScope is a chain of what names mean: "$x" is a variable, "f/1" a function.
type jqScope struct {
	up    *jqScope
	name  string
	value any
	fn    *jqFunction
}

// jqFunction is a definition, or an argument (without parameters), and the scope that its body sees.
type jqFunction struct {
	params []string
	body   *gojq.Query
	scope  *jqScope
	self   string // the name under which the body sees the function itself; "" for an argument
}

func (s *jqScope) with(name string, value any) *jqScope {
	return &jqScope{up: s, name: name, value: value}
}

func (s *jqScope) find(name string) *jqScope {
	for ; s != nil; s = s.up {
		if s.name == name {
			return s
		}
	}
	return nil
}

// jqMaxCalls bounds how deep filters call one another: each takes some hundred bytes of stack.
const jqMaxCalls = 50_000

// jq is one run of a program.
type jq struct {
	p       *Process
	input   func() (any, error) // the next input, io.EOF after the last one
	depth   int
	steps   uint
	native  map[string]jqArities
	defs    map[string]*jqFunction
	regexps map[string]*jqRegexp
	named   *jqObject // $__prog_args
	env     *jqObject
	file    any // input_filename
	line    func() int
}

func (j *jq) query(q *gojq.Query, s *jqScope, in jqItem, yield jqYield) error {
	if j.steps++; j.steps&0xfff == 0 && j.p.Context.Err() != nil {
		return j.p.Context.Err()
	}
	if j.depth++; j.depth > jqMaxCalls {
		return jqFail("recursion deeper than %d calls is not supported in the sandbox", jqMaxCalls)
	}
	defer func() { j.depth-- }()
	for _, d := range q.FuncDefs {
		s = s.define(d)
	}
	if q.Term != nil {
		return j.term(q.Term, len(q.Term.SuffixList), s, in, yield)
	}
	switch q.Op {
	case gojq.OpPipe:
		if len(q.Patterns) > 0 {
			return j.query(q.Left, s, jqItem{v: in.v}, func(v jqItem) error {
				return j.bind(q.Patterns, v.v, s, func(s *jqScope) error { return j.query(q.Right, s, in, yield) })
			})
		}
		return j.query(q.Left, s, in, func(v jqItem) error { return j.query(q.Right, s, v, yield) })
	case gojq.OpComma:
		if err := j.query(q.Left, s, in, yield); err != nil {
			return err
		}
		return j.query(q.Right, s, in, yield)
	case gojq.OpAlt:
		return j.alternative(q, s, in, yield)
	case gojq.OpAnd, gojq.OpOr:
		return j.query(q.Left, s, jqItem{v: in.v}, func(l jqItem) error {
			if jqTrue(l.v) == (q.Op == gojq.OpOr) {
				return yield(jqItem{v: q.Op == gojq.OpOr})
			}
			return j.query(q.Right, s, jqItem{v: in.v}, func(r jqItem) error { return yield(jqItem{v: jqTrue(r.v)}) })
		})
	case gojq.OpAssign, gojq.OpModify, gojq.OpUpdateAdd, gojq.OpUpdateSub, gojq.OpUpdateMul, gojq.OpUpdateDiv, gojq.OpUpdateMod, gojq.OpUpdateAlt:
		return j.assign(q, s, in.v, yield)
	}
	return j.query(q.Right, s, jqItem{v: in.v}, func(r jqItem) error {
		return j.query(q.Left, s, jqItem{v: in.v}, func(l jqItem) error {
			v, err := jqOperate(q.Op, l.v, r.v)
			if err != nil {
				return err
			}
			return yield(jqItem{v: v})
		})
	})
}

func (s *jqScope) define(d *gojq.FuncDef) *jqScope {
	name := fmt.Sprintf("%s/%d", d.Name, len(d.Args))
	f := &jqFunction{params: d.Args, body: d.Body, self: name}
	inner := &jqScope{up: s, name: name, fn: f}
	f.scope = inner
	return inner
}

// alternative is a // b: the true values of a, those of b if there are none.
func (j *jq) alternative(q *gojq.Query, s *jqScope, in jqItem, yield jqYield) error {
	found := false
	var down error
	err := j.query(q.Left, s, in, func(v jqItem) error {
		if !jqTrue(v.v) {
			return nil
		}
		found = true
		down = yield(v)
		return down
	})
	var caught *jqError
	if down != nil || err != nil && !errors.As(err, &caught) {
		return err
	}
	if found {
		return nil
	}
	return j.query(q.Right, s, in, yield)
}

// try runs a filter; an error of its own goes to catch, one of those who take its outputs does not.
func (j *jq) try(body func(jqYield) error, catch func(value any) error, yield jqYield) error {
	var down error
	err := body(func(v jqItem) error {
		down = yield(v)
		return down
	})
	var caught *jqError
	if err == nil || down != nil || !errors.As(err, &caught) {
		return err
	}
	if o, ok := caught.value.(*jqObject); ok {
		if _, is := o.get("__jq"); is {
			return nil // error(break)
		}
	}
	return catch(caught.value)
}

// term evaluates the first n suffixes of a term.
func (j *jq) term(t *gojq.Term, n int, s *jqScope, in jqItem, yield jqYield) error {
	if n == 0 {
		return j.bare(t, s, in, yield)
	}
	suffix := t.SuffixList[n-1]
	switch {
	case suffix.Optional:
		return j.try(func(yield jqYield) error { return j.term(t, n-1, s, in, yield) }, func(any) error { return nil }, yield)
	case suffix.Iter:
		return j.term(t, n-1, s, in, func(v jqItem) error { return j.iterate(v, yield) })
	}
	return j.term(t, n-1, s, in, func(v jqItem) error { return j.index(suffix.Index, s, v, in, yield) })
}

func (j *jq) iterate(it jqItem, yield jqYield) error {
	switch v := it.v.(type) {
	case []any:
		for i, e := range v {
			if err := yield(it.to(e, float64(i))); err != nil {
				return err
			}
		}
		return nil
	case *jqObject:
		for i, k := range v.keys {
			if err := yield(it.to(v.values[i], k)); err != nil {
				return err
			}
		}
		return nil
	case nil:
		return jqFail("Cannot iterate over null")
	}
	return jqFail("Cannot iterate over %s", jqDescribe(it.v))
}

// index applies .x, .[x] or .[a:b] to v; the x are filters of outer.
func (j *jq) index(ix *gojq.Index, s *jqScope, v, outer jqItem, yield jqYield) error {
	step := func(key any) error {
		e, err := jqIndex(v.v, key)
		if err != nil {
			return err
		}
		return yield(v.to(e, key))
	}
	switch {
	case ix.Name != "":
		return step(ix.Name)
	case ix.Str != nil:
		return j.str(ix.Str, "", s, outer, func(k jqItem) error { return step(k.v) })
	case !ix.IsSlice:
		return j.query(ix.Start, s, jqItem{v: outer.v}, func(k jqItem) error { return step(k.v) })
	}
	bound := func(q *gojq.Query, use jqYield) error {
		if q == nil {
			return use(jqItem{})
		}
		return j.query(q, s, jqItem{v: outer.v}, use)
	}
	return bound(ix.End, func(end jqItem) error {
		return bound(ix.Start, func(start jqItem) error {
			o := &jqObject{}
			o.put("start", start.v)
			o.put("end", end.v)
			return step(o)
		})
	})
}

func (j *jq) bare(t *gojq.Term, s *jqScope, in jqItem, yield jqYield) error {
	value := func(v any) error { return yield(jqItem{v: v}) }
	switch t.Type {
	case gojq.TermTypeIdentity:
		return yield(in)
	case gojq.TermTypeRecurse:
		return j.recurse(in, yield)
	case gojq.TermTypeNull:
		if in.path != nil {
			return yield(jqItem{path: jqRoot}) // path(null) is []
		}
		return value(nil)
	case gojq.TermTypeTrue:
		return value(true)
	case gojq.TermTypeFalse:
		return value(false)
	case gojq.TermTypeIndex:
		return j.index(t.Index, s, in, in, yield)
	case gojq.TermTypeFunc:
		return j.call(t.Func, s, in, yield)
	case gojq.TermTypeObject:
		return j.object(t.Object.KeyVals, &jqObject{}, s, in, yield)
	case gojq.TermTypeArray:
		list := []any{}
		if t.Array.Query != nil {
			if err := j.query(t.Array.Query, s, jqItem{v: in.v}, func(v jqItem) error {
				list = append(list, v.v)
				return nil
			}); err != nil {
				return err
			}
		}
		return value(list)
	case gojq.TermTypeNumber:
		f, _ := jqParseNumber(t.Number)
		return value(f)
	case gojq.TermTypeUnary:
		return j.term(t.Unary.Term, len(t.Unary.Term.SuffixList), s, jqItem{v: in.v}, func(v jqItem) error {
			f, ok := v.v.(float64)
			if !ok {
				return jqFail("%s cannot be negated", jqDescribe(v.v))
			}
			if t.Unary.Op == gojq.OpSub {
				f = -f
			}
			return value(f)
		})
	case gojq.TermTypeFormat:
		if t.Str != nil {
			return j.str(t.Str, t.Format, s, in, yield)
		}
		text, err := jqFormat(t.Format, in.v)
		if err != nil {
			return err
		}
		return value(text)
	case gojq.TermTypeString:
		return j.str(t.Str, "", s, in, yield)
	case gojq.TermTypeIf:
		return j.condition(t.If, 0, s, in, yield)
	case gojq.TermTypeTry:
		return j.try(func(yield jqYield) error { return j.query(t.Try.Body, s, in, yield) }, func(e any) error {
			if t.Try.Catch == nil {
				return nil
			}
			return j.query(t.Try.Catch, s, jqItem{v: e}, yield)
		}, yield)
	case gojq.TermTypeReduce:
		return j.reduce(t.Reduce, s, in, yield)
	case gojq.TermTypeForeach:
		return j.foreach(t.Foreach, s, in, yield)
	case gojq.TermTypeLabel:
		label := &t.Label.Ident
		mark := new(string)
		*mark = *label
		err := j.query(t.Label.Body, s.with("*"+*label, mark), in, yield)
		var left *jqBreak
		if errors.As(err, &left) && left.label == mark {
			return nil
		}
		return err
	case gojq.TermTypeBreak:
		if l := s.find("*" + t.Break); l != nil {
			return &jqBreak{l.value.(*string)}
		}
		return jqFail("$*label-%s is not defined", t.Break)
	case gojq.TermTypeQuery:
		return j.query(t.Query, s, in, yield)
	}
	return jqFail("this syntax is not supported in the sandbox: %s", t)
}

func (j *jq) recurse(in jqItem, yield jqYield) error {
	if err := yield(in); err != nil {
		return err
	}
	switch in.v.(type) {
	case []any, *jqObject:
		return j.iterate(in, func(v jqItem) error { return j.recurse(v, yield) })
	}
	return nil
}

func (j *jq) object(rest []*gojq.ObjectKeyVal, made *jqObject, s *jqScope, in jqItem, yield jqYield) error {
	if len(rest) == 0 {
		return yield(jqItem{v: made})
	}
	kv := rest[0]
	set := func(key, value any) error {
		name, ok := key.(string)
		if !ok {
			return jqFail("Object keys must be strings")
		}
		next := made.copy()
		next.put(name, value)
		return j.object(rest[1:], next, s, in, yield)
	}
	values := func(key any) error {
		if kv.Val != nil {
			return j.query(kv.Val, s, jqItem{v: in.v}, func(v jqItem) error { return set(key, v.v) })
		}
		v, err := jqIndex(in.v, key)
		if err != nil {
			return err
		}
		return set(key, v)
	}
	switch {
	case kv.KeyString != nil:
		return j.str(kv.KeyString, "", s, jqItem{v: in.v}, func(k jqItem) error { return values(k.v) })
	case kv.KeyQuery != nil:
		return j.query(kv.KeyQuery, s, jqItem{v: in.v}, func(k jqItem) error { return values(k.v) })
	case kv.Key[0] == '$':
		return j.call(&gojq.Func{Name: kv.Key}, s, in, func(v jqItem) error {
			if kv.Val != nil {
				return values(v.v)
			}
			return set(kv.Key[1:], v.v)
		})
	}
	return values(kv.Key)
}

// str is a string with the values of its filters in it, each formatted.
func (j *jq) str(q *gojq.String, format string, s *jqScope, in jqItem, yield jqYield) error {
	if q.Queries == nil {
		return yield(jqItem{v: q.Str})
	}
	var parts func(rest []*gojq.Query, end string) error
	parts = func(rest []*gojq.Query, end string) error {
		if len(rest) == 0 {
			return yield(jqItem{v: end})
		}
		last := rest[len(rest)-1]
		literal := last.Term != nil && last.Term.Type == gojq.TermTypeString && len(last.Term.SuffixList) == 0 && last.Term.Str.Queries == nil
		if literal {
			return parts(rest[:len(rest)-1], last.Term.Str.Str+end)
		}
		return j.query(last, s, jqItem{v: in.v}, func(v jqItem) error {
			text, err := jqFormat(format, v.v)
			if err != nil {
				return err
			}
			return parts(rest[:len(rest)-1], text+end)
		})
	}
	return parts(q.Queries, "")
}

func (j *jq) condition(q *gojq.If, n int, s *jqScope, in jqItem, yield jqYield) error {
	cond, then := q.Cond, q.Then
	if n > 0 {
		cond, then = q.Elif[n-1].Cond, q.Elif[n-1].Then
	}
	return j.query(cond, s, jqItem{v: in.v}, func(c jqItem) error {
		switch {
		case jqTrue(c.v):
			return j.query(then, s, in, yield)
		case n < len(q.Elif):
			return j.condition(q, n+1, s, in, yield)
		case q.Else != nil:
			return j.query(q.Else, s, in, yield)
		}
		return yield(in)
	})
}

func (j *jq) reduce(r *gojq.Reduce, s *jqScope, in jqItem, yield jqYield) error {
	return j.query(r.Start, s, in, func(state jqItem) error {
		has := true
		err := j.query(r.Query, s, jqItem{v: in.v}, func(v jqItem) error {
			return j.bind(r.Patterns, v.v, s, func(s *jqScope) error {
				was := state
				if !has {
					was = jqItem{}
				}
				state, has = jqItem{}, false // what empties the state makes it null
				return j.query(r.Update, s, was, func(v jqItem) error {
					state, has = v, true
					return nil
				})
			})
		})
		if err != nil {
			return err
		}
		return yield(state)
	})
}

func (j *jq) foreach(f *gojq.Foreach, s *jqScope, in jqItem, yield jqYield) error {
	return j.query(f.Start, s, in, func(state jqItem) error {
		return j.query(f.Query, s, jqItem{v: in.v}, func(v jqItem) error {
			return j.bind(f.Patterns, v.v, s, func(s *jqScope) error {
				return j.query(f.Update, s, state, func(v jqItem) error {
					state = v
					if f.Extract == nil {
						return yield(v)
					}
					return j.query(f.Extract, s, v, yield)
				})
			})
		})
	})
}

// bind takes a value apart; of several patterns the first that does not fail counts, and all their names are there.
func (j *jq) bind(patterns []*gojq.Pattern, v any, s *jqScope, use func(*jqScope) error) error {
	if len(patterns) == 1 {
		return j.match(patterns[0], v, s, use)
	}
	for _, p := range patterns {
		for _, name := range jqNames(p, nil) {
			s = s.with(name, nil)
		}
	}
	var err error
	for _, p := range patterns {
		var caught *jqError
		if err = j.match(p, v, s, use); err == nil || !errors.As(err, &caught) {
			return err
		}
	}
	return err
}

func jqNames(p *gojq.Pattern, names []string) []string {
	if p.Name != "" {
		names = append(names, p.Name)
	}
	for _, e := range p.Array {
		names = jqNames(e, names)
	}
	for _, e := range p.Object {
		if strings.HasPrefix(e.Key, "$") {
			names = append(names, e.Key)
		}
		if e.Val != nil {
			names = jqNames(e.Val, names)
		}
	}
	return names
}

func (j *jq) match(p *gojq.Pattern, v any, s *jqScope, use func(*jqScope) error) error {
	switch {
	case p.Name != "":
		return use(s.with(p.Name, v))
	case len(p.Array) > 0:
		if _, ok := v.([]any); !ok && v != nil {
			return jqFail("Cannot index %s with number", jqType(v))
		}
		return j.matchEach(len(p.Array), s, use, func(i int, s *jqScope, use func(*jqScope) error) error {
			e, err := jqIndex(v, float64(i))
			if err != nil {
				return err
			}
			return j.match(p.Array[i], e, s, use)
		})
	}
	return j.matchEach(len(p.Object), s, use, func(i int, s *jqScope, use func(*jqScope) error) error {
		o := p.Object[i]
		field := func(key any, s *jqScope) error {
			e, err := jqIndex(v, key)
			if err != nil {
				return err
			}
			if strings.HasPrefix(o.Key, "$") {
				s = s.with(o.Key, e)
			}
			if o.Val == nil {
				return use(s)
			}
			return j.match(o.Val, e, s, use)
		}
		switch {
		case o.KeyString != nil:
			return j.str(o.KeyString, "", s, jqItem{v: v}, func(k jqItem) error { return field(k.v, s) })
		case o.KeyQuery != nil:
			return j.query(o.KeyQuery, s, jqItem{v: v}, func(k jqItem) error { return field(k.v, s) })
		}
		return field(strings.TrimPrefix(o.Key, "$"), s)
	})
}

func (j *jq) matchEach(n int, s *jqScope, use func(*jqScope) error, one func(i int, s *jqScope, use func(*jqScope) error) error) error {
	var from func(i int, s *jqScope) error
	from = func(i int, s *jqScope) error {
		if i == n {
			return use(s)
		}
		return one(i, s, func(s *jqScope) error { return from(i+1, s) })
	}
	return from(0, s)
}

// call applies a variable, a function of the program, one of ours in Go, or one of jqDefinitions.
func (j *jq) call(f *gojq.Func, s *jqScope, in jqItem, yield jqYield) error {
	if f.Name[0] == '$' {
		if found := s.find(f.Name); found != nil {
			return yield(jqItem{v: found.value})
		}
		switch f.Name {
		case "$ENV":
			return yield(jqItem{v: j.env})
		case "$__prog_args", "$ARGS":
			return yield(jqItem{v: j.named})
		}
		if f.Name == "$__loc__" {
			o := &jqObject{}
			o.put("file", "<top-level>")
			o.put("line", 1.)
			return yield(jqItem{v: o})
		}
		return jqFail("%s is not defined", f.Name)
	}
	name := fmt.Sprintf("%s/%d", f.Name, len(f.Args))
	if found := s.find(name); found != nil {
		return j.apply(found.fn, f.Args, s, in, yield)
	}
	if native := j.native[f.Name]; len(f.Args) < len(native) && native[len(f.Args)] != nil {
		return native[len(f.Args)](j, f.Args, s, in, yield)
	}
	if def, ok := j.defs[name]; ok {
		return j.apply(def, f.Args, s, in, yield)
	}
	return jqFail("%s is not defined", name)
}

// apply runs a function. A parameter "$x" is a value, and the filter x too; each of the values of its argument is tried.
func (j *jq) apply(f *jqFunction, args []*gojq.Query, s *jqScope, in jqItem, yield jqYield) error {
	var from func(i int, inner *jqScope) error
	from = func(i int, inner *jqScope) error {
		if i == len(args) {
			return j.query(f.body, inner, in, yield)
		}
		argument := &jqFunction{body: args[i], scope: s}
		param := f.params[i]
		if param[0] != '$' {
			return from(i+1, &jqScope{up: inner, name: param + "/0", fn: argument})
		}
		return j.query(args[i], s, jqItem{v: in.v}, func(v jqItem) error {
			inner := &jqScope{up: inner, name: param[1:] + "/0", fn: argument}
			return from(i+1, inner.with(param, v.v))
		})
	}
	return from(0, f.scope)
}
