package builtins

import (
	"bufio"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/sockerless/sockerless/store/rootfs"
)

var statUsage = usage{
	synopsis: "[OPTION]... FILE...",
	about:    "Display file status.",
	options:  []string{"L dereference", "c format=", "printf=", "t terse"},
}

const statDefault = "  File: %N\n  Size: %-10s\tBlocks: %-10b IO Block: %-6o %F\nDevice: %Hd,%Ld\tInode: %-11i Links: %h\n" +
	"Access: (%04a/%10.10A)  Uid: (%5u/%8U)   Gid: (%5g/%8G)\nAccess: %x\nModify: %y\nChange: %z\n Birth: %w\n"
const statDevice = "  File: %N\n  Size: %-10s\tBlocks: %-10b IO Block: %-6o %F\nDevice: %Hd,%Ld\tInode: %-11i Links: %-5h Device type: %Hr,%Lr\n" +
	"Access: (%04a/%10.10A)  Uid: (%5u/%8U)   Gid: (%5g/%8G)\nAccess: %x\nModify: %y\nChange: %z\n Birth: %w\n"
const statTerse = "%n %s %b %f %u %g %D %i %h %t %T %X %Y %Z %W %o\n"

// statFile is a file being shown.
type statFile struct {
	p        *Process
	name     string
	info     *rootfs.Info
	accounts *accounts
	zone     *time.Location
	word     func(string) string // how %N quotes
}

func stat(p *Process) int {
	opts, operands, status, done := p.parse(statUsage)
	if done {
		return status
	}
	var follow, terse, escapes bool
	var format *string
	for _, o := range opts {
		switch o.name {
		case "L":
			follow = true
		case "c":
			format, escapes = &o.value, false
		case "printf":
			format, escapes = &o.value, true
		case "t":
			terse = true
		}
	}
	if len(operands) == 0 {
		return p.missingOperand(statUsage)
	}
	out := bufio.NewWriter(p.Stdout)
	defer out.Flush()
	accounts, zone := p.accounts(), p.location()
	for _, name := range operands {
		get := p.Files.Lstat
		if follow {
			get = p.Files.Stat
		}
		info, err := get(name)
		if err != nil {
			p.Errorf("cannot statx %s: %s", quoteName(name), strerror(err))
			status = 1
			continue
		}
		text, word := statDefault, quoteWord
		switch {
		case format != nil && escapes:
			text, word = unescapeFormat(*format), quoteName
		case format != nil:
			text, word = *format+"\n", quoteName
		case terse:
			text = statTerse
		case info.Mode()&fs.ModeDevice != 0:
			text = statDevice
		}
		f := &statFile{p, name, info, accounts, zone, word}
		result, problem := f.expand(text)
		out.WriteString(result)
		if problem != "" {
			out.Flush()
			p.Errorf("%s", problem)
			return 1
		}
	}
	return status
}

