package builtins

import (
	"bufio"
	"fmt"
)

var installUsage = usage{
	synopsis: "[OPTION]... [-T] SOURCE DEST\n  or:  install [OPTION]... SOURCE... DIRECTORY\n  or:  install [OPTION]... -t DIRECTORY SOURCE...\n  or:  install [OPTION]... -d DIRECTORY...",
	about:    "Copy files while setting their attributes.",
	options:  []string{"b", "backup?", "c", "C compare", "d directory", "D", "g group=", "m mode=", "o owner=", "p preserve-timestamps", "s strip", "S suffix=", "t target-directory=", "T no-target-directory", "v verbose"},
}

// installer is one run of install.
type installer struct {
	p        *Process
	out      *bufio.Writer
	mode     modeChange
	uid, gid int
	times    bool
	verbose  bool
	parents  bool
	backups  backupOptions
}

func install(p *Process) int {
	opts, operands, status, done := p.parse(installUsage)
	if done {
		return status
	}
	in := &installer{p: p, out: bufio.NewWriter(p.Stdout), mode: modeChange{octal: true, bits: 0o755, digits: 5}, uid: -1, gid: -1}
	defer in.out.Flush()
	var dir *string
	var noTarget, directories bool
	a := p.accounts()
	for _, o := range opts {
		switch o.name {
		case "b", "backup", "S":
			if status, done := in.backups.set(p, installUsage, o); done {
				return status
			}
		case "C", "s":
			p.Errorf("option -%s is not supported by this implementation", o.name)
			return 1
		case "d":
			directories = true
		case "D":
			in.parents = true
		case "g":
			gid, ok := a.gid(o.value)
			if !ok {
				p.Errorf("invalid group %s", quote(o.value))
				return 1
			}
			in.gid = int(gid)
		case "o":
			uid, ok := a.uid(o.value)
			if !ok {
				p.Errorf("invalid user %s", quote(o.value))
				return 1
			}
			in.uid = int(uid)
		case "m":
			change, err := parseMode(o.value)
			if err != nil {
				p.Errorf("invalid mode %s", quote(o.value))
				return 1
			}
			in.mode = change
		case "p":
			in.times = true
		case "t":
			dir = &o.value
		case "T":
			noTarget = true
		case "v":
			in.verbose = true
		}
	}
	if directories {
		if len(operands) == 0 {
			p.Errorf("missing file operand")
			return p.tryHelp(installUsage)
		}
		for _, name := range operands {
			if !in.directory(name) {
				status = 1
			}
		}
		return status
	}
	if in.parents && dir != nil {
		if !p.makeDirs(*dir, in.verbose) {
			return 1
		}
	}
	t, status, done := p.findTarget(installUsage, operands, dir, noTarget, false)
	if done {
		return status
	}
	for _, source := range t.sources {
		to := t.of(source)
		if in.parents && !t.isDir && !p.makeDirs(dirName(to), in.verbose) {
			return 1
		}
		if !in.file(source, to) {
			status = 1
		}
	}
	return status
}

// makeDirs makes a directory with its parents, as install -D names them.
func (p *Process) makeDirs(dir string, verbose bool) bool {
	if verbose {
		if _, err := p.Files.Stat(dir); err != nil {
			if above := dirName(dir); above != dir && !p.makeDirs(above, verbose) {
				return false
			}
			fmt.Fprintf(p.Stdout, "%s: creating directory %s\n", p.Name(), quoteName(dir))
		}
	}
	return p.makeParents(dir, false)
}

func (in *installer) fail(format string, args ...any) bool {
	in.p.Errorf(format, args...)
	return false
}

func (in *installer) directory(name string) bool {
	if in.verbose {
		in.out.Flush()
	}
	if !in.p.makeDirs(name, in.verbose) {
		return false
	}
	return in.attributes(name, true)
}

func (in *installer) file(from, to string) bool {
	info, err := in.p.Files.Stat(from)
	if err != nil {
		return in.fail("cannot stat %s: %s", quoteName(from), strerror(err))
	}
	if info.IsDir() {
		return in.fail("omitting directory %s", quoteName(from))
	}
	c := &copier{p: in.p, out: in.out, follow: 'L', removeFirst: in.backups.control == "", verbose: false, backups: in.backups, keepTimes: in.times}
	existed := false
	if existing, err := in.p.Files.Lstat(to); err == nil {
		if sameFile(existing, info) {
			return in.fail("%s and %s are the same file", quoteName(from), quoteName(to))
		}
		existed = !existing.IsDir()
	}
	if !c.copy(from, to, true) {
		return false
	}
	if in.verbose {
		if existed && in.backups.control == "" {
			fmt.Fprintf(in.out, "removed %s\n", quoteName(to))
		}
		fmt.Fprintf(in.out, "%s -> %s\n", quoteName(from), quoteName(to))
	}
	return in.attributes(to, false)
}

func (in *installer) attributes(name string, isDir bool) bool {
	if in.uid >= 0 || in.gid >= 0 {
		if err := in.p.Files.Chown(name, in.uid, in.gid); err != nil {
			return in.fail("cannot change ownership of %s: %s", quoteName(name), strerror(err))
		}
	}
	if err := in.p.Files.Chmod(name, in.mode.apply(0, isDir, 0)); err != nil {
		return in.fail("cannot change permissions of %s: %s", quoteName(name), strerror(err))
	}
	return true
}
