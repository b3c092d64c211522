package builtins

import (
	"fmt"
	"io"
	"strings"
)

func tr(p *Process) int {
	u := usage{
		synopsis: "[OPTION]... STRING1 [STRING2]",
		about:    "Translate, squeeze, and/or delete characters from standard input, writing to standard output.",
		inOrder:  true,
		options:  []string{"c C complement", "d delete", "s squeeze-repeats", "t truncate-set1"},
	}
	opts, sets, status, done := p.parse(u)
	if done {
		return status
	}
	var complement, del, squeeze, truncate bool
	for _, o := range opts {
		switch o.name {
		case "c":
			complement = true
		case "d":
			del = true
		case "s":
			squeeze = true
		case "t":
			truncate = true
		}
	}
	want := 2
	if del != squeeze {
		want = 1
	}
	switch {
	case len(sets) == 0:
		return p.missingOperand(u)
	case len(sets) < want:
		p.Errorf("missing operand after %s", quote(sets[0]))
		if squeeze {
			fmt.Fprintln(p.Stderr, "Two strings must be given when both deleting and squeezing repeats.")
		} else {
			fmt.Fprintln(p.Stderr, "Two strings must be given when translating.")
		}
		return p.tryHelp(u)
	case len(sets) > 2 || del && !squeeze && len(sets) > 1:
		p.Errorf("extra operand %s", quote(sets[len(sets)-1]))
		if del && !squeeze && len(sets) == 2 {
			fmt.Fprintln(p.Stderr, "Only one string may be given when deleting without squeezing repeats.")
		}
		return p.tryHelp(u)
	}
	set1, err := parseTrSet(sets[0])
	if err == nil && set1.repeats() {
		err = fmt.Errorf("the [c*] repeat construct may not appear in string1")
	}
	var set2 trSet
	if err == nil && len(sets) == 2 {
		set2, err = parseTrSet(sets[1])
	}
	translating := len(sets) == 2 && !del
	var first, second []byte
	if err == nil {
		first = set1.expand(0)
		if complement {
			first = complementBytes(first)
		}
		second, err = secondSet(set1, set2, first, translating, truncate, complement)
	}
	if err != nil {
		p.Errorf("%s", err)
		return 1
	}
	t := newTranslation(first, second, translating, del, squeeze, truncate, len(sets))
	out := p.output()
	buf := make([]byte, blockSize)
	in := liveReader{p.Context, p.Stdin}
	for {
		n, err := in.Read(buf)
		out.Write(t.apply(buf[:n]))
		if out.Flush() != nil || err == io.EOF {
			break
		}
		if err != nil {
			if p.Context.Err() == nil {
				p.Errorf("read error: %s", strerror(err))
			}
			status = 1
			break
		}
	}
	return out.finish(status)
}

// secondSet makes string2 as long as string1.
func secondSet(set1, set2 trSet, first []byte, translating, truncate, complement bool) ([]byte, error) {
	if !translating {
		return set2.expand(0), nil
	}
	second := set2.expand(len(first))
	for _, e := range set2 {
		if e.class != "" && e.class != "upper" && e.class != "lower" {
			return nil, fmt.Errorf("when translating, the only character classes that may appear in\nstring2 are 'upper' and 'lower'")
		}
	}
	if len(second) == 0 && len(first) > 0 && !truncate {
		return nil, fmt.Errorf("when not truncating set1, string2 must be non-empty")
	}
	if !truncate && len(second) < len(first) {
		if last := set2[len(set2)-1]; last.class != "" && !complement {
			return nil, fmt.Errorf("when translating with string1 longer than string2,\nthe latter string must not end with a character class")
		}
		fill := second[len(second)-1]
		for len(second) < len(first) {
			second = append(second, fill)
		}
	}
	return second, nil
}

// translation is the tables that tr works with.
type translation struct {
	to      [256]byte
	deleted [256]bool
	squeeze [256]bool
	last    int
}

func newTranslation(first, second []byte, translating, del, squeeze, truncate bool, sets int) *translation {
	t := &translation{last: -1}
	for i := range t.to {
		t.to[i] = byte(i)
	}
	if translating {
		for i, c := range first[:min(len(first), len(second))] {
			t.to[c] = second[i]
		}
	}
	if del {
		for _, c := range first {
			t.deleted[c] = true
		}
	}
	if squeeze {
		set := first
		if sets == 2 {
			set = second
		}
		for _, c := range set {
			t.squeeze[c] = true
		}
	}
	return t
}

func (t *translation) apply(b []byte) []byte {
	kept := b[:0]
	for _, c := range b {
		if t.deleted[c] {
			continue
		}
		c = t.to[c]
		if t.squeeze[c] && t.last == int(c) {
			continue
		}
		t.last = int(c)
		kept = append(kept, c)
	}
	return kept
}

// trElement is a part of a set: a range, a class, or a repeated character (times 0 with star: as often as needed).
type trElement struct {
	low, high byte
	class     string
	star      bool
	times     int
}

type trSet []trElement

