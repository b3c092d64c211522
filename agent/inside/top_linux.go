package inside

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/errdefs"

	"github.com/sockerless/sockerless/agent/account"
	"github.com/sockerless/sockerless/agent/agentpb"
)

// processTable is one run of ps.
type processTable struct {
	users, groups map[uint32]string
	boot, now     time.Time
	memory        int64
}

type psColumn struct {
	title string
	value func(t *processTable, p processInfo) string
}

// psColumns are the columns that ps's -o can name and that can be told from outside.
var psColumns = map[string]psColumn{
	"pid":     {"PID", func(_ *processTable, p processInfo) string { return strconv.Itoa(p.pid) }},
	"ppid":    {"PPID", func(_ *processTable, p processInfo) string { return strconv.Itoa(p.ppid) }},
	"pgid":    {"PGID", func(_ *processTable, p processInfo) string { return strconv.Itoa(p.pgid) }},
	"sid":     {"SID", func(_ *processTable, p processInfo) string { return strconv.Itoa(p.sid) }},
	"uid":     {"UID", func(_ *processTable, p processInfo) string { return strconv.Itoa(int(p.uid)) }},
	"gid":     {"GID", func(_ *processTable, p processInfo) string { return strconv.Itoa(int(p.gid)) }},
	"user":    {"USER", func(t *processTable, p processInfo) string { return t.user(p) }},
	"uidname": {"UID", func(t *processTable, p processInfo) string { return t.user(p) }},
	"group":   {"GROUP", func(t *processTable, p processInfo) string { return named(t.groups, p.gid) }},
	"comm":    {"COMMAND", func(_ *processTable, p processInfo) string { return p.name }},
	"ucmd":    {"CMD", func(_ *processTable, p processInfo) string { return p.name }},
	"args":    {"COMMAND", func(_ *processTable, p processInfo) string { return p.command() }},
	"cmd":     {"CMD", func(_ *processTable, p processInfo) string { return p.command() }},
	"stat":    {"STAT", func(_ *processTable, p processInfo) string { return p.stat() }},
	"s":       {"S", func(_ *processTable, p processInfo) string { return string(p.state) }},
	"tty":     {"TT", func(_ *processTable, p processInfo) string { return p.tty() }},
	"tname":   {"TTY", func(_ *processTable, p processInfo) string { return p.tty() }},
	"time":    {"TIME", func(_ *processTable, p processInfo) string { return clock(p.cpu, true) }},
	"bsdtime": {"TIME", func(_ *processTable, p processInfo) string {
		return fmt.Sprintf("%d:%02d", int(p.cpu.Minutes()), int(p.cpu.Seconds())%60)
	}},
	"etime":  {"ELAPSED", func(t *processTable, p processInfo) string { return clock(t.age(p), false) }},
	"etimes": {"ELAPSED", func(t *processTable, p processInfo) string { return strconv.Itoa(int(t.age(p).Seconds())) }},
	"pcpu": {"%CPU", func(t *processTable, p processInfo) string {
		return strconv.FormatFloat(100*t.share(p), 'f', 1, 64)
	}},
	"c": {"C", func(t *processTable, p processInfo) string { return strconv.Itoa(min(int(100*t.share(p)), 99)) }},
	"pmem": {"%MEM", func(t *processTable, p processInfo) string {
		return strconv.FormatFloat(100*float64(p.rss)/float64(max(t.memory, 1)), 'f', 1, 64)
	}},
	"vsz":    {"VSZ", func(_ *processTable, p processInfo) string { return strconv.FormatInt(p.vsize>>10, 10) }},
	"rss":    {"RSS", func(_ *processTable, p processInfo) string { return strconv.FormatInt(p.rss>>10, 10) }},
	"ni":     {"NI", func(_ *processTable, p processInfo) string { return strconv.Itoa(p.nice) }},
	"pri":    {"PRI", func(_ *processTable, p processInfo) string { return strconv.Itoa(39 - p.priority) }},
	"nlwp":   {"NLWP", func(_ *processTable, p processInfo) string { return strconv.Itoa(p.threads) }},
	"stime":  {"STIME", func(t *processTable, p processInfo) string { return t.started(p) }},
	"start":  {"START", func(t *processTable, p processInfo) string { return t.started(p) }},
	"lstart": {"STARTED", func(t *processTable, p processInfo) string { return t.boot.Add(p.start).Format(time.ANSIC) }},
	"wchan":  {"WCHAN", func(*processTable, processInfo) string { return "-" }},
}

