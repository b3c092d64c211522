package builtins

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// bracketClasses are the named classes: ASCII, and in UTF-8 text the other letters and marks too.
func bracketClass(name string, fold bool) (string, bool) {
	if fold && (name == "upper" || name == "lower") {
		name = "alpha"
	}
	switch name {
	case "alpha":
		return `A-Za-z\p{L}`, true
	case "digit":
		return "0-9", true
	case "alnum":
		return `0-9A-Za-z\p{L}\p{N}`, true
	case "upper":
		return `A-Z\p{Lu}`, true
	case "lower":
		return `a-z\p{Ll}`, true
	case "space":
		return " \t\n\v\f\r", true
	case "blank":
		return " \t", true
	case "punct":
		return "!-/:-@\\[-`{-~\\p{P}\\p{S}", true
	case "print":
		return ` -~\p{L}\p{M}\p{N}\p{P}\p{S}`, true
	case "graph":
		return `!-~\p{L}\p{M}\p{N}\p{P}\p{S}`, true
	case "cntrl":
		return "\x00-\x1f\x7f", true
	case "xdigit":
		return "0-9A-Fa-f", true
	}
	return "", false
}

// bracket reads a bracket expression: [abc], [^a-z], [[:alpha:]_], []x].
func (t *translator) bracket() error {
	s := t.in
	i := t.pos + 1
	var class strings.Builder
	class.WriteByte('[')
	if i < len(s) && s[i] == '^' {
		class.WriteByte('^')
		i++
	}
	first, words := true, class.Len() == 1
	unmatched := errors.New("Unmatched [, [^, [:, [., or [=")
	for ; ; first = false {
		if i >= len(s) {
			return unmatched
		}
		if s[i] == ']' && !first {
			break
		}
		if strings.HasPrefix(s[i:], "[:") {
			end := strings.Index(s[i:], ":]")
			if end < 0 {
				return unmatched
			}
			set, ok := bracketClass(s[i+2:i+end], t.o.IgnoreCase)
			if !ok {
				return errors.New("Invalid character class name")
			}
			class.WriteString(set)
			words = words && strings.IndexByte("adul", s[i+2]) >= 0 && s[i+2:i+end] != "upper:"
			i += end + 2
			continue
		}
		low, next, err := t.bracketChar(i)
		if err != nil {
			return err
		}
		i = next
		high := low
		if i+1 < len(s) && s[i] == '-' && s[i+1] != ']' {
			if high, i, err = t.bracketChar(i + 1); err != nil {
				return err
			}
			if high < low {
				return errors.New("Invalid range end")
			}
		}
		class.WriteString(bracketEscape(low))
		if high != low {
			class.WriteByte('-')
			class.WriteString(bracketEscape(high))
		}
		words = words && isWord(low[0]) && isWord(high[0])
	}
	t.pos = i + 1
	class.WriteByte(']')
	t.class(class.String(), words)
	return nil
}

// bracketChar reads one character in a bracket expression at i and returns where the next one begins.
func (t *translator) bracketChar(i int) (char string, next int, err error) {
	s := t.in
	if i >= len(s) {
		return "", 0, errors.New("Unmatched [, [^, [:, [., or [=")
	}
	if s[i] == '[' && i+1 < len(s) && (s[i+1] == '.' || s[i+1] == '=') {
		end := strings.Index(s[i+2:], s[i+1:i+2]+"]")
		if end < 0 {
			return "", 0, errors.New("Unmatched [, [^, [:, [., or [=")
		}
		char = s[i+2 : i+2+end]
		if utf8.RuneCountInString(char) != 1 {
			return "", 0, errors.New("Invalid collation character")
		}
		return char, i + 2 + end + 2, nil
	}
	if s[i] == '\\' && t.o.Escapes {
		if c, size := charEscape(s[i:], t.o.Awk); size > 0 {
			return c, i + size, nil
		}
		if t.o.Awk && i+1 < len(s) {
			i++
		}
	}
	_, size := utf8.DecodeRuneInString(s[i:])
	return s[i : i+size], i + size, nil
}

func bracketEscape(char string) string {
	if len(char) == 1 && strings.IndexByte(`\]^-[&~`, char[0]) >= 0 {
		return `\` + char
	}
	return char
}
