package shell

import (
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/sockerless/sockerless/wasi/kernel"
)

// bashVersion is the version of bash whose behaviour the tests hold this shell to.
const bashVersion = "5.2.15(1)-release"

// Main is the program sh, ash, dash or bash: the name in Args()[0] says the dialect. It returns the exit status.
func Main(p *kernel.Process) int {
	sh := newShell(p)
	defer func() { sh.vars.drop(); sh.funcs.drop() }()
	status := sh.protect(func() { sh.status = sh.main(p.Args()) })
	return sh.finish(status)
}

func newShell(p *kernel.Process) *shell {
	sh := &shell{
		p: p, vars: newVarTable(), funcs: newFuncTable(), started: time.Now(), pid: p.PID(),
		aliases: make(map[string]string), hashed: make(map[string]hashedCommand), substDone: -1, trapStatus: -1,
	}
	args := p.Args()
	sh.name = "sh"
	sh.lastArg = p.Path()
	if len(args) > 0 {
		sh.name = args[0]
	}
	base := sh.name[strings.LastIndexByte(sh.name, '/')+1:]
	if strings.HasPrefix(base, "-") {
		sh.login = true
		base = base[1:]
	}
	sh.bash = base == "bash" || base == "rbash"
	sh.opts.interactiveComments = true
	sh.shopts = shopts{sourcepath: true, patsubReplacement: sh.bash, globskipdots: true}
	if sh.bash {
		sh.opts.braceexpand, sh.opts.hashall = true, true
	}
	sh.random = uint32(time.Now().UnixNano()) ^ uint32(p.PID())<<16
	sh.importEnvironment(p.Env())
	return sh
}

