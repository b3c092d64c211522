package builtins

import (
	"bytes"
	"io"
	"math"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"
)

// cutRange is a range of positions counted from 1, both ends included.
type cutRange struct{ from, to int }

func cut(p *Process) int {
	u := usage{
		synopsis: "OPTION... [FILE]...",
		about:    "Print selected parts of lines from each FILE to standard output.",
		options: []string{"b bytes=", "c characters=", "d delimiter=", "f fields=", "n", "complement",
			"s only-delimited", "output-delimiter=", "z zero-terminated"},
	}
	opts, names, status, done := p.parse(u)
	if done {
		return status
	}
	mode, list, delim, onlyDelimited, complement := "", "", "\t", false, false
	outDelim, end := []byte(nil), byte('\n')
	hasDelim := false
	for _, o := range opts {
		switch o.name {
		case "b", "c", "f":
			if mode != "" {
				p.Errorf("only one list may be specified")
				return p.tryHelp(u)
			}
			mode, list = o.name, o.value
		case "d":
			if len(o.value) > 1 && utf8.RuneCountInString(o.value) != 1 {
				p.Errorf("the delimiter must be a single character")
				return p.tryHelp(u)
			}
			if delim, hasDelim = o.value, true; delim == "" {
				delim = "\x00"
			}
		case "s":
			onlyDelimited = true
		case "complement":
			complement = true
		case "output-delimiter":
			outDelim = []byte(o.value)
			if o.value == "" {
				outDelim = []byte{0}
			}
		case "z":
			end = 0
		}
	}
	problem := ""
	switch {
	case mode == "":
		problem = "you must specify a list of bytes, characters, or fields"
	case hasDelim && mode != "f":
		problem = "an input delimiter may be specified only when operating on fields"
	case onlyDelimited && mode != "f":
		problem = "suppressing non-delimited lines makes sense\n\tonly when operating on fields"
	}
	var ranges []cutRange
	if problem == "" {
		ranges, problem = parseCutList(list, mode == "f")
	}
	if problem != "" {
		p.Errorf("%s", problem)
		return p.tryHelp(u)
	}
	if complement {
		ranges = complementRanges(ranges)
	}
	out := p.output()
	status = p.forInputs(names, func(_ string, r io.Reader) error {
		return eachLine(r, end, func(line []byte, _ bool) bool {
			if mode == "f" {
				cutFields(out, line, ranges, []byte(delim), outDelim, onlyDelimited, end)
				return !out.broken()
			}
			cutParts(out, line, ranges, outDelim, mode == "c")
			out.WriteByte(end)
			return !out.broken()
		})
	})
	return out.finish(status)
}

// parseCutList reads "1,3-5,-2,7-" and sorts and joins the ranges.
func parseCutList(list string, fields bool) ([]cutRange, string) {
	what, position := "byte/character position", "byte/character positions are numbered from 1"
	if fields {
		what, position = "field value", "fields are numbered from 1"
	}
	var ranges []cutRange
	for _, item := range strings.FieldsFunc(list, func(c rune) bool { return c == ',' || c == ' ' || c == '\t' }) {
		from, to, isRange := strings.Cut(item, "-")
		r := cutRange{1, math.MaxInt}
		for i, text := range []string{from, to} {
			if text == "" {
				continue
			}
			n, err := strconv.Atoi(text)
			if err != nil || n < 0 {
				if fields {
					return nil, "invalid field value " + quote(text)
				}
				return nil, "invalid " + what + " " + quote(text)
			}
			if n == 0 {
				return nil, position
			}
			if i == 0 {
				r.from = n
			} else {
				r.to = n
			}
		}
		switch {
		case from == "" && to == "":
			if isRange {
				return nil, "invalid range with no endpoint: -"
			}
			return nil, position
		case !isRange:
			r.to = r.from
		case r.to < r.from:
			return nil, "invalid decreasing range"
		}
		ranges = append(ranges, r)
	}
	if len(ranges) == 0 {
		return nil, position
	}
	sort.SliceStable(ranges, func(i, j int) bool { return ranges[i].from < ranges[j].from })
	joined := ranges[:1]
	for _, r := range ranges[1:] {
		last := &joined[len(joined)-1]
		if r.from <= last.to {
			last.to = max(last.to, r.to)
		} else {
			joined = append(joined, r)
		}
	}
	return joined, ""
}

func complementRanges(ranges []cutRange) []cutRange {
	var rest []cutRange
	next := 1
	for _, r := range ranges {
		if r.from > next {
			rest = append(rest, cutRange{next, r.from - 1})
		}
		if r.to == math.MaxInt {
			return rest
		}
		next = r.to + 1
	}
	return append(rest, cutRange{next, math.MaxInt})
}

func cutFields(out *output, line []byte, ranges []cutRange, delim, outDelim []byte, only bool, end byte) {
	if !bytes.Contains(line, delim) {
		if !only {
			out.line(line, end)
		}
		return
	}
	if outDelim == nil {
		outDelim = delim
	}
	printed := false
	for n := 1; len(ranges) > 0; n++ {
		field, rest, more := bytes.Cut(line, delim)
		for len(ranges) > 0 && n > ranges[0].to {
			ranges = ranges[1:]
		}
		if len(ranges) == 0 {
			break
		}
		if n >= ranges[0].from {
			if printed {
				out.Writer.Write(outDelim)
			}
			out.Writer.Write(field)
			printed = true
		}
		if !more {
			break
		}
		line = rest
	}
	out.WriteByte(end)
}

func cutParts(out *output, line []byte, ranges []cutRange, outDelim []byte, chars bool) {
	offset := func(n int) int { return min(n, len(line)) }
	if chars && !isASCII(line) {
		var starts []int
		for i := 0; i < len(line); {
			starts = append(starts, i)
			_, size := utf8.DecodeRune(line[i:])
			i += size
		}
		offset = func(n int) int {
			if n >= len(starts) {
				return len(line)
			}
			return starts[n]
		}
	}
	printed := false
	for _, r := range ranges {
		from, to := offset(r.from-1), offset(r.to)
		if from >= len(line) {
			return
		}
		if printed {
			out.Writer.Write(outDelim)
		}
		out.Writer.Write(line[from:to])
		printed = true
	}
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
