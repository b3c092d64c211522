package builtins

import (
	"io"
	"strings"
	"time"
)

var dateUsage = usage{
	synopsis: "[OPTION]... [+FORMAT]",
	about:    "Display date and time in the given FORMAT.",
	options:  []string{"d date=", "debug", "f file=", "I iso-8601?", "R rfc-email rfc-2822", "rfc-3339=", "r reference=", "resolution", "s set=", "u utc universal"},
}

func date(p *Process) int {
	opts, operands, status, done := p.parse(dateUsage)
	if done {
		return status
	}
	zone, format := p.location(), ""
	var text, file, reference *string
	utc := false
	setFormat := func(f string) bool {
		if format != "" {
			p.Errorf("multiple output formats specified")
			return false
		}
		format = f
		return true
	}
	for _, o := range opts {
		switch o.name {
		case "d":
			text = &o.value
		case "f":
			file = &o.value
		case "r":
			reference = &o.value
		case "I":
			formats := map[string]string{"": "%Y-%m-%d", "date": "%Y-%m-%d", "auto": "%Y-%m-%d", "hours": "%Y-%m-%dT%H%:z", "minutes": "%Y-%m-%dT%H:%M%:z", "seconds": "%Y-%m-%dT%H:%M:%S%:z",
				"ns": "%Y-%m-%dT%H:%M:%S,%N%:z"}
			f, ok := chooseFormat(formats, o.value)
			if !ok {
				return p.invalidWord("--iso-8601", o.value, strings.Fields("hours minutes date seconds ns"))
			}
			if !setFormat(f) {
				return 1
			}
		case "R":
			if !setFormat("%a, %d %b %Y %H:%M:%S %z") {
				return 1
			}
		case "rfc-3339":
			formats := map[string]string{"date": "%Y-%m-%d", "seconds": "%Y-%m-%d %H:%M:%S%:z", "ns": "%Y-%m-%d %H:%M:%S.%N%:z"}
			f, ok := chooseFormat(formats, o.value)
			if !ok {
				return p.invalidWord("--rfc-3339", o.value, strings.Fields("date seconds ns"))
			}
			if !setFormat(f) {
				return 1
			}
		case "resolution":
			p.Stdout.Write([]byte("0.000000001\n"))
			return 0
		case "s":
			p.Errorf("cannot set date: Operation not permitted")
			return 1
		case "u":
			utc = true
		}
	}
	if utc {
		zone = time.UTC
	}
	for _, arg := range operands {
		if !strings.HasPrefix(arg, "+") {
			if len(operands) > 1 && arg != operands[0] {
				return p.extraOperand(dateUsage, arg)
			}
			if strings.Trim(arg, "0123456789.") == "" {
				p.Errorf("cannot set date: Operation not permitted")
				return 1
			}
			p.Errorf("invalid date %s", quoteName(arg))
			return 1
		}
		if format != "" {
			if arg == operands[0] {
				p.Errorf("multiple output formats specified")
				return 1
			}
			return p.extraOperand(dateUsage, arg)
		}
		format = arg[1:]
		if format == "" {
			format = "%n"[:0]
			p.Stdout.Write([]byte("\n"))
			return 0
		}
	}
	if format == "" {
		format = "%a %b %e %H:%M:%S %Z %Y"
	}
	out := p.output()
	now := p.System.Now()
	show := func(text string) bool {
		t, ok := parseDate(text, now, zone)
		if !ok {
			out.Flush()
			p.Errorf("invalid date %s", quoteName(text))
			return false
		}
		out.WriteString(strftime(format, t.In(zone)) + "\n")
		return true
	}
	switch {
	case file != nil:
		in, err := p.openInput(*file)
		if err != nil {
			p.Errorf("%s: %s", quoteWord(*file), strerror(err))
			return 1
		}
		defer in.Close()
		data, err := io.ReadAll(in)
		if err != nil {
			p.Errorf("%s: %s", quoteWord(*file), strerror(err))
			return 1
		}
		for line := range strings.Lines(string(data)) {
			if !show(strings.TrimRight(line, "\n")) {
				status = 1
			}
		}
	case reference != nil:
		info, err := p.Files.Stat(*reference)
		if err != nil {
			p.Errorf("%s: %s", quoteWord(*reference), strerror(err))
			return 1
		}
		out.WriteString(strftime(format, info.ModTime().In(zone)) + "\n")
	case text != nil:
		if !show(*text) {
			status = 1
		}
	default:
		out.WriteString(strftime(format, now.In(zone)) + "\n")
	}
	return out.finish(status)
}

// chooseFormat finds a word or an unambiguous prefix of it.
func chooseFormat(formats map[string]string, word string) (string, bool) {
	if f, ok := formats[word]; ok {
		return f, true
	}
	found := ""
	for name, f := range formats {
		if strings.HasPrefix(name, word) {
			found = f
		}
	}
	return found, found != ""
}
