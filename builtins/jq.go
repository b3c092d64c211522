package builtins

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/itchyny/gojq"
)

var jqUsage = usage{
	synopsis: "[OPTION]... FILTER [FILE]...", about: "Apply FILTER to JSON values.", status: 2,
	options: []string{"c compact-output", "r raw-output", "j join-output", "a ascii-output", "n null-input", "s slurp", "R raw-input", "S sort-keys", "e exit-status", "M monochrome-output", "tab", "indent=",
		"f from-file", "arg=", "argjson=", "slurpfile=", "rawfile=", "args", "jsonargs", "stream", "seq", "raw-output0", "unbuffered", "h"},
	lacks: []string{"C color-output", "L library-path=", "stream-errors", "debug-dump-disasm", "debug-trace"},
}

// jqCall is one run of jq.
type jqCall struct {
	p       *Process
	out     *output
	printer jqPrinter
	raw     bool
	end     string
	seq     bool
	status  bool // -e

	files       []string
	null, slurp bool
	lines       bool // -R
	stream      bool

	jq      jq
	reader  *jqReader
	current io.ReadCloser
	queue   []any
	missing bool
	last    any
	printed bool
}

func jqCommand(p *Process) int {
	c := &jqCall{p: p, out: p.output(), printer: jqPrinter{indent: "  "}, end: "\n"}
	named := &jqObject{}
	positional := []any{}
	variables := map[string]any{}
	args := []string{p.Name()}
	// --arg and its like take two words, which parse does not know; --args changes what follows.
	var rest []string
	mode := ""
	var order []string
	given := p.Args[1:]
	for i := 0; i < len(given); i++ {
		arg := given[i]
		switch arg {
		case "--arg", "--argjson", "--slurpfile", "--rawfile", "--argfile":
			if i+2 >= len(given) {
				p.Errorf("%s takes two parameters (e.g. %s varname %s)", arg, arg, map[bool]string{true: "value", false: "filename"}[strings.HasPrefix(arg, "--arg")])
				return c.usage()
			}
			value, status := c.argument(arg, given[i+1], given[i+2])
			if status != 0 {
				return status
			}
			if _, has := variables["$"+given[i+1]]; !has {
				variables["$"+given[i+1]] = value
				named.put(given[i+1], value)
			}
			i += 2
		case "--args", "--jsonargs":
			mode = arg
		case "--indent", "-L":
			args = append(args, arg)
			if i+1 < len(given) {
				i++
				args = append(args, given[i])
			}
		case "--":
			for _, word := range given[i+1:] {
				rest, order = append(rest, word), append(order, mode)
			}
			i = len(given)
		default:
			if len(arg) > 1 && arg[0] == '-' && (arg[1] == '-' || arg[1]|0x20 >= 'a' && arg[1]|0x20 <= 'z') {
				args = append(args, arg)
			} else {
				rest, order = append(rest, arg), append(order, mode)
			}
		}
	}
	opts, _, status, done := p.parseArgs(jqUsage, args[1:])
	if done {
		return status
	}
	fromFile := false
	for _, o := range opts {
		switch o.name {
		case "c":
			c.printer.compact = true
		case "r":
			c.raw = true
		case "j":
			c.raw, c.end = true, ""
		case "raw-output0":
			c.raw, c.end = true, "\x00"
		case "a":
			c.printer.ascii = true
		case "n":
			c.null = true
		case "s":
			c.slurp = true
		case "R":
			c.lines = true
		case "S":
			c.printer.sortKeys = true
		case "e":
			c.status = true
		case "tab":
			c.printer.indent, c.printer.compact = "\t", false
		case "indent":
			n := atoiOr(o.value, -1)
			if n < 0 || n > 7 {
				p.Errorf("Cannot indent %s", map[bool]string{true: "more than 7 characters", false: "less than zero"}[n > 7])
				return 2
			}
			c.printer.indent, c.printer.compact = strings.Repeat(" ", n), n == 0
		case "f":
			fromFile = true
		case "stream":
			c.stream = true
		case "seq":
			c.seq = true
		case "h":
			io.WriteString(p.Stdout, p.helpText(jqUsage))
			return 0
		}
	}
	if len(rest) == 0 {
		if p.System.IsTerminal(0) && p.System.IsTerminal(1) {
			return c.usage()
		}
		rest, order = []string{"."}, []string{""}
	}
	program := rest[0]
	for i, word := range rest[1:] {
		switch order[i+1] {
		case "--args":
			positional = append(positional, word)
		case "--jsonargs":
			v, err := jqFromJSON(word)
			if err != nil {
				p.Errorf("Invalid JSON text passed to --jsonargs")
				return c.usage()
			}
			positional = append(positional, v)
		default:
			c.files = append(c.files, word)
		}
	}
	if fromFile {
		data, err := p.Files.ReadFile(program)
		if err != nil {
			p.Errorf("error: Could not open %s: %s", program, strerror(err))
			return 2
		}
		program = string(data)
	}
	return c.run(program, variables, named, positional)
}

