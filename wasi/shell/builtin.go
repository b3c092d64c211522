package shell

import (
	"errors"
	"strings"
	"syscall"

	"github.com/sockerless/sockerless/wasi/kernel"
)

// A builtinFunc runs inside the shell. args[0] is its name; it returns the status. What it prints with put is written
// when it is done.
type builtinFunc func(sh *shell, args []string) int

// specialBuiltins are those whose errors end a POSIX shell, and before which assignments last.
const specialBuiltins = " : . break continue eval exec exit export readonly return set shift source times trap unset "

func isSpecialBuiltin(name string) bool {
	return strings.Contains(specialBuiltins, " "+name+" ") && !strings.Contains(name, " ")
}

// bashBuiltins and posixBuiltins are the names that each dialect has.
const (
	posixBuiltins = " : . [ alias bg break cd chdir command continue echo eval exec exit export false fg getopts hash jobs kill let " +
		"local printf pwd read readonly return set shift source test times trap true type ulimit umask unalias unset wait [[ "
	bashBuiltins = " : . [ alias bg break cd command continue echo eval exec exit export false fg getopts hash jobs kill let " +
		"local printf pwd read readonly return set shift source test times trap true type ulimit umask unalias unset wait [[ " +
		"builtin caller compgen complete compopt declare dirs disown enable help history logout mapfile popd " +
		"pushd readarray shopt suspend typeset bind fc "
)

// builtin finds a builtin of the dialect that is not disabled; nil if there is none.
func (sh *shell) builtin(name string) builtinFunc {
	if sh.disabled[name] {
		return nil
	}
	f := builtinFor(name)
	if (name == "[[" || name == "chdir") && sh.bash {
		return nil
	}
	if f != nil && sh.posix() && !strings.Contains(posixBuiltins, " "+name+" ") {
		return nil
	}
	return f
}

func builtinFor(name string) builtinFunc {
	switch name {
	case ":", "true":
		return func(*shell, []string) int { return 0 }
	case "false":
		return func(*shell, []string) int { return 1 }
	case "echo":
		return (*shell).echo
	case "printf":
		return (*shell).printf
	case "test", "[":
		return (*shell).test
	case "[[":
		return (*shell).doubleBracket
	case "cd", "chdir":
		return (*shell).cd
	case "pwd":
		return (*shell).pwd
	case "dirs":
		return (*shell).dirsBuiltin
	case "pushd":
		return (*shell).pushd
	case "popd":
		return (*shell).popd
	case "exit", "logout":
		return (*shell).exit
	case "return":
		return (*shell).returnBuiltin
	case "break", "continue":
		return (*shell).leaveLoop
	case "shift":
		return (*shell).shift
	case "set":
		return (*shell).set
	case "shopt":
		return (*shell).shoptBuiltin
	case "unset":
		return (*shell).unsetBuiltin
	case "export", "readonly", "declare", "typeset", "local":
		return (*shell).declareBuiltin
	case "eval":
		return (*shell).eval
	case ".", "source":
		return (*shell).dot
	case "exec":
		return (*shell).exec
	case "command":
		return (*shell).commandBuiltin
	case "builtin":
		return (*shell).builtinBuiltin
	case "type":
		return (*shell).typeBuiltin
	case "hash":
		return (*shell).hash
	case "alias":
		return (*shell).alias
	case "unalias":
		return (*shell).unalias
	case "enable":
		return (*shell).enable
	case "let":
		return (*shell).let
	case "read":
		return (*shell).read
	case "mapfile", "readarray":
		return (*shell).mapfile
	case "getopts":
		return (*shell).getopts
	case "trap":
		return (*shell).trapBuiltin
	case "kill":
		return (*shell).kill
	case "wait":
		return (*shell).wait
	case "jobs":
		return (*shell).jobsBuiltin
	case "fg":
		return (*shell).fg
	case "bg":
		return (*shell).bg
	case "disown":
		return (*shell).disown
	case "suspend":
		return (*shell).suspend
	case "umask":
		return (*shell).umask
	case "ulimit":
		return (*shell).ulimit
	case "times":
		return (*shell).times
	case "caller":
		return (*shell).caller
	case "history":
		return (*shell).historyBuiltin
	case "fc":
		return (*shell).fc
	case "compgen":
		return (*shell).compgen
	case "complete":
		return (*shell).completeBuiltin
	case "compopt":
		return (*shell).compopt
	case "bind":
		return (*shell).bind
	case "help":
		return (*shell).help
	}
	return nil
}

// runBuiltin runs a builtin, writes its output, and leaves its status.
func (sh *shell) runBuiltin(f builtinFunc, args []string) {
	status := f(sh, args)
	if err := sh.flush(); err != nil {
		if errors.Is(err, kernel.ErrKilled) {
			panic(abandoned{exit: true})
		}
		if !errors.Is(err, syscall.EPIPE) {
			sh.errorf("%s: write error: %s", args[0], errorText(err))
		} else if sh.p.Action(kernel.SIGPIPE) == kernel.Ignore {
			sh.errorf("%s: write error: Broken pipe", args[0])
		}
		status = 1
	}
	sh.status = status
	if status > 1 && sh.posix() && isSpecialBuiltin(args[0]) && sh.unwind == running && sh.builtinError {
		sh.builtinError = false
		sh.abandon(status, true)
	}
	sh.builtinError = false
}

