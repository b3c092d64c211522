package builtins

import (
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// column makes a table of fields (-t); filling columns of the screen is not supported.
func column(p *Process) int {
	u := usage{synopsis: "-t [OPTION]... [FILE]...", about: "Align the fields of the input in a table.",
		options: []string{"t table", "s separator=", "o output-separator=", "N table-columns=", "R table-right=", "l table-columns-limit="}}
	opts, names, status, done := p.parse(u)
	if done {
		return status
	}
	separators, between, table, limit := " \t", "  ", false, 0
	var header, right []string
	for _, o := range opts {
		switch o.name {
		case "t":
			table = true
		case "s":
			separators = o.value
		case "o":
			between = o.value
		case "N":
			header = strings.Split(o.value, ",")
		case "R":
			right = strings.Split(o.value, ",")
		case "l":
			if limit = atoiOr(o.value, 0); limit < 1 {
				p.Errorf("invalid columns limit argument: %s", quote(o.value))
				return 1
			}
		}
	}
	if !table {
		p.Errorf("only tables (-t) are supported")
		return 1
	}
	var rows [][]string
	if header != nil {
		rows = append(rows, header)
	}
	given := slices.ContainsFunc(opts, func(o option) bool { return o.name == "s" })
	status = p.forInputs(names, func(_ string, r io.Reader) error {
		return eachLine(r, '\n', func(line []byte, _ bool) bool {
			if row := columnFields(string(line), separators, given, limit); len(row) > 0 {
				rows = append(rows, row)
			}
			return true
		})
	})
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	alignRight := make([]bool, len(widths))
	for i := range alignRight {
		alignRight[i] = slices.Contains(right, itoa(i+1)) || i < len(header) && slices.Contains(right, header[i])
	}
	out := p.output()
	for _, row := range rows {
		for i := range widths {
			cell := ""
			if i < len(row) {
				cell = row[i]
			}
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			switch {
			case alignRight[i]:
				cell = pad + cell
			case i < len(widths)-1:
				cell += pad
			}
			if i > 0 {
				out.WriteString(between)
			}
			out.WriteString(cell)
		}
		out.WriteByte('\n')
	}
	return out.finish(status)
}

// columnFields cuts a line: blanks count together, separators of the caller's own one by one.
func columnFields(line, separators string, given bool, limit int) []string {
	if strings.TrimSpace(line) == "" {
		return nil
	}
	var row []string
	for {
		if !given {
			line = strings.TrimLeft(line, separators)
			if line == "" {
				return row
			}
		}
		end := strings.IndexAny(line, separators)
		if end < 0 || limit > 0 && len(row) == limit-1 {
			return append(row, line)
		}
		row = append(row, line[:end])
		line = line[end+1:]
	}
}
