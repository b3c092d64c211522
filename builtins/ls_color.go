package builtins

import (
	"io/fs"
	"strings"
)

// lsColors are the colours of --color: dircolors' built-in ones, changed by LS_COLORS.
type lsColors struct {
	kinds    map[string]string
	suffixes [][2]string
	used     bool
}

func newLsColors(variable string) *lsColors {
	c := &lsColors{kinds: map[string]string{"di": "01;34", "ln": "01;36", "pi": "33", "so": "01;35", "bd": "01;33", "cd": "01;33",
		"ex": "01;32", "su": "37;41", "sg": "30;43", "tw": "30;42", "ow": "34;42", "st": "37;44"}}
	for _, part := range strings.Split(variable, ":") {
		key, value, ok := strings.Cut(part, "=")
		switch {
		case !ok:
		case strings.HasPrefix(key, "*"):
			c.suffixes = append(c.suffixes, [2]string{key[1:], value})
		default:
			c.kinds[key] = value
		}
	}
	return c
}

// of is the colour of a file, "" for none.
func (c *lsColors) of(name string, m fs.FileMode, broken bool) string {
	switch kindLetter(m) {
	case 'd':
		switch {
		case m&fs.ModeSticky != 0 && m&0o002 != 0:
			return c.kinds["tw"]
		case m&0o002 != 0:
			return c.kinds["ow"]
		case m&fs.ModeSticky != 0:
			return c.kinds["st"]
		}
		return c.kinds["di"]
	case 'l':
		if broken && c.kinds["or"] != "" {
			return c.kinds["or"]
		}
		return c.kinds["ln"]
	case 'p':
		return c.kinds["pi"]
	case 's':
		return c.kinds["so"]
	case 'b':
		return c.kinds["bd"]
	case 'c':
		return c.kinds["cd"]
	}
	switch {
	case m&fs.ModeSetuid != 0:
		return c.kinds["su"]
	case m&fs.ModeSetgid != 0:
		return c.kinds["sg"]
	case m&0o111 != 0:
		return c.kinds["ex"]
	}
	for i := len(c.suffixes) - 1; i >= 0; i-- {
		if strings.HasSuffix(name, c.suffixes[i][0]) {
			return c.suffixes[i][1]
		}
	}
	return c.kinds["fi"]
}

func (c *lsColors) paint(text, color string) string {
	if color == "" || color == "0" || color == "00" {
		return text
	}
	start := ""
	if !c.used {
		c.used = true
		start = "\x1b[0m"
	}
	return start + "\x1b[" + color + "m" + text + "\x1b[0m"
}

// colored is an entry's name as shown, in its colour.
func (l *lister) colored(e *lsEntry) string {
	if l.colors == nil {
		return e.text
	}
	return l.colors.paint(e.text, l.colors.of(e.name, e.info.Mode(), e.broken))
}

// coloredTarget is what a link holds, in the colour of what it leads to.
func (l *lister) coloredTarget(e *lsEntry) string {
	text := l.quote(e.link)
	c := l.colors
	// GNU looks at what the link leads to only where that can matter.
	if c == nil || c.kinds["or"] == "" && c.kinds["mi"] == "" && l.indicator != 'F' && l.indicator != 'f' {
		return text
	}
	if e.broken {
		return l.colors.paint(text, l.colors.kinds["mi"])
	}
	return l.colors.paint(text, l.colors.of(e.link, e.target, false))
}

// knownTerminal says whether dircolors' database has the terminal.
func knownTerminal(term string) bool {
	for _, pattern := range strings.Fields("Eterm ansi *color* con[0-9]*x[0-9]* cons25 console cygwin *direct* dtterm gnome hurd jfbterm konsole kterm linux" +
		" linux-c mlterm putty rxvt* screen* st terminator tmux* vt100 xterm*") {
		if fnmatch(pattern, term, 0) {
			return true
		}
	}
	return false
}
