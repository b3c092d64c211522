package shell

import (
	"slices"
	"sort"
	"strings"
)

// options are those of set.
type options struct {
	allexport, braceexpand, emacs, errexit, errtrace, functrace, hashall, histexpand, history, ignoreeof,
	interactiveComments, keyword, monitor, noclobber, noexec, noglob, nolog, notify, nounset, onecmd, physical,
	pipefail, posix, privileged, verbose, vi, xtrace bool
}

// shopts are those of shopt that have an effect here.
type shopts struct {
	dotglob, expandAliases, extglob, failglob, globstar, inheritErrexit, lastpipe, nocaseglob, nocasematch, nullglob,
	patsubReplacement, xpgEcho, sourcepath, shiftVerbose, execfail, localvarInherit, globskipdots bool
	others map[string]bool // remembered, without effect
}

type option struct {
	name   string
	letter byte // 0 if there is none
	value  *bool
}

// list gives the options of set in the order of `set -o`.
func (o *options) list() []option {
	return []option{
		{"allexport", 'a', &o.allexport}, {"braceexpand", 'B', &o.braceexpand}, {"emacs", 0, &o.emacs},
		{"errexit", 'e', &o.errexit}, {"errtrace", 'E', &o.errtrace}, {"functrace", 'T', &o.functrace},
		{"hashall", 'h', &o.hashall}, {"histexpand", 'H', &o.histexpand}, {"history", 0, &o.history},
		{"ignoreeof", 0, &o.ignoreeof}, {"interactive-comments", 0, &o.interactiveComments}, {"keyword", 'k', &o.keyword},
		{"monitor", 'm', &o.monitor}, {"noclobber", 'C', &o.noclobber}, {"noexec", 'n', &o.noexec},
		{"noglob", 'f', &o.noglob}, {"nolog", 0, &o.nolog}, {"notify", 'b', &o.notify}, {"nounset", 'u', &o.nounset},
		{"onecmd", 't', &o.onecmd}, {"physical", 'P', &o.physical}, {"pipefail", 0, &o.pipefail}, {"posix", 0, &o.posix},
		{"privileged", 'p', &o.privileged}, {"verbose", 'v', &o.verbose}, {"vi", 0, &o.vi}, {"xtrace", 'x', &o.xtrace},
	}
}

// posixOptions are the options of dash, in its order.
var posixOptions = []string{"errexit", "noglob", "ignoreeof", "interactive", "monitor", "noexec", "stdin", "xtrace", "verbose",
	"vi", "emacs", "noclobber", "allexport", "notify", "nounset", "nolog", "pipefail"}

func (sh *shell) findOption(name string, letter byte) *bool {
	if sh.posix() {
		switch letter {
		case 'E':
			return &sh.opts.emacs
		case 'V':
			return &sh.opts.vi
		case 'I':
			return &sh.opts.ignoreeof
		}
	}
	for _, o := range sh.opts.list() {
		if name != "" && o.name == name || letter != 0 && o.letter == letter {
			if sh.posix() && letter != 'p' && !slices.Contains(posixOptions, o.name) {
				return nil
			}
			return o.value
		}
	}
	return nil
}

// optionLetters is $-.
func (sh *shell) optionLetters() string {
	var letters []byte
	for _, o := range sh.opts.list() {
		if *o.value && o.letter != 0 && (sh.bash || o.letter != 'h' && o.letter != 'B') {
			letters = append(letters, o.letter)
		}
	}
	if sh.interactive {
		letters = append(letters, 'i')
	}
	slices.SortFunc(letters, func(a, b byte) int {
		lower := func(c byte) int {
			if c >= 'a' {
				return int(c)
			}
			return int(c) + 256
		}
		return lower(a) - lower(b)
	})
	if sh.oneCommand && sh.bash {
		letters = append(letters, 'c')
	} else if sh.fromStdin {
		letters = append(letters, 's')
	}
	return string(letters)
}

