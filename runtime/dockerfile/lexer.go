package dockerfile

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// lexer reads one word as BuildKit's shell lexer does.
type lexer struct {
	rest   []rune
	lookup func(string) (string, bool)
}

func (l *lexer) take() rune {
	r := l.rest[0]
	l.rest = l.rest[1:]
	return r
}

// until reads up to a character that stands outside of quotes, which it takes; 0 is the end.
func (l *lexer) until(end rune) (string, error) {
	var out strings.Builder
	for len(l.rest) > 0 {
		switch r := l.take(); {
		case end != 0 && r == end:
			return out.String(), nil
		case r == '\'':
			i := strings.IndexRune(string(l.rest), '\'')
			if i < 0 {
				return "", errors.New("unexpected end of statement while looking for matching single-quote")
			}
			quoted := string(l.rest)[:i]
			l.rest = l.rest[len([]rune(quoted))+1:]
			out.WriteString(quoted)
		case r == '"':
			quoted, err := l.double()
			if err != nil {
				return "", err
			}
			out.WriteString(quoted)
		case r == '$':
			value, err := l.dollar()
			if err != nil {
				return "", err
			}
			out.WriteString(value)
		case r == '\\':
			if len(l.rest) > 0 {
				out.WriteRune(l.take())
			}
		default:
			out.WriteRune(r)
		}
	}
	if end != 0 {
		return "", fmt.Errorf("unexpected end of statement while looking for matching %c", end)
	}
	return out.String(), nil
}

func (l *lexer) double() (string, error) {
	var out strings.Builder
	for len(l.rest) > 0 {
		switch r := l.take(); r {
		case '"':
			return out.String(), nil
		case '$':
			value, err := l.dollar()
			if err != nil {
				return "", err
			}
			out.WriteString(value)
		case '\\':
			if len(l.rest) == 0 {
				break
			}
			next := l.take()
			if next != '"' && next != '$' && next != '\\' {
				out.WriteRune('\\')
			}
			out.WriteRune(next)
		default:
			out.WriteRune(r)
		}
	}
	return "", errors.New("unexpected end of statement while looking for matching double-quote")
}

func (l *lexer) name() string {
	n := 0
	for n < len(l.rest) && (l.rest[n] == '_' || unicode.IsLetter(l.rest[n]) || n > 0 && unicode.IsDigit(l.rest[n])) {
		n++
	}
	if n == 0 && len(l.rest) > 0 && strings.ContainsRune("@*#?-$!0123456789", l.rest[0]) {
		n = 1 // a shell's own, of which there are none here
	}
	name := string(l.rest[:n])
	l.rest = l.rest[n:]
	return name
}

// dollar reads what stands behind a $: NAME, {NAME}, or {NAME} with one of - + ?, for an empty value too behind a colon.
func (l *lexer) dollar() (string, error) {
	if len(l.rest) == 0 || l.rest[0] != '{' {
		name := l.name()
		if name == "" {
			return "$", nil
		}
		value, _ := l.lookup(name)
		return value, nil
	}
	whole := "${" + string(l.rest[1:])
	l.take()
	name := l.name()
	if name == "" {
		return "", errors.New("syntax error: bad substitution")
	}
	value, set := l.lookup(name)
	if len(l.rest) == 0 {
		return "", errors.New("syntax error: missing '}'")
	}
	modifier := l.take()
	if modifier == '}' {
		return value, nil
	}
	if modifier == ':' && len(l.rest) > 0 {
		set = set && value != ""
		modifier = l.take()
	}
	if !strings.ContainsRune("-+?", modifier) {
		return "", fmt.Errorf("unsupported modifier (%c) in substitution %s", modifier, whole)
	}
	word, err := l.until('}')
	if err != nil {
		return "", err
	}
	switch {
	case modifier == '+' && set:
		return word, nil
	case modifier == '+':
		return "", nil
	case set:
		return value, nil
	case modifier == '-':
		return word, nil
	}
	if word == "" {
		word = "is not allowed to be unset"
	}
	return "", fmt.Errorf("%s: %s", name, word)
}
