package shell

import (
	"os"
	"strconv"
	"strings"

	"github.com/sockerless/sockerless/wasi/kernel"
)

// number reads the argument of exit, return, shift, break.
func (sh *shell) number(command, text string) (int, bool) {
	trimmed := strings.TrimSpace(text)
	if sh.bash {
		trimmed = strings.TrimRight(strings.TrimLeft(text, " \t\n\v\f\r"), " \t")
	}
	n, err := strconv.ParseInt(trimmed, 10, 64)
	if err != nil || sh.posix() && n < 0 {
		if sh.posix() {
			sh.misuse(2, "%s: Illegal number: %s", command, text)
		} else {
			sh.errorf("%s: %s: numeric argument required", command, text)
		}
		return 0, false
	}
	return int(n), true
}

func (sh *shell) exit(args []string) int {
	if args[0] == "logout" && !sh.login {
		sh.errorf("logout: not login shell: use `exit'")
		return 1
	}
	args = skipDashes(args[1:])
	status := sh.status
	if sh.trapStatus >= 0 && (sh.inExitTrap || sh.nested > 0) {
		status = sh.trapStatus
	}
	if sh.inExitTrap && len(args) == 0 && sh.trapStatus >= 0 {
		status = sh.trapStatus
	}
	if sh.interactive && !sh.leaving && sh.stoppedJobs() {
		sh.writeError("There are stopped jobs.\n")
		sh.leaving = true
		return 1
	}
	if len(args) > 0 {
		n, ok := sh.number("exit", args[0])
		if !ok {
			n = 2
		} else if len(args) > 1 && sh.bash {
			sh.errorf("exit: too many arguments")
			return 1
		}
		status = n & 0xff
	}
	if sh.interactive && sh.bash && sh.subshells == 0 {
		sh.writeError("exit\n")
	}
	if sh.bash && sh.inFunction() && !sh.inExitTrap {
		// The EXIT trap sees the function and its variables.
		sh.status = status
		sh.runExitTrap()
		status = sh.status
	}
	sh.unwind = unwindExit
	return status
}

func (sh *shell) stoppedJobs() bool {
	for _, j := range sh.jobs.list {
		if j.stopped() {
			return true
		}
	}
	return false
}

func skipDashes(args []string) []string {
	if len(args) > 0 && args[0] == "--" {
		return args[1:]
	}
	return args
}

func (sh *shell) returnBuiltin(args []string) int {
	args = skipDashes(args[1:])
	allowed := sh.posix() || sh.sourcing > 0
	for _, f := range sh.frames {
		allowed = allowed || !f.temp
	}
	if !allowed {
		sh.errorf("return: can only `return' from a function or sourced script")
		return 2
	}
	status := sh.status
	if len(args) > 0 {
		n, ok := sh.number("return", args[0])
		if !ok {
			if sh.posix() {
				return 2
			}
			n = 2
		}
		status = n & 0xff
	}
	sh.unwind = unwindReturn
	return status
}

// leaveLoop is break and continue.
func (sh *shell) leaveLoop(args []string) int {
	rest := skipDashes(args[1:])
	n := 1
	if len(rest) > 0 {
		var ok bool
		if n, ok = sh.number(args[0], rest[0]); !ok {
			if sh.posix() {
				return 2
			}
			sh.abandon(128, true)
		}
		if len(rest) > 1 && sh.bash {
			sh.fail(1, "%s: too many arguments", args[0])
		}
		if n <= 0 {
			if sh.posix() {
				return sh.misuse(2, "%s: Illegal number: %s", args[0], rest[0])
			}
			sh.errorf("%s: %d: loop count out of range", args[0], n)
			if sh.loops > 0 {
				sh.levels, sh.unwind = sh.loops, unwindBreak
			}
			return 1
		}
	}
	if sh.loops == 0 {
		if sh.bash {
			sh.errorf("%s: only meaningful in a `for', `while', or `until' loop", args[0])
		}
		return 0
	}
	sh.levels = min(n, sh.loops)
	sh.unwind = unwindBreak
	if args[0] == "continue" {
		sh.unwind = unwindContinue
	}
	return 0
}

