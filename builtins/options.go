package builtins

import (
	"fmt"
	"io"
	"strings"
)

// usage says how a command is called, for parse and its messages.
type usage struct {
	synopsis  string // what follows the name in --help: "[OPTION]... [FILE]..."
	about     string // one sentence for --help
	status    int    // exit status after a wrong option; 0 means 1
	inOrder   bool   // options end at the first operand, as with env, xargs and timeout
	prefixed  bool   // the hint at --help has the command's name before it (diffutils)
	positions bool   // operands are among the options too, without a name: where they stand matters (tar -C)
	options   []string
	anyLacks  bool     // every option that is not known may be one of the original
	lacks     []string // options of the original that are not there: an error of their own, status 2
	// Each element of options and lacks declares one option: its names separated by blanks, single letters are short ones. A last
	// character "=" says that a value is required, "?" that a long name may have one after "=" (a short one attached).
	// "a all", "w width=", "color?".
}

// option is an option as it was given, under the first of its declared names.
type option struct {
	name  string
	value string
	has   bool // a value was given: tells "--color" from "--color="
}

// optionDecl is a declaration taken apart.
type optionDecl struct {
	name            string
	names           []string
	needs, accepts  bool
	lacking         bool
	short, longForm string
}

func declare(spec string) optionDecl {
	d := optionDecl{}
	switch spec[len(spec)-1] {
	case '=':
		d.needs, spec = true, spec[:len(spec)-1]
	case '?':
		if len(spec) > 1 {
			d.accepts, spec = true, spec[:len(spec)-1]
		}
	}
	d.names = strings.Fields(spec)
	d.name = d.names[0]
	for _, n := range d.names {
		if len(n) == 1 && d.short == "" {
			d.short = n
		} else if len(n) > 1 && d.longForm == "" {
			d.longForm = n
		}
	}
	return d
}

// parse reads the options of p.Args[1:] as GNU's getopt_long does: clusters of short options, values attached or in the
// next argument, unambiguous prefixes of long ones, "--" as the end, operands anywhere. With done set the command must
// return status: an option was wrong (the message is printed), or it was --help or --version.
func (p *Process) parse(u usage) (opts []option, operands []string, status int, done bool) {
	return p.parseArgs(u, p.Args[1:])
}

// parseArgs is parse over other arguments than the process's own.
func (p *Process) parseArgs(u usage, args []string) (opts []option, operands []string, status int, done bool) {
	decls := make([]optionDecl, 0, len(u.options)+len(u.lacks)+2)
	for _, spec := range u.options {
		decls = append(decls, declare(spec))
	}
	for _, spec := range u.lacks {
		d := declare(spec)
		d.lacking = true
		decls = append(decls, d)
	}
	decls = append(decls, declare("help"), declare("version"))
	fail := func(format string, a ...any) ([]option, []string, int, bool) {
		p.Errorf(format, a...)
		return nil, nil, p.tryHelp(u), true
	}
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "--":
			for _, operand := range args[i+1:] {
				if u.positions {
					opts = append(opts, option{value: operand})
				}
			}
			return opts, append(operands, args[i+1:]...), 0, false
		case strings.HasPrefix(arg, "--"):
			name, value, has := strings.Cut(arg[2:], "=")
			d, problem := findLong(decls, name)
			if has && strings.HasPrefix(problem, "unrecognized") {
				problem = "unrecognized option '" + arg + "'"
			}
			if problem != "" && u.anyLacks {
				return nil, nil, p.lacking("--" + name), true
			}
			if problem != "" {
				return fail("%s", problem)
			}
			switch {
			case d.lacking:
				return nil, nil, p.lacking("--" + fullName(d, name)), true
			case has && !d.needs && !d.accepts:
				return fail("option '--%s' doesn't allow an argument", fullName(d, name))
			case !has && d.needs:
				i++
				if i == len(args) {
					return fail("option '--%s' requires an argument", fullName(d, name))
				}
				value, has = args[i], true
			case d.name == "help":
				io.WriteString(p.Stdout, p.helpText(u))
				return nil, nil, 0, true
			case d.name == "version":
				fmt.Fprintf(p.Stdout, "%s (Sockerless builtins, GNU-compatible)\n", p.Name())
				return nil, nil, 0, true
			}
			opts = append(opts, option{d.name, value, has})
		case len(arg) > 1 && arg[0] == '-':
			for j := 1; j < len(arg); j++ {
				d, ok := findShort(decls, arg[j:j+1])
				if !ok && u.anyLacks {
					return nil, nil, p.lacking(arg[:1] + arg[j:j+1]), true
				}
				if !ok {
					return fail("invalid option -- '%c'", arg[j])
				}
				if d.lacking {
					return nil, nil, p.lacking(arg[:1] + arg[j:j+1]), true
				}
				if !d.needs && !d.accepts {
					opts = append(opts, option{name: d.name})
					continue
				}
				o := option{name: d.name, value: arg[j+1:], has: j+1 < len(arg)}
				if d.needs && !o.has {
					i++
					if i == len(args) {
						return fail("option requires an argument -- '%c'", arg[j])
					}
					o.value, o.has = args[i], true
				}
				opts = append(opts, o)
				break
			}
		case u.inOrder:
			return opts, append(operands, args[i:]...), 0, false
		default:
			operands = append(operands, arg)
			if u.positions {
				opts = append(opts, option{value: arg})
			}
		}
	}
	return opts, operands, 0, false
}

