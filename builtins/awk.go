package builtins

import (
	"fmt"

	"math"
	"math/rand"
	"strings"
)

// awkSpecials are the variables that awk itself looks at, in the order of the constants below.
var awkSpecials = []string{"NF", "NR", "FNR", "FS", "OFS", "ORS", "RS", "FILENAME", "SUBSEP", "CONVFMT", "OFMT", "RSTART",
	"RLENGTH", "ENVIRON", "ARGC", "ARGV", "RT", "IGNORECASE"}

const (
	awkNF = iota
	awkNR
	awkFNR
	awkFS
	awkOFS
	awkORS
	awkRS
	awkFILENAME
	awkSUBSEP
	awkCONVFMT
	awkOFMT
	awkRSTART
	awkRLENGTH
	awkENVIRON
	awkARGC
	awkARGV
	awkRT
	awkIGNORECASE
)

// awkRun runs a program.
type awkRun struct {
	p       *Process
	prog    *awkProgram
	globals []awkCell
	frame   []awkCell
	depth   int
	result  awkValue // of return
	status  int
	out     *output
	outs    map[string]*awkOutput
	ins     map[string]*awkReader

	record    string
	fields    []awkValue // from 1 on; fields[0] is not used
	split     bool       // fields and NF are those of the record
	rebuild   bool       // the record is to be made of the fields
	input     *awkReader
	nextArg   int
	usedStdin bool
	regexps   map[string]*Regexp
	random    *rand.Rand
	seed      float64
}

// awkError ends a program with status 2.
type awkError struct{ text string }

func (r *awkRun) fail(format string, args ...any) { panic(awkError{fmt.Sprintf(format, args...)}) }

func awk(p *Process) int {
	opts, operands, status, done := p.parse(usage{
		synopsis: "[OPTION]... 'PROGRAM' [FILE]...",
		about:    "Run a program on every line of input.",
		status:   2,
		inOrder:  true,
		options:  []string{"F field-separator=", "v assign=", "f file=", "W=", "e source=", "P posix", "S sandbox", "b characters-as-bytes", "re-interval"},
	})
	if done {
		return status
	}
	var source []string
	var assigns []string
	fs := ""
	hasFS := false
	for _, o := range opts {
		switch o.name {
		case "F":
			fs, hasFS = o.value, true
		case "v":
			if !isAssignment(o.value) {
				p.Errorf("`%s' argument to `-v' not in `var=value' form", o.value)
				return 2
			}
			assigns = append(assigns, o.value)
		case "f":
			text, err := p.readAll(o.value)
			if err != nil {
				p.Errorf("cannot open \"%s\" for reading: %s", o.value, strerror(err))
				return 2
			}
			source = append(source, string(text))
		case "e":
			source = append(source, o.value)
		case "W", "S":
			p.Errorf("option -%s is not supported", o.name)
			return 2
		}
	}
	if source == nil {
		if len(operands) == 0 {
			fmt.Fprintf(p.Stderr, "Usage: %s [-F fs][-v var=value][prog | -f progfile][file ...]\n", p.Name())
			return 2
		}
		source, operands = operands[:1], operands[1:]
	}
	prog, err := parseAwk(strings.Join(source, "\n"))
	if err != nil {
		p.Errorf("%s", err)
		return 2
	}
	r := newAwkRun(p, prog, operands)
	if hasFS {
		if fs == "t" {
			fs = "\t"
		}
		r.globals[awkFS].v = awkStr(awkUnescape(fs))
	}
	for _, a := range assigns {
		r.assignArgument(a)
	}
	return r.run()
}

func newAwkRun(p *Process, prog *awkProgram, operands []string) *awkRun {
	r := &awkRun{p: p, prog: prog, globals: make([]awkCell, len(prog.globals)), out: p.output(), outs: map[string]*awkOutput{},
		ins: map[string]*awkReader{}, regexps: map[string]*Regexp{}, random: rand.New(rand.NewSource(0)), nextArg: 1, split: true}
	set := func(i int, s string) { r.globals[i].v = awkStr(s) }
	set(awkFS, " ")
	set(awkOFS, " ")
	set(awkORS, "\n")
	set(awkRS, "\n")
	set(awkSUBSEP, "\x1c")
	set(awkCONVFMT, "%.6g")
	set(awkOFMT, "%.6g")
	for _, i := range []int{awkNF, awkNR, awkFNR} {
		r.globals[i].v = awkNum(0)
	}
	r.globals[awkRLENGTH].v = awkNum(-1)
	environ := r.globals[awkENVIRON].asArray()
	for _, e := range p.Env {
		if name, value, ok := strings.Cut(e, "="); ok {
			environ.at(name).v = awkInput(value)
		}
	}
	argv := r.globals[awkARGV].asArray()
	argv.at("0").v = awkInput(p.Name())
	for i, o := range operands {
		argv.at(fmt.Sprint(i + 1)).v = awkInput(o)
	}
	r.globals[awkARGC].v = awkNum(float64(len(operands) + 1))
	return r
}

