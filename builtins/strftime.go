package builtins

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // an image has seldom a zone database, the host of a Windows binary never
)

// location is the time zone of TZ, or of the image's /etc/localtime; UTC if there is neither.
func (p *Process) location() *time.Location {
	name, set := p.LookupEnv("TZ")
	if !set {
		if data, err := p.Files.ReadFile("/etc/localtime"); err == nil {
			if zone, err := time.LoadLocationFromTZData("Local", data); err == nil {
				return zone
			}
		}
		return time.UTC
	}
	return loadZone(name)
}

// loadZone finds "Europe/Berlin", ":Europe/Berlin" and POSIX's fixed offsets such as "UTC-2"; anything else is UTC under
// that name, as in glibc.
func loadZone(name string) *time.Location {
	name = strings.TrimPrefix(name, ":")
	if name == "" {
		return time.UTC
	}
	if name != "Local" {
		if zone, err := time.LoadLocation(name); err == nil {
			return zone
		}
	}
	letters := strings.IndexAny(name, "+-0123456789")
	if letters < 0 && len(name) >= 3 && strings.IndexByte(name, '/') < 0 {
		return time.FixedZone(name, 0)
	}
	if letters < 3 {
		return time.UTC
	}
	sign := -1 // POSIX counts west of Greenwich
	offset := name[letters:]
	switch offset[0] {
	case '-':
		sign, offset = 1, offset[1:]
	case '+':
		offset = offset[1:]
	}
	seconds, unit := 0, 3600
	for _, part := range strings.SplitN(offset, ":", 3) {
		n, err := strconv.Atoi(part)
		if err != nil {
			return time.UTC
		}
		seconds += n * unit
		unit /= 60
	}
	return time.FixedZone(name[:letters], sign*seconds)
}

// strftime formats as GNU date does in the C locale: %-d, %_d, %05d, %^a, %#Z, %:z, %N and %3N included.
func strftime(format string, t time.Time) string {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			b.WriteByte(format[i])
			continue
		}
		start := i
		d := timeDirective{width: -1}
		for i++; i < len(format) && strings.IndexByte("-_0^#+", format[i]) >= 0; i++ {
			switch format[i] {
			case '^':
				d.upper = true
			case '#':
				d.swap = true
			default:
				d.pad = format[i]
			}
		}
		for ; i < len(format) && format[i] >= '0' && format[i] <= '9'; i++ {
			d.width = max(d.width, 0)*10 + int(format[i]-'0')
		}
		for ; i < len(format) && format[i] == ':'; i++ {
			d.colons++
		}
		if i < len(format) && (format[i] == 'E' || format[i] == 'O') {
			i++
		}
		if i >= len(format) {
			b.WriteString(format[start:])
			break
		}
		text, ok := d.format(format[i], t)
		if !ok {
			text = format[start : i+1]
		}
		b.WriteString(text)
	}
	return b.String()
}

// timeDirective is a % directive with its flags.
type timeDirective struct {
	pad         byte // 0, '-', '_', '0', '+'
	upper, swap bool
	width       int // -1: the usual one
	colons      int
}

func (d timeDirective) number(n, width int, pad byte) string {
	if d.pad != 0 {
		pad = d.pad
	}
	if d.width >= 0 {
		width = d.width
	}
	switch pad {
	case '-':
		return strconv.Itoa(n)
	case '_', ' ':
		return fmt.Sprintf("%*d", width, n)
	}
	return fmt.Sprintf("%0*d", width, n)
}

func (d timeDirective) text(s string) string {
	if d.upper {
		s = strings.ToUpper(s)
	}
	if len(s) < d.width {
		fill := " "
		if d.pad == '0' {
			fill = "0"
		}
		if d.pad != '-' {
			s = strings.Repeat(fill, d.width-len(s)) + s
		}
	}
	return s
}

