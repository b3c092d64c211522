package shell

import (
	"errors"
	"strconv"
	"strings"

	"github.com/sockerless/sockerless/wasi/kernel"
)

func (sh *shell) trapBuiltin(args []string) int {
	rest := args[1:]
	print := false
	for len(rest) > 0 && len(rest[0]) > 1 && rest[0][0] == '-' {
		a := rest[0]
		rest = rest[1:]
		if a == "--" {
			break
		}
		if a == "-l" && sh.bash {
			sh.listSignals()
			return 0
		}
		if a != "-p" || sh.posix() {
			return sh.badOption("trap", a)
		}
		print = true
	}
	if len(rest) == 0 || print {
		return sh.listTraps(rest)
	}
	if len(rest) == 1 && !isNumber(rest[0]) {
		if rest[0] == "-" {
			sh.writeError(usageOf("trap"))
			return 2
		}
		if !sh.setTrap(rest[0], nil) {
			if sh.bash {
				sh.writeError(usageOf("trap"))
				return 2
			}
			return sh.badTrap(rest[0])
		}
		return 0
	}
	names, text := rest[1:], &rest[0]
	if rest[0] == "-" {
		text = nil
	} else if isNumber(rest[0]) {
		names, text = rest, nil
	}
	status := 0
	for _, name := range names {
		if !sh.setTrap(name, text) {
			status = sh.badTrap(name)
		}
	}
	return status
}

func (sh *shell) badTrap(name string) int {
	if sh.posix() {
		sh.writeError("trap: " + name + ": bad trap\n")
		return 1
	}
	sh.errorf("trap: %s: invalid signal specification", name)
	return 1
}

func isNumber(s string) bool {
	_, err := strconv.ParseUint(s, 10, 16)
	return err == nil
}

// listTraps prints traps as commands that set them again.
func (sh *shell) listTraps(only []string) int {
	all := sh.traps.shown
	if all == nil {
		all = sh.traps.list()
	}
	var names []string
	status := 0
	if len(only) == 0 {
		for name := range all {
			names = append(names, name)
		}
		trapOrder(names)
	}
	for _, name := range only {
		upper := strings.ToUpper(name)
		if sig, ok := kernel.SignalNumber(name); ok && sig != 0 {
			upper = sig.String()
		} else if name == "0" {
			upper = "EXIT"
		} else if upper != "EXIT" && upper != "ERR" && upper != "DEBUG" && upper != "RETURN" {
			status = sh.badTrap(name)
			continue
		}
		if _, set := all[upper]; set {
			names = append(names, upper)
		}
	}
	for _, name := range names {
		if sh.posix() {
			sh.put("trap -- " + quotePOSIX(all[name]) + " " + strings.TrimPrefix(name, "SIG") + "\n")
		} else {
			sh.put("trap -- " + quotePlain(all[name]) + " " + name + "\n")
		}
	}
	return status
}

func (sh *shell) listSignals() {
	column := 0
	for sig := kernel.Signal(1); sig <= kernel.MaxSignal; sig++ {
		if sig == 32 || sig == 33 {
			continue
		}
		sh.putf("%2d) %s", int(sig), sig)
		if column++; column < 5 {
			sh.put("\t")
		} else {
			sh.put("\n")
			column = 0
		}
	}
	if column > 0 {
		sh.put("\n")
	}
}

func (sh *shell) kill(args []string) int {
	rest := args[1:]
	sig := kernel.SIGTERM
	if len(rest) > 0 && (rest[0] == "-l" || rest[0] == "-L") {
		return sh.killList(rest[1:])
	}
	bad := func(name string) int {
		if sh.posix() {
			return sh.misuse(2, "kill: invalid signal number or name: %s", name)
		}
		sh.errorf("kill: %s: invalid signal specification", name)
		return 1
	}
	if len(rest) > 0 && len(rest[0]) > 1 && rest[0][0] == '-' && rest[0] != "--" {
		name := rest[0][1:]
		rest = rest[1:]
		if name == "s" || name == "n" {
			if len(rest) == 0 {
				sh.errorf("kill: -%s: option requires an argument", name)
				return 1 + int(truth(sh.posix()))
			}
			name, rest = rest[0], rest[1:]
		} else if strings.HasPrefix(name, "s") && len(name) > 1 && name[1] >= 'A' && name[1] <= 'Z' {
			name = name[1:]
		}
		var ok bool
		if sig, ok = kernel.SignalNumber(name); !ok {
			if name != "EXIT" {
				return bad(name)
			}
			sig = 0
		}
	}
	rest = skipDashes(rest)
	if len(rest) == 0 {
		if sh.posix() {
			return sh.misuse(2, "kill: Usage: kill [-s sigspec | -signum | -sigspec] [pid | job]... or\nkill -l [exitstatus]")
		}
		sh.writeError(usageOf("kill"))
		return 2
	}
	status := 1
	for _, target := range rest {
		if sh.killOne(target, sig) {
			status = 0
		} else if sh.posix() && target[:1] == "%" {
			status = 2
		}
	}
	return status
}

