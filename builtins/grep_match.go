package builtins

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// grepMatcher finds any of several patterns in a line.
type grepMatcher struct {
	res        []*Regexp
	word, line bool
	every      bool // an empty pattern is among them: every line matches
}

// compile makes the matcher. Patterns without a back-reference become one expression.
func (g *grepCall) compile() error {
	o := RegexpOptions{IgnoreCase: g.fold, Extended: g.kind == 'E', Perl: g.kind == 'P'}
	g.match = grepMatcher{word: g.word, line: g.line}
	if g.kind == 'P' && len(g.patterns) > 1 {
		return fmt.Errorf("the -P option only supports a single pattern")
	}
	if g.kind == 'F' && (len(g.patterns) > 1 || g.fold) {
		quoted := make([]string, len(g.patterns))
		for i, pattern := range g.patterns {
			g.match.every = g.match.every || pattern == ""
			quoted[i] = fixedPattern(pattern)
		}
		expression := "(?s)" + strings.Join(quoted, "|")
		if g.fold {
			expression = "(?i)" + expression
		}
		if utf8.ValidString(expression) && len(quoted) > 0 {
			re, err := regexp.Compile(expression)
			if err != nil {
				return err
			}
			re.Longest()
			g.match.res = []*Regexp{{fast: re, must: requiredText(expression)}}
			return nil
		}
	}
	for _, pattern := range g.patterns {
		if g.kind == 'F' {
			g.match.res = append(g.match.res, &Regexp{literal: []byte(pattern)})
		} else {
			re, err := CompileRegexp(pattern, o)
			if err != nil {
				return err
			}
			g.match.res = append(g.match.res, re)
		}
		g.match.every = g.match.every || pattern == ""
	}
	return nil
}

// fixedPattern quotes a text for Go's regexp.
func fixedPattern(text string) string { return regexp.QuoteMeta(text) }

func (g *grepCall) matchLine(line []byte) bool {
	m := &g.match
	switch {
	case m.every && !m.word && !m.line:
		return true
	case m.word || m.line:
		return len(m.find(line)) > 0
	}
	for _, re := range m.res {
		if re.Match(line) {
			return true
		}
	}
	return false
}

// find returns the matches in a line from left to right, the longest where several begin.
func (m *grepMatcher) find(line []byte) [][]int {
	if m.line {
		for _, re := range m.res {
			for _, loc := range re.FindAll(line, 0) {
				if loc[0] == 0 && loc[1] == len(line) {
					return [][]int{{0, len(line)}}
				}
			}
		}
		return nil
	}
	var all [][]int
	for _, re := range m.res {
		if m.word {
			all = append(all, findWords(re, line)...)
		} else {
			all = append(all, re.FindAll(line, 0)...)
		}
	}
	if len(m.res) == 1 {
		return all
	}
	var merged [][]int
	for at := 0; ; {
		var best []int
		for _, loc := range all {
			if loc[0] >= at && (best == nil || loc[0] < best[0] || loc[0] == best[0] && loc[1] > best[1]) {
				best = loc
			}
		}
		if best == nil {
			return merged
		}
		merged = append(merged, best)
		at = max(best[1], best[0]+1)
	}
}

// findWords finds matches with no character of a word on either side; a match is made shorter where that helps.
func findWords(re *Regexp, line []byte) [][]int {
	var all [][]int
	for at := 0; at <= len(line); {
		loc := findFrom(re, line, at)
		if loc == nil {
			return all
		}
		start, end := loc[0], loc[1]
		if start > 0 && wordByte(line, start-1) {
			at = start + 1
			continue
		}
		for end > start && end < len(line) && wordByte(line, end) {
			// The next shorter match that begins here.
			shorter := re.Find(line[:end-1])
			if shorter == nil || shorter[0] != start {
				end = -1
				break
			}
			end = shorter[1]
		}
		if end < 0 || end == start && end < len(line) && wordByte(line, end) {
			at = start + 1
			continue
		}
		all = append(all, []int{start, end})
		at = max(end, start+1)
	}
	return all
}

// findFrom finds the first match that begins at at or later.
func findFrom(re *Regexp, line []byte, at int) []int {
	if re.literal != nil {
		if i := bytes.Index(line[at:], re.literal); i >= 0 {
			return []int{at + i, at + i + len(re.literal)}
		}
		return nil
	}
	for _, loc := range re.FindAll(line, 0) {
		if loc[0] >= at {
			return loc
		}
	}
	// Matches that overlap an earlier one: anchors at the beginning cannot match there.
	if at > 0 && at < len(line) {
		if loc := re.Find(line[at:]); loc != nil && loc[0] > 0 {
			return []int{at + loc[0], at + loc[1]}
		} else if loc != nil && !re.anchored() {
			return []int{at + loc[0], at + loc[1]}
		}
	}
	return nil
}

// anchored says whether the pattern begins with ^.
func (re *Regexp) anchored() bool {
	return re.fast != nil && strings.Contains(re.fast.String(), `\A`)
}

func wordByte(line []byte, at int) bool { return isWord(line[at]) || line[at] >= utf8.RuneSelf }
