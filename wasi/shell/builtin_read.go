package shell

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/sockerless/sockerless/wasi/kernel"
)

var errTooLarge = errors.New("file is too large")

func isEOF(err error) bool { return errors.Is(err, io.EOF) }

// readOptions are those of read.
type readOptions struct {
	raw     bool
	array   string
	delim   byte
	noDelim bool // -N: only the count ends it
	count   int  // -1: none
	prompt  string
	silent  bool
	timeout time.Duration
	timed   bool
	fd      int
}

func (sh *shell) read(args []string) int {
	with := "adinNptu"
	if sh.posix() {
		with = "pntud"
	}
	opts, names, status := sh.optionsOf(args, "ers", with)
	if status != 0 {
		return status
	}
	o := readOptions{delim: '\n', count: -1}
	_, o.raw = opts['r']
	_, o.silent = opts['s']
	o.array, o.prompt = opts['a'], opts['p']
	if d, ok := opts['d']; ok {
		o.delim = 0
		if d != "" {
			o.delim = d[0]
		}
	}
	for _, c := range []byte{'n', 'N'} {
		if text, ok := opts[c]; ok {
			n, err := strconv.Atoi(text)
			if err != nil || n < 0 {
				sh.errorf("read: %s: invalid number", text)
				return 1
			}
			o.count, o.noDelim = n, c == 'N'
		}
	}
	if text, ok := opts['u']; ok {
		n, err := strconv.Atoi(text)
		if err != nil {
			sh.errorf("read: %s: invalid file descriptor specification", text)
			return 1
		}
		o.fd = n
	}
	if text, ok := opts['t']; ok {
		seconds, err := strconv.ParseFloat(text, 64)
		if err != nil || seconds < 0 || seconds > 1e9 {
			sh.errorf("read: %s: invalid timeout specification", text)
			return 1
		}
		o.timed, o.timeout = true, time.Duration(seconds*float64(time.Second))
	}
	f, err := sh.p.FDs().Get(o.fd)
	if err != nil {
		if _, given := opts['u']; given {
			sh.errorf("read: %d: invalid file descriptor: Bad file descriptor", o.fd)
		} else {
			sh.errorf("read: read error: %d: Bad file descriptor", o.fd)
		}
		return 1
	}
	for _, name := range names {
		if base, _, _ := splitSubscript(name); !validName(base) {
			if sh.posix() {
				return sh.misuse(2, "read: %s: bad variable name", name)
			}
			sh.errorf("read: `%s': not a valid identifier", name)
			return 1
		}
	}
	if o.timed && o.timeout == 0 {
		return int(truth(!f.Readable()))
	}
	tty := f.TTY()
	if tty != nil && o.prompt != "" {
		sh.writeError(o.prompt)
	}
	if tty != nil && (o.silent || o.count >= 0 || o.delim != '\n') {
		saved := tty.Termios()
		t := saved
		if o.silent {
			t.Lflag &^= kernel.ECHO
		}
		if o.count >= 0 || o.delim != '\n' {
			t.Lflag &^= kernel.ICANON
		}
		tty.SetTermios(t)
		defer tty.SetTermios(saved)
	}
	text, escaped, status := sh.readText(f, o)
	sh.readInto(names, text, escaped, o)
	return status
}

// readText reads up to the delimiter. escaped marks the bytes that a backslash quoted.
func (sh *shell) readText(f *kernel.File, o readOptions) (text []byte, escaped []bool, status int) {
	ctx := sh.p.Context()
	if o.timed {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.timeout)
		defer cancel()
	}
	r := byteReader{sh: sh, fd: o.fd, file: f, ctx: ctx}
	if o.count < 0 && o.delim == '\n' {
		r.ahead = isSeekable(f)
	}
	defer r.giveBack()
	chars := 0
	for o.count < 0 || chars < o.count {
		c, err := r.next()
		switch {
		case errors.Is(err, syscall.EINTR):
			if sig := sh.queueSignals(); sig != 0 {
				sh.runTraps()
				if sh.unwind != running {
					return text, escaped, 128 + int(sig)
				}
			}
			continue
		case err != nil && ctx.Err() != nil && o.timed:
			sh.gate()
			return text, escaped, 142
		case err != nil:
			if !isEOF(err) && !errors.Is(err, kernel.ErrKilled) {
				sh.errorf("read: read error: %d: %s", o.fd, errorText(err))
			}
			return text, escaped, 1
		}
		if c == '\\' && !o.raw {
			next, err := r.next()
			if err != nil {
				return text, escaped, 1
			}
			if next == '\n' {
				continue
			}
			text, escaped = append(text, next), append(escaped, true)
			chars++
			continue
		}
		if c == o.delim && !o.noDelim {
			return text, escaped, 0
		}
		if c == 0 {
			continue
		}
		text, escaped = append(text, c), append(escaped, false)
		if !sh.utf8 || c < 0x80 || c >= 0xC0 {
			chars++
		}
		if sh.utf8 && c >= 0xC0 && chars == o.count {
			for more := 1; more < 4 && c<<more&0x80 != 0; more++ {
				c2, err := r.next()
				if err != nil {
					break
				}
				text, escaped = append(text, c2), append(escaped, false)
			}
		}
		if len(text) > maxField {
			sh.fatal(2, "read: more than %d bytes", maxField)
		}
	}
	return text, escaped, 0
}