func (sh *shell) killOne(target string, sig kernel.Signal) bool {
	pid := 0
	if strings.HasPrefix(target, "%") {
		sh.reap()
		j, err := sh.jobs.find(target)
		if err != nil {
			if sh.posix() {
				sh.errorf("kill: No such job: %s", target)
				return false
			}
			sh.errorf("kill: %s: %s", target, err)
			return false
		}
		if sh.opts.monitor {
			pid = -j.group
			if j.stopped() && sig != kernel.SIGKILL && sig != kernel.SIGCONT {
				_ = sh.p.Kill(pid, kernel.SIGCONT)
			}
		} else {
			for _, p := range j.procs {
				if !p.done {
					_ = sh.p.Kill(p.pid, sig)
				}
			}
			return true
		}
	} else {
		n, err := strconv.Atoi(target)
		if err != nil {
			if sh.posix() {
				sh.errorf("kill: Illegal number: %s", target)
			} else {
				sh.errorf("kill: %s: arguments must be process or job IDs", target)
			}
			return false
		}
		pid = n
	}
	_ = sh.flush()
	if err := sh.p.Kill(pid, sig); err != nil {
		if sh.posix() {
			sh.errorf("kill: %s\n", errorText(err))
		} else {
			sh.errorf("kill: (%d) - %s", pid, errorText(err))
		}
		return false
	}
	sh.gate()
	return true
}

func (sh *shell) killList(names []string) int {
	if len(names) == 0 {
		if sh.bash {
			sh.listSignals()
			return 0
		}
		for sig := kernel.Signal(1); sig <= kernel.MaxSignal; sig++ {
			sh.put(sig.Name() + "\n")
		}
		return 0
	}
	status := 0
	for _, name := range names {
		n, err := strconv.Atoi(name)
		if err == nil {
			if n > 128 {
				n -= 128
			}
			if n == 0 && err == nil && sh.bash {
				sh.put("EXIT\n")
				continue
			}
			if n > 0 && n <= int(kernel.MaxSignal) {
				sh.put(kernel.Signal(n).Name() + "\n")
				continue
			}
		} else if strings.EqualFold(name, "EXIT") && sh.bash {
			sh.put("0\n")
			continue
		} else if sig, ok := kernel.SignalNumber(name); ok {
			sh.put(strconv.Itoa(int(sig)) + "\n")
			continue
		}
		sh.errorf("kill: %s: invalid signal specification", name)
		status = 1
	}
	return status
}

func (sh *shell) wait(args []string) int {
	opts, ids, status := sh.optionsOf(args, "fn", "p")
	if status != 0 {
		return status
	}
	sh.jobs.own()
	_, any := opts['n']
	variable := opts['p']
	report := func(pid, status int) int {
		if variable != "" {
			sh.assign(variable, strconv.Itoa(pid))
		}
		return status
	}
	if variable != "" {
		sh.unset(variable)
	}
	if any {
		return sh.waitAny(ids, report)
	}
	if len(ids) == 0 {
		for _, j := range append([]*job(nil), sh.jobs.list...) {
			if j.stopped() {
				continue
			}
			if sig := sh.await(j); sig != 0 {
				return 128 + int(sig)
			}
			sh.jobs.remove(j)
		}
		for _, pid := range sh.jobs.orphans {
			_, _ = sh.p.Wait(sh.p.Context(), pid, 0)
		}
		sh.jobs.orphans = nil
		return 0
	}
	for _, id := range ids {
		status = sh.waitFor(id, report)
	}
	return status
}

// waitFor waits for one job or process.
func (sh *shell) waitFor(id string, report func(pid, status int) int) int {
	var j *job
	pid := 0
	if strings.HasPrefix(id, "%") {
		var err error
		if j, err = sh.jobs.find(id); err != nil {
			if sh.posix() {
				return sh.misuse(2, "wait: No such job: %s", id)
			}
			sh.errorf("wait: %s: %s", id, err)
			return 127
		}
		pid = j.last().pid
	} else {
		n, err := strconv.Atoi(id)
		if err != nil || n <= 0 {
			if sh.posix() {
				return sh.misuse(2, "wait: Illegal number: %s", id)
			}
			sh.errorf("wait: `%s': not a pid or valid job spec", id)
			return 1
		}
		pid = n
		if j = sh.jobs.byPID(pid); j == nil {
			if status, known := sh.jobs.finished[pid]; known {
				return report(pid, status)
			}
			for _, orphan := range sh.jobs.orphans {
				if orphan == pid {
					result, err := sh.p.Wait(sh.p.Context(), pid, 0)
					if errors.Is(err, kernel.ErrKilled) {
						panic(abandoned{exit: true})
					}
					return report(pid, result.Status.Code())
				}
			}
			if sh.bash {
				sh.errorf("wait: pid %d is not a child of this shell", pid)
			}
			return 127
		}
	}
	if sig := sh.await(j); sig != 0 {
		return 128 + int(sig)
	}
	status := j.status()
	for _, p := range j.procs {
		if p.pid == pid {
			status = p.status.Code()
		}
	}
	if sh.interactive && j.last().status.Signaled() {
		sh.writeError(sh.jobLine(j, false))
	}
	sh.jobs.remove(j)
	return report(pid, status)
}

