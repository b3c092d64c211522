package builtins

import (
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/itchyny/gojq"
)

// jqBuiltin is a function in Go.
type jqBuiltin func(j *jq, args []*gojq.Query, s *jqScope, in jqItem, yield jqYield) error

// jqArities are the functions of one name, by the number of their arguments.
type jqArities [4]jqBuiltin

// jqPlain is a function of its input and of the values of its arguments.
func jqPlain(f func(j *jq, v any, args []any) (any, error)) jqBuiltin {
	return func(j *jq, args []*gojq.Query, s *jqScope, in jqItem, yield jqYield) error {
		values := make([]any, len(args))
		var from func(i int) error
		from = func(i int) error {
			if i < 0 {
				v, err := f(j, in.v, slices.Clone(values))
				if err != nil {
					return err
				}
				return yield(jqItem{v: v})
			}
			return j.query(args[i], s, jqItem{v: in.v}, func(v jqItem) error {
				values[i] = v.v
				return from(i - 1)
			})
		}
		return from(len(args) - 1)
	}
}

func jqUnary(f func(v any) (any, error)) jqArities {
	return jqArities{0: jqPlain(func(_ *jq, v any, _ []any) (any, error) { return f(v) })}
}

func jqMath(f func(float64) float64) jqArities {
	return jqUnary(func(v any) (any, error) {
		x, ok := v.(float64)
		if !ok {
			return nil, jqFail("%s number required", jqDescribe(v))
		}
		return f(x), nil
	})
}

func jqMath2(f func(a, b float64) float64) jqArities {
	return jqArities{2: jqPlain(func(_ *jq, _ any, args []any) (any, error) {
		a, ok1 := args[0].(float64)
		b, ok2 := args[1].(float64)
		if !ok1 || !ok2 {
			return nil, jqFail("%s number required", jqDescribe(args[boolIndex(ok1)]))
		}
		return f(a, b), nil
	})}
}

func boolIndex(b bool) int {
	if b {
		return 1
	}
	return 0
}

