package shell

import (
	"fmt"
	"strconv"
	"strings"
)

// An eventError says why a line's history expansion failed.
type eventError struct{ text, why string }

func (e *eventError) Error() string { return e.text + ": " + e.why }

// historyExpander replaces !… in a line by earlier commands and words of them.
type historyExpander struct {
	sh      *shell
	line    string
	at      int
	out     strings.Builder
	changed bool
	print   bool // :p: the line is shown and not run
	found   string
}

// expandHistory expands a line. only says that it is to be shown, not run.
func (sh *shell) expandHistory(line string) (text string, only bool, err error) {
	if !strings.ContainsAny(line, "!^") {
		return line, false, nil
	}
	e := historyExpander{sh: sh, line: line}
	if strings.HasPrefix(line, "^") {
		e.line = "!!:s" + line
	}
	quoted := false
	for e.at < len(e.line) {
		c := e.line[e.at]
		switch {
		case c == '\\' && e.at+1 < len(e.line):
			e.out.WriteString(e.line[e.at : e.at+2])
			e.at += 2
			continue
		case c == '"':
			quoted = !quoted
		case c == '\'' && !quoted:
			if end := strings.IndexByte(e.line[e.at+1:], '\''); end >= 0 {
				e.out.WriteString(e.line[e.at : e.at+end+2])
				e.at += end + 2
				continue
			}
		case c == '!' && e.begins(quoted):
			if err := e.event(); err != nil {
				return "", false, err
			}
			continue
		}
		e.out.WriteByte(c)
		e.at++
	}
	if !e.changed {
		return line, false, nil
	}
	return e.out.String(), e.print, nil
}

// expandedLine expands a line that was read, and shows what became of it. A line that is not to run is only remembered.
func (sh *shell) expandedLine(line string) string {
	if !sh.opts.histexpand || !sh.opts.history {
		return line
	}
	text, only, err := sh.expandHistory(line)
	switch {
	case err != nil:
		sh.errorf("%s", err)
		return "\n"
	case text == line:
		return line
	}
	sh.writeError(text)
	if only {
		sh.remember(text, nil)
		return "\n"
	}
	return text
}

// begins says whether the ! at this place begins an expansion.
func (e *historyExpander) begins(quoted bool) bool {
	rest, before := e.line[e.at+1:], e.line[:e.at]
	switch {
	case rest == "" || strings.IndexByte(" \t\r\n=", rest[0]) >= 0,
		quoted && rest[0] == '"',
		strings.HasSuffix(before, "$"), strings.HasSuffix(before, "${"), strings.HasSuffix(before, "["),
		rest[0] == '(' && e.sh.shopts.extglob:
		return false
	}
	return true
}

func (e *historyExpander) event() error {
	e.at++
	text, err := e.command()
	if err != nil {
		return err
	}
	if text, err = e.designated(text); err != nil {
		return err
	}
	if text, err = e.modified(text); err != nil {
		return err
	}
	e.out.WriteString(text)
	e.changed = true
	return nil
}

// command finds the command that an event names.
func (e *historyExpander) command() (string, error) {
	h := &e.sh.history
	rest := e.line[e.at:]
	get := func(i int) (string, bool) {
		if i < 0 || i >= len(h.entries) {
			return "", false
		}
		return h.entries[i].text, true
	}
	missing := func() error { return &eventError{e.line[e.at-1:], "event not found"} }
	number := len(rest) - len(strings.TrimLeft(rest, "-0123456789"))
	switch {
	case rest[0] == '!':
		e.at++
		if text, ok := get(len(h.entries) - 1); ok {
			return text, nil
		}
		return "", &eventError{"!!", "event not found"}
	case strings.IndexByte(":$^*%", rest[0]) >= 0:
		if text, ok := get(len(h.entries) - 1); ok {
			return text, nil
		}
		return "", missing()
	case rest[0] == '#':
		e.at++
		return e.out.String(), nil
	case number > 0:
		n, err := strconv.Atoi(rest[:number])
		if n < 0 {
			n += len(h.entries)
		} else {
			n -= h.base + 1
		}
		text, ok := get(n)
		if err != nil || !ok {
			return "", &eventError{"!" + rest[:number], "event not found"}
		}
		e.at += number
		return text, nil
	}
	inside := rest[0] == '?'
	word := rest[:len(rest)-len(strings.TrimLeftFunc(rest, func(r rune) bool { return !strings.ContainsRune(" \t\n:;&()|<>\"'", r) }))]
	used := len(word)
	if inside {
		word, _, _ = strings.Cut(rest[1:], "?")
		word, _, _ = strings.Cut(word, "\n")
		if used = len(word) + 1; strings.HasPrefix(rest[used:], "?") {
			used++
		}
		e.found = word
	}
	for i := len(h.entries) - 1; i >= 0 && word != ""; i-- {
		if text := h.entries[i].text; inside && strings.Contains(text, word) || strings.HasPrefix(text, word) {
			e.at += used
			return text, nil
		}
	}
	return "", &eventError{e.line[e.at-1 : e.at+used], "event not found"}
}

