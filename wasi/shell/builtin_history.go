package shell

import (
	"strconv"
	"strings"
	"time"
)

func (sh *shell) historyBuiltin(args []string) int {
	opts, rest, status := sh.optionsOf(args, "canrwps", "d")
	if status != 0 {
		return status
	}
	has := func(c byte) bool { _, ok := opts[c]; return ok }
	actions := 0
	for _, c := range []byte("anrw") {
		if has(c) {
			actions++
		}
	}
	if actions > 1 {
		sh.errorf("history: cannot use more than one of -anrw")
		return 1
	}
	h := &sh.history
	if has('c') {
		h.remove(0, len(h.entries))
		h.base, h.fresh, h.added = 0, 0, false
		if len(opts) == 1 {
			return 0
		}
	}
	switch {
	case has('s'):
		if len(rest) > 0 {
			sh.forgetRunning()
			h.push(historyEntry{strings.Join(rest, " "), now().Unix()}, sh.sizeVariable("HISTSIZE"))
			h.fresh++
		}
		return 0
	case has('p'):
		return sh.printExpanded(rest)
	case has('d'):
		return sh.deleteHistory(opts['d'])
	case actions > 0:
		return sh.historyFile(opts, rest)
	case has('c'):
		return 0
	}
	return sh.listHistory(rest)
}

// forgetRunning takes the command that runs out of the history again.
func (sh *shell) forgetRunning() {
	if h := &sh.history; h.added {
		h.remove(len(h.entries)-1, len(h.entries))
		h.fresh = max(h.fresh-1, 0)
		h.added = false
	}
}

// printExpanded is history -p.
func (sh *shell) printExpanded(words []string) int {
	sh.forgetRunning()
	for _, w := range words {
		text, _, err := sh.expandHistory(w)
		if err != nil {
			sh.errorf("history: %s: history expansion failed", w)
			return 1
		}
		sh.put(text + "\n")
	}
	return 0
}

func (sh *shell) deleteHistory(text string) int {
	h := &sh.history
	position := func(s string) (int, bool) {
		n, err := strconv.Atoi(s)
		if n < 0 {
			n += len(h.entries)
		} else {
			n -= h.base + 1
		}
		return n, err == nil && n >= 0 && n < len(h.entries)
	}
	from, ok := position(text)
	to := from
	if i := strings.IndexByte(text[min(1, len(text)):], '-'); i >= 0 {
		var both bool
		from, ok = position(text[:i+1])
		to, both = position(text[i+2:])
		ok = ok && both && from <= to
	}
	if !ok {
		sh.errorf("history: %s: history position out of range", text)
		return 1
	}
	h.remove(from, to+1)
	return 0
}

// historyFile is history -a, -n, -r and -w.
func (sh *shell) historyFile(opts map[byte]string, rest []string) int {
	file := sh.getOr("HISTFILE", "")
	if len(rest) > 0 {
		file = rest[0]
	}
	if file == "" {
		return 1
	}
	h := &sh.history
	var err error
	for c := range opts {
		switch c {
		case 'a':
			if h.fresh > 0 {
				err = sh.appendHistory(file)
			}
		case 'w':
			if err = sh.writeHistory(file, h.entries, false); err == nil {
				h.inFile, h.fresh = len(h.entries), 0
			}
		case 'r':
			fresh := h.fresh
			err = sh.readHistory(file, 0)
			h.fresh = fresh
		case 'n':
			err = sh.readHistory(file, h.inFile)
		}
	}
	return int(truth(err != nil))
}

func (sh *shell) listHistory(rest []string) int {
	h := &sh.history
	from := 0
	if len(rest) > 0 {
		n, err := strconv.Atoi(rest[0])
		if err != nil {
			sh.errorf("history: %s: numeric argument required", rest[0])
			return 1
		}
		if len(rest) > 1 {
			sh.fail(1, "history: too many arguments")
		}
		from = max(len(h.entries)-max(n, -n), 0)
	}
	format, timed := sh.get("HISTTIMEFORMAT")
	for i, e := range h.entries[from:] {
		at := ""
		if timed && format != "" {
			if at = "??"; e.at != 0 {
				at = strftime(format, time.Unix(e.at, 0).In(sh.zone()))
			}
		}
		sh.putf("%5d  %s%s\n", h.base+from+i+1, at, e.text)
	}
	return 0
}

