package builtins

import (
	"io"
	"strconv"
	"strings"
)

// tabStops are the columns of -t: a distance, or a list.
type tabStops struct {
	every int
	list  []int
}

func (p *Process) tabStops(value string) (t tabStops, ok bool) {
	for _, word := range strings.FieldsFunc(value, func(c rune) bool { return c == ',' || c == ' ' }) {
		n, err := strconv.Atoi(word)
		if err != nil {
			p.Errorf("tab size contains invalid character(s): %s", quote(word))
			return t, false
		}
		if n == 0 {
			p.Errorf("tab size cannot be 0")
			return t, false
		}
		if len(t.list) > 0 && n <= t.list[len(t.list)-1] {
			p.Errorf("tab sizes must be ascending")
			return t, false
		}
		t.list = append(t.list, n)
	}
	if len(t.list) == 1 {
		t.every, t.list = t.list[0], nil
	}
	return t, true
}

// next is the tab stop after a column; after the last one of a list every column is one.
func (t tabStops) next(column int) int {
	if t.every > 0 {
		return column + t.every - column%t.every
	}
	for _, stop := range t.list {
		if stop > column {
			return stop
		}
	}
	return column + 1
}

// expand turns tabs into blanks.
func expand(p *Process) int {
	opts, names, status, done := p.parse(usage{synopsis: "[OPTION]... [FILE]...", about: "Convert tabs in each FILE to spaces.",
		options: []string{"i initial", "t tabs="}})
	if done {
		return status
	}
	stops, initial := tabStops{every: 8}, false
	for _, o := range opts {
		if o.name == "i" {
			initial = true
			continue
		}
		var ok bool
		if stops, ok = p.tabStops(o.value); !ok {
			return 1
		}
	}
	out := p.output()
	status = p.forInputs(names, func(_ string, r io.Reader) error {
		return eachLine(r, '\n', func(line []byte, ended bool) bool {
			column, active := 0, true
			for _, c := range line {
				switch {
				case c == '\t' && active:
					next := stops.next(column)
					out.WriteString(strings.Repeat(" ", next-column))
					column = next
					continue
				case c == '\b':
					column = max(column-1, 0)
				default:
					column++
				}
				active = active && (!initial || isBlank(c))
				out.Writer.WriteByte(c)
			}
			if ended {
				out.WriteByte('\n')
			}
			return !out.broken()
		})
	})
	return out.finish(status)
}

// unexpand turns blanks into tabs, at the beginning of lines or with -a everywhere.
func unexpand(p *Process) int {
	opts, names, status, done := p.parse(usage{synopsis: "[OPTION]... [FILE]...", about: "Convert blanks in each FILE to tabs.",
		options: []string{"a all", "first-only", "t tabs="}})
	if done {
		return status
	}
	stops, all, first := tabStops{every: 8}, false, false
	for _, o := range opts {
		switch o.name {
		case "a":
			all = true
		case "first-only":
			first = true
		case "t":
			var ok bool
			if stops, ok = p.tabStops(o.value); !ok {
				return 1
			}
			all = true
		}
	}
	all = all && !first
	out := p.output()
	status = p.forInputs(names, func(_ string, r io.Reader) error {
		return eachLine(r, '\n', func(line []byte, ended bool) bool {
			column, start, active := 0, 0, true // start is the column of the first pending blank
			pending := 0
			for _, c := range line {
				if active && (c == ' ' || c == '\t') {
					if pending == 0 {
						start = column
					}
					pending++
					stop := stops.next(column)
					if column++; c == '\t' {
						column = stop
					}
					if column == stop && (pending > 1 || c == '\t' || stop-start > 1) {
						out.WriteByte('\t')
						pending = 0
					}
					continue
				}
				out.WriteString(strings.Repeat(" ", pending))
				pending = 0
				out.Writer.WriteByte(c)
				column++
				active = active && all
			}
			out.WriteString(strings.Repeat(" ", pending))
			if ended {
				out.WriteByte('\n')
			}
			return !out.broken()
		})
	})
	return out.finish(status)
}
