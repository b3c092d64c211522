package builtins

import (
	"bytes"
	"crypto/md5"
	"crypto/rand"
	"io"
	"os"
	"slices"
	"strings"
)

// sorter is a call of sort.
type sorter struct {
	keys    []sortKey
	global  sortKey // what applies to keys without options of their own, and to the whole line without keys
	tab     int     // field separator, -1: the empty text between non-blank and blank
	delim   byte
	stable  bool
	unique  bool
	reverse bool // of the last resort
	salt    []byte
}

func sortCommand(p *Process) int {
	opts, names, status, done := p.parse(usage{
		synopsis: "[OPTION]... [FILE]...",
		about:    "Write sorted concatenation of all FILE(s) to standard output.",
		status:   2,
		options: []string{"b ignore-leading-blanks", "d dictionary-order", "f ignore-case", "g general-numeric-sort",
			"i ignore-nonprinting", "M month-sort", "h human-numeric-sort", "n numeric-sort", "R random-sort", "r reverse",
			"V version-sort", "sort=", "c", "check?", "C", "m merge", "o output=", "s stable", "S buffer-size=",
			"t field-separator=", "T temporary-directory=", "parallel=", "batch-size=", "compress-program=", "u unique",
			"z zero-terminated", "k key=", "files0-from="},
	})
	if done {
		return status
	}
	s := sorter{tab: -1, delim: '\n'}
	check, merge, output := byte(0), false, ""
	for _, o := range opts {
		switch o.name {
		case "b", "d", "f", "g", "i", "M", "h", "n", "R", "r", "V":
			s.global.set(o.name[0], true, true)
		case "sort":
			kinds := map[string]byte{"general-numeric": 'g', "human-numeric": 'h', "month": 'M', "numeric": 'n', "random": 'R', "version": 'V'}
			if kinds[o.value] == 0 {
				p.Errorf("invalid argument %s for '--sort'", quote(o.value))
				return 2
			}
			s.global.set(kinds[o.value], true, true)
		case "c", "C":
			check = o.name[0]
		case "check":
			check = 'c'
			if o.value == "quiet" || o.value == "silent" {
				check = 'C'
			}
		case "m":
			merge = true
		case "o":
			output = o.value
		case "s":
			s.stable = true
		case "u":
			s.unique = true
		case "z":
			s.delim = 0
		case "t":
			switch {
			case o.value == "":
				p.Errorf("empty tab")
				return 2
			case o.value == `\0`:
				s.tab = 0
			case len(o.value) > 1:
				p.Errorf("multi-character tab %s", quote(o.value))
				return 2
			default:
				s.tab = int(o.value[0])
			}
		case "k":
			k, problem := parseSortKey(o.value)
			if problem != "" {
				p.Errorf("%s", problem)
				return 2
			}
			s.keys = append(s.keys, k)
		case "files0-from":
			list, err := p.readAll(o.value)
			if err != nil {
				p.Errorf("open failed: %s: %s", quoteWord(o.value), strerror(err))
				return 2
			}
			names = strings.Split(strings.TrimSuffix(string(list), "\x00"), "\x00")
		}
	}
	if problem := s.prepare(); problem != "" {
		p.Errorf("%s", problem)
		return 2
	}
	if len(names) == 0 {
		names = []string{"-"}
	}
	if check != 0 {
		if len(names) > 1 {
			p.Errorf("extra operand %s not allowed with -%c", quoteName(names[1]), check)
			return 2
		}
		return s.check(p, names[0], check == 'C')
	}
	runs := make([][][]byte, 0, len(names))
	for _, name := range names {
		r, err := p.openInput(name)
		if err != nil {
			p.Errorf("cannot read: %s: %s", quoteWord(name), strerror(err))
			return 2
		}
		data, err := io.ReadAll(r)
		r.Close()
		if err != nil {
			p.Errorf("read failed: %s: %s", quoteWord(name), strerror(err))
			return 2
		}
		runs = append(runs, splitLines(data, s.delim))
	}
	var lines [][]byte
	if merge {
		lines = s.merge(runs)
	} else {
		lines = slices.Concat(runs...)
		s.sort(lines)
	}
	if s.unique && len(lines) > 0 {
		lines = slices.CompactFunc(lines, func(a, b []byte) bool { return s.compareKeys(a, b) == 0 })
	}
	w := p.output()
	if output != "" {
		f, err := p.Files.OpenFile(output, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
		if err != nil {
			p.Errorf("open failed: %s: %s", quoteWord(output), strerror(err))
			return 2
		}
		defer f.Close()
		w.Reset(f)
	}
	for _, line := range lines {
		w.Writer.Write(line)
		w.Writer.WriteByte(s.delim)
		if w.broken() {
			break
		}
	}
	return w.finishOr(0, 2)
}

// prepare hands the global options down to the keys.
func (s *sorter) prepare() string {
	s.reverse = s.global.reverse
	for i := range s.keys {
		if s.keys[i].plain() {
			s.keys[i].inherit(s.global)
		}
	}
	if len(s.keys) == 0 && !s.global.plain() {
		k := s.global
		k.endField = -1
		if !(k.reverse && k.onlyReverse()) {
			s.keys = []sortKey{k}
		}
	}
	for _, k := range s.keys {
		if conflict := k.conflict(); conflict != "" {
			return "options '-" + conflict + "' are incompatible"
		}
		if k.kind == 'R' && s.salt == nil {
			s.salt = make([]byte, 16)
			rand.Read(s.salt)
		}
	}
	return ""
}

// sort sorts in place. The extent of the first key is found once for every line.
func (s *sorter) sort(lines [][]byte) {
	if len(s.keys) == 0 {
		slices.SortFunc(lines, s.compare) // equal lines are the same bytes: their order cannot be seen
		return
	}
	type entry struct {
		line, key []byte
		at        int // keeps the sort stable where it must be
	}
	entries := make([]entry, len(lines))
	for i, line := range lines {
		entries[i] = entry{line, s.keys[0].extent(line, s.tab), i}
	}
	slices.SortFunc(entries, func(a, b entry) int {
		if c := s.keys[0].compare(a.key, b.key, s.salt); c != 0 {
			return c
		}
		for i := range s.keys[1:] {
			k := &s.keys[i+1]
			if c := k.compare(k.extent(a.line, s.tab), k.extent(b.line, s.tab), s.salt); c != 0 {
				return c
			}
		}
		if c := s.lastResort(a.line, b.line); c != 0 {
			return c
		}
		return a.at - b.at
	})
	for i := range entries {
		lines[i] = entries[i].line
	}
}

func (s *sorter) merge(runs [][][]byte) [][]byte {
	var lines [][]byte
	for {
		best := -1
		for i, run := range runs {
			if len(run) > 0 && (best < 0 || s.compare(run[0], runs[best][0]) < 0) {
				best = i
			}
		}
		if best < 0 {
			return lines
		}
		lines = append(lines, runs[best][0])
		runs[best] = runs[best][1:]
	}
}

func (s *sorter) compareKeys(a, b []byte) int {
	if len(s.keys) == 0 {
		c := bytes.Compare(a, b)
		if s.reverse {
			return -c
		}
		return c
	}
	for i := range s.keys {
		k := &s.keys[i]
		if c := k.compare(k.extent(a, s.tab), k.extent(b, s.tab), s.salt); c != 0 {
			return c
		}
	}
	return 0
}

func (s *sorter) lastResort(a, b []byte) int {
	if s.stable || s.unique {
		return 0
	}
	c := bytes.Compare(a, b)
	if s.reverse {
		return -c
	}
	return c
}

func (s *sorter) compare(a, b []byte) int {
	if c := s.compareKeys(a, b); c != 0 {
		return c
	}
	return s.lastResort(a, b)
}

// check says whether the input is sorted, and where not.
func (s *sorter) check(p *Process, name string, quiet bool) int {
	r, err := p.openInput(name)
	if err != nil {
		p.Errorf("cannot read: %s: %s", quoteWord(name), strerror(err))
		return 2
	}
	defer r.Close()
	var last []byte
	n, status := 0, 0
	err = eachLine(r, s.delim, func(line []byte, _ bool) bool {
		n++
		if n > 1 {
			c := s.compare(last, line)
			if c > 0 || c == 0 && s.unique {
				if !quiet {
					p.Errorf("%s:%d: disorder: %s", quoteWord(name), n, line)
				}
				status = 1
				return false
			}
		}
		last = append(last[:0], line...)
		return true
	})
	if err != nil {
		p.Errorf("read failed: %s: %s", quoteWord(name), strerror(err))
		return 2
	}
	return status
}

// randomHash orders keys for -R: equal ones together.
func randomHash(salt, key []byte) []byte {
	sum := md5.Sum(slices.Concat(salt, key))
	return sum[:]
}
