package builtins

import (
	"cmp"
	"io/fs"
	"sort"
	"strings"
	"time"
)

// sort puts entries in the order asked for; equal ones are in the order of their names.
func (l *lister) sort(entries []lsEntry) {
	if l.sortBy != 'U' {
		sort.SliceStable(entries, func(i, j int) bool {
			a, b := &entries[i], &entries[j]
			if l.dirsFirst && a.leadsToDir() != b.leadsToDir() {
				return a.leadsToDir()
			}
			order := l.compare(a, b)
			if l.reverse {
				order = -order
			}
			return order < 0
		})
	}
}

func (e *lsEntry) leadsToDir() bool { return (e.info.Mode()|e.target)&fs.ModeDir != 0 }

func (l *lister) compare(a, b *lsEntry) int {
	order := 0
	switch l.sortBy {
	case 't':
		order = l.time(b).Compare(l.time(a))
	case 'S':
		order = cmp.Compare(b.info.Size(), a.info.Size())
	case 'v':
		order = versionCompare(a.name, b.name)
	case 'X':
		order = strings.Compare(extension(a.name), extension(b.name))
	}
	if order == 0 {
		order = strings.Compare(a.name, b.name)
	}
	return order
}

func (l *lister) time(e *lsEntry) time.Time {
	switch l.timeOf {
	case 'a':
		return e.info.Atime()
	case 'c':
		return e.info.Ctime()
	}
	return e.info.ModTime()
}

func extension(name string) string {
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		return name[i:]
	}
	return ""
}

// versionCompare is gnulib's filevercmp: numbers in names compare as numbers, "~" sorts before the end.
func versionCompare(a, b string) int {
	if a == b {
		return 0
	}
	rank := func(s string) int { // "" "." ".." come first, then other dot files
		switch {
		case s == "":
			return 0
		case s == ".":
			return 1
		case s == "..":
			return 2
		case s[0] == '.':
			return 3
		}
		return 4
	}
	if ra, rb := rank(a), rank(b); ra != rb {
		return cmp.Compare(ra, rb)
	} else if ra == 3 {
		a, b = a[1:], b[1:]
	}
	pa, pb := a[:len(a)-len(versionSuffix(a))], b[:len(b)-len(versionSuffix(b))]
	if order := debianCompare(pa, pb); order != 0 {
		return order
	}
	if order := debianCompare(a, b); order != 0 {
		return order
	}
	return strings.Compare(a, b)
}

// versionSuffix is what matches (\.[A-Za-z~][A-Za-z0-9~]*)*$ of a name.
func versionSuffix(name string) string {
	end := len(name)
	for {
		dot := strings.LastIndexByte(name[:end], '.')
		if dot <= 0 || dot+1 >= end {
			return name[end:]
		}
		for i := dot + 1; i < end; i++ {
			c := name[i]
			letter := c|32 >= 'a' && c|32 <= 'z' || c == '~'
			if !letter && (i == dot+1 || c < '0' || c > '9') {
				return name[end:]
			}
		}
		end = dot
	}
}

// debianCompare is the comparison of Debian's version numbers.
func debianCompare(a, b string) int {
	weight := func(s string, i int) int {
		switch {
		case i >= len(s):
			return -1
		case s[i] == '~':
			return -2
		case s[i] >= '0' && s[i] <= '9':
			return 0
		case s[i]|32 >= 'a' && s[i]|32 <= 'z':
			return int(s[i])
		}
		return int(s[i]) + 256
	}
	digit := func(s string, i int) bool { return i < len(s) && s[i] >= '0' && s[i] <= '9' }
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		for i < len(a) && !digit(a, i) || j < len(b) && !digit(b, j) {
			if order := cmp.Compare(weight(a, i), weight(b, j)); order != 0 {
				return order
			}
			i++
			j++
		}
		for i < len(a) && a[i] == '0' {
			i++
		}
		for j < len(b) && b[j] == '0' {
			j++
		}
		first := 0
		for digit(a, i) && digit(b, j) {
			if first == 0 {
				first = cmp.Compare(a[i], b[j])
			}
			i++
			j++
		}
		switch {
		case digit(a, i):
			return 1
		case digit(b, j):
			return -1
		case first != 0:
			return first
		}
	}
	return 0
}
