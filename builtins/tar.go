package builtins

import (
	"archive/tar"
	"io"
	"os"
	"strings"
	"time"

	"github.com/sockerless/sockerless/store/rootfs"
)

var tarUsage = usage{
	synopsis:  "[OPTION...] [FILE]...",
	about:     "Save many files together into a single archive, and restore them from it.",
	status:    64,
	positions: true,
	options: []string{"a auto-compress", "c create", "C directory=", "x extract get", "t list", "r append", "u update", "f file=", "z gzip gunzip ungzip", "j bzip2", "J xz", "zstd",
		"v verbose", "p preserve-permissions same-permissions", "no-same-permissions", "same-owner", "o no-same-owner", "strip-components=", "exclude=", "X exclude-from=",
		"T files-from=", "null", "owner=", "group=", "numeric-owner", "mode=", "mtime=", "sort=", "O to-stdout", "k keep-old-files", "skip-old-files", "keep-newer-files",
		"overwrite", "U unlink-first", "h dereference", "P absolute-names", "no-recursion", "recursion", "m touch", "wildcards", "no-wildcards", "anchored", "no-anchored",
		"one-file-system", "H format=", "remove-files", "warning=", "force-local", "ignore-failed-read", "no-overwrite-dir", "posix", "old-archive", "exclude-vcs", "full-time",
		"no-auto-compress", "b blocking-factor=", "delay-directory-restore", "no-xattrs", "no-acls", "no-selinux", "W verify", "transform="},
}

// archiver is one run of tar.
type archiver struct {
	p        *Process
	out      *output // names: standard output, or standard error if the archive goes to the output
	accounts *accounts
	zone     *time.Location

	op         byte // c x t r u
	file       string
	method     string // "gzip", "bzip2", "xz", "zstd", "" or "auto"
	verbose    int
	keepModes  bool
	keepOwners bool
	strip      int
	excludes   []string
	owner      *tarOwner
	group      *tarOwner
	numeric    bool
	mode       *modeChange
	mtime      time.Time
	toStdout   bool
	existing   byte // 'k' refuse, 's' skip, 'n' keep newer, 'o' overwrite in place, 0 replace
	follow     bool
	absolute   bool
	flat       bool
	touch      bool
	wildcards  bool
	oneDevice  bool
	remove     bool
	fullTime   bool
	format     tar.Format
	members    []tarMember
	matched    []bool
	dir        string // of extraction
	width      int    // of owner and size in listings
	said       map[string]bool
	status     int
	device     uint64
	links      map[[2]uint64]string
	archiveKey [2]uint64 // the archive itself, which is not put into itself
	newest     map[string]time.Time
	later      []func() // modes and times of directories, set when all is extracted
}

// tarMember is a name from the command line, with the directory of the last -C before it.
type tarMember struct{ dir, name string }

type tarOwner struct {
	name string
	id   int
}

func tarCommand(p *Process) int {
	a := &archiver{p: p, accounts: p.accounts(), zone: p.location(), width: 19, said: map[string]bool{}, links: map[[2]uint64]string{}, file: "-", format: tar.FormatGNU}
	cred := p.Files.Cred()
	a.keepModes, a.keepOwners = cred.UID == 0, cred.UID == 0
	opts, _, status, done := p.parseArgs(tarUsage, oldTarOptions(p.Args[1:]))
	if done {
		return status
	}
	a.out = p.output()
	if status, done := a.options(opts); done {
		return status
	}
	a.matched = make([]bool, len(a.members))
	switch a.op {
	case 0:
		p.Errorf("You must specify one of the '-Acdtrux', '--delete' or '--test-label' options")
		io.WriteString(p.Stderr, "Try 'tar --help' or 'tar --usage' for more information.\n")
		return 2
	case 'c':
		if len(a.members) == 0 {
			p.Errorf("Cowardly refusing to create an empty archive")
			io.WriteString(p.Stderr, "Try 'tar --help' or 'tar --usage' for more information.\n")
			return 2
		}
		a.create()
	case 'r', 'u':
		a.append()
	default:
		a.read()
	}
	if a.status == tarFatal {
		a.out.Flush()
		p.Errorf("Error is not recoverable: exiting now")
		return 2
	}
	if a.status != 0 {
		a.out.Flush()
		p.Errorf("Exiting with failure status due to previous errors")
	}
	return a.out.finishOr(a.status, 2)
}

