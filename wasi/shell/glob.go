package shell

import (
	"io/fs"
	"slices"
	"strings"
)

// glob expands the pattern that the builder holds as file names.
func (b *fieldBuilder) glob() {
	sh := b.sh
	pattern := b.pattern()
	names := sh.glob(pattern)
	if len(names) > 0 {
		b.fields = append(b.fields, names...)
		return
	}
	switch {
	case sh.shopts.failglob:
		sh.fail(1, "no match: %s", string(b.buf))
	case sh.shopts.nullglob:
	default:
		b.fields = append(b.fields, string(b.buf))
	}
}

// glob lists the paths that match a pattern, sorted.
func (sh *shell) glob(pattern string) []string {
	g := globber{sh: sh, mode: patternMode{ext: sh.shopts.extglob, nocase: sh.shopts.nocaseglob, utf8: sh.utf8}}
	if ignored, _ := sh.get("GLOBIGNORE"); ignored != "" && sh.bash {
		g.ignoring = true
	}
	prefix := ""
	for strings.HasPrefix(pattern, "/") {
		prefix += "/"
		pattern = pattern[1:]
	}
	g.component(prefix, splitPath(pattern))
	slices.Sort(g.found)
	if sh.shopts.globstar {
		g.found = slices.Compact(g.found)
	}
	return slices.DeleteFunc(g.found, sh.globIgnored)
}

// globIgnored says whether GLOBIGNORE leaves a path out.
func (sh *shell) globIgnored(path string) bool {
	if !sh.bash {
		return false
	}
	value, _ := sh.get("GLOBIGNORE")
	if value == "" {
		return false
	}
	if path == "." || path == ".." {
		return true
	}
	for _, p := range splitIgnored(value) {
		patterns, names := splitPath(p), strings.Split(path, "/")
		if len(patterns) == len(names) && !slices.ContainsFunc(patterns, func(string) bool {
			name := names[0]
			names = names[1:]
			part := patterns[len(patterns)-len(names)-1]
			return !sh.cache.get(part, sh.patternMode()).match(name)
		}) {
			return true
		}
	}
	return false
}

// splitIgnored splits GLOBIGNORE at colons outside of brackets.
func splitIgnored(value string) []string {
	var parts []string
	start := 0
	for i := 0; i < len(value); i++ {
		switch value[i] {
		case '\\':
			i++
		case '[':
			if end := strings.Index(value[i+1:], "]"); end > 0 {
				if class := strings.Index(value[i:], "[:"); class >= 0 && class < end {
					if close := strings.Index(value[i+class:], ":]"); close > 0 {
						if last := strings.IndexByte(value[i+class+close+2:], ']'); last >= 0 {
							i += class + close + 2 + last
							continue
						}
					}
				}
				i += end + 1
			}
		case ':':
			parts = append(parts, value[start:i])
			start = i + 1
		}
	}
	return append(parts, value[start:])
}

// splitPath splits a pattern at slashes outside of brackets and extended globs.
func splitPath(pattern string) []string {
	var parts []string
	start, depth := 0, 0
	for i := 0; i < len(pattern); i++ {
		switch pattern[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			depth = max(depth-1, 0)
		case '/':
			if depth == 0 {
				parts = append(parts, pattern[start:i])
				start = i + 1
			}
		}
	}
	return append(parts, pattern[start:])
}

type globber struct {
	sh    *shell
	mode  patternMode
	found []string

	ignoring bool // GLOBIGNORE is set, which is dotglob too
}

// component matches the first part of the pattern below the directory dir, which is "" or ends with a slash.
func (g *globber) component(dir string, parts []string) {
	g.sh.gate()
	part, rest := parts[0], parts[1:]
	last := len(rest) == 0
	if part == "" {
		// A trailing slash, or two in a row.
		if last {
			if dir != "" {
				g.found = append(g.found, dir)
			}
			return
		}
		g.component(dir+"/", rest)
		return
	}
	if !hasPatternMeta(part, g.mode.ext) {
		path := dir + unescapePattern(part)
		if last {
			if _, err := g.sh.p.Files().Lstat(path); err == nil {
				g.found = append(g.found, path)
			}
			return
		}
		if info, err := g.sh.p.Files().Stat(path); err == nil && info.IsDir() {
			g.component(path+"/", rest)
		}
		return
	}
	if part == "**" && g.sh.shopts.globstar {
		g.everyDirectory(dir, rest, 0)
		return
	}
	entries, err := g.sh.p.Files().ReadDir(orDot(dir))
	if err != nil {
		return
	}
	p := g.sh.cache.get(part, g.mode)
	explicitDot := part[0] == '.' || strings.HasPrefix(part, `\.`)
	for _, name := range g.names(entries, explicitDot) {
		if !p.match(name) {
			continue
		}
		if last {
			g.found = append(g.found, dir+name)
			continue
		}
		if info, err := g.sh.p.Files().Stat(dir + name); err == nil && info.IsDir() {
			g.component(dir+name+"/", rest)
		}
	}
}

func orDot(dir string) string {
	if dir == "" {
		return "."
	}
	return dir
}

// names lists what a pattern may match in a directory.
func (g *globber) names(entries []fs.DirEntry, explicitDot bool) []string {
	var names []string
	if explicitDot && (!g.sh.bash || !g.sh.shopts.globskipdots) {
		names = append(names, ".", "..")
	}
	for _, e := range entries {
		if name := e.Name(); name[0] != '.' || explicitDot || g.sh.shopts.dotglob || g.ignoring {
			names = append(names, name)
		}
	}
	return names
}

// maxGlobDepth bounds how deep ** goes.
const maxGlobDepth = 256

// everyDirectory is **: this directory and all below it, without following symbolic links.
func (g *globber) everyDirectory(dir string, rest []string, depth int) {
	g.sh.gate()
	onlyDirs := len(rest) == 1 && rest[0] == ""
	switch {
	case len(rest) == 0, onlyDirs:
		if dir != "" && (depth > 0 || onlyDirs || strings.HasSuffix(dir, "/")) {
			if onlyDirs || depth == 0 {
				g.found = append(g.found, dir)
			}
		}
	default:
		g.component(dir, rest)
	}
	if depth >= maxGlobDepth {
		return
	}
	entries, err := g.sh.p.Files().ReadDir(orDot(dir))
	if err != nil {
		return
	}
	for _, e := range entries {
		name := e.Name()
		if name[0] == '.' && !g.sh.shopts.dotglob {
			continue
		}
		if len(rest) == 0 {
			g.found = append(g.found, dir+name)
		}
		if e.IsDir() {
			g.everyDirectory(dir+name+"/", rest, depth+1)
		}
	}
}
