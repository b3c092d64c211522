package shell

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// quoteSingle quotes as bash's ${x@Q} does: in single quotes, or as $'…' with control characters.
func quoteSingle(s string) string {
	if hasControl(s) {
		return quoteANSI(s)
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func hasControl(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] == 0x7f {
			return true
		}
	}
	return !utf8.ValidString(s)
}

// quoteANSI quotes as $'…'.
func quoteANSI(s string) string {
	var b strings.Builder
	b.WriteString("$'")
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '\n':
			b.WriteString(`\n`)
		case '\t':
			b.WriteString(`\t`)
		case '\r':
			b.WriteString(`\r`)
		case '\a':
			b.WriteString(`\a`)
		case '\b':
			b.WriteString(`\b`)
		case '\f':
			b.WriteString(`\f`)
		case '\v':
			b.WriteString(`\v`)
		case 0x1b:
			b.WriteString(`\E`)
		case '\\':
			b.WriteString(`\\`)
		case '\'':
			b.WriteString(`\'`)
		default:
			if r, size := utf8.DecodeRuneInString(s[i:]); r == utf8.RuneError && size == 1 || c < ' ' || c == 0x7f {
				fmt.Fprintf(&b, `\%03o`, c)
			} else {
				b.WriteString(s[i : i+size])
				i += size - 1
			}
		}
	}
	b.WriteByte('\'')
	return b.String()
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// quoteBytes is quoteANSI for a locale in which no character has more than one byte.
func quoteBytes(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c >= utf8.RuneSelf {
			fmt.Fprintf(&b, `\%03o`, c)
			continue
		}
		text := quoteANSI(string(rune(c)))
		b.WriteString(text[2 : len(text)-1])
	}
	return "$'" + b.String() + "'"
}

// quoteBackslash quotes as printf %q does.
func quoteBackslash(s string) string {
	if s == "" {
		return "''"
	}
	if hasControl(s) {
		return quoteANSI(s)
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if strings.IndexByte(" !\"$&'()*,;<>?[\\]^`{|}", c) >= 0 || i == 0 && (c == '~' || c == '#') ||
			c == '~' && i > 0 && (s[i-1] == ':' || s[i-1] == '=') {
			b.WriteByte('\\')
		}
		b.WriteByte(c)
	}
	return b.String()
}

// quoteDouble quotes a value as declare -p prints it.
func quoteDouble(s string) string {
	if hasControl(s) {
		return quoteANSI(s)
	}
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(s); i++ {
		if strings.IndexByte("\"$\\`", s[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	b.WriteByte('"')
	return b.String()
}

// quoteKey quotes a subscript as declare -p prints it.
func quoteKey(s string) string {
	if s != "" && s != "@" && s != "*" && !strings.ContainsAny(s, " \t\n!\"$&'()*;<>?[\\]^`{|}#~,") && !hasControl(s) {
		return s
	}
	return quoteDouble(s)
}

// quotePlain quotes in single quotes, whatever is in it.
func quotePlain(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// quoteSet quotes a value as `set` and `alias` of bash print it: only where it must be.
func quoteSet(s string) string {
	if hasControl(s) {
		return quoteANSI(s)
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if strings.IndexByte(" \"$&'()*;<>?[\\]^`{|}!", c) >= 0 || i == 0 && (c == '~' || c == '#') {
			return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
		}
	}
	return s
}

// quotePOSIX quotes as dash prints values: in single quotes, and runs of single quotes in double ones.
func quotePOSIX(s string) string {
	if s == "" {
		return "''"
	}
	var b strings.Builder
	for s != "" {
		n := strings.IndexByte(s, '\'')
		if n < 0 {
			n = len(s)
		}
		if n > 0 {
			b.WriteString("'" + s[:n] + "'")
			s = s[n:]
		}
		if n = len(s) - len(strings.TrimLeft(s, "'")); n > 0 {
			b.WriteString(`"` + s[:n] + `"`)
			s = s[n:]
		}
	}
	return b.String()
}

// ansiStyle says which escapes are known.
type ansiStyle uint8

const (
	ansiC      ansiStyle = iota // $'…'
	ansiEcho                    // echo -e: octal is \0nnn, \c ends
	ansiPrintf                  // the format of printf: octal is \nnn
	ansiB                       // printf %b: both octals, \c ends

	ansiPOSIX ansiStyle = 8 // with one of these: as dash has it, without \u and with \nnn everywhere
)

// unescapeANSI replaces backslash escapes; stop says that \c was met, which ends all output.
func unescapeANSI(s string, style ansiStyle, isUTF8 bool) (text string, stop bool) {
	if strings.IndexByte(s, '\\') < 0 {
		return s, false
	}
	dash := style&ansiPOSIX != 0
	style &^= ansiPOSIX
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 >= len(s) {
			out = append(out, s[i])
			continue
		}
		i++
		switch c := s[i]; c {
		case 'a':
			out = append(out, '\a')
		case 'b':
			out = append(out, '\b')
		case 'e', 'E':
			out = append(out, 0x1b)
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'v':
			out = append(out, '\v')
		case '\\':
			out = append(out, '\\')
		case '\'', '"', '?':
			if style == ansiC || style == ansiPrintf && c != '\'' || style == ansiB && c != '?' {
				out = append(out, c)
			} else {
				out = append(out, '\\', c)
			}
		case '0', '1', '2', '3', '4', '5', '6', '7':
			digits := 3
			if c == '0' && (style == ansiEcho || style == ansiB) {
				digits = 4
			} else if style == ansiEcho && !dash {
				out = append(out, '\\', c)
				continue
			}
			n, used := digitsOf(s[i:], 8, digits)
			out = append(out, byte(n))
			i += used - 1
		case 'x':
			n, used := digitsOf(s[i+1:], 16, 2)
			if used == 0 {
				out = append(out, '\\', 'x')
				continue
			}
			out = append(out, byte(n))
			i += used
		case 'u', 'U':
			most := 4
			if c == 'U' {
				most = 8
			}
			if dash {
				out = append(out, '\\', c)
				continue
			}
			n, used := digitsOf(s[i+1:], 16, most)
			if used == 0 {
				out = append(out, '\\', c)
				continue
			}
			i += used
			if n >= utf8.RuneSelf && !isUTF8 {
				// A character that the locale does not have.
				if n > 0xFFFF {
					out = fmt.Appendf(out, `\U%08X`, n)
				} else {
					out = fmt.Appendf(out, `\u%04X`, n)
				}
				continue
			}
			out = utf8.AppendRune(out, rune(n))
		case 'c':
			if style == ansiC {
				if i+1 < len(s) {
					i++
					out = append(out, s[i]&0x1f)
				}
				continue
			}
			if style == ansiPrintf {
				out = append(out, '\\', 'c')
				continue
			}
			return string(out), true
		default:
			out = append(out, '\\', c)
		}
	}
	if style == ansiC {
		if i := strings.IndexByte(string(out), 0); i >= 0 {
			out = out[:i]
		}
	}
	return string(out), false
}

// style is that of echo or printf in the dialect of the shell.
func (sh *shell) style(s ansiStyle) ansiStyle {
	if sh.posix() {
		return s | ansiPOSIX
	}
	return s
}

// digitsOf reads up to most digits of a base.
func digitsOf(s string, base, most int) (n, used int) {
	for used < most && used < len(s) {
		d, err := strconv.ParseInt(s[used:used+1], base, 8)
		if err != nil {
			break
		}
		n = n*base + int(d)
		used++
	}
	return n, used
}
