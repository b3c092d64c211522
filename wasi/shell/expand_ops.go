package shell

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"mvdan.cc/sh/v3/syntax"
)

func (sh *shell) patternMode() patternMode {
	return patternMode{ext: sh.shopts.extglob, nocase: sh.shopts.nocasematch, utf8: sh.utf8}
}

// compiled gives the pattern of a word, for ${x#word} and the like.
func (sh *shell) compiled(w *syntax.Word) *pattern {
	if w == nil {
		return sh.cache.get("", patternMode{})
	}
	mode := sh.patternMode()
	mode.nocase = false
	return sh.cache.get(sh.patternOf(w), mode)
}

// operator gives the function of ${x#p} ${x%p} ${x^p} and their doubles.
func (sh *shell) operator(exp *syntax.Expansion) func(string) string {
	p := sh.compiled(exp.Word)
	switch exp.Op {
	case syntax.RemSmallPrefix, syntax.RemLargePrefix:
		longest := exp.Op == syntax.RemLargePrefix
		return func(s string) string {
			if n := p.prefix(s, longest); n > 0 {
				return s[n:]
			}
			return s
		}
	case syntax.RemSmallSuffix, syntax.RemLargeSuffix:
		longest := exp.Op == syntax.RemLargeSuffix
		return func(s string) string {
			if n := p.suffix(s, longest); n >= 0 {
				return s[:n]
			}
			return s
		}
	case syntax.UpperFirst, syntax.UpperAll:
		return sh.caseOperator(exp, p, unicode.ToUpper, exp.Op == syntax.UpperAll)
	case syntax.LowerFirst, syntax.LowerAll:
		return sh.caseOperator(exp, p, unicode.ToLower, exp.Op == syntax.LowerAll)
	}
	sh.fail(1, "bad substitution")
	return nil
}

func (sh *shell) caseOperator(exp *syntax.Expansion, p *pattern, convert func(rune) rune, all bool) func(string) string {
	any := exp.Word == nil || len(exp.Word.Parts) == 0
	return func(s string) string {
		var b strings.Builder
		for i := 0; i < len(s); {
			_, size := utf8.DecodeRuneInString(s[i:])
			char := s[i : i+size]
			if (all || i == 0) && (any || p.match(char)) {
				char = strings.Map(convert, char)
			}
			b.WriteString(char)
			i += size
		}
		return b.String()
	}
}

// replacement gives the function of ${x/p/r} and its forms.
func (sh *shell) replacement(r *syntax.Replace) func(string) string {
	mode := sh.patternMode()
	text := ""
	if r.Orig != nil {
		text = sh.patternOf(r.Orig)
	}
	if text == "" && r.All && (r.Orig == nil || len(r.Orig.Parts) == 0) {
		// ${x////c}: the pattern is a slash. The parser takes it for an empty one.
		if rest := r.With; rest != nil && len(rest.Parts) > 0 {
			if lit, ok := rest.Parts[0].(*syntax.Lit); ok && strings.HasPrefix(lit.Value, "/") {
				text = "/"
				parts := append([]syntax.WordPart{&syntax.Lit{Value: lit.Value[1:]}}, rest.Parts[1:]...)
				r = &syntax.Replace{All: true, With: &syntax.Word{Parts: parts}}
			}
		}
	}
	var anchor byte
	if !r.All && text != "" && (text[0] == '#' || text[0] == '%') {
		anchor = text[0]
		text = text[1:]
	}
	p := sh.cache.get(text, mode)
	with, amp := "", false
	if r.With != nil {
		with, amp = sh.replacementText(r.With)
	}
	replace := func(b *strings.Builder, match string) {
		if !amp {
			b.WriteString(with)
			return
		}
		for i := 0; i < len(with); i++ {
			switch c := with[i]; {
			case c == '\\' && i+1 < len(with) && (with[i+1] == '&' || with[i+1] == '\\'):
				i++
				b.WriteByte(with[i])
			case c == '&':
				b.WriteString(match)
			default:
				b.WriteByte(c)
			}
		}
	}
	return func(s string) string {
		var b strings.Builder
		switch {
		case anchor == '#':
			n := p.prefix(s, true)
			if n < 0 {
				return s
			}
			replace(&b, s[:n])
			b.WriteString(s[n:])
			return b.String()
		case anchor == '%':
			n := p.suffix(s, true)
			if n < 0 {
				return s
			}
			b.WriteString(s[:n])
			replace(&b, s[n:])
			return b.String()
		case text == "":
			return s
		}
		at := 0
		for at <= len(s) {
			start, end := p.find(s, at)
			if start < 0 || start == end && start == len(s) && s != "" {
				break
			}
			b.WriteString(s[at:start])
			replace(&b, s[start:end])
			at = end
			if start == end {
				if at < len(s) {
					b.WriteByte(s[at])
				}
				at++
			}
			if !r.All || b.Len() > maxField {
				break
			}
		}
		if at < len(s) {
			b.WriteString(s[at:])
		}
		return b.String()
	}
}

