package shell

import (
	"sort"
	"strings"

	"github.com/sockerless/sockerless/wasi/kernel"
)

// traps are the commands that run upon signals and the shell's own events.
type traps struct {
	handlers map[kernel.Signal]*string // "" ignores; nil is the default
	exit     string
	hasExitT bool
	noExit   bool // trap '' EXIT
	err      string
	debug    string
	ret      string
	any      bool       // a signal is caught
	running  pseudoTrap // those that run
	queue    []kernel.Signal
	shown    map[string]string // what a subshell's trap lists: the parent's
}

// savedTraps are the traps that a function does not inherit.
// pseudoTrap is a set of traps that stand for no signal.
type pseudoTrap uint8

const (
	errTrap pseudoTrap = 1 << iota
	debugTrap
	returnTrap
)

type savedTraps struct{ err, debug, ret string }

func (t *traps) hasExit() bool { return t.hasExitT }

// inherited are the traps of a subshell: ignored signals stay ignored, the others have their default action.
func (t *traps) inherited() traps {
	sub := traps{shown: t.list()}
	for sig, text := range t.handlers {
		if text != nil && *text == "" {
			if sub.handlers == nil {
				sub.handlers = make(map[kernel.Signal]*string)
			}
			sub.handlers[sig] = text
		}
	}
	sub.err, sub.debug, sub.ret = t.err, t.debug, t.ret
	return sub
}

// applyTraps drops what only errtrace and functrace inherit.
func (sh *shell) applyTraps() {
	if !sh.opts.errtrace {
		sh.traps.err = ""
	}
	if !sh.opts.functrace {
		sh.traps.debug, sh.traps.ret = "", ""
	}
}

// hideForFunction takes away the traps that a function does not have without errtrace and functrace.
func (t *traps) hideForFunction(sh *shell, f *function) (saved savedTraps) {
	if !sh.opts.errtrace {
		saved.err, t.err = t.err, ""
	}
	if !sh.opts.functrace && !f.traced {
		saved.debug, saved.ret = t.debug, t.ret
		t.debug, t.ret = "", ""
	}
	return saved
}

func (t *traps) restoreAfterFunction(saved savedTraps) {
	if t.err == "" {
		t.err = saved.err
	}
	if t.debug == "" {
		t.debug = saved.debug
	}
	if t.ret == "" {
		t.ret = saved.ret
	}
}

// list gives the traps that are set, by their names.
func (t *traps) list() map[string]string {
	all := make(map[string]string)
	for sig, text := range t.handlers {
		if text != nil {
			all[sig.String()] = *text
		}
	}
	if t.hasExitT || t.noExit {
		all["EXIT"] = t.exit
	}
	for name, text := range map[string]string{"ERR": t.err, "DEBUG": t.debug, "RETURN": t.ret} {
		if text != "" {
			all[name] = text
		}
	}
	return all
}

// trapOrder sorts names of traps as they are listed.
func trapOrder(names []string) {
	rank := func(name string) int {
		switch name {
		case "EXIT":
			return 0
		case "DEBUG":
			return 1000
		case "ERR":
			return 1001
		case "RETURN":
			return 1002
		}
		sig, _ := kernel.SignalNumber(name)
		return int(sig)
	}
	sort.Slice(names, func(i, j int) bool { return rank(names[i]) < rank(names[j]) })
}

// setTrap sets what happens upon a signal or event; text nil is the default.
func (sh *shell) setTrap(name string, text *string) bool {
	t := &sh.traps
	if t.shown != nil {
		t.shown = nil
	}
	value := ""
	if text != nil {
		value = *text
	}
	switch upper := strings.ToUpper(name); {
	case upper == "EXIT" || name == "0":
		t.exit, t.hasExitT = value, text != nil && value != ""
		t.noExit = text != nil && value == ""
		sh.catchFatal()
		return true
	case sh.bash && upper == "ERR":
		t.err = value
		return true
	case sh.bash && upper == "DEBUG":
		t.debug = value
		return true
	case sh.bash && upper == "RETURN":
		t.ret = value
		return true
	}
	sig, ok := kernel.SignalNumber(name)
	if !ok || sig == 0 {
		return false
	}
	if t.handlers == nil {
		t.handlers = make(map[kernel.Signal]*string)
	}
	action := kernel.Default
	switch {
	case text == nil:
		delete(t.handlers, sig)
		if sh.interactive {
			action = sh.interactiveAction(sig)
		}
	case value == "":
		t.handlers[sig] = text
		action = kernel.Ignore
	default:
		t.handlers[sig] = text
		action = kernel.Catch
		t.any = true
	}
	_ = sh.p.SetAction(sig, action)
	sh.catchFatal()
	return true
}

// fatalSignals end a shell of bash only after its EXIT trap has run.
var fatalSignals = [...]kernel.Signal{kernel.SIGHUP, kernel.SIGINT, kernel.SIGTERM}

