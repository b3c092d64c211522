package shell

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sockerless/sockerless/wasi/kernel"
)

// programs are the commands that the scripts of the tests use: as much of each as they need.
func programs() map[string]kernel.Program {
	return map[string]kernel.Program{
		"cat": runCat, "sort": runSort, "env": runEnv, "sleep": runSleep, "head": runHead, "wc": runWC, "seq": runSeq,
		"tr": runTr, "rm": runRm, "mkdir": runMkdir, "touch": runTouch, "chmod": runChmod, "ln": runLn, "ls": runLs,
		"echo": func(p *kernel.Process) int { fmt.Fprintln(p.Stdout(), strings.Join(p.Args()[1:], " ")); return 0 },
		"init": func(p *kernel.Process) int { <-p.Context().Done(); return 0 },
		"true": func(*kernel.Process) int { return 0 }, "false": func(*kernel.Process) int { return 1 },
	}
}

func runCat(p *kernel.Process) int {
	status := 0
	for _, name := range append(p.Args()[1:], "")[:max(len(p.Args())-1, 1)] {
		in := p.Stdin()
		if name != "" && name != "-" {
			f, err := p.OpenFile(name, os.O_RDONLY, 0)
			if err != nil {
				fmt.Fprintf(p.Stderr(), "cat: %s: %s\n", name, errorText(err))
				status = 1
				continue
			}
			fd, _ := p.FDs().Add(f, 3)
			_ = f.Close()
			in = p.Descriptor(fd)
		}
		if _, err := io.Copy(struct{ io.Writer }{p.Stdout()}, struct{ io.Reader }{in}); err != nil {
			return 1
		}
	}
	return status
}

func lines(p *kernel.Process) []string {
	data, _ := io.ReadAll(p.Stdin())
	if len(data) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
}

func runSort(p *kernel.Process) int {
	all := lines(p)
	slices.Sort(all)
	for _, line := range all {
		fmt.Fprintln(p.Stdout(), line)
	}
	return 0
}

func runEnv(p *kernel.Process) int {
	env := slices.Clone(p.Env())
	args := p.Args()[1:]
	for len(args) > 0 && strings.Contains(args[0], "=") {
		env = append(env, args[0])
		args = args[1:]
	}
	if len(args) > 0 {
		status, err := p.ExecInPlace("/bin/"+args[0], args, env)
		if err != nil {
			return 127
		}
		return status
	}
	for _, entry := range env {
		fmt.Fprintln(p.Stdout(), entry)
	}
	return 0
}

func runSleep(p *kernel.Process) int {
	seconds, _ := strconv.ParseFloat(p.Args()[1], 64)
	_ = p.Sleep(p.Context(), time.Duration(seconds*float64(time.Second)))
	return 0
}

func runHead(p *kernel.Process) int {
	n := 10
	if len(p.Args()) > 2 {
		n, _ = strconv.Atoi(p.Args()[2])
	}
	r := bufio.NewReaderSize(p.Stdin(), 16)
	for range n {
		line, err := r.ReadString('\n')
		if line != "" {
			if _, err := io.WriteString(p.Stdout(), line); err != nil {
				return 1
			}
		}
		if err != nil {
			break
		}
	}
	return 0
}

func runWC(p *kernel.Process) int {
	data, _ := io.ReadAll(p.Stdin())
	n := len(data)
	switch p.Args()[1] {
	case "-l":
		n = strings.Count(string(data), "\n")
	case "-w":
		n = len(strings.Fields(string(data)))
	}
	fmt.Fprintln(p.Stdout(), n)
	return 0
}

func runSeq(p *kernel.Process) int {
	from := 1
	to, _ := strconv.Atoi(p.Args()[len(p.Args())-1])
	if len(p.Args()) > 2 {
		from, _ = strconv.Atoi(p.Args()[1])
	}
	for i := from; i <= to; i++ {
		if _, err := fmt.Fprintln(p.Stdout(), i); err != nil {
			return 1
		}
	}
	return 0
}

func runTr(p *kernel.Process) int {
	data, _ := io.ReadAll(p.Stdin())
	from, to := p.Args()[1], p.Args()[2]
	if from == "a-z" {
		_, _ = io.WriteString(p.Stdout(), strings.ToUpper(string(data)))
		return 0
	}
	_, _ = io.WriteString(p.Stdout(), strings.ReplaceAll(string(data), strings.ReplaceAll(from, "\\n", "\n"), to))
	return 0
}

func each(p *kernel.Process, do func(name string) error) int {
	status := 0
	for _, name := range p.Args()[1:] {
		if strings.HasPrefix(name, "-") {
			continue
		}
		if err := do(name); err != nil {
			fmt.Fprintf(p.Stderr(), "%s: %s: %s\n", p.Args()[0], name, errorText(err))
			status = 1
		}
	}
	return status
}

func runRm(p *kernel.Process) int { return each(p, p.Files().RemoveAll) }
func runMkdir(p *kernel.Process) int {
	return each(p, func(name string) error { return p.Files().MkdirAll(name, 0o777) })
}

// runTouch knows `touch FILE…` and `touch -d@SECONDS FILE…`.
func runTouch(p *kernel.Process) int {
	stamp := time.Now()
	if at, ok := strings.CutPrefix(p.Args()[1], "-d@"); ok {
		seconds, _ := strconv.ParseInt(at, 10, 64)
		stamp = time.Unix(seconds, 0)
	}
	return each(p, func(name string) error {
		f, err := p.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o666)
		if err != nil {
			return err
		}
		return errors.Join(f.Close(), p.Files().Chtimes(name, stamp, stamp))
	})
}

func runChmod(p *kernel.Process) int {
	mode, _ := strconv.ParseUint(p.Args()[1], 8, 32)
	for _, name := range p.Args()[2:] {
		if err := p.Files().Chmod(name, fs.FileMode(mode)); err != nil {
			return 1
		}
	}
	return 0
}

func runLn(p *kernel.Process) int {
	args := p.Args()
	if err := p.Files().Symlink(args[len(args)-2], args[len(args)-1]); err != nil {
		return 1
	}
	return 0
}

func runLs(p *kernel.Process) int {
	dir := "."
	if len(p.Args()) > 1 {
		dir = p.Args()[1]
	}
	entries, err := p.Files().ReadDir(dir)
	if err != nil {
		return 2
	}
	for _, e := range entries {
		if e.Name()[0] != '.' {
			fmt.Fprintln(p.Stdout(), e.Name())
		}
	}
	return 0
}
