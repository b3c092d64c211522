package builtins

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// psColumn is a column that -o can name.
type psColumn struct {
	header string
	width  int // of numbers, to the right; negative: to the left
	value  func(l *processList, i ProcessInfo) string
}

// processList is one run of ps.
type processList struct {
	p        *Process
	accounts *accounts
	zone     *time.Location
	now      time.Time
}

func number(n int) string { return strconv.Itoa(n) }

func psColumns() map[string]psColumn {
	command := func(_ *processList, i ProcessInfo) string { return commandLine(i) }
	user := func(l *processList, i ProcessInfo) string { return l.accounts.userName(i.UID) }
	elapsed := func(l *processList, i ProcessInfo) string { return psElapsed(l.now.Sub(i.Started)) }
	terminal := func(_ *processList, i ProcessInfo) string {
		if i.TTY == "" {
			return "?"
		}
		return i.TTY
	}
	name := func(_ *processList, i ProcessInfo) string { return processName(i) }
	zero := func(*processList, ProcessInfo) string { return "0" }
	dash := func(*processList, ProcessInfo) string { return "-" }
	cpu := func(l *processList, i ProcessInfo) string {
		if age := l.now.Sub(i.Started); age > 0 {
			return strconv.FormatFloat(100*float64(i.CPU)/float64(age), 'f', 1, 64)
		}
		return "0.0"
	}
	state := func(_ *processList, i ProcessInfo) string {
		text := string(i.State)
		if i.SID == i.PID {
			text += "s"
		}
		return text
	}
	columns := map[string]psColumn{
		"pid":    {"PID", 7, func(_ *processList, i ProcessInfo) string { return number(i.PID) }},
		"ppid":   {"PPID", 7, func(_ *processList, i ProcessInfo) string { return number(i.PPID) }},
		"pgid":   {"PGID", 7, func(_ *processList, i ProcessInfo) string { return number(i.PGID) }},
		"sid":    {"SID", 7, func(_ *processList, i ProcessInfo) string { return number(i.SID) }},
		"uid":    {"UID", 5, func(_ *processList, i ProcessInfo) string { return number(int(i.UID)) }},
		"gid":    {"GID", 5, func(_ *processList, i ProcessInfo) string { return number(int(i.GID)) }},
		"user":   {"USER", -8, user},
		"group":  {"GROUP", -8, func(l *processList, i ProcessInfo) string { return l.accounts.groupName(i.GID) }},
		"comm":   {"COMMAND", -15, name},
		"args":   {"COMMAND", -27, command},
		"cmd":    {"CMD", -27, command},
		"stat":   {"STAT", -4, state},
		"s":      {"S", -1, func(_ *processList, i ProcessInfo) string { return string(i.State) }},
		"tty":    {"TT", -8, terminal},
		"tname":  {"TTY", -8, terminal},
		"time":   {"TIME", 8, func(_ *processList, i ProcessInfo) string { return psTime(i.CPU) }},
		"etime":  {"ELAPSED", 11, elapsed},
		"etimes": {"ELAPSED", 7, func(l *processList, i ProcessInfo) string { return number(int(l.now.Sub(i.Started).Seconds())) }},
		"pcpu":   {"%CPU", 4, cpu},
		"pmem":   {"%MEM", 4, func(*processList, ProcessInfo) string { return "0.0" }},
		"vsz":    {"VSZ", 6, zero},
		"rss":    {"RSS", 5, zero},
		"ni":     {"NI", 3, zero},
		"pri":    {"PRI", 3, func(*processList, ProcessInfo) string { return "19" }},
		"nlwp":   {"NLWP", 4, func(*processList, ProcessInfo) string { return "1" }},
		"wchan":  {"WCHAN", -6, dash},
		"stime":  {"STIME", 5, func(l *processList, i ProcessInfo) string { return l.started(i) }},
		"start":  {"STARTED", 8, func(l *processList, i ProcessInfo) string { return i.Started.In(l.zone).Format("15:04:05") }},
		"lstart": {"STARTED", 24, func(l *processList, i ProcessInfo) string {
			return strftime("%a %b %e %H:%M:%S %Y", i.Started.In(l.zone))
		}},
		"c": {"C", 2, zero},
		"bsdtime": {"TIME", 6, func(_ *processList, i ProcessInfo) string {
			return fmt.Sprintf("%d:%02d", int(i.CPU.Minutes()), int(i.CPU.Seconds())%60)
		}},
	}
	for alias, of := range map[string]string{"command": "args", "ucmd": "comm", "ucomm": "comm", "fname": "comm", "state": "s", "tt": "tty", "cputime": "time", "%cpu": "pcpu", "%mem": "pmem", "vsize": "vsz",
		"rssize": "rss", "nice": "ni", "euser": "user", "uname": "user", "ruser": "user", "euid": "uid", "ruid": "uid", "egid": "gid", "egroup": "group", "rgroup": "group", "pgrp": "pgid", "sess": "sid",
		"session": "sid", "bsdstart": "stime", "start_time": "stime", "tgid": "pid", "thcount": "nlwp"} {
		columns[alias] = columns[of]
	}
	uid := columns["user"]
	uid.header = "UID"
	columns["uid_name"] = uid
	start := columns["stime"]
	start.header = "START"
	columns["bsdstart"] = start
	return columns
}

