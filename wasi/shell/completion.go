package shell

import (
	"slices"
	"sort"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"github.com/sockerless/sockerless/wasi/kernel"
)

// A compSpec says how the arguments of a command are completed. It is never changed: subshells share it.
type compSpec struct {
	options uint // bit i is compOptions[i]
	actions uint // bit i is compActions[i]
	args    map[byte]string
}

var compOptions = []string{"bashdefault", "default", "dirnames", "filenames", "noquote", "nosort", "nospace", "plusdirs"}

// compActions are what can be listed, in the order in which complete prints them: those with a letter first.
var compActions = []struct {
	name   string
	letter byte
}{
	{"alias", 'a'}, {"builtin", 'b'}, {"command", 'c'}, {"directory", 'd'}, {"export", 'e'}, {"file", 'f'}, {"group", 'g'}, {"job", 'j'},
	{"keyword", 'k'}, {"service", 's'}, {"user", 'u'}, {"variable", 'v'},
	{"arrayvar", 0}, {"binding", 0}, {"disabled", 0}, {"enabled", 0}, {"function", 0}, {"helptopic", 0}, {"hostname", 0}, {"running", 0},
	{"setopt", 0}, {"shopt", 0}, {"signal", 0}, {"stopped", 0},
}

// listingOrder is the order in which actions are listed.
var listingOrder = strings.Fields("alias arrayvar binding builtin disabled enabled export function helptopic hostname job keyword running " +
	"setopt shopt signal stopped variable command file user group service directory")

// The names under which the specifications of complete -D, -E and -I are kept.
const (
	compDefault = "_DefaultCmD_"
	compEmpty   = "_EmptycmD_"
	compInitial = "_InitialWorD_"
)

func optionBit(name string) uint {
	if i := slices.Index(compOptions, name); i >= 0 {
		return 1 << i
	}
	return 0
}

func actionBit(name string) uint {
	for i, a := range compActions {
		if a.name == name {
			return 1 << i
		}
	}
	return 0
}

// text is the specification as options of complete.
func (c *compSpec) text() string {
	var b strings.Builder
	for i, name := range compOptions {
		if c.options&(1<<i) != 0 {
			b.WriteString("-o " + name + " ")
		}
	}
	for i, a := range compActions {
		switch {
		case c.actions&(1<<i) == 0:
		case a.letter != 0:
			b.WriteString("-" + string(a.letter) + " ")
		default:
			b.WriteString("-A " + a.name + " ")
		}
	}
	for _, letter := range []byte("GWPSXCF") {
		if arg, ok := c.args[letter]; ok {
			if letter != 'F' {
				arg = quotePlain(arg)
			}
			b.WriteString("-" + string(letter) + " " + arg + " ")
		}
	}
	return b.String()
}

// compNames lists the names with a specification by bucket of bash's table, as complete -p does.
func (sh *shell) compNames() []string {
	names := make([]string, 0, len(sh.compSpecs))
	for name := range sh.compSpecs {
		names = append(names, name)
	}
	sort.Slice(names, func(i, j int) bool {
		a, b := assocHash(names[i])&511, assocHash(names[j])&511
		return a < b || a == b && names[i] < names[j]
	})
	return names
}

// A compRequest is the place at which something is completed.
type compRequest struct {
	command, word, previous string
	line                    string
	point                   int
	words                   []string
	index                   int  // of word in words, -1 outside of a line
	options                 uint // of the specification, as compopt left them
	retry                   bool // the function has changed the specifications: its status was 124
}

func (r *compRequest) option(name string) bool { return r.options&optionBit(name) != 0 }

// generate lists what a specification has for a word.
func (sh *shell) generate(c *compSpec, r *compRequest) []string {
	r.options = c.options
	var all []string
	for _, name := range listingOrder {
		if c.actions&actionBit(name) != 0 {
			all = append(all, sh.generateAction(name, r.word)...)
		}
	}
	if glob, ok := c.args['G']; ok {
		all = append(all, sh.glob(glob)...)
	}
	if words, ok := c.args['W']; ok {
		for _, w := range sh.wordList(words) {
			if strings.HasPrefix(w, r.word) {
				all = append(all, w)
			}
		}
	}
	if name, ok := c.args['F']; ok {
		all = append(all, sh.functionReplies(name, r)...)
	}
	if command, ok := c.args['C']; ok {
		all = append(all, sh.commandReplies(command, r)...)
	}
	if filter, ok := c.args['X']; ok {
		all = sh.filtered(all, filter, r.word)
	}
	prefix, suffix := c.args['P'], c.args['S']
	if prefix != "" || suffix != "" {
		for i, w := range all {
			all[i] = prefix + w + suffix
		}
	}
	if len(all) == 0 && r.option("dirnames") || r.option("plusdirs") {
		all = append(all, sh.listedFiles(r.word, true)...)
	}
	return all
}

