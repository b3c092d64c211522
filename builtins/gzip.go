package builtins

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/sockerless/sockerless/store/rootfs"
)

var gzipUsage = usage{
	synopsis: "[OPTION]... [FILE]...",
	about:    "Compress or uncompress FILEs (by default, compress FILES in-place).",
	options: []string{"c stdout to-stdout", "d decompress uncompress", "f force", "k keep", "l list", "n no-name", "N name", "q quiet", "r recursive", "S suffix=", "t test", "v verbose",
		"1 fast", "2", "3", "4", "5", "6", "7", "8", "9 best", "rsyncable"},
}

// gzipper is one run of gzip, gunzip or zcat.
type gzipper struct {
	p          *Process
	out        *output
	stdout     bool
	decompress bool
	force      bool
	keep       bool
	list       bool
	test       bool
	quiet      bool
	recursive  bool
	verbose    bool
	noName     bool
	useName    bool
	level      int
	suffix     string
	listed     bool
	status     int
}

func gzipCommand(p *Process) int { return runGzip(p, false, false) }
func gunzip(p *Process) int      { return runGzip(p, true, false) }
func zcat(p *Process) int        { return runGzip(p, true, true) }

func runGzip(p *Process, decompress, stdout bool) int {
	opts, operands, status, done := p.parse(gzipUsage)
	if done {
		return status
	}
	named := *p // gunzip and zcat speak as gzip
	named.Args = append([]string{"gzip"}, p.Args[1:]...)
	p = &named
	g := &gzipper{p: p, out: p.output(), decompress: decompress, stdout: stdout, level: 6, suffix: ".gz"}
	for _, o := range opts {
		switch o.name {
		case "c":
			g.stdout = true
		case "d":
			g.decompress = true
		case "f":
			g.force = true
		case "k":
			g.keep = true
		case "l":
			g.list, g.decompress = true, true
		case "n":
			g.noName, g.useName = true, false
		case "N":
			g.noName, g.useName = false, true
		case "q":
			g.quiet, g.verbose = true, false
		case "r":
			g.recursive = true
		case "S":
			g.suffix = o.value
		case "t":
			g.test, g.decompress = true, true
		case "v":
			g.verbose, g.quiet = true, false
		case "rsyncable":
		default:
			g.level = int(o.name[0] - '0')
		}
	}
	if len(operands) == 0 {
		operands = []string{"-"}
	}
	for _, name := range operands {
		if p.Context.Err() != nil {
			break
		}
		if name == "-" {
			g.stream()
		} else {
			g.file(name, true)
		}
	}
	return g.out.finish(g.status)
}

// warn is a message with exit status 2, fail one with 1.
func (g *gzipper) warn(format string, args ...any) {
	if !g.quiet {
		g.out.Flush()
		g.p.Errorf(format, args...)
	}
	if g.status == 0 {
		g.status = 2
	}
}

func (g *gzipper) fail(format string, args ...any) {
	g.out.Flush()
	fmt.Fprintf(g.p.Stderr, "\n%s: %s\n", g.p.Name(), fmt.Sprintf(format, args...))
	g.status = 1
}

// stream works from standard input to standard output.
func (g *gzipper) stream() {
	in := liveReader{g.p.Context, g.p.Stdin}
	switch {
	case g.list:
		g.warn("-l is not possible on standard input by this implementation")
	case g.decompress:
		var w io.Writer = g.out
		if g.test {
			w = io.Discard
		}
		g.expand(in, w, "stdin")
	default:
		if !g.force && g.p.System.IsTerminal(1) {
			g.p.Errorf("compressed data not written to a terminal. Use -f to force compression.\nFor help, type: gzip -h")
			g.status = 1
			return
		}
		g.compress(in, g.out, "", time.Time{})
	}
}

