package shell

import (
	"maps"
	"strings"
)

const compFlags = "abcdefgjksuv"

// compSpecOf makes a specification of the options of complete or compgen; given says that there was any.
func (sh *shell) compSpecOf(command string, args []string, more string) (c *compSpec, flags string, rest []string, given bool, status int) {
	c = &compSpec{args: map[byte]string{}}
	for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' {
		a := args[0]
		args = args[1:]
		if a == "--" {
			break
		}
		for i := 1; i < len(a); i++ {
			letter := a[i]
			given = true
			if strings.IndexByte(more, letter) >= 0 {
				flags += string(letter)
				continue
			}
			if strings.IndexByte(compFlags, letter) >= 0 {
				for j, action := range compActions {
					if action.letter == letter {
						c.actions |= 1 << j
					}
				}
				continue
			}
			if strings.IndexByte("oAGWFCXPS", letter) < 0 {
				return nil, "", nil, false, sh.badOption(command, "-"+string(letter))
			}
			value := a[i+1:]
			if value == "" {
				if len(args) == 0 {
					sh.errorf("%s: -%c: option requires an argument", command, letter)
					sh.writeError(usageOf(command))
					return nil, "", nil, false, 2
				}
				value, args = args[0], args[1:]
			}
			if !sh.compArgument(command, c, letter, value) {
				return nil, "", nil, false, 2
			}
			break
		}
	}
	return c, flags, args, given, 0
}

func (sh *shell) compArgument(command string, c *compSpec, letter byte, value string) bool {
	switch letter {
	case 'o':
		bit := optionBit(value)
		if bit == 0 {
			sh.errorf("%s: %s: invalid option name", command, value)
			return false
		}
		c.options |= bit
		return true
	case 'A':
		bit := actionBit(value)
		if bit == 0 {
			sh.errorf("%s: %s: invalid action name", command, value)
			return false
		}
		c.actions |= bit
		return true
	case 'F':
		if value == "" || strings.ContainsAny(value, "()<>;&| \t\n$") {
			sh.errorf("%s: `%s': not a valid identifier", command, value)
			return false
		}
	}
	c.args[letter] = value
	return true
}

// special is the name that -D, -E or -I stand for; "" if there is none of them.
func special(flags string) string {
	for _, f := range []struct{ letter, name string }{{"D", compDefault}, {"E", compEmpty}, {"I", compInitial}} {
		if strings.Contains(flags, f.letter) {
			return f.name
		}
	}
	return ""
}

func (sh *shell) completeBuiltin(args []string) int {
	c, flags, names, given, status := sh.compSpecOf("complete", args[1:], "prDEI")
	if status != 0 {
		return status
	}
	if name := special(flags); name != "" {
		names = []string{name}
	}
	remove, show := strings.Contains(flags, "r"), strings.Contains(flags, "p")
	switch {
	case remove && len(names) == 0:
		sh.compSpecs = nil
		return 0
	case !given && len(names) == 0, show && !remove && len(names) == 0:
		for _, name := range sh.compNames() {
			sh.showSpec(name)
		}
		return 0
	case len(names) == 0:
		sh.writeError(usageOf("complete"))
		return 2
	}
	specs := maps.Clone(sh.compSpecs)
	if specs == nil {
		specs = make(map[string]*compSpec)
	}
	for _, name := range names {
		switch {
		case !remove && !show:
			specs[name] = c
		case specs[name] == nil:
			sh.errorf("complete: %s: no completion specification", name)
			status = 1
		case remove:
			delete(specs, name)
		default:
			sh.showSpec(name)
		}
	}
	sh.compSpecs = specs
	return status
}

func (sh *shell) showSpec(name string) {
	sh.put("complete " + sh.compSpecs[name].text() + specName(name) + "\n")
}

// specName is a command's name as an argument of complete.
func specName(name string) string {
	switch name {
	case compDefault:
		return "-D"
	case compEmpty:
		return "-E"
	case compInitial:
		return "-I"
	case "":
		return "''"
	}
	if strings.ContainsAny(name, " \t\n'\"\\|&;()<>!{}*[]?^$`") {
		return quotePlain(name)
	}
	return name
}

func (sh *shell) compgen(args []string) int {
	c, _, rest, given, status := sh.compSpecOf("compgen", args[1:], "")
	if status != 0 || !given {
		return status
	}
	word := ""
	if len(rest) > 0 {
		word = rest[0]
	}
	for _, letter := range []byte("FC") {
		if _, ok := c.args[letter]; ok {
			sh.writeError(sh.where() + "compgen: warning: -" + string(letter) + " option may not work as you expect\n")
		}
	}
	r := &compRequest{command: "compgen", word: word, index: -1}
	names := sh.generate(c, r)
	if len(names) == 0 && r.option("bashdefault") {
		names = sh.candidates(word, false)
	}
	if len(names) == 0 && r.option("default") {
		names = sh.listedFiles(word, false)
	}
	for _, name := range names {
		sh.put(name + "\n")
	}
	return int(truth(len(names) == 0))
}

// compopt changes the options of specifications, or those of the completion that runs.
func (sh *shell) compopt(args []string) int {
	rest := args[1:]
	var on, off uint
	flags := ""
	for len(rest) > 0 && len(rest[0]) > 1 && (rest[0][0] == '-' || rest[0][0] == '+') {
		a := rest[0]
		rest = rest[1:]
		if a == "--" {
			break
		}
		for i := 1; i < len(a); i++ {
			switch {
			case a[i] == 'o':
				if len(rest) == 0 {
					sh.errorf("compopt: -o: option requires an argument")
					sh.writeError(usageOf("compopt"))
					return 2
				}
				bit := optionBit(rest[0])
				if bit == 0 {
					sh.errorf("compopt: %s: invalid option name", rest[0])
					return 2
				}
				rest = rest[1:]
				if a[0] == '-' {
					on |= bit
				} else {
					off |= bit
				}
			case a[0] == '-' && strings.IndexByte("DEI", a[i]) >= 0:
				flags += string(a[i])
			default:
				return sh.badOption("compopt", a[:1]+string(a[i]))
			}
		}
	}
	names := rest
	if name := special(flags); name != "" {
		names = []string{name}
	}
	if len(names) == 0 {
		switch {
		case sh.completing == nil:
			sh.errorf("compopt: not currently executing completion function")
			return 1
		case on|off == 0:
			sh.showOptions(sh.completing.command, sh.completing.options)
		default:
			sh.completing.options = sh.completing.options&^off | on
		}
		return 0
	}
	status := 0
	specs := maps.Clone(sh.compSpecs)
	for _, name := range names {
		old := specs[name]
		if old == nil {
			sh.errorf("compopt: %s: no completion specification", name)
			status = 1
			continue
		}
		if on|off == 0 {
			sh.showOptions(specName(name), old.options)
			continue
		}
		changed := *old
		changed.options = old.options&^off | on
		for other, c := range specs {
			if c == old {
				specs[other] = &changed
			}
		}
	}
	sh.compSpecs = specs
	return status
}

func (sh *shell) showOptions(name string, options uint) {
	sh.put("compopt ")
	for i, option := range compOptions {
		sign := "+"
		if options&(1<<i) != 0 {
			sign = "-"
		}
		sh.put(sign + "o " + option + " ")
	}
	sh.put(name + "\n")
}
