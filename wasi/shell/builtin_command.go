package shell

import (
	"errors"
	"sort"
	"strings"
	"syscall"
)

// hashedCommand is a program whose place is remembered.
type hashedCommand struct {
	path string
	hits int
}

// findProgram finds the program of a command: its path, or ENOENT, EACCES or EISDIR.
func (sh *shell) findProgram(name string) (string, error) {
	if strings.Contains(name, "/") {
		return name, sh.executable(name)
	}
	if name == "" {
		return "", syscall.ENOENT
	}
	if h, ok := sh.hashed[name]; ok {
		if check, _, _ := sh.shopt("checkhash"); !check || sh.executable(h.path) == nil {
			h.hits++
			sh.hashed[name] = h
			return h.path, nil
		}
		delete(sh.hashed, name)
	}
	path, err := sh.searchPath(name, sh.getOr("PATH", ""))
	if err == nil {
		sh.hashed[name] = hashedCommand{path, 1}
	}
	return path, err
}

// searchPath looks for a program in the directories of a PATH.
func (sh *shell) searchPath(name, path string) (string, error) {
	found := error(syscall.ENOENT)
	for dir := range strings.SplitSeq(path, ":") {
		candidate := "./" + name
		if dir != "" {
			candidate = strings.TrimSuffix(dir, "/") + "/" + name
		}
		err := sh.executable(candidate)
		if err == nil {
			return candidate, nil
		}
		if errors.Is(err, syscall.EACCES) {
			found = err
		}
	}
	return "", found
}

// executable says whether a path is a file that may be run.
func (sh *shell) executable(path string) error {
	info, err := sh.p.Files().Stat(path)
	switch {
	case err != nil:
		var e syscall.Errno
		if errors.As(err, &e) {
			return e
		}
		return err
	case info.IsDir():
		return syscall.EISDIR
	}
	if err := sh.p.Files().Access(path, 1); err != nil || info.Mode().Perm()&0o111 == 0 {
		return syscall.EACCES
	}
	return nil
}

func isKeyword(name string) bool {
	switch name {
	case "if", "then", "else", "elif", "fi", "case", "esac", "for", "while", "until", "do", "done", "in", "{", "}", "!":
		return true
	}
	return false
}

func (sh *shell) isKeyword(name string) bool {
	if sh.bash {
		switch name {
		case "[[", "]]", "select", "function", "time", "coproc":
			return true
		}
	}
	return isKeyword(name)
}