func (g *gzipper) file(name string, operand bool) {
	files := g.p.Files
	info, err := files.Stat(name)
	if err != nil && g.decompress {
		if other, otherErr := files.Stat(name + g.suffix); otherErr == nil {
			name, info, err = name+g.suffix, other, nil
		}
	}
	switch {
	case err != nil:
		if g.decompress && !strings.HasSuffix(name, g.suffix) {
			name += g.suffix
		}
		g.out.Flush()
		g.p.Errorf("%s: %s", name, strerror(err))
		g.status = 1
		return
	case info.IsDir():
		if !g.recursive {
			g.warn("%s is a directory -- ignored", name)
			return
		}
		entries, err := files.ReadDir(name)
		if err != nil {
			g.p.Errorf("%s: %s", name, strerror(err))
			g.status = 1
			return
		}
		for _, e := range entries {
			g.file(joinName(name, e.Name()), false)
		}
		return
	case !info.Mode().IsRegular() && !g.stdout:
		g.warn("%s is not a directory or a regular file - ignored", name)
		return
	}
	if link, err := files.Lstat(name); err == nil && link.Mode()&fs.ModeSymlink != 0 && !g.force && !g.stdout && !g.list && !g.test {
		g.out.Flush()
		g.p.Errorf("%s: Too many levels of symbolic links", name)
		g.status = 1
		return
	}
	to, ok := g.target(name, operand)
	if !ok {
		return
	}
	in, err := files.Open(name)
	if err != nil {
		g.out.Flush()
		g.p.Errorf("%s: %s", name, strerror(err))
		g.status = 1
		return
	}
	defer in.Close()
	reader := liveReader{g.p.Context, in}
	switch {
	case g.list:
		g.describe(name, info)
	case g.test:
		if g.expand(reader, io.Discard, name) && g.verbose {
			fmt.Fprintf(g.p.Stderr, "%s:\t OK\n", name)
		}
	case g.stdout && g.decompress:
		g.expand(reader, g.out, name)
	case g.stdout:
		g.compress(reader, g.out, lastElement(name), info.ModTime())
	default:
		g.replace(reader, name, to, info)
	}
}

// target is the name of the result.
func (g *gzipper) target(name string, operand bool) (string, bool) {
	if !g.decompress {
		if strings.HasSuffix(name, g.suffix) && !g.stdout {
			if operand || g.verbose {
				if !g.quiet {
					g.out.Flush()
					g.p.Errorf("%s already has %s suffix -- unchanged", name, g.suffix)
				}
			}
			return "", false
		}
		return name + g.suffix, true
	}
	for _, s := range []string{g.suffix, ".gz", ".z", "-gz", "-z", "_z"} {
		if stem, ok := strings.CutSuffix(name, s); ok && lastElement(stem) != "" {
			return stem, true
		}
	}
	for _, s := range []string{".tgz", ".taz"} {
		if stem, ok := strings.CutSuffix(name, s); ok {
			return stem + ".tar", true
		}
	}
	if g.stdout || g.list || g.test {
		return "", true
	}
	if operand {
		g.warn("%s: unknown suffix -- ignored", name)
	}
	return "", false
}

// replace writes the result beside the file and removes the file.
func (g *gzipper) replace(in io.Reader, name, to string, info *rootfs.Info) {
	files := g.p.Files
	if _, err := files.Lstat(to); err == nil && !g.force {
		ask := asker{p: g.p}
		if !g.p.System.IsTerminal(0) || !ask.yes(fmt.Sprintf("%s: %s already exists; do you wish to overwrite (y or n)? ", g.p.Name(), to)) {
			g.warn("%s already exists;\tnot overwritten", to)
			return
		}
	}
	file, err := files.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, info.Mode().Perm())
	if err != nil {
		g.out.Flush()
		g.p.Errorf("%s: %s", to, strerror(err))
		g.status = 1
		return
	}
	w := bufio.NewWriterSize(struct{ io.Writer }{file}, blockSize)
	var ok bool
	if g.decompress {
		ok = g.expand(in, w, name)
	} else {
		ok = g.compress(in, w, lastElement(name), info.ModTime())
	}
	if err := w.Flush(); err != nil && ok {
		g.fail("%s: %s", to, strerror(err))
		ok = false
	}
	if err := file.Close(); err != nil && ok {
		g.fail("%s: %s", to, strerror(err))
		ok = false
	}
	if !ok {
		files.Unlink(to)
		return
	}
	files.Chown(to, int(info.UID()), int(info.GID()))
	files.Chmod(to, info.Mode())
	files.Chtimes(to, info.Atime(), info.ModTime())
	if g.verbose {
		packed, plain := name, to
		if !g.decompress {
			packed, plain = to, name
		}
		sizeOf := func(name string) int64 {
			if i, err := files.Stat(name); err == nil {
				return i.Size()
			}
			return 0
		}
		verb := "replaced with"
		if g.keep {
			verb = "created"
		}
		fmt.Fprintf(g.p.Stderr, "%s:\t%s -- %s %s\n", name, ratio(sizeOf(plain), sizeOf(packed)), verb, to)
	}
	if !g.keep {
		if err := files.Unlink(name); err != nil {
			g.p.Errorf("%s: %s", name, strerror(err))
			g.status = 1
		}
	}
}