// tarFatal is the status that ends tar at once.
const tarFatal = 99

// oldTarOptions turns "xzf FILE" into "-x -z -f FILE".
func oldTarOptions(args []string) []string {
	if len(args) == 0 || args[0] == "" || args[0][0] == '-' {
		return args
	}
	rest := args[1:]
	var options []string
	for _, letter := range args[0] {
		options = append(options, "-"+string(letter))
		if strings.ContainsRune("fCTXbH", letter) && len(rest) > 0 {
			options = append(options, rest[0])
			rest = rest[1:]
		}
	}
	return append(options, rest...)
}

func (a *archiver) fail(format string, args ...any) {
	a.out.Flush()
	a.p.Errorf(format, args...)
	if a.status != tarFatal {
		a.status = 2
	}
}

func (a *archiver) fatal(format string, args ...any) {
	a.fail(format, args...)
	a.status = tarFatal
}

func (a *archiver) options(opts []option) (status int, done bool) {
	p := a.p
	compress := func(m string) { a.method = m }
	dir := ""
	null := false
	for _, o := range opts {
		switch o.name {
		case "":
			a.members = append(a.members, tarMember{dir, o.value})
		case "null":
			null = true
		case "C":
			if dir == "" || strings.HasPrefix(o.value, "/") {
				dir = o.value
			} else {
				dir = joinName(dir, o.value)
			}
		case "T":
			names, err := a.namesFrom(o.value, null)
			if err != nil {
				a.fatal("%s: Cannot open: %s", o.value, strerror(err))
				p.Errorf("Error is not recoverable: exiting now")
				return 2, true
			}
			for _, name := range names {
				a.members = append(a.members, tarMember{dir, name})
			}
		case "X":
			names, err := a.namesFrom(o.value, false)
			if err != nil {
				a.fatal("%s: Cannot open: %s", o.value, strerror(err))
				p.Errorf("Error is not recoverable: exiting now")
				return 2, true
			}
			a.excludes = append(a.excludes, names...)
		case "z":
			compress("gzip")
		case "j":
			compress("bzip2")
		case "J":
			compress("xz")
		case "zstd":
			compress("zstd")
		case "a":
			compress("auto")
		case "c", "x", "t", "r", "u":
			if a.op != 0 && a.op != o.name[0] {
				p.Errorf("You may not specify more than one '-Acdtrux', '--delete' or  '--test-label' option")
				io.WriteString(p.Stderr, "Try 'tar --help' or 'tar --usage' for more information.\n")
				return 2, true
			}
			a.op = o.name[0]
		case "transform", "W":
			p.Errorf("option '%s' is not supported by this implementation", o.name)
			return 2, true
		default:
			if !a.set(o) {
				return 2, true
			}
		}
	}
	a.dir = dir
	if a.method == "auto" {
		a.method = ""
		if a.op == 'c' {
			a.method = methodOf(a.file)
		}
	}
	return 0, false
}

