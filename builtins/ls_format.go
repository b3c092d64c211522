package builtins

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sockerless/sockerless/store/rootfs"
)

// print writes entries in the chosen format.
func (l *lister) print(entries []lsEntry) {
	if len(entries) == 0 {
		return
	}
	l.begun = true
	l.align(entries)
	if l.format == 'l' {
		l.printLong(entries)
		return
	}
	prefix := l.prefixes(entries)
	cells := make([]lsCell, len(entries))
	for i := range entries {
		cells[i] = l.cell(&entries[i], prefix[i])
	}
	switch l.format {
	case '1':
		for _, c := range cells {
			l.out.WriteString(c.text + l.lineEnd)
		}
	case 'm':
		l.printCommas(cells)
	case 'C':
		l.printColumns(cells, false)
	case 'x':
		l.printColumns(cells, true)
	}
}

// align puts a blank before the names without quotes if others have them, where names stand in columns.
func (l *lister) align(entries []lsEntry) {
	if (l.quoting != "shell" && l.quoting != "shell-escape") || l.format == 'm' || l.format == '1' {
		return
	}
	quoted := false
	for i := range entries {
		quoted = quoted || entries[i].text != entries[i].name
	}
	for i := range entries {
		if e := &entries[i]; quoted && e.text == e.name {
			e.indent = " "
		}
	}
}

// lsCell is what stands for a file in the short formats, and how wide it is.
type lsCell struct {
	text  string
	width int
}

// prefixes are the inode numbers and block counts before the names.
func (l *lister) prefixes(entries []lsEntry) []string {
	all := make([]string, len(entries))
	add := func(text func(e *lsEntry) string) {
		width := 0
		for i := range entries {
			width = max(width, len(text(&entries[i])))
		}
		if l.format == 'm' {
			width = 0
		}
		for i := range entries {
			all[i] += fmt.Sprintf("%*s ", width, text(&entries[i]))
		}
	}
	if l.inode {
		add(func(e *lsEntry) string { return strconv.FormatUint(e.info.Ino(), 10) })
	}
	if l.blocks {
		add(func(e *lsEntry) string { return l.blockText(e.info.Blocks()) })
	}
	return all
}

func (l *lister) cell(e *lsEntry, prefix string) lsCell {
	mark := l.mark(e.info.Mode())
	return lsCell{prefix + e.indent + l.colored(e) + mark, utf8.RuneCountInString(prefix + e.indent + e.text + mark)}
}

// mark is the letter that -F and its like put behind a name.
func (l *lister) mark(m fs.FileMode) string {
	switch {
	case l.indicator == 0:
		return ""
	case m.IsDir():
		return "/"
	case l.indicator == 'p':
		return ""
	}
	switch kindLetter(m) {
	case 'l':
		return "@"
	case 'p':
		return "|"
	case 's':
		return "="
	case '-':
		if l.indicator == 'F' && m&0o111 != 0 {
			return "*"
		}
	}
	return ""
}

func (l *lister) printCommas(cells []lsCell) {
	at := 0
	for i, c := range cells {
		if i > 0 {
			if l.width == 0 || at+2+c.width < l.width {
				l.out.WriteString(", ")
				at += 2
			} else {
				l.out.WriteString(",\n")
				at = 0
			}
		}
		l.out.WriteString(c.text)
		at += c.width
	}
	l.out.WriteString("\n")
}

// printColumns fits as many columns as the line has room for; a column is never narrower than three.
func (l *lister) printColumns(cells []lsCell, across bool) {
	columns, widths := l.fit(cells, across)
	rows := (len(cells) + columns - 1) / columns
	for row := range rows {
		at, goal := 0, 0
		for column := range columns {
			i := column*rows + row
			if across {
				i = row*columns + column
			}
			if i >= len(cells) {
				break
			}
			l.indent(at, goal)
			l.out.WriteString(cells[i].text)
			at = goal + cells[i].width
			goal += widths[column]
		}
		l.out.WriteString("\n")
	}
}

// fit chooses the number of columns and their widths.
func (l *lister) fit(cells []lsCell, across bool) (int, []int) {
	most := len(cells)
	if l.width > 0 {
		most = min(most, max(1, (l.width+2)/3))
	}
	for columns := most; columns > 1; columns-- {
		widths := make([]int, columns)
		rows := (len(cells) + columns - 1) / columns
		total := 3 * columns
		for i := range widths {
			widths[i] = 3
		}
		for i, c := range cells {
			column := i / rows
			if across {
				column = i % columns
			}
			width := c.width + 2
			if column == columns-1 {
				width = c.width
			}
			if width > widths[column] {
				total += width - widths[column]
				widths[column] = width
			}
		}
		if l.width == 0 || total < l.width {
			return columns, widths
		}
	}
	return 1, []int{0}
}

// indent moves from one column to another, with tabs where they fit.
func (l *lister) indent(from, to int) {
	for from < to {
		if l.tab != 0 && to/l.tab > (from+1)/l.tab {
			l.out.WriteByte('\t')
			from += l.tab - from%l.tab
		} else {
			l.out.WriteByte(' ')
			from++
		}
	}
}

