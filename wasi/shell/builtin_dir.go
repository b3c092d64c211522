package shell

import (
	"path"
	"strconv"
	"strings"
)

// workDir is the directory as the user sees it: PWD, symbolic links not followed.
func (sh *shell) workDir() string {
	cwd := sh.p.Files().Getwd()
	if sh.logical != "" && sh.sameDirectory(sh.logical, cwd) {
		return sh.logical
	}
	if pwd, ok := sh.get("PWD"); ok && sh.sameDirectory(pwd, cwd) {
		return pwd
	}
	return cwd
}

func (sh *shell) cd(args []string) int {
	opts, rest, status := sh.optionsOf(args, "LPe@", "")
	if status != 0 {
		return status
	}
	physical := sh.opts.physical
	if _, ok := opts['P']; ok {
		physical = true
	}
	if _, ok := opts['L']; ok && opts['P'] == "" {
		physical = false
	}
	if len(rest) > 1 && sh.bash {
		sh.errorf("cd: too many arguments")
		return 1
	}
	show := false
	var dir string
	switch {
	case len(rest) == 0:
		home, ok := sh.get("HOME")
		if !ok {
			if sh.posix() {
				return 0
			}
			sh.errorf("cd: HOME not set")
			return 1
		}
		dir = home
		if dir == "" {
			return 0
		}
	case rest[0] == "-":
		old, ok := sh.get("OLDPWD")
		if !ok {
			if sh.posix() {
				old = sh.workDir()
			} else {
				sh.errorf("cd: OLDPWD not set")
				return 1
			}
		}
		dir, show = old, true
	default:
		dir = rest[0]
	}
	if dir == "" && physical && sh.bash {
		sh.errorf("cd: %s: No such file or directory", dir)
		return 1
	}
	target := dir
	if cdpath := sh.getOr("CDPATH", ""); cdpath != "" && dir != "" && dir[0] != '/' && dir != "." && dir != ".." &&
		!strings.HasPrefix(dir, "./") && !strings.HasPrefix(dir, "../") {
		for prefix := range strings.SplitSeq(cdpath, ":") {
			candidate := dir
			if prefix != "" {
				candidate = strings.TrimSuffix(prefix, "/") + "/" + dir
			}
			if info, err := sh.p.Files().Stat(sh.absolute(candidate, physical)); err == nil && info.IsDir() {
				target, show = candidate, show || prefix != "" && prefix != "."
				break
			}
		}
	}
	if err := sh.changeDir(target, physical); err != nil {
		if sh.posix() {
			return sh.cdFailed(dir)
		}
		sh.errorf("cd: %s: %s", dir, errorText(err))
		return 1
	}
	if show {
		sh.put(sh.getOr("PWD", "") + "\n")
	}
	return 0
}

func (sh *shell) cdFailed(dir string) int {
	sh.errorf("cd: can't cd to %s", dir)
	return 2
}

// absolute makes an absolute path of a directory, `..` removed by name when links are not followed.
func (sh *shell) absolute(dir string, physical bool) string {
	if !strings.HasPrefix(dir, "/") {
		dir = strings.TrimSuffix(sh.workDir(), "/") + "/" + dir
	}
	if physical {
		return dir
	}
	return path.Clean(dir)
}

// changeDir changes the directory, PWD and OLDPWD.
func (sh *shell) changeDir(dir string, physical bool) error {
	old := sh.workDir()
	target := sh.absolute(dir, physical)
	files := sh.p.Files()
	// What `..` goes out of must exist, though its name is only cut off.
	if !physical && strings.Contains(dir, "..") && sh.bash {
		if _, err := files.Stat(dir); err != nil {
			if _, err := files.Stat(target); err != nil {
				return err
			}
			return err
		}
	}
	if err := files.Chdir(target); err != nil {
		return err
	}
	if physical {
		target = files.Getwd()
	}
	sh.logical = target
	sh.assign("OLDPWD", old)
	sh.assign("PWD", target)
	sh.export("OLDPWD")
	return nil
}

func (sh *shell) pwd(args []string) int {
	opts, _, status := sh.optionsOf(args, "LP", "")
	if status != 0 {
		return status
	}
	if _, physical := opts['P']; physical || sh.opts.physical {
		sh.put(sh.p.Files().Getwd() + "\n")
		return 0
	}
	sh.put(sh.workDir() + "\n")
	return 0
}

// homeShort writes the home directory as a tilde.
func (sh *shell) homeShort(dir string) string {
	home := sh.getOr("HOME", "")
	if home != "" && home != "/" && (dir == home || strings.HasPrefix(dir, home+"/")) {
		return "~" + dir[len(home):]
	}
	return dir
}

// dirEntry is ~n and ~-n: an entry of the directory stack.
func (sh *shell) dirEntry(n int, fromEnd bool) (string, bool) {
	stack := append([]string{sh.workDir()}, sh.dirs...)
	if fromEnd {
		n = len(stack) - 1 + n
	}
	if n < 0 || n >= len(stack) {
		return "", false
	}
	return stack[n], true
}

