package builtins

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"path"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"
)

var diffUsage = usage{
	synopsis: "[OPTION]... FILES",
	about:    "Compare FILES line by line.",
	status:   2,
	prefixed: true,
	options: []string{"a text", "b ignore-space-change", "B ignore-blank-lines", "c", "C=", "context?", "color?", "d minimal", "E ignore-tab-expansion", "H speed-large-files",
		"i ignore-case", "label=", "L=", "N new-file", "no-dereference", "normal", "q brief", "r recursive", "s report-identical-files",
		"strip-trailing-cr", "u", "U=", "unified?", "w ignore-all-space", "x exclude=", "Z ignore-trailing-space"},
}

// fileDiff is one run of diff.
type fileDiff struct {
	p    *Process
	out  *output
	zone *time.Location

	style     byte // 'n' normal, 'u' unified, 'c' context
	context   int
	labels    []string
	brief     bool
	identical bool
	recursive bool
	newFile   bool
	text      bool
	noFollow  bool
	exclude   []string
	space     byte // 'w' ignores all, 'b' changes of the amount, 'Z' at the end of lines
	tabs      bool
	fold      bool
	blank     bool
	cr        bool
	options   string // as given, for the line above each file of a directory
	status    int
}

// diffSide is one of the two files.
type diffSide struct {
	name  string
	data  []byte
	lines [][]byte // with their newlines
	time  time.Time
	info  fs.FileInfo // nil: absent, or standard input
}

func diff(p *Process) int {
	args, givenContext := diffNumber(p.Args[1:])
	opts, operands, status, done := p.parseArgs(diffUsage, args)
	if done {
		return status
	}
	d := &fileDiff{p: p, out: p.output(), zone: p.location(), style: 'n', context: 3}
	if givenContext >= 0 {
		d.context = givenContext
	}
	for _, o := range opts {
		switch o.name {
		case "a":
			d.text = true
		case "b":
			d.space = 'b'
		case "w", "Z":
			d.space = o.name[0]
		case "B":
			d.blank = true
		case "c", "u":
			d.style = o.name[0]
		case "C", "U", "context", "unified":
			d.style = o.name[0] | 32
			if o.has {
				n, err := strconv.Atoi(o.value)
				if err != nil || n < 0 {
					p.Errorf("invalid context length '%s'", o.value)
					return p.tryHelp(diffUsage)
				}
				d.context = n
			}
		case "color":
			if o.value != "never" && (o.value != "auto" || p.System.IsTerminal(1)) {
				p.Errorf("colors are not supported by this implementation; use --color=never")
				return 2
			}
		case "E":
			d.tabs = true
		case "i":
			d.fold = true
		case "label", "L":
			d.labels = append(d.labels, o.value)
		case "N":
			d.newFile = true
		case "no-dereference":
			d.noFollow = true
		case "normal":
			d.style = 'n'
		case "q":
			d.brief = true
		case "r":
			d.recursive = true
		case "s":
			d.identical = true
		case "strip-trailing-cr":
			d.cr = true
		case "x":
			d.exclude = append(d.exclude, o.value)
		}
	}
	if len(operands) < 2 {
		after := p.Name()
		if len(operands) == 1 {
			after = operands[0]
		}
		p.Errorf("missing operand after '%s'", after)
		return p.tryHelp(diffUsage)
	}
	if len(operands) > 2 {
		return p.extraOperand(diffUsage, operands[2])
	}
	d.options = givenOptions(p.Args[1:], operands)
	d.top(operands[0], operands[1])
	return d.out.finishOr(d.status, 2)
}

// diffNumber takes the old form -NUM (and -uNUM) out of the arguments.
func diffNumber(args []string) (rest []string, context int) {
	context = -1
	for i, a := range args {
		if a == "--" {
			return append(rest, args[i:]...), context
		}
		if first := strings.IndexAny(a, "0123456789"); first > 0 && a[0] == '-' && strings.Trim(a[1:first], "abcdiqrsuw") == "" {
			last := first
			for last < len(a) && a[last] >= '0' && a[last] <= '9' {
				last++
			}
			context = atoiOr(a[first:last], 3)
			if a = a[:first] + a[last:]; a == "-" {
				continue
			}
		}
		rest = append(rest, a)
	}
	return rest, context
}

// givenOptions are the arguments that are not the operands, as typed.
func givenOptions(args, operands []string) string {
	text := ""
	next := 0
	for _, a := range args {
		if next < len(operands) && a == operands[next] {
			next++
			continue
		}
		text += " " + quoteWord(a)
	}
	return text
}

func (d *fileDiff) fail(err error, name string) {
	d.out.Flush()
	d.p.Errorf("%s: %s", name, strerror(err))
	d.status = 2
}

