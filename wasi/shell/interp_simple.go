package shell

import (
	"errors"
	"io/fs"
	"strings"
	"syscall"

	"mvdan.cc/sh/v3/syntax"

	"github.com/sockerless/sockerless/store/rootfs"
	"github.com/sockerless/sockerless/wasi/kernel"
)

// call runs a simple command.
func (sh *shell) call(c *syntax.CallExpr, redirs []*syntax.Redirect) {
	tail := sh.tail
	sh.tail = false
	sh.substDone = -1
	substs := len(sh.procSubsts)
	if len(redirs) > 0 && sh.bash {
		sh.note(&syntax.Stmt{Cmd: c, Redirs: redirs})
	} else {
		sh.note(c)
	}
	if sh.traps.debug != "" {
		sh.runDebugTrap()
		if sh.unwind != running {
			return
		}
	}
	var args []string
	if len(c.Args) > 0 {
		if args = nil; sh.posix() && len(c.Args) > 1 {
			args = sh.declarationWords(c.Args)
		}
		if args == nil {
			args = sh.words(c.Args)
		}
	}
	if sh.opts.xtrace && len(args) > 0 && len(c.Assigns) == 0 {
		sh.traceCall(c, args)
	}
	if len(redirs) > 0 && len(args) == 0 && sh.bash {
		// What is assigned is so even if a redirection fails, and does not see it.
		sh.invoke(c, args, tail)
		if sh.unwind != running {
			return
		}
		status := sh.status
		sh.callRedirected(&syntax.CallExpr{}, nil, redirs, substs, tail)
		sh.status = max(status, sh.status)
		return
	}
	if len(redirs) > 0 || len(sh.procSubsts) > substs {
		sh.callRedirected(c, args, redirs, substs, tail)
		return
	}
	sh.invoke(c, args, tail)
}

// note remembers the command that runs, for BASH_COMMAND: in a trap it stays the one that the trap came after.
func (sh *shell) note(n syntax.Node) {
	if sh.trapStatus < 0 {
		sh.node = n
	}
}

// noteText is note for a command whose text is not the one of its node. Only traps see it.
func (sh *shell) noteText(text func() string) {
	if sh.trapStatus < 0 && (sh.traps.any || sh.traps.hasExitT || sh.traps.debug != "" || sh.traps.err != "") {
		sh.node, sh.commandLine = nil, text()
	}
}

// callRedirected runs a simple command with redirections or process substitutions, of which there were some already before
// its words were expanded.
func (sh *shell) callRedirected(c *syntax.CallExpr, args []string, redirs []*syntax.Redirect, substs int, tail bool) {
	undo, ok := sh.redirect(redirs)
	keep := false
	defer func() {
		if keep {
			sh.forgetFiles(undo)
			return
		}
		sh.restoreFiles(undo)
		sh.closeSubsts(substs)
	}()
	if !ok {
		sh.status = sh.redirectStatus()
		if len(args) > 0 && sh.posix() && isSpecialBuiltin(args[0]) && sh.funcs.byName[args[0]] == nil {
			sh.abandon(2, true)
		}
		return
	}
	sh.keepFiles = false
	if len(redirs) > 0 && len(args) > 0 && sh.funcs.byName[args[0]] != nil {
		sh.redirections++
		defer func() {
			if sh.redirections--; sh.unwind == unwindExit && sh.opts.errexit {
				sh.exitHere()
			}
		}()
		defer func() { sh.restoreFiles(undo); undo = nil }()
	}
	sh.invoke(c, args, tail)
	keep = sh.keepFiles
	sh.keepFiles = false
}

