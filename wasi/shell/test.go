package shell

import (
	"io/fs"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// test is the builtin test and [.
func (sh *shell) test(args []string) int {
	name := args[0]
	rest := args[1:]
	if name == "[" {
		if len(rest) == 0 || rest[len(rest)-1] != "]" {
			if sh.posix() {
				sh.errorf("[: missing ]")
			} else {
				sh.errorf("[: missing `]'")
			}
			return 2
		}
		rest = rest[:len(rest)-1]
	}
	return sh.testWords(name, rest)
}

// doubleBracket is [[ as a command, where its name came out of an expansion.
func (sh *shell) doubleBracket(args []string) int {
	return sh.testWords("[[", strings.Split(strings.TrimSuffix(strings.Join(args[1:], "\x00"), "\x00]]"), "\x00"))
}

// testFailure is panicked with for a wrong expression.
type testFailure string

func (sh *shell) testWords(name string, words []string) (status int) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case testFailure:
			sh.errorf("%s: %s", name, string(r))
			status = 2
		default:
			panic(r)
		}
	}()
	e := testExpression{sh: sh, name: name, words: words}
	if e.all() {
		return 0
	}
	return 1
}

type testExpression struct {
	sh    *shell
	name  string
	words []string
	pos   int
	depth int
}

func (e *testExpression) fail(text string) { panic(testFailure(text)) }

// all decides by the number of words first, as POSIX says.
func (e *testExpression) all() bool {
	w := e.words
	switch len(w) {
	case 0:
		return false
	case 1:
		return w[0] != ""
	case 2:
		if w[0] == "!" {
			return w[1] == ""
		}
		if !e.isUnary(w[0]) {
			if e.sh.posix() {
				e.fail(w[0] + ": unexpected operator")
			}
			e.fail(w[0] + ": unary operator expected")
		}
		return e.unary(w[0], w[1])
	case 3:
		if isBinaryTest(w[1]) {
			return e.binary(w[0], w[1], w[2])
		}
		switch {
		case w[1] == "-a":
			return w[0] != "" && w[2] != ""
		case w[1] == "-o":
			return w[0] != "" || w[2] != ""
		case w[0] == "!":
			return !e.part(w[1:])
		case w[0] == "(" && w[2] == ")":
			return w[1] != ""
		}
		if e.sh.posix() {
			e.fail(w[1] + ": unexpected operator")
		}
		e.fail(w[1] + ": binary operator expected")
	case 4:
		if w[0] == "!" {
			return !e.part(w[1:])
		}
		if w[0] == "(" && w[3] == ")" {
			return e.part(w[1:3])
		}
	}
	ok := e.or()
	if e.pos < len(w) {
		if e.sh.posix() {
			e.fail(w[e.pos] + ": unexpected operator")
		}
		e.fail("too many arguments")
	}
	return ok
}

func (e *testExpression) part(words []string) bool {
	sub := testExpression{sh: e.sh, name: e.name, words: words}
	return sub.all()
}

func (e *testExpression) peek() string {
	if e.pos < len(e.words) {
		return e.words[e.pos]
	}
	return ""
}

func (e *testExpression) or() bool {
	ok := e.and()
	for e.pos < len(e.words) && e.peek() == "-o" {
		e.pos++
		right := e.and()
		ok = ok || right
	}
	return ok
}

func (e *testExpression) and() bool {
	ok := e.primary()
	for e.pos < len(e.words) && e.peek() == "-a" {
		e.pos++
		right := e.primary()
		ok = ok && right
	}
	return ok
}

func (e *testExpression) primary() bool {
	if e.depth++; e.depth > maxCalls {
		e.fail("expression is too deep")
	}
	defer func() { e.depth-- }()
	left := len(e.words) - e.pos
	if left == 0 {
		e.fail("argument expected")
	}
	w := e.peek()
	if left >= 3 && isBinaryTest(e.words[e.pos+1]) && !(w == "(" && e.words[e.pos+2] == ")") {
		e.pos += 3
		return e.binary(w, e.words[e.pos-2], e.words[e.pos-1])
	}
	if left >= 3 && w == "(" && e.words[e.pos+2] == ")" && e.words[e.pos+1] != "!" {
		e.pos += 3
		return e.words[e.pos-2] != ""
	}
	switch {
	case w == "!":
		e.pos++
		return !e.primary()
	case w == "(":
		e.pos++
		ok := e.or()
		if e.peek() != ")" {
			e.fail("`)' expected")
		}
		e.pos++
		return ok
	case e.isUnary(w) && left >= 2:
		e.pos += 2
		return e.unary(w, e.words[e.pos-1])
	}
	e.pos++
	return w != ""
}

