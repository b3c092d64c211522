package shell

import (
	"regexp"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// regexpCache holds the compiled expressions of =~.
type regexpCache struct{ byText map[string]*regexp.Regexp }

// maxRegexps is when the cache is thrown away and begun anew.
const maxRegexps = 64

// regexOf expands the right side of =~: what was quoted stands for itself.
func (sh *shell) regexOf(w *syntax.Word) string {
	b := fieldBuilder{sh: sh}
	b.parts(w.Parts, false)
	var out strings.Builder
	at := 0
	for _, q := range b.quoted {
		out.Write(b.buf[at:q.from])
		for _, c := range b.buf[q.from:q.to] {
			if strings.IndexByte(`\.+*?()|[]{}^$`, c) >= 0 {
				out.WriteByte('\\')
			}
			out.WriteByte(c)
		}
		at = q.to
	}
	out.Write(b.buf[at:])
	return out.String()
}

// regexMatch matches a POSIX extended regular expression and sets BASH_REMATCH. A wrong expression is status 2.
func (sh *shell) regexMatch(s, text string) bool {
	key := text
	if sh.shopts.nocasematch {
		key = "(?i)" + text
	}
	re := sh.regexps.byText[key]
	if re == nil {
		source := goRegex(text)
		if sh.shopts.nocasematch {
			source = "(?i)" + source
		}
		var err error
		if re, err = regexp.Compile(source); err != nil {
			sh.rematch = nil
			panic(testFailure("invalid regular expression `" + text + "'"))
		}
		re.Longest()
		if sh.regexps.byText == nil || len(sh.regexps.byText) >= maxRegexps {
			sh.regexps.byText = make(map[string]*regexp.Regexp)
		}
		sh.regexps.byText[key] = re
	}
	match := re.FindStringSubmatch(s)
	sh.rematch = match
	return match != nil
}

// goRegex writes an expression of glibc in Go's syntax: a backslash in brackets is a character, `{` may be one too.
func goRegex(text string) string {
	var b strings.Builder
	b.WriteString("(?s)")
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '\\':
			if i+1 >= len(text) {
				b.WriteString(`\\`)
				continue
			}
			i++
			switch next := text[i]; {
			case next == '<' || next == '>':
				b.WriteString(`\b`)
			case strings.IndexByte("wWsSbB", next) >= 0:
				b.WriteByte('\\')
				b.WriteByte(next)
			case isNameByte(next) || next >= 0x80:
				b.WriteByte(next)
			default:
				b.WriteByte('\\')
				b.WriteByte(next)
			}
		case '[':
			i = goBracket(&b, text, i)
		case '{':
			if i == 0 && (i+1 >= len(text) || text[i+1] < '0' || text[i+1] > '9') && len(text) == 1 {
				b.WriteString("(") // glibc refuses it
				continue
			}
			if i == 0 || i+1 >= len(text) || text[i+1] < '0' || text[i+1] > '9' {
				b.WriteByte('\\')
			}
			b.WriteByte(c)
		case '(':
			b.WriteByte(c)
			if i+1 < len(text) && text[i+1] == '?' {
				b.WriteString(`\`)
			}
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// goBracket copies a bracket expression and returns where it ends.
func goBracket(b *strings.Builder, text string, i int) int {
	start := i
	i++
	var body strings.Builder
	body.WriteByte('[')
	if i < len(text) && text[i] == '^' {
		body.WriteByte('^')
		i++
	}
	for first := true; i < len(text); first = false {
		c := text[i]
		switch {
		case c == ']' && !first:
			body.WriteByte(']')
			b.WriteString(body.String())
			return i
		case c == '[' && i+1 < len(text) && strings.IndexByte(":.=", text[i+1]) >= 0:
			end := strings.Index(text[i+2:], string(text[i+1])+"]")
			if end >= 0 {
				item := text[i : i+2+end+2]
				if text[i+1] == ':' {
					body.WriteString(item)
				} else {
					body.WriteString(regexp.QuoteMeta(item[2 : len(item)-2]))
				}
				i += len(item)
				continue
			}
			body.WriteString(`\[`)
		case c == '\\' || c == ']' || c == '[' || c == '^':
			// A quoted character arrives with a backslash before it: that one is no member.
			if c == '\\' && i+1 < len(text) && strings.IndexByte(`\.+*?()|[]{}^$`, text[i+1]) >= 0 {
				i++
				c = text[i]
			}
			body.WriteByte('\\')
			body.WriteByte(c)
		default:
			body.WriteByte(c)
		}
		i++
	}
	b.WriteString(`\[`)
	return start
}