func (d timeDirective) format(letter byte, t time.Time) (string, bool) {
	hour12 := (t.Hour()+11)%12 + 1
	isoYear, isoWeek := t.ISOWeek()
	switch letter {
	case '%':
		return d.text("%"), true
	case 'n':
		return d.text("\n"), true
	case 't':
		return d.text("\t"), true
	case 'a':
		return d.name(t.Format("Mon")), true
	case 'A':
		return d.name(t.Format("Monday")), true
	case 'b', 'h':
		return d.name(t.Format("Jan")), true
	case 'B':
		return d.name(t.Format("January")), true
	case 'c':
		return d.text(strftime("%a %b %e %H:%M:%S %Y", t)), true
	case 'C':
		return d.number(t.Year()/100, 2, '0'), true
	case 'd':
		return d.number(t.Day(), 2, '0'), true
	case 'D', 'x':
		return d.text(strftime("%m/%d/%y", t)), true
	case 'e':
		return d.number(t.Day(), 2, '_'), true
	case 'F':
		return d.text(strftime("%Y-%m-%d", t)), true
	case 'g':
		return d.number(isoYear%100, 2, '0'), true
	case 'G':
		return d.number(isoYear, 4, '0'), true
	case 'H':
		return d.number(t.Hour(), 2, '0'), true
	case 'I':
		return d.number(hour12, 2, '0'), true
	case 'j':
		return d.number(t.YearDay(), 3, '0'), true
	case 'k':
		return d.number(t.Hour(), 2, '_'), true
	case 'l':
		return d.number(hour12, 2, '_'), true
	case 'm':
		return d.number(int(t.Month()), 2, '0'), true
	case 'M':
		return d.number(t.Minute(), 2, '0'), true
	case 'N':
		return d.nanoseconds(t), true
	case 'p':
		if d.swap {
			return d.text(strings.ToLower(t.Format("PM"))), true
		}
		return d.text(t.Format("PM")), true
	case 'P':
		return d.text(strings.ToLower(t.Format("PM"))), true
	case 'q':
		return d.number((int(t.Month())+2)/3, 1, '0'), true
	case 'r':
		return d.text(strftime("%I:%M:%S %p", t)), true
	case 'R':
		return d.text(strftime("%H:%M", t)), true
	case 's':
		return d.number(int(t.Unix()), 1, '0'), true
	case 'S':
		return d.number(t.Second(), 2, '0'), true
	case 'T', 'X':
		return d.text(strftime("%H:%M:%S", t)), true
	case 'u':
		return d.number((int(t.Weekday())+6)%7+1, 1, '0'), true
	case 'U':
		return d.number((t.YearDay()+6-int(t.Weekday()))/7, 2, '0'), true
	case 'V':
		return d.number(isoWeek, 2, '0'), true
	case 'w':
		return d.number(int(t.Weekday()), 1, '0'), true
	case 'W':
		return d.number((t.YearDay()+6-(int(t.Weekday())+6)%7)/7, 2, '0'), true
	case 'y':
		return d.number(t.Year()%100, 2, '0'), true
	case 'Y':
		return d.number(t.Year(), 4, '0'), true
	case 'z':
		return d.zone(t), true
	case 'Z':
		name, _ := t.Zone()
		if d.swap {
			name = strings.ToLower(name)
		}
		return d.text(name), true
	}
	return "", false
}

// name is a day's or a month's: # makes it upper case.
func (d timeDirective) name(s string) string {
	if d.swap {
		s = strings.ToUpper(s)
	}
	return d.text(s)
}

// nanoseconds has as many digits as the width says, nine by default.
func (d timeDirective) nanoseconds(t time.Time) string {
	digits := fmt.Sprintf("%09d", t.Nanosecond())
	if d.width > 0 && d.width < 9 {
		return digits[:d.width]
	}
	if d.width > 9 {
		return digits + strings.Repeat("0", d.width-9)
	}
	return digits
}

func (d timeDirective) zone(t time.Time) string {
	_, offset := t.Zone()
	sign := "+"
	if offset < 0 {
		sign, offset = "-", -offset
	}
	h, m, s := offset/3600, offset/60%60, offset%60
	switch d.colons {
	case 0:
		return fmt.Sprintf("%s%02d%02d", sign, h, m)
	case 1:
		return fmt.Sprintf("%s%02d:%02d", sign, h, m)
	case 2:
		return fmt.Sprintf("%s%02d:%02d:%02d", sign, h, m, s)
	}
	switch {
	case s != 0:
		return fmt.Sprintf("%s%02d:%02d:%02d", sign, h, m, s)
	case m != 0:
		return fmt.Sprintf("%s%02d:%02d", sign, h, m)
	}
	return fmt.Sprintf("%s%02d", sign, h)
}
