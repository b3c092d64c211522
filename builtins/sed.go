package builtins

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/sockerless/sockerless/store/rootfs"
)

var sedUsage = usage{
	synopsis: "[OPTION]... {script-only-if-no-other-script} [input-file]...",
	about:    "Edit text by a script of commands.",
	options: []string{"n quiet silent", "e expression=", "f file=", "E r regexp-extended", "i in-place?", "l line-length=",
		"posix", "s separate", "u unbuffered", "z null-data", "sandbox", "follow-symlinks"},
}

func sed(p *Process) int {
	opts, operands, status, done := p.parse(sedUsage)
	if done {
		return status
	}
	e := &sedEditor{p: p, delim: '\n', wrap: 70}
	s := sedScript{}
	given := false
	for _, o := range opts {
		switch o.name {
		case "n":
			e.quiet = true
		case "e":
			s.parts, given = append(s.parts, sedPart{fmt.Sprintf("-e expression #%d", len(s.parts)+1), o.value}), true
		case "f":
			data, err := p.readAll(o.value)
			if err != nil {
				p.Errorf("couldn't open file %s: %s", o.value, strerror(err))
				return 4
			}
			text := strings.TrimSuffix(string(data), "\n")
			if strings.HasPrefix(text, "#n\n") && !given {
				e.quiet = true
			}
			s.parts, given = append(s.parts, sedPart{"file " + o.value, text}), true
		case "E":
			s.extended = true
		case "i":
			e.inPlace, e.separate, e.suffix = true, true, o.value
		case "l":
			n, err := strconv.Atoi(o.value)
			if err != nil || n < 0 {
				p.Errorf("invalid line length: %s", o.value)
				return 1
			}
			e.wrap = n
		case "posix":
			s.posix = true
		case "s":
			e.separate = true
		case "u":
			e.unbuffered = true
		case "z":
			e.delim = 0
		case "sandbox":
			s.sandbox = true
		}
	}
	if !given {
		if len(operands) == 0 {
			io.WriteString(p.Stderr, p.helpText(sedUsage))
			return 1
		}
		s.parts = []sedPart{{"-e expression #1", operands[0]}}
		if strings.HasPrefix(operands[0], "#n\n") {
			e.quiet = true
		}
		operands = operands[1:]
	}
	commands, err := s.parse()
	if err != nil {
		p.Errorf("%s", err)
		if errors.As(err, new(sedLabelError)) {
			return 4
		}
		return 1
	}
	if len(operands) == 0 {
		operands = []string{"-"}
	}
	e.commands, e.names = commands, operands
	return e.run()
}

// sedEditor runs a script over its input.
type sedEditor struct {
	p                                    *Process
	commands                             []*sedCommand
	quiet, inPlace, separate, unbuffered bool
	suffix                               string
	delim                                byte
	wrap                                 int

	names      []string // inputs not yet opened
	name       string   // the input that is read
	file       io.Closer
	lines      *lineReader
	ahead      []byte // the line after the current one
	aheadEnded bool
	hasAhead   bool

	out     *output
	target  *rootfs.File // of -i
	temp    string
	files   map[string]*output // of w and s///w
	closers []io.Closer
	readers map[string]*lineReader // of R

	space, hold []byte
	ended       bool // the current line had its newline
	missing     bool // the newline after what was written last is still owed
	line        int
	appends     []sedAppend
	status      int
	lastRegexp  *Regexp
	replaced    bool // for t
	quit        bool
	noPrint     bool // the cycle ends without printing the pattern space
}

// sedAppend is what comes after the current line: a text, or a file's content.
type sedAppend struct {
	text []byte
	file string
	all  bool // the whole file
}

func (e *sedEditor) run() int {
	e.out = e.p.output()
	e.files = map[string]*output{}
	e.readers = map[string]*lineReader{}
	defer func() {
		for _, c := range e.closers {
			c.Close()
		}
	}()
	for _, c := range e.commands {
		if c.write != "" {
			if _, err := e.writer(c.write); err != nil {
				e.p.Errorf("couldn't open file %s: %s", c.write, strerror(err))
				return 4
			}
		}
	}
	var failed error
	for !e.quit && failed == nil && e.nextLine() {
		failed = e.cycle()
		if e.broken() {
			break
		}
	}
	if failed != nil && failed != errSedQuit {
		e.p.Errorf("%s", failed)
		e.status = 1
	}
	e.closeInput()
	for _, f := range e.files {
		if f != e.out {
			f.Flush()
		}
	}
	if e.temp != "" { // left by an error in mid-file
		e.target.Close()
		e.p.Files.Remove(e.temp)
	}
	return e.out.finishOr(e.status, 4)
}

func (e *sedEditor) broken() bool { return e.out.broken() || e.p.Context.Err() != nil }

