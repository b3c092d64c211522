package builtins

import (
	"os"
	"strconv"
)

var nohupUsage = usage{synopsis: "COMMAND [ARG]...", about: "Run COMMAND, ignoring hangup signals.", status: 125, inOrder: true}

func nohup(p *Process) int {
	_, operands, status, done := p.parse(nohupUsage)
	if done {
		return status
	}
	if len(operands) == 0 {
		return p.missingOperand(nohupUsage)
	}
	c := Command{Args: operands, Env: p.Env, Ignore: []int{sigHUP}}
	if p.System.IsTerminal(1) {
		name := "nohup.out"
		file, err := p.Files.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err != nil {
			name = joinName(p.Getenv("HOME"), name)
			if file, err = p.Files.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600); err != nil {
				p.Errorf("failed to open %s: %s", quoteName(name), strerror(err))
				return 125
			}
		}
		defer file.Close()
		p.Errorf("ignoring input and appending output to %s", quoteName(name))
		c.Stdout = file
		if p.System.IsTerminal(2) {
			c.Stderr = file
		}
	}
	return p.replaceBy(c)
}

var niceUsage = usage{synopsis: "[OPTION] [COMMAND [ARG]...]", about: "Run COMMAND with an adjusted niceness; the sandbox has only one.", status: 125, inOrder: true, options: []string{"n adjustment="}}

// nice runs a command; all processes of the sandbox have the niceness 0, so that an adjustment has no effect.
func nice(p *Process) int {
	args := p.Args[1:]
	if len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' {
		if _, err := strconv.Atoi(args[0][1:]); err == nil {
			args = append([]string{"-n", args[0][1:]}, args[1:]...)
		}
	}
	opts, operands, status, done := p.parseArgs(niceUsage, args)
	if done {
		return status
	}
	for _, o := range opts {
		if _, err := strconv.Atoi(o.value); err != nil {
			p.Errorf("invalid adjustment %s", quote(o.value))
			return 125
		}
	}
	if len(operands) == 0 {
		if len(opts) > 0 {
			p.Errorf("a command must be given with an adjustment")
			return p.tryHelp(niceUsage)
		}
		p.Stdout.Write([]byte("0\n"))
		return 0
	}
	return p.replaceBy(Command{Args: operands, Env: p.Env})
}

var setsidUsage = usage{synopsis: "[options] <program> [arguments ...]", about: "Run a program in a new session.", inOrder: true, options: []string{"c ctty", "f fork", "w wait"}}

func setsid(p *Process) int {
	opts, operands, status, done := p.parse(setsidUsage)
	if done {
		return status
	}
	for _, o := range opts {
		if o.name == "c" {
			p.Errorf("option --ctty is not supported by this implementation")
			return 1
		}
	}
	if len(operands) == 0 {
		p.Errorf("no command specified")
		return p.tryHelp(setsidUsage)
	}
	return p.replaceBy(Command{Args: operands, Env: p.Env, NewSession: true})
}
