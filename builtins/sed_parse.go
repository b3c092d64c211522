package builtins

import (
	"fmt"
	"strconv"
	"strings"
)

// The kinds of addresses.
const (
	sedNumber   = iota // 5
	sedStep            // 1~2
	sedLast            // $
	sedRegexp          // /re/
	sedZero            // 0, only in 0,/re/
	sedPlus            // addr,+5
	sedMultiple        // addr,~4
)

// sedAddress selects lines.
type sedAddress struct {
	kind, n, step int
	re            *Regexp // nil: the last one used
}

// sedCommand is a command of a script.
type sedCommand struct {
	from, to *sedAddress
	negate   bool
	name     byte
	text     []byte // a, i, c
	label    string // b, t, T, :
	jump     int    // where b, t, T and a { that does not apply go on, the index before the next command
	number   int    // q, Q, l; -1 without
	file     string // r, R; e's command
	write    string // w, W, s///w
	sub      *sedSubstitution
	bytes    *[256]byte // y
	wide     map[rune]rune

	active, begun bool // the state of the range
	end           int  // its last line, where that is a number
}

// sedLabelError is a label that is nowhere.
type sedLabelError string

func (l sedLabelError) Error() string {
	return fmt.Sprintf("can't find label for jump to `%s'", string(l))
}

// sedPart is a -e or a -f.
type sedPart struct{ name, text string }

// sedScript is a script being read.
type sedScript struct {
	parts                    []sedPart
	extended, posix, sandbox bool

	part     int
	s        string
	pos      int
	commands []*sedCommand
	blocks   []int
}

func (s *sedScript) fail(format string, args ...any) error {
	part := s.parts[min(s.part, len(s.parts)-1)]
	where := fmt.Sprintf("%s, char %d", part.name, s.pos)
	if strings.HasPrefix(part.name, "file ") {
		where = fmt.Sprintf("%s line %d", part.name, 1+strings.Count(s.s[:min(s.pos, len(s.s))], "\n"))
		if s.pos == 0 {
			where = fmt.Sprintf("%s line 0", part.name)
		}
	}
	return fmt.Errorf("%s: %s", where, fmt.Sprintf(format, args...))
}

func (s *sedScript) parse() ([]*sedCommand, error) {
	for s.part = 0; s.part < len(s.parts); s.part++ {
		s.s, s.pos = s.parts[s.part].text, 0
		for {
			for s.pos < len(s.s) && strings.IndexByte(" \t\n\v\f\r;", s.s[s.pos]) >= 0 {
				s.pos++
			}
			if s.pos >= len(s.s) {
				break
			}
			if err := s.command(); err != nil {
				return nil, err
			}
		}
	}
	s.part = 0
	if len(s.blocks) > 0 {
		s.pos = 0
		return nil, s.fail("unmatched `{'")
	}
	labels := map[string]int{}
	for i, c := range s.commands {
		if c.name == ':' {
			labels[c.label] = i
		}
	}
	for _, c := range s.commands {
		if c.name == 'b' || c.name == 't' || c.name == 'T' {
			at, ok := labels[c.label]
			switch {
			case c.label == "":
				c.jump = len(s.commands)
			case !ok:
				return nil, sedLabelError(c.label)
			default:
				c.jump = at
			}
		}
	}
	return s.commands, nil
}

func (s *sedScript) peek() byte {
	if s.pos < len(s.s) {
		return s.s[s.pos]
	}
	return 0
}

func (s *sedScript) blanks() {
	for s.pos < len(s.s) && (s.s[s.pos] == ' ' || s.s[s.pos] == '\t') {
		s.pos++
	}
}

func (s *sedScript) number() (int, bool) {
	start := s.pos
	for s.pos < len(s.s) && s.s[s.pos] >= '0' && s.s[s.pos] <= '9' {
		s.pos++
	}
	n, err := strconv.Atoi(s.s[start:s.pos])
	return n, err == nil
}

