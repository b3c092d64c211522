package shell

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// A pattern is a compiled shell pattern: `*`, `?`, bracket expressions, and extended globs if asked for. A backslash
// quotes the next character, inside brackets too. A pattern keeps scratch space and belongs to one shell.
type pattern struct {
	toks    []patternToken
	literal bool   // only literal characters: text says which
	text    string // the characters of a literal pattern
	ext     bool   // has an extended glob somewhere
	mode    patternMode

	now, next []bool // the states of ends, reused
}

// patternMode says how a pattern is read and matched.
type patternMode struct {
	ext    bool // extended globs: ?(a|b) *(…) +(…) @(…) !(…)
	nocase bool
	utf8   bool // characters are UTF-8 sequences, not bytes
}

type patternKind uint8

const (
	patternChar  patternKind = iota // one given character
	patternAny                      // ?
	patternStar                     // *
	patternClass                    // […]
	patternExt                      // ?(…) and the like
)

type patternToken struct {
	kind  patternKind
	char  rune
	class *bracket
	op    byte // of an extended glob: ? * + @ !
	alts  [][]patternToken
}

// bracket is a bracket expression.
type bracket struct {
	negated bool
	ranges  []runeRange
	classes []string
}

type runeRange struct{ lo, hi rune }

func compilePattern(text string, mode patternMode) *pattern {
	c := patternCompiler{text: text, mode: mode}
	toks, _ := c.tokens(false)
	p := &pattern{toks: toks, ext: c.sawExt, mode: mode}
	p.literal = !mode.nocase
	for _, t := range toks {
		if t.kind != patternChar {
			p.literal = false
		}
	}
	if p.literal {
		p.text = unescapePattern(text)
	}
	return p
}

