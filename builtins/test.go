package builtins

import (
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"strconv"
	"strings"
)

// testRun evaluates an expression of test.
type testRun struct {
	p    *Process
	args []string
	pos  int
}

// testCommand is test and [. Its status is 0, 1, or 2 for an expression that is none.
func testCommand(p *Process) int {
	args := p.Args[1:]
	if p.Name() == "[" {
		if len(args) == 0 || args[len(args)-1] != "]" {
			p.Errorf("missing ']'")
			return 2
		}
		args = args[:len(args)-1]
	}
	if len(args) == 0 {
		return 1
	}
	t := testRun{p: p, args: args}
	ok, err := t.count(len(args))
	if err == nil && t.pos < len(args) {
		err = fmt.Errorf("extra argument %s", quote(args[t.pos]))
	}
	if err != nil {
		p.Errorf("%s", err)
		return 2
	}
	return boolInt(!ok)
}

// count applies POSIX's rules by the number of arguments.
func (t *testRun) count(n int) (bool, error) {
	a := t.args[t.pos:]
	switch n {
	case 1:
		t.pos++
		return a[0] != "", nil
	case 2:
		if a[0] == "!" {
			t.pos += 2
			return a[1] == "", nil
		}
		if !isUnaryTest(a[0]) {
			if len(a[0]) > 0 && a[0][0] == '-' {
				return false, fmt.Errorf("%s: unary operator expected", quote(a[0]))
			}
			return false, fmt.Errorf("missing argument after %s", quote(a[1]))
		}
		return t.unary()
	case 3:
		switch {
		case isBinaryTest(a[1]):
			return t.binary()
		case a[0] == "!":
			t.pos++
			ok, err := t.count(2)
			return !ok, err
		case a[0] == "(" && a[2] == ")":
			t.pos += 3
			return a[1] != "", nil
		case a[1] == "-a" || a[1] == "-o":
			return t.or()
		}
		return false, fmt.Errorf("%s: binary operator expected", quote(a[1]))
	case 4:
		if a[0] == "!" {
			t.pos++
			ok, err := t.count(3)
			return !ok, err
		}
		if a[0] == "(" && a[3] == ")" {
			t.pos++
			ok, err := t.count(2)
			t.pos++
			return ok, err
		}
	}
	return t.or()
}

func (t *testRun) or() (bool, error) {
	value, err := t.and()
	for err == nil && t.pos < len(t.args) && t.args[t.pos] == "-o" {
		t.pos++
		var right bool
		right, err = t.and()
		value = value || right
	}
	return value, err
}

func (t *testRun) and() (bool, error) {
	value, err := t.term()
	for err == nil && t.pos < len(t.args) && t.args[t.pos] == "-a" {
		t.pos++
		var right bool
		right, err = t.term()
		value = value && right
	}
	return value, err
}

func (t *testRun) term() (bool, error) {
	left := len(t.args) - t.pos
	if left == 0 {
		return false, fmt.Errorf("missing argument after %s", quote(t.args[len(t.args)-1]))
	}
	a := t.args[t.pos:]
	switch {
	case a[0] == "!" && left > 1:
		t.pos++
		ok, err := t.term()
		return !ok, err
	case left >= 3 && isBinaryTest(a[1]):
		return t.binary()
	case a[0] == "(" && left > 1:
		t.pos++
		ok, err := t.or()
		if err == nil && (t.pos >= len(t.args) || t.args[t.pos] != ")") {
			if t.pos >= len(t.args) {
				return false, fmt.Errorf("')' expected")
			}
			return false, fmt.Errorf("')' expected, found %s", t.args[t.pos])
		}
		t.pos++
		return ok, err
	case len(a[0]) == 2 && a[0][0] == '-':
		if !isUnaryTest(a[0]) {
			return false, fmt.Errorf("%s: unary operator expected", quote(a[0]))
		}
		if left < 2 {
			return false, fmt.Errorf("missing argument after %s", quote(a[0]))
		}
		return t.unary()
	}
	t.pos++
	return a[0] != "", nil
}

