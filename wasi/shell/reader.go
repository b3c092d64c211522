package shell

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"github.com/sockerless/sockerless/wasi/kernel"
)

// A source is a script that is read line by line, no further than it is executed.
type source struct {
	name    string // for messages: "-c", "eval", …; "" for a file or standard input
	line    func() (string, error)
	rest    string // of a line that the parser has not taken yet
	taken   strings.Builder
	base    int // offset in the parser's stream of what taken begins with
	read    int // offset of what will be read next
	nesting nesting
	prompts bool // an interactive shell's
	partial bool // inside a command: the next line has PS2 before it
	ended   bool
	lines   int // that the parser has finished
	posix   bool
	retry   bool // rest is text to be parsed again
	repairs int  // of the command that is read
	aliased bool // its aliases are replaced
	stopped bool // nothing more is read for the parser that runs
	first   int  // line number of the first line, less one
	newline bool
	coded   bool                     // some of its bytes are no UTF-8
	typed   strings.Builder          // the lines of the command as they were read
	expand  func(line string) string // history expansion
}

// errInterrupted is what a source gives when the line that is edited was given up.
var errInterrupted = errors.New("interrupted")

// Read gives the parser at most one line.
func (s *source) Read(b []byte) (int, error) {
	if s.stopped {
		return 0, io.EOF
	}
	if s.rest == "" {
		line, err := s.next()
		if line == "" {
			if err == nil {
				err = io.EOF
			}
			if err == io.EOF {
				s.ended = true
				if !s.newline && s.read > 0 {
					// Input ends with a newline, or the parser would not finish the last command.
					s.newline = true
					b[0] = '\n'
					s.taken.WriteByte('\n')
					return 1, nil
				}
			}
			return 0, err
		}
		s.newline = strings.HasSuffix(line, "\n")
		s.rest = s.encoded(line)
		s.partial = true
	}
	if !s.nesting.add(s.rest) {
		return 0, errTooDeep
	}
	n := copy(b, s.rest)
	s.taken.WriteString(s.rest[:n])
	s.rest = s.rest[n:]
	s.read += n
	return n, nil
}

// encoded is text as the parser takes it.
func (s *source) encoded(text string) string {
	text, coded := encodeBytes(text)
	s.coded = s.coded || coded
	return text
}

// next reads a line and keeps it for the history.
func (s *source) next() (string, error) {
	line, err := s.line()
	if s.expand != nil && line != "" {
		line = s.expand(line)
	}
	if s.name == "" && s.typed.Len() < maxField {
		s.typed.WriteString(line)
	}
	return line, err
}

// stringSource reads a script that is a string.
func stringSource(name, text string) *source {
	return &source{name: name, line: func() (string, error) {
		i := strings.IndexByte(text, '\n') + 1
		if i == 0 {
			i = len(text)
		}
		line := text[:i]
		text = text[i:]
		if line == "" {
			return "", io.EOF
		}
		return line, nil
	}}
}

// descriptorSource reads a script from a descriptor of the shell, leaving what follows a line for others to read.
func (sh *shell) descriptorSource(fd int) *source {
	return &source{line: func() (string, error) {
		f, err := sh.p.FDs().Get(fd)
		if err != nil {
			return "", err
		}
		if _, err := f.Seek(0, io.SeekCurrent); err == nil {
			return sh.seekLine(fd, f)
		}
		var line []byte
		for {
			c, err := sh.readByte(fd)
			if errors.Is(err, errEINTR) {
				sh.runTraps()
				continue
			}
			if err != nil {
				return string(line), nil
			}
			if line = append(line, c); c == '\n' {
				return string(line), nil
			}
		}
	}}
}

// seekLine reads a block and goes back to the end of its first line.
func (sh *shell) seekLine(fd int, f *kernel.File) (string, error) {
	var line []byte
	var b [512]byte
	for {
		n, err := sh.p.Read(sh.p.Context(), fd, b[:])
		if i := bytes.IndexByte(b[:n], '\n'); i >= 0 {
			line = append(line, b[:i+1]...)
			_, err = f.Seek(int64(i+1-n), io.SeekCurrent)
			return string(line), err
		}
		line = append(line, b[:n]...)
		if err != nil || n == 0 {
			return string(line), nil
		}
	}
}

// run reads and runs all commands of a source. It returns when the source ends or the shell leaves it.
func (sh *shell) run(src *source) {
	outer := sh.reader
	sh.reader = src
	if sh.bash && src.name == "" && sh.nested == 0 {
		src.expand = sh.expandedLine
	}
	defer func() { sh.reader = outer }()
	for !src.ended && sh.unwind == running {
		sh.parse(src)
	}
}

