package builtins

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// xxd makes dumps and, with -r, takes them back.
func xxd(p *Process) int {
	u := usage{synopsis: "[OPTION]... [FILE]", about: "Make a hexadecimal dump, or with -r turn one back into bytes.",
		options: []string{"p ps plain postscript", "r revert", "u upper", "c cols=", "g groupsize=", "l len=", "s seek="}}
	opts, names, status, done := p.parse(u)
	if done {
		return status
	}
	var plain, revert bool
	digits := "%02x"
	columns, group, limit, skip := 0, 2, int64(-1), int64(0)
	for _, o := range opts {
		n, err := int64(0), error(nil)
		if o.has {
			n, err = strconv.ParseInt(o.value, 0, 32)
		}
		if err != nil || n < 0 {
			p.Errorf("invalid number %s", quote(o.value))
			return 1
		}
		switch o.name {
		case "p":
			plain = true
		case "r":
			revert = true
		case "u":
			digits = "%02X"
		case "c":
			columns = int(n)
		case "g":
			group = int(n)
		case "l":
			limit = n
		case "s":
			skip = n
		}
	}
	if len(names) > 1 {
		p.Errorf("an output file is not supported: redirect standard output")
		return 1
	}
	name := append(names, "-")[0]
	data, err := p.readAll(name)
	if err != nil {
		p.Errorf("%s: %s", name, strerror(err))
		return 2
	}
	out := p.output()
	if revert {
		bytes, err := xxdBytes(string(data), plain)
		out.Write(bytes)
		if err != nil {
			out.Flush()
			p.Errorf("%s", err)
			return 1
		}
		return out.finish(0)
	}
	data = data[min(skip, int64(len(data))):]
	if limit >= 0 {
		data = data[:min(limit, int64(len(data)))]
	}
	if columns == 0 {
		columns = map[bool]int{true: 30, false: 16}[plain]
	}
	if group == 0 || plain {
		group = columns
	}
	width := 2*columns + (columns+group-1)/group
	for at := 0; at < len(data); at += columns {
		line := data[at:min(at+columns, len(data))]
		var text strings.Builder
		for i, c := range line {
			fmt.Fprintf(&text, digits, c)
			if i%group == group-1 && !plain {
				text.WriteByte(' ')
			}
		}
		if plain {
			out.WriteString(text.String() + "\n")
		} else {
			fmt.Fprintf(out, "%08x: %-*s %s\n", int64(at)+skip, width, text.String(), dots(line))
		}
	}
	return out.finish(0)
}

// xxdBytes reads a dump. Without the plain form a line is "offset: hex  text"; the offsets say where the bytes go.
func xxdBytes(dump string, plain bool) ([]byte, error) {
	var data []byte
	if plain {
		return hex.DecodeString(strings.Join(strings.Fields(dump), ""))
	}
	for line := range strings.Lines(dump) {
		offset, rest, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ":")
		if !ok {
			continue
		}
		at, err := strconv.ParseInt(strings.TrimSpace(offset), 16, 64)
		if err != nil {
			continue // not a line of a dump
		}
		if at < int64(len(data)) {
			return data, fmt.Errorf("sorry, cannot seek backwards.")
		}
		if at-int64(len(data)) > 1<<30 {
			return data, fmt.Errorf("offset %x is too far away", at)
		}
		data = append(data, make([]byte, at-int64(len(data)))...)
		digits, _, _ := strings.Cut(strings.TrimPrefix(rest, " "), "  ")
		digits = strings.ReplaceAll(digits, " ", "")
		bytes, err := hex.DecodeString(digits[:len(digits)/2*2])
		data = append(data, bytes...)
		if err != nil {
			continue // what is no digit ends the line
		}
	}
	return data, nil
}
