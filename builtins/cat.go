package builtins

import (
	"bytes"
	"fmt"
	"io"
)

// catFlags are what cat does to the text; none of it set means copying.
type catFlags struct {
	number, numberFilled, squeeze, ends, tabs, visible bool
}

// copySize is the block of a plain copy.
const copySize = 256 << 10

func cat(p *Process) int {
	opts, names, status, done := p.parse(usage{
		synopsis: "[OPTION]... [FILE]...",
		about:    "Concatenate FILE(s) to standard output.",
		options: []string{"A show-all", "b number-nonblank", "e", "E show-ends", "n number", "s squeeze-blank", "t",
			"T show-tabs", "u", "v show-nonprinting"},
	})
	if done {
		return status
	}
	var f catFlags
	for _, o := range opts {
		switch o.name {
		case "A":
			f.visible, f.ends, f.tabs = true, true, true
		case "b":
			f.number, f.numberFilled = true, true
		case "e":
			f.visible, f.ends = true, true
		case "E":
			f.ends = true
		case "n":
			f.number = true
		case "s":
			f.squeeze = true
		case "t":
			f.visible, f.tabs = true, true
		case "T":
			f.tabs = true
		case "v":
			f.visible = true
		}
	}
	if f == (catFlags{}) {
		return p.copyInputs(names)
	}
	out := p.output()
	c := catter{catFlags: f, out: out, fresh: true}
	status = p.forInputs(names, func(_ string, r io.Reader) error {
		// What one read gives is written before the next one, so that a dialogue through cat works.
		buf := make([]byte, blockSize)
		for {
			n, err := r.Read(buf)
			c.text(buf[:n])
			if out.Flush() != nil || err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
		}
	})
	c.finish()
	return out.finish(status)
}

// copyInputs is cat without options, and more and less where they cannot page.
func (p *Process) copyInputs(names []string) int {
	buf := make([]byte, copySize)
	var broken error
	status := p.forInputs(names, func(_ string, r io.Reader) error {
		for broken == nil {
			n, err := r.Read(buf)
			if n > 0 {
				_, broken = p.Stdout.Write(buf[:n])
			}
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if broken != nil {
		if !endsOutput(broken) && p.Context.Err() == nil {
			p.Errorf("write error: %s", strerror(broken))
		}
		return 1
	}
	return status
}

// catter writes text with cat's marks; its state goes on from file to file.
type catter struct {
	catFlags
	out    *output
	fresh  bool // at the beginning of a line
	blanks int  // empty lines just before
	line   int
	cr     bool // a carriage return waits for what follows
}

func (c *catter) text(b []byte) {
	for len(b) > 0 {
		if c.cr {
			c.cr = false
			if b[0] == '\n' || c.visible {
				c.out.WriteString("^M")
			} else {
				c.out.WriteByte('\r')
			}
		}
		i := bytes.IndexByte(b, '\n')
		part := b
		if i >= 0 {
			part = b[:i]
		}
		if len(part) > 0 {
			c.blanks = 0
			c.start(true)
			if c.ends && part[len(part)-1] == '\r' {
				part, c.cr = part[:len(part)-1], true
			}
			c.marked(part)
		}
		if i < 0 {
			return
		}
		if c.cr {
			c.cr = false
			c.out.WriteString("^M")
		}
		b = b[i+1:]
		if c.fresh {
			c.blanks++
			if c.squeeze && c.blanks > 1 {
				continue
			}
			c.start(!c.numberFilled)
		}
		if c.ends {
			c.out.WriteByte('$')
		}
		c.out.WriteByte('\n')
		c.fresh = true
	}
}

func (c *catter) finish() {
	if c.cr {
		if c.visible {
			c.out.WriteString("^M")
		} else {
			c.out.WriteByte('\r')
		}
	}
}

// start numbers a line where it begins.
func (c *catter) start(counts bool) {
	if c.fresh && c.number && counts {
		c.line++
		fmt.Fprintf(c.out, "%6d\t", c.line)
	}
	c.fresh = false
}

func (c *catter) marked(b []byte) {
	if !c.visible && !c.tabs {
		c.out.Write(b)
		return
	}
	for _, ch := range b {
		switch {
		case ch == '\t':
			if c.tabs {
				c.out.WriteString("^I")
			} else {
				c.out.WriteByte('\t')
			}
		case !c.visible:
			c.out.WriteByte(ch)
		default:
			if ch >= 128 {
				c.out.WriteString("M-")
				ch -= 128
			}
			switch {
			case ch < 32:
				c.out.WriteByte('^')
				c.out.WriteByte(ch + 64)
			case ch == 127:
				c.out.WriteString("^?")
			default:
				c.out.WriteByte(ch)
			}
		}
	}
}

// pager is more and less: without a terminal to page on they copy.
func pager(p *Process) int {
	_, names, status, done := p.parse(usage{
		synopsis: "[OPTION]... [FILE]...",
		about:    "Write FILE(s) to standard output without paging.",
		options:  []string{"d", "f", "p", "c", "u", "s squeeze", "e", "E", "F", "i", "N", "n", "R", "r", "S", "X", "x="},
	})
	if done {
		return status
	}
	return p.copyInputs(names)
}