// unescapePattern removes the backslashes of a pattern and leaves the characters that they quote.
func unescapePattern(text string) string {
	if strings.IndexByte(text, '\\') < 0 {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+1 < len(text) {
			i++
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

// patternSpecial are the bytes that mean something in some place of a pattern.
const patternSpecial = `*?[]\-!^@+()|:=.`

func appendEscaped(b []byte, text string) []byte {
	for i := 0; i < len(text); i++ {
		if strings.IndexByte(patternSpecial, text[i]) >= 0 {
			b = append(b, '\\')
		}
		b = append(b, text[i])
	}
	return b
}

// hasPatternMeta says whether text, in which a backslash quotes, has anything that is not a literal character.
func hasPatternMeta(text string, ext bool) bool {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '*', '?', '[':
			return true
		case '@', '+', '!':
			if ext && i+1 < len(text) && text[i+1] == '(' {
				return true
			}
		}
	}
	return false
}

type patternCompiler struct {
	text   string
	pos    int
	mode   patternMode
	sawExt bool
	depth  int
}

// tokens reads up to the end, or to the `|` or `)` that ends an alternative when inside an extended glob.
func (c *patternCompiler) tokens(nested bool) (toks []patternToken, closed bool) {
	for c.pos < len(c.text) {
		b := c.text[c.pos]
		if nested && (b == '|' || b == ')') {
			return toks, true
		}
		if c.mode.ext && strings.IndexByte("?*+@!", b) >= 0 && c.pos+1 < len(c.text) && c.text[c.pos+1] == '(' {
			if t, ok := c.extended(b); ok {
				toks = append(toks, t)
				continue
			}
		}
		switch b {
		case '*':
			c.pos++
			if n := len(toks); n == 0 || toks[n-1].kind != patternStar {
				toks = append(toks, patternToken{kind: patternStar})
			}
		case '?':
			c.pos++
			toks = append(toks, patternToken{kind: patternAny})
		case '[':
			if class, end := parseBracket(c.text, c.pos, c.mode.utf8); class != nil {
				c.pos = end
				toks = append(toks, patternToken{kind: patternClass, class: class})
				continue
			}
			c.pos++
			toks = append(toks, patternToken{kind: patternChar, char: '['})
		default:
			if b == '\\' && c.pos+1 < len(c.text) {
				c.pos++
			}
			toks = append(toks, patternToken{kind: patternChar, char: c.char()})
		}
	}
	return toks, false
}

// char takes one character.
func (c *patternCompiler) char() rune {
	r, size := decodeChar(c.text[c.pos:], c.mode.utf8)
	c.pos += size
	return r
}

// maxPatternDepth bounds how deep extended globs nest.
const maxPatternDepth = 50

// extended reads an extended glob; not ok, with the position unchanged, if it is not closed.
func (c *patternCompiler) extended(op byte) (t patternToken, ok bool) {
	if c.depth >= maxPatternDepth {
		return t, false
	}
	start := c.pos
	c.pos += 2
	c.depth++
	defer func() { c.depth-- }()
	t = patternToken{kind: patternExt, op: op}
	for {
		alt, closed := c.tokens(true)
		if !closed {
			c.pos = start
			return t, false
		}
		t.alts = append(t.alts, alt)
		c.pos++
		if c.text[c.pos-1] == ')' {
			c.sawExt = true
			return t, true
		}
	}
}

// decodeChar takes the first character of s: a byte if not in UTF-8, or if the sequence is broken.
func decodeChar(s string, isUTF8 bool) (rune, int) {
	if b := s[0]; b < utf8.RuneSelf || !isUTF8 {
		return rune(b), 1
	}
	r, size := utf8.DecodeRuneInString(s)
	if r == utf8.RuneError && size == 1 {
		return rune(s[0]) | 0x40000000, 1 // no valid character equals it
	}
	return r, size
}

// parseBracket reads the bracket expression that begins at text[i]; nil if it has no end.
func parseBracket(text string, i int, isUTF8 bool) (*bracket, int) {
	b := &bracket{}
	i++
	if i < len(text) && (text[i] == '!' || text[i] == '^') {
		b.negated = true
		i++
	}
	for first := true; ; first = false {
		if i >= len(text) {
			return nil, 0
		}
		if text[i] == ']' && !first {
			return b, i + 1
		}
		lo, end, class := bracketItem(text, i, isUTF8)
		if end < 0 {
			return nil, 0
		}
		i = end
		if class != "" {
			b.classes = append(b.classes, class)
			continue
		}
		hi := lo
		if i+1 < len(text) && text[i] == '-' && text[i+1] != ']' {
			var last rune
			last, end, class = bracketItem(text, i+1, isUTF8)
			if end < 0 {
				return nil, 0
			}
			if class == "" {
				hi, i = last, end
			}
		}
		b.ranges = append(b.ranges, runeRange{lo, hi})
	}
}

// bracketItem reads one element of a bracket expression: a character, [.x.], [=x=], or a class like [:alpha:].
func bracketItem(text string, i int, isUTF8 bool) (r rune, end int, class string) {
	if text[i] == '[' && i+1 < len(text) {
		if kind := text[i+1]; kind == ':' || kind == '.' || kind == '=' {
			if n := strings.Index(text[i+2:], string(kind)+"]"); n >= 0 {
				body := text[i+2 : i+2+n]
				if kind == ':' {
					if isClassName(body) {
						return 0, i + n + 4, body
					}
				} else if body != "" {
					r, _ = decodeChar(body, isUTF8)
					return r, i + n + 4, ""
				}
			}
		}
	}
	if text[i] == '\\' && i+1 < len(text) {
		i++
	}
	r, size := decodeChar(text[i:], isUTF8)
	return r, i + size, ""
}

func isClassName(name string) bool {
	switch name {
	case "alpha", "digit", "alnum", "upper", "lower", "space", "blank", "punct", "print", "graph", "cntrl", "xdigit", "word", "ascii":
		return true
	}
	return false
}

func inClass(name string, r rune) bool {
	wide := r >= utf8.RuneSelf
	switch name {
	case "alpha":
		return unicode.IsLetter(r)
	case "digit":
		return r >= '0' && r <= '9'
	case "alnum":
		return unicode.IsLetter(r) || r >= '0' && r <= '9' || wide && unicode.IsDigit(r)
	case "word":
		return r == '_' || inClass("alnum", r)
	case "upper":
		return unicode.IsUpper(r)
	case "lower":
		return unicode.IsLower(r)
	case "space":
		return r == ' ' || r >= '\t' && r <= '\r' || wide && unicode.IsSpace(r)
	case "blank":
		return r == ' ' || r == '\t'
	case "punct":
		return r > ' ' && r < 0x7f && !inClass("alnum", r) || wide && (unicode.IsPunct(r) || unicode.IsSymbol(r))
	case "print":
		return r >= ' ' && r < 0x7f || wide && unicode.IsPrint(r)
	case "graph":
		return r > ' ' && r < 0x7f || wide && unicode.IsGraphic(r) && !unicode.IsSpace(r)
	case "cntrl":
		return r < ' ' || r == 0x7f
	case "xdigit":
		return r >= '0' && r <= '9' || r >= 'a' && r <= 'f' || r >= 'A' && r <= 'F'
	case "ascii":
		return r < utf8.RuneSelf
	}
	return false
}

func (b *bracket) has(r rune, mode patternMode) bool {
	if b.holds(r, mode) {
		return !b.negated
	}
	if mode.nocase && (b.holds(unicode.ToLower(r), mode) || b.holds(unicode.ToUpper(r), mode)) {
		return !b.negated
	}
	return b.negated
}

func (b *bracket) holds(r rune, mode patternMode) bool {
	for _, rg := range b.ranges {
		if r >= rg.lo && r <= rg.hi {
			return true
		}
	}
	if r >= utf8.RuneSelf && !mode.utf8 {
		return false
	}
	for _, class := range b.classes {
		if inClass(class, r) {
			return true
		}
	}
	return false
}