// fc lists commands of the history, or edits and runs them again.
func (sh *shell) fc(args []string) int {
	flags := args[:1:1]
	rest := args[1:]
	// A negative number is no option.
	for len(rest) > 0 && len(rest[0]) > 1 && rest[0][0] == '-' && (rest[0][1] < '0' || rest[0][1] > '9') {
		flags = append(flags, rest[0])
		last := rest[0]
		rest = rest[1:]
		if last == "--" {
			break
		}
		if strings.HasSuffix(last, "e") && len(rest) > 0 {
			flags = append(flags, rest[0])
			rest = rest[1:]
		}
	}
	opts, _, status := sh.optionsOf(flags, "lnrs", "e")
	if status != 0 {
		return status
	}
	_, again := opts['s']
	if again || opts['e'] == "-" {
		return sh.fcAgain(rest)
	}
	h := &sh.history
	if len(h.entries) == 0 {
		return 0
	}
	_, listing := opts['l']
	last := sh.lastBeforeFC()
	from, to := last, last
	ok := last >= 0
	switch {
	case !ok:
	case len(rest) > 0:
		from, ok = sh.fcNumber(rest[0], last, 0, listing)
		switch {
		case len(rest) > 1:
			var both bool
			to, both = sh.fcNumber(rest[1], last, last, listing)
			ok = ok && both
		case from > last || !listing:
			to = from
		}
	case listing:
		from = max(last-15, 0)
	}
	if !ok {
		sh.errorf("fc: history specification out of range")
		return 1
	}
	_, reverse := opts['r']
	if to < from {
		from, to, reverse = to, from, true
	}
	if !listing {
		sh.forgetRunning()
	}
	lines := h.entries[from:min(to+1, len(h.entries))]
	if !listing {
		return sh.fcEdit(opts, lines, reverse)
	}
	_, bare := opts['n']
	for i := range lines {
		if reverse {
			i = len(lines) - 1 - i
		}
		number := ""
		if !bare {
			number = strconv.Itoa(h.base + from + i + 1)
		}
		sh.put(number + "\t " + lines[i].text + "\n")
	}
	return 0
}

// lastBeforeFC is the index of the command before the running fc; -1 if there is none.
func (sh *shell) lastBeforeFC() int {
	h := &sh.history
	last := len(h.entries)
	if sh.opts.history {
		last--
	}
	if h.added {
		last--
	}
	return min(last, len(h.entries)-1)
}

// fcNumber finds the index of a command by its number, its distance from the end, or how it begins; beyond is the one that
// stands for numbers that no command has.
func (sh *shell) fcNumber(spec string, last, beyond int, listing bool) (int, bool) {
	h := &sh.history
	if n, err := strconv.Atoi(spec); err == nil {
		switch {
		case n < 0:
			return max(n+last+1, 0), true
		case n == 0 && spec[0] == '-':
			return len(h.entries) - 1, listing
		case n == 0:
			return last, true
		}
		if n -= h.base + 1; n < 0 || n > last {
			return beyond, true
		}
		return n, true
	}
	for i := min(last, len(h.entries)-1); i >= 0; i-- {
		if strings.HasPrefix(h.entries[i].text, spec) {
			return i, true
		}
	}
	return 0, false
}

// fcAgain is fc -s: it runs a command again, with replacements.
func (sh *shell) fcAgain(rest []string) int {
	type change struct{ from, to string }
	var changes []change
	for len(rest) > 0 {
		from, to, ok := strings.Cut(rest[0], "=")
		if !ok {
			break
		}
		changes = append(changes, change{from, to})
		rest = rest[1:]
	}
	last := sh.lastBeforeFC()
	i, ok := last, last >= 0
	if ok && len(rest) > 0 {
		i, ok = sh.fcNumber(rest[0], last, last, false)
	}
	if !ok || i >= len(sh.history.entries) {
		sh.errorf("fc: no command found")
		return 1
	}
	text := sh.history.entries[i].text
	for _, c := range changes {
		text = strings.ReplaceAll(text, c.from, c.to)
	}
	sh.writeError(text + "\n")
	sh.forgetRunning()
	sh.remember(text, nil)
	sh.evaluate("fc", text)
	return sh.status
}

// fcEdit lets an editor change commands, and runs what it leaves.
func (sh *shell) fcEdit(opts map[byte]string, lines []historyEntry, reverse bool) int {
	var text strings.Builder
	for i := range lines {
		if reverse {
			i = len(lines) - 1 - i
		}
		text.WriteString(lines[i].text + "\n")
	}
	editor, ok := opts['e']
	if !ok {
		editor = sh.getOr("FCEDIT", sh.getOr("EDITOR", "vi"))
	}
	edited, err := sh.edited(editor, text.String())
	if err != nil {
		sh.errorf("fc: %s", errorText(err))
		return 1
	}
	if sh.status != 0 {
		return 1
	}
	sh.writeError(edited)
	for line := range strings.Lines(edited) {
		sh.remember(line, nil)
	}
	sh.evaluate("fc", edited)
	return sh.status
}

// edited gives a text to an editor in a file, and what the editor leaves there; the shell's status is the editor's.
func (sh *shell) edited(editor, text string) (string, error) {
	name := strings.TrimSuffix(sh.getOr("TMPDIR", "/tmp"), "/") + "/bash-fc." + strconv.Itoa(sh.p.PID()) + "." + itoa(now().UnixNano())
	if err := sh.p.Files().WriteFile(name, []byte(text), 0o600); err != nil {
		return "", err
	}
	defer func() { _ = sh.p.Files().Remove(name) }()
	sh.evaluate("fc", editor+" "+quoteBackslash(name))
	data, err := sh.p.Files().ReadFile(name)
	return string(data), err
}
