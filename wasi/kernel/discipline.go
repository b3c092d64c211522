package kernel

import (
	"syscall"
	"unicode/utf8"
)

// master is the keyboard of a terminal.
type master struct{ t *TTY }

func (m master) Close() error {
	m.t.Hangup()
	return nil
}

// Write types b. It blocks while processes do not read what was typed before, except that characters which send
// signals get through.
func (m master) Write(b []byte) (int, error) {
	t := m.t
	for i, c := range b {
		if t.ctx.Err() != nil {
			return i, syscall.EIO
		}
		if err := t.room(c); err != nil {
			return i, err
		}
		t.mu.Lock()
		echo, sig := t.typed(c)
		table, group := t.table, t.foreground
		t.mu.Unlock()
		if sig != 0 && table != nil {
			table.signalGroup(group, sig)
		}
		if len(echo) > 0 {
			t.show(echo)
		}
	}
	return len(b), nil
}

// room waits until there is space for a character that is no signal.
func (t *TTY) room(c byte) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.input) >= maxInput && t.signal(c) == 0 {
		if err := t.wait(t.ctx, nil); err != nil {
			return syscall.EIO
		}
	}
	return nil
}

// show writes an echo to the screen.
func (t *TTY) show(echo []byte) {
	t.screen.Lock()
	defer t.screen.Unlock()
	// Whoever typed it is gone if this fails, which their next Write tells them.
	_, _ = t.output(t.ctx, t.processed(echo))
}

// signal is what a character sends with ISIG.
func (t *TTY) signal(c byte) Signal {
	if t.termios.Lflag&ISIG == 0 || t.literal || c == 0 {
		return 0
	}
	switch c {
	case t.termios.CC[VINTR]:
		return SIGINT
	case t.termios.CC[VQUIT]:
		return SIGQUIT
	case t.termios.CC[VSUSP]:
		return SIGTSTP
	}
	return 0
}

// typed takes a character: into the input, or into the line that is edited. It returns what to echo, and the signal
// that the character sends. The lock is held.
func (t *TTY) typed(c byte) (echo []byte, sig Signal) {
	if sig := t.signal(c); sig != 0 {
		if t.termios.Lflag&NOFLSH == 0 {
			t.input, t.ends, t.line = nil, nil, nil
			t.change()
		}
		return t.echo(c), sig
	}
	if !t.literal {
		switch {
		case c == '\r' && t.termios.Iflag&IGNCR != 0:
			return nil, 0
		case c == '\r' && t.termios.Iflag&ICRNL != 0:
			c = '\n'
		case c == '\n' && t.termios.Iflag&INLCR != 0:
			c = '\r'
		}
	}
	if t.termios.Lflag&ICANON == 0 {
		t.literal = false
		t.input = append(t.input, c)
		t.change()
		return t.echo(c), 0
	}
	return t.edited(c), 0
}

// edited is typed in canonical mode.
func (t *TTY) edited(c byte) (echo []byte) {
	cc := &t.termios.CC
	literal := t.literal
	t.literal = false
	extended := t.termios.Lflag&IEXTEN != 0
	switch {
	case literal:
	case c == 0:
	case c == cc[VERASE], c == '\b':
		return t.rubOut(t.lastRune())
	case c == cc[VKILL]:
		return t.rubOut(len(t.line))
	case c == cc[VWERASE] && extended:
		return t.rubOut(t.lastWord())
	case c == cc[VLNEXT] && extended:
		t.literal = true
		if t.termios.Lflag&ECHO != 0 && t.termios.Lflag&ECHOCTL != 0 {
			return []byte("^\b")
		}
		return nil
	case c == cc[VREPRINT] && extended:
		if t.termios.Lflag&ECHO == 0 {
			return nil
		}
		return append([]byte("^R\n"), t.line...)
	case c == cc[VEOF]:
		t.finish()
		return nil
	case c == '\n', c == cc[VEOL], c == cc[VEOL2]:
		t.line = append(t.line, c)
		t.finish()
		if t.termios.Lflag&(ECHO|ECHONL) == 0 {
			return nil
		}
		return []byte{c}
	}
	if len(t.line) >= maxInput-1 {
		return nil
	}
	t.line = append(t.line, c)
	return t.echo(c)
}

// finish gives the edited line to readers.
func (t *TTY) finish() {
	t.input = append(t.input, t.line...)
	t.ends = append(t.ends, len(t.input))
	t.line = nil
	t.change()
}

// echo is how a character is shown.
func (t *TTY) echo(c byte) []byte {
	switch {
	case t.termios.Lflag&ECHO == 0:
		return nil
	case c == '\n' || c == '\t':
	case t.termios.Lflag&ECHOCTL != 0 && c < ' ':
		return []byte{'^', c + '@'}
	case t.termios.Lflag&ECHOCTL != 0 && c == 0x7f:
		return []byte("^?")
	}
	return []byte{c}
}

// lastRune is the length of the line's last character.
func (t *TTY) lastRune() int {
	_, n := utf8.DecodeLastRune(t.line)
	return n
}

// lastWord is the length of the line's last word and the blanks behind it.
func (t *TTY) lastWord() int {
	i := len(t.line)
	for i > 0 && (t.line[i-1] == ' ' || t.line[i-1] == '\t') {
		i--
	}
	for i > 0 && t.line[i-1] != ' ' && t.line[i-1] != '\t' {
		i--
	}
	return len(t.line) - i
}

// rubOut drops the last n bytes of the line, and from the screen.
func (t *TTY) rubOut(n int) (echo []byte) {
	gone := t.line[len(t.line)-n:]
	t.line = t.line[:len(t.line)-n]
	if t.termios.Lflag&ECHO == 0 || t.termios.Lflag&ECHOE == 0 {
		return nil
	}
	for len(gone) > 0 {
		r, size := utf8.DecodeRune(gone)
		gone = gone[size:]
		echo = append(echo, "\b \b"...)
		if r < ' ' && r != '\t' && t.termios.Lflag&ECHOCTL != 0 {
			echo = append(echo, "\b \b"...)
		}
	}
	return echo
}
