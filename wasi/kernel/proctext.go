package kernel

import (
	"fmt"
	"io/fs"
	"math"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/sockerless/sockerless/store/rootfs"
)

// Release is the kernel version that uname and /proc/version show: the sandbox keeps to that Linux version's interface.
const Release = "6.1.0-sockerless"

// procRoot is /proc.
var procRoot = procEntry{
	name: "proc", mode: fs.ModeDir | 0o555, list: processEntries,
	entries: []*procEntry{
		procLink("self", func(_ *Table, p *Process) string { return strconv.Itoa(p.pid) }),
		procLink("thread-self", func(_ *Table, p *Process) string {
			return fmt.Sprintf("%d/task/%[1]d", p.pid)
		}),
		procLink("mounts", func(*Table, *Process) string { return "self/mounts" }),
		procFile("cmdline", func(*Table, *Process) string { return "\n" }),
		procFile("cpuinfo", cpuInfo),
		procFile("filesystems", func(*Table, *Process) string {
			return "nodev\tproc\nnodev\tsysfs\nnodev\ttmpfs\nnodev\tdevtmpfs\nnodev\toverlay\n"
		}),
		procFile("loadavg", loadAverage),
		procFile("meminfo", memoryInfo),
		procFile("stat", systemStat),
		procFile("swaps", func(*Table, *Process) string { return "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n" }),
		procFile("uptime", func(t *Table, _ *Process) string {
			up := time.Since(t.Boot()).Seconds()
			return fmt.Sprintf("%.2f %.2f\n", up, max(0, up*float64(t.CPUs())-t.Usage().CPU.Seconds()))
		}),
		procFile("version", func(*Table, *Process) string {
			return "Linux version " + Release + " (sockerless) #1 SMP\n"
		}),
		procDir("sys", procDir("fs", procFile("file-max", number(math.MaxInt64)), procFile("nr_open", number(maxFiles))),
			procDir("kernel",
				procFile("domainname", func(t *Table, _ *Process) string { return orNone(t.Domainname()) + "\n" }),
				procFile("hostname", func(t *Table, _ *Process) string { return t.Hostname() + "\n" }),
				procFile("osrelease", func(*Table, *Process) string { return Release + "\n" }),
				procFile("ostype", func(*Table, *Process) string { return "Linux\n" }),
				procFile("pid_max", number(maxPID)),
			)),
	},
}

// sysRoot is /sys: what programs look at to find out what they may use (the files of cgroup v2 and the processors).
var sysRoot = procEntry{
	name: "sys", mode: fs.ModeDir | 0o555,
	entries: []*procEntry{
		procDir("class", procDir("net")),
		procDir("devices", procDir("system", procDir("cpu",
			procFile("online", cpuRange), procFile("possible", cpuRange), procFile("present", cpuRange)))),
		procDir("fs", procDir("cgroup",
			procFile("cpu.max", func(t *Table, _ *Process) string { return fmt.Sprintf("%d 100000\n", 100000*t.CPUs()) }),
			procFile("memory.current", func(t *Table, _ *Process) string { return fmt.Sprintln(t.Usage().Memory) }),
			procFile("memory.max", func(t *Table, _ *Process) string { return fmt.Sprintln(t.config.Limits.Memory) }),
			procFile("pids.current", func(t *Table, _ *Process) string { return fmt.Sprintln(t.Usage().Processes) }),
			procFile("pids.max", func(t *Table, _ *Process) string {
				if n := t.config.Limits.Processes; n > 0 {
					return fmt.Sprintln(n)
				}
				return "max\n"
			}),
		)),
	},
}

func cpuRange(t *Table, _ *Process) string {
	if t.CPUs() == 1 {
		return "0\n"
	}
	return fmt.Sprintf("0-%d\n", t.CPUs()-1)
}

