package shell

import (
	"fmt"
	"io/fs"
	"maps"
	"strconv"
	"strings"
	"time"
)

func (sh *shell) umask(args []string) int {
	flags := "Sp"
	if sh.posix() {
		flags = "S"
	}
	opts, rest, status := sh.optionsOf(args, flags, "")
	if status != 0 {
		return status
	}
	mask := sh.p.Files().Umask().Perm()
	if len(rest) == 0 {
		_, symbolic := opts['S']
		_, command := opts['p']
		text := fmt.Sprintf("%04o", uint32(mask))
		if symbolic {
			text = symbolicMask(mask)
		}
		if command {
			flag := ""
			if symbolic {
				flag = "-S "
			}
			text = "umask " + flag + text
		}
		sh.put(text + "\n")
		return 0
	}
	arg := rest[0]
	if arg != "" && arg[0] >= '0' && arg[0] <= '9' {
		n, err := strconv.ParseUint(arg, 8, 32)
		if err != nil || n > 0o777 {
			if sh.posix() {
				return sh.misuse(2, "umask: Illegal number: %s", arg)
			}
			sh.errorf("umask: %s: octal number out of range", arg)
			return 1
		}
		sh.p.Files().SetUmask(fs.FileMode(n))
		return 0
	}
	allowed, bad := symbolicMode(arg, ^mask&0o777, sh.bash)
	if bad != 0 {
		if sh.posix() {
			return sh.misuse(2, "umask: Illegal mode: %s", arg)
		}
		what := "operator"
		if strings.IndexByte("=+-", bad) < 0 && strings.IndexByte(arg, bad) > 1 {
			what = "character"
		}
		sh.errorf("umask: `%c': invalid symbolic mode %s", bad, what)
		return 1
	}
	sh.p.Files().SetUmask(^allowed & 0o777)
	if _, symbolic := opts['S']; symbolic && sh.bash {
		sh.put(symbolicMask(^allowed&0o777) + "\n")
	}
	return 0
}