func (c *jqCall) usage() int {
	io.WriteString(c.p.Stderr, "Usage:\tjq [OPTIONS] FILTER [FILES...]\nUse jq --help for help with command-line options,\nor see the jq manpage, or online docs  at https://stedolan.github.io/jq\n")
	return 2
}

// argument is the value of --arg and its like.
func (c *jqCall) argument(option, name, value string) (any, int) {
	switch option {
	case "--arg":
		return value, 0
	case "--argjson":
		v, err := jqFromJSON(value)
		if err != nil {
			c.p.Errorf("Invalid JSON text passed to --argjson")
			return nil, c.usage()
		}
		return v, 0
	}
	data, err := c.p.Files.ReadFile(value)
	if err != nil {
		c.p.Errorf("Bad JSON in --%s %s %s: Could not open %s: %s", strings.TrimLeft(option, "-"), name, value, value, strerror(err))
		return nil, 2
	}
	if option == "--rawfile" {
		return string(data), 0
	}
	list := []any{}
	for r := newJQReader(strings.NewReader(string(data))); ; {
		v, err := r.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			c.p.Errorf("Bad JSON in --%s %s %s: %s", strings.TrimLeft(option, "-"), name, value, err)
			return nil, 2
		}
		list = append(list, v)
	}
	if option == "--argfile" && len(list) == 1 {
		return list[0], 0
	}
	return list, 0
}

func (c *jqCall) run(program string, variables map[string]any, named *jqObject, positional []any) int {
	arguments := &jqObject{}
	arguments.put("positional", positional)
	arguments.put("named", named)
	env := &jqObject{}
	for _, v := range c.p.Env {
		name, value, _ := strings.Cut(v, "=")
		env.put(name, value)
	}
	c.jq = jq{p: c.p, input: c.next, native: jqBuiltins(), defs: jqPrelude(), named: arguments, env: env, line: func() int {
		if c.reader == nil {
			return 0
		}
		return c.reader.line
	}}
	query, err := gojq.Parse(program)
	if err == nil && (len(query.Imports) > 0 || query.Meta != nil) {
		err = errors.New("modules are not supported in the sandbox")
	}
	known := map[string]bool{}
	var scope *jqScope
	for name, v := range variables {
		known[name] = true
		scope = scope.with(name, v)
	}
	if err == nil {
		if name := c.jq.undefined(query, known); name != "" {
			err = fmt.Errorf("%s is not defined", name)
		}
	}
	if err != nil {
		c.p.Errorf("error: %s at <top-level>, line 1:\n%s\njq: 1 compile error", err, program)
		return 3
	}
	defer c.close()
	status := 0
	for first := true; ; first = false {
		var in any
		if c.null {
			if !first {
				break
			}
		} else if in, err = c.next(); err != nil {
			if !errors.Is(err, io.EOF) {
				c.out.Flush()
				io.WriteString(c.p.Stderr, "parse error: "+err.Error()+"\n")
				status = 2
			}
			break
		}
		err := c.jq.query(query, scope, jqItem{v: in}, func(it jqItem) error { return c.print(it.v) })
		var halt *jqHalt
		if errors.As(err, &halt) {
			c.out.Flush()
			io.WriteString(c.p.Stderr, halt.text)
			return c.out.finish(halt.status)
		}
		if c.p.Context.Err() != nil || c.out.broken() {
			return c.out.finish(2)
		}
		if status = c.report(err); status != 0 && status != 5 {
			break
		}
	}
	switch {
	case status != 0:
	case c.missing:
		status = 2
	case c.status && !c.printed:
		status = 4
	case c.status && !jqTrue(c.last):
		status = 1
	}
	return c.out.finishOr(status, 2)
}

// report prints the error of a run of the program and gives its status.
func (c *jqCall) report(err error) int {
	if err == nil {
		return 0
	}
	c.out.Flush()
	var raised *jqError
	var left *jqBreak
	switch {
	case errors.As(err, &raised):
		where := "<unknown>"
		if c.reader != nil {
			where = fmt.Sprintf("<stdin>:%d", c.lineNumber())
		}
		note := ""
		text, ok := raised.value.(string)
		if !ok {
			note, text = " (not a string)", jqJSON(raised.value)
		}
		fmt.Fprintf(c.p.Stderr, "jq: error (at %s)%s: %s\n", where, note, text)
		return 5
	case errors.As(err, &left):
		fmt.Fprintf(c.p.Stderr, "jq: error (at <unknown>): break\n")
		return 5
	}
	io.WriteString(c.p.Stderr, "parse error: "+err.Error()+"\n")
	return 2
}

