package shell

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"mvdan.cc/sh/v3/syntax"
)

func now() time.Time { return time.Now() }

// history is the list of command lines. A subshell has a copy, which shares the entries.
type history struct {
	entries []historyEntry // not written to in place
	base    int            // entries that were dropped at the beginning
	bytes   int
	fresh   int  // entries that the file does not have yet
	inFile  int  // lines that the file has, as far as this shell knows
	added   bool // the last entry is the command that runs
	loaded  bool
}

type historyEntry struct {
	text string
	at   int64 // seconds since 1970, 0 if not known
}

// What a history holds at most, whatever HISTSIZE says.
const (
	maxHistory      = 100_000
	maxHistoryBytes = 64 << 20
)

func (h *history) count() int { return h.base + len(h.entries) }

// number is the one of the command that runs, or of the next one.
func (h *history) number() int {
	if h.added {
		return h.count()
	}
	return h.count() + 1
}

// last is the newest line.
func (h *history) last() (string, bool) {
	if len(h.entries) == 0 {
		return "", false
	}
	return h.entries[len(h.entries)-1].text, true
}

func (h *history) push(e historyEntry, most int) {
	h.entries = append(h.entries, e)
	h.bytes += len(e.text)
	h.stifle(most)
}

// stifle drops the oldest lines over a number.
func (h *history) stifle(most int) {
	drop := max(len(h.entries)-min(most, maxHistory), 0)
	for _, e := range h.entries[:drop] {
		h.bytes -= len(e.text)
	}
	for h.bytes > maxHistoryBytes && drop < len(h.entries) {
		h.bytes -= len(h.entries[drop].text)
		drop++
	}
	h.entries = h.entries[drop:]
	h.base += drop
}

// shrink is what a new HISTSIZE does: the entries that are left are counted anew, as bash counts them.
func (h *history) shrink(most int) {
	before := len(h.entries)
	h.stifle(most)
	if dropped := before - len(h.entries); dropped > 0 {
		h.base = dropped - 1
	}
}

// remove takes the entries from…to-1 out.
func (h *history) remove(from, to int) {
	for _, e := range h.entries[from:to] {
		h.bytes -= len(e.text)
	}
	h.entries = append(slices.Clone(h.entries[:from]), h.entries[to:]...)
	h.fresh = min(h.fresh, len(h.entries))
}

// keeps says whether the commands of a source go into the history: those that a user types, and a script's after set -o history.
func (sh *shell) keeps(src *source) bool {
	return sh.nested == 0 && src.name == "" && (sh.opts.history || src.prompts && sh.posix())
}

// keep adds the command that was read from a source to the history.
func (sh *shell) keep(src *source, stmts []*syntax.Stmt) {
	if sh.keeps(src) {
		sh.remember(src.typed.String(), stmts)
	}
	src.typed.Reset()
}

// sizeVariable reads HISTSIZE or HISTFILESIZE; no limit if it is negative or no number.
func (sh *shell) sizeVariable(name string) int {
	if n, ok := plainInteger(sh.getOr(name, "")); ok && n >= 0 && n < maxHistory {
		return int(n)
	}
	return maxHistory
}

// remember adds the lines of a command to the history, as HISTCONTROL and HISTIGNORE have it.
func (sh *shell) remember(text string, stmts []*syntax.Stmt) {
	h := &sh.history
	h.added = false
	text = strings.TrimSuffix(strings.TrimLeft(text, "\n"), "\n")
	if text == "" {
		return
	}
	control := ":" + sh.getOr("HISTCONTROL", "") + ":"
	has := func(what string) bool { return strings.Contains(control, ":"+what+":") }
	if (has("ignorespace") || has("ignoreboth")) && text[0] == ' ' {
		return
	}
	if hasDocument(stmts) {
		text += "\n"
	} else if on, _, _ := sh.shopt("cmdhist"); on {
		literal, _, _ := sh.shopt("lithist")
		text = joinLines(text, literal)
	} else if before, after, ok := strings.Cut(text, "\n"); ok {
		// Each line is an entry.
		sh.remember(before, nil)
		sh.remember(after, nil)
		return
	}
	last, _ := h.last()
	if (has("ignoredups") || has("ignoreboth")) && last == text || sh.historyIgnores(text, last) {
		return
	}
	if has("erasedups") {
		for i := len(h.entries) - 1; i >= 0; i-- {
			if h.entries[i].text == text {
				h.remove(i, i+1)
			}
		}
	}
	h.push(historyEntry{text, now().Unix()}, sh.sizeVariable("HISTSIZE"))
	h.fresh++
	h.added = true
}

// historyIgnores says whether a pattern of HISTIGNORE matches a line; & stands for the line before.
func (sh *shell) historyIgnores(text, last string) bool {
	patterns := sh.getOr("HISTIGNORE", "")
	if patterns == "" {
		return false
	}
	for _, p := range splitIgnored(patterns) {
		if p == "&" {
			p = string(appendEscaped(nil, last))
		}
		if sh.cache.get(p, sh.patternMode()).match(text) {
			return true
		}
	}
	return false
}

func hasDocument(stmts []*syntax.Stmt) (found bool) {
	for _, s := range stmts {
		if s == nil {
			continue
		}
		syntax.Walk(s, func(n syntax.Node) bool {
			if r, ok := n.(*syntax.Redirect); ok && (r.Op == syntax.Hdoc || r.Op == syntax.DashHdoc) {
				found = true
			}
			return !found
		})
	}
	return found
}

