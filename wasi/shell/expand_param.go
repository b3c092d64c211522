package shell

import (
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"mvdan.cc/sh/v3/syntax"
)

// paramValue is what a parameter stands for before its operator: one string, or the elements of $@, $* or an array.
type paramValue struct {
	list  bool
	star  bool // joined when quoted
	set   bool
	str   string
	elems []string
	name  string // for messages and assignments
	sub   string // the subscript, "" if none
}

// null says whether the value is unset or empty, as :- and the like mean it.
func (v *paramValue) null() bool {
	if !v.list {
		return v.str == ""
	}
	return len(v.elems) == 0 || len(v.elems) == 1 && v.elems[0] == ""
}

// nullIn is null for $* too, whose elements are joined with a separator that may be empty.
func (v *paramValue) nullIn(sh *shell) bool {
	return v.null() || v.star && sh.ifs.join == "" && strings.Join(v.elems, "") == ""
}

// param expands a parameter.
func (b *fieldBuilder) param(pe *syntax.ParamExp, quoted bool) {
	sh := b.sh
	if pe.Short && pe.Index == nil {
		if name := pe.Param.Value; isNameByte(name[0]) && (name[0] < '0' || name[0] > '9') && name != "_" {
			value, set := sh.get(name)
			if !set && sh.opts.nounset {
				sh.unbound(name)
			}
			b.add(value, quoted)
			return
		}
	}
	if sh.posix() && refusedParam(pe) {
		sh.fatal(2, "Bad substitution")
	}
	if strings.HasPrefix(pe.Param.Value, rawParam) {
		b.rawParam(rawText(pe.Param.Value, rawParam), quoted)
		return
	}
	switch {
	case pe.Excl && pe.Names != 0:
		b.addList(sh.namesWith(pe.Param.Value), pe.Names == syntax.NamesPrefix, quoted)
		return
	case pe.Excl && pe.Index != nil && isListIndex(pe.Index) && pe.Exp == nil && pe.Repl == nil && pe.Slice == nil:
		name := sh.refTarget(pe.Param.Value)
		b.addList(sh.lookup(name).keys(), indexText(pe.Index) == "*", quoted)
		return
	}
	v := sh.paramValue(pe.Param.Value, pe.Index)
	if pe.Excl {
		if w, done := sh.indirect(pe, v); done {
			b.add(w.str, quoted)
			return
		} else {
			v = w
		}
	}
	if pe.Length {
		b.add(itoa(int64(sh.paramLength(pe, v))), quoted)
		return
	}
	switch {
	case pe.Exp != nil && pe.Exp.Op <= syntax.AssignUnsetOrNull:
		b.conditional(pe, v, quoted)
		return
	case !v.set && !v.list && sh.opts.nounset:
		sh.unbound(v.name)
	case pe.Exp != nil && pe.Exp.Op == syntax.OtherParamOps:
		b.transform(pe, v, quoted)
		return
	case pe.Exp != nil:
		sh.mapValue(&v, sh.operator(pe.Exp))
	case pe.Repl != nil:
		sh.mapValue(&v, sh.replacement(pe.Repl))
	case pe.Slice != nil:
		sh.slice(&v, pe)
	}
	b.addValue(v, quoted)
}

// rawParam expands ${…} that the parser refused: what is left of $# by an operator, an empty slice, or nothing at all.
func (b *fieldBuilder) rawParam(text string, quoted bool) {
	sh := b.sh
	if len(text) > 1 && text[0] == '#' && strings.IndexByte("#%:-+=?/", text[1]) >= 0 {
		// The parser takes the operator of another parameter.
		w, err := parseDocument("${x" + text[1:] + "}")
		if err == nil && len(w.Parts) == 1 {
			if pe, ok := w.Parts[0].(*syntax.ParamExp); ok {
				pe.Param.Value = "#"
				b.param(pe, quoted)
				return
			}
		}
	}
	if m := toggled.FindStringSubmatch(text); m != nil && sh.bash {
		b.add(toggleCase(sh.getOr(m[1], ""), m[2] == "~~"), quoted)
		return
	}
	if m := transformed.FindStringSubmatch(text); m != nil && sh.bash {
		if _, ok := sh.get(m[1]); !ok {
			b.add("", quoted) // of a variable that is not set, any transformation is nothing
			return
		}
	}
	if emptySlice.MatchString(text) {
		// An offset or a length of blanks is 0; there may be one of each.
		fixed := emptySlice.ReplaceAllString(text, "${1}0${2}")
		b.parts(sh.parseText("${"+emptySlice.ReplaceAllString(fixed, "${1}0${2}")+"}"), quoted)
		return
	}
	if sh.posix() {
		sh.fatal(2, "Bad substitution")
	}
	sh.fail(1, "${%s}: bad substitution", text)
}