func (d *fileDiff) differs() { d.status = max(d.status, 1) }

// top compares the operands: two files, two directories, or a file with the one of its name in a directory.
func (d *fileDiff) top(a, b string) {
	infoA, errA := d.stat(a)
	infoB, errB := d.stat(b)
	dirA, dirB := errA == nil && infoA.IsDir(), errB == nil && infoB.IsDir()
	switch {
	case dirA && errB == nil && !dirB && b != "-":
		a = joinName(a, lastElement(b))
		infoA, errA = d.stat(a)
	case dirB && errA == nil && !dirA && a != "-":
		b = joinName(b, lastElement(a))
		infoB, errB = d.stat(b)
	}
	missing := func(err error) bool { return d.newFile && errors.Is(err, syscall.ENOENT) }
	if missing(errA) && missing(errB) || errA != nil && !missing(errA) || errB != nil && !missing(errB) {
		if errA != nil {
			d.fail(errA, a)
		}
		if errB != nil {
			d.fail(errB, b)
		}
		return
	}
	if dirA && dirB {
		d.directories(a, b)
		return
	}
	if dirA && missing(errB) || dirB && missing(errA) {
		d.directories(a, b)
		return
	}
	d.files(a, b, infoA, infoB, false)
}

// stat of a file; the standard input has none, and the info is nil.
func (d *fileDiff) stat(name string) (fs.FileInfo, error) {
	if name == "-" {
		return stdinInfo{d.p.System.Now()}, nil
	}
	get := d.p.Files.Stat
	if d.noFollow {
		get = d.p.Files.Lstat
	}
	info, err := get(name)
	if err != nil {
		return nil, err
	}
	return info, nil
}

// stdinInfo stands for standard input.
type stdinInfo struct{ now time.Time }

func (stdinInfo) Name() string         { return "-" }
func (stdinInfo) Size() int64          { return 0 }
func (stdinInfo) Mode() fs.FileMode    { return 0 }
func (s stdinInfo) ModTime() time.Time { return s.now }
func (stdinInfo) IsDir() bool          { return false }
func (stdinInfo) Sys() any             { return nil }

func (d *fileDiff) directories(a, b string) {
	names := map[string]int{}
	for i, dir := range []string{a, b} {
		entries, err := d.p.Files.ReadDir(dir)
		if err != nil && !(d.newFile && errors.Is(err, syscall.ENOENT)) {
			d.fail(err, dir)
			return
		}
		for _, e := range entries {
			names[e.Name()] |= 1 << i
		}
	}
	sorted := make([]string, 0, len(names))
	for name := range names {
		sorted = append(sorted, name)
	}
	sort.Strings(sorted)
next:
	for _, name := range sorted {
		if d.p.Context.Err() != nil {
			return
		}
		for _, pattern := range d.exclude {
			if fnmatch(pattern, name, 0) {
				continue next
			}
		}
		if names[name] != 3 && !d.newFile {
			in := a
			if names[name] == 2 {
				in = b
			}
			d.out.WriteString("Only in " + in + ": " + name + "\n")
			d.differs()
			continue
		}
		d.pair(path.Join(a, name), path.Join(b, name), names[name])
	}
}

// pair compares what two directories have under one name; which says who has it (1, 2 or 3).
func (d *fileDiff) pair(a, b string, which int) {
	var infoA, infoB fs.FileInfo
	var err error
	if which&1 != 0 {
		if infoA, err = d.stat(a); err != nil {
			d.fail(err, a)
			return
		}
	}
	if which&2 != 0 {
		if infoB, err = d.stat(b); err != nil {
			d.fail(err, b)
			return
		}
	}
	dirA, dirB := infoA != nil && infoA.IsDir(), infoB != nil && infoB.IsDir()
	switch {
	case (dirA || infoA == nil) && (dirB || infoB == nil):
		if d.recursive {
			d.directories(a, b)
		} else {
			d.out.WriteString("Common subdirectories: " + a + " and " + b + "\n")
		}
	default:
		d.files(a, b, infoA, infoB, true)
	}
}

