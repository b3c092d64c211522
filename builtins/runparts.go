package builtins

import (
	"io"
	"strings"
)

// runParts runs the scripts of a directory, as Debian's run-parts does.
func runParts(p *Process) int {
	opts, names, status, done := p.parse(usage{synopsis: "[OPTION]... DIRECTORY", about: "Run the programs in a directory.",
		options: []string{"test", "list", "v verbose", "report", "exit-on-error", "a arg=", "regex=", "reverse"}, lacks: []string{"d debug", "u umask=", "lsbsysinit", "new-session", "stdin"}})
	if done {
		return status
	}
	var re *Regexp
	var args []string
	test, list, verbose, stop, reverse := false, false, false, false, false
	for _, o := range opts {
		switch o.name {
		case "test":
			test = true
		case "list":
			list = true
		case "v", "report":
			verbose = verbose || o.name == "v"
		case "exit-on-error":
			stop = true
		case "reverse":
			reverse = true
		case "a":
			args = append(args, o.value)
		case "regex":
			var err error
			if re, err = CompileRegexp(o.value, RegexpOptions{Extended: true}); err != nil {
				p.Errorf("failed to compile regular expression: %s", err)
				return 1
			}
		}
	}
	if len(names) != 1 {
		p.Errorf("missing operand")
		return p.tryHelp(usage{})
	}
	entries, err := p.Files.ReadDir(names[0])
	if err != nil {
		p.Errorf("failed to open directory %s: %s", names[0], strerror(err))
		return 1
	}
	for i := range entries {
		e := entries[i]
		if reverse {
			e = entries[len(entries)-1-i]
		}
		name := e.Name()
		fits := strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == ""
		if re != nil {
			fits = re.Match([]byte(name))
		}
		file := strings.TrimSuffix(names[0], "/") + "/" + name
		info, err := p.Files.Stat(file)
		if !fits || err != nil || !info.Mode().IsRegular() {
			continue
		}
		runnable := p.Files.Access(file, 1) == nil
		if list || test && runnable {
			io.WriteString(p.Stdout, file+"\n")
		}
		if list || test || !runnable {
			continue
		}
		if verbose {
			p.Errorf("executing %s", file)
		}
		code, err := p.System.Run(p.Context, Command{Args: append([]string{file}, args...), Env: p.Env, Stdin: p.Stdin, Stdout: p.Stdout, Stderr: p.Stderr})
		if err != nil {
			p.Errorf("failed to exec %s: %s", file, strerror(err))
			status = 1
			continue
		}
		if code != 0 {
			p.Errorf("%s exited with return code %d", file, code)
			if status = 1; stop {
				return 1
			}
		}
	}
	return status
}