// transformed is ${x@} with no operator, or one that there is not.
var transformed = regexp.MustCompile(`^([A-Za-z_]\w*)@.?$`)

// toggled is ${x~} and ${x~~}.
var toggled = regexp.MustCompile(`^([A-Za-z_]\w*)(~~?)$`)

func toggleCase(s string, all bool) string {
	first := true
	return strings.Map(func(r rune) rune {
		if first || all {
			first = false
			if unicode.IsUpper(r) {
				return unicode.ToLower(r)
			}
			return unicode.ToUpper(r)
		}
		return r
	}, s)
}

// emptySlice is an offset or a length without a number.
var emptySlice = regexp.MustCompile(`^([^:]*:(?:[^:]*:)?) +(:|$)`)

func (b *fieldBuilder) addValue(v paramValue, quoted bool) {
	if v.list {
		b.addList(v.elems, v.star, quoted)
	} else {
		b.add(v.str, quoted)
	}
}

// mapValue applies an operator to the value, or to each element.
func (sh *shell) mapValue(v *paramValue, f func(string) string) {
	if !v.list {
		v.str = f(v.str)
		return
	}
	elems := make([]string, len(v.elems))
	for i, e := range v.elems {
		elems[i] = f(e)
	}
	v.elems = elems
}

// unbound ends a shell that has `set -u`.
func (sh *shell) unbound(name string) {
	if sh.posix() {
		sh.fatal(2, "%s: parameter not set", name)
	}
	if name[0] >= '0' && name[0] <= '9' {
		name = "$" + name
	}
	sh.fatal(sh.unboundStatus(), "%s: unbound variable", name)
}

// indexText is the subscript as written when it is a plain literal.
func indexText(x syntax.ArithmExpr) string {
	if w, ok := x.(*syntax.Word); ok {
		return w.Lit()
	}
	return ""
}

func isListIndex(x syntax.ArithmExpr) bool {
	s := indexText(x)
	return s == "@" || s == "*"
}

// subscript evaluates a subscript to text: a key for an associative array, an expression else.
func (sh *shell) subscript(name string, x syntax.ArithmExpr) string {
	if target, _, ok := sh.followRef(name); ok {
		name = target
	}
	v := sh.vars.vars[name]
	if v != nil && v.kind == assocArray {
		return sh.assocKey(x)
	}
	if w, ok := x.(*syntax.Word); ok {
		if lit := w.Lit(); lit != "" {
			return lit
		}
	}
	return itoa(sh.arithExpr(x))
}

// assocKey gives the text of a subscript that was parsed as arithmetic.
func (sh *shell) assocKey(x syntax.ArithmExpr) string {
	if w, ok := x.(*syntax.Word); ok {
		return sh.single(w)
	}
	return sh.arithText(x, true)
}

// paramValue looks a parameter up.
func (sh *shell) paramValue(name string, index syntax.ArithmExpr) paramValue {
	v := paramValue{name: name}
	if index != nil {
		if isListIndex(index) {
			return sh.listValue(name, indexText(index))
		}
		v.sub = sh.subscript(name, index)
		v.str, v.set = sh.getElement(name, v.sub)
		v.name = name + "[" + v.sub + "]"
		return v
	}
	switch name {
	case "@", "*":
		v.list, v.star, v.elems = true, name == "*", sh.params
		v.set = len(v.elems) > 0 || sh.posix()
		return v
	}
	v.str, v.set = sh.parameter(name)
	if v.set {
		return v
	}
	if t, sub, ok := sh.followRef(name); ok && (sub == "@" || sub == "*") {
		return sh.listValue(t, sub)
	}
	return v
}

