package builtins

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// patchCall is a call of patch.
type patchCall struct {
	p                      *Process
	out                    *output
	strip                  int // < 0: the last element of the name only
	reverse, forward       bool
	force, noMismatch      bool
	dry, quiet, backup     bool
	removeEmpty            bool
	target, output, reject string
	fuzz                   int
}

// patch applies unified diffs.
func patch(p *Process) int {
	u := usage{synopsis: "[OPTION]... [ORIGFILE [PATCHFILE]]", about: "Apply a unified diff to files.", status: 2, prefixed: true,
		options: []string{"p strip=", "i input=", "R reverse", "N forward", "d directory=", "dry-run", "s quiet silent", "b backup", "E remove-empty-files", "o output=", "r reject-file=", "F fuzz=", "u unified", "f force", "no-backup-if-mismatch"}}
	opts, operands, status, done := p.parse(u)
	if done {
		return status
	}
	c := patchCall{p: p, out: p.output(), strip: -1, fuzz: 2}
	input := "-"
	for _, o := range opts {
		switch o.name {
		case "p", "F":
			n := atoiOr(o.value, -1)
			if n < 0 {
				p.Errorf("**** %s %s is not a number", map[string]string{"p": "strip count", "F": "fuzz factor"}[o.name], o.value)
				return 2
			}
			if o.name == "p" {
				c.strip = n
			} else {
				c.fuzz = n
			}
		case "i":
			input = o.value
		case "R":
			c.reverse = true
		case "f":
			c.force = true
		case "no-backup-if-mismatch":
			c.noMismatch = true
		case "N":
			c.forward = true
		case "d":
			if err := p.Files.Chdir(o.value); err != nil {
				p.Errorf("**** Can't change to directory %s : %s", o.value, strerror(err))
				return 2
			}
		case "dry-run":
			c.dry = true
		case "s":
			c.quiet = true
		case "b":
			c.backup = true
		case "E":
			c.removeEmpty = true
		case "o":
			c.output = o.value
		case "r":
			c.reject = o.value
		}
	}
	if len(operands) > 2 {
		return p.extraOperand(u, operands[2])
	}
	if len(operands) > 0 {
		c.target = operands[0]
	}
	if len(operands) == 2 {
		input = operands[1]
	}
	data, err := p.readAll(input)
	if err != nil {
		p.Errorf("**** Can't open patch file %s : %s", input, strerror(err))
		return 2
	}
	patches, err := parsePatch(data)
	if err != nil {
		p.Errorf("%s", err)
		return 2
	}
	for _, f := range patches {
		code, err := c.file(f)
		if err != nil {
			c.out.Flush()
			p.Errorf("**** %s", err)
			return 2
		}
		status = max(status, code)
	}
	return c.out.finishOr(status, 2)
}

// stripped takes leading elements from a name; ok is false if it has too few.
func (c *patchCall) stripped(name string) (string, bool) {
	if name == "/dev/null" || name == "" {
		return "", false
	}
	if c.strip < 0 {
		return path.Base(name), true
	}
	for range c.strip {
		_, rest, ok := strings.Cut(name, "/")
		if !ok {
			return "", false
		}
		name = strings.TrimLeft(rest, "/")
	}
	return name, name != ""
}

// choose finds the file that a diff is about: the one of its two names that exists, the shorter one of two; the new one
// if the diff makes a file.
func (c *patchCall) choose(f filePatch) (name string, err error) {
	if c.target != "" {
		return c.target, nil
	}
	var known []string
	for _, candidate := range []string{f.old, f.new} {
		name, ok := c.stripped(candidate)
		if !ok {
			continue
		}
		// A diff must not write outside the directory that it is applied in.
		if path.IsAbs(name) || name == ".." || strings.HasPrefix(path.Clean(name), "../") {
			return "", fmt.Errorf("Ignoring potentially dangerous file name %s", name)
		}
		known = append(known, name)
	}
	best := ""
	for _, name := range known {
		if _, err := c.p.Files.Stat(name); err == nil && (best == "" || strings.Count(name, "/") < strings.Count(best, "/") || strings.Count(name, "/") == strings.Count(best, "/") && len(name) < len(best)) {
			best = name
		}
	}
	if best == "" && len(known) > 0 && (c.creates(f) || len(known) == 1) {
		best = known[len(known)-1]
	}
	if best == "" {
		return "", fmt.Errorf("can't find file to patch (%s, %s): is the -p option right?", f.old, f.new)
	}
	return best, nil
}

// creates says whether the diff begins with no file.
func (c *patchCall) creates(f filePatch) bool {
	h := f.hunks[0]
	if c.reverse {
		return h.newStart == 0 && h.newCount == 0
	}
	return h.oldStart == 0 && h.oldCount == 0
}

