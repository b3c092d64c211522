package builtins

import (
	"bytes"
	"errors"
	"regexp"
	"regexp/syntax"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dlclark/regexp2"
)

// RegexpOptions says how a pattern is to be read.
type RegexpOptions struct {
	Extended   bool // ERE; a BRE otherwise
	IgnoreCase bool
	Multiline  bool // ^ and $ match at every line of the text (sed's M)
	Escapes    bool // \n, \t, \x41 and their like are characters, in brackets too (sed, awk)
	Awk        bool // a backslash quotes the next character in brackets too; no back-references
	Perl       bool // the pattern is Perl's (grep -P) and is not translated
}

// Regexp is a compiled POSIX regular expression with GNU's extensions. A match is the leftmost and there the longest
// one; with back-references, it is the first that backtracking finds. Text is UTF-8; a byte that is not passes as a
// character of its own.
type Regexp struct {
	literal []byte         // the whole pattern is this text: neither engine is needed
	fast    *regexp.Regexp // linear time, for everything that it can express
	slow    *regexp2.Regexp
	bytes   bool   // slow sees bytes as characters, since the pattern is not UTF-8
	must    []byte // every match contains this text
	groups  int
}

// matchTimeout ends a search of the backtracking engine that would take forever.
const matchTimeout = 20 * time.Second

// CompileRegexp compiles a pattern. Its errors have the texts of GNU's regcomp.
func CompileRegexp(pattern string, o RegexpOptions) (*Regexp, error) {
	if o.Perl {
		return compilePerl(pattern, o)
	}
	t := translator{in: pattern, o: o}
	if err := t.run(); err != nil {
		return nil, err
	}
	if !o.IgnoreCase && t.plain {
		return &Regexp{literal: []byte(t.text.String())}, nil
	}
	re := &Regexp{groups: t.groups}
	out := t.out.String()
	if utf8.ValidString(out) && !t.backtrack {
		if o.IgnoreCase {
			out = "(?i)" + out
		}
		if fast, err := regexp.Compile("(?s)" + out); err == nil {
			fast.Longest()
			re.fast, re.must = fast, requiredText("(?s)"+out)
			return re, nil
		}
	}
	// A repetition beyond Go's limit ends here too.
	options := regexp2.RegexOptions(regexp2.Singleline)
	if o.IgnoreCase {
		options |= regexp2.IgnoreCase
	}
	re.bytes = !utf8.ValidString(pattern)
	if re.bytes {
		wide := make([]rune, len(out))
		for i := range len(out) {
			wide[i] = rune(out[i])
		}
		out = string(wide)
	}
	slow, err := regexp2.Compile(out, options)
	if err != nil {
		return nil, errors.New("Invalid regular expression")
	}
	slow.MatchTimeout = matchTimeout
	re.slow = slow
	return re, nil
}

func compilePerl(pattern string, o RegexpOptions) (*Regexp, error) {
	options := regexp2.RegexOptions(regexp2.None)
	if o.IgnoreCase {
		options |= regexp2.IgnoreCase
	}
	// \K is what regexp2 lacks and scripts use most: what stands before it must precede the match.
	if before, after, ok := strings.Cut(pattern, `\K`); ok && !strings.HasSuffix(before, `\`) && !strings.Contains(before, "|") {
		pattern = "(?<=" + before + ")" + after
	}
	slow, err := regexp2.Compile(pattern, options)
	if err != nil {
		return nil, err
	}
	slow.MatchTimeout = matchTimeout
	return &Regexp{slow: slow}, nil
}

// requiredText finds a text that every match of a Go pattern contains, nil if there is none to rely on.
func requiredText(pattern string) []byte {
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil
	}
	var longest func(*syntax.Regexp) string
	longest = func(re *syntax.Regexp) string {
		switch re.Op {
		case syntax.OpLiteral:
			if re.Flags&syntax.FoldCase == 0 {
				return string(re.Rune)
			}
		case syntax.OpCapture, syntax.OpPlus:
			return longest(re.Sub[0])
		case syntax.OpRepeat:
			if re.Min > 0 {
				return longest(re.Sub[0])
			}
		case syntax.OpConcat:
			best := ""
			for _, sub := range re.Sub {
				if s := longest(sub); len(s) > len(best) {
					best = s
				}
			}
			return best
		}
		return ""
	}
	return []byte(longest(tree))
}

// Groups is the number of parenthesised groups.
func (re *Regexp) Groups() int { return re.groups }

// Match says whether the text has a match.
func (re *Regexp) Match(text []byte) bool {
	switch {
	case re.fast != nil:
		return (len(re.must) == 0 || bytes.Contains(text, re.must)) && re.fast.Match(text)
	case re.slow != nil:
		return len(re.FindAll(text, 1)) > 0
	}
	return bytes.Contains(text, re.literal)
}

// Find returns the first match as offsets: start and end of the whole, then of each group, -1 where a group took no
// part; nil if there is no match.
func (re *Regexp) Find(text []byte) []int {
	if re.fast != nil {
		if len(re.must) > 0 && !bytes.Contains(text, re.must) {
			return nil
		}
		return re.fast.FindSubmatchIndex(text)
	}
	if all := re.FindAll(text, 1); len(all) > 0 {
		return all[0]
	}
	return nil
}

// FindAll returns the successive matches that do not overlap, at most n of them if n is positive, as Find does. An
// empty match right after another match does not count.
func (re *Regexp) FindAll(text []byte, n int) [][]int {
	if n <= 0 {
		n = -1
	}
	switch {
	case re.fast != nil:
		if len(re.must) > 0 && !bytes.Contains(text, re.must) {
			return nil
		}
		return re.fast.FindAllSubmatchIndex(text, n)
	case re.slow != nil:
		return re.findSlow(text, n)
	}
	var all [][]int
	for at := 0; n != len(all); {
		i := bytes.Index(text[at:], re.literal)
		if i < 0 {
			break
		}
		all = append(all, []int{at + i, at + i + len(re.literal)})
		at += i + len(re.literal)
		if len(re.literal) == 0 {
			if at == len(text) {
				break
			}
			_, size := utf8.DecodeRune(text[at:])
			at += size
		}
	}
	return all
}

func (re *Regexp) findSlow(text []byte, n int) [][]int {
	wide := make([]rune, 0, len(text))
	offset := make([]int, 0, len(text)+1)
	for i := 0; i < len(text); {
		r, size := rune(text[i]), 1
		if !re.bytes {
			if r, size = utf8.DecodeRune(text[i:]); r == utf8.RuneError && size == 1 {
				r = 0xDC00 + rune(text[i]) // a surrogate is no character of any pattern
			}
		}
		wide, offset = append(wide, r), append(offset, i)
		i += size
	}
	offset = append(offset, len(text))
	var all [][]int
	lastEnd := -1
	m, err := re.slow.FindRunesMatch(wide)
	for ; err == nil && m != nil && n != len(all); m, err = re.slow.FindNextMatch(m) {
		if m.Length == 0 && m.Index == lastEnd {
			continue
		}
		lastEnd = m.Index + m.Length
		groups := m.Groups()
		loc := make([]int, 0, 2*len(groups))
		for _, g := range groups {
			if len(g.Captures) == 0 {
				loc = append(loc, -1, -1)
			} else {
				loc = append(loc, offset[g.Index], offset[g.Index+g.Length])
			}
		}
		all = append(all, loc)
	}
	return all
}
