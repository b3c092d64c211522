package builtins

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"syscall"
)

var cmpUsage = usage{
	synopsis: "[OPTION]... FILE1 [FILE2 [SKIP1 [SKIP2]]]",
	about:    "Compare two files byte by byte.",
	status:   2,
	prefixed: true,
	options:  []string{"b print-bytes", "i ignore-initial=", "l verbose", "n bytes=", "s quiet silent"},
}

func cmpCommand(p *Process) int {
	opts, operands, status, done := p.parse(cmpUsage)
	if done {
		return status
	}
	var bytes, verbose, silent bool
	limit := int64(-1)
	skips := [2]int64{}
	badValue := func(what, value string) int {
		p.Errorf("invalid --%s value '%s'", what, value)
		return p.tryHelp(cmpUsage)
	}
	for _, o := range opts {
		switch o.name {
		case "b":
			bytes = true
		case "i":
			first, second, two := strings.Cut(o.value, ":")
			if !two {
				second = first
			}
			var err1, err2 error
			skips[0], err1 = parseSize(first)
			skips[1], err2 = parseSize(second)
			if err1 != nil || err2 != nil {
				return badValue("ignore-initial", o.value)
			}
		case "l":
			verbose = true
		case "n":
			n, err := parseSize(o.value)
			if err != nil {
				return badValue("bytes", o.value)
			}
			limit = n
		case "s":
			silent = true
		}
	}
	if len(operands) == 0 {
		p.Errorf("missing operand after '%s'", p.Name())
		return p.tryHelp(cmpUsage)
	}
	names := [2]string{operands[0], "-"}
	if len(operands) > 1 {
		names[1] = operands[1]
	}
	for i := 2; i < min(len(operands), 4); i++ {
		n, err := parseSize(operands[i])
		if err != nil {
			return badValue("ignore-initial", operands[i])
		}
		skips[i-2] = n
	}
	if len(operands) > 4 {
		return p.extraOperand(cmpUsage, operands[4])
	}
	most := int64(math.MaxInt64)
	if limit >= 0 {
		most = limit
	}
	var readers [2]*bufio.Reader
	for i, name := range names {
		in, err := p.openInput(name)
		if err == nil {
			if info, statErr := p.Files.Stat(name); name != "-" && statErr == nil && info.IsDir() {
				in.Close()
				err = syscall.EISDIR
			}
		}
		if err != nil {
			if !silent {
				p.Errorf("%s: %s", name, strerror(err))
			}
			return 2
		}
		defer in.Close()
		readers[i] = bufio.NewReaderSize(in, blockSize)
		if info, statErr := p.Files.Stat(name); name != "-" && statErr == nil && info.Mode().IsRegular() {
			most = min(most, max(0, info.Size()-skips[i]))
		}
		if _, err := io.CopyN(io.Discard, readers[i], skips[i]); err != nil && err != io.EOF {
			p.Errorf("%s: %s", name, strerror(err))
			return 2
		}
	}
	c := &comparison{p: p, names: names, bytes: bytes, verbose: verbose, silent: silent, limit: limit, width: len(strconv.FormatInt(most, 10))}
	return c.run(readers)
}

type comparison struct {
	p                      *Process
	names                  [2]string
	bytes, verbose, silent bool
	limit                  int64
	width                  int // of the byte numbers of -l
}

func (c *comparison) run(r [2]*bufio.Reader) int {
	out := c.p.output()
	defer out.Flush()
	line, status := int64(1), 0
	lastNewline := true
	for at := int64(1); c.limit < 0 || at <= c.limit; at++ {
		a, errA := r[0].ReadByte()
		b, errB := r[1].ReadByte()
		for i, err := range []error{errA, errB} {
			if err != nil && !errors.Is(err, io.EOF) {
				c.p.Errorf("%s: %s", c.names[i], strerror(err))
				return 2
			}
		}
		switch {
		case errA != nil && errB != nil:
			return status
		case errA != nil || errB != nil:
			if !c.silent {
				out.Flush()
				shorter := c.names[0]
				if errA == nil {
					shorter = c.names[1]
				}
				c.short(shorter, at-1, line, lastNewline)
			}
			return 1
		case a != b && c.verbose:
			status = 1
			if c.bytes {
				fmt.Fprintf(out, "%*d %3o %-4s %3o %s\n", c.width, at, a, visibleByte(a), b, visibleByte(b))
			} else {
				fmt.Fprintf(out, "%*d %3o %3o\n", c.width, at, a, b)
			}
		case a != b:
			if !c.silent {
				fmt.Fprintf(out, "%s %s differ: %s %d, line %d", c.names[0], c.names[1], map[bool]string{true: "byte", false: "char"}[c.bytes], at, line)
				if c.bytes {
					fmt.Fprintf(out, " is %3o %s %3o %s", a, visibleByte(a), b, visibleByte(b))
				}
				out.WriteString("\n")
			}
			return 1
		}
		lastNewline = a == '\n'
		if lastNewline {
			line++
		}
	}
	return status
}

// short reports that one file ended before the other.
func (c *comparison) short(name string, at, line int64, lastNewline bool) {
	switch {
	case at == 0:
		c.p.Errorf("EOF on %s which is empty", quoteWord(name))
	case c.verbose:
		c.p.Errorf("EOF on %s after byte %d", quoteWord(name), at)
	case lastNewline:
		c.p.Errorf("EOF on %s after byte %d, line %d", quoteWord(name), at, line-1)
	default:
		c.p.Errorf("EOF on %s after byte %d, in line %d", quoteWord(name), at, line)
	}
}

// visibleByte shows a byte as cat -v does.
func visibleByte(c byte) string {
	prefix := ""
	if c >= 128 {
		prefix, c = "M-", c-128
	}
	switch {
	case c < 32:
		return prefix + "^" + string(rune(c+64))
	case c == 127:
		return prefix + "^?"
	}
	text := strconv.QuoteRune(rune(c))
	if c == '\'' || c == '\\' {
		return prefix + string(rune(c))
	}
	return prefix + text[1:len(text)-1]
}