// jqBuiltins are all functions in Go.
func jqBuiltins() map[string]jqArities {
	all := map[string]jqArities{
		"empty":  {0: func(*jq, []*gojq.Query, *jqScope, jqItem, jqYield) error { return nil }},
		"path":   {1: jqPathOf},
		"range":  {1: jqRange, 2: jqRange, 3: jqRange},
		"limit":  {2: jqLimit},
		"first":  {1: jqFirst},
		"repeat": {1: jqRepeat},
		"until":  {2: jqUntil},
		"while":  {2: jqWhile},
		"input":  {0: jqInput},
		"inputs": {0: jqInputs},
		"error": {0: func(_ *jq, _ []*gojq.Query, _ *jqScope, in jqItem, _ jqYield) error { return &jqError{in.v} },
			1: func(j *jq, args []*gojq.Query, s *jqScope, in jqItem, _ jqYield) error {
				return j.query(args[0], s, jqItem{v: in.v}, func(v jqItem) error { return &jqError{v.v} })
			}},
		"recurse": {0: func(j *jq, _ []*gojq.Query, _ *jqScope, in jqItem, yield jqYield) error { return j.recurse(in, yield) }},
		"getpath": {1: func(j *jq, args []*gojq.Query, s *jqScope, in jqItem, yield jqYield) error {
			return j.query(args[0], s, jqItem{v: in.v}, func(p jqItem) error {
				path, ok := p.v.([]any)
				if !ok {
					return jqFail("Path must be specified as an array")
				}
				v, err := jqGetPath(in.v, path)
				if err != nil {
					return err
				}
				it := jqItem{v, in.path}
				for _, key := range path {
					it = it.to(v, key)
				}
				return yield(it)
			})
		}},
		"env":               {0: jqPlain(func(j *jq, _ any, _ []any) (any, error) { return j.env, nil })},
		"debug":             {0: jqDebug("[\"DEBUG:\",%s]\n"), 1: jqDebugMessage},
		"stderr":            {0: jqDebug("%s")},
		"input_filename":    {0: jqPlain(func(j *jq, _ any, _ []any) (any, error) { return j.file, nil })},
		"input_line_number": {0: jqPlain(func(j *jq, _ any, _ []any) (any, error) { return float64(j.line()), nil })},
		"halt":              {0: jqPlain(func(*jq, any, []any) (any, error) { return nil, &jqHalt{} })},
		"halt_error": {0: jqPlain(func(_ *jq, v any, _ []any) (any, error) { return nil, jqHaltError(v, 5.) }),
			1: jqPlain(func(_ *jq, v any, args []any) (any, error) { return nil, jqHaltError(v, args[0]) })},
		"builtins": {0: jqPlain(func(j *jq, _ any, _ []any) (any, error) {
			names := []any{}
			for name := range j.defs {
				names = append(names, name)
			}
			return names, nil
		})},
		"setpath": {2: jqPlain(func(_ *jq, v any, args []any) (any, error) {
			path, ok := args[0].([]any)
			if !ok {
				return nil, jqFail("Path must be specified as an array")
			}
			return jqSetPath(v, path, args[1])
		})},
		"delpaths": {1: jqPlain(func(_ *jq, v any, args []any) (any, error) {
			paths, ok := args[0].([]any)
			if !ok {
				return nil, jqFail("Paths must be specified as an array")
			}
			return jqDeletePaths(v, paths)
		})},
		"has": {1: jqPlain(func(_ *jq, v any, args []any) (any, error) {
			switch x := v.(type) {
			case *jqObject:
				if key, ok := args[0].(string); ok {
					_, has := x.get(key)
					return has, nil
				}
			case []any:
				if i, ok := args[0].(float64); ok {
					return i >= 0 && i < float64(len(x)), nil
				}
			}
			return nil, jqFail("Cannot check whether %s has a %s key", jqType(v), jqType(args[0]))
		})},
		"contains": {1: jqPlain(func(_ *jq, v any, args []any) (any, error) { return jqContains(v, args[0]) })},
		"length":   jqUnary(jqLength),
		"utf8bytelength": jqUnary(func(v any) (any, error) {
			text, ok := v.(string)
			if !ok {
				return nil, jqFail("%s only strings have UTF-8 byte length", jqDescribe(v))
			}
			return float64(len(text)), nil
		}),
		"not":           jqUnary(func(v any) (any, error) { return !jqTrue(v), nil }),
		"type":          jqUnary(func(v any) (any, error) { return jqType(v), nil }),
		"keys":          jqUnary(func(v any) (any, error) { return jqKeys(v, true) }),
		"keys_unsorted": jqUnary(func(v any) (any, error) { return jqKeys(v, false) }),
		"add":           jqUnary(jqAdd),
		"floor":         jqMath(math.Floor),
		"infinite":      jqUnary(func(any) (any, error) { return math.Inf(1), nil }),
		"nan":           jqUnary(func(any) (any, error) { return math.NaN(), nil }),
		"isinfinite":    jqTest(func(f float64) bool { return math.IsInf(f, 0) }),
		"isnan":         jqTest(math.IsNaN),
		"isnormal":      jqTest(func(f float64) bool { return f != 0 && !math.IsNaN(f) && !math.IsInf(f, 0) && math.Abs(f) >= 0x1p-1022 }),
		"sort":          jqUnary(func(v any) (any, error) { return jqSort(v) }),
		"reverse": jqUnary(func(v any) (any, error) {
			if v == nil {
				return []any{}, nil
			}
			if text, ok := v.(string); ok {
				runes := []rune(text)
				slices.Reverse(runes)
				return string(runes), nil
			}
			list, ok := v.([]any)
			if !ok {
				return nil, jqFail("Cannot reverse %s", jqDescribe(v))
			}
			list = slices.Clone(list)
			slices.Reverse(list)
			return list, nil
		}),
		"now":   {0: jqPlain(func(j *jq, _ any, _ []any) (any, error) { return float64(j.p.System.Now().UnixNano()) / 1e9, nil })},
		"pow":   jqMath2(math.Pow),
		"atan2": jqMath2(math.Atan2), "fmin": jqMath2(math.Min), "fmax": jqMath2(math.Max), "fmod": jqMath2(math.Mod), "hypot": jqMath2(math.Hypot),
		"ldexp": jqMath2(func(a, b float64) float64 { return math.Ldexp(a, int(b)) }), "copysign": jqMath2(math.Copysign),
		"_sort_by": jqBy(func(list []any, _ []any) any { return list }),
		"_group_by": jqBy(func(list, keys []any) any {
			groups := []any{}
			for i, v := range list {
				if i > 0 && jqCompare(keys[i-1], keys[i]) == 0 {
					groups[len(groups)-1] = append(groups[len(groups)-1].([]any), v)
				} else {
					groups = append(groups, []any{v})
				}
			}
			return groups
		}),
		"_unique_by": jqBy(func(list, keys []any) any {
			unique := []any{}
			for i, v := range list {
				if i == 0 || jqCompare(keys[i-1], keys[i]) != 0 {
					unique = append(unique, v)
				}
			}
			return unique
		}),
		"_min_by": jqExtreme(func(c int) bool { return c < 0 }),
		"_max_by": jqExtreme(func(c int) bool { return c >= 0 }),
	}
	for name, f := range map[string]func(float64) float64{"sqrt": math.Sqrt, "ceil": math.Ceil, "round": math.Round, "fabs": math.Abs, "trunc": math.Trunc, "log": math.Log, "log2": math.Log2,
		"log10": math.Log10, "log1p": math.Log1p, "exp": math.Exp, "exp2": math.Exp2, "expm1": math.Expm1, "exp10": func(f float64) float64 { return math.Pow(10, f) }, "cbrt": math.Cbrt, "sin": math.Sin, "cos": math.Cos, "tan": math.Tan,
		"asin": math.Asin, "acos": math.Acos, "atan": math.Atan, "sinh": math.Sinh, "cosh": math.Cosh, "tanh": math.Tanh, "rint": math.RoundToEven, "nearbyint": math.RoundToEven,
		"significand": func(f float64) float64 { m, _ := math.Frexp(f); return m * 2 }, "logb": math.Logb, "gamma": func(f float64) float64 { g, _ := math.Lgamma(f); return g }, "tgamma": math.Gamma} {
		all[name] = jqMath(f)
	}
	jqTextBuiltins(all)
	return all
}

