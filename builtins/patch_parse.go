package builtins

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// filePatch is what a unified diff says of one file.
type filePatch struct {
	old, new         string // names as they stand in the diff, without time stamps
	oldLine, newLine string // what stands after --- and +++
	hunks            []patchHunk
}

// patchHunk is one change: lines with their first byte ' ', '-' or '+', and their newline where they have one.
type patchHunk struct {
	header             string
	oldStart, newStart int // as in the diff, from 1
	oldCount, newCount int
	lines              [][]byte
}

// reversed is the hunk that undoes this one.
func (h patchHunk) reversed() patchHunk {
	r := patchHunk{h.header, h.newStart, h.oldStart, h.newCount, h.oldCount, nil}
	var added [][]byte
	for _, line := range h.lines {
		turned := bytes.Clone(line)
		switch line[0] {
		case '-':
			turned[0] = '+'
			added = append(added, turned)
			continue
		case '+':
			turned[0] = '-'
		default: // what was removed stands before what was added
			r.lines, added = append(r.lines, added...), nil
		}
		r.lines = append(r.lines, turned)
	}
	r.lines = append(r.lines, added...)
	return r
}

// side returns the lines before ('-') or after ('+') the change.
func (h patchHunk) side(mark byte) [][]byte {
	var lines [][]byte
	for _, line := range h.lines {
		if line[0] == ' ' || line[0] == mark {
			lines = append(lines, line[1:])
		}
	}
	return lines
}

// parsePatch reads unified diffs; everything between them is passed over.
func parsePatch(data []byte) ([]filePatch, error) {
	lines := bytes.SplitAfter(data, []byte("\n"))
	var patches []filePatch
	for i := 0; i < len(lines); i++ {
		line := string(lines[i])
		switch {
		case strings.HasPrefix(line, "--- ") && i+1 < len(lines) && bytes.HasPrefix(lines[i+1], []byte("+++ ")):
			patches = append(patches, filePatch{old: patchName(line), new: patchName(string(lines[i+1])),
				oldLine: strings.TrimRight(line[4:], "\r\n"), newLine: strings.TrimRight(string(lines[i+1][4:]), "\r\n")})
			i++
		case strings.HasPrefix(line, "@@ -"):
			if len(patches) == 0 {
				patches = append(patches, filePatch{})
			}
			h, used, err := parseHunk(lines[i:], i+1)
			if err != nil {
				return nil, err
			}
			last := &patches[len(patches)-1]
			last.hunks = append(last.hunks, h)
			i += used - 1
		case strings.HasPrefix(line, "GIT binary patch"):
			return nil, fmt.Errorf("git binary diffs are not supported")
		case strings.HasPrefix(line, "*** ") && i+1 < len(lines) && bytes.HasPrefix(lines[i+1], []byte("--- ")):
			return nil, fmt.Errorf("context diffs are not supported, only unified ones (diff -u)")
		}
	}
	kept := patches[:0]
	for _, f := range patches {
		if len(f.hunks) > 0 {
			kept = append(kept, f)
		}
	}
	if len(kept) == 0 {
		return nil, fmt.Errorf("Only garbage was found in the patch input.")
	}
	return kept, nil
}

// patchName is the name in a "--- " or "+++ " line, which a tab and a time may follow.
func patchName(line string) string {
	name, _, _ := strings.Cut(strings.TrimRight(line[4:], "\r\n"), "\t")
	if unquoted, err := strconv.Unquote(name); err == nil {
		return unquoted
	}
	return name
}

// parseHunk reads the hunk that begins lines, the first of which has the number at in the patch.
func parseHunk(lines [][]byte, at int) (h patchHunk, used int, err error) {
	h.header = strings.TrimRight(string(lines[0]), "\r\n")
	malformed := func(n int) error {
		text := ""
		if n < len(lines) {
			text = strings.TrimRight(string(lines[n]), "\n")
		}
		return fmt.Errorf("**** malformed patch at line %d: %s\n", at+n, text)
	}
	fields := strings.Fields(h.header)
	if len(fields) < 4 || fields[3] != "@@" {
		return h, 0, malformed(0)
	}
	extent := func(text string, sign byte) (start, count int, ok bool) {
		first, rest, has := strings.Cut(text, ",")
		if first == "" || first[0] != sign {
			return 0, 0, false
		}
		start, err := strconv.Atoi(first[1:])
		count = 1
		if has && err == nil {
			count, err = strconv.Atoi(rest)
		}
		return start, count, err == nil && start >= 0 && count >= 0
	}
	var ok, okNew bool
	h.oldStart, h.oldCount, ok = extent(fields[1], '-')
	h.newStart, h.newCount, okNew = extent(fields[2], '+')
	if !ok || !okNew {
		return h, 0, malformed(0)
	}
	oldLeft, newLeft := h.oldCount, h.newCount
	n := 1
	for ; oldLeft > 0 || newLeft > 0; n++ {
		if n == len(lines) || len(lines[n]) == 0 {
			return h, 0, malformed(n)
		}
		line := lines[n]
		switch line[0] {
		case '\n': // an empty line of context that lost its blank
			line = []byte(" \n")
			oldLeft, newLeft = oldLeft-1, newLeft-1
		case ' ':
			oldLeft, newLeft = oldLeft-1, newLeft-1
		case '-':
			oldLeft--
		case '+':
			newLeft--
		case '\\':
			h.cutNewline()
			continue
		default:
			return h, 0, malformed(n)
		}
		if oldLeft < 0 || newLeft < 0 {
			return h, 0, malformed(n)
		}
		h.lines = append(h.lines, line)
	}
	if n < len(lines) && bytes.HasPrefix(lines[n], []byte(`\`)) {
		h.cutNewline()
		n++
	}
	return h, n, nil
}

// cutNewline follows "\ No newline at end of file".
func (h *patchHunk) cutNewline() {
	if last := len(h.lines) - 1; last >= 0 {
		h.lines[last] = bytes.TrimSuffix(h.lines[last], []byte("\n"))
	}
}