// procProcess is /proc/<pid>.
var procProcess = []*procEntry{
	{name: "cwd", mode: fs.ModeSymlink | 0o777, link: func(_ *Table, p *Process) string { return p.view.Getwd() }},
	{name: "environ", mode: 0o400, text: func(_ *Table, p *Process) string { return zeroEnded(p.Env()) }},
	{name: "exe", mode: fs.ModeSymlink | 0o777, link: func(_ *Table, p *Process) string {
		name := p.Path()
		if real, err := p.view.Resolve(name); err == nil {
			return real
		}
		return path.Join("/", name)
	}},
	{name: "fd", mode: fs.ModeDir | 0o500, list: descriptorEntries},
	procLink("root", func(*Table, *Process) string { return "/" }),
	procFile("cgroup", func(*Table, *Process) string { return "0::/\n" }),
	procFile("cmdline", func(_ *Table, p *Process) string { return zeroEnded(p.Args()) }),
	procFile("comm", func(_ *Table, p *Process) string { return p.comm() + "\n" }),
	procFile("io", func(_ *Table, p *Process) string {
		return fmt.Sprintf("rchar: %d\nwchar: %d\nsyscr: 0\nsyscw: 0\nread_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 0\n",
			p.read.Load(), p.written.Load())
	}),
	procFile("limits", processLimits),
	procFile("mountinfo", mountInfo),
	procFile("mounts", mounts),
	procFile("oom_score", number(0)),
	procFile("oom_score_adj", number(0)),
	procFile("stat", processStat),
	procFile("statm", func(*Table, *Process) string { return "0 0 0 0 0 0 0\n" }),
	procFile("status", processStatus),
}

func number(n int64) func(*Table, *Process) string {
	return func(*Table, *Process) string { return strconv.FormatInt(n, 10) + "\n" }
}

func orNone(s string) string {
	if s == "" {
		return "(none)"
	}
	return s
}

func zeroEnded(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return strings.Join(list, "\x00") + "\x00"
}

// CPUs is the number of processors that the container sees.
func (t *Table) CPUs() int { return max(1, t.config.Limits.CPUs) }

func cpuInfo(t *Table, _ *Process) string {
	var b strings.Builder
	for i := range t.CPUs() {
		fmt.Fprintf(&b, "processor\t: %d\nmodel name\t: sockerless sandbox\ncpu cores\t: %d\n\n", i, t.CPUs())
	}
	return b.String()
}

func loadAverage(t *Table, _ *Process) string {
	running, all := 0, t.Processes()
	for _, p := range all {
		if p.State == 'R' {
			running++
		}
	}
	t.mu.Lock()
	last := t.last
	t.mu.Unlock()
	return fmt.Sprintf("0.00 0.00 0.00 %d/%d %d\n", running, len(all), last)
}

func memoryInfo(t *Table, _ *Process) string {
	total := t.config.Limits.Memory / 1024
	free := max(0, t.config.Limits.Memory-t.Usage().Memory) / 1024
	return fmt.Sprintf("MemTotal:       %8d kB\nMemFree:        %8d kB\nMemAvailable:   %8[2]d kB\nBuffers:        %8d kB\n"+
		"Cached:         %8[3]d kB\nSwapTotal:      %8[3]d kB\nSwapFree:       %8[3]d kB\n", total, free, 0)
}

// ticks are clock ticks of USER_HZ, 100 a second.
func ticks(d time.Duration) int64 { return int64(d / (10 * time.Millisecond)) }

func systemStat(t *Table, _ *Process) string {
	busy := ticks(t.Usage().CPU)
	idle := max(0, ticks(time.Since(t.Boot()))*int64(t.CPUs())-busy)
	var b strings.Builder
	fmt.Fprintf(&b, "cpu  %d 0 0 %d 0 0 0 0 0 0\n", busy, idle)
	for i := range t.CPUs() {
		fmt.Fprintf(&b, "cpu%d %d 0 0 %d 0 0 0 0 0 0\n", i, busy/int64(t.CPUs()), idle/int64(t.CPUs()))
	}
	fmt.Fprintf(&b, "intr 0\nctxt 0\nbtime %d\nprocesses %d\nprocs_running 1\nprocs_blocked 0\n", t.Boot().Unix(), t.forks.Load())
	return b.String()
}

// comm is the program's name as the kernel keeps it, at most 15 bytes.
func (p *Process) comm() string {
	name := path.Base(p.Path())
	return name[:min(15, len(name))]
}

