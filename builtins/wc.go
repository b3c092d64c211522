package builtins

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/sockerless/sockerless/store/rootfs"
)

// wcCount is what wc finds in a text.
type wcCount struct{ lines, words, chars, bytes, longest int64 }

func wc(p *Process) int {
	opts, names, status, done := p.parse(usage{
		synopsis: "[OPTION]... [FILE]...",
		about:    "Print newline, word, and byte counts for each FILE.",
		options:  []string{"c bytes", "m chars", "l lines", "w words", "L max-line-length", "files0-from="},
	})
	if done {
		return status
	}
	var which struct{ l, w, m, c, L bool }
	for _, o := range opts {
		switch o.name {
		case "c":
			which.c = true
		case "m":
			which.m = true
		case "l":
			which.l = true
		case "w":
			which.w = true
		case "L":
			which.L = true
		case "files0-from":
			list, err := p.readAll(o.value)
			if err != nil {
				p.Errorf("cannot open %s for reading: %s", quoteName(o.value), strerror(err))
				return 1
			}
			names = strings.Split(strings.TrimSuffix(string(list), "\x00"), "\x00")
		}
	}
	if which == (struct{ l, w, m, c, L bool }{}) {
		which.l, which.w, which.c = true, true, true
	}
	named := len(names) > 0
	if !named {
		names = []string{"-"}
	}
	columns := 0
	for _, on := range []bool{which.l, which.w, which.m, which.c, which.L} {
		if on {
			columns++
		}
	}
	width := 1
	if len(names) > 1 || columns > 1 {
		width = p.wcWidth(names)
	}
	out := p.output()
	print := func(n wcCount, name string) {
		var fields []string
		add := func(on bool, v int64) {
			if on {
				fields = append(fields, fmt.Sprintf("%*d", width, v))
			}
		}
		add(which.l, n.lines)
		add(which.w, n.words)
		add(which.m, n.chars)
		add(which.c, n.bytes)
		add(which.L, n.longest)
		out.WriteString(strings.Join(fields, " "))
		if name != "" {
			out.WriteString(" " + quoteWord(name))
		}
		out.WriteByte('\n')
	}
	var total wcCount
	buf := make([]byte, copySize)
	for _, name := range names {
		var n wcCount
		r, err := p.openInput(name)
		if err != nil {
			p.Errorf("%s: %s", quoteWord(name), strerror(err))
			status = 1
			continue
		}
		if which.w || which.L {
			n, err = countText(r, buf)
		} else {
			n, err = countLines(r, buf, which.l, which.m)
		}
		r.Close()
		if p.Context.Err() != nil {
			return 1
		}
		if err != nil {
			p.Errorf("%s: %s", quoteWord(name), strerror(err))
			status = 1
		}
		shown := name
		if !named {
			shown = ""
		}
		print(n, shown)
		total.lines += n.lines
		total.words += n.words
		total.chars += n.chars
		total.bytes += n.bytes
		total.longest = max(total.longest, n.longest)
	}
	if len(names) > 1 {
		print(total, "total")
	}
	return out.finish(status)
}

// wcWidth is how wide GNU makes the columns: as wide as the sum of the files' sizes, at least 7 where a size is not
// known beforehand.
func (p *Process) wcWidth(names []string) int {
	width, least := int64(0), 1
	for i, name := range names {
		var info *rootfs.Info
		var err error
		if name == "-" {
			s, ok := p.Stdin.(interface{ Stat() (*rootfs.Info, error) })
			if !ok {
				least = 7
				continue
			}
			info, err = s.Stat()
		} else {
			info, err = p.Files.Stat(name)
		}
		switch {
		case err != nil:
			if i == 0 {
				return 1
			}
		case info.Mode().IsRegular():
			width += info.Size()
		default:
			least = 7
		}
	}
	return max(len(fmt.Sprint(width)), least)
}

// countLines counts bytes, and lines and characters where asked; buf is room to read into.
func countLines(r io.Reader, buf []byte, lines, chars bool) (n wcCount, err error) {
	held := 0 // bytes of a character that a read cut
	for {
		m, err := r.Read(buf[held:])
		n.bytes += int64(m)
		if lines {
			n.lines += int64(bytes.Count(buf[held:held+m], []byte{'\n'}))
		}
		if chars {
			block := buf[:held+m]
			held = 0
			for len(block) > 0 {
				if !utf8.FullRune(block) && err == nil {
					held = copy(buf, block)
					break
				}
				c, size := utf8.DecodeRune(block)
				if c != utf8.RuneError || size > 1 {
					n.chars++
				}
				block = block[size:]
			}
		}
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

// countText counts everything.
func countText(r io.Reader, buf []byte) (n wcCount, err error) {
	inWord := false
	column := int64(0)
	held := 0
	for {
		m, err := r.Read(buf[held:])
		n.bytes += int64(m)
		block := buf[:held+m]
		held = 0
		for i := 0; i < len(block); {
			c, size := rune(block[i]), 1
			if c >= utf8.RuneSelf {
				if !utf8.FullRune(block[i:]) && err == nil {
					held = copy(buf, block[i:])
					break
				}
				c, size = utf8.DecodeRune(block[i:])
			}
			i += size
			if c == utf8.RuneError && size == 1 {
				continue
			}
			n.chars++
			switch c {
			case '\n':
				n.lines++
				fallthrough
			case '\r', '\f':
				n.longest = max(n.longest, column)
				column = 0
				inWord = wordEnd(&n, inWord)
			case '\t':
				column += 8 - column%8
				inWord = wordEnd(&n, inWord)
			case ' ':
				column++
				inWord = wordEnd(&n, inWord)
			case '\v':
				inWord = wordEnd(&n, inWord)
			default:
				if c >= 32 && c != 127 {
					column++
					inWord = true
				}
			}
		}
		if err != nil {
			wordEnd(&n, inWord)
			n.longest = max(n.longest, column)
			if err == io.EOF {
				return n, nil
			}
			return n, err
		}
	}
}

func wordEnd(n *wcCount, inWord bool) bool {
	if inWord {
		n.words++
	}
	return false
}

// readAll reads a whole operand.
func (p *Process) readAll(name string) ([]byte, error) {
	r, err := p.openInput(name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}
