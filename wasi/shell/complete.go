package shell

import (
	"slices"
	"strings"
)

// candidates lists what a word may be completed to.
func (sh *shell) candidates(word string, command bool) []string {
	var names []string
	if rest, ok := strings.CutPrefix(word, "$"); ok {
		for _, name := range sh.sortedNames() {
			if strings.HasPrefix(name, rest) {
				names = append(names, "$"+name)
			}
		}
		return names
	}
	if command && !strings.Contains(word, "/") {
		names = append(sh.commandNames(word), sh.fileNames(word, true)...)
	} else {
		names = sh.fileNames(word, false)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// commandNames lists builtins, functions, aliases, keywords and programs that begin with a prefix.
func (sh *shell) commandNames(prefix string) []string {
	var names []string
	add := func(name string) {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	list := posixBuiltins
	if sh.bash {
		list = bashBuiltins
	}
	for _, name := range strings.Fields(list) {
		add(name)
	}
	for name := range sh.funcs.byName {
		add(name)
	}
	for name := range sh.aliases {
		add(name)
	}
	for _, name := range strings.Fields("if then else elif fi case esac for while until do done in") {
		add(name)
	}
	for dir := range strings.SplitSeq(sh.getOr("PATH", ""), ":") {
		entries, err := sh.p.Files().ReadDir(orDot(dir))
		if err != nil {
			continue
		}
		for _, e := range entries {
			add(e.Name())
		}
	}
	return names
}

// fileNames lists files that begin with a prefix, directories with a slash after them.
func (sh *shell) fileNames(prefix string, onlyDirs bool) []string {
	dir, base := "", prefix
	if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
		dir, base = prefix[:i+1], prefix[i+1:]
	}
	real := dir
	if strings.HasPrefix(dir, "~/") {
		real = sh.getOr("HOME", "") + dir[1:]
	}
	entries, err := sh.p.Files().ReadDir(orDot(real))
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		name := e.Name()
		if !strings.HasPrefix(name, base) || name[0] == '.' && base == "" {
			continue
		}
		info, err := sh.p.Files().Stat(real + name)
		if err == nil && info.IsDir() {
			names = append(names, dir+name+"/")
		} else if !onlyDirs {
			names = append(names, dir+name)
		}
	}
	return names
}

// compgen lists completions.
func (sh *shell) compgen(args []string) int {
	opts, rest, status := sh.optionsOf(args, "abcdefjkv", "AW")
	if status != 0 {
		return status
	}
	prefix := ""
	if len(rest) > 0 {
		prefix = rest[0]
	}
	var names []string
	for _, kind := range []byte("abcdefkvAW") {
		text, ok := opts[kind]
		if !ok {
			continue
		}
		if kind == 'A' {
			kind = map[string]byte{"alias": 'a', "builtin": 'b', "command": 'c', "directory": 'd', "file": 'f', "keyword": 'k', "variable": 'v', "function": 'F'}[text]
		}
		names = append(names, sh.generate(kind, text, prefix)...)
	}
	for _, name := range names {
		sh.put(strings.TrimSuffix(name, "/") + "\n")
	}
	return int(truth(len(names) == 0))
}

func (sh *shell) generate(kind byte, words, prefix string) []string {
	var all []string
	switch kind {
	case 'a':
		for name := range sh.aliases {
			all = append(all, name)
		}
	case 'b':
		all = strings.Fields(bashBuiltins)
	case 'c':
		all = sh.commandNames(prefix)
	case 'd':
		return sh.fileNames(prefix, true)
	case 'e', 'v':
		all = sh.sortedNames()
	case 'f':
		return sh.fileNames(prefix, false)
	case 'F':
		all = sh.functionNames()
	case 'k':
		all = strings.Fields("if then else elif fi case esac for select while until do done in function time { } ! [[ ]] coproc")
	case 'W':
		b := fieldBuilder{sh: sh, split: true, noGlob: true}
		b.addExpanded(words)
		b.end()
		all = b.fields
	}
	if kind != 'W' {
		slices.Sort(all)
	}
	return slices.DeleteFunc(all, func(name string) bool { return !strings.HasPrefix(name, prefix) })
}

// completeBuiltin accepts what completion scripts declare: this shell completes names only.
func (sh *shell) completeBuiltin(args []string) int {
	sh.errorf("%s: programmable completion is not supported", args[0])
	return 1
}