// unescapeFormat replaces the backslash escapes of a --printf format.
func unescapeFormat(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		if at := strings.IndexByte(`abefnrtv"\`, s[i]); at >= 0 {
			b.WriteByte("\a\b\x1b\f\n\r\t\v\"\\"[at])
			continue
		}
		digits, base := "01234567", 8
		if s[i] == 'x' {
			digits, base = "0123456789abcdefABCDEF", 16
			i++
		}
		end := i
		for end < len(s) && end-i < 3-(base/16) && strings.IndexByte(digits, s[end]) >= 0 {
			end++
		}
		if n, err := strconv.ParseUint(s[i:end], base, 16); err == nil {
			b.WriteByte(byte(n))
			i = end - 1
			continue
		}
		if base == 16 {
			i--
		}
		b.WriteByte('\\')
		b.WriteByte(s[i])
	}
	return b.String()
}

// expand replaces the % directives of a format.
func (f *statFile) expand(format string) (text, problem string) {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			b.WriteByte(format[i])
			continue
		}
		start := i
		i++
		for i < len(format) && strings.IndexByte("'-+ #0", format[i]) >= 0 {
			i++
		}
		for i < len(format) && (format[i] >= '0' && format[i] <= '9' || format[i] == '.') {
			i++
		}
		flags := format[start+1 : i]
		if i == len(format) {
			b.WriteString(format[start:])
			break
		}
		modifier := byte(0)
		if (format[i] == 'H' || format[i] == 'L') && i+1 < len(format) && (format[i+1] == 'd' || format[i+1] == 'r') {
			modifier = format[i]
			i++
		}
		if format[i] == '\n' {
			return b.String(), quote(format[start:i]) + ": invalid directive"
		}
		f.directive(&b, flags, modifier, format[i])
	}
	return b.String(), ""
}

func (f *statFile) directive(b *strings.Builder, flags string, modifier, letter byte) {
	info := f.info
	number := func(verb string, n uint64) {
		fmt.Fprintf(b, "%"+strings.Trim(flags, "'")+verb, n)
	}
	text := func(s string) {
		fmt.Fprintf(b, "%"+strings.TrimLeft(strings.Trim(flags, "'"), "0")+"s", s)
	}
	seconds := func(t time.Time) {
		width, precision, has := strings.Cut(flags, ".")
		if !has {
			fmt.Fprintf(b, "%"+width+"d", t.Unix())
			return
		}
		digits := min(max(atoiOr(precision, 9), 0), 9)
		s := strconv.FormatInt(t.Unix(), 10) + "." + fmt.Sprintf("%09d", t.Nanosecond())[:digits]
		fmt.Fprintf(b, "%"+width+"s", s)
	}
	switch letter {
	case '%':
		b.WriteByte('%')
	case 'a':
		number("o", uint64(rootfs.UnixMode(info.Mode())))
	case 'A':
		text(modeString(info.Mode()))
	case 'b':
		number("d", uint64(info.Blocks()))
	case 'B':
		number("d", 512)
	case 'C':
		text("?")
	case 'd':
		switch modifier {
		case 'H':
			number("d", uint64(rootfs.Major(info.Dev())))
		case 'L':
			number("d", uint64(rootfs.Minor(info.Dev())))
		default:
			number("d", info.Dev())
		}
	case 'D':
		number("x", info.Dev())
	case 'f':
		number("x", uint64(unixMode(info.Mode())))
	case 'F':
		text(kindName(info.Mode(), info.Size()))
	case 'g':
		number("d", uint64(info.GID()))
	case 'G':
		text(nameOrUnknown(f.accounts.groupByID(info.GID())))
	case 'u':
		number("d", uint64(info.UID()))
	case 'U':
		name := "UNKNOWN"
		if u, ok := f.accounts.userByID(info.UID()); ok {
			name = u.name
		}
		text(name)
	case 'h':
		number("d", info.Nlink())
	case 'i':
		number("d", info.Ino())
	case 'm':
		text(f.mountPoint())
	case 'n':
		text(f.name)
	case 'N':
		name := f.word(f.name)
		if info.Mode()&fs.ModeSymlink != 0 {
			if link, err := f.p.Files.Readlink(f.name); err == nil {
				name += " -> " + f.word(link)
			}
		}
		text(name)
	case 'o':
		number("d", 4096)
	case 's':
		number("d", uint64(info.Size()))
	case 'r':
		switch modifier {
		case 'H':
			number("d", uint64(rootfs.Major(info.Rdev())))
		case 'L':
			number("d", uint64(rootfs.Minor(info.Rdev())))
		default:
			number("d", info.Rdev())
		}
	case 'R':
		number("x", info.Rdev())
	case 't':
		number("x", uint64(rootfs.Major(info.Rdev())))
	case 'T':
		number("x", uint64(rootfs.Minor(info.Rdev())))
	case 'w':
		text("-")
	case 'W':
		number("d", 0)
	case 'x':
		text(f.timeText(info.Atime()))
	case 'X':
		seconds(info.Atime())
	case 'y':
		text(f.timeText(info.ModTime()))
	case 'Y':
		seconds(info.ModTime())
	case 'z':
		text(f.timeText(info.Ctime()))
	case 'Z':
		seconds(info.Ctime())
	default:
		b.WriteByte('?')
	}
}

func nameOrUnknown(g accountGroup, ok bool) string {
	if !ok {
		return "UNKNOWN"
	}
	return g.name
}

func (f *statFile) timeText(t time.Time) string {
	return strftime("%Y-%m-%d %H:%M:%S.%N %z", t.In(f.zone))
}

// mountPoint is the highest directory above the file on the same device.
func (f *statFile) mountPoint() string {
	at, err := f.p.canonical(f.name, canonicalLast)
	if err != nil {
		return "?"
	}
	for at != "/" {
		above, err := f.p.Files.Stat(path.Dir(at))
		if err != nil || above.Dev() != f.info.Dev() {
			return at
		}
		at = path.Dir(at)
	}
	return at
}