func (sh *shell) waitAny(ids []string, report func(pid, status int) int) int {
	jobs := append([]*job(nil), sh.jobs.list...)
	if len(ids) > 0 {
		jobs = nil
		for _, id := range ids {
			var j *job
			if strings.HasPrefix(id, "%") {
				j, _ = sh.jobs.find(id)
			} else if pid, err := strconv.Atoi(id); err == nil {
				j = sh.jobs.byPID(pid)
			}
			if j != nil {
				jobs = append(jobs, j)
			} else if _, err := strconv.Atoi(id); err != nil && id[:1] != "%" {
				sh.errorf("wait: `%s': not a pid or valid job spec", id)
			}
		}
	}
	if len(jobs) == 0 {
		return 127
	}
	j, sig := sh.awaitAny(jobs)
	if sig != 0 {
		return 128 + int(sig)
	}
	sh.jobs.remove(j)
	return report(j.last().pid, j.status())
}

func (sh *shell) jobsBuiltin(args []string) int {
	opts, ids, status := sh.optionsOf(args, "lnprs", "")
	if status != 0 {
		return status
	}
	sh.reap()
	list := append([]*job(nil), sh.jobs.list...)
	if len(ids) > 0 {
		list = nil
		for _, id := range ids {
			j, err := sh.jobs.find(id)
			if err != nil {
				sh.errorf("jobs: %s: %s", id, err)
				return 1
			}
			list = append(list, j)
		}
	}
	_, long := opts['l']
	_, pids := opts['p']
	_, onlyRunning := opts['r']
	_, onlyStopped := opts['s']
	for _, j := range list {
		if onlyRunning && (j.stopped() || j.done()) || onlyStopped && !j.stopped() {
			continue
		}
		if pids {
			sh.put(strconv.Itoa(j.group) + "\n")
		} else {
			sh.put(sh.jobLine(j, long))
		}
		if j.done() {
			sh.jobs.remove(j)
		}
	}
	return 0
}

// jobArgument finds the job that fg and bg mean.
func (sh *shell) jobArgument(args []string) (*job, bool) {
	if !sh.opts.monitor {
		if sh.posix() {
			if args[0] == "fg" && len(sh.jobs.list) == 0 {
				sh.misuse(2, "fg: No current job")
				return nil, false
			}
			sh.misuse(2, "%s: job (null) not created under job control", args[0])
		} else {
			sh.errorf("%s: no job control", args[0])
		}
		return nil, false
	}
	sh.reap()
	spec := "%+"
	if len(args) > 1 {
		spec = args[1]
	}
	j, err := sh.jobs.find(spec)
	if err != nil {
		if len(args) == 1 {
			spec = "current"
		}
		sh.errorf("%s: %s: %s", args[0], spec, err)
		return nil, false
	}
	return j, true
}

func (sh *shell) resume(j *job) {
	for _, p := range j.procs {
		p.stop = false
	}
	_ = sh.p.Kill(-j.group, kernel.SIGCONT)
}

func (sh *shell) fg(args []string) int {
	j, ok := sh.jobArgument(args)
	if !ok {
		return 1 + int(truth(sh.posix()))
	}
	sh.put(j.text + "\n")
	_ = sh.flush()
	j.foreground = true
	if sh.terminal != nil {
		_ = sh.terminal.SetForeground(sh.p, j.group)
	}
	sh.resume(j)
	statuses := sh.waitJob(j)
	return sh.pipelineStatus(statuses)
}

func (sh *shell) bg(args []string) int {
	j, ok := sh.jobArgument(args)
	if !ok {
		return 1 + int(truth(sh.posix()))
	}
	sh.putf("[%d]+ %s &\n", j.number, j.text)
	sh.resume(j)
	return 0
}

func (sh *shell) disown(args []string) int {
	opts, ids, status := sh.optionsOf(args, "ahr", "")
	if status != 0 {
		return status
	}
	var list []*job
	if _, all := opts['a']; all {
		list = append(list, sh.jobs.list...)
	} else if len(ids) == 0 {
		if j := sh.jobs.current(); j != nil {
			list = append(list, j)
		} else {
			sh.errorf("disown: current: no such job")
			return 1
		}
	}
	for _, id := range ids {
		var j *job
		err := errors.New("no such job")
		if pid, numErr := strconv.Atoi(id); numErr == nil {
			j = sh.jobs.byPID(pid)
		} else {
			j, err = sh.jobs.find(id)
		}
		if j == nil {
			sh.errorf("disown: %s: %s", id, err)
			return 1
		}
		list = append(list, j)
	}
	_, keep := opts['h']
	for _, j := range list {
		if keep {
			j.nohup = true
			continue
		}
		for _, p := range j.procs {
			sh.jobs.orphans = append(sh.jobs.orphans, p.pid)
		}
		sh.jobs.remove(j)
	}
	return 0
}

func (sh *shell) suspend([]string) int {
	if sh.login || !sh.opts.monitor {
		sh.errorf("suspend: cannot suspend")
		return 1
	}
	_ = sh.p.Raise(kernel.SIGSTOP)
	return 0
}