// stackIndex reads +n or -n as a position in the directory stack.
func (sh *shell) stackIndex(text string) (int, bool) {
	if len(text) < 2 || text[0] != '+' && text[0] != '-' {
		return 0, false
	}
	n, err := strconv.Atoi(text[1:])
	if err != nil {
		return 0, false
	}
	if text[0] == '-' {
		n = len(sh.dirs) - n
	}
	return n, true
}

func (sh *shell) printDirs(long, lines, numbers bool) {
	stack := append([]string{sh.workDir()}, sh.dirs...)
	for i, dir := range stack {
		if !long {
			dir = sh.homeShort(dir)
		}
		switch {
		case numbers:
			sh.putf("%2d  %s\n", i, dir)
		case lines:
			sh.put(dir + "\n")
		case i > 0:
			sh.put(" " + dir)
		default:
			sh.put(dir)
		}
	}
	if !lines && !numbers {
		sh.put("\n")
	}
}

func (sh *shell) dirsBuiltin(args []string) int {
	var long, lines, numbers bool
	for _, a := range args[1:] {
		if n, ok := sh.stackIndex(a); ok {
			stack := append([]string{sh.workDir()}, sh.dirs...)
			if n < 0 || n >= len(stack) {
				sh.errorf("dirs: %s: directory stack index out of range", strings.TrimLeft(a, "+-"))
				return 1
			}
			sh.put(sh.homeShort(stack[n]) + "\n")
			return 0
		}
		switch a {
		case "-c":
			sh.dirs = nil
			return 0
		case "-l":
			long = true
		case "-p":
			lines = true
		case "-v":
			numbers = true
		default:
			sh.errorf("dirs: %s: invalid option", a)
			return 2
		}
	}
	sh.printDirs(long, lines, numbers)
	return 0
}

func (sh *shell) pushd(args []string) int {
	rest := skipDashes(args[1:])
	old := sh.workDir()
	stay := len(rest) > 0 && rest[0] == "-n"
	if stay {
		rest = rest[1:]
	}
	if len(rest) > 1 {
		sh.errorf("pushd: too many arguments")
		return 1
	}
	if len(rest) > 0 && len(rest[0]) > 1 && rest[0][0] == '-' && args[1] != "--" {
		if _, ok := sh.stackIndex(rest[0]); !ok {
			sh.errorf("pushd: %s: invalid number", rest[0])
			sh.writeError("pushd: usage: pushd [-n] [+N | -N | dir]\n")
			return 2
		}
	}
	switch {
	case len(rest) == 0:
		if len(sh.dirs) == 0 {
			sh.errorf("pushd: no other directory")
			return 1
		}
		if err := sh.changeDir(sh.dirs[0], false); err != nil {
			sh.errorf("pushd: %s: %s", sh.dirs[0], errorText(err))
			return 1
		}
		sh.dirs = append([]string{old}, sh.dirs[1:]...)
	default:
		if n, ok := sh.stackIndex(rest[0]); ok {
			stack := append([]string{old}, sh.dirs...)
			if n < 0 || n >= len(stack) {
				sh.errorf("pushd: %s: directory stack index out of range", rest[0])
				return 1
			}
			turned := append(append([]string(nil), stack[n:]...), stack[:n]...)
			if err := sh.changeDir(turned[0], false); err != nil {
				sh.errorf("pushd: %s: %s", turned[0], errorText(err))
				return 1
			}
			sh.dirs = turned[1:]
			break
		}
		if stay {
			sh.dirs = append([]string{rest[0]}, sh.dirs...)
			break
		}
		if err := sh.changeDir(rest[0], false); err != nil {
			sh.errorf("pushd: %s: %s", rest[0], errorText(err))
			return 1
		}
		sh.dirs = append([]string{old}, sh.dirs...)
	}
	sh.printDirs(false, false, false)
	return 0
}

func (sh *shell) popd(args []string) int {
	rest := skipDashes(args[1:])
	if len(rest) > 0 {
		if _, ok := sh.stackIndex(rest[0]); !ok {
			what := "argument"
			if strings.HasPrefix(rest[0], "-") {
				what = "number"
			}
			sh.errorf("popd: %s: invalid %s", rest[0], what)
			sh.writeError("popd: usage: popd [-n] [+N | -N]\n")
			return 2
		}
	}
	if len(sh.dirs) == 0 {
		sh.errorf("popd: directory stack empty")
		return 1
	}
	if len(rest) > 0 {
		n, ok := sh.stackIndex(rest[0])
		if !ok || n < 0 || n > len(sh.dirs) {
			sh.errorf("popd: %s: directory stack index out of range", rest[0])
			return 1
		}
		if n > 0 {
			sh.dirs = append(append([]string(nil), sh.dirs[:n-1]...), sh.dirs[n:]...)
			sh.printDirs(false, false, false)
			return 0
		}
	}
	if err := sh.changeDir(sh.dirs[0], false); err != nil {
		sh.errorf("popd: %s: %s", sh.dirs[0], errorText(err))
		return 1
	}
	sh.dirs = sh.dirs[1:]
	sh.printDirs(false, false, false)
	return 0
}
