package builtins

import (
	"archive/zip"
	"compress/flate"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// zipCall is a call of zip.
type zipCall struct {
	p                      *Process
	out                    *output
	recursive, quiet, flat bool
	links, noDirs          bool
	level                  int
	exclude                []string
	w                      *zip.Writer
	own                    string // the archive itself is never packed
}

// zipCommand makes a new archive; it updates none.
func zipCommand(p *Process) int {
	u := usage{synopsis: "[-r] [-q] [-j] [-y] [-D] [-0..-9] ARCHIVE FILE... [-x GLOB...]", about: "Make a ZIP archive; an existing one is not updated.", status: 16, positions: true,
		options: []string{"r recurse-paths", "q quiet", "j junk-paths", "y symlinks", "D no-dir-entries", "x exclude=", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}}
	opts, _, status, done := p.parse(u)
	if done {
		return status
	}
	c := zipCall{p: p, out: p.output(), level: 6}
	var operands []string
	excluding := false
	for _, o := range opts {
		switch o.name {
		case "r":
			c.recursive = true
		case "q":
			c.quiet = true
		case "j":
			c.flat = true
		case "y":
			c.links = true
		case "D":
			c.noDirs = true
		case "x":
			c.exclude, excluding = append(c.exclude, o.value), true
		case "":
			if excluding {
				c.exclude = append(c.exclude, o.value)
			} else {
				operands = append(operands, o.value)
			}
		default:
			c.level = int(o.name[0] - '0')
		}
	}
	if len(operands) < 2 {
		p.Errorf("an archive and files are needed")
		return p.tryHelp(u)
	}
	archive := operands[0]
	if archive != "-" && !strings.Contains(lastElement(archive), ".") {
		archive += ".zip"
	}
	var w io.Writer = p.Stdout
	if archive == "-" {
		c.quiet = true
	} else {
		f, err := p.Files.OpenFile(archive, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if err != nil {
			p.Errorf("%s: %s (an existing archive is not updated by this implementation)", archive, strerror(err))
			return 15
		}
		defer f.Close()
		w, c.own = f, archive
	}
	c.w = zip.NewWriter(w)
	c.w.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, c.level) })
	for _, name := range operands[1:] {
		if err := c.add(strings.TrimRight(name, "/")); err != nil {
			c.out.Flush()
			p.Errorf("%s: %s", name, strerror(err))
			status = 18
		}
	}
	if err := c.w.Close(); err != nil {
		p.Errorf("%s: %s", archive, strerror(err))
		status = 14
	}
	return c.out.finish(status)
}

// stored is the name under which a file is packed.
func (c *zipCall) stored(name string) string {
	if c.flat {
		return lastElement(name)
	}
	name = strings.TrimLeft(name, "/")
	for strings.HasPrefix(name, "./") {
		name = strings.TrimLeft(name[2:], "/")
	}
	return name
}

func (c *zipCall) add(name string) error {
	if err := c.p.Context.Err(); err != nil {
		return err
	}
	look := c.p.Files.Stat
	if c.links {
		look = c.p.Files.Lstat
	}
	info, err := look(name)
	if err != nil {
		return err
	}
	stored := c.stored(name)
	if matchesAny(c.exclude, stored) || name == c.own || name == "./"+c.own {
		return nil
	}
	h := &zip.FileHeader{Name: stored, Modified: info.ModTime(), Method: zip.Deflate}
	h.SetMode(info.Mode())
	if info.IsDir() {
		if !c.noDirs && !c.flat && stored != "" && stored != "." {
			h.Name, h.Method = stored+"/", zip.Store
			if _, err := c.w.CreateHeader(h); err != nil {
				return err
			}
			c.say(h.Name, "stored 0%")
		}
		if !c.recursive {
			return nil
		}
		entries, err := c.p.Files.ReadDir(name)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := c.add(joinName(name, e.Name())); err != nil {
				return fmt.Errorf("%s: %w", e.Name(), err)
			}
		}
		return nil
	}
	if info.Size() == 0 || c.level == 0 {
		h.Method = zip.Store
	}
	var content io.ReadCloser
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := c.p.Files.Readlink(name)
		if err != nil {
			return err
		}
		h.Method, content = zip.Store, io.NopCloser(strings.NewReader(target))
	case !info.Mode().IsRegular():
		return fmt.Errorf("not a file that can be packed")
	default:
		if content, err = c.p.openInput(name); err != nil {
			return err
		}
	}
	defer content.Close()
	w, err := c.w.CreateHeader(h)
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, content); err != nil {
		return err
	}
	c.say(h.Name, map[uint16]string{zip.Store: "stored", zip.Deflate: "deflated"}[h.Method])
	return nil
}

func (c *zipCall) say(name, how string) {
	if !c.quiet {
		fmt.Fprintf(c.out, "  adding: %s (%s)\n", name, how)
	}
}
