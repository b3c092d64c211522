package builtins

import (
	"errors"
	"io"
	"strings"
	"syscall"
)

var envUsage = usage{
	synopsis: "[OPTION]... [-] [NAME=VALUE]... [COMMAND [ARG]...]",
	about:    "Set each NAME to VALUE in the environment and run COMMAND.",
	status:   125,
	inOrder:  true,
	options:  []string{"i ignore-environment", "0 null", "u unset=", "C chdir=", "S split-string=", "v debug"},
}

func env(p *Process) int {
	args := p.Args[1:]
	var opts []option
	var operands []string
	for expanded := 0; ; expanded++ {
		var status int
		var done bool
		if opts, operands, status, done = p.parseArgs(envUsage, args); done {
			return status
		}
		split := -1
		for i, o := range opts {
			if o.name == "S" {
				split = i
			}
		}
		if split < 0 || expanded > 10 {
			break
		}
		words, problem := splitEnvString(opts[split].value, p)
		if problem != "" {
			p.Errorf("%s", problem)
			return 125
		}
		args = append(words, operands...)
		for _, o := range opts[:split] { // those before -S keep their meaning
			args = append([]string{"-" + o.name + o.value}, args...)
		}
	}
	environment := p.Env
	end, dir := "\n", ""
	for _, o := range opts {
		switch o.name {
		case "i":
			environment = nil
		case "0":
			end = "\x00"
		case "u":
			if o.value == "" || strings.Contains(o.value, "=") {
				p.Errorf("cannot unset %s: Invalid argument", quote(o.value))
				return 125
			}
			environment = withoutVariable(environment, o.value)
		case "C":
			dir = o.value
		}
	}
	if len(operands) > 0 && operands[0] == "-" {
		environment, operands = nil, operands[1:]
	}
	for len(operands) > 0 {
		name, _, is := strings.Cut(operands[0], "=")
		if !is {
			break
		}
		environment = setVariable(environment, name, operands[0])
		operands = operands[1:]
	}
	if len(operands) == 0 {
		if dir != "" {
			p.Errorf("must specify command with --chdir (-C)")
			return p.tryHelp(envUsage)
		}
		out := p.output()
		for _, v := range environment {
			out.WriteString(v + end)
		}
		return out.finish(0)
	}
	if end == "\x00" {
		p.Errorf("cannot specify --null (-0) with command")
		return p.tryHelp(envUsage)
	}
	if dir != "" {
		if err := p.Files.Chdir(dir); err != nil {
			p.Errorf("cannot change directory to %s: %s", quoteName(dir), strerror(err))
			return 125
		}
		dir = p.Files.Getwd()
	}
	return p.replaceBy(Command{Args: operands, Env: environment, Dir: dir})
}

// replaceBy runs a program in the place of the command: env, nice, nohup and setsid end so.
func (p *Process) replaceBy(c Command) int {
	c.Stdin, c.ReplacesCaller = p.Stdin, true
	if c.Stdout == nil {
		c.Stdout = p.Stdout
	}
	if c.Stderr == nil {
		c.Stderr = p.Stderr
	}
	status, err := p.System.Run(p.Context, c)
	if err != nil {
		format := "failed to run command %s: %s"
		if name := p.Name(); name == "env" || name == "nice" {
			format = "%s: %s"
		}
		return p.cannotRun(format, c.Args[0], err)
	}
	return status
}

// cannotRun says why a program was not started and gives the status that a shell would.
func (p *Process) cannotRun(format, name string, err error) int {
	p.Errorf(format, quoteName(name), strerror(err))
	if errors.Is(err, syscall.ENOENT) {
		if strings.Contains(name, " ") && p.Name() == "env" {
			io.WriteString(p.Stderr, "env: use -[v]S to pass options in shebang lines\n")
		}
		return 127
	}
	return 126
}

func withoutVariable(environment []string, name string) []string {
	var kept []string
	for _, v := range environment {
		if !strings.HasPrefix(v, name+"=") {
			kept = append(kept, v)
		}
	}
	return kept
}

func setVariable(environment []string, name, assignment string) []string {
	changed := append([]string(nil), environment...)
	for i, v := range changed {
		if strings.HasPrefix(v, name+"=") {
			changed[i] = assignment
			return changed
		}
	}
	return append(changed, assignment)
}

// splitEnvString takes env -S's string apart: blanks, quotes, backslash escapes and ${NAME}.
func splitEnvString(text string, p *Process) (words []string, problem string) {
	var word strings.Builder
	inWord, open := false, byte(0)
	end := func() {
		if inWord {
			words = append(words, word.String())
			word.Reset()
		}
		inWord = false
	}
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case open == 0 && strings.IndexByte(" \t\n\v\f\r", c) >= 0:
			end()
		case open == 0 && c == '#' && !inWord:
			i = len(text)
		case c == open:
			open = 0
		case open == 0 && (c == '\'' || c == '"'):
			open, inWord = c, true
		case c == '\\' && i+1 < len(text) && (open != '\'' || text[i+1] == '\\' || text[i+1] == '\''):
			i++
			if at := strings.IndexByte("fnrtv", text[i]); at >= 0 {
				word.WriteByte("\f\n\r\t\v"[at])
			} else if text[i] == '_' && open == 0 {
				end()
				continue
			} else if text[i] == 'c' {
				i = len(text)
				continue
			} else {
				word.WriteByte(text[i])
			}
			inWord = true
		case c == '$' && open != '\'':
			name, ok := strings.CutPrefix(text[i:], "${")
			closing := strings.IndexByte(name, '}')
			if !ok || closing < 0 {
				return nil, "only ${VARNAME} expansion is supported, error at: " + text[i:]
			}
			word.WriteString(p.Getenv(name[:closing]))
			i += 2 + closing
			inWord = true
		default:
			word.WriteByte(c)
			inWord = true
		}
	}
	if open != 0 {
		return nil, "no terminating quote in -S string"
	}
	end()
	return words, ""
}
