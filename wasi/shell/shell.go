package shell

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"mvdan.cc/sh/v3/syntax"

	"github.com/sockerless/sockerless/wasi/kernel"
)

// A shell is the state of one shell process. A subshell has a copy: see fork.
type shell struct {
	p       *kernel.Process
	bash    bool // the bash dialect; POSIX otherwise
	name    string
	params  []string
	opts    options
	shopts  shopts
	vars    *varTable
	frames  []*frame
	funcs   *funcTable
	aliases map[string]string
	hashed  map[string]hashedCommand
	started time.Time
	pid     int // $$, also in subshells

	status       int // $?
	lastArg      string
	lastPID      int // $!
	pipeStatus   []int
	rematch      []string
	line         int // LINENO
	lineBase     int // added to the parser's line numbers: the line where an eval or a function is counted from
	file         string
	commandLine  string // BASH_COMMAND
	arithContext string // before a message about an expression: "((: "
	tail         bool   // the command that runs is the last thing that this process does
	subshells    int    // BASH_SUBSHELL
	random       uint32
	getopt       getoptState

	unwind     unwinding
	levels     int // loops to leave, for unwindBreak and unwindContinue
	loops      int // loops that run
	negatedAt  int // running at a command after `!`, whose own failure is none
	noErrexit  int // depth of places where a failure does not end the shell
	depth      int // of function calls, evals and sources
	running    int // commands that run in one another
	arithDepth int // expressions that are evaluated in one another
	substDone  int // status of the last command substitution of a simple command, -1 if there was none

	ifs      ifsTable
	utf8     bool
	env      []string // the environment for programs, nil if it has to be made again
	strayEnv []string // what was inherited and is no variable
	grown    int
	out      []byte // what the running builtin prints
	cache    patternCache
	regexps  regexpCache

	traps             traps
	jobs              jobTable
	dirs              []string
	history           history
	historySubst      [2]string // of the last :s in a history expansion
	interactive       bool
	login             bool
	oneCommand        bool // -c
	fromStdin         bool
	terminal          *kernel.TTY
	reader            *source // what is being read, for `exec` and error messages
	redirections      int     // calls of functions with redirections that run
	procSubsts        []int   // descriptors of process substitutions to close after the command
	exitTrapRun       bool
	logical           string      // the directory as cd left it, with the links in its name
	node              syntax.Node // the command that runs, for BASH_COMMAND
	nested            int         // evals, sourced files and traps that run
	sourcing          int         // of them, sourced files
	substDepth        int
	paramsSet         bool // set has given the positional parameters of the running sourced file
	lastRandom        int
	trapStatus        int // $? when the running trap began, -1 outside of traps
	inExitTrap        bool
	interrupted       bool // a foreground job died of SIGINT
	replaced          bool // exec has run another program in this process
	keepFiles         bool // the redirections of the running exec last
	builtinError      bool // the builtin was used wrongly, which ends a POSIX shell if it is a special one
	exitEarly         bool
	leaving           bool                // exit was tried with stopped jobs
	disabled          map[string]bool     // by enable -n
	limits            map[limitKey]string // set by ulimit
	readBuffer        []byte
	compSpecs         map[string]*compSpec // by command; never written to in place
	completing        *compRequest         // the completion that calls a function
	keymaps           map[string]map[string]binding
	readlineVariables [][2]string
}

// unwinding says what the walk over the tree is leaving.
type unwinding uint8

const (
	running unwinding = iota
	unwindBreak
	unwindContinue
	unwindReturn
	unwindExit
)

// abandoned is panicked with to leave a command whose expansion failed. The status is the shell's own already.
type abandoned struct {
	exit bool // the shell ends; otherwise it goes on with the next command that it reads
}

func (sh *shell) posix() bool { return !sh.bash }

// fork runs body in a child process as a subshell of this shell.
func (sh *shell) fork(o kernel.ForkOptions, body func(sub *shell) int) (*kernel.Process, error) {
	sub := sh.clone()
	child, err := sh.p.Fork(func(p *kernel.Process) int {
		defer func() { sub.vars.drop(); sub.funcs.drop() }()
		sub.p = p
		sub.enterSubshell()
		status := sub.protect(func() { sub.status = body(sub) })
		return sub.finish(status)
	}, o)
	if err != nil {
		sub.vars.drop()
		sub.funcs.drop()
	}
	return child, err
}

// clone copies what a subshell inherits. It is called by the parent, before the child runs.
func (sh *shell) clone() *shell {
	sub := *sh
	sub.vars = sh.vars.share()
	sub.funcs = sh.funcs.share()
	sub.aliases = maps.Clone(sh.aliases)
	sub.hashed = maps.Clone(sh.hashed)
	sub.frames = cloneFrames(sh.frames)
	sub.pipeStatus = slices.Clone(sh.pipeStatus)
	sub.dirs = slices.Clone(sh.dirs)
	if sub.traps = sh.traps.inherited(); sh.posix() {
		sub.traps.shown = map[string]string{}
	}
	sub.jobs = sh.jobs.inherited()
	sub.out, sub.readBuffer = nil, nil
	sub.cache = patternCache{}
	sub.regexps = regexpCache{}
	sub.procSubsts = nil
	sub.exitTrapRun = false
	sub.history.entries = slices.Clip(sub.history.entries)
	return &sub
}

