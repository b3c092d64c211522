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
	prefix := ""
	for strings.HasPrefix(pattern, "/") {
		prefix += "/"
		pattern = pattern[1:]
	}
	g.component(prefix, splitPath(pattern))
	slices.Sort(g.found)
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
	for p := range strings.SplitSeq(value, ":") {
		if sh.cache.get(p, sh.patternMode()).match(path) {
			return true
		}
	}
	return false
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
	if explicitDot && !g.sh.bash {
		names = append(names, ".", "..")
	}
	for _, e := range entries {
		if name := e.Name(); name[0] != '.' || explicitDot || g.sh.shopts.dotglob {
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
