package builtins

import (
	"io"
	"os"
	"strconv"
)

func split(p *Process) int {
	u := usage{synopsis: "[OPTION]... [FILE [PREFIX]]", about: "Output pieces of FILE to PREFIXaa, PREFIXab, ...",
		options: []string{"a suffix-length=", "b bytes=", "d", "numeric-suffixes?", "l lines=", "additional-suffix=", "verbose"}}
	opts, operands, status, done := p.parse(u)
	if done {
		return status
	}
	lines, size, length, digits, extra, verbose := int64(1000), int64(0), 2, "abcdefghijklmnopqrstuvwxyz", "", false
	from := 0
	for _, o := range opts {
		n, err := parseSize(o.value)
		switch o.name {
		case "a", "b", "l":
			if err != nil || n <= 0 {
				what := map[string]string{"a": "suffix length", "b": "number of bytes", "l": "number of lines"}[o.name]
				p.Errorf("invalid %s: %s", what, quote(o.value))
				return 1
			}
			switch o.name {
			case "a":
				length = int(n)
			case "b":
				size = n
			case "l":
				lines, size = n, 0
			}
		case "d", "numeric-suffixes":
			digits = "0123456789"
			if o.has {
				if from, err = strconv.Atoi(o.value); err != nil {
					p.Errorf("%s: invalid start value for numerical suffix", quote(o.value))
					return 1
				}
			}
		case "additional-suffix":
			extra = o.value
		case "verbose":
			verbose = true
		}
	}
	if len(operands) > 2 {
		return p.extraOperand(u, operands[2])
	}
	input, prefix := "-", "x"
	if len(operands) > 0 {
		input = operands[0]
	}
	if len(operands) > 1 {
		prefix = operands[1]
	}
	r, err := p.openInput(input)
	if err != nil {
		p.Errorf("cannot open %s for reading: %s", quoteName(input), strerror(err))
		return 1
	}
	defer r.Close()
	in := newLineReader(r, '\n')
	rest := in.rest()
	for piece := from; ; piece++ {
		var text []byte
		if size > 0 {
			text, err = io.ReadAll(io.LimitReader(rest, size))
		} else {
			for range lines {
				line, ended, next := in.next()
				if err = next; err != nil {
					break
				}
				if text = append(text, line...); ended {
					text = append(text, '\n')
				}
			}
		}
		if err != nil && err != io.EOF {
			p.Errorf("%s: %s", quoteWord(input), strerror(err))
			return 1
		}
		if len(text) == 0 {
			return 0
		}
		suffix, ok := splitSuffix(piece, length, digits)
		if !ok {
			p.Errorf("output file suffixes exhausted")
			return 1
		}
		name := prefix + suffix + extra
		if verbose {
			io.WriteString(p.Stdout, "creating file "+quoteName(name)+"\n")
		}
		f, err := p.Files.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
		if err == nil {
			_, err = f.Write(text)
			f.Close()
		}
		if err != nil {
			p.Errorf("%s: %s", name, strerror(err))
			return 1
		}
	}
}

// splitSuffix is number n in the given digits.
func splitSuffix(n, length int, digits string) (string, bool) {
	text := make([]byte, length)
	for i := length - 1; i >= 0; i-- {
		text[i] = digits[n%len(digits)]
		n /= len(digits)
	}
	return string(text), n == 0
}
