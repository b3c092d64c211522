package shell

import (
	"strings"
)

// arithTarget is a variable, or an element of one, in an expression.
type arithTarget struct{ name, sub string }

// target reads a name with an optional subscript.
func (a *arithmetic) target() (t arithTarget, ok bool) {
	a.blanks()
	start := a.pos
	i := a.pos
	for i < len(a.text) && isNameByte(a.text[i]) {
		i++
	}
	if i == start || a.text[start] >= '0' && a.text[start] <= '9' {
		return t, false
	}
	t.name = a.text[start:i]
	a.pos = i
	if i < len(a.text) && a.text[i] == '[' && a.sh.bash {
		depth := 0
		for j := i; j < len(a.text); j++ {
			switch a.text[j] {
			case '[':
				depth++
			case ']':
				if depth--; depth == 0 {
					t.sub = a.text[i+1 : j]
					a.pos = j + 1
					if t.sub == "" {
						a.fail("bad array subscript", start)
					}
					return t, true
				}
			}
		}
		a.fail("bad array subscript", start)
	}
	return t, true
}

// load gives the value of a variable: its text is an expression again.
func (a *arithmetic) load(t arithTarget) int64 {
	if a.skip > 0 {
		return 0
	}
	var text string
	var set bool
	if t.sub != "" {
		text, set = a.sh.getElement(t.name, a.sh.writtenSubscript(a.sh.refTarget(t.name), t.sub))
	} else {
		text, set = a.sh.get(t.name)
	}
	if !set {
		if a.sh.opts.nounset && a.sh.bash {
			a.sh.unbound(t.name)
		}
		return 0
	}
	if n, ok := plainInteger(text); ok {
		return n
	}
	if a.sh.posix() {
		text = strings.TrimRight(text, "\r\v\f") // what strtoimax passes over
	}
	n, failure := a.sh.tryArith(text)
	if failure != nil {
		if failure.token == "" {
			failure.token = text
		}
		panic(*failure)
	}
	return n
}

func (a *arithmetic) store(t arithTarget, n int64) {
	if a.skip > 0 {
		return
	}
	if t.sub != "" {
		a.sh.assignElement(t.name, a.sh.writtenSubscript(a.sh.refTarget(t.name), t.sub), itoa(n), false)
	} else {
		a.sh.assign(t.name, itoa(n))
	}
}

func (a *arithmetic) unary() int64 {
	if a.sh.arithDepth++; a.sh.arithDepth > maxArithDepth {
		a.fail("expression recursion level exceeded", a.pos)
	}
	defer func() { a.sh.arithDepth-- }()
	switch {
	case a.take("!", "!="):
		return truth(a.unary() == 0)
	case a.take("~"):
		return ^a.unary()
	case a.step("++"):
		return a.change(1)
	case a.step("--"):
		return a.change(-1)
	case a.take("+"):
		return a.unary()
	case a.take("-"):
		return -a.unary()
	}
	return a.primary()
}

// step consumes ++ or -- if a name follows; else the signs are unary ones.
func (a *arithmetic) step(op string) bool {
	start := a.pos
	if !a.take(op) {
		return false
	}
	a.blanks()
	if a.pos < len(a.text) && isNameByte(a.text[a.pos]) && (a.text[a.pos] < '0' || a.text[a.pos] > '9') {
		return true
	}
	a.pos = start
	return false
}

func (a *arithmetic) change(by int64) int64 {
	t, _ := a.target()
	n := a.load(t) + by
	a.store(t, n)
	return n
}

func (a *arithmetic) primary() int64 {
	a.blanks()
	if a.pos >= len(a.text) {
		a.fail("syntax error: operand expected", a.lastToken())
	}
	start := a.pos
	switch c := a.text[a.pos]; {
	case c == '(':
		a.pos++
		n := a.comma()
		if !a.take(")") {
			a.fail("missing `)'", a.pos)
		}
		return n
	case c >= '0' && c <= '9':
		return a.number()
	}
	t, ok := a.target()
	if !ok {
		a.fail("syntax error: operand expected", start)
	}
	switch {
	case a.take("++"):
		n := a.load(t)
		a.store(t, n+1)
		return n
	case a.take("--"):
		n := a.load(t)
		a.store(t, n-1)
		return n
	}
	return a.load(t)
}

// lastToken is where the last token before the end begins, which bash names when an operand is missing.
func (a *arithmetic) lastToken() int {
	i := len(strings.TrimRight(a.text, " \t\n"))
	if i > 0 {
		i--
	}
	return i
}

func (a *arithmetic) number() int64 {
	start := a.pos
	for a.pos < len(a.text) {
		if c := a.text[a.pos]; !isNameByte(c) && c != '#' && c != '@' {
			break
		}
		a.pos++
	}
	n, problem := arithNumber(a.text[start:a.pos])
	if problem != "" {
		a.fail(problem, start)
	}
	return n
}

// arithNumber reads a constant: decimal, 0octal, 0xhex, base#digits.
func arithNumber(s string) (n int64, problem string) {
	base := int64(10)
	digits := s
	if head, tail, ok := strings.Cut(s, "#"); ok && head != "" {
		var b int64
		for i := 0; i < len(head); i++ {
			if head[i] < '0' || head[i] > '9' || b > 64 {
				return 0, "invalid number"
			}
			b = b*10 + int64(head[i]-'0')
		}
		if head[0] == '0' && len(head) > 1 {
			return 0, "invalid number"
		}
		if b < 2 || b > 64 {
			return 0, "invalid arithmetic base"
		}
		base, digits = b, tail
		if digits == "" {
			return 0, "invalid integer constant"
		}
	} else if len(s) > 1 && s[0] == '0' {
		if s[1] == 'x' || s[1] == 'X' {
			base, digits = 16, s[2:]
		} else {
			base, digits = 8, s[1:]
		}
	}
	for i := 0; i < len(digits); i++ {
		d := int64(0)
		switch c := digits[i]; {
		case c >= '0' && c <= '9':
			d = int64(c - '0')
		case c >= 'a' && c <= 'z':
			d = int64(c-'a') + 10
		case c >= 'A' && c <= 'Z':
			if d = int64(c-'A') + 36; base <= 36 {
				d -= 26
			}
		case c == '@':
			d = 62
		case c == '_':
			d = 63
		default:
			return 0, "invalid number"
		}
		if d >= base {
			return 0, "value too great for base"
		}
		n = n*base + d
	}
	return n, ""
}