func (d *fileDiff) files(a, b string, infoA, infoB fs.FileInfo, header bool) {
	if infoA != nil && infoB != nil && kindLetter(infoA.Mode()) != kindLetter(infoB.Mode()) {
		kind := func(i fs.FileInfo) string { return kindName(i.Mode(), i.Size()) }
		d.out.WriteString("File " + a + " is a " + kind(infoA) + " while file " + b + " is a " + kind(infoB) + "\n")
		d.differs()
		return
	}
	if infoA != nil && infoA.Mode()&fs.ModeSymlink != 0 {
		linkA, _ := d.p.Files.Readlink(a)
		linkB, _ := d.p.Files.Readlink(b)
		if linkA != linkB {
			d.out.WriteString("Symbolic links " + a + " and " + b + " differ\n")
			d.differs()
		}
		return
	}
	sideA, okA := d.read(a, infoA)
	sideB, okB := d.read(b, infoB)
	if !okA || !okB {
		return
	}
	same := bytes.Equal(sideA.data, sideB.data)
	var hunks []hunk
	binary := !d.text && !same && (hasNUL(sideA.data) || hasNUL(sideB.data))
	if !same && !binary {
		hunks = d.hunks(sideA, sideB)
		same = len(hunks) == 0
	}
	switch {
	case same:
		if d.identical {
			d.out.WriteString("Files " + a + " and " + b + " are identical\n")
		}
		return
	case d.brief:
		d.out.WriteString("Files " + a + " and " + b + " differ\n")
		d.differs()
		return
	case binary:
		d.out.WriteString("Binary files " + a + " and " + b + " differ\n")
		d.differs()
		return
	}
	d.differs()
	if header {
		d.out.WriteString("diff" + d.options + " " + quoteWord(a) + " " + quoteWord(b) + "\n")
	}
	switch d.style {
	case 'u':
		d.unified(sideA, sideB, hunks)
	case 'c':
		d.contextual(sideA, sideB, hunks)
	default:
		d.normal(sideA, sideB, hunks)
	}
}

func hasNUL(data []byte) bool { return bytes.IndexByte(data[:min(len(data), 32<<10)], 0) >= 0 }

func (d *fileDiff) read(name string, info fs.FileInfo) (*diffSide, bool) {
	side := &diffSide{name: name, info: info, time: time.Unix(0, 0)}
	if info == nil {
		return side, true
	}
	side.time = info.ModTime()
	in, err := d.p.openInput(name)
	if err == nil {
		side.data, err = io.ReadAll(in)
		in.Close()
	}
	if err != nil {
		d.fail(err, name)
		return nil, false
	}
	side.lines = bytes.SplitAfter(side.data, []byte("\n"))
	if n := len(side.lines); len(side.lines[n-1]) == 0 {
		side.lines = side.lines[:n-1]
	}
	return side, true
}

// hunks finds the changes; lines that the options make equal have one number.
func (d *fileDiff) hunks(a, b *diffSide) []hunk {
	numbers := map[string]int{}
	number := func(side *diffSide) []int {
		all := make([]int, len(side.lines))
		for i, line := range side.lines {
			key := d.key(line)
			n, ok := numbers[key]
			if !ok {
				n = len(numbers)
				numbers[key] = n
			}
			all[i] = n
		}
		return all
	}
	found := diffLines(number(a), number(b))
	if !d.blank {
		return found
	}
	var kept []hunk
	for _, h := range found {
		blank := true
		for _, line := range append(a.lines[h.a0:h.a1:h.a1], b.lines[h.b0:h.b1]...) {
			blank = blank && (len(line) == 1 && line[0] == '\n' || d.space != 0 && len(bytes.TrimSpace(line)) == 0)
		}
		if !blank {
			kept = append(kept, h)
		}
	}
	return kept
}

// key is a line as far as it counts.
func (d *fileDiff) key(line []byte) string {
	text := string(line)
	if d.cr && strings.HasSuffix(text, "\r\n") {
		text = text[:len(text)-2] + "\n"
	}
	if d.fold {
		text = strings.ToLower(text)
	}
	if d.tabs {
		text = expandTabs(text)
	}
	const blanks = " \t\v\f\r"
	switch d.space {
	case 'w':
		text = strings.Map(func(r rune) rune {
			if strings.ContainsRune(blanks+"\n", r) {
				return -1
			}
			return r
		}, text)
	case 'b':
		trimmed := strings.TrimRight(text, blanks+"\n")
		var out strings.Builder
		inBlank := false
		for i := 0; i < len(trimmed); i++ {
			if strings.IndexByte(blanks, trimmed[i]) >= 0 {
				inBlank = true
				continue
			}
			if inBlank {
				out.WriteByte(' ')
				inBlank = false
			}
			out.WriteByte(trimmed[i])
		}
		text = out.String()
	case 'Z':
		text = strings.TrimRight(text, blanks+"\n")
	}
	return text
}

func expandTabs(text string) string {
	var b strings.Builder
	column := 0
	for i := 0; i < len(text); i++ {
		if text[i] != '\t' {
			b.WriteByte(text[i])
			column++
			continue
		}
		for fill := 8 - column%8; fill > 0; fill-- {
			b.WriteByte(' ')
			column++
		}
	}
	return b.String()
}
