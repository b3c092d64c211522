package builtins

import (
	"strconv"
	"strings"
)

// signalNames are Linux's signals by number.
var signalNames = []string{"EXIT", "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM", "STKFLT",
	"CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "POLL", "PWR", "SYS"}

const (
	sigHUP  = 1
	sigKILL = 9
	sigTERM = 15
	sigCONT = 18
)

// parseSignal reads "9", "KILL", "SIGKILL", "kill", "RTMIN+1".
func parseSignal(text string) (int, bool) {
	if n, err := strconv.Atoi(text); err == nil {
		return n, n >= 0 && n <= 64
	}
	name := strings.TrimPrefix(strings.ToUpper(text), "SIG")
	for n, known := range signalNames {
		if known == name {
			return n, true
		}
	}
	aliases := map[string]int{"IOT": 6, "CLD": 17, "IO": 29, "RTMIN": 34, "RTMAX": 64}
	if n, ok := aliases[name]; ok {
		return n, true
	}
	if rest, ok := strings.CutPrefix(name, "RTMIN+"); ok {
		n := atoiOr(rest, -1)
		return 34 + n, n >= 0 && n <= 30
	}
	if rest, ok := strings.CutPrefix(name, "RTMAX-"); ok {
		n := atoiOr(rest, -1)
		return 64 - n, n >= 0 && n <= 30
	}
	return 0, false
}

// signalName is the name of a number, without SIG.
func signalName(n int) string {
	switch {
	case n >= 0 && n < len(signalNames):
		return signalNames[n]
	case n == 34:
		return "RTMIN"
	case n > 34 && n <= 49:
		return "RTMIN+" + itoa(n-34)
	case n > 49 && n < 64:
		return "RTMAX-" + itoa(64-n)
	case n == 64:
		return "RTMAX"
	}
	return itoa(n)
}