// replacementText expands the replacement. An unquoted & in it stands for what matched; a quoted one is given a
// backslash then.
func (sh *shell) replacementText(w *syntax.Word) (text string, amp bool) {
	b := fieldBuilder{sh: sh}
	b.parts(w.Parts, false)
	if !sh.bash || !sh.shopts.patsubReplacement || strings.IndexByte(string(b.buf), '&') < 0 {
		return string(b.buf), false
	}
	var out strings.Builder
	at := 0
	for _, q := range b.quoted {
		out.Write(b.buf[at:q.from])
		out.WriteString(strings.NewReplacer(`\`, `\\`, `&`, `\&`).Replace(string(b.buf[q.from:q.to])))
		at = q.to
	}
	out.Write(b.buf[at:])
	return out.String(), true
}

// slice is ${x:offset:length}.
func (sh *shell) slice(v *paramValue, pe *syntax.ParamExp) {
	offset := int64(0)
	if pe.Slice.Offset != nil {
		offset = sh.arithExpr(pe.Slice.Offset)
	}
	length, hasLength := int64(0), pe.Slice.Length != nil
	if hasLength {
		length = sh.arithExpr(pe.Slice.Length)
	}
	if v.list {
		sh.sliceList(v, offset, length, hasLength)
		return
	}
	s := v.str
	chars := int64(len(s))
	if sh.utf8 {
		chars = int64(utf8.RuneCountInString(s))
	}
	if offset < 0 {
		if offset += chars; offset < 0 {
			v.str = ""
			return
		}
	}
	end := chars
	if offset > chars {
		v.str = ""
		return
	}
	if hasLength {
		if end = offset + length; length < 0 {
			if end = chars + length; end < offset {
				sh.fail(1, "%d: substring expression < 0", length)
			}
		}
		end = min(end, chars)
	}
	if sh.utf8 && chars != int64(len(s)) {
		at := func(n int64) int {
			i := 0
			for ; n > 0 && i < len(s); n-- {
				_, size := utf8.DecodeRuneInString(s[i:])
				i += size
			}
			return i
		}
		v.str = s[at(offset):at(end)]
		return
	}
	v.str = s[offset:end]
}

// sliceList slices the positional parameters, where 0 is the shell's name, or the elements of an array by index.
func (sh *shell) sliceList(v *paramValue, offset, length int64, hasLength bool) {
	if hasLength && length < 0 {
		sh.fail(1, "%d: substring expression < 0", length)
	}
	elems := v.elems
	if v.sub == "" {
		elems = append([]string{sh.name}, sh.params...)
		if offset < 0 {
			offset += int64(len(elems))
		}
		if offset < 0 || offset > int64(len(elems)) {
			v.elems = nil
			return
		}
		elems = elems[offset:]
	} else {
		a := sh.lookup(sh.refTarget(v.name))
		if offset < 0 {
			end := int64(len(elems))
			if a != nil && a.kind == indexedArray {
				end = a.list.end()
			}
			if offset += end; offset < 0 {
				v.elems = nil
				return
			}
		}
		pos := int64(0)
		if a != nil && a.kind == indexedArray {
			p, _ := a.list.find(offset)
			pos = int64(p)
		} else if pos = offset; a != nil && a.kind == assocArray && pos > 0 {
			pos--
		}
		elems = elems[min(pos, int64(len(elems))):]
	}
	if hasLength {
		elems = elems[:min(length, int64(len(elems)))]
	}
	v.elems = elems
}

// transform is ${x@Q} and the like.
func (b *fieldBuilder) transform(pe *syntax.ParamExp, v paramValue, quoted bool) {
	sh := b.sh
	op := ""
	if pe.Exp.Word != nil {
		op = pe.Exp.Word.Lit()
	}
	if !v.set && !v.list && op != "A" && op != "a" {
		b.addValue(v, quoted)
		return
	}
	name := sh.refTarget(pe.Param.Value)
	if pe.Excl {
		name, _, _ = splitSubscript(v.name)
	}
	holder := sh.lookup(name)
	switch op {
	case "Q":
		sh.mapValue(&v, quoteSingle)
	case "U":
		sh.mapValue(&v, strings.ToUpper)
	case "u":
		sh.mapValue(&v, func(s string) string {
			r, size := utf8.DecodeRuneInString(s)
			if size == 0 {
				return s
			}
			return string(unicode.ToUpper(r)) + s[size:]
		})
	case "L":
		sh.mapValue(&v, strings.ToLower)
	case "E":
		sh.mapValue(&v, func(s string) string { s, _ = unescapeANSI(s, ansiC, sh.utf8); return s })
	case "P":
		sh.mapValue(&v, sh.promptText)
	case "a":
		letters := holder.attrLetters()
		if v.list {
			for i := range v.elems {
				v.elems = append(v.elems[:i:i], append([]string{letters}, v.elems[i+1:]...)...)
			}
		} else {
			v.str = letters
		}
	case "A":
		switch {
		case v.list && v.sub == "":
			elems := make([]string, len(v.elems))
			for i, e := range v.elems {
				elems[i] = quoteSingle(e)
			}
			b.add("set -- "+strings.Join(elems, " "), quoted)
			return
		case v.list:
			b.add(sh.declaration(name, holder), quoted)
			return
		case holder == nil:
			b.add("", quoted)
			return
		case !v.set && holder.kind != scalar:
			b.add("declare -"+holder.attrLetters()+" "+name, quoted)
			return
		}
		if letters := holder.attrLetters(); letters != "" {
			v.str = "declare -" + letters + " " + name + "=" + quoteSingle(v.str)
		} else {
			v.str = name + "=" + quoteSingle(v.str)
		}
	case "K", "k":
		if !v.list {
			v.str = quoteSingle(v.str)
			break
		}
		var out []string
		keys := holder.keys()
		for i, e := range v.elems {
			if op == "k" {
				out = append(out, keys[i], e)
			} else {
				out = append(out, quoteKey(keys[i]), quoteDouble(e))
			}
		}
		if op == "K" {
			if holder != nil && holder.kind == assocArray && len(out) > 0 {
				out = append(out, "")
			}
			b.add(strings.Join(out, " "), quoted)
			return
		}
		v.elems = out
	default:
		sh.fail(1, "${%s@%s}: bad substitution", pe.Param.Value, op)
	}
	b.addValue(v, quoted)
}