func jqTest(f func(float64) bool) jqArities {
	return jqUnary(func(v any) (any, error) {
		x, ok := v.(float64)
		if !ok {
			return nil, jqFail("%s number required", jqDescribe(v))
		}
		return f(x), nil
	})
}

func jqPathOf(j *jq, args []*gojq.Query, s *jqScope, in jqItem, yield jqYield) error {
	return j.paths(args[0], s, in.v, func(path []any) error { return yield(jqItem{v: path}) })
}

func jqRange(j *jq, args []*gojq.Query, s *jqScope, in jqItem, yield jqYield) error {
	bounds := []float64{0, 0, 1}
	var from func(i int) error
	from = func(i int) error {
		if i < len(args) {
			return j.query(args[i], s, jqItem{v: in.v}, func(v jqItem) error {
				f, ok := v.v.(float64)
				if !ok {
					return jqFail("Range bounds must be numeric")
				}
				at := i
				if len(args) == 1 {
					at = 1
				}
				bounds[at] = f
				return from(i + 1)
			})
		}
		first, end, step := bounds[0], bounds[1], bounds[2]
		for f := first; step > 0 && f < end || step < 0 && f > end || step == 0 && first < end; f += step {
			if j.steps++; j.steps&0xfff == 0 && j.p.Context.Err() != nil {
				return j.p.Context.Err()
			}
			if err := yield(jqItem{v: f}); err != nil {
				return err
			}
		}
		return nil
	}
	return from(0)
}

func jqLimit(j *jq, args []*gojq.Query, s *jqScope, in jqItem, yield jqYield) error {
	return j.query(args[0], s, jqItem{v: in.v}, func(n jqItem) error {
		most, ok := n.v.(float64)
		if !ok {
			return jqFail("Invalid arguments to limit")
		}
		if most < 0 {
			return j.query(args[1], s, in, yield)
		}
		return j.take(int(min(most, math.MaxInt32)), args[1], s, in, yield)
	})
}

// take yields the first n outputs of a filter.
func (j *jq) take(n int, q *gojq.Query, s *jqScope, in jqItem, yield jqYield) error {
	if n == 0 {
		return nil
	}
	enough := &jqBreak{new(string)}
	err := j.query(q, s, in, func(v jqItem) error {
		n--
		if err := yield(v); err != nil || n > 0 {
			return err
		}
		return enough
	})
	if err == error(enough) {
		return nil
	}
	return err
}

