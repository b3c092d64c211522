package shell

import (
	"bytes"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// A fieldBuilder expands words. It collects fields, or one string when split is off, and remembers which bytes were
// quoted, since those are neither split nor special in patterns.
type fieldBuilder struct {
	sh           *shell
	split        bool // split unquoted expansions at IFS and expand file names
	assign       bool // an assignment's value: tildes after colons
	litText      bool // inside the word of ${x:-word}: literal text is split too
	noGlob       bool // fields are not expanded as file names
	inAssignWord bool // in the value of a word like an assignment
	fields       []string
	buf          []byte
	quoted       []span
	started      bool // there is a field, though it may be empty
	after        separator
}

// span is a quoted part of the buffer.
type span struct{ from, to int }

// separator is what the last field was ended by.
type separator uint8

const (
	noSeparator separator = iota
	blankSeparator
	hardSeparator
)

// maxFields and maxField bound what one command's words may become.
const (
	maxFields = 4 << 20
	maxField  = 256 << 20
)

// words expands words to fields.
func (sh *shell) words(words []*syntax.Word) []string {
	b := fieldBuilder{sh: sh, split: true, fields: make([]string, 0, len(words))}
	for _, w := range words {
		b.word(w)
	}
	return b.fields
}

// word expands one word to any number of fields.
func (b *fieldBuilder) word(w *syntax.Word) {
	if len(w.Parts) == 1 {
		if lit, ok := w.Parts[0].(*syntax.Lit); ok && (plainLiteral(lit.Value) || lit.Value == "[") {
			b.fields = append(b.fields, lit.Value)
			return
		}
	}
	if b.sh.bash && b.sh.opts.braceexpand && hasBrace(w) {
		if words := b.sh.expandBraces(w); words != nil {
			for _, each := range words {
				b.oneWord(each)
			}
			return
		}
	}
	b.oneWord(w)
}

func (b *fieldBuilder) oneWord(w *syntax.Word) {
	b.after = noSeparator
	b.parts(w.Parts, false)
	b.end()
}

// plainLiteral says whether a literal stands for itself.
func plainLiteral(s string) bool {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\', '*', '?', '[', '{', '~', '=', '$':
			return false
		}
	}
	return true
}

// end finishes the field that was begun, if any.
func (b *fieldBuilder) end() {
	if b.started || len(b.buf) > 0 {
		b.finish()
	}
}

// finish finishes a field, which may be empty.
func (b *fieldBuilder) finish() {
	sh := b.sh
	if b.split && !b.noGlob && !sh.opts.noglob && b.hasMeta() {
		b.glob()
	} else {
		b.fields = append(b.fields, string(b.buf))
	}
	if len(b.fields) > maxFields {
		sh.fatal(2, "too many words")
	}
	b.buf = b.buf[:0]
	b.quoted = b.quoted[:0]
	b.started = false
}

// hasMeta says whether an unquoted byte may make a pattern of the field.
func (b *fieldBuilder) hasMeta() bool {
	next := 0
	for i := 0; i < len(b.buf); i++ {
		if next < len(b.quoted) && i == b.quoted[next].from {
			i = b.quoted[next].to - 1
			next++
			continue
		}
		switch b.buf[i] {
		case '*', '?':
			return true
		case '[':
			if bytes.IndexByte(b.buf[i:], ']') > 0 {
				return true
			}
		case '@', '+', '!':
			if b.sh.shopts.extglob && i+1 < len(b.buf) && b.buf[i+1] == '(' {
				return true
			}
		}
	}
	return false
}

// pattern is the field as a pattern: what was quoted stands for itself.
func (b *fieldBuilder) pattern() string {
	if len(b.quoted) == 0 {
		return string(b.buf)
	}
	out := make([]byte, 0, len(b.buf)+8)
	at := 0
	for _, q := range b.quoted {
		out = append(out, b.buf[at:q.from]...)
		out = appendEscaped(out, string(b.buf[q.from:q.to]))
		at = q.to
	}
	return string(append(out, b.buf[at:]...))
}

// addQuoted adds text that is neither split nor special.
func (b *fieldBuilder) addQuoted(s string) {
	b.started = true
	b.after = noSeparator
	if s == "" {
		return
	}
	from := len(b.buf)
	b.buf = append(b.buf, s...)
	if n := len(b.quoted); n > 0 && b.quoted[n-1].to == from {
		b.quoted[n-1].to = len(b.buf)
	} else {
		b.quoted = append(b.quoted, span{from, len(b.buf)})
	}
	if len(b.buf) > maxField {
		b.sh.fatal(2, "a word takes more than %d bytes", maxField)
	}
}

// addLiteral adds unquoted text of the script: special in patterns, not split.
func (b *fieldBuilder) addLiteral(s string) {
	if b.litText {
		b.addExpanded(s)
		return
	}
	if s == "" {
		return
	}
	b.after = noSeparator
	b.buf = append(b.buf, s...)
}

// addExpanded adds the result of an unquoted expansion: it is split at IFS.
func (b *fieldBuilder) addExpanded(s string) {
	ifs := &b.sh.ifs
	if !b.split || ifs.none {
		b.buf = append(b.buf, s...)
		if s != "" {
			b.after = noSeparator
		}
		return
	}
	start := 0
	for i := 0; i < len(s); i++ {
		kind := ifs.kind[s[i]]
		if kind == ifsNo {
			continue
		}
		if start < i {
			b.buf = append(b.buf, s[start:i]...)
			b.after = noSeparator
		}
		start = i + 1
		if kind == ifsBlank {
			if b.started || len(b.buf) > 0 {
				b.finish()
				b.after = blankSeparator
			}
			continue
		}
		if b.after == blankSeparator && !b.started && len(b.buf) == 0 {
			b.after = hardSeparator
			continue
		}
		b.finish()
		b.after = hardSeparator
	}
	if start < len(s) {
		b.buf = append(b.buf, s[start:]...)
		b.after = noSeparator
	}
	if len(b.buf) > maxField {
		b.sh.fatal(2, "a word takes more than %d bytes", maxField)
	}
}

// add adds the value of an expansion.
func (b *fieldBuilder) add(s string, quoted bool) {
	if quoted {
		b.addQuoted(s)
	} else {
		b.addExpanded(s)
	}
}

// addList adds the elements of $@, $* or an array.
func (b *fieldBuilder) addList(elems []string, star, quoted bool) {
	sh := b.sh
	switch {
	case quoted && (star || !b.split):
		sep := " "
		if star || sh.posix() {
			sep = sh.ifs.join
		}
		if star || len(elems) > 0 {
			b.addQuoted(strings.Join(elems, sep))
		}
	case quoted:
		for i, e := range elems {
			if i > 0 {
				b.finish()
			}
			b.addQuoted(e)
		}
	case !b.split:
		sep := " "
		if star || sh.posix() {
			sep = sh.ifs.join
		}
		b.buf = append(b.buf, strings.Join(elems, sep)...)
	case sh.bash && !sh.ifs.none && sh.ifs.join != "" && sh.ifs.kind[sh.ifs.join[0]] == ifsHard:
		b.addExpanded(strings.Join(elems, sh.ifs.join))
	default:
		for i, e := range elems {
			if i > 0 {
				b.end()
				b.after = noSeparator
			}
			b.addExpanded(e)
		}
	}
}

// parts expands the parts of a word, or of a double-quoted string.
func (b *fieldBuilder) parts(parts []syntax.WordPart, quoted bool) {
	for i, part := range parts {
		switch part := part.(type) {
		case *syntax.Lit:
			switch {
			case quoted:
				b.addQuoted(unescapeQuoted(part.Value))
			case i == 0 || b.assign || strings.Contains(part.Value, "="):
				b.tildeLiteral(part.Value, i, len(parts))
			default:
				b.literal(part.Value)
			}
		case *syntax.SglQuoted:
			switch {
			case part.Dollar:
				text, _ := unescapeANSI(part.Value, ansiC, b.sh.utf8)
				b.addQuoted(text)
			case quoted:
				// Single quotes inside "${x:-'y'}" are text.
				b.addQuoted("'")
				b.parts(b.sh.parseText(part.Value), true)
				b.addQuoted("'")
			default:
				b.addQuoted(part.Value)
			}
		case *syntax.DblQuoted:
			if len(part.Parts) == 0 && !quoted {
				b.addQuoted("")
			}
			if part.Dollar && b.sh.posix() {
				b.addQuoted("$")
			}
			split := b.litText
			b.litText = false
			b.parts(part.Parts, true)
			b.litText = split
		case *syntax.ParamExp:
			b.param(part, quoted)
		case *syntax.CmdSubst:
			b.add(b.sh.commandSubst(part), quoted)
		case *syntax.ArithmExp:
			if part.Bracket && b.sh.posix() {
				b.add(nodeText(&syntax.Word{Parts: []syntax.WordPart{part}}), quoted)
				continue
			}
			b.add(itoa(b.sh.arithExpr(part.X)), quoted)
		case *syntax.ProcSubst:
			if quoted {
				b.addQuoted(b.sh.source(part))
			} else {
				b.addQuoted(b.sh.processSubst(part))
			}
		case *syntax.ExtGlob:
			b.extGlob(part, quoted)
		case *syntax.BraceExp:
			b.sh.fail(1, "brace expansion in a place where there is none")
		}
	}
}

// literal adds unquoted text of the script, in which a backslash quotes the next character.
func (b *fieldBuilder) literal(s string) {
	for {
		i := strings.IndexByte(s, '\\')
		if i < 0 {
			b.addLiteral(s)
			return
		}
		b.addLiteral(s[:i])
		if i+1 >= len(s) {
			b.addQuoted(`\`)
			return
		}
		if s[i+1] != '\n' {
			b.addQuoted(s[i+1 : i+2])
		}
		s = s[i+2:]
	}
}

// unescapeQuoted removes backslashes as inside double quotes.
func unescapeQuoted(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			switch s[i+1] {
			case '$', '`', '"', '\\':
				i++
			case '\n':
				i++
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// single expands a word to one string without splitting: an assignment's value, the word of case, a here-string.
func (sh *shell) single(w *syntax.Word) string {
	if w == nil {
		return ""
	}
	b := fieldBuilder{sh: sh}
	return b.string(w)
}

// value expands the value of an assignment.
func (sh *shell) value(w *syntax.Word) string {
	if w == nil {
		return ""
	}
	if len(w.Parts) == 1 {
		if lit, ok := w.Parts[0].(*syntax.Lit); ok && plainLiteral(lit.Value) {
			return lit.Value
		}
	}
	b := fieldBuilder{sh: sh, assign: true}
	return b.string(w)
}

func (b *fieldBuilder) string(w *syntax.Word) string {
	b.parts(w.Parts, false)
	return string(b.buf)
}

// patternOf expands a word to a pattern.
func (sh *shell) patternOf(w *syntax.Word) string {
	if len(w.Parts) == 1 {
		if lit, ok := w.Parts[0].(*syntax.Lit); ok && (lit.Value == "" || lit.Value[0] != '~') {
			return lit.Value
		}
	}
	b := fieldBuilder{sh: sh}
	b.parts(w.Parts, false)
	return b.pattern()
}

// document expands a here-document.
func (sh *shell) document(w *syntax.Word) string {
	b := fieldBuilder{sh: sh}
	for _, part := range w.Parts {
		if lit, ok := part.(*syntax.Lit); ok {
			b.addQuoted(unescapeDocument(lit.Value))
			continue
		}
		b.parts([]syntax.WordPart{part}, true)
	}
	return string(b.buf)
}

// unescapeDocument removes backslashes as in a here-document, where \" stays.
func unescapeDocument(s string) string {
	return unescapeQuoted(strings.ReplaceAll(s, `\"`, `\\"`))
}

// extGlob adds an extended glob. Its text may hold quotes and expansions: it is parsed as a word, with the characters
// that have a meaning inside the glob kept out of the parser's sight.
func (b *fieldBuilder) extGlob(g *syntax.ExtGlob, quoted bool) {
	text := g.Pattern.Value
	if quoted {
		b.addQuoted(g.Op.String() + text + ")")
		return
	}
	b.addLiteral(g.Op.String())
	if !strings.ContainsAny(text, "'\"\\$`") {
		b.addLiteral(text)
	} else {
		hidden := fieldBuilder{sh: b.sh}
		hidden.parts(b.sh.parseWord(hideGlob(text)), false)
		for i := range hidden.buf {
			if at := strings.IndexByte(hiddenGlob, hidden.buf[i]); at >= 0 {
				hidden.buf[i] = shownGlob[at]
			}
		}
		base := len(b.buf)
		b.buf = append(b.buf, hidden.buf...)
		for _, q := range hidden.quoted {
			b.quoted = append(b.quoted, span{q.from + base, q.to + base})
		}
	}
	b.addLiteral(")")
}

// hiddenGlob are control characters that stand for those of shownGlob while a glob is parsed as a word.
const (
	shownGlob  = "|()<>&; "
	hiddenGlob = "\x01\x02\x03\x04\x05\x06\x0e\x0f"
)

// hideGlob replaces what is not inside quotes or an expansion.
func hideGlob(text string) string {
	out := []byte(text)
	for i := 0; i < len(out); i++ {
		switch c := out[i]; c {
		case '\\':
			i++
		case '\'', '"', '`':
			for i++; i < len(out) && out[i] != c; i++ {
				if c == '"' && out[i] == '\\' {
					i++
				}
			}
		case '$':
			if i+1 < len(out) && (out[i+1] == '(' || out[i+1] == '{') {
				open, depth := out[i+1], 0
				closing := byte(')')
				if open == '{' {
					closing = '}'
				}
				for i++; i < len(out); i++ {
					if out[i] == open {
						depth++
					} else if out[i] == closing {
						if depth--; depth == 0 {
							break
						}
					}
				}
			}
		default:
			if at := strings.IndexByte(shownGlob, c); at >= 0 {
				out[i] = hiddenGlob[at]
			}
		}
	}
	return string(out)
}