// file applies the hunks of one file and returns the exit status.
func (c *patchCall) file(f filePatch) (int, error) {
	name, err := c.choose(f)
	if err != nil {
		return 0, err
	}
	info, err := c.p.Files.Stat(name)
	var data []byte
	switch {
	case err == nil && !info.Mode().IsRegular():
		return 0, fmt.Errorf("File %s is not a regular file -- refusing to patch", name)
	case err == nil:
		data, err = c.p.Files.ReadFile(name)
	case errors.Is(err, fs.ErrNotExist) && c.creates(f):
		err = nil
	}
	if err != nil {
		return 0, fmt.Errorf("Can't open file %s : %s", name, strerror(err))
	}
	if info != nil && len(data) > 0 && c.creates(f) && !c.force {
		c.say("The next patch would create the file %s,\nwhich already exists!  %s", name, c.skipping())
		c.say("%d out of %d hunk%s ignored", len(f.hunks), len(f.hunks), hunkPlural(len(f.hunks)))
		return 1, nil
	}
	c.announce(name)
	original := data
	hunks := f.hunks
	if c.reverse {
		hunks = make([]patchHunk, len(f.hunks))
		for i, h := range f.hunks {
			hunks[i] = h.reversed()
		}
	}
	lines := bytes.SplitAfter(data, []byte("\n"))
	if len(lines[len(lines)-1]) == 0 {
		lines = lines[:len(lines)-1]
	}
	lines, failed, outcome := c.apply(lines, hunks)
	data = bytes.Join(lines, nil)
	status := 0
	if len(failed) > 0 {
		status = 1
	}
	after := f.newLine
	if c.reverse {
		after = f.oldLine
	}
	// diff -N gives a file that is not there the epoch.
	deletes := (after == "/dev/null" || strings.Contains(after, "1970-01-01 00:00:00") || c.removeEmpty) && len(data) == 0 && status == 0
	if !c.dry {
		keep := c.backup || outcome == patchMismatched && !c.noMismatch
		if err := c.write(name, info != nil, keep, original, data, deletes); err != nil {
			return 0, err
		}
	}
	if len(failed) > 0 {
		how := "FAILED"
		if outcome == patchSkipped {
			how = "ignored"
		}
		return status, c.rejects(name, f, failed, len(hunks), how)
	}
	return status, nil
}

func (c *patchCall) announce(name string) {
	verb := "patching"
	if c.dry {
		verb = "checking"
	}
	if c.output != "" {
		c.say("%s file %s (read from %s)", verb, c.output, name)
	} else {
		c.say("%s file %s", verb, name)
	}
}

func (c *patchCall) say(format string, args ...any) {
	if !c.quiet {
		fmt.Fprintf(c.out, format+"\n", args...)
	}
}

// skipping is what stands after a question that is answered with no, since there is no terminal to ask at.
func (c *patchCall) skipping() string {
	if c.forward {
		return "Skipping patch."
	}
	return "Assume -R? [n] \nApply anyway? [n] \nSkipping patch."
}

func hunkPlural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

// patchOutcome says how well the hunks of a file fitted.
type patchOutcome int

const (
	patchFitted patchOutcome = iota
	patchMismatched
	patchSkipped
)

// apply makes the changes and returns what failed.
func (c *patchCall) apply(lines [][]byte, hunks []patchHunk) (result [][]byte, failed []patchHunk, outcome patchOutcome) {
	offset, drift, done := 0, 0, 0 // drift: how far off the hunks stand; lines[:done] belong to earlier hunks
	for i, h := range hunks {
		want := h.oldStart - 1 + offset
		if h.oldCount == 0 {
			want++
		}
		at, fuzz := c.locate(lines, h, want, done)
		if at < 0 && i == 0 && !c.force {
			if back, _ := c.locate(lines, h.reversed(), want, done); back >= 0 && (len(h.side('+')) != len(h.side('-')) || h.oldCount > 0) {
				c.say("Reversed (or previously applied) patch detected!  %s", c.skipping())
				return lines, hunks, patchSkipped
			}
		}
		if at < 0 {
			c.say("Hunk #%d FAILED at %d.", i+1, max(1, h.oldStart+offset))
			failed, outcome = append(failed, h), patchMismatched
			continue
		}
		head, tail := h.fuzzed(fuzz)
		body := h.lines[head : len(h.lines)-tail]
		inner := patchHunk{lines: body}
		before, after := inner.side('-'), inner.side('+')
		start := at + head
		changed := append([][]byte{}, lines[:start]...)
		lines = append(append(changed, after...), lines[start+len(before):]...)
		moved := at - want
		drift += moved
		if drift != 0 || fuzz > 0 {
			outcome = patchMismatched
			text := fmt.Sprintf("Hunk #%d succeeded at %d", i+1, at+1)
			if fuzz > 0 {
				text += fmt.Sprintf(" with fuzz %d", fuzz)
			}
			if drift != 0 {
				text += fmt.Sprintf(" (offset %d line%s)", drift, hunkPlural(max(drift, -drift)))
			}
			c.say("%s.", text)
		}
		offset += moved + h.newCount - h.oldCount
		done = start + len(after)
	}
	return lines, failed, outcome
}