// misuse prints a message of a builtin; the error ends a POSIX shell if the builtin is a special one.
func (sh *shell) misuse(status int, format string, args ...any) int {
	sh.errorf(format, args...)
	sh.builtinError = true
	if sh.posix() {
		return 2
	}
	return status
}

// badOption is an option that a builtin does not have.
func (sh *shell) badOption(command, option string) int {
	if sh.posix() {
		return sh.misuse(2, "%s: Illegal option %s", command, option)
	}
	sh.errorf("%s: %s: invalid option", command, option)
	sh.writeError(usageOf(command))
	return 2
}

// optionsOf takes the single-letter options off the arguments of a builtin. with lists those that take a value.
func (sh *shell) optionsOf(args []string, flags, with string) (opts map[byte]string, rest []string, status int) {
	opts = make(map[byte]string)
	command := args[0]
	args = args[1:]
	for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' {
		a := args[0]
		args = args[1:]
		if a == "--" {
			break
		}
		for i := 1; i < len(a); i++ {
			c := a[i]
			switch {
			case strings.IndexByte(with, c) >= 0:
				value := a[i+1:]
				if value == "" {
					if len(args) == 0 {
						if sh.posix() {
							return nil, nil, sh.misuse(2, "%s: No arg for -%c option", command, c)
						}
						sh.errorf("%s: -%c: option requires an argument", command, c)
						sh.writeError(usageOf(command))
						return nil, nil, 2
					}
					value, args = args[0], args[1:]
				}
				opts[c] = value
				i = len(a)
			case strings.IndexByte(flags, c) >= 0:
				opts[c] = "1"
			default:
				return nil, nil, sh.badOption(command, "-"+string(c))
			}
		}
	}
	return opts, args, 0
}

// usageOf is the usage line of a builtin of bash.
func usageOf(command string) string {
	usages := map[string]string{
		"read":    "[-ers] [-a array] [-d delim] [-i text] [-n nchars] [-N nchars] [-p prompt] [-t timeout] [-u fd] [name ...]",
		"unset":   "[-f] [-v] [-n] [name ...]",
		"export":  "[-fn] [name[=value] ...] or export -p",
		"cd":      "[-L|[-P [-e]] [-@]] [dir]",
		"pwd":     "[-LP]",
		"declare": "[-aAfFgiIlnrtux] [name[=value] ...] or declare -p [-aAfFilnrtux] [name ...]",
		"local":   "[option] name[=value] ...",
		"type":    "[-afptP] name [name ...]",
		"wait":    "[-fn] [-p var] [id ...]",
		"shopt":   "[-pqsu] [-o] [optname ...]",
		"trap":    "[-lp] [[arg] signal_spec ...]",
		"printf":  "[-v var] format [arguments]",
		"hash":    "[-lr] [-p pathname] [-dt] [name ...]",
		"command": "[-pVv] command [arg ...]",
		"getopts": "optstring name [arg ...]",
		"source":  "filename [arguments]", ".": "filename [arguments]",
		"kill":     "[-s sigspec | -n signum | -sigspec] pid | jobspec ... or kill -l [sigspec]",
		"set":      "[-abefhkmnptuvxBCEHPT] [-o option-name] [--] [-] [arg ...]",
		"readonly": "[-aAf] [name[=value] ...] or readonly -p",
		"umask":    "[-p] [-S] [mode]",
		"mapfile":  "[-d delim] [-n count] [-O origin] [-s count] [-t] [-u fd] [-C callback] [-c quantum] [array]",
		"unalias":  "[-a] name [name ...]",
		"jobs":     "[-lnprs] [jobspec ...] or jobs -x command [args]",
		"eval":     "[arg ...]",
		"history":  "[-c] [-d offset] [n] or history -anrw [filename] or history -ps arg [arg...]",
		"fc":       "[-e ename] [-lnr] [first] [last] or fc -s [pat=rep] [command]",
		"complete": "[-abcdefgjksuv] [-pr] [-DEI] [-o option] [-A action] [-G globpat] [-W wordlist] [-F function] [-C command] [-X filterpat] [-P prefix] [-S suffix] [name ...]",
		"compgen":  "[-abcdefgjksuv] [-o option] [-A action] [-G globpat] [-W wordlist] [-F function] [-C command] [-X filterpat] [-P prefix] [-S suffix] [word]",
		"compopt":  "[-o|+o option] [-DEI] [name ...]",
		"bind":     "[-lpsvPSVX] [-m keymap] [-f filename] [-q name] [-u name] [-r keyseq] [-x keyseq:shell-command] [keyseq:readline-function or readline-command]",
		"exec":     "[-cl] [-a name] [command [argument ...]] [redirection ...]",
	}
	usage, ok := usages[command]
	if !ok {
		return ""
	}
	return command + ": usage: " + command + " " + usage + "\n"
}
