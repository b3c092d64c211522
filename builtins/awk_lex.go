package builtins

import (
	"fmt"
	"strconv"
	"strings"
)

// The kinds of awk's tokens; an operator or a keyword is known by its text.
const (
	awkEOF = iota
	awkNewline
	awkNumber
	awkString
	awkRegexp
	awkName     // a variable
	awkFuncName // a name with a parenthesis right after it
	awkBuiltin
	awkKeyword
	awkOperator
)

type awkToken struct {
	kind   int
	text   string
	number float64
	line   int
	space  bool // blanks stand before it
}

// awkLexer cuts a program into tokens.
type awkLexer struct {
	s    string
	pos  int
	line int
}

const awkKeywords = " BEGIN END function func if else while for do break continue next nextfile exit return delete in getline print printf "

const awkBuiltins = " length substr index split sub gsub gensub match sprintf sin cos atan2 exp log sqrt int rand srand tolower toupper system close fflush systime strftime mktime and or xor lshift rshift compl asort asorti strtonum "

type awkSyntaxError struct {
	line int
	text string
}

func (e awkSyntaxError) Error() string {
	return fmt.Sprintf("syntax error at source line %d: %s", e.line, e.text)
}

func (l *awkLexer) next() (t awkToken, err error) {
	start := l.pos
	for l.pos < len(l.s) {
		c := l.s[l.pos]
		switch {
		case c == ' ' || c == '\t' || c == '\r':
			l.pos++
			continue
		case c == '\\' && strings.HasPrefix(l.s[l.pos+1:], "\n"):
			l.pos += 2
			l.line++
			continue
		case c == '\\' && strings.HasPrefix(l.s[l.pos+1:], "\r\n"):
			l.pos += 3
			l.line++
			continue
		case c == '#':
			for l.pos < len(l.s) && l.s[l.pos] != '\n' {
				l.pos++
			}
			continue
		}
		break
	}
	t = awkToken{line: l.line, space: l.pos > start}
	if l.pos >= len(l.s) {
		return t, nil
	}
	c := l.s[l.pos]
	switch {
	case c == '\n':
		l.pos++
		l.line++
		t.kind, t.text = awkNewline, "newline"
		return t, nil
	case c >= '0' && c <= '9' || c == '.' && l.pos+1 < len(l.s) && l.s[l.pos+1] >= '0' && l.s[l.pos+1] <= '9':
		n := floatLength(l.s[l.pos:])
		t.kind, t.text = awkNumber, l.s[l.pos:l.pos+n]
		if strings.HasPrefix(t.text, "0x") || strings.HasPrefix(t.text, "0X") {
			u, _ := strconv.ParseUint(strings.TrimRight(t.text[2:], ".pP+-"), 16, 64)
			t.number = float64(u)
		} else {
			t.number, _ = strconv.ParseFloat(t.text, 64) // out of range gives the infinity that is meant
		}
		l.pos += n
		return t, nil
	case isWord(c):
		end := l.pos
		for end < len(l.s) && isWord(l.s[end]) {
			end++
		}
		t.text = l.s[l.pos:end]
		l.pos = end
		switch {
		case strings.Contains(awkKeywords, " "+t.text+" "):
			t.kind = awkKeyword
			if t.text == "func" {
				t.text = "function"
			}
		case strings.Contains(awkBuiltins, " "+t.text+" "):
			t.kind = awkBuiltin
		case l.pos < len(l.s) && l.s[l.pos] == '(':
			t.kind = awkFuncName
		default:
			t.kind = awkName
		}
		return t, nil
	case c == '"':
		t.kind = awkString
		t.text, err = l.string()
		return t, err
	}
	t.kind = awkOperator
	for _, op := range []string{"**=", "&&", "||", "==", "<=", ">=", "!=", "++", "--", "+=", "-=", "*=", "/=", "%=", "^=", "**", "!~", ">>", "|&"} {
		if strings.HasPrefix(l.s[l.pos:], op) {
			l.pos += len(op)
			if t.text = op; op == "**" {
				t.text = "^"
			} else if op == "**=" {
				t.text = "^="
			}
			return t, nil
		}
	}
	if strings.IndexByte("{}()[];,+-*/%^!<>|?:~$=", c) < 0 {
		return t, awkSyntaxError{l.line, fmt.Sprintf("unexpected character '%c'", c)}
	}
	l.pos++
	t.text = string(c)
	return t, nil
}

// string reads a string constant; pos is at its first quote.
func (l *awkLexer) string() (string, error) {
	for end := l.pos + 1; end < len(l.s); end++ {
		switch l.s[end] {
		case '\\':
			end++
			if end < len(l.s) && l.s[end] == '\n' {
				l.line++
			}
		case '\n':
			return "", awkSyntaxError{l.line, "unterminated string"}
		case '"':
			text := l.s[l.pos+1 : end]
			l.pos = end + 1
			return awkUnescape(text), nil
		}
	}
	return "", awkSyntaxError{l.line, "unterminated string"}
}

// awkUnescape replaces the escapes of a string constant; an unknown one stays as it is.
func awkUnescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		if char, size := charEscape(s[i:], true); size > 0 {
			b.WriteString(char)
			i += size - 1
			continue
		}
		i++
		switch s[i] {
		case '\\':
			b.WriteByte('\\')
		case '\n':
		default:
			b.WriteString(s[i-1 : i+1])
		}
	}
	return b.String()
}

// regexp reads a regular expression whose first slash has just been read as an operator.
func (l *awkLexer) regexp(already string) (string, error) {
	start := l.pos
	bracket := false
	for end := l.pos; end < len(l.s); end++ {
		switch c := l.s[end]; {
		case c == '\\':
			end++
		case c == '\n':
			return "", awkSyntaxError{l.line, "unterminated regular expression"}
		case c == '[' && !bracket:
			bracket = true
			if strings.HasPrefix(l.s[end+1:], "^]") {
				end += 2
			} else if strings.HasPrefix(l.s[end+1:], "]") {
				end++
			}
		case c == '[' && strings.HasPrefix(l.s[end:], "[:"):
			if close := strings.Index(l.s[end:], ":]"); close > 0 {
				end += close + 1
			}
		case c == ']':
			bracket = false
		case c == '/' && !bracket:
			l.pos = end + 1
			return already + strings.ReplaceAll(l.s[start:end], `\/`, "/"), nil
		}
	}
	return "", awkSyntaxError{l.line, "unterminated regular expression"}
}
