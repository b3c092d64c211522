package builtins

import (
	"io"
	"strings"
)

// logger has no system log to write to: the messages go to standard error, where the container's log takes them up.
func logger(p *Process) int {
	opts, words, status, done := p.parse(usage{synopsis: "[-t TAG] [-p PRIORITY] [-i] [MESSAGE]...", about: "Log messages: to standard error, since the sandbox has no system log.", inOrder: true,
		options: []string{"t tag=", "p priority=", "s stderr", "i", "f file="}})
	if done {
		return status
	}
	tag, file := p.accounts().userName(p.Files.Cred().UID), "-"
	for _, o := range opts {
		switch o.name {
		case "t":
			tag = o.value
		case "i":
			tag += "[" + itoa(p.System.PID()) + "]"
		case "f":
			file = o.value
		}
	}
	if len(words) > 0 {
		io.WriteString(p.Stderr, tag+": "+strings.Join(words, " ")+"\n")
		return 0
	}
	return p.forInputs([]string{file}, func(_ string, r io.Reader) error {
		return eachLine(r, '\n', func(line []byte, _ bool) bool {
			_, err := io.WriteString(p.Stderr, tag+": "+string(line)+"\n")
			return err == nil
		})
	})
}