func (sh *shell) listValue(name, sub string) paramValue {
	target := sh.refTarget(name)
	elems := sh.lookup(target).elements()
	return paramValue{list: true, star: sub == "*", elems: elems, set: len(elems) > 0, name: name, sub: sub}
}

// refTarget is the variable that a name stands for.
func (sh *shell) refTarget(name string) string {
	if target, _, ok := sh.followRef(name); ok {
		return target
	}
	return name
}

// parameter gives the value of a positional or special parameter, or of a variable.
func (sh *shell) parameter(name string) (string, bool) {
	switch c := name[0]; {
	case c >= '0' && c <= '9':
		n, err := strconv.Atoi(name)
		if err != nil || n > len(sh.params) {
			return "", false
		}
		if n == 0 {
			return sh.name, true
		}
		return sh.params[n-1], true
	case len(name) == 1 && !isNameByte(c):
		switch c {
		case '#':
			return strconv.Itoa(len(sh.params)), true
		case '?':
			return strconv.Itoa(sh.status), true
		case '$':
			return strconv.Itoa(sh.pid), true
		case '!':
			if sh.lastPID == 0 {
				return "", false
			}
			return strconv.Itoa(sh.lastPID), true
		case '-':
			return sh.optionLetters(), true
		case '@', '*':
			return strings.Join(sh.params, " "), len(sh.params) > 0
		}
	case name == "_" && sh.bash:
		return sh.lastArg, true
	}
	return sh.get(name)
}

// indirect replaces a value by that of the parameter whose name it is. It is done when the result is final: ${!ref} of a
// nameref is the name itself.
func (sh *shell) indirect(pe *syntax.ParamExp, v paramValue) (paramValue, bool) {
	if r := sh.vars.vars[pe.Param.Value]; r != nil && r.attrs&attrNameref != 0 && pe.Index == nil {
		return paramValue{str: r.str, set: r.set}, pe.Exp == nil && pe.Repl == nil && pe.Slice == nil
	}
	if v.list {
		v.str = strings.Join(v.elems, " ")
	}
	if !v.set || v.str == "" {
		if holder := sh.vars.vars[pe.Param.Value]; !v.set && !v.list && holder != nil && holder.kind != scalar {
			return paramValue{name: v.name}, false
		}
		if v.set {
			sh.fail(1, "%s: invalid variable name", v.str)
		}
		sh.fail(1, "%s: invalid indirect expansion", pe.Param.Value)
	}
	name, sub, isElement := splitSubscript(v.str)
	if isElement {
		if sub == "@" || sub == "*" {
			return sh.listValue(name, sub), false
		}
		sub = sh.writtenSubscript(sh.refTarget(name), sub)
		if t := sh.vars.vars[sh.refTarget(name)]; t == nil || t.kind != assocArray {
			sub = itoa(sh.arith(sub))
		}
		w := paramValue{name: v.str, sub: sub}
		w.str, w.set = sh.getElement(name, sub)
		return w, false
	}
	if !validName(v.str) && !isSpecialParameter(v.str) {
		sh.fail(1, "%s: invalid variable name", v.str)
	}
	return sh.paramValue(v.str, nil), false
}

