package shell

import (
	"slices"
	"strings"
)

func (sh *shell) set(args []string) int {
	args = args[1:]
	if len(args) == 0 {
		sh.listVariables()
		return 0
	}
	if sh.bash {
		// Nothing is set if one of the options is wrong.
		for i := 0; i < len(args) && len(args[i]) > 1 && (args[i][0] == '-' || args[i][0] == '+') && args[i] != "--"; i++ {
			for j := 1; j < len(args[i]); j++ {
				if c := args[i][j]; c != 'o' && sh.findOption("", c) == nil {
					return sh.badOption("set", args[i][:1]+string(c))
				}
			}
			i += strings.Count(args[i], "o")
		}
	}
	for len(args) > 0 {
		a := args[0]
		if a == "--" {
			sh.setParams(args[1:])
			return 0
		}
		if a == "+" {
			args = args[1:]
			continue
		}
		if a == "-" {
			sh.opts.xtrace, sh.opts.verbose = false, false
			if len(args) > 1 {
				sh.setParams(args[1:])
			}
			return 0
		}
		if len(a) < 2 || a[0] != '-' && a[0] != '+' {
			break
		}
		args = args[1:]
		on := a[0] == '-'
		for i := 1; i < len(a); i++ {
			if a[i] == 'o' {
				if len(args) == 0 {
					sh.listOptions(on)
					return 0
				}
				name := args[0]
				args = args[1:]
				value := sh.findOption(name, 0)
				if value == nil {
					if sh.posix() {
						return sh.misuse(2, "set: Illegal option -o %s", name)
					}
					sh.errorf("set: %s: invalid option name", name)
					return 2
				}
				*value = on
				sh.optionChanged(name, on)
				continue
			}
			value := sh.findOption("", a[i])
			if value == nil {
				return sh.badOption("set", a[:1]+string(a[i]))
			}
			*value = on
			if a[i] == 'm' {
				sh.optionChanged("monitor", on)
			} else if a[i] == 'a' {
				sh.optionChanged("allexport", on)
			}
		}
	}
	if len(args) > 0 {
		sh.setParams(args)
	}
	return 0
}

func (sh *shell) setParams(params []string) {
	sh.params = params
	sh.paramsSet = true
	if sh.posix() {
		sh.assign("OPTIND", "1")
		sh.getopt = getoptState{}
	}
}

// listOptions is `set -o`, or `set +o` as commands.
func (sh *shell) listOptions(table bool) {
	if sh.posix() {
		if table {
			sh.put("Current option settings\n")
		}
		for _, name := range posixOptions {
			value := name == "interactive" && sh.interactive || name == "stdin" && sh.fromStdin
			if p := sh.findOption(name, 0); p != nil {
				value = *p
			}
			sh.printOption(name, value, table)
		}
		return
	}
	for _, o := range sh.opts.list() {
		sh.printOption(o.name, *o.value, table)
	}
}

func (sh *shell) printOption(name string, value, table bool) {
	switch {
	case !table && value:
		sh.put("set -o " + name + "\n")
	case !table:
		sh.put("set +o " + name + "\n")
	case sh.posix():
		sh.putf("%-16s%s\n", name, onOff(value))
	default:
		sh.putf("%-15s\t%s\n", name, onOff(value))
	}
}

func (sh *shell) shoptBuiltin(args []string) int {
	opts, names, status := sh.optionsOf(args, "pqsuo", "")
	if status != 0 {
		return status
	}
	_, enable := opts['s']
	_, disable := opts['u']
	_, quiet := opts['q']
	_, asCommands := opts['p']
	_, ofSet := opts['o']
	if enable && disable {
		sh.errorf("shopt: cannot set and unset shell options simultaneously")
		return 1
	}
	find := func(name string) (bool, func(bool), bool) {
		if ofSet {
			p := sh.findOption(name, 0)
			if p == nil {
				return false, nil, false
			}
			return *p, func(on bool) { *p = on; sh.optionChanged(name, on) }, true
		}
		return sh.shopt(name)
	}
	show := func(name string, on bool) {
		switch {
		case quiet:
		case asCommands && ofSet:
			sh.printOption(name, on, false)
		case asCommands && on:
			sh.put("shopt -s " + name + "\n")
		case asCommands:
			sh.put("shopt -u " + name + "\n")
		default:
			sh.putf("%-15s\t%s\n", name, onOff(on))
		}
	}
	if len(names) == 0 {
		all := shoptNames()
		if ofSet {
			all = nil
			for _, o := range sh.opts.list() {
				all = append(all, o.name)
			}
		}
		for _, name := range all {
			on, _, _ := find(name)
			if (!enable || on) && (!disable || !on) {
				show(name, on)
			}
		}
		return 0
	}
	for _, name := range names {
		on, set, ok := find(name)
		switch {
		case !ok && ofSet:
			sh.errorf("shopt: %s: invalid option name", name)
			status = 1
		case !ok:
			sh.errorf("shopt: %s: invalid shell option name", name)
			status = 1
		case enable || disable:
			set(enable)
		default:
			show(name, on)
			if !on {
				status = 1
			}
		}
	}
	return status
}

