package shell

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"mvdan.cc/sh/v3/syntax"

	"github.com/sockerless/sockerless/wasi/kernel"
)

// savedFile is what a descriptor was before a redirection; file is nil if it was closed.
type savedFile struct {
	fd   int
	file *kernel.File
}

func (sh *shell) saveFile(fd int) savedFile {
	f, err := sh.p.FDs().Get(fd)
	if err != nil {
		return savedFile{fd, nil}
	}
	return savedFile{fd, f.Ref()}
}

// restoreFiles undoes redirections, the last one first.
func (sh *shell) restoreFiles(saved []savedFile) {
	for i := len(saved) - 1; i >= 0; i-- {
		s := saved[i]
		if s.file == nil {
			_ = sh.p.FDs().Close(s.fd)
			continue
		}
		_ = sh.p.FDs().Set(s.fd, s.file)
		_ = s.file.Close()
	}
}

// forgetFiles makes redirections last, as exec does.
func (sh *shell) forgetFiles(saved []savedFile) {
	for _, s := range saved {
		if s.file != nil {
			_ = s.file.Close()
		}
	}
}

// redirectStatus is the status of a command whose redirection failed.
func (sh *shell) redirectStatus() int {
	if sh.posix() {
		return 2
	}
	return 1
}

// redirect puts redirections in force. What was is returned even if one failed, with a message printed.
func (sh *shell) redirect(redirs []*syntax.Redirect) (undo []savedFile, ok bool) {
	for _, r := range redirs {
		if undo, ok = sh.redirectOne(r, undo); !ok {
			return undo, false
		}
	}
	return undo, true
}

func (sh *shell) redirectOne(r *syntax.Redirect, undo []savedFile) ([]savedFile, bool) {
	fd := 1
	switch r.Op {
	case syntax.RdrIn, syntax.RdrInOut, syntax.DplIn, syntax.Hdoc, syntax.DashHdoc, syntax.WordHdoc:
		fd = 0
	}
	variable := ""
	if r.N != nil {
		if n, err := strconv.Atoi(r.N.Value); err == nil {
			fd = n
		} else {
			variable = strings.Trim(r.N.Value, "{}")
		}
	}
	file, both, closing, ok := sh.redirectTarget(r, variable)
	if !ok {
		return undo, false
	}
	if file != nil {
		defer file.Close()
	}
	if variable != "" {
		return undo, sh.redirectVariable(variable, file, closing)
	}
	undo = append(undo, sh.saveFile(fd))
	if closing {
		_ = sh.p.FDs().Close(fd)
		return undo, true
	}
	if err := sh.p.FDs().Set(fd, file); err != nil {
		sh.errorf("%d: %s", fd, errorText(err))
		return undo, false
	}
	if both {
		undo = append(undo, sh.saveFile(2))
		_ = sh.p.FDs().Set(2, file)
	}
	return undo, true
}

// redirectVariable is {name}>file: a descriptor from 10 on, which stays open.
func (sh *shell) redirectVariable(name string, file *kernel.File, closing bool) bool {
	base, sub, isElement := splitSubscript(name)
	if closing {
		value, _ := sh.get(name)
		if isElement {
			value, _ = sh.getElement(base, sub)
		}
		fd, err := strconv.Atoi(value)
		if err != nil {
			sh.errorf("%s: Bad file descriptor", name)
			return false
		}
		_ = sh.p.FDs().Close(fd)
		return true
	}
	fd, err := sh.p.FDs().Add(file, 10)
	if err != nil {
		sh.errorf("%s: %s", name, errorText(err))
		return false
	}
	if isElement {
		sh.assignElement(base, sub, strconv.Itoa(fd), false)
	} else {
		sh.assign(name, strconv.Itoa(fd))
	}
	return true
}

// redirectTarget opens what a redirection goes to. both says that standard error goes there too.
func (sh *shell) redirectTarget(r *syntax.Redirect, variable string) (file *kernel.File, both, closing, ok bool) {
	switch r.Op {
	case syntax.Hdoc, syntax.DashHdoc:
		return sh.textFile(sh.hereDocument(r)), false, false, true
	case syntax.WordHdoc:
		return sh.textFile(sh.single(r.Word) + "\n"), false, false, true
	}
	word, ok := sh.redirectWord(r.Word)
	if !ok {
		return nil, false, false, false
	}
	switch r.Op {
	case syntax.DplIn, syntax.DplOut:
		if word == "-" {
			return nil, false, true, true
		}
		number := strings.TrimSuffix(word, "-")
		if number != word && sh.posix() {
			sh.fatal(2, "Syntax error: Bad fd number")
		}
		if n, err := strconv.Atoi(number); err == nil {
			f, err := sh.p.FDs().Get(n)
			if err != nil {
				sh.badDescriptor(word)
				return nil, false, false, false
			}
			f.Ref()
			if number != word {
				_ = sh.p.FDs().Close(n)
			}
			return f, false, false, true
		}
		if r.Op == syntax.DplIn || r.N != nil && r.N.Value != "1" || sh.posix() {
			if sh.posix() {
				sh.fatal(2, "Syntax error: Bad fd number")
			}
			sh.errorf("%s: ambiguous redirect", word)
			return nil, false, false, false
		}
		both = true
	case syntax.RdrAll, syntax.AppAll:
		both = true
	}
	file, ok = sh.openRedirect(r.Op, word)
	return file, both, false, ok
}

