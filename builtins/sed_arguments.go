package builtins

import "unicode/utf8"

// textArgument reads the text of a, i and c: after a backslash and a newline, or on the same line.
func (s *sedScript) textArgument(c *sedCommand) error {
	s.blanks()
	if s.pos >= len(s.s) {
		return s.fail("expected \\ after `a', `c' or `i'")
	}
	if s.peek() == '\\' {
		s.pos++
		at := s.pos
		s.blanks()
		if s.peek() == '\n' {
			s.pos++
		} else if s.pos >= len(s.s) && s.part+1 < len(s.parts) {
			// -e 'a\' -e 'text'
			s.part++
			s.s, s.pos = s.parts[s.part].text, 0
		} else if s.pos >= len(s.s) {
			return s.fail("expected \\ after `a', `c' or `i'")
		} else {
			s.pos = at
		}
	}
	for s.pos < len(s.s) && s.s[s.pos] != '\n' {
		ch := s.s[s.pos]
		if ch == '\\' {
			if s.pos+1 == len(s.s) {
				s.pos++
				if s.part+1 < len(s.parts) {
					c.text = append(c.text, '\n')
					s.part++
					s.s, s.pos = s.parts[s.part].text, 0
				}
				continue
			}
			if char, size := charEscape(s.s[s.pos:], false); size > 0 {
				c.text = append(c.text, char...)
				s.pos += size
				continue
			}
			s.pos++
			ch = s.s[s.pos]
		}
		c.text = append(c.text, ch)
		s.pos++
	}
	c.text = append(c.text, '\n')
	return nil
}

func (s *sedScript) substitution(c *sedCommand) error {
	delim := s.peek()
	if s.pos >= len(s.s) || delim == '\n' || delim == '\\' {
		return s.fail("unterminated `s' command")
	}
	s.pos++
	pattern, ok := s.delimited(delim, true)
	replacement := ""
	if ok {
		replacement, ok = s.delimited(delim, false)
	}
	if !ok {
		s.pos = len(s.s)
		return s.fail("unterminated `s' command")
	}
	sub := &sedSubstitution{number: 1}
	c.sub = sub
	o := RegexpOptions{}
	numbered := false
	for done := false; !done; {
		switch f := s.peek(); {
		case s.pos >= len(s.s):
			done = true
			continue
		case f == 'g' && !sub.global:
			sub.global = true
		case f == 'p' && sub.print == 0:
			sub.print = 1
		case f == 'i' || f == 'I':
			o.IgnoreCase = true
		case f == 'm' || f == 'M':
			o.Multiline = true
		case f == 'e':
			if s.sandbox {
				return s.fail("e/r/w commands disabled in sandbox mode")
			}
			sub.eval = true
		case f >= '0' && f <= '9':
			n, _ := s.number()
			if numbered {
				return s.fail("multiple number options to `s' command")
			}
			if n == 0 {
				return s.fail("number option to `s' command may not be zero")
			}
			sub.number, numbered = n, true
			continue
		case f == 'w':
			if s.sandbox {
				return s.fail("e/r/w commands disabled in sandbox mode")
			}
			s.pos++
			s.blanks()
			if c.write = s.restOfLine(); c.write == "" {
				return s.fail("missing filename in r/R/w/W commands")
			}
			done = true
			continue
		case f == 'g':
			s.pos++
			return s.fail("multiple `g' options to `s' command")
		case f == 'p':
			s.pos++
			return s.fail("multiple `p' options to `s' command")
		case f == ';' || f == '\n' || f == '}' || f == '#' || f == ' ' || f == '\t' || f == '\r':
			if err := s.end(); err != nil {
				return s.fail("unknown option to `s'")
			}
			done = true
			continue
		default:
			s.pos++
			return s.fail("unknown option to `s'")
		}
		s.pos++
	}
	var err error
	if sub.re, err = s.compile(pattern, o); err != nil {
		return err
	}
	if err := sub.parseReplacement(replacement); err != nil {
		return s.fail("%s", err)
	}
	return nil
}

func (s *sedScript) transliteration(c *sedCommand) error {
	delim := s.peek()
	s.pos++
	from, ok := s.delimited(delim, false)
	to := ""
	if ok {
		to, ok = s.delimited(delim, false)
	}
	if !ok {
		s.pos = len(s.s)
		return s.fail("unterminated `y' command")
	}
	read := func(text string) (all []rune, wide bool) {
		for len(text) > 0 {
			r, size := utf8.DecodeRuneInString(text)
			if text[0] == '\\' && len(text) > 1 {
				if char, n := charEscape(text, false); n > 0 {
					r, size = rune(char[0]), n
				} else {
					r, size = rune(text[1]), 2
				}
			}
			wide = wide || r >= utf8.RuneSelf
			all, text = append(all, r), text[size:]
		}
		return all, wide
	}
	a, wideA := read(from)
	b, wideB := read(to)
	if len(a) != len(b) {
		return s.fail("strings for `y' command are different lengths")
	}
	if wideA || wideB {
		c.wide = map[rune]rune{}
		for i, r := range a {
			c.wide[r] = b[i]
		}
		return s.end()
	}
	c.bytes = new([256]byte)
	for i := range c.bytes {
		c.bytes[i] = byte(i)
	}
	for i, r := range a {
		c.bytes[r] = byte(b[i])
	}
	return s.end()
}
