package shell

import (
	"slices"

	"mvdan.cc/sh/v3/syntax"

	"github.com/sockerless/sockerless/wasi/kernel"
)

// stmts runs statements until one of them leaves the list.
func (sh *shell) stmts(list []*syntax.Stmt) {
	for _, s := range list {
		sh.stmt(s)
		if sh.unwind != running {
			return
		}
	}
}

// stmt runs one statement and leaves its status in sh.status.
func (sh *shell) stmt(s *syntax.Stmt) {
	sh.gate()
	if sh.opts.noexec && !sh.interactive {
		return
	}
	if sh.running++; sh.running > maxRunning {
		sh.fatal(2, "%s", errTooDeep)
	}
	sh.line = int(s.Position.Line()) + sh.lineBase
	tail := sh.tail
	sh.tail = false
	sh.counted(s, tail)
	sh.running--
}

// maxRunning bounds commands in one another, which take the stack of the process.
const maxRunning = 100_000

// counted is stmt without the bound.
func (sh *shell) counted(s *syntax.Stmt, tail bool) {
	switch {
	case s.Background:
		sh.background(s)
		return
	case s.Coprocess:
		sh.fail(2, "`|&' coprocesses are not supported")
	case s.Negated:
		sh.negated(s)
		if sh.unwind == running {
			sh.status = int(truth(sh.status == 0))
		}
		sh.runTraps()
		return
	}
	sh.command(s, tail)
	if sh.traps.any {
		sh.runTraps()
	}
}

// negated runs the command after `!`: its own failure is none, and under errexit neither is one inside it.
func (sh *shell) negated(s *syntax.Stmt) {
	if sh.posix() || sh.opts.errexit {
		sh.noErrexit++
		sh.command(s, false)
		sh.noErrexit--
		return
	}
	outer := sh.negatedAt
	sh.negatedAt = sh.running
	sh.command(s, false)
	sh.negatedAt = outer
}

// command runs the command of a statement with its redirections. tail says that the process ends with it.
func (sh *shell) command(s *syntax.Stmt, tail bool) {
	if len(s.Redirs) > 0 {
		if _, simple := s.Cmd.(*syntax.CallExpr); !simple {
			sh.redirected(s)
			return
		}
	}
	switch c := s.Cmd.(type) {
	case *syntax.CallExpr:
		sh.tail = tail
		sh.call(c, s.Redirs)
		sh.tail = false
		sh.simpleDone()
	case *syntax.BinaryCmd:
		sh.binary(c)
	case nil:
		sh.status = 0
	default:
		sh.compound(s.Cmd)
	}
}

// redirected runs a compound command with redirections around it.
func (sh *shell) redirected(s *syntax.Stmt) {
	subst := len(sh.procSubsts)
	undo, ok := sh.redirect(s.Redirs)
	defer func() {
		sh.restoreFiles(undo)
		sh.closeSubsts(subst)
	}()
	if !ok {
		sh.status = sh.redirectStatus()
		sh.failed()
		return
	}
	if s.Cmd == nil {
		sh.status = 0
		return
	}
	sh.compound(s.Cmd)
}

// compound runs a command that is not a simple one.
func (sh *shell) compound(c syntax.Command) {
	switch c := c.(type) {
	case *syntax.Block:
		sh.stmts(c.Stmts)
	case *syntax.IfClause:
		sh.ifClause(c)
	case *syntax.WhileClause:
		sh.whileClause(c)
	case *syntax.ForClause:
		sh.forClause(c)
	case *syntax.CaseClause:
		sh.caseClause(c)
	case *syntax.FuncDecl:
		sh.declareFunction(c)
	case *syntax.BinaryCmd:
		sh.binary(c)
	case *syntax.Subshell:
		sh.subshell(c)
		sh.simpleDone()
	case *syntax.ArithmCmd:
		sh.arithCommand(c)
		sh.simpleDone()
	case *syntax.TestClause:
		sh.testCommand(c)
		sh.simpleDone()
	case *syntax.DeclClause:
		sh.declClause(c)
		sh.simpleDone()
	case *syntax.LetClause:
		sh.letClause(c)
		sh.simpleDone()
	case *syntax.TimeClause:
		sh.timeClause(c)
	case *syntax.CoprocClause:
		sh.coproc(c)
	case *syntax.CallExpr:
		sh.call(c, nil)
		sh.simpleDone()
	default:
		sh.fail(2, "a command that this shell does not know")
	}
}

