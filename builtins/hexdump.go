package builtins

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// hexdumpFormat shows units of size bytes, each as format in a field of the line; odd bytes at the end count as zeros.
type hexdumpFormat struct {
	size   int
	format string
}

// hexdump knows the canonical form and those that have a letter, and no formats of the caller's own (-e).
func hexdump(p *Process) int {
	opts, names, status, done := p.parse(usage{synopsis: "[OPTION]... [FILE]...", about: "Show bytes in hexadecimal, decimal, octal, or ASCII.",
		options: []string{"C canonical", "x two-bytes-hex", "d two-bytes-decimal", "o two-bytes-octal", "b one-byte-octal", "c one-byte-char", "n length=", "s skip=", "v no-squeezing"}})
	if done {
		return status
	}
	canonical, limit, skip, all := p.Name() == "hd", int64(-1), int64(0), false
	form := hexdumpFormat{2, " %04x"}
	for _, o := range opts {
		n, err := int64(0), error(nil)
		if o.has {
			n, err = strconv.ParseInt(o.value, 0, 64)
		}
		switch o.name {
		case "C":
			canonical = true
		case "x":
			form = hexdumpFormat{2, "    %04x"}
		case "d":
			form = hexdumpFormat{2, "   %05d"}
		case "o":
			form = hexdumpFormat{2, "  %06o"}
		case "b":
			form = hexdumpFormat{1, " %03o"}
		case "c":
			form = hexdumpFormat{1, ""}
		case "v":
			all = true
		case "n":
			limit = n
		case "s":
			skip = n
		}
		if err != nil || n < 0 {
			p.Errorf("failed to parse length: %s", quote(o.value))
			return 1
		}
	}
	var data []byte
	status = p.forInputs(names, func(_ string, r io.Reader) error {
		more, err := io.ReadAll(r)
		data = append(data, more...)
		return err
	})
	data = data[min(skip, int64(len(data))):]
	if limit >= 0 {
		data = data[:min(limit, int64(len(data)))]
	}
	out := p.output()
	last, starred := "", false
	for at := 0; at < len(data); at += 16 {
		line := data[at:min(at+16, len(data))]
		if string(line) == last && !all {
			if !starred {
				out.WriteString("*\n")
			}
			starred = true
			continue
		}
		last, starred = string(line), false
		if canonical {
			out.WriteString(canonicalLine(int64(at)+skip, line))
		} else {
			fmt.Fprintf(out, "%07x%s\n", int64(at)+skip, form.line(line))
		}
	}
	if len(data) > 0 {
		width := 7
		if canonical {
			width = 8
		}
		fmt.Fprintf(out, "%0*x\n", width, int64(len(data))+skip)
	}
	return out.finish(status)
}

func canonicalLine(at int64, line []byte) string {
	var hex strings.Builder
	for i, c := range line {
		if i == 8 {
			hex.WriteByte(' ')
		}
		fmt.Fprintf(&hex, "%02x ", c)
	}
	return fmt.Sprintf("%08x  %-49s |%s|\n", at, hex.String(), dots(line))
}

// line is a line's fields; what is missing from a last line is filled with blanks.
func (f hexdumpFormat) line(line []byte) string {
	var b strings.Builder
	width := 4
	if f.format != "" {
		width = len(fmt.Sprintf(f.format, 0))
	}
	for at := 0; at < 16; at += f.size {
		switch {
		case at >= len(line):
			b.WriteString(strings.Repeat(" ", width))
		case f.format == "":
			b.WriteString(hexdumpChar(line[at]))
		default:
			unit := int(line[at])
			if f.size == 2 && at+1 < len(line) {
				unit |= int(line[at+1]) << 8
			}
			fmt.Fprintf(&b, f.format, unit)
		}
	}
	return b.String()
}

func hexdumpChar(c byte) string {
	if i := strings.IndexByte("\x00\a\b\t\n\v\f\r", c); i >= 0 {
		return `  \` + "0abtnvfr"[i:i+1]
	}
	if c < 32 || c > 126 {
		return fmt.Sprintf(" %03o", c)
	}
	return "   " + string(rune(c))
}

// dots shows what is not printable as a dot.
func dots(b []byte) string {
	text := make([]byte, len(b))
	for i, c := range b {
		if text[i] = c; c < 32 || c > 126 {
			text[i] = '.'
		}
	}
	return string(text)
}