func (e *testExpression) isUnary(s string) bool {
	letters := "abcdefghknoprstuvwxzGLNORS"
	if e.sh.posix() {
		letters = "bcdefghknprstuwxzGLOS"
	}
	return len(s) == 2 && s[0] == '-' && strings.IndexByte(letters, s[1]) >= 0
}

func isBinaryTest(s string) bool {
	switch s {
	case "=", "==", "!=", "<", ">", "=~", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-nt", "-ot", "-ef":
		return true
	}
	return false
}

func (e *testExpression) binary(a, op, b string) bool {
	sh := e.sh
	switch op {
	case "=", "==":
		if e.name == "[[" {
			return sh.matches(b, a, sh.patternMode())
		}
		return a == b
	case "!=":
		if e.name == "[[" {
			return !sh.matches(b, a, sh.patternMode())
		}
		return a != b
	case "<":
		return a < b
	case ">":
		return a > b
	case "=~":
		if e.name == "[[" {
			return sh.regexMatch(a, b)
		}
		e.fail("=~: binary operator expected")
	case "-nt", "-ot", "-ef":
		return sh.compareFiles(a, op, b)
	}
	x, y := e.number(a), e.number(b)
	return compareNumbers(x, op, y)
}

func compareNumbers(x int64, op string, y int64) bool {
	switch op {
	case "-eq":
		return x == y
	case "-ne":
		return x != y
	case "-lt":
		return x < y
	case "-le":
		return x <= y
	case "-gt":
		return x > y
	}
	return x >= y
}

func (e *testExpression) number(s string) int64 {
	t := strings.Trim(s, " \t\n")
	n, err := strconv.ParseInt(strings.TrimPrefix(t, "+"), 10, 64)
	if err != nil || strings.HasPrefix(t, "+-") {
		if e.sh.posix() {
			e.fail("Illegal number: " + s)
		}
		e.fail(s + ": integer expression expected")
	}
	return n
}

func (sh *shell) compareFiles(a, op, b string) bool {
	x, errX := sh.p.Files().Stat(a)
	y, errY := sh.p.Files().Stat(b)
	switch op {
	case "-ef":
		return errX == nil && errY == nil && x.Dev() == y.Dev() && x.Ino() == y.Ino()
	case "-nt":
		if sh.posix() && (errX != nil || errY != nil) {
			return false
		}
		return errX == nil && (errY != nil || x.ModTime().After(y.ModTime()))
	}
	if sh.posix() && errX != nil {
		return false
	}
	return errY == nil && (errX != nil || x.ModTime().Before(y.ModTime()))
}

func (e *testExpression) unary(op, s string) bool {
	sh := e.sh
	switch op[1] {
	case 'n':
		return s != ""
	case 'z':
		return s == ""
	case 't':
		if sh.bash && !isNumber(s) {
			return false
		}
		return sh.isTerminal(int(e.number(s)))
	case 'o':
		p := sh.findOption(s, 0)
		return p != nil && *p
	case 'v':
		return sh.isSet(s)
	case 'R':
		v := sh.vars.vars[s]
		return v != nil && v.attrs&attrNameref != 0
	case 'h', 'L':
		info, err := sh.p.Files().Lstat(s)
		return err == nil && info.Mode()&fs.ModeSymlink != 0
	case 'r':
		return s != "" && sh.p.Files().Access(s, 4) == nil
	case 'w':
		return s != "" && sh.p.Files().Access(s, 2) == nil
	case 'x':
		return s != "" && sh.p.Files().Access(s, 1) == nil
	}
	if s == "" {
		return false
	}
	info, err := sh.p.Files().Stat(s)
	if err != nil {
		return false
	}
	mode := info.Mode()
	switch op[1] {
	case 'a', 'e':
		return true
	case 'f':
		return mode.IsRegular()
	case 'd':
		return mode.IsDir()
	case 's':
		return info.Size() > 0
	case 'b':
		return mode&fs.ModeDevice != 0 && mode&fs.ModeCharDevice == 0
	case 'c':
		return mode&fs.ModeCharDevice != 0
	case 'p':
		return mode&fs.ModeNamedPipe != 0
	case 'S':
		return mode&fs.ModeSocket != 0
	case 'u':
		return mode&fs.ModeSetuid != 0
	case 'g':
		return mode&fs.ModeSetgid != 0
	case 'k':
		return mode&fs.ModeSticky != 0
	case 'O':
		return info.UID() == sh.p.Files().Cred().UID
	case 'G':
		return info.GID() == sh.p.Files().Cred().GID
	case 'N':
		return info.ModTime().After(info.Atime())
	}
	return false
}