// psAliases are other names of columns.
var psAliases = map[string]string{
	"command": "args", "ucomm": "comm", "fname": "comm", "state": "s", "tt": "tty", "cputime": "time", "%cpu": "pcpu",
	"%mem": "pmem", "vsize": "vsz", "rssize": "rss", "nice": "ni", "euser": "user", "uname": "user", "euid": "uid",
	"egid": "gid", "egroup": "group", "pgrp": "pgid", "sess": "sid", "session": "sid", "bsdstart": "start",
	"start_time": "stime", "tgid": "pid", "thcount": "nlwp",
}

// The columns of ps's own formats.
var (
	psFull  = []string{"uidname", "pid", "ppid", "c", "stime", "tname", "time", "cmd"}
	psShort = []string{"pid", "tname", "time", "ucmd"}
	psLong  = []string{"s", "uid", "pid", "ppid", "c", "pri", "ni", "wchan", "tname", "time", "ucmd"}
	psUser  = []string{"user", "pid", "pcpu", "pmem", "vsz", "rss", "tname", "stat", "start", "bsdtime", "args"}
	psBSD   = []string{"pid", "tname", "stat", "bsdtime", "args"}
)

// Top lists the processes of the container as ps would. ps itself may be missing in the image, so its options are read
// here: those that choose columns (-f, -F, -l, u, -o) work, those that choose processes (-e, -A, ax) need not be told apart,
// since all that there are were asked for.
func (h *Host) Top(_ context.Context, id string, args []string) (*agentpb.TopReply, error) {
	if _, err := h.check(id); err != nil {
		return nil, err
	}
	h.life.RLock()
	defer h.life.RUnlock()
	if !h.alive {
		return nil, errdefs.ErrFailedPrecondition.WithMessage("container " + id + " is not running")
	}
	if len(args) == 0 {
		args = []string{"-ef"}
	}
	names, titles, err := psFormat(args)
	if err != nil {
		return nil, err
	}
	t := &processTable{users: account.Users(readFile), groups: account.Groups(readFile), boot: booted(), now: time.Now(), memory: machineMemory()}
	reply := &agentpb.TopReply{Titles: titles}
	list := containerProcesses()
	slices.SortFunc(list, func(a, b processInfo) int { return a.pid - b.pid })
	for _, p := range list {
		row := &agentpb.TopReply_Row{}
		for _, name := range names {
			row.Cells = append(row.Cells, psColumns[name].value(t, p))
		}
		reply.Processes = append(reply.Processes, row)
	}
	return reply, nil
}

// psFormat reads the options of ps: the names of columns, and their titles.
func psFormat(args []string) (names, titles []string, err error) {
	names = psShort
	var own []string
	renamed := map[int]string{}
	for i := 0; i < len(args); i++ {
		arg := args[i]
		letters, dashed := strings.CutPrefix(arg, "-")
		if !dashed && i == 0 {
			names = psBSD
		}
		for at, letter := range letters {
			switch {
			case letter == 'o' || letter == 'O' && !dashed || letter == '-' && strings.HasPrefix(letters, "-format"):
				spec := strings.TrimPrefix(letters[at+1:], "format")
				spec = strings.TrimPrefix(spec, "=")
				if spec == "" {
					if i++; i == len(args) {
						return nil, nil, psError("format specification must follow -o")
					}
					spec = args[i]
				}
				if own, err = psNames(own, renamed, spec); err != nil {
					return nil, nil, err
				}
				goto next
			case strings.ContainsRune("eAaxdwH", letter):
			case letter == 'f' && !dashed:
			case letter == 'f', letter == 'F':
				names = psFull
			case letter == 'l' && dashed:
				names = psLong
			case letter == 'u' && !dashed:
				names = psUser
			default:
				return nil, nil, psError(fmt.Sprintf("unsupported option %q: docker top in a native container knows -e -A -a -x -f -F -l -o, and a u x o of BSD", arg))
			}
		}
	next:
	}
	if len(own) > 0 {
		names = own
	}
	pid := false
	for i, name := range names {
		title, ok := renamed[i]
		if !ok {
			title = psColumns[name].title
		}
		titles = append(titles, title)
		pid = pid || title == "PID"
	}
	if !pid {
		return nil, nil, errdefs.ErrUnknown.WithMessage("Couldn't find PID field in ps output")
	}
	return names, titles, nil
}

