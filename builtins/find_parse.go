package builtins

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/sockerless/sockerless/store/rootfs"
)

// findParser turns the arguments after the starting points into a test.
type findParser struct {
	f    *finder
	args []string
}

func (ps *findParser) parse() error {
	if len(ps.args) == 0 {
		ps.f.expr = func(*finder, *found) bool { return true }
		return nil
	}
	test, err := ps.list()
	if err != nil {
		return err
	}
	if len(ps.args) > 0 {
		if ps.args[0] == ")" {
			return fmt.Errorf("invalid expression; you have too many ')'")
		}
		return fmt.Errorf("paths must precede expression: %s", quoteC(ps.args[0]))
	}
	ps.f.expr = test
	return nil
}

// quoteC is find's quoting in its own messages: `name' in the C locale.
func quoteC(name string) string { return "`" + name + "'" }

func (ps *findParser) peek() string {
	if len(ps.args) == 0 {
		return ""
	}
	return ps.args[0]
}

func (ps *findParser) list() (findTest, error) {
	left, err := ps.or()
	for err == nil && ps.peek() == "," {
		ps.args = ps.args[1:]
		var right findTest
		if right, err = ps.or(); err != nil {
			break
		}
		first := left
		left = func(f *finder, e *found) bool {
			first(f, e)
			return !f.quit && right(f, e)
		}
	}
	return left, err
}

func (ps *findParser) or() (findTest, error) {
	left, err := ps.and()
	for err == nil && (ps.peek() == "-o" || ps.peek() == "-or") {
		ps.args = ps.args[1:]
		var right findTest
		if right, err = ps.and(); err != nil {
			break
		}
		first := left
		left = func(f *finder, e *found) bool { return first(f, e) || !f.quit && right(f, e) }
	}
	return left, err
}

func (ps *findParser) and() (findTest, error) {
	left, err := ps.not()
	for err == nil && len(ps.args) > 0 {
		switch next := ps.peek(); next {
		case "-a", "-and":
			ps.args = ps.args[1:]
		case "-o", "-or", ",", ")":
			return left, nil
		default:
			if !beginsExpression(next) && next != ")" && next != "," {
				return nil, fmt.Errorf("paths must precede expression: %s", quoteC(next))
			}
		}
		var right findTest
		if right, err = ps.not(); err != nil {
			break
		}
		first := left
		left = func(f *finder, e *found) bool { return first(f, e) && !f.quit && right(f, e) }
	}
	return left, err
}

func (ps *findParser) not() (findTest, error) {
	if len(ps.args) == 0 {
		return nil, fmt.Errorf("invalid expression; I was expecting to find a test or an action here, but the arguments ended")
	}
	word := ps.args[0]
	ps.args = ps.args[1:]
	switch word {
	case "!", "-not":
		if len(ps.args) == 0 {
			return nil, fmt.Errorf("expected an expression after %s", quote(word))
		}
		test, err := ps.not()
		return func(f *finder, e *found) bool { return !test(f, e) }, err
	case "(":
		if ps.peek() == ")" {
			return nil, fmt.Errorf("invalid expression; empty parentheses are not allowed.")
		}
		if len(ps.args) == 0 {
			return nil, fmt.Errorf("invalid expression; expected to find a ')' but didn't see one. Perhaps you need an extra predicate after '('")
		}
		test, err := ps.list()
		if err != nil {
			return nil, err
		}
		if ps.peek() != ")" {
			return nil, fmt.Errorf("invalid expression; I was expecting to find a ')' somewhere but did not see one.")
		}
		ps.args = ps.args[1:]
		return test, nil
	case ")", "-o", "-or", "-a", "-and", ",":
		if word == ")" {
			return nil, fmt.Errorf("invalid expression; you have too many ')'")
		}
		return nil, fmt.Errorf("invalid expression; you have used a binary operator %s with nothing before it.", quote(word))
	}
	return ps.primary(word)
}

// value takes the argument of a test.
func (ps *findParser) value(word string) (string, error) {
	if len(ps.args) == 0 {
		return "", fmt.Errorf("missing argument to %s", quoteC(word))
	}
	v := ps.args[0]
	ps.args = ps.args[1:]
	return v, nil
}