// isSet is -v: a variable, an element, or a positional parameter.
func (sh *shell) isSet(name string) bool {
	if base, sub, isElement := splitSubscript(name); isElement {
		if sub == "@" || sub == "*" {
			return sh.lookup(sh.refTarget(base)).count() > 0
		}
		if v := sh.vars.vars[sh.refTarget(base)]; v != nil && v.kind != assocArray {
			sub = itoa(sh.arith(sub))
		} else {
			sub = sh.writtenSubscript(sh.refTarget(base), sub)
		}
		_, ok := sh.getElement(base, sub)
		return ok
	}
	if name == "" {
		return false
	}
	if name[0] >= '0' && name[0] <= '9' {
		_, ok := sh.parameter(name)
		return ok
	}
	_, ok := sh.get(name)
	return ok
}

// testCommand is [[ … ]].
func (sh *shell) testCommand(c *syntax.TestClause) {
	sh.line = int(c.Left.Line()) + sh.lineBase
	sh.note(c)
	if sh.traps.debug != "" {
		sh.runDebugTrap()
	}
	defer func() {
		switch r := recover().(type) {
		case nil:
		case testFailure:
			sh.errorf("[[: %s", string(r))
			sh.status = 2
		default:
			panic(r)
		}
	}()
	sh.status = int(truth(!sh.testExpr(c.X)))
}

func (sh *shell) testExpr(x syntax.TestExpr) bool {
	switch x := x.(type) {
	case *syntax.Word:
		s := sh.single(x)
		sh.traceTest("-n", sh.quoteTrace(s))
		return s != ""
	case *syntax.ParenTest:
		return sh.testExpr(x.X)
	case *syntax.UnaryTest:
		if x.Op == syntax.TsNot {
			return !sh.testExpr(x.X)
		}
		s := ""
		if w, ok := x.X.(*syntax.Word); ok {
			s = sh.single(w)
		}
		sh.traceTest(x.Op.String(), sh.quoteTrace(s))
		e := testExpression{sh: sh, name: "[["}
		return e.unary(x.Op.String(), s)
	case *syntax.BinaryTest:
		return sh.binaryTest(x)
	}
	return false
}

func (sh *shell) traceTest(parts ...string) {
	if sh.opts.xtrace {
		sh.trace("[[ " + strings.Join(parts, " ") + " ]]")
	}
}

func (sh *shell) binaryTest(x *syntax.BinaryTest) bool {
	switch x.Op {
	case syntax.AndTest:
		return sh.testExpr(x.X) && sh.testExpr(x.Y)
	case syntax.OrTest:
		return sh.testExpr(x.X) || sh.testExpr(x.Y)
	}
	left, ok1 := x.X.(*syntax.Word)
	right, ok2 := x.Y.(*syntax.Word)
	if !ok1 || !ok2 {
		panic(testFailure("unexpected operand"))
	}
	a := sh.single(left)
	switch x.Op {
	case syntax.TsMatch, syntax.TsMatchShort, syntax.TsNoMatch:
		text := sh.patternOf(right)
		sh.traceTest(sh.quoteTrace(a), x.Op.String(), text)
		mode := sh.patternMode()
		mode.ext = true
		return sh.matches(text, a, mode) == (x.Op != syntax.TsNoMatch)
	case syntax.TsReMatch:
		text := sh.regexOf(right)
		sh.traceTest(sh.quoteTrace(a), "=~", text)
		return sh.regexMatch(a, text)
	case syntax.TsBefore, syntax.TsAfter:
		b := sh.single(right)
		sh.traceTest(sh.quoteTrace(a), x.Op.String(), sh.quoteTrace(b))
		if x.Op == syntax.TsBefore {
			return a < b
		}
		return a > b
	case syntax.TsNewer, syntax.TsOlder, syntax.TsDevIno:
		return sh.compareFiles(a, x.Op.String(), sh.single(right))
	}
	b := sh.single(right)
	sh.traceTest(sh.quoteTrace(a), x.Op.String(), sh.quoteTrace(b))
	sh.arithContext = "[[: "
	defer func() { sh.arithContext = "" }()
	n, failure := sh.tryArith(a)
	text := a
	var m int64
	if failure == nil {
		text = b
		m, failure = sh.tryArith(b)
	}
	if failure != nil {
		sh.errorf("[[: %s: %s (error token is \"%s\")", text, failure.message, failure.token)
		return false
	}
	return compareNumbers(n, x.Op.String(), m)
}
