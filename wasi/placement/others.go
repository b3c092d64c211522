package placement

import "strings"

// others are the commands that run another one that is among their arguments.
var others = set("env", "sudo", "doas", "xargs", "find", "nice", "nohup", "timeout", "time", "setsid", "stdbuf", "watch", "ionice", "chrt", "taskset", "flock",
	"parallel", "su", "chroot", "gosu", "su-exec", "runuser", "setpriv", "unbuffer", "script", "tini", "dumb-init", "busybox", "fakeroot", "xvfb-run", "run-parts")

// with is how a command runs another one.
type with struct {
	counts bool // it does work of its own
	loop   bool // many times
	maybe  bool // perhaps
	script bool // the words are the text of a script
}

// grammar is what stands before the command that another one runs.
type grammar struct {
	letters  string // options with a value
	long     string // the same, as " --name "
	operands int    // before the command
	assigns  bool   // NAME=value stands before it
	command  string // the option whose value is a script
}

var grammars = map[string]grammar{
	"env":       {letters: "uCS", long: " --unset --chdir --split-string ", assigns: true},
	"sudo":      {letters: "ughpCrtTUDR", long: " --user --group --host --prompt --chdir --chroot --other-user ", assigns: true},
	"doas":      {letters: "uC"},
	"xargs":     {letters: "aEdILnPs", long: " --arg-file --delimiter --max-lines --max-args --max-procs --max-chars --replace --process-slot-var "},
	"nice":      {letters: "n", long: " --adjustment "},
	"timeout":   {letters: "ks", long: " --kill-after --signal ", operands: 1},
	"time":      {letters: "fo", long: " --format --output "},
	"stdbuf":    {letters: "ioe", long: " --input --output --error "},
	"watch":     {letters: "nq", long: " --interval --equexit "},
	"ionice":    {letters: "cnpPu", long: " --class --classdata --pid "},
	"chrt":      {letters: "TPD", operands: 1},
	"taskset":   {operands: 1},
	"flock":     {letters: "wEc", long: " --timeout --wait --conflict-exit-code --command ", operands: 1, command: "c"},
	"parallel":  {letters: "jaISCnNLd", long: " --jobs --arg-file --colsep --delay --timeout --retries --joblog --results "},
	"su":        {letters: "csgGwT", long: " --command --shell --group ", operands: 9, command: "c"},
	"runuser":   {letters: "cusgG", long: " --command --user --shell --group ", command: "c"},
	"chroot":    {long: " --userspec --groups ", operands: 1},
	"gosu":      {operands: 1},
	"su-exec":   {operands: 1},
	"setpriv":   {long: " --reuid --regid --groups "},
	"script":    {letters: "cEoT", long: " --command ", command: "c"},
	"tini":      {letters: "pe"},
	"dumb-init": {letters: "r", long: " --rewrite "},
	"xvfb-run":  {letters: "efnpsw"},
}

// wrapped finds what the command called name, with args[0] its name, runs; none is nothing.
func wrapped(name string, args []field) ([]field, with) {
	switch name {
	case "find":
		return found(args)
	case "busybox", "run-parts":
		return nil, with{counts: true}
	}
	w := with{counts: name == "parallel" || name == "xargs", loop: name == "parallel" || name == "xargs" || name == "watch"}
	g := grammars[name]
	rest := args[1:]
	for len(rest) > 0 {
		f := rest[0]
		if !f.known {
			// An option or an operand, as it seems.
			if g.operands > 0 {
				g.operands--
				rest = rest[1:]
				continue
			}
			break
		}
		text := f.text
		if text == "--" {
			rest = rest[1:]
			continue
		}
		if len(text) > 1 && text[0] == '-' {
			rest = rest[1:]
			if strings.HasPrefix(text, "--") {
				option, value, has := strings.Cut(text, "=")
				switch {
				case name == "env" && option == "--split-string" && has:
					return fieldsOf(strings.Fields(value)), w
				case option == "--command" && g.command != "" && has:
					w.script = true
					return []field{known(value)}, w
				case option == "--command" && g.command != "" && len(rest) > 0:
					w.script = true
					return rest[:1], w
				case !has && strings.Contains(g.long, " "+option+" "):
					rest = rest[min(1, len(rest)):]
				}
				continue
			}
			for i := 1; i < len(text); i++ {
				letter := text[i : i+1]
				if letter == "r" && name == "xargs" {
					w.maybe = true
				}
				if !strings.Contains(g.letters, letter) {
					continue
				}
				value := known(text[i+1:])
				if value.text == "" {
					if len(rest) == 0 {
						return nil, w
					}
					value, rest = rest[0], rest[1:]
				}
				switch {
				case letter == g.command:
					w.script = true
					return []field{value}, w
				case name == "env" && letter == "S":
					if !value.known {
						return []field{{}}, w
					}
					return append(fieldsOf(strings.Fields(value.text)), rest...), w
				}
				break
			}
			continue
		}
		switch {
		case g.assigns && strings.Contains(text, "=") && !strings.HasPrefix(text, "="):
			rest = rest[1:]
			continue
		case g.operands > 0:
			g.operands--
			rest = rest[1:]
			continue
		}
		break
	}
	switch {
	case len(rest) == 0:
		return nil, w
	case name == "watch":
		w.script = true
	case name == "parallel":
		for i, f := range rest {
			if f.known && strings.HasPrefix(f.text, ":::") {
				rest = rest[:i]
				break
			}
		}
		w.script = len(rest) == 1
	}
	return rest, w
}

// found is what find runs: -exec and its like.
func found(args []field) ([]field, with) {
	w := with{counts: true, maybe: true, loop: true}
	for i := 1; i < len(args); i++ {
		switch args[i].text {
		case "-exec", "-execdir", "-ok", "-okdir":
			for j := i + 1; j < len(args); j++ {
				if args[j].text == ";" || args[j].text == "+" {
					w.loop = args[j].text == ";"
					return args[i+1 : j], w
				}
			}
			return args[i+1:], w
		}
	}
	return nil, w
}
