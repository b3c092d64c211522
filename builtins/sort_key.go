package builtins

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// sortKey is a key as -k declares it; the positions count from 0.
type sortKey struct {
	startField, startChar int
	endField, endChar     int // endField -1: to the end of the line; endChar 0: to the end of the field
	skipStart, skipEnd    bool
	kind                  byte // n g h M V R, or 0 for text
	reverse, dictionary   bool
	fold, printing        bool
	kinds                 string // all kinds that were asked for, to find conflicts
}

// set takes an option letter; start and end say to which of the positions a "b" belongs.
func (k *sortKey) set(letter byte, start, end bool) bool {
	switch letter {
	case 'b':
		k.skipStart = k.skipStart || start
		k.skipEnd = k.skipEnd || end
	case 'd':
		k.dictionary = true
	case 'f':
		k.fold = true
	case 'i':
		k.printing = true
	case 'r':
		k.reverse = true
	case 'g', 'h', 'M', 'n', 'R', 'V':
		k.kind = letter
		if strings.IndexByte(k.kinds, letter) < 0 {
			k.kinds += string(letter)
		}
	default:
		return false
	}
	return true
}

func (k *sortKey) plain() bool {
	return !k.skipStart && !k.skipEnd && !k.dictionary && !k.fold && !k.printing && !k.reverse && k.kind == 0
}

func (k *sortKey) onlyReverse() bool {
	other := *k
	other.reverse = false
	return other.plain()
}

func (k *sortKey) inherit(g sortKey) {
	k.skipStart, k.skipEnd, k.dictionary, k.fold = g.skipStart, g.skipEnd, g.dictionary, g.fold
	k.printing, k.reverse, k.kind, k.kinds = g.printing, g.reverse, g.kind, g.kinds
}

// conflict names options that exclude each other, as GNU does: "gn".
func (k *sortKey) conflict() string {
	letters := ""
	for _, c := range "dfghiMnRV" {
		switch {
		case c == 'd' && k.dictionary, c == 'i' && k.printing && !k.dictionary, strings.ContainsRune(k.kinds, c):
			letters += string(c)
		}
	}
	numeric := len(strings.Trim(k.kinds, "RV"))
	if len(k.kinds) > 1 || numeric > 0 && (k.dictionary || k.printing) {
		return letters
	}
	return ""
}

// parseSortKey reads "2,3", "1.2n,1.5r".
func parseSortKey(text string) (k sortKey, problem string) {
	rest := text
	number := func(what string) (int, string) {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		if digits == 0 {
			return 0, fmt.Sprintf("%s: invalid count at start of %s", what, quote(rest))
		}
		n, err := strconv.Atoi(rest[:digits])
		if err != nil {
			n = 1 << 30
		}
		rest = rest[digits:]
		return n, ""
	}
	letters := func(start, end bool) {
		for rest != "" && k.set(rest[0], start, end) {
			rest = rest[1:]
		}
	}
	n, problem := number("invalid number at field start")
	if problem != "" {
		return k, problem
	}
	if n == 0 {
		return k, "field number is zero: invalid field specification " + quote(text)
	}
	k.startField = n - 1
	if strings.HasPrefix(rest, ".") {
		rest = rest[1:]
		if n, problem = number("invalid number after '.'"); problem != "" {
			return k, problem
		}
		if n == 0 {
			return k, "character offset is zero: invalid field specification " + quote(text)
		}
		k.startChar = n - 1
	}
	letters(true, false)
	k.endField = -1
	if strings.HasPrefix(rest, ",") {
		rest = rest[1:]
		if n, problem = number("invalid number after ','"); problem != "" {
			return k, problem
		}
		if n == 0 {
			return k, "field number is zero: invalid field specification " + quote(text)
		}
		k.endField = n - 1
		if strings.HasPrefix(rest, ".") {
			rest = rest[1:]
			if k.endChar, problem = number("invalid number after '.'"); problem != "" {
				return k, problem
			}
		}
		letters(false, true)
	}
	if rest != "" {
		return k, "stray character in field spec: invalid field specification " + quote(text)
	}
	return k, ""
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' }

// extent is the part of the line that the key is about.
func (k *sortKey) extent(line []byte, tab int) []byte {
	from := k.begin(line, tab)
	to := len(line)
	if k.endField >= 0 {
		to = k.limit(line, tab)
	}
	return line[from:max(from, to)]
}

func (k *sortKey) begin(line []byte, tab int) int {
	at := 0
	for n := k.startField; n > 0 && at < len(line); n-- {
		at = skipField(line, at, tab)
		if tab >= 0 && at < len(line) {
			at++
		}
	}
	if k.skipStart {
		for at < len(line) && isBlank(line[at]) {
			at++
		}
	}
	return min(at+k.startChar, len(line))
}

func (k *sortKey) limit(line []byte, tab int) int {
	at, field := 0, k.endField
	if k.endChar == 0 {
		field++
	}
	for n := field; n > 0 && at < len(line); n-- {
		at = skipField(line, at, tab)
		if tab >= 0 && at < len(line) && (n > 1 || k.endChar != 0) {
			at++
		}
	}
	if k.endChar != 0 {
		if k.skipEnd {
			for at < len(line) && isBlank(line[at]) {
				at++
			}
		}
		at = min(at+k.endChar, len(line))
	}
	return at
}

// skipField returns where the field that begins at at ends. Without a separator blanks belong to the field after them.
func skipField(line []byte, at, tab int) int {
	if tab >= 0 {
		if i := bytes.IndexByte(line[at:], byte(tab)); i >= 0 {
			return at + i
		}
		return len(line)
	}
	for at < len(line) && isBlank(line[at]) {
		at++
	}
	for at < len(line) && !isBlank(line[at]) {
		at++
	}
	return at
}

func (k *sortKey) compare(a, b, salt []byte) int {
	c := 0
	if k.dictionary || k.fold || k.printing {
		if k.kind == 0 || k.kind == 'V' || k.kind == 'R' {
			a, b = k.filter(a), k.filter(b)
		}
	}
	switch k.kind {
	case 'n':
		c = compareNumbers(a, b)
	case 'g':
		c = compareFloats(a, b)
	case 'h':
		c = compareHuman(a, b)
	case 'M':
		c = monthOf(a) - monthOf(b)
	case 'V':
		c = compareVersions(string(a), string(b))
	case 'R':
		c = bytes.Compare(randomHash(salt, a), randomHash(salt, b))
	default:
		c = bytes.Compare(a, b)
	}
	if k.reverse {
		return -c
	}
	return c
}

// filter leaves out what -d and -i ignore, and folds for -f.
func (k *sortKey) filter(b []byte) []byte {
	kept := make([]byte, 0, len(b))
	for _, c := range b {
		if k.dictionary && !isBlank(c) && (!isWord(c) || c == '_') || k.printing && (c < 32 || c > 126) {
			continue
		}
		if k.fold && c >= 'a' && c <= 'z' {
			c -= 32
		}
		kept = append(kept, c)
	}
	return kept
}