// invoke runs a simple command whose words are expanded and whose files are in place.
func (sh *shell) invoke(c *syntax.CallExpr, args []string, tail bool) {
	if len(args) == 0 {
		for _, a := range c.Assigns {
			sh.assignment(a)
		}
		if len(c.Assigns) > 0 && sh.bash {
			sh.lastArg = ""
		}
		sh.status = max(sh.substDone, 0)
		return
	}
	name := args[0]
	if (sh.posix() || sh.opts.posix) && isSpecialBuiltin(name) {
		for _, a := range c.Assigns {
			sh.assignment(a)
			if name == "exec" {
				sh.export(a.Name.Value)
			}
		}
		if sh.opts.xtrace && len(c.Assigns) > 0 {
			sh.traceCall(c, args)
		}
		sh.runBuiltin(sh.builtin(name), args)
		sh.lastArg = args[len(args)-1]
		return
	}
	if len(args) == 1 && !sh.shopts.extglob && len(c.Args) == 1 {
		if g, ok := c.Args[0].Parts[0].(*syntax.ExtGlob); ok && g.Op == syntax.GlobExcept && len(c.Args[0].Parts) == 1 {
			// `!(list)` is a negated subshell where there are no extended globs.
			sh.evaluate("eval", "! ("+g.Pattern.Value+")")
			return
		}
	}
	if f := sh.funcs.byName[name]; f != nil {
		sh.callFunction(f, args, c.Assigns)
		sh.lastArg = args[len(args)-1]
		return
	}
	if b := sh.builtin(name); b != nil {
		if len(c.Assigns) > 0 {
			sh.withAssigns(c.Assigns, args, func() { sh.runBuiltin(b, args) })
		} else {
			sh.runBuiltin(b, args)
		}
		sh.lastArg = args[len(args)-1]
		return
	}
	if len(c.Assigns) > 0 {
		sh.withAssigns(c.Assigns, args, func() { sh.external(args, tail) })
	} else {
		sh.external(args, tail)
	}
	sh.lastArg = args[len(args)-1]
}

// withAssigns runs do with the assignments before a command in force, as exported variables.
func (sh *shell) withAssigns(assigns []*syntax.Assign, call []string, do func()) {
	sh.frames = append(sh.frames, &frame{temp: true})
	depth := len(sh.frames)
	defer func() {
		for len(sh.frames) >= depth {
			sh.popFrame()
		}
	}()
	sh.tempAssigns(assigns)
	if sh.opts.xtrace && call != nil {
		sh.traceCall(nil, call)
	}
	do()
}

// tempAssigns makes local, exported variables of assignments in the topmost frame.
func (sh *shell) tempAssigns(assigns []*syntax.Assign) {
	for _, a := range assigns {
		if a.Index != nil || a.Array != nil {
			continue
		}
		value := sh.value(a.Value)
		name := a.Name.Value
		old := sh.vars.vars[name]
		if old != nil && old.attrs&attrReadonly != 0 {
			if sh.posix() {
				sh.readonlyError(name)
			}
			sh.errorf("%s: readonly variable", name)
			continue
		}
		if a.Append {
			before, _ := sh.get(name)
			value = before + value
		}
		if old != nil {
			value = sh.converted(old.attrs, value)
		}
		sh.hideAt(name, len(sh.frames))
		v := sh.writable(name)
		v.str, v.set = value, true
		v.attrs |= attrExport
		v.temp = true
		if sh.opts.xtrace {
			sh.trace(name + "=" + sh.quoteTrace(value))
		}
		sh.env = nil
		sh.changed(name)
	}
}

// assignment is name=value, name[sub]=value or name=(…).
func (sh *shell) assignment(a *syntax.Assign) {
	name := a.Name.Value
	switch {
	case a.Array != nil:
		sh.assignArray(name, a.Array, a.Append)
		if sh.opts.xtrace {
			sh.trace(name + assignOp(a) + "(" + nodeArray(a.Array) + ")")
		}
		return
	case a.Index != nil:
		sub := sh.subscript(name, a.Index)
		value := sh.value(a.Value)
		sh.assignElement(name, sub, value, a.Append)
		if sh.opts.xtrace {
			sh.trace(name + "[" + sub + "]" + assignOp(a) + sh.quoteTrace(value))
		}
		return
	}
	value := sh.value(a.Value)
	if sh.opts.xtrace {
		sh.trace(name + assignOp(a) + sh.quoteTrace(value))
	}
	sh.assignMode(name, value, a.Append)
}

func assignOp(a *syntax.Assign) string {
	if a.Append {
		return "+="
	}
	return "="
}