func (sh *shell) unsetBuiltin(args []string) int {
	opts, names, status := sh.optionsOf(args, "fvn", "")
	if status != 0 {
		return status
	}
	_, onlyFuncs := opts['f']
	_, onlyVars := opts['v']
	_, refs := opts['n']
	for _, name := range names {
		base, sub, isElement := splitSubscript(name)
		switch {
		case onlyFuncs:
			status = max(status, sh.unsetFunction(name))
			continue
		case isElement && sh.bash:
			if target := sh.refTarget(base); !sh.unsetElement(target, sh.writtenSubscript(target, sub)) {
				status = 1
			}
			continue
		case !validName(name) && sh.bash && !onlyVars:
			continue
		case !validName(name):
			if sh.posix() {
				return sh.misuse(2, "unset: %s: bad variable name", name)
			}
			sh.errorf("unset: `%s': not a valid identifier", name)
			status = 1
			continue
		}
		if !refs {
			if target, targetSub, ok := sh.followRef(name); ok {
				if targetSub != "" {
					sh.unsetElement(target, targetSub)
					continue
				}
				name = target
			}
		}
		if sh.vars.vars[name] == nil && !onlyVars && sh.bash {
			status = max(status, sh.unsetFunction(name))
			continue
		}
		if !sh.unset(name) {
			if sh.posix() {
				return sh.misuse(2, "unset: %s: is read only", name)
			}
			sh.errorf("unset: %s: cannot unset: readonly variable", name)
			status = 1
		}
	}
	return status
}

// writtenSubscript expands a subscript that arrives as text: unset 'A[$k]', the value of a nameref.
func (sh *shell) writtenSubscript(name, sub string) string {
	switch v := sh.vars.vars[name]; {
	case v != nil && v.kind == assocArray && strings.ContainsAny(sub, "'\"$\\"):
		b := fieldBuilder{sh: sh}
		b.parts(sh.parseWord(sub), false)
		return string(b.buf)
	case strings.ContainsAny(sub, "$`\"") && (v == nil || v.kind != assocArray):
		b := fieldBuilder{sh: sh}
		b.parts(sh.parseText(strings.ReplaceAll(sub, `"`, "")), true)
		return string(b.buf)
	}
	return sub
}

func (sh *shell) unsetFunction(name string) int {
	f := sh.funcs.byName[name]
	if f == nil {
		return 0
	}
	if f.readonly {
		sh.errorf("unset: %s: cannot unset: readonly function", name)
		return 1
	}
	delete(sh.ownFuncs(), name)
	return 0
}

// declareBuiltin is a declaration command whose name came out of an expansion, or after `command` and `builtin`.
func (sh *shell) declareBuiltin(args []string) int {
	var opts []string
	rest := args[1:]
	for len(rest) > 0 && len(rest[0]) > 1 && (rest[0][0] == '-' || rest[0][0] == '+') {
		opts = append(opts, rest[0])
		rest = rest[1:]
		if slices.Contains(opts, "--") {
			break
		}
	}
	items := make([]declared, 0, len(rest))
	for _, w := range rest {
		items = append(items, sh.parseDeclared(w))
	}
	status := sh.declare(args[0], opts, items)
	if status != 0 && sh.posix() {
		sh.builtinError = true
		return 2
	}
	return status
}

func (sh *shell) alias(args []string) int {
	rest := skipDashes(args[1:])
	if len(rest) > 0 && rest[0] == "-p" {
		rest = rest[1:]
	}
	show := func(name string) {
		value := sh.aliases[name]
		if sh.posix() {
			sh.put(name + "=" + quotePOSIX(value) + "\n")
		} else {
			sh.put("alias " + name + "='" + strings.ReplaceAll(value, "'", `'\''`) + "'\n")
		}
	}
	if len(rest) == 0 {
		names := make([]string, 0, len(sh.aliases))
		for name := range sh.aliases {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			show(name)
		}
		return 0
	}
	status := 0
	for _, a := range rest {
		if name, value, ok := strings.Cut(a, "="); ok && name != "" {
			sh.aliases[name] = value
		} else if _, known := sh.aliases[a]; known {
			show(a)
		} else {
			if sh.posix() {
				sh.writeError("alias: " + a + " not found\n")
			} else {
				sh.errorf("alias: %s: not found", a)
			}
			status = 1
		}
	}
	return status
}

func (sh *shell) unalias(args []string) int {
	opts, names, status := sh.optionsOf(args, "a", "")
	if status != 0 {
		return status
	}
	if _, all := opts['a']; all {
		clear(sh.aliases)
		return 0
	}
	if len(names) == 0 && sh.bash {
		sh.writeError(usageOf("unalias"))
		return 2
	}
	for _, name := range names {
		if _, known := sh.aliases[name]; !known {
			if sh.posix() {
				sh.writeError("unalias: " + name + " not found\n")
			} else {
				sh.errorf("unalias: %s: not found", name)
			}
			status = 1
		}
		delete(sh.aliases, name)
	}
	return status
}

func (sh *shell) enable(args []string) int {
	opts, names, status := sh.optionsOf(args, "anps", "f")
	if status != 0 {
		return status
	}
	if _, ok := opts['f']; ok {
		sh.errorf("enable: loadable builtins are not supported")
		return 1
	}
	_, off := opts['n']
	_, all := opts['a']
	if len(names) == 0 {
		list := strings.Fields(bashBuiltins)
		slices.Sort(list)
		for _, name := range list {
			disabled := sh.disabled[name]
			if builtinFor(name) == nil || name == "[[" || disabled != off && !all {
				continue
			}
			if disabled {
				sh.put("enable -n " + name + "\n")
			} else {
				sh.put("enable " + name + "\n")
			}
		}
		return 0
	}
	for _, name := range names {
		if builtinFor(name) == nil {
			sh.errorf("enable: %s: not a shell builtin", name)
			status = 1
			continue
		}
		disabled := map[string]bool{}
		for k, v := range sh.disabled {
			disabled[k] = v
		}
		disabled[name] = off
		sh.disabled = disabled
	}
	return status
}