// designated takes the words that follow a colon, or one of ^ $ * - %.
func (e *historyExpander) designated(text string) (string, error) {
	rest := e.line[e.at:]
	spec := strings.TrimPrefix(rest, ":")
	if spec == "" || strings.IndexByte("^$*-%0123456789", spec[0]) < 0 || len(spec) == len(rest) && strings.IndexByte("^$*%", spec[0]) < 0 {
		return text, nil
	}
	words := historyWords(text)
	last := len(words) - 1
	bound := func() (int, bool) {
		switch {
		case spec == "":
		case spec[0] == '^':
			spec = spec[1:]
			return 1, true
		case spec[0] == '$':
			spec = spec[1:]
			return last, true
		default:
			digits := len(spec) - len(strings.TrimLeft(spec, "0123456789"))
			n, err := strconv.Atoi(spec[:digits])
			spec = spec[digits:]
			return n, err == nil
		}
		return 0, false
	}
	from, to := 0, 0
	switch {
	case spec[0] == '*':
		spec = spec[1:]
		from, to = 1, last
		if last < 1 {
			from, to = 0, -1
		}
	case spec[0] == '%':
		spec = spec[1:]
		for i, w := range words {
			if e.found != "" && strings.Contains(w, e.found) {
				from, to = i, i
			}
		}
	default:
		if spec[0] != '-' {
			from, _ = bound()
		}
		to = from
		if strings.HasPrefix(spec, "*") {
			spec = spec[1:]
			to = last
			if from == last+1 {
				to, from = -1, 0
			}
		} else if strings.HasPrefix(spec, "-") {
			spec = spec[1:]
			ok := false
			if to, ok = bound(); !ok {
				to = last - 1
			}
		}
	}
	end := len(e.line) - len(spec)
	if to >= 0 && (from > to || to > last) {
		return "", &eventError{strings.TrimPrefix(e.line[e.at:end], "!"), "bad word specifier"}
	}
	e.at = end
	if to < 0 {
		return "", nil
	}
	return strings.Join(words[from:to+1], " "), nil
}

// modified applies :h :t :r :e :p :q :x :s and :&, which g or a make global.
func (e *historyExpander) modified(text string) (string, error) {
	for strings.HasPrefix(e.line[e.at:], ":") && e.at+1 < len(e.line) {
		global := false
		at := e.at + 1
		for at+1 < len(e.line) && strings.IndexByte("gaG", e.line[at]) >= 0 {
			global = true
			at++
		}
		slash, dot := strings.LastIndexByte(text, '/'), strings.LastIndexByte(text, '.')
		switch e.line[at] {
		case 'h':
			if slash > 0 {
				text = text[:slash]
			} else if slash == 0 {
				text = "/"
			}
		case 't':
			text = text[slash+1:]
		case 'r':
			if dot >= 0 {
				text = text[:dot]
			}
		case 'e':
			if dot >= 0 {
				text = text[dot:]
			}
		case 'p':
			e.print = true
		case 'q':
			text = quotePlain(text)
		case 'x':
			words := strings.Fields(text)
			for i, w := range words {
				words[i] = quotePlain(w)
			}
			text = strings.Join(words, " ")
		case 's', '&':
			subst := &e.sh.historySubst
			if e.line[at] == 's' && at+1 < len(e.line) {
				delimiter := e.line[at+1 : at+2]
				parts := strings.SplitN(strings.TrimSuffix(e.line[at+2:], "\n"), delimiter, 3)
				if len(parts) == 1 {
					parts = append(parts, "")
				}
				if parts[0] != "" {
					subst[0] = parts[0]
				}
				subst[1] = strings.ReplaceAll(parts[1], "&", subst[0])
				at += 1 + len(parts[0]) + 1 + len(parts[1])
				if len(parts) == 3 {
					at++
				}
			}
			if subst[0] == "" || !strings.Contains(text, subst[0]) {
				return "", &eventError{strings.TrimSuffix(e.line[e.at:], "\n"), "substitution failed"}
			}
			count := 1
			if global {
				count = -1
			}
			text = strings.Replace(text, subst[0], subst[1], count)
		default:
			return "", &eventError{fmt.Sprintf("%c", e.line[at]), "unrecognized history modifier"}
		}
		e.at = min(at+1, len(e.line))
	}
	return text, nil
}

// historyWords parts a command into words and operators.
func historyWords(text string) []string {
	var words []string
	b := brackets{text: text, nested: -1}
	start := -1
	end := func() {
		if start >= 0 {
			words = append(words, text[start:b.at])
			start = -1
		}
	}
	for b.at < len(text) {
		c := text[b.at]
		switch {
		case len(b.stack) == 0 && (c == ' ' || c == '\t' || c == '\n'):
			end()
			b.at++
		case len(b.stack) == 0 && strings.IndexByte(";&|<>()", c) >= 0:
			if start >= 0 && (c == '<' || c == '>') && strings.Trim(text[start:b.at], "0123456789") == "" {
				// The number of a descriptor belongs to the operator.
			} else {
				end()
			}
			if start < 0 {
				start = b.at
			}
			b.at++
			for b.at < len(text) && strings.IndexByte(";&|<>", text[b.at]) >= 0 {
				b.at++
			}
			end()
		default:
			if start < 0 {
				start = b.at
			}
			b.step()
		}
	}
	end()
	return words
}
