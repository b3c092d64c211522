package shell

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// assign gives a variable a value, as name=value does. It ends the command if the variable is readonly.
func (sh *shell) assign(name, value string) { sh.assignMode(name, value, false) }

func (sh *shell) assignMode(name, value string, appending bool) {
	if v := sh.vars.vars[name]; v != nil {
		if v.attrs&attrNameref != 0 && v.str != "" {
			target, sub, ok := sh.followRef(name)
			if !ok {
				return
			}
			if sub != "" {
				sh.assignElement(target, sub, value, appending)
				return
			}
			name = target
			v = sh.vars.vars[name]
		}
		if v != nil {
			if v.attrs&attrReadonly != 0 {
				sh.readonlyError(name)
			}
			if v.kind == indexedArray || v.kind == assocArray {
				sh.assignElement(name, "0", value, appending)
				return
			}
			if v.dynamic {
				sh.assignDynamic(name, value)
				return
			}
			if appending {
				value = sh.appended(v, v.str, value)
			} else if v.attrs&(attrInteger|attrLower|attrUpper|attrCapital) != 0 {
				value = sh.converted(v.attrs, value)
			}
		}
	}
	v := sh.writable(name)
	if v.attrs&attrExport != 0 {
		sh.env = nil
	} else if sh.opts.allexport {
		v.attrs |= attrExport
		sh.env = nil
	}
	if sh.grown += len(value) - len(v.str); sh.grown > maxVariableBytes {
		sh.fatal(2, "%s: variables take more than %d bytes", name, maxVariableBytes)
	}
	v.str, v.set = value, true
	sh.changed(name)
}

// maxVariableBytes bounds what the scalar variables of one shell hold together.
const maxVariableBytes = 1 << 30

// readonlyError ends the command, or a POSIX shell.
func (sh *shell) readonlyError(name string) {
	if sh.posix() {
		sh.fatal(2, "%s: is read only", name)
	}
	if sh.opts.posix {
		sh.fatal(1, "%s: readonly variable", name)
	}
	sh.fail(1, "%s: readonly variable", name)
}

// appended is the value after +=.
func (sh *shell) appended(v *variable, old, value string) string {
	if v.attrs&attrInteger != 0 {
		return strconv.FormatInt(sh.arith(old)+sh.arith(value), 10)
	}
	return old + sh.converted(v.attrs, value)
}

// converted applies the attributes that change a value.
func (sh *shell) converted(attrs varAttrs, value string) string {
	switch {
	case attrs&attrInteger != 0:
		return strconv.FormatInt(sh.arith(value), 10)
	case attrs&attrLower != 0:
		return strings.ToLower(value)
	case attrs&attrUpper != 0:
		return strings.ToUpper(value)
	case attrs&attrCapital != 0 && value != "":
		r, size := utf8.DecodeRuneInString(value)
		return string(unicode.ToUpper(r)) + strings.ToLower(value[size:])
	}
	return value
}

// arrayIndex evaluates the subscript of an indexed array that may be negative.
func (sh *shell) arrayIndex(name string, v *variable, sub string) (int64, bool) {
	i := sh.arith(sub)
	if i < 0 {
		var end int64
		if v != nil {
			if v.kind == indexedArray {
				end = v.list.end()
			} else if v.set {
				end = 1
			}
		}
		i += end
	}
	return i, i >= 0
}

// assignElement is name[sub]=value.
func (sh *shell) assignElement(name, sub, value string, appending bool) {
	if target, refSub, ok := sh.followRef(name); ok && refSub == "" {
		name = target
	}
	v := sh.vars.vars[name]
	if v != nil && v.attrs&attrReadonly != 0 {
		sh.readonlyError(name)
	}
	if v != nil && v.kind == assocArray {
		v = sh.writable(name)
		if appending {
			value = sh.appended(v, v.dict.vals[sub].value, value)
		} else {
			value = sh.converted(v.attrs, value)
		}
		v.dict.put(sub, value)
		v.set = true
		sh.grow(name, len(sub)+len(value))
		return
	}
	if v != nil && v.dynamic {
		sh.assignDynamic(name, value)
		return
	}
	i, ok := sh.arrayIndex(name, v, sub)
	if !ok {
		sh.fail(1, "%s[%s]: bad array subscript", name, sub)
	}
	v = sh.writable(name)
	v.toIndexed()
	old, _ := v.list.get(i)
	if appending {
		value = sh.appended(v, old, value)
	} else {
		value = sh.converted(v.attrs, value)
	}
	v.list.put(i, value)
	v.set = true
	sh.grow(name, len(value)+16-len(old))
	sh.changed(name)
}

// assignNamed assigns to a variable or an element that text names, as read and printf -v do.
func (sh *shell) assignNamed(name, value string) {
	if base, sub, isElement := splitSubscript(name); isElement {
		sh.assignElement(base, sh.writtenSubscript(sh.refTarget(base), sub), value, false)
	} else {
		sh.assign(name, value)
	}
}

// grow counts bytes that arrays take.
func (sh *shell) grow(name string, n int) {
	if sh.grown += n; sh.grown > maxVariableBytes {
		sh.fatal(2, "%s: variables take more than %d bytes", name, maxVariableBytes)
	}
}

// toIndexed makes an indexed array of a scalar.
func (v *variable) toIndexed() {
	if v.kind != scalar {
		return
	}
	v.kind = indexedArray
	v.list = indexed{}
	if v.set {
		v.list.put(0, v.str)
	}
	v.str = ""
}

