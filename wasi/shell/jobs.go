package shell

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"

	"github.com/sockerless/sockerless/wasi/kernel"
)

var errEINTR error = syscall.EINTR

// A job is a pipeline of child processes.
type job struct {
	number     int
	group      int
	procs      []*jobProcess
	text       string
	foreground bool
	disowned   bool
	nohup      bool
}

type jobProcess struct {
	pid    int
	status kernel.WaitStatus
	done   bool
	stop   bool
}

func (j *job) add(p *kernel.Process) {
	if len(j.procs) == 0 {
		j.group = p.PID()
	}
	j.procs = append(j.procs, &jobProcess{pid: p.PID()})
}

func (j *job) done() bool {
	for _, p := range j.procs {
		if !p.done {
			return false
		}
	}
	return true
}

func (j *job) stopped() bool {
	some := false
	for _, p := range j.procs {
		if !p.done && !p.stop {
			return false
		}
		some = some || p.stop
	}
	return some
}

// status is that of the last process.
func (j *job) status() int { return j.procs[len(j.procs)-1].status.Code() }

func (j *job) last() *jobProcess { return j.procs[len(j.procs)-1] }

// jobTable holds the background and stopped jobs of a shell, by age. The last one touched is the current job, %+.
type jobTable struct {
	list     []*job
	recent   []*job // the current job is the last one
	orphans  []int  // children that are no jobs: process substitutions
	finished map[int]int
	foreign  bool // the jobs are those of the parent shell: they can be listed, not waited for
}

// inherited is what a subshell sees of the jobs.
func (t *jobTable) inherited() jobTable {
	sub := jobTable{foreign: true}
	copies := make(map[*job]*job, len(t.list))
	for _, j := range t.list {
		c := *j
		c.procs = nil
		for _, p := range j.procs {
			cp := *p
			c.procs = append(c.procs, &cp)
		}
		copies[j] = &c
		sub.list = append(sub.list, &c)
	}
	for _, j := range t.recent {
		sub.recent = append(sub.recent, copies[j])
	}
	return sub
}

// own forgets the parent's jobs.
func (t *jobTable) own() {
	if t.foreign {
		*t = jobTable{}
	}
}

func (t *jobTable) add(j *job) {
	t.own()
	number := 0
	for _, other := range t.list {
		number = max(number, other.number)
	}
	j.number = number + 1
	t.list = append(t.list, j)
	t.touch(j)
}

func (t *jobTable) touch(j *job) {
	t.drop(j)
	t.recent = append(t.recent, j)
}

func (t *jobTable) drop(j *job) {
	for i, other := range t.recent {
		if other == j {
			t.recent = append(t.recent[:i:i], t.recent[i+1:]...)
			return
		}
	}
}

func (t *jobTable) remove(j *job) {
	t.drop(j)
	for i, other := range t.list {
		if other == j {
			t.list = append(t.list[:i:i], t.list[i+1:]...)
			break
		}
	}
	if t.finished == nil || len(t.finished) > maxFinished {
		t.finished = make(map[int]int)
	}
	for _, p := range j.procs {
		if p.done {
			t.finished[p.pid] = p.status.Code()
		}
	}
}

// maxFinished is how many statuses of ended jobs are remembered for wait.
const maxFinished = 4096

func (t *jobTable) adopt(p *kernel.Process) { t.own(); t.orphans = append(t.orphans, p.PID()) }

// current and previous are the jobs %+ and %-.
func (t *jobTable) current() *job {
	if n := len(t.recent); n > 0 {
		return t.recent[n-1]
	}
	return nil
}

func (t *jobTable) previous() *job {
	if n := len(t.recent); n > 1 {
		return t.recent[n-2]
	}
	return t.current()
}

