package builtins

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

// translator turns a POSIX pattern into one that Go's regexp and regexp2 both read alike.
type translator struct {
	in        string
	pos       int
	o         RegexpOptions
	out       strings.Builder
	text      strings.Builder // the pattern's text as long as it is plain
	plain     bool            // no operator so far
	backtrack bool            // Go's regexp cannot express it
	groups    int
	closed    []bool // by group: its parenthesis is closed, so that it can be referred to
	open      []int  // groups that are open
	starts    []int  // where in out each of them begins
	atom      int    // where in out the last atom begins, -1 if there is none to repeat
	wordAtom  bool   // the last atom is one character of a word
}

func (t *translator) run() error {
	t.atom, t.plain = -1, true
	for t.pos < len(t.in) {
		if err := t.step(); err != nil {
			return err
		}
	}
	if len(t.open) > 0 {
		return errors.New("Unmatched ( or \\(")
	}
	return nil
}

func (t *translator) operator() { t.plain = false }

// literal adds a character that stands for itself.
func (t *translator) literal(s string) {
	t.atom = t.out.Len()
	t.text.WriteString(s)
	t.wordAtom = isWord(s[0])
	if len(s) == 1 && strings.IndexByte(`\.+*?()|[]{}^$#-&~ `, s[0]) >= 0 {
		t.out.WriteByte('\\')
	}
	t.out.WriteString(s)
}

// class adds an atom that is not a literal.
func (t *translator) class(s string, word bool) {
	t.operator()
	t.atom = t.out.Len()
	t.wordAtom = word
	t.out.WriteString(s)
}

