package inside

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ticks are Linux's clock ticks in a second, USER_HZ, which is the same on all architectures that we build for.
const ticks = 100

// processInfo is what /proc tells of a process.
type processInfo struct {
	pid, ppid, pgid, sid int
	name                 string // of at most 15 bytes
	state                byte
	terminal             int           // device number
	cpu, cpuOfChildren   time.Duration // of children: of those that were waited for
	nice, priority       int
	threads              int
	start                time.Duration // since the machine's start
	vsize, rss           int64         // bytes
	uid, gid             uint32        // effective
}

// foreign tells of a process in this one's namespace whether it was put there from outside: so come the connections to the
// agent, which must live on when the container is paused or ends.
func (p processInfo) foreign() bool { return p.ppid == 0 && p.pid != os.Getpid() }

// containerProcesses are the processes of the container, without this one: all that can be seen and are not foreign if this
// is the first process of their namespace, else this one's descendants.
func containerProcesses() []processInfo {
	all := allProcesses()
	self := os.Getpid()
	if self == 1 {
		list := all[:0]
		for _, p := range all {
			if p.pid != self && !p.foreign() {
				list = append(list, p)
			}
		}
		return list
	}
	children := map[int][]processInfo{}
	for _, p := range all {
		children[p.ppid] = append(children[p.ppid], p)
	}
	list := append([]processInfo(nil), children[self]...)
	for i := 0; i < len(list); i++ {
		list = append(list, children[list[i].pid]...)
	}
	return list
}

// allProcesses reads /proc, by process id. Processes that end meanwhile are left out.
func allProcesses() []processInfo {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1) // what could be read
	var list []processInfo
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			if p, ok := readProcess(pid); ok {
				list = append(list, p)
			}
		}
	}
	return list
}

// readProcess reads /proc/PID/stat as proc_pid_stat(5) describes it.
func readProcess(pid int) (p processInfo, ok bool) {
	dir := "/proc/" + strconv.Itoa(pid)
	text, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return p, false
	}
	open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')') // the name may have brackets and blanks itself
	if open < 0 || end < open {
		return p, false
	}
	f := strings.Fields(string(text[end+1:]))
	if len(f) < 22 {
		return p, false
	}
	number := func(i int) int64 { // i as in the manual, where the state is 3
		n, _ := strconv.ParseInt(f[i-3], 10, 64) // the kernel writes numbers
		return n
	}
	clock := func(i int) time.Duration { return time.Duration(number(i)) * (time.Second / ticks) }
	p = processInfo{
		pid: pid, name: string(text[open+1 : end]), state: f[0][0],
		ppid: int(number(4)), pgid: int(number(5)), sid: int(number(6)), terminal: int(number(7)),
		cpu: clock(14) + clock(15), cpuOfChildren: clock(16) + clock(17),
		priority: int(number(18)), nice: int(number(19)), threads: int(number(20)), start: clock(22),
		vsize: number(23), rss: number(24) * int64(os.Getpagesize()),
	}
	if info, err := os.Stat(dir); err == nil {
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			p.uid, p.gid = st.Uid, st.Gid
		}
	}
	return p, true
}

// args are the arguments of a process; none for one that has ended.
func (p processInfo) args() []string {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(p.pid) + "/cmdline")
	if err != nil || len(text) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00")
}

// stopAll stops all processes of the container, and those that they start meanwhile.
func stopAll() {
	for {
		signalAll(syscall.SIGSTOP)
		running := false
		for _, p := range containerProcesses() {
			running = running || p.state != 'T' && p.state != 't' && p.state != 'Z' && p.state != 'X' && p.state != 'D'
		}
		if !running {
			return
		}
	}
}

// booted is when the machine started.
func booted() time.Time {
	text, err := os.ReadFile("/proc/stat")
	if err == nil {
		for line := range strings.Lines(string(text)) {
			if value, ok := strings.CutPrefix(line, "btime "); ok {
				if n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64); err == nil {
					return time.Unix(n, 0)
				}
			}
		}
	}
	return time.Time{}
}