func isSeekable(f *kernel.File) bool {
	_, err := f.Seek(0, io.SeekCurrent)
	return err == nil
}

// byteReader reads bytes, ahead only where what was not used can be given back.
type byteReader struct {
	sh    *shell
	fd    int
	file  *kernel.File
	ctx   context.Context
	ahead bool
	block [256]byte
	at, n int
}

func (r *byteReader) next() (byte, error) {
	if r.at < r.n {
		r.at++
		return r.block[r.at-1], nil
	}
	size := 1
	if r.ahead {
		size = len(r.block)
	}
	n, err := r.sh.p.Read(r.ctx, r.fd, r.block[:size])
	if n == 0 {
		if err == nil {
			err = io.EOF
		}
		return 0, err
	}
	r.at, r.n = 1, n
	return r.block[0], nil
}

func (r *byteReader) giveBack() {
	if r.at < r.n {
		_, _ = r.file.Seek(int64(r.at-r.n), io.SeekCurrent)
	}
}

// readInto splits what was read at IFS and assigns the fields.
func (sh *shell) readInto(names []string, text []byte, escaped []bool, o readOptions) {
	assign := sh.assignNamed
	if o.noDelim && o.array == "" {
		if len(names) == 0 {
			names = []string{"REPLY"}
		}
		assign(names[0], string(text))
		for _, name := range names[1:] {
			assign(name, "")
		}
		return
	}
	if o.array != "" {
		sh.setList(o.array, sh.readFields(text, escaped, -1))
		return
	}
	if len(names) == 0 {
		if sh.posix() {
			names = []string{"REPLY"}
		} else {
			sh.assign("REPLY", string(text))
			return
		}
	}
	fields := sh.readFields(text, escaped, len(names))
	for i, name := range names {
		value := ""
		if i < len(fields) {
			value = fields[i]
		}
		assign(name, value)
	}
}

// readFields splits at IFS into at most most fields (any number if negative); the last one takes the rest.
func (sh *shell) readFields(text []byte, escaped []bool, most int) []string {
	kind := func(i int) ifsKind {
		if escaped[i] {
			return ifsNo
		}
		return sh.ifs.kind[text[i]]
	}
	i, n := 0, len(text)
	for i < n && kind(i) == ifsBlank {
		i++
	}
	var fields []string
	for i < n {
		if most > 0 && len(fields) == most-1 {
			end := n
			for end > i && kind(end-1) == ifsBlank {
				end--
			}
			// One separator at the end is no part of the last field, if the field has no other.
			if end > i && kind(end-1) == ifsHard {
				single := true
				for j := i; j < end-1; j++ {
					if kind(j) != ifsNo {
						single = false
						break
					}
				}
				if single {
					end--
					for end > i && kind(end-1) == ifsBlank {
						end--
					}
				}
			}
			return append(fields, string(text[i:end]))
		}
		start := i
		for i < n && kind(i) == ifsNo {
			i++
		}
		fields = append(fields, string(text[start:i]))
		for i < n && kind(i) == ifsBlank {
			i++
		}
		if i < n && kind(i) == ifsHard {
			i++
			for i < n && kind(i) == ifsBlank {
				i++
			}
		}
	}
	return fields
}