func (v *variable) toAssoc() {
	if v.kind == assocArray {
		return
	}
	dict := newAssoc()
	if v.kind == scalar && v.set {
		dict.put("0", v.str)
	}
	v.kind, v.dict, v.str, v.list = assocArray, dict, "", indexed{}
}

// setList makes name an indexed array of these values, in place of what it was.
func (sh *shell) setList(name string, values []string) {
	if target, _, ok := sh.followRef(name); ok {
		name = target
	}
	if v := sh.vars.vars[name]; v != nil && v.attrs&attrReadonly != 0 {
		sh.readonlyError(name)
	}
	v := sh.writable(name)
	v.kind, v.str, v.dict, v.dynamic, v.set = indexedArray, "", nil, false, true
	v.list = indexed{vals: values}
	for _, value := range values {
		sh.grow(name, len(value))
	}
	sh.changed(name)
}

// getElement is ${name[sub]}.
func (sh *shell) getElement(name, sub string) (string, bool) {
	if target, refSub, ok := sh.followRef(name); ok && refSub == "" {
		name = target
	}
	v := sh.lookup(name)
	if v != nil && v.kind == assocArray {
		e, ok := v.dict.vals[sub]
		return e.value, ok
	}
	if sub == "@" || sub == "*" {
		return strings.Join(v.elements(), " "), v.count() > 0
	}
	i, ok := sh.arrayIndex(name, v, sub)
	if !ok {
		sh.errorf("%s: bad array subscript", name)
		return "", false
	}
	switch {
	case v == nil:
		return "", false
	case v.kind == indexedArray:
		return v.list.get(i)
	}
	return v.str, v.set && i == 0
}

// unset removes a variable; not ok if it is readonly.
func (sh *shell) unset(name string) bool {
	v := sh.vars.vars[name]
	if v == nil {
		return true
	}
	if v.attrs&attrReadonly != 0 {
		return false
	}
	if v.attrs&attrExport != 0 {
		sh.env = nil
	}
	t := sh.own()
	switch {
	case v.temp && v.depth > 0 && sh.bash:
		sh.revealSaved(name, v.depth)
	case v.depth > 0 && (v.depth == len(sh.frames) || sh.posix()):
		// A local of the running function stays local without a value.
		t.vars[name] = &variable{depth: v.depth, owner: t, gen: t.gen.Load()}
	case v.depth > 0:
		sh.revealSaved(name, v.depth)
	default:
		delete(t.vars, name)
	}
	sh.changed(name)
	return true
}

// unsetElement removes one element.
func (sh *shell) unsetElement(name, sub string) bool {
	if target, refSub, ok := sh.followRef(name); ok && refSub == "" {
		name = target
	}
	v := sh.vars.vars[name]
	if v == nil {
		return true
	}
	if v.attrs&attrReadonly != 0 {
		return false
	}
	if v.kind == assocArray {
		delete(sh.writable(name).dict.vals, sub)
		return true
	}
	if sub == "@" || sub == "*" {
		if v.kind == indexedArray && !v.dynamic {
			v = sh.writable(name)
			v.list, v.set = indexed{}, true
			return true
		}
		return sh.unset(name)
	}
	i, ok := sh.arrayIndex(name, v, sub)
	if !ok {
		sh.errorf("unset: [%s]: bad array subscript", sub)
		return false
	}
	if v.kind == scalar {
		if i == 0 {
			return sh.unset(name)
		}
		sh.errorf("unset: %s: not an array variable", name)
		return false
	}
	sh.writable(name).list.remove(i)
	return true
}

// changed lets the shell take note of variables that steer it.
func (sh *shell) changed(name string) {
	switch name[0] {
	case 'H':
		if name == "HISTSIZE" {
			sh.history.shrink(sh.sizeVariable(name))
		} else if name == "HISTFILESIZE" {
			sh.truncateHistory()
		}
	case 'I':
		if name == "IFS" {
			sh.loadIFS()
		}
	case 'L':
		if name == "LANG" || name == "LC_ALL" || name == "LC_CTYPE" {
			sh.loadLocale()
		}
	case 'O':
		if name == "OPTIND" {
			sh.getopt = getoptState{}
		}
	case 'P':
		if name == "PATH" {
			clear(sh.hashed)
		}
	}
}

// loadLocale takes the character set from LC_ALL, LC_CTYPE or LANG.
func (sh *shell) loadLocale() {
	locale := ""
	for _, name := range [...]string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if locale = sh.getOr(name, ""); locale != "" {
			break
		}
	}
	upper := strings.ToUpper(locale)
	// dash and Debian's busybox count bytes in every locale.
	sh.utf8 = sh.bash && (strings.HasSuffix(upper, "UTF-8") || strings.HasSuffix(upper, "UTF8"))
}

// environ is the environment for a program: the exported variables that have a value.
func (sh *shell) environ() []string {
	if sh.env == nil {
		env := make([]string, 0, 16)
		for name, v := range sh.vars.vars {
			if v.attrs&attrExport == 0 {
				continue
			}
			if v.dynamic {
				v = sh.dynamicVar(name, v)
			}
			if v.kind != scalar || !v.set {
				continue
			}
			env = append(env, name+"="+v.str)
		}
		for name, f := range sh.funcs.byName {
			if f.exported {
				env = append(env, "BASH_FUNC_"+name+"%%="+f.text())
			}
		}
		sh.env = append(env, sh.strayEnv...)
	}
	return sh.env
}

// export marks a variable for the environment.
func (sh *shell) export(name string) {
	sh.writable(name).attrs |= attrExport
	sh.env = nil
}
