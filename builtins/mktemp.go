package builtins

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"strings"
)

var mktempUsage = usage{
	synopsis: "[OPTION]... [TEMPLATE]",
	about:    "Create a temporary file or directory, safely, and print its name.",
	options:  []string{"d directory", "u dry-run", "q quiet", "suffix=", "p tmpdir?", "t"},
}

func mktemp(p *Process) int {
	// -p takes a value always, --tmpdir only after "=".
	args := make([]string, 0, len(p.Args))
	for i := 1; i < len(p.Args); i++ {
		if a := p.Args[i]; len(a) > 1 && a[0] == '-' && a[1] != '-' && strings.HasSuffix(a, "p") && i+1 < len(p.Args) {
			args = append(args, a+p.Args[i+1])
			i++
			continue
		}
		args = append(args, p.Args[i])
	}
	opts, operands, status, done := p.parseArgs(mktempUsage, args)
	if done {
		return status
	}
	var dir, dry, quiet, legacy, inDir bool
	var suffix, tmp string
	hasSuffix := false
	for _, o := range opts {
		switch o.name {
		case "d":
			dir = true
		case "u":
			dry = true
		case "q":
			quiet = true
		case "suffix":
			suffix, hasSuffix = o.value, true
		case "p":
			inDir, tmp = true, o.value
		case "t":
			legacy, inDir = true, true
		}
	}
	if len(operands) > 1 {
		p.Errorf("too many templates")
		return p.tryHelp(mktempUsage)
	}
	template := "tmp.XXXXXXXXXX"
	if len(operands) == 1 {
		template = operands[0]
	} else {
		inDir = true
	}
	prefix := template
	if !hasSuffix {
		if last := strings.LastIndexByte(template, 'X'); last >= 0 {
			prefix, suffix = template[:last+1], template[last+1:]
		}
	} else if !strings.HasSuffix(template, "X") {
		p.Errorf("with --suffix, template %s must end in X", quoteName(template))
		return 1
	}
	stem := strings.TrimRight(prefix, "X")
	count := len(prefix) - len(stem)
	if count < 3 {
		p.Errorf("too few X's in template %s", quoteName(template+map[bool]string{true: suffix}[hasSuffix]))
		return 1
	}
	if strings.Contains(suffix, "/") {
		p.Errorf("invalid suffix %s, contains directory separator", quoteName(suffix))
		return 1
	}
	if inDir {
		if legacy && strings.Contains(template, "/") {
			p.Errorf("invalid template, %s, contains directory separator", quoteName(template))
			return 1
		}
		if !legacy && strings.HasPrefix(template, "/") {
			p.Errorf("invalid template, %s; with --tmpdir, it may not be absolute", quoteName(template))
			return 1
		}
		if env := p.Getenv("TMPDIR"); tmp == "" || legacy && env != "" {
			tmp = env
		}
		if tmp == "" {
			tmp = "/tmp"
		}
		stem = joinName(tmp, stem)
	}
	name, err := p.temporary(stem, count, suffix, dir, dry)
	if err != nil {
		if !quiet {
			what := "file"
			if dir {
				what = "directory"
			}
			p.Errorf("failed to create %s via template %s: %s", what, quoteName(stem+strings.Repeat("X", count)+suffix), strerror(err))
		}
		return 1
	}
	p.Stdout.Write([]byte(name + "\n"))
	return 0
}

// temporary makes a new file or directory with count random letters in its name.
func (p *Process) temporary(stem string, count int, suffix string, dir, dry bool) (string, error) {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	for attempt := 0; ; attempt++ {
		random := make([]byte, count)
		rand.Read(random)
		for i := range random {
			random[i] = letters[int(random[i])%len(letters)]
		}
		name := stem + string(random) + suffix
		var err error
		switch {
		case dry:
			if _, statErr := p.Files.Lstat(name); statErr == nil {
				err = fs.ErrExist
			}
		case dir:
			err = p.Files.Mkdir(name, 0o700)
		default:
			var file interface{ Close() error }
			if file, err = p.Files.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err == nil {
				err = file.Close()
			}
		}
		if err == nil || attempt > 100 || !errors.Is(err, fs.ErrExist) {
			return name, err
		}
	}
}