// lineNumber is the line in which the last value ended: jq reads whole lines.
func (c *jqCall) lineNumber() int {
	line := c.reader.line
	if rest, err := c.reader.r.Peek(1); err == nil && rest[0] == '\n' && c.reader.column > 0 {
		line++
	}
	return line
}

func (c *jqCall) print(v any) error {
	c.last, c.printed = v, true
	if c.seq {
		c.out.WriteString("\x1e")
	}
	if text, ok := v.(string); ok && c.raw {
		c.out.WriteString(text)
	} else {
		c.out.Write(c.printer.append(nil, v, "\n"))
	}
	_, err := c.out.WriteString(c.end)
	return err
}

func (c *jqCall) close() {
	if c.current != nil {
		c.current.Close()
		c.current = nil
	}
}

// open goes to the next file; io.EOF says that there is none.
func (c *jqCall) open() error {
	if c.reader == nil && len(c.files) == 0 {
		c.reader = newJQReader(liveReader{c.p.Context, c.p.Stdin})
		return nil
	}
	for len(c.files) > 0 {
		c.close()
		name := c.files[0]
		c.files = c.files[1:]
		f, err := c.p.openInput(name)
		if err == nil {
			c.current, c.reader = f, newJQReader(f)
			c.jq.file = name
			return nil
		}
		c.p.Errorf("error: Could not open %s: %s", name, strerror(err))
		c.missing = true
	}
	return io.EOF
}

// value reads the next value of all files.
func (c *jqCall) value() (any, error) {
	for {
		if c.reader == nil {
			if err := c.open(); err != nil {
				return nil, err
			}
		}
		var v any
		var err error
		if c.lines {
			v, err = c.rawLine()
		} else {
			v, err = c.reader.next()
		}
		if !errors.Is(err, io.EOF) {
			return v, err
		}
		if len(c.files) == 0 {
			return nil, io.EOF
		}
		if err := c.open(); err != nil {
			return nil, err
		}
	}
}

func (c *jqCall) rawLine() (any, error) {
	line, err := c.reader.r.ReadString('\n')
	if line == "" && err != nil {
		return nil, err
	}
	c.reader.line++
	return strings.ToValidUTF8(strings.TrimSuffix(line, "\n"), "\ufffd"), nil
}

// next is the next input of the program.
func (c *jqCall) next() (any, error) {
	if len(c.queue) > 0 {
		v := c.queue[0]
		c.queue = c.queue[1:]
		return v, nil
	}
	if c.slurp {
		return c.all()
	}
	v, err := c.value()
	if err != nil || !c.stream {
		return v, err
	}
	c.queue = jqEvents(nil, []any{}, v, true)
	return c.next()
}

// all is -s.
func (c *jqCall) all() (any, error) {
	if c.reader != nil && len(c.files) == 0 {
		if _, err := c.reader.r.Peek(1); err != nil {
			return nil, io.EOF
		}
	}
	list := []any{}
	var text strings.Builder
	for {
		if c.lines {
			if c.reader == nil {
				if err := c.open(); err != nil {
					break
				}
			}
			if _, err := io.Copy(&text, c.reader.r); err != nil {
				return nil, err
			}
			if c.open() != nil {
				break
			}
			continue
		}
		v, err := c.value()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if c.stream {
			list = jqEvents(list, []any{}, v, true)
		} else {
			list = append(list, v)
		}
	}
	if c.reader == nil {
		c.reader = newJQReader(strings.NewReader(""))
	}
	if c.lines {
		return strings.ToValidUTF8(text.String(), "\ufffd"), nil
	}
	return list, nil
}

// jqEvents are the events of --stream for a value.
func jqEvents(events []any, path []any, v any, top bool) []any {
	var keys []any
	var values []any
	switch x := v.(type) {
	case []any:
		for i := range x {
			keys = append(keys, float64(i))
		}
		values = x
	case *jqObject:
		for _, k := range x.keys {
			keys = append(keys, k)
		}
		values = x.values
	}
	if len(keys) == 0 {
		return append(events, []any{slices.Clone(path), v})
	}
	for i, key := range keys {
		events = jqEvents(events, append(slices.Clone(path), key), values[i], false)
	}
	return append(events, []any{append(slices.Clone(path), keys[len(keys)-1])})
}