// joinLines writes a command of several lines on one, with a semicolon where a line ended a command. With literal, only what
// a backslash parts is joined.
func joinLines(text string, literal bool) string {
	if !strings.Contains(text, "\n") {
		return text
	}
	var out strings.Builder
	b := brackets{text: text, nested: -1}
	from := 0
	for b.at < len(text) {
		if strings.HasPrefix(text[b.at:], "\\\n") && b.top() != '\'' {
			out.WriteString(text[from:b.at])
			b.at += 2
			from = b.at
			continue
		}
		if text[b.at] == '\n' && !literal && !b.quoted() && b.top() != '`' {
			line := strings.TrimRight(text[from:b.at], " \t")
			out.WriteString(line)
			out.WriteString(separatorAfter(line))
			b.at++
			from = b.at
			continue
		}
		b.step()
	}
	out.WriteString(text[from:])
	return out.String()
}

// separatorAfter is what stands for the end of a line inside a command.
func separatorAfter(line string) string {
	if line == "" {
		return ""
	}
	word := line[strings.LastIndexAny(line, " \t;&|(){}")+1:]
	switch word {
	case "":
		return " " // after an operator
	case "case", "do", "else", "elif", "if", "then", "until", "while", "in", "for", "select", "!":
		return " "
	}
	return "; "
}

// loadHistory reads the history file when a shell begins to keep a history.
func (sh *shell) loadHistory() {
	if sh.history.loaded {
		return
	}
	sh.history.loaded = true
	if _, ok := sh.get("HISTSIZE"); !ok {
		sh.assign("HISTSIZE", "500")
	}
	if _, ok := sh.get("HISTFILESIZE"); !ok {
		sh.assign("HISTFILESIZE", sh.getOr("HISTSIZE", "500"))
	}
	if file := sh.getOr("HISTFILE", ""); file != "" {
		_ = sh.readHistory(file, 0)
		sh.history.fresh = 0
	}
}

// readHistory appends the lines of a file, from a line on, to the history.
func (sh *shell) readHistory(file string, from int) error {
	data, err := sh.p.Files().ReadFile(file)
	if err != nil {
		return err
	}
	size := sh.sizeVariable("HISTSIZE")
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	if len(data) == 0 {
		lines = nil
	}
	isTime := func(line string) bool { return len(line) > 1 && line[0] == '#' && line[1] >= '0' && line[1] <= '9' }
	// In a file with times, an entry is all that stands between them.
	timed := len(lines) > 0 && isTime(lines[0])
	var at int64
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		if isTime(line) {
			at, _ = strconv.ParseInt(strings.TrimSpace(line[1:]), 10, 64)
			continue
		}
		first := i
		for timed && i+1 < len(lines) && !isTime(lines[i+1]) {
			i++
			line += "\n" + lines[i]
		}
		if first >= from && line != "" {
			sh.history.push(historyEntry{line, at}, size)
			sh.history.fresh++
		}
		at = 0
	}
	sh.history.inFile = len(lines)
	return nil
}

// historyText is what a file holds of entries: with HISTTIMEFORMAT, their times too.
func (sh *shell) historyText(entries []historyEntry) string {
	_, timed := sh.get("HISTTIMEFORMAT")
	var b strings.Builder
	for _, e := range entries {
		if timed && e.at != 0 {
			b.WriteString("#" + itoa(e.at) + "\n")
		}
		b.WriteString(e.text + "\n")
	}
	return b.String()
}

// writeHistory writes entries to a file, or appends them.
func (sh *shell) writeHistory(file string, entries []historyEntry, appending bool) error {
	flag := os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	if appending {
		flag = os.O_WRONLY | os.O_CREATE | os.O_APPEND
	}
	f, err := sh.p.OpenFile(file, flag, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.Write(sh.p.Context(), []byte(sh.historyText(entries)))
	return err
}

// appendHistory adds what is new to the file.
func (sh *shell) appendHistory(file string) error {
	h := &sh.history
	err := sh.writeHistory(file, h.entries[len(h.entries)-min(h.fresh, len(h.entries)):], true)
	if err == nil {
		h.inFile += h.fresh
		h.fresh = 0
	}
	return err
}

// saveHistory writes the history when the shell ends.
func (sh *shell) saveHistory() {
	h := &sh.history
	file := sh.getOr("HISTFILE", "")
	if !sh.opts.history || sh.subshells > 0 || h.fresh == 0 || file == "" {
		return
	}
	appending, _, _ := sh.shopt("histappend")
	if appending || h.fresh <= len(h.entries) {
		_ = sh.appendHistory(file)
	} else {
		_ = sh.writeHistory(file, h.entries, false)
	}
	sh.truncateHistory()
}

// truncateHistory keeps the last HISTFILESIZE lines of the history file.
func (sh *shell) truncateHistory() {
	file := sh.getOr("HISTFILE", "")
	most := sh.sizeVariable("HISTFILESIZE")
	if file == "" || most == maxHistory {
		return
	}
	data, err := sh.p.Files().ReadFile(file)
	if err != nil {
		return
	}
	lines := strings.SplitAfter(string(data), "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	if len(lines) > most {
		_ = sh.p.Files().WriteFile(file, []byte(strings.Join(lines[len(lines)-most:], "")), 0o600)
	}
}