// assignArray is name=(…): the elements are expanded before the old value goes.
func (sh *shell) assignArray(name string, array *syntax.ArrayExpr, appending bool) {
	if sh.posix() {
		sh.fatal(2, "Syntax error: \"(\" unexpected")
	}
	target := sh.refTarget(name)
	v := sh.vars.vars[target]
	if v != nil && v.attrs&attrReadonly != 0 {
		sh.readonlyError(target)
	}
	if v != nil && v.kind == assocArray {
		sh.assignAssoc(target, array, appending)
		return
	}
	type element struct {
		index    int64
		value    string
		explicit bool
	}
	var elems []element
	for _, e := range array.Elems {
		if e.Index != nil {
			index := sh.arith(sh.subscript(target, e.Index))
			elems = append(elems, element{index: index, value: sh.value(e.Value), explicit: true})
			continue
		}
		for _, f := range sh.words([]*syntax.Word{e.Value}) {
			elems = append(elems, element{value: f})
		}
	}
	v = sh.writable(target)
	if !appending {
		v.kind, v.str, v.dict, v.list = indexedArray, "", nil, indexed{}
	}
	v.toIndexed()
	v.set, v.dynamic = true, false
	at := v.list.end()
	for _, e := range elems {
		if e.explicit {
			if at = e.index; at < 0 {
				if at += v.list.end(); at < 0 {
					sh.fail(1, "%s[%d]: bad array subscript", name, e.index)
				}
			}
		}
		v.list.put(at, sh.converted(v.attrs, e.value))
		sh.grow(target, len(e.value)+16)
		at++
	}
	sh.changed(target)
}

// assignAssoc is name=([key]=value …) or name=(key value …) for an associative array.
func (sh *shell) assignAssoc(name string, array *syntax.ArrayExpr, appending bool) {
	type pair struct{ key, value string }
	var pairs []pair
	var words []string
	for _, e := range array.Elems {
		if e.Index != nil {
			pairs = append(pairs, pair{sh.assocKey(e.Index), sh.value(e.Value)})
		} else {
			words = append(words, sh.words([]*syntax.Word{e.Value})...)
		}
	}
	if len(pairs) > 0 && len(words) > 0 {
		for _, w := range words {
			sh.errorf("%s: %s: must use subscript when assigning associative array", name, w)
		}
		words = nil
	}
	for i := 0; i < len(words); i += 2 {
		value := ""
		if i+1 < len(words) {
			value = words[i+1]
		}
		pairs = append(pairs, pair{words[i], value})
	}
	v := sh.writable(name)
	if !appending {
		v.dict = newAssoc()
	}
	v.set = true
	for _, p := range pairs {
		if p.key == "" {
			sh.errorf("%s: []: bad array subscript", name)
			continue
		}
		v.dict.put(p.key, sh.converted(v.attrs, p.value))
		sh.grow(name, len(p.key)+len(p.value))
	}
}

// maxCalls bounds functions, evals and sourced files that call each other.
const maxCalls = 2000

// enter counts a call; leave takes it back.
func (sh *shell) enter(name string) {
	if sh.depth++; sh.depth > maxCalls {
		sh.depth--
		if sh.posix() {
			sh.fatal(2, "Maximum function recursion depth (%d) reached", maxCalls)
		}
		sh.fail(1, "%s: maximum function nesting level exceeded (%d)", name, maxCalls)
	}
	if nest, set := sh.get("FUNCNEST"); set && sh.bash {
		if n, ok := plainInteger(nest); ok && n > 0 && int64(sh.functionDepth()) >= n {
			sh.depth--
			sh.fail(1, "%s: maximum function nesting level exceeded (%d)", name, n)
		}
	}
}

// callFunction runs a function in a frame of its own.
func (sh *shell) callFunction(f *function, args []string, assigns []*syntax.Assign) {
	sh.enter(f.name)
	fr := &frame{name: f.name, file: f.file, line: sh.line, params: sh.params, loops: sh.loops, getopt: sh.getopt}
	sh.frames = append(sh.frames, fr)
	depth := len(sh.frames)
	lineBase, file := sh.lineBase, sh.file
	fr.traps = sh.traps.hideForFunction(sh, f)
	defer func() {
		for len(sh.frames) > depth {
			sh.popFrame()
		}
		if fr.opts != nil {
			sh.opts = *fr.opts
		}
		sh.popFrame()
		sh.traps.restoreAfterFunction(fr.traps)
		sh.params, sh.loops = fr.params, fr.loops
		sh.lineBase, sh.file = lineBase, file
		sh.line = fr.line
		sh.depth--
	}()
	if len(assigns) > 0 {
		sh.tempAssigns(assigns)
	}
	sh.params = args[1:]
	sh.loops = 0
	sh.lineBase, sh.file = f.lineBase, f.file
	if sh.traps.debug != "" {
		sh.line = f.line
		sh.runDebugTrap()
	}
	body := f.decl.Body
	if b, ok := body.Cmd.(*syntax.Block); ok && len(body.Redirs) == 0 && !body.Negated {
		sh.stmts(b.Stmts)
	} else {
		sh.stmt(body)
	}
	if sh.unwind == unwindReturn {
		sh.unwind = running
	}
	if sh.traps.ret != "" {
		sh.runReturnTrap()
	}
}

