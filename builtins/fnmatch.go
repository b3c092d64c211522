package builtins

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Flags of fnmatch, as in fnmatch(3).
const (
	fnmatchPathname = 1 << iota // wildcards don't match a slash
	fnmatchPeriod               // a leading period must be matched by a period
	fnmatchFold                 // case does not matter
	fnmatchLeading              // the pattern may match a leading part that ends before a slash
)

// fnmatch says whether a name matches a shell pattern.
func fnmatch(pattern, name string, flags int) bool {
	if flags&fnmatchFold != 0 {
		pattern, name = strings.ToLower(pattern), strings.ToLower(name)
	}
	return matchFrom(pattern, name, flags, true)
}

func matchFrom(pattern, name string, flags int, start bool) bool {
	for pattern != "" {
		hidden := start && flags&fnmatchPeriod != 0 && strings.HasPrefix(name, ".")
		switch pattern[0] {
		case '*':
			if hidden {
				return false
			}
			rest := strings.TrimLeft(pattern, "*")
			for i := 0; i <= len(name); i++ {
				if matchFrom(rest, name[i:], flags, false) {
					return true
				}
				if i < len(name) && name[i] == '/' && flags&fnmatchPathname != 0 {
					return false
				}
			}
			return false
		case '?':
			if name == "" || hidden || name[0] == '/' && flags&fnmatchPathname != 0 {
				return false
			}
			_, n := utf8.DecodeRuneInString(name)
			pattern, name = pattern[1:], name[n:]
		case '[':
			if name == "" || hidden {
				return false
			}
			r, n := utf8.DecodeRuneInString(name)
			matched, length := matchBracket(pattern, r)
			if length == 0 { // no closing bracket: itself
				if name[0] != '[' {
					return false
				}
				pattern, name = pattern[1:], name[1:]
				break
			}
			if !matched || r == '/' && flags&fnmatchPathname != 0 {
				return false
			}
			pattern, name = pattern[length:], name[n:]
		default:
			if pattern[0] == '\\' && len(pattern) > 1 {
				pattern = pattern[1:]
			}
			if name == "" || pattern[0] != name[0] {
				return false
			}
			start = name[0] == '/' && flags&fnmatchPathname != 0
			pattern, name = pattern[1:], name[1:]
			continue
		}
		start = false
	}
	return name == "" || flags&fnmatchLeading != 0 && name[0] == '/'
}

// matchBracket matches one character with a bracket expression and gives the expression's length, 0 if it has no end.
func matchBracket(pattern string, r rune) (bool, int) {
	i := 1
	negated := false
	if i < len(pattern) && (pattern[i] == '!' || pattern[i] == '^') {
		negated = true
		i++
	}
	matched := false
	for first := true; i < len(pattern); first = false {
		if pattern[i] == ']' && !first {
			return matched != negated, i + 1
		}
		if strings.HasPrefix(pattern[i:], "[:") {
			if end := strings.Index(pattern[i:], ":]"); end > 0 {
				matched = matched || inClass(pattern[i+2:i+end], r)
				i += end + 2
				continue
			}
		}
		low, n := bracketRune(pattern[i:])
		i += n
		high := low
		if i+1 < len(pattern) && pattern[i] == '-' && pattern[i+1] != ']' {
			high, n = bracketRune(pattern[i+1:])
			i += 1 + n
		}
		matched = matched || low <= r && r <= high
	}
	return false, 0
}

func bracketRune(s string) (rune, int) {
	if s[0] == '\\' && len(s) > 1 {
		r, n := utf8.DecodeRuneInString(s[1:])
		return r, n + 1
	}
	return utf8.DecodeRuneInString(s)
}

// inClass says whether r is in a POSIX class of the C locale.
func inClass(class string, r rune) bool {
	lower, upper, digit := r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9'
	switch class {
	case "alpha":
		return lower || upper
	case "digit":
		return digit
	case "alnum":
		return lower || upper || digit
	case "lower":
		return lower
	case "upper":
		return upper
	case "space":
		return r == ' ' || r >= 9 && r <= 13
	case "blank":
		return r == ' ' || r == '\t'
	case "punct":
		return r > 32 && r < 127 && !lower && !upper && !digit
	case "print":
		return r >= 32 && r < 127
	case "graph":
		return r > 32 && r < 127
	case "cntrl":
		return r < 32 || r == 127
	case "xdigit":
		return digit || r >= 'a' && r <= 'f' || r >= 'A' && r <= 'F'
	}
	return false
}

// matchesAny says whether a name matches one of several globs.
func matchesAny(globs []string, name string) bool {
	return slices.ContainsFunc(globs, func(glob string) bool { return fnmatch(glob, name, 0) })
}
