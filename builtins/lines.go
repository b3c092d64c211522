package builtins

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// tac writes the records of every file in reverse.
func tac(p *Process) int {
	opts, names, status, done := p.parse(usage{synopsis: "[OPTION]... [FILE]...", about: "Write each FILE to standard output, last line first.",
		options: []string{"b before", "s separator="}})
	if done {
		return status
	}
	sep, before := []byte("\n"), false
	for _, o := range opts {
		switch o.name {
		case "b":
			before = true
		case "s":
			if sep = []byte(o.value); len(sep) == 0 {
				sep = []byte{0}
			}
		}
	}
	out := p.output()
	status = p.forInputs(names, func(_ string, r io.Reader) error {
		data, err := io.ReadAll(r)
		var parts [][]byte
		if before {
			for len(data) > 0 {
				end := bytes.Index(data[min(len(sep), len(data)):], sep)
				if end < 0 {
					end = len(data)
				} else {
					end += len(sep)
				}
				parts, data = append(parts, data[:end]), data[end:]
			}
		} else if parts = bytes.SplitAfter(data, sep); len(parts[len(parts)-1]) == 0 {
			parts = parts[:len(parts)-1]
		}
		slices.Reverse(parts)
		for _, part := range parts {
			out.Write(part)
		}
		return err
	})
	return out.finish(status)
}

// rev reverses the characters of every line.
func rev(p *Process) int {
	_, names, status, done := p.parse(usage{synopsis: "[FILE]...", about: "Reverse the characters of every line."})
	if done {
		return status
	}
	out := p.output()
	status = p.forInputs(names, func(_ string, r io.Reader) error {
		return eachLine(r, '\n', func(line []byte, ended bool) bool {
			reversed := make([]byte, 0, len(line))
			for len(line) > 0 {
				_, size := utf8.DecodeLastRune(line)
				reversed = append(reversed, line[len(line)-size:]...)
				line = line[:len(line)-size]
			}
			out.Write(reversed)
			if ended {
				out.WriteByte('\n')
			}
			return !out.broken()
		})
	})
	return out.finish(status)
}

// nl numbers lines; of its pages only the body is known.
func nl(p *Process) int {
	opts, names, status, done := p.parse(usage{synopsis: "[OPTION]... [FILE]...", about: "Write each FILE to standard output, with line numbers added.",
		options: []string{"b body-numbering=", "i line-increment=", "n number-format=", "s number-separator=", "v starting-line-number=", "w number-width="}})
	if done {
		return status
	}
	style, step, format, separator, number, width := "t", 1, "rn", "\t", 1, 6
	for _, o := range opts {
		n, err := strconv.Atoi(o.value)
		switch o.name {
		case "b":
			style, err = o.value, nil
			if style != "a" && style != "t" && style != "n" && !strings.HasPrefix(style, "p") {
				p.Errorf("invalid body numbering style: %s", quote(style))
				return p.tryHelp(usage{})
			}
		case "n":
			format, err = o.value, nil
		case "s":
			separator, err = o.value, nil
		case "i":
			step = n
		case "v":
			number = n
		case "w":
			width = n
		}
		if err != nil {
			p.Errorf("invalid number: %s", quote(o.value))
			return 1
		}
	}
	layout, ok := map[string]string{"rn": "%*d", "ln": "%-*d", "rz": "%0*d"}[format]
	if !ok {
		p.Errorf("invalid line numbering format: %s", quote(format))
		return p.tryHelp(usage{})
	}
	var re *Regexp
	if strings.HasPrefix(style, "p") {
		var err error
		if re, err = CompileRegexp(style[1:], RegexpOptions{}); err != nil {
			p.Errorf("%s", err)
			return 1
		}
	}
	out := p.output()
	status = p.forInputs(names, func(_ string, r io.Reader) error {
		return eachLine(r, '\n', func(line []byte, _ bool) bool {
			if style == "a" || style == "t" && len(line) > 0 || re != nil && re.Match(line) {
				fmt.Fprintf(out, layout, width, number)
				out.WriteString(separator)
				number += step
			} else {
				out.WriteString(strings.Repeat(" ", width+len(separator)))
			}
			out.line(line, '\n')
			return !out.broken()
		})
	})
	return out.finish(status)
}

// fold breaks long lines.
func fold(p *Process) int {
	args := slices.Clone(p.Args)
	for i, a := range args[1:] {
		if len(a) > 1 && a[0] == '-' && strings.Trim(a[1:], "0123456789") == "" {
			args[i+1] = "-w" + a[1:]
		}
	}
	opts, names, status, done := p.parseArgs(usage{synopsis: "[OPTION]... [FILE]...", about: "Wrap input lines in each FILE, writing to standard output.",
		options: []string{"b bytes", "s spaces", "w width="}}, args[1:])
	if done {
		return status
	}
	width, spaces, count := 80, false, false
	for _, o := range opts {
		switch o.name {
		case "b":
			count = true
		case "s":
			spaces = true
		case "w":
			n, err := strconv.Atoi(o.value)
			if err != nil || n < 1 {
				p.Errorf("invalid number of columns: %s", quote(o.value))
				return 1
			}
			width = n
		}
	}
	out := p.output()
	status = p.forInputs(names, func(_ string, r io.Reader) error {
		return eachLine(r, '\n', func(line []byte, ended bool) bool {
			for start := 0; ; {
				column, end := 0, start
				for end < len(line) {
					next := foldColumn(column, line[end], count)
					if next > width && end > start {
						break
					}
					column = next
					end++
				}
				if end == len(line) {
					out.Write(line[start:])
					break
				}
				if spaces {
					if blank := bytes.LastIndexAny(line[start:end], " \t"); blank >= 0 {
						end = start + blank + 1
					}
				}
				out.line(line[start:end], '\n')
				start = end
			}
			if ended {
				out.WriteByte('\n')
			}
			return !out.broken()
		})
	})
	return out.finish(status)
}

func foldColumn(column int, c byte, count bool) int {
	switch {
	case count:
		return column + 1
	case c == '\b':
		return max(column-1, 0)
	case c == '\r':
		return 0
	case c == '\t':
		return column + 8 - column%8
	}
	return column + 1
}

// dos2unix and unix2dos change the ends of lines, in place for files.
func dos2unix(p *Process) int {
	opts, names, status, done := p.parse(usage{synopsis: "[FILE]...", about: "Convert the ends of lines.", options: []string{"q quiet", "k keepdate"}})
	if done {
		return status
	}
	for _, o := range opts {
		if o.name == "k" {
			p.Errorf("option -k is not supported")
			return 1
		}
	}
	convert := func(data []byte) []byte {
		data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
		if p.Name() == "unix2dos" {
			data = bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n"))
		}
		return data
	}
	if len(names) == 0 {
		data, err := p.readAll("-")
		if err != nil {
			p.Errorf("%s", strerror(err))
			return 1
		}
		out := p.output()
		out.Write(convert(data))
		return out.finish(0)
	}
	for _, name := range names {
		data, err := p.Files.ReadFile(name)
		if err == nil {
			err = p.Files.WriteFile(name, convert(data), 0o666)
		}
		if err != nil {
			p.Errorf("%s: %s", name, strerror(err))
			status = 1
		}
	}
	return status
}