func isUnaryTest(s string) bool {
	return len(s) == 2 && s[0] == '-' && strings.IndexByte("bcdefgGhkLNnOprsStuwxz", s[1]) >= 0
}

func isBinaryTest(s string) bool {
	switch s {
	case "=", "==", "!=", "<", ">", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-nt", "-ot", "-ef":
		return true
	}
	return false
}

func (t *testRun) unary() (bool, error) {
	op, arg := t.args[t.pos][1], t.args[t.pos+1]
	t.pos += 2
	files := t.p.Files
	mode := func(check func(fs.FileMode) bool) (bool, error) {
		info, err := files.Stat(arg)
		return err == nil && check(info.Mode()), nil
	}
	switch op {
	case 'n':
		return arg != "", nil
	case 'z':
		return arg == "", nil
	case 'e':
		_, err := files.Stat(arg)
		return err == nil, nil
	case 'f':
		return mode(fs.FileMode.IsRegular)
	case 'd':
		return mode(fs.FileMode.IsDir)
	case 'h', 'L':
		info, err := files.Lstat(arg)
		return err == nil && info.Mode()&fs.ModeSymlink != 0, nil
	case 'r':
		return files.Access(arg, 4) == nil, nil
	case 'w':
		return files.Access(arg, 2) == nil, nil
	case 'x':
		return files.Access(arg, 1) == nil, nil
	case 't':
		fd, err := strconv.Atoi(strings.TrimSpace(arg))
		if err != nil {
			return false, fmt.Errorf("invalid integer %s", quote(arg))
		}
		return t.p.System.IsTerminal(fd), nil
	case 'b', 'c', 'p', 'S', 'u', 'g', 'k':
		return mode(func(m fs.FileMode) bool {
			switch op {
			case 'u':
				return m&fs.ModeSetuid != 0
			case 'g':
				return m&fs.ModeSetgid != 0
			case 'k':
				return m&fs.ModeSticky != 0
			}
			return kindLetter(m) == op|0x20
		})
	}
	info, err := files.Stat(arg)
	if err != nil {
		return false, nil
	}
	switch op {
	case 's':
		return info.Size() > 0, nil
	case 'O':
		return info.UID() == files.Cred().UID, nil
	case 'G':
		return info.GID() == files.Cred().GID, nil
	}
	return info.ModTime().After(info.Atime()), nil // -N
}

func (t *testRun) binary() (bool, error) {
	left, op, right := t.args[t.pos], t.args[t.pos+1], t.args[t.pos+2]
	t.pos += 3
	switch op {
	case "=", "==":
		return left == right, nil
	case "!=":
		return left != right, nil
	case "<":
		return left < right, nil
	case ">":
		return left > right, nil
	case "-nt", "-ot", "-ef":
		a, errA := t.p.Files.Stat(left)
		b, errB := t.p.Files.Stat(right)
		switch {
		case op == "-ef":
			return errA == nil && errB == nil && a.Dev() == b.Dev() && a.Ino() == b.Ino(), nil
		case op == "-ot":
			a, b, errA, errB = b, a, errB, errA
		}
		return errA == nil && (errB != nil || a.ModTime().After(b.ModTime())), nil
	}
	a, err := testInteger(left)
	if err != nil {
		return false, err
	}
	b, err := testInteger(right)
	if err != nil {
		return false, err
	}
	c := a.Cmp(b)
	switch op {
	case "-eq":
		return c == 0, nil
	case "-ne":
		return c != 0, nil
	case "-lt":
		return c < 0, nil
	case "-le":
		return c <= 0, nil
	case "-gt":
		return c > 0, nil
	}
	return c >= 0, nil
}

var errNoInteger = errors.New("invalid integer")

func testInteger(s string) (*big.Int, error) {
	text := strings.TrimPrefix(strings.Trim(s, " \t\n\v\f\r"), "+")
	if n, ok := new(big.Int).SetString(text, 10); ok && !strings.HasPrefix(text, "+") && !strings.Contains(text, "_") {
		return n, nil
	}
	return nil, fmt.Errorf("%w %s", errNoInteger, quote(s))
}
