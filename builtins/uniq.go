package builtins

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// uniqFlags are uniq's options.
type uniqFlags struct {
	count, repeated, unique, all, fold bool
	method                             string // of --all-repeated: none, prepend, separate
	fields, chars, width               int
	delim                              byte
}

func uniq(p *Process) int {
	u := usage{
		synopsis: "[OPTION]... [INPUT [OUTPUT]]",
		about:    "Filter adjacent matching lines from INPUT, writing to OUTPUT.",
		options: []string{"c count", "d repeated", "D", "all-repeated?", "f skip-fields=", "i ignore-case",
			"s skip-chars=", "u unique", "z zero-terminated", "w check-chars="},
	}
	opts, operands, status, done := p.parse(u)
	if done {
		return status
	}
	f := uniqFlags{width: -1, delim: '\n', method: "none"}
	for _, o := range opts {
		number := func(what string, n *int) bool {
			v, err := strconv.Atoi(o.value)
			if err != nil || v < 0 {
				p.Errorf("%s: invalid number of %s", o.value, what)
				return false
			}
			*n = v
			return true
		}
		ok := true
		switch o.name {
		case "c":
			f.count = true
		case "d":
			f.repeated = true
		case "D":
			f.all = true
		case "all-repeated":
			f.all = true
			if o.has {
				if o.value != "none" && o.value != "prepend" && o.value != "separate" {
					p.Errorf("invalid argument %s for '--all-repeated'", quote(o.value))
					return 1
				}
				f.method = o.value
			}
		case "i":
			f.fold = true
		case "u":
			f.unique = true
		case "z":
			f.delim = 0
		case "f":
			ok = number("fields to skip", &f.fields)
		case "s":
			ok = number("bytes to skip", &f.chars)
		case "w":
			ok = number("bytes to compare", &f.width)
		}
		if !ok {
			return 1
		}
	}
	if len(operands) > 2 {
		return p.extraOperand(u, operands[2])
	}
	if f.count && f.all {
		p.Errorf("printing all duplicated lines and repeat counts is meaningless")
		return p.tryHelp(u)
	}
	input := "-"
	if len(operands) > 0 {
		input = operands[0]
	}
	out := p.output()
	r, err := p.openInput(input)
	if err != nil {
		p.Errorf("%s: %s", quoteWord(input), strerror(err))
		return 1
	}
	defer r.Close()
	if len(operands) == 2 && operands[1] != "-" {
		w, err := p.Files.OpenFile(operands[1], os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
		if err != nil {
			p.Errorf("%s: %s", quoteWord(operands[1]), strerror(err))
			return 1
		}
		defer w.Close()
		out.Reset(w)
	}
	var first []byte
	same, groups := 0, 0
	flush := func() {
		if same == 0 || f.all || f.repeated && same == 1 || f.unique && same > 1 {
			return
		}
		if f.count {
			fmt.Fprintf(out, "%7d ", same)
		}
		out.line(first, f.delim)
	}
	err = eachLine(r, f.delim, func(line []byte, _ bool) bool {
		if same > 0 && f.equal(first, line) {
			same++
			if f.all && !f.unique {
				if same == 2 {
					if f.method == "prepend" || f.method == "separate" && groups > 0 {
						out.WriteByte(f.delim)
					}
					groups++
					out.line(first, f.delim)
				}
				out.line(line, f.delim)
			}
			return !out.broken()
		}
		flush()
		first, same = append(first[:0], line...), 1
		return !out.broken()
	})
	flush()
	if err != nil {
		p.Errorf("error reading %s: %s", quoteName(input), strerror(err))
		status = 1
	}
	return out.finish(status)
}

func (f *uniqFlags) equal(a, b []byte) bool {
	a, b = f.part(a), f.part(b)
	if f.fold {
		return bytes.EqualFold(a, b)
	}
	return bytes.Equal(a, b)
}

// part is what of a line is compared.
func (f *uniqFlags) part(b []byte) []byte {
	for range f.fields {
		for len(b) > 0 && isBlank(b[0]) {
			b = b[1:]
		}
		for len(b) > 0 && !isBlank(b[0]) {
			b = b[1:]
		}
	}
	b = b[min(f.chars, len(b)):]
	if f.width >= 0 {
		b = b[:min(f.width, len(b))]
	}
	return b
}
