package placement

import (
	"path"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// posixCommands and bashCommands are what a shell does itself.
var (
	posixCommands = set(":", ".", "[", "alias", "bg", "break", "cd", "command", "continue", "echo", "eval", "exec", "exit", "export", "false", "fg", "getopts",
		"hash", "jobs", "kill", "let", "local", "printf", "pwd", "read", "readonly", "return", "set", "shift", "source", "test", "times", "trap", "true",
		"type", "ulimit", "umask", "unalias", "unset", "wait", "[[")
	bashCommands = set("builtin", "caller", "compgen", "complete", "compopt", "declare", "dirs", "disown", "enable", "help", "history", "logout", "mapfile",
		"popd", "pushd", "readarray", "shopt", "suspend", "typeset", "bind", "fc")
)

// builtin walks a command of the shell itself: those that run others, and those that change what is known.
func (sh *shell) builtin(name string, c call) flow {
	args := c.args[1:]
	switch name {
	case "exec", "command", "builtin":
	default:
		sh.a.plan.Commands++
	}
	switch name {
	case "exec":
		return sh.exec(c)
	case "command", "builtin":
		return sh.plainCommand(c)
	case "eval":
		text := joined(args)
		return sh.evaluate(text, "eval", c.line)
	case ".", "source":
		return sh.source(args, c.line)
	case "trap":
		sh.trap(args, c.line)
	case "exit", "logout":
		if len(args) > 0 && args[0].known {
			if n, err := strconv.Atoi(args[0].text); err == nil && n != 0 {
				return fails
			}
		}
		return exits
	case "return":
		if sh.bash && sh.inFunc == 0 && sh.sourced == 0 {
			return goesOn // an error
		}
		return returns
	case "break", "continue":
		if sh.loops > 0 {
			return breaks
		}
	case "set":
		sh.set(args)
	case "shift":
		n := 1
		if len(args) > 0 {
			var err error
			if n, err = strconv.Atoi(args[0].text); err != nil || n < 0 {
				sh.params = nil
				break
			}
		}
		sh.shift(n)
	case "cd", "pushd":
		sh.chdir(args)
	case "popd":
		sh.lost = true
	case "alias":
		for _, f := range args {
			if name, text, ok := strings.Cut(f.text, "="); ok && f.known {
				sh.own()
				if sh.aliases == nil {
					sh.aliases = make(map[string]string)
				}
				sh.aliases[name] = text
			}
		}
	case "unset":
		for _, f := range args {
			if f.known && syntax.ValidName(f.text) {
				sh.put(f.text, value{""})
			}
		}
	case "export", "readonly", "declare", "typeset", "local": // not by their keywords
		for _, f := range args {
			if name, text, ok := strings.Cut(f.text, "="); ok && f.known && syntax.ValidName(name) {
				sh.put(name, value{text})
			}
		}
	case "read", "mapfile", "readarray", "getopts":
		for _, f := range args {
			if f.known && syntax.ValidName(f.text) {
				sh.put(f.text, nil)
			}
		}
	case "printf":
		if len(args) > 1 && args[0] == known("-v") && syntax.ValidName(args[1].text) {
			sh.put(args[1].text, nil)
		}
	case "let":
		sh.opaque = true
	}
	return goesOn
}

// exec walks a command that takes the shell's place.
func (sh *shell) exec(c call) flow {
	args := c.args[1:]
	for len(args) > 0 && args[0].known && strings.HasPrefix(args[0].text, "-") {
		option := args[0].text
		args = args[1:]
		if option == "--" {
			break
		}
		if strings.HasSuffix(option, "a") && len(args) > 0 {
			args = args[1:]
		}
	}
	if len(args) == 0 {
		sh.a.plan.Commands++
		return goesOn
	}
	natives := sh.a.plan.NativeCommands
	sh.run(call{args: args, line: c.line, external: true, stmt: c.stmt, exec: true})
	if sh.main && sh.a.ending == "" && sh.a.plan.NativeCommands > natives {
		sh.a.ending = path.Base(args[0].text)
	}
	return exits
}

// plainCommand walks what command or builtin runs: not a function.
func (sh *shell) plainCommand(c call) flow {
	args := c.args[1:]
	for len(args) > 0 && args[0].known && strings.HasPrefix(args[0].text, "-") {
		option := args[0].text
		args = args[1:]
		if option == "--" {
			break
		}
		if strings.ContainsAny(option, "vV") {
			args = nil
		}
	}
	if len(args) == 0 {
		sh.a.plan.Commands++
		return goesOn
	}
	name := args[0].text
	c.args = args
	if args[0].known && (posixCommands[name] || sh.bash && bashCommands[name]) {
		return sh.builtin(name, c)
	}
	c.external = true
	return sh.run(c)
}

// evaluate walks text as the shell does that is given it by eval.
func (sh *shell) evaluate(text field, what string, line int) flow {
	if !text.known {
		sh.opaque = true
		sh.a.doubts("what %s evaluates is known only then", sh.src.at(line))
		return goesOn
	}
	if sh.depth >= maxDepth {
		sh.a.doubts("it goes deeper than %d scripts and functions", maxDepth)
		return goesOn
	}
	where := what + " in " + sh.src.at(line)
	tree := sh.a.parse(text.text, where)
	if tree == nil {
		sh.opaque = true
		return goesOn
	}
	src := sh.src
	sh.src = &script{name: where, tree: tree}
	sh.depth++
	f := sh.stmts(tree.Stmts)
	sh.depth--
	sh.src = src
	return f
}

// source walks a file that is run by this shell.
func (sh *shell) source(args []field, line int) flow {
	if len(args) == 0 {
		return goesOn
	}
	if !args[0].known {
		sh.opaque = true
		sh.a.doubts("which file %s reads is known only then", sh.src.at(line))
		return goesOn
	}
	name := args[0].text
	found := ""
	if !strings.Contains(name, "/") {
		found = sh.inPath(name)
	}
	if found == "" && !(sh.lost && !path.IsAbs(name)) && isFile(sh.files, name) {
		found = name
	}
	if found == "" {
		sh.opaque = true
		sh.a.doubts("%s, which %s reads, is not there yet", name, sh.src.at(line))
		return goesOn
	}
	s := sh.a.load(sh.files, found)
	if s == nil || s.tree == nil || sh.depth >= maxDepth {
		sh.opaque = true
		return goesOn
	}
	mark := "source " + s.name
	if contains(sh.calls, mark) {
		return goesOn
	}
	src, params, calls, escaped := sh.src, sh.params, sh.calls, sh.escaped[returns]
	sh.src = s
	sh.calls = append(sh.calls[:len(sh.calls):len(sh.calls)], mark)
	if len(args) > 1 {
		sh.params = [][]field{args[1:]}
	}
	sh.depth++
	sh.sourced++
	f := sh.stmts(s.tree.Stmts)
	sh.sourced--
	sh.depth--
	sh.src, sh.calls, sh.escaped[returns] = src, calls, escaped
	if len(args) > 1 {
		sh.params = params
	}
	if f <= returns {
		return goesOn
	}
	return f
}

// inPath is a readable file of PATH, "" for none.
func (sh *shell) inPath(name string) string {
	list := ""
	for _, e := range sh.lookupEnv() {
		if v, ok := strings.CutPrefix(e, "PATH="); ok {
			list = v
		}
	}
	for dir := range strings.SplitSeq(list, ":") {
		if file := path.Join(dir, name); dir != "" && isFile(sh.files, file) {
			return file
		}
	}
	return ""
}

// trap keeps what runs upon signals, and at the end.
func (sh *shell) trap(args []field, line int) {
	if len(args) > 0 && args[0] == known("--") {
		args = args[1:]
	}
	if len(args) < 2 || !args[0].known || args[0].text == "" || args[0].text[0] == '-' {
		return
	}
	t := trapped{code: args[0], line: line, src: sh.src, maybe: true}
	for _, f := range args[1:] {
		if f.text == "EXIT" || f.text == "0" {
			t.maybe = sh.maybe > 0
		}
	}
	sh.traps = append(sh.traps[:len(sh.traps):len(sh.traps)], t)
}

// trapped is a trap that is set.
type trapped struct {
	code  field
	line  int
	src   *script
	maybe bool
}

// finish walks the traps at a shell's end.
func (sh *shell) finish() {
	traps := sh.traps
	sh.traps = nil
	for _, t := range traps {
		sh.src = t.src
		if t.maybe {
			sh.maybe++
		}
		sh.evaluate(t.code, "trap", t.line)
		if t.maybe {
			sh.maybe--
		}
	}
}

// set sets the positional parameters.
func (sh *shell) set(args []field) {
	for i := 0; ; i++ {
		if i == len(args) {
			return
		}
		f := args[i]
		switch {
		case !f.known:
			sh.params = nil
			return
		case f.text == "--":
			args = args[i+1:]
		case strings.HasPrefix(f.text, "-") && len(f.text) > 1, strings.HasPrefix(f.text, "+"):
			if strings.HasSuffix(f.text, "o") {
				i = min(i+1, len(args)-1)
			}
			continue
		default:
			args = args[i:]
		}
		break
	}
	all := [][]field{args}
	if sh.maybe > 0 || sh.loops > 0 {
		if sh.params == nil {
			return
		}
		all = append(all, sh.params...)
	}
	sh.setParams(all)
}

// chdir is cd and pushd.
func (sh *shell) chdir(args []field) {
	for len(args) > 0 && args[0].known && len(args[0].text) > 1 && args[0].text[0] == '-' {
		args = args[1:]
	}
	switch {
	case len(args) == 0:
		home, _ := sh.get("HOME")
		if len(home) == 1 && home[0] != "" {
			sh.cd(home[0])
			return
		}
		sh.lost = true
	case !args[0].known || args[0].text == "-":
		sh.lost = true
	case args[0].text != "":
		sh.cd(args[0].text)
	}
}
