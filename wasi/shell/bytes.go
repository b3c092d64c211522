package shell

import (
	"strings"
	"unicode/utf8"

	"mvdan.cc/sh/v3/syntax"
)

// The parser takes UTF-8 only, and drops carriage returns; a script may hold any bytes. Those that are no UTF-8, and carriage
// returns, are given to it as characters of a private plane, one for each byte, and put back into the tree that it makes.
const firstByteRune = 0x10ff00

// encodeBytes makes text that the parser takes of any bytes; coded says that it had to.
func encodeBytes(text string) (_ string, coded bool) {
	if utf8.ValidString(text) && strings.IndexByte(text, '\r') < 0 {
		return text, false
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		if r == utf8.RuneError && size == 1 || r == '\r' {
			r = firstByteRune + rune(text[i])
		}
		b.WriteRune(r)
		i += size
	}
	return b.String(), true
}

// decodeBytes undoes encodeBytes.
func decodeBytes(text string) string {
	if !strings.Contains(text, "\xf4\x8f") {
		return text
	}
	b := make([]byte, 0, len(text))
	for _, r := range text {
		if r >= firstByteRune+0x80 || r == firstByteRune+'\r' {
			b = append(b, byte(r-firstByteRune))
		} else {
			b = utf8.AppendRune(b, r)
		}
	}
	return string(b)
}

// decodeTree puts the bytes back into a tree that nobody has seen yet.
func decodeTree(n syntax.Node) {
	syntax.Walk(n, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.Lit:
			n.Value = decodeBytes(n.Value)
		case *syntax.SglQuoted:
			n.Value = decodeBytes(n.Value)
		case *syntax.ExtGlob:
			n.Pattern.Value = decodeBytes(n.Pattern.Value)
		}
		return true
	})
}

// parseProgram parses commands, and parseDocument text as if inside double quotes; both take any bytes.
func parseProgram(text string) (*syntax.File, error) {
	text, coded := encodeBytes(text)
	file, err := newParser().Parse(strings.NewReader(text), "")
	if err == nil && coded {
		decodeTree(file)
	}
	return file, err
}

func parseDocument(text string) (*syntax.Word, error) {
	text, coded := encodeBytes(text)
	w, err := newParser().Document(strings.NewReader(text))
	if err == nil && w != nil && coded {
		decodeTree(w)
	}
	return w, err
}
