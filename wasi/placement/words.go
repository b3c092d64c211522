package placement

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"mvdan.cc/sh/v3/syntax"
)

// expand makes the fields of words, as far as they can be known.
func (sh *shell) expand(words []*syntax.Word) []field {
	fields := make([]field, 0, len(words))
	for _, w := range words {
		fields = sh.expandWord(fields, w)
	}
	return fields
}

// expandWord appends the fields of a word.
func (sh *shell) expandWord(fields []field, w *syntax.Word) []field {
	if len(w.Parts) == 1 {
		switch p := w.Parts[0].(type) {
		case *syntax.Lit:
			if strings.IndexByte(p.Value, '\\') < 0 && (p.Value == "" || p.Value[0] != '~') {
				return append(fields, known(p.Value))
			}
		case *syntax.ParamExp:
			if list, ok := sh.list(p); ok {
				return append(fields, list...)
			}
			v := sh.param(p)
			if v == nil {
				return append(fields, field{})
			}
			for text := range strings.FieldsSeq(v[0]) {
				fields = append(fields, field{text, len(v) == 1})
			}
			return fields
		case *syntax.DblQuoted:
			if len(p.Parts) == 1 {
				if exp, ok := p.Parts[0].(*syntax.ParamExp); ok {
					if list, ok := sh.list(exp); ok {
						return append(fields, list...)
					}
				}
			}
		}
	}
	text, ok := sh.text(w)
	return append(fields, field{text, ok})
}

// list is "$@" and its like.
func (sh *shell) list(p *syntax.ParamExp) ([]field, bool) {
	if p.Param == nil || p.Param.Value != "@" && p.Param.Value != "*" || !plain(p) {
		return nil, false
	}
	if len(sh.params) != 1 {
		return []field{{}}, true
	}
	return sh.params[0], true
}

// plain says that a parameter is expanded without further ado.
func plain(p *syntax.ParamExp) bool {
	return !p.Excl && !p.Length && !p.Width && p.Index == nil && p.Slice == nil && p.Repl == nil && p.Names == 0 && p.Exp == nil
}

// text is a word's text without splitting; not ok if it is not known.
func (sh *shell) text(w *syntax.Word) (string, bool) {
	v := sh.value(w)
	if len(v) != 1 {
		return "", false
	}
	return v[0], true
}

// value is what a word may be without splitting.
func (sh *shell) value(w *syntax.Word) value {
	if w == nil {
		return value{""}
	}
	return sh.parts(w.Parts, false)
}

func (sh *shell) parts(parts []syntax.WordPart, quoted bool) value {
	if len(parts) == 1 {
		return sh.part(parts[0], quoted, true)
	}
	all := value{""}
	for i, part := range parts {
		v := sh.part(part, quoted, i == 0)
		if v == nil || len(v)*len(all) > maxValues {
			return nil
		}
		joined := make(value, 0, len(v)*len(all))
		for _, a := range all {
			for _, b := range v {
				joined = append(joined, a+b)
			}
		}
		all = joined
	}
	return all
}

func (sh *shell) part(part syntax.WordPart, quoted, first bool) value {
	switch p := part.(type) {
	case *syntax.Lit:
		text := p.Value
		if !quoted && first && strings.HasPrefix(text, "~") {
			if text != "~" && text[1] != '/' {
				return nil
			}
			home, _ := sh.get("HOME")
			if len(home) != 1 {
				return nil
			}
			text = home[0] + text[1:]
		}
		if strings.IndexByte(text, '\\') >= 0 {
			text = unescape(text, quoted)
		}
		return value{text}
	case *syntax.SglQuoted:
		if p.Dollar {
			return value{ansi(p.Value)}
		}
		return value{p.Value}
	case *syntax.DblQuoted:
		return sh.parts(p.Parts, true)
	case *syntax.ParamExp:
		return sh.param(p)
	case *syntax.CmdSubst:
		return sh.substitution(p)
	}
	return nil
}

