package placement

import (
	"errors"
	"path"
	"strings"
	"syscall"

	"mvdan.cc/sh/v3/syntax"

	"github.com/sockerless/sockerless/store/rootfs"
	"github.com/sockerless/sockerless/wasi/kernel"
)

// A call is a command whose words are expanded.
type call struct {
	args     []field
	line     int
	external bool         // functions and the shell's own commands do not count: another program starts it
	name     string       // what the script called, where an interpreter runs it
	stmt     *syntax.Stmt // its redirections, nil for none
	exec     bool         // it takes the place of the shell
}

// lookup is what a command's name was found to be.
type lookup struct {
	path    string // "" if it is missing
	found   Found
	prefix  []string
	dropped int
	text    bool // it may be executed, but has no known format: a shell runs it as its script
}

// simple walks a simple command: assignments, words, and what it runs.
func (sh *shell) simple(s *syntax.Stmt, c *syntax.CallExpr) flow {
	if sh.a.spent() {
		return exits
	}
	for _, as := range c.Assigns {
		sh.inAssign(as)
	}
	for _, w := range c.Args {
		sh.inWord(w)
	}
	if len(c.Args) == 0 {
		for _, as := range c.Assigns {
			sh.assign(as)
		}
		return goesOn
	}
	return sh.choose(s, c, 0)
}

// choose walks a command for each of the values that the variables in its first words may have.
func (sh *shell) choose(s *syntax.Stmt, c *syntax.CallExpr, depth int) flow {
	name, positional, ok := sh.choice(c)
	if !ok || depth == 3 {
		return sh.assigned(s, c)
	}
	// Of the ways that are possible the longest counts. A native program is certain if all come to one.
	a, before := sh.a, counters(sh.a)
	most, result := before, goesOn
	all := sh.certain()
	each := func() {
		a.restore(before)
		a.certain = false
		f := sh.branch(func() flow { return sh.choose(s, c, depth+1) })
		all = all && a.natives > before.natives
		most = most.or(counters(a))
		sh.mayLeave(f)
		if result == goesOn {
			result = f
		}
	}
	if positional {
		params := sh.params
		for _, p := range params {
			sh.params = [][]field{p}
			each()
		}
		sh.params = params
	} else {
		sh.own()
		values, _ := sh.get(name)
		old, set := sh.vars[name]
		if sh.vars == nil {
			sh.vars = make(map[string]value)
		}
		for _, text := range values {
			sh.vars[name] = value{text}
			each()
		}
		if delete(sh.vars, name); set {
			sh.vars[name] = old
		}
	}
	a.restore(most)
	a.certain = before.certain || all
	if sh.escaped[exits] && result == exits {
		return exits
	}
	return goesOn
}

// count is the analysis's counters.
type count struct {
	commands, nativeCommands, natives, others int
	certain                                   bool
}

func counters(a *analysis) count {
	return count{a.plan.Commands, a.plan.NativeCommands, a.natives, a.others, a.certain}
}

func (a *analysis) restore(c count) {
	a.plan.Commands, a.plan.NativeCommands, a.natives, a.others, a.certain = c.commands, c.nativeCommands, c.natives, c.others, c.certain
}

func (c count) or(d count) count {
	return count{max(c.commands, d.commands), max(c.nativeCommands, d.nativeCommands), max(c.natives, d.natives), max(c.others, d.others), c.certain}
}

// choice is the first variable with several values among the words that decide what a command runs.
func (sh *shell) choice(c *syntax.CallExpr) (name string, positional, ok bool) {
	if len(sh.params) < 2 && len(sh.vars) == 0 {
		return "", false, false
	}
	for _, w := range c.Args {
		for _, part := range w.Parts {
			if q, isQuoted := part.(*syntax.DblQuoted); isQuoted && len(q.Parts) == 1 {
				part = q.Parts[0]
			}
			p, isParam := part.(*syntax.ParamExp)
			if !isParam || p.Param == nil {
				continue
			}
			name := p.Param.Value
			if !syntax.ValidName(name) {
				if len(sh.params) > 1 {
					return "", true, true
				}
				continue
			}
			if v, _ := sh.get(name); len(v) > 1 {
				return name, false, true
			}
		}
		if lit := w.Lit(); lit != "" && lit[0] != '-' && !runsOthers(lit) {
			break
		}
	}
	return "", false, false
}

// runsOthers says that what a command runs is among its arguments.
func runsOthers(name string) bool {
	switch name {
	case "exec", "command", "builtin", "eval", ".", "source", "sh", "bash", "ash", "dash":
		return true
	}
	return others[name]
}

