package builtins

import "strings"

// trueCommand and falseCommand do nothing.
func trueCommand(*Process) int  { return 0 }
func falseCommand(*Process) int { return 1 }

func echo(p *Process) int {
	args := p.Args[1:]
	newline, escapes := true, false
	for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' && strings.Trim(args[0][1:], "neE") == "" {
		for _, c := range args[0][1:] {
			switch c {
			case 'n':
				newline = false
			default:
				escapes = c == 'e'
			}
		}
		args = args[1:]
	}
	out := p.output()
	for i, arg := range args {
		if i > 0 {
			out.WriteByte(' ')
		}
		if !escapes {
			out.WriteString(arg)
			continue
		}
		text, stop := unescape(arg, true)
		out.WriteString(text)
		if stop {
			return out.finish(0)
		}
	}
	if newline {
		out.WriteByte('\n')
	}
	return out.finish(0)
}

// unescape replaces backslash escapes as echo -e and printf's %b do; stop says that a \c ends the output. In a printf
// format an octal number needs no leading zero (zeroFirst is false).
func unescape(s string, zeroFirst bool) (text string, stop bool) {
	if !strings.Contains(s, `\`) {
		return s, false
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		char, size, stop := escapeAt(s[i:], zeroFirst)
		if stop {
			return b.String(), true
		}
		b.WriteString(char)
		i += size - 1
	}
	return b.String(), false
}

// escapeAt reads the escape that s begins with.
func escapeAt(s string, zeroFirst bool) (char string, size int, stop bool) {
	number := func(from, most, base int) (int, int) {
		n, i := 0, from
		for i < len(s) && i < from+most {
			d := strings.IndexByte("0123456789abcdef"[:base], s[i]|boolByte(s[i] > '9', 0x20))
			if d < 0 {
				break
			}
			n, i = n*base+d, i+1
		}
		return n, i
	}
	switch c := s[1]; c {
	case 'c':
		return "", 2, true
	case 'a', 'b', 'f', 'n', 'r', 't', 'v', '\\':
		return string("\a\b\f\n\r\t\v\\"[strings.IndexByte(`abfnrtv\`, c)]), 2, false
	case 'e':
		return "\x1b", 2, false
	case 'x':
		n, end := number(2, 2, 16)
		if end == 2 {
			return s[:2], 2, false
		}
		return string([]byte{byte(n)}), end, false
	case 'u', 'U':
		most := 4
		if c == 'U' {
			most = 8
		}
		if n, end := number(2, most, 16); end > 2 && !zeroFirst {
			return string(rune(n)), end, false
		}
	case '"':
		if !zeroFirst {
			return `"`, 2, false
		}
	case '0':
		if zeroFirst {
			n, end := number(2, 3, 8)
			return string([]byte{byte(n)}), end, false
		}
		fallthrough
	case '1', '2', '3', '4', '5', '6', '7':
		n, end := number(1, 3, 8)
		return string([]byte{byte(n)}), end, false
	}
	return s[:2], 2, false
}

func boolByte(b bool, v byte) byte {
	if b {
		return v
	}
	return 0
}

// yes writes a line until its reader has enough.
func yes(p *Process) int {
	args := p.Args[1:]
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	line := "y\n"
	if len(args) > 0 {
		line = strings.Join(args, " ") + "\n"
	}
	block := strings.Repeat(line, max(blockSize/4/len(line), 1))
	out := p.output()
	for {
		if _, err := out.WriteString(block); err != nil {
			return out.finish(1)
		}
	}
}