func (l *lister) printLong(entries []lsEntry) {
	type row struct{ links, owner, group, size, major, minor, time string }
	rows := make([]row, len(entries))
	var w struct{ links, owner, group, size, major, minor, time int }
	for i := range entries {
		info := entries[i].info
		r := &rows[i]
		r.links = strconv.FormatUint(info.Nlink(), 10)
		r.owner, r.group = strconv.FormatUint(uint64(info.UID()), 10), strconv.FormatUint(uint64(info.GID()), 10)
		if !l.numeric {
			r.owner, r.group = l.accounts.userName(info.UID()), l.accounts.groupName(info.GID())
		}
		if info.Mode()&fs.ModeDevice != 0 {
			r.major, r.minor = strconv.Itoa(int(rootfs.Major(info.Rdev()))), strconv.Itoa(int(rootfs.Minor(info.Rdev())))
			w.major, w.minor = max(w.major, len(r.major)), max(w.minor, len(r.minor))
		} else {
			r.size = l.sizeText(info.Size())
		}
		r.time = l.timeText(l.time(&entries[i]))
		w.links, w.owner, w.group = max(w.links, len(r.links)), max(w.owner, len(r.owner)), max(w.group, len(r.group))
		w.size, w.time = max(w.size, len(r.size)), max(w.time, len(r.time))
	}
	if w.major > 0 {
		w.size = max(w.size, w.major+2+w.minor)
	}
	prefix := l.prefixes(entries)
	for i := range entries {
		e, r := &entries[i], &rows[i]
		l.out.WriteString(prefix[i] + modeString(e.info.Mode()))
		fmt.Fprintf(l.out, " %*s", w.links, r.links)
		if !l.noOwner {
			l.account(r.owner, w.owner)
		}
		if !l.noGroup {
			l.account(r.group, w.group)
		}
		if r.major != "" {
			fmt.Fprintf(l.out, " %*s, %*s", w.size-2-w.minor, r.major, w.minor, r.minor)
		} else {
			fmt.Fprintf(l.out, " %*s", w.size, r.size)
		}
		fmt.Fprintf(l.out, " %*s %s%s", w.time, r.time, e.indent, l.colored(e))
		if e.link != "" || e.info.Mode()&fs.ModeSymlink != 0 {
			mark := ""
			if !e.broken {
				mark = l.mark(e.target)
			}
			l.out.WriteString(" -> " + l.coloredTarget(e) + mark)
		} else {
			l.out.WriteString(l.mark(e.info.Mode()))
		}
		l.out.WriteString(l.lineEnd)
	}
}

// account writes a user or group: names to the left, numbers to the right.
func (l *lister) account(name string, width int) {
	if l.numeric || strings.Trim(name, "0123456789") == "" {
		fmt.Fprintf(l.out, " %*s", width, name)
	} else {
		fmt.Fprintf(l.out, " %-*s", width, name)
	}
}

func (l *lister) sizeText(size int64) string {
	if l.human != 0 {
		return humanSize(size, l.human)
	}
	return strconv.FormatInt((size+l.sizeUnit-1)/l.sizeUnit, 10)
}

// blockText is a number of 512-byte blocks in the unit asked for.
func (l *lister) blockText(blocks int64) string {
	if l.human != 0 {
		return humanSize(blocks*512, l.human)
	}
	return strconv.FormatInt((blocks*512+l.blockSize-1)/l.blockSize, 10)
}

func (l *lister) timeText(t time.Time) string {
	t = t.In(l.zone)
	// Half a year back is recent; the future is not.
	recent := t.After(l.now.Add(-31556952/2*time.Second)) && !t.After(l.now)
	switch l.timeStyle {
	case "full-iso":
		return strftime("%Y-%m-%d %H:%M:%S.%N %z", t)
	case "long-iso":
		return strftime("%Y-%m-%d %H:%M", t)
	case "iso":
		if recent {
			return strftime("%m-%d %H:%M", t)
		}
		return strftime("%Y-%m-%d ", t)
	case "", "locale":
		if recent {
			return strftime("%b %e %H:%M", t)
		}
		return strftime("%b %e  %Y", t)
	}
	older, newer, two := strings.Cut(l.timeStyle[1:], "\n")
	if two && recent {
		return strftime(newer, t)
	}
	return strftime(older, t)
}

// quote shows a name in the chosen style.
func (l *lister) quote(name string) string {
	switch l.quoting {
	case "c":
		return `"` + escapeC(name, '"') + `"`
	case "escape":
		return strings.ReplaceAll(escapeC(name, 0), " ", "\\ ")
	case "shell", "shell-escape":
		return quoteWord(name)
	case "shell-always", "shell-escape-always":
		return quoteName(name)
	case "question":
		return strings.Map(func(r rune) rune {
			if r < 32 || r == 127 {
				return '?'
			}
			return r
		}, name)
	}
	return name
}

// quoteHeader shows a directory's name above its list, where a colon follows.
func (l *lister) quoteHeader(name string) string {
	if strings.HasPrefix(l.quoting, "shell") && strings.Contains(name, ":") {
		return quoteName(name)
	}
	return l.quote(name)
}