// symbolicMask writes what a mask allows as u=rwx,g=rx,o=rx.
func symbolicMask(mask fs.FileMode) string {
	var parts []string
	for i, who := range []string{"u", "g", "o"} {
		bits := ^mask >> (6 - 3*i) & 7
		text := who + "="
		for j, letter := range "rwx" {
			if bits&(4>>j) != 0 {
				text += string(letter)
			}
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ",")
}

// symbolicMode applies u=rw,g+x and the like to permissions; bad is the first byte that makes no sense.
// bash knows of nothing but one operator and rwx in a clause.
func symbolicMode(text string, mode fs.FileMode, simple bool) (_ fs.FileMode, bad byte) {
	for clause := range strings.SplitSeq(text, ",") {
		i := 0
		var who fs.FileMode
		for ; i < len(clause) && strings.IndexByte("ugoa", clause[i]) >= 0; i++ {
			who |= map[byte]fs.FileMode{'u': 0o700, 'g': 0o070, 'o': 0o007, 'a': 0o777}[clause[i]]
		}
		if who == 0 {
			who = 0o777
		}
		if i == len(clause) {
			return mode, ' '
		}
		for first := true; i < len(clause); first = false {
			op := clause[i]
			if simple && !first {
				return mode, op
			}
			if strings.IndexByte("=+-", op) < 0 {
				return mode, op
			}
			i++
			var bits fs.FileMode
			for ; i < len(clause) && strings.IndexByte("=+-", clause[i]) < 0; i++ {
				if simple && strings.IndexByte("rwx", clause[i]) < 0 {
					return mode, clause[i]
				}
				switch clause[i] {
				case 'r':
					bits |= 0o444
				case 'w':
					bits |= 0o222
				case 'x', 'X':
					bits |= 0o111
				case 'u':
					bits |= mode >> 6 & 7 * 0o111
				case 'g':
					bits |= mode >> 3 & 7 * 0o111
				case 'o':
					bits |= mode & 7 * 0o111
				case 's', 't':
				default:
					return mode, clause[i]
				}
			}
			switch op {
			case '=':
				mode = mode&^who | bits&who
			case '+':
				mode |= bits & who
			case '-':
				mode &^= bits & who
			}
		}
	}
	return mode, 0
}

// limit is a resource that ulimit knows. The sandbox has its own limits, for the container as a whole: these values are
// kept for scripts that ask for them.
type limit struct {
	letter byte
	text   string
	unit   string
	value  string
}

var limitTable = [...]limit{
	{'R', "real-time non-blocking time ", "(microseconds, -R) ", "unlimited"},
	{'c', "core file size             ", " (blocks, -c) ", "0"},
	{'d', "data seg size              ", " (kbytes, -d) ", "unlimited"},
	{'e', "scheduling priority        ", "         (-e) ", "0"},
	{'f', "file size                  ", " (blocks, -f) ", "unlimited"},
	{'i', "pending signals            ", "         (-i) ", "unlimited"},
	{'l', "max locked memory          ", " (kbytes, -l) ", "unlimited"},
	{'m', "max memory size            ", " (kbytes, -m) ", "unlimited"},
	{'n', "open files                 ", "         (-n) ", "1048576"},
	{'p', "pipe size                  ", "(512 bytes, -p) ", "8"},
	{'q', "POSIX message queues       ", "  (bytes, -q) ", "819200"},
	{'r', "real-time priority         ", "         (-r) ", "0"},
	{'s', "stack size                 ", " (kbytes, -s) ", "8192"},
	{'t', "cpu time                   ", "(seconds, -t) ", "unlimited"},
	{'u', "max user processes         ", "         (-u) ", "unlimited"},
	{'v', "virtual memory             ", " (kbytes, -v) ", "unlimited"},
	{'x', "file locks                 ", "         (-x) ", "unlimited"},
}

// limitKey is a limit that was set: the soft or the hard one.
type limitKey struct {
	letter byte
	hard   bool
}

func (sh *shell) limitValue(l limit, hard bool) string {
	if set, ok := sh.limits[limitKey{l.letter, hard}]; ok {
		return set
	}
	if l.letter == 'u' && sh.p.Table().Limits().Processes > 0 {
		return strconv.Itoa(sh.p.Table().Limits().Processes)
	}
	return l.value
}

func (sh *shell) ulimit(args []string) int {
	rest := args[1:]
	which := byte('f')
	var all, hard, soft bool
	for len(rest) > 0 && len(rest[0]) > 1 && rest[0][0] == '-' {
		for _, c := range []byte(rest[0][1:]) {
			switch c {
			case 'H':
				hard = true
			case 'S':
				soft = true
			case 'a':
				all = true
			default:
				which = c
			}
		}
		rest = rest[1:]
	}
	if len(rest) > 1 && sh.posix() {
		return sh.misuse(2, "ulimit: too many arguments")
	}
	if all {
		for _, l := range limitTable {
			sh.put(l.text + l.unit + sh.limitValue(l, hard && !soft) + "\n")
		}
		return 0
	}
	for _, l := range limitTable {
		if l.letter != which {
			continue
		}
		if len(rest) == 0 {
			sh.put(sh.limitValue(l, hard && !soft) + "\n")
			return 0
		}
		return sh.setLimit(l, rest[0], hard || !soft, soft || !hard)
	}
	return sh.badOption("ulimit", "-"+string(which))
}

// setLimit takes new values: lower ones are remembered, a higher hard one needs a privilege that nobody has here.
func (sh *shell) setLimit(l limit, text string, hard, soft bool) int {
	switch text {
	case "hard", "soft":
		text = sh.limitValue(l, text == "hard")
	}
	above := func(text, than string) bool {
		n, err1 := strconv.ParseUint(text, 10, 63)
		m, err2 := strconv.ParseUint(than, 10, 63)
		return err2 == nil && (err1 != nil || n > m)
	}
	n, err := strconv.ParseUint(text, 10, 63)
	switch {
	case text != "unlimited" && err != nil:
		if sh.posix() {
			return sh.misuse(2, "ulimit: bad number")
		}
		sh.errorf("ulimit: %s: invalid number", text)
		return 1
	case strings.Contains(l.unit, "blocks") && n > 1<<53 || strings.Contains(l.unit, "kbytes") && n > 1<<53:
		sh.errorf("ulimit: %s: limit out of range", text)
		return 1
	}
	problem := ""
	switch {
	case hard && above(text, sh.limitValue(l, true)):
		problem = "Operation not permitted"
	case soft && !hard && above(text, sh.limitValue(l, true)), hard && !soft && above(sh.limitValue(l, false), text):
		problem = "Invalid argument"
	}
	if problem != "" {
		if sh.posix() {
			return sh.misuse(2, "ulimit: error setting limit: %s", problem)
		}
		sh.errorf("ulimit: %s: cannot modify limit: %s", strings.TrimSpace(l.text), problem)
		return 1
	}
	limits := maps.Clone(sh.limits)
	if limits == nil {
		limits = make(map[limitKey]string)
	}
	if hard {
		limits[limitKey{l.letter, true}] = text
	}
	if soft {
		limits[limitKey{l.letter, false}] = text
	}
	sh.limits = limits
	return 0
}

// cpuTimes are the processor times of the shell and of its children that have ended.
func (sh *shell) cpuTimes() (own, children time.Duration) { return sh.p.CPU(), 0 }

func (sh *shell) times([]string) int {
	own, children := sh.cpuTimes()
	show := func(d time.Duration) string {
		return fmt.Sprintf("%dm%.*fs", int(d.Minutes()), sh.timesDigits(), (d % time.Minute).Seconds())
	}
	sh.put(show(own) + " " + show(0) + "\n" + show(children) + " " + show(0) + "\n")
	return 0
}

func (sh *shell) timesDigits() int {
	if sh.posix() {
		return 6
	}
	return 3
}
