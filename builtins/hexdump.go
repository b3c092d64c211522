package builtins

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// hexdump knows the canonical form, -C.
func hexdump(p *Process) int {
	opts, names, status, done := p.parse(usage{synopsis: "-C [OPTION]... [FILE]...", about: "Show bytes in hexadecimal and ASCII.",
		options: []string{"C canonical", "n length=", "s skip=", "v no-squeezing"}})
	if done {
		return status
	}
	canonical, limit, skip, all := p.Name() == "hd", int64(-1), int64(0), false
	for _, o := range opts {
		n, err := strconv.ParseInt(o.value, 0, 64)
		switch o.name {
		case "C":
			canonical, err = true, nil
		case "v":
			all, err = true, nil
		case "n":
			limit = n
		case "s":
			skip = n
		}
		if err != nil {
			p.Errorf("failed to parse length: %s", quote(o.value))
			return 1
		}
	}
	if !canonical {
		p.Errorf("only the canonical form (-C) is supported")
		return 1
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
	at := 0
	for ; at < len(data); at += 16 {
		line := data[at:min(at+16, len(data))]
		if string(line) == last && !all {
			if !starred {
				out.WriteString("*\n")
			}
			starred = true
			continue
		}
		last, starred = string(line), false
		var hex strings.Builder
		for i, c := range line {
			if i == 8 {
				hex.WriteByte(' ')
			}
			fmt.Fprintf(&hex, "%02x ", c)
		}
		fmt.Fprintf(out, "%08x  %-49s |%s|\n", int64(at)+skip, hex.String(), dots(line))
	}
	if len(data) > 0 {
		fmt.Fprintf(out, "%08x\n", int64(len(data))+skip)
	}
	return out.finish(status)
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

// xxd knows its plain dump and -p.
func xxd(p *Process) int {
	opts, names, status, done := p.parse(usage{synopsis: "[-p] [FILE]", about: "Make a hexadecimal dump.", options: []string{"p ps plain"}})
	if done {
		return status
	}
	if len(names) > 1 {
		p.Errorf("an output file is not supported")
		return 1
	}
	data, err := p.readAll(append(names, "-")[0])
	if err != nil {
		p.Errorf("%s: %s", append(names, "-")[0], strerror(err))
		return 2
	}
	out := p.output()
	for width, at := 16, 0; at < len(data); at += width {
		if len(opts) > 0 {
			width = 30
			fmt.Fprintf(out, "%x\n", data[at:min(at+width, len(data))])
			continue
		}
		line := data[at:min(at+width, len(data))]
		var hex strings.Builder
		for i, c := range line {
			fmt.Fprintf(&hex, "%02x", c)
			if i%2 == 1 {
				hex.WriteByte(' ')
			}
		}
		fmt.Fprintf(out, "%08x: %-40s %s\n", at, hex.String(), dots(line))
	}
	return out.finish(status)
}