// openNext opens the next input that can be opened.
func (e *sedEditor) openNext() bool {
	for len(e.names) > 0 {
		name := e.names[0]
		e.names = e.names[1:]
		if name == "-" && !e.inPlace {
			e.name, e.file, e.lines = "-", nil, newLineReader(liveReader{e.p.Context, e.p.Stdin}, e.delim)
			return true
		}
		info, err := e.p.Files.Stat(name)
		if err != nil {
			e.p.Errorf("can't read %s: %s", name, strerror(err))
			e.status = 2
			continue
		}
		if e.inPlace && !info.Mode().IsRegular() {
			e.p.Errorf("couldn't edit %s: not a regular file", name)
			e.status = 4
			continue
		}
		f, err := e.p.Files.Open(name)
		if err != nil {
			e.p.Errorf("can't read %s: %s", name, strerror(err))
			e.status = 2
			continue
		}
		e.name, e.file, e.lines = name, f, newLineReader(liveReader{e.p.Context, f}, e.delim)
		if e.separate {
			e.line = 0 // every file counts anew
		}
		if e.inPlace && !e.startEdit(name, info) {
			f.Close()
			continue
		}
		return true
	}
	return false
}

// startEdit sends the output to a new file that takes the old one's place when the input is at its end.
func (e *sedEditor) startEdit(name string, info *rootfs.Info) bool {
	dir := name[:strings.LastIndexByte(name, '/')+1]
	for i := 0; ; i++ {
		temp := fmt.Sprintf("%ssed%06d", dir, i)
		f, err := e.p.Files.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err == nil {
			e.temp, e.target = temp, f
			break
		}
		if !os.IsExist(err) {
			e.p.Errorf("couldn't open temporary file %s: %s", temp, strerror(err))
			e.status = 4
			return false
		}
	}
	_ = e.target.Chown(int(info.UID()), int(info.GID())) // only root can; the file is the user's own then
	_ = e.target.Chmod(info.Mode())
	e.out.Flush()
	e.out.Reset(e.target)
	e.missing = false
	return true
}

// closeInput ends the current input, and with -i puts the new file in place.
func (e *sedEditor) closeInput() {
	if e.file != nil {
		e.file.Close()
		e.file = nil
	}
	if e.temp == "" {
		return
	}
	err := e.out.Flush()
	if closeErr := e.target.Close(); err == nil {
		err = closeErr
	}
	if err == nil && e.suffix != "" {
		backup := e.name + e.suffix
		if strings.Contains(e.suffix, "*") {
			slash := strings.LastIndexByte(e.name, '/') + 1
			backup = strings.ReplaceAll(e.suffix, "*", e.name[slash:])
			if !strings.Contains(e.suffix, "/") {
				backup = e.name[:slash] + backup
			}
		}
		err = e.p.Files.Rename(e.name, backup)
	}
	if err == nil {
		err = e.p.Files.Rename(e.temp, e.name)
	}
	if err != nil {
		e.p.Errorf("cannot rename %s: %s", e.temp, strerror(err))
		e.p.Files.Remove(e.temp)
		e.status = 4
	}
	e.temp = ""
	e.out.Reset(liveWriter{e.p.Context, e.p.Stdout})
}

// look makes sure that the line after the current one is known, opening the next file for it unless files are
// separate. It says whether there is one.
func (e *sedEditor) look(cross bool) bool {
	for !e.hasAhead {
		if e.lines == nil {
			if !cross || !e.openNext() {
				return false
			}
		}
		line, ended, err := e.lines.next()
		if err == nil {
			e.ahead, e.aheadEnded, e.hasAhead = append(e.ahead[:0], line...), ended, true
			return true
		}
		if err != io.EOF && e.p.Context.Err() == nil {
			e.p.Errorf("read error on %s: %s", e.name, strerror(err))
			e.status = 2
		}
		if !cross {
			return false
		}
		e.closeInput()
		e.lines = nil
	}
	return true
}

// isLast says whether the current line is the last one of the input, or of its file if files are separate.
func (e *sedEditor) isLast() bool { return !e.look(!e.separate) }

// take moves on to the next line and returns it.
func (e *sedEditor) take() ([]byte, bool) {
	if !e.look(true) {
		return nil, false
	}
	e.hasAhead = false
	e.line++
	e.ended = e.aheadEnded
	return e.ahead, true
}

// nextLine begins a cycle.
func (e *sedEditor) nextLine() bool {
	line, ok := e.take()
	if ok {
		e.space = append(e.space[:0], line...)
		e.replaced = false
	}
	return ok
}

// writer is the file of a w command.
func (e *sedEditor) writer(name string) (*output, error) {
	if w, ok := e.files[name]; ok {
		return w, nil
	}
	w := &output{p: e.p}
	switch name {
	case "/dev/stdout":
		w = e.out
	case "/dev/stderr":
		w = e.p.outputTo(e.p.Stderr)
	default:
		f, err := e.p.Files.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
		if err != nil {
			return nil, err
		}
		e.closers = append(e.closers, f)
		w = e.p.outputTo(f)
	}
	e.files[name] = w
	return w, nil
}

// emit writes a line; the newline that its input line lacked is left out until more is written.
func (e *sedEditor) emit(line []byte, ended bool) {
	e.owed()
	e.out.Write(line)
	if ended {
		e.out.WriteByte(e.delim)
	} else {
		e.missing = true
	}
	if e.unbuffered {
		e.out.Flush()
	}
}

// owed writes the newline that is still missing.
func (e *sedEditor) owed() {
	if e.missing {
		e.out.WriteByte(e.delim)
		e.missing = false
	}
}
