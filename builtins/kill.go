package builtins

import (
	"strconv"
	"strings"
)

var killUsage = usage{synopsis: "[-s SIGNAL | -SIGNAL] PID...\n  or:  kill -l [SIGNAL]...", about: "Send signals to processes, or list signals."}

func kill(p *Process) int {
	args := p.Args[1:]
	signal := sigTERM
	if len(args) > 0 {
		first := args[0]
		switch {
		case first == "--help" || first == "--version":
			_, _, status, _ := p.parse(killUsage)
			return status
		case first == "-l" || first == "--list" || first == "-L" || first == "-t" || first == "--table":
			return p.listSignals(args[1:])
		case (first == "-s" || first == "-n" || first == "--signal") && len(args) > 1:
			n, ok := parseSignal(args[1])
			if !ok {
				return p.unknownSignal(args[1])
			}
			signal, args = n, args[2:]
		case strings.HasPrefix(first, "--signal="), strings.HasPrefix(first, "-s") && len(first) > 2 && first != "-stop" && first != "-segv":
			name := strings.TrimPrefix(strings.TrimPrefix(first, "--signal="), "-s")
			n, ok := parseSignal(name)
			if !ok {
				return p.unknownSignal(name)
			}
			signal, args = n, args[1:]
		case first == "--":
			args = args[1:]
		case len(first) > 1 && first[0] == '-':
			n, ok := parseSignal(first[1:])
			if !ok {
				return p.unknownSignal(first[1:])
			}
			signal, args = n, args[1:]
		}
	}
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		p.Errorf("not enough arguments")
		return 1
	}
	status := 0
	for _, arg := range args {
		pid, err := strconv.Atoi(arg)
		if err != nil {
			p.Errorf("failed to parse argument: '%s'", arg)
			status = 1
			continue
		}
		if err := p.System.Kill(pid, signal); err != nil {
			p.Errorf("(%d): %s", pid, strerror(err))
			status = 1
		}
	}
	return status
}

func (p *Process) unknownSignal(name string) int {
	p.Errorf("unknown signal name %s", name)
	return 1
}

func (p *Process) listSignals(args []string) int {
	if len(args) == 0 {
		p.Stdout.Write([]byte(strings.Join(signalNames[1:], " ") + "\n"))
		return 0
	}
	status := 0
	for _, arg := range args {
		n, ok := parseSignal(arg)
		if n > 128 || !ok {
			n, ok = atoiOr(arg, 0)-128, atoiOr(arg, 0) > 128
		}
		switch _, err := strconv.Atoi(arg); {
		case !ok:
			status = p.unknownSignal(arg)
		case err == nil:
			p.Stdout.Write([]byte(signalName(n) + "\n"))
		default:
			p.Stdout.Write([]byte(itoa(n) + "\n"))
		}
	}
	return status
}