// fuzzed says how many lines of context are left out of account at either end.
func (h patchHunk) fuzzed(fuzz int) (head, tail int) {
	leading, trailing := 0, 0
	for leading < len(h.lines) && h.lines[leading][0] == ' ' {
		leading++
	}
	for trailing < len(h.lines)-leading && h.lines[len(h.lines)-1-trailing][0] == ' ' {
		trailing++
	}
	// Context that is shorter on one side counts as already cut there.
	context := max(leading, trailing)
	return max(0, fuzz-(context-leading)), max(0, fuzz-(context-trailing))
}

// locate finds where the old side of a hunk stands: as near to want as can be, not before least, with as little fuzz as
// can be; -1 if nowhere.
func (c *patchCall) locate(lines [][]byte, h patchHunk, want, least int) (at, fuzz int) {
	old := h.side('-')
	if len(old) == 0 {
		if want < least || want > len(lines) {
			return -1, 0
		}
		return want, 0
	}
	for fuzz := 0; fuzz <= c.fuzz; fuzz++ {
		head, tail := h.fuzzed(fuzz)
		if head+tail >= len(old) || fuzz > 0 && head == 0 && tail == 0 {
			break
		}
		matches := func(at int) bool {
			if at+head < least || at+len(old)-tail > len(lines) || at < 0 {
				return false
			}
			for i := head; i < len(old)-tail; i++ {
				if !bytes.Equal(lines[at+i], old[i]) {
					return false
				}
			}
			return true
		}
		for away := 0; away <= len(lines)+want; away++ {
			if matches(want + away) {
				return want + away, fuzz
			}
			if matches(want - away) {
				return want - away, fuzz
			}
		}
	}
	return -1, 0
}

func (c *patchCall) write(name string, exists, keep bool, original, data []byte, deletes bool) error {
	if keep && exists {
		if err := c.p.Files.WriteFile(name+".orig", original, 0o666); err != nil {
			return fmt.Errorf("Can't create file %s : %s", name+".orig", strerror(err))
		}
	}
	if c.output != "" {
		name = c.output
	}
	if deletes {
		if err := c.p.Files.Unlink(name); err != nil {
			return fmt.Errorf("Can't remove file %s : %s", name, strerror(err))
		}
		return nil
	}
	if bytes.Equal(original, data) && exists && c.output == "" {
		return nil
	}
	if dir := path.Dir(name); dir != "." {
		if err := c.p.Files.MkdirAll(dir, 0o777); err != nil {
			return fmt.Errorf("Can't create directory %s : %s", dir, strerror(err))
		}
	}
	if err := c.p.Files.WriteFile(name, data, 0o666); err != nil {
		return fmt.Errorf("Can't create file %s : %s", name, strerror(err))
	}
	return nil
}

// rejects says what failed and leaves it in a file.
func (c *patchCall) rejects(name string, f filePatch, failed []patchHunk, all int, how string) error {
	to := c.reject
	if to == "" {
		to = name + ".rej"
	}
	if c.dry || to == "-" {
		c.say("%d out of %d hunk%s %s", len(failed), all, hunkPlural(all), how)
		return nil
	}
	c.say("%d out of %d hunk%s %s -- saving rejects to file %s", len(failed), all, hunkPlural(all), how, to)
	var b bytes.Buffer
	old, renewed := c.header(f.oldLine, f.old), c.header(f.newLine, f.new)
	if c.reverse {
		old, renewed = renewed, old
	}
	fmt.Fprintf(&b, "--- %s\n+++ %s\n", old, renewed)
	for _, h := range failed {
		fmt.Fprintf(&b, "@@ -%s +%s @@\n", rangeText(h.oldStart, h.oldCount), rangeText(h.newStart, h.newCount))
		for _, line := range h.lines {
			b.Write(line)
			if !bytes.HasSuffix(line, []byte("\n")) {
				b.WriteString("\n\\ No newline at end of file\n")
			}
		}
	}
	if err := c.p.Files.WriteFile(to, b.Bytes(), 0o666); err != nil {
		return fmt.Errorf("Can't create file %s : %s", to, strerror(err))
	}
	return nil
}

// header is a line after --- or +++ with its name stripped.
func (c *patchCall) header(line, name string) string {
	if short, ok := c.stripped(name); ok {
		return short + strings.TrimPrefix(line, name)
	}
	return line
}

// rangeText is the extent of one side of a hunk as diff -u writes it.
func rangeText(start, count int) string {
	if count == 1 {
		return itoa(start)
	}
	return itoa(start) + "," + itoa(count)
}
