package shell

import (
	"strings"
)

// bind shows and changes what keys do.
func (sh *shell) bind(args []string) int {
	if !sh.interactive {
		sh.writeError(sh.where() + "bind: warning: line editing not enabled\n")
	}
	opts, rest, status := sh.optionsOf(args, "lpsvPSVX", "mfqurx")
	if status != 0 {
		return status
	}
	keymap := sh.editingKeymap()
	if name, ok := opts['m']; ok {
		if keymap = keymapNames[name]; keymap == "" {
			sh.errorf("bind: `%s': invalid keymap name", name)
			return 1
		}
	}
	for _, letter := range []byte("lpPsSvVX") {
		if _, ok := opts[letter]; ok {
			sh.showBindings(letter, keymap)
		}
	}
	if file, ok := opts['f']; ok {
		data, err := sh.p.Files().ReadFile(file)
		if err != nil {
			sh.errorf("bind: %s: cannot read: %s", file, errorText(err))
			return 1
		}
		for line := range strings.SplitSeq(string(data), "\n") {
			if line = strings.TrimSpace(line); line != "" && line[0] != '#' && line[0] != '$' {
				sh.bindLine(keymap, line)
			}
		}
	}
	for _, letter := range []byte("qu") {
		if name, ok := opts[letter]; ok {
			if !sh.knownFunction(name) {
				sh.errorf("bind: `%s': unknown function name", name)
				return 1
			}
			if letter == 'q' {
				return sh.queryBinding(keymap, name)
			}
			own := sh.ownKeymap(keymap)
			for _, key := range sh.functionKeys(keymap, name) {
				delete(own, key)
			}
		}
	}
	if keys, ok := opts['r']; ok {
		delete(sh.ownKeymap(keymap), keySequence(keys))
	}
	if line, ok := opts['x']; ok {
		keys, command, ok := quotedKeys(line)
		if !ok {
			sh.errorf("bind: %s: missing colon separator", line)
			return 1
		}
		sh.ownKeymap(keymap)[keys] = binding{command: unquoted(strings.TrimSpace(command))}
	}
	for _, line := range rest {
		sh.bindLine(keymap, line)
	}
	return 0
}

func (sh *shell) knownFunction(name string) bool {
	for _, f := range lineFunctions() {
		if f == name {
			return true
		}
	}
	return false
}

// quotedKeys parts `"keys": what` and gives the sequence as bytes.
func quotedKeys(line string) (keys, rest string, ok bool) {
	if !strings.HasPrefix(line, `"`) {
		return "", "", false
	}
	for i := 1; i < len(line); i++ {
		switch line[i] {
		case '\\':
			i++
		case '"':
			after := strings.TrimLeft(line[i+1:], " \t")
			rest, ok = strings.CutPrefix(after, ":")
			return keySequence(line[1:i]), rest, ok
		}
	}
	return "", "", false
}