// psNames reads a format, "pid,user,args" or "pid=ID".
func psNames(names []string, renamed map[int]string, spec string) ([]string, error) {
	for field := range strings.FieldsFuncSeq(spec, func(r rune) bool { return r == ',' || r == ' ' }) {
		name, title, rename := strings.Cut(field, "=")
		if of, ok := psAliases[name]; ok {
			name = of
		}
		if _, ok := psColumns[name]; !ok {
			return nil, psError(fmt.Sprintf("error: unknown user-defined format specifier %q", name))
		}
		if rename {
			renamed[len(names)] = title
		}
		names = append(names, name)
	}
	return names, nil
}

func psError(text string) error { return errors.New("ps: " + text) }

func (t *processTable) user(p processInfo) string { return named(t.users, p.uid) }

func named(names map[uint32]string, id uint32) string {
	if name, ok := names[id]; ok {
		return name
	}
	return strconv.FormatUint(uint64(id), 10)
}

func (t *processTable) age(p processInfo) time.Duration {
	return max(t.now.Sub(t.boot.Add(p.start)), 0)
}

func (t *processTable) share(p processInfo) float64 {
	if age := t.age(p); age > 0 {
		return float64(p.cpu) / float64(age)
	}
	return 0
}

func (t *processTable) started(p processInfo) string {
	at := t.boot.Add(p.start)
	switch {
	case at.YearDay() == t.now.YearDay() && at.Year() == t.now.Year():
		return at.Format("15:04")
	case at.Year() == t.now.Year():
		return at.Format("Jan02")
	}
	return at.Format("2006")
}

// clock is a time of ps: hours always, or only where there are some.
func clock(d time.Duration, hours bool) string {
	s := int(d.Seconds())
	switch {
	case s >= 86400:
		return fmt.Sprintf("%d-%02d:%02d:%02d", s/86400, s/3600%24, s/60%60, s%60)
	case hours || s >= 3600:
		return fmt.Sprintf("%02d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%02d:%02d", s/60, s%60)
}

func (p processInfo) command() string {
	if args := p.args(); len(args) > 0 {
		return strings.Join(args, " ")
	}
	if p.state == 'Z' {
		return "[" + p.name + "] <defunct>"
	}
	return "[" + p.name + "]"
}

func (p processInfo) stat() string {
	text := string(p.state)
	if p.sid == p.pid {
		text += "s"
	}
	if p.threads > 1 {
		text += "l"
	}
	return text
}

// tty is the name of the process's terminal, by its device number.
func (p processInfo) tty() string {
	major, minor := p.terminal>>8&0xfff, p.terminal&0xff|p.terminal>>12&0xfff00
	switch {
	case p.terminal == 0:
		return "?"
	case major >= 136 && major < 144:
		return fmt.Sprintf("pts/%d", (major-136)<<8|minor)
	case major == 4:
		return fmt.Sprintf("tty%d", minor)
	}
	return fmt.Sprintf("%d,%d", major, minor)
}

func machineMemory() int64 {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "MemTotal:" {
			n, _ := strconv.ParseInt(f[1], 10, 64) // the kernel writes a number
			return n << 10
		}
	}
	return 0
}