// isAssignment says whether an argument has the form name=value.
func isAssignment(s string) bool {
	name, _, ok := strings.Cut(s, "=")
	if !ok || name == "" || name[0] >= '0' && name[0] <= '9' {
		return false
	}
	for i := range len(name) {
		if !isWord(name[i]) {
			return false
		}
	}
	return true
}

// assignArgument carries out an argument of the form name=value.
func (r *awkRun) assignArgument(arg string) {
	name, value, _ := strings.Cut(arg, "=")
	for i, global := range r.prog.globals {
		if global == name {
			r.setGlobal(i, awkInput(awkUnescape(value)))
			return
		}
	}
}

func (r *awkRun) run() (status int) {
	defer func() {
		if e := recover(); e != nil {
			problem, ok := e.(awkError)
			if !ok {
				panic(e)
			}
			r.out.Flush()
			if r.p.Context.Err() == nil {
				r.p.Errorf("%s", problem.text)
			}
			r.closeAll()
			status = 2
		}
	}()
	// An exit outside of END still runs the END actions, as POSIX wants.
	if !r.sections(r.prog.begin) && (len(r.prog.rules) > 0 || len(r.prog.end) > 0) {
		r.records()
	}
	r.sections(r.prog.end)
	r.closeAll()
	return r.out.finishOr(r.status&0xff, 2)
}

// top runs an action; an exit inside a function ends up here.
func (r *awkRun) top(s awkStmt) (jump int) {
	defer func() {
		switch e := recover().(type) {
		case nil:
		case awkExit:
			r.frame, r.depth, jump = nil, 0, awkExitJump
		default:
			panic(e)
		}
	}()
	return r.exec(s)
}

// sections runs BEGIN or END actions; true after an exit.
func (r *awkRun) sections(list []awkStmt) bool {
	for _, s := range list {
		if r.top(s) == awkExitJump {
			return true
		}
	}
	return false
}

// records runs the rules on all input; true after an exit.
func (r *awkRun) records() bool {
	for {
		line, ok := r.readMain()
		if !ok || r.out.broken() {
			return false
		}
		r.setRecord(line)
	rules:
		for _, rule := range r.prog.rules {
			if !r.selects(rule) {
				continue
			}
			if rule.body == nil {
				r.print(r.getRecord())
				continue
			}
			switch r.top(rule.body) {
			case awkNextJump:
				break rules
			case awkNextFileJump:
				r.skipFile()
				break rules
			case awkExitJump:
				return true
			}
		}
	}
}

func (r *awkRun) selects(rule *awkRule) bool {
	if rule.from == nil {
		return true
	}
	if rule.to == nil {
		return r.eval(rule.from).truth()
	}
	if !rule.active {
		if !r.eval(rule.from).truth() {
			return false
		}
		rule.active = true
	}
	if r.eval(rule.to).truth() {
		rule.active = false
	}
	return true
}

func (r *awkRun) print(line string) {
	r.out.WriteString(line)
	r.out.WriteString(r.globals[awkORS].v.str("%.6g"))
}

// setRecord makes a text $0.
func (r *awkRun) setRecord(s string) {
	r.record, r.split, r.rebuild = s, false, false
}

func (r *awkRun) getRecord() string {
	if r.rebuild {
		ofs := r.text(r.globals[awkOFS].v)
		var b strings.Builder
		for i := 1; i < len(r.fields); i++ {
			if i > 1 {
				b.WriteString(ofs)
			}
			b.WriteString(r.text(r.fields[i]))
		}
		r.record, r.rebuild = b.String(), false
	}
	return r.record
}