// ratio is the saving in per cent, without what the header takes.
func ratio(plain, packed int64) string {
	if plain == 0 {
		return "  0.0%"
	}
	return fmt.Sprintf("%5.1f%%", 100*float64(plain-(packed-18))/float64(plain))
}

func (g *gzipper) compress(in io.Reader, w io.Writer, name string, mtime time.Time) bool {
	zw, err := gzip.NewWriterLevel(w, g.level)
	if err == nil {
		if !g.noName {
			zw.Name = name
			if mtime.Unix() > 0 {
				zw.ModTime = mtime
			}
		}
		zw.OS = 3
		if _, err = io.Copy(zw, in); err == nil {
			err = zw.Close()
		}
	}
	if err != nil {
		if !endsOutput(err) {
			g.fail("%s: %s", name, strerror(err))
		}
		g.status = 1
		return false
	}
	return true
}

func (g *gzipper) expand(in io.Reader, w io.Writer, name string) bool {
	buffered := bufio.NewReaderSize(in, blockSize)
	start, err := buffered.Peek(2)
	if err != nil && !errors.Is(err, io.EOF) {
		g.fail("%s: %s", name, strerror(err))
		return false
	}
	if len(start) < 2 || start[0] != 0x1f || start[1] != 0x8b {
		if g.force && g.stdout {
			io.Copy(w, buffered)
			return true
		}
		if len(start) == 0 {
			g.fail("%s: unexpected end of file", name)
		} else {
			g.fail("%s: not in gzip format", name)
		}
		return false
	}
	zr, err := gzip.NewReader(buffered)
	if err == nil {
		_, err = io.Copy(w, zr)
	}
	switch {
	case err == nil:
		return true
	case endsOutput(err):
		g.status = 1
	case errors.Is(err, io.ErrUnexpectedEOF):
		g.fail("%s: unexpected end of file", name)
	case errors.Is(err, gzip.ErrChecksum):
		g.fail("%s: invalid compressed data--crc error", name)
	case errors.Is(err, gzip.ErrHeader):
		g.warnTrailing(name)
		return true
	default:
		g.fail("%s: invalid compressed data--format violated", name)
	}
	return false
}

func (g *gzipper) warnTrailing(name string) {
	g.out.Flush()
	if !g.quiet {
		fmt.Fprintf(g.p.Stderr, "\n%s: %s: decompression OK, trailing garbage ignored\n", g.p.Name(), name)
	}
	if g.status == 0 {
		g.status = 2
	}
}

// describe is a line of -l. The size comes from the last four bytes of the file.
func (g *gzipper) describe(name string, info *rootfs.Info) {
	file, err := g.p.Files.Open(name)
	if err != nil {
		g.fail("%s: %s", name, strerror(err))
		return
	}
	defer file.Close()
	var magic [2]byte
	var tail [4]byte
	if _, err := file.ReadAt(magic[:], 0); err != nil || magic != [2]byte{0x1f, 0x8b} || info.Size() < 18 {
		g.fail("%s: not in gzip format", name)
		return
	}
	if _, err := file.ReadAt(tail[:], info.Size()-4); err != nil {
		g.fail("%s: %s", name, strerror(err))
		return
	}
	if !g.listed && !g.quiet {
		g.out.WriteString("         compressed        uncompressed  ratio uncompressed_name\n")
	}
	g.listed = true
	plain := int64(binary.LittleEndian.Uint32(tail[:]))
	header := int64(18)
	if g.headerHasName(file) {
		header += int64(len(lastElement(strings.TrimSuffix(name, g.suffix)))) + 1
	}
	saving := "  0.0%"
	if plain > 0 {
		saving = fmt.Sprintf("%5.1f%%", 100*float64(plain-(info.Size()-header))/float64(plain))
	}
	stem, _ := strings.CutSuffix(name, g.suffix)
	fmt.Fprintf(g.out, "%19d %19d %s %s\n", info.Size(), plain, saving, stem)
}

func (g *gzipper) headerHasName(file *rootfs.File) bool {
	var flags [1]byte
	_, err := file.ReadAt(flags[:], 3)
	return err == nil && flags[0]&8 != 0
}
