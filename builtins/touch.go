package builtins

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"time"
)

var touchUsage = usage{
	synopsis: "[OPTION]... FILE...",
	about:    "Update the access and modification times of each FILE to the current time.",
	options:  []string{"a", "c no-create", "d date=", "f", "h no-dereference", "m", "r reference=", "t=", "time="},
}

func touch(p *Process) int {
	opts, operands, status, done := p.parse(touchUsage)
	if done {
		return status
	}
	var access, modify, noCreate, noFollow bool
	now := p.System.Now()
	atime, mtime := now, now
	var date, reference, stamp *string
	for _, o := range opts {
		switch o.name {
		case "a":
			access = true
		case "m":
			modify = true
		case "c":
			noCreate = true
		case "h":
			noFollow = true
		case "d":
			date = &o.value
		case "r":
			reference = &o.value
		case "t":
			stamp = &o.value
		case "time":
			switch o.value {
			case "atime", "access", "use":
				access = true
			case "mtime", "modify":
				modify = true
			default:
				return p.invalidWord("--time", o.value, strings.Fields("atime,access,use mtime,modify"))
			}
		}
	}
	if stamp != nil && (date != nil || reference != nil) {
		p.Errorf("cannot specify times from more than one source")
		return p.tryHelp(touchUsage)
	}
	if reference != nil {
		info, err := p.Files.Stat(*reference)
		if err != nil {
			p.Errorf("failed to get attributes of %s: %s", quoteName(*reference), strerror(err))
			return 1
		}
		atime, mtime = info.Atime(), info.ModTime()
	}
	if date != nil {
		t, ok := parseDate(*date, mtime, p.location())
		if !ok {
			p.Errorf("invalid date format %s", quote(*date))
			return 1
		}
		if reference != nil {
			atime, _ = parseDate(*date, atime, p.location())
		} else {
			atime = t
		}
		mtime = t
	}
	if stamp != nil {
		t, ok := parseStamp(*stamp, now, p.location())
		if !ok {
			p.Errorf("invalid date format %s", quote(*stamp))
			return 1
		}
		atime, mtime = t, t
	}
	if len(operands) == 0 {
		p.Errorf("missing file operand")
		return p.tryHelp(touchUsage)
	}
	if !access && !modify {
		access, modify = true, true
	}
	for _, name := range operands {
		if !p.touchOne(name, noCreate, noFollow, func(oldA, oldM time.Time) (time.Time, time.Time) {
			a, m := atime, mtime
			if !access {
				a = oldA
			}
			if !modify {
				m = oldM
			}
			return a, m
		}) {
			status = 1
		}
	}
	return status
}

func (p *Process) touchOne(name string, noCreate, noFollow bool, times func(a, m time.Time) (time.Time, time.Time)) bool {
	stat, change := p.Files.Stat, p.Files.Chtimes
	if noFollow {
		stat, change = p.Files.Lstat, p.Files.Lchtimes
	}
	info, err := stat(name)
	if errors.Is(err, syscall.ENOENT) {
		if noCreate || noFollow {
			if noCreate {
				return true
			}
			p.Errorf("setting times of %s: %s", quoteName(name), strerror(err))
			return false
		}
		file, openErr := p.Files.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o666)
		if openErr != nil {
			p.Errorf("cannot touch %s: %s", quoteName(name), strerror(openErr))
			return false
		}
		file.Close()
		info, err = stat(name)
	}
	if err != nil {
		p.Errorf("cannot touch %s: %s", quoteName(name), strerror(err))
		return false
	}
	a, m := times(info.Atime(), info.ModTime())
	if err := change(name, a, m); err != nil {
		p.Errorf("setting times of %s: %s", quoteName(name), strerror(err))
		return false
	}
	return true
}

// parseStamp reads touch -t's [[CC]YY]MMDDhhmm[.ss].
func parseStamp(text string, now time.Time, zone *time.Location) (time.Time, bool) {
	digits, seconds, has := strings.Cut(text, ".")
	if strings.Trim(digits+seconds, "0123456789") != "" || has && len(seconds) != 2 {
		return time.Time{}, false
	}
	year := now.In(zone).Year()
	switch len(digits) {
	case 8:
	case 10:
		year = atoiOr(digits[:2], 0)
		if year < 69 {
			year += 100
		}
		year += 1900
		digits = digits[2:]
	case 12:
		year = atoiOr(digits[:4], 0)
		digits = digits[4:]
	default:
		return time.Time{}, false
	}
	part := func(i int) int { return atoiOr(digits[i:i+2], 0) }
	t := time.Date(year, time.Month(part(0)), part(2), part(4), part(6), atoiOr(seconds, 0), 0, zone)
	ok := int(t.Month()) == part(0) && t.Day() == part(2) && t.Hour() == part(4) && t.Minute() == part(6)
	return t, ok
}