func (ps *findParser) primary(word string) (findTest, error) {
	f := ps.f
	switch word {
	case "-true", "-noleaf", "-nowarn", "-warn", "-ignore_readdir_race", "-noignore_readdir_race":
		return func(*finder, *found) bool { return true }, nil
	case "-false":
		return func(*finder, *found) bool { return false }, nil
	case "-follow":
		f.follow = 'L'
		return ps.always()
	case "-depth", "-d":
		f.depth = true
		return ps.always()
	case "-xdev", "-mount":
		f.oneDevice = true
		return ps.always()
	case "-daystart":
		year, month, day := f.now.In(f.zone).Date()
		f.now, f.dayStart = time.Date(year, month, day+1, 0, 0, 0, 0, f.zone), true
		return ps.always()
	case "-prune":
		return func(f *finder, e *found) bool {
			e.pruned = !f.depth
			return true
		}, nil
	case "-quit":
		f.noAction = false
		return func(f *finder, e *found) bool {
			f.quit = true
			return true
		}, nil
	case "-empty":
		return findEmpty, nil
	case "-nouser", "-nogroup":
		return func(f *finder, e *found) bool {
			_, user := f.accounts.userByID(e.info.UID())
			_, group := f.accounts.groupByID(e.info.GID())
			return word == "-nouser" && !user || word == "-nogroup" && !group
		}, nil
	case "-readable", "-writable", "-executable":
		mode := map[string]uint32{"-readable": 4, "-writable": 2, "-executable": 1}[word]
		return func(f *finder, e *found) bool { return f.p.Files.Access(e.path, mode) == nil }, nil
	case "-print", "-print0", "-ls", "-delete":
		f.noAction = false
		return ps.output(word)
	case "-exec", "-execdir", "-ok", "-okdir":
		f.noAction = false
		return ps.exec(word)
	}
	if !findTakesValue(word) {
		return nil, fmt.Errorf("unknown predicate %s", quoteC(word))
	}
	value, err := ps.value(word)
	if err != nil {
		return nil, err
	}
	return ps.valued(word, value)
}

func (ps *findParser) always() (findTest, error) {
	return func(*finder, *found) bool { return true }, nil
}

func findTakesValue(word string) bool {
	return strings.Contains(" -name -iname -path -wholename -ipath -iwholename -lname -ilname -regex -iregex -regextype -type -xtype -size -mtime -atime -ctime"+
		" -mmin -amin -cmin -newer -anewer -cnewer -perm -user -group -uid -gid -links -inum -samefile -maxdepth -mindepth -printf -fprint -fprint0 -fprintf"+
		" -fstype -used ", " "+word+" ") || strings.HasPrefix(word, "-newer") && len(word) == 8
}

func (ps *findParser) valued(word, value string) (findTest, error) {
	f := ps.f
	switch word {
	case "-maxdepth", "-mindepth":
		n, err := strconv.Atoi(value)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("Expected a positive decimal integer argument to %s, but got %s", word, quote(value))
		}
		if word == "-maxdepth" {
			f.maxDepth = n
		} else {
			f.minDepth = n
		}
		return ps.always()
	case "-name", "-iname", "-path", "-wholename", "-ipath", "-iwholename", "-lname", "-ilname":
		return findPattern(word, value), nil
	case "-regex", "-iregex":
		return ps.regex(value, word == "-iregex")
	case "-regextype":
		switch value {
		case "emacs", "findutils-default", "posix-basic", "posix-minimal-basic", "ed", "sed", "grep", "posix-extended", "posix-egrep", "egrep", "awk", "gnu-awk", "posix-awk":
		default:
			return nil, fmt.Errorf("Unknown regular expression type %s; valid types are 'findutils-default', 'ed', 'emacs', 'gnu-awk', 'grep', 'posix-awk', 'awk', 'posix-basic', 'posix-egrep', 'egrep', 'posix-extended', 'posix-minimal-basic', 'sed'.", quote(value))
		}
		f.regexType = value
		return ps.always()
	case "-type", "-xtype":
		return findType(word, value)
	case "-size":
		return findSize(value)
	case "-mtime", "-atime", "-ctime":
		return findAge(f, word, value, 24*time.Hour)
	case "-mmin", "-amin", "-cmin":
		return findAge(f, word, value, time.Minute)
	case "-newer", "-anewer", "-cnewer":
		return ps.newer(map[string]byte{"-newer": 'm', "-anewer": 'a', "-cnewer": 'c'}[word], 'm', value)
	case "-perm":
		return findPerm(value)
	case "-user", "-group":
		return ps.owner(word, value)
	case "-uid", "-gid", "-links", "-inum":
		cmp, n, ok := findNumber(value)
		if !ok {
			return nil, fmt.Errorf("invalid argument %s to %s", quoteC(value), quoteC(word))
		}
		return func(_ *finder, e *found) bool {
			got := map[string]uint64{"-uid": uint64(e.info.UID()), "-gid": uint64(e.info.GID()), "-links": e.info.Nlink(), "-inum": e.info.Ino()}[word]
			return compareNumber(cmp, int64(got), n)
		}, nil
	case "-samefile":
		info, err := f.p.Files.Stat(value)
		if err != nil {
			return nil, fmt.Errorf("%s: %s", quote(value), strerror(err))
		}
		return func(_ *finder, e *found) bool { return sameFile(info, e.info) }, nil
	case "-printf":
		f.noAction = false
		format, err := parseFindFormat(value)
		if err != nil {
			return nil, err
		}
		return func(f *finder, e *found) bool {
			format.write(f, f.out, e)
			return true
		}, nil
	case "-fprint", "-fprint0", "-fprintf":
		return ps.fileOutput(word, value)
	case "-fstype", "-used":
		return nil, fmt.Errorf("the test %s is not supported by this implementation", word)
	}
	return ps.newer(word[6], word[7], value) // -newerXY
}

