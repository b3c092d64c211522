package builtins

import (
	"bytes"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
)

// awkOutput is a file or a command that is printed to.
type awkOutput struct {
	*output
	close func() int
}

// awkReader reads records.
type awkReader struct {
	r     io.Reader
	buf   []byte
	start int
	end   int
	err   error
	close func() int
}

func newAwkReader(r io.Reader, close func() int) *awkReader {
	return &awkReader{r: r, buf: make([]byte, blockSize), close: close}
}

func (a *awkReader) fill() {
	if a.start > 0 {
		copy(a.buf, a.buf[a.start:a.end])
		a.start, a.end = 0, a.end-a.start
	}
	if a.end == len(a.buf) {
		a.buf = append(a.buf, make([]byte, len(a.buf))...)
	}
	n, err := a.r.Read(a.buf[a.end:])
	a.end += n
	a.err = err
}

// record reads up to the separator; terminator is the text that ended the record.
func (r *awkRun) readRecord(a *awkReader) (record, terminator string, ok bool) {
	rs := r.text(r.globals[awkRS].v)
	if rs == "" {
		// Paragraphs: newlines before the first one do not count.
		for {
			for a.start < a.end && a.buf[a.start] == '\n' {
				a.start++
			}
			if a.start < a.end || a.err != nil {
				break
			}
			a.fill()
		}
	}
	for scanned := 0; ; {
		data := a.buf[a.start:a.end]
		from, to := -1, -1
		switch {
		case rs == "":
			if i := bytes.Index(data[max(scanned-1, 0):], []byte("\n\n")); i >= 0 {
				from = i + max(scanned-1, 0)
				to = from
				for to < len(data) && data[to] == '\n' {
					to++
				}
				if to == len(data) && a.err == nil {
					from = -1
				}
			}
		case len(rs) == 1:
			if i := bytes.IndexByte(data[scanned:], rs[0]); i >= 0 {
				from, to = scanned+i, scanned+i+1
			}
		default:
			for _, loc := range r.compile(rs).FindAll(data, 2) {
				if loc[1] > loc[0] {
					if loc[1] < len(data) || a.err != nil {
						from, to = loc[0], loc[1]
					}
					break
				}
			}
		}
		if from >= 0 {
			a.start += to
			return string(data[:from]), string(data[from:to]), true
		}
		if a.err != nil {
			if len(data) == 0 {
				return "", "", false
			}
			a.start = a.end
			if rs == "" {
				return strings.TrimRight(string(data), "\n"), "", true
			}
			return string(data), "", true
		}
		scanned = len(data)
		a.fill()
	}
}

// readMain reads the next record of the input, whatever file it is in.
func (r *awkRun) readMain() (string, bool) {
	for {
		if r.p.Context.Err() != nil {
			return "", false
		}
		if r.input == nil && !r.openInput() {
			return "", false
		}
		if record, end, ok := r.readRecord(r.input); ok {
			r.globals[awkRT].v = awkStr(end)
			r.globals[awkNR].v = awkNum(r.globals[awkNR].v.num() + 1)
			r.globals[awkFNR].v = awkNum(r.globals[awkFNR].v.num() + 1)
			return record, true
		}
		if err := r.input.err; err != io.EOF && r.p.Context.Err() == nil {
			r.p.Errorf("error reading %s: %s", r.text(r.globals[awkFILENAME].v), strerror(err))
			r.status = 2
		}
		r.skipFile()
	}
}

func (r *awkRun) skipFile() {
	if r.input != nil {
		r.input.close()
		r.input = nil
	}
}

// openInput goes on to the next argument that is a file, and carries out those that are assignments.
func (r *awkRun) openInput() bool {
	argv := r.globals[awkARGV].asArray()
	for ; r.nextArg < int(r.globals[awkARGC].v.num()); r.nextArg++ {
		e, ok := argv.elements[strconv.Itoa(r.nextArg)]
		if !ok || r.text(e.v) == "" {
			continue
		}
		name := r.text(e.v)
		if isAssignment(name) {
			r.assignArgument(name)
			continue
		}
		r.nextArg++
		r.usedStdin = true
		file := name
		if name == "/dev/stdin" {
			file = "-"
		}
		f, err := r.p.openInput(file)
		if err != nil {
			r.fail("cannot open \"%s\" (%s)", name, strerror(err))
		}
		r.globals[awkFILENAME].v = awkInput(name)
		r.globals[awkFNR].v = awkNum(0)
		r.input = newAwkReader(f, func() int { f.Close(); return 0 })
		return true
	}
	if r.usedStdin {
		return false
	}
	r.usedStdin = true
	r.globals[awkFNR].v = awkNum(0)
	r.input = newAwkReader(liveReader{r.p.Context, r.p.Stdin}, func() int { return 0 })
	return true
}

