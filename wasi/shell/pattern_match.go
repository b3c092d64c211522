package shell

import (
	"strings"
	"unicode"
)

// match says whether the pattern matches all of s.
func (p *pattern) match(s string) bool {
	if p.literal {
		return s == p.text
	}
	if p.ext {
		return p.matchExt(p.toks, s)
	}
	return p.matchPlain(s)
}

// one says whether a token for a single character matches r.
func (p *pattern) one(t *patternToken, r rune) bool {
	switch t.kind {
	case patternChar:
		return t.char == r || p.mode.nocase && unicode.ToLower(t.char) == unicode.ToLower(r)
	case patternAny:
		return true
	case patternClass:
		return t.class.has(r, p.mode)
	}
	return false
}

// matchPlain matches without extended globs: upon a mismatch only the last star needs to be tried again.
func (p *pattern) matchPlain(s string) bool {
	toks := p.toks
	ti, si := 0, 0
	starTok, starPos := -1, 0
	for si < len(s) {
		if ti < len(toks) {
			t := &toks[ti]
			if t.kind == patternStar {
				starTok, starPos = ti, si
				ti++
				continue
			}
			if r, size := decodeChar(s[si:], p.mode.utf8); p.one(t, r) {
				ti++
				si += size
				continue
			}
		}
		if starTok < 0 {
			return false
		}
		_, size := decodeChar(s[starPos:], p.mode.utf8)
		starPos += size
		ti, si = starTok+1, starPos
	}
	for ti < len(toks) && toks[ti].kind == patternStar {
		ti++
	}
	return ti == len(toks)
}

// prefix gives the length of the longest or shortest prefix of s that matches, -1 if none does.
func (p *pattern) prefix(s string, longest bool) int {
	if p.literal {
		if strings.HasPrefix(s, p.text) {
			return len(p.text)
		}
		return -1
	}
	if p.ext {
		best := -1
		p.walk(p.toks, s, 0, func(end int) bool {
			if best < 0 || longest && end > best || !longest && end < best {
				best = end
			}
			return longest && best == len(s) || !longest && best == 0
		})
		return best
	}
	return p.plainPrefix(s, longest)
}

// plainPrefix runs all states of the pattern over s at once.
func (p *pattern) plainPrefix(s string, longest bool) int {
	n := len(p.toks)
	if cap(p.now) < n+1 {
		p.now, p.next = make([]bool, n+1), make([]bool, n+1)
	}
	now, next := p.now[:n+1], p.next[:n+1]
	clear(now)
	// add enters a state, and those after it that need no character.
	add := func(states []bool, i int) {
		for {
			states[i] = true
			if i == n || p.toks[i].kind != patternStar {
				return
			}
			i++
		}
	}
	add(now, 0)
	best := -1
	for i := 0; ; {
		if now[n] {
			best = i
			if !longest {
				return best
			}
		}
		if i >= len(s) {
			return best
		}
		r, size := decodeChar(s[i:], p.mode.utf8)
		clear(next)
		alive := false
		for state := range n {
			if !now[state] {
				continue
			}
			switch t := &p.toks[state]; {
			case t.kind == patternStar:
				add(next, state)
				alive = true
			case p.one(t, r):
				add(next, state+1)
				alive = true
			}
		}
		if !alive {
			return best
		}
		now, next = next, now
		i += size
	}
}

// suffix gives where the longest or shortest suffix of s that matches begins, -1 if none does.
func (p *pattern) suffix(s string, longest bool) int {
	if p.literal {
		if strings.HasSuffix(s, p.text) {
			return len(s) - len(p.text)
		}
		return -1
	}
	if longest {
		for i := 0; i <= len(s); {
			if p.match(s[i:]) {
				return i
			}
			if i == len(s) {
				break
			}
			_, size := decodeChar(s[i:], p.mode.utf8)
			i += size
		}
		return -1
	}
	for i := len(s); i >= 0; i-- {
		if p.mode.utf8 && i < len(s) && s[i]&0xC0 == 0x80 {
			continue
		}
		if p.match(s[i:]) {
			return i
		}
	}
	return -1
}

// find gives the first and longest match at or after from: start and end, start -1 if there is none.
func (p *pattern) find(s string, from int) (start, end int) {
	if p.literal {
		if p.text == "" {
			return -1, 0
		}
		if i := strings.Index(s[from:], p.text); i >= 0 {
			return from + i, from + i + len(p.text)
		}
		return -1, 0
	}
	for i := from; i <= len(s); {
		if n := p.prefix(s[i:], true); n >= 0 {
			return i, i + n
		}
		if i == len(s) {
			break
		}
		_, size := decodeChar(s[i:], p.mode.utf8)
		i += size
	}
	return -1, 0
}

func (p *pattern) matchExt(toks []patternToken, s string) bool {
	return p.walk(toks, s, 0, func(end int) bool { return end == len(s) })
}

// walk tries every way in which toks match s from i on, and calls done with where each ends until it returns true.
func (p *pattern) walk(toks []patternToken, s string, i int, done func(end int) bool) bool {
	for len(toks) > 0 {
		t := &toks[0]
		rest := toks[1:]
		switch t.kind {
		case patternStar:
			for end := i; ; {
				if p.walk(rest, s, end, done) {
					return true
				}
				if end >= len(s) {
					return false
				}
				_, size := decodeChar(s[end:], p.mode.utf8)
				end += size
			}
		case patternExt:
			return p.walkExt(t, s, i, func(end int) bool { return p.walk(rest, s, end, done) })
		default:
			if i >= len(s) {
				return false
			}
			r, size := decodeChar(s[i:], p.mode.utf8)
			if !p.one(t, r) {
				return false
			}
			i += size
			toks = rest
		}
	}
	return done(i)
}

func (p *pattern) walkExt(t *patternToken, s string, i int, done func(end int) bool) bool {
	switch t.op {
	case '!':
		for end := i; end <= len(s); end++ {
			matched := false
			for _, alt := range t.alts {
				if p.matchExt(alt, s[i:end]) {
					matched = true
					break
				}
			}
			if !matched && done(end) {
				return true
			}
		}
		return false
	case '?', '*':
		if done(i) {
			return true
		}
	}
	// Where a repetition was already tried from need not be tried again: that keeps *(a|aa) from being exponential.
	tried := map[int]bool{i: true}
	var from func(i int) bool
	from = func(i int) bool {
		for _, alt := range t.alts {
			if p.walk(alt, s, i, func(end int) bool {
				if t.op == '@' || t.op == '?' {
					return done(end)
				}
				if tried[end] {
					return end == i && t.op == '+' && done(end)
				}
				tried[end] = true
				return done(end) || from(end)
			}) {
				return true
			}
		}
		return false
	}
	return from(i)
}

// patternCache holds the compiled patterns of a shell: the ones in loops are compiled once.
type patternCache struct {
	byText map[patternKey]*pattern
}

type patternKey struct {
	text string
	mode patternMode
}

// maxCachedPatterns is when the cache is thrown away and begun anew.
const maxCachedPatterns = 128

func (c *patternCache) get(text string, mode patternMode) *pattern {
	key := patternKey{text, mode}
	if p, ok := c.byText[key]; ok {
		return p
	}
	p := compilePattern(text, mode)
	if c.byText == nil || len(c.byText) >= maxCachedPatterns {
		c.byText = make(map[patternKey]*pattern)
	}
	c.byText[key] = p
	return p
}
