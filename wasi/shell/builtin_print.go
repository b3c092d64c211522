package shell

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

func (sh *shell) echo(args []string) int {
	args = args[1:]
	newline, escapes := true, sh.posix() || sh.shopts.xpgEcho
	for len(args) > 0 {
		a := args[0]
		if len(a) < 2 || a[0] != '-' || sh.bash && strings.Trim(a[1:], "neE") != "" || sh.posix() && a != "-n" && a != "-e" && a != "-ne" && a != "-en" {
			break
		}
		for _, c := range a[1:] {
			switch c {
			case 'n':
				newline = false
			case 'e':
				escapes = true
			case 'E':
				escapes = false
			}
		}
		args = args[1:]
	}
	for i, a := range args {
		if i > 0 {
			sh.out = append(sh.out, ' ')
		}
		if escapes {
			text, stop := unescapeANSI(a, sh.style(ansiEcho), sh.utf8)
			sh.put(text)
			if stop {
				return 0
			}
			continue
		}
		sh.put(a)
	}
	if newline {
		sh.out = append(sh.out, '\n')
	}
	return 0
}

func (sh *shell) printf(args []string) int {
	rest := args[1:]
	variable := ""
	if sh.bash && len(rest) > 0 && strings.HasPrefix(rest[0], "-v") {
		switch {
		case len(rest[0]) > 2:
			variable, rest = rest[0][2:], rest[1:]
		case len(rest) > 1:
			variable, rest = rest[1], rest[2:]
		default:
			sh.errorf("printf: -v: option requires an argument")
			sh.writeError(usageOf("printf"))
			return 2
		}
		if base, _, _ := splitSubscript(variable); !validName(base) {
			sh.errorf("printf: `%s': not a valid identifier", variable)
			return 2
		}
	}
	if len(rest) > 0 && rest[0] == "--" {
		rest = rest[1:]
	} else if len(rest) > 0 && len(rest[0]) > 1 && rest[0][0] == '-' && sh.bash {
		return sh.badOption("printf", rest[0][:2])
	}
	if len(rest) == 0 {
		if sh.posix() {
			return sh.misuse(2, "printf: usage: printf format [arg ...]")
		}
		sh.writeError(usageOf("printf"))
		return 2
	}
	f := formatter{sh: sh, format: rest[0], args: rest[1:]}
	f.run()
	if variable != "" {
		sh.assignNamed(variable, string(f.out))
		return f.status
	}
	sh.put(string(f.out))
	return f.status
}

// A formatter runs one printf.
type formatter struct {
	sh     *shell
	format string
	args   []string
	used   int
	out    []byte
	status int
	stop   bool
}

// run uses the format until the arguments are used up.
func (f *formatter) run() {
	for {
		before := f.used
		f.once()
		if f.stop || f.used >= len(f.args) || f.used == before {
			return
		}
		f.sh.gate()
		if len(f.out) > maxField {
			f.sh.fatal(2, "printf: more than %d bytes", maxField)
		}
	}
}

func (f *formatter) next() (string, bool) {
	if f.used < len(f.args) {
		f.used++
		return f.args[f.used-1], true
	}
	return "", false
}

func (f *formatter) once() {
	s := f.format
	for i := 0; i < len(s) && !f.stop; {
		switch {
		case s[i] == '\\':
			end := min(i+2, len(s))
			if end == i+2 {
				switch s[i+1] {
				case '0', '1', '2', '3', '4', '5', '6', '7':
					for end < len(s) && end < i+4 && s[end] >= '0' && s[end] <= '7' {
						end++
					}
				case 'x':
					for end < len(s) && end < i+4 && strings.IndexByte("0123456789abcdefABCDEF", s[end]) >= 0 {
						end++
					}
				case 'u', 'U':
					most := 6
					if s[i+1] == 'U' {
						most = 10
					}
					for end < len(s) && end < i+most && strings.IndexByte("0123456789abcdefABCDEF", s[end]) >= 0 {
						end++
					}
				}
			}
			text, _ := unescapeANSI(s[i:end], f.sh.style(ansiPrintf), f.sh.utf8)
			f.out = append(f.out, text...)
			i = end
		case s[i] == '%':
			i = f.directive(s, i)
		default:
			f.out = append(f.out, s[i])
			i++
		}
	}
}

// spec is a conversion: %-5.3d.
type spec struct {
	minus, plus, space, sharp, zero bool
	width, precision                int // precision -1: none
	verb                            byte
}