func (s trSet) repeats() bool {
	for _, e := range s {
		if e.star && e.times == 0 {
			return true
		}
	}
	return false
}

// expand lists the characters; a [c*] fills up to size.
func (s trSet) expand(size int) []byte {
	fixed := 0
	for _, e := range s {
		fixed += len(e.bytes())
	}
	var all []byte
	for _, e := range s {
		if e.star && e.times == 0 {
			for range max(size-fixed, 0) {
				all = append(all, e.low)
			}
			continue
		}
		all = append(all, e.bytes()...)
	}
	return all
}

func (e trElement) bytes() []byte {
	var all []byte
	switch {
	case e.star:
		for range e.times {
			all = append(all, e.low)
		}
	case e.class != "":
		for c := range 256 {
			if inByteClass(e.class, byte(c)) {
				all = append(all, byte(c))
			}
		}
	default:
		for c := int(e.low); c <= int(e.high); c++ {
			all = append(all, byte(c))
		}
	}
	return all
}

func complementBytes(set []byte) []byte {
	var in [256]bool
	for _, c := range set {
		in[c] = true
	}
	var rest []byte
	for c := range 256 {
		if !in[c] {
			rest = append(rest, byte(c))
		}
	}
	return rest
}

// inByteClass says whether a byte is in a class of the C locale.
func inByteClass(class string, c byte) bool {
	upper, lower, digit := c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c >= '0' && c <= '9'
	switch class {
	case "alpha":
		return upper || lower
	case "digit":
		return digit
	case "alnum":
		return upper || lower || digit
	case "upper":
		return upper
	case "lower":
		return lower
	case "space":
		return c == ' ' || c >= 9 && c <= 13
	case "blank":
		return c == ' ' || c == '\t'
	case "punct":
		return c > 32 && c < 127 && !upper && !lower && !digit
	case "print":
		return c >= 32 && c < 127
	case "graph":
		return c > 32 && c < 127
	case "cntrl":
		return c < 32 || c == 127
	case "xdigit":
		return digit || c|32 >= 'a' && c|32 <= 'f'
	}
	return false
}

const byteClasses = " alpha digit alnum upper lower space blank punct print graph cntrl xdigit "

func parseTrSet(s string) (trSet, error) {
	var set trSet
	for s != "" {
		if strings.HasPrefix(s, "[:") {
			if end := strings.Index(s[2:], ":]"); end >= 0 {
				name := s[2 : 2+end]
				if strings.Contains(byteClasses, " "+name+" ") {
					set = append(set, trElement{class: name})
					s = s[end+4:]
					continue
				}
				if name == "" {
					return nil, fmt.Errorf("missing character class name '[::]'")
				}
				return nil, fmt.Errorf("invalid character class %s", quote(name))
			}
		}
		if strings.HasPrefix(s, "[=") && len(s) > 4 && s[3:5] == "=]" {
			set = append(set, trElement{low: s[2], high: s[2]})
			s = s[5:]
			continue
		}
		if e, size := parseRepeat(s); size > 0 {
			set, s = append(set, e), s[size:]
			continue
		}
		low, size := trChar(s)
		s = s[size:]
		if len(s) > 1 && s[0] == '-' {
			high, size := trChar(s[1:])
			if high < low {
				return nil, fmt.Errorf("range-endpoints of '%s-%s' are in reverse collating sequence order", escapeC(string([]byte{low}), 0), escapeC(string([]byte{high}), 0))
			}
			set, s = append(set, trElement{low: low, high: high}), s[1+size:]
			continue
		}
		set = append(set, trElement{low: low, high: low})
	}
	return set, nil
}

// parseRepeat reads [c*n]; an n that begins with 0 is octal.
func parseRepeat(s string) (trElement, int) {
	if len(s) < 4 || s[0] != '[' {
		return trElement{}, 0
	}
	c, size := trChar(s[1:])
	at := 1 + size
	if at >= len(s) || s[at] != '*' {
		return trElement{}, 0
	}
	end := strings.IndexByte(s[at:], ']')
	if end < 0 {
		return trElement{}, 0
	}
	digits, base, n := s[at+1:at+end], 10, 0
	if strings.HasPrefix(digits, "0") {
		base = 8
	}
	for _, d := range digits {
		if d < '0' || int(d-'0') >= base {
			return trElement{}, 0
		}
		n = n*base + int(d-'0')
	}
	return trElement{low: c, star: true, times: n}, at + end + 1
}

// trChar reads a character or an escape.
func trChar(s string) (byte, int) {
	if s[0] != '\\' || len(s) == 1 {
		return s[0], 1
	}
	if i := strings.IndexByte("abfnrtv\\", s[1]); i >= 0 {
		return "\a\b\f\n\r\t\v\\"[i], 2
	}
	n, i := 0, 1
	for i < len(s) && i < 4 && s[i] >= '0' && s[i] <= '7' && n*8+int(s[i]-'0') < 256 {
		n = n*8 + int(s[i]-'0')
		i++
	}
	if i > 1 {
		return byte(n), i
	}
	return s[1], 2
}