func (sh *shell) commandBuiltin(args []string) int {
	opts, rest, status := sh.optionsOf(args, "pvV", "")
	if status != 0 {
		return status
	}
	_, brief := opts['v']
	_, long := opts['V']
	if len(rest) == 0 {
		return 0
	}
	if brief || long {
		if sh.posix() {
			if !sh.describe("command", rest[0], long, false) {
				return 127
			}
			return 0
		}
		found := false
		for _, name := range rest {
			found = sh.describe("command", name, long, false) || found
		}
		return int(truth(!found))
	}
	name := rest[0]
	if f := sh.builtin(name); f != nil {
		return sh.quietly(f, rest)
	}
	if _, standard := opts['p']; standard {
		path, err := sh.searchPath(name, "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
		if err != nil {
			sh.notFound(name, err)
			return sh.status
		}
		sh.execute(path, rest, false)
		return sh.status
	}
	sh.external(rest, false)
	return sh.status
}

// quietly runs a builtin whose errors do not end the shell.
func (sh *shell) quietly(f builtinFunc, args []string) int {
	status := f(sh, args)
	sh.builtinError = false
	return status
}

func (sh *shell) builtinBuiltin(args []string) int {
	rest := skipDashes(args[1:])
	if len(rest) == 0 {
		return 0
	}
	f := builtinFor(rest[0])
	if f == nil || rest[0] == "[[" {
		sh.errorf("builtin: %s: not a shell builtin", rest[0])
		return 1
	}
	return f(sh, rest)
}

// describe prints what a name is, for type and command -v; false if it is nothing.
func (sh *shell) describe(command, name string, long, quiet bool) bool {
	say := func(brief, text string) bool {
		if long {
			sh.put(name + " is " + text + "\n")
		} else {
			sh.put(brief + "\n")
		}
		return true
	}
	if value, ok := sh.aliases[name]; ok && sh.usesAliases() {
		if sh.posix() {
			return say("alias "+name+"="+quotePOSIX(value), "an alias for "+value)
		}
		return say("alias "+name+"='"+value+"'", "aliased to `"+value+"'")
	}
	switch {
	case sh.isKeyword(name):
		return say(name, "a shell keyword")
	case sh.posix() && isSpecialBuiltin(name):
		return say(name, "a special shell builtin")
	case sh.funcs.byName[name] != nil:
		if sh.posix() {
			return say(name, "a shell function")
		}
		say(name, "a function")
		if long {
			sh.put(name + " () \n" + sh.funcs.byName[name].body() + "\n")
		}
		return true
	case sh.builtin(name) != nil:
		return say(name, "a shell builtin")
	}
	if h, ok := sh.hashed[name]; ok && sh.bash && long {
		return say(h.path, "hashed ("+h.path+")")
	}
	var path string
	var err error
	if strings.Contains(name, "/") {
		path, err = name, sh.executable(name)
	} else {
		path, err = sh.searchPath(name, sh.getOr("PATH", ""))
	}
	if err == nil {
		return say(path, path)
	}
	if long && !quiet {
		if sh.posix() {
			sh.put(name + ": not found\n")
		} else {
			sh.errorf("%s: %s: not found", command, name)
		}
	}
	return false
}

func (sh *shell) typeBuiltin(args []string) int {
	if sh.posix() {
		status := 0
		for _, name := range args[1:] {
			if !sh.describe("type", name, true, false) {
				status = 127
			}
		}
		return status
	}
	opts, names, status := sh.optionsOf(args, "afptP", "")
	if status != 0 {
		return status
	}
	_, all := opts['a']
	_, noFuncs := opts['f']
	_, onlyPath := opts['p']
	_, word := opts['t']
	_, forcePath := opts['P']
	for _, name := range names {
		if !sh.typeOf(name, all, noFuncs, onlyPath, word, forcePath) {
			status = 1
			if !word && !onlyPath && !forcePath {
				sh.errorf("type: %s: not found", name)
			}
		}
	}
	return status
}

// typeOf prints what a name is; all of it with all.
func (sh *shell) typeOf(name string, all, noFuncs, onlyPath, word, forcePath bool) bool {
	found := false
	say := func(kind, text string) bool {
		found = true
		switch {
		case word:
			sh.put(kind + "\n")
		case onlyPath:
		default:
			sh.put(text + "\n")
		}
		return !all
	}
	if !forcePath {
		if value, ok := sh.aliases[name]; ok && sh.usesAliases() && say("alias", name+" is aliased to `"+value+"'") {
			return true
		}
		if sh.isKeyword(name) && say("keyword", name+" is a shell keyword") {
			return true
		}
		if f := sh.funcs.byName[name]; f != nil && !noFuncs && say("function", name+" is a function\n"+name+" () \n"+f.body()) {
			return true
		}
		if sh.builtin(name) != nil && name != "[[" && say("builtin", name+" is a shell builtin") {
			return true
		}
	}
	for _, path := range sh.programs(name, all) {
		found = true
		switch {
		case word:
			sh.put("file\n")
		case onlyPath || forcePath:
			sh.put(path + "\n")
		default:
			if _, hashed := sh.hashed[name]; hashed && !all {
				sh.put(name + " is hashed (" + path + ")\n")
			} else {
				sh.put(name + " is " + path + "\n")
			}
		}
	}
	return found
}

// programs lists where a program is found in PATH.
func (sh *shell) programs(name string, all bool) []string {
	if strings.Contains(name, "/") {
		if sh.executable(name) == nil {
			return []string{name}
		}
		return nil
	}
	var paths []string
	for dir := range strings.SplitSeq(sh.getOr("PATH", ""), ":") {
		path := strings.TrimSuffix(dir, "/") + "/" + name
		if sh.executable(path) == nil {
			paths = append(paths, path)
			if !all {
				break
			}
		}
	}
	return paths
}

func (sh *shell) hash(args []string) int {
	flags, with := "lrdt", "p"
	if sh.posix() {
		flags, with = "rv", ""
	}
	opts, names, status := sh.optionsOf(args, flags, with)
	if status != 0 {
		return status
	}
	if _, forget := opts['r']; forget {
		clear(sh.hashed)
	}
	path, hasPath := opts['p']
	_, drop := opts['d']
	_, tell := opts['t']
	_, list := opts['l']
	if len(names) == 0 {
		if opts['r'] != "" {
			return 0
		}
		return sh.listHashed(list)
	}
	for _, name := range names {
		switch {
		case hasPath:
			sh.hashed[name] = hashedCommand{path, 0}
		case drop:
			if _, ok := sh.hashed[name]; !ok {
				sh.errorf("hash: %s: not found", name)
				status = 1
			}
			delete(sh.hashed, name)
		case tell:
			h, ok := sh.hashed[name]
			if !ok {
				sh.errorf("hash: %s: not found", name)
				status = 1
				continue
			}
			if len(names) > 1 {
				sh.put(name + "\t")
			}
			sh.put(h.path + "\n")
		case strings.Contains(name, "/") || sh.builtin(name) != nil || sh.funcs.byName[name] != nil:
		default:
			if _, err := sh.findProgram(name); err != nil {
				sh.errorf("hash: %s: not found", name)
				status = 1
				continue
			}
			sh.hashed[name] = hashedCommand{sh.hashed[name].path, 0}
		}
	}
	return status
}

func (sh *shell) listHashed(asCommands bool) int {
	if len(sh.hashed) == 0 {
		if sh.bash {
			sh.put("hash: hash table empty\n")
		}
		return 0
	}
	names := make([]string, 0, len(sh.hashed))
	for name := range sh.hashed {
		names = append(names, name)
	}
	sort.Strings(names)
	if sh.bash && !asCommands {
		sh.put("hits\tcommand\n")
	}
	for _, name := range names {
		h := sh.hashed[name]
		switch {
		case sh.posix():
			sh.put(h.path + "\n")
		case asCommands:
			sh.put("builtin hash -p " + h.path + " " + name + "\n")
		default:
			sh.putf("%4d\t%s\n", h.hits, h.path)
		}
	}
	return 0
}

// isTerminal says whether a descriptor is a terminal.
func (sh *shell) isTerminal(fd int) bool {
	f, err := sh.p.FDs().Get(fd)
	return err == nil && f.IsTerminal()
}

// keepExported forgets what a script that runs without an exec would not have: all but the exported variables.
func (sh *shell) keepExported() {
	t := sh.own()
	for name, v := range t.vars {
		if v.attrs&attrExport == 0 && !v.dynamic && name != "IFS" && name != "PATH" && name != "PS4" && name != "OPTIND" && name != "PPID" {
			delete(t.vars, name)
		}
	}
	clear(sh.aliases)
	sh.funcs.drop()
	sh.funcs = newFuncTable()
}