func (f *formatter) directive(s string, i int) int {
	start := i
	i++
	d := spec{precision: -1}
flags:
	for ; i < len(s); i++ {
		switch s[i] {
		case '-':
			d.minus = true
		case '+':
			d.plus = true
		case ' ':
			d.space = true
		case '#':
			d.sharp = true
		case '0':
			d.zero = true
		case '\'':
		default:
			break flags
		}
	}
	number := func() int {
		if i < len(s) && s[i] == '*' {
			i++
			text, _ := f.next()
			n, _ := f.integer(text)
			return int(n)
		}
		n := 0
		for i < len(s) && s[i] >= '0' && s[i] <= '9' && n < 1<<26 {
			n = n*10 + int(s[i]-'0')
			i++
		}
		return n
	}
	if d.width = number(); d.width < 0 {
		d.minus, d.width = true, -d.width
	}
	if i < len(s) && s[i] == '.' {
		i++
		d.precision = number()
	}
	for i < len(s) && strings.IndexByte("hlLjzt", s[i]) >= 0 {
		i++
	}
	timeFormat := ""
	if i < len(s) && s[i] == '(' && f.sh.bash {
		end := strings.Index(s[i:], ")T")
		if end > 0 {
			timeFormat = s[i+1 : i+end]
			i += end + 1
		}
	}
	if i >= len(s) {
		f.bad("%s: missing format character", s[start:])
		return i
	}
	d.verb = s[i]
	i++
	if d.width > maxField || d.precision > maxField {
		f.bad("%s: width is too large", s[start:])
		return i
	}
	switch d.verb {
	case '%':
		f.out = append(f.out, '%')
	case 'c':
		text, _ := f.next()
		if text = text[:min(len(text), 1)]; text == "" {
			text = "\x00"
		}
		d.precision = -1
		f.text(d, text)
	case 's':
		text, _ := f.next()
		f.text(d, text)
	case 'b':
		text, _ := f.next()
		text, stop := unescapeANSI(text, f.sh.style(ansiB), f.sh.utf8)
		f.text(d, text)
		f.stop = stop
	case 'q', 'Q':
		text, _ := f.next()
		if d.verb == 'Q' && d.precision >= 0 {
			text = text[:min(len(text), d.precision)]
			d.precision = -1
		}
		if quoted := quoteBackslash(text); f.sh.utf8 || isASCII(text) {
			f.text(d, quoted)
		} else {
			f.text(d, quoteBytes(text))
		}
	case 'd', 'i', 'u', 'o', 'x', 'X':
		text, _ := f.next()
		n, _ := f.integer(text)
		f.integerOut(d, n)
	case 'e', 'E', 'f', 'F', 'g', 'G', 'a', 'A':
		text, _ := f.next()
		f.floatOut(d, f.float(text))
	case 'T':
		text, given := f.next()
		f.text(d, f.time(timeFormat, text, given))
	default:
		if f.sh.posix() {
			f.bad("%s: invalid directive", s[start:i])
		} else {
			f.bad("`%c': invalid format character", d.verb)
		}
	}
	return i
}

// bad reports a wrong format, which ends the output.
func (f *formatter) bad(format string, args ...any) {
	f.sh.put(string(f.out))
	f.out = nil
	f.sh.errorf("printf: "+format, args...)
	f.status, f.stop = 1, true
}

func (f *formatter) text(d spec, s string) {
	if d.precision >= 0 && d.precision < len(s) {
		if f.sh.utf8 && d.verb != 'b' {
			n := 0
			for c := 0; c < d.precision && n < len(s); c++ {
				_, size := utf8.DecodeRuneInString(s[n:])
				n += size
			}
			s = s[:n]
		} else {
			s = s[:d.precision]
		}
	}
	f.pad(d, s)
}

func (f *formatter) pad(d spec, s string) {
	n := len(s)
	if f.sh.utf8 && f.sh.bash {
		n = len(s)
	}
	fill := strings.Repeat(" ", max(d.width-n, 0))
	if d.minus {
		f.out = append(append(f.out, s...), fill...)
	} else {
		f.out = append(append(f.out, fill...), s...)
	}
}

// integer reads a number as printf does: decimal, octal, hex, or the code of a character after a quote.
func (f *formatter) integer(text string) (int64, bool) {
	if text == "" {
		return 0, true
	}
	if text[0] == '\'' || text[0] == '"' {
		if len(text) == 1 {
			return 0, true
		}
		if f.sh.utf8 {
			r, _ := utf8.DecodeRuneInString(text[1:])
			return int64(r), true
		}
		return int64(text[1]), true
	}
	s := strings.TrimLeft(text, " \t\n")
	negative := false
	if s != "" && (s[0] == '-' || s[0] == '+') {
		negative = s[0] == '-'
		s = s[1:]
	}
	base := 10
	switch {
	case len(s) > 2 && (s[:2] == "0x" || s[:2] == "0X"):
		base, s = 16, s[2:]
	case len(s) > 1 && s[0] == '0':
		base = 8
	}
	end := 0
	for end < len(s) {
		if d, err := strconv.ParseUint(s[end:end+1], base, 8); err != nil || int(d) >= base {
			break
		}
		end++
	}
	ok := end == len(s) && end > 0
	n, err := strconv.ParseUint(s[:end], base, 64)
	value := int64(n)
	if negative {
		value = -value
	}
	if err != nil && end > 0 || n > math.MaxInt64 && negative && n != 1<<63 {
		if f.sh.bash {
			f.sh.errorfAfter(f, "printf: warning: %s: Numerical result out of range", text)
		} else {
			f.status = 1
			f.sh.errorfAfter(f, "printf: %s: Numerical result out of range", text)
		}
		if negative {
			return math.MinInt64, false
		}
		return math.MaxInt64, false
	}
	if !ok {
		f.status = 1
		switch {
		case f.sh.bash:
			f.sh.errorfAfter(f, "printf: %s: invalid number", text)
		case end > 0:
			f.sh.errorfAfter(f, "printf: %s: not completely converted", text)
		default:
			f.sh.errorfAfter(f, "printf: %s: expected numeric value", text)
		}
	}
	return value, ok
}

