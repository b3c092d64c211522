package shell

import (
	"io"
	"slices"
	"strings"
	"unicode"
)

// editorFunction finds a function of readline that the editor has; keys that are bound to another ring the bell.
func editorFunction(name string) func(*editor) {
	switch name {
	case "accept-line":
		return (*editor).accept
	case "abort":
		return func(e *editor) { e.write("\a"); e.show("") }
	case "backward-char":
		return func(e *editor) { e.move(e.at - 1) }
	case "forward-char":
		return func(e *editor) { e.move(e.at + 1) }
	case "beginning-of-line":
		return func(e *editor) { e.move(0) }
	case "end-of-line":
		return func(e *editor) { e.move(len(e.line)) }
	case "backward-word":
		return func(e *editor) { e.move(e.wordStart()) }
	case "forward-word":
		return func(e *editor) { e.move(e.wordEnd()) }
	case "backward-delete-char":
		return func(e *editor) { e.remove(max(e.at-1, 0), e.at) }
	case "delete-char":
		return (*editor).deleteChar
	case "kill-line":
		return func(e *editor) { e.kill(e.at, len(e.line)) }
	case "backward-kill-line", "unix-line-discard":
		return func(e *editor) { e.kill(0, e.at) }
	case "kill-whole-line":
		return func(e *editor) { e.kill(0, len(e.line)) }
	case "kill-word":
		return func(e *editor) { e.kill(e.at, e.wordEnd()) }
	case "backward-kill-word":
		return func(e *editor) { e.kill(e.wordStart(), e.at) }
	case "unix-word-rubout":
		return (*editor).rubout
	case "yank":
		return func(e *editor) { e.insert(e.killed); e.redraw() }
	case "transpose-chars":
		return (*editor).transpose
	case "upcase-word":
		return func(e *editor) { e.changeWord(strings.ToUpper) }
	case "downcase-word":
		return func(e *editor) { e.changeWord(strings.ToLower) }
	case "capitalize-word":
		return func(e *editor) { e.changeWord(capitalized) }
	case "clear-screen":
		return func(e *editor) { e.write("\x1b[H\x1b[2J" + e.prompt); e.redraw() }
	case "clear-display":
		return func(e *editor) { e.write("\x1b[H\x1b[2J\x1b[3J" + e.prompt); e.redraw() }
	case "previous-history":
		return func(e *editor) { e.recall(e.entry - 1) }
	case "next-history":
		return func(e *editor) { e.recall(e.entry + 1) }
	case "beginning-of-history":
		return func(e *editor) { e.recall(0) }
	case "end-of-history":
		return func(e *editor) { e.recall(len(e.sh.history.entries)) }
	case "history-search-backward":
		return func(e *editor) { e.searchFrom(-1) }
	case "history-search-forward":
		return func(e *editor) { e.searchFrom(1) }
	case "reverse-search-history":
		return (*editor).searchBack
	case "yank-last-arg":
		return (*editor).lastArgument
	case "quoted-insert":
		return (*editor).quotedInsert
	case "insert-comment":
		return func(e *editor) { e.at = 0; e.insert([]rune{'#'}); e.redraw(); e.accept() }
	case "complete":
		return (*editor).complete
	case "possible-completions":
		return func(e *editor) { e.tabs = 1; e.complete() }
	case "bracketed-paste-begin":
		return (*editor).paste
	}
	return nil
}

func (e *editor) accept() {
	if e.at != len(e.line) {
		e.move(len(e.line))
	}
	e.write("\n")
	e.done = true
}

func (e *editor) deleteChar() {
	if len(e.line) == 0 {
		e.done, e.failure = true, io.EOF
		return
	}
	e.remove(e.at, e.at+1)
}

