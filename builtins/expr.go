package builtins

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
)

// exprRun evaluates an expression of expr.
type exprRun struct {
	args []string
	pos  int
}

func expr(p *Process) int {
	args := p.Args[1:]
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		p.Errorf("missing operand")
		p.tryHelp(usage{})
		return 2
	}
	e := exprRun{args: args}
	value, err := e.or(true)
	if err == nil && e.pos < len(args) {
		err = fmt.Errorf("syntax error: unexpected argument %s", quote(args[e.pos]))
	}
	if err != nil {
		p.Errorf("%s", err)
		return 2
	}
	out := p.output()
	out.WriteString(value + "\n")
	return out.finishOr(boolInt(exprNull(value)), 3)
}

// exprNull says whether a value is empty or zero.
func exprNull(s string) bool {
	digits := strings.TrimPrefix(s, "-")
	return s == "" || digits != "" && strings.Trim(digits, "0") == ""
}

func (e *exprRun) accept(ops ...string) string {
	if e.pos < len(e.args) {
		for _, op := range ops {
			if e.args[e.pos] == op {
				e.pos++
				return op
			}
		}
	}
	return ""
}

func (e *exprRun) next() (string, error) {
	if e.pos >= len(e.args) {
		return "", fmt.Errorf("syntax error: missing argument after %s", quote(e.args[len(e.args)-1]))
	}
	e.pos++
	return e.args[e.pos-1], nil
}

// or and the others evaluate only where live is set: the side of | and & that does not count must not fail.
func (e *exprRun) or(live bool) (string, error) {
	left, err := e.and(live)
	for err == nil && e.accept("|") != "" {
		var right string
		right, err = e.and(live && exprNull(left))
		if exprNull(left) {
			left = right
			if exprNull(left) {
				left = "0"
			}
		}
	}
	return left, err
}

func (e *exprRun) and(live bool) (string, error) {
	left, err := e.compare(live)
	for err == nil && e.accept("&") != "" {
		var right string
		right, err = e.compare(live && !exprNull(left))
		if exprNull(left) || exprNull(right) {
			left = "0"
		}
	}
	return left, err
}

func (e *exprRun) compare(live bool) (string, error) {
	left, err := e.add(live)
	for err == nil {
		op := e.accept("<=", "<", "==", "=", "!=", ">=", ">")
		if op == "" {
			break
		}
		var right string
		if right, err = e.add(live); err != nil {
			break
		}
		a, okA := exprInteger(left)
		b, okB := exprInteger(right)
		c := strings.Compare(left, right)
		if okA && okB {
			c = a.Cmp(b)
		}
		holds := map[string]bool{"<": c < 0, "<=": c <= 0, "=": c == 0, "==": c == 0, "!=": c != 0, ">=": c >= 0, ">": c > 0}[op]
		left = fmt.Sprint(boolInt(holds))
	}
	return left, err
}

func exprInteger(s string) (*big.Int, bool) {
	digits := strings.TrimPrefix(s, "-")
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return nil, false
	}
	return new(big.Int).SetString(s, 10)
}

func (e *exprRun) add(live bool) (string, error) {
	return e.calculate(live, e.multiply, "+", "-")
}

func (e *exprRun) multiply(live bool) (string, error) {
	return e.calculate(live, e.match, "*", "/", "%")
}

func (e *exprRun) calculate(live bool, operand func(bool) (string, error), ops ...string) (string, error) {
	left, err := operand(live)
	for err == nil {
		op := e.accept(ops...)
		if op == "" {
			break
		}
		var right string
		if right, err = operand(live); err != nil || !live {
			continue
		}
		a, okA := exprInteger(left)
		b, okB := exprInteger(right)
		if !okA || !okB {
			return "", errors.New("non-integer argument")
		}
		switch op {
		case "+":
			a.Add(a, b)
		case "-":
			a.Sub(a, b)
		case "*":
			a.Mul(a, b)
		default:
			if b.Sign() == 0 {
				return "", errors.New("division by zero")
			}
			if op == "/" {
				a.Quo(a, b)
			} else {
				a.Rem(a, b)
			}
		}
		left = a.String()
	}
	return left, err
}

func (e *exprRun) match(live bool) (string, error) {
	left, err := e.word(live)
	for err == nil && e.accept(":") != "" {
		var pattern string
		if pattern, err = e.word(live); err == nil && live {
			left, err = exprMatch(left, pattern)
		}
	}
	return left, err
}

// exprMatch matches at the beginning of the text: the first group, or else the length.
func exprMatch(text, pattern string) (string, error) {
	re, err := CompileRegexp("^"+strings.TrimPrefix(pattern, "^"), RegexpOptions{})
	if err != nil {
		return "", err
	}
	loc := re.Find([]byte(text))
	if loc != nil && loc[0] != 0 { // another alternative, which has no anchor
		loc = nil
	}
	switch {
	case re.Groups() > 0 && (loc == nil || loc[2] < 0):
		return "", nil
	case re.Groups() > 0:
		return text[loc[2]:loc[3]], nil
	case loc == nil:
		return "0", nil
	}
	return fmt.Sprint(awkLength(text[:loc[1]])), nil
}

func (e *exprRun) word(live bool) (string, error) {
	op, err := e.next()
	if err != nil {
		return "", err
	}
	var args [3]string
	read := func(n int) error {
		for i := range n {
			if args[i], err = e.word(live); err != nil {
				return err
			}
		}
		return nil
	}
	switch op {
	case "+":
		return e.next()
	case "(":
		value, err := e.or(live)
		if err == nil && e.accept(")") == "" {
			if e.pos >= len(e.args) {
				return "", fmt.Errorf("syntax error: expecting ')' after %s", quote(e.args[len(e.args)-1]))
			}
			return "", fmt.Errorf("syntax error: expecting ')' instead of %s", quote(e.args[e.pos]))
		}
		return value, err
	case ")":
		return "", errors.New("syntax error: unexpected ')'")
	case "length":
		if err := read(1); err != nil {
			return "", err
		}
		return fmt.Sprint(awkLength(args[0])), nil
	case "match":
		if err := read(2); err != nil || !live {
			return "", err
		}
		return exprMatch(args[0], args[1])
	case "index":
		if err := read(2); err != nil {
			return "", err
		}
		i := strings.IndexAny(args[0], args[1])
		if i >= 0 {
			i = awkLength(args[0][:i])
		}
		return fmt.Sprint(i + 1), nil
	case "substr":
		if err := read(3); err != nil {
			return "", err
		}
		from, ok1 := exprInteger(args[1])
		length, ok2 := exprInteger(args[2])
		if !ok1 || !ok2 || from.Sign() <= 0 || length.Sign() <= 0 || !from.IsInt64() {
			return "", nil
		}
		start := min(from.Int64()-1, int64(len(args[0])))
		end := int64(len(args[0]))
		if length.IsInt64() && length.Int64() < end-start {
			end = start + length.Int64()
		}
		return awkSlice(args[0], int(start), int(end)), nil
	}
	return op, nil
}
