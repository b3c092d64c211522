package builtins

import (
	"bufio"
	"path"
	"strings"

	"github.com/sockerless/sockerless/store/rootfs"
)

var cpUsage = usage{
	synopsis: "[OPTION]... [-T] SOURCE DEST\n  or:  cp [OPTION]... SOURCE... DIRECTORY\n  or:  cp [OPTION]... -t DIRECTORY SOURCE...",
	about:    "Copy SOURCE to DEST, or multiple SOURCE(s) to DIRECTORY.",
	options: []string{"a archive", "attributes-only", "b", "backup?", "copy-contents", "d", "f force", "i interactive", "H", "l link", "L dereference", "n no-clobber",
		"P no-dereference", "p", "preserve?", "no-preserve=", "parents", "R r recursive", "reflink?", "remove-destination", "sparse=",
		"strip-trailing-slashes", "s symbolic-link", "S suffix=", "t target-directory=", "T no-target-directory", "u update", "v verbose", "x one-file-system"},
}

func cp(p *Process) int {
	opts, operands, status, done := p.parse(cpUsage)
	if done {
		return status
	}
	out := bufio.NewWriter(p.Stdout)
	defer out.Flush()
	c := &copier{p: p, ask: asker{p: p}, out: out}
	var dir *string
	var noTarget, parents, strip bool
	for _, o := range opts {
		switch o.name {
		case "a":
			c.recursive, c.follow, c.keepMode, c.keepOwner, c.keepTimes, c.keepLinks = true, 'P', true, true, true, true
		case "attributes-only":
			c.attrsOnly = true
		case "b", "backup", "S":
			if status, done := c.backups.set(p, cpUsage, o); done {
				return status
			}
		case "copy-contents":
			c.copyContents = true
		case "d":
			c.follow, c.keepLinks = 'P', true
		case "f":
			c.force = true
		case "i", "n":
			c.overwrite = o.name[0]
		case "H", "L", "P":
			c.follow = o.name[0]
		case "l":
			c.hardLink = true
		case "p":
			c.keepMode, c.keepOwner, c.keepTimes = true, true, true
		case "preserve", "no-preserve":
			list := o.value
			if !o.has {
				list = "mode,ownership,timestamps"
			}
			if !c.preserve(list, o.name == "preserve") {
				return p.invalidWord("--"+o.name, o.value, strings.Fields("mode timestamps ownership links context xattr all"))
			}
		case "parents":
			parents = true
		case "R":
			c.recursive = true
		case "reflink":
			if o.has && o.value != "auto" && o.value != "never" && o.value != "always" {
				return p.invalidWord("--reflink", o.value, strings.Fields("auto always never"))
			}
		case "sparse":
			if o.value != "auto" && o.value != "never" && o.value != "always" {
				return p.invalidWord("--sparse", o.value, strings.Fields("never auto always"))
			}
		case "remove-destination":
			c.removeFirst = true
		case "strip-trailing-slashes":
			strip = true
		case "s":
			c.symLink = true
		case "t":
			dir = &o.value
		case "T":
			noTarget = true
		case "u":
			c.update = true
		case "v":
			c.verbose = true
		case "x":
			c.oneDevice = true
		}
	}
	if c.follow == 0 {
		c.follow = 'L'
		if c.recursive && !c.hardLink {
			c.follow = 'P'
		}
	}
	if c.hardLink && c.symLink {
		p.Errorf("cannot make both hard and symbolic links")
		return p.tryHelp(cpUsage)
	}
	t, status, done := p.findTarget(cpUsage, operands, dir, noTarget, false)
	if done {
		return status
	}
	if parents && !t.isDir {
		p.Errorf("with --parents, the destination must be a directory")
		return p.tryHelp(cpUsage)
	}
	for _, source := range t.sources {
		if strip {
			if source = strings.TrimRight(source, "/"); source == "" {
				source = "/"
			}
		}
		to := t.of(source)
		if base := lastElement(source); t.isDir && (base == "." || base == "..") {
			to = joinName(t.name, ".")
		}
		if parents {
			if to = joinName(t.name, strings.TrimLeft(strings.TrimRight(source, "/"), "/")); !c.parents(source, t.name) {
				continue
			}
		}
		c.copy(source, to, true)
	}
	if c.failed {
		return 1
	}
	return 0
}

// preserve reads the list of --preserve and --no-preserve. Extended attributes and security contexts are not kept
// by the file tree's calls; "all" means what there is, as GNU does where a file system has none.
func (c *copier) preserve(list string, on bool) bool {
	for _, word := range strings.Split(list, ",") {
		switch word {
		case "mode":
			c.keepMode, c.noMode = on, !on
		case "ownership":
			c.keepOwner = on
		case "timestamps":
			c.keepTimes = on
		case "links":
			c.keepLinks = on
		case "all":
			c.keepMode, c.noMode, c.keepOwner, c.keepTimes, c.keepLinks = on, !on, on, on, on
		case "context", "xattr":
			if on {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// parents makes the directories above a source below the target, with the modes that they have.
func (c *copier) parents(source, target string) bool {
	dir := path.Dir(strings.TrimLeft(path.Clean(source), "/"))
	if dir == "." {
		return true
	}
	prefix := ""
	if strings.HasPrefix(source, "/") {
		prefix = "/"
	}
	at := ""
	for _, element := range strings.Split(dir, "/") {
		at = path.Join(at, element)
		to := joinName(target, at)
		if info, err := c.p.Files.Stat(to); err == nil {
			if !info.IsDir() {
				return c.fail("%s exists but is not a directory", quoteName(to))
			}
			continue
		}
		info, err := c.p.Files.Stat(prefix + at)
		if err != nil {
			return c.fail("failed to get attributes of %s: %s", quoteName(prefix+at), strerror(err))
		}
		if err := c.p.Files.Mkdir(to, rootfs.FromUnixMode(rootfs.UnixMode(info.Mode()))); err != nil {
			return c.fail("cannot make directory %s: %s", quoteName(to), strerror(err))
		}
		if c.verbose {
			c.out.Write([]byte(prefix + at + " -> " + to + "\n"))
		}
		if (c.keepMode || c.keepOwner || c.keepTimes) && !c.attributes(to, info) {
			return false
		}
	}
	return true
}