// set applies an option that does not depend on its place.
func (a *archiver) set(o option) bool {
	p := a.p
	switch o.name {
	case "f":
		a.file = o.value
	case "v":
		a.verbose++
	case "p":
		a.keepModes = true
	case "no-same-permissions":
		a.keepModes = false
	case "same-owner":
		a.keepOwners = true
	case "o":
		a.keepOwners = false
	case "strip-components":
		a.strip = atoiOr(o.value, -1)
		if a.strip < 0 {
			p.Errorf("%s: Invalid number of elements", quoteOld(o.value))
			return false
		}
	case "exclude":
		a.excludes = append(a.excludes, o.value)
	case "exclude-vcs":
		a.excludes = append(a.excludes, ".git", ".gitignore", ".gitmodules", ".gitattributes", "CVS", ".svn", ".hg", ".hgignore", ".hgtags", ".bzr", "_darcs", "RCS", "SCCS", ".arch-ids", ".bzrignore", ".bzrtags", ".cvsignore", "{arch}", "=RELEASE-ID", "=meta-update", "=update")
	case "owner", "group":
		name, number, has := strings.Cut(o.value, ":")
		lookup, target := a.accounts.uid, &a.owner
		if o.name == "group" {
			lookup, target = a.accounts.gid, &a.group
		}
		id, ok := lookup(name)
		if has {
			id, ok = uint32(atoiOr(number, 0)), atoiOr(number, -1) >= 0
		} else if strings.Trim(name, "0123456789") == "" {
			name = ""
		}
		if !ok {
			p.Errorf("%s: Invalid %s", quoteOld(o.value), o.name)
			return false
		}
		*target = &tarOwner{name, int(id)}
	case "numeric-owner":
		a.numeric = true
	case "mode":
		change, err := parseMode(o.value)
		if err != nil {
			p.Errorf("Invalid mode given on option")
			return false
		}
		a.mode = &change
	case "mtime":
		t, ok := parseDate(o.value, p.System.Now(), a.zone)
		if strings.HasPrefix(o.value, "/") || strings.HasPrefix(o.value, ".") {
			info, err := p.Files.Stat(o.value)
			if ok = err == nil; ok {
				t = info.ModTime()
			}
		}
		if !ok {
			p.Errorf("Invalid date: %s", quoteOld(o.value))
			return false
		}
		a.mtime = t
	case "sort":
		if o.value != "name" && o.value != "none" && o.value != "inode" {
			p.Errorf("invalid argument %s for %s", quoteOld(o.value), quoteOld("--sort"))
			return false
		}
	case "O":
		a.toStdout = true
	case "k", "skip-old-files", "keep-newer-files", "overwrite", "U":
		a.existing = map[string]byte{"k": 'k', "skip-old-files": 's', "keep-newer-files": 'n', "overwrite": 'o', "U": 0}[o.name]
	case "h":
		a.follow = true
	case "P":
		a.absolute = true
	case "no-recursion":
		a.flat = true
	case "recursion":
		a.flat = false
	case "m":
		a.touch = true
	case "wildcards":
		a.wildcards = true
	case "one-file-system":
		a.oneDevice = true
	case "remove-files":
		a.remove = true
	case "full-time":
		a.fullTime = true
	case "posix":
		a.format = tar.FormatPAX
	case "H":
		formats := map[string]tar.Format{"gnu": tar.FormatGNU, "oldgnu": tar.FormatGNU, "pax": tar.FormatPAX, "posix": tar.FormatPAX, "ustar": tar.FormatUSTAR}
		f, ok := formats[o.value]
		if !ok {
			p.Errorf("%s: Invalid archive format", quoteOld(o.value))
			return false
		}
		a.format = f
	}
	return true
}

// quoteOld is tar's quoting in the C locale.
func quoteOld(s string) string { return "‘" + s + "’" }

func (a *archiver) namesFrom(file string, null bool) ([]string, error) {
	in, err := a.p.openInput(file)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	data, err := io.ReadAll(in)
	if err != nil {
		return nil, err
	}
	separator := "\n"
	if null {
		separator = "\x00"
	}
	var names []string
	for _, name := range strings.Split(string(data), separator) {
		if name != "" {
			names = append(names, name)
		}
	}
	return names, nil
}

// excluded says whether a member is left out: a pattern matches the whole name or begins after any slash.
func (a *archiver) excluded(name string) bool {
	name = strings.TrimSuffix(name, "/")
	for _, pattern := range a.excludes {
		pattern = strings.TrimSuffix(pattern, "/")
		for at := 0; ; {
			if fnmatch(pattern, name[at:], fnmatchLeading) {
				return true
			}
			slash := strings.IndexByte(name[at:], '/')
			if slash < 0 {
				break
			}
			at += slash + 1
		}
	}
	return false
}

// place is where a name is, seen from a directory given with -C.
func place(dir, name string) string {
	if dir == "" || strings.HasPrefix(name, "/") {
		return name
	}
	return joinName(dir, name)
}

// open opens the archive.
func (a *archiver) open(flag int) (*rootfs.File, bool) {
	file, err := a.p.Files.OpenFile(a.file, flag, 0o666)
	if err != nil {
		a.fatal("%s: Cannot open: %s", a.file, strerror(err))
		return nil, false
	}
	if info, err := file.Stat(); err == nil && flag != os.O_RDONLY {
		a.archiveKey = inodeKey(info)
	}
	return file, true
}