// parse runs one parser over a source, up to the end or to a syntax error.
func (sh *shell) parse(src *source) {
	src.base, src.read, src.lines = 0, 0, 0
	src.taken.Reset()
	src.nesting = nesting{}
	src.newline = src.rest == "" || strings.HasSuffix(src.rest, "\n")
	if src.prompts && !src.retry {
		src.rest = ""
	}
	src.retry = false
	outer := sh.lineBase
	sh.lineBase = src.first
	defer func() { sh.lineBase = outer }()
	parser := newParser()
	src.posix = sh.posix()
	src.stopped = false
	defer func() { src.stopped = false }()
	for stmts, err := range parser.InteractiveSeq(src) {
		// The parser may call again after an error, even when the loop was left: so it is told that the input ends.
		if src.stopped {
			continue
		}
		if err != nil {
			if src.repair(err) || sh.usesAliases() && src.unalias(sh) {
				continue
			}
			src.first, src.partial = 0, false
			sh.keep(src, nil)
			sh.syntaxError(src, err)
			if !src.prompts {
				src.ended = true
			}
			src.stopped = true
			if sh.posix() && sh.nested > 0 && sh.trapStatus < 0 {
				sh.abandon(2, true)
			}
			continue
		}
		if parser.Incomplete() {
			continue
		}
		text := src.taken.String()
		if sh.opts.verbose && !src.aliased && (sh.bash || src.name != "-c") {
			sh.writeError(decodeBytes(text))
		}
		if sh.usesAliases() && src.unalias(sh) {
			continue
		}
		base := src.base
		src.base = src.read
		src.lines += strings.Count(text, "\n")
		src.repairs, src.aliased = 0, false
		src.nesting = nesting{}
		src.taken.Reset()
		src.partial = false
		if n := len(stmts); n > 0 && stmts[n-1] == nil {
			stmts = stmts[:n-1]
		}
		sh.keep(src, stmts)
		if len(stmts) == 0 {
			continue
		}
		if src.coded {
			for _, s := range stmts {
				decodeTree(s)
			}
		}
		if sh.posix() {
			if at := nestedSubshells(stmts); at >= base && at+1 < base+len(text) {
				// `((` begins two subshells.
				src.base = base
				src.again(text[:at-base+1] + " " + text[at-base+1:] + src.rest)
				continue
			}
			if bad := asPOSIX(stmts); bad != nil {
				sh.line = int(bad.pos.Line()) + sh.lineBase
				sh.status = 2
				sh.errorf("Syntax error: %s", bad.message)
				src.ended, src.stopped = !src.prompts, true
				if sh.nested > 0 {
					sh.abandon(2, true)
				}
				continue
			}
		}
		if sh.opts.noexec && !sh.interactive {
			continue
		}
		sh.runLine(stmts)
		src.stopped = sh.unwind != running
	}
}

// unalias makes the parser begin again with the aliases of the command replaced, if there are any.
func (s *source) unalias(sh *shell) bool {
	if s.aliased {
		return false
	}
	text, changed := sh.unaliased(s.taken.String())
	if !changed {
		return false
	}
	s.aliased = true
	s.again(text + s.rest)
	return true
}

// runLine runs the commands of one line. A command that is abandoned ends the line, but not what comes after it.
func (sh *shell) runLine(stmts []*syntax.Stmt) {
	noErrexit, loops, depth, context, running := sh.noErrexit, sh.loops, sh.depth, sh.arithContext, sh.running
	defer func() {
		switch r := recover().(type) {
		case nil:
		case abandoned:
			if r.exit && sh.nested > 0 {
				panic(r)
			}
			sh.noErrexit, sh.loops, sh.depth, sh.arithContext, sh.running = noErrexit, loops, depth, context, running
			sh.recovered(r)
		default:
			panic(r)
		}
	}()
	sh.stmts(stmts)
}

// recovered goes on after an abandoned command.
func (sh *shell) recovered(a abandoned) {
	sh.out = sh.out[:0]
	switch {
	case a.exit:
		sh.unwind = unwindExit
	case sh.opts.errexit && !sh.interactive:
		sh.unwind = unwindExit
	default:
		sh.unwind = running
	}
}

// evaluate runs text as eval does: in this shell, its lines counted from the current one.
func (sh *shell) evaluate(name, text string) {
	sh.enter(name)
	sh.nested++
	defer func() { sh.nested--; sh.depth-- }()
	src := stringSource(name, text)
	if name != "-c" {
		src.first = max(sh.line-1, 0)
	}
	sh.run(src)
}

