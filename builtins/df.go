package builtins

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/sockerless/sockerless/store/rootfs"
)

var dfUsage = usage{
	synopsis: "[OPTION]... [FILE]...",
	about:    "Show information about the file system on which each FILE resides, or all file systems by default.",
	options:  []string{"a all", "B block-size=", "h human-readable", "H si", "i inodes", "k", "l local", "m", "no-sync", "sync", "P portability", "T print-type", "t type=", "total", "x exclude-type="},
}

func df(p *Process) int {
	opts, operands, status, done := p.parse(dfUsage)
	if done {
		return status
	}
	var all, inodes, portable, types, total bool
	human, block := int64(0), int64(1024)
	var only, without []string
	for _, o := range opts {
		switch o.name {
		case "a":
			all = true
		case "B":
			n, err := parseSize(o.value)
			if err != nil || n <= 0 {
				p.Errorf("invalid -B argument %s", quote(o.value))
				return 1
			}
			block, human = n, 0
		case "h":
			human = 1024
		case "H":
			human = 1000
		case "i":
			inodes = true
		case "k":
			block, human = 1024, 0
		case "m":
			block, human = 1<<20, 0
		case "P":
			portable = true
		case "T":
			types = true
		case "t":
			only = append(only, o.value)
		case "total":
			total = true
		case "x":
			without = append(without, o.value)
		}
	}
	mounts := p.Files.Tree().Mounts()
	if len(operands) > 0 {
		var chosen []rootfs.MountPoint
		for _, name := range operands {
			real, err := p.Files.Resolve(name)
			if err != nil {
				p.Errorf("%s: %s", quoteWord(name), strerror(err))
				status = 1
				continue
			}
			chosen = append(chosen, mountOf(mounts, real))
		}
		if len(chosen) == 0 {
			return status
		}
		mounts, all = chosen, true
	}
	size := func(n int64) string {
		if human != 0 {
			return humanSize(n, human)
		}
		return strconv.FormatInt((n+block-1)/block, 10)
	}
	rows := [][]string{dfHeader(inodes, portable, types, human, block)}
	var sum rootfs.Usage
	add := func(source, kind string, u rootfs.Usage, where string) {
		row := []string{source}
		if types {
			row = append(row, kind)
		}
		count := size
		all, free := u.Total, u.Free
		if inodes {
			all, free = u.Files, u.FilesAvailable
			count = func(n int64) string {
				if human != 0 {
					return humanSize(n, human)
				}
				return strconv.FormatInt(n, 10)
			}
		}
		percent := "-"
		if all > 0 {
			percent = strconv.FormatInt(((all-free)*100+all-1)/all, 10) + "%"
		}
		rows = append(rows, append(row, count(all), count(all-free), count(free), percent, where))
	}
	for _, m := range mounts {
		if len(only) > 0 && !containsWord(only, m.Type) || containsWord(without, m.Type) {
			continue
		}
		usage, known := rootfs.Usage{}, false
		if u, ok := m.FS.(interface{ Usage() rootfs.Usage }); ok {
			usage, known = u.Usage(), true
		}
		if !known && !all || usage.Total == 0 && m.Path != "/" && !all {
			continue
		}
		sum.Total, sum.Free = sum.Total+usage.Total, sum.Free+usage.Free
		sum.Files, sum.FilesAvailable = sum.Files+usage.Files, sum.FilesAvailable+usage.FilesAvailable
		add(m.Type, m.Type, usage, m.Path)
	}
	if total {
		add("total", "-", sum, "-")
	}
	if len(rows) == 1 {
		p.Errorf("no file systems processed")
		return 1
	}
	p.Stdout.Write([]byte(dfTable(rows, types)))
	return status
}

func containsWord(words []string, word string) bool {
	for _, w := range words {
		if w == word {
			return true
		}
	}
	return false
}

// mountOf is the mount that an absolute path is on.
func mountOf(mounts []rootfs.MountPoint, name string) rootfs.MountPoint {
	best := mounts[0]
	for _, m := range mounts {
		if m.Path == "/" || name == m.Path || strings.HasPrefix(name, m.Path+"/") {
			if len(m.Path) >= len(best.Path) {
				best = m
			}
		}
	}
	return best
}

func dfHeader(inodes, portable, types bool, human, block int64) []string {
	header := []string{"Filesystem"}
	if types {
		header = append(header, "Type")
	}
	switch {
	case inodes:
		return append(header, "Inodes", "IUsed", "IFree", "IUse%", "Mounted on")
	case human != 0:
		capacity := "Use%"
		if portable {
			return append(header, "Size", "Used", "Available", "Capacity", "Mounted on")
		}
		return append(header, "Size", "Used", "Avail", capacity, "Mounted on")
	case portable:
		return append(header, strconv.FormatInt(block, 10)+"-blocks", "Used", "Available", "Capacity", "Mounted on")
	}
	unit := strconv.FormatInt(block, 10)
	for i, letter := range "KMGT" {
		if block == int64(1)<<(10*(i+1)) {
			unit = "1" + string(letter)
		}
	}
	return append(header, unit+"-blocks", "Used", "Available", "Use%", "Mounted on")
}

// dfTable lines the columns up: names to the left, numbers to the right.
func dfTable(rows [][]string, types bool) string {
	widths := make([]int, len(rows[0]))
	for i := range widths {
		widths[i] = map[bool]int{true: 5}[i > 0]
	}
	widths[0] = 14
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], len(cell))
		}
	}
	if types {
		widths[1] = 4
		for _, row := range rows {
			widths[1] = max(widths[1], len(row[1]))
		}
	}
	percent := len(widths) - 2
	widths[percent] = len(rows[0][percent])
	var b strings.Builder
	for _, row := range rows {
		for i, cell := range row {
			switch {
			case i == len(row)-1:
				b.WriteString(cell + "\n")
			case i == 0 || types && i == 1:
				fmt.Fprintf(&b, "%-*s ", widths[i], cell)
			default:
				fmt.Fprintf(&b, "%*s ", widths[i], cell)
			}
		}
	}
	return b.String()
}
