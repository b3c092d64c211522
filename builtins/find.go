package builtins

import (
	"io/fs"
	"strings"
	"time"

	"github.com/sockerless/sockerless/store/rootfs"
)

// finder is one run of find.
type finder struct {
	p        *Process
	out      *output
	accounts *accounts
	zone     *time.Location
	now      time.Time
	dayStart bool
	status   int
	quit     bool

	follow    byte // 'P', 'L' or 'H'
	minDepth  int
	maxDepth  int // -1: no limit
	depth     bool
	oneDevice bool
	noAction  bool // no action was given: -print
	batches   []*execBatch
	files     map[string]*rootfs.File // outputs of -fprint and its like
	expr      findTest
	regexType string
}

// found is a file that the walk has come to.
type found struct {
	path   string // as printed
	start  string // the starting point it was found under
	depth  int
	info   *rootfs.Info
	device uint64
	pruned bool
	broken bool // a link that was to be followed and leads nowhere
}

// findTest is a part of the expression.
type findTest func(f *finder, e *found) bool

func find(p *Process) int {
	f := &finder{p: p, out: p.output(), accounts: p.accounts(), zone: p.location(), now: p.System.Now(), follow: 'P', maxDepth: -1, noAction: true,
		files: map[string]*rootfs.File{}, regexType: "emacs"}
	args := p.Args[1:]
	for len(args) > 0 {
		switch a := args[0]; {
		case a == "-P" || a == "-L" || a == "-H":
			f.follow = a[1]
		case a == "-D" && len(args) > 1:
			args = args[1:]
		case strings.HasPrefix(a, "-O") && len(a) == 3:
		case a == "--":
			args = args[1:]
			goto starts
		case a == "--help" || a == "-help":
			p.Stdout.Write([]byte("Usage: find [-H] [-L] [-P] [path...] [expression]\nSearch for files in a directory hierarchy.\n"))
			return 0
		case a == "--version" || a == "-version":
			p.Stdout.Write([]byte("find (Sockerless builtins, GNU-compatible)\n"))
			return 0
		default:
			goto starts
		}
		args = args[1:]
	}
starts:
	var starts []string
	for len(args) > 0 && !beginsExpression(args[0]) {
		starts = append(starts, args[0])
		args = args[1:]
	}
	if len(starts) == 0 {
		starts = []string{"."}
	}
	parser := &findParser{f: f, args: args}
	if err := parser.parse(); err != nil {
		p.Errorf("%s", err)
		return 1
	}
	for _, start := range starts {
		if f.quit {
			break
		}
		f.start(start)
	}
	for _, b := range f.batches {
		b.flush(f)
	}
	for name, file := range f.files {
		if err := file.Close(); err != nil {
			f.fail("%s: %s", quote(name), strerror(err))
		}
	}
	return f.out.finish(f.status)
}

func beginsExpression(arg string) bool {
	return len(arg) > 1 && arg[0] == '-' || arg == "(" || arg == "!"
}

func (f *finder) fail(format string, args ...any) {
	f.out.Flush()
	f.p.Errorf(format, args...)
	f.status = 1
}

func (f *finder) start(name string) {
	e := &found{path: name, start: name}
	if !f.look(e) {
		return
	}
	e.device = e.info.Dev()
	f.visit(e, nil)
}

// look reads what a file is, following links as -L and -H say.
func (f *finder) look(e *found) bool {
	info, err := f.p.Files.Lstat(e.path)
	if err == nil && info.Mode()&fs.ModeSymlink != 0 && (f.follow == 'L' || f.follow == 'H' && e.depth == 0) {
		if target, targetErr := f.p.Files.Stat(e.path); targetErr == nil {
			info = target
		} else {
			e.broken = true
		}
	}
	if err != nil {
		f.fail("%s: %s", quote(e.path), strerror(err))
		return false
	}
	e.info = info
	return true
}

// visit applies the expression to a file and goes into it if it is a directory; above are the directories that it is
// in, so that a loop of links is noticed.
func (f *finder) visit(e *found, above []*rootfs.Info) {
	if f.quit || f.p.Context.Err() != nil || f.out.broken() {
		f.quit = true
		return
	}
	if f.follow == 'L' && e.info.IsDir() {
		for _, dir := range above {
			if sameFile(dir, e.info) {
				f.fail("File system loop detected; %s is part of the same file system loop as %s.", quote(e.path), quote(e.start))
				return
			}
		}
	}
	if !f.depth {
		f.apply(e)
	}
	if e.info.IsDir() && !e.pruned && !f.quit && (f.maxDepth < 0 || e.depth < f.maxDepth) && (!f.oneDevice || e.info.Dev() == e.device) {
		entries, err := f.p.Files.ReadDir(e.path)
		if err != nil {
			f.fail("%s: %s", quote(e.path), strerror(err))
		}
		for _, entry := range entries {
			child := &found{path: joinName(e.path, entry.Name()), start: e.start, depth: e.depth + 1, device: e.device}
			if f.look(child) {
				f.visit(child, append(above[:len(above):len(above)], e.info))
			}
			if f.quit {
				return
			}
		}
	}
	if f.depth {
		f.apply(e)
	}
}

func (f *finder) apply(e *found) {
	if e.depth < f.minDepth {
		return
	}
	if f.expr(f, e) && f.noAction {
		f.out.WriteString(e.path + "\n")
	}
}
