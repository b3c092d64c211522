package builtins

import (
	"encoding/base32"
	"encoding/base64"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dlclark/regexp2"
)

// jqRegexp is a pattern with its flags taken in.
type jqRegexp struct {
	re          *regexp2.Regexp
	all, nonNil bool
}

// jqTextBuiltins adds the functions about strings and times.
func jqTextBuiltins(all map[string]jqArities) {
	text := func(name string, f func(s string) (any, error)) jqArities {
		return jqUnary(func(v any) (any, error) {
			s, ok := v.(string)
			if !ok {
				return nil, jqFail("%s", strings.ReplaceAll(name, "%v", jqDescribe(v)))
			}
			return f(s)
		})
	}
	two := func(fail string, f func(s, t string) any) jqArities {
		return jqArities{1: jqPlain(func(_ *jq, v any, args []any) (any, error) {
			s, ok1 := v.(string)
			t, ok2 := args[0].(string)
			if !ok1 || !ok2 {
				if fail == "" {
					return v, nil
				}
				return nil, jqFail("%s", fail)
			}
			return f(s, t), nil
		})}
	}
	trim := func(cut func(string) string) jqArities {
		return text("%v cannot be trimmed", func(s string) (any, error) { return cut(s), nil })
	}
	all["tostring"] = jqUnary(func(v any) (any, error) { return jqFormat("@text", v) })
	all["tojson"] = jqUnary(func(v any) (any, error) { return jqJSON(v), nil })
	all["fromjson"] = text("%v cannot be parsed as JSON", func(s string) (any, error) {
		v, err := jqFromJSON(s)
		if err != nil {
			return nil, jqFail("%s (while parsing '%s')", err, s)
		}
		return v, nil
	})
	all["tonumber"] = jqUnary(func(v any) (any, error) {
		switch x := v.(type) {
		case float64:
			return x, nil
		case string:
			if f, ok := jqParseNumber(x); ok {
				return f, nil
			}
			if x == "nan" {
				return math.NaN(), nil
			}
			return nil, jqFail("Invalid numeric literal at EOF at line 1, column %d (while parsing '%s')", len(x), x)
		}
		return nil, jqFail("%s cannot be parsed as a number", jqDescribe(v))
	})
	all["ascii_downcase"] = text("ascii_downcase input must be a string", func(s string) (any, error) { return asciiCase(s, 'A', 'Z'), nil })
	all["ascii_upcase"] = text("ascii_upcase input must be a string", func(s string) (any, error) { return asciiCase(s, 'a', 'z'), nil })
	all["explode"] = text("%v cannot be exploded", func(s string) (any, error) {
		list := []any{}
		for _, r := range s {
			list = append(list, float64(r))
		}
		return list, nil
	})
	all["implode"] = jqUnary(func(v any) (any, error) {
		list, ok := v.([]any)
		var b strings.Builder
		for _, e := range list {
			f, isNumber := e.(float64)
			ok = ok && isNumber
			b.WriteRune(rune(f))
		}
		if !ok {
			return nil, jqFail("implode input must be an array")
		}
		return b.String(), nil
	})
	all["startswith"] = two("startswith() requires string inputs", func(s, t string) any { return strings.HasPrefix(s, t) })
	all["endswith"] = two("endswith() requires string inputs", func(s, t string) any { return strings.HasSuffix(s, t) })
	all["ltrimstr"] = two("", func(s, t string) any { return strings.TrimPrefix(s, t) })
	all["rtrimstr"] = two("", func(s, t string) any { return strings.TrimSuffix(s, t) })
	all["trim"], all["ltrim"], all["rtrim"] = trim(strings.TrimSpace), trim(func(s string) string { return strings.TrimLeft(s, " \t\n\v\f\r") }), trim(func(s string) string { return strings.TrimRight(s, " \t\n\v\f\r") })
	all["split"] = two("split input and separator must be strings", func(s, t string) any { return jqSplit(s, t) })
	all["_indices"] = jqArities{1: jqPlain(func(_ *jq, v any, args []any) (any, error) {
		s, ok1 := v.(string)
		t, ok2 := args[0].(string)
		if ok1 && ok2 {
			found := []any{}
			for i := 0; t != "" && i+len(t) <= len(s); i++ {
				if s[i:i+len(t)] == t {
					found = append(found, float64(utf8.RuneCountInString(s[:i])))
				}
			}
			return found, nil
		}
		list, ok := v.([]any)
		if sub, is := args[0].([]any); ok && is {
			return jqIndices(list, sub), nil
		}
		if ok {
			return jqIndices(list, []any{args[0]}), nil
		}
		return jqIndex(v, args[0])
	})}
	all["_match"] = jqArities{3: jqPlain(func(j *jq, v any, args []any) (any, error) { return j.matches(v, args[0], args[1], args[2] == true) })}
	all["format"] = jqArities{1: jqPlain(func(_ *jq, v any, args []any) (any, error) {
		name, ok := args[0].(string)
		if !ok {
			return nil, jqFail("%s is not a valid format", jqDescribe(args[0]))
		}
		return jqFormat("@"+name, v)
	})}
	all["mktime"] = jqUnary(func(v any) (any, error) {
		t, err := jqBroken(v)
		if err != nil {
			return nil, err
		}
		return float64(t.Unix()), nil
	})
	zone := func(local bool) jqArities {
		return jqArities{0: jqPlain(func(j *jq, v any, _ []any) (any, error) {
			f, ok := v.(float64)
			if !ok {
				return nil, jqFail("gmtime() requires a number")
			}
			t := time.UnixMicro(int64(math.Floor(f * 1e6))).UTC()
			if local {
				t = t.In(j.p.location())
			}
			return jqTime(t, f-math.Floor(f)), nil
		})}
	}
	all["gmtime"], all["localtime"] = zone(false), zone(true)
	format := func(local bool) jqArities {
		return jqArities{1: jqPlain(func(j *jq, v any, args []any) (any, error) {
			layout, ok := args[0].(string)
			if !ok {
				return nil, jqFail("strftime/1 requires a string format")
			}
			if f, ok := v.(float64); ok {
				v = jqTime(time.Unix(int64(math.Floor(f)), 0).UTC(), 0)
			}
			t, err := jqBroken(v)
			if err != nil {
				return nil, err
			}
			if local {
				t = time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, j.p.location())
			}
			return strftime(layout, t), nil
		})}
	}
	all["strftime"], all["strflocaltime"] = format(false), format(true)
	all["strptime"] = jqArities{1: jqPlain(func(_ *jq, v any, args []any) (any, error) {
		s, ok1 := v.(string)
		layout, ok2 := args[0].(string)
		if !ok1 || !ok2 {
			return nil, jqFail("strptime/1 requires string inputs and arguments")
		}
		t, ok := strptime(s, layout)
		if !ok {
			return nil, jqFail("date \"%s\" does not match format \"%s\"", s, layout)
		}
		return jqTime(t, 0), nil
	})}
}

