package placement

import (
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"github.com/sockerless/sockerless/store/rootfs"
)

// shellProcess walks a shell that is started. args[0] is its name, base tells the dialect.
func (sh *shell) shellProcess(base string, args []field, c call) {
	base = strings.TrimPrefix(base, "-")
	bash := base == "bash" || base == "rbash"
	command, stdin, login := false, false, strings.HasPrefix(args[0].text, "-")
	rest := args[1:]
options:
	for len(rest) > 0 {
		f := rest[0]
		if !f.known {
			sh.a.doubts("what the shell of %s is given is known only then", sh.src.at(c.line))
			return
		}
		switch {
		case f.text == "-" || f.text == "--":
			rest = rest[1:]
			break options
		case len(f.text) < 2 || f.text[0] != '-' && f.text[0] != '+':
			break options
		}
		rest = rest[1:]
		if strings.HasPrefix(f.text, "--") {
			switch f.text {
			case "--rcfile", "--init-file":
				rest = rest[min(1, len(rest)):]
			case "--login":
				login = true
			case "--version", "--help":
				return
			}
			continue
		}
		for _, letter := range f.text[1:] {
			switch letter {
			case 'c':
				command = true
			case 's':
				stdin = true
			case 'l':
				login = true
			case 'o', 'O':
				rest = rest[min(1, len(rest)):]
			}
		}
	}
	s := startup{bash: bash, login: login}
	switch {
	case command && len(rest) == 0:
	case command:
		params := rest[1:]
		s.name = args[0].text
		if len(params) > 0 {
			s.name, params = params[0].text, params[1:]
		}
		s.params = params
		sh.nestedText(rest[0], "script of "+base+" -c", s, c)
	case len(rest) > 0 && !stdin:
		if !rest[0].known {
			sh.a.doubts("which script %s runs is known only then", sh.src.at(c.line))
			return
		}
		s.name, s.params = rest[0].text, rest[1:]
		sh.nestedFile(rest[0].text, s, c)
	default:
		s.name, s.params = args[0].text, rest
		sh.fromInput(base, s, c)
	}
}

// startup is how a shell is started.
type startup struct {
	name        string
	params      []field
	bash, login bool
}

// fromInput walks the script that a shell reads from its standard input, where a redirection says which one.
func (sh *shell) fromInput(base string, s startup, c call) {
	if c.stmt != nil {
		for _, r := range c.stmt.Redirs {
			if r.N != nil && r.N.Value != "0" {
				continue
			}
			switch r.Op {
			case syntax.Hdoc, syntax.DashHdoc:
				sh.nestedText(known(sh.document(r)), "input of "+base+" in "+sh.src.at(c.line), s, c)
				return
			case syntax.WordHdoc:
				text, ok := sh.text(r.Word)
				sh.nestedText(field{text, ok}, "input of "+base+" in "+sh.src.at(c.line), s, c)
				return
			case syntax.RdrIn:
				if name, ok := sh.text(r.Word); ok && name != "/dev/null" {
					sh.nestedFile(name, s, c)
					return
				}
			}
		}
	}
	sh.a.doubts("what a shell reads from its input is known only then (%s)", sh.src.at(c.line))
}

// document is the text of a here-document. What is not known in it stands there as a variable that is not known.
func (sh *shell) document(r *syntax.Redirect) string {
	if r.Hdoc == nil {
		return ""
	}
	raw := r.Word.Lit() == "" || strings.Contains(r.Word.Lit(), `\`)
	var b strings.Builder
	for _, part := range r.Hdoc.Parts {
		lit, ok := part.(*syntax.Lit)
		if ok && raw {
			b.WriteString(lit.Value)
			continue
		}
		if v := sh.part(part, true, false); len(v) == 1 {
			b.WriteString(v[0])
		} else {
			b.WriteString("$_")
		}
	}
	return b.String()
}

// nestedText walks the script of a shell that is started with a text.
func (sh *shell) nestedText(text field, what string, s startup, c call) {
	if !text.known {
		sh.a.doubts("what the shell of %s runs is known only then", sh.src.at(c.line))
		return
	}
	if c.line > 0 && strings.HasPrefix(what, "script of ") {
		what += " in " + sh.src.at(c.line)
	}
	if sh.depth >= maxDepth {
		sh.a.doubts("it goes deeper than %d scripts and functions", maxDepth)
		return
	}
	if tree := sh.a.parse(text.text, what); tree != nil {
		sh.process(&script{name: what, tree: tree}, s, c)
	}
}

// nestedFile walks the script of a shell that is started with a file.
func (sh *shell) nestedFile(name string, s startup, c call) {
	found := name
	switch {
	case strings.Contains(name, "/"):
		if sh.lost && name[0] != '/' {
			sh.a.doubts("%s cannot be found yet (%s)", name, sh.src.at(c.line))
			return
		}
	case sh.lost || !isFile(sh.files, name):
		if found = ""; s.bash {
			found = sh.inPath(name)
		}
	}
	if found == "" || !exists(sh.files, found) {
		sh.a.doubts("the script %s is not there yet (%s)", name, sh.src.at(c.line))
		return
	}
	if sh.depth >= maxDepth {
		sh.a.doubts("it goes deeper than %d scripts and functions", maxDepth)
		return
	}
	if loaded := sh.a.load(sh.files, found); loaded != nil && loaded.tree != nil {
		sh.process(loaded, s, c)
	}
}

// process walks the script of a shell that is another process.
func (sh *shell) process(src *script, s startup, c call) {
	mark := "run " + src.name
	if src.file && contains(sh.calls, mark) {
		return
	}
	child := &shell{
		a: sh.a, files: sh.files.Clone(), env: sh.environment(), src: src, name: s.name, bash: s.bash, params: [][]field{s.params}, opaque: sh.opaque,
		lost: sh.lost, maybe: sh.maybe, escaped: sh.escaped, weight: sh.weight, depth: sh.depth + 1, nesting: sh.nesting,
		main: sh.main && c.exec,
	}
	child.calls = append(sh.calls[:len(sh.calls):len(sh.calls)], mark)
	if len(sh.vars) == 0 && sh.path == nil {
		child.found = sh.found
	}
	if s.login {
		if isFile(child.files, "/etc/profile") {
			child.source([]field{known("/etc/profile")}, 0)
		}
	} else if s.bash {
		if v, set := child.get("BASH_ENV"); set && len(v) == 1 && isFile(child.files, v[0]) {
			child.source([]field{known(v[0])}, 0)
		}
	}
	child.stmts(src.tree.Stmts)
	child.finish()
}

// runText is a file of no known format that a shell runs itself.
func (sh *shell) runText(name string, c call) {
	s := startup{name: name, params: c.args[1:], bash: sh.bash}
	sh.nestedFile(name, s, c)
}

func exists(files *rootfs.View, name string) bool {
	return files.Access(name, 0) == nil
}