// describe is info with the lock taken.
func (p *Process) describe() Info {
	p.table.mu.Lock()
	defer p.table.mu.Unlock()
	return p.info()
}

// processStat has the 52 fields of proc(5); those about memory and scheduling are 0.
func processStat(t *Table, p *Process) string {
	i := p.describe()
	terminal := uint64(0)
	if i.TTY != "" {
		n, _ := strconv.Atoi(strings.TrimPrefix(i.TTY, "pts/"))
		terminal = rootfs.Mkdev(ptsMajor, uint32(n))
	}
	start := max(0, ticks(i.Started.Sub(t.Boot())))
	return fmt.Sprintf("%d (%s) %c %d %d %d %d %d 0 0 0 0 0 %d 0 0 0 20 0 1 0 %d%s\n",
		i.PID, p.comm(), i.State, i.PPID, i.PGID, i.SID, terminal, i.Foreground, ticks(i.CPU), start, strings.Repeat(" 0", 30))
}

func processStatus(_ *Table, p *Process) string {
	i := p.describe()
	cred := p.view.Cred()
	t := p.table
	t.mu.Lock()
	pending, ignored, caught := p.pending, p.ignored, p.caught
	t.mu.Unlock()
	state := map[byte]string{'R': "R (running)", 'S': "S (sleeping)", 'T': "T (stopped)", 'Z': "Z (zombie)"}[i.State]
	umask := rootfs.UnixMode(p.view.Umask())
	var groups strings.Builder
	for _, g := range cred.Groups {
		fmt.Fprintf(&groups, "%d ", g)
	}
	return fmt.Sprintf("Name:\t%s\nUmask:\t%04o\nState:\t%s\nTgid:\t%d\nNgid:\t0\nPid:\t%[4]d\nPPid:\t%d\nTracerPid:\t0\n"+
		"Uid:\t%d\t%[6]d\t%[6]d\t%[6]d\nGid:\t%d\t%[7]d\t%[7]d\t%[7]d\nFDSize:\t64\nGroups:\t%s\nThreads:\t1\n"+
		"SigPnd:\t%016x\nShdPnd:\t%016x\nSigBlk:\t%016x\nSigIgn:\t%016x\nSigCgt:\t%016x\n",
		p.comm(), umask, state, i.PID, i.PPID, i.UID, i.GID, groups.String(), 0, pending, 0, ignored, caught)
}

func processLimits(t *Table, _ *Process) string {
	var b strings.Builder
	line := func(name, soft, unit string) { fmt.Fprintf(&b, "%-25s %-20s %-20s %-10s\n", name, soft, soft, unit) }
	fmt.Fprintf(&b, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units")
	processes := "unlimited"
	if n := t.config.Limits.Processes; n > 0 {
		processes = strconv.Itoa(n)
	}
	line("Max processes", processes, "processes")
	line("Max open files", strconv.Itoa(maxFiles), "files")
	return b.String()
}

func mountOptions(m rootfs.MountPoint) string {
	if m.ReadOnly {
		return "ro,relatime"
	}
	return "rw,relatime"
}

// escaped is a path as /proc/mounts has it.
func escaped(name string) string {
	return strings.NewReplacer("\\", `\134`, " ", `\040`, "\t", `\011`, "\n", `\012`).Replace(name)
}

func mounts(t *Table, _ *Process) string {
	var b strings.Builder
	for _, m := range t.Tree().Mounts() {
		fmt.Fprintf(&b, "%s %s %s %s 0 0\n", m.Type, escaped(m.Path), m.Type, mountOptions(m))
	}
	return b.String()
}

func mountInfo(t *Table, _ *Process) string {
	var b strings.Builder
	for i, m := range t.Tree().Mounts() {
		parent := 20
		if i == 0 {
			parent = 1
		}
		fmt.Fprintf(&b, "%d %d 0:%d / %s %s - %s %s rw\n", 20+i, parent, 20+i, escaped(m.Path), mountOptions(m), m.Type, m.Type)
	}
	return b.String()
}
