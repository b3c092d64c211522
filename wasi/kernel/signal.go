package kernel

import (
	"math/bits"
	"strconv"
	"strings"
)

// Signal is a signal by its Linux number, 1 to 64, on every host system. 0 only checks whether a process exists.
type Signal int

// The signals that have names on Linux.
const (
	SIGHUP Signal = 1 + iota
	SIGINT
	SIGQUIT
	SIGILL
	SIGTRAP
	SIGABRT
	SIGBUS
	SIGFPE
	SIGKILL
	SIGUSR1
	SIGSEGV
	SIGUSR2
	SIGPIPE
	SIGALRM
	SIGTERM
	SIGSTKFLT
	SIGCHLD
	SIGCONT
	SIGSTOP
	SIGTSTP
	SIGTTIN
	SIGTTOU
	SIGURG
	SIGXCPU
	SIGXFSZ
	SIGVTALRM
	SIGPROF
	SIGWINCH
	SIGIO
	SIGPWR
	SIGSYS

	// MaxSignal is the last real-time signal.
	MaxSignal Signal = 64
	minRT     Signal = 34
)

const signalNames = "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS"

// Name is the name without SIG: "TERM", "RTMIN+3"; the number where there is none.
func (s Signal) Name() string {
	names := strings.Fields(signalNames)
	switch {
	case s >= 1 && int(s) <= len(names):
		return names[s-1]
	case s == minRT:
		return "RTMIN"
	case s > minRT && s <= 49:
		return "RTMIN+" + strconv.Itoa(int(s-minRT))
	case s > 49 && s < MaxSignal:
		return "RTMAX-" + strconv.Itoa(int(MaxSignal-s))
	case s == MaxSignal:
		return "RTMAX"
	}
	return strconv.Itoa(int(s))
}

func (s Signal) String() string { return "SIG" + s.Name() }

func (s Signal) valid() bool { return s >= 1 && s <= MaxSignal }

// SignalNumber finds a signal by its name, with or without SIG, in any case, or by its number.
func SignalNumber(name string) (Signal, bool) {
	if n, err := strconv.Atoi(name); err == nil {
		return Signal(n), n >= 0 && n <= int(MaxSignal)
	}
	name = strings.TrimPrefix(strings.ToUpper(name), "SIG")
	switch name {
	case "IOT":
		return SIGABRT, true
	case "CLD":
		return SIGCHLD, true
	case "POLL":
		return SIGIO, true
	}
	for s := Signal(1); s <= MaxSignal; s++ {
		if s.Name() == name {
			return s, true
		}
	}
	return 0, false
}

// Action is what a process does with a signal.
type Action int

// The actions. Catch makes the signal pending until TakeSignal, and interrupts Read, Wait and Sleep.
const (
	Default Action = iota
	Ignore
	Catch
)

// effect is the default action of a signal.
type effect int

const (
	terminate effect = iota
	nothing
	stop
	resume
)

func (s Signal) effect() effect {
	switch s {
	case SIGCHLD, SIGURG, SIGWINCH:
		return nothing
	case SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU:
		return stop
	case SIGCONT:
		return resume
	}
	return terminate
}

// signalSet holds signal n in bit n-1.
type signalSet uint64

func (s signalSet) has(sig Signal) bool { return s&(1<<(sig-1)) != 0 }
func (s *signalSet) add(sig Signal)     { *s |= 1 << (sig - 1) }
func (s *signalSet) remove(sig Signal)  { *s &^= 1 << (sig - 1) }

// take removes the lowest signal.
func (s *signalSet) take() (Signal, bool) {
	if *s == 0 {
		return 0, false
	}
	sig := Signal(bits.TrailingZeros64(uint64(*s)) + 1)
	s.remove(sig)
	return sig, true
}