func asciiCase(s string, from, to byte) string {
	b := []byte(s)
	for i, c := range b {
		if c >= from && c <= to {
			b[i] = c ^ 0x20
		}
	}
	return string(b)
}

func jqSplit(s, sep string) []any {
	list := []any{}
	if s == "" {
		return list
	}
	for _, part := range strings.Split(s, sep) {
		list = append(list, part)
	}
	return list
}

// jqTime is a broken down time: year, month from 0, day, hours, minutes, seconds, weekday, day of the year from 0.
func jqTime(t time.Time, fraction float64) []any {
	list := []any{}
	for _, n := range []int{t.Year(), int(t.Month()) - 1, t.Day(), t.Hour(), t.Minute(), t.Second(), int(t.Weekday()), t.YearDay() - 1} {
		list = append(list, float64(n))
	}
	list[5] = float64(t.Second()) + fraction
	return list
}

func jqBroken(v any) (time.Time, error) {
	list, ok := v.([]any)
	if !ok || len(list) < 6 {
		return time.Time{}, jqFail("mktime requires array of 6 numbers")
	}
	var n [6]int
	for i := range n {
		f, ok := list[i].(float64)
		if !ok {
			return time.Time{}, jqFail("mktime requires parsed datetime inputs")
		}
		n[i] = int(f)
	}
	return time.Date(n[0], time.Month(n[1]+1), n[2], n[3], n[4], n[5], 0, time.UTC), nil
}

