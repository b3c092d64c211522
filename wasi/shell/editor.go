package shell

import (
	"errors"
	"io"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/sockerless/sockerless/wasi/kernel"
)

// An editor edits one line on a terminal in raw mode. Keys are bound to its functions as in readline: see keymap.go.
type editor struct {
	sh      *shell
	tty     *kernel.TTY
	prompt  string
	line    []rune
	at      int // the cursor
	killed  []rune
	entry   int // of the history that is shown; its length stands for the new line
	draft   []rune
	tabs    int
	waiting []rune // keys of a macro
	last    string // the function before this one
	arg     int    // how far insert-last-argument has gone back
	argLen  int
	done    bool
	failure error
}

func ctrl(c byte) byte { return c & 0x1f }

// edit returns the line without its newline; io.EOF after ^D on an empty line, errInterrupted after ^C.
func (e *editor) edit() (string, error) {
	saved := e.tty.Termios()
	raw := saved.Raw()
	raw.Oflag = saved.Oflag
	e.tty.SetTermios(raw)
	defer e.tty.SetTermios(saved)
	e.entry = len(e.sh.history.entries)
	e.write(e.prompt)
	for !e.done {
		keys, b, err := e.sequence()
		if err != nil {
			return "", err
		}
		e.perform(keys, b, saved)
	}
	return string(e.line), e.failure
}

// sequence reads keys until they are one that is bound, or cannot become one.
func (e *editor) sequence() (string, binding, error) {
	keymap := e.sh.keymap(e.sh.editingKeymap())
	var keys strings.Builder
	for {
		c, err := e.key()
		if err != nil {
			return "", binding{}, err
		}
		keys.WriteRune(c)
		longer := false
		for bound := range keymap {
			longer = longer || len(bound) > keys.Len() && strings.HasPrefix(bound, keys.String())
		}
		if b, ok := keymap[keys.String()]; ok && (!longer || c != 0x1b) {
			return keys.String(), b, nil
		}
		if !longer && !unfinishedEscape(keys.String()) {
			return keys.String(), binding{}, nil
		}
	}
}

// unfinishedEscape says whether a terminal's escape sequence that nothing is bound to goes on.
func unfinishedEscape(keys string) bool {
	rest, ok := strings.CutPrefix(keys, "\x1b[")
	return ok && strings.Trim(rest, "0123456789;?") == ""
}

// perform does what a key sequence is bound to.
func (e *editor) perform(keys string, b binding, cooked kernel.Termios) {
	function := b.function
	if c := []rune(keys); len(c) == 1 && (c[0] == rune(ctrl('C')) || c[0] >= 0x80) {
		function = "self-insert"
		if c[0] == rune(ctrl('C')) {
			e.write("^C\n")
			e.done, e.failure = true, errInterrupted
			return
		}
	}
	if function != "complete" {
		e.tabs = 0
	}
	switch {
	case b.command != "":
		e.runCommand(b.command, cooked)
	case b.macro != "":
		e.waiting = append([]rune(b.macro), e.waiting...)
	case function == "self-insert":
		e.insert([]rune(keys))
		if e.at != len(e.line) {
			e.redraw()
		}
	case function != "":
		if do := editorFunction(function); do != nil {
			do(e)
		} else {
			e.write("\a")
		}
	}
	e.last = function
}

// runCommand runs a command that is bound to keys, which sees and changes the line in READLINE_LINE and READLINE_POINT.
func (e *editor) runCommand(command string, cooked kernel.Termios) {
	sh := e.sh
	raw := e.tty.Termios()
	e.tty.SetTermios(cooked)
	e.write("\r\x1b[K")
	sh.assign("READLINE_LINE", string(e.line))
	sh.assign("READLINE_POINT", itoa(int64(len(string(e.line[:e.at])))))
	status := sh.status
	sh.runTrap("bind", command)
	sh.status = status
	line := sh.getOr("READLINE_LINE", "")
	point, _ := plainInteger(sh.getOr("READLINE_POINT", "0"))
	sh.unset("READLINE_LINE")
	sh.unset("READLINE_POINT")
	e.tty.SetTermios(raw)
	e.line = []rune(line)
	e.at = len([]rune(line[:min(max(int(point), 0), len(line))]))
	e.redraw()
}

// key reads one character.
func (e *editor) key() (rune, error) {
	if len(e.waiting) > 0 {
		c := e.waiting[0]
		e.waiting = e.waiting[1:]
		return c, nil
	}
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

// move puts the cursor elsewhere.
func (e *editor) move(to int) {
	e.at = min(max(to, 0), len(e.line))
	e.redraw()
}

// show replaces the line.
func (e *editor) show(text string) {
	e.line = []rune(text)
	e.at = len(e.line)
	e.redraw()
}

// recall shows an entry of the history; the new line is kept.
func (e *editor) recall(entry int) {
	entries := e.sh.history.entries
	if entry < 0 || entry > len(entries) || entry == e.entry {
		return
	}
	if e.entry == len(entries) {
		e.draft = e.line
	}
	if e.entry = entry; entry == len(entries) {
		e.show(string(e.draft))
		return
	}
	e.show(entries[entry].text)
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