func (sh *shell) catchFatal() {
	if !sh.bash || sh.interactive {
		return
	}
	for _, sig := range fatalSignals {
		if sh.traps.handlers[sig] != nil {
			continue
		}
		if sh.traps.hasExitT && sh.p.Action(sig) == kernel.Default {
			_ = sh.p.SetAction(sig, kernel.Catch)
			sh.traps.any = true
		} else if !sh.traps.hasExitT && sh.p.Action(sig) == kernel.Catch {
			_ = sh.p.SetAction(sig, kernel.Default)
		}
	}
}

// queueSignals takes the signals that have arrived; their traps run after the command that runs now.
func (sh *shell) queueSignals() (first kernel.Signal) {
	for {
		sig, ok := sh.p.TakeSignal()
		if !ok {
			return first
		}
		if first == 0 {
			first = sig
		}
		sh.traps.queue = append(sh.traps.queue, sig)
	}
}

// runTraps runs the traps of signals that have arrived.
func (sh *shell) runTraps() {
	if sh.interrupted {
		sh.interrupted = false
		if !sh.interactive {
			sh.dieBy(kernel.SIGINT)
			return
		}
	}
	if !sh.traps.any {
		return
	}
	sh.queueSignals()
	for len(sh.traps.queue) > 0 && sh.unwind == running {
		sig := sh.traps.queue[0]
		sh.traps.queue = sh.traps.queue[1:]
		text := sh.traps.handlers[sig]
		if text == nil {
			if !sh.interactive && sig != kernel.SIGCHLD {
				sh.dieBy(sig)
			}
			continue
		}
		line := sh.line
		sh.line = 1
		sh.runTrap("trap", *text)
		sh.line = line
	}
}

// dieBy ends the shell as the signal would, after the EXIT trap.
func (sh *shell) dieBy(sig kernel.Signal) {
	if sh.posix() {
		sh.status = 128 + int(sig)
	}
	sh.runExitTrap()
	sh.status = 128 + int(sig)
	_ = sh.p.SetAction(sig, kernel.Default)
	_ = sh.p.Raise(sig)
	panic(abandoned{exit: true})
}

// runTrap runs a trap's command; $? is as before when it is done.
func (sh *shell) runTrap(name, text string) {
	status, pipeStatus, line := sh.status, sh.pipeStatus, sh.line
	outer := sh.trapStatus
	sh.trapStatus = status
	sh.pipeStatus = append([]int(nil), pipeStatus...)
	sh.evaluate(name, text)
	sh.trapStatus = outer
	sh.line = line
	if sh.unwind == running {
		sh.status, sh.pipeStatus = status, pipeStatus
	}
}

// runPseudo runs the trap of ERR, DEBUG or RETURN, unless it is this one that runs already.
func (sh *shell) runPseudo(which pseudoTrap, text string) {
	if sh.traps.running&which != 0 {
		return
	}
	sh.traps.running |= which
	substs := sh.procSubsts
	sh.procSubsts = nil // those of the command that waits stay open
	sh.runTrap("trap", text)
	sh.procSubsts = substs
	sh.traps.running &^= which
}

func (sh *shell) runErrTrap() {
	if sh.traps.err != "" {
		sh.runPseudo(errTrap, sh.traps.err)
	}
}

func (sh *shell) runDebugTrap() { sh.runPseudo(debugTrap, sh.traps.debug) }

func (sh *shell) runReturnTrap() {
	outer := sh.unwind
	sh.unwind = running
	sh.runPseudo(returnTrap, sh.traps.ret)
	if sh.unwind == running {
		sh.unwind = outer
	}
}

// runExitTrap runs the EXIT trap, once.
func (sh *shell) runExitTrap() {
	if !sh.traps.hasExitT {
		return
	}
	text := sh.traps.exit
	sh.traps.hasExitT, sh.traps.exit = false, ""
	sh.noErrexit, sh.loops = 0, 0
	sh.traps.running = 0
	if sh.bash {
		sh.line = 1
	}
	sh.status = sh.protect(func() {
		sh.unwind = running
		status := sh.status
		sh.trapStatus = status
		sh.inExitTrap = true
		sh.evaluate("exit trap", text)
		if sh.unwind != unwindExit {
			sh.status = status
		}
	})
	sh.unwind = unwindExit
}

// finish ends a shell process: the EXIT trap runs, and what is printed is written.
func (sh *shell) finish(status int) int {
	if sh.replaced {
		return status
	}
	if sh.p.Gate() != nil {
		return status
	}
	sh.status = status
	sh.protect(func() {
		if sh.traps.any && sh.unwind != unwindExit {
			sh.runTraps()
		}
	})
	sh.runExitTrap()
	sh.saveHistory()
	_ = sh.flush()
	return sh.status & 0xff
}
