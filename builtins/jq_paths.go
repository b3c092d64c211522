package builtins

import (
	"errors"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/itchyny/gojq"
)

// jqDescribe is a value in an error message.
func jqDescribe(v any) string {
	text := jqJSON(v)
	if len(text) > 11 {
		cut := 10
		for cut > 0 && !utf8.RuneStart(text[cut]) {
			cut--
		}
		text = text[:cut] + "..."
	}
	return jqType(v) + " (" + text + ")"
}

// jqIndex is v[key].
func jqIndex(v, key any) (any, error) {
	switch k := key.(type) {
	case string:
		switch o := v.(type) {
		case *jqObject:
			e, _ := o.get(k)
			return e, nil
		case nil:
			return nil, nil
		}
		return nil, jqFail("Cannot index %s with %s", jqType(v), jqJSON(k))
	case float64:
		switch list := v.(type) {
		case []any:
			if i := jqPosition(k, len(list)); i >= 0 && i < len(list) {
				return list[i], nil
			}
			return nil, nil
		case nil:
			return nil, nil
		}
	case *jqObject:
		if v == nil {
			return nil, nil
		}
		size := 0
		switch x := v.(type) {
		case []any:
			size = len(x)
		case string:
			size = utf8.RuneCountInString(x)
		default:
			return nil, jqFail("Cannot index %s with object", jqType(v))
		}
		from, to, err := jqSlice(k, size)
		if err != nil {
			return nil, err
		}
		if list, ok := v.([]any); ok {
			return list[from:to:to], nil
		}
		return string([]rune(v.(string))[from:to]), nil
	case []any:
		if list, ok := v.([]any); ok {
			return jqIndices(list, k), nil
		}
	}
	return nil, jqFail("Cannot index %s with %s", jqType(v), jqType(key))
}

func jqPosition(f float64, size int) int {
	if math.IsNaN(f) {
		return -1
	}
	f = math.Floor(f)
	if f < 0 {
		f += float64(size)
	}
	return int(max(-1, min(f, math.MaxInt32)))
}

// jqSlice reads {"start": a, "end": b} for a list of that size.
func jqSlice(o *jqObject, size int) (from, to int, err error) {
	bound := func(name string, otherwise float64, round func(float64) float64) int {
		v, _ := o.get(name)
		f, ok := v.(float64)
		if v == nil {
			f = otherwise
		} else if !ok {
			err = jqFail("Start and end indices of an array slice must be numbers")
		}
		if f = round(f); f < 0 {
			f += float64(size)
		}
		return int(max(0, min(f, float64(size))))
	}
	from, to = bound("start", 0, math.Floor), bound("end", float64(size), math.Ceil)
	return from, max(from, to), err
}

func jqIndices(list, sub []any) any {
	found := []any{}
	for i := 0; len(sub) > 0 && i+len(sub) <= len(list); i++ {
		if jqCompare(list[i:i+len(sub)], sub) == 0 {
			found = append(found, float64(i))
		}
	}
	if len(sub) == 0 {
		return nil
	}
	return found
}

// jqEdit changes values at paths. What it has made itself it changes in place.
type jqEdit struct {
	lists   map[*any]bool
	objects map[*jqObject]bool
}

func newJQEdit() *jqEdit {
	return &jqEdit{map[*any]bool{}, map[*jqObject]bool{}}
}