// find looks a job up by %n, %+, %-, %%, %text or %?text.
func (t *jobTable) find(spec string) (*job, error) {
	body := strings.TrimPrefix(spec, "%")
	switch body {
	case "", "%", "+":
		if j := t.current(); j != nil {
			return j, nil
		}
		return nil, errors.New("no such job")
	case "-":
		if j := t.previous(); j != nil {
			return j, nil
		}
		return nil, errors.New("no such job")
	}
	if n, err := strconv.Atoi(body); err == nil {
		for _, j := range t.list {
			if j.number == n {
				return j, nil
			}
		}
		return nil, errors.New("no such job")
	}
	var found *job
	for _, j := range t.list {
		if text, inside := strings.CutPrefix(body, "?"); inside && strings.Contains(j.text, text) || !inside && strings.HasPrefix(j.text, body) {
			if found != nil {
				return nil, errors.New("ambiguous job spec")
			}
			found = j
		}
	}
	if found == nil {
		return nil, errors.New("no such job")
	}
	return found, nil
}

func (t *jobTable) byPID(pid int) *job {
	for _, j := range t.list {
		for _, p := range j.procs {
			if p.pid == pid {
				return j
			}
		}
	}
	return nil
}

// groupOptions puts the processes of a job into a group of their own under job control.
func (sh *shell) groupOptions(o *kernel.ForkOptions, j *job) {
	if !sh.opts.monitor {
		return
	}
	if len(j.procs) == 0 {
		o.NewGroup = true
	} else {
		o.Group = j.group
	}
	o.Foreground = j.foreground && sh.terminal != nil
	o.Default = append(o.Default, kernel.SIGTSTP, kernel.SIGTTIN, kernel.SIGTTOU, kernel.SIGINT, kernel.SIGQUIT, kernel.SIGTERM)
}

// waitJob waits for a job in the foreground and gives the statuses of its processes.
func (sh *shell) waitJob(j *job) []int {
	flags := kernel.WaitFlags(0)
	if sh.opts.monitor {
		flags = kernel.WUNTRACED
	}
	for _, p := range j.procs {
		for !p.done && !p.stop {
			result, err := sh.p.Wait(sh.p.Context(), p.pid, flags)
			switch {
			case err == nil:
				j.note(result)
			case errors.Is(err, syscall.EINTR):
				sh.queueSignals()
			case errors.Is(err, kernel.ErrKilled):
				panic(abandoned{exit: true})
			default:
				p.done = true
			}
		}
	}
	statuses := make([]int, len(j.procs))
	for i, p := range j.procs {
		statuses[i] = p.status.Code()
	}
	if sh.opts.monitor && sh.terminal != nil {
		_ = sh.terminal.SetForeground(sh.p, sh.p.PGID())
	}
	sh.foregroundDone(j)
	return statuses
}

// foregroundDone takes note of a job that was stopped, or ended by a signal.
func (sh *shell) foregroundDone(j *job) {
	switch {
	case j.stopped():
		if j.number == 0 {
			sh.jobs.add(j)
		}
		sh.jobs.touch(j)
		j.foreground = false
		sh.writeError("\n" + sh.jobLine(j, false))
	case j.number != 0:
		sh.jobs.remove(j)
	}
	last := j.last().status
	if !last.Signaled() {
		return
	}
	switch sig := last.Signal(); {
	case sig == kernel.SIGINT && sh.interactive:
		sh.writeError("\n")
	case sig == kernel.SIGINT && sh.traps.handlers[sig] == nil && sh.bash:
		sh.interrupted = true
	case sig != kernel.SIGINT && sig != kernel.SIGPIPE && sh.interactive:
		sh.writeError(signalText(sig) + "\n")
	}
}

func (j *job) note(result kernel.WaitResult) {
	for _, p := range j.procs {
		if p.pid != result.PID {
			continue
		}
		p.status = result.Status
		p.stop = result.Status.Stopped()
		p.done = !p.stop && !result.Status.Continued()
	}
}

// reap takes the ends of background processes without waiting.
func (sh *shell) reap() {
	if sh.jobs.foreign {
		return
	}
	for _, j := range sh.jobs.list {
		for _, p := range j.procs {
			if p.done {
				continue
			}
			result, err := sh.p.Wait(sh.p.Context(), p.pid, kernel.WNOHANG|kernel.WUNTRACED|kernel.WCONTINUED)
			switch {
			case err == nil && result.PID != 0:
				j.note(result)
			case errors.Is(err, syscall.ECHILD):
				p.done = true
			}
		}
	}
	rest := sh.jobs.orphans[:0]
	for _, pid := range sh.jobs.orphans {
		if result, err := sh.p.Wait(sh.p.Context(), pid, kernel.WNOHANG); err == nil && result.PID == 0 {
			rest = append(rest, pid)
		}
	}
	sh.jobs.orphans = rest
}

