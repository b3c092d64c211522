package builtins

import (
	"bytes"
	"io"
	"strings"
)

// headTail are the options that head and tail share.
type headTail struct {
	count    int64
	bytes    bool
	minus    bool // head: all but the last; tail: from the start on ("+N")
	quiet    bool
	verbose  bool
	delim    byte
	headed   bool // a header has been printed
	multiple bool
}

// oldCount turns the old form "-5" or "-5c" of the first argument into options.
func oldCount(args []string, signs string) []string {
	if len(args) < 2 || len(args[1]) < 2 || !strings.Contains(signs, args[1][:1]) {
		return args
	}
	digits := strings.TrimLeft(args[1][1:], "0123456789")
	n := args[1][1 : len(args[1])-len(digits)]
	if n == "" || strings.Trim(digits, "bkmclqvzf") != "" {
		return args
	}
	if args[1][0] == '+' {
		n = "+" + n
	}
	option, rest := "-n"+n, ""
	for _, c := range digits {
		switch c {
		case 'c':
			option = "-c" + n
		case 'b', 'k', 'm':
			option = "-c" + n + map[rune]string{'b': "b", 'k': "K", 'm': "M"}[c]
		case 'l':
		default:
			rest += string(c)
		}
	}
	changed := []string{args[0], option}
	if rest != "" {
		changed = append(changed, "-"+rest)
	}
	return append(changed, args[2:]...)
}

// parseCount reads the operand of -n and -c; the sign named by special sets minus.
func (h *headTail) parseCount(p *Process, value, special string, bytes bool) bool {
	h.bytes = bytes
	text := value
	h.minus = strings.HasPrefix(text, special)
	text = strings.TrimPrefix(strings.TrimPrefix(text, "-"), "+")
	n, err := parseSize(text)
	if err != nil || text[0] < '0' || text[0] > '9' || strings.HasSuffix(text, "c") || strings.HasSuffix(text, "w") {
		what := "lines"
		if bytes {
			what = "bytes"
		}
		p.Errorf("invalid number of %s: %s", what, quote(value))
		return false
	}
	h.count = n
	return true
}

// header prints "==> name <==" where one is wanted.
func (h *headTail) header(out *output, name string) {
	if h.quiet || !h.verbose && !h.multiple {
		return
	}
	if h.headed {
		out.WriteByte('\n')
	}
	h.headed = true
	if name == "-" {
		name = "standard input"
	}
	out.WriteString("==> " + name + " <==\n")
}

func head(p *Process) int {
	opts, names, status, done := p.parseArgs(usage{
		synopsis: "[OPTION]... [FILE]...",
		about:    "Print the first 10 lines of each FILE to standard output.",
		options:  []string{"c bytes=", "n lines=", "q quiet silent", "v verbose", "z zero-terminated"},
	}, oldCount(p.Args, "-")[1:])
	if done {
		return status
	}
	h := headTail{count: 10, delim: '\n', multiple: len(names) > 1}
	for _, o := range opts {
		switch o.name {
		case "c", "n":
			if !h.parseCount(p, o.value, "-", o.name == "c") {
				return 1
			}
		case "q":
			h.quiet, h.verbose = true, false
		case "v":
			h.verbose, h.quiet = true, false
		case "z":
			h.delim = 0
		}
	}
	if len(names) == 0 {
		names = []string{"-"}
	}
	out := p.output()
	for _, name := range names {
		r, err := p.openInput(name)
		if err != nil {
			p.Errorf("cannot open %s for reading: %s", quoteName(name), strerror(err))
			status = 1
			continue
		}
		h.header(out, name)
		if err := h.head(p, name, r, out); err != nil && p.Context.Err() == nil {
			p.Errorf("error reading %s: %s", quoteName(name), strerror(err))
			status = 1
		}
		r.Close()
		if out.broken() {
			break
		}
	}
	return out.finish(status)
}

func (h *headTail) head(p *Process, name string, r io.Reader, out *output) error {
	switch {
	case h.bytes && h.minus:
		return allButBytes(r, out, h.count)
	case h.bytes:
		_, err := io.CopyN(out, r, h.count)
		if err == io.EOF || out.broken() {
			return nil
		}
		return err
	case h.minus:
		return h.allButLines(r, out)
	case h.count == 0:
		return nil
	}
	left := h.count
	lines := newLineReader(r, h.delim)
	for left > 0 {
		line, ended, err := lines.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		out.Write(line)
		if ended {
			out.WriteByte(h.delim)
		}
		if out.broken() {
			return nil
		}
		left--
	}
	// What was read too much goes back where it can, for the next command on the same file.
	if s, ok := p.Stdin.(io.Seeker); ok && name == "-" && lines.buffered() > 0 {
		_, _ = s.Seek(int64(-lines.buffered()), io.SeekCurrent) // a pipe cannot, which is no error
	}
	return nil
}

// allButBytes copies all but the last n bytes.
func allButBytes(r io.Reader, out *output, n int64) error {
	var held []byte
	buf := make([]byte, blockSize)
	for {
		m, err := r.Read(buf)
		held = append(held, buf[:m]...)
		if over := int64(len(held)) - n; over > 0 {
			out.Write(held[:over])
			held = append(held[:0], held[over:]...)
		}
		if err == io.EOF || out.broken() {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// allButLines copies all but the last count lines; a last line without its end counts.
func (h *headTail) allButLines(r io.Reader, out *output) error {
	var held [][]byte
	return eachLine(r, h.delim, func(line []byte, ended bool) bool {
		own := bytes.Clone(line)
		if ended {
			own = append(own, h.delim)
		}
		held = append(held, own)
		if int64(len(held)) > h.count {
			out.Write(held[0])
			held = held[1:]
		}
		return !out.broken()
	})
}
