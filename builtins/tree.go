package builtins

import (
	"fmt"
	"io/fs"
	"strings"
)

// treeCall is a call of tree.
type treeCall struct {
	p                   *Process
	out                 *output
	all, dirsOnly, full bool
	depth               int // 0: any
	ignore              []string
	dirs, files         int
}

func tree(p *Process) int {
	opts, names, status, done := p.parse(usage{synopsis: "[OPTION]... [DIRECTORY]...", about: "List directories as a tree.", options: []string{"a", "d", "f", "L=", "I=", "noreport", "charset="}})
	if done {
		return status
	}
	c := treeCall{p: p, out: p.output()}
	report := true
	for _, o := range opts {
		switch o.name {
		case "a":
			c.all = true
		case "d":
			c.dirsOnly = true
		case "f":
			c.full = true
		case "L":
			if c.depth = atoiOr(o.value, 0); c.depth < 1 {
				p.Errorf("Invalid level, must be greater than 0.")
				return 1
			}
		case "I":
			c.ignore = append(c.ignore, strings.Split(o.value, "|")...)
		case "noreport":
			report = false
		case "charset":
			if !strings.EqualFold(o.value, "utf-8") {
				p.Errorf("only the charset UTF-8 is supported")
				return 1
			}
		}
	}
	if len(names) == 0 {
		names = []string{"."}
	}
	for _, name := range names {
		info, err := p.Files.Stat(name)
		if err != nil || !info.IsDir() {
			fmt.Fprintf(c.out, "%s  [error opening dir]\n", name)
			status = 2
			continue
		}
		c.dirs++
		c.out.WriteString(name + "\n")
		c.walk(name, "", 1)
	}
	if report {
		count := func(n int, one, many string) string {
			if n == 1 {
				return "1 " + one
			}
			return itoa(n) + " " + many
		}
		text := count(c.dirs, "directory", "directories")
		if !c.dirsOnly {
			text += ", " + count(c.files, "file", "files")
		}
		c.out.WriteString("\n" + text + "\n")
	}
	return c.out.finish(status)
}

func (c *treeCall) walk(dir, indent string, level int) {
	if c.depth > 0 && level > c.depth || c.out.broken() {
		return
	}
	entries, err := c.p.Files.ReadDir(dir)
	if err != nil {
		c.p.Errorf("%s: %s", dir, strerror(err))
		return
	}
	var shown []fs.DirEntry
	for _, e := range entries {
		if (c.all || !strings.HasPrefix(e.Name(), ".")) && (!c.dirsOnly || e.IsDir()) && !matchesAny(c.ignore, e.Name()) {
			shown = append(shown, e)
		}
	}
	for i, e := range shown {
		branch, below := "├── ", "│\u00a0\u00a0 "
		if i == len(shown)-1 {
			branch, below = "└── ", "    "
		}
		name := joinName(dir, e.Name())
		text := e.Name()
		if c.full {
			text = name
		}
		if e.Type()&fs.ModeSymlink != 0 {
			if target, err := c.p.Files.Readlink(name); err == nil {
				text += " -> " + target
			}
		}
		c.out.WriteString(indent + branch + text + "\n")
		if e.IsDir() {
			c.dirs++
			c.walk(name, indent+below, level+1)
		} else {
			c.files++
		}
	}
}