func processName(i ProcessInfo) string {
	if len(i.Args) == 0 {
		return "?"
	}
	name := lastElement(i.Args[0])
	return name[:min(len(name), 15)]
}

func commandLine(i ProcessInfo) string {
	text := strings.Join(i.Args, " ")
	if i.State == 'Z' || text == "" {
		return "[" + processName(i) + "] <defunct>"
	}
	return text
}

func (l *processList) started(i ProcessInfo) string {
	t, now := i.Started.In(l.zone), l.now.In(l.zone)
	switch {
	case t.YearDay() == now.YearDay() && t.Year() == now.Year():
		return t.Format("15:04")
	case t.Year() == now.Year():
		return t.Format("Jan02")
	}
	return t.Format("2006")
}

func psTime(d time.Duration) string {
	s := int(d.Seconds())
	if s >= 86400 {
		return fmt.Sprintf("%d-%02d:%02d:%02d", s/86400, s/3600%24, s/60%60, s%60)
	}
	return fmt.Sprintf("%02d:%02d:%02d", s/3600, s/60%60, s%60)
}

func psElapsed(d time.Duration) string {
	s := max(0, int(d.Seconds()))
	switch {
	case s >= 86400:
		return fmt.Sprintf("%d-%02d:%02d:%02d", s/86400, s/3600%24, s/60%60, s%60)
	case s >= 3600:
		return fmt.Sprintf("%02d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%02d:%02d", s/60, s%60)
}

var psUsage = usage{
	synopsis: "[options]",
	about:    "Report a snapshot of the current processes.",
	options:  []string{"A e", "a", "d", "f", "F", "l", "o format=", "p pid=", "q quick-pid=", "u user=", "U User=", "C=", "g group=", "ppid=", "N deselect", "no-headers no-heading", "w", "H forest", "t tty=", "x", "sort="},
}

// psPlan is what is to be shown, and of whom.
type psPlan struct {
	columns  []string
	headers  map[int]string
	headless bool
	all      bool
	deselect bool
	terminal bool // only processes with a terminal
	session  bool // only processes of the caller's terminal, those without one if it has none
	own      bool // only the user's own
	keep     []func(ProcessInfo) bool
	sort     []string
}

func ps(p *Process) int {
	l := &processList{p: p, accounts: p.accounts(), zone: p.location(), now: p.System.Now()}
	plan := psPlan{headers: map[int]string{}}
	args := p.Args[1:]
	style := []string{"pid", "tname", "time", "comm_cmd"}
	if len(args) > 0 && args[0] != "" && args[0][0] != '-' { // BSD options
		rest, problem := l.bsd(&plan, &style, args)
		if problem != "" {
			p.Errorf("%s", problem)
			return 1
		}
		args = rest
	} else {
		plan.own, plan.session = true, true
	}
	opts, operands, status, done := p.parseArgs(psUsage, args)
	if done {
		return status
	}
	for _, operand := range operands {
		pid, err := strconv.Atoi(operand)
		if err != nil {
			p.Errorf("error: unsupported option (BSD syntax)")
			return 1
		}
		plan.keep = append(plan.keep, func(i ProcessInfo) bool { return i.PID == pid })
	}
	for _, o := range opts {
		switch o.name {
		case "A", "x":
			plan.all = true
		case "a", "d":
			plan.all = true
		case "f", "F":
			style = []string{"uid_name", "pid", "ppid", "c", "stime", "tname", "time", "cmd"}
		case "l":
			style = []string{"s", "uid", "pid", "ppid", "c", "pri", "ni", "wchan", "tname", "time", "comm_cmd"}
		case "o":
			if !plan.format(o.value) {
				p.Errorf("error: unknown user-defined format specifier \"%s\"", o.value)
				return 1
			}
		case "no-headers":
			plan.headless = true
		case "N":
			plan.deselect = true
		case "w", "H":
		case "sort":
			plan.sort = append(plan.sort, strings.Split(o.value, ",")...)
		default:
			if !l.selectBy(&plan, o) {
				p.Errorf("error: process ID list syntax error")
				return 1
			}
		}
	}
	if len(plan.columns) == 0 {
		plan.columns = style
	}
	return l.show(plan)
}

// bsd reads options without a dash: "aux", "ax", "axo pid,args".
func (l *processList) bsd(plan *psPlan, style *[]string, args []string) (rest []string, problem string) {
	letters := args[0]
	rest = args[1:]
	if strings.Trim(letters, "0123456789,") == "" {
		return append([]string{"-p", letters}, rest...), ""
	}
	*style = []string{"pid", "tname", "stat", "bsdtime", "args"}
	plan.own, plan.terminal = true, true
	for _, letter := range letters {
		switch letter {
		case 'a':
			plan.own = false
		case 'x':
			plan.terminal = false
		case 'u':
			*style = []string{"user", "pid", "pcpu", "pmem", "vsz", "rss", "tname", "stat", "bsdstart", "bsdtime", "args"}
		case 'e', 'w', 'f':
		case 'h':
			plan.headless = true
		case 'o':
			if len(rest) == 0 || !plan.format(rest[0]) {
				return nil, "error: format specification must follow o"
			}
			rest = rest[1:]
		case 'p':
			if len(rest) == 0 {
				return nil, "error: list of process IDs must follow p"
			}
			rest = append([]string{"-p"}, rest...)
		default:
			return nil, "error: unsupported option (BSD syntax)"
		}
	}
	plan.all = !plan.own && !plan.terminal
	return rest, ""
}

// format reads -o's list: "pid,args", "pid=,args=NAME".
func (plan *psPlan) format(list string) bool {
	known := psColumns()
	for list != "" {
		item, more, _ := strings.Cut(list, ",")
		name, header, has := strings.Cut(item, "=")
		if has { // a header goes to the end of the argument
			_, header, _ = strings.Cut(list, "=")
			if next, _, found := strings.Cut(header, ","); found && next == "" {
				header = ""
			} else {
				more = ""
			}
		}
		for i, word := range strings.Fields(name) {
			if _, ok := known[word]; !ok {
				return false
			}
			plan.columns = append(plan.columns, word)
			if has && i == len(strings.Fields(name))-1 {
				plan.headers[len(plan.columns)-1] = header
			}
		}
		list = more
	}
	return len(plan.columns) > 0
}

func (l *processList) selectBy(plan *psPlan, o option) bool {
	words := strings.FieldsFunc(o.value, func(r rune) bool { return r == ',' || r == ' ' })
	for _, word := range words {
		n, err := strconv.Atoi(word)
		var keep func(ProcessInfo) bool
		switch o.name {
		case "p", "q":
			keep = func(i ProcessInfo) bool { return i.PID == n }
		case "ppid":
			keep = func(i ProcessInfo) bool { return i.PPID == n }
		case "g":
			keep = func(i ProcessInfo) bool { return i.SID == n || i.PGID == n }
		case "C":
			keep, err = func(i ProcessInfo) bool { return processName(i) == word }, nil
		case "t":
			keep, err = func(i ProcessInfo) bool { return i.TTY == strings.TrimPrefix(word, "/dev/") }, nil
		default:
			uid, ok := l.accounts.uid(word)
			if err = nil; !ok {
				return false
			}
			keep = func(i ProcessInfo) bool { return i.UID == uid }
		}
		if err != nil {
			return false
		}
		plan.keep = append(plan.keep, keep)
	}
	return len(words) > 0
}

func (l *processList) show(plan psPlan) int {
	columns := psColumns()
	columns["comm_cmd"] = psColumn{"CMD", -15, func(_ *processList, i ProcessInfo) string { return processName(i) }}
	var chosen []ProcessInfo
	uid, tty := l.p.Files.Cred().UID, ""
	processes := l.p.System.Processes()
	for _, i := range processes {
		if i.PID == l.p.System.PID() {
			tty = i.TTY
		}
	}
	for _, i := range processes {
		keep := plan.all
		for _, k := range plan.keep {
			keep = keep || k(i)
		}
		if len(plan.keep) == 0 && !plan.all {
			keep = (!plan.own || i.UID == uid) && (!plan.terminal || i.TTY != "") && (!plan.session || i.TTY == tty)
		}
		if keep != plan.deselect {
			chosen = append(chosen, i)
		}
	}
	for _, key := range slices.Backward(plan.sort) {
		name := strings.TrimLeft(key, "+-")
		column, ok := columns[name]
		if !ok {
			l.p.Errorf("error: unknown sort specifier")
			return 1
		}
		slices.SortStableFunc(chosen, func(a, b ProcessInfo) int {
			order := compareValues(column.value(l, a), column.value(l, b))
			if key[0] == '-' {
				return -order
			}
			return order
		})
	}
	out := l.p.output()
	l.table(out, plan, columns, chosen)
	if len(chosen) == 0 {
		return out.finish(1)
	}
	return out.finish(0)
}

// compareValues compares as numbers where both are.
func compareValues(a, b string) int {
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	if errX == nil && errY == nil {
		switch {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	}
	return strings.Compare(a, b)
}

func (l *processList) table(out *output, plan psPlan, columns map[string]psColumn, chosen []ProcessInfo) {
	line := func(cell func(n int, c psColumn) string) {
		var b strings.Builder
		for n, name := range plan.columns {
			c := columns[name]
			width := c.width
			if h, ok := plan.headers[n]; ok && len(h) > max(width, -width) {
				width = len(h)
				if c.width < 0 {
					width = -width
				}
			}
			if n > 0 {
				b.WriteByte(' ')
			}
			if width < 0 && n == len(plan.columns)-1 {
				width = 0
			}
			fmt.Fprintf(&b, "%*s", width, cell(n, c))
		}
		out.WriteString(b.String() + "\n")
	}
	blank := true
	for n := range plan.columns {
		h, ok := plan.headers[n]
		blank = blank && ok && h == ""
	}
	if !plan.headless && !blank {
		line(func(n int, c psColumn) string {
			if h, ok := plan.headers[n]; ok {
				return h
			}
			return c.header
		})
	}
	for _, i := range chosen {
		line(func(_ int, c psColumn) string { return c.value(l, i) })
	}
}