func jqFirst(j *jq, args []*gojq.Query, s *jqScope, in jqItem, yield jqYield) error {
	return j.take(1, args[0], s, in, yield)
}

// jqRepeat is def repeat(f): ., (f | repeat(f)), without recursion where f has one output.
func jqRepeat(j *jq, args []*gojq.Query, s *jqScope, in jqItem, yield jqYield) error {
	for {
		if err := yield(in); err != nil {
			return err
		}
		var outputs []jqItem
		if err := j.query(args[0], s, in, func(v jqItem) error {
			outputs = append(outputs, v)
			return nil
		}); err != nil || len(outputs) == 0 {
			return err
		}
		for _, v := range outputs[:len(outputs)-1] {
			if err := jqRepeat(j, args, s, v, yield); err != nil {
				return err
			}
		}
		in = outputs[len(outputs)-1]
	}
}

// onward runs the filters cond and update in turn, as until and while do; step says whether in goes on.
func (j *jq) onward(args []*gojq.Query, s *jqScope, in jqItem, step func(in jqItem, cond bool) (goOn bool, err error)) error {
	for {
		var next []jqItem
		if err := j.query(args[0], s, jqItem{v: in.v}, func(c jqItem) error {
			goOn, err := step(in, jqTrue(c.v))
			if err != nil || !goOn {
				return err
			}
			return j.query(args[1], s, in, func(v jqItem) error {
				next = append(next, v)
				return nil
			})
		}); err != nil || len(next) == 0 {
			return err
		}
		for _, v := range next[:len(next)-1] {
			if err := j.onward(args, s, v, step); err != nil {
				return err
			}
		}
		in = next[len(next)-1]
	}
}

func jqUntil(j *jq, args []*gojq.Query, s *jqScope, in jqItem, yield jqYield) error {
	return j.onward(args, s, in, func(in jqItem, cond bool) (bool, error) {
		if cond {
			return false, yield(in)
		}
		return true, nil
	})
}

func jqWhile(j *jq, args []*gojq.Query, s *jqScope, in jqItem, yield jqYield) error {
	return j.onward(args, s, in, func(in jqItem, cond bool) (bool, error) {
		if !cond {
			return false, nil
		}
		return true, yield(in)
	})
}

func jqInput(j *jq, _ []*gojq.Query, _ *jqScope, _ jqItem, yield jqYield) error {
	v, err := j.input()
	if errors.Is(err, io.EOF) {
		return jqFail("No more inputs")
	}
	if err != nil {
		return err
	}
	return yield(jqItem{v: v})
}

func jqInputs(j *jq, _ []*gojq.Query, _ *jqScope, _ jqItem, yield jqYield) error {
	for {
		v, err := j.input()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = yield(jqItem{v: v})
		}
		if err != nil {
			return err
		}
	}
}

func jqDebug(format string) jqBuiltin {
	return func(j *jq, _ []*gojq.Query, _ *jqScope, in jqItem, yield jqYield) error {
		io.WriteString(j.p.Stderr, strings.ReplaceAll(format, "%s", jqJSON(in.v)))
		return yield(in)
	}
}

func jqDebugMessage(j *jq, args []*gojq.Query, s *jqScope, in jqItem, yield jqYield) error {
	err := j.query(args[0], s, jqItem{v: in.v}, func(v jqItem) error {
		_, err := io.WriteString(j.p.Stderr, "[\"DEBUG:\","+jqJSON(v.v)+"]\n")
		return err
	})
	if err != nil {
		return err
	}
	return yield(in)
}

func jqHaltError(v, status any) error {
	code, ok := status.(float64)
	if !ok {
		return jqFail("halt_error/1: number required")
	}
	text, ok := v.(string)
	if !ok {
		text = jqJSON(v) + "\n"
	}
	return &jqHalt{int(code) & 0xff, text}
}

func jqLength(v any) (any, error) {
	switch x := v.(type) {
	case nil:
		return 0., nil
	case string:
		return float64(utf8.RuneCountInString(x)), nil
	case []any:
		return float64(len(x)), nil
	case *jqObject:
		return float64(len(x.keys)), nil
	case float64:
		return math.Abs(x), nil
	}
	return nil, jqFail("%s has no length", jqDescribe(v))
}

