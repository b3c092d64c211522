package builtins

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// printfRun is a call of printf.
type printfRun struct {
	p      *Process
	out    *output
	args   []string
	used   bool // the format took an argument
	stop   bool
	status int
}

func printf(p *Process) int {
	args := p.Args[1:]
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		p.Errorf("missing operand")
		return p.tryHelp(usage{})
	}
	r := printfRun{p: p, out: p.output(), args: args[1:]}
	for {
		r.used = false
		if !r.format(args[0]) {
			return r.out.finish(1)
		}
		if r.stop || len(r.args) == 0 {
			break
		}
		if !r.used {
			p.Errorf("warning: ignoring excess arguments, starting with %s", quote(r.args[0]))
			break
		}
	}
	return r.out.finish(r.status)
}

// take is the next argument, "" when there is none left.
func (r *printfRun) take() (string, bool) {
	r.used = true
	if len(r.args) == 0 {
		return "", false
	}
	arg := r.args[0]
	r.args = r.args[1:]
	return arg, true
}

func (r *printfRun) format(s string) bool {
	for s != "" && !r.stop {
		i := strings.IndexAny(s, `%\`)
		if i < 0 {
			r.out.WriteString(s)
			return true
		}
		r.out.WriteString(s[:i])
		s = s[i:]
		if s[0] == '\\' {
			if len(s) == 1 {
				r.out.WriteByte('\\')
				return true
			}
			char, size, stop := escapeAt(s, false)
			if s[1] == 'x' && size == 2 {
				r.p.Errorf("missing hexadecimal number in escape")
				return false
			}
			r.out.WriteString(char)
			r.stop = stop
			s = s[size:]
			continue
		}
		if strings.HasPrefix(s, "%%") {
			r.out.WriteByte('%')
			s = s[2:]
			continue
		}
		f, size := parseFormatSpec(s[1:], func() int {
			arg, ok := r.take()
			if !ok {
				return 0
			}
			return int(r.integer(arg))
		})
		if size == 0 {
			r.p.Errorf("%s: invalid conversion specification", s)
			return false
		}
		if !r.convert(f, s[:size+1]) {
			return false
		}
		s = s[size+1:]
	}
	return true
}

func (r *printfRun) convert(f formatSpec, spec string) bool {
	if strings.IndexByte("sbqcdiuoxXeEfFgGaA", f.verb) < 0 {
		r.p.Errorf("%s: invalid conversion specification", spec)
		return false
	}
	arg, given := r.take()
	bytes := func(s string) int { return len(s) }
	switch f.verb {
	case 's', 'b', 'q':
		if f.verb == 'b' {
			arg, r.stop = unescape(arg, true)
		} else if f.verb == 'q' {
			if arg = quoteWord(arg); arg == "" {
				arg = "''"
			}
		}
		if f.precision >= 0 && f.precision < len(arg) {
			arg = arg[:f.precision]
		}
		r.out.WriteString(f.text(arg, bytes))
	case 'c':
		if arg != "" {
			arg = arg[:1]
		} else if given {
			arg = "\x00"
		}
		r.out.WriteString(f.text(arg, bytes))
	case 'd', 'i':
		r.out.WriteString(f.integer(r.integer(arg)))
	case 'u', 'o', 'x', 'X':
		r.out.WriteString(f.unsigned(r.unsigned(arg)))
	default:
		r.out.WriteString(f.long(r.float(arg)))
	}
	return true
}

// character is an argument such as 'a or "a: the code of its first character.
func (r *printfRun) character(arg string) (int64, bool) {
	if len(arg) < 2 || arg[0] != '\'' && arg[0] != '"' {
		return 0, false
	}
	c, size := utf8.DecodeRuneInString(arg[1:])
	if c == utf8.RuneError {
		c = rune(arg[1])
	}
	if len(arg) > 1+size {
		r.p.Errorf("warning: %s: character(s) following character constant have been ignored", arg[1+size:])
	}
	return int64(c), true
}

func (r *printfRun) complain(arg string, problem error, rest string) {
	r.status = 1
	switch {
	case problem == strconv.ErrRange:
		r.p.Errorf("%s: Numerical result out of range", quote(arg))
	case rest == arg:
		r.p.Errorf("%s: expected a numeric value", quote(arg))
	default:
		r.p.Errorf("%s: value not completely converted", quote(arg))
	}
}

// readInteger reads an integer of base 8, 10 or 16 at the start of an argument.
func readInteger(arg string) (negative bool, n uint64, rest string, problem error) {
	s := strings.TrimLeft(arg, " \t\n\v\f\r")
	if s != "" && (s[0] == '-' || s[0] == '+') {
		negative = s[0] == '-'
		s = s[1:]
	}
	base, set := 10, "0123456789"
	if len(s) > 2 && s[0] == '0' && s[1]|0x20 == 'x' && strings.IndexByte("0123456789abcdefABCDEF", s[2]) >= 0 {
		base, set, s = 16, "0123456789abcdefABCDEF", s[2:]
	} else if strings.HasPrefix(s, "0") {
		base, set = 8, "01234567"
	}
	rest = strings.TrimLeft(s, set)
	digits := s[:len(s)-len(rest)]
	if digits == "" {
		return false, 0, arg, nil
	}
	n, err := strconv.ParseUint(digits, base, 64)
	if err != nil {
		problem = strconv.ErrRange
	}
	return negative, n, rest, problem
}

func (r *printfRun) integer(arg string) int64 {
	if arg == "" {
		return 0
	}
	if c, ok := r.character(arg); ok {
		return c
	}
	negative, n, rest, problem := readInteger(arg)
	value := int64(n)
	switch {
	case negative && n > 1<<63 || problem != nil && negative:
		value, problem = -1<<63, strconv.ErrRange
	case !negative && n > 1<<63-1:
		value, problem = 1<<63-1, strconv.ErrRange
	case negative:
		value = -value
	}
	if problem != nil || rest != "" {
		r.complain(arg, problem, rest)
	}
	return value
}

func (r *printfRun) unsigned(arg string) uint64 {
	if arg == "" {
		return 0
	}
	if c, ok := r.character(arg); ok {
		return uint64(c)
	}
	negative, n, rest, problem := readInteger(arg)
	if negative {
		n = -n
	}
	if problem != nil {
		n = 1<<64 - 1
	}
	if problem != nil || rest != "" {
		r.complain(arg, problem, rest)
	}
	return n
}

func (r *printfRun) float(arg string) *big.Float {
	if arg == "" {
		return new(big.Float)
	}
	if c, ok := r.character(arg); ok {
		return new(big.Float).SetInt64(c)
	}
	x, rest := longFloat(arg)
	if rest != "" {
		r.complain(arg, nil, rest)
	}
	return x
}

// longFloat reads a number with the precision of C's long double at the start of a text.
func longFloat(s string) (x *big.Float, rest string) {
	t := strings.TrimLeft(s, " \t\n\v\f\r")
	n := floatLength(t)
	if n == 0 {
		return new(big.Float), s
	}
	x, _, err := big.ParseFloat(hexExponent(strings.TrimPrefix(t[:n], "+")), 0, 64, big.ToNearestEven)
	if err != nil { // nan has no big.Float
		return new(big.Float), fmt.Sprint(t)
	}
	return x, t[n:]
}
