package builtins

import (
	"bytes"
	"fmt"
	"io"
)

// grepSearch is the search through one input.
type grepSearch struct {
	*grepCall
	name     string
	left     int // lines that may still be selected, < 0: any number
	selected int
	line     int
	at       int64 // offset of the line
	binary   bool
	told     bool     // that a binary file matches
	held     [][]byte // the lines before, for -B
	heldAt   []int64
	tail     int // lines of -A still to print
	last     int // number of the last line that was printed, -1 if none was
}

func (s *grepSearch) run(r io.Reader) error {
	lines := s.lines
	lines.reset(r)
	if err := lines.fill(); err != nil {
		return err
	}
	looks := s.grepCall.binary != "text" && !s.zero
	if looks {
		s.binary = isBinary(lines.peek())
	}
	if s.binary && s.grepCall.binary == "without-match" {
		return nil
	}
	printing := !s.count && !s.list && !s.listWithout && !s.quiet
	must := s.required()
	for {
		if must != nil && s.tail == 0 {
			s.pass(must, looks)
		}
		line, ended, err := lines.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		s.line++
		if looks && !s.binary && isBinary(line) {
			s.binary = true
		}
		if s.left != 0 && s.matchLine(line) != s.invert {
			s.left--
			s.selected++
			if s.quiet || s.list || s.listWithout {
				return nil
			}
			if printing {
				if s.binary {
					if !s.told {
						s.told = true
						s.out.Flush()
						s.p.Errorf("%s: binary file matches", s.name)
					}
					return nil
				}
				s.context()
				s.print(line, s.line, s.at, ':')
				s.tail = s.after
			}
			if s.left == 0 && (s.after == 0 || !printing) {
				return nil
			}
		} else if printing && !s.binary {
			if s.tail > 0 {
				s.tail--
				s.print(line, s.line, s.at, '-')
				if s.left == 0 && s.tail == 0 {
					return nil
				}
			} else if s.before > 0 {
				if len(s.held) == s.before {
					s.held, s.heldAt = s.held[1:], s.heldAt[1:]
				}
				s.held, s.heldAt = append(s.held, bytes.Clone(line)), append(s.heldAt, s.at)
			}
		}
		s.at += int64(len(line))
		if ended {
			s.at++
		}
		if s.byLine {
			s.out.Flush()
		}
		if s.out.broken() {
			return nil
		}
	}
}

// required is a text that every line to be selected contains; nil if there is none, or every line must be looked at.
func (s *grepSearch) required() []byte {
	if s.invert || s.before > 0 || s.after > 0 || s.left == 0 || len(s.match.res) != 1 || s.match.every {
		return nil
	}
	re := s.match.res[0]
	if len(re.literal) > 0 {
		return re.literal
	}
	if len(re.must) > 0 {
		return re.must
	}
	return nil
}

// pass goes over the whole lines in the buffer that lack the required text.
func (s *grepSearch) pass(must []byte, looks bool) {
	block := s.lines.peek()
	end := len(block)
	if at := bytes.Index(block, must); at >= 0 {
		end = at
	}
	end = bytes.LastIndexByte(block[:end], s.lines.delim) + 1
	if end == 0 {
		return
	}
	if s.number {
		s.line += bytes.Count(block[:end], []byte{s.lines.delim})
	}
	if looks && !s.binary {
		s.binary = isBinary(block[:end])
	}
	s.at += int64(end)
	s.lines.skip(end)
}

// context prints what is held, and "--" where lines have been left out.
func (s *grepSearch) context() {
	first := s.line - len(s.held)
	if (s.before > 0 || s.after > 0) && s.last >= 0 && first > s.last+1 && !s.only {
		s.out.WriteString(s.paint("36", "--") + "\n")
	}
	if s.last < 0 && s.grepCall.matched && (s.before > 0 || s.after > 0) {
		s.out.WriteString(s.paint("36", "--") + "\n")
	}
	for i, line := range s.held {
		s.print(line, first+i, s.heldAt[i], '-')
	}
	s.held, s.heldAt = s.held[:0], s.heldAt[:0]
}

// print writes a selected line (sep ':') or one of its context ('-').
func (s *grepSearch) print(line []byte, number int, at int64, sep byte) {
	s.last = number
	delim := byte('\n')
	if s.zero {
		delim = 0
	}
	if s.only {
		if sep == '-' || s.invert {
			return
		}
		for _, m := range s.match.find(line) {
			if m[1] > m[0] {
				s.prefix(number, at+int64(m[0]), sep)
				s.out.WriteString(s.paint("01;31", string(line[m[0]:m[1]])))
				s.out.WriteByte(delim)
			}
		}
		return
	}
	s.prefix(number, at, sep)
	if s.color && sep == ':' && !s.invert {
		end := 0
		for _, m := range s.match.find(line) {
			if m[1] > m[0] {
				s.out.Write(line[end:m[0]])
				s.out.WriteString(s.paint("01;31", string(line[m[0]:m[1]])))
				end = m[1]
			}
		}
		line = line[end:]
	}
	s.out.line(line, delim)
}

func (s *grepSearch) prefix(number int, at int64, sep byte) {
	mark := s.paint("36", string(sep))
	if s.withName {
		s.out.WriteString(s.paint("35", s.name) + s.after0(mark))
	}
	width := 0
	if s.initialTab {
		width = 2
	}
	if s.number {
		s.out.WriteString(s.paint("32", fmt.Sprintf("%*d", width, number)) + mark)
	}
	if s.offset {
		s.out.WriteString(s.paint("32", fmt.Sprintf("%*d", width, at)) + mark)
	}
	if s.initialTab && (s.withName || s.number || s.offset) {
		s.out.WriteByte('\t')
	}
}