// external finds a program and runs it.
func (sh *shell) external(args []string, tail bool) {
	path, err := sh.findProgram(args[0])
	if err != nil {
		sh.notFound(args[0], err)
		return
	}
	sh.execute(path, args, tail)
}

// execute runs the program at a path and waits for it.
func (sh *shell) execute(path string, args []string, tail bool) {
	env := sh.environ()
	if tail && !sh.traps.hasExit() && !sh.interactive {
		status, err := sh.p.ExecInPlace(path, args, env)
		if err == nil {
			sh.status = status
			sh.unwind = unwindExit
			sh.replaced = true
			return
		}
		sh.execFailed(path, args, err)
		return
	}
	j := &job{foreground: true, text: strings.Join(args, " ")}
	o := kernel.SpawnOptions{Path: path, Args: args, Env: env}
	sh.groupOptions(&o.ForkOptions, j)
	child, err := sh.p.Spawn(o)
	if err != nil {
		sh.execFailed(path, args, err)
		return
	}
	j.add(child)
	sh.status = sh.pipelineStatus(sh.waitJob(j))
}

// execFailed says why a program did not start. A file of an unknown format is run as a script.
func (sh *shell) execFailed(path string, args []string, err error) {
	if errors.Is(err, kernel.ErrKilled) {
		panic(abandoned{exit: true})
	}
	var failure *kernel.ExecError
	if !errors.As(err, &failure) {
		if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.ENOMEM) {
			sh.cannotFork(err)
		}
		sh.errorf("%s: %s", args[0], errorText(err))
		sh.status = 126
		return
	}
	sh.status = failure.Code
	switch {
	case failure.Message != "":
		sh.errorf("%s", failure.Message)
	case errors.Is(failure.Err, syscall.ENOEXEC):
		sh.runScript(path, args)
	case sh.bash && errors.Is(failure.Err, syscall.ENOENT):
		if _, statErr := sh.p.Files().Stat(path); statErr == nil {
			sh.errorf("%s: cannot execute: required file not found", path)
			return
		}
		sh.errorf("%s: %s", path, errorText(failure.Err))
	case sh.posix() && errors.Is(failure.Err, syscall.ENOENT):
		sh.errorf("%s: not found", args[0])
	default:
		sh.errorf("%s: %s", path, errorText(failure.Err))
	}
}

// runScript runs a file without #! as a script of this shell, in a subshell.
func (sh *shell) runScript(path string, args []string) {
	child, err := sh.fork(kernel.ForkOptions{}, func(sub *shell) int {
		sub.name, sub.params = path, args[1:]
		sub.subshells = 0
		sub.frames, sub.opts.errexit = nil, false
		sub.keepExported()
		return sub.scriptFile(path)
	})
	if err != nil {
		sh.cannotFork(err)
	}
	j := &job{foreground: true}
	j.add(child)
	sh.status = sh.pipelineStatus(sh.waitJob(j))
}

// notFound says that there is no such command.
func (sh *shell) notFound(name string, err error) {
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR):
		sh.status = 127
		if f := sh.funcs.byName["command_not_found_handle"]; f != nil && sh.bash {
			sh.commandNotFound(f, name)
			return
		}
		switch {
		case sh.posix():
			sh.errorf("%s: not found", name)
		case strings.Contains(name, "/"):
			sh.errorf("%s: %s", name, errorText(err))
		default:
			sh.errorf("%s: command not found", name)
		}
	case sh.posix():
		sh.status = 126
		sh.errorf("%s: Permission denied", name)
	default:
		sh.status = 126
		sh.errorf("%s: %s", name, errorText(err))
	}
}

// commandNotFound calls the function that a script has for unknown commands, in a subshell.
func (sh *shell) commandNotFound(f *function, name string) {
	child, err := sh.fork(kernel.ForkOptions{}, func(sub *shell) int {
		sub.callFunction(f, []string{f.name, name}, nil)
		return sub.status
	})
	if err != nil {
		sh.cannotFork(err)
	}
	j := &job{foreground: true}
	j.add(child)
	sh.status = sh.pipelineStatus(sh.waitJob(j))
}

// errorText is the system's text for an error.
func errorText(err error) string { return rootfs.Strerror(err) }