func (r *awkRun) getline(x *awkGetline) awkValue {
	var source *awkReader
	if x.kind != 0 {
		name := r.text(r.eval(x.source))
		var ok bool
		if source, ok = r.ins[string(x.kind)+name]; !ok {
			if x.kind == '|' {
				source = r.commandReader(name)
			} else {
				file := name
				if name == "/dev/stdin" {
					file = "-"
				}
				f, err := r.p.openInput(file)
				if err != nil {
					return awkNum(-1)
				}
				source = newAwkReader(f, func() int { f.Close(); return 0 })
			}
			r.ins[string(x.kind)+name] = source
		}
	}
	var line string
	var ok bool
	if source == nil {
		line, ok = r.readMain()
	} else {
		line, _, ok = r.readRecord(source)
		if !ok && source.err != io.EOF {
			return awkNum(-1)
		}
	}
	if !ok {
		return awkNum(0)
	}
	if x.kind == '|' {
		r.globals[awkNR].v = awkNum(r.globals[awkNR].v.num() + 1)
	}
	if x.target == nil {
		r.setRecord(line)
	} else {
		r.store(x.target, awkInput(line))
	}
	return awkNum(1)
}

// shell runs a command line with sh and returns its status.
func (r *awkRun) shell(line string, stdin io.Reader, stdout io.Writer) int {
	status, err := r.p.System.Run(r.p.Context, Command{Args: []string{"sh", "-c", line}, Env: r.p.Env, Stdin: stdin, Stdout: stdout, Stderr: r.p.Stderr})
	if err != nil {
		r.p.Errorf("cannot run sh: %s", strerror(err))
		return 127
	}
	return status
}

// commandReader starts a command whose output is read.
func (r *awkRun) commandReader(line string) *awkReader {
	r.flush()
	pr, pw := io.Pipe()
	done := make(chan int, 1)
	go func() {
		status := r.shell(line, r.p.Stdin, pw)
		pw.Close()
		done <- status
	}()
	return newAwkReader(pr, func() int {
		pr.Close()
		return <-done
	})
}

// destination is what a print with a redirection writes to.
func (r *awkRun) destination(kind, name string) *output {
	if kind != "|" {
		switch name {
		case "/dev/stdout", "-":
			return r.out
		}
	}
	key := "f" + name
	if kind == "|" {
		key = "|" + name
	}
	if o, ok := r.outs[key]; ok {
		return o.output
	}
	var o *awkOutput
	switch {
	case kind == "|":
		r.flush()
		pr, pw := io.Pipe()
		done := make(chan int, 1)
		go func() {
			status := r.shell(name, pr, r.p.Stdout)
			pr.CloseWithError(io.ErrClosedPipe)
			done <- status
		}()
		o = &awkOutput{r.p.outputTo(pw), func() int {
			pw.Close()
			return <-done
		}}
	case name == "/dev/stderr":
		o = &awkOutput{r.p.outputTo(r.p.Stderr), func() int { return 0 }}
	default:
		flag := os.O_WRONLY | os.O_CREATE | os.O_TRUNC
		if kind == ">>" {
			flag = os.O_WRONLY | os.O_CREATE | os.O_APPEND
		}
		f, err := r.p.Files.OpenFile(name, flag, 0o666)
		if err != nil {
			r.fail("cannot open \"%s\" for output (%s)", name, strerror(err))
		}
		o = &awkOutput{r.p.outputTo(f), func() int { f.Close(); return 0 }}
	}
	r.outs[key] = o
	return o.output
}

func (r *awkRun) printStatement(s *awkPrint) {
	var text string
	ors := ""
	if s.format {
		values := make([]awkValue, len(s.args))
		for i, a := range s.args {
			values[i] = r.eval(a)
		}
		text = awkFormat(r.text(values[0]), values[1:], r.text(r.globals[awkCONVFMT].v))
	} else {
		ors = r.text(r.globals[awkORS].v)
		if len(s.args) == 0 {
			text = r.getRecord()
		}
		ofs := ""
		for i, a := range s.args {
			v := r.eval(a)
			if i > 0 {
				if i == 1 {
					ofs = r.text(r.globals[awkOFS].v)
				}
				text += ofs
			}
			if v.kind == awkIsNum && v.n != math.Trunc(v.n) {
				text += awkNumberText(v.n, r.text(r.globals[awkOFMT].v))
			} else {
				text += r.text(v)
			}
		}
	}
	out := r.out
	if s.kind != "" {
		out = r.destination(s.kind, r.text(r.eval(s.dest)))
	}
	out.WriteString(text)
	out.WriteString(ors)
	if s.kind != "" && out != r.out && out == r.outs["f/dev/stderr"].orNil() {
		out.Flush()
	}
	if r.out.broken() {
		panic(awkExit{})
	}
}

func (o *awkOutput) orNil() *output {
	if o == nil {
		return nil
	}
	return o.output
}

// flush writes out everything that is buffered.
func (r *awkRun) flush() {
	r.out.Flush()
	for _, o := range r.outs {
		o.Flush()
	}
}

// closeStream closes a file or a command by its name; -1 if there is none.
func (r *awkRun) closeStream(name string) float64 {
	status := -1
	for _, key := range []string{"f" + name, "|" + name} {
		if o, ok := r.outs[key]; ok {
			o.Flush()
			status = o.close()
			delete(r.outs, key)
		}
	}
	for _, key := range []string{"<" + name, "|" + name} {
		if in, ok := r.ins[key]; ok {
			status = in.close()
			delete(r.ins, key)
		}
	}
	return float64(status)
}

// closeAll ends everything that is open and waits for the commands.
func (r *awkRun) closeAll() {
	r.flush()
	r.skipFile()
	for _, o := range r.outs {
		o.close()
	}
	for _, in := range r.ins {
		in.close()
	}
}
