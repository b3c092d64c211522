package shell

import (
	"errors"
	"io"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/sockerless/sockerless/wasi/kernel"
)

// An editor edits one line on a terminal in raw mode.
type editor struct {
	sh     *shell
	tty    *kernel.TTY
	prompt string
	line   []rune
	at     int // the cursor
	killed []rune
	entry  int // of the history that is shown; count() is the new line
	draft  []rune
	tabs   int
}

func ctrl(c byte) byte { return c & 0x1f }

// edit returns the line without its newline; io.EOF after ^D on an empty line, errInterrupted after ^C.
func (e *editor) edit() (string, error) {
	saved := e.tty.Termios()
	raw := saved.Raw()
	raw.Oflag = saved.Oflag
	e.tty.SetTermios(raw)
	defer e.tty.SetTermios(saved)
	if h := e.sh.history; h != nil {
		e.entry = len(h.lines)
	}
	e.write(e.prompt)
	for {
		c, err := e.key()
		if err != nil {
			return "", err
		}
		if c != '\t' {
			e.tabs = 0
		}
		switch c {
		case '\r', '\n':
			if e.at != len(e.line) {
				e.at = len(e.line)
				e.redraw()
			}
			e.write("\n")
			return string(e.line), nil
		case rune(ctrl('C')):
			e.write("^C\n")
			return "", errInterrupted
		case rune(ctrl('D')):
			if len(e.line) == 0 {
				return "", io.EOF
			}
			e.remove(e.at, e.at+1)
		default:
			e.command(c)
		}
	}
}

// key reads one character.
func (e *editor) key() (rune, error) {
	var b [4]byte
	n := 0
	for n < len(b) {
		c, err := e.sh.readByte(0)
		if errors.Is(err, syscall.EINTR) {
			e.sh.queueSignals()
			e.sh.runTraps()
			continue
		}
		if err != nil {
			return 0, io.EOF
		}
		b[n] = c
		if n++; utf8.FullRune(b[:n]) {
			break
		}
	}
	r, _ := utf8.DecodeRune(b[:n])
	return r, nil
}

func (e *editor) command(c rune) {
	switch c {
	case rune(ctrl('A')):
		e.at = 0
	case rune(ctrl('E')):
		e.at = len(e.line)
	case rune(ctrl('B')):
		e.at = max(e.at-1, 0)
	case rune(ctrl('F')):
		e.at = min(e.at+1, len(e.line))
	case rune(ctrl('H')), 0x7f:
		if e.at > 0 {
			e.remove(e.at-1, e.at)
		}
	case rune(ctrl('U')):
		e.kill(0, e.at)
	case rune(ctrl('K')):
		e.kill(e.at, len(e.line))
	case rune(ctrl('W')):
		from := e.at
		for from > 0 && e.line[from-1] == ' ' {
			from--
		}
		for from > 0 && e.line[from-1] != ' ' {
			from--
		}
		e.kill(from, e.at)
	case rune(ctrl('Y')):
		e.insert(e.killed)
	case rune(ctrl('L')):
		e.write("\x1b[H\x1b[2J" + e.prompt)
	case rune(ctrl('P')):
		e.recall(-1)
	case rune(ctrl('N')):
		e.recall(1)
	case '\t':
		e.complete()
		return
	case 0x1b:
		e.escape()
	default:
		if c < ' ' {
			return
		}
		e.insert([]rune{c})
		if e.at == len(e.line) {
			return
		}
	}
	e.redraw()
}

// escape reads the rest of a key's sequence.
func (e *editor) escape() {
	c, err := e.key()
	if err != nil || c != '[' && c != 'O' {
		return
	}
	number := ""
	for {
		c, err = e.key()
		if err != nil {
			return
		}
		if c < '0' || c > '9' {
			break
		}
		number += string(c)
	}
	switch c {
	case 'A':
		e.recall(-1)
	case 'B':
		e.recall(1)
	case 'C':
		e.at = min(e.at+1, len(e.line))
	case 'D':
		e.at = max(e.at-1, 0)
	case 'H':
		e.at = 0
	case 'F':
		e.at = len(e.line)
	case '~':
		switch number {
		case "1", "7":
			e.at = 0
		case "4", "8":
			e.at = len(e.line)
		case "3":
			e.remove(e.at, e.at+1)
		}
	}
}

func (e *editor) insert(text []rune) {
	tail := append([]rune(nil), e.line[e.at:]...)
	e.line = append(append(e.line[:e.at], text...), tail...)
	e.at += len(text)
	if len(tail) == 0 {
		e.write(string(text))
	}
}

func (e *editor) remove(from, to int) {
	to = min(to, len(e.line))
	if from >= to {
		return
	}
	e.line = append(e.line[:from], e.line[to:]...)
	e.at = from
	e.redraw()
}

func (e *editor) kill(from, to int) {
	e.killed = append([]rune(nil), e.line[from:to]...)
	e.remove(from, to)
}

// recall shows an older or newer line of the history.
func (e *editor) recall(by int) {
	h := e.sh.history
	if h == nil || e.entry+by < 0 || e.entry+by > len(h.lines) {
		return
	}
	if e.entry == len(h.lines) {
		e.draft = e.line
	}
	e.entry += by
	if e.entry == len(h.lines) {
		e.line = e.draft
	} else {
		e.line = []rune(h.lines[e.entry])
	}
	e.at = len(e.line)
}

// redraw writes the line again, and puts the cursor in its place.
func (e *editor) redraw() {
	last := e.prompt[strings.LastIndexByte(e.prompt, '\n')+1:]
	text := "\r" + last + string(e.line) + "\x1b[K"
	if back := len(e.line) - e.at; back > 0 {
		text += "\x1b[" + itoa(int64(back)) + "D"
	}
	e.write(text)
}

func (e *editor) write(text string) {
	_, _ = e.sh.p.Write(e.sh.p.Context(), 0, []byte(text))
}

// complete completes the word before the cursor: a command at the beginning, else a file.
func (e *editor) complete() {
	e.tabs++
	from := e.at
	for from > 0 && !strings.ContainsRune(" \t;|&<>()", e.line[from-1]) {
		from--
	}
	word := string(e.line[from:e.at])
	first := strings.TrimRight(string(e.line[:from]), " ") == "" || strings.HasSuffix(strings.TrimRight(string(e.line[:from]), " "), "|")
	names := e.sh.candidates(word, first)
	if len(names) == 0 {
		e.write("\a")
		return
	}
	prefix := names[0]
	for _, name := range names[1:] {
		for !strings.HasPrefix(name, prefix) {
			prefix = prefix[:len(prefix)-1]
		}
	}
	if len(names) == 1 && !strings.HasSuffix(prefix, "/") {
		prefix += " "
	}
	if rest, ok := strings.CutPrefix(prefix, word); ok && rest != "" {
		e.insert([]rune(rest))
		e.redraw()
		return
	}
	if e.tabs > 1 {
		e.write("\n" + strings.Join(names, "  ") + "\n")
		e.redraw()
	}
}