func (sh *shell) shift(args []string) int {
	rest := skipDashes(args[1:])
	n := 1
	if len(rest) > 1 && sh.bash {
		sh.fail(1, "shift: too many arguments")
	}
	if len(rest) > 0 {
		var ok bool
		if n, ok = sh.number("shift", rest[0]); !ok {
			return 1 + int(truth(sh.posix()))
		}
	}
	if n < 0 || n > len(sh.params) {
		if sh.posix() {
			return sh.misuse(2, "shift: can't shift that many")
		}
		if n < 0 || sh.shopts.shiftVerbose {
			sh.errorf("shift: %s: shift count out of range", rest[0])
		}
		return 1
	}
	sh.params = sh.params[n:]
	return 0
}

func (sh *shell) eval(args []string) int {
	if len(args) > 1 && len(args[1]) > 1 && args[1][0] == '-' && args[1] != "--" && sh.bash {
		return sh.badOption("eval", args[1][:2])
	}
	args = args[1:]
	if sh.bash {
		args = skipDashes(args)
	}
	text := strings.Join(args, " ")
	if strings.TrimSpace(text) == "" {
		return 0
	}
	before := sh.status
	sh.status = 0
	if strings.Contains(text, "$?") {
		sh.status = before
	}
	name := "eval"
	sh.evaluate(name, text)
	return sh.status
}

func (sh *shell) dot(args []string) int {
	rest := skipDashes(args[1:])
	if len(rest) == 0 {
		if sh.posix() {
			return 0
		}
		sh.errorf("%s: filename argument required", args[0])
		sh.writeError(usageOf(args[0]))
		return 2
	}
	path := rest[0]
	if !strings.Contains(path, "/") {
		path = sh.findSource(path)
	}
	info, err := sh.p.Files().Stat(path)
	if err == nil && info.IsDir() {
		sh.errorf("%s: %s: is a directory", args[0], rest[0])
		return 1
	}
	if err != nil {
		if sh.posix() {
			if !strings.Contains(rest[0], "/") {
				return sh.misuse(2, "%s: %s: not found", args[0], rest[0])
			}
			return sh.misuse(2, "%s: cannot open %s: No such file", args[0], rest[0])
		}
		sh.errorf("%s: %s", rest[0], errorText(err))
		if sh.opts.posix {
			sh.builtinError = true
		}
		return 1
	}
	var params []string
	if len(rest) > 1 {
		params = rest[1:]
	}
	return sh.sourceFile(path, params)
}

// findSource looks a sourced file up in PATH, and in bash then in the working directory.
func (sh *shell) findSource(name string) string {
	for dir := range strings.SplitSeq(sh.getOr("PATH", ""), ":") {
		path := name
		if dir != "" {
			path = dir + "/" + name
		}
		if info, err := sh.p.Files().Stat(path); err == nil && info.Mode().IsRegular() {
			return path
		}
	}
	if sh.posix() {
		return "/nonexistent/" + name
	}
	return name
}

// sourceFile runs a file in this shell; params replace the positional parameters if not nil.
func (sh *shell) sourceFile(path string, params []string) int {
	f, err := sh.p.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		sh.errorf("%s: %s", path, errorText(err))
		return 1
	}
	text, err := sh.contents(f)
	_ = f.Close()
	if err != nil {
		sh.errorf("%s: %s", path, errorText(err))
		return 1
	}
	sh.enter(path)
	fr := &frame{name: "source", file: path, line: sh.line, source: true}
	sh.frames = append(sh.frames, fr)
	depth := len(sh.frames)
	outer, file, base, line := sh.params, sh.file, sh.lineBase, sh.line
	if params != nil {
		sh.params = params
	}
	setBefore := sh.paramsSet
	sh.paramsSet = false
	sh.file = path
	sh.nested++
	sh.sourcing++
	defer func() {
		sh.nested--
		sh.sourcing--
		for len(sh.frames) > depth {
			sh.popFrame()
		}
		sh.popFrame()
		if params != nil && !sh.paramsSet {
			sh.params = outer
		}
		sh.paramsSet = setBefore
		sh.file, sh.lineBase, sh.line = file, base, line
		sh.depth--
	}()
	sh.status = 0
	sh.lineBase = 0
	src := stringSource("", text)
	sh.run(src)
	if sh.unwind == unwindReturn {
		sh.unwind = running
	}
	if sh.traps.ret != "" {
		sh.runReturnTrap()
	}
	return sh.status
}

