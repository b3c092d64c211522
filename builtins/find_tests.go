package builtins

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/sockerless/sockerless/store/rootfs"
)

// findNumber reads N, +N and -N: exactly, more, less.
func findNumber(text string) (cmp byte, n int64, ok bool) {
	if text != "" && (text[0] == '+' || text[0] == '-') {
		cmp, text = text[0], text[1:]
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return cmp, n, err == nil && n >= 0
}

func compareNumber(cmp byte, got, want int64) bool {
	switch cmp {
	case '+':
		return got > want
	case '-':
		return got < want
	}
	return got == want
}

func findEmpty(f *finder, e *found) bool {
	if e.info.IsDir() {
		entries, err := f.p.Files.ReadDir(e.path)
		if err != nil {
			f.fail("%s: %s", quote(e.path), strerror(err))
		}
		return err == nil && len(entries) == 0
	}
	return e.info.Mode().IsRegular() && e.info.Size() == 0
}

func findPattern(word, pattern string) findTest {
	flags := 0
	if word[1] == 'i' {
		flags = fnmatchFold
		word = "-" + word[2:]
	}
	return func(f *finder, e *found) bool {
		switch word {
		case "-name":
			return fnmatch(pattern, lastElement(e.path), flags)
		case "-lname":
			if e.info.Mode()&fs.ModeSymlink == 0 {
				return false
			}
			link, err := f.p.Files.Readlink(e.path)
			return err == nil && fnmatch(pattern, link, flags)
		}
		return fnmatch(pattern, e.path, flags)
	}
}

func (ps *findParser) regex(pattern string, fold bool) (findTest, error) {
	o := RegexpOptions{IgnoreCase: fold}
	switch ps.f.regexType {
	case "posix-extended", "posix-egrep", "egrep", "awk", "gnu-awk", "posix-awk":
		o.Extended = true
	case "emacs", "findutils-default":
		// Emacs' syntax is the basic one with + and ? as operators.
		pattern = emacsPattern(pattern)
	}
	re, err := CompileRegexp(pattern, o)
	if err != nil {
		return nil, fmt.Errorf("failed to compile regular expression '%s': %s", pattern, err)
	}
	return func(_ *finder, e *found) bool {
		loc := re.Find([]byte(e.path))
		return loc != nil && loc[0] == 0 && loc[1] == len(e.path)
	}, nil
}

// emacsPattern writes an Emacs regular expression as a GNU basic one: + and ? are operators there, \+ and \? are not.
func emacsPattern(pattern string) string {
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		c := pattern[i]
		switch {
		case c == '\\' && i+1 < len(pattern):
			i++
			if pattern[i] != '+' && pattern[i] != '?' {
				b.WriteByte('\\')
			}
			b.WriteByte(pattern[i])
		case c == '[':
			end := i + 1
			if end < len(pattern) && pattern[end] == '^' {
				end++
			}
			if end < len(pattern) && pattern[end] == ']' {
				end++
			}
			for end < len(pattern) && pattern[end] != ']' {
				end++
			}
			end = min(end, len(pattern)-1)
			b.WriteString(pattern[i : end+1])
			i = end
		case (c == '+' || c == '?') && i > 0:
			b.WriteByte('\\')
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

func findType(word, value string) (findTest, error) {
	for _, letter := range strings.Split(value, ",") {
		if len(letter) != 1 || !strings.Contains("bcdflps", letter) {
			if letter == "" {
				return nil, fmt.Errorf("Arguments to %s should contain at least one letter", word)
			}
			return nil, fmt.Errorf("Unknown argument to %s: %s", word, value)
		}
	}
	return func(f *finder, e *found) bool {
		info := e.info
		if word == "-xtype" {
			stat := f.p.Files.Stat
			if f.follow == 'L' {
				stat = f.p.Files.Lstat
			}
			if target, err := stat(e.path); err == nil {
				info = target
			}
		}
		letter := kindLetter(info.Mode())
		if letter == '-' {
			letter = 'f'
		}
		return strings.IndexByte(value, letter) >= 0
	}, nil
}

func findSize(value string) (findTest, error) {
	units := map[byte]int64{'b': 512, 'c': 1, 'w': 2, 'k': 1 << 10, 'M': 1 << 20, 'G': 1 << 30}
	text, unit := value, int64(512)
	if value != "" {
		if u, ok := units[value[len(value)-1]]; ok {
			text, unit = value[:len(value)-1], u
		} else if last := value[len(value)-1]; last < '0' || last > '9' {
			return nil, fmt.Errorf("invalid -size type `%c'", last)
		}
	}
	cmp, n, ok := findNumber(text)
	if !ok {
		return nil, fmt.Errorf("Invalid argument `%s' to -size", value)
	}
	return func(_ *finder, e *found) bool { return compareNumber(cmp, (e.info.Size()+unit-1)/unit, n) }, nil
}

func findAge(f *finder, word, value string, unit time.Duration) (findTest, error) {
	text, cmp := value, byte(0)
	if text != "" && (text[0] == '+' || text[0] == '-') {
		cmp, text = text[0], text[1:]
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil, fmt.Errorf("invalid argument `%s' to `%s'", value, word)
	}
	now := f.now
	if f.dayStart && unit == time.Minute {
		now = f.now.Add(-24 * time.Hour)
	}
	span := time.Duration(n * float64(unit))
	return func(_ *finder, e *found) bool {
		t, err := fileTime(e.info, word[1])
		age := now.Sub(t)
		switch {
		case err != nil:
			return false
		case cmp == '+' && unit == time.Minute:
			return age > span
		case cmp == '+':
			return age >= span+unit
		case cmp == '-':
			return age < span
		case unit == time.Minute:
			return age > span-unit && age <= span
		}
		return age >= span && age < span+unit
	}, nil
}

func findPerm(value string) (findTest, error) {
	how, text := byte(0), value
	if text != "" && (text[0] == '-' || text[0] == '/') {
		how, text = text[0], text[1:]
	}
	change, err := parseMode(text)
	if err != nil {
		return nil, fmt.Errorf("invalid mode %s", quote(value))
	}
	want := rootfs.UnixMode(change.apply(0, false, 0))
	return func(_ *finder, e *found) bool {
		bits := rootfs.UnixMode(e.info.Mode())
		switch how {
		case '-':
			return bits&want == want
		case '/':
			return bits&want != 0 || want == 0
		}
		return bits == want
	}, nil
}
