package builtins

import (
	"bufio"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/sockerless/sockerless/store/rootfs"
)

// lister is one run of ls.
type lister struct {
	p        *Process
	out      *bufio.Writer
	accounts *accounts
	zone     *time.Location
	now      time.Time
	status   int

	format      byte // 'l' long, '1' one a line, 'C' columns down, 'x' columns across, 'm' commas
	hidden      byte // 0 none, 'A' all but . and .., 'a' all
	ignore      []string
	hide        []string
	ignoreTilde bool
	sortBy      byte // 'n' name, 't' time, 'S' size, 'v' version, 'X' extension, 'U' none
	reverse     bool
	dirsFirst   bool
	timeOf      byte // 'm' modification, 'a' access, 'c' change
	timeStyle   string
	dirAsFile   bool
	recursive   bool
	follow      byte // 'L' all, 'H' those on the command line, 'd' directories on the command line, 0 none
	indicator   byte // 0, 'p', 'f' (file type), 'F' (classify)
	quoting     string
	human       int64 // 0, 1024 or 1000
	blockSize   int64
	sizeUnit    int64
	inode       bool
	blocks      bool
	numeric     bool
	noOwner     bool
	noGroup     bool
	width       int
	tab         int
	colors      *lsColors
	lineEnd     string
	begun       bool // something was printed: a blank line comes before the next directory
}

// lsEntry is a file to be listed.
type lsEntry struct {
	name   string // as shown
	path   string
	info   *rootfs.Info
	link   string      // target of a symbolic link
	target fs.FileMode // mode of what the link leads to
	broken bool        // the link leads nowhere
	text   string      // the name quoted
	indent string      // before the name, see align
}

var lsUsage = usage{
	synopsis: "[OPTION]... [FILE]...",
	about:    "List information about the FILEs (the current directory by default).",
	status:   2,
	options: []string{"a all", "A almost-all", "b escape", "B ignore-backups", "c", "C", "color?", "d directory", "f", "F classify?", "file-type",
		"format=", "full-time", "g", "group-directories-first", "G no-group", "h human-readable", "si", "H dereference-command-line",
		"dereference-command-line-symlink-to-dir", "hide=", "indicator-style=", "i inode", "I ignore=", "k kibibytes", "l", "L dereference", "m", "n numeric-uid-gid",
		"N literal", "o", "p", "q hide-control-chars", "show-control-chars", "Q quote-name", "quoting-style=", "r reverse", "R recursive", "s size",
		"S", "sort=", "t", "time=", "time-style=", "T tabsize=", "u", "U", "v", "w width=", "x", "X", "1", "zero", "block-size="},
}

func ls(p *Process) int {
	l := &lister{p: p, out: bufio.NewWriter(p.Stdout), accounts: p.accounts(), zone: p.location(), now: p.System.Now(), sortBy: 0,
		timeOf: 'm', blockSize: 1024, sizeUnit: 1, tab: 8, lineEnd: "\n", width: 80}
	operands, status, done := l.options()
	if done {
		return status
	}
	if len(operands) == 0 {
		operands = []string{"."}
	}
	l.run(operands)
	if err := l.out.Flush(); err != nil && !endsOutput(err) {
		p.Errorf("write error: %s", strerror(err))
		return 2
	}
	return l.status
}