// unquoted takes the quotes off a command or a macro.
func unquoted(text string) string {
	if len(text) > 1 && (text[0] == '"' || text[0] == '\'') && text[len(text)-1] == text[0] {
		return strings.ReplaceAll(text[1:len(text)-1], `\`+text[:1], text[:1])
	}
	return text
}

// namedKey reads `Control-Meta-x` and the like.
func namedKey(name string) (string, bool) {
	prefix := ""
	for {
		lower := strings.ToLower(name)
		switch {
		case strings.HasPrefix(lower, "control-"), strings.HasPrefix(lower, "ctrl-"):
			prefix += `\C-`
		case strings.HasPrefix(lower, "meta-"):
			prefix += `\M-`
		case strings.HasPrefix(lower, "c-") && len(name) > 2:
			prefix += `\C-`
		case strings.HasPrefix(lower, "m-") && len(name) > 2:
			prefix += `\M-`
		default:
			for long, key := range map[string]string{"del": `\d`, "rubout": `\d`, "esc": `\e`, "escape": `\e`, "newline": `\n`, "lfd": `\n`, "return": `\r`, "ret": `\r`, "space": " ", "spc": " ", "tab": `\t`} {
				if lower == long {
					return keySequence(prefix + key), true
				}
			}
			return keySequence(prefix + name), len(name) == 1
		}
		name = name[strings.IndexByte(name, '-')+1:]
	}
}

// bindLine does what a line of an inputrc says.
func (sh *shell) bindLine(keymap, line string) {
	if rest, ok := strings.CutPrefix(line, "set "); ok {
		name, value, _ := strings.Cut(strings.TrimSpace(rest), " ")
		sh.setLineVariable(name, strings.TrimSpace(value))
		return
	}
	keys, what, ok := quotedKeys(line)
	if !ok {
		name, function, found := strings.Cut(line, ":")
		if !found {
			sh.writeError("readline: " + line + ": no key sequence terminator\n")
			return
		}
		if strings.HasPrefix(name, `\`) {
			keys, ok = keySequence(name), true
		} else {
			keys, ok = namedKey(strings.TrimSpace(name))
		}
		if what = function; !ok {
			return
		}
	}
	what = strings.TrimSpace(what)
	switch {
	case what != "" && (what[0] == '"' || what[0] == '\''):
		sh.ownKeymap(keymap)[keys] = binding{macro: keySequence(unquoted(what))}
	case sh.knownFunction(what):
		sh.ownKeymap(keymap)[keys] = binding{function: sameFunction(what)}
	default:
		delete(sh.ownKeymap(keymap), keys)
	}
}

func (sh *shell) setLineVariable(name, value string) {
	variables := sh.lineVariables()
	for i, v := range variables {
		if v[0] == name {
			changed := append([][2]string(nil), variables...)
			if value == "" && (v[1] == "on" || v[1] == "off") {
				value = "on"
			}
			changed[i][1] = value
			sh.readlineVariables = changed
			return
		}
	}
	sh.writeError("readline: " + name + ": unknown variable name\n")
}

func (sh *shell) lineVariables() [][2]string {
	if sh.readlineVariables != nil {
		return sh.readlineVariables
	}
	return readlineDefaults().variables
}

// queryBinding is bind -q.
func (sh *shell) queryBinding(keymap, function string) int {
	keys := sh.functionKeys(keymap, function)
	if len(keys) == 0 {
		sh.put(function + " is not bound to any keys.\n")
		return 1
	}
	sh.put(function + " can be invoked via " + sh.keyList(keys) + "\n")
	return 0
}

// keyList writes up to five key sequences.
func (sh *shell) keyList(keys []string) string {
	var shown []string
	for _, key := range keys[:min(len(keys), 5)] {
		shown = append(shown, `"`+sh.keyText(key)+`"`)
	}
	if len(keys) > 5 {
		return strings.Join(shown, ", ") + ", ..."
	}
	return strings.Join(shown, ", ") + "."
}

// showBindings is bind -l, -p, -P, -s, -S, -v, -V and -X.
func (sh *shell) showBindings(letter byte, keymap string) {
	switch letter {
	case 'l':
		sh.put(strings.Join(lineFunctions(), "\n") + "\n")
	case 'p', 'P':
		sh.put("\n")
		for _, name := range lineFunctions() {
			keys := sh.functionKeys(keymap, name)
			switch {
			case letter == 'P' && len(keys) == 0:
				sh.put(name + " is not bound to any keys\n")
			case letter == 'P':
				sh.put(name + " can be found on " + sh.keyList(keys) + "\n")
			case len(keys) == 0:
				sh.put("# " + name + " (not bound)\n")
			}
			if letter == 'p' {
				for _, key := range keys {
					sh.put(`"` + sh.keyText(key) + `": ` + name + "\n")
				}
			}
		}
	case 's', 'S':
		for _, key := range sh.keysOf(keymap, func(b binding) bool { return b.macro != "" }) {
			macro := sh.keyText(sh.keymap(keymap)[key].macro)
			if letter == 's' {
				sh.put(`"` + sh.keyText(key) + `": "` + macro + "\"\n")
			} else {
				sh.put(sh.keyText(key) + " outputs " + macro + "\n")
			}
		}
	case 'X':
		for _, key := range sh.keysOf(keymap, func(b binding) bool { return b.command != "" }) {
			sh.put(`"` + sh.keyText(key) + `": "` + strings.ReplaceAll(sh.keymap(keymap)[key].command, `"`, `\"`) + "\"\n")
		}
	default:
		for _, v := range sh.lineVariables() {
			value := v[1]
			if sh.opts.vi && v[0] == "editing-mode" {
				value = "vi"
			} else if sh.opts.vi && v[0] == "keymap" {
				value = "vi-insert"
			} else if !sh.utf8 && v[0] == "convert-meta" {
				value = "on"
			}
			if letter == 'v' {
				sh.put("set " + v[0] + " " + value + "\n")
			} else {
				sh.put(v[0] + " is set to `" + value + "'\n")
			}
		}
	}
}
