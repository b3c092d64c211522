package shell

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"github.com/sockerless/sockerless/wasi/kernel"
)

// maxSubstitution bounds the output of one command substitution.
const maxSubstitution = 256 << 20

// commandSubst runs $(…) in a child process and gives its output without the newlines at the end.
func (sh *shell) commandSubst(c *syntax.CmdSubst) string {
	if c.TempFile || c.ReplyVar {
		sh.fail(1, "%s: bad substitution", nodeText(&syntax.Word{Parts: []syntax.WordPart{c}}))
	}
	if len(c.Stmts) == 0 {
		sh.substDone = 0
		return ""
	}
	if text, ok := sh.fileSubst(c); ok {
		return text
	}
	out, status := sh.outputOf(func(sub *shell) {
		if sub.bash && !sub.shopts.inheritErrexit && !sub.opts.posix {
			sub.opts.errexit = false
		}
		sub.substDepth++
		if len(c.Stmts) == 1 {
			sub.tailStmt(c.Stmts[0])
		} else {
			sub.stmts(c.Stmts)
		}
	})
	sh.substDone = status
	sh.status = status
	return out
}

// outputOf runs body in a child process and gives its output without the newlines at the end, and its status.
func (sh *shell) outputOf(body func(sub *shell)) (string, int) {
	r, w := kernel.NewPipe()
	child, err := sh.fork(kernel.ForkOptions{Files: map[int]*kernel.File{1: w}}, func(sub *shell) int {
		body(sub)
		return sub.status
	})
	_ = w.Close()
	if err != nil {
		_ = r.Close()
		sh.cannotFork(err)
	}
	out := sh.readAll(r)
	_ = r.Close()
	j := &job{foreground: true}
	j.add(child)
	return out, sh.pipelineStatus(sh.waitJob(j))
}

// readAll reads a pipe to its end, and cuts NUL bytes and the last newlines.
func (sh *shell) readAll(r *kernel.File) string {
	var out []byte
	if sh.readBuffer == nil {
		sh.readBuffer = make([]byte, 4096)
	}
	for {
		n, err := r.Read(sh.p.Context(), sh.readBuffer)
		out = append(out, sh.readBuffer[:n]...)
		if err != nil {
			break
		}
		if len(out) > maxSubstitution {
			sh.fatal(2, "command substitution: more than %d bytes", maxSubstitution)
		}
	}
	sh.gate()
	if bytes.IndexByte(out, 0) >= 0 {
		if sh.bash {
			sh.warn("command substitution: ignored null byte in input")
		}
		out = bytes.ReplaceAll(out, []byte{0}, nil)
	}
	return string(bytes.TrimRight(out, "\n"))
}

// fileSubst is $(<file), which needs no process.
func (sh *shell) fileSubst(c *syntax.CmdSubst) (string, bool) {
	if len(c.Stmts) != 1 || !sh.bash {
		return "", false
	}
	s := c.Stmts[0]
	if s.Cmd != nil || len(s.Redirs) != 1 || s.Redirs[0].Op != syntax.RdrIn || s.Redirs[0].N != nil || s.Negated || s.Background {
		return "", false
	}
	sh.substDone = 1
	name, ok := sh.redirectWord(s.Redirs[0].Word)
	if !ok {
		return "", true
	}
	f, ok := sh.openRedirect(syntax.RdrIn, name)
	if !ok {
		return "", true
	}
	defer f.Close()
	sh.substDone = 0
	return sh.readAll(f), true
}

// processSubst is <(…) and >(…): a child at the other end of a pipe, and the path of our end.
func (sh *shell) processSubst(s *syntax.ProcSubst) string {
	r, w := kernel.NewPipe()
	ours, theirs, fd := r, w, 1
	if s.Op == syntax.CmdOut {
		ours, theirs, fd = w, r, 0
	}
	files := map[int]*kernel.File{fd: theirs}
	for _, open := range sh.procSubsts {
		files[open] = nil
	}
	child, err := sh.fork(kernel.ForkOptions{Files: files}, func(sub *shell) int {
		if len(s.Stmts) == 1 {
			sub.tailStmt(s.Stmts[0])
		} else {
			sub.stmts(s.Stmts)
		}
		return sub.status
	})
	_ = theirs.Close()
	if err != nil {
		_ = ours.Close()
		sh.cannotFork(err)
	}
	sh.lastPID = child.PID()
	sh.jobs.adopt(child)
	number, err := sh.highDescriptor(ours)
	_ = ours.Close()
	if err != nil {
		sh.fail(1, "process substitution: %s", errorText(err))
	}
	sh.procSubsts = append(sh.procSubsts, number)
	return "/dev/fd/" + strconv.Itoa(number)
}

// highDescriptor puts a file at the first free descriptor counted down from 63, where bash has them.
func (sh *shell) highDescriptor(f *kernel.File) (int, error) {
	for fd := 63; fd > 9; fd-- {
		if _, err := sh.p.FDs().Get(fd); err != nil {
			return fd, sh.p.FDs().Set(fd, f)
		}
	}
	return sh.p.FDs().Add(f, 64)
}

// closeSubsts closes the ends of process substitutions that were made since there were keep of them.
func (sh *shell) closeSubsts(keep int) {
	for _, fd := range sh.procSubsts[min(keep, len(sh.procSubsts)):] {
		_ = sh.p.FDs().Close(fd)
	}
	sh.procSubsts = sh.procSubsts[:min(keep, len(sh.procSubsts))]
}

// readByte reads one byte of a descriptor; the error is io.EOF at its end.
func (sh *shell) readByte(fd int) (byte, error) {
	var b [1]byte
	n, err := sh.p.Read(sh.p.Context(), fd, b[:])
	switch {
	case n == 1:
		return b[0], nil
	case errors.Is(err, kernel.ErrKilled):
		panic(abandoned{exit: true})
	case err == nil:
		return 0, io.EOF
	}
	return 0, err
}

// readLine reads a line of standard input for select; not ok at the end.
func (sh *shell) readLine() (string, bool) {
	var line strings.Builder
	for {
		c, err := sh.readByte(0)
		if err != nil {
			return line.String(), false
		}
		if c == '\n' {
			return line.String(), true
		}
		line.WriteByte(c)
	}
}
