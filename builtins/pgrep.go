package builtins

import (
	"slices"
	"strings"
)

var pgrepUsage = usage{
	synopsis: "[options] <pattern>",
	about:    "Look for processes by name and print their pids, or signal them (pkill).",
	status:   2,
	options:  []string{"f full", "x exact", "l list-name", "a list-full", "n newest", "o oldest", "u euid=", "P parent=", "c count", "d delimiter=", "i ignore-case", "v inverse", "signal=", "e echo"},
}

// killall signals the processes with one of the names.
func killall(p *Process) int {
	args := p.Args[1:]
	signal := sigTERM
	if len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' {
		if n, ok := parseSignal(args[0][1:]); ok {
			signal, args = n, args[1:]
		}
	}
	opts, names, status, done := p.parseArgs(usage{synopsis: "[OPTION]... [-SIGNAL] NAME...", about: "Send a signal to the processes of a name.",
		options: []string{"s signal=", "q quiet", "l list", "e exact", "v verbose"}, lacks: []string{"I ignore-case", "g process-group", "i interactive", "r regexp", "u user=", "w wait", "y younger-than=", "o older-than=", "n ns=", "Z context="}}, args)
	if done {
		return status
	}
	quiet := false
	for _, o := range opts {
		switch o.name {
		case "q":
			quiet = true
		case "l":
			return p.listSignals(nil)
		case "s":
			n, ok := parseSignal(o.value)
			if !ok {
				p.Errorf("%s: unknown signal; killall -l lists signals.", o.value)
				return 1
			}
			signal = n
		}
	}
	if len(names) == 0 {
		return p.missingOperand(usage{})
	}
	for _, name := range names {
		found := false
		for _, info := range p.System.Processes() {
			if info.PID == p.System.PID() || lastElement(info.Args[0]) != name {
				continue
			}
			found = true
			if err := p.System.Kill(info.PID, signal); err != nil {
				p.Errorf("%s(%d): %s", name, info.PID, strerror(err))
				status = 1
			}
		}
		if !found {
			status = 1
			if !quiet {
				p.Errorf("%s: no process found", name)
			}
		}
	}
	return status
}

func pgrep(p *Process) int { return findProcesses(p, false) }
func pkill(p *Process) int { return findProcesses(p, true) }

// findProcesses is pgrep, and pkill with deliver set.
func findProcesses(p *Process, deliver bool) int {
	args := p.Args[1:]
	signal := sigTERM
	if deliver && len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' {
		if n, ok := parseSignal(args[0][1:]); ok {
			signal, args = n, args[1:]
		}
	}
	opts, operands, status, done := p.parseArgs(pgrepUsage, args)
	if done {
		return status
	}
	has := map[string]string{}
	for _, o := range opts {
		has[o.name] = o.value
		if n, ok := parseSignal(o.value); o.name == "signal" && ok {
			signal = n
		} else if o.name == "signal" {
			p.Errorf("Unknown signal \"%s\".", o.value)
			return 2
		}
	}
	given := func(name string) bool { _, ok := has[name]; return ok }
	if len(operands) > 1 {
		p.Errorf("only one pattern can be provided")
		return p.tryHelp(pgrepUsage)
	}
	pattern := ""
	if len(operands) == 1 {
		pattern = operands[0]
	} else if !given("u") && !given("P") {
		p.Errorf("no matching criteria specified")
		return p.tryHelp(pgrepUsage)
	}
	if given("x") {
		pattern = "^(" + pattern + ")$"
	}
	re, err := CompileRegexp(pattern, RegexpOptions{Extended: true, IgnoreCase: given("i")})
	if err != nil {
		p.Errorf("%s", err)
		return 2
	}
	a := p.accounts()
	var found []ProcessInfo
	for _, i := range p.System.Processes() {
		if i.PID == p.System.PID() {
			continue
		}
		text := processName(i)
		if given("f") {
			text = commandLine(i)
		}
		match := re.Match([]byte(text))
		if given("u") && !slices.ContainsFunc(strings.Split(has["u"], ","), func(u string) bool { uid, ok := a.uid(u); return ok && uid == i.UID }) {
			match = false
		}
		if given("P") && !slices.Contains(strings.Split(has["P"], ","), itoa(i.PPID)) {
			match = false
		}
		if match != given("v") {
			found = append(found, i)
		}
	}
	byAge := func(x, y ProcessInfo) int { return x.Started.Compare(y.Started) }
	switch {
	case len(found) == 0:
	case given("n"):
		found = []ProcessInfo{slices.MaxFunc(found, byAge)}
	case given("o"):
		found = []ProcessInfo{slices.MinFunc(found, byAge)}
	}
	if len(found) == 0 {
		if given("c") {
			p.Stdout.Write([]byte("0\n"))
		}
		return 1
	}
	if deliver {
		return p.signalAll(found, signal, given("e"))
	}
	if given("c") {
		p.Stdout.Write([]byte(itoa(len(found)) + "\n"))
		return 0
	}
	lines := make([]string, len(found))
	for n, i := range found {
		lines[n] = itoa(i.PID)
		switch {
		case given("a"):
			lines[n] += " " + commandLine(i)
		case given("l"):
			lines[n] += " " + processName(i)
		}
	}
	separator := "\n"
	if given("d") {
		separator = has["d"]
	}
	p.Stdout.Write([]byte(strings.Join(lines, separator) + "\n"))
	return 0
}

func (p *Process) signalAll(found []ProcessInfo, signal int, echo bool) int {
	status := 0
	for _, i := range found {
		if err := p.System.Kill(i.PID, signal); err != nil {
			p.Errorf("killing pid %d failed: %s", i.PID, strerror(err))
			status = 1
		} else if echo {
			p.Stdout.Write([]byte(processName(i) + " killed (pid " + itoa(i.PID) + ")\n"))
		}
	}
	return status
}

var pidofUsage = usage{synopsis: "[options] [program [...]]", about: "Find the process IDs of running programs.", options: []string{"s single-shot", "x", "q", "o omit-pid=", "S separator="}}

func pidof(p *Process) int {
	opts, operands, status, done := p.parse(pidofUsage)
	if done {
		return status
	}
	var single, quiet bool
	separator := " "
	var omit []string
	for _, o := range opts {
		switch o.name {
		case "s":
			single = true
		case "q":
			quiet = true
		case "o":
			omit = append(omit, strings.Split(o.value, ",")...)
		case "S":
			separator = o.value
		}
	}
	var pids []string
	for _, i := range slices.Backward(p.System.Processes()) {
		if len(i.Args) == 0 || slices.Contains(omit, itoa(i.PID)) {
			continue
		}
		for _, name := range operands {
			if i.Args[0] == name || lastElement(i.Args[0]) == name {
				pids = append(pids, itoa(i.PID))
				break
			}
		}
	}
	if len(pids) == 0 {
		return 1
	}
	if single {
		pids = pids[:1]
	}
	if !quiet {
		p.Stdout.Write([]byte(strings.Join(pids, separator) + "\n"))
	}
	return 0
}
