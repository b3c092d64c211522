package builtins

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// joinRun is a call of join.
type joinRun struct {
	out         *output
	key         [2]int // from 0
	tab         int    // -1: blanks
	empty       string
	fold        bool
	auto        bool
	format      []joinField
	shape       [2]int // with -o auto, the number of fields of each file
	delim       byte
	unpaired    [2]bool
	hideMatched bool
}

// joinField is one of -o's: file 0 is the key.
type joinField struct{ file, field int }

func join(p *Process) int {
	u := usage{synopsis: "[OPTION]... FILE1 FILE2", about: "For each pair of input lines with identical join fields, write a line to standard output.",
		options: []string{"a=", "e=", "i ignore-case", "j=", "o=", "t=", "v=", "1=", "2=", "check-order", "nocheck-order", "header", "z zero-terminated"}}
	opts, names, status, done := p.parse(u)
	if done {
		return status
	}
	j := joinRun{tab: -1, delim: '\n'}
	header := false
	for _, o := range opts {
		n, err := strconv.Atoi(o.value)
		ok := true
		switch o.name {
		case "a", "v":
			if ok = err == nil && (n == 1 || n == 2); ok {
				j.unpaired[n-1] = true
				j.hideMatched = j.hideMatched || o.name == "v"
			}
		case "e":
			j.empty = o.value
		case "i":
			j.fold = true
		case "j":
			ok = err == nil && n > 0
			j.key = [2]int{n - 1, n - 1}
		case "1", "2":
			ok = err == nil && n > 0
			j.key[o.name[0]-'1'] = n - 1
		case "o":
			ok = j.parseFormat(o.value)
		case "t":
			if ok = len(o.value) == 1; ok {
				j.tab = int(o.value[0])
			} else if o.value == `\0` {
				ok, j.tab = true, 0
			}
		case "header":
			header = true
		case "check-order":
			p.Errorf("--check-order is not supported")
			return 1
		case "z":
			j.delim = 0
		}
		if !ok {
			p.Errorf("invalid field number or argument of -%s: %s", o.name, quote(o.value))
			return 1
		}
	}
	if len(names) < 2 {
		return p.missingOperand(u, names...)
	}
	if len(names) > 2 {
		return p.extraOperand(u, names[2])
	}
	var rows [2][][][]byte
	for i, name := range names {
		data, err := p.readAll(name)
		if err != nil {
			p.Errorf("%s: %s", quoteWord(name), strerror(err))
			return 1
		}
		for _, line := range splitLines(data, j.delim) {
			rows[i] = append(rows[i], j.fields(line))
		}
		if len(rows[i]) > 0 {
			j.shape[i] = len(rows[i][0])
		}
	}
	j.out = p.output()
	if header && len(rows[0]) > 0 && len(rows[1]) > 0 {
		j.print(rows[0][0], rows[1][0])
		rows[0], rows[1] = rows[0][1:], rows[1][1:]
	}
	j.merge(rows[0], rows[1])
	return j.out.finish(status)
}

func (j *joinRun) parseFormat(text string) bool {
	if text == "auto" {
		j.auto = true
		return true
	}
	for _, item := range strings.FieldsFunc(text, func(c rune) bool { return c == ',' || c == ' ' }) {
		var f joinField
		if item != "0" {
			if n, err := fmt.Sscanf(item, "%d.%d", &f.file, &f.field); n != 2 || err != nil || f.file < 1 || f.file > 2 || f.field < 1 {
				return false
			}
			f.field--
		}
		j.format = append(j.format, f)
	}
	return true
}

func (j *joinRun) fields(line []byte) [][]byte {
	if j.tab < 0 {
		return bytes.Fields(line)
	}
	return bytes.Split(line, []byte{byte(j.tab)})
}

func (j *joinRun) keyOf(file int, row [][]byte) []byte {
	if j.key[file] >= len(row) {
		return nil
	}
	if j.fold {
		return bytes.ToLower(row[j.key[file]])
	}
	return row[j.key[file]]
}

func (j *joinRun) merge(a, b [][][]byte) {
	for len(a) > 0 && len(b) > 0 {
		key := j.keyOf(0, a[0])
		switch c := bytes.Compare(key, j.keyOf(1, b[0])); {
		case c < 0:
			j.alone(0, a[0])
			a = a[1:]
		case c > 0:
			j.alone(1, b[0])
			b = b[1:]
		default:
			same := func(file int, rows [][][]byte) int {
				n := 1
				for n < len(rows) && bytes.Equal(j.keyOf(file, rows[n]), key) {
					n++
				}
				return n
			}
			n, m := same(0, a), same(1, b)
			for _, x := range a[:n] {
				for _, y := range b[:m] {
					if !j.hideMatched {
						j.print(x, y)
					}
				}
			}
			a, b = a[n:], b[m:]
		}
	}
	for _, row := range a {
		j.alone(0, row)
	}
	for _, row := range b {
		j.alone(1, row)
	}
}

func (j *joinRun) alone(file int, row [][]byte) {
	switch {
	case !j.unpaired[file]:
	case file == 0:
		j.print(row, nil)
	default:
		j.print(nil, row)
	}
}

func (j *joinRun) print(a, b [][]byte) {
	var parts []string
	rows := [2][][]byte{a, b}
	get := func(file, field int) {
		if field < len(rows[file]) && len(rows[file][field]) > 0 {
			parts = append(parts, string(rows[file][field]))
		} else {
			parts = append(parts, j.empty)
		}
	}
	key := func() {
		if a != nil {
			get(0, j.key[0])
		} else {
			get(1, j.key[1])
		}
	}
	if j.format != nil {
		for _, f := range j.format {
			if f.file == 0 {
				key()
			} else {
				get(f.file-1, f.field)
			}
		}
	} else {
		key()
		for file, row := range rows {
			n := len(row)
			if j.auto {
				n = j.shape[file]
			}
			for i := range n {
				if i != j.key[file] {
					get(file, i)
				}
			}
		}
	}
	separator := " "
	if j.tab >= 0 {
		separator = string([]byte{byte(j.tab)})
	}
	j.out.WriteString(strings.Join(parts, separator))
	j.out.WriteByte(j.delim)
}
