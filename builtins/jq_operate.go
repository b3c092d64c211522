package builtins

import (
	"math"
	"slices"
	"strings"

	"github.com/itchyny/gojq"
)

// jqOperate is a op b.
func jqOperate(op gojq.Operator, a, b any) (any, error) {
	x, xok := a.(float64)
	y, yok := b.(float64)
	numbers := xok && yok
	verb := "added"
	switch op {
	case gojq.OpEq:
		return jqCompare(a, b) == 0 && !(numbers && math.IsNaN(x)), nil
	case gojq.OpNe:
		return jqCompare(a, b) != 0 || numbers && math.IsNaN(x), nil
	case gojq.OpLt:
		return jqCompare(a, b) < 0, nil
	case gojq.OpLe:
		return jqCompare(a, b) <= 0, nil
	case gojq.OpGt:
		return jqCompare(a, b) > 0, nil
	case gojq.OpGe:
		return jqCompare(a, b) >= 0, nil
	case gojq.OpAdd:
		switch {
		case a == nil:
			return b, nil
		case b == nil:
			return a, nil
		case numbers:
			return x + y, nil
		}
		switch l := a.(type) {
		case string:
			if r, ok := b.(string); ok {
				return l + r, nil
			}
		case []any:
			if r, ok := b.([]any); ok {
				return slices.Concat(l, r), nil
			}
		case *jqObject:
			if r, ok := b.(*jqObject); ok {
				sum := l.copy()
				for i, k := range r.keys {
					sum.put(k, r.values[i])
				}
				return sum, nil
			}
		}
	case gojq.OpSub:
		verb = "subtracted"
		if numbers {
			return x - y, nil
		}
		l, ok1 := a.([]any)
		r, ok2 := b.([]any)
		if ok1 && ok2 {
			rest := []any{}
			for _, e := range l {
				if !slices.ContainsFunc(r, func(v any) bool { return jqCompare(v, e) == 0 }) {
					rest = append(rest, e)
				}
			}
			return rest, nil
		}
	case gojq.OpMul:
		verb = "multiplied"
		if numbers {
			return x * y, nil
		}
		text, isText := a.(string)
		times := y
		if !isText {
			text, isText = b.(string)
			times = x
		}
		if isText && (xok || yok) {
			if times <= 0 || math.IsNaN(times) {
				return nil, nil
			}
			if times*float64(len(text)) > 1<<30 {
				return nil, jqFail("Repeat string result too long")
			}
			return strings.Repeat(text, max(1, int(times))), nil
		}
		l, ok1 := a.(*jqObject)
		r, ok2 := b.(*jqObject)
		if ok1 && ok2 {
			return jqMerge(l, r), nil
		}
	case gojq.OpDiv:
		verb = "divided"
		if numbers && y == 0 {
			return nil, jqFail("%s and %s cannot be divided because the divisor is zero", jqDescribe(a), jqDescribe(b))
		}
		if numbers {
			return x / y, nil
		}
		l, ok1 := a.(string)
		r, ok2 := b.(string)
		if ok1 && ok2 {
			return jqSplit(l, r), nil
		}
	case gojq.OpMod:
		verb = "divided"
		if numbers {
			m, n := jqInteger(x), jqInteger(y)
			if n == 0 {
				return nil, jqFail("%s and %s cannot be divided because the divisor is zero", jqDescribe(a), jqDescribe(b))
			}
			if n < 0 {
				n = -n
			}
			return float64(m % n), nil
		}
	}
	return nil, jqFail("%s and %s cannot be %s", jqDescribe(a), jqDescribe(b), verb)
}

func jqInteger(f float64) int64 {
	return int64(max(-math.MaxInt64/2, min(f, math.MaxInt64/2)))
}

func jqMerge(a, b *jqObject) *jqObject {
	sum := a.copy()
	for i, k := range b.keys {
		v := b.values[i]
		if inner, ok := v.(*jqObject); ok {
			if old, ok := sum.get(k); ok {
				if o, ok := old.(*jqObject); ok {
					v = jqMerge(o, inner)
				}
			}
		}
		sum.put(k, v)
	}
	return sum
}
