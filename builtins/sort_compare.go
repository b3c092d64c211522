package builtins

import (
	"bytes"
	"math"
	"strconv"
	"strings"
)

// decimal is a number as -n sees it: any length, no exponent.
type decimal struct {
	negative       bool
	whole, decimal []byte // without leading and trailing zeros
	rest           []byte
}

func readDecimal(b []byte) decimal {
	for len(b) > 0 && isBlank(b[0]) {
		b = b[1:]
	}
	var d decimal
	if len(b) > 0 && b[0] == '-' {
		d.negative = true
		b = b[1:]
	}
	digits := func() []byte {
		n := 0
		for n < len(b) && b[n] >= '0' && b[n] <= '9' {
			n++
		}
		found := b[:n]
		b = b[n:]
		return found
	}
	d.whole = bytes.TrimLeft(digits(), "0")
	if len(b) > 0 && b[0] == '.' {
		b = b[1:]
		d.decimal = bytes.TrimRight(digits(), "0")
	}
	d.rest = b
	if len(d.whole) == 0 && len(d.decimal) == 0 {
		d.negative = false
	}
	return d
}

func (d decimal) compare(e decimal) int {
	if d.negative != e.negative {
		if d.negative {
			return -1
		}
		return 1
	}
	c := len(d.whole) - len(e.whole)
	if c == 0 {
		c = bytes.Compare(d.whole, e.whole)
	}
	if c == 0 {
		c = bytes.Compare(d.decimal, e.decimal)
	}
	if d.negative {
		return -c
	}
	return c
}

func compareNumbers(a, b []byte) int { return readDecimal(a).compare(readDecimal(b)) }

// compareHuman compares by sign, then by unit, then by number.
func compareHuman(a, b []byte) int {
	x, y := readDecimal(a), readDecimal(b)
	order := func(d decimal) int {
		if len(d.rest) == 0 || len(d.whole) == 0 && len(d.decimal) == 0 {
			return 0
		}
		n := strings.IndexByte("KMGTPEZYRQ", d.rest[0]) + 1
		if d.rest[0] == 'k' {
			n = 1
		}
		if d.negative {
			return -n
		}
		return n
	}
	if c := order(x) - order(y); c != 0 {
		return c
	}
	return x.compare(y)
}

// compareFloats is -g: what is no number first, then NaN, then the numbers.
func compareFloats(a, b []byte) int {
	x, okx := leadingFloat(string(a))
	y, oky := leadingFloat(string(b))
	switch {
	case !okx || !oky:
		return boolInt(okx) - boolInt(oky)
	case math.IsNaN(x) || math.IsNaN(y):
		return boolInt(math.IsNaN(y)) - boolInt(math.IsNaN(x))
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// leadingFloat reads a number at the start of s, as strtod does.
func leadingFloat(s string) (float64, bool) {
	s = strings.TrimLeft(s, " \t\n\v\f\r")
	n := floatLength(s)
	if n == 0 {
		return 0, false
	}
	f, err := strconv.ParseFloat(hexExponent(s[:n]), 64)
	if err != nil && !math.IsInf(f, 0) {
		return 0, false
	}
	return f, true
}

// hexExponent gives a hexadecimal float the exponent that Go insists on.
func hexExponent(s string) string {
	if strings.ContainsAny(s, "xX") && !strings.ContainsAny(s, "pP") {
		return s + "p0"
	}
	return s
}

// floatLength is the length of the number that s begins with: decimal, hexadecimal, inf or nan.
func floatLength(s string) int {
	i := 0
	if i < len(s) && (s[i] == '-' || s[i] == '+') {
		i++
	}
	lower := strings.ToLower(s[i:min(len(s), i+8)])
	for _, word := range []string{"infinity", "inf", "nan"} {
		if strings.HasPrefix(lower, word) {
			return i + len(word)
		}
	}
	set, exp := "0123456789", "e"
	if strings.HasPrefix(lower, "0x") && len(lower) > 2 && strings.IndexByte("0123456789abcdef.", lower[2]) >= 0 {
		i += 2
		set, exp = "0123456789abcdefABCDEF", "p"
	}
	digits := 0
	run := func() {
		for i < len(s) && strings.IndexByte(set, s[i]) >= 0 {
			i++
			digits++
		}
	}
	run()
	if i < len(s) && s[i] == '.' {
		i++
		run()
	}
	if digits == 0 {
		return 0
	}
	if i < len(s) && s[i]|0x20 == exp[0] {
		j := i + 1
		if j < len(s) && (s[j] == '-' || s[j] == '+') {
			j++
		}
		if j < len(s) && s[j] >= '0' && s[j] <= '9' {
			for j < len(s) && s[j] >= '0' && s[j] <= '9' {
				j++
			}
			i = j
		}
	}
	return i
}

// monthOf is 1 to 12, 0 for what is no month.
func monthOf(b []byte) int {
	for len(b) > 0 && isBlank(b[0]) {
		b = b[1:]
	}
	if len(b) < 3 {
		return 0
	}
	at := strings.Index("JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC", strings.ToUpper(string(b[:3])))
	if at < 0 || at%3 != 0 {
		return 0
	}
	return at/3 + 1
}

// compareVersions is gnulib's filevercmp: digits compare as numbers, "~" sorts before everything, suffixes such as
// ".tar.gz" count only between equals.
func compareVersions(a, b string) int {
	if a == b {
		return 0
	}
	for _, special := range []string{"", ".", ".."} {
		if a == special {
			return -1
		}
		if b == special {
			return 1
		}
	}
	if (a[0] == '.') != (b[0] == '.') {
		if a[0] == '.' {
			return -1
		}
		return 1
	}
	if a[0] == '.' {
		a, b = a[1:], b[1:]
	}
	if c := compareVersionText(versionStem(a), versionStem(b)); c != 0 {
		return c
	}
	if c := compareVersionText(a, b); c != 0 {
		return c
	}
	return strings.Compare(a, b)
}

// versionStem cuts suffixes of the form (\.[A-Za-z~][A-Za-z0-9~]*)*$.
func versionStem(s string) string {
	end := len(s)
	for {
		dot := strings.LastIndexByte(s[:end], '.')
		if dot < 1 || dot+1 >= end {
			return s[:end]
		}
		for i := dot + 1; i < end; i++ {
			c := s[i]
			letter := c == '~' || isWord(c) && c != '_' && (c < '0' || c > '9')
			if !letter && (i == dot+1 || c < '0' || c > '9') {
				return s[:end]
			}
		}
		end = dot
	}
}

func compareVersionText(a, b string) int {
	digit := func(s string) bool { return s != "" && s[0] >= '0' && s[0] <= '9' }
	order := func(s string) int {
		switch {
		case s == "" || digit(s):
			return 0
		case s[0] == '~':
			return -1
		case isWord(s[0]) && s[0] != '_':
			return int(s[0])
		}
		return int(s[0]) + 256
	}
	for a != "" || b != "" {
		for a != "" && !digit(a) || b != "" && !digit(b) {
			if c := order(a) - order(b); c != 0 {
				return c
			}
			a, b = a[min(1, len(a)):], b[min(1, len(b)):]
		}
		x := strings.TrimLeft(a[:len(a)-len(strings.TrimLeft(a, "0123456789"))], "0")
		y := strings.TrimLeft(b[:len(b)-len(strings.TrimLeft(b, "0123456789"))], "0")
		if len(x) != len(y) {
			return len(x) - len(y)
		}
		if c := strings.Compare(x, y); c != 0 {
			return c
		}
		a, b = strings.TrimLeft(a, "0123456789"), strings.TrimLeft(b, "0123456789")
	}
	return 0
}
