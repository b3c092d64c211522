package shell

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"mvdan.cc/sh/v3/syntax"

	"github.com/sockerless/sockerless/wasi/kernel"
)

// condition runs the commands of a condition, whose failures do not end the shell.
func (sh *shell) condition(list []*syntax.Stmt) bool {
	sh.noErrexit++
	sh.stmts(list)
	sh.noErrexit--
	return sh.status == 0
}

func (sh *shell) ifClause(c *syntax.IfClause) {
	for c != nil {
		if len(c.Cond) == 0 { // else
			sh.stmts(c.Then)
			return
		}
		ok := sh.condition(c.Cond)
		if sh.unwind != running {
			return
		}
		if ok {
			sh.stmts(c.Then)
			return
		}
		c = c.Else
	}
	sh.status = 0
}

// loopDone says whether a loop ends here, after its body or condition was left by break or continue.
func (sh *shell) loopDone() bool {
	switch sh.unwind {
	case running:
		return false
	case unwindBreak:
		if sh.levels--; sh.levels == 0 {
			sh.unwind = running
		}
		return true
	case unwindContinue:
		if sh.levels > 1 {
			sh.levels--
			return true
		}
		sh.levels, sh.unwind = 0, running
		return false
	}
	return true
}

func (sh *shell) whileClause(c *syntax.WhileClause) {
	sh.loops++
	defer func() { sh.loops-- }()
	status := 0
	for {
		sh.gate()
		ok := sh.condition(c.Cond)
		if sh.unwind != running {
			if sh.loopDone() {
				break
			}
			continue
		}
		if ok == c.Until {
			break
		}
		sh.stmts(c.Do)
		status = sh.status
		if sh.unwind != running && sh.loopDone() {
			break
		}
	}
	if sh.unwind == running || sh.unwind == unwindBreak {
		sh.status = status
	}
}

func (sh *shell) forClause(c *syntax.ForClause) {
	sh.loops++
	defer func() { sh.loops-- }()
	switch loop := c.Loop.(type) {
	case *syntax.CStyleLoop:
		sh.cStyleLoop(c, loop)
	case *syntax.WordIter:
		items := sh.params
		if !validName(loop.Name.Value) {
			if sh.posix() {
				sh.fatal(2, "Syntax error: Bad for loop variable")
			}
			sh.errorf("`%s': not a valid identifier", loop.Name.Value)
			sh.status = 1
			return
		}
		if loop.InPos.IsValid() {
			items = sh.words(loop.Items)
		}
		if c.Select {
			sh.selectLoop(c, loop.Name.Value, items)
			return
		}
		sh.status = 0
		for _, item := range items {
			sh.gate()
			sh.line = int(c.ForPos.Line()) + sh.lineBase
			if sh.opts.xtrace && sh.bash {
				sh.trace("for " + loop.Name.Value + " in " + strings.Join(sourceWords(loop.Items), " "))
			}
			if sh.traps.debug != "" {
				sh.noteText(func() string { return "for " + loop.Name.Value + " in " + strings.Join(sourceWords(loop.Items), " ") })
				sh.runDebugTrap()
			}
			if v := sh.vars.vars[loop.Name.Value]; v != nil && v.attrs&attrNameref != 0 {
				sh.writable(loop.Name.Value).str = item
				sh.writable(loop.Name.Value).set = true
			} else {
				sh.assign(loop.Name.Value, item)
			}
			sh.stmts(c.Do)
			if sh.unwind != running && sh.loopDone() {
				return
			}
		}
	}
}

func (sh *shell) cStyleLoop(c *syntax.ForClause, loop *syntax.CStyleLoop) {
	eval := func(x syntax.ArithmExpr) int64 {
		if x == nil {
			return 1
		}
		sh.line = int(c.ForPos.Line()) + sh.lineBase
		if sh.opts.xtrace {
			sh.trace("(( " + sh.arithText(x, false) + " ))")
		}
		if sh.traps.debug != "" {
			sh.noteText(func() string { return "((" + sh.arithText(x, false) + "))" })
			sh.runDebugTrap()
		}
		sh.arithContext = "((: "
		n := sh.arithExpr(x)
		sh.arithContext = ""
		return n
	}
	eval(loop.Init)
	sh.status = 0
	for eval(loop.Cond) != 0 {
		sh.gate()
		sh.stmts(c.Do)
		if sh.unwind != running && sh.loopDone() {
			return
		}
		eval(loop.Post)
	}
}

