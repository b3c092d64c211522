package builtins

import (
	"fmt"
	"strings"
)

// clearCommand is clear, and reset, which also ends colours and other modes.
func clearCommand(p *Process) int {
	_, _, status, done := p.parse(usage{about: "Clear the terminal screen.", options: []string{"x", "T="}})
	if done {
		return status
	}
	text := "\x1b[H\x1b[2J\x1b[3J"
	if p.Name() == "reset" {
		text = "\x1bc\x1b[!p\x1b[?3;4l\x1b[4l\x1b>"
	}
	out := p.output()
	out.WriteString(text)
	return out.finish(0)
}

// tput knows what scripts ask of a terminal that understands ANSI's sequences.
func tput(p *Process) int {
	u := usage{synopsis: "CAPABILITY [PARAMETER]...", about: "Print a terminal's capability: cols lines colors bold dim smul rmul rev sgr0 setaf setab clear cup el civis cnorm.", status: 2, inOrder: true, options: []string{"T="}}
	opts, names, status, done := p.parse(u)
	if done {
		return status
	}
	term := p.Getenv("TERM")
	for _, o := range opts {
		term = o.value
	}
	if len(names) == 0 {
		return p.missingOperand(u)
	}
	numbers := make([]int, 2)
	for i, text := range names[1:] {
		if i < len(numbers) {
			numbers[i] = atoiOr(text, 0)
		}
	}
	rows, columns := 24, 80
	for _, fd := range []int{2, 1, 0} {
		if r, c, ok := p.System.TerminalSize(fd); ok && r > 0 && c > 0 {
			rows, columns = r, c
		}
	}
	text := ""
	switch names[0] {
	case "cols":
		text = itoa(columns) + "\n"
	case "lines":
		text = itoa(rows) + "\n"
	default:
		if term == "" {
			p.Errorf("No value for $TERM and no -T specified")
			return 2
		}
		ansi, ok := ansiCapability(names[0], numbers, term)
		if !ok {
			p.Errorf("unknown terminfo capability %s", quote(names[0]))
			return 4
		}
		if term == "dumb" {
			return 1
		}
		text = ansi
	}
	out := p.output()
	out.WriteString(text)
	return out.finish(0)
}

func ansiCapability(name string, numbers []int, term string) (string, bool) {
	switch name {
	case "colors":
		if strings.Contains(term, "256") {
			return "256\n", true
		}
		return "8\n", true
	case "setaf", "setab":
		base := map[string]int{"setaf": 30, "setab": 40}[name]
		switch n := numbers[0]; {
		case n < 8:
			return fmt.Sprintf("\x1b[%dm", base+n), true
		case n < 16:
			return fmt.Sprintf("\x1b[%dm", base+60+n-8), true
		default:
			return fmt.Sprintf("\x1b[%d;5;%dm", base+8, n), true
		}
	case "cup":
		return fmt.Sprintf("\x1b[%d;%dH", numbers[0]+1, numbers[1]+1), true
	}
	text, ok := map[string]string{"bold": "\x1b[1m", "dim": "\x1b[2m", "smul": "\x1b[4m", "rmul": "\x1b[24m", "rev": "\x1b[7m", "sgr0": "\x1b(B\x1b[m",
		"clear": "\x1b[H\x1b[2J\x1b[3J", "el": "\x1b[K", "ed": "\x1b[J", "civis": "\x1b[?25l", "cnorm": "\x1b[?12l\x1b[?25h", "smcup": "\x1b[?1049h", "rmcup": "\x1b[?1049l"}[name]
	return text, ok
}

// stty shows the size of the terminal; its modes are the kernel's and cannot be changed from here.
func stty(p *Process) int {
	_, operands, status, done := p.parse(usage{synopsis: "[size]", about: "Print the size of the terminal; changing its modes is not supported.", inOrder: true, options: []string{"a all", "g save", "F file="}})
	if done {
		return status
	}
	if !p.System.IsTerminal(0) {
		p.Errorf("'standard input': Inappropriate ioctl for device")
		return 1
	}
	if len(operands) == 1 && operands[0] == "size" {
		rows, columns, _ := p.System.TerminalSize(0)
		fmt.Fprintf(p.Stdout, "%d %d\n", rows, columns)
		return 0
	}
	p.Errorf("only \"stty size\" is supported in the sandbox: a terminal's modes cannot be read or changed")
	return 1
}