func jqKeys(v any, sorted bool) (any, error) {
	list := []any{}
	switch x := v.(type) {
	case *jqObject:
		keys := x.keys
		if sorted {
			keys = x.sorted()
		}
		for _, k := range keys {
			list = append(list, k)
		}
	case []any:
		for i := range x {
			list = append(list, float64(i))
		}
	default:
		return nil, jqFail("%s has no keys", jqDescribe(v))
	}
	return list, nil
}

// jqAdd sums up, strings and arrays in one go.
func jqAdd(v any) (any, error) {
	var list []any
	switch x := v.(type) {
	case []any:
		list = x
	case *jqObject:
		list = x.values
	default:
		return nil, jqFail("Cannot iterate over %s", jqDescribe(v))
	}
	var sum any
	for i := 0; i < len(list); i++ {
		switch x := list[i].(type) {
		case string:
			if was, ok := sum.(string); ok || sum == nil {
				var b strings.Builder
				b.WriteString(was + x)
				for i+1 < len(list) {
					next, ok := list[i+1].(string)
					if !ok {
						break
					}
					b.WriteString(next)
					i++
				}
				sum = b.String()
				continue
			}
		case []any:
			if was, ok := sum.([]any); ok || sum == nil {
				joined := append(slices.Clone(was), x...)
				for i+1 < len(list) {
					next, ok := list[i+1].([]any)
					if !ok {
						break
					}
					joined = append(joined, next...)
					i++
				}
				if joined == nil {
					joined = []any{}
				}
				sum = joined
				continue
			}
		}
		var err error
		if sum, err = jqOperate(gojq.OpAdd, sum, list[i]); err != nil {
			return nil, err
		}
	}
	return sum, nil
}

func jqSort(v any) ([]any, error) {
	list, ok := v.([]any)
	if !ok {
		return nil, jqFail("%s cannot be sorted, as it is not an array", jqDescribe(v))
	}
	list = slices.Clone(list)
	slices.SortStableFunc(list, jqCompare)
	return list, nil
}

// jqBy sorts a list by the keys given for each element, and finishes with the two in that order.
func jqBy(finish func(list, keys []any) any) jqArities {
	return jqArities{1: jqPlain(func(_ *jq, v any, args []any) (any, error) {
		list, ok := v.([]any)
		if !ok {
			return nil, jqFail("%s cannot be sorted, as it is not an array", jqDescribe(v))
		}
		keys := args[0].([]any)
		order := make([]int, len(list))
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(a, b int) int { return jqCompare(keys[a], keys[b]) })
		sorted, by := make([]any, len(list)), make([]any, len(list))
		for i, at := range order {
			sorted[i], by[i] = list[at], keys[at]
		}
		return finish(sorted, by), nil
	})}
}

func jqExtreme(better func(c int) bool) jqArities {
	return jqArities{1: jqPlain(func(_ *jq, v any, args []any) (any, error) {
		list, ok := v.([]any)
		if !ok {
			return nil, jqFail("Cannot iterate over %s", jqDescribe(v))
		}
		keys := args[0].([]any)
		best := -1
		for i := range list {
			if best < 0 || better(jqCompare(keys[i], keys[best])) {
				best = i
			}
		}
		if best < 0 {
			return nil, nil
		}
		return list[best], nil
	})}
}

func jqContains(a, b any) (any, error) {
	if jqType(a) != jqType(b) {
		return nil, jqFail("%s and %s cannot have their containment checked", jqDescribe(a), jqDescribe(b))
	}
	return jqHolds(a, b), nil
}

func jqHolds(a, b any) bool {
	if jqType(a) != jqType(b) {
		return false
	}
	switch x := a.(type) {
	case *jqObject:
		y := b.(*jqObject)
		for i, k := range y.keys {
			if e, ok := x.get(k); !ok || !jqHolds(e, y.values[i]) {
				return false
			}
		}
		return true
	case []any:
		for _, e := range b.([]any) {
			if !slices.ContainsFunc(x, func(has any) bool { return jqHolds(has, e) }) {
				return false
			}
		}
		return true
	case string:
		return strings.Contains(x, b.(string))
	}
	return jqCompare(a, b) == 0
}