func (sh *shell) contents(f *kernel.File) (string, error) {
	var out []byte
	buffer := make([]byte, 16<<10)
	for {
		n, err := f.Read(sh.p.Context(), buffer)
		out = append(out, buffer[:n]...)
		if n == 0 || err != nil {
			if isEOF(err) {
				err = nil
			}
			return string(out), err
		}
		if len(out) > maxSubstitution {
			return "", errTooLarge
		}
	}
}

// exec replaces the shell by a program, or makes redirections last.
func (sh *shell) exec(args []string) int {
	var opts map[byte]string
	rest := skipDashes(args[1:])
	if sh.bash {
		var status int
		if opts, rest, status = sh.optionsOf(args, "cl", "a"); status != 0 {
			return status
		}
	}
	if len(rest) == 0 {
		sh.keepFiles = true
		return 0
	}
	path, err := sh.findProgram(rest[0])
	if err == nil {
		argv := append([]string(nil), rest...)
		if name, ok := opts['a']; ok {
			argv[0] = name
		}
		if _, ok := opts['l']; ok {
			argv[0] = "-" + argv[0]
		}
		env := sh.environ()
		if _, ok := opts['c']; ok {
			env = []string{}
		}
		if sh.traps.hasExitT {
			sh.traps.hasExitT = false
		}
		sh.saveHistory()
		_ = sh.flush()
		status, execErr := sh.p.ExecInPlace(path, argv, env)
		if execErr == nil {
			sh.replaced = true
			sh.unwind = unwindExit
			return status
		}
		sh.execFailed(path, rest, execErr)
		status = sh.status
		if !sh.shopts.execfail && !sh.interactive {
			sh.unwind = unwindExit
		}
		return status
	}
	status := 127
	switch {
	case !isNotExist(err):
		status = 126
		sh.errorf("exec: %s: %s", rest[0], errorText(err))
	case strings.Contains(rest[0], "/") && sh.bash:
		sh.errorf("%s: %s", rest[0], errorText(err))
	default:
		sh.errorf("exec: %s: not found", rest[0])
	}
	if !sh.shopts.execfail && !sh.interactive {
		sh.unwind = unwindExit
	}
	return status
}

func (sh *shell) let(args []string) int {
	rest := skipDashes(args[1:])
	if len(rest) == 0 {
		return sh.misuse(1, "let: expression expected")
	}
	n := int64(0)
	for _, text := range rest {
		var failure *arithError
		if n, failure = sh.tryArith(text); failure != nil {
			sh.errorf("let: %s: %s (error token is \"%s\")", text, failure.message, failure.token)
			return 1
		}
	}
	return int(truth(n == 0))
}

func (sh *shell) caller(args []string) int {
	level := 0
	if len(args) > 1 {
		n, ok := sh.number("caller", args[1])
		if !ok {
			return 2
		}
		level = n
	}
	var frames []*frame
	for i := len(sh.frames) - 1; i >= 0; i-- {
		if !sh.frames[i].temp {
			frames = append(frames, sh.frames[i])
		}
	}
	if len(frames) == 0 && len(args) == 1 && sh.scriptName() != "" {
		sh.put("0 NULL\n")
		return 0
	}
	if level < 0 || level >= len(frames) {
		return 1
	}
	name, file := "main", sh.scriptName()
	if level+1 < len(frames) {
		name, file = frames[level+1].name, frames[level+1].file
	}
	if len(args) > 1 {
		if file == "" {
			return 1
		}
		sh.putf("%d %s %s\n", frames[level].line, name, file)
	} else {
		if file == "" {
			file = "NULL"
		}
		sh.putf("%d %s\n", frames[level].line, file)
	}
	return 0
}

func (sh *shell) help(args []string) int {
	for _, name := range args[1:] {
		if builtinFor(name) == nil {
			sh.errorf("help: no help topics match `%s'.  Try `help help' or `man -k %s' or `info %s'.", name, name, name)
			return 1
		}
		usage := strings.TrimPrefix(usageOf(name), name+": usage: ")
		if usage == "" {
			usage = name + "\n"
		}
		sh.put(name + ": " + usage)
	}
	if len(args) == 1 {
		sh.put(strings.ReplaceAll(strings.TrimSpace(bashBuiltins), " ", "\n") + "\n")
	}
	return 0
}
