package builtins

import (
	"path"
	"strings"
)

func pwd(p *Process) int {
	opts, operands, status, done := p.parse(usage{synopsis: "[OPTION]...", about: "Print the full filename of the current working directory.", options: []string{"L logical", "P physical"}})
	if done {
		return status
	}
	if len(operands) > 0 {
		p.Errorf("ignoring non-option arguments")
	}
	dir := p.Files.Getwd()
	if len(opts) > 0 && opts[len(opts)-1].name == "L" {
		// $PWD counts if it is a clean absolute name of the same directory.
		name := p.Getenv("PWD")
		here, err := p.Files.Stat(".")
		there, errPWD := p.Files.Stat(name)
		if err == nil && errPWD == nil && path.IsAbs(name) && path.Clean(name) == name && inodeKey(here) == inodeKey(there) {
			dir = name
		}
	}
	out := p.output()
	out.WriteString(dir + "\n")
	return out.finish(0)
}

func printenv(p *Process) int {
	opts, names, status, done := p.parse(usage{synopsis: "[OPTION]... [VARIABLE]...", about: "Print the values of the specified environment VARIABLE(s), or all of them.", status: 2, inOrder: true, options: []string{"0 null"}})
	if done {
		return status
	}
	end := "\n"
	if len(opts) > 0 {
		end = "\x00"
	}
	out := p.output()
	if len(names) == 0 {
		for _, entry := range p.Env {
			out.WriteString(entry + end)
		}
	}
	for _, name := range names {
		value, ok := p.LookupEnv(name)
		if !ok || strings.Contains(name, "=") {
			status = 1
			continue
		}
		out.WriteString(value + end)
	}
	return out.finishOr(status, 2)
}
