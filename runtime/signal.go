package runtime

import (
	"strconv"
	"strings"
)

// Numbers of the signals that the engine sends itself.
const (
	sigKill = 9
	sigTerm = 15
)

// signals are Linux's, whatever system the server runs on.
var signals = map[string]int{
	"HUP": 1, "INT": 2, "QUIT": 3, "ILL": 4, "TRAP": 5, "ABRT": 6, "IOT": 6, "BUS": 7, "FPE": 8, "KILL": 9, "USR1": 10, "SEGV": 11,
	"USR2": 12, "PIPE": 13, "ALRM": 14, "TERM": 15, "STKFLT": 16, "CHLD": 17, "CLD": 17, "CONT": 18, "STOP": 19, "TSTP": 20, "TTIN": 21,
	"TTOU": 22, "URG": 23, "XCPU": 24, "XFSZ": 25, "VTALRM": 26, "PROF": 27, "WINCH": 28, "IO": 29, "POLL": 29, "PWR": 30, "SYS": 31,
	"RTMIN": 34, "RTMAX": 64,
}

// parseSignal reads a signal as docker kill takes it: 9, KILL, SIGKILL, rtmin+3.
func parseSignal(s string) (int, error) {
	bad := invalid("invalid signal: %s", s)
	if n, err := strconv.Atoi(s); err == nil {
		if n <= 0 || n > 64 {
			return 0, bad
		}
		return n, nil
	}
	name := strings.TrimPrefix(strings.ToUpper(s), "SIG")
	if n, ok := signals[name]; ok {
		return n, nil
	}
	for _, base := range []struct {
		name string
		sign int
	}{{"RTMIN+", 1}, {"RTMAX-", -1}} {
		offset, ok := strings.CutPrefix(name, base.name)
		if !ok {
			continue
		}
		n, err := strconv.Atoi(offset)
		if err != nil || n < 0 || n > 30 {
			return 0, bad
		}
		return signals[base.name[:5]] + base.sign*n, nil
	}
	return 0, bad
}

// stopSignal is the signal that asks a container to end.
func (d *definition) stopSignal() int {
	if d.Config.StopSignal != "" {
		if n, err := parseSignal(d.Config.StopSignal); err == nil {
			return n
		}
	}
	return sigTerm
}

// defaultStopTimeout is Docker's, in seconds.
const defaultStopTimeout = 10

func (d *definition) stopTimeout() int {
	if d.Config.StopTimeout != nil {
		return *d.Config.StopTimeout
	}
	return defaultStopTimeout
}
