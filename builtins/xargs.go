package builtins

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

var xargsUsage = usage{
	synopsis: "[OPTION]... COMMAND [INITIAL-ARGS]...",
	about:    "Run COMMAND with arguments INITIAL-ARGS and more arguments read from input.",
	inOrder:  true,
	options: []string{"0 null", "a arg-file=", "d delimiter=", "E=", "e eof?", "I=", "i replace?", "L=", "l max-lines?", "n max-args=", "P max-procs=",
		"p interactive", "process-slot-var=", "r no-run-if-empty", "s max-chars=", "t verbose", "x exit", "o open-tty"},
}

// argRunner is one run of xargs.
type argRunner struct {
	p        *Process
	command  []string
	replace  string
	hasRep   bool
	maxArgs  int
	maxLines int
	maxChars int
	exit     bool
	trace    bool
	ask      bool
	noEmpty  bool
	parallel int
	delim    int // -1: blanks and quotes
	eof      *string
	stdin    io.Reader

	mu     sync.Mutex
	status int
	stop   bool
	slots  chan struct{}
	wait   sync.WaitGroup
}

func xargs(p *Process) int {
	opts, operands, status, done := p.parse(xargsUsage)
	if done {
		return status
	}
	x := &argRunner{p: p, command: operands, maxChars: 128 << 10, parallel: 1, delim: -1, stdin: strings.NewReader("")}
	in := p.Stdin
	number := func(o option, least int) (int, bool) {
		n, err := strconv.Atoi(o.value)
		if err != nil {
			p.Errorf("invalid number \"%s\" for -%s option", o.value, o.name)
			fmt.Fprintf(p.Stderr, "Try '%s --help' for more information.\n", p.Name())
			return 0, false
		}
		if n < least {
			p.Errorf("value %s for -%s option should be >= %d", o.value, o.name, least)
			fmt.Fprintf(p.Stderr, "Try '%s --help' for more information.\n", p.Name())
			return 0, false
		}
		return n, true
	}
	for _, o := range opts {
		ok := true
		switch o.name {
		case "0":
			x.delim = 0
		case "a":
			file, err := p.Files.Open(o.value)
			if err != nil {
				p.Errorf("Cannot open input file %s: %s", quote(o.value), strerror(err))
				return 1
			}
			defer file.Close()
			in, x.stdin = file, p.Stdin
		case "d":
			text := unescapeFormat(o.value)
			if len(text) != 1 {
				p.Errorf("Invalid input delimiter specification %s: the delimiter must be either a single character or an escape sequence starting with \\.", o.value)
				return 1
			}
			x.delim = int(text[0])
		case "E", "e":
			x.eof = nil
			if o.value != "" {
				x.eof = &o.value
			}
		case "I", "i":
			x.replace, x.hasRep, x.maxArgs, x.maxLines = "{}", true, 0, 0
			if o.has {
				x.replace = o.value
			}
		case "L", "l":
			x.maxLines = 1
			if o.has {
				x.maxLines, ok = number(o, 1)
			}
			x.maxArgs, x.hasRep = 0, false
		case "n":
			x.maxArgs, ok = number(o, 1)
			if x.maxArgs == 1 && x.hasRep {
				x.maxArgs = 0
			} else {
				x.maxLines, x.hasRep = 0, false
			}
		case "P":
			x.parallel, ok = number(o, 0)
		case "p":
			x.ask, x.trace = true, true
		case "r":
			x.noEmpty = true
		case "s":
			x.maxChars, ok = number(o, 1)
		case "t":
			x.trace = true
		case "x":
			x.exit = true
		case "process-slot-var", "o":
			p.Errorf("option '%s' is not supported by this implementation", o.name)
			return 1
		}
		if !ok {
			return 1
		}
	}
	if len(x.command) == 0 {
		x.command = []string{"echo"}
	}
	if x.parallel > 0 {
		x.slots = make(chan struct{}, x.parallel)
	}
	ctx, cancel := context.WithCancel(p.Context)
	defer cancel()
	x.read(ctx, bufio.NewReader(liveReader{ctx, in}))
	x.wait.Wait()
	return x.status
}

func (x *argRunner) fail(status int, format string, args ...any) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if format != "" {
		x.p.Errorf(format, args...)
	}
	if !x.stop {
		x.status = status
	}
	x.stop = x.stop || status != 123
}

func (x *argRunner) stopped() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.stop
}