// listedFiles are the files that begin with a prefix, as compgen prints them.
func (sh *shell) listedFiles(prefix string, onlyDirs bool) []string {
	names := sh.fileNames(prefix, onlyDirs)
	for i, name := range names {
		names[i] = strings.TrimSuffix(name, "/")
	}
	return names
}

// generateAction lists the names of one kind that begin with a prefix.
func (sh *shell) generateAction(action, prefix string) []string {
	var all []string
	switch action {
	case "command":
		return sh.commandNames(prefix)
	case "file":
		return sh.listedFiles(prefix, false)
	case "directory":
		return sh.listedFiles(prefix, true)
	default:
		all = sh.namesOfKind(action)
	}
	return slices.DeleteFunc(all, func(name string) bool { return !strings.HasPrefix(name, prefix) })
}

func (sh *shell) namesOfKind(action string) []string {
	var all []string
	switch action {
	case "alias":
		for name := range sh.aliases {
			all = append(all, name)
		}
		slices.Sort(all)
	case "builtin", "enabled", "disabled":
		for _, name := range strings.Fields(bashBuiltins) {
			if name != "[[" && builtinFor(name) != nil && (action == "builtin" || sh.disabled[name] == (action == "disabled")) {
				all = append(all, name)
			}
		}
		slices.Sort(all)
	case "export", "variable", "arrayvar":
		for _, name := range sh.sortedNames() {
			v := sh.vars.vars[name]
			if action == "variable" || action == "export" && v.attrs&attrExport != 0 && v.set || action == "arrayvar" && v.kind != scalar && v.count() > 0 {
				all = append(all, name)
			}
		}
	case "function":
		all = sh.functionNames()
	case "keyword":
		all = strings.Fields("if then else elif fi case esac for select while until do done in function time { } ! [[ ]] coproc")
	case "helptopic":
		all = append(strings.Fields("case coproc for function if select time until while"), sh.namesOfKind("builtin")...)
		all = append(all, "%", "(( ... ))", "[[ ... ]]", "for ((", "variables", "{ ... }")
		slices.Sort(all)
	case "setopt":
		for _, o := range sh.opts.list() {
			all = append(all, o.name)
		}
	case "shopt":
		all = shoptNames()
	case "signal":
		all = append(all, "EXIT")
		for sig := kernel.Signal(1); sig <= kernel.MaxSignal; sig++ {
			all = append(all, sig.String())
		}
		all = append(all, "DEBUG", "ERR", "RETURN")
	case "job", "running", "stopped":
		for _, j := range sh.jobs.list {
			if action == "job" || action == "stopped" == j.stopped() {
				all = append(all, j.text)
			}
		}
	case "user":
		all = sh.firstFields("/etc/passwd", ":")
	case "group":
		all = sh.firstFields("/etc/group", ":")
	case "service":
		all = sh.firstFields("/etc/services", " \t")
	case "hostname":
		for _, line := range sh.linesOf("/etc/hosts") {
			if f := strings.Fields(line); len(f) > 1 {
				all = append(all, f[1:]...)
			}
		}
		slices.Sort(all)
		all = slices.Compact(all)
	case "binding":
		all = slices.Clone(lineFunctions())
	}
	return all
}

// linesOf reads a file of the container without comments.
func (sh *shell) linesOf(file string) []string {
	data, err := sh.p.Files().ReadFile(file)
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(strings.Split(string(data), "\n"), func(line string) bool { return line == "" || line[0] == '#' })
}

func (sh *shell) firstFields(file, separators string) []string {
	var all []string
	for _, line := range sh.linesOf(file) {
		if i := strings.IndexAny(line, separators); i > 0 {
			line = line[:i]
		}
		all = append(all, line)
	}
	return all
}

