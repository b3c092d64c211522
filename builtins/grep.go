package builtins

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
)

// grepCall is a call of grep.
type grepCall struct {
	p                             *Process
	out                           *output
	patterns                      []string
	kind                          byte // G E F P
	fold, word, line, invert      bool
	count, list, listWithout      bool
	only, number, offset, quiet   bool
	silent, withName, initialTab  bool
	byLine, nul, zero, color      bool
	recursive, deref              bool
	max, before, after            int // max < 0: no limit
	binary                        string
	directories                   string
	include, exclude, excludeDirs []string
	label                         string
	match                         grepMatcher
	lines                         *lineReader // one for all files
	matched, trouble              bool
}

const grepSynopsis = "[OPTION]... PATTERNS [FILE]..."

var grepOptions = []string{"E extended-regexp", "F fixed-strings", "G basic-regexp", "P perl-regexp", "e regexp=", "f file=",
	"i ignore-case y", "no-ignore-case", "w word-regexp", "x line-regexp", "z null-data", "s no-messages", "v invert-match",
	"V", "m max-count=", "b byte-offset", "n line-number", "line-buffered", "H with-filename", "h no-filename", "label=",
	"o only-matching", "q quiet silent", "binary-files=", "a text", "I", "d directories=", "D devices=", "r recursive",
	"R dereference-recursive", "include=", "exclude=", "exclude-from=", "exclude-dir=", "L files-without-match",
	"l files-with-matches", "c count", "T initial-tab", "Z null", "B before-context=", "A after-context=", "C context=",
	"color?", "colour?", "U binary", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}

