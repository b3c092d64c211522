package builtins

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A jq value is nil, a bool, a float64, a string, a []any or a *jqObject. Values are never changed once they are made.

// jqObject is an object that keeps the order of its keys.
type jqObject struct {
	keys   []string
	values []any
	index  map[string]int // nil for small objects
}

func (o *jqObject) find(key string) int {
	if o.index != nil {
		if i, ok := o.index[key]; ok {
			return i
		}
		return -1
	}
	return slices.Index(o.keys, key)
}

func (o *jqObject) get(key string) (any, bool) {
	if i := o.find(key); i >= 0 {
		return o.values[i], true
	}
	return nil, false
}

// put sets a key of an object that nobody else has yet.
func (o *jqObject) put(key string, value any) {
	if i := o.find(key); i >= 0 {
		o.values[i] = value
		return
	}
	o.keys, o.values = append(o.keys, key), append(o.values, value)
	if o.index != nil {
		o.index[key] = len(o.keys) - 1
	} else if len(o.keys) > 8 {
		o.index = make(map[string]int, 16)
		for i, k := range o.keys {
			o.index[k] = i
		}
	}
}

func (o *jqObject) copy() *jqObject {
	c := &jqObject{keys: slices.Clone(o.keys), values: slices.Clone(o.values)}
	if o.index != nil {
		c.index = make(map[string]int, len(o.index))
		for k, i := range o.index {
			c.index[k] = i
		}
	}
	return c
}

func (o *jqObject) without(key string) *jqObject {
	c := &jqObject{}
	for i, k := range o.keys {
		if k != key {
			c.put(k, o.values[i])
		}
	}
	return c
}

func (o *jqObject) sorted() []string { return slices.Sorted(slices.Values(o.keys)) }

func jqType(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case float64:
		return "number"
	case string:
		return "string"
	case []any:
		return "array"
	}
	return "object"
}

func jqTrue(v any) bool { return v != nil && v != false }

// jqCompare orders values as jq's sort does.
func jqCompare(a, b any) int {
	rank := func(v any) int {
		switch v {
		case nil:
			return 0
		case false:
			return 1
		case true:
			return 2
		}
		return 3 + strings.Index("nsao", jqType(v)[:1])
	}
	ra, rb := 0, 0
	switch a.(type) {
	case []any:
		ra = 5
	case *jqObject:
		ra = 6
	default:
		ra = rank(a)
	}
	switch b.(type) {
	case []any:
		rb = 5
	case *jqObject:
		rb = 6
	default:
		rb = rank(b)
	}
	if ra != rb {
		return ra - rb
	}
	switch x := a.(type) {
	case float64:
		y := b.(float64)
		switch {
		case x < y || math.IsNaN(x):
			return -1
		case x == y:
			return 0
		}
		return 1
	case string:
		return strings.Compare(x, b.(string))
	case []any:
		return slices.CompareFunc(x, b.([]any), jqCompare)
	case *jqObject:
		y := b.(*jqObject)
		kx, ky := x.sorted(), y.sorted()
		if c := slices.Compare(kx, ky); c != 0 {
			return c
		}
		for _, k := range kx {
			vx, _ := x.get(k)
			vy, _ := y.get(k)
			if c := jqCompare(vx, vy); c != 0 {
				return c
			}
		}
	}
	return 0
}

// jqPrinter writes values as JSON.
type jqPrinter struct {
	indent string // of one level; none with compact
	// compact leaves out all blanks.
	compact, sortKeys, ascii bool
}

func (w jqPrinter) text(v any) string { return string(w.append(nil, v, "\n")) }

// jqJSON is a value as tojson has it.
func jqJSON(v any) string { return jqPrinter{compact: true}.text(v) }

func (w jqPrinter) append(b []byte, v any, line string) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case bool:
		return strconv.AppendBool(b, v)
	case float64:
		return append(b, jqNumber(v)...)
	case string:
		return w.appendString(b, v)
	case []any:
		if len(v) == 0 {
			return append(b, "[]"...)
		}
		inner := line + w.indent
		b = append(b, '[')
		for i, e := range v {
			b = w.separate(b, i, inner)
			b = w.append(b, e, inner)
		}
		return append(w.separate(b, 0, line), ']')
	case *jqObject:
		if len(v.keys) == 0 {
			return append(b, "{}"...)
		}
		keys := v.keys
		if w.sortKeys {
			keys = v.sorted()
		}
		inner := line + w.indent
		b = append(b, '{')
		for i, k := range keys {
			b = w.separate(b, i, inner)
			b = append(w.appendString(b, k), ':')
			if !w.compact {
				b = append(b, ' ')
			}
			e, _ := v.get(k)
			b = w.append(b, e, inner)
		}
		return append(w.separate(b, 0, line), '}')
	}
	return append(b, fmt.Sprint(v)...)
}

func (w jqPrinter) separate(b []byte, i int, line string) []byte {
	if i > 0 {
		b = append(b, ',')
	}
	if !w.compact {
		b = append(b, line...)
	}
	return b
}

func (w jqPrinter) appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c >= ' ' && c < 0x7f:
			b = append(b, c)
		case c == '\b':
			b = append(b, `\b`...)
		case c == '\t':
			b = append(b, `\t`...)
		case c == '\n':
			b = append(b, `\n`...)
		case c == '\f':
			b = append(b, `\f`...)
		case c == '\r':
			b = append(b, `\r`...)
		case c < utf8.RuneSelf:
			b = fmt.Appendf(b, `\u%04x`, c)
		default:
			r, size := utf8.DecodeRuneInString(s[i:])
			i += size
			switch {
			case !w.ascii:
				b = utf8.AppendRune(b, r)
			case r >= 0x10000:
				b = fmt.Appendf(b, `\u%04x\u%04x`, 0xd800+(r-0x10000)>>10, 0xdc00+(r-0x10000)&0x3ff)
			default:
				b = fmt.Appendf(b, `\u%04x`, r)
			}
			continue
		}
		i++
	}
	return append(b, '"')
}

// jqNumber is a number with the digits that it needs, 17 at most, and an exponent where jq has one.
func jqNumber(f float64) string {
	switch {
	case math.IsNaN(f):
		return "null"
	case math.IsInf(f, 1):
		f = math.MaxFloat64
	case math.IsInf(f, -1):
		f = -math.MaxFloat64
	}
	text := strconv.FormatFloat(f, 'e', -1, 64)
	mantissa, exponent, _ := strings.Cut(text, "e")
	point, _ := strconv.Atoi(exponent)
	point++ // the decimal point stands after so many digits
	sign := ""
	if mantissa[0] == '-' {
		sign, mantissa = "-", mantissa[1:]
	}
	digits := strings.TrimRight(strings.Replace(mantissa, ".", "", 1), "0")
	switch {
	case digits == "":
		return sign + "0"
	case point <= -4 || point > len(digits)+15:
		if len(digits) > 1 {
			digits = digits[:1] + "." + digits[1:]
		}
		return fmt.Sprintf("%s%se%+03d", sign, digits, point-1)
	case point <= 0:
		return sign + "0." + strings.Repeat("0", -point) + digits
	case point >= len(digits):
		return sign + digits + strings.Repeat("0", point-len(digits))
	}
	return sign + digits[:point] + "." + digits[point:]
}
