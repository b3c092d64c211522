package shell

import (
	"strconv"
	"strings"
	"time"
)

func now() time.Time { return time.Now() }

// history is what an interactive shell remembers.
type history struct {
	lines []string
	base  int // lines that were dropped at the beginning
}

// maxHistory bounds the lines that are kept.
const maxHistory = 1000

func (h *history) count() int {
	if h == nil {
		return 0
	}
	return h.base + len(h.lines)
}

func (h *history) add(line string) {
	if line = strings.TrimRight(line, "\n"); strings.TrimSpace(line) == "" {
		return
	}
	h.lines = append(h.lines, line)
	if len(h.lines) > maxHistory {
		h.lines = h.lines[1:]
		h.base++
	}
}

// remember adds a command line to the history.
func (sh *shell) remember(text string) {
	if sh.history != nil {
		sh.history.add(text)
	}
}

func (sh *shell) historyBuiltin(args []string) int {
	opts, rest, status := sh.optionsOf(args, "canrwps", "d")
	if status != 0 {
		return status
	}
	if sh.history == nil {
		sh.history = &history{}
	}
	h := sh.history
	if _, clean := opts['c']; clean {
		h.lines, h.base = nil, 0
		return 0
	}
	if _, add := opts['s']; add {
		h.add(strings.Join(rest, " "))
		return 0
	}
	if text, ok := opts['d']; ok {
		n, err := strconv.Atoi(text)
		if i := n - 1 - h.base; err == nil && i >= 0 && i < len(h.lines) {
			h.lines = append(h.lines[:i:i], h.lines[i+1:]...)
			return 0
		}
		sh.errorf("history: %s: history position out of range", text)
		return 1
	}
	from := 0
	if len(rest) > 0 {
		n, err := strconv.Atoi(rest[0])
		if err != nil {
			sh.errorf("history: %s: numeric argument required", rest[0])
			return 1
		}
		from = max(len(h.lines)-n, 0)
	}
	for i := from; i < len(h.lines); i++ {
		sh.putf("%5d  %s\n", h.base+i+1, h.lines[i])
	}
	return 0
}