func (l *lister) options() (operands []string, status int, done bool) {
	p := l.p
	opts, operands, status, done := p.parse(lsUsage)
	if done {
		return nil, status, true
	}
	terminal := p.System.IsTerminal(1)
	if terminal {
		l.format, l.quoting = 'C', "shell-escape"
		if _, cols, ok := p.System.TerminalSize(1); ok && cols > 0 {
			l.width = cols
		}
	} else {
		l.format, l.quoting = '1', "literal"
	}
	if n, err := strconv.Atoi(p.Getenv("COLUMNS")); err == nil && n > 0 {
		l.width = n
	}
	if style := p.Getenv("TIME_STYLE"); style != "" {
		l.timeStyle = style
	}
	hideControls := terminal
	for _, o := range opts {
		switch o.name {
		case "a", "A":
			l.hidden = o.name[0]
		case "b":
			l.quoting = "escape"
		case "B":
			l.ignoreTilde = true
		case "c":
			l.timeOf = 'c'
		case "u":
			l.timeOf = 'a'
		case "C", "x", "m", "l":
			l.format = o.name[0]
		case "1":
			if l.format != 'l' {
				l.format = '1'
			}
		case "zero":
			l.lineEnd, l.quoting, hideControls = "\x00", "literal", false
			if l.format != 'l' {
				l.format = '1'
			}
		case "color":
			when := o.value
			if !o.has {
				when = "always"
			}
			switch when {
			case "always", "yes", "force":
				l.colors = newLsColors(p.Getenv("LS_COLORS"))
			case "auto", "tty", "if-tty":
				if terminal {
					l.colors = newLsColors(p.Getenv("LS_COLORS"))
				}
			case "never", "no", "none":
				l.colors = nil
			default:
				return nil, l.invalid("--color", o.value, "always,yes,force never,no,none auto,tty,if-tty"), true
			}
		case "d":
			l.dirAsFile = true
		case "f":
			l.hidden, l.sortBy = 'a', 'U'
		case "F":
			switch {
			case !o.has, o.value == "always", o.value == "yes", o.value == "force", terminal && (o.value == "auto" || o.value == "tty"):
				l.indicator = 'F'
			case o.value == "never", o.value == "none", o.value == "no", o.value == "auto", o.value == "tty", o.value == "if-tty":
			default:
				return nil, l.invalid("--classify", o.value, "always,yes,force never,no,none auto,tty,if-tty"), true
			}
		case "file-type":
			l.indicator = 'f'
		case "p":
			l.indicator = 'p'
		case "indicator-style":
			styles := map[string]byte{"none": 0, "slash": 'p', "file-type": 'f', "classify": 'F'}
			v, ok := styles[o.value]
			if !ok {
				return nil, l.invalid("--indicator-style", o.value, "none slash file-type classify"), true
			}
			l.indicator = v
		case "format":
			formats := map[string]byte{"verbose": 'l', "long": 'l', "commas": 'm', "horizontal": 'x', "across": 'x', "vertical": 'C', "single-column": '1'}
			v, ok := formats[o.value]
			if !ok {
				return nil, l.invalid("--format", o.value, "verbose,long commas horizontal,across vertical single-column"), true
			}
			l.format = v
		case "full-time":
			l.format, l.timeStyle = 'l', "full-iso"
		case "g":
			l.format, l.noOwner = 'l', true
		case "o":
			l.format, l.noGroup = 'l', true
		case "n":
			l.format, l.numeric = 'l', true
		case "G":
			l.noGroup = true
		case "group-directories-first":
			l.dirsFirst = true
		case "h":
			l.human = 1024
		case "si":
			l.human = 1000
		case "H", "L":
			l.follow = o.name[0]
		case "dereference-command-line-symlink-to-dir":
			l.follow = 'd'
		case "hide":
			l.hide = append(l.hide, o.value)
		case "I":
			l.ignore = append(l.ignore, o.value)
		case "i":
			l.inode = true
		case "k":
			l.blockSize = 1024
		case "block-size":
			n, err := parseSize(o.value)
			if err != nil || n <= 0 {
				p.Errorf("invalid --block-size argument %s", quote(o.value))
				return nil, 2, true
			}
			l.blockSize, l.sizeUnit, l.human = n, n, 0
		case "N":
			l.quoting = "literal"
		case "q":
			hideControls = true
		case "show-control-chars":
			hideControls = false
		case "Q":
			l.quoting = "c"
		case "quoting-style":
			if !strings.Contains(" literal shell shell-always shell-escape shell-escape-always c escape ", " "+o.value+" ") {
				return nil, l.invalid("--quoting-style", o.value, "literal shell shell-always shell-escape shell-escape-always c c-maybe escape locale clocale"), true
			}
			l.quoting = o.value
		case "r":
			l.reverse = true
		case "R":
			l.recursive = true
		case "s":
			l.blocks = true
		case "S", "t", "U", "v", "X":
			l.sortBy = o.name[0]
		case "sort":
			kinds := map[string]byte{"none": 'U', "size": 'S', "time": 't', "version": 'v', "extension": 'X', "name": 'n'}
			v, ok := kinds[o.value]
			if !ok {
				return nil, l.invalid("--sort", o.value, "none time size extension version width"), true
			}
			l.sortBy = v
		case "time":
			kinds := map[string]byte{"atime": 'a', "access": 'a', "use": 'a', "ctime": 'c', "status": 'c', "mtime": 'm', "modification": 'm'}
			v, ok := kinds[o.value]
			if !ok {
				return nil, l.invalid("--time", o.value, "atime,access,use ctime,status mtime,modification birth,creation"), true
			}
			l.timeOf = v
		case "time-style":
			l.timeStyle = o.value
		case "T", "w":
			n, err := strconv.Atoi(o.value)
			if err != nil || n < 0 {
				what := map[string]string{"T": "tab size", "w": "line width"}[o.name]
				p.Errorf("invalid %s: %s", what, quote(o.value))
				return nil, 2, true
			}
			if o.name == "T" {
				l.tab = n
			} else {
				l.width = n
			}
		}
	}
	if l.sortBy == 0 {
		l.sortBy = 'n'
		if l.format != 'l' && l.timeOf != 'm' {
			l.sortBy = 't'
		}
	}
	if hideControls && l.quoting == "literal" {
		l.quoting = "question"
	}
	if l.follow == 0 && !l.dirAsFile && l.indicator != 'F' && l.format != 'l' {
		l.follow = 'd'
	}
	if !l.knownTimeStyle() {
		p.Errorf("invalid argument %s for %s", quoteName(l.timeStyle), quote("time style"))
		p.Stderr.Write([]byte("Valid arguments are:\n  - [posix-]full-iso\n  - [posix-]long-iso\n  - [posix-]iso\n  - [posix-]locale\n  - +FORMAT (e.g., +%H:%M) for a 'date'-style format\n"))
		return nil, p.tryHelp(lsUsage), true
	}
	if l.colors != nil && p.Getenv("LS_COLORS") == "" && p.Getenv("COLORTERM") == "" && !knownTerminal(p.Getenv("TERM")) {
		l.colors = nil
	}
	return operands, 0, false
}

