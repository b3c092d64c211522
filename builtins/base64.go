package builtins

import (
	"bytes"
	"encoding/base32"
	"encoding/base64"
	"io"
	"strconv"
)

// baseN is base64 and base32.
func baseN(p *Process) int {
	u := usage{
		synopsis: "[OPTION]... [FILE]",
		about:    "Encode or decode FILE, or standard input, to standard output.",
		options:  []string{"d decode D", "i ignore-garbage", "w wrap="},
	}
	opts, names, status, done := p.parse(u)
	if done {
		return status
	}
	decode, ignore, wrap := false, false, 76
	for _, o := range opts {
		switch o.name {
		case "d":
			decode = true
		case "i":
			ignore = true
		case "w":
			n, err := strconv.Atoi(o.value)
			if err != nil || n < 0 {
				p.Errorf("invalid wrap size: %s", quote(o.value))
				return 1
			}
			wrap = n
		}
	}
	if len(names) > 1 {
		return p.extraOperand(u, names[1])
	}
	name := "-"
	if len(names) == 1 {
		name = names[0]
	}
	r, err := p.openInput(name)
	if err != nil {
		p.Errorf("%s: %s", quoteWord(name), strerror(err))
		return 1
	}
	defer r.Close()
	out := p.output()
	is32 := p.Name() == "base32"
	if decode {
		filter := &baseFilter{r: r, ignore: ignore, is32: is32}
		var dec io.Reader = base64.NewDecoder(base64.StdEncoding, filter)
		if is32 {
			dec = base32.NewDecoder(base32.StdEncoding, filter)
		}
		if _, err := io.Copy(out, dec); err != nil && !out.broken() && p.Context.Err() == nil {
			out.Flush()
			p.Errorf("invalid input")
			return 1
		}
		return out.finish(0)
	}
	w := &wrapWriter{out: out, width: wrap}
	var enc io.WriteCloser = base64.NewEncoder(base64.StdEncoding, w)
	if is32 {
		enc = base32.NewEncoder(base32.StdEncoding, w)
	}
	if _, err := io.Copy(enc, r); err != nil && !out.broken() && p.Context.Err() == nil {
		p.Errorf("read error: %s", strerror(err))
		status = 1
	}
	enc.Close()
	if w.column > 0 && wrap > 0 {
		out.WriteByte('\n')
	}
	return out.finish(status)
}

// baseFilter leaves out newlines, and with -i everything that is not of the alphabet.
type baseFilter struct {
	r            io.Reader
	ignore, is32 bool
}

func (f *baseFilter) Read(b []byte) (int, error) {
	n, err := f.r.Read(b)
	kept := b[:0]
	for _, c := range b[:n] {
		upper, digit := c >= 'A' && c <= 'Z', c >= '0' && c <= '9'
		valid := upper || digit || c == '=' || !f.is32 && (c >= 'a' && c <= 'z' || c == '+' || c == '/')
		if c == '\n' || f.ignore && !valid {
			continue
		}
		kept = append(kept, c)
	}
	return len(kept), err
}

// wrapWriter breaks lines after width characters; 0 is never.
type wrapWriter struct {
	out           *output
	width, column int
}

func (w *wrapWriter) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 && w.width > 0 {
		part := b[:min(w.width-w.column, len(b))]
		w.out.Write(part)
		if w.column += len(part); w.column == w.width {
			w.out.WriteByte('\n')
			w.column = 0
		}
		b = b[len(part):]
	}
	w.out.Write(b)
	if w.out.broken() {
		return 0, io.ErrClosedPipe
	}
	return n, nil
}

// strings prints runs of printable characters.
func stringsCommand(p *Process) int {
	opts, names, status, done := p.parse(usage{synopsis: "[OPTION]... [FILE]...", about: "Print the strings of printable characters in FILE(s).",
		options: []string{"a all", "n bytes="}})
	if done {
		return status
	}
	least := 4
	for _, o := range opts {
		if o.name == "n" {
			n, err := strconv.Atoi(o.value)
			if err != nil || n < 1 {
				p.Errorf("invalid minimum string length %s", o.value)
				return 1
			}
			least = n
		}
	}
	out := p.output()
	status = p.forInputs(names, func(_ string, r io.Reader) error {
		data, err := io.ReadAll(r)
		for _, run := range bytes.FieldsFunc(data, func(c rune) bool { return c != '\t' && (c < 32 || c > 126) }) {
			if len(run) >= least {
				out.line(run, '\n')
			}
		}
		return err
	})
	return out.finish(status)
}
