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

var mvUsage = usage{
	synopsis: "[OPTION]... [-T] SOURCE DEST\n  or:  mv [OPTION]... SOURCE... DIRECTORY\n  or:  mv [OPTION]... -t DIRECTORY SOURCE...",
	about:    "Rename SOURCE to DEST, or move SOURCE(s) to DIRECTORY.",
	options: []string{"b", "backup?", "f force", "i interactive", "n no-clobber", "strip-trailing-slashes", "S suffix=", "t target-directory=",
		"T no-target-directory", "u update", "v verbose"},
}

// mover is one run of mv.
type mover struct {
	p         *Process
	out       *bufio.Writer
	ask       asker
	overwrite byte // 'i', 'n', 'f' or 0
	update    bool
	verbose   bool
	backups   backupOptions
	moved     map[string]bool
}

func mv(p *Process) int {
	opts, operands, status, done := p.parse(mvUsage)
	if done {
		return status
	}
	m := &mover{p: p, out: bufio.NewWriter(p.Stdout), ask: asker{p: p}, moved: map[string]bool{}}
	defer m.out.Flush()
	var dir *string
	var noTarget, strip bool
	for _, o := range opts {
		switch o.name {
		case "b", "backup", "S":
			if status, done := m.backups.set(p, mvUsage, o); done {
				return status
			}
		case "f", "i", "n":
			m.overwrite = o.name[0]
		case "strip-trailing-slashes":
			strip = true
		case "t":
			dir = &o.value
		case "T":
			noTarget = true
		case "u":
			m.update = true
		case "v":
			m.verbose = true
		}
	}
	t, status, done := p.findTarget(mvUsage, operands, dir, noTarget, false)
	if done {
		return status
	}
	for _, source := range t.sources {
		if strip {
			source = strings.TrimRight(source, "/")
		}
		if !m.move(source, t.of(source)) {
			status = 1
		}
	}
	return status
}

func (m *mover) fail(format string, args ...any) bool {
	m.p.Errorf(format, args...)
	return false
}

func (m *mover) move(from, to string) bool {
	p := m.p
	info, err := p.Files.Lstat(from)
	if err != nil {
		return m.fail("cannot stat %s: %s", quoteName(from), strerror(err))
	}
	kept := ""
	if existing, err := p.Files.Lstat(to); err == nil {
		switch {
		case sameFile(info, existing) && info.IsDir():
			return m.fail("cannot move %s to a subdirectory of itself, %s", quoteName(from), quoteName(to))
		case sameFile(info, existing) && m.backups.control == "":
			return m.fail("%s and %s are the same file", quoteName(from), quoteName(to))
		case m.moved[to]:
			return m.fail("will not overwrite just-created %s with %s", quoteName(to), quoteName(from))
		case info.IsDir() && !existing.IsDir():
			return m.fail("cannot overwrite non-directory %s with directory %s", quoteName(to), quoteName(from))
		case !info.IsDir() && existing.IsDir():
			return m.fail("cannot overwrite directory %s with non-directory", quoteName(to))
		case m.overwrite == 'n', m.update && !info.ModTime().After(existing.ModTime()):
			return true
		}
		if m.overwrite == 'i' && !m.ask.yes(fmt.Sprintf("%s: overwrite %s? ", p.Name(), quoteName(to))) {
			return true
		}
		if m.overwrite == 0 && existing.Mode()&fs.ModeSymlink == 0 && p.System.IsTerminal(0) && p.Files.Access(to, 2) != nil {
			question := fmt.Sprintf("%s: replace %s, overriding mode %04o (%s)? ", p.Name(), quoteName(to), rootfs.UnixMode(existing.Mode()), modeString(existing.Mode())[1:])
			if !m.ask.yes(question) {
				return true
			}
		}
		if m.backups.control != "" {
			if kept, err = p.backup(to, m.backups.control, m.backups.suffix); err != nil {
				return m.fail("cannot backup %s: %s", quoteName(to), strerror(err))
			}
		}
	}
	err = p.Files.Rename(from, to)
	switch {
	case errors.Is(err, syscall.EXDEV):
		return m.across(from, to)
	case errors.Is(err, syscall.EINVAL) && info.IsDir():
		return m.fail("cannot move %s to a subdirectory of itself, %s", quoteName(from), quoteName(to))
	case err != nil:
		return m.fail("cannot move %s to %s: %s", quoteName(from), quoteName(to), strerror(err))
	}
	m.moved[to] = true
	if m.verbose {
		fmt.Fprintf(m.out, "renamed %s -> %s%s\n", quoteName(from), quoteName(to), backupNote(kept))
	}
	return true
}

// across moves between file systems: a copy with all attributes, then the original goes.
func (m *mover) across(from, to string) bool {
	if existing, err := m.p.Files.Lstat(to); err == nil {
		remove := m.p.Files.Unlink
		if existing.IsDir() {
			remove = m.p.Files.Rmdir
		}
		if err := remove(to); err != nil {
			return m.fail("inter-device move failed: %s to %s; unable to remove target: %s", quoteName(from), quoteName(to), strerror(err))
		}
	}
	c := &copier{p: m.p, out: m.out, recursive: true, follow: 'P', keepMode: true, keepOwner: true, keepTimes: true, keepLinks: true}
	if m.verbose {
		fmt.Fprintf(m.out, "copied %s -> %s\n", quoteName(from), quoteName(to))
	}
	if !c.copy(from, to, true) {
		return false
	}
	if err := m.p.Files.RemoveAll(from); err != nil {
		return m.fail("cannot remove %s: %s", quoteName(from), strerror(err))
	}
	if m.verbose {
		fmt.Fprintf(m.out, "removed %s\n", quoteName(from))
	}
	return true
}
