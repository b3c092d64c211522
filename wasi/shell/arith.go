package shell

import (
	"strconv"
	"strings"
)

// Arithmetic over text: values of variables, subscripts, `let`, and whatever the parser's tree cannot say (an operator
// that comes out of an expansion). It is evaluated while it is read.

// arithError is panicked with inside the evaluator.
type arithError struct{ message, token string }

type arithmetic struct {
	sh   *shell
	text string
	pos  int
	skip int // depth of operands that are not evaluated: of && || ?:
}

// maxArithDepth bounds nesting, and variables and subscripts that name each other.
const maxArithDepth = 1024

// arith evaluates text; an error ends the command.
func (sh *shell) arith(text string) int64 {
	if n, ok := plainInteger(text); ok {
		return n
	}
	n, failure := sh.tryArith(text)
	if failure != nil {
		sh.arithFailed(text, failure)
	}
	return n
}

func (sh *shell) arithFailed(text string, e *arithError) {
	text = strings.TrimLeft(text, " \t\n")
	if sh.posix() {
		if e.message == "division by 0" {
			sh.fatal(2, "arithmetic expression: division by zero: \"%s\"", text)
		}
		sh.fatal(2, "arithmetic expression: expecting primary: \"%s\"", text)
	}
	sh.fail(1, "%s%s: %s (error token is \"%s\")", sh.arithContext, text, e.message, e.token)
}

// tryArith evaluates text and returns an error as a value.
func (sh *shell) tryArith(text string) (n int64, failure *arithError) {
	a := arithmetic{sh: sh, text: text}
	defer func() {
		switch r := recover().(type) {
		case nil:
		case arithError:
			failure = &r
		default:
			panic(r)
		}
	}()
	a.blanks()
	if a.pos == len(a.text) {
		return 0, nil
	}
	n = a.comma()
	a.blanks()
	if a.pos < len(a.text) {
		if a.text[a.pos] == '=' {
			a.fail("attempted assignment to non-variable", a.pos)
		}
		a.fail("syntax error in expression", a.pos)
	}
	return n, nil
}

// plainInteger reads a decimal number without a leading zero, the common case.
func plainInteger(s string) (int64, bool) {
	i := 0
	if len(s) > 1 && s[0] == '-' {
		i = 1
	}
	if i >= len(s) || len(s)-i > 19 || s[i] == '0' && len(s)-i > 1 {
		return 0, false
	}
	if len(s)-i == 19 { // it may be too large
		n, err := strconv.ParseInt(s, 10, 64)
		return n, err == nil
	}
	n := int64(0)
	for ; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int64(s[i]-'0')
	}
	if s[0] == '-' {
		n = -n
	}
	return n, true
}

func (a *arithmetic) fail(message string, at int) {
	token := ""
	if at < len(a.text) {
		token = strings.TrimLeft(a.text[at:], " \t\n")
	}
	panic(arithError{message, token})
}

func (a *arithmetic) blanks() {
	for a.pos < len(a.text) && strings.IndexByte(" \t\n", a.text[a.pos]) >= 0 {
		a.pos++
	}
}

// take consumes an operator if it is the next one, and not the beginning of a longer one in except.
func (a *arithmetic) take(op string, except ...string) bool {
	a.blanks()
	rest := a.text[a.pos:]
	if !strings.HasPrefix(rest, op) {
		return false
	}
	for _, e := range except {
		if strings.HasPrefix(rest, e) {
			return false
		}
	}
	a.pos += len(op)
	return true
}

func (a *arithmetic) comma() int64 {
	n := a.assignment()
	for a.take(",") {
		n = a.assignment()
	}
	return n
}