// enterSubshell sets up the shell of a child, as the child.
func (sh *shell) enterSubshell() {
	sh.subshells++
	if sh.bash {
		sh.loops = 0
	}
	sh.unwind = running
	sh.random ^= uint32(sh.p.PID()) * 2654435761
	sh.interactive = false
	sh.opts.monitor = false
	sh.applyTraps()
}

// protect runs do and ends what a panic of ours abandons; it returns the status.
func (sh *shell) protect(do func()) int {
	running := sh.running
	func() {
		defer func() {
			switch r := recover().(type) {
			case nil:
			case abandoned:
				sh.running = running
				sh.unwind = unwindExit
			default:
				panic(r)
			}
		}()
		do()
	}()
	return sh.status
}

// attempt says whether do was abandoned.
func (sh *shell) attempt(do func()) (failed bool) {
	running := sh.running
	defer func() {
		switch r := recover().(type) {
		case nil:
		case abandoned:
			failed, sh.running = true, running
		default:
			panic(r)
		}
	}()
	do()
	return false
}

// gate is passed by every loop: it ends the shell when the process is killed.
func (sh *shell) gate() {
	if sh.p.Gate() != nil {
		panic(abandoned{exit: true})
	}
}

// where is what messages begin with: the shell's name and the line.
func (sh *shell) where() string {
	if sh.posix() {
		return sh.name + ": " + strconv.Itoa(sh.currentLine()) + ": "
	}
	name := sh.name
	for i := len(sh.frames) - 1; i >= 0; i-- {
		if f := sh.frames[i]; !f.temp {
			if !f.source && f.file == "" {
				if name = "environment"; !sh.oneCommand {
					name = "main"
				}
			} else if f.file != "" {
				name = f.file
			}
			break
		}
	}
	if sh.interactive {
		return name + ": "
	}
	return name + ": line " + strconv.Itoa(sh.currentLine()) + ": "
}

func (sh *shell) currentLine() int { return max(sh.line, 1) }

// errorf prints a message of the shell.
func (sh *shell) errorf(format string, args ...any) {
	sh.writeError(sh.where() + fmt.Sprintf(format, args...) + "\n")
}

func (sh *shell) warn(format string, args ...any) {
	sh.writeError(sh.where() + "warning: " + fmt.Sprintf(format, args...) + "\n")
}

// writeError prints to descriptor 2, after what the running builtin has printed.
func (sh *shell) writeError(text string) {
	sh.flush()
	_, _ = sh.p.Write(sh.p.Context(), 2, []byte(text))
}

// fail prints a message and gives up the command that is read: bash goes on with the next one, a POSIX shell ends.
func (sh *shell) fail(status int, format string, args ...any) {
	sh.errorf(format, args...)
	if sh.posix() {
		status = 2
	}
	sh.abandon(status, sh.posix())
}

// fatal prints a message and ends the shell.
func (sh *shell) fatal(status int, format string, args ...any) {
	sh.errorf(format, args...)
	sh.abandon(status, true)
}

func (sh *shell) abandon(status int, exit bool) {
	sh.status = status
	if exit && sh.bash && sh.opts.errexit && !sh.interactive {
		sh.runExitTrap() // it sees the functions that are running
	}
	panic(abandoned{exit: exit && !sh.interactive})
}

// put collects what a builtin prints.
func (sh *shell) put(s string) {
	sh.out = append(sh.out, s...)
	if len(sh.out) > maxOutput {
		sh.flush()
	}
}

func (sh *shell) putf(format string, args ...any) {
	sh.out = fmt.Appendf(sh.out, format, args...)
	if len(sh.out) > maxOutput {
		sh.flush()
	}
}

// maxOutput is how much a builtin collects before it writes.
const maxOutput = 32 << 10

// flush writes what was collected to descriptor 1.
func (sh *shell) flush() error {
	if len(sh.out) == 0 {
		return nil
	}
	b := sh.out
	sh.out = sh.out[:0]
	_, err := sh.p.Write(sh.p.Context(), 1, b)
	return err
}

// funcTable holds functions; processes share it as they share variables.
type funcTable struct {
	byName map[string]*function
	refs   atomic.Int32
}

// A function is never changed.
type function struct {
	decl     *syntax.FuncDecl
	name     string
	file     string
	lineBase int
	line     int
	exported bool
	readonly bool
	traced   bool
}

func newFuncTable() *funcTable {
	t := &funcTable{byName: make(map[string]*function)}
	t.refs.Store(1)
	return t
}

func (t *funcTable) share() *funcTable { t.refs.Add(1); return t }
func (t *funcTable) drop()             { t.refs.Add(-1) }

// ownFuncs returns the functions to write to.
func (sh *shell) ownFuncs() map[string]*function {
	if t := sh.funcs; t.refs.Load() != 1 {
		fresh := newFuncTable()
		fresh.byName = maps.Clone(t.byName)
		t.drop()
		sh.funcs = fresh
	}
	return sh.funcs.byName
}