// param is what a parameter expands to.
func (sh *shell) param(p *syntax.ParamExp) value {
	if p.Param == nil || p.Excl || p.Width || p.Index != nil || p.Slice != nil || p.Repl != nil || p.Names != 0 {
		return nil
	}
	v, set := sh.parameter(p.Param.Value)
	if p.Length {
		if len(v) != 1 {
			return nil
		}
		return value{strconv.Itoa(utf8.RuneCountInString(v[0]))}
	}
	if p.Exp == nil {
		return v
	}
	colon := false
	switch p.Exp.Op {
	case syntax.DefaultUnsetOrNull, syntax.AssignUnsetOrNull, syntax.ErrorUnsetOrNull, syntax.AlternateUnsetOrNull:
		colon = true
	}
	if v == nil || len(v) > 1 {
		switch p.Exp.Op {
		case syntax.DefaultUnset, syntax.DefaultUnsetOrNull, syntax.AssignUnset, syntax.AssignUnsetOrNull:
			return v.or(sh.value(p.Exp.Word))
		}
		return nil
	}
	isSet := set && (!colon || v[0] != "")
	switch p.Exp.Op {
	case syntax.DefaultUnset, syntax.DefaultUnsetOrNull, syntax.AssignUnset, syntax.AssignUnsetOrNull:
		if isSet {
			return v
		}
		w := sh.value(p.Exp.Word)
		if (p.Exp.Op == syntax.AssignUnset || p.Exp.Op == syntax.AssignUnsetOrNull) && syntax.ValidName(p.Param.Value) {
			sh.put(p.Param.Value, w)
		}
		return w
	case syntax.AlternateUnset, syntax.AlternateUnsetOrNull:
		if isSet {
			return sh.value(p.Exp.Word)
		}
		return value{""}
	case syntax.ErrorUnset, syntax.ErrorUnsetOrNull:
		return v
	case syntax.RemSmallPrefix, syntax.RemLargePrefix, syntax.RemSmallSuffix, syntax.RemLargeSuffix:
		return sh.removed(p.Exp, v[0])
	}
	return nil
}