// importEnvironment makes variables of the environment, and those that a shell always has.
func (sh *shell) importEnvironment(env []string) {
	for _, entry := range env {
		name, value, ok := strings.Cut(entry, "=")
		if !ok {
			continue
		}
		if f, isFunc := strings.CutPrefix(name, "BASH_FUNC_"); isFunc && sh.bash && strings.HasSuffix(f, "%%") {
			sh.importFunction(strings.TrimSuffix(f, "%%"), value)
			continue
		}
		if !validName(name) {
			sh.strayEnv = append(sh.strayEnv, entry)
			continue
		}
		if sh.bash && (name == "SHELLOPTS" || name == "BASHOPTS") {
			sh.inheritOptions(name, value)
			continue
		}
		if name == "IFS" {
			continue
		}
		v := sh.writable(name)
		v.str, v.set = value, true
		v.attrs |= attrExport
	}
	set := func(name, value string) {
		v := sh.writable(name)
		v.str, v.set = value, true
	}
	set("IFS", " \t\n")
	set("OPTIND", "1")
	set("PS4", "+ ")
	set("PPID", strconv.Itoa(sh.p.PPID()))
	if _, ok := sh.get("PATH"); !ok {
		set("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
	}
	cwd := sh.p.Files().Getwd()
	if pwd, ok := sh.get("PWD"); !ok || !sh.sameDirectory(pwd, cwd) {
		set("PWD", cwd)
	}
	sh.export("PWD")
	if sh.bash {
		sh.bashVariables(set)
	} else {
		if _, ok := sh.get("PS1"); !ok {
			ps1 := "$ "
			if sh.p.Files().Cred().UID == 0 {
				ps1 = "# "
			}
			set("PS1", ps1)
			set("PS2", "> ")
		}
		sh.dynamicVariables("LINENO")
	}
	sh.loadIFS()
	sh.loadLocale()
}

// inheritOptions turns the options on that the environment names, which stay exported.
func (sh *shell) inheritOptions(variable, names string) {
	for name := range strings.SplitSeq(names, ":") {
		if variable == "SHELLOPTS" {
			if value := sh.findOption(name, 0); value != nil {
				*value = true
			}
		} else if _, set, ok := sh.shopt(name); ok {
			set(true)
		}
	}
	sh.export(variable)
}

// sameDirectory says whether an inherited PWD is an absolute path of the working directory.
func (sh *shell) sameDirectory(pwd, cwd string) bool {
	if !strings.HasPrefix(pwd, "/") {
		return false
	}
	real, err := sh.p.Files().Resolve(pwd)
	return err == nil && real == cwd
}

func (sh *shell) bashVariables(set func(name, value string)) {
	level := 1
	if n, ok := plainInteger(sh.getOr("SHLVL", "0")); ok && n >= 0 && n < 999 {
		level = int(n) + 1
	}
	ifUnset := func(name, value string) {
		if _, ok := sh.get(name); !ok {
			set(name, value)
		}
	}
	set("SHLVL", strconv.Itoa(level))
	sh.export("SHLVL")
	set("BASH", "/bin/bash")
	set("BASH_VERSION", bashVersion)
	ifUnset("TERM", "dumb")
	ifUnset("COMP_WORDBREAKS", " \t\n\"'><=;|&(:")
	ifUnset("HOSTNAME", sh.p.Table().Hostname())
	ifUnset("HOSTTYPE", "x86_64")
	ifUnset("OSTYPE", "linux-gnu")
	ifUnset("MACHTYPE", "x86_64-pc-linux-gnu")
	set("OPTERR", "1")
	cred := sh.p.Files().Cred()
	if _, ok := sh.get("SHELL"); !ok {
		set("SHELL", sh.loginShell(int(cred.UID)))
	}
	set("UID", strconv.Itoa(int(cred.UID)))
	set("EUID", strconv.Itoa(int(cred.UID)))
	for _, name := range []string{"UID", "EUID", "PPID"} {
		sh.writable(name).attrs |= attrReadonly | attrInteger
	}
	sh.setList("BASH_VERSINFO", []string{"5", "2", "15", "1", "release", "x86_64-pc-linux-gnu"})
	sh.writable("BASH_VERSINFO").attrs |= attrReadonly
	sh.dynamicVariables("RANDOM", "SRANDOM", "SECONDS", "LINENO", "BASHPID", "EPOCHSECONDS", "EPOCHREALTIME", "BASH_COMMAND", "BASH_SUBSHELL",
		"SHELLOPTS", "BASHOPTS", "FUNCNAME", "BASH_SOURCE", "BASH_LINENO", "PIPESTATUS", "GROUPS", "DIRSTACK", "BASH_REMATCH", "HISTCMD", "BASH_ARGV0")
	sh.setUnset("OLDPWD")
}

// setUnset exports a variable that has no value yet.
func (sh *shell) setUnset(name string) {
	sh.writable(name).attrs |= attrExport
}

// start is what the arguments ask for.
type start struct {
	command                      string
	hasCommand, stdin, noProfile bool
	noRC                         bool
	rcFile                       string
	interactive                  bool
}

// main does what the arguments say.
func (sh *shell) main(args []string) int {
	st, rest, ok := sh.arguments(args)
	if !ok {
		return 2
	}
	if sh.exitEarly {
		return 0
	}
	sh.interactive = st.interactive
	switch {
	case st.hasCommand:
		if len(rest) > 0 {
			sh.name, sh.params = rest[0], rest[1:]
		}
	case len(rest) > 0 && !st.stdin:
		sh.name, sh.params = rest[0], rest[1:]
	default:
		sh.params = rest
		sh.fromStdin = true
		if sh.isTerminal(0) && sh.isTerminal(2) {
			sh.interactive = true
		}
	}
	if sh.interactive {
		sh.startInteractive()
	}
	sh.startupFiles(st)
	if sh.unwind == unwindExit {
		return sh.status
	}
	if sh.opts.history && !st.hasCommand {
		sh.loadHistory()
	}
	switch {
	case st.hasCommand:
		sh.oneCommand = true
		if sh.bash {
			sh.assign("BASH_EXECUTION_STRING", st.command)
		}
		sh.run(stringSource("-c", st.command))
	case len(rest) > 0 && !st.stdin:
		return sh.scriptFile(rest[0])
	case sh.interactive:
		sh.converse()
	default:
		sh.run(sh.descriptorSource(0))
	}
	return sh.status
}

// arguments reads the options; not ok, with a message printed, for a wrong one.
func (sh *shell) arguments(args []string) (st start, rest []string, ok bool) {
	if len(args) > 0 {
		args = args[1:]
	}
	for len(args) > 0 {
		a := args[0]
		if len(a) < 2 || a[0] != '-' && a[0] != '+' {
			if a == "-" {
				args = args[1:]
			}
			break
		}
		args = args[1:]
		if a == "--" {
			break
		}
		if strings.HasPrefix(a, "--") && sh.bash {
			if args, ok = sh.longArgument(a[2:], args, &st); !ok {
				return st, nil, false
			}
			continue
		}
		on := a[0] == '-'
		for i := 1; i < len(a); i++ {
			switch c := a[i]; c {
			case 'c':
				st.hasCommand = true
			case 's':
				st.stdin = true
			case 'i':
				st.interactive = true
			case 'l':
				sh.login = true
			case 'r', 'D':
			case 'o', 'O':
				if len(args) == 0 {
					sh.writeError(sh.name + ": -" + string(c) + ": option requires an argument\n")
					return st, nil, false
				}
				if !sh.nameOption(c, args[0], on) {
					return st, nil, false
				}
				args = args[1:]
			default:
				value := sh.findOption("", c)
				if value == nil {
					sh.illegalOption(a[:1] + string(c))
					return st, nil, false
				}
				*value = on
			}
		}
	}
	if st.hasCommand {
		if len(args) == 0 {
			if sh.bash {
				sh.writeError(sh.name + ": -c: option requires an argument\n")
			} else {
				sh.writeError(sh.name + ": 0: -c requires an argument\n")
			}
			return st, nil, false
		}
		st.command, args = args[0], args[1:]
	}
	return st, args, true
}

func (sh *shell) illegalOption(opt string) {
	if sh.bash {
		sh.writeError(sh.name + ": " + opt + ": invalid option\n")
	} else {
		sh.writeError(sh.name + ": 0: Illegal option " + opt + "\n")
	}
}

func (sh *shell) nameOption(kind byte, name string, on bool) bool {
	if kind == 'O' {
		if _, set, ok := sh.shopt(name); ok && sh.bash {
			set(on)
			return true
		}
		sh.writeError(sh.name + ": " + name + ": invalid shell option name\n")
		return false
	}
	if value := sh.findOption(name, 0); value != nil {
		*value = on
		sh.optionChanged(name, on)
		return true
	}
	if sh.bash {
		sh.writeError(sh.name + ": " + name + ": invalid option name\n")
	} else {
		sh.writeError(sh.name + ": 0: Illegal option -o " + name + "\n")
	}
	return false
}

func (sh *shell) longArgument(name string, args []string, st *start) ([]string, bool) {
	switch name {
	case "norc":
		st.noRC = true
	case "noprofile":
		st.noProfile = true
	case "login":
		sh.login = true
	case "posix":
		sh.opts.posix = true
	case "verbose":
		sh.opts.verbose = true
	case "noediting", "restricted", "debugger":
	case "rcfile", "init-file":
		if len(args) == 0 {
			sh.writeError(sh.name + ": --" + name + ": option requires an argument\n")
			return nil, false
		}
		st.rcFile = args[0]
		args = args[1:]
	case "help":
		sh.put("GNU bash, version " + bashVersion + "-(x86_64-pc-linux-gnu)\nUsage:\tbash [GNU long option] [option] ...\n\tbash [GNU long option] [option] script-file ...\n")
		sh.exitEarly = true
	case "version":
		sh.put("GNU bash, version " + bashVersion + " (x86_64-pc-linux-gnu), as spoken by Sockerless\n")
		sh.exitEarly = true
	default:
		sh.writeError(sh.name + ": --" + name + ": invalid option\n")
		return nil, false
	}
	return args, true
}

// startupFiles runs the profile of a login shell, the rc file of an interactive one, BASH_ENV or ENV.
func (sh *shell) startupFiles(st start) {
	home := sh.getOr("HOME", "/")
	if sh.login && !st.noProfile {
		sh.sourceIfThere("/etc/profile")
		for _, name := range []string{".bash_profile", ".bash_login", ".profile"} {
			if (sh.bash || name == ".profile") && sh.sourceIfThere(home+"/"+name) {
				break
			}
		}
	}
	switch {
	case sh.bash && sh.interactive && !sh.login && !st.noRC:
		sh.sourceIfThere("/etc/bash.bashrc")
		if st.rcFile == "" {
			st.rcFile = home + "/.bashrc"
		}
		sh.sourceIfThere(st.rcFile)
	case sh.bash && !sh.interactive:
		if file := sh.getOr("BASH_ENV", ""); file != "" {
			sh.sourceIfThere(file)
		}
	case sh.posix() && sh.interactive:
		if file := sh.getOr("ENV", ""); file != "" {
			sh.sourceIfThere(file)
		}
	}
}

// sourceIfThere runs a file in this shell if it exists.
func (sh *shell) sourceIfThere(path string) bool {
	if sh.unwind != running {
		return true
	}
	if info, err := sh.p.Files().Stat(path); err != nil || !info.Mode().IsRegular() {
		return false
	}
	sh.sourceFile(path, nil)
	return true
}

// scriptFile runs a script and returns the shell's status.
func (sh *shell) scriptFile(path string) int {
	found := path
	if !strings.Contains(path, "/") {
		if _, err := sh.p.Files().Stat(path); err != nil && sh.bash {
			if inPath, err := sh.findProgram(path); err == nil {
				found = inPath
			}
		}
	}
	info, err := sh.p.Files().Stat(found)
	if err == nil && info.IsDir() {
		sh.writeError(sh.name + ": " + path + ": Is a directory\n")
		return 126
	}
	var f *kernel.File
	if err == nil {
		f, err = sh.p.OpenFile(found, os.O_RDONLY, 0)
	}
	if err != nil {
		status := 127
		if !isNotExist(err) {
			status = 126
		}
		shell := sh.p.Args()[0]
		if sh.bash {
			sh.writeError(shell + ": " + path + ": " + errorText(err) + "\n")
		} else {
			sh.writeError(shell + ": 0: cannot open " + path + ": No such file\n")
			if status == 127 {
				status = 2
			}
		}
		return status
	}
	fd, err := sh.highScript(f)
	_ = f.Close()
	if err != nil {
		sh.errorf("%s: %s", path, errorText(err))
		return 126
	}
	sh.file = path
	src := sh.descriptorSource(fd)
	if first, err := src.next(); err == nil {
		if strings.IndexByte(first, 0) >= 0 {
			sh.errorf("%s: cannot execute binary file", path)
			return 126
		}
		src.rest = src.encoded(first)
		src.newline = strings.HasSuffix(first, "\n")
	}
	sh.run(src)
	return sh.status
}

// highScript keeps the script that is read at descriptor 255, where programs do not see it.
func (sh *shell) highScript(f *kernel.File) (int, error) {
	const fd = 255
	if err := sh.p.FDs().Set(fd, f); err != nil {
		return 0, err
	}
	return fd, sh.p.FDs().CloseOnExec(fd, true)
}

func isNotExist(err error) bool { return os.IsNotExist(err) || errorIs(err, fs.ErrNotExist) }
