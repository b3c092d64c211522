package builtins

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"
)

var freeUsage = usage{synopsis: "[options]", about: "Display amount of free and used memory.", options: []string{"b bytes", "k kibi", "m mebi", "g gibi", "h human", "t total", "w wide", "si"}}

func free(p *Process) int {
	opts, _, status, done := p.parse(freeUsage)
	if done {
		return status
	}
	unit, human, sums := int64(1024), false, false
	for _, o := range opts {
		switch o.name {
		case "b":
			unit = 1
		case "m":
			unit = 1 << 20
		case "g":
			unit = 1 << 30
		case "h":
			human = true
		case "t":
			sums = true
		case "w", "si":
			p.Errorf("option -%s is not supported by this implementation", o.name)
			return 1
		}
	}
	show := func(n int64) string {
		if !human {
			return strconv.FormatInt(n/unit, 10)
		}
		value, suffix := float64(n), "B"
		for _, next := range []string{"Ki", "Mi", "Gi", "Ti"} {
			if value < 1024 {
				break
			}
			value, suffix = value/1024, next
		}
		if value < 9.95 && suffix != "B" {
			return fmt.Sprintf("%.1f%s", value, suffix)
		}
		return fmt.Sprintf("%.0f%s", value, suffix)
	}
	total, available := p.System.Memory()
	var b strings.Builder
	b.WriteString("               total        used        free      shared  buff/cache   available\n")
	row := func(name string, cells ...int64) {
		fmt.Fprintf(&b, "%-9s", name)
		for _, c := range cells {
			fmt.Fprintf(&b, "%11s ", show(c))
		}
		text := strings.TrimRight(b.String(), " ") + "\n"
		b.Reset()
		b.WriteString(text)
	}
	row("Mem:", total, total-available, available, 0, 0, available)
	row("Swap:", 0, 0, 0)
	if sums {
		row("Total:", total, total-available, available)
	}
	p.Stdout.Write([]byte(b.String()))
	return 0
}

var uptimeUsage = usage{synopsis: "[options]", about: "Tell how long the system has been running.", options: []string{"p pretty", "s since"}}

func uptime(p *Process) int {
	opts, _, status, done := p.parse(uptimeUsage)
	if done {
		return status
	}
	now := p.System.Now()
	up := now.Sub(p.System.Boot())
	days, hours, minutes := int(up/(24*time.Hour)), int(up/time.Hour)%24, int(up/time.Minute)%60
	if len(opts) > 0 {
		if opts[0].name == "s" {
			p.Stdout.Write([]byte(strftime("%Y-%m-%d %H:%M:%S\n", p.System.Boot().In(p.location()))))
			return 0
		}
		var parts []string
		for _, part := range []struct {
			n    int
			unit string
		}{{days / 7, "week"}, {days % 7, "day"}, {hours, "hour"}, {minutes, "minute"}} {
			if part.n > 1 {
				part.unit += "s"
			}
			if part.n > 0 || part.unit == "minute" && len(parts) == 0 {
				parts = append(parts, itoa(part.n)+" "+part.unit)
			}
		}
		p.Stdout.Write([]byte("up " + strings.Join(parts, ", ") + "\n"))
		return 0
	}
	text := fmt.Sprintf("%d min", minutes)
	if hours > 0 {
		text = fmt.Sprintf("%2d:%02d", hours, minutes)
	}
	switch {
	case days == 1:
		text = "1 day, " + text
	case days > 1:
		text = itoa(days) + " days, " + text
	}
	fmt.Fprintf(p.Stdout, " %s up %s,  0 users,  load average: 0.00, 0.00, 0.00\n", strftime("%H:%M:%S", now.In(p.location())), text)
	return 0
}

var getentUsage = usage{synopsis: "database [key ...]", about: "Get entries from the image's administrative files (passwd, group, hosts).", status: 1}

func getent(p *Process) int {
	_, operands, status, done := p.parse(getentUsage)
	if done {
		return status
	}
	if len(operands) == 0 {
		p.Errorf("wrong number of arguments")
		return 1
	}
	a := p.accounts()
	a.load()
	out := p.output()
	keys := operands[1:]
	switch operands[0] {
	case "passwd":
		for _, u := range a.users {
			if len(keys) == 0 {
				out.WriteString(u.line + "\n")
			}
		}
		for _, key := range keys {
			u, ok := a.user(key)
			if n, err := strconv.ParseUint(key, 10, 32); err == nil && !ok {
				u, ok = a.userByID(uint32(n))
			}
			if !ok {
				status = 2
				continue
			}
			out.WriteString(u.line + "\n")
		}
	case "group":
		for _, g := range a.groups {
			if len(keys) == 0 {
				out.WriteString(g.line + "\n")
			}
		}
		for _, key := range keys {
			g, ok := a.group(key)
			if n, err := strconv.ParseUint(key, 10, 32); err == nil && !ok {
				g, ok = a.groupByID(uint32(n))
			}
			if !ok {
				status = 2
				continue
			}
			out.WriteString(g.line + "\n")
		}
	case "hosts", "ahosts", "ahostsv4":
		status = p.getentHosts(out, keys)
	default:
		p.Errorf("Unknown database: %s", operands[0])
		return 1
	}
	return out.finish(status)
}

// getentHosts prints the lines of /etc/hosts that name a key, or all.
func (p *Process) getentHosts(out *output, keys []string) int {
	data, err := p.Files.ReadFile("/etc/hosts")
	if err != nil {
		return 2
	}
	found := map[string]bool{}
	for line := range strings.Lines(string(data)) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		match := len(keys) == 0
		for _, f := range fields {
			for _, key := range keys {
				if f == key && !found[key] {
					found[key], match = true, true
				}
			}
		}
		if match {
			fmt.Fprintf(out, "%-15s %s\n", fields[0], strings.Join(fields[1:], " "))
		}
	}
	if len(found) < len(keys) {
		return 2
	}
	return 0
}

var whichUsage = usage{synopsis: "[-a] filename ...", about: "Locate commands in PATH.", options: []string{"a", "s"}}

func which(p *Process) int {
	opts, operands, status, done := p.parse(whichUsage)
	if done {
		return status
	}
	var all, silent bool
	for _, o := range opts {
		all, silent = all || o.name == "a", silent || o.name == "s"
	}
	if len(operands) == 0 {
		return 1
	}
	executable := func(name string) bool {
		info, err := p.Files.Stat(name)
		return err == nil && info.Mode().IsRegular() && info.Mode()&fs.FileMode(0o111) != 0 && p.Files.Access(name, 1) == nil
	}
	for _, name := range operands {
		var found []string
		if strings.Contains(name, "/") {
			if executable(name) {
				found = []string{name}
			}
		} else {
			for _, dir := range strings.Split(p.Getenv("PATH"), ":") {
				if dir == "" {
					dir = "."
				}
				if candidate := joinName(dir, name); executable(candidate) {
					found = append(found, candidate)
				}
			}
		}
		if len(found) == 0 {
			status = 1
			continue
		}
		if !all {
			found = found[:1]
		}
		if !silent {
			p.Stdout.Write([]byte(strings.Join(found, "\n") + "\n"))
		}
	}
	return status
}
