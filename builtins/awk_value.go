package builtins

import (
	"math"
	"sort"
	"strconv"
	"strings"
)

// The kinds of values. Text from outside that looks like a number is a number in comparisons: maybe is text of which
// that is not yet known.
const (
	awkUnset = iota
	awkIsNum
	awkIsStr
	awkIsMaybe
)

type awkValue struct {
	kind int
	n    float64
	s    string
}

func awkNum(n float64) awkValue  { return awkValue{kind: awkIsNum, n: n} }
func awkStr(s string) awkValue   { return awkValue{kind: awkIsStr, s: s} }
func awkInput(s string) awkValue { return awkValue{kind: awkIsMaybe, s: s} }
func awkBool(b bool) awkValue    { return awkNum(float64(boolInt(b))) }

// numeric says whether the value compares as a number, and resolves text from outside.
func (v awkValue) numeric() (float64, bool) {
	switch v.kind {
	case awkIsNum, awkUnset:
		return v.n, true
	case awkIsMaybe:
		return looksNumeric(v.s)
	}
	return 0, false
}

// looksNumeric says whether a text is a number with nothing but blanks around it.
func looksNumeric(s string) (float64, bool) {
	t := strings.Trim(s, " \t\n\v\f\r")
	n := awkNumberLength(t)
	if n == 0 || n != len(t) {
		return 0, false
	}
	f, err := strconv.ParseFloat(t, 64)
	return f, err == nil || math.IsInf(f, 0)
}

// awkNumberLength is floatLength without hexadecimal numbers; inf and nan need a sign.
func awkNumberLength(s string) int {
	digits := strings.TrimLeft(s, "+-")
	switch {
	case strings.HasPrefix(digits, "0x") || strings.HasPrefix(digits, "0X"):
		return len(s) - len(digits) + 1
	case digits == s && (s == "" || s[0] > '9'):
		return 0
	}
	return floatLength(s)
}

func (v awkValue) num() float64 {
	if v.kind == awkIsStr || v.kind == awkIsMaybe {
		return awkToNumber(v.s)
	}
	return v.n
}

func awkToNumber(s string) float64 {
	s = strings.TrimLeft(s, " \t\n\v\f\r")
	n := awkNumberLength(s)
	if n == 0 {
		return 0
	}
	if n < 16 && strings.Trim(s[:n], "0123456789") == "" {
		i, _ := strconv.ParseInt(s[:n], 10, 64)
		return float64(i)
	}
	f, _ := strconv.ParseFloat(s[:n], 64) // out of range gives the infinity that is meant
	return f
}

func (v awkValue) str(format string) string {
	if v.kind != awkIsNum {
		return v.s
	}
	return awkNumberText(v.n, format)
}

// awkNumberText is a number as text: integers in full, others by CONVFMT or OFMT.
func awkNumberText(n float64, format string) string {
	if n == math.Trunc(n) && math.Abs(n) < 1e18 {
		return strconv.FormatInt(int64(n), 10)
	}
	if n == math.Trunc(n) && !math.IsInf(n, 0) {
		return strconv.FormatFloat(n, 'f', 0, 64)
	}
	if math.IsNaN(n) || math.IsInf(n, 0) {
		return formatSpec{verb: 'g', precision: -1, plus: !math.Signbit(n)}.float(n)
	}
	if format == "%.6g" {
		return strconv.FormatFloat(n, 'g', 6, 64)
	}
	return awkFormat(format, []awkValue{awkNum(n)}, "%.6g")
}

func (v awkValue) truth() bool {
	switch v.kind {
	case awkIsNum, awkUnset:
		return v.n != 0
	case awkIsMaybe:
		if n, ok := looksNumeric(v.s); ok {
			return n != 0
		}
	}
	return v.s != ""
}

// awkCell holds a variable: a scalar, or an array. A parameter without a value remembers the variable that was
// passed, since it may turn out to be an array.
type awkCell struct {
	v      awkValue
	array  *awkArray
	origin *awkCell
}

func (c *awkCell) asArray() *awkArray {
	if c.array == nil {
		if c.origin != nil {
			c.array = c.origin.asArray()
		} else {
			c.array = newAwkArray()
		}
	}
	return c.array
}

// awkArray is an associative array that remembers the order of its elements.
type awkArray struct {
	elements map[string]*awkElement
	next     int
}

type awkElement struct {
	v     awkValue
	order int
}

func newAwkArray() *awkArray { return &awkArray{elements: map[string]*awkElement{}} }

func (a *awkArray) at(key string) *awkElement {
	e, ok := a.elements[key]
	if !ok {
		e = &awkElement{order: a.next}
		a.next++
		a.elements[key] = e
	}
	return e
}

func (a *awkArray) clear() { a.elements = map[string]*awkElement{} }

// keys are the subscripts in the order in which they were first used.
func (a *awkArray) keys() []string {
	keys := make([]string, 0, len(a.elements))
	for k := range a.elements {
		keys = append(keys, k)
	}
	sort.Slice(keys, func(i, j int) bool { return a.elements[keys[i]].order < a.elements[keys[j]].order })
	return keys
}

// awkFormat is sprintf.
func awkFormat(format string, args []awkValue, convfmt string) string {
	var b strings.Builder
	take := func() awkValue {
		if len(args) == 0 {
			return awkValue{}
		}
		v := args[0]
		args = args[1:]
		return v
	}
	for {
		i := strings.IndexByte(format, '%')
		if i < 0 || i == len(format)-1 {
			b.WriteString(format)
			return b.String()
		}
		b.WriteString(format[:i])
		format = format[i+1:]
		if format[0] == '%' {
			b.WriteByte('%')
			format = format[1:]
			continue
		}
		f, size := parseFormatSpec(format, func() int { return int(take().num()) })
		if size == 0 {
			b.WriteString("%" + format)
			return b.String()
		}
		text, ok := awkConversion(f, take, convfmt)
		if !ok {
			text = "%" + format[:size]
		}
		b.WriteString(text)
		format = format[size:]
	}
}

func awkConversion(f formatSpec, take func() awkValue, convfmt string) (string, bool) {
	switch f.verb {
	case 'd', 'i':
		n := take().num()
		switch {
		case math.IsNaN(n) || math.IsInf(n, 0):
			return f.float(n), true
		case math.Abs(n) >= 1<<63:
			return f.digits(f.sign(n < 0), strconv.FormatFloat(math.Abs(math.Trunc(n)), 'f', 0, 64), false), true
		}
		return f.integer(int64(n)), true
	case 'o', 'x', 'X', 'u':
		n := take().num()
		if n < 0 {
			return f.unsigned(uint64(int64(n))), true
		}
		return f.unsigned(uint64(n)), true
	case 'e', 'E', 'f', 'F', 'g', 'G', 'a', 'A':
		return f.float(take().num()), true
	case 'c':
		v := take()
		s := v.s
		if n, ok := v.numeric(); ok && v.kind == awkIsNum {
			if n < 128 {
				s = string([]byte{byte(int(n))})
			} else {
				s = string(rune(int(n)))
			}
		} else if r := []rune(s); len(r) > 1 {
			s = string(r[:1])
		}
		return f.text(s, awkLength), true
	case 's':
		s := take().str(convfmt)
		if f.precision >= 0 && f.precision < awkLength(s) {
			s = awkSlice(s, 0, f.precision)
		}
		return f.text(s, awkLength), true
	}
	return "", false
}