func (sh *shell) badDescriptor(word string) {
	if sh.posix() {
		sh.errorf("%s: Bad file descriptor", word)
		return
	}
	sh.errorf("%s: Bad file descriptor", strings.TrimSuffix(word, "-"))
}

// redirectWord expands the target, which must be one word.
func (sh *shell) redirectWord(w *syntax.Word) (string, bool) {
	if sh.posix() {
		b := fieldBuilder{sh: sh}
		return b.string(w), true
	}
	b := fieldBuilder{sh: sh, split: true}
	b.word(w)
	if len(b.fields) != 1 {
		sh.errorf("%s: ambiguous redirect", nodeText(w))
		return "", false
	}
	return b.fields[0], true
}

func (sh *shell) openRedirect(op syntax.RedirOperator, name string) (*kernel.File, bool) {
	if network, host, port, ok := socketName(name); ok && sh.bash {
		return sh.openSocket(op, name, network, host, port)
	}
	flag := os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	switch op {
	case syntax.RdrIn:
		flag = os.O_RDONLY
	case syntax.RdrInOut:
		flag = os.O_RDWR | os.O_CREATE
	case syntax.AppOut, syntax.AppAll:
		flag = os.O_WRONLY | os.O_CREATE | os.O_APPEND
	case syntax.RdrOut, syntax.DplOut, syntax.RdrAll:
		if sh.opts.noclobber {
			info, err := sh.p.Files().Stat(name)
			if err == nil && info.Mode().IsRegular() {
				if sh.posix() {
					sh.errorf("cannot create %s: File exists", name)
				} else {
					sh.errorf("%s: cannot overwrite existing file", name)
				}
				return nil, false
			}
			if err != nil {
				flag |= os.O_EXCL
			}
		}
	}
	if name == "" {
		sh.redirectFailed(op, name, syscall.ENOENT)
		return nil, false
	}
	f, err := sh.p.OpenFile(name, flag, 0o666)
	for err != nil && errors.Is(err, syscall.EINTR) {
		sh.runTraps()
		f, err = sh.p.OpenFile(name, flag, 0o666)
	}
	if err != nil {
		sh.redirectFailed(op, name, err)
		return nil, false
	}
	return f, true
}

func (sh *shell) redirectFailed(op syntax.RedirOperator, name string, err error) {
	if errors.Is(err, kernel.ErrKilled) {
		panic(abandoned{exit: true})
	}
	if sh.bash {
		sh.errorf("%s: %s", name, errorText(err))
		return
	}
	missing := errors.Is(err, fs.ErrNotExist)
	switch {
	case op == syntax.RdrIn && missing:
		sh.errorf("cannot open %s: No such file", name)
	case op == syntax.RdrIn:
		sh.errorf("cannot open %s: %s", name, errorText(err))
	case missing:
		sh.errorf("cannot create %s: Directory nonexistent", name)
	default:
		sh.errorf("cannot create %s: %s", name, errorText(err))
	}
}

// hereDocument gives the text of a here-document, expanded unless its delimiter is quoted.
func (sh *shell) hereDocument(r *syntax.Redirect) string {
	if r.Hdoc == nil {
		return ""
	}
	quoted := false
	for _, part := range r.Word.Parts {
		lit, ok := part.(*syntax.Lit)
		quoted = quoted || !ok || strings.IndexByte(lit.Value, '\\') >= 0
	}
	body := r.Hdoc
	if r.Op == syntax.DashHdoc {
		body = untabbed(body)
	}
	if quoted {
		return body.Lit()
	}
	return sh.document(body)
}

// untabbed removes the tabs at the beginning of each line of the text, not of what expansions give.
func untabbed(w *syntax.Word) *syntax.Word {
	out := &syntax.Word{}
	begin := true
	for _, part := range w.Parts {
		lit, ok := part.(*syntax.Lit)
		if !ok {
			begin = false
			out.Parts = append(out.Parts, part)
			continue
		}
		lines := strings.SplitAfter(lit.Value, "\n")
		for i := range lines {
			if i > 0 || begin {
				lines[i] = strings.TrimLeft(lines[i], "\t")
			}
		}
		begin = strings.HasSuffix(lit.Value, "\n")
		out.Parts = append(out.Parts, &syntax.Lit{ValuePos: lit.ValuePos, ValueEnd: lit.ValueEnd, Value: strings.Join(lines, "")})
	}
	return out
}

// textFile is an open file with given contents, for here-documents.
func (sh *shell) textFile(text string) *kernel.File { return kernel.NewFile(&textStream{text: text}) }

// textStream is a file in memory that is only read. Processes share its offset.
type textStream struct {
	mu   sync.Mutex
	text string
	at   int64
}

func (t *textStream) Read(_ context.Context, b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.at >= int64(len(t.text)) {
		return 0, io.EOF
	}
	n := copy(b, t.text[t.at:])
	t.at += int64(n)
	return n, nil
}

func (t *textStream) Write(context.Context, []byte) (int, error) { return 0, syscall.EBADF }
func (t *textStream) Close() error                               { return nil }

// Seek moves the offset, so that a reader may give back what it read too far.
func (t *textStream) Seek(offset int64, whence int) (int64, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch whence {
	case io.SeekCurrent:
		offset += t.at
	case io.SeekEnd:
		offset += int64(len(t.text))
	}
	if offset < 0 {
		return 0, syscall.EINVAL
	}
	t.at = offset
	return offset, nil
}