// address reads an address; nil if there is none.
func (s *sedScript) address(second bool) (*sedAddress, error) {
	c := s.peek()
	switch {
	case c >= '0' && c <= '9':
		n, _ := s.number()
		s.blanks()
		if s.peek() == '~' && !second {
			s.pos++
			step, _ := s.number()
			return &sedAddress{kind: sedStep, n: n, step: step}, nil
		}
		if n == 0 && !second {
			return &sedAddress{kind: sedZero}, nil
		}
		return &sedAddress{kind: sedNumber, n: n}, nil
	case c == '$':
		s.pos++
		return &sedAddress{kind: sedLast}, nil
	case second && (c == '+' || c == '~'):
		s.pos++
		n, ok := s.number()
		if !ok {
			return nil, s.fail("expected number") // GNU reads it as 0
		}
		if c == '+' {
			return &sedAddress{kind: sedPlus, n: n}, nil
		}
		return &sedAddress{kind: sedMultiple, n: n}, nil
	case c == '/' || c == '\\':
		if c == '\\' {
			s.pos++
		}
		delim := s.peek()
		s.pos++
		text, ok := s.delimited(delim, true)
		if !ok {
			return nil, s.fail("unterminated address regex")
		}
		o := RegexpOptions{}
		for s.peek() == 'I' || s.peek() == 'M' {
			o.IgnoreCase = o.IgnoreCase || s.peek() == 'I'
			o.Multiline = o.Multiline || s.peek() == 'M'
			s.pos++
		}
		re, err := s.compile(text, o)
		return &sedAddress{kind: sedRegexp, re: re}, err
	}
	return nil, nil
}

func (s *sedScript) compile(text string, o RegexpOptions) (*Regexp, error) {
	if text == "" {
		return nil, nil
	}
	o.Extended, o.Escapes = s.extended, true
	re, err := CompileRegexp(text, o)
	if err != nil {
		return nil, s.fail("%s", err)
	}
	return re, nil
}

// delimited reads up to an unquoted delimiter. A quoted delimiter loses its backslash.
func (s *sedScript) delimited(delim byte, regex bool) (string, bool) {
	var b strings.Builder
	bracket := false
	for ; s.pos < len(s.s); s.pos++ {
		c := s.s[s.pos]
		switch {
		case c == delim && !bracket:
			s.pos++
			return b.String(), true
		case c == '\\' && s.pos+1 < len(s.s) && !bracket:
			s.pos++
			next := s.s[s.pos]
			switch {
			case next == delim && delim != 'n':
				if !regex && delim == '&' || regex && strings.IndexByte(".*[]^$+?(){}|", delim) >= 0 {
					// The character for itself: s+a\+b+x+ means a plain plus, s|a\|b|x| a plain bar.
					if regex && (strings.IndexByte("+?(){}|", delim) < 0 || s.extended) || !regex {
						b.WriteByte('\\')
					}
				}
				b.WriteByte(next)
			case next == '\n' && regex:
				b.WriteByte('\n')
			default:
				b.WriteByte('\\')
				b.WriteByte(next)
			}
			continue
		case regex && c == '[' && !bracket:
			bracket = true
			b.WriteByte(c)
			// A ] that comes first is a member.
			for _, member := range "^]" {
				if s.pos+1 < len(s.s) && s.s[s.pos+1] == byte(member) {
					s.pos++
					b.WriteByte(byte(member))
				}
			}
			continue
		case bracket && c == '[' && s.pos+1 < len(s.s) && strings.IndexByte(":.=", s.s[s.pos+1]) >= 0:
			if end := strings.Index(s.s[s.pos+2:], s.s[s.pos+1:s.pos+2]+"]"); end >= 0 {
				b.WriteString(s.s[s.pos : s.pos+end+4])
				s.pos += end + 3
				continue
			}
		case bracket && c == '\\' && s.pos+1 < len(s.s) && s.s[s.pos+1] == delim:
			continue
		case bracket && c == ']':
			bracket = false
		}
		b.WriteByte(c)
	}
	return "", false
}

