package shell

import (
	"encoding/hex"
	"errors"
	"regexp"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// The parser refuses some scripts that a shell accepts, or complains about only when it comes to run them: arithmetic
// whose operators come out of expansions, ${…} that makes no sense, subshells that begin with two parentheses. Such a part
// is written in another way, and the command parsed again: the text of an expression or of a substitution goes into a name,
// in hexadecimal, where the expander finds it.
const (
	rawArith = "__arith_"
	rawParam = "__param_"
)

// maxRepairs bounds how often one command is parsed again.
const maxRepairs = 200

func rawText(name, mark string) string {
	text, _ := hex.DecodeString(strings.TrimPrefix(name, mark))
	return decodeBytes(string(text))
}

var rawName = regexp.MustCompile(rawArith + `[0-9a-f]*|` + rawParam + `[0-9a-f]*`)

// unrepaired puts the texts back that names stand for.
func unrepaired(text string) string {
	if !strings.Contains(text, rawArith) && !strings.Contains(text, rawParam) {
		return text
	}
	return rawName.ReplaceAllStringFunc(text, func(name string) string {
		if strings.HasPrefix(name, rawArith) {
			return rawText(name, rawArith)
		}
		return rawText(name, rawParam)
	})
}

// again makes the parser begin once more with other text for the command that it reads.
func (s *source) again(text string) {
	s.rest = s.encoded(text)
	s.first += s.lines
	s.stopped, s.ended, s.retry = true, false, true
}

// repair rewrites the part of the command that the parser stumbled over; false if that is no part of these kinds.
func (s *source) repair(err error) bool {
	var at uint
	var bad syntax.ParseError
	var lang syntax.LangError
	switch {
	case errors.As(err, &bad):
		at = bad.Pos.Offset()
	case errors.As(err, &lang):
		at = lang.Pos.Offset()
	default:
		return false
	}
	if s.repairs++; s.prompts || s.repairs > maxRepairs {
		return false
	}
	text := s.taken.String() + s.rest
	offset := min(max(int(at)-s.base, 0), len(text))
	i, nested, ok := s.opening(text, offset)
	if nested >= 0 {
		s.again(text[:nested+1] + " " + text[nested+1:])
		return true
	}
	if ok {
		for {
			if end := closing(text, i); end > 0 {
				if fixed := rewritten(text[i.at:end], i.kind); fixed != "" && fixed != text[i.at:end] {
					s.again(text[:i.at] + fixed + text[end:])
					return true
				}
				break
			}
			line, err := s.next()
			if line == "" || err != nil || len(text) > maxField {
				break
			}
			text += line
		}
	}
	if m := openDocument.FindStringSubmatch(err.Error()); m != nil {
		// A here-document ends with the script.
		s.again(strings.TrimSuffix(text, "\n") + "\n" + m[1] + "\n")
		return true
	}
	if i := emptyGlob.FindStringIndex(text[max(offset-2, 0):]); i != nil {
		at := max(offset-2, 0) + i[1] - 1
		s.again(text[:at] + "|" + text[at:])
		return true
	}
	line := strings.LastIndexByte(text[:offset], '\n') + 1
	if array := strings.LastIndex(text[:min(offset+1, len(text))], "=("); array >= line {
		if fixed := keysOfArray.ReplaceAllString(text[array:], `["$1"]=`); fixed != text[array:] {
			s.again(text[:array] + fixed)
			return true
		}
	}
	for _, m := range keyOfElement.FindAllStringSubmatchIndex(text[line:], -1) {
		if line+m[0] <= offset && offset <= line+m[1] {
			s.again(text[:line+m[4]] + `"` + text[line+m[4]:line+m[5]] + `"` + text[line+m[5]:])
			return true
		}
	}
	before := text[line:min(offset+1, len(text))]
	if m := letWord.FindAllStringSubmatchIndex(before, -1); m != nil && !strings.ContainsAny(before[m[len(m)-1][3]:], ";&|") {
		i := line + m[len(m)-1][2]
		s.again(text[:i] + `\` + text[i:])
		return true
	}
	return false
}

// openDocument is the parser's message about a here-document that is not closed.
var openDocument = regexp.MustCompile("unclosed here-document [`\"](.*?)[`\"]$")

// letWord is a command whose arguments the parser reads in its own way, and which are words to a shell.
var letWord = regexp.MustCompile(`(?:^|[\s;&|({])(let|export|local|readonly|declare|typeset)[ \t]`)

// emptyGlob is an extended glob without alternatives.
var emptyGlob = regexp.MustCompile(`^.{0,4}?[@?*+!]\(\)`)

// rewritten gives the raw form of $((…)), $[…], ((…)) or ${…}.
func rewritten(text string, kind byte) string {
	switch kind {
	case '{':
		inner := text[2 : len(text)-1]
		if strings.HasPrefix(inner, rawParam) {
			return ""
		}
		if m := keyOfParam.FindStringSubmatch(inner); m != nil {
			return "${" + m[1] + `["` + m[2] + `"]` + m[3] + "}"
		}
		if name, rest, ok := strings.Cut(inner, "///"); ok && validName(name) {
			return "${" + name + `//\/` + rest + "}"
		}
		return "${" + rawParam + hex.EncodeToString([]byte(inner)) + "}"
	case 'b':
		return "$((" + rawArith + hex.EncodeToString([]byte(text[2:len(text)-1])) + "))"
	case 'a', 'A':
		open := strings.Index(text, "((") + 2
		inner := text[open : len(text)-2]
		if strings.HasPrefix(inner, rawArith) {
			return ""
		}
		return text[:open] + rawArith + hex.EncodeToString([]byte(inner)) + "))"
	}
	return ""
}

// A key of an associative array need be no expression: it is quoted for the parser, in ${m[a b]}, m=([a b]=c) and m[/a]=b.
var (
	keyOfParam   = regexp.MustCompile(`^([#!]?\w+)\[([^]\["'$\\]+)\]([^[].*)?$`)
	keysOfArray  = regexp.MustCompile(`\[([^]\["'$\\\n=]+)\]=`)
	keyOfElement = regexp.MustCompile(`([A-Za-z_]\w*)\[([^]\["'$\\\n]+)\]\+?=`)
)

// closesTogether says whether the parenthesis that text begins with is closed by the first of two: then it is arithmetic.
func closesTogether(text string) bool {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i+1 < len(text) && text[i+1] == ')'
			}
		}
	}
	return false
}

