package builtins

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// errSedQuit ends the script without a message.
var errSedQuit = errors.New("quit")

// matches says whether a command applies to the current line, and keeps track of its range.
func (e *sedEditor) matches(c *sedCommand) (bool, error) {
	if c.from == nil {
		return true, nil
	}
	if c.to == nil {
		return e.at(c.from)
	}
	if !c.active {
		begins := false
		switch {
		case c.from.kind == sedZero:
			// 0,/re/: the range is open before the first line.
			if e.line == 1 || !c.begun {
				c.begun = true
				c.active = true
				return e.endRange(c)
			}
			return false, nil
		default:
			var err error
			if begins, err = e.at(c.from); err != nil || !begins {
				return false, err
			}
		}
		c.active = true
		switch c.to.kind {
		case sedNumber:
			if c.to.n <= e.line {
				c.active = false
			}
		case sedPlus:
			c.end = e.line + c.to.n
			c.active = c.to.n > 0
		case sedMultiple:
			c.end = e.line
			if c.to.n > 0 {
				c.end = (e.line + c.to.n - 1) / c.to.n * c.to.n
			}
			c.active = c.end > e.line
		case sedLast:
			c.active = !e.isLast()
		}
		return true, nil
	}
	return e.endRange(c)
}

// endRange looks at a line inside a range, whether it is the last one.
func (e *sedEditor) endRange(c *sedCommand) (bool, error) {
	switch c.to.kind {
	case sedNumber:
		if e.line >= c.to.n {
			c.active = false
		}
		if e.line > c.to.n { // lines were taken by n or N: the range is over, but a new one may begin here
			return e.at(c.from)
		}
	case sedPlus, sedMultiple:
		if e.line >= c.end {
			c.active = false
		}
		return e.line <= c.end, nil
	case sedLast:
		if e.isLast() {
			c.active = false
		}
	case sedRegexp:
		ends, err := e.at(c.to)
		if err != nil {
			return false, err
		}
		if ends {
			c.active = false
		}
	}
	return true, nil
}

func (e *sedEditor) at(a *sedAddress) (bool, error) {
	switch a.kind {
	case sedNumber:
		return e.line == a.n, nil
	case sedStep:
		if a.step <= 0 {
			return e.line == a.n, nil
		}
		return e.line >= a.n && (e.line-a.n)%a.step == 0, nil
	case sedLast:
		return e.isLast(), nil
	case sedRegexp:
		re, err := e.regexp(a.re)
		if err != nil {
			return false, err
		}
		return re.Match(e.space), nil
	}
	return false, nil
}

// regexp is the expression itself, or the one used last where it is empty.
func (e *sedEditor) regexp(re *Regexp) (*Regexp, error) {
	if re == nil {
		if e.lastRegexp == nil {
			return nil, errors.New("no previous regular expression")
		}
		return e.lastRegexp, nil
	}
	e.lastRegexp = re
	return re, nil
}

// cycle runs the script on the current line.
func (e *sedEditor) cycle() error {
	for {
		again, err := e.script()
		if err != nil && err != errSedQuit {
			return err
		}
		if !again && !e.noPrint && !e.quiet {
			e.emit(e.space, e.ended)
		}
		e.noPrint = false
		e.flushAppends()
		if err != nil {
			e.quit = true
			return err
		}
		if !again {
			return nil
		}
		if e.broken() {
			return nil
		}
	}
}

// script runs the commands; again says that D wants a new cycle without a new line.
func (e *sedEditor) script() (again bool, err error) {
	for pc := 0; pc < len(e.commands); pc++ {
		if e.p.Context.Err() != nil {
			return false, errSedQuit
		}
		c := e.commands[pc]
		ok, err := e.matches(c)
		if err != nil {
			return false, err
		}
		if ok == c.negate {
			if c.name == '{' {
				pc = c.jump
			}
			continue
		}
		switch c.name {
		case '{', '}', ':', '#':
		case '=':
			e.owed()
			fmt.Fprintf(e.out, "%d\n", e.line)
		case 'a':
			e.appends = append(e.appends, sedAppend{text: c.text})
		case 'i':
			e.owed()
			e.out.Write(c.text)
		case 'c':
			if c.to == nil || !c.active || c.negate {
				e.owed()
				e.out.Write(c.text)
			}
			e.noPrint = true
			return false, nil
		case 'b':
			pc = c.jump
		case 't':
			if e.replaced {
				e.replaced = false
				pc = c.jump
			}
		case 'T':
			if e.replaced {
				e.replaced = false
			} else {
				pc = c.jump
			}
		case 'd':
			e.noPrint = true
			return false, nil
		case 'D':
			i := bytes.IndexByte(e.space, e.delim)
			e.noPrint = true
			if i < 0 {
				return false, nil
			}
			e.space = append(e.space[:0], e.space[i+1:]...)
			return true, nil
		case 'e':
			if err := e.execute(c); err != nil {
				return false, err
			}
		case 'F':
			e.owed()
			e.out.WriteString(e.name + "\n")
		case 'g':
			e.space = append(e.space[:0], e.hold...)
		case 'G':
			e.space = append(append(e.space, e.delim), e.hold...)
		case 'h':
			e.hold = append(e.hold[:0], e.space...)
		case 'H':
			e.hold = append(append(e.hold, e.delim), e.space...)
		case 'x':
			e.space, e.hold = e.hold, e.space
		case 'l':
			e.list(c.number)
		case 'n':
			if !e.look(true) {
				// GNU prints the pattern space when there is no next line.
				return false, errSedQuit
			}
			if !e.quiet {
				e.emit(e.space, e.ended)
			}
			e.flushAppends()
			line, _ := e.take()
			e.space = append(e.space[:0], line...)
		case 'N':
			if !e.look(true) {
				return false, errSedQuit
			}
			e.flushAppends()
			line, _ := e.take()
			e.space = append(append(e.space, e.delim), line...)
		case 'p':
			e.emit(e.space, e.ended)
		case 'P':
			if i := bytes.IndexByte(e.space, e.delim); i >= 0 {
				e.emit(e.space[:i], true)
			} else {
				e.emit(e.space, true)
			}
		case 'q':
			e.status = max(c.number, 0)
			e.giveBack()
			return false, errSedQuit
		case 'Q':
			e.status = max(c.number, 0)
			e.noPrint = true
			e.appends = nil
			e.giveBack()
			return false, errSedQuit
		case 'r':
			e.appends = append(e.appends, sedAppend{file: c.file, all: true})
		case 'R':
			e.appends = append(e.appends, sedAppend{file: c.file})
		case 'w':
			e.write(c.write, e.space)
		case 'W':
			line, _, _ := bytes.Cut(e.space, []byte{e.delim})
			e.write(c.write, line)
		case 's':
			if err := e.substitute(c); err != nil {
				return false, err
			}
		case 'y':
			e.transliterate(c)
		case 'z':
			e.space = e.space[:0]
		}
	}
	return false, nil
}