// await waits for a background job; interrupted is the signal whose trap ended the wait.
func (sh *shell) await(j *job) (interrupted kernel.Signal) {
	for _, p := range j.procs {
		for !p.done {
			result, err := sh.p.Wait(sh.p.Context(), p.pid, 0)
			switch {
			case err == nil:
				j.note(result)
				// A signal that came before the child's end interrupts the wait, though both are there now.
				if sig := sh.queueSignals(); sig != 0 && sig != kernel.SIGCHLD {
					return sig
				}
			case errors.Is(err, syscall.EINTR):
				if sig := sh.queueSignals(); sig != 0 {
					return sig
				}
			case errors.Is(err, kernel.ErrKilled):
				panic(abandoned{exit: true})
			default:
				p.done = true
			}
		}
	}
	return 0
}

// awaitAny waits until one of the jobs ends.
func (sh *shell) awaitAny(jobs []*job) (done *job, interrupted kernel.Signal) {
	for {
		changed := sh.p.Pending()
		sh.reap()
		for _, j := range jobs {
			if j.done() {
				return j, 0
			}
		}
		if sig := sh.queueSignals(); sig != 0 {
			return nil, sig
		}
		select {
		case <-changed:
		case <-sh.p.Context().Done():
		}
		sh.gate()
	}
}

// jobLine is what jobs prints.
func (sh *shell) jobLine(j *job, long bool) string {
	mark := byte(' ')
	switch j {
	case sh.jobs.current():
		mark = '+'
	case sh.jobs.previous():
		mark = '-'
	}
	state := "Running"
	switch {
	case j.stopped():
		state = "Stopped"
	case j.done():
		state = "Done"
		if last := j.last().status; last.Signaled() {
			state = signalText(last.Signal())
		} else if code := last.Code(); code != 0 {
			state = "Exit " + strconv.Itoa(code)
			if sh.posix() {
				state = "Done(" + strconv.Itoa(code) + ")"
			}
		}
	}
	text := j.text
	if state == "Running" && sh.bash {
		text += " &"
	}
	pid := ""
	if long {
		pid = strconv.Itoa(j.procs[0].pid) + " "
	}
	if sh.posix() {
		return fmt.Sprintf("[%d] %c %s%-26s %s\n", j.number, mark, pid, state, text)
	}
	return fmt.Sprintf("[%d]%c  %s%-23s %s\n", j.number, mark, pid, state, text)
}

// report tells an interactive user about jobs that ended, and forgets them.
func (sh *shell) report() {
	sh.reap()
	for _, j := range append([]*job(nil), sh.jobs.list...) {
		if j.done() {
			if sh.interactive && !j.disowned {
				sh.writeError(sh.jobLine(j, false))
			}
			sh.jobs.remove(j)
		}
	}
}

// signalText is the system's description of a signal.
func signalText(sig kernel.Signal) string {
	switch sig {
	case kernel.SIGHUP:
		return "Hangup"
	case kernel.SIGINT:
		return "Interrupt"
	case kernel.SIGQUIT:
		return "Quit"
	case kernel.SIGILL:
		return "Illegal instruction"
	case kernel.SIGABRT:
		return "Aborted"
	case kernel.SIGFPE:
		return "Floating point exception"
	case kernel.SIGKILL:
		return "Killed"
	case kernel.SIGUSR1:
		return "User defined signal 1"
	case kernel.SIGUSR2:
		return "User defined signal 2"
	case kernel.SIGSEGV:
		return "Segmentation fault"
	case kernel.SIGPIPE:
		return "Broken pipe"
	case kernel.SIGALRM:
		return "Alarm clock"
	case kernel.SIGTERM:
		return "Terminated"
	}
	return "Signal " + strconv.Itoa(int(sig))
}