// selectLoop prints a menu to standard error and reads choices.
func (sh *shell) selectLoop(c *syntax.ForClause, name string, items []string) {
	sh.status = 0
	menu := true
	for {
		if menu {
			sh.writeError(sh.menu(items))
		}
		sh.writeError(sh.promptText(sh.getOr("PS3", "#? ")))
		line, ok := sh.readLine()
		if !ok {
			_, _ = sh.p.Write(sh.p.Context(), 1, []byte("\n"))
			sh.status = 1
			return
		}
		sh.assign("REPLY", line)
		menu = line == ""
		if menu {
			continue
		}
		choice := ""
		if n, err := strconv.Atoi(strings.TrimSpace(line)); err == nil && n >= 1 && n <= len(items) {
			choice = items[n-1]
		}
		sh.assign(name, choice)
		sh.stmts(c.Do)
		if sh.unwind != running && sh.loopDone() {
			return
		}
		menu = sh.getOr("REPLY", "") == ""
	}
}

// menu lays the items of select out in columns, as bash does for COLUMNS.
func (sh *shell) menu(items []string) string {
	if len(items) == 0 {
		return ""
	}
	width := 80
	if n, err := strconv.Atoi(sh.getOr("COLUMNS", "")); err == nil && n > 0 {
		width = n
	}
	longest := 0
	for _, item := range items {
		longest = max(longest, len(item))
	}
	digits := len(strconv.Itoa(len(items)))
	column := longest + digits + 2 + 2
	columns := max(width/column, 1)
	rows := (len(items) + columns - 1) / columns
	columns = (len(items) + rows - 1) / rows
	if rows == 1 {
		rows, columns = columns, 1
	}
	var b strings.Builder
	for row := range rows {
		for col := range columns {
			i := col*rows + row
			if i >= len(items) {
				break
			}
			entry := fmt.Sprintf("%*d) %s", digits, i+1, items[i])
			if next := i + rows; col+1 < columns && next < len(items) {
				entry = fmt.Sprintf("%-*s", column, entry)
			}
			b.WriteString(entry)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func (sh *shell) caseClause(c *syntax.CaseClause) {
	if sh.opts.xtrace && sh.bash {
		sh.trace("case " + nodeText(c.Word) + " in")
	}
	if sh.traps.debug != "" {
		sh.noteText(func() string { return "case " + nodeText(c.Word) + " in " })
		sh.runDebugTrap()
	}
	word := sh.single(c.Word)
	sh.status = 0
	mode := sh.patternMode()
	through := false
	for _, item := range c.Items {
		matched := through
		for _, w := range item.Patterns {
			if matched {
				break
			}
			matched = sh.matches(sh.patternOf(w), word, mode)
		}
		if !matched {
			continue
		}
		sh.stmts(item.Stmts)
		if sh.unwind != running || item.Op == syntax.Break || item.Op == 0 {
			return
		}
		through = item.Op == syntax.Fallthrough
	}
}

// matches is a pattern match with the common case, no pattern at all, made quick.
func (sh *shell) matches(text, s string, mode patternMode) bool {
	if !mode.nocase && plainLiteral(text) && !mode.ext {
		return text == s
	}
	return sh.cache.get(text, mode).match(s)
}

func (sh *shell) arithCommand(c *syntax.ArithmCmd) {
	sh.line = int(c.Left.Line()) + sh.lineBase
	if sh.opts.xtrace {
		sh.trace("(( " + sh.arithText(c.X, false) + " ))")
	}
	sh.noteText(func() string { return "((" + sh.arithText(c.X, false) + "))" })
	if sh.traps.debug != "" {
		sh.runDebugTrap()
	}
	sh.status = int(truth(sh.arithStatus(c.X, "((: ") == 0))
}

// arithStatus evaluates an expression as a command: an error is status 1, and the shell goes on.
func (sh *shell) arithStatus(x syntax.ArithmExpr, context string) (n int64) {
	sh.arithContext = context
	defer func() { sh.arithContext = "" }()
	if n, ok := sh.arithTree(x); ok {
		return n
	}
	text := sh.arithText(x, false)
	n, failure := sh.tryArith(text)
	if failure != nil {
		sh.errorf("%s%s: %s (error token is \"%s\")", context, text, failure.message, failure.token)
		return 0
	}
	return n
}

func (sh *shell) letClause(c *syntax.LetClause) {
	n := int64(0)
	for _, x := range c.Exprs {
		n = sh.arithStatus(x, "let: ")
	}
	sh.status = int(truth(n == 0))
}

func (sh *shell) declareFunction(c *syntax.FuncDecl) {
	if c.Name == nil {
		sh.fatal(2, "syntax error near unexpected token `)'")
	}
	name := c.Name.Value
	if f := sh.funcs.byName[name]; f != nil && f.readonly {
		sh.errorf("%s: readonly function", name)
		sh.status = 1
		return
	}
	if isSpecialBuiltin(name) {
		if sh.posix() {
			sh.fatal(2, "Syntax error: Bad function name")
		}
		if sh.opts.posix {
			sh.fatal(2, "`%s': is a special builtin", name)
		}
	}
	if sh.bash {
		switch body := c.Body.Cmd.(type) {
		case *syntax.CallExpr, *syntax.DeclClause, *syntax.FuncDecl:
			word, _, _ := strings.Cut(nodeText(body), " ")
			sh.fatal(2, "syntax error near unexpected token `%s'", strings.TrimSuffix(word, "()"))
		}
	}
	sh.ownFuncs()[name] = &function{decl: c, name: name, file: sh.file, lineBase: sh.lineBase, line: int(c.Pos().Line()) + sh.lineBase}
	sh.status = 0
}

func (sh *shell) timeClause(c *syntax.TimeClause) {
	start := time.Now()
	own, children := sh.cpuTimes()
	if c.Stmt != nil {
		sh.stmt(c.Stmt)
	} else {
		sh.status = 0
	}
	real := time.Since(start)
	ownNow, childrenNow := sh.cpuTimes()
	user := ownNow - own + childrenNow - children
	if c.PosixFormat {
		sh.writeError(fmt.Sprintf("real %.2f\nuser %.2f\nsys %.2f\n", real.Seconds(), user.Seconds(), 0.0))
		return
	}
	format, set := sh.get("TIMEFORMAT")
	if !set {
		format = "\nreal\t%3lR\nuser\t%3lU\nsys\t%3lS"
	}
	if format != "" {
		sh.writeError(timeFormat(format, real, user, 0) + "\n")
	}
}

// timeFormat fills TIMEFORMAT in.
func timeFormat(format string, real, user, sys time.Duration) string {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 >= len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		precision, long := 3, false
		if c := format[i]; c >= '0' && c <= '9' && i+1 < len(format) {
			precision = min(int(c-'0'), 3)
			i++
		}
		if format[i] == 'l' && i+1 < len(format) {
			long = true
			i++
		}
		var d time.Duration
		switch format[i] {
		case '%':
			b.WriteByte('%')
			continue
		case 'P':
			percent := 0.0
			if real > 0 {
				percent = 100 * float64(user+sys) / float64(real)
			}
			fmt.Fprintf(&b, "%.2f", percent)
			continue
		case 'R':
			d = real
		case 'U':
			d = user
		case 'S':
			d = sys
		default:
			b.WriteByte('%')
			b.WriteByte(format[i])
			continue
		}
		if long {
			fmt.Fprintf(&b, "%dm%.*fs", int(d.Minutes()), precision, (d % time.Minute).Seconds())
		} else {
			fmt.Fprintf(&b, "%.*f", precision, d.Seconds())
		}
	}
	return b.String()
}

// coproc starts a command with pipes to its input and from its output, in the array COPROC or the one named.
func (sh *shell) coproc(c *syntax.CoprocClause) {
	name := "COPROC"
	if c.Name != nil {
		name = sh.single(c.Name)
	}
	toRead, toWrite := kernel.NewPipe()
	fromRead, fromWrite := kernel.NewPipe()
	defer func() {
		for _, f := range []*kernel.File{toRead, toWrite, fromRead, fromWrite} {
			_ = f.Close()
		}
	}()
	j := &job{text: "coproc " + name + " " + stmtText(c.Stmt)}
	o := kernel.ForkOptions{Files: map[int]*kernel.File{0: toRead, 1: fromWrite}}
	sh.groupOptions(&o, j)
	child, err := sh.fork(o, func(sub *shell) int {
		sub.tailStmt(c.Stmt)
		return sub.status
	})
	if err != nil {
		sh.cannotFork(err)
	}
	j.add(child)
	sh.jobs.add(j)
	sh.lastPID = child.PID()
	in, err1 := sh.addFile(fromRead)
	out, err2 := sh.addFile(toWrite)
	if err1 != nil || err2 != nil {
		sh.fail(1, "coproc: too many open files")
	}
	sh.setList(name, []string{strconv.Itoa(in), strconv.Itoa(out)})
	sh.assign(name+"_PID", strconv.Itoa(child.PID()))
	sh.status = 0
}

// addFile puts a file of the shell's own at a high descriptor, which programs do not get.
func (sh *shell) addFile(f *kernel.File) (int, error) {
	fd, err := sh.p.FDs().Add(f, 60)
	if err == nil {
		err = sh.p.FDs().CloseOnExec(fd, true)
	}
	return fd, err
}