// needFields splits the record where that has not been done.
func (r *awkRun) needFields() {
	if r.split {
		return
	}
	r.split = true
	r.fields = append(r.fields[:0], awkValue{})
	r.splitText(r.record, r.globals[awkFS].v.str("%.6g"), func(s string) { r.fields = append(r.fields, awkInput(s)) })
	r.globals[awkNF].v = awkNum(float64(len(r.fields) - 1))
}

func (r *awkRun) field(i int) awkValue {
	if i == 0 {
		return awkInput(r.getRecord())
	}
	if i < 0 {
		r.fail("attempt to access field %d", i)
	}
	r.needFields()
	if i < len(r.fields) {
		return r.fields[i]
	}
	return awkValue{}
}

func (r *awkRun) setField(i int, v awkValue) {
	if i == 0 {
		r.setRecord(r.text(v))
		return
	}
	if i < 0 {
		r.fail("attempt to access field %d", i)
	}
	r.needFields()
	if i >= len(r.fields) {
		r.setNF(i)
	}
	r.fields[i] = v
	r.rebuild = true
}

func (r *awkRun) setNF(n int) {
	if n < 0 || n > 1<<24 {
		r.fail("NF set to %d", n)
	}
	r.needFields()
	for len(r.fields) <= n {
		r.fields = append(r.fields, awkInput(""))
	}
	r.fields = r.fields[:n+1]
	r.globals[awkNF].v = awkNum(float64(n))
	r.rebuild = true
}

func (r *awkRun) setGlobal(i int, v awkValue) {
	if r.globals[i].array != nil {
		r.fail("can't assign to %s; it's an array name.", r.prog.globals[i])
	}
	switch i {
	case awkNF:
		r.setNF(int(v.num()))
		return
	case awkFS:
		if !r.split {
			r.needFields() // the new separator is for the next record
		}
	}
	r.globals[i].v = v
}

// text is a value as a string.
func (r *awkRun) text(v awkValue) string {
	if v.kind != awkIsNum {
		return v.s
	}
	if v.n == math.Trunc(v.n) {
		return awkNumberText(v.n, "")
	}
	return awkNumberText(v.n, r.globals[awkCONVFMT].v.str("%.6g"))
}

// splitText cuts a text into fields by a separator with FS's meaning.
func (r *awkRun) splitText(s, fs string, add func(string)) {
	switch {
	case fs == " ":
		for s != "" {
			start := 0
			for start < len(s) && isBlank(s[start]) {
				start++
			}
			end := start
			for end < len(s) && !isBlank(s[end]) {
				end++
			}
			if end > start {
				add(s[start:end])
			}
			s = s[end:]
		}
		return
	case s == "":
		return
	case fs == "":
		for _, c := range splitCharacters(s) {
			add(c)
		}
		return
	}
	lines := r.globals[awkRS].v.str("%.6g") == ""
	if len(fs) == 1 && fs != `\` && !lines {
		for {
			i := strings.IndexByte(s, fs[0])
			if i < 0 {
				add(s)
				return
			}
			add(s[:i])
			s = s[i+1:]
		}
	}
	if len(fs) == 1 {
		fs = "[" + fs + "]"
		if fs == `[\]` {
			fs = `\\`
		}
	}
	if lines {
		fs = "(" + fs + ")|\n"
	}
	r.splitRegexp(s, r.compile(fs), add)
}

func (r *awkRun) splitRegexp(s string, re *Regexp, add func(string)) {
	if s == "" {
		return
	}
	end := 0
	for _, loc := range re.FindAll([]byte(s), 0) {
		if loc[1] > loc[0] {
			add(s[end:loc[0]])
			end = loc[1]
		}
	}
	add(s[end:])
}

// compile makes a dynamic regular expression, once.
func (r *awkRun) compile(text string) *Regexp {
	re, ok := r.regexps[text]
	if !ok {
		var err error
		fold := r.globals[awkIGNORECASE].v.truth()
		if re, err = CompileRegexp(text, RegexpOptions{Extended: true, Escapes: true, Awk: true, IgnoreCase: fold}); err != nil {
			r.fail("regular expression compile failed: %s\n%s", err, text)
		}
		if len(r.regexps) > 500 {
			clear(r.regexps)
		}
		r.regexps[text] = re
	}
	return re
}