// read gathers arguments and starts commands as they are full.
func (x *argRunner) read(ctx context.Context, in *bufio.Reader) {
	var args []string
	size, lines, ran := 0, 0, false
	base := 0
	for _, a := range x.command {
		base += len(a) + 1
	}
	flush := func() {
		ran = true
		x.start(ctx, append(x.command[:len(x.command):len(x.command)], args...))
		args, size, lines = nil, 0, 0
	}
	for !x.stopped() {
		arg, endsLine, err := x.next(in)
		if err != nil {
			if err != io.EOF {
				if len(args) > 0 {
					flush()
				}
				x.fail(1, "%s", strings.TrimPrefix(err.Error(), "read: "))
			}
			break
		}
		if x.hasRep {
			ran = true
			command := make([]string, len(x.command))
			for i, a := range x.command {
				command[i] = a
				if i > 0 {
					command[i] = strings.ReplaceAll(a, x.replace, arg)
				}
			}
			x.start(ctx, command)
			continue
		}
		if base+size+len(arg)+1 > x.maxChars {
			if len(args) == 0 || x.exit {
				what := "line"
				if len(args) > 0 {
					what = "list"
				}
				x.fail(1, "argument %s too long", what)
				break
			}
			flush()
		}
		args = append(args, arg)
		size += len(arg) + 1
		if endsLine {
			lines++
		}
		if x.maxArgs > 0 && len(args) == x.maxArgs || x.maxLines > 0 && lines == x.maxLines {
			flush()
		}
	}
	if !x.stopped() && (len(args) > 0 || !ran && !x.noEmpty && !x.hasRep) {
		flush()
	}
}

// next reads one argument; endsLine says that it was the last of its line (a trailing blank continues the line).
func (x *argRunner) next(in *bufio.Reader) (arg string, endsLine bool, err error) {
	if x.delim >= 0 {
		text, err := in.ReadString(byte(x.delim))
		if err == io.EOF && text != "" {
			err = nil
		}
		return strings.TrimSuffix(text, string(rune(x.delim))), true, err
	}
	var b strings.Builder
	begun := false
	open := byte(0)
	blank := byte(0)
	for {
		c, err := in.ReadByte()
		if err != nil {
			if open != 0 {
				return "", false, fmt.Errorf("unmatched %s quote; by default quotes are special to xargs unless you use the -0 option", map[byte]string{'\'': "single", '"': "double"}[open])
			}
			if err == io.EOF && begun {
				return x.ended(b.String(), true)
			}
			return "", false, err
		}
		switch {
		case open != 0 && c == open:
			open = 0
		case open != 0 && c == '\n':
			return "", false, fmt.Errorf("unmatched %s quote; by default quotes are special to xargs unless you use the -0 option", map[byte]string{'\'': "single", '"': "double"}[open])
		case open != 0:
			b.WriteByte(c)
		case c == '\'' || c == '"':
			open, begun = c, true
		case c == '\\':
			if c, err = in.ReadByte(); err == nil {
				b.WriteByte(c)
			}
			begun = true
		case c == '\n':
			if begun {
				return x.ended(b.String(), blank == 0 || x.hasRep)
			}
		case c == ' ' || c == '\t':
			switch {
			case x.hasRep && begun:
				b.WriteByte(c)
			case begun:
				return x.afterBlank(in, b.String())
			}
		default:
			b.WriteByte(c)
			begun = true
		}
	}
}

// afterBlank ends an argument at a blank. The line goes on behind it, also on the next line if nothing else follows.
func (x *argRunner) afterBlank(in *bufio.Reader, arg string) (string, bool, error) {
	for {
		c, err := in.ReadByte()
		if err != nil {
			return x.ended(arg, true)
		}
		if c != ' ' && c != '\t' {
			if c != '\n' {
				in.UnreadByte()
			}
			return x.ended(arg, false)
		}
	}
}

func (x *argRunner) ended(arg string, endsLine bool) (string, bool, error) {
	if x.eof != nil && arg == *x.eof {
		return "", false, io.EOF
	}
	return arg, endsLine, nil
}

// start runs a command, beside others with -P.
func (x *argRunner) start(ctx context.Context, args []string) {
	if x.trace {
		words := make([]string, len(args))
		for i, a := range args {
			words[i] = quoteWord(a)
		}
		text := strings.Join(words, " ")
		if x.ask {
			io.WriteString(x.p.Stderr, text+" ?...")
			a := asker{p: x.p}
			if !a.yes("") {
				return
			}
		} else {
			io.WriteString(x.p.Stderr, text+"\n")
		}
	}
	if x.parallel == 1 {
		x.run(ctx, args)
		return
	}
	if x.slots != nil {
		select {
		case x.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
	}
	x.wait.Go(func() {
		x.run(ctx, args)
		if x.slots != nil {
			<-x.slots
		}
	})
}

// run runs a command and takes its exit status into account: 255 and death by a signal stop xargs.
func (x *argRunner) run(ctx context.Context, args []string) {
	status, err := x.p.System.Run(ctx, Command{Args: args, Env: x.p.Env, Stdin: x.stdin, Stdout: x.p.Stdout, Stderr: x.p.Stderr})
	switch {
	case errors.Is(err, syscall.ENOENT):
		x.fail(127, "%s: %s", args[0], strerror(err))
	case err != nil:
		x.fail(126, "%s: %s", args[0], strerror(err))
	case status == 255:
		x.fail(124, "%s: exited with status 255; aborting", args[0])
	case status > 128 && status < 128+65:
		x.fail(125, "%s: terminated by signal %d", args[0], status-128)
	case status != 0:
		x.fail(123, "")
	}
}
