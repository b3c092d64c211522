package builtins

import (
	"bufio"
	"io"
	"os"
	"path"
	"strings"
	"syscall"

	"github.com/sockerless/sockerless/store/rootfs"
)

// target is where cp, mv, ln and install put things: into a directory, or under one new name.
type target struct {
	sources []string
	name    string
	isDir   bool
}

// findTarget reads the operands of cp, mv, ln and install: "-t DIR SOURCE...", "-T SOURCE DEST", "SOURCE DEST",
// "SOURCE... DIR". keepLink says that a link to a directory is not one (ln -n).
func (p *Process) findTarget(u usage, operands []string, dir *string, noTarget, keepLink bool) (t target, status int, done bool) {
	if len(operands) == 0 {
		p.Errorf("missing file operand")
		return t, p.tryHelp(u), true
	}
	if dir != nil {
		if noTarget {
			p.Errorf("cannot combine --target-directory (-t) and --no-target-directory (-T)")
			return t, 1, true
		}
		info, err := p.Files.Stat(*dir)
		if err == nil && !info.IsDir() {
			err = syscall.ENOTDIR
		}
		if err != nil {
			p.Errorf("target directory %s: %s", quoteName(*dir), strerror(err))
			return t, 1, true
		}
		return target{operands, *dir, true}, 0, false
	}
	if len(operands) == 1 {
		p.Errorf("missing destination file operand after %s", quoteName(operands[0]))
		return t, p.tryHelp(u), true
	}
	last := len(operands) - 1
	t = target{operands[:last], operands[last], false}
	if noTarget {
		if len(operands) > 2 {
			p.Errorf("extra operand %s", quoteName(operands[2]))
			return t, p.tryHelp(u), true
		}
		return t, 0, false
	}
	stat := p.Files.Stat
	if keepLink {
		stat = p.Files.Lstat
	}
	info, err := stat(t.name)
	t.isDir = err == nil && info.IsDir()
	if !t.isDir && len(operands) > 2 {
		if err == nil {
			err = syscall.ENOTDIR
		}
		p.Errorf("target %s: %s", quoteName(t.name), strerror(err))
		return t, 1, true
	}
	return t, 0, false
}

// of is the path that a source gets.
func (t target) of(source string) string {
	if !t.isDir {
		return t.name
	}
	return joinName(t.name, lastElement(source))
}

// lastElement is the name at the end of a path, trailing slashes aside; "/" for the root.
func lastElement(name string) string {
	name = strings.TrimRight(name, "/")
	if name == "" {
		return "/"
	}
	return name[strings.LastIndexByte(name, '/')+1:]
}

// asker reads answers to questions such as "overwrite 'x'?" from standard input.
type asker struct {
	p  *Process
	in *bufio.Reader
}

// yes asks a question on standard error and says whether the answer begins with y or Y.
func (a *asker) yes(question string) bool {
	if a.in == nil {
		a.in = bufio.NewReader(a.p.Stdin)
	}
	io.WriteString(a.p.Stderr, question)
	line, _ := a.in.ReadString('\n')
	return line != "" && (line[0] == 'y' || line[0] == 'Y')
}

// backup keeps what is at name under another name before it is replaced, as --backup says: "simple" appends the
// suffix, "numbered" .~1~ and so on, "existing" chooses by what is there. It returns the new name, "" if there is
// nothing to keep.
func (p *Process) backup(name, control, suffix string) (string, error) {
	if _, err := p.Files.Lstat(name); err != nil {
		return "", nil
	}
	highest := 0
	if control != "simple" {
		dir, base := path.Split(name)
		if dir == "" {
			dir = "."
		}
		entries, err := p.Files.ReadDir(dir)
		if err != nil {
			return "", err
		}
		for _, e := range entries {
			if rest, ok := strings.CutPrefix(e.Name(), base+".~"); ok {
				highest = max(highest, atoiOr(strings.TrimSuffix(rest, "~"), 0))
			}
		}
	}
	kept := name + suffix
	if control == "numbered" || control == "existing" && highest > 0 {
		kept = name + ".~" + itoa(highest+1) + "~"
	}
	return kept, p.Files.Rename(name, kept)
}

// backupNote is what -v says of a backup.
func backupNote(name string) string {
	if name == "" {
		return ""
	}
	return " (backup: " + quoteName(name) + ")"
}

// backupOptions reads -b, --backup[=CONTROL] and -S.
type backupOptions struct {
	control, suffix string // control "" means no backups
}

func (b *backupOptions) set(p *Process, u usage, o option) (status int, done bool) {
	switch o.name {
	case "S":
		b.suffix = o.value
		if b.control == "" {
			b.control = "existing"
		}
	default:
		word := o.value
		if !o.has {
			word = p.Getenv("VERSION_CONTROL")
		}
		controls := map[string]string{"": "existing", "none": "", "off": "", "simple": "simple", "never": "simple", "existing": "existing", "nil": "existing",
			"numbered": "numbered", "t": "numbered"}
		control, ok := controls[word]
		if !ok {
			p.Errorf("invalid argument %s for %s", quoteName(word), quote("backup type"))
			return p.tryHelp(u), true
		}
		b.control = control
	}
	if b.suffix == "" {
		b.suffix = p.Getenv("SIMPLE_BACKUP_SUFFIX")
		if b.suffix == "" {
			b.suffix = "~"
		}
	}
	return 0, false
}

// sameFile says whether two infos are of one inode.
func sameFile(a, b *rootfs.Info) bool { return a.Ino() == b.Ino() && a.Dev() == b.Dev() }

// openNew creates or truncates a file for writing.
func (p *Process) openNew(name string, perm os.FileMode) (*rootfs.File, error) {
	return p.Files.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, perm)
}