// assigned walks a command with the variables that are set for it alone.
func (sh *shell) assigned(s *syntax.Stmt, c *syntax.CallExpr) flow {
	args := sh.expand(c.Args)
	if len(args) == 0 {
		return goesOn
	}
	cl := call{args: args, line: int(c.Pos().Line()), stmt: s}
	if len(c.Assigns) == 0 {
		return sh.run(cl)
	}
	sh.own()
	type saved struct {
		name string
		old  value
		set  bool
	}
	var all []saved
	oldPath, found := sh.path, sh.found
	for _, as := range c.Assigns {
		if as.Name != nil {
			old, set := sh.vars[as.Name.Value]
			all = append(all, saved{as.Name.Value, old, set})
			if delete(sh.vars, as.Name.Value); set {
				sh.vars[as.Name.Value] = old
			}
			maybe, loops := sh.maybe, sh.loops
			sh.maybe, sh.loops = 0, 0
			sh.assign(as)
			sh.maybe, sh.loops = maybe, loops
		}
	}
	f := sh.run(cl)
	for _, v := range all {
		if delete(sh.vars, v.name); v.set {
			sh.vars[v.name] = v.old
		}
	}
	sh.path, sh.found = oldPath, found
	return f
}

// run walks what a command runs.
func (sh *shell) run(c call) flow {
	if sh.depth > maxDepth {
		sh.a.doubts("it goes deeper than %d scripts and functions", maxDepth)
		return goesOn
	}
	if !c.args[0].known {
		sh.a.plan.Commands++
		sh.a.doubts("what %s runs is known only then", sh.src.at(c.line))
		return goesOn
	}
	name := c.args[0].text
	if !c.external {
		if text, ok := sh.aliases[name]; ok && !contains(sh.calls, name) {
			return sh.alias(name, text, c)
		}
		if f, ok := sh.funcs[name]; ok {
			return sh.function(name, f, c)
		}
		if posixCommands[name] || sh.bash && bashCommands[name] {
			return sh.builtin(name, c)
		}
	}
	sh.start(c)
	return goesOn
}

// start walks a command that is a file.
func (sh *shell) start(c call) {
	name := c.args[0].text
	applet := ""
	if len(c.args) > 1 && c.args[1].known {
		applet = c.args[1].text
	}
	l := sh.look(name, applet)
	base := path.Base(name)
	a := sh.a
	switch {
	case l.path == "":
		a.plan.Commands++
		switch {
		case a.installer != "":
			// It may have come with what was installed.
			a.plan.NativeCommands++
			a.natives += sh.weight
		case sh.lost && strings.Contains(name, "/") && name[0] != '/', strings.ContainsAny(name, "*?["):
			a.doubts("%s cannot be found yet (%s)", name, sh.src.at(c.line))
		}
		return
	case l.text:
		a.plan.Commands++
		sh.runText(l.path, c)
		return
	}
	natives := a.plan.NativeCommands
	if c.name == "" {
		c.name = base
	}
	switch {
	case l.found.Kind == Native:
		sh.native(&l.found, c.name, c.line)
	case l.found.Kind == Guest:
		a.plan.Commands++
		a.others += sh.weight
	case l.found.Kind == Builtin && !others[l.found.Name]:
		a.plan.Commands++
		a.others += sh.weight
	default:
		sh.program(&l.found, c, l.prefix, l.dropped)
	}
	if a.installer == "" && a.plan.NativeCommands > natives {
		a.installer = installer(c.args)
	}
}

// installer is the installer that a command is, or that it (sudo, env) is given to run.
func installer(args []field) string {
	for range maxDepth {
		if len(args) == 0 || !args[0].known {
			break
		}
		base := path.Base(args[0].text)
		switch {
		case installers[base]:
			return base
		case !others[base]:
			return ""
		}
		args, _ = wrapped(base, args)
	}
	return ""
}

// look finds what a name is. applet is the first argument, for busybox.
func (sh *shell) look(name, applet string) lookup {
	key := name
	if path.Base(name) == "busybox" {
		key += " " + applet
	}
	if l, ok := sh.found[key]; ok {
		return l
	}
	var l lookup
	if !strings.Contains(name, "/") || name[0] == '/' || !sh.lost {
		if file, err := kernel.LookPath(sh.files, sh.lookupEnv(), name); err == nil {
			l.path = file
			if file[0] != '/' {
				l.path = path.Join(sh.files.Getwd(), file)
			}
			l.found, l.prefix, l.dropped, err = sh.a.an.opts.find(sh.files, sh.a.reader, l.path, name, applet)
			switch {
			case err != nil && errors.Is(err, syscall.ENOEXEC):
				l.text = true
			case err != nil:
				l.path = ""
			}
		}
	}
	if strings.Contains(name, "/") && name[0] != '/' {
		return l // another file after cd
	}
	if sh.found == nil {
		sh.found = make(map[string]lookup)
	}
	sh.found[key] = l
	return l
}