// errorfAfter prints a message of printf, whose output comes later.
func (sh *shell) errorfAfter(_ *formatter, format string, args ...any) {
	kept := sh.out
	sh.out = nil
	sh.errorf(format, args...)
	sh.out = kept
}

func (f *formatter) integerOut(d spec, n int64) {
	var digits string
	prefix := ""
	switch d.verb {
	case 'd', 'i':
		digits = strconv.FormatInt(n, 10)
		switch {
		case n < 0:
			digits, prefix = digits[1:], "-"
		case d.plus:
			prefix = "+"
		case d.space:
			prefix = " "
		}
	case 'u':
		digits = strconv.FormatUint(uint64(n), 10)
	case 'o':
		if digits = strconv.FormatUint(uint64(n), 8); d.sharp && digits[0] != '0' {
			digits = "0" + digits
		}
	default:
		digits = strconv.FormatUint(uint64(n), 16)
		if d.sharp && n != 0 {
			prefix = "0x"
		}
		if d.verb == 'X' {
			digits, prefix = strings.ToUpper(digits), strings.ToUpper(prefix)
		}
	}
	switch {
	case d.precision == 0 && n == 0:
		digits = ""
	case d.precision > len(digits):
		digits = strings.Repeat("0", d.precision-len(digits)) + digits
	case d.precision < 0 && d.zero && !d.minus && d.width > len(digits)+len(prefix):
		digits = strings.Repeat("0", d.width-len(digits)-len(prefix)) + digits
	}
	f.pad(d, prefix+digits)
}

func (f *formatter) float(text string) float64 {
	if text == "" {
		return 0
	}
	if text[0] == '\'' || text[0] == '"' {
		n, _ := f.integer(text)
		return float64(n)
	}
	s := strings.TrimSpace(text)
	if v, err := strconv.ParseFloat(s, 64); err == nil && !strings.Contains(s, "_") {
		return v
	} else if numErr, ok := err.(*strconv.NumError); ok && numErr.Err == strconv.ErrRange {
		return v
	}
	if n, err := strconv.ParseInt(s, 0, 64); err == nil && strings.HasPrefix(strings.TrimLeft(s, "+-"), "0x") {
		return float64(n)
	}
	end := len(s)
	for ; end > 0; end-- {
		if v, err := strconv.ParseFloat(s[:end], 64); err == nil {
			f.status = 1
			f.sh.errorfAfter(f, "printf: %s: invalid number", text)
			return v
		}
	}
	f.status = 1
	f.sh.errorfAfter(f, "printf: %s: invalid number", text)
	return 0
}

func (f *formatter) floatOut(d spec, v float64) {
	format := "%"
	for _, flag := range []struct {
		on   bool
		text string
	}{{d.plus, "+"}, {d.space, " "}, {d.sharp, "#"}, {d.zero && !d.minus && !math.IsInf(v, 0) && !math.IsNaN(v), "0"}, {d.minus, "-"}} {
		if flag.on {
			format += flag.text
		}
	}
	format += strconv.Itoa(d.width)
	if d.width == 0 {
		format = strings.TrimSuffix(format, "0")
		if d.zero && strings.HasSuffix(format, "0") {
			format = strings.TrimSuffix(format, "0")
		}
	}
	verb := d.verb
	precision := d.precision
	switch verb {
	case 'a':
		verb = 'x'
	case 'A':
		verb = 'X'
	default:
		if precision < 0 {
			precision = 6
		}
	}
	if precision >= 0 {
		format += "." + strconv.Itoa(precision)
	}
	text := fmt.Sprintf(format+string(verb), v)
	if math.IsInf(v, 0) || math.IsNaN(v) {
		text = strings.ToLower(strings.ReplaceAll(text, "+Inf", "Inf"))
		if d.verb < 'a' {
			text = strings.ToUpper(text)
		}
	}
	f.out = append(f.out, text...)
}

func (f *formatter) time(format, text string, given bool) string {
	when := time.Now()
	if given && text != "" {
		n, _ := f.integer(text)
		switch n {
		case -1:
		case -2:
			when = f.sh.started
		default:
			when = time.Unix(n, 0)
		}
	}
	if format == "" {
		format = "%X"
	}
	return strftime(format, when.In(f.sh.zone()))
}