func (e *sedEditor) write(name string, line []byte) {
	w := e.files[name]
	if w == e.out {
		e.emit(line, true)
		return
	}
	w.line(line, e.delim)
	w.Flush() // a later r may read it
}

// giveBack returns what was read too much, for the next command on the same input; it keeps the rest of a file that is
// edited in place.
func (e *sedEditor) giveBack() {
	if e.temp != "" {
		if !e.noPrint && !e.quiet {
			e.emit(e.space, e.ended)
			e.noPrint = true
		}
		e.flushAppends()
		if e.hasAhead {
			e.emit(e.ahead, e.aheadEnded)
			e.hasAhead = false
		}
		if e.lines != nil {
			e.owed()
			if err := copyText(e.lines.rest(), e.out); err != nil {
				e.p.Errorf("read error on %s: %s", e.name, strerror(err))
				e.status = 2
			}
		}
		return
	}
	if s, ok := e.p.Stdin.(io.Seeker); ok && e.name == "-" && e.lines != nil {
		n := e.lines.buffered()
		if e.hasAhead {
			n += len(e.ahead) + boolInt(e.aheadEnded)
		}
		_, _ = s.Seek(int64(-n), io.SeekCurrent) // a pipe cannot, which is no error
	}
}

// flushAppends writes what a, r and R have queued.
func (e *sedEditor) flushAppends() {
	queued := e.appends
	e.appends = e.appends[:0]
	for _, a := range queued {
		switch {
		case a.file == "":
			e.owed()
			e.out.Write(a.text)
		case a.all:
			var r io.Reader = e.p.Stdin
			if a.file != "/dev/stdin" {
				f, err := e.p.Files.Open(a.file)
				if err != nil {
					continue // as GNU: a file that cannot be read is empty
				}
				r = f
				defer f.Close()
			}
			e.owed()
			_ = copyText(r, e.out)
		default:
			e.appendLine(a.file)
		}
	}
	if e.unbuffered {
		e.out.Flush()
	}
}

// appendLine is R: one more line of a file.
func (e *sedEditor) appendLine(name string) {
	lines, ok := e.readers[name]
	if !ok {
		f, err := e.p.Files.Open(name)
		if err != nil {
			return
		}
		e.closers = append(e.closers, f)
		lines = newLineReader(f, e.delim)
		e.readers[name] = lines
	}
	if line, _, err := lines.next(); err == nil {
		e.owed()
		e.out.line(line, e.delim)
	}
}

// list is l: the pattern space with escapes, wrapped.
func (e *sedEditor) list(width int) {
	if width < 0 {
		width = e.wrap
	}
	e.owed()
	column := 0
	for _, c := range e.space {
		text := string([]byte{c})
		switch {
		case c == '\\':
			text = `\\`
		case c >= 7 && c <= 13:
			text = `\` + string("abtnvfr"[c-7])
		case c < 32 || c >= 127:
			text = fmt.Sprintf("\\%03o", c)
		}
		if width > 1 && column+len(text) > width-1 {
			e.out.WriteString("\\\n")
			column = 0
		}
		e.out.WriteString(text)
		column += len(text)
	}
	e.out.WriteString("$\n")
}

// execute is e: a command's output before the line, or in its place.
func (e *sedEditor) execute(c *sedCommand) error {
	e.out.Flush()
	command := c.file
	if command == "" {
		command = string(e.space)
	}
	var result bytes.Buffer
	_, err := e.p.System.Run(e.p.Context, Command{Args: []string{"sh", "-c", command}, Env: e.p.Env, Stdin: e.p.Stdin, Stdout: &result, Stderr: e.p.Stderr})
	if err != nil {
		return fmt.Errorf("error subprocess: %s", strerror(err))
	}
	if c.file != "" {
		e.owed()
		e.out.Write(result.Bytes())
		return nil
	}
	e.space = append(e.space[:0], bytes.TrimSuffix(result.Bytes(), []byte{e.delim})...)
	return nil
}

func (e *sedEditor) transliterate(c *sedCommand) {
	if c.wide == nil {
		for i, b := range e.space {
			e.space[i] = c.bytes[b]
		}
		return
	}
	e.space = bytes.Map(func(r rune) rune {
		if to, ok := c.wide[r]; ok {
			return to
		}
		return r
	}, e.space)
}