// assignOps are the operators of assignments, the longest first.
var assignOps = [...]string{"<<=", ">>=", "**=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "="}

func (a *arithmetic) assignment() int64 {
	if a.sh.arithDepth++; a.sh.arithDepth > maxArithDepth {
		a.fail("expression recursion level exceeded", a.pos)
	}
	defer func() { a.sh.arithDepth-- }()
	start := a.pos
	if target, ok := a.target(); ok {
		a.blanks()
		for _, op := range assignOps {
			if !strings.HasPrefix(a.text[a.pos:], op) || op == "=" && strings.HasPrefix(a.text[a.pos:], "==") {
				continue
			}
			a.pos += len(op)
			at := a.pos
			n := a.assignment()
			if op != "=" && a.skip == 0 {
				n = a.binary(op[:len(op)-1], a.load(target), n, at)
			}
			a.store(target, n)
			return n
		}
	}
	a.pos = start
	return a.ternary()
}

func (a *arithmetic) ternary() int64 {
	cond := a.operators(0)
	if !a.take("?") {
		return cond
	}
	if cond == 0 {
		a.skip++
	}
	yes := a.comma()
	if cond == 0 {
		a.skip--
	}
	if !a.take(":") {
		a.fail("`:' expected for conditional expression", a.pos)
	}
	if cond != 0 {
		a.skip++
	}
	no := a.ternary()
	if cond != 0 {
		a.skip--
		return yes
	}
	return no
}

// binaryOps are the binary operators by precedence, the loosest first. A longer operator stands before its prefix.
var binaryOps = [...][]string{
	{"||"}, {"&&"}, {"|"}, {"^"}, {"&"}, {"==", "!="}, {"<=", ">=", "<", ">"}, {"<<", ">>"}, {"+", "-"}, {"*", "/", "%"},
}

// next finds a binary operator of a level at the current position.
func (a *arithmetic) next(level int) string {
	a.blanks()
	rest := a.text[a.pos:]
	if rest == "" {
		return ""
	}
	for _, op := range binaryOps[level] {
		if !strings.HasPrefix(rest, op) {
			continue
		}
		after := byte(0)
		if len(rest) > len(op) {
			after = rest[len(op)]
		}
		switch op {
		case "|", "&":
			if after == op[0] || after == '=' {
				continue
			}
		case "<", ">":
			if after == op[0] {
				continue
			}
		case "*":
			if after == '*' || after == '=' {
				continue
			}
		case "<<", ">>", "+", "-", "/", "%", "^":
			if after == '=' {
				continue
			}
		}
		return op
	}
	return ""
}

func (a *arithmetic) operators(level int) int64 {
	if level == len(binaryOps) {
		return a.power()
	}
	n := a.operators(level + 1)
	for {
		op := a.next(level)
		if op == "" {
			return n
		}
		a.pos += len(op)
		at := a.pos
		decided := op == "&&" && n == 0 || op == "||" && n != 0
		if decided {
			a.skip++
		}
		m := a.operators(level + 1)
		switch {
		case decided:
			a.skip--
			n = truth(op == "||")
		case op == "&&" || op == "||":
			n = truth(m != 0)
		case a.skip == 0:
			n = a.binary(op, n, m, at)
		}
	}
}

func (a *arithmetic) power() int64 {
	n := a.unary()
	if a.take("**", "**=") {
		at := a.pos
		m := a.power()
		if a.skip == 0 {
			n = a.binary("**", n, m, at)
		}
	}
	return n
}

func (a *arithmetic) binary(op string, x, y int64, at int) int64 {
	n, problem := arithBinary(op, x, y)
	if problem != "" {
		a.fail(problem, at)
	}
	return n
}

func truth(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// arithBinary computes with 64 bits as the hardware does; problem says what cannot be computed.
func arithBinary(op string, x, y int64) (n int64, problem string) {
	switch op {
	case "+":
		return x + y, ""
	case "-":
		return x - y, ""
	case "*":
		return x * y, ""
	case "/", "%":
		if y == 0 {
			return 0, "division by 0"
		}
		if y == -1 { // the smallest number by -1 overflows
			if op == "%" {
				return 0, ""
			}
			return -x, ""
		}
		if op == "/" {
			return x / y, ""
		}
		return x % y, ""
	case "**":
		if y < 0 {
			return 0, "exponent less than 0"
		}
		n = 1
		for ; y > 0; y >>= 1 {
			if y&1 != 0 {
				n *= x
			}
			x *= x
		}
		return n, ""
	case "<<":
		return x << (uint64(y) & 63), ""
	case ">>":
		return x >> (uint64(y) & 63), ""
	case "<":
		return truth(x < y), ""
	case ">":
		return truth(x > y), ""
	case "<=":
		return truth(x <= y), ""
	case ">=":
		return truth(x >= y), ""
	case "==":
		return truth(x == y), ""
	case "!=":
		return truth(x != y), ""
	case "&":
		return x & y, ""
	case "|":
		return x | y, ""
	case "^":
		return x ^ y, ""
	}
	return 0, "syntax error: invalid arithmetic operator"
}