// syntaxError prints what is wrong with the script in the form of the shell that the name promises.
func (sh *shell) syntaxError(src *source, err error) {
	if errors.Is(err, errInterrupted) {
		sh.status = 130
		return
	}
	var bad syntax.ParseError
	var lang syntax.LangError
	text, base := src.taken.String(), src.base
	switch {
	case errors.As(err, &bad):
	case errors.As(err, &lang):
		bad = syntax.ParseError{Pos: lang.Pos, Text: err.Error()}
	default:
		sh.errorf("%s", errorText(err))
		sh.status = 1
		return
	}
	sh.line = int(bad.Pos.Line()) + sh.lineBase
	status := sh.status
	sh.status = 2
	offset := int(bad.Pos.Offset()) - base
	token := ""
	if offset >= 0 && offset < len(text) {
		token = decodeBytes(tokenAt(text[offset:]))
	}
	if sh.posix() {
		sh.posixSyntaxError(bad, token, err)
		return
	}
	if i := strings.LastIndex(text[:max(min(offset+2, len(text)), 0)], "[["); i >= 0 && !strings.Contains(text[i:min(max(offset, i), len(text))], "]]") && !syntax.IsIncomplete(err) {
		// bash ends with the status that it has.
		sh.status = status
		sh.errorf("syntax error in conditional expression")
		return
	}
	prefix := sh.where()
	if src.name != "" && !sh.interactive {
		prefix = sh.name + ": " + src.name + ": line " + itoa(int64(sh.currentLine())) + ": "
	}
	switch {
	case syntax.IsIncomplete(err):
		if quote := missingQuote(bad.Text); quote != "" {
			sh.writeError(prefix + "unexpected EOF while looking for matching `" + quote + "'\n")
			return
		}
		lines := strings.Count(strings.TrimSuffix(text, "\n"), "\n") + 2
		prefix = strings.Replace(prefix, "line "+itoa(int64(sh.currentLine())), "line "+itoa(int64(lines+sh.lineBase)), 1)
		sh.writeError(prefix + "syntax error: unexpected end of file\n")
	default:
		line := text
		if offset >= 0 && offset <= len(text) {
			line = text[strings.LastIndexByte(text[:offset], '\n')+1:]
		}
		line, _, _ = strings.Cut(line, "\n")
		if token == "" {
			token = "newline"
		}
		sh.writeError(prefix + "syntax error near unexpected token `" + token + "'\n" + prefix + "`" + decodeBytes(line) + "'\n")
	}
}

func (sh *shell) posixSyntaxError(bad syntax.ParseError, token string, err error) {
	switch {
	case syntax.IsIncomplete(err):
		if quote := missingQuote(bad.Text); quote == "}" {
			sh.errorf("Syntax error: Missing '}'")
			return
		} else if quote == "'" || quote == `"` {
			sh.errorf("Syntax error: Unterminated quoted string")
			return
		}
		expecting := ""
		for _, word := range []string{"fi", "done", "esac", "}", ")", "then", "do"} {
			if strings.Contains(bad.Text, "`"+word+"`") {
				expecting = " (expecting \"" + word + "\")"
			}
		}
		sh.errorf("Syntax error: end of file unexpected%s", expecting)
	case token == "" || token == "newline":
		sh.errorf("Syntax error: newline unexpected")
	default:
		sh.errorf("Syntax error: \"%s\" unexpected", token)
	}
}

// missingQuote is the closing character that a parser's message misses.
func missingQuote(message string) string {
	if !strings.Contains(message, "without") {
		return ""
	}
	for _, q := range []string{"'", `"`, "}", "))", ")"} {
		if strings.Contains(message, "`"+q+"`") || strings.Contains(message, "quote "+q) || strings.HasSuffix(message, q) {
			return q[:1]
		}
	}
	return ""
}

// tokenAt is the token that text begins with.
func tokenAt(text string) string {
	for _, op := range []string{"\n", ";;&", ";;", ";&", "&&", "||", "|&", "<<<", "<<-", "<<", ">>", "<&", ">&", "<>", ">|", "&>", "((", "(", ")", ";", "&", "|", "<", ">"} {
		if strings.HasPrefix(text, op) {
			if op == "\n" {
				return "newline"
			}
			return op
		}
	}
	if i := strings.IndexAny(text, " \t\n;&|<>()"); i > 0 {
		return text[:i]
	}
	return text
}
