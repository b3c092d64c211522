package builtins

import (
	"errors"
	"io"
	"os"
	"strings"
)

// codec is bzip2 or zstd as a command of its own.
type codec struct {
	method, suffix, tarSuffix string
	keep                      bool // the input stays
	stdout, expand, test      bool
	force                     bool
}

func bzip2Command(p *Process) int {
	c := codec{method: "bzip2", suffix: ".bz2", tarSuffix: ".tbz2"}
	c.expand, c.stdout = p.Name() != "bzip2", p.Name() == "bzcat"
	return c.run(p, usage{synopsis: "-d [OPTION]... [FILE]...", about: "Decompress .bz2 files; compressing is not supported.",
		options: []string{"c stdout", "d decompress", "z compress", "k keep", "f force", "t test", "q quiet", "v verbose", "s small"}})
}

func zstdCommand(p *Process) int {
	c := codec{method: "zstd", suffix: ".zst", tarSuffix: ".tzst", keep: true}
	c.expand, c.stdout = p.Name() != "zstd", p.Name() == "zstdcat"
	return c.run(p, usage{synopsis: "[OPTION]... [FILE]...", about: "Compress or decompress .zst files.",
		options: []string{"c stdout", "d decompress uncompress", "z compress", "k keep", "rm", "f force", "t test", "q quiet", "v verbose", "o output=", "T threads=", "no-progress",
			"1", "2", "3", "4", "5", "6", "7", "8", "9"}})
}

// xzCommand is xz, lzma and their other names.
func xzCommand(p *Process) int {
	c := codec{method: "xz", suffix: ".xz", tarSuffix: ".txz"}
	if strings.Contains(p.Name(), "lz") {
		c = codec{method: "lzma", suffix: ".lzma", tarSuffix: ".tlz"}
	}
	c.expand, c.stdout = p.Name() != "xz" && p.Name() != "lzma", strings.HasSuffix(p.Name(), "cat")
	return c.run(p, usage{synopsis: "[OPTION]... [FILE]...", about: "Compress or decompress .xz and .lzma files.",
		options: []string{"c stdout to-stdout", "d decompress uncompress", "z compress", "k keep", "f force", "t test", "q quiet", "v verbose", "T threads=", "e extreme", "0 fast", "1", "2", "3", "4", "5", "6", "7", "8", "9 best"},
		lacks:   []string{"l list", "F format=", "C check=", "S suffix=", "M memlimit=", "files?", "files0?", "single-stream", "no-sparse", "ignore-check", "block-size=", "lzma1?", "lzma2?", "x86?", "robot"}})
}

func (c *codec) run(p *Process, u usage) int {
	opts, names, status, done := p.parse(u)
	if done {
		return status
	}
	output := ""
	for _, o := range opts {
		switch o.name {
		case "c":
			c.stdout = true
		case "d":
			c.expand = true
		case "z":
			c.expand = false
		case "k":
			c.keep = true
		case "rm":
			c.keep = false
		case "f":
			c.force = true
		case "t":
			c.expand, c.test = true, true
		case "o":
			output = o.value
		}
	}
	if !c.expand && c.method == "bzip2" {
		p.Errorf("compressing is not supported by this implementation (gzip and zstd are); use -d to decompress")
		return 1
	}
	if len(names) == 0 {
		names = []string{"-"}
	}
	if output != "" && len(names) > 1 {
		p.Errorf("-o takes only one input file")
		return 1
	}
	for _, name := range names {
		if err := c.file(p, name, output); err != nil {
			if p.Context.Err() == nil && !endsOutput(err) {
				p.Errorf("%s: %s", name, strerror(err))
			}
			status = 1
		}
	}
	return status
}

// target is the name of what becomes of a file.
func (c *codec) target(name string) (string, error) {
	if !c.expand {
		return name + c.suffix, nil
	}
	if base, ok := strings.CutSuffix(name, c.tarSuffix); ok {
		return base + ".tar", nil
	}
	if base, ok := strings.CutSuffix(name, c.suffix); ok {
		return base, nil
	}
	return "", errors.New("unknown suffix (" + c.suffix + " expected)")
}

func (c *codec) file(p *Process, name, output string) (err error) {
	r, err := p.openInput(name)
	if err != nil {
		return err
	}
	defer r.Close()
	var w io.Writer = p.Stdout
	switch {
	case c.test:
		w = io.Discard
	case output == "" && (c.stdout || name == "-"):
	default:
		if output == "" {
			if output, err = c.target(name); err != nil {
				return err
			}
		}
		info, err := p.Files.Stat(name)
		if name != "-" && err != nil {
			return err
		}
		if info != nil && !info.Mode().IsRegular() {
			return errors.New("not a regular file")
		}
		flag := os.O_WRONLY | os.O_CREATE | os.O_EXCL
		if c.force {
			flag = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
		}
		f, err := p.Files.OpenFile(output, flag, 0o666)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := c.convert(f, r); err != nil {
			p.Files.Unlink(output)
			return err
		}
		if info == nil {
			return nil
		}
		if err := p.Files.Chmod(output, info.Mode()); err != nil {
			return err
		}
		if err := p.Files.Chtimes(output, info.ModTime(), info.ModTime()); err != nil {
			return err
		}
		if c.keep {
			return nil
		}
		return p.Files.Unlink(name)
	}
	return c.convert(w, r)
}

func (c *codec) convert(w io.Writer, r io.Reader) error {
	if !c.expand {
		z, err := compressor(c.method, 0, w)
		if err != nil {
			return err
		}
		if _, err := io.Copy(z, r); err != nil {
			return err
		}
		return z.Close()
	}
	z, err := decompressor(c.method, r)
	if err != nil {
		return err
	}
	if closer, ok := z.(interface{ Close() }); ok { // zstd's decoder holds memory
		defer closer.Close()
	}
	_, err = io.Copy(w, z)
	return err
}
