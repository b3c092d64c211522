package builtins

import (
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"

	"github.com/sockerless/sockerless/store/rootfs"
)

// output makes -print, -print0, -ls and -delete.
func (ps *findParser) output(word string) (findTest, error) {
	switch word {
	case "-print":
		return func(f *finder, e *found) bool {
			f.out.WriteString(e.path + "\n")
			return true
		}, nil
	case "-print0":
		return func(f *finder, e *found) bool {
			f.out.WriteString(e.path + "\x00")
			return true
		}, nil
	case "-ls":
		return func(f *finder, e *found) bool {
			f.list(e)
			return true
		}, nil
	}
	ps.f.depth = true
	return func(f *finder, e *found) bool {
		if e.path == "." {
			return true
		}
		remove := f.p.Files.Unlink
		if e.info.IsDir() {
			remove = f.p.Files.Rmdir
		}
		if err := remove(e.path); err != nil {
			f.fail("cannot delete %s: %s", quote(e.path), strerror(err))
			return false
		}
		return true
	}, nil
}

// list writes a line of -ls.
func (f *finder) list(e *found) {
	info := e.info
	size := strconv.FormatInt(info.Size(), 10)
	if info.Mode()&fs.ModeDevice != 0 {
		size = fmt.Sprintf("%3d, %3d", rootfs.Major(info.Rdev()), rootfs.Minor(info.Rdev()))
	}
	t := info.ModTime().In(f.zone)
	when := strftime("%b %e  %Y", t)
	if age := f.p.System.Now().Sub(t).Hours(); age < 6*30*24 && age > -1 {
		when = strftime("%b %e %H:%M", t)
	}
	link := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		if text, err := f.p.Files.Readlink(e.path); err == nil {
			link = " -> " + strings.ReplaceAll(escapeC(text, 0), " ", "\\ ")
		}
	}
	fmt.Fprintf(f.out, "%9d %6d %s %3d %-8s %-8s %8s %s %s%s\n", info.Ino(), (info.Blocks()+1)/2, modeString(info.Mode()), info.Nlink(),
		f.accounts.userName(info.UID()), f.accounts.groupName(info.GID()), size, when, strings.ReplaceAll(escapeC(e.path, 0), " ", "\\ "), link)
}

// execBatch gathers files for -exec … {} +.
type execBatch struct {
	args  []string
	dir   string
	files []string
	bytes int
}

// The size at which a batch is run: findutils' default command length.
const batchBytes = 128 << 10

func (b *execBatch) flush(f *finder) {
	if len(b.files) == 0 {
		return
	}
	args := append(b.args[:len(b.args):len(b.args)], b.files...)
	if !f.run(args, b.dir) {
		f.status = 1
	}
	b.files, b.bytes = nil, 0
}

// exec makes -exec, -execdir, -ok and -okdir, ended by ";" or by "{} +".
func (ps *findParser) exec(word string) (findTest, error) {
	f := ps.f
	end := -1
	plus := false
	for i, a := range ps.args {
		if a == ";" || a == "+" && i > 0 && ps.args[i-1] == "{}" && !strings.HasPrefix(word, "-ok") {
			end, plus = i, a == "+"
			break
		}
	}
	if end < 1 {
		return nil, fmt.Errorf("missing argument to `%s'", word)
	}
	args := ps.args[:end]
	ps.args = ps.args[end+1:]
	inDir := strings.HasSuffix(word, "dir")
	if plus {
		batch := &execBatch{args: args[:len(args)-1]}
		f.batches = append(f.batches, batch)
		return func(f *finder, e *found) bool {
			name, dir := execName(e.path, inDir)
			if dir != batch.dir || batch.bytes+len(name)+1 > batchBytes {
				batch.flush(f)
			}
			batch.dir = dir
			batch.files = append(batch.files, name)
			batch.bytes += len(name) + 1
			return true
		}, nil
	}
	ask := asker{p: f.p}
	return func(f *finder, e *found) bool {
		name, dir := execName(e.path, inDir)
		command := make([]string, len(args))
		for i, a := range args {
			command[i] = strings.ReplaceAll(a, "{}", name)
		}
		if strings.HasPrefix(word, "-ok") {
			f.out.Flush()
			if !ask.yes(fmt.Sprintf("< %s ... %s > ? ", args[0], e.path)) {
				return false
			}
		}
		return f.run(command, dir)
	}, nil
}

// execName is what {} stands for, and the directory that the command runs in.
func execName(name string, inDir bool) (string, string) {
	if !inDir {
		return name, ""
	}
	base := lastElement(name)
	if base == "/" {
		return base, "/"
	}
	return "./" + base, dirName(name)
}

// run runs a command and says whether it ended with 0.
func (f *finder) run(args []string, dir string) bool {
	f.out.Flush()
	status, err := f.p.System.Run(f.p.Context, Command{Args: args, Env: f.p.Env, Dir: dir, Stdin: f.p.Stdin, Stdout: f.p.Stdout, Stderr: f.p.Stderr})
	if err != nil {
		f.p.Errorf("%s: %s", quote(args[0]), strerror(err))
		return false
	}
	return status == 0
}

// findFormat is a -printf format taken apart.
type findFormat []findPiece

type findPiece struct {
	text  string // before the directive
	flags string
	kind  byte // 0: only text; 'A', 'C' and 'T' take a second letter
	sub   byte
	stop  bool // \c
}