func (sh *shell) mapfile(args []string) int {
	opts, names, status := sh.optionsOf(args, "t", "dnOsuCc")
	if status != 0 {
		return status
	}
	name := "MAPFILE"
	if len(names) > 0 {
		name = names[0]
	}
	if !validName(name) {
		sh.errorf("%s: `%s': not a valid identifier", args[0], name)
		return 1
	}
	number := func(c byte, otherwise int) int {
		if text, ok := opts[c]; ok {
			n, err := strconv.Atoi(text)
			if err != nil || n < 0 {
				sh.errorf("%s: %s: invalid number", args[0], text)
				status = 1
			}
			return n
		}
		return otherwise
	}
	most, origin, skip, fd, quantum := number('n', 0), number('O', -1), number('s', 0), number('u', 0), number('c', 5000)
	if status != 0 {
		return status
	}
	delim := byte('\n')
	if d, ok := opts['d']; ok {
		delim = 0
		if d != "" {
			delim = d[0]
		}
	}
	_, trim := opts['t']
	f, err := sh.p.FDs().Get(fd)
	if err != nil {
		sh.errorf("%s: %d: invalid file descriptor: Bad file descriptor", args[0], fd)
		return 1
	}
	r := byteReader{sh: sh, fd: fd, file: f, ctx: sh.p.Context(), ahead: isSeekable(f) || most == 0}
	if origin < 0 {
		sh.setList(name, nil)
		origin = 0
	}
	var line strings.Builder
	read := 0
	for most == 0 || read < most {
		c, err := r.next()
		if err == nil && c != delim {
			line.WriteByte(c)
			continue
		}
		if err != nil && line.Len() == 0 {
			break
		}
		text := line.String()
		line.Reset()
		if !trim && err == nil && delim != 0 {
			text += string(delim)
		}
		text, _, _ = strings.Cut(text, "\x00")
		if skip > 0 {
			skip--
		} else {
			if callback, ok := opts['C']; ok && (read+1)%max(quantum, 1) == 0 {
				sh.evaluate("mapfile", callback+" "+strconv.Itoa(origin+read)+" "+quoteSingle(text))
			}
			sh.assignElement(name, strconv.Itoa(origin+read), text, false)
			read++
		}
		if err != nil {
			break
		}
	}
	if isSeekable(f) {
		r.giveBack()
	}
	return 0
}

// getoptState is where getopts is inside an argument like -abc.
type getoptState struct {
	index  int
	offset int
}

func (sh *shell) getopts(args []string) int {
	if len(args) < 3 {
		if sh.posix() {
			return sh.misuse(2, "getopts: Usage: getopts optstring var [arg...]")
		}
		sh.writeError(usageOf("getopts"))
		return 2
	}
	spec, name := args[1], args[2]
	params := sh.params
	if len(args) > 3 {
		params = args[3:]
	}
	if !validName(name) {
		sh.errorf("getopts: `%s': not a valid identifier", name)
		return 1
	}
	index := 1
	if n, ok := plainInteger(sh.getOr("OPTIND", "1")); ok && n > 0 {
		index = int(n)
	}
	st := sh.getopt
	if st.index != index && !(sh.posix() && st.offset > 1 && st.index+1 == index) || st.offset == 0 {
		st = getoptState{index, 1}
	}
	finish := func(opt string) int {
		if st.offset >= len(params[st.index-1]) {
			st.index++
			st.offset = 1
		}
		next := st.index
		if sh.posix() && st.offset > 1 {
			next++
		}
		sh.assign("OPTIND", strconv.Itoa(next))
		sh.getopt = st
		sh.assign(name, opt)
		return 0
	}
	end := func() int {
		sh.assign("OPTIND", strconv.Itoa(st.index))
		sh.getopt = getoptState{}
		sh.assign(name, "?")
		sh.unset("OPTARG")
		return 1
	}
	if st.index > len(params) {
		st.index = len(params) + 1
		return end()
	}
	arg := params[st.index-1]
	if st.offset == 1 {
		if arg == "--" {
			st.index++
			return end()
		}
		if len(arg) < 2 || arg[0] != '-' {
			return end()
		}
	}
	if st.offset >= len(arg) {
		return end()
	}
	silent := strings.HasPrefix(spec, ":")
	c := arg[st.offset]
	st.offset++
	at := strings.IndexByte(spec, c)
	loud := !silent && sh.getOr("OPTERR", "1") != "0"
	if at < 0 || c == ':' {
		if silent {
			sh.assign("OPTARG", string(c))
		} else {
			sh.unset("OPTARG")
		}
		if loud {
			if sh.posix() {
				sh.writeError("Illegal option -" + string(c) + "\n")
			} else {
				sh.writeError(sh.name + ": illegal option -- " + string(c) + "\n")
			}
		}
		return finish("?")
	}
	if at+1 >= len(spec) || spec[at+1] != ':' {
		if sh.posix() {
			sh.assign("OPTARG", "")
		} else {
			sh.unset("OPTARG")
		}
		return finish(string(c))
	}
	switch {
	case st.offset < len(arg):
		sh.assign("OPTARG", arg[st.offset:])
		st.offset = len(arg)
		return finish(string(c))
	case st.index < len(params):
		sh.assign("OPTARG", params[st.index])
		st.index++
		st.offset = len(params[st.index-1])
		return finish(string(c))
	}
	if silent {
		sh.assign("OPTARG", string(c))
		return finish(":")
	}
	sh.unset("OPTARG")
	if loud {
		if sh.posix() {
			sh.writeError("No arg for -" + string(c) + " option\n")
		} else {
			sh.writeError(sh.name + ": option requires an argument -- " + string(c) + "\n")
		}
	}
	return finish("?")
}