func isSpecialParameter(s string) bool {
	if len(s) == 1 && strings.Contains("@*#?-$!", s) {
		return true
	}
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// namesWith lists the variables whose names begin with prefix.
func (sh *shell) namesWith(prefix string) []string {
	var names []string
	for _, name := range sh.sortedNames() {
		if strings.HasPrefix(name, prefix) {
			if v := sh.vars.vars[name]; v.set || v.dynamic || v.count() > 0 {
				names = append(names, name)
			}
		}
	}
	return names
}

// paramLength is ${#x}.
func (sh *shell) paramLength(pe *syntax.ParamExp, v paramValue) int {
	switch {
	case v.list:
		return len(v.elems)
	case !v.set && sh.opts.nounset:
		sh.unbound(v.name)
	case !sh.utf8:
		return len(v.str)
	}
	n := 0
	for i := 0; i < len(v.str); n++ {
		_, size := decodeChar(v.str[i:], true)
		i += size
	}
	return n
}

// conditional is ${x-w} ${x+w} ${x?w} ${x=w} and the forms with a colon.
func (b *fieldBuilder) conditional(pe *syntax.ParamExp, v paramValue, quoted bool) {
	sh := b.sh
	op := pe.Exp.Op
	missing := !v.set
	switch op {
	case syntax.AlternateUnsetOrNull, syntax.DefaultUnsetOrNull, syntax.ErrorUnsetOrNull, syntax.AssignUnsetOrNull:
		missing = !v.set || v.nullIn(sh)
	}
	switch op {
	case syntax.AlternateUnset, syntax.AlternateUnsetOrNull:
		if !missing {
			b.defaultWord(pe.Exp.Word, quoted)
		} else if quoted && !v.list {
			b.addQuoted("")
		}
		return
	}
	if !missing {
		b.addValue(v, quoted)
		return
	}
	switch op {
	case syntax.DefaultUnset, syntax.DefaultUnsetOrNull:
		b.defaultWord(pe.Exp.Word, quoted)
	case syntax.ErrorUnset, syntax.ErrorUnsetOrNull:
		message := ""
		if pe.Exp.Word != nil {
			message = sh.defaultString(pe.Exp.Word, quoted)
		}
		if message == "" {
			message = "parameter not set"
			if op == syntax.ErrorUnsetOrNull {
				message = "parameter null or not set"
				if sh.posix() {
					message = "parameter not set or null"
				}
			}
		}
		if sh.posix() {
			sh.fatal(2, "%s: %s", v.name, message)
		}
		sh.fatal(sh.unboundStatus(), "%s: %s", v.name, message)
	case syntax.AssignUnset, syntax.AssignUnsetOrNull:
		value := sh.defaultString(pe.Exp.Word, quoted)
		name := pe.Param.Value
		switch {
		case pe.Excl:
			name, sub, isElement := splitSubscript(v.name)
			if isElement {
				sh.assignElement(name, sub, value, false)
			} else {
				sh.assign(name, value)
			}
		case v.sub != "":
			sh.assignElement(name, v.sub, value, false)
		case !validName(name):
			sh.fail(1, "$%s: cannot assign in this way", name)
		default:
			sh.assign(name, value)
			value, _ = sh.get(name)
		}
		b.add(value, quoted)
	}
}

func (sh *shell) unboundStatus() int {
	if sh.oneCommand && sh.subshells == 0 && !sh.opts.errexit {
		return 127
	}
	return 1
}

// defaultWord adds the word of ${x:-word}, whose literal text is split where it isn't quoted.
func (b *fieldBuilder) defaultWord(w *syntax.Word, quoted bool) {
	if w == nil {
		if quoted {
			b.addQuoted("")
		}
		return
	}
	if quoted {
		b.started = true
		b.parts(b.unquotedParts(w.Parts), true)
		return
	}
	outer := b.litText
	b.litText = true
	b.parts(w.Parts, false)
	b.litText = outer
}

// unquotedParts takes double quotes away that are inside double quotes already: "${x:-"a b"}".
func (b *fieldBuilder) unquotedParts(parts []syntax.WordPart) []syntax.WordPart {
	var out []syntax.WordPart
	for _, p := range parts {
		if q, ok := p.(*syntax.DblQuoted); ok {
			out = append(out, q.Parts...)
			continue
		}
		if lit, ok := p.(*syntax.Lit); ok && strings.Contains(lit.Value, `\}`) {
			p = &syntax.Lit{Value: strings.ReplaceAll(lit.Value, `\}`, "}")}
		}
		out = append(out, p)
	}
	return out
}

func (sh *shell) defaultString(w *syntax.Word, quoted bool) string {
	if w == nil {
		return ""
	}
	b := fieldBuilder{sh: sh}
	if quoted {
		b.parts(b.unquotedParts(w.Parts), true)
	} else {
		b.parts(w.Parts, false)
	}
	return string(b.buf)
}
