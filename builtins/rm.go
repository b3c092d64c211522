package builtins

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"github.com/sockerless/sockerless/store/rootfs"
)

var rmUsage = usage{
	synopsis: "[OPTION]... [FILE]...",
	about:    "Remove (unlink) the FILE(s).",
	options: []string{"d dir", "f force", "i", "I", "interactive?", "one-file-system", "no-preserve-root", "preserve-root?", "R r recursive",
		"v verbose"},
}

// remover is one run of rm.
type remover struct {
	p         *Process
	out       *bufio.Writer
	ask       asker
	force     bool
	prompt    byte // 'i' always, 'I' once, 0 only for write-protected files when the input is a terminal
	recursive bool
	dirs      bool
	verbose   bool
	oneDevice bool
	terminal  bool
}

func rm(p *Process) int {
	opts, operands, status, done := p.parse(rmUsage)
	if done {
		return status
	}
	r := &remover{p: p, out: bufio.NewWriter(p.Stdout), ask: asker{p: p}, terminal: p.System.IsTerminal(0)}
	defer r.out.Flush()
	preserveRoot := true
	for _, o := range opts {
		switch o.name {
		case "d":
			r.dirs = true
		case "f":
			r.force, r.prompt = true, 0
		case "i", "I":
			r.force, r.prompt = false, o.name[0]
		case "interactive":
			switch o.value {
			case "", "always", "yes":
				r.prompt, r.force = 'i', false
			case "once":
				r.prompt, r.force = 'I', false
			case "never", "no", "none":
				r.prompt = 'n'
			default:
				return p.invalidWord("--interactive", o.value, strings.Fields("never,no,none once always,yes"))
			}
		case "one-file-system":
			r.oneDevice = true
		case "no-preserve-root":
			preserveRoot = false
		case "R":
			r.recursive = true
		case "v":
			r.verbose = true
		}
	}
	if len(operands) == 0 {
		if r.force {
			return 0
		}
		return p.missingOperand(rmUsage)
	}
	if r.prompt == 'I' && (r.recursive || len(operands) > 3) {
		plural, how := "", ""
		if len(operands) > 1 {
			plural = "s"
		}
		if r.recursive {
			how = " recursively"
		}
		if !r.ask.yes(fmt.Sprintf("rm: remove %d argument%s%s? ", len(operands), plural, how)) {
			return 0
		}
	}
	for _, name := range operands {
		if !r.operand(name, preserveRoot) {
			status = 1
		}
	}
	return status
}

func (r *remover) fail(format string, args ...any) bool {
	r.p.Errorf(format, args...)
	return false
}

func (r *remover) operand(name string, preserveRoot bool) bool {
	if base := lastElement(name); r.recursive && (base == "." || base == "..") {
		return r.fail("refusing to remove '.' or '..' directory: skipping %s", quoteName(name))
	}
	info, err := r.p.Files.Lstat(name)
	if err != nil {
		if r.force && (errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ENOTDIR)) {
			return true
		}
		return r.fail("cannot remove %s: %s", quoteName(name), strerror(err))
	}
	if info.IsDir() && r.recursive && preserveRoot {
		if real, err := r.p.Files.Resolve(name); err == nil && real == "/" {
			if name == "/" {
				r.p.Errorf("it is dangerous to operate recursively on '/'")
			} else {
				r.p.Errorf("it is dangerous to operate recursively on %s (same as '/')", quoteName(name))
			}
			return r.fail("use --no-preserve-root to override this failsafe")
		}
	}
	_, ok := r.remove(name, info, info.Dev())
	return ok
}

// remove removes one file or tree. gone says whether it is gone, ok whether there was no error: a question answered
// with no is no error, but keeps the directories above.
func (r *remover) remove(name string, info *rootfs.Info, device uint64) (gone, ok bool) {
	if r.p.Context.Err() != nil {
		return false, false
	}
	if !info.IsDir() {
		if !r.confirm("remove "+kindOf(info), name, info) {
			return false, true
		}
		return r.unlink(name, false)
	}
	if !r.recursive && !r.dirs {
		return false, r.fail("cannot remove %s: Is a directory", quoteName(name))
	}
	if r.oneDevice && info.Dev() != device {
		return false, r.fail("skipping %s, since it's on a different device", quoteName(name))
	}
	entries, err := r.p.Files.ReadDir(name)
	if err != nil {
		return false, r.fail("cannot remove %s: %s", quoteName(name), strerror(err))
	}
	if len(entries) == 0 {
		if !r.confirm("remove directory", name, info) {
			return false, true
		}
		return r.unlink(name, true)
	}
	if !r.recursive {
		return false, r.fail("cannot remove %s: Directory not empty", quoteName(name))
	}
	if !r.confirm("descend into directory", name, info) {
		return false, true
	}
	gone, ok = true, true
	for _, e := range entries {
		child := joinName(name, e.Name())
		childInfo, err := r.p.Files.Lstat(child)
		if errors.Is(err, syscall.ENOENT) {
			continue
		}
		if err != nil {
			gone, ok = false, r.fail("cannot remove %s: %s", quoteName(child), strerror(err))
			continue
		}
		childGone, childOK := r.remove(child, childInfo, device)
		gone, ok = gone && childGone, ok && childOK
	}
	if !gone && (!ok || r.prompt != 'i') {
		return false, ok
	}
	if r.prompt == 'i' && !r.confirm("remove directory", name, info) {
		return false, ok
	}
	gone, removed := r.unlink(name, true)
	return gone, ok && removed
}

// confirm asks if it must. In a terminal's session a write-protected file is asked for even without -i.
func (r *remover) confirm(what, name string, info *rootfs.Info) bool {
	protected := r.prompt != 'n' && !r.force && (r.prompt == 'i' || r.terminal) && info.Mode()&fs.ModeSymlink == 0 && r.p.Files.Access(name, 2) != nil
	if r.prompt != 'i' && !protected {
		return true
	}
	if protected {
		verb, object, _ := strings.Cut(what, " ")
		if rest, ok := strings.CutPrefix(object, "into "); ok {
			verb, object = verb+" into", rest
		}
		what = verb + " write-protected " + object
	}
	return r.ask.yes(fmt.Sprintf("rm: %s %s? ", what, quoteName(name)))
}

func (r *remover) unlink(name string, dir bool) (gone, ok bool) {
	remove, text := r.p.Files.Unlink, "removed %s\n"
	if dir {
		remove, text = r.p.Files.Rmdir, "removed directory %s\n"
	}
	if err := remove(name); err != nil {
		if r.force && errors.Is(err, syscall.ENOENT) {
			return true, true
		}
		return false, r.fail("cannot remove %s: %s", quoteName(name), strerror(err))
	}
	if r.verbose {
		fmt.Fprintf(r.out, text, quoteName(name))
	}
	return true, true
}

// kindOf names a file's type in questions.
func kindOf(info *rootfs.Info) string { return kindName(info.Mode(), info.Size()) }