// opened is a bracket or quote that is open at some place of a text. kind is 'a' for $((, 'A' for ((, 'b' for $[, '{' for ${, '$' for
// $( and its like, else the character itself.
type opened struct {
	kind byte
	at   int
}

// brackets follows what is open in a text.
type brackets struct {
	text   string
	at     int
	stack  []opened
	posix  bool // there is no (( command
	nested int  // where the last (( is that begins two subshells, -1 if there is none
}

func (b *brackets) top() byte {
	if len(b.stack) == 0 {
		return 0
	}
	return b.stack[len(b.stack)-1].kind
}

func (b *brackets) push(kind byte, width int) {
	b.stack = append(b.stack, opened{kind, b.at})
	b.at += width
}

func (b *brackets) pop(width int) {
	b.stack = b.stack[:len(b.stack)-1]
	b.at += width
}

func (b *brackets) quoted() bool {
	for _, o := range b.stack {
		if o.kind == '"' {
			return true
		}
	}
	return false
}

// step goes over one character, bracket or single-quoted text.
func (b *brackets) step() {
	rest := b.text[b.at:]
	top := b.top()
	arith := top == 'a' || top == 'A' || top == '(' || top == 'b' || top == '['
	switch {
	case rest[0] == '\\':
		b.at = min(b.at+2, len(b.text))
	case rest[0] == '"' && top == '"':
		b.pop(1)
	case rest[0] == '"':
		b.push('"', 1)
	case rest[0] == '`' && top == '`':
		b.pop(1)
	case rest[0] == '`':
		b.push('`', 1)
	case strings.HasPrefix(rest, "${"):
		b.push('{', 2)
	case strings.HasPrefix(rest, "$["):
		b.push('b', 2)
	case rest[0] == '[' && (top == 'b' || top == '['):
		b.push('[', 1)
	case rest[0] == ']' && (top == 'b' || top == '['):
		b.pop(1)
	case strings.HasPrefix(rest, "$((") && closesTogether(rest[2:]):
		b.push('a', 3)
	case strings.HasPrefix(rest, "$("):
		if strings.HasPrefix(rest, "$((") {
			b.nested = b.at + 1
		}
		b.push('$', 2)
	case rest[0] == '}' && top == '{':
		b.pop(1)
	case top == '"':
		b.at++
	case rest[0] == '\'' && !arith && !(top == '{' && b.quoted()):
		if i := strings.IndexByte(rest[1:], '\''); i >= 0 {
			b.at += i + 2
		} else {
			b.at = len(b.text)
		}
	case strings.HasPrefix(rest, "))") && (top == 'a' || top == 'A'):
		b.pop(2)
	case strings.HasPrefix(rest, "((") && !arith && top != '{' && top != '"':
		if !b.posix && closesTogether(rest[1:]) {
			b.push('A', 2)
			return
		}
		b.nested = b.at
		b.push('$', 1)
	case rest[0] == '(' && arith:
		b.push('(', 1)
	case rest[0] == '(' && top != '{':
		b.push('$', 1)
	case rest[0] == ')' && (top == '(' || top == '$'):
		b.pop(1)
	case rest[0] == '#' && !arith && top != '{' && (b.at == 0 || strings.IndexByte(" \t\n;&|(", b.text[b.at-1]) >= 0):
		if i := strings.IndexByte(rest, '\n'); i >= 0 {
			b.at += i
		} else {
			b.at = len(b.text)
		}
	default:
		b.at++
	}
}

// opening finds the innermost expression or substitution around an offset, and the last `((` before it that begins two
// subshells.
func (s *source) opening(text string, offset int) (_ opened, nested int, ok bool) {
	b := brackets{text: text, posix: s.posix, nested: -1}
	end := min(offset+1, len(text))
	for _, prefix := range []string{"$((", "((", "${", "$["} {
		if strings.HasPrefix(text[offset:], prefix) {
			end = offset + len(prefix)
		}
	}
	for b.at < end {
		// What closes at the offset itself is still open there.
		before := len(b.stack)
		at := b.at
		var last opened
		if before > 0 {
			last = b.stack[before-1]
		}
		b.step()
		if at >= offset && len(b.stack) < before {
			b.stack = append(b.stack, last)
			break
		}
	}
	for i := len(b.stack) - 1; i >= 0; i-- {
		switch o := b.stack[i]; o.kind {
		case 'a', 'A', 'b', '{':
			return o, b.nested, true
		case '$', '`':
			return opened{}, b.nested, false
		}
	}
	return opened{}, b.nested, false
}

// closing gives the end of what was opened, 0 if it is not closed.
func closing(text string, o opened) int {
	b := brackets{text: text, at: o.at}
	switch o.kind {
	case 'a':
		b.push('a', 3)
	case 'A', 'b', '$':
		b.push(o.kind, 2)
	default:
		b.push('{', 2)
	}
	for b.at < len(text) {
		if b.step(); len(b.stack) == 0 {
			return b.at
		}
	}
	return 0
}