func parseFindFormat(format string) (findFormat, error) {
	var pieces findFormat
	var text strings.Builder
	add := func(p findPiece) {
		p.text = text.String()
		text.Reset()
		pieces = append(pieces, p)
	}
	for i := 0; i < len(format); i++ {
		switch {
		case format[i] == '\\' && i+1 < len(format) && format[i+1] == 'c':
			add(findPiece{stop: true})
			return pieces, nil
		case format[i] == '\\' && i+1 < len(format):
			end := i + 2
			if format[i+1] >= '0' && format[i+1] <= '7' {
				for end < len(format) && end < i+4 && format[end] >= '0' && format[end] <= '7' {
					end++
				}
			}
			text.WriteString(unescapeFormat(format[i:end]))
			i = end - 1
		case format[i] == '%' && i+1 < len(format):
			start := i + 1
			for i++; i < len(format) && strings.IndexByte("-+ #0.123456789", format[i]) >= 0; i++ {
			}
			if i == len(format) {
				text.WriteString(format[start-1:])
				break
			}
			p := findPiece{flags: format[start:i], kind: format[i]}
			if p.kind == '%' {
				text.WriteByte('%')
				break
			}
			if strings.IndexByte("ABCT", p.kind) >= 0 {
				if i+1 == len(format) {
					return nil, fmt.Errorf("error: %s at end of format string", format[start-1:])
				}
				i++
				p.sub = format[i]
			}
			add(p)
		default:
			text.WriteByte(format[i])
		}
	}
	if text.Len() > 0 {
		add(findPiece{})
	}
	return pieces, nil
}

func (format findFormat) write(f *finder, w io.Writer, e *found) {
	for _, piece := range format {
		io.WriteString(w, piece.text)
		if piece.kind != 0 {
			f.directive(w, piece, e)
		}
		if piece.stop {
			f.out.Flush()
		}
	}
}

func (f *finder) directive(w io.Writer, piece findPiece, e *found) {
	info := e.info
	text := func(s string) { fmt.Fprintf(w, "%"+strings.TrimLeft(piece.flags, "0")+"s", s) }
	number := func(n uint64) { text(strconv.FormatUint(n, 10)) }
	switch piece.kind {
	case 'A', 'C', 'T':
		t, _ := fileTime(info, map[byte]byte{'A': 'a', 'C': 'c', 'T': 'm'}[piece.kind])
		t = t.In(f.zone)
		switch piece.sub {
		case '@':
			text(fmt.Sprintf("%d.%09d0", t.Unix(), t.Nanosecond()))
		case '+':
			text(strftime("%Y-%m-%d+%H:%M:%S.%N0", t))
		case 'S':
			text(strftime("%S.%N0", t))
		case 'T':
			text(strftime("%H:%M:%S.%N0", t))
		case 'X':
			text(strftime("%H:%M:%S.%N0", t))
		case 's':
			text(strftime("%s", t))
		default:
			text(strftime("%"+string(piece.sub), t))
		}
	case 'a', 'c', 't':
		t, _ := fileTime(info, map[byte]byte{'a': 'a', 'c': 'c', 't': 'm'}[piece.kind])
		text(strftime("%a %b %e %H:%M:%S.%N0 %Y", t.In(f.zone)))
	case 'b':
		number(uint64(info.Blocks()))
	case 'd':
		number(uint64(e.depth))
	case 'D':
		number(info.Dev())
	case 'f':
		text(lastElement(e.path))
	case 'F':
		text("overlay")
	case 'g':
		text(f.accounts.groupName(info.GID()))
	case 'G':
		number(uint64(info.GID()))
	case 'h':
		dir := "."
		if i := strings.LastIndexByte(strings.TrimRight(e.path, "/"), '/'); i >= 0 {
			dir = e.path[:i]
		}
		text(dir)
	case 'H':
		text(e.start)
	case 'i':
		number(info.Ino())
	case 'k':
		number(uint64(info.Blocks()+1) / 2)
	case 'l':
		link := ""
		if info.Mode()&fs.ModeSymlink != 0 {
			link, _ = f.p.Files.Readlink(e.path)
		}
		text(link)
	case 'm':
		fmt.Fprintf(w, "%"+piece.flags+"o", rootfs.UnixMode(info.Mode()))
	case 'M':
		text(modeString(info.Mode()))
	case 'n':
		number(info.Nlink())
	case 'p':
		text(e.path)
	case 'P':
		text(strings.TrimPrefix(strings.TrimPrefix(e.path, e.start), "/"))
	case 's':
		number(uint64(info.Size()))
	case 'S':
		ratio := 1.0
		if info.Size() > 0 {
			ratio = float64(info.Blocks()*512) / float64(info.Size())
		}
		text(strconv.FormatFloat(ratio, 'g', 6, 64))
	case 'u':
		text(f.accounts.userName(info.UID()))
	case 'U':
		number(uint64(info.UID()))
	case 'y', 'Y':
		mode := info.Mode()
		if piece.kind == 'Y' && mode&fs.ModeSymlink != 0 {
			target, err := f.p.Files.Stat(e.path)
			if err != nil {
				text("N")
				return
			}
			mode = target.Mode()
		}
		letter := kindLetter(mode)
		if letter == '-' {
			letter = 'f'
		}
		text(string(letter))
	case 'Z':
		text("")
	default:
		io.WriteString(w, "%"+piece.flags+string(piece.kind))
	}
}
