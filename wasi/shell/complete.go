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

// commandNames lists aliases, keywords, functions, builtins and programs that begin with a prefix.
func (sh *shell) commandNames(prefix string) []string {
	var names []string
	add := func(name string) {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	for _, kind := range []string{"alias", "keyword", "function"} {
		for _, name := range sh.namesOfKind(kind) {
			add(name)
		}
	}
	builtins := strings.Fields(bashBuiltins)
	if sh.posix() {
		builtins = strings.Fields(posixBuiltins)
	}
	for _, name := range builtins {
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
		if !strings.HasPrefix(name, base) {
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
