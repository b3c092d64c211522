package builtins

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

func paste(p *Process) int {
	opts, names, status, done := p.parse(usage{synopsis: "[OPTION]... [FILE]...", about: "Write lines of the FILEs side by side.",
		options: []string{"d delimiters=", "s serial", "z zero-terminated"}})
	if done {
		return status
	}
	delims, serial, end := []string{"\t"}, false, byte('\n')
	for _, o := range opts {
		switch o.name {
		case "d":
			delims = pasteDelims(o.value)
		case "s":
			serial = true
		case "z":
			end = 0
		}
	}
	if len(names) == 0 {
		names = []string{"-"}
	}
	out := p.output()
	var inputs []*lineReader
	var stdin *lineReader
	for _, name := range names {
		if name == "-" && stdin != nil {
			inputs = append(inputs, stdin)
			continue
		}
		r, err := p.openInput(name)
		if err != nil {
			p.Errorf("%s: %s", quoteWord(name), strerror(err))
			if status = 1; serial {
				continue
			}
			return 1
		}
		defer r.Close()
		in := newLineReader(r, end)
		if name == "-" {
			stdin = in
		}
		inputs = append(inputs, in)
	}
	if serial {
		for _, in := range inputs {
			for i := 0; ; i++ {
				line, _, err := in.next()
				if err != nil {
					break
				}
				if i > 0 {
					out.WriteString(delims[(i-1)%len(delims)])
				}
				out.Write(line)
			}
			out.WriteByte(end)
		}
		return out.finish(status)
	}
	for !out.broken() {
		open := false
		var row bytes.Buffer
		for i, in := range inputs {
			if i > 0 {
				row.WriteString(delims[(i-1)%len(delims)])
			}
			line, _, err := in.next()
			if err == nil {
				open = true
				row.Write(line)
			} else if err != io.EOF && p.Context.Err() == nil {
				p.Errorf("%s: %s", quoteWord(names[i]), strerror(err))
				status = 1
			}
		}
		if !open {
			break
		}
		out.line(row.Bytes(), end)
	}
	return out.finish(status)
}

// pasteDelims takes a list of delimiters apart; \0 is none.
func pasteDelims(list string) []string {
	var all []string
	for i := 0; i < len(list); i++ {
		c := list[i : i+1]
		if c == `\` && i+1 < len(list) {
			i++
			if at := strings.IndexByte(`0bfnrtv`, list[i]); at >= 0 {
				c = []string{"", "\b", "\f", "\n", "\r", "\t", "\v"}[at]
			} else {
				c = list[i : i+1]
			}
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return []string{""}
	}
	return all
}

func comm(p *Process) int {
	u := usage{synopsis: "[OPTION]... FILE1 FILE2", about: "Compare sorted files FILE1 and FILE2 line by line.",
		options: []string{"1", "2", "3", "check-order", "nocheck-order", "output-delimiter=", "total", "z zero-terminated"}}
	opts, names, status, done := p.parse(u)
	if done {
		return status
	}
	var hide [4]bool
	delim, end, total, check, always := "\t", byte('\n'), false, true, false
	for _, o := range opts {
		switch o.name {
		case "1", "2", "3":
			hide[o.name[0]-'0'] = true
		case "check-order":
			always = true
		case "nocheck-order":
			check = false
		case "output-delimiter":
			delim = o.value
		case "total":
			total = true
		case "z":
			end = 0
		}
	}
	if len(names) < 2 {
		return p.missingOperand(u, names...)
	}
	if len(names) > 2 {
		return p.extraOperand(u, names[2])
	}
	var lines [2][][]byte
	for i, name := range names {
		r, err := p.openInput(name)
		if err == nil {
			lines[i], err = readLines(r, end)
			r.Close()
		}
		if err != nil {
			p.Errorf("%s: %s", quoteWord(name), strerror(err))
			return 1
		}
	}
	out := p.output()
	var counts [4]int
	prefix := [4]string{}
	if !hide[1] {
		prefix[2] = delim
	}
	prefix[3] = prefix[2]
	if !hide[2] {
		prefix[3] += delim
	}
	var last [2][]byte
	var told [2]bool
	unpaired := false
	step := func(i int) {
		line := lines[i][0]
		lines[i] = lines[i][1:]
		if check && (unpaired || always) && last[i] != nil && bytes.Compare(last[i], line) > 0 && !told[i] {
			told[i] = true
			out.Flush()
			p.Errorf("file %d is not in sorted order", i+1)
			status = 1
		}
		last[i] = line
	}
	for len(lines[0])+len(lines[1]) > 0 && !(always && status != 0) {
		column := 3
		switch {
		case len(lines[1]) == 0:
			column = 1
		case len(lines[0]) == 0:
			column = 2
		default:
			if c := bytes.Compare(lines[0][0], lines[1][0]); c < 0 {
				column = 1
			} else if c > 0 {
				column = 2
			}
		}
		unpaired = unpaired || column < 3
		line := []byte(nil)
		if column == 2 {
			line = lines[1][0]
		} else {
			line = lines[0][0]
		}
		if column != 2 {
			step(0)
		}
		if column != 1 {
			step(1)
		}
		counts[column]++
		if !hide[column] {
			out.WriteString(prefix[column])
			out.line(line, end)
		}
	}
	if total {
		fmt.Fprintf(out, "%d%s%d%s%d%stotal%c", counts[1], delim, counts[2], delim, counts[3], delim, end)
	}
	if status != 0 && !always {
		p.Errorf("input is not in sorted order")
	}
	return out.finish(status)
}