// removed takes a literal, or all up to or from one ("*/", "/*"), off a text.
func (sh *shell) removed(e *syntax.Expansion, text string) value {
	pattern, ok := sh.text(e.Word)
	if !ok {
		return nil
	}
	prefix := e.Op == syntax.RemSmallPrefix || e.Op == syntax.RemLargePrefix
	large := e.Op == syntax.RemLargePrefix || e.Op == syntax.RemLargeSuffix
	star := ""
	if prefix && strings.HasPrefix(pattern, "*") {
		star, pattern = "*", pattern[1:]
	} else if !prefix && strings.HasSuffix(pattern, "*") {
		star, pattern = "*", pattern[:len(pattern)-1]
	}
	if strings.ContainsAny(pattern, `*?[\`) || star != "" && pattern == "" {
		return nil
	}
	switch {
	case star == "" && prefix:
		return value{strings.TrimPrefix(text, pattern)}
	case star == "":
		return value{strings.TrimSuffix(text, pattern)}
	}
	at := strings.Index(text, pattern)
	if prefix == large {
		at = strings.LastIndex(text, pattern)
	}
	switch {
	case at < 0:
		return value{text}
	case prefix:
		return value{text[at+len(pattern):]}
	}
	return value{text[:at]}
}

// parameter is the value of a variable or of a special or positional parameter.
func (sh *shell) parameter(name string) (v value, set bool) {
	switch name {
	case "@", "*":
		return nil, true
	case "0":
		return value{sh.name}, true
	case "#":
		if len(sh.params) != 1 {
			return nil, true
		}
		return value{strconv.Itoa(len(sh.params[0]))}, true
	}
	if n, err := strconv.Atoi(name); err == nil && n > 0 {
		for i, p := range sh.params {
			one := value(nil)
			if n > len(p) {
				one = value{""}
			} else if p[n-1].known {
				one = value{p[n-1].text}
				set = true
			}
			if i == 0 {
				v = one
			} else {
				v = v.or(one)
			}
		}
		return v, set || v == nil
	}
	if !syntax.ValidName(name) {
		return nil, true
	}
	if name == "BASH_SOURCE" && sh.src.file {
		return value{sh.src.name}, true
	}
	return sh.get(name)
}

// substitution is the output of a command that is known without running it: where a program is, a text, the directory
// of a path.
func (sh *shell) substitution(c *syntax.CmdSubst) value {
	if len(c.Stmts) != 1 || len(sh.calls) > maxDepth {
		return nil
	}
	call, ok := c.Stmts[0].Cmd.(*syntax.CallExpr)
	if !ok || len(call.Args) == 0 || len(call.Args) > 4 || len(call.Assigns) > 0 || c.Stmts[0].Negated {
		return nil
	}
	args := sh.expand(call.Args)
	for _, f := range args {
		if !f.known {
			return nil
		}
	}
	switch {
	case len(args) == 0:
	case args[0].text == "which" && len(args) == 2,
		args[0].text == "command" && len(args) == 3 && args[1].text == "-v":
		name := args[len(args)-1].text
		if found := sh.look(name, ""); found.path != "" {
			return value{found.path}
		}
	case (args[0].text == "echo" || args[0].text == "printf") && len(args) == 2 && !strings.ContainsAny(args[1].text, `\%-`):
		return value{args[1].text}
	case args[0].text == "pwd" && !sh.lost:
		return value{sh.files.Getwd()}
	case args[0].text == "dirname" && len(args) == 2:
		return value{dirname(args[1].text)}
	case args[0].text == "basename" && len(args) == 2 && args[1].text != "":
		name := strings.TrimRight(args[1].text, "/")
		return value{name[strings.LastIndexByte(name, '/')+1:]}
	}
	return nil
}

// dirname is that of dirname(1), for paths without slashes in a row.
func dirname(name string) string {
	name = strings.TrimRight(name, "/")
	switch i := strings.LastIndexByte(name, '/'); i {
	case -1:
		return "."
	case 0:
		return "/"
	default:
		return name[:i]
	}
}

// unescape takes the backslashes off a literal.
func unescape(text string, quoted bool) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' || i+1 == len(text) || quoted && strings.IndexByte("\\\"$`\n", text[i+1]) < 0 {
			b.WriteByte(text[i])
			continue
		}
		if i++; text[i] != '\n' {
			b.WriteByte(text[i])
		}
	}
	return b.String()
}

// ansi is the text that $'…' stands for.
func ansi(text string) string {
	if strings.IndexByte(text, '\\') < 0 {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' || i+1 == len(text) {
			b.WriteByte(text[i])
			continue
		}
		i++
		number := func(digits, most, base int) {
			end := i + digits
			for end < len(text) && end < i+digits+most && isDigit(text[end], base) {
				end++
			}
			n, err := strconv.ParseUint(text[i+digits:end], base, 32)
			switch {
			case err != nil:
				b.WriteString(text[i-1 : end])
			case most <= 3:
				b.WriteByte(byte(n))
			default:
				b.WriteRune(rune(n))
			}
			i = end - 1
		}
		switch c := text[i]; c {
		case 'a':
			b.WriteByte('\a')
		case 'b':
			b.WriteByte('\b')
		case 'e', 'E':
			b.WriteByte(0x1b)
		case 'f':
			b.WriteByte('\f')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 't':
			b.WriteByte('\t')
		case 'v':
			b.WriteByte('\v')
		case 'x':
			number(1, 2, 16)
		case 'u':
			number(1, 4, 16)
		case 'U':
			number(1, 8, 16)
		case '0', '1', '2', '3', '4', '5', '6', '7':
			number(0, 3, 8)
		case '\\', '\'', '"', '?':
			b.WriteByte(c)
		default:
			b.WriteByte('\\')
			b.WriteByte(c)
		}
	}
	return b.String()
}

func isDigit(c byte, base int) bool {
	switch {
	case base == 8:
		return c >= '0' && c <= '7'
	default:
		return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
	}
}
