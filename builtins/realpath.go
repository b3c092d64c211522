package builtins

import (
	"bufio"
	"io/fs"
	"path"
	"strings"
	"syscall"
)

// canonicalWalk resolves a path element by element, so that missing ones can be let pass.
func (p *Process) canonicalWalk(name string, need byte) (string, error) {
	if !strings.HasPrefix(name, "/") {
		name = joinName(p.Files.Getwd(), name)
	}
	at := "/"
	rest := elements(name)
	asDir := strings.HasSuffix(name, "/")
	missing := false
	for links := 0; len(rest) > 0; {
		element := rest[0]
		rest = rest[1:]
		switch element {
		case ".":
			continue
		case "..":
			at = path.Dir(at)
			missing = false
			continue
		}
		next := path.Join(at, element)
		if missing {
			at = next
			continue
		}
		info, err := p.Files.Lstat(next)
		switch {
		case err != nil && need == canonicalLast && len(rest) == 0 && strerror(err) == strerror(syscall.ENOENT):
			at = next
			continue
		case err != nil && need == canonicalMissing:
			missing, at = true, next
			continue
		case err != nil:
			return "", err
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			if links++; links > 40 {
				return "", syscall.ELOOP
			}
			text, err := p.Files.Readlink(next)
			if err != nil {
				return "", err
			}
			if strings.HasPrefix(text, "/") {
				at = "/"
			}
			rest = append(elements(text), rest...)
			continue
		}
		if !info.IsDir() && (len(rest) > 0 || asDir) {
			if need != canonicalMissing {
				return "", syscall.ENOTDIR
			}
			missing = true
		}
		at = next
	}
	return at, nil
}

var realpathUsage = usage{
	synopsis: "[OPTION]... FILE...",
	about:    "Print the resolved absolute file name.",
	options: []string{"e canonicalize-existing", "m canonicalize-missing", "L logical", "P physical", "q quiet", "relative-to=", "relative-base=", "s strip no-symlinks",
		"z zero"},
}

func realpath(p *Process) int {
	opts, operands, status, done := p.parse(realpathUsage)
	if done {
		return status
	}
	need, end := byte(canonicalLast), "\n"
	var quiet, strip bool
	var to, base string
	for _, o := range opts {
		switch o.name {
		case "e", "m":
			need = o.name[0]
		case "L":
			p.Errorf("option -L is not supported by this implementation")
			return 1
		case "q":
			quiet = true
		case "relative-to":
			to = o.value
		case "relative-base":
			base = o.value
		case "s":
			strip = true
		case "z":
			end = "\x00"
		}
	}
	if len(operands) == 0 {
		return p.missingOperand(realpathUsage)
	}
	resolve := func(name string) (string, error) {
		if strip && name != "" {
			if !strings.HasPrefix(name, "/") {
				name = joinName(p.Files.Getwd(), name)
			}
			return path.Clean(name), nil
		}
		return p.canonical(name, need)
	}
	for _, dir := range []*string{&to, &base} {
		if *dir == "" {
			continue
		}
		real, err := resolve(*dir)
		if err != nil {
			p.Errorf("%s: %s", quoteWord(*dir), strerror(err))
			return 1
		}
		*dir = real
	}
	out := bufio.NewWriter(p.Stdout)
	defer out.Flush()
	for _, name := range operands {
		real, err := resolve(name)
		if err != nil {
			if !quiet {
				p.Errorf("%s: %s", quoteWord(name), strerror(err))
			}
			status = 1
			continue
		}
		below := func(dir string) bool { return dir == "/" || real == dir || strings.HasPrefix(real, dir+"/") }
		switch {
		case base != "" && to == "" && below(base):
			real = relativePath(base, real)
		case to != "" && (base == "" || below(base)):
			real = relativePath(to, real)
		}
		out.WriteString(real + end)
	}
	return status
}

var readlinkUsage = usage{
	synopsis: "[OPTION]... FILE...",
	about:    "Print value of a symbolic link or canonical file name.",
	options: []string{"f canonicalize", "e canonicalize-existing", "m canonicalize-missing", "n no-newline", "q quiet", "s silent", "v verbose",
		"z zero"},
}

func readlink(p *Process) int {
	opts, operands, status, done := p.parse(readlinkUsage)
	if done {
		return status
	}
	var need byte
	var verbose, noNewline bool
	end := "\n"
	for _, o := range opts {
		switch o.name {
		case "f", "e", "m":
			need = o.name[0]
		case "n":
			noNewline = true
		case "q", "s":
			verbose = false
		case "v":
			verbose = true
		case "z":
			end = "\x00"
		}
	}
	if len(operands) == 0 {
		return p.missingOperand(readlinkUsage)
	}
	if noNewline && len(operands) > 1 {
		p.Errorf("ignoring --no-newline with multiple arguments")
		noNewline = false
	}
	if noNewline {
		end = ""
	}
	for _, name := range operands {
		var text string
		var err error
		if need != 0 {
			text, err = p.canonical(name, need)
		} else {
			text, err = p.Files.Readlink(name)
		}
		if err != nil {
			if verbose {
				p.Errorf("%s: %s", quoteWord(name), strerror(err))
			}
			status = 1
			continue
		}
		p.Stdout.Write([]byte(text + end))
	}
	return status
}