func isWordRune(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

func (e *editor) wordStart() int {
	at := e.at
	for at > 0 && !isWordRune(e.line[at-1]) {
		at--
	}
	for at > 0 && isWordRune(e.line[at-1]) {
		at--
	}
	return at
}

func (e *editor) wordEnd() int {
	at := e.at
	for at < len(e.line) && !isWordRune(e.line[at]) {
		at++
	}
	for at < len(e.line) && isWordRune(e.line[at]) {
		at++
	}
	return at
}

func (e *editor) rubout() {
	from := e.at
	for from > 0 && e.line[from-1] == ' ' {
		from--
	}
	for from > 0 && e.line[from-1] != ' ' {
		from--
	}
	e.kill(from, e.at)
}

func (e *editor) transpose() {
	at := min(e.at, len(e.line)-1)
	if at < 1 {
		return
	}
	e.line[at-1], e.line[at] = e.line[at], e.line[at-1]
	e.move(at + 1)
}

func capitalized(word string) string {
	lower := []rune(strings.ToLower(word))
	if i := slices.IndexFunc(lower, isWordRune); i >= 0 {
		lower[i] = unicode.ToUpper(lower[i])
	}
	return string(lower)
}

func (e *editor) changeWord(change func(string) string) {
	end := e.wordEnd()
	copy(e.line[e.at:], []rune(change(string(e.line[e.at:end]))))
	e.move(end)
}

// searchFrom shows the next entry in a direction that begins as the line does up to the cursor.
func (e *editor) searchFrom(step int) {
	entries := e.sh.history.entries
	at, start := e.at, string(e.line[:e.at])
	for i := e.entry + step; i >= 0 && i < len(entries); i += step {
		if strings.HasPrefix(entries[i].text, start) && entries[i].text != string(e.line) {
			e.recall(i)
			if at > 0 {
				e.move(at)
			}
			return
		}
	}
	e.write("\a")
}

// searchBack looks for what is typed, entry by entry.
func (e *editor) searchBack() {
	entries := e.sh.history.entries
	found, needle := e.entry, ""
	search := func(from int) {
		for i := min(from, len(entries)-1); i >= 0; i-- {
			if strings.Contains(entries[i].text, needle) {
				found = i
				return
			}
		}
		e.write("\a")
	}
	for {
		shown := ""
		if found < len(entries) {
			shown = entries[found].text
		}
		e.write("\r\x1b[K(reverse-i-search)`" + needle + "': " + shown)
		c, err := e.key()
		switch {
		case err != nil || c == rune(ctrl('G')) || c == rune(ctrl('C')):
			e.redraw()
			return
		case c == rune(ctrl('R')):
			search(found - 1)
		case c == 0x7f || c == rune(ctrl('H')):
			if r := []rune(needle); len(r) > 0 {
				needle = string(r[:len(r)-1])
			}
		case c < ' ':
			if found < len(entries) {
				e.recall(found)
			}
			e.redraw()
			if c != 0x1b {
				e.waiting = append([]rune{c}, e.waiting...)
			}
			return
		default:
			needle += string(c)
			search(found)
		}
	}
}

// lastArgument inserts the last word of the command before, and of the one before that when it is repeated.
func (e *editor) lastArgument() {
	entries := e.sh.history.entries
	if e.last == "yank-last-arg" {
		e.arg++
		e.line = append(e.line[:e.at-e.argLen], e.line[e.at:]...)
		e.at -= e.argLen
	} else {
		e.arg = 1
	}
	e.argLen = 0
	if i := len(entries) - e.arg; i >= 0 {
		if words := historyWords(entries[i].text); len(words) > 0 {
			word := []rune(words[len(words)-1])
			e.argLen = len(word)
			e.insert(word)
		}
	}
	e.redraw()
}

func (e *editor) quotedInsert() {
	if c, err := e.key(); err == nil {
		e.insert([]rune{c})
		e.redraw()
	}
}

// paste takes what a terminal sends between the marks of a paste.
func (e *editor) paste() {
	var text []rune
	for !strings.HasSuffix(string(text), "\x1b[201~") && len(text) < maxOutput {
		c, err := e.key()
		if err != nil {
			return
		}
		if c == '\r' {
			c = '\n'
		}
		text = append(text, c)
	}
	e.insert([]rune(strings.TrimSuffix(string(text), "\x1b[201~")))
	e.redraw()
}
