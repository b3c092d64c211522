package builtins

import (
	"bytes"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// sedReplacement is a part of the right side of s: a text or a group, and before it a change of case.
type sedReplacement struct {
	text  []byte
	group int  // -1: text
	shift byte // U L u l E, or 0
}

// sedSubstitution is an s command.
type sedSubstitution struct {
	re     *Regexp // nil: the last one used
	parts  []sedReplacement
	global bool
	number int // the first match that is replaced, from 1
	print  int
	eval   bool
	cased  bool
}

func (e *sedEditor) substitute(c *sedCommand) error {
	s := c.sub
	re, err := e.regexp(s.re)
	if err != nil {
		return err
	}
	limit := s.number
	if s.global {
		limit = 0
	}
	var all [][]int
	if limit == 1 {
		if loc := re.Find(e.space); loc != nil {
			all = [][]int{loc}
		}
	} else {
		all = re.FindAll(e.space, limit)
	}
	if len(all) < s.number {
		return nil
	}
	result := make([]byte, 0, len(e.space)+64)
	end := 0
	for _, loc := range all[s.number-1:] {
		result = append(result, e.space[end:loc[0]]...)
		if s.cased {
			result = s.expandCased(result, e.space, loc)
		} else {
			for _, part := range s.parts {
				result = append(result, part.value(e.space, loc)...)
			}
		}
		end = loc[1]
	}
	e.space = append(result, e.space[end:]...)
	e.replaced = true
	if s.eval {
		if err := e.execute(&sedCommand{}); err != nil {
			return err
		}
	}
	for range s.print {
		e.emit(e.space, e.ended)
	}
	if c.write != "" {
		e.write(c.write, e.space)
	}
	return nil
}

func (r sedReplacement) value(space []byte, loc []int) []byte {
	switch {
	case r.group < 0:
		return r.text
	case 2*r.group+1 < len(loc) && loc[2*r.group] >= 0:
		return space[loc[2*r.group]:loc[2*r.group+1]]
	}
	return nil
}

// expandCased applies \U, \L, \E until the next of them, \u and \l to the next character.
func (s *sedSubstitution) expandCased(result, space []byte, loc []int) []byte {
	lasting, once := byte(0), byte(0)
	for _, part := range s.parts {
		switch part.shift {
		case 'U', 'L':
			lasting = part.shift
		case 'E':
			lasting = 0
		case 'u', 'l':
			once = part.shift
		}
		value := part.value(space, loc)
		if len(value) == 0 {
			continue
		}
		head := value[:0]
		if once != 0 {
			r, size := utf8.DecodeRune(value)
			head, value = value[:size], value[size:]
			if r != utf8.RuneError || size > 1 {
				if once == 'u' {
					r = unicode.ToUpper(r)
				} else {
					r = unicode.ToLower(r)
				}
				head = utf8.AppendRune(nil, r)
			}
			once = 0
		}
		result = append(result, head...)
		switch lasting {
		case 'U':
			value = bytes.ToUpper(value)
		case 'L':
			value = bytes.ToLower(value)
		}
		result = append(result, value...)
	}
	return result
}

// parseReplacement takes the right side of s apart.
func (s *sedSubstitution) parseReplacement(text string) error {
	var literal []byte
	shift := byte(0)
	flush := func() {
		if len(literal) > 0 || shift != 0 {
			s.parts = append(s.parts, sedReplacement{text: literal, group: -1, shift: shift})
			literal, shift = nil, 0
		}
	}
	group := func(n int) {
		flush()
		s.parts = append(s.parts, sedReplacement{group: n})
	}
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '&':
			group(0)
		case c != '\\' || i+1 == len(text):
			literal = append(literal, c)
		default:
			next := text[i+1]
			switch {
			case next >= '0' && next <= '9':
				if n := int(next - '0'); s.re != nil && n > s.re.Groups() {
					return fmt.Errorf("invalid reference \\%d on `s' command's RHS", n)
				}
				group(int(next - '0'))
				i++
			case next == 'U' || next == 'L' || next == 'u' || next == 'l' || next == 'E':
				flush()
				shift, s.cased = next, true
				i++
			default:
				if char, size := charEscape(text[i:], false); size > 0 {
					literal = append(literal, char...)
					i += size - 1
				} else {
					literal = append(literal, next)
					i++
				}
			}
		}
	}
	flush()
	return nil
}
