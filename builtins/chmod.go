package builtins

import (
	"bufio"
	"fmt"
	"io/fs"
	"strings"

	"github.com/sockerless/sockerless/store/rootfs"
)

var chmodUsage = usage{
	synopsis: "[OPTION]... MODE[,MODE]... FILE...\n  or:  chmod [OPTION]... OCTAL-MODE FILE...\n  or:  chmod [OPTION]... --reference=RFILE FILE...",
	about:    "Change the mode of each FILE to MODE.",
	options:  []string{"c changes", "f silent quiet", "no-preserve-root", "preserve-root", "reference=", "R recursive", "v verbose"},
}

// changer is what chmod, chown and chgrp share: reports and recursion.
type changer struct {
	p       *Process
	out     *bufio.Writer
	changes bool
	quiet   bool
	verbose bool
	failed  bool
}

func (c *changer) fail(format string, args ...any) {
	if !c.quiet {
		c.p.Errorf(format, args...)
	}
	c.failed = true
}

func (c *changer) status() int {
	c.out.Flush()
	if c.failed {
		return 1
	}
	return 0
}

func chmod(p *Process) int {
	// "-x" and "-rw" are modes, not options.
	var args []string
	mode := ""
	for i, a := range p.Args[1:] {
		if a == "--" {
			args = append(args, p.Args[1+i:]...)
			break
		}
		if mode == "" && len(a) > 1 && a[0] == '-' && strings.IndexByte("rwxXstugo01234567", a[1]) >= 0 {
			mode = a
			continue
		}
		args = append(args, a)
	}
	opts, operands, status, done := p.parseArgs(chmodUsage, args)
	if done {
		return status
	}
	c := &changer{p: p, out: bufio.NewWriter(p.Stdout)}
	var recursive bool
	var reference *string
	for _, o := range opts {
		switch o.name {
		case "c":
			c.changes = true
		case "f":
			c.quiet = true
		case "v":
			c.verbose = true
		case "R":
			recursive = true
		case "reference":
			reference = &o.value
		}
	}
	var change modeChange
	switch {
	case reference != nil:
		info, err := p.Files.Stat(*reference)
		if err != nil {
			p.Errorf("failed to get attributes of %s: %s", quoteName(*reference), strerror(err))
			return 1
		}
		change = modeChange{octal: true, bits: rootfs.UnixMode(info.Mode()), digits: 5}
	default:
		if mode == "" && len(operands) > 0 {
			mode, operands = operands[0], operands[1:]
		}
		if mode == "" {
			return p.missingOperand(chmodUsage)
		}
		if len(operands) == 0 {
			return p.missingOperand(chmodUsage, mode)
		}
		var err error
		if change, err = parseMode(mode); err != nil {
			p.Errorf("invalid mode: %s", quote(mode))
			return p.tryHelp(chmodUsage)
		}
	}
	if len(operands) == 0 {
		return p.missingOperand(chmodUsage)
	}
	for _, name := range operands {
		c.chmod(name, change, recursive, true)
	}
	return c.status()
}

func (c *changer) chmod(name string, change modeChange, recursive, operand bool) {
	if c.p.Context.Err() != nil {
		return
	}
	info, err := c.p.Files.Lstat(name)
	if err == nil && info.Mode()&fs.ModeSymlink != 0 {
		if !operand {
			if c.verbose {
				fmt.Fprintf(c.out, "neither symbolic link %s nor referent has been changed\n", quoteName(name))
			}
			return
		}
		target, targetErr := c.p.Files.Stat(name)
		if targetErr != nil {
			c.fail("cannot operate on dangling symlink %s", quoteName(name))
			return
		}
		info = target
	}
	if err != nil {
		c.fail("cannot access %s: %s", quoteName(name), strerror(err))
		return
	}
	c.chmodOne(name, change, info)
	if recursive && info.IsDir() {
		entries, err := c.p.Files.ReadDir(name)
		if err != nil {
			c.fail("cannot read directory %s: %s", quoteName(name), strerror(err))
			return
		}
		for _, e := range entries {
			c.chmod(joinName(name, e.Name()), change, true, false)
		}
	}
}

func (c *changer) chmodOne(name string, change modeChange, info *rootfs.Info) {
	old := info.Mode()
	mode := change.apply(old, info.IsDir(), c.p.Files.Umask())
	show := func(m fs.FileMode) string { return fmt.Sprintf("%04o (%s)", rootfs.UnixMode(m), modeString(m)[1:]) }
	if err := c.p.Files.Chmod(name, mode); err != nil {
		c.fail("changing permissions of %s: %s", quoteName(name), strerror(err))
		if c.verbose {
			fmt.Fprintf(c.out, "failed to change mode of %s from %s to %s\n", quoteName(name), show(old), show(mode))
		}
		return
	}
	switch {
	case rootfs.UnixMode(old) != rootfs.UnixMode(mode) && (c.verbose || c.changes):
		fmt.Fprintf(c.out, "mode of %s changed from %s to %s\n", quoteName(name), show(old), show(mode))
	case rootfs.UnixMode(old) == rootfs.UnixMode(mode) && c.verbose:
		fmt.Fprintf(c.out, "mode of %s retained as %s\n", quoteName(name), show(mode))
	}
}