func (l *lister) knownTimeStyle() bool {
	l.timeStyle = strings.TrimPrefix(l.timeStyle, "posix-")
	switch l.timeStyle {
	case "", "full-iso", "long-iso", "iso", "locale":
		return true
	}
	return strings.HasPrefix(l.timeStyle, "+")
}

// invalid prints gnulib's message about a word that is none of those an option takes.
func (l *lister) invalid(option, value, valid string) int {
	return l.p.invalidWord(option, value, strings.Fields(valid))
}

func (l *lister) run(operands []string) {
	var files, dirs []lsEntry
	for _, name := range operands {
		e, ok := l.operand(name)
		if !ok {
			l.status = 2
			continue
		}
		if e.info.IsDir() && !l.dirAsFile {
			dirs = append(dirs, e)
		} else {
			files = append(files, e)
		}
	}
	l.sort(files)
	l.sort(dirs)
	if len(files) > 0 {
		l.print(files)
	}
	header := len(operands) > 1 || l.recursive
	for _, d := range dirs {
		l.directory(d, header, true)
	}
}

// operand looks at a file of the command line.
func (l *lister) operand(name string) (lsEntry, bool) {
	e := lsEntry{name: name, path: name}
	info, err := l.p.Files.Lstat(name)
	if err == nil && info.Mode()&fs.ModeSymlink != 0 && l.follow != 0 {
		target, targetErr := l.p.Files.Stat(name)
		switch {
		case targetErr == nil && (l.follow != 'd' || target.IsDir()):
			info = target
		case targetErr != nil && l.follow == 'L':
			err = targetErr
		}
	}
	if err != nil {
		l.p.Errorf("cannot access %s: %s", quoteName(name), strerror(err))
		return e, false
	}
	e.info = info
	l.complete(&e)
	return e, true
}

