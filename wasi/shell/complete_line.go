package shell

import (
	"slices"
	"strings"
)

// complete completes the word before the cursor.
func (e *editor) complete() {
	e.tabs++
	r := e.sh.requestAt(string(e.line), len(string(e.line[:e.at])))
	names := e.sh.completions(r)
	if len(names) == 0 {
		e.write("\a")
		return
	}
	if !r.option("nosort") {
		slices.Sort(names)
		names = slices.Compact(names)
	}
	prefix := names[0]
	for _, name := range names[1:] {
		for !strings.HasPrefix(name, prefix) {
			prefix = prefix[:len(prefix)-1]
		}
	}
	if len(names) == 1 && !strings.HasSuffix(prefix, "/") && !r.option("nospace") {
		prefix += " "
	}
	if prefix != r.word && len(prefix) >= len(r.word) {
		e.line = append(append(append([]rune(nil), e.line[:e.at-len([]rune(r.word))]...), []rune(prefix)...), e.line[e.at:]...)
		e.at += len([]rune(prefix)) - len([]rune(r.word))
		e.redraw()
		return
	}
	if e.tabs > 1 {
		e.write("\n" + strings.Join(names, "  ") + "\n")
		e.redraw()
	}
}

// requestAt is the word before a place in a line, and the command that it belongs to.
func (sh *shell) requestAt(line string, point int) *compRequest {
	r := &compRequest{line: line, point: point}
	start := 0 // of the command
	b := brackets{text: line[:point], nested: -1}
	for b.at < point {
		if c := line[b.at]; len(b.stack) == 0 && strings.IndexByte("|&;(\n", c) >= 0 {
			start = b.at + 1
		}
		b.step()
	}
	breaks := " \t\n" + sh.getOr("COMP_WORDBREAKS", " \t\n\"'><=;|&(:")
	if sh.posix() {
		breaks = " \t\n;|&<>()"
	}
	isBreak := func(i int) bool {
		return strings.IndexByte(breaks, line[i]) >= 0 && (i == 0 || line[i-1] != '\\')
	}
	at := start
	for at < len(line) {
		switch {
		case line[at] == ' ' || line[at] == '\t' || line[at] == '\n':
			at++
			continue
		case at >= point && strings.IndexByte("|&;)", line[at]) >= 0:
			at = len(line)
			continue
		}
		from := at
		if isBreak(at) && line[at] != '"' && line[at] != '\'' {
			for at < len(line) && line[at] == line[from] {
				at++
			}
		} else {
			for at < len(line) && (at == from || !isBreak(at) || line[at] == '"' || line[at] == '\'') {
				at++
			}
		}
		if from < point && point <= at {
			r.index, r.word = len(r.words), line[from:point]
		}
		if from >= point && r.word == "" && r.index == 0 && len(r.words) > 0 && !slices.Contains(r.words, "") {
			r.index = len(r.words)
			r.words = append(r.words, "")
		}
		r.words = append(r.words, line[from:at])
	}
	if r.word == "" && point > start && (len(r.words) == 0 || line[point-1] == ' ' || line[point-1] == '\t') && !slices.Contains(r.words, "") {
		r.index = len(r.words)
		r.words = append(r.words, "")
	}
	if r.word != "" && isBreak(point-1) && line[point-1] != '"' && line[point-1] != '\'' {
		// After an operator a new word begins.
		r.index++
		r.words = slices.Insert(r.words, r.index, "")
		r.word = ""
	}
	if len(r.words) > 0 {
		r.command = r.words[0]
	}
	if r.index > 0 {
		r.previous = r.words[r.index-1]
	}
	return r
}

// completions lists what the word of a request may become: by the specification of its command, if there is one, else the
// names of commands or of files.
func (sh *shell) completions(r *compRequest) []string {
	if sh.bash {
		if on, _, _ := sh.shopt("progcomp"); on {
			if names, ok := sh.programmed(r); ok {
				return names
			}
		}
	}
	return sh.candidates(r.word, r.index == 0 && !strings.ContainsAny(r.previous, "<>"))
}

// programmed completes by a specification; false if there is none, or if it leaves the matter to the shell.
func (sh *shell) programmed(r *compRequest) ([]string, bool) {
	for range 8 { // a function that answers 124 has made another specification
		c := sh.specFor(r)
		if c == nil {
			return nil, false
		}
		r.retry = false
		var names []string
		status := sh.status
		sh.completing = r
		failed := sh.attempt(func() { names = sh.generate(c, r) })
		sh.completing = nil
		sh.status = status
		if r.retry && !failed {
			continue
		}
		if len(names) == 0 && (r.option("default") || r.option("bashdefault")) {
			return sh.candidates(r.word, false), true
		}
		if r.option("filenames") {
			for i, name := range names {
				if info, err := sh.p.Files().Stat(name); err == nil && info.IsDir() && !strings.HasSuffix(name, "/") {
					names[i] = name + "/"
				}
			}
		}
		return names, true
	}
	return nil, false
}

// specFor finds the specification for the command of a request: by its whole name, its last part, or the default.
func (sh *shell) specFor(r *compRequest) *compSpec {
	switch {
	case strings.TrimSpace(r.line) == "":
		return sh.compSpecs[compEmpty]
	case r.index == 0:
		return sh.compSpecs[compInitial]
	}
	if c := sh.compSpecs[r.command]; c != nil {
		return c
	}
	if i := strings.LastIndexByte(r.command, '/'); i >= 0 {
		if c := sh.compSpecs[r.command[i+1:]]; c != nil {
			return c
		}
	}
	return sh.compSpecs[compDefault]
}