// knownShopts are all names that shopt lists, with their defaults.
var knownShopts = map[string]bool{
	"autocd": false, "assoc_expand_once": false, "cdable_vars": false, "cdspell": false, "checkhash": false,
	"checkjobs": false, "checkwinsize": true, "cmdhist": true, "compat31": false, "compat32": false, "compat40": false,
	"compat41": false, "compat42": false, "compat43": false, "compat44": false, "complete_fullquote": true,
	"direxpand": false, "dirspell": false, "dotglob": false, "execfail": false, "expand_aliases": false,
	"extdebug": false, "extglob": false, "extquote": true, "failglob": false, "force_fignore": true,
	"globasciiranges": true, "globskipdots": true, "globstar": false, "gnu_errfmt": false, "histappend": false, "histreedit": false,
	"histverify": false, "hostcomplete": true, "huponexit": false, "inherit_errexit": false,
	"interactive_comments": true, "lastpipe": false, "lithist": false, "localvar_inherit": false,
	"localvar_unset": false, "login_shell": false, "mailwarn": false, "no_empty_cmd_completion": false,
	"nocaseglob": false, "nocasematch": false, "noexpand_translation": false, "nullglob": false, "patsub_replacement": true, "progcomp": true,
	"progcomp_alias": false, "promptvars": true, "restricted_shell": false, "shift_verbose": false,
	"sourcepath": true, "varredir_close": false, "xpg_echo": false,
}

// shopt finds the value of an option of shopt.
func (sh *shell) shopt(name string) (get bool, set func(bool), ok bool) {
	s := &sh.shopts
	var p *bool
	switch name {
	case "dotglob":
		p = &s.dotglob
	case "expand_aliases":
		p = &s.expandAliases
	case "extglob":
		p = &s.extglob
	case "failglob":
		p = &s.failglob
	case "globstar":
		p = &s.globstar
	case "inherit_errexit":
		p = &s.inheritErrexit
	case "lastpipe":
		p = &s.lastpipe
	case "nocaseglob":
		p = &s.nocaseglob
	case "nocasematch":
		p = &s.nocasematch
	case "nullglob":
		p = &s.nullglob
	case "patsub_replacement":
		p = &s.patsubReplacement
	case "xpg_echo":
		p = &s.xpgEcho
	case "sourcepath":
		p = &s.sourcepath
	case "shift_verbose":
		p = &s.shiftVerbose
	case "execfail":
		p = &s.execfail
	case "localvar_inherit":
		p = &s.localvarInherit
	case "globskipdots":
		p = &s.globskipdots
	default:
		byDefault, known := knownShopts[name]
		if !known {
			return false, nil, false
		}
		value, changed := s.others[name]
		if !changed {
			value = byDefault
			if name == "login_shell" {
				value = sh.login
			}
		}
		return value, func(on bool) {
			others := map[string]bool{name: on}
			for k, v := range s.others {
				if k != name {
					others[k] = v
				}
			}
			s.others = others
		}, true
	}
	return *p, func(on bool) { *p = on }, true
}

func shoptNames() []string {
	names := make([]string, 0, len(knownShopts))
	for name := range knownShopts {
		names = append(names, name)
	}
	sort.Strings(names)
	names[0], names[1] = names[1], names[0] // autocd comes first in bash's table
	return names
}

// onOff is how set -o and shopt print a value.
func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// setOptions gives the names of the options of set that are on, for SHELLOPTS.
func (sh *shell) setOptions() string {
	var names []string
	for _, o := range sh.opts.list() {
		if *o.value {
			names = append(names, o.name)
		}
	}
	return strings.Join(names, ":")
}

func (sh *shell) shoptsOn() string {
	var names []string
	for _, name := range shoptNames() {
		if on, _, _ := sh.shopt(name); on {
			names = append(names, name)
		}
	}
	return strings.Join(names, ":")
}

// optionChanged lets an option take effect that is more than a flag.
func (sh *shell) optionChanged(name string, on bool) {
	switch name {
	case "emacs":
		if on {
			sh.opts.vi = false
		}
	case "vi":
		if on {
			sh.opts.emacs = false
		}
	case "monitor":
		if on && sh.terminal == nil {
			sh.terminal = sh.p.Terminal()
		}
		if on && sh.terminal == nil && sh.posix() {
			sh.errorf("set: can't access tty; job control turned off")
			sh.opts.monitor = false
		}
	case "allexport":
		sh.env = nil
	case "history":
		if on {
			sh.loadHistory()
		}
	}
}
