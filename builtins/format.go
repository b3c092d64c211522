package builtins

import (
	"math"
	"math/big"
	"strconv"
	"strings"
)

// formatSpec is a conversion of C's printf, as printf, awk and seq use it.
type formatSpec struct {
	minus, plus, space, alternate, zero bool
	width, precision                    int // precision -1: none was given
	verb                                byte
}

// parseFormatSpec reads a conversion after its "%"; star gives the value of a "*". size 0 means that it does not end.
func parseFormatSpec(s string, star func() int) (f formatSpec, size int) {
	f.precision = -1
	i := 0
	for ; i < len(s); i++ {
		switch s[i] {
		case '-':
			f.minus = true
		case '+':
			f.plus = true
		case ' ':
			f.space = true
		case '#':
			f.alternate = true
		case '0':
			f.zero = true
		case '\'':
		default:
			goto width
		}
	}
width:
	number := func() int {
		if i < len(s) && s[i] == '*' {
			i++
			return star()
		}
		n := 0
		for i < len(s) && s[i] >= '0' && s[i] <= '9' && n < 1<<20 {
			n = n*10 + int(s[i]-'0')
			i++
		}
		return n
	}
	if f.width = number(); f.width < 0 {
		f.minus, f.width = true, -f.width
	}
	if i < len(s) && s[i] == '.' {
		i++
		if f.precision = number(); f.precision < 0 {
			f.precision = -1
		}
	}
	for i < len(s) && strings.IndexByte("hlLjzt", s[i]) >= 0 {
		i++
	}
	if i >= len(s) {
		return f, 0
	}
	f.verb = s[i]
	return f, i + 1
}

// pad puts sign and body into the field.
func (f formatSpec) pad(sign, body string, zeros bool) string {
	fill := f.width - len(sign) - len(body)
	switch {
	case fill <= 0:
		return sign + body
	case f.minus:
		return sign + body + strings.Repeat(" ", fill)
	case zeros:
		return sign + strings.Repeat("0", fill) + body
	}
	return strings.Repeat(" ", fill) + sign + body
}

// text is %s and %c. The width counts characters of length n.
func (f formatSpec) text(s string, length func(string) int) string {
	fill := f.width - length(s)
	switch {
	case fill <= 0:
		return s
	case f.minus:
		return s + strings.Repeat(" ", fill)
	}
	return strings.Repeat(" ", fill) + s
}

func (f formatSpec) sign(negative bool) string {
	switch {
	case negative:
		return "-"
	case f.plus:
		return "+"
	case f.space:
		return " "
	}
	return ""
}

// integer is %d and %i, and the others with the bits of n.
func (f formatSpec) integer(n int64) string {
	switch f.verb {
	case 'd', 'i':
		digits := strconv.FormatUint(magnitude(n), 10)
		return f.digits(f.sign(n < 0), digits, n == 0)
	}
	return f.unsigned(uint64(n))
}

func magnitude(n int64) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}

// unsigned is %u, %o, %x and %X.
func (f formatSpec) unsigned(n uint64) string {
	prefix, digits := "", ""
	switch f.verb {
	case 'o':
		digits = strconv.FormatUint(n, 8)
		if f.alternate && n != 0 && f.precision <= len(digits) {
			digits = "0" + digits
		}
	case 'x', 'X':
		digits = strconv.FormatUint(n, 16)
		if f.alternate && n != 0 {
			prefix = "0x"
		}
		if f.verb == 'X' {
			prefix, digits = strings.ToUpper(prefix), strings.ToUpper(digits)
		}
	default:
		digits = strconv.FormatUint(n, 10)
	}
	return f.digits(prefix, digits, n == 0)
}

func (f formatSpec) digits(sign, digits string, isZero bool) string {
	if f.precision >= 0 {
		if isZero && f.precision == 0 {
			digits = ""
		}
		digits = strings.Repeat("0", max(f.precision-len(digits), 0)) + digits
	}
	return f.pad(sign, digits, f.zero && f.precision < 0)
}

// float is %e, %f, %g, %a and their capitals.
func (f formatSpec) float(x float64) string {
	if math.IsInf(x, 0) || math.IsNaN(x) {
		body := "inf"
		if math.IsNaN(x) {
			body = "nan"
		}
		return f.special(body, math.Signbit(x))
	}
	return f.floatText(math.Signbit(x), func(verb byte, precision int) string {
		return strconv.FormatFloat(math.Abs(x), verb, precision, 64)
	})
}

// long is float of a number with more digits than a float64, as C's long double.
func (f formatSpec) long(x *big.Float) string {
	if x.IsInf() {
		return f.special("inf", x.Signbit())
	}
	if f.verb == 'a' || f.verb == 'A' {
		v, _ := x.Float64()
		return f.float(v)
	}
	abs := new(big.Float).Abs(x)
	return f.floatText(x.Signbit(), abs.Text)
}

func (f formatSpec) special(body string, negative bool) string {
	if f.verb >= 'A' && f.verb <= 'Z' {
		body = strings.ToUpper(body)
	}
	return f.pad(f.sign(negative), body, false)
}

func (f formatSpec) floatText(negative bool, text func(verb byte, precision int) string) string {
	verb := f.verb | 0x20
	precision := f.precision
	var body string
	switch verb {
	case 'a':
		body = strings.Replace(strings.Replace(text('x', precision), "p+0", "p+", 1), "p-0", "p-", 1)
	case 'g':
		if precision < 0 {
			precision = 6
		}
		precision = max(precision, 1)
		body = text('g', precision)
		if f.alternate {
			body = keepZeros(body, precision)
		}
	default:
		if precision < 0 {
			precision = 6
		}
		body = text(verb, precision)
		if f.alternate && precision == 0 {
			if mantissa, exponent, ok := strings.Cut(body, "e"); ok {
				body = mantissa + ".e" + exponent
			} else {
				body += "."
			}
		}
	}
	if f.verb >= 'A' && f.verb <= 'Z' {
		body = strings.ToUpper(body)
	}
	return f.pad(f.sign(negative), body, f.zero)
}

// keepZeros gives a %g text the trailing zeros that %#g keeps.
func keepZeros(body string, precision int) string {
	mantissa, exponent, _ := strings.Cut(body, "e")
	digits := len(strings.TrimLeft(strings.Replace(mantissa, ".", "", 1), "0"))
	if !strings.Contains(mantissa, ".") {
		mantissa += "."
	}
	mantissa += strings.Repeat("0", max(precision-digits, 0))
	if exponent != "" {
		return mantissa + "e" + exponent
	}
	return mantissa
}
