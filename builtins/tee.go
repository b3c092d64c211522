package builtins

import (
	"io"
	"os"
)

func tee(p *Process) int {
	opts, names, status, done := p.parse(usage{
		synopsis: "[OPTION]... [FILE]...",
		about:    "Copy standard input to each FILE, and also to standard output.",
		options:  []string{"a append", "i ignore-interrupts", "p", "output-error?"},
	})
	if done {
		return status
	}
	flag := os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	keepGoing := false
	for _, o := range opts {
		switch o.name {
		case "a":
			flag = os.O_WRONLY | os.O_CREATE | os.O_APPEND
		case "p":
			keepGoing = true
		case "output-error":
			switch o.value {
			case "", "warn-nopipe", "warn":
				keepGoing = true
			default:
				p.Errorf("--output-error=%s is not supported", o.value)
				return 1
			}
		}
	}
	type target struct {
		name string
		w    io.Writer
	}
	targets := []target{{"standard output", p.Stdout}}
	for _, name := range names {
		f, err := p.Files.OpenFile(name, flag, 0o666)
		if err != nil {
			p.Errorf("%s: %s", quoteWord(name), strerror(err))
			status = 1
			continue
		}
		defer f.Close()
		targets = append(targets, target{name, f})
	}
	buf := make([]byte, blockSize)
	in := liveReader{p.Context, p.Stdin}
	for len(targets) > 0 {
		n, err := in.Read(buf)
		for i := 0; i < len(targets) && n > 0; {
			if _, err := targets[i].w.Write(buf[:n]); err != nil {
				if endsOutput(err) && !keepGoing {
					return 1
				}
				if !endsOutput(err) {
					p.Errorf("%s: %s", quoteWord(targets[i].name), strerror(err))
					status = 1
				}
				targets = append(targets[:i], targets[i+1:]...)
				continue
			}
			i++
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			if p.Context.Err() == nil {
				p.Errorf("read error: %s", strerror(err))
			}
			return 1
		}
	}
	return status
}