// simpleDone is what follows every command that counts for PIPESTATUS and errexit.
func (sh *shell) simpleDone() {
	sh.setPipeStatus(sh.status)
	if sh.status != 0 && sh.unwind == running {
		sh.failed()
	}
}

func (sh *shell) setPipeStatus(status int) {
	if len(sh.pipeStatus) == 1 {
		sh.pipeStatus[0] = status
	} else {
		sh.pipeStatus = []int{status}
	}
}

// failed runs the ERR trap and ends the shell under errexit, but where a failure is looked at.
func (sh *shell) failed() {
	if sh.noErrexit > 0 || sh.unwind != running || sh.status == 0 || sh.running > 0 && sh.negatedAt == sh.running {
		return
	}
	sh.runErrTrap()
	if sh.opts.errexit && sh.unwind == running {
		sh.unwind = unwindExit
		sh.exitHere()
	}
}

// exitHere runs bash's EXIT trap where a failure ends the shell: it sees which functions are running, but not their variables.
// A function call with redirections is left before.
func (sh *shell) exitHere() {
	if !sh.bash || sh.redirections > 0 || !sh.traps.hasExitT {
		return
	}
	for i := len(sh.frames) - 1; i >= 0; i-- {
		sh.reveal(sh.frames[i])
	}
	sh.runExitTrap()
}

// binary runs && || and |.
func (sh *shell) binary(c *syntax.BinaryCmd) {
	switch c.Op {
	case syntax.AndStmt, syntax.OrStmt:
		sh.noErrexit++
		sh.stmt(c.X)
		sh.noErrexit--
		if sh.unwind == running && (sh.status == 0) == (c.Op == syntax.AndStmt) {
			sh.stmt(c.Y)
		}
	default:
		sh.pipeline(c)
	}
}

// stage is a command of a pipeline; both says that its standard error goes into the pipe too.
type stage struct {
	stmt *syntax.Stmt
	both bool
}

func flatten(c *syntax.BinaryCmd) []stage {
	var stages []stage
	var walk func(s *syntax.Stmt, both bool)
	walk = func(s *syntax.Stmt, both bool) {
		if b, ok := s.Cmd.(*syntax.BinaryCmd); ok && (b.Op == syntax.Pipe || b.Op == syntax.PipeAll) && len(s.Redirs) == 0 && !s.Negated {
			walk(b.X, b.Op == syntax.PipeAll)
			walk(b.Y, both)
			return
		}
		stages = append(stages, stage{s, both})
	}
	walk(&syntax.Stmt{Cmd: c}, false)
	return stages
}

// pipeline runs each command in a child process, and the last one here with lastpipe.
func (sh *shell) pipeline(c *syntax.BinaryCmd) {
	stages := flatten(c)
	job := &job{foreground: true}
	here := sh.shopts.lastpipe && !sh.opts.monitor
	line := sh.line
	var input *kernel.File
	var statuses []int
	for i, st := range stages {
		last := i == len(stages)-1
		if last && here {
			statuses = sh.lastPipe(st.stmt, input)
			input = nil
			break
		}
		files := map[int]*kernel.File{}
		if input != nil {
			files[0] = input
		}
		var next, out *kernel.File
		if !last {
			next, out = kernel.NewPipe()
			files[1] = out
			if st.both {
				files[2] = out
			}
		}
		if call, ok := st.stmt.Cmd.(*syntax.CallExpr); ok && sh.traps.debug != "" {
			sh.note(call)
			sh.line = int(st.stmt.Position.Line()) + sh.lineBase
			sh.runDebugTrap()
		}
		sh.line = line
		err := sh.startStage(job, st.stmt, files)
		if input != nil {
			_ = input.Close()
		}
		if out != nil {
			_ = out.Close()
		}
		input = next
		if err != nil {
			if input != nil {
				_ = input.Close()
			}
			sh.cannotFork(err)
			return
		}
	}
	sh.pipeStatus = append(sh.waitJob(job), statuses...)
	sh.status = sh.pipelineStatus(sh.pipeStatus)
	if sh.status != 0 {
		sh.failed()
	}
}

