package builtins

import (
	"errors"
	"strings"
	"syscall"
	"unicode/utf8"
)

func pathchk(p *Process) int {
	u := usage{synopsis: "[OPTION]... NAME...", about: "Diagnose invalid or unportable file names.", options: []string{"p", "P", "portability"}}
	opts, names, status, done := p.parse(u)
	if done {
		return status
	}
	var portable, basics bool
	for _, o := range opts {
		portable = portable || o.name != "P"
		basics = basics || o.name != "p"
	}
	if len(names) == 0 {
		return p.missingOperand(u)
	}
	for _, name := range names {
		if !p.checkName(name, portable, basics) {
			status = 1
		}
	}
	return status
}

// checkName complains about a name: portable by the limits that POSIX guarantees, basics for empty names and dashes.
func (p *Process) checkName(name string, portable, basics bool) bool {
	const portableChars = "/ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
	parts := strings.FieldsFunc(name, func(c rune) bool { return c == '/' })
	if basics {
		for _, part := range parts {
			if part[0] == '-' {
				p.Errorf("leading '-' in a component of file name %s", quoteName(name))
				return false
			}
		}
	}
	if name == "" && (portable || basics) {
		p.Errorf("empty file name")
		return false
	}
	pathMax, partMax := 4096, 255
	if portable {
		pathMax, partMax = 256, 14
		if i := strings.IndexFunc(name, func(c rune) bool { return !strings.ContainsRune(portableChars, c) }); i >= 0 {
			_, size := utf8.DecodeRuneInString(name[i:])
			p.Errorf("nonportable character %s in file name %s", quote(name[i:i+size]), quoteName(name))
			return false
		}
	} else if _, err := p.Files.Lstat(name); err == nil {
		return true
	} else if name == "" || !errors.Is(err, syscall.ENOENT) && !errors.Is(err, syscall.ENAMETOOLONG) {
		p.Errorf("%s: %s", quoteWord(name), strerror(err))
		return false
	}
	if len(name) >= pathMax {
		p.Errorf("limit %d exceeded by length %d of file name %s", pathMax-1, len(name), quoteName(name))
		return false
	}
	for _, part := range parts {
		if len(part) > partMax {
			p.Errorf("limit %d exceeded by length %d of file name component %s", partMax, len(part), quote(part))
			return false
		}
	}
	return true
}