// complete reads where a link leads and how the name is shown.
func (l *lister) complete(e *lsEntry) {
	e.text = l.quote(e.name)
	if e.info == nil || e.info.Mode()&fs.ModeSymlink == 0 {
		return
	}
	if l.format != 'l' && l.indicator != 'F' && l.colors == nil && !l.dirsFirst {
		return
	}
	link, err := l.p.Files.Readlink(e.path)
	if err != nil {
		l.p.Errorf("cannot read symbolic link %s: %s", quoteName(e.path), strerror(err))
		l.fail(1)
		return
	}
	e.link = link
	if target, err := l.p.Files.Stat(e.path); err == nil {
		e.target = target.Mode()
	} else {
		e.broken = true
	}
}

func (l *lister) fail(status int) { l.status = max(l.status, status) }

// directory lists one directory, and with -R those below it.
func (l *lister) directory(d lsEntry, header, operand bool) {
	if l.p.Context.Err() != nil {
		return
	}
	list, err := l.p.Files.ReadDir(d.path)
	if err != nil {
		l.p.Errorf("cannot open directory %s: %s", quoteName(d.path), strerror(err))
		l.fail(1)
		if operand {
			l.fail(2)
		}
		return
	}
	if header {
		if l.begun {
			l.out.WriteString("\n")
		}
		l.out.WriteString(l.quoteHeader(d.path) + ":\n")
	}
	l.begun = true
	var entries []lsEntry
	add := func(name string) {
		e := lsEntry{name: name, path: joinName(d.path, name)}
		stat := l.p.Files.Lstat
		if l.follow == 'L' {
			stat = l.p.Files.Stat
		}
		info, err := stat(e.path)
		if err != nil {
			l.p.Errorf("cannot access %s: %s", quoteName(e.path), strerror(err))
			l.fail(1)
			if info, err = l.p.Files.Lstat(e.path); err != nil {
				return
			}
		}
		e.info = info
		l.complete(&e)
		entries = append(entries, e)
	}
	if l.hidden == 'a' {
		add(".")
		add("..")
	}
	for _, entry := range list {
		if l.shows(entry.Name()) {
			add(entry.Name())
		}
	}
	l.sort(entries)
	if l.format == 'l' || l.blocks {
		var total int64
		for _, e := range entries {
			total += e.info.Blocks()
		}
		l.out.WriteString("total " + l.blockText(total) + l.lineEnd)
	}
	l.print(entries)
	if !l.recursive {
		return
	}
	for _, e := range entries {
		if e.info.IsDir() && e.name != "." && e.name != ".." {
			l.directory(e, true, false)
		}
	}
}

func (l *lister) shows(name string) bool {
	if l.hidden == 0 {
		if name[0] == '.' {
			return false
		}
		for _, pattern := range l.hide {
			if ok, _ := path.Match(pattern, name); ok {
				return false
			}
		}
	}
	if l.ignoreTilde && strings.HasSuffix(name, "~") {
		return false
	}
	for _, pattern := range l.ignore {
		if fnmatch(pattern, name, fnmatchPeriod) {
			return false
		}
	}
	return true
}

// joinName adds a name to a directory's path as GNU tools show it: without cleaning.
func joinName(dir, name string) string {
	if strings.HasSuffix(dir, "/") {
		return dir + name
	}
	return dir + "/" + name
}