func jqGetPath(v any, path []any) (any, error) {
	for _, key := range path {
		if v == nil {
			return nil, nil
		}
		var err error
		if v, err = jqIndex(v, key); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// maxJQArray is the largest index that a path may set.
const maxJQArray = 1 << 24

func (e *jqEdit) set(v any, path []any, change func(any) (any, error)) (any, error) {
	if len(path) == 0 {
		if o, ok := v.(*jqObject); ok && e.objects[o] {
			clear(e.objects) // change may keep what it sees
			clear(e.lists)
		}
		if list, ok := v.([]any); ok && len(list) > 0 && e.lists[&list[0]] {
			clear(e.objects)
			clear(e.lists)
		}
		return change(v)
	}
	old, err := jqIndex(v, path[0])
	if err != nil {
		return nil, err
	}
	changed, err := e.set(old, path[1:], change)
	if err != nil {
		return nil, err
	}
	switch key := path[0].(type) {
	case string:
		o, _ := v.(*jqObject)
		if o == nil {
			o = &jqObject{}
			e.objects[o] = true
		} else if !e.objects[o] {
			o = o.copy()
			e.objects[o] = true
		}
		o.put(key, changed)
		return o, nil
	case float64:
		list, _ := v.([]any)
		at := int(max(math.MinInt32, min(math.Floor(key), math.MaxInt32)))
		if at < 0 {
			if at += len(list); at < 0 {
				return nil, jqFail("Out of bounds negative array index")
			}
		}
		if at > maxJQArray {
			return nil, jqFail("Array index too large")
		}
		if len(list) == 0 || !e.lists[&list[0]] || at >= len(list) {
			list = slices.Clone(list)
			for at >= len(list) {
				list = append(list, nil)
			}
			e.lists[&list[0]] = true
		}
		list[at] = changed
		return list, nil
	case *jqObject:
		list, _ := v.([]any)
		if v != nil && list == nil {
			return nil, jqFail("Cannot update field at object index of %s", jqType(v))
		}
		with, ok := changed.([]any)
		if !ok {
			return nil, jqFail("A slice of an array can only be assigned another array")
		}
		from, to, err := jqSlice(key, len(list))
		if err != nil {
			return nil, err
		}
		return slices.Concat(list[:from], with, list[to:]), nil
	}
	return nil, jqFail("Invalid path component %s", jqDescribe(path[0]))
}

// jqSetPath sets one path.
func jqSetPath(v any, path []any, to any) (any, error) {
	return newJQEdit().set(v, path, func(any) (any, error) { return to, nil })
}

// jqDeletePaths deletes paths, the last ones first.
func jqDeletePaths(v any, paths []any) (any, error) {
	paths = slices.Clone(paths)
	slices.SortStableFunc(paths, func(a, b any) int { return jqCompare(b, a) })
	var err error
	for _, p := range paths {
		path, ok := p.([]any)
		if !ok {
			return nil, jqFail("Path must be specified as an array")
		}
		if v, err = jqDelete(v, path); err != nil {
			return nil, err
		}
	}
	return v, nil
}

func jqDelete(v any, path []any) (any, error) {
	if v == nil || len(path) == 0 {
		return nil, nil
	}
	if len(path) > 1 {
		inner, err := jqIndex(v, path[0])
		if err != nil || inner == nil {
			return v, err
		}
		if inner, err = jqDelete(inner, path[1:]); err != nil {
			return nil, err
		}
		return jqSetPath(v, path[:1], inner)
	}
	switch key := path[0].(type) {
	case string:
		if o, ok := v.(*jqObject); ok {
			if _, has := o.get(key); !has {
				return v, nil
			}
			return o.without(key), nil
		}
		return nil, jqFail("Cannot delete field at object index of %s", jqType(v))
	case float64:
		if list, ok := v.([]any); ok {
			if at := jqPosition(key, len(list)); at >= 0 && at < len(list) {
				return slices.Concat(list[:at], list[at+1:]), nil
			}
			return v, nil
		}
		return nil, jqFail("Cannot delete field at array index of %s", jqType(v))
	case *jqObject:
		if list, ok := v.([]any); ok {
			from, to, err := jqSlice(key, len(list))
			return slices.Concat(list[:from], list[to:]), err
		}
	}
	return nil, jqFail("Cannot delete %s from %s", jqDescribe(path[0]), jqType(v))
}

// paths calls use with the path of each output of a filter.
func (j *jq) paths(q *gojq.Query, s *jqScope, v any, use func(path []any) error) error {
	return j.query(q, s, jqItem{v, jqRoot}, func(it jqItem) error {
		if it.path == nil {
			return jqFail("Invalid path expression with result %s", jqDescribeCut(it.v))
		}
		return use(it.path.list())
	})
}

// jqDescribeCut is a value in the message about paths, which has no type.
func jqDescribeCut(v any) string {
	text := jqJSON(v)
	if len(text) > 11 {
		text = text[:10] + "..."
	}
	return text
}

// assign is =, |= and op=.
func (j *jq) assign(q *gojq.Query, s *jqScope, v any, yield jqYield) error {
	if q.Op == gojq.OpModify {
		edit := newJQEdit()
		result, gone := v, []any{}
		err := j.paths(q.Left, s, v, func(path []any) (err error) {
			result, err = edit.set(result, path, func(old any) (any, error) {
				new, found := any(nil), false
				stop := errors.New("first")
				err := j.query(q.Right, s, jqItem{v: old}, func(it jqItem) error {
					new, found = it.v, true
					return stop
				})
				if err != nil && err != stop {
					return nil, err
				}
				if !found {
					gone = append(gone, path)
					new = old
				}
				return new, nil
			})
			return err
		})
		if err != nil {
			return err
		}
		if len(gone) > 0 {
			if result, err = jqDeletePaths(result, gone); err != nil {
				return err
			}
		}
		return yield(jqItem{v: result})
	}
	op, arithmetic := map[gojq.Operator]gojq.Operator{gojq.OpUpdateAdd: gojq.OpAdd, gojq.OpUpdateSub: gojq.OpSub, gojq.OpUpdateMul: gojq.OpMul,
		gojq.OpUpdateDiv: gojq.OpDiv, gojq.OpUpdateMod: gojq.OpMod}[q.Op]
	return j.query(q.Right, s, jqItem{v: v}, func(r jqItem) error {
		edit := newJQEdit()
		result := v
		err := j.paths(q.Left, s, v, func(path []any) (err error) {
			result, err = edit.set(result, path, func(old any) (any, error) {
				switch {
				case arithmetic:
					return jqOperate(op, old, r.v)
				case q.Op == gojq.OpUpdateAlt && jqTrue(old):
					return old, nil
				}
				return r.v, nil
			})
			return err
		})
		if err != nil {
			return err
		}
		return yield(jqItem{v: result})
	})
}