// native notes a native program.
func (sh *shell) native(found *Found, name string, line int) {
	a := sh.a
	a.plan.Commands++
	a.plan.NativeCommands++
	a.natives += sh.weight
	p := Program{Path: found.Path, Name: name, Line: line, Where: sh.src.at(line), Why: found.Why()}
	said := name + " (" + p.Where + ") is " + p.Why
	if name != path.Base(found.Path) {
		said = name + " (" + p.Where + ") is run by " + found.Path + ", " + p.Why
	}
	if sh.certain() && sh.weight > 1 && a.looped == "" {
		a.looped = name
	}
	if line == 0 && a.direct {
		said = name + " is " + p.Why
	}
	if a.first == "" || sh.certain() && !a.certain {
		a.first = said
	}
	a.plan.Native = true
	a.certain = a.certain || sh.certain()
	for _, q := range a.plan.Programs {
		if q == p {
			return
		}
	}
	if len(a.plan.Programs) < maxPrograms {
		a.plan.Programs = append(a.plan.Programs, p)
	}
}

// program walks what the sandbox's shell, or a command of the sandbox that runs others, is started with. prefix and
// dropped are as Finder.find gives them.
func (sh *shell) program(found *Found, c call, prefix []string, dropped int) {
	args := c.args[dropped:]
	if prefix != nil {
		args = append(fieldsOf(prefix), c.args[1:]...)
	}
	if found.Kind == Shell {
		sh.a.plan.Commands++
		sh.shellProcess(path.Base(found.Invoked), args, c)
		return
	}
	inner, with := wrapped(found.Name, args)
	if with.counts {
		sh.a.plan.Commands++
		sh.a.others += sh.weight
	}
	if len(inner) == 0 {
		return
	}
	walk := func() flow {
		if with.script {
			sh.nestedText(joined(inner), "script of "+found.Name, startup{name: "sh"}, c)
			return goesOn
		}
		sh.depth++
		next := call{args: inner, line: c.line, external: true, exec: c.exec && !with.loop}
		if found.script {
			next.name = c.name
		}
		sh.run(next)
		sh.depth--
		return goesOn
	}
	certain := !with.maybe
	if with.loop {
		sh.loop(loopWeight, certain, walk)
		return
	}
	if certain {
		walk()
		return
	}
	sh.branch(walk)
}

// joined is the text of a command that is given as words.
func joined(words []field) field {
	all := make([]string, len(words))
	for i, w := range words {
		if !w.known {
			return field{}
		}
		all[i] = w.text
	}
	return known(strings.Join(all, " "))
}

// function walks a function's body.
func (sh *shell) function(name string, f function, c call) flow {
	if contains(sh.calls, name) {
		return goesOn // once is enough
	}
	params, src, calls, locals, escaped := sh.params, sh.src, sh.calls, len(sh.locals), sh.escaped[returns]
	sh.params, sh.src = [][]field{c.args[1:]}, f.src
	sh.calls = append(sh.calls[:len(sh.calls):len(sh.calls)], name)
	sh.depth++
	sh.inFunc++
	result := sh.stmt(f.body)
	sh.inFunc--
	sh.depth--
	sh.params, sh.src, sh.calls, sh.escaped[returns] = params, src, calls, escaped
	for len(sh.locals) > locals {
		sh.own()
		l := sh.locals[len(sh.locals)-1]
		sh.locals = sh.locals[:len(sh.locals)-1]
		if delete(sh.vars, l.name); l.set {
			sh.vars[l.name] = l.old
		}
	}
	if result < exits {
		return goesOn
	}
	return result
}

// alias walks a command whose name is an alias.
func (sh *shell) alias(name, text string, c call) flow {
	if strings.ContainsAny(text, "|&;<>()$`\n") {
		calls := sh.calls
		sh.calls = append(sh.calls[:len(sh.calls):len(sh.calls)], name)
		defer func() { sh.calls = calls }()
		return sh.evaluate(known(text), "alias "+name, c.line)
	}
	words := fieldsOf(strings.Fields(strings.NewReplacer(`'`, "", `"`, "").Replace(text)))
	if len(words) == 0 {
		return goesOn
	}
	calls := sh.calls
	sh.calls = append(sh.calls[:len(sh.calls):len(sh.calls)], name)
	defer func() { sh.calls = calls }()
	c.args = append(words, c.args[1:]...)
	return sh.run(c)
}

// cd changes the working directory, as far as that is there already.
func (sh *shell) cd(dir string) {
	if sh.maybe > 0 || sh.loops > 0 {
		sh.lost = true
		return
	}
	if sh.lost && !path.IsAbs(dir) {
		return
	}
	files := sh.files.Clone()
	if err := files.Chdir(dir); err != nil {
		sh.lost = true
		return
	}
	sh.files, sh.lost = files, false
}

// isFile says whether there is a regular file.
func isFile(files *rootfs.View, name string) bool {
	info, err := files.Stat(name)
	return err == nil && info.Mode().IsRegular()
}