// fileOutput makes the actions that write to a file of their own.
func (ps *findParser) fileOutput(word, name string) (findTest, error) {
	f := ps.f
	f.noAction = false
	file := f.files[name]
	if file == nil {
		var err error
		if file, err = f.p.Files.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666); err != nil {
			return nil, fmt.Errorf("%s: %s", quote(name), strerror(err))
		}
		f.files[name] = file
	}
	if word == "-fprintf" {
		text, err := ps.value(word)
		if err != nil {
			return nil, err
		}
		format, err := parseFindFormat(text)
		return func(f *finder, e *found) bool {
			format.write(f, file, e)
			return true
		}, err
	}
	end := map[string]string{"-fprint": "\n", "-fprint0": "\x00"}[word]
	return func(f *finder, e *found) bool {
		if _, err := file.WriteString(e.path + end); err != nil {
			f.fail("%s: %s", quote(name), strerror(err))
		}
		return true
	}, nil
}

func (ps *findParser) owner(word, value string) (findTest, error) {
	lookup := ps.f.accounts.uid
	if word == "-group" {
		lookup = ps.f.accounts.gid
	}
	id, ok := lookup(value)
	if !ok {
		if word == "-group" {
			return nil, fmt.Errorf("%s is not the name of an existing group", quote(value))
		}
		return nil, fmt.Errorf("%s is not the name of a known user", quote(value))
	}
	return func(_ *finder, e *found) bool {
		return word == "-user" && e.info.UID() == id || word == "-group" && e.info.GID() == id
	}, nil
}

// newer compares one of a file's times with one of another file's, or with a date (-newermt).
func (ps *findParser) newer(own, other byte, value string) (findTest, error) {
	var limit time.Time
	if other == 't' {
		t, ok := parseDate(value, ps.f.p.System.Now(), ps.f.zone)
		if !ok {
			return nil, fmt.Errorf("I cannot figure out how to interpret %s as a date or time", quoteC(value))
		}
		limit = t
	} else {
		info, err := ps.f.p.Files.Stat(value)
		if err != nil {
			return nil, fmt.Errorf("%s: %s", quote(value), strerror(err))
		}
		if limit, err = fileTime(info, other); err != nil {
			return nil, err
		}
	}
	if _, err := fileTime(&rootfs.Info{}, own); err != nil {
		return nil, err
	}
	return func(_ *finder, e *found) bool {
		t, err := fileTime(e.info, own)
		return err == nil && t.After(limit)
	}, nil
}

func fileTime(info *rootfs.Info, which byte) (time.Time, error) {
	switch which {
	case 'a':
		return info.Atime(), nil
	case 'c':
		return info.Ctime(), nil
	case 'm':
		return info.ModTime(), nil
	}
	return time.Time{}, fmt.Errorf("This system does not provide a way to find the birth time of a file.")
}