// wordList parts the text of -W at IFS, where it is not quoted, and expands the words.
func (sh *shell) wordList(text string) []string {
	ifs := sh.getOr("IFS", " \t\n")
	if sh.vars.vars["IFS"] == nil {
		ifs = " \t\n"
	}
	b := brackets{text: text, nested: -1}
	f := fieldBuilder{sh: sh, split: true, noGlob: true}
	from := 0
	take := func() {
		if word := text[from:b.at]; word != "" {
			f.word(&syntax.Word{Parts: sh.parseListed(word)})
		}
	}
	for b.at < len(text) {
		if len(b.stack) == 0 && strings.IndexByte(ifs, text[b.at]) >= 0 {
			take()
			b.at++
			from = b.at
			continue
		}
		b.step()
	}
	b.at = len(text)
	take()
	return f.fields
}

// parseListed parses a part of the text of -W as one word, whatever blanks and operators are in it.
func (sh *shell) parseListed(text string) []syntax.WordPart {
	var word strings.Builder
	b := brackets{text: text, nested: -1}
	for b.at < len(text) {
		if c := text[b.at]; len(b.stack) == 0 && strings.IndexByte(" \t\n;&|<>()#", c) >= 0 {
			if c == '\n' {
				word.WriteString("'\n'")
			} else {
				word.WriteString(`\` + string(c))
			}
			b.at++
			continue
		}
		from := b.at
		b.step()
		word.WriteString(text[from:b.at])
	}
	if len(b.stack) > 0 && b.stack[0].kind == '{' {
		sh.fail(1, "%s: bad substitution", text)
	}
	return sh.parseWord(word.String())
}

// functionReplies calls a completion function and takes what it leaves in COMPREPLY.
func (sh *shell) functionReplies(name string, r *compRequest) []string {
	f := sh.funcs.byName[name]
	if f == nil {
		sh.writeError(sh.name + ": warning: completion: function `" + name + "' not found\n")
		return nil
	}
	sh.compVariables(r)
	sh.setList("COMP_WORDS", r.words)
	sh.assign("COMP_CWORD", itoa(int64(r.index)))
	defer func() {
		for _, name := range []string{"COMPREPLY", "COMP_WORDS", "COMP_CWORD", "COMP_LINE", "COMP_POINT", "COMP_TYPE", "COMP_KEY"} {
			sh.unset(name)
		}
	}()
	sh.callFunction(f, []string{name, r.command, r.word, r.previous}, nil)
	r.retry = sh.status == 124
	if v := sh.lookup("COMPREPLY"); v != nil {
		return slices.Clone(v.elements())
	}
	return nil
}

func (sh *shell) compVariables(r *compRequest) {
	sh.assign("COMP_LINE", r.line)
	sh.assign("COMP_POINT", itoa(int64(r.point)))
	sh.assign("COMP_TYPE", "9")
	sh.assign("COMP_KEY", "9")
}

// commandReplies runs a command in a subshell and takes the lines that it prints.
func (sh *shell) commandReplies(command string, r *compRequest) []string {
	text := command + " " + quotePlain(r.command) + " " + quotePlain(r.word) + " " + quotePlain(r.previous)
	out, _ := sh.outputOf(func(sub *shell) {
		sub.compVariables(r)
		for _, name := range []string{"COMP_LINE", "COMP_POINT", "COMP_TYPE", "COMP_KEY"} {
			sub.export(name)
		}
		sub.evaluate("-c", text)
	})
	if out == "" {
		return nil
	}
	return strings.Split(strings.ReplaceAll(out, "\\\n", ""), "\n")
}

// filtered drops the names that the pattern of -X matches, or with ! before it those that it does not.
func (sh *shell) filtered(names []string, filter, word string) []string {
	filter, keep := strings.CutPrefix(filter, "!")
	var b strings.Builder
	for i := 0; i < len(filter); i++ {
		switch {
		case filter[i] == '\\' && i+1 < len(filter) && filter[i+1] == '&':
			b.WriteByte('&')
			i++
		case filter[i] == '&':
			b.WriteString(word)
		default:
			b.WriteByte(filter[i])
		}
	}
	p := sh.cache.get(b.String(), sh.patternMode())
	return slices.DeleteFunc(names, func(name string) bool { return p.match(name) != keep })
}
