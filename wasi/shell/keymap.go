package shell

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

//go:embed readline.txt
var readlineText string

// A binding is what a key sequence does: a function of the editor, text that is typed, or a command of the shell.
type binding struct {
	function string
	macro    string
	command  string
}

// readline is what bash has before any bind: the names of its functions and variables, and its keymaps.
type readline struct {
	functions []string
	variables [][2]string
	keymaps   map[string]map[string]binding // by key sequence, as bytes
}

var readlineDefaults = sync.OnceValue(func() *readline {
	r := &readline{keymaps: make(map[string]map[string]binding)}
	section := ""
	for line := range strings.SplitSeq(strings.TrimSpace(readlineText), "\n") {
		fields := strings.Fields(line)
		switch {
		case line[0] == '#':
		case line[0] == '[':
			section = line[1 : len(line)-1]
		case section == "functions":
			r.functions = append(r.functions, fields...)
		case section == "variables":
			name, value, _ := strings.Cut(line, " ")
			r.variables = append(r.variables, [2]string{name, value})
		default:
			if r.keymaps[section] == nil {
				r.keymaps[section] = make(map[string]binding)
			}
			for _, key := range fields[1:] {
				r.keymaps[section][keySequence(strings.ReplaceAll(key, `\s`, " "))] = binding{function: sameFunction(fields[0])}
			}
		}
	}
	for _, keys := range []string{"emacs", "vi-insert"} {
		for c := ' '; c <= '~'; c++ {
			r.keymaps[keys][string(c)] = binding{function: "self-insert"}
		}
	}
	return r
})

// lineFunctions names the functions that keys can be bound to.
func lineFunctions() []string { return readlineDefaults().functions }

// keymapNames gives the name under which a keymap is kept.
var keymapNames = map[string]string{
	"emacs": "emacs", "emacs-standard": "emacs", "emacs-meta": "emacs", "emacs-ctlx": "emacs",
	"vi": "vi-command", "vi-move": "vi-command", "vi-command": "vi-command", "vi-insert": "vi-insert",
}

// keymap is a keymap with the changes that bind made. Only own keymaps are written to.
func (sh *shell) keymap(name string) map[string]binding {
	if m, ok := sh.keymaps[name]; ok {
		return m
	}
	return readlineDefaults().keymaps[name]
}

// ownKeymap is a copy of a keymap to write to, which the shell has from now on.
func (sh *shell) ownKeymap(name string) map[string]binding {
	all := maps.Clone(sh.keymaps)
	if all == nil {
		all = make(map[string]map[string]binding)
	}
	own := maps.Clone(sh.keymap(name))
	all[name] = own
	sh.keymaps = all
	return own
}

// editingKeymap is the name of the keymap that the options of set choose.
func (sh *shell) editingKeymap() string {
	if sh.opts.vi {
		return "vi-insert"
	}
	return "emacs"
}

// keySequence reads the notation of inputrc: \C-x, \M-x, \e and the escapes of C.
func keySequence(text string) string {
	var out []byte
	for i := 0; i < len(text); {
		var control, meta bool
		for strings.HasPrefix(text[i:], `\C-`) || strings.HasPrefix(text[i:], `\M-`) {
			control, meta = control || text[i+1] == 'C', meta || text[i+1] == 'M'
			i += 3
		}
		if i >= len(text) {
			break
		}
		c := text[i]
		i++
		if c == '\\' && i < len(text) {
			c = text[i]
			i++
			if at := strings.IndexByte("abdefnrtv", c); at >= 0 {
				c = "\a\b\x7f\x1b\f\n\r\t\v"[at]
			} else if c >= '0' && c <= '7' {
				n, used := digitsOf(text[i-1:], 8, 3)
				c = byte(n)
				i += used - 1
			} else if c == 'x' {
				n, used := digitsOf(text[i:], 16, 2)
				c = byte(n)
				i += used
			}
		}
		if control {
			if c == '?' {
				c = 0x7f
			} else {
				c &= 0x1f
			}
		}
		if meta {
			out = append(out, 0x1b)
		}
		out = append(out, c)
	}
	return string(out)
}

// keyText writes a key sequence as bind prints it.
func (sh *shell) keyText(keys string) string {
	var b strings.Builder
	for i := 0; i < len(keys); i++ {
		switch c := keys[i]; {
		case c == 0x1b && sh.utf8:
			b.WriteString(`\e`)
		case c == 0x1b:
			b.WriteString(`\M-`)
		case c == 0 && i > 0:
			b.WriteString(`\000`)
		case c == 0x7f:
			b.WriteString(`\C-?`)
		case c < ' ':
			b.WriteString(`\C-` + strings.ToLower(string(c|0x40)))
		case c == '"' || c == '\\':
			b.WriteString(`\` + string(c))
		case c >= 0x80:
			fmt.Fprintf(&b, `\%03o`, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// sameFunction is the name that a function has in the keymaps.
func sameFunction(name string) string {
	if name == "insert-last-argument" {
		return "yank-last-arg"
	}
	return name
}

// functionKeys lists the key sequences that a function has, in order.
func (sh *shell) functionKeys(keymap, function string) []string {
	function = sameFunction(function)
	return sh.keysOf(keymap, func(b binding) bool { return b.function == function })
}

// keysOf lists the key sequences that a choice of bindings has, in order.
func (sh *shell) keysOf(keymap string, choose func(binding) bool) []string {
	var keys []string
	for key, b := range sh.keymap(keymap) {
		if choose(b) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}