// strptime reads a time by a format of strptime(3), in UTC unless there is an offset, which counts for nothing, as in
// the C library.
func strptime(s, layout string) (time.Time, bool) {
	year, month, day, hour, minute, second, yearDay := 1900, 0, 0, 0, 0, 0, 0
	pm, twelve := false, false
	var epoch *int64
	number := func(digits int) (int, bool) {
		s = strings.TrimLeft(s, " ")
		n, i := 0, 0
		for i < len(s) && i < digits && s[i] >= '0' && s[i] <= '9' {
			n = n*10 + int(s[i]-'0')
			i++
		}
		s = s[i:]
		return n, i > 0
	}
	name := func(list []string) (int, bool) {
		for i, word := range list {
			for _, try := range []string{word, word[:3]} {
				if len(s) >= len(try) && strings.EqualFold(s[:len(try)], try) {
					s = s[len(try):]
					return i, true
				}
			}
		}
		return 0, false
	}
	var days, months []string
	for i := range 7 {
		days = append(days, time.Weekday(i).String())
	}
	for i := range 12 {
		months = append(months, time.Month(i+1).String())
	}
	layout = strings.NewReplacer("%T", "%H:%M:%S", "%F", "%Y-%m-%d", "%D", "%m/%d/%y", "%R", "%H:%M", "%c", "%a %b %e %H:%M:%S %Y").Replace(layout)
	for i := 0; i < len(layout); i++ {
		c := layout[i]
		if c == ' ' || c == '\t' || c == '\n' {
			s = strings.TrimLeft(s, " \t\n")
			continue
		}
		if c != '%' || i+1 == len(layout) {
			if s == "" || s[0] != c {
				return time.Time{}, false
			}
			s = s[1:]
			continue
		}
		i++
		ok := true
		switch layout[i] {
		case 'Y':
			year, ok = number(4)
		case 'y':
			if year, ok = number(2); year < 69 {
				year += 100
			}
			year += 1900
		case 'm':
			month, ok = number(2)
			month--
		case 'd', 'e':
			day, ok = number(2)
		case 'H', 'k':
			hour, ok = number(2)
		case 'I', 'l':
			hour, ok = number(2)
			twelve = true
		case 'M':
			minute, ok = number(2)
		case 'S':
			second, ok = number(2)
		case 'j':
			yearDay, ok = number(3)
		case 'a', 'A':
			_, ok = name(days)
		case 'b', 'B', 'h':
			month, ok = name(months)
		case 'p':
			ok = len(s) >= 2 && strings.EqualFold(s[1:2], "m")
			if ok {
				pm = s[0] == 'p' || s[0] == 'P'
				s = s[2:]
			}
		case 's':
			n := 0
			if n, ok = number(12); ok {
				at := int64(n)
				epoch = &at
			}
		case 'z':
			switch {
			case strings.HasPrefix(s, "Z"):
				s = s[1:]
			case len(s) >= 6 && s[3] == ':':
				s = s[6:]
			case len(s) >= 5:
				s = s[5:]
			default:
				ok = false
			}
		case 'Z':
			s = strings.TrimLeft(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
		case '%':
			ok = strings.HasPrefix(s, "%")
			s = strings.TrimPrefix(s, "%")
		case 'n', 't':
			s = strings.TrimLeft(s, " \t\n")
		default:
			ok = false
		}
		if !ok {
			return time.Time{}, false
		}
	}
	if s != "" {
		return time.Time{}, false
	}
	if epoch != nil {
		return time.Unix(*epoch, 0).UTC(), true
	}
	if twelve {
		hour = hour%12 + 12*boolIndex(pm)
	}
	if yearDay > 0 && day == 0 {
		month, day = 0, yearDay
	}
	return time.Date(year, time.Month(month+1), max(day, 1), hour, minute, second, 0, time.UTC), true
}

// matches is the list of the matches of a pattern, or whether there is one.
func (j *jq) matches(v, pattern, flags any, test bool) (any, error) {
	s, ok := v.(string)
	if !ok {
		return nil, jqFail("%s cannot be matched, as it is not a string", jqDescribe(v))
	}
	re, err := j.regexp(pattern, flags)
	if err != nil {
		return nil, err
	}
	m, err := re.re.FindStringMatch(s)
	if test {
		return m != nil, err
	}
	found := []any{}
	for ; m != nil && err == nil; m, err = re.re.FindNextMatch(m) {
		if re.nonNil && m.Length == 0 {
			continue
		}
		captures := []any{}
		for i, g := range m.Groups() {
			if i == 0 {
				continue
			}
			c := &jqObject{}
			if len(g.Captures) == 0 {
				c.put("offset", -1.)
				c.put("string", nil)
				c.put("length", 0.)
			} else {
				c.put("offset", float64(g.Index))
				c.put("length", float64(g.Length))
				c.put("string", g.String())
			}
			name := any(nil)
			if g.Name != fmt.Sprint(i) {
				name = g.Name
			}
			c.put("name", name)
			captures = append(captures, c)
		}
		o := &jqObject{}
		o.put("offset", float64(m.Index))
		o.put("length", float64(m.Length))
		o.put("string", m.String())
		o.put("captures", captures)
		found = append(found, o)
		if !re.all {
			break
		}
	}
	if err != nil {
		return nil, jqFail("%s (at offset 0) is not a valid regex: %s", pattern, err)
	}
	return found, nil
}

func (j *jq) regexp(pattern, flags any) (*jqRegexp, error) {
	text, ok := pattern.(string)
	if !ok {
		return nil, jqFail("%s cannot be matched, as it is not a string", jqDescribe(pattern))
	}
	letters, ok := flags.(string)
	if !ok && flags != nil {
		return nil, jqFail("%s is not a string", jqDescribe(flags))
	}
	key := letters + "/" + text
	if re, ok := j.regexps[key]; ok {
		return re, nil
	}
	re := &jqRegexp{}
	options := regexp2.None
	for _, c := range letters {
		switch c {
		case 'g':
			re.all = true
		case 'i':
			options |= regexp2.IgnoreCase
		case 'x':
			options |= regexp2.IgnorePatternWhitespace
		case 's', 'p':
			options |= regexp2.Singleline
		case 'n':
			re.nonNil = true
		case 'l':
		default:
			return nil, jqFail("%s is not a valid modifier string", letters)
		}
	}
	var err error
	if re.re, err = regexp2.Compile(text, options); err != nil {
		return nil, jqFail("%s (at offset 0) is not a valid regex: %s", text, err)
	}
	re.re.MatchTimeout = matchTimeout
	if j.regexps == nil {
		j.regexps = map[string]*jqRegexp{}
	}
	j.regexps[key] = re
	return re, nil
}

// jqFormat is a value by a format: "@csv", and "@text" without a name.
func jqFormat(format string, v any) (string, error) {
	text, isText := v.(string)
	if !isText {
		text = jqJSON(v)
	}
	switch format {
	case "", "@text":
		return text, nil
	case "@json":
		return jqJSON(v), nil
	case "@html":
		return strings.NewReplacer("<", "&lt;", ">", "&gt;", "&", "&amp;", "'", "&#39;", `"`, "&quot;").Replace(text), nil
	case "@uri":
		var b strings.Builder
		for i := range len(text) {
			c := text[i]
			if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_.~", c) >= 0 {
				b.WriteByte(c)
			} else {
				fmt.Fprintf(&b, "%%%02X", c)
			}
		}
		return b.String(), nil
	case "@csv", "@tsv":
		return jqRow(format[1:], v)
	case "@sh":
		list, ok := v.([]any)
		if !ok {
			list = []any{v}
		}
		var words []string
		for _, e := range list {
			switch x := e.(type) {
			case []any, *jqObject:
				return "", jqFail("%s can not be escaped for shell", jqDescribe(e))
			case string:
				words = append(words, "'"+strings.ReplaceAll(x, "'", `'\''`)+"'")
			default:
				words = append(words, jqJSON(e))
			}
		}
		return strings.Join(words, " "), nil
	case "@base64":
		return base64.StdEncoding.EncodeToString([]byte(text)), nil
	case "@base64d":
		data, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
		if err != nil {
			return "", jqFail("%s is not valid base64 data", jqDescribe(v))
		}
		return strings.ToValidUTF8(string(data), "\ufffd"), nil
	case "@base32":
		return base32.StdEncoding.EncodeToString([]byte(text)), nil
	case "@base32d":
		data, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.TrimRight(text, "="))
		if err != nil {
			return "", jqFail("%s is not valid base32 data", jqDescribe(v))
		}
		return strings.ToValidUTF8(string(data), "\ufffd"), nil
	}
	return "", jqFail("%s is not a valid format", strings.TrimPrefix(format, "@"))
}

func jqRow(format string, v any) (string, error) {
	list, ok := v.([]any)
	if !ok {
		return "", jqFail("%s cannot be %s-formatted, only an array can be", jqDescribe(v), format)
	}
	var cells []string
	for _, e := range list {
		switch x := e.(type) {
		case nil:
			cells = append(cells, "")
		case []any, *jqObject:
			return "", jqFail("%s is not valid in a csv row", jqDescribe(e))
		case string:
			if format == "csv" {
				cells = append(cells, `"`+strings.ReplaceAll(x, `"`, `""`)+`"`)
			} else {
				cells = append(cells, strings.NewReplacer("\t", `\t`, "\n", `\n`, "\r", `\r`, `\`, `\\`).Replace(x))
			}
		default:
			cells = append(cells, jqJSON(e))
		}
	}
	return strings.Join(cells, map[string]string{"csv": ",", "tsv": "\t"}[format]), nil
}
