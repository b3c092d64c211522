package placement

import (
	"maps"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"github.com/sockerless/sockerless/store/rootfs"
)

// A value is what a variable may hold: one text, one of several, or nil, which is not known.
type value []string

const maxValues = 8 // of a variable; more are not known

// or is a value that is v or w.
func (v value) or(w value) value {
	if v == nil || w == nil {
		return nil
	}
	all := v[:len(v):len(v)]
	for _, text := range w {
		if !contains(all, text) {
			all = append(all, text)
		}
	}
	if len(all) > maxValues {
		return nil
	}
	return all
}

func contains(all []string, text string) bool {
	for _, s := range all {
		if s == text {
			return true
		}
	}
	return false
}

// A field is a word of a command after expansion.
type field struct {
	text  string
	known bool
}

func known(text string) field { return field{text, true} }

func fieldsOf(words []string) []field {
	fields := make([]field, len(words))
	for i, w := range words {
		fields[i] = known(w)
	}
	return fields
}

// flow is how a command ends the commands after it.
type flow uint8

const (
	goesOn  flow = iota
	breaks       // leaves the loop
	returns      // leaves the function or the sourced file
	exits        // leaves the shell
	fails        // leaves the shell as an error: what would have come after it is what was meant to run
)

// A function is the body of a shell function and the script that it is written in.
type function struct {
	body *syntax.Stmt
	src  *script
}

// shell is what is known of a shell process at a point of its script.
type shell struct {
	a     *analysis
	files *rootfs.View // working directory
	env   []string
	src   *script
	name  string // $0
	bash  bool

	vars    map[string]value // over env
	params  [][]field        // what the positional parameters may be; nil is not known
	funcs   map[string]function
	aliases map[string]string
	found   map[string]lookup // of names, as long as PATH stays; forks add to the same one
	shared  bool              // the maps are those of the shell that this one was forked from
	path    []string          // PATH=…, where the script has set it
	lost    bool              // the working directory is not known
	opaque  bool              // variables were set by what is not known
	locals  []local
	inFunc  int
	sourced int
	calls   []string // functions that run
	maybe   int      // branches around this point
	escaped [fails]bool
	weight  int // how often this point is passed
	loops   int
	depth   int // of scripts, functions and evals
	nesting int // of compound commands
	traps   []trapped
	main    bool // the process itself, or what took its place
}

// local is a variable to be put back when a function returns.
type local struct {
	name string
	old  value
	set  bool
}

// certain says that nothing lies between the start and here but commands that may fail.
func (sh *shell) certain() bool {
	return sh.maybe == 0 && !sh.escaped[breaks] && !sh.escaped[returns] && !sh.escaped[exits]
}

// fork is a subshell.
func (sh *shell) fork() *shell {
	child := *sh
	child.shared = true
	child.files = sh.files.Clone()
	child.locals, child.traps, child.main = nil, nil, false
	return &child
}

// own makes the maps this shell's, before it changes them.
func (sh *shell) own() {
	if sh.shared {
		sh.vars, sh.funcs, sh.aliases = maps.Clone(sh.vars), maps.Clone(sh.funcs), maps.Clone(sh.aliases)
		sh.shared = false
	}
}

// branch does what may not happen, and says how that leaves the shell if it does.
func (sh *shell) branch(do func() flow) flow {
	sh.maybe++
	defer func() { sh.maybe-- }()
	return do()
}

// mayLeave notes that the rest of the script runs only if a branch was not taken.
func (sh *shell) mayLeave(f flow) {
	if f > goesOn && f < fails {
		sh.escaped[f] = true
	}
}

// unknownVars have values that come from the shell, or change.
var unknownVars = set("RANDOM", "SRANDOM", "SECONDS", "LINENO", "BASHPID", "EPOCHSECONDS", "EPOCHREALTIME", "BASH_COMMAND", "BASH_SUBSHELL", "BASHOPTS",
	"SHELLOPTS", "FUNCNAME", "BASH_LINENO", "PIPESTATUS", "GROUPS", "DIRSTACK", "BASH_REMATCH", "BASH_VERSION", "BASH_VERSINFO", "BASH", "UID", "EUID",
	"PPID", "HOSTNAME", "HOSTTYPE", "OSTYPE", "MACHTYPE", "OLDPWD", "IFS", "OPTIND", "OPTARG", "OPTERR", "REPLY", "SHLVL", "_", "PS1", "PS2", "PS4", "COLUMNS", "LINES")

// get is a variable's value, "" for one that is not set; set says whether it is.
func (sh *shell) get(name string) (v value, set bool) {
	if v, ok := sh.vars[name]; ok {
		return v, true
	}
	for i := len(sh.env) - 1; i >= 0; i-- {
		e := sh.env[i]
		if len(e) > len(name) && e[len(name)] == '=' && e[:len(name)] == name {
			return value{e[len(name)+1:]}, true
		}
	}
	switch {
	case name == "PWD":
		if sh.lost {
			return nil, true
		}
		return value{sh.files.Getwd()}, true
	case sh.opaque, unknownVars[name]:
		return nil, false
	}
	return value{""}, false
}

// put sets a variable; in a branch, it may keep the value that it had.
func (sh *shell) put(name string, v value) {
	sh.own()
	if sh.maybe > 0 || sh.loops > 0 {
		old, _ := sh.get(name)
		v = v.or(old)
	}
	if sh.vars == nil {
		sh.vars = make(map[string]value)
	}
	sh.vars[name] = v
	if name == "PATH" {
		if len(v) > 0 { // the first one is the newest
			sh.path = []string{"PATH=" + v[0]}
		}
		sh.found = nil
	}
}

// lookupEnv is what a command's name is looked up with.
func (sh *shell) lookupEnv() []string {
	if sh.path != nil {
		return sh.path
	}
	return sh.env
}

// environment is that of a process that this shell starts: everything, since more is exported than not.
func (sh *shell) environment() []string {
	if len(sh.vars) == 0 {
		return sh.env
	}
	env := make([]string, 0, len(sh.env)+len(sh.vars))
	for _, e := range sh.env {
		if name, _, ok := strings.Cut(e, "="); ok {
			if _, over := sh.vars[name]; over {
				continue
			}
		}
		env = append(env, e)
	}
	for name, v := range sh.vars {
		if len(v) == 1 {
			env = append(env, name+"="+v[0])
		}
	}
	return env
}

// shift takes n off the positional parameters.
func (sh *shell) shift(n int) {
	var all [][]field
	for _, p := range sh.params {
		if sh.maybe > 0 || sh.loops > 0 {
			all = append(all, p)
		}
		switch {
		case sh.loops > 0: // any number of times
			for i := 1; i <= len(p); i++ {
				all = append(all, p[i:])
			}
		case n <= len(p):
			all = append(all, p[n:])
		}
	}
	sh.setParams(all)
}

// setParams sets what the positional parameters may be.
func (sh *shell) setParams(all [][]field) {
	if len(all) > maxValues {
		all = nil
	}
	sh.params = all
}