// pipelineStatus is the last status, or the last failure with pipefail.
func (sh *shell) pipelineStatus(statuses []int) int {
	if len(statuses) == 0 {
		return 0
	}
	if sh.opts.pipefail {
		for _, status := range slices.Backward(statuses) {
			if status != 0 {
				return status
			}
		}
	}
	return statuses[len(statuses)-1]
}

// startStage starts one command of a job.
func (sh *shell) startStage(j *job, s *syntax.Stmt, files map[int]*kernel.File) error {
	o := kernel.ForkOptions{Files: files}
	sh.groupOptions(&o, j)
	child, err := sh.fork(o, func(sub *shell) int {
		sub.tailStmt(s)
		return sub.status
	})
	if err != nil {
		return err
	}
	j.add(child)
	return nil
}

// tailStmt runs a statement as the last thing that a forked shell does.
func (sh *shell) tailStmt(s *syntax.Stmt) {
	if _, simple := s.Cmd.(*syntax.CallExpr); simple && !s.Negated && !s.Background {
		sh.tail = true
		sh.line = int(s.Position.Line()) + sh.lineBase
	}
	if sub, ok := s.Cmd.(*syntax.Subshell); ok && len(s.Redirs) == 0 && !s.Negated && !s.Background {
		// The process is the subshell already.
		sh.stmts(sub.Stmts)
		return
	}
	sh.stmt(s)
}

// lastPipe runs the last command of a pipeline in this shell.
func (sh *shell) lastPipe(s *syntax.Stmt, input *kernel.File) []int {
	saved := sh.saveFile(0)
	_ = sh.p.FDs().Set(0, input)
	_ = input.Close()
	defer sh.restoreFiles([]savedFile{saved})
	sh.noErrexit++
	sh.stmt(s)
	sh.noErrexit--
	return []int{sh.status}
}

func (sh *shell) cannotFork(err error) {
	if err == kernel.ErrKilled {
		panic(abandoned{exit: true})
	}
	if sh.posix() {
		sh.fatal(2, "Cannot fork")
	}
	sh.status = 254
	sh.errorf("fork: %s", errorText(err))
	panic(abandoned{})
}

// background starts a statement as a job that is not waited for.
func (sh *shell) background(s *syntax.Stmt) {
	job := &job{text: stmtText(s)}
	plain := *s
	plain.Background = false
	files := map[int]*kernel.File{}
	if !sh.opts.monitor && !redirectsInput(s) {
		if null, err := sh.p.OpenFile("/dev/null", 0, 0); err == nil {
			defer null.Close()
			files[0] = null
		}
	}
	o := kernel.ForkOptions{Files: files}
	sh.groupOptions(&o, job)
	if !sh.opts.monitor {
		o.Ignore = []kernel.Signal{kernel.SIGINT, kernel.SIGQUIT}
	}
	child, err := sh.fork(o, func(sub *shell) int {
		sub.noErrexit = 0
		sub.tailStmt(&plain)
		return sub.status
	})
	if err != nil {
		sh.cannotFork(err)
	}
	job.add(child)
	sh.lastPID = child.PID()
	sh.jobs.add(job)
	if sh.interactive {
		sh.writeError("[" + itoa(int64(job.number)) + "] " + itoa(int64(child.PID())) + "\n")
	}
	sh.status = 0
}

// redirectsInput says whether a statement reads from somewhere else than the shell does.
func redirectsInput(s *syntax.Stmt) bool {
	for _, r := range s.Redirs {
		switch r.Op {
		case syntax.RdrIn, syntax.RdrInOut, syntax.DplIn, syntax.Hdoc, syntax.DashHdoc, syntax.WordHdoc:
			if r.N == nil || r.N.Value == "0" {
				return true
			}
		}
	}
	return false
}

// subshell is ( … ).
func (sh *shell) subshell(c *syntax.Subshell) {
	sh.note(c)
	j := &job{foreground: true}
	o := kernel.ForkOptions{}
	sh.groupOptions(&o, j)
	child, err := sh.fork(o, func(sub *shell) int {
		sub.stmts(c.Stmts)
		return sub.status
	})
	if err != nil {
		sh.cannotFork(err)
	}
	j.add(child)
	sh.status = sh.pipelineStatus(sh.waitJob(j))
}
