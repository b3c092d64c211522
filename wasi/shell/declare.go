package shell

import (
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// declaration is an argument of declare and its kin.
type declared struct {
	name   string
	sub    string
	hasSub bool
	value  string
	array  *syntax.ArrayExpr
	assign bool
	append bool
}

// declClause runs declare, typeset, local, export, readonly, whose arguments are parsed as assignments.
func (sh *shell) declClause(c *syntax.DeclClause) {
	sh.note(c)
	sh.substDone = -1
	name := c.Variant.Value
	if f := sh.funcs.byName[name]; f != nil {
		sh.callFunction(f, append([]string{name}, sh.declWords(c.Args)...), nil)
		return
	}
	if sh.posix() && (name == "declare" || name == "typeset" || name == "nameref") {
		sh.external(append([]string{name}, sh.declWords(c.Args)...), false)
		return
	}
	if sh.traps.debug != "" {
		sh.runDebugTrap()
	}
	var opts []string
	var items []declared
	ended := false
	for _, a := range c.Args {
		if a.Name == nil || a.Naked && a.Index == nil && a.Value != nil {
			for _, w := range sh.words([]*syntax.Word{a.Value}) {
				if !ended && len(items) == 0 && len(w) > 1 && (w[0] == '-' || w[0] == '+') {
					opts = append(opts, w)
					ended = w == "--"
					continue
				}
				items = append(items, sh.parseDeclared(w))
			}
			continue
		}
		if sh.posix() && (a.Index != nil || a.Append) {
			sh.errorf("%s: %s: bad variable name", name, a.Name.Value+strings.TrimSuffix(assignOp(a), "="))
			sh.abandon(2, true)
		}
		d := declared{name: a.Name.Value, assign: !a.Naked, append: a.Append, array: a.Array}
		if a.Index != nil {
			d.hasSub = true
			d.sub = sh.subscript(d.name, a.Index)
		}
		if a.Array == nil && !a.Naked {
			d.value = sh.value(a.Value)
		}
		items = append(items, d)
	}
	if sh.opts.xtrace {
		words := append([]string{name}, opts...)
		for _, d := range items {
			words = append(words, d.text(sh))
		}
		sh.trace(strings.Join(words, " "))
	}
	sh.status = sh.declare(name, opts, items)
	if n := len(items); n > 0 {
		d := items[n-1]
		sh.lastArg = d.name
		if d.assign && d.array == nil {
			sh.lastArg += "=" + d.value
		}
	}
	_ = sh.flush()
	if sh.status != 0 && sh.posix() {
		sh.abandon(2, true)
	}
}

func (d *declared) text(sh *shell) string {
	switch {
	case d.array != nil:
		return d.name + "=(" + nodeArray(d.array) + ")"
	case d.assign:
		return d.name + "=" + sh.quoteTrace(d.value)
	}
	return d.name
}

// declWords are the arguments as plain words, for a function that has the name of a declaration command.
func (sh *shell) declWords(args []*syntax.Assign) []string {
	var words []string
	for _, a := range args {
		switch {
		case a.Name == nil:
			words = append(words, sh.words([]*syntax.Word{a.Value})...)
		case a.Naked:
			words = append(words, a.Name.Value)
		default:
			words = append(words, a.Name.Value+assignOp(a)+sh.value(a.Value))
		}
	}
	return words
}

// parseDeclared takes an argument that came out of an expansion apart.
func (sh *shell) parseDeclared(w string) declared {
	name, value, ok := strings.Cut(w, "=")
	d := declared{name: name, value: value, assign: ok}
	if ok && strings.HasSuffix(name, "+") {
		d.name, d.append = name[:len(name)-1], true
	}
	if base, sub, isElement := splitSubscript(d.name); isElement {
		d.name, d.sub, d.hasSub = base, sub, true
	}
	return d
}

// declFlags are the options of declare.
type declFlags struct {
	set, unset                   varAttrs
	array, assoc                 bool
	global, print, funcs, fnames bool
	inherit                      bool
}

func (sh *shell) declFlags(command string, opts []string) (f declFlags, ok bool) {
	for _, o := range opts {
		if o == "--" {
			break
		}
		if sh.posix() && strings.Trim(o[1:], "p") != "" {
			sh.errorf("%s: Illegal option -%c", command, strings.TrimLeft(o[1:], "p")[0])
			return f, false
		}
		target := &f.set
		if o[0] == '+' {
			target = &f.unset
		}
		for i := 1; i < len(o); i++ {
			switch o[i] {
			case 'a':
				f.array = true
			case 'A':
				f.assoc = true
			case 'x':
				*target |= attrExport
			case 'r':
				*target |= attrReadonly
			case 'i':
				*target |= attrInteger
			case 'l':
				*target |= attrLower
				f.unset |= attrUpper
			case 'u':
				*target |= attrUpper
				f.unset |= attrLower
			case 'c':
				*target |= attrCapital
			case 'n':
				if command == "export" {
					f.unset |= attrExport
				} else {
					*target |= attrNameref
				}
			case 't':
				*target |= attrTrace
			case 'g':
				f.global = true
			case 'p':
				f.print = true
			case 'f':
				f.funcs = true
			case 'F':
				f.funcs, f.fnames = true, true
			case 'I':
				f.inherit = true
			default:
				if sh.posix() {
					sh.errorf("%s: Illegal option -%c", command, o[i])
				} else {
					sh.errorf("%s: -%c: invalid option", command, o[i])
					sh.writeError(usageOf(command))
				}
				return f, false
			}
		}
	}
	return f, true
}

// declare does the work of all declaration commands.
func (sh *shell) declare(command string, opts []string, items []declared) int {
	if command == "local" && sh.posix() && len(opts) > 0 && opts[0] != "--" {
		sh.errorf("local: %s: bad variable name", opts[0])
		return 2
	}
	f, ok := sh.declFlags(command, opts)
	if !ok {
		return 2
	}
	local := false
	switch command {
	case "export":
		if f.unset&attrExport == 0 {
			f.set |= attrExport
		}
	case "readonly":
		f.set |= attrReadonly
	case "local":
		if !sh.inFunction() {
			if sh.posix() {
				sh.errorf("local: not in a function")
			} else {
				sh.errorf("local: can only be used in a function")
			}
			return 1
		}
		local = !f.global
	case "declare", "typeset":
		local = sh.inFunction() && !f.global
	case "nameref":
		f.set |= attrNameref
	}
	if f.funcs {
		return sh.declareFunctions(command, f, items)
	}
	if len(items) == 0 {
		sh.listDeclared(command, f)
		return 0
	}
	if f.print && command != "export" && command != "readonly" {
		return sh.printDeclared(command, items)
	}
	status := 0
	for _, d := range items {
		if local && d.name == "-" && !d.assign {
			saved := sh.opts
			sh.frames[len(sh.frames)-1].opts = &saved
			continue
		}
		if !validName(d.name) || d.hasSub && sh.bash && (command == "export" || command == "readonly") {
			text := d.name
			if d.hasSub {
				text += "[" + d.sub + "]"
				d.assign = false
			}
			if d.assign {
				text += "=" + d.value
			}
			if sh.posix() {
				sh.errorf("%s: %s: bad variable name", command, d.name)
			} else {
				sh.errorf("%s: `%s': not a valid identifier", command, text)
			}
			status = 1
			continue
		}
		do := func() {
			if !sh.declareOne(command, f, d, local) {
				status = 1
			}
		}
		if f.global && sh.inFunction() {
			sh.withGlobal(d.name, do)
		} else {
			do()
		}
	}
	return status
}

// declareOne declares one variable; not ok, with a message printed, if that cannot be.
func (sh *shell) declareOne(command string, f declFlags, d declared, local bool) bool {
	name := d.name
	if !local && f.set&attrNameref == 0 && f.unset&attrNameref == 0 {
		name = sh.refTarget(name)
	}
	old := sh.vars.vars[name]
	if local {
		if old != nil && old.attrs&attrReadonly != 0 && old.depth == 0 && (d.assign || sh.bash) {
			sh.errorf("%s: %s: readonly variable", command, name)
			return false
		}
		sh.hide(name)
		if v := sh.vars.vars[name]; old != nil && v != old && (f.inherit || sh.shopts.localvarInherit || sh.posix() || old.temp) && !d.assign {
			fresh := sh.writable(name)
			depth := fresh.depth
			inherited := old.clone()
			inherited.owner, inherited.gen, inherited.depth = fresh.owner, fresh.gen, depth
			*fresh = *inherited
			fresh.temp = false
		} else if old != nil && v != old && old.attrs&attrExport != 0 {
			sh.writable(name).attrs |= attrExport
		}
		if old = sh.vars.vars[name]; old.temp {
			sh.writable(name).temp = false
			old = sh.vars.vars[name]
		}
	}
	if old != nil && old.attrs&attrReadonly != 0 && (d.assign || f.unset&attrReadonly != 0 || f.array || f.assoc && old.kind != assocArray) {
		if sh.posix() {
			sh.readonlyError(name)
		}
		sh.errorf("%s: %s: readonly variable", command, name)
		return false
	}
	if old != nil && (f.assoc && old.kind == indexedArray || f.array && old.kind == assocArray) && !old.dynamic {
		from, to := "indexed", "associative"
		if f.array {
			from, to = to, from
		}
		sh.errorf("%s: %s: cannot convert %s to %s array", command, name, from, to)
		return false
	}
	if f.set&attrNameref != 0 {
		if d.assign {
			target, _, _ := splitSubscript(d.value)
			if !validName(target) {
				sh.errorf("%s: `%s': invalid variable name for name reference", command, d.value)
				return false
			}
			if d.value == name {
				sh.errorf("%s: %s: nameref variable self references not allowed", command, name)
				return false
			}
			v := sh.writable(name)
			v.kind, v.str, v.set = scalar, d.value, true
		} else if old != nil && old.set && old.str != "" {
			if target, _, _ := splitSubscript(old.str); !validName(target) {
				sh.errorf("%s: `%s': invalid variable name for name reference", command, old.str)
				return false
			}
		}
		sh.writable(name).attrs |= attrNameref | f.set&attrExport
		sh.env = nil
		return true
	}
	v := sh.writable(name)
	if f.assoc {
		v.toAssoc()
	} else if f.array && (d.assign || command != "readonly" && command != "export") {
		v.toIndexed()
	}
	v.attrs &^= f.unset
	v.attrs |= f.set &^ attrReadonly
	if (f.set|f.unset|v.attrs)&attrExport != 0 {
		sh.env = nil
	}
	switch {
	case d.array != nil:
		if f.unset&attrNameref != 0 {
			return true
		}
		sh.assignArray(name, d.array, d.append)
	case d.hasSub && d.assign:
		sh.assignElement(name, d.sub, d.value, d.append)
	case d.hasSub:
		v.toIndexed()
	case d.assign && (f.array || f.assoc || v.kind != scalar) && strings.HasPrefix(d.value, "(") && strings.HasSuffix(d.value, ")"):
		sh.assignCompound(name, d.value, d.append)
	case d.assign:
		sh.assignMode(name, d.value, d.append)
	}
	if f.set&attrReadonly != 0 {
		sh.writable(name).attrs |= attrReadonly
	}
	return true
}

// assignCompound is an array whose text came out of an expansion.
func (sh *shell) assignCompound(name, text string, appending bool) {
	op := "="
	if appending {
		op = "+="
	}
	if tooDeep(text) {
		sh.fatal(2, "%s", errTooDeep)
	}
	file, err := parseProgram(name + op + text)
	if err == nil && len(file.Stmts) == 1 {
		if c, ok := file.Stmts[0].Cmd.(*syntax.CallExpr); ok && len(c.Assigns) == 1 && c.Assigns[0].Array != nil {
			sh.assignArray(name, c.Assigns[0].Array, appending)
			return
		}
	}
	sh.assignMode(name, text, appending)
}

// attrLetters are the attributes as declare -p shows them.
func (v *variable) attrLetters() string {
	if v == nil {
		return ""
	}
	var b strings.Builder
	if v.kind == indexedArray {
		b.WriteByte('a')
	}
	if v.kind == assocArray {
		b.WriteByte('A')
	}
	for _, a := range [...]struct {
		attr   varAttrs
		letter byte
	}{{attrCapital, 'c'}, {attrInteger, 'i'}, {attrLower, 'l'}, {attrNameref, 'n'}, {attrReadonly, 'r'}, {attrTrace, 't'}, {attrUpper, 'u'}, {attrExport, 'x'}} {
		if v.attrs&a.attr != 0 {
			b.WriteByte(a.letter)
		}
	}
	return b.String()
}

// declaration is the declare command that makes a variable again.
func (sh *shell) declaration(name string, v *variable) string {
	letters := v.attrLetters()
	if letters == "" {
		letters = "-"
	}
	text := "declare -" + letters + " " + name
	switch {
	case v.kind == scalar:
		if v.set {
			text += "=" + quoteDouble(v.str)
		}
	case !v.set && v.count() == 0:
	case v.kind == indexedArray:
		var b strings.Builder
		for i, value := range v.list.vals {
			if i > 0 {
				b.WriteByte(' ')
			}
			b.WriteString("[" + itoa(v.list.index(i)) + "]=" + quoteDouble(value))
		}
		text += "=(" + b.String() + ")"
	default:
		var b strings.Builder
		for _, key := range v.dict.keys() {
			b.WriteString("[" + quoteKey(key) + "]=" + quoteDouble(v.dict.vals[key].value) + " ")
		}
		text += "=(" + b.String() + ")"
	}
	return text
}

// listDeclared lists variables: all of them, or those with given attributes.
func (sh *shell) listDeclared(command string, f declFlags) {
	if (command == "declare" || command == "typeset") && f.set == 0 && !f.array && !f.assoc && !f.print {
		sh.listVariables()
		return
	}
	if command == "local" && sh.posix() {
		return
	}
	for _, name := range sh.sortedNames() {
		v := sh.lookup(name)
		if command == "local" && v.depth != len(sh.frames) {
			continue
		}
		if v.attrs&f.set != f.set || f.array && v.kind != indexedArray || f.assoc && v.kind != assocArray {
			continue
		}
		if sh.posix() || sh.opts.posix {
			sh.put(command + " " + name)
			if v.set {
				if sh.posix() {
					sh.put("=" + quotePOSIX(v.str))
				} else {
					sh.put("=" + quoteDouble(v.str))
				}
			}
			sh.put("\n")
			continue
		}
		sh.put(sh.declaration(name, v) + "\n")
	}
}

// listVariables is `set` without arguments: name=value lines, and functions in bash.
func (sh *shell) listVariables() {
	for _, name := range sh.sortedNames() {
		v := sh.lookup(name)
		switch {
		case v.count() == 0 && !v.set:
		case sh.posix():
			sh.put(name + "=" + quotePOSIX(v.str) + "\n")
		case v.kind == scalar:
			sh.put(name + "=" + quoteSet(v.str) + "\n")
		default:
			_, text, _ := strings.Cut(sh.declaration(name, v), "=")
			sh.put(name + "=" + text + "\n")
		}
	}
	if sh.bash && !sh.opts.posix {
		for _, name := range sh.functionNames() {
			sh.put(name + " () \n" + sh.funcs.byName[name].body() + "\n")
		}
	}
}

func (sh *shell) functionNames() []string {
	names := make([]string, 0, len(sh.funcs.byName))
	for name := range sh.funcs.byName {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (sh *shell) printDeclared(command string, items []declared) int {
	status := 0
	for _, d := range items {
		v := sh.lookup(d.name)
		if v == nil || !validName(d.name) || command == "local" && v.depth != len(sh.frames) {
			sh.errorf("%s: %s: not found", command, d.name)
			status = 1
			continue
		}
		sh.put(sh.declaration(d.name, v) + "\n")
	}
	return status
}

// declareFunctions is declare -f and -F, export -f, readonly -f.
func (sh *shell) declareFunctions(command string, f declFlags, items []declared) int {
	if len(items) == 0 {
		for _, name := range sh.functionNames() {
			if f.fnames {
				sh.put("declare -f " + name + "\n")
			} else {
				sh.put(name + " () \n" + sh.funcs.byName[name].body() + "\n")
			}
		}
		return 0
	}
	status := 0
	for _, d := range items {
		fn := sh.funcs.byName[d.name]
		if fn == nil {
			if command != "declare" && command != "typeset" {
				sh.errorf("%s: %s: not a function", command, d.name)
			}
			status = 1
			continue
		}
		if f.set|f.unset != 0 {
			changed := *fn
			changed.exported = (fn.exported || f.set&attrExport != 0) && f.unset&attrExport == 0
			changed.readonly = fn.readonly || f.set&attrReadonly != 0
			changed.traced = (fn.traced || f.set&attrTrace != 0) && f.unset&attrTrace == 0
			sh.ownFuncs()[d.name] = &changed
			sh.env = nil
			continue
		}
		if extdebug, _, _ := sh.shopt("extdebug"); f.fnames && extdebug {
			file := fn.file
			if file == "" {
				file = "main"
			}
			sh.putf("%s %d %s\n", d.name, fn.line, file)
		} else if f.fnames {
			sh.put(d.name + "\n")
		} else {
			sh.put(d.name + " () \n" + fn.body() + "\n")
		}
	}
	return status
}

// importFunction makes a function of the environment.
func (sh *shell) importFunction(name, text string) {
	if tooDeep(text) {
		return
	}
	file, err := parseProgram(name + " " + text + "\n")
	if err != nil || len(file.Stmts) != 1 {
		return
	}
	if decl, ok := file.Stmts[0].Cmd.(*syntax.FuncDecl); ok {
		sh.ownFuncs()[name] = &function{decl: decl, name: name, exported: true}
	}
}