func grep(p *Process) int {
	opts, operands, status, done := p.parse(usage{synopsis: grepSynopsis, about: "Search for PATTERNS in each FILE.", status: 2, options: grepOptions})
	if done {
		return status
	}
	g := grepCall{p: p, out: p.output(), kind: 'G', max: -1, before: -1, after: -1, binary: "binary", directories: "read", label: "(standard input)"}
	switch p.Name() {
	case "egrep":
		g.kind = 'E'
	case "fgrep":
		g.kind = 'F'
	}
	given := false
	context, digits := -1, ""
	noName := false
	for _, o := range opts {
		switch o.name {
		case "e":
			g.patterns, given = append(g.patterns, strings.Split(o.value, "\n")...), true
		case "f":
			data, err := p.readAll(o.value)
			if err != nil {
				p.Errorf("%s: %s", o.value, strerror(err))
				return 2
			}
			if given = true; len(data) > 0 {
				g.patterns = append(g.patterns, strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")...)
			}
		case "A", "B", "C", "m":
			n, err := strconv.Atoi(o.value)
			if err != nil || n < 0 && o.name != "m" {
				if o.name == "m" {
					p.Errorf("invalid max count")
				} else {
					p.Errorf("%s: invalid context length argument", o.value)
				}
				return 2
			}
			*map[string]*int{"A": &g.after, "B": &g.before, "C": &context, "m": &g.max}[o.name] = n
		case "h":
			noName, g.withName = true, false
		case "H":
			noName, g.withName = false, true
		case "color", "colour":
			switch o.value {
			case "", "auto", "tty", "if-tty":
				g.color = p.System.IsTerminal(1) && p.Getenv("TERM") != "" && p.Getenv("TERM") != "dumb"
			case "always", "yes", "force":
				g.color = true
			case "never", "no", "none":
				g.color = false
			default:
				p.Errorf("invalid argument %s for '--color'", quote(o.value))
				return 2
			}
		case "binary-files", "d", "D":
			if !g.choose(o) {
				return 2
			}
		case "exclude-from":
			data, err := p.readAll(o.value)
			if err != nil {
				p.Errorf("%s: %s", o.value, strerror(err))
				return 2
			}
			g.exclude = append(g.exclude, strings.Fields(string(data))...)
		case "V":
			fmt.Fprintf(g.out, "%s (Sockerless builtins, GNU-compatible)\n", p.Name())
			return g.out.finishOr(0, 2)
		default:
			if o.name >= "0" && o.name <= "9" {
				digits += o.name
				continue
			}
			g.flag(o)
		}
	}
	if digits != "" {
		context, _ = strconv.Atoi(digits) // only digits; too many are as good as no limit
	}
	if g.before < 0 {
		g.before = max(context, 0)
	}
	if g.after < 0 {
		g.after = max(context, 0)
	}
	if !given {
		if len(operands) == 0 {
			fmt.Fprintf(p.Stderr, "Usage: %s %s\nTry '%s --help' for more information.\n", p.Name(), grepSynopsis, p.Name())
			return 2
		}
		g.patterns, operands = strings.Split(operands[0], "\n"), operands[1:]
	}
	if err := g.compile(); err != nil {
		p.Errorf("%s", err)
		return 2
	}
	if !noName && (len(operands) > 1 || g.recursive) {
		g.withName = true
	}
	if g.max == 0 {
		return 1
	}
	delim := byte('\n')
	if g.zero {
		delim = 0
	}
	g.lines = newLineReader(nil, delim)
	g.run(operands)
	status = 1
	switch {
	case g.trouble && !(g.quiet && g.matched):
		status = 2
	case g.matched:
		status = 0
	}
	return g.out.finishOr(status, 2)
}

// choose takes the options that have a word as their value.
func (g *grepCall) choose(o option) bool {
	valid := map[string]string{"binary-files": " binary text without-match ", "d": " read skip recurse ", "D": " read skip "}[o.name]
	if !strings.Contains(valid, " "+o.value+" ") {
		long := map[string]string{"binary-files": "binary-files", "d": "directories", "D": "devices"}[o.name]
		if o.name == "binary-files" {
			g.p.Errorf("unknown binary-files type")
		} else {
			g.p.Errorf("invalid argument %s for '--%s'", quote(o.value), long)
		}
		return false
	}
	switch {
	case o.name == "binary-files":
		g.binary = o.value
	case o.name == "d" && o.value == "recurse":
		g.recursive = true
	case o.name == "d":
		g.directories = o.value
	}
	return true
}

// flag takes an option without a value of its own, or a list of globs.
func (g *grepCall) flag(o option) {
	switch o.name {
	case "E", "F", "G", "P":
		g.kind = o.name[0]
	case "i":
		g.fold = true
	case "no-ignore-case":
		g.fold = false
	case "w":
		g.word = true
	case "x":
		g.line = true
	case "z":
		g.zero = true
	case "s":
		g.silent = true
	case "v":
		g.invert = true
	case "b":
		g.offset = true
	case "n":
		g.number = true
	case "line-buffered":
		g.byLine = true
	case "label":
		g.label = o.value
	case "o":
		g.only = true
	case "q":
		g.quiet = true
	case "a":
		g.binary = "text"
	case "I":
		g.binary = "without-match"
	case "r":
		g.recursive = true
	case "R":
		g.recursive, g.deref = true, true
	case "include":
		g.include = append(g.include, o.value)
	case "exclude":
		g.exclude = append(g.exclude, o.value)
	case "exclude-dir":
		g.excludeDirs = append(g.excludeDirs, strings.TrimRight(o.value, "/"))
	case "L":
		g.listWithout, g.list = true, false
	case "l":
		g.list, g.listWithout = true, false
	case "c":
		g.count = true
	case "T":
		g.initialTab = true
	case "Z":
		g.nul = true
	}
}

func (g *grepCall) run(operands []string) {
	if len(operands) == 0 {
		if g.recursive {
			g.walk("", ".")
			return
		}
		operands = []string{"-"}
	}
	for _, name := range operands {
		if g.done() {
			return
		}
		if name == "-" {
			g.search(g.label, g.p.Stdin)
			continue
		}
		if g.recursive {
			g.walk(name, name)
		} else if !g.excluded(name, false) {
			g.file(name, name)
		}
	}
}

func (g *grepCall) done() bool {
	return g.quiet && g.matched || g.out.broken() || g.p.Context.Err() != nil
}

func (g *grepCall) complain(name string, err error) {
	g.trouble = true
	if !g.silent && g.p.Context.Err() == nil {
		g.p.Errorf("%s: %s", name, strerror(err))
	}
}

// excluded looks at --include and --exclude for a file given or found.
func (g *grepCall) excluded(name string, found bool) bool {
	base := name[strings.LastIndexByte(name, '/')+1:]
	matches := func(globs []string) bool {
		for _, glob := range globs {
			if fnmatch(glob, base, 0) || fnmatch(glob, name, 0) {
				return true
			}
		}
		return false
	}
	return matches(g.exclude) || len(g.include) > 0 && !matches(g.include)
}

// walk searches a directory tree; shown is how its names begin.
func (g *grepCall) walk(shown, name string) {
	info, err := g.p.Files.Stat(name)
	if err != nil {
		g.complain(name, err)
		return
	}
	if !info.IsDir() {
		if !g.excluded(name, false) {
			g.file(shown, name)
		}
		return
	}
	entries, err := g.p.Files.ReadDir(name)
	if err != nil {
		g.complain(name, err)
		return
	}
	prefix := shown
	if prefix != "" && !strings.HasSuffix(prefix, "/") {
		prefix += "/"
	}
	for _, e := range entries {
		if g.done() {
			return
		}
		child := prefix + e.Name()
		mode := e.Type()
		if mode&fs.ModeSymlink != 0 {
			if !g.deref {
				continue
			}
			info, err := g.p.Files.Stat(child)
			if err != nil {
				g.complain(child, err)
				continue
			}
			mode = info.Mode().Type()
		}
		switch {
		case mode.IsDir():
			skip := false
			for _, glob := range g.excludeDirs {
				skip = skip || fnmatch(glob, e.Name(), 0)
			}
			if !skip {
				g.walk(child, child)
			}
		case mode.IsRegular() && !g.excluded(child, true):
			g.file(child, child)
		}
	}
}

func (g *grepCall) file(shown, name string) {
	f, err := g.p.Files.Open(name)
	if err != nil {
		g.complain(name, err)
		return
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		if g.directories == "read" {
			if !g.silent {
				g.p.Errorf("%s: Is a directory", shown)
			}
			g.trouble = true
		}
		return
	}
	g.search(shown, f)
}

// search reads one input.
func (g *grepCall) search(name string, r io.Reader) {
	s := grepSearch{grepCall: g, name: name, left: g.max, last: -1}
	err := s.run(liveReader{g.p.Context, r})
	if err != nil {
		g.complain(name, err)
	}
	g.matched = g.matched || s.selected > 0 && !g.listWithout || g.listWithout && s.selected == 0
	if g.quiet {
		return
	}
	if g.count {
		if g.withName {
			g.out.WriteString(g.paint("35", name) + g.after0(g.paint("36", ":")))
		}
		fmt.Fprintf(g.out, "%d\n", s.selected)
	}
	if g.list && s.selected > 0 || g.listWithout && s.selected == 0 {
		g.out.WriteString(g.paint("35", name) + g.after0("\n"))
	}
	if g.byLine {
		g.out.Flush()
	}
}

// after0 is what follows a file name: NUL with -Z.
func (g *grepCall) after0(sep string) string {
	if g.nul {
		return "\x00"
	}
	return sep
}

// paint colours a text as GREP_COLORS has it by default.
func (g *grepCall) paint(code, text string) string {
	if !g.color {
		return text
	}
	return "\x1b[" + code + "m\x1b[K" + text + "\x1b[m\x1b[K"
}

// isBinary says whether a block holds a NUL byte.
func isBinary(block []byte) bool { return bytes.IndexByte(block, 0) >= 0 }