// lacking says that an option of the original is not there, and returns the exit status.
func (p *Process) lacking(option string) int {
	p.Errorf("option '%s' is not supported in the sandbox", option)
	return 2
}

// tryHelp prints where help is and returns the exit status of a wrong call.
func (p *Process) tryHelp(u usage) int {
	hint := fmt.Sprintf("Try '%s --help' for more information.", p.Name())
	if u.prefixed {
		hint = p.Name() + ": " + hint
	}
	io.WriteString(p.Stderr, hint+"\n")
	if u.status == 0 {
		return 1
	}
	return u.status
}

// missingOperand complains as the coreutils do about a call with too few operands; after is the last one given.
func (p *Process) missingOperand(u usage, after ...string) int {
	if len(after) == 0 {
		p.Errorf("missing operand")
	} else {
		p.Errorf("missing operand after %s", quote(after[len(after)-1]))
	}
	return p.tryHelp(u)
}

// extraOperand complains about the first operand too many.
func (p *Process) extraOperand(u usage, operand string) int {
	p.Errorf("extra operand %s", quote(operand))
	return p.tryHelp(u)
}

func (p *Process) helpText(u usage) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage: %s %s\n", p.Name(), u.synopsis)
	if u.about != "" {
		b.WriteString(u.about + "\n")
	}
	b.WriteString("\n")
	for _, spec := range u.options {
		b.WriteString("  " + declare(spec).helpText() + "\n")
	}
	b.WriteString("  --help\n  --version\n")
	for i, spec := range u.lacks {
		if i == 0 {
			b.WriteString("\nNot supported in the sandbox:\n")
		}
		b.WriteString("  " + declare(spec).helpText() + "\n")
	}
	return b.String()
}

// helpText is the option as it stands in a help text.
func (d optionDecl) helpText() string {
	var names []string
	for _, n := range d.names {
		if len(n) == 1 {
			names = append(names, "-"+n)
			continue
		}
		switch {
		case d.needs:
			n += "=VALUE"
		case d.accepts:
			n += "[=VALUE]"
		}
		names = append(names, "--"+n)
	}
	text := strings.Join(names, ", ")
	if d.needs && d.longForm == "" {
		text += " VALUE"
	}
	return text
}

func findShort(decls []optionDecl, letter string) (optionDecl, bool) {
	for _, d := range decls {
		for _, n := range d.names {
			if n == letter {
				return d, true
			}
		}
	}
	return optionDecl{}, false
}

// findLong finds an option by its long name or by a prefix that means only one option.
func findLong(decls []optionDecl, name string) (optionDecl, string) {
	var found []optionDecl
	var candidates []string
	for _, d := range decls {
		for _, n := range d.names {
			if len(n) < 2 {
				continue
			}
			if n == name {
				return d, ""
			}
			if strings.HasPrefix(n, name) {
				candidates = append(candidates, "'--"+n+"'")
				if len(found) == 0 || found[len(found)-1].name != d.name {
					found = append(found, d)
				}
			}
		}
	}
	switch len(found) {
	case 0:
		return optionDecl{}, fmt.Sprintf("unrecognized option '--%s'", name)
	case 1:
		return found[0], ""
	}
	return optionDecl{}, fmt.Sprintf("option '--%s' is ambiguous; possibilities: %s", name, strings.Join(candidates, " "))
}

// fullName is the long name that a prefix stands for.
func fullName(d optionDecl, prefix string) string {
	for _, n := range d.names {
		if len(n) > 1 && strings.HasPrefix(n, prefix) {
			return n
		}
	}
	return prefix
}

// invalidWord prints gnulib's message about a value that is none of the words that an option takes. Words that mean
// the same are one element of valid, with commas between them.
func (p *Process) invalidWord(option, value string, valid []string) int {
	p.Errorf("invalid argument %s for %s", quoteName(value), quote(option))
	io.WriteString(p.Stderr, "Valid arguments are:\n")
	for _, words := range valid {
		io.WriteString(p.Stderr, "  - '"+strings.ReplaceAll(words, ",", "', '")+"'\n")
	}
	return p.tryHelp(usage{})
}