func (s *sedScript) command() error {
	c := &sedCommand{number: -1}
	var err error
	if c.from, err = s.address(false); err != nil {
		return err
	}
	s.blanks()
	if c.from != nil && s.peek() == ',' {
		s.pos++
		s.blanks()
		if c.to, err = s.address(true); err != nil {
			return err
		}
		if c.to == nil {
			s.pos = min(s.pos+1, len(s.s))
			return s.fail("unexpected `,'")
		}
		s.blanks()
	}
	if c.from != nil && c.from.kind == sedZero && (c.to == nil || c.to.kind != sedRegexp) {
		s.pos = min(s.pos+1, len(s.s))
		return s.fail("invalid usage of line address 0")
	}
	for s.peek() == '!' {
		s.pos++
		if c.negate {
			s.pos = min(s.pos+1, len(s.s))
			return s.fail("multiple `!'s")
		}
		c.negate = true
		s.blanks()
		if s.peek() == '!' {
			s.pos++
			return s.fail("multiple `!'s")
		}
	}
	if s.pos >= len(s.s) {
		return s.fail("missing command")
	}
	c.name = s.s[s.pos]
	s.pos++
	if err := s.arguments(c); err != nil {
		return err
	}
	if c.name != '#' {
		s.commands = append(s.commands, c)
	}
	return nil
}

func (s *sedScript) arguments(c *sedCommand) error {
	switch c.name {
	case '#':
		if c.from != nil {
			return s.fail("comments don't accept any addresses")
		}
		for s.pos < len(s.s) && s.s[s.pos] != '\n' {
			s.pos++
		}
		return nil
	case '{':
		s.blocks = append(s.blocks, len(s.commands))
		return nil
	case '}':
		if len(s.blocks) == 0 {
			return s.fail("unexpected `}'")
		}
		if c.from != nil {
			return s.fail("} doesn't want any addresses")
		}
		last := len(s.blocks) - 1
		s.commands[s.blocks[last]].jump = len(s.commands)
		s.blocks = s.blocks[:last]
		return s.end()
	case ':':
		if c.from != nil {
			return s.fail(": doesn't want any addresses")
		}
		s.blanks()
		start := s.pos
		for s.pos < len(s.s) && strings.IndexByte(" \t\n;", s.s[s.pos]) < 0 {
			s.pos++
		}
		if c.label = s.s[start:s.pos]; c.label == "" {
			return s.fail("\":\" lacks a label")
		}
		return nil
	case 'b', 't', 'T':
		s.blanks()
		start := s.pos
		for s.pos < len(s.s) && strings.IndexByte(" \t\n;}", s.s[s.pos]) < 0 {
			s.pos++
		}
		c.label = s.s[start:s.pos]
		return s.end()
	case 'a', 'i', 'c':
		return s.textArgument(c)
	case 'r', 'R', 'w', 'W', 'e':
		if s.sandbox {
			return s.fail("e/r/w commands disabled in sandbox mode")
		}
		s.blanks()
		name := s.restOfLine()
		if name == "" && c.name != 'e' {
			return s.fail("missing filename in r/R/w/W commands")
		}
		if c.name == 'w' || c.name == 'W' {
			c.write = name
		} else {
			c.file = name
		}
		return nil
	case 'q', 'Q', 'l', 'L':
		if c.to != nil && c.name != 'l' {
			return s.fail("command only uses one address")
		}
		s.blanks()
		if n, ok := s.number(); ok {
			c.number = n
		}
		return s.end()
	case 's':
		if err := s.substitution(c); err != nil {
			return err
		}
		return nil
	case 'y':
		return s.transliteration(c)
	case '=', 'd', 'D', 'F', 'g', 'G', 'h', 'H', 'n', 'N', 'p', 'P', 'x', 'z':
		return s.end()
	}
	return s.fail("unknown command: `%c'", c.name)
}

// end makes sure that a command is over.
func (s *sedScript) end() error {
	s.blanks()
	switch c := s.peek(); {
	case s.pos >= len(s.s) || c == '}' || c == '#':
		return nil
	case c == ';' || c == '\n' || c == '\r':
		s.pos++
		return nil
	}
	s.pos++
	return s.fail("extra characters after command")
}

func (s *sedScript) restOfLine() string {
	end := strings.IndexByte(s.s[s.pos:], '\n')
	if end < 0 {
		end = len(s.s) - s.pos
	}
	text := s.s[s.pos : s.pos+end]
	s.pos += end
	return text
}