// assertion adds what matches the empty text.
func (t *translator) assertion(s string) {
	t.operator()
	t.out.WriteString(s)
	t.atom, t.wordAtom = -1, false
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func (t *translator) step() error {
	c := t.in[t.pos]
	ere := t.o.Extended
	switch {
	case c == '\\':
		return t.escape()
	case c == '[':
		return t.bracket()
	case c == '.':
		t.pos++
		t.class(".", false)
	case c == '*':
		if t.atom < 0 && (!ere || t.out.Len() == 0 || t.atStart()) {
			if ere {
				t.pos++ // GNU lets a star repeat nothing
				return nil
			}
			t.pos++
			t.literal("*")
			return nil
		}
		t.pos++
		t.repeat("*")
	case ere && (c == '+' || c == '?'):
		t.pos++
		if t.atom >= 0 {
			t.repeat(string(c))
		}
	case ere && c == '{':
		return t.interval(1, "}")
	case ere && c == '(':
		t.pos++
		t.openGroup()
	case ere && c == ')':
		if len(t.open) == 0 {
			if t.o.Awk {
				return errors.New("Unmatched ) or \\)")
			}
			t.pos++
			t.literal(")")
			return nil
		}
		t.pos++
		t.closeGroup()
	case ere && c == '|':
		t.pos++
		t.alternative()
	case c == '^' && (ere || t.atStart()):
		t.pos++
		if t.o.Multiline {
			t.assertion("(?m:^)")
		} else {
			t.assertion(`\A`)
		}
	case c == '$' && (ere || t.atEnd()):
		t.pos++
		if t.o.Multiline {
			t.assertion("(?m:$)")
		} else {
			t.assertion(`\z`)
		}
	default:
		_, size := utf8.DecodeRuneInString(t.in[t.pos:])
		t.pos += size
		t.literal(t.in[t.pos-size : t.pos])
	}
	return nil
}

// atStart says whether a BRE's ^ or * stands where an expression begins.
func (t *translator) atStart() bool {
	if t.pos == 0 {
		return true
	}
	before := t.in[:t.pos]
	return strings.HasSuffix(before, `\(`) || strings.HasSuffix(before, `\|`) || strings.HasSuffix(before, "\n") ||
		before == "^" || strings.HasSuffix(before, `\(^`) || strings.HasSuffix(before, `\|^`)
}

// atEnd says whether a BRE's $ stands where an expression ends.
func (t *translator) atEnd() bool {
	rest := t.in[t.pos+1:]
	return rest == "" || strings.HasPrefix(rest, `\)`) || strings.HasPrefix(rest, `\|`) || rest[0] == '\n'
}

func (t *translator) openGroup() {
	t.operator()
	t.groups++
	t.closed = append(t.closed, false)
	t.open = append(t.open, t.groups)
	t.starts = append(t.starts, t.out.Len())
	t.out.WriteByte('(')
	t.atom, t.wordAtom = -1, false
}

func (t *translator) closeGroup() {
	last := len(t.open) - 1
	t.out.WriteByte(')')
	t.closed[t.open[last]-1] = true
	t.atom, t.wordAtom = t.starts[last], false
	t.open, t.starts = t.open[:last], t.starts[:last]
}

func (t *translator) alternative() {
	t.operator()
	t.out.WriteByte('|')
	t.atom, t.wordAtom = -1, false
}

// repeat applies a repetition to the last atom, in a group of its own so that one repetition can follow another.
func (t *translator) repeat(op string) {
	t.operator()
	all := t.out.String()
	t.out.Reset()
	t.out.WriteString(all[:t.atom])
	t.out.WriteString("(?:" + all[t.atom:] + op + ")")
	t.wordAtom = false
}

// interval reads {n}, {n,}, {,m} or {n,m} that begins with skip characters and ends with end.
func (t *translator) interval(skip int, end string) error {
	body, _, ok := strings.Cut(t.in[t.pos+skip:], end)
	low, high, comma := strings.Cut(body, ",")
	if low == "" {
		low = "0"
	}
	lo, err1 := strconv.Atoi(low)
	hi, err2 := lo, error(nil)
	if comma && high != "" {
		hi, err2 = strconv.Atoi(high)
	}
	if !ok || err1 != nil || err2 != nil || body == "" || lo < 0 || hi < 0 {
		if t.o.Extended {
			t.pos++
			t.literal("{") // GNU takes what is no interval literally
			return nil
		}
		if !ok {
			return errors.New("Unmatched \\{")
		}
		return errors.New("Invalid content of \\{\\}")
	}
	if lo > hi {
		return errors.New("Invalid content of \\{\\}")
	}
	if hi > 32767 {
		return errors.New("Regular expression too big")
	}
	if t.atom < 0 {
		if t.o.Extended {
			t.pos++
			t.literal("{")
			return nil
		}
		return errors.New("Invalid preceding regular expression")
	}
	t.pos += skip + len(body) + len(end)
	op := "{" + strconv.Itoa(lo)
	if comma {
		op += ","
		if high != "" {
			op += strconv.Itoa(hi)
		}
	}
	t.repeat(op + "}")
	return nil
}

const (
	wordClass  = "[0-9A-Za-z_]"
	spaceClass = " \t\n\v\f\r"
)

// escape reads what follows a backslash.
func (t *translator) escape() error {
	if t.pos+1 == len(t.in) {
		return errors.New("Trailing backslash")
	}
	c := t.in[t.pos+1]
	if t.o.Escapes {
		if s, size := charEscape(t.in[t.pos:], t.o.Awk); size > 0 {
			t.pos += size
			t.literal(s)
			return nil
		}
	}
	if !t.o.Extended {
		switch c {
		case '(':
			t.pos += 2
			t.openGroup()
			return nil
		case ')':
			if len(t.open) == 0 {
				return errors.New("Unmatched ) or \\)")
			}
			t.pos += 2
			t.closeGroup()
			return nil
		case '|':
			t.pos += 2
			t.alternative()
			return nil
		case '{':
			return t.interval(2, `\}`)
		case '+', '?':
			t.pos += 2
			if t.atom < 0 {
				t.literal(string(c))
			} else {
				t.repeat(string(c))
			}
			return nil
		}
	}
	t.pos += 2
	switch {
	case c == 'w':
		t.class(wordClass, true)
	case c == 'W':
		t.class("[^0-9A-Za-z_]", false)
	case c == 's':
		t.class("["+spaceClass+"]", false)
	case c == 'S':
		t.class("[^"+spaceClass+"]", false)
	case c == 'b' && !t.o.Awk, c == 'y' && t.o.Awk:
		t.assertion(`\b`)
	case c == 'B':
		t.assertion(`\B`)
	case c == '<':
		t.wordStart()
	case c == '>':
		if t.wordAtom {
			t.assertion(`\b`)
		} else {
			t.backtrack = true
			t.assertion(`\b(?<=[0-9A-Za-z_])`)
		}
	case c == '`':
		t.assertion(`\A`)
	case c == '\'':
		t.assertion(`\z`)
	case c >= '1' && c <= '9' && !t.o.Awk:
		n := int(c - '0')
		if n > t.groups || !t.closed[n-1] {
			return errors.New("Invalid back reference")
		}
		t.backtrack = true
		t.class(`(?:\`+string(c)+`)`, false)
	default:
		_, size := utf8.DecodeRuneInString(t.in[t.pos-1:])
		t.pos += size - 1
		t.literal(t.in[t.pos-size : t.pos])
	}
	return nil
}

// wordStart adds \<. Go has no lookahead, which is not needed where a character of a word must follow.
func (t *translator) wordStart() {
	rest := t.in[t.pos:]
	if rest != "" && isWord(rest[0]) && !strings.ContainsAny(rest[1:min(len(rest), 3)], "*?{") || strings.HasPrefix(rest, `\w`) && !strings.HasPrefix(rest, `\w*`) {
		t.assertion(`\b`)
		return
	}
	t.backtrack = true
	t.assertion(`\b(?=[0-9A-Za-z_])`)
}

// charEscape reads an escape that stands for one character at the start of s; size 0 means that it is none.
func charEscape(s string, awk bool) (char string, size int) {
	if len(s) < 2 {
		return "", 0
	}
	number := func(from, digits, base int) (string, int) {
		end := from
		for end < len(s) && end < from+digits && strings.IndexByte("0123456789abcdef"[:base], s[end]|0x20) >= 0 {
			end++
		}
		if n, err := strconv.ParseUint(s[from:end], base, 16); err == nil {
			return string([]byte{byte(n)}), end
		}
		return "", 0
	}
	switch c := s[1]; c {
	case 'a':
		return "\a", 2
	case 'f':
		return "\f", 2
	case 'n':
		return "\n", 2
	case 'r':
		return "\r", 2
	case 't':
		return "\t", 2
	case 'v':
		return "\v", 2
	case 'x':
		return number(2, 2, 16)
	case 'b', '"', '/':
		if awk {
			return map[byte]string{'b': "\b", '"': `"`, '/': "/"}[c], 2
		}
	case 'd':
		if !awk {
			return number(2, 3, 10)
		}
	case 'o':
		if !awk {
			return number(2, 3, 8)
		}
	case 'c':
		if !awk && len(s) > 2 {
			up := s[2]
			if up >= 'a' && up <= 'z' {
				up -= 32
			}
			return string([]byte{up ^ 0x40}), 3
		}
	case '0', '1', '2', '3', '4', '5', '6', '7':
		if awk {
			return number(1, 3, 8)
		}
	}
	return "", 0
}
