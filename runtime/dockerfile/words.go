package dockerfile

import (
	"encoding/json"
	"strings"
	"unicode"
)

// instructions are the lines of a Dockerfile: without comments and empty ones, those that end with a backslash joined.
func instructions(text string) (list []string) {
	var line strings.Builder
	for raw := range strings.SplitSeq(text, "\n") {
		trimmed := strings.TrimSpace(raw)
		if strings.HasPrefix(trimmed, "#") || trimmed == "" {
			continue
		}
		if head, ok := strings.CutSuffix(strings.TrimRight(raw, " \t\r"), `\`); ok {
			line.WriteString(head)
			continue
		}
		line.WriteString(raw)
		list = append(list, strings.TrimSpace(line.String()))
		line.Reset()
	}
	if rest := strings.TrimSpace(line.String()); rest != "" {
		list = append(list, rest)
	}
	return list
}

// cutWord splits the first word off.
func cutWord(s string) (word, rest string, more bool) {
	s = strings.TrimLeftFunc(s, unicode.IsSpace)
	i := strings.IndexFunc(s, unicode.IsSpace)
	if i < 0 {
		return s, "", false
	}
	rest = strings.TrimSpace(s[i:])
	return s[:i], rest, rest != ""
}

// jsonList reads a list of strings; false for anything else.
func jsonList(s string) ([]string, bool) {
	if !strings.HasPrefix(strings.TrimSpace(s), "[") {
		return nil, false
	}
	list := []string{}
	if json.Unmarshal([]byte(s), &list) != nil {
		return nil, false
	}
	return list, true
}

// quotedWords splits at spaces that are not quoted. Quotes and backslashes stay where they are.
func quotedWords(s string) (words []string) {
	var word strings.Builder
	quote, escaped, any := rune(0), false, false
	for _, r := range s {
		switch {
		case escaped:
			escaped = false
		case r == '\\' && quote != '\'':
			escaped = true
		case quote != 0:
			if r == quote {
				quote = 0
			}
		case r == '\'' || r == '"':
			quote, any = r, true
		case unicode.IsSpace(r):
			if word.Len() > 0 || any {
				words = append(words, word.String())
			}
			word.Reset()
			any = false
			continue
		}
		word.WriteRune(r)
	}
	if word.Len() > 0 || any {
		words = append(words, word.String())
	}
	return words
}

type pair struct{ name, value string }

// pairs reads name=value …, or a name and a value that is the rest of the line.
func (a *applier) pairs(instruction, rest string) (list []pair, err error) {
	words := quotedWords(rest)
	if len(words) == 0 {
		return nil, invalid("%s requires at least one argument", instruction)
	}
	if !strings.Contains(words[0], "=") {
		name, value, ok := cutWord(rest)
		if !ok {
			return nil, invalid("%s must have two arguments", instruction)
		}
		words = []string{name + "=" + value}
	}
	for _, word := range words {
		name, value, ok := strings.Cut(word, "=")
		if !ok {
			return nil, invalid("Syntax error - can't find = in %q. Must be of the form: name=value", word)
		}
		var p pair
		if p.name, err = a.expand(name); err != nil {
			return nil, err
		}
		if p.value, err = a.expand(value); err != nil {
			return nil, err
		}
		if p.name == "" {
			return nil, invalid("%s names can not be blank", instruction)
		}
		list = append(list, p)
	}
	return list, nil
}

// expand removes quotes and backslashes, and puts in the values of variables.
func (a *applier) expand(word string) (string, error) {
	l := &lexer{rest: []rune(word), lookup: a.lookup}
	out, err := l.until(0)
	if err != nil {
		return "", invalid("failed to process %q: %v", word, err)
	}
	return out, nil
}

func (a *applier) lookup(name string) (string, bool) {
	for _, v := range a.Env {
		if key, value, _ := strings.Cut(v, "="); key == name {
			return value, true
		}
	}
	return "", false
}
