package builtins

import (
	"bytes"
	"math"
	"math/rand"
	"sort"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// awkLength counts characters; a byte that is not UTF-8 is one.
func awkLength(s string) int { return utf8.RuneCountInString(s) }

// awkSlice is the text from character from to character to, both counted from 0.
func awkSlice(s string, from, to int) string {
	if isASCII([]byte(s)) {
		return s[min(from, len(s)):min(to, len(s))]
	}
	return strings.Join(splitCharacters(s)[min(from, awkLength(s)):min(to, awkLength(s))], "")
}

func splitCharacters(s string) []string {
	all := make([]string, 0, len(s))
	for len(s) > 0 {
		_, size := utf8.DecodeRuneInString(s)
		all, s = append(all, s[:size]), s[size:]
	}
	return all
}

// arity says how many arguments a function takes.
func awkArity(name string) (least, most int) {
	switch name {
	case "length", "srand", "fflush":
		return 0, 1
	case "systime", "rand":
		return 0, 0
	case "split":
		return 2, 4
	case "substr":
		return 2, 3
	case "sub", "gsub", "match":
		return 2, 3
	case "gensub":
		return 3, 4
	case "index", "atan2", "lshift", "rshift":
		return 2, 2
	case "sprintf", "and", "or", "xor":
		return 1, 1 << 20
	case "strftime":
		return 0, 3
	case "close", "mktime", "asort", "asorti":
		return 1, 2
	}
	return 1, 1
}

func (r *awkRun) builtin(x *awkBuiltinCall) awkValue {
	least, most := awkArity(x.name)
	if len(x.args) < least || len(x.args) > most {
		r.fail("wrong number of arguments in call to %s", x.name)
	}
	number := func(i int) float64 { return r.eval(x.args[i]).num() }
	text := func(i int) string { return r.text(r.eval(x.args[i])) }
	switch x.name {
	case "length":
		if len(x.args) == 0 {
			return awkNum(float64(awkLength(r.getRecord())))
		}
		if v, ok := x.args[0].(awkVar); ok {
			if c := r.cell(v); c.array != nil || c.origin != nil && c.origin.array != nil {
				return awkNum(float64(len(c.asArray().elements)))
			}
		}
		return awkNum(float64(awkLength(text(0))))
	case "substr":
		return awkStr(r.substr(x))
	case "index":
		s := text(0)
		i := strings.Index(s, text(1))
		if i >= 0 {
			i = awkLength(s[:i])
		}
		return awkNum(float64(i + 1))
	case "split":
		return r.splitCall(x)
	case "sub", "gsub":
		return r.subCall(x)
	case "gensub":
		return r.gensub(x)
	case "match":
		return r.matchCall(x)
	case "sprintf":
		values := make([]awkValue, len(x.args))
		for i, a := range x.args {
			values[i] = r.eval(a)
		}
		return awkStr(awkFormat(r.text(values[0]), values[1:], r.text(r.globals[awkCONVFMT].v)))
	case "tolower":
		return awkStr(strings.ToLower(text(0)))
	case "toupper":
		return awkStr(strings.ToUpper(text(0)))
	case "system":
		line := text(0)
		r.flush()
		return awkNum(float64(r.shell(line, r.p.Stdin, r.p.Stdout)))
	case "close":
		return awkNum(r.closeStream(text(0)))
	case "fflush":
		r.flush()
		return awkNum(0)
	case "asort", "asorti":
		return r.asort(x)
	case "strftime", "mktime", "systime":
		return r.timeCall(x)
	}
	return awkNum(r.math(x, number))
}

// math are the functions from numbers to a number.
func (r *awkRun) math(x *awkBuiltinCall, number func(int) float64) float64 {
	bits := func(f func(a, b uint64) uint64) float64 {
		n := uint64(number(0))
		for i := 1; i < len(x.args); i++ {
			n = f(n, uint64(number(i)))
		}
		return float64(n)
	}
	switch x.name {
	case "sin":
		return math.Sin(number(0))
	case "cos":
		return math.Cos(number(0))
	case "atan2":
		y := number(0)
		return math.Atan2(y, number(1))
	case "exp":
		return math.Exp(number(0))
	case "log":
		return math.Log(number(0))
	case "sqrt":
		return math.Sqrt(number(0))
	case "int":
		return math.Trunc(number(0))
	case "rand":
		return r.random.Float64()
	case "srand":
		old := r.seed
		if len(x.args) > 0 {
			r.seed = number(0)
		} else {
			r.seed = float64(r.p.System.Now().Unix())
		}
		r.random = rand.New(rand.NewSource(int64(r.seed)))
		return old
	case "and":
		return bits(func(a, b uint64) uint64 { return a & b })
	case "or":
		return bits(func(a, b uint64) uint64 { return a | b })
	case "xor":
		return bits(func(a, b uint64) uint64 { return a ^ b })
	case "lshift":
		return bits(func(a, b uint64) uint64 { return a << b })
	case "rshift":
		return bits(func(a, b uint64) uint64 { return a >> b })
	case "compl":
		return float64(^uint64(number(0)) & (1<<53 - 1))
	}
	// strtonum is what remains.
	s := r.text(r.eval(x.args[0]))
	t := strings.TrimSpace(s)
	if strings.HasPrefix(t, "0x") || strings.HasPrefix(t, "0X") {
		end := 2
		for end < len(t) && strings.IndexByte("0123456789abcdef", t[end]|0x20) >= 0 {
			end++
		}
		n, _ := strconv.ParseUint(t[2:end], 16, 64) // empty is 0
		return float64(n)
	}
	if strings.HasPrefix(t, "0") && strings.Trim(t, "01234567") == "" {
		n, _ := strconv.ParseUint(t, 8, 64) // only octal digits
		return float64(n)
	}
	return awkToNumber(s)
}

// substr cuts as gawk does: fractions are dropped, and a start before the text is its first character.
func (r *awkRun) substr(x *awkBuiltinCall) string {
	s := r.text(r.eval(x.args[0]))
	start := math.Max(math.Trunc(r.eval(x.args[1]).num()), 1)
	end := math.Inf(1)
	if len(x.args) == 3 {
		end = start + math.Trunc(r.eval(x.args[2]).num())
	}
	if end = math.Min(end, float64(awkLength(s))+1); !(start < end) {
		return ""
	}
	return awkSlice(s, int(start)-1, int(end)-1)
}

// arrayArgument is an argument that must be an array.
func (r *awkRun) arrayArgument(x awkExpr, name string) *awkArray {
	v, ok := x.(awkVar)
	if !ok {
		r.fail("%s: argument is not an array", name)
	}
	return r.cell(v).asArray()
}

func (r *awkRun) splitCall(x *awkBuiltinCall) awkValue {
	s := r.text(r.eval(x.args[0]))
	array := r.arrayArgument(x.args[1], "split")
	var parts []string
	add := func(part string) { parts = append(parts, part) }
	lit, isRegexp := awkExpr(nil), false
	if len(x.args) > 2 {
		lit = x.args[2]
		_, isRegexp = lit.(*awkRegexLit)
	}
	switch {
	case isRegexp:
		r.splitRegexp(s, r.pattern(lit), add)
	case lit != nil:
		r.splitText(s, r.text(r.eval(lit)), add)
	default:
		r.splitText(s, r.text(r.globals[awkFS].v), add)
	}
	array.clear()
	for i, part := range parts {
		array.at(strconv.Itoa(i + 1)).v = awkInput(part)
	}
	return awkNum(float64(len(parts)))
}

func (r *awkRun) subCall(x *awkBuiltinCall) awkValue {
	re := r.pattern(x.args[0])
	replacement := r.text(r.eval(x.args[1]))
	var target awkExpr = &awkField{&awkConst{awkNum(0)}}
	if len(x.args) == 3 {
		target = x.args[2]
	}
	s := []byte(r.text(r.eval(target)))
	limit := 1
	if x.name == "gsub" {
		limit = 0
	}
	all := re.FindAll(s, limit)
	if len(all) == 0 {
		return awkNum(0)
	}
	var b bytes.Buffer
	end := 0
	for _, loc := range all {
		b.Write(s[end:loc[0]])
		for i := 0; i < len(replacement); i++ {
			switch c := replacement[i]; {
			case c == '\\' && i+1 < len(replacement) && (replacement[i+1] == '&' || replacement[i+1] == '\\'):
				i++
				b.WriteByte(replacement[i])
			case c == '&':
				b.Write(s[loc[0]:loc[1]])
			default:
				b.WriteByte(c)
			}
		}
		end = loc[1]
	}
	b.Write(s[end:])
	if assignable(target) {
		r.store(target, awkStr(b.String()))
	}
	return awkNum(float64(len(all)))
}

func (r *awkRun) gensub(x *awkBuiltinCall) awkValue {
	re := r.pattern(x.args[0])
	replacement := r.text(r.eval(x.args[1]))
	how := r.eval(x.args[2])
	s := []byte(r.getRecord())
	if len(x.args) == 4 {
		s = []byte(r.text(r.eval(x.args[3])))
	}
	which := int(math.Max(how.num(), 1))
	global := strings.HasPrefix(strings.ToLower(r.text(how)), "g")
	var b bytes.Buffer
	end := 0
	for i, loc := range re.FindAll(s, 0) {
		if !global && i+1 != which {
			continue
		}
		b.Write(s[end:loc[0]])
		for i := 0; i < len(replacement); i++ {
			c := replacement[i]
			group := -1
			if c == '&' {
				group = 0
			} else if c == '\\' && i+1 < len(replacement) {
				i++
				if c = replacement[i]; c >= '0' && c <= '9' {
					group = int(c - '0')
				}
			}
			switch {
			case group < 0:
				b.WriteByte(c)
			case 2*group+1 < len(loc) && loc[2*group] >= 0:
				b.Write(s[loc[2*group]:loc[2*group+1]])
			}
		}
		end = loc[1]
	}
	b.Write(s[end:])
	return awkStr(b.String())
}

func (r *awkRun) matchCall(x *awkBuiltinCall) awkValue {
	s := r.text(r.eval(x.args[0]))
	loc := r.pattern(x.args[1]).Find([]byte(s))
	var groups *awkArray
	if len(x.args) == 3 {
		groups = r.arrayArgument(x.args[2], "match")
		groups.clear()
	}
	start, length := 0, -1
	if loc != nil {
		start, length = awkLength(s[:loc[0]])+1, awkLength(s[loc[0]:loc[1]])
		for i := 0; groups != nil && 2*i < len(loc); i++ {
			if loc[2*i] >= 0 {
				key := strconv.Itoa(i)
				groups.at(key).v = awkInput(s[loc[2*i]:loc[2*i+1]])
				sep := r.text(r.globals[awkSUBSEP].v)
				groups.at(key + sep + "start").v = awkNum(float64(awkLength(s[:loc[2*i]]) + 1))
				groups.at(key + sep + "length").v = awkNum(float64(awkLength(s[loc[2*i]:loc[2*i+1]])))
			}
		}
	}
	r.globals[awkRSTART].v, r.globals[awkRLENGTH].v = awkNum(float64(start)), awkNum(float64(length))
	return awkNum(float64(start))
}

// asort sorts the values (asorti: the subscripts) of an array into it or into another one.
func (r *awkRun) asort(x *awkBuiltinCall) awkValue {
	from := r.arrayArgument(x.args[0], x.name)
	to := from
	if len(x.args) == 2 {
		to = r.arrayArgument(x.args[1], x.name)
	}
	var values []awkValue
	for _, key := range from.keys() {
		if x.name == "asorti" {
			values = append(values, awkStr(key))
		} else {
			values = append(values, from.elements[key].v)
		}
	}
	sort.SliceStable(values, func(i, j int) bool {
		_, a := values[i].numeric()
		_, b := values[j].numeric()
		if a != b {
			return a // numbers before text
		}
		return r.compare("<", values[i], values[j])
	})
	to.clear()
	for i, v := range values {
		to.at(strconv.Itoa(i + 1)).v = v
	}
	return awkNum(float64(len(values)))
}

func (r *awkRun) timeCall(x *awkBuiltinCall) awkValue {
	now := r.p.System.Now()
	switch x.name {
	case "systime":
		return awkNum(float64(now.Unix()))
	case "mktime":
		f := strings.Fields(r.text(r.eval(x.args[0])))
		var n [6]int
		if len(f) < 6 {
			return awkNum(-1)
		}
		for i := range n {
			v, err := strconv.Atoi(f[i])
			if err != nil {
				return awkNum(-1)
			}
			n[i] = v
		}
		return awkNum(float64(time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], 0, r.p.location()).Unix()))
	}
	format, zone := "%a %b %e %H:%M:%S %Z %Y", r.p.location()
	if len(x.args) > 0 {
		format = r.text(r.eval(x.args[0]))
	}
	if len(x.args) > 1 {
		now = time.Unix(int64(r.eval(x.args[1]).num()), 0)
	}
	if len(x.args) > 2 && r.eval(x.args[2]).truth() {
		zone = time.UTC
	}
	return awkStr(strftime(format, now.In(zone)))
}
