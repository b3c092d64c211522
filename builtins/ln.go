package builtins

import (
	"bufio"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

var lnUsage = usage{
	synopsis: "[OPTION]... [-T] TARGET LINK_NAME\n  or:  ln [OPTION]... TARGET\n  or:  ln [OPTION]... TARGET... DIRECTORY\n  or:  ln [OPTION]... -t DIRECTORY TARGET...",
	about:    "Create a link to TARGET with the name LINK_NAME; hard links by default, symbolic ones with --symbolic.",
	options: []string{"b", "backup?", "d F directory", "f force", "i interactive", "L logical", "n no-dereference", "P physical", "r relative", "s symbolic",
		"S suffix=", "t target-directory=", "T no-target-directory", "v verbose"},
}

// linker is one run of ln.
type linker struct {
	p        *Process
	out      *bufio.Writer
	ask      asker
	symbolic bool
	relative bool
	logical  bool
	exists   byte // 'f' replace, 'i' ask, 0 refuse
	verbose  bool
	backups  backupOptions
}

func ln(p *Process) int {
	opts, operands, status, done := p.parse(lnUsage)
	if done {
		return status
	}
	l := &linker{p: p, out: bufio.NewWriter(p.Stdout), ask: asker{p: p}}
	defer l.out.Flush()
	var dir *string
	var noTarget, noFollow bool
	for _, o := range opts {
		switch o.name {
		case "b", "backup", "S":
			if status, done := l.backups.set(p, lnUsage, o); done {
				return status
			}
		case "f", "i":
			l.exists = o.name[0]
		case "L":
			l.logical = true
		case "P":
			l.logical = false
		case "n":
			noFollow = true
		case "r":
			l.relative = true
		case "s":
			l.symbolic = true
		case "t":
			dir = &o.value
		case "T":
			noTarget = true
		case "v":
			l.verbose = true
		}
	}
	if l.relative && !l.symbolic {
		p.Errorf("cannot do --relative without --symbolic")
		return 1
	}
	if len(operands) == 1 && dir == nil && !noTarget {
		here := "."
		dir = &here
	}
	t, status, done := p.findTarget(lnUsage, operands, dir, noTarget, noFollow)
	if done {
		return status
	}
	for _, source := range t.sources {
		to := t.of(source)
		if dir != nil && *dir == "." && len(operands) == 1 {
			to = "./" + lastElement(source)
		}
		if !l.link(source, to) {
			status = 1
		}
	}
	return status
}

func (l *linker) fail(format string, args ...any) bool {
	l.p.Errorf(format, args...)
	return false
}

func (l *linker) link(source, to string) bool {
	p := l.p
	if !l.symbolic {
		stat := p.Files.Lstat
		if l.logical {
			stat = p.Files.Stat
		}
		info, err := stat(source)
		if err != nil {
			return l.fail("failed to access %s: %s", quoteName(source), strerror(err))
		}
		if info.IsDir() {
			return l.fail("%s: hard link not allowed for directory", quoteWord(source))
		}
		if existing, err := p.Files.Lstat(to); err == nil && l.exists != 0 && sameFile(info, existing) && l.backups.control == "" {
			return l.fail("%s and %s are the same file", quoteName(source), quoteName(to))
		}
	}
	text := source
	if l.relative {
		text = p.relativeLink(source, to)
	}
	if existing, err := p.Files.Lstat(to); err == nil && (l.exists != 0 || l.backups.control != "") {
		if existing.IsDir() {
			return l.fail("%s: cannot overwrite directory", quoteWord(to))
		}
		if l.exists == 'i' && !l.ask.yes(fmt.Sprintf("ln: replace %s? ", quoteName(to))) {
			return true
		}
		if l.backups.control != "" {
			if _, err := p.backup(to, l.backups.control, l.backups.suffix); err != nil {
				return l.fail("cannot backup %s: %s", quoteName(to), strerror(err))
			}
		} else if err := p.Files.Unlink(to); err != nil {
			return l.fail("cannot unlink %s: %s", quoteName(to), strerror(err))
		}
	}
	var err error
	what, arrow := "hard", "=>"
	if l.symbolic {
		what, arrow = "symbolic", "->"
		err = p.Files.Symlink(text, to)
	} else {
		if l.logical {
			if real, resolveErr := p.Files.Resolve(source); resolveErr == nil {
				text = real
			}
		}
		err = p.Files.Link(text, to)
	}
	if err != nil {
		if l.symbolic {
			return l.fail("failed to create symbolic link %s: %s", quoteName(to), strerror(err))
		}
		if _, statErr := p.Files.Lstat(to); statErr == nil {
			return l.fail("failed to create %s link %s: %s", what, quoteName(to), strerror(err))
		}
		return l.fail("failed to create %s link %s => %s: %s", what, quoteName(to), quoteName(source), strerror(err))
	}
	if l.verbose {
		fmt.Fprintf(l.out, "%s %s %s\n", quoteName(to), arrow, quoteName(text))
	}
	return true
}

// relativeLink is the text of a link at the path to that leads to source, from the link's own directory.
func (p *Process) relativeLink(source, to string) string {
	dir, err := p.canonical(dirName(to), canonicalMissing)
	if err != nil {
		return source
	}
	target, err := p.canonical(source, canonicalMissing)
	if err != nil {
		return source
	}
	return relativePath(dir, target)
}

// relativePath leads from one absolute directory to another absolute path, both clean.
func relativePath(from, to string) string {
	if from == to {
		return "."
	}
	a, b := elements(from), elements(to)
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	return path.Join(strings.Repeat("../", len(a)), strings.Join(b, "/"))
}

func elements(name string) []string {
	return strings.FieldsFunc(name, func(r rune) bool { return r == '/' })
}

// How canonical treats what is not there.
const (
	canonicalAll     = 'e' // every element must exist
	canonicalLast    = 'f' // all but the last
	canonicalMissing = 'm' // none
)

// canonical is the absolute path without links, "." and "..", as realpath and readlink -f give it.
func (p *Process) canonical(name string, need byte) (string, error) {
	if name == "" {
		return "", fs.ErrNotExist
	}
	if need == canonicalAll || need == canonicalLast {
		if real, err := p.Files.Resolve(name); err == nil {
			return real, nil
		} else if need == canonicalAll {
			return "", err
		}
	}
	return p.canonicalWalk(name, need)
}
