package builtins

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// unzipCall is a call of unzip.
type unzipCall struct {
	p                      *Process
	out                    *output
	dir                    string
	list, pipe, test       bool
	overwrite, never, flat bool
	quiet                  bool
	include, exclude       []string
	made                   []madeDir
}

// madeDir is a directory that gets its mode and time when all is in it.
type madeDir struct {
	name string
	of   *zip.File
}

func unzip(p *Process) int {
	u := usage{synopsis: "[-l|-p|-t] [-o|-n] [-j] [-q] FILE[.zip] [MEMBER]... [-x MEMBER...] [-d DIR]", about: "List, test and extract the files of a ZIP archive.", status: 10, positions: true,
		options: []string{"l", "p", "t", "o", "n", "j", "q", "x=", "d="}}
	opts, _, status, done := p.parse(u)
	if done {
		return status
	}
	c := unzipCall{p: p, out: p.output(), dir: "."}
	var operands []string
	excluding := false
	for _, o := range opts {
		switch o.name {
		case "l":
			c.list = true
		case "p":
			c.pipe = true
		case "t":
			c.test = true
		case "o":
			c.overwrite = true
		case "n":
			c.never = true
		case "j":
			c.flat = true
		case "q":
			c.quiet = true
		case "x":
			c.exclude, excluding = append(c.exclude, o.value), true
		case "d":
			c.dir, excluding = o.value, false
		default:
			if excluding {
				c.exclude = append(c.exclude, o.value)
			} else {
				operands = append(operands, o.value)
			}
		}
	}
	if len(operands) == 0 {
		p.Errorf("no archive given")
		return p.tryHelp(u)
	}
	name := operands[0]
	c.include = operands[1:]
	f, err := p.Files.Open(name)
	if err != nil {
		if f, err = p.Files.Open(name + ".zip"); err != nil {
			fmt.Fprintf(p.Stderr, "unzip:  cannot find or open %s, %s.zip or %s.ZIP.\n", name, name, name)
			return 9
		}
		name += ".zip"
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		p.Errorf("%s: %s", name, strerror(err))
		return 9
	}
	z, err := zip.NewReader(f, info.Size())
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		p.Errorf("%s: %s", name, err)
		return 9
	}
	if !c.pipe && (!c.quiet || c.list) {
		fmt.Fprintf(c.out, "Archive:  %s\n", name)
	}
	status = c.each(z.File)
	for _, dir := range slices.Backward(c.made) {
		if err := c.attributes(dir.name, dir.of); err != nil {
			p.Errorf("%s: %s", dir.name, strerror(err))
			status = 2
		}
	}
	return c.out.finish(status)
}

func (c *unzipCall) each(files []*zip.File) int {
	var chosen []*zip.File
	for _, f := range files {
		if (len(c.include) == 0 || matchesAny(c.include, f.Name)) && !matchesAny(c.exclude, f.Name) {
			chosen = append(chosen, f)
		}
	}
	if c.list {
		c.table(chosen)
		return 0
	}
	status := 0
	if len(chosen) == 0 && len(c.include) > 0 {
		c.out.Flush()
		fmt.Fprintf(c.p.Stderr, "caution: filename not matched:  %s\n", strings.Join(c.include, " "))
		status = 11
	}
	for _, f := range chosen {
		if err := c.one(f); err != nil {
			c.out.Flush()
			c.p.Errorf("%s: %s", f.Name, strerror(err))
			status = 2
		}
		if c.out.broken() || c.p.Context.Err() != nil {
			break
		}
	}
	return status
}

func (c *unzipCall) table(files []*zip.File) {
	total := uint64(0)
	c.out.WriteString("  Length      Date    Time    Name\n---------  ---------- -----   ----\n")
	for _, f := range files {
		total += f.UncompressedSize64
		fmt.Fprintf(c.out, "%9d  %s   %s\n", f.UncompressedSize64, f.Modified.In(c.p.location()).Format("2006-01-02 15:04"), f.Name)
	}
	plural := "s"
	if len(files) == 1 {
		plural = ""
	}
	fmt.Fprintf(c.out, "---------                     -------\n%9d                     %d file%s\n", total, len(files), plural)
}

// one extracts, tests or prints a member.
func (c *unzipCall) one(f *zip.File) error {
	isDir := strings.HasSuffix(f.Name, "/")
	if c.pipe || c.test {
		if isDir {
			return nil
		}
		var w io.Writer = c.out
		if c.test {
			w = io.Discard
		}
		return zipContent(f, w)
	}
	// A name must not lead out of the directory: neither by "..", nor (see below) over a link that the archive made.
	clean := path.Clean("/" + f.Name)[1:]
	if c.flat {
		if isDir {
			return nil
		}
		clean = path.Base(clean)
	}
	name := joinName(c.dir, clean)
	if isDir {
		if _, err := c.p.Files.Stat(name); err == nil {
			return nil
		}
		c.say("   creating", name+"/")
		c.made = append(c.made, madeDir{name, f})
		return c.p.Files.MkdirAll(name, 0o777)
	}
	if err := c.p.Files.MkdirAll(path.Dir(name), 0o777); err != nil {
		return err
	}
	for at := path.Dir(clean); at != "."; at = path.Dir(at) {
		if info, err := c.p.Files.Lstat(joinName(c.dir, at)); err == nil && info.Mode()&fs.ModeSymlink != 0 {
			return errors.New("not extracted through the symbolic link " + at)
		}
	}
	if _, err := c.p.Files.Lstat(name); err == nil {
		if c.never {
			return nil
		}
		if !c.overwrite {
			return errors.New("exists already; -o overwrites, -n keeps")
		}
		if err := c.p.Files.Unlink(name); err != nil {
			return err
		}
	}
	return c.file(f, name)
}

func (c *unzipCall) file(f *zip.File, name string) error {
	if f.Mode()&fs.ModeSymlink != 0 {
		var target strings.Builder
		if err := zipContent(f, &target); err != nil {
			return err
		}
		c.say("    linking", name)
		return c.p.Files.Symlink(target.String(), name)
	}
	verb := "  inflating"
	if f.Method == zip.Store {
		verb = " extracting"
	}
	c.say(verb, name)
	w, err := c.p.Files.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	err = zipContent(f, w)
	if closing := w.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = c.attributes(name, f)
	}
	return err
}

// attributes sets the mode and the time of what was extracted.
func (c *unzipCall) attributes(name string, f *zip.File) error {
	if f.Mode().Perm() != 0 {
		if err := c.p.Files.Chmod(name, f.Mode().Perm()); err != nil {
			return err
		}
	}
	return c.p.Files.Chtimes(name, f.Modified, f.Modified)
}

func (c *unzipCall) say(verb, name string) {
	if !c.quiet {
		fmt.Fprintf(c.out, "%s: %-22s  \n", verb, strings.TrimPrefix(name, "./"))
	}
}

func zipContent(f *zip.File, w io.Writer) error {
	r, err := f.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(w, r)
	return err
}
